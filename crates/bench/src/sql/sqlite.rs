//! SQLite in WAL mode.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, ToSql};

use super::answer::Answer;
use super::csv;
use super::engine::{Connector, Engine, Param};
use crate::engine::Result;

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(60);

struct Sqlite {
    /// Before the connection, whose memory they refer to.
    statements: Vec<Statement<'static>>,
    connection: &'static Connection,
    path: PathBuf,
    limit: Duration,
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn Engine>> {
    connected(path.join("data.sqlite"))
}

fn connected(path: PathBuf) -> Result<Box<dyn Engine>> {
    let connection = Connection::open(&path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // A negative number counts KiB.
    let cache_kib = i64::try_from(super::CACHE_BYTES / 1024)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(Box::new(Sqlite {
        statements: Vec::new(),
        path,
        limit: Duration::MAX,
        // It lives as long as the program.
        connection: Box::leak(Box::new(connection)),
    }))
}

/// Parameters are numbered in both, with another sign.
fn dialect(text: &str) -> String {
    text.replace('$', "?")
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Param::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Param::Float(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Param::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn sum(statement: &mut Statement<'_>, parameters: &[Param]) -> Result<i64> {
    let width = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        for place in 0..width {
            if let ValueRef::Integer(number) = std::hint::black_box(row.get_ref(place)?) {
                sum += number;
            }
        }
    }
    Ok(sum)
}

impl Engine for Sqlite {
    fn run(&mut self, text: &str) -> Result<()> {
        Ok(self.connection.execute_batch(text)?)
    }

    fn query(&mut self, text: &str) -> Result<i64> {
        sum(&mut self.connection.prepare(&dialect(text))?, &[])
    }

    fn prepare(&mut self, text: &str) -> Result<usize> {
        self.statements
            .push(self.connection.prepare(&dialect(text))?);
        Ok(self.statements.len() - 1)
    }

    fn execute(&mut self, statement: usize, parameters: &[Param]) -> Result<i64> {
        sum(&mut self.statements[statement], parameters)
    }

    fn connector(&self) -> Option<Connector> {
        let path = self.path.clone();
        Some(Arc::new(move || connected(path.clone())))
    }

    fn set_durable(&mut self, durable: bool) -> Result<()> {
        let level = if durable { "FULL" } else { "OFF" };
        Ok(self.connection.pragma_update(None, "synchronous", level)?)
    }

    fn load(&mut self, table: &str, file: &Path) -> Result<()> {
        let mut source = BufReader::new(File::open(file)?);
        let (mut line, mut fields) = (String::new(), Vec::new());
        csv::record(&mut source, &mut line, &mut fields)?;
        let places: Vec<String> = (1..=fields.len())
            .map(|place| format!("?{place}"))
            .collect();
        let insert = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
        self.connection.execute_batch("BEGIN")?;
        let mut insert = self.connection.prepare(&insert)?;
        while csv::record(&mut source, &mut line, &mut fields)? {
            insert.execute(rusqlite::params_from_iter(&fields))?;
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn rows(&mut self, text: &str) -> Result<Answer> {
        let text = translated(text);
        let limit = self.limit;
        let handle = self.connection.get_interrupt_handle();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let begin = Instant::now();
        let mut values: Vec<Vec<Value>> = Vec::new();
        let mut statement = self.connection.prepare(&text)?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|place| row.get(place));
            values.push(cells.collect::<rusqlite::Result<_>>()?);
        }
        let time = begin.elapsed();
        drop(done);
        let rows = values.iter().map(|row| row.iter().map(shown).collect());
        Ok(Answer {
            rows: rows.collect(),
            time,
        })
    }

    fn set_limit(&mut self, limit: Duration) -> Result<()> {
        self.limit = limit;
        Ok(())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null | Value::Blob(_) => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// PostgreSQL's words for dates and parts of texts in SQLite's.
fn translated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("date '") {
        out.push_str(before);
        let (date, after) = after.split_once('\'').unwrap_or((after, ""));
        let interval = after.trim_start().strip_prefix(['+', '-']);
        let interval = interval.and_then(|text| text.trim_start().strip_prefix("interval '"));
        match interval.and_then(|text| text.split_once("' ")) {
            Some((number, unit)) => {
                let sign = &after.trim_start()[..1];
                let letters = unit.find(|letter: char| !letter.is_ascii_alphabetic());
                let (unit, after) = unit.split_at(letters.unwrap_or(unit.len()));
                out.push_str(&format!("date('{date}', '{sign}{number} {unit}')"));
                rest = after;
            }
            None => {
                out.push_str(&format!("'{date}'"));
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.replace("extract(year from ", "0 + strftime('%Y', ")
        .replace("substring(c_phone from 1 for 2)", "substr(c_phone, 1, 2)")
}
