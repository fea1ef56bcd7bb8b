//! Locks on rows that are read: FOR UPDATE and its kin.

use std::sync::Arc;

use rustdb_table::Table;
use rustdb_txn::RowMode;

use super::Plan;
use crate::expr::{ColumnId, Expr};

/// Rows whose tables' rows are locked as they pass. One that another transaction has changed is
/// read again and, unless the conditions then fail, goes on with what is computed from it anew.
#[derive(Clone, PartialEq, Debug)]
pub struct LockRows {
    /// Where the rows come from. Beside what is wanted it has the columns that the tables are
    /// locked by, and those that `conditions` and `items` use.
    pub input: Plan,
    /// What is locked.
    pub targets: Vec<LockTarget>,
    /// What has to hold for a row that has changed.
    pub conditions: Vec<Expr>,
    /// Columns of the input that are computed from the tables' columns.
    pub items: Vec<(ColumnId, Expr)>,
}

/// A table whose rows are locked.
#[derive(Clone, Debug)]
pub struct LockTarget {
    /// The table.
    pub table: Arc<Table>,
    /// The column of its rows' keys.
    pub key: ColumnId,
    /// Its columns that were read, and their places in its rows.
    pub columns: Vec<(ColumnId, usize)>,
    /// How its rows are locked.
    pub mode: RowMode,
    /// What is done about rows that others have locked.
    pub wait: LockWait,
}

/// What is done about a row that another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LockWait {
    /// Wait for it.
    Wait,
    /// Leave it out.
    Skip,
    /// Fail.
    Fail,
}

impl PartialEq for LockTarget {
    fn eq(&self, other: &LockTarget) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
            && self.key == other.key
            && self.mode == other.mode
            && self.wait == other.wait
    }
}

impl LockRows {
    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.conditions
            .iter()
            .chain(self.items.iter().map(|(_, item)| item))
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.conditions
            .iter_mut()
            .chain(self.items.iter_mut().map(|(_, item)| item))
    }
}
