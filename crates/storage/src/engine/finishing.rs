//! The end of a table, in a thread of its own: the filter is made and the file synced while the next
//! table of the same run begins.
//!
//! A filter takes a fifth of the time that the blocks take, and whoever writes a long run has nothing
//! to do with the outcome before the run ends. One table at a time ends so.

use rustdb_vfs::{Task, VfsRef};

use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::manifest::TableMeta;
use crate::table::TableBuilder;

/// A table that is being finished.
pub(super) struct Finishing {
    number: FileNumber,
    bytes: u64,
    task: Task<Box<TableBuilder>, Box<Result<TableMeta>>>,
}

impl Finishing {
    /// Begins to finish table `number`, in another thread if the system has one for it.
    pub(super) fn begin(vfs: &VfsRef, number: FileNumber, builder: TableBuilder) -> Finishing {
        let bytes = builder.estimated_bytes();
        let finish = |builder: Box<TableBuilder>| Box::new(builder.finish());
        Finishing {
            number,
            bytes,
            task: Task::begin(vfs, "rustdb-table", Box::new(builder), finish),
        }
    }

    /// The number of the table.
    pub(super) fn number(&self) -> FileNumber {
        self.number
    }

    /// About how long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits until the table is finished, or finishes it.
    pub(super) fn end(self) -> Result<TableMeta> {
        // Without an outcome the thread has died.
        self.task.end().map_or(Err(Error::Closed), |done| *done)
    }
}
