//! Asking about one key after the other.

use std::sync::Arc;

use super::{BoundKey, Covering, Fragments, Stretch, View};
use crate::key::SequenceNumber;

/// Finds what covers a key for a reader at one sequence number, quickly if the key is close to
/// the last one asked about.
///
/// It remembers the range around the last key in which the answer does not change. For most keys
/// of a walk that takes one or two comparisons, so a source with tombstones costs a scan next to
/// nothing outside them.
#[derive(Clone, Debug)]
pub struct Probe {
    list: List,
    /// Whether the rest is known.
    located: bool,
    start: Option<BoundKey>,
    end: Option<BoundKey>,
    seq: Option<SequenceNumber>,
}

#[derive(Clone, Debug)]
enum List {
    Fragments(Arc<Fragments>, SequenceNumber),
    View(View),
}

impl Probe {
    /// Asks about tombstones of `list` that are not above `at`.
    pub fn of_fragments(list: Arc<Fragments>, at: SequenceNumber) -> Self {
        Self::new(List::Fragments(list, at))
    }

    /// Asks about the tombstones in `view`.
    pub fn of_view(view: View) -> Self {
        Self::new(List::View(view))
    }

    fn new(list: List) -> Self {
        Self {
            list,
            located: false,
            start: None,
            end: None,
            seq: None,
        }
    }

    /// The newest tombstone over `key`, and a range around the key that it covers.
    #[inline]
    pub fn covering(&mut self, key: &[u8]) -> Option<Covering<'_>> {
        if !self.is_located(key) {
            self.locate(key);
        }
        let (start, end) = (self.start.as_ref()?, self.end.as_ref()?);
        Some(Covering {
            start,
            end,
            seq: self.seq?,
        })
    }

    #[inline]
    fn is_located(&self, key: &[u8]) -> bool {
        self.located
            && self.end.as_ref().is_none_or(|end| *key < **end)
            && self.start.as_ref().is_none_or(|start| **start <= *key)
    }

    fn locate(&mut self, key: &[u8]) {
        let Stretch { start, end, seq } = match &self.list {
            List::Fragments(list, at) => list.stretch(key, *at),
            List::View(view) => view.stretch(key),
        };
        (self.start, self.end, self.seq) = (start.cloned(), end.cloned(), seq);
        self.located = true;
    }
}
