//! Runs simulations: `rustdb-sim [--seeds N] [--seed FIRST]`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use rustdb_sim::{Report, run_seed};

fn main() -> ExitCode {
    let (mut seeds, mut first) = (1_000, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (argument.as_str(), value) {
            ("--seeds", Some(value)) => seeds = value,
            ("--seed", Some(value)) => (first, seeds) = (value, 1),
            ("--first", Some(value)) => first = value,
            _ => {
                eprintln!("usage: rustdb-sim [--seeds N] [--first SEED] [--seed SEED]");
                return ExitCode::from(2);
            }
        }
    }
    let mut total = Report::default();
    let mut failures = 0u64;
    for seed in first..first + seeds {
        match run_seed(seed) {
            Ok(report) => {
                total.steps += report.steps;
                total.power_losses += report.power_losses;
                total.recoveries += report.recoveries;
                total.failed_steps += report.failed_steps;
            }
            Err(what) => {
                failures += 1;
                println!("FAILED {what}\n");
            }
        }
    }
    println!(
        "{seeds} seeds, {failures} failures: {} steps, {} power losses, {} recoveries, {} steps \
         met an injected fault",
        total.steps, total.power_losses, total.recoveries, total.failed_steps
    );
    ExitCode::from(u8::from(failures > 0))
}
