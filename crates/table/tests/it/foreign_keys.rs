//! Foreign keys: what is refused, what follows, and when.

use std::sync::Arc;

use rustdb_catalog::{
    Action, ConstraintDefinition, ConstraintDefinitionKind, ForeignKeyDefinition, Match,
};
use rustdb_storage::engine::Durability;
use rustdb_table::{Deferred, Error, Projection, Result, Table};
use rustdb_txn::Transaction;
use rustdb_types::{Type, Value};

use crate::database::{Database, definition, ints, primary_key, row, rows_of, unique};

pub(crate) fn references(
    columns: &[u32],
    parent: &Table,
    change: impl FnOnce(&mut ForeignKeyDefinition),
) -> ConstraintDefinition {
    let mut key = ForeignKeyDefinition {
        columns: columns.to_vec(),
        parent: Some(parent.oid()),
        ..ForeignKeyDefinition::default()
    };
    change(&mut key);
    ConstraintDefinition::new(ConstraintDefinitionKind::ForeignKey(key))
}

pub(crate) fn parent(db: &Database) -> Arc<Table> {
    let mut wanted = definition("p", &[("id", Type::INT4), ("code", Type::INT4)]);
    wanted.constraints = vec![primary_key(&[1]), unique(&[2])];
    db.create(wanted)
}

/// `c (id PRIMARY KEY, p REFERENCES p ...)`.
pub(crate) fn child(
    db: &Database,
    parent: &Table,
    change: impl FnOnce(&mut ForeignKeyDefinition),
) -> Arc<Table> {
    let mut wanted = definition("c", &[("id", Type::INT4), ("p", Type::INT4)]);
    wanted.constraints = vec![primary_key(&[1]), references(&[2], parent, change)];
    db.create(wanted)
}

/// Does something as one statement in a transaction of its own.
pub(crate) fn statement<R>(
    db: &Database,
    body: impl FnOnce(&mut Transaction, &mut rustdb_table::Statement) -> Result<R>,
) -> Result<R> {
    let mut tx = db.begin();
    let mut statement = db.statement();
    let mut deferred = Deferred::new();
    let result = body(&mut tx, &mut statement)?;
    statement.finish(&mut tx, &mut deferred)?;
    assert!(deferred.is_empty());
    tx.commit(Durability::Sync)?;
    Ok(result)
}

pub(crate) fn insert(db: &Database, table: &Table, rows: &[Vec<Value>]) -> Result<()> {
    statement(db, |tx, statement| {
        for row in rows {
            table.insert(tx, row, statement)?;
        }
        Ok(())
    })
}

/// The table with all that points to it.
fn again(db: &Database, name: &str) -> Arc<Table> {
    db.table(name)
}

pub(crate) fn delete(db: &Database, table: &Table, id: i32) -> Result<()> {
    statement(db, |tx, statement| delete_in(tx, table, id, statement))
}

fn delete_in(
    tx: &mut Transaction,
    table: &Table,
    id: i32,
    statement: &mut rustdb_table::Statement,
) -> Result<()> {
    let key = table.row_key(&row([id]))?;
    let mut old = Vec::new();
    assert!(table.get(tx, &key, &Projection::All, &mut old)?);
    table.delete(tx, &key, &old, statement)
}

fn update(db: &Database, table: &Table, id: i32, new: &[Value]) -> Result<()> {
    statement(db, |tx, statement| {
        let key = table.row_key(&row([id]))?;
        let mut old = Vec::new();
        assert!(table.get(tx, &key, &Projection::All, &mut old)?);
        table.update(tx, &key, &old, new, statement)?;
        Ok(())
    })
}

#[track_caller]
fn assert_violation(result: Result<()>, message: &str, detail: &str) {
    let error: Error = result.unwrap_err();
    assert_eq!(error.state().as_str(), "23503");
    assert_eq!(error.message(), message);
    assert_eq!(error.detail(), Some(detail));
}

#[test]
fn a_child_needs_its_parent_and_null_needs_none() {
    let db = Database::new();
    let p = parent(&db);
    let c = child(&db, &p, |_| {});
    insert(&db, &p, &[row([1, 10])]).unwrap();
    insert(&db, &c, &[row([1, 1]), ints([Some(2), None])]).unwrap();
    assert_violation(
        insert(&db, &c, &[row([3, 5])]),
        "insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\"",
        "Key (p)=(5) is not present in table \"p\".",
    );
    assert_violation(
        update(&db, &c, 1, &row([1, 7])),
        "insert or update on table \"c\" violates foreign key constraint \"c_p_fkey\"",
        "Key (p)=(7) is not present in table \"p\".",
    );
}

#[test]
fn a_parent_with_children_stays() {
    let db = Database::new();
    for action in [Action::NoAction, Action::Restrict] {
        let db = if action == Action::NoAction {
            db.clone()
        } else {
            Database::new()
        };
        let p = parent(&db);
        let c = child(&db, &p, |key| {
            (key.on_delete, key.on_update) = (action, action)
        });
        insert(&db, &p, &[row([1, 10]), row([2, 20])]).unwrap();
        insert(&db, &c, &[row([1, 1])]).unwrap();
        let p = again(&db, "p");
        let words = "update or delete on table \"p\" violates foreign key constraint \"c_p_fkey\" on table \"c\"";
        let detail = "Key (id)=(1) is still referenced from table \"c\".";
        assert_violation(delete(&db, &p, 1), words, detail);
        assert_violation(update(&db, &p, 1, &row([3, 10])), words, detail);
        update(&db, &p, 1, &row([1, 11])).unwrap();
        delete(&db, &p, 2).unwrap();
        delete(&db, &c, 1).unwrap();
        delete(&db, &p, 1).unwrap();
    }
}

#[test]
fn children_follow_as_the_action_says() {
    let cases = [
        (Action::Cascade, vec![], vec![row([1, 3]), row([2, 3])]),
        (
            Action::SetNull,
            vec![ints([Some(1), None]), ints([Some(2), None])],
            vec![ints([Some(1), None]), ints([Some(2), None])],
        ),
        (
            Action::SetDefault,
            vec![ints([Some(1), None]), ints([Some(2), None])],
            vec![ints([Some(1), None]), ints([Some(2), None])],
        ),
    ];
    for (action, after_delete, after_update) in cases {
        for is_delete in [true, false] {
            let db = Database::new();
            let p = parent(&db);
            let c = child(&db, &p, |key| {
                (key.on_delete, key.on_update) = (action, action)
            });
            insert(&db, &p, &[row([1, 10]), row([2, 20])]).unwrap();
            insert(&db, &c, &[row([1, 1]), row([2, 1]), row([9, 2])]).unwrap();
            let p = again(&db, "p");
            match is_delete {
                true => delete(&db, &p, 1).unwrap(),
                false => update(&db, &p, 1, &row([3, 10])).unwrap(),
            }
            let mut expected = if is_delete {
                after_delete.clone()
            } else {
                after_update.clone()
            };
            expected.push(row([9, 2]));
            assert_eq!(db.rows(&c), expected, "{action:?} {is_delete}");
        }
    }
}

#[test]
fn a_table_that_refers_to_itself_is_deleted_level_by_level() {
    let db = Database::new();
    let mut wanted = definition("t", &[("id", Type::INT4), ("up", Type::INT4)]);
    let key = ForeignKeyDefinition {
        columns: vec![2],
        on_delete: Action::Cascade,
        ..ForeignKeyDefinition::default()
    };
    wanted.constraints = vec![
        primary_key(&[1]),
        ConstraintDefinition::new(ConstraintDefinitionKind::ForeignKey(key)),
    ];
    let t = db.create(wanted);
    // Children before their parents, and one that is its own: it is looked at when all are there.
    insert(
        &db,
        &t,
        &[row([3, 2]), row([2, 1]), row([1, 1]), row([5, 5])],
    )
    .unwrap();
    delete(&db, &t, 1).unwrap();
    assert_eq!(db.rows(&t), [row([5, 5])]);
}

#[test]
fn a_reference_to_a_unique_column_is_one_to_its_row() {
    let db = Database::new();
    let p = parent(&db);
    let c = child(&db, &p, |key| key.parent_columns = vec![2]);
    insert(&db, &p, &[row([1, 10])]).unwrap();
    insert(&db, &c, &[row([1, 10])]).unwrap();
    assert!(insert(&db, &c, &[row([2, 1])]).is_err());
    let p = again(&db, "p");
    assert!(update(&db, &p, 1, &row([1, 11])).is_err());
    // The primary key is free to change.
    update(&db, &p, 1, &row([7, 10])).unwrap();
    assert!(delete(&db, &p, 7).is_err());
}

#[test]
fn match_full_refuses_a_mixture() {
    let db = Database::new();
    let mut wanted = definition("p", &[("a", Type::INT4), ("b", Type::INT4)]);
    wanted.constraints = vec![primary_key(&[1, 2])];
    let p = db.create(wanted);
    for (match_type, is_fine) in [(Match::Simple, true), (Match::Full, false)] {
        let name = format!("c_{is_fine}");
        let mut wanted = definition(&name, &[("a", Type::INT8), ("b", Type::INT4)]);
        wanted.constraints = vec![references(&[1, 2], &p, |key| key.match_type = match_type)];
        let c = db.create(wanted);
        let mixed = vec![Value::Int8(1), Value::Null];
        assert_eq!(insert(&db, &c, &[mixed]).is_ok(), is_fine);
        insert(&db, &c, &[vec![Value::Null, Value::Null]]).unwrap();
        // Of another type, and beyond the parent's.
        assert!(insert(&db, &c, &[vec![Value::Int8(1 << 40), 1.into()]]).is_err());
    }
}

#[test]
fn a_deferred_constraint_is_looked_at_at_the_end() {
    let db = Database::new();
    let p = parent(&db);
    let mut wanted = definition("c", &[("id", Type::INT4), ("p", Type::INT4)]);
    let mut key = references(&[2], &p, |_| {});
    (key.deferrable, key.initially_deferred) = (true, true);
    wanted.constraints = vec![primary_key(&[1]), key];
    let c = db.create(wanted);
    let p = again(&db, "p");
    let settings = Arc::default();
    for parent_comes in [true, false] {
        let mut tx = db.begin();
        let mut deferred = Deferred::new();
        let mut statement = db.statement();
        c.insert(&mut tx, &row([1, 1]), &mut statement).unwrap();
        statement.finish(&mut tx, &mut deferred).unwrap();
        assert!(!deferred.is_empty());
        if parent_comes {
            let mut statement = db.statement();
            p.insert(&mut tx, &row([1, 10]), &mut statement).unwrap();
            statement.finish(&mut tx, &mut deferred).unwrap();
        }
        let tables = db.statement().tables().clone();
        let wait = rustdb_txn::Wait::Forever;
        let mark = deferred.mark();
        deferred.set(None, false);
        let result = deferred.check_immediate(&mut tx, &tables, &settings, wait, false);
        assert_eq!(result.is_ok(), parent_comes);
        deferred.rollback_to(&mark);
        // A parent that goes and comes back has never gone.
        if parent_comes {
            let mut statement = db.statement();
            delete_in(&mut tx, &p, 1, &mut statement).unwrap();
            statement.finish(&mut tx, &mut deferred).unwrap();
            let mut statement = db.statement();
            p.insert(&mut tx, &row([1, 11]), &mut statement).unwrap();
            statement.finish(&mut tx, &mut deferred).unwrap();
            deferred.check(&mut tx, &tables, &settings, wait).unwrap();
            assert_eq!(rows_of(&tx, &c), [row([1, 1])]);
        }
    }
}

#[test]
fn a_deferrable_key_may_be_shared_for_a_while() {
    let db = Database::new();
    let mut wanted = definition("t", &[("id", Type::INT4), ("v", Type::INT4)]);
    let mut key = primary_key(&[1]);
    key.deferrable = true;
    wanted.constraints = vec![key];
    let t = db.create(wanted);
    insert(&db, &t, &[row([1, 1]), row([2, 2])]).unwrap();
    // UPDATE t SET id = id + 1: 2 is there twice for a moment.
    statement(&db, |tx, statement| {
        for (key, old) in crate::database::keyed_rows(tx, &t) {
            let id = old[0].as_integer().unwrap() as i32;
            t.update(
                tx,
                &key,
                &old,
                &[(id + 1).into(), old[1].clone()],
                statement,
            )?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(db.rows(&t), [row([2, 1]), row([3, 2])]);
    let error = insert(&db, &t, &[row([3, 3])]).unwrap_err();
    assert_eq!(error.state().as_str(), "23505");
    assert_eq!(error.detail(), Some("Key (id)=(3) already exists."));
    assert_eq!(db.rows(&t).len(), 2);
}
