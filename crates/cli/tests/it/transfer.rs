//! Import and export. The sample files stand for larger ones of the same form: a directory with
//! `packages.csv`, `tags.csv` and `relations.csv`, made from the package index of Debian, is
//! loaded too if `RUSTDB_SHARED_DATA` names it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustdb::{Compression, Database, KeyspaceOptions};
use serde_json::Value;

use crate::harness::{Outcome, Place};

fn sample(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    folder.join(name).to_str().unwrap().to_owned()
}

fn import(place: &Place, file: &str, more: &[&str]) -> Outcome {
    place.run(&[&["import", file, "--json"], more].concat())
}

fn report(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.ok()).unwrap()
}

/// Header, then rows in the order of bytes.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].sort_unstable();
    lines
}

#[test]
fn csv_comes_back_as_it_was() {
    let place = Place::new();
    let others = "version,section,installed_kib,source,description";
    for (name, key, columns) in [
        ("packages", "name", Some(others)),
        ("tags", "package,tag", None),
        ("tags", "auto", None),
    ] {
        let keyspace = format!("{name}-{key}");
        let file = sample(&format!("{name}.csv"));
        let options = ["--keyspace", &keyspace, "--key", key];
        assert_eq!(report(import(&place, &file, &options))["loaded"], 4);
        let columns = columns.map_or(vec![], |columns| vec!["--columns", columns]);
        place
            .run(&[&["export", "out.csv", "--force"], &options[..], &columns].concat())
            .ok();
        let (before, after) = (
            std::fs::read_to_string(&file).unwrap(),
            place.read("out.csv"),
        );
        assert_eq!(sorted(&after), sorted(&before), "{keyspace}");
    }
}

#[test]
fn a_row_is_an_entry_whose_value_is_a_json_object() {
    let place = Place::new();
    import(&place, &sample("packages.csv"), &["--key", "name"]).ok();
    import(
        &place,
        &sample("tags.csv"),
        &["--key", "package,tag", "-k", "tags"],
    )
    .ok();
    let text = place.shell("get 7zip\nuse tags\nscan 0ad/\nscan a --json\n");
    assert!(text.stdout.starts_with(
        r#"{"version":"22.01+dfsg-8","section":"utils","source":"p7zip","description":"7-Zip file archiver, high compression"}"#
    ));
    assert!(
        text.stdout
            .contains("0ad/game::strategy = {}\n0ad/interface::graphical = {}\n")
    );
    let odd = place
        .run(&["local", "--json", "-c", "use tags", "-c", "scan a"])
        .ok();
    assert!(odd.contains(r#""key":"a\\/b/with\\\\slash""#), "{odd}");
}

#[test]
fn a_duplicate_key_fails_is_skipped_or_replaces_and_is_counted() {
    let place = Place::new();
    let file = place.write("rows.csv", "id,v\n1,one\n2,two\n1,three\n4,four\n");
    let file = file.to_str().unwrap();
    let told = import(&place, file, &["--key", "id", "-k", "error"]).failed(1);
    assert!(
        told.contains("line 4: key `1` exists; 2 rows were stored"),
        "{told}"
    );
    assert!(told.contains("--on-duplicate"), "{told}");
    for (policy, counter, value) in [
        ("skip", "skipped", r#"{"v":"one"}"#),
        ("replace", "replaced", r#"{"v":"three"}"#),
    ] {
        let options = ["--key", "id", "-k", policy, "--on-duplicate", policy];
        let report = report(import(&place, file, &options));
        assert_eq!(report[counter], 1, "{report}");
        let get = format!("use {policy}\nget 1\ncount\n");
        assert_eq!(
            place.shell(&get).ok(),
            format!("Using keyspace {policy}\n{value}\n3\n")
        );
        // What was there before the import counts as well.
        let again = crate::transfer::report(import(&place, file, &options));
        assert_eq!(again[counter], 4, "{again}");
    }
    let stored = place.shell("use error\ncount\n").ok();
    assert!(stored.ends_with("2\n"), "{stored}");
}

#[test]
fn a_refused_row_is_told_with_its_line() {
    let place = Place::new();
    let rows = "id,v\n1,one\n\"2\n2\",two\n3,three,3\n,four\n5,five\n";
    let file = place.write("rows.csv", rows);
    let file = file.to_str().unwrap();
    let told = import(&place, file, &["--key", "id", "-k", "a"]).failed(1);
    assert!(
        told.contains("line 5: 3 fields, the header has 2; 2 rows were stored"),
        "{told}"
    );
    let outcome = import(
        &place,
        file,
        &["--key", "id", "-k", "b", "--max-refused", "2"],
    );
    assert!(
        outcome.stderr.contains("line 6: key column `id` is empty"),
        "{outcome:?}"
    );
    let report = report(outcome);
    assert_eq!(
        (&report["loaded"], &report["refused"]),
        (&3.into(), &2.into())
    );
}

#[test]
fn what_cannot_be_imported_is_told_before_anything_is_stored() {
    let place = Place::new();
    place.write("rows.csv", "id,v\n1,one\n");
    place.write("twice.csv", "id,id\n1,2\n");
    place.write("empty.csv", "");
    place.write("rows.xyz", "");
    for (arguments, code, told) in [
        (&["rows.csv"][..], 2, "the columns are id, v"),
        (&["rows.csv", "--key", "nam"], 2, "no column `nam`"),
        (&["twice.csv", "--key", "id"], 1, "two columns `id`"),
        (&["empty.csv", "--key", "id"], 1, "the file is empty"),
        (&["missing.csv", "--key", "id"], 1, "missing.csv"),
        (&["rows.xyz"], 2, "--format"),
        (
            &["rows.csv", "--key", "id", "--format", "dump"],
            1,
            "not a dump",
        ),
        (
            &["rows.csv", "--key", "id", "--delimiter", "::"],
            2,
            "cannot separate",
        ),
    ] {
        let outcome = place.run(&[&["import"], arguments].concat());
        assert!(outcome.stderr.contains(told), "{arguments:?}: {outcome:?}");
        outcome.failed(code);
    }
    assert_eq!(
        place.shell("count\nkeyspaces\n").ok(),
        "0\ndefault  (in use)\n"
    );
}

#[test]
fn json_lines_and_dumps_keep_every_byte() {
    let place = Place::new();
    let put = r#"put text "plain, \"quoted\"\n"
put \x00\xff \xfe\x00
put json {"hex":"zz"}
put empty ""
"#;
    place.shell(put).ok();
    let before = place.run(&["local", "--json", "-c", "scan"]).ok();
    for format in ["jsonl", "dump"] {
        let file = format!("out.{format}");
        place.run(&["export", &file]).ok();
        assert!(!place.path(&format!("{file}.partial")).exists());
        let copy = Place::new();
        let path = place.path(&file);
        copy.run(&["import", path.to_str().unwrap()]).ok();
        assert_eq!(
            copy.run(&["local", "--json", "-c", "scan"]).ok(),
            before,
            "{format}"
        );
    }
    let told = place.run(&["export", "out.csv"]).failed(1);
    assert!(told.contains("not text"), "{told}");
    assert!(!place.path("out.csv").exists() && !place.path("out.csv.partial").exists());
}

#[test]
fn a_dump_holds_all_keyspaces() {
    let place = Place::new();
    place
        .shell("put a 1\ncreate other --counted\nuse other\nput b 2\n")
        .ok();
    place.run(&["export", "all.dump"]).ok();
    let copy = Place::new();
    let path = place.path("all.dump");
    let report = report(import(&copy, path.to_str().unwrap(), &[]));
    assert_eq!(report["loaded"], 2);
    let text = copy.shell("get a\nuse other\nget b\n").ok();
    assert_eq!(text, "1\nUsing keyspace other\n2\n");
}

#[test]
fn a_dump_keeps_expiries_and_options() {
    let place = Place::new();
    let options = KeyspaceOptions {
        counted: true,
        compression: Some(Compression::Snappy),
        filter: false,
    };
    {
        let db = Database::open(place.database()).unwrap();
        let tokens = db.keyspace("tokens").unwrap();
        let hour = Duration::from_secs(3600);
        tokens.put_with_ttl("expiring", "secret", hour).unwrap();
        tokens.put("lasting", "name").unwrap();
        let counted = db.create_keyspace("counted", &options).unwrap();
        counted.put("k", "v").unwrap();
        db.close().unwrap();
    }
    let other = Place::new();
    place.run(&["export", "all.dump"]).ok();
    let dump = place.path("all.dump");
    other.run(&["import", dump.to_str().unwrap()]).ok();
    let open = |place: &Place| Database::open(place.database()).unwrap();
    let (db, copy) = (open(&place), open(&other));
    let expiries = |db: &Database| {
        let mut entries = db.keyspace("tokens").unwrap().iter();
        let mut expiries = Vec::new();
        while let Some(entry) = entries.next() {
            expiries.push((entry.unwrap(), entries.expiry()));
        }
        expiries
    };
    assert_eq!(expiries(&copy), expiries(&db));
    assert!(matches!(&expiries(&copy)[..], [(_, Some(_)), (_, None)]));
    let counted = copy.existing_keyspace("counted").unwrap();
    assert_eq!(counted.options(), Some(options));
    assert_eq!(counted.len().unwrap(), 1);
}

#[test]
fn an_export_does_not_replace_a_file_unless_forced() {
    let place = Place::new();
    place.shell("put k v").ok();
    place.write("out.csv", "mine");
    place.run(&["export", "out.csv"]).failed(1);
    assert_eq!(place.read("out.csv"), "mine");
    place.run(&["export", "out.csv", "--force"]).ok();
    assert_eq!(place.read("out.csv"), "key,value\nk,v\n");
    assert_eq!(
        place.run(&["export", "-", "--format", "csv"]).ok(),
        "key,value\nk,v\n"
    );
}

#[test]
fn the_shell_imports_and_exports_the_keyspace_in_use() {
    let place = Place::new();
    let lines = format!(
        "create packages\nuse packages\nimport {} --key name\ncount\nexport out.csv --key name\n\
         import --nonsense\n",
        sample("packages.csv")
    );
    let outcome = place.shell(&lines);
    assert!(
        outcome.stdout.contains("Imported 4 rows into packages"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("--nonsense"), "{outcome:?}");
    assert_eq!(place.read("out.csv").lines().count(), 5);
    outcome.failed(1);
}

/// The main job, on the samples, or on real files where there are some.
#[test]
fn imported_files_are_read_by_key_prefix_and_range_in_this_session_and_the_next() {
    let place = Place::new();
    let folder = std::env::var("RUSTDB_SHARED_DATA").ok();
    let read = |name: &str, key: &str| {
        let file = match &folder {
            Some(folder) => Path::new(folder).join(format!("{name}.csv")),
            None => PathBuf::from(sample(&format!("{name}.csv"))),
        };
        let rows = csv::Reader::from_path(&file)
            .unwrap()
            .into_byte_records()
            .count();
        let file = file.to_str().unwrap();
        let report = report(import(&place, file, &["--keyspace", name, "--key", key]));
        assert_eq!(report["loaded"], rows, "{name}");
        rows
    };
    let packages = read("packages", "name");
    let tags = read("tags", "package,tag");
    let mut counts = vec![("packages", packages), ("tags", tags)];
    if folder.is_some() {
        counts.push(("relations", read("relations", "auto")));
    }
    let lines =
        "use packages\nget 0ad\nscan 0ad\nrange 0ad 0ad-data\nuse tags\nscan 0ad/ --limit 1\n";
    let first = place.shell(lines).ok();
    assert!(
        first.contains("Real-time strategy game of ancient warfare"),
        "{first}"
    );
    assert!(first.contains("0ad-data = {"), "{first}");
    assert!(
        first.contains("0ad/game::strategy = {}\n(1 entry)"),
        "{first}"
    );
    assert_eq!(place.shell(lines).ok(), first);
    for (name, rows) in counts {
        let text = place.shell(format!("use {name}\ncount\n")).ok();
        assert!(text.ends_with(&format!("\n{rows}\n")), "{name}: {text}");
    }
}

#[test]
fn a_file_that_is_no_table_does_not_flood_the_terminal() {
    let place = Place::new();
    place.write("long.csv", "a".repeat(1 << 20));
    for key in [&["--key", "b"][..], &[]] {
        let told = import(&place, "long.csv", key).failed(2);
        assert!(told.contains("the columns are aaa"), "{}", told.len());
        assert!(told.len() < 1_000, "{}", told.len());
    }
}

/// What an import of `text` refuses, and what it stores.
fn refused_and_stored(name: &str, text: &[u8], more: &[&str]) -> (String, String) {
    let place = Place::new();
    place.write(name, text);
    let outcome = import(&place, name, &[&["--max-refused", "9"], more].concat());
    let stored = place.shell("scan\n").ok();
    (outcome.stderr, stored)
}

#[test]
fn rows_are_read_as_other_programs_write_them() {
    let two = "1 = {\"v\":\"a\"}\n2 = {\"v\":\"b\"}\n(2 entries)\n";
    for text in [
        "id,v\n1,a\n2,b\n",
        "id,v\r\n1,a\r\n2,b\r\n",
        "id,v\r1,a\r2,b\r",
        "\u{feff}id,v\n1,a\n2,b",
        "\nid,v\n\n1,a\n\n\n\"2\",\"b\"\n\n",
    ] {
        let (refused, stored) = refused_and_stored("t.csv", text.as_bytes(), &["--key", "id"]);
        assert_eq!((refused.as_str(), stored.as_str()), ("", two), "{text:?}");
    }
    let tabs = refused_and_stored("t.tsv", b"id\tv\n1\ta\n2\tb\n", &["--key", "id"]);
    assert_eq!(tabs, (String::new(), two.to_owned()));
    let text = "id,v\n1,\"a,\"\"b\"\"\nc\"\n2, x \n3,5\" disk\n";
    let (refused, stored) = refused_and_stored("t.csv", text.as_bytes(), &["--key", "id"]);
    assert_eq!(refused, "");
    let expected = "1 = {\"v\":\"a,\\\\\"b\\\\\"\\\\nc\"}\n2 = {\"v\":\" x \"}\n\
                    3 = {\"v\":\"5\\\\\" disk\"}\n(3 entries)\n";
    assert_eq!(stored, expected);
}

#[test]
fn what_is_no_row_is_refused_with_the_line_it_begins_on() {
    let text = b"id,v\r\n1,\"a\r\nb\"\r\n\r\n2,\xff\r\n3\r\n4,a,b\r\n5,\"z\"z\r\n,e\r\n7,f";
    let (refused, stored) = refused_and_stored("t.csv", text, &["--key", "id"]);
    let lines: Vec<String> = refused
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["refused"].to_string())
        .collect();
    assert_eq!(
        lines,
        [
            "\"line 5: column `v` is not UTF-8\"",
            "\"line 6: 1 field, the header has 2\"",
            "\"line 7: 3 fields, the header has 2\"",
            "\"line 8: column `v`: text follows the closing quote; a quote inside of quotes is \
             written twice\"",
            "\"line 9: key column `id` is empty\"",
        ]
    );
    assert!(
        stored.ends_with("7 = {\"v\":\"f\"}\n(2 entries)\n"),
        "{stored}"
    );
}

#[test]
fn a_quote_that_is_never_closed_ends_the_import_whatever_is_allowed() {
    let text = b"id,v\n1,a\n2,\"b\n3,c\n";
    let (told, stored) = refused_and_stored("t.csv", text, &["--key", "id"]);
    let expected = "`t.csv`: line 3: a quote opens here and is never closed; 1 row was stored";
    assert!(told.contains(expected), "{told}");
    assert!(stored.ends_with("(1 entry)\n"), "{stored}");
}

#[test]
fn a_line_that_is_no_json_is_refused_with_its_number() {
    let text = b"\xef\xbb\xbf{\"key\":\"a\",\"value\":\"b\"}\n\n{\"key\":\"a\"\n[1]\n{\"key\":}\n";
    let (refused, stored) = refused_and_stored("t.jsonl", text, &[]);
    let expected = "{\"refused\":\"line 3: not JSON: EOF while parsing an object\"}\n\
                    {\"refused\":\"line 4: not a JSON object\"}\n\
                    {\"refused\":\"line 5: not JSON at column 8: expected value\"}\n";
    assert_eq!(refused, expected);
    assert_eq!(stored, "a = b\n(1 entry)\n");
}

#[test]
fn a_file_that_cannot_be_imported_makes_no_database() {
    let place = Place::new();
    place.write("t.csv", "id,v\n1,a\n");
    place.write("t.dump", "id,v\n1,a\n");
    for (arguments, code, told) in [
        (
            &["missing.csv", "--key", "id"][..],
            1,
            "cannot open `missing.csv`: no such file",
        ),
        (&["t.csv"], 2, "`t.csv`: which columns make the key?"),
        (&["t.csv", "--key", "no"], 2, "`t.csv`: no column `no`"),
        (
            &["t.csv", "--key", "id", "--delimiter", "ab"],
            2,
            "cannot separate columns",
        ),
        (&["t.dump"], 1, "`t.dump`: this is not a dump"),
        (&[".", "--format", "csv"], 1, "`.` is a directory"),
    ] {
        let error = place.run(&[&["import"], arguments].concat()).failed(code);
        assert!(error.contains(told), "{error}");
        assert!(!place.database().exists(), "{arguments:?}");
    }
}

#[test]
fn an_export_that_cannot_be_written_names_the_file_and_leaves_none() {
    let place = Place::new();
    place.shell("put k v\n").ok();
    let told = place.run(&["export", "no/out.csv"]).failed(1);
    assert!(
        told.contains("cannot create `no/out.csv`: no such file or directory\n"),
        "{told}"
    );
    // Without `--force`, which replaced devices once.
    let told = place.run(&["export", "/dev/full", "--format", "csv"]);
    let expected = "cannot write `/dev/full`: no space left on device\n";
    assert!(told.stderr.ends_with(expected), "{told:?}");
    told.failed(1);
    assert_eq!(crate::harness::files(&place.path("")), ["db"]);
}

#[test]
fn an_export_follows_links_and_writes_to_pipes_as_they_are() {
    let place = Place::new();
    place.shell("put k v\n").ok();
    let file = place.write("file.csv", "old");
    std::os::unix::fs::symlink(&file, place.path("link.csv")).unwrap();
    place.run(&["export", "link.csv", "--force"]).ok();
    assert!(place.path("link.csv").is_symlink());
    assert_eq!(place.read("file.csv"), "key,value\nk,v\n");
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let pipe = place.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    place.run(&["export", "pipe", "--format", "csv"]).ok();
    assert_eq!(reader.join().unwrap(), "key,value\nk,v\n");
}

#[test]
fn ctrl_c_ends_an_import_whose_stored_rows_are_there_and_which_goes_on() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::Write;
    use std::process::Stdio;

    let place = Place::new();
    let mut import = crate::harness::command();
    import.args(["import", "-", "--format", "csv", "--key", "id", "-d"]);
    import.arg(place.database());
    import.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut import = import.spawn().unwrap();
    let mut stdin = import.stdin.take().unwrap();
    let rows: String = (0..3000).map(|id| format!("{id},v\n")).collect();
    stdin.write_all(format!("id,v\n{rows}").as_bytes()).unwrap();
    // It is at work as soon as a batch has reached the log.
    let log_bytes = || -> u64 {
        let Ok(entries) = std::fs::read_dir(place.database()) else {
            return 0;
        };
        let logs = entries.map(|entry| entry.unwrap()).filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.ends_with(".wal"))
        });
        logs.map(|entry| entry.metadata().unwrap().len()).sum()
    };
    while log_bytes() < 10_000 {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let mut id = 3000;
    while import.try_wait().unwrap().is_none() {
        let _it_may_have_ended = stdin.write_all(format!("{id},v\n").as_bytes());
        id += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = import.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    let (_, told) = told.split_once("error: cancelled; ").unwrap();
    let (stored, told) = told.split_once(" rows were stored").unwrap();
    assert!(
        told.contains("`--on-duplicate skip` goes on where it ended"),
        "{told}"
    );
    let stored: u64 = stored.replace(',', "").parse().unwrap();
    assert!(stored >= 1000, "{stored}");
    assert_eq!(place.shell("count").ok(), format!("{stored}\n"));
    place.write("again.csv", format!("id,v\n{rows}"));
    let again = report(import_again(&place));
    assert_eq!(again["loaded"].as_u64().unwrap() + stored.min(3000), 3000);
}

fn import_again(place: &Place) -> Outcome {
    import(
        place,
        "again.csv",
        &["--key", "id", "--on-duplicate", "skip"],
    )
}
