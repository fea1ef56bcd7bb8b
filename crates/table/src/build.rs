//! Work over all rows of a table: filling an index, validating a constraint, copying rows to new
//! storage.
//!
//! # Filling an index
//!
//! With writers kept out (SHARE lock), all rows of the newest state get an entry in one
//! transaction: [`Table::fill_index`].
//!
//! Beside writers (CONCURRENTLY), in steps, each a transaction of its own:
//!
//! ```text
//! 1  the index is there, write-only      from now on writers keep it up
//! 2  wait for who has a writer's lock    they may not know it yet; who comes later does
//! 3  Table::back_fill, until done        rows get their entries, a few at a time
//! 4  the index is public                 used by snapshots taken from now on
//! ```
//!
//! A row that is back-filled is locked, so that it is as it is read; whoever changes it later
//! keeps its entry up, and whoever changed it before has written an entry, which is the same.

use std::sync::Arc;

use rustdb_txn::{KeyRange, Repeated, RowMode, Transaction};
use rustdb_types::{Oid, RowView, SqlState, Value, interrupt};

use crate::entry::TableIndex;
use crate::scan::Projection;
use crate::statement::Statement;
use crate::table::{RowKey, RowKeyFormat, Table};
use crate::{Error, Result};

/// What [`Table::validate`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// NOT NULL of the column at this place.
    NotNull(usize),
    /// A CHECK constraint or foreign key, by number.
    Constraint(Oid),
}

impl Table {
    /// Writes the entries of all rows into an index that has none. The caller keeps writers out.
    /// Returns how many there are.
    pub fn fill_index(
        &self,
        transaction: &mut Transaction,
        index: Oid,
        statement: &mut Statement,
    ) -> Result<u64> {
        let index = self.index(index)?;
        let mut rows = transaction.scan_newest(self.keyspace, KeyRange::all())?;
        let mut row = Vec::new();
        let mut entries = transaction.bulk_entries(index.keyspace);
        while let Some((key, bytes)) = rows.next(transaction)? {
            interrupt::spend(interrupt::ROW_UNITS)?;
            self.decode_for(index, &bytes, &mut row)?;
            if !index.holds(self, &row)? {
                continue;
            }
            let buffers = &mut statement.buffers;
            let entry = index.encode_key(self, &row, &key, &mut buffers.key)?;
            index.encode_value(&row, &key, entry.is_alone, &mut buffers.value)?;
            entries.push(&buffers.key, &buffers.value)?;
        }
        let written = transaction.write_bulk(entries, |before, key| {
            interrupt::spend(interrupt::ROW_UNITS)?;
            index.is_shared(before, key)
        });
        match written? {
            Ok(entries) => Ok(entries),
            Err(Repeated { key, value }) => {
                let row_key = RowKey::copy_from(index.row_key(&key, &value, &mut Vec::new())?);
                row.clear();
                self.get_newest(transaction, &row_key, &Projection::All, &mut row)?;
                Err(self.cannot_be_unique(index, &row, statement)?)
            }
        }
    }

    /// Puts the columns that an index reads into a row, whose other columns are NULL.
    fn decode_for(&self, index: &TableIndex, bytes: &[u8], row: &mut Vec<Value>) -> Result<()> {
        let Some(reads) = &index.reads else {
            row.clear();
            return self.decode(bytes, &Projection::All, row);
        };
        row.resize(self.layout.len(), Value::Null);
        let view = RowView::new(&self.layout, bytes)?;
        for place in reads {
            row[*place] = view.get(*place)?;
        }
        Ok(())
    }

    /// Writes the entries of up to `rows_max` rows after the row `from` into an index that is
    /// write-only, beside writers. Returns the last row, to go on from, or `None` when all are
    /// done. Commit after every call: the rows are locked till then.
    pub fn back_fill(
        &self,
        transaction: &mut Transaction,
        index: Oid,
        from: Option<&[u8]>,
        rows_max: usize,
        statement: &mut Statement,
    ) -> Result<Option<RowKey>> {
        let index = self.index(index)?;
        let start = from.map_or_else(Vec::new, |key| [key, &[0]].concat());
        let range = KeyRange { start, end: None };
        let mut rows = transaction.scan_newest(self.keyspace, range)?;
        let mut row = Vec::new();
        for _ in 0..rows_max.max(1) - 1 {
            match rows.next(transaction)? {
                Some((key, _)) => {
                    self.back_fill_row(transaction, index, &key, &mut row, statement)?;
                }
                None => return Ok(None),
            }
        }
        match rows.next(transaction)? {
            Some((key, _)) => {
                self.back_fill_row(transaction, index, &key, &mut row, statement)?;
                Ok(Some(key))
            }
            None => Ok(None),
        }
    }

    fn back_fill_row(
        &self,
        transaction: &mut Transaction,
        index: &TableIndex,
        key: &[u8],
        row: &mut Vec<Value>,
        statement: &mut Statement,
    ) -> Result<()> {
        interrupt::spend(interrupt::ROW_UNITS)?;
        let wait = statement.wait;
        transaction.lock_row(self.keyspace, key, RowMode::Share, wait)?;
        row.clear();
        if !self.get_newest(transaction, key, &Projection::All, row)? || !index.holds(self, row)? {
            return Ok(());
        }
        let buffers = &mut statement.buffers;
        let entry = index.encode_key(self, row, key, &mut buffers.key)?;
        index.encode_value(row, key, entry.is_alone, &mut buffers.value)?;
        if !entry.is_alone {
            transaction.insert_new(index.keyspace, &buffers.key, &buffers.value)?;
            if index.definition.deferrable && !entry.has_null {
                let columns: Box<[u8]> = buffers.key[..entry.columns_end].into();
                let oid = index.definition.oid;
                self.check_alone(transaction, oid, &columns, key, statement)?;
            }
            return Ok(());
        }
        transaction.lock_row(index.keyspace, &buffers.key, RowMode::Update, wait)?;
        if transaction.insert_locked(index.keyspace, &buffers.key, &buffers.value)? {
            return Ok(());
        }
        let there = transaction.get_newest(index.keyspace, &buffers.key)?;
        let own = match &there {
            Some(value) => index.row_key(&buffers.key, value, &mut Vec::new())? == key,
            None => false,
        };
        match own {
            true => Ok(()),
            false => Err(self.cannot_be_unique(index, row, statement)?),
        }
    }

    /// Looks at all rows of the newest state, and the transaction's own.
    pub fn validate(
        &self,
        transaction: &mut Transaction,
        what: Validation,
        statement: &mut Statement,
    ) -> Result<()> {
        let mut rows = transaction.scan_newest(self.keyspace, KeyRange::all())?;
        let constraint = match what {
            Validation::NotNull(_) => None,
            Validation::Constraint(oid) => {
                let mut all = self.definition.constraints.iter();
                let place = all.position(|each| each.oid == oid);
                Some(place.ok_or_else(|| Error::internal("there is no such constraint"))?)
            }
        };
        let foreign = constraint.and_then(|place| {
            let mut keys = self.foreign_keys.iter();
            keys.find(|key| key.constraint == place)
        });
        statement.newest_parents = true;
        let mut row = Vec::new();
        while let Some((_, bytes)) = rows.next(transaction)? {
            interrupt::spend(interrupt::ROW_UNITS)?;
            row.clear();
            self.decode(&bytes, &Projection::All, &mut row)?;
            match (what, constraint, foreign) {
                (Validation::NotNull(place), _, _) if row[place].is_null() => {
                    return Err(self.contains_null(place));
                }
                (_, Some(_), Some(key)) => {
                    if !self.refer(transaction, key, &row, statement)? {
                        return Err(self.no_parent(key, &row, statement)?);
                    }
                }
                (_, Some(place), None) => {
                    if self.expressions()?.check(place, &row)? == Some(false) {
                        return Err(self.violated_by_some_row(place));
                    }
                }
                (Validation::NotNull(_) | Validation::Constraint(_), None, _) => {}
            }
        }
        Ok(())
    }

    /// Copies all rows of the newest state, and the transaction's own, to the table `into`, which
    /// has new storage and no rows. `convert` makes of a row what it is to be. Hidden keys stay.
    pub fn copy_into(
        &self,
        transaction: &mut Transaction,
        into: &Arc<Table>,
        convert: &mut dyn FnMut(&[Value]) -> Result<Vec<Value>>,
        statement: &mut Statement,
    ) -> Result<u64> {
        let mut rows = transaction.scan_newest(self.keyspace, KeyRange::all())?;
        let mut row = Vec::new();
        let mut copied = 0;
        while let Some((key, bytes)) = rows.next(transaction)? {
            interrupt::spend(interrupt::ROW_UNITS)?;
            row.clear();
            self.decode(&bytes, &Projection::All, &mut row)?;
            let new = convert(&row)?;
            into.check_row(&new, statement)?;
            match (&self.key, &into.key) {
                (RowKeyFormat::Hidden(_), RowKeyFormat::Hidden(ids)) => {
                    let buffer = &mut statement.buffers.row_key;
                    buffer.clear();
                    buffer.extend_from_slice(&key);
                    ids.pass(&key);
                }
                _ => into.encode_row_key(&new, &mut statement.buffers.row_key)?,
            }
            into.insert_keyed(transaction, &new, statement)?;
            copied += 1;
        }
        Ok(copied)
    }

    fn contains_null(&self, place: usize) -> Error {
        let (table, column) = (&self.definition.name, &self.definition.columns[place].name);
        Error::new(
            SqlState::NOT_NULL_VIOLATION,
            format!("column \"{column}\" of relation \"{table}\" contains null values"),
        )
        .with_table(table)
        .with_column(column)
    }

    fn violated_by_some_row(&self, place: usize) -> Error {
        let table = &self.definition.name;
        let name = &self.definition.constraints[place].name;
        Error::new(
            SqlState::CHECK_VIOLATION,
            format!("check constraint \"{name}\" of relation \"{table}\" is violated by some row"),
        )
        .with_table(table)
        .with_constraint(name)
    }

    fn cannot_be_unique(
        &self,
        index: &TableIndex,
        row: &[Value],
        statement: &Statement,
    ) -> Result<Error> {
        let name = &index.definition.name;
        let mut values = Vec::new();
        for column in 0..index.columns.len() {
            values.push(index.value(self, column, row)?);
        }
        let key = self.index_key_text(index, &values, &statement.settings);
        Ok(Error::new(
            SqlState::UNIQUE_VIOLATION,
            format!("could not create unique index \"{name}\""),
        )
        .with_detail(format!("Key {key} is duplicated."))
        .with_table(&self.definition.name)
        .with_constraint(name))
    }
}
