//! What goes with what, and what keeps what.

use rustdb_catalog::{
    Column, ConstraintDefinition, ConstraintDefinitionKind, Dependency, DropBehavior, Dropped,
    Expression, ForeignKeyDefinition, IndexColumn, IndexDefinition, PUBLIC, Part, Result,
    RowKeyColumns, Sequence, TypeKind, TypeObject, View, ViewColumn,
};
use rustdb_types::{EnumLabel, EnumType, Oid, Type};

use crate::database::{Database, definition, primary_key, unique};

fn drop_parts(db: &Database, targets: &[Part], behavior: DropBehavior) -> Result<Dropped> {
    db.define(|change, tx| change.drop_parts(tx, targets, behavior, &[PUBLIC]))
}

/// Tables `p` and `c`, which refers to it, and a view of `p`.
fn related(db: &Database) -> (Oid, Oid, Oid) {
    let mut p = definition("p", &[("id", Type::INT4), ("a", Type::INT4)]);
    p.constraints = vec![primary_key(&[1]), unique(&[2])];
    let p = db
        .define(|change, tx| change.create_table(tx, p))
        .unwrap()
        .oid;
    let mut c = definition("c", &[("id", Type::INT4), ("p", Type::INT4)]);
    let key = ForeignKeyDefinition {
        columns: vec![2],
        parent: Some(p),
        ..ForeignKeyDefinition::default()
    };
    c.constraints = vec![ConstraintDefinition::new(
        ConstraintDefinitionKind::ForeignKey(key),
    )];
    let c = db
        .define(|change, tx| change.create_table(tx, c))
        .unwrap()
        .oid;
    let view = View {
        oid: Oid(0),
        schema: PUBLIC,
        name: "v".to_owned(),
        columns: vec![ViewColumn {
            name: "a".to_owned(),
            column_type: Type::INT4,
        }],
        query: Expression {
            text: "SELECT a FROM public.p".to_owned(),
            depends_on: vec![
                Dependency {
                    object: p,
                    column: None,
                },
                Dependency {
                    object: p,
                    column: Some(2),
                },
            ],
        },
        temporary: false,
        check_option: None,
    };
    let v = db
        .define(|change, tx| change.create_view(tx, view))
        .unwrap();
    (p, c, v)
}

#[test]
fn what_is_used_is_kept_and_the_error_says_by_whom() {
    let db = Database::new();
    let (p, _, _) = related(&db);
    let error = drop_parts(&db, &[Part::Object(p)], DropBehavior::Restrict).unwrap_err();
    assert_eq!(error.state().as_str(), "2BP01");
    assert_eq!(
        error.message(),
        "cannot drop table p because other objects depend on it"
    );
    assert_eq!(
        error.detail(),
        Some("constraint c_p_fkey on table c depends on table p\nview v depends on table p")
    );
    assert_eq!(
        error.hint(),
        Some("Use DROP ... CASCADE to drop the dependent objects too.")
    );
    assert_eq!(db.keyspaces().len(), 3);
}

#[test]
fn cascade_takes_what_uses_it_and_leaves_the_rest() {
    let db = Database::new();
    let (p, c, v) = related(&db);
    let dropped = drop_parts(&db, &[Part::Object(p)], DropBehavior::Cascade).unwrap();
    assert_eq!(
        dropped.cascaded,
        ["constraint c_p_fkey on table c", "view v"]
    );
    let db = db.reopen();
    let catalog = db.store.current();
    assert!(catalog.object(p).is_none() && catalog.object(v).is_none());
    assert!(catalog.table(c).unwrap().constraints.is_empty());
    assert_eq!(db.keyspaces().len(), 1);
}

#[test]
fn tables_that_refer_to_each_other_go_together() {
    let db = Database::new();
    let (p, c, v) = related(&db);
    let both = [Part::Object(p), Part::Object(c), Part::Object(v)];
    let dropped = drop_parts(&db, &both, DropBehavior::Restrict).unwrap();
    assert!(dropped.cascaded.is_empty());
    assert_eq!(db.reopen().keyspaces().len(), 0);
}

#[test]
fn a_column_goes_with_its_indexes_and_constraints_but_not_with_views() {
    let db = Database::new();
    let (p, _, _) = related(&db);
    let error = drop_parts(&db, &[Part::Column(p, 2)], DropBehavior::Restrict).unwrap_err();
    assert_eq!(
        error.detail(),
        Some("view v depends on column a of table p")
    );
    drop_parts(&db, &[Part::Column(p, 2)], DropBehavior::Cascade).unwrap();
    let table = db.table("p").unwrap();
    assert!(table.columns[1].dropped && table.constraint_named("p_a_key").is_none());
    assert_eq!(table.indexes.len(), 1);
    let db = db.reopen();
    assert_eq!(db.table("p").unwrap(), table);
}

#[test]
fn a_table_that_loses_its_key_gets_new_storage() {
    let db = Database::new();
    let (p, _, _) = related(&db);
    let table = db.table("p").unwrap();
    let key = Part::Constraint(p, table.primary_key().unwrap().oid);
    assert!(drop_parts(&db, &[key], DropBehavior::Restrict).is_err());
    let dropped = drop_parts(&db, &[key], DropBehavior::Cascade).unwrap();
    assert_eq!(dropped.cascaded, ["constraint c_p_fkey on table c"]);
    assert_eq!(dropped.to_copy.len(), 1);
    let (old, new) = &dropped.to_copy[0];
    assert_ne!(old.keyspace, new.keyspace);
    assert_eq!(new.row_key, RowKeyColumns::Hidden);
    assert_eq!(db.keyspaces().len(), 3);
}

#[test]
fn an_index_of_a_constraint_goes_with_it_alone() {
    let db = Database::new();
    let (p, _, _) = related(&db);
    let table = db.table("p").unwrap();
    let index = table.indexes[1].oid;
    let error = drop_parts(&db, &[Part::Index(p, index)], DropBehavior::Cascade).unwrap_err();
    assert_eq!(
        error.message(),
        "cannot drop index p_a_key because constraint p_a_key on table p requires it"
    );
    let made = db.define(|change, tx| {
        let wanted = IndexDefinition {
            columns: vec![IndexColumn::ascending(2), IndexColumn::ascending(1)],
            ..IndexDefinition::default()
        };
        change.create_index(tx, p, wanted)
    });
    let made = made.unwrap();
    assert_eq!(made.name, "p_a_id_idx");
    drop_parts(&db, &[Part::Index(p, made.oid)], DropBehavior::Restrict).unwrap();
    assert_eq!(db.keyspaces().len(), 3);
}

#[test]
fn a_type_follows_into_tables_and_is_kept_by_them() {
    let db = Database::new();
    let label = |id: u32, label: &str| {
        std::sync::Arc::new(EnumLabel {
            id,
            order: f64::from(id),
            label: label.to_owned(),
        })
    };
    let (oid, array_oid) = (db.store.new_oid().unwrap(), db.store.new_oid().unwrap());
    let mood = |labels: &[&str]| EnumType {
        oid,
        array_oid,
        name: "mood".to_owned(),
        labels: (1..)
            .zip(labels)
            .map(|(id, text)| label(id, text))
            .collect(),
    };
    let object = TypeObject {
        schema: PUBLIC,
        kind: TypeKind::Enum(mood(&["sad"]).into()),
    };
    let made = db
        .define(|change, tx| change.create_type(tx, object))
        .unwrap();
    let wanted = definition(
        "t",
        &[("m", made.as_type()), ("ms", made.as_type().array_of())],
    );
    let t = db
        .define(|change, tx| change.create_table(tx, wanted))
        .unwrap();
    db.define(|change, _| {
        change.alter_type(oid, |kind| {
            *kind = TypeKind::Enum(mood(&["sad", "happy"]).into());
        })
    })
    .unwrap();
    let now = db.table("t").unwrap();
    let rustdb_types::Element::Enum(of) = &now.columns[1].column_type.element else {
        panic!("not an enum");
    };
    assert_eq!(of.labels.len(), 2);
    let db = db.reopen();
    let now = db.table("t").unwrap();
    assert_eq!(
        db.store.current().type_by_oid(array_oid),
        Some(now.columns[1].column_type.clone())
    );
    let error = drop_parts(&db, &[Part::Object(oid)], DropBehavior::Restrict).unwrap_err();
    assert_eq!(
        error.detail(),
        Some(
            "column ms of table t depends on type mood[]\ncolumn m of table t depends on type mood"
        )
    );
    drop_parts(&db, &[Part::Object(oid)], DropBehavior::Cascade).unwrap();
    // Dropped columns keep a place of the same width.
    let db = db.reopen();
    let types: Vec<Type> = db
        .table("t")
        .unwrap()
        .columns
        .iter()
        .map(|each| each.column_type.clone())
        .collect();
    assert_eq!(types, [Type::INT4, Type::BYTEA]);
    assert!(db.store.current().table(t.oid).is_some());
}

#[test]
fn a_sequence_goes_with_the_column_that_owns_it() {
    let db = Database::new();
    let wanted = definition("t", &[("id", Type::INT4)]);
    let t = db
        .define(|change, tx| change.create_table(tx, wanted))
        .unwrap()
        .oid;
    let sequence = Sequence {
        oid: Oid(0),
        schema: PUBLIC,
        name: "t_id_seq".to_owned(),
        data_type: Type::INT4,
        start: 1,
        increment: 1,
        minimum: 1,
        maximum: 10,
        cache: 1,
        cycle: false,
        owned_by: Some((t, 1)),
        temporary: false,
        storage: Oid(0),
    };
    let sequence = db.define(|change, tx| {
        let made = change.create_sequence(tx, sequence)?;
        let default = Expression {
            text: "nextval('t_id_seq'::regclass)".to_owned(),
            depends_on: vec![Dependency {
                object: made.oid,
                column: None,
            }],
        };
        change.set_default(t, 1, Some(default))?;
        Ok(made.oid)
    });
    let sequence = sequence.unwrap();
    let error = drop_parts(&db, &[Part::Object(sequence)], DropBehavior::Restrict).unwrap_err();
    assert_eq!(
        error.detail(),
        Some("default value for column id of table t depends on sequence t_id_seq")
    );
    // With the table, and with the column.
    for target in [Part::Object(t), Part::Column(t, 1)] {
        let (mut tx, mut change) = (db.begin(), db.store.begin_change());
        let restrict = DropBehavior::Restrict;
        let dropped = change
            .drop_parts(&mut tx, &[target], restrict, &[])
            .unwrap();
        assert!(dropped.cascaded.is_empty());
        assert!(change.view().object(sequence).is_none());
    }
}

#[test]
fn renaming_and_moving_changes_what_names_lead_to() {
    let db = Database::new();
    let (p, _, _) = related(&db);
    db.define(|change, tx| {
        let schema = change.create_schema(tx, "s", false)?.oid;
        change.rename_relation(tx, p, "q")?;
        let table = change.view().table(p).unwrap().clone();
        change.rename_constraint(tx, p, table.constraints[1].oid, "only")?;
        change.rename_column(p, 2, "b")?;
        change.set_schema(tx, p, schema)?;
        change
            .add_column(p, Column::new(0, "c", Type::TEXT))
            .map(drop)
    })
    .unwrap();
    let db = db.reopen();
    let catalog = db.store.current();
    let schema = catalog.schema_named("s").unwrap().oid;
    assert!(catalog.relation(PUBLIC, "p").is_none() && catalog.relation(PUBLIC, "q").is_none());
    assert_eq!(catalog.relation(schema, "q").unwrap().oid(), p);
    assert!(catalog.relation(schema, "only").is_some());
    let table = catalog.table(p).unwrap();
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    assert_eq!(names, ["id", "b", "c"]);
    assert!(table.constraint_named("only").is_some());
    assert_eq!(table.referenced_by.len(), 1);
    let error = drop_parts(&db, &[Part::Object(schema)], DropBehavior::Restrict).unwrap_err();
    assert_eq!(
        error.message(),
        "cannot drop schema s because other objects depend on it"
    );
    assert!(
        error
            .detail()
            .unwrap()
            .starts_with("table s.q depends on schema s\n")
    );
}
