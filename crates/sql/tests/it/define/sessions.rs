//! Definitions and locks as several sessions see them.

use std::sync::Arc;

use rustdb_sql::Session;
use rustdb_vfs::MemVfs;

use crate::database::{database_over, lines};

fn state_of(session: &mut Session, statement: &str) -> String {
    let error = session.execute(statement, &[]).unwrap_err();
    error.state().as_str().to_owned()
}

fn run(session: &mut Session, statement: &str) {
    session.execute(statement, &[]).unwrap();
}

#[test]
fn a_temporary_table_is_its_sessions_own_and_gone_with_it() {
    let vfs: Arc<MemVfs> = Arc::new(MemVfs::new());
    let database = database_over(vfs);
    let (mut one, mut two) = (database.connect(), database.connect());
    for (session, value) in [(&mut one, 1), (&mut two, 2)] {
        run(session, "create temp table t (a int)");
        run(session, &format!("insert into t values ({value})"));
    }
    let answers = two.execute("select a from t", &[]).unwrap();
    assert_eq!(answers[0].rows[0][0].as_integer(), Some(2));
    drop(one);
    let mut three = database.connect();
    assert_eq!(state_of(&mut three, "select * from t"), "42P01");
    let answers = two.execute("select a from t", &[]).unwrap();
    assert_eq!(answers[0].rows.len(), 1);
}

#[test]
fn a_locked_table_is_not_had_without_waiting() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    run(&mut one, "create table t (a int)");
    run(&mut one, "begin; lock table t in share mode");
    run(
        &mut two,
        "begin; lock table t in share mode nowait; rollback; begin",
    );
    let exclusive = "lock table t in row exclusive mode nowait";
    assert_eq!(state_of(&mut two, exclusive), "55P03");
    run(&mut one, "rollback");
    run(&mut two, "rollback; begin; lock table t nowait; commit");
}

#[test]
fn advisory_locks_of_a_session_survive_its_transactions() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    let is_free = |session: &mut Session, key: i32| {
        let query = format!("select pg_try_advisory_xact_lock({key})");
        let answers = session.execute(&query, &[]).unwrap();
        answers[0].rows[0][0].as_bool() == Some(true)
    };
    run(&mut one, "begin");
    run(
        &mut one,
        "select pg_advisory_lock(1), pg_advisory_xact_lock(2)",
    );
    assert!(!is_free(&mut two, 1) && !is_free(&mut two, 2));
    run(&mut one, "rollback");
    assert!(!is_free(&mut two, 1) && is_free(&mut two, 2));
    run(&mut one, "select pg_advisory_lock(1)");
    run(&mut one, "select pg_advisory_unlock(1)");
    assert!(!is_free(&mut two, 1), "it was taken twice");
    run(&mut one, "select pg_advisory_unlock(1)");
    assert!(is_free(&mut two, 1));
    run(&mut one, "select pg_advisory_lock(3)");
    drop(one);
    assert!(is_free(&mut two, 3), "it is gone with its session");
}

#[test]
fn who_gives_back_what_it_does_not_hold_is_warned() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let mut notices =
        |statement: &str| messages(&session.execute(statement, &[]).unwrap().remove(0).notices);
    assert!(notices("select pg_advisory_lock(1), pg_advisory_unlock(1)").is_empty());
    assert_eq!(
        notices("select pg_advisory_unlock(1), pg_advisory_unlock_shared(1)"),
        [
            "you don't own a lock of type ExclusiveLock",
            "you don't own a lock of type ShareLock"
        ]
    );
    assert!(notices("select 1").is_empty());
    let mut before_failing = |text: &str| {
        let error = session.execute(text, &[]).unwrap_err();
        messages(error.notices())
    };
    let unlock = "select pg_advisory_unlock(1)";
    let warning = "you don't own a lock of type ExclusiveLock";
    assert_eq!(
        before_failing(&format!("{unlock}; {unlock}; select 1 / 0")),
        [warning; 2]
    );
    let failing = format!("{unlock}, 1 / (i - 1) from generate_series(1, 1) i");
    assert_eq!(before_failing(&failing), [warning]);
    assert!(before_failing("select 1 / 0").is_empty());
}

#[test]
fn a_wait_for_a_lock_is_cancelled() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut one = database.connect();
    run(&mut one, "create table t (a int primary key)");
    run(
        &mut one,
        "insert into t values (1); select pg_advisory_lock(1)",
    );
    run(&mut one, "begin; delete from t");
    for statement in [
        "select pg_advisory_lock(1)",
        "begin; select pg_advisory_xact_lock_shared(1)",
        "update t set a = 2",
        "select * from t for key share",
        "lock table t in share mode",
        "drop table t",
        "insert into t values (1)",
    ] {
        let mut two = database.connect();
        let flag = two.cancellation();
        let state = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                run(&mut two, "begin");
                state_of(&mut two, statement)
            });
            // What is said before the statement begins is not heard.
            while !waiting.is_finished() {
                flag.store(true, std::sync::atomic::Ordering::Relaxed);
                std::thread::yield_now();
            }
            waiting.join().unwrap()
        });
        assert_eq!(state, "57014", "{statement}");
    }
}

#[test]
fn sequences_give_each_value_once_to_several_sessions() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    run(
        &mut session,
        "create table t (id serial primary key, a int)",
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut session = database.connect();
            scope.spawn(move || {
                for _ in 0..50 {
                    run(&mut session, "insert into t (a) values (1)");
                }
            });
        }
    });
    let query = "select count(*), max(id) from t";
    let answers = session.execute(query, &[]).unwrap();
    assert_eq!(answers[0].rows[0][0].as_integer(), Some(200));
    assert_eq!(answers[0].rows[0][1].as_integer(), Some(200));
}

#[test]
fn a_view_stays_as_long_as_a_transaction_that_has_read_it() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut reader, mut other) = (database.connect(), database.connect());
    run(
        &mut reader,
        "create table t (a int); create view v as select a from t",
    );
    run(
        &mut reader,
        "create view w as select * from v; create sequence s",
    );
    run(&mut other, "set lock_timeout = 1");
    for read in [
        "select * from v",
        "select * from w",
        "insert into v values (1)",
    ] {
        run(&mut reader, "begin");
        run(&mut reader, read);
        assert_eq!(
            state_of(&mut other, "drop view v cascade"),
            "55P03",
            "{read}"
        );
        let replace = "create or replace view v as select a from t where a > 0";
        assert_eq!(state_of(&mut other, replace), "55P03", "{read}");
        run(&mut reader, "commit");
        run(&mut other, replace);
    }
    run(&mut reader, "begin");
    run(&mut reader, "select * from s");
    assert_eq!(state_of(&mut other, "drop sequence s"), "55P03");
    run(&mut reader, "commit");
    run(&mut other, "drop sequence s; drop view v cascade");
    assert_eq!(state_of(&mut reader, "select * from w"), "42P01");
}

#[test]
fn definitions_that_are_not_there_are_named() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    for (statement, named) in [
        ("create unlogged table u (a int)", "CREATE UNLOGGED TABLE"),
        (
            "create table u (a int) with (fillfactor = 70)",
            "CREATE TABLE ... WITH (fillfactor = 70)",
        ),
        (
            "create materialized view u as select 1",
            "CREATE MATERIALIZED VIEW",
        ),
        (
            "create type u as (a int, b text)",
            "CREATE TYPE ... AS of a composite type",
        ),
        (
            "create type u as range (subtype = int4)",
            "CREATE TYPE ... AS RANGE",
        ),
        ("create type u", "CREATE TYPE of a shell type"),
        ("load 'u'", "LOAD"),
    ] {
        let error = session.execute(statement, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "0A000", "{statement}");
        assert_eq!(error.message(), format!("{named} is not supported"));
    }
}

#[test]
fn a_cursor_has_the_notices_of_its_functions() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let warning = "you don't own a lock of type ExclusiveLock";
    let unlock = session
        .prepare("select pg_advisory_unlock(1)", &[])
        .unwrap();
    let mut cursor = session.start(&unlock, &[]).unwrap().unwrap();
    while session.fetch(&mut cursor).unwrap().is_some() {}
    assert_eq!(messages(&session.take_notices()), [warning]);
    assert!(session.take_notices().is_empty());
    let failing = "select pg_advisory_unlock(1), 1 / (i - 1) from generate_series(1, 1) i";
    let failing = session.prepare(failing, &[]).unwrap();
    let mut cursor = session.start(&failing, &[]).unwrap().unwrap();
    let error = session.fetch(&mut cursor).unwrap_err();
    assert_eq!(messages(error.notices()), [warning]);
}

/// What functions say goes through the setting too, also beside an error and of a cursor.
#[test]
fn what_nobody_wants_to_hear_is_not_said() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let mut said = |setting: &str, text: &str| -> usize {
        session
            .execute(&format!("set client_min_messages = {setting}"), &[])
            .unwrap();
        let given = match session.execute(text, &[]) {
            Ok(answers) => answers.iter().map(|answer| answer.notices.len()).sum(),
            Err(error) => error.notices().len(),
        };
        let prepared = session
            .prepare("select pg_advisory_unlock(1)", &[])
            .unwrap();
        let mut cursor = session.start(&prepared, &[]).unwrap().unwrap();
        while session.fetch(&mut cursor).unwrap().is_some() {}
        given + session.take_notices().len()
    };
    for (text, both) in [
        ("drop table if exists t; commit", true),
        ("drop table if exists t; commit; select 1 / 0", true),
        (
            "drop table if exists t; select pg_advisory_unlock(1) where 1 / length('') = 1",
            false,
        ),
    ] {
        let warnings = usize::from(both) + 1;
        assert_eq!(said("debug5", text), warnings + 1, "{text}");
        assert_eq!(said("notice", text), warnings + 1, "{text}");
        assert_eq!(said("warning", text), warnings, "{text}");
        assert_eq!(said("error", text), 0, "{text}");
    }
}

#[test]
fn a_copy_has_the_notices_of_its_functions() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let warning = "you don't own a lock of type ExclusiveLock";
    let mut copy = |query: &str| {
        let text = format!("copy ({query}) to stdout");
        match session.copy_out(&text, &mut Vec::new()) {
            Ok(answer) => messages(&answer.notices),
            Err(error) => messages(error.notices()),
        }
    };
    assert_eq!(copy("select pg_advisory_unlock(1)"), [warning]);
    let failing = "select pg_advisory_unlock(1), 1 / (i - 1) from generate_series(1, 1) i";
    assert_eq!(copy(failing), [warning]);
    assert!(copy("select 1").is_empty());
}

fn messages(notices: &[rustdb_sql::Notice]) -> Vec<String> {
    notices.iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_renamed_and_made_a_key_is_there_when_the_database_is_opened_again() {
    let vfs: Arc<MemVfs> = Arc::new(MemVfs::new());
    let made = "create type mood as enum ('sad', 'ok'); \
                create table t (a int, m mood default 'ok'::mood, check (m <> 'sad'::mood)); \
                create view v as select m = 'ok'::mood as fine from t; \
                create unique index i on t (a); \
                alter table t add constraint k primary key using index i; \
                create table u (a int references t on delete set null (a)); \
                create schema s; alter type mood rename to temper; alter type temper set schema s";
    database_over(vfs.clone())
        .connect()
        .execute(made, &[])
        .unwrap();

    let database = database_over(vfs);
    let mut session = database.connect();
    let rows = lines(&mut session, "insert into t values (1) returning *");
    assert_eq!(rows, ["1|ok"]);
    assert_eq!(lines(&mut session, "select * from v"), ["t"]);
    let refused = session.execute("insert into t values (2, 'sad')", &[]);
    assert_eq!(refused.unwrap_err().state().as_str(), "23514");
    let refused = session.execute("insert into t values (1)", &[]);
    assert!(refused.unwrap_err().message().contains("\"k\""));
    let after = "insert into u values (1); delete from t; select a is null from u";
    assert_eq!(lines(&mut session, after), ["t"]);
    assert_eq!(lines(&mut session, "select 'ok'::s.temper"), ["ok"]);
}
