//! An arena skip list with one writer and lock-free readers: the memtable's ordered map.
//!
//! Entries are `(key, seq, kind, value)`. They sort by key ascending, then by `seq` descending,
//! so the first entry at or after `(key, s)` is the newest version of `key` that is not newer
//! than `s`. Entries are only ever added; the whole list is freed at once, when its last handle
//! goes.
//!
//! ```text
//! level 2   head ------------------------> c7 ------------------------> end
//! level 1   head ----------> a9 ---------> c7 ------------------------> end
//! level 0   head <--> a9 <--> a4 <--> b5 <--> c7 <--> c2 <--> d8 -----> end
//! ```
//!
//! * [`Writer`] is the only way to add, takes `&mut self` and cannot be cloned, so there is one
//!   writer by construction.
//! * [`Reader`] answers point reads; [`Cursor`] walks both ways; [`Pinned`] is a value that keeps
//!   the memory it lives in. All three can go to any thread and never wait.
//!
//! # Layout
//!
//! A node is one piece of memory in the [`arena`], never moved and never changed but for its
//! links. Next to the links stands the key's *head*, its first 16 bytes as two big-endian
//! numbers. Most comparisons are decided by it, so a step of a search costs one cache line.
//!
//! # Why readers need no lock
//!
//! 1. A node's fields, key and value are written before any link to it exists. The link at level
//!    0 is then stored with `Release`, and the links above it after that, also with `Release`.
//! 2. A reader gets to a node only through a link (or the head, which is older than every
//!    handle) that it loads with `Acquire`. So it sees all that was written in step 1.
//! 3. Nothing but links changes after that, and links are atomics. So shared slices of key and
//!    value bytes are never written under a reader.
//! 4. Nodes are not removed. Every level is a subsequence of the level below, because links are
//!    stored bottom up; a reader that finds a node at one level can go down from it.
//! 5. Every handle holds an `Arc` of the arena, so the memory outlives every pointer into it.
//!
//! Back links (level 0 only) are hints: they are stored after the forward link, so a reader may
//! find one that is out of date. It then walks forward from there; see [`Cursor::prev`].
//!
//! What a reader sees of inserts that run at the same time is not defined, entry by entry. The
//! engine publishes a sequence number after the inserts of its commit, and readers ignore entries
//! above the number they have loaded.
//!
//! # What is absent
//!
//! Removal (a deletion is an entry of its own kind), several writers (the leader of a commit
//! group applies for the group), and fallible allocation (the engine reserves memory before).

mod arena;
mod cursor;
mod list;
mod node;

pub use cursor::Cursor;
pub use list::{EntryRef, Pinned, Reader, SEQ_MAX, Writer, new};
