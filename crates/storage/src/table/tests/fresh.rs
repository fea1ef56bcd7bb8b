//! Blocks that a table has in memory from when it was written.

use super::*;
use crate::MAX_SEQUENCE;
use crate::codec::Codec;

const OPTIONS: TableOptions = TableOptions {
    block_bytes: 1000,
    codec: Codec::Lz4,
    filter: true,
};

fn many(from: u32) -> Vec<Entry> {
    (from..from + 3000)
        .map(|n| put(&key(n), format!("value {n} ").repeat(8).as_bytes()))
        .collect()
}

fn fixture(cache_bytes: usize) -> Fixture {
    Fixture::with_options(TableStoreOptions {
        cache_bytes,
        ..TableStoreOptions::default()
    })
}

impl Fixture {
    /// A table whose blocks are kept as it is written.
    fn build_fresh(&self, number: u64, entries: &[Entry]) -> TableMeta {
        let fresh = self.store.cache().fresh_blocks();
        let mut builder = self.builder(number, OPTIONS).with_fresh(fresh);
        for (key, seq, kind, value) in entries {
            builder.add(key, *seq, *kind, value).unwrap();
        }
        builder.finish().unwrap()
    }
}

#[test]
fn a_fresh_table_is_read_from_memory_as_from_its_file() {
    let fixture = fixture(64 << 20);
    let entries = many(0);
    let meta = fixture.build_fresh(1, &entries);
    let waiting = fixture.store.cache().stats();
    assert!(
        waiting.used_bytes > 200_000 && waiting.blocks == 0,
        "{waiting:?}"
    );
    let table = fixture.open(&meta).unwrap();
    assert_eq!(fixture.store.cache().stats().blocks, table.index().blocks());
    for (key, seq, kind, value) in &entries {
        let found = get(&table, key, MAX_SEQUENCE).unwrap();
        assert_eq!(
            (found.seq, found.kind, &*found.value),
            (*seq, *kind, &value[..])
        );
    }
    assert_eq!(scan(&table, ReadMode::default()).unwrap(), entries);
    assert_eq!(fixture.store.cache().stats().misses, 0);
    // Another one reads the file.
    let second = fixture.open(&meta).unwrap();
    assert_eq!(scan(&second, ReadMode::default()).unwrap(), entries);
    assert!(fixture.store.cache().stats().misses > 100);
    drop((table, second));
    assert_eq!(fixture.store.cache().stats().used_bytes, 0);
}

#[test]
fn no_more_than_half_of_the_cache_is_kept_and_nothing_goes_for_it() {
    let fixture = fixture(200_000);
    let entries = many(0);
    let read = fixture.table(OPTIONS, &entries[..300]);
    scan(&read, ReadMode::default()).unwrap();
    let before = fixture.store.cache().stats();
    let meta = fixture.build_fresh(2, &entries);
    let after = fixture.store.cache().stats();
    assert!(
        after.used_bytes > before.used_bytes && after.used_bytes < 102_000,
        "{after:?}"
    );
    assert_eq!((after.blocks, after.evictions), (before.blocks, 0));
    let table = fixture.open(&meta).unwrap();
    assert_eq!(scan(&table, ReadMode::default()).unwrap(), entries);
    assert!(fixture.store.cache().stats().used_bytes <= 200_000);
}

#[test]
fn blocks_that_wait_are_the_first_to_go() {
    let fixture = fixture(400_000);
    let meta = fixture.build_fresh(1, &many(0));
    let waiting = fixture.store.cache().stats().used_bytes;
    assert!(waiting > 150_000);
    let _charge = fixture.store.cache().charge(350_000);
    assert_eq!(fixture.store.cache().stats().used_bytes, 350_000);
    let table = fixture.open(&meta).unwrap();
    assert_eq!(fixture.store.cache().stats().blocks, 0);
    assert_eq!(scan(&table, ReadMode::default()).unwrap(), many(0));
}

#[test]
fn a_table_that_is_gone_or_never_finished_leaves_nothing() {
    let fixture = fixture(64 << 20);
    let cache = fixture.store.cache();
    let meta = fixture.build_fresh(1, &many(0));
    cache.forget_fresh(meta.number);
    assert_eq!(cache.stats().used_bytes, 0);
    let mut builder = fixture.builder(2, OPTIONS).with_fresh(cache.fresh_blocks());
    for (key, seq, kind, value) in many(0) {
        builder.add(&key, seq, kind, &value).unwrap();
    }
    assert!(cache.stats().used_bytes > 0);
    builder.abandon().unwrap();
    assert_eq!(cache.stats().used_bytes, 0);
}
