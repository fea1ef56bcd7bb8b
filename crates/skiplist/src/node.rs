//! One entry in memory, and how entries compare.
//!
//! ```text
//!   link[height-1] ... link[1] link[0] | head  trailer  back  lengths | key bytes | value bytes
//!                                      ^ a NodePtr points here
//! ```
//!
//! The links grow downwards so that the two things a search needs of a node, its head and a low
//! link, are neighbours. The node does not know its height: nobody follows a link of a level on
//! which he did not arrive.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::arena::{ALIGN, Arena, Bump};

/// The most links a node has. With one node in four reaching the next level this serves 4^16
/// entries.
pub(crate) const HEIGHT_MAX: usize = 16;

const HEAD_BYTES: usize = 16;
const LINK_BYTES: usize = size_of::<Link>();

type Link = AtomicPtr<Fields>;

/// The fixed part of a node.
#[repr(C)]
struct Fields {
    /// The key's head, high half first.
    head: [u64; 2],
    /// `seq << 8 | kind`.
    trailer: u64,
    /// The node before this one at level 0, or one before that; see [`NodePtr::back`].
    back: Link,
    key_bytes: u32,
    value_bytes: u32,
}

const _: () = assert!(align_of::<Fields>() <= ALIGN && align_of::<Link>() <= ALIGN);
const _: () = assert!(LINK_BYTES.is_multiple_of(ALIGN));

/// A node, or nothing (the end of a level).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodePtr(*mut Fields);

/// A node's contents before it is a node.
pub(crate) struct NewEntry<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) kind: u8,
    pub(crate) value: &'a [u8],
}

impl NodePtr {
    pub(crate) const NULL: NodePtr = NodePtr(null_mut());

    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Puts an entry into memory from `arena`, with `height` links that lead nowhere yet.
    pub(crate) fn create(
        arena: &Arena,
        bump: &mut Bump,
        height: usize,
        entry: &NewEntry<'_>,
    ) -> NodePtr {
        assert!((1..=HEIGHT_MAX).contains(&height));
        let key = entry.target.key;
        let key_bytes = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let value_bytes = u32::try_from(entry.value.len()).expect("a value is shorter than 4 GiB");
        let links_bytes = height * LINK_BYTES;
        let bytes = links_bytes + size_of::<Fields>() + key.len() + entry.value.len();
        let start = bump.take(arena, bytes);
        // SAFETY: the piece has room for the links, the fields, the key and the value in this
        // order, is aligned for links and fields, and nobody else knows it yet.
        unsafe {
            let fields = start.add(links_bytes).cast::<Fields>();
            for level in 1..=height {
                fields
                    .cast::<Link>()
                    .sub(level)
                    .write(Link::new(null_mut()));
            }
            fields.write(Fields {
                head: entry.target.head,
                trailer: (entry.target.seq << 8) | u64::from(entry.kind),
                back: Link::new(null_mut()),
                key_bytes,
                value_bytes,
            });
            let tail = fields.add(1).cast::<u8>();
            tail.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let tail = tail.add(key.len());
            tail.copy_from_nonoverlapping(NonNull::from(entry.value).cast(), entry.value.len());
            NodePtr(fields.as_ptr())
        }
    }
}

/// Reading a node.
///
/// # Safety
///
/// For every function here: `self` is a node (not null) of an arena that is alive for `'a`; where
/// there is a level, the node was reached on that level or a higher one (so it has that link).
impl NodePtr {
    unsafe fn link<'a>(self, level: usize) -> &'a Link {
        // SAFETY: by contract there are more than `level` links below the fields; they are
        // atomics that live as long as the arena.
        unsafe { &*self.0.cast::<Link>().sub(level + 1) }
    }

    pub(crate) unsafe fn next(self, level: usize) -> NodePtr {
        // SAFETY: as by contract. `Acquire` pairs with the `Release` in `set_next`.
        NodePtr(unsafe { self.link(level) }.load(Ordering::Acquire))
    }

    /// Links `next` behind this node; everything written to `next` before is visible to readers
    /// that follow the link.
    pub(crate) unsafe fn set_next(self, level: usize, next: NodePtr) {
        // SAFETY: as by contract.
        unsafe { self.link(level) }.store(next.0, Ordering::Release);
    }

    /// A node before this one at level 0 (null in the sentinel): the direct predecessor, unless a
    /// node was inserted between the two and its writer is between its two stores.
    pub(crate) unsafe fn back(self) -> NodePtr {
        // SAFETY: as by contract; `back` is an atomic within the fields.
        NodePtr(unsafe { &(*self.0).back }.load(Ordering::Acquire))
    }

    pub(crate) unsafe fn set_back(self, before: NodePtr) {
        // SAFETY: as by contract.
        unsafe { &(*self.0).back }.store(before.0, Ordering::Release);
    }

    pub(crate) unsafe fn seq(self) -> u64 {
        // SAFETY: as by contract; the trailer never changes.
        unsafe { (*self.0).trailer >> 8 }
    }

    pub(crate) unsafe fn kind(self) -> u8 {
        // SAFETY: as by contract; the trailer never changes.
        unsafe { (*self.0).trailer as u8 }
    }

    pub(crate) unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: the key follows the fields, `key_bytes` long, and never changes.
        unsafe {
            let bytes = (*self.0).key_bytes as usize;
            std::slice::from_raw_parts(self.0.add(1).cast::<u8>(), bytes)
        }
    }

    pub(crate) unsafe fn value<'a>(self) -> &'a [u8] {
        // SAFETY: the value follows the key, `value_bytes` long, and never changes.
        unsafe {
            let (skip, bytes) = ((*self.0).key_bytes as usize, (*self.0).value_bytes as usize);
            std::slice::from_raw_parts(self.0.add(1).cast::<u8>().add(skip), bytes)
        }
    }

    /// Whether this entry sorts before `target`. An entry equal to it does not.
    #[inline]
    pub(crate) unsafe fn is_before(self, target: &Target<'_>) -> bool {
        // SAFETY: as by contract; the head never changes.
        let head = as_number(unsafe { (*self.0).head });
        let other = as_number(target.head);
        if head != other {
            return head < other;
        }
        // SAFETY: as by contract.
        unsafe { self.is_before_beyond_head(target) }
    }

    /// Heads are equal. Then so are the keys' first bytes, as far as both have them.
    unsafe fn is_before_beyond_head(self, target: &Target<'_>) -> bool {
        // SAFETY: as by contract.
        let (key, seq) = unsafe { (self.key(), self.seq()) };
        let order = match (key.get(HEAD_BYTES..), target.key.get(HEAD_BYTES..)) {
            (Some(rest), Some(other)) => rest.cmp(other),
            // One key is short, so it begins the other; a head does not tell its end from zeros.
            _ => key.len().cmp(&target.key.len()),
        };
        order.then_with(|| target.seq.cmp(&seq)).is_lt()
    }

    /// Asks the processor to load the node for a comparison.
    #[inline]
    pub(crate) fn prefetch(self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch has no effect on memory and accepts any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.0.cast()) };
        }
    }
}

/// What a search looks for: a key, and the newest version of it to find.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    head: [u64; 2],
    pub(crate) key: &'a [u8],
    pub(crate) seq: u64,
}

impl<'a> Target<'a> {
    #[inline]
    pub(crate) fn new(key: &'a [u8], seq: u64) -> Self {
        Self {
            head: head_of(key),
            key,
            seq,
        }
    }
}

/// A key's first 16 bytes as big-endian numbers, zeros after its end. Where two heads differ, the
/// keys differ in the same way.
#[inline]
fn head_of(key: &[u8]) -> [u64; 2] {
    let mut padded = [0; HEAD_BYTES];
    match key.first_chunk::<HEAD_BYTES>() {
        Some(first) => padded = *first,
        None => padded[..key.len()].copy_from_slice(key),
    }
    let number = u128::from_be_bytes(padded);
    [(number >> 64) as u64, number as u64]
}

#[inline]
fn as_number([high, low]: [u64; 2]) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}
