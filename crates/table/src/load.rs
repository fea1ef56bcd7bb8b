//! Loading an empty table.
//!
//! Where a row is no more than an entry under its key, and rows come in the order of their keys, they
//! are written to files as they come, and those become the table's when the load commits. A row
//! that comes out of order ends that; it and those after it are inserted as others are, which
//! also finds out whether its key was there before.

use rustdb_txn::{AscendingEntries, Transaction};
use rustdb_types::Value;

use crate::Result;
use crate::statement::Statement;
use crate::table::{RowKeyFormat, Table};

/// The rows of a load so far, which nobody sees.
#[derive(Debug)]
pub struct Load(AscendingEntries);

impl Table {
    /// Begins a load. `None` if rows have to be inserted one by one: there are some, or the table has
    /// indexes or foreign keys, or it is not [assumed](Statement::assume_exclusive) that nobody
    /// else writes it.
    pub fn start_load(
        &self,
        transaction: &Transaction,
        statement: &Statement,
    ) -> Result<Option<Load>> {
        let is_bare = self.indexes.is_empty() && self.foreign_keys.is_empty();
        if !is_bare || statement.locks_rows_of(self) {
            return Ok(None);
        }
        let entries = transaction.ascending_entries(self.keyspace)?;
        Ok(entries.map(Load))
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

    /// Takes a row, as [`Table::insert`] does. `false`, and it is not taken, if it comes out of order:
    /// then the load is to be [ended](Table::finish_load) and the row inserted.
    pub fn load(&self, load: &mut Load, row: &[Value], statement: &mut Statement) -> Result<bool> {
        self.check_row(row, statement)?;
        let buffers = &mut statement.buffers;
        self.encode_row_key(row, &mut buffers.row_key)?;
        buffers.row.clear();
        self.layout.encode(row, &mut buffers.row)?;
        Ok(load.0.push(&buffers.row_key, &buffers.row)?)
    }

    /// Makes the rows of a load rows that the transaction has written.
    pub fn finish_load(&self, transaction: &mut Transaction, load: Load) -> Result<()> {
        transaction.write_ascending(load.0)?;
        Ok(())
    }
}
