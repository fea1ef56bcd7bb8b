//! CREATE TABLE ... (LIKE ...).

use std::sync::Arc;

use rustdb_catalog::{
    Column, ColumnId, ConstraintDefinition, ConstraintDefinitionKind, ConstraintKind, Expression,
    ForeignKey, Generated, Index, IndexColumn, IndexDefinition, IndexKey, IndexState, Relation,
    Table,
};
use rustdb_types::Oid;
use sqlparser::ast;

use super::Definer;
use super::column::columns_of;
use super::constraint::number;
use super::sequence::Serial;
use crate::bind::{Binder, bind_table_expression, key_name, object_name};
use crate::error::{Error, Result};
use crate::parse::utility::SequenceOption;
use crate::rewrite::LIKE;

/// What is made of other tables.
#[derive(Default)]
pub(super) struct Made {
    pub(super) columns: Vec<Column>,
    pub(super) constraints: Vec<ConstraintDefinition>,
    pub(super) serials: Vec<Serial>,
    /// What comes when the table is there: indexes with their comments, and other comments.
    indexes: Vec<(IndexDefinition, Option<String>)>,
    on_columns: Vec<(ColumnId, String)>,
    on_constraints: Vec<(String, String)>,
}

/// What LIKE takes over besides columns and NOT NULL.
#[derive(Clone, Copy, Default)]
struct Parts {
    comments: bool,
    constraints: bool,
    defaults: bool,
    generated: bool,
    identity: bool,
    indexes: bool,
}

/// Which column of the new table one of the other became.
type Places = Vec<(ColumnId, ColumnId)>;

/// What LIKE says, if that is what a column stands for.
pub(super) fn options_of(written: &ast::ColumnDef) -> Option<&str> {
    written.name.value.strip_prefix(LIKE)
}

impl Parts {
    fn of(options: &str) -> Parts {
        let mut parts = Parts::default();
        let mut rest = options;
        while let Some(sign) = rest.chars().next() {
            let word = &rest[sign.len_utf8()..];
            let end = word.find(['+', '-']).unwrap_or(word.len());
            let on = sign == '+';
            match &word[..end] {
                "all" => {
                    parts = Parts {
                        comments: on,
                        constraints: on,
                        defaults: on,
                        generated: on,
                        identity: on,
                        indexes: on,
                    };
                }
                "comments" => parts.comments = on,
                "constraints" => parts.constraints = on,
                "defaults" => parts.defaults = on,
                "generated" => parts.generated = on,
                "identity" => parts.identity = on,
                "indexes" => parts.indexes = on,
                // Columns have no compression, statistics or storage of their own.
                _ => (),
            }
            rest = &word[end..];
        }
        parts
    }
}

impl Definer<'_> {
    /// Adds what a clause takes over from another table or a view.
    pub(super) fn like(
        &mut self,
        written: &ast::ColumnDef,
        options: &str,
        made: &mut Made,
    ) -> Result<()> {
        let ast::DataType::Custom(name, _) = &written.data_type else {
            return Err(Error::unsupported("this form of LIKE"));
        };
        let names = object_name(name)?;
        self.around.catalog = self.change.view();
        let binder = Binder::for_statement(&self.around);
        if let Some(Relation::View(view)) = binder.find_relation(&names)? {
            for column in &view.columns {
                let id = number(made.columns.len());
                let like = Column::new(id, column.name.clone(), column.column_type.clone());
                made.columns.push(like);
            }
            return Ok(());
        }
        let table = binder.target_table(&names)?;
        let parts = Parts::of(options);
        let mut places = Places::new();
        for other in table.live_columns() {
            let place = made.columns.len();
            places.push((other.id, number(place)));
            self.like_column(other, parts, made);
            if let Some(text) = self
                .comment_on(table.oid, other.id)
                .filter(|_| parts.comments)
            {
                made.on_columns.push((number(place), text));
            }
        }
        self.like_constraints(&table, parts, &places, made);
        if parts.indexes {
            let own = |index: &&Arc<Index>| {
                index.state == IndexState::Public && table.constraint_of_index(index.oid).is_none()
            };
            for index in table.indexes.iter().filter(own) {
                let comment = self.comment_on(index.oid, 0).filter(|_| parts.comments);
                made.indexes.push((like_index(index, &places), comment));
            }
        }
        Ok(())
    }

    fn like_column(&self, other: &Column, parts: Parts, made: &mut Made) {
        let place = made.columns.len();
        let mut column = Column::new(number(place), other.name.clone(), other.column_type.clone());
        column.not_null = other.not_null;
        match &other.generated {
            Some(Generated::Stored(_)) if parts.generated => {
                column.generated.clone_from(&other.generated);
            }
            Some(Generated::Identity { always, sequence }) if parts.identity => {
                made.serials.push(Serial {
                    place,
                    identity: Some(*always),
                    options: self.options_of_sequence(*sequence),
                });
            }
            Some(_) => (),
            None if parts.defaults => column.default.clone_from(&other.default),
            None => (),
        }
        made.columns.push(column);
    }

    fn options_of_sequence(&self, sequence: Oid) -> Vec<SequenceOption> {
        match self.around.catalog.sequence(sequence) {
            None => Vec::new(),
            Some(sequence) => vec![
                SequenceOption::Increment(sequence.increment),
                SequenceOption::Minimum(Some(sequence.minimum)),
                SequenceOption::Maximum(Some(sequence.maximum)),
                SequenceOption::Start(sequence.start),
                SequenceOption::Cache(sequence.cache),
                SequenceOption::Cycle(sequence.cycle),
            ],
        }
    }

    fn comment_on(&self, object: Oid, part: u32) -> Option<String> {
        let comments = self.around.catalog.comments(object)?;
        comments.texts.get(&part).cloned()
    }

    /// CHECK keeps its name, keys get new ones, and foreign keys are never taken over.
    fn like_constraints(&self, table: &Table, parts: Parts, places: &Places, made: &mut Made) {
        for other in &table.constraints {
            let index = other.kind.index();
            let index = index.and_then(|oid| table.indexes.iter().find(|it| it.oid == oid));
            let include = index.map_or(Vec::new(), |index| moved(&index.include, places));
            let kind = match &other.kind {
                ConstraintKind::Check {
                    expression,
                    columns,
                } if parts.constraints => ConstraintDefinitionKind::Check {
                    expression: Expression::new(expression.text.clone()),
                    columns: moved(columns, places),
                },
                ConstraintKind::PrimaryKey { columns, .. } if parts.indexes => {
                    ConstraintDefinitionKind::PrimaryKey {
                        columns: moved(columns, places),
                        include,
                    }
                }
                ConstraintKind::Unique { columns, .. } if parts.indexes => {
                    ConstraintDefinitionKind::Unique {
                        columns: moved(columns, places),
                        include,
                        nulls_not_distinct: index.is_some_and(|index| index.nulls_not_distinct),
                    }
                }
                ConstraintKind::Check { .. }
                | ConstraintKind::PrimaryKey { .. }
                | ConstraintKind::Unique { .. }
                | ConstraintKind::ForeignKey(ForeignKey { .. }) => continue,
            };
            let mut constraint = ConstraintDefinition::new(kind);
            constraint.deferrable = other.deferrable;
            constraint.initially_deferred = other.initially_deferred;
            if let ConstraintKind::Check { .. } = &other.kind {
                constraint.name = Some(other.name.clone());
                if let Some(text) = self.comment_on(other.oid, 0).filter(|_| parts.comments) {
                    made.on_constraints.push((other.name.clone(), text));
                }
            }
            made.constraints.push(constraint);
        }
    }

    /// Makes what comes when the table is there. It has no rows yet.
    pub(super) fn finish_like(&mut self, table: &Table, made: &Made) -> Result<()> {
        let temporary = table.temporary;
        for (definition, comment) in &made.indexes {
            let mut definition = definition.clone();
            for column in &mut definition.columns {
                if let IndexKey::Expression { expression, .. } = &mut column.key {
                    self.depend(expression, table)?;
                }
            }
            if let Some(predicate) = &mut definition.predicate {
                self.depend(predicate, table)?;
            }
            let index = self
                .change
                .create_index(self.transaction, table.oid, definition)?;
            self.change
                .set_index_state(table.oid, index.oid, IndexState::Public)?;
            if comment.is_some() {
                let text = comment.as_deref();
                self.change.set_comment(index.oid, 0, text, temporary);
            }
        }
        for (column, text) in &made.on_columns {
            self.change
                .set_comment(table.oid, *column, Some(text), temporary);
        }
        for (name, text) in &made.on_constraints {
            if let Some(constraint) = table.constraint_named(name) {
                self.change
                    .set_comment(constraint.oid, 0, Some(text), temporary);
            }
        }
        Ok(())
    }

    /// Notes which columns of a table an expression reads.
    fn depend(&self, expression: &mut Expression, table: &Table) -> Result<()> {
        let (settings, catalog) = (self.around.settings, Some(&self.around.catalog));
        let typed = bind_table_expression(&expression.text, table, settings, catalog)?;
        expression.depends_on = columns_of(&typed.expr, table.oid);
        Ok(())
    }
}

/// The same columns in the new table.
fn moved(columns: &[ColumnId], places: &Places) -> Vec<ColumnId> {
    let new = |id: &ColumnId| places.iter().find(|(old, _)| old == id);
    columns
        .iter()
        .filter_map(new)
        .map(|(_, new)| *new)
        .collect()
}

fn like_index(index: &Index, places: &Places) -> IndexDefinition {
    let columns = index.columns.iter().map(|column| IndexColumn {
        key: match &column.key {
            IndexKey::Column(id) => {
                IndexKey::Column(moved(&[*id], places).first().copied().unwrap_or(*id))
            }
            expression => expression.clone(),
        },
        ..column.clone()
    });
    let keys = index.columns.iter().map(|column| key_name(&column.key));
    IndexDefinition {
        name: None,
        labels: keys.collect(),
        columns: columns.collect(),
        include: moved(&index.include, places),
        unique: index.unique,
        nulls_not_distinct: index.nulls_not_distinct,
        predicate: index.predicate.clone(),
        method: index.method,
    }
}
