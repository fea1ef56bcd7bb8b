//! A table as one version of the catalog has it: its descriptor, made ready for rows.

use std::fmt;
use std::sync::Arc;

use rustdb_catalog::{Column, ConstraintKind, RowKeyColumns, Table as Definition};
use rustdb_txn::{
    IsolationLevel, KeyspaceRef, LockError, RowMode, RowState, Slice, Transaction,
    TransactionManager, Wait,
};
use rustdb_types::{KeyColumn, Oid, RowLayout, RowView, SqlState, Value};

use crate::entry::TableIndex;
use crate::expressions::Expressions;
use crate::foreign_key::ChildKey;
use crate::scan::Projection;
use crate::store::{RowIds, TableStore};
use crate::{Error, Result};

/// The key of a row.
pub type RowKey = Slice;

/// A table, ready for rows. Shared; holds nothing of any transaction.
pub struct Table {
    pub(crate) definition: Arc<Definition>,
    pub(crate) keyspace: KeyspaceRef,
    pub(crate) layout: RowLayout,
    pub(crate) key: RowKeyFormat,
    /// Those that have entries of their own and are kept up.
    pub(crate) indexes: Vec<TableIndex>,
    /// Places of columns that must not be NULL.
    pub(crate) not_null: Vec<usize>,
    /// Places of CHECK constraints, in the order of their names, in which they are checked.
    pub(crate) checks: Vec<usize>,
    /// Places of columns that a foreign key may point to.
    pub(crate) key_columns: Vec<usize>,
    pub(crate) foreign_keys: Vec<ChildKey>,
    pub(crate) expressions: Option<Arc<dyn Expressions>>,
}

/// What the keys of rows are made of.
#[derive(Debug)]
pub(crate) enum RowKeyFormat {
    Hidden(Arc<RowIds>),
    /// Places of columns, and how each is encoded.
    Columns(Vec<(usize, KeyColumn)>),
}

/// What became of a row while its lock was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// It is as the transaction's snapshot has it, or as the transaction itself wrote it.
    Unchanged,
    /// Another transaction has changed it (READ COMMITTED only): check the condition again.
    Changed,
    /// Another transaction has deleted it, or given it another key (READ COMMITTED only).
    Gone,
}

impl fmt::Debug for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Table({})", self.definition.name)
    }
}

impl Table {
    pub(crate) fn new(
        store: &TableStore,
        definition: Arc<Definition>,
        expressions: Option<Arc<dyn Expressions>>,
    ) -> Result<Table> {
        let manager = store.manager();
        let key = match &definition.row_key {
            RowKeyColumns::Hidden => RowKeyFormat::Hidden(store.row_ids(definition.keyspace)?),
            RowKeyColumns::Columns(ids) => {
                let columns = ids.iter().map(|id| {
                    let place = place_of(&definition, *id)?;
                    let column_type = definition.columns[place].column_type.clone();
                    Ok((place, KeyColumn::ascending(column_type).not_null()))
                });
                RowKeyFormat::Columns(columns.collect::<Result<_>>()?)
            }
        };
        let indexes = TableIndex::of_table(manager, &definition)?;
        Ok(Table {
            keyspace: manager.keyspace(definition.keyspace),
            layout: definition.layout()?,
            key,
            not_null: not_null_places(&definition),
            checks: check_places(&definition),
            key_columns: key_places(&definition),
            foreign_keys: ChildKey::of_table(&definition)?,
            indexes,
            expressions,
            definition,
        })
    }

    /// The descriptor it was made of.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Its number.
    pub fn oid(&self) -> Oid {
        self.definition.oid
    }

    /// Where its rows are.
    pub fn keyspace(&self) -> KeyspaceRef {
        self.keyspace
    }

    /// Where the columns are in its rows.
    pub fn layout(&self) -> &RowLayout {
        &self.layout
    }

    pub(crate) fn expressions(&self) -> Result<&dyn Expressions> {
        self.expressions.as_deref().ok_or_else(|| {
            Error::internal(format!(
                "table \"{}\" was opened without its expressions",
                self.definition.name
            ))
        })
    }

    // -------------------------------------------------------------------------------- reading

    /// Appends the columns of a row to `out`, as the transaction sees it. Returns whether there is
    /// such a row.
    pub fn get(
        &self,
        transaction: &Transaction,
        key: &[u8],
        projection: &Projection,
        out: &mut Vec<Value>,
    ) -> Result<bool> {
        match transaction.get(self.keyspace, key)? {
            Some(bytes) => self.decode(&bytes, projection, out).map(|()| true),
            None => Ok(false),
        }
    }

    /// As [`Table::get`], of the newest committed row, or the transaction's own.
    pub fn get_newest(
        &self,
        transaction: &Transaction,
        key: &[u8],
        projection: &Projection,
        out: &mut Vec<Value>,
    ) -> Result<bool> {
        match transaction.get_newest(self.keyspace, key)? {
            Some(bytes) => self.decode(&bytes, projection, out).map(|()| true),
            None => Ok(false),
        }
    }

    /// As [`Table::get`], of the newest committed row, whatever transactions there are. Nobody may
    /// alter the table meanwhile: it is for the caller to see to that.
    pub fn get_committed(
        &self,
        manager: &TransactionManager,
        key: &[u8],
        projection: &Projection,
        out: &mut Vec<Value>,
    ) -> Result<bool> {
        match manager.get(self.keyspace, key)? {
            Some(bytes) => self.decode(&bytes, projection, out).map(|()| true),
            None => Ok(false),
        }
    }

    /// Appends the columns of a stored row to `out`.
    pub fn decode(
        &self,
        bytes: &[u8],
        projection: &Projection,
        out: &mut Vec<Value>,
    ) -> Result<()> {
        let view = RowView::new(&self.layout, bytes)?;
        match projection {
            Projection::All => {
                out.reserve(self.layout.len());
                for place in 0..self.layout.len() {
                    out.push(view.get(place)?);
                }
            }
            Projection::Columns(places) => {
                out.reserve(places.len());
                for place in places {
                    out.push(view.get(*place)?);
                }
            }
        }
        Ok(())
    }

    /// The number of rows, exactly, as the transaction's snapshot has it; its own writes are not
    /// counted.
    pub fn committed_rows(&self, transaction: &Transaction) -> Result<u64> {
        let at = rustdb_txn::ReadAt::Snapshot(transaction.snapshot());
        let rows = transaction.engine().len(self.keyspace.id, at);
        Ok(rows.map_err(rustdb_txn::Error::from)?)
    }

    // -------------------------------------------------------------------------------- locking

    /// Locks a row, waiting if need be, and tells what it has become. Above READ COMMITTED a row
    /// that was changed is an error (40001).
    pub fn lock(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<Locked> {
        let state = transaction
            .lock_row(self.keyspace, key, mode, wait)
            .map_err(|error| self.lock_error(error))?;
        self.locked(transaction, key, state)
    }

    /// As [`Table::lock`], but goes after a row that has another key than in the transaction's
    /// snapshot. That key comes second, and the row under it is locked, and has changed.
    pub fn lock_following(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        mode: RowMode,
        wait: Wait,
    ) -> Result<(Locked, Option<RowKey>)> {
        let (state, moved) = transaction
            .lock_row_following(self.keyspace, key, mode, wait)
            .map_err(|error| self.lock_error(error))?;
        let at = moved.as_deref().unwrap_or(key);
        Ok((self.locked(transaction, at, state)?, moved))
    }

    /// What a row has become that is locked.
    fn locked(&self, transaction: &Transaction, key: &[u8], state: RowState) -> Result<Locked> {
        if state == RowState::Unchanged {
            return Ok(Locked::Unchanged);
        }
        let exists = transaction.get_newest(self.keyspace, key)?.is_some();
        match (transaction.isolation(), exists) {
            (IsolationLevel::ReadCommitted, true) => Ok(Locked::Changed),
            (IsolationLevel::ReadCommitted, false) => Ok(Locked::Gone),
            (_, true) => Err(Error::serialization("concurrent update")),
            (_, false) => Err(Error::serialization("concurrent delete")),
        }
    }

    /// As [`Table::lock_following`], without waiting: `None` if another transaction holds the row
    /// (`SKIP LOCKED`).
    pub fn try_lock(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        mode: RowMode,
    ) -> Result<Option<(Locked, Option<RowKey>)>> {
        match self.lock_following(transaction, key, mode, Wait::No) {
            Ok(locked) => Ok(Some(locked)),
            Err(error) if error.state() == SqlState::LOCK_NOT_AVAILABLE => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock_error(&self, error: rustdb_txn::Error) -> Error {
        match error {
            rustdb_txn::Error::Lock(LockError::NotAvailable) => Error::new(
                SqlState::LOCK_NOT_AVAILABLE,
                format!(
                    "could not obtain lock on row in relation \"{}\"",
                    self.definition.name
                ),
            ),
            other => other.into(),
        }
    }
}

/// The place in rows of a column of a descriptor.
pub(crate) fn place_of(definition: &Definition, id: u32) -> Result<usize> {
    Column::place(id)
        .filter(|place| *place < definition.columns.len())
        .ok_or_else(|| Error::internal(format!("there is no column {id}")))
}

fn not_null_places(definition: &Definition) -> Vec<usize> {
    let columns = definition.columns.iter().enumerate();
    columns
        .filter(|(_, column)| column.not_null && !column.dropped)
        .map(|(place, _)| place)
        .collect()
}

fn check_places(definition: &Definition) -> Vec<usize> {
    let constraints = definition.constraints.iter().enumerate();
    let mut places: Vec<usize> = constraints
        .filter(|(_, each)| matches!(each.kind, ConstraintKind::Check { .. }))
        .map(|(place, _)| place)
        .collect();
    places.sort_by_key(|place| &definition.constraints[*place].name);
    places
}

/// The columns of every unique index that a foreign key may point to.
fn key_places(definition: &Definition) -> Vec<usize> {
    let indexes = definition.indexes.iter();
    let mut places: Vec<usize> = indexes
        .filter(|index| index.unique && index.is_total())
        .filter_map(|index| index.plain_columns())
        .flatten()
        .filter_map(Column::place)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}
