//! Writing rows: the row, then the entries of its indexes.

use rustdb_txn::{LockError, RowMode, Transaction, Wait};
use rustdb_types::{Settings, Value, encode_key};

use crate::entry::check_key_bytes;
use crate::foreign_key::ChildKey;
use crate::statement::Statement;
use crate::table::{Locked, RowKey, RowKeyFormat, Table};
use crate::{Error, Result};

impl Table {
    /// Inserts a row: a value for every column, dropped ones (NULL) included, each of the column's
    /// type. Waits for other transactions that insert or delete the same key. Returns the row's
    /// key.
    pub fn insert(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<RowKey> {
        self.check_row(row, statement)?;
        self.encode_row_key(row, &mut statement.buffers.row_key)?;
        self.insert_keyed(transaction, row, statement)?;
        let row_key = RowKey::copy_from(&statement.buffers.row_key);
        self.refer_all(transaction, row, |_| true, statement)?;
        Ok(row_key)
    }

    /// Writes a row that was checked, under the key in the statement's buffer.
    pub(crate) fn insert_keyed(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        let is_locking = statement.locks_rows_of(self);
        let buffers = &mut statement.buffers;
        buffers.row.clear();
        self.layout.encode(row, &mut buffers.row)?;
        match &self.key {
            RowKeyFormat::Hidden(_) => {
                transaction.insert_new(self.keyspace, &buffers.row_key, &buffers.row)?;
            }
            RowKeyFormat::Columns(_) => {
                if is_locking {
                    let key = &buffers.row_key;
                    if !self.lock_new(transaction, key, statement.wait)? {
                        return Err(self.duplicate_row(row, statement));
                    }
                }
                if !transaction.insert_locked(self.keyspace, &buffers.row_key, &buffers.row)? {
                    return Err(self.duplicate_row(row, statement));
                }
            }
        }
        for index in &self.indexes {
            self.insert_entry(transaction, index, row, statement)?;
        }
        Ok(())
    }

    /// Locks the key of a row that is to be inserted; whether there may be none yet. Who has merely
    /// locked the row that is there is not waited for.
    fn lock_new(&self, transaction: &mut Transaction, key: &[u8], wait: Wait) -> Result<bool> {
        let keyspace = self.keyspace;
        match transaction.lock_row(keyspace, key, RowMode::Update, Wait::No) {
            Err(rustdb_txn::Error::Lock(LockError::NotAvailable)) => (),
            locked => return Ok(locked.map(|_| true)?),
        }
        if transaction.get_newest(keyspace, key)?.is_some() {
            transaction.outlast_removal(keyspace, key, wait)?;
            if transaction.get_newest(keyspace, key)?.is_some() {
                return Ok(false);
            }
        }
        transaction.lock_row(keyspace, key, RowMode::Update, wait)?;
        Ok(true)
    }

    /// Replaces a row. `old` is the row as it is now: the caller has locked it and, where the lock
    /// was waited for, read it again. Returns the row's new key.
    pub fn update(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        new: &[Value],
        statement: &mut Statement,
    ) -> Result<RowKey> {
        self.lock_present(transaction, key, RowMode::NoKeyUpdate, statement)?;
        self.update_locked(transaction, key, old, new, statement)
    }

    /// As [`Table::update`], for a caller that holds the row's lock in NO KEY UPDATE or a stronger
    /// mode.
    pub fn update_locked(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        new: &[Value],
        statement: &mut Statement,
    ) -> Result<RowKey> {
        self.check_row(new, statement)?;
        let is_rekeyed = self.key_columns.iter().any(|at| old[*at] != new[*at]);
        if is_rekeyed {
            self.lock_present(transaction, key, RowMode::Update, statement)?;
        }
        let buffers = &mut statement.buffers;
        match &self.key {
            RowKeyFormat::Hidden(_) => {
                buffers.row_key.clear();
                buffers.row_key.extend_from_slice(key);
            }
            RowKeyFormat::Columns(_) => self.encode_row_key(new, &mut buffers.row_key)?,
        }
        if *buffers.row_key != *key {
            self.remove_row(transaction, key, old, statement)?;
            self.encode_row_key(new, &mut statement.buffers.row_key)?;
            self.insert_keyed(transaction, new, statement)?;
            transaction.note_moved(self.keyspace, key, &statement.buffers.row_key);
        } else {
            buffers.row.clear();
            self.layout.encode(new, &mut buffers.row)?;
            transaction.replace_locked(self.keyspace, key, &buffers.row)?;
            self.update_entries(transaction, old, new, statement)?;
        }
        let row_key = RowKey::copy_from(&statement.buffers.row_key);
        if is_rekeyed {
            self.note_gone_key(old, Some(new), statement);
        }
        // Under another key it is another row for what may be left to look at.
        let is_moved = *row_key != *key;
        let is_wanted =
            |foreign: &ChildKey| is_moved || foreign.places.iter().any(|at| old[*at] != new[*at]);
        self.refer_all(transaction, new, is_wanted, statement)?;
        Ok(row_key)
    }

    /// Brings the indexes from one row to another with the same key, which is in the buffer.
    fn update_entries(
        &self,
        transaction: &mut Transaction,
        old: &[Value],
        new: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        for index in &self.indexes {
            if index.is_affected(|place| is_same(&old[place], &new[place])) {
                self.remove_entry(transaction, index, old, statement)?;
                self.insert_entry(transaction, index, new, statement)?;
            }
        }
        Ok(())
    }

    /// Deletes a row. `old` is the row as it is now, as in [`Table::update`].
    pub fn delete(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        self.lock_present(transaction, key, RowMode::Update, statement)?;
        self.delete_locked(transaction, key, old, statement)
    }

    /// As [`Table::delete`], for a caller that holds the row's lock in UPDATE mode.
    pub fn delete_locked(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        self.remove_row(transaction, key, old, statement)?;
        self.note_gone_key(old, None, statement);
        Ok(())
    }

    fn remove_row(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        statement: &mut Statement,
    ) -> Result<()> {
        let buffer = &mut statement.buffers.row_key;
        buffer.clear();
        buffer.extend_from_slice(key);
        transaction.remove_locked(self.keyspace, key)?;
        for index in &self.indexes {
            self.remove_entry(transaction, index, old, statement)?;
        }
        Ok(())
    }

    /// Locks a row that is to be changed, and that the caller has read.
    fn lock_present(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        mode: RowMode,
        statement: &Statement,
    ) -> Result<()> {
        match self.lock(transaction, key, mode, statement.wait)? {
            Locked::Unchanged | Locked::Changed => Ok(()),
            Locked::Gone => Err(Error::internal("a row that is not there cannot be changed")),
        }
    }

    /// Fails if a row breaks NOT NULL or CHECK. Whoever writes it sees to that anyway; this is to
    /// know it before something else.
    pub fn check_row(&self, row: &[Value], statement: &Statement) -> Result<()> {
        self.check_values(row, &statement.settings)
    }

    /// As [`Table::check_row`]; `settings` print values in messages.
    pub(crate) fn check_values(&self, row: &[Value], settings: &Settings) -> Result<()> {
        if row.len() != self.layout.len() {
            return Err(Error::internal("a row has not as many values as columns"));
        }
        for place in &self.not_null {
            if row[*place].is_null() {
                return Err(self.null_value(*place, row, settings));
            }
        }
        for place in &self.checks {
            if self.expressions()?.check(*place, row)? == Some(false) {
                let constraint = &self.definition.constraints[*place];
                return Err(self.check_failed(constraint, row, settings));
            }
        }
        Ok(())
    }

    /// Puts the key of a row into `out`; a new one if it is hidden.
    pub(crate) fn encode_row_key(&self, row: &[Value], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        match &self.key {
            RowKeyFormat::Hidden(row_ids) => out.extend_from_slice(&row_ids.take().to_be_bytes()),
            RowKeyFormat::Columns(columns) => {
                for (place, column) in columns {
                    encode_key(column, &row[*place], out)?;
                }
                self.check_row_key(out.len())?;
            }
        }
        Ok(())
    }

    /// Refuses a row's key that is longer than keys are.
    pub(crate) fn check_row_key(&self, bytes: usize) -> Result<()> {
        check_key_bytes(bytes, || {
            let key = self.definition.primary_key();
            key.map_or("", |key| key.name.as_str())
        })
    }
}

/// Whether two values are the same to the last detail, as far as that is cheap to know: values of
/// the types whose order overlooks something may be the same and are not found to be.
fn is_same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Null, Value::Null) => true,
        (Value::Float4(one), Value::Float4(two)) => one.to_bits() == two.to_bits(),
        (Value::Float8(one), Value::Float8(two)) => one.to_bits() == two.to_bits(),
        (
            Value::Numeric(_)
            | Value::Interval(_)
            | Value::Jsonb(_)
            | Value::Json(_)
            | Value::Array(_)
            | Value::Vector(_)
            | Value::Record(_),
            _,
        ) => false,
        (one, two) => one == two,
    }
}
