//! The header of a file: its bytes, and the numbers in them.
//!
//! `docs/format/envelope.md` defines them. The magic and the place and reach of the checksum are the
//! same in all format versions, so that a build can tell any version from damage.

use std::fmt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::checksums_count;
use crate::error::{Error, Result};

/// The length of a file header.
pub const HEADER_BYTES: usize = 64;

/// The format version this build writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The first bytes of every file. The control characters catch transfers that treat the file as
/// text.
pub const MAGIC: [u8; 8] = *b"RUSTDB\x1a\n";

/// Where the fields of a header are. Each offset is the end of the field before it.
pub(super) mod field {
    use super::{HEADER_BYTES, MAGIC};

    pub(in crate::envelope) const VERSION: usize = MAGIC.len();
    pub(in crate::envelope) const KIND: usize = VERSION + 4;
    pub(in crate::envelope) const ALGORITHM: usize = KIND + 1;
    pub(in crate::envelope) const RESERVED_1: usize = ALGORITHM + 1;
    pub(in crate::envelope) const DATA_KEY: usize = RESERVED_1 + 2;
    pub(in crate::envelope) const RESERVED_2: usize = DATA_KEY + 4;
    pub(in crate::envelope) const DATABASE_ID: usize = RESERVED_2 + 4;
    pub(in crate::envelope) const FILE_ID: usize = DATABASE_ID + 16;
    pub(in crate::envelope) const CHECKSUM: usize = FILE_ID + 16;

    const _: () = assert!(CHECKSUM + 8 == HEADER_BYTES);
}

/// What a file is. The numbers are on disk and are never reused; zero is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// A segment of the write-ahead log.
    Wal = 1,
    /// A sorted table.
    Table = 2,
    /// The log of version edits.
    Manifest = 3,
    /// Large values.
    Value = 4,
    /// Sorted private data of a transaction or a sort that outgrew memory.
    Spill = 5,
}

impl FileKind {
    /// The kind with this number, or `None` for a number never given out.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(FileKind::Wal),
            2 => Some(FileKind::Table),
            3 => Some(FileKind::Manifest),
            4 => Some(FileKind::Value),
            5 => Some(FileKind::Spill),
            _ => None,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Wal => "log segment",
            FileKind::Table => "table",
            FileKind::Manifest => "manifest",
            FileKind::Value => "value file",
            FileKind::Spill => "spill file",
        })
    }
}

/// How the blocks of a file are protected. The numbers are on disk and are never reused; zero is
/// invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Plain text with xxh3-64 checksums. Its number is one.
    Plain,
    /// Authenticated encryption. Its numbers are the cipher's, from two on.
    Sealed(rustdb_crypto::Algorithm),
}

impl Algorithm {
    /// The algorithm with this number, or `None` for a number this build does not know.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Algorithm::Plain),
            _ => rustdb_crypto::Algorithm::from_u8(number).map(Algorithm::Sealed),
        }
    }

    /// Its number on disk.
    pub fn to_u8(self) -> u8 {
        match self {
            Algorithm::Plain => 1,
            Algorithm::Sealed(cipher) => cipher.to_u8(),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Algorithm::Plain => f.write_str("no encryption"),
            Algorithm::Sealed(cipher) => cipher.fmt(f),
        }
    }
}

/// The decoded header of a file. It can be read without keys, and before the identity of the
/// database is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// What the file is.
    pub kind: FileKind,
    /// How its blocks are protected.
    pub algorithm: Algorithm,
    /// Which data key its file key is derived from; zero in a plain database.
    pub data_key_id: u32,
    /// The database it belongs to.
    pub database_id: [u8; 16],
    /// Its own random id.
    pub file_id: [u8; 16],
}

impl FileHeader {
    /// The bytes of this header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        bytes[field::VERSION..field::KIND].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[field::KIND] = self.kind as u8;
        bytes[field::ALGORITHM] = self.algorithm.to_u8();
        bytes[field::DATA_KEY..field::RESERVED_2].copy_from_slice(&self.data_key_id.to_le_bytes());
        bytes[field::DATABASE_ID..field::FILE_ID].copy_from_slice(&self.database_id);
        bytes[field::FILE_ID..field::CHECKSUM].copy_from_slice(&self.file_id);
        let checksum = xxh3_64(&bytes[..field::CHECKSUM]);
        bytes[field::CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The format version of the file at `path`, from its first bytes. All versions from the first
    /// to `newest` are taken, for their headers agree that far.
    ///
    /// Damage, and a file that is not RustDB's, are `Corruption`; a newer version is `Unsupported`.
    pub(crate) fn version(path: &Path, bytes: &[u8], newest: u32) -> Result<u32> {
        version_in(path, whole(path, bytes)?, newest)
    }

    /// Reads the header of the file at `path` from its first bytes.
    ///
    /// Damage, and a file that is not RustDB's, are `Corruption`; a file that a newer version
    /// wrote is `Unsupported`.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged =
            |offset: usize, reason: String| Err(Error::corruption(path, offset as u64, reason));
        let bytes = whole(path, bytes)?;
        version_in(path, bytes, FORMAT_VERSION)?;
        let reserved = [
            field::RESERVED_1..field::DATA_KEY,
            field::RESERVED_2..field::DATABASE_ID,
        ];
        if let Some(range) = reserved
            .into_iter()
            .find(|r| bytes[r.clone()].iter().any(|b| *b != 0))
        {
            return damaged(range.start, "reserved bytes are not zero".into());
        }
        let Some(kind) = FileKind::from_u8(bytes[field::KIND]) else {
            return damaged(
                field::KIND,
                format!("unknown file kind {}", bytes[field::KIND]),
            );
        };
        let Some(algorithm) = Algorithm::from_u8(bytes[field::ALGORITHM]) else {
            return Err(Error::Unsupported(format!(
                "`{}` is protected by algorithm {}, which this build does not know",
                path.display(),
                bytes[field::ALGORITHM]
            )));
        };
        let data_key_id = u32_at(bytes, field::DATA_KEY);
        if (data_key_id == 0) != (algorithm == Algorithm::Plain) {
            return damaged(
                field::DATA_KEY,
                format!("data key {data_key_id} does not go with {algorithm}"),
            );
        }
        Ok(Self {
            kind,
            algorithm,
            data_key_id,
            database_id: array_at(bytes, field::DATABASE_ID),
            file_id: array_at(bytes, field::FILE_ID),
        })
    }
}

/// The header of a file that begins with `bytes`, if it is RustDB's and undamaged.
fn whole<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8; HEADER_BYTES]> {
    let damaged =
        |offset: usize, reason: String| Err(Error::corruption(path, offset as u64, reason));
    let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
        return damaged(
            bytes.len(),
            format!("too short for a header: {} bytes", bytes.len()),
        );
    };
    // The magic comes first: without it nothing else can be trusted to be where we look.
    if bytes[..MAGIC.len()] != MAGIC {
        return damaged(0, "not a RustDB file".into());
    }
    // The checksum comes before the version, so that a flipped bit is not taken for a newer
    // version.
    let checksum = xxh3_64(&bytes[..field::CHECKSUM]);
    if u64_at(bytes, field::CHECKSUM) != checksum && checksums_count() {
        return damaged(field::CHECKSUM, "header checksum does not match".into());
    }
    Ok(bytes)
}

/// The version that a header names, from the first to `newest`.
fn version_in(path: &Path, bytes: &[u8; HEADER_BYTES], newest: u32) -> Result<u32> {
    let version = u32_at(bytes, field::VERSION);
    if version == 0 {
        let reason = "format version is zero";
        return Err(Error::corruption(path, field::VERSION as u64, reason));
    }
    if version > newest {
        return Err(Error::Unsupported(format!(
            "`{}` has format version {version}, but this build reads versions up to \
             {newest}\nhint: open the database with a newer RustDB",
            path.display()
        )));
    }
    Ok(version)
}

fn u32_at(bytes: &[u8; HEADER_BYTES], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

fn u64_at(bytes: &[u8; HEADER_BYTES], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn array_at<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    *bytes[offset..]
        .first_chunk()
        .expect("header fields end within the header")
}
