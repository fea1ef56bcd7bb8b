//! Reads what can still be read of a damaged table, block by block.

use std::path::Path;
use std::sync::Arc;

use super::reader::Table;
use super::store::TableStore;
use super::tail::TailParts;
use crate::error::{Error, Result};
use crate::key::{EntryKind, SequenceNumber};
use crate::manifest::TableMeta;

/// Takes an entry: key, sequence number, kind, value.
pub(crate) type EntrySink<'a> =
    dyn FnMut(&[u8], SequenceNumber, EntryKind, &[u8]) -> Result<()> + 'a;

impl Table {
    /// Opens a table of which filter or range tombstones may be damaged; these are left out then.
    /// What had to be left out is returned. Without its index a table cannot be read.
    pub(crate) fn open_damaged(
        store: &Arc<TableStore>,
        path: &Path,
        meta: &Arc<TableMeta>,
    ) -> Result<(Arc<Self>, Vec<Error>)> {
        let open = |parts| Table::open_parts(store, path, meta.clone(), parts);
        let damage = match open(TailParts::All) {
            Ok(table) => return Ok((table, Vec::new())),
            Err(damage) => damage,
        };
        let table = match open(TailParts::NoFilter) {
            Ok(table) => table,
            Err(_) => open(TailParts::NoFilterNoTombstones)?,
        };
        Ok((table, vec![damage]))
    }

    /// As [`Table::read_meta`], also if filter or range tombstones are damaged.
    pub(crate) fn read_meta_damaged(store: &Arc<TableStore>, path: &Path) -> Result<TableMeta> {
        Self::read_origin_damaged(store, path).map(|(meta, _)| meta)
    }

    /// As [`Table::read_meta_damaged`], and whether the table is part of a bulk write.
    pub(crate) fn read_origin_damaged(
        store: &Arc<TableStore>,
        path: &Path,
    ) -> Result<(TableMeta, bool)> {
        let parts = TailParts::NoFilterNoTombstones;
        let properties = Self::read_properties(store, path, parts)?;
        Ok((properties.meta, properties.is_bulk))
    }

    /// Hands the entries of all sound blocks to `sink`, in order. Returns the damage met.
    pub(crate) fn salvage(&self, sink: &mut EntrySink<'_>) -> Result<Vec<Error>> {
        let mut damage = Vec::new();
        let mut sealed = Vec::new();
        let mut key = Vec::new();
        let mut last: Option<(Vec<u8>, SequenceNumber)> = None;
        for at in 0..self.index().blocks() {
            let read = self
                .read_sealed(at..at + 1, &mut sealed)
                .and_then(|()| self.decode_block(at, &mut sealed));
            let block = match read {
                Ok(block) => block,
                Err(error) => {
                    damage.push(error);
                    continue;
                }
            };
            let block = block.get();
            for entry in 0..block.len() {
                block.read_key(entry, &mut key);
                let seq = self.reported_seq(block.seq(entry));
                let in_order = last.as_ref().is_none_or(|(last, last_seq)| {
                    key > *last || (key == *last && seq < *last_seq)
                });
                if !in_order {
                    let offset = self.index().location(at).start;
                    damage.push(Error::corruption(
                        self.path(),
                        offset,
                        "entries are out of order",
                    ));
                    break;
                }
                sink(&key, seq, block.kind(entry), block.value(entry))?;
                let (last_key, last_seq) = last.get_or_insert_default();
                std::mem::swap(last_key, &mut key);
                *last_seq = seq;
            }
        }
        Ok(damage)
    }
}
