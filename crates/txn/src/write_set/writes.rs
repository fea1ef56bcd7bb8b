//! The writes of one keyspace in one layer, by key.
//!
//! ```text
//!   in order        out of order          look-up                        walk
//!   ------>  sorted ------------>  log  ---------->  log with an index  ------>  tree
//!               ^                   |                        |
//!               `---- commit -------+------------------------´
//! ```
//!
//! Keys that come in their order are appended to what is sorted, and looked up there: loads and
//! inserts of ascending keys never need more. A few are sorted in whatever order they come. Beyond
//! that the first key that comes before another turns it into a log, to which writes are appended
//! until somebody reads. The first look-up of a key gives the log an index ([`super::log`]), which is
//! kept up from then on: a look-up in it takes two misses of the processor's cache, and one in a tree
//! of many keys several. The first walk sorts the log into a tree, and later writes go into that. So
//! a transaction that only writes sorts once and never searches; one that looks up keys between its
//! writes does not sort either before it commits, and one that walks between writes in no order pays
//! for a tree, as it must.
//!
//! A log without an index may hold several writes of a key, the later ones behind; sorting leaves the
//! last.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::{self, Entry};
use std::ops::Bound;

use rustdb_storage::slice::INLINE_BYTES_MAX;

use super::Write;
use super::frozen::Frozen;
use super::key::{AsKey, Key, KeyRef};
use super::log::{Log, Pairs, push, reserve};

/// What an entry takes in memory besides what its bytes take elsewhere: its slot in the log and the
/// room to grow there, and another one while it is sorted. That is no less than what it takes in
/// the tree, or with its part of an index.
const ENTRY_BYTES: usize = 2 * size_of::<(Key, Write)>();

/// What a piece of the heap takes besides its bytes: counts of references, and the allocator's own.
const PIECE_BYTES: usize = 32;

/// So many writes are kept sorted whatever their order.
const SORTED_MIN: usize = 16;

/// An ordered map from keys to their last writes. See the module.
#[derive(Debug)]
pub(crate) struct Writes(Form);

#[derive(Debug)]
enum Form {
    /// Each key once, ascending.
    Sorted(Pairs),
    /// In any order.
    Mixed {
        /// Empty once there is a tree.
        log: RefCell<Log>,
        tree: OnceCell<BTreeMap<Key, Write>>,
    },
}

impl Default for Writes {
    fn default() -> Self {
        Self(Form::Sorted(Vec::new()))
    }
}

/// What can be read, each key once.
pub(crate) trait Ordered {
    /// The writes, in the order of their keys.
    fn view(&self) -> View<'_>;

    /// The last write of a key.
    fn get(&self, key: &[u8]) -> Option<Write> {
        self.view().get(key).cloned()
    }
}

/// Writes in the order of their keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    Sorted(&'a [(Key, Write)]),
    Tree(&'a BTreeMap<Key, Write>),
}

impl Ordered for Writes {
    fn view(&self) -> View<'_> {
        match &self.0 {
            Form::Sorted(sorted) => View::Sorted(sorted),
            Form::Mixed { log, tree } => View::Tree(read(log, tree)),
        }
    }

    fn get(&self, key: &[u8]) -> Option<Write> {
        if let Form::Mixed { log, tree } = &self.0
            && tree.get().is_none()
        {
            let mut log = log.borrow_mut();
            if log.make_index() {
                return log.get(key).cloned();
            }
        }
        self.view().get(key).cloned()
    }
}

impl<'a> View<'a> {
    /// The number of keys.
    pub(super) fn len(self) -> usize {
        match self {
            View::Sorted(sorted) => sorted.len(),
            View::Tree(tree) => tree.len(),
        }
    }

    /// The last write of a key.
    pub(super) fn get(self, key: &[u8]) -> Option<&'a Write> {
        match self {
            View::Sorted(sorted) => {
                let at = search(sorted, &KeyRef::new(key)).ok()?;
                Some(&sorted[at].1)
            }
            View::Tree(tree) => match Key::in_place(key) {
                Some(key) => tree.get(&key),
                None => tree.get(&KeyRef::new(key) as &dyn AsKey),
            },
        }
    }

    /// The writes, in the order of their keys.
    pub(super) fn iter(self) -> Iter<'a> {
        match self {
            View::Sorted(sorted) => Iter::Sorted(sorted.iter()),
            View::Tree(tree) => Iter::Tree(tree.range::<Key, _>(..)),
        }
    }

    /// The writes of keys in `[start, end)`, which must not end before it starts.
    pub(super) fn range(self, start: &[u8], end: Option<&[u8]>) -> Iter<'a> {
        let (start, end) = (KeyRef::new(start), end.map(KeyRef::new));
        match self {
            View::Sorted(sorted) => {
                let (from, to) = places(sorted, &start, end.as_ref());
                Iter::Sorted(sorted[from..to].iter())
            }
            View::Tree(tree) => {
                let lower = Bound::Included(&start as &dyn AsKey);
                let upper = match &end {
                    Some(end) => Bound::Excluded(end as &dyn AsKey),
                    None => Bound::Unbounded,
                };
                Iter::Tree(tree.range::<dyn AsKey, _>((lower, upper)))
            }
        }
    }
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.len_max() == 0
    }

    /// No less than the number of keys, and equal to it after a read.
    pub(super) fn len_max(&self) -> usize {
        match &self.0 {
            Form::Sorted(sorted) => sorted.len(),
            Form::Mixed { log, tree } => log.borrow().len() + tree.get().map_or(0, BTreeMap::len),
        }
    }

    // ------------------------------------------------------------------------------- writing

    /// Writes a key; returns the memory taken and given back.
    pub(super) fn write(&mut self, key: Key, write: Write) -> (usize, usize) {
        self.put(key, write, Write::follow)
    }

    /// Writes a key that has a value: it had one in the snapshot too, unless the write that this
    /// one follows knows better. Returns the memory taken and given back.
    pub(super) fn write_over(&mut self, key: Key, write: Write) -> (usize, usize) {
        if let Form::Mixed { log, tree } = &mut self.0
            && tree.get().is_none()
            && !log.get_mut().make_index()
        {
            self.tree_mut();
        }
        self.put(key, write, Write::follow_value)
    }

    /// Writes a key; `follow` tells the write what was there, if that is known.
    fn put(
        &mut self,
        key: Key,
        mut write: Write,
        follow: impl Fn(&mut Write, Option<&Write>),
    ) -> (usize, usize) {
        let added = weight(&key, &write);
        if let Form::Sorted(sorted) = &mut self.0 {
            match search(sorted, &key.borrowed()) {
                Ok(at) => {
                    let (key, earlier) = &mut sorted[at];
                    follow(&mut write, Some(earlier));
                    let removed = weight(key, earlier);
                    *earlier = write;
                    return (added, removed);
                }
                Err(at) if at == sorted.len() => {
                    follow(&mut write, None);
                    push(sorted, (key, write));
                    return (added, 0);
                }
                Err(at) if sorted.len() < SORTED_MIN => {
                    follow(&mut write, None);
                    reserve(sorted);
                    sorted.insert(at, (key, write));
                    return (added, 0);
                }
                Err(_) => {}
            }
        }
        let (log, tree) = self.unsorted();
        let Some(tree) = tree.get_mut() else {
            let earlier = log.write(key, write, follow);
            return (added, earlier.map_or(0, |(key, write)| weight(key, &write)));
        };
        match tree.entry(key) {
            Entry::Vacant(vacant) => {
                follow(&mut write, None);
                vacant.insert(write);
                (added, 0)
            }
            Entry::Occupied(mut occupied) => {
                follow(&mut write, Some(occupied.get()));
                let removed = weight(occupied.key(), occupied.get());
                occupied.insert(write);
                (added, removed)
            }
        }
    }

    /// Writes a key unless it was written; returns the memory taken.
    pub(super) fn write_below(&mut self, key: Key, write: Write) -> usize {
        match self.get(key.bytes()) {
            Some(_) => 0,
            None => self.write(key, write).0,
        }
    }

    /// Forgets the writes of keys in `[start, end)`, which must not end before it starts; returns
    /// the memory given back.
    pub(super) fn remove_range(&mut self, start: &[u8], end: Option<&[u8]>) -> usize {
        match &mut self.0 {
            Form::Sorted(sorted) => {
                let end = end.map(KeyRef::new);
                let (from, to) = places(sorted, &KeyRef::new(start), end.as_ref());
                let removed = sorted.drain(from..to);
                removed.map(|(key, write)| weight(&key, &write)).sum()
            }
            Form::Mixed { .. } => {
                let lower = Bound::Included(Key::new(start));
                let upper = end.map_or(Bound::Unbounded, |end| Bound::Excluded(Key::new(end)));
                let removed = self.tree_mut().extract_if((lower, upper), |_, _| true);
                removed.map(|(key, write)| weight(&key, &write)).sum()
            }
        }
    }

    /// Sorts what nobody has read so far.
    pub(super) fn sort(&mut self) {
        if let Form::Mixed { log, tree } = &mut self.0
            && tree.get().is_none()
        {
            let mut log = log.take().into_pairs();
            sort(&mut log);
            self.0 = Form::Sorted(log);
        }
    }

    /// Forgets what later writes of the same key have made useless; returns what is left in
    /// memory.
    pub(super) fn settle(&mut self) -> usize {
        self.sort();
        match self.view() {
            View::Sorted(sorted) => sorted.iter().map(|(key, write)| weight(key, write)).sum(),
            View::Tree(tree) => tree.iter().map(|(key, write)| weight(key, write)).sum(),
        }
    }

    /// All writes, in the order of their keys.
    pub(super) fn into_sorted(mut self) -> IntoSorted {
        self.sort();
        match self.0 {
            Form::Sorted(sorted) => IntoSorted::Sorted(sorted.into_iter()),
            Form::Mixed { tree, .. } => {
                IntoSorted::Tree(tree.into_inner().unwrap_or_default().into_iter())
            }
        }
    }

    /// The writes as they are, for good.
    pub(super) fn freeze(mut self) -> Frozen {
        self.sort();
        match self.0 {
            Form::Sorted(sorted) => Frozen::sorted(sorted),
            Form::Mixed { tree, .. } => Frozen::tree(tree.into_inner().unwrap_or_default()),
        }
    }

    fn tree_mut(&mut self) -> &mut BTreeMap<Key, Write> {
        let (log, tree) = self.unsorted();
        if tree.get().is_none() {
            let made = made(std::mem::take(log).into_pairs());
            tree.get_or_init(|| made);
        }
        tree.get_mut().expect("it was just made")
    }

    /// The log and the tree, in which any order is welcome.
    fn unsorted(&mut self) -> (&mut Log, &mut OnceCell<BTreeMap<Key, Write>>) {
        if let Form::Sorted(sorted) = &mut self.0 {
            let log = RefCell::new(Log::new(std::mem::take(sorted)));
            let tree = OnceCell::new();
            self.0 = Form::Mixed { log, tree };
        }
        match &mut self.0 {
            Form::Mixed { log, tree } => (log.get_mut(), tree),
            Form::Sorted(_) => unreachable!("it was just changed"),
        }
    }
}

/// The tree, made of the log if need be.
fn read<'a>(
    log: &RefCell<Log>,
    tree: &'a OnceCell<BTreeMap<Key, Write>>,
) -> &'a BTreeMap<Key, Write> {
    tree.get_or_init(|| made(log.take().into_pairs()))
}

fn made(mut log: Pairs) -> BTreeMap<Key, Write> {
    sort(&mut log);
    log.into_iter().collect()
}

/// The place of a key, or the one that it would have. Mostly it comes after all that are there.
fn search(sorted: &[(Key, Write)], key: &KeyRef<'_>) -> Result<usize, usize> {
    match sorted.last() {
        Some((last, _)) if last.borrowed().cmp(key).is_ge() => {
            sorted.binary_search_by(|(each, _)| each.borrowed().cmp(key))
        }
        _ => Err(sorted.len()),
    }
}

/// Where the keys in `[start, end)` are.
fn places(sorted: &[(Key, Write)], start: &KeyRef<'_>, end: Option<&KeyRef<'_>>) -> (usize, usize) {
    let place = |key| search(sorted, key).unwrap_or_else(|place| place);
    let from = place(start);
    (from, end.map_or(sorted.len(), place).max(from))
}

/// See [`View::iter`].
pub(super) enum Iter<'a> {
    Sorted(std::slice::Iter<'a, (Key, Write)>),
    Tree(btree_map::Range<'a, Key, Write>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a Write);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Sorted(sorted) => sorted.next().map(|(key, write)| (key.bytes(), write)),
            Iter::Tree(tree) => tree.next().map(|(key, write)| (key.bytes(), write)),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Sorted(sorted) => sorted.next_back().map(|(key, write)| (key.bytes(), write)),
            Iter::Tree(tree) => tree.next_back().map(|(key, write)| (key.bytes(), write)),
        }
    }
}

/// See [`Writes::into_sorted`].
pub(super) enum IntoSorted {
    Sorted(std::vec::IntoIter<(Key, Write)>),
    Tree(btree_map::IntoIter<Key, Write>),
}

impl Iterator for IntoSorted {
    type Item = (Key, Write);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            IntoSorted::Sorted(sorted) => sorted.next(),
            IntoSorted::Tree(tree) => tree.next(),
        }
    }
}

impl Write {
    /// Takes over what an earlier write of the same key knew about the snapshot.
    pub(super) fn follow(&mut self, earlier: Option<&Write>) {
        let known = earlier.and_then(|earlier| earlier.existed);
        self.existed = self.existed.or(known);
    }

    /// As [`Write::follow`], where the key has a value: without an earlier write it had one in the
    /// snapshot.
    fn follow_value(&mut self, earlier: Option<&Write>) {
        self.existed = earlier.map_or(Some(true), |earlier| earlier.existed);
    }
}

/// Sorts by key, and leaves the last write of each.
fn sort(log: &mut Pairs) {
    // Sorting would ask for memory before it looks.
    if log.is_sorted_by(|left, right| left.0 < right.0) {
        return;
    }
    // NB: stable, so that the last write of a key comes last.
    super::sort::sort(log);
    log.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            later.1.follow(Some(&earlier.1));
            std::mem::swap(&mut later.1, &mut earlier.1);
        }
        is_same
    });
}

/// About what a write takes in memory.
pub(super) fn weight(key: &Key, write: &Write) -> usize {
    let value = write.value.as_ref().map_or(0, |value| value.len());
    let piece = |bytes| match bytes {
        0 => 0,
        bytes => bytes + PIECE_BYTES,
    };
    let value = if value > INLINE_BYTES_MAX { value } else { 0 };
    piece(key.heap_bytes()) + piece(value) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustdb_storage::slice::Slice;

    use super::super::NEVER;
    use super::*;

    fn write(value: u8, existed: Option<bool>) -> Write {
        Write {
            value: Some(Slice::copy_from(&[value])),
            expiry: NEVER,
            is_checked: true,
            existed,
        }
    }

    fn contents(pairs: impl Iterator<Item = (Key, Write)>) -> Vec<(Vec<u8>, u8, Option<bool>)> {
        pairs
            .map(|(key, write)| {
                let value = write.value.expect("no deletions here")[0];
                (key.bytes().to_vec(), value, write.existed)
            })
            .collect()
    }

    /// What the model has of a key: the value and what is known of the past.
    type Model = BTreeMap<Vec<u8>, (u8, Option<bool>)>;

    fn of_model(model: &Model, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, u8, Option<bool>)> {
        let inside = model
            .iter()
            .filter(|(key, _)| from <= &***key && &***key < to);
        inside.map(|(k, (v, e))| (k.clone(), *v, *e)).collect()
    }

    proptest! {
        /// Whatever its form, settled or not: the last write of a key counts, with the latest
        /// that is known of the key's past, in the order of the keys.
        #[test]
        fn last_write_of_a_key_wins_in_any_form(
            sorted in 0..20u8,
            steps in prop::collection::vec((0..40u8, any::<u8>(), any::<Option<bool>>(), 0..30u8), 0..120),
        ) {
            let mut writes = Writes::default();
            let mut model = Model::new();
            let before = (0..sorted).map(|key| (key, key, None, u8::MAX));
            for (key, value, existed, then) in before.chain(steps) {
                // Longer ones than are kept in place, too.
                let key = vec![b'k'; 2 * usize::from(key)];
                let earlier = model.get(&key).map(|(_, existed)| *existed);
                let own = write(value, existed);
                let heap = |key: &Vec<u8>| weight(&Key::new(key), &own) - ENTRY_BYTES;
                match then {
                    0 => {
                        writes.write_over(Key::new(&key), own.clone());
                        model.insert(key, (value, earlier.unwrap_or(Some(true))));
                    }
                    1 => {
                        let added = writes.write_below(Key::new(&key), own.clone());
                        prop_assert_eq!(added > 0, earlier.is_none());
                        model.entry(key).or_insert((value, existed));
                    }
                    2 => {
                        let end = [&key[..], &[b'k'; 6]].concat();
                        let seen = writes.view().range(&key, Some(&end));
                        let seen: Vec<_> = seen.map(|(key, _)| key.to_vec()).collect();
                        let expected = of_model(&model, &key, &end);
                        prop_assert!(seen.iter().eq(expected.iter().map(|each| &each.0)));
                        let bytes = expected.iter().map(|each| heap(&each.0) + ENTRY_BYTES);
                        prop_assert_eq!(writes.remove_range(&key, Some(&end)), bytes.sum::<usize>());
                        model.retain(|key, _| expected.iter().all(|each| each.0 != *key));
                    }
                    3 => {
                        let found = writes.view().get(&key).map(|write| write.existed);
                        prop_assert_eq!(found, earlier);
                    }
                    7..=12 => {
                        let found = writes.get(&key).map(|write| write.existed);
                        prop_assert_eq!(found, earlier);
                    }
                    4 => {
                        let bytes = model.keys().map(|key| heap(key) + ENTRY_BYTES);
                        prop_assert_eq!(writes.settle(), bytes.sum::<usize>());
                    }
                    5 => {
                        prop_assert_eq!(writes.view().len(), model.len());
                        let last = writes.view().iter().next_back().map(|(key, _)| key);
                        prop_assert_eq!(last, model.keys().next_back().map(|key| &key[..]));
                    }
                    6 => writes.sort(),
                    _ => {
                        writes.write(Key::new(&key), own);
                        model.insert(key, (value, existed.or(earlier.flatten())));
                    }
                }
                prop_assert!(writes.len_max() >= model.len());
            }
            let expected = of_model(&model, &[], &[u8::MAX]);
            let owned = |(key, write): (&[u8], &Write)| (Key::new(key), write.clone());
            prop_assert_eq!(contents(writes.view().iter().map(owned)), expected.clone());
            let frozen = writes.freeze();
            for key in (0..80).map(|length| vec![b'k'; length]) {
                let found = frozen.get(&key).and_then(|write| write.value);
                prop_assert_eq!(found.map(|value| value[0]), model.get(&key).map(|own| own.0));
            }
            prop_assert_eq!(contents(frozen.view().iter().map(owned)), expected);
        }
    }

    /// Keys whose slots in an index come in a row are found all the same.
    #[test]
    fn keys_that_crowd_an_index_are_found() {
        let meets = |number: &u32| xxhash_rust::xxh3::xxh3_64(&number.to_be_bytes()) % 4096 < 8;
        let numbers: Vec<u32> = (0..).filter(meets).take(700).collect();
        let mut writes = Writes::default();
        for (at, number) in numbers.iter().enumerate().rev() {
            writes.write(Key::new(&number.to_be_bytes()), write(at as u8, None));
            let last = numbers[numbers.len() - 1];
            assert!(writes.get(&last.to_be_bytes()).is_some());
        }
        for (at, number) in numbers.iter().enumerate() {
            let found = writes
                .get(&number.to_be_bytes())
                .and_then(|write| write.value);
            assert_eq!(found.map(|value| value[0]), Some(at as u8));
            assert!(writes.get(&(number + 1).to_be_bytes()).is_none() || meets(&(number + 1)));
        }
        assert!(matches!(&writes.0, Form::Mixed { tree, .. } if tree.get().is_some()));
    }
}
