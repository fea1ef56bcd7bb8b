//! The stored catalog of an open database.
//!
//! Objects are entries of one keyspace: kind and number lead to the descriptor's bytes. They are
//! written by the transaction that defines them, so that definitions commit and roll back with
//! everything else; the shared snapshot follows after the commit, before its locks are released.
//!
//! A table and each of its indexes own a keyspace. It is created before the transaction that
//! needs it commits, and dropped after the commit that no longer does; what a crash left in
//! between is dropped by [`CatalogStore::open`].
//!
//! Numbers of objects are taken in blocks, which are logged ahead. Nothing has to be synced for
//! that: a commit that uses a number comes after the block in the log.

use std::collections::HashSet;
use std::sync::Arc;

use rustdb_txn::{
    Access, Durability, IsolationLevel, KeyRange, KeyspaceId, KeyspaceOptions, KeyspaceRef,
    RESERVED_KEYSPACES, StorageError, TransactionManager,
};
use rustdb_types::Oid;
use rustdb_vfs::sync::Mutex;

use crate::change::CatalogChange;
use crate::codec::{Kind, decode_object, encode_object, put_varint, take_varint};
use crate::descriptor::{Object, Schema};
use crate::error::{Error, Result};
use crate::sequence::Sequences;
use crate::snapshot::{Catalog, PUBLIC};

/// The first number that is given to an object of a user.
pub const FIRST_USER_OID: u32 = 16_384;

/// Numbers that are logged ahead.
const OID_BLOCK: u32 = 64;

/// The catalog of an open database. One per database.
#[derive(Debug)]
pub struct CatalogStore {
    manager: TransactionManager,
    keyspace: KeyspaceRef,
    sequences: Sequences,
    current: Mutex<Arc<Catalog>>,
    oids: Mutex<OidBlock>,
}

/// The numbers that may be given out without logging.
#[derive(Clone, Copy, Debug)]
struct OidBlock {
    next: u32,
    end: u32,
}

impl CatalogStore {
    /// Reads the catalog of a database, and makes it if there is none. Drops what definitions
    /// that did not commit have left behind.
    pub fn open(manager: &TransactionManager) -> Result<Arc<CatalogStore>> {
        let [keyspace, values] = own_keyspaces(manager)?;
        let mut catalog = Catalog::built_in();
        let next = load(manager, keyspace, &mut catalog)?;
        if next.is_none() {
            initialize(manager, keyspace, &mut catalog)?;
        }
        catalog.renew();
        drop_orphans(manager, &catalog)?;
        let next = next.unwrap_or(FIRST_USER_OID);
        let sequences = Sequences::new(manager.clone(), values);
        sequences.remove_orphans(&catalog)?;
        Ok(Arc::new(CatalogStore {
            manager: manager.clone(),
            keyspace,
            sequences,
            current: Mutex::new(Arc::new(catalog)),
            oids: Mutex::new(OidBlock { next, end: next }),
        }))
    }

    /// The newest committed catalog.
    pub fn current(&self) -> Arc<Catalog> {
        self.current.lock().clone()
    }

    /// The version of the newest catalog.
    pub fn version(&self) -> u64 {
        self.current.lock().version()
    }

    /// Begins a transaction's definitions.
    pub fn begin_change(self: &Arc<Self>) -> CatalogChange {
        CatalogChange::new(self.clone())
    }

    /// The values of sequences.
    pub fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// The transactions of the database.
    pub fn manager(&self) -> &TransactionManager {
        &self.manager
    }

    /// A number that no object had before.
    pub fn new_oid(&self) -> Result<Oid> {
        let mut block = self.oids.lock();
        if block.next == block.end {
            let end = block.next.checked_add(OID_BLOCK).ok_or_else(|| {
                Error::new(
                    rustdb_types::SqlState::PROGRAM_LIMIT_EXCEEDED,
                    "all numbers for objects have been used",
                )
            })?;
            self.log_counter(end)?;
            block.end = end;
        }
        block.next += 1;
        Ok(Oid(block.next - 1))
    }

    fn log_counter(&self, next: u32) -> Result<()> {
        let key = Kind::Counter.key(Oid(0));
        let value = encode_counter(next);
        self.manager
            .put(self.keyspace, &key, &value, Durability::None)?;
        Ok(())
    }

    /// Where the descriptors are.
    pub(crate) fn keyspace(&self) -> KeyspaceRef {
        self.keyspace
    }

    /// Makes a committed change part of the newest catalog.
    pub(crate) fn publish(&self, apply: impl FnOnce(&mut Catalog)) {
        let mut current = self.current.lock();
        let catalog = Arc::make_mut(&mut current);
        apply(catalog);
        catalog.renew();
    }

    /// Creates keyspaces for tables (counted) and indexes, all with one write.
    pub(crate) fn create_keyspaces(&self, wanted: &[Storage]) -> Result<Vec<KeyspaceId>> {
        let mut names = Vec::new();
        for storage in wanted {
            let number = self.new_oid()?;
            names.push((storage.name(number), storage.options()));
        }
        let wanted: Vec<_> = names
            .iter()
            .map(|(name, how)| (name.as_str(), how))
            .collect();
        let created = self.manager.engine().create_keyspaces(&wanted);
        let created = created.map_err(rustdb_txn::Error::from)?;
        Ok(created.iter().map(|info| info.id).collect())
    }

    /// Drops keyspaces; those that are gone already are passed over.
    pub(crate) fn drop_keyspaces(&self, ids: &[KeyspaceId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let engine = self.manager.engine();
        let infos: Vec<_> = ids
            .iter()
            .filter_map(|id| engine.keyspace_by_id(*id))
            .collect();
        let names: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
        engine
            .drop_keyspaces(&names)
            .map_err(rustdb_txn::Error::from)?;
        Ok(())
    }
}

/// What a keyspace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// The rows of a table.
    Table,
    /// The entries of an index.
    Index,
}

impl Storage {
    const ALL: [Storage; 2] = [Storage::Table, Storage::Index];

    fn prefix(self) -> String {
        let what = match self {
            Storage::Table => "table",
            Storage::Index => "index",
        };
        format!("{RESERVED_KEYSPACES}{what}/")
    }

    fn name(self, number: Oid) -> String {
        format!("{}{number}", self.prefix())
    }

    fn options(self) -> KeyspaceOptions {
        KeyspaceOptions {
            counted: self == Storage::Table,
            ..KeyspaceOptions::default()
        }
    }
}

/// The keyspaces of descriptors and of the values of sequences.
fn own_keyspaces(manager: &TransactionManager) -> Result<[KeyspaceRef; 2]> {
    let engine = manager.engine();
    let names = ["catalog", "sequences"].map(|name| format!("{RESERVED_KEYSPACES}{name}"));
    let options = KeyspaceOptions::default();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| engine.keyspace(name).is_none())
        .map(|name| (name.as_str(), &options))
        .collect();
    engine
        .create_keyspaces(&missing)
        .map_err(rustdb_txn::Error::from)?;
    let mut found = names.iter().map(|name| {
        let info = engine.keyspace(name);
        info.map(|info| manager.keyspace(info.id))
            .ok_or_else(|| Error::internal(format!("keyspace `{name}` is not there")))
    });
    let mut next = || {
        found
            .next()
            .unwrap_or_else(|| Err(Error::internal("no name")))
    };
    Ok([next()?, next()?])
}

/// Reads all objects. Returns the next number of an object, if the catalog was initialized.
fn load(
    manager: &TransactionManager,
    keyspace: KeyspaceRef,
    catalog: &mut Catalog,
) -> Result<Option<u32>> {
    let transaction = manager.begin(IsolationLevel::Snapshot, Access::ReadOnly)?;
    let mut entries = transaction.scan(keyspace, KeyRange::all())?;
    let mut next = None;
    while let Some((key, value)) = entries.next(&transaction)? {
        let (kind, oid) = Kind::of_key(&key)?;
        if kind == Kind::Counter {
            next = Some(decode_counter(&value)?);
            continue;
        }
        // Of a table that was temporary.
        if kind == Kind::Statistics && catalog.table(oid).is_none() {
            continue;
        }
        let object = decode_object(kind, oid, &value, &|oid| catalog.user_element(oid))?;
        catalog.set(object);
    }
    Ok(next)
}

/// Writes what a new database begins with.
fn initialize(
    manager: &TransactionManager,
    keyspace: KeyspaceRef,
    catalog: &mut Catalog,
) -> Result<()> {
    let public = Object::Schema(Arc::new(Schema {
        oid: PUBLIC,
        name: "public".to_owned(),
        temporary: false,
    }));
    let mut transaction = manager.begin(IsolationLevel::ReadCommitted, Access::ReadWrite)?;
    let bytes = encode_object(&public)?;
    transaction.put_locked(keyspace, &Kind::Schema.key(PUBLIC), &bytes)?;
    let counter = encode_counter(FIRST_USER_OID);
    transaction.put_locked(keyspace, &Kind::Counter.key(Oid(0)), &counter)?;
    transaction.commit(Durability::Sync)?;
    catalog.set(public);
    Ok(())
}

/// Drops keyspaces of tables and indexes that no descriptor names.
fn drop_orphans(manager: &TransactionManager, catalog: &Catalog) -> Result<()> {
    let engine = manager.engine();
    let used: HashSet<KeyspaceId> = catalog
        .tables()
        .into_iter()
        .flat_map(|table| table.keyspaces())
        .collect();
    let prefixes = Storage::ALL.map(Storage::prefix);
    let all = engine.keyspaces();
    let orphans: Vec<&str> = all
        .iter()
        .filter(|info| prefixes.iter().any(|prefix| info.name.starts_with(prefix)))
        .filter(|info| !used.contains(&info.id))
        .map(|info| info.name.as_str())
        .collect();
    match engine.drop_keyspaces(&orphans) {
        // They harm nobody; whoever may write drops them later.
        Ok(()) | Err(StorageError::ReadOnly) => Ok(()),
        Err(error) => Err(rustdb_txn::Error::from(error).into()),
    }
}

/// `version 1 | next (varint)`.
fn encode_counter(next: u32) -> Vec<u8> {
    let mut out = vec![1];
    put_varint(u64::from(next), &mut out);
    out
}

fn decode_counter(bytes: &[u8]) -> Result<u32> {
    let damaged = || Error::corrupted("counter of objects");
    let mut rest = bytes.strip_prefix(&[1]).ok_or_else(damaged)?;
    let next = take_varint(&mut rest).filter(|_| rest.is_empty());
    next.and_then(|next| u32::try_from(next).ok())
        .ok_or_else(damaged)
}
