//! Definitions and what writes through them, word for word as PostgreSQL 15 has it.
//!
//! The files beside this one are scripts as those of the module `scripts`, but answers are whole:
//! notices, messages, details, hints and contexts. `RUSTDB_BLESS=1` writes the answers of the
//! installed PostgreSQL into them.

mod upserts;

use std::process::Command;

use rustdb_sql::Session;

use crate::database::{cell, session};
use crate::server::Server;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/define");

const FILES: [(&str, &str); 3] = [
    ("upsert", include_str!("upsert.txt")),
    ("catalogs", include_str!("catalogs.txt")),
    ("settings", include_str!("settings.txt")),
];

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

/// What `psql -At` would print, severities of notices and places in the text left out.
fn answer(session: &mut Session, statement: &str) -> Vec<String> {
    let answers = match session.execute(statement, &[]) {
        Ok(answers) => answers,
        Err(error) => {
            let state = error.state();
            let mut text = format!("ERROR:  {}: {}\n", state.as_str(), error.message());
            for (word, part) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
                if let Some(part) = part {
                    text.push_str(&format!("{word}:  {part}\n"));
                }
            }
            return text.lines().map(str::to_owned).collect();
        }
    };
    let mut lines = Vec::new();
    for answer in answers {
        for notice in &answer.notices {
            lines.extend(format!("NOTICE:  {notice}").lines().map(str::to_owned));
        }
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
            .any(|word| answer.tag.starts_with(word));
        if answer.columns.is_none() || !is_said {
            lines.push(answer.tag);
        }
    }
    lines
}

#[test]
fn words_are_those_of_postgresql() {
    let mut different = Vec::new();
    for (file, text) in FILES {
        for script in scripts(text) {
            let mut session = session();
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
            let mut input = String::new();
            for (statement, _) in &script {
                input.push_str(&format!("\\echo @@@\n{statement};\n"));
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
    lines
        .map(|line| {
            for word in ["NOTICE:  ", "WARNING:  "] {
                // The code goes too.
                if let Some(rest) = line.strip_prefix(word).and_then(|rest| rest.get(7..)) {
                    return format!("NOTICE:  {rest}");
                }
            }
            line.to_owned()
        })
        .collect()
}

/// Output and errors in the order they happen.
fn psql(directory: &str, database: &str, input: &str) -> String {
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
