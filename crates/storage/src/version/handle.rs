//! Handles of the files of a version, which know when the last reader has gone.
//!
//! Versions share handles. An edit that removes a file marks its handle; when the last version
//! that has the handle is dropped, the file's name goes to a queue, which the engine empties by
//! unlinking. A table that a cursor still holds is not given out before the cursor is gone. So a
//! reader never meets a missing file, and no reader ever waits for an unlink.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustdb_vfs::sync::Mutex;

use super::bounds::KeyBounds;
use crate::error::{Error, Result};
use crate::manifest::{TableMeta, ValueFileMeta};
use crate::names::{self, FileName};
use crate::table::{Table, TableStore};
use crate::tombstone::Fragments;

/// Makes the handles of a database's files, and queues the files to unlink. Clones share the
/// queue.
#[derive(Clone, Debug, Default)]
pub struct TreeFiles {
    obsolete: Queue,
    /// Where tables are opened; `None` where nobody reads them.
    place: Option<Arc<Place>>,
}

/// The files nobody needs.
type Queue = Arc<Mutex<Vec<Obsolete>>>;

/// A file that no version has any more.
#[derive(Debug)]
struct Obsolete {
    name: FileName,
    /// The table, if it was open: cursors may still read it.
    table: Option<Arc<Table>>,
}

/// The directory of the tables and what open ones share.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    store: Arc<TableStore>,
}

/// A table of one or more versions.
#[derive(Debug)]
pub struct TableHandle {
    meta: Arc<TableMeta>,
    place: Option<Arc<Place>>,
    life: Life,
}

/// A value file of one or more versions.
#[derive(Debug)]
pub struct ValueFileHandle {
    meta: ValueFileMeta,
    /// Shared with handles of the same file from when it was shorter.
    life: Arc<Life>,
}

/// Queues a file when it is dropped, if it is obsolete.
#[derive(Debug)]
struct Life {
    name: FileName,
    is_obsolete: AtomicBool,
    /// The open table, once somebody has needed it.
    table: OnceLock<Arc<Table>>,
    queue: Queue,
}

impl TreeFiles {
    /// Handles whose queue is empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles whose tables are in `directory` and are opened through `store`.
    pub fn in_directory(directory: PathBuf, store: Arc<TableStore>) -> Self {
        Self {
            obsolete: Arc::default(),
            place: Some(Arc::new(Place { directory, store })),
        }
    }

    /// A handle of a table, which need not exist yet.
    pub fn table(&self, meta: Arc<TableMeta>) -> Arc<TableHandle> {
        let life = self.life(FileName::Table(meta.number));
        Arc::new(TableHandle {
            meta,
            place: self.place.clone(),
            life,
        })
    }

    /// A handle of a value file, which need not exist yet.
    pub fn value_file(&self, meta: ValueFileMeta) -> Arc<ValueFileHandle> {
        let life = Arc::new(self.life(FileName::Value(meta.number)));
        Arc::new(ValueFileHandle { meta, life })
    }

    /// The files that nobody uses any more, each given out once. The caller unlinks them.
    pub fn take_obsolete(&self) -> Vec<FileName> {
        let is_read = |file: &mut Obsolete| {
            let table = file.table.as_ref();
            table.is_some_and(|table| Arc::strong_count(table) > 1)
        };
        // Nobody can get at a table that is only here, so its count does not grow again.
        let free: Vec<Obsolete> = self
            .obsolete
            .lock()
            .extract_if(.., |file| !is_read(file))
            .collect();
        free.into_iter().map(|file| file.name).collect()
    }

    fn life(&self, name: FileName) -> Life {
        Life {
            name,
            is_obsolete: AtomicBool::new(false),
            table: OnceLock::new(),
            queue: self.obsolete.clone(),
        }
    }
}

impl TableHandle {
    /// What is known about the table.
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    /// The open table; the first call opens it.
    #[inline]
    pub fn table(&self) -> Result<&Arc<Table>> {
        match self.life.table.get() {
            Some(table) => Ok(table),
            None => self.open(),
        }
    }

    /// The table, if it is open.
    pub fn opened(&self) -> Option<&Arc<Table>> {
        self.life.table.get()
    }

    #[cold]
    fn open(&self) -> Result<&Arc<Table>> {
        let Some(place) = &self.place else {
            return Err(Error::InvalidArgument(
                "the table has no place to be read from".into(),
            ));
        };
        let path = names::table(&place.directory, self.meta.number);
        let table = place.store.open(&path, self.meta.clone())?;
        // Two threads may both open it; one of the two tables is dropped again.
        Ok(self.life.table.get_or_init(|| table))
    }

    /// The range tombstones of the table, if it is open; else none.
    pub fn loaded_tombstones(&self) -> Arc<Fragments> {
        let table = self.life.table.get();
        table.map_or_else(Arc::default, |table| table.range_tombstones().clone())
    }

    /// The keys it says something about.
    pub fn bounds(&self) -> KeyBounds<'_> {
        KeyBounds::of(&self.meta)
    }

    /// Lets the file be unlinked once the handle is dropped everywhere.
    pub(super) fn retire(&self) {
        self.life.is_obsolete.store(true, Ordering::Release);
    }
}

impl ValueFileHandle {
    /// What is known about the file.
    pub fn meta(&self) -> &ValueFileMeta {
        &self.meta
    }

    /// A handle of the same file, which has grown.
    pub(super) fn grown(&self, meta: ValueFileMeta) -> Arc<ValueFileHandle> {
        let life = self.life.clone();
        Arc::new(ValueFileHandle { meta, life })
    }

    /// Lets the file be unlinked once all handles of it are dropped everywhere.
    pub(super) fn retire(&self) {
        self.life.is_obsolete.store(true, Ordering::Release);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if *self.is_obsolete.get_mut() {
            self.queue.lock().push(Obsolete {
                name: self.name,
                table: self.table.take(),
            });
        }
    }
}
