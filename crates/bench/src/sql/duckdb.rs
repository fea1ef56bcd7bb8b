//! DuckDB, through its package for Python: see `duckdb.py`, which takes the times.
//!
//! It has no setting for commits that are not durable, so it takes no part in such rows. Its
//! tables have neither keys nor indexes for TPC-H, as its manual advises.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::answer::Answer;
use super::engine::{Engine, Param};
use crate::engine::{Failure, Result, fail};

const PROGRAM: &str = include_str!("duckdb.py");

/// Names a Python that has the package.
const PYTHON: &str = "RUSTDB_BENCH_PYTHON";

struct DuckDb {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    prepared: usize,
}

/// What is answered to a request.
struct Reply {
    rows: Vec<Vec<String>>,
    time: Duration,
    sum: i64,
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn Engine>> {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let package = Command::new(&python).args(["-c", "import duckdb"]).output();
    if !package.is_ok_and(|output| output.status.success()) {
        fail!("`{python}` has no package `duckdb`; {PYTHON} names another Python");
    }
    let mut process = Command::new(&python)
        .args(["-c", PROGRAM])
        .arg(path.join("data.duckdb"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let ends = process.stdin.take().zip(process.stdout.take());
    let (input, output) = ends.ok_or_else(|| Failure("the pipes are missing".to_owned()))?;
    Ok(Box::new(DuckDb {
        process,
        input: Some(input),
        output: BufReader::new(output),
        prepared: 0,
    }))
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        self.input = None;
        let _ended = self.process.wait();
    }
}

impl DuckDb {
    fn ask(&mut self, fields: &[&str]) -> Result<Reply> {
        let words: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
        let Some(input) = &mut self.input else {
            fail!("the program has ended");
        };
        writeln!(input, "{}", words.join("\t"))?;
        input.flush()?;
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                fail!("the program has ended");
            }
            let mut fields = line.trim_end_matches('\n').split('\t');
            match fields.next() {
                Some("row") => rows.push(fields.map(plain).collect()),
                Some("ok") => {
                    let seconds: f64 = fields.next().unwrap_or_default().parse()?;
                    return Ok(Reply {
                        rows,
                        time: Duration::from_secs_f64(seconds),
                        sum: fields.next().unwrap_or_default().parse()?,
                    });
                }
                _ => fail!("{}", fields.map(plain).collect::<Vec<_>>().join(" ")),
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                other => other.unwrap_or('\\'),
            },
            (letter, false) => letter,
        });
    }
    out
}

/// A value as it is written in SQL.
fn literal(value: &Param) -> String {
    match value {
        Param::Int(number) => number.to_string(),
        Param::Float(number) => format!("{number:e}"),
        Param::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

impl Engine for DuckDb {
    fn run(&mut self, text: &str) -> Result<()> {
        self.ask(&["run", text])?;
        Ok(())
    }

    fn query(&mut self, text: &str) -> Result<i64> {
        Ok(self.ask(&["many", text])?.sum)
    }

    fn prepare(&mut self, text: &str) -> Result<usize> {
        self.ask(&["prepare", text])?;
        self.prepared += 1;
        Ok(self.prepared)
    }

    fn execute(&mut self, statement: usize, parameters: &[Param]) -> Result<i64> {
        Ok(self.ask(&["many", &execution(statement, parameters)])?.sum)
    }

    fn execute_all(&mut self, statement: usize, all: &[Vec<Param>]) -> Result<(i64, Duration)> {
        let texts = all
            .iter()
            .map(|parameters| execution(statement, parameters));
        self.query_all(&texts.collect::<Vec<_>>())
    }

    fn query_all(&mut self, texts: &[String]) -> Result<(i64, Duration)> {
        let words = texts.iter().map(String::as_str);
        let reply = self.ask(&["many"].into_iter().chain(words).collect::<Vec<_>>())?;
        Ok((reply.sum, reply.time))
    }

    fn set_durable(&mut self, _durable: bool) -> Result<()> {
        Ok(())
    }

    fn is_always_durable(&self) -> bool {
        true
    }

    fn load(&mut self, table: &str, file: &Path) -> Result<()> {
        let copy = format!(
            "COPY {table} FROM '{}' (FORMAT csv, HEADER)",
            file.display()
        );
        self.run(&copy)
    }

    fn rows(&mut self, text: &str) -> Result<Answer> {
        let reply = self.ask(&["rows", text])?;
        Ok(Answer {
            rows: reply.rows,
            time: reply.time,
        })
    }

    fn set_limit(&mut self, limit: Duration) -> Result<()> {
        self.ask(&["limit", &limit.as_secs_f64().to_string()])?;
        Ok(())
    }

    fn is_analytic(&self) -> bool {
        true
    }
}

fn execution(statement: usize, parameters: &[Param]) -> String {
    let values: Vec<String> = parameters.iter().map(literal).collect();
    format!("EXECUTE s{statement}({})", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_the_way_between_programs() {
        let text = "a\tb\nc\\t\r";
        assert!(!escaped(text).contains(['\t', '\n', '\r']));
        assert_eq!(plain(&escaped(text)), text);
    }
}
