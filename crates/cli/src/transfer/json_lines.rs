//! JSON lines: an object on each line.
//!
//! With key columns, an object is a row. Without, it is a plain entry,
//! `{"key": "k", "value": "v"}`, where bytes that are not text are `{"hex": "00ff"}` and any other
//! JSON value stands for its own text.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Map, Value, json};

use super::KeyColumns;
use super::delimited::skip_byte_order_mark;
use super::load::{Item, Refusal, Source};
use super::row::{auto_key, field, join_key};
use crate::failure::{Failure, Result, system};
use crate::output::{from_hex, json_of};

/// A longer line is a mistake. The largest value takes 6 GiB if every byte of it is written as
/// `\u0000`.
const LINE_BYTES_MAX: u64 = 8 << 30;

/// Reads objects.
pub struct Reader<R> {
    reader: R,
    buffer: Vec<u8>,
    key: KeyColumns,
    line: u64,
    rows: u64,
    line_bytes_max: u64,
}

impl<R: BufRead> Reader<R> {
    pub fn new(reader: R, key: KeyColumns) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            key,
            line: 0,
            rows: 0,
            line_bytes_max: LINE_BYTES_MAX,
        }
    }

    /// Reads a line and its end, as far as the limit; gives how many bytes there were.
    fn read_line(&mut self) -> io::Result<usize> {
        if self.line == 0 {
            skip_byte_order_mark(&mut self.reader)?;
        }
        let limit = self.line_bytes_max + 1;
        self.reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.buffer)
    }

    /// The entry that the current line makes.
    fn entry(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let value = serde_json::from_slice(&self.buffer).map_err(|error| not_json(&error))?;
        let Value::Object(mut object) = value else {
            return Err("not a JSON object".to_owned());
        };
        let key = match &self.key {
            KeyColumns::Absent => return plain(object),
            KeyColumns::Auto => auto_key(self.rows),
            KeyColumns::Named(names) => {
                let mut values = Vec::with_capacity(names.len());
                for name in names {
                    let value = object
                        .shift_remove(name)
                        .as_ref()
                        .map(field)
                        .unwrap_or_default();
                    if value.is_empty() {
                        return Err(format!("key column `{name}` is empty"));
                    }
                    values.push(value);
                }
                join_key(values.iter().map(String::as_str))
            }
        };
        object.retain(|_, value| !value.is_null());
        Ok((key, Value::Object(object).to_string().into_bytes()))
    }
}

impl<R: BufRead> Source for Reader<R> {
    fn next(&mut self) -> Result<Option<Item>> {
        loop {
            self.buffer.clear();
            if self.read_line().map_err(|error| unreadable(&error))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.buffer.len() as u64 > self.line_bytes_max {
                let text = format!("line {} is longer than 8 GiB", self.line);
                return Err(Failure::new(text).hint("is it a file of JSON lines?"));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        self.rows += 1;
        let line = self.line;
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

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(format!("cannot be read: {}", system(error)))
}

/// The parser counts lines of its own, and always finds the first.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let why = text.split(" at line ").next().unwrap_or(&text);
    match error.is_eof() {
        true => format!("not JSON: {why}"),
        false => format!("not JSON at column {}: {why}", error.column()),
    }
}

fn plain(mut object: Map<String, Value>) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (Some(key), Some(value), true) = (
        object.shift_remove("key"),
        object.shift_remove("value"),
        object.is_empty(),
    ) else {
        return Err("expected `key` and `value` and nothing else, or `--key COLUMN`".to_owned());
    };
    Ok((bytes_of(key)?, bytes_of(value)?))
}

fn bytes_of(value: Value) -> Result<Vec<u8>, String> {
    if let Value::Object(object) = &value
        && let (Some(Value::String(digits)), 1) = (object.get("hex"), object.len())
    {
        return from_hex(digits).ok_or_else(|| format!("`{digits}` are not hexadecimal digits"));
    }
    Ok(match value {
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    })
}

/// Writes a plain entry.
pub fn write_entry(writer: &mut impl Write, key: &[u8], value: &[u8]) -> Result<()> {
    write_line(
        writer,
        &json!({ "key": json_of(key), "value": json_of(value) }),
    )
}

/// Writes a row.
pub fn write_row(
    writer: &mut impl Write,
    names: &[String],
    key: Vec<String>,
    columns: Map<String, Value>,
) -> Result<()> {
    let mut object: Map<String, Value> = names
        .iter()
        .cloned()
        .zip(key.into_iter().map(Value::from))
        .collect();
    object.extend(columns);
    write_line(writer, &Value::Object(object))
}

fn write_line(writer: &mut impl Write, value: &Value) -> Result<()> {
    writeln!(writer, "{value}").map_err(|error| Failure::stream("write", "the file", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_beyond_the_limit_ends_the_reading() {
        let line = "{\"key\":\"k\",\"value\":\"v\"}\n";
        let text = format!("{line}{line} ");
        for (bytes_max, read) in [(line.len(), 2), (line.len() - 1, 0)] {
            let mut reader = Reader::new(text.as_bytes(), KeyColumns::Absent);
            reader.line_bytes_max = bytes_max as u64;
            for _ in 0..read {
                assert!(matches!(reader.next(), Ok(Some(Item::Entry { .. }))));
            }
            match reader.next() {
                Ok(end) => assert!(end.is_none() && read == 2),
                Err(failure) => assert!(
                    failure.to_string().contains("line 1 is longer"),
                    "{failure}"
                ),
            }
        }
    }
}
