//! System columns: what a table has in PostgreSQL besides the columns that it was given.
//!
//! `tableoid` is the table's number. It is computed only where a statement names it:
//! [`Binder::compute_tableoids`] puts a projection right over the scan, so that an outer join
//! makes it NULL as it does the table's other columns. The other system columns tell of versions
//! of rows, which are kept in another way here; they are refused by name, where PostgreSQL would
//! find them. Views, queries and functions in FROM have none.
//!
//! A database may have tables from before these names were refused: a table's own columns are
//! found first.

use std::collections::BTreeSet;

use rustdb_types::{Oid, Type, Value};

use super::Binder;
use super::expression::Place;
use super::scope::{NamedColumn, Relation, Scope, TableOid, ambiguous};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::plan::Plan;

/// The system column that can be read.
const TABLEOID: &str = "tableoid";

/// Whether PostgreSQL has a column of this name in every table.
pub(crate) fn is_system_column(name: &str) -> bool {
    name == TABLEOID || ["cmax", "xmax", "cmin", "xmin", "ctid"].contains(&name)
}

impl Relation {
    /// Its columns and that of its number.
    pub(super) fn all_columns(&self) -> impl Iterator<Item = NamedColumn> {
        self.columns.iter().cloned().chain(self.numbered())
    }

    /// Its column of its number, if it has one.
    pub(super) fn numbered(&self) -> Option<NamedColumn> {
        match self.tableoid {
            Some(TableOid::Column(id)) => Some(NamedColumn {
                name: TABLEOID.to_owned(),
                id,
                of: Type::OID,
            }),
            Some(TableOid::Known(_)) | None => None,
        }
    }
}

impl Binder<'_> {
    /// The system column that a name without a dot means, if it means one.
    pub(super) fn system_column(
        &mut self,
        name: &str,
        place: Option<Position>,
        at: &Place<'_, '_>,
    ) -> Result<Option<Typed>> {
        if !is_system_column(name) {
            return Ok(None);
        }
        let mut tables = at.scope.outward().map(|names| &names.tables[..]);
        match tables.find(|tables| !tables.is_empty()) {
            None => match numbered_within(at.scope) {
                None => Ok(None),
                Some(relation) => Err(beyond(name, relation).at(place)),
            },
            Some([table]) => self.of_system(name, *table, place, at).map(Some),
            Some(_) => Err(ambiguous(name, place)),
        }
    }

    /// The system column that a name behind that of a relation means, if it means one.
    pub(super) fn system_column_of(
        &mut self,
        relation: &Relation,
        name: &str,
        place: Option<Position>,
        at: &Place<'_, '_>,
    ) -> Result<Option<Typed>> {
        match relation.tableoid {
            Some(table) if is_system_column(name) => {
                self.of_system(name, table, place, at).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn of_system(
        &mut self,
        name: &str,
        table: TableOid,
        place: Option<Position>,
        at: &Place<'_, '_>,
    ) -> Result<Typed> {
        if name != TABLEOID {
            let message = format!("system column \"{name}\" is not supported");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(place));
        }
        let expr = match table {
            TableOid::Known(oid) => number(oid),
            TableOid::Column(id) => {
                self.tableoids.insert(id);
                self.mention(id, place, at);
                Expr::Column(id)
            }
        };
        Ok(Typed::new(expr, Type::OID))
    }

    /// Computes the numbers of tables that were asked for in what is read here; gives their
    /// columns.
    pub(super) fn compute_tableoids(&mut self, plan: &mut Plan) -> Vec<ColumnId> {
        let mut computed = Vec::new();
        if !self.tableoids.is_empty() {
            compute(plan, &mut self.tableoids, &mut computed);
        }
        computed
    }
}

fn compute(plan: &mut Plan, asked: &mut BTreeSet<ColumnId>, computed: &mut Vec<ColumnId>) {
    let (id, oid) = match plan {
        Plan::Scan(scan) => (scan.tableoid, scan.table.oid()),
        Plan::System(scan) => (scan.tableoid, scan.relation.oid),
        _ => {
            let inputs = plan.inputs_mut().into_iter();
            return inputs.for_each(|input| compute(input, asked, computed));
        }
    };
    if asked.remove(&id) {
        let scan = std::mem::replace(plan, Plan::one_row());
        *plan = scan.making(vec![(id, number(oid))]);
        computed.push(id);
    }
}

/// A table that is joined with others, so that its system columns need its name.
fn numbered_within<'s>(scope: &'s Scope<'_>) -> Option<&'s str> {
    let mut relations = scope.outward().flat_map(|names| &names.relations);
    let found = relations.find(|relation| relation.tableoid.is_some())?;
    Some(&found.name)
}

fn beyond(name: &str, relation: &str) -> Error {
    let message = format!("column \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_COLUMN, message).with_hint(format!(
        "There is a column named \"{name}\" in table \"{relation}\", but it cannot be referenced \
         from this part of the query."
    ))
}

fn number(oid: Oid) -> Expr {
    Expr::Constant(Value::Oid(oid.0))
}
