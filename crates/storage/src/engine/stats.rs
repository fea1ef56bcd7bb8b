//! What the engine counts while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{Engine, Inner};
use crate::version::Run;

/// How many buckets a latency histogram has: four per power of two of nanoseconds.
const BUCKETS: usize = 256;

/// Counters that threads add to without waiting for each other.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub commits: AtomicU64,
    pub groups: AtomicU64,
    pub log_bytes: AtomicU64,
    pub log_bytes_checked: AtomicU64,
    pub background_errors: AtomicU64,
    pub pace_debt_micros: AtomicU64,
    flushes: AtomicU64,
    flush_bytes: AtomicU64,
    flush_micros: AtomicU64,
    compactions: AtomicU64,
    compaction_bytes_read: AtomicU64,
    compaction_bytes_written: AtomicU64,
    compaction_micros: AtomicU64,
    stalls: AtomicU64,
    stall_micros: AtomicU64,
    log_writes: Histogram,
    syncs: Histogram,
}

impl Counters {
    pub fn record_log_write(&self, elapsed: Duration) {
        self.log_writes.record(elapsed);
    }

    pub fn record_sync(&self, elapsed: Duration) {
        self.syncs.record(elapsed);
    }

    pub fn record_flush(&self, bytes: u64, elapsed: Duration) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flush_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.flush_micros
            .fetch_add(elapsed.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn record_compaction(&self, read: u64, written: u64, elapsed: Duration) {
        self.compactions.fetch_add(1, Ordering::Relaxed);
        self.compaction_bytes_read
            .fetch_add(read, Ordering::Relaxed);
        self.compaction_bytes_written
            .fetch_add(written, Ordering::Relaxed);
        self.compaction_micros
            .fetch_add(elapsed.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn record_stall(&self, elapsed: Duration) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
        self.stall_micros
            .fetch_add(elapsed.as_micros() as u64, Ordering::Relaxed);
    }
}

/// A histogram of durations with about 20 % resolution.
#[derive(Debug)]
struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    fn record(&self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(4);
        self.0[Self::bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }

    /// Four buckets per power of two, told apart by the two bits after the leading one.
    fn bucket(nanos: u64) -> usize {
        let power = nanos.ilog2() as usize;
        power * 4 + ((nanos >> (power - 2)) & 3) as usize
    }

    /// The upper bound of a bucket, in nanoseconds.
    fn upper(bucket: usize) -> u64 {
        let (power, quarter) = (bucket / 4, bucket as u64 % 4);
        if power < 2 {
            4
        } else {
            ((4 + quarter + 1) << (power - 2)).saturating_sub(1)
        }
    }

    fn latencies(&self) -> Latencies {
        let counts: Vec<u64> = self.0.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let at = |per_mille: u64| {
            let rank = (total * per_mille).div_ceil(1_000).max(1);
            let mut seen = 0;
            for (bucket, count) in counts.iter().enumerate() {
                seen += count;
                if seen >= rank {
                    return Duration::from_nanos(Self::upper(bucket));
                }
            }
            Duration::ZERO
        };
        let last = counts.iter().rposition(|count| *count > 0);
        Latencies {
            count: total,
            p50: at(500),
            p99: at(990),
            p999: at(999),
            max: last.map_or(Duration::ZERO, |bucket| {
                Duration::from_nanos(Self::upper(bucket))
            }),
        }
    }
}

/// Percentiles of durations, rounded up to about 20 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// How many durations were recorded.
    pub count: u64,
    /// Half of them were at most this long.
    pub p50: Duration,
    /// 99 % of them were at most this long.
    pub p99: Duration,
    /// 99.9 % of them were at most this long.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

/// One level of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelStats {
    /// Sorted runs.
    pub runs: usize,
    /// Table files.
    pub tables: usize,
    /// Their size on disk.
    pub bytes: u64,
    /// Their entries, old versions and deletions included.
    pub entries: u64,
}

impl LevelStats {
    fn of(runs: &[Arc<Run>]) -> Self {
        let tables = || runs.iter().flat_map(|run| run.tables());
        Self {
            runs: runs.len(),
            tables: tables().count(),
            bytes: tables().map(|t| t.meta().file_bytes).sum(),
            entries: tables().map(|t| t.meta().entries).sum(),
        }
    }
}

/// What an engine knows about itself at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineStats {
    /// The newest visible commit.
    pub sequence: u64,
    /// Bytes in the active memtable.
    pub memtable_bytes: u64,
    /// Entries in the active memtable.
    pub memtable_entries: u64,
    /// Memtables that wait for their flush.
    pub frozen_memtables: usize,
    /// All memory of memtables.
    pub memtable_memory_bytes: u64,
    /// The levels, from 0 on.
    pub levels: Vec<LevelStats>,
    /// Value files and their size on disk.
    pub value_files: usize,
    /// The size of the value files on disk.
    pub value_bytes: u64,
    /// The part of the value files' contents that tables still refer to.
    pub value_live_bytes: u64,
    /// Bytes of keys and values in tables before compression.
    pub raw_table_bytes: u64,
    /// Commits and the groups they were logged in.
    pub commits: u64,
    /// Groups of commits logged with one record.
    pub commit_groups: u64,
    /// Bytes of commits written to the log.
    pub log_bytes: u64,
    /// How long writes of the log took that no sync followed at once.
    pub log_writes: Latencies,
    /// How long writes with a sync of the log took.
    pub log_syncs: Latencies,
    /// Flushes, their bytes and their time.
    pub flushes: u64,
    /// Bytes written by flushes.
    pub flush_bytes: u64,
    /// Time spent in flushes.
    pub flush_time: Duration,
    /// Compactions.
    pub compactions: u64,
    /// Bytes read by compactions.
    pub compaction_bytes_read: u64,
    /// Bytes written by compactions.
    pub compaction_bytes_written: u64,
    /// Time spent in compactions.
    pub compaction_time: Duration,
    /// Bytes written to tables for each byte written to the log.
    pub write_amplification: f64,
    /// Bytes of tables and value files for each byte of the deepest level and of values in use: an
    /// estimate, for what lies above the deepest level may be new.
    pub space_amplification: f64,
    /// Runs and memtables that a read may have to look at.
    pub read_amplification: usize,
    /// Writes that were delayed, and for how long in all.
    pub stalls: u64,
    /// Time that writes were delayed.
    pub stall_time: Duration,
    /// Memory by use, and its budget.
    pub memory: crate::memory::MemoryStats,
    /// The block cache.
    pub cache: crate::cache::CacheStats,
    /// The generation of the key ring, which every change of keys raises; `None` in a database
    /// that is not encrypted.
    pub key_ring_generation: Option<u64>,
    /// Live snapshots.
    pub snapshots: usize,
    /// The oldest of them; the visible sequence if there is none.
    pub oldest_snapshot: u64,
    /// Keyspaces.
    pub keyspaces: usize,
    /// Failed background jobs.
    pub background_errors: u64,
    /// Why writes stopped, if they did.
    pub fault: Option<String>,
}

impl Engine {
    /// Counters and sizes at this moment. Cheap; never waits for background work.
    pub fn stats(&self) -> EngineStats {
        self.inner().stats()
    }
}

impl Inner {
    fn stats(&self) -> EngineStats {
        let super_version = self.super_version.load_full();
        let version = &super_version.version;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let levels: Vec<LevelStats> = (0..crate::manifest::LEVELS)
            .map(|level| LevelStats::of(version.level(level).runs()))
            .collect();
        let values = || version.value_files().values();
        let raw = version
            .tables()
            .map(|t| t.meta().raw_key_bytes + t.meta().raw_value_bytes)
            .sum();
        let value_bytes = values().map(|file| file.handle.meta().file_bytes).sum();
        let value_live_bytes = values().map(|file| file.live_bytes).sum();
        let written = get(&counters.flush_bytes) + get(&counters.compaction_bytes_written);
        let log_bytes = get(&counters.log_bytes);
        EngineStats {
            sequence: self.visible.load(Ordering::Acquire),
            memtable_bytes: super_version.active.used_bytes() as u64,
            memtable_entries: super_version.active.entries(),
            frozen_memtables: super_version.frozen().count(),
            memtable_memory_bytes: super_version
                .frozen()
                .chain([&super_version.active])
                .map(|m| m.memory_bytes() as u64)
                .sum(),
            value_files: values().count(),
            value_bytes,
            value_live_bytes,
            raw_table_bytes: raw,
            commits: get(&counters.commits),
            commit_groups: get(&counters.groups),
            log_bytes,
            log_writes: counters.log_writes.latencies(),
            log_syncs: counters.syncs.latencies(),
            flushes: get(&counters.flushes),
            flush_bytes: get(&counters.flush_bytes),
            flush_time: Duration::from_micros(get(&counters.flush_micros)),
            compactions: get(&counters.compactions),
            compaction_bytes_read: get(&counters.compaction_bytes_read),
            compaction_bytes_written: get(&counters.compaction_bytes_written),
            compaction_time: Duration::from_micros(get(&counters.compaction_micros)),
            write_amplification: if log_bytes == 0 {
                0.0
            } else {
                written as f64 / log_bytes as f64
            },
            space_amplification: space_amplification(&levels, value_bytes, value_live_bytes),
            read_amplification: 1 + super_version.young.len() + version.deeper_runs().len(),
            levels,
            stalls: get(&counters.stalls),
            stall_time: Duration::from_micros(get(&counters.stall_micros)),
            memory: self.memory.stats(),
            cache: self.tables.cache().stats(),
            key_ring_generation: self.security.key_ring().map(|ring| ring.generation()),
            snapshots: self.snapshots.count(),
            oldest_snapshot: self.snapshots.oldest(&self.visible),
            keyspaces: self.keyspaces.list().len(),
            background_errors: get(&counters.background_errors),
            fault: self.fault.reason().map(|reason| reason.to_string()),
        }
    }
}

/// See [`EngineStats::space_amplification`]. One for a database without files.
fn space_amplification(levels: &[LevelStats], value_bytes: u64, value_live_bytes: u64) -> f64 {
    let tables: u64 = levels.iter().map(|level| level.bytes).sum();
    let used = levels.iter().rev().find(|level| level.tables > 0);
    let live = used.map_or(0, |level| level.bytes) + value_live_bytes;
    match live {
        0 => 1.0,
        _ => (tables + value_bytes) as f64 / live as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_compared_with_the_deepest_level_and_values_in_use() {
        let level = |tables, bytes| LevelStats {
            tables,
            bytes,
            ..LevelStats::default()
        };
        let levels = [level(1, 10), level(0, 0), level(2, 80), level(0, 0)];
        assert_eq!(space_amplification(&levels, 30, 20), 1.2);
        assert_eq!(space_amplification(&[], 0, 0), 1.0);
    }

    #[test]
    fn percentiles_are_within_a_quarter() {
        let histogram = Histogram::default();
        for micros in 1..=1_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let latencies = histogram.latencies();
        assert_eq!(latencies.count, 1_000);
        for (got, want) in [
            (latencies.p50, 500),
            (latencies.p99, 990),
            (latencies.max, 1_000),
        ] {
            let want = Duration::from_micros(want);
            assert!(got >= want && got <= want * 5 / 4, "{got:?} for {want:?}");
        }
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
    }
}
