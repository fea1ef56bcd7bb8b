//! The child's side: a row that is written needs its parent.
//!
//! READ COMMITTED looks for it in the newest state. The higher levels look in the snapshot, as
//! PostgreSQL does: a parent that came later is none, and one that is gone since is an error.

use std::sync::Arc;

use rustdb_catalog::Match;
use rustdb_txn::{IsolationLevel, KeyspaceRef, ObjectMode, RowMode, RowState, Transaction, Wait};
use rustdb_types::{KeyColumn, Oid, SqlState, Value, encode_key};

use super::values::converted;
use super::{ChildKey, Event};
use crate::statement::Statement;
use crate::table::{RowKey, RowKeyFormat, Table};
use crate::{Error, Result};

/// The way from a child to its parents, found once per statement.
#[derive(Clone, Debug)]
pub(crate) struct ParentLink {
    pub(crate) constraint: Oid,
    parent: Arc<Table>,
    /// The index of the parent among those with entries; `None` if rows are sorted by it.
    index: Option<usize>,
    /// For each column of that index: which column of the foreign key, and how it is encoded.
    columns: Vec<(usize, KeyColumn)>,
    /// The parent's key that was found last, and is locked.
    last: Vec<u8>,
}

impl Table {
    /// Sees to it that a row's parents are there and stay. Where one is not, that is looked at
    /// again later. The row's key is in the statement's buffer.
    pub(crate) fn refer_all(
        &self,
        transaction: &mut Transaction,
        row: &[Value],
        is_wanted: impl Fn(&ChildKey) -> bool,
        statement: &mut Statement,
    ) -> Result<()> {
        for key in self.foreign_keys.iter().filter(|key| is_wanted(key)) {
            if !self.refer(transaction, key, row, statement)? {
                let row_key = RowKey::copy_from(&statement.buffers.row_key);
                statement.events.push_back(Event::Child {
                    table: self.oid(),
                    constraint: self.definition.constraints[key.constraint].oid,
                    row_key,
                });
            }
        }
        Ok(())
    }

    /// Looks for a row's parent in the newest state and locks it. Returns whether it is there, or
    /// none is needed. A key that is null in part never has one under MATCH FULL.
    pub(crate) fn refer(
        &self,
        transaction: &mut Transaction,
        key: &ChildKey,
        row: &[Value],
        statement: &mut Statement,
    ) -> Result<bool> {
        let nulls = key.places.iter().filter(|at| row[**at].is_null()).count();
        if nulls > 0 {
            let (_, foreign) = self.foreign_key(key.constraint)?;
            return match foreign.match_type {
                Match::Full => Ok(nulls == key.places.len()),
                Match::Simple => Ok(true),
            };
        }
        let at = self.link(transaction, key, statement)?;
        let (links, buffers) = (&mut statement.links, &mut statement.buffers);
        let link = &mut links[at];
        let bytes = &mut buffers.key;
        bytes.clear();
        for (number, column) in &link.columns {
            let place = key.places[*number];
            let from = &self.definition.columns[place].column_type;
            let to = &column.column_type;
            match converted(&row[place], from, to, &statement.settings) {
                Some(value) => encode_key(column, &value, bytes)?,
                None => return Ok(false),
            }
        }
        if *bytes == link.last {
            return Ok(true);
        }
        let sight = match statement.newest_parents {
            true => Sight::Newest,
            false => Sight::of(transaction),
        };
        let (parent, wait) = (&link.parent, statement.wait);
        let found = match link.index {
            None => parent.hold_row(transaction, bytes, sight, wait)?,
            Some(index) => parent.hold_entry(transaction, index, bytes, sight, wait)?,
        };
        if found {
            link.last.clone_from(bytes);
        }
        Ok(found)
    }

    /// The link of a foreign key among the statement's.
    fn link(
        &self,
        transaction: &mut Transaction,
        key: &ChildKey,
        statement: &mut Statement,
    ) -> Result<usize> {
        let (constraint, foreign) = self.foreign_key(key.constraint)?;
        let known = |link: &ParentLink| link.constraint == constraint.oid;
        if let Some(at) = statement.links.iter().position(known) {
            return Ok(at);
        }
        let parent = statement.open(transaction, foreign.parent, ObjectMode::RowShare)?;
        let definition = parent.definition.index(foreign.parent_index);
        let definition = definition.ok_or_else(|| Error::internal("the parent's index is gone"))?;
        let ids = definition
            .plain_columns()
            .ok_or_else(|| Error::internal("the parent's index has expressions"))?;
        let index = match definition.keyspace {
            None => None,
            Some(_) => {
                let mut all = parent.indexes.iter();
                all.position(|each| each.definition.oid == foreign.parent_index)
            }
        };
        let mut columns = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            let of = foreign.parent_columns.iter().position(|each| each == id);
            let of = of.ok_or_else(|| Error::internal("the parent's index is another"))?;
            let column = match (index, &parent.key) {
                (Some(index), _) => parent.indexes[index].columns[number].key.clone(),
                (None, RowKeyFormat::Columns(columns)) => columns[number].1.clone(),
                (None, RowKeyFormat::Hidden(_)) => {
                    return Err(Error::internal("the parent's index has no entries"));
                }
            };
            columns.push((of, column));
        }
        statement.links.push(ParentLink {
            constraint: constraint.oid,
            parent,
            index,
            columns,
            last: Vec::new(),
        });
        Ok(statement.links.len() - 1)
    }

    /// Locks a row so that its key stays. Returns whether it is there.
    fn hold_row(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        sight: Sight,
        wait: Wait,
    ) -> Result<bool> {
        // One that was never there is not waited for.
        if !sight.finds(transaction, self.keyspace, key)? {
            return Ok(false);
        }
        match transaction.lock_row(self.keyspace, key, RowMode::KeyShare, wait)? {
            RowState::Unchanged => Ok(true),
            RowState::Changed => match transaction.get_newest(self.keyspace, key)? {
                Some(_) => Ok(true),
                None => sight.gone(),
            },
        }
    }

    /// Locks the row that a unique entry leads to so that its key stays. Returns whether there is
    /// one.
    fn hold_entry(
        &self,
        transaction: &mut Transaction,
        index: usize,
        key: &[u8],
        sight: Sight,
        wait: Wait,
    ) -> Result<bool> {
        let index = &self.indexes[index];
        let mut held: Option<RowKey> = None;
        if !sight.finds(transaction, index.keyspace, key)? {
            return Ok(false);
        }
        loop {
            let Some(entry) = transaction.get_newest(index.keyspace, key)? else {
                return sight.gone();
            };
            let row_key = index.row_key(key, &entry, &mut Vec::new())?;
            if held.as_deref() == Some(row_key) {
                return Ok(true);
            }
            let row_key = RowKey::copy_from(row_key);
            transaction.lock_row(self.keyspace, &row_key, RowMode::KeyShare, wait)?;
            held = Some(row_key);
        }
    }

    /// `insert or update on table "c" violates foreign key constraint "c_p_fkey"`.
    pub(crate) fn no_parent(
        &self,
        key: &ChildKey,
        row: &[Value],
        statement: &Statement,
    ) -> Result<Error> {
        let (constraint, foreign) = self.foreign_key(key.constraint)?;
        let violation = self.child_violation(&constraint.name);
        if key.places.iter().any(|place| row[*place].is_null()) {
            let detail = "MATCH FULL does not allow mixing of null and nonnull key values.";
            return Ok(violation.with_detail(detail));
        }
        let values = key.places.iter().map(|place| &row[*place]);
        let text = self.key_text(key.places.iter().copied(), values, &statement.settings);
        let parent = statement.tables.table(foreign.parent)?;
        let detail = format!(
            "Key {text} is not present in table \"{}\".",
            parent.definition.name
        );
        Ok(violation.with_detail(detail))
    }

    fn child_violation(&self, constraint: &str) -> Error {
        Error::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{constraint}\"",
                self.definition.name
            ),
        )
        .with_table(&self.definition.name)
        .with_constraint(constraint)
    }
}

/// What a new reference looks at.
#[derive(Clone, Copy, Debug)]
enum Sight {
    Newest,
    /// The snapshot. What is gone since is an error (40001).
    Snapshot,
}

impl Sight {
    fn of(transaction: &Transaction) -> Sight {
        match transaction.isolation() {
            IsolationLevel::ReadCommitted => Sight::Newest,
            IsolationLevel::Snapshot | IsolationLevel::Serializable => Sight::Snapshot,
        }
    }

    fn finds(self, transaction: &Transaction, keyspace: KeyspaceRef, key: &[u8]) -> Result<bool> {
        let found = match self {
            Sight::Newest => transaction.get_newest(keyspace, key)?,
            Sight::Snapshot => transaction.get_covered(keyspace, key)?,
        };
        Ok(found.is_some())
    }

    /// What to say of a parent that was found and is not there any more.
    fn gone(self) -> Result<bool> {
        match self {
            Sight::Newest => Ok(false),
            Sight::Snapshot => Err(Error::serialization("concurrent update")),
        }
    }
}
