//! Indexes, constraints and storage of tables that have rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustdb_catalog::{
    Column, DropBehavior, IndexColumn, IndexDefinition, IndexState, PUBLIC, Part, RowKeyColumns,
};
use rustdb_storage::engine::Durability;
use rustdb_table::{KeyRange, Projection, Result, Table, Validation};
use rustdb_txn::{IsolationLevel, ObjectMode, Wait};
use rustdb_types::{Oid, SqlState, Type, Value};

use crate::database::{Database, definition, ints, keyed_rows, primary_key, row};
use crate::foreign_keys::statement;

fn rows_through(db: &Database, table: &Arc<Table>, index: Oid) -> Vec<Vec<Value>> {
    let tx = db.begin();
    let mut scan = table.index_scan(&tx, index, KeyRange::all(), &[]).unwrap();
    let mut rows = Vec::new();
    while let Some(key) = scan.next(&tx, &mut Vec::new()).unwrap() {
        let mut row = Vec::new();
        assert!(table.get(&tx, &key, &Projection::All, &mut row).unwrap());
        rows.push(row);
    }
    rows
}

fn table(db: &Database) -> Arc<Table> {
    let mut wanted = definition("t", &[("id", Type::INT4), ("a", Type::INT4)]);
    wanted.constraints = vec![primary_key(&[1])];
    db.create(wanted)
}

fn index_over(columns: &[u32], unique: bool) -> IndexDefinition {
    IndexDefinition {
        columns: columns
            .iter()
            .map(|id| IndexColumn::ascending(*id))
            .collect(),
        unique,
        ..IndexDefinition::default()
    }
}

/// `CREATE INDEX` in a transaction.
fn create_index(db: &Database, t: &Table, unique: bool) -> Result<Oid> {
    db.define(|change, tx| {
        let index = change
            .create_index(tx, t.oid(), index_over(&[2], unique))?
            .oid;
        let view = change.view();
        let table = db.store.table(view.table(t.oid()).unwrap(), None)?;
        table.fill_index(tx, index, &mut db.statement())?;
        change.set_index_state(t.oid(), index, IndexState::Public)?;
        Ok(index)
    })
}

#[test]
fn an_index_of_a_table_with_rows_has_them_all() {
    let db = Database::new();
    let t = table(&db);
    let rows: Vec<_> = (0..100)
        .map(|n| ints([Some(n), (n % 7 != 0).then_some(-n)]))
        .collect();
    db.insert(&t, &rows).unwrap();
    let old = db.begin_at(IsolationLevel::Snapshot);
    let index = create_index(&db, &t, true).unwrap();
    let catalog = db.catalog.current();
    let newest = db.begin();
    assert!(!catalog.index_is_complete(index, old.snapshot().sequence()));
    assert!(catalog.index_is_complete(index, newest.snapshot().sequence()));
    drop((old, newest, t));
    let t = db.table("t");
    let mut found = rows_through(&db, &t, index);
    assert_eq!(found[0][1], Value::Int4(-99));
    found.sort();
    assert_eq!(found, rows);
    let db = db.reopen();
    assert_eq!(rows_through(&db, &db.table("t"), index).len(), 100);
}

#[test]
fn a_unique_index_of_rows_that_are_not_is_refused_and_leaves_nothing() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([1, 5]), row([2, 5])]).unwrap();
    let error = create_index(&db, &t, true).unwrap_err();
    assert_eq!(error.message(), "could not create unique index \"t_a_idx\"");
    assert_eq!(error.detail(), Some("Key (a)=(5) is duplicated."));
    assert!(db.catalog.current().relation(PUBLIC, "t_a_idx").is_none());
    create_index(&db, &t, false).unwrap();
}

/// Rows come, change and go while an index is built; in the end it has exactly the rows.
#[test]
fn an_index_built_beside_writers_has_every_row() {
    for unique in [false, true] {
        let db = Database::new();
        let t = table(&db);
        let rows: Vec<_> = (0..300).map(|n| row([n, n])).collect();
        db.insert(&t, &rows).unwrap();
        let is_built = AtomicBool::new(false);
        let done = AtomicUsize::new(0);
        let index = std::thread::scope(|scope| {
            for thread in 0..3 {
                let (db, is_built, done) = (&db, &is_built, &done);
                scope.spawn(move || {
                    for step in 0.. {
                        if is_built.load(Ordering::SeqCst) && step > 50 {
                            break;
                        }
                        if change_row(db, thread * 100_000 + step).is_ok() {
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            while done.load(Ordering::SeqCst) < 20 {
                std::thread::yield_now();
            }
            let index = build_beside_writers(&db, unique);
            is_built.store(true, Ordering::SeqCst);
            index
        });
        let t = db.table("t");
        assert_eq!(t.definition().indexes[1].state, IndexState::Public);
        let mut found = rows_through(&db, &t, index);
        found.sort();
        assert_eq!(found, db.rows(&t), "unique: {unique}");
        assert!(found.len() > 100);
    }
}

/// Inserts, changes or deletes a row, by the tables of the newest catalog, under its lock.
fn change_row(db: &Database, random: i32) -> Result<()> {
    let mut tx = db.begin();
    let oid = db.table("t").oid();
    let object = rustdb_catalog::lock::object(oid);
    tx.lock_object(object, ObjectMode::RowExclusive, Wait::Forever)?;
    // NB: after the lock.
    let t = db.table("t");
    let mut s = db.statement();
    let id = random.wrapping_mul(7919).rem_euclid(400);
    let key = t.row_key(&row([id]))?;
    let mode = rustdb_txn::RowMode::Update;
    t.lock(&mut tx, &key, mode, Wait::Forever)?;
    let mut old = Vec::new();
    match t.get_newest(&tx, &key, &Projection::All, &mut old)? {
        false => drop(t.insert(&mut tx, &row([id, id]), &mut s)?),
        true if random % 3 == 0 => t.delete(&mut tx, &key, &old, &mut s)?,
        true => {
            let new = row([id, id + 1000 * (random % 5)]);
            t.update(&mut tx, &key, &old, &new, &mut s)?;
        }
    }
    tx.commit(Durability::None)?;
    Ok(())
}

/// `CREATE INDEX CONCURRENTLY`.
fn build_beside_writers(db: &Database, unique: bool) -> Oid {
    let t = db.table("t").oid();
    let made = db.define(|change, tx| change.create_index(tx, t, index_over(&[2], unique)));
    let index = made.unwrap().oid;
    let mut tx = db.begin();
    let object = rustdb_catalog::lock::object(t);
    tx.lock_object(object, ObjectMode::Share, Wait::Forever)
        .unwrap();
    drop(tx);
    let table = db.table("t");
    let mut from = None;
    loop {
        let mut tx = db.begin();
        let mut s = db.statement();
        from = table
            .back_fill(&mut tx, index, from.as_deref(), 20, &mut s)
            .unwrap();
        tx.commit(Durability::None).unwrap();
        if from.is_none() {
            break;
        }
    }
    db.define(|change, _| change.set_index_state(t, index, IndexState::Public))
        .unwrap();
    index
}

#[test]
fn a_new_column_has_its_value_in_old_rows_and_a_dropped_one_is_null() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([1, 10])]).unwrap();
    let oid = t.oid();
    db.define(|change, tx| {
        let mut column = Column::new(0, "b", Type::TEXT);
        column.missing = Value::text("old");
        change.add_column(oid, column)?;
        change
            .drop_parts(tx, &[Part::Column(oid, 2)], DropBehavior::Restrict, &[])
            .map(drop)
    })
    .unwrap();
    let t = db.table("t");
    let new = vec![2.into(), Value::Null, Value::text("new")];
    db.insert(&t, std::slice::from_ref(&new)).unwrap();
    let db = db.reopen();
    let rows = db.rows(&db.table("t"));
    assert_eq!(rows[0][2], Value::text("old"));
    assert_eq!(rows[1], new);
}

#[test]
fn storage_is_renewed_with_other_types_and_the_same_rows() {
    let db = Database::new();
    let t = table(&db);
    create_index(&db, &t, false).unwrap();
    let t = db.table("t");
    db.insert(&t, &[row([1, 10]), row([2, 20])]).unwrap();
    let oid = t.oid();
    db.define(|change, tx| {
        let (old, new) = change.renew_storage(oid, |table| {
            table.columns[1].column_type = Type::TEXT;
            Ok(())
        })?;
        let old = db.store.table(&old, None)?;
        let new = db.store.table(&new, None)?;
        let mut convert = |row: &[Value]| {
            let text = row[1].as_integer().map(|number| number.to_string());
            Ok(vec![row[0].clone(), text.into()])
        };
        let copied = old.copy_into(tx, &new, &mut convert, &mut db.statement())?;
        assert_eq!(copied, 2);
        Ok(())
    })
    .unwrap();
    let db = db.reopen();
    let t = db.table("t");
    let expected = [
        vec![1.into(), Value::text("10")],
        vec![2.into(), Value::text("20")],
    ];
    assert_eq!(db.rows(&t), expected);
    assert_eq!(
        rows_through(&db, &t, t.definition().indexes[1].oid),
        expected
    );
    // TRUNCATE: the same without the rows.
    db.define(|change, _| change.renew_storage(oid, |_| Ok(())).map(drop))
        .unwrap();
    assert!(db.rows(&db.table("t")).is_empty());
}

#[test]
fn a_table_without_its_key_keeps_its_rows() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([2, 20]), row([1, 10])]).unwrap();
    let oid = t.oid();
    let key = Part::Constraint(oid, t.definition().primary_key().unwrap().oid);
    db.define(|change, tx| {
        let dropped = change.drop_parts(tx, &[key], DropBehavior::Restrict, &[])?;
        for (old, new) in &dropped.to_copy {
            let (old, new) = (db.store.table(old, None)?, db.store.table(new, None)?);
            old.copy_into(tx, &new, &mut |row| Ok(row.to_vec()), &mut db.statement())?;
        }
        Ok(())
    })
    .unwrap();
    let t = db.table("t");
    assert_eq!(t.definition().row_key, RowKeyColumns::Hidden);
    assert_eq!(db.rows(&t), [row([1, 10]), row([2, 20])]);
    db.insert(&t, &[row([1, 10])]).unwrap();
    assert_eq!(db.rows(&t).len(), 3);
}

#[test]
fn rows_are_looked_at_before_a_constraint_is_believed() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([1, 10]), ints([Some(2), None])])
        .unwrap();
    let mut tx = db.begin();
    let error = t
        .validate(&mut tx, Validation::NotNull(1), &mut db.statement())
        .unwrap_err();
    assert_eq!(
        error.message(),
        "column \"a\" of relation \"t\" contains null values"
    );
    t.validate(&mut tx, Validation::NotNull(0), &mut db.statement())
        .unwrap();
}

#[test]
fn on_conflict_finds_the_row_that_is_in_the_way() {
    let db = Database::new();
    let t = table(&db);
    let index = create_index(&db, &t, true).unwrap();
    let t = db.table("t");
    db.insert(&t, &[row([1, 10])]).unwrap();
    let primary = t.definition().indexes[0].oid;
    let find = |wanted: [i32; 2], index: Oid| {
        statement(&db, |tx, s| t.find_conflict(tx, &row(wanted), index, s)).unwrap()
    };
    let one = t.row_key(&row([1])).unwrap();
    assert_eq!(find([1, 5], primary).as_deref(), Some(&*one));
    assert_eq!(find([5, 10], index).as_deref(), Some(&*one));
    assert_eq!(find([5, 5], primary).as_deref(), None);
    assert_eq!(find([5, 5], index).as_deref(), None);

    let mut old = db.begin_at(IsolationLevel::Snapshot);
    db.insert(&t, &[row([2, 20])]).unwrap();
    let error = t
        .find_conflict(&mut old, &row([3, 20]), index, &mut db.statement())
        .unwrap_err();
    assert_eq!(error.state(), SqlState::SERIALIZATION_FAILURE);
}

/// Upserts of a few keys from several threads: every one counts.
#[test]
fn upserts_of_the_same_keys_are_all_counted() {
    let db = Database::new();
    let t = table(&db);
    create_index(&db, &t, true).unwrap();
    let t = db.table("t");
    let index = t.definition().indexes[1].oid;
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (db, t, failed) = (&db, &t, &failed);
            scope.spawn(move || {
                for step in 0..100 {
                    let wanted = row([1000 * (1 + thread) + step, step % 5]);
                    let result = statement(db, |tx, s| upsert(tx, t, &wanted, index, s));
                    if let Err(error) = result {
                        println!("{error:?}");
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    let tx = db.begin();
    let rows = keyed_rows(&tx, &t);
    assert_eq!(rows.len(), 5);
    // The key counts how often the row was updated, above where it began.
    let updates: i64 = rows
        .iter()
        .map(|(_, row)| row[0].as_integer().unwrap() / 100_000)
        .sum();
    assert_eq!(updates, 400 - 5);
}

fn upsert(
    tx: &mut rustdb_txn::Transaction,
    t: &Arc<Table>,
    wanted: &[Value],
    index: Oid,
    s: &mut rustdb_table::Statement,
) -> Result<()> {
    loop {
        let Some(key) = t.find_conflict(tx, wanted, index, s)? else {
            t.insert(tx, wanted, s)?;
            return Ok(());
        };
        let mode = rustdb_txn::RowMode::Update;
        t.lock(tx, &key, mode, Wait::Forever)?;
        let mut old = Vec::new();
        if !t.get_newest(tx, &key, &Projection::All, &mut old)? {
            continue;
        }
        let id = old[0].as_integer().unwrap() as i32;
        t.update(tx, &key, &old, &[(id + 100_000).into(), old[1].clone()], s)?;
        return Ok(());
    }
}

#[test]
fn a_load_into_a_table_that_is_held_takes_no_locks_and_finds_duplicates() {
    let db = Database::new();
    let t = table(&db);
    create_index(&db, &t, true).unwrap();
    let t = db.table("t");
    db.insert(&t, &[row([5, 5])]).unwrap();
    let mut tx = db.begin();
    let object = rustdb_catalog::lock::object(t.oid());
    tx.lock_object(object, ObjectMode::Exclusive, Wait::Forever)
        .unwrap();
    let mut s = db.statement();
    s.assume_exclusive(t.oid());
    for id in 10..1000 {
        t.insert(&mut tx, &row([id, id]), &mut s).unwrap();
    }
    assert_eq!(db.catalog.manager().locks().row_locks(), 0);
    for again in [[5, 1], [10, 1], [1, 5], [1, 10]] {
        let savepoint = tx.savepoint();
        let error = t.insert(&mut tx, &row(again), &mut s).unwrap_err();
        assert_eq!(error.state(), SqlState::UNIQUE_VIOLATION);
        tx.rollback_to(savepoint).unwrap();
    }
    db.commit(tx);
    assert_eq!(db.rows(&t).len(), 991);
}
