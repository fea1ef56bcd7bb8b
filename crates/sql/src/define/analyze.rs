//! ANALYZE.

use rustdb_txn::ObjectMode;
use sqlparser::ast;

use super::{Defined, Definer};
use crate::bind::{Binder, missing_relation, name_of, new_name, object_name};
use crate::error::{Error, Result, SqlState};
use crate::statistics::analyze;

impl Definer<'_> {
    /// Looks at a table's rows, or at all tables'.
    pub(crate) fn analyze(
        &mut self,
        statement: &ast::Analyze,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Defined> {
        if statement.partitions.is_some()
            || statement.for_columns
            || statement.cache_metadata
            || statement.noscan
            || statement.compute_statistics
        {
            return Err(Error::unsupported("this form of ANALYZE"));
        }
        let tables = match &statement.table_name {
            Some(name) => {
                let names = object_name(name)?;
                let table = Binder::for_statement(&self.around).target_table(&names)?;
                for column in &statement.columns {
                    let column = new_name(column)?;
                    let mut columns = table.columns.iter();
                    if !columns.any(|each| !each.dropped && each.name == column) {
                        let message = format!(
                            "column \"{column}\" of relation \"{}\" does not exist",
                            table.name
                        );
                        return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
                    }
                }
                vec![table.oid]
            }
            None => {
                let view = self.change.view();
                view.tables().iter().map(|table| table.oid).collect()
            }
        };
        for oid in tables {
            self.lock(oid, ObjectMode::ShareUpdateExclusive)?;
            let Some(definition) = self.change.view().table(oid).cloned() else {
                match &statement.table_name {
                    Some(name) => return Err(missing_relation(&object_name(name)?)),
                    None => continue,
                }
            };
            let table = self
                .around
                .database
                .table(&definition, &self.change.view())?;
            let now = self.around.database.shared.host.clock();
            let now = u64::try_from(now.saturating_add(EPOCH_MICROS)).unwrap_or(0);
            let mut found = analyze(&table, self.transaction, now, go_on)?;
            if !statement.columns.is_empty() {
                let named: Vec<String> = statement.columns.iter().map(name_of).collect();
                let before = self.change.view().statistics(oid).cloned();
                found.columns.retain(|each| {
                    let mut columns = definition.columns.iter();
                    columns.any(|column| column.id == each.column && named.contains(&column.name))
                });
                let others = before.iter().flat_map(|before| &before.columns);
                let others: Vec<_> = others
                    .filter(|each| found.column(each.column).is_none())
                    .cloned()
                    .collect();
                found.columns.extend(others);
            }
            self.change.set_statistics(found);
        }
        Ok(Defined::new("ANALYZE"))
    }
}

/// Microseconds from 1970 to 2000, where SQL's timestamps begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
