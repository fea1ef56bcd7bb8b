//! Tests of the manifest: bytes, fold, file.

mod bytes;
mod faults;
mod fold;
mod store;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::key::{FileNumber, KeyspaceId};

const DOCUMENT: &str = include_str!("../../../../docs/format/manifest.md");
const DATABASE_ID: [u8; 16] = [0xdb; 16];

fn directory() -> &'static Path {
    Path::new("db")
}

/// A table of keys from `smallest` to `largest`.
fn table(number: u64, smallest: &str, largest: &str) -> Arc<TableMeta> {
    Arc::new(TableMeta {
        number: FileNumber(number),
        file_bytes: 4096,
        smallest: smallest.as_bytes().into(),
        largest: largest.as_bytes().into(),
        entries: 2,
        max_seq: number,
        ..TableMeta::default()
    })
}

fn adding(level: u8, run: u64, tables: &[Arc<TableMeta>]) -> VersionEdit {
    let added = tables.iter().map(|meta| AddedTable {
        level,
        run,
        meta: Arc::clone(meta),
    });
    VersionEdit {
        added: added.collect(),
        ..VersionEdit::default()
    }
}

fn removing(numbers: &[u64]) -> VersionEdit {
    let removed = numbers.iter().map(|number| FileNumber(*number)).collect();
    VersionEdit {
        removed,
        ..VersionEdit::default()
    }
}

fn numbers_of(state: &ManifestState) -> Vec<(u8, u64, u64)> {
    state
        .tables()
        .map(|(level, run, meta)| (level, run, meta.number.0))
        .collect()
}

fn fold(edits: &[VersionEdit]) -> Result<ManifestState, FoldError> {
    let mut state = ManifestState::default();
    edits.iter().try_for_each(|edit| state.apply(edit))?;
    Ok(state)
}

/// An edit with every field.
fn full_edit() -> VersionEdit {
    let meta = TableMeta {
        number: FileNumber(5),
        file_bytes: 8192,
        checksum: 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
        smallest: b"\0\0\0\x01a".as_slice().into(),
        largest: b"\0\0\0\x01z".as_slice().into(),
        largest_exclusive: true,
        entries: 300,
        tombstones: 20,
        shadowed: 3,
        range_tombstones: 1,
        min_seq: 7,
        max_seq: 500,
        sequence_override: Some(500),
        expiring: 2,
        oldest_expiry: Some(1000),
        newest_expiry: Some(2000),
        value_refs: vec![(FileNumber(2), 4096)],
        raw_key_bytes: 1500,
        raw_value_bytes: 9000,
        created_micros: 1_700_000_000_000_000,
        data_key_id: 1,
    };
    VersionEdit {
        removed: vec![FileNumber(3)],
        added: vec![AddedTable {
            level: 1,
            run: 9,
            meta: Arc::new(meta),
        }],
        value_files_removed: vec![FileNumber(1)],
        value_files_added: vec![ValueFileMeta {
            number: FileNumber(2),
            file_bytes: 70_000,
            values: 6,
            value_bytes: 60_000,
            created_micros: 1_700_000_000_000_000,
            data_key_id: 1,
        }],
        next_file_number: Some(FileNumber(6)),
        last_sequence: Some(500),
        next_keyspace: Some(KeyspaceId(3)),
        next_run: Some(10),
        wal_floor: Some(FileNumber(4)),
        flushed_sequence: Some(500),
        wal_ends: vec![(FileNumber(4), 640)],
        counts: Some(vec![(KeyspaceId(1), 280)]),
    }
}
