//! CREATE TABLE ... (LIKE ...).

use rustdb_catalog::{Column, Generated};
use sqlparser::ast;

use super::Definer;
use super::constraint::number;
use crate::bind::{Binder, object_name};
use crate::error::{Error, Result};

impl Definer<'_> {
    /// Adds the columns of another table: names, types, NOT NULL, and defaults if asked.
    pub(super) fn like(
        &mut self,
        like: &ast::CreateTableLikeKind,
        columns: &mut Vec<Column>,
    ) -> Result<()> {
        let ast::CreateTableLikeKind::Parenthesized(like) = like else {
            return Err(Error::unsupported("LIKE without parentheses"));
        };
        let names = object_name(&like.name)?;
        self.around.catalog = self.change.view();
        let table = Binder::for_statement(&self.around).target_table(&names)?;
        let with_defaults = like.defaults == Some(ast::CreateTableLikeDefaults::Including);
        for other in table.live_columns() {
            let place = columns.len();
            let mut column =
                Column::new(number(place), other.name.clone(), other.column_type.clone());
            column.not_null = other.not_null;
            if with_defaults && !matches!(other.generated, Some(Generated::Stored(_))) {
                column.default.clone_from(&other.default);
            }
            columns.push(column);
        }
        Ok(())
    }
}
