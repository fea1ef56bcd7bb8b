//! Writing and reading rows.

use std::ops::Bound;
use std::sync::Arc;

use rustdb_table::{KeyPart, KeyRange, Projection, Table};
use rustdb_txn::Transaction;
use rustdb_types::{Comparison, RowReader, Type, Value};

use crate::database::{Database, definition, ints, keyed_rows, primary_key, row, rows_of, unique};

/// `(id integer PRIMARY KEY, a integer UNIQUE, b integer)`.
fn table(db: &Database) -> Arc<Table> {
    let columns = [("id", Type::INT4), ("a", Type::INT4), ("b", Type::INT4)];
    let mut wanted = definition("t", &columns);
    wanted.constraints = vec![primary_key(&[1]), unique(&[2])];
    db.create(wanted)
}

/// The row keys that an index leads to, decoded as the integers they are made of.
fn through_index(tx: &Transaction, table: &Arc<Table>, range: KeyRange) -> Vec<Vec<Value>> {
    let index = table.definition().indexes[1].oid;
    let mut scan = table.index_scan(tx, index, range, &[]).unwrap();
    let mut rows = Vec::new();
    while let Some(key) = scan.next(tx, &mut Vec::new()).unwrap() {
        let mut row = Vec::new();
        assert!(table.get(tx, &key, &Projection::All, &mut row).unwrap());
        rows.push(row);
    }
    rows
}

#[test]
fn rows_with_a_key_come_in_its_order_and_last() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([3, 30, 0]), row([-1, 10, 0]), row([2, 20, 0])])
        .unwrap();
    let expected = [row([-1, 10, 0]), row([2, 20, 0]), row([3, 30, 0])];
    assert_eq!(db.rows(&t), expected);
    let db = db.reopen();
    assert_eq!(db.rows(&db.table("t")), expected);
}

#[test]
fn rows_without_a_key_come_in_the_order_of_insertion() {
    let db = Database::new();
    let t = db.create(definition("t", &[("a", Type::TEXT)]));
    let words = ["b", "a", "a"].map(|word| vec![Value::text(word)]);
    db.insert(&t, &words).unwrap();
    assert_eq!(db.rows(&t), words);
    let db = db.reopen();
    let t = db.table("t");
    db.insert(&t, &words).unwrap();
    assert_eq!(db.rows(&t), [words.clone(), words].concat());
}

#[test]
fn a_projection_decodes_what_was_asked_for() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([1, 2, 3])]).unwrap();
    let tx = db.begin();
    let key = t.row_key(&row([1])).unwrap();
    let mut out = Vec::new();
    let projection = Projection::Columns(vec![2, 0]);
    assert!(t.get(&tx, &key, &projection, &mut out).unwrap());
    assert_eq!(out, row([3, 1]));
    assert!(!t.get(&tx, b"none", &projection, &mut out).unwrap());
}

#[test]
fn updates_and_deletes_keep_the_index_in_step() {
    let db = Database::new();
    let t = table(&db);
    let inserted: Vec<_> = (0..20).map(|n| row([n, n * 10, 0])).collect();
    db.insert(&t, &inserted).unwrap();
    let mut tx = db.begin();
    let mut statement = db.statement();
    for (key, old) in keyed_rows(&tx, &t) {
        let id = old[0].as_integer().unwrap() as i32;
        match id % 4 {
            // Another key, another value of the unique column, another of the plain one.
            0 => {
                let new = row([id + 100, id * 10, 1]);
                t.update(&mut tx, &key, &old, &new, &mut statement).unwrap();
            }
            1 => {
                let new = row([id, id * 10 + 5, 1]);
                t.update(&mut tx, &key, &old, &new, &mut statement).unwrap();
            }
            2 => {
                let new = ints([Some(id), None, Some(1)]);
                t.update(&mut tx, &key, &old, &new, &mut statement).unwrap();
            }
            _ => t.delete(&mut tx, &key, &old, &mut statement).unwrap(),
        }
    }
    for step in 0..2 {
        let mut by_key = rows_of(&tx, &t);
        let mut by_index = through_index(&tx, &t, KeyRange::all());
        assert_eq!(by_key.len(), 15);
        by_key.sort();
        by_index.sort();
        assert_eq!(by_key, by_index);
        if step == 0 {
            db.commit(std::mem::replace(&mut tx, db.begin()));
            tx = db.begin();
        }
    }
    assert_eq!(t.committed_rows(&tx).unwrap(), 15);
}

#[test]
fn ranges_of_keys_and_of_indexes_hold_what_is_between() {
    let db = Database::new();
    let t = table(&db);
    let mut inserted: Vec<_> = (0..10).map(|n| row([n, 100 - n, 0])).collect();
    inserted.push(ints([Some(10), None, None]));
    db.insert(&t, &inserted).unwrap();
    let tx = db.begin();
    let (three, five) = (Value::Int4(3), Value::Int4(5));
    let between = KeyPart::Between(Bound::Excluded(&three), Bound::Included(&five));
    let range = t.key_range(&[], between).unwrap();
    let scan = || {
        let range = range.clone();
        t.scan(&tx, range, Projection::Columns(vec![0])).unwrap()
    };
    let reader = RowReader::new(t.layout(), &[0]).unwrap();
    let mut columns = reader.columns(100);
    let filled = scan().fill(&tx, &reader, &[], &mut columns, 100);
    assert_eq!(filled.unwrap(), (2, 2));
    assert_eq!(columns[0].values(), row([4, 5]));
    // A test leaves rows out that were looked at.
    let test = t.layout().test(0, Comparison::Greater, &Value::Int4(4));
    let mut columns = reader.columns(100);
    let filled = scan().fill(&tx, &reader, &[test.unwrap()], &mut columns, 100);
    assert_eq!(filled.unwrap(), (2, 1));
    assert_eq!(columns[0].values(), row([5]));

    let index = t.definition().indexes[1].oid;
    let low = Value::Int4(97);
    let above = KeyPart::Between(Bound::Included(&low), Bound::Unbounded);
    let range = t.index_range(index, &[], above).unwrap();
    let ids: Vec<_> = through_index(&tx, &t, range)
        .iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(ids, row([3, 2, 1, 0]));
    let nulls = t.index_range(index, &[Value::Null], KeyPart::Any).unwrap();
    assert_eq!(through_index(&tx, &t, nulls).len(), 1);
}

#[test]
fn a_second_row_with_the_same_key_is_refused_in_postgresqls_words() {
    let db = Database::new();
    let t = table(&db);
    db.insert(&t, &[row([1, 10, 0])]).unwrap();
    let error = db.insert(&t, &[row([1, 11, 0])]).unwrap_err();
    assert_eq!(error.state().as_str(), "23505");
    assert_eq!(
        error.message(),
        "duplicate key value violates unique constraint \"t_pkey\""
    );
    assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
    let error = db.insert(&t, &[row([2, 10, 0])]).unwrap_err();
    assert_eq!(error.constraint(), Some("t_a_key"));
    assert_eq!(error.detail(), Some("Key (a)=(10) already exists."));
    let error = db
        .insert(&t, &[row([2, 20, 0]), row([3, 20, 0])])
        .unwrap_err();
    assert_eq!(error.constraint(), Some("t_a_key"));
    // NULLs are different from each other.
    db.insert(
        &t,
        &[ints([Some(2), None, None]), ints([Some(3), None, None])],
    )
    .unwrap();
    assert_eq!(db.rows(&t).len(), 3);
}

#[test]
fn null_is_refused_where_it_must_not_be() {
    let db = Database::new();
    let t = table(&db);
    let error = db.insert(&t, &[ints([None, Some(1), None])]).unwrap_err();
    assert_eq!(error.state().as_str(), "23502");
    assert_eq!(
        error.message(),
        "null value in column \"id\" of relation \"t\" violates not-null constraint"
    );
    assert_eq!(
        error.detail(),
        Some("Failing row contains (null, 1, null).")
    );
}
