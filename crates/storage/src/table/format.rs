//! The bytes of a table file: every offset, number and limit, as in `docs/format/table.md`.
//!
//! ```text
//! 0    file header                  64 bytes, see docs/format/envelope.md
//! 64   data block ... data block    in key order, without gaps
//!      range tombstones             if there are any
//!      filter                       if there is one
//!      index                        where each data block begins, and its separator
//!      properties                   what the table is about
//!      footer                       where the four blocks before it are
//! ```
//!
//! All of them are *stored blocks*: a [`frame`] and perhaps compressed bytes, sealed with the
//! file offset as the position. Nothing here reads files; parsing functions return what is wrong
//! as text, and the reader adds the file and the offset.

use crate::codec::Codec;

/// What a stored block is, bound into its seal. The numbers are on disk and are never reused;
/// zero is invalid. Numbers from 16 on are kept for data blocks of other layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BlockKind {
    Data = 1,
    Index = 2,
    Filter = 3,
    Tombstones = 4,
    Properties = 5,
    Footer = 6,
}

/// The longest uncompressed block: one entry of the greatest length, and room to spare.
pub(crate) const RAW_BYTES_MAX: usize = (1 << 30) + (1 << 20);

/// What a stored block begins with, under the seal.
pub(crate) mod frame {
    use super::{Codec, RAW_BYTES_MAX};

    /// One byte, the number of the codec.
    pub(crate) const CODEC: usize = 0;
    /// Four bytes, the length before compression.
    pub(crate) const RAW_LEN: usize = CODEC + 1;
    /// The length of the frame.
    pub(crate) const BYTES: usize = RAW_LEN + 4;

    /// Appends `raw`, framed, to `out`, compressed by `codec` if that is worth it.
    pub(crate) fn write(codec: Codec, raw: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let raw_len = u32::try_from(raw.len()).expect("blocks are shorter than RAW_BYTES_MAX");
        out.push(0);
        out.extend_from_slice(&raw_len.to_le_bytes());
        let used = codec.compress(raw, out);
        out[start + CODEC] = used as u8;
    }

    /// Takes a framed block apart into codec, uncompressed length and stored bytes.
    pub(crate) fn parse(framed: &[u8]) -> Result<(Codec, usize, &[u8]), &'static str> {
        let (frame, stored) = framed
            .split_first_chunk::<BYTES>()
            .ok_or("block is shorter than its frame")?;
        let [codec, raw_len @ ..] = *frame;
        let codec = Codec::from_u8(codec).ok_or("unknown codec")?;
        let raw_len = u32::from_le_bytes(raw_len) as usize;
        if raw_len > RAW_BYTES_MAX {
            return Err("block is longer than the limit");
        }
        Ok((codec, raw_len, stored))
    }
}

/// The fixed part of a data block, before its columns.
pub(crate) mod block_header {
    use crate::key::{EntryKind, MAX_SEQUENCE};

    /// The layout of rows described in `block.rs`.
    pub(crate) const LAYOUT_ROWS: u8 = 1;

    pub(crate) const LAYOUT: usize = 0;
    pub(crate) const FLAGS: usize = LAYOUT + 1;
    pub(crate) const SEQ_BYTES: usize = FLAGS + 1;
    pub(crate) const KIND: usize = SEQ_BYTES + 1;
    pub(crate) const PREFIX_LEN: usize = KIND + 1;
    pub(crate) const RESERVED: usize = PREFIX_LEN + 2;
    pub(crate) const ENTRIES: usize = RESERVED + 2;
    pub(crate) const REST_LEN: usize = ENTRIES + 4;
    pub(crate) const VALUE_LEN: usize = REST_LEN + 4;
    pub(crate) const BASE_SEQ: usize = VALUE_LEN + 4;
    /// The length of the header.
    pub(crate) const BYTES: usize = BASE_SEQ + 8;
    const _: () = assert!(BYTES == 28);

    /// Which columns there are.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Flags(pub(crate) u8);

    impl Flags {
        pub(crate) const NONE: Flags = Flags(0);
        /// Some key has fewer than eight bytes after the prefix; there is a column of lengths.
        pub(crate) const LENGTHS: Flags = Flags(1);
        /// Rests differ in length; there is a column of their ends.
        pub(crate) const REST_OFFSETS: Flags = Flags(2);
        /// Values differ in length; there is a column of their ends.
        pub(crate) const VALUE_OFFSETS: Flags = Flags(4);
        /// Ends take four bytes instead of two.
        pub(crate) const WIDE: Flags = Flags(8);
        const ALL: u8 = 15;

        pub(crate) fn contains(self, other: Flags) -> bool {
            self.0 & other.0 == other.0
        }

        pub(crate) fn with(self, other: Flags) -> Flags {
            Flags(self.0 | other.0)
        }
    }

    /// The decoded header.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Header {
        pub(crate) flags: Flags,
        /// 0, 1, 2, 4 or 8.
        pub(crate) seq_bytes: u8,
        /// `None`: there is a column. On disk zero.
        pub(crate) kind: Option<EntryKind>,
        pub(crate) prefix_len: u16,
        /// At least one.
        pub(crate) entries: u32,
        /// Zero if there is a column of ends.
        pub(crate) rest_len: u32,
        /// Zero if there is a column of ends.
        pub(crate) value_len: u32,
        pub(crate) base_seq: u64,
    }

    impl Header {
        pub(crate) fn write(&self, out: &mut Vec<u8>) {
            let start = out.len();
            out.extend_from_slice(&[LAYOUT_ROWS, self.flags.0, self.seq_bytes]);
            out.push(self.kind.map_or(0, |kind| kind as u8));
            out.extend_from_slice(&self.prefix_len.to_le_bytes());
            out.extend_from_slice(&[0; ENTRIES - RESERVED]);
            out.extend_from_slice(&self.entries.to_le_bytes());
            out.extend_from_slice(&self.rest_len.to_le_bytes());
            out.extend_from_slice(&self.value_len.to_le_bytes());
            out.extend_from_slice(&self.base_seq.to_le_bytes());
            assert_eq!(out.len() - start, BYTES);
        }

        /// Checks every field on its own; whether the columns fit is for the caller to check.
        pub(crate) fn parse(bytes: &[u8; BYTES]) -> Result<Self, &'static str> {
            let u32_at =
                |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("in the header"));
            if bytes[LAYOUT] != LAYOUT_ROWS {
                return Err("unknown block layout");
            }
            let flags = bytes[FLAGS];
            if flags & !Flags::ALL != 0 {
                return Err("unknown block flags");
            }
            let seq_bytes = bytes[SEQ_BYTES];
            if !matches!(seq_bytes, 0 | 1 | 2 | 4 | 8) {
                return Err("bad width of sequence numbers");
            }
            let kind = match bytes[KIND] {
                0 => None,
                kind => Some(EntryKind::from_u8(kind).ok_or("unknown entry kind")?),
            };
            if bytes[RESERVED..ENTRIES] != [0; 2] {
                return Err("reserved bytes of a block are not zero");
            }
            let header = Self {
                flags: Flags(flags),
                seq_bytes,
                kind,
                prefix_len: u16::from_le_bytes([bytes[PREFIX_LEN], bytes[PREFIX_LEN + 1]]),
                entries: u32_at(ENTRIES),
                rest_len: u32_at(REST_LEN),
                value_len: u32_at(VALUE_LEN),
                base_seq: u64::from_le_bytes(
                    *bytes[BASE_SEQ..].first_chunk().expect("in the header"),
                ),
            };
            header.check()?;
            Ok(header)
        }

        fn check(&self) -> Result<(), &'static str> {
            if self.entries == 0 {
                return Err("block has no entries");
            }
            if self.flags.contains(Flags::REST_OFFSETS) && self.rest_len != 0 {
                return Err("block has both a length and offsets of key rests");
            }
            if self.flags.contains(Flags::VALUE_OFFSETS) && self.value_len != 0 {
                return Err("block has both a length and offsets of values");
            }
            if self.base_seq > MAX_SEQUENCE {
                return Err("sequence number out of range");
            }
            Ok(())
        }
    }
}

/// Where a stored block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The file offset.
    pub(crate) offset: u64,
    /// The length with frame and seal; zero if there is no such block.
    pub(crate) len: u64,
}

/// The last block of a file: fixed length, neither framed nor compressed, so that it can be found
/// from the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    /// The number of data blocks.
    pub(crate) blocks: u64,
    pub(crate) tombstones: Handle,
    pub(crate) filter: Handle,
    pub(crate) index: Handle,
    pub(crate) properties: Handle,
}

impl Footer {
    /// Ends every table, before the seal's trailer.
    const MAGIC: [u8; 8] = *b"RDBTABLE";
    pub(crate) const BLOCKS: usize = 8;
    pub(crate) const HANDLES: usize = Self::BLOCKS + 8;
    /// The length without the seal.
    pub(crate) const BYTES: usize = Self::HANDLES + 4 * 16;

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::MAGIC);
        out.extend_from_slice(&self.blocks.to_le_bytes());
        for handle in [self.tombstones, self.filter, self.index, self.properties] {
            out.extend_from_slice(&handle.offset.to_le_bytes());
            out.extend_from_slice(&handle.len.to_le_bytes());
        }
    }

    /// Reads a footer that begins at `footer_offset` and checks that the blocks it names follow
    /// one another up to there.
    pub(crate) fn parse(bytes: &[u8], footer_offset: u64) -> Result<Self, &'static str> {
        let bytes: &[u8; Self::BYTES] =
            bytes.try_into().map_err(|_| "footer has a wrong length")?;
        if bytes[..Self::BLOCKS] != Self::MAGIC {
            return Err("footer has no magic number");
        }
        let u64_at =
            |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("in the footer"));
        let handle = |index: usize| {
            let at = Self::HANDLES + index * 16;
            Handle {
                offset: u64_at(at),
                len: u64_at(at + 8),
            }
        };
        let footer = Self {
            blocks: u64_at(Self::BLOCKS),
            tombstones: handle(0),
            filter: handle(1),
            index: handle(2),
            properties: handle(3),
        };
        let mut end = footer_offset;
        for handle in [
            footer.properties,
            footer.index,
            footer.filter,
            footer.tombstones,
        ] {
            if handle.len == 0 {
                if handle.offset != 0 {
                    return Err("footer names an absent block");
                }
                continue;
            }
            if handle.offset.checked_add(handle.len) != Some(end) {
                return Err("blocks do not follow one another");
            }
            end = handle.offset;
        }
        if footer.index.len == 0 || footer.properties.len == 0 {
            return Err("footer names no index or no properties");
        }
        Ok(footer)
    }

    /// Where the data blocks end.
    pub(crate) fn data_end(&self) -> u64 {
        let first = [self.tombstones, self.filter, self.index]
            .into_iter()
            .find(|h| h.len > 0);
        first
            .expect("parse has checked that there is an index")
            .offset
    }
}

/// Appends a number, seven bits per byte, low ones first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and so many bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes bytes apart from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, &'static str> {
        let (byte, rest) = self.0.split_first().ok_or("block ends early")?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err("number does not fit 64 bits");
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("number is longer than ten bytes")
    }

    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(len).ok().filter(|len| *len <= self.0.len());
        let (bytes, rest) = self.0.split_at(len.ok_or("block ends early")?);
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = self.varint()?;
        self.take(len)
    }

    pub(crate) fn finish(self) -> Result<(), &'static str> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err("block has bytes after its end")
        }
    }
}
