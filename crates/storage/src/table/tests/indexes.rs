//! Indexes: each key is sent to the block that its separators say.

use super::super::block_builder::common_prefix;
use super::super::index::{Index, IndexBuilder, separator};
use super::*;
use crate::MAX_SEQUENCE;
use crate::cache::BlockCache;

/// A separator, and with which sequence number its block begins if it is a continuation.
type Separator = (Vec<u8>, Option<SequenceNumber>);

const BLOCK_BYTES: u64 = 100;

fn index(separators: &[Separator]) -> Result<Index, &'static str> {
    let mut builder = IndexBuilder::default();
    for (separator, continues) in separators {
        builder.add(separator, BLOCK_BYTES, *continues);
    }
    Index::parse(&builder.finish(), &BlockCache::new(0))
}

fn check(separators: &[Separator]) {
    let index = index(separators).unwrap();
    assert_eq!(index.blocks(), separators.len());
    let entries: Vec<Entry> = separators
        .iter()
        .skip(1)
        .map(|(key, _)| put(key, b""))
        .collect();
    let mut keys = around(&entries);
    keys.push(vec![255; 100]);
    for key in keys {
        let expected = separators
            .partition_point(|(s, _)| *s <= key)
            .saturating_sub(1);
        for seq in [0, 7, 50, MAX_SEQUENCE] {
            let mut expected = expected;
            while let (s, Some(first)) = &separators[expected]
                && *s == key
                && *first <= seq
            {
                expected -= 1;
            }
            assert_eq!(index.find(&key, seq), expected, "{key:?} at {seq}");
        }
    }
}

fn plain(separators: impl IntoIterator<Item = Vec<u8>>) -> Vec<Separator> {
    let first = (vec![], None);
    std::iter::once(first)
        .chain(separators.into_iter().map(|s| (s, None)))
        .collect()
}

proptest! {
    #[test]
    fn keys_are_sent_to_the_last_block_not_above_them(
        separators in prop::collection::btree_set(key_bytes().prop_filter("no empty one", |k| !k.is_empty()), 0..300),
    ) {
        check(&plain(separators));
    }

    #[test]
    fn random_keys_in_several_keyspaces(
        keys in prop::collection::btree_set((1..4_u8, any::<u64>()), 0..700),
    ) {
        let key = |(keyspace, n): (u8, u64)| [&[0, 0, 0, keyspace][..], &n.to_be_bytes()].concat();
        check(&plain(keys.into_iter().map(key)));
    }

    #[test]
    fn a_damaged_index_is_refused_or_searched_without_panic(
        keys in prop::collection::btree_set(any::<u64>(), 1..100),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut builder = IndexBuilder::default();
        builder.add(b"", BLOCK_BYTES, None);
        for key in &keys {
            builder.add(&key.to_be_bytes(), BLOCK_BYTES, None);
        }
        let mut payload = builder.finish();
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] ^= byte;
        }
        if let Ok(index) = Index::parse(&payload, &BlockCache::new(0)) {
            prop_assume!(index.blocks() > 0);
            for key in keys {
                let block = index.find(&key.to_be_bytes(), 3);
                prop_assert!(index.location(block).end <= index.data_end());
            }
        }
    }
}

#[test]
fn keys_that_share_their_heads_are_told_apart() {
    let key = |n: u32| [&b"the same for all of them"[..], &n.to_be_bytes()].concat();
    check(&plain((1..1000).map(key)));
    // And where the first and the last have nothing in common.
    let mut keys = vec![b"a".to_vec()];
    keys.extend((1..1000).map(key));
    keys.push(b"z".to_vec());
    check(&plain(keys));
}

#[test]
fn the_greatest_heads_are_not_taken_for_padding() {
    let key = |n: usize| vec![255; n];
    check(&plain((1..150).map(key)));
}

#[test]
fn versions_that_go_on_in_the_next_block_are_found() {
    let mut separators = plain([b"a".to_vec(), b"b".to_vec()]);
    for seq in [90, 50, 49, 7, 3] {
        separators.push((b"b".to_vec(), Some(seq)));
    }
    separators.push((b"c".to_vec(), None));
    separators.push((b"d".to_vec(), Some(50)));
    separators.push((b"d".to_vec(), Some(7)));
    check(&separators);
    let mut many = plain([b"a".to_vec()]);
    many.extend((0..1000).rev().map(|seq| (b"a".to_vec(), Some(seq))));
    check(&many);
}

#[test]
fn an_index_that_contradicts_itself_is_refused() {
    let bad = [
        plain([b"b".to_vec(), b"a".to_vec()]),
        plain([b"a".to_vec(), b"a".to_vec()]),
        vec![(vec![], Some(1))],
        vec![(vec![], None), (b"a".to_vec(), Some(MAX_SEQUENCE + 1))],
    ];
    for separators in bad {
        assert!(index(&separators).is_err(), "{separators:?}");
    }
    let mut builder = IndexBuilder::default();
    builder.add(b"", 0, None);
    assert!(Index::parse(&builder.finish(), &BlockCache::new(0)).is_err());
    let mut builder = IndexBuilder::default();
    builder.add(b"", u64::MAX - 10, None);
    assert!(Index::parse(&builder.finish(), &BlockCache::new(0)).is_err());
}

#[test]
fn separators_are_as_short_as_can_be() {
    let cases: [(&[u8], &[u8], &[u8]); 5] = [
        (b"apple", b"banana", b"b"),
        (b"apple", b"applepie", b"applep"),
        (b"app", b"apple", b"appl"),
        (b"aaaaa", b"ab", b"ab"),
        (b"a", b"a", b"a"),
    ];
    for (last, first, expected) in cases {
        assert_eq!(separator(last, first), expected);
        assert!(common_prefix(last, first) <= expected.len());
    }
}
