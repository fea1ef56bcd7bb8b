//! Tests of the cache with its slots.

use super::*;
use crate::key::{EntryKind, KeyspaceId};
use crate::table::block_of;

/// The slots of a table with so many blocks.
fn slots(cache: &Arc<BlockCache>, blocks: usize) -> Arc<BlockSlots> {
    BlockSlots::new(vec![[0; LINE_SLOTS]; blocks.div_ceil(LINE_SLOTS)], cache)
}

fn block() -> Block {
    block_of(&[(b"key", 1, EntryKind::Put, &[7; 1000])])
}

/// Looks a block up as a reader does; returns whether it was there.
fn read(slots: &Arc<BlockSlots>, index: usize, warm: bool) -> bool {
    if let Some(block) = slots.load(index).block() {
        slots.cache().note_hit();
        if warm {
            block.warm();
        }
        return true;
    }
    slots.cache().note_miss();
    slots.insert(index, block());
    false
}

#[test]
fn the_budget_is_kept() {
    let bytes = block().memory_bytes();
    let cache = BlockCache::new(100 * bytes);
    let slots = slots(&cache, 1000);
    for index in 0..1000 {
        read(&slots, index, false);
        assert!(cache.stats().used_bytes <= 100 * bytes);
    }
    let stats = cache.stats();
    assert_eq!((stats.blocks, stats.evictions), (100, 900));
    cache.set_budget(50 * bytes);
    assert_eq!(cache.stats().blocks, 50);
    drop(slots);
    assert_eq!((cache.stats().used_bytes, cache.stats().blocks), (0, 0));
}

#[test]
fn what_is_used_survives_a_scan() {
    let cache = BlockCache::new(100 * block().memory_bytes());
    let slots = slots(&cache, 20_000);
    for _ in 0..4 {
        (0..50).for_each(|index| _ = read(&slots, index, true));
    }
    // A scan of a hundred times the cache, with a hot read now and then.
    for index in 1000..11_000 {
        read(&slots, index, false);
        if index % 2 == 0 {
            assert!(read(&slots, index / 2 % 50, true), "after {index}");
        }
    }
}

#[test]
fn what_is_no_longer_used_gives_way_to_what_is() {
    let cache = BlockCache::new(100 * block().memory_bytes());
    let slots = slots(&cache, 20_000);
    let use_often = |blocks: std::ops::Range<usize>| {
        for start in blocks.step_by(10) {
            for _ in 0..4 {
                (start..start + 10).for_each(|index| _ = read(&slots, index, true));
            }
        }
    };
    use_often(0..100);
    use_often(1000..1400);
    let left = (0..100).filter(|index| slots.load(*index).block().is_some());
    assert_eq!(left.count(), 0);
}

#[test]
fn hits_and_misses_are_counted() {
    let cache = BlockCache::new(1 << 20);
    let slots = slots(&cache, 10);
    for _ in 0..4 {
        (0..10).for_each(|index| _ = read(&slots, index, true));
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses), (30, 10));
    assert!((stats.hit_ratio() - 0.75).abs() < 1e-9);
    assert_eq!(CacheStats::default().hit_ratio(), 0.0);
}

#[test]
fn metadata_takes_room_from_blocks() {
    let bytes = block().memory_bytes();
    let cache = BlockCache::new(100 * bytes);
    let slots = slots(&cache, 1000);
    (0..100).for_each(|index| _ = read(&slots, index, false));
    let charge = cache.charge(60 * bytes);
    assert_eq!(
        (cache.stats().blocks, cache.stats().metadata_bytes),
        (40, 60 * bytes)
    );
    // More than there is: blocks are then not kept, but reads go on.
    let more = cache.charge(60 * bytes);
    assert!(!read(&slots, 500, false) && !read(&slots, 500, false));
    assert_eq!(cache.stats().blocks, 0);
    drop((charge, more));
    read(&slots, 500, false);
    assert_eq!((cache.stats().blocks, cache.stats().used_bytes), (1, bytes));
}

#[test]
fn a_full_cache_lets_in_what_is_read_again_soon() {
    let bytes = block().memory_bytes();
    let cache = BlockCache::new(10 * bytes);
    let slots = slots(&cache, 10);
    let admits = |at, turn| cache.admits(7, at, bytes, turn);
    assert!(admits(500, 1) && admits(500, 1), "there is room");
    (0..10).for_each(|index| _ = read(&slots, index, true));
    assert!(!admits(500, 1) && admits(500, 1) && !admits(500, 1));
    // The same place in another table is another block.
    assert!(!cache.admits(8, 500, bytes, 1) && cache.admits(8, 500, bytes, 1));
    // What was read long ago is forgotten, but for a few.
    let first = (1000..1100).filter(|at| admits(*at, 1)).count();
    let others = (10_000..100_000).filter(|at| admits(*at, 1)).count();
    let again = (1000..1100).filter(|at| admits(*at, 1)).count();
    assert!(
        first <= 20 && others < 10_000 && again <= 20,
        "{first} {others} {again}"
    );
}

#[test]
fn a_full_cache_lets_in_a_few_whatever_was_read() {
    let bytes = block().memory_bytes();
    let cache = BlockCache::new(10 * bytes);
    let slots = slots(&cache, 10);
    (0..10).for_each(|index| _ = read(&slots, index, true));
    let admitted = (0..1600).filter(|turn| cache.admits(7, *turn, bytes, *turn as u64));
    assert!((100..200).contains(&admitted.count()));
}

#[test]
fn a_block_as_large_as_the_cache_is_not_kept() {
    let cache = BlockCache::new(4 * block().memory_bytes());
    let slots = slots(&cache, 8);
    assert!(!read(&slots, 0, false) && !read(&slots, 0, false));
}

#[test]
fn the_faster_of_two_readers_wins() {
    let cache = BlockCache::new(1 << 20);
    let slots = slots(&cache, 8);
    let first = slots.insert(3, block());
    let second = slots.insert(3, block());
    assert_eq!(first.bytes().as_ptr(), second.bytes().as_ptr());
    assert_eq!(
        (cache.stats().blocks, cache.stats().used_bytes),
        (1, first.memory_bytes())
    );
}

#[test]
fn a_block_in_use_outlives_its_place() {
    let cache = BlockCache::new(1 << 20);
    let slots = slots(&cache, 8);
    let kept = slots.insert(3, block());
    cache.set_budget(0);
    assert!(slots.load(3).block().is_none());
    assert_eq!(kept.get().value(0), [7; 1000]);
    assert_eq!(cache.stats().used_bytes, 0);
}

#[test]
fn a_block_that_is_looked_at_outlives_its_table() {
    let cache = BlockCache::new(1 << 20);
    let mut slots = slots(&cache, 16);
    slots.fill(std::iter::repeat_with(block).take(3));
    slots.insert(7, block());
    assert_eq!(cache.stats().blocks, 4);
    let looked_at = [slots.load(1), slots.load(7)];
    drop(slots);
    assert_eq!((cache.stats().blocks, cache.stats().used_bytes), (0, 0));
    for resident in looked_at {
        assert_eq!(resident.block().unwrap().value(0), [7; 1000]);
        assert_eq!(resident.into_block().unwrap().get().value(0), [7; 1000]);
    }
}

#[test]
fn slots_are_filled_as_far_as_there_is_room() {
    let bytes = block().memory_bytes();
    let cache = BlockCache::new(100 * bytes);
    let charge = cache.charge(96 * bytes);
    let mut slots = slots(&cache, 8);
    slots.fill(std::iter::repeat_with(block).take(1000));
    // What comes later displaces what came first.
    assert_eq!(cache.stats().used_bytes, 100 * bytes);
    drop(charge);
    // What is there is found again by the hand.
    cache.set_budget(bytes);
    assert_eq!((cache.stats().blocks, cache.stats().used_bytes), (1, bytes));
}

fn derived(bytes: usize) -> Arc<Derived> {
    Derived::new(KeyspaceId(9), vec![0, 5].into(), Box::new(bytes), bytes)
}

#[test]
fn what_is_derived_takes_half_of_the_budget() {
    let cache = BlockCache::new(100_000);
    let blocks = slots(&cache, 1000);
    for index in 0..1000 {
        read(&blocks, index, false);
    }
    let slots = DerivedSlots::new(1000, &cache);
    assert!(!slots.note_pass(7), "nobody was here before");
    for slot in 0..40 {
        slots.keep(slot, &derived(1000));
        assert!(cache.stats().used_bytes <= 100_000);
    }
    let stats = cache.stats();
    assert!((41_000..50_000).contains(&stats.derived_bytes), "{stats:?}");
    assert!(slots.note_pass(7));
    assert_eq!(cache.derived_values(KeyspaceId(9)), 200);
    assert_eq!(cache.derived_values(KeyspaceId(8)), 0);
    // What is replaced is no longer counted, what is used stays, what is too large does not go in.
    slots.keep(7, &derived(2000));
    assert_eq!(slots.load(7).unwrap().value::<usize>(), Some(&2000));
    assert_eq!(slots.load(7).unwrap().value::<u8>(), None);
    slots.keep(900, &derived(60_000));
    assert!(slots.load(900).is_none());
    for slot in 40..300 {
        assert!(slots.load(7).is_some(), "{slot}");
        slots.keep(slot, &derived(1000));
        let stats = cache.stats();
        assert!(stats.used_bytes <= 100_000 && stats.derived_bytes <= 50_000);
    }
    let admitted = (0..160).filter(|_| slots.note_pass(7)).count();
    assert!((1..160).contains(&admitted), "{admitted}");
    cache.set_budget(10_000);
    assert!(cache.stats().derived_bytes <= 5_000);
    drop(slots);
    assert_eq!(cache.stats().derived_bytes, 0);
    assert_eq!(cache.derived_values(KeyspaceId(9)), 0);
    drop(blocks);
    assert_eq!(cache.stats().used_bytes, 0);
}

#[test]
fn what_is_derived_and_no_longer_used_gives_way_to_blocks() {
    let cache = BlockCache::new(100_000);
    let derived_slots = DerivedSlots::new(40, &cache);
    (0..40).for_each(|slot| derived_slots.keep(slot, &derived(1000)));
    let blocks = slots(&cache, 20_000);
    for index in 0..20_000 {
        read(&blocks, index, false);
        assert!(derived_slots.load(3).is_some(), "{index}");
    }
    let stats = cache.stats();
    assert!(stats.derived_bytes < 3_000, "{stats:?}");
    assert!(stats.used_bytes <= 100_000);
}

#[test]
fn a_cache_without_room_keeps_nothing_that_is_derived() {
    let cache = BlockCache::new(0);
    let slots = DerivedSlots::new(1, &cache);
    assert!(!slots.note_pass(0) && !slots.note_pass(0));
    slots.keep(0, &derived(10));
    assert!(slots.load(0).is_none());
    assert_eq!(cache.stats().used_bytes, 0);
}

#[test]
fn derived_things_of_tables_that_are_gone_leave_nothing_behind() {
    let cache = BlockCache::new(1 << 20);
    for _ in 0..1000 {
        let slots = DerivedSlots::new(8, &cache);
        (0..8).for_each(|slot| slots.keep(slot, &derived(100)));
    }
    let stats = cache.stats();
    assert_eq!((stats.used_bytes, stats.derived_bytes), (0, 0));
    assert!(cache.derived.listed() < 100);
}

#[test]
fn tables_that_are_gone_leave_nothing_behind() {
    let cache = BlockCache::new(1 << 30);
    for _ in 0..1000 {
        let slots = slots(&cache, 64);
        (0..64).for_each(|index| _ = read(&slots, index, false));
    }
    assert_eq!(cache.stats().used_bytes, 0);
    let listed: usize = cache.shards.iter().map(|shard| shard.lock().len()).sum();
    assert!(listed < 10_000, "{listed} entries of tables that are gone");
    // And the hand gets over those that are left.
    let slots = slots(&cache, 1000);
    cache.set_budget(100 * block().memory_bytes());
    (0..1000).for_each(|index| _ = read(&slots, index, false));
    assert_eq!(cache.stats().blocks, 100);
}
