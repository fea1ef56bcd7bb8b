//! Running INSERT ... ON CONFLICT.
//!
//! ```text
//! row ──▶ find what is in the way ──none, and its keys are locked──▶ insert
//!           ▲        │
//!           │     lock the row
//!           └─gone───┤
//!                    └──▶ update it, or leave it
//! ```
//!
//! Under READ COMMITTED the row in the way may be newer than the statement's snapshot; what is
//! updated is its newest state.

use std::collections::HashSet;

use rustdb_table::{Locked, Projection, RowKey, Statement};
use rustdb_txn::RowMode;
use rustdb_types::{Oid, Value};

use super::context::Context;
use super::evaluate::all_true;
use super::source::SourceRows;
use super::write::{WriteNode, Written, assign};
use crate::bind::{ConflictUpdate, OnConflict};
use crate::error::{Error, Result, SqlState};

/// Keys of the rows that a statement has written.
pub(super) type Touched = HashSet<Box<[u8]>>;

impl WriteNode {
    pub(super) fn upsert(
        &self,
        rows: &mut SourceRows,
        conflict: &OnConflict,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let mut touched = Touched::new();
        while let Some(row) = rows.next(cx)? {
            cx.check_cancelled()?;
            if let Some(row) = self.upsert_row(row, conflict, &mut touched, statement, cx)? {
                self.give(&row, &mut written, cx)?;
            }
        }
        Ok(written)
    }

    /// The row as it is in the end, if anything was written.
    pub(super) fn upsert_row(
        &self,
        row: Vec<Value>,
        conflict: &OnConflict,
        touched: &mut Touched,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<Value>>> {
        self.table.check_row(&row, statement)?;
        loop {
            let Some((arbiter, key)) = self.in_the_way(&row, conflict, statement, cx)? else {
                let key = self.table.insert(cx.transaction_mut()?, &row, statement)?;
                self.check_views(&row, 0, statement, cx)?;
                if conflict.update.is_some() {
                    touched.insert((&*key).into());
                }
                return Ok(Some(row));
            };
            let Some(update) = &conflict.update else {
                return Ok(None);
            };
            let wait = cx.wait;
            let transaction = cx.transaction_mut()?;
            let mode = RowMode::NoKeyUpdate;
            match self.table.lock(transaction, &key, mode, wait)? {
                Locked::Unchanged => (),
                Locked::Gone => continue,
                // It may have got another key while it was waited for.
                Locked::Changed => {
                    let again = self
                        .table
                        .find_conflict(transaction, &row, arbiter, statement)?;
                    if again.as_deref() != Some(&*key) {
                        continue;
                    }
                }
            }
            return self.update_in_the_way(&key, row, update, touched, statement, cx);
        }
    }

    /// The first arbiter that has a row in the way, and the row's key.
    fn in_the_way(
        &self,
        row: &[Value],
        conflict: &OnConflict,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Option<(Oid, RowKey)>> {
        for arbiter in &conflict.arbiters {
            let transaction = cx.transaction_mut()?;
            let found = self
                .table
                .find_conflict(transaction, row, *arbiter, statement)?;
            if let Some(key) = found {
                return Ok(Some((*arbiter, key)));
            }
        }
        Ok(None)
    }

    /// `DO UPDATE` of a row that is locked.
    fn update_in_the_way(
        &self,
        key: &[u8],
        excluded: Vec<Value>,
        update: &ConflictUpdate,
        touched: &mut Touched,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<Value>>> {
        if touched.contains(key) || cx.has_written(&self.table, key)? {
            let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
            return Err(Error::new(SqlState::CARDINALITY_VIOLATION, message).with_hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            ));
        }
        let mut row = Vec::with_capacity(2 * excluded.len());
        let is_there = self
            .table
            .get_newest(cx.transaction()?, key, &Projection::All, &mut row)?;
        if !is_there {
            return Err(Error::internal("a row that is locked is gone"));
        }
        let places = row.len();
        row.extend(excluded);
        let mut new = row.clone();
        let is_meant = cx.before_writes(|cx| {
            let is_meant = all_true(&update.conditions, &row[..], cx)?;
            if is_meant {
                assign(&update.assignments, &row, &mut new, 0, cx)?;
            }
            Ok(is_meant)
        })?;
        if !is_meant {
            return Ok(None);
        }
        new.truncate(places);
        row.truncate(places);
        let transaction = cx.transaction_mut()?;
        let key = self
            .table
            .update_locked(transaction, key, &row, &new, statement)?;
        self.check_views(&new, 0, statement, cx)?;
        touched.insert((&*key).into());
        Ok(Some(new))
    }
}
