//! Joins by a key of several columns.
//!
//! Conditions are taken to be independent of each other, which the parts of a key are not:
//! `l.part = ps.part AND l.supplier = ps.supplier` finds one row for each row of `l` if the two are a
//! key of `ps`, however few rows the product of both shares would leave.

use std::collections::BTreeSet;

use rustdb_catalog::{IndexKey, RowKeyColumns};

use super::Estimator;
use crate::expr::{ColumnId, Expr};
use crate::plan::{Plan, Scan};

/// A key of several columns of a relation.
#[derive(Clone, Debug)]
pub(in crate::plan) struct CompositeKey {
    columns: Vec<ColumnId>,
    /// How many rows the relation's table has.
    rows: f64,
}

impl Estimator<'_> {
    /// The keys of several columns that the rows of a plan have.
    pub(in crate::plan) fn composite_keys(&self, plan: &Plan) -> Vec<CompositeKey> {
        match plan {
            Plan::Scan(scan) => self.keys_of(scan),
            Plan::Filter { input, .. } => self.composite_keys(input),
            Plan::Project { input, items } => {
                let renamed = |column: &ColumnId| {
                    let mut items = items.iter();
                    let found = items.find(|(_, item)| *item == Expr::Column(*column));
                    found.map(|(id, _)| *id)
                };
                let keys = self.composite_keys(input).into_iter();
                let keys = keys.filter_map(|key| {
                    let columns = key.columns.iter().map(renamed).collect::<Option<_>>()?;
                    Some(CompositeKey { columns, ..key })
                });
                keys.collect()
            }
            _ => Vec::new(),
        }
    }

    fn keys_of(&self, scan: &Scan) -> Vec<CompositeKey> {
        let definition = scan.table.definition();
        let mut keys: Vec<Vec<u32>> = Vec::new();
        if let RowKeyColumns::Columns(ids) = &definition.row_key {
            keys.push(ids.clone());
        }
        let unique = definition.indexes.iter();
        let unique = unique.filter(|index| index.unique && index.predicate.is_none());
        keys.extend(unique.filter_map(|index| {
            let columns = index.columns.iter().map(|column| match column.key {
                IndexKey::Column(id) => Some(id),
                IndexKey::Expression { .. } => None,
            });
            columns.collect::<Option<Vec<u32>>>()
        }));
        let column = |id: &u32| {
            let mut columns = scan.columns.iter();
            let found = columns.find(|(_, place)| *place + 1 == *id as usize);
            found.map(|(column, _)| *column)
        };
        // The row key may be among the indexes too, and counts once.
        let mut known: BTreeSet<BTreeSet<u32>> = BTreeSet::new();
        keys.retain(|key| known.insert(key.iter().copied().collect()));
        let keys = keys.iter().filter(|key| key.len() > 1);
        let keys = keys.filter_map(|key| key.iter().map(column).collect::<Option<Vec<_>>>());
        let rows = self.table_rows(scan).max(1.0);
        keys.map(|columns| CompositeKey { columns, rows }).collect()
    }

    /// The share of pairs for which conditions hold, of which each has a share of its own.
    pub(in crate::plan) fn joined_share<'c>(
        &self,
        conditions: impl Iterator<Item = (&'c Expr, f64)> + Clone,
        keys: &[&CompositeKey],
    ) -> f64 {
        let mut share: f64 = conditions.clone().map(|(_, share)| share).product();
        for key in keys {
            let mut found = BTreeSet::new();
            let mut together = 1.0;
            for (condition, share) in conditions.clone() {
                if let Some(part) = key.part(condition)
                    && found.insert(part)
                {
                    together *= share;
                }
            }
            if found.len() == key.columns.len() && together < 1.0 / key.rows {
                share *= 1.0 / key.rows / together.max(f64::MIN_POSITIVE);
            }
        }
        share.min(1.0)
    }
}

impl CompositeKey {
    /// The column of the key that a condition says is equal to one of another relation.
    fn part(&self, condition: &Expr) -> Option<ColumnId> {
        let Expr::Operator(call) = condition else {
            return None;
        };
        let (Some(Expr::Column(left)), Expr::Column(right)) = (&call.left, &call.right) else {
            return None;
        };
        match (self.columns.contains(left), self.columns.contains(right)) {
            _ if call.operator.name != "=" => None,
            (true, false) => Some(*left),
            (false, true) => Some(*right),
            _ => None,
        }
    }
}
