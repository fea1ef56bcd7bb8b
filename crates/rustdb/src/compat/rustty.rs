//! The names of rustty's transactional interface.
//!
//! ```
//! # fn block_on<F: std::future::Future>(future: F) -> F::Output {
//! #     tokio::runtime::Runtime::new().unwrap().block_on(future)
//! # }
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data");
//! use rustdb::compat::rustty::{MvccLsmStorage, TransactionContext};
//!
//! # block_on(async {
//! let storage = MvccLsmStorage::new(&path)?;
//! let mut tx = TransactionContext::new(&storage).await?;
//! tx.transaction_mut().put("key1", b"value1")?;
//! tx.commit().await?;
//!
//! let mut tx = TransactionContext::new(&storage).await?;
//! assert_eq!(tx.transaction_mut().get("key1")?, Some(b"value1".to_vec()));
//! tx.transaction_mut().put("key1", b"forgotten")?;
//! tx.rollback().await?;
//! # Ok::<(), rustdb::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::Path;

use crate::error::Result;

/// A database with rustty's names.
#[derive(Clone, Debug)]
pub struct MvccLsmStorage(crate::Database);

impl MvccLsmStorage {
    /// Opens or creates a database.
    pub fn new(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self(crate::Database::open(path)?))
    }

    /// The database underneath.
    pub fn database(&self) -> &crate::Database {
        &self.0
    }
}

/// A transaction on its way.
#[derive(Debug)]
pub struct TransactionContext {
    transaction: Transaction,
}

/// What can be done within a transaction.
#[derive(Debug)]
pub struct Transaction(crate::Transaction);

impl TransactionContext {
    /// Begins a transaction, which sees the database as it is now.
    pub async fn new(storage: &MvccLsmStorage) -> Result<Self> {
        Ok(Self {
            transaction: Transaction(storage.0.begin()?),
        })
    }

    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The transaction, for writing.
    pub fn transaction_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Makes the writes visible and durable, all at once.
    ///
    /// With the feature `tokio`, the wait for the disk is on tokio's blocking pool; without it,
    /// the calling thread waits.
    pub async fn commit(self) -> Result<()> {
        let transaction = self.transaction.0;
        #[cfg(feature = "tokio")]
        if tokio::runtime::Handle::try_current().is_ok() {
            let commit = tokio::task::spawn_blocking(move || transaction.commit());
            return match commit.await {
                Ok(result) => result,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
        }
        transaction.commit()
    }

    /// Forgets the writes.
    pub async fn rollback(self) -> Result<()> {
        self.transaction.0.rollback();
        Ok(())
    }
}

impl Transaction {
    /// The value of a key as the transaction sees it.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key)?.map(|value| value.to_vec()))
    }

    /// Writes a value.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.0.put(key, value)
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.0.delete(key)
    }
}
