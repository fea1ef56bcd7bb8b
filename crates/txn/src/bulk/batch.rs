//! Entries in memory, in any order until they are sorted.
//!
//! What is sorted are places, with the beginnings of the keys, which decide nearly all comparisons:
//! two values of an index and the beginning of its row's key lie in them. Once sorted, entries lie
//! anywhere in memory, one after the other; each is loaded some entries before its turn.

use rustdb_storage::prefetch;

use crate::error::{Error, Result};

/// The length of a value comes before the entry's bytes.
const LENGTH_BYTES: usize = size_of::<u32>();

/// So many entries before its turn an entry is loaded.
const PREFETCHED: usize = 8;

/// So much of it, at most: its key and the beginning of its value.
const PREFETCH_BYTES_MAX: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Lengths of values, keys and values.
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The key's first bytes.
    head: [u64; 2],
    at: u32,
    key_length: u32,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (Ok(at), Ok(key_length), Ok(value_length)) = (
            u32::try_from(self.bytes.len()),
            u32::try_from(key.len()),
            u32::try_from(value.len()),
        ) else {
            return Err(Error::InvalidArgument("an entry is too long".into()));
        };
        self.bytes.extend_from_slice(&value_length.to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.places.push(Place {
            head: head(key),
            at,
            key_length,
        });
        Ok(())
    }

    /// Puts the entries in the order of their keys.
    pub(super) fn sort(&mut self) {
        let Batch { bytes, places } = self;
        places.sort_unstable_by(|one, two| {
            let heads = one.head.cmp(&two.head);
            heads.then_with(|| one.key(bytes).cmp(two.key(bytes)))
        });
    }

    /// Keys and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut ahead = self.places.iter().skip(PREFETCHED);
        self.places.iter().map(move |place| {
            if let Some(next) = ahead.next() {
                let entry = &self.bytes[next.at as usize..];
                prefetch(entry.as_ptr(), entry.len().min(PREFETCH_BYTES_MAX));
            }
            (place.key(&self.bytes), place.value(&self.bytes))
        })
    }
}

impl Place {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let start = self.at as usize + LENGTH_BYTES;
        &bytes[start..start + self.key_length as usize]
    }

    fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let at = self.at as usize;
        let length = bytes[at..].first_chunk().copied().unwrap_or_default();
        let start = at + LENGTH_BYTES + self.key_length as usize;
        &bytes[start..start + u32::from_le_bytes(length) as usize]
    }
}

/// The first sixteen bytes of a key as big-endian numbers, a short key filled up with zeros.
fn head(key: &[u8]) -> [u64; 2] {
    let mut first = [0; 16];
    let length = key.len().min(first.len());
    first[..length].copy_from_slice(&key[..length]);
    let first = u128::from_be_bytes(first);
    [(first >> 64) as u64, first as u64]
}
