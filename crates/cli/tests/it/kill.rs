//! `kill -9` at a random moment: what the shell acknowledged is there afterwards.
//!
//! A few rounds run always; `RUSTDB_KILL_ROUNDS` asks for more, as `cargo xtask kill` does. They work on one database, so that a
//! round starts from what the kills before it left.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::harness::{Place, command, files};

fn rounds() -> u64 {
    match std::env::var("RUSTDB_KILL_ROUNDS") {
        Ok(text) => text.parse().expect("RUSTDB_KILL_ROUNDS is a number"),
        Err(_) => 3,
    }
}

/// Numbers without a pattern; the seed is told when a round fails.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % limit
    }
}

fn key_of(round: u64, number: u64) -> String {
    format!("round-{round:03}-{number:06}")
}

/// Lets a process write keys until it is killed; gives how many it acknowledged.
fn write_until_killed(command: &mut Command, round: u64, random: &mut Random) -> u64 {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    // Values of many sizes, so that flushes and value files are under way at some of the kills.
    let sizes: Vec<usize> = (0..997)
        .map(|_| random.below(12).pow(3) as usize * 10)
        .collect();
    let feeder = std::thread::spawn(move || {
        for number in 0.. {
            let value = "x".repeat(sizes[number as usize % sizes.len()]);
            if writeln!(input, "put {} v{number}{value}", key_of(round, number)).is_err() {
                return;
            }
        }
    });
    let patience = Duration::from_micros(random.below(400_000));
    let killer = std::thread::spawn(move || {
        std::thread::sleep(patience);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let acknowledged = output
        .lines()
        .map_while(Result::ok)
        .filter(|line| line == "OK")
        .count();
    killer.join().unwrap();
    feeder.join().unwrap();
    acknowledged as u64
}

#[test]
fn what_a_killed_statement_put_aside_is_gone_when_the_database_opens_next() {
    let place = Place::new();
    let table =
        "create table t (id int primary key); insert into t select generate_series(1, 1000)";
    place.run(&["-c", table]).ok();
    // Far more rows than any machine sorts before it is killed.
    let sort = "set work_mem = '64kB'; select count(*) from (select md5(a.id::text || b.id) \
                from t a, t b, generate_series(1, 1000) order by 1) x";
    let mut statement = command();
    statement.args(["-c", sort, "--data-dir"]);
    statement.arg(place.database());
    let mut child = statement.stdout(Stdio::null()).spawn().unwrap();
    let has_put_aside = || {
        let mut names = files(&place.database()).into_iter();
        names.any(|name| name.ends_with(".spill.tmp"))
    };
    while !has_put_aside() {
        assert_eq!(child.try_wait().unwrap(), None, "it put nothing aside");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_put_aside());
    let count = ["--csv", "-c", "select count(*) from t"];
    assert_eq!(place.run(&count).ok(), "count\n1000\n");
    assert!(!has_put_aside());
    place.run(&["verify"]).ok();
}

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let place = Place::new();
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    let mut random = Random(seed);
    let mut acknowledged = Vec::new();
    for round in 0..rounds() {
        let mut writer = command();
        // Small buffers, so that there are flushes and compactions to interrupt.
        writer.args(["local", "--write-buffer-mib", "1"]);
        writer.arg("--data-dir").arg(place.database());
        acknowledged.push(write_until_killed(&mut writer, round, &mut random));

        let keys: BTreeSet<String> = place
            .run(&["local", "-c", "scan round-"])
            .ok()
            .lines()
            .filter_map(|line| Some(line.split_once(" = v")?.0.to_owned()))
            .collect();
        for (round, &written) in acknowledged.iter().enumerate() {
            let round = round as u64;
            for number in 0..written {
                let key = key_of(round, number);
                assert!(
                    keys.contains(&key),
                    "seed {seed}: {key} of {written} is gone"
                );
            }
            let there = keys.range(key_of(round, 0)..key_of(round + 1, 0)).count() as u64;
            assert!(
                there <= written + 1,
                "seed {seed}: {there} keys, {written} acknowledged"
            );
        }
    }
    let total: u64 = acknowledged.iter().sum();
    println!(
        "{total} acknowledged writes in {} rounds, seed {seed}",
        acknowledged.len()
    );
}
