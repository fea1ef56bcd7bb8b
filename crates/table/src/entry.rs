//! Index entries.
//!
//! ```text
//! unique, and no NULL in the key          key = columns             value = 1, length, row key, include
//! any other entry of a unique index       key = columns, row key    value = 0, include
//! an entry of another index               key = columns, row key    value = include
//! ```
//!
//! Columns end where they say, so what is left of a key behind them is the row key. *Include* is a
//! row (docs/format/row.md) of the columns in INCLUDE, and absent without any. Entries of a unique
//! index whose constraint is deferrable never stand alone: there can be two for a while.
//!
//! docs/format/catalog.md describes the same.

use std::sync::Arc;

use rustdb_catalog::{Index, IndexKey, IndexState, Table as Definition};
use rustdb_txn::{KEY_BYTES_MAX, KeyspaceRef, TransactionManager};
use rustdb_types::{
    Base, Element, KeyColumn, Nulls, RowLayout, RowView, SqlState, Type, Value, decode_key,
    encode_key,
};

use crate::table::{Table, place_of};
use crate::{Error, Result};

/// First byte of the value of a unique index's entry: the row key is in the key.
const ROW_KEY_IN_KEY: u8 = 0;
/// First byte of the value of a unique index's entry: the row key follows.
const ROW_KEY_IN_VALUE: u8 = 1;

/// An index, ready for entries.
#[derive(Debug)]
pub(crate) struct TableIndex {
    pub(crate) definition: Arc<Index>,
    /// Its place in the table's descriptor.
    pub(crate) place: usize,
    pub(crate) keyspace: KeyspaceRef,
    pub(crate) columns: Vec<EntryColumn>,
    /// Places of the columns in INCLUDE, and the layout of their row.
    pub(crate) include: Vec<usize>,
    include_layout: RowLayout,
    /// Places of all columns it reads; `None` if it has expressions, which may read any.
    pub(crate) reads: Option<Vec<usize>>,
}

/// A column of an index.
#[derive(Debug)]
pub(crate) struct EntryColumn {
    pub(crate) key: KeyColumn,
    /// The place of the table's column; `None` for an expression.
    pub(crate) place: Option<usize>,
    /// Whether the value that is decoded from a key is the one that was encoded, in every detail.
    pub(crate) is_exact: bool,
}

/// Where an entry's key has its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryKey {
    /// Where the columns end.
    pub(crate) columns_end: usize,
    /// Whether no other entry may have the same columns, so that the key is the columns alone.
    pub(crate) is_alone: bool,
    /// Whether a NULL makes the key different from all others.
    pub(crate) has_null: bool,
}

impl TableIndex {
    /// The indexes of a table that have entries of their own and are kept up.
    pub(crate) fn of_table(
        manager: &TransactionManager,
        definition: &Definition,
    ) -> Result<Vec<TableIndex>> {
        let mut all = Vec::new();
        for (place, index) in definition.indexes.iter().enumerate() {
            if let Some(keyspace) = index.keyspace
                && index.state != IndexState::Invalid
            {
                let keyspace = manager.keyspace(keyspace);
                all.push(TableIndex::new(definition, place, index.clone(), keyspace)?);
            }
        }
        Ok(all)
    }

    fn new(
        table: &Definition,
        place: usize,
        definition: Arc<Index>,
        keyspace: KeyspaceRef,
    ) -> Result<TableIndex> {
        let mut columns = Vec::new();
        for column in &definition.columns {
            let (column_type, place) = match &column.key {
                IndexKey::Column(id) => {
                    let place = place_of(table, *id)?;
                    (table.columns[place].column_type.clone(), Some(place))
                }
                IndexKey::Expression { result, .. } => (result.clone(), None),
            };
            let nulls = match column.nulls_first {
                true => Nulls::First,
                false => Nulls::Last,
            };
            columns.push(EntryColumn {
                is_exact: is_exact(&column_type),
                key: KeyColumn {
                    column_type,
                    descending: column.descending,
                    nulls,
                },
                place,
            });
        }
        let include: Vec<usize> = definition
            .include
            .iter()
            .map(|id| place_of(table, *id))
            .collect::<Result<_>>()?;
        let types = include
            .iter()
            .map(|place| table.columns[*place].column_type.clone());
        let include_layout = RowLayout::new(types)?;
        let reads = match definition.predicate {
            Some(_) => None,
            None => columns
                .iter()
                .map(|column| column.place)
                .chain(include.iter().copied().map(Some))
                .collect(),
        };
        Ok(TableIndex {
            definition,
            place,
            keyspace,
            columns,
            include,
            include_layout,
            reads,
        })
    }

    /// Whether an update of a row may change the row's entry. `same` says of a column whether
    /// it is the same to the last detail.
    pub(crate) fn is_affected(&self, same: impl Fn(usize) -> bool) -> bool {
        match &self.reads {
            Some(places) => !places.iter().all(|place| same(*place)),
            None => true,
        }
    }

    /// Whether the index holds a row.
    pub(crate) fn holds(&self, table: &Table, row: &[Value]) -> Result<bool> {
        match self.definition.predicate {
            None => Ok(true),
            Some(_) => table.expressions()?.predicate(self.place, row),
        }
    }

    /// The value of an index's column in a row.
    pub(crate) fn value(&self, table: &Table, column: usize, row: &[Value]) -> Result<Value> {
        match self.columns[column].place {
            Some(place) => Ok(row[place].clone()),
            None => table.expressions()?.index_value(self.place, column, row),
        }
    }

    /// Puts the key of a row's entry into `out`, which is cleared.
    pub(crate) fn encode_key(
        &self,
        table: &Table,
        row: &[Value],
        row_key: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<EntryKey> {
        out.clear();
        let mut has_null = false;
        for (number, column) in self.columns.iter().enumerate() {
            let computed;
            let value = match column.place {
                Some(place) => &row[place],
                None => {
                    computed = table.expressions()?.index_value(self.place, number, row)?;
                    &computed
                }
            };
            has_null |= value.is_null();
            encode_key(&column.key, value, out)?;
        }
        let columns_end = out.len();
        let has_null = has_null && !self.definition.nulls_not_distinct;
        let is_alone = self.is_exclusive() && !has_null;
        if !is_alone {
            out.extend_from_slice(row_key);
        }
        check_key_bytes(out.len(), || &self.definition.name)?;
        Ok(EntryKey {
            columns_end,
            is_alone,
            has_null,
        })
    }

    /// Whether an entry may have its key to itself.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.definition.unique && !self.definition.deferrable
    }

    /// Whether two entries, each with its row's key, stand for the same values where none may come
    /// twice.
    pub(crate) fn is_shared(&self, one: &[u8], other: &[u8]) -> Result<bool> {
        if !self.definition.unique || self.is_exclusive() {
            return Ok(false);
        }
        let (mut values, mut rest) = (Vec::with_capacity(self.columns.len()), one);
        for column in &self.columns {
            values.push(decode_key(&column.key, &mut rest)?);
        }
        let columns_end = one.len() - rest.len();
        let is_same = other.get(..columns_end) == Some(&one[..columns_end]);
        let counts = self.definition.nulls_not_distinct || !values.iter().any(Value::is_null);
        Ok(is_same && counts)
    }

    /// Whether every row has an entry that can be found.
    pub(crate) fn is_complete(&self) -> bool {
        self.definition.state == IndexState::Public && self.definition.is_total()
    }

    /// Puts the value of a row's entry into `out`, which is cleared.
    pub(crate) fn encode_value(
        &self,
        row: &[Value],
        row_key: &[u8],
        is_alone: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.clear();
        if self.is_exclusive() {
            if is_alone {
                out.push(ROW_KEY_IN_VALUE);
                let length = u16::try_from(row_key.len());
                let length = length.map_err(|_| Error::internal("row key is too long"))?;
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(row_key);
            } else {
                out.push(ROW_KEY_IN_KEY);
            }
        }
        if !self.include.is_empty() {
            let included: Vec<Value> = self.include.iter().map(|at| row[*at].clone()).collect();
            self.include_layout.encode(&included, out)?;
        }
        Ok(())
    }

    /// Takes an entry apart: appends the key columns to `keys` as far as `wanted`, and returns the
    /// row key and the included row.
    pub(crate) fn decode<'e>(
        &self,
        key: &'e [u8],
        value: &'e [u8],
        keys: &mut Vec<Value>,
    ) -> Result<(&'e [u8], &'e [u8])> {
        let mut rest = key;
        for column in &self.columns {
            keys.push(decode_key(&column.key, &mut rest)?);
        }
        if !self.is_exclusive() {
            return Ok((rest, value));
        }
        let damaged = || Error::corrupted("index entry");
        let (place, value) = value.split_first().ok_or_else(damaged)?;
        match *place {
            ROW_KEY_IN_KEY => Ok((rest, value)),
            ROW_KEY_IN_VALUE => alone_row_key(value),
            _ => Err(damaged()),
        }
    }

    /// The row key of an entry, without its columns where that can be.
    pub(crate) fn row_key<'e>(
        &self,
        key: &'e [u8],
        value: &'e [u8],
        scratch: &mut Vec<Value>,
    ) -> Result<&'e [u8]> {
        if self.is_exclusive()
            && let Some((&ROW_KEY_IN_VALUE, value)) = value.split_first()
        {
            return Ok(alone_row_key(value)?.0);
        }
        scratch.clear();
        Ok(self.decode(key, value, scratch)?.0)
    }

    /// A column of an included row.
    pub(crate) fn included(&self, row: &[u8], column: usize) -> Result<Value> {
        Ok(RowView::new(&self.include_layout, row)?.get(column)?)
    }
}

/// The row key and the included row of an entry that stands alone, from what follows the first
/// byte of its value.
fn alone_row_key(value: &[u8]) -> Result<(&[u8], &[u8])> {
    let damaged = || Error::corrupted("index entry");
    let (length, rest) = value.split_first_chunk().ok_or_else(damaged)?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
        .ok_or_else(damaged)
}

/// Refuses a key that is longer than keys are, with the index's name.
pub(crate) fn check_key_bytes<'n>(bytes: usize, index: impl FnOnce() -> &'n str) -> Result<()> {
    if bytes <= KEY_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "index row size {bytes} exceeds maximum {KEY_BYTES_MAX} for index \"{}\"",
        index()
    );
    Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
        .with_hint("Consider an index of a hash of the value: of `md5(column)`."))
}

/// Whether keys keep every detail of values of a type; see docs/format/key.md.
fn is_exact(of: &Type) -> bool {
    match &of.element {
        Element::Enum(_) => true,
        Element::Domain(domain) => is_exact(&domain.base),
        Element::Base(base) => match base {
            Base::Bool
            | Base::Int2
            | Base::Int4
            | Base::Int8
            | Base::Oid
            | Base::Text
            | Base::Varchar
            | Base::Name
            | Base::Char
            | Base::Bytea
            | Base::Date
            | Base::Time
            | Base::Timestamp
            | Base::Timestamptz
            | Base::Uuid => true,
            Base::Float4
            | Base::Float8
            | Base::Numeric
            | Base::Bpchar
            | Base::Interval
            | Base::Jsonb
            | Base::Json
            | Base::Vector
            | Base::Record
            | Base::Unknown
            | Base::Void => false,
        },
    }
}
