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
    /// Which part of a result these rows are.
    pub part: Part,
}

/// Rows of a result that is shown part by part.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// How many rows were shown before.
    pub before: usize,
    /// Whether more may follow.
    pub goes_on: bool,
    /// How wide things are, if an earlier part decided.
    pub widths: Option<Vec<usize>>,
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
        let types = result.column_types().unwrap_or_default();
        let mut grid = Grid::head(&result.columns()?, &types, look);
        for row in result.rows() {
            grid.push(row, look.format);
        }
        Some(grid)
    }

    /// A result without its rows.
    pub fn head(names: &[&str], types: &[String], look: &Look) -> Grid {
        Grid {
            title: look.title.clone(),
            right: types.iter().map(|name| is_number(name)).collect(),
            json: (look.format == Format::Json).then(Vec::new),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            ..Grid::default()
        }
    }

    /// Takes a row as it will be shown; about how many bytes that are.
    pub fn push(&mut self, row: &rustdb::sql::Row, format: Format) -> usize {
        let places = 0..self.names.len();
        match &mut self.json {
            Some(rows) if format == Format::Json => {
                let cells = places.map(|place| row.json(place).unwrap_or_default());
                let cells: Vec<String> = cells.collect();
                let bytes = cells.iter().map(|cell| cell.len() + 32).sum();
                rows.push(cells);
                bytes
            }
            _ => {
                let cells: Vec<Option<String>> = places.map(|place| row.text(place)).collect();
                let bytes = cells.iter().flatten().map(|cell| cell.len() + 32).sum();
                self.rows.push(cells);
                bytes
            }
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.json.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// The rows so far as a part after which more may follow; they are forgotten.
    pub fn part_printed(&mut self, look: &Look) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.part.goes_on = true;
        self.print(look, None, &mut text)?;
        self.part.before += self.len();
        self.rows.clear();
        if let Some(rows) = &mut self.json {
            rows.clear();
        }
        Ok(text)
    }

    /// How wide things are in the aligned form.
    pub fn widths(&self, look: &Look) -> Vec<usize> {
        match look.expanded {
            Expanded::On => expanded::widths(self, look),
            Expanded::Off | Expanded::Auto => aligned::widths(self, look),
        }
    }

    /// Whether the columns do not fit beside each other.
    pub fn is_wider(&self, look: &Look, columns_max: Option<usize>) -> bool {
        columns_max.is_some_and(|max| aligned::width(self, look) > max)
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
                Expanded::Auto => match self.is_wider(look, columns_max) {
                    true => expanded::print(self, look, out),
                    false => aligned::print(self, look, out),
                },
            },
        }
    }

    /// The lines below the rows.
    fn footers(&self, look: &Look) -> Vec<String> {
        if look.tuples_only || self.part.goes_on {
            return Vec::new();
        }
        match (self.footers.is_empty(), look.footer) {
            (false, _) => self.footers.clone(),
            (true, false) => Vec::new(),
            (true, true) => {
                let count = self.part.before + self.rows.len();
                let word = if count == 1 { "row" } else { "rows" };
                vec![format!("({count} {word})")]
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
