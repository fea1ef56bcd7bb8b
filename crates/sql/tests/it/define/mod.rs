//! Definitions and what writes through them, word for word as PostgreSQL 15 has it.
//!
//! The files beside this one are scripts as those of the module `scripts`, but answers are whole:
//! notices with their severities and codes, messages, details, hints and contexts. `RUSTDB_BLESS=1` writes the answers of the
//! installed PostgreSQL into them.

mod binary;
mod databases;
mod sessions;
mod upserts;

use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;

use rustdb_sql::{Answer, Files, Notice, Session};

use crate::database::{cell, session};
use crate::server::Server;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/define");

const FILES: [(&str, &str); 22] = [
    ("catalogs", include_str!("catalogs.txt")),
    ("settings", include_str!("settings.txt")),
    ("upsert", include_str!("upsert.txt")),
    ("alter", include_str!("alter.txt")),
    ("sequence", include_str!("sequence.txt")),
    ("copy", include_str!("copy.txt")),
    ("types", include_str!("types.txt")),
    ("temporary", include_str!("temporary.txt")),
    ("modifying", include_str!("modifying.txt")),
    ("comment", include_str!("comment.txt")),
    ("readers", include_str!("readers.txt")),
    ("constraints", include_str!("constraints.txt")),
    ("parts", include_str!("parts.txt")),
    ("views", include_str!("views.txt")),
    ("dialect", include_str!("dialect.txt")),
    ("checked", include_str!("checked.txt")),
    ("records", include_str!("records.txt")),
    ("system_columns", include_str!("system_columns.txt")),
    ("defaults", include_str!("defaults.txt")),
    ("renamed_types", include_str!("renamed_types.txt")),
    ("keys", include_str!("keys.txt")),
    ("search", include_str!("search.txt")),
];

/// There is no file of any name.
struct NoFiles;

impl Files for NoFiles {
    fn open(&self, _: &str) -> std::io::Result<Box<dyn Read>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn create(&self, _: &str) -> std::io::Result<Box<dyn Write>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

type Script = Vec<(String, Vec<String>)>;

fn scripts(text: &str) -> Vec<Script> {
    let paragraphs = text.split("\n\n").filter(|text| !text.trim().is_empty());
    paragraphs
        .map(|paragraph| {
            let mut script: Script = Vec::new();
            for line in paragraph.lines().filter(|line| !line.is_empty()) {
                match (line.strip_prefix("    "), script.last_mut()) {
                    (Some(answer), Some((_, answers))) => answers.push(answer.to_owned()),
                    _ => script.push((line.to_owned(), Vec::new())),
                }
            }
            script
        })
        .collect()
}

/// Stands between a COPY and the data that follows it, in which `\\n`, `\\r` and `\\t` are what they
/// are elsewhere, and `\\x` is a byte.
const DATA: &str = " ||| ";

/// The bytes that a script means.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'x') => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = str::from_utf8(&digits).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
            }
            other => out.extend(other),
        }
    }
    out
}

/// Runs a statement; COPY with the data after it, or into the lines.
fn run(
    session: &mut Session,
    statement: &str,
    lines: &mut Vec<String>,
) -> rustdb_sql::Result<Vec<Answer>> {
    if let Some((copy, data)) = statement.split_once(DATA) {
        let answer = session.copy_in(copy, &mut &unescaped(data)[..])?;
        return Ok(vec![answer]);
    }
    if statement.starts_with("copy ") && statement.contains(" to stdout") {
        let mut out = Vec::new();
        session.copy_out(statement, &mut out)?;
        let text = String::from_utf8(out).unwrap();
        // psql has no word for it.
        lines.extend(text.lines().map(str::to_owned));
        return Ok(Vec::new());
    }
    session.execute(statement, &[])
}

/// What `psql -At` would print, places in the text left out.
fn answer(session: &mut Session, statement: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let answers = match run(session, statement, &mut lines) {
        Ok(answers) => answers,
        Err(error) => {
            let state = error.state();
            let mut text = format!("ERROR:  {}: {}\n", state.as_str(), error.message());
            for (word, part) in [
                ("DETAIL", error.detail()),
                ("HINT", error.hint()),
                ("CONTEXT", error.context()),
            ] {
                if let Some(part) = part {
                    text.push_str(&format!("{word}:  {part}\n"));
                }
            }
            lines.extend(noted(error.notices()));
            lines.extend(text.lines().map(str::to_owned));
            return lines;
        }
    };
    for answer in answers {
        lines.extend(noted(&answer.notices));
        if let Some(columns) = &answer.columns {
            for row in &answer.rows {
                let cells = row.iter().zip(columns.iter());
                let cells =
                    cells.map(|(value, column)| cell(value, &column.of, session.settings()));
                let line = cells.collect::<Vec<_>>().join("|");
                lines.extend(line.split('\n').map(str::to_owned));
            }
        }
        let is_said = ["SELECT", "SHOW"]
            .iter()
            .any(|word| answer.tag.to_string().starts_with(word));
        if answer.columns.is_none() || !is_said {
            lines.push(answer.tag.to_string());
        }
    }
    lines
}

fn noted(notices: &[Notice]) -> Vec<String> {
    let mut text = String::new();
    for notice in notices {
        let (severity, state) = (notice.severity(), notice.sqlstate());
        text.push_str(&format!("{severity}:  {state}: {notice}\n"));
        if let Some(detail) = notice.detail() {
            text.push_str(&format!("DETAIL:  {detail}\n"));
        }
    }
    text.lines().map(str::to_owned).collect()
}

#[test]
fn words_are_those_of_postgresql() {
    let mut different = Vec::new();
    for (file, text) in FILES {
        for script in scripts(text) {
            let mut session = session();
            session.set_files(Arc::new(NoFiles));
            for (statement, expected) in &script {
                let ours = answer(&mut session, statement);
                if ours != *expected {
                    different.push(format!(
                        "{file}: {statement}\n  is {ours:#?}\n  not {expected:#?}"
                    ));
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn postgresql_still_says_these_words() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut different = Vec::new();
    for (file, scripts_text) in FILES {
        let mut text = String::new();
        for (number, script) in scripts(scripts_text).into_iter().enumerate() {
            let database = format!("{file}{number}");
            server.psql(&format!("create database {database}")).unwrap();
            let mut input = Vec::new();
            for (statement, _) in &script {
                input.extend_from_slice(b"\\echo @@@\n");
                match statement.split_once(DATA) {
                    None => input.extend_from_slice(format!("{statement};\n").as_bytes()),
                    Some((copy, data)) => {
                        input.extend_from_slice(format!("{copy};\n").as_bytes());
                        input.extend(unescaped(data));
                        input.extend_from_slice(b"\\.\n");
                    }
                }
            }
            let output = psql(server.directory(), &database, &input);
            let parts: Vec<&str> = output.split("@@@\n").skip(1).collect();
            assert_eq!(parts.len(), script.len(), "{output}");
            for ((statement, expected), theirs) in script.iter().zip(parts) {
                let theirs = said(theirs);
                if theirs != *expected {
                    different.push(format!("{statement}\nis {theirs:?}\nnot {expected:?}"));
                }
                text.push_str(&format!("{statement}\n"));
                for line in theirs {
                    text.push_str(&format!("    {line}\n"));
                }
            }
            text.push('\n');
        }
        if std::env::var_os("RUSTDB_BLESS").is_some() {
            let path = format!("{DIRECTORY}/{file}.txt");
            #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
            std::fs::write(path, text.trim_end().to_owned() + "\n").unwrap();
        }
    }
    if std::env::var_os("RUSTDB_BLESS").is_none() {
        assert!(different.is_empty(), "{}", different.join("\n\n"));
    }
}

/// What psql says, without places in the text and in PostgreSQL's sources.
fn said(output: &str) -> Vec<String> {
    let is_place = |line: &str| {
        line.starts_with("LINE ")
            || line.starts_with("LOCATION:")
            || line.trim_start() == "^"
            || line
                .split_once(':')
                .is_some_and(|(name, _)| name.ends_with(" NAME") && name.to_uppercase() == name)
    };
    let lines = output.lines().filter(|line| !is_place(line));
    lines.map(str::to_owned).collect()
}

/// Output and errors in the order they happen.
fn psql(directory: &str, database: &str, input: &[u8]) -> String {
    let path = format!("/tmp/rustdb-define-{}-{database}.sql", std::process::id());
    #[expect(clippy::disallowed_methods, reason = "what another program reads")]
    std::fs::write(&path, input).unwrap();
    let command = format!(
        "stdbuf -o0 psql -h {directory} -U postgres -d {database} -XAt \
         -v VERBOSITY=verbose < {path} 2>&1"
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what another program has read")]
    std::fs::remove_file(&path).unwrap();
    String::from_utf8(output.stdout).unwrap()
}
