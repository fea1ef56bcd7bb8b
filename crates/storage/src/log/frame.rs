//! The bytes of a record.
//!
//! ```text
//! offset size
//!      0    8  check: checksum of the other header fields, for this file and this offset
//!      8    4  payload length
//!     12    1  kind
//!     13    3  zero
//!     16    8  record number
//!     24    8  promise: bytes of this file durable when this was written
//!     32    n  payload, sealed: n + overhead bytes
//!      ?    ?  zeros up to a multiple of 8
//! ```
//!
//! The header has a check of its own so that a reader can trust the length before it reads the
//! payload, and can find records again after a bad one. The seal vouches for the header too.

use crate::envelope::{Envelope, checksums_count};

/// The length of a record's header.
pub const RECORD_HEADER_BYTES: usize = field::PROMISE + 8;

/// The longest payload: what a cipher seals in one piece.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 31;

/// The last record of a log that was closed in order. Callers' kinds are below.
pub const END_KIND: u8 = 255;

/// A record without payload, written only to carry a promise. Readers pass over it.
pub const PROMISE_KIND: u8 = 254;

/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// Where the fields of a record's header are.
pub(super) mod field {
    pub(in super::super) const CHECK: usize = 0;
    pub(in super::super) const LENGTH: usize = CHECK + 8;
    pub(in super::super) const KIND: usize = LENGTH + 4;
    pub(in super::super) const RESERVED: usize = KIND + 1;
    pub(in super::super) const NUMBER: usize = RESERVED + 3;
    pub(in super::super) const PROMISE: usize = NUMBER + 8;
}

const _: () = assert!(RECORD_HEADER_BYTES == 32);
const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(ALIGNMENT));
const _: () = assert!(crate::envelope::HEADER_BYTES.is_multiple_of(ALIGNMENT));

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) payload_bytes: u32,
    pub(super) kind: u8,
    pub(super) number: u64,
    pub(super) promise: u64,
}

/// Why bytes are not the header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAHeader {
    /// They are all zero: never written.
    Zero,
    /// They do not pass the check.
    Bad,
}

impl RecordHeader {
    /// The bytes of this header for a record at `offset`.
    pub(super) fn encode(&self, envelope: &Envelope, offset: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[field::LENGTH..field::KIND].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[field::KIND] = self.kind;
        bytes[field::NUMBER..field::PROMISE].copy_from_slice(&self.number.to_le_bytes());
        bytes[field::PROMISE..].copy_from_slice(&self.promise.to_le_bytes());
        let check = envelope.framing_checksum(offset, &bytes[field::LENGTH..]);
        bytes[field::CHECK..field::LENGTH].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads the header of a record at `offset`.
    pub(super) fn decode(
        envelope: &Envelope,
        offset: u64,
        bytes: &[u8; RECORD_HEADER_BYTES],
    ) -> Result<Self, NotAHeader> {
        if !Self::is_plausible(bytes) {
            let zero = bytes.iter().all(|byte| *byte == 0);
            return Err(if zero {
                NotAHeader::Zero
            } else {
                NotAHeader::Bad
            });
        }
        let check = u64::from_le_bytes(array_at(bytes, field::CHECK));
        let due = envelope.framing_checksum(offset, &bytes[field::LENGTH..]);
        if check != due && checksums_count() {
            return Err(NotAHeader::Bad);
        }
        let header = Self {
            payload_bytes: u32::from_le_bytes(array_at(bytes, field::LENGTH)),
            kind: bytes[field::KIND],
            number: u64::from_le_bytes(array_at(bytes, field::NUMBER)),
            promise: u64::from_le_bytes(array_at(bytes, field::PROMISE)),
        };
        // Nothing can be durable before it is written, and every record before this one took bytes.
        let is_possible = header.promise <= offset && header.number < offset;
        if !is_possible || header.payload_bytes as usize > PAYLOAD_BYTES_MAX {
            return Err(NotAHeader::Bad);
        }
        Ok(header)
    }

    /// Whether a cheap look does not rule out that these bytes are a header. It rules out zeros
    /// and nearly everything else, which matters to a reader that tries every offset.
    pub(super) fn is_plausible(bytes: &[u8; RECORD_HEADER_BYTES]) -> bool {
        bytes[field::KIND] != 0 && bytes[field::RESERVED..field::NUMBER] == [0; 3]
    }

    /// The length of the sealed payload.
    pub(super) fn sealed_bytes(&self, envelope: &Envelope) -> u64 {
        u64::from(self.payload_bytes) + envelope.overhead() as u64
    }

    /// The length of the record with its padding.
    pub(super) fn record_bytes(&self, envelope: &Envelope) -> u64 {
        (RECORD_HEADER_BYTES as u64 + self.sealed_bytes(envelope))
            .next_multiple_of(ALIGNMENT as u64)
    }
}

fn array_at<const N: usize>(bytes: &[u8; RECORD_HEADER_BYTES], offset: usize) -> [u8; N] {
    *bytes[offset..]
        .first_chunk()
        .expect("fields end within the header")
}
