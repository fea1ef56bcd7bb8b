//! The operating system.
//!
//! Files and directories belong to their owner only. Locks are `flock`s, which belong to an open
//! file and not to a process, so that a second opening in the same process is refused as well.
//! Nothing is retried here: short and interrupted calls are for [`FileExt`](crate::FileExt).

#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that the ban points to"
)]

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::file::{DirEntry, File, FileRef, JoinHandle, LockMode, Metadata, OpenMode, Vfs, VfsRef};

/// The operating system's files, clock, randomness and threads.
#[derive(Debug)]
pub struct OsVfs {
    start: Instant,
}

impl OsVfs {
    /// Starts the clock of [`Vfs::monotonic`].
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// A new one, shared.
    pub fn shared() -> VfsRef {
        Arc::new(Self::new())
    }
}

impl Default for OsVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl Vfs for OsVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FileRef> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        let file = options.open(path)?;
        // Opening a directory for reading succeeds; reading from it would be the first error.
        if mode == OpenMode::Read && file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(OsFile { file }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since it was listed.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            entries.push(DirEntry {
                path: entry.path(),
                name: entry.file_name().to_string_lossy().into_owned(),
                len: if metadata.is_dir() { 0 } else { metadata.len() },
                is_dir: metadata.is_dir(),
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = fs::metadata(path)?;
        let is_dir = metadata.is_dir();
        Ok(Metadata {
            len: if is_dir { 0 } else { metadata.len() },
            is_dir,
        })
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let directory = OpenOptions::new().read(true).open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        match directory.sync_all() {
            // Some network file systems cannot sync a directory, and need not.
            Err(e) if e.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            result => result,
        }
    }

    fn lock(&self, path: &Path, mode: LockMode) -> io::Result<Option<FileRef>> {
        let file = open_lock_file(path, mode)?;
        let operation = match mode {
            LockMode::Shared => FlockOperation::NonBlockingLockShared,
            LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match rustix::fs::flock(&file, operation) {
            Ok(()) => Ok(Some(Arc::new(OsFile { file }))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(path)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_micros(&self) -> u64 {
        wall_micros()
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        fill_random(buffer)
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
        spawn(name, body)
    }

    fn sleep(&self, duration: Duration) {
        sleep(duration);
    }
}

/// Opens a lock file, which must be writable unless the lock is shared: a reader can lock a
/// database on a read-only file system.
fn open_lock_file(path: &Path, mode: LockMode) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    match options.open(path) {
        Err(e)
            if mode == LockMode::Shared
                && matches!(
                    e.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
        {
            OpenOptions::new().read(true).open(path)
        }
        result => result,
    }
}

pub(crate) fn wall_micros() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn fill_random(buffer: &mut [u8]) -> io::Result<()> {
    getrandom::fill(buffer).map_err(io::Error::other)
}

pub(crate) fn spawn(name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)?;
    Ok(JoinHandle::new(Box::new(move || thread.join().is_ok())))
}

pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

#[derive(Debug)]
struct OsFile {
    file: fs::File,
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        // `fdatasync`, which includes the length; `F_FULLFSYNC` on macOS.
        self.file.sync_data()
    }

    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "no crate that we have wraps this call")]
    fn begin_writeback(&self, offset: u64, len: u64) {
        let (Ok(offset), Ok(len)) = (offset.try_into(), len.try_into()) else {
            return;
        };
        let flags = libc::SYNC_FILE_RANGE_WRITE;
        // SAFETY: the descriptor is open as long as the file is borrowed, and no memory is passed.
        // Without a flag to wait, the call neither reports nor forgets errors of the writes.
        unsafe { libc::sync_file_range(self.file.as_raw_fd(), offset, len, flags) };
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, flags, offset, len) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Elsewhere there is no way to reserve space that keeps the length.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn allocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
}
