//! The SELECTs of PostgreSQL's own regression suite that stand alone, ours beside PostgreSQL's.
//!
//! `RUSTDB_REGRESS` names the folder `src/test/regress/sql` of PostgreSQL 15's source; without it
//! the test says that it is skipped. `RUSTDB_REGRESS_ONLY` picks files by name, and
//! `RUSTDB_REGRESS_OUT` names a file for all differences. The suite's files are PostgreSQL's and
//! are not copied here.
//!
//! A query stands alone if an empty PostgreSQL knows all that it names, and answers twice alike.
//! Rows must be the same (in their order, if there is an ORDER BY), and of errors the codes. What
//! differs is of one of the classes in [`Class`]. Every statement that differs, but for those over
//! types that are not here, stands in `regress/explained.txt` with a reason; one that is not there,
//! or is there and agrees, fails the test. `RUSTDB_BLESS=1` writes the list anew and keeps reasons.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use rustdb_sql::Session;

use crate::database::{cell, session};
use crate::server::Server;

mod explained;
mod script;

use explained::{OTHER_FILES, OTHER_WORDS, UNEXPLAINED};
use script::{is_query, is_setting, statements};

/// Settings that the suite's driver gives to every file.
const SETTINGS: &[&str] = &[
    "SET timezone = 'PST8PDT'",
    "SET datestyle = 'Postgres, MDY'",
    "SET intervalstyle = 'postgres_verbose'",
    "SET statement_timeout = '20s'",
];

/// Codes by which PostgreSQL says that something is not there: the query does not stand alone.
const MISSING: &[&str] = &[
    "42P01", "42883", "42704", "3F000", "42703", "42P02", "26000", "34000", "57014", "42501",
    "58P01", "XX000",
];

/// What an answer is: rows, or an error's code and words.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    Rows(Vec<String>),
    Error(String, String),
    /// A panic.
    Broken,
}

/// How two answers differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Class {
    /// They do not.
    Agree,
    /// They are of types that are not among ours.
    OtherType,
    /// We say that we do not have it: a function, an operator, a type, a syntax.
    NotYet,
    /// Both are errors, with other codes.
    OtherCode,
    /// We have an error where PostgreSQL has rows.
    Refused,
    /// We have rows where PostgreSQL has an error.
    Accepted,
    /// Other rows.
    Wrong,
}

/// Rows between two queries' answers.
const MARK: &str = "\u{1}@@@\n";

/// PostgreSQL's answers to the statements of a file.
fn theirs(server: &Server, texts: &[String]) -> Vec<Answer> {
    let mut input = String::from("set client_min_messages to error;\n\\pset null '\\\\N'\n");
    for setting in SETTINGS {
        input.push_str(&format!("{setting};\n"));
    }
    for text in texts {
        input.push_str(&format!("\\echo '\u{1}@@@'\n{text};\n"));
    }
    let path = format!("/tmp/rustdb-regress-{}.sql", std::process::id());
    #[expect(clippy::disallowed_methods, reason = "what another program reads")]
    std::fs::write(&path, input).unwrap();
    let command = format!(
        "stdbuf -o0 psql -h {} -U postgres -XqAt -F '\u{1e}' -R '\u{1f}' -v VERBOSITY=verbose \
         < {path} 2>&1",
        server.directory()
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what another program has read")]
    std::fs::remove_file(&path).unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts: Vec<&str> = output.split(MARK).skip(1).collect();
    assert_eq!(parts.len(), texts.len(), "{output}");
    let pairs = texts.iter().zip(parts);
    pairs.map(|(text, part)| their_answer(text, part)).collect()
}

fn their_answer(text: &str, part: &str) -> Answer {
    let error = part.split("ERROR:  ").nth(1);
    if let Some((code, words)) = error.and_then(|error| error.split_once(": ")) {
        let words = words.lines().next().unwrap_or_default();
        return Answer::Error(code.to_owned(), words.to_owned());
    }
    let part = part.strip_suffix('\n').unwrap_or(part);
    let rows = match part.is_empty() {
        true => Vec::new(),
        false => part.split('\u{1f}').map(str::to_owned).collect(),
    };
    Answer::Rows(arranged(text, rows))
}

fn arranged(text: &str, mut rows: Vec<String>) -> Vec<String> {
    if !text.to_lowercase().contains("order by") {
        rows.sort();
    }
    rows
}

/// Our answer to a statement.
fn ours(session: &mut Session, text: &str) -> Answer {
    let answers = match catch_unwind(AssertUnwindSafe(|| session.execute(text, &[]))) {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => {
            return Answer::Error(
                error.state().as_str().to_owned(),
                error.message().to_owned(),
            );
        }
        Err(_) => return Answer::Broken,
    };
    let mut rows = Vec::new();
    for answer in answers {
        let Some(columns) = &answer.columns else {
            continue;
        };
        // psql prints nothing for rows without columns.
        for row in answer.rows.iter().filter(|_| !columns.is_empty()) {
            let cells = row.iter().zip(columns.iter());
            let cells = cells.map(|(value, column)| match value.is_null() {
                true => "\\N".to_owned(),
                false => cell(value, &column.of, session.settings()),
            });
            rows.push(cells.collect::<Vec<_>>().join("\u{1e}"));
        }
    }
    // One empty cell looks like no row.
    match &rows[..] {
        [one] if one.is_empty() => Answer::Rows(Vec::new()),
        _ => Answer::Rows(arranged(text, rows)),
    }
}

fn class(file: &str, text: &str, ours: &Answer, theirs: &Answer) -> Class {
    let lower = text.to_lowercase();
    let other = || {
        let word = |word: &&&str| lower.contains(**word);
        OTHER_FILES.contains(&file) || OTHER_WORDS.iter().find(word).is_some()
    };
    match (ours, theirs) {
        (Answer::Error(ours, _), Answer::Error(theirs, _)) if ours == theirs => Class::Agree,
        (Answer::Rows(ours), Answer::Rows(theirs)) if ours == theirs => Class::Agree,
        (Answer::Rows(_), Answer::Rows(_)) => Class::Wrong,
        _ if other() => Class::OtherType,
        (Answer::Error(code, _), _) if ["0A000", "42883", "42704"].contains(&code.as_str()) => {
            Class::NotYet
        }
        (Answer::Error(..), Answer::Error(..)) => Class::OtherCode,
        (Answer::Rows(_), _) => Class::Accepted,
        (Answer::Error(..) | Answer::Broken, _) => Class::Refused,
    }
}

/// A query on which answers differ.
struct Difference {
    class: Class,
    file: String,
    text: String,
    ours: Answer,
    theirs: Answer,
}

/// What the queries of a file gave.
fn compared(server: &Server, file: &str, script: &str) -> Vec<Difference> {
    let texts: Vec<String> = statements(script)
        .into_iter()
        .filter(|text| is_query(text) || is_setting(text))
        .collect();
    let (first, second) = (theirs(server, &texts), theirs(server, &texts));
    let mut session = session();
    for setting in SETTINGS {
        session.execute(setting, &[]).unwrap();
    }
    let mut all = Vec::new();
    for ((text, theirs), again) in texts.iter().zip(first).zip(second) {
        let ours = ours(&mut session, text);
        let missing = matches!(&theirs, Answer::Error(code, _) if MISSING.contains(&code.as_str()));
        if is_setting(text) || missing || theirs != again {
            continue;
        }
        all.push(Difference {
            class: class(file, text, &ours, &theirs),
            file: file.to_owned(),
            text: text.clone(),
            ours,
            theirs,
        });
    }
    all
}

#[test]
fn selects_of_the_regression_suite_agree() {
    let Some(folder) = std::env::var_os("RUSTDB_REGRESS") else {
        return eprintln!("skipped: RUSTDB_REGRESS names no folder");
    };
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let only = std::env::var("RUSTDB_REGRESS_ONLY").unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "files of another program")]
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let file = path.file_stem().unwrap_or_default().to_string_lossy();
        let chosen = only.is_empty() || only.split(',').any(|name| name == file);
        if !chosen || path.extension().is_none_or(|end| end != "sql") {
            continue;
        }
        #[expect(clippy::disallowed_methods, reason = "files of another program")]
        let script = std::fs::read(&path).unwrap();
        if let Ok(script) = String::from_utf8(script) {
            all.extend(compared(&server, &file, &script));
        }
    }
    report(&all);
    let wrong = compared_with_list(&all, &only);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Where the list of what is known to differ is wrong; or else it is written anew.
fn compared_with_list(all: &[Difference], only: &str) -> Vec<String> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/regress/explained.txt"
    );
    let list = std::fs::read_to_string(path).unwrap_or_default();
    let known = explained::read(&list);
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut now = BTreeMap::new();
    let mut wrong = Vec::new();
    for one in all {
        let count = seen.entry((&one.file, &one.text)).or_default();
        let statement = explained::fingerprint(&one.file, &one.text, *count);
        *count += 1;
        if matches!(one.class, Class::Agree | Class::OtherType) {
            continue;
        }
        let reason = known.get(&statement).map(String::as_str);
        if reason.is_none_or(|reason| reason == UNEXPLAINED) {
            wrong.push(format!(
                "{statement}: {}\nis {:?}\nnot {:?}",
                one.text, one.ours, one.theirs
            ));
        }
        let reason = reason.filter(|reason| *reason != UNEXPLAINED);
        let reason = reason.unwrap_or_else(|| explained::evident(&one.text, &one.ours));
        now.insert(statement, reason.to_owned());
    }
    if std::env::var_os("RUSTDB_BLESS").is_some() && only.is_empty() {
        #[expect(clippy::disallowed_methods, reason = "a file that was asked for")]
        std::fs::write(path, explained::write(&now)).unwrap();
        return Vec::new();
    }
    let chosen = |statement: &str| {
        let file = statement.split(' ').next().unwrap_or_default();
        only.is_empty() || only.split(',').any(|name| name == file)
    };
    let gone = known
        .keys()
        .filter(|statement| chosen(statement) && !now.contains_key(*statement));
    wrong.extend(gone.map(|statement| format!("{statement}: out of date, it agrees now")));
    wrong
}

/// Prints the figures, and writes the differences where they are asked for.
fn report(all: &[Difference]) {
    let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one.class).or_default() += 1;
    }
    let count = |class| counts.get(&class).copied().unwrap_or(0);
    let (agree, total) = (count(Class::Agree), all.len());
    let own = total - count(Class::OtherType);
    let percent = |whole: usize| agree as f64 * 100.0 / whole.max(1) as f64;
    println!(
        "{agree} of {total} agree ({:.1} %), {:.1} % of {own} without other types: {counts:?}",
        percent(total),
        percent(own)
    );
    let Some(out) = std::env::var_os("RUSTDB_REGRESS_OUT") else {
        return;
    };
    let mut lines = String::new();
    for one in all.iter().filter(|one| one.class != Class::Agree) {
        lines.push_str(&format!(
            "{:?} {}: {}\n    is  {:?}\n    not {:?}\n",
            one.class, one.file, one.text, one.ours, one.theirs
        ));
    }
    #[expect(clippy::disallowed_methods, reason = "a file that was asked for")]
    std::fs::write(out, lines).unwrap();
}
