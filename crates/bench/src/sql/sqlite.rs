//! SQLite in WAL mode.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, ToSql};

use super::engine::{Engine, Param};
use crate::engine::Result;

struct Sqlite {
    /// Before the connection, whose memory they refer to.
    statements: Vec<Statement<'static>>,
    connection: &'static Connection,
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn Engine>> {
    let connection = Connection::open(path.join("data.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // A negative number counts KiB.
    connection.pragma_update(None, "cache_size", -(1 << 20))?;
    Ok(Box::new(Sqlite {
        statements: Vec::new(),
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

    fn set_durable(&mut self, durable: bool) -> Result<()> {
        let level = if durable { "FULL" } else { "OFF" };
        Ok(self.connection.pragma_update(None, "synchronous", level)?)
    }
}
