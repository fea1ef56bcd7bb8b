//! Results as they come, so that they may be larger than memory.
//!
//! ```text
//! rows ─▶ window ─┬─ it holds them all ─▶ as psql shows a result
//!                 └─ it is full ─▶ its widths decide; part by part to a file, a pager, the output
//! ```
//!
//! psql holds a result before it shows it. Here the first [`WINDOW_ROWS`] rows are held, or fewer
//! if they are large: how wide columns are is taken from them, and a wider cell that comes later
//! sticks out. A failure after them leaves what was shown; the exit code tells.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustdb::sql::Statement;

use super::input::{Reader, is_blank};
use super::session::{Shell, Spinner};
use super::show::{Expanded, Format, Grid, Look};
use super::{target, told};
use crate::failure::Result;

/// Rows that are held before the first is shown.
const WINDOW_ROWS: usize = 1000;

/// Bytes of them.
const WINDOW_BYTES: usize = 4 << 20;

/// Whether a text is one statement that begins as those do that give rows and write none.
pub fn may_stream(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphabetic();
    let first = text.trim_start();
    let word = first.split(|letter| !is_word(letter)).next();
    let word = word.unwrap_or_default().to_lowercase();
    let begins =
        first.starts_with('(') || ["select", "values", "table", "with"].contains(&word.as_str());
    // A parameter has no value here, and the database says so.
    let bytes = text.as_bytes();
    let has_parameter = bytes
        .windows(2)
        .any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit());
    begins && !has_parameter && is_single(text)
}

/// Whether a text is one statement.
pub fn is_single(text: &str) -> bool {
    let mut reader = Reader::default();
    let mut pieces = 0;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while reader.next(&mut rest).is_some() {
            pieces += 1;
        }
    }
    let rest = reader.reset();
    pieces + usize::from(!is_blank(&rest)) == 1
}

/// Where a result goes that is larger than the window.
enum Way {
    /// Where `\o` says, or the output.
    Usual,
    Pager(Child),
}

impl Shell {
    /// Runs a query whose rows are shown as they come. The time that it took to get them.
    pub fn stream(&mut self, query: &Statement, text: &str, spinner: &Spinner) -> Result<Duration> {
        let start = Instant::now();
        let mut shown = Duration::ZERO;
        let mut look = self.look.clone();
        let mut way = None;
        let mut notices = Vec::new();
        let mut failed = None;
        let grid = {
            let rows = self.connection.query_each(query, &[]);
            let mut rows = rows.map_err(|error| told::failure(&error, text))?;
            let mut grid = Grid::head(&rows.columns(), &rows.column_types(), &look);
            let mut bytes = 0;
            let (output, target) = (&mut self.output, &mut self.target);
            for row in &mut rows {
                let row = match row {
                    Ok(row) => row,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                bytes += grid.push(&row, look.format);
                if grid.len() < WINDOW_ROWS && bytes < WINDOW_BYTES {
                    continue;
                }
                let began = Instant::now();
                let way = match &mut way {
                    Some(way) => way,
                    None => {
                        decide(&mut grid, &mut look);
                        let uses_pager = self.is_interactive && target.is_none() && look.pager;
                        if target.is_none() {
                            spinner.end();
                        }
                        way.insert(Way::open(uses_pager))
                    }
                };
                let part = grid.part_printed(&look)?;
                spinner.note(grid.part.before);
                bytes = 0;
                let goes_on = match (way, &mut *target) {
                    (Way::Pager(child), _) => write_to(child, &part),
                    (Way::Usual, Some(target)) => target.put(&part).map(|()| true)?,
                    (Way::Usual, None) => output.writer().write_all(&part).map(|()| true)?,
                };
                shown += began.elapsed();
                if !goes_on {
                    break;
                }
            }
            notices.extend(rows.take_notices());
            grid
        };
        let elapsed = start.elapsed().saturating_sub(shown);
        spinner.end();
        if let Some(error) = failed {
            self.show_notices(error.notices())?;
            return Err(told::failure(&error, text));
        }
        self.show_notices(&notices)?;
        self.show_rest(way, grid, &look)?;
        Ok(elapsed)
    }

    /// Shows what is still held of a result, which may be all of it.
    fn show_rest(&mut self, way: Option<Way>, mut grid: Grid, look: &Look) -> Result<()> {
        let Some(mut way) = way else {
            return self.show_grid(&grid);
        };
        grid.part.goes_on = false;
        let mut rest = Vec::new();
        grid.print(look, None, &mut rest)?;
        match &mut way {
            Way::Usual => self.print_unpaged(&rest)?,
            Way::Pager(child) => {
                write_to(child, &rest);
            }
        }
        Ok(())
    }
}

/// What the first rows decide for all.
fn decide(grid: &mut Grid, look: &mut Look) {
    if look.expanded == Expanded::Auto {
        let columns = crossterm::terminal::size().ok().map(|(columns, _)| columns);
        look.expanded = match grid.is_wider(look, columns.map(usize::from)) {
            true => Expanded::On,
            false => Expanded::Off,
        };
    }
    if look.format == Format::Aligned {
        grid.part.widths = Some(grid.widths(look));
    }
}

impl Way {
    fn open(uses_pager: bool) -> Way {
        let pager = uses_pager.then(target::pager).flatten();
        let child = pager.and_then(|pager| target::shell(&pager, Stdio::piped()).ok());
        child.map_or(Way::Usual, Way::Pager)
    }
}

impl Drop for Way {
    /// The shell goes on when the pager was left, also after a failure.
    fn drop(&mut self) {
        if let Way::Pager(child) = self {
            drop(child.stdin.take());
            let _its_status_means_nothing = child.wait();
        }
    }
}

/// Writes to a pager, which may be left early.
fn write_to(child: &mut Child, text: &[u8]) -> bool {
    let input = child.stdin.as_mut();
    input.is_some_and(|input| input.write_all(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_that_gives_rows_is_streamed() {
        for text in [
            "select 1",
            " (values (1)) ;",
            "TABLE t",
            "with a as (select ';') table a;",
        ] {
            assert!(may_stream(text), "{text}");
        }
        for text in [
            "select 1; select 2",
            "insert into t values (1)",
            "select $1",
            "",
            "begin",
        ] {
            assert!(!may_stream(text), "{text}");
        }
    }
}
