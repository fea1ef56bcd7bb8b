//! Sessions that meet, step by step: Hermitage's anomalies at each isolation level, and cases of
//! our own about locks, keys and definitions.
//!
//! A paragraph is a case. `setup:` lines prepare the tables; then each line is the number of a
//! session and a statement, and under it, indented, what it gives: rows, its tag, the code of its
//! error, or `waits`. What an earlier statement gives once it need not wait any longer stands
//! under the step that freed it, with the number of its session: `<2> UPDATE 1`. The answers are
//! PostgreSQL's; `RUSTDB_BLESS=1` has the installed one write them. In `own.txt` they are ours, and
//! the title says why they are not PostgreSQL's.
//!
//! No step depends on time: a step is over when every session that has not answered waits for a
//! lock.

mod lanes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_vfs::MemVfs;

use crate::database::managed;
use crate::engines::{Ours, Scratch, Talk, Theirs};
use crate::server::Server;
use lanes::{Waits, play};

/// A case: what prepares it, and its steps with their answers.
struct Case {
    title: String,
    setup: Vec<String>,
    steps: Vec<(usize, String)>,
    answers: Vec<Vec<String>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/isolation")
}

fn cases(text: &str) -> Vec<Case> {
    let paragraphs = text.split("\n\n").filter(|text| !text.trim().is_empty());
    paragraphs.map(case).collect()
}

fn case(paragraph: &str) -> Case {
    let mut case = Case {
        title: String::new(),
        setup: Vec::new(),
        steps: Vec::new(),
        answers: Vec::new(),
    };
    for line in paragraph.lines() {
        if let Some(answer) = line.strip_prefix("    ") {
            case.answers.last_mut().unwrap().push(answer.to_owned());
        } else if let Some(title) = line.strip_prefix('#') {
            case.title.push_str(title);
        } else {
            let (who, statement) = line.split_once(": ").unwrap();
            match who.parse() {
                Err(_) => case.setup.push(statement.to_owned()),
                Ok(session) => {
                    case.steps.push((session, statement.to_owned()));
                    case.answers.push(Vec::new());
                }
            }
        }
    }
    case
}

fn written(case: &Case, answers: &[Vec<String>]) -> String {
    let mut text = format!("#{}\n", case.title);
    for line in &case.setup {
        text.push_str(&format!("setup: {line}\n"));
    }
    for ((session, statement), answer) in case.steps.iter().zip(answers) {
        text.push_str(&format!("{session}: {statement}\n"));
        for line in answer {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text + "\n"
}

fn sessions(case: &Case) -> usize {
    case.steps
        .iter()
        .map(|(session, _)| *session)
        .max()
        .unwrap()
}

fn ours(case: &Case) -> Vec<Vec<String>> {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    for statement in &case.setup {
        Ours(database.connect()).0.execute(statement, &[]).unwrap();
    }
    let sessions = (0..sessions(case))
        .map(|_| Ours(database.connect()))
        .collect();
    let waits = Waits::Ours(manager.locks().clone());
    play::<Ours>(sessions, &case.steps, waits)
}

fn theirs(case: &Case, scratch: &Scratch<'_>) -> Vec<Vec<String>> {
    let mut control = scratch.connect();
    control.run("drop schema public cascade; create schema public");
    for statement in &case.setup {
        assert_eq!(control.run(statement).state(), None, "{statement}");
    }
    let connect = |_| {
        let mut session = scratch.connect();
        session.run("set deadlock_timeout to '10ms'");
        session
    };
    let sessions = (0..sessions(case)).map(connect).collect();
    play::<Theirs>(sessions, &case.steps, Waits::Theirs(control))
}

const THEIRS: [&str; 8] = [
    "activity.txt",
    "advisory.txt",
    "definitions.txt",
    "hermitage.txt",
    "sessions.txt",
    "foreign_keys.txt",
    "moves.txt",
    "row_locks.txt",
];
const OWN: [&str; 1] = ["own.txt"];

fn files<const N: usize>(names: [&str; N]) -> [(PathBuf, String); N] {
    names.map(|name| {
        let path = folder().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    })
}

#[test]
fn sessions_that_meet_see_what_postgresql_shows_them() {
    let mut different = String::new();
    for (_, text) in files(THEIRS).into_iter().chain(files(OWN)) {
        for case in cases(&text) {
            let answers = ours(&case);
            if answers != case.answers {
                let (is, not) = (written(&case, &answers), written(&case, &case.answers));
                different.push_str(&format!("is\n{is}not\n{not}"));
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn postgresql_still_shows_that_to_sessions() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let scratch = Scratch::new(&server, "isolation");
    let mut different = String::new();
    for (path, text) in files(THEIRS) {
        let mut blessed = String::new();
        for case in cases(&text) {
            let mut answers = theirs(&case, &scratch);
            // Which of two waiting sessions is first is left to chance there.
            for _ in 0..5 {
                if answers != case.answers {
                    answers = theirs(&case, &scratch);
                }
            }
            if answers != case.answers {
                different.push_str(&written(&case, &answers));
            }
            blessed.push_str(&written(&case, &answers));
        }
        if std::env::var_os("RUSTDB_BLESS").is_some() {
            different.clear();
            #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
            std::fs::write(path, blessed.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
