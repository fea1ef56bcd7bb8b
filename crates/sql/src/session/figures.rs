//! What the planner is told about tables.

use std::cell::Cell;
use std::sync::Arc;

use rustdb_catalog::{Catalog, TableStatistics};
use rustdb_table::Table;
use rustdb_txn::{Access, IsolationLevel};

use crate::database::Database;
use crate::plan::{Figures, Methods};
use crate::statistics::glance;

/// Figures from the catalog and the engine.
pub(super) struct CatalogFigures<'a> {
    pub(super) database: &'a Database,
    pub(super) catalog: &'a Catalog,
    pub(super) methods: Methods,
    /// Whether somebody asked what is kept in memory.
    pub(super) asked_kept: Cell<bool>,
}

/// About how much memory the columns take that are kept, so that it changes seldom.
pub(super) fn kept_level(database: &Database) -> u32 {
    const LEAST: usize = 16 << 20;
    let bytes = database.shared.manager.engine().derived_bytes();
    (bytes / LEAST).checked_ilog2().map_or(0, |level| level + 1)
}

/// Fewer rows than this are not worth a look.
const ROWS_MIN: u64 = 100;

/// Whether statistics of so many rows still tell about so many.
fn is_fresh(of: u64, now: u64) -> bool {
    now.abs_diff(of) <= 50 + of / 5
}

impl Figures for CatalogFigures<'_> {
    fn rows(&self, table: &Table) -> u64 {
        // A figure that cannot be had is not worth an error.
        let engine = self.database.shared.manager.engine();
        engine.approximate_len(table.keyspace().id).unwrap_or(1000)
    }

    fn kept_rows(&self, table: &Table) -> u64 {
        let engine = self.database.shared.manager.engine();
        self.asked_kept.set(true);
        engine.derived_values(table.keyspace().id)
    }

    fn statistics(&self, table: &Arc<Table>) -> Option<Arc<TableStatistics>> {
        let rows = self.rows(table);
        let stored = self.catalog.statistics(table.oid());
        if let Some(stored) = stored.filter(|stored| is_fresh(stored.rows, rows)) {
            return Some(stored.clone());
        }
        if rows < ROWS_MIN {
            return None;
        }
        let glances = &self.database.shared.glances;
        let place = (table.oid(), table.keyspace().id);
        let known = glances.lock().get(&place).cloned();
        if let Some(known) = known.filter(|known| is_fresh(known.rows, rows)) {
            return Some(known);
        }
        let manager = &self.database.shared.manager;
        let transaction = manager.begin(IsolationLevel::Snapshot, Access::ReadOnly);
        let seen = glance(table, &transaction.ok()?, rows).ok().map(Arc::new)?;
        let mut glances = glances.lock();
        if glances.len() >= GLANCES_MAX {
            glances.clear();
        }
        glances.insert(place, seen.clone());
        Some(seen)
    }

    fn methods(&self) -> Methods {
        self.methods
    }
}

/// What was seen of more tables than this is not kept.
const GLANCES_MAX: usize = 1024;
