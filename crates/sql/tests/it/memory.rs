//! What cannot be put aside: it may take what the database has, and then the statement fails
//! instead of the machine.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_vfs::MemVfs;

use crate::database::Still;

/// A database that may take so many bytes.
fn database(budget: usize) -> Database {
    let options = EngineOptions::default().within(budget);
    let engine = Engine::open(Arc::new(MemVfs::new()), Path::new("/db"), options).unwrap();
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    Database::open(manager, Arc::new(Still)).unwrap()
}

fn state(session: &mut Session, statement: &str) -> String {
    match session.execute(statement, &[]) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.state().as_str().to_owned(),
    }
}

/// Each of them keeps more than a few megabytes that nothing can be put aside of.
const LARGE: &[&str] = &[
    "select length(array_agg(t)::text) from many",
    "select count(*) from (select array_agg(t) from many group by i % 2) x",
    "select length(string_agg(t, ',')) from many",
    "select length(string_agg(t, ',' order by t)) from many",
    "select length(json_agg(t)::text) from many",
    "select length(jsonb_agg(t)::text) from many",
    "select length(jsonb_object_agg(i, t)::text) from many",
    "select cardinality(array(select t from many))",
    "select count(*) from many where t = any(array(select t from many))",
    "select count(s) from (select string_agg(t, '') over () s from many) x",
    "select count(s) from (select min(t) over (order by i rows between 40000 preceding and current row) s from many) x",
    "with recursive r as (select i, t from many union select i, t from r) select count(*) from r",
    "insert into other select i + 1000000, t from many returning *",
    "update other set t = t || '!' returning *",
    "delete from other returning *",
];

#[test]
fn what_cannot_be_put_aside_is_limited() {
    let database = database(4 << 20);
    let mut session = database.connect();
    for statement in [
        "create table many (i int, t text)",
        "insert into many select i, repeat('x', 100) || i from generate_series(1, 60000) i",
        "create table other (i int primary key, t text)",
        "insert into other select * from many",
        "set work_mem = '64kB'",
    ] {
        assert_eq!(state(&mut session, statement), "ok", "{statement}");
    }
    let wrong: Vec<(String, &str)> = LARGE
        .iter()
        .map(|statement| (state(&mut session, statement), *statement))
        .filter(|(state, _)| state != "53200")
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let error = session.execute(LARGE[0], &[]).unwrap_err();
    assert_eq!(error.message(), "out of memory");
    assert!(
        error
            .detail()
            .unwrap()
            .starts_with("Failed on request of size ")
    );
    // What failed is undone, and what can be put aside needs no more than it did.
    for (query, expected) in [
        ("select count(*) from other", 60_000),
        (
            "select count(*) from (select distinct t from many) x",
            60_000,
        ),
        (
            "select count(*) from (select row_number() over (partition by i % 100 order by t) from many) x",
            60_000,
        ),
        (
            "select count(s) from (select max(t) over (order by i) s from many) x",
            60_000,
        ),
        (
            "select count(s) from (select string_agg(t, '') over (order by i) s from many where i < 2000) x",
            1999,
        ),
        ("select count(distinct t) from many", 60_000),
        (
            "select right(percentile_disc(0.25) within group (order by t), -100)::int from many",
            23_498,
        ),
        (
            "select right(mode() within group (order by t desc), -100)::int from many",
            9_999,
        ),
        (
            "select rank(repeat('x', 100) || 5) within group (order by t) from many",
            44_445,
        ),
        ("select count(*) from many a join many b using (t)", 60_000),
    ] {
        let answers = session.execute(query, &[]).unwrap();
        let count = answers[0].rows[0][0].as_integer();
        assert_eq!(count, Some(expected), "{query}");
    }
    // More may be asked for.
    assert_eq!(state(&mut session, "set work_mem = '1GB'"), "ok");
    assert_eq!(state(&mut session, LARGE[0]), "ok");
}
