//! The SQL shell, for people at a terminal and for scripts.
//!
//! A statement ends with a semicolon and may take several lines. `-c` runs a text as one
//! transaction, as psql does; standard input runs statement by statement and stops at the first
//! that fails. Results are aligned tables, or with `--json` an array of objects for each.

mod input;
mod table;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reedline::{DefaultPrompt, DefaultPromptSegment, Reedline, Signal};
use rustdb::sql::{Connection, StatementResult};
use rustdb::{Database, Error};
use serde_json::{Map, Value};

use crate::arguments::{DatabaseArguments, ShellArguments};
use crate::failure::{Failure, Result};
use crate::open;
use crate::output::Output;
use crate::shell::is_interactive_possible;
use crate::signals::{self, Working};

/// Runs statements until the input ends.
pub fn run(database: &DatabaseArguments, shell: &ShellArguments) -> Result<()> {
    let db = open::database(database)?;
    let outcome = session(&db, shell);
    let closed = open::close(db);
    outcome.and(closed)
}

fn session(db: &Database, shell: &ShellArguments) -> Result<()> {
    let mut connection = db.connect().map_err(told)?;
    let mut output = Output::standard(shell.json);
    if !shell.commands.is_empty() {
        for text in &shell.commands {
            run_text(&mut connection, text, &mut output)?;
        }
        return output.flush();
    }
    if is_interactive_possible() {
        return by_hand(&mut connection, &mut output);
    }
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::stream("read", "standard input", &error))?;
    for statement in input::statements(&text) {
        run_text(&mut connection, statement, &mut output)?;
    }
    output.flush()
}

fn by_hand(connection: &mut Connection, output: &mut Output) -> Result<()> {
    output.line("Type statements of SQL, each ended by `;`, and `\\q` to leave.")?;
    output.flush()?;
    let mut editor = Reedline::create();
    let mut pending = String::new();
    loop {
        let mark = match (pending.is_empty(), connection.is_in_transaction()) {
            (true, false) => "rustdb=",
            (true, true) => "rustdb=*",
            (false, _) => "rustdb-",
        };
        let left = DefaultPromptSegment::Basic(mark.to_owned());
        let prompt = DefaultPrompt::new(left, DefaultPromptSegment::Empty);
        match editor.read_line(&prompt) {
            Ok(Signal::Success(line)) => {
                let word = line.trim().trim_end_matches(';').to_lowercase();
                if pending.is_empty() && ["\\q", "quit", "exit"].contains(&word.as_str()) {
                    break;
                }
                pending.push_str(&line);
                pending.push('\n');
            }
            Ok(Signal::CtrlC) => pending.clear(),
            Ok(Signal::CtrlD) => break,
            Err(error) => return Err(Failure::stream("read from", "the terminal", &error)),
        }
        if !input::is_complete(&pending) {
            continue;
        }
        let text = std::mem::take(&mut pending);
        for statement in input::statements(&text) {
            match run_text(connection, statement, output) {
                Ok(()) => (),
                Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
                Err(failure) => {
                    failure.tell(false);
                    break;
                }
            }
        }
        output.flush()?;
        if signals::is_terminating() {
            return Ok(());
        }
    }
    output.line("Bye!")?;
    output.flush()
}

/// How often a running statement is asked to stop once Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the statements of a text. Ctrl-C stops them, not the shell.
fn run_text(connection: &mut Connection, text: &str, output: &mut Output) -> Result<()> {
    let _working = Working::begin();
    let handle = connection.cancel_handle();
    let is_done = AtomicBool::new(false);
    let results = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                if signals::is_cancelled() {
                    handle.cancel();
                }
                std::thread::park_timeout(LOOK);
            }
        });
        let results = connection.run(text);
        is_done.store(true, Ordering::Release);
        watcher.thread().unpark();
        results
    });
    for result in &results.map_err(told)? {
        print(result, output)?;
    }
    Ok(())
}

/// A statement's error, with its SQLSTATE and what is known besides.
fn told(error: Error) -> Failure {
    let mut message = error.message().to_owned();
    if let Some(sqlstate) = error.sqlstate() {
        message = format!("{message} ({sqlstate})");
    }
    if let Some(detail) = error.detail() {
        message = format!("{message}\ndetail: {detail}");
    }
    let failure = Failure::new(message);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn print(result: &StatementResult, output: &mut Output) -> Result<()> {
    for notice in result.notices() {
        eprintln!("notice: {notice}");
    }
    match (result.columns(), output.is_json()) {
        (Some(columns), true) => {
            let rows = result.rows().iter().map(|row| {
                let cells = columns.iter().enumerate();
                let object: Map<String, Value> = cells
                    .map(|(place, name)| ((*name).to_owned(), table::json(row, place)))
                    .collect();
                Value::Object(object)
            });
            output.line(&Value::Array(rows.collect()).to_string())
        }
        (Some(columns), false) => output.line(&table::aligned(&columns, result.rows())),
        (None, true) => Ok(()),
        (None, false) => output.line(result.tag()),
    }
}
