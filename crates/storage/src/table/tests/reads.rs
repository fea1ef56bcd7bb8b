//! Particular tables, and how they are read.

use super::*;
use crate::codec::Codec;
use crate::tombstone::RangeTombstone;
use crate::value::{Reference, ValuePointer};
use crate::{Error, MAX_SEQUENCE};

fn many(count: u32) -> Vec<Entry> {
    (0..count)
        .map(|n| put(&key(2 * n), format!("value {n} ").repeat(8).as_bytes()))
        .collect()
}

#[test]
fn what_was_written_is_read_and_nothing_else() {
    let entries = many(20_000);
    let table = Fixture::new().table(TableOptions::default(), &entries);
    for (n, (key_, seq, kind, value)) in entries.iter().enumerate() {
        let found = get(&table, key_, MAX_SEQUENCE).unwrap();
        assert_eq!(
            (found.seq, found.kind, &*found.value),
            (*seq, *kind, &value[..])
        );
        assert_eq!(get(&table, key_, 4), None);
        assert_eq!(get(&table, &key(2 * n as u32 + 1), MAX_SEQUENCE), None);
    }
}

#[test]
fn plain_entries_are_known_up_to_the_end_of_the_block_and_the_limit() {
    let options = || TableOptions {
        block_bytes: 1 << 20,
        ..TableOptions::default()
    };
    let same_seq = many(100);
    let mut own_seqs = same_seq.clone();
    for (entry, seq) in own_seqs.iter_mut().zip(1..) {
        entry.1 = seq;
    }
    for entries in [same_seq, own_seqs] {
        let table = Fixture::new().table(options(), &entries);
        let mut cursor = table.cursor(ReadMode::USER);
        cursor.seek(&key(20), MAX_SEQUENCE).unwrap();
        assert_eq!(cursor.plain_ahead(None, 100), 89);
        assert_eq!(cursor.plain_ahead(Some(&key(30)), 100), 4);
        assert_eq!(cursor.plain_ahead(Some(&key(31)), 100), 5);
        assert_eq!(cursor.plain_ahead(Some(&key(20)), 100), 0);
        assert_eq!(cursor.plain_ahead(None, 4), 0);
    }
    let mut with_deletion = many(100);
    with_deletion[50].2 = EntryKind::Delete;
    let table = Fixture::new().table(options(), &with_deletion);
    let mut cursor = table.cursor(ReadMode::USER);
    cursor.seek_to_first().unwrap();
    assert_eq!(cursor.plain_ahead(None, MAX_SEQUENCE), 0);
}

#[test]
fn a_key_may_have_more_versions_than_fit_a_block() {
    let mut entries = vec![put(&key(1), b"before")];
    let version = |seq| (key(2), seq, EntryKind::Put, vec![seq as u8; 30]);
    entries.extend((1..=5_000).rev().map(version));
    entries.push(put(&key(3), b"after"));
    let options = TableOptions {
        block_bytes: 1000,
        ..TableOptions::default()
    };
    let table = Fixture::new().table(options, &entries);
    assert!(table.index().blocks() > 100);
    for seq in 1..=5_000 {
        assert_eq!(get(&table, &key(2), seq).unwrap().seq, seq);
        let mut cursor = table.cursor(ReadMode::USER);
        cursor.seek(&key(2), seq).unwrap();
        assert_eq!(cursor.seq(), seq);
    }
    assert_eq!(get(&table, &key(2), 0), None);
    assert_eq!(*get(&table, &key(1), 9).unwrap().value, *b"before");
    assert_eq!(*get(&table, &key(3), 9).unwrap().value, *b"after");
    let mut cursor = table.cursor(ReadMode::USER);
    cursor.seek_before(&key(2)).unwrap();
    assert_eq!(cursor.key(), key(1));
    table.verify().unwrap();
}

#[test]
fn keys_and_values_of_all_lengths() {
    let keyspace = [0, 0, 0, 1];
    let long = [&keyspace[..], &[b'z'; 65_000]].concat();
    let entries = vec![
        put(&keyspace, b"the empty key"),
        put(&[&keyspace[..], b"\0"].concat(), b""),
        put(&[&keyspace[..], b"\0\0"].concat(), &[1; 1 << 20]),
        put(&[&keyspace[..], b"k"].concat(), b"short"),
        put(&[&keyspace[..], b"kk"].concat(), &[2; 5000]),
        put(&long[..long.len() - 1], &[3; 70_000]),
        put(&long, b"as long as can be"),
    ];
    for codec in [Codec::None, Codec::Lz4, Codec::Snappy] {
        let fixture = Fixture::new();
        let table = fixture.table(
            TableOptions {
                codec,
                ..TableOptions::default()
            },
            &entries,
        );
        assert_eq!(scan(&table, ReadMode::USER).unwrap(), entries);
        for (key, _, _, value) in &entries {
            assert_eq!(*get(&table, key, MAX_SEQUENCE).unwrap().value, value[..]);
        }
        table.verify().unwrap();
    }
}

#[test]
fn a_long_value_has_a_block_to_itself() {
    let entries: Vec<Entry> = (0..30)
        .map(|n| put(&key(n), &vec![1; if n % 10 == 5 { 50_000 } else { 20 }]))
        .collect();
    let table = Fixture::new().table(TableOptions::default(), &entries);
    // Three long ones, and what is before, between and after them.
    assert_eq!(table.index().blocks(), 7);
}

#[test]
fn entries_that_break_a_rule_are_refused() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    let mut refused = |key: &[u8], seq, kind, value: &[u8]| {
        let error = builder.add(key, seq, kind, value).err();
        matches!(error, Some(Error::InvalidArgument(_)))
    };
    assert!(!refused(&key(5), 5, EntryKind::Put, b""));
    assert!(refused(&key(4), 5, EntryKind::Put, b""));
    assert!(refused(&key(5), 5, EntryKind::Put, b""));
    assert!(refused(&key(5), 6, EntryKind::Put, b""));
    assert!(refused(&key(6), MAX_SEQUENCE + 1, EntryKind::Put, b""));
    assert!(refused(&[0, 0, 1], 5, EntryKind::Put, b""));
    assert!(refused(&[1; 65_005], 5, EntryKind::Put, b""));
    assert!(refused(&key(6), 5, EntryKind::PutExpiring, b"1234567"));
    assert!(refused(&key(6), 5, EntryKind::ValueRef, b"not a pointer"));
    assert!(!refused(&key(5), 4, EntryKind::Put, b""));
    assert!(builder.add_range_tombstone(b"b", b"b", 1).is_err());
    assert_eq!(builder.finish().unwrap().entries, 2);
    assert!(
        fixture
            .builder(2, TableOptions::default())
            .finish()
            .is_err()
    );
    fixture
        .builder(3, TableOptions::default())
        .abandon()
        .unwrap();
    assert!(fixture.vfs.metadata(&path(FileNumber(3))).is_err());
}

#[test]
fn what_entries_say_about_time_and_value_files_is_added_up() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    let mut value = Vec::new();
    for (n, expiry) in [(1, None), (2, Some(300)), (3, Some(100))] {
        let file = FileNumber(10 - n % 2);
        let pointer = ValuePointer {
            file,
            offset: 64,
            length: n * 1000,
            checksum: 1,
        };
        let reference = Reference { expiry, pointer };
        reference.encode(&mut value);
        builder
            .add(&key(n as u32), n, reference.kind(), &value)
            .unwrap();
    }
    builder
        .add(&key(4), 4, EntryKind::PutExpiring, &200_u64.to_le_bytes())
        .unwrap();
    let meta = builder.finish().unwrap();
    assert_eq!(
        meta.value_refs,
        [(FileNumber(9), 4000), (FileNumber(10), 2000)]
    );
    assert_eq!(
        (meta.expiring, meta.oldest_expiry, meta.newest_expiry),
        (3, Some(100), Some(300))
    );
}

#[test]
fn range_tombstones_are_kept_and_widen_the_bounds() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    builder.add_range_tombstone(&key(5), &key(50), 9).unwrap();
    builder.add(&key(10), 3, EntryKind::Put, b"v").unwrap();
    builder.add_range_tombstone(&key(1), &key(9), 12).unwrap();
    builder.add_range_tombstone(&key(5), &key(50), 2).unwrap();
    builder.add_range_tombstone(&key(5), &key(50), 2).unwrap();
    let meta = builder.finish().unwrap();
    assert_eq!((&*meta.smallest, &*meta.largest), (&*key(1), &*key(50)));
    assert!(meta.largest_exclusive);
    assert_eq!(
        (meta.range_tombstones, meta.min_seq, meta.max_seq),
        (3, 2, 12)
    );
    let table = fixture.open(&meta).unwrap();
    let expected = [
        RangeTombstone::new(&key(1), &key(9), 12),
        RangeTombstone::new(&key(5), &key(50), 9),
        RangeTombstone::new(&key(5), &key(50), 2),
    ];
    assert_eq!(table.raw_tombstones(), expected);
    assert_eq!(
        table.range_tombstones().covering(&key(7), MAX_SEQUENCE),
        Some(12)
    );
    assert_eq!(
        table.range_tombstones().covering(&key(49), MAX_SEQUENCE),
        Some(9)
    );
    assert_eq!(
        table.range_tombstones().covering(&key(50), MAX_SEQUENCE),
        None
    );
    table.verify().unwrap();
}

#[test]
fn a_table_may_have_nothing_but_range_tombstones() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    builder.add_range_tombstone(&key(1), &key(9), 12).unwrap();
    let mut meta = builder.finish().unwrap();
    assert_eq!((&*meta.smallest, &*meta.largest), (&*key(1), &*key(9)));
    meta.sequence_override = Some(20);
    let table = fixture.open(&meta).unwrap();
    assert_eq!(get(&table, &key(2), MAX_SEQUENCE), None);
    assert_eq!(scan(&table, ReadMode::USER).unwrap(), []);
    let mut cursor = table.cursor(ReadMode::USER);
    cursor.seek(&key(2), 3).unwrap();
    cursor.seek_before(&key(2)).unwrap();
    cursor.seek_to_last().unwrap();
    assert!(!cursor.valid());
    assert_eq!(table.range_tombstones().max_seq(), 20);
    assert_eq!(table.approximate_bytes(&key(1), &key(9)), 0);
    table.verify().unwrap();
}

#[test]
fn an_end_that_is_also_a_key_is_in_the_table() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    builder.add_range_tombstone(&key(1), &key(9), 12).unwrap();
    builder.add(&key(9), 3, EntryKind::Put, b"v").unwrap();
    let meta = builder.finish().unwrap();
    assert_eq!(*meta.largest, *key(9));
    assert!(!meta.largest_exclusive);
}

#[test]
fn the_filter_saves_reads_of_absent_keys() {
    let fixture = Fixture::new();
    let table = fixture.table(TableOptions::default(), &many(20_000));
    let absent = |n: u32| key(2 * n + 1);
    for n in 0..10_000 {
        let (key, hash) = (absent(n), key_hash(&absent(n)));
        for filter in [FilterUse::First, FilterUse::IfNotResident] {
            assert_eq!(table.get(&key, hash, MAX_SEQUENCE, filter).unwrap(), None);
        }
    }
    let read = fixture.store.cache().stats().misses;
    assert!(
        read < 120,
        "{read} of 10000 absent keys made the table read a block"
    );
}

#[test]
fn filters_stay_on_disk_when_memory_is_short() {
    let fixture = Fixture::new();
    let entries = many(20_000);
    let meta = fixture.build(1, TableOptions::default(), &entries);
    let with_filter = fixture.open(&meta).unwrap().metadata_bytes();
    fixture.store.cache().set_budget(with_filter);
    let table = fixture.open(&meta).unwrap();
    assert!(table.metadata_bytes() < with_filter - 20_000);
    assert_eq!(get(&table, &key(1), MAX_SEQUENCE), None);
    assert!(table.may_contain(&key(1), key_hash(&key(1))));
    assert!(get(&table, &key(2), MAX_SEQUENCE).is_some());
    table.verify().unwrap();
}

#[test]
fn keyspaces_without_a_filter_are_searched() {
    let fixture = Fixture::new();
    let mut builder = fixture.builder(1, TableOptions::default());
    let key = |keyspace, n: u8| vec![0, 0, 0, keyspace, n];
    for keyspace in 1..5 {
        let options = TableOptions {
            filter: keyspace % 2 == 0,
            ..TableOptions::default()
        };
        builder.set_options(options).unwrap();
        for n in 0..100 {
            builder
                .add(&key(keyspace, n), 1, EntryKind::Put, b"v")
                .unwrap();
        }
    }
    let table = fixture.open(&builder.finish().unwrap()).unwrap();
    for (keyspace, n) in (1..5).flat_map(|keyspace| (0..200).map(move |n| (keyspace, n))) {
        let found = get(&table, &key(keyspace, n), MAX_SEQUENCE);
        assert_eq!(found.is_some(), n < 100);
    }
    let may_contain = |keyspace| {
        let may = |n: &u8| {
            let key = key(keyspace, *n);
            table.may_contain(&key, key_hash(&key))
        };
        (100..200).filter(may).count()
    };
    assert_eq!((may_contain(1), may_contain(3)), (100, 100));
    assert!(may_contain(2) < 10 && may_contain(4) < 10);
    table.verify().unwrap();
}

#[test]
fn sequential_reads_are_done_many_blocks_at_a_time() {
    let fixture = Fixture::new();
    let options = TableOptions {
        block_bytes: 1000,
        ..TableOptions::default()
    };
    let table = fixture.table(options, &many(20_000));
    for back in [false, true] {
        let mut cursor = table.cursor(ReadMode {
            fill: Fill::Nothing,
            ..ReadMode::USER
        });
        if back {
            cursor.seek_to_last().unwrap();
        } else {
            cursor.seek_to_first().unwrap();
        }
        let mut fills = Vec::new();
        while cursor.valid() {
            let (blocks, fill) = cursor.window_fill();
            if fills.last().is_none_or(|(last, _)| *last != fill) {
                fills.push((fill, blocks));
            }
            if back {
                cursor.prev().unwrap()
            } else {
                cursor.next().unwrap()
            }
        }
        // Three blocks one by one; then windows that double up to their limit.
        let sizes: Vec<usize> = fills.iter().skip(1).map(|(_, blocks)| *blocks).collect();
        assert!(
            sizes[0] > 10 && sizes[1] > sizes[0] && sizes[2] > sizes[1],
            "{sizes:?}"
        );
        assert!(sizes.len() < 20, "{sizes:?}");
        assert_eq!(fixture.store.cache().stats().blocks, 0);
    }
}

#[test]
fn what_is_in_memory_is_not_read_ahead() {
    let fixture = Fixture::new();
    let options = TableOptions {
        block_bytes: 1000,
        ..TableOptions::default()
    };
    let table = fixture.table(options, &many(20_000));
    let blocks = table.index().blocks();
    // The first blocks are read one by one, the sixth is in memory, and one further on.
    let resident = [5, 7, 30];
    for at in resident {
        table.read_block(at, Fill::All).unwrap();
    }
    let mut cursor = table.cursor(ReadMode {
        fill: Fill::Nothing,
        ..ReadMode::USER
    });
    let mut seen = 0;
    let mut read = vec![];
    cursor.seek_to_first().unwrap();
    while cursor.valid() {
        let (blocks, fill) = cursor.window_fill();
        if read.len() < fill {
            read.push(blocks);
        }
        assert_eq!(cursor.key(), key(2 * seen));
        seen += 1;
        cursor.next().unwrap();
    }
    assert_eq!(seen, 20_000);
    // 0, 1 and 2 by themselves; 3 and 4; 6; from 8 on, at most to 30.
    assert_eq!(read[..2], [2, 1]);
    assert!(read[2] > 1 && read[2] <= 22, "{read:?}");
    let by_themselves = 3;
    assert_eq!(
        read.iter().sum::<usize>() + by_themselves + resident.len(),
        blocks
    );
}

#[test]
fn a_table_larger_than_the_cache_keeps_what_is_read_again() {
    let options = TableStoreOptions {
        cache_bytes: 100_000,
        ..TableStoreOptions::default()
    };
    let fixture = Fixture::with_options(options);
    let table = fixture.table(TableOptions::default(), &many(20_000));
    let is_resident = |at| table.index().slots().load(at).block().is_some();
    let blocks = table.index().blocks();
    (0..blocks).for_each(|at| _ = table.block(at).unwrap());
    let kept = (0..blocks).filter(|at| is_resident(*at)).count();
    assert!(kept > 0 && kept < blocks / 2, "{kept} of {blocks}");
    let absent = (0..blocks).rev().find(|at| !is_resident(*at)).unwrap();
    table.block(absent).unwrap();
    assert!(is_resident(absent), "read twice");
}

#[test]
fn values_outlive_the_table_and_its_place_in_the_cache() {
    let fixture = Fixture::new();
    let table = fixture.table(TableOptions::default(), &many(1000));
    let found = get(&table, &key(20), MAX_SEQUENCE).unwrap();
    fixture.store.cache().set_budget(0);
    assert_eq!(fixture.store.cache().stats().blocks, 0);
    drop(table);
    assert_eq!(*found.value, *b"value 10 ".repeat(8));
}

#[test]
fn approximate_bytes_grow_with_the_range() {
    let table = Fixture::new().table(TableOptions::default(), &many(10_000));
    let all = table.approximate_bytes(&key(0), &key(30_000));
    let half = table.approximate_bytes(&key(0), &key(10_000));
    let file = table.meta().file_bytes;
    assert!(all > file * 8 / 10 && all <= file, "{all} of {file}");
    assert!(half.abs_diff(all / 2) < all / 20, "{half} of {all}");
    assert_eq!(table.approximate_bytes(&key(9), &key(3)), 0);
}

#[test]
fn few_files_are_open_at_a_time() {
    let options = TableStoreOptions {
        open_files_max: 3,
        ..TableStoreOptions::default()
    };
    let fixture = Fixture::with_options(options);
    // Nothing is cached, so every read needs the file.
    fixture.store.cache().set_budget(0);
    let entries = many(100);
    let tables: Vec<_> = (1..=10)
        .map(|n| {
            fixture
                .open(&fixture.build(n, TableOptions::default(), &entries))
                .unwrap()
        })
        .collect();
    for round in 0..3 {
        for table in &tables {
            assert!(get(table, &key(2 * round), MAX_SEQUENCE).is_some());
            assert!(fixture.store.open_files() <= 3);
        }
    }
    assert_eq!(fixture.store.open_files(), 3);
    drop(tables);
    assert_eq!(fixture.store.open_files(), 0);
}

#[test]
fn many_threads_read_a_table_whose_blocks_come_and_go() {
    let fixture = Fixture::new();
    let entries = Arc::new(many(5_000));
    let options = TableOptions {
        block_bytes: 500,
        ..TableOptions::default()
    };
    let table = fixture.table(options, &entries);
    let metadata = fixture.store.cache().stats().used_bytes;
    fixture.store.cache().set_budget(metadata + 20_000);
    let threads: Vec<_> = (0..4_usize)
        .map(|thread| {
            let (table, entries) = (Arc::clone(&table), Arc::clone(&entries));
            let body = move || {
                for n in 0..20_000 {
                    let (key, _, _, value) = &entries[(n * 7 + thread * 1001) % entries.len()];
                    let found = get(&table, key, MAX_SEQUENCE).unwrap();
                    assert_eq!(*found.value, value[..]);
                }
            };
            fixture.vfs.spawn("reader", Box::new(body)).unwrap()
        })
        .collect();
    for thread in threads {
        assert!(thread.join());
    }
    let stats = fixture.store.cache().stats();
    assert!(
        stats.evictions > 0 && stats.used_bytes <= stats.budget_bytes + 4 * 700,
        "{stats:?}"
    );
    drop(table);
    assert_eq!(fixture.store.cache().stats().used_bytes, 0);
}
