//! Rows that the entries of an index lead to, many at a time.
//!
//! The entries come first, as far as rows are wanted; then their rows are looked up, one after the
//! other, in one visit of the engine, and go from where they are stored into columns.

use rustdb_txn::{Transaction, Visitor};
use rustdb_types::{ColumnVector, RowReader, Value};

use crate::entry::TableIndex;
use crate::scan::IndexScan;
use crate::table::Table;
use crate::{Error, Result};

/// About how long the keys of rows are that room is made for.
const KEY_BYTES: usize = 8;

/// Keys of rows, one after the other.
#[derive(Debug, Default)]
pub struct RowKeys {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl RowKeys {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Makes room for so many more.
    fn reserve(&mut self, keys: usize) {
        self.bytes.reserve(keys * KEY_BYTES);
        self.ends.reserve(keys);
    }

    /// Adds a key.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// The keys, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let key = &self.bytes[start..*end];
            start = *end;
            key
        })
    }
}

/// Takes the keys of rows out of entries.
struct Collecting<'a> {
    index: &'a TableIndex,
    scratch: &'a mut Vec<Value>,
    /// The columns of the entry before, as they are in its key.
    columns: &'a mut Vec<u8>,
    keys: &'a mut RowKeys,
}

impl Visitor<Error> for Collecting<'_> {
    fn wants_keys(&self) -> bool {
        true
    }

    fn value(&mut self, _: &[u8]) -> Result<()> {
        Err(Error::internal("an entry was shown without its key"))
    }

    #[inline]
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        // Columns end where they say: the same bytes are the same columns.
        if !self.index.is_exclusive()
            && !self.columns.is_empty()
            && let Some(row_key) = key.strip_prefix(&self.columns[..])
        {
            self.keys.push(row_key);
            return Ok(());
        }
        let row_key = self.index.row_key(key, value, self.scratch)?;
        if let Some(columns) = key.strip_suffix(row_key) {
            self.columns.clear();
            self.columns.extend_from_slice(columns);
        }
        self.keys.push(row_key);
        Ok(())
    }
}

impl IndexScan {
    /// Adds the keys of the rows of the next entries, at most `keys_max`; returns how many there were,
    /// fewer only at the end.
    pub fn row_keys(
        &mut self,
        transaction: &Transaction,
        keys_max: usize,
        keys: &mut RowKeys,
    ) -> Result<usize> {
        keys.reserve(keys_max);
        let mut collecting = Collecting {
            index: &self.table.indexes[self.index],
            scratch: &mut self.keys,
            columns: &mut self.columns_before,
            keys,
        };
        self.scan.visit_with(transaction, keys_max, &mut collecting)
    }
}

impl Table {
    /// Looks up rows by their keys, and appends those that are there to vectors, one for each column of
    /// the reader, which must be one of this table's layout. Returns how many were there.
    pub fn fetch(
        &self,
        transaction: &Transaction,
        keys: &RowKeys,
        reader: &RowReader,
        columns: &mut [ColumnVector],
    ) -> Result<usize> {
        self.fetch_each(transaction, keys, |row| {
            reader.append(&self.layout, &[], row, columns)
        })
    }

    /// The same, row after row.
    pub fn fetch_values(
        &self,
        transaction: &Transaction,
        keys: &RowKeys,
        reader: &RowReader,
        values: &mut Vec<Value>,
    ) -> Result<usize> {
        self.fetch_each(transaction, keys, |row| {
            reader.append_values(&self.layout, &[], row, values)
        })
    }

    fn fetch_each(
        &self,
        transaction: &Transaction,
        keys: &RowKeys,
        mut append: impl FnMut(&[u8]) -> rustdb_types::Result<bool>,
    ) -> Result<usize> {
        let mut rows = 0;
        transaction.get_each(self.keyspace, keys.iter(), |row| {
            if let Some(row) = row {
                append(&row)?;
                rows += 1;
            }
            Ok::<_, Error>(())
        })?;
        Ok(rows)
    }
}
