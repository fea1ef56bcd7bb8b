//! The same expressions here and in PostgreSQL 15: every text and every error must agree.
//!
//! Inputs are generated, always the same ones. Without a server the test says so and passes.

mod aggregate;
mod cast;
mod catalog;
mod function;
mod key;
mod numeric;
mod operator;
mod resolve;
mod text;
mod values;
mod wire;

use std::sync::Arc;

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
fn texts_are_read_and_printed_alike() {
    let settings = settings();
    agree("text", |_| text::cases(&settings));
}

#[test]
fn numerics_are_computed_alike() {
    agree("numeric", |_| numeric::cases());
}

#[test]
fn types_have_the_same_names_and_numbers() {
    agree("catalog", |report| {
        report.note(catalog::types(&report.server));
        catalog::cases()
    });
}

#[test]
fn casts_are_the_same_and_give_the_same() {
    let settings = settings();
    agree("cast", |report| {
        report.note(cast::table(&report.server));
        report.note(cast::matrix(&report.server));
        cast::cases(&settings)
    });
}

#[test]
fn operators_are_the_same_and_give_the_same() {
    let settings = settings();
    agree("operator", |report| {
        report.note(operator::table(&report.server));
        operator::cases(&settings)
    });
}

#[test]
fn functions_are_the_same_and_give_the_same() {
    let settings = settings();
    agree("function", |report| {
        report.note(function::table(&report.server));
        function::cases(&settings)
    });
}

#[test]
fn aggregates_are_the_same_and_give_the_same() {
    let settings = settings();
    agree("aggregate", |report| {
        report.note(aggregate::table(&report.server));
        aggregate::cases(&settings)
    });
}

#[test]
fn calls_mean_the_same_operators_and_functions() {
    agree("resolve", |report| {
        let functions = resolve::functions(&report.server);
        resolve::operators()
            .into_iter()
            .chain(resolve::common())
            .chain(functions)
            .collect()
    });
}

#[test]
fn bytes_are_sent_and_received_alike() {
    let settings = settings();
    agree("wire", |report| wire::cases(&report.server, &settings));
}

#[test]
fn keys_sort_as_a_server_sorts() {
    let settings = settings();
    agree("key", |_| key::cases(&settings));
}

#[test]
fn other_settings_read_and_print_alike() {
    // One server for all sessions.
    let _server = Server::shared();
    for (session, settings) in text::sessions() {
        agree_in(&session, "settings", |_| text::time_cases(&settings));
    }
}

/// What both sides are set to.
const SESSION: &str = "set timezone = 'Europe/Berlin'; set extra_float_digits = 1";

fn settings() -> Settings {
    Settings {
        zone: Zone::named("Europe/Berlin").unwrap(),
        ..Settings::default()
    }
}

/// Compares the cases of an area, if there is a server.
fn agree(area: &str, cases: impl FnOnce(&mut Report) -> Vec<Case>) {
    agree_in(SESSION, area, cases);
}

/// The same in a session of its own.
fn agree_in(session: &str, area: &str, cases: impl FnOnce(&mut Report) -> Vec<Case>) {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let mut report = Report {
        server,
        count: 0,
        differences: Vec::new(),
    };
    let cases = cases(&mut report);
    let expressions: Vec<String> = cases.iter().map(|case| case.sql.clone()).collect();
    let theirs = report.server.evaluate(session, &expressions);
    report.count += cases.len();
    for (case, theirs) in cases.into_iter().zip(theirs) {
        if case.ours != theirs && !explained(&case, &theirs) {
            report.differences.push(format!(
                "{}\n   theirs {theirs}\n   ours   {}",
                case.sql, case.ours
            ));
        }
    }
    eprintln!(
        "{area}: {} compared, {} differ",
        report.count,
        report.differences.len()
    );
    report
        .differences
        .iter()
        .take(SHOWN_MAX)
        .for_each(|difference| eprintln!("{difference}"));
    assert!(report.differences.is_empty());
}

/// How many differences are printed.
const SHOWN_MAX: usize = 100;

struct Report {
    server: Arc<Server>,
    count: usize,
    differences: Vec<String>,
}

impl Report {
    /// Adds what was compared in another way.
    fn note(&mut self, (count, differences): (usize, Vec<String>)) {
        self.count += count;
        self.differences.extend(differences);
    }
}

/// Differences that are known, and meant.
fn explained(case: &Case, theirs: &str) -> bool {
    // A word with digits can be POSIX rules; there is a limit to the nonsense taken for them.
    let glued = ["BCT", "ADT", "AMT", "PMT"]
        .iter()
        .any(|word| case.sql.contains(word));
    let zone = case.ours.starts_with("22023: time zone \"") && glued;
    // PostgreSQL computes these beyond the range of their type, and wraps around.
    let wrapped = case.ours == "22008: timestamp out of range" && theirs.starts_with("294277-")
        || case.ours == "22008: interval out of range" && theirs == "-2562047788:00:54"
        || case.ours == "22008: interval out of range" && case.sql.contains(") - (E'")
        || case.sql.contains("2562047788:00:54") && case.sql.contains("::time without");
    // Its empty "char" becomes a zero byte within a char(n).
    let zero = case.sql == "(E''::\"char\")::character(3)";
    // The last digit of a cube root is the C library's.
    let root = case.sql.starts_with("||/") || case.sql.contains("\"cbrt\"");
    let root = root && nearly_equal(&case.ours, theirs);
    // PostgreSQL takes the infinities apart like other numbers there, or does not see an overflow.
    let infinite = case.sql.contains("\"age\"") && case.ours == "22008: timestamp out of range"
        || case.sql.contains("\"make_interval\"") && case.ours == "22008: interval out of range"
        || case.sql.contains("\"width_bucket\"") && theirs == "-2147483648";
    // PostgreSQL has ranges and shapes, with operators that an unknown operand could mean too.
    let shapes =
        case.sql.starts_with("pg_typeof(null @> ") || case.sql == "pg_typeof(null && null)";
    // Basic and extended expressions are refused by name.
    let refused = case.ours.starts_with("0A000: regular expression option");
    // Which of two equal values comes first is left open.
    let signed = case.sql.contains("within group") && theirs.replace("-0", "0") == case.ours;
    zone || wrapped
        || signed
        || refused
        || zero
        || root
        || infinite
        || (shapes && theirs.starts_with("42725:"))
}

fn nearly_equal(left: &str, right: &str) -> bool {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => (left - right).abs() <= left.abs() * 1e-15,
        _ => false,
    }
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
