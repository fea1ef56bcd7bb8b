//! The key-value shell, for people at a terminal and for scripts.
//!
//! ```text
//! editor ─────▶ (a person's line) ─┐
//! -c CMD ─────▶ ───────────────────┼─▶ command ──▶ session ──▶ standard output
//! standard input, not a terminal ──┘   words
//! ```
//!
//! A script sees no prompt and no colours; every one of its commands runs, and the exit code is 1
//! if one failed. The end of the input ends the shell.

mod command;
mod editor;
mod nearest;
mod session;
mod words;

use std::borrow::Cow;
use std::io;

use rustdb::Database;

use self::editor::Editor;
pub use self::editor::{
    Typed, has_colours, history_of, is_possible as is_interactive_possible, read_signal,
};
pub use self::nearest::distance;
use self::nearest::nearest;
use self::session::{Next, Session};
use crate::arguments::{DatabaseArguments, ShellArguments};
use crate::failure::{Failure, Result, Status};
use crate::output::Output;
use crate::transfer::standard_lines;
use crate::{keys, open, signals};

/// What a person reads before the first prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    None,
    Banner,
}

/// Runs a shell until its input ends.
pub fn run(database: &DatabaseArguments, shell: &ShellArguments, welcome: Welcome) -> Result<()> {
    let db = open::database(database)?;
    let is_interactive = shell.commands.is_empty() && editor::is_possible();
    let mut session = Session::new(db.clone(), Output::standard(shell.json));
    if shell.commands.is_empty() && welcome == Welcome::Banner {
        greet(&db, is_interactive);
    }
    let outcome = if is_interactive {
        by_hand(&mut session, &db, database)
    } else if shell.commands.is_empty() {
        let lines = (1..)
            .zip(standard_lines())
            .map(|(number, text)| Line::read(number, text));
        script(&mut session, lines, shell.json)
    } else {
        let lines = shell.commands.iter().map(|line| Ok(Line::given(line)));
        script(&mut session, lines, shell.json)
    };
    drop(session);
    let closed = open::close(db);
    outcome.and(closed)
}

fn greet(database: &Database, is_interactive: bool) {
    let banner = format!(
        "RustDB v{}\nData directory: {}\nType `help` for the commands, `quit` to leave; \
         `rustdb --demo` shows what RustDB does.",
        env!("CARGO_PKG_VERSION"),
        database.path().display()
    );
    match is_interactive {
        true => println!("{banner}"),
        false => eprintln!("{banner}"),
    }
}

/// A person types lines. A failed command is told and the shell goes on.
fn by_hand(session: &mut Session, db: &Database, arguments: &DatabaseArguments) -> Result<()> {
    // An encrypted database shall leave no plain text in its directory, and one that is only read
    // shall stay as it is: their history ends with the shell.
    let keeps_history = !arguments.read_only && !keys::is_given(arguments);
    let directory = keeps_history.then(|| db.path().to_owned());
    let mut editor = Editor::new(db, directory.as_deref())?;
    loop {
        let line = match editor.read(session.keyspace())? {
            Typed::Text(line) => line,
            Typed::Cleared => continue,
            Typed::End => break,
        };
        match session.run(&line) {
            Ok(Next::Continue) => {}
            Ok(Next::Quit) => break,
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            Err(failure) => failure.tell(false),
        }
        if signals::is_terminating() {
            return Ok(());
        }
    }
    session.output.line("Bye!")?;
    session.output.flush()
}

/// A line of a script.
struct Line<'a> {
    text: Cow<'a, [u8]>,
    /// Where it is on standard input.
    number: Option<u64>,
}

impl<'a> Line<'a> {
    fn read(number: u64, bytes: io::Result<Vec<u8>>) -> Result<Self> {
        let mut bytes = bytes.map_err(|error| Failure::stream("read", "standard input", &error))?;
        // Of a script from a system where lines end in CRLF.
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(Self {
            text: Cow::Owned(bytes),
            number: Some(number),
        })
    }

    fn given(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text.as_bytes()),
            number: None,
        }
    }

    fn run(&self, session: &mut Session) -> Result<Next> {
        let text = std::str::from_utf8(&self.text).map_err(|_| {
            Failure::new("the command is not UTF-8").hint("write other bytes as `\\xNN`")
        });
        let outcome = text.and_then(|text| session.run(text));
        outcome.map_err(|failure| match self.number {
            Some(number) => failure.within(&format!("line {number}")),
            None => failure,
        })
    }
}

/// A script's lines run one after the other, whatever becomes of each.
fn script<'a>(
    session: &mut Session,
    lines: impl Iterator<Item = Result<Line<'a>>>,
    json: bool,
) -> Result<()> {
    let mut failed = 0_u64;
    for line in lines {
        match line?.run(session) {
            Ok(Next::Continue) => {}
            Ok(Next::Quit) => {
                if !json {
                    session.output.line("Bye!")?;
                    session.output.flush()?;
                }
                break;
            }
            Err(failure) if stops(&failure) => return Err(failure),
            Err(failure) => {
                failure.tell(json);
                failed += 1;
            }
        }
        if signals::is_cancelled() {
            return Err(Failure::cancelled(""));
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::AlreadyTold(Status::Failed)),
    }
}

/// A script ends when nobody reads its output, or when a signal asked for it.
fn stops(failure: &Failure) -> bool {
    matches!(
        failure.status(),
        None | Some(Status::Interrupted | Status::Terminated)
    )
}

/// Parses a line and tells what is wrong with it, as a session does; for fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz_line(line: &str) -> bool {
    match command::parse(line) {
        Ok(command) => command.is_some(),
        Err(failure) => {
            assert!(!format!("{failure:?}").is_empty());
            false
        }
    }
}
