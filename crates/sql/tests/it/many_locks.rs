//! Statements that lock more rows than there may be locks.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::SqlState;
use rustdb_vfs::MemVfs;

use crate::database::{Still, lines, session};

/// Half of them are as many as a transaction holds one by one.
const LOCKS_MAX: usize = 200;

fn database(locks_max: usize) -> Database {
    let vfs = Arc::new(MemVfs::new());
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let options = TransactionOptions {
        locks_max,
        ..TransactionOptions::default()
    };
    let manager = TransactionManager::new(engine, options);
    Database::open(manager, Arc::new(Still)).unwrap()
}

const STATEMENTS: &[&str] = &[
    "create table p (id int primary key, a int unique, b text)",
    "create index on p (b)",
    "create table c (id int primary key, p int references p on delete cascade on update cascade)",
    "create index on c (p)",
    "insert into p select g, -g, 'b' || g % 7 from generate_series(1, 3000) g",
    "insert into p select g, -g, 'b' || g % 7 from generate_series(3001, 4000) g",
    "insert into c select g, 1 + g * 37 % 4000 from generate_series(1, 2000) g",
    "update p set b = b || '!' where id % 3 = 0",
    "begin",
    "update p set a = a - 10000",
    "savepoint s",
    "delete from c where id % 2 = 0",
    "insert into p select g, -g, 'new' from generate_series(5001, 6000) g",
    "rollback to s",
    "update p set b = 'after' where id > 3900",
    "commit",
    "update p set id = id + 20000 where id % 2 = 1",
    "insert into p select g, g, 'upserted' from generate_series(3500, 4500) g \
     on conflict (id) do update set b = excluded.b",
    "delete from p where id % 5 = 0",
    "select count(*) from (select id from p for update) x",
    "select count(*), sum(id), sum(a), count(distinct b), min(b), max(b) from p",
    "select count(*), sum(id), sum(p) from c",
    "select count(*) from c where not exists (select from p where p.id = c.p)",
    "select count(*) from p where b = 'upserted'",
];

#[test]
fn a_statement_may_lock_more_rows_than_there_are_locks() {
    let mut few = database(LOCKS_MAX).connect();
    let mut many = session();
    for text in STATEMENTS {
        if text.starts_with("select") {
            assert_eq!(lines(&mut few, text), lines(&mut many, text), "{text}");
            continue;
        }
        for session in [&mut few, &mut many] {
            let outcome = session.execute(text, &[]);
            outcome.unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}

fn number(session: &mut Session, text: &str) -> i64 {
    lines(session, text)[0].parse().unwrap()
}

/// Whoever meets the rows of a large transaction waits for its end, and nothing is lost.
#[test]
fn large_transactions_and_small_ones_exclude_each_other() {
    const ROWS: i64 = 600;
    let database = database(LOCKS_MAX);
    let mut session = database.connect();
    let run = |session: &mut Session, text: &str| session.execute(text, &[]).map(drop);
    run(&mut session, "create table t (id int primary key, n int)").unwrap();
    let fill = format!("insert into t select g, 0 from generate_series(1, {ROWS}) g");
    run(&mut session, &fill).unwrap();
    let added: i64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_i64)
            .map(|thread| {
                let mut session = database.connect();
                scope.spawn(move || {
                    let mut added = 0;
                    for round in 0..40 {
                        let (text, count) = match thread {
                            0 => ("update t set n = n + 1".to_owned(), ROWS),
                            _ => {
                                let id = 1 + (thread * 191 + round * 97) % ROWS;
                                (format!("update t set n = n + 1 where id = {id}"), 1)
                            }
                        };
                        match session.execute(&text, &[]) {
                            Ok(_) => added += count,
                            Err(error) => {
                                assert_eq!(error.state(), SqlState::DEADLOCK_DETECTED, "{error}")
                            }
                        }
                    }
                    added
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert!(added >= ROWS, "the large statement got through");
    assert_eq!(number(&mut session, "select sum(n) from t"), added);
}
