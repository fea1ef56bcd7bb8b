//! What a caller may choose when opening an engine.

use std::time::Duration;

use crate::codec::Codec;
use crate::compaction::CompactionOptions;
use crate::error::{Error, Result};
use crate::keyring::Encryption;

/// The least budget of memory that makes sense.
const MEMORY_BUDGET_MIN: usize = 4 << 20;

/// Options of [`Engine::open`](crate::engine::Engine::open).
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Create the database if the directory is missing or empty.
    pub create: bool,
    /// Refuse to open a database that exists.
    pub create_new: bool,
    /// Open without writing anything: no log, no background work, a shared lock.
    pub read_only: bool,
    /// The limit of cache, memtables, write sets and table builders together; `None` leaves each
    /// to its own. See [`crate::memory`] and [`EngineOptions::within`].
    pub memory_budget: Option<usize>,
    /// Bytes of blocks, indexes and filters kept in memory.
    pub cache_bytes: usize,
    /// Bytes a memtable holds before it is frozen and flushed.
    pub memtable_bytes: usize,
    /// Frozen memtables that may wait for their flush before writers are stopped.
    pub frozen_memtables_max: usize,
    /// Values of this size and more live in value files.
    pub value_threshold: usize,
    /// A value file is closed when it reaches this size.
    pub value_file_bytes: u64,
    /// Uncompressed size of a table block.
    pub block_bytes: usize,
    /// Codec per level; deeper levels use the last one.
    pub compression: Vec<Codec>,
    /// Shape of the tree.
    pub compaction: CompactionOptions,
    /// The most bytes per second that compactions write; zero for no limit.
    pub compaction_bytes_per_second: u64,
    /// Threads that compact, besides the one that flushes. Zero leaves compaction to
    /// `compact_range`.
    pub compaction_threads: usize,
    /// How many table files are held open.
    pub open_files_max: usize,
    /// Space on disk that writes leave free, for compaction and deletes.
    pub reserve_bytes: u64,
    /// The longest a paced write is delayed.
    pub pace_delay_max: Duration,
    /// Encryption at rest. Off by default.
    pub encryption: Option<Encryption>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            create: true,
            create_new: false,
            read_only: false,
            memory_budget: None,
            cache_bytes: 256 << 20,
            memtable_bytes: 64 << 20,
            frozen_memtables_max: 3,
            value_threshold: 16 << 10,
            value_file_bytes: 256 << 20,
            block_bytes: 4 << 10,
            compression: vec![Codec::None, Codec::None, Codec::Lz4],
            compaction: CompactionOptions {
                compressed_from: 2,
                ..CompactionOptions::default()
            },
            compaction_bytes_per_second: 0,
            compaction_threads: 2,
            open_files_max: 512,
            reserve_bytes: 16 << 20,
            pace_delay_max: Duration::from_millis(50),
            encryption: None,
        }
    }
}

impl EngineOptions {
    /// These options with every part scaled to a budget of memory, unless it is smaller already.
    ///
    /// The cache takes what the others leave. Memtables, one active and those that wait, take at
    /// most a quarter, so do tables being written.
    #[must_use]
    pub fn within(mut self, budget: usize) -> Self {
        let share = |part: usize| budget / part;
        let memtables = share(4) / (self.frozen_memtables_max + 1);
        // The last chunk of a memtable may be as long as the rest, or 4 MiB.
        let memtable_bytes = memtables - (memtables / 2).min(4 << 20);
        self.memory_budget = Some(budget);
        self.cache_bytes = budget;
        self.memtable_bytes = self.memtable_bytes.min(memtable_bytes.max(64 << 10));
        let compaction = &mut self.compaction;
        let table_bytes = (share(32) as u64).max(512 << 10);
        compaction.table_bytes = compaction.table_bytes.min(table_bytes);
        compaction.base_bytes = compaction.base_bytes.min(8 * self.memtable_bytes as u64);
        compaction.readahead_bytes = compaction.readahead_bytes.min(share(256).max(32 << 10));
        self
    }

    /// Checks what would otherwise fail later and less clearly.
    pub fn check(&self) -> Result<()> {
        let rules = [
            (
                self.memtable_bytes >= 4 << 10,
                "`memtable_bytes` must be at least 4 KiB",
            ),
            (
                self.memtable_bytes <= 4 << 30,
                "`memtable_bytes` must be at most 4 GiB",
            ),
            (
                self.memory_budget
                    .is_none_or(|bytes| bytes >= MEMORY_BUDGET_MIN),
                "`memory_budget` must be at least 4 MiB",
            ),
            (
                self.frozen_memtables_max >= 1,
                "`frozen_memtables_max` must be at least 1",
            ),
            (
                self.value_threshold >= 64,
                "`value_threshold` must be at least 64 bytes",
            ),
            (
                self.block_bytes >= 512,
                "`block_bytes` must be at least 512",
            ),
            (
                self.block_bytes <= 1 << 20,
                "`block_bytes` must be at most 1 MiB",
            ),
            (
                !self.compression.is_empty(),
                "`compression` must name at least one codec",
            ),
            (
                self.open_files_max >= 16,
                "`open_files_max` must be at least 16",
            ),
            (
                !(self.read_only && self.create_new),
                "a read-only open cannot create a database",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(Error::InvalidArgument((*message).into())),
            None => Ok(()),
        }
    }

    /// The codec of blocks at `level`.
    pub(crate) fn codec_at(&self, level: usize) -> Codec {
        let last = self.compression.len() - 1;
        self.compression[level.min(last)]
    }
}
