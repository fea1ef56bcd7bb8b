//! Writing one row in a transaction: the one from values, or the one under a key.
//!
//! It does what the loops of [`super::write`] do, without what they need for many rows.
//!
//! # Patches
//!
//! An UPDATE that sets columns of fixed width, in a table without CHECK constraints, and nothing that
//! an index or a key has to do with, reads the columns that its expressions ask for, and puts the
//! new values among the stored bytes. What becomes NULL, or is older than one of the columns, is read as
//! a whole and made anew. A DELETE reads what its conditions and the entries of indexes ask for.

use std::sync::Arc;

use rustdb_table::{Locked, RowKey, Statement, Table};
use rustdb_types::Value;

use super::context::Context;
use super::evaluate::{all_true, evaluate};
use super::point::{OneRow, Point, are_brief, are_plain};
use super::scan::check_seen;
use super::upsert::Touched;
use super::write::{Kind, WriteNode, Written};
use crate::bind::Assignment;
use crate::error::Result;
use crate::expr::Expr;

/// How new bytes are made of stored ones.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    /// The columns that are asked for, by their places in the table.
    reads: Vec<usize>,
    /// The columns that are set.
    sets: Vec<(usize, Expr)>,
}

impl Patch {
    /// The patch that assignments are, if they are one. Their rows have the table's columns from
    /// `first` on; `conditions` are evaluated over the same rows.
    pub(super) fn of(
        table: &Table,
        assignments: &[Assignment],
        conditions: &[Expr],
        first: usize,
    ) -> Option<Patch> {
        let layout = table.layout();
        let is_set = |place| assignments.iter().any(|each| each.places.contains(&place));
        let values = assignments.iter().map(|each| &each.value);
        let is_one = table.is_unchecked()
            && table.is_only_row(is_set)
            && are_plain(values.clone().chain(conditions));
        if !is_one {
            return None;
        }
        let sets = assignments.iter().map(|each| match &each.places[..] {
            [place] if !each.generated && layout.is_fixed(*place) => {
                Some((*place, each.value.clone()))
            }
            _ => None,
        });
        let sets = sets.collect::<Option<_>>()?;
        let reads = reads(table, values.chain(conditions), first)?;
        Some(Patch { reads, sets })
    }

    /// What a deletion reads of a row, if it need not be all of it. The row's columns come behind its
    /// key; `conditions` are evaluated over both.
    pub(super) fn of_delete(table: &Table, conditions: &[Expr]) -> Option<Patch> {
        let mut all = table.places_of_entries()?;
        all.extend(reads(table, conditions.iter(), 1)?);
        all.sort_unstable();
        all.dedup();
        Some(Patch {
            reads: all,
            sets: Vec::new(),
        })
    }

    /// Reads what is asked for; `row` begins with the table's columns.
    pub(super) fn read(&self, table: &Table, stored: &[u8], row: &mut [Value]) -> Result<()> {
        Ok(table.decode_places(stored, &self.reads, row)?)
    }

    /// Puts the new row into `out`, which is cleared. `false` if that takes all of the row.
    pub(super) fn write(
        &self,
        table: &Table,
        stored: &[u8],
        row: &[Value],
        out: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        out.clear();
        out.extend_from_slice(stored);
        for (place, value) in &self.sets {
            let value = evaluate(value, row, cx)?;
            if !table.layout().replace_fixed(out, *place, &value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The columns of a table that expressions ask for, over rows that have them from `first` on; `None` if
/// they ask for what is before.
fn reads<'e>(
    table: &Table,
    exprs: impl Iterator<Item = &'e Expr>,
    first: usize,
) -> Option<Vec<usize>> {
    let columns = table.layout().len();
    let (mut reads, mut is_of_row) = (Vec::new(), true);
    for expr in exprs {
        expr.walk(&mut |part| {
            if let Expr::Input(place) = part {
                match place.checked_sub(first) {
                    Some(place) if place < columns => reads.push(place),
                    // What comes after the columns is the caller's.
                    Some(_) => (),
                    None => is_of_row = false,
                }
            }
        });
    }
    reads.sort_unstable();
    reads.dedup();
    is_of_row.then_some(reads)
}

impl WriteNode {
    /// How the row under a key, or the one in the way of another, is patched, if that is all that
    /// happens to it.
    pub(super) fn patch(&self) -> Option<Patch> {
        if self.returning.is_some() || !self.checks.is_empty() {
            return None;
        }
        match (&self.kind, &self.one_row) {
            (Kind::Update { assignments, .. }, Some(OneRow::Point(point, true)))
                if point.is_whole() =>
            {
                Patch::of(&self.table, assignments, &point.conditions, 1)
            }
            (Kind::Delete { .. }, Some(OneRow::Point(point, true))) if point.is_whole() => {
                Patch::of_delete(&self.table, &point.conditions)
            }
            (Kind::Insert(Some(conflict)), Some(OneRow::Values(_))) => {
                let update = conflict.update.as_ref()?;
                Patch::of(&self.table, &update.assignments, &update.conditions, 0)
            }
            _ => None,
        }
    }

    /// See [`WriteNode::is_brief`].
    pub(super) fn can_be_brief(&self) -> bool {
        let change = self.kind.change();
        let beside = self.returning.iter().flatten().chain(change.recheck);
        if !self.checks.is_empty() || !are_brief(beside) {
            return false;
        }
        let table = &self.table;
        match (&self.kind, &self.one_row) {
            (Kind::Insert(None), Some(OneRow::Values(stages))) => {
                are_brief(stages.iter().flatten()) && table.locks_only_row()
            }
            (Kind::Update { assignments, .. }, Some(OneRow::Point(point, _))) => {
                let is_set = |place| assignments.iter().any(|each| each.places.contains(&place));
                point.is_brief()
                    && are_brief(assignments.iter().map(|each| &each.value))
                    && table.is_unchecked()
                    && table.is_only_row(is_set)
            }
            (Kind::Delete { .. }, Some(OneRow::Point(point, _))) => {
                point.is_brief() && table.places_of_entries().is_some() && table.locks_only_row()
            }
            _ => false,
        }
    }

    /// Writes the one row that there is. The statement may see what it writes itself.
    pub(super) fn run_one(
        &self,
        one_row: &OneRow,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        cx.check_cancelled()?;
        if let (OneRow::Point(point, _), Some(patch)) = (one_row, &self.patch) {
            self.patch_row(point, patch, statement, &mut written, cx)?;
            return Ok(written);
        }
        match &self.kind {
            Kind::Insert(None) => {
                let mut row = statement.take_values();
                if one_row.append(&mut row, cx)? {
                    self.insert_row(&row, statement, &mut written, cx)?;
                }
                statement.keep_values(row);
            }
            Kind::Insert(Some(conflict)) => {
                let touched = &mut Touched::new();
                if let Some(row) = one_row.run(cx)?
                    && let Some(row) = self.upsert_row(row, conflict, touched, statement, cx)?
                {
                    self.give(&row, &mut written, cx)?;
                }
            }
            Kind::Update { .. } | Kind::Delete { .. } => {
                if let Some(row) = one_row.run(cx)? {
                    let change = self.kind.change();
                    self.lock_and_change(row, change, statement, &mut written, cx)?;
                }
            }
        }
        Ok(written)
    }

    /// Updates the row under a key, by a patch if there is nothing in the way, or deletes it.
    fn patch_row(
        &self,
        point: &Point,
        patch: &Patch,
        statement: &mut Statement,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let table = &*self.table;
        check_seen(table, cx)?;
        let Some(key) = point.row_key(cx)? else {
            return Ok(());
        };
        let Some(stored) = table.get_stored(cx.transaction()?, &key)? else {
            return Ok(());
        };
        let mut row = statement.take_values();
        row.resize_with(1 + table.layout().len(), || Value::Null);
        let stored = (&*key, &*stored);
        let patched =
            self.patch_stored(patch, &point.conditions, stored, &mut row, statement, cx)?;
        statement.keep_values(row);
        written.count = patched.0;
        Ok(())
    }

    /// Room for the key of a row and its columns.
    pub(super) fn blank_row(&self) -> Vec<Value> {
        let columns = 1 + self.table.layout().len();
        let mut row = Vec::with_capacity(columns);
        row.resize_with(columns, || Value::Null);
        row
    }

    /// Updates or deletes the row with a key and these stored bytes, if the conditions hold. `row` is
    /// room for values. Returns how many rows were written, and the key that the row has now if
    /// somebody else has given it another.
    pub(super) fn patch_stored(
        &self,
        patch: &Patch,
        conditions: &[Expr],
        (key, stored): (&[u8], &[u8]),
        row: &mut Vec<Value>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<(u64, Option<RowKey>)> {
        let table = &*self.table;
        patch.read(table, stored, &mut row[1..])?;
        if !all_true(conditions, &row[..], cx)? {
            return Ok((0, None));
        }
        let change = self.kind.change();
        let (wait, mode) = (cx.wait, change.lock());
        let (locked, moved) = table.lock_following(cx.transaction_mut()?, key, mode, wait)?;
        if locked == Locked::Unchanged && moved.is_none() {
            if change.assignments.is_none() {
                table.delete_locked(cx.transaction_mut()?, key, &row[1..], statement)?;
                return Ok((1, None));
            }
            let room = statement.row_room();
            if patch.write(table, stored, row, room, cx)? {
                table.replace_stored(cx.transaction_mut()?, key, room)?;
                return Ok((1, None));
            }
        }
        row[0] = Value::Bytea(Arc::from(moved.as_deref().unwrap_or(key)));
        table.decode_row(stored, &mut row[1..])?;
        let row = std::mem::replace(row, self.blank_row());
        let mut written = Written::default();
        self.change_locked(locked, row, change, statement, &mut written, cx)?;
        Ok((written.count, moved))
    }
}
