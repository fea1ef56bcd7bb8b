//! Writes in the order in which they came, and found by their keys once somebody has asked.

use super::Write;
use super::index::{Found, Index};
use super::key::Key;

/// A full log grows by this part of its length, because what it has in reserve is not counted.
const GROWTH_PART: usize = 4;

/// The least number of slots by which a log grows.
const GROWTH_MIN: usize = 16;

/// Keys and their writes, in the order that something else says.
pub(super) type Pairs = Vec<(Key, Write)>;

/// See the module. Until there is an index a key may have several writes, the later ones behind.
#[derive(Debug, Default)]
pub(super) struct Log {
    pairs: Pairs,
    index: Option<Index>,
}

impl Log {
    /// A log of writes, each key once.
    pub(super) fn new(pairs: Pairs) -> Log {
        Log { pairs, index: None }
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// All writes, in the order in which they came.
    pub(super) fn into_pairs(self) -> Pairs {
        self.pairs
    }

    /// Adds a write, or puts it in the place of an earlier one that is known; `follow` tells it what
    /// that was. Returns the pair that it replaces.
    pub(super) fn write(
        &mut self,
        key: Key,
        mut write: Write,
        follow: impl Fn(&mut Write, Option<&Write>),
    ) -> Option<(&Key, Write)> {
        let Log { pairs, index } = self;
        let found = match index {
            Some(index) => index.find(key.bytes(), |place| pairs[place].0 == key),
            None => Found::Crowded,
        };
        if let Found::At(place) = found {
            let (key, earlier) = &mut pairs[place];
            follow(&mut write, Some(earlier));
            return Some((key, std::mem::replace(earlier, write)));
        }
        follow(&mut write, None);
        push(pairs, (key, write));
        let has_room = match (found, &mut *index) {
            (Found::Free(free), Some(index)) => index.take(free, |place| pairs[place].0.bytes()),
            _ => false,
        };
        if !has_room {
            *index = None;
        }
        None
    }

    /// Sees to it that writes are found by their keys; not so if that would take too long.
    pub(super) fn make_index(&mut self) -> bool {
        if self.index.is_some() {
            return true;
        }
        let pairs = &mut self.pairs;
        let mut index = Index::with_capacity(pairs.len());
        // Those before `kept` have each key once; from there to `next` they are out of date.
        let mut kept = 0;
        for next in 0..pairs.len() {
            let (before, rest) = pairs.split_at_mut(next);
            let (key, write) = &mut rest[0];
            match index.find(key.bytes(), |place| before[place].0 == *key) {
                Found::At(place) => {
                    write.follow(Some(&before[place].1));
                    std::mem::swap(write, &mut before[place].1);
                }
                Found::Free(free) => {
                    pairs.swap(kept, next);
                    kept += 1;
                    if !index.take(free, |place| pairs[place].0.bytes()) {
                        pairs.drain(kept..=next);
                        return false;
                    }
                }
                Found::Crowded => {
                    pairs.drain(kept..next);
                    return false;
                }
            }
        }
        pairs.truncate(kept);
        self.index = Some(index);
        true
    }

    /// The last write of a key, if there is an index.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Write> {
        let is_at = |place: usize| self.pairs[place].0.bytes() == key;
        match self.index.as_ref()?.find(key, is_at) {
            Found::At(place) => Some(&self.pairs[place].1),
            Found::Free(_) | Found::Crowded => None,
        }
    }
}

/// Appends to a log, of which at most a part is left unused.
pub(super) fn push(pairs: &mut Pairs, pair: (Key, Write)) {
    reserve(pairs);
    pairs.push(pair);
}

/// Makes room for one more, and not for many more.
pub(super) fn reserve(pairs: &mut Pairs) {
    if pairs.len() == pairs.capacity() {
        pairs.reserve_exact((pairs.len() / GROWTH_PART).max(GROWTH_MIN));
    }
}
