//! The SQL shell, for people at a terminal and for scripts.
//!
//! ```text
//! editor ─────▶ (what a person typed) ─┐              ┌─▶ connection ─▶ show ─▶ target
//! -f FILE, \i, standard input ─────────┼─▶ session ───┼─▶ command      (backslash commands)
//! -c TEXT ─────────────────────────────┘    input     └─▶ rustty       (lines without `;`)
//! ```
//!
//! It looks and answers as psql does, because people know that; [`rustty`] has what people know
//! from the shell of rustty. A `-c` runs its text as one transaction and fails as a whole; a
//! script goes on after a statement that failed, as psql's do, and the exit code tells.

mod command;
mod control;
mod copy;
mod demonstration;
mod describe;
mod describe_one;
mod editing;
mod editor;
mod help;
mod highlight;
mod inline;
mod input;
mod names;
mod repeat;
mod rustty;
mod session;
mod show;
mod stream;
mod target;
mod told;
mod variables;
mod words_of_rustty;

use std::io::{self, BufRead};
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgMatches, Args};
use rustdb::Database;

pub use self::demonstration::demonstrate;
use self::editor::Editor;
use self::session::{Next, Shell};
pub use self::show::Format;
use self::show::{Expanded, Look};
use self::target::Target;
use crate::arguments::DatabaseArguments;
use crate::failure::{Failure, Result, Status};
use crate::output::Output;
use crate::shell::{Typed, Welcome, is_interactive_possible};
use crate::transfer::standard_lines;
use crate::{keys, open, signals};

/// What the SQL shell does.
#[derive(Clone, Debug, Default, Args)]
pub struct SqlArguments {
    /// Run this and exit; may be given more than once
    #[arg(short, long = "command", value_name = "SQL")]
    pub commands: Vec<String>,
    /// The database of the directory to connect to, of those that CREATE DATABASE made
    #[arg(
        id = "database_name",
        long = "database",
        value_name = "NAME",
        env = "RUSTDB_DATABASE"
    )]
    pub database: Option<String>,
    /// Run this script and exit; `-` is standard input; may be given more than once
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<String>,
    /// Print results as JSON: an array of objects for each statement
    #[arg(long, env = "RUSTDB_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Print results as CSV
    #[arg(long, conflicts_with_all = ["json", "form"])]
    pub csv: bool,
    /// The form of results
    #[arg(
        id = "form",
        long = "format",
        value_enum,
        value_name = "FORM",
        env = "RUSTDB_SQL_FORMAT"
    )]
    pub format: Option<Format>,
    /// Columns below each other
    #[arg(short = 'x', long)]
    pub expanded: bool,
    /// Rows only, without heads and counts
    #[arg(short, long)]
    pub tuples_only: bool,
    /// Set a variable, as `\set` does
    #[arg(short = 'v', long = "set", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Send results to FILE or |COMMAND
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// Print results only, without tags such as `INSERT 0 1`
    #[arg(short, long)]
    pub quiet: bool,
    /// What `-c` and `-f` gave, in their order.
    #[arg(skip)]
    pub actions: Vec<Action>,
}

/// Something that the command line asks for.
#[derive(Clone, Debug)]
pub enum Action {
    Command(String),
    File(String),
}

impl SqlArguments {
    /// Puts what `-c` and `-f` gave in the order in which they were given.
    pub fn in_order(&mut self, matches: &ArgMatches) {
        let places = |id: &str| -> Vec<usize> {
            let places = matches.indices_of(id);
            places.map(Iterator::collect).unwrap_or_default()
        };
        let commands = self.commands.iter().cloned().map(Action::Command);
        let files = self.files.iter().cloned().map(Action::File);
        let mut actions: Vec<(usize, Action)> =
            places("commands").into_iter().zip(commands).collect();
        actions.extend(places("files").into_iter().zip(files));
        actions.sort_by_key(|(place, _)| *place);
        self.actions = actions.into_iter().map(|(_, action)| action).collect();
    }

    fn look(&self) -> Look {
        let format = match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => self.format.unwrap_or_default(),
        };
        Look {
            format,
            expanded: if self.expanded {
                Expanded::On
            } else {
                Expanded::Off
            },
            tuples_only: self.tuples_only,
            ..Look::default()
        }
    }
}

/// Runs statements until the input ends.
pub fn run(database: &DatabaseArguments, shell: &SqlArguments, welcome: Welcome) -> Result<()> {
    let variables = shell.variables.iter().map(|text| variable(text));
    let variables = variables.collect::<Result<Vec<_>>>()?;
    let target = shell.output.as_deref().map(Target::open).transpose()?;
    let db = open::database(database)?;
    let name = shell.database.as_deref().filter(|name| !name.is_empty());
    let output = Output::standard(shell.json);
    let mut session = Shell::new(db.clone(), name, output, shell.look())?;
    session.variables.extend(variables);
    session.target = target;
    session.is_quiet = shell.quiet;
    let outcome = if !shell.actions.is_empty() {
        by_arguments(&mut session, &shell.actions)
    } else if is_interactive_possible() {
        session.is_interactive = true;
        by_hand(&mut session, &db, database, welcome)
    } else {
        if welcome == Welcome::Banner {
            eprintln!("{}", greeting(&db));
        }
        script(&mut session, None)
    };
    let closed = session.target.take().map_or(Ok(()), Target::close);
    let flushed = session.output.flush();
    drop(session);
    let outcome = outcome.and(closed).and(flushed);
    let closed = open::close(db);
    outcome.and(closed)
}

/// `NAME=VALUE`; a name alone is set to nothing, as psql does.
fn variable(text: &str) -> Result<(String, String)> {
    match text.split_once('=').unwrap_or((text, "")) {
        ("", _) => Err(Failure::usage(format!("`{text}` names no variable"))),
        (name, value) => Ok((name.to_owned(), value.to_owned())),
    }
}

fn greeting(database: &Database) -> String {
    format!(
        "RustDB v{}\nData directory: {}\nType `help` for help, `\\q` to leave; \
         `rustdb --demo` shows what RustDB does.",
        env!("CARGO_PKG_VERSION"),
        database.path().display()
    )
}

/// What `-c` and `-f` gave. What fails is told, and the next one runs, unless `ON_ERROR_STOP` is
/// set.
fn by_arguments(session: &mut Shell, actions: &[Action]) -> Result<()> {
    let mut failed = None;
    for action in actions {
        let outcome = match action {
            Action::Command(text) => session.run_argument(text),
            Action::File(name) => script(session, Some(name)).map(|()| Next::Continue),
        };
        session.output.flush()?;
        let failure = match outcome {
            Ok(Next::Continue) => continue,
            Ok(Next::Quit) => break,
            Err(failure) => failure,
        };
        let Some(status @ (Status::Failed | Status::Usage | Status::Script)) = failure.status()
        else {
            return Err(failure);
        };
        failure.tell(session.is_json());
        failed = match status {
            Status::Script => Some(Status::Script),
            _ => Some(Status::Failed),
        };
        if variables::is_on(&session.variables, "ON_ERROR_STOP") {
            break;
        }
    }
    failed.map_or(Ok(()), |status| Err(Failure::AlreadyTold(status)))
}

/// A script from a file, or from standard input.
fn script(session: &mut Shell, name: Option<&str>) -> Result<()> {
    session.has_failed = false;
    match name.filter(|name| *name != "-") {
        None => {
            let next = session.run_script(None, standard_lines())?;
            if next == Next::Quit && !session.is_json() {
                session.output.line("Bye!")?;
            }
        }
        Some(name) => {
            let file =
                std::fs::File::open(name).map_err(|error| Failure::file("open", name, &error))?;
            session.run_script(Some(name), io::BufReader::new(file).split(b'\n'))?;
        }
    }
    match session.has_failed {
        true => Err(Failure::AlreadyTold(Status::Script)),
        false => Ok(()),
    }
}

/// A person types. What fails is told, and the shell goes on.
fn by_hand(
    session: &mut Shell,
    db: &Database,
    arguments: &DatabaseArguments,
    welcome: Welcome,
) -> Result<()> {
    if welcome == Welcome::Banner {
        println!("{}", greeting(db));
    }
    // An encrypted database shall leave no plain text in its directory, and one that is only read
    // shall stay as it is: their history ends with the shell.
    let keeps_history = !arguments.read_only && !keys::is_given(arguments);
    let directory: Option<PathBuf> = keeps_history.then(|| db.path().to_owned());
    let mut editor = Editor::new(directory.as_deref())?;
    loop {
        let prefilled = session.prefilled.take();
        editor.follow(db, session.connection.database());
        let text = match editor.read(session.connection.is_in_transaction(), prefilled)? {
            Typed::Text(text) => text,
            Typed::Cleared => continue,
            Typed::End => break,
        };
        match session.run_typed(&text) {
            Ok(Next::Continue) => (),
            Ok(Next::Quit) => break,
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            Err(failure) => failure.tell(false),
        }
        session.output.flush()?;
        if signals::is_terminating() {
            return Ok(());
        }
    }
    session.output.line("Bye!")?;
    session.output.flush()
}
