//! Appending values, and making them durable.
//!
//! A writer keeps a few *active* files. An append takes one out of the pool, so that a value of
//! a gigabyte does not hold up a small one, and no lock is held while bytes are written. The
//! record is in the operating system's hands when the append returns; [`ValuePin::sync`] makes it
//! durable, and one system call serves all pins of a file that wait at the same time.
//!
//! A file that failed to take an append keeps its earlier values and gets no new ones. A file
//! that failed to sync is unsure as a whole: every value that was not synced before is refused
//! from then on, and the sync is never tried again, for the system may have dropped the pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::sync::{Condvar, Mutex};
use rustdb_vfs::{FileExt, FileRef, OpenMode};
use xxhash_rust::xxh3::xxh3_64;

use super::file::{FRAME_BYTES, FRAMES_AT_ONCE, HEAD_BYTES, block_kind, frame_aad, record_bytes};
use super::pointer::ValuePointer;
use super::store::ValueStore;
use crate::envelope::{Envelope, FileKind, HEADER_BYTES};
use crate::error::{Error, Result};
use crate::key::{FileNumber, VALUE_BYTES_MAX};
use crate::manifest::ValueFileMeta;
use crate::names;

/// How a [`ValueWriter`] spreads values over files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueOptions {
    /// A file that has reached this length gets no further values.
    pub file_bytes_max: u64,
    /// How many files take appends at the same time; further appends wait.
    pub active_files_max: usize,
}

impl Default for ValueOptions {
    fn default() -> Self {
        Self {
            file_bytes_max: 256 << 20,
            active_files_max: 4,
        }
    }
}

/// Appends values to value files. Values of commits and values moved by compactions go through
/// different writers, so that old and new values do not share files. Clones share everything.
#[derive(Clone, Debug)]
pub struct ValueWriter {
    store: ValueStore,
    options: ValueOptions,
    pool: Arc<Pool>,
}

/// A value that was appended.
#[derive(Debug)]
pub struct Appended {
    /// Where it is.
    pub pointer: ValuePointer,
    /// Keeps its file until something that counts refers to it.
    pub pin: ValuePin,
}

/// Keeps a value file from being collected while a pointer into it is on its way: from the append
/// until the pointer is in a memtable or in an installed table.
#[derive(Debug)]
pub struct ValuePin {
    file: Arc<WrittenFile>,
    end: u64,
}

#[derive(Debug)]
struct Pool {
    state: Mutex<PoolState>,
    returned: Condvar,
}

#[derive(Debug)]
struct PoolState {
    /// Active files nobody appends to right now.
    idle: Vec<ActiveFile>,
    /// How many files are active, idle ones included.
    active: usize,
}

/// A file that takes appends. Owned by whoever appends.
#[derive(Debug)]
struct ActiveFile {
    shared: Arc<WrittenFile>,
    file: FileRef,
    envelope: Envelope,
    end: u64,
}

/// What is known about a file written by this process.
#[derive(Debug)]
pub(super) struct WrittenFile {
    number: FileNumber,
    path: std::path::PathBuf,
    created_micros: u64,
    data_key_id: u32,
    pins: AtomicU64,
    state: Mutex<WrittenState>,
    synced: Condvar,
}

#[derive(Debug)]
struct WrittenState {
    /// The handle for syncs; `None` once the file is complete and synced.
    file: Option<FileRef>,
    /// The end of the last complete record.
    written_end: u64,
    /// Everything before this is durable.
    synced_end: u64,
    values: u64,
    value_bytes: u64,
    /// Whether a writer may still append.
    active: bool,
    /// Whether a thread is syncing.
    syncing: bool,
    /// Why nothing beyond `synced_end` can be relied on.
    failure: Option<Error>,
}

impl ValueWriter {
    /// A writer that creates its files in the directory of `store`, when it needs them.
    pub fn new(store: ValueStore, options: ValueOptions) -> Self {
        let pool = Pool {
            state: Mutex::new(PoolState {
                idle: Vec::new(),
                active: 0,
            }),
            returned: Condvar::new(),
        };
        Self {
            store,
            options,
            pool: Arc::new(pool),
        }
    }

    /// Appends a value. It can be read when this returns, and survives the end of the process,
    /// but not that of the machine: see [`ValuePin::sync`].
    pub fn append(&self, value: &[u8]) -> Result<Appended> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::InvalidArgument(format!(
                "value has {} bytes, but at most {VALUE_BYTES_MAX} are possible",
                value.len()
            )));
        }
        let mut active = self.take()?;
        match active.append(value) {
            Ok(appended) if active.end < self.options.file_bytes_max => {
                self.put_back(active);
                Ok(appended)
            }
            Ok(appended) => {
                self.retire();
                active.shared.complete().map(|()| appended)
            }
            Err(error) => {
                self.retire();
                active.shared.state.lock().active = false;
                Err(error)
            }
        }
    }

    /// Syncs and closes all files that nobody appends to at the moment; later appends begin new
    /// ones.
    pub fn finish(&self) -> Result<()> {
        let idle = {
            let mut pool = self.pool.state.lock();
            pool.active -= pool.idle.len();
            std::mem::take(&mut pool.idle)
        };
        self.pool.returned.notify_all();
        idle.iter().try_for_each(|file| file.shared.complete())
    }

    /// Takes an idle file, or creates one, or waits for one.
    fn take(&self) -> Result<ActiveFile> {
        let mut pool = self.pool.state.lock();
        loop {
            if let Some(file) = pool.idle.pop() {
                if file.shared.is_sound() {
                    return Ok(file);
                }
                pool.active -= 1;
                continue;
            }
            if pool.active < self.options.active_files_max.max(1) {
                pool.active += 1;
                break;
            }
            self.pool.returned.wait(&mut pool);
        }
        drop(pool);
        let created = ActiveFile::create(&self.store);
        if created.is_err() {
            self.retire();
        }
        created
    }

    fn put_back(&self, file: ActiveFile) {
        self.pool.state.lock().idle.push(file);
        self.pool.returned.notify_one();
    }

    /// Gives up the place of a file that takes no more appends.
    fn retire(&self) {
        self.pool.state.lock().active -= 1;
        self.pool.returned.notify_one();
    }
}

impl ActiveFile {
    /// Creates a file with a header, under a name that survives a crash.
    fn create(store: &ValueStore) -> Result<Self> {
        let inner = &*store.inner;
        let number = (inner.numbers)();
        let path = names::value(&inner.directory, number);
        let io = |operation, e| Error::io(operation, &path, e);
        let (envelope, header) = Envelope::create(&inner.security, &path, FileKind::Value)?;
        let file = inner
            .vfs
            .open(&path, OpenMode::CreateNew)
            .map_err(|e| io("create", e))?;
        let end = header.len() as u64;
        file.write_all_at(&header, 0).map_err(|e| io("write", e))?;
        inner
            .vfs
            .sync_dir(&inner.directory)
            .map_err(|e| Error::io("sync", &inner.directory, e))?;
        let shared = Arc::new(WrittenFile {
            number,
            created_micros: inner.vfs.wall_micros(),
            data_key_id: envelope.header().data_key_id,
            path,
            pins: AtomicU64::new(0),
            state: Mutex::new(WrittenState {
                file: Some(file.clone()),
                written_end: end,
                synced_end: 0,
                values: 0,
                value_bytes: 0,
                active: true,
                syncing: false,
                failure: None,
            }),
            synced: Condvar::new(),
        });
        inner.written.lock().insert(number, shared.clone());
        Ok(Self {
            shared,
            file,
            envelope,
            end,
        })
    }

    /// Writes the record of a value: a few frames at a time, so that the buffer stays small.
    fn append(&mut self, value: &[u8]) -> Result<Appended> {
        let record = self.end;
        let length = value.len() as u64;
        let checksum = xxh3_64(value);
        let mut buffer = Vec::with_capacity(self.buffer_bytes(value.len()));
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&checksum.to_le_bytes());
        self.envelope
            .seal(record, block_kind::HEAD, &[], &mut buffer);
        let aad = frame_aad(record, length);
        let mut written = record;
        for frames in value.chunks(FRAME_BYTES * FRAMES_AT_ONCE) {
            for frame in frames.chunks(FRAME_BYTES) {
                let start = buffer.len();
                let position = written + start as u64;
                buffer.extend_from_slice(frame);
                self.envelope
                    .seal_from(position, block_kind::FRAME, &aad, &mut buffer, start);
            }
            self.write(&buffer, written)?;
            written += buffer.len() as u64;
            buffer.clear();
        }
        // Only the record of an empty value is still unwritten.
        self.write(&buffer, written)?;
        self.end = record + record_bytes(length, self.envelope.overhead());
        debug_assert_eq!(self.end, written + buffer.len() as u64);
        let pointer = ValuePointer {
            file: self.shared.number,
            offset: record,
            length,
            checksum,
        };
        Ok(self.publish(pointer))
    }

    /// Counts a complete record in, and pins the file.
    fn publish(&self, pointer: ValuePointer) -> Appended {
        let mut state = self.shared.state.lock();
        state.written_end = self.end;
        state.values += 1;
        state.value_bytes += pointer.length;
        self.shared.pins.fetch_add(1, Ordering::Relaxed);
        drop(state);
        Appended {
            pointer,
            pin: ValuePin {
                file: self.shared.clone(),
                end: self.end,
            },
        }
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| Error::io("write", &self.shared.path, e))
    }

    /// How large the buffer for a value becomes.
    fn buffer_bytes(&self, value_bytes: usize) -> usize {
        let overhead = self.envelope.overhead();
        let frames = value_bytes.div_ceil(FRAME_BYTES).min(FRAMES_AT_ONCE);
        HEAD_BYTES + overhead + value_bytes.min(frames * FRAME_BYTES) + frames * overhead
    }
}

impl WrittenFile {
    pub(super) fn meta(&self) -> ValueFileMeta {
        let state = self.state.lock();
        ValueFileMeta {
            number: self.number,
            file_bytes: state.written_end,
            values: state.values,
            value_bytes: state.value_bytes,
            created_micros: self.created_micros,
            data_key_id: self.data_key_id,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        // Pins are taken under the lock by an appender, and there is none once `active` is false.
        !self.state.lock().active && self.pins.load(Ordering::Acquire) == 0
    }

    /// Whether the file can take another append; if not, it is never asked again.
    fn is_sound(&self) -> bool {
        let mut state = self.state.lock();
        state.active &= state.failure.is_none();
        state.active
    }

    /// Makes everything durable that was appended before the call.
    pub(super) fn sync_all(&self) -> Result<()> {
        let end = self.state.lock().written_end;
        // A file that has only a header holds nothing anybody relies on.
        if end == HEADER_BYTES as u64 {
            return Ok(());
        }
        self.sync_to(end)
    }

    /// Syncs a file that takes no more appends, and closes it.
    fn complete(&self) -> Result<()> {
        self.state.lock().active = false;
        let synced = self.sync_all();
        self.state.lock().file = None;
        synced
    }

    /// Makes the file durable up to `end`: by a sync of this thread, or of another one that began
    /// after `end` was written.
    fn sync_to(&self, end: u64) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.synced_end >= end {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if !state.syncing {
                break;
            }
            self.synced.wait(&mut state);
        }
        let target = state.written_end;
        let file = state.file.clone();
        let file = file.expect("the handle is dropped only after everything is synced or failed");
        state.syncing = true;
        drop(state);
        let result = file.sync_data();
        let mut state = self.state.lock();
        state.syncing = false;
        self.synced.notify_all();
        match result {
            Ok(()) => {
                state.synced_end = target;
                Ok(())
            }
            Err(e) => {
                let failure = Error::io("sync", &self.path, e);
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }
}

impl ValuePin {
    /// Makes the value durable.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_to(self.end)
    }

    /// The file that is pinned.
    pub fn file(&self) -> FileNumber {
        self.file.number
    }
}

impl Clone for ValuePin {
    fn clone(&self) -> Self {
        self.file.pins.fetch_add(1, Ordering::Relaxed);
        Self {
            file: self.file.clone(),
            end: self.end,
        }
    }
}

impl Drop for ValuePin {
    fn drop(&mut self) {
        self.file.pins.fetch_sub(1, Ordering::Release);
    }
}
