//! Sessions with their output, in `tests/golden`.
//!
//! A file holds the input, and below `---` lines what the process writes to standard output, what
//! it writes to standard error, and its exit code. A second session in the same file, below
//! `===`, runs on the same database. With `RUSTDB_BLESS=1` the outputs are written instead of
//! compared; read them before you commit them. In the line of the command, `\t` is a blank within an
//! argument.

use std::path::PathBuf;

use crate::harness::Place;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[test]
fn sessions_print_what_they_printed() {
    let mut sessions = 0;
    for name in crate::harness::files(&folder()) {
        let path = folder().join(&name);
        let expected = std::fs::read_to_string(&path).unwrap();
        let place = Place::new();
        let actual: Vec<String> = expected
            .split("===\n")
            .map(|session| played(&place, session))
            .collect();
        let actual = actual.join("===\n");
        if std::env::var_os("RUSTDB_BLESS").is_some() {
            std::fs::write(&path, &actual).unwrap();
        } else {
            assert_eq!(actual, expected, "{name}");
        }
        sessions += 1;
    }
    assert!(sessions >= 4, "only {sessions} sessions were found");
}

/// A session as its file should be.
fn played(place: &Place, session: &str) -> String {
    let input = session.split("---\n").next().unwrap();
    let (arguments, lines) = match input.split_once('\n') {
        Some((first, lines)) if first.starts_with("$ rustdb ") => {
            (&first["$ rustdb ".len()..], lines)
        }
        _ => ("local", input),
    };
    // A tab written `\t` stands for a blank within an argument.
    let arguments: Vec<String> = arguments
        .split_whitespace()
        .map(|argument| argument.replace("\\t", " "))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = place.run_with_input(&arguments, lines);
    format!(
        "{input}---\n{}---\n{}---\nexit code {}\n",
        outcome.stdout, outcome.stderr, outcome.code
    )
}

#[test]
fn stats_begin_with_the_four_lines_that_scripts_read() {
    let place = Place::new();
    let text = place.shell("put k v\nput l w\ndelete k\nstats\n").ok();
    let lines: Vec<&str> = text.lines().skip(3).take(4).collect();
    let number = |line: &str, start: &str, end: &str| -> u64 {
        let number = line
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end));
        number.unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    };
    assert!(number(lines[0], "MemTable size: ", " bytes") > 0);
    assert_eq!(number(lines[1], "MemTable entries: ", ""), 3);
    assert_eq!(number(lines[2], "SSTables: ", ""), 0);
    assert_eq!(number(lines[3], "Sequence: ", ""), 3);
    let flushed = place.shell("flush\nstats\n").ok();
    assert!(flushed.contains("\nSSTables: 1\n"), "{flushed}");
}

#[test]
fn a_script_has_lines_of_any_length_in_either_form_and_what_is_not_text_fails_alone() {
    let place = Place::new();
    let long = "x".repeat(3 << 20);
    let script = [
        b"put a 1\r\nput b \xff\r\nput c ",
        long.as_bytes(),
        b"\nput d \\xff",
    ]
    .concat();
    let outcome = place.shell(&script);
    assert_eq!(outcome.stdout, "OK\nOK\nOK\n");
    let expected = "error: line 2: the command is not UTF-8\nhint: write other bytes as `\\xNN`\n";
    assert_eq!(outcome.stderr, expected);
    outcome.failed(1);
    let found = place
        .run(&["local", "-c", "get a", "-c", "get c", "-c", "get d"])
        .ok();
    assert_eq!(found, format!("1\n{long}\n\\xff\n"));
    // A command of nearly the length that the system allows for one argument.
    let command = format!("put e {}", "y".repeat(100_000));
    place.run(&["local", "-c", &command]).ok();
    assert_eq!(place.shell("get e").ok().len(), 100_001);
}

#[test]
fn stats_tell_the_same_to_people_and_programs() {
    let place = Place::new();
    let text = place.shell("put k v\nflush\nget nothing\nstats\n").ok();
    for line in [
        "Level ",
        "Value files: ",
        "Log writes: ",
        "Log syncs: 1, p50 ",
        "Amplification: ",
        "Stalls: ",
        "Cache: ",
        "Filters: ",
        "Memory: ",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line}:\n{text}");
    }
    let object = place.run(&["stats", "--json"]).ok();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    for path in [
        "/levels/0/bytes",
        "/value_bytes",
        "/log_writes/p99_us",
        "/log_syncs/p999_us",
        "/write_amplification",
        "/read_amplification",
        "/space_amplification",
        "/stalls",
        "/stall_us",
        "/cache/hits",
        "/cache/filtered",
        "/cache/read_in_vain",
    ] {
        let value = object.pointer(path);
        assert!(value.is_some_and(serde_json::Value::is_number), "{path}");
    }
    assert!(object["key_ring_generation"].is_null());
}
