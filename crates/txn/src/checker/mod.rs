//! Tells from what transactions saw whether they were isolated from each other.
//!
//! In the manner of Elle (Kingsbury and Alvaro, 2020). The workload appends numbers, each used
//! once, to lists that are stored under keys, and reads whole lists. A list shows in which order
//! its numbers were appended, so that the reads of a history reveal who wrote before whom, who
//! read what of whom, and who read what somebody else was about to replace:
//!
//! | edge | meaning |
//! |---|---|
//! | ww | appended to the same list directly after |
//! | wr | read a list whose last number the other appended |
//! | rw | read a list to which the other appended next |
//! | rt | began after the other had committed |
//!
//! A circle is an anomaly; which one follows from its edges. Some anomalies need no circle: reads
//! of what was rolled back (G1a) or overwritten by its own writer (G1b), lists that contradict
//! each other, numbers that got lost.
//!
//! It needs complete knowledge of outcomes: every transaction is known to have committed or not.
//! The history should end with a read of every list, so that the order of every list is known.
//!
//! It does not know ranges: phantoms are tested by other means.

mod cycle;
mod graph;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

pub use cycle::{Cycle, CycleKind};
pub use graph::Edge;

use graph::Graph;

/// The key of a list.
pub type ListKey = u64;

/// What a transaction did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Appended a number that is used once in the whole history.
    Append(ListKey, u64),
    /// Read a list.
    Read(ListKey, Vec<u64>),
}

/// One transaction of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it did.
    pub operations: Vec<Operation>,
    /// Whether it committed.
    pub is_committed: bool,
    /// When it began, on a clock shared by all, before its snapshot was taken.
    pub began: u64,
    /// When it ended, on the same clock, after its commit had returned.
    pub ended: u64,
}

/// Something that must not be, at some level of isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A transaction did not see its own writes, or saw a list change between two reads.
    Internal(usize, String),
    /// A transaction read a number of one that did not commit.
    AbortedRead(usize, ListKey, u64),
    /// A transaction read a list at a number that its writer had followed with another.
    IntermediateRead(usize, ListKey, u64),
    /// Two reads of a list are not one the beginning of the other.
    Contradiction(ListKey, Vec<u64>, Vec<u64>),
    /// A number is in a list twice, or in one that nobody appended it to.
    Garbage(ListKey, u64),
    /// A committed number is not in the longest version of its list.
    LostAppend(ListKey, u64),
    /// Two transactions read the same version of a list and both replaced it.
    LostUpdate(ListKey, usize, usize),
    /// Transactions that depend on each other in a circle.
    Cycle(Cycle),
}

/// What a level promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No G0, G1a, G1b, G1c.
    ReadCommitted,
    /// Also no circle in which no two rw edges follow one another, G-single among them, no lost
    /// update, and one moment per transaction.
    SnapshotIsolation,
    /// No circles.
    Serializable,
    /// Nor any with the order of time among their edges.
    StrictSerializable,
}

impl Anomaly {
    /// The weakest promise that this breaks.
    pub fn breaks(&self) -> Promise {
        match self {
            Anomaly::AbortedRead(..)
            | Anomaly::IntermediateRead(..)
            | Anomaly::Contradiction(..)
            | Anomaly::Garbage(..)
            | Anomaly::LostAppend(..) => Promise::ReadCommitted,
            Anomaly::Internal(..) | Anomaly::LostUpdate(..) => Promise::SnapshotIsolation,
            Anomaly::Cycle(cycle) => match cycle.kind {
                CycleKind::G0 | CycleKind::G1c => Promise::ReadCommitted,
                CycleKind::GSingle | CycleKind::GNonadjacent => Promise::SnapshotIsolation,
                CycleKind::G2Item => Promise::Serializable,
                CycleKind::Realtime => Promise::StrictSerializable,
            },
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anomaly::Internal(t, what) => write!(f, "internal: T{t} {what}"),
            Anomaly::AbortedRead(t, key, n) => {
                write!(f, "G1a: T{t} read aborted {n} in list {key}")
            }
            Anomaly::IntermediateRead(t, key, n) => {
                write!(
                    f,
                    "G1b: T{t} read list {key} at {n}, which its writer followed up"
                )
            }
            Anomaly::Contradiction(key, a, b) => {
                write!(
                    f,
                    "contradiction: list {key} was read as {a:?} and as {b:?}"
                )
            }
            Anomaly::Garbage(key, n) => write!(f, "garbage: {n} does not belong in list {key}"),
            Anomaly::LostAppend(key, n) => write!(f, "lost append: {n} is missing in list {key}"),
            Anomaly::LostUpdate(key, a, b) => {
                write!(
                    f,
                    "lost update: T{a} and T{b} replaced the same version of list {key}"
                )
            }
            Anomaly::Cycle(cycle) => write!(f, "{cycle}"),
        }
    }
}

/// Every anomaly found in a history that breaks `promise` or a weaker one.
pub fn check(history: &[Record], promise: Promise) -> Vec<Anomaly> {
    let mut anomalies = find(history);
    anomalies.retain(|anomaly| anomaly.breaks() <= promise);
    anomalies
}

/// Every anomaly found in a history. Of circles, one of each kind.
pub fn find(history: &[Record]) -> Vec<Anomaly> {
    let mut lists = Lists::default();
    lists.collect_writers(history);
    for (t, record) in committed(history) {
        check_internal(t, record, &mut lists.anomalies);
        lists.collect_reads(t, record);
    }
    lists.check_versions(history);
    lists.check_lost_updates();
    let graph = Graph::new(history, &lists);
    let mut anomalies = lists.anomalies;
    anomalies.extend(cycle::find(&graph).into_iter().map(Anomaly::Cycle));
    anomalies
}

fn committed(history: &[Record]) -> impl Iterator<Item = (usize, &Record)> {
    history
        .iter()
        .enumerate()
        .filter(|(_, record)| record.is_committed)
}

/// What is known of all lists.
#[derive(Debug, Default)]
struct Lists {
    /// Who appended a number, and whether it was the writer's last to that list.
    writers: HashMap<(ListKey, u64), Writer>,
    /// The longest version read.
    versions: BTreeMap<ListKey, Vec<u64>>,
    /// What each committed transaction read of others: list and length, once per list.
    reads: Vec<(usize, ListKey, usize)>,
    /// What each committed transaction appended to.
    appends: BTreeSet<(usize, ListKey)>,
    anomalies: Vec<Anomaly>,
}

#[derive(Clone, Copy, Debug)]
struct Writer {
    transaction: usize,
    is_last: bool,
    is_committed: bool,
}

impl Lists {
    fn collect_writers(&mut self, history: &[Record]) {
        for (t, record) in history.iter().enumerate() {
            let mut last: HashMap<ListKey, u64> = HashMap::new();
            for operation in &record.operations {
                let Operation::Append(key, number) = operation else {
                    continue;
                };
                if let Some(previous) = last.insert(*key, *number)
                    && let Some(writer) = self.writers.get_mut(&(*key, previous))
                {
                    writer.is_last = false;
                }
                let is_committed = record.is_committed;
                let writer = Writer {
                    transaction: t,
                    is_last: true,
                    is_committed,
                };
                if self.writers.insert((*key, *number), writer).is_some() {
                    self.anomalies.push(Anomaly::Garbage(*key, *number));
                }
                if is_committed {
                    self.appends.insert((t, *key));
                }
            }
        }
    }

    /// Takes in what a committed transaction read of others.
    fn collect_reads(&mut self, t: usize, record: &Record) {
        let mut seen = BTreeSet::new();
        for operation in &record.operations {
            let Operation::Read(key, list) = operation else {
                continue;
            };
            // Its own numbers at the end are not of others.
            let is_own = |number: &u64| {
                self.writers
                    .get(&(*key, *number))
                    .is_some_and(|w| w.transaction == t)
            };
            let own = list
                .iter()
                .rev()
                .take_while(|number| is_own(number))
                .count();
            let foreign = &list[..list.len() - own];
            if seen.insert((*key, foreign.len())) {
                self.take_version(t, *key, foreign);
                self.reads.push((t, *key, foreign.len()));
            }
        }
    }

    fn take_version(&mut self, t: usize, key: ListKey, list: &[u64]) {
        for number in list {
            match self.writers.get(&(key, *number)) {
                None => self.anomalies.push(Anomaly::Garbage(key, *number)),
                Some(writer) if !writer.is_committed => {
                    self.anomalies.push(Anomaly::AbortedRead(t, key, *number));
                }
                Some(_) => {}
            }
        }
        if let Some(last) = list.last()
            && self.writers.get(&(key, *last)).is_some_and(|w| !w.is_last)
        {
            self.anomalies
                .push(Anomaly::IntermediateRead(t, key, *last));
        }
        let longest = self.versions.entry(key).or_default();
        let (short, long) = match list.len() > longest.len() {
            true => (longest.as_slice(), list),
            false => (list, longest.as_slice()),
        };
        if !long.starts_with(short) {
            self.anomalies
                .push(Anomaly::Contradiction(key, longest.clone(), list.to_vec()));
        }
        if list.len() > longest.len() {
            *longest = list.to_vec();
        }
    }

    /// Looks for numbers twice in a list, and for committed numbers that are in none.
    fn check_versions(&mut self, history: &[Record]) {
        let mut present = BTreeSet::new();
        for (key, list) in &self.versions {
            for number in list {
                if !present.insert((*key, *number)) {
                    self.anomalies.push(Anomaly::Garbage(*key, *number));
                }
            }
        }
        for (_, record) in committed(history) {
            for operation in &record.operations {
                if let Operation::Append(key, number) = operation
                    && self.versions.contains_key(key)
                    && !present.contains(&(*key, *number))
                {
                    self.anomalies.push(Anomaly::LostAppend(*key, *number));
                }
            }
        }
    }

    fn check_lost_updates(&mut self) {
        let mut first: HashMap<(ListKey, usize), usize> = HashMap::new();
        for &(t, key, length) in &self.reads {
            if !self.appends.contains(&(t, key)) {
                continue;
            }
            match first.get(&(key, length)) {
                Some(&other) if other != t => {
                    self.anomalies.push(Anomaly::LostUpdate(key, other, t));
                }
                _ => drop(first.insert((key, length), t)),
            }
        }
    }

    /// The committed writer of the number at a place of a list.
    fn writer_at(&self, key: ListKey, place: usize) -> Option<usize> {
        let number = self.versions.get(&key)?.get(place)?;
        let writer = self.writers.get(&(key, *number))?;
        writer.is_committed.then_some(writer.transaction)
    }
}

/// A transaction sees one version of each list, and its own numbers at the end.
fn check_internal(t: usize, record: &Record, anomalies: &mut Vec<Anomaly>) {
    let mut expected: HashMap<ListKey, Vec<u64>> = HashMap::new();
    let mut pending: HashMap<ListKey, Vec<u64>> = HashMap::new();
    for operation in &record.operations {
        match operation {
            Operation::Append(key, number) => match expected.get_mut(key) {
                Some(list) => list.push(*number),
                None => pending.entry(*key).or_default().push(*number),
            },
            Operation::Read(key, list) => {
                let own = pending.remove(key).unwrap_or_default();
                let is_right = match expected.get(key) {
                    Some(expected) => expected == list,
                    None => list.ends_with(&own),
                };
                if !is_right {
                    let what = format!("read list {key} as {list:?} after {:?}", expected.get(key));
                    anomalies.push(Anomaly::Internal(t, what));
                }
                expected.insert(*key, list.clone());
            }
        }
    }
}
