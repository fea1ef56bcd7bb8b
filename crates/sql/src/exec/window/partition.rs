//! The rows of a partition, by their numbers.
//!
//! As long as there is memory they are in it. Once there is no more they go to a file in blocks, and
//! a few blocks are at hand: functions go through a partition from its beginning to its end, with
//! some rows before and behind the one that they are at.

use std::ops::Range;

use rustdb_types::Value;

use crate::error::{Error, Result};
use crate::exec::context::Context;
use crate::exec::sort::{Key, compare};
use crate::exec::spill::{Aside, Charge, row_bytes};
use rustdb_txn::SpillPlace;

/// So many blocks are at hand.
const BLOCKS_AT_HAND: usize = 8;

/// The rows of a partition, each with what it is sorted by behind its columns.
pub(super) struct Partition {
    rows: Rows,
    len: usize,
    /// Where groups of peers begin, and at the end the number of rows.
    groups: Vec<usize>,
    /// The group that was asked for last.
    group: usize,
    charge: Charge,
}

enum Rows {
    Memory(Vec<Vec<Value>>),
    Aside(Blocks),
}

/// Rows in a file.
struct Blocks {
    aside: Aside,
    /// For each block where it is, and its first row.
    places: Vec<(SpillPlace, usize)>,
    /// Blocks that were read lately, the latest last.
    at_hand: Vec<(usize, Vec<Vec<Value>>)>,
    /// The block that is being written, and its first row.
    packed: Vec<u8>,
    first: usize,
    /// The row that was added last.
    last: Vec<Value>,
    width: usize,
}

impl Partition {
    /// No rows yet.
    pub(super) fn new(charge: Charge) -> Partition {
        Partition {
            rows: Rows::Memory(Vec::new()),
            len: 0,
            groups: Vec::new(),
            group: 0,
            charge,
        }
    }

    /// Rows that somebody else holds the memory of.
    pub(super) fn in_memory(rows: Vec<Vec<Value>>, order: &[Key], charge: Charge) -> Partition {
        let mut groups = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if index == 0 || compare(order, &rows[index - 1], row).is_ne() {
                groups.push(index);
            }
        }
        groups.push(rows.len());
        Partition {
            len: rows.len(),
            rows: Rows::Memory(rows),
            groups,
            group: 0,
            charge,
        }
    }

    /// Adds a row; all of them have to be added before one is asked for.
    pub(super) fn push(
        &mut self,
        row: Vec<Value>,
        order: &[Key],
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let is_peer = match &self.rows {
            Rows::Memory(rows) => rows.last(),
            Rows::Aside(blocks) => Some(&blocks.last),
        };
        if !is_peer.is_some_and(|last| compare(order, last, &row).is_eq()) {
            self.groups.push(self.len);
            self.charge.hold(size_of::<usize>())?;
        }
        self.len += 1;
        match &mut self.rows {
            Rows::Memory(rows) => {
                self.charge.add(row_bytes(&row));
                rows.push(row);
                match self.charge.is_over() {
                    true => self.put_aside(cx),
                    false => self.charge.check(),
                }
            }
            Rows::Aside(blocks) => blocks.push(row, self.len),
        }
    }

    /// No more rows come.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.groups.push(self.len);
        match &mut self.rows {
            Rows::Memory(_) => Ok(()),
            Rows::Aside(blocks) => blocks.flush(self.len),
        }
    }

    fn put_aside(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Rows::Memory(rows) = &mut self.rows else {
            return Ok(());
        };
        let rows = std::mem::take(rows);
        let mut blocks = Blocks {
            aside: Aside::new(BLOCKS_AT_HAND, cx.pool().share() / 4, cx)?,
            places: Vec::new(),
            at_hand: Vec::new(),
            packed: Vec::new(),
            first: 0,
            last: Vec::new(),
            width: rows.first().map_or(0, Vec::len),
        };
        let buffers = BLOCKS_AT_HAND * blocks.aside.buffer_bytes();
        for (index, row) in rows.into_iter().enumerate() {
            if index % 1024 == 0 {
                cx.check_cancelled()?;
            }
            blocks.push(row, index + 1)?;
        }
        self.charge
            .set(buffers + self.groups.len() * size_of::<usize>());
        self.rows = Rows::Aside(blocks);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the rows are in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.rows, Rows::Memory(_))
    }

    /// The rows, if they are in memory, and what is held for them.
    pub(super) fn into_rows(self) -> (Vec<Vec<Value>>, Charge) {
        match self.rows {
            Rows::Memory(rows) => (rows, self.charge),
            Rows::Aside(_) => (Vec::new(), self.charge),
        }
    }

    /// A row.
    pub(super) fn row(&mut self, index: usize, cx: &Context<'_>) -> Result<&[Value]> {
        match &mut self.rows {
            Rows::Memory(rows) => Ok(&rows[index]),
            Rows::Aside(blocks) => blocks.row(index, self.len, cx),
        }
    }

    /// The number of a row's group of peers.
    pub(super) fn group_of(&mut self, index: usize) -> usize {
        let is_in = |group: usize| {
            let end = self.groups.get(group + 1);
            self.groups[group] <= index && end.is_some_and(|end| index < *end)
        };
        if !is_in(self.group) {
            // Most often it is the next one.
            self.group = match self.group + 2 < self.groups.len() && is_in(self.group + 1) {
                true => self.group + 1,
                false => self.groups.partition_point(|first| *first <= index) - 1,
            };
        }
        self.group
    }

    /// The peers of a row, itself among them.
    pub(super) fn peers(&mut self, index: usize) -> Range<usize> {
        let group = self.group_of(index);
        self.group_rows(group)
    }

    /// How many groups of peers there are.
    pub(super) fn groups(&self) -> usize {
        self.groups.len() - 1
    }

    /// The rows of a group.
    pub(super) fn group_rows(&self, group: usize) -> Range<usize> {
        self.groups[group]..self.groups[group + 1]
    }
}

impl Blocks {
    /// Adds the row that makes `count` of them.
    fn push(&mut self, row: Vec<Value>, count: usize) -> Result<()> {
        row.iter().for_each(|value| value.pack(&mut self.packed));
        self.last = row;
        match self.packed.len() >= self.aside.buffer_bytes() {
            true => self.flush(count),
            false => Ok(()),
        }
    }

    fn flush(&mut self, count: usize) -> Result<()> {
        if self.first < count {
            let place = self.aside.put(&self.packed)?;
            self.places.push((place, self.first));
            self.packed.clear();
            self.first = count;
        }
        Ok(())
    }

    fn row(&mut self, index: usize, len: usize, cx: &Context<'_>) -> Result<&[Value]> {
        let found = self.at_hand.iter().rposition(|(block, rows)| {
            let first = self.places[*block].1;
            (first..first + rows.len()).contains(&index)
        });
        let at = match found {
            Some(at) => at,
            None => self.read(index, len, cx)?,
        };
        // What is used stays at hand.
        let last = self.at_hand.len() - 1;
        if at < last {
            self.at_hand[at..].rotate_left(1);
        }
        let (block, rows) = &self.at_hand[last];
        let row = rows.get(index - self.places[*block].1);
        row.map(Vec::as_slice)
            .ok_or_else(|| Error::internal("a row of a window that was put aside is missing"))
    }

    /// Reads the block that a row is in; tells where among those at hand it is.
    fn read(&mut self, index: usize, len: usize, cx: &Context<'_>) -> Result<usize> {
        cx.check_cancelled()?;
        let block = self.places.partition_point(|(_, first)| *first <= index) - 1;
        let (place, first) = self.places[block];
        let end = self.places.get(block + 1).map_or(len, |(_, first)| *first);
        let mut packed = Vec::new();
        self.aside.get(place, &mut packed)?;
        let mut rest = &packed[..];
        let mut rows = match self.at_hand.len() >= BLOCKS_AT_HAND {
            true => self.at_hand.remove(0).1,
            false => Vec::new(),
        };
        rows.clear();
        for _ in first..end {
            let row = (0..self.width).map(|_| Value::unpack(&mut rest));
            rows.push(row.collect::<rustdb_types::Result<Vec<Value>>>()?);
        }
        self.at_hand.push((block, rows));
        Ok(self.at_hand.len() - 1)
    }
}
