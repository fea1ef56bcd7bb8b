//! COPY with the standard streams, as a statement.
//!
//! ```text
//! COPY planets (id, name) FROM STDIN WITH (FORMAT csv);
//! 3,Earth
//! 4,Mars
//! \.
//! SELECT ...
//! ```
//!
//! In a script the rows stand behind the statement, up to a line `\.` or the end of the script; so
//! pg_dump writes them. They are read as they are needed, and those that a failed COPY left are
//! skipped. A person's rows and those of a `-c` come from standard input. COPY TO STDOUT writes
//! where results go.

use std::io::{self, Read};

use super::input::behind_comments;
use super::session::Shell;
use super::stream::is_single;
use super::{copy, told};
use crate::failure::{Failure, Result};
use crate::transfer::standard_lines;

/// What ends the rows.
const END: &[u8] = b"\\.";

/// A COPY of a script that waits for its rows.
#[derive(Debug)]
pub struct Awaited {
    pub statement: String,
    /// What stands behind it in its line.
    pub rest: String,
}

/// Which way rows go in a text that is a COPY with a standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// The way of a text's rows, if it is such a statement.
pub fn way(text: &str) -> Option<Way> {
    let statement = behind_comments(text);
    let (first, arguments) = statement.split_at_checked("copy".len())?;
    let is_word = arguments.starts_with(|letter: char| letter.is_whitespace() || letter == '(');
    if !first.eq_ignore_ascii_case("copy") || !is_word {
        return None;
    }
    let is_from = copy::is_from_standard(arguments)?;
    is_single(text).then_some(match is_from {
        true => Way::In,
        false => Way::Out,
    })
}

/// Runs such a statement that is not in a script, or at the end of one.
pub fn run(session: &mut Shell, text: &str, way: Way, is_in_script: bool) -> Result<()> {
    let rows = match way {
        // Behind rows on the standard output a tag would be one of them.
        Way::Out => return copy::to_standard(session, text).map(drop),
        Way::In if is_in_script => copy::read(session, text, &mut io::empty())?,
        Way::In => run_with_standard_lines(session, text)?,
    };
    session.say(&format!("COPY {rows}"))
}

/// Runs such a statement with the rows of standard input, which may end there before the input does.
pub fn run_with_standard_lines(session: &mut Shell, text: &str) -> Result<u64> {
    if session.is_interactive {
        eprintln!("End the rows with a line `\\.`, or with Ctrl-D.");
    }
    // Where bytes make no lines, nothing but their end ends them.
    if text.to_lowercase().contains("binary") {
        return copy::read(session, text, &mut io::stdin());
    }
    copy::read(session, text, &mut Rows::new(standard_lines()))
}

/// Runs a statement of a script with the rows behind it. Gives how many lines these are too.
pub fn run_with_lines(
    session: &mut Shell,
    text: &str,
    lines: impl Iterator<Item = io::Result<Vec<u8>>>,
) -> (Result<()>, u64) {
    let mut source = Rows::new(lines);
    let rows = session.watched(|shell, _| shell.connection.copy_in(text, &mut source));
    let outcome = match (rows, source.skip()) {
        (Err(error), _) => Err(told::failure(&error, text)),
        (Ok(_), Err(error)) => Err(Failure::stream("read", "the rows", &error)),
        (Ok(rows), Ok(())) => session.say(&format!("COPY {rows}")),
    };
    (outcome, source.count)
}

/// Lines up to the one that ends the rows, as a stream.
struct Rows<L> {
    lines: L,
    line: Vec<u8>,
    /// How much of the line is read.
    at: usize,
    count: u64,
    has_ended: bool,
}

impl<L: Iterator<Item = io::Result<Vec<u8>>>> Rows<L> {
    fn new(lines: L) -> Rows<L> {
        Rows {
            lines,
            line: Vec::new(),
            at: 0,
            count: 0,
            has_ended: false,
        }
    }

    /// Takes the next line, which may end the rows.
    fn advance(&mut self) -> io::Result<()> {
        self.line.clear();
        self.at = 0;
        match self.lines.next() {
            None => self.has_ended = true,
            Some(line) => {
                self.count += 1;
                let line = line?;
                self.has_ended = line.strip_suffix(b"\r").unwrap_or(&line) == END;
                if !self.has_ended {
                    self.line = line;
                    self.line.push(b'\n');
                }
            }
        }
        Ok(())
    }

    /// Leaves the rows that were not read.
    fn skip(&mut self) -> io::Result<()> {
        while !self.has_ended {
            self.advance()?;
        }
        Ok(())
    }
}

impl<L: Iterator<Item = io::Result<Vec<u8>>>> Read for Rows<L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() && !self.has_ended {
            self.advance()?;
        }
        let bytes = (self.line.len() - self.at).min(buffer.len());
        buffer[..bytes].copy_from_slice(&self.line[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_copy_with_a_stream_is_one() {
        assert_eq!(way("COPY t FROM STDIN;"), Some(Way::In));
        assert_eq!(
            way("-- rows\ncopy public.t (a, b) from stdin"),
            Some(Way::In)
        );
        assert_eq!(
            way("Copy(select 1) TO stdout (format csv);"),
            Some(Way::Out)
        );
        for other in [
            "",
            "cop",
            "copying t from stdin",
            "copy t from 'stdin.csv'",
            "copy t to stdout; select 1",
            "select 'copy t from stdin'",
        ] {
            assert_eq!(way(other), None, "{other}");
        }
    }

    #[test]
    fn rows_end_where_a_line_says_so() {
        let text: &[u8] = b"a\nb\r\n\\.\nselect 1;\n";
        let mut lines = text
            .split(|byte| *byte == b'\n')
            .map(|line| Ok(line.to_vec()));
        let mut rows = Rows::new(&mut lines);
        let mut read = String::new();
        rows.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), rows.count), ("a\nb\r\n", 3));
        assert_eq!(lines.next().unwrap().unwrap(), b"select 1;");
    }
}
