//! CSV into a table of SQL.
//!
//! ```text
//! sample ─▶ types ─▶ BEGIN, CREATE TABLE ─▶ batches of INSERT ─▶ COMMIT
//!             ▲                                    │ a field that its column cannot hold
//!             └────────── the rest of the file ◀───┘ (ROLLBACK)
//! ```
//!
//! A table that is not there is made, with types that its fields have ([`infer`](super::infer)).
//! They are taken from the first rows; when a later one does not fit, what was loaded is rolled
//! back, all of the file is looked at, and the load begins anew. All is one transaction: an import
//! that fails leaves nothing. It may be larger than memory; the database sees to that.

use std::io::BufRead;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rustdb::Database;
use rustdb::sql::{Connection, Statement, Value};
use serde_json::json;

use super::csv_rows::{malformed, unreadable};
use super::delimited::{self, Next, Record};
use super::infer::ColumnType;
use super::input::Input;
use super::load::progress;
use crate::failure::{Failure, Result};
use crate::output::{Output, count, counted, rate, readable, size, time};
use crate::signals::{self, Working};

/// Rows that are looked at before the first is loaded.
const SAMPLE_ROWS: usize = 10_000;

/// Bytes of the rows that are looked at, after which fewer will do.
const SAMPLE_BYTES: usize = 16 << 20;

/// Rows of an INSERT.
const BATCH_ROWS: usize = 250;

/// Parameters of an INSERT: the database takes a few more.
const PARAMETERS_MAX: usize = 30_000;

/// Bytes of an INSERT's values.
const BATCH_BYTES: usize = 4 << 20;

/// What to load, and where to.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub file: &'a str,
    /// The table, as it is written in SQL.
    pub table: &'a str,
    pub delimiter: u8,
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct TableReport {
    table: String,
    /// The columns of a table that was made.
    created: Option<Vec<(String, ColumnType)>>,
    pub loaded: u64,
    bytes_read: u64,
    elapsed: Duration,
}

impl TableReport {
    /// Prints it.
    pub fn print(&self, output: &mut Output) -> Result<()> {
        let mut text = String::new();
        if let Some(columns) = &self.created {
            let columns = columns
                .iter()
                .map(|(name, of)| format!("{name} {}", of.name()));
            let columns: Vec<String> = columns.collect();
            text = format!("Created table {} ({})\n", self.table, columns.join(", "));
        }
        text.push_str(&format!(
            "Imported {} into {}: {} in {}, {} rows/s",
            counted(self.loaded, "row", "rows"),
            self.table,
            size(self.bytes_read),
            time(self.elapsed),
            rate(self.loaded, self.elapsed)
        ));
        let columns = self.created.as_ref().map(|columns| {
            let columns = columns.iter();
            columns
                .map(|(name, of)| json!({ "name": name, "type": of.name() }))
                .collect::<Vec<_>>()
        });
        let object = json!({
            "table": self.table,
            "created": columns,
            "loaded": self.loaded,
            "bytes_read": self.bytes_read,
            "elapsed_us": self.elapsed.as_micros() as u64,
        });
        output.result(&text, &object)?;
        output.flush()
    }
}

/// Loads a file into a table of one of a directory's databases, as one transaction.
pub fn import(
    database: &Database,
    name: Option<&str>,
    request: &Request<'_>,
) -> Result<TableReport> {
    let mut connection = match name {
        None => database.connect()?,
        Some(name) => database.connect_to(name)?,
    };
    let connection = &mut connection;
    let start = Instant::now();
    let _working = Working::begin();
    let file = Input::open(request.file)?;
    let shown = file.shown_name();
    let mut source = Source::new(file, request)?;
    let sample = source.sample()?;
    let exists = table_exists(connection, request.table)?;
    let columns = match exists {
        false => new_names(&source.header),
        true => {
            let known = known_columns(connection, request.table)?;
            matching_names(&source.header, &known, request.table)
                .map_err(|failure| source.within(failure))?
        }
    };
    let mut plan = Plan {
        table: request.table.to_owned(),
        columns,
        types: (!exists).then(|| types_of(&sample, source.header.len())),
    };
    let mut loaded = attempt(connection, &plan, &mut source, sample)?;
    if let Outcome::Misfit(sample) = loaded {
        source.can_repeat()?;
        // All that is left tells its types, then it begins anew.
        source.learn_rest(&mut plan, &sample)?;
        source = Source::new(Input::open(request.file)?, request)?;
        let sample = source.sample()?;
        loaded = attempt(connection, &plan, &mut source, sample)?;
    }
    let Outcome::Loaded(rows) = loaded else {
        return Err(Failure::new(format!("{shown} changed while it was read")));
    };
    Ok(TableReport {
        table: request.table.to_owned(),
        created: plan
            .types
            .map(|types| plan.columns.into_iter().zip(types).collect()),
        loaded: rows,
        bytes_read: source.input.bytes_read(),
        elapsed: start.elapsed(),
    })
}

/// What is loaded how.
struct Plan {
    table: String,
    columns: Vec<String>,
    /// The types of the columns, if the table is to be made.
    types: Option<Vec<ColumnType>>,
}

enum Outcome {
    Loaded(u64),
    /// These rows, the last that were read, do not fit the types.
    Misfit(Vec<Row>),
}

/// A row and its line.
struct Row {
    line: u64,
    fields: Vec<Option<String>>,
}

/// Where rows come from.
struct Source {
    input: Input,
    reader: delimited::Reader<Box<dyn BufRead>>,
    header: Vec<String>,
    record: Record,
    bar: ProgressBar,
}

impl Source {
    fn new(input: Input, request: &Request<'_>) -> Result<Source> {
        let reader: Box<dyn BufRead> = Box::new(input.reader()?);
        let mut source = Source {
            reader: delimited::Reader::new(reader, request.delimiter),
            header: Vec::new(),
            record: Record::default(),
            bar: progress(&input),
            input,
        };
        let Some(row) = source.next()? else {
            let failure = Failure::new("the file is empty").within(&source.input.shown_name());
            return Err(failure.hint("the first line names the columns"));
        };
        let names = row.fields.into_iter().map(Option::unwrap_or_default);
        source.header = names.collect();
        Ok(source)
    }

    fn within(&self, failure: Failure) -> Failure {
        failure.within(&self.input.shown_name())
    }

    fn refused(&self, line: u64, why: &str) -> Failure {
        self.within(Failure::new(format!("line {line}: {why}")))
    }

    /// The next row; an empty field is NULL.
    fn next(&mut self) -> Result<Option<Row>> {
        let next = self.reader.read(&mut self.record);
        let line = self.record.line;
        match next.map_err(|broken| self.within(unreadable(broken)))? {
            Next::End => return Ok(None),
            Next::Malformed { field } => {
                let why = malformed(field, Some(&self.header));
                return Err(self.refused(line, &why));
            }
            Next::Record => (),
        }
        if !self.header.is_empty() && self.record.len() != self.header.len() {
            let fields = counted(self.record.len() as u64, "field", "fields");
            let why = format!("{fields}, there are {} columns", self.header.len());
            return Err(self.refused(line, &why).hint(
                "a field with a separator in it needs quotes; `--delimiter` names another one",
            ));
        }
        let mut fields = Vec::with_capacity(self.header.len());
        for (place, bytes) in self.record.fields().enumerate() {
            let text = std::str::from_utf8(bytes)
                .ok()
                .filter(|text| !text.contains('\0'));
            let Some(text) = text else {
                let name = self.header.get(place).map_or("?", String::as_str);
                let why = format!("column `{name}` is not text in UTF-8");
                return Err(self.refused(line, &why).hint(
                    "if it is text in another encoding, `iconv -f latin1 -t utf-8` makes it UTF-8",
                ));
            };
            fields.push((!text.is_empty()).then(|| text.to_owned()));
        }
        Ok(Some(Row { line, fields }))
    }

    /// The first rows.
    fn sample(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < SAMPLE_ROWS && bytes < SAMPLE_BYTES {
            let Some(row) = self.next()? else { break };
            bytes += bytes_of(&row);
            rows.push(row);
        }
        Ok(rows)
    }

    fn can_repeat(&self) -> Result<()> {
        match self.input.bytes {
            Some(_) => Ok(()),
            None => Err(self
                .within(Failure::new(
                    "a row does not fit the types of the rows before it",
                ))
                .hint("make the table first, or load from a file, which can be read twice")),
        }
    }

    /// Widens the types by all rows that are left.
    fn learn_rest(&mut self, plan: &mut Plan, sample: &[Row]) -> Result<()> {
        let Some(types) = &mut plan.types else {
            return Ok(());
        };
        for row in sample {
            widen(types, row);
        }
        while let Some(row) = self.next()? {
            widen(types, &row);
            if signals::is_cancelled() {
                return Err(Failure::cancelled("; nothing was stored"));
            }
        }
        Ok(())
    }
}

fn bytes_of(row: &Row) -> usize {
    let fields = row.fields.iter().flatten();
    fields.map(|field| field.len() + 32).sum::<usize>()
}

fn widen(types: &mut [ColumnType], row: &Row) {
    for (of, field) in types.iter_mut().zip(&row.fields) {
        *of = of.with(ColumnType::of(field.as_deref().unwrap_or_default()));
    }
}

fn types_of(rows: &[Row], columns: usize) -> Vec<ColumnType> {
    let mut types = vec![ColumnType::Empty; columns];
    for row in rows {
        widen(&mut types, row);
    }
    types
}

/// The names of the header as names of columns of a table that is made: such as need no quotes.
fn new_names(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (place, text) in header.iter().enumerate() {
        let base = plain_name(text, place);
        let mut name = base.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// The columns of a table that the header names: as they are called, or as they would be if the
/// table were made.
fn matching_names(header: &[String], known: &[String], table: &str) -> Result<Vec<String>> {
    let made = new_names(header);
    let names = header.iter().zip(made).map(|(text, made)| {
        let text = text.trim().to_owned();
        let mut either = [&text, &made].into_iter();
        either
            .find(|name| known.contains(name))
            .cloned()
            .ok_or_else(|| {
                Failure::new(format!("table {table} has no column `{text}`"))
                    .hint(format!("its columns are {}", known.join(", ")))
            })
    });
    names.collect()
}

fn known_columns(connection: &mut Connection, table: &str) -> Result<Vec<String>> {
    let rows = connection.query(
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) \
         AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        &[table.into()],
    )?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

fn plain_name(text: &str, place: usize) -> String {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let letters = text.trim().to_lowercase();
    let letters = letters.chars().map(|it| if is_name(it) { it } else { '_' });
    let name: String = letters.collect();
    match name.chars().next() {
        None => format!("column_{}", place + 1),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn table_exists(connection: &mut Connection, table: &str) -> Result<bool> {
    let rows = connection.query("SELECT to_regclass($1) IS NOT NULL", &[table.into()])?;
    Ok(rows
        .first()
        .is_some_and(|row| row.get_at(0).unwrap_or(false)))
}

/// Loads everything in a transaction; rolls back if that fails.
fn attempt(
    connection: &mut Connection,
    plan: &Plan,
    source: &mut Source,
    sample: Vec<Row>,
) -> Result<Outcome> {
    connection.execute("BEGIN", &[])?;
    let outcome = rows(connection, plan, source, sample);
    source.bar.finish_and_clear();
    match outcome {
        Ok(Outcome::Loaded(rows)) => {
            connection.execute("COMMIT", &[])?;
            Ok(Outcome::Loaded(rows))
        }
        other => {
            connection.execute("ROLLBACK", &[])?;
            other.map_err(|failure| failure.and("; nothing was stored"))
        }
    }
}

fn rows(
    connection: &mut Connection,
    plan: &Plan,
    source: &mut Source,
    sample: Vec<Row>,
) -> Result<Outcome> {
    if let Some(types) = &plan.types {
        let columns = plan.columns.iter().zip(types);
        let columns = columns.map(|(name, of)| format!("{} {}", quoted(name), of.name()));
        let columns: Vec<String> = columns.collect();
        let sql = format!("CREATE TABLE {} ({})", plan.table, columns.join(", "));
        connection.execute(&sql, &[])?;
    }
    let mut inserts = Inserts::new(plan);
    let mut loaded = 0;
    let mut sample = sample.into_iter();
    loop {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < inserts.rows_max && bytes < BATCH_BYTES {
            let next = match sample.next() {
                Some(row) => Some(row),
                None => source.next()?,
            };
            let Some(row) = next else { break };
            bytes += bytes_of(&row);
            batch.push(row);
        }
        if batch.is_empty() {
            return Ok(Outcome::Loaded(loaded));
        }
        if let Some(types) = &plan.types
            && !batch.iter().all(|row| fits(types, row))
        {
            return Ok(Outcome::Misfit(batch));
        }
        inserts.run(connection, &batch, source)?;
        loaded += batch.len() as u64;
        if signals::is_cancelled() {
            return Err(Failure::cancelled(""));
        }
        source.bar.set_position(source.input.bytes_read());
        source.bar.set_message(count(loaded));
    }
}

fn fits(types: &[ColumnType], row: &Row) -> bool {
    let fields = row.fields.iter().zip(types);
    let mut fields = fields.filter_map(|(field, of)| Some((field.as_deref()?, of)));
    fields.all(|(field, of)| *of == ColumnType::Text || of.takes(ColumnType::of(field)))
}

/// The INSERTs of a load: prepared, for as many rows as a batch has.
struct Inserts {
    head: String,
    columns: usize,
    rows_max: usize,
    whole: Option<Statement>,
}

impl Inserts {
    fn new(plan: &Plan) -> Inserts {
        let names: Vec<String> = plan.columns.iter().map(|name| quoted(name)).collect();
        let columns = names.len().max(1);
        Inserts {
            head: format!("INSERT INTO {} ({}) VALUES ", plan.table, names.join(", ")),
            columns,
            rows_max: (PARAMETERS_MAX / columns).clamp(1, BATCH_ROWS),
            whole: None,
        }
    }

    fn prepare(&self, connection: &mut Connection, rows: usize) -> Result<Statement> {
        let mut sql = self.head.clone();
        for row in 0..rows {
            sql.push_str(if row > 0 { ", (" } else { "(" });
            for column in 0..self.columns {
                let comma = if column > 0 { ", " } else { "" };
                sql.push_str(&format!("{comma}${}", row * self.columns + column + 1));
            }
            sql.push(')');
        }
        Ok(connection.prepare(&sql)?)
    }

    /// Writes a batch. If that fails, the rows are tried one by one, to name the line.
    fn run(&mut self, connection: &mut Connection, batch: &[Row], source: &Source) -> Result<()> {
        let statement = match (&self.whole, batch.len() == self.rows_max) {
            (Some(statement), true) => statement.clone(),
            (_, is_whole) => {
                let statement = self
                    .prepare(connection, batch.len())
                    .map_err(|failure| source.within(failure))?;
                if is_whole {
                    self.whole = Some(statement.clone());
                }
                statement
            }
        };
        connection.execute("SAVEPOINT rustdb_batch", &[])?;
        let Err(error) = connection.execute(&statement, &values(batch)) else {
            connection.execute("RELEASE SAVEPOINT rustdb_batch", &[])?;
            return Ok(());
        };
        connection.execute("ROLLBACK TO SAVEPOINT rustdb_batch", &[])?;
        let single = self.prepare(connection, 1)?;
        for row in batch {
            if let Err(error) = connection.execute(&single, &values(std::slice::from_ref(row))) {
                let failure = source.refused(row.line, error.message());
                return Err(match error.detail() {
                    Some(detail) => failure.hint(readable(detail.as_bytes())),
                    None => failure,
                });
            }
        }
        // Each by itself is fine: say what was said of all of them.
        Err(source.within(error.into()))
    }
}

fn values(rows: &[Row]) -> Vec<Value> {
    let fields = rows.iter().flat_map(|row| &row.fields);
    fields.map(|field| Value::from(field.as_deref())).collect()
}
