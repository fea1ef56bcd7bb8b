//! A hash table of groups: their keys, and what the aggregates have seen of each.
//!
//! Keys and states of all groups lie in two vectors, one group after the other, and the hash table
//! holds nothing but numbers of groups: a new group costs no allocation of its own. Groups keep the
//! order in which they came.
//!
//! As long as keys are integers that ascend, as those of a scan by its key do, there is no hash table:
//! a row belongs to the last group or to a new one. The first key that is less than the last one
//! brings the table.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use rustdb_types::{Cells, Value};

use super::aggregate::{AggregateNode, Seen, start};
use super::group_codes::{Codes, codes};
use super::key::{hash_key, hashes};
use super::vector::Vector;
use crate::error::{Error, Result, SqlState};

/// Groups by their keys.
pub(super) struct Groups {
    order: Order,
    /// Empty while the order says where keys are.
    table: HashTable<u32>,
    hasher: RandomState,
    /// Those groups of the table that short keys led to.
    codes: Codes,
    /// How many values a key has.
    key_width: usize,
    /// How many aggregates there are.
    calls: usize,
    keys: Vec<Value>,
    seen: Vec<Seen>,
    len: usize,
}

/// The order in which groups have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// Their keys are integers, each greater than the one before; the last one, if there is any.
    Ascending(Option<i64>),
    /// Any order: keys are looked up by their hash.
    Hashed,
}

/// Where a key belongs.
enum Place {
    Group(usize),
    /// To no group yet; what its group is entered with.
    New(Order, u64),
}

/// The integer that a key is.
#[inline]
fn integer(key: &[Value]) -> Option<i64> {
    match key {
        [Value::Int4(number) | Value::Date(number)] => Some(i64::from(*number)),
        [Value::Int8(number) | Value::Timestamp(number)] => Some(*number),
        _ => None,
    }
}

impl Groups {
    /// No groups of a node.
    pub(super) fn new(node: &AggregateNode) -> Groups {
        Groups {
            order: match node.key_width() {
                1 => Order::Ascending(None),
                _ => Order::Hashed,
            },
            table: HashTable::new(),
            hasher: RandomState::default(),
            codes: Codes::default(),
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
        if self.order == Order::Hashed {
            return self.find_hashed(hash_key(&self.hasher, key), key);
        }
        let wanted = integer(key)?;
        let of = |part: &Value| integer(std::slice::from_ref(part));
        let place = self.keys.partition_point(|part| of(part) < Some(wanted));
        let found = self.keys.get(place).and_then(of);
        (found == Some(wanted)).then_some(place)
    }

    fn find_hashed(&self, hash: u64, key: &[Value]) -> Option<usize> {
        let is_it = |group: &u32| self.key(*group as usize) == key;
        Some(*self.table.find(hash, is_it)? as usize)
    }

    /// The number of the group with a key, which is a new one if there is none.
    pub(super) fn find_or_add(&mut self, key: &[Value], node: &AggregateNode) -> Result<usize> {
        match self.place_of(key) {
            Place::Group(group) => Ok(group),
            Place::New(order, hash) => {
                start(node, &mut self.seen)?;
                self.keys.extend_from_slice(key);
                self.add(order, hash)
            }
        }
    }

    fn place_of(&mut self, key: &[Value]) -> Place {
        if let Order::Ascending(last) = self.order {
            if let Some(place) = self.ascending(last, integer(key)) {
                return place;
            }
            self.hash_all();
        }
        let hash = hash_key(&self.hasher, key);
        match self.find_hashed(hash, key) {
            Some(group) => Place::Group(group),
            None => Place::New(Order::Hashed, hash),
        }
    }

    /// Where a key belongs behind the last one; `None` if it is not behind it.
    #[inline]
    fn ascending(&self, last: Option<i64>, key: Option<i64>) -> Option<Place> {
        match key? {
            number if last.is_none_or(|last| last < number) => {
                Some(Place::New(Order::Ascending(Some(number)), 0))
            }
            number => (last == Some(number)).then(|| Place::Group(self.len - 1)),
        }
    }

    /// Puts all groups into the table.
    fn hash_all(&mut self) {
        self.order = Order::Hashed;
        self.table = HashTable::with_capacity(self.len + 1);
        for group in 0..self.len {
            let hash = hash_key(&self.hasher, self.key(group));
            self.enter(hash, group as u32);
        }
    }

    fn enter(&mut self, hash: u64, group: u32) {
        let (hasher, keys, width) = (&self.hasher, &self.keys, self.key_width);
        let of = |group: &u32| hash_key(hasher, &keys[*group as usize * width..][..width]);
        self.table.insert_unique(hash, group, of);
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
        if self.order != Order::Hashed {
            self.ascending_rows(keys, rows, node, &mut groups)?;
        }
        if groups.len() == rows {
            return Ok(groups);
        }
        match codes(keys, rows) {
            Some(codes) => self.rows_by_code(keys, &codes, node, &mut groups)?,
            None => self.rows_by_hash(keys, rows, node, &mut groups)?,
        }
        Ok(groups)
    }

    /// The groups of rows from the next one on, whose keys are these numbers too.
    fn rows_by_code(
        &mut self,
        keys: &[Vector<'_>],
        codes: &[u64],
        node: &AggregateNode,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        let mut key = Vec::with_capacity(keys.len());
        let mut last = None;
        for (row, code) in codes.iter().enumerate().skip(groups.len()) {
            // Rows of a group are often side by side.
            let known = match last {
                Some((before, group)) if before == *code => Some(group),
                _ => self.codes.get(*code),
            };
            let group = match known {
                Some(group) => group,
                None => {
                    key.clear();
                    key.extend(keys.iter().map(|vector| vector.cell(row).into_owned()));
                    let group = self.find_or_add(&key, node)? as u32;
                    self.codes.insert(*code, group);
                    group
                }
            };
            last = Some((*code, group));
            groups.push(group);
        }
        Ok(())
    }

    /// The groups of rows from the next one on.
    fn rows_by_hash(
        &mut self,
        keys: &[Vector<'_>],
        rows: usize,
        node: &AggregateNode,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        let hashes = hashes(&self.hasher, keys, rows);
        for (row, hash) in hashes.into_iter().enumerate().skip(groups.len()) {
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
                    self.add(Order::Hashed, hash)? as u32
                }
            });
        }
        Ok(())
    }

    /// The groups of the first rows, as long as their keys ascend.
    fn ascending_rows(
        &mut self,
        keys: &[Vector<'_>],
        rows: usize,
        node: &AggregateNode,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        let [key] = keys else {
            self.hash_all();
            return Ok(());
        };
        for row in 0..rows {
            let Order::Ascending(last) = self.order else {
                return Ok(());
            };
            let number = match key.cells() {
                Some(Cells::Int4(numbers) | Cells::Date(numbers)) => Some(i64::from(numbers[row])),
                Some(Cells::Int8(numbers) | Cells::Timestamp(numbers)) => Some(numbers[row]),
                _ => integer(std::slice::from_ref(&*key.cell(row))),
            };
            groups.push(match self.ascending(last, number) {
                Some(Place::Group(group)) => group as u32,
                Some(Place::New(order, hash)) => {
                    start(node, &mut self.seen)?;
                    self.keys.push(key.cell(row).into_owned());
                    self.add(order, hash)? as u32
                }
                None => {
                    self.hash_all();
                    return Ok(());
                }
            });
        }
        Ok(())
    }

    /// Enters the group whose key and states were added last.
    fn add(&mut self, order: Order, hash: u64) -> Result<usize> {
        let group = self.len;
        let number = u32::try_from(group).map_err(|_| {
            let message = "there are more than four billion groups";
            Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        })?;
        self.len += 1;
        self.order = order;
        if order == Order::Hashed {
            self.enter(hash, number);
        }
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
            let group = match self.place_of(key) {
                Place::Group(group) => group,
                Place::New(order, hash) => {
                    self.keys.extend(others.keys.by_ref().take(self.key_width));
                    self.seen.extend(others.seen.by_ref().take(self.calls));
                    self.add(order, hash)?;
                    continue;
                }
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

    /// Takes all groups but the last one.
    pub(super) fn take_complete(&mut self) -> GroupsIter {
        let complete = self.len.saturating_sub(1);
        self.codes.clear();
        let last_key = self.keys.split_off(complete * self.key_width);
        let last_seen = self.seen.split_off(complete * self.calls);
        let keys = std::mem::replace(&mut self.keys, last_key);
        let seen = std::mem::replace(&mut self.seen, last_seen);
        self.len -= complete;
        if self.order == Order::Hashed && complete > 0 {
            self.hash_all();
        }
        GroupsIter {
            key_width: self.key_width,
            calls: self.calls,
            left: complete,
            keys: keys.into_iter(),
            seen: seen.into_iter(),
        }
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
