//! Changing objects.
//!
//! Texts of expressions name columns and objects. A verb that renames something does not touch
//! them: [`CatalogChange::set`] takes the descriptors of those that [`dependents`] finds, with
//! texts that their reader has written anew.
//!
//! [`dependents`]: crate::Catalog::dependents

use std::sync::Arc;

use rustdb_txn::Transaction;
use rustdb_types::{COLUMNS_MAX, Element, Oid, SqlState, Type, Value};

use crate::change::CatalogChange;
use crate::descriptor::{
    Column, ColumnId, Constraint, Expression, Index, Object, Table, TableStatistics, TypeKind,
    TypeObject,
};
use crate::error::{Error, Result};

impl CatalogChange {
    /// Changes a table's descriptor: the way for whatever has no verb of its own (NOT NULL,
    /// statistics targets, deferrability, texts of expressions). Storage stays as it is.
    pub fn alter_table<R>(
        &mut self,
        table: Oid,
        change: impl FnOnce(&mut Table) -> Result<R>,
    ) -> Result<R> {
        let mut table = Table::clone(&*self.expect_table(table)?);
        let result = change(&mut table)?;
        self.set(Object::Table(Arc::new(table)));
        Ok(result)
    }

    /// As [`CatalogChange::alter_table`], of one column.
    pub fn alter_column<R>(
        &mut self,
        table: Oid,
        column: ColumnId,
        change: impl FnOnce(&mut Column) -> R,
    ) -> Result<R> {
        self.alter_table(table, |table| {
            let place = Column::place(column).and_then(|place| table.columns.get_mut(place));
            let column = place.ok_or_else(|| Error::internal("there is no such column"))?;
            Ok(change(column))
        })
    }

    /// As [`CatalogChange::alter_table`], of one constraint.
    pub fn alter_constraint<R>(
        &mut self,
        table: Oid,
        constraint: Oid,
        change: impl FnOnce(&mut Constraint) -> R,
    ) -> Result<R> {
        self.alter_table(table, |table| {
            let mut all = table.constraints.iter_mut();
            let found = all.find(|each| each.oid == constraint);
            let found = found.ok_or_else(|| Error::internal("there is no such constraint"))?;
            Ok(change(found))
        })
    }

    /// `ALTER TABLE ... ADD COLUMN`. Rows that are there have [`Column::missing`] in it; nothing
    /// is rewritten. The number is given here.
    pub fn add_column(&mut self, table: Oid, mut column: Column) -> Result<ColumnId> {
        self.alter_table(table, |table| {
            if table.column_named(&column.name).is_some() {
                return Err(Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!(
                        "column \"{}\" of relation \"{}\" already exists",
                        column.name, table.name
                    ),
                ));
            }
            if table.columns.len() == COLUMNS_MAX {
                return Err(Error::new(
                    SqlState::TOO_MANY_COLUMNS,
                    format!("tables can have at most {COLUMNS_MAX} columns"),
                ));
            }
            column.id = table.columns.len() as ColumnId + 1;
            let id = column.id;
            table.columns.push(column);
            Ok(id)
        })
    }

    /// `ALTER COLUMN ... SET DEFAULT` and `DROP DEFAULT`.
    pub fn set_default(
        &mut self,
        table: Oid,
        column: ColumnId,
        default: Option<Expression>,
    ) -> Result<()> {
        self.alter_column(table, column, |column| column.default = default)
    }

    /// `ALTER COLUMN ... SET NOT NULL` and `DROP NOT NULL`. Rows are not looked at.
    pub fn set_not_null(&mut self, table: Oid, column: ColumnId, not_null: bool) -> Result<()> {
        let view = self.expect_table(table)?;
        let is_primary = view
            .primary_key()
            .is_some_and(|key| key.kind.columns().contains(&column));
        if is_primary && !not_null {
            let name = view.column_names(&[column]);
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column \"{name}\" is in a primary key"),
            ));
        }
        self.alter_column(table, column, |column| column.not_null = not_null)
    }

    /// `ALTER TABLE ... RENAME COLUMN`. Texts that name it are the caller's.
    pub fn rename_column(&mut self, table: Oid, column: ColumnId, name: &str) -> Result<()> {
        let view = self.expect_table(table)?;
        if view
            .column_named(name)
            .is_some_and(|each| each.id != column)
        {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" already exists",
                    view.name
                ),
            ));
        }
        self.alter_column(table, column, |column| column.name = name.to_owned())
    }

    /// `ALTER TABLE ... RENAME CONSTRAINT`; its index, if it has one, is renamed with it.
    pub fn rename_constraint(
        &mut self,
        transaction: &mut Transaction,
        table: Oid,
        constraint: Oid,
        name: &str,
    ) -> Result<()> {
        let view = self.expect_table(table)?;
        if view.constraint_named(name).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!(
                    "constraint \"{name}\" for relation \"{}\" already exists",
                    view.name
                ),
            ));
        }
        let found = view.constraint(constraint);
        let index = found.and_then(|each| each.kind.index());
        if let Some(index) = index {
            return self.rename_relation(transaction, index, name);
        }
        self.alter_constraint(table, constraint, |each| each.name = name.to_owned())
    }

    /// Renames a table, index, view or sequence. The constraint of an index goes with it.
    pub fn rename_relation(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        name: &str,
    ) -> Result<()> {
        let (schema, old) = self.name_of(oid)?;
        self.lock_name(transaction, schema, &old)?;
        self.claim_relation(transaction, schema, name)?;
        self.move_relation(oid, |place| *place.name = name.to_owned())
    }

    /// `SET SCHEMA` of a table, view or sequence. Indexes go with their tables; sequences that a
    /// table owns do not.
    pub fn set_schema(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        schema: Oid,
    ) -> Result<()> {
        let (old, name) = self.name_of(oid)?;
        self.lock_name(transaction, old, &name)?;
        self.claim_relation(transaction, schema, &name)?;
        if let Some(table) = self.view().table(oid).cloned() {
            for index in &table.indexes {
                self.claim_relation(transaction, schema, &index.name)?;
            }
        }
        self.move_relation(oid, |place| {
            if let Some(of) = place.schema {
                *of = schema;
            }
        })
    }

    /// `ALTER SCHEMA ... RENAME`.
    pub fn rename_schema(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        name: &str,
    ) -> Result<()> {
        self.lock_name(transaction, Oid(0), name)?;
        let view = self.view();
        if view.schema_named(name).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_SCHEMA,
                format!("schema \"{name}\" already exists"),
            ));
        }
        let schema = view.schema(oid).cloned();
        let mut schema = schema.ok_or_else(|| Error::internal("there is no such schema"))?;
        self.lock_name(transaction, Oid(0), &schema.name)?;
        Arc::make_mut(&mut schema).name = name.to_owned();
        self.set(Object::Schema(schema));
        Ok(())
    }

    /// Replaces a type by another definition with the same number: new labels, constraints, name.
    /// Tables and views that use it follow.
    pub fn alter_type(&mut self, oid: Oid, change: impl FnOnce(&mut TypeKind)) -> Result<()> {
        let mut object = self.expect_type(oid)?;
        change(&mut Arc::make_mut(&mut object).kind);
        self.set(Object::Type(object));
        Ok(())
    }

    /// `ALTER TYPE ... RENAME` and `ALTER DOMAIN ... RENAME`.
    pub fn rename_type(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        name: &str,
    ) -> Result<()> {
        let object = self.expect_type(oid)?;
        self.lock_name(transaction, object.schema, object.name())?;
        self.lock_name(transaction, object.schema, name)?;
        if self.view().type_named(object.schema, name).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!("type \"{name}\" already exists"),
            ));
        }
        let kind = object.kind.renamed(name);
        self.alter_type(oid, |old| *old = kind)
    }

    /// `SET SCHEMA` of a type.
    pub fn move_type(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        schema: Oid,
    ) -> Result<()> {
        let mut object = self.expect_type(oid)?;
        let name = object.name().to_owned();
        self.lock_name(transaction, object.schema, &name)?;
        self.lock_name(transaction, schema, &name)?;
        let view = self.view();
        if object.schema != schema && view.type_named(schema, &name).is_some() {
            let schema = view.schema(schema);
            let schema = schema.map_or("", |schema| schema.name.as_str());
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!("type \"{name}\" already exists in schema \"{schema}\""),
            ));
        }
        Arc::make_mut(&mut object).schema = schema;
        self.set(Object::Type(object));
        Ok(())
    }

    fn expect_type(&mut self, oid: Oid) -> Result<Arc<TypeObject>> {
        let object = self.view().type_object(oid).cloned();
        object.ok_or_else(|| Error::internal("there is no such type"))
    }

    /// Stores what ANALYZE found out.
    pub fn set_statistics(&mut self, statistics: TableStatistics) {
        self.set(Object::Statistics(Arc::new(statistics)));
    }

    /// Gives a table new, empty storage, and changes its descriptor on the way: TRUNCATE, and
    /// `ALTER COLUMN TYPE`, after which the caller copies the rows. Returns the table before and
    /// after. The old storage goes once the transaction has committed.
    pub fn renew_storage(
        &mut self,
        table: Oid,
        change: impl FnOnce(&mut Table) -> Result<()>,
    ) -> Result<(Arc<Table>, Arc<Table>)> {
        let old = self.expect_table(table)?;
        let mut new = Table::clone(&old);
        change(&mut new)?;
        let with_entries = |index: &&mut Arc<Index>| index.keyspace.is_some();
        let count = new.indexes.iter_mut().filter(with_entries).count();
        let (keyspace, mut keyspaces) = self.create_keyspaces(true, count)?;
        new.keyspace = keyspace.ok_or_else(|| Error::internal("no keyspace for the table"))?;
        for index in new.indexes.iter_mut().filter(with_entries) {
            Arc::make_mut(index).keyspace = keyspaces.pop();
        }
        for keyspace in old.keyspaces() {
            self.drop_keyspace(keyspace);
        }
        self.set(Object::Table(Arc::new(new)));
        self.remove_statistics(table);
        let new = self.expect_table(table)?;
        Ok((old, new))
    }

    /// Takes a column out of a table's descriptor; what depends on it is gone already.
    pub(super) fn remove_column(&mut self, table: Oid, column: ColumnId) -> Result<()> {
        self.alter_column(table, column, |column| {
            column.dropped = true;
            column.column_type = stand_in(&column.column_type);
            column.not_null = false;
            column.default = None;
            column.generated = None;
            column.missing = Value::Null;
        })?;
        self.remove_statistics(table);
        Ok(())
    }

    /// Schema and name of a table, index, view or sequence.
    fn name_of(&mut self, oid: Oid) -> Result<(Oid, String)> {
        let view = self.view();
        if let Some((table, index)) = view.index(oid) {
            return Ok((table.schema, index.name.clone()));
        }
        let object = view.object(oid);
        object
            .and_then(|object| Some((object.schema()?, object.name().to_owned())))
            .ok_or_else(|| Error::internal(format!("there is no relation {oid}")))
    }

    fn move_relation(&mut self, oid: Oid, change: impl FnOnce(Place<'_>)) -> Result<()> {
        let view = self.view();
        if let Some((table, _)) = view.index(oid) {
            return self.alter_table(table.oid, |table| {
                rename_index(table, oid, change);
                Ok(())
            });
        }
        let mut object = view
            .object(oid)
            .cloned()
            .ok_or_else(|| Error::internal(format!("there is no relation {oid}")))?;
        let place = match &mut object {
            Object::Table(table) => Arc::make_mut(table).place(),
            Object::View(view) => {
                let view = Arc::make_mut(view);
                (&mut view.name, &mut view.schema)
            }
            Object::Sequence(sequence) => {
                let sequence = Arc::make_mut(sequence);
                (&mut sequence.name, &mut sequence.schema)
            }
            Object::Schema(_) | Object::Type(_) | Object::Statistics(_) | Object::Comments(_) => {
                return Err(Error::internal("this is no relation"));
            }
        };
        change(Place {
            name: place.0,
            schema: Some(place.1),
        });
        self.set(object);
        Ok(())
    }
}

/// Where an object's name and schema are.
struct Place<'o> {
    name: &'o mut String,
    /// Indexes are where their tables are.
    schema: Option<&'o mut Oid>,
}

impl Table {
    fn place(&mut self) -> (&mut String, &mut Oid) {
        (&mut self.name, &mut self.schema)
    }
}

fn rename_index(table: &mut Table, oid: Oid, change: impl FnOnce(Place<'_>)) {
    let Some(index) = table.indexes.iter_mut().find(|each| each.oid == oid) else {
        return;
    };
    let index = Arc::make_mut(index);
    change(Place {
        name: &mut index.name,
        schema: None,
    });
    let name = index.name.clone();
    let mut constraints = table.constraints.iter_mut();
    if let Some(constraint) = constraints.find(|each| each.kind.index() == Some(oid)) {
        constraint.name = name;
    }
}

/// A type that rows store as this one, and that stays when the type itself goes.
fn stand_in(of: &Type) -> Type {
    if of.array {
        return Type::BYTEA;
    }
    match &of.element {
        Element::Enum(_) => Type::INT4,
        Element::Domain(domain) => stand_in(&domain.base),
        Element::Base(base) => Type::of(*base),
    }
}
