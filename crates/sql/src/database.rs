//! An open database, as sessions share it. See [`crate::databases`] for the others of its directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_catalog::{Catalog, CatalogStore, Table as Definition, TableStatistics};
use rustdb_table::{Table, TableStore, Tables};
use rustdb_txn::{KeyspaceId, TransactionManager};
use rustdb_types::function::Host;
use rustdb_types::{Oid, Settings};
use rustdb_vfs::sync::Mutex;

use crate::databases::Place;
use crate::error::Result;
use crate::expressions::TableExpressions;
use crate::session::IdleBlocks;
use crate::sessions::Sessions;

/// A database that understands SQL. Cheap to clone; one for all sessions.
#[derive(Clone)]
pub struct Database {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// Which of a directory's databases it is.
    pub(crate) place: Place,
    /// Blocks of its sessions whose idle time is limited.
    pub(crate) idle_blocks: Arc<IdleBlocks>,
    /// The sessions of all of them.
    pub(crate) connected: Arc<Sessions>,
    pub(crate) manager: TransactionManager,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) host: Arc<dyn Host + Send + Sync>,
    store: TableStore,
    /// Tables that were made ready, with the descriptor they were made from.
    opened: Mutex<HashMap<Oid, Opened>>,
    /// What plans have seen of tables that nobody has analyzed, by their storage.
    pub(crate) glances: Mutex<HashMap<(Oid, KeyspaceId), Arc<TableStatistics>>>,
    /// How stored expressions are read.
    settings: Arc<Settings>,
    /// How many sessions there were.
    sessions: AtomicU64,
}

/// A descriptor, and the table that was made from it.
type Opened = (Arc<Definition>, Arc<Table>);

/// More tables than this are not kept ready.
const OPENED_MAX: usize = 4096;

impl std::fmt::Debug for Database {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Database")
    }
}

impl Database {
    /// Opens the tables of a database; makes the catalog if there is none.
    pub fn open(
        manager: TransactionManager,
        host: Arc<dyn Host + Send + Sync>,
    ) -> Result<Database> {
        let catalog = CatalogStore::open(&manager)?;
        let place = Place::First(Mutex::default());
        Ok(Database::of(catalog, host, place, Arc::default()))
    }

    /// A database whose catalog was read.
    pub(crate) fn of(
        catalog: Arc<CatalogStore>,
        host: Arc<dyn Host + Send + Sync>,
        place: Place,
        connected: Arc<Sessions>,
    ) -> Database {
        let manager = catalog.manager().clone();
        Database {
            shared: Arc::new(Shared {
                place,
                idle_blocks: Arc::default(),
                connected,
                catalog,
                store: TableStore::new(&manager),
                opened: Mutex::default(),
                glances: Mutex::default(),
                settings: Arc::new(Settings::default()),
                sessions: AtomicU64::new(0),
                manager,
                host,
            }),
        }
    }

    /// The name of the schema for the temporary objects of a new session.
    pub(crate) fn new_temporary_schema(&self) -> String {
        let number = self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        format!("pg_temp_{}", number + 1)
    }

    /// A table, ready for rows.
    pub(crate) fn table(
        &self,
        definition: &Arc<Definition>,
        catalog: &Arc<Catalog>,
    ) -> Result<Arc<Table>> {
        let mut opened = self.shared.opened.lock();
        if let Some((of, table)) = opened.get(&definition.oid)
            && Arc::ptr_eq(of, definition)
        {
            return Ok(table.clone());
        }
        let expressions = TableExpressions::new(
            definition,
            catalog,
            &self.shared.catalog,
            self.shared.settings.clone(),
            self.shared.host.clone(),
        )?;
        let table = self
            .shared
            .store
            .table(definition, Some(Arc::new(expressions)))?;
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        opened.insert(definition.oid, (definition.clone(), table.clone()));
        Ok(table)
    }
}

/// The tables of one catalog.
#[derive(Debug)]
pub(crate) struct CatalogTables {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
}

impl Tables for CatalogTables {
    fn table(&self, oid: Oid) -> rustdb_catalog::Result<Arc<Table>> {
        let definition = self
            .catalog
            .table(oid)
            .ok_or_else(|| rustdb_catalog::Error::internal(format!("there is no table {oid}")))?;
        self.database
            .table(definition, &self.catalog)
            .map_err(|error| rustdb_catalog::Error::new(error.state(), error.message()))
    }
}
