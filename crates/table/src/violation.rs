//! The errors of constraints, in PostgreSQL's words.

use rustdb_catalog::{Constraint, IndexKey};
use rustdb_types::{Settings, SqlState, Value, format};

use crate::Error;
use crate::entry::TableIndex;
use crate::statement::Statement;
use crate::table::Table;

impl Table {
    /// `duplicate key value violates unique constraint "t_pkey"`.
    pub(crate) fn duplicate_key(&self, name: &str, key: &str) -> Error {
        Error::new(
            SqlState::UNIQUE_VIOLATION,
            format!("duplicate key value violates unique constraint \"{name}\""),
        )
        .with_detail(format!("Key {key} already exists."))
        .with_table(&self.definition.name)
        .with_constraint(name)
    }

    /// `null value in column "a" of relation "t" violates not-null constraint`.
    pub(crate) fn null_value(&self, place: usize, row: &[Value], settings: &Settings) -> Error {
        let column = &self.definition.columns[place].name;
        Error::new(
            SqlState::NOT_NULL_VIOLATION,
            format!(
                "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
                self.definition.name
            ),
        )
        .with_detail(self.failing_row(row, settings))
        .with_table(&self.definition.name)
        .with_column(column)
    }

    /// `new row for relation "t" violates check constraint "c"`.
    pub(crate) fn check_failed(
        &self,
        constraint: &Constraint,
        row: &[Value],
        settings: &Settings,
    ) -> Error {
        Error::new(
            SqlState::CHECK_VIOLATION,
            format!(
                "new row for relation \"{}\" violates check constraint \"{}\"",
                self.definition.name, constraint.name
            ),
        )
        .with_detail(self.failing_row(row, settings))
        .with_table(&self.definition.name)
        .with_constraint(&constraint.name)
    }

    /// What the detail of an error says of a row that must not be there.
    pub fn refused_row(&self, row: &[Value], statement: &Statement) -> String {
        self.failing_row(row, &statement.settings)
    }

    fn failing_row(&self, row: &[Value], settings: &Settings) -> String {
        let columns = self.definition.columns.iter().zip(row);
        let values: Vec<String> = columns
            .filter(|(column, _)| !column.dropped)
            .map(|(column, value)| match value {
                Value::Null => "null".to_owned(),
                value => shortened(format(value, &column.column_type, settings)),
            })
            .collect();
        format!("Failing row contains ({}).", values.join(", "))
    }

    /// `(a, b)=(1, 2)` for columns of the table.
    pub(crate) fn key_text<'v>(
        &self,
        places: impl Iterator<Item = usize>,
        values: impl Iterator<Item = &'v Value>,
        settings: &Settings,
    ) -> String {
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        for (place, value) in places.zip(values) {
            let column = &self.definition.columns[place];
            names.push(quoted(&column.name));
            texts.push(match value {
                Value::Null => "null".to_owned(),
                value => format(value, &column.column_type, settings),
            });
        }
        format!("({})=({})", names.join(", "), texts.join(", "))
    }

    /// The same for the columns of an index, which may be expressions.
    pub(crate) fn index_key_text(
        &self,
        index: &TableIndex,
        values: &[Value],
        settings: &Settings,
    ) -> String {
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        let columns = index.definition.columns.iter().zip(&index.columns);
        for ((definition, column), value) in columns.zip(values) {
            names.push(match (&definition.key, column.place) {
                (IndexKey::Expression { expression, .. }, _) => expression.text.clone(),
                (_, Some(place)) => quoted(&self.definition.columns[place].name),
                (_, None) => String::new(),
            });
            texts.push(match value {
                Value::Null => "null".to_owned(),
                value => format(value, &column.key.column_type, settings),
            });
        }
        format!("({})=({})", names.join(", "), texts.join(", "))
    }
}

/// A name as it has to be written: in quotes where it needs them.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Values are shown up to 64 bytes, as PostgreSQL does.
fn shortened(text: String) -> String {
    const SHOWN_BYTES_MAX: usize = 64;
    if text.len() <= SHOWN_BYTES_MAX {
        return text;
    }
    let end = (0..=SHOWN_BYTES_MAX)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}...", &text[..end])
}
