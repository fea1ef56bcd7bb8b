//! Scripts of statements, compared with PostgreSQL 15 where it is installed, and with what it once
//! answered everywhere.
//!
//! `scripts.txt` has a script in each paragraph: a statement in each line, and under it, indented,
//! what `psql -At` prints: rows, tags, and of an error its code. Each script has a database of its
//! own. `RUSTDB_BLESS=1` writes the answers of the installed PostgreSQL into the file.

use std::process::Command;

use rustdb_sql::Session;

use crate::database::{cell, session};
use crate::server::Server;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scripts.txt");

type Script = Vec<(String, Vec<String>)>;

fn scripts() -> Vec<Script> {
    let text = include_str!("scripts.txt");
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

/// What `psql -At` would print.
fn answer(session: &mut Session, statement: &str) -> Vec<String> {
    let answers = match session.execute(statement, &[]) {
        Ok(answers) => answers,
        Err(error) => return vec![format!("ERROR:  {}", error.state().as_str())],
    };
    let mut lines = Vec::new();
    for answer in answers {
        if let Some(columns) = &answer.columns {
            for row in &answer.rows {
                let cells = row.iter().zip(columns.iter());
                let cells =
                    cells.map(|(value, column)| cell(value, &column.of, session.settings()));
                lines.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        let tag = answer.tag.to_string();
        if !tag.starts_with("SELECT") {
            lines.push(tag);
        }
    }
    lines
}

#[test]
fn scripts_give_what_postgresql_gives() {
    let mut different = Vec::new();
    for script in scripts() {
        let mut session = session();
        for (statement, expected) in &script {
            let ours = answer(&mut session, statement);
            if ours != *expected {
                different.push(format!("{statement}\nis {ours:?}\nnot {expected:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn postgresql_still_says_what_is_in_the_scripts() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut text = String::new();
    let mut different = Vec::new();
    for (number, script) in scripts().into_iter().enumerate() {
        server
            .psql(&format!("create database script{number}"))
            .unwrap();
        let mut input = String::new();
        for (statement, _) in &script {
            input.push_str(&format!("\\echo @@@\n{statement};\n"));
        }
        let output = psql(server.directory(), &format!("script{number}"), &input);
        let parts: Vec<&str> = output.split("@@@\n").skip(1).collect();
        assert_eq!(parts.len(), script.len(), "{output}");
        for ((statement, expected), theirs) in script.iter().zip(parts) {
            let theirs: Vec<String> = theirs.lines().map(str::to_owned).collect();
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
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(FILE, text.trim_end().to_owned() + "\n").unwrap();
        return;
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

/// Output and errors in the order they happen.
fn psql(directory: &str, database: &str, input: &str) -> String {
    let mut file = input.to_owned();
    file.insert_str(0, "set client_min_messages to error;\n");
    let path = format!("/tmp/rustdb-script-{}-{database}.sql", std::process::id());
    #[expect(clippy::disallowed_methods, reason = "what another program reads")]
    std::fs::write(&path, file).unwrap();
    let command = format!(
        "stdbuf -o0 psql -h {directory} -U postgres -d {database} -XAt \
         -v VERBOSITY=sqlstate < {path} 2>&1"
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    #[expect(clippy::disallowed_methods, reason = "what another program has read")]
    std::fs::remove_file(&path).unwrap();
    String::from_utf8(output.stdout).unwrap()
}
