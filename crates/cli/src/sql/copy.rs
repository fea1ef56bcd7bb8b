//! `\copy`: a table or a query into a file, a file into a table.
//!
//! ```text
//! \copy planets to planets.csv csv header
//! \copy (select name from planets) to '|sort' with (format csv)
//! \copy planets (id, name) from planets.csv csv header
//! ```
//!
//! The forms are psql's. Files are CSV; psql's text format is not there.

use super::session::Shell;
use super::show::{Format, Grid, Look};
use super::target::{Target, expanded};
use crate::failure::{Failure, Result};
use crate::transfer::table;

/// What `\copy` is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    /// A table with or without columns, or a query in brackets.
    what: &'a str,
    is_from: bool,
    file: String,
    has_header: bool,
    delimiter: u8,
    null: String,
}

/// Runs `\copy` with these arguments.
pub fn run(session: &mut Shell, arguments: &str) -> Result<()> {
    let asked = parse(arguments)?;
    match asked.is_from {
        true => from(session, &asked),
        false => to(session, &asked),
    }
}

fn usage(why: &str) -> Failure {
    Failure::usage(format!("\\copy: {why}"))
        .hint("\\copy TABLE|(QUERY) TO|FROM 'FILE' CSV [HEADER] [DELIMITER ',']")
}

fn parse(arguments: &str) -> Result<Asked<'_>> {
    let what_end = match arguments.starts_with('(') {
        true => closing(arguments).ok_or_else(|| usage("a bracket is not closed"))?,
        false => {
            let name = arguments
                .find(|letter: char| letter.is_whitespace() || letter == '(')
                .ok_or_else(|| usage("TO or FROM is missing"))?;
            let rest = arguments[name..].trim_start();
            match rest.starts_with('(') {
                true => {
                    let start = arguments.len() - rest.len();
                    start + closing(rest).ok_or_else(|| usage("a bracket is not closed"))?
                }
                false => name,
            }
        }
    };
    let (what, rest) = arguments.split_at(what_end);
    let cleaned = rest.replace(['(', ')', ','], " ");
    // A delimiter of these is within quotes, which the words below keep.
    let words = super::command::words(if rest.contains('\'') { rest } else { &cleaned })?;
    let mut words = words.into_iter();
    let is_from = match words.next().map(|word| word.to_lowercase()).as_deref() {
        Some("from") => true,
        Some("to") => false,
        _ => return Err(usage("TO or FROM is missing")),
    };
    let file = words.next().ok_or_else(|| usage("a file is missing"))?;
    let mut asked = Asked {
        what: what.trim(),
        is_from,
        file: expanded(&file),
        has_header: false,
        delimiter: b',',
        null: String::new(),
    };
    let mut is_csv = false;
    while let Some(word) = words.next() {
        let word = word.to_lowercase();
        let word = word.trim_matches(|letter| "(),".contains(letter));
        match word {
            "" | "with" | "format" | "true" | "on" => (),
            "csv" => is_csv = true,
            "header" => asked.has_header = true,
            "delimiter" => match words.next().as_deref().map(str::as_bytes) {
                Some([byte, b')' | b','] | [byte]) => asked.delimiter = *byte,
                _ => return Err(usage("a delimiter is one letter")),
            },
            "null" => {
                let text = words.next().unwrap_or_default();
                asked.null = text.trim_matches(|letter| "),".contains(letter)).to_owned();
            }
            other => return Err(usage(&format!("`{other}` is not understood"))),
        }
    }
    match is_csv {
        true => Ok(asked),
        false => Err(usage("only CSV is there: say `csv`")),
    }
}

/// Where the bracket that opens a text is closed: behind that.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => (),
        }
    }
    None
}

fn to(session: &mut Shell, asked: &Asked<'_>) -> Result<()> {
    let query = match asked.what.strip_prefix('(') {
        Some(query) => query.trim_end_matches(')').to_owned(),
        None => match asked.what.split_once('(') {
            Some((table, columns)) => {
                format!("SELECT {} FROM {table}", columns.trim_end_matches(')'))
            }
            None => format!("SELECT * FROM {}", asked.what),
        },
    };
    let results = session.execute(&query)?;
    let look = Look {
        format: Format::Csv,
        tuples_only: !asked.has_header,
        null: Some(asked.null.clone()),
        csv_separator: char::from(asked.delimiter).to_string(),
        ..Look::default()
    };
    let Some(grid) = results.last().and_then(|result| Grid::of(result, &look)) else {
        return Err(usage("the statement gives no rows"));
    };
    let mut text = Vec::new();
    grid.print(&look, None, &mut text)?;
    match asked.file.as_str() {
        "stdout" => session.print(&text)?,
        file => {
            let mut target = Target::open(file)?;
            target.write(&text)?;
            target.close()?;
        }
    }
    session.say(&format!("COPY {}", grid.rows.len()))
}

fn from(session: &mut Shell, asked: &Asked<'_>) -> Result<()> {
    let (name, columns) = match asked.what.split_once('(') {
        Some((name, columns)) => {
            let columns = columns.trim_end_matches(')').split(',');
            let columns = columns.map(|column| column.trim().trim_matches('"').to_owned());
            (name.trim(), columns.collect())
        }
        None => (asked.what, Vec::new()),
    };
    let columns: Vec<String> = match columns.is_empty() && !asked.has_header {
        true => all_columns(session, name)?,
        false => columns,
    };
    let request = table::Request {
        file: if asked.file == "stdin" {
            "-"
        } else {
            &asked.file
        },
        table: name,
        columns: (!asked.has_header).then_some(&columns[..]),
        delimiter: asked.delimiter,
        creates: false,
    };
    let report = table::load(&mut session.connection, &request, &columns)?;
    session.say(&format!("COPY {}", report.loaded))
}

fn all_columns(session: &mut Shell, table: &str) -> Result<Vec<String>> {
    let rows = session.ask(&format!(
        "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = {}::regclass \
         AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        super::describe::literal(table)
    ))?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_psql_are_understood() {
        let asked = parse("planets to 'a b.csv' with (format csv, header)").unwrap();
        assert_eq!((asked.what, asked.file.as_str()), ("planets", "a b.csv"));
        assert!(asked.has_header && !asked.is_from);
        let asked = parse("t (a, b) from x.csv csv delimiter ';' header").unwrap();
        assert_eq!((asked.what, asked.delimiter), ("t (a, b)", b';'));
        assert!(asked.is_from && asked.has_header);
        let asked = parse("(select ')' from t) to x.csv csv null 'NULL'").unwrap();
        assert_eq!(
            (asked.what, asked.null.as_str()),
            ("(select ')' from t)", "NULL")
        );
        for wrong in [
            "",
            "t",
            "t to",
            "t into x",
            "(select to x",
            "t to x.txt",
            "t to x csv fast",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
