//! Scans that give rows as they are stored, for statements that change them.

use std::sync::Arc;

use super::super::context::Context;
use super::super::sweep::StoredRows;
use super::{AccessPath, RunScan, ScanNode, State, is_complete};
use crate::error::Result;

impl RunScan {
    /// A scan that gives rows as they are stored, if it can: see [`RunScan::read_stored`].
    pub(in crate::exec) fn of_stored(
        node: &Arc<ScanNode>,
        cx: &mut Context<'_>,
    ) -> Result<Option<RunScan>> {
        let is_fit = |access: &AccessPath| !access.backward && is_complete(access, cx);
        if !node.access.as_ref().is_none_or(is_fit) {
            return Ok(None);
        }
        let mut run = RunScan::new(node.clone());
        run.begin(cx)?;
        Ok(match run.state {
            State::Rows(_) | State::Entries(..) | State::Keys(_) | State::Done => Some(run),
            _ => None,
        })
    }

    /// Adds the next rows that pass the tests, as they are stored; none at the end. It looks at about
    /// so many. What is written between two calls may be behind them only.
    pub(in crate::exec) fn read_stored(
        &mut self,
        rows_max: usize,
        rows: &mut StoredRows,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        loop {
            cx.check_cancelled()?;
            let (seen, transaction) = match &mut self.state {
                State::Rows(scan) => {
                    let transaction = cx.transaction()?;
                    let add = |key: &[u8], row: &[u8]| rows.push(key, row);
                    (
                        scan.visit_stored(transaction, &self.tests, rows_max, add)?,
                        transaction,
                    )
                }
                _ => {
                    self.keys.clear();
                    self.next_keys(rows_max, cx)?;
                    (self.keys.len(), cx.transaction()?)
                }
            };
            for key in self.keys.iter() {
                if let Some(row) = self.node.table.get_stored(transaction, key)? {
                    rows.push(key, &row);
                }
            }
            if rows.len() > 0 {
                return Ok(());
            }
            // There are more rows, of which none was there, or passed.
            if seen == rows_max {
                continue;
            }
            let (Some(range), Some(access)) = (self.rest.next(), &self.node.access) else {
                return Ok(());
            };
            self.state = self.part(access, range, cx)?;
        }
    }
}
