//! What a row asks of an engine of SQL, and the adapter of ours.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustdb::sql::{Connection, Row, SqlValue, Statement, Value};
use rustdb::{Database, Durability, Options};

use super::answer::Answer;
use crate::engine::Result;

/// Opens an empty database in a directory.
pub(crate) type Open = fn(&Path) -> Result<Box<dyn Engine>>;

/// Makes a connection.
pub(crate) type Connector = Arc<dyn Fn() -> Result<Box<dyn Engine>> + Send + Sync>;

/// No statement has more parameters.
const PARAMETERS_MAX: usize = 8;

/// A value for `$1` and so on.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    Int(i64),
    Float(f64),
    Text(String),
}

/// A connection to a database.
#[cfg_attr(not(feature = "tpch"), expect(dead_code, reason = "for TPC-H"))]
pub(crate) trait Engine {
    /// Runs statements without results.
    fn run(&mut self, text: &str) -> Result<()>;

    /// Runs one statement that nobody prepared; see [`Engine::execute`].
    fn query(&mut self, text: &str) -> Result<i64>;

    /// Prepares a statement and gives its number.
    fn prepare(&mut self, text: &str) -> Result<usize>;

    /// Runs a prepared statement. Reads every value of the result; the integers are summed.
    fn execute(&mut self, statement: usize, parameters: &[Param]) -> Result<i64>;

    /// Runs a prepared statement once for each list of parameters; the sum, and how long it took.
    fn execute_all(&mut self, statement: usize, all: &[Vec<Param>]) -> Result<(i64, Duration)> {
        let begin = Instant::now();
        let mut sum = 0;
        for parameters in all {
            sum += self.execute(statement, parameters)?;
        }
        Ok((sum, begin.elapsed()))
    }

    /// Runs statements that nobody prepared; the sum, and how long it took.
    fn query_all(&mut self, texts: &[String]) -> Result<(i64, Duration)> {
        let begin = Instant::now();
        let mut sum = 0;
        for text in texts {
            sum += self.query(text)?;
        }
        Ok((sum, begin.elapsed()))
    }

    /// What makes more connections to the same database, in other threads; without it, there are
    /// none.
    fn connector(&self) -> Option<Connector> {
        None
    }

    /// Whether commits wait until they are durable.
    fn set_durable(&mut self, durable: bool) -> Result<()>;

    /// Loads a CSV file with a header into a table.
    fn load(&mut self, table: &str, file: &Path) -> Result<()>;

    /// Runs a query that nobody prepared.
    fn rows(&mut self, text: &str) -> Result<Answer>;

    /// From now on statements are given up after this long.
    fn set_limit(&mut self, limit: Duration) -> Result<()>;

    /// Whether it waits until commits are durable even if told not to.
    fn is_always_durable(&self) -> bool {
        false
    }

    /// Whether it is made for analyses, and is best without keys and indexes.
    fn is_analytic(&self) -> bool {
        false
    }
}

struct Ours {
    database: Database,
    connection: Connection,
    statements: Vec<Statement>,
}

pub(crate) fn open(path: &Path) -> Result<Box<dyn Engine>> {
    let options = Options {
        cache_bytes: super::CACHE_BYTES,
        ..Options::default()
    };
    connected(&Database::open_with(path, options)?)
}

fn connected(database: &Database) -> Result<Box<dyn Engine>> {
    let mut connection = database.connect()?;
    // What PostgreSQL has here too; the others have no limit.
    connection.execute("SET work_mem = '256MB'", &[])?;
    Ok(Box::new(Ours {
        connection,
        database: database.clone(),
        statements: Vec::new(),
    }))
}

impl From<&Param> for Value {
    fn from(param: &Param) -> Value {
        match param {
            Param::Int(number) => (*number).into(),
            Param::Float(number) => (*number).into(),
            Param::Text(text) => text.as_str().into(),
        }
    }
}

impl Engine for Ours {
    fn run(&mut self, text: &str) -> Result<()> {
        self.connection.run(text)?;
        Ok(())
    }

    fn query(&mut self, text: &str) -> Result<i64> {
        Ok(sum(&self.connection.query(text, &[])?))
    }

    fn prepare(&mut self, text: &str) -> Result<usize> {
        self.statements.push(self.connection.prepare(text)?);
        Ok(self.statements.len() - 1)
    }

    fn execute(&mut self, statement: usize, parameters: &[Param]) -> Result<i64> {
        let mut values = [const { Value::NULL }; PARAMETERS_MAX];
        for (value, param) in values.iter_mut().zip(parameters) {
            *value = param.into();
        }
        let rows = self
            .connection
            .query(&self.statements[statement], &values[..parameters.len()])?;
        Ok(sum(&rows))
    }

    fn connector(&self) -> Option<Connector> {
        let database = self.database.clone();
        Some(Arc::new(move || connected(&database)))
    }

    fn set_durable(&mut self, durable: bool) -> Result<()> {
        self.connection.set_durability(match durable {
            true => Durability::Sync,
            false => Durability::Buffered,
        });
        Ok(())
    }

    fn load(&mut self, table: &str, file: &Path) -> Result<()> {
        let copy = format!("COPY {table} FROM STDIN (FORMAT csv, HEADER)");
        self.connection.copy_in(&copy, &mut File::open(file)?)?;
        Ok(())
    }

    fn rows(&mut self, text: &str) -> Result<Answer> {
        let begin = Instant::now();
        let rows = self.connection.query(text, &[])?;
        let time = begin.elapsed();
        let texts = |row: &Row| {
            let cells = (0..row.len()).map(|place| row.text(place).unwrap_or_default());
            cells.collect()
        };
        Ok(Answer {
            rows: rows.iter().map(texts).collect(),
            time,
        })
    }

    fn set_limit(&mut self, limit: Duration) -> Result<()> {
        self.run(&format!("SET statement_timeout = {}", limit.as_millis()))
    }
}

fn sum(rows: &[Row]) -> i64 {
    let mut sum = 0;
    for row in rows {
        for place in 0..row.len() {
            let value = std::hint::black_box(row.value(place));
            sum += value.and_then(SqlValue::as_integer).unwrap_or(0);
        }
    }
    sum
}
