//! Changing many rows as they are stored.
//!
//! An UPDATE that is a [`Patch`] of each row, or a DELETE, of the rows that a scan of their table finds,
//! needs no values but those that its conditions and its change ask for. So rows are read as they are
//! stored, some at a time, and then changed; see [`super::keyed`].
//!
//! # Invariants
//!
//! - What is read after something was written is the same as before: a patch leaves a row under its key,
//!   and what led to it as it was; a deletion leaves what is ahead. Conditions ask for nothing but
//!   the row.
//! - A row to which somebody else has given a key that the scan has yet to come to is met again there,
//!   as the transaction's own. It is passed by then.
//!
//! What does more than that reads all rows first: see [`super::source`].

use std::collections::HashSet;
use std::sync::Arc;

use rustdb_table::Statement;
use rustdb_types::interrupt;

use super::context::Context;
use super::keyed::Patch;
use super::scan::{RunScan, ScanNode};
use super::write::{WriteNode, Written};
use crate::error::Result;
use crate::expr::Expr;

/// A change of the rows that a scan finds.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    pub(super) scan: Arc<ScanNode>,
    /// What has to hold of a row, over its key and the table's columns.
    pub(super) conditions: Vec<Expr>,
    pub(super) patch: Patch,
}

/// So many rows are read before they are changed, the first time; fewer or more then, as they are long.
const FIRST_ROWS: usize = 16;
const ROWS_MAX: usize = 256;
const BYTES_AT_ONCE: usize = 256 << 10;

/// Rows as they are stored, one after the other: the key, then the columns.
#[derive(Debug, Default)]
pub(super) struct StoredRows {
    bytes: Vec<u8>,
    /// Where the key of each ends, and its columns.
    ends: Vec<(usize, usize)>,
}

impl StoredRows {
    pub(super) fn push(&mut self, key: &[u8], columns: &[u8]) {
        self.bytes.extend_from_slice(key);
        let end = self.bytes.len();
        self.bytes.extend_from_slice(columns);
        self.ends.push((end, self.bytes.len()));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(middle, end)| {
            let row = (&self.bytes[start..middle], &self.bytes[middle..end]);
            start = end;
            row
        })
    }

    /// How many rows to read next.
    fn next_rows(&self) -> usize {
        let bytes_each = self.bytes.len() / self.len().max(1);
        (BYTES_AT_ONCE / bytes_each.max(1)).clamp(1, ROWS_MAX)
    }
}

impl WriteNode {
    /// Changes the rows. `None` if they cannot be read like this now; then nothing was done.
    pub(super) fn sweep(
        &self,
        sweep: &Sweep,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Option<Written>> {
        let Some(mut run) = RunScan::of_stored(&sweep.scan, cx)? else {
            return Ok(None);
        };
        let mut met = HashSet::new();
        let swept = self.sweep_all(sweep, &mut run, &mut met, statement, cx);
        if swept.is_err() {
            interrupt::leave((Box::new(run) as Box<dyn super::Operator>, met));
        }
        swept.map(Some)
    }

    fn sweep_all(
        &self,
        sweep: &Sweep,
        run: &mut RunScan,
        met: &mut HashSet<Box<[u8]>>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let mut row = self.blank_row();
        let mut rows = StoredRows::default();
        let mut rows_max = FIRST_ROWS;
        loop {
            cx.check_cancelled()?;
            rows.clear();
            run.read_stored(rows_max, &mut rows, cx)?;
            if rows.len() == 0 {
                return Ok(written);
            }
            rows_max = rows.next_rows();
            for (key, stored) in rows.iter() {
                cx.check_cancelled()?;
                if !met.is_empty() && met.contains(key) {
                    continue;
                }
                let (patch, conditions) = (&sweep.patch, &sweep.conditions);
                let (count, moved) =
                    self.patch_stored(patch, conditions, (key, stored), &mut row, statement, cx)?;
                written.count += count;
                met.extend(moved.map(|key| Box::from(&*key)));
            }
        }
    }
}
