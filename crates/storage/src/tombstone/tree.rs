//! An immutable search tree of intervals that do not overlap: a treap. Changing it copies a path
//! and shares the rest.
//!
//! Priorities are a hash of a counter, so the shape is random but the same in every run.

use std::sync::Arc;

use super::BoundKey;
use crate::key::SequenceNumber;

/// A tree, possibly empty.
pub(super) type Tree = Option<Arc<Node>>;

/// What a node costs.
pub(super) const NODE_BYTES: usize = size_of::<Node>() + 2 * size_of::<usize>();

/// Keys from `start` up to `end` and what covers them.
#[derive(Clone)]
pub(super) struct Interval {
    pub(super) start: BoundKey,
    pub(super) end: BoundKey,
    pub(super) seq: SequenceNumber,
}

#[derive(Clone)]
pub(super) struct Node {
    interval: Interval,
    /// Not below those of the children.
    priority: u64,
    left: Tree,
    right: Tree,
}

/// The tree with `interval` in place of whatever was in its range, and an upper bound for the
/// number of nodes that were copied. `salt` should differ from call to call.
pub(super) fn overwrite(tree: Tree, interval: Interval, salt: usize) -> (Tree, usize) {
    let mut copied = 0;
    let (mut before, rest) = split(tree, &interval.start, &mut copied);
    let (covered, mut after) = split(rest, &interval.end, &mut copied);

    // The last interval that begins within, or else the last that begins before, may end behind.
    let inner = last(&covered).or_else(|| last(&before));
    if let Some(inner) = inner.filter(|inner| inner.end > interval.end) {
        let rest = Interval {
            start: interval.end.clone(),
            ..inner.clone()
        };
        after = merge(leaf(rest, 2 * salt), after, &mut copied);
    }
    if last(&before).is_some_and(|last| last.end > interval.start) {
        before = cut_last(before, &interval.start, &mut copied);
    }
    let tree = merge(before, leaf(interval, 2 * salt + 1), &mut copied);
    (merge(tree, after, &mut copied), copied + 2)
}

/// The last interval that begins at or before `key`, and the first that begins after it.
pub(super) fn neighbours<'a>(
    tree: &'a Tree,
    key: &[u8],
) -> (Option<&'a Interval>, Option<&'a Interval>) {
    let (mut before, mut after) = (None, None);
    let mut tree = tree;
    while let Some(node) = tree {
        if *node.interval.start <= *key {
            before = Some(&node.interval);
            tree = &node.right;
        } else {
            after = Some(&node.interval);
            tree = &node.left;
        }
    }
    (before, after)
}

/// Calls `f` with all intervals in order.
pub(super) fn visit<'a>(tree: &'a Tree, f: &mut impl FnMut(&'a Interval)) {
    if let Some(node) = tree {
        visit(&node.left, f);
        f(&node.interval);
        visit(&node.right, f);
    }
}

fn leaf(interval: Interval, salt: usize) -> Tree {
    // The finaliser of splitmix64.
    let mut priority = (salt as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    priority = (priority ^ (priority >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    priority = (priority ^ (priority >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    priority ^= priority >> 31;
    Some(Arc::new(Node {
        interval,
        priority,
        left: None,
        right: None,
    }))
}

/// The intervals that begin before `key`, and the others.
fn split(tree: Tree, key: &BoundKey, copied: &mut usize) -> (Tree, Tree) {
    let Some(node) = tree else {
        return (None, None);
    };
    let mut node = own(node, copied);
    if node.interval.start < *key {
        let (left, right) = split(node.right.take(), key, copied);
        node.right = left;
        (Some(Arc::new(node)), right)
    } else {
        let (left, right) = split(node.left.take(), key, copied);
        node.left = right;
        (left, Some(Arc::new(node)))
    }
}

/// One tree of two, the first of which ends before the second begins.
fn merge(left: Tree, right: Tree, copied: &mut usize) -> Tree {
    let (left, right) = match (left, right) {
        (None, tree) | (tree, None) => return tree,
        (Some(left), Some(right)) => (left, right),
    };
    let top = if left.priority >= right.priority {
        let mut top = own(left, copied);
        top.right = merge(top.right.take(), Some(right), copied);
        top
    } else {
        let mut top = own(right, copied);
        top.left = merge(Some(left), top.left.take(), copied);
        top
    };
    Some(Arc::new(top))
}

/// Makes the last interval end at `end`.
fn cut_last(tree: Tree, end: &BoundKey, copied: &mut usize) -> Tree {
    let mut node = own(tree?, copied);
    match node.right.take() {
        None => node.interval.end = end.clone(),
        right => node.right = cut_last(right, end, copied),
    }
    Some(Arc::new(node))
}

fn last(tree: &Tree) -> Option<&Interval> {
    let mut node = tree.as_ref()?;
    while let Some(right) = &node.right {
        node = right;
    }
    Some(&node.interval)
}

/// The node to change: itself if nobody shares it, else a copy.
fn own(node: Arc<Node>, copied: &mut usize) -> Node {
    Arc::try_unwrap(node).unwrap_or_else(|shared| {
        *copied += 1;
        (*shared).clone()
    })
}
