//! A person or a script at work: runs statements and commands, and shows what they give.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustdb::Database;
use rustdb::sql::{Connection, Notice, Statement, StatementResult, SystemFiles};

use super::control::Condition;
use super::inline::{self, Awaited};
use super::input::{Piece, Reader, is_blank};
use super::rustty::{self, Asked};
use super::show::{Expanded, Format, Grid, Look};
use super::target::{self, Target};
use super::{command, stream, told, variables, words_of_rustty};
use crate::failure::{Failure, Result, Status};
use crate::output::{Output, count};
use crate::signals::{self, Working};

/// Whether the shell goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Continue,
    Quit,
}

/// How often a running statement is asked to stop once Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(20);

/// How long a statement runs before it is shown to be running.
const PATIENCE: Duration = Duration::from_millis(700);

/// How deep `\i` may nest.
const DEPTH_MAX: usize = 64;

/// The shell.
pub struct Shell {
    pub database: Database,
    pub connection: Connection,
    pub output: Output,
    pub look: Look,
    /// Where `\o` sends results.
    pub target: Option<Target>,
    /// What `\set` set.
    pub variables: BTreeMap<String, String>,
    /// Whether the time of statements is shown.
    pub timing: bool,
    /// Whether tags such as `INSERT 0 1` are left out.
    pub is_quiet: bool,
    /// Whether a person types.
    pub is_interactive: bool,
    /// The statement that was run last.
    pub last: String,
    /// What the editor begins with, after `\e`.
    pub prefilled: Option<String>,
    /// Whether a statement or command failed.
    pub has_failed: bool,
    /// What `\if` began and `\endif` has not ended, in the script at hand.
    pub conditions: Vec<Condition>,
    /// The scripts that run, the innermost last, each with the number of its line.
    scripts: Vec<(String, u64)>,
    reader: Reader,
    /// A COPY of a script whose rows come next.
    awaited: Option<Awaited>,
}

impl Shell {
    /// A shell on a database.
    pub fn new(
        database: Database,
        name: Option<&str>,
        output: Output,
        look: Look,
    ) -> Result<Shell> {
        let connection = match name {
            None => database.connect(),
            Some(name) => database.connect_to(name),
        };
        let connection = connection.map_err(|error| told::failure(&error, ""))?;
        let connection = with_files(connection);
        Ok(Shell {
            database,
            connection,
            output,
            look,
            target: None,
            variables: BTreeMap::new(),
            timing: false,
            is_quiet: false,
            is_interactive: false,
            last: String::new(),
            prefilled: None,
            has_failed: false,
            conditions: Vec::new(),
            scripts: Vec::new(),
            reader: Reader::default(),
            awaited: None,
        })
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.look.format == Format::Json
    }

    // ------------------------------------------------------------------------------ input

    /// Runs the text of a `-c`: one command, or statements as one transaction.
    pub fn run_argument(&mut self, text: &str) -> Result<Next> {
        if let Some(command) = text.trim_start().strip_prefix('\\') {
            return command::run(self, command.trim_end(), "");
        }
        if let Some(asked) = self.asked(text) {
            return words_of_rustty::run(self, asked);
        }
        let text = variables::filled(text, &self.variables);
        self.run_text(&text)?;
        Ok(Next::Continue)
    }

    /// Runs a script: lines from a file or from standard input. A statement that fails is told,
    /// and the script goes on, unless `ON_ERROR_STOP` is set.
    pub fn run_script(
        &mut self,
        name: Option<&str>,
        mut lines: impl Iterator<Item = io::Result<Vec<u8>>>,
    ) -> Result<Next> {
        if self.scripts.len() >= DEPTH_MAX {
            return Err(Failure::new("scripts include each other too deeply"));
        }
        let shown = name.unwrap_or("standard input").to_owned();
        let before = std::mem::take(&mut self.reader);
        let conditions = std::mem::take(&mut self.conditions);
        self.scripts.push((name.unwrap_or_default().to_owned(), 0));
        let mut outcome = Ok(Next::Continue);
        while let Some(line) = lines.next() {
            self.count_lines(1);
            outcome = line
                .map_err(|error| Failure::stream("read", &shown, &error))
                .and_then(|bytes| self.script_line(bytes));
            while let (Ok(Next::Continue), Some(copy)) = (&outcome, self.awaited.take()) {
                outcome = self.copy_of_script(&copy, &mut lines);
            }
            if !matches!(outcome, Ok(Next::Continue)) {
                break;
            }
        }
        if let Ok(Next::Continue) = outcome {
            outcome = self.rest_of_script();
        }
        let ended = self.end_conditions();
        if let Ok(Next::Continue) = outcome {
            outcome = self.tolerated(ended.map(|()| Next::Continue));
        }
        self.scripts.pop();
        self.reader = before;
        self.conditions = conditions;
        outcome
    }

    fn count_lines(&mut self, lines: u64) {
        if let Some((_, number)) = self.scripts.last_mut() {
            *number += lines;
        }
    }

    /// Runs a COPY with the rows behind it, and what stands behind it in its line.
    fn copy_of_script(
        &mut self,
        copy: &Awaited,
        lines: impl Iterator<Item = io::Result<Vec<u8>>>,
    ) -> Result<Next> {
        let (copied, count) = inline::run_with_lines(self, &copy.statement, lines);
        let outcome = self.tolerated(copied.map(|()| Next::Continue));
        self.count_lines(count);
        if !matches!(outcome, Ok(Next::Continue)) {
            return outcome;
        }
        let outcome = self.run_line(&copy.rest);
        self.tolerated(outcome)
    }

    /// Whether a script runs.
    pub fn is_in_script(&self) -> bool {
        !self.scripts.is_empty()
    }

    /// Whether this is a script; then a COPY waits for the rows behind the line.
    pub fn awaits_rows(&mut self, statement: &str) -> bool {
        let is_script = self.is_in_script();
        if is_script {
            self.awaited = Some(Awaited {
                statement: statement.to_owned(),
                rest: String::new(),
            });
        }
        is_script
    }

    fn script_line(&mut self, mut bytes: Vec<u8>) -> Result<Next> {
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        bytes.push(b'\n');
        let outcome = match String::from_utf8(bytes) {
            Ok(line) => self.run_line(&line),
            Err(_) => Err(Failure::new("the line is not UTF-8")),
        };
        self.tolerated(outcome)
    }

    /// The end of a script ends its last statement too.
    fn rest_of_script(&mut self) -> Result<Next> {
        let rest = self.reader.reset();
        if is_blank(&rest) || !self.is_active() {
            return Ok(Next::Continue);
        }
        let outcome = self.run_statement(&rest);
        self.tolerated(outcome.map(|()| Next::Continue))
    }

    /// Tells a failure, if the script goes on after it.
    fn tolerated(&mut self, outcome: Result<Next>) -> Result<Next> {
        let failure = match outcome {
            Ok(next) => return Ok(next),
            Err(failure) => failure,
        };
        if !matches!(failure.status(), Some(Status::Failed | Status::Usage)) {
            return Err(failure);
        }
        self.output.flush()?;
        let failure = match self.scripts.last() {
            Some((name, number)) if !name.is_empty() => failure.within(&format!("{name}:{number}")),
            _ => failure,
        };
        failure.tell(self.is_json());
        self.has_failed = true;
        if signals::is_cancelled() {
            return Err(Failure::cancelled(""));
        }
        match variables::is_on(&self.variables, "ON_ERROR_STOP") {
            true => Err(Failure::AlreadyTold(Status::Script)),
            false => Ok(Next::Continue),
        }
    }

    /// Runs what a person typed. What has not ended is run too: the editor knew why.
    pub fn run_typed(&mut self, text: &str) -> Result<Next> {
        for line in text.split_inclusive('\n') {
            if self.run_line(line)? == Next::Quit {
                return Ok(Next::Quit);
            }
        }
        let rest = self.reader.reset();
        if !is_blank(&rest) && self.is_active() {
            self.run_statement(&rest)?;
        }
        Ok(Next::Continue)
    }

    /// Runs the pieces that a line completes.
    fn run_line(&mut self, line: &str) -> Result<Next> {
        if !self.reader.has_begun()
            && self.is_active()
            && let Some(asked) = self.asked(line)
        {
            self.reader.reset();
            return words_of_rustty::run(self, asked);
        }
        let mut rest = line;
        while let Some(piece) = self.reader.next(&mut rest) {
            let outcome = match piece {
                Piece::Statement(_) if !self.is_active() => Ok(Next::Continue),
                Piece::Statement(text)
                    if !self.scripts.is_empty() && inline::way(&text) == Some(inline::Way::In) =>
                {
                    let text = variables::filled(text.trim_start(), &self.variables);
                    self.last.clone_from(&text);
                    self.awaited = Some(Awaited {
                        statement: text,
                        rest: rest.to_owned(),
                    });
                    return Ok(Next::Continue);
                }
                Piece::Statement(text) => self.run_statement(&text).map(|()| Next::Continue),
                Piece::Command(text) => {
                    let pending = self.reader.reset();
                    command::run(self, &text, &pending)
                }
            };
            match outcome {
                Ok(Next::Continue) => (),
                // What stands behind a failure in a line that a person typed was meant to follow.
                Err(failure) if !self.scripts.is_empty() => {
                    self.tolerated(Err(failure))?;
                }
                other => {
                    self.reader.reset();
                    return other;
                }
            }
        }
        Ok(Next::Continue)
    }

    /// Puts back the statement that a command left as it is.
    pub fn put_back(&mut self, pending: &str) {
        let mut rest = pending;
        while self.reader.next(&mut rest).is_some() {}
    }

    /// What rustty would have understood.
    pub fn asked(&mut self, line: &str) -> Option<Asked> {
        // Statements of many lines are none of rustty's.
        if line.trim_end().contains('\n') {
            return None;
        }
        let connection = &mut self.connection;
        rustty::asked(line, &mut |table| {
            words_of_rustty::is_flexible(connection, table)
        })
    }

    // ------------------------------------------------------------------------- statements

    /// Runs one statement of a script or of a person.
    pub fn run_statement(&mut self, text: &str) -> Result<()> {
        let text = variables::filled(text.trim_start(), &self.variables);
        self.last.clone_from(&text);
        self.run_text(&text)
    }

    /// Runs the statements of a text, and shows what they give.
    pub fn run_text(&mut self, text: &str) -> Result<()> {
        let start = Instant::now();
        if let Some(way) = inline::way(text) {
            let is_in_script = !self.scripts.is_empty();
            inline::run(self, text, way, is_in_script)?;
            return self.output.flush();
        }
        let (shown, elapsed) = match self.query_of(text) {
            Ok(Some(query)) => {
                let shown = self.watched(|shell, spinner| shell.stream(&query, text, spinner));
                let elapsed = *shown.as_ref().unwrap_or(&start.elapsed());
                (shown.map(drop), elapsed)
            }
            Ok(None) => {
                let mut results = Vec::new();
                let outcome =
                    self.watched(|shell, _| shell.connection.run_into(text, &mut results));
                let elapsed = start.elapsed();
                // Also what the statements before one that failed have given.
                let shown = results
                    .iter()
                    .try_for_each(|result| self.show_result(result))
                    .and_then(|()| self.told(outcome, text));
                (shown, elapsed)
            }
            Err(failure) => (Err(failure), start.elapsed()),
        };
        self.show_time(elapsed)?;
        self.output.flush()?;
        shown
    }

    /// Says how long something took, if that is asked for.
    pub fn show_time(&mut self, elapsed: Duration) -> Result<()> {
        match self.timing && !self.is_json() {
            true => self.output.line(&timing(elapsed)),
            false => Ok(()),
        }
    }

    /// The statement of a text, if it is one whose rows can be shown as they come.
    fn query_of(&mut self, text: &str) -> Result<Option<Statement>> {
        if !stream::may_stream(text) {
            return Ok(None);
        }
        let prepared = self.connection.prepare(text);
        let prepared = prepared.map_err(|error| told::failure(&error, text))?;
        Ok(prepared.is_query().then_some(prepared))
    }

    /// Runs the statements of a text. Ctrl-C stops them, not the shell.
    pub fn execute(&mut self, text: &str) -> Result<Vec<StatementResult>> {
        let results = self.watched(|shell, _| shell.connection.run(text));
        self.told(results, text)
    }

    /// The failure of a text, behind what it had to say before.
    fn told<T>(&mut self, outcome: rustdb::Result<T>, text: &str) -> Result<T> {
        if let Err(error) = &outcome {
            self.show_notices(error.notices())?;
        }
        outcome.map_err(|error| told::failure(&error, text))
    }

    pub fn show_notices(&mut self, notices: &[Notice]) -> Result<()> {
        if !notices.is_empty() {
            self.output.flush()?;
        }
        for notice in notices {
            eprintln!("{}", told::notice(notice));
        }
        Ok(())
    }

    /// Does work that Ctrl-C stops, and shows that it goes on if it takes long.
    pub fn watched<T>(&mut self, work: impl FnOnce(&mut Shell, &Spinner) -> T) -> T {
        let _working = Working::begin();
        let handle = self.connection.cancel_handle();
        let is_done = AtomicBool::new(false);
        let spinner = Spinner::new(self.is_interactive && io::stderr().is_terminal());
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let start = Instant::now();
                while !is_done.load(Ordering::Acquire) {
                    if signals::is_cancelled() {
                        handle.cancel();
                    }
                    if start.elapsed() > PATIENCE {
                        spinner.tick();
                    }
                    std::thread::park_timeout(LOOK);
                }
                spinner.end();
            });
            // NB: also if the work panics; the scope waits for the watcher.
            let done = Done(&is_done);
            let outcome = work(self, &spinner);
            drop(done);
            watcher.thread().unpark();
            outcome
        })
    }

    /// Rows of a question that the shell itself asks.
    pub fn ask(&mut self, text: &str) -> Result<Vec<rustdb::sql::Row>> {
        let rows = self.connection.query(text, &[]);
        rows.map_err(|error| told::failure(&error, text))
    }

    // ----------------------------------------------------------------------------- output

    /// Shows the rows of a result, or what it did.
    pub fn show_result(&mut self, result: &StatementResult) -> Result<()> {
        self.show_notices(result.notices())?;
        let mut has_said = false;
        if let Some(grid) = Grid::of(result, &self.look) {
            self.show_grid(&grid)?;
            // Of what gives rows, only what also writes says so.
            let writes = ["INSERT", "UPDATE", "DELETE"];
            has_said = !writes.iter().any(|word| result.tag().starts_with(word));
        }
        if has_said || self.is_quiet || self.look.format == Format::Json {
            return Ok(());
        }
        self.print(format!("{}\n", result.tag()).as_bytes())
    }

    /// Shows a table.
    pub fn show_grid(&mut self, grid: &Grid) -> Result<()> {
        let columns = match self.look.expanded {
            Expanded::Auto => crossterm::terminal::size().ok().map(|(columns, _)| columns),
            _ => None,
        };
        let mut text = Vec::new();
        grid.print(&self.look, columns.map(usize::from), &mut text)?;
        self.print(&text)
    }

    /// Prints where `\o` says, and never through a pager.
    pub fn print_unpaged(&mut self, text: &[u8]) -> Result<()> {
        match &mut self.target {
            Some(target) => target.put(text),
            None => Ok(self.output.writer().write_all(text)?),
        }
    }

    /// Prints results where `\o` says.
    pub fn print(&mut self, text: &[u8]) -> Result<()> {
        match &mut self.target {
            Some(target) => target.put(text),
            None if self.is_interactive => target::show(text, self.look.pager, &mut self.output),
            None => Ok(self.output.writer().write_all(text)?),
        }
    }
}

/// Who runs the shell may open what the shell may open.
pub fn with_files(mut connection: Connection) -> Connection {
    connection.set_files(Arc::new(SystemFiles));
    connection
}

/// What psql prints after `\timing`.
fn timing(elapsed: Duration) -> String {
    let milliseconds = elapsed.as_secs_f64() * 1e3;
    if milliseconds < 1_000.0 {
        return format!("Time: {milliseconds:.3} ms");
    }
    let seconds = elapsed.as_secs_f64();
    let minutes = (seconds / 60.0) as u64;
    let rest = seconds - 60.0 * minutes as f64;
    if minutes < 60 {
        return format!("Time: {milliseconds:.3} ms ({minutes:02}:{rest:06.3})");
    }
    let hours = minutes / 60;
    let minutes = minutes % 60;
    format!("Time: {milliseconds:.3} ms ({hours:02}:{minutes:02}:{rest:06.3})")
}

/// Says that something is done, whatever became of it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What is shown while a statement runs, until its rows are.
pub struct Spinner(Mutex<Spinning>);

enum Spinning {
    NotYet,
    Yes(ProgressBar),
    NoMore,
}

impl Spinner {
    fn new(may_spin: bool) -> Spinner {
        Spinner(Mutex::new(match may_spin {
            true => Spinning::NotYet,
            false => Spinning::NoMore,
        }))
    }

    fn tick(&self) {
        let mut spinning = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Spinning::NotYet = *spinning {
            *spinning = Spinning::Yes(bar());
        }
        if let Spinning::Yes(bar) = &*spinning {
            bar.tick();
        }
    }

    /// Says how many rows were written to a file so far.
    pub fn note(&self, rows: usize) {
        let spinning = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Spinning::Yes(bar) = &*spinning {
            bar.set_message(format!("{} rows, ", count(rows as u64)));
        }
    }

    /// Is not shown any more.
    pub fn end(&self) {
        let mut spinning = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Spinning::Yes(bar) = std::mem::replace(&mut *spinning, Spinning::NoMore) {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(None, target);
    let template = "{spinner} {elapsed} {msg}at work; Ctrl-C stops the statement";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
