//! Columns side by side, as psql's `aligned` format has them.
//!
//! ```text
//!  id |  name
//! ----+---------
//!   1 | Mercury
//! (1 row)
//! ```
//!
//! A cell of several lines goes on in the line below, with a `+` where it was cut.

use std::io::{self, Write};

use super::cell::{centred, lines, padded, width as width_of};
use super::{Grid, Look};

/// A line of cells, each of one or more lines.
type Cells = Vec<Vec<String>>;

pub fn print(grid: &Grid, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    let head: Cells = grid.names.iter().map(|name| lines(name)).collect();
    let body: Vec<Cells> = body(grid, look);
    let widths = match &grid.part.widths {
        Some(widths) => widths.clone(),
        None => widths_of(&head, &body),
    };
    if grid.part.before > 0 {
        // The head was printed.
    } else if !look.tuples_only {
        if let Some(title) = &grid.title {
            let whole = total(&widths, look.border);
            let title_width = width_of(title);
            let before = " ".repeat(whole.saturating_sub(title_width) / 2);
            writeln!(out, "{before}{title}")?;
        }
        if look.border == 2 {
            writeln!(out, "{}", rule(&widths, 2))?;
        }
        if !head.is_empty() {
            print_head(&head, &widths, look.border, out)?;
        }
        writeln!(out, "{}", rule(&widths, look.border))?;
    } else if look.border == 2 {
        writeln!(out, "{}", rule(&widths, 2))?;
    }
    // Rows without columns are counted, not shown.
    for row in body.iter().filter(|row| !row.is_empty()) {
        print_row(row, &widths, &grid.right, look.border, out)?;
    }
    if grid.part.goes_on {
        return Ok(());
    }
    if look.border == 2 {
        writeln!(out, "{}", rule(&widths, 2))?;
    }
    for footer in grid.footers(look) {
        writeln!(out, "{footer}")?;
    }
    writeln!(out)
}

/// How wide the table is.
pub fn width(grid: &Grid, look: &Look) -> usize {
    total(&widths(grid, look), look.border)
}

/// How wide the columns are.
pub fn widths(grid: &Grid, look: &Look) -> Vec<usize> {
    let head: Cells = grid.names.iter().map(|name| lines(name)).collect();
    widths_of(&head, &body(grid, look))
}

fn body(grid: &Grid, look: &Look) -> Vec<Cells> {
    let cell = |cell: &Option<String>| lines(cell.as_deref().unwrap_or(look.null()));
    let rows = grid.rows.iter();
    rows.map(|row| row.iter().map(cell).collect()).collect()
}

fn widths_of(head: &Cells, body: &[Cells]) -> Vec<usize> {
    let mut widths = vec![0; head.len()];
    for row in std::iter::once(head).chain(body) {
        for (width, cell) in widths.iter_mut().zip(row) {
            let own = cell.iter().map(|line| width_of(line)).max();
            *width = (*width).max(own.unwrap_or(0));
        }
    }
    widths
}

fn total(widths: &[usize], border: u8) -> usize {
    let cells: usize = widths.iter().sum();
    let count = widths.len();
    match border {
        0 => cells + count.saturating_sub(1),
        1 => cells + (3 * count).saturating_sub(1),
        _ => cells + 3 * count + 1,
    }
}

fn rule(widths: &[usize], border: u8) -> String {
    let parts = |more: usize| {
        let parts = widths.iter().map(|width| "-".repeat(width + more));
        parts.collect::<Vec<_>>()
    };
    match border {
        0 => parts(0).join(" "),
        1 if widths.is_empty() => "--".to_owned(),
        _ if widths.is_empty() => "+--+".to_owned(),
        1 => parts(2).join("+"),
        _ => format!("+{}+", parts(2).join("+")),
    }
}

/// The names stand in the middle, and the last one has its blanks too.
fn print_head(head: &Cells, widths: &[usize], border: u8, out: &mut dyn Write) -> io::Result<()> {
    let height = head.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut line = String::new();
        for (place, (cell, to)) in head.iter().zip(widths).enumerate() {
            let text = cell.get(at).map_or("", String::as_str);
            let goes_on = at + 1 < cell.len();
            if border == 2 || (border == 1 && place > 0) {
                line.push('|');
            }
            if border > 0 {
                line.push(' ');
            }
            line.push_str(&centred(text, *to));
            if goes_on {
                line.push('+');
            } else {
                line.push(' ');
            }
        }
        if border == 2 {
            line.push('|');
        }
        writeln!(out, "{line}")?;
    }
    if height == 0 {
        writeln!(out)?;
    }
    Ok(())
}

fn print_row(
    row: &Cells,
    widths: &[usize],
    right: &[bool],
    border: u8,
    out: &mut dyn Write,
) -> io::Result<()> {
    let height = row.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut line = String::new();
        for (place, (cell, to)) in row.iter().zip(widths).enumerate() {
            let text = cell.get(at).map_or("", String::as_str);
            let goes_on = at + 1 < cell.len();
            let is_last = place + 1 == row.len();
            if border == 2 || (border == 1 && place > 0) {
                line.push('|');
            }
            if border > 0 {
                line.push(' ');
            }
            let right = right.get(place).copied().unwrap_or(false);
            let is_over = at >= cell.len();
            let needs_blanks = (right && !is_over) || goes_on || !is_last || border == 2;
            match needs_blanks {
                true => line.push_str(&padded(text, *to, right)),
                false => line.push_str(text),
            }
            if goes_on {
                line.push('+');
            } else if !is_last || border == 2 {
                line.push(' ');
            }
        }
        if border == 2 {
            line.push('|');
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}
