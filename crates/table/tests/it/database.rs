//! A database with tables for a test.

use std::path::Path;
use std::sync::Arc;

use rustdb_catalog::{
    Catalog, CatalogChange, CatalogStore, Column, ConstraintDefinition, ConstraintDefinitionKind,
    PUBLIC, Relation, TableDefinition,
};
use rustdb_storage::engine::{Durability, Engine, EngineOptions};
use rustdb_table::{
    Error, KeyRange, Projection, Result, RowKey, Statement, Table, TableStore, Tables,
};
use rustdb_txn::{
    Access, IsolationLevel, Transaction, TransactionManager, TransactionOptions, Wait,
};
use rustdb_types::{Oid, Settings, Type, Value};
use rustdb_vfs::{MemVfs, VfsRef};

#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) vfs: VfsRef,
    pub(crate) catalog: Arc<CatalogStore>,
    pub(crate) store: TableStore,
}

/// The tables of one catalog.
#[derive(Debug)]
pub(crate) struct AllTables {
    catalog: Arc<Catalog>,
    store: TableStore,
}

impl Tables for AllTables {
    fn table(&self, oid: Oid) -> Result<Arc<Table>> {
        let definition = self.catalog.table(oid);
        self.store.table(
            definition.ok_or_else(|| Error::internal("no such table"))?,
            None,
        )
    }
}

impl Database {
    pub(crate) fn new() -> Database {
        Database::over(Arc::new(MemVfs::new()))
    }

    pub(crate) fn over(vfs: VfsRef) -> Database {
        let engine = Engine::open(vfs.clone(), Path::new("/db"), EngineOptions::default()).unwrap();
        let manager = TransactionManager::new(engine, TransactionOptions::default());
        let catalog = CatalogStore::open(&manager).unwrap();
        let store = TableStore::new(&manager);
        Database {
            vfs,
            catalog,
            store,
        }
    }

    pub(crate) fn reopen(self) -> Database {
        let vfs = self.vfs.clone();
        drop(self);
        Database::over(vfs)
    }

    pub(crate) fn begin(&self) -> Transaction {
        self.begin_at(IsolationLevel::ReadCommitted)
    }

    pub(crate) fn begin_at(&self, isolation: IsolationLevel) -> Transaction {
        let manager = self.catalog.manager();
        manager.begin(isolation, Access::ReadWrite).unwrap()
    }

    pub(crate) fn define<R>(
        &self,
        body: impl FnOnce(&mut CatalogChange, &mut Transaction) -> Result<R>,
    ) -> Result<R> {
        let mut transaction = self.begin();
        let mut change = self.catalog.begin_change();
        let result = body(&mut change, &mut transaction)?;
        change.commit(transaction, Durability::Sync)?;
        Ok(result)
    }

    /// Creates a table and returns it ready for rows.
    pub(crate) fn create(&self, definition: TableDefinition) -> Arc<Table> {
        let made = self.define(|change, tx| change.create_table(tx, definition));
        self.store.table(&made.unwrap(), None).unwrap()
    }

    /// The table as the newest catalog has it.
    pub(crate) fn table(&self, name: &str) -> Arc<Table> {
        match self.catalog.current().relation(PUBLIC, name) {
            Some(Relation::Table(table)) => self.store.table(&table, None).unwrap(),
            _ => panic!("there is no table {name}"),
        }
    }

    pub(crate) fn statement(&self) -> Statement {
        let tables = AllTables {
            catalog: self.catalog.current(),
            store: self.store.clone(),
        };
        Statement::new(
            Arc::new(tables),
            Arc::new(Settings::default()),
            Wait::Forever,
        )
    }

    pub(crate) fn commit(&self, transaction: Transaction) {
        transaction.commit(Durability::Sync).unwrap();
    }

    /// Inserts rows in a transaction of their own.
    pub(crate) fn insert(&self, table: &Arc<Table>, rows: &[Vec<Value>]) -> Result<()> {
        let mut tx = self.begin();
        let mut statement = self.statement();
        for row in rows {
            table.insert(&mut tx, row, &mut statement)?;
        }
        self.commit(tx);
        Ok(())
    }

    /// All committed rows, in the order of their keys.
    pub(crate) fn rows(&self, table: &Arc<Table>) -> Vec<Vec<Value>> {
        rows_of(&self.begin(), table)
    }
}

/// All rows that a transaction sees.
pub(crate) fn rows_of(tx: &Transaction, table: &Arc<Table>) -> Vec<Vec<Value>> {
    keyed_rows(tx, table)
        .into_iter()
        .map(|(_, row)| row)
        .collect()
}

pub(crate) fn keyed_rows(tx: &Transaction, table: &Arc<Table>) -> Vec<(RowKey, Vec<Value>)> {
    let mut scan = table.scan(tx, KeyRange::all(), Projection::All).unwrap();
    let mut rows = Vec::new();
    loop {
        let mut row = Vec::new();
        match scan.next(tx, &mut row).unwrap() {
            Some(key) => rows.push((key, row)),
            None => return rows,
        }
    }
}

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

/// A row of integers; `None` is NULL.
pub(crate) fn ints<const N: usize>(values: [Option<i32>; N]) -> Vec<Value> {
    values.map(Value::from).to_vec()
}

/// A row of integers.
pub(crate) fn row<const N: usize>(values: [i32; N]) -> Vec<Value> {
    values.map(Value::from).to_vec()
}
