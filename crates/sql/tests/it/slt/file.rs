//! The text of a file as records.

/// A statement or a query, and where it is.
pub(super) struct Record {
    /// Its first line, from 1.
    pub(super) line: usize,
    /// What to run.
    pub(super) sql: String,
    pub(super) expected: Expected,
}

pub(super) enum Expected {
    /// It runs, or it fails, with this code if one is told.
    Statement(Result<(), Option<String>>),
    /// It gives rows.
    Rows(Rows),
}

/// The rows of a query.
pub(super) struct Rows {
    /// A letter for each column: `I`, `R`, or `T`.
    pub(super) types: Vec<u8>,
    pub(super) sort: Sort,
    /// The lines under `----`.
    pub(super) lines: Vec<String>,
}

/// What is sorted before comparing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    No,
    Rows,
    Values,
}

/// The name that `skipif` and `onlyif` know us by.
const ENGINE: &str = "postgresql";

/// The records that are meant for us.
pub(super) fn parse(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    let mut is_skipped = false;
    while let Some((number, line)) = lines.next() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = match words.as_slice() {
            [] | ["hash-threshold", _] => continue,
            ["halt"] if is_skipped => {
                is_skipped = false;
                continue;
            }
            ["halt"] => break,
            ["skipif", engine, ..] => {
                is_skipped |= *engine == ENGINE;
                continue;
            }
            ["onlyif", engine, ..] => {
                is_skipped |= *engine != ENGINE;
                continue;
            }
            ["statement", "ok"] => Expected::Statement(Ok(())),
            ["statement", "error"] => Expected::Statement(Err(None)),
            ["statement", "error", state] => Expected::Statement(Err(Some((*state).to_owned()))),
            ["query", types, rest @ ..] => Expected::Rows(Rows {
                types: types.as_bytes().to_vec(),
                sort: match rest.first() {
                    None | Some(&"nosort") => Sort::No,
                    Some(&"rowsort") => Sort::Rows,
                    Some(&"valuesort") => Sort::Values,
                    Some(other) => panic!("line {}: no such order: {other}", number + 1),
                },
                lines: Vec::new(),
            }),
            other => panic!("line {}: what is {other:?}?", number + 1),
        };
        let mut record = Record {
            line: number + 1,
            sql: String::new(),
            expected,
        };
        let mut is_answer = false;
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            match &mut record.expected {
                Expected::Rows(rows) if is_answer => rows.lines.push(line.to_owned()),
                _ if line == "----" => is_answer = true,
                _ => {
                    let gap = if record.sql.is_empty() { "" } else { "\n" };
                    record.sql.push_str(&format!("{gap}{line}"));
                }
            }
        }
        if !std::mem::take(&mut is_skipped) {
            records.push(record);
        }
    }
    records
}
