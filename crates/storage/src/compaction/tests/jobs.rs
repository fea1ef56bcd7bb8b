//! Single compactions: what they keep, how they cut, and that they leave nothing when they fail.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustdb_vfs::{Effect, Failure, Fault, OpKind};

use super::model::{Write, key};
use super::tree::{Tree, directory, is_closed, tiny};
use crate::compaction::{Action, Cancel, CompactionOptions, ManualRange, Reason};
use crate::error::Error;
use crate::key::{EntryKind, FileNumber};
use crate::manifest::LEVELS;

const BOTTOM: usize = LEVELS - 1;

/// Options under which nothing is due unless a test makes it so.
fn idle() -> CompactionOptions {
    CompactionOptions {
        level0_trigger: 100,
        base_bytes: 1 << 30,
        settle_micros: u64::MAX,
        ..tiny()
    }
}

fn compacted(tree: &mut Tree) {
    let range = ManualRange::everything(u64::MAX, tree.next_number());
    tree.compact(&range);
    tree.check();
}

/// Writes keys twice, in two runs, so that they have to be merged to get anywhere.
fn fill(tree: &mut Tree, keyspaces: std::ops::RangeInclusive<u32>, keys: u32) {
    for round in 0..2 {
        for keyspace in keyspaces.clone() {
            for i in 0..keys {
                let value = format!("{round}-{keyspace}-{i:03}").repeat(12);
                tree.put(key(keyspace, &format!("{i:03}")), &value);
            }
        }
        tree.flush();
    }
    compacted(tree);
}

fn large(value: u8, len: usize) -> Write {
    Write::PutLarge {
        value: vec![value; len],
        expiry: None,
    }
}

#[test]
fn entries_at_the_bottom_lose_what_nobody_asks_for() {
    let mut tree = Tree::new(1, idle());
    tree.put(key(1, "a"), "1");
    tree.put(key(1, "b"), "1");
    tree.flush();
    tree.put(key(1, "a"), "2");
    tree.snapshots.insert(tree.sequence);
    tree.put(key(1, "a"), "3");
    tree.commit(vec![(key(1, "b"), Write::Delete)], vec![]);
    tree.flush();
    compacted(&mut tree);
    // The snapshot at 3 sees the second version of `a`, and `b`.
    let put = EntryKind::Put;
    assert_eq!(tree.entries(&key(1, "a")), [(4, put), (0, put)]);
    assert_eq!(
        tree.entries(&key(1, "b")),
        [(5, EntryKind::Delete), (0, put)]
    );
    tree.snapshots.clear();
    let choice = tree.pick().expect("what the snapshot kept is garbage now");
    assert_eq!(choice.reason, Reason::Garbage);
    tree.settle();
    tree.check();
    assert_eq!(tree.entries(&key(1, "a")), [(0, put)]);
    assert_eq!(tree.entries(&key(1, "b")), []);
    tree.check_files();
}

#[test]
fn tables_end_at_their_length_and_with_large_keyspaces() {
    let mut tree = Tree::new(2, idle());
    fill(&mut tree, 1..=3, 250);
    let run = &tree.version.level(BOTTOM).runs()[0];
    assert!(run.tables().len() > 6, "{} tables", run.tables().len());
    for table in run.tables() {
        let meta = table.meta();
        assert_eq!(
            meta.smallest[..4],
            meta.largest[..4],
            "one keyspace per table"
        );
        assert!(
            meta.file_bytes < 3 * tree.options.table_bytes,
            "{}",
            meta.file_bytes
        );
    }
    tree.check_files();
}

#[test]
fn range_tombstones_are_cut_where_tables_are() {
    let mut tree = Tree::new(3, idle());
    fill(&mut tree, 1..=1, 400);
    tree.snapshots.insert(tree.sequence);
    tree.commit(vec![], vec![(key(1, "010"), key(1, "390"))]);
    tree.flush();
    compacted(&mut tree);
    let run = tree.version.level(BOTTOM).runs()[0].clone();
    assert!(run.tables().len() > 3);
    let mut covered = Vec::new();
    for handle in run.tables() {
        let table = handle.table().unwrap();
        for fragment in table.range_tombstones().iter() {
            let bounds = handle.bounds();
            assert!(bounds.contains(fragment.start), "within its table");
            assert!(fragment.end <= bounds.largest, "within its table");
            covered.push((fragment.start.to_vec(), fragment.end.to_vec()));
        }
    }
    assert_eq!(covered.first().unwrap().0, key(1, "010"));
    assert_eq!(covered.last().unwrap().1, key(1, "390"));
    assert!(
        covered.windows(2).all(|pair| pair[0].1 == pair[1].0),
        "without gaps"
    );
    // Once the snapshot is gone, tables that are covered go without being read.
    tree.snapshots.clear();
    let before = tree.machine.counts().of(OpKind::Read);
    let choice = tree.pick().unwrap();
    assert_eq!(
        choice.reason,
        Reason::Garbage,
        "each table covers itself only"
    );
    assert_eq!(tree.machine.counts().of(OpKind::Read), before);
    tree.settle();
    tree.check();
    assert_eq!(
        tree.version
            .tables()
            .map(|t| t.meta().range_tombstones)
            .sum::<u64>(),
        0
    );
}

#[test]
fn covered_tables_are_dropped_without_being_read() {
    let mut tree = Tree::new(4, idle());
    fill(&mut tree, 1..=3, 60);
    let before = tree.version.table_bytes();
    // Keyspace 2 is dropped, while a snapshot still reads it.
    tree.snapshots.insert(tree.sequence);
    tree.commit(vec![], vec![(key(2, ""), key(3, ""))]);
    tree.flush();
    assert_eq!(tree.pick(), None, "the snapshot needs it");
    tree.snapshots.clear();
    let choice = tree.pick().unwrap();
    assert_eq!(choice.reason, Reason::Covered);
    let reads = tree.machine.counts().of(OpKind::Read);
    let outcome = tree
        .run(&choice, Cancel::on(&AtomicBool::new(false)))
        .unwrap();
    assert_eq!(tree.machine.counts().of(OpKind::Read), reads);
    tree.install(&outcome.edit);
    tree.check();
    tree.check_files();
    let after = tree.version.table_bytes();
    assert!(after < before * 3 / 4, "{before} to {after} bytes");
    // The tombstone itself goes when it meets nothing.
    compacted(&mut tree);
    assert_eq!(
        tree.version
            .tables()
            .map(|t| t.meta().range_tombstones)
            .sum::<u64>(),
        0
    );
}

#[test]
fn while_space_is_needed_tables_that_are_covered_in_part_are_rewritten() {
    let mut tree = Tree::new(5, idle());
    for keyspace in 1..=3 {
        for i in 0..60 {
            tree.put(key(keyspace, &format!("{i:03}")), &"v".repeat(50));
        }
    }
    // One table of level 0, and one of level 0 above it that covers a third of it.
    tree.flush();
    let before = tree.version.table_bytes();
    let snapshot = tree.sequence;
    tree.commit(vec![], vec![(key(2, ""), key(3, ""))]);
    tree.flush();
    assert_eq!(tree.pick(), None, "in time it is merged down");
    tree.needs_space = true;
    tree.snapshots.insert(snapshot);
    assert_eq!(tree.pick(), None, "the snapshot needs it");
    tree.snapshots.clear();
    let choice = tree.pick().unwrap();
    assert_eq!(choice.reason, Reason::Covered);
    assert_eq!(choice.inputs().count(), 1);
    tree.settle();
    tree.check();
    tree.check_files();
    assert_eq!(tree.reasons["Covered"], 1, "once is enough");
    let after = tree.version.table_bytes();
    // Filters and indexes are a large part of such small tables.
    assert!(after < before * 7 / 8, "{before} to {after} bytes");
    assert_eq!(tree.entries(&key(2, "030")), []);
}

#[test]
fn expired_entries_go_and_do_not_bring_older_versions_back() {
    let mut tree = Tree::new(5, idle());
    let expiry = Some(tree.now() + 10_000_000);
    tree.put(key(1, "kept"), "1");
    tree.put(key(1, "gone"), "old");
    tree.flush();
    compacted(&mut tree);
    for i in 0..50 {
        let write = Write::Put {
            value: vec![b'x'; 50],
            expiry,
        };
        let name = if i == 0 {
            "gone".into()
        } else {
            format!("{i}")
        };
        tree.commit(vec![(key(1, &name), write)], vec![]);
    }
    tree.flush();
    assert_eq!(tree.pick(), None);
    tree.machine.advance(Duration::from_secs(20));
    assert_eq!(tree.pick().unwrap().reason, Reason::Expired);
    tree.settle();
    tree.check();
    assert_eq!(
        tree.version.tables().map(|t| t.meta().entries).sum::<u64>(),
        1
    );
    tree.check_files();
}

#[test]
fn a_table_that_has_expired_as_a_whole_is_dropped() {
    let mut tree = Tree::new(6, idle());
    let expiry = Some(tree.now() + 10_000_000);
    for i in 0..20 {
        let write = Write::Put {
            value: vec![b'x'; 50],
            expiry,
        };
        tree.commit(vec![(key(1, &format!("{i}")), write)], vec![]);
    }
    tree.flush();
    tree.machine.advance(Duration::from_secs(20));
    let choice = tree.pick().unwrap();
    assert!(matches!(choice.action, Action::Drop { .. }), "{choice:?}");
    tree.settle();
    tree.check();
    assert_eq!(tree.version.tables().count(), 0);
}

#[test]
fn dying_value_files_are_emptied_and_removed() {
    let mut tree = Tree::new(7, idle());
    for i in 0..40 {
        tree.commit(vec![(key(1, &format!("{i:02}")), large(i, 300))], vec![]);
    }
    tree.flush();
    compacted(&mut tree);
    let files = tree.version.value_files().len();
    assert!(files >= 5, "{files} files");
    // Two of three values are overwritten.
    for i in (0..40).filter(|i| i % 3 != 0) {
        tree.put(key(1, &format!("{i:02}")), "small");
    }
    tree.flush();
    let live = |tree: &Tree| -> u64 {
        let entries = tree.version.value_files().values();
        entries.map(|entry| entry.live_bytes).sum()
    };
    assert_eq!(live(&tree), 40 * 300, "tables still refer to all");
    compacted(&mut tree);
    assert_eq!(live(&tree), 14 * 300);
    tree.settle();
    tree.check();
    tree.check_files();
    assert_eq!(live(&tree), 14 * 300);
    let left = tree.version.value_files().len();
    assert!(left < files, "{left} of {files} value files are left");
    assert!(tree.reasons.contains_key("ValueGarbage") || tree.reasons.contains_key("Manual"));
}

#[test]
fn retired_keys_leave_with_the_files_they_seal() {
    let mut tree = Tree::new(8, idle());
    tree.put(key(1, "a"), "1");
    tree.commit(vec![(key(1, "b"), large(1, 3000))], vec![]);
    tree.flush();
    assert_eq!(tree.pick(), None);
    // A plain database seals with key zero; a rewrite does that again, so one step is looked at.
    tree.retired_keys = vec![0];
    let choice = tree.pick().unwrap();
    assert_eq!(choice.reason, Reason::RetiredKey);
    let Action::Merge { collect, .. } = &choice.action else {
        panic!("{choice:?}");
    };
    assert_eq!(collect.len(), 1, "values move along");
    let outcome = tree
        .run(&choice, Cancel::on(&AtomicBool::new(false)))
        .unwrap();
    assert_eq!(outcome.edit.value_files_added.len(), 1);
    assert_eq!(outcome.stats.moved_value_bytes, 3000);
    tree.install(&outcome.edit);
    drop(outcome);
    tree.check();
    tree.check_files();
}

#[test]
fn a_cancelled_compaction_leaves_nothing() {
    let mut tree = overlapping_runs(9);
    let files = tree.listing();
    let choice = tree.pick().unwrap();
    let result = tree.run(&choice, Cancel::on(&AtomicBool::new(true)));
    assert!(is_closed(&result), "{result:?}");
    assert_eq!(tree.listing(), files);
    let going = AtomicBool::new(false);
    let result = tree.run(&choice, Cancel::on_either(&going, &|| true));
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    assert_eq!(tree.listing(), files);
}

/// Runs of level 0 that are due for a merge.
fn overlapping_runs(seed: u64) -> Tree {
    let mut tree = Tree::new(
        seed,
        CompactionOptions {
            level0_trigger: 2,
            ..idle()
        },
    );
    for round in 0..3u8 {
        for i in 0..60 {
            tree.put(
                key(1, &format!("{i:03}")),
                &"x".repeat(100 + usize::from(round)),
            );
        }
        tree.flush();
    }
    // The oldest run has the bottom to itself.
    let choice = tree.pick().unwrap();
    assert!(matches!(choice.action, Action::Move { .. }), "{choice:?}");
    let outcome = tree
        .run(&choice, Cancel::on(&AtomicBool::new(false)))
        .unwrap();
    tree.install(&outcome.edit);
    tree
}

#[test]
fn a_compaction_that_fails_anywhere_leaves_nothing_and_can_be_repeated() {
    let kinds = [
        OpKind::Create,
        OpKind::Write,
        OpKind::Sync,
        OpKind::SyncDir,
        OpKind::Read,
    ];
    let mut failures = BTreeMap::new();
    for kind in kinds {
        for skip in 0..40 {
            let mut tree = overlapping_runs(10);
            let choice = tree.pick().unwrap();
            let files = tree.listing();
            let effect = Effect::Fail(Failure::Io);
            let fault = tree.machine.inject(Fault::new(effect).on(kind).after(skip));
            let result = tree.run(&choice, Cancel::on(&AtomicBool::new(false)));
            let fired = tree
                .machine
                .remove_fault(fault)
                .is_none_or(|f| f.fired() > 0);
            match result {
                Ok(outcome) => {
                    assert!(!fired, "{kind:?} {skip} failed unnoticed");
                    tree.install(&outcome.edit);
                    tree.check();
                    break;
                }
                Err(error) => {
                    assert!(fired, "{error}");
                    assert_eq!(tree.listing(), files, "{kind:?} {skip}: {error}");
                    *failures.entry(format!("{kind:?}")).or_insert(0) += 1;
                    let outcome = tree
                        .run(&choice, Cancel::on(&AtomicBool::new(false)))
                        .unwrap();
                    tree.install(&outcome.edit);
                    tree.check();
                    tree.check_files();
                }
            }
        }
    }
    assert_eq!(
        failures.len(),
        kinds.len(),
        "every kind failed: {failures:?}"
    );
}

#[test]
fn what_an_edit_names_is_durable() {
    let mut tree = overlapping_runs(11);
    tree.commit(vec![(key(1, "large"), large(7, 3000))], vec![]);
    tree.flush();
    tree.retired_keys = vec![0];
    let choice = tree.pick().unwrap();
    assert!(matches!(choice.action, Action::Merge { .. }), "{choice:?}");
    let outcome = tree
        .run(&choice, Cancel::on(&AtomicBool::new(false)))
        .unwrap();
    let tables = outcome.edit.added.iter().map(|added| added.meta.number);
    let paths = tables.map(|number| crate::names::table(directory(), number));
    let values = outcome.edit.value_files_added.iter();
    let values = values.map(|meta| crate::names::value(directory(), meta.number));
    let paths: Vec<_> = paths.chain(values).collect();
    assert!(paths.len() > 1);
    for path in paths {
        assert!(
            tree.machine.is_durable(&path).unwrap(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_manual_compaction_of_a_range_leaves_the_rest_alone() {
    let mut tree = Tree::new(12, idle());
    for round in 0..3 {
        for i in 0..300 {
            tree.put(key(1, &format!("{i:03}")), &format!("{round}").repeat(40));
        }
        tree.flush();
        if round == 0 {
            compacted(&mut tree);
        }
    }
    // Level 0 is merged down; then a part of the next range is asked for.
    tree.options.level0_trigger = 2;
    tree.settle();
    let untouched: Vec<FileNumber> = tree
        .version
        .tables()
        .filter(|t| *t.meta().smallest > *key(1, "200"))
        .map(|t| t.meta().number)
        .collect();
    assert!(!untouched.is_empty());
    tree.compact(&ManualRange {
        start: Some(key(1, "000").into()),
        end: Some(key(1, "050").into()),
        written: u64::MAX,
        before: tree.next_number(),
    });
    tree.check();
    let left: Vec<_> = tree.version.tables().map(|t| t.meta().number).collect();
    assert!(untouched.iter().all(|number| left.contains(number)));
}
