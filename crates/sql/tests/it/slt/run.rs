//! Records run on an engine, and their answers compared.

use std::fmt;

use rustdb_types::Value;

use super::file::{Expected, Record, Rows, Sort, parse};
use crate::database::session;
use crate::engines::{Outcome, Talk};

/// How many records were run.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) statements: usize,
    pub(super) queries: usize,
    wrong: usize,
}

impl Count {
    pub(super) fn add(&mut self, other: Count) {
        self.statements += other.statements;
        self.queries += other.queries;
        self.wrong += other.wrong;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            statements,
            queries,
            wrong,
        } = self;
        write!(
            out,
            "{statements} statements, {queries} queries, {wrong} differ"
        )
    }
}

/// A record whose answer is another one.
pub(super) struct Failure {
    pub(super) line: usize,
    what: String,
}

impl Failure {
    /// Whether another engine gives the same rows or the same code; what we refuse as not
    /// supported may fail there with any.
    pub(super) fn is_like(&self, other: &Failure) -> bool {
        let code = |failure: &Failure| {
            let (_, error) = failure.what.rsplit_once("\nfails with ")?;
            Some(error.chars().take(5).collect::<String>())
        };
        let is_same = match (code(self), code(other)) {
            (Some(ours), Some(theirs)) => ours == theirs || ours == "0A000",
            _ => self.what == other.what,
        };
        self.line == other.line && is_same
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.line, self.what)
    }
}

/// What a file gave.
pub(super) struct Report {
    pub(super) count: Count,
    pub(super) failures: Vec<Failure>,
}

pub(super) fn run(engine: &mut dyn Talk, records: &[Record]) -> Report {
    let mut report = Report {
        count: Count::default(),
        failures: Vec::new(),
    };
    for record in records {
        match record.expected {
            Expected::Statement(_) => report.count.statements += 1,
            Expected::Rows(_) => report.count.queries += 1,
        }
        if let Err(what) = check(engine, record) {
            report.count.wrong += 1;
            report.failures.push(Failure {
                line: record.line,
                what: format!("{}\n{what}\n", record.sql),
            });
        }
    }
    report
}

fn check(engine: &mut dyn Talk, record: &Record) -> Result<(), String> {
    let outcome = engine.run(&record.sql);
    match (&record.expected, outcome) {
        (Expected::Statement(Ok(())) | Expected::Rows(_), Outcome::Failed { state, message }) => {
            Err(format!("fails with {state}: {message}"))
        }
        (Expected::Statement(Ok(())), Outcome::Ran { .. }) => Ok(()),
        (Expected::Statement(Err(expected)), Outcome::Failed { state, message }) => {
            match expected.as_ref().is_none_or(|expected| *expected == state) {
                true => Ok(()),
                false => Err(format!("fails with {state}: {message}")),
            }
        }
        (Expected::Statement(Err(_)), Outcome::Ran { .. }) => Err("does not fail".to_owned()),
        (Expected::Rows(expected), Outcome::Ran { rows, .. }) => compare(expected, &rows),
    }
}

fn compare(expected: &Rows, rows: &[Vec<Option<String>>]) -> Result<(), String> {
    if let Some(row) = rows.iter().find(|row| row.len() != expected.types.len()) {
        return Err(format!("has {} columns", row.len()));
    }
    let mut rows = shown(&expected.types, rows);
    match expected.sort {
        Sort::No => (),
        Sort::Rows => rows.sort(),
        Sort::Values => {
            let mut values: Vec<String> = rows.into_iter().flatten().collect();
            values.sort();
            rows = values.into_iter().map(|value| vec![value]).collect();
        }
    }
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    if lines == expected.lines {
        return Ok(());
    }
    let values: Vec<String> = rows.into_iter().flatten().collect();
    if values == expected.lines {
        return Ok(());
    }
    let hashed = format!("{} values hashing to {}", values.len(), hash(&values));
    match *expected.lines == [hashed] {
        true => Ok(()),
        false => {
            let some = lines.into_iter().take(20).collect::<Vec<_>>().join("\n");
            Err(format!("gives {} values:\n{some}", values.len()))
        }
    }
}

/// Values as the format writes them.
fn shown(types: &[u8], rows: &[Vec<Option<String>>]) -> Vec<Vec<String>> {
    let shown = |(cell, of): (&Option<String>, &u8)| match (cell, of) {
        (None, _) => "NULL".to_owned(),
        (Some(text), b'R') => match text.parse::<f64>() {
            Ok(number) => format!("{number:.3}"),
            Err(_) => text.clone(),
        },
        // The protocol that the files were written with knows no truth values.
        (Some(text), b'I') if text == "t" => "1".to_owned(),
        (Some(text), b'I') if text == "f" => "0".to_owned(),
        // Text is 0 there.
        (Some(text), b'I') => match text.split('.').next().map(str::parse::<i128>) {
            Some(Ok(whole)) => whole.to_string(),
            _ => "0".to_owned(),
        },
        (Some(text), _) if text.is_empty() => "(empty)".to_owned(),
        (Some(text), _) => text.replace(['\n', '\t'], "@"),
    };
    rows.iter()
        .map(|row| row.iter().zip(types).map(shown).collect())
        .collect()
}

/// MD5 of the values, each with a newline.
fn hash(values: &[String]) -> String {
    let mut text = values.join("\n");
    if !values.is_empty() {
        text.push('\n');
    }
    let answers = session().execute("select md5($1)", &[Value::from(text.as_str())]);
    let answers = answers.unwrap();
    answers[0].rows[0][0].as_str().unwrap().to_owned()
}

/// The text of a file with the answers of an engine.
pub(super) fn bless(engine: &mut dyn Talk, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out: Vec<String> = Vec::new();
    let mut done = 0;
    for record in parse(text) {
        let head = record.line - 1;
        let length = lines[head..].iter().take_while(|line| !line.is_empty());
        let end = head + length.count();
        out.extend(lines[done..head].iter().map(|line| (*line).to_owned()));
        done = end;
        let outcome = engine.run(&record.sql);
        let (first, answer) = match (&record.expected, outcome) {
            (_, Outcome::Failed { state, .. }) => (format!("statement error {state}"), None),
            (Expected::Statement(_), Outcome::Ran { .. }) => ("statement ok".to_owned(), None),
            (Expected::Rows(expected), Outcome::Ran { rows, .. }) => {
                (lines[head].to_owned(), Some(answer(expected, &rows)))
            }
        };
        out.push(first);
        out.push(record.sql);
        if let Some(answer) = answer {
            out.push("----".to_owned());
            out.extend(answer);
        }
    }
    out.extend(lines[done..].iter().map(|line| (*line).to_owned()));
    out.join("\n") + "\n"
}

fn answer(expected: &Rows, rows: &[Vec<Option<String>>]) -> Vec<String> {
    let mut rows = shown(&expected.types, rows);
    if expected.sort != Sort::No {
        rows.sort();
    }
    rows.iter().map(|row| row.join("\t")).collect()
}
