//! The traits.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A shared file system, clock, source of randomness and thread starter.
pub type VfsRef = Arc<dyn Vfs>;

/// A shared open file.
pub type FileRef = Arc<dyn File>;

/// How [`Vfs::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    ReadWrite,
    /// A new file, for reading and writing; it is an error if the name is taken.
    CreateNew,
}

/// Whether a lock can be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Any number of holders, none of them exclusive.
    Shared,
    /// One holder.
    Exclusive,
}

/// What [`Vfs::metadata`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Length in bytes.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The whole path.
    pub path: PathBuf,
    /// The last component. Names that are not UTF-8 are given lossily.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Files, clock, randomness and threads.
///
/// Directory changes (create, rename, link, remove) are durable only after [`Vfs::sync_dir`] of
/// the parent; file contents and length only after [`File::sync_data`].
pub trait Vfs: Debug + Send + Sync + 'static {
    /// Opens a file. New files are readable and writable by their owner only.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FileRef>;
    /// Removes a file's name. Open handles stay usable.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, atomically replacing the target if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Creates a directory and its parents, if missing. New directories belong to their owner only.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Lists a directory, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Length and kind of a path.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// The one absolute path of what exists at `path`, without links and `..`. What is here is for
    /// worlds without links; see [`crate::MemVfs`] for what paths mean there.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.metadata(path)?;
        let names = crate::mem::components(path);
        Ok(Path::new("/").join(names.iter().collect::<PathBuf>()))
    }
    /// Makes the directory's names durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an advisory lock on a file, which is created if missing. Returns the open file, whose
    /// last drop releases the lock, or `None` if another holder is in the way (also one in the
    /// same process). Never waits.
    fn lock(&self, path: &Path, mode: LockMode) -> io::Result<Option<FileRef>>;
    /// Free space for an ordinary user on the file system that holds `path`, in bytes.
    fn available_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Microseconds since the Unix epoch; may jump.
    fn wall_micros(&self) -> u64;
    /// Fills `buffer` with random bytes, good enough for keys.
    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()>;
    /// Starts a thread.
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle>;
    /// Blocks the calling thread.
    fn sleep(&self, duration: Duration);
}

/// An open file with positional reads and writes.
pub trait File: Debug + Send + Sync {
    /// Reads into `buffer`; may read less than asked. Zero means end of file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes from `buffer`; may write less than asked. Extends the file if need be.
    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes contents and length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Asks the system to begin to write these bytes to the disk, so that a sync that comes later
    /// has less to wait for. Makes nothing durable, and leaves errors to that sync. Does nothing
    /// where the system has no way to ask.
    fn begin_writeback(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves disk space for a range without changing what reads see, where the file system can.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;
}

/// Whole reads and writes over [`File`], which may do them in part or be interrupted.
pub trait FileExt {
    /// Fills `buffer`, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `buffer`.
    fn write_all_at(&self, buffer: &[u8], offset: u64) -> io::Result<()>;
}

impl<F: File + ?Sized> FileExt for F {
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn write_all_at(&self, mut buffer: &[u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    buffer = &buffer[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Waits for a thread started by [`Vfs::spawn`]. Dropping it detaches the thread.
pub struct JoinHandle(Box<dyn FnOnce() -> bool + Send>);

impl JoinHandle {
    /// Wraps the way to wait; the closure returns whether the thread ended without a panic.
    pub fn new(join: Box<dyn FnOnce() -> bool + Send>) -> Self {
        Self(join)
    }

    /// Waits for the thread to end; `false` if it panicked.
    pub fn join(self) -> bool {
        (self.0)()
    }
}

impl Debug for JoinHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinHandle")
    }
}
