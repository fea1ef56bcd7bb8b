//! Handles for reading.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::cursor::Cursor;
use crate::entry::{EntryPtr, SEQ_MAX, Target};
use crate::inner::Goal;
use crate::leaf::Leaf;
use crate::tree::Tree;

/// A handle for reading; clones share the tree.
#[derive(Clone)]
pub struct Reader {
    tree: Arc<Tree>,
}

impl Reader {
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        Self { tree }
    }

    /// The newest entry of `key` that is not newer than `seq`.
    #[inline]
    pub fn get(&self, key: &[u8], seq: u64) -> Option<EntryRef<'_>> {
        let entry = self.tree.get(Target { key, seq })?;
        Some(EntryRef {
            tree: &self.tree,
            entry,
        })
    }

    /// Goes to the leaf where an entry belongs that will be added soon, unless that is likely to be
    /// the one of the entry before, and asks the processor to load it. `seq` is the entry's, or
    /// [`SEQ_MAX`] if that is not known yet.
    #[inline]
    pub fn approach<'a>(&'a self, key: &'a [u8], seq: u64) -> Place<'a> {
        let target = Target { key, seq };
        let leaf = (!self.tree.is_near()).then(|| self.tree.leaf(Goal::At(target)));
        if let Some(leaf) = leaf {
            leaf.prefetch();
        }
        Place {
            tree: &self.tree,
            target,
            leaf,
        }
    }

    /// A cursor on no entry.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(Arc::clone(&self.tree))
    }

    /// Roughly how many entries have keys in `[lower, upper)`. Exact if there are few.
    pub fn approximate_count(&self, lower: &[u8], upper: &[u8]) -> usize {
        const FEW: usize = 128;
        let mut cursor = self.cursor();
        cursor.seek(lower, SEQ_MAX);
        for count in 0..FEW {
            if !cursor.valid() || cursor.key() >= upper {
                return count;
            }
            cursor.next();
        }
        let [lower, upper] = [lower, upper].map(|key| Target { key, seq: SEQ_MAX });
        let part = self.tree.part_before(upper) - self.tree.part_before(lower);
        FEW.max((part * self.len() as f64) as usize)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.tree.entries()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that entries take, with their overhead.
    pub fn used_bytes(&self) -> usize {
        self.tree.used_bytes()
    }

    /// Bytes taken from the system; above [`Reader::used_bytes`] by the free rest of a chunk.
    pub fn memory_bytes(&self) -> usize {
        self.tree.arena().reserved_bytes()
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

/// Where in a tree an entry belongs, found ahead by [`Reader::approach`] for
/// [`Writer::insert_at`](crate::Writer::insert_at).
#[derive(Clone, Copy)]
pub struct Place<'a> {
    tree: &'a Tree,
    target: Target<'a>,
    leaf: Option<&'a Leaf>,
}

impl<'a> Place<'a> {
    /// The leaf of `tree` where `target` belongs, if that is still known. `is_newest` says that
    /// the tree has no entry of the target's sequence number or above.
    pub(crate) fn leaf_for(
        &self,
        tree: &Tree,
        target: &Target<'_>,
        is_newest: bool,
    ) -> Option<&'a Leaf> {
        // What is sought for the highest number is found for any that is above those of all
        // versions of the key: only they may stand as bounds in between.
        let is_same = target.seq == self.target.seq || (is_newest && self.target.seq == SEQ_MAX);
        // NB: only full leaves are replaced. One with room is still where its entries belong.
        let leaf = self.leaf.filter(|leaf| leaf.has_room());
        leaf.filter(|_| is_same && std::ptr::eq(self.tree, tree) && self.target.key == target.key)
    }

    /// The key of the entry.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.target.key
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("key", &self.target.key)
            .field("seq", &self.target.seq)
            .finish_non_exhaustive()
    }
}

/// An entry that was found, borrowed from a [`Reader`].
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    tree: &'a Arc<Tree>,
    entry: EntryPtr,
}

// SAFETY: the entry is immutable memory of the tree, which can be shared among threads.
unsafe impl Send for EntryRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for EntryRef<'_> {}

impl<'a> EntryRef<'a> {
    /// The sequence number.
    #[inline]
    pub fn seq(&self) -> u64 {
        // SAFETY: the entry is one of the tree that is borrowed.
        unsafe { self.entry.seq() }
    }

    /// The kind, as given to [`crate::Writer::insert`].
    #[inline]
    pub fn kind(&self) -> u8 {
        // SAFETY: the entry is one of the tree that is borrowed.
        unsafe { self.entry.kind() }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        // SAFETY: the entry is one of the tree that is borrowed for `'a`.
        unsafe { self.entry.value() }
    }

    /// The value, independent of the reader.
    pub fn pin(&self) -> Pinned {
        Pinned::new(Arc::clone(self.tree), self.entry)
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

/// A value that keeps the memory of its tree alive. Two words, so that it fits a small enum.
#[derive(Clone)]
pub struct Pinned {
    /// Held for the entry.
    _tree: Arc<Tree>,
    entry: EntryPtr,
}

// SAFETY: the entry is immutable memory of the tree, which can be shared among threads.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// `entry` must be one of `tree`.
    pub(crate) fn new(tree: Arc<Tree>, entry: EntryPtr) -> Self {
        Self { _tree: tree, entry }
    }
}

impl Deref for Pinned {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the entry is one of the tree that is held.
        unsafe { self.entry.value() }
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
