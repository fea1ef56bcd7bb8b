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
//! | [`whole`] | rows that are no statement in a loop |
//! | [`tpcc`] | transactions of several statements: `--suite tpcc` |
//! | `tpch` | analyses, behind a feature: `--suite tpch` |
//! | `sqlite`, `postgres`, `duckdb` | the peers, each behind a feature; the last two if installed |
//! | [`answer`], `csv` | answers compared; files read for engines that do not |

#[cfg_attr(not(feature = "tpch"), expect(dead_code, reason = "for TPC-H"))]
mod answer;
#[cfg(feature = "peer-sqlite")]
mod csv;
#[cfg(feature = "peer-duckdb")]
mod duckdb;
mod engine;
#[cfg(feature = "peer-postgres")]
mod postgres;
#[cfg(feature = "peer-sqlite")]
mod sqlite;
mod tpcc;
#[cfg(feature = "tpch")]
mod tpch;
mod whole;
mod workloads;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::{Failure, OURS, Result, ensure, fail};
use crate::options::Options;
use crate::report::Report;
use crate::suites::{Better, Measurement};

use engine::{Engine, Open};
use whole::Figures;
use workloads::{ROWS, Row, Workload};

/// How often each engine has its turn.
const ROUNDS: usize = 3;

/// How much each engine within the process may keep of what it has read: all of TPC-H at scale 1.
/// DuckDB has no limit.
const CACHE_BYTES: usize = 2 << 30;

/// The engines that were built, ours first.
fn engines() -> Vec<(&'static str, Open)> {
    vec![
        (OURS, engine::open as Open),
        #[cfg(feature = "peer-sqlite")]
        ("sqlite", sqlite::open as Open),
        #[cfg(feature = "peer-postgres")]
        ("postgres", postgres::open as Open),
        #[cfg(feature = "peer-duckdb")]
        ("duckdb", duckdb::open as Open),
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
            "tpcc" => tpcc::measure(options)?,
            #[cfg(feature = "tpch")]
            "tpch" => tpch::measure(options)?,
            #[cfg(not(feature = "tpch"))]
            "tpch" => fail!("this program was built without the feature `tpch`"),
            _ => fail!("unknown suite `{suite}`: there are `rows`, `tpcc` and `tpch`"),
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
fn wanted(options: &Options) -> Result<Vec<(&'static str, Open)>> {
    let mut engines = engines();
    let has = |engine: &&String| engines.iter().any(|(name, _)| name == engine);
    if let Some(unknown) = options.engines.iter().find(|engine| !has(engine)) {
        let names: Vec<&str> = engines.iter().map(|(name, _)| *name).collect();
        fail!(
            "no engine `{unknown}` was built in, only {}; others are features of this crate",
            names.join(", ")
        );
    }
    if !options.engines.is_empty() {
        engines.retain(|(name, _)| options.engines.iter().any(|engine| engine == name));
    }
    Ok(engines)
}

/// Opens an empty database of each engine that the options name. A peer that is not installed is
/// left out, and said to be.
fn opened(options: &Options) -> Result<Vec<(&'static str, Box<dyn Engine>)>> {
    let directory = directory(options)?;
    let mut all = Vec::new();
    for (name, open) in wanted(options)? {
        match open(&emptied(&directory, name)?) {
            Ok(engine) => all.push((name, engine)),
            Err(Failure(why)) if name != OURS => eprintln!("{name} is left out: {why}"),
            Err(failure) => return Err(failure),
        }
    }
    Ok(all)
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
    let mut all = Vec::new();
    for (name, engine) in opened(options)? {
        eprintln!("{name}: filling tables");
        all.push((name, Workload::new(engine, options.parameters.scale)?));
    }
    let names: Vec<String> = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut report = Report::new(&names);
    let time = Duration::from_secs_f64(options.parameters.seconds / ROUNDS as f64);
    let mut add = |workload: &str, unit: &str, better: Better, figures: Figures| {
        for (name, value) in figures {
            let (workload, unit) = (workload.to_owned(), unit.to_owned());
            let measurement = Measurement {
                workload,
                value,
                unit,
                better,
            };
            report.add(name, measurement);
        }
    };
    let wanted_row = |name: &str| {
        let only = &options.only;
        let wanted = only.is_empty() || only.iter().any(|only| name.contains(&**only));
        if wanted {
            eprintln!("{name}");
        }
        wanted
    };
    for row in ROWS.iter().filter(|row| wanted_row(row.name)) {
        add(
            row.name,
            "us",
            Better::Lower,
            row_figures(row, &mut all, time)?,
        );
    }
    if wanted_row(whole::MIXED) {
        add(
            whole::MIXED,
            "statement/s",
            Better::Higher,
            whole::mixed(&mut all, time)?,
        );
    }
    if wanted_row(whole::LOAD) {
        add(
            whole::LOAD,
            "ms",
            Better::Lower,
            whole::load(&mut all, ROUNDS)?,
        );
    }
    if wanted_row(whole::OPEN) {
        let mut engines = wanted(options)?;
        engines.retain(|(name, _)| [OURS, "sqlite"].contains(name));
        let figures = whole::open(&engines, &directory(options)?, ROUNDS)?;
        add(whole::OPEN, "ms", Better::Lower, figures);
    }
    finish(&report, options)
}

/// An engine with its tables.
type Subject = (&'static str, Workload);

/// Microseconds for each turn of the row's loop, by engine.
fn row_figures(row: &Row, all: &mut [Subject], time: Duration) -> Result<Figures> {
    let mut best: Vec<Option<f64>> = vec![None; all.len()];
    let mut sums: Vec<Option<i64>> = vec![None; all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            let at = (turn + round) % all.len();
            let workload = &mut all[at].1;
            if !workload.takes_part(row) {
                continue;
            }
            let turns_max = match row.uses_up {
                true => (workload.rows() as u64).saturating_sub(row.checked + row.stride),
                false => u64::MAX,
            };
            let mut run = workload.start(row)?;
            // The first turns are the same for all engines, and what is compared.
            let (sum, _) = run(0..row.checked)?;
            sums[at].get_or_insert(sum);
            let (mut turns, mut spent) = (0, Duration::ZERO);
            while turns == 0 || spent < time && turns < turns_max {
                let from = row.checked + turns;
                spent += run(from..from + row.stride)?.1;
                turns += row.stride;
            }
            let each = spent.as_secs_f64() * 1e6 / turns as f64;
            best[at] = Some(best[at].map_or(each, |best| best.min(each)));
            drop(run);
            workload.end(row)?;
        }
    }
    let first = sums.iter().copied().flatten().next();
    ensure!(
        sums.iter().flatten().all(|sum| Some(*sum) == first),
        "{}: the engines give different results: {sums:?}",
        row.name
    );
    let names = all.iter().map(|(name, _)| *name);
    let figures = names.zip(best);
    Ok(figures
        .filter_map(|(name, best)| Some((name, best?)))
        .collect())
}
