//! A hash join whose table does not fit into memory.
//!
//! ```text
//! right side ─▶ shares by the hash of the key ─┐
//! left side  ─▶ the same shares ───────────────┴─▶ one share after the other is joined
//! ```
//!
//! A share whose right side is still too large is shared out again with another hash. If that does
//! not help, because one key has too many rows, its right side is taken in parts, and its left side
//! is read once for each; of the left rows one bit is kept that says whether they had a partner.
//!
//! Where something above relies on the order of the left side, left rows are numbered, and what
//! comes out is sorted by their numbers: then rows come in the order that they have without a
//! limit. Else they come share by share.
//!
//! Rows whose key is NULL have no partner: of the right side they are given out at once, or not at
//! all; of the left side they are in the first share.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use rustdb_types::Value;

use super::Operator;
use super::batch::{Batch, Pair};
use super::context::Context;
use super::evaluate::all_true;
use super::hash_join::{HashJoin, key};
use super::join::width;
use super::join_table::{JoinKey, Keys, NONE, Table};
use super::sort::Key;
use super::spill::{
    Aside, Charge, RowReader, SHARE_DEPTH_MAX, Shares, Sorted, Sorter, Spent, Stream, share_count,
    share_of,
};
use crate::error::Result;
use crate::plan::JoinKind;

/// The right side as far as it was read when there was no more memory.
pub(super) struct Begun {
    pub(super) rows: Batch,
    pub(super) keys: Keys,
    pub(super) rest: Box<dyn Operator>,
    pub(super) charge: Charge,
}

impl Debug for Begun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.rows.rows();
        f.debug_struct("Begun").field("rows", &rows).finish()
    }
}

/// A join that runs share by share.
pub(super) struct SpilledJoin {
    node: Arc<HashJoin>,
    charge: Charge,
    /// Shares that are still to be joined, the next one last.
    todo: Vec<Share>,
    part: Option<Part>,
    /// Rows of the right side that have no partner.
    alone: Option<RowReader>,
    /// Rows in the order of the left side, once there are all of them.
    sorted: Option<Sorted>,
    is_sorted: bool,
    batches: usize,
    disk_bytes: u64,
}

/// Rows of both sides whose keys have the same hash.
struct Share {
    right: (Aside, Stream),
    left: (Aside, Stream),
    depth: usize,
    /// Whether sharing it out has had an effect so far.
    can_shrink: bool,
}

/// A part of a share's right side, in memory, and the left side that passes by.
struct Part {
    table: Table,
    /// The right rows of this part that had a partner.
    right_matched: Vec<bool>,
    left: RowReader,
    probed: Vec<Value>,
    /// How many left rows were read, and where the next partner of the last one is.
    row: usize,
    at: u32,
    is_matched: bool,
    /// The left rows that had a partner in an earlier part, or this one.
    matched: Vec<u64>,
    /// What comes after this part.
    rest: Option<(RowReader, (Aside, Stream))>,
    /// How many rows of the right have been looked at that had no partner.
    unmatched: usize,
}

impl SpilledJoin {
    /// Shares out both sides.
    pub(super) fn new(
        node: &Arc<HashJoin>,
        begun: Begun,
        left: &mut dyn Operator,
        cx: &mut Context<'_>,
    ) -> Result<SpilledJoin> {
        let mut charge = begun.charge;
        let pool = charge.pool().clone();
        let count = share_count(&pool);
        let aside = Shares::file(count, &pool, cx)?;
        let mut right = Shares::new(count, &aside);
        let mut alone = aside.writer();
        let keeps_alone = matches!(node.kind, JoinKind::Right | JoinKind::Full);
        let mut put = |batch: &Batch, row: usize, key: Option<&[Value]>| match key {
            Some(key) => right.push_row(share_of(key, 0, count), &[], batch, row),
            None if keeps_alone => alone.push_row(&[], batch, row),
            None => Ok(()),
        };
        let mut scratch = Vec::new();
        for row in 0..begun.keys.rows() {
            if row % 1024 == 0 {
                cx.check_cancelled()?;
            }
            let has_key = begun.keys.values_of(row, &mut scratch);
            put(&begun.rows, row, has_key.then_some(&scratch[..]))?;
        }
        drop((begun.rows, begun.keys));
        charge.set(count * aside.buffer_bytes());
        let mut rest = begun.rest;
        while let Some(batch) = rest.next(cx)? {
            cx.check_cancelled()?;
            for row in 0..batch.rows() {
                let found = key(&node.right_keys, &batch.row(row), &mut scratch, cx)?;
                put(&batch, row, found.then_some(&scratch[..]))?;
            }
        }
        drop(rest);
        let alone = alone.finish()?;
        let (aside, right) = right.finish()?;
        let left = shared_left(node, left, &right, &aside, cx)?;
        let todo = right
            .into_iter()
            .zip(left)
            .rev()
            .map(|(right, left)| Share {
                right: (aside.clone(), right),
                left: (aside.clone(), left),
                depth: 1,
                can_shrink: true,
            });
        charge.set(0);
        Ok(SpilledJoin {
            node: node.clone(),
            charge,
            todo: todo.collect(),
            part: None,
            alone: (!alone.is_empty()).then(|| aside.reader(alone, node.right_width)),
            sorted: None,
            is_sorted: node.keeps_order,
            batches: count,
            disk_bytes: aside.bytes(),
        })
    }

    /// The next rows.
    pub(super) fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if !self.is_sorted {
            return self.unsorted(cx);
        }
        let sorted = match &mut self.sorted {
            Some(sorted) => sorted,
            None => {
                let sorted = self.sort(cx)?;
                self.sorted.insert(sorted)
            }
        };
        let mut batch = Batch::new(self.node.width());
        while !batch.is_full()
            && let Some(row) = sorted.next(cx)?
        {
            batch.push(row.into_iter().skip(1));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// All rows by the number of the left row that they are of.
    fn sort(&mut self, cx: &mut Context<'_>) -> Result<Sorted> {
        let by_number = Key {
            place: 0,
            descending: false,
            nulls_first: false,
            padded: false,
        };
        let width = 1 + self.node.width();
        let charge = self.charge.pool().charge();
        let mut sorter = Sorter::new(vec![by_number], width, charge);
        while let Some(batch) = self.unsorted(cx)? {
            let rows = (0..batch.rows()).map(|row| batch.take_row(row));
            sorter.extend(rows, batch.bytes(), cx)?;
        }
        sorter.finish(cx)
    }

    /// The next rows, with the numbers of left rows if they have some.
    fn unsorted(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        loop {
            cx.check_cancelled()?;
            if let Some(part) = &mut self.part {
                let batch = part.joined(&self.node, cx)?;
                if !batch.is_empty() {
                    return Ok(Some(batch));
                }
                if let Some(part) = self.part.take() {
                    self.part = self.after(part, cx)?;
                }
                continue;
            }
            if let Some(alone) = &mut self.alone {
                match alone.next_batch(cx)? {
                    Some(batch) => return Ok(Some(self.node.without_left(&batch))),
                    None => self.alone = None,
                }
                continue;
            }
            match self.todo.pop() {
                Some(share) => self.part = self.begin(share, cx)?,
                None => return Ok(None),
            }
        }
    }

    fn begin(&mut self, share: Share, cx: &mut Context<'_>) -> Result<Option<Part>> {
        let all = share.right.1.memory_bytes();
        let is_large = all > self.charge.pool().share();
        if is_large && share.can_shrink && share.depth < SHARE_DEPTH_MAX {
            self.share_out(share, cx)?;
            return Ok(None);
        }
        let right = share.right.0.reader(share.right.1, self.node.right_width);
        self.next_part(right, share.left, Vec::new(), cx)
    }

    /// Shares out a share.
    fn share_out(&mut self, share: Share, cx: &mut Context<'_>) -> Result<()> {
        let (node, pool) = (self.node.clone(), self.charge.pool().clone());
        let count = share_count(&pool);
        let file = Shares::file(count, &pool, cx)?;
        self.charge.set(count * file.buffer_bytes());
        let all = share.right.1.rows();
        let mut sides = Vec::with_capacity(2);
        let mut scratch = Vec::new();
        for ((aside, stream), is_left) in [(share.right, false), (share.left, true)] {
            let (width, keys, skip) = match is_left {
                true => (node.probe_width(), &node.left_keys, node.numbers()),
                false => (node.right_width, &node.right_keys, 0),
            };
            let mut shares = Shares::new(count, &file);
            let mut reader = aside.reader(stream, width);
            let mut row = Vec::new();
            while reader.next_into(&mut row, cx)? {
                let found = key(keys, &row[skip..], &mut scratch, cx)?;
                let to = if found {
                    share_of(&scratch, share.depth, count)
                } else {
                    0
                };
                shares.push(to, &row)?;
            }
            sides.push(shares.finish()?.1);
        }
        self.batches += count - 1;
        self.disk_bytes += file.bytes();
        let (left, right) = (sides.pop(), sides.pop());
        let pairs = right.into_iter().flatten().zip(left.into_iter().flatten());
        let shares: Vec<Share> = pairs
            .map(|(right, left)| Share {
                // One key of many rows stays in one share, whatever the hash.
                can_shrink: right.rows() < all - all / 8,
                right: (file.clone(), right),
                left: (file.clone(), left),
                depth: share.depth + 1,
            })
            .collect();
        self.todo.extend(shares.into_iter().rev());
        self.charge.set(0);
        Ok(())
    }

    /// As many rows of the right side as fit, or are left.
    fn next_part(
        &mut self,
        mut right: RowReader,
        left: (Aside, Stream),
        matched: Vec<u64>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Part>> {
        if left.1.is_empty() && !matches!(self.node.kind, JoinKind::Right | JoinKind::Full) {
            return Ok(None);
        }
        let mut rows = Batch::new(self.node.right_width);
        let mut keys = Keys::new(self.node.right_keys.len());
        let mut has_more = false;
        while let Some(batch) = right.next_batch(cx)? {
            keys.append(&self.node.right_keys, &batch, cx)?;
            self.charge
                .add(batch.bytes() + batch.rows() * keys.row_bytes());
            rows.append(batch);
            if self.charge.is_over() {
                has_more = true;
                break;
            }
        }
        let reader = left.0.reader(left.1.clone(), self.node.probe_width());
        Ok(Some(Part {
            right_matched: vec![false; rows.rows()],
            table: Table::new(rows, keys)?,
            left: reader,
            probed: Vec::new(),
            row: 0,
            at: NONE,
            is_matched: false,
            matched,
            rest: has_more.then_some((right, left)),
            unmatched: 0,
        }))
    }

    /// What follows a part.
    fn after(&mut self, part: Part, cx: &mut Context<'_>) -> Result<Option<Part>> {
        let Part {
            table,
            rest,
            matched,
            ..
        } = part;
        drop(table);
        self.charge.set(0);
        match rest {
            None => Ok(None),
            // NB: behind the last row there may be an empty part; it is the last one, and gives out
            // left rows without a partner.
            Some((right, left)) => {
                self.charge.add(matched.len() * size_of::<u64>());
                self.next_part(right, left, matched, cx)
            }
        }
    }

    /// What it has spent.
    pub(super) fn spent(&self) -> Spent {
        Spent::Join {
            batches: self.batches,
            memory_bytes: self.charge.peak(),
            disk_bytes: self.disk_bytes,
        }
    }
}

/// Puts the left rows into the shares, numbered if their order counts.
fn shared_left(
    node: &HashJoin,
    left: &mut dyn Operator,
    right: &[Stream],
    aside: &Aside,
    cx: &mut Context<'_>,
) -> Result<Vec<Stream>> {
    let count = right.len();
    let mut shares = Shares::new(count, aside);
    let mut scratch = Vec::new();
    let mut number = 0_i64;
    let needs_partner = matches!(
        node.kind,
        JoinKind::Inner | JoinKind::Semi | JoinKind::Right
    );
    while let Some(batch) = left.next(cx)? {
        cx.check_cancelled()?;
        for row in 0..batch.rows() {
            let found = key(&node.left_keys, &batch.row(row), &mut scratch, cx)?;
            number += 1;
            let share = if found {
                share_of(&scratch, 0, count)
            } else {
                0
            };
            if needs_partner && (!found || right[share].is_empty()) {
                continue;
            }
            let before = [Value::Int8(number)];
            shares.push_row(share, &before[..node.numbers()], &batch, row)?;
        }
    }
    Ok(shares.finish()?.1)
}

impl HashJoin {
    /// How many columns come out.
    fn width(&self) -> usize {
        width(self.kind, self.left_width, self.right_width)
    }

    /// How many values are before a left row.
    fn numbers(&self) -> usize {
        usize::from(self.keeps_order)
    }

    fn probe_width(&self) -> usize {
        self.left_width + self.numbers()
    }

    /// Rows of the right side with NULL for the left's columns.
    fn without_left(&self, batch: &Batch) -> Batch {
        let rows = batch.rows();
        let nulls = (0..self.probe_width()).map(|_| vec![Value::Null; rows].into());
        Batch::of(nulls.chain(batch.clone().into_columns()).collect(), rows)
    }
}

impl Part {
    /// Some of the rows; none if there are no more.
    fn joined(&mut self, node: &HashJoin, cx: &mut Context<'_>) -> Result<Batch> {
        let mut out = Batch::new(node.numbers() + node.width());
        let mut scratch = Vec::new();
        while !out.is_full() {
            if self.at == NONE {
                if !self.left.next_into(&mut self.probed, cx)? {
                    break;
                }
                self.row += 1;
                let left = &self.probed[node.numbers()..];
                self.is_matched = false;
                if key(&node.left_keys, left, &mut scratch, cx)? {
                    self.at = self.table.first_of(JoinKey::Values(&scratch));
                }
            }
            self.pair(node, &mut out, cx)?;
        }
        if matches!(node.kind, JoinKind::Right | JoinKind::Full) {
            self.without_partner(node, &mut out);
        }
        Ok(out)
    }

    /// The partners of the left row at hand, as far as there is room for them.
    fn pair(&mut self, node: &HashJoin, out: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        let was_matched = self.is_marked();
        let ends_at_first = matches!(node.kind, JoinKind::Semi | JoinKind::Anti);
        if ends_at_first && was_matched {
            self.at = NONE;
            return Ok(());
        }
        let left = &self.probed[node.numbers()..];
        while self.at != NONE && !out.is_full() {
            let right = self.at as usize;
            self.at = self.table.after(right);
            let pair = Pair {
                left,
                width: node.left_width,
                right: &self.table.rows.row(right),
            };
            if !node.rest.is_empty() && !all_true(&node.rest, &pair, cx)? {
                continue;
            }
            self.is_matched = true;
            self.right_matched[right] = true;
            if ends_at_first {
                self.at = NONE;
            } else {
                let partner = self.table.rows.take_row(right);
                out.push(self.probed.iter().cloned().chain(partner));
            }
        }
        if self.at != NONE {
            return Ok(());
        }
        let is_last = self.rest.is_none();
        match (node.kind, self.is_matched) {
            (JoinKind::Semi, true) => out.push(self.probed.iter().cloned()),
            (JoinKind::Anti, false) if is_last => out.push(self.probed.iter().cloned()),
            (JoinKind::Left | JoinKind::Full, false) if is_last && !was_matched => {
                let nulls = std::iter::repeat_n(Value::Null, node.right_width);
                out.push(self.probed.iter().cloned().chain(nulls));
            }
            _ => (),
        }
        if self.is_matched && !is_last {
            self.mark();
        }
        Ok(())
    }

    /// Whether the left row at hand had a partner in an earlier part.
    fn is_marked(&self) -> bool {
        let bits = self.matched.get(self.row / 64);
        bits.is_some_and(|bits| bits & (1 << (self.row % 64)) != 0)
    }

    fn mark(&mut self) {
        let word = self.row / 64;
        if self.matched.len() <= word {
            self.matched.resize(word + 1, 0);
        }
        self.matched[word] |= 1 << (self.row % 64);
    }

    /// Rows of the right side that had no partner, once the left side is through.
    fn without_partner(&mut self, node: &HashJoin, out: &mut Batch) {
        while !out.is_full() && self.unmatched < self.table.rows.rows() {
            let row = self.unmatched;
            self.unmatched += 1;
            if !self.right_matched[row] {
                let nulls = std::iter::repeat_n(Value::Null, node.probe_width());
                out.push(nulls.chain(self.table.rows.take_row(row)));
            }
        }
    }
}
