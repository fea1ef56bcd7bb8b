//! One row per key.
//!
//! The lock of a key is the right to change who has it. Whoever adds the entry of a unique key, or
//! takes it away, holds the key's lock to the end of the transaction, and reads the newest
//! committed entry under it: a second inserter waits for the first, and a row that is being
//! deleted is waited for too. The key of a row is its own lock.

use rustdb_txn::{RowMode, Transaction};
use rustdb_types::Value;

use crate::Result;
use crate::entry::TableIndex;
use crate::statement::Statement;
use crate::table::{RowKeyFormat, Table};

impl Table {
    /// Adds a row's entry to an index. The row's key is in the statement's buffer.
    pub(crate) fn insert_entry(
        &self,
        transaction: &mut Transaction,
        index: &TableIndex,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        if !index.holds(self, row)? {
            return Ok(());
        }
        let buffers = &mut statement.buffers;
        let entry = index.encode_key(self, row, &buffers.row_key, &mut buffers.key)?;
        index.encode_value(row, &buffers.row_key, entry.is_alone, &mut buffers.value)?;
        if !entry.is_alone {
            transaction.insert_new(index.keyspace, &buffers.key, &buffers.value)?;
            return Ok(());
        }
        let wait = statement.wait;
        transaction.lock_row(index.keyspace, &buffers.key, RowMode::Update, wait)?;
        match transaction.insert_locked(index.keyspace, &buffers.key, &buffers.value)? {
            true => Ok(()),
            false => Err(self.duplicate_entry(index, row, statement)?),
        }
    }

    /// Takes the entry of a row, whose key is in the statement's buffer, out of an index.
    pub(crate) fn remove_entry(
        &self,
        transaction: &mut Transaction,
        index: &TableIndex,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        if !index.holds(self, row)? {
            return Ok(());
        }
        let buffers = &mut statement.buffers;
        let entry = index.encode_key(self, row, &buffers.row_key, &mut buffers.key)?;
        if entry.is_alone {
            let wait = statement.wait;
            transaction.lock_row(index.keyspace, &buffers.key, RowMode::Update, wait)?;
        }
        transaction.remove_locked(index.keyspace, &buffers.key)?;
        Ok(())
    }

    fn duplicate_entry(
        &self,
        index: &TableIndex,
        row: &[Value],
        statement: &Statement,
    ) -> Result<crate::Error> {
        let mut values = Vec::new();
        for column in 0..index.columns.len() {
            values.push(index.value(self, column, row)?);
        }
        let key = self.index_key_text(index, &values, &statement.settings);
        Ok(self.duplicate_key(&index.definition.name, &key))
    }

    /// The error of a second row with the same row key.
    pub(crate) fn duplicate_row(&self, row: &[Value], statement: &Statement) -> crate::Error {
        let RowKeyFormat::Columns(columns) = &self.key else {
            return crate::Error::internal("two rows have the same hidden key");
        };
        let places = columns.iter().map(|(place, _)| *place);
        let values = columns.iter().map(|(place, _)| &row[*place]);
        let key = self.key_text(places, values, &statement.settings);
        let name = self
            .definition
            .primary_key()
            .map_or("", |constraint| constraint.name.as_str());
        self.duplicate_key(name, &key)
    }
}
