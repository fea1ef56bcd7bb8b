//! One row per key.
//!
//! The lock of a key is the right to change who has it. Whoever adds the entry of a unique key, or
//! takes it away, holds the key's lock to the end of the transaction, and reads the newest
//! committed entry under it: a second inserter waits for the first, and a row that is being
//! deleted is waited for too. The key of a row is its own lock.

use rustdb_txn::{KeyRange, RowMode, Transaction};
use rustdb_types::{Oid, Value};

use crate::Result;
use crate::entry::TableIndex;
use crate::foreign_key::Event;
use crate::scan::Projection;
use crate::statement::Statement;
use crate::table::{RowKey, RowKeyFormat, Table};

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
        let is_locking = statement.locks_rows_of(self);
        let buffers = &mut statement.buffers;
        let entry = index.encode_key(self, row, &buffers.row_key, &mut buffers.key)?;
        index.encode_value(row, &buffers.row_key, entry.is_alone, &mut buffers.value)?;
        if !entry.is_alone {
            transaction.insert_new(index.keyspace, &buffers.key, &buffers.value)?;
            if index.definition.deferrable && !entry.has_null {
                statement.events.push_back(Event::Unique {
                    table: self.oid(),
                    index: index.definition.oid,
                    columns: buffers.key[..entry.columns_end].into(),
                    row_key: RowKey::copy_from(&buffers.row_key),
                });
            }
            return Ok(());
        }
        if is_locking {
            let (mode, wait) = (RowMode::Update, statement.wait);
            transaction.lock_row(index.keyspace, &buffers.key, mode, wait)?;
        }
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

    /// Fails if the key of a deferrable index has more than one row in the newest state. The lock
    /// of the key makes those who look at it take turns.
    pub(crate) fn check_alone(
        &self,
        transaction: &mut Transaction,
        index: Oid,
        columns: &[u8],
        row_key: &[u8],
        statement: &Statement,
    ) -> Result<()> {
        let index = self.index(index)?;
        transaction.lock_row(index.keyspace, columns, RowMode::Update, statement.wait)?;
        let mut waited_for: Vec<RowKey> = Vec::new();
        loop {
            let mut others = Vec::new();
            let mut is_there = false;
            let range = KeyRange::prefix(columns);
            let mut scan = transaction.scan_newest(index.keyspace, range)?;
            while let Some((key, _)) = scan.next(transaction)? {
                match &key[columns.len()..] {
                    own if own == row_key => is_there = true,
                    other => others.push(RowKey::copy_from(other)),
                }
            }
            if !is_there || others.is_empty() {
                return Ok(());
            }
            // Another row's transaction may be about to take it away.
            let new = others.into_iter().find(|each| !waited_for.contains(each));
            let Some(other) = new else {
                let mut row = Vec::new();
                self.get_newest(transaction, row_key, &Projection::All, &mut row)?;
                return Err(self.duplicate_entry(index, &row, statement)?);
            };
            transaction.outlast_removal(self.keyspace, &other, statement.wait)?;
            waited_for.push(other);
        }
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
