//! Options, variables, exit codes, help.

use std::process::Stdio;

use crate::harness::{Place, command, files, run};

#[test]
fn version_and_help_name_what_people_look_for() {
    let version = run(command().arg("--version"), "").ok();
    assert_eq!(version, format!("rustdb {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(command().arg("version"), "").ok(), version);
    let help = run(command().arg("--help"), "").ok();
    for word in [
        "--data-dir",
        "--demo",
        "RUSTDB_DATA_DIR",
        "local",
        "import",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}

#[test]
fn the_demo_runs_to_its_end_and_leaves_nothing_behind() {
    let place = Place::new();
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut demo = command();
    demo.arg("--demo")
        .env("TMPDIR", &temporary)
        .current_dir(place.path(""));
    let text = run(&mut demo, "").ok();
    for words in [
        "RustDB Demo",
        "planet:3:earth: 1 moon",
        "refused",
        "Demo complete",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(files(&temporary).is_empty());
    assert_eq!(files(&place.path("")), ["tmp"]);
}

#[test]
fn the_demo_works_twice_in_a_directory_and_leaves_its_data() {
    let place = Place::new();
    place.shell("put mine stays").ok();
    for _ in 0..2 {
        let text = place.run(&["--demo"]).ok();
        assert!(text.contains("Demo complete"), "{text}");
    }
    let after = place
        .shell("get mine\nuse demo.planets\nget planet:3:earth\n")
        .ok();
    assert_eq!(after, "stays\nUsing keyspace demo.planets\n1 moon\n");
}

#[test]
fn the_directory_comes_from_the_flag_then_the_variable_then_the_default() {
    let place = Place::new();
    let here = place.path("");
    let run_in = |variable: Option<&str>, flag: Option<&str>| {
        let mut command = command();
        command.current_dir(&here).args(["local", "-c", "put k v"]);
        if let Some(directory) = variable {
            command.env("RUSTDB_DATA_DIR", directory);
        }
        if let Some(directory) = flag {
            command.args(["-d", directory]);
        }
        run(&mut command, "").ok();
    };
    run_in(Some("by_variable"), None);
    assert_eq!(files(&here), ["by_variable"]);
    run_in(Some("not_used"), Some("by_flag"));
    assert_eq!(files(&here), ["by_flag", "by_variable"]);
    run_in(None, None);
    assert_eq!(files(&here), ["by_flag", "by_variable", "data"]);
}

#[test]
fn every_option_has_a_variable() {
    let place = Place::new();
    place.shell("put k v").ok();
    let mut command = command();
    command.args(["local", "-c", "get k", "-c", "put k w"]);
    command.env("RUSTDB_DATA_DIR", place.database());
    command
        .env("RUSTDB_READ_ONLY", "true")
        .env("RUSTDB_JSON", "1");
    let outcome = run(&mut command, "");
    assert_eq!(outcome.stdout, "{\"key\":\"k\",\"value\":\"v\"}\n");
    assert!(outcome.failed(1).contains("read-only"));
}

#[test]
fn without_a_command_a_shell_greets() {
    let place = Place::new();
    let outcome = place.run_with_input(&[], "select 1;\nexit\n");
    let banner = format!("RustDB v{}", env!("CARGO_PKG_VERSION"));
    assert!(outcome.stderr.starts_with(&banner), "{outcome:?}");
    assert!(
        outcome.stderr.contains(place.database().to_str().unwrap()),
        "{outcome:?}"
    );
    assert_eq!(
        outcome.ok(),
        " ?column? \n----------\n        1\n(1 row)\n\nBye!\n"
    );
}

#[test]
fn exit_codes_tell_failures_from_mistakes() {
    let place = Place::new();
    let told = place.run(&["stats"]).failed(1);
    assert!(told.starts_with("error: there is no database in"), "{told}");
    assert!(told.contains("\nhint: "), "{told}");
    place.run(&["--no-such-option"]).failed(2);
    place.run(&["no-such-command"]).failed(2);
    place
        .run(&["local", "-c", "frobnicate", "-c", "put k v"])
        .failed(1);
    assert_eq!(place.shell("get k").ok(), "v\n", "the second command ran");
}

#[test]
fn a_foreign_directory_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.database()).unwrap();
    place.write("db/letter.txt", "dear");
    let told = place.shell("put k v").failed(1);
    assert!(told.starts_with("error: "), "{told}");
    assert!(
        told.contains("\nhint: a database needs a directory of its own"),
        "{told}"
    );
    assert_eq!(files(&place.database()), ["letter.txt"]);
}

#[test]
fn a_second_process_is_told_who_has_the_database() {
    let place = Place::new();
    let mut first = command();
    first.arg("local").arg("-d").arg(place.database());
    let mut first = first
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 3];
    use std::io::{Read, Write};
    first
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"put k v\n")
        .unwrap();
    first
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    let told = place.shell("get k").failed(1);
    assert!(told.contains(&format!("process {}", first.id())), "{told}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(place.shell("get k").ok(), "v\n");
}

#[test]
fn an_encrypted_database_needs_its_key_and_a_misspelt_variable_is_refused() {
    let place = Place::new();
    let key = place.key_file("key", &"11".repeat(32));
    let other = place.key_file("other", &"22".repeat(32));
    place
        .run(&["local", "--key-file", &key, "-c", "put k secret"])
        .ok();
    let text = place
        .run(&["local", "--key-file", &key, "-c", "get k"])
        .ok();
    assert_eq!(text, "secret\n");
    place
        .run(&["local", "--key-file", &other, "-c", "get k"])
        .failed(1);
    let told = place.run(&["local", "-c", "get k"]).failed(1);
    assert!(
        told.contains("\nhint: give its key with `--key-file`"),
        "{told}"
    );

    let mut misspelt = command();
    misspelt.args(["local", "-c", "put k v", "-d"]);
    misspelt.arg(place.path("new"));
    let told = run(misspelt.env("RUSTDB_KEYFILE", &key), "").failed(2);
    assert!(told.contains("RUSTDB_KEY_FILE"), "{told}");
    assert!(!place.path("new").exists());
}

#[test]
fn nobody_reading_the_output_is_no_failure() {
    let place = Place::new();
    let mut lines = String::new();
    for number in 0..20_000 {
        lines.push_str(&format!(
            "{{\"key\":\"{number}\",\"value\":\"some text\"}}\n"
        ));
    }
    place.write("rows.jsonl", lines);
    place.run(&["import", "rows.jsonl"]).ok();
    for arguments in [
        &["local", "-c", "scan"][..],
        &["export", "-", "--format", "jsonl"],
    ] {
        let mut command = command();
        command.args(arguments).arg("-d").arg(place.database());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let outcome = child.wait_with_output().unwrap();
        assert_eq!(outcome.status.code(), Some(0), "{arguments:?} {outcome:?}");
        assert!(outcome.stderr.is_empty(), "{arguments:?} {outcome:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    place.shell("put k v").ok();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["import", "--help"],
        &["man"],
        &["completions", "bash"],
        &["stats"],
        &["local", "-c", "scan"],
        &["export", "-", "--format", "csv"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = command();
        command
            .args(arguments)
            .env("RUSTDB_DATA_DIR", place.database());
        let outcome = command.stdout(full.unwrap()).output().unwrap();
        let told = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{arguments:?}: {told}");
        assert_eq!(
            told, "error: cannot write to standard output: no space left on device\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn a_checkpoint_opens_as_a_database_and_stays_as_it_was() {
    let place = Place::new();
    let copy = place.path("copy");
    let lines = format!("put k then\ncheckpoint {}\nput k now\n", copy.display());
    place.shell(&lines).ok();
    assert_eq!(place.shell("get k\n").ok(), "now\n");
    let mut command = command();
    command.args(["local", "-c", "get k"]).arg("-d").arg(copy);
    assert_eq!(run(&mut command, "").ok(), "then\n");
}

#[test]
fn verify_is_content_with_what_was_written_and_finds_a_changed_byte() {
    let place = Place::new();
    let text = place.shell("put k v\nflush\nverify\n").ok();
    assert!(text.contains(": 1 table, "), "{text}");
    let table = files(&place.database())
        .into_iter()
        .find(|name| name.ends_with(".sst"));
    let table = place.database().join(table.unwrap());
    let mut bytes = std::fs::read(&table).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let told = place.shell("verify\n").failed(1);
    assert!(told.starts_with("error: "), "{told}");
}

#[test]
fn completions_and_the_manual_page_know_every_command_and_option() {
    let help = run(command().arg("--help"), "").ok();
    let words = |text: &str| -> Vec<String> {
        let words = text.lines().filter(|line| line.starts_with("  "));
        words
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect()
    };
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    let commands = words(listed);
    assert!(commands.len() >= 12, "{commands:?}");
    let mut options = Vec::new();
    for name in &commands {
        let help = run(command().args([name, "--help"]), "").ok();
        let long = help
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("--"));
        let long = long.map(|word| word.trim_end_matches(|it: char| !it.is_ascii_lowercase()));
        options.extend(long.filter(|word| word.len() > 2).map(str::to_owned));
    }
    options.sort();
    options.dedup();
    assert!(options.len() >= 20, "{options:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(command().args(["completions", shell]), "").ok();
        for name in commands.iter().chain(&options) {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let page = run(command().arg("man"), "").ok();
    for name in &commands {
        let heading = format!(".SH RUSTDB {}\n", name.to_uppercase());
        assert!(page.contains(&heading), "{name}");
    }
    let page_without_dashes = page.replace('\\', "");
    for name in &options {
        assert!(page_without_dashes.contains(name), "{name}");
    }
    for word in ["Exit codes", "RUSTDB_KEY", "NO_COLOR"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(page.contains(".TH rustdb 1"), "{page}");
    assert!(page.contains("RUSTDB_DATA_DIR"), "{page}");
}

#[test]
fn what_is_no_directory_or_no_database_is_told_with_what_to_do() {
    let place = Place::new();
    place.write("file", "text");
    for directory in ["file", "file/db"] {
        let told = run(
            command()
                .current_dir(place.path(""))
                .args(["local", "-c", "count", "-d", directory]),
            "",
        )
        .failed(1);
        let expected = format!(
            "error: cannot read `{directory}`: not a directory\n\
             hint: a database is a directory; name another one with `--data-dir`\n"
        );
        assert_eq!(told, expected);
    }
    place.shell("put k v").ok();
    let told = place.run(&["checkpoint", &place.path("file").display().to_string()]);
    let hint = "\nhint: give a directory that does not exist yet\n";
    assert!(told.failed(1).ends_with(hint));
    let told = place.run(&["import", &place.path("").display().to_string()]);
    assert!(told.failed(1).ends_with("` is a directory\n"));
    let place = Place::new();
    for name in ["stats", "verify", "repair", "upgrade", "compact", "export"] {
        let mut arguments = vec![name];
        if name == "export" {
            arguments.extend(["-", "--format", "csv"]);
        }
        let told = place.run(&arguments).failed(1);
        assert!(told.contains("there is no database in `"), "{name}: {told}");
        assert!(
            told.contains("\nhint: name its directory with `--data-dir`\n"),
            "{name}: {told}"
        );
    }
}

#[test]
fn the_sentences_of_rusty_db_are_there_for_who_asks() {
    let place = Place::new();
    let told = |value: &str| {
        let mut command = command();
        command.env("RUSTY_DB_DEBUG", value).arg("local");
        command.arg("--data-dir").arg(place.database());
        run(&mut command, "put k v w\nget k\ndelete k\nget k\nexit\n").ok()
    };
    assert_eq!(
        told("1"),
        "Successfully stored the key-value pair\nValue: v w\nOK\nKey not found: k\nBye!\n"
    );
    assert_eq!(told("0"), "OK\nv w\nOK\n(nil)\nBye!\n");
}

#[test]
fn statements_know_what_time_it_is() {
    let place = Place::new();
    let query = "select now() > '2020-01-01' as now, current_date > '2020-01-01' as today, \
                 'now'::timestamptz > '2020-01-01' as literal";
    let said = place.run(&["--csv", "-c", query]).ok();
    assert_eq!(said, "now,today,literal\nt,t,t\n");
}

#[test]
fn a_directory_is_made_but_not_those_above_it() {
    let place = Place::new();
    for arguments in [&["-c", "select 1"][..], &["local", "-c", "count"]] {
        let mut command = command();
        command.args(arguments).arg("--data-dir");
        let told = run(command.arg(place.path("mistyped/db")), "").failed(1);
        let above = place.path("mistyped");
        assert!(
            told.contains(&format!("there is no directory `{}`", above.display()))
                && told.contains("\nhint: make it first"),
            "{told}"
        );
        assert!(!above.exists());
    }
    place.run(&["-c", "select 1"]).ok();
    assert!(place.database().is_dir());
}
