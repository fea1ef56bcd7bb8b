//! The forms that other programs read: unaligned, CSV, JSON, Markdown.

use std::io::{self, Write};

use super::{Grid, Look};

/// Fields with a separator between them.
pub fn unaligned(grid: &Grid, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    if !look.tuples_only && grid.part.before == 0 {
        if let Some(title) = &grid.title {
            writeln!(out, "{title}")?;
        }
        writeln!(out, "{}", grid.names.join(&look.separator))?;
    }
    for row in &grid.rows {
        let cells = row
            .iter()
            .map(|cell| cell.as_deref().unwrap_or(look.null()));
        let cells: Vec<&str> = cells.collect();
        writeln!(out, "{}", cells.join(&look.separator))?;
    }
    for footer in grid.footers(look) {
        writeln!(out, "{footer}")?;
    }
    Ok(())
}

/// A name and a field on each line, and an empty line between records.
pub fn expanded(grid: &Grid, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    for (number, row) in grid.rows.iter().enumerate() {
        if grid.part.before + number > 0 {
            writeln!(out)?;
        }
        for (name, cell) in grid.names.iter().zip(row) {
            let cell = cell.as_deref().unwrap_or(look.null());
            writeln!(out, "{name}{}{cell}", look.separator)?;
        }
    }
    Ok(())
}

/// RFC 4180, with lines that end as everywhere else here.
pub fn csv(grid: &Grid, look: &Look, separator: &str, out: &mut dyn Write) -> io::Result<()> {
    if !look.tuples_only && grid.part.before == 0 {
        let names = grid.names.iter().map(|name| csv_field(name, separator));
        writeln!(out, "{}", names.collect::<Vec<_>>().join(separator))?;
    }
    for row in &grid.rows {
        let cells = row.iter().map(|cell| match cell {
            Some(text) => csv_field(text, separator),
            None => look.null().to_owned(),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join(separator))?;
    }
    Ok(())
}

/// A field, in quotes if it could be taken for something else.
fn csv_field(text: &str, separator: &str) -> String {
    let is_special = text.contains(['"', '\n', '\r']) || text.contains(separator) || text == "\\.";
    match is_special {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// An array with an object for each row. Of columns with the same name the later ones get a
/// number, because an object has a name once.
pub fn json(grid: &Grid, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = distinct(&grid.names)
        .iter()
        .map(|name| serde_json::Value::from(name.as_str()).to_string())
        .collect();
    let texts: Vec<Vec<String>>;
    let rows = match &grid.json {
        Some(rows) => rows,
        None => {
            let cell = |cell: &Option<String>| serde_json::Value::from(cell.clone()).to_string();
            let rows = grid.rows.iter();
            texts = rows.map(|row| row.iter().map(cell).collect()).collect();
            &texts
        }
    };
    if grid.part.before == 0 {
        write!(out, "[")?;
    }
    for (number, row) in rows.iter().enumerate() {
        let is_first = grid.part.before + number == 0;
        write!(out, "{}{{", if is_first { "" } else { "," })?;
        for (place, (name, cell)) in names.iter().zip(row).enumerate() {
            write!(out, "{}{name}:{cell}", if place > 0 { "," } else { "" })?;
        }
        write!(out, "}}")?;
    }
    match grid.part.goes_on {
        true => Ok(()),
        false => writeln!(out, "]"),
    }
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut unique = name.clone();
        let mut number = 2;
        while seen.contains(&unique) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        seen.push(unique);
    }
    seen
}

/// A table of Markdown.
pub fn markdown(grid: &Grid, look: &Look, out: &mut dyn Write) -> io::Result<()> {
    if !look.tuples_only && grid.part.before == 0 {
        let names = grid.names.iter().map(|name| markdown_cell(name));
        writeln!(out, "| {} |", names.collect::<Vec<_>>().join(" | "))?;
        let marks = grid.right.iter();
        let marks = marks.map(|right| if *right { "---:" } else { "---" });
        writeln!(out, "| {} |", marks.collect::<Vec<_>>().join(" | "))?;
    }
    for row in &grid.rows {
        let cells = row.iter();
        let cells = cells.map(|cell| markdown_cell(cell.as_deref().unwrap_or(look.null())));
        writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}

fn markdown_cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('\n', "<br>")
}
