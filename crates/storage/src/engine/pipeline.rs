//! The commit pipeline: many committers, one order.
//!
//! ```text
//!  committer: lock ─ validate ─ take a sequence number ─ append to the open group ─ unlock ┐
//!  leader:    take the open group ─ log ─ sync once ─ apply ─ publish ─ wake the group ────┘
//! ```
//!
//! The first committer to find no leader becomes one and writes its own commit, straight from its
//! batch. While it waits for the disk, others fill the next group; when it is done it hands
//! leadership to one of them. There is no timer: the time a sync takes is the window in which a group fills.
//!
//! A group that is not synced is written in a few microseconds, less than it takes to put a thread
//! to sleep and wake it. So the first to join a group, who leads it if it comes to that, looks for
//! its turn for about as long before it sleeps. The others sleep at once: several that look would
//! take processors from the leader.
//!
//! Invariants:
//! - Sequence numbers are given out under the pipeline's lock, in the order of the log, and
//!   `validate` runs in that order too. A commit that takes a number is logged or the engine is
//!   poisoned.
//! - A commit becomes visible only after all commits before it, and only when its group is as
//!   durable as its most demanding member asked.
//! - Only the leader touches the writer (log and active memtable), so those need no sharing.
//!
//! What it does not do: it knows no isolation. `Validate` is the layer above.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_vfs::sync::{Condvar, Mutex};

use crate::engine::Inner;
use crate::engine::batch::Batch;
use crate::error::{Error, Rejection, Result};
use crate::key::{KeyspaceId, MAX_SEQUENCE, SequenceNumber};
use crate::memtable::Approach;

/// How often the first to join a group looks for its turn before it sleeps: 20 us or less.
const LOOKS_BEFORE_SLEEP: u32 = 400;

/// How durable a commit is when it returns. Recovery always yields a prefix of the commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In memory; a crash of the process may lose it.
    None,
    /// With the operating system; survives a crash of the process, not of the machine.
    Buffered,
    /// On disk.
    #[default]
    Sync,
}

/// Decides, in commit order, whether a commit may go ahead.
pub trait Validate {
    /// Runs under the pipeline's lock, so it must be short. Refusing leaves no trace.
    fn validate(&mut self, context: &mut CommitContext) -> Result<(), Rejection>;
}

impl<F: FnMut(&mut CommitContext) -> Result<(), Rejection>> Validate for F {
    fn validate(&mut self, context: &mut CommitContext) -> Result<(), Rejection> {
        self(context)
    }
}

/// What a [`Validate`] sees and may add.
#[derive(Debug)]
pub struct CommitContext {
    /// The sequence number the commit will have.
    pub sequence: SequenceNumber,
    /// The newest commit that readers see; those between it and `sequence` are under way.
    pub visible: SequenceNumber,
    /// Changes to the exact counts of counted keyspaces.
    pub count_deltas: Vec<(KeyspaceId, i64)>,
}

/// Where committers meet.
#[derive(Debug)]
pub(crate) struct Pipeline {
    state: Mutex<PipelineState>,
}

#[derive(Debug)]
struct PipelineState {
    /// What the next commit gets.
    next_sequence: SequenceNumber,
    /// Whether some thread works on a group, or has been asked to.
    has_leader: bool,
    /// The commits that the next leader will write.
    open: Group,
    /// A spent buffer, for the next group.
    spare: Vec<u8>,
    /// Where commits collect their changes of counts, one after the other; empty in between.
    count_deltas: Vec<(KeyspaceId, i64)>,
}

/// Commits that came together while another leader was at work, for one record of the log.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The encoded commits, one after the other.
    pub payload: Vec<u8>,
    /// How many there are.
    pub commits: usize,
    /// What the most demanding of them asked for.
    pub durability: Durability,
    /// What they wait for, since there is one.
    outcome: Option<Arc<Outcome>>,
}

/// The commit of who found no leader, which goes to the log straight from its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    pub batch: &'a Batch,
    pub sequence: SequenceNumber,
    pub micros: u64,
    /// Changes of exact counts.
    pub deltas: &'a [(KeyspaceId, i64)],
    pub durability: Durability,
    /// Where the first operation's entry will be added.
    pub ahead: Option<&'a Approach<'a>>,
}

#[derive(Debug, Default)]
struct Outcome {
    status: Mutex<Status>,
    changed: Condvar,
    /// Set once the status has changed, to be seen without the lock.
    has_changed: AtomicBool,
}

#[derive(Debug, Default)]
enum Status {
    #[default]
    Waiting,
    /// One of the group's committers has to lead.
    LeaderWanted,
    Done(Result<()>),
}

impl Pipeline {
    pub fn new(last_sequence: SequenceNumber) -> Self {
        Self {
            state: Mutex::new(PipelineState {
                next_sequence: last_sequence + 1,
                has_leader: false,
                open: Group::default(),
                spare: Vec::new(),
                count_deltas: Vec::new(),
            }),
        }
    }

    /// Goes on from a recovered commit.
    pub fn reset(&self, last_sequence: SequenceNumber) {
        self.state.lock().next_sequence = last_sequence + 1;
    }

    /// Runs `body` while no commit can validate or take a sequence number. `body` gets the last
    /// sequence number given out.
    pub fn paused<R>(&self, body: impl FnOnce(SequenceNumber) -> R) -> R {
        let state = self.state.lock();
        body(state.next_sequence - 1)
    }
}

impl Inner {
    /// Takes a batch through the pipeline; returns when it is visible and as durable as asked.
    pub(crate) fn commit_batch(
        &self,
        batch: &Batch,
        durability: Durability,
        validate: &mut dyn Validate,
    ) -> Result<SequenceNumber> {
        // What it looks at arrives while the commit is validated, encoded and logged.
        let super_version = self.super_version.load();
        let ahead = batch
            .first_key()
            .map(|key| super_version.active.approach(key, MAX_SEQUENCE));
        let micros = self.vfs.wall_micros();
        // Ids are given out for keyspaces that exist, so before the first drop all are good.
        let drops = self.keyspaces.drops();
        let mut keyspaces = match drops {
            0 => Vec::new(),
            _ => batch.keyspaces(),
        };
        let mut state = self.pipeline.state.lock();
        self.fault.check()?;
        if self.keyspaces.drops() > 0 {
            if drops == 0 {
                keyspaces = batch.keyspaces();
            }
            self.keyspaces.check_open(&keyspaces)?;
        }
        let mut context = CommitContext {
            sequence: state.next_sequence,
            visible: self.visible.load(Ordering::Acquire),
            count_deltas: std::mem::take(&mut state.count_deltas),
        };
        let sequence = context.sequence;
        if let Err(rejection) = validate.validate(&mut context) {
            state.take_back(context);
            return Err(Error::Rejected(rejection));
        }
        state.next_sequence += 1;
        if state.has_leader {
            state.open.join(batch, micros, &context, durability);
            let is_first = state.open.outcome.is_none();
            let outcome = state.open.outcome.get_or_insert_default().clone();
            state.take_back(context);
            drop(state);
            drop(super_version);
            if is_first && durability != Durability::Sync {
                outcome.look_for_change();
            }
            self.wait_for_group(&outcome)?;
        } else {
            state.has_leader = true;
            drop(state);
            let written = self.write_own(&Own {
                batch,
                sequence,
                micros,
                deltas: &context.count_deltas,
                durability,
                ahead: ahead.as_ref(),
            });
            let mut state = self.pipeline.state.lock();
            state.take_back(context);
            state.pass_on();
            written?;
        }
        Ok(sequence)
    }

    /// Writes the open group, then passes leadership on.
    fn lead(&self) -> Result<()> {
        let mut state = self.pipeline.state.lock();
        let next = Group {
            payload: std::mem::take(&mut state.spare),
            ..Group::default()
        };
        let mut group = std::mem::replace(&mut state.open, next);
        drop(state);

        let result = self.write_group(&group);
        if let Some(outcome) = &group.outcome {
            outcome.finish(result.clone());
        }

        let mut state = self.pipeline.state.lock();
        group.payload.clear();
        // A buffer that one huge group grew is not kept for the small ones.
        if group.payload.capacity() <= 4 << 20 {
            state.spare = group.payload;
        }
        state.pass_on();
        result
    }

    fn wait_for_group(&self, outcome: &Outcome) -> Result<()> {
        let mut status = outcome.status.lock();
        loop {
            match &*status {
                Status::Waiting => outcome.changed.wait(&mut status),
                Status::Done(result) => return result.clone(),
                Status::LeaderWanted => {
                    *status = Status::Waiting;
                    drop(status);
                    return self.lead();
                }
            }
        }
    }
}

impl PipelineState {
    /// Takes back the memory for changes of counts.
    #[inline]
    fn take_back(&mut self, mut context: CommitContext) {
        context.count_deltas.clear();
        self.count_deltas = context.count_deltas;
    }

    /// Ends a leader's work: who joined meanwhile waits for the next one.
    #[inline]
    fn pass_on(&mut self) {
        match &self.open.outcome {
            Some(outcome) => outcome.want_leader(),
            None => self.has_leader = false,
        }
    }
}

impl Group {
    fn join(
        &mut self,
        batch: &Batch,
        micros: u64,
        context: &CommitContext,
        durability: Durability,
    ) {
        let deltas = &context.count_deltas;
        batch.encode(context.sequence, micros, deltas, &mut self.payload);
        self.durability = match self.commits {
            0 => durability,
            _ => self.durability.max(durability),
        };
        self.commits += 1;
    }
}

impl Outcome {
    fn finish(&self, result: Result<()>) {
        *self.status.lock() = Status::Done(result);
        self.has_changed.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn want_leader(&self) {
        *self.status.lock() = Status::LeaderWanted;
        self.has_changed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Waits, awake and not for long, until the status has changed.
    fn look_for_change(&self) {
        for _ in 0..LOOKS_BEFORE_SLEEP {
            if self.has_changed.load(Ordering::Acquire) {
                return;
            }
            std::hint::spin_loop();
        }
    }
}
