//! The engine: one directory, opened.
//!
//! ```text
//!            commit ──▶ pipeline ──▶ log (WAL)
//!                          │
//!                          ▼ apply
//!   readers ◀── super version: active memtable │ frozen memtables, L0 runs │ levels 1..6
//!                          │ freeze                  ▲ flush          ▲ compaction
//!                          └─────────────────────────┴── background ──┘
//! ```
//!
//! Readers load the *super version* (an atomic pointer to everything there is to read) and then
//! the *visible sequence*, in this order: whatever a flush or compaction has removed since the
//! pointer was loaded is still in what the pointer holds.
//!
//! Locks, in the order in which they may be taken: the keyspace catalogue lock, the pipeline,
//! the writer (held by the leader only), the version set, the background state. Readers wait for
//! none of them.

mod background;
pub(crate) mod batch;
mod catalogue;
mod checkpoint;
mod close;
mod compact;
mod empty;
mod entries;
mod fault;
mod finishing;
mod flush;
mod ingest;
mod iterator;
mod keys;
mod keyspace;
mod open;
mod options;
mod pipeline;
mod read;
mod repair;
mod replay;
mod snapshot;
mod space;
mod spill;
mod split;
mod stats;
mod super_version;
mod upgrade;
mod values;
mod verify;
mod versions;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{FileRef, VfsRef};

pub use batch::{BATCH_BYTES_MAX, Batch, Operation, Operations};
pub use checkpoint::{Checkpoint, CheckpointProgress};
pub use entries::Entries;
pub use ingest::{RunReader, RunWriter, SortedRun};
pub use iterator::{Bounds, EngineIter};
pub use keyspace::{KEYSPACE_NAME_BYTES_MAX, KeyspaceInfo, KeyspaceOptions};
pub use options::EngineOptions;
pub use pipeline::{CommitContext, Durability, Validate};
pub use read::ReadAt;
pub use repair::{RepairReport, repair};
pub use snapshot::Snapshot;
pub use spill::{SpillFile, SpillPlace};
pub use stats::{EngineStats, Latencies, LevelStats};
pub use upgrade::{UpgradeReport, upgrade};
pub use verify::{Problem, VerifyProgress, VerifyReport};

use crate::envelope::Security;
use crate::error::{Error, Result};
use crate::iter::EmptyRanges;
use crate::key::SequenceNumber;
use crate::memory::Memory;
use crate::table::TableStore;
use crate::value::{ValueStore, ValueWriter};
use crate::version::TreeFiles;
use background::Background;
use compact::Compactions;
use fault::Fault;
use keyspace::Keyspaces;
use pipeline::Pipeline;
use snapshot::SnapshotRegistry;
use stats::Counters;
use super_version::SuperVersion;
use versions::VersionSet;
use write::Writer;

/// An open database directory. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

/// Closes the engine when the last [`Engine`] goes. Background threads hold [`Inner`] only.
struct Handle {
    inner: Arc<Inner>,
}

/// Everything that threads of an engine share.
pub(crate) struct Inner {
    pub vfs: VfsRef,
    pub directory: PathBuf,
    pub options: EngineOptions,
    pub security: Arc<Security>,
    /// What is kept in memory, within one budget.
    pub memory: Arc<Memory>,
    /// What open tables share.
    pub tables: Arc<TableStore>,
    /// Handles of tables and value files.
    pub files: TreeFiles,
    /// Held by whoever unlinks files.
    pub reaping: Mutex<()>,
    pub values: ValueStore,
    /// Takes the large values of commits.
    pub value_writer: ValueWriter,
    /// Set when large values were written that no sync has covered yet.
    pub has_unsynced_values: AtomicBool,
    /// Gives out file numbers.
    pub next_file: Arc<AtomicU64>,
    /// The newest commit that readers see.
    pub visible: AtomicU64,
    pub super_version: ArcSwap<SuperVersion>,
    pub pipeline: Pipeline,
    /// The log and the active memtable; `None` in a read-only engine.
    pub writer: Mutex<Option<Writer>>,
    pub versions: Mutex<VersionSet>,
    pub snapshots: Arc<SnapshotRegistry>,
    /// Ranges that walks have found to be empty.
    pub empty: Arc<EmptyRanges>,
    pub keyspaces: Keyspaces,
    /// Held while a keyspace is created or dropped.
    pub catalogue: Mutex<()>,
    /// The id of the next new keyspace.
    pub next_keyspace: AtomicU32,
    pub compactions: Compactions,
    pub background: Background,
    pub fault: Fault,
    pub counters: Counters,
    /// Keeps the directory ours until the engine is closed.
    pub lock: Mutex<Option<FileRef>>,
}

impl Engine {
    /// Opens the database in `directory`, which is created if missing and wanted.
    ///
    /// Recovers what an earlier process left: every commit that was acknowledged as durable, and
    /// of the others a prefix.
    pub fn open(vfs: VfsRef, directory: &Path, options: EngineOptions) -> Result<Self> {
        let inner = open::open(vfs, directory, options)?;
        Ok(Self {
            handle: Arc::new(Handle { inner }),
        })
    }

    /// An empty batch for [`Engine::commit`].
    pub fn batch(&self) -> Batch {
        Batch::new(self.inner().options.value_threshold)
    }

    /// Commits a batch. `validate` runs in commit order and may refuse.
    pub fn commit(
        &self,
        batch: &mut Batch,
        durability: Durability,
        validate: &mut dyn Validate,
    ) -> Result<SequenceNumber> {
        self.inner().commit(batch, durability, validate)
    }

    /// A point in history to read at, which stays readable while it lives.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.inner();
        inner.snapshots.acquire(&inner.visible)
    }

    /// The sequence number of the oldest live snapshot, or the visible one if there is none.
    pub fn oldest_snapshot(&self) -> SequenceNumber {
        let inner = self.inner();
        inner.snapshots.oldest(&inner.visible)
    }

    /// The newest commit that readers see.
    pub fn visible_sequence(&self) -> SequenceNumber {
        self.inner().visible.load(Ordering::Acquire)
    }

    /// Runs `body` while no commit can validate or take a sequence number; `body` gets the last
    /// one given out, which may not be visible yet.
    pub fn paused<R>(&self, body: impl FnOnce(SequenceNumber) -> R) -> R {
        self.inner().pipeline.paused(body)
    }

    /// Waits until the commit with this sequence number, which has been given out, is visible.
    pub fn wait_visible(&self, sequence: SequenceNumber) -> Result<()> {
        self.inner().wait_until_visible(sequence)
    }

    /// The database directory.
    pub fn directory(&self) -> &Path {
        &self.inner().directory
    }

    /// The world the engine lives in.
    pub fn vfs(&self) -> &VfsRef {
        &self.inner().vfs
    }

    /// The engine's memory, for what layers above keep on its account.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.inner().memory
    }

    /// Stops background work, writes what is in memory to disk, and releases the directory.
    /// Further calls, through any clone, fail with [`Error::Closed`].
    pub fn close(&self) -> Result<()> {
        self.inner().close()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.handle.inner
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match self.inner.close() {
            Ok(()) | Err(Error::Closed) => {}
            Err(error) => tracing::error!(%error, "cannot close the database cleanly"),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("directory", &self.inner().directory)
            .finish_non_exhaustive()
    }
}
