//! What lasts as long as a statement: how it waits, buffers, and what is left to look at when it
//! ends.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use rustdb_catalog::{Constraint, lock};
use rustdb_txn::{ObjectMode, Transaction, Wait};
use rustdb_types::{Oid, Settings, Value};

use crate::Result;
use crate::deferred::Deferred;
use crate::foreign_key::{Event, GoneKey, ParentLink, settle};
use crate::scan::Projection;
use crate::table::Table;

/// Finds tables that a foreign key leads to.
pub trait Tables: Debug + Send + Sync {
    /// The table with this number. The statement has locked it, so it is to be as the newest
    /// catalog, or the transaction's own, has it.
    fn table(&self, oid: Oid) -> Result<Arc<Table>>;
}

/// A statement that writes. [`Statement::finish`] ends it.
#[derive(Debug)]
pub struct Statement {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) settings: Arc<Settings>,
    /// How it waits for locks of rows and keys.
    pub wait: Wait,
    pub(crate) buffers: Buffers,
    pub(crate) links: Vec<ParentLink>,
    pub(crate) events: VecDeque<Event>,
    /// Whether parents are looked for in the newest state, whatever the snapshot says.
    pub(crate) newest_parents: bool,
    opened: Vec<(ObjectMode, Arc<Table>)>,
    /// Tables that nobody else writes or locks rows of.
    exclusive: Vec<Oid>,
    /// Room for the values of a row.
    values: Vec<Value>,
}

/// The most bytes of room, of one kind, that go from a statement to the next.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Room for bytes that are made row after row, and statement after statement.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) row_key: Vec<u8>,
    pub(crate) row: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// Room for so many values of a row goes from a statement to the next.
const KEPT_VALUES_MAX: usize = 256;

impl Statement {
    /// A statement. `settings` print values in messages; `wait` is for locks of rows and keys.
    pub fn new(tables: Arc<dyn Tables>, settings: Arc<Settings>, wait: Wait) -> Statement {
        Statement {
            tables,
            settings,
            wait,
            buffers: Buffers::default(),
            links: Vec::new(),
            events: VecDeque::new(),
            newest_parents: false,
            opened: Vec::new(),
            exclusive: Vec::new(),
            values: Vec::new(),
        }
    }

    /// After its end: makes it ready to be another statement with the same tables and settings,
    /// perhaps of another transaction. Its room stays, unless it is much.
    pub fn renew(&mut self) {
        self.links.clear();
        self.events.clear();
        self.opened.clear();
        self.exclusive.clear();
        self.newest_parents = false;
        let Buffers {
            row_key,
            row,
            key,
            value,
        } = &self.buffers;
        let most = row_key.capacity().max(row.capacity());
        if most.max(key.capacity()).max(value.capacity()) > KEPT_BYTES_MAX {
            self.buffers = Buffers::default();
        }
    }

    /// Whether it prints values by these settings.
    pub fn is_with(&self, settings: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, settings)
    }

    /// Room for the bytes of a row, for whoever makes them.
    pub fn row_room(&mut self) -> &mut Vec<u8> {
        &mut self.buffers.row
    }

    /// Room for the values of a row, empty; see [`Statement::keep_values`].
    pub fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.values)
    }

    /// Takes back what [`Statement::take_values`] gave.
    pub fn keep_values(&mut self, mut values: Vec<Value>) {
        values.clear();
        if values.capacity() <= KEPT_VALUES_MAX {
            self.values = values;
        }
    }

    /// Says that the transaction holds a table in EXCLUSIVE or ACCESS EXCLUSIVE mode, so that rows
    /// and keys that are inserted need no locks of their own: for loads of more rows than there
    /// can be locks.
    pub fn assume_exclusive(&mut self, table: Oid) {
        self.exclusive.push(table);
    }

    /// Whether rows and keys of a table need locks of their own.
    pub(crate) fn locks_rows_of(&self, table: &Table) -> bool {
        !self.exclusive.contains(&table.oid())
    }

    /// Where it finds tables.
    pub fn tables(&self) -> &Arc<dyn Tables> {
        &self.tables
    }

    /// Checks what is checked when a statement ends, and does what foreign keys say; what is
    /// deferred waits in `deferred`.
    pub fn finish(&mut self, transaction: &mut Transaction, deferred: &mut Deferred) -> Result<()> {
        while let Some(event) = self.events.pop_front() {
            match self.is_deferred(transaction, &event, deferred)? {
                true => deferred.push(event),
                false => self.look_at(transaction, event)?,
            }
        }
        Ok(())
    }

    /// A table that a foreign key leads to, locked.
    pub(crate) fn open(
        &mut self,
        transaction: &mut Transaction,
        oid: Oid,
        mode: ObjectMode,
    ) -> Result<Arc<Table>> {
        let known = |each: &&(ObjectMode, Arc<Table>)| each.0 == mode && each.1.oid() == oid;
        if let Some((_, table)) = self.opened.iter().find(known) {
            return Ok(table.clone());
        }
        transaction.lock_object(lock::object(oid), mode, self.wait)?;
        let table = self.tables.table(oid)?;
        self.opened.push((mode, table.clone()));
        Ok(table)
    }

    /// Whether an event waits for the end of the transaction.
    fn is_deferred(
        &mut self,
        transaction: &mut Transaction,
        event: &Event,
        deferred: &Deferred,
    ) -> Result<bool> {
        let (table, oid) = event.about();
        let table = self.open(transaction, table, ObjectMode::RowExclusive)?;
        let constraint = match event {
            Event::Unique { index, .. } => table.definition.constraint_of_index(*index),
            Event::Child { .. } | Event::Parent { .. } => table.definition.constraint(oid),
        };
        let waits = |constraint: &Constraint| {
            event.can_wait(constraint) && deferred.is_deferred(constraint)
        };
        Ok(constraint.is_some_and(waits))
    }

    /// Looks at an event. May add others.
    pub(crate) fn look_at(&mut self, transaction: &mut Transaction, event: Event) -> Result<()> {
        match event {
            Event::Child {
                table,
                constraint,
                row_key,
            } => {
                let table = self.open(transaction, table, ObjectMode::RowExclusive)?;
                let Some(key) = table.foreign_key_by_oid(constraint) else {
                    return Ok(());
                };
                let mut row = Vec::new();
                // It may be gone again.
                if table.get_newest(transaction, &row_key, &Projection::All, &mut row)?
                    && !table.refer(transaction, key, &row, self)?
                {
                    return Err(table.no_parent(key, &row, self)?);
                }
                Ok(())
            }
            Event::Parent {
                parent,
                child,
                constraint,
                old,
                new,
            } => {
                let gone = GoneKey {
                    parent,
                    child,
                    constraint,
                    old: &old,
                    new: new.as_deref(),
                };
                settle(transaction, gone, self)
            }
            Event::Unique {
                table,
                index,
                columns,
                row_key,
            } => {
                let table = self.open(transaction, table, ObjectMode::RowExclusive)?;
                table.check_alone(transaction, index, &columns, &row_key, self)
            }
        }
    }
}
