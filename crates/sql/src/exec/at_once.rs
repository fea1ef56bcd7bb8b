//! UPDATE of one row by its key, and INSERT ... ON CONFLICT DO UPDATE of one, without a transaction.
//!
//! See [`Table::replace_committed`](rustdb_table::Table::replace_committed): what is written must be
//! the row and nothing else. The expressions ask for nothing that a transaction has, and may be
//! evaluated again. Whatever is not plain sailing, an error included, is left to the other way, which
//! does it all again: a row that is to be inserted, a row that somebody has locked, a NULL where none
//! may be.

use rustdb_table::Replaced;
use rustdb_txn::{Durability, TransactionManager};
use rustdb_types::Value;

use super::context::Context;
use super::evaluate::all_true;
use super::point::{OneRow, Point, are_plain};
use super::write::{Kind, WriteNode, assign};
use crate::bind::{Assignment, ConflictUpdate};
use crate::error::{Error, Result};

/// Room for the keys of most rows.
const KEY_BYTES: usize = 32;

impl WriteNode {
    /// Whether it can be run in this way.
    pub(super) fn can_run_at_once(&self) -> bool {
        self.returning.is_none()
            && self.checks.is_empty()
            && match (&self.kind, &self.one_row) {
                (Kind::Update { assignments, .. }, Some(OneRow::Point(_, true))) => {
                    self.assigns_plainly(assignments)
                }
                (Kind::Insert(Some(conflict)), Some(OneRow::Values(stages))) => {
                    let update = conflict.update.as_ref();
                    let is_own = |arbiter: &_| self.table.is_sorted_by(*arbiter);
                    conflict.arbiters.len() == 1
                        && conflict.arbiters.iter().all(is_own)
                        && are_plain(stages.iter().flatten())
                        && update.is_some_and(|update| {
                            are_plain(update.conditions.iter())
                                && self.assigns_plainly(&update.assignments)
                        })
                }
                _ => false,
            }
    }

    /// Whether new values are plain, and of columns that nothing but the row has.
    fn assigns_plainly(&self, assignments: &[Assignment]) -> bool {
        let is_changed = |place| assignments.iter().any(|each| each.places.contains(&place));
        are_plain(assignments.iter().map(|each| &each.value))
            && !assignments.iter().any(|each| each.generated)
            && self.table.is_only_row(is_changed)
    }

    /// How many rows were written; `None` if it takes a transaction. The table is locked.
    pub(crate) fn run_at_once(
        &self,
        manager: &TransactionManager,
        durability: Durability,
        cx: &mut Context<'_>,
    ) -> Result<Option<u64>> {
        let replaced = match (&self.kind, &self.one_row) {
            (Kind::Update { assignments, .. }, Some(OneRow::Point(point, _))) => {
                self.update_at_once(point, assignments, manager, durability, cx)?
            }
            (Kind::Insert(Some(conflict)), Some(one_row)) => match &conflict.update {
                Some(update) => self.upsert_at_once(one_row, update, manager, durability, cx)?,
                None => None,
            },
            _ => None,
        };
        let is_insert = matches!(self.kind, Kind::Insert(_));
        Ok(match replaced {
            Some(Replaced::Written) => Some(1),
            Some(Replaced::Kept) => Some(0),
            Some(Replaced::Absent) if !is_insert => Some(0),
            Some(Replaced::Absent | Replaced::GivenUp) | None => None,
        })
    }

    fn update_at_once(
        &self,
        point: &Point,
        assignments: &[Assignment],
        manager: &TransactionManager,
        durability: Durability,
        cx: &mut Context<'_>,
    ) -> Result<Option<Replaced>> {
        let Ok(Some(key)) = point.row_key(cx) else {
            return Ok(None);
        };
        let (table, settings) = (&self.table, cx.settings);
        let places = table.layout().len();
        let mut row = Vec::with_capacity(1 + places);
        row.resize_with(1 + places, || Value::Null);
        let replaced = table.replace_committed(manager, &key, durability, |stored, bytes| {
            if let Some(patch) = &self.patch {
                patch.read(table, stored, &mut row[1..])?;
                if !all_true(&point.conditions, &row[..], cx)? {
                    return Ok(false);
                }
                if patch.write(table, stored, &row, bytes, cx)? {
                    return Ok(true);
                }
                bytes.clear();
            }
            let row = point.row_at(&key, cx, |_, _, row| {
                table.decode(stored, &point.projection, row)?;
                Ok(true)
            })?;
            let Some(row) = row else { return Ok(false) };
            let mut new = row[1..=places].to_vec();
            assign(assignments, &row, &mut new, 0, cx)?;
            table.encode_sound(&new, settings, bytes)?;
            Ok::<_, Error>(true)
        })?;
        Ok(Some(replaced))
    }

    fn upsert_at_once(
        &self,
        one_row: &OneRow,
        update: &ConflictUpdate,
        manager: &TransactionManager,
        durability: Durability,
        cx: &mut Context<'_>,
    ) -> Result<Option<Replaced>> {
        let (table, settings) = (&self.table, cx.settings);
        let places = table.layout().len();
        // The row that is there, and behind it the one that is not.
        let mut row = Vec::with_capacity(2 * places);
        row.resize_with(places, || Value::Null);
        let Ok(true) = one_row.append(&mut row, cx) else {
            return Ok(None);
        };
        let mut key = Vec::with_capacity(KEY_BYTES);
        if !table.key_of_sound(&row[places..], settings, &mut key)? {
            return Ok(None);
        }
        let replaced = table.replace_committed(manager, &key, durability, |stored, bytes| {
            if let Some(patch) = &self.patch {
                patch.read(table, stored, &mut row[..places])?;
                if !all_true(&update.conditions, &row[..], cx)? {
                    return Ok(false);
                }
                if patch.write(table, stored, &row, bytes, cx)? {
                    return Ok(true);
                }
                bytes.clear();
            }
            table.decode_row(stored, &mut row[..places])?;
            if !all_true(&update.conditions, &row[..], cx)? {
                return Ok(false);
            }
            let mut new = row[..places].to_vec();
            assign(&update.assignments, &row, &mut new, 0, cx)?;
            table.encode_sound(&new, settings, bytes)?;
            Ok::<_, Error>(true)
        })?;
        Ok(Some(replaced))
    }
}
