//! Generated statements, run on RustDB and on an installed PostgreSQL 15, which must agree on every
//! value and on every SQLSTATE.
//!
//! Each seed gives tables, rows and statements. A statement that differs is made smaller before it
//! is shown. `RUSTDB_DIFFERENTIAL=FROM..TO` runs other seeds than the few of every run.

mod expression;
mod node;
mod query;
pub(crate) mod random;
mod schema;

use node::Node;
use query::Maker;
use random::Random;

use crate::engines::{Ours, Outcome, Scratch, Talk, Theirs};
use crate::server::Server;

/// What two outcomes are to each other.
enum Verdict {
    Same,
    /// One failed while it ran, on a row that the other had no need to look at.
    Unclear,
    Different,
}

/// Errors that depend on which rows and parts are evaluated, which is free.
fn is_of_running(state: &str) -> bool {
    state.starts_with("22") || matches!(state, "21000")
}

fn judge(sql: &str, ours: &Outcome, theirs: &Outcome) -> Verdict {
    match (ours, theirs) {
        (Outcome::Ran { rows: ours, .. }, Outcome::Ran { rows: theirs, .. }) => {
            match same_rows(sql, ours, theirs) {
                true => Verdict::Same,
                false => Verdict::Different,
            }
        }
        (Outcome::Failed { state, .. }, Outcome::Failed { state: other, .. }) if state == other => {
            Verdict::Same
        }
        _ => {
            let states = [ours.state(), theirs.state()];
            match states.into_iter().flatten().all(is_of_running) {
                true => Verdict::Unclear,
                false => Verdict::Different,
            }
        }
    }
}

type Rows = [Vec<Option<String>>];

fn same_rows(sql: &str, ours: &Rows, theirs: &Rows) -> bool {
    let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
    if !sql.contains(") order by") {
        // Within what is equal any order is right.
        ours.sort();
        theirs.sort();
    }
    if ours == theirs {
        return true;
    }
    // Of equal values that look different any one is right: 1.0 and 1.00, 24:00 and 1 day.
    for rows in [&mut ours, &mut theirs] {
        for cell in rows.iter_mut().flatten().flatten() {
            *cell = plain(cell);
        }
        rows.sort();
    }
    ours == theirs
}

/// One look for values that are equal.
fn plain(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok_and(f64::is_finite);
    match is_number && cell.contains('.') && !cell.contains('e') {
        true => match cell.trim_end_matches('0').trim_end_matches('.') {
            "-0" => "0".to_owned(),
            short => short.to_owned(),
        },
        false => cell.to_owned(),
    }
}

/// Two databases with the same tables.
struct Pair {
    ours: Ours,
    theirs: Theirs,
}

impl Pair {
    fn differs(&mut self, sql: &str) -> Option<(Outcome, Outcome)> {
        let (ours, theirs) = (self.ours.run(sql), self.theirs.run(sql));
        match judge(sql, &ours, &theirs) {
            Verdict::Different => Some((ours, theirs)),
            Verdict::Same | Verdict::Unclear => None,
        }
    }

    /// The smallest statement found that still differs in the same way.
    fn shrink(&mut self, mut node: Node, (ours, theirs): (Outcome, Outcome)) -> Node {
        'smaller: for _ in 0..200 {
            for candidate in node.smaller() {
                let outcomes = self.differs(&candidate.sql());
                if outcomes.is_some_and(|(our, their)| {
                    our.state() == ours.state() && their.state() == theirs.state()
                }) {
                    node = candidate;
                    continue 'smaller;
                }
            }
            break;
        }
        node
    }
}

/// Runs a seed; what differs, in words.
fn run(server: &Server, seed: u64, statements: usize) -> Vec<String> {
    let mut random = Random::new(seed);
    let scratch = Scratch::new(server, &format!("differential{seed}"));
    let mut pair = Pair {
        ours: Ours::alone(),
        theirs: scratch.connect(),
    };
    let mut different = Vec::new();
    let (tables, script) = schema::tables(&mut random);
    for statement in &script {
        if let Some((ours, theirs)) = pair.differs(statement) {
            different.push(format!("{statement}\nours {ours:?}\ntheirs {theirs:?}"));
        }
    }
    for _ in 0..statements {
        let node = Maker::new(&mut random, &tables).statement();
        if let Some(outcomes) = pair.differs(&node.sql()) {
            let sql = pair.shrink(node, outcomes).sql();
            let (ours, theirs) = (pair.ours.run(&sql), pair.theirs.run(&sql));
            different.push(format!("{sql}\nours   {ours:?}\ntheirs {theirs:?}"));
        }
    }
    if !different.is_empty() {
        different.insert(0, format!("seed {seed}: {}", script.join(";\n")));
    }
    different
}

#[test]
fn generated_queries_give_what_postgresql_gives() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let seeds = std::env::var("RUSTDB_DIFFERENTIAL").unwrap_or_else(|_| "0..4".to_owned());
    let (from, to) = seeds.split_once("..").unwrap();
    let mut different = Vec::new();
    for seed in from.parse().unwrap()..to.parse().unwrap() {
        different.extend(run(&server, seed, 60));
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}
