//! Rows by their numbers.
//!
//! As long as there is memory they are in it. Once there is no more they go to a file in blocks, and
//! a few blocks are at hand: who asks goes through the rows from the first to the last, with some
//! before and behind, or looks for a place by halves.

use rustdb_txn::SpillPlace;
use rustdb_types::Value;

use super::super::context::Context;
use super::pool::{Charge, row_bytes};
use super::stream::Aside;
use crate::error::{Error, Result};

/// So many blocks are at hand.
const BLOCKS_AT_HAND: usize = 8;

/// Rows that are asked for by their numbers.
#[derive(Debug)]
pub(in crate::exec) struct Numbered {
    rows: Rows,
    len: usize,
    /// What else is held for them.
    besides: usize,
    charge: Charge,
}

#[derive(Debug)]
enum Rows {
    Memory(Vec<Vec<Value>>),
    Aside(Box<Blocks>),
}

/// Rows in a file.
#[derive(Debug)]
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

impl Numbered {
    /// No rows yet.
    pub(in crate::exec) fn new(charge: Charge) -> Numbered {
        Numbered::in_memory(Vec::new(), charge)
    }

    /// Rows that somebody else holds the memory of.
    pub(in crate::exec) fn in_memory(rows: Vec<Vec<Value>>, charge: Charge) -> Numbered {
        Numbered {
            len: rows.len(),
            rows: Rows::Memory(rows),
            besides: 0,
            charge,
        }
    }

    /// Adds a row; all of them have to be added before one is asked for.
    pub(in crate::exec) fn push(&mut self, row: Vec<Value>, cx: &mut Context<'_>) -> Result<()> {
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

    /// Holds so much more beside the rows, which stays in memory.
    pub(in crate::exec) fn hold(&mut self, bytes: usize) -> Result<()> {
        self.besides += bytes;
        self.charge.hold(bytes)
    }

    /// No more rows come.
    pub(in crate::exec) fn finish(&mut self) -> Result<()> {
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
        let mut blocks = Box::new(Blocks {
            aside: Aside::new(BLOCKS_AT_HAND, cx.pool().share() / 4, cx)?,
            places: Vec::new(),
            at_hand: Vec::new(),
            packed: Vec::new(),
            first: 0,
            last: Vec::new(),
            width: rows.first().map_or(0, Vec::len),
        });
        let buffers = BLOCKS_AT_HAND * blocks.aside.buffer_bytes();
        for (index, row) in rows.into_iter().enumerate() {
            if index % 1024 == 0 {
                cx.check_cancelled()?;
            }
            blocks.push(row, index + 1)?;
        }
        self.charge.set(buffers + self.besides);
        self.rows = Rows::Aside(blocks);
        Ok(())
    }

    pub(in crate::exec) fn len(&self) -> usize {
        self.len
    }

    /// Whether the rows are in memory.
    pub(in crate::exec) fn is_in_memory(&self) -> bool {
        matches!(self.rows, Rows::Memory(_))
    }

    /// The row that was added last.
    pub(in crate::exec) fn last(&self) -> Option<&[Value]> {
        match &self.rows {
            Rows::Memory(rows) => rows.last().map(Vec::as_slice),
            Rows::Aside(blocks) => Some(&blocks.last),
        }
    }

    /// The rows, if they are in memory, and what is held for them.
    pub(in crate::exec) fn into_rows(self) -> (Vec<Vec<Value>>, Charge) {
        match self.rows {
            Rows::Memory(rows) => (rows, self.charge),
            Rows::Aside(_) => (Vec::new(), self.charge),
        }
    }

    /// A row.
    pub(in crate::exec) fn row(&mut self, index: usize, cx: &Context<'_>) -> Result<&[Value]> {
        match &mut self.rows {
            Rows::Memory(rows) => Ok(&rows[index]),
            Rows::Aside(blocks) => blocks.row(index, self.len, cx),
        }
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
            .ok_or_else(|| Error::internal("a row that was put aside is missing"))
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
