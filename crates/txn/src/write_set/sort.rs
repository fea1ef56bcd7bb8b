//! Sorts a log of writes by key.
//!
//! A write is large, so it is moved once, to where it belongs; what is sorted is its place and eight
//! bytes of its key:
//!
//! ```text
//!   log     user7  user2  user9          heads    7,0  2,1  9,2
//!                                        sorted   2,1  7,0  9,2
//!   in order: the write at 1, the one at 0, the one at 2
//! ```
//!
//! The eight bytes are those behind what all keys begin with. Where they often decide nothing, keys
//! are compared as a whole, and the writes are moved as they are sorted.
//!
//! Keys that were written from the outside in, as by pops from both ends or by a loop backwards, are
//! told by a look at each, and not sorted at all.

use super::Write;
use super::key::Key;

type Pair = (Key, Write);

/// Eight bytes of a key, and where it is in the log.
type Head = (u64, usize);

/// So many keys are looked at to find out whether their heads differ.
const SAMPLED: usize = 64;

/// So many of them may have the head of another.
const SAMPLED_EQUAL_MAX: usize = 8;

/// Sorts by key. Writes of the same key stay in their order.
pub(super) fn sort(log: &mut [Pair]) {
    if let Some(order) = order_outside_in(log) {
        arrange(log, order);
        return;
    }
    let mut heads = heads(log);
    if !do_decide(&heads) {
        log.sort_by(|left, right| left.0.cmp(&right.0));
        return;
    }
    let key = |head: &Head| &log[head.1].0;
    heads.sort_unstable_by(|left, right| {
        let unequal = left.0.cmp(&right.0);
        unequal
            .then_with(|| key(left).cmp(key(right)))
            .then(left.1.cmp(&right.1))
    });
    arrange(log, heads.into_iter().map(|(_, at)| at).collect());
}

/// The places of the keys in ascending order, if each is outside of those that come after it, but for
/// the first ones, which may be in order: a few are always kept so.
fn order_outside_in(log: &[Pair]) -> Option<Vec<usize>> {
    let pairs = log.windows(2);
    let sorted = 1 + pairs.take_while(|pair| pair[0].0 < pair[1].0).count();
    let last = log.len().checked_sub(1)?;
    if sorted > last {
        return Some((0..log.len()).collect());
    }
    let (mut lowest, mut highest) = (&log[last].0, &log[last].0);
    let (mut below, mut above) = (Vec::new(), vec![last]);
    for (at, (key, _)) in log[sorted..last].iter().enumerate().rev() {
        if key < lowest {
            lowest = key;
            below.push(sorted + at);
        } else if key > highest {
            highest = key;
            above.push(sorted + at);
        } else {
            return None;
        }
    }
    let outside = log[..sorted].partition_point(|(key, _)| key < lowest);
    if log[outside..sorted]
        .first()
        .is_some_and(|(key, _)| key <= highest)
    {
        return None;
    }
    let inside = below.into_iter().rev().chain(above);
    Some((0..outside).chain(inside).chain(outside..sorted).collect())
}

fn heads(log: &[Pair]) -> Vec<Head> {
    let first = log.first().map_or(&[][..], |(key, _)| key.bytes());
    let shared = log.iter().fold(first.len(), |shared, (key, _)| {
        let pairs = first[..shared].iter().zip(key.bytes());
        pairs.take_while(|(left, right)| left == right).count()
    });
    let head = |key: &Key| {
        let rest = &key.bytes()[shared..];
        let mut bytes = [0; 8];
        let length = rest.len().min(bytes.len());
        bytes[..length].copy_from_slice(&rest[..length]);
        u64::from_be_bytes(bytes)
    };
    let pairs = log.iter().enumerate();
    pairs.map(|(at, (key, _))| (head(key), at)).collect()
}

/// Whether most keys have a head that no other one has, by a sample.
fn do_decide(heads: &[Head]) -> bool {
    let step = heads.len().div_ceil(SAMPLED).max(1);
    let mut sample: Vec<u64> = heads.iter().step_by(step).map(|head| head.0).collect();
    sample.sort_unstable();
    let equal = sample.windows(2).filter(|pair| pair[0] == pair[1]);
    equal.count() <= SAMPLED_EQUAL_MAX
}

/// Puts at each place what is at the place that `order` names, which are all of them.
fn arrange(log: &mut [Pair], mut order: Vec<usize>) {
    for first in 0..order.len() {
        let mut to = first;
        // Each place that is done names itself.
        loop {
            let from = std::mem::replace(&mut order[to], to);
            if from == first {
                break;
            }
            log.swap(to, from);
            to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustdb_storage::slice::Slice;

    use super::super::NEVER;
    use super::*;

    fn pair(key: &[u8], nth: u32) -> Pair {
        let write = Write {
            value: Some(Slice::copy_from(&nth.to_be_bytes())),
            expiry: NEVER,
            is_checked: true,
            existed: None,
        };
        (Key::new(key), write)
    }

    fn pairs<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Vec<Pair> {
        let keys = keys.into_iter().zip(0..);
        keys.map(|(key, nth)| pair(key.as_ref(), nth)).collect()
    }

    fn contents(log: &[Pair]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let value = |write: &Write| write.value.as_deref().map(<[u8]>::to_vec);
        let pairs = log.iter();
        pairs
            .map(|(key, write)| (key.bytes().to_vec(), value(write).unwrap_or_default()))
            .collect()
    }

    fn check(keys: Vec<Vec<u8>>) {
        let mut log = pairs(&keys);
        let mut expected = contents(&log);
        // NB: stable.
        expected.sort_by(|left, right| left.0.cmp(&right.0));
        sort(&mut log);
        assert_eq!(contents(&log), expected);
    }

    #[test]
    fn keys_from_the_outside_in_are_not_sorted() {
        let order = |keys: &[&str]| order_outside_in(&pairs(keys));
        assert_eq!(order(&["a", "z", "b", "y", "c"]), Some(vec![0, 2, 4, 3, 1]));
        assert_eq!(order(&["c", "b", "a"]), Some(vec![2, 1, 0]));
        assert_eq!(order(&["a"]), Some(vec![0]));
        assert_eq!(order(&[]), None);
        assert_eq!(order(&["b", "a", "c"]), None);
        assert_eq!(order(&["a", "b", "a"]), None);
        // The first ones are in order.
        let keys = ["a", "b", "y", "z", "c", "x", "d"];
        assert_eq!(order(&keys), Some(vec![0, 1, 4, 6, 5, 2, 3]));
        assert_eq!(order(&["a", "b", "c"]), Some(vec![0, 1, 2]));
        assert_eq!(order(&["a", "m", "z", "b", "y"]), None);
        assert_eq!(order(&["a", "y", "z", "b", "y"]), None);
    }

    #[test]
    fn heads_are_behind_what_all_keys_begin_with() {
        let heads = heads(&pairs([
            "prefix-of-all-b",
            "prefix-of-all-ab",
            "prefix-of-all-",
        ]));
        assert_eq!(heads, [(0x62 << 56, 0), (0x6162 << 48, 1), (0, 2)]);
        assert!(do_decide(&heads) && !do_decide(&[(7, 0); 20]));
    }

    #[test]
    fn equal_heads_are_told_apart() {
        let keys = (0..500u32).map(|n| format!("{}-a-long-middle-{}", n % 7, n * 37 % 500));
        check(keys.map(String::into_bytes).collect());
        // A few of many.
        let keys = (0..500u32).map(|n| format!("{:08}-{}", n * 37 % 500 / 2, n % 3));
        check(keys.map(String::into_bytes).collect());
    }

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(
            shared in prop::sample::select(vec![0, 3, 8, 40]),
            tails in prop::collection::vec(prop::collection::vec(0..4u8, 0..12), 0..200),
        ) {
            let keys = tails.into_iter().map(|tail| [vec![1; shared], tail].concat());
            check(keys.collect());
        }

        #[test]
        fn sorts_numbers(numbers in prop::collection::vec(any::<u16>(), 0..200)) {
            check(numbers.iter().map(|number| number.to_be_bytes().to_vec()).collect());
        }
    }
}
