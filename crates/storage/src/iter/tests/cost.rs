//! Work that an iterator must not do again and again.

use super::history::Operation;
use super::sources::{TestCursor, Work, lists};
use crate::iter::{Bounds, Source, VisibleIter};
use crate::key::{EntryKind, MAX_SEQUENCE, SequenceNumber};
use crate::tombstone::RangeTombstone;

/// Many enough that looking at each would show.
const MANY: u64 = 10_000;
/// The most steps and seeks that stand for "few".
const FEW: usize = 60;

fn key(n: u64) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn put(n: u64, seq: SequenceNumber) -> Operation {
    Operation::Entry {
        key: key(n),
        seq,
        kind: EntryKind::Put,
        stored: b"value".to_vec(),
    }
}

fn delete(n: u64, seq: SequenceNumber) -> Operation {
    Operation::Entry {
        key: key(n),
        seq,
        kind: EntryKind::Delete,
        stored: Vec::new(),
    }
}

fn delete_range(start: u64, end: u64, seq: SequenceNumber) -> Operation {
    Operation::DeleteRange(RangeTombstone::new(&key(start), &key(end), seq))
}

/// Keys on the way forward and on the way back.
type Seen = [Vec<Vec<u8>>; 2];

/// The keys seen, and the steps and seeks that it took on either way.
fn walk(parts: &[Vec<Operation>], at: SequenceNumber) -> (Seen, [(usize, usize); 2]) {
    let mut seen = [Vec::new(), Vec::new()];
    let mut work_done = [(0, 0); 2];
    for (way, (seen, done)) in seen.iter_mut().zip(&mut work_done).enumerate() {
        let work = Work::default();
        let sources: Vec<Source<TestCursor>> = parts
            .iter()
            .map(|part| lists(part, &[], at, &work))
            .collect();
        let mut iter = VisibleIter::new(sources, Bounds::default(), at, 0);
        let works = "lists in memory do not fail";
        if way == 0 {
            iter.seek_to_first().expect(works);
        } else {
            iter.seek_to_last().expect(works);
        }
        while iter.valid() {
            seen.push(iter.key().to_vec());
            if way == 0 {
                iter.next().expect(works);
            } else {
                iter.prev().expect(works);
            }
        }
        *done = (work.steps.get(), work.seeks.get());
    }
    (seen, work_done)
}

/// Both ways see just these keys, with little work.
fn check_few(parts: &[Vec<Operation>], at: SequenceNumber, expected: &[u64]) {
    let (seen, work) = walk(parts, at);
    let expected: Vec<Vec<u8>> = expected.iter().map(|&n| key(n)).collect();
    assert_eq!(seen[0], expected);
    assert_eq!(seen[1], expected.into_iter().rev().collect::<Vec<_>>());
    for (steps, seeks) in work {
        assert!(steps + seeks <= FEW, "{steps} steps and {seeks} seeks");
    }
}

#[test]
fn a_deleted_range_is_jumped_over_in_older_sources() {
    let old: Vec<_> = (0..MANY).map(|n| put(n, 1)).collect();
    check_few(
        &[vec![delete_range(1, MANY - 1, 5)], old.clone()],
        9,
        &[0, MANY - 1],
    );
    // Entries that came after the deletion are seen.
    let new = vec![delete_range(1, MANY - 1, 5), put(7, 6)];
    check_few(&[new, old.clone()], 9, &[0, 7, MANY - 1]);
    // A deletion up to the end of all.
    check_few(&[vec![delete_range(0, MANY, 5)], old], 9, &[]);
}

#[test]
fn adjacent_deleted_ranges_are_jumped_over_one_by_one() {
    let old: Vec<_> = (0..MANY).map(|n| put(n, 1)).collect();
    let ranges = vec![
        delete_range(0, MANY / 2, 5),
        delete_range(MANY / 2, MANY - 1, 6),
    ];
    check_few(&[ranges, old], 9, &[MANY - 1]);
}

#[test]
fn many_versions_of_a_key_are_passed_by_a_seek() {
    let versions: Vec<_> = (1..MANY).map(|seq| put(5, seq)).collect();
    let others = vec![put(4, 1), put(6, 1)];
    for at in [1, 3, MANY / 2, MAX_SEQUENCE] {
        check_few(&[versions.clone(), others.clone()], at, &[4, 5, 6]);
    }
    check_few(&[versions, others], 0, &[]);
}

#[test]
fn entries_above_the_snapshot_cost_a_step_each_at_most() {
    // Each key has one entry that is too new: nothing to seek past.
    let (seen, work) = walk(&[(0..MANY).map(|n| put(n, 7)).collect()], 5);
    assert!(seen.iter().all(Vec::is_empty));
    assert!(work.iter().all(|(steps, _)| *steps <= MANY as usize + FEW));
    assert!(work.iter().all(|(_, seeks)| *seeks <= FEW), "{work:?}");
}

#[test]
fn single_deletions_cost_one_step_each_and_one_per_older_entry() {
    let old: Vec<_> = (0..MANY).map(|n| put(n, 1)).collect();
    let deletions: Vec<_> = (0..MANY).map(|n| delete(n, 2)).collect();
    let (seen, work) = walk(&[deletions, old], 5);
    assert!(seen.iter().all(Vec::is_empty));
    for (steps, seeks) in work {
        assert!(
            steps <= 2 * MANY as usize && seeks <= FEW,
            "{steps} steps and {seeks} seeks"
        );
    }
}

#[test]
fn a_reader_before_the_deletion_walks_what_it_sees() {
    let old: Vec<_> = (0..100).map(|n| put(n, 1)).collect();
    let (seen, _) = walk(&[vec![delete_range(0, 100, 5)], old], 4);
    assert!(seen.iter().all(|keys| keys.len() == 100));
}
