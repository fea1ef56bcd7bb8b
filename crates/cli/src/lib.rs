//! The `rustdb` command: shells, import and export, and care of a database, from a terminal.
//!
//! ```text
//! arguments ──▶ main ──▶ open ──▶ shell      put, get, scan ... by hand or from a script
//!                 │       └─────▶ sql        statements, by hand or from a script
//!                 │       └─────▶ transfer   CSV, JSON lines and dumps, in and out
//!                 │       └─────▶ care       verify, repair, upgrade, checkpoint, keys
//!                 │       └─────▶ stats, demo
//!                 └─────▶ generate           completions and the manual page
//! ```
//!
//! What a person is told goes to standard error if it is about the work, and to standard output
//! if it is the work's result. A script gets the exit code: see [`failure::Status`].
//!
//! This crate knows people and scripts. It sees the database through its public interface only.

#![forbid(unsafe_code)]

mod arguments;
mod care;
mod demo;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generate;
mod keys;
mod open;
mod output;
mod shell;
mod signals;
mod sql;
mod stats;
mod transfer;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::failure::Result;
use crate::output::Output;

/// The program: does what the arguments of the process say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(error) => return arguments::told(&error),
    };
    let json = arguments.wants_json();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(arguments: Arguments) -> Result<()> {
    open::check_environment()?;
    let Arguments {
        database,
        demo,
        shell,
        command,
    } = arguments;
    if demo {
        return demo::run(&database);
    }
    match command {
        None => sql::run(&database, &shell, shell::Welcome::Banner),
        Some(Command::Local(shell)) => shell::run(&database, &shell, shell::Welcome::None),
        Some(Command::Sql(shell)) => sql::run(&database, &shell, shell::Welcome::None),
        Some(Command::Import(import)) if import.table.is_some() => {
            let table = import.table.as_deref().unwrap_or_default();
            let request = transfer::table_request(&import, table)?;
            let db = open::database(&database)?;
            let report = transfer::table::import(&db, import.database.as_deref(), &request)?;
            report.print(&mut Output::standard(import.json))?;
            open::close(db)
        }
        Some(Command::Import(import)) => {
            let file = transfer::Import::prepare(&import)?;
            let db = open::database(&database)?;
            let report = file.load(&db, None)?;
            report.print(&mut Output::standard(import.json))?;
            open::close(db)
        }
        Some(Command::Export(export)) => {
            let db = open::existing(&database)?;
            let report = transfer::export(&db, &export, None)?;
            report.print(&mut Output::standard(export.json))?;
            open::close(db)
        }
        Some(Command::Stats(result)) => care::on_existing(&database, result.json, stats::print),
        Some(Command::Verify(result)) => care::on_existing(&database, result.json, care::verify),
        Some(Command::Repair(result)) => {
            care::repair(&database, &mut Output::standard(result.json))
        }
        Some(Command::Upgrade(result)) => {
            care::upgrade(&database, &mut Output::standard(result.json))
        }
        Some(Command::Checkpoint(checkpoint)) => {
            care::on_existing(&database, checkpoint.result.json, |db, output| {
                care::checkpoint(db, &checkpoint, output)
            })
        }
        Some(Command::Compact(result)) => care::on_existing(&database, result.json, care::compact),
        Some(Command::ChangeKey(change)) => {
            care::on_existing(&database, change.result.json, |db, output| {
                care::change_key(db, &change, output)
            })
        }
        Some(Command::Reencrypt(result)) => {
            care::on_existing(&database, result.json, |db, output| {
                care::reencrypt(db, &database, output)
            })
        }
        Some(Command::Completions { shell }) => generate::completions(shell),
        Some(Command::Man) => generate::manual(),
        Some(Command::Version) => {
            let mut output = Output::standard(false);
            output.line(&format!("rustdb {}", env!("CARGO_PKG_VERSION")))?;
            output.flush()
        }
    }
}
