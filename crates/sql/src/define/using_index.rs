//! ALTER TABLE ... ADD PRIMARY KEY and UNIQUE ... USING INDEX.
//!
//! An index that is there becomes the constraint's and takes its name. Entries of an index whose
//! constraint is deferrable are kept in another way: for one, the index is built anew.

use rustdb_catalog::{
    ConstraintDefinition, ConstraintDefinitionKind, Index, IndexKey, IndexMethod, IndexState, Part,
    Relation, Table,
};
use rustdb_table::Validation;
use sqlparser::ast;

use super::Definer;
use super::constraint::set_deferral;
use crate::bind::name_of;
use crate::error::{Error, Result, SqlState};
use crate::notice::Notice;

/// The detail of what keeps an index from being used.
const NOT_USABLE: &str = "Cannot create a primary key or unique constraint using such an index.";

impl Definer<'_> {
    pub(super) fn add_constraint_using(
        &mut self,
        table: &Table,
        written: &ast::ConstraintUsingIndex,
        is_primary: bool,
    ) -> Result<()> {
        let index = self.index_to_use(table, &name_of(&written.index_name))?;
        let name = written.name.as_ref().map(name_of);
        let name = name.unwrap_or_else(|| index.name.clone());
        if name != index.name {
            self.note(Notice::new(format!(
                "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{}\" to \"{name}\"",
                index.name
            )));
        }
        if is_primary && table.primary_key().is_some() {
            let message = format!(
                "multiple primary keys for table \"{}\" are not allowed",
                table.name
            );
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        let definition = definition_of(&index, &name, written, is_primary)?;
        if is_primary {
            for id in index.plain_columns().unwrap_or_default() {
                self.change.set_not_null(table.oid, id, true)?;
                self.validate(table.oid, Validation::NotNull(id as usize - 1))?;
            }
        }
        if definition.deferrable {
            self.drop_part(Part::Object(index.oid), false)?;
            return self.build_constraint(table.oid, definition, true);
        }
        self.change.add_constraint_using(
            self.transaction,
            table.oid,
            index.oid,
            &name,
            is_primary,
        )?;
        Ok(())
    }

    /// The index, if it can be that of a constraint.
    fn index_to_use(&mut self, table: &Table, name: &str) -> Result<Index> {
        let view = self.change.view();
        let index = match view.relation(table.schema, name) {
            Some(Relation::Index(of, index)) if of.oid == table.oid => index,
            Some(Relation::Index(of, index)) => {
                is_free(&of, &index)?;
                let message = format!(
                    "index \"{name}\" does not belong to table \"{}\"",
                    table.name
                );
                return Err(not_ready(message));
            }
            Some(_) => {
                let message = format!("\"{name}\" is not an index");
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
            }
            None => {
                let message = format!("index \"{name}\" does not exist");
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
            }
        };
        is_free(table, &index)?;
        if index.state != IndexState::Public {
            return Err(not_ready(format!("index \"{name}\" is not valid")));
        }
        is_usable(&index)?;
        Ok(Index::clone(&index))
    }
}

fn not_ready(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// Fails if an index is that of a constraint.
fn is_free(table: &Table, index: &Index) -> Result<()> {
    match table.constraint_of_index(index.oid) {
        None => Ok(()),
        Some(_) => Err(not_ready(format!(
            "index \"{}\" is already associated with a constraint",
            index.name
        ))),
    }
}

/// Fails unless an index tells all rows apart by columns in their order.
fn is_usable(index: &Index) -> Result<()> {
    let name = &index.name;
    let refused = |message: String| {
        Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).with_detail(NOT_USABLE))
    };
    if !index.unique {
        return refused(format!("\"{name}\" is not a unique index"));
    }
    let is_expression = |key: &IndexKey| matches!(key, IndexKey::Expression { .. });
    if index
        .columns
        .iter()
        .any(|column| is_expression(&column.key))
    {
        return refused(format!("index \"{name}\" contains expressions"));
    }
    if index.predicate.is_some() {
        return refused(format!("\"{name}\" is a partial index"));
    }
    if index.method != IndexMethod::BTree {
        let message = format!("index \"{name}\" is not a btree");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    let mut columns = index.columns.iter();
    match columns.position(|column| column.descending || column.nulls_first) {
        None => Ok(()),
        Some(place) => refused(format!(
            "index \"{name}\" column number {} does not have default sorting behavior",
            place + 1
        )),
    }
}

/// The constraint that an index becomes that of.
fn definition_of(
    index: &Index,
    name: &str,
    written: &ast::ConstraintUsingIndex,
    is_primary: bool,
) -> Result<ConstraintDefinition> {
    let columns = index.plain_columns();
    let columns = columns.ok_or_else(|| Error::internal("an index has expressions"))?;
    let include = index.include.clone();
    let mut definition = ConstraintDefinition::new(match is_primary {
        true => ConstraintDefinitionKind::PrimaryKey { columns, include },
        false => ConstraintDefinitionKind::Unique {
            columns,
            include,
            nulls_not_distinct: index.nulls_not_distinct,
        },
    });
    definition.name = Some(name.to_owned());
    set_deferral(&mut definition, written.characteristics.as_ref());
    Ok(definition)
}
