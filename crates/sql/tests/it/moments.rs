//! What time it is: in a transaction, in a statement, in a plan that was kept.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::function::{Host, Random};
use rustdb_vfs::MemVfs;

use crate::database::cell;

/// An hour goes by whenever somebody looks at the clock.
struct Hourly(AtomicI64);

const HOUR: i64 = 3_600_000_000;

impl Host for Hourly {
    fn clock(&self) -> i64 {
        self.0.fetch_add(HOUR, Ordering::Relaxed)
    }

    fn random_bytes(&self, out: &mut [u8]) {
        out.fill(7);
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn set_seed(&self, _random: Random) {}
}

fn session() -> Session {
    let vfs = Arc::new(MemVfs::new());
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    let host = Arc::new(Hourly(AtomicI64::new(24 * HOUR)));
    Database::open(manager, host).unwrap().connect()
}

fn only(session: &mut Session, query: &str) -> String {
    let answer = session.execute(query, &[]).unwrap().pop().unwrap();
    let columns = answer.columns.unwrap();
    let cells = answer.rows[0].iter().zip(columns.iter());
    let cells = cells.map(|(value, column)| cell(value, &column.of, session.settings()));
    cells.collect::<Vec<_>>().join("|")
}

#[test]
fn the_time_of_a_transaction_stands_still_and_the_next_one_is_later() {
    let mut session = session();
    let now =
        "select now(), current_timestamp = now(), localtimestamp(0)::text = now()::timestamp::text";
    session.execute("begin", &[]).unwrap();
    let first = only(&mut session, now);
    assert_eq!(only(&mut session, now), first);
    let before = only(&mut session, "select statement_timestamp()");
    let after = only(&mut session, "select statement_timestamp()");
    assert!(before < after, "{before} and {after}");
    session.execute("commit", &[]).unwrap();
    assert!(first.ends_with("|t|t"), "{first}");
    // The same text a third and a fourth time, by the plan that is kept.
    let second = only(&mut session, now);
    let third = only(&mut session, now);
    assert!(
        first < second && second < third,
        "{first}, {second}, {third}"
    );
    let both = only(&mut session, "select now() = statement_timestamp()");
    assert_eq!(both, "t");
}

#[test]
fn the_day_is_that_of_the_transaction() {
    let mut session = session();
    for query in [
        "select current_date",
        "select 'today'::date",
        "select date 'now'",
    ] {
        let mut days: Vec<String> = (0..40).map(|_| only(&mut session, query)).collect();
        assert!(days.is_sorted(), "{days:?}");
        days.dedup();
        assert!(days.len() >= 2, "{query}: {days:?}");
    }
    for text in ["select current_time", "select current_time(3)"] {
        let error = session.execute(text, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "0A000", "{error}");
    }
    let prepared = session.prepare("select current_date", &[]).unwrap();
    let mut days = Vec::new();
    for _ in 0..40 {
        let answer = session.run_prepared(&prepared, &[]).unwrap();
        days.push(format!("{:?}", answer.rows));
    }
    days.dedup();
    assert!(days.len() >= 2, "{days:?}");
}

#[test]
fn words_of_sql_are_no_functions_that_are_missing() {
    let mut session = session();
    assert_eq!(
        only(
            &mut session,
            "select current_user, session_user, user, current_role, current_catalog, current_schema"
        ),
        "rustdb|rustdb|rustdb|rustdb|rustdb|public"
    );
}

#[test]
fn a_default_is_of_the_time_of_its_row() {
    let mut session = session();
    session
        .execute(
            "create table t (id int, at timestamptz default now(), day date default current_date)",
            &[],
        )
        .unwrap();
    for id in 1..=3 {
        session
            .execute(&format!("insert into t (id) values ({id})"), &[])
            .unwrap();
    }
    let query =
        "select count(distinct at), bool_and(day = at::date), min(at) > '2000-01-02' from t";
    assert_eq!(only(&mut session, query), "3|t|t");
}
