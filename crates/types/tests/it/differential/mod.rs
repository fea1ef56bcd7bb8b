//! The same expressions here and in PostgreSQL 15: every text and every error must agree.
//!
//! Inputs are generated, always the same ones. Without a server the test says so and passes.

mod numeric;
mod text;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rustdb_types::{Error, Settings, Zone};

use crate::server::Server;

/// An expression for PostgreSQL, and what we make of it.
struct Case {
    sql: String,
    ours: String,
}

#[test]
fn postgresql_15_agrees() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let settings = Settings {
        zone: Zone::named("Europe/Berlin").unwrap(),
        ..Settings::default()
    };
    let session = "set timezone = 'Europe/Berlin'; set extra_float_digits = 1";
    let mut differences = Vec::new();
    let mut count = 0;
    for (area, cases) in [
        ("text", text::cases(&settings)),
        ("numeric", numeric::cases()),
    ] {
        let expressions: Vec<String> = cases.iter().map(|case| case.sql.clone()).collect();
        let theirs = server.evaluate(session, &expressions);
        count += cases.len();
        for (case, theirs) in cases.into_iter().zip(theirs) {
            if case.ours != theirs && !explained(&case, &theirs) {
                differences.push(format!(
                    "{area}: {}\n   theirs {theirs}\n   ours   {}",
                    case.sql, case.ours
                ));
            }
        }
    }
    eprintln!("{count} expressions compared, {} differ", differences.len());
    differences
        .iter()
        .take(60)
        .for_each(|difference| eprintln!("{difference}"));
    assert!(differences.is_empty());
}

/// Differences that are known, and meant.
///
/// A word with digits can be POSIX rules; there is a limit to the nonsense that is taken for them.
fn explained(case: &Case, _theirs: &str) -> bool {
    let glued = ["BCT", "ADT", "AMT", "PMT"];
    case.ours.starts_with("22023: time zone \"") && glued.iter().any(|word| case.sql.contains(word))
}

fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn samples<S: Strategy>(runner: &mut TestRunner, strategy: &S, count: usize) -> Vec<S::Value> {
    (0..count)
        .map(|_| strategy.new_tree(runner).unwrap().current())
        .collect()
}

/// An error as the server's side of the comparison has it.
fn described(error: &Error) -> String {
    let mut text = format!("{}: {}", error.state().as_str(), error.message());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        text += &format!(" / {more}");
    }
    text
}
