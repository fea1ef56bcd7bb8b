//! Import and export: entries and rows, in and out of files, as streams.
//!
//! ```text
//! file ──▶ input ──▶ csv_rows, json_lines, dump ──▶ Item ──▶ load ──▶ keyspace
//! keyspace (one snapshot) ──▶ save ──▶ csv_rows, json_lines, dump ──▶ file.partial ──▶ file
//! ```
//!
//! A *row* has named columns. It is stored as one entry: the key is made of its key columns
//! ([`row`]), and the value is a JSON object of the others. Without key columns files hold plain
//! entries: a key and a value each.
//!
//! Nothing here holds more than a batch of entries in memory. An import is not one transaction:
//! one that fails leaves the rows before the failure, and says how many there are.

mod csv_rows;
mod delimited;
mod dump;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod infer;
mod input;
mod json_lines;
mod load;
mod row;
mod save;
pub mod table;

use std::path::Path;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use rustdb::{Database, Keyspace};

use crate::failure::{Failure, Result};

pub use input::{Input, standard_lines};
pub use load::{ImportReport, progress};
pub use save::ExportReport;

/// What to import, and how.
#[derive(Clone, Debug, Args)]
pub struct ImportArguments {
    /// The file; `-` is standard input
    pub file: String,
    /// The table of SQL to load CSV into; made, with types that fit the rows, if there is none
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "RUSTDB_TABLE",
        conflicts_with_all = ["keyspace", "key", "max_refused", "on_duplicate"]
    )]
    pub table: Option<String>,
    /// The database of the directory that the table is in
    #[arg(
        id = "database_name",
        long = "database",
        value_name = "NAME",
        env = "RUSTDB_DATABASE"
    )]
    pub database: Option<String>,
    /// The keyspace, created if there is none [default: default]
    #[arg(short, long, value_name = "NAME", env = "RUSTDB_KEYSPACE")]
    pub keyspace: Option<String>,
    /// The form of the file [default: by its extension]
    #[arg(short, long, value_enum, env = "RUSTDB_FORMAT")]
    pub format: Option<Format>,
    /// The columns that make the key, or `auto` for the number of the row
    #[arg(long, value_name = "COLUMN[,COLUMN]", env = "RUSTDB_KEY_COLUMNS")]
    pub key: Option<String>,
    /// What to do about a key that exists
    #[arg(long, value_enum, default_value_t, env = "RUSTDB_ON_DUPLICATE")]
    pub on_duplicate: OnDuplicate,
    /// What separates the columns of CSV [default: a comma, or a tab for a file named .tsv]
    #[arg(long, value_name = "CHARACTER", env = "RUSTDB_DELIMITER")]
    pub delimiter: Option<String>,
    /// How many rows may be refused before the import fails
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        env = "RUSTDB_MAX_REFUSED"
    )]
    pub max_refused: u64,
    /// Print the outcome as JSON
    #[arg(long, env = "RUSTDB_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
}

/// What to export, and how.
#[derive(Clone, Debug, Args)]
pub struct ExportArguments {
    /// The file; `-` is standard output
    pub file: String,
    /// The keyspace [default: default, or all of them for a dump]
    #[arg(short, long, value_name = "NAME", env = "RUSTDB_KEYSPACE")]
    pub keyspace: Option<String>,
    /// The form of the file [default: by its extension]
    #[arg(short, long, value_enum, env = "RUSTDB_FORMAT")]
    pub format: Option<Format>,
    /// The columns that the keys were made of, or `auto`, to get back the rows of an import
    #[arg(long, value_name = "COLUMN[,COLUMN]", env = "RUSTDB_KEY_COLUMNS")]
    pub key: Option<String>,
    /// The columns beside those of the key, and their order [default: all that any row has]
    #[arg(
        long,
        value_name = "COLUMN[,COLUMN]",
        env = "RUSTDB_COLUMNS",
        requires = "key"
    )]
    pub columns: Option<String>,
    /// Only entries whose keys start with this
    #[arg(long, value_name = "PREFIX", env = "RUSTDB_PREFIX")]
    pub prefix: Option<String>,
    /// What separates the columns of CSV [default: a comma, or a tab for a file named .tsv]
    #[arg(long, value_name = "CHARACTER", env = "RUSTDB_DELIMITER")]
    pub delimiter: Option<String>,
    /// Replace the file if it exists
    #[arg(long, env = "RUSTDB_FORCE", value_parser = FalseyValueParser::new())]
    pub force: bool,
    /// Print the outcome as JSON
    #[arg(long, env = "RUSTDB_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header line, then rows, quoted as in RFC 4180
    Csv,
    /// A JSON object on each line
    Jsonl,
    /// RustDB's own: any bytes, with checksums
    Dump,
}

/// What an import does about a key that exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnDuplicate {
    /// Stop
    #[default]
    Error,
    /// Keep the old value
    Skip,
    /// Take the new value
    Replace,
}

/// Which columns make the key of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyColumns {
    /// None: the file holds keys and values.
    Absent,
    /// The number of the row.
    Auto,
    /// The columns of these names.
    Named(Vec<String>),
}

impl KeyColumns {
    fn of(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else {
            return Ok(KeyColumns::Absent);
        };
        if text == "auto" {
            return Ok(KeyColumns::Auto);
        }
        Ok(KeyColumns::Named(names_of(text)?))
    }
}

fn names_of(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err(Failure::usage(format!("`{text}` has an empty column name"))),
        false => Ok(names),
    }
}

/// A file that can be imported: it is there, and begins as its format says.
pub struct Import<'a> {
    arguments: &'a ImportArguments,
    input: input::Input,
    source: Box<dyn load::Source>,
}

impl<'a> Import<'a> {
    /// Opens the file. Without a database, so that a mistake does not create one.
    pub fn prepare(arguments: &'a ImportArguments) -> Result<Self> {
        if arguments.table.is_some() {
            return Err(Failure::usage(
                "a table is loaded by `rustdb import --table`",
            ));
        }
        let format = format_of(arguments.format, &arguments.file)?;
        let key = KeyColumns::of(arguments.key.as_deref())?;
        let delimiter = delimiter_of(arguments.delimiter.as_deref(), &arguments.file)?;
        let input = input::Input::open(&arguments.file)?;
        let source = source_of(&input, format, delimiter, key)
            .map_err(|failure| failure.within(&input.shown_name()))?;
        Ok(Self {
            arguments,
            input,
            source,
        })
    }

    /// Loads it into the keyspace that the arguments name, or else `current`, or the default.
    pub fn load(mut self, database: &Database, current: Option<&Keyspace>) -> Result<ImportReport> {
        let source = self.source.as_mut();
        load::load(database, self.arguments, current, source, &self.input)
    }
}

fn source_of(
    input: &input::Input,
    format: Format,
    delimiter: u8,
    key: KeyColumns,
) -> Result<Box<dyn load::Source>> {
    let reader = input.reader()?;
    Ok(match format {
        Format::Csv => Box::new(csv_rows::Reader::new(reader, delimiter, &key)?),
        Format::Jsonl => Box::new(json_lines::Reader::new(reader, key)),
        Format::Dump => Box::new(dump::Reader::new(reader)?),
    })
}

/// What loads a table, as the arguments ask for it.
pub fn table_request<'a>(
    arguments: &'a ImportArguments,
    table: &'a str,
) -> Result<table::Request<'a>> {
    if arguments.file != "-" && format_of(arguments.format, &arguments.file)? != Format::Csv {
        return Err(Failure::usage("tables are loaded from CSV"));
    }
    // A mistake in the name shall not make a database.
    drop(input::Input::open(&arguments.file)?);
    Ok(table::Request {
        file: &arguments.file,
        table,
        delimiter: delimiter_of(arguments.delimiter.as_deref(), &arguments.file)?,
    })
}

/// Exports the keyspace that the arguments name, or else `current`, or the default.
pub fn export(
    database: &Database,
    arguments: &ExportArguments,
    current: Option<&Keyspace>,
) -> Result<ExportReport> {
    let format = format_of(arguments.format, &arguments.file)?;
    let key = KeyColumns::of(arguments.key.as_deref())?;
    let form = save::Form {
        format,
        key,
        columns: arguments.columns.as_deref().map(names_of).transpose()?,
        delimiter: delimiter_of(arguments.delimiter.as_deref(), &arguments.file)?,
    };
    save::save(database, arguments, current, &form)
}

fn format_of(given: Option<Format>, file: &str) -> Result<Format> {
    if let Some(format) = given {
        return Ok(format);
    }
    match extension(file).as_str() {
        "csv" | "tsv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        "dump" => Ok(Format::Dump),
        _ if Path::new(file).is_dir() => Err(Failure::new(format!("`{file}` is a directory"))),
        _ => Err(
            Failure::usage(format!("the name `{file}` does not tell its format"))
                .hint("say `--format csv`, `jsonl` or `dump`"),
        ),
    }
}

fn delimiter_of(given: Option<&str>, file: &str) -> Result<u8> {
    let Some(text) = given else {
        let is_tabbed = extension(file) == "tsv";
        return Ok(if is_tabbed { b'\t' } else { b',' });
    };
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err(Failure::usage(format!("`{text}` cannot separate columns"))
            .hint("give one ASCII character that is no quote and no line end, or `tab`")),
    }
}

/// In lower case; empty if the name has none.
fn extension(file: &str) -> String {
    let extension = Path::new(file)
        .extension()
        .and_then(|extension| extension.to_str());
    extension.unwrap_or_default().to_lowercase()
}
