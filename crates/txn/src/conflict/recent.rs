//! What was committed recently, in order: the answer to "did anything change in what I read?"
//!
//! Commits are recorded only while someone watches: a serializable transaction that may write, a
//! transaction that deletes a range, or one so large that it is checked before it enters the
//! pipeline. Otherwise a commit pays one load for it.
//!
//! # Nothing is missed
//!
//! Recording is switched on while the pipeline is paused, so every commit after the last number
//! given out then is recorded (`complete_after`). Commits before it may still be on their way; a
//! watcher waits until they are visible and takes its snapshot only then. So its snapshot is at or
//! after `complete_after`, and everything newer than its snapshot is here.
//!
//! # Bounds
//!
//! Commits that no watcher can still ask about are dropped from the front. If what is left is
//! more than `bytes_max`, the oldest are dropped all the same and `complete_after` rises; a
//! transaction that began before it can no longer be checked and conflicts. A commit of very many
//! keys is recorded as its *hull*, the range from its first to its last: for reads that counts as
//! if every key in it were written; a large transaction asks the engine about its own keys.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_storage::SequenceNumber;
use rustdb_vfs::sync::Mutex;

use super::footprint::{Footprint, StorageRange};
use crate::error::Conflict;
use crate::ranges::RangeSet;
use rustdb_storage::engine::Engine;

/// Recently committed storage keys.
#[derive(Debug)]
pub(crate) struct Recent {
    bytes_max: usize,
    /// Whether anyone watches. Changes to `true` only while the pipeline is paused.
    on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many watchers need everything newer than this.
    watchers: BTreeMap<SequenceNumber, usize>,
    /// Every commit after this one is recorded.
    complete_after: SequenceNumber,
    /// In order of their sequence numbers.
    commits: VecDeque<Commit>,
    /// The newest commit of each recorded key.
    newest: BTreeMap<Arc<[u8]>, SequenceNumber>,
    /// About what all of this takes in memory.
    bytes: usize,
}

#[derive(Debug)]
struct Commit {
    sequence: SequenceNumber,
    keys: Vec<Arc<[u8]>>,
    ranges: Vec<StorageRange>,
    hulls: Vec<StorageRange>,
    bytes: usize,
}

/// Something that was written, in storage keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written<'a> {
    Key(&'a [u8]),
    /// Every key of a range.
    Range(&'a [u8], &'a [u8]),
    /// Some keys of a range, by this commit.
    Hull(&'a [u8], &'a [u8], SequenceNumber),
}

/// Keeps recording on. Commits newer than the watch's sequence number stay recorded.
#[derive(Debug)]
pub(crate) struct Watch {
    recent: Arc<Recent>,
    after: SequenceNumber,
}

impl Recent {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            on: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Starts to watch. When this returns, everything newer than the watch is recorded and
    /// everything else is visible.
    pub(crate) fn watch(self: &Arc<Self>, engine: &Engine) -> rustdb_storage::Result<Watch> {
        let after = match self.join() {
            Some(after) => after,
            None => engine.paused(|last| {
                let mut state = self.state.lock();
                if state.watchers.is_empty() {
                    *state = State {
                        complete_after: last,
                        ..State::default()
                    };
                    self.on.store(true, Ordering::Release);
                }
                state.add_watcher()
            }),
        };
        let watch = Watch {
            recent: self.clone(),
            after,
        };
        engine.wait_visible(after)?;
        Ok(watch)
    }

    /// Joins those who watch already, if there are any.
    fn join(&self) -> Option<SequenceNumber> {
        let mut state = self.state.lock();
        (!state.watchers.is_empty()).then(|| state.add_watcher())
    }

    /// Records a commit. Called inside the pipeline.
    #[inline]
    pub(crate) fn record(&self, sequence: SequenceNumber, footprint: &Footprint) {
        if self.on.load(Ordering::Acquire) {
            self.record_watched(sequence, footprint);
        }
    }

    /// Whether commits are recorded now. Called inside the pipeline.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    fn record_watched(&self, sequence: SequenceNumber, footprint: &Footprint) {
        let mut state = self.state.lock();
        if state.watchers.is_empty() {
            return;
        }
        state.push(sequence, footprint);
        state.trim(self.bytes_max);
    }

    /// Whether a commit after `after` wrote a key in `reads`, a set of storage keys.
    pub(crate) fn check(&self, reads: &RangeSet, after: SequenceNumber) -> Result<(), Conflict> {
        let state = self.state.lock();
        if after < state.complete_after {
            return Err(Conflict::TooOld);
        }
        if state
            .commits
            .back()
            .is_none_or(|last| last.sequence <= after)
        {
            return Ok(());
        }
        let commits = || {
            state
                .commits
                .iter()
                .rev()
                .take_while(|c| c.sequence > after)
        };
        let by_range = commits()
            .flat_map(|c| c.ranges.iter().chain(&c.hulls))
            .any(|(s, e)| reads.overlaps(s, Some(e)));
        let written: usize = commits().map(|c| c.keys.len()).sum();
        // Either each key written is looked up in what was read, or the other way round.
        let by_key = if written <= reads.len() {
            commits()
                .flat_map(|c| &c.keys)
                .any(|key| reads.contains(key))
        } else {
            reads
                .iter()
                .any(|(start, end)| state.any_newer(start, end, after))
        };
        if by_range || by_key {
            Err(Conflict::Read)
        } else {
            Ok(())
        }
    }

    /// Calls `visit` with everything written after `after`. Stops at the first error. An empty set
    /// of commits costs nothing.
    pub(crate) fn visit_after<E: From<Conflict>>(
        &self,
        after: SequenceNumber,
        mut visit: impl FnMut(Written<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = self.state.lock();
        if after < state.complete_after {
            return Err(Conflict::TooOld.into());
        }
        for commit in state
            .commits
            .iter()
            .rev()
            .take_while(|c| c.sequence > after)
        {
            for key in &commit.keys {
                visit(Written::Key(key))?;
            }
            for (start, end) in &commit.ranges {
                visit(Written::Range(start, end))?;
            }
            for (start, end) in &commit.hulls {
                visit(Written::Hull(start, end, commit.sequence))?;
            }
        }
        Ok(())
    }

    /// Whether few keys and ranges, at most `count`, were written after `after`, and no hulls.
    pub(crate) fn has_few_after(&self, after: SequenceNumber, count: usize) -> bool {
        let state = self.state.lock();
        let mut written = 0;
        for commit in state.commits.iter().rev() {
            if commit.sequence <= after {
                break;
            }
            written += commit.keys.len() + commit.ranges.len();
            if written > count || !commit.hulls.is_empty() {
                return false;
            }
        }
        true
    }
}

impl State {
    fn add_watcher(&mut self) -> SequenceNumber {
        *self.watchers.entry(self.complete_after).or_default() += 1;
        self.complete_after
    }

    fn remove_watcher(&mut self, after: SequenceNumber) {
        if let Some(count) = self.watchers.get_mut(&after) {
            *count -= 1;
            if *count == 0 {
                self.watchers.remove(&after);
            }
        }
    }

    fn push(&mut self, sequence: SequenceNumber, footprint: &Footprint) {
        let keys: Vec<Arc<[u8]>> = footprint.storage_keys().map(Arc::from).collect();
        let (ranges, hulls) = (footprint.ranges().to_vec(), footprint.hulls().to_vec());
        for key in &keys {
            self.newest.insert(key.clone(), sequence);
        }
        let overhead = |len: usize| len + 96;
        let bytes = keys.iter().map(|key| overhead(key.len())).sum::<usize>()
            + footprint
                .ranges_and_hulls()
                .map(|(s, e)| overhead(s.len() + e.len()))
                .sum::<usize>()
            + size_of::<Commit>();
        self.bytes += bytes;
        self.commits.push_back(Commit {
            sequence,
            keys,
            ranges,
            hulls,
            bytes,
        });
    }

    /// Drops commits that nobody can ask about, and the oldest others if they are too many.
    fn trim(&mut self, bytes_max: usize) {
        let oldest = self
            .watchers
            .keys()
            .next()
            .copied()
            .unwrap_or(SequenceNumber::MAX);
        while let Some(commit) = self.commits.front() {
            if commit.sequence > oldest && self.bytes <= bytes_max {
                break;
            }
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(commit) = self.commits.pop_front() else {
            return;
        };
        self.bytes -= commit.bytes;
        self.complete_after = self.complete_after.max(commit.sequence);
        for key in commit.keys {
            if self.newest.get(&key) == Some(&commit.sequence) {
                self.newest.remove(&key);
            }
        }
    }

    fn any_newer(&self, start: &[u8], end: Option<&[u8]>, after: SequenceNumber) -> bool {
        let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
        let mut inside = self
            .newest
            .range::<[u8], _>((Bound::Included(start), upper));
        inside.any(|(_, &sequence)| sequence > after)
    }
}

impl Watch {
    /// Everything newer than this is recorded while the watch lives.
    pub(crate) fn after(&self) -> SequenceNumber {
        self.after
    }

    /// Lets go of what is not newer than `after`.
    pub(crate) fn advance(&mut self, after: SequenceNumber) {
        let mut state = self.recent.state.lock();
        *state.watchers.entry(after).or_default() += 1;
        state.remove_watcher(self.after);
        self.after = after;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.recent.state.lock();
        state.remove_watcher(self.after);
        if state.watchers.is_empty() {
            self.recent.on.store(false, Ordering::Release);
            *state = State::default();
        }
    }
}
