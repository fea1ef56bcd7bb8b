//! A database for a test.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::function::{Host, Random};
use rustdb_types::{Settings, Type, Value, format};
use rustdb_vfs::{MemVfs, VfsRef};

/// Neither time nor chance.
pub(crate) struct Still;

impl Host for Still {
    fn clock(&self) -> i64 {
        0
    }

    fn random_bytes(&self, out: &mut [u8]) {
        out.fill(7);
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn set_seed(&self, _random: Random) {}
}

pub(crate) fn database_over(vfs: VfsRef) -> Database {
    managed(vfs).0
}

/// A database, and what manages its transactions.
pub(crate) fn managed(vfs: VfsRef) -> (Database, TransactionManager) {
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    let database = Database::open(manager.clone(), Arc::new(Still)).unwrap();
    (database, manager)
}

pub(crate) fn session() -> Session {
    database_over(Arc::new(MemVfs::new())).connect()
}

/// A value's text; NULL is empty.
pub(crate) fn cell(value: &Value, of: &Type, settings: &Settings) -> String {
    match value.is_null() {
        true => String::new(),
        false => format(value, of, settings),
    }
}

/// The rows that the last of some statements gives, as texts between bars.
pub(crate) fn lines(session: &mut Session, text: &str) -> Vec<String> {
    let answers = session.execute(text, &[]);
    let answers = answers.unwrap_or_else(|error| panic!("{text}: {error}"));
    let answer = answers.into_iter().next_back().unwrap();
    let columns = answer.columns.unwrap();
    let rows = answer.rows.iter().map(|row| {
        let cells = row.iter().zip(columns.iter());
        let cells = cells.map(|(value, column)| cell(value, &column.of, session.settings()));
        cells.collect::<Vec<_>>().join("|")
    });
    rows.collect()
}
