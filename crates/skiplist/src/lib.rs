//! An ordered map with one writer and lock-free readers: what a memtable is made of.
//!
//! Entries are `(key, seq, kind, value)`. They sort by key ascending, then by `seq` descending,
//! so the first entry at or after `(key, s)` is the newest version of `key` that is not newer
//! than `s`. Entries are only ever added; everything is freed at once, when the last handle goes.
//!
//! * [`Writer`] is the only way to add, takes `&mut self` and cannot be cloned, so there is one
//!   writer by construction.
//! * [`Reader`] answers point reads; [`Cursor`] walks both ways; [`Pinned`] is a value that keeps
//!   the memory it lives in. All three can go to any thread and never wait.
//!
//! # The idea
//!
//! It is a search tree of wide nodes, which are cheap to search (a few cache lines each) and cheap
//! to walk. What makes it safe to read while it is written is that nodes are only appended to:
//!
//! ```text
//!   inner    [ -inf | m ]                          slots: separator -> child
//!             |      |
//!   leaves   [a9 c7 d1 | b5]    [m3 p2 z8]         slots: head, entry
//!             sorted     as they came
//! ```
//!
//! An insert appends to a leaf. A full leaf is replaced by two sorted ones: the upper gets a slot
//! in the parent, then the lower takes the slot of the full leaf, which from then on only readers
//! know who were in it already. Nothing is freed before the whole tree is, so they may take as
//! long as they like. Where a node ends and the next begins stays a border for ever; from border
//! to border is how cursors get from leaf to leaf. See [`node`].
//!
//! # Why readers need no lock
//!
//! 1. *What is pointed to is complete.* Entries and nodes are written in full before a pointer to
//!    them is stored, with `Release`; every such pointer is loaded with `Acquire`. A slot is
//!    written before the count that includes it is stored with `Release`, and readers look only
//!    at slots below a count that they loaded with `Acquire`.
//! 2. *What is read does not change.* Entries never do. In nodes, all that changes after it was
//!    published is atomic: the count, and the pointers in slots.
//! 3. *Nothing is freed under a reader.* All memory is the arena's, and every handle holds it.
//! 4. *A search sees every entry whose insert happened before the search.* Take the path from the
//!    root to that entry as it was when the insert was done. For each pointer on it a later search
//!    loads what was stored then or what was stored since. By induction it goes through nodes that
//!    have the entry below them: a pointer is only ever replaced by one to a node that leads to
//!    the same entries, save for those above a separator that got a slot of its own before. That a
//!    search does not take the replaced pointer without having seen the new slot is what
//!    [`inner::Inner::child`] checks.
//!
//! What readers see of inserts that run at the same time is not defined, entry by entry. The
//! engine publishes a sequence number after the inserts of its commit, and readers ignore entries
//! above the number they have loaded.
//!
//! # What is absent
//!
//! Removal (a deletion is an entry of its own kind), several writers (the leader of a commit
//! group applies for the group), reuse of replaced nodes (they are a tenth of the memory, and to
//! know when nobody is in them would cost every reader), and fallible allocation (the engine
//! reserves memory before).

mod arena;
mod cursor;
mod entry;
mod inner;
mod leaf;
mod node;
mod reader;
mod tree;
mod writer;

pub use cursor::Cursor;
pub use entry::{SEQ_MAX, prefetch};
pub use reader::{EntryRef, Pinned, Place, Reader};
pub use writer::{Writer, new};
