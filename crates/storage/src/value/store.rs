//! The value files of a database: finding, opening and closing them for reads, and knowing which
//! ones this process has written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::Mutex;

use super::file::{ValueFile, ValueFileReport};
use super::pointer::ValuePointer;
use super::writer::WrittenFile;
use crate::envelope::Security;
use crate::error::Result;
use crate::key::FileNumber;
use crate::manifest::ValueFileMeta;
use crate::names;

/// How many value files are kept open for reading.
const OPEN_FILES_MAX: usize = 128;

/// Gives out file numbers that were never given out before.
pub type FileNumbers = Arc<dyn Fn() -> FileNumber + Send + Sync>;

/// Reads values, and keeps the books of the value files that writers of this process create.
/// Clones share everything.
#[derive(Clone)]
pub struct ValueStore {
    pub(super) inner: Arc<StoreInner>,
}

pub(super) struct StoreInner {
    pub(super) vfs: VfsRef,
    pub(super) security: Arc<Security>,
    pub(super) directory: PathBuf,
    pub(super) numbers: FileNumbers,
    /// Files open for reading, at most [`OPEN_FILES_MAX`], in order of file number.
    open: Mutex<Vec<Arc<ValueFile>>>,
    /// Files created since the database was opened and not forgotten since.
    pub(super) written: Mutex<BTreeMap<FileNumber, Arc<WrittenFile>>>,
}

impl ValueStore {
    /// The store of the database in `directory`. Touches no file.
    pub fn new(
        vfs: VfsRef,
        security: Arc<Security>,
        directory: PathBuf,
        numbers: FileNumbers,
    ) -> Self {
        Self {
            inner: Arc::new(StoreInner {
                vfs,
                security,
                directory,
                numbers,
                open: Mutex::new(Vec::new()),
                written: Mutex::new(BTreeMap::new()),
            }),
        }
    }

    /// Reads a whole value.
    ///
    /// A pointer that leads beyond its file, and a damaged value, are `Corruption` with the value
    /// file and the offset; no memory is allocated for a length the file cannot hold.
    pub fn read(&self, pointer: &ValuePointer) -> Result<Vec<u8>> {
        self.file(pointer.file)?.read(pointer)
    }

    /// Reads `count` bytes of a value from `start` on, touching only the frames they lie in. A
    /// range that is not within the value is `InvalidArgument`.
    pub fn read_range(&self, pointer: &ValuePointer, start: u64, count: u64) -> Result<Vec<u8>> {
        self.file(pointer.file)?.read_range(pointer, start, count)
    }

    /// Reads and checks every value of a file, dead ones included, up to the length its metadata
    /// gives. Bytes after that are what a crash may leave and are not looked at.
    pub fn verify(&self, meta: &ValueFileMeta) -> Result<ValueFileReport> {
        self.verify_with(meta, &mut |_| Ok(()))
    }

    /// As [`ValueStore::verify`]; tells `progress` about how many bytes are done, and ends with its
    /// error.
    pub fn verify_with(
        &self,
        meta: &ValueFileMeta,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<ValueFileReport> {
        self.file(meta.number)?.verify(meta.file_bytes, progress)
    }

    /// Reads and checks one value, keeping nothing.
    pub fn check(&self, pointer: &ValuePointer) -> Result<()> {
        self.file(pointer.file)?.check(pointer)
    }

    /// Checks that a pointer leads to the head of the value it was made for. The value itself is
    /// not read.
    pub fn check_head(&self, pointer: &ValuePointer) -> Result<()> {
        self.file(pointer.file)?.check_head(pointer)
    }

    /// Finds out what is in a file of an earlier run that only the log refers to.
    pub fn survey(&self, number: FileNumber) -> Result<ValueFileMeta> {
        let file = self.file(number)?;
        let (report, end) = file.survey()?;
        Ok(ValueFileMeta {
            number,
            file_bytes: end,
            values: report.values,
            value_bytes: report.value_bytes,
            created_micros: self.inner.vfs.wall_micros(),
            data_key_id: file.data_key_id(),
        })
    }

    /// What is known about a file that this process has written: everything that was completely
    /// appended so far. `None` for files of earlier runs, whose metadata is in the manifest.
    pub fn written(&self, number: FileNumber) -> Option<ValueFileMeta> {
        let file = self.inner.written.lock().get(&number).cloned();
        file.map(|file| file.meta())
    }

    /// Whether a file may be collected: nobody appends to it any more, and no commit in flight
    /// holds a [`super::ValuePin`] on it.
    pub fn is_settled(&self, number: FileNumber) -> bool {
        let file = self.inner.written.lock().get(&number).cloned();
        file.is_none_or(|file| file.is_settled())
    }

    /// Makes everything durable that was appended to any file before the call.
    pub fn sync_all(&self) -> Result<()> {
        let files: Vec<_> = self.inner.written.lock().values().cloned().collect();
        files.iter().try_for_each(|file| file.sync_all())
    }

    /// Closes a file that is about to be unlinked and drops what is known about it.
    pub fn forget(&self, number: FileNumber) {
        self.inner.open.lock().retain(|f| f.number != number);
        self.inner.written.lock().remove(&number);
    }

    /// Finds a file among the open ones, or opens it.
    fn file(&self, number: FileNumber) -> Result<Arc<ValueFile>> {
        {
            let open = self.inner.open.lock();
            if let Ok(found) = open.binary_search_by_key(&number, |f| f.number) {
                open[found].used.store(true, Ordering::Relaxed);
                return Ok(open[found].clone());
            }
        }
        // The file is opened without the lock: two threads may both open it, and one of the two
        // handles is then dropped after its use.
        let inner = &*self.inner;
        let path = names::value(&inner.directory, number);
        let file = ValueFile::open(&*inner.vfs, &inner.security, &path, number)?;
        let file = Arc::new(file);
        let mut open = inner.open.lock();
        if open.len() >= OPEN_FILES_MAX {
            close_one_unused(&mut open);
        }
        if let Err(place) = open.binary_search_by_key(&number, |f| f.number) {
            open.insert(place, file.clone());
        }
        Ok(file)
    }
}

impl fmt::Debug for ValueStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueStore")
            .field("directory", &self.inner.directory)
            .finish_non_exhaustive()
    }
}

/// Drops the first file that was not read since the last look; if all were, the first one.
fn close_one_unused(open: &mut Vec<Arc<ValueFile>>) {
    let unused = open
        .iter()
        .position(|file| !file.used.swap(false, Ordering::Relaxed));
    open.remove(unused.unwrap_or(0));
}
