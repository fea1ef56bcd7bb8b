//! Tables as a whole: written, opened, read, damaged.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, VfsRef};

use super::*;
use crate::envelope::Security;
use crate::error::Result;
use crate::key::{EntryKind, FileNumber, MAX_SEQUENCE, SequenceNumber};
use crate::manifest::TableMeta;

/// Makes tables in memory.
struct Fixture {
    vfs: VfsRef,
    security: Arc<Security>,
    store: Arc<TableStore>,
}

type Entry = (Vec<u8>, SequenceNumber, EntryKind, Vec<u8>);

impl Fixture {
    fn new(options: TableStoreOptions) -> Self {
        let vfs = MemVfs::shared();
        let security = Security::plain(VfsRef::clone(&vfs), [7; 16]);
        let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
        Self {
            vfs,
            security,
            store,
        }
    }

    fn builder(&self, number: u64, options: TableOptions) -> TableBuilder {
        let number = FileNumber(number);
        let path = crate::names::table(Path::new(""), number);
        TableBuilder::new(&self.vfs, &self.security, &path, number, options).unwrap()
    }

    fn build(&self, number: u64, options: TableOptions, entries: &[Entry]) -> TableMeta {
        let mut builder = self.builder(number, options);
        for (key, seq, kind, value) in entries {
            builder.add(key, *seq, *kind, value).unwrap();
        }
        builder.finish().unwrap()
    }

    fn open(&self, meta: &TableMeta) -> Result<Arc<Table>> {
        let path = crate::names::table(Path::new(""), meta.number);
        self.store.open(&path, Arc::new(meta.clone()))
    }
}

fn key(number: u32) -> Vec<u8> {
    let mut key = vec![0, 0, 0, 1];
    key.extend_from_slice(format!("key {number:08}").as_bytes());
    key
}

fn get(table: &Table, key: &[u8], seq: SequenceNumber) -> Option<Found> {
    let first = table
        .get(key, key_hash(key), seq, FilterUse::First)
        .unwrap();
    let last = table
        .get(key, key_hash(key), seq, FilterUse::IfNotResident)
        .unwrap();
    assert_eq!(first, last);
    first
}

#[test]
fn what_was_written_is_read() {
    let fixture = Fixture::new(TableStoreOptions::default());
    let entries: Vec<Entry> = (0..10_000)
        .map(|n| {
            (
                key(2 * n),
                5,
                EntryKind::Put,
                format!("value {n}").repeat(5).into_bytes(),
            )
        })
        .collect();
    let meta = fixture.build(1, TableOptions::default(), &entries);
    let table = fixture.open(&meta).unwrap();
    for (n, (key_, seq, kind, value)) in entries.iter().enumerate() {
        let found = get(&table, key_, MAX_SEQUENCE).unwrap();
        assert_eq!(
            (found.seq, found.kind, &*found.value),
            (*seq, *kind, &value[..])
        );
        assert_eq!(get(&table, key_, 4), None);
        assert_eq!(get(&table, &key(2 * n as u32 + 1), MAX_SEQUENCE), None);
    }
    let mut cursor = table.cursor(ReadMode::COMPACTION);
    cursor.seek_to_first().unwrap();
    for (key, ..) in &entries {
        assert_eq!(cursor.key(), key);
        cursor.next().unwrap();
    }
    assert!(!cursor.valid());
    assert_eq!(table.verify().unwrap().entries, 10_000);
}
