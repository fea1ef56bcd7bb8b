//! One row changed without a transaction.
//!
//! A statement of its own that changes a row by its key, and nothing that an index, a key or a foreign
//! key has to do with, writes one value under one key. The engine does that as one step if nobody
//! else has written the key since it was read, which is as good as a transaction and costs a half of
//! it: no snapshot, no lock of the row, no set of writes.
//!
//! Locks of rows are respected: who meets one gives up, and is to do it in a transaction, which waits.
//! So is it with all that may go wrong. The table itself is locked by the caller.

use rustdb_txn::{Durability, KeyspaceRef, Slice, Transaction, TransactionManager, Tried, Update};
use rustdb_types::{Oid, RowView, Settings, Value};

use crate::Result;
use crate::table::{RowKeyFormat, Table};

/// What became of a row that was to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// There is another row in its place, and it is committed.
    Written,
    /// It was to stay as it is.
    Kept,
    /// There is no such row.
    Absent,
    /// Nothing was done: it takes a transaction.
    GivenUp,
}

impl Table {
    /// Whether a change of some columns, given by their places, writes no more than the row.
    pub fn is_only_row(&self, is_changed: impl Fn(usize) -> bool) -> bool {
        let RowKeyFormat::Columns(key) = &self.key else {
            return false;
        };
        let mut places = key.iter().map(|(place, _)| place).chain(&self.key_columns);
        let mut foreign = self.foreign_keys.iter().flat_map(|key| &key.places);
        !places.any(|place| is_changed(*place))
            && !foreign.any(|place| is_changed(*place))
            && !self
                .indexes
                .iter()
                .any(|index| index.is_affected(|place| !is_changed(place)))
    }

    /// The columns that a deletion of a row asks for, if that is all it takes: the entries of indexes go
    /// with the row, and nothing refers to it.
    pub fn places_of_entries(&self) -> Option<Vec<usize>> {
        let is_of_entry = |place: &usize| {
            let mut indexes = self.indexes.iter();
            indexes.any(|index| index.is_affected(|other| other != *place))
        };
        let is_referred_to = !self.definition.referenced_by.is_empty();
        (!is_referred_to).then(|| (0..self.layout.len()).filter(is_of_entry).collect())
    }

    /// Whether who inserts a row, or deletes one that no other table refers to, takes no lock but
    /// the row's, and evaluates no expression: there are no checks, no foreign keys, and no other
    /// index that is unique or computes something.
    pub fn locks_only_row(&self) -> bool {
        let mut indexes = self.indexes.iter();
        self.is_unchecked()
            && self.foreign_keys.is_empty()
            && indexes.all(|index| !index.definition.unique && index.reads.is_some())
    }

    /// Whether this is the unique index that rows are sorted by.
    pub fn is_sorted_by(&self, index: Oid) -> bool {
        let is_own = |each: &rustdb_catalog::Index| each.oid == index && each.keyspace.is_none();
        matches!(self.key, RowKeyFormat::Columns(_))
            && self.definition.indexes.iter().any(|each| is_own(each))
    }

    /// Puts the key of a row into `out`; `false` if the row breaks NOT NULL or CHECK.
    pub fn key_of_sound(
        &self,
        row: &[Value],
        settings: &Settings,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        if self.check_values(row, settings).is_err() {
            return Ok(false);
        }
        self.encode_row_key(row, out)?;
        Ok(true)
    }

    /// Puts another row in the place of the newest committed one under a key. `change` makes its
    /// bytes of the stored ones, and is asked again if those have changed meanwhile; `false` leaves
    /// it as it is. It must not change anything but what [`Table::is_only_row`] was asked about.
    pub fn replace_committed<E>(
        &self,
        manager: &TransactionManager,
        key: &[u8],
        durability: Durability,
        mut change: impl FnMut(&[u8], &mut Vec<u8>) -> Result<bool, E>,
    ) -> Result<Replaced> {
        let mut otherwise = Replaced::Kept;
        let keyspace: KeyspaceRef = self.keyspace;
        let tried = manager.try_update(keyspace, key, durability, |stored| {
            let made = match stored {
                Some(stored) => remade(stored, &mut change),
                None => Err(Replaced::Absent),
            };
            match made {
                Ok(bytes) => Update::Put(bytes),
                Err(why) => {
                    otherwise = why;
                    Update::Keep
                }
            }
        })?;
        Ok(match tried {
            Tried::Written(_) => Replaced::Written,
            Tried::Kept => otherwise,
            Tried::Busy => Replaced::GivenUp,
        })
    }

    /// The stored bytes of a row, as the transaction sees it.
    pub fn get_stored(&self, transaction: &Transaction, key: &[u8]) -> Result<Option<Slice>> {
        Ok(transaction.get(self.keyspace, key)?)
    }

    /// Puts some columns of a stored row into their places among values; the others stay.
    pub fn decode_places(&self, stored: &[u8], places: &[usize], row: &mut [Value]) -> Result<()> {
        let view = RowView::new(&self.layout, stored)?;
        for place in places {
            row[*place] = view.get(*place)?;
        }
        Ok(())
    }

    /// Puts all columns of a stored row into their places among values.
    pub fn decode_row(&self, stored: &[u8], row: &mut [Value]) -> Result<()> {
        let view = RowView::new(&self.layout, stored)?;
        for (place, value) in row.iter_mut().enumerate() {
            *value = view.get(place)?;
        }
        Ok(())
    }

    /// Puts the bytes of a row into `out`; an error if it breaks NOT NULL or CHECK.
    pub fn encode_sound(
        &self,
        row: &[Value],
        settings: &Settings,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.check_values(row, settings)?;
        Ok(self.layout.encode(row, out)?)
    }

    /// Whether a row is sound if its columns are: it has no CHECK constraints.
    pub fn is_unchecked(&self) -> bool {
        self.checks.is_empty()
    }

    /// Puts other bytes in the place of a row whose lock the caller holds in NO KEY UPDATE or a
    /// stronger mode, where [`Table::is_only_row`] says yes to what changes, and the new row is
    /// known to be sound.
    pub fn replace_stored(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        row: &[u8],
    ) -> Result<()> {
        Ok(transaction.replace_locked(self.keyspace, key, row)?)
    }
}

/// The bytes of the row that a stored one is to become, or why there are none.
fn remade<E>(
    stored: &[u8],
    change: &mut impl FnMut(&[u8], &mut Vec<u8>) -> Result<bool, E>,
) -> Result<Vec<u8>, Replaced> {
    let mut bytes = Vec::with_capacity(stored.len() + 16);
    match change(stored, &mut bytes) {
        Ok(true) => Ok(bytes),
        Ok(false) => Err(Replaced::Kept),
        Err(_) => Err(Replaced::GivenUp),
    }
}
