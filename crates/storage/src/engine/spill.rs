//! What a query puts aside: blocks of bytes, written once and read back by their place.
//!
//! ```text
//! append(bytes) ─▶ place        any number of streams share a file: whoever writes a stream keeps
//! read(place)   ─▶ bytes        the places of its blocks
//! ```
//!
//! A block is framed and sealed as those of tables are (`docs/format/table.md`), so it is
//! encrypted where the database is, and damage is an error. The file is never synced: it is of use
//! to the query alone, goes when [`SpillFile`] is dropped, and what a crash leaves is removed when
//! the engine opens, as everything whose name says that it was being written.
//!
//! A full disk, or a failed write, ends the query and nothing else.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustdb_vfs::{FileExt, FileRef, OpenMode};

use crate::codec::Codec;
use crate::engine::{Engine, Inner};
use crate::envelope::{Envelope, FileKind, HEADER_BYTES};
use crate::error::{Error, Result};
use crate::names;
use crate::table::frame;

/// The kind of all blocks in a spill file.
const BLOCK_KIND: u8 = 1;

/// The most bytes of a block.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// A file for what a query has no memory for. Dropping it removes the file.
pub struct SpillFile {
    inner: Arc<Inner>,
    path: PathBuf,
    file: FileRef,
    envelope: Envelope,
    codec: Codec,
    end: u64,
    /// The block that is being sealed; kept for the next one.
    sealed: Vec<u8>,
}

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillPlace {
    offset: u64,
    bytes: u32,
}

impl Engine {
    /// Whether there is a place for spill files: not where the directory may only be read, or where
    /// nobody knows what became of the last write.
    pub fn can_spill(&self) -> bool {
        self.inner().fault.check().is_ok()
    }

    /// A new file for a query.
    pub fn spill_file(&self) -> Result<SpillFile> {
        let inner = self.inner();
        inner.fault.check()?;
        inner.check_room_for_data(HEADER_BYTES as u64)?;
        let path = names::spill(&inner.directory, inner.new_file_number());
        let (envelope, header) = Envelope::create(&inner.security, &path, FileKind::Spill)?;
        let file = inner
            .vfs
            .open(&path, OpenMode::CreateNew)
            .map_err(|e| Error::io("create", &path, e))?;
        let spill = SpillFile {
            inner: inner.clone(),
            path,
            file,
            envelope,
            codec: inner.options.codec_at(0),
            end: HEADER_BYTES as u64,
            sealed: Vec::new(),
        };
        // NB: from here on the file goes if something fails.
        spill.write(&header, 0)?;
        Ok(spill)
    }
}

impl SpillFile {
    /// Writes a block.
    pub fn append(&mut self, bytes: &[u8]) -> Result<SpillPlace> {
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(Error::InvalidArgument(format!(
                "{} bytes are too many to be put aside at once",
                bytes.len()
            )));
        }
        self.inner.fault.check_open()?;
        self.inner.check_room_for_data(bytes.len() as u64)?;
        let mut sealed = std::mem::take(&mut self.sealed);
        sealed.clear();
        frame::write(self.codec, bytes, &mut sealed);
        self.envelope.seal(self.end, BLOCK_KIND, &[], &mut sealed);
        let place = SpillPlace {
            offset: self.end,
            bytes: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
        };
        // NB: a failed write leaves a gap, because a place is sealed only once.
        self.end += sealed.len() as u64;
        let written = self.write(&sealed, place.offset);
        self.sealed = sealed;
        written.map(|()| place)
    }

    /// Reads a block into `out`, in place of what is there.
    pub fn read(&self, place: SpillPlace, out: &mut Vec<u8>) -> Result<()> {
        self.inner.fault.check_open()?;
        let damaged = |reason: &str| Error::corruption(&self.path, place.offset, reason);
        let mut sealed = vec![0; place.bytes as usize];
        match self.file.read_exact_at(&mut sealed, place.offset) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged("the file ends within a block"));
            }
            Err(e) => return Err(Error::io("read", &self.path, e)),
        }
        self.envelope
            .unseal(place.offset, BLOCK_KIND, &[], &mut sealed)
            .map_err(|bad| bad.at(&self.path, place.offset))?;
        let (codec, raw_bytes, stored) = frame::parse(&sealed).map_err(damaged)?;
        out.clear();
        codec
            .decompress(stored, raw_bytes, out)
            .map_err(|e| damaged(&e.to_string()))
    }

    /// How long the file is.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| Error::io("write", &self.path, e))
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if let Err(error) = self.inner.vfs.remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove a spill file");
        }
    }
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillFile")
            .field("path", &self.path)
            .field("bytes", &self.end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
