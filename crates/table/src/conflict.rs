//! ON CONFLICT: finding the row that is in the way.
//!
//! The entry is looked for before its key is locked: where there is one, its row is what the
//! statement goes on with, and the caller locks that, as strongly as it needs. Where there is none
//! the key is locked, so that nobody inserts it before the statement does.

use rustdb_txn::{IsolationLevel, RowState, Transaction};
use rustdb_types::{Oid, Value};

use crate::statement::Statement;
use crate::table::{RowKey, RowKeyFormat, Table};
use crate::{Error, Result};

impl Table {
    /// The row that an insert of `row` would collide with in a unique index (or in the key that
    /// rows are sorted by), in the newest state; waits for others who insert or delete it. If
    /// there is none, none comes before the transaction ends. The row that is found is not locked:
    /// if [`Table::lock`] finds it gone or with another key, the caller looks again.
    ///
    /// Above READ COMMITTED a row that is not as the snapshot has it is an error (40001).
    pub fn find_conflict(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        index: Oid,
        statement: &mut Statement,
    ) -> Result<Option<RowKey>> {
        let found = match self
            .indexes
            .iter()
            .position(|each| each.definition.oid == index)
        {
            Some(index) => self.conflict_in_index(transaction, row, index, statement)?,
            None => self.conflict_in_rows(transaction, row, statement)?,
        };
        let Some((key, state)) = found else {
            return Ok(None);
        };
        if transaction.isolation() != IsolationLevel::ReadCommitted && state == RowState::Changed {
            return Err(Error::serialization("concurrent update"));
        }
        Ok(Some(key))
    }

    fn conflict_in_rows(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<Option<(RowKey, RowState)>> {
        if matches!(self.key, RowKeyFormat::Hidden(_)) {
            return Err(Error::internal("rows are not sorted by this index"));
        }
        let key = &mut statement.buffers.row_key;
        self.encode_row_key(row, key)?;
        loop {
            if transaction.get_newest(self.keyspace, key)?.is_some() {
                let state = transaction.outlast_removal(self.keyspace, key, statement.wait)?;
                if transaction.get_newest(self.keyspace, key)?.is_some() {
                    return Ok(Some((RowKey::copy_from(key), state)));
                }
            }
            if transaction.lock_absent(self.keyspace, key, statement.wait)? {
                return Ok(None);
            }
        }
    }

    fn conflict_in_index(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        index: usize,
        statement: &mut Statement,
    ) -> Result<Option<(RowKey, RowState)>> {
        let index = &self.indexes[index];
        if !index.is_exclusive() {
            return Err(Error::new(
                rustdb_types::SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters",
            ));
        }
        if !index.holds(self, row)? {
            return Ok(None);
        }
        let key = &mut statement.buffers.key;
        let entry = index.encode_key(self, row, &[], key)?;
        if !entry.is_alone {
            return Ok(None);
        }
        loop {
            let Some(value) = transaction.get_newest(index.keyspace, key)? else {
                match transaction.lock_absent(index.keyspace, key, statement.wait)? {
                    true => return Ok(None),
                    false => continue,
                }
            };
            let row_key = RowKey::copy_from(index.row_key(key, &value, &mut Vec::new())?);
            // Whoever is deleting the row, or giving it another key, is waited for.
            let wait = statement.wait;
            let state = transaction.outlast_removal(self.keyspace, &row_key, wait)?;
            if let Some(value) = transaction.get_newest(index.keyspace, key)?
                && *index.row_key(key, &value, &mut Vec::new())? == *row_key
            {
                return Ok(Some((row_key, state)));
            }
        }
    }
}
