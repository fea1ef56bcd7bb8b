//! COPY ... TO.

use std::io::Write;

use rustdb_catalog::{Generated, Relation, Table};
use rustdb_types::{Settings, Type, Value, format as format_value};
use sqlparser::ast;

use super::binary;
use super::options::{Header, Options, options};
use crate::bind::{Binder, OutputColumn, Surroundings, missing_relation, new_name, object_name};
use crate::error::{Error, Result, SqlState};
use crate::exec::quoted;
use crate::parse::utility::{Copy, CopySource};

/// Rows that go out.
pub(crate) struct CopyOut<'w> {
    options: Options,
    types: Vec<Type>,
    force_quote: Vec<bool>,
    target: &'w mut dyn Write,
    line: Vec<u8>,
}

/// The query whose rows a statement writes.
pub(crate) fn select_of(copy: &Copy, around: &Surroundings<'_>) -> Result<Box<ast::Query>> {
    let (name, written) = match &copy.source {
        CopySource::Query(query) => {
            options(copy)?;
            return Ok(query.clone());
        }
        CopySource::Table(name, written) => (name, written),
    };
    let names = object_name(name)?;
    let short = names.last().map_or("", String::as_str);
    let table = match Binder::for_statement(around).find_relation(&names)? {
        Some(Relation::Table(table)) => table,
        None => return Err(missing_relation(&names)),
        Some(Relation::View(_)) => {
            let message = format!("cannot copy from view \"{short}\"");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .with_hint("Try the COPY (SELECT ...) TO variant."));
        }
        Some(Relation::Sequence(_)) => {
            let message = format!("cannot copy from sequence \"{short}\"");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        Some(Relation::Index(..)) => {
            let message = format!("cannot copy from non-table relation \"{short}\"");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
    };
    let mut columns = Vec::new();
    for name in written {
        let name = new_name(name)?;
        let column = table.column_named(&name);
        let column = column.ok_or_else(|| missing_column(&table, &name))?;
        if matches!(column.generated, Some(Generated::Stored(_))) {
            let message = format!("column \"{name}\" is a generated column");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                .with_detail("Generated columns cannot be used in COPY."));
        }
        let column = quoted(&name);
        if columns.contains(&column) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        columns.push(column);
    }
    let forced = options(copy)?.force_quote;
    let unknown = |name: &&String| table.column_named(name).is_none();
    if let Some(name) = forced.names().iter().find(unknown) {
        return Err(missing_column(&table, name));
    }
    if written.is_empty() {
        let plain = table
            .live_columns()
            .filter(|column| !matches!(column.generated, Some(Generated::Stored(_))));
        columns.extend(plain.map(|column| quoted(&column.name)));
    }
    let schema = around.catalog.schema(table.schema);
    let schema = schema.map_or("public", |schema| &schema.name);
    let text = format!(
        "SELECT {} FROM {}.{}",
        columns.join(", "),
        quoted(schema),
        quoted(&table.name)
    );
    match crate::parse::parse(&text)?.pop() {
        Some(ast::Statement::Query(query)) => Ok(query),
        _ => Err(Error::internal("the rows of a table are no query")),
    }
}

pub(super) fn missing_column(table: &Table, name: &str) -> Error {
    let message = format!(
        "column \"{name}\" of relation \"{}\" does not exist",
        table.name
    );
    Error::new(SqlState::UNDEFINED_COLUMN, message)
}

impl<'w> CopyOut<'w> {
    /// Tells what is wrong with the options, of these columns.
    pub(crate) fn check(copy: &Copy, columns: &[OutputColumn]) -> Result<()> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let forced = options(copy)?.force_quote;
        if let CopySource::Query(_) = copy.source
            && let Some(name) = forced.names().iter().find(|name| !names.contains(name))
        {
            let message = format!("column \"{name}\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        }
        forced.places(&names, "FORCE_QUOTE").map(drop)
    }

    /// Begins; writes the header, if there is to be one.
    pub(crate) fn new(
        copy: &Copy,
        columns: &[OutputColumn],
        target: &'w mut dyn Write,
    ) -> Result<CopyOut<'w>> {
        let options = options(copy)?;
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let mut out = CopyOut {
            force_quote: options.force_quote.places(&names, "FORCE_QUOTE")?,
            types: columns.iter().map(|column| column.of.clone()).collect(),
            options,
            target,
            line: Vec::new(),
        };
        if out.options.is_binary {
            binary::put_head(&mut out.line);
            out.give()?;
        }
        if out.options.header != Header::No {
            for (place, name) in names.iter().enumerate() {
                out.separate(place);
                out.text(name, false, names.len() == 1);
            }
            out.end_line()?;
        }
        Ok(out)
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &[Value], settings: &Settings) -> Result<()> {
        if self.options.is_binary {
            binary::put_row(row, &self.types, &mut self.line);
            return self.give();
        }
        for (place, value) in row.iter().enumerate() {
            self.separate(place);
            if value.is_null() {
                self.line.extend_from_slice(self.options.null.as_bytes());
                continue;
            }
            let text = format_value(value, &self.types[place], settings);
            self.text(&text, self.force_quote[place], row.len() == 1);
        }
        self.end_line()
    }

    /// Ends; what was written is with the target.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.options.is_binary {
            binary::put_end(&mut self.line);
            self.give()?;
        }
        self.target.flush().map_err(failed)
    }

    fn separate(&mut self, place: usize) {
        if place > 0 {
            self.line.push(self.options.delimiter);
        }
    }

    fn end_line(&mut self) -> Result<()> {
        self.line.push(b'\n');
        self.give()
    }

    fn give(&mut self) -> Result<()> {
        let written = self.target.write_all(&self.line).map_err(failed);
        self.line.clear();
        written
    }

    fn text(&mut self, text: &str, is_forced: bool, is_alone: bool) {
        match self.options.is_csv {
            true => self.csv(text, is_forced, is_alone),
            false => self.escaped(text),
        }
    }

    fn escaped(&mut self, text: &str) {
        for byte in text.bytes() {
            let letter = match byte {
                8 => b'b',
                12 => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                11 => b'v',
                b'\\' => b'\\',
                byte if byte == self.options.delimiter => byte,
                plain => {
                    self.line.push(plain);
                    continue;
                }
            };
            self.line.extend_from_slice(&[b'\\', letter]);
        }
    }

    fn csv(&mut self, text: &str, is_forced: bool, is_alone: bool) {
        let (quote, escape) = (self.options.quote, self.options.escape);
        // What could be taken for NULL, or for the end of the data, is quoted too.
        let is_special = |byte: u8| {
            byte == self.options.delimiter || byte == quote || byte == b'\n' || byte == b'\r'
        };
        let is_quoted = is_forced
            || text == self.options.null
            || is_alone && text == "\\."
            || text.bytes().any(is_special);
        if !is_quoted {
            self.line.extend_from_slice(text.as_bytes());
            return;
        }
        self.line.push(quote);
        for byte in text.bytes() {
            if byte == quote || byte == escape {
                self.line.push(escape);
            }
            self.line.push(byte);
        }
        self.line.push(quote);
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(
        SqlState::IO_ERROR,
        format!("could not write to COPY file: {error}"),
    )
}
