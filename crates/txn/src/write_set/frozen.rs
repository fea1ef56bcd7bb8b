//! Writes that do not change any more, on their way to a file: several threads may read them.
//!
//! Who goes on to write in no order looks up several keys for each write, most of which are not
//! here. The first look-up of a key among the others makes an index, which finds one, or that there is
//! none, in a miss or two of the processor's cache; a search takes one for each of its steps. Who goes
//! on with greater keys pays for none.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Write;
use super::index::{Found, Index};
use super::key::Key;
use super::log::Pairs;
use super::writes::{Ordered, View};

/// See the module.
#[derive(Debug)]
pub(crate) struct Frozen(Form);

#[derive(Debug)]
enum Form {
    /// Each key once, ascending; and their index once it was asked for, unless that would take too
    /// long.
    Sorted(Pairs, OnceLock<Option<Index>>),
    Tree(BTreeMap<Key, Write>),
}

impl Frozen {
    /// Writes that are sorted, each key once.
    pub(super) fn sorted(pairs: Pairs) -> Frozen {
        Frozen(Form::Sorted(pairs, OnceLock::new()))
    }

    pub(super) fn tree(tree: BTreeMap<Key, Write>) -> Frozen {
        Frozen(Form::Tree(tree))
    }
}

impl Ordered for Frozen {
    fn view(&self) -> View<'_> {
        match &self.0 {
            Form::Sorted(sorted, _) => View::Sorted(sorted),
            Form::Tree(tree) => View::Tree(tree),
        }
    }

    fn get(&self, key: &[u8]) -> Option<Write> {
        if let Form::Sorted(sorted, index) = &self.0
            && let (Some((first, _)), Some((last, _))) = (sorted.first(), sorted.last())
        {
            if key < first.bytes() || key > last.bytes() {
                return None;
            }
            if let Some(index) = index.get_or_init(|| indexed(sorted)) {
                return match index.find(key, |place| sorted[place].0.bytes() == key) {
                    Found::At(place) => Some(sorted[place].1.clone()),
                    Found::Free(_) | Found::Crowded => None,
                };
            }
        }
        self.view().get(key).cloned()
    }
}

/// Where each key is; nothing if making that would take too long.
fn indexed(sorted: &Pairs) -> Option<Index> {
    let mut index = Index::with_capacity(sorted.len());
    for (key, _) in sorted {
        let Found::Free(free) = index.find(key.bytes(), |_| false) else {
            return None;
        };
        if !index.take(free, |place| sorted[place].0.bytes()) {
            return None;
        }
    }
    Some(index)
}
