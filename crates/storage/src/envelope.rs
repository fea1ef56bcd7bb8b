//! What every file of a database begins with, and how its blocks are protected.
//!
//! A file starts with a header of [`HEADER_BYTES`] that says whose file it is: format version,
//! kind, database and a random file id. After it come blocks (of a table, a log, a value file).
//! A block is *sealed* before it is written: a trailer is appended that only fits these bytes,
//! at this position, as this kind of block, in this file of this database. So a block that was
//! damaged, or written to the wrong place, or left over from another file, does not pass
//! [`Envelope::unseal`].
//!
//! ```text
//! +--------+---------------+---------+---------------+---------+----
//! | header | block 0       | trailer | block 1       | trailer | ...
//! +--------+---------------+---------+---------------+---------+----
//! 0        64
//! ```
//!
//! In a plain database the trailer is an xxh3-64 checksum: it finds accidents. In an encrypted
//! one it is an authentication tag and the block is ciphertext: it finds tampering too. The code
//! that frames blocks does not see the difference, except that [`Envelope::overhead`] varies.
//!
//! Invariant: the positions sealed in a file ascend, whatever the kinds of its blocks. File ids are
//! random and files are never reopened for writing, so no key and nonce pair ever meets two
//! plaintexts.
//!
//! The bytes are defined in `docs/format/envelope.md`. What blocks mean is not known here.

mod header;

use std::fmt;
use std::path::Path;

use rustdb_crypto::{DataKeyId, Opener, Sealer, TAG_BYTES};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::header::field;
pub use self::header::{Algorithm, FORMAT_VERSION, FileHeader, FileKind, HEADER_BYTES, MAGIC};
use crate::error::{Error, Result};
#[cfg(feature = "fuzzing")]
pub(crate) use crate::fuzzing::checksums_count;
use crate::names;
pub use crate::security::Security;

/// The length of a plain block's trailer.
pub const CHECKSUM_BYTES: usize = 8;

/// Seals and checks the blocks of one file.
#[derive(Debug)]
pub struct Envelope {
    header: FileHeader,
    /// Seeds checksums with the identity of the file.
    seed: u64,
    protection: Protection,
}

/// How blocks are sealed.
#[derive(Debug)]
enum Protection {
    /// Checksums.
    Plain,
    /// Authenticated encryption in a file that is being written.
    Writing { sealer: Sealer, opener: Opener },
    /// Authenticated encryption in a file that is only read.
    Reading(Opener),
}

/// A block that did not pass its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBlock {
    /// The block is shorter than a trailer.
    Short,
    /// The trailer does not fit the bytes, the position, the kind or the file.
    Mismatch,
}

impl BadBlock {
    /// Reports the block at `offset` of `path` as damaged.
    pub fn at(self, path: &Path, offset: u64) -> Error {
        Error::corruption(path, offset, self.to_string())
    }
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadBlock::Short => "block is too short for its checksum",
            BadBlock::Mismatch => "block checksum does not match",
        })
    }
}

impl std::error::Error for BadBlock {}

impl Envelope {
    /// Draws a file id for the new file of this kind at `path`. Returns the envelope and the header,
    /// which the caller writes at offset zero before any block.
    ///
    /// An encrypted file can be opened only under the name it was created with, in whatever
    /// directory: two files that change names are noticed. [`names::TEMPORARY_SUFFIX`] does not
    /// count.
    pub fn create(
        security: &Security,
        path: &Path,
        kind: FileKind,
    ) -> Result<(Self, [u8; HEADER_BYTES])> {
        let mut random = |buffer: &mut [u8]| security.vfs().fill_random(buffer);
        let no_id = |e| Error::io("draw a file id for", path, e);
        let database_id = security.database_id();
        let mut header = FileHeader {
            kind,
            algorithm: Algorithm::Plain,
            data_key_id: 0,
            database_id,
            file_id: [0; 16],
        };
        let protection = match security.key_ring() {
            None => {
                random(&mut header.file_id).map_err(no_id)?;
                Protection::Plain
            }
            Some(ring) => {
                let key = ring.active();
                let sealer = Sealer::create(key, kind as u8, &context(&header, path), &mut random);
                let sealer = sealer.map_err(no_id)?;
                header.algorithm = Algorithm::Sealed(key.algorithm());
                header.data_key_id = key.id().get();
                header.file_id = *sealer.file_id();
                let opener = sealer.opener();
                Protection::Writing { sealer, opener }
            }
        };
        let bytes = header.encode();
        let seed = plain_seed(&header);
        Ok((
            Self {
                header,
                seed,
                protection,
            },
            bytes,
        ))
    }

    /// Checks the header of an existing file, given its first bytes, and prepares to read blocks.
    ///
    /// A file of another kind or another database is
    /// `Corruption`; see [`FileHeader::decode`] for the rest.
    pub fn open(security: &Security, path: &Path, header: &[u8], kind: FileKind) -> Result<Self> {
        let header = FileHeader::decode(path, header)?;
        if header.kind != kind {
            return Err(Error::corruption(
                path,
                field::KIND as u64,
                format!("is a {}, expected a {kind}", header.kind),
            ));
        }
        if header.database_id != security.database_id() {
            return Err(Error::corruption(
                path,
                field::DATABASE_ID as u64,
                format!(
                    "belongs to database {}, not to {}",
                    Hex(&header.database_id),
                    Hex(&security.database_id())
                ),
            ));
        }
        let protection = reading(security, path, &header)?;
        let seed = plain_seed(&header);
        Ok(Self {
            header,
            seed,
            protection,
        })
    }

    /// The header of the file.
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// By how many bytes sealing lengthens a block.
    pub fn overhead(&self) -> usize {
        match self.protection {
            Protection::Plain => CHECKSUM_BYTES,
            Protection::Writing { .. } | Protection::Reading(_) => TAG_BYTES,
        }
    }

    /// Seals `buffer` in place and appends the trailer.
    ///
    /// `position` must be higher than in every earlier call, also for other kinds of block, and the
    /// file must be one that [`Envelope::create`] began: an encrypted file panics otherwise, because
    /// sealing a position twice would give both contents away. `aad` is data the trailer vouches for
    /// without containing it.
    pub fn seal(&self, position: u64, block_kind: u8, aad: &[u8], buffer: &mut Vec<u8>) {
        self.seal_from(position, block_kind, aad, buffer, 0);
    }

    /// As [`Envelope::seal`] for the bytes of `buffer` from `start` on; those before stay as they
    /// are.
    pub fn seal_from(
        &self,
        position: u64,
        block_kind: u8,
        aad: &[u8],
        buffer: &mut Vec<u8>,
        start: usize,
    ) {
        match &self.protection {
            Protection::Plain => {
                let sum = plain_checksum(self.seed, position, block_kind, aad, &buffer[start..]);
                buffer.extend_from_slice(&sum.to_le_bytes());
            }
            Protection::Writing { sealer, .. } => {
                let tag = sealer
                    .seal(block_kind.into(), position, aad, &mut buffer[start..])
                    .expect("the writers of all files seal ascending positions");
                buffer.extend_from_slice(&tag);
            }
            Protection::Reading(_) => panic!("files are never reopened for writing"),
        }
    }

    /// Checks a sealed block, restores its contents in place and removes the trailer.
    ///
    /// After an error the contents of `buffer` are unspecified.
    pub fn unseal(
        &self,
        position: u64,
        block_kind: u8,
        aad: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), BadBlock> {
        let len = self.unseal_slice(position, block_kind, aad, buffer)?;
        buffer.truncate(len);
        Ok(())
    }

    /// As [`Envelope::unseal`] for a slice: returns how many of its bytes are the contents.
    pub fn unseal_slice(
        &self,
        position: u64,
        block_kind: u8,
        aad: &[u8],
        block: &mut [u8],
    ) -> Result<usize, BadBlock> {
        let opener = match &self.protection {
            Protection::Plain => {
                let (data, trailer) = block
                    .split_last_chunk::<CHECKSUM_BYTES>()
                    .ok_or(BadBlock::Short)?;
                let sum = plain_checksum(self.seed, position, block_kind, aad, data);
                if u64::from_le_bytes(*trailer) != sum && checksums_count() {
                    return Err(BadBlock::Mismatch);
                }
                return Ok(data.len());
            }
            Protection::Writing { opener, .. } | Protection::Reading(opener) => opener,
        };
        let (data, tag) = block
            .split_last_chunk_mut::<TAG_BYTES>()
            .ok_or(BadBlock::Short)?;
        opener
            .open(block_kind.into(), position, aad, data, tag)
            .map_err(|_| BadBlock::Mismatch)?;
        Ok(data.len())
    }

    /// A checksum of `bytes` for this file and position that needs no key and proves nothing
    /// about tampering: it guards framing which must be found before a block can be unsealed.
    pub fn framing_checksum(&self, position: u64, bytes: &[u8]) -> u64 {
        xxh3_64_with_seed(bytes, self.seed ^ position.wrapping_mul(POSITION_SPREAD))
    }
}

/// Finds what opens the blocks of an existing file. A file that is not protected as its database is
/// was put there by somebody: no run of the engine mixes them.
fn reading(security: &Security, path: &Path, header: &FileHeader) -> Result<Protection> {
    let damaged = |offset: usize, reason: String| Error::corruption(path, offset as u64, reason);
    let cipher = match (header.algorithm, security.is_encrypted()) {
        (Algorithm::Plain, false) => return Ok(Protection::Plain),
        (Algorithm::Sealed(cipher), true) => cipher,
        (Algorithm::Plain, true) => {
            let reason = "is not encrypted, in a database that is";
            return Err(damaged(field::ALGORITHM, reason.into()));
        }
        (Algorithm::Sealed(_), false) => {
            let reason = "is encrypted, in a database that is not";
            return Err(damaged(field::ALGORITHM, reason.into()));
        }
    };
    let id = header.data_key_id;
    let ring = security.key_ring();
    let key = ring
        .as_deref()
        .and_then(|ring| ring.data_key(DataKeyId::new(id)?));
    let Some(key) = key else {
        let reason = format!("is sealed under data key {id}, which the key ring does not hold");
        return Err(damaged(field::DATA_KEY, reason));
    };
    if key.algorithm() != cipher {
        let reason = format!(
            "says {cipher}, but data key {id} is for {}",
            key.algorithm()
        );
        return Err(damaged(field::ALGORITHM, reason));
    }
    let opener = Opener::new(
        key,
        &header.file_id,
        header.kind as u8,
        &context(header, path),
    );
    Ok(Protection::Reading(opener))
}

/// What the file key of an encrypted file depends on besides the file's id and kind: the database
/// and the file's name.
fn context(header: &FileHeader, path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let name = name
        .strip_suffix(names::TEMPORARY_SUFFIX.as_bytes())
        .unwrap_or(name);
    [&header.database_id[..], name].concat()
}

/// An odd constant that spreads positions over 64 bits (the golden ratio).
const POSITION_SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

fn plain_seed(header: &FileHeader) -> u64 {
    let mut identity = [0; 33];
    identity[..16].copy_from_slice(&header.database_id);
    identity[16..32].copy_from_slice(&header.file_id);
    identity[32] = header.kind as u8;
    xxh3_64(&identity)
}

/// Hashes place, then additional data, then contents, each seeded by the result before it.
fn plain_checksum(seed: u64, position: u64, block_kind: u8, aad: &[u8], data: &[u8]) -> u64 {
    // NB: as one number. The hash reads across what would be two writes of a buffer, and a
    // processor finishes all writes before such a read.
    let place = (u128::from(block_kind) << 64 | u128::from(position)).to_le_bytes();
    let seed = xxh3_64_with_seed(&place[..9], seed);
    let seed = if aad.is_empty() {
        seed
    } else {
        xxh3_64_with_seed(aad, seed)
    };
    xxh3_64_with_seed(data, seed)
}

/// Whether a wrong checksum is damage. Only fuzz targets ever say no, to get at what is behind it.
#[cfg(not(feature = "fuzzing"))]
pub(crate) const fn checksums_count() -> bool {
    true
}

/// Displays bytes in hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
