//! What the layers below make and this crate passes on, with examples in this crate's words.

/// Keys and ciphers, for [`Encryption`](crate::Encryption): where a key comes from, and how it is kept in memory.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// use rustdb::crypto::{Algorithm, Passphrase};
/// use rustdb::{Database, Encryption, Options};
///
/// let encryption = Encryption {
///     provider: std::sync::Arc::new(Passphrase::new("six random words, not a name")?),
///     algorithm: Algorithm::Aes256Gcm,
/// };
/// let options = Options { encryption: Some(encryption), ..Options::default() };
/// let db = Database::open_with(directory.path().join("db"), options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_crypto as crypto;

/// ```
/// # let directory = tempfile::tempdir()?;
/// # let db = rustdb::Database::open(directory.path().join("db"))?;
/// db.put("k", "v")?;
/// let made = db.checkpoint(directory.path().join("monday"))?;
/// assert_eq!(made.sequence, db.stats().sequence);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::engine::Checkpoint;

/// ```
/// # let directory = tempfile::tempdir()?;
/// # let db = rustdb::Database::open(directory.path().join("db"))?;
/// # db.put("k", "v")?;
/// use std::ops::ControlFlow;
/// let mut bytes = 0;
/// db.checkpoint_with(directory.path().join("monday"), |progress| {
///     bytes = progress.total_bytes;
///     ControlFlow::Continue(())
/// })?;
/// assert!(bytes > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::engine::CheckpointProgress;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::Durability;
/// let ks = db.default_keyspace();
/// ks.put_with("order:1", "a pen", Durability::Sync)?; // survives a power failure
/// ks.put_with("last seen", "12:01", Durability::Buffered)?; // survives `kill -9`
/// ks.put_with("typing", "yes", Durability::None)?; // may be gone after either
/// assert!(Durability::Sync > Durability::Buffered);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::Durability;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// db.put("k", vec![7; 100])?;
/// let stats: rustdb::Stats = db.stats();
/// println!("{} commits, {} bytes of log", stats.commits, stats.log_bytes);
/// println!("cache: {} hits, {} misses", stats.cache.hits, stats.cache.misses);
/// assert!(stats.commits == 1 && stats.memtable_bytes > 100);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::EngineStats as Stats;

/// ```
/// # let directory = tempfile::tempdir()?;
/// let db = rustdb::Database::open(directory.path().join("db"))?;
/// db.put("k", "v")?;
/// let syncs: rustdb::Latencies = db.stats().log_syncs;
/// println!("{} syncs; half took up to {:?}, the longest {:?}", syncs.count, syncs.p50, syncs.max);
/// assert!(syncs.count > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::engine::Latencies;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// db.put("k", "v")?;
/// db.flush()?;
/// for (number, level) in db.stats().levels.iter().enumerate() {
///     println!("level {number}: {} tables, {} bytes", level.tables, level.bytes);
/// }
/// # assert_eq!(db.stats().levels[0].tables, 1);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::LevelStats;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// for problem in db.verify()?.problems {
///     eprintln!("{} at {}: {}", problem.path.display(), problem.offset, problem.reason);
/// }
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::Problem;

/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("db");
/// # rustdb::Database::open(&path)?.put("k", "v")?;
/// let report = rustdb::repair(&path, rustdb::Options::default())?;
/// assert!(report.is_complete()); // there was nothing to repair
/// assert_eq!(report.last_sequence, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::engine::RepairReport;

/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// # rustdb::Database::open(path)?.close()?;
/// let report: rustdb::UpgradeReport = rustdb::upgrade(path, Default::default())?;
/// assert_eq!(report.from, report.to);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use rustdb_storage::engine::UpgradeReport;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use std::ops::ControlFlow;
/// let report = db.verify_with(|progress| match progress.problems {
///     0 => ControlFlow::Continue(()),
///     _ => ControlFlow::Break(()), // one is enough to know
/// })?;
/// # assert!(report.is_sound());
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::VerifyProgress;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// db.put("k", "v")?;
/// db.flush()?;
/// let report = db.verify()?;
/// println!("{} blocks with {} entries are sound", report.blocks, report.entries);
/// assert!(report.is_sound() && report.problem_count == 0);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_storage::engine::VerifyReport;

/// ```
/// use rustdb::Slice;
/// let slice = Slice::copy_from(b"user:7");
/// assert_eq!(slice.len(), 6); // it derefs to `[u8]`
/// assert_eq!(*slice.clone().skip(5), *b"7");
/// assert_eq!(slice, Slice::from(b"user:7".to_vec()).compact());
/// ```
pub use rustdb_storage::slice::Slice;

/// ```
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::IsolationLevel;
/// // Each takes the last free seat unless the other has.
/// let (mut ada, mut bob) =
///     (db.begin_with(IsolationLevel::Serializable)?, db.begin_with(IsolationLevel::Serializable)?);
/// for (tx, seat) in [(&mut ada, "seat:1"), (&mut bob, "seat:2")] {
///     if tx.prefix("seat:")?.count() == 0 {
///         tx.put(seat, "taken")?;
///     }
/// }
/// ada.commit()?;
/// assert!(bob.commit().is_err()); // under `Snapshot` both would have been taken
/// # Ok::<(), rustdb::Error>(())
/// ```
pub use rustdb_txn::IsolationLevel;
