//! One entry in memory, and how entries compare.
//!
//! ```text
//!   trailer (seq << 8 | kind)   key length   value length   key bytes   value bytes
//! ```
//!
//! An entry never changes and never moves. Bounds between nodes are entries too, without values.

use std::cmp::Ordering;
use std::ptr::NonNull;

use crate::arena::{ALIGN, Arena, Bump};

/// The largest `seq` an entry can have.
pub const SEQ_MAX: u64 = (1 << 56) - 1;

/// The fixed part of an entry.
#[repr(C)]
pub(crate) struct Header {
    trailer: u64,
    key_bytes: u32,
    value_bytes: u32,
}

const _: () = assert!(align_of::<Header>() <= ALIGN);

const LINE_BYTES: usize = 64;

/// An entry in an arena.
///
/// Whoever holds one also holds the arena, or a borrow of something that does. That is the safety
/// contract of everything below, and why no method is called on an entry whose tree is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryPtr(NonNull<Header>);

/// What a search looks for: a key, and the newest version of it to find.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) seq: u64,
}

impl EntryPtr {
    /// Copies an entry into memory from `arena`.
    pub(crate) fn create(
        arena: &Arena,
        bump: &mut Bump,
        target: Target<'_>,
        kind: u8,
        value: &[u8],
    ) -> EntryPtr {
        let Target { key, seq } = target;
        let key_bytes = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let value_bytes = u32::try_from(value.len()).expect("a value is shorter than 4 GiB");
        let start = bump.take(arena, size_of::<Header>() + key.len() + value.len());
        // SAFETY: the piece has room for header, key and value in this order, is aligned for the
        // header, and nobody else knows it yet.
        unsafe {
            let header = start.cast::<Header>();
            header.write(Header {
                trailer: (seq << 8) | u64::from(kind),
                key_bytes,
                value_bytes,
            });
            let tail = header.add(1).cast::<u8>();
            tail.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let tail = tail.add(key.len());
            tail.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
            EntryPtr(header)
        }
    }

    /// From a pointer that came from [`EntryPtr::as_ptr`].
    pub(crate) fn from_ptr(ptr: *mut Header) -> Option<Self> {
        NonNull::new(ptr).map(EntryPtr)
    }

    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }
}

/// Reading an entry.
///
/// # Safety
///
/// For every function here: the arena of the entry is alive for `'a`, and what made the entry
/// happened before (its pointer was loaded with `Acquire` from where it was stored with
/// `Release`).
impl EntryPtr {
    #[inline]
    unsafe fn header<'a>(self) -> &'a Header {
        // SAFETY: by contract; the header never changes.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) unsafe fn seq(self) -> u64 {
        // SAFETY: by contract.
        unsafe { self.header() }.trailer >> 8
    }

    #[inline]
    pub(crate) unsafe fn kind(self) -> u8 {
        // SAFETY: by contract.
        unsafe { self.header() }.trailer as u8
    }

    #[inline]
    pub(crate) unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: by contract; the key follows the header and never changes.
        unsafe {
            let bytes = self.header().key_bytes as usize;
            std::slice::from_raw_parts(self.0.as_ptr().add(1).cast::<u8>(), bytes)
        }
    }

    #[inline]
    pub(crate) unsafe fn value<'a>(self) -> &'a [u8] {
        // SAFETY: by contract; the value follows the key and never changes.
        unsafe {
            let Header {
                key_bytes,
                value_bytes,
                ..
            } = *self.header();
            let start = self.0.as_ptr().add(1).cast::<u8>().add(key_bytes as usize);
            std::slice::from_raw_parts(start, value_bytes as usize)
        }
    }

    #[inline]
    pub(crate) unsafe fn target<'a>(self) -> Target<'a> {
        // SAFETY: by contract.
        unsafe {
            Target {
                key: self.key(),
                seq: self.seq(),
            }
        }
    }
}

impl EntryPtr {
    /// Asks the processor to load the entry.
    #[inline]
    pub(crate) fn prefetch(self) {
        // Header and key are all that a step of a walk needs.
        prefetch(self.0.as_ptr(), LINE_BYTES);
    }

    /// Asks the processor to load what [`EntryPtr::prefetch`] does not, if it is not much: of a
    /// long piece it finds out by itself that more follows.
    ///
    /// # Safety
    ///
    /// As for everything that reads the entry.
    #[inline]
    pub(crate) unsafe fn prefetch_rest(self) {
        // SAFETY: by contract.
        let header = unsafe { self.header() };
        let bytes = size_of::<Header>() + header.key_bytes as usize + header.value_bytes as usize;
        let rest = bytes.min(4 * LINE_BYTES).saturating_sub(LINE_BYTES);
        prefetch(self.0.as_ptr().cast::<u8>().wrapping_add(LINE_BYTES), rest);
    }
}

/// Asks the processor to load the first `bytes` bytes from `start` on into its caches. A hint: it
/// changes nothing but the time that a look at them takes later, and any address will do.
#[inline]
pub fn prefetch<T>(start: *const T, bytes: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in 0..bytes.div_ceil(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory and accepts any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast::<i8>().wrapping_add(64 * line)) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (start, bytes);
}

impl Target<'_> {
    /// Compares by key ascending, then `seq` descending. The first `shared` bytes of both keys
    /// are known to be equal.
    #[inline]
    pub(crate) fn cmp_beyond(&self, other: &Target<'_>, shared: usize) -> Ordering {
        let keys = match (self.key.get(shared..), other.key.get(shared..)) {
            (Some(rest), Some(other)) => rest.cmp(other),
            _ => self.key.cmp(other.key),
        };
        keys.then_with(|| other.seq.cmp(&self.seq))
    }
}

/// The eight bytes of a key from `skip` on as a big-endian number, zeros after its end. Of keys
/// that share the bytes before, those with different heads differ in the same way.
#[inline]
pub(crate) fn head(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or(&[]);
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}

/// How many bytes two keys have in common at the front.
pub(crate) fn common_bytes(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}
