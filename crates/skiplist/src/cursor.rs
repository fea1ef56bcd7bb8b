//! Walking the list.

use std::fmt;
use std::sync::Arc;

use crate::list::{List, Pinned, SEQ_MAX};
use crate::node::{NodePtr, Target};

/// A position in the list: on an entry, or on none. Owned, so it can outlive the reader it came
/// from.
#[derive(Clone)]
pub struct Cursor {
    list: Arc<List>,
    /// Null when on no entry.
    node: NodePtr,
}

// SAFETY: the node belongs to the list, which can be shared among threads.
unsafe impl Send for Cursor {}
// SAFETY: as above; shared access to a cursor only reads.
unsafe impl Sync for Cursor {}

impl Cursor {
    pub(crate) fn new(list: Arc<List>) -> Self {
        Self {
            list,
            node: NodePtr::NULL,
        }
    }

    /// Whether the cursor is on an entry.
    #[inline]
    pub fn valid(&self) -> bool {
        !self.node.is_null()
    }

    /// Goes to the first entry at or after `(key, seq)`.
    pub fn seek(&mut self, key: &[u8], seq: u64) {
        self.node = self.list.seek(&Target::new(key, seq));
    }

    /// Goes to the last entry whose key is below `key`.
    pub fn seek_before(&mut self, key: &[u8]) {
        let before = self.list.seek_before(&Target::new(key, SEQ_MAX));
        self.node = before.unwrap_or(NodePtr::NULL);
    }

    /// Goes to the first entry.
    pub fn seek_to_first(&mut self) {
        self.node = self.list.first();
    }

    /// Goes to the last entry.
    pub fn seek_to_last(&mut self) {
        self.node = self.list.last().unwrap_or(NodePtr::NULL);
    }

    /// Goes to the next entry.
    ///
    /// # Panics
    ///
    /// If the cursor is on no entry. That holds for all functions below.
    #[inline]
    pub fn next(&mut self) {
        let node = self.on_entry();
        // SAFETY: the cursor is on a node of its list; every node has a link at level 0.
        self.node = unsafe { node.next(0) };
    }

    /// Goes to the entry before this one.
    ///
    /// Entries that were inserted before this call began are not missed: the hint in the node may
    /// lead too far back, and then the way forward is walked.
    #[inline]
    pub fn prev(&mut self) {
        let node = self.on_entry();
        self.node = self.list.before(node).unwrap_or(NodePtr::NULL);
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: the cursor is on a node of its list.
        unsafe { self.on_entry().key() }
    }

    /// The sequence number.
    #[inline]
    pub fn seq(&self) -> u64 {
        // SAFETY: the cursor is on a node of its list.
        unsafe { self.on_entry().seq() }
    }

    /// The kind, as given to [`crate::Writer::insert`].
    #[inline]
    pub fn kind(&self) -> u8 {
        // SAFETY: the cursor is on a node of its list.
        unsafe { self.on_entry().kind() }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        // SAFETY: the cursor is on a node of its list.
        unsafe { self.on_entry().value() }
    }

    /// The value, independent of the cursor.
    pub fn pin_value(&self) -> Pinned {
        Pinned::new(Arc::clone(&self.list), self.on_entry())
    }

    #[inline]
    fn on_entry(&self) -> NodePtr {
        assert!(self.valid(), "the cursor is on no entry");
        self.node
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Cursor");
        if self.valid() {
            f.field("key", &self.key())
                .field("seq", &self.seq())
                .field("kind", &self.kind());
        }
        f.finish_non_exhaustive()
    }
}
