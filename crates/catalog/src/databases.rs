//! The databases of a directory.
//!
//! ```text
//! __rustdb/catalog ...          the first database, which every directory has; its catalog lists
//!                               the others
//! __rustdb/16390/catalog ...    another one: the same keyspaces under its number
//! ```
//!
//! All share the log, the transactions and the numbers of objects. A database is there if and only
//! if it is listed: creating and dropping one is one entry, written with the schema `public` or
//! alone. Keyspaces come before the entry and go after it; what a crash leaves of them is dropped
//! when the directory is opened.
//!
//! Who may create or drop one now is the caller's business: this part knows no sessions.

use std::sync::Arc;

use rustdb_txn::{
    Access, Durability, IsolationLevel, KeyspaceId, RESERVED_KEYSPACES, StorageError,
    TransactionManager,
};
use rustdb_types::{Oid, SqlState};

use crate::codec::{Kind, encode_database, encode_object};
use crate::error::{Error, Result};
use crate::snapshot::PUBLIC;
use crate::store::{CatalogStore, keyspaces_of, own_keyspaces, public_schema};

/// The number of the database that every directory has.
pub const FIRST_DATABASE: Oid = Oid(5);
/// What it is called.
pub const FIRST_DATABASE_NAME: &str = "rustdb";

impl CatalogStore {
    /// The databases of the directory, by number.
    pub fn databases(&self) -> Vec<(Oid, Arc<str>)> {
        let first = (FIRST_DATABASE, FIRST_DATABASE_NAME.into());
        let others = self.directory.others.lock();
        let others = others.iter().map(|(oid, name)| (*oid, name.clone()));
        std::iter::once(first).chain(others).collect()
    }

    /// The database of this name.
    pub fn database_named(&self, name: &str) -> Result<Oid> {
        let all = self.databases();
        let found = all.iter().find(|(_, each)| **each == *name);
        found.map(|(oid, _)| *oid).ok_or_else(|| {
            Error::new(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{name}\" does not exist"),
            )
        })
    }

    /// Creates a database.
    pub fn create_database(&self, name: &str) -> Result<Oid> {
        self.claim_database(name)?;
        let number = self.new_oid()?;
        let [keyspace, _] = own_keyspaces(self.manager(), number)?;
        let created = self.write_databases(|transaction| {
            let public = encode_object(&public_schema())?;
            transaction.put_locked(keyspace, &Kind::Schema.key(PUBLIC), &public)?;
            let (key, value) = (Kind::Database.key(number), encode_database(name));
            Ok(transaction.put_locked(self.directory.keyspace, &key, &value)?)
        });
        if let Err(error) = created {
            let _is_dropped_later = self.drop_keyspaces_of(number).is_err();
            return Err(error);
        }
        self.directory.others.lock().insert(number, name.into());
        Ok(number)
    }

    /// Drops a database that nobody has open.
    pub fn drop_database(&self, database: Oid) -> Result<()> {
        self.write_databases(|transaction| {
            let key = Kind::Database.key(database);
            Ok(transaction.delete_locked(self.directory.keyspace, &key)?)
        })?;
        self.directory.others.lock().remove(&database);
        // What cannot be dropped now is dropped when the directory is opened again.
        let _is_dropped_later = self.drop_keyspaces_of(database).is_err();
        Ok(())
    }

    /// Gives a database another name.
    pub fn rename_database(&self, database: Oid, name: &str) -> Result<()> {
        self.claim_database(name)?;
        self.write_databases(|transaction| {
            let (key, value) = (Kind::Database.key(database), encode_database(name));
            Ok(transaction.put_locked(self.directory.keyspace, &key, &value)?)
        })?;
        self.directory.others.lock().insert(database, name.into());
        Ok(())
    }

    fn claim_database(&self, name: &str) -> Result<()> {
        match self.database_named(name) {
            Err(_) => Ok(()),
            Ok(_) => Err(Error::new(
                SqlState::DUPLICATE_DATABASE,
                format!("database \"{name}\" already exists"),
            )),
        }
    }

    fn write_databases(
        &self,
        write: impl FnOnce(&mut rustdb_txn::Transaction) -> Result<()>,
    ) -> Result<()> {
        let (isolation, access) = (IsolationLevel::ReadCommitted, Access::ReadWrite);
        let mut transaction = self.manager().begin(isolation, access)?;
        write(&mut transaction)?;
        transaction.commit(Durability::Sync)?;
        Ok(())
    }

    /// The keyspaces that hold a database: its tables, indexes and the catalog itself.
    pub fn keyspaces_of(&self, database: Oid) -> Vec<KeyspaceId> {
        let all = self.manager().engine().keyspaces();
        let of = |name: &str| match name.starts_with(RESERVED_KEYSPACES) {
            true => Some(database_of(name).unwrap_or(FIRST_DATABASE)),
            false => None,
        };
        let own = all.iter().filter(|info| of(&info.name) == Some(database));
        own.map(|info| info.id).collect()
    }

    fn drop_keyspaces_of(&self, database: Oid) -> Result<()> {
        drop_databases(self.manager(), |number| number != database)
    }
}

/// Drops the keyspaces of databases that shall not be kept.
pub(crate) fn drop_databases(
    manager: &TransactionManager,
    is_kept: impl Fn(Oid) -> bool,
) -> Result<()> {
    let engine = manager.engine();
    let all = engine.keyspaces();
    let dropped: Vec<&str> = all
        .iter()
        .map(|info| info.name.as_str())
        .filter(|name| database_of(name).is_some_and(|number| !is_kept(number)))
        .collect();
    if dropped.is_empty() {
        return Ok(());
    }
    match engine.drop_keyspaces(&dropped) {
        // They harm nobody; whoever may write drops them later.
        Ok(()) | Err(StorageError::ReadOnly) => Ok(()),
        Err(error) => Err(rustdb_txn::Error::from(error).into()),
    }
}

/// The number of the database, other than the first one, that a keyspace belongs to.
fn database_of(name: &str) -> Option<Oid> {
    let (number, _) = name.strip_prefix(RESERVED_KEYSPACES)?.split_once('/')?;
    let number = Oid(number.parse().ok()?);
    name.starts_with(&keyspaces_of(number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyspaces_of_other_databases_are_told_from_those_of_the_first() {
        assert_eq!(database_of("__rustdb/16390/catalog"), Some(Oid(16_390)));
        assert_eq!(database_of("__rustdb/16390/table/7"), Some(Oid(16_390)));
        for name in [
            "__rustdb/catalog",
            "__rustdb/table/7",
            "16390/catalog",
            "__rustdb/016/x",
        ] {
            assert_eq!(database_of(name), None, "{name}");
        }
    }
}
