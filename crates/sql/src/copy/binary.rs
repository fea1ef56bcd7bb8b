//! COPY's binary format.
//!
//! ```text
//! "PGCOPY\n\xff\r\n\0"   flags (4), length of what else the head has (4)
//! rows                   number of columns (2); for each its length (4, -1 for NULL) and bytes
//! -1 (2)
//! ```
//!
//! All numbers are big-endian; a value's bytes are those of its binary form on the wire.

use std::io::{BufReader, Read};

use rustdb_table::Statement;
use rustdb_types::{Type, Value, receive, send};

use super::input::CopyIn;
use super::lines::malformed;
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, evaluate_row};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Flags that a reader must know; the lowest of them said that rows have numbers.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
const WITH_OIDS: u32 = 1 << 16;

/// The longest value: PostgreSQL's limit.
const VALUE_BYTES_MAX: i32 = 1 << 30;

pub(super) fn put_head(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 8]);
}

pub(super) fn put_row(row: &[Value], types: &[Type], out: &mut Vec<u8>) {
    out.extend_from_slice(&(row.len() as u16).to_be_bytes());
    for (value, of) in row.iter().zip(types) {
        if value.is_null() {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        send(value, of, out);
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
}

pub(super) fn put_end(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i16).to_be_bytes());
}

/// Reads as many bytes as are asked for.
struct Source<'r>(BufReader<&'r mut dyn Read>);

impl Source<'_> {
    /// `None` if there are fewer.
    fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.0.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(unread(&error)),
        }
    }

    /// Fills `out` with so many bytes; whether there were as many.
    fn bytes(&mut self, count: usize, out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        // NB: what a length claims is believed only as far as there are bytes.
        let read = (&mut self.0).take(count as u64).read_to_end(out);
        read.map_err(|error| unread(&error))?;
        Ok(out.len() == count)
    }
}

fn unread(error: &std::io::Error) -> Error {
    let message = format!("could not read from COPY file: {error}");
    Error::new(SqlState::IO_ERROR, message)
}

fn head(source: &mut Source<'_>) -> Result<()> {
    if source.array()?.as_ref() != Some(SIGNATURE) {
        return Err(malformed("COPY file signature not recognized"));
    }
    let flags = source.array()?.map(u32::from_be_bytes);
    let flags = flags.ok_or_else(|| malformed("invalid COPY file header (missing flags)"))?;
    if flags & WITH_OIDS != 0 {
        return Err(malformed("invalid COPY file header (WITH OIDS)"));
    }
    if flags & CRITICAL_FLAGS != 0 {
        let message = "unrecognized critical flags in COPY file header";
        return Err(malformed(message));
    }
    let length = source.array()?.map(i32::from_be_bytes);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| malformed("invalid COPY file header (missing length)"))?;
    match source.bytes(length, &mut Vec::new())? {
        true => Ok(()),
        false => Err(malformed("invalid COPY file header (wrong length)")),
    }
}

impl CopyIn {
    /// Reads all rows into the table; returns how many there were.
    pub(super) fn run_binary(
        &self,
        source: &mut dyn Read,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<u64> {
        let mut source = Source(BufReader::new(source));
        head(&mut source)?;
        let name = self.table.definition().name.clone();
        let (mut rows, mut line) = (0, 0_u64);
        let mut buffer = Vec::new();
        loop {
            line += 1;
            cx.check_cancelled()?;
            let row = self.binary_row(&mut source, &mut buffer, line, cx)?;
            let Some(row) = row else {
                return Ok(rows);
            };
            let written = self.take(&row, &mut None, statement, cx);
            let context = || format!("COPY {name}, line {line}");
            rows += u64::from(written.map_err(|error| error.with_context(context()))?);
        }
    }

    /// The next row, if there is one.
    fn binary_row(
        &self,
        source: &mut Source<'_>,
        buffer: &mut Vec<u8>,
        line: u64,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let definition = self.table.definition();
        let name = &definition.name;
        let at_line = |error: Error| error.with_context(format!("COPY {name}, line {line}"));
        let in_column = |error: Error, column: &str| {
            error.with_context(format!("COPY {name}, line {line}, column {column}"))
        };
        let count = source.array().map_err(at_line)?.map(i16::from_be_bytes);
        match count {
            None => return Ok(None),
            Some(-1) => {
                return match source.array::<1>().map_err(at_line)? {
                    None => Ok(None),
                    Some(_) => Err(at_line(malformed("received copy data after EOF marker"))),
                };
            }
            Some(count) if usize::try_from(count) == Ok(self.lines.places.len()) => (),
            Some(count) => {
                let expected = self.lines.places.len();
                let message = format!("row field count is {count}, expected {expected}");
                return Err(at_line(malformed(message)));
            }
        }
        let mut row = vec![Value::Null; definition.columns.len()];
        for (at, place) in self.lines.places.iter().enumerate() {
            let column = &self.lines.names[at];
            let ended = || in_column(malformed("unexpected EOF in COPY data"), column);
            let length = source.array().map_err(at_line)?.map(i32::from_be_bytes);
            let length = match length.ok_or_else(ended)? {
                -1 => continue,
                length @ 0..VALUE_BYTES_MAX => length as usize,
                _ => return Err(in_column(malformed("invalid field size"), column)),
            };
            if !source.bytes(length, buffer).map_err(at_line)? {
                return Err(ended());
            }
            let value = receive(buffer, &self.lines.types[at], cx.settings);
            row[*place] = value.map_err(|error| in_column(error.into(), column))?;
        }
        for (place, expr) in &self.made {
            let value = evaluate_row(expr, &row, cx);
            row[*place] = value.map_err(|error| match self.lines.places.contains(place) {
                true => in_column(error, &definition.columns[*place].name),
                false => at_line(error),
            })?;
        }
        Ok(Some(row))
    }
}
