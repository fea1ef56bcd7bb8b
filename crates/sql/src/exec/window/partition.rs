//! The rows of a partition, by their numbers, and which of them are peers.

use std::ops::Range;

use rustdb_types::Value;

use crate::error::Result;
use crate::exec::context::Context;
use crate::exec::sort::{Key, compare};
use crate::exec::spill::{Charge, Numbered};

/// The rows of a partition, each with what it is sorted by behind its columns.
pub(super) struct Partition {
    rows: Numbered,
    /// Where groups of peers begin, and at the end the number of rows.
    groups: Vec<usize>,
    /// The group that was asked for last.
    group: usize,
}

impl Partition {
    /// No rows yet.
    pub(super) fn new(charge: Charge) -> Partition {
        Partition {
            rows: Numbered::new(charge),
            groups: Vec::new(),
            group: 0,
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
            rows: Numbered::in_memory(rows, charge),
            groups,
            group: 0,
        }
    }

    /// Adds a row; all of them have to be added before one is asked for.
    pub(super) fn push(
        &mut self,
        row: Vec<Value>,
        order: &[Key],
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let last = self.rows.last();
        if !last.is_some_and(|last| compare(order, last, &row).is_eq()) {
            self.groups.push(self.rows.len());
            self.rows.hold(size_of::<usize>())?;
        }
        self.rows.push(row, cx)
    }

    /// No more rows come.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.groups.push(self.rows.len());
        self.rows.finish()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Whether the rows are in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        self.rows.is_in_memory()
    }

    /// The rows, if they are in memory, and what is held for them.
    pub(super) fn into_rows(self) -> (Vec<Vec<Value>>, Charge) {
        self.rows.into_rows()
    }

    /// A row.
    pub(super) fn row(&mut self, index: usize, cx: &Context<'_>) -> Result<&[Value]> {
        self.rows.row(index, cx)
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
