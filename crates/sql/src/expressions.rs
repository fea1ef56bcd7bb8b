//! The expressions of a table: defaults, generated columns, CHECK, indexes.

use std::sync::Arc;

use rustdb_catalog::{
    Catalog, CatalogStore, ConstraintKind, Generated, IndexKey, Table as Definition,
};
use rustdb_types::function::Host;
use rustdb_types::{Settings, Value};

use crate::bind::{SessionNames, bind_table_expression};
use crate::error::Result;
use crate::exec::{Context, evaluate_row};
use crate::expr::Expr;
use crate::settings::Parameters;

/// The expressions of one table, bound: columns are places in its rows.
pub(crate) struct TableExpressions {
    checks: Vec<Option<Expr>>,
    defaults: Vec<Option<Expr>>,
    generated: Vec<Option<Expr>>,
    indexes: Vec<IndexExpressions>,
    settings: Arc<Settings>,
    host: Arc<dyn Host + Send + Sync>,
}

struct IndexExpressions {
    columns: Vec<Option<Expr>>,
    predicate: Option<Expr>,
}

impl std::fmt::Debug for TableExpressions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("TableExpressions")
    }
}

impl TableExpressions {
    pub(crate) fn new(
        definition: &Definition,
        catalog: &Arc<Catalog>,
        store: &CatalogStore,
        settings: Arc<Settings>,
        host: Arc<dyn Host + Send + Sync>,
    ) -> Result<TableExpressions> {
        let bind = |text: &str| bind_table_expression(text, definition, &settings, Some(catalog));
        let mut checks = Vec::with_capacity(definition.constraints.len());
        for constraint in &definition.constraints {
            checks.push(match &constraint.kind {
                ConstraintKind::Check { expression, .. } => Some(bind(&expression.text)?.expr),
                _ => None,
            });
        }
        let mut defaults = Vec::with_capacity(definition.columns.len());
        let mut generated = Vec::with_capacity(definition.columns.len());
        for column in &definition.columns {
            let of_column = |text: &str| {
                crate::bind::bind_column_expression(
                    text,
                    definition,
                    column,
                    &settings,
                    Some(catalog),
                )
            };
            defaults.push(match &column.default {
                Some(default) if !column.dropped => Some(of_column(&default.text)?),
                _ => None,
            });
            generated.push(match &column.generated {
                Some(Generated::Stored(expression)) if !column.dropped => {
                    Some(of_column(&expression.text)?)
                }
                _ => None,
            });
        }
        let mut indexes = Vec::with_capacity(definition.indexes.len());
        for index in &definition.indexes {
            let mut columns = Vec::with_capacity(index.columns.len());
            for column in &index.columns {
                columns.push(match &column.key {
                    IndexKey::Expression { expression, .. } => Some(bind(&expression.text)?.expr),
                    IndexKey::Column(_) => None,
                });
            }
            let predicate = index.predicate.as_ref();
            indexes.push(IndexExpressions {
                columns,
                predicate: predicate
                    .map(|predicate| bind(&predicate.text).map(|typed| typed.expr))
                    .transpose()?,
            });
        }
        let mut expressions = TableExpressions {
            checks,
            defaults,
            generated,
            indexes,
            settings,
            host,
        };
        expressions.settle(catalog, store);
        Ok(expressions)
    }

    /// Computes what needs the catalog: there is none when a row is written. What fails is left, and
    /// fails then.
    fn settle(&mut self, catalog: &Arc<Catalog>, store: &CatalogStore) {
        let (names, parameters) = (SessionNames::of_stored(), Parameters::default());
        let mut cx = Context::timeless(&self.settings, &*self.host, &[]);
        cx.catalog = Some((catalog, store));
        cx.names = Some(&names);
        cx.session_parameters = Some(&parameters);
        let of_columns = [&mut self.checks, &mut self.defaults, &mut self.generated];
        let of_columns = of_columns.into_iter().flatten().flatten();
        let of_indexes = self.indexes.iter_mut().flat_map(|index| {
            let keys = index.columns.iter_mut().flatten();
            keys.chain(&mut index.predicate)
        });
        for expr in of_columns.chain(of_indexes) {
            settle(expr, &mut cx);
        }
    }

    fn value(&self, expr: Option<&Expr>, row: &[Value]) -> rustdb_catalog::Result<Value> {
        let Some(expr) = expr else {
            return Ok(Value::Null);
        };
        let mut cx = Context::new(&self.settings, &*self.host, &[]);
        // These settings are those of no session: the time of the row stands for its transaction's.
        self.settings.now.set(cx.statement_time);
        evaluate_row(expr, row, &mut cx).map_err(|error| {
            let mut out = rustdb_catalog::Error::new(error.state(), error.message());
            if let Some(detail) = error.detail() {
                out = out.with_detail(detail);
            }
            out
        })
    }
}

fn settle(expr: &mut Expr, cx: &mut Context<'_>) {
    for child in expr.children_mut() {
        settle(child, cx);
    }
    if let Expr::System(call) = expr
        && call
            .arguments
            .iter()
            .all(|it| matches!(it, Expr::Constant(_)))
        && let Ok(value) = evaluate_row(expr, &[], cx)
    {
        *expr = Expr::Constant(value);
    }
}

impl rustdb_table::Expressions for TableExpressions {
    fn check(&self, constraint: usize, row: &[Value]) -> rustdb_catalog::Result<Option<bool>> {
        let check = self.checks.get(constraint).and_then(Option::as_ref);
        Ok(self.value(check, row)?.as_bool())
    }

    fn index_value(
        &self,
        index: usize,
        column: usize,
        row: &[Value],
    ) -> rustdb_catalog::Result<Value> {
        let index = self.indexes.get(index);
        let column = index.and_then(|index| index.columns.get(column)?.as_ref());
        self.value(column, row)
    }

    fn predicate(&self, index: usize, row: &[Value]) -> rustdb_catalog::Result<bool> {
        let predicate = self
            .indexes
            .get(index)
            .and_then(|index| index.predicate.as_ref());
        match predicate {
            None => Ok(true),
            Some(predicate) => Ok(self.value(Some(predicate), row)?.as_bool() == Some(true)),
        }
    }

    fn default(&self, column: usize) -> rustdb_catalog::Result<Value> {
        self.value(self.defaults.get(column).and_then(Option::as_ref), &[])
    }

    fn generated(&self, column: usize, row: &[Value]) -> rustdb_catalog::Result<Value> {
        self.value(self.generated.get(column).and_then(Option::as_ref), row)
    }
}
