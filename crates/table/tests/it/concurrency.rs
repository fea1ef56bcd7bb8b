//! Threads that write the same keys, parents that go while children come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustdb_catalog::Action;
use rustdb_storage::engine::Durability;
use rustdb_table::{Deferred, Result, Table};
use rustdb_txn::{IsolationLevel, Transaction};
use rustdb_types::{SqlState, Value};

use crate::database::{Database, keyed_rows, row};
use crate::foreign_keys::{child, parent, statement};

const THREADS: i32 = 4;

/// Runs a body on every thread with its number.
fn on_threads(body: impl Fn(i32) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let body = &body;
            scope.spawn(move || body(thread));
        }
    });
}

/// A number that looks random, from a seed.
fn mixed(seed: i32) -> i32 {
    let mut number = (seed as u32).wrapping_mul(0x9e37_79b9) ^ 0x5bd1;
    number ^= number >> 15;
    (number.wrapping_mul(0x85eb_ca6b) >> 4) as i32
}

#[test]
fn of_those_who_insert_the_same_keys_one_succeeds() {
    let db = Database::new();
    let t = parent(&db);
    let inserted = AtomicUsize::new(0);
    on_threads(|thread| {
        for step in 0..200 {
            // The primary key is the thread's own every second time, the other key is not.
            let id = if step % 2 == 0 {
                step
            } else {
                1000 * (thread + 1) + step
            };
            match statement(&db, |tx, s| t.insert(tx, &row([id, step / 2]), s)) {
                Ok(_) => drop(inserted.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    let state = error.state();
                    let expected = [SqlState::UNIQUE_VIOLATION, SqlState::DEADLOCK_DETECTED];
                    assert!(expected.contains(&state), "{error:?}");
                }
            }
        }
    });
    let rows = db.rows(&t);
    assert_eq!(rows.len(), inserted.load(Ordering::Relaxed));
    let mut codes: Vec<Value> = rows.into_iter().map(|row| row[1].clone()).collect();
    codes.sort();
    codes.dedup();
    // Every code was tried, and is there once.
    assert_eq!(codes.len(), inserted.load(Ordering::Relaxed));
    assert_eq!(codes.len(), 100);
}

#[test]
fn a_second_inserter_waits_and_then_knows() {
    for first_commits in [true, false] {
        let db = Database::new();
        let t = parent(&db);
        let mut tx = db.begin();
        let mut first = db.statement();
        t.insert(&mut tx, &row([1, 10]), &mut first).unwrap();
        std::thread::scope(|scope| {
            let (sender, receiver) = channel();
            let (db, table) = (&db, &t);
            scope.spawn(move || {
                let result = statement(db, |tx, s| table.insert(tx, &row([2, 10]), s));
                sender.send(result.map(|_| ())).unwrap();
            });
            while db.catalog.manager().locks().stats().waits == 0 {
                assert!(receiver.try_recv().is_err(), "it did not wait");
                std::thread::yield_now();
            }
            match first_commits {
                true => drop(tx.commit(Durability::Sync).unwrap()),
                false => drop(tx),
            }
            let result: Result<()> = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(result.is_ok(), !first_commits);
        });
    }
}

/// Children are inserted, moved and deleted while parents are deleted and inserted; in the end
/// every child has a parent.
#[test]
fn no_child_is_left_without_its_parent() {
    for (action, isolation) in [
        (Action::NoAction, IsolationLevel::ReadCommitted),
        (Action::Cascade, IsolationLevel::ReadCommitted),
        (Action::SetNull, IsolationLevel::Snapshot),
        (Action::Cascade, IsolationLevel::Serializable),
    ] {
        let db = Database::new();
        let p = parent(&db);
        let c = child(&db, &p, |key| key.on_delete = action);
        let p = db.table("p");
        let done = AtomicUsize::new(0);
        on_threads(|thread| {
            for step in 0..150 {
                let mut tx = db.begin_at(isolation);
                let random = mixed(thread * 1000 + step);
                let result = change_something(&db, &mut tx, &p, &c, random);
                if result
                    .and_then(|()| Ok(tx.commit(Durability::None)?))
                    .is_ok()
                {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert!(
            done.load(Ordering::Relaxed) > 100,
            "{done:?} of 600 went through"
        );
        let parents: Vec<Value> = db.rows(&p).into_iter().map(|row| row[0].clone()).collect();
        for child in db.rows(&c) {
            let refers = &child[1];
            assert!(refers.is_null() || parents.contains(refers), "{child:?}");
        }
        let tx = db.begin();
        assert_eq!(c.committed_rows(&tx).unwrap() as usize, db.rows(&c).len());
        assert_eq!(p.committed_rows(&tx).unwrap() as usize, parents.len());
    }
}

fn change_something(
    db: &Database,
    tx: &mut Transaction,
    p: &Arc<Table>,
    c: &Arc<Table>,
    random: i32,
) -> Result<()> {
    let (key, what) = (random % 8, random / 8 % 5);
    let mut statement = db.statement();
    let locked_row = |table: &Arc<Table>, tx: &mut Transaction, id: i32| -> Result<Option<_>> {
        let key = table.row_key(&row([id]))?;
        let mode = rustdb_txn::RowMode::Update;
        table.lock(tx, &key, mode, rustdb_txn::Wait::Forever)?;
        let mut old = Vec::new();
        let all = rustdb_table::Projection::All;
        let found = table.get_newest(tx, &key, &all, &mut old)?;
        Ok(found.then_some((key, old)))
    };
    match what {
        0 => drop(p.insert(tx, &row([key, key]), &mut statement)?),
        1 => {
            if let Some((key, old)) = locked_row(p, tx, key)? {
                p.delete(tx, &key, &old, &mut statement)?;
            }
        }
        2 => {
            if let Some((at, old)) = locked_row(c, tx, key)? {
                let new = row([key, random / 40 % 8]);
                c.update(tx, &at, &old, &new, &mut statement)?;
            }
        }
        _ => drop(c.insert(tx, &row([random / 40 % 50, key]), &mut statement)?),
    }
    statement.finish(tx, &mut Deferred::new())
}

#[test]
fn a_deferrable_key_is_unique_at_every_commit() {
    let db = Database::new();
    let mut wanted = crate::database::definition(
        "t",
        &[
            ("id", rustdb_types::Type::INT4),
            ("n", rustdb_types::Type::INT4),
        ],
    );
    let mut key = crate::database::unique(&[1]);
    key.deferrable = true;
    wanted.constraints = vec![key];
    let t = db.create(wanted);
    on_threads(|thread| {
        for step in 0..100 {
            let random = mixed(thread * 1000 + step);
            let result = statement(&db, |tx, s| {
                if random % 3 == 0 {
                    for (key, old) in keyed_rows(tx, &t) {
                        if old[0] == Value::Int4(random % 10) {
                            let mode = rustdb_txn::RowMode::Update;
                            let locked = t.lock(tx, &key, mode, rustdb_txn::Wait::Forever)?;
                            if locked == rustdb_table::Locked::Unchanged {
                                t.delete(tx, &key, &old, s)?;
                            }
                        }
                    }
                }
                t.insert(tx, &row([random % 10, thread]), s)
            });
            if let Err(error) = result {
                let expected = [SqlState::UNIQUE_VIOLATION, SqlState::DEADLOCK_DETECTED];
                assert!(expected.contains(&error.state()), "{error:?}");
            }
        }
    });
    let mut ids: Vec<Value> = db.rows(&t).into_iter().map(|row| row[0].clone()).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(all > 1);
}
