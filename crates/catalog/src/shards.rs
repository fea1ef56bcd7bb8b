//! A map that is cheap to clone and to change: a fixed number of shared maps, of which a change
//! copies one.
//!
//! A catalog of ten thousand tables is copied with every definition that commits; this way that
//! costs one of the parts, not all of them. A persistent tree would cost less still, and more code.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;

/// The number of parts; a power of two.
const SHARDS: usize = 64;

/// A map from numbers, in parts.
#[derive(Clone, Debug)]
pub(crate) struct Shards<V> {
    parts: Box<[Arc<Part<V>>]>,
}

type Part<V> = HashMap<u64, V, BuildHasherDefault<Spread>>;

/// Spreads numbers that are given out in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self {
            parts: (0..SHARDS).map(|_| Arc::default()).collect(),
        }
    }
}

impl<V: Clone> Shards<V> {
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        self.parts[part_of(key)].get(&key)
    }

    pub(crate) fn insert(&mut self, key: u64, value: V) -> Option<V> {
        Arc::make_mut(&mut self.parts[part_of(key)]).insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        let part = &mut self.parts[part_of(key)];
        match part.contains_key(&key) {
            true => Arc::make_mut(part).remove(&key),
            false => None,
        }
    }

    /// All values, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.parts.iter().flat_map(|part| part.values())
    }
}

fn part_of(key: u64) -> usize {
    let hash = BuildHasherDefault::<Spread>::default().hash_one(key);
    (hash >> 48) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_what_the_other_changes() {
        let mut one = Shards::default();
        for number in 0..1000 {
            one.insert(number, number);
        }
        let mut two = one.clone();
        two.insert(5, 50);
        two.remove(6);
        assert_eq!((one.get(5), one.get(6)), (Some(&5), Some(&6)));
        assert_eq!((two.get(5), two.get(6)), (Some(&50), None));
        assert_eq!((one.values().count(), two.values().count()), (1000, 999));
    }

    #[test]
    fn numbers_in_order_fill_all_parts() {
        let mut shards = Shards::default();
        for number in 16384..16384 + 64 * 20 {
            shards.insert(number, ());
        }
        let fullest = shards.parts.iter().map(|part| part.len()).max();
        assert!(fullest < Some(60), "{fullest:?}");
    }
}
