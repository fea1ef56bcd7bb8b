//! Rows that are no statement in a loop: threads at once, loading files, opening.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Subject;
use super::engine::{Connector, Engine, Open, Param};
use super::workloads::scattered;
use crate::engine::{Failure, Result, ensure};

/// A figure of an engine.
pub(crate) type Figures = Vec<(&'static str, f64)>;

// ---------------------------------------------------------------------------------------- threads

/// How many threads write and read at once.
const THREADS: u64 = 8;

pub(crate) const MIXED: &str = "8 threads mixed, not durable";

/// What the threads do, and how often out of twenty times.
const STATEMENTS: [(&str, u64); 4] = [
    ("SELECT id, grp, name, price FROM items WHERE id = $1", 14),
    ("SELECT id, grp, name, price FROM items WHERE grp = $1", 2),
    ("UPDATE items SET price = price + 1 WHERE id = $1", 3),
    (
        "INSERT INTO items (id, grp, name, price) VALUES ($1, 1, 'new', 0)",
        1,
    ),
];

/// Statements in a second of all threads together, each a transaction of its own.
pub(crate) fn mixed(all: &mut [Subject], time: Duration) -> Result<Figures> {
    let mut figures = Vec::new();
    for (name, workload) in all {
        let Some(connect) = workload.engine().connector() else {
            continue;
        };
        if workload.engine().is_always_durable() {
            continue;
        }
        let rows = workload.rows();
        let begin = Instant::now();
        let done = std::thread::scope(|scope| {
            let threads = (0..THREADS).map(|thread| {
                let connect = &connect;
                scope.spawn(move || work(connect, thread, rows, time))
            });
            let threads: Vec<_> = threads.collect();
            let done = threads.into_iter().map(|thread| {
                let gone = |_| Err(Failure("a thread panicked".to_owned()));
                thread.join().unwrap_or_else(gone)
            });
            done.collect::<Result<Vec<_>>>()
        })?;
        let seconds = begin.elapsed().as_secs_f64();
        let inserted: u64 = done.iter().map(|(_, inserted)| inserted).sum();
        let engine = workload.engine();
        let found = engine.query("SELECT count(*) FROM items WHERE id > 1000000")?;
        ensure!(
            found == inserted as i64,
            "{name}: {inserted} rows were inserted and {found} are there"
        );
        engine.run("DELETE FROM items WHERE id > 1000000")?;
        let turns: u64 = done.iter().map(|(turns, _)| turns).sum();
        figures.push((*name, turns as f64 / seconds));
    }
    Ok(figures)
}

/// A thread's work; how many statements it ran, and how many rows it inserted.
fn work(connect: &Connector, thread: u64, rows: i64, time: Duration) -> Result<(u64, u64)> {
    let mut engine = connect()?;
    engine.set_durable(false)?;
    let statements = STATEMENTS.map(|(text, _)| engine.prepare(text));
    let statements = statements.into_iter().collect::<Result<Vec<_>>>()?;
    let (mut turn, mut inserted) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < time {
        let mut share = turn % 20;
        let kind = STATEMENTS.iter().position(|(_, shares)| {
            let is_it = share < *shares;
            share = share.saturating_sub(*shares);
            is_it
        });
        let random = scattered((turn * THREADS + thread) as i64, rows);
        let kind = kind.unwrap_or(0);
        let number = match kind {
            1 => random % (rows / 10),
            3 => {
                inserted += 1;
                1_000_000 + (thread * 10_000_000 + inserted) as i64
            }
            _ => random,
        };
        engine.execute(statements[kind], &[Param::Int(number)])?;
        turn += 1;
    }
    Ok((turn, inserted))
}

// ------------------------------------------------------------------------------------------ files

pub(crate) const LOAD: &str = "load of three CSV files";

/// Names the directory of the files.
const FILES: &str = "RUSTDB_BENCH_CSV";

const TABLES: [(&str, &str); 3] = [
    (
        "packages",
        "name TEXT PRIMARY KEY, version TEXT, architecture TEXT, section TEXT, priority TEXT, \
         installed_kib INT, size_bytes INT, source TEXT, description TEXT",
    ),
    (
        "relations",
        "package TEXT, kind TEXT, group_no INT, target TEXT, op TEXT, target_version TEXT",
    ),
    ("tags", "package TEXT, tag TEXT"),
];

/// Where the files are, if they are.
fn files() -> Option<PathBuf> {
    let directory = match std::env::var_os(FILES) {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from("../shared/data"),
    };
    let is_there = |(table, _): &(&str, &str)| file(&directory, table).exists();
    TABLES.iter().all(is_there).then_some(directory)
}

fn file(directory: &Path, table: &str) -> PathBuf {
    directory.join(format!("{table}.csv"))
}

/// Milliseconds to make three tables and fill them, durably; the best of three times.
pub(crate) fn load(all: &mut [Subject], rounds: usize) -> Result<Figures> {
    let Some(directory) = files() else {
        eprintln!("{LOAD}: left out, {FILES} does not name their directory");
        return Ok(Vec::new());
    };
    let mut best = vec![f64::INFINITY; all.len()];
    let mut counts = Vec::new();
    for _ in 0..rounds {
        for ((_, workload), best) in all.iter_mut().zip(&mut best) {
            let engine = workload.engine();
            engine.set_durable(true)?;
            for (table, _) in TABLES {
                engine.run(&format!("DROP TABLE IF EXISTS {table}"))?;
            }
            let begin = Instant::now();
            for (table, columns) in TABLES {
                engine.run(&format!("CREATE TABLE {table} ({columns})"))?;
                engine.load(table, &file(&directory, table))?;
            }
            *best = best.min(begin.elapsed().as_secs_f64() * 1e3);
            for (table, _) in TABLES {
                let of = "count(*), count(*) - count(version), sum(installed_kib)";
                let of = if table == "packages" { of } else { "count(*)" };
                counts.push(engine.query(&format!("SELECT {of} FROM {table}"))?);
            }
            engine.set_durable(false)?;
        }
    }
    let first = counts[..TABLES.len()].to_vec();
    ensure!(
        counts.chunks(TABLES.len()).all(|counts| counts == first),
        "{LOAD}: the engines have different rows: {counts:?}"
    );
    Ok(all.iter().map(|(name, _)| *name).zip(best).collect())
}

// ---------------------------------------------------------------------------------------- opening

pub(crate) const OPEN: &str = "open a database with 1,000 tables, and read one";

/// Milliseconds; only of engines within the process.
pub(crate) fn open(
    engines: &[(&'static str, Open)],
    directory: &Path,
    rounds: usize,
) -> Result<Figures> {
    let mut figures = Vec::new();
    for (name, open) in engines {
        let place = super::emptied(directory, &format!("{name}-1000"))?;
        fill(&mut *open(&place)?)?;
        let mut best = f64::INFINITY;
        for _ in 0..rounds {
            let begin = Instant::now();
            let rows = open(&place)?.query("SELECT id FROM t500 WHERE id = 1")?;
            best = best.min(begin.elapsed().as_secs_f64() * 1e3);
            ensure!(rows == 1, "{name}: the row is not there");
        }
        figures.push((*name, best));
    }
    Ok(figures)
}

fn fill(engine: &mut dyn Engine) -> Result<()> {
    engine.run("BEGIN")?;
    for table in 0..1000 {
        engine.run(&format!(
            "CREATE TABLE t{table} (id INT PRIMARY KEY, name TEXT NOT NULL, price INT DEFAULT 7);
             CREATE INDEX t{table}_name ON t{table} (name);
             INSERT INTO t{table} VALUES (1, 'one', 1)"
        ))?;
    }
    engine.run("COMMIT")
}
