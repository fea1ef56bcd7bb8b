//! Compression of blocks.
//!
//! A codec is named by a number on disk, so tables keep theirs when the option changes. LZ4 and
//! Snappy are the raw block formats, without the frame formats' headers: length and checksum are
//! kept by what surrounds the block.
//!
//! Decompression trusts nothing: the declared length is checked against what the codec can make
//! of so few bytes before memory is taken, and the result must have exactly that length.

use std::fmt;

/// How the bytes of a block are compressed. The numbers are on disk and are never reused; zero is
/// invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    None = 1,
    /// LZ4, block format.
    #[default]
    Lz4 = 2,
    /// Snappy, raw format.
    Snappy = 3,
    /// Zstandard. Needs the cargo feature `zstd`, also to read.
    Zstd = 4,
}

/// Why a block could not be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The compressed bytes are damaged, or do not have the length that was declared.
    Damaged,
    /// This build lacks the codec.
    NotBuiltIn(Codec),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Damaged => f.write_str("compressed bytes are damaged"),
            CodecError::NotBuiltIn(codec) => {
                write!(f, "this build does not include the codec {codec:?}")
            }
        }
    }
}

impl std::error::Error for CodecError {}

/// The effort spent on zstd blocks: about the speed of writing them to disk.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

impl Codec {
    /// The codec with this number, or `None` for a number never given out.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Codec::None),
            2 => Some(Codec::Lz4),
            3 => Some(Codec::Snappy),
            4 => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// Whether this build can use the codec.
    pub fn is_built_in(self) -> bool {
        self != Codec::Zstd || cfg!(feature = "zstd")
    }

    /// Appends `raw`, compressed, to `out`, and returns the codec used. That is `None` if
    /// compression would save less than an eighth, or if this build lacks the codec.
    pub fn compress(self, raw: &[u8], out: &mut Vec<u8>) -> Codec {
        let start = out.len();
        let done = match self {
            Codec::None => false,
            Codec::Lz4 => compress_lz4(raw, out),
            Codec::Snappy => compress_snappy(raw, out),
            Codec::Zstd => compress_zstd(raw, out),
        };
        let worth_it = raw.len() - raw.len() / 8;
        if done && out.len() - start <= worth_it {
            return self;
        }
        out.truncate(start);
        out.extend_from_slice(raw);
        Codec::None
    }

    /// Replaces `out` by what `stored` decompresses to, which must be `raw_len` bytes.
    pub fn decompress(
        self,
        stored: &[u8],
        raw_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        if !self.is_built_in() {
            return Err(CodecError::NotBuiltIn(self));
        }
        if raw_len as u64 > self.raw_bytes_max(stored.len()) {
            return Err(CodecError::Damaged);
        }
        out.clear();
        out.resize(raw_len, 0);
        let written = match self {
            Codec::None => {
                if stored.len() != raw_len {
                    return Err(CodecError::Damaged);
                }
                out.copy_from_slice(stored);
                Some(raw_len)
            }
            Codec::Lz4 => lz4_flex::block::decompress_into(stored, out).ok(),
            Codec::Snappy => match snap::raw::decompress_len(stored) {
                Ok(len) if len == raw_len => snap::raw::Decoder::new().decompress(stored, out).ok(),
                _ => None,
            },
            Codec::Zstd => decompress_zstd(stored, out),
        };
        if written == Some(raw_len) {
            Ok(())
        } else {
            Err(CodecError::Damaged)
        }
    }

    /// The most that `stored` compressed bytes can stand for.
    fn raw_bytes_max(self, stored: usize) -> u64 {
        let stored = stored as u64;
        match self {
            Codec::None => stored,
            // A match length grows by 255 for each byte.
            Codec::Lz4 => stored.saturating_mul(255).saturating_add(64),
            // A copy of three bytes stands for at most 64.
            Codec::Snappy => stored.saturating_mul(32).saturating_add(64),
            // A run of 128 KiB takes four bytes.
            Codec::Zstd => stored.saturating_mul(32 << 10).saturating_add(128 << 10),
        }
    }
}

fn compress_lz4(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(
        start + lz4_flex::block::get_maximum_output_size(raw.len()),
        0,
    );
    let written = lz4_flex::block::compress_into(raw, &mut out[start..]).ok();
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

fn compress_snappy(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + snap::raw::max_compress_len(raw.len()), 0);
    let written = snap::raw::Encoder::new()
        .compress(raw, &mut out[start..])
        .ok();
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

#[cfg(feature = "zstd")]
fn compress_zstd(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.resize(start + zstd::zstd_safe::compress_bound(raw.len()), 0);
    let written = zstd::bulk::compress_to_buffer(raw, &mut out[start..], ZSTD_LEVEL).ok();
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

#[cfg(feature = "zstd")]
fn decompress_zstd(stored: &[u8], out: &mut [u8]) -> Option<usize> {
    zstd::bulk::decompress_to_buffer(stored, out).ok()
}

#[cfg(not(feature = "zstd"))]
fn compress_zstd(_raw: &[u8], _out: &mut Vec<u8>) -> bool {
    false
}

#[cfg(not(feature = "zstd"))]
fn decompress_zstd(_stored: &[u8], _out: &mut [u8]) -> Option<usize> {
    None
}
