//! Where a value is: the entry value of the kinds `ValueRef` and `ValueRefExpiring`.

use crate::key::{EntryKind, FileNumber};

/// The length of an encoded pointer.
pub const POINTER_BYTES: usize = field::CHECKSUM + 8;

/// The length of the expiry before the value of an expiring entry.
const EXPIRY_BYTES: usize = 8;

/// Where the fields of a pointer are.
mod field {
    pub(super) const FILE: usize = 0;
    pub(super) const OFFSET: usize = FILE + 8;
    pub(super) const LENGTH: usize = OFFSET + 8;
    pub(super) const CHECKSUM: usize = LENGTH + 8;

    const _: () = assert!(CHECKSUM + 8 == 32);
}

/// Points to a value in a value file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValuePointer {
    /// The value file.
    pub file: FileNumber,
    /// Where the value's record begins in the file.
    pub offset: u64,
    /// The length of the value.
    pub length: u64,
    /// xxh3-64 of the value.
    pub checksum: u64,
}

impl ValuePointer {
    /// The bytes of this pointer.
    pub fn encode(&self) -> [u8; POINTER_BYTES] {
        let mut bytes = [0; POINTER_BYTES];
        bytes[field::FILE..field::OFFSET].copy_from_slice(&self.file.0.to_le_bytes());
        bytes[field::OFFSET..field::LENGTH].copy_from_slice(&self.offset.to_le_bytes());
        bytes[field::LENGTH..field::CHECKSUM].copy_from_slice(&self.length.to_le_bytes());
        bytes[field::CHECKSUM..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// Reads a pointer; `None` if the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; POINTER_BYTES] = bytes.try_into().ok()?;
        let at = |offset: usize| {
            u64::from_le_bytes(
                *bytes[offset..]
                    .first_chunk()
                    .expect("fields end within the pointer"),
            )
        };
        let pointer = Self {
            file: FileNumber(at(field::FILE)),
            offset: at(field::OFFSET),
            length: at(field::LENGTH),
            checksum: at(field::CHECKSUM),
        };
        // File numbers begin at one, and a record never begins before the end of the header.
        let plausible = pointer.file.0 != 0
            && pointer.offset >= crate::envelope::HEADER_BYTES as u64
            && pointer.length <= crate::key::VALUE_BYTES_MAX as u64;
        plausible.then_some(pointer)
    }
}

/// A pointer with the expiry that may go with it: what a reference entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// When the entry expires, in microseconds since the Unix epoch.
    pub expiry: Option<u64>,
    /// Where the value is.
    pub pointer: ValuePointer,
}

impl Reference {
    /// Reads the value of an entry of `kind`; `None` if the kind is not a reference or the bytes
    /// are not one.
    pub fn decode(kind: EntryKind, value: &[u8]) -> Option<Self> {
        if !kind.is_reference() {
            return None;
        }
        let (expiry, rest) = split_expiry(kind, value)?;
        let pointer = ValuePointer::decode(rest)?;
        Some(Self { expiry, pointer })
    }

    /// The kind of the entry that holds this reference.
    pub fn kind(&self) -> EntryKind {
        match self.expiry {
            None => EntryKind::ValueRef,
            Some(_) => EntryKind::ValueRefExpiring,
        }
    }

    /// Writes the value of the entry to `out`, replacing what was there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        if let Some(expiry) = self.expiry {
            out.extend_from_slice(&expiry.to_le_bytes());
        }
        out.extend_from_slice(&self.pointer.encode());
    }
}

/// Splits the value of an entry of `kind` into expiry and the rest; `None` if an expiry should be
/// there and is not.
pub fn split_expiry(kind: EntryKind, value: &[u8]) -> Option<(Option<u64>, &[u8])> {
    if !kind.expires() {
        return Some((None, value));
    }
    let (expiry, rest) = value.split_first_chunk::<EXPIRY_BYTES>()?;
    Some((Some(u64::from_le_bytes(*expiry)), rest))
}

/// When an entry expires; `None` if it never does. An expiring entry too short to say so counts
/// as one that never does: whoever reads its value reports the damage.
pub fn expiry_of(kind: EntryKind, value: &[u8]) -> Option<u64> {
    split_expiry(kind, value).and_then(|(expiry, _)| expiry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: ValuePointer = ValuePointer {
        file: FileNumber(0x11),
        offset: 0x40,
        length: 0x0102_0304,
        checksum: 0xa1a2_a3a4_a5a6_a7a8,
    };

    #[test]
    fn pointer_bytes_are_as_documented() {
        let expected = [
            0x11, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0xa8,
            0xa7, 0xa6, 0xa5, 0xa4, 0xa3, 0xa2, 0xa1,
        ];
        assert_eq!(POINTER.encode(), expected);
        assert_eq!(ValuePointer::decode(&expected), Some(POINTER));
    }

    #[test]
    fn implausible_pointers_are_refused() {
        let refused = |change: fn(&mut ValuePointer)| {
            let mut pointer = POINTER;
            change(&mut pointer);
            assert_eq!(ValuePointer::decode(&pointer.encode()), None, "{pointer:?}");
        };
        refused(|p| p.file = FileNumber(0));
        refused(|p| p.offset = 63);
        refused(|p| p.length = (1 << 30) + 1);
        assert_eq!(ValuePointer::decode(&POINTER.encode()[..31]), None);
        assert_eq!(ValuePointer::decode(&[0; 33]), None);
    }

    #[test]
    fn references_keep_their_expiry() {
        let mut bytes = vec![1, 2, 3];
        for expiry in [None, Some(0), Some(u64::MAX)] {
            let reference = Reference {
                expiry,
                pointer: POINTER,
            };
            reference.encode(&mut bytes);
            assert_eq!(Reference::decode(reference.kind(), &bytes), Some(reference));
            assert_eq!(expiry_of(reference.kind(), &bytes), expiry);
        }
        assert_eq!(Reference::decode(EntryKind::Put, &POINTER.encode()), None);
        assert_eq!(
            Reference::decode(EntryKind::ValueRefExpiring, &POINTER.encode()),
            None
        );
        assert_eq!(split_expiry(EntryKind::PutExpiring, &[0; 7]), None);
    }
}
