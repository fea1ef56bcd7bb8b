//! Constraints.

use std::sync::Arc;

use rustdb_txn::{KeyspaceId, Transaction};
use rustdb_types::{Base, Cast, CastContext, Oid, SqlState, Type};

use super::names::{choose_name, column_part, is_taken};
use super::table::check_key_columns;
use crate::change::CatalogChange;
use crate::descriptor::{
    Action, ColumnId, Constraint, ConstraintKind, Expression, ForeignKey, Generated, Index,
    IndexColumn, IndexMethod, IndexState, Match, Object, RowKeyColumns, Table,
};
use crate::error::{Error, Result};

/// What a statement says of a constraint.
#[derive(Clone, Debug)]
pub struct ConstraintDefinition {
    /// Its name; if there is none, one is chosen.
    pub name: Option<String>,
    /// What it demands.
    pub kind: ConstraintDefinitionKind,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
    /// Whether all rows are known to keep it.
    pub validated: bool,
}

/// What a constraint that is to be made demands.
#[derive(Clone, Debug)]
pub enum ConstraintDefinitionKind {
    /// `PRIMARY KEY`.
    PrimaryKey {
        /// Its columns, in order.
        columns: Vec<ColumnId>,
        /// INCLUDE.
        include: Vec<ColumnId>,
    },
    /// `UNIQUE`.
    Unique {
        /// Its columns, in order.
        columns: Vec<ColumnId>,
        /// INCLUDE.
        include: Vec<ColumnId>,
        /// NULLS NOT DISTINCT.
        nulls_not_distinct: bool,
    },
    /// `CHECK`.
    Check {
        /// What must not be false.
        expression: Expression,
        /// The columns it reads.
        columns: Vec<ColumnId>,
    },
    /// `FOREIGN KEY`.
    ForeignKey(ForeignKeyDefinition),
}

/// What a statement says of a foreign key.
#[derive(Clone, Debug, Default)]
pub struct ForeignKeyDefinition {
    /// The columns that refer.
    pub columns: Vec<ColumnId>,
    /// The table referred to; none is the table itself.
    pub parent: Option<Oid>,
    /// Its columns; none are those of the primary key.
    pub parent_columns: Vec<ColumnId>,
    /// MATCH.
    pub match_type: Match,
    /// ON DELETE.
    pub on_delete: Action,
    /// ON UPDATE.
    pub on_update: Action,
    /// The columns in `ON DELETE SET NULL (...)`.
    pub on_delete_columns: Vec<ColumnId>,
}

impl ConstraintDefinition {
    /// A constraint without a name of its own, that is not deferrable.
    pub fn new(kind: ConstraintDefinitionKind) -> ConstraintDefinition {
        ConstraintDefinition {
            name: None,
            kind,
            deferrable: false,
            initially_deferred: false,
            validated: true,
        }
    }

    /// Whether it comes with an index that has entries of its own, in a table that is created
    /// with it.
    pub(super) fn needs_keyspace(&self) -> bool {
        match &self.kind {
            ConstraintDefinitionKind::PrimaryKey { .. } => self.deferrable,
            ConstraintDefinitionKind::Unique { .. } => true,
            ConstraintDefinitionKind::Check { .. } | ConstraintDefinitionKind::ForeignKey(_) => {
                false
            }
        }
    }
}

impl CatalogChange {
    /// `ALTER TABLE ... ADD CONSTRAINT`. The index of a primary key or unique constraint is new,
    /// write-only and empty: the caller builds it and calls [`CatalogChange::set_index_state`].
    /// Rows are not looked at.
    pub fn add_constraint(
        &mut self,
        transaction: &mut Transaction,
        table: Oid,
        definition: ConstraintDefinition,
    ) -> Result<Constraint> {
        let mut table = Table::clone(&*self.expect_table(table)?);
        let keyspace = match definition.kind {
            ConstraintDefinitionKind::PrimaryKey { .. }
            | ConstraintDefinitionKind::Unique { .. } => self.create_keyspaces(false, 1)?.1.pop(),
            ConstraintDefinitionKind::Check { .. } | ConstraintDefinitionKind::ForeignKey(_) => {
                None
            }
        };
        let oid = self.attach_constraint(transaction, &mut table, definition, keyspace)?;
        if let Some(keyspace) = keyspace {
            let of_keyspace = table
                .indexes
                .iter_mut()
                .filter(|index| index.keyspace == Some(keyspace));
            of_keyspace.for_each(|index| Arc::make_mut(index).state = IndexState::WriteOnly);
        }
        let constraint = table.constraint(oid).cloned();
        self.set(Object::Table(Arc::new(table)));
        constraint.ok_or_else(|| Error::internal("the constraint was not added"))
    }

    /// `ALTER TABLE ... ADD CONSTRAINT ... USING INDEX`: a unique index of the table, over all of
    /// its rows and over columns in their order, becomes that of a primary key or unique
    /// constraint, and is called as the constraint. Whether columns of a primary key are NULL is
    /// not looked at.
    pub fn add_constraint_using(
        &mut self,
        transaction: &mut Transaction,
        table: Oid,
        index: Oid,
        name: &str,
        is_primary: bool,
    ) -> Result<Constraint> {
        let before = self.expect_table(table)?;
        let missing = || Error::internal("there is no such index over columns");
        let found = before.indexes.iter().find(|each| each.oid == index);
        let found = found.ok_or_else(missing)?;
        let columns = found.plain_columns().ok_or_else(missing)?;
        if found.name != name {
            self.rename_relation(transaction, index, name)?;
        }
        if before.constraint_named(name).is_some() {
            return Err(taken(&before, name));
        }
        let mut table = Table::clone(&*self.expect_table(table)?);
        let kind = match is_primary {
            true => {
                mark_primary(&mut table, &columns)?;
                ConstraintKind::PrimaryKey { columns, index }
            }
            false => ConstraintKind::Unique { columns, index },
        };
        let constraint = Constraint {
            oid: self.new_oid()?,
            name: name.to_owned(),
            kind,
            deferrable: false,
            initially_deferred: false,
            validated: true,
        };
        table.constraints.push(constraint.clone());
        self.set(Object::Table(Arc::new(table)));
        Ok(constraint)
    }

    /// Adds a constraint, and its index if it has one, to a descriptor.
    pub(super) fn attach_constraint(
        &mut self,
        transaction: &mut Transaction,
        table: &mut Table,
        definition: ConstraintDefinition,
        keyspace: Option<KeyspaceId>,
    ) -> Result<Oid> {
        let name = self.constraint_name(transaction, table, &definition)?;
        let (deferrable, initially_deferred) =
            (definition.deferrable, definition.initially_deferred);
        let validated = definition.validated;
        let kind = match definition.kind {
            ConstraintDefinitionKind::PrimaryKey { columns, include } => {
                let mut index = self.key_index(&name, &columns, include, keyspace)?;
                index.deferrable = deferrable;
                let oid = index.oid;
                make_primary(table, &columns, index)?;
                ConstraintKind::PrimaryKey {
                    columns,
                    index: oid,
                }
            }
            ConstraintDefinitionKind::Unique {
                columns,
                include,
                nulls_not_distinct,
            } => {
                check_key_columns(table, &columns, "unique")?;
                let mut index = self.key_index(&name, &columns, include, keyspace)?;
                index.deferrable = deferrable;
                index.nulls_not_distinct = nulls_not_distinct;
                let oid = index.oid;
                table.indexes.push(Arc::new(index));
                ConstraintKind::Unique {
                    columns,
                    index: oid,
                }
            }
            ConstraintDefinitionKind::Check {
                expression,
                columns,
            } => ConstraintKind::Check {
                expression,
                columns,
            },
            ConstraintDefinitionKind::ForeignKey(key) => {
                ConstraintKind::ForeignKey(self.foreign_key(&name, table, key)?)
            }
        };
        let oid = self.new_oid()?;
        table.constraints.push(Constraint {
            oid,
            name,
            kind,
            deferrable,
            initially_deferred,
            validated,
        });
        Ok(oid)
    }

    /// The name that was asked for, which must be free, or one that is. One that is an index's
    /// too is locked.
    fn constraint_name(
        &mut self,
        transaction: &mut Transaction,
        table: &Table,
        definition: &ConstraintDefinition,
    ) -> Result<String> {
        let (columns, label, has_index) = match &definition.kind {
            ConstraintDefinitionKind::PrimaryKey { .. } => (&[][..], "pkey", true),
            ConstraintDefinitionKind::Unique { columns, .. } => (&columns[..], "key", true),
            // Named after its column, if it reads one alone.
            ConstraintDefinitionKind::Check { columns, .. } if columns.len() == 1 => {
                (&columns[..], "check", false)
            }
            ConstraintDefinitionKind::Check { .. } => (&[][..], "check", false),
            ConstraintDefinitionKind::ForeignKey(key) => (&key.columns[..], "fkey", false),
        };
        let name = match &definition.name {
            Some(name) if table.constraint_named(name).is_some() => {
                return Err(taken(table, name));
            }
            Some(name) => name.clone(),
            None => {
                let names: Vec<&str> = columns
                    .iter()
                    .filter_map(|id| table.column(*id))
                    .map(|column| column.name.as_str())
                    .collect();
                let view = self.view();
                choose_name(&table.name, &column_part(&names), label, |name| {
                    is_taken(&view, table, name)
                })
            }
        };
        if has_index {
            self.claim_relation(transaction, table.schema, &name)?;
            if table.name == name || table.indexes.iter().any(|index| index.name == name) {
                return Err(Error::new(
                    SqlState::DUPLICATE_TABLE,
                    format!("relation \"{name}\" already exists"),
                ));
            }
        }
        Ok(name)
    }

    fn key_index(
        &mut self,
        name: &str,
        columns: &[ColumnId],
        include: Vec<ColumnId>,
        keyspace: Option<KeyspaceId>,
    ) -> Result<Index> {
        Ok(Index {
            oid: self.new_oid()?,
            name: name.to_owned(),
            keyspace,
            columns: columns
                .iter()
                .map(|id| IndexColumn::ascending(*id))
                .collect(),
            include,
            unique: true,
            nulls_not_distinct: false,
            deferrable: false,
            predicate: None,
            method: IndexMethod::BTree,
            state: IndexState::Public,
        })
    }

    /// Finds what a foreign key points to.
    fn foreign_key(
        &mut self,
        name: &str,
        table: &Table,
        key: ForeignKeyDefinition,
    ) -> Result<ForeignKey> {
        let parent_oid = key.parent.unwrap_or(table.oid);
        let parent = match parent_oid == table.oid {
            true => Arc::new(table.clone()),
            false => self.expect_table(parent_oid)?,
        };
        let parent_columns = match key.parent_columns.is_empty() {
            false => key.parent_columns,
            true => match parent.primary_key() {
                Some(primary) => primary.kind.columns().to_vec(),
                None => {
                    return Err(Error::new(
                        SqlState::UNDEFINED_OBJECT,
                        format!(
                            "there is no primary key for referenced table \"{}\"",
                            parent.name
                        ),
                    ));
                }
            },
        };
        if parent_columns.len() != key.columns.len() {
            return Err(Error::new(
                SqlState::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let index = referenced_index(&parent, &parent_columns)?;
        check_generated(table, &key.columns, key.on_update, key.on_delete)?;
        for (child_id, parent_id) in key.columns.iter().zip(&parent_columns) {
            if let (Some(child), Some(parent)) =
                (table.column(*child_id), parent.column(*parent_id))
                && !are_comparable(&child.column_type, &parent.column_type)
            {
                let child = (child.name.as_str(), &child.column_type);
                let parent = (parent.name.as_str(), &parent.column_type);
                return Err(incomparable(name, child, parent));
            }
        }
        Ok(ForeignKey {
            columns: key.columns,
            parent: parent_oid,
            parent_columns,
            parent_index: index.oid,
            match_type: key.match_type,
            on_delete: key.on_delete,
            on_update: key.on_update,
            on_delete_columns: key.on_delete_columns,
        })
    }
}

/// Refuses actions that would write a column that is computed.
fn check_generated(
    table: &Table,
    columns: &[ColumnId],
    on_update: Action,
    on_delete: Action,
) -> Result<()> {
    let is_computed = |id: &ColumnId| {
        let column = table.column(*id);
        column.is_some_and(|column| matches!(column.generated, Some(Generated::Stored(_))))
    };
    let (null, default) = (Action::SetNull, Action::SetDefault);
    let wrong = match (on_update, on_delete) {
        _ if !columns.iter().any(is_computed) => return Ok(()),
        (action, _) if action == null || action == default || action == Action::Cascade => "UPDATE",
        (_, action) if action == null || action == default => "DELETE",
        _ => return Ok(()),
    };
    let message =
        format!("invalid ON {wrong} action for foreign key constraint containing generated column");
    Err(Error::new(SqlState::SYNTAX_ERROR, message))
}

fn taken(table: &Table, constraint: &str) -> Error {
    let message = format!(
        "constraint \"{constraint}\" for relation \"{}\" already exists",
        table.name
    );
    Error::new(SqlState::DUPLICATE_OBJECT, message)
}

/// Makes an index the one of the primary key; without entries of its own, rows are sorted by it.
fn make_primary(table: &mut Table, columns: &[ColumnId], index: Index) -> Result<()> {
    mark_primary(table, columns)?;
    if index.keyspace.is_none() {
        table.row_key = RowKeyColumns::Columns(columns.to_vec());
    }
    table.indexes.push(Arc::new(index));
    Ok(())
}

/// Makes columns those of the primary key, which there must not be yet.
fn mark_primary(table: &mut Table, columns: &[ColumnId]) -> Result<()> {
    if table.primary_key().is_some() {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                table.name
            ),
        ));
    }
    check_key_columns(table, columns, "primary key")?;
    for id in columns {
        table.columns[*id as usize - 1].not_null = true;
    }
    Ok(())
}

/// The unique index of a parent that a foreign key points to.
fn referenced_index<'t>(parent: &'t Table, columns: &[ColumnId]) -> Result<&'t Index> {
    let index = parent
        .indexes
        .iter()
        .find(|index| is_key_over(index, columns))
        .ok_or_else(|| {
            Error::new(
                SqlState::INVALID_FOREIGN_KEY,
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    parent.name
                ),
            )
        })?;
    if index.deferrable {
        return Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "cannot use a deferrable unique constraint for referenced table \"{}\"",
                parent.name
            ),
        ));
    }
    Ok(index)
}

/// Whether an index makes these columns, in any order, a key.
fn is_key_over(index: &Index, columns: &[ColumnId]) -> bool {
    let Some(mut own) = index.plain_columns() else {
        return false;
    };
    let mut columns = columns.to_vec();
    own.sort_unstable();
    columns.sort_unstable();
    index.unique && index.is_total() && index.state != IndexState::Invalid && own == columns
}

/// Whether values of a child's type can be found among those of its parent's: where PostgreSQL has
/// an equality between the two that an index serves.
fn are_comparable(child: &Type, parent: &Type) -> bool {
    const FAMILIES: [&[Base]; 3] = [
        &[Base::Int2, Base::Int4, Base::Int8],
        &[Base::Float4, Base::Float8],
        &[Base::Date, Base::Timestamp, Base::Timestamptz],
    ];
    let (child, parent) = (child.without_domains(), parent.without_domains());
    let is_family = |family: &&[Base]| {
        let inside = |of: &Type| of.base().is_some_and(|base| family.contains(&base));
        inside(&child) && inside(&parent)
    };
    Cast::find(&child, &parent, CastContext::Implicit).is_some() || FAMILIES.iter().any(is_family)
}

/// The error of a foreign key between columns that cannot be compared.
fn incomparable(name: &str, child: (&str, &Type), parent: (&str, &Type)) -> Error {
    Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!("foreign key constraint \"{name}\" cannot be implemented"),
    )
    .with_detail(format!(
        "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
        child.0,
        parent.0,
        child.1.full_name(),
        parent.1.full_name()
    ))
}
