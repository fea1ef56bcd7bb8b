//! The parent's side: a key that goes, and the rows that refer to it.

use std::sync::Arc;

use rustdb_catalog::{Action, Column, Constraint, Error, ForeignKey};
use rustdb_txn::{IsolationLevel, KeyRange, ObjectMode, RowMode, Scan, Transaction};
use rustdb_types::{Oid, SqlState, Value, encode_key, interrupt};

use super::values::converted;
use super::{ChildKey, Event};
use crate::Result;
use crate::entry::TableIndex;
use crate::key::{self, KeyPart};
use crate::scan::Projection;
use crate::statement::Statement;
use crate::table::{Locked, RowKey, RowKeyFormat, Table};

/// Rows of the table `child` that may refer to a key.
struct Search<'t> {
    child: &'t Table,
    key: &'t ChildKey,
    /// The key as the child's columns have it.
    values: Vec<Value>,
    scan: Scan,
    /// The index whose entries are walked; none for rows.
    index: Option<&'t TableIndex>,
}

/// A key that went.
#[derive(Clone, Copy)]
pub(crate) struct GoneKey<'e> {
    pub(crate) parent: Oid,
    pub(crate) child: Oid,
    pub(crate) constraint: Oid,
    pub(crate) old: &'e [Value],
    pub(crate) new: Option<&'e [Value]>,
}

impl Table {
    /// Notes for the end of the statement that a row's key went, for every table that may refer
    /// to it.
    pub(crate) fn note_gone_key(
        &self,
        old: &[Value],
        new: Option<&[Value]>,
        statement: &mut Statement,
    ) {
        let references = &self.definition.referenced_by;
        if references.is_empty() {
            return;
        }
        let old: Arc<[Value]> = old.into();
        let new: Option<Arc<[Value]>> = new.map(Into::into);
        for (child, constraint) in references {
            statement.events.push_back(Event::Parent {
                parent: self.oid(),
                child: *child,
                constraint: *constraint,
                old: old.clone(),
                new: new.clone(),
            });
        }
    }
}

/// Does what a foreign key says about a key that went.
pub(crate) fn settle(
    transaction: &mut Transaction,
    gone: GoneKey<'_>,
    statement: &mut Statement,
) -> Result<()> {
    let child = statement.open(transaction, gone.child, ObjectMode::RowExclusive)?;
    let Some(key) = child.foreign_key_by_oid(gone.constraint) else {
        return Ok(());
    };
    let (constraint, foreign) = child.foreign_key(key.constraint)?;
    let places = parent_places(foreign);
    let is_same = |place: &usize| gone.new.is_some_and(|new| gone.old[*place] == new[*place]);
    if places.iter().all(is_same) || places.iter().any(|place| gone.old[*place].is_null()) {
        return Ok(());
    }
    let parent = statement.open(transaction, gone.parent, ObjectMode::RowShare)?;
    let action = match gone.new {
        None => foreign.on_delete,
        Some(_) => foreign.on_update,
    };
    if action == Action::NoAction {
        return refuse_references(transaction, &parent, &child, key, gone.old, statement);
    }
    let Some(mut search) = search(transaction, &parent, &child, key, gone.old, statement)? else {
        return Ok(());
    };
    while let Some((row_key, row)) = search.next(transaction, action, statement)? {
        interrupt::spend(interrupt::ROW_UNITS)?;
        match (action, gone.new) {
            (Action::NoAction | Action::Restrict, _) => {
                return Err(parent.still_referenced(&child, constraint, gone.old, statement));
            }
            (Action::Cascade, None) => child.delete(transaction, &row_key, &row, statement)?,
            (Action::Cascade, Some(new)) => {
                let mut changed = row.clone();
                for (place, of) in key.places.iter().zip(&places) {
                    let from = &parent.definition.columns[*of].column_type;
                    let to = &child.definition.columns[*place].column_type;
                    changed[*place] = converted(&new[*of], from, to, &statement.settings)
                        .ok_or_else(|| out_of_range(&child, *place))?;
                }
                child.change_child(transaction, &row_key, &row, changed, statement)?;
            }
            (Action::SetNull | Action::SetDefault, new) => {
                let mut changed = row.clone();
                for place in changed_places(&child, key, foreign, new.is_none())? {
                    changed[place] = match action {
                        Action::SetDefault => child.default_of(place)?,
                        _ => Value::Null,
                    };
                }
                child.change_child(transaction, &row_key, &row, changed, statement)?;
            }
        }
    }
    if action == Action::SetDefault {
        // Rows whose default is the key that went refer to it as before, and no check of theirs
        // was noted, since their key did not change.
        return refuse_references(transaction, &parent, &child, key, gone.old, statement);
    }
    Ok(())
}

/// An error if the key is in no row of `parent`, in the newest state, but in one of `child`.
fn refuse_references(
    transaction: &mut Transaction,
    parent: &Table,
    child: &Table,
    key: &ChildKey,
    old: &[Value],
    statement: &Statement,
) -> Result<()> {
    let (constraint, foreign) = child.foreign_key(key.constraint)?;
    if parent.has_key(transaction, foreign, old)? {
        return Ok(());
    }
    let Some(mut search) = search(transaction, parent, child, key, old, statement)? else {
        return Ok(());
    };
    match search.next(transaction, Action::NoAction, statement)? {
        Some(_) => Err(parent.still_referenced(child, constraint, old, statement)),
        None => Ok(()),
    }
}

impl Table {
    /// Whether a row with this key is there, in the newest state.
    fn has_key(
        &self,
        transaction: &Transaction,
        foreign: &ForeignKey,
        old: &[Value],
    ) -> Result<bool> {
        let mut bytes = Vec::new();
        if let Some(index) = self
            .indexes
            .iter()
            .find(|index| index.definition.oid == foreign.parent_index)
        {
            index.encode_key(self, old, &[], &mut bytes)?;
            return Ok(transaction.get_newest(index.keyspace, &bytes)?.is_some());
        }
        if let RowKeyFormat::Columns(columns) = &self.key {
            for (place, column) in columns {
                encode_key(column, &old[*place], &mut bytes)?;
            }
        }
        Ok(transaction.get_newest(self.keyspace, &bytes)?.is_some())
    }

    fn change_child(
        &self,
        transaction: &mut Transaction,
        key: &[u8],
        old: &[Value],
        mut new: Vec<Value>,
        statement: &mut Statement,
    ) -> Result<()> {
        for (place, column) in self.definition.columns.iter().enumerate() {
            if matches!(column.generated, Some(rustdb_catalog::Generated::Stored(_)))
                && !column.dropped
            {
                new[place] = self.expressions()?.generated(place, &new)?;
            }
        }
        self.update(transaction, key, old, &new, statement)?;
        Ok(())
    }

    fn default_of(&self, place: usize) -> Result<Value> {
        match self.definition.columns[place].default {
            Some(_) => self.expressions()?.default(place),
            None => Ok(Value::Null),
        }
    }

    /// `update or delete on table "p" violates foreign key constraint "c_p_fkey" on table "c"`.
    fn still_referenced(
        &self,
        child: &Table,
        constraint: &Constraint,
        old: &[Value],
        statement: &Statement,
    ) -> Error {
        let places = match &constraint.kind {
            rustdb_catalog::ConstraintKind::ForeignKey(foreign) => parent_places(foreign),
            _ => Vec::new(),
        };
        let values = places.iter().map(|place| &old[*place]);
        let text = self.key_text(places.iter().copied(), values, &statement.settings);
        let (name, child) = (&self.definition.name, &child.definition.name);
        Error::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "update or delete on table \"{name}\" violates foreign key constraint \"{}\" on table \"{child}\"",
                constraint.name
            ),
        )
        .with_detail(format!("Key {text} is still referenced from table \"{child}\"."))
        .with_table(child)
        .with_constraint(&constraint.name)
    }
}

fn parent_places(foreign: &ForeignKey) -> Vec<usize> {
    let ids = foreign.parent_columns.iter();
    ids.filter_map(|id| Column::place(*id)).collect()
}

/// The columns that SET NULL and SET DEFAULT set.
fn changed_places(
    child: &Table,
    key: &ChildKey,
    foreign: &ForeignKey,
    is_delete: bool,
) -> Result<Vec<usize>> {
    if !is_delete || foreign.on_delete_columns.is_empty() {
        return Ok(key.places.clone());
    }
    let ids = foreign.on_delete_columns.iter();
    ids.map(|id| crate::table::place_of(&child.definition, *id))
        .collect()
}

fn out_of_range(child: &Table, place: usize) -> Error {
    let column = &child.definition.columns[place];
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{} out of range", column.column_type.name()),
    )
}

/// Begins a search for the rows of `child` that refer to a key of `parent`, in the newest state;
/// none if no row can.
fn search<'t>(
    transaction: &Transaction,
    parent: &Table,
    child: &'t Table,
    key: &'t ChildKey,
    old: &[Value],
    statement: &Statement,
) -> Result<Option<Search<'t>>> {
    let (_, foreign) = child.foreign_key(key.constraint)?;
    let mut values = Vec::new();
    for (place, of) in key.places.iter().zip(parent_places(foreign)) {
        let from = &parent.definition.columns[of].column_type;
        let to = &child.definition.columns[*place].column_type;
        match converted(&old[of], from, to, &statement.settings) {
            Some(value) => values.push(value),
            None => return Ok(None),
        }
    }
    let (keyspace, range, index) = access(child, key, &values)?;
    Ok(Some(Search {
        child,
        key,
        values,
        scan: transaction.scan_newest(keyspace, range)?,
        index,
    }))
}

/// The best way to the rows with these values: rows sorted by them, an index, or all rows.
fn access<'t>(
    child: &'t Table,
    key: &ChildKey,
    values: &[Value],
) -> Result<(rustdb_txn::KeyspaceRef, KeyRange, Option<&'t TableIndex>)> {
    // In the order of the key's columns, if its first ones are those of the foreign key.
    let in_order = |places: &mut dyn Iterator<Item = Option<usize>>| -> Option<Vec<Value>> {
        let count = key.places.len();
        let first: Vec<usize> = places
            .take(count)
            .map(|place| key.places.iter().position(|each| Some(*each) == place))
            .collect::<Option<_>>()?;
        let is_all = first.len() == count && (0..count).all(|each| first.contains(&each));
        is_all.then(|| first.iter().map(|each| values[*each].clone()).collect())
    };
    if let RowKeyFormat::Columns(columns) = &child.key
        && let Some(equal) = in_order(&mut columns.iter().map(|(place, _)| Some(*place)))
    {
        let columns = columns.iter().map(|(_, column)| column);
        let range = key::range(columns, &equal, KeyPart::Any)?;
        return Ok((child.keyspace, range, None));
    }
    for index in &child.indexes {
        if index.is_complete()
            && let Some(equal) = in_order(&mut index.columns.iter().map(|column| column.place))
        {
            let columns = index.columns.iter().map(|column| &column.key);
            let range = key::range(columns, &equal, KeyPart::Any)?;
            return Ok((index.keyspace, range, Some(index)));
        }
    }
    Ok((child.keyspace, KeyRange::all(), None))
}

impl Search<'_> {
    /// The next row that refers to the key, once it is locked as the action needs it.
    fn next(
        &mut self,
        transaction: &mut Transaction,
        action: Action,
        statement: &Statement,
    ) -> Result<Option<(RowKey, Vec<Value>)>> {
        while let Some((key, value)) = self.scan.next(transaction)? {
            let row_key = match self.index {
                Some(index) => RowKey::copy_from(index.row_key(&key, &value, &mut Vec::new())?),
                None => {
                    let mut row = Vec::new();
                    self.child.decode(&value, &Projection::All, &mut row)?;
                    if !self.refers(&row) {
                        continue;
                    }
                    key
                }
            };
            let is_there = match action {
                // Whoever is deleting it is waited for; who makes it refer elsewhere has not yet.
                Action::NoAction | Action::Restrict => {
                    let (keyspace, wait) = (self.child.keyspace, statement.wait);
                    transaction.lock_row(keyspace, &row_key, RowMode::KeyShare, wait)?;
                    let is_there = transaction.get_newest(keyspace, &row_key)?.is_some();
                    if !is_there && transaction.isolation() != IsolationLevel::ReadCommitted {
                        return Err(Error::serialization("concurrent update"));
                    }
                    is_there
                }
                Action::Cascade | Action::SetNull | Action::SetDefault => {
                    let mode = RowMode::Update;
                    let locked = self
                        .child
                        .lock(transaction, &row_key, mode, statement.wait)?;
                    locked != Locked::Gone
                }
            };
            let mut row = Vec::new();
            if is_there
                && self
                    .child
                    .get_newest(transaction, &row_key, &Projection::All, &mut row)?
                && self.refers(&row)
            {
                return Ok(Some((row_key, row)));
            }
        }
        Ok(None)
    }

    fn refers(&self, row: &[Value]) -> bool {
        let mut pairs = self.key.places.iter().zip(&self.values);
        pairs.all(|(place, value)| !row[*place].is_null() && row[*place] == *value)
    }
}
