//! CREATE INDEX.

use std::sync::Arc;

use rustdb_catalog::{
    Expression, IndexColumn, IndexDefinition, IndexKey, IndexMethod, IndexState, Table,
};
use rustdb_table::{RowKey, Statement};
use rustdb_txn::{IsolationLevel, ObjectMode};
use rustdb_types::{Oid, SqlState, Type};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::column::{columns_of, is_immutable, refuse_subquery};
use super::constraint::column_ids;
use super::{Defined, Definer, relation_exists};
use crate::bind::{bind_indexed, is_system_column, key_name, name_of, object_name};
use crate::database::CatalogTables;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::parse::place;

/// Rows whose entries are added in one transaction, beside writers.
const ROWS_AT_ONCE: usize = 1000;

impl Definer<'_> {
    pub(crate) fn create_index(&mut self, create: &ast::CreateIndex) -> Result<Defined> {
        // Writers are kept out until the index has an entry for every row.
        let (mut defined, made) = self.empty_index(create, ObjectMode::Share)?;
        if let Some((table, index)) = made {
            self.fill_index(table, index)?;
            self.change
                .set_index_state(table, index, IndexState::Public)?;
        }
        defined.tag = "CREATE INDEX";
        Ok(defined)
    }

    /// Makes an index that writers keep up and that has no entries yet: its table and its number.
    /// None, if there is one already.
    pub(crate) fn empty_index(
        &mut self,
        create: &ast::CreateIndex,
        mode: ObjectMode,
    ) -> Result<(Defined, Option<(Oid, Oid)>)> {
        if create.r#async || !create.with.is_empty() {
            return Err(Error::unsupported("this form of CREATE INDEX"));
        }
        let names = object_name(&create.table_name)?;
        let table = self.locked_table(&names, mode)?;
        let definition = self.index_definition(create, &table)?;
        if let (Some(name), true) = (&definition.name, create.if_not_exists)
            && self.is_taken(table.schema, name)?
        {
            return Ok((self.noted("CREATE INDEX", relation_exists(name)), None));
        }
        let index = self
            .change
            .create_index(self.transaction, table.oid, definition)?;
        Ok((Defined::new("CREATE INDEX"), Some((table.oid, index.oid))))
    }

    /// Writes the entries of all rows into an index that was made just now. Writers are kept out.
    pub(super) fn fill_index(&mut self, table: Oid, index: Oid) -> Result<()> {
        let rows = self.opened(table)?;
        let mut statement = self.statement(table);
        rows.fill_index(self.transaction, index, &mut statement)?;
        // They are the newest rows, and those may not be what the transaction's snapshot has.
        if self.transaction.isolation() != IsolationLevel::ReadCommitted
            && !self.transaction.is_newest_in(rows.keyspace())
        {
            self.change.hide_index(index);
        }
        Ok(())
    }

    /// Waits for those who write the table and may not know of a new index. Those who come later
    /// know it.
    pub(crate) fn wait_for_writers(&mut self, table: Oid) -> Result<Defined> {
        let number = rustdb_catalog::lock::object(table);
        self.transaction
            .outlast_object(number, ObjectMode::Share, self.wait)?;
        Ok(Defined::new("CREATE INDEX"))
    }

    /// Adds the entries of some rows after `from`, beside writers; sets it to the last of them, or
    /// to none at the end.
    pub(crate) fn back_fill(
        &mut self,
        (table, index): (Oid, Oid),
        from: &mut Option<RowKey>,
    ) -> Result<Defined> {
        self.lock(table, ObjectMode::ShareUpdateExclusive)?;
        let rows = self.opened(table)?;
        let tables = CatalogTables {
            database: self.around.database.clone(),
            catalog: self.change.view(),
        };
        let settings = Arc::new(self.around.settings.clone());
        let mut statement = Statement::new(Arc::new(tables), settings, self.wait);
        let after = from.as_deref();
        let last = rows.back_fill(self.transaction, index, after, ROWS_AT_ONCE, &mut statement)?;
        *from = last;
        Ok(Defined::new("CREATE INDEX"))
    }

    /// Says how the building of an index has ended.
    pub(crate) fn end_index(
        &mut self,
        (table, index): (Oid, Oid),
        state: IndexState,
    ) -> Result<Defined> {
        self.lock(table, ObjectMode::ShareUpdateExclusive)?;
        self.change.set_index_state(table, index, state)?;
        Ok(Defined::new("CREATE INDEX"))
    }

    fn index_definition(
        &self,
        create: &ast::CreateIndex,
        table: &Table,
    ) -> Result<IndexDefinition> {
        let name = match &create.name {
            None => None,
            Some(name) => object_name(name)?.pop(),
        };
        let method = match create.using.as_ref().map(ToString::to_string) {
            None => IndexMethod::BTree,
            Some(word) => match word.to_lowercase().as_str() {
                "btree" => IndexMethod::BTree,
                "hash" => IndexMethod::Hash,
                other @ ("brin" | "gin" | "gist" | "spgist") => {
                    return Err(Error::unsupported(format!("the access method {other}")));
                }
                other => {
                    let message = format!("access method \"{other}\" does not exist");
                    return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
                }
            },
        };
        if method == IndexMethod::Hash {
            refuse_for_hash(create)?;
        }
        let columns = create.columns.iter();
        let columns = columns.map(|column| self.index_column(column, table));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let predicate = match &create.predicate {
            None => None,
            Some(predicate) => {
                let text = predicate.to_string();
                let catalog = Some(&self.around.catalog);
                let typed = bind_indexed(predicate, table, self.around.settings, catalog);
                let typed = typed.map_err(of_system)?;
                refuse_subquery(&typed.expr, "index predicate")?;
                if typed.of != Type::BOOL {
                    let message = format!(
                        "argument of WHERE must be type boolean, not type {}",
                        typed.of.name()
                    );
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                        .at(place(predicate.span())));
                }
                check_immutable(&typed.expr, "index predicate")?;
                Some(Expression {
                    depends_on: columns_of(&typed.expr, table.oid),
                    text,
                })
            }
        };
        Ok(IndexDefinition {
            name,
            labels: columns.iter().map(|column| key_name(&column.key)).collect(),
            columns,
            include: column_ids(&create.include, &table.columns)?,
            unique: create.unique,
            nulls_not_distinct: create.nulls_distinct == Some(false),
            predicate,
            method,
        })
    }

    fn index_column(&self, written: &ast::IndexColumn, table: &Table) -> Result<IndexColumn> {
        let options = &written.column.options;
        let descending = matches!(options.sort, Some(ast::OrderBySort::Desc));
        let key = match &written.column.expr {
            ast::Expr::Identifier(name) => {
                let name = name_of(name);
                let column = table.column_named(&name).ok_or_else(|| {
                    let message = format!("column \"{name}\" does not exist");
                    of_system(Error::new(SqlState::UNDEFINED_COLUMN, message))
                })?;
                IndexKey::Column(column.id)
            }
            expr => {
                refuse_bare(expr)?;
                let text = expr.to_string();
                let catalog = Some(&self.around.catalog);
                let typed = bind_indexed(expr, table, self.around.settings, catalog);
                let typed = typed.map_err(of_system)?;
                refuse_subquery(&typed.expr, "index expression")?;
                check_immutable(&typed.expr, "index expression")?;
                IndexKey::Expression {
                    expression: Expression {
                        depends_on: columns_of(&typed.expr, table.oid),
                        text,
                    },
                    result: typed.of,
                }
            }
        };
        Ok(IndexColumn {
            key,
            descending,
            nulls_first: options.nulls_first.unwrap_or(descending),
        })
    }
}

/// What is said of a system column in an index.
pub(super) fn of_system(error: Error) -> Error {
    let names_one = error.state() == SqlState::UNDEFINED_COLUMN
        && error.message().split('"').any(is_system_column);
    match names_one {
        true => Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "index creation on system columns is not supported",
        ),
        false => error,
    }
}

/// What indexes of this kind do not do.
fn refuse_for_hash(create: &ast::CreateIndex) -> Result<()> {
    let what = match (
        create.unique,
        create.columns.len() > 1,
        create.include.len(),
    ) {
        (true, ..) => "unique indexes",
        (false, _, 1..) => "included columns",
        (false, true, _) => "multicolumn indexes",
        _ => return Ok(()),
    };
    let message = format!("access method \"hash\" does not support {what}");
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

/// What is no column and no call needs brackets of its own.
fn refuse_bare(expr: &ast::Expr) -> Result<()> {
    use ast::Expr as E;
    let wrong = match expr {
        E::Collate { expr, .. } => return refuse_bare(expr),
        E::BinaryOp { left, op, .. } => {
            refuse_bare(left)?;
            op.to_string()
        }
        E::Cast {
            kind: ast::CastKind::DoubleColon,
            expr,
            ..
        } => {
            refuse_bare(expr)?;
            "::".to_owned()
        }
        E::UnaryOp { op, .. } => op.to_string(),
        E::Value(value) => value.to_string(),
        E::Array(_) => "array".to_owned(),
        E::Case { .. } => "case".to_owned(),
        E::IsNull(expr) | E::IsNotNull(expr) => {
            refuse_bare(expr)?;
            "is".to_owned()
        }
        _ => return Ok(()),
    };
    let message = format!("syntax error at or near \"{wrong}\"");
    Err(Error::new(SqlState::SYNTAX_ERROR, message).at(place(expr.span())))
}

fn check_immutable(expr: &Expr, place: &str) -> Result<()> {
    match is_immutable(expr) {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::INVALID_OBJECT_DEFINITION,
            format!("functions in {place} must be marked IMMUTABLE"),
        )),
    }
}
