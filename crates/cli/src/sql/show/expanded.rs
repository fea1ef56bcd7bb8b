//! Columns below each other, as psql's `\x` has them.
//!
//! ```text
//! -[ RECORD 1 ]
//! id   | 1
//! name | Mercury
//! ```

use std::io::{self, Write};

use super::cell::{lines, padded, width};
use super::{Grid, Look};

pub fn print(grid: &Grid, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    if !look.tuples_only
        && let Some(title) = &grid.title
    {
        writeln!(out, "{title}")?;
    }
    if grid.rows.is_empty() {
        for footer in grid.footers(look) {
            writeln!(out, "{footer}")?;
        }
        return match look.tuples_only {
            true => Ok(()),
            false => writeln!(out),
        };
    }
    let names: Vec<Vec<String>> = grid.names.iter().map(|name| lines(name)).collect();
    let name_width = names.iter().flatten().map(|line| width(line)).max();
    let name_width = name_width.unwrap_or(0);
    let cells = |row: &[Option<String>]| -> Vec<Vec<String>> {
        let cells = row.iter();
        cells
            .map(|cell| lines(cell.as_deref().unwrap_or(look.null())))
            .collect()
    };
    let all: Vec<Vec<Vec<String>>> = grid.rows.iter().map(|row| cells(row)).collect();
    let value_width = all.iter().flatten().flatten().map(|line| width(line)).max();
    let value_width = value_width.unwrap_or(0);
    for (number, row) in all.iter().enumerate() {
        if !look.tuples_only {
            let text = record_line(number + 1, name_width, value_width, look.border);
            writeln!(out, "{text}")?;
        } else if number > 0 || look.border == 2 {
            writeln!(out, "{}", tuples_line(name_width, value_width, look.border))?;
        }
        for (name, cell) in names.iter().zip(row) {
            print_pair(name, cell, (name_width, value_width), look.border, out)?;
        }
    }
    if look.border == 2 {
        writeln!(out, "{}", tuples_line(name_width, value_width, 2))?;
    }
    if !look.tuples_only {
        for footer in &grid.footers {
            writeln!(out, "{footer}")?;
        }
    }
    writeln!(out)
}

/// The line above a record. Its text covers as much of the frame as it needs.
fn record_line(number: usize, name_width: usize, value_width: usize, border: u8) -> String {
    let text = match border {
        0 => format!("* Record {number}"),
        1 => format!("-[ RECORD {number} ]"),
        _ => format!("+-[ RECORD {number} ]"),
    };
    let frame = tuples_line(name_width, value_width, border);
    let rest: String = frame.chars().skip(text.len()).collect();
    match border {
        0 => format!("{text:0$}", name_width + value_width),
        _ => format!("{text}{rest}"),
    }
}

fn tuples_line(name_width: usize, value_width: usize, border: u8) -> String {
    match border {
        0 => String::new(),
        1 => format!(
            "{}+{}",
            "-".repeat(name_width + 1),
            "-".repeat(value_width + 1)
        ),
        _ => format!(
            "+{}+{}+",
            "-".repeat(name_width + 2),
            "-".repeat(value_width + 2)
        ),
    }
}

fn print_pair(
    name: &[String],
    cell: &[String],
    (name_width, value_width): (usize, usize),
    border: u8,
    out: &mut dyn Write,
) -> io::Result<()> {
    for at in 0..name.len().max(cell.len()) {
        let left = padded(name.get(at).map_or("", String::as_str), name_width, false);
        let left_mark = if at + 1 < name.len() { '+' } else { ' ' };
        let text = cell.get(at).map_or("", String::as_str);
        let goes_on = at + 1 < cell.len();
        let value = match goes_on || border == 2 {
            true => padded(text, value_width, false),
            false => text.to_owned(),
        };
        let mark = if goes_on { "+" } else { "" };
        let blank = if at < cell.len() { " " } else { "" };
        match border {
            0 => writeln!(out, "{left}{left_mark}{value}{mark}")?,
            1 => writeln!(out, "{left}{left_mark}|{blank}{value}{mark}")?,
            _ => {
                let mark = if goes_on { '+' } else { ' ' };
                writeln!(out, "| {left}{left_mark}| {value}{mark}|")?;
            }
        }
    }
    Ok(())
}
