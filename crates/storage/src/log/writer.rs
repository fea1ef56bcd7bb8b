//! Writing a log.
//!
//! Appending only fills a buffer. Moving the buffer to the file is a separate step, a
//! [`Transfer`], that needs no access to the writer while it runs: whoever shares a writer behind
//! a lock begins a transfer under the lock, runs it outside, and completes it under the lock,
//! while others go on appending. [`LogWriter::flush`] and [`LogWriter::sync`] are the three steps
//! in one.
//!
//! A sync of a file that grows costs the file system a journal commit; one that only overwrites
//! does not. So a sync that reaches the end of the file also writes zeros ahead of it, and the
//! next few thousand syncs overwrite zeros. Logs that are never synced are not filled.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_vfs::{File, FileExt, FileRef, OpenMode, Vfs, VfsRef};

use super::frame::{
    ALIGNMENT, END_KIND, PAYLOAD_BYTES_MAX, PROMISE_KIND, RECORD_HEADER_BYTES, RecordHeader,
};
use super::hand::{LogHand, WriteBack};
use crate::envelope::{Envelope, FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};

/// The least and the most that one sync fills ahead. It fills as much as the log is long, so that
/// short logs stay short.
const FILL_BYTES_MIN: u64 = 64 << 10;
const FILL_BYTES_MAX: u64 = 1 << 20;

/// Filling ahead pays if this many syncs like the one at hand fit into it. Zeros cost as much to
/// write as records, so a sync that carries much does better to let the file grow.
const FILL_SYNCS_MIN: u64 = 16;

/// When so much was written since the last sync, the system is asked to begin to write it to the
/// disk. Else the sync that ends a segment of commits that ask for none would take as long as the
/// whole segment.
const WRITEBACK_BYTES: u64 = 1 << 20;

/// Writing back stops short of the end, which is not written to twice that way.
const WRITEBACK_ALIGNMENT: u64 = 64 << 10;

/// So much may be appended before a transfer that another thread runs has ended.
const BEHIND_BYTES_MAX: usize = 1 << 20;

/// A buffer that grew beyond this is given back after use.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// Written ahead of the records, in pieces.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Appends records to a new log.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: FileRef,
    envelope: Envelope,
    /// Records that no transfer has taken yet.
    buffer: Vec<u8>,
    /// The buffer of the last transfer, empty, for reuse.
    spare: Vec<u8>,
    /// The offset of the buffer's first byte; all before it was handed to transfers.
    buffer_start: u64,
    /// All before this was handed to the operating system.
    flushed: u64,
    /// All before this is durable.
    synced: u64,
    /// The system was asked to begin to write all before this to the disk.
    written_back: u64,
    /// The highest promise a record carries.
    promised: u64,
    /// Up to here the file is written, with records or zeros, and as long.
    filled: u64,
    next_number: u64,
    in_transfer: bool,
    /// Who runs transfers that nobody waits for.
    hand: Option<Arc<LogHand>>,
    /// Whether the transfer is with the hand.
    is_handed: bool,
    finished: bool,
    failure: Option<Arc<str>>,
}

impl LogWriter {
    /// Creates the file, and makes its header and its name durable.
    pub fn create(
        vfs: &VfsRef,
        security: &Security,
        path: &Path,
        kind: FileKind,
    ) -> Result<LogWriter> {
        let log = Self::create_unsynced(vfs, security, path, kind)?;
        log.file
            .sync_data()
            .map_err(|e| Error::io("sync", path, e))?;
        sync_parent(&**vfs, path)?;
        Ok(log)
    }

    /// As [`LogWriter::create`] for a file that nobody reads before its first records are durable:
    /// the first sync makes the header durable, and the caller the name.
    pub(crate) fn create_unsynced(
        vfs: &VfsRef,
        security: &Security,
        path: &Path,
        kind: FileKind,
    ) -> Result<LogWriter> {
        let (envelope, header) = Envelope::create(security, path, kind)?;
        let file = vfs
            .open(path, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", path, e))?;
        file.write_all_at(&header, 0)
            .map_err(|e| Error::io("write", path, e))?;
        let start = HEADER_BYTES as u64;
        Ok(LogWriter {
            path: path.to_path_buf(),
            file,
            envelope,
            buffer: Vec::new(),
            spare: Vec::new(),
            buffer_start: start,
            flushed: start,
            synced: start,
            written_back: 0,
            promised: 0,
            filled: start,
            next_number: 0,
            in_transfer: false,
            hand: None,
            is_handed: false,
            finished: false,
            failure: None,
        })
    }

    /// Leaves what nobody waits for to another thread.
    pub fn with_hand(mut self, hand: Arc<LogHand>) -> Self {
        self.hand = Some(hand);
        self
    }

    /// Appends a record to the buffer and returns the offset of its end. When that much is synced
    /// the record is durable.
    ///
    /// `kind` must be neither zero nor one of the log's own kinds.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<u64> {
        self.append_parts(kind, &[payload])
    }

    /// As [`LogWriter::append`] for a payload that lies in pieces.
    pub fn append_parts(&mut self, kind: u8, parts: &[&[u8]]) -> Result<u64> {
        assert!(
            kind != 0 && kind < PROMISE_KIND,
            "record kind {kind} is not the caller's"
        );
        self.append_record(kind, parts)
    }

    /// Appends a record that only tells readers how much is durable, if no record tells so yet.
    /// Returns whether there was something to tell.
    ///
    /// Without it the newest records are vouched for only by those that come after them. It pays
    /// before a pause: one small write, and no sync is needed.
    pub fn append_promise(&mut self) -> Result<bool> {
        self.check_usable()?;
        if self.synced <= self.promised || self.synced == HEADER_BYTES as u64 {
            return Ok(false);
        }
        self.append_record(PROMISE_KIND, &[])?;
        Ok(true)
    }

    fn append_record(&mut self, kind: u8, parts: &[&[u8]]) -> Result<u64> {
        self.check_usable()?;
        assert!(!self.finished, "append to a finished log");
        let payload_bytes: usize = parts.iter().map(|part| part.len()).sum();
        if payload_bytes > PAYLOAD_BYTES_MAX {
            return Err(Error::InvalidArgument(format!(
                "log record of {payload_bytes} bytes is longer than {PAYLOAD_BYTES_MAX} bytes"
            )));
        }
        let header = RecordHeader {
            payload_bytes: u32::try_from(payload_bytes).expect("the limit fits in 32 bits"),
            kind,
            number: self.next_number,
            promise: self.synced,
        };
        let encoded = header.encode(&self.envelope, self.end());
        let start = self.buffer.len();
        self.buffer
            .reserve(header.record_bytes(&self.envelope) as usize);
        self.buffer.extend_from_slice(&encoded);
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        let payload_start = start + RECORD_HEADER_BYTES;
        self.envelope.seal_from(
            header.number,
            kind,
            &encoded,
            &mut self.buffer,
            payload_start,
        );
        self.buffer
            .resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
        assert!(
            (self.buffer.len() - start) as u64 == header.record_bytes(&self.envelope),
            "a record is as long as its header says"
        );
        self.next_number += 1;
        self.promised = self.synced;
        Ok(self.end())
    }

    /// Hands everything appended to the operating system: it survives the process, not the
    /// machine.
    pub fn flush(&mut self) -> Result<()> {
        match self.begin_flush()? {
            Some(transfer) => self.run(transfer),
            None => Ok(()),
        }
    }

    /// Has everything appended handed to the operating system, soon, by another thread if there is
    /// one. Its failure is learnt from a later call.
    pub fn flush_later(&mut self) -> Result<()> {
        if let Some(hand) = self.hand.as_ref().filter(|_| self.is_handed) {
            match hand.try_take_back() {
                Some(transfer) => self.accept(transfer)?,
                None if self.buffer.len() < BEHIND_BYTES_MAX => return Ok(()),
                None => {}
            }
        }
        let Some(transfer) = self.begin_flush()? else {
            return Ok(());
        };
        let refused = match &self.hand {
            Some(hand) => hand.give(transfer),
            None => Some(transfer),
        };
        self.is_handed = refused.is_none();
        refused.map_or(Ok(()), |transfer| self.run(transfer))
    }

    /// Completes the transfer that another thread may have.
    fn settle(&mut self) -> Result<()> {
        if !self.is_handed {
            return Ok(());
        }
        let handed = self.hand.as_ref().and_then(|hand| hand.take_back());
        self.accept(handed.expect("what was handed over is there until it is taken back"))
    }

    /// Completes a transfer that was taken back, whoever runs it.
    fn accept(&mut self, mut transfer: Transfer) -> Result<()> {
        self.is_handed = false;
        if transfer.outcome.is_none() {
            transfer.run();
        }
        self.complete(transfer)
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> Result<()> {
        match self.begin_sync()? {
            Some(transfer) => self.run(transfer),
            None => Ok(()),
        }
    }

    /// Appends the record that ends a log, and syncs. Nothing can be appended after it.
    pub fn finish(&mut self) -> Result<()> {
        self.append_record(END_KIND, &[])?;
        self.finished = true;
        self.sync()
    }

    /// Begins to hand what is appended to the operating system; `None` if there is nothing to do.
    ///
    /// There is one transfer at a time: complete it before the next begins.
    pub fn begin_flush(&mut self) -> Result<Option<Transfer>> {
        self.settle()?;
        self.check_usable()?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.begin(Goal::Flush)))
    }

    /// Begins to make what is appended durable; `None` if it is already.
    pub fn begin_sync(&mut self) -> Result<Option<Transfer>> {
        self.settle()?;
        self.check_usable()?;
        if self.synced == self.end() {
            return Ok(None);
        }
        Ok(Some(self.begin(Goal::Sync {
            fill: self.fill_bytes(),
        })))
    }

    /// How many zeros the sync of what is appended should write behind it.
    fn fill_bytes(&self) -> u64 {
        let end = self.end();
        let fill = end
            .next_power_of_two()
            .clamp(FILL_BYTES_MIN, FILL_BYTES_MAX);
        let pays = (end - self.synced) * FILL_SYNCS_MIN <= fill;
        if end >= self.filled && pays { fill } else { 0 }
    }

    fn begin(&mut self, goal: Goal) -> Transfer {
        assert!(!self.in_transfer, "one transfer at a time");
        self.in_transfer = true;
        let bytes = std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare));
        let start = self.buffer_start;
        self.buffer_start += bytes.len() as u64;
        Transfer {
            path: self.path.clone(),
            file: Arc::clone(&self.file),
            bytes,
            start,
            goal,
            outcome: None,
        }
    }

    fn run(&mut self, mut transfer: Transfer) -> Result<()> {
        transfer.run();
        self.complete(transfer)
    }

    /// Takes the outcome of a transfer. After a failure, which includes a transfer that was not
    /// run, the writer takes nothing more.
    pub fn complete(&mut self, transfer: Transfer) -> Result<()> {
        assert!(self.in_transfer, "a transfer is completed once");
        assert!(
            Arc::ptr_eq(&self.file, &transfer.file),
            "a transfer belongs to its writer"
        );
        self.in_transfer = false;
        let end = transfer.end();
        let outcome = transfer
            .outcome
            .unwrap_or_else(|| Err(abandoned(&self.path)));
        match outcome {
            Ok(filled) => {
                self.flushed = end;
                self.filled = self.filled.max(filled);
                match transfer.goal {
                    Goal::Flush => self.write_back(),
                    Goal::Sync { .. } => self.synced = end,
                }
                self.spare = transfer.bytes;
                self.spare.clear();
                self.spare.shrink_to(BUFFER_BYTES_KEPT);
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error.to_string().into());
                Err(error)
            }
        }
    }

    /// Has the system begin to write to the disk, if that is worth it.
    fn write_back(&mut self) {
        let start = self.written_back.max(self.synced);
        let end = self.flushed - self.flushed % WRITEBACK_ALIGNMENT;
        if end >= start + WRITEBACK_BYTES {
            let write_back = WriteBack {
                file: Arc::clone(&self.file),
                start,
                bytes: end - start,
            };
            // The call may take as long as a hundred commits.
            match &self.hand {
                Some(hand) => hand.write_back(write_back),
                None => write_back.begin(),
            }
            self.written_back = end;
        }
    }

    /// Fills the file with zeros up to `bytes` and syncs it, so that syncs up to there never
    /// grow it. For segments that are prepared ahead of their use.
    pub fn prefill(&mut self, bytes: u64) -> Result<()> {
        self.check_usable()?;
        assert!(
            self.flushed == HEADER_BYTES as u64,
            "only a fresh log is filled ahead"
        );
        let outcome = fill(&*self.file, self.filled, bytes).and_then(|()| self.file.sync_data());
        match outcome {
            Ok(()) => {
                self.filled = self.filled.max(bytes);
                Ok(())
            }
            Err(e) => {
                let error = Error::io("fill", &self.path, e);
                self.failure = Some(error.to_string().into());
                Err(error)
            }
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The offset at which the next record begins.
    pub fn end(&self) -> u64 {
        self.buffer_start + self.buffer.len() as u64
    }

    /// How many bytes wait in the buffer.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// All before this offset was handed to the operating system.
    pub fn flushed(&self) -> u64 {
        self.flushed
    }

    /// All before this offset is durable.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Whether a failure has ended the writer.
    pub fn is_poisoned(&self) -> bool {
        self.failure.is_some()
    }

    /// How much the system was asked to write to the disk without a sync.
    #[cfg(test)]
    pub(super) fn written_back(&self) -> u64 {
        self.written_back
    }

    /// Pretends that the file was created with another id.
    #[cfg(test)]
    pub(super) fn use_envelope(&mut self, envelope: Envelope) {
        self.envelope = envelope;
    }

    fn check_usable(&self) -> Result<()> {
        match &self.failure {
            Some(failure) => Err(Error::Poisoned(Arc::clone(failure))),
            None => Ok(()),
        }
    }
}

/// Records on their way from a writer's buffer to its file.
#[derive(Debug)]
pub struct Transfer {
    path: PathBuf,
    file: FileRef,
    bytes: Vec<u8>,
    start: u64,
    goal: Goal,
    /// How far the file is filled, or what went wrong; `None` until run.
    outcome: Option<Result<u64>>,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    /// Write.
    Flush,
    /// Write, write this many zeros behind, and sync.
    Sync { fill: u64 },
}

impl Transfer {
    /// Writes, and syncs if the transfer is to make its records durable. Runs once; the outcome
    /// is learnt from [`LogWriter::complete`].
    pub fn run(&mut self) {
        assert!(self.outcome.is_none(), "a transfer runs once");
        self.outcome = Some(self.write());
    }

    /// The offset up to which the log is flushed or synced when the transfer is complete.
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn write(&self) -> Result<u64> {
        let mut filled = self.end();
        if !self.bytes.is_empty() {
            self.file
                .write_all_at(&self.bytes, self.start)
                .map_err(|e| Error::io("write", &self.path, e))?;
        }
        if let Goal::Sync { fill: fill_bytes } = self.goal {
            match fill(&*self.file, filled, filled + fill_bytes) {
                Ok(()) => filled += fill_bytes,
                // The records are written. Without space for zeros the next sync is slower.
                Err(e) if e.kind() == io::ErrorKind::StorageFull => {}
                Err(e) => return Err(Error::io("fill", &self.path, e)),
            }
            self.file
                .sync_data()
                .map_err(|e| Error::io("sync", &self.path, e))?;
        }
        Ok(filled)
    }
}

fn fill(file: &dyn File, mut start: u64, end: u64) -> io::Result<()> {
    while start < end {
        let len = (end - start).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..len as usize], start)?;
        start += len;
    }
    Ok(())
}

fn sync_parent(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    vfs.sync_dir(directory)
        .map_err(|e| Error::io("sync", directory, e))
}

fn abandoned(path: &Path) -> Error {
    Error::Poisoned(format!("a write to `{}` was begun and not run", path.display()).into())
}
