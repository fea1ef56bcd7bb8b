//! What a running database tells about itself.

use std::sync::Arc;
use std::time::Duration;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Database, Durability, Encryption, Latencies, Options, WriteBatch};
use rustdb_vfs::MemVfs;

fn encrypted() -> Options {
    Options {
        vfs: Some(MemVfs::shared()),
        encryption: Some(Encryption {
            provider: Arc::new(RawKey::new(Secret::new([1; 32]))),
            algorithm: Algorithm::ChaCha20Poly1305,
        }),
        compaction_threads: 0,
        ..Options::default()
    }
}

fn check(latencies: &Latencies, at_least: u64) {
    assert!(latencies.count >= at_least, "{latencies:?}");
    assert!(latencies.p50 > Duration::ZERO, "{latencies:?}");
    assert!(latencies.p50 <= latencies.p99 && latencies.p99 <= latencies.p999);
    assert!(latencies.p999 <= latencies.max);
}

#[test]
fn writes_and_syncs_of_the_log_have_percentiles() {
    let db = Database::open_with("/db", encrypted()).unwrap();
    for (durability, commits) in [(Durability::Sync, 20_u8), (Durability::Buffered, 30)] {
        for number in 0..commits {
            let mut batch = WriteBatch::new();
            batch.put(&db.default_keyspace(), [number], "value");
            db.write_with(&batch, durability).unwrap();
        }
    }
    let stats = db.stats();
    check(&stats.log_syncs, 20);
    check(&stats.log_writes, 30);
    assert!(stats.log_bytes > 0);
}

#[test]
fn changes_of_keys_raise_the_generation_of_the_ring() {
    let db = Database::open_with("/db", encrypted()).unwrap();
    let generation = || db.stats().key_ring_generation.expect("it is encrypted");
    let first = generation();
    db.rotate_data_key(Algorithm::Aes256Gcm).unwrap();
    let second = generation();
    assert!(second > first);
    db.change_key(&RawKey::new(Secret::new([2; 32]))).unwrap();
    assert!(generation() > second);
    let plain = Database::in_memory().unwrap();
    assert_eq!(plain.stats().key_ring_generation, None);
}

const KEYS: u32 = 10_000;

/// How often reads of keys found nothing that a filter let through: three times what is expected
/// of eight bits for each key.
const LET_THROUGH_MAX: u64 = KEYS as u64 * 3 / 256;

fn put_every_second(db: &Database, first: u32) -> rustdb::Result<()> {
    for number in 0..KEYS {
        db.put((2 * number + first).to_be_bytes(), "value")?;
    }
    db.flush()
}

/// The last table that may have a key asks its filter only to save the disk.
#[test]
fn a_read_that_finds_nothing_is_a_filters_answer_or_a_blocks() {
    let db = Database::open_with("/db", encrypted()).unwrap();
    put_every_second(&db, 0).unwrap();
    let before = db.stats().cache;
    // All of these keys lie between keys of the table.
    for number in 0..KEYS - 1 {
        assert_eq!(db.get((2 * number + 1).to_be_bytes()).unwrap(), None);
    }
    let after = db.stats().cache;
    let (filtered, in_vain, in_memory) = (
        after.filtered - before.filtered,
        after.read_in_vain - before.read_in_vain,
        after.hits - before.hits,
    );
    assert!(filtered > 0);
    // A block that was read in vain stays, and answers for its neighbours from then on.
    assert_eq!(filtered + in_vain + in_memory, u64::from(KEYS) - 1);
    assert_eq!(in_vain, after.misses - before.misses);
    assert!(in_vain <= LET_THROUGH_MAX, "{in_vain} reads were in vain");
}

#[test]
fn filters_spare_reads_the_runs_that_do_not_have_the_key() {
    let db = Database::open_with("/db", encrypted()).unwrap();
    put_every_second(&db, 1).unwrap();
    put_every_second(&db, 0).unwrap();
    let before = db.stats().cache.filtered;
    // The newer run has neither of these keys, whether its blocks are in memory or not.
    for _ in 0..2 {
        for number in 0..KEYS - 1 {
            assert!(db.get((2 * number + 1).to_be_bytes()).unwrap().is_some());
        }
    }
    let filtered = db.stats().cache.filtered - before;
    let reads = 2 * (u64::from(KEYS) - 1);
    assert!(filtered <= reads);
    assert!(
        filtered >= reads - 2 * LET_THROUGH_MAX,
        "{filtered} of {reads}"
    );
}

#[test]
fn space_that_dead_values_take_is_told() {
    let db = Database::open_with("/db", encrypted()).unwrap();
    let fill = |value: u8| {
        for number in 0..200_u32 {
            db.put(number.to_be_bytes(), vec![value; 500]).unwrap();
        }
    };
    fill(1);
    db.compact().unwrap();
    let stats = db.stats();
    assert_eq!(stats.space_amplification, 1.0);
    assert!(stats.write_amplification > 0.0 && stats.read_amplification >= 1);
    fill(2);
    db.flush().unwrap();
    assert!(db.stats().space_amplification > 1.5);
    db.compact().unwrap();
    assert_eq!(db.stats().space_amplification, 1.0);
}
