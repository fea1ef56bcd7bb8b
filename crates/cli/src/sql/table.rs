//! Rows as people read them: columns side by side, numbers to the right.

use rustdb::sql::{Row, SqlValue};
use serde_json::{Number, Value};

/// A table with a head, a line, rows and their count.
pub fn aligned(columns: &[&str], rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| (0..columns.len()).map(|place| cell(row, place)).collect())
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            let own = cells.iter().map(|row| width(&row[place]));
            own.chain([width(columns[place])]).max().unwrap_or(0)
        })
        .collect();
    let is_number = |place: usize| rows.iter().all(|row| is_number(row.value(place)));
    let numbers: Vec<bool> = (0..columns.len()).map(is_number).collect();
    let mut out = String::new();
    let head = columns.iter().zip(&widths);
    let head: Vec<String> = head.map(|(name, to)| padded(name, *to, false)).collect();
    out.push_str(format!(" {}", head.join(" | ")).trim_end());
    out.push('\n');
    let line: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    out.push_str(&line.join("+"));
    out.push('\n');
    for row in &cells {
        let row = row.iter().zip(&widths).zip(&numbers);
        let row: Vec<String> = row
            .map(|((text, to), right)| padded(text, *to, *right))
            .collect();
        out.push_str(format!(" {}", row.join(" | ")).trim_end());
        out.push('\n');
    }
    let word = if rows.len() == 1 { "row" } else { "rows" };
    out.push_str(&format!("({} {word})", rows.len()));
    out
}

fn cell(row: &Row, place: usize) -> String {
    match row.text(place) {
        None => "NULL".to_owned(),
        Some(text) => crate::output::readable(text.as_bytes()).replace("\\\\", "\\"),
    }
}

fn is_number(value: Option<&SqlValue>) -> bool {
    matches!(
        value,
        Some(
            SqlValue::Null
                | SqlValue::Int2(_)
                | SqlValue::Int4(_)
                | SqlValue::Int8(_)
                | SqlValue::Float4(_)
                | SqlValue::Float8(_)
                | SqlValue::Numeric(_)
                | SqlValue::Oid(_)
        )
    )
}

fn padded(text: &str, to: usize, right: bool) -> String {
    let blanks = " ".repeat(to.saturating_sub(width(text)));
    match right {
        true => format!("{blanks}{text}"),
        false => format!("{text}{blanks}"),
    }
}

/// How many places a text takes on a terminal.
fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// A column's value as JSON: what has no number or truth value there is text.
pub fn json(row: &Row, place: usize) -> Value {
    match row.value(place) {
        None | Some(SqlValue::Null) => Value::Null,
        Some(SqlValue::Bool(truth)) => Value::Bool(*truth),
        Some(value) if value.as_integer().is_some() => {
            value.as_integer().map_or(Value::Null, Value::from)
        }
        Some(SqlValue::Float8(number)) if number.is_finite() => {
            Number::from_f64(*number).map_or(Value::Null, Value::Number)
        }
        Some(SqlValue::Json(_) | SqlValue::Jsonb(_)) => {
            let text = row.text(place).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        Some(_) => row.text(place).map_or(Value::Null, Value::String),
    }
}
