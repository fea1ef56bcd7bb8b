//! Blocks: what is put in comes out, and is found.

use super::super::block::Block;
use super::super::block_builder::{BlockBuilder, common_prefix};
use super::*;
use crate::MAX_SEQUENCE;

fn payload(entries: &[Entry]) -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    let mut last = &[][..];
    for (key, seq, kind, value) in entries {
        builder.add(key, common_prefix(last, key), *seq, *kind, value);
        last = key;
    }
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    payload
}

fn contents(block: &Block) -> Vec<Entry> {
    let view = block.get();
    let mut key = Vec::new();
    let entry = |index| {
        view.read_key(index, &mut key);
        (
            key.clone(),
            view.seq(index),
            view.kind(index),
            view.value(index).to_vec(),
        )
    };
    (0..view.len()).map(entry).collect()
}

fn check_searches(block: &Block, entries: &[Entry]) {
    for key in around(entries) {
        for seq in [0, 1, 2, 3, 1 << 30, MAX_SEQUENCE] {
            let at = position(entries, &key, seq);
            assert_eq!(block.get().lower_bound(&key, seq), at, "{key:?} at {seq}");
            let found = entries
                .get(at)
                .is_some_and(|(k, ..)| *k == key)
                .then_some(at);
            assert_eq!(block.get().find(&key, seq), found, "{key:?} at {seq}");
        }
    }
}

proptest! {
    #[test]
    fn a_block_gives_back_its_entries(entries in entries(true, 60)) {
        let block = Block::parse(&payload(&entries)).unwrap();
        prop_assert_eq!(contents(&block), &entries[..]);
        check_searches(&block, &entries);
    }

    /// Sealed blocks cannot hold such bytes, unless somebody sealed them.
    #[test]
    fn a_damaged_block_is_refused_or_read_without_panic(
        entries in entries(true, 12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = payload(&entries);
        let mut bytes = whole.clone();
        for (at, byte) in damage {
            // Half of the damage goes to the header, where it does the most harm.
            let at = if byte % 2 == 0 { at.index(bytes.len()) } else { at.index(28) };
            bytes[at] ^= byte;
        }
        for bytes in [&bytes[..], &whole[..cut.index(whole.len())]] {
            if let Ok(block) = Block::parse(bytes) {
                contents(&block);
                for key in around(&entries) {
                    block.get().find(&key, MAX_SEQUENCE);
                    block.get().lower_bound(&key, 0);
                }
            }
        }
    }
}

#[test]
fn columns_that_say_nothing_are_left_out() {
    let entries: Vec<Entry> = (0..20).map(|n| put(&key(n), &[1; 150])).collect();
    // Twelve digits and text, of which the last two differ: they are the head, with the rest
    // of their eight bytes missing, so lengths are the only column that is needed.
    let bytes = 28 + 20 * (8 + 1) + (4 + 10) + 20 * 150;
    assert_eq!(payload(&entries).len(), bytes);
}

#[test]
fn a_search_among_many_equal_heads_halves() {
    let entries: Vec<Entry> = (0..500_u32)
        .map(|n| {
            let mut key = b"\0\0\0\x01same for all".to_vec();
            key.extend_from_slice(&[0; 9]);
            key[20] = u8::from(n >= 490);
            key.extend_from_slice(&n.to_be_bytes());
            put(&key, b"")
        })
        .collect();
    let block = Block::parse(&payload(&entries)).unwrap();
    check_searches(&block, &entries);
}

#[test]
fn versions_of_one_key_are_told_apart() {
    let versions = |step: u64| -> Vec<Entry> {
        (0..200)
            .rev()
            .map(|n| (key(1), n * step, EntryKind::Put, vec![n as u8]))
            .collect()
    };
    for step in [1, 250, 1 << 20, MAX_SEQUENCE / 200] {
        let entries = versions(step);
        let block = Block::parse(&payload(&entries)).unwrap();
        assert_eq!(contents(&block), entries);
        for (at, (key, seq, ..)) in entries.iter().enumerate() {
            assert_eq!(block.get().find(key, *seq), Some(at));
            assert_eq!(block.get().find(key, seq + step - 1), Some(at));
        }
    }
}

#[test]
fn long_keys_and_values_take_wide_offsets() {
    let mut entries = vec![put(&[&[0; 4][..], &[7; 65_000]].concat(), b"1")];
    entries.push(put(
        &[&[0; 4][..], &[7; 64_999], &[8]].concat(),
        &[2; 70_000],
    ));
    entries.push(put(&[0, 0, 0, 1], b"3"));
    let block = Block::parse(&payload(&entries)).unwrap();
    assert_eq!(contents(&block), entries);
    check_searches(&block, &entries);
}

#[test]
fn the_estimate_is_not_far_from_the_truth() {
    let fixed: Vec<Entry> = (0..20).map(|n| put(&key(n * 1000), &[1; 150])).collect();
    let mut mixed = fixed.clone();
    for (n, (key, seq, kind, value)) in mixed.iter_mut().enumerate() {
        key.extend_from_slice(&vec![b'x'; n % 7 + 10]);
        *seq = n as u64 * 1000;
        *kind = if n % 5 == 0 {
            EntryKind::Delete
        } else {
            EntryKind::Put
        };
        value.truncate(n * 3);
    }
    for entries in [fixed, mixed] {
        let mut builder = BlockBuilder::default();
        let (mut estimate, mut last) = (0, &[][..]);
        for (key, seq, kind, value) in &entries {
            let shared = common_prefix(last, key);
            estimate = builder.bytes_with(key.len(), shared, value.len());
            builder.add(key, shared, *seq, *kind, value);
            last = key;
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        assert!(
            estimate.abs_diff(bytes.len()) < 100,
            "{estimate} of {}",
            bytes.len()
        );
    }
}
