//! The heap stays within the budget, whatever is done to the database.
//!
//! A process of its own, because it counts every allocation of the process. Within it, one test at
//! a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb::{Database, Durability, Options};
use rustdb_vfs::CountingAllocator;
use rustdb_vfs::sync::Mutex;

#[global_allocator]
static HEAP: CountingAllocator = CountingAllocator::new();

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

/// What is not in the budget: the log's and value files' buffers, a read-ahead window for each
/// iterator, lists of files, threads. See `Options::memory_budget`.
const SLACK: usize = 5 * MIB;

fn options(budget: usize) -> Options {
    Options {
        memory_budget: Some(budget),
        durability: Durability::None,
        ..Options::default()
    }
}

fn open(directory: &Path, budget: usize) -> Database {
    Database::open_with(directory, options(budget)).expect("opens")
}

/// A key without order, from a number.
fn key(number: u64) -> [u8; 16] {
    let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    mixed.to_be_bytes()
}

/// Bytes that do not compress.
fn value(number: u64, bytes: usize) -> Vec<u8> {
    let words = (0..bytes as u64 / 8 + 1).flat_map(|word| {
        let mixed = (number ^ word << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 29).to_le_bytes()
    });
    words.take(bytes).collect()
}

#[test]
fn the_heap_stays_within_the_budget_while_data_is_ten_times_larger() {
    let _alone = ONE_AT_A_TIME.lock();
    let directory = tempfile::tempdir().unwrap();
    let budget = 8 * MIB;
    let before = HEAP.now();
    HEAP.reset_peak();
    let db = open(directory.path(), budget);
    let entries = 10 * budget as u64 / (16 + 150);
    let old = db.snapshot();
    for number in 0..entries / 2 {
        db.put(key(number), value(number, 150)).unwrap();
        if number % 10_000 == 0 {
            // Large values, and one that was in flight is not in the budget any more.
            db.put(format!("large {number}"), value(number, 256 << 10))
                .unwrap();
        }
    }
    let long = db.snapshot();
    // A transaction several times larger than the budget.
    let mut transaction = db.begin().unwrap();
    let keyspace = db.default_keyspace();
    for number in entries / 2..entries {
        transaction.put(key(number), value(number, 150)).unwrap();
    }
    transaction.commit().unwrap();
    churn(&db, entries);
    assert_eq!(old.len(&keyspace).unwrap(), 0);
    db.compact().unwrap();
    let large = (entries / 2).div_ceil(10_000);
    assert_eq!(db.len().unwrap(), entries + large);
    assert_eq!(long.len(&keyspace).unwrap(), entries / 2 + large);
    let stats = db.stats();
    let data: u64 = stats.levels.iter().map(|level| level.bytes).sum::<u64>() + stats.value_bytes;
    assert!(data >= 10 * budget as u64, "{data}");
    assert_eq!(stats.memory.budget, Some(budget));
    let used = HEAP.peak() - before;
    assert!(
        used <= budget + SLACK,
        "{} KiB used of {} KiB; {:?}",
        used >> 10,
        budget >> 10,
        stats.memory
    );
}

/// Threads that overwrite, read and scan at the same time.
fn churn(db: &Database, entries: u64) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut number = reader;
                while !is_over.load(Ordering::Relaxed) {
                    number = (number + 7_919) % entries;
                    let found = db.get(key(number)).expect("reads").expect("was put");
                    assert_eq!(found.len(), 150);
                    if number.is_multiple_of(64) {
                        let seen = db.range(key(number).as_slice()..).take(2_000);
                        seen.for_each(|entry| drop(entry.expect("reads")));
                    }
                }
            });
        }
        for number in 0..entries / 8 {
            db.put(key(number), value(number + 1, 150)).expect("writes");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn many_transactions_share_the_budget() {
    let _alone = ONE_AT_A_TIME.lock();
    let directory = tempfile::tempdir().unwrap();
    let budget = 16 * MIB;
    let before = HEAP.now();
    HEAP.reset_peak();
    let db = open(directory.path(), budget);
    let mut open: Vec<_> = (0..64).map(|_| db.begin().unwrap()).collect();
    for number in 0..200_000_u64 {
        let transaction = &mut open[number as usize % 64];
        let value = value(number, 150);
        transaction.put(key(number), value).unwrap();
    }
    assert!(db.stats().memory.write_sets > 0);
    for transaction in open {
        transaction.commit().unwrap();
    }
    assert_eq!(db.len().unwrap(), 200_000);
    assert_eq!(db.stats().memory.write_sets, 0);
    let used = HEAP.peak() - before;
    let limit = budget + SLACK + 64 * 128 * 1024;
    assert!(used <= limit, "{} KiB used", used >> 10);
}

#[test]
fn a_large_value_is_copied_once_on_its_way_in_and_once_on_its_way_out() {
    let _alone = ONE_AT_A_TIME.lock();
    let directory = tempfile::tempdir().unwrap();
    let db = open(directory.path(), 16 * MIB);
    let large: Arc<[u8]> = value(1, 64 * MIB).into();
    let before = HEAP.now();
    HEAP.reset_peak();
    db.put("large", &large).unwrap();
    let used = HEAP.peak() - before;
    assert!(used <= 64 * MIB + SLACK, "{} KiB to write", used >> 10);
    HEAP.reset_peak();
    let read = db.get("large").unwrap().expect("was put");
    let used = HEAP.peak() - before;
    assert!(used <= 64 * MIB + SLACK, "{} KiB to read", used >> 10);
    assert!(*read == *large);
}
