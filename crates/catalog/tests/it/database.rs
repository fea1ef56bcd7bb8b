//! A database for a test.

use std::path::Path;
use std::sync::Arc;

use rustdb_catalog::{
    CatalogChange, CatalogStore, Column, ConstraintDefinition, ConstraintDefinitionKind, PUBLIC,
    Result, Table, TableDefinition,
};
use rustdb_storage::engine::{Durability, Engine, EngineOptions};
use rustdb_txn::{
    Access, IsolationLevel, RESERVED_KEYSPACES, Transaction, TransactionManager, TransactionOptions,
};
use rustdb_types::Type;
use rustdb_vfs::{MemVfs, VfsRef};

pub(crate) struct Database {
    pub(crate) vfs: VfsRef,
    pub(crate) store: Arc<CatalogStore>,
}

impl Database {
    pub(crate) fn new() -> Database {
        Database::over(Arc::new(MemVfs::new()))
    }

    pub(crate) fn over(vfs: VfsRef) -> Database {
        let engine = Engine::open(vfs.clone(), Path::new("/db"), EngineOptions::default()).unwrap();
        let manager = TransactionManager::new(engine, TransactionOptions::default());
        let store = CatalogStore::open(&manager).unwrap();
        Database { vfs, store }
    }

    /// Closes the database and opens it again.
    pub(crate) fn reopen(self) -> Database {
        let vfs = self.vfs.clone();
        drop(self);
        Database::over(vfs)
    }

    pub(crate) fn begin(&self) -> Transaction {
        let manager = self.store.manager();
        manager
            .begin(IsolationLevel::ReadCommitted, Access::ReadWrite)
            .unwrap()
    }

    /// Defines something and commits it.
    pub(crate) fn define<R>(
        &self,
        body: impl FnOnce(&mut CatalogChange, &mut Transaction) -> Result<R>,
    ) -> Result<R> {
        let mut transaction = self.begin();
        let mut change = self.store.begin_change();
        let result = body(&mut change, &mut transaction)?;
        change.commit(transaction, Durability::Sync)?;
        Ok(result)
    }

    pub(crate) fn table(&self, name: &str) -> Option<Arc<Table>> {
        match self.store.current().relation(PUBLIC, name) {
            Some(rustdb_catalog::Relation::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The names of keyspaces of tables and indexes.
    pub(crate) fn keyspaces(&self) -> Vec<String> {
        let all = self.store.manager().engine().keyspaces();
        let names = all.iter().map(|info| info.name.clone());
        names
            .filter(|name| {
                let rest = name.strip_prefix(RESERVED_KEYSPACES).unwrap_or("");
                rest.starts_with("table/") || rest.starts_with("index/")
            })
            .collect()
    }
}

/// `CREATE TABLE name (a integer, b text, ...)`.
pub(crate) fn definition(name: &str, columns: &[(&str, Type)]) -> TableDefinition {
    let columns = columns
        .iter()
        .map(|(name, column_type)| Column::new(0, *name, column_type.clone()));
    TableDefinition {
        schema: PUBLIC,
        name: name.to_owned(),
        columns: columns.collect(),
        ..TableDefinition::default()
    }
}

pub(crate) fn primary_key(columns: &[u32]) -> ConstraintDefinition {
    ConstraintDefinition::new(ConstraintDefinitionKind::PrimaryKey {
        columns: columns.to_vec(),
        include: Vec::new(),
    })
}

pub(crate) fn unique(columns: &[u32]) -> ConstraintDefinition {
    ConstraintDefinition::new(ConstraintDefinitionKind::Unique {
        columns: columns.to_vec(),
        include: Vec::new(),
        nulls_not_distinct: false,
    })
}
