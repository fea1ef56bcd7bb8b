//! Several sessions.

use std::sync::Arc;

use rustdb_sql::{Result, RowSet, Session};
use rustdb_types::Value;
use rustdb_vfs::{MemVfs, Vfs};

use crate::database::database_over;

fn numbers(session: &mut Session, query: &str) -> Vec<i64> {
    let answers = session.execute(query, &[]).unwrap();
    let rows = answers.last().unwrap().rows.iter();
    rows.map(|row| row[0].as_integer().unwrap()).collect()
}

#[test]
fn a_snapshot_older_than_an_index_still_sees_every_row() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    one.execute("create table t (a int, b int)", &[]).unwrap();
    one.execute("insert into t values (1, 5), (2, 6)", &[])
        .unwrap();
    two.execute("begin isolation level repeatable read", &[])
        .unwrap();
    assert_eq!(numbers(&mut two, "select 1"), [1]);
    one.execute("create index on t (b)", &[]).unwrap();
    one.execute("insert into t values (3, 5)", &[]).unwrap();
    let query = "select a from t where b = 5 order by a";
    assert_eq!(numbers(&mut two, query), [1]);
    assert_eq!(numbers(&mut one, query), [1, 3]);
    two.execute("commit", &[]).unwrap();
    assert_eq!(numbers(&mut two, query), [1, 3]);
}

#[test]
fn a_second_inserter_of_a_key_waits_and_then_knows() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut one = database.connect();
    one.execute("create table t (a int primary key)", &[])
        .unwrap();
    one.execute("begin; insert into t values (1)", &[]).unwrap();
    std::thread::scope(|scope| {
        let mut two = database.connect();
        let waiting = scope.spawn(move || two.execute("insert into t values (1)", &[]));
        let mut three = database.connect();
        let other = three.execute("insert into t values (2)", &[]);
        assert!(other.is_ok(), "another key does not wait");
        one.execute("commit", &[]).unwrap();
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.state().as_str(), "23505");
    });
}

#[test]
fn timeouts_end_what_waits_and_what_runs() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    one.execute("create table t (a int primary key)", &[])
        .unwrap();
    one.execute("insert into t values (1)", &[]).unwrap();
    one.execute("begin; lock table t; select pg_advisory_lock(7)", &[])
        .unwrap();
    // Nobody gives the locks back before the time is over.
    two.execute("set lock_timeout = 20", &[]).unwrap();
    for statement in [
        "select * from t",
        "insert into t values (1) on conflict do nothing",
        "alter table t add column b int",
        "create index on t (a)",
        "drop table t",
        "begin; lock table t",
        "select pg_advisory_lock(7)",
    ] {
        let error = two.execute(statement, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "55P03", "{statement}: {error}");
        two.execute("rollback", &[]).unwrap();
    }
    let error = two.start_append("t", &[]).err().unwrap();
    assert_eq!(error.state().as_str(), "55P03");
    one.execute("rollback; select pg_advisory_unlock(7)", &[])
        .unwrap();
    assert_eq!(numbers(&mut two, "select a from t"), [1]);
    // Nor does a statement outlast its own time: this one would take hours.
    two.execute("set statement_timeout = 20", &[]).unwrap();
    let endless = "select count(*) from generate_series(1, 1000000000000) s";
    let error = two.execute(endless, &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "57014", "{error}");
}

#[test]
fn a_row_by_its_key_waits_for_who_alters_the_table() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    one.execute("create table t (a int primary key, b int)", &[])
        .unwrap();
    one.execute("insert into t values (1, 10)", &[]).unwrap();
    let by_key = two.prepare("select b from t where a = $1", &[]).unwrap();
    let read = |two: &mut Session| -> Result<RowSet> {
        Ok(two.run_prepared(&by_key, &[Value::Int8(1)])?.rows)
    };
    two.execute("set lock_timeout = 20", &[]).unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::Int4(10)]]);
    one.execute("begin; alter table t alter b type text", &[])
        .unwrap();
    assert_eq!(read(&mut two).unwrap_err().state().as_str(), "55P03");
    one.execute("rollback", &[]).unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::Int4(10)]]);
    // What is not yet committed is not seen, what is committed is.
    one.execute("begin; update t set b = 11 where a = 1", &[])
        .unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::Int4(10)]]);
    one.execute("commit", &[]).unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::Int4(11)]]);
    one.execute("alter table t alter b type text", &[]).unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::text("11")]]);
    // A block sees its own.
    two.execute("begin; update t set b = 'x' where a = 1", &[])
        .unwrap();
    assert_eq!(read(&mut two).unwrap(), [[Value::text("x")]]);
    two.execute("rollback", &[]).unwrap();
    one.execute("drop table t", &[]).unwrap();
    assert_eq!(read(&mut two).unwrap_err().state().as_str(), "42P01");
}

/// Waits until a statement runs without an error.
fn until_ok(session: &mut Session, statement: &str) {
    let clock = MemVfs::new();
    while let Err(error) = session.execute(statement, &[]) {
        let is_early = clock.monotonic() < std::time::Duration::from_secs(60);
        assert!(is_early, "{statement}: {error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_block_that_nobody_goes_on_with_is_rolled_back() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    one.execute("create table t (a int primary key)", &[])
        .unwrap();
    for (block, next) in [
        ("begin; insert into t values (1)", "commit"),
        ("begin; savepoint s; insert into t values (1)", "select 1"),
        (
            "begin; insert into t values (1); savepoint s; select 1 / 0",
            "rollback",
        ),
    ] {
        one.execute("set idle_in_transaction_session_timeout = 20", &[])
            .unwrap();
        let _some_fail = one.execute(block, &[]);
        assert!(one.is_in_transaction(), "{block}");
        // Its lock is free once it is rolled back, though its session does nothing.
        until_ok(&mut two, "rollback; begin; lock table t nowait; commit");
        let error = one.execute(next, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "25P03", "{block}: {error}");
        assert!(!one.is_in_transaction());
        assert_eq!(numbers(&mut one, "select count(*) from t"), [0], "{block}");
    }
    one.execute("begin", &[]).unwrap();
    let nobody = "select 1 / (case when count(*) = 0 then 1 else 0 end) from pg_stat_activity where state like 'idle in%'";
    until_ok(&mut two, nobody);
    let error = one.prepare("select 1", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "25P03");
}

#[test]
fn a_block_that_goes_on_in_time_stays() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut one = database.connect();
    one.execute("create table t (a int primary key)", &[])
        .unwrap();
    one.execute("set idle_in_transaction_session_timeout = '1h'", &[])
        .unwrap();
    one.execute("begin; insert into t values (1)", &[]).unwrap();
    assert!(one.is_in_transaction());
    one.execute("savepoint s; insert into t values (1)", &[])
        .unwrap_err();
    assert!(one.is_in_transaction());
    one.execute("rollback to s", &[]).unwrap();
    let insert = one.prepare("insert into t values ($1)", &[]).unwrap();
    one.run_prepared(&insert, &[Value::Int4(2)]).unwrap();
    let mut append = one.start_append("t", &[]).unwrap();
    one.append(&mut append, &[Value::Int4(3)]).unwrap();
    one.finish_append(append).unwrap();
    let query = one.prepare("select a from t order by a", &[]).unwrap();
    let mut cursor = one.start(&query, &[]).unwrap().unwrap();
    assert_eq!(one.fetch(&mut cursor).unwrap().unwrap().len(), 3);
    one.close(&mut cursor).unwrap();
    one.execute("commit", &[]).unwrap();
    assert!(!one.is_in_transaction());
    // Outside of a block there is nothing to end, and a session that goes takes its block along.
    one.execute("begin; delete from t", &[]).unwrap();
    drop(one);
    let mut two = database.connect();
    assert_eq!(numbers(&mut two, "select count(*) from t"), [3]);
    two.execute("lock table t", &[]).unwrap_err();
    two.execute("begin; lock table t nowait; commit", &[])
        .unwrap();
}

#[test]
fn a_session_that_nobody_goes_on_with_begins_anew() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    let before = [
        "set work_mem = '7MB'; prepare p as select 1; create temporary table t (a int)",
        "select pg_advisory_lock(1)",
        "begin; select 1; set idle_session_timeout = 20; commit",
    ];
    for statement in before {
        one.execute(statement, &[]).unwrap();
    }
    // Its lock is free once its time is over, though it does nothing.
    until_ok(
        &mut two,
        "select 1 / (case when pg_try_advisory_lock(1) then 1 else 0 end)",
    );
    let error = one.execute("select 1", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "57P05", "{error}");
    assert!(!one.is_in_transaction());
    let shown = one.execute("show work_mem", &[]).unwrap();
    assert_eq!(shown[0].rows[0][0].as_str(), Some("64MB"));
    for (statement, state) in [("execute p", "26000"), ("select * from t", "42P01")] {
        let error = one.execute(statement, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), state, "{statement}: {error}");
    }
}

#[test]
fn a_session_that_goes_on_in_time_stays() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut one = database.connect();
    let before = "set idle_session_timeout = '1h'; create temporary table t (a int)";
    one.execute(before, &[]).unwrap();
    one.execute("insert into t values (1), (2)", &[]).unwrap();
    let query = one.prepare("select a from t order by a", &[]).unwrap();
    let mut cursor = one.start(&query, &[]).unwrap().unwrap();
    assert_eq!(one.fetch(&mut cursor).unwrap().unwrap().len(), 2);
    one.close(&mut cursor).unwrap();
    one.execute("begin; insert into t values (3)", &[]).unwrap();
    assert!(one.is_in_transaction());
    one.execute("commit", &[]).unwrap();
    assert_eq!(numbers(&mut one, "select count(*) from t"), [3]);
}

/// `on` is a reserved word, and a value all the same.
#[test]
fn settings_are_switched_by_words() {
    let mut session = database_over(Arc::new(MemVfs::new())).connect();
    for (text, expected) in [
        ("set enable_hashjoin = on", "on"),
        ("set enable_hashjoin to off", "off"),
        ("set enable_hashjoin to on", "on"),
        ("set enable_hashjoin = false", "off"),
        ("begin; set local enable_hashjoin = ON", "on"),
        ("set session enable_hashjoin to 'off'", "off"),
    ] {
        session.execute(text, &[]).unwrap();
        let shown = session.execute("show enable_hashjoin", &[]).unwrap();
        assert_eq!(shown[0].rows, [[Value::text(expected)]], "{text}");
    }
    let explain = "explain (analyze on, costs off, timing off) select 1";
    session.execute(explain, &[]).unwrap();
}

#[test]
fn transactions_have_numbers() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    let mut seen = Vec::new();
    for session in [&mut one, &mut two] {
        session.execute("begin", &[]).unwrap();
        let number = numbers(session, "select txid_current()");
        assert_eq!(numbers(session, "select pg_current_xact_id()"), number);
        session.execute("savepoint s; rollback to s", &[]).unwrap();
        assert_eq!(numbers(session, "select txid_current()"), number);
        session.execute("commit", &[]).unwrap();
        seen.extend(number);
        seen.extend(numbers(session, "select txid_current()"));
    }
    assert!(seen.is_sorted_by(|one, two| one < two), "{seen:?}");
}

#[test]
fn things_have_sizes() {
    let mut session = database_over(Arc::new(MemVfs::new())).connect();
    let tables = "create schema s; create table t (a int primary key, b text); \
                  create index t_b on t (b); create view v as select * from t; create table s.t (a int)";
    session.execute(tables, &[]).unwrap();
    let sizes = "select pg_relation_size('t') union all select pg_table_size('t'::regclass) \
                 union all select pg_relation_size('t_b') union all select pg_indexes_size('t') \
                 union all select pg_total_relation_size('public.t')";
    assert_eq!(numbers(&mut session, sizes), [0; 5]);
    let fill = "insert into t select n, repeat('x', 50) || n from generate_series(1, 1000) n";
    session.execute(fill, &[]).unwrap();
    let found = numbers(&mut session, sizes);
    assert!(found[0] > 50_000 && found[0] == found[1], "{found:?}");
    assert!(found[2] > 50_000 && found[2] == found[3], "{found:?}");
    assert_eq!(found[4], found[0] + found[2]);
    let others = "select pg_relation_size('v') union all select pg_total_relation_size('s.t') \
                  union all select pg_relation_size('pg_class') union all select pg_relation_size('t', 'vm')";
    assert_eq!(numbers(&mut session, others), [0; 4]);
    let whole =
        "select max(pg_database_size(datname)) from pg_database where datname = current_database()";
    assert!(numbers(&mut session, whole)[0] > found[4]);
    let of_none = "select count(pg_relation_size(1)) + count(pg_database_size(1::oid))";
    assert_eq!(numbers(&mut session, of_none), [0]);
    for (query, state) in [
        ("select pg_relation_size('nothing')", "42P01"),
        ("select pg_database_size('nothing')", "3D000"),
        ("select pg_relation_size('t', 'odd')", "22023"),
    ] {
        let error = session.execute(query, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), state, "{query}");
    }
}

#[test]
fn functions_that_postgresql_has_are_refused_by_name() {
    let mut session = database_over(Arc::new(MemVfs::new())).connect();
    for (query, state) in [
        ("select lo_create(1)", "0A000"),
        ("select * from pg_catalog.pg_control_system()", "0A000"),
        ("select no_such_function(1)", "42883"),
        ("select public.lo_create(1)", "42883"),
        ("select upper(1, 2)", "42883"),
    ] {
        let error = session.execute(query, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), state, "{query}");
    }
}
