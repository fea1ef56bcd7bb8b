//! A run: tables in key order that do not overlap, searched as one.

use std::sync::Arc;

use super::bounds::KeyBounds;
use super::handle::TableHandle;
use crate::error::{Error, Result};
use crate::key::SequenceNumber;

/// Tables in key order that do not overlap. A key is in at most one of them, with all its
/// versions that the run has.
#[derive(Debug)]
pub struct Run {
    id: u64,
    tables: Vec<Arc<TableHandle>>,
    /// What the largest keys of all tables begin with.
    prefix: Box<[u8]>,
    /// Of each table's largest key, the eight bytes after the prefix, big-endian, padded with
    /// zeros: a search touches this array and then one or two tables.
    heads: Box<[u64]>,
    bytes: u64,
    min_seq: SequenceNumber,
    max_seq: SequenceNumber,
    has_tombstones: bool,
}

impl Run {
    /// A run of these tables, in any order. `InvalidArgument` if two of them overlap or there are
    /// none.
    pub fn new(id: u64, mut tables: Vec<Arc<TableHandle>>) -> Result<Self> {
        tables.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        let broken = tables.windows(2).find(|pair| {
            let (left, right) = (pair[0].bounds(), pair[1].bounds());
            !left.ends_before(right.smallest)
        });
        if let Some(pair) = broken {
            return Err(Error::InvalidArgument(format!(
                "tables {:?} and {:?} of run {id} overlap",
                pair[0].meta().number,
                pair[1].meta().number
            )));
        }
        let (Some(first), Some(last)) = (tables.first(), tables.last()) else {
            return Err(Error::InvalidArgument(format!("run {id} has no tables")));
        };
        // The keys are sorted, so what the first and the last share is shared by all.
        let (low, high) = (&first.meta().largest, &last.meta().largest);
        let shared = low.iter().zip(high.iter()).take_while(|(a, b)| a == b);
        let prefix: Box<[u8]> = low[..shared.count()].into();
        let heads = tables
            .iter()
            .map(|table| head(&table.meta().largest[prefix.len()..]))
            .collect();
        let metas = || tables.iter().map(|table| table.meta());
        Ok(Self {
            id,
            prefix,
            heads,
            bytes: metas().map(|meta| meta.file_bytes).sum(),
            min_seq: metas().map(|meta| meta.min_seq).min().unwrap_or(0),
            max_seq: metas().map(|meta| meta.max_seq).max().unwrap_or(0),
            has_tombstones: metas().any(|meta| meta.range_tombstones > 0),
            tables,
        })
    }

    /// Identifies the run for as long as it exists.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The tables, in key order; never none.
    pub fn tables(&self) -> &[Arc<TableHandle>] {
        &self.tables
    }

    /// The length of all tables.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lowest sequence number in the run.
    pub fn min_seq(&self) -> SequenceNumber {
        self.min_seq
    }

    /// The highest sequence number in the run.
    pub fn max_seq(&self) -> SequenceNumber {
        self.max_seq
    }

    /// Whether a table of the run has range tombstones.
    pub fn has_tombstones(&self) -> bool {
        self.has_tombstones
    }

    /// The table that may say something about `key`.
    pub fn find(&self, key: &[u8]) -> Option<&Arc<TableHandle>> {
        let table = self.tables.get(self.first_not_before(key))?;
        (*table.meta().smallest <= *key).then_some(table)
    }

    /// The position of the first table that does not end before `key`; the number of tables if
    /// all do.
    pub fn first_not_before(&self, key: &[u8]) -> usize {
        let count = self.tables.len();
        let shared = self.prefix.len().min(key.len());
        let (from, to) = match key[..shared].cmp(&self.prefix[..shared]) {
            std::cmp::Ordering::Less => return 0,
            std::cmp::Ordering::Greater => return count,
            // A key that ends within the prefix sorts before every key that has all of it.
            std::cmp::Ordering::Equal if key.len() < self.prefix.len() => return 0,
            std::cmp::Ordering::Equal => {
                let head = head(&key[shared..]);
                let from = self.heads.partition_point(|h| *h < head);
                let equal = self.heads[from..].partition_point(|h| *h == head);
                (from, from + equal)
            }
        };
        // Heads decide all but the tables whose head is the key's own.
        from + self.tables[from..to].partition_point(|table| table.bounds().ends_before(key))
    }

    /// The tables that overlap `bounds`.
    pub fn overlapping(&self, bounds: KeyBounds<'_>) -> &[Arc<TableHandle>] {
        let from = self.first_not_before(bounds.smallest);
        let rest = &self.tables[from..];
        let count = rest.partition_point(|table| !bounds.ends_before(&table.meta().smallest));
        &rest[..count]
    }
}

/// The first eight bytes as a number that sorts as they do; shorter keys are padded with zeros,
/// so that equal heads leave the order open and unequal ones decide it.
fn head(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(bytes)
        }
    }
}
