//! Queries that need no tables, compared with PostgreSQL 15 where it is installed, and with what
//! it once answered everywhere.
//!
//! `queries.txt` and its like have a query in each paragraph, and after `----` what PostgreSQL answers: each row
//! as a record, or code and words of the error. `RUSTDB_BLESS=1` writes the answers of the
//! installed PostgreSQL into the file.

use rustdb_types::{Settings, Type, Value};

use crate::database::{cell, session};
use crate::server::Server;

/// The files, and what is in them.
const FILES: &[(&str, &str)] = &[
    ("aside.txt", include_str!("aside.txt")),
    ("queries.txt", include_str!("queries.txt")),
    ("windows.txt", include_str!("windows.txt")),
    ("with.txt", include_str!("with.txt")),
    ("right.txt", include_str!("right.txt")),
    ("same.txt", include_str!("same.txt")),
    ("templates.txt", include_str!("templates.txt")),
];

/// A query and what PostgreSQL answers.
struct Case {
    query: String,
    answer: String,
}

fn cases(text: &str) -> Vec<Case> {
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty());
    paragraphs
        .map(|paragraph| {
            let (query, answer) = paragraph.split_once("\n----").unwrap_or((paragraph, ""));
            Case {
                query: query.trim().to_owned(),
                answer: answer.trim_start_matches('\n').to_owned(),
            }
        })
        .collect()
}

/// Our answer, with so much memory.
fn answer(query: &str, work_mem: Option<usize>) -> String {
    match rows(query, work_mem) {
        Ok(rows) => arranged(query, rows),
        Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
    }
}

/// Without ORDER BY the order of rows means nothing.
fn arranged(query: &str, mut rows: Vec<String>) -> String {
    if !query.to_lowercase().contains("order by") {
        rows.sort();
    }
    rows.join("\n")
}

fn rows(query: &str, work_mem: Option<usize>) -> rustdb_sql::Result<Vec<String>> {
    let mut session = session();
    session.set_work_mem(work_mem);
    let answers = session.execute(query, &[])?;
    let mut rows = Vec::new();
    for answer in answers {
        let columns = answer
            .columns
            .iter()
            .flat_map(|columns| columns.iter())
            .collect::<Vec<_>>();
        for row in answer.rows {
            let cells = row.iter().zip(&columns);
            let cells = cells.map(|(value, column)| quoted(value, &column.of, session.settings()));
            rows.push(format!("({})", cells.collect::<Vec<_>>().join(",")));
        }
    }
    Ok(rows)
}

/// A value within the text of a record.
fn quoted(value: &Value, of: &Type, settings: &Settings) -> String {
    if value.is_null() {
        return String::new();
    }
    let text = cell(value, of, settings);
    let special = |letter: char| "(),\"\\".contains(letter) || letter.is_whitespace();
    match text.is_empty() || text.contains(special) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\"")),
        false => text,
    }
}

#[test]
fn queries_give_what_postgresql_gives() {
    compare(None);
}

/// What does not fit into memory is put aside, and comes back.
#[test]
fn queries_give_the_same_with_hardly_any_memory() {
    compare(Some(1));
}

fn compare(work_mem: Option<usize>) {
    let mut different = Vec::new();
    for case in FILES.iter().flat_map(|(_, text)| cases(text)) {
        let ours = answer(&case.query, work_mem);
        if ours != case.answer {
            different.push(format!("{}\nis {ours}\nnot {}", case.query, case.answer));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn postgresql_still_says_what_is_in_the_file() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut different = Vec::new();
    for (file, text) in FILES {
        different.extend(asked(&server, file, cases(text)));
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

/// Where the file differs from what the server says; or else the file is written anew.
fn asked(server: &Server, file: &str, cases: Vec<Case>) -> Vec<String> {
    let expressions: Vec<String> = cases
        .iter()
        .map(|case| {
            format!(
                "(select string_agg(r::text, e'\\n') from ({}) r)",
                case.query
            )
        })
        .collect();
    let answers = server.evaluate("set intervalstyle to postgres", &expressions);
    let mut text = String::new();
    let mut different = Vec::new();
    for (case, theirs) in cases.iter().zip(answers) {
        // Only code and words: the place differs with the text around the query.
        let theirs = theirs.split(" / ").next().unwrap_or_default();
        let theirs = arranged(&case.query, theirs.lines().map(str::to_owned).collect());
        if theirs != case.answer {
            different.push(format!("{}\nis {theirs}\nnot {}", case.query, case.answer));
        }
        text.push_str(&format!("{}\n----\n{theirs}\n\n", case.query));
    }
    if std::env::var_os("RUSTDB_BLESS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(
            format!("{}/tests/it/{file}", env!("CARGO_MANIFEST_DIR")),
            text,
        )
        .unwrap();
        return Vec::new();
    }
    different
}
