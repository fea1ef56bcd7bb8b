//! A hash table of groups: their keys, and what the aggregates have seen of each.
//!
//! Keys and states of all groups lie in two vectors, one group after the other, and the hash table
//! holds nothing but numbers of groups: a new group costs no allocation of its own. Groups keep the
//! order in which they came.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rustdb_types::Value;

use super::aggregate::{AggregateNode, Seen, start};
use super::key::{hash_key, hashes};
use super::vector::Vector;
use crate::error::{Error, Result, SqlState};

/// Groups by their keys.
pub(super) struct Groups {
    table: HashTable<u32>,
    hasher: RandomState,
    /// How many values a key has.
    key_width: usize,
    /// How many aggregates there are.
    calls: usize,
    keys: Vec<Value>,
    seen: Vec<Seen>,
    len: usize,
}

impl Groups {
    /// No groups of a node.
    pub(super) fn new(node: &AggregateNode) -> Groups {
        Groups {
            table: HashTable::new(),
            hasher: RandomState::default(),
            key_width: node.key_width(),
            calls: node.calls.len(),
            keys: Vec::new(),
            seen: Vec::new(),
            len: 0,
        }
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of the group with a key.
    pub(super) fn find(&self, key: &[Value]) -> Option<usize> {
        self.find_hashed(hash_key(&self.hasher, key), key)
    }

    fn find_hashed(&self, hash: u64, key: &[Value]) -> Option<usize> {
        let is_it = |group: &u32| self.key(*group as usize) == key;
        Some(*self.table.find(hash, is_it)? as usize)
    }

    /// The number of the group with a key, which is a new one if there is none.
    pub(super) fn find_or_add(&mut self, key: &[Value], node: &AggregateNode) -> Result<usize> {
        let hash = hash_key(&self.hasher, key);
        match self.find_hashed(hash, key) {
            Some(group) => Ok(group),
            None => {
                start(node, &mut self.seen)?;
                self.keys.extend_from_slice(key);
                self.add(hash)
            }
        }
    }

    /// The numbers of the groups of some rows, which are new ones where there are none.
    pub(super) fn of_rows(
        &mut self,
        keys: &[Vector<'_>],
        rows: usize,
        node: &AggregateNode,
    ) -> Result<Vec<u32>> {
        if keys.is_empty() {
            let only = self.find_or_add(&[], node)? as u32;
            return Ok(vec![only; rows]);
        }
        let mut groups: Vec<u32> = Vec::with_capacity(rows);
        for (row, hash) in hashes(&self.hasher, keys, rows).into_iter().enumerate() {
            let is_it = |group: &u32| {
                let key = self.key(*group as usize);
                keys.iter()
                    .zip(key)
                    .all(|(vector, part)| vector.is(row, part))
            };
            // Rows of a group are often side by side.
            let found = match groups.last() {
                Some(last) if is_it(last) => Some(*last),
                _ => self.table.find(hash, is_it).copied(),
            };
            groups.push(match found {
                Some(group) => group,
                None => {
                    start(node, &mut self.seen)?;
                    let key = keys.iter().map(|vector| vector.cell(row).into_owned());
                    self.keys.extend(key);
                    self.add(hash)? as u32
                }
            });
        }
        Ok(groups)
    }

    /// Enters the group whose key and states were added last.
    fn add(&mut self, hash: u64) -> Result<usize> {
        let group = self.len;
        let number = u32::try_from(group).map_err(|_| {
            let message = "there are more than four billion groups";
            Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        })?;
        self.len += 1;
        let (hasher, keys, width) = (&self.hasher, &self.keys, self.key_width);
        let of = |group: &u32| hash_key(hasher, &keys[*group as usize * width..][..width]);
        self.table.insert_unique(hash, number, of);
        Ok(group)
    }

    /// The key of a group.
    pub(super) fn key(&self, group: usize) -> &[Value] {
        &self.keys[group * self.key_width..][..self.key_width]
    }

    /// What the aggregates have seen of a group.
    pub(super) fn seen(&self, group: usize) -> &[Seen] {
        &self.seen[group * self.calls..][..self.calls]
    }

    /// What the aggregates have seen of a group.
    pub(super) fn seen_mut(&mut self, group: usize) -> &mut [Seen] {
        &mut self.seen[group * self.calls..][..self.calls]
    }

    /// Takes the groups of another table of the same node, whose rows came after those of this one.
    /// The states must be of the kind that merges.
    pub(super) fn merge(&mut self, other: Groups) -> Result<()> {
        let mut others = other.into_groups();
        for _ in 0..others.left {
            let key = &others.keys.as_slice()[..self.key_width];
            let hash = hash_key(&self.hasher, key);
            let Some(group) = self.find_hashed(hash, key) else {
                self.keys.extend(others.keys.by_ref().take(self.key_width));
                self.seen.extend(others.seen.by_ref().take(self.calls));
                self.add(hash)?;
                continue;
            };
            others.keys.by_ref().take(self.key_width).for_each(drop);
            let theirs = others.seen.by_ref().take(self.calls);
            for (mine, theirs) in self.seen_mut(group).iter_mut().zip(theirs) {
                match (mine, theirs) {
                    (Seen::State(mine), Seen::State(theirs)) => mine.merge(theirs)?,
                    _ => {
                        return Err(Error::internal(
                            "what was seen of these groups does not merge",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The groups one by one.
    pub(super) fn into_groups(self) -> GroupsIter {
        GroupsIter {
            key_width: self.key_width,
            calls: self.calls,
            left: self.len,
            keys: self.keys.into_iter(),
            seen: self.seen.into_iter(),
        }
    }
}

/// The groups of a table, in their order.
pub(super) struct GroupsIter {
    key_width: usize,
    calls: usize,
    left: usize,
    keys: std::vec::IntoIter<Value>,
    seen: std::vec::IntoIter<Seen>,
}

impl GroupsIter {
    /// Puts the next group's key and states in the place of what is there; false if there is none.
    pub(super) fn next_into(&mut self, key: &mut Vec<Value>, seen: &mut Vec<Seen>) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        key.clear();
        key.extend(self.keys.by_ref().take(self.key_width));
        seen.clear();
        seen.extend(self.seen.by_ref().take(self.calls));
        true
    }
}
