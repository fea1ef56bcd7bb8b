//! Loading an empty table.
//!
//! ```text
//! rows in the order of their keys ──▶ files, as they come ─┐
//! rows in any order ──▶ memory ──────▶ sorted, to files ───┼──▶ the table's, when the load ends
//! entries of indexes ─▶ memory ──────▶ sorted, to files ───┘
//! ```
//!
//! Nothing is written twice, and nothing is looked up: that a key is new is told by the order of the
//! rows, or by a set of the hashes of all keys that may come once. A row of which that cannot be
//! told ends the load; it and those after it are inserted as others are, which also finds out whether
//! there is another with its key. Nobody sees rows of a load before its end.

use rustdb_txn::{AscendingEntries, BulkEntries, Transaction};
use rustdb_types::{Given, Settings, Value, encode_key, interrupt};

use crate::entry::TableIndex;
use crate::statement::{Buffers, Statement};
use crate::table::{RowKeyFormat, Table};
use crate::{Error, Result};

/// The rows of a load so far, which nobody sees.
#[derive(Debug)]
pub struct Load {
    rows: Rows,
    /// The entries of each index.
    entries: Vec<BulkEntries>,
    /// The entries of a row.
    made: Vec<Made>,
    made_bytes: Vec<u8>,
}

/// The rows themselves.
#[derive(Debug)]
enum Rows {
    Ordered(AscendingEntries),
    Unordered(BulkEntries),
}

/// An entry that is about to be taken.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// Its index.
    index: usize,
    /// Where its key and its value end.
    key_end: usize,
    value_end: usize,
    /// Whether no other entry may have its key.
    is_alone: bool,
}

impl Table {
    /// Begins a load; `is_ordered` if rows are expected in the order of their keys. `None` if rows
    /// have to be inserted one by one: there are some, or the table has foreign keys, or unique keys
    /// that are checked later, or it is not [assumed](Statement::assume_exclusive) that nobody else
    /// writes it.
    pub fn start_load(
        &self,
        transaction: &Transaction,
        statement: &Statement,
        is_ordered: bool,
    ) -> Result<Option<Load>> {
        let is_later = |index: &TableIndex| index.definition.unique && !index.is_exclusive();
        if !self.foreign_keys.is_empty()
            || self.indexes.iter().any(is_later)
            || statement.locks_rows_of(self)
        {
            return Ok(None);
        }
        let indexes = self.indexes.iter().map(|index| index.keyspace);
        for keyspace in indexes.chain([self.keyspace]) {
            if !transaction.is_untouched(keyspace)? {
                return Ok(None);
            }
        }
        let parts = self.indexes.len() + usize::from(!is_ordered);
        let bulk = |keyspace| transaction.bulk_entries(keyspace).among(parts);
        let rows = match is_ordered {
            true => Rows::Ordered(transaction.ascending_entries(self.keyspace)),
            false => Rows::Unordered(bulk(self.keyspace)),
        };
        let entries = self.indexes.iter().map(|index| bulk(index.keyspace));
        Ok(Some(Load {
            rows,
            entries: entries.collect(),
            made: Vec::new(),
            made_bytes: Vec::new(),
        }))
    }

    /// Whether rows come in the order of their keys, as far as those are given.
    pub fn are_ascending<'r>(&self, rows: impl Iterator<Item = &'r [Value]>) -> bool {
        let RowKeyFormat::Columns(_) = &self.key else {
            return true;
        };
        let (mut last, mut next) = (Vec::new(), Vec::new());
        for row in rows {
            let is_given = self.encode_row_key(row, &mut next).is_ok();
            if !is_given || next <= last {
                return false;
            }
            std::mem::swap(&mut last, &mut next);
        }
        true
    }

    /// Takes a row, as [`Table::insert`] does. `false`, and it is not taken, if its key is perhaps
    /// not new, or something may be wrong with it: then the load is to be
    /// [ended](Table::finish_load) and the row inserted.
    pub fn load(&self, load: &mut Load, row: &[Value], statement: &mut Statement) -> Result<bool> {
        self.check_row(row, statement)?;
        let buffers = &mut statement.buffers;
        self.encode_row_key(row, &mut buffers.row_key)?;
        buffers.row.clear();
        self.layout.encode(row, &mut buffers.row)?;
        // What is wrong with an entry is told after what is wrong with the row's key.
        let is_made = self.make_entries(load, row, buffers);
        if !is_made.is_ok_and(|()| load.has_new_entries()) {
            return Ok(false);
        }
        let is_taken = load.take_row(&buffers.row_key, &buffers.row)?;
        if is_taken {
            load.take_entries()?;
        }
        Ok(is_taken)
    }

    /// Whether a row of a load is no more than its key and its bytes, which take nothing but its
    /// values to make.
    pub fn stores_at_once(&self) -> bool {
        self.indexes.is_empty() && self.is_unchecked()
    }

    /// Appends what a load has of a row where [that is all](Self::stores_at_once): its key, unless it
    /// is hidden, and its bytes. Returns where the key ends. An error if the row breaks NOT NULL.
    pub fn encode_for_load(
        &self,
        row: &[Given<'_>],
        settings: &Settings,
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        if self.not_null.iter().any(|place| row[*place].is_null()) {
            let row: Vec<Value> = row.iter().map(Given::to_value).collect();
            self.check_values(&row, settings)?;
        }
        if let RowKeyFormat::Columns(columns) = &self.key {
            let start = out.len();
            for (place, column) in columns {
                encode_key(column, &row[*place].to_value(), out)?;
            }
            self.check_row_key(out.len() - start)?;
        }
        let key_end = out.len();
        self.layout.encode_given(row, out)?;
        Ok(key_end)
    }

    /// As [`Table::load`], of what [was made](Self::encode_for_load) of a row.
    pub fn load_stored(&self, load: &mut Load, key: &[u8], row: &[u8]) -> Result<bool> {
        let hidden;
        let key = match &self.key {
            RowKeyFormat::Columns(_) => key,
            RowKeyFormat::Hidden(ids) => {
                hidden = ids.take().to_be_bytes();
                &hidden
            }
        };
        load.take_row(key, row)
    }

    /// Makes the entries of a row; its key is in the buffer.
    fn make_entries(&self, load: &mut Load, row: &[Value], buffers: &mut Buffers) -> Result<()> {
        load.made.clear();
        load.made_bytes.clear();
        for (number, index) in self.indexes.iter().enumerate() {
            if !index.holds(self, row)? {
                continue;
            }
            let row_key = &buffers.row_key;
            let entry = index.encode_key(self, row, row_key, &mut buffers.key)?;
            index.encode_value(row, row_key, entry.is_alone, &mut buffers.value)?;
            load.made_bytes.extend_from_slice(&buffers.key);
            let key_end = load.made_bytes.len();
            load.made_bytes.extend_from_slice(&buffers.value);
            load.made.push(Made {
                index: number,
                key_end,
                value_end: load.made_bytes.len(),
                is_alone: entry.is_alone,
            });
        }
        Ok(())
    }

    /// Makes the rows of a load rows that the transaction has written.
    pub fn finish_load(&self, transaction: &mut Transaction, load: Load) -> Result<()> {
        match load.rows {
            Rows::Ordered(rows) => transaction.write_ascending(rows).map(drop)?,
            Rows::Unordered(rows) => write_all(transaction, rows)?,
        }
        let mut entries = load.entries.into_iter();
        entries.try_for_each(|entries| write_all(transaction, entries))
    }
}

impl Load {
    /// Takes a row, unless its key is perhaps not new.
    fn take_row(&mut self, key: &[u8], row: &[u8]) -> Result<bool> {
        Ok(match &mut self.rows {
            Rows::Ordered(rows) => rows.push(key, row)?,
            Rows::Unordered(rows) => rows.push_once(key, row)?,
        })
    }

    /// Whether the keys of the entries that were made are new, as far as they have to be.
    fn has_new_entries(&mut self) -> bool {
        let mut start = 0;
        for made in &self.made {
            let key = &self.made_bytes[start..made.key_end];
            if made.is_alone && !self.entries[made.index].is_new(key) {
                return false;
            }
            start = made.value_end;
        }
        true
    }

    /// Takes the entries that were made.
    fn take_entries(&mut self) -> Result<()> {
        let mut start = 0;
        for made in &self.made {
            let key = &self.made_bytes[start..made.key_end];
            let value = &self.made_bytes[made.key_end..made.value_end];
            let entries = &mut self.entries[made.index];
            match made.is_alone {
                true if !entries.push_once(key, value)? => return Err(twice()),
                true => (),
                false => entries.push(key, value)?,
            }
            start = made.value_end;
        }
        Ok(())
    }
}

fn write_all(transaction: &mut Transaction, entries: BulkEntries) -> Result<()> {
    let written = transaction.write_bulk(entries, |_, _| {
        interrupt::spend(interrupt::ROW_UNITS)?;
        Ok::<_, Error>(false)
    });
    match written? {
        Ok(_) => Ok(()),
        Err(_) => Err(twice()),
    }
}

fn twice() -> Error {
    Error::internal("a key came twice in a load")
}
