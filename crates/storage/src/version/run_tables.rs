//! A run as something to walk over: its tables, opened one at a time.

use std::sync::Arc;

use super::run::Run;
use crate::error::Result;
use crate::iter::{CoverTables, Tables};
use crate::table::{Fill, ReadMode, TableCursor};
use crate::tombstone::Fragments;

/// The tables of a run, for a [`RunCursor`](crate::iter::RunCursor).
#[derive(Clone, Debug)]
pub struct RunTables {
    run: Arc<Run>,
    mode: ReadMode,
}

impl RunTables {
    /// The tables of `run`, read as `mode` says.
    pub fn new(run: Arc<Run>, mode: ReadMode) -> Self {
        Self { run, mode }
    }
}

impl Tables for RunTables {
    type Cursor = TableCursor;

    fn count(&self) -> usize {
        self.run.tables().len()
    }

    fn first_not_before(&self, key: &[u8]) -> usize {
        self.run.first_not_before(key)
    }

    fn approach(&self, table: usize, key: &[u8]) {
        if let Some(table) = self.run.tables()[table].opened() {
            table.prefetch_index(key);
        }
    }

    fn prepare(&self, table: usize, key: &[u8]) {
        if let Some(table) = self.run.tables()[table].opened() {
            table.prefetch(key);
        }
    }

    fn begins_before(&self, table: usize, key: &[u8]) -> bool {
        *self.run.tables()[table].meta().smallest < *key
    }

    fn open(&self, table: usize, walked_in: bool) -> Result<TableCursor> {
        let mut mode = self.mode;
        if walked_in && mode.fill == Fill::All {
            mode.fill = Fill::LongScan;
        }
        Ok(self.run.tables()[table].table()?.cursor(mode))
    }
}

impl CoverTables for RunTables {
    fn find(&self, key: &[u8]) -> Option<usize> {
        let table = self.run.first_not_before(key);
        (table < self.count() && self.contains(table, key)).then_some(table)
    }

    fn contains(&self, table: usize, key: &[u8]) -> bool {
        self.run.tables()[table].bounds().contains(key)
    }

    fn tombstones(&self, table: usize) -> Result<Option<Arc<Fragments>>> {
        let handle = &self.run.tables()[table];
        if handle.meta().range_tombstones == 0 {
            return Ok(None);
        }
        Ok(Some(handle.table()?.range_tombstones().clone()))
    }
}
