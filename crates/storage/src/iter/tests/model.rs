//! Walks over random histories in random sources, step by step beside a sorted list.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::history::{Operation, Seen, history, key, visible};
use super::sources::{TestCursor, Work, files, lists, memtable};
use crate::iter::{Bounds, EmptyRanges, EntryCursor, MergeCursor, Source, VisibleIter};
use crate::key::{EntryKind, KEYSPACE_BYTES, MAX_SEQUENCE, SequenceNumber};

/// How a history is divided among sources.
#[derive(Clone, Debug)]
struct Layout {
    /// Where one source ends and the next begins, as fractions of the history.
    splits: Vec<usize>,
    /// What the sources are.
    kinds: Vec<Kind>,
}

/// A source; runs are cut at keys.
#[derive(Clone, Debug)]
enum Kind {
    Memtable,
    Lists(Vec<Vec<u8>>),
    Files(Vec<Vec<u8>>),
}

fn layout() -> impl Strategy<Value = Layout> {
    let cuts = || prop::collection::vec(key(), 0..4);
    let kind = prop_oneof![
        Just(Kind::Memtable),
        cuts().prop_map(Kind::Lists),
        cuts().prop_map(Kind::Files),
    ];
    (
        prop::collection::vec(0..100usize, 0..5),
        prop::collection::vec(kind, 6),
    )
        .prop_map(|(splits, kinds)| Layout { splits, kinds })
}

impl Layout {
    /// The sources, newest first.
    fn sources(&self, history: &[Operation], at: SequenceNumber) -> Vec<Source<TestCursor>> {
        let mut splits: Vec<usize> = self
            .splits
            .iter()
            .map(|s| s * history.len() / 100)
            .collect();
        // A commit is in one source as a whole.
        for split in &mut splits {
            while *split > 0
                && *split < history.len()
                && history[*split - 1].seq() == history[*split].seq()
            {
                *split -= 1;
            }
        }
        splits.extend([0, history.len()]);
        splits.sort_unstable();
        let parts = splits.windows(2).map(|w| &history[w[0]..w[1]]);
        let mut sources: Vec<_> = parts
            .zip(&self.kinds)
            .map(|(part, kind)| match kind {
                Kind::Memtable => memtable(part, at),
                Kind::Lists(cuts) => lists(part, cuts, at, &Work::default()),
                Kind::Files(cuts) => files(part, cuts, at),
            })
            .collect();
        sources.reverse();
        sources
    }
}

#[derive(Clone, Debug)]
enum Step {
    First,
    Last,
    Seek(Vec<u8>),
    SeekBefore(Vec<u8>),
    Next(usize),
    Prev(usize),
    /// Pass so many, with a stop after so many.
    Pass(usize, usize),
    /// Take so many from runs.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::First),
        1 => Just(Step::Last),
        2 => key().prop_map(Step::Seek),
        2 => key().prop_map(Step::SeekBefore),
        3 => (1..30usize).prop_map(Step::Next),
        3 => (1..30usize).prop_map(Step::Prev),
        3 => (1..30usize, 1..30usize).prop_map(|(count, stop)| Step::Pass(count, stop)),
        3 => (1..30usize).prop_map(Step::Take),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let lower = prop_oneof![Just(Vec::new()), key()];
    (lower, prop::option::of(key())).prop_map(|(lower, upper)| Bounds { lower, upper })
}

/// A position in the sorted list of what is seen, which iterators have to agree with.
struct Model {
    list: Vec<(Vec<u8>, Seen)>,
    at: Option<usize>,
}

impl Model {
    fn new(history: &[Operation], bounds: &Bounds, at: SequenceNumber, now: u64) -> Self {
        let list = visible(history, at, now).into_iter().filter(|(key, _)| {
            bounds.lower <= *key && bounds.upper.as_ref().is_none_or(|upper| key < upper)
        });
        Self {
            list: list.collect(),
            at: None,
        }
    }

    fn go(&mut self, to: Option<usize>) {
        self.at = to.filter(|at| *at < self.list.len());
    }

    fn below(&self, key: &[u8]) -> usize {
        self.list.partition_point(|(k, _)| **k < *key)
    }
}

fn agree(iter: &VisibleIter<TestCursor>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(iter.valid(), model.at.is_some());
    let Some(at) = model.at else { return Ok(()) };
    let (key, (seq, kind, stored)) = &model.list[at];
    prop_assert_eq!(iter.key(), &key[..]);
    prop_assert_eq!((iter.seq(), iter.kind()), (*seq, *kind));
    prop_assert_eq!(iter.stored(), &stored[..]);
    prop_assert_eq!(&*iter.stored_slice(), &stored[..]);
    let value = if *kind == EntryKind::PutExpiring {
        &stored[8..]
    } else {
        &stored[..]
    };
    prop_assert_eq!(iter.value(), value);
    prop_assert_eq!(&*iter.value_slice(), value);
    Ok(())
}

fn take(
    step: &Step,
    iter: &mut VisibleIter<TestCursor>,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let works = "lists in memory do not fail";
    match step {
        Step::First => {
            iter.seek_to_first().expect(works);
            model.go(Some(0));
        }
        Step::Last => {
            iter.seek_to_last().expect(works);
            model.go(model.list.len().checked_sub(1));
        }
        Step::Seek(key) => {
            iter.seek(key).expect(works);
            model.go(Some(model.below(key)));
        }
        Step::SeekBefore(key) => {
            iter.seek_before(key).expect(works);
            model.go(model.below(key).checked_sub(1));
        }
        Step::Next(count) => {
            for _ in 0..*count {
                let Some(at) = model.at else { break };
                iter.next().expect(works);
                model.go(Some(at + 1));
                agree(iter, model)?;
            }
        }
        Step::Prev(count) => {
            for _ in 0..*count {
                let Some(at) = model.at else { break };
                iter.prev().expect(works);
                model.go(at.checked_sub(1));
                agree(iter, model)?;
            }
        }
        Step::Pass(count, stop) => pass(*count, *stop, iter, model)?,
        Step::Take(count) => take_runs(*count, iter, model)?,
    }
    agree(iter, model)
}

/// Goes forward as scans do: what can be passed as a whole is, with a step in between.
fn pass(
    count: usize,
    stop: usize,
    iter: &mut VisibleIter<TestCursor>,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let mut left = count;
    while let Some(at) = model.at
        && left > 0
    {
        let mut shown = Vec::new();
        let mut show = |value: &[u8]| {
            shown.push(value.to_vec());
            shown.len() < stop
        };
        let passed = iter.pass_plain(left, &mut show);
        let passed = passed.expect("lists in memory do not fail");
        prop_assert!(passed <= left.min(stop));
        let expected = &model.list[at + 1..at + 1 + passed];
        let expected: Vec<_> = expected.iter().map(|(_, seen)| seen.2.clone()).collect();
        prop_assert_eq!(shown, expected);
        model.go(Some(at + passed));
        agree(iter, model)?;
        left -= passed;
        if passed == stop {
            break;
        }
        iter.next().expect("lists in memory do not fail");
        model.go(Some(at + passed + 1));
        agree(iter, model)?;
        left = left.saturating_sub(1);
    }
    Ok(())
}

/// Goes forward as walks that keep entries do: what lies together is taken from there, with a step
/// in between.
fn take_runs(
    count: usize,
    iter: &mut VisibleIter<TestCursor>,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let works = "lists in memory do not fail";
    let mut left = count;
    while let Some(at) = model.at
        && left > 0
    {
        let mut run = iter.plain_run();
        let mut taken = 0;
        while let Some(run) = run.as_mut()
            && taken < left
            && run.has_next()
        {
            taken += 1;
            let (key, value) = run.take::<KEYSPACE_BYTES>();
            let (expected, (_, _, stored)) = &model.list[at + taken];
            let expected = &expected[KEYSPACE_BYTES..];
            prop_assert_eq!((&*key, &*value), (expected, &stored[..]));
        }
        if taken > 0 {
            iter.pass_run(taken).expect(works);
            model.go(Some(at + taken));
            agree(iter, model)?;
        }
        left -= taken;
        if left > 0 {
            iter.next().expect(works);
            model.go(Some(at + taken + 1));
            agree(iter, model)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Those of the ranges that are empty at the end of the history, each since when it is.
fn empty_ranges(history: &[Operation], ranges: &[(Vec<u8>, Vec<u8>)]) -> EmptyRanges {
    let newest = history.last().map_or(0, Operation::seq);
    let empty = EmptyRanges::default();
    for (a, b) in ranges {
        let range = a.min(b).clone()..a.max(b).clone();
        let is_empty = |at: &SequenceNumber| {
            let seen = visible(history, *at, 0);
            seen.range(range.clone()).next().is_none()
        };
        let since = (0..=newest).rev().take_while(is_empty).last();
        if let Some(since) = since {
            empty.add(&range.start, &range.end, since);
        }
    }
    empty
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn readers_see_what_the_definition_says(
        history in history(160),
        layout in layout(),
        bounds in bounds(),
        at in prop_oneof![1 => Just(MAX_SEQUENCE), 3 => 0..120u64],
        now in 0..4u64,
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let mut model = Model::new(&history, &bounds, at, now);
        let mut iter = VisibleIter::new(layout.sources(&history, at), bounds, at, now);
        for step in &steps {
            take(step, &mut iter, &mut model)?;
        }
    }

    #[test]
    fn going_around_what_is_empty_changes_nothing(
        history in history(160),
        layout in layout(),
        bounds in bounds(),
        ranges in prop::collection::vec((key(), key()), 1..12),
        at in prop_oneof![1 => Just(MAX_SEQUENCE), 3 => 0..120u64],
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let mut model = Model::new(&history, &bounds, at, 0);
        let empty = Arc::new(empty_ranges(&history, &ranges));
        let iter = VisibleIter::new(layout.sources(&history, at), bounds, at, 0);
        let mut iter = iter.around(&empty);
        for step in &steps {
            take(step, &mut iter, &mut model)?;
        }
    }

    #[test]
    fn what_walks_find_is_empty(
        history in history(160),
        layout in layout(),
        bounds in bounds(),
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let at = history.last().map_or(0, Operation::seq);
        let mut model = Model::new(&history, &bounds, at, 3);
        let mut iter = VisibleIter::new(layout.sources(&history, at), bounds, at, 3);
        for step in &steps {
            take(step, &mut iter, &mut model)?;
        }
        if let Some(unseen) = iter.take_unseen() {
            let range = unseen.start..unseen.end;
            // At no time of day is there anything.
            let seen = visible(&history, at, 0);
            prop_assert_eq!(seen.range(range).next(), None);
        }
    }

    #[test]
    fn a_merge_gives_out_all_entries_in_order(history in history(120), layout in layout()) {
        let cursors = layout.sources(&history, 0).into_iter().map(|source| source.cursor);
        let mut merge = MergeCursor::new(cursors);
        let mut expected = BTreeMap::new();
        for operation in &history {
            if let Operation::Entry { key, seq, kind, stored } = operation {
                expected.insert((key, Reverse(seq)), (*kind, stored));
            }
        }

        merge.seek_to_first().expect("lists in memory do not fail");
        for ((key, Reverse(seq)), (kind, stored)) in &expected {
            prop_assert_eq!((merge.key(), merge.seq()), (&key[..], **seq));
            prop_assert_eq!((merge.kind(), merge.value()), (*kind, &stored[..]));
            merge.next().expect("lists in memory do not fail");
        }
        prop_assert!(!merge.valid());
        merge.seek_to_last().expect("lists in memory do not fail");
        for ((key, Reverse(seq)), (kind, stored)) in expected.iter().rev() {
            prop_assert_eq!((merge.key(), merge.seq()), (&key[..], **seq));
            prop_assert_eq!((merge.kind(), merge.value()), (*kind, &stored[..]));
            merge.prev().expect("lists in memory do not fail");
        }
        prop_assert!(!merge.valid());
    }
}

proptest! {
    // Each case walks once for each commit.
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_snapshot_of_a_history_can_be_walked_both_ways(
        history in history(60),
        layout in layout(),
    ) {
        let newest = history.last().map_or(0, Operation::seq);
        for at in 0..=newest {
            let bounds = Bounds::default();
            let mut model = Model::new(&history, &bounds, at, 2);
            let mut iter = VisibleIter::new(layout.sources(&history, at), bounds, at, 2);
            for step in [Step::First, Step::Next(99), Step::Last, Step::Prev(99)] {
                take(&step, &mut iter, &mut model)?;
            }
        }
    }
}
