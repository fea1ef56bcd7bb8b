//! Sizes and counters, for people and for programs.

use rustdb::{Database, Latencies, Stats};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::output::{Output, count, size, time};

/// Prints what the database knows about itself.
pub fn print(database: &Database, output: &mut Output) -> Result<()> {
    let stats = database.stats();
    if output.is_json() {
        output.line(&object(&stats).to_string())?;
    } else {
        for line in lines(&stats) {
            output.line(&line)?;
        }
    }
    output.flush()
}

fn tables(stats: &Stats) -> usize {
    stats.levels.iter().map(|level| level.tables).sum()
}

/// The first four lines are fixed: scripts read them.
fn lines(stats: &Stats) -> Vec<String> {
    let mut lines = vec![
        format!("MemTable size: {} bytes", stats.memtable_bytes),
        format!("MemTable entries: {}", stats.memtable_entries),
        format!("SSTables: {}", tables(stats)),
        format!("Sequence: {}", stats.sequence),
    ];
    lines.push(format!("Keyspaces: {}", stats.keyspaces));
    lines.extend(level_lines(stats));
    lines.push(format!(
        "Value files: {}, {} ({} in use)",
        stats.value_files,
        size(stats.value_bytes),
        size(stats.value_live_bytes)
    ));
    lines.extend(writing_lines(stats));
    lines.push(format!(
        "Amplification: {:.1} of writes, {} of reads, {:.1} of space",
        stats.write_amplification, stats.read_amplification, stats.space_amplification
    ));
    lines.push(format!(
        "Stalls: {}, {}",
        count(stats.stalls),
        time(stats.stall_time)
    ));
    lines.push(format!(
        "Cache: {} of {}, {:.1} % hits",
        size(stats.cache.used_bytes as u64),
        size(stats.cache.budget_bytes as u64),
        100.0 * stats.cache.hit_ratio()
    ));
    lines.push(format!(
        "Filters: {} reads saved, {} in vain",
        count(stats.cache.filtered),
        count(stats.cache.read_in_vain)
    ));
    lines.push(memory_line(stats));
    lines.push(format!("Snapshots: {}", stats.snapshots));
    if let Some(generation) = stats.key_ring_generation {
        lines.push(format!("Key ring: generation {generation}"));
    }
    if let Some(fault) = &stats.fault {
        lines.push(format!("Writes stopped: {fault}"));
    }
    if stats.background_errors > 0 {
        lines.push(format!(
            "Failed background jobs: {}",
            count(stats.background_errors)
        ));
    }
    lines
}

fn writing_lines(stats: &Stats) -> [String; 5] {
    [
        format!(
            "Log: {} commits in {} groups, {}",
            count(stats.commits),
            count(stats.commit_groups),
            size(stats.log_bytes)
        ),
        format!("Log writes: {}", latencies(&stats.log_writes)),
        format!("Log syncs: {}", latencies(&stats.log_syncs)),
        format!(
            "Flushes: {}, {} in {}",
            count(stats.flushes),
            size(stats.flush_bytes),
            time(stats.flush_time)
        ),
        format!(
            "Compactions: {}, {} read, {} written in {}",
            count(stats.compactions),
            size(stats.compaction_bytes_read),
            size(stats.compaction_bytes_written),
            time(stats.compaction_time)
        ),
    ]
}

fn memory_line(stats: &Stats) -> String {
    let memory = &stats.memory;
    let limit = match memory.budget {
        Some(budget) => format!(" of {}", size(budget as u64)),
        None => String::new(),
    };
    format!(
        "Memory: {}{limit} (cache {}, memtables {}, transactions {}, tables being written {})",
        size(memory.total() as u64),
        size(memory.cache as u64),
        size(memory.memtables as u64),
        size(memory.write_sets as u64),
        size(memory.builders as u64)
    )
}

fn level_lines(stats: &Stats) -> Vec<String> {
    let levels = stats.levels.iter().enumerate();
    let used = levels.filter(|(_, level)| level.tables > 0);
    used.map(|(number, level)| {
        format!(
            "Level {number}: {} tables in {} runs, {}, {} entries",
            level.tables,
            level.runs,
            size(level.bytes),
            count(level.entries)
        )
    })
    .collect()
}

fn latencies(latencies: &Latencies) -> String {
    match latencies.count {
        0 => "0".to_owned(),
        number => format!(
            "{}, p50 {}, p99 {}, p99.9 {}, longest {}",
            count(number),
            time(latencies.p50),
            time(latencies.p99),
            time(latencies.p999),
            time(latencies.max)
        ),
    }
}

fn object(stats: &Stats) -> Value {
    let levels: Vec<Value> = stats
        .levels
        .iter()
        .map(|level| {
            json!({
                "runs": level.runs, "tables": level.tables,
                "bytes": level.bytes, "entries": level.entries,
            })
        })
        .collect();
    json!({
        "memtable_bytes": stats.memtable_bytes,
        "memtable_entries": stats.memtable_entries,
        "sstables": tables(stats),
        "sequence": stats.sequence,
        "keyspaces": stats.keyspaces,
        "frozen_memtables": stats.frozen_memtables,
        "memtable_memory_bytes": stats.memtable_memory_bytes,
        "levels": levels,
        "value_files": stats.value_files,
        "value_bytes": stats.value_bytes,
        "value_live_bytes": stats.value_live_bytes,
        "raw_table_bytes": stats.raw_table_bytes,
        "commits": stats.commits,
        "commit_groups": stats.commit_groups,
        "log_bytes": stats.log_bytes,
        "log_writes": latencies_object(&stats.log_writes),
        "log_syncs": latencies_object(&stats.log_syncs),
        "flushes": stats.flushes,
        "flush_bytes": stats.flush_bytes,
        "flush_us": stats.flush_time.as_micros() as u64,
        "compactions": stats.compactions,
        "compaction_bytes_read": stats.compaction_bytes_read,
        "compaction_bytes_written": stats.compaction_bytes_written,
        "compaction_us": stats.compaction_time.as_micros() as u64,
        "write_amplification": stats.write_amplification,
        "read_amplification": stats.read_amplification,
        "space_amplification": stats.space_amplification,
        "stalls": stats.stalls,
        "stall_us": stats.stall_time.as_micros() as u64,
        "cache": {
            "hits": stats.cache.hits,
            "misses": stats.cache.misses,
            "evictions": stats.cache.evictions,
            "filtered": stats.cache.filtered,
            "read_in_vain": stats.cache.read_in_vain,
            "used_bytes": stats.cache.used_bytes,
            "budget_bytes": stats.cache.budget_bytes,
        },
        "memory": {
            "budget_bytes": stats.memory.budget,
            "used_bytes": stats.memory.total(),
            "cache_bytes": stats.memory.cache,
            "memtable_bytes": stats.memory.memtables,
            "write_set_bytes": stats.memory.write_sets,
            "builder_bytes": stats.memory.builders,
        },
        "key_ring_generation": stats.key_ring_generation,
        "snapshots": stats.snapshots,
        "oldest_snapshot": stats.oldest_snapshot,
        "background_errors": stats.background_errors,
        "fault": stats.fault,
    })
}

fn latencies_object(latencies: &Latencies) -> Value {
    json!({
        "count": latencies.count,
        "p50_us": latencies.p50.as_micros() as u64,
        "p99_us": latencies.p99.as_micros() as u64,
        "p999_us": latencies.p999.as_micros() as u64,
        "max_us": latencies.max.as_micros() as u64,
    })
}
