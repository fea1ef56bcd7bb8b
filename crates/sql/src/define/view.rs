//! Views.

use rustdb_catalog::{Expression, View, ViewColumn};
use rustdb_types::{Oid, SqlState};
use sqlparser::ast;

use super::{Defined, Definer};
use crate::bind::{Binder, name_of};
use crate::error::{Error, Result};

impl Definer<'_> {
    pub(crate) fn create_view(&mut self, create: &ast::CreateView) -> Result<Defined> {
        if create.materialized || create.temporary || create.or_replace {
            return Err(Error::unsupported("this form of CREATE VIEW"));
        }
        let (schema, name) = self.new_name(&create.name)?;
        self.around.catalog = self.change.view();
        let mut binder = Binder::for_statement(&self.around);
        let bound = binder.statement_query(&create.query)?;
        let names: Vec<String> = create
            .columns
            .iter()
            .map(|column| name_of(&column.name))
            .collect();
        if names.len() > bound.columns.len() {
            let message = "CREATE VIEW specifies more column names than columns";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let columns = bound
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| ViewColumn {
                name: names.get(place).unwrap_or(&column.name).clone(),
                column_type: column.of.clone(),
            });
        let depends_on = binder
            .tables()
            .keys()
            .map(|table| rustdb_catalog::Dependency {
                object: *table,
                column: None,
            });
        let view = View {
            oid: Oid(0),
            schema,
            name,
            columns: columns.collect(),
            query: Expression {
                text: create.query.to_string(),
                depends_on: depends_on.collect(),
            },
            temporary: false,
        };
        self.change.create_view(self.transaction, view)?;
        Ok(Defined::new("CREATE VIEW"))
    }
}
