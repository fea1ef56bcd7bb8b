//! The project's own commands: `cargo xtask COMMAND`.
//!
//! - `tidy` checks what compilers do not: layers, sizes, words, links. [`layers`] holds the table
//!   of crates, which is the one truth about who may import whom.
//! - `ci` runs every check in order and prints each command first, so that a failure can be
//!   repeated by hand.
//! - `bench` builds and runs the benchmarks in release mode, `size` looks how large a program that
//!   embeds the database is, `sim` runs the simulations, `kill` the tests that kill processes,
//!   `fuzz` the fuzz targets.
//!
//! This crate knows the repository, not the database: it imports none of our crates.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod fuzz;
mod layers;
mod size;
mod tidy;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

commands:
  tidy                   check layers, sizes, words and links
  ci [--fast]            format, lints, tests, tidy, documentation; --fast leaves out
                         tests and documentation
  bench kv [OPTIONS]     measure the key-value engine; see `cargo xtask bench kv --help`
  size                   build a program that embeds the database, and fail if it is larger
                         than promised
  sim [--seeds N] [--seed SEED]
                         simulate whole databases; a seed that failed repeats exactly
  sim --exhaustive [--seed SEED] [--sample N]
                         lose power at every step of a workload, and at every step of every
                         recovery (of one in N)
  kill [--rounds N]      kill -9 of the shell and of several writers, N times for each load
                         (plain, encrypted, large values), and look for what was acknowledged
  fuzz [TARGET...] [--all] [--seconds N]
                         give bytes to everything that reads bytes; see `cargo xtask fuzz --help`
  help                   print this text
";

/// Why a command failed, as a sentence for the person at the terminal.
type Failure = String;

/// Simulates whole databases.
fn simulate(arguments: &[String]) -> Result<(), Failure> {
    let run = ["run", "--release", "--package", "rustdb-sim", "--"];
    workspace::run(workspace::cargo().args(run).args(arguments))
}

/// Kills real processes. The tests do it; this asks for many rounds, of release builds.
fn kill(arguments: &[String]) -> Result<(), Failure> {
    let rounds = match arguments {
        [] => "100",
        [option, rounds] if option == "--rounds" && rounds.parse::<u64>().is_ok() => rounds,
        _ => return Err("usage: cargo xtask kill [--rounds N]".to_owned()),
    };
    let programs = [
        vec!["--package", "rustdb", "--test", "kill"],
        vec![
            "--package",
            "rustdb-cli",
            "--test",
            "it",
            "kill",
            "--",
            "--nocapture",
        ],
    ];
    for program in programs {
        let mut command = workspace::cargo();
        command.args(["test", "--release"]).args(program);
        workspace::run(command.env("RUSTDB_KILL_ROUNDS", rounds))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let outcome = match command {
        "tidy" => tidy::command(),
        "ci" => ci::command(rest),
        "bench" => bench::command(rest),
        "size" => size::command(rest),
        "sim" => simulate(rest),
        "kill" => kill(rest),
        "fuzz" => fuzz::command(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown command `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
