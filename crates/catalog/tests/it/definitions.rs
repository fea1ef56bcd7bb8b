//! Definitions commit, roll back, and are there again.

use rustdb_catalog::{FIRST_USER_OID, PUBLIC, RowKeyColumns};
use rustdb_storage::engine::Durability;
use rustdb_types::Type;

use crate::database::{Database, definition, primary_key, unique};

#[test]
fn a_new_database_has_the_built_in_schemas_alone() {
    let db = Database::new();
    let catalog = db.store.current();
    let names: Vec<&str> = catalog.objects().iter().map(|each| each.name()).collect();
    assert_eq!(names, ["pg_catalog", "public", "information_schema"]);
    assert_eq!(catalog.schema_named("public").unwrap().oid, PUBLIC);
}

#[test]
fn tables_are_there_after_reopening() {
    let db = Database::new();
    let mut wanted = definition("t", &[("id", Type::INT4), ("name", Type::TEXT)]);
    wanted.constraints = vec![primary_key(&[1]), unique(&[2])];
    db.define(|change, tx| change.create_table(tx, wanted))
        .unwrap();
    let before = db.table("t").unwrap();
    assert!(before.oid.0 >= FIRST_USER_OID);
    assert_eq!(before.row_key, RowKeyColumns::Columns(vec![1]));
    assert!(before.columns[0].not_null && !before.columns[1].not_null);
    let names: Vec<&str> = before
        .constraints
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    assert_eq!(names, ["t_pkey", "t_name_key"]);
    assert_eq!(db.keyspaces().len(), 2);

    let db = db.reopen();
    assert_eq!(db.table("t").unwrap(), before);
    assert_eq!(db.keyspaces().len(), 2);
    let catalog = db.store.current();
    assert!(catalog.relation(PUBLIC, "t_name_key").is_some());
    assert!(db.store.new_oid().unwrap().0 > before.oid.0);
}

#[test]
fn what_is_not_committed_leaves_nothing() {
    let db = Database::new();
    let mut tx = db.begin();
    let mut change = db.store.begin_change();
    change
        .create_table(&mut tx, definition("t", &[("a", Type::INT4)]))
        .unwrap();
    assert!(change.view().relation(PUBLIC, "t").is_some());
    assert!(db.table("t").is_none(), "others do not see it");
    assert_eq!(db.keyspaces().len(), 1);
    drop(tx);
    drop(change);
    assert_eq!(db.keyspaces().len(), 0);
    assert!(db.reopen().table("t").is_none());
}

#[test]
fn rolling_back_to_a_savepoint_undoes_what_came_after() {
    let db = Database::new();
    let mut tx = db.begin();
    let mut change = db.store.begin_change();
    change
        .create_table(&mut tx, definition("t", &[("a", Type::INT4)]))
        .unwrap();
    let (savepoint, mark) = (tx.savepoint(), change.mark());
    change
        .create_table(&mut tx, definition("u", &[("a", Type::INT4)]))
        .unwrap();
    tx.rollback_to(savepoint).unwrap();
    change.rollback_to(mark).unwrap();
    let view = change.view();
    assert!(view.relation(PUBLIC, "t").is_some() && view.relation(PUBLIC, "u").is_none());
    change.commit(tx, Durability::Sync).unwrap();
    assert_eq!(db.keyspaces().len(), 1);
    let db = db.reopen();
    assert!(db.table("t").is_some() && db.table("u").is_none());
}

#[test]
fn two_transactions_that_define_different_tables_go_together() {
    let db = Database::new();
    let (mut one, mut two) = (db.begin(), db.begin());
    let (mut a, mut b) = (db.store.begin_change(), db.store.begin_change());
    a.create_table(&mut one, definition("a", &[])).unwrap();
    b.create_table(&mut two, definition("b", &[])).unwrap();
    a.commit(one, Durability::Sync).unwrap();
    assert!(
        b.view().relation(PUBLIC, "a").is_some(),
        "committed ones are seen"
    );
    b.commit(two, Durability::Sync).unwrap();
    assert!(db.table("a").is_some() && db.table("b").is_some());
    let db = db.reopen();
    assert!(db.table("a").is_some() && db.table("b").is_some());
}

#[test]
fn a_name_can_be_taken_once() {
    let db = Database::new();
    db.define(|change, tx| change.create_table(tx, definition("t", &[])))
        .unwrap();
    let error = db
        .define(|change, tx| change.create_table(tx, definition("t", &[])))
        .unwrap_err();
    assert_eq!(error.state().as_str(), "42P07");
    assert_eq!(error.message(), "relation \"t\" already exists");
    assert_eq!(db.keyspaces().len(), 1);
}
