//! CSV: a header line and rows, quoted as in RFC 4180.
//!
//! A file with the columns `key` and `value` and no key columns named holds plain entries.

use std::io::{BufRead, Write};

use serde_json::{Map, Value};

use super::KeyColumns;
use super::load::{Item, Refusal, Source};
use super::row::{auto_key, field, join_key};
use crate::failure::{Failure, Result};
use crate::output::readable;

/// Reads rows.
pub struct Reader<R> {
    reader: csv::Reader<R>,
    record: csv::ByteRecord,
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
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(reader);
        let header = reader
            .byte_headers()
            .map_err(|error| unreadable(&error))?
            .clone();
        let columns = columns_of(&header)?;
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
            record: csv::ByteRecord::new(),
            columns,
            key,
            rows: 0,
        })
    }

    /// The entry that the current record makes.
    fn entry(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        if self.record.len() != self.columns.len() {
            return Err(format!(
                "{} fields, the header has {}",
                self.record.len(),
                self.columns.len()
            ));
        }
        if let Key::Plain = self.key {
            return Ok((self.record[0].to_vec(), self.record[1].to_vec()));
        }
        let mut fields = Vec::with_capacity(self.columns.len());
        for (bytes, column) in self.record.iter().zip(&self.columns) {
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
        if !self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|error| unreadable(&error))?
        {
            return Ok(None);
        }
        self.rows += 1;
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(match self.entry() {
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

fn columns_of(header: &csv::ByteRecord) -> Result<Vec<String>> {
    let mut columns: Vec<String> = Vec::with_capacity(header.len());
    for name in header {
        let name = std::str::from_utf8(name)
            .map_err(|_| Failure::new("line 1: a column name is not UTF-8"))?
            .trim();
        if name.is_empty() {
            return Err(Failure::new("line 1: a column has no name"));
        }
        if columns.iter().any(|other| other == name) {
            return Err(Failure::new(format!(
                "line 1: there are two columns `{name}`"
            )));
        }
        columns.push(name.to_owned());
    }
    match columns.is_empty() {
        true => Err(Failure::new("the file is empty").hint("the first line names the columns")),
        false => Ok(columns),
    }
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

fn unreadable(error: &csv::Error) -> Failure {
    Failure::new(format!("cannot read the file: {error}"))
}

/// Writes rows.
pub struct Writer<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(
        writer: W,
        delimiter: u8,
        header: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Self> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .from_writer(writer);
        writer.write_record(header).map_err(unwritable)?;
        Ok(Self { writer })
    }

    /// Writes a key and its value, which must be text.
    pub fn entry(&mut self, key: &str, value: &str) -> Result<()> {
        self.writer.write_record([key, value]).map_err(unwritable)
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
        let record = key.iter().cloned().chain(fields);
        self.writer.write_record(record).map_err(unwritable)
    }

    pub fn finish(self) -> Result<W> {
        let told = |error: &std::io::Error| Failure::file("write", "the file", error);
        self.writer
            .into_inner()
            .map_err(|error| told(error.error()))
    }
}

fn unwritable(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::file("write", "the file", &error),
        other => Failure::new(format!("cannot write the file: {other:?}")),
    }
}
