//! The layout of a value file, and reading from it.
//!
//! ```text
//! record at offset P
//! +----------------------------+---------+----------------+---------+----------------+----
//! | head: length u64, xxh3 u64 | trailer | frame: 64 KiB  | trailer | frame: 64 KiB  | ...
//! +----------------------------+---------+----------------+---------+----------------+----
//! ```
//!
//! All lengths follow from the value's length, so a pointer reaches any frame directly. Heads
//! make the file readable without pointers; a read by pointer does not need them, because every
//! frame is sealed together with its record's offset and length.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustdb_vfs::{FileExt, FileRef, OpenMode, Vfs};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::pointer::ValuePointer;
use crate::envelope::{Envelope, FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};
use crate::key::{FileNumber, VALUE_BYTES_MAX};

/// The contents of a full frame, in bytes.
pub const FRAME_BYTES: usize = 64 << 10;

/// While a file is read, progress is told after so many bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How many frames are read or written at once.
pub(super) const FRAMES_AT_ONCE: usize = 16;

/// The contents of a record's head, in bytes.
pub(super) const HEAD_BYTES: usize = 16;

/// Block kinds of a value file. The numbers are on disk and are never reused; zero is invalid.
pub(super) mod block_kind {
    /// The head of a record.
    pub(in crate::value) const HEAD: u8 = 1;
    /// A piece of a value.
    pub(in crate::value) const FRAME: u8 = 2;
}

/// How many frames a value of `length` bytes takes.
fn frame_count(length: u64) -> u64 {
    length.div_ceil(FRAME_BYTES as u64)
}

/// The length of the record of a value of `length` bytes, if sealing a block adds `overhead`.
pub(super) fn record_bytes(length: u64, overhead: usize) -> u64 {
    HEAD_BYTES as u64 + length + (1 + frame_count(length)) * overhead as u64
}

/// What a frame's trailer vouches for besides its contents.
pub(super) fn frame_aad(record: u64, length: u64) -> [u8; 16] {
    let mut aad = [0; 16];
    aad[..8].copy_from_slice(&record.to_le_bytes());
    aad[8..].copy_from_slice(&length.to_le_bytes());
    aad
}

/// What [`ValueFile::verify`] found in an undamaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValueFileReport {
    /// How many values the file holds, dead ones included.
    pub values: u64,
    /// The length of these values.
    pub value_bytes: u64,
}

/// A value file open for reading.
#[derive(Debug)]
pub(super) struct ValueFile {
    pub(super) number: FileNumber,
    path: PathBuf,
    file: FileRef,
    envelope: Envelope,
    /// A length the file is known to have; it only grows.
    len: AtomicU64,
    /// Set by reads, cleared by the store when it looks for a file to close.
    pub(super) used: AtomicBool,
}

impl ValueFile {
    /// Opens a value file and checks its header.
    pub(super) fn open(
        vfs: &dyn Vfs,
        security: &Security,
        path: &Path,
        number: FileNumber,
    ) -> Result<Self> {
        let io = |operation, e| Error::io(operation, path, e);
        let file = vfs.open(path, OpenMode::Read).map_err(|e| io("open", e))?;
        let len = file.len().map_err(|e| io("read the length of", e))?;
        let mut header = [0; HEADER_BYTES];
        let available = HEADER_BYTES.min(usize::try_from(len).unwrap_or(HEADER_BYTES));
        file.read_exact_at(&mut header[..available], 0)
            .map_err(|e| io("read", e))?;
        let envelope = Envelope::open(security, path, &header[..available], FileKind::Value)?;
        Ok(Self {
            number,
            path: path.to_path_buf(),
            file,
            envelope,
            len: AtomicU64::new(len),
            used: AtomicBool::new(true),
        })
    }

    /// Reads a whole value and checks it against its pointer.
    pub(super) fn read(&self, pointer: &ValuePointer) -> Result<Vec<u8>> {
        let value = self.read_range(pointer, 0, pointer.length)?;
        if xxh3_64(&value) != pointer.checksum {
            let reason = "value is not the one its pointer was made for";
            return Err(self.corruption(pointer.offset, reason));
        }
        Ok(value)
    }

    /// Reads `count` bytes of a value from `start` on. The range must lie within the value.
    pub(super) fn read_range(
        &self,
        pointer: &ValuePointer,
        start: u64,
        count: u64,
    ) -> Result<Vec<u8>> {
        let inside = start
            .checked_add(count)
            .is_some_and(|end| end <= pointer.length);
        if !inside {
            return Err(Error::InvalidArgument(format!(
                "{count} bytes at {start} are not within a value of {} bytes",
                pointer.length
            )));
        }
        self.check_extent(pointer)?;
        let mut value = Vec::new();
        if count == 0 {
            return Ok(value);
        }
        let frame = |position: u64| position / FRAME_BYTES as u64;
        let (first, last) = (frame(start), frame(start + count - 1));
        if first == last && count == self.frame_length(pointer.length, first) {
            // One whole frame is unsealed where it was read to, without a copy.
            self.read_frames(pointer, first, 1, &mut value)?;
            return Ok(value);
        }
        self.reserve(&mut value, count)?;
        let mut scratch = Vec::new();
        let mut next = first;
        while next <= last {
            let frames = (last - next + 1).min(FRAMES_AT_ONCE as u64);
            self.read_frames(pointer, next, frames, &mut scratch)?;
            let base = next * FRAME_BYTES as u64;
            let from = start.saturating_sub(base) as usize;
            let to = (start + count - base).min(scratch.len() as u64) as usize;
            value.extend_from_slice(&scratch[from..to]);
            next += frames;
        }
        Ok(value)
    }

    /// Reads every record up to `end` and checks all of it. Tells `progress` the offset it has come
    /// to, and ends with its error.
    pub(super) fn verify(
        &self,
        end: u64,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<ValueFileReport> {
        let mut report = ValueFileReport::default();
        let mut offset = HEADER_BYTES as u64;
        let mut told = 0;
        let mut tell = |offset: u64| match offset - told >= PROGRESS_BYTES && offset < end {
            true => {
                told = offset;
                progress(offset)
            }
            false => Ok(()),
        };
        self.check_length(end)?;
        while offset < end {
            let pointer = self.read_head(offset, end)?;
            self.verify_frames(&pointer, &mut tell)?;
            report.values += 1;
            report.value_bytes += pointer.length;
            offset += record_bytes(pointer.length, self.envelope.overhead());
            tell(offset)?;
        }
        Ok(report)
    }

    /// Reads and checks one value, keeping nothing.
    pub(super) fn check(&self, pointer: &ValuePointer) -> Result<()> {
        self.check_extent(pointer)?;
        self.verify_frames(pointer, &mut |_| Ok(()))
    }

    /// Checks that the head at a pointer's place says what the pointer says.
    pub(super) fn check_head(&self, pointer: &ValuePointer) -> Result<()> {
        self.check_extent(pointer)?;
        let end = pointer.offset + record_bytes(pointer.length, self.envelope.overhead());
        if self.read_head(pointer.offset, end)? == *pointer {
            return Ok(());
        }
        Err(self.corruption(
            pointer.offset,
            "there is another value here than is referred to",
        ))
    }

    /// Walks the heads from the start until one is not whole: what is in the file, and where that
    /// ends. The values themselves are not read.
    pub(super) fn survey(&self) -> Result<(ValueFileReport, u64)> {
        let end = self
            .file
            .len()
            .map_err(|e| Error::io("measure", &self.path, e))?;
        let mut report = ValueFileReport::default();
        let mut offset = HEADER_BYTES as u64;
        while offset < end {
            let pointer = match self.read_head(offset, end) {
                Ok(pointer) => pointer,
                Err(Error::Corruption(_)) => break,
                Err(error) => return Err(error),
            };
            report.values += 1;
            report.value_bytes += pointer.length;
            offset += record_bytes(pointer.length, self.envelope.overhead());
        }
        Ok((report, offset))
    }

    /// What sealed the file.
    pub(super) fn data_key_id(&self) -> u32 {
        self.envelope.header().data_key_id
    }

    /// Reads a value piece by piece and checks its checksum, keeping nothing.
    fn verify_frames(
        &self,
        pointer: &ValuePointer,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let mut hasher = Xxh3::new();
        let mut scratch = Vec::new();
        let all = frame_count(pointer.length);
        let mut next = 0;
        while next < all {
            let frames = (all - next).min(FRAMES_AT_ONCE as u64);
            self.read_frames(pointer, next, frames, &mut scratch)?;
            hasher.update(&scratch);
            next += frames;
            progress(pointer.offset + pointer.length.min(next * FRAME_BYTES as u64))?;
        }
        if hasher.digest() != pointer.checksum {
            return Err(self.corruption(pointer.offset, "value checksum does not match"));
        }
        Ok(())
    }

    /// Reads the head of the record at `offset`, which must end at or before `end`.
    fn read_head(&self, offset: u64, end: u64) -> Result<ValuePointer> {
        let mut head = vec![0; HEAD_BYTES + self.envelope.overhead()];
        if head.len() as u64 > end - offset {
            return Err(self.corruption(offset, "file ends within the head of a value"));
        }
        self.file
            .read_exact_at(&mut head, offset)
            .map_err(|e| Error::io("read", &self.path, e))?;
        self.envelope
            .unseal(offset, block_kind::HEAD, &[], &mut head)
            .map_err(|bad| bad.at(&self.path, offset))?;
        let (length, checksum) = head
            .split_first_chunk::<8>()
            .and_then(|(length, rest)| {
                let checksum = u64::from_le_bytes(rest.try_into().ok()?);
                Some((u64::from_le_bytes(*length), checksum))
            })
            .ok_or_else(|| self.corruption(offset, "head of a value has the wrong length"))?;
        if length > VALUE_BYTES_MAX as u64 {
            return Err(self.corruption(offset, "value is longer than a value can be"));
        }
        if record_bytes(length, self.envelope.overhead()) > end - offset {
            return Err(self.corruption(offset, "file ends within a value"));
        }
        Ok(ValuePointer {
            file: self.number,
            offset,
            length,
            checksum,
        })
    }

    /// Reads `count` frames of a value from frame `first` on and replaces `out` with their
    /// contents.
    fn read_frames(
        &self,
        pointer: &ValuePointer,
        first: u64,
        count: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let overhead = self.envelope.overhead();
        let sealed_frame = (FRAME_BYTES + overhead) as u64;
        let start = pointer.offset + (HEAD_BYTES + overhead) as u64 + first * sealed_frame;
        let contents: u64 = (first..first + count)
            .map(|frame| self.frame_length(pointer.length, frame))
            .sum();
        let sealed = contents + count * overhead as u64;
        out.clear();
        self.reserve(out, sealed)?;
        out.resize(sealed as usize, 0);
        self.file
            .read_exact_at(out, start)
            .map_err(|e| Error::io("read", &self.path, e))?;
        let aad = frame_aad(pointer.offset, pointer.length);
        let (mut from, mut to) = (0, 0);
        for frame in first..first + count {
            let end = from + self.frame_length(pointer.length, frame) as usize + overhead;
            let position = start + from as u64;
            let length = self
                .envelope
                .unseal_slice(position, block_kind::FRAME, &aad, &mut out[from..end])
                .map_err(|bad| bad.at(&self.path, position))?;
            // Frames close up over the trailers between them.
            if from != to {
                out.copy_within(from..from + length, to);
            }
            to += length;
            from = end;
        }
        out.truncate(to);
        Ok(())
    }

    /// The length of the contents of one frame of a value of `length` bytes.
    fn frame_length(&self, length: u64, frame: u64) -> u64 {
        (length - frame * FRAME_BYTES as u64).min(FRAME_BYTES as u64)
    }

    /// Checks that the record of `pointer` lies within the file, before anything is allocated.
    fn check_extent(&self, pointer: &ValuePointer) -> Result<()> {
        let bytes = record_bytes(pointer.length, self.envelope.overhead());
        match pointer.offset.checked_add(bytes) {
            Some(end) => self.check_length(end),
            None => Err(self.corruption(pointer.offset, "value lies beyond the end of all files")),
        }
    }

    /// Checks that the file has at least `end` bytes.
    fn check_length(&self, end: u64) -> Result<()> {
        if end <= self.len.load(Ordering::Relaxed) {
            return Ok(());
        }
        let len = self
            .file
            .len()
            .map_err(|e| Error::io("read the length of", &self.path, e))?;
        self.len.fetch_max(len, Ordering::Relaxed);
        if end <= len {
            return Ok(());
        }
        Err(self.corruption(len, format!("file ends here, but should have {end} bytes")))
    }

    /// Makes room for a value, or fails without aborting the process.
    fn reserve(&self, out: &mut Vec<u8>, bytes: u64) -> Result<()> {
        let reserved = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| out.try_reserve_exact(bytes).ok());
        reserved.ok_or_else(|| {
            let source = io::ErrorKind::OutOfMemory.into();
            Error::io("allocate memory for a value of", &self.path, source)
        })
    }

    fn corruption(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::corruption(&self.path, offset, reason)
    }
}
