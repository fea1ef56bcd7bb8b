//! ON CONFLICT from several threads.

use std::sync::Arc;

use rustdb_vfs::MemVfs;

use crate::database::database_over;

/// Threads add to counters, and delete some now and then, which only the counts tell.
#[test]
fn concurrent_upserts_neither_fail_nor_count_twice() {
    const THREADS: i64 = 4;
    const ROUNDS: i64 = 60;
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let create = "create table t (id int generated always as identity primary key, \
                  k int unique, n int); create table gone (n int)";
    session.execute(create, &[]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut session = database.connect();
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let key = (thread + round) % 5;
                    let upsert = format!(
                        "insert into t (k, n) values ({key}, 1) \
                         on conflict (k) do update set n = t.n + excluded.n"
                    );
                    let answers = session.execute(&upsert, &[]).unwrap();
                    assert_eq!(answers[0].tag.to_string(), "INSERT 0 1");
                    if round % 7 == 0 {
                        let delete = format!("begin; delete from t where k = {key} returning n");
                        let deleted = session.execute(&delete, &[]).unwrap();
                        for row in &deleted[1].rows {
                            let n = row[0].as_integer().unwrap();
                            let note = format!("insert into gone values ({n})");
                            session.execute(&note, &[]).unwrap();
                        }
                        session.execute("commit", &[]).unwrap();
                    }
                }
            });
        }
    });
    let query = "select (select coalesce(sum(n), 0) from t) + (select sum(n) from gone), \
                 (select count(*) = count(distinct k) from t)";
    let answers = session.execute(query, &[]).unwrap();
    assert_eq!(answers[0].rows[0][0].as_integer(), Some(THREADS * ROUNDS));
    assert_eq!(answers[0].rows[0][1].as_bool(), Some(true));
}

#[test]
fn a_row_in_the_way_that_the_snapshot_does_not_have_is_an_error_above_read_committed() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut one, mut two) = (database.connect(), database.connect());
    one.execute("create table t (k int primary key, n int)", &[])
        .unwrap();
    for action in ["nothing", "update set n = 7"] {
        two.execute("begin isolation level repeatable read; select 1", &[])
            .unwrap();
        one.execute("delete from t; insert into t values (1, 1)", &[])
            .unwrap();
        let upsert = format!("insert into t values (1, 2) on conflict (k) do {action}");
        let error = two.execute(&upsert, &[]).unwrap_err();
        assert_eq!(error.state().as_str(), "40001", "{action}");
        two.execute("rollback", &[]).unwrap();
    }
}

#[test]
fn an_index_is_built_while_rows_change() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let create = "create table t (id int primary key, k int); \
                  insert into t select g, g from generate_series(1, 3000) g";
    session.execute(create, &[]).unwrap();
    std::thread::scope(|scope| {
        let mut writer = database.connect();
        scope.spawn(move || {
            for round in 0..200 {
                let id = 1 + round * 13 % 3000;
                let changes = format!(
                    "update t set k = k + 10000 where id = {id}; \
                     delete from t where id = {}; insert into t values ({}, {round})",
                    id + 1,
                    4000 + round
                );
                writer.execute(&changes, &[]).unwrap();
            }
        });
        let build = "create index concurrently t_k on t (k)";
        assert_eq!(
            session.execute(build, &[]).unwrap()[0].tag.to_string(),
            "CREATE INDEX"
        );
    });
    // Through the index there is what there is without it.
    let rows = session
        .execute("select id, k from t order by id", &[])
        .unwrap();
    for row in rows[0].rows.iter().step_by(17) {
        let (id, k) = (row[0].as_integer().unwrap(), row[1].as_integer().unwrap());
        let query = format!("select count(*) from t where k = {k} and id = {id}");
        let found = session.execute(&query, &[]).unwrap();
        assert_eq!(found[0].rows[0][0].as_integer(), Some(1));
    }
    let error = session
        .execute("begin; create index concurrently on t (k)", &[])
        .unwrap_err();
    assert_eq!(error.state().as_str(), "25001");
}
