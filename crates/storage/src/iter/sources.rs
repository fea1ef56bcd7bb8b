//! The tree's sources, made ready for an iterator.

use std::sync::Arc;

use super::cover::Cover;
use super::cursor::Cursor;
use super::run::RunCursor;
use super::visible::Source;
use crate::key::SequenceNumber;
use crate::memtable::Memtable;
use crate::table::{ReadMode, Table};
use crate::version::{Run, RunTables};

impl Source {
    /// A memtable, for a reader at `at`.
    ///
    /// NB: `at` must have been loaded before, so that the memtable holds all up to it.
    pub fn memtable(memtable: &Memtable, at: SequenceNumber) -> Self {
        Self {
            cursor: Cursor::Memtable(memtable.cursor()),
            cover: Cover::of_view(memtable.tombstones().at(at)),
            max_seq: memtable.max_seq(),
        }
    }

    /// A table, for a reader at `at`.
    pub fn table(table: &Arc<Table>, mode: ReadMode, at: SequenceNumber) -> Self {
        Self {
            cursor: Cursor::Table(table.cursor(mode)),
            cover: Cover::of_fragments(Arc::clone(table.range_tombstones()), at),
            max_seq: table.meta().max_seq,
        }
    }

    /// A run, for a reader at `at`. Its tables are opened when the walk gets to them.
    pub fn run(run: &Arc<Run>, mode: ReadMode, at: SequenceNumber) -> Self {
        let tables = RunTables::new(Arc::clone(run), mode);
        let cover = run
            .has_tombstones()
            .then(|| Cover::of_run(Box::new(tables.clone()), at));
        Self {
            cursor: Cursor::Run(RunCursor::new(tables)),
            cover,
            max_seq: run.max_seq(),
        }
    }
}
