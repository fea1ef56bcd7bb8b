//! Keys of the ordered map, with their first eight bytes at hand.
//!
//! Most comparisons are decided by the head, which is in the map's node, so that a search does not
//! follow a pointer per comparison. Keys that are not long are in the node as a whole: that takes
//! less memory than a piece of the heap each, and no time to get and to free one.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// The longest key that is kept in place.
const INLINE_BYTES_MAX: usize = 30;

/// An owned key. The order is that of the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Key(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Inline {
        len: u8,
        /// With zeros behind the key.
        bytes: [u8; INLINE_BYTES_MAX],
    },
    /// Longer than what is kept in place.
    Heap { head: u64, bytes: Box<[u8]> },
}

const _: () = assert!(size_of::<Key>() == 32);

impl Key {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self::in_place(key).unwrap_or_else(|| {
            Self(Repr::Heap {
                head: head(key),
                bytes: key.into(),
            })
        })
    }

    /// A key that is not long.
    #[inline]
    pub(crate) fn in_place(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        let len = key.len() as u8;
        Some(Self(Repr::Inline { len, bytes }))
    }

    #[inline]
    pub(crate) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef {
            head: self.head(),
            bytes: self.bytes(),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap { bytes, .. } => bytes,
        }
    }

    /// How much of the key is not in place.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap { bytes, .. } => bytes.len(),
        }
    }

    /// Heads differ only if the bytes do, in the same direction.
    #[inline]
    fn head(&self) -> u64 {
        match &self.0 {
            Repr::Inline { bytes, .. } => head(bytes),
            Repr::Heap { head, .. } => *head,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let heads = self.head().cmp(&other.head());
        heads.then_with(|| self.bytes().cmp(other.bytes()))
    }
}

/// The first eight bytes as a big-endian number, short keys filled up with zeros.
#[inline]
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
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            head: head(bytes),
            bytes,
        }
    }

    #[inline]
    pub(crate) fn cmp(&self, other: &KeyRef<'_>) -> Ordering {
        let heads = self.head.cmp(&other.head);
        heads.then_with(|| self.bytes.cmp(other.bytes))
    }
}

/// What [`Key`] and [`KeyRef`] have in common, so that a map of one can be searched by the other.
pub(crate) trait AsKey {
    fn parts(&self) -> (u64, &[u8]);
}

impl AsKey for Key {
    fn parts(&self) -> (u64, &[u8]) {
        (self.head(), self.bytes())
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
            shared in prop::sample::select(vec![0, 5, 20, 27, 40]),
            a in prop::collection::vec(0..3u8, 0..12),
            b in prop::collection::vec(0..3u8, 0..12),
        ) {
            let [a, b] = [a, b].map(|tail| [vec![1; shared], tail].concat());
            let key = Key::new(&a);
            prop_assert_eq!(key.bytes(), &a[..]);
            prop_assert_eq!(key == Key::new(&b), a == b);
            prop_assert_eq!(Key::new(&a).cmp(&Key::new(&b)), a.cmp(&b));
            let (x, y): (&dyn AsKey, &dyn AsKey) = (&KeyRef::new(&a), &Key::new(&b));
            prop_assert_eq!(x.cmp(y), a.cmp(&b));
        }
    }
}
