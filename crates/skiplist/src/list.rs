//! The list itself: searching, inserting, and the handles.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arena::{Arena, Bump};
use crate::cursor::Cursor;
use crate::node::{HEIGHT_MAX, NewEntry, NodePtr, Target};

/// The largest `seq` an entry can have.
pub const SEQ_MAX: u64 = (1 << 56) - 1;

/// Makes an empty list and its two handles.
pub fn new() -> (Writer, Reader) {
    let arena = Arena::new();
    let mut bump = Bump::new();
    let sentinel = NewEntry {
        target: Target::new(&[], SEQ_MAX),
        kind: 0,
        value: &[],
    };
    let head = NodePtr::create(&arena, &mut bump, HEIGHT_MAX, &sentinel);
    let counters = Counters {
        height: AtomicUsize::new(1),
        entries: AtomicUsize::new(0),
        used_bytes: AtomicUsize::new(0),
    };
    let list = Arc::new(List {
        head,
        counters,
        arena,
    });
    let splice = Splice {
        before: [head; HEIGHT_MAX],
        after: [NodePtr::NULL; HEIGHT_MAX],
    };
    let writer = Writer {
        list: Arc::clone(&list),
        bump,
        splice,
        random: Xorshift::new(),
    };
    (writer, Reader { list })
}

/// What all handles share.
pub(crate) struct List {
    /// The sentinel before the first entry, with links on all levels.
    head: NodePtr,
    counters: Counters,
    arena: Arena,
}

/// Written by the writer with each insert; on a cache line apart from what every search reads.
#[repr(align(64))]
struct Counters {
    /// Levels that have nodes (at least one). May be behind for a reader, which then starts its
    /// search lower than it could.
    height: AtomicUsize,
    entries: AtomicUsize,
    used_bytes: AtomicUsize,
}

// SAFETY: nodes are immutable but for their links, which are atomics; the module documentation of
// the crate has the whole argument.
unsafe impl Send for List {}
// SAFETY: as above.
unsafe impl Sync for List {}

impl List {
    pub(crate) fn first(&self) -> NodePtr {
        // SAFETY: the sentinel is a node of our arena and has all links.
        unsafe { self.head.next(0) }
    }

    pub(crate) fn last(&self) -> Option<NodePtr> {
        let mut node = self.head;
        for level in (0..self.height()).rev() {
            // SAFETY: `node` is the sentinel or was reached on this level or a higher one.
            while let next = unsafe { node.next(level) }
                && !next.is_null()
            {
                node = next;
            }
        }
        self.unless_sentinel(node)
    }

    /// The first entry at or after `target`; null if there is none.
    pub(crate) fn seek(&self, target: &Target<'_>) -> NodePtr {
        self.search(target).1
    }

    /// The last entry before `target`.
    pub(crate) fn seek_before(&self, target: &Target<'_>) -> Option<NodePtr> {
        self.unless_sentinel(self.search(target).0)
    }

    /// The entry before `node`, which must be a node of this list.
    pub(crate) fn before(&self, node: NodePtr) -> Option<NodePtr> {
        // SAFETY: `node` is ours by contract, and not the sentinel; so it has a node before it.
        // Back links lead to nodes that are in the list, from which `node` can be reached on
        // level 0, where every node has a link.
        unsafe {
            let mut before = node.back();
            while let next = before.next(0)
                && next != node
            {
                before = next;
            }
            self.unless_sentinel(before)
        }
    }

    /// Roughly how many entries lie between two targets.
    ///
    /// Counts nodes on the highest level that has enough of them there, and scales that up by
    /// what a level thins out.
    pub(crate) fn approximate_count(&self, lower: &Target<'_>, upper: &Target<'_>) -> usize {
        const SAMPLE: usize = 64;
        let (mut before, mut after) = (self.head, NodePtr::NULL);
        for level in (0..self.height()).rev() {
            // SAFETY: as in `search`; the walk stays on one level, from a node reached on it.
            unsafe {
                (before, after) = self.step_right(level, before, after, lower);
                let (mut node, mut count) = (after, 0);
                while !node.is_null() && node.is_before(upper) {
                    count += 1;
                    node = node.next(level);
                }
                if count >= SAMPLE || level == 0 {
                    return count << (2 * level);
                }
            }
        }
        0
    }

    fn unless_sentinel(&self, node: NodePtr) -> Option<NodePtr> {
        (node != self.head).then_some(node)
    }

    fn height(&self) -> usize {
        self.counters.height.load(Ordering::Relaxed)
    }

    /// The neighbours of the gap at level 0 in which `target` belongs.
    #[inline]
    fn search(&self, target: &Target<'_>) -> (NodePtr, NodePtr) {
        let mut before = self.head;
        // A node already found not to be before the target: it comes up again on lower levels.
        let mut after = NodePtr::NULL;
        for level in (0..self.height()).rev() {
            // SAFETY: `before` is the sentinel or was reached on this level or a higher one, and
            // `after` is a node when it is not null.
            unsafe { (before, after) = self.step_right(level, before, after, target) };
        }
        (before, after)
    }

    /// Walks `level` from `before`, which sorts before the target, to the gap of the target.
    ///
    /// # Safety
    ///
    /// `before` is a node of this list with a link at `level`.
    #[inline]
    unsafe fn step_right(
        &self,
        level: usize,
        mut before: NodePtr,
        after: NodePtr,
        target: &Target<'_>,
    ) -> (NodePtr, NodePtr) {
        loop {
            // SAFETY: by contract, or because `before` was reached on this level.
            let next = unsafe { before.next(level) };
            if next == after || next.is_null() {
                return (before, next);
            }
            if level > 0 {
                // If the step is too far the search goes on there: load both at once.
                // SAFETY: as above; a node has all lower links too.
                unsafe { before.next(level - 1) }.prefetch();
            }
            // SAFETY: `next` is not null, so it is a node of this list.
            if !unsafe { next.is_before(target) } {
                return (before, next);
            }
            before = next;
        }
    }
}

/// The one handle that can add entries.
pub struct Writer {
    list: Arc<List>,
    bump: Bump,
    /// Where the last entry went: the next one often belongs close to it.
    splice: Splice,
    random: Xorshift,
}

/// For each level the neighbours of a gap. `before[i].next(i) == after[i]` on every level, and a
/// gap lies within the gaps of the levels above it.
struct Splice {
    before: [NodePtr; HEIGHT_MAX],
    after: [NodePtr; HEIGHT_MAX],
}

// SAFETY: the pointers in the splice lead into the list that the writer keeps alive.
unsafe impl Send for Writer {}

impl Writer {
    /// Adds an entry. One with the same key and `seq` as an older one sorts before it.
    ///
    /// # Panics
    ///
    /// If `seq` is above [`SEQ_MAX`], or key or value are 4 GiB or longer.
    pub fn insert(&mut self, key: &[u8], seq: u64, kind: u8, value: &[u8]) {
        assert!(seq <= SEQ_MAX, "sequence number {seq} out of range");
        let target = Target::new(key, seq);
        self.locate(&target);
        let height = self.random.height().min(self.list.height() + 1);
        let entry = NewEntry {
            target,
            kind,
            value,
        };
        let node = NodePtr::create(&self.list.arena, &mut self.bump, height, &entry);
        self.link(node, height);

        let counters = &self.list.counters;
        if height > self.list.height() {
            counters.height.store(height, Ordering::Relaxed);
        }
        let entries = counters.entries.load(Ordering::Relaxed) + 1;
        counters.entries.store(entries, Ordering::Relaxed);
        counters
            .used_bytes
            .store(self.bump.used_bytes(), Ordering::Relaxed);
    }

    /// A handle that reads what this one writes.
    pub fn reader(&self) -> Reader {
        Reader {
            list: Arc::clone(&self.list),
        }
    }

    /// Moves the splice to the gap of `target`.
    fn locate(&mut self, target: &Target<'_>) {
        let Splice { before, after } = &mut self.splice;
        let height = self.list.height();
        let is_before = |node: NodePtr| {
            // SAFETY: callers pass nodes of the splice that are not null.
            unsafe { node.is_before(target) }
        };
        // The lowest level whose gap holds the target; above the top level the gap is everything.
        let mut level = 0;
        while level < height
            && !((before[level] == self.list.head || is_before(before[level]))
                && (after[level].is_null() || !is_before(after[level])))
        {
            level += 1;
        }
        let (mut left, mut right) = match level {
            0 => return,
            _ if level == height => (self.list.head, NodePtr::NULL),
            _ => (before[level], after[level]),
        };
        for level in (0..level).rev() {
            // SAFETY: `left` is the sentinel or was reached on this level or a higher one.
            unsafe { (left, right) = self.list.step_right(level, left, right, target) };
            (before[level], after[level]) = (left, right);
        }
    }

    /// Links `node` into the splice, bottom up.
    fn link(&mut self, node: NodePtr, height: usize) {
        let Splice { before, after } = &mut self.splice;
        // SAFETY: `node` was created with `height` links, the nodes before it were reached on
        // their levels (or are the sentinel, on levels that were empty so far), and the node
        // after it at level 0 is a node unless null.
        unsafe {
            node.set_back(before[0]);
            for level in 0..height {
                node.set_next(level, after[level]);
                before[level].set_next(level, node);
                before[level] = node;
            }
            if !after[0].is_null() {
                after[0].set_back(node);
            }
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("list", &self.reader())
            .finish_non_exhaustive()
    }
}

/// A handle for reading; clones share the list.
#[derive(Clone)]
pub struct Reader {
    list: Arc<List>,
}

impl Reader {
    /// The newest entry of `key` that is not newer than `seq`.
    #[inline]
    pub fn get(&self, key: &[u8], seq: u64) -> Option<EntryRef<'_>> {
        let node = self.list.seek(&Target::new(key, seq));
        // SAFETY: a node that is not null is a node of our list.
        (!node.is_null() && unsafe { node.key() } == key).then_some(EntryRef {
            list: &self.list,
            node,
        })
    }

    /// A cursor before the first entry.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(Arc::clone(&self.list))
    }

    /// Roughly how many entries have keys in `[lower, upper)`. Exact if there are few.
    pub fn approximate_count(&self, lower: &[u8], upper: &[u8]) -> usize {
        self.list
            .approximate_count(&Target::new(lower, SEQ_MAX), &Target::new(upper, SEQ_MAX))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.list.counters.entries.load(Ordering::Relaxed)
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that entries take, with their overhead.
    pub fn used_bytes(&self) -> usize {
        self.list.counters.used_bytes.load(Ordering::Relaxed)
    }

    /// Bytes taken from the system; above [`Reader::used_bytes`] by the free rest of a chunk.
    pub fn memory_bytes(&self) -> usize {
        self.list.arena.reserved_bytes()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("len", &self.len())
            .field("memory_bytes", &self.memory_bytes())
            .finish()
    }
}

/// An entry that was found, borrowed from a [`Reader`].
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    list: &'a Arc<List>,
    node: NodePtr,
}

impl<'a> EntryRef<'a> {
    /// The sequence number.
    pub fn seq(&self) -> u64 {
        // SAFETY: an entry holds a node of its list.
        unsafe { self.node.seq() }
    }

    /// The kind, as given to [`Writer::insert`].
    pub fn kind(&self) -> u8 {
        // SAFETY: an entry holds a node of its list.
        unsafe { self.node.kind() }
    }

    /// The value.
    pub fn value(&self) -> &'a [u8] {
        // SAFETY: an entry holds a node of its list, which `'a` keeps alive.
        unsafe { self.node.value() }
    }

    /// The value, independent of the reader.
    pub fn pin(&self) -> Pinned {
        Pinned::new(Arc::clone(self.list), self.node)
    }
}

impl fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryRef")
            .field("seq", &self.seq())
            .field("kind", &self.kind())
            .field("value", &self.value())
            .finish()
    }
}

/// A value that keeps the memory of its list alive. Two words, so that it fits a small enum.
#[derive(Clone)]
pub struct Pinned {
    /// Held for the node.
    _list: Arc<List>,
    node: NodePtr,
}

// SAFETY: the node belongs to the list, which can be shared among threads.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// `node` must be a node of `list`.
    pub(crate) fn new(list: Arc<List>, node: NodePtr) -> Self {
        Self { _list: list, node }
    }
}

impl Deref for Pinned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the node belongs to the list that is held.
        unsafe { self.node.value() }
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Draws heights. The seed is fixed: keys do not depend on it, and equal runs stay equal.
struct Xorshift(u64);

impl Xorshift {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// 1 for three nodes in four, 2 for three in four of the rest, and so on.
    fn height(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (1 + self.0.trailing_zeros() as usize / 2).min(HEIGHT_MAX)
    }
}
