//! Whole table files.
//!
//! Input: a selector (bit 0: checksums are ignored, bit 1: all entries have one sequence number),
//! the file.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::fuzzing::{salvage_table, table_meta};
use rustdb_storage::key::{FileNumber, MAX_SEQUENCE};
use rustdb_storage::table::{FilterUse, ReadMode, Table, TableStore, TableStoreOptions, key_hash};

use crate::disk::{DIRECTORY, disk_with};
use crate::fixtures;

/// More entries of a file are not looked at: a compressed block can hold very many.
const ENTRIES_MAX: usize = 2000;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, file) = crate::selector(input);
    let (vfs, security) = disk_with(selector, "000001.sst", file);
    let options = TableStoreOptions {
        cache_bytes: 1 << 20,
        open_files_max: 16,
    };
    let store = TableStore::new(vfs, security, options);
    let path = Path::new(DIRECTORY).join("000001.sst");
    let Ok(mut meta) = table_meta(&store, &path) else {
        return;
    };
    meta.number = FileNumber(1);
    meta.sequence_override = (selector & 2 != 0).then_some(77);
    let meta = Arc::new(meta);
    _ = salvage_table(&store, &path, &meta);
    let Ok(table) = Table::open(&store, &path, meta) else {
        return;
    };
    let is_sound = table.verify().is_ok();
    let forward = walk(&table, false);
    let backward = walk(&table, true);
    search(&table, forward.as_deref().unwrap_or(&[]), is_sound);
    _ = table.approximate_bytes(b"", b"\xff");
    for tombstone in table.raw_tombstones() {
        _ = table
            .range_tombstones()
            .covering(&tombstone.start, MAX_SEQUENCE);
    }
    if !is_sound {
        return;
    }
    let (Some(forward), Some(mut backward)) = (forward, backward) else {
        panic!("a sound table does not read");
    };
    if forward.len() < ENTRIES_MAX {
        backward.reverse();
        assert!(
            forward == backward,
            "a sound table reads differently both ways"
        );
    }
}

type Entry = (Vec<u8>, u64, Vec<u8>);

/// The entries in the order of a cursor; `None` after an error.
fn walk(table: &Arc<Table>, is_backward: bool) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut cursor = table.cursor(ReadMode::default());
    match is_backward {
        true => cursor.seek_to_last().ok()?,
        false => cursor.seek_to_first().ok()?,
    }
    while cursor.valid() && entries.len() < ENTRIES_MAX {
        entries.push((cursor.key().to_vec(), cursor.seq(), cursor.value().to_vec()));
        match is_backward {
            true => cursor.prev().ok()?,
            false => cursor.next().ok()?,
        }
    }
    Some(entries)
}

/// Looks for every entry, by reads and by a cursor. In a sound table it is found.
fn search(table: &Arc<Table>, entries: &[Entry], is_sound: bool) {
    let mut cursor = table.cursor(ReadMode::default());
    let overridden = table.meta().sequence_override;
    let mut last: Option<&[u8]> = None;
    for (key, seq, value) in entries.iter().take(300) {
        let filter = match key.len() % 2 {
            0 => FilterUse::First,
            _ => FilterUse::IfNotResident,
        };
        let found = table.get(key, key_hash(key), *seq, filter);
        let sought = cursor.seek(key, *seq).is_ok() && cursor.valid();
        // Of versions that got the same sequence number only the first is seen.
        let is_seen = overridden.is_none() || last != Some(key);
        if is_sound && is_seen {
            let found = found
                .expect("a sound table reads")
                .expect("an entry is found");
            assert!(
                (found.seq, &*found.value) == (*seq, &value[..]),
                "another entry is found"
            );
            assert!(
                sought && cursor.key() == key,
                "a cursor finds another entry"
            );
        }
        last = Some(key);
        _ = table.get(&[key, &[0][..]].concat(), 0, MAX_SEQUENCE, FilterUse::First);
        _ = cursor.seek_before(key);
    }
}

/// The tables of the fixtures.
pub fn seeds() -> Vec<Vec<u8>> {
    let tables = fixtures::plain(".sst");
    tables
        .flat_map(|table| [0, 1, 3].map(|selector| crate::selected(selector, table)))
        .collect()
}
