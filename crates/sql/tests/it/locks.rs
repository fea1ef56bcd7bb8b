//! FOR UPDATE and its kin, between sessions.

use std::sync::Arc;
use std::time::Duration;

use rustdb_sql::{Database, Session};
use rustdb_vfs::{MemVfs, OsVfs, Vfs};

use crate::database::database_over;

/// A table with a row for each of 1 to 3.
fn table() -> (Database, Session) {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    session
        .execute(
            "create table t (a int primary key, b int); insert into t values (1, 10), (2, 20), (3, 30)",
            &[],
        )
        .unwrap();
    (database, session)
}

fn state(session: &mut Session, sql: &str) -> String {
    match session.execute(sql, &[]) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.state().as_str().to_owned(),
    }
}

fn rows(session: &mut Session, sql: &str) -> Vec<Vec<i64>> {
    let answers = session.execute(sql, &[]).unwrap();
    let rows = answers.last().unwrap().rows.iter();
    rows.map(|row| {
        let numbers = row.iter().map(|value| value.as_integer().unwrap());
        numbers.collect()
    })
    .collect()
}

#[test]
fn a_locked_row_is_refused_or_skipped() {
    let (database, mut one) = table();
    let mut two = database.connect();
    rows(&mut one, "begin; select a from t where a = 2 for update");
    assert_eq!(
        state(&mut two, "select * from t where a = 2 for update nowait"),
        "55P03"
    );
    let skipped = "select a from t order by a for update skip locked";
    assert_eq!(rows(&mut two, skipped), [[1], [3]]);
    one.execute("commit", &[]).unwrap();
    assert_eq!(rows(&mut two, skipped), [[1], [2], [3]]);
}

#[test]
fn a_limit_locks_no_more_than_it_gives() {
    let (database, mut one) = table();
    let mut two = database.connect();
    let next = "select a from t order by a limit 1 for update skip locked";
    one.execute("begin", &[]).unwrap();
    assert_eq!(rows(&mut one, next), [[1]]);
    two.execute("begin", &[]).unwrap();
    assert_eq!(rows(&mut two, next), [[2]]);
}

#[test]
fn weaker_locks_go_together() {
    let (database, mut one) = table();
    let mut two = database.connect();
    let with = |lock: &str| format!("select * from t where a = 1 for {lock} nowait");
    for (held, asked, state_of) in [
        ("key share", "no key update", "ok"),
        ("key share", "update", "55P03"),
        ("share", "share", "ok"),
        ("share", "no key update", "55P03"),
        ("no key update", "key share", "ok"),
        ("no key update", "share", "55P03"),
        ("update", "key share", "55P03"),
    ] {
        one.execute("begin", &[]).unwrap();
        one.execute(&with(held), &[]).unwrap();
        assert_eq!(state(&mut two, &with(asked)), state_of, "{held}, {asked}");
        one.execute("commit", &[]).unwrap();
    }
}

#[test]
fn what_changed_while_it_was_waited_for_is_looked_at_again() {
    let (database, mut one) = table();
    one.execute(
        "begin; update t set b = b + 1 where a = 1; update t set b = 0 where a = 2; delete from t where a = 3",
        &[],
    )
    .unwrap();
    std::thread::scope(|scope| {
        let mut two = database.connect();
        let query = "select a, b * 2 from t where b >= 10 order by a for update";
        let waiting = scope.spawn(move || rows(&mut two, query));
        one.execute("commit", &[]).unwrap();
        assert_eq!(waiting.join().unwrap(), [[1, 22]]);
    });
}

#[test]
fn a_snapshot_cannot_lock_what_has_changed_since() {
    let (database, mut one) = table();
    let mut two = database.connect();
    two.execute("begin isolation level repeatable read", &[])
        .unwrap();
    rows(&mut two, "select a from t");
    one.execute("update t set b = 0 where a = 1", &[]).unwrap();
    assert_eq!(
        state(&mut two, "select * from t where a = 2 for share"),
        "ok"
    );
    assert_eq!(
        state(&mut two, "select * from t where a = 1 for share"),
        "40001"
    );
}

#[test]
fn only_the_tables_that_are_named_are_locked() {
    let (database, mut one) = table();
    one.execute(
        "create table u (a int primary key); insert into u values (1), (2)",
        &[],
    )
    .unwrap();
    let mut two = database.connect();
    let join = "select t.a from t join u using (a) order by 1 for update of u";
    one.execute("begin", &[]).unwrap();
    assert_eq!(rows(&mut one, join), [[1], [2]]);
    assert_eq!(state(&mut two, "select * from t for update nowait"), "ok");
    assert_eq!(
        state(&mut two, "select * from u for update nowait"),
        "55P03"
    );
}

#[test]
fn who_waits_is_told_who_is_in_the_way() {
    let (database, mut one) = table();
    let (mut two, mut three) = (database.connect(), database.connect());
    let own = |session: &mut Session| rows(session, "select pg_backend_pid()")[0][0];
    let (holder, waiter) = (own(&mut one), own(&mut two));
    let asked = |session: &mut Session, of: i64| {
        rows(session, &format!("select unnest(pg_blocking_pids({of}))"))
    };
    for (held, wanted) in [
        (
            "update t set b = 11 where a = 1",
            "delete from t where a = 1",
        ),
        ("lock table t", "select * from t"),
        (
            "select pg_advisory_xact_lock(7)",
            "select pg_advisory_xact_lock(7)",
        ),
    ] {
        one.execute(&format!("begin; {held}"), &[]).unwrap();
        assert!(asked(&mut three, waiter).is_empty(), "{wanted}");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| two.execute(&format!("begin; {wanted}; rollback"), &[]));
            let clock = OsVfs::new();
            let start = clock.monotonic();
            let mut told = asked(&mut three, waiter);
            while told.is_empty() && clock.monotonic() - start < Duration::from_secs(60) {
                told = asked(&mut three, waiter);
            }
            assert!(asked(&mut three, holder).is_empty(), "{held}");
            one.execute("rollback", &[]).unwrap();
            waits.join().unwrap().unwrap();
            assert_eq!(told, [[holder]], "{wanted}");
        });
    }
}
