//! Many sessions at once, on threads: what must hold whoever was first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_sql::{Database, Session};
use rustdb_txn::Durability;
use rustdb_txn::checker::{Operation, Promise, Record, check};
use rustdb_types::Value;
use rustdb_vfs::MemVfs;

use crate::database::database_over;
use crate::differential::random::Random;

const THREADS: u64 = 8;

pub(crate) fn database(setup: &[&str]) -> Database {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    for statement in setup {
        session.execute(statement, &[]).unwrap();
    }
    database
}

pub(crate) fn connect(database: &Database) -> Session {
    let mut session = database.connect();
    session.set_durability(Durability::None);
    session
}

pub(crate) fn number(session: &mut Session, query: &str) -> i64 {
    let answer = session.execute(query, &[]).unwrap().pop().unwrap();
    answer.rows[0][0].as_integer().unwrap()
}

/// Runs statements, the last of them COMMIT; an error ends the transaction.
fn attempt(session: &mut Session, statements: &[String]) -> Result<(), String> {
    for statement in statements {
        if let Err(error) = session.execute(statement, &[]) {
            if session.is_in_transaction() {
                session.execute("rollback", &[]).unwrap();
            }
            return Err(error.state().as_str().to_owned());
        }
    }
    Ok(())
}

/// Calls `work` on each of the threads with a session and chance of its own.
pub(crate) fn on_threads(
    database: &Database,
    seed: u64,
    work: impl Fn(u64, Session, Random) + Sync,
) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (session, work) = (connect(database), &work);
            scope.spawn(move || work(thread, session, Random::new(seed + thread)));
        }
    });
}

#[test]
fn no_transaction_of_tpc_b_fails_and_the_sums_agree() {
    let database = database(&[
        "create table branches (bid int primary key, balance int not null)",
        "create table tellers (tid int primary key, bid int not null, balance int not null)",
        "create table accounts (aid int primary key, bid int not null, balance int not null)",
        "create table history (tid int, bid int, aid int, delta int, at timestamp)",
        "insert into branches values (1, 0)",
        "insert into tellers select i, 1, 0 from generate_series(1, 10) i",
        "insert into accounts select i, 1, 0 from generate_series(1, 1000) i",
    ]);
    const EACH: usize = 60;
    on_threads(&database, 1, |_, mut session, mut random| {
        for _ in 0..EACH {
            let (aid, tid) = (random.within(1, 1000), random.within(1, 10));
            let delta = random.within(-5000, 5000);
            let statements = [
                "begin".to_owned(),
                format!("update accounts set balance = balance + {delta} where aid = {aid}"),
                format!("select balance from accounts where aid = {aid}"),
                format!("update tellers set balance = balance + {delta} where tid = {tid}"),
                format!("update branches set balance = balance + {delta} where bid = 1"),
                format!("insert into history values ({tid}, 1, {aid}, {delta}, now())"),
                "commit".to_owned(),
            ];
            attempt(&mut session, &statements).unwrap();
        }
    });
    let mut session = connect(&database);
    let sums = ["branches", "tellers", "accounts"].map(|table| {
        number(
            &mut session,
            &format!("select sum(balance)::bigint from {table}"),
        )
    });
    let history = number(&mut session, "select sum(delta)::bigint from history");
    assert_eq!(sums, [history; 3]);
    let count = number(&mut session, "select count(*) from history");
    assert_eq!(count, THREADS as i64 * EACH as i64);
}

#[test]
fn keys_hold_under_concurrent_writers() {
    let database = database(&[
        "create table p (id int primary key, code int unique)",
        "create table c (id serial primary key, p int references p, q int references p on delete cascade)",
        "create index on c (p)",
        "create index on c (q)",
    ]);
    on_threads(&database, 2, |_, mut session, mut random| {
        for _ in 0..150 {
            let (id, other, code) = (random.below(12), random.below(12), random.below(15));
            let one = match random.below(6) {
                0 | 1 => format!("insert into p values ({id}, {code})"),
                2 => format!("delete from p where id = {id}"),
                3 => format!("update p set id = {other}, code = {code} where id = {id}"),
                _ => format!("insert into c (p, q) values ({id}, {other})"),
            };
            let two = format!("delete from c where p = {id}");
            let statements = match random.percent(50) {
                true => vec![one],
                false => vec!["begin".to_owned(), one, two, "commit".to_owned()],
            };
            if let Err(state) = attempt(&mut session, &statements) {
                let expected = ["23503", "23505", "40P01"];
                assert!(expected.contains(&state.as_str()), "{state}");
            }
        }
    });
    let mut session = connect(&database);
    for (query, expected) in [
        (
            "select count(*) from c left join p on c.p = p.id where c.p is not null and p.id is null",
            0,
        ),
        (
            "select count(*) from c left join p on c.q = p.id where c.q is not null and p.id is null",
            0,
        ),
        ("select count(*) - count(distinct id) from p", 0),
        ("select count(code) - count(distinct code) from p", 0),
    ] {
        assert_eq!(number(&mut session, query), expected, "{query}");
    }
    for key in 0..15 {
        for (table, column) in [("p", "code"), ("c", "p"), ("c", "q")] {
            indexed_as_read(&mut session, table, column, key);
        }
    }
}

/// The rows with a value are the same by index and without.
fn indexed_as_read(session: &mut Session, table: &str, column: &str, key: i32) {
    let query = |column: &str| {
        format!("select coalesce(sum(id), 0) * 1000 + count(*) from {table} where {column} = {key}")
    };
    let by_index = number(session, &query(column));
    let by_reading = number(session, &query(&format!("{column} + 0")));
    assert_eq!(by_index, by_reading, "{table}.{column} = {key}");
}

#[test]
fn an_index_built_while_rows_change_has_them_all() {
    let database = database(&[
        "create table t (id int primary key, v int)",
        "insert into t select i, i % 10 from generate_series(1, 300) i",
    ]);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (mut session, is_done) = (connect(&database), &is_done);
            scope.spawn(move || {
                let mut random = Random::new(30 + thread);
                let mut steps = 0;
                while !is_done.load(Ordering::Relaxed) || steps < 100 {
                    let (id, v) = (random.within(1, 400), random.below(10));
                    let statement = match random.below(4) {
                        0 => format!("insert into t values ({id}, {v}) on conflict do nothing"),
                        1 => format!("delete from t where id = {id}"),
                        2 => format!("update t set v = {v} where id between {id} and {id} + 5"),
                        _ => format!("update t set v = v + 1 where id = {id}"),
                    };
                    match attempt(&mut session, &[statement]) {
                        Ok(()) => (),
                        Err(state) => assert_eq!(state, "40P01"),
                    }
                    steps += 1;
                }
            });
        }
        let mut session = connect(&database);
        for round in 0..6 {
            session.execute("create index i on t (v)", &[]).unwrap();
            session
                .execute("begin isolation level repeatable read", &[])
                .unwrap();
            for key in 0..10 {
                indexed_as_read(&mut session, "t", "v", key);
            }
            session.execute("commit", &[]).unwrap();
            if round < 5 {
                session.execute("drop index i", &[]).unwrap();
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let mut session = connect(&database);
    for key in 0..20 {
        indexed_as_read(&mut session, "t", "v", key);
    }
}

const LISTS: u64 = 4;

/// Appends to lists and reads them; the history of it.
fn history(level: &str, seed: u64) -> Vec<Record> {
    let database = database(&["create table lists (k int primary key, v bigint[] not null)"]);
    for list in 0..LISTS {
        let insert = format!("insert into lists values ({list}, '{{}}')");
        connect(&database).execute(&insert, &[]).unwrap();
    }
    let (clock, numbers) = (AtomicU64::new(0), AtomicU64::new(0));
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let records = rustdb_vfs::sync::Mutex::new(Vec::new());
    on_threads(&database, seed, |_, mut session, mut random| {
        for _ in 0..40 {
            let began = tick();
            let mut operations = Vec::new();
            let begin = format!("begin isolation level {level}");
            session.execute(&begin, &[]).unwrap();
            let mut result = Ok(());
            for _ in 0..random.within(1, 4) {
                let list = random.below(LISTS as usize) as u64;
                result = match random.percent(50) {
                    true => read(&mut session, list, &mut operations),
                    false => {
                        let number = numbers.fetch_add(1, Ordering::SeqCst);
                        operations.push(Operation::Append(list, number));
                        let append =
                            format!("update lists set v = v || {number}::bigint where k = {list}");
                        session.execute(&append, &[]).map(drop)
                    }
                };
                if result.is_err() {
                    break;
                }
            }
            let result = result.and_then(|()| session.execute("commit", &[]).map(drop));
            if let Err(error) = &result {
                assert!(
                    ["40001", "40P01"].contains(&error.state().as_str()),
                    "{error:?}"
                );
                if session.is_in_transaction() {
                    session.execute("rollback", &[]).unwrap();
                }
            }
            records.lock().push(Record {
                operations,
                is_committed: result.is_ok(),
                began,
                ended: tick(),
            });
        }
    });
    let began = tick();
    let mut operations = Vec::new();
    for list in 0..LISTS {
        read(&mut connect(&database), list, &mut operations).unwrap();
    }
    let mut records = records.into_inner();
    records.push(Record {
        operations,
        is_committed: true,
        began,
        ended: tick(),
    });
    records
}

fn read(
    session: &mut Session,
    list: u64,
    operations: &mut Vec<Operation>,
) -> rustdb_sql::Result<()> {
    let answer = session.execute(&format!("select v from lists where k = {list}"), &[])?;
    let Value::Array(array) = &answer[0].rows[0][0] else {
        panic!("no array");
    };
    let numbers = array.values().iter();
    let numbers = numbers.map(|number| number.as_integer().unwrap() as u64);
    operations.push(Operation::Read(list, numbers.collect()));
    Ok(())
}

#[test]
fn histories_are_what_the_isolation_levels_promise() {
    for (level, promise) in [
        ("read committed", Promise::ReadCommitted),
        ("repeatable read", Promise::SnapshotIsolation),
        ("serializable", Promise::Serializable),
    ] {
        let history = history(level, 40);
        let committed = history.iter().filter(|record| record.is_committed).count();
        assert!(committed > 20, "{committed} committed at {level}");
        let anomalies = check(&history, promise);
        let told = anomalies.iter().map(ToString::to_string);
        assert!(
            anomalies.is_empty(),
            "{level}: {}",
            told.collect::<Vec<_>>().join("\n")
        );
    }
}
