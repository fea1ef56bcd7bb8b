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
//! | `tpch` | analyses, behind a feature: `--suite tpch` |
//! | [`answer`], `csv` | answers compared; files read for engines that do not |

#[cfg_attr(not(feature = "tpch"), expect(dead_code, reason = "for TPC-H"))]
mod answer;
#[cfg(feature = "peer-sqlite")]
mod csv;
mod engine;
#[cfg(feature = "peer-sqlite")]
mod sqlite;
#[cfg(feature = "tpch")]
mod tpch;
mod workloads;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::engine::{OURS, Result, ensure, fail};
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

/// Runs the suites that the options name; without a name, the rows.
pub(crate) fn measure(options: &Options) -> Result<()> {
    if options.suites.is_empty() {
        return measure_rows(options);
    }
    for suite in &options.suites {
        match &**suite {
            "rows" => measure_rows(options)?,
            #[cfg(feature = "tpch")]
            "tpch" => tpch::measure(options)?,
            #[cfg(not(feature = "tpch"))]
            "tpch" => fail!("this program was built without the feature `tpch`"),
            _ => fail!("unknown suite `{suite}`: there are `rows` and `tpch`"),
        }
    }
    Ok(())
}

/// Where databases are made.
fn directory(options: &Options) -> Result<PathBuf> {
    Ok(match &options.directory {
        Some(directory) => directory.clone(),
        None => std::env::current_exe()?.with_file_name("bench-data-sql"),
    })
}

/// The engines that the options name, or all.
fn wanted(options: &Options) -> Vec<(&'static str, Open)> {
    let mut engines = engines();
    if !options.engines.is_empty() {
        engines.retain(|(name, _)| options.engines.iter().any(|engine| engine == name));
    }
    engines
}

/// A directory for an engine's database, without what was in it.
fn emptied(directory: &Path, name: &str) -> Result<PathBuf> {
    let place = directory.join(name);
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// Prints a report, and writes it where the options say.
fn finish(report: &Report, options: &Options) -> Result<()> {
    println!("{}", report.table());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json())?;
    }
    Ok(())
}

/// Runs the rows that the options name.
fn measure_rows(options: &Options) -> Result<()> {
    let directory = directory(options)?;
    let mut all = Vec::new();
    for (name, open) in wanted(options) {
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
    finish(&report, options)
}

type Subject = (&'static str, Workload);

fn prepared(name: &'static str, open: Open, directory: &Path, scale: f64) -> Result<Subject> {
    let place = emptied(directory, name)?;
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
