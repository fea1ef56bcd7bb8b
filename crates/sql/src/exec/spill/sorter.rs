//! Rows in order, however many there are.
//!
//! ```text
//! rows ─▶ memory ──too many──▶ sorted run in the file     each time
//!            │                        │
//!            └── last rows, sorted ───┴─▶ merged, some runs at a time until one merge takes all
//! ```
//!
//! The order is stable: equal rows come out as they went in, because runs are merged in the order
//! in which they were written.

use std::cmp::Ordering;

use rustdb_types::Value;
use rustdb_types::interrupt::{self, Held};

use super::super::batch::Row;
use super::super::context::Context;
use super::super::sort::{Key, compare};
use super::pool::{Charge, Spent, row_bytes};
use super::stream::{Aside, RowReader, Stream};
use crate::error::Result;

/// So many rows are sorted without looking whether the statement was cancelled.
const SORTED_AT_ONCE: usize = 1 << 15;

/// So many runs are merged at a time, at most.
const RUNS_MERGED_MAX: usize = 256;

/// Takes rows, and gives them in order.
#[derive(Debug)]
pub(in crate::exec) struct Sorter {
    keys: Vec<Key>,
    width: usize,
    /// If only the first rows are wanted, how many.
    wanted: Option<usize>,
    rows: Held<Vec<Vec<Value>>>,
    charge: Charge,
    runs: Vec<Stream>,
    aside: Option<Aside>,
    /// What earlier files took.
    disk_bytes: u64,
    /// Whether rows that are not wanted were left out.
    has_cut: bool,
    /// Whether the first `wanted` rows are in order: one that does not come before the last of
    /// them is not wanted.
    is_bounded: bool,
}

impl Sorter {
    /// Sorts rows of so many values by these keys.
    pub(in crate::exec) fn new(keys: Vec<Key>, width: usize, charge: Charge) -> Sorter {
        Sorter {
            keys,
            width,
            wanted: None,
            rows: Held::default(),
            charge,
            runs: Vec::new(),
            aside: None,
            disk_bytes: 0,
            has_cut: false,
            is_bounded: false,
        }
    }

    /// Only so many of the first rows are wanted.
    pub(in crate::exec) fn set_wanted(&mut self, wanted: Option<usize>) {
        self.wanted = wanted;
    }

    /// Whether [`Sorter::wants`] can refuse a row.
    pub(in crate::exec) fn has_bound(&self) -> bool {
        self.bound().is_some()
    }

    /// Whether a row may be among the first that are wanted. It need not be taken otherwise.
    pub(in crate::exec) fn wants(&self, row: &impl Row) -> bool {
        // The sort is stable: a row that comes later is after its equals.
        let bound = self.bound();
        bound.is_none_or(|bound| compare(&self.keys, row, bound).is_lt())
    }

    /// The last row of those that were wanted when rows were last left out.
    fn bound(&self) -> Option<&[Value]> {
        if !self.is_bounded {
            return None;
        }
        let last = self.wanted?.checked_sub(1)?;
        self.rows.get(last).map(Vec::as_slice)
    }

    /// Takes a row.
    pub(in crate::exec) fn push(&mut self, row: Vec<Value>, cx: &Context<'_>) -> Result<()> {
        self.charge.add(row_bytes(&row));
        self.rows.push(row);
        self.make_room(cx)
    }

    /// Takes rows that take so much memory.
    pub(in crate::exec) fn extend(
        &mut self,
        rows: impl Iterator<Item = Vec<Value>>,
        bytes: usize,
        cx: &Context<'_>,
    ) -> Result<()> {
        self.charge.add(bytes);
        self.rows.extend(rows);
        self.make_room(cx)
    }

    fn make_room(&mut self, cx: &Context<'_>) -> Result<()> {
        if let Some(wanted) = self.wanted {
            let many = wanted.saturating_mul(2).saturating_add(1024);
            if self.rows.len() > many || self.rows.len() > wanted && self.charge.is_over() {
                self.cut(wanted, cx)?;
            }
        }
        match self.charge.is_over() {
            true => self.write_run(cx),
            // Where nothing can be put aside.
            false => self.charge.check(),
        }
    }

    fn cut(&mut self, wanted: usize, cx: &Context<'_>) -> Result<()> {
        let rows = std::mem::take(&mut *self.rows);
        *self.rows = sorted(rows, &self.keys, cx)?;
        self.rows.truncate(wanted);
        self.has_cut = true;
        self.is_bounded = true;
        self.charge
            .set(self.rows.iter().map(|row| row_bytes(row)).sum());
        Ok(())
    }

    fn write_run(&mut self, cx: &Context<'_>) -> Result<()> {
        self.is_bounded = false;
        let rows = sorted(std::mem::take(&mut *self.rows), &self.keys, cx)?;
        let aside = match &self.aside {
            Some(aside) => aside,
            None => {
                let memory = self.charge.pool().share() / 4;
                let streams = Aside::streams_within(memory).clamp(2, RUNS_MERGED_MAX);
                self.aside.insert(Aside::new(streams, memory, cx)?)
            }
        };
        let mut writer = aside.writer();
        for (index, row) in rows.iter().enumerate() {
            if index % 1024 == 0 {
                cx.check_cancelled()?;
            }
            if self.wanted.is_some_and(|wanted| index >= wanted) {
                break;
            }
            writer.push(row)?;
        }
        self.runs.push(writer.finish()?);
        drop(rows);
        self.charge.set(0);
        Ok(())
    }

    /// No more rows come.
    pub(in crate::exec) fn finish(mut self, cx: &Context<'_>) -> Result<Sorted> {
        let mut spent = Spent::Sort {
            method: match self.has_cut {
                true => "top-N heapsort",
                false => "quicksort",
            },
            memory_bytes: self.charge.peak(),
            disk_bytes: 0,
        };
        if self.runs.is_empty() {
            let rows = sorted(std::mem::take(&mut *self.rows), &self.keys, cx)?;
            return Ok(Sorted {
                source: Source::Memory(rows.into_iter()),
                spent,
                _charge: self.charge,
            });
        }
        if !self.rows.is_empty() {
            self.write_run(cx)?;
        }
        *self.rows = Vec::new();
        let merge = self.merged(cx)?;
        if let Spent::Sort {
            method, disk_bytes, ..
        } = &mut spent
        {
            let last = self.aside.as_ref().map_or(0, Aside::bytes);
            (*method, *disk_bytes) = ("external merge", self.disk_bytes + last);
        }
        Ok(Sorted {
            source: Source::Merge(merge),
            spent,
            _charge: self.charge,
        })
    }

    /// Merges runs into longer ones until one merge takes all.
    fn merged(&mut self, cx: &Context<'_>) -> Result<Merge> {
        loop {
            let Some(aside) = self.aside.clone() else {
                return Merge::new(Vec::new(), self.keys.clone(), cx);
            };
            let memory = self.charge.pool().share();
            let most = (memory / aside.buffer_bytes()).clamp(2, RUNS_MERGED_MAX);
            let runs = std::mem::take(&mut self.runs);
            if runs.len() <= most {
                self.charge.set(runs.len() * aside.buffer_bytes());
                let readers = runs.into_iter().map(|run| aside.reader(run, self.width));
                return Merge::new(readers.collect(), self.keys.clone(), cx);
            }
            self.charge.set(most * aside.buffer_bytes());
            let next = Aside::new(most, most * aside.buffer_bytes(), cx)?;
            let mut runs = runs.into_iter();
            while runs.len() > 0 {
                let some = runs.by_ref().take(most);
                let readers = some.map(|run| aside.reader(run, self.width)).collect();
                let mut merge = Merge::new(readers, self.keys.clone(), cx)?;
                let mut writer = next.writer();
                let mut left = self.wanted.unwrap_or(usize::MAX);
                while left > 0
                    && let Some(row) = merge.next(cx)?
                {
                    writer.push(&row)?;
                    left -= 1;
                }
                self.runs.push(writer.finish()?);
            }
            self.disk_bytes += aside.bytes();
            self.aside = Some(next);
        }
    }
}

/// Rows in order.
#[derive(Debug)]
pub(in crate::exec) struct Sorted {
    source: Source,
    spent: Spent,
    _charge: Charge,
}

#[derive(Debug)]
enum Source {
    Memory(std::vec::IntoIter<Vec<Value>>),
    Merge(Merge),
}

impl Sorted {
    /// The next row.
    pub(in crate::exec) fn next(&mut self, cx: &Context<'_>) -> Result<Option<Vec<Value>>> {
        match &mut self.source {
            Source::Memory(rows) => Ok(rows.next()),
            Source::Merge(merge) => merge.next(cx),
        }
    }

    /// What it took.
    pub(in crate::exec) fn spent(&self) -> &Spent {
        &self.spent
    }

    /// The rows, if they are all in memory.
    pub(in crate::exec) fn in_memory(&mut self) -> Option<&mut std::vec::IntoIter<Vec<Value>>> {
        match &mut self.source {
            Source::Memory(rows) => Some(rows),
            Source::Merge(_) => None,
        }
    }
}

/// Sorted runs as one: a heap of their first rows.
#[derive(Debug)]
struct Merge {
    keys: Vec<Key>,
    runs: Vec<(Vec<Value>, RowReader)>,
    /// Runs that have a row, the one with the least first: `heap[i]` is before `heap[2i + 1]` and
    /// `heap[2i + 2]`.
    heap: Vec<usize>,
    given: usize,
}

impl Merge {
    fn new(readers: Vec<RowReader>, keys: Vec<Key>, cx: &Context<'_>) -> Result<Merge> {
        let mut merge = Merge {
            keys,
            runs: Vec::with_capacity(readers.len()),
            heap: Vec::new(),
            given: 0,
        };
        for mut reader in readers {
            let mut row = Vec::new();
            if reader.next_into(&mut row, cx)? {
                merge.heap.push(merge.runs.len());
                merge.runs.push((row, reader));
            }
        }
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sink(place);
        }
        Ok(merge)
    }

    fn next(&mut self, cx: &Context<'_>) -> Result<Option<Vec<Value>>> {
        let Some(first) = self.heap.first().copied() else {
            return Ok(None);
        };
        self.given += 1;
        if self.given.is_multiple_of(1024) {
            cx.check_cancelled()?;
        }
        let (head, reader) = &mut self.runs[first];
        let row = std::mem::take(head);
        if !reader.next_into(head, cx)? {
            let last = self.heap.pop();
            if let (Some(last), Some(top)) = (last, self.heap.first_mut()) {
                *top = last;
            }
        }
        self.sink(0);
        Ok(Some(row))
    }

    fn is_before(&self, left: usize, right: usize) -> bool {
        let order = compare(&self.keys, &self.runs[left].0, &self.runs[right].0);
        order.then(left.cmp(&right)) == Ordering::Less
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.is_before(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.heap.swap(place, least);
            place = least;
        }
    }
}

/// The rows in order; equal ones as they were.
pub(in crate::exec) fn sorted(
    mut rows: Vec<Vec<Value>>,
    keys: &[Key],
    cx: &Context<'_>,
) -> Result<Vec<Vec<Value>>> {
    if rows.len() <= SORTED_AT_ONCE {
        rows.sort_by(|left, right| compare(keys, left, right));
        return Ok(rows);
    }
    let mut parts: Vec<Vec<Vec<Value>>> = Vec::new();
    let mut rest = rows.into_iter();
    while rest.len() > 0 {
        if let Err(error) = cx.check_cancelled() {
            interrupt::leave((rest, parts));
            return Err(error);
        }
        let mut part: Vec<Vec<Value>> = rest.by_ref().take(SORTED_AT_ONCE).collect();
        part.sort_by(|left, right| compare(keys, left, right));
        parts.push(part);
    }
    while parts.len() > 1 {
        let mut pairs = parts.into_iter();
        parts = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(left) = pairs.next() {
            let merged = match pairs.next() {
                Some(right) => two_merged(left, right, keys, cx),
                None => Ok(left),
            };
            match merged {
                Ok(merged) => parts.push(merged),
                Err(error) => {
                    interrupt::leave((pairs, parts));
                    return Err(error);
                }
            }
        }
    }
    Ok(parts.pop().unwrap_or_default())
}

fn two_merged(
    mut left: Vec<Vec<Value>>,
    right: Vec<Vec<Value>>,
    keys: &[Key],
    cx: &Context<'_>,
) -> Result<Vec<Vec<Value>>> {
    // Rows that came in order stay where they are.
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && compare(keys, last, first).is_le()
    {
        left.extend(right);
        return Ok(left);
    }
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(mine), Some(theirs)) = (left.peek(), right.peek()) {
        if merged.len() % 4096 == 0
            && let Err(error) = cx.check_cancelled()
        {
            interrupt::leave((left, right, merged));
            return Err(error);
        }
        let next = match compare(keys, mine, theirs) {
            Ordering::Greater => right.next(),
            _ => left.next(),
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
