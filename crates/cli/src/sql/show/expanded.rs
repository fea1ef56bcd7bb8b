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
        && grid.part.before == 0
        && let Some(title) = &grid.title
    {
        writeln!(out, "{title}")?;
    }
    if grid.rows.is_empty() && grid.part.before == 0 {
        for footer in grid.footers(look) {
            writeln!(out, "{footer}")?;
        }
        return match look.tuples_only {
            true => Ok(()),
            false => writeln!(out),
        };
    }
    let names: Vec<Vec<String>> = grid.names.iter().map(|name| lines(name)).collect();
    let all = cells(grid, look);
    let (name_width, value_width) = match grid.part.widths.as_deref() {
        Some([names, values]) => (*names, *values),
        _ => (widest(&names), widest(all.iter().flatten())),
    };
    for (number, row) in all.iter().enumerate() {
        if !look.tuples_only {
            let number = grid.part.before + number + 1;
            let text = record_line(number, name_width, value_width, look.border);
            writeln!(out, "{text}")?;
        } else if grid.part.before + number > 0 || look.border == 2 {
            writeln!(out, "{}", tuples_line(name_width, value_width, look.border))?;
        }
        for (name, cell) in names.iter().zip(row) {
            print_pair(name, cell, (name_width, value_width), look.border, out)?;
        }
    }
    if grid.part.goes_on {
        return Ok(());
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

/// How wide names and values are.
pub fn widths(grid: &Grid, look: &Look) -> Vec<usize> {
    let names: Vec<Vec<String>> = grid.names.iter().map(|name| lines(name)).collect();
    let all = cells(grid, look);
    vec![widest(&names), widest(all.iter().flatten())]
}

fn cells(grid: &Grid, look: &Look) -> Vec<Vec<Vec<String>>> {
    let cell = |cell: &Option<String>| lines(cell.as_deref().unwrap_or(look.null()));
    let rows = grid.rows.iter();
    rows.map(|row| row.iter().map(cell).collect()).collect()
}

fn widest<'a>(cells: impl IntoIterator<Item = &'a Vec<String>>) -> usize {
    let lines = cells.into_iter().flatten().map(|line| width(line));
    lines.max().unwrap_or(0)
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
