//! Tables against a sorted list.

use super::*;
use crate::MAX_SEQUENCE;
use crate::codec::Codec;

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        Just(Codec::Lz4),
        Just(Codec::Snappy),
        Just(Codec::Zstd)
    ]
}

fn options() -> impl Strategy<Value = TableOptions> {
    (
        prop_oneof![Just(1_usize), 40..400_usize, Just(4096)],
        codec(),
        any::<bool>(),
    )
        .prop_map(|(block_bytes, codec, filter)| TableOptions {
            block_bytes,
            codec,
            filter,
        })
}

/// Builds with options that change at each keyspace.
fn build(fixture: &Fixture, options: [TableOptions; 2], entries: &[Entry]) -> TableMeta {
    let mut builder = fixture.builder(1, options[0]);
    for (key, seq, kind, value) in entries {
        builder
            .set_options(options[usize::from(key[3]) % 2])
            .unwrap();
        builder.add(key, *seq, *kind, value).unwrap();
    }
    builder.finish().unwrap()
}

fn check_gets(table: &Table, entries: &[Entry]) {
    for key in around(entries) {
        for seq in [0, 1, 3, MAX_SEQUENCE] {
            let expected = entries
                .get(position(entries, &key, seq))
                .filter(|(k, ..)| *k == key);
            let found = get(table, &key, seq);
            let found = found.as_ref().map(|f| (f.seq, f.kind, &*f.value));
            assert_eq!(
                found,
                expected.map(|(_, s, k, v)| (*s, *k, &v[..])),
                "{key:?} at {seq}"
            );
        }
    }
}

fn check_seeks(table: &Arc<Table>, entries: &[Entry]) {
    let mut cursor = table.cursor(ReadMode::USER);
    for key in around(entries) {
        for seq in [0, 2, MAX_SEQUENCE] {
            cursor.seek(&key, seq).unwrap();
            let expected = entries.get(position(entries, &key, seq));
            assert_eq!(cursor.valid().then(|| entry(&cursor)).as_ref(), expected);
        }
        cursor.seek_before(&key).unwrap();
        let expected = position(entries, &key, MAX_SEQUENCE).checked_sub(1);
        assert_eq!(
            cursor.valid().then(|| entry(&cursor)),
            expected.map(|at| entries[at].clone())
        );
    }
}

/// Walks from a random place with random turns.
fn check_walk(table: &Arc<Table>, mode: ReadMode, entries: &[Entry], turns: &[bool]) {
    let mut cursor = table.cursor(mode);
    let mut at = entries.len() / 2;
    cursor.seek(&entries[at].0, entries[at].1).unwrap();
    for forward in turns {
        if *forward && at + 1 < entries.len() {
            at += 1;
            cursor.next().unwrap();
        } else if !forward && at > 0 {
            at -= 1;
            cursor.prev().unwrap();
        }
        assert_eq!(entry(&cursor), entries[at]);
    }
}

/// What is said about the entries ahead is true of each of them.
fn check_ahead(table: &Arc<Table>, entries: &[Entry]) {
    let mut cursor = table.cursor(ReadMode::USER);
    cursor.seek_to_first().unwrap();
    let limits = [None, Some(&*entries[entries.len() / 2].0)];
    for at in 0..entries.len() {
        for (limit, seq) in limits.iter().flat_map(|l| [(l, 2), (l, MAX_SEQUENCE)]) {
            let ahead = cursor.plain_ahead(*limit, seq);
            for n in at + 1..at + 1 + ahead {
                let (key, entry_seq, kind, _) = &entries[n];
                assert!(matches!(kind, EntryKind::Put | EntryKind::ValueRef));
                assert!(*entry_seq <= seq && limit.is_none_or(|limit| **key < *limit));
                assert!(entries[n - 1].0 != *key);
            }
        }
        cursor.next().unwrap();
    }
}

fn scan_back(table: &Arc<Table>, mode: ReadMode) -> Vec<Entry> {
    let mut cursor = table.cursor(mode);
    cursor.seek_to_last().unwrap();
    let mut entries = Vec::new();
    while cursor.valid() {
        entries.push(entry(&cursor));
        cursor.prev().unwrap();
    }
    entries.reverse();
    entries
}

fn check_meta(meta: &TableMeta, entries: &[Entry]) {
    let count = |f: fn(&Entry) -> bool| entries.iter().filter(|e| f(e)).count() as u64;
    assert_eq!(meta.entries, entries.len() as u64);
    assert_eq!(meta.tombstones, count(|e| e.2 == EntryKind::Delete));
    assert_eq!(
        meta.shadowed,
        entries.windows(2).filter(|w| w[0].0 == w[1].0).count() as u64
    );
    assert_eq!(*meta.smallest, entries[0].0);
    assert_eq!(*meta.largest, entries[entries.len() - 1].0);
    assert_eq!(meta.min_seq, entries.iter().map(|e| e.1).min().unwrap());
    assert_eq!(meta.max_seq, entries.iter().map(|e| e.1).max().unwrap());
    assert_eq!(
        meta.raw_key_bytes,
        entries.iter().map(|e| e.0.len() as u64).sum::<u64>()
    );
    assert_eq!(
        meta.raw_value_bytes,
        entries.iter().map(|e| e.3.len() as u64).sum::<u64>()
    );
}

proptest! {
    #[test]
    fn a_table_behaves_like_a_sorted_list(
        entries in entries(true, 120),
        options in [options(), options()],
        encrypted in any::<bool>(),
        turns in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let fixture = if encrypted { Fixture::encrypted() } else { Fixture::new() };
        let meta = build(&fixture, options, &entries);
        check_meta(&meta, &entries);
        let table = fixture.open(&meta).unwrap();
        prop_assert_eq!(&scan(&table, ReadMode::COMPACTION).unwrap(), &entries);
        check_gets(&table, &entries);
        check_seeks(&table, &entries);
        check_ahead(&table, &entries);
        for mode in [ReadMode::USER, ReadMode::COMPACTION] {
            check_walk(&table, mode, &entries, &turns);
            prop_assert_eq!(&scan(&table, mode).unwrap(), &entries);
            prop_assert_eq!(&scan_back(&table, mode), &entries);
        }
        prop_assert_eq!(table.verify().unwrap().entries, entries.len() as u64);
        let path = path(meta.number);
        let read = Table::read_meta(&fixture.store, &path).unwrap();
        prop_assert_eq!(TableMeta { number: meta.number, ..read }, meta);
    }

    #[test]
    fn a_table_with_one_sequence_number_reports_it(
        keys in prop::collection::btree_set(key_bytes(), 1..60),
        all in 1..100_u64,
    ) {
        let stored: Vec<Entry> = keys
            .into_iter()
            .map(|key| ([&[0, 0, 0, 1], &key[..]].concat(), 0, EntryKind::Put, key))
            .collect();
        let fixture = Fixture::new();
        let small = TableOptions { block_bytes: 60, ..TableOptions::default() };
        let mut meta = fixture.build(1, small, &stored);
        meta.sequence_override = Some(all);
        let table = fixture.open(&meta).unwrap();
        let mut entries = stored;
        for (_, seq, ..) in &mut entries {
            *seq = all;
        }
        prop_assert_eq!(&scan(&table, ReadMode::USER).unwrap(), &entries);
        let mut cursor = table.cursor(ReadMode::USER);
        for key in around(&entries) {
            for seq in [0, all - 1, all, MAX_SEQUENCE] {
                cursor.seek(&key, seq).unwrap();
                let expected = entries.get(position(&entries, &key, seq));
                let reached = cursor.valid().then(|| entry(&cursor));
                prop_assert_eq!(reached.as_ref(), expected);
                let seen = expected.filter(|(k, ..)| *k == key).map(|(_, seq, ..)| *seq);
                prop_assert_eq!(get(&table, &key, seq).map(|found| found.seq), seen);
            }
        }
        table.verify().unwrap();
    }
}
