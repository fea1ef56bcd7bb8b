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
        // What is there already is overwritten.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Codec; 4] = [Codec::None, Codec::Lz4, Codec::Snappy, Codec::Zstd];

    fn decompress(codec: Codec, stored: &[u8], raw_len: usize) -> Result<Vec<u8>, CodecError> {
        let mut raw = Vec::new();
        codec.decompress(stored, raw_len, &mut raw).map(|()| raw)
    }

    #[test]
    fn lz4_is_the_block_format_of_its_specification() {
        let hello = [0x50, b'h', b'e', b'l', b'l', b'o'];
        assert_eq!(decompress(Codec::Lz4, &hello, 5).unwrap(), b"hello");
        // One literal, fourteen bytes from one back, five literals.
        let run = [0x1a, b'a', 1, 0, 0x50, b'a', b'a', b'a', b'a', b'a'];
        assert_eq!(decompress(Codec::Lz4, &run, 20).unwrap(), [b'a'; 20]);
        // Lengths of fifteen and more go on in further bytes: 15 + 5 and 15 + 255 + 0 + 4.
        let mut long = vec![0xff, 5];
        long.extend(1..=20);
        long.extend([20, 0, 255, 0, 0x50, 1, 2, 3, 4, 5]);
        let raw = decompress(Codec::Lz4, &long, 20 + 274 + 5).unwrap();
        assert!(
            raw[..294]
                .iter()
                .enumerate()
                .all(|(i, b)| usize::from(*b) == i % 20 + 1)
        );
    }

    #[test]
    fn snappy_is_the_raw_format_of_its_specification() {
        let hello = [5, 4 << 2, b'h', b'e', b'l', b'l', b'o'];
        assert_eq!(decompress(Codec::Snappy, &hello, 5).unwrap(), b"hello");
        // A literal; a copy with a two-byte offset; a copy with a one-byte offset.
        let run = [20, 0, b'a', (14 << 2) | 2, 1, 0, 1, 1];
        assert_eq!(decompress(Codec::Snappy, &run, 20).unwrap(), [b'a'; 20]);
    }

    #[test]
    fn what_does_not_get_shorter_is_stored_as_it_is() {
        let noise: Vec<u8> = (0..1000_u32)
            .map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8)
            .collect();
        for codec in ALL {
            let mut out = b"before".to_vec();
            assert_eq!(codec.compress(&noise, &mut out), Codec::None);
            assert_eq!(out[6..], noise);
            out.clear();
            assert_eq!(codec.compress(b"", &mut out), Codec::None);
            assert_eq!(out, b"");
        }
    }

    #[test]
    fn what_gets_shorter_by_an_eighth_is_compressed() {
        for codec in ALL.into_iter().filter(|codec| codec.is_built_in()) {
            let mut out = Vec::new();
            assert_eq!(codec.compress(&[7; 1000], &mut out), codec);
            assert_eq!(decompress(codec, &out, 1000).unwrap(), [7; 1000]);
            assert!(codec == Codec::None || out.len() < 100);
        }
    }

    #[test]
    fn a_wrong_length_is_damage() {
        for codec in ALL.into_iter().filter(|codec| codec.is_built_in()) {
            let mut out = Vec::new();
            codec.compress(&[7; 1000], &mut out);
            for len in [0, 1, 999, 1001, 100_000, usize::MAX / 2] {
                assert_eq!(
                    decompress(codec, &out, len),
                    Err(CodecError::Damaged),
                    "{codec:?}"
                );
            }
        }
    }

    #[test]
    fn an_absent_codec_says_so() {
        if !Codec::Zstd.is_built_in() {
            let expected = Err(CodecError::NotBuiltIn(Codec::Zstd));
            assert_eq!(decompress(Codec::Zstd, b"anything", 8), expected);
        }
    }

    #[test]
    fn numbers_on_disk_stay() {
        for (number, codec) in (1..).zip(ALL) {
            assert_eq!(codec as u8, number);
            assert_eq!(Codec::from_u8(number), Some(codec));
        }
        assert_eq!((Codec::from_u8(0), Codec::from_u8(5)), (None, None));
    }

    proptest! {
        #[test]
        fn compression_loses_nothing(words in prop::collection::vec("[a-d]{1,4}", 0..400)) {
            let raw = words.concat().into_bytes();
            for codec in ALL {
                let mut out = Vec::new();
                let used = codec.compress(&raw, &mut out);
                prop_assert_eq!(&decompress(used, &out, raw.len()).unwrap(), &raw);
            }
        }
    }
}
