//! Files of SQL logic tests: our own in `tests/slt`, and others where there are some.
//!
//! The format is SQLite's: `statement ok`, `statement error`, `query TYPES SORT`, `skipif`,
//! `onlyif`, `hash-threshold`, `halt`; our name is `postgresql`. In our own files `statement error`
//! is followed by the SQLSTATE, and a line of an answer is a row, its cells divided by tabs; their
//! answers are PostgreSQL's: `RUSTDB_BLESS=1` has the installed one write them.
//!
//! `RUSTDB_SHARED_SLT` names a folder of files in SQLite's form. Every statement and query in them
//! must give what they say, but for those in `differences.txt`, which PostgreSQL answers as we do.

mod file;
mod run;

use std::path::{Path, PathBuf};

use file::parse;
use run::{Count, Failure, Report, bless, run};

use crate::engines::{Ours, Scratch};
use crate::server::Server;

/// Our own files.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slt");

#[expect(clippy::disallowed_methods, reason = "files of tests")]
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if path.is_dir() => files.extend(self::files(&path)),
            Some("slt" | "test") => files.push(path),
            _ => (),
        }
    }
    files.sort();
    files
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// What is wrong, in words.
fn told(path: &Path, report: &Report) -> String {
    let lines = report.failures.iter().take(20);
    let lines = lines.map(|failure| format!("{}:{failure}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn our_files_give_what_they_say() {
    let mut wrong = String::new();
    let mut count = Count::default();
    for path in files(Path::new(FOLDER)) {
        let records = parse(&std::fs::read_to_string(&path).unwrap());
        let report = run(&mut Ours::alone(), &records);
        wrong.push_str(&told(&path, &report));
        count.add(report.count);
    }
    eprintln!("{count}");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count.statements > 0 && count.queries > 0);
}

#[test]
fn postgresql_still_says_what_is_in_our_files() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut wrong = String::new();
    for (number, path) in files(Path::new(FOLDER)).into_iter().enumerate() {
        let scratch = Scratch::new(&server, &format!("slt{number}"));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut theirs = scratch.connect();
        if std::env::var_os("RUSTDB_BLESS").is_some() {
            #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
            std::fs::write(&path, bless(&mut theirs, &text)).unwrap();
            continue;
        }
        wrong.push_str(&told(&path, &run(&mut theirs, &parse(&text))));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The records of a file that PostgreSQL answers as we do, by line.
fn known(path: &Path) -> Vec<usize> {
    let lines = include_str!("differences.txt").lines();
    let lines = lines.filter_map(|line| line.strip_prefix(name_of(path)));
    let numbers = lines.filter_map(|line| line.split_once(": ")?.0.strip_prefix(':'));
    let numbers = numbers.flat_map(|numbers| numbers.split(','));
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// `RUSTDB_SLT_ONLY` picks files by a part of their name.
#[test]
fn the_files_of_others_give_what_they_say() {
    let Some(folder) = std::env::var_os("RUSTDB_SHARED_SLT") else {
        return eprintln!("skipped: RUSTDB_SHARED_SLT names no folder");
    };
    let only = std::env::var("RUSTDB_SLT_ONLY").unwrap_or_default();
    let server = Server::shared();
    let mut wrong = String::new();
    let mut total = Count::default();
    for path in files(Path::new(&folder)) {
        if !name_of(&path).contains(&only) {
            continue;
        }
        let records = parse(&std::fs::read_to_string(&path).unwrap());
        let known = known(&path);
        let mut report = run(&mut Ours::alone(), &records);
        let (listed, mut others) = report
            .failures
            .drain(..)
            .partition::<Vec<_>, _>(|failure| known.contains(&failure.line));
        if listed.len() != known.len() {
            wrong.push_str(&format!("{}: listed, but no difference\n", path.display()));
        }
        if let (false, Ok(server)) = (known.is_empty(), &server) {
            let scratch = Scratch::new(server, "others");
            let theirs = run(&mut scratch.connect(), &records).failures;
            let is_theirs = |ours: &Failure| theirs.iter().any(|theirs| ours.is_like(theirs));
            others.extend(listed.into_iter().filter(|ours| !is_theirs(ours)));
        }
        eprintln!("{}: {}", name_of(&path), report.count);
        report.failures = others;
        wrong.push_str(&told(&path, &report));
        total.add(report.count);
    }
    eprintln!("all: {total}");
    assert!(wrong.is_empty(), "{wrong}");
}
