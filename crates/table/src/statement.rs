//! What lasts as long as a statement: how it waits, buffers, and what is left to check when it
//! ends.

use std::fmt::Debug;
use std::sync::Arc;

use rustdb_txn::Wait;
use rustdb_types::{Oid, Settings};

use crate::Result;
use crate::table::Table;

/// Finds tables that a foreign key leads to.
pub trait Tables: Debug + Send + Sync {
    /// The table with this number, as the statement's catalog has it.
    fn table(&self, oid: Oid) -> Result<Arc<Table>>;
}

/// A statement that writes.
#[derive(Debug)]
pub struct Statement {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) wait: Wait,
    pub(crate) buffers: Buffers,
}

/// Room for bytes that are made row after row.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) row_key: Vec<u8>,
    pub(crate) row: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Statement {
    /// A statement. `settings` print values in messages; `wait` is for locks of rows and keys.
    pub fn new(tables: Arc<dyn Tables>, settings: Arc<Settings>, wait: Wait) -> Statement {
        Statement {
            tables,
            settings,
            wait,
            buffers: Buffers::default(),
        }
    }

    /// Where it finds tables.
    pub fn tables(&self) -> &Arc<dyn Tables> {
        &self.tables
    }
}
