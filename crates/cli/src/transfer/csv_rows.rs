//! CSV: a header line and rows, each a record of [`delimited`](super::delimited).
//!
//! A file with the columns `key` and `value` and no key columns named holds plain entries.

use std::io::{BufRead, Write};

use serde_json::{Map, Value};

use super::KeyColumns;
use super::delimited::{self, Broken, Next, Record};
use super::load::{Item, Refusal, Source};
use super::row::{auto_key, field, join_key};
use crate::failure::{Failure, Result, system};
use crate::output::{counted, readable};

/// Reads rows.
pub struct Reader<R> {
    reader: delimited::Reader<R>,
    record: Record,
    columns: Vec<String>,
    key: Key,
    rows: u64,
}

/// Where the key of a row is.
enum Key {
    /// In column 0; the value is in column 1.
    Plain,
    Auto,
    Columns(Vec<usize>),
}

impl<R: BufRead> Reader<R> {
    pub fn new(reader: R, delimiter: u8, key: &KeyColumns) -> Result<Self> {
        let mut reader = delimited::Reader::new(reader, delimiter);
        let mut record = Record::default();
        let columns = match reader.read(&mut record).map_err(unreadable)? {
            Next::Record => columns_of(&record)?,
            Next::Malformed { field } => {
                let why = malformed(field, None);
                return Err(Failure::new(format!("line {}: {why}", record.line)));
            }
            Next::End => {
                return Err(
                    Failure::new("the file is empty").hint("the first line names the columns")
                );
            }
        };
        let key = match key {
            KeyColumns::Auto => Key::Auto,
            KeyColumns::Named(names) => Key::Columns(positions(&columns, names)?),
            KeyColumns::Absent if columns == ["key", "value"] => Key::Plain,
            KeyColumns::Absent => {
                return Err(Failure::usage("which columns make the key?").hint(format!(
                    "say `--key COLUMN[,COLUMN]` or `--key auto`; the columns are {}",
                    listed(&columns)
                )));
            }
        };
        Ok(Self {
            reader,
            record,
            columns,
            key,
            rows: 0,
        })
    }

    /// The entry that the current record makes.
    fn entry(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        if self.record.len() != self.columns.len() {
            return Err(format!(
                "{}, the header has {}",
                counted(self.record.len() as u64, "field", "fields"),
                self.columns.len()
            ));
        }
        if let Key::Plain = self.key {
            let mut fields = self.record.fields().map(<[u8]>::to_vec);
            return Ok((
                fields.next().unwrap_or_default(),
                fields.next().unwrap_or_default(),
            ));
        }
        let mut fields = Vec::with_capacity(self.columns.len());
        for (bytes, column) in self.record.fields().zip(&self.columns) {
            let text = std::str::from_utf8(bytes);
            fields.push(text.map_err(|_| format!("column `{column}` is not UTF-8"))?);
        }
        let key_columns: &[usize] = match &self.key {
            Key::Columns(positions) => positions,
            Key::Auto | Key::Plain => &[],
        };
        if let Some(empty) = key_columns.iter().find(|&&at| fields[at].is_empty()) {
            return Err(format!("key column `{}` is empty", self.columns[*empty]));
        }
        let key = match &self.key {
            Key::Columns(positions) => join_key(positions.iter().map(|&at| fields[at])),
            Key::Auto | Key::Plain => auto_key(self.rows),
        };
        let mut object = Map::new();
        for (at, text) in fields.iter().enumerate() {
            if !text.is_empty() && !key_columns.contains(&at) {
                object.insert(self.columns[at].clone(), Value::from(*text));
            }
        }
        Ok((key, Value::Object(object).to_string().into_bytes()))
    }
}

impl<R: BufRead> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Item>> {
        self.rows += 1;
        let entry = match self.reader.read(&mut self.record).map_err(unreadable)? {
            Next::End => return Ok(None),
            Next::Malformed { field } => Err(malformed(field, Some(&self.columns))),
            Next::Record => self.entry(),
        };
        let line = self.record.line;
        Ok(Some(match entry {
            Ok((key, value)) => Item::Entry {
                line,
                key,
                value,
                expiry: None,
            },
            Err(why) => Item::Refused(Refusal { line, why }),
        }))
    }
}

fn columns_of(header: &Record) -> Result<Vec<String>> {
    let line = header.line;
    let mut columns: Vec<String> = Vec::with_capacity(header.len());
    for (name, number) in header.fields().zip(1..) {
        let name = std::str::from_utf8(name)
            .map_err(|_| {
                Failure::new(format!(
                    "line {line}: the name of column {number} is not UTF-8"
                ))
            })?
            .trim();
        if name.is_empty() {
            return Err(
                Failure::new(format!("line {line}: column {number} has no name"))
                    .hint("the first line names the columns"),
            );
        }
        if columns.iter().any(|other| other == name) {
            let name = readable(name.as_bytes());
            return Err(Failure::new(format!(
                "line {line}: there are two columns `{name}`"
            )));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

fn positions(columns: &[String], names: &[String]) -> Result<Vec<usize>> {
    let position = |name: &String| {
        columns
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| {
                Failure::usage(format!("no column `{name}`"))
                    .hint(format!("the columns are {}", listed(columns)))
            })
    };
    names.iter().map(position).collect()
}

/// The columns for a hint. What is no table may seem to have one column of any size.
fn listed(columns: &[String]) -> String {
    const CHARACTERS_MAX: usize = 500;
    let text = columns.join(", ");
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{} ...", readable(&text.as_bytes()[..end])),
        None => readable(text.as_bytes()),
    }
}

/// Why a record with text behind a closing quote is no row.
pub(super) fn malformed(field: usize, columns: Option<&[String]>) -> String {
    let column = columns.and_then(|columns| columns.get(field - 1));
    let column = column.map_or_else(
        || format!("field {field}"),
        |name| format!("column `{name}`"),
    );
    format!("{column}: text follows the closing quote; a quote inside of quotes is written twice")
}

pub(super) fn unreadable(broken: Broken) -> Failure {
    match broken {
        Broken::Io(error) => Failure::new(format!("cannot be read: {}", system(&error))),
        Broken::Unclosed { line } => Failure::new(format!(
            "line {line}: a quote opens here and is never closed"
        )),
        Broken::TooLong { line } => Failure::new(format!(
            "line {line}: the row that begins here is longer than 1 GiB"
        ))
        .hint("is a quote not closed?"),
    }
}

/// Writes rows.
pub struct Writer<W> {
    writer: W,
    delimiter: u8,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(
        writer: W,
        delimiter: u8,
        header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self> {
        let mut writer = Self { writer, delimiter };
        writer.record(header)?;
        Ok(writer)
    }

    /// Writes a key and its value, which must be text.
    pub fn entry(&mut self, key: &str, value: &str) -> Result<()> {
        self.record([key, value])
    }

    /// Writes a row: the key's values, then the columns that are not in the key.
    pub fn row(
        &mut self,
        key: &[String],
        columns: &[String],
        object: &Map<String, Value>,
    ) -> Result<()> {
        let fields = columns
            .iter()
            .map(|name| object.get(name).map(field).unwrap_or_default());
        self.record(key.iter().cloned().chain(fields))
    }

    fn record(&mut self, fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<()> {
        delimited::write(&mut self.writer, self.delimiter, fields)
            .map_err(|error| Failure::stream("write", "the file", &error))
    }
}
