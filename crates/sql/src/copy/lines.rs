//! Lines of COPY's text formats, made into rows.

use std::io::Read;
use std::sync::Arc;

use rustdb_table::Table;
use rustdb_types::{Given, Settings, Type, Value, parse as parse_value};

use super::options::{Header, Options};
use super::reader::{Fields, LineReader, split};
use crate::error::{Error, Result, SqlState};

/// How lines become rows.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) options: Options,
    /// The table's name.
    pub(super) table: String,
    /// How many columns its rows have.
    pub(super) width: usize,
    /// The columns that lines have, in order: the column's place.
    pub(super) places: Vec<usize>,
    pub(super) names: Vec<String>,
    /// The types that their texts are read as: below domains.
    pub(super) types: Vec<Type>,
    pub(super) force_not_null: Vec<bool>,
    pub(super) force_null: Vec<bool>,
    pub(super) settings: Arc<Settings>,
}

/// A line, and its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'l> {
    pub(super) text: &'l [u8],
    pub(super) number: u64,
}

/// The rows of some lines.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Row after row.
    values: Vec<Value>,
    /// In their place: row after row as the table stores it, its key before it.
    stored: Vec<u8>,
    /// Where each key ends there, and each row.
    stored_ends: Vec<(usize, usize)>,
    /// Line after line.
    text: Vec<u8>,
    /// Where each line ends in the text, and its number.
    ends: Vec<(usize, u64)>,
    /// What is wrong with the line after them.
    pub(super) error: Option<Error>,
    /// Whether nothing comes after them.
    pub(super) is_last: bool,
}

/// A chunk has no more rows.
const ROWS_MAX: usize = 1024;

/// A chunk with as much text is not given another line.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// As much of a line or value is shown in messages.
const SHOWN_BYTES_MAX: usize = 100;

impl Chunk {
    pub(super) fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The length of the text.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A row, and the line it was made of.
    pub(super) fn row_mut(&mut self, number: usize, width: usize) -> (&mut [Value], Line<'_>) {
        let line = line_at(&self.text, &self.ends, number);
        (&mut self.values[number * width..][..width], line)
    }

    /// Whether rows are as the table stores them.
    pub(super) fn is_stored(&self) -> bool {
        !self.stored_ends.is_empty()
    }

    /// The key of a row as it is stored, the row, and the line it was made of.
    pub(super) fn stored(&self, number: usize) -> (&[u8], &[u8], Line<'_>) {
        let before = number.checked_sub(1);
        let start = before.map_or(0, |before| self.stored_ends[before].1);
        let (key_end, end) = self.stored_ends[number];
        let (key, row) = (&self.stored[start..key_end], &self.stored[key_end..end]);
        (key, row, line_at(&self.text, &self.ends, number))
    }

    /// Adds a row as a table stores it.
    fn store(&mut self, row: &[Given<'_>], table: &Table, settings: &Settings) -> Result<()> {
        let key_end = table.encode_for_load(row, settings, &mut self.stored)?;
        self.stored_ends.push((key_end, self.stored.len()));
        Ok(())
    }

    /// All rows.
    pub(super) fn all(&self, width: usize) -> impl Iterator<Item = &[Value]> {
        let rows = 0..self.rows();
        rows.map(move |number| &self.values[number * width..][..width])
    }

    fn clear(&mut self) {
        self.values.clear();
        self.stored.clear();
        self.stored_ends.clear();
        self.text.clear();
        self.ends.clear();
    }
}

/// A line of several, which end there.
fn line_at<'l>(text: &'l [u8], ends: &[(usize, u64)], number: usize) -> Line<'l> {
    let start = number.checked_sub(1).map_or(0, |before| ends[before].0);
    let (end, line) = ends[number];
    Line {
        text: &text[start..end],
        number: line,
    }
}

/// Makes rows of what is read.
pub(super) struct Feed {
    lines: Arc<Lines>,
    reader: LineReader,
    fields: Fields,
    /// Rows are made as this one stores them.
    stored_by: Option<Arc<Table>>,
    /// Whether no line was read yet.
    is_first: bool,
}

impl Feed {
    pub(super) fn new(lines: Arc<Lines>) -> Feed {
        Feed {
            lines,
            reader: LineReader::new(),
            fields: Fields::default(),
            stored_by: None,
            is_first: true,
        }
    }

    /// From now on makes rows as a table stores them, which must [be able
    /// to](Table::stores_at_once).
    pub(super) fn store_as(&mut self, table: &Arc<Table>) {
        self.stored_by = Some(table.clone());
    }

    /// Puts the next rows in the place of those of a chunk. It does not wait for more lines while
    /// there are rows.
    pub(super) fn fill(&mut self, source: &mut dyn Read, chunk: &mut Chunk) {
        chunk.clear();
        match self.fill_or_fail(source, chunk) {
            Ok(is_last) => chunk.is_last = is_last,
            Err(error) => {
                // What the bad line has left.
                match self.stored_by {
                    Some(_) => chunk.values.clear(),
                    None => chunk.values.truncate(chunk.ends.len() * self.lines.width),
                }
                (chunk.error, chunk.is_last) = (Some(error), true);
            }
        }
    }

    /// Whether the input is at its end.
    fn fill_or_fail(&mut self, source: &mut dyn Read, chunk: &mut Chunk) -> Result<bool> {
        let lines = &*self.lines;
        while chunk.rows() < ROWS_MAX && chunk.bytes() < TEXT_BYTES_MAX {
            if chunk.rows() > 0 && self.reader.is_drained() {
                break;
            }
            self.reader.skips = self.is_first && lines.options.header == Header::Yes;
            let found = self.reader.next(source, &lines.options);
            let number = self.reader.number;
            let found = found.map_err(|error| lines.at(error, number))?;
            let line = Line {
                text: &self.reader.line,
                number,
            };
            let is_head = std::mem::take(&mut self.is_first) && lines.options.header != Header::No;
            // Where a head is asked for, the head of an empty input is wrong.
            if is_head && lines.options.header == Header::Match {
                split(line.text, &lines.options, &mut self.fields);
                let checked = lines.check_header(&self.fields);
                checked.map_err(|error| lines.showing(error, line))?;
            }
            if !found {
                return Ok(true);
            }
            if is_head {
                continue;
            }
            match &self.stored_by {
                Some(table) => lines.store_row(line, &mut self.fields, table, chunk)?,
                None => lines.add_row(line, &mut self.fields, &mut chunk.values)?,
            }
            chunk.text.extend_from_slice(line.text);
            chunk.ends.push((chunk.text.len(), number));
        }
        Ok(false)
    }
}

impl Lines {
    /// Adds the row of a line.
    fn add_row(&self, line: Line<'_>, fields: &mut Fields, values: &mut Vec<Value>) -> Result<()> {
        // A table without columns has empty lines.
        if !(self.places.is_empty() && line.text.is_empty()) {
            split(line.text, &self.options, fields);
            if fields.len() > self.places.len() {
                let error = malformed("extra data after last expected column");
                return Err(self.showing(error, line));
            }
        }
        let start = values.len();
        values.extend(std::iter::repeat_with(|| Value::Null).take(self.width));
        let row = &mut values[start..];
        for (at, place) in self.places.iter().enumerate() {
            if at >= fields.len() {
                let missing = &self.names[at];
                let error = malformed(format!("missing data for column \"{missing}\""));
                return Err(self.showing(error, line));
            }
            let (bytes, is_null) = fields.get(at);
            if self.is_null(at, bytes, is_null) {
                continue;
            }
            let value = value_of(bytes, &self.types[at], &self.settings);
            row[*place] = value.map_err(|(error, is_of_line)| match is_of_line {
                true => self.at(error, line.number),
                false => {
                    let (table, number, column) = (&self.table, line.number, &self.names[at]);
                    let shown = shown(bytes);
                    error.with_context(format!(
                        "COPY {table}, line {number}, column {column}: \"{shown}\""
                    ))
                }
            })?;
        }
        Ok(())
    }

    /// Whether a value is NULL; `is_null` if it is written so.
    fn is_null(&self, at: usize, bytes: &[u8], is_null: bool) -> bool {
        match is_null {
            true => !self.force_not_null[at],
            false => self.force_null[at] && bytes == self.options.null.as_bytes(),
        }
    }

    /// Adds the row of a line as a table stores it.
    fn store_row(
        &self,
        line: Line<'_>,
        fields: &mut Fields,
        table: &Table,
        chunk: &mut Chunk,
    ) -> Result<()> {
        split(line.text, &self.options, fields);
        let stored = match self.given(fields) {
            Some(row) => chunk.store(&row, table, &self.settings),
            // What is wrong with it is told in the usual way.
            None => {
                self.add_row(line, fields, &mut chunk.values)?;
                let row: Vec<Given<'_>> = chunk.values.drain(..).map(Given::Value).collect();
                chunk.store(&row, table, &self.settings)
            }
        };
        stored.map_err(|error| self.refused(error, line))
    }

    /// The row of a line, if nothing is wrong with it.
    fn given<'f>(&self, fields: &'f Fields) -> Option<Vec<Given<'f>>> {
        if fields.len() != self.places.len() {
            return None;
        }
        let text = fields.text()?;
        let mut row = Vec::with_capacity(self.width);
        row.resize_with(self.width, || Given::Value(Value::Null));
        let mut start = 0;
        for (at, (end, is_null)) in fields.ends().iter().enumerate() {
            let field = text.get(start..*end)?;
            start = *end;
            if self.is_null(at, field.as_bytes(), *is_null) {
                continue;
            }
            let of = &self.types[at];
            row[self.places[at]] = match of.stores_text(field) {
                true => Given::Text(field),
                false => Given::Value(parse_value(field, of, &self.settings).ok()?),
            };
        }
        Some(row)
    }

    /// Where a value that a domain refuses stands.
    pub(super) fn in_column(&self, error: Error, place: usize, line: Line<'_>) -> Error {
        let Some(at) = self.places.iter().position(|each| *each == place) else {
            return self.at(error, line.number);
        };
        let mut fields = Fields::default();
        split(line.text, &self.options, &mut fields);
        let (bytes, is_null) = fields.get(at);
        let what = match is_null {
            true => "null input".to_owned(),
            false => format!("\"{}\"", shown(bytes)),
        };
        let (table, number, column) = (&self.table, line.number, &self.names[at]);
        error.with_context(format!(
            "COPY {table}, line {number}, column {column}: {what}"
        ))
    }

    fn check_header(&self, fields: &Fields) -> Result<()> {
        if fields.len() != self.names.len() {
            return Err(malformed(format!(
                "wrong number of fields in header line: got {}, expected {}",
                fields.len(),
                self.names.len()
            )));
        }
        for (place, name) in self.names.iter().enumerate() {
            let (bytes, is_null) = fields.get(place);
            let number = place + 1;
            if is_null {
                return Err(malformed(format!(
                    "column name mismatch in header line field {number}: got null value (\"{}\"), expected \"{name}\"",
                    self.options.null
                )));
            }
            if bytes != name.as_bytes() {
                return Err(malformed(format!(
                    "column name mismatch in header line field {number}: got \"{}\", expected \"{name}\"",
                    String::from_utf8_lossy(bytes)
                )));
            }
        }
        Ok(())
    }

    /// An error at a line.
    pub(super) fn at(&self, error: Error, line: u64) -> Error {
        error.with_context(format!("COPY {}, line {line}", self.table))
    }

    /// Why the row of a line was not taken.
    pub(super) fn refused(&self, error: Error, line: Line<'_>) -> Error {
        match error.state() {
            SqlState::NOT_NULL_VIOLATION | SqlState::CHECK_VIOLATION => self.showing(error, line),
            _ => self.at(error, line.number),
        }
    }

    /// An error at a line that is shown.
    pub(super) fn showing(&self, error: Error, line: Line<'_>) -> Error {
        let (table, number, text) = (&self.table, line.number, shown(line.text));
        error.with_context(format!("COPY {table}, line {number}: \"{text}\""))
    }
}

/// The value of a text; an error, and whether it is about the line as a whole.
fn value_of(
    bytes: &[u8],
    of: &Type,
    settings: &Settings,
) -> std::result::Result<Value, (Error, bool)> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => text,
        Ok(_) => return Err((bad_bytes(&[0]), true)),
        Err(error) => {
            let bad = &bytes[error.valid_up_to()..];
            let length = error.error_len().unwrap_or(bad.len()).max(1).min(bad.len());
            return Err((bad_bytes(&bad[..length]), true));
        }
    };
    parse_value(text, of, settings).map_err(|error| (error.into(), false))
}

fn bad_bytes(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!(
        "invalid byte sequence for encoding \"UTF8\": {}",
        shown.join(" ")
    );
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
}

pub(super) fn malformed(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}

/// The beginning of a line or value.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() <= SHOWN_BYTES_MAX {
        return text.into_owned();
    }
    let mut end = SHOWN_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}
