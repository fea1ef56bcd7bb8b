//! All answers against the list of tombstones itself, for all keys of a small alphabet.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Keys are single letters, so that every key and bound can be tried.
const KEYS: std::ops::RangeInclusive<u8> = b'a'..=b'h';

fn tombstone() -> impl Strategy<Value = RangeTombstone> {
    // Some are empty: the end at or below the start.
    (KEYS, KEYS, 1..12u64).prop_map(|(start, end, seq)| RangeTombstone::new(&[start], &[end], seq))
}

fn in_order(mut tombstones: Vec<RangeTombstone>) -> Vec<RangeTombstone> {
    tombstones.sort_by_key(|t| t.seq);
    tombstones
}

fn history_of(tombstones: &[RangeTombstone]) -> History {
    tombstones
        .iter()
        .fold(History::new(), |history, t| history.with(t.clone()))
}

/// The definition.
fn newest_over(tombstones: &[RangeTombstone], key: &[u8], at: u64) -> Option<u64> {
    let covers = |t: &&RangeTombstone| *t.start <= *key && *key < *t.end && t.seq <= at;
    tombstones.iter().filter(covers).map(|t| t.seq).max()
}

/// All keys, and all sequence numbers that make a difference.
fn questions() -> impl Iterator<Item = ([u8; 1], u64)> {
    KEYS.flat_map(|key| (0..=12).map(move |at| ([key], at)))
}

/// What is said about a range must hold for all its keys.
fn check_covering(
    tombstones: &[RangeTombstone],
    key: &[u8],
    at: u64,
    found: Option<Covering<'_>>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.map(|c| c.seq), newest_over(tombstones, key, at));
    if let Some(Covering { start, end, seq }) = found {
        prop_assert!(start <= key && key < end);
        for other in KEYS
            .map(|k| [k])
            .filter(|k| start <= &k[..] && &k[..] < end)
        {
            prop_assert_eq!(newest_over(tombstones, &other, at), Some(seq));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn fragments_cover_what_their_tombstones_do(
        tombstones in prop::collection::vec(tombstone(), 0..12),
        split in 0usize..12,
    ) {
        let fragments = Fragments::from_tombstones(&tombstones);
        for (key, at) in questions() {
            let wanted = newest_over(&tombstones, &key, at);
            prop_assert_eq!(fragments.covering(&key, at), wanted);
            prop_assert_eq!(fragments.stretch(&key, at).seq, wanted);
            check_covering(&tombstones, &key, at, fragments.covering_range(&key, at))?;
        }
        for (lower, upper) in KEYS.flat_map(|l| KEYS.map(move |u| ([l], [u]))) {
            let overlaps = (KEYS).into_iter().any(|k| {
                lower[0] <= k && k < upper[0] && newest_over(&tombstones, &[k], 99).is_some()
            });
            prop_assert_eq!(fragments.overlaps(&lower, &upper), overlaps);
        }

        let (left, right) = tombstones.split_at(split.min(tombstones.len()));
        let parts = [left, right].map(Fragments::from_tombstones);
        prop_assert_eq!(Fragments::merged(&parts), fragments.clone());

        for fragment in fragments.iter() {
            prop_assert!(fragment.start < fragment.end);
            prop_assert!(fragment.seqs.windows(2).all(|w| w[0] > w[1]));
        }
        let all: Vec<FragmentRef<'_>> = fragments.iter().collect();
        for pair in all.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
            prop_assert!(pair[0].end < pair[1].start || pair[0].seqs != pair[1].seqs);
        }
        let newest = all.iter().map(|f| f.seqs[0]).max().unwrap_or(0);
        prop_assert_eq!(fragments.max_seq(), newest);
    }

    #[test]
    fn histories_cover_what_their_tombstones_did_at_each_time(
        tombstones in prop::collection::vec(tombstone(), 0..40).prop_map(in_order),
    ) {
        let history = history_of(&tombstones);
        prop_assert_eq!(history.len(), tombstones.len());
        prop_assert!(history.iter().eq(tombstones.iter().rev()));
        for (key, at) in questions() {
            let wanted = newest_over(&tombstones, &key, at);
            prop_assert_eq!(history.covering(&key, at), wanted);
            prop_assert_eq!(history.at(at).stretch(&key).seq, wanted);
            check_covering(&tombstones, &key, at, history.covering_range(&key, at))?;
        }
    }

    #[test]
    fn what_is_retained_looks_the_same_to_all_snapshots(
        tombstones in prop::collection::vec(tombstone(), 0..40).prop_map(in_order),
        snapshots in prop::collection::btree_set(0..12u64, 0..4),
    ) {
        let snapshots: Vec<u64> = snapshots.into_iter().collect();
        let retained = history_of(&tombstones).retained(&snapshots);
        for key in KEYS.map(|k| [k]) {
            for &at in snapshots.iter().chain([&u64::MAX]) {
                let wanted = newest_over(&tombstones, &key, at);
                prop_assert_eq!(newest_over(&retained, &key, at), wanted);
            }
            let over_key = retained.iter().filter(|t| *t.start <= key[..] && key[..] < *t.end);
            prop_assert!(over_key.count() <= snapshots.len() + 1);
        }
    }

    #[test]
    fn probes_answer_in_any_order_of_keys(
        tombstones in prop::collection::vec(tombstone(), 0..12).prop_map(in_order),
        at in 0..12u64,
        keys in prop::collection::vec(KEYS, 0..30),
    ) {
        let fragments = Arc::new(Fragments::from_tombstones(&tombstones));
        let mut probes = [
            Probe::of_fragments(fragments, at),
            Probe::of_view(history_of(&tombstones).at(at)),
        ];
        for key in keys.into_iter().map(|k| [k]) {
            for probe in &mut probes {
                check_covering(&tombstones, &key, at, probe.covering(&key))?;
            }
        }
    }
}

#[test]
fn a_queue_that_deletes_its_beginning_again_and_again_stays_small() {
    let key = |n: u64| n.to_be_bytes();
    let mut history = History::new();
    let count = 50_000;
    for n in 1..=count {
        history = history.with(RangeTombstone::new(&key(0), &key(n), n));
    }
    assert_eq!(history.covering(&key(10), 5), None);
    assert_eq!(history.covering(&key(10), 11), Some(11));
    assert_eq!(history.covering(&key(10), 40_000), Some(40_000));
    assert_eq!(history.retained(&[]).len(), 1);
    assert_eq!(history.retained(&[7, 100]).len(), 3);
    assert!(history.memory_bytes() / (count as usize) < 500);
}

#[test]
fn many_ranges_apart_cost_a_logarithm_each() {
    let key = |n: u64| n.to_be_bytes();
    let (mut history, count) = (History::new(), 20_000u64);
    for n in 0..count {
        let at = n.wrapping_mul(7_919) % count;
        history = history.with(RangeTombstone::new(&key(2 * at), &key(2 * at + 1), n));
    }
    assert_eq!(history.retained(&[]).len(), count as usize);
    assert_eq!(history.at(9).to_tombstones().len(), 10);
    assert!(
        history.memory_bytes() / (count as usize) < 5_000,
        "{}",
        history.memory_bytes()
    );
}

#[test]
#[should_panic(expected = "in order")]
fn a_history_refuses_older_tombstones() {
    let _ = History::new()
        .with(RangeTombstone::new(b"a", b"b", 2))
        .with(RangeTombstone::new(b"a", b"b", 1));
}
