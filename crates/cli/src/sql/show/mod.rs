//! Results as people and programs read them: what psql prints, and JSON and Markdown.
//!
//! ```text
//! StatementResult ─┐
//! backslash command ┴─▶ Grid ─▶ aligned | expanded | unaligned | csv | json | markdown
//! ```
//!
//! The tables look as psql's do, to the blank at the end of a heading, because people and scripts
//! know them. One thing differs: NULL is shown as `NULL`; `\pset null ''` shows psql's nothing.

mod aligned;
mod cell;
mod expanded;
mod plain;

use std::io::{self, Write};

use rustdb::sql::StatementResult;

pub use self::cell::width;

/// Rows of text with a head.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// What stands above it.
    pub title: Option<String>,
    /// The names of the columns.
    pub names: Vec<String>,
    /// Which columns stand to the right.
    pub right: Vec<bool>,
    /// The cells; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The cells as JSON, if they are not text.
    pub json: Option<Vec<Vec<String>>>,
    /// What stands below, in place of the count of rows.
    pub footers: Vec<String>,
}

/// A form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns side by side
    #[default]
    Aligned,
    /// Fields separated by `|`
    Unaligned,
    /// Comma-separated values with a header line
    Csv,
    /// An array of objects for each statement
    Json,
    /// A table of Markdown
    Markdown,
}

impl Format {
    /// Its name in `\pset format`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Aligned => "aligned",
            Format::Unaligned => "unaligned",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Markdown => "markdown",
        }
    }

    /// The format that a beginning of its name means.
    pub fn named(text: &str) -> Option<Format> {
        use Format::{Aligned, Csv, Json, Markdown, Unaligned};
        let text = text.to_lowercase();
        let all = [Aligned, Unaligned, Csv, Json, Markdown];
        let mut found = all
            .into_iter()
            .filter(|format| !text.is_empty() && format.name().starts_with(&text));
        found.next()
    }
}

/// When a row's columns stand below each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expanded {
    /// Never.
    #[default]
    Off,
    /// Always.
    On,
    /// When the table would be wider than the terminal.
    Auto,
}

/// How results look: what `\pset` sets.
#[derive(Clone, Debug)]
pub struct Look {
    /// The form.
    pub format: Format,
    /// Whether columns stand below each other.
    pub expanded: Expanded,
    /// What NULL looks like, if somebody said so.
    pub null: Option<String>,
    /// Whether heads and counts are left out.
    pub tuples_only: bool,
    /// Whether the count of rows is shown.
    pub footer: bool,
    /// How much of a frame there is: 0, 1 or 2.
    pub border: u8,
    /// What stands between the fields of the unaligned form.
    pub separator: String,
    /// What stands between the fields of CSV.
    pub csv_separator: String,
    /// The title of the next tables.
    pub title: Option<String>,
    /// Whether long results go through a pager.
    pub pager: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            format: Format::Aligned,
            expanded: Expanded::Off,
            null: None,
            tuples_only: false,
            footer: true,
            border: 1,
            separator: "|".to_owned(),
            csv_separator: ",".to_owned(),
            title: None,
            pager: true,
        }
    }
}

impl Look {
    /// What NULL looks like. Files that programs read have nothing there.
    fn null(&self) -> &str {
        match (&self.null, self.format) {
            (Some(text), _) => text,
            (None, Format::Aligned) => "NULL",
            (None, _) => "",
        }
    }
}

impl Grid {
    /// The rows of a result, if it has any columns to show.
    pub fn of(result: &StatementResult, look: &Look) -> Option<Grid> {
        let names: Vec<String> = result.columns()?.into_iter().map(str::to_owned).collect();
        let types = result.column_types().unwrap_or_default();
        let cells = |row: &rustdb::sql::Row| (0..names.len()).map(|at| row.text(at)).collect();
        let json = |row: &rustdb::sql::Row| {
            let cells = (0..names.len()).map(|at| row.json(at).unwrap_or_default());
            cells.collect()
        };
        let is_json = look.format == Format::Json;
        Some(Grid {
            title: look.title.clone(),
            right: types.iter().map(|name| is_number(name)).collect(),
            rows: match is_json {
                true => Vec::new(),
                false => result.rows().iter().map(cells).collect(),
            },
            json: is_json.then(|| result.rows().iter().map(json).collect()),
            footers: Vec::new(),
            names,
        })
    }

    /// A grid of text for a backslash command.
    pub fn text(title: &str, names: &[&str]) -> Grid {
        Grid {
            title: Some(title.to_owned()),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            right: vec![false; names.len()],
            ..Grid::default()
        }
    }

    /// Prints it. `columns_max` is how wide the terminal is, if there is one.
    pub fn print(
        &self,
        look: &Look,
        columns_max: Option<usize>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match look.format {
            Format::Json => plain::json(self, out),
            Format::Csv => plain::csv(self, look, &look.csv_separator, out),
            Format::Markdown => plain::markdown(self, look, out),
            Format::Unaligned if look.expanded == Expanded::On => plain::expanded(self, look, out),
            Format::Unaligned => plain::unaligned(self, look, out),
            Format::Aligned => match look.expanded {
                Expanded::On => expanded::print(self, look, out),
                Expanded::Off => aligned::print(self, look, out),
                Expanded::Auto => {
                    let is_wide = columns_max.is_some_and(|max| aligned::width(self, look) > max);
                    match is_wide {
                        true => expanded::print(self, look, out),
                        false => aligned::print(self, look, out),
                    }
                }
            },
        }
    }

    /// The lines below the rows.
    fn footers(&self, look: &Look) -> Vec<String> {
        if look.tuples_only {
            return Vec::new();
        }
        match (self.footers.is_empty(), look.footer) {
            (false, _) => self.footers.clone(),
            (true, false) => Vec::new(),
            (true, true) => {
                let word = if self.rows.len() == 1 { "row" } else { "rows" };
                vec![format!("({} {word})", self.rows.len())]
            }
        }
    }
}

/// Whether psql puts values of a type to the right.
fn is_number(name: &str) -> bool {
    const NUMBERS: [&str; 10] = [
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "numeric",
        "oid",
        "xid",
        "cid",
        "money",
    ];
    NUMBERS.contains(&name)
}
