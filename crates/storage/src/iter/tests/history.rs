//! Random histories, and what readers see of them by definition.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::key::{EntryKind, FileNumber, KeyspaceId, SequenceNumber};
use crate::tombstone::RangeTombstone;
use crate::value::ValuePointer;

/// One operation. Those of a commit have the same sequence number, and come in order.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Entry {
        key: Vec<u8>,
        seq: SequenceNumber,
        kind: EntryKind,
        stored: Vec<u8>,
    },
    DeleteRange(RangeTombstone),
}

/// Storage keys of different lengths, some of which begin with others.
pub(super) fn key() -> impl Strategy<Value = Vec<u8>> {
    user_key().prop_map(|key| [&KeyspaceId::DEFAULT.prefix()[..], &key].concat())
}

fn user_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // A hot key, with many versions.
        2 => Just(b"m".to_vec()),
        6 => (b'a'..=b'z').prop_map(|c| vec![c]),
        2 => (b'a'..=b'e', 0..3u8).prop_map(|(c, n)| vec![c, n]),
        1 => (b'a'..=b'c', 0..3u8).prop_map(|(c, n)| [[c; 20].as_slice(), &[n]].concat()),
    ]
}

#[derive(Clone, Debug)]
enum Draft {
    Put(Vec<u8>),
    PutExpiring(Vec<u8>, u64),
    Refer(Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

fn draft() -> impl Strategy<Value = Draft> {
    prop_oneof![
        12 => key().prop_map(Draft::Put),
        2 => (key(), 0..4u64).prop_map(|(key, expiry)| Draft::PutExpiring(key, expiry)),
        1 => key().prop_map(Draft::Refer),
        5 => key().prop_map(Draft::Delete),
        1 => (key(), key()).prop_map(|(a, b)| Draft::DeleteRange(a, b)),
    ]
}

/// A history, oldest first. Sequence numbers begin at one and do not fall; some repeat.
pub(super) fn history(length: usize) -> impl Strategy<Value = Vec<Operation>> {
    let step = (draft(), prop::bool::weighted(0.7));
    prop::collection::vec(step, 0..length).prop_map(|steps| {
        let mut seq = 1;
        let mut operations = Vec::new();
        for (number, (draft, begins_commit)) in steps.into_iter().enumerate() {
            seq += u64::from(begins_commit);
            operations.push(operation(draft, seq, number));
        }
        operations
    })
}

fn operation(draft: Draft, seq: SequenceNumber, number: usize) -> Operation {
    let value = format!("{number:0width$}", width = 1 + number % 40).into_bytes();
    let (key, kind, stored) = match draft {
        Draft::Put(key) => (key, EntryKind::Put, value),
        Draft::PutExpiring(key, expiry) => (
            key,
            EntryKind::PutExpiring,
            [&expiry.to_le_bytes()[..], &value].concat(),
        ),
        Draft::Refer(key) => {
            let file = FileNumber(1 + number as u64);
            let pointer = ValuePointer {
                file,
                offset: 64,
                length: 9,
                checksum: 7,
            };
            (key, EntryKind::ValueRef, pointer.encode().to_vec())
        }
        Draft::Delete(key) => (key, EntryKind::Delete, Vec::new()),
        Draft::DeleteRange(start, end) => {
            return Operation::DeleteRange(RangeTombstone::new(&start, &end, seq));
        }
    };
    Operation::Entry {
        key,
        seq,
        kind,
        stored,
    }
}

/// An entry as a reader sees it.
pub(super) type Seen = (SequenceNumber, EntryKind, Vec<u8>);

/// What a reader at `at` and `now` sees, by definition.
pub(super) fn visible(
    history: &[Operation],
    at: SequenceNumber,
    now: u64,
) -> BTreeMap<Vec<u8>, Seen> {
    let mut newest: BTreeMap<Vec<u8>, Seen> = BTreeMap::new();
    for operation in history {
        if let Operation::Entry {
            key,
            seq,
            kind,
            stored,
        } = operation
            && *seq <= at
        {
            newest.insert(key.clone(), (*seq, *kind, stored.clone()));
        }
    }
    newest.retain(|key, (seq, kind, stored)| {
        let expired = kind.expires() && {
            let expiry = stored.first_chunk::<8>().expect("written with an expiry");
            u64::from_le_bytes(*expiry) <= now
        };
        let covered = history.iter().any(|operation| match operation {
            Operation::DeleteRange(t) => {
                t.start[..] <= key[..] && key[..] < t.end[..] && *seq < t.seq && t.seq <= at
            }
            Operation::Entry { .. } => false,
        });
        *kind != EntryKind::Delete && !expired && !covered
    });
    newest
}
