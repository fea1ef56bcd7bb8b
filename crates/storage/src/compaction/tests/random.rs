//! Random workloads: commits, snapshots, flushes, ingested runs and compactions side by side.
//! After each change of the tree every snapshot must see what it saw before.

use std::collections::BTreeMap;
use std::time::Duration;

use rustdb_vfs::SimRng;

use super::model::{Key, Write, key};
use super::tree::{Tree, tiny};
use crate::compaction::{CompactionOptions, CompactionStyle, ManualRange};

/// Which keys a workload writes.
#[derive(Clone, Copy)]
struct Mix {
    /// How many keys a keyspace has.
    keys: u64,
    /// Keys of one memtable or ingested run lie so close to each other.
    window: u64,
}

/// Few keys, so that everything overlaps everything.
const DENSE: Mix = Mix {
    keys: 30,
    window: 30,
};

/// Memtables and runs that overlap few others, so that tables fit into gaps.
const SPARSE: Mix = Mix {
    keys: 200,
    window: 4,
};

impl Mix {
    /// The keys to choose from at this moment: the window moves with each flush.
    fn key(self, tree: &Tree, rng: &mut SimRng) -> Key {
        // Two keyspaces are large, one is small.
        let keyspaces = [1, 1, 1, 2, 2, 3];
        let place = tree.memtables.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let keyspace = match self.window < self.keys {
            true => keyspaces[(place % 6) as usize],
            false => keyspaces[rng.index(6)],
        };
        let first = place % (self.keys - self.window + 1);
        key(keyspace, &format!("{:03}", first + rng.below(self.window)))
    }
}

fn random_write(rng: &mut SimRng, now: u64) -> Write {
    let expiry = rng.one_in(5).then(|| now + 1_000_000 * rng.below(60));
    let salt = rng.next_u64();
    match rng.below(10) {
        0..3 => Write::Delete,
        3..5 => Write::PutLarge {
            value: salt.to_le_bytes().repeat(1 + rng.index(40)),
            expiry,
        },
        _ => Write::Put {
            value: salt.to_le_bytes().repeat(rng.index(12)),
            expiry,
        },
    }
}

fn random_commit(tree: &mut Tree, rng: &mut SimRng, mix: Mix) {
    let now = tree.now();
    let writes = (0..1 + rng.below(6)).map(|_| (mix.key(tree, rng), random_write(rng, now)));
    let writes: Vec<_> = writes.collect();
    let mut ranges = Vec::new();
    if rng.one_in(8) {
        let (a, b) = (mix.key(tree, rng), mix.key(tree, rng));
        ranges.push((a.clone().min(b.clone()), a.max(b)));
    }
    if rng.one_in(60) {
        // A keyspace is dropped.
        let keyspace = 1 + rng.below(3) as u32;
        ranges.push((key(keyspace, ""), key(keyspace + 1, "")));
    }
    tree.commit(writes, ranges);
}

fn step(tree: &mut Tree, rng: &mut SimRng, mix: Mix) {
    match rng.below(100) {
        0..45 => random_commit(tree, rng, mix),
        45..55 => tree.freeze(),
        55..67 => {
            let keys_per_table = 1 + rng.index(20);
            tree.flush_oldest(keys_per_table);
            tree.check();
        }
        67..71 => {
            tree.memtables += 1;
            let now = tree.now();
            let writes: BTreeMap<_, _> = (0..1 + rng.below(15))
                .map(|_| (mix.key(tree, rng), random_write(rng, now)))
                .collect();
            tree.ingest(writes);
            tree.check();
        }
        71..74 => {
            tree.snapshots.insert(tree.sequence);
        }
        74..78 => {
            let snapshots: Vec<_> = tree.snapshots.iter().copied().collect();
            if !snapshots.is_empty() {
                tree.snapshots
                    .remove(&snapshots[rng.index(snapshots.len())]);
            }
        }
        78..80 => tree.machine.advance(Duration::from_secs(rng.below(30))),
        80..90 => {
            if tree.in_flight() < 3 {
                tree.needs_space = rng.below(3) == 0;
                tree.start();
            }
        }
        _ => {
            if tree.in_flight() > 0 {
                tree.finish(rng.index(tree.in_flight()));
                tree.check();
            }
        }
    }
}

fn random_workload(seed: u64, options: CompactionOptions, mix: Mix, steps: usize) -> Tree {
    let mut rng = SimRng::new(seed);
    let mut tree = Tree::new(seed, options);
    for _ in 0..steps {
        step(&mut tree, &mut rng, mix);
    }
    tree.flush();
    tree.check();
    tree.settle();
    tree.check();
    tree.check_files();
    if rng.one_in(2) {
        tree.snapshots.clear();
    }
    let range = ManualRange::everything(u64::MAX, tree.next_number());
    tree.compact(&range);
    tree.check();
    tree.check_files();
    let upper = tree.version.levels()[..6].iter();
    assert!(
        upper.clone().all(|level| level.runs().is_empty()),
        "all is at the bottom"
    );
    tree.settle();
    tree.check();
    tree
}

/// Runs a workload for each seed, and says which one failed.
fn for_seeds(
    seeds: std::ops::Range<u64>,
    options: &CompactionOptions,
    mix: Mix,
    steps: usize,
) -> Vec<Tree> {
    struct Report(u64);
    impl Drop for Report {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {}", self.0);
            }
        }
    }
    let run = |seed| {
        let _report = Report(seed);
        random_workload(seed, options.clone(), mix, steps)
    };
    seeds.map(run).collect()
}

#[test]
fn every_snapshot_sees_the_same_whatever_is_compacted() {
    let trees = for_seeds(0..24, &tiny(), DENSE, 400);
    let mut reasons = BTreeMap::new();
    for (reason, count) in trees.iter().flat_map(|tree| &tree.reasons) {
        *reasons.entry(reason.as_str()).or_insert(0) += count;
    }
    for reason in [
        "Level0",
        "LevelSize",
        "Covered",
        "Tombstones",
        "Garbage",
        "ValueGarbage",
    ] {
        assert!(
            reasons.contains_key(reason),
            "{reason} never happened: {reasons:?}"
        );
    }
}

#[test]
fn every_snapshot_sees_the_same_when_tiering() {
    let options = CompactionOptions {
        style: CompactionStyle::Tiered { runs_max: 3 },
        ..tiny()
    };
    for_seeds(100..112, &options, DENSE, 400);
}

#[test]
fn tables_that_fit_into_gaps_do_not_get_in_the_way_of_compactions() {
    let options = CompactionOptions {
        // Level 0 is merged into the bottom, where ingested runs go, too.
        base_bytes: 1 << 20,
        ..tiny()
    };
    for_seeds(300..324, &options, SPARSE, 600);
}

#[test]
fn changing_the_style_keeps_the_tree_in_order() {
    for seed in 200..206 {
        let mut rng = SimRng::new(seed);
        let mut tree = Tree::new(seed, tiny());
        for round in 0..6 {
            tree.options.style = match round % 2 {
                0 => CompactionStyle::Tiered { runs_max: 4 },
                _ => CompactionStyle::Leveled,
            };
            for _ in 0..120 {
                step(&mut tree, &mut rng, DENSE);
            }
        }
        tree.flush();
        tree.settle();
        tree.check();
        let levels = tree.version.levels()[1..].iter();
        let most = levels.map(|level| level.runs().len()).max();
        assert!(most <= Some(1), "seed {seed}: one run per level");
    }
}
