//! What a seed decides about a run as a whole: who takes part, and the options of the database.

use std::sync::Arc;
use std::time::Duration;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Compression, Encryption, Options};
use rustdb_storage::compaction::{CompactionOptions, CompactionStyle};
use rustdb_storage::engine::EngineOptions;
use rustdb_vfs::VfsRef;

use crate::workload::Random;

/// In one seed of so many the clients are many, and meet.
const CROWDED_ONE_IN: u64 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub seed: u64,
    pub clients: usize,
    pub steps: usize,
    pub is_encrypted: bool,
    pub has_faults: bool,
    /// The size of the disk, if it is to become full.
    pub capacity: Option<u64>,
    /// One in so many changes of the disk is looked at.
    pub sample: u64,
    /// How long syncs of the log take, if many clients are to meet in groups of commits: large
    /// transactions and small ones, in any order.
    pub crowd: Option<Duration>,
    options: Options,
}

impl Setting {
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (is_encrypted, has_faults) = (random.one_in(4), random.one_in(3));
        let is_full = random.one_in(12);
        let setting = Self {
            seed,
            clients: 1 + random.below(3) as usize,
            steps: 30 + random.below(50) as usize,
            is_encrypted,
            has_faults: has_faults || is_full,
            capacity: is_full.then(|| 100_000 + random.below(400_000)),
            sample: 1 + random.below(24),
            crowd: None,
            options: options(&mut random),
        };
        match seed.is_multiple_of(CROWDED_ONE_IN) {
            true => setting.crowded(&mut random),
            false => setting,
        }
    }

    /// The same with many clients, who meet.
    ///
    /// A group of commits fills while the one before it is synced. So a sync of the log takes as long
    /// as some other clients need to come to theirs, and a transaction is large soon.
    fn crowded(mut self, random: &mut Random) -> Self {
        self.clients = 4 + random.below(5) as usize;
        self.steps = 12 + random.below(24) as usize;
        // They do much, and each look costs a recovery or two.
        self.sample = 8 + random.below(40);
        self.crowd = Some(Duration::from_micros(20 << random.below(8)));
        self.options.transaction_bytes = 1024;
        self
    }

    /// The options, with the given key if the database is encrypted.
    pub fn options(&self, vfs: VfsRef, key: u8) -> Options {
        Options {
            encryption: self.is_encrypted.then(|| Encryption {
                provider: Arc::new(provider(key)),
                algorithm: Algorithm::ChaCha20Poly1305,
            }),
            vfs: Some(vfs),
            ..self.options.clone()
        }
    }
}

/// The outer key of this number.
pub(crate) fn provider(key: u8) -> RawKey {
    RawKey::new(Secret::new([key; 32]))
}

fn options(random: &mut Random) -> Options {
    let style = match random.below(3) {
        0 => CompactionStyle::Tiered {
            runs_max: 2 + random.below(3) as usize,
        },
        _ => CompactionStyle::Leveled,
    };
    let compaction = CompactionOptions {
        style,
        level0_trigger: 1 + random.below(4) as usize,
        base_bytes: 2048 << random.below(6),
        multiplier: 2 + random.below(8),
        table_bytes: 1024 << random.below(6),
        compressed_from: random.below(4) as usize,
        tombstone_ratio: 0.1 + random.below(5) as f64 / 10.0,
        settle_micros: 1_000 << random.below(16),
        ..CompactionOptions::default()
    };
    let engine = EngineOptions {
        compaction,
        value_file_bytes: 1024 << random.below(8),
        block_bytes: 512 << random.below(4),
        frozen_memtables_max: 1 + random.below(3) as usize,
        open_files_max: 16 << random.below(4),
        ..EngineOptions::default()
    };
    Options {
        cache_bytes: 16 << 10 << random.below(6),
        write_buffer_bytes: 4096 << random.below(4),
        transaction_bytes: 1024 << random.below(4),
        large_value_bytes: 64 << random.below(6),
        compression: match random.below(3) {
            0 => Compression::None,
            1 => Compression::Lz4,
            _ => Compression::Snappy,
        },
        compaction_threads: random.below(3) as usize,
        reserve_bytes: 0,
        engine: Some(engine),
        ..Options::default()
    }
}
