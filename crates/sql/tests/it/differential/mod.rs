//! Generated statements, run on RustDB and on an installed PostgreSQL 15, which must agree on every
//! value and on every SQLSTATE.
//!
//! Each seed gives tables, rows and statements. A statement that differs is made smaller before it
//! is shown. `RUSTDB_DIFFERENTIAL=FROM..TO` runs other seeds than the few of every run.

mod expression;
mod node;
pub(crate) mod query;
pub(crate) mod random;
pub(crate) mod schema;
mod write;

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
        // PostgreSQL has mistakes too: `failed to build any 4-way joins`.
        (_, Outcome::Failed { state, .. }) if state == "XX000" => Verdict::Unclear,
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

pub(crate) fn same_rows(sql: &str, ours: &Rows, theirs: &Rows) -> bool {
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

/// Runs writing statements of a seed, and compares what the tables hold after each.
fn run_writes(server: &Server, seed: u64, statements: usize) -> Option<String> {
    let mut random = Random::new(seed);
    let scratch = Scratch::new(server, &format!("writes{seed}"));
    let mut pair = Pair {
        ours: Ours::alone(),
        theirs: scratch.connect(),
    };
    let (tables, mut script) = write::tables(&mut random);
    for statement in &script {
        assert_eq!(pair.ours.run(statement).state(), None, "{statement}");
        assert_eq!(pair.theirs.run(statement).state(), None, "{statement}");
    }
    for _ in 0..statements {
        let statement = write::statement(&mut random, &tables);
        let (ours, theirs) = (pair.ours.run(&statement), pair.theirs.run(&statement));
        script.push(statement.clone());
        let told = |what: &str| {
            let script = script.join(";\n");
            Some(format!(
                "seed {seed}: {script}\n{what}\nours {ours:?}\ntheirs {theirs:?}"
            ))
        };
        if theirs.state() == Some("XX000") {
            return None;
        }
        match (ours.state(), theirs.state()) {
            (Some(ours), Some(theirs)) if ours == theirs || both_break(ours, theirs) => continue,
            // Keys are checked row by row there too, but in another order.
            (ours, theirs)
                if [ours, theirs]
                    .iter()
                    .flatten()
                    .any(|state| depends_on_order(state)) =>
            {
                return None;
            }
            (None, None) => (),
            _ => return told("differ"),
        }
        let (Outcome::Ran { tag, .. }, Outcome::Ran { tag: other, .. }) = (&ours, &theirs) else {
            continue;
        };
        if tag != other || matches!(judge(&statement, &ours, &theirs), Verdict::Different) {
            return told("differ");
        }
        for table in ["p", "c"] {
            if let Some(content) = pair.differs(&format!("select * from {table}")) {
                return told(&format!("{table} differs: {content:?}"));
            }
        }
    }
    None
}

/// Of several constraints that are broken, which one is found first is free.
fn both_break(ours: &str, theirs: &str) -> bool {
    ours.starts_with("23") && theirs.starts_with("23")
}

fn depends_on_order(state: &str) -> bool {
    state == "23505" || state == "21000" || state.starts_with("22")
}

#[test]
fn generated_writes_do_what_they_do_in_postgresql() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let seeds = std::env::var("RUSTDB_DIFFERENTIAL").unwrap_or_else(|_| "0..4".to_owned());
    let (from, to) = seeds.split_once("..").unwrap();
    let seeds = from.parse().unwrap()..to.parse().unwrap();
    let different: Vec<String> = seeds
        .filter_map(|seed| run_writes(&server, seed, 60))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}
