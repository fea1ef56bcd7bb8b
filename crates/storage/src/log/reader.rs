//! Reading a log from its beginning to wherever it ends.
//!
//! The interesting part is the end. At the first bytes that are not a good record the reader
//! decides between three things:
//!
//! - zeros to the end of the file: the log ends here, cleanly;
//! - a tear: the bytes were being written when the machine stopped, and nobody was told that they
//!   had been kept;
//! - damage: the caller ([`Expect`]) or a record further on (its *promise*) vouches that the
//!   bytes here were durable.
//!
//! To find promises the reader tries every aligned offset up to the end of the file. The record
//! headers' own checksums, which cover the offset, make that quick and safe.
//!
//! What this cannot see: damage to the very last records, which nothing vouches for yet, looks
//! like a tear. Writers narrow that gap with `append_promise` and with an end that the caller
//! remembers.

use std::path::{Path, PathBuf};

use rustdb_vfs::{FileExt, FileRef, OpenMode, Vfs, VfsRef};

use super::frame::{
    ALIGNMENT, END_KIND, NotAHeader, PROMISE_KIND, RECORD_HEADER_BYTES, RecordHeader,
};
use crate::envelope::{Envelope, FileHeader, FileKind, HEADER_BYTES, MAGIC, Security};
use crate::error::{Error, Result};

/// So much is rewritten at once.
const REWRITE_BYTES: usize = 1 << 20;

/// The least that is read at once.
const WINDOW_BYTES: u64 = 256 << 10;

/// What the caller knows about the end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It was finished: it has an end record.
    Finished,
    /// It ends exactly here; what follows is ignored.
    EndAt(u64),
    /// It is durable at least up to here.
    AtLeast(u64),
    /// Nothing: the process that wrote it may have stopped at any moment.
    Open,
}

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// With an end record: the writer closed it.
    Finished,
    /// With a good record, and only zeros, or nothing, behind it.
    Clean {
        /// Where the next record would begin.
        offset: u64,
    },
    /// With bytes that are no record; they were being written and nobody was promised them.
    Torn {
        /// Where these bytes begin.
        offset: u64,
    },
}

/// A record of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it begins.
    pub offset: u64,
    /// Where the next one begins.
    pub end: u64,
    /// What it is, in the caller's terms.
    pub kind: u8,
    /// Its contents.
    pub payload: &'a [u8],
}

/// Reads a log, record by record.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    file: FileRef,
    file_bytes: u64,
    /// `None` if the header was torn, and with it the log empty.
    envelope: Option<Envelope>,
    expect: Expect,
    /// Bytes of the file from `window_start` on; unsealing changes them in place.
    window: Vec<u8>,
    window_start: u64,
    offset: u64,
    next_number: u64,
    /// The highest promise of the records read.
    promised: u64,
    end: Option<LogEnd>,
}

impl LogReader {
    /// Opens a log and checks its header. Nothing is changed on disk.
    ///
    /// A file whose header was torn, because the machine stopped while it was being created, is
    /// an empty log, if `expect` allows one.
    pub fn open(
        vfs: &VfsRef,
        security: &Security,
        path: &Path,
        kind: FileKind,
        expect: Expect,
    ) -> Result<LogReader> {
        let file = vfs
            .open(path, OpenMode::Read)
            .map_err(|e| Error::io("open", path, e))?;
        let file_bytes = file.len().map_err(|e| Error::io("measure", path, e))?;
        let mut reader = LogReader {
            path: path.to_path_buf(),
            file,
            file_bytes,
            envelope: None,
            expect,
            window: Vec::new(),
            window_start: 0,
            offset: 0,
            next_number: 0,
            promised: 0,
            end: None,
        };
        if expect == Expect::EndAt(0) {
            reader.end = Some(LogEnd::Clean { offset: 0 });
            return Ok(reader);
        }
        let header_bytes = file_bytes.min(HEADER_BYTES as u64) as usize;
        let header = reader.bytes(0, header_bytes)?.to_vec();
        match Envelope::open(security, path, &header, kind) {
            Ok(envelope) => {
                reader.envelope = Some(envelope);
                reader.offset = HEADER_BYTES as u64;
            }
            Err(_) if reader.may_be_empty() && reader.header_is_torn(&header)? => {
                reader.end = Some(LogEnd::Torn { offset: 0 });
            }
            Err(error) => return Err(error),
        }
        Ok(reader)
    }

    /// The next record, or `None` at the end of the log; [`LogReader::end`] tells which end.
    ///
    /// After an error the reader must not be used further.
    // Not an iterator: the record borrows the reader's buffer.
    #[expect(
        clippy::should_implement_trait,
        reason = "the record borrows the reader"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        loop {
            let Some(found) = self.step()? else {
                return Ok(None);
            };
            match found.header.kind {
                END_KIND => {
                    self.end = Some(LogEnd::Finished);
                    return Ok(None);
                }
                PROMISE_KIND => {}
                kind => {
                    let start = (found.offset - self.window_start) as usize + RECORD_HEADER_BYTES;
                    let payload = &self.window[start..start + found.header.payload_bytes as usize];
                    return Ok(Some(Record {
                        offset: found.offset,
                        end: self.offset,
                        kind,
                        payload,
                    }));
                }
            }
        }
    }

    /// For salvage, after [`LogReader::next`] has reported damage: goes to the next record that is
    /// whole, and returns its offset, or `None` if there is none. What lies between is lost.
    pub fn skip_damage(&mut self) -> Result<Option<u64>> {
        let limit = match self.expect {
            Expect::EndAt(end) => end.min(self.file_bytes),
            Expect::Finished | Expect::AtLeast(_) | Expect::Open => self.file_bytes,
        };
        self.window.clear();
        let mut at = self.offset + ALIGNMENT as u64;
        while at + RECORD_HEADER_BYTES as u64 <= limit {
            match self.read_record(at)? {
                Ok(found) if found.end <= limit && found.header.number >= self.next_number => {
                    self.next_number = found.header.number;
                    self.offset = at;
                    self.window.clear();
                    return Ok(Some(at));
                }
                // Unsealing has changed what is in the window.
                Ok(_) | Err(BadRecord::Payload) => self.window.clear(),
                Err(_) => {}
            }
            at += ALIGNMENT as u64;
        }
        Ok(None)
    }

    /// How the log ended; `None` until [`LogReader::next`] has returned `None`.
    pub fn end(&self) -> Option<LogEnd> {
        self.end
    }

    /// How much of the log the records read so far promise to be durable.
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// Where the next record begins, or would begin.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Makes durable what was read. Records may have been read from the system's memory only;
    /// sync before relying on them elsewhere, as an end that was written down does.
    ///
    /// What nobody vouches for is written once more: after a failed sync the system may show it
    /// and take it for written, while the disk has nothing of it, and then a sync alone would
    /// succeed and do nothing. The bytes are the same, so a crash meanwhile changes nothing.
    pub fn sync(&self, vfs: &dyn Vfs) -> Result<()> {
        let rewritten = vfs.open(&self.path, OpenMode::ReadWrite).and_then(|file| {
            let mut start = self.promised.min(self.offset);
            let mut chunk = vec![0; REWRITE_BYTES.min((self.offset - start) as usize)];
            while start < self.offset {
                let length = chunk.len().min((self.offset - start) as usize);
                file.read_exact_at(&mut chunk[..length], start)?;
                file.write_all_at(&chunk[..length], start)?;
                start += length as u64;
            }
            file.sync_data()
        });
        rewritten.map_err(|e| Error::io("sync", &self.path, e))
    }

    /// Reads and checks the record at the current offset and moves behind it.
    fn step(&mut self) -> Result<Option<Found>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let offset = self.offset;
        if self.expect == Expect::EndAt(offset) {
            self.end = Some(LogEnd::Clean { offset });
            return Ok(None);
        }
        let found = match self.read_record(offset)? {
            Ok(found) => found,
            Err(reason) => {
                self.end = Some(self.judge_end(offset, reason)?);
                return Ok(None);
            }
        };
        if found.header.number != self.next_number {
            return Err(self.damage(
                offset,
                format!(
                    "record {} where {} was due",
                    found.header.number, self.next_number
                ),
            ));
        }
        if let Expect::EndAt(end) = self.expect
            && found.end > end
        {
            let reason = format!("record reaches beyond the end of the log, {end}");
            return Err(self.damage(offset, reason));
        }
        self.next_number += 1;
        self.promised = self.promised.max(found.header.promise);
        self.offset = found.end;
        Ok(Some(found))
    }

    /// Reads the record at `offset` into the window and unseals it. The inner error says what is
    /// wrong with the bytes.
    fn read_record(&mut self, offset: u64) -> Result<Result<Found, BadRecord>> {
        let remaining = self.file_bytes.saturating_sub(offset);
        if remaining == 0 {
            return Ok(Err(BadRecord::Absent));
        }
        if remaining < RECORD_HEADER_BYTES as u64 {
            return Ok(Err(BadRecord::Cut));
        }
        // The envelope leaves `self` so that the window can be borrowed mutably beside it.
        let Some(envelope) = self.envelope.take() else {
            return Ok(Err(BadRecord::Absent));
        };
        let outcome = self.read_record_with(&envelope, offset, remaining);
        self.envelope = Some(envelope);
        outcome
    }

    fn read_record_with(
        &mut self,
        envelope: &Envelope,
        offset: u64,
        remaining: u64,
    ) -> Result<Result<Found, BadRecord>> {
        let bytes = self.bytes(offset, RECORD_HEADER_BYTES)?;
        let encoded: [u8; RECORD_HEADER_BYTES] =
            *bytes.first_chunk().expect("asked for as many bytes");
        let header = match RecordHeader::decode(envelope, offset, &encoded) {
            Ok(header) => header,
            Err(NotAHeader::Zero) => return Ok(Err(BadRecord::Zero)),
            Err(NotAHeader::Bad) => return Ok(Err(BadRecord::Header)),
        };
        // The length is checked against the file before anything of that length is allocated.
        let record_bytes = header.record_bytes(envelope);
        if record_bytes > remaining {
            return Ok(Err(BadRecord::Cut));
        }
        let record = self.bytes(offset, record_bytes as usize)?;
        let (sealed, padding) =
            record[RECORD_HEADER_BYTES..].split_at_mut(header.sealed_bytes(envelope) as usize);
        if padding.iter().any(|byte| *byte != 0) {
            return Ok(Err(BadRecord::Padding));
        }
        if envelope
            .unseal_slice(header.number, header.kind, &encoded, sealed)
            .is_err()
        {
            return Ok(Err(BadRecord::Payload));
        }
        Ok(Ok(Found {
            offset,
            end: offset + record_bytes,
            header,
        }))
    }

    /// Decides what it means that there is no good record at `offset`.
    fn judge_end(&mut self, offset: u64, reason: BadRecord) -> Result<LogEnd> {
        match self.expect {
            Expect::Finished => {
                return Err(self.damage(offset, format!("{reason}, in a log that was finished")));
            }
            Expect::EndAt(end) => {
                return Err(self.damage(offset, format!("{reason}, in a log that ends at {end}")));
            }
            Expect::AtLeast(durable) if offset < durable => {
                return Err(self.damage(
                    offset,
                    format!("{reason}, in a log that was durable up to {durable}"),
                ));
            }
            Expect::AtLeast(_) | Expect::Open => {}
        }
        match self.scan(offset)? {
            Rest::Zero => Ok(LogEnd::Clean { offset }),
            Rest::Unvouched => Ok(LogEnd::Torn { offset }),
            Rest::Vouched { at, durable } => Err(self.damage(
                offset,
                format!(
                    "{reason}, though the record at {at} says that the log was durable up to \
                     {durable}"
                ),
            )),
        }
    }

    /// Looks for a record behind `offset` that vouches for it.
    fn scan(&mut self, offset: u64) -> Result<Rest> {
        // Unsealing may have changed what is in the window.
        self.window.clear();
        let Some(envelope) = self.envelope.take() else {
            return Ok(Rest::Zero);
        };
        let outcome = self.scan_with(&envelope, offset);
        self.envelope = Some(envelope);
        outcome
    }

    fn scan_with(&mut self, envelope: &Envelope, offset: u64) -> Result<Rest> {
        let mut rest = Rest::Zero;
        let mut at = offset;
        while at < self.file_bytes {
            let len = WINDOW_BYTES.min(self.file_bytes - at) as usize;
            let bytes = self.bytes(at, len)?;
            if bytes.iter().any(|byte| *byte != 0) {
                rest = Rest::Unvouched;
            }
            for (index, candidate) in bytes
                .windows(RECORD_HEADER_BYTES)
                .step_by(ALIGNMENT)
                .enumerate()
            {
                let candidate = candidate.first_chunk().expect("windows have this length");
                let at = at + (index * ALIGNMENT) as u64;
                if RecordHeader::is_plausible(candidate)
                    && let Ok(header) = RecordHeader::decode(envelope, at, candidate)
                    && header.promise > offset
                {
                    return Ok(Rest::Vouched {
                        at,
                        durable: header.promise,
                    });
                }
            }
            // A header may begin in the last bytes of this piece and end in the next.
            at += len as u64;
            if at < self.file_bytes {
                at -= RECORD_HEADER_BYTES as u64;
            }
        }
        Ok(rest)
    }

    /// Whether the caller allows the log to have no record, not even a header.
    fn may_be_empty(&self) -> bool {
        matches!(self.expect, Expect::Open | Expect::AtLeast(0))
    }

    /// Whether a file that has no good header is one whose creation was cut short. Then it holds
    /// nothing else, because records are written only after the header is durable.
    fn header_is_torn(&mut self, header: &[u8]) -> Result<bool> {
        if !matches!(
            FileHeader::decode(&self.path, header),
            Err(Error::Corruption(_))
        ) {
            return Ok(false);
        }
        let magic_or_zero = |(byte, magic): (&u8, &u8)| byte == magic || *byte == 0;
        if !header.iter().zip(&MAGIC).all(magic_or_zero) {
            return Ok(false);
        }
        let mut at = HEADER_BYTES as u64;
        while at < self.file_bytes {
            let len = WINDOW_BYTES.min(self.file_bytes - at);
            if self.bytes(at, len as usize)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// The `len` bytes at `offset`, which must lie within the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&mut [u8]> {
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + len as u64 > window_end {
            self.load(offset, len)?;
        }
        let start = (offset - self.window_start) as usize;
        Ok(&mut self.window[start..start + len])
    }

    /// Moves the window to `offset`, keeping what it already has from there on.
    fn load(&mut self, offset: u64, len: usize) -> Result<()> {
        let window_end = self.window_start + self.window.len() as u64;
        if (self.window_start..window_end).contains(&offset) {
            self.window.drain(..(offset - self.window_start) as usize);
        } else {
            self.window.clear();
        }
        self.window_start = offset;
        let have = self.window.len();
        let want = (len as u64).max(WINDOW_BYTES).min(self.file_bytes - offset) as usize;
        self.window.resize(want, 0);
        self.file
            .read_exact_at(&mut self.window[have..], offset + have as u64)
            .map_err(|e| Error::io("read", &self.path, e))
    }

    fn damage(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::corruption(&self.path, offset, reason)
    }
}

/// A good record in the window.
struct Found {
    offset: u64,
    end: u64,
    header: RecordHeader,
}

/// What is wrong with the bytes where a record is due.
#[derive(Clone, Copy)]
enum BadRecord {
    Absent,
    Zero,
    Cut,
    Header,
    Padding,
    Payload,
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BadRecord::Absent => "the file ends",
            BadRecord::Zero => "there are zeros where a record is due",
            BadRecord::Cut => "the file ends within a record",
            BadRecord::Header => "record header does not match its checksum",
            BadRecord::Padding => "record padding is not zero",
            BadRecord::Payload => "record does not match its checksum",
        })
    }
}

/// What lies behind a bad record.
enum Rest {
    /// Zeros only, or nothing.
    Zero,
    /// Something, but nothing that vouches for the bad record.
    Unvouched,
    /// A record that does.
    Vouched { at: u64, durable: u64 },
}
