//! Keys, versions and identifiers.
//!
//! A *storage key* is a keyspace id (four bytes, big-endian) followed by the user's key. An
//! *entry* is a storage key with a sequence number, a kind and a value. Entries sort by key
//! ascending, then by sequence number descending, so the first entry of a key that is not newer
//! than a snapshot is the one the snapshot sees.
//!
//! All entries of one commit carry the same sequence number. A range tombstone of sequence `s`
//! covers entries of its range with sequences *below* `s`, so a commit that deletes a range and
//! then writes into it keeps what it wrote.

use std::fmt;

/// The position of a commit in the history of the database. Zero means "before all commits".
pub type SequenceNumber = u64;

/// The largest sequence number; reading at it sees everything.
pub const MAX_SEQUENCE: SequenceNumber = (1 << 56) - 1;

/// The longest user key, in bytes.
pub const KEY_BYTES_MAX: usize = 65_000;

/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 30;

/// The width of the keyspace prefix of a storage key, in bytes.
pub const KEYSPACE_BYTES: usize = 4;

/// Identifies a keyspace for ever: ids are never given out twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub u32);

impl KeyspaceId {
    /// Holds the engine's own entries: the list of keyspaces and their options.
    pub const SYSTEM: KeyspaceId = KeyspaceId(0);
    /// The keyspace that exists in every database and has the empty name.
    pub const DEFAULT: KeyspaceId = KeyspaceId(1);

    /// The first four bytes of every storage key of this keyspace.
    pub fn prefix(self) -> [u8; KEYSPACE_BYTES] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for KeyspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ks{}", self.0)
    }
}

/// Numbers a file of the database directory; also never given out twice.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(pub u64);

impl fmt::Debug for FileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What an entry says about its key. The numbers are on disk and are never reused; zero is
/// invalid, so that unwritten bytes never pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// The key has no value from here on.
    Delete = 1,
    /// The value is in the entry.
    Put = 2,
    /// As `Put`; the value is preceded by its expiry, eight bytes little-endian, microseconds
    /// since the Unix epoch.
    PutExpiring = 3,
    /// The value is in a value file; the entry holds an encoded pointer to it.
    ValueRef = 4,
    /// As `ValueRef`, the pointer preceded by an expiry.
    ValueRefExpiring = 5,
}

impl EntryKind {
    /// The kind with this number, or `None` for a number never given out.
    pub fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(EntryKind::Delete),
            2 => Some(EntryKind::Put),
            3 => Some(EntryKind::PutExpiring),
            4 => Some(EntryKind::ValueRef),
            5 => Some(EntryKind::ValueRefExpiring),
            _ => None,
        }
    }

    /// Whether the entry begins with an expiry.
    pub fn expires(self) -> bool {
        matches!(self, EntryKind::PutExpiring | EntryKind::ValueRefExpiring)
    }

    /// Whether the entry points into a value file.
    pub fn is_reference(self) -> bool {
        matches!(self, EntryKind::ValueRef | EntryKind::ValueRefExpiring)
    }
}

/// Writes the storage key of `key` in `keyspace` to `out`, replacing what was there.
pub fn storage_key(keyspace: KeyspaceId, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&keyspace.prefix());
    out.extend_from_slice(key);
}

/// Splits a storage key into keyspace and user key; `None` if it is too short to be one.
pub fn split_storage_key(key: &[u8]) -> Option<(KeyspaceId, &[u8])> {
    let (prefix, rest) = key.split_first_chunk::<KEYSPACE_BYTES>()?;
    Some((KeyspaceId(u32::from_be_bytes(*prefix)), rest))
}
