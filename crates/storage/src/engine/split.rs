//! Cutting a range of keys into parts of about the same size, for readers that share the work.
//!
//! What is known without reading is how the tables' blocks lie: the index of each table names a key
//! for every block. Some of these keys, each standing for as many bytes as there are up to the next
//! one, are put in order over all tables, and a cut is made wherever enough bytes have come
//! together. What is in memtables alone is not cut.

use crate::engine::Engine;
use crate::error::Result;
use crate::key::KeyspaceId;
use crate::table::Table;

/// How many keys of the indexes stand for a part.
const SAMPLES_PER_PART: u64 = 8;

impl Engine {
    /// Keys that cut the range from `start` on and below `end` into parts, in their order: none of
    /// much fewer than `part_bytes` bytes of files, and at most `parts_max`. No keys if the range
    /// is too small for two parts.
    pub fn split(
        &self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
        part_bytes: u64,
        parts_max: u64,
    ) -> Result<Vec<Vec<u8>>> {
        let inner = self.inner();
        inner.fault.check_open()?;
        let prefix = keyspace.prefix();
        let lower = [&prefix[..], start].concat();
        let upper = match end {
            Some(end) => [&prefix[..], end].concat(),
            None => KeyspaceId(keyspace.0 + 1).prefix().to_vec(),
        };
        let super_version = inner.super_version.load_full();
        let mut tables = Vec::new();
        let mut bytes = 0;
        for handle in super_version.version.tables() {
            let meta = handle.meta();
            if *meta.largest < lower[..] || *meta.smallest >= upper[..] {
                continue;
            }
            let table = handle.table()?;
            bytes += table.approximate_bytes(&lower, &upper);
            tables.push(table);
        }
        let parts = (bytes / part_bytes.max(1)).min(parts_max);
        if parts < 2 {
            return Ok(Vec::new());
        }
        let part_bytes = bytes / parts;
        let mut samples = Vec::new();
        for table in &tables {
            sample(
                table,
                (&lower, &upper),
                part_bytes / SAMPLES_PER_PART,
                &mut samples,
            );
        }
        samples.sort_unstable();
        let mut cuts: Vec<Vec<u8>> = Vec::new();
        let mut since = 0;
        for (key, bytes) in samples {
            let key = &key[prefix.len()..];
            let is_new = cuts.last().is_none_or(|cut| cut[..] < *key);
            if since >= part_bytes && is_new {
                cuts.push(key.to_vec());
                since = 0;
            }
            since += bytes;
        }
        Ok(cuts)
    }
}

/// Keys of a table's index strictly within the range, and how many bytes there are from each up to
/// the next one.
fn sample(
    table: &Table,
    (lower, upper): (&[u8], &[u8]),
    every: u64,
    samples: &mut Vec<(Vec<u8>, u64)>,
) {
    let first = samples.len();
    let separators = table.separators(lower, upper);
    for (separator, bytes) in separators.filter(|(separator, _)| *separator > lower) {
        match samples[first..].last_mut() {
            Some((_, since)) if *since < every => *since += bytes,
            _ => samples.push((separator.to_vec(), bytes)),
        }
    }
}
