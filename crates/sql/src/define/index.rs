//! CREATE INDEX and TRUNCATE.

use std::sync::Arc;

use rustdb_catalog::{
    Expression, IndexColumn, IndexDefinition, IndexKey, IndexMethod, IndexState, Table,
};
use rustdb_table::Statement;
use rustdb_txn::{ObjectMode, Wait};
use rustdb_types::{SqlState, Type};
use sqlparser::ast;

use super::constraint::column_ids;
use super::{Defined, Definer};
use crate::bind::{Binder, bind_table_expression, name_of, object_name};
use crate::database::CatalogTables;
use crate::error::{Error, Result};

impl Definer<'_> {
    pub(crate) fn create_index(&mut self, create: &ast::CreateIndex) -> Result<Defined> {
        if create.concurrently || create.r#async || !create.with.is_empty() {
            return Err(Error::unsupported("this form of CREATE INDEX"));
        }
        let names = object_name(&create.table_name)?;
        self.around.catalog = self.change.view();
        let named = Binder::for_statement(&self.around).target_table(&names)?;
        // Writers are kept out until the index has an entry for every row.
        self.lock(named.oid, ObjectMode::Share)?;
        let table = self.change.view().table(named.oid).cloned();
        let table = table.ok_or_else(|| crate::bind::missing_relation(&names))?;
        let definition = self.index_definition(create, &table)?;
        if let (Some(name), true) = (&definition.name, create.if_not_exists)
            && self.change.view().relation(table.schema, name).is_some()
        {
            return Ok(Defined {
                tag: "CREATE INDEX",
                notice: Some(format!("relation \"{name}\" already exists, skipping")),
            });
        }
        let index = self
            .change
            .create_index(self.transaction, table.oid, definition)?;
        let catalog = self.change.view();
        let built = catalog
            .table(table.oid)
            .ok_or_else(|| Error::internal("the table is gone"))?;
        let rows = self.around.database.table(built)?;
        let tables = CatalogTables {
            database: self.around.database.clone(),
            catalog: catalog.clone(),
        };
        let settings = Arc::new(self.around.settings.clone());
        let mut statement = Statement::new(Arc::new(tables), settings, Wait::Forever);
        rows.fill_index(self.transaction, index.oid, &mut statement)?;
        let state = IndexState::Public;
        self.change.set_index_state(table.oid, index.oid, state)?;
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
                other => {
                    let message = format!("access method \"{other}\" does not exist");
                    return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
                }
            },
        };
        let columns = create.columns.iter();
        let columns = columns.map(|column| self.index_column(column, table));
        let predicate = match &create.predicate {
            None => None,
            Some(predicate) => {
                let text = predicate.to_string();
                let typed = bind_table_expression(&text, table, self.around.settings)?;
                if typed.of != Type::BOOL {
                    let message = format!(
                        "argument of WHERE must be type boolean, not type {}",
                        typed.of.name()
                    );
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
                }
                Some(Expression::new(text))
            }
        };
        Ok(IndexDefinition {
            name,
            columns: columns.collect::<Result<_>>()?,
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
                    Error::new(SqlState::UNDEFINED_COLUMN, message)
                })?;
                IndexKey::Column(column.id)
            }
            expr => {
                let text = expr.to_string();
                let typed = bind_table_expression(&text, table, self.around.settings)?;
                IndexKey::Expression {
                    expression: Expression::new(text),
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

    pub(crate) fn truncate(&mut self, truncate: &ast::Truncate) -> Result<Defined> {
        let restarts = truncate.identity == Some(ast::TruncateIdentityOption::Restart);
        if restarts || truncate.partitions.is_some() || truncate.if_exists {
            return Err(Error::unsupported("this form of TRUNCATE"));
        }
        let mut tables = Vec::with_capacity(truncate.table_names.len());
        for target in &truncate.table_names {
            let names = object_name(&target.name)?;
            self.around.catalog = self.change.view();
            let table = Binder::for_statement(&self.around).target_table(&names)?;
            self.lock(table.oid, ObjectMode::AccessExclusive)?;
            tables.push(table);
        }
        for table in &tables {
            let named = |oid: &_| tables.iter().any(|each| each.oid == *oid);
            if table.referenced_by.iter().any(|(child, _)| !named(child)) {
                let message = "cannot truncate a table referenced in a foreign key constraint";
                return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                    .with_hint("Truncate the referring table at the same time."));
            }
        }
        for table in &tables {
            self.change.renew_storage(table.oid, |_| Ok(()))?;
        }
        Ok(Defined::new("TRUNCATE TABLE"))
    }
}
