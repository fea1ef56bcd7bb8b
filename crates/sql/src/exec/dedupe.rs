//! The first of equal rows, however many different ones there are.
//!
//! While there is memory, a row goes on at once if it is new. Then no new rows are remembered any
//! more: one that is not known is put aside with its number, in a share by the hash of its key.
//! At the end the shares are looked at one by one, and what is new in them comes out in the order
//! of the numbers: the rows come as they do without a limit.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use rustdb_types::Value;

use super::batch::{Batch, Row};
use super::context::Context;
use super::key::{RowKey, unpad};
use super::sort::Key;
use super::spill::{
    Aside, Charge, Shares, Sorted, Sorter, Spent, Stream, row_bytes, share_count, share_of,
};
use crate::error::Result;

/// Leaves out rows that are equal to an earlier one.
pub(super) struct Dedupe {
    /// What is compared; everything if nothing is said.
    places: Option<Vec<usize>>,
    /// Which values of a key are padded with blanks that do not count.
    padded: Vec<usize>,
    width: usize,
    seen: HashSet<RowKey, RandomState>,
    charge: Option<Charge>,
    shares: Option<Shares>,
    /// How many rows have come since rows are put aside.
    number: i64,
    rest: Option<Sorted>,
    batches: usize,
    memory_bytes: usize,
    disk_bytes: u64,
}

/// Rows put aside, each behind its number.
struct Share {
    aside: Aside,
    stream: Stream,
    depth: usize,
}

/// What a key takes in the set, beside itself.
const ENTRY_BYTES: usize = 32;

impl Dedupe {
    /// Rows of so many values are equal if those at these places are, or all. Of those compared
    /// some are padded with blanks that do not count.
    pub(super) fn new(places: Option<Vec<usize>>, padded: Vec<usize>, width: usize) -> Dedupe {
        Dedupe {
            places,
            padded,
            width,
            seen: HashSet::default(),
            charge: None,
            shares: None,
            number: 0,
            rest: None,
            batches: 1,
            memory_bytes: 0,
            disk_bytes: 0,
        }
    }

    /// Keeps the rows that can go on at once.
    pub(super) fn keep_new(&mut self, batch: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
        let mut kept = Vec::new();
        let mut key = Vec::new();
        let mut bytes = 0;
        for row in 0..batch.rows() {
            self.key_of(&batch.row(row), &mut key);
            if self.seen.contains(&key[..]) {
                continue;
            }
            match &mut self.shares {
                None => {
                    bytes += row_bytes(&key) + ENTRY_BYTES;
                    self.seen.insert(key.as_slice().into());
                    kept.push(row);
                }
                Some(shares) => {
                    self.number += 1;
                    let share = share_of(&key, 0, shares.count());
                    shares.push_row(share, &[Value::Int8(self.number)], batch, row)?;
                }
            }
        }
        batch.keep(&kept);
        let charge = match &mut self.charge {
            Some(charge) => charge,
            None => self.charge.insert(cx.pool().charge()),
        };
        charge.hold(bytes)?;
        if self.shares.is_none() && charge.is_over() {
            let pool = charge.pool().clone();
            let count = share_count(&pool);
            self.shares = Some(Shares::new(count, &Shares::file(count, &pool, cx)?));
        }
        Ok(())
    }

    fn key_of<R: Row + ?Sized>(&self, row: &R, key: &mut Vec<Value>) {
        key.clear();
        match &self.places {
            Some(places) => key.extend(places.iter().map(|place| row.value(*place).clone())),
            None => key.extend((0..self.width).map(|place| row.value(place).clone())),
        }
        unpad(key, &self.padded);
    }

    /// Once no more rows come: those that could not go on at once.
    pub(super) fn rest(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if let Some(shares) = self.shares.take() {
            self.seen = HashSet::default();
            let sorted = self.looked_through(shares, cx)?;
            self.rest = Some(sorted);
        }
        let Some(rest) = &mut self.rest else {
            return Ok(None);
        };
        let mut batch = Batch::new(self.width);
        while !batch.is_full()
            && let Some(row) = rest.next(cx)?
        {
            batch.push(row.into_iter().skip(1));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn looked_through(&mut self, shares: Shares, cx: &mut Context<'_>) -> Result<Sorted> {
        let mut charge = match self.charge.take() {
            Some(charge) => charge,
            None => cx.pool().charge(),
        };
        charge.set(0);
        let mut sorter = by_number(self.width, charge.pool().charge());
        let mut todo = Vec::new();
        self.put_off(shares, 1, &mut todo)?;
        while let Some(share) = todo.pop() {
            cx.check_cancelled()?;
            let again = self.look_through(share, &mut charge, &mut sorter, cx)?;
            if let Some((shares, depth)) = again {
                self.put_off(shares, depth, &mut todo)?;
            }
            charge.set(0);
        }
        self.memory_bytes = charge.peak();
        let sorted = sorter.finish(cx)?;
        if let Spent::Sort { disk_bytes, .. } = sorted.spent() {
            self.disk_bytes += disk_bytes;
        }
        Ok(sorted)
    }

    fn put_off(&mut self, shares: Shares, depth: usize, todo: &mut Vec<Share>) -> Result<()> {
        let (aside, streams) = shares.finish()?;
        self.disk_bytes += aside.bytes();
        let before = todo.len();
        let streams = streams.into_iter().filter(|stream| !stream.is_empty());
        todo.extend(streams.map(|stream| Share {
            aside: aside.clone(),
            stream,
            depth,
        }));
        self.batches += todo.len() - before;
        Ok(())
    }

    /// Hands the sorter the rows of a share that are new, and gives those that there is no memory
    /// for, in shares.
    fn look_through(
        &self,
        share: Share,
        charge: &mut Charge,
        sorter: &mut Sorter,
        cx: &mut Context<'_>,
    ) -> Result<Option<(Shares, usize)>> {
        let mut seen: HashSet<RowKey, RandomState> = HashSet::default();
        let mut again: Option<Shares> = None;
        let mut reader = share.aside.reader(share.stream, 1 + self.width);
        let (mut row, mut key) = (Vec::new(), Vec::new());
        while reader.next_into(&mut row, cx)? {
            self.key_of(&row[1..], &mut key);
            if seen.contains(&key[..]) {
                continue;
            }
            if again.is_none() && charge.is_over() {
                let pool = charge.pool().clone();
                let count = share_count(&pool);
                again = Some(Shares::new(count, &Shares::file(count, &pool, cx)?));
            }
            match &mut again {
                Some(again) => again.push(share_of(&key, share.depth, again.count()), &row)?,
                None => {
                    charge.add(row_bytes(&key) + ENTRY_BYTES);
                    seen.insert(key.as_slice().into());
                    sorter.push(std::mem::take(&mut row), cx)?;
                }
            }
        }
        Ok(again.map(|again| (again, share.depth + 1)))
    }

    /// What it has spent.
    pub(super) fn spent(&self) -> Option<Spent> {
        let memory = self.charge.as_ref().map_or(0, Charge::peak);
        (memory > 0 || self.batches > 1).then_some(Spent::Groups {
            batches: self.batches,
            memory_bytes: memory.max(self.memory_bytes),
            disk_bytes: self.disk_bytes,
        })
    }
}

/// Sorts rows that begin with a number, which is not among their columns, by it.
pub(super) fn by_number(width: usize, charge: Charge) -> Sorter {
    let number = Key {
        place: 0,
        descending: false,
        nulls_first: false,
        padded: false,
    };
    Sorter::new(vec![number], 1 + width, charge)
}
