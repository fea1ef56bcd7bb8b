//! Owned bytes that are cheap to make and to pass on: what a read returns.
//!
//! A [`Slice`] keeps alive whatever it points into, a block of the cache or the arena of a
//! memtable, so the bytes are not copied on their way to the caller. Bytes that fit the handle
//! itself are copied into it instead: that costs less than a reference count, and it does not
//! hold a block of four kilobytes for the sake of a counter.
//!
//! A slice that lives long pins its block, outside the budget of the cache. Callers that keep
//! values should copy them ([`Slice::to_vec`] or [`Slice::compact`]).

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use rustdb_skiplist::Pinned;

use crate::table::Block;

/// The longest byte string that is copied into the handle.
pub const INLINE_BYTES_MAX: usize = 30;

/// A vector of this length is kept as it is.
const LARGE_BYTES: usize = 64 << 10;

/// Immutable bytes, owned or shared. See the module's documentation.
#[derive(Clone)]
pub struct Slice(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Block {
        block: Block,
        start: u32,
        end: u32,
    },
    /// The first `skipped` bytes are not part of the slice.
    Memtable {
        bytes: Pinned,
        skipped: u32,
    },
    Heap {
        bytes: Arc<[u8]>,
    },
    /// As it was read: too long to be copied once more.
    Large {
        bytes: Arc<Vec<u8>>,
    },
}

impl Slice {
    /// The empty slice.
    pub const EMPTY: Slice = Slice(Repr::Inline {
        len: 0,
        bytes: [0; INLINE_BYTES_MAX],
    });

    /// Copies `bytes`, into the handle if they fit.
    pub fn copy_from(bytes: &[u8]) -> Self {
        match Self::inline(bytes) {
            Some(slice) => slice,
            None => Slice(Repr::Heap {
                bytes: bytes.into(),
            }),
        }
    }

    /// A short byte string, written in its place: `write` is given zeros and says how many bytes it
    /// made of them.
    #[inline(always)]
    pub(crate) fn written(write: impl FnOnce(&mut [u8; INLINE_BYTES_MAX]) -> usize) -> Self {
        let mut slice = Slice::EMPTY;
        if let Repr::Inline { len, bytes } = &mut slice.0 {
            *len = write(bytes) as u8;
        }
        slice
    }

    /// Copies `bytes` into the handle; `None` if they do not fit.
    #[inline]
    fn inline(bytes: &[u8]) -> Option<Self> {
        let mut inline = [0; INLINE_BYTES_MAX];
        inline.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Slice(Repr::Inline {
            len: bytes.len() as u8,
            bytes: inline,
        }))
    }

    /// A part of a block, which stays in memory as long as the slice.
    #[inline]
    pub(crate) fn of_block(block: Block, range: Range<usize>) -> Self {
        if let Some(slice) = Self::inline(&block.bytes()[range.clone()]) {
            return slice;
        }
        let (start, end) = (range.start as u32, range.end as u32);
        Slice(Repr::Block { block, start, end })
    }

    /// As [`Slice::of_block`], for a block that the caller keeps.
    #[inline]
    pub(crate) fn of_block_ref(block: &Block, range: Range<usize>) -> Self {
        match Self::inline(&block.bytes()[range.clone()]) {
            Some(slice) => slice,
            None => Self::of_block(block.clone(), range),
        }
    }

    /// The bytes from `start` on, sharing memory with this slice.
    ///
    /// Panics if `start` is beyond the end.
    pub fn skip(self, start: usize) -> Self {
        match self.0 {
            Repr::Block {
                block,
                start: at,
                end,
            } => {
                let at = at as usize + start;
                assert!(
                    at <= end as usize,
                    "cannot skip {start} bytes of a shorter slice"
                );
                Self::of_block(block, at..end as usize)
            }
            Repr::Memtable { bytes, skipped } => {
                let skipped = skipped as usize + start;
                match Self::inline(&bytes[skipped..]) {
                    Some(slice) => slice,
                    None => Slice(Repr::Memtable {
                        bytes,
                        skipped: skipped as u32,
                    }),
                }
            }
            Repr::Inline { .. } | Repr::Heap { .. } | Repr::Large { .. } => {
                Self::copy_from(&self[start..])
            }
        }
    }

    /// The same bytes, in memory of their own if they pin more than that.
    pub fn compact(self) -> Self {
        match self.0 {
            Repr::Inline { .. } | Repr::Heap { .. } | Repr::Large { .. } => self,
            Repr::Block { .. } | Repr::Memtable { .. } => Self::copy_from(&self),
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..*len as usize],
            Repr::Block { block, start, end } => &block.bytes()[*start as usize..*end as usize],
            Repr::Memtable { bytes, skipped } => &bytes[*skipped as usize..],
            Repr::Heap { bytes } => bytes,
            Repr::Large { bytes } => bytes,
        }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Slice {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<Pinned> for Slice {
    fn from(bytes: Pinned) -> Self {
        match Self::inline(&bytes) {
            Some(slice) => slice,
            None => Slice(Repr::Memtable { bytes, skipped: 0 }),
        }
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() >= LARGE_BYTES && bytes.capacity() - bytes.len() <= bytes.len() / 8 {
            return Slice(Repr::Large {
                bytes: Arc::new(bytes),
            });
        }
        match Self::inline(&bytes) {
            Some(slice) => slice,
            None => Slice(Repr::Heap {
                bytes: bytes.into(),
            }),
        }
    }
}

impl From<&[u8]> for Slice {
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from(bytes)
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Slice {}

impl PartialEq<[u8]> for Slice {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bytes_live_in_the_handle_and_long_ones_do_not() {
        let long = vec![7; INLINE_BYTES_MAX + 1];
        assert!(matches!(
            Slice::copy_from(&long[1..]).0,
            Repr::Inline { .. }
        ));
        assert!(matches!(Slice::copy_from(&long).0, Repr::Heap { .. }));
        assert_eq!(*Slice::copy_from(&long), long[..]);
        assert_eq!(*Slice::from(long.clone()), long[..]);
        assert_eq!(*Slice::EMPTY, []);
    }

    #[test]
    fn skip_drops_bytes_at_the_front() {
        for len in [0, 8, INLINE_BYTES_MAX, 100] {
            let bytes: Vec<u8> = (0..len as u8).collect();
            let (mut writer, reader) = rustdb_skiplist::new();
            writer.insert(b"key", 1, 2, &bytes);
            let pin = || reader.get(b"key", 1).expect("just inserted").pin();
            for start in 0..=len {
                assert_eq!(*Slice::copy_from(&bytes).skip(start), bytes[start..]);
                assert_eq!(*Slice::from(pin()).skip(start), bytes[start..]);
                let twice = Slice::from(pin()).skip(start / 2).skip(start - start / 2);
                assert_eq!(*twice.compact(), bytes[start..]);
            }
        }
    }

    #[test]
    fn a_handle_is_four_words() {
        assert_eq!(size_of::<Slice>(), 32);
    }
}
