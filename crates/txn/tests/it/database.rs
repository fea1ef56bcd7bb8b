//! A database for a test.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::engine::{Engine, EngineOptions, KeyspaceOptions};
use rustdb_storage::key::KeyspaceId;
use rustdb_txn::{KeyspaceRef, TransactionManager, TransactionOptions};
use rustdb_vfs::{MemVfs, VfsRef};

/// A manager over an empty engine in memory, a plain and a counted keyspace.
pub(crate) struct Database {
    pub(crate) manager: TransactionManager,
    pub(crate) plain: KeyspaceRef,
    pub(crate) counted: KeyspaceRef,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::with(TransactionOptions::default())
    }

    pub(crate) fn with(options: TransactionOptions) -> Self {
        Self::over(Arc::new(MemVfs::new()), options)
    }

    /// Opens, or opens again, the database of a machine.
    pub(crate) fn over(vfs: VfsRef, options: TransactionOptions) -> Self {
        Self::open(vfs, EngineOptions::default(), options)
    }

    /// As `over`, with options for the engine.
    pub(crate) fn open(vfs: VfsRef, engine: EngineOptions, options: TransactionOptions) -> Self {
        let engine = Engine::open(vfs, Path::new("/db"), engine).unwrap();
        let counted = KeyspaceOptions {
            counted: true,
            ..KeyspaceOptions::default()
        };
        let counted = match engine.keyspace("counted") {
            Some(info) => info.id,
            None => engine.create_keyspace("counted", &counted).unwrap().id,
        };
        let manager = TransactionManager::new(engine, options);
        let (plain, counted) = (
            manager.keyspace(KeyspaceId::DEFAULT),
            manager.keyspace(counted),
        );
        Self {
            manager,
            plain,
            counted,
        }
    }
}
