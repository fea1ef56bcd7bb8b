//! Reading rows and index entries in order.
//!
//! A scan sees the transaction's own writes, those made while it runs too if they are ahead of it:
//! a statement that moves rows ahead of its own scan has to collect their keys first.

use std::sync::Arc;

use rustdb_txn::{KeyRange, Scan, Slice, Transaction, Visitor};
use rustdb_types::{ColumnVector, Oid, RowLayout, RowReader, RowTest, Value};

use crate::entry::TableIndex;
use crate::key::{self, KeyPart};
use crate::segment::{Filling, ROWS_MIN};
use crate::table::{RowKey, RowKeyFormat, Table};
use crate::{Error, Result};

/// Which columns of a row are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// All, dropped ones included.
    All,
    /// Those at these places, in this order.
    Columns(Vec<usize>),
}

/// A walk through rows, from either end.
#[derive(Debug)]
pub struct TableScan {
    table: Arc<Table>,
    scan: Scan,
    projection: Projection,
}

/// A row of a scan that was not decoded yet.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    table: &'a Table,
    projection: &'a Projection,
    bytes: &'a [u8],
}

impl StoredRow<'_> {
    /// The columns of the projection.
    pub fn values(&self) -> Result<Vec<Value>> {
        let mut row = Vec::new();
        self.table.decode(self.bytes, self.projection, &mut row)?;
        Ok(row)
    }
}

/// A walk through the entries of an index, from either end.
#[derive(Debug)]
pub struct IndexScan {
    pub(crate) table: Arc<Table>,
    /// Its place among the table's indexes.
    pub(crate) index: usize,
    pub(crate) scan: Scan,
    columns: Vec<Source>,
    /// The key columns of an entry.
    pub(crate) keys: Vec<Value>,
    /// The columns of the entry before, as they are in its key.
    pub(crate) columns_before: Vec<u8>,
}

/// Where a column that an index scan yields comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Key(usize),
    Include(usize),
}

impl Table {
    /// The range of rows whose keys begin with the values `equal`, and whose next key column is
    /// within `part`. For tables that are sorted by columns.
    pub fn key_range(&self, equal: &[Value], part: KeyPart<'_>) -> Result<KeyRange> {
        match &self.key {
            RowKeyFormat::Columns(columns) => {
                key::range(columns.iter().map(|(_, column)| column), equal, part)
            }
            RowKeyFormat::Hidden(_) => Err(Error::internal("rows are not sorted by columns")),
        }
    }

    /// The key of the row with these values in the columns that rows are sorted by: one for each.
    pub fn row_key(&self, values: &[Value]) -> Result<RowKey> {
        let columns = match &self.key {
            RowKeyFormat::Columns(columns) if columns.len() == values.len() => columns,
            _ => return Err(Error::internal("these are not the columns of the row key")),
        };
        if let ([(_, column)], [value]) = (&columns[..], values)
            && let Some(key) = rustdb_types::encode_integer(column, value)
        {
            return Ok(RowKey::copy_from(&key));
        }
        let mut key = Vec::with_capacity(16);
        for ((_, column), value) in columns.iter().zip(values) {
            rustdb_types::encode_key(column, value, &mut key)?;
        }
        Ok(RowKey::copy_from(&key))
    }

    /// The range of entries of an index whose columns begin with the values `equal`, and whose
    /// next column is within `part`.
    pub fn index_range(&self, index: Oid, equal: &[Value], part: KeyPart<'_>) -> Result<KeyRange> {
        let columns = &self.index(index)?.columns;
        key::range(columns.iter().map(|column| &column.key), equal, part)
    }

    /// An index that has entries of its own.
    pub(crate) fn index(&self, oid: Oid) -> Result<&TableIndex> {
        self.indexes
            .iter()
            .find(|index| index.definition.oid == oid)
            .ok_or_else(|| Error::internal(format!("there is no index {oid} with entries")))
    }

    /// A walk through a range of rows.
    pub fn scan(
        self: &Arc<Self>,
        transaction: &Transaction,
        range: KeyRange,
        projection: Projection,
    ) -> Result<TableScan> {
        Ok(TableScan {
            scan: transaction.scan(self.keyspace, range)?,
            table: self.clone(),
            projection,
        })
    }

    /// Cuts a range of rows into parts of about so many bytes of files, in their order; one part if
    /// there are too few.
    pub fn split(
        &self,
        transaction: &Transaction,
        range: KeyRange,
        part_bytes: u64,
        parts_max: u64,
    ) -> Result<Vec<KeyRange>> {
        Ok(transaction.split(self.keyspace, range, part_bytes, parts_max)?)
    }

    /// Moves the ends of parts, which follow each other, so that all rows that are equal in so many
    /// of the first columns of the key are in one part. Parts that become empty are left out.
    pub fn with_whole(&self, parts: Vec<KeyRange>, columns: usize) -> Vec<KeyRange> {
        let RowKeyFormat::Columns(key) = &self.key else {
            return parts;
        };
        if columns == 0 {
            return parts;
        }
        let mut whole: Vec<KeyRange> = Vec::with_capacity(parts.len());
        for mut part in parts {
            if let Some(before) = whole.last_mut() {
                let prefix = key.iter().take(columns).map(|(_, column)| column);
                part.start.truncate(key::prefix_bytes(prefix, &part.start));
                if part.start <= before.start {
                    before.end = part.end;
                    continue;
                }
                before.end = Some(part.start.clone());
            }
            whole.push(part);
        }
        whole
    }

    /// Whether the entries of an index have the value of a column, in every detail.
    pub fn index_covers(&self, index: Oid, place: usize) -> bool {
        self.index(index)
            .is_ok_and(|index| source_of(index, place).is_some())
    }

    /// A walk through a range of an index's entries that yields these columns, which it must
    /// [cover](Table::index_covers).
    pub fn index_scan(
        self: &Arc<Self>,
        transaction: &Transaction,
        index: Oid,
        range: KeyRange,
        places: &[usize],
    ) -> Result<IndexScan> {
        let of = self.index(index)?;
        let columns = places.iter().map(|place| {
            source_of(of, *place)
                .ok_or_else(|| Error::internal(format!("index {index} does not cover {place}")))
        });
        let columns = columns.collect::<Result<_>>()?;
        let place = self.indexes.iter().position(|each| std::ptr::eq(each, of));
        Ok(IndexScan {
            scan: transaction.scan(of.keyspace, range)?,
            table: self.clone(),
            index: place.ok_or_else(|| Error::internal("the index is the table's"))?,
            columns,
            keys: Vec::new(),
            columns_before: Vec::new(),
        })
    }
}

/// Shows keys and rows.
struct StoredVisitor<'a, F> {
    layout: &'a RowLayout,
    reader: RowReader,
    tests: &'a [RowTest],
    look: F,
}

impl<F: FnMut(&[u8], &[u8])> Visitor<Error> for StoredVisitor<'_, F> {
    fn wants_keys(&self) -> bool {
        true
    }

    fn value(&mut self, _: &[u8]) -> Result<()> {
        Err(Error::internal("a row was shown without its key"))
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let is_one = self.tests.is_empty() || {
            let nothing = &mut Vec::new();
            self.reader
                .append_values(self.layout, self.tests, value, nothing)?
        };
        if is_one {
            (self.look)(key, value);
        }
        Ok(())
    }
}

fn source_of(index: &TableIndex, place: usize) -> Option<Source> {
    let key = index
        .columns
        .iter()
        .position(|column| column.place == Some(place) && column.is_exact);
    let include = || index.include.iter().position(|each| *each == place);
    key.map(Source::Key)
        .or_else(|| include().map(Source::Include))
}

impl TableScan {
    /// The next row: its columns are appended to `out`.
    pub fn next(
        &mut self,
        transaction: &Transaction,
        out: &mut Vec<Value>,
    ) -> Result<Option<RowKey>> {
        match self.scan.next(transaction)? {
            Some((key, row)) => self.emit(key, &row, out),
            None => Ok(None),
        }
    }

    /// The last row that was not yet seen.
    pub fn next_back(
        &mut self,
        transaction: &Transaction,
        out: &mut Vec<Value>,
    ) -> Result<Option<RowKey>> {
        match self.scan.next_back(transaction)? {
            Some((key, row)) => self.emit(key, &row, out),
            None => Ok(None),
        }
    }

    /// Looks at up to `rows_max` rows, and appends those that pass the tests to vectors, one for
    /// each column of the reader, which must be one of this table's layout. Returns how many rows
    /// it looked at, fewer only at the end, and how many passed.
    pub fn fill(
        &mut self,
        transaction: &Transaction,
        reader: &RowReader,
        tests: &[RowTest],
        columns: &mut [ColumnVector],
        rows_max: usize,
    ) -> Result<(usize, usize)> {
        let mut filling = Filling {
            table: &self.table,
            reader,
            tests,
            columns,
            is_long: rows_max >= ROWS_MIN,
            passed: 0,
        };
        let seen = self.scan.visit_with(transaction, rows_max, &mut filling)?;
        Ok((seen, filling.passed))
    }

    /// The same, row after row.
    pub fn fill_values(
        &mut self,
        transaction: &Transaction,
        reader: &RowReader,
        tests: &[RowTest],
        values: &mut Vec<Value>,
        rows_max: usize,
    ) -> Result<(usize, usize)> {
        let layout = &self.table.layout;
        let mut passed = 0;
        let seen = self.scan.visit(transaction, rows_max, |row| {
            let has_passed = reader.append_values(layout, tests, row, values)?;
            passed += usize::from(has_passed);
            Ok::<_, Error>(())
        })?;
        Ok((seen, passed))
    }

    /// Shows up to `rows_max` rows to `look`, which need not decode them. Returns how many there
    /// were; fewer only at the end.
    pub fn visit(
        &mut self,
        transaction: &Transaction,
        rows_max: usize,
        mut look: impl FnMut(StoredRow<'_>) -> Result<()>,
    ) -> Result<usize> {
        let (table, projection) = (&*self.table, &self.projection);
        self.scan.visit(transaction, rows_max, |bytes| {
            look(StoredRow {
                table,
                projection,
                bytes,
            })
        })
    }

    /// Looks at up to `rows_max` rows, and shows the keys of those that pass the tests, and the rows as
    /// they are stored. Returns how many it looked at; fewer only at the end.
    pub fn visit_stored(
        &mut self,
        transaction: &Transaction,
        tests: &[RowTest],
        rows_max: usize,
        look: impl FnMut(&[u8], &[u8]),
    ) -> Result<usize> {
        let mut visitor = StoredVisitor {
            layout: &self.table.layout,
            // It reads no column.
            reader: RowReader::new(&self.table.layout, &[])?,
            tests,
            look,
        };
        self.scan.visit_with(transaction, rows_max, &mut visitor)
    }

    fn emit(&self, key: Slice, row: &[u8], out: &mut Vec<Value>) -> Result<Option<RowKey>> {
        self.table.decode(row, &self.projection, out)?;
        Ok(Some(key))
    }
}

impl IndexScan {
    /// The next entry: its columns are appended to `out`. Returns the key of its row.
    pub fn next(
        &mut self,
        transaction: &Transaction,
        out: &mut Vec<Value>,
    ) -> Result<Option<RowKey>> {
        match self.scan.next(transaction)? {
            Some((key, value)) => self.emit(&key, &value, out).map(Some),
            None => Ok(None),
        }
    }

    /// The last entry that was not yet seen.
    pub fn next_back(
        &mut self,
        transaction: &Transaction,
        out: &mut Vec<Value>,
    ) -> Result<Option<RowKey>> {
        match self.scan.next_back(transaction)? {
            Some((key, value)) => self.emit(&key, &value, out).map(Some),
            None => Ok(None),
        }
    }

    fn emit(&mut self, key: &[u8], value: &[u8], out: &mut Vec<Value>) -> Result<RowKey> {
        let index = &self.table.indexes[self.index];
        if self.columns.is_empty() {
            let row_key = index.row_key(key, value, &mut self.keys)?;
            return Ok(RowKey::copy_from(row_key));
        }
        self.keys.clear();
        let (row_key, included) = index.decode(key, value, &mut self.keys)?;
        for column in &self.columns {
            out.push(match *column {
                Source::Key(at) => self.keys[at].clone(),
                Source::Include(at) => index.included(included, at)?,
            });
        }
        Ok(RowKey::copy_from(row_key))
    }
}
