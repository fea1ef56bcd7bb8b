//! SQL beside its peers: `cargo xtask bench sql`.
//!
//! Each row is a statement in a loop for a while, in one process, by every engine in turn, in
//! several rounds; the best round counts, so that what else the machine does is left out. Values
//! that are read are summed and the sums compared between engines.
//!
//! | module | what it is |
//! |---|---|
//! | [`engine`] | what a row asks of an engine, and RustDB |
//! | [`workloads`] | the tables and the rows |

mod engine;
#[cfg(feature = "peer-sqlite")]
mod sqlite;
mod workloads;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::engine::{OURS, Result, ensure};
use crate::options::Options;
use crate::report::Report;
use crate::suites::{Better, Measurement};

use engine::Open;
use workloads::{ROWS, Row, Workload};

/// How often each engine has its turn.
const ROUNDS: usize = 3;

/// The engines that were built, ours first.
fn engines() -> Vec<(&'static str, Open)> {
    vec![
        (OURS, engine::open as Open),
        #[cfg(feature = "peer-sqlite")]
        ("sqlite", sqlite::open as Open),
    ]
}

/// Runs the rows that the options name.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => std::env::current_exe()?.with_file_name("bench-data-sql"),
    };
    let wanted = |name: &str| {
        options.engines.is_empty() || options.engines.iter().any(|engine| engine == name)
    };
    let mut all = Vec::new();
    for (name, open) in engines().into_iter().filter(|(name, _)| wanted(name)) {
        all.push(prepared(name, open, &directory, options.parameters.scale)?);
    }
    let names: Vec<String> = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut report = Report::new(&names);
    let time = Duration::from_secs_f64(options.parameters.seconds / ROUNDS as f64);
    for row in ROWS {
        let only = &options.only;
        if !only.is_empty() && !only.iter().any(|only| row.name.contains(&**only)) {
            continue;
        }
        eprintln!("{}", row.name);
        for (name, value) in row_figures(row, &mut all, time)? {
            report.add(
                name,
                Measurement {
                    workload: row.name.to_owned(),
                    value,
                    unit: "us".to_owned(),
                    better: Better::Lower,
                },
            );
        }
    }
    println!("{}", report.table());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

type Subject = (&'static str, Workload);

fn prepared(name: &'static str, open: Open, directory: &Path, scale: f64) -> Result<Subject> {
    let place = directory.join(name);
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    eprintln!("{name}: filling tables");
    Ok((name, Workload::new(open(&place)?, scale)?))
}

/// Microseconds for each turn of the row's loop, by engine.
fn row_figures(row: &Row, all: &mut [Subject], time: Duration) -> Result<Vec<(&'static str, f64)>> {
    let mut best = vec![f64::INFINITY; all.len()];
    let mut sums: Vec<Option<i64>> = vec![None; all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            let at = (turn + round) % all.len();
            let workload = &mut all[at].1;
            let mut run = workload.start(row)?;
            // The first turns are the same for all engines, and what is compared.
            let mut sum = 0;
            for n in 0..row.checked {
                sum += run(n)?;
            }
            sums[at].get_or_insert(sum);
            let begin = Instant::now();
            let mut turns = 0;
            while turns == 0 || begin.elapsed() < time {
                for _ in 0..row.stride {
                    run(row.checked + turns)?;
                    turns += 1;
                }
            }
            let each = begin.elapsed().as_secs_f64() * 1e6 / turns as f64;
            best[at] = best[at].min(each);
            drop(run);
            workload.end(row)?;
        }
    }
    let first = sums.first().copied().flatten();
    ensure!(
        sums.iter().all(|sum| *sum == first),
        "{}: the engines give different results: {sums:?}",
        row.name
    );
    Ok(all.iter().map(|(name, _)| *name).zip(best).collect())
}
