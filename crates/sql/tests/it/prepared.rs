//! Prepared statements, and results read bit by bit.

use std::sync::Arc;

use rustdb_sql::Session;
use rustdb_types::{Type, Value};
use rustdb_vfs::MemVfs;

use crate::database::{database_over, session};

fn run(session: &mut Session, text: &str) {
    session.execute(text, &[]).unwrap();
}

#[test]
fn a_plan_is_made_anew_when_its_table_changes() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    run(&mut one, "create table t (a int, b text)");
    run(&mut one, "insert into t values (1, 'one')");
    let all = one.prepare("select * from t", &[]).unwrap();
    assert_eq!(one.run_prepared(&all, &[]).unwrap().rows[0].len(), 2);
    run(&mut two, "drop table t; create table t (c int)");
    run(&mut two, "insert into t values (5)");
    let answer = one.run_prepared(&all, &[]).unwrap();
    assert_eq!(answer.rows, [[Value::Int4(5)]]);
    assert_eq!(answer.columns.unwrap()[0].name, "c");
    run(&mut two, "drop table t");
    let error = one.run_prepared(&all, &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "42P01");
}

#[test]
fn a_plan_sees_what_its_own_transaction_defines() {
    let mut session = session();
    run(&mut session, "create table t (a int)");
    run(&mut session, "insert into t values (1)");
    let all = session.prepare("select * from t", &[]).unwrap();
    run(&mut session, "begin; drop table t; create table t (x text)");
    assert!(session.run_prepared(&all, &[]).unwrap().rows.is_empty());
    run(&mut session, "rollback");
    assert_eq!(session.run_prepared(&all, &[]).unwrap().rows.len(), 1);
}

#[test]
fn parameters_take_the_types_of_their_places() {
    let mut session = session();
    run(
        &mut session,
        "create table t (a smallint, b numeric, c date)",
    );
    let insert = "insert into t values ($1, $2, $3) returning a, b::text, c::text";
    let insert = session.prepare(insert, &[]).unwrap();
    let given = [Value::Int8(7), Value::Int4(3), Value::text("2024-02-29")];
    let answer = session.run_prepared(&insert, &given).unwrap();
    let row = [Value::Int2(7), Value::text("3"), Value::text("2024-02-29")];
    assert_eq!(answer.rows, [row]);
    let state = |session: &mut Session, first: Value| {
        let given = [first, Value::Null, Value::Null];
        let error = session.run_prepared(&insert, &given).unwrap_err();
        error.state().as_str().to_owned()
    };
    assert_eq!(state(&mut session, Value::Int8(70_000)), "22003");
    assert_eq!(state(&mut session, Value::text("x")), "22P02");
    assert_eq!(state(&mut session, Value::Bool(true)), "42804");
    let error = session.run_prepared(&insert, &given[..2]).unwrap_err();
    assert_eq!(error.state().as_str(), "08P01");
    let error = session.prepare("select $1", &[Type::INT4]).unwrap();
    assert!(session.run_prepared(&error, &[Value::Int4(1)]).is_ok());
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let mut session = session();
    run(&mut session, "create table t (a int primary key, b text)");
    run(&mut session, "insert into t values (1, 'x'), (2, 'y')");
    let mut state = |statement: &str, types: &[Type], given: &[Value]| {
        let prepared = session.prepare(statement, types).unwrap();
        let result = session.run_prepared(&prepared, given);
        result.map_err(|error| error.state().as_str().to_owned())
    };
    let error = |state: &str| Err::<(), _>(state.to_owned());
    let find = "select b from t where a = $1";
    // Looking for 1.5 does not find 2.
    for odd in [Value::Float8(1.5), Value::Float4(0.5)] {
        assert_eq!(state(find, &[], &[odd]).map(|_| ()), error("22P02"));
    }
    assert_eq!(
        state(find, &[], &[Value::Float8(2.0)]).unwrap().rows.len(),
        1
    );
    let two = [Value::Int4(1), Value::Int4(2)];
    assert_eq!(state(find, &[], &two).map(|_| ()), error("08P01"));
    // Text has no zeros in it, however it comes.
    let zero = Value::text("a\0b");
    for (statement, of) in [
        ("insert into t values (3, $1)", Type::UNKNOWN),
        ("insert into t values (3, $1)", Type::TEXT),
        ("select $1::text", Type::UNKNOWN),
        ("select $1::jsonb", Type::UNKNOWN),
    ] {
        let outcome = state(statement, &[of], std::slice::from_ref(&zero));
        assert_eq!(outcome.map(|_| ()), error("22021"), "{statement}");
    }
}

#[test]
fn queries_that_make_tables_take_parameters() {
    let mut session = session();
    let make = "create table made as select $1::int as a, $2 as b";
    session
        .execute(make, &[Value::Int8(7), Value::text("seven")])
        .unwrap();
    let rows = session.execute("select a, b from made", &[]).unwrap();
    assert_eq!(rows[0].rows, [[Value::Int4(7), Value::text("seven")]]);
    let make = session.prepare("create table again as select $1::int as a", &[]);
    session
        .run_prepared(&make.unwrap(), &[Value::Int4(8)])
        .unwrap();
    let rows = session.execute("select a from again", &[]).unwrap();
    assert_eq!(rows[0].rows, [[Value::Int4(8)]]);
}

#[test]
fn a_failed_prepare_fails_its_block() {
    let mut session = session();
    run(&mut session, "begin");
    let error = session.prepare("select nothing", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "42703");
    let error = session.execute("select 1", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "25P02");
    run(&mut session, "rollback");
    assert!(session.prepare("select 1; select 2", &[]).is_err());
}

#[test]
fn rows_come_bit_by_bit_from_one_snapshot() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    run(&mut one, "create table t (a int primary key)");
    run(&mut one, "insert into t select generate_series(1, 5000)");
    let all = one.prepare("select a from t", &[]).unwrap();
    let mut cursor = one.start(&all, &[]).unwrap().unwrap();
    let mut seen = one.fetch(&mut cursor).unwrap().unwrap().len();
    assert!(seen < 5000, "a batch is not everything");
    run(&mut two, "delete from t where a > 2000");
    while let Some(rows) = one.fetch(&mut cursor).unwrap() {
        seen += rows.len();
    }
    assert_eq!(seen, 5000);
    assert!(one.fetch(&mut cursor).unwrap().is_none());
    assert_eq!(one.run_prepared(&all, &[]).unwrap().rows.len(), 2000);
}

#[test]
fn what_is_not_read_to_its_end_can_be_closed() {
    let mut session = session();
    let many = "select 1 / (9000 - n) from generate_series(1, 100000) n";
    let many = session.prepare(many, &[]).unwrap();
    let mut cursor = session.start(&many, &[]).unwrap().unwrap();
    assert!(session.fetch(&mut cursor).unwrap().is_some());
    session.close(&mut cursor).unwrap();
    run(&mut session, "begin");
    let mut cursor = session.start(&many, &[]).unwrap().unwrap();
    let error = loop {
        match session.fetch(&mut cursor) {
            Ok(rows) => assert!(rows.is_some(), "the division by zero was not met"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.state().as_str(), "22012");
    let error = session.execute("select 1", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "25P02");
}

#[test]
fn texts_that_differ_in_values_give_the_rows_of_their_values() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    run(
        &mut session,
        "create table t (id int primary key, name text, day date)",
    );
    run(
        &mut session,
        "insert into t select i, 'n' || i % 3, date '2024-01-01' + i from generate_series(1, 50) i",
    );
    for round in 1..=40 {
        let id = round % 7 + 1;
        let texts = [
            format!("select id from t where id = {id}"),
            format!("select id from t where id = {id} and name = 'n{}'", id % 3),
            format!("select id from t where id = {id} and name <> 'it''s'"),
            format!("select id from t where id = {id} and day > '2024-01-01'"),
            format!("select max(id) from t where id <= {id}"),
            format!("update t set name = name where id = {id} returning id"),
        ];
        for text in texts {
            let answers = session.execute(&text, &[]).unwrap();
            assert_eq!(answers[0].rows, [[Value::Int4(id)]], "{text}");
        }
        let none = format!(
            "select id from t where id = {}",
            3_000_000_000_i64 + i64::from(id)
        );
        assert!(session.execute(&none, &[]).unwrap()[0].rows.is_empty());
        let wrong = format!("select id from t where id = {id} and day = 'x{id}'");
        let error = session.execute(&wrong, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "22007");
    }
    run(
        &mut session,
        "drop table t; create table t (id text primary key)",
    );
    for id in 1..4 {
        let text = format!("select id from t where id = {id}");
        let error = session.execute(&text, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "42883", "text = integer");
    }
}
