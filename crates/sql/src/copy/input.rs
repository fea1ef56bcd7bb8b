//! COPY ... FROM.

use std::io::Read;
use std::sync::Arc;

use rustdb_catalog::{Column, Generated};
use rustdb_table::{Statement, Table};
use rustdb_types::{Settings, Type, Value, parse as parse_value};

use super::options::{Header, Options, options};
use super::reader::{Fields, LineReader};
use crate::bind::{Binder, Surroundings, missing_relation, name_of, object_name};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, evaluate_row};
use crate::expr::{Expr, Typed};
use crate::parse::utility::{Copy, CopySource};

/// A load, made ready.
pub(crate) struct CopyIn {
    pub(crate) table: Arc<Table>,
    options: Options,
    /// The columns that lines have, in order: the column's place.
    pub(super) places: Vec<usize>,
    pub(super) names: Vec<String>,
    /// The types that their texts are read as: below domains.
    pub(super) types: Vec<Type>,
    force_not_null: Vec<bool>,
    force_null: Vec<bool>,
    /// What the other places get, and what makes values of domains of those that are given: in
    /// order, over the row so far.
    pub(super) made: Vec<(usize, Expr)>,
    /// What has to hold of a row that is to be taken.
    conditions: Vec<Expr>,
}

/// As much of a line or value is shown in messages.
const SHOWN_BYTES_MAX: usize = 100;

impl CopyIn {
    /// Finds out what a statement means.
    pub(crate) fn new(copy: &Copy, around: &Surroundings<'_>) -> Result<CopyIn> {
        let CopySource::Table(name, written) = &copy.source else {
            return Err(Error::internal("a query is not written to"));
        };
        let options = options(copy)?;
        let names = object_name(name)?;
        let mut binder = Binder::for_statement(around);
        let definition = match binder.find_relation(&names)? {
            Some(rustdb_catalog::Relation::Table(table)) => table,
            None => return Err(missing_relation(&names)),
            Some(other) => return Err(not_a_table(&other, &names)),
        };
        let places = places_of(&definition, written)?;
        let names: Vec<String> = places
            .iter()
            .map(|place| definition.columns[*place].name.clone())
            .collect();
        let mut made = Vec::new();
        for (place, column) in definition.columns.iter().enumerate() {
            let is_given = places.contains(&place);
            let of = &column.column_type;
            let below = of.without_domains();
            if !is_given {
                made.push((place, binder.default_for(column)?));
            } else if below != *of {
                let value = Typed::new(Expr::Input(place), below);
                made.push((place, binder.assign(value, of, &column.name)?));
            }
        }
        for (place, column) in definition.columns.iter().enumerate() {
            if let Some(expr) = binder.generated_for(&definition, column)? {
                made.push((place, expr));
            }
        }
        let mut conditions = Vec::new();
        if let Some(condition) = &copy.condition {
            let text = condition.to_string();
            let (settings, catalog) = (around.settings, Some(&around.catalog));
            let typed = crate::bind::bind_table_expression(&text, &definition, settings, catalog)?;
            conditions = binder.coerce_to_bool(typed, "WHERE")?.conjuncts();
        }
        let types = places.iter();
        let types = types.map(|place| definition.columns[*place].column_type.without_domains());
        Ok(CopyIn {
            table: around.database.table(&definition, &around.catalog)?,
            force_not_null: options.force_not_null.places(&names, "FORCE_NOT_NULL")?,
            force_null: options.force_null.places(&names, "FORCE_NULL")?,
            types: types.collect(),
            options,
            places,
            names,
            made,
            conditions,
        })
    }

    /// Reads all lines into the table; returns how many rows there were.
    pub(crate) fn run(
        &self,
        source: &mut dyn Read,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<u64> {
        if self.options.is_binary {
            return self.run_binary(source, statement, cx);
        }
        let mut reader = LineReader::new(source);
        let name = &self.table.definition().name;
        let mut fields = Fields::default();
        let mut rows = 0;
        let mut is_first = true;
        loop {
            let found = reader.next(&self.options);
            if !found.map_err(|error| at_line(error, name, &reader))? {
                return Ok(rows);
            }
            if std::mem::take(&mut is_first) && self.options.header != Header::No {
                if self.options.header == Header::Match {
                    reader.split(&self.options, &mut fields);
                    let checked = self.check_header(&fields);
                    checked.map_err(|error| showing_line(error, name, &reader))?;
                }
                continue;
            }
            cx.check_cancelled()?;
            let row = self.row(&reader, &mut fields, cx)?;
            let written = self.take(&row, statement, cx);
            rows += u64::from(written.map_err(|error| match error.state() {
                SqlState::NOT_NULL_VIOLATION | SqlState::CHECK_VIOLATION => {
                    showing_line(error, name, &reader)
                }
                _ => at_line(error, name, &reader),
            })?);
        }
    }

    /// Inserts a row, unless a condition keeps it out.
    pub(super) fn take(
        &self,
        row: &[Value],
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        for condition in &self.conditions {
            if evaluate_row(condition, row, cx)?.as_bool() != Some(true) {
                return Ok(false);
            }
        }
        self.table.insert(cx.transaction_mut()?, row, statement)?;
        Ok(true)
    }

    /// The row of a line.
    fn row(
        &self,
        reader: &LineReader<'_>,
        fields: &mut Fields,
        cx: &mut Context<'_>,
    ) -> Result<Vec<Value>> {
        let definition = self.table.definition();
        let name = &definition.name;
        // A table without columns has empty lines.
        if !(self.places.is_empty() && reader.line.is_empty()) {
            reader.split(&self.options, fields);
            if fields.len() > self.places.len() {
                let error = malformed("extra data after last expected column");
                return Err(showing_line(error, name, reader));
            }
        }
        let mut row = vec![Value::Null; definition.columns.len()];
        for (at, place) in self.places.iter().enumerate() {
            if at >= fields.len() {
                let missing = &self.names[at];
                let error = malformed(format!("missing data for column \"{missing}\""));
                return Err(showing_line(error, name, reader));
            }
            let (bytes, is_null) = fields.get(at);
            let is_null = match is_null {
                true => !self.force_not_null[at],
                false => self.force_null[at] && bytes == self.options.null.as_bytes(),
            };
            if is_null {
                continue;
            }
            let value = value_of(bytes, &self.types[at], cx.settings);
            row[*place] = value.map_err(|(error, is_of_line)| match is_of_line {
                true => at_line(error, name, reader),
                false => {
                    let shown = shown(bytes);
                    error.with_context(format!(
                        "COPY {name}, line {}, column {}: \"{shown}\"",
                        reader.number, self.names[at]
                    ))
                }
            })?;
        }
        for (place, expr) in &self.made {
            let value = evaluate_row(expr, &row, cx);
            row[*place] = value.map_err(|error| self.in_column(error, *place, fields, reader))?;
        }
        Ok(row)
    }

    /// Where a value that a domain refuses stands.
    fn in_column(
        &self,
        error: Error,
        place: usize,
        fields: &Fields,
        reader: &LineReader<'_>,
    ) -> Error {
        let name = &self.table.definition().name;
        let Some(at) = self.places.iter().position(|each| *each == place) else {
            return at_line(error, name, reader);
        };
        let (bytes, is_null) = fields.get(at);
        let what = match is_null {
            true => "null input".to_owned(),
            false => format!("\"{}\"", shown(bytes)),
        };
        let column = &self.names[at];
        error.with_context(format!(
            "COPY {name}, line {}, column {column}: {what}",
            reader.number
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
}

/// The places of the columns that lines have.
fn places_of(
    definition: &rustdb_catalog::Table,
    written: &[sqlparser::ast::Ident],
) -> Result<Vec<usize>> {
    let is_generated = |column: &Column| matches!(column.generated, Some(Generated::Stored(_)));
    if written.is_empty() {
        let columns = definition.columns.iter().enumerate();
        let plain = columns.filter(|(_, column)| !column.dropped && !is_generated(column));
        return Ok(plain.map(|(place, _)| place).collect());
    }
    let mut places = Vec::with_capacity(written.len());
    for name in written {
        let name = name_of(name);
        let column = definition.column_named(&name).ok_or_else(|| {
            let message = format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                definition.name
            );
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        if is_generated(column) {
            let message = format!("column \"{name}\" is a generated column");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                .with_detail("Generated columns cannot be used in COPY."));
        }
        let place = column.id as usize - 1;
        if places.contains(&place) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        places.push(place);
    }
    Ok(places)
}

fn not_a_table(found: &rustdb_catalog::Relation, names: &[String]) -> Error {
    let name = names.last().map_or("", String::as_str);
    match found {
        rustdb_catalog::Relation::View(_) => Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("cannot copy to view \"{name}\""),
        )
        .with_hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."),
        rustdb_catalog::Relation::Sequence(_) => {
            let message = format!("cannot copy to sequence \"{name}\"");
            Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        }
        _ => {
            let message = format!("cannot copy to non-table relation \"{name}\"");
            Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        }
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

fn at_line(error: Error, table: &str, reader: &LineReader<'_>) -> Error {
    error.with_context(format!("COPY {table}, line {}", reader.number))
}

fn showing_line(error: Error, table: &str, reader: &LineReader<'_>) -> Error {
    let line = shown(&reader.line);
    error.with_context(format!("COPY {table}, line {}: \"{line}\"", reader.number))
}
