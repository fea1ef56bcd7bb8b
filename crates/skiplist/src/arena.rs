//! Memory that is taken in small pieces and given back all at once.
//!
//! Chunks grow from 64 KiB to 4 MiB, so that a small list is small and a large one makes few
//! calls. A piece that would waste much of a chunk gets a chunk of its own. Chunks form a list
//! through their headers; dropping the [`Arena`] frees them.
//!
//! [`Bump`] is the writer's position in its current chunk. It is apart from [`Arena`] so that the
//! arena can be shared while one writer allocates without atomics.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What every piece is aligned to.
pub(crate) const ALIGN: usize = 8;

const CHUNK_ALIGN: usize = 64;
const CHUNK_BYTES_MIN: usize = 64 << 10;
const CHUNK_BYTES_MAX: usize = 4 << 20;

/// Stands at the start of each chunk.
#[repr(C, align(64))]
struct ChunkHeader {
    previous: *mut ChunkHeader,
    /// The whole chunk, header included.
    bytes: usize,
}

const HEADER_BYTES: usize = size_of::<ChunkHeader>();
const _: () = assert!(HEADER_BYTES == CHUNK_ALIGN && CHUNK_ALIGN.is_multiple_of(ALIGN));

/// Owns the chunks.
pub(crate) struct Arena {
    latest: AtomicPtr<ChunkHeader>,
    reserved_bytes: AtomicUsize,
}

// SAFETY: the chunks belong to the arena alone until it is dropped; its fields are atomics.
unsafe impl Send for Arena {}
// SAFETY: as above; `chunk` may run on several threads, each gets memory of its own.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) fn new() -> Self {
        Self {
            latest: AtomicPtr::new(null_mut()),
            reserved_bytes: AtomicUsize::new(0),
        }
    }

    /// Bytes taken from the system.
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes.load(Ordering::Relaxed)
    }

    /// A new chunk with room for `bytes`, aligned to [`ALIGN`].
    fn chunk(&self, bytes: usize) -> NonNull<u8> {
        let total = bytes
            .checked_add(HEADER_BYTES)
            .expect("callers pass sizes of real objects");
        let layout = chunk_layout(total);
        // SAFETY: the size is not zero, it includes the header.
        let Some(chunk) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout);
        };
        let header = chunk.cast::<ChunkHeader>();
        let mut previous = self.latest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the chunk is large enough and aligned for a header, and not yet shared.
            unsafe {
                header.write(ChunkHeader {
                    previous,
                    bytes: total,
                })
            };
            let (won, lost) = (Ordering::Release, Ordering::Relaxed);
            match self
                .latest
                .compare_exchange_weak(previous, header.as_ptr(), won, lost)
            {
                Ok(_) => break,
                Err(now) => previous = now,
            }
        }
        self.reserved_bytes.fetch_add(total, Ordering::Relaxed);
        // SAFETY: the chunk is at least `HEADER_BYTES` long.
        unsafe { chunk.add(HEADER_BYTES) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut chunk = *self.latest.get_mut();
        while !chunk.is_null() {
            // SAFETY: the list holds chunks made by `chunk`, each once, with the size they were
            // allocated with; `&mut self` says that nobody else looks at them any more.
            unsafe {
                let ChunkHeader { previous, bytes } = chunk.read();
                dealloc(chunk.cast(), chunk_layout(bytes));
                chunk = previous;
            }
        }
    }
}

fn chunk_layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, CHUNK_ALIGN).expect("sizes of real objects fit an isize")
}

/// The free rest of the writer's current chunk.
pub(crate) struct Bump {
    next: *mut u8,
    left: usize,
    chunk_bytes: usize,
    used_bytes: usize,
}

// SAFETY: the free rest belongs to the bump alone.
unsafe impl Send for Bump {}

impl Bump {
    pub(crate) fn new() -> Self {
        Self {
            next: null_mut(),
            left: 0,
            chunk_bytes: CHUNK_BYTES_MIN,
            used_bytes: 0,
        }
    }

    /// Bytes handed out, and rests of chunks that were too small.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// As [`Bump::take`], aligned to a cache line.
    pub(crate) fn take_lines(&mut self, arena: &Arena, bytes: usize) -> NonNull<u8> {
        let bytes = bytes.next_multiple_of(CHUNK_ALIGN);
        let padding = self.next.addr().next_multiple_of(CHUNK_ALIGN) - self.next.addr();
        if padding + bytes <= self.left {
            self.take(arena, padding);
        } else {
            self.abandon();
        }
        self.take(arena, bytes)
    }

    /// Leaves the rest of the chunk unused.
    fn abandon(&mut self) {
        self.used_bytes += self.left;
        self.left = 0;
    }

    /// Uninitialised memory of `bytes` bytes, aligned to [`ALIGN`], valid as long as `arena`. All
    /// calls on one bump must pass the same arena, else a rest may outlive its arena.
    pub(crate) fn take(&mut self, arena: &Arena, bytes: usize) -> NonNull<u8> {
        let bytes = bytes.next_multiple_of(ALIGN);
        self.used_bytes += bytes;
        if bytes > self.left {
            if bytes > self.chunk_bytes / 4 {
                return arena.chunk(bytes);
            }
            self.abandon();
            self.left = self.chunk_bytes - HEADER_BYTES;
            self.next = arena.chunk(self.left).as_ptr();
            self.chunk_bytes = (self.chunk_bytes * 2).min(CHUNK_BYTES_MAX);
        }
        let piece = self.next;
        // SAFETY: `next` points to `left` free bytes, and `bytes` is not more.
        self.next = unsafe { self.next.add(bytes) };
        self.left -= bytes;
        NonNull::new(piece).expect("a bump with bytes left has a chunk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_and_apart() {
        let (arena, mut bump) = (Arena::new(), Bump::new());
        let sizes = [
            1, 8, 13, 40_000, 64, 200_000, 7, 16_000, 16_000, 16_000, 16_000, 3,
        ];
        let mut pieces: Vec<(usize, usize)> = sizes
            .iter()
            .map(|&bytes| {
                let piece = bump.take(&arena, bytes);
                // SAFETY: the piece is ours and `bytes` long.
                unsafe { piece.write_bytes(0xAB, bytes) };
                (piece.as_ptr().addr(), bytes)
            })
            .collect();
        pieces.sort_unstable();
        assert!(pieces.iter().all(|(start, _)| start.is_multiple_of(ALIGN)));
        assert!(pieces.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0));
        let used: usize = sizes.iter().map(|n| n.next_multiple_of(ALIGN)).sum();
        assert!(bump.used_bytes() >= used);
        assert!(arena.reserved_bytes() >= bump.used_bytes());
    }
}
