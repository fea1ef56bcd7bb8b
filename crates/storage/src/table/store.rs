//! What the open tables of a database share: the block cache and a limited number of file handles.
//!
//! A table keeps its index in memory but not necessarily its file open. Handles are opened when a
//! block must be read, and when there are too many, one that was not used lately is closed. Its
//! table does not notice, except that the next read opens it again; so a file must not be removed
//! while its table is in use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{FileExt, FileRef, OpenMode, VfsRef};

use super::reader::Table;
use crate::cache::BlockCache;
use crate::envelope::Security;
use crate::error::{Error, Result};
use crate::manifest::TableMeta;

/// Limits of a [`TableStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStoreOptions {
    /// The memory for blocks, indexes and filters.
    pub cache_bytes: usize,
    /// How many files may be open at a time, not counting those being read at the moment.
    pub open_files_max: usize,
}

impl Default for TableStoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            open_files_max: 512,
        }
    }
}

/// Opens tables. See the module's documentation.
pub struct TableStore {
    vfs: VfsRef,
    security: Arc<Security>,
    cache: Arc<BlockCache>,
    open_files_max: usize,
    handles: Mutex<Handles>,
}

/// Tables whose files are open. Some may be gone; they are dropped from the list when it is full.
#[derive(Default)]
struct Handles {
    open: Vec<Weak<TableFile>>,
    /// Where the search for a file to close goes on.
    hand: usize,
}

impl TableStore {
    /// A store without tables.
    pub fn new(vfs: VfsRef, security: Arc<Security>, options: TableStoreOptions) -> Arc<Self> {
        Arc::new(Self {
            vfs,
            security,
            cache: BlockCache::new(options.cache_bytes),
            open_files_max: options.open_files_max.max(1),
            handles: Mutex::default(),
        })
    }

    /// Opens the table at `path`, which `meta` describes.
    pub fn open(self: &Arc<Self>, path: &Path, meta: Arc<TableMeta>) -> Result<Arc<Table>> {
        Table::open(self, path, meta)
    }

    /// The cache of all tables of the store.
    pub fn cache(&self) -> &Arc<BlockCache> {
        &self.cache
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        let handles = self.handles.lock();
        let open = |file: &&Weak<TableFile>| file.upgrade().is_some_and(|file| file.is_open());
        handles.open.iter().filter(open).count()
    }

    pub(super) fn security(&self) -> &Security {
        &self.security
    }

    /// Makes room for one more handle, and lists `file`.
    fn list(&self, handles: &mut Handles, file: &Arc<TableFile>) {
        if handles.open.len() >= self.open_files_max {
            handles.open.retain(|file| file.strong_count() > 0);
        }
        // Each visit either closes a file or takes its mark away, so two rounds are enough.
        while handles.open.len() >= self.open_files_max {
            handles.hand %= handles.open.len();
            match handles.open[handles.hand].upgrade() {
                Some(file) if file.used.swap(false, Relaxed) => handles.hand += 1,
                file => {
                    handles.open.swap_remove(handles.hand);
                    if let Some(file) = file {
                        file.handle.store(None);
                    }
                }
            }
        }
        handles.open.push(Arc::downgrade(file));
    }
}

impl fmt::Debug for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableStore")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// A file that may be open.
pub(super) struct TableFile {
    store: Arc<TableStore>,
    path: PathBuf,
    handle: ArcSwapOption<FileRef>,
    /// Whether it was read since the search for a file to close came by.
    used: AtomicBool,
}

impl TableFile {
    pub(super) fn new(store: &Arc<TableStore>, path: &Path) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            path: path.to_path_buf(),
            handle: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn store(&self) -> &Arc<TableStore> {
        &self.store
    }

    fn is_open(&self) -> bool {
        self.handle.load().is_some()
    }

    /// The open file, opened if need be.
    pub(super) fn open(self: &Arc<Self>) -> Result<Arc<FileRef>> {
        if let Some(file) = self.handle.load_full() {
            if !self.used.load(Relaxed) {
                self.used.store(true, Relaxed);
            }
            return Ok(file);
        }
        let mut handles = self.store.handles.lock();
        // Another reader may have been faster.
        if let Some(file) = self.handle.load_full() {
            return Ok(file);
        }
        let file = self.store.vfs.open(&self.path, OpenMode::Read);
        let file = Arc::new(file.map_err(|e| Error::io("open", &self.path, e))?);
        self.store.list(&mut handles, self);
        self.handle.store(Some(Arc::clone(&file)));
        Ok(file)
    }

    /// Fills `buffer` from `offset` on. A file that ends before is damaged.
    pub(super) fn read(self: &Arc<Self>, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.open()?
            .read_exact_at(buffer, offset)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    Error::corruption(&self.path, offset, "the file ends within this block")
                }
                _ => Error::io("read", &self.path, e),
            })
    }
}

impl fmt::Debug for TableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableFile({})", self.path.display())
    }
}
