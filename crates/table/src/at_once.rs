//! One row changed without a transaction.
//!
//! A statement of its own that changes a row by its key, and nothing that an index, a key or a foreign
//! key has to do with, writes one value under one key. The engine does that as one step if nobody
//! else has written the key since it was read, which is as good as a transaction and costs a half of
//! it: no snapshot, no lock of the row, no set of writes.
//!
//! Locks of rows are respected: who meets one gives up, and is to do it in a transaction, which waits.
//! So is it with all that may go wrong. The table itself is locked by the caller.

use rustdb_txn::{Durability, KeyspaceRef, TransactionManager, Tried, Update};
use rustdb_types::{Oid, Settings, Value};

use crate::Result;
use crate::table::{RowKey, RowKeyFormat, Table};

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

    /// Whether this is the unique index that rows are sorted by.
    pub fn is_sorted_by(&self, index: Oid) -> bool {
        let is_own = |each: &rustdb_catalog::Index| each.oid == index && each.keyspace.is_none();
        matches!(self.key, RowKeyFormat::Columns(_))
            && self.definition.indexes.iter().any(|each| is_own(each))
    }

    /// The key of a row, `None` if the row breaks NOT NULL or CHECK.
    pub fn key_of_sound(&self, row: &[Value], settings: &Settings) -> Result<Option<RowKey>> {
        if self.check_values(row, settings).is_err() {
            return Ok(None);
        }
        let mut key = Vec::with_capacity(16);
        self.encode_row_key(row, &mut key)?;
        Ok(Some(RowKey::copy_from(&key)))
    }

    /// Puts another row in the place of the newest committed one under a key. `change` makes it of the
    /// stored one, and is asked again if that has changed meanwhile; `None` leaves it as it is. It
    /// must not change anything but what [`Table::is_only_row`] was asked about.
    pub fn replace_committed<E>(
        &self,
        manager: &TransactionManager,
        key: &[u8],
        durability: Durability,
        settings: &Settings,
        mut change: impl FnMut(&[u8]) -> Result<Option<Vec<Value>>, E>,
    ) -> Result<Replaced> {
        let mut otherwise = Replaced::Kept;
        let keyspace: KeyspaceRef = self.keyspace;
        let tried = manager.try_update(keyspace, key, durability, |stored| {
            let made = match stored {
                Some(stored) => self.remade(stored, settings, &mut change),
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

    /// The bytes of the row that a stored one is to become, or why there are none.
    fn remade<E>(
        &self,
        stored: &[u8],
        settings: &Settings,
        change: &mut impl FnMut(&[u8]) -> Result<Option<Vec<Value>>, E>,
    ) -> Result<Vec<u8>, Replaced> {
        let given_up = Replaced::GivenUp;
        let row = change(stored).map_err(|_| given_up)?;
        let row = row.ok_or(Replaced::Kept)?;
        let is_sound = self.check_values(&row, settings);
        is_sound.map_err(|_| given_up)?;
        let mut bytes = Vec::with_capacity(stored.len() + 16);
        let encoded = self.layout.encode(&row, &mut bytes);
        encoded.map(|()| bytes).map_err(|_| given_up)
    }
}
