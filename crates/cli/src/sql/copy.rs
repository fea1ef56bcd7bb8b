//! `\copy`: a table or a query into a file, a file into a table.
//!
//! ```text
//! \copy planets to planets.csv csv header
//! \copy (select name from planets) to program 'sort' with (format csv)
//! \copy planets (id, name) from planets.csv (format csv, header)
//! ```
//!
//! The forms are psql's, and so is the way: what is said is a COPY whose other end is this
//! program, which reads or writes the file, row by row.

use std::io::{self, Read, Write};
use std::process::{Child, Stdio};
use std::time::Instant;

use indicatif::ProgressBar;

use super::inline;
use super::session::Shell;
use super::target::{self, Target, expanded};
use super::told;
use crate::failure::{Failure, Result};
use crate::transfer::{Input, progress};

/// What `\copy` is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    /// A table with or without columns, or a query in brackets.
    what: &'a str,
    is_from: bool,
    end: End,
    /// What else is said, as COPY has it.
    options: &'a str,
}

/// The other end.
#[derive(Debug, PartialEq, Eq)]
enum End {
    File(String),
    Program(String),
    /// The script that the command stands in, or standard input; where results go.
    Standard,
    /// Standard input or output, whatever is read and written otherwise.
    Own,
}

/// Runs `\copy` with these arguments.
pub fn run(session: &mut Shell, arguments: &str) -> Result<()> {
    let asked = parse(arguments)?;
    if asked.is_from && asked.end == End::Standard && session.awaits_rows(&statement_from(&asked)) {
        return Ok(());
    }
    let start = Instant::now();
    let rows = match asked.is_from {
        true => from(session, &asked)?,
        false => to(session, &asked)?,
    };
    // Behind rows on the standard output a tag would be one of them.
    if asked.is_from || !matches!(asked.end, End::Standard | End::Own) {
        session.say(&format!("COPY {rows}"))?;
    }
    session.show_time(start.elapsed())
}

/// Whether rows come in, if these are the arguments of a COPY with a standard stream.
pub fn is_from_standard(arguments: &str) -> Option<bool> {
    let asked = parse(arguments).ok()?;
    (asked.end == End::Standard).then_some(asked.is_from)
}

fn usage(why: &str) -> Failure {
    Failure::usage(format!("\\copy: {why}"))
        .hint("\\copy TABLE|(QUERY) TO|FROM 'FILE'|PROGRAM 'COMMAND'|STDIN|STDOUT [OPTIONS]")
}

fn parse(arguments: &str) -> Result<Asked<'_>> {
    let arguments = arguments.trim().trim_end_matches(';');
    let what_end = match arguments.starts_with('(') {
        true => closing(arguments).ok_or_else(|| usage("a bracket is not closed"))?,
        false => {
            let name = name_end(arguments).ok_or_else(|| usage("TO or FROM is missing"))?;
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
    let (direction, rest) = word(rest);
    let is_from = match direction.to_lowercase().as_str() {
        "from" => true,
        "to" => false,
        _ => return Err(usage("TO or FROM is missing")),
    };
    let (first, after) = word(rest);
    let (end, options) = match first.to_lowercase().as_str() {
        "" => return Err(usage("a file is missing")),
        "program" => {
            let (command, after) = word(after);
            let command = unquoted(command)
                .filter(|_| command.starts_with('\''))
                .ok_or_else(|| usage("a command in quotes is missing"))?;
            (End::Program(command), after)
        }
        "stdin" | "stdout" => (End::Standard, after),
        "pstdin" | "pstdout" => (End::Own, after),
        _ => {
            let file = unquoted(first).ok_or_else(|| usage("a quote is not closed"))?;
            (End::File(expanded(&file)), after)
        }
    };
    Ok(Asked {
        what: what.trim(),
        is_from,
        end,
        options: options.trim(),
    })
}

/// Where a table's name ends, which may have quotes.
fn name_end(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.find(|letter: char| {
        is_quoted ^= letter == '"';
        !is_quoted && (letter.is_whitespace() || letter == '(')
    })
}

/// The first word of a text, with its quotes, and what comes after it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let mut is_quoted = false;
    let end = text.find(|letter: char| {
        is_quoted ^= letter == '\'';
        !is_quoted && letter.is_whitespace()
    });
    text.split_at(end.unwrap_or(text.len()))
}

fn unquoted(word: &str) -> Option<String> {
    match word.strip_prefix('\'') {
        None => Some(word.to_owned()),
        Some(rest) => Some(rest.strip_suffix('\'')?.replace("''", "'")),
    }
}

/// Where the bracket that opens a text is closed: behind that.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => (),
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (None, _) => (),
        }
    }
    None
}

/// Runs a command that reads or writes rows, and says if it failed.
fn ended(command: &str, mut child: Child) -> Result<()> {
    let status = child
        .wait()
        .map_err(|error| Failure::file("run", command, &error))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("`{command}` failed: {status}"))),
    }
}

// ------------------------------------------------------------------------------------- out

fn to(session: &mut Shell, asked: &Asked<'_>) -> Result<u64> {
    let text = format!("COPY {} TO STDOUT {}", asked.what, asked.options);
    match &asked.end {
        End::File(name) => {
            let mut target = Target::create(name)?;
            let rows = write(session, &text, &mut target)?;
            target.close()?;
            Ok(rows)
        }
        End::Program(command) => {
            let mut child = target::shell(command, Stdio::piped())?;
            let input = child.stdin.take();
            let mut input = input.ok_or_else(|| Failure::new("the command takes no input"))?;
            let rows = write(session, &text, &mut input);
            drop(input);
            let ended = ended(command, child);
            let rows = rows?;
            ended.map(|()| rows)
        }
        End::Standard => to_standard(session, &text),
        End::Own => write_out(session, &text),
    }
}

/// Writes rows where results go.
pub fn to_standard(session: &mut Shell, text: &str) -> Result<u64> {
    let mut target = session.target.take();
    let rows = match &mut target {
        Some(target) => write(session, text, target),
        None => write_out(session, text),
    };
    session.target = target;
    rows
}

fn write(session: &mut Shell, text: &str, target: &mut dyn Write) -> Result<u64> {
    let rows = session.watched(|shell, _| shell.connection.copy_out(text, target));
    rows.map_err(|error| told::failure(&error, text))
}

fn write_out(session: &mut Shell, text: &str) -> Result<u64> {
    let rows = session.watched(|shell, spinner| {
        spinner.end();
        shell.connection.copy_out(text, shell.output.writer())
    });
    rows.map_err(|error| told::failure(&error, text))
}

// -------------------------------------------------------------------------------------- in

fn statement_from(asked: &Asked<'_>) -> String {
    format!("COPY {} FROM STDIN {}", asked.what, asked.options)
}

fn from(session: &mut Shell, asked: &Asked<'_>) -> Result<u64> {
    let text = statement_from(asked);
    match &asked.end {
        End::Program(command) => {
            let mut child = target::reading(command)?;
            let output = child.stdout.take();
            let mut output = output.ok_or_else(|| Failure::new("the command gives nothing"))?;
            let rows = read(session, &text, &mut output);
            drop(output);
            let ended = ended(command, child);
            let rows = rows?;
            ended.map(|()| rows)
        }
        End::File(name) => read_shown(session, &text, name),
        End::Standard | End::Own if session.is_interactive || session.is_in_script() => {
            inline::run_with_standard_lines(session, &text)
        }
        End::Standard | End::Own => read_shown(session, &text, "-"),
    }
}

fn read_shown(session: &mut Shell, text: &str, name: &str) -> Result<u64> {
    let input = Input::open(name)?;
    let bar = progress(&input);
    let mut reader = Shown {
        reader: input.reader()?,
        input,
        bar,
    };
    let rows = read(session, text, &mut reader);
    reader.bar.finish_and_clear();
    rows
}

/// Reads rows from a source.
pub fn read(session: &mut Shell, text: &str, source: &mut dyn Read) -> Result<u64> {
    let rows = session.watched(|shell, spinner| {
        // A file has a bar of its own.
        spinner.end();
        shell.connection.copy_in(text, source)
    });
    rows.map_err(|error| told::failure(&error, text))
}

/// A file that shows how far its reading has come.
struct Shown<R> {
    reader: R,
    input: Input,
    bar: ProgressBar,
}

impl<R: Read> Read for Shown<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        self.bar.set_position(self.input.bytes_read());
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_psql_are_understood() {
        let asked = parse("planets to 'a b.csv' with (format csv, header)").unwrap();
        assert_eq!((asked.what, asked.is_from), ("planets", false));
        assert_eq!(asked.end, End::File("a b.csv".to_owned()));
        assert_eq!(asked.options, "with (format csv, header)");
        let asked = parse("\"odd (name\" (a, b) from x.csv csv delimiter ';' header").unwrap();
        assert_eq!((asked.what, asked.is_from), ("\"odd (name\" (a, b)", true));
        assert_eq!(asked.options, "csv delimiter ';' header");
        let asked = parse("(select ')' from t) to program 'sort -r' csv null 'NULL'").unwrap();
        assert_eq!(asked.what, "(select ')' from t)");
        assert_eq!(asked.end, End::Program("sort -r".to_owned()));
        assert_eq!(parse("t to STDOUT").unwrap().end, End::Standard);
        assert_eq!(parse("t from pstdin").unwrap().end, End::Own);
        assert_eq!(
            parse("t to it''s.txt;").unwrap().end,
            End::File("it''s.txt".to_owned())
        );
        for wrong in [
            "",
            "t",
            "t to",
            "t into x",
            "(select to x",
            "t to 'open",
            "t to program",
            "t to program sort",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
