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
//! that: a commit that uses a number comes after the block in the log. All databases of a directory
//! take them from one counter, so that no two objects that can be locked have the same.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_txn::{
    Access, Durability, IsolationLevel, KeyRange, KeyspaceId, KeyspaceOptions, KeyspaceRef,
    RESERVED_KEYSPACES, StorageError, TransactionManager,
};
use rustdb_types::Oid;
use rustdb_vfs::sync::Mutex;

use crate::change::CatalogChange;
use crate::codec::{Kind, decode_database, decode_object, encode_object, put_varint, take_varint};
use crate::databases::{FIRST_DATABASE, drop_databases};
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
    database: Oid,
    keyspace: KeyspaceRef,
    sequences: Sequences,
    current: Mutex<Arc<Catalog>>,
    /// The version of `current`, written under its lock: statements ask for nothing more, mostly.
    version: AtomicU64,
    pub(crate) directory: Arc<Directory>,
}

/// What the databases of a directory have in common.
#[derive(Debug)]
pub(crate) struct Directory {
    manager: TransactionManager,
    /// Where the descriptors of the first database are.
    pub(crate) keyspace: KeyspaceRef,
    /// The numbers of objects.
    oids: Mutex<OidBlock>,
    /// The databases other than the first.
    pub(crate) others: Mutex<BTreeMap<Oid, Arc<str>>>,
}

/// The numbers that may be given out without logging.
#[derive(Clone, Copy, Debug)]
struct OidBlock {
    next: u32,
    end: u32,
}

impl CatalogStore {
    /// Reads the catalog of a directory's first database, and makes it if there is none. Drops what
    /// definitions that did not commit have left behind.
    pub fn open(manager: &TransactionManager) -> Result<Arc<CatalogStore>> {
        let [keyspace, values] = own_keyspaces(manager, FIRST_DATABASE)?;
        let mut catalog = Catalog::built_in();
        let loaded = load(manager, keyspace, &mut catalog)?;
        if loaded.next.is_none() {
            initialize(manager, keyspace, &mut catalog)?;
        }
        drop_databases(manager, |number| loaded.databases.contains_key(&number))?;
        let next = loaded.next.unwrap_or(FIRST_USER_OID);
        let directory = Arc::new(Directory {
            manager: manager.clone(),
            keyspace,
            oids: Mutex::new(OidBlock { next, end: next }),
            others: Mutex::new(loaded.databases),
        });
        opened(FIRST_DATABASE, [keyspace, values], catalog, directory)
    }

    /// Reads the catalog of another database of the directory.
    pub fn open_database(&self, database: Oid) -> Result<Arc<CatalogStore>> {
        let manager = &self.manager;
        let keyspaces = own_keyspaces(manager, database)?;
        let mut catalog = Catalog::built_in();
        load(manager, keyspaces[0], &mut catalog)?;
        opened(database, keyspaces, catalog, self.directory.clone())
    }

    /// The number of the database.
    pub fn database(&self) -> Oid {
        self.database
    }

    /// The newest committed catalog.
    pub fn current(&self) -> Arc<Catalog> {
        self.current.lock().clone()
    }

    /// The version of the newest catalog.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
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
        self.directory.new_oid()
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
        self.version.store(catalog.version(), Ordering::Release);
    }

    /// Creates keyspaces for tables (counted) and indexes, all with one write.
    pub(crate) fn create_keyspaces(&self, wanted: &[Storage]) -> Result<Vec<KeyspaceId>> {
        let mut names = Vec::new();
        for storage in wanted {
            let number = self.new_oid()?;
            names.push((storage.name(self.database, number), storage.options()));
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

impl Directory {
    fn new_oid(&self) -> Result<Oid> {
        let mut block = self.oids.lock();
        if block.next == block.end {
            let end = block.next.checked_add(OID_BLOCK).ok_or_else(|| {
                Error::new(
                    rustdb_types::SqlState::PROGRAM_LIMIT_EXCEEDED,
                    "all numbers for objects have been used",
                )
            })?;
            let key = Kind::Counter.key(Oid(0));
            let value = encode_counter(end);
            self.manager
                .put(self.keyspace, &key, &value, Durability::None)?;
            block.end = end;
        }
        block.next += 1;
        Ok(Oid(block.next - 1))
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

    fn prefix(self, database: Oid) -> String {
        let what = match self {
            Storage::Table => "table",
            Storage::Index => "index",
        };
        format!("{}{what}/", keyspaces_of(database))
    }

    fn name(self, database: Oid, number: Oid) -> String {
        format!("{}{number}", self.prefix(database))
    }

    fn options(self) -> KeyspaceOptions {
        KeyspaceOptions {
            counted: self == Storage::Table,
            ..KeyspaceOptions::default()
        }
    }
}

/// A catalog that was read, as one that is open.
fn opened(
    database: Oid,
    [keyspace, values]: [KeyspaceRef; 2],
    mut catalog: Catalog,
    directory: Arc<Directory>,
) -> Result<Arc<CatalogStore>> {
    let manager = &directory.manager;
    catalog.renew();
    drop_orphans(manager, database, &catalog)?;
    let sequences = Sequences::new(manager.clone(), values);
    sequences.remove_orphans(&catalog)?;
    Ok(Arc::new(CatalogStore {
        manager: manager.clone(),
        database,
        keyspace,
        sequences,
        version: AtomicU64::new(catalog.version()),
        current: Mutex::new(Arc::new(catalog)),
        directory,
    }))
}

/// How the names of a database's keyspaces begin.
pub(crate) fn keyspaces_of(database: Oid) -> String {
    match database {
        FIRST_DATABASE => RESERVED_KEYSPACES.to_owned(),
        other => format!("{RESERVED_KEYSPACES}{other}/"),
    }
}

/// The keyspaces of descriptors and of the values of sequences.
pub(crate) fn own_keyspaces(
    manager: &TransactionManager,
    database: Oid,
) -> Result<[KeyspaceRef; 2]> {
    let engine = manager.engine();
    let prefix = keyspaces_of(database);
    let names = ["catalog", "sequences"].map(|name| format!("{prefix}{name}"));
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

/// What a catalog holds besides objects.
#[derive(Default)]
struct Loaded {
    /// The next number of an object, if the catalog was initialized.
    next: Option<u32>,
    databases: BTreeMap<Oid, Arc<str>>,
}

/// Reads all objects.
fn load(
    manager: &TransactionManager,
    keyspace: KeyspaceRef,
    catalog: &mut Catalog,
) -> Result<Loaded> {
    let transaction = manager.begin(IsolationLevel::Snapshot, Access::ReadOnly)?;
    let mut entries = transaction.scan(keyspace, KeyRange::all())?;
    let mut loaded = Loaded::default();
    while let Some((key, value)) = entries.next(&transaction)? {
        let (kind, oid) = Kind::of_key(&key)?;
        match kind {
            Kind::Counter => {
                loaded.next = Some(decode_counter(&value)?);
                continue;
            }
            Kind::Database => {
                let name = decode_database(&value)?;
                loaded.databases.insert(oid, name.into());
                continue;
            }
            // Of a table that was temporary.
            Kind::Statistics if catalog.table(oid).is_none() => continue,
            Kind::Schema
            | Kind::Type
            | Kind::Sequence
            | Kind::Table
            | Kind::View
            | Kind::Statistics
            | Kind::Comments => (),
        }
        let object = decode_object(kind, oid, &value, &|oid| catalog.user_element(oid))?;
        catalog.set(object);
    }
    Ok(loaded)
}

/// Writes what a new database begins with.
fn initialize(
    manager: &TransactionManager,
    keyspace: KeyspaceRef,
    catalog: &mut Catalog,
) -> Result<()> {
    let public = public_schema();
    let mut transaction = manager.begin(IsolationLevel::ReadCommitted, Access::ReadWrite)?;
    let bytes = encode_object(&public)?;
    transaction.put_locked(keyspace, &Kind::Schema.key(PUBLIC), &bytes)?;
    let counter = encode_counter(FIRST_USER_OID);
    transaction.put_locked(keyspace, &Kind::Counter.key(Oid(0)), &counter)?;
    transaction.commit(Durability::Sync)?;
    catalog.set(public);
    Ok(())
}

/// The schema that every database begins with.
pub(crate) fn public_schema() -> Object {
    Object::Schema(Arc::new(Schema {
        oid: PUBLIC,
        name: "public".to_owned(),
        temporary: false,
    }))
}

/// Drops keyspaces of tables and indexes that no descriptor names.
fn drop_orphans(manager: &TransactionManager, database: Oid, catalog: &Catalog) -> Result<()> {
    let engine = manager.engine();
    let used: HashSet<KeyspaceId> = catalog
        .tables()
        .into_iter()
        .flat_map(|table| table.keyspaces())
        .collect();
    let prefixes = Storage::ALL.map(|storage| storage.prefix(database));
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
