//! `kill -9` of a process with several writers, at random moments.
//!
//! This program starts itself as a child that writes to a database on the real file system and
//! prints what it was told is safe. The parent kills it, opens the database and compares: of
//! every writer it must find the last acknowledged state or, whole, the one that was under way.
//! All rounds work on one database, so a round starts from what the kills before it left; some
//! kills come while the child still recovers.
//!
//! A few rounds always run; `RUSTDB_KILL_ROUNDS` asks for more, as `cargo xtask kill` does.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test without the harness: real processes, threads and time, and a panic is a failure"
)]

mod child;
mod model;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::{Load, Random, State, WRITERS};
use rustdb::Database;

/// What all rounds of one load did.
#[derive(Default)]
struct Total {
    rounds: u64,
    acknowledged: u64,
    /// Rounds that were killed before anything was acknowledged.
    early: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "child") {
        child::run(&arguments[2..]);
        return;
    }
    let rounds = match std::env::var("RUSTDB_KILL_ROUNDS") {
        Ok(text) => text.parse().expect("RUSTDB_KILL_ROUNDS is a number"),
        Err(_) => 4,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = now.as_nanos() as u64;
    let start = Instant::now();
    for load in Load::ALL {
        let total = kill_again_and_again(load, rounds, seed);
        println!(
            "{load:?}: {} rounds, {} acknowledged writes by {WRITERS} writers, {} rounds killed \
             before the first",
            total.rounds, total.acknowledged, total.early
        );
        assert!(total.acknowledged > 0, "nothing was ever acknowledged");
    }
    println!("kill: ok in {:.1?}, seed {seed}", start.elapsed());
}

fn kill_again_and_again(load: Load, rounds: u64, seed: u64) -> Total {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("db");
    let mut random = Random::new(seed);
    let mut states: Vec<State> = (0..WRITERS).map(State::new).collect();
    let mut total = Total::default();
    for round in 0..rounds {
        let patience = match random.below(5) {
            0 => Duration::from_micros(random.below(20_000)),
            _ => Duration::from_micros(random.below(400_000)),
        };
        let before: Vec<u64> = states.iter().map(|state| state.steps).collect();
        let acknowledged = kill_once(&directory, load, &before, patience);
        total.rounds += 1;
        total.acknowledged += acknowledged.iter().sum::<u64>();
        total.early += u64::from(acknowledged.iter().all(|count| *count == 0));
        let db = Database::open_with(&directory, load.options())
            .unwrap_or_else(|error| panic!("seed {seed}, round {round}, {load:?}: {error}"));
        for (state, count) in states.iter_mut().zip(acknowledged) {
            (0..count).for_each(|_| state.step(load));
            if let Err(what) = state.catch_up_with(&db, load) {
                panic!("seed {seed}, round {round}, {load:?}: {what}");
            }
        }
        db.close().unwrap();
    }
    total
}

/// Runs a child for so long; returns how many steps each writer was told are safe.
fn kill_once(directory: &Path, load: Load, before: &[u64], patience: Duration) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("child")
        .arg(directory)
        .arg(load.name())
        .args(before.iter().map(u64::to_string))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let killer = std::thread::spawn(move || {
        std::thread::sleep(patience);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    let mut acknowledged = vec![0; WRITERS];
    for line in output.lines().map_while(Result::ok) {
        let writer: usize = line
            .parse()
            .unwrap_or_else(|_| panic!("the child says: {line}"));
        acknowledged[writer] += 1;
    }
    let status = killer.join().unwrap();
    assert!(
        status.code().is_none(),
        "the child ended by itself: {status}"
    );
    acknowledged
}
