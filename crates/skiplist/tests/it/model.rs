//! Everything the tree answers, compared with a sorted vector.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use rustdb_skiplist::{Cursor, Reader, SEQ_MAX, Writer};

/// Miri runs the same tests on less.
const CASES: u32 = if cfg!(miri) { 4 } else { 256 };
const ENTRIES: usize = if cfg!(miri) { 24 } else { 300 };

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: Vec<u8>,
    seq: u64,
    kind: u8,
    value: Vec<u8>,
}

/// Keys that differ before, at and after the end of the head, and by zeros at their end.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop::collection::vec(prop::sample::select(vec![0u8, 1, 255]), 0..4);
    (
        prop::sample::select(vec![0usize, 3, 7, 8, 14, 15, 16, 17, 40]),
        tail,
    )
        .prop_map(|(common, tail)| {
            let mut key = vec![b'k'; common];
            key.extend(tail);
            key
        })
}

fn entry() -> impl Strategy<Value = Entry> {
    let value = prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (1000usize..40_000).prop_map(|n| vec![7; n]),
    ];
    let seq = prop_oneof![0..6u64, Just(SEQ_MAX)];
    (key(), seq, 1..=5u8, value).prop_map(|(key, seq, kind, value)| Entry {
        key,
        seq,
        kind,
        value,
    })
}

/// What the tree holds: key ascending, sequence descending, of equal ones the last inserted.
fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let order = |e: &Entry| (e.key.clone(), Reverse(e.seq));
    let map: BTreeMap<_, _> = entries.iter().map(|e| (order(e), e.clone())).collect();
    map.into_values().collect()
}

fn fill(entries: &[Entry]) -> (Writer, Reader) {
    let (mut writer, reader) = rustdb_skiplist::new();
    for e in entries {
        writer.insert(&e.key, e.seq, e.kind, &e.value);
    }
    (writer, reader)
}

fn current(cursor: &Cursor) -> Option<Entry> {
    cursor.valid().then(|| Entry {
        key: cursor.key().to_vec(),
        seq: cursor.seq(),
        kind: cursor.kind(),
        value: cursor.value().to_vec(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn walks_visit_all_entries_in_order(entries in prop::collection::vec(entry(), 0..ENTRIES)) {
        let expected = sorted(&entries);
        let (_writer, reader) = fill(&entries);
        prop_assert_eq!(reader.len(), expected.len());

        let mut cursor = reader.cursor();
        prop_assert!(!cursor.valid());
        cursor.seek_to_first();
        for e in &expected {
            prop_assert_eq!(current(&cursor), Some(e.clone()));
            cursor.next();
        }
        prop_assert!(!cursor.valid());

        cursor.seek_to_last();
        for e in expected.iter().rev() {
            prop_assert_eq!(current(&cursor), Some(e.clone()));
            cursor.prev();
        }
        prop_assert!(!cursor.valid());
    }

    #[test]
    fn seeks_find_the_neighbours_of_any_key(
        entries in prop::collection::vec(entry(), 0..ENTRIES),
        probes in prop::collection::vec((key(), prop_oneof![0..7u64, Just(SEQ_MAX)]), 1..20),
    ) {
        let expected = sorted(&entries);
        let (_writer, reader) = fill(&entries);
        let mut cursor = reader.cursor();
        for (key, seq) in &probes {
            let at = expected
                .iter()
                .position(|e| (&e.key, Reverse(e.seq)) >= (key, Reverse(*seq)));
            cursor.seek(key, *seq);
            prop_assert_eq!(current(&cursor), at.map(|i| expected[i].clone()));

            let found = reader.get(key, *seq);
            let wanted = at.map(|i| &expected[i]).filter(|e| e.key == *key);
            prop_assert_eq!(found.map(|f| f.value().to_vec()), wanted.map(|e| e.value.clone()));
            prop_assert_eq!(found.map(|f| (f.seq(), f.kind())), wanted.map(|e| (e.seq, e.kind)));
            prop_assert_eq!(found.map(|f| f.pin().to_vec()), wanted.map(|e| e.value.clone()));

            cursor.seek_before(key);
            let before = expected.iter().rfind(|e| e.key < *key);
            prop_assert_eq!(current(&cursor), before.cloned());
        }
    }
}

/// Compares a walk in either direction, and a point read of each entry.
fn check_all(entries: &[Entry]) {
    let expected = sorted(entries);
    let (_writer, reader) = fill(entries);
    let mut cursor = reader.cursor();
    cursor.seek_to_first();
    for e in &expected {
        assert_eq!(current(&cursor).as_ref(), Some(e));
        assert_eq!(
            reader.get(&e.key, e.seq).expect("inserted").value(),
            e.value
        );
        cursor.next();
    }
    assert!(!cursor.valid());
    cursor.seek_to_last();
    for e in expected.iter().rev() {
        assert_eq!(current(&cursor).as_ref(), Some(e));
        cursor.prev();
    }
    assert!(!cursor.valid());
    assert_eq!(reader.len(), expected.len());
}

/// Enough for three levels of nodes.
const MANY: u64 = if cfg!(miri) { 150 } else { 40_000 };

fn numbered(key: u64, seq: u64) -> Entry {
    let (key, value) = (
        key.to_be_bytes().to_vec(),
        format!("{key}@{seq}").into_bytes(),
    );
    Entry {
        key,
        seq,
        kind: 2,
        value,
    }
}

#[test]
fn keys_may_come_in_any_order() {
    let shuffled = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let entries: Vec<_> = (0..MANY).map(|n| numbered(shuffled(n), n % 3)).collect();
    check_all(&entries);
    let entries: Vec<_> = (0..MANY).map(|n| numbered(n, 1)).collect();
    check_all(&entries);
    let entries: Vec<_> = (0..MANY).rev().map(|n| numbered(n, 1)).collect();
    check_all(&entries);
}

#[test]
fn versions_of_a_key_may_fill_many_nodes() {
    let versions = (1..MANY).map(|seq| numbered(5, seq));
    let others = (0..20).map(|key| numbered(key, 7));
    let entries: Vec<_> = versions.chain(others).collect();
    check_all(&entries);
    let (_writer, reader) = fill(&entries);
    let key = 5u64.to_be_bytes();
    assert_eq!(reader.get(&key, SEQ_MAX).expect("inserted").seq(), MANY - 1);
    assert!(reader.get(&key, 0).is_none());
    // The same, older versions last.
    let entries: Vec<_> = entries.into_iter().rev().collect();
    check_all(&entries);
}

#[test]
fn versions_that_are_missing_give_the_next_older_one() {
    let entries: Vec<_> = (1..MANY).map(|n| numbered(5, 10 * n)).collect();
    let (_writer, reader) = fill(&entries);
    for n in 1..MANY {
        let found = reader
            .get(&5u64.to_be_bytes(), 10 * n + 9)
            .expect("an older version");
        assert_eq!(found.seq(), 10 * n);
    }
}

#[test]
fn an_entry_takes_the_place_of_an_equal_one() {
    let entries: Vec<_> = (0..MANY)
        .map(|n| Entry {
            value: n.to_be_bytes().to_vec(),
            ..numbered(n * 7 % 100, n * 3 % 7)
        })
        .collect();
    check_all(&entries);
}

#[test]
fn runs_of_neighbours_go_in_either_order() {
    let count: u32 = if cfg!(miri) { 60 } else { 5_000 };
    let (mut writer, reader) = rustdb_skiplist::new();
    let key = |run: u32, n: u32| [run.to_be_bytes(), n.to_be_bytes()].concat();
    // Two ascending runs in turn, then a descending one.
    for n in 0..count {
        writer.insert(&key(n % 2, n), 1, 2, b"");
    }
    for n in (0..count).rev() {
        writer.insert(&key(2, n), 1, 2, b"");
    }
    let mut cursor = reader.cursor();
    cursor.seek_to_first();
    let mut previous: Option<Vec<u8>> = None;
    let mut seen = 0;
    while cursor.valid() {
        assert!(previous.as_deref().is_none_or(|p| p < cursor.key()));
        previous = Some(cursor.key().to_vec());
        seen += 1;
        cursor.next();
    }
    assert_eq!(seen, 2 * count);
}

/// What is inserted between the two may have split the leaf that was prepared.
#[test]
fn a_prepared_seek_finds_what_was_there_when_it_was_prepared() {
    let (mut writer, reader) = rustdb_skiplist::new();
    let key = |n: u64| n.to_be_bytes();
    for n in (0..1_000).step_by(10) {
        writer.insert(&key(n), 1, 1, b"old");
    }
    let mut cursors: Vec<_> = (0..1_000)
        .map(|_| [reader.cursor(), reader.cursor()])
        .collect();
    for (n, [after, before]) in (0..).zip(&mut cursors) {
        after.prepare(&key(n), SEQ_MAX);
        before.prepare_before(&key(n));
    }
    for n in 0..1_000 {
        writer.insert(&key(n), 2, 1, b"new");
    }
    for (n, [after, before]) in (0_u64..).zip(&mut cursors) {
        after.seek(&key(n), SEQ_MAX);
        while after.valid() && after.value() == b"new" {
            after.next();
        }
        let next = (n <= 990).then(|| key(n.next_multiple_of(10)));
        assert_eq!(
            after.valid().then(|| after.key()),
            next.as_ref().map(|n| &n[..])
        );
        before.seek_before(&key(n));
        while before.valid() && before.value() == b"new" {
            before.prev();
        }
        let previous = n.checked_sub(1).map(|n| key(n - n % 10));
        assert_eq!(
            before.valid().then(|| before.key()),
            previous.as_ref().map(|n| &n[..])
        );
    }
}

/// Places are found a while ahead: by then their leaf may be full, split, or that of another entry.
#[test]
fn entries_go_where_they_belong_however_old_their_place_is() {
    let count: u64 = if cfg!(miri) { 200 } else { 20_000 };
    let (mut writer, reader) = rustdb_skiplist::new();
    let (mut other, other_reader) = rustdb_skiplist::new();
    other.insert(b"other", 1, 1, b"");
    // Few keys with many versions each, so that versions of one fill several leaves.
    let key = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % (count / 50);
    let keys: Vec<_> = (0..count).map(|n| key(n).to_be_bytes()).collect();
    // Most are newer than all before, some as new, and some older.
    let seq = |n: usize| n as u64 / if n % 5 == 4 { 6 } else { 3 } + 1;
    for (from, keys) in keys.chunks(64).enumerate() {
        let at = |n: usize| seq(64 * from + n);
        let is_known = from % 2 == 0;
        let places: Vec<_> = (0..keys.len())
            .map(|n| reader.approach(&keys[n], if is_known { at(n) } else { SEQ_MAX }))
            .collect();
        for (n, key) in keys.iter().enumerate() {
            let value = (64 * from + n).to_be_bytes();
            let place = match n % 8 {
                6 => places[keys.len() - 1 - n],
                7 => other_reader.approach(key, at(n)),
                _ => places[n],
            };
            writer.insert_at(Some(&place), key, at(n), 1, &value);
        }
    }
    let inserted = keys.iter().enumerate().map(|(n, key)| Entry {
        key: key.to_vec(),
        seq: seq(n),
        kind: 1,
        value: n.to_be_bytes().to_vec(),
    });
    let expected = sorted(&inserted.collect::<Vec<_>>());
    let mut cursor = reader.cursor();
    cursor.seek_to_first();
    for entry in &expected {
        assert_eq!(current(&cursor).as_ref(), Some(entry));
        cursor.next();
    }
    assert!(!cursor.valid());
    assert_eq!(reader.len(), expected.len());
    for entry in &expected {
        let found = reader.get(&entry.key, entry.seq).expect("it was inserted");
        assert_eq!((found.seq(), found.value()), (entry.seq, &entry.value[..]));
    }
}

#[test]
fn a_seek_that_was_prepared_in_vain_does_not_matter_to_one_to_an_end() {
    let (mut writer, reader) = rustdb_skiplist::new();
    for n in 0..1_000_u64 {
        writer.insert(&n.to_be_bytes(), 1, 1, b"");
    }
    let mut cursor = reader.cursor();
    cursor.prepare(&500_u64.to_be_bytes(), SEQ_MAX);
    cursor.seek_to_first();
    assert_eq!(cursor.key(), 0_u64.to_be_bytes());
    cursor.prepare_before(&500_u64.to_be_bytes());
    cursor.seek_to_last();
    assert_eq!(cursor.key(), 999_u64.to_be_bytes());
}

#[test]
fn values_outlive_all_other_handles() {
    let (mut writer, reader) = rustdb_skiplist::new();
    writer.insert(b"key", 7, 2, b"expiry--value");
    let from_entry = reader.get(b"key", 7).expect("just inserted").pin();
    let mut cursor = reader.cursor();
    cursor.seek_to_first();
    let from_cursor = cursor.pin_value();
    drop((writer, reader, cursor));
    assert_eq!(&from_entry[..], b"expiry--value");
    assert_eq!(&from_cursor.clone()[..], b"expiry--value");
}

#[test]
fn memory_is_counted() {
    let (mut writer, reader) = rustdb_skiplist::new();
    let empty = reader.used_bytes();
    for n in 0..100u32 {
        writer.insert(&n.to_be_bytes(), 1, 2, &[0; 100]);
    }
    let used = reader.used_bytes() - empty;
    // Key and value, fields and at least one link.
    assert!(used >= 100 * (4 + 100 + 48), "{used}");
    assert!(used <= 100 * (4 + 100 + 48 + 24), "{used}");
    assert!(reader.memory_bytes() >= reader.used_bytes());
    assert!(reader.memory_bytes() <= 128 << 10);
    writer.insert(b"large", 1, 2, &vec![0; 10 << 20]);
    assert!(reader.memory_bytes() > 10 << 20);
    assert!(reader.memory_bytes() < 11 << 20);
}

#[test]
fn counts_of_ranges_are_exact_when_small_and_close_when_large() {
    let count: u32 = if cfg!(miri) { 100 } else { 50_000 };
    let (mut writer, reader) = rustdb_skiplist::new();
    assert_eq!(reader.approximate_count(b"", b"z"), 0);
    for n in 0..count {
        writer.insert(&n.to_be_bytes(), 1, 2, b"");
    }
    let between = |lower: u32, upper: u32| {
        reader.approximate_count(&lower.to_be_bytes(), &upper.to_be_bytes())
    };
    assert_eq!(between(10, 10), 0);
    assert_eq!(between(10, 50), 40);
    let (all, half) = (between(0, count), between(0, count / 2));
    assert!((count / 2..count * 2).contains(&(all as u32)), "{all}");
    assert!((count / 4..count).contains(&(half as u32)), "{half}");
}

#[test]
#[should_panic(expected = "out of range")]
fn sequence_numbers_have_56_bits() {
    let (mut writer, _reader) = rustdb_skiplist::new();
    writer.insert(b"key", SEQ_MAX + 1, 2, b"");
}

#[test]
#[should_panic(expected = "on no entry")]
fn a_cursor_on_no_entry_has_no_key() {
    let (_writer, reader) = rustdb_skiplist::new();
    let _ = reader.cursor().key();
}
