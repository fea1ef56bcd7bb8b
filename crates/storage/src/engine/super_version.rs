//! The super version: everything a reader may have to look at, in one immutable value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::key::SequenceNumber;
use crate::memtable::Memtable;
use crate::version::{Run, Version};

/// The active memtable, the *young* sources and the levels below them.
///
/// Frozen memtables and the runs of level 0 stand in one list, newest first by their highest
/// sequence number. Their sequence ranges do not overlap, so the first hit in list order is the
/// newest. A memtable is not always newer than a run: a large transaction publishes a run while
/// older memtables still wait for their flush.
#[derive(Debug)]
pub(crate) struct SuperVersion {
    /// Takes the writes.
    pub active: Arc<Memtable>,
    /// Frozen memtables and runs of level 0, newest first.
    pub young: Vec<Young>,
    /// All tables; readers use levels 1 and below.
    pub version: Arc<Version>,
    /// How often long walks have gone from one source to another.
    switches: AtomicU64,
}

/// Whenever walks have gone from one source to another this often, somebody looks whether merging
/// would be less effort.
const SWITCHES_PER_LOOK: u64 = 1 << 16;

/// A source between the active memtable and level 1.
#[derive(Clone, Debug)]
pub(crate) enum Young {
    /// A frozen memtable.
    Memtable(Arc<Memtable>),
    /// A run of level 0.
    Run(Arc<Run>),
}

impl Young {
    fn max_sequence(&self) -> SequenceNumber {
        match self {
            Young::Memtable(memtable) => memtable.max_seq(),
            Young::Run(run) => run.max_seq(),
        }
    }
}

impl SuperVersion {
    /// Orders the sources.
    pub fn new(
        active: Arc<Memtable>,
        frozen: impl Iterator<Item = Arc<Memtable>>,
        version: Arc<Version>,
    ) -> Self {
        let mut young: Vec<Young> = frozen.map(Young::Memtable).collect();
        young.extend(version.level(0).runs().iter().cloned().map(Young::Run));
        young.sort_by_key(|source| std::cmp::Reverse(source.max_sequence()));
        Self {
            active,
            young,
            version,
            switches: AtomicU64::new(0),
        }
    }

    /// Counts what a walk has gone from one source to another. Returns whether it is time to look
    /// whether merging would be less effort.
    pub fn note_switches(&self, count: u64) -> bool {
        let before = self.switches.fetch_add(count, Ordering::Relaxed);
        before / SWITCHES_PER_LOOK != (before + count) / SWITCHES_PER_LOOK
    }

    /// How often long walks have gone from one source to another since the sources are these.
    pub fn switches(&self) -> u64 {
        self.switches.load(Ordering::Relaxed)
    }

    /// The frozen memtables, newest first.
    pub fn frozen(&self) -> impl DoubleEndedIterator<Item = &Arc<Memtable>> {
        self.young.iter().filter_map(|source| match source {
            Young::Memtable(memtable) => Some(memtable),
            Young::Run(_) => None,
        })
    }
}
