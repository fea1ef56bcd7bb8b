//! A set of keys described by ranges: deleted ranges, ranges known to be empty, ranges read.
//!
//! ```text
//! insert [b, d)   insert [d, f)   remove_point c
//! -- [b,d) --     -- [b,f) --     -- [b,c) (c,f) --      where (c,f) is [c\0, f)
//! ```
//!
//! Invariant: the ranges are not empty, do not overlap, and do not touch.
//!
//! Keys are bytes, so the key just after `k` is `k` followed by a zero byte; a single key is a
//! range like any other.

use std::collections::BTreeMap;
use std::ops::Bound;

/// The end of a range: exclusive, or none.
pub(crate) type End = Option<Box<[u8]>>;

/// Disjoint ranges of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    /// Start (inclusive) to end.
    ranges: BTreeMap<Box<[u8]>, End>,
    /// Of all starts and ends.
    bytes: usize,
}

/// The smallest key above `key`.
pub(crate) fn successor(key: &[u8]) -> Box<[u8]> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// Whether `key` is before the end `end`.
pub(crate) fn is_before(key: &[u8], end: Option<&[u8]>) -> bool {
    end.is_none_or(|end| key < end)
}

impl RangeSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The number of ranges.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// About what the set takes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes + self.ranges.len() * 2 * size_of::<End>()
    }

    /// The ranges, ascending.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> {
        self.ranges
            .iter()
            .map(|(start, end)| (&**start, end.as_deref()))
    }

    /// The range that holds `key`.
    pub(crate) fn containing(&self, key: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        let below = (Bound::Unbounded, Bound::Included(key));
        let (start, end) = self.ranges.range::<[u8], _>(below).next_back()?;
        is_before(key, end.as_deref()).then_some((start, end.as_deref()))
    }

    /// The range that begins below `end` and reaches up to it or over it.
    pub(crate) fn reaching(&self, end: Option<&[u8]>) -> Option<(&[u8], Option<&[u8]>)> {
        let below = (
            Bound::Unbounded,
            end.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let (start, reach) = self.ranges.range::<[u8], _>(below).next_back()?;
        let reaches = match (reach.as_deref(), end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(reach), Some(end)) => reach >= end,
        };
        reaches.then_some((start, reach.as_deref()))
    }

    /// Whether all ranges end at `key` or before.
    pub(crate) fn ends_by(&self, key: &[u8]) -> bool {
        let last = self.ranges.last_key_value();
        last.is_none_or(|(_, end)| end.as_deref().is_some_and(|end| end <= key))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.containing(key).is_some()
    }

    /// Whether any key of `[start, end)` is in the set.
    pub(crate) fn overlaps(&self, start: &[u8], end: Option<&[u8]>) -> bool {
        self.contains(start) || {
            let inside = (
                Bound::Excluded(start),
                end.map_or(Bound::Unbounded, Bound::Excluded),
            );
            is_before(start, end) && self.ranges.range::<[u8], _>(inside).next().is_some()
        }
    }

    /// Adds a single key.
    pub(crate) fn insert_point(&mut self, key: &[u8]) {
        if !self.contains(key) {
            self.insert(key, Some(&successor(key)));
        }
    }

    /// Adds `[start, end)`.
    pub(crate) fn insert(&mut self, start: &[u8], end: Option<&[u8]>) {
        if !is_before(start, end) {
            return;
        }
        let mut first: Box<[u8]> = start.into();
        let mut last: End = end.map(Into::into);
        // What begins at or before the start and reaches it is swallowed, and so is every range
        // that begins inside or at the end.
        let below = (Bound::Unbounded, Bound::Excluded(start));
        if let Some((before, reach)) = self.ranges.range::<[u8], _>(below).next_back()
            && reach.as_deref().is_none_or(|reach| reach >= start)
        {
            first = before.clone();
        }
        loop {
            let upper = last.as_deref().map_or(Bound::Unbounded, Bound::Included);
            let next = self
                .ranges
                .range::<[u8], _>((Bound::Included(&*first), upper))
                .next();
            let Some(key) = next.map(|(key, _)| key.clone()) else {
                break;
            };
            if let Some(reach) = self.take(&key) {
                last = match (last, reach) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    _ => None,
                };
            }
        }
        self.put(first, last);
    }

    /// Takes `[start, end)` out of the set.
    pub(crate) fn remove(&mut self, start: &[u8], end: Option<&[u8]>) {
        if !is_before(start, end) {
            return;
        }
        let containing = self.containing(start).map(|(from, _)| Box::from(from));
        let mut next = containing;
        loop {
            let key = match next.take() {
                Some(key) => key,
                None => {
                    let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
                    let inside = (Bound::Included(start), upper);
                    match self.ranges.range::<[u8], _>(inside).next() {
                        Some((key, _)) => key.clone(),
                        None => break,
                    }
                }
            };
            let Some(reach) = self.take(&key) else {
                break;
            };
            if let Some(end) = end
                && reach.as_deref().is_none_or(|reach| reach > end)
            {
                self.put(end.into(), reach);
            }
            if &*key < start {
                self.put(key, Some(start.into()));
            }
        }
    }

    /// Takes a single key out of the set.
    pub(crate) fn remove_point(&mut self, key: &[u8]) {
        if self.contains(key) {
            self.remove(key, Some(&successor(key)));
        }
    }

    /// Adds all of another set.
    pub(crate) fn insert_all(&mut self, other: &RangeSet) {
        for (start, end) in other.iter() {
            self.insert(start, end);
        }
    }

    /// Halves the number of ranges by joining each pair of neighbours, gap included.
    pub(crate) fn coarsen(&mut self) {
        let old = std::mem::take(self);
        let mut ranges = old.ranges.into_iter();
        while let Some((start, mut end)) = ranges.next() {
            if let Some((_, next_end)) = ranges.next() {
                end = next_end;
            }
            self.put(start, end);
        }
    }

    fn put(&mut self, start: Box<[u8]>, end: End) {
        self.bytes += start.len() + end.as_ref().map_or(0, |end| end.len());
        self.ranges.insert(start, end);
    }

    fn take(&mut self, start: &[u8]) -> Option<End> {
        let end = self.ranges.remove(start)?;
        self.bytes -= start.len() + end.as_ref().map_or(0, |end| end.len());
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(set: &RangeSet) -> Vec<String> {
        let text = |key: &[u8]| String::from_utf8_lossy(key).replace('\0', "+");
        set.iter()
            .map(|(start, end)| format!("{}-{}", text(start), end.map_or("*".into(), text)))
            .collect()
    }

    #[test]
    fn touching_ranges_become_one() {
        let mut set = RangeSet::default();
        set.insert(b"b", Some(b"d"));
        set.insert(b"d", Some(b"f"));
        set.insert(b"h", None);
        assert_eq!(show(&set), ["b-f", "h-*"]);
        set.insert(b"a", Some(b"z"));
        assert_eq!(show(&set), ["a-*"]);
    }

    #[test]
    fn removed_point_splits_a_range() {
        let mut set = RangeSet::default();
        set.insert(b"b", None);
        set.remove_point(b"c");
        assert_eq!(show(&set), ["b-c", "c+-*"]);
        set.remove_point(b"b");
        assert_eq!(show(&set), ["b+-c", "c+-*"]);
        set.remove(b"", None);
        assert!(set.is_empty());
        assert_eq!(set.memory_bytes(), 0);
    }

    #[test]
    fn coarser_set_holds_at_least_as_much() {
        let mut set = RangeSet::default();
        for key in [b"a", b"c", b"e", b"g", b"i"] {
            set.insert_point(key);
        }
        set.coarsen();
        assert_eq!(show(&set), ["a-c+", "e-g+", "i-i+"]);
    }

    /// Keys of one byte `1..=9`; ranges between them, or open.
    fn key(n: u8) -> Vec<u8> {
        vec![n]
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_keys(
            steps in prop::collection::vec((0..4u8, 1..10u8, 1..11u8), 0..40)
        ) {
            let mut set = RangeSet::default();
            let mut model = std::collections::BTreeSet::new();
            for (what, from, to) in steps {
                let end = (to < 10).then(|| key(to));
                let inside = |k: &u8| *k >= from && (to == 10 || *k < to);
                match what {
                    0 => {
                        set.insert(&key(from), end.as_deref());
                        model.extend((1..10u8).filter(inside));
                    }
                    1 => {
                        set.remove(&key(from), end.as_deref());
                        model.retain(|k| !inside(k));
                    }
                    2 => {
                        set.insert_point(&key(from));
                        model.insert(from);
                    }
                    _ => {
                        set.remove_point(&key(from));
                        model.remove(&from);
                    }
                }
                let held: std::collections::BTreeSet<u8> =
                    (1..10).filter(|n| set.contains(&key(*n))).collect();
                prop_assert_eq!(&held, &model);
                let ranges: Vec<_> = set.iter().collect();
                for pair in ranges.windows(2) {
                    prop_assert!(pair[0].1.is_some_and(|end| end < pair[1].0));
                }
                let bytes: usize =
                    ranges.iter().map(|(s, e)| s.len() + e.map_or(0, <[u8]>::len)).sum();
                prop_assert_eq!(set.bytes, bytes);
                for from in 1..10 {
                    for to in from + 1..11 {
                        let end = (to < 10).then(|| key(to));
                        let any = model.iter().any(|k| *k >= from && (to == 10 || *k < to));
                        // The key between two points (`c+`) may be in the set as well.
                        if any {
                            prop_assert!(set.overlaps(&key(from), end.as_deref()));
                        }
                    }
                }
            }
        }
    }
}
