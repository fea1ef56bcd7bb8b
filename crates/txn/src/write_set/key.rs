//! Keys of the ordered map, with their first eight bytes beside them.
//!
//! Most comparisons are decided by the head, which is in the map's node, so that a search does not
//! follow a pointer per comparison.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// An owned key. The order is that of the bytes: heads differ only if the bytes do, in the same
/// direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    head: u64,
    bytes: Box<[u8]>,
}

impl Key {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            head: head(bytes),
            bytes: bytes.into(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The first eight bytes as a big-endian number, short keys filled up with zeros.
fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(chunk)
        }
    }
}

/// A key to search for, borrowed.
pub(crate) struct KeyRef<'a> {
    head: u64,
    bytes: &'a [u8],
}

impl<'a> KeyRef<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            head: head(bytes),
            bytes,
        }
    }
}

/// What [`Key`] and [`KeyRef`] have in common, so that a map of one can be searched by the other.
pub(crate) trait AsKey {
    fn parts(&self) -> (u64, &[u8]);
}

impl AsKey for Key {
    fn parts(&self) -> (u64, &[u8]) {
        (self.head, &self.bytes)
    }
}

impl AsKey for KeyRef<'_> {
    fn parts(&self) -> (u64, &[u8]) {
        (self.head, self.bytes)
    }
}

impl<'a> Borrow<dyn AsKey + 'a> for Key {
    fn borrow(&self) -> &(dyn AsKey + 'a) {
        self
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn AsKey + '_ {}

impl PartialOrd for dyn AsKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AsKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_that_of_the_bytes(
            a in prop::collection::vec(0..3u8, 0..12),
            b in prop::collection::vec(0..3u8, 0..12),
        ) {
            prop_assert_eq!(Key::new(&a).cmp(&Key::new(&b)), a.cmp(&b));
            let (x, y): (&dyn AsKey, &dyn AsKey) = (&KeyRef::new(&a), &Key::new(&b));
            prop_assert_eq!(x.cmp(y), a.cmp(&b));
        }
    }
}
