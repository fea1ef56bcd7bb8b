//! Benchmarks of RustDB beside its peers: `cargo xtask bench kv`.
//!
//! The program starts itself again as a worker for every engine.
//!
//! The rules of the comparison, which the code below is made to keep:
//!
//! - **Same work.** A suite is written once, against [`Engine`]; an adapter per engine takes that
//!   engine's best documented way to do a thing.
//! - **Same settings.** Durability, cache budget and compression (none: the data is random) are
//!   the suite's choice, never the adapter's.
//! - **Same run, same machine, in turns.** Each engine lives in a process of its own. Every step
//!   is run by all engines before the next step starts, in an order that rotates, and a process
//!   that is not at its turn is stopped, so that one engine's background work cannot slow another
//!   and is not done for free while nobody looks.
//! - **Answers are checked while they are measured.** Values follow from keys, so that every value
//!   read is compared; what a step removed or counted is compared between engines.
//!
//! | module | what it is |
//! |---|---|
//! | [`options`] | the command line |
//! | [`engine`] | what a suite asks of an engine |
//! | [`engines`] | the adapters, one file each, each behind a feature |
//! | [`data`] | keys, values, and distributions from a seed |
//! | [`histogram`] | latencies as percentiles |
//! | [`suites`] | the workloads |
//! | [`worker`], [`driver`] | the process of one engine; the one that gives turns |
//! | [`report`] | the table and the JSON |
//! | [`sql`] | `cargo xtask bench sql`, which is simpler |
//!
//! What is absent: measurements of network servers, and engines that need a server.

#![deny(unsafe_code)]

mod data;
mod driver;
mod engine;
mod engines;
mod histogram;
mod options;
mod report;
mod sql;
mod suites;
mod worker;

use std::process::ExitCode;

use driver::Plan;
use engine::{Failure, Result};
use options::{HELP, Options};
use suites::Parameters;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::parse(lexopt::Parser::from_env())?;
    match options.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        _ if options.help => print!("{HELP}"),
        ["worker", suite, engine, directory] => {
            worker::serve(suite, engine, directory.as_ref(), &options.parameters)?;
        }
        ["kv"] if options.list => list(&options.parameters)?,
        ["kv"] => measure(options)?,
        ["sql"] => sql::measure(&options)?,
        _ => return Err(Failure(format!("nothing to do\n\n{HELP}"))),
    }
    Ok(())
}

fn measure(options: Options) -> Result<()> {
    let plan = Plan {
        suites: if options.suites.is_empty() {
            options::owned(&suites::usual())
        } else {
            options.suites
        },
        engines: if options.engines.is_empty() {
            options::owned(&engine::names())
        } else {
            options.engines
        },
        only: options.only,
        directory: match options.directory {
            Some(directory) => directory,
            None => std::env::current_exe()?.with_file_name("bench-data"),
        },
        worker_arguments: options::arguments(&options.parameters),
        parameters: options.parameters,
    };
    let report = driver::run(&plan)?;
    println!("{}", report.table());
    if let Some(path) = options.json {
        std::fs::write(&path, report.json())?;
    }
    Ok(())
}

fn list(parameters: &Parameters) -> Result<()> {
    println!("engines: {}", engine::names().join(", "));
    for name in suites::names() {
        let suite = suites::suite(name, parameters)?;
        println!(
            "{name}: cache of {} MiB",
            suite.settings().cache_bytes >> 20
        );
        for step in suite.steps() {
            println!("  {}", step.name);
        }
    }
    Ok(())
}
