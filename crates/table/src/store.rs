//! The tables of an open database.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_catalog::Table as Definition;
use rustdb_txn::{Bounds, KeyspaceId, ReadAt, TransactionManager};
use rustdb_vfs::sync::Mutex;

use crate::expressions::Expressions;
use crate::table::Table;
use crate::{Error, Result};

/// Makes [`Table`]s, and knows what they have in common. One per database.
#[derive(Clone, Debug)]
pub struct TableStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manager: TransactionManager,
    row_ids: Mutex<HashMap<KeyspaceId, Arc<RowIds>>>,
}

/// Gives out the hidden keys of a table's rows. It is never logged: after a restart it goes on
/// after the greatest key there is, which no transaction holds any more.
#[derive(Debug)]
pub(crate) struct RowIds {
    next: AtomicU64,
}

impl RowIds {
    pub(crate) fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Goes on after a key that was taken from elsewhere.
    pub(crate) fn pass(&self, key: &[u8]) {
        if let Ok(key) = key.try_into() {
            let next = u64::from_be_bytes(key).saturating_add(1);
            self.next.fetch_max(next, Ordering::Relaxed);
        }
    }
}

impl TableStore {
    /// The tables of a database.
    pub fn new(manager: &TransactionManager) -> TableStore {
        TableStore {
            shared: Arc::new(Shared {
                manager: manager.clone(),
                row_ids: Mutex::default(),
            }),
        }
    }

    /// The transactions of the database.
    pub fn manager(&self) -> &TransactionManager {
        &self.shared.manager
    }

    /// A table, as a descriptor has it. Cheap enough to be made once per version of the catalog.
    /// `expressions` is needed if the descriptor has any.
    pub fn table(
        &self,
        definition: &Arc<Definition>,
        expressions: Option<Arc<dyn Expressions>>,
    ) -> Result<Arc<Table>> {
        Ok(Arc::new(Table::new(self, definition.clone(), expressions)?))
    }

    /// The hidden keys of the rows in a keyspace.
    pub(crate) fn row_ids(&self, keyspace: KeyspaceId) -> Result<Arc<RowIds>> {
        let mut all = self.shared.row_ids.lock();
        if let Some(found) = all.get(&keyspace) {
            return Ok(found.clone());
        }
        let engine = self.shared.manager.engine();
        // Keyspaces are never given out twice, so those that were dropped can be forgotten.
        if all.len().is_power_of_two() {
            all.retain(|each, _| engine.keyspace_by_id(*each).is_some());
        }
        let bounds = Bounds {
            lower: Bound::Unbounded,
            upper: Bound::Unbounded,
        };
        let mut last = engine
            .iter(keyspace, &bounds, ReadAt::Latest)
            .map_err(rustdb_txn::Error::from)?;
        let next = match last.retreat().map_err(rustdb_txn::Error::from)? {
            false => 1,
            true => {
                let key = last.key().try_into().map(u64::from_be_bytes);
                let key = key.map_err(|_| Error::corrupted("key of a row"))?;
                key.saturating_add(1)
            }
        };
        let made = Arc::new(RowIds {
            next: AtomicU64::new(next),
        });
        all.insert(keyspace, made.clone());
        Ok(made)
    }
}
