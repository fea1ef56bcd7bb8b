//! Runs simulations: `rustdb-sim [--seeds N] [--seed FIRST]`, or, with `--exhaustive`, power loss
//! at every step of a fixed workload and of every recovery.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use rustdb_sim::{Extent, Report, exhaust, run_seed};

const USAGE: &str = "\
usage: rustdb-sim [--seeds N] [--first SEED] [--seed SEED]
       rustdb-sim --exhaustive [--seed SEED] [--sample N]

--sample N interrupts one recovery in N only";

fn main() -> ExitCode {
    let (mut seeds, mut first, mut sample) = (1_000, 1, 1);
    let mut is_exhaustive = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--exhaustive" {
            is_exhaustive = true;
            continue;
        }
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (argument.as_str(), value) {
            ("--seeds", Some(value)) => seeds = value,
            ("--seed", Some(value)) => (first, seeds) = (value, 1),
            ("--first", Some(value)) => first = value,
            ("--sample", Some(value)) => sample = value as usize,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match is_exhaustive {
        true => run_exhaustive(first, sample),
        false => run_seeds(first, seeds),
    }
}

fn run_exhaustive(seed: u64, sample: usize) -> ExitCode {
    let mut failures = 0u8;
    for is_encrypted in [false, true] {
        let extent = Extent {
            seed,
            is_encrypted,
            seeds: 4,
            recovery_sample: sample.max(1),
            recovery_seeds: 2,
        };
        match exhaust(extent) {
            Ok(tried) => println!("encrypted: {is_encrypted}: {tried}"),
            Err(what) => {
                failures += 1;
                println!("FAILED {what}\n");
            }
        }
    }
    ExitCode::from(failures)
}

fn run_seeds(first: u64, seeds: u64) -> ExitCode {
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
