//! Foreign keys.
//!
//! ```text
//! child    a row is written      lock its parent KEY SHARE, see that it is there
//! parent   a row's key goes      lock it UPDATE; then look for children in the newest state
//! ```
//!
//! The two locks exclude each other, so of a child and the end of its parent one comes first and
//! the other knows. A parent that is not there yet may come before the statement ends; a parent's
//! end is looked at when the statement ends, because the statement may take the children too.
//! Those looks are [events](Event); what is deferred waits for the end of the transaction.

mod child;
mod parent;
mod values;

use std::sync::Arc;

use rustdb_catalog::{Action, Constraint, ConstraintKind, Error, ForeignKey};
use rustdb_types::{Oid, Value};

use crate::Result;
use crate::table::{RowKey, Table, place_of};

pub(crate) use child::ParentLink;
pub(crate) use parent::{GoneKey, settle};

/// A foreign key of a table, ready for its rows.
#[derive(Debug)]
pub(crate) struct ChildKey {
    /// The place of the constraint in the descriptor.
    pub(crate) constraint: usize,
    /// Places of the columns that refer.
    pub(crate) places: Vec<usize>,
}

/// Something to look at when the statement, or the transaction, ends.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A row was written whose parent was not found.
    Child {
        table: Oid,
        constraint: Oid,
        row_key: RowKey,
    },
    /// A row was deleted, or given another key, that rows of the table `child` may refer to.
    Parent {
        parent: Oid,
        child: Oid,
        constraint: Oid,
        old: Arc<[Value]>,
        /// What it was changed to; none if it was deleted.
        new: Option<Arc<[Value]>>,
    },
    /// A row was written whose key may not be unique any more.
    Unique {
        table: Oid,
        index: Oid,
        /// The columns of the entry's key.
        columns: Box<[u8]>,
        row_key: RowKey,
    },
}

impl Event {
    /// The table whose constraint it is about, and the constraint (or index).
    pub(crate) fn about(&self) -> (Oid, Oid) {
        match self {
            Event::Child {
                table, constraint, ..
            } => (*table, *constraint),
            Event::Parent {
                child, constraint, ..
            } => (*child, *constraint),
            Event::Unique { table, index, .. } => (*table, *index),
        }
    }

    /// Whether it waits if its constraint is deferred: actions other than NO ACTION never do.
    pub(crate) fn can_wait(&self, constraint: &Constraint) -> bool {
        match (self, &constraint.kind) {
            (Event::Parent { new, .. }, ConstraintKind::ForeignKey(key)) => {
                let action = match new {
                    None => key.on_delete,
                    Some(_) => key.on_update,
                };
                action == Action::NoAction
            }
            _ => true,
        }
    }
}

impl ChildKey {
    /// The foreign keys of a table.
    pub(crate) fn of_table(definition: &rustdb_catalog::Table) -> Result<Vec<ChildKey>> {
        let mut all = Vec::new();
        for (constraint, each) in definition.constraints.iter().enumerate() {
            if let ConstraintKind::ForeignKey(key) = &each.kind {
                let places = key.columns.iter().map(|id| place_of(definition, *id));
                all.push(ChildKey {
                    constraint,
                    places: places.collect::<Result<_>>()?,
                });
            }
        }
        Ok(all)
    }
}

impl Table {
    /// A foreign key of the table.
    pub(crate) fn foreign_key(&self, constraint: usize) -> Result<(&Constraint, &ForeignKey)> {
        match self.definition.constraints.get(constraint) {
            Some(each) => match &each.kind {
                ConstraintKind::ForeignKey(key) => Ok((each, key)),
                _ => Err(Error::internal("the constraint is no foreign key")),
            },
            None => Err(Error::internal("there is no such constraint")),
        }
    }

    /// The foreign key with this number; none if it was dropped meanwhile.
    pub(crate) fn foreign_key_by_oid(&self, oid: Oid) -> Option<&ChildKey> {
        self.foreign_keys
            .iter()
            .find(|key| self.definition.constraints[key.constraint].oid == oid)
    }
}
