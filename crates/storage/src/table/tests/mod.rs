//! Tests of the parts of a table together.

mod blocks;
mod damage;
mod format;
mod fresh;
mod indexes;
mod model;
mod reads;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use rustdb_crypto::{Algorithm, RawKey, Secret};
use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use super::*;
use crate::envelope::Security;
use crate::error::Result;
use crate::key::{EntryKind, FileNumber, SequenceNumber};
use crate::keyring::{Encryption, create_security};
use crate::manifest::TableMeta;

/// Makes tables in memory.
struct Fixture {
    vfs: VfsRef,
    security: Arc<Security>,
    store: Arc<TableStore>,
}

/// An entry as it is given to a builder.
type Entry = (Vec<u8>, SequenceNumber, EntryKind, Vec<u8>);

impl Fixture {
    fn new() -> Self {
        Self::with_options(TableStoreOptions::default())
    }

    fn with_options(options: TableStoreOptions) -> Self {
        let vfs: VfsRef = Arc::new(MemVfs::deterministic(1));
        let security = Security::plain(VfsRef::clone(&vfs), [0xdb; 16]);
        let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
        Self {
            vfs,
            security,
            store,
        }
    }

    fn encrypted() -> Self {
        let vfs: VfsRef = Arc::new(MemVfs::deterministic(2));
        let encryption = Encryption {
            provider: Arc::new(RawKey::new(Secret::new([3; 32]))),
            algorithm: Algorithm::Aes256Gcm,
        };
        let security = create_security(&vfs, Path::new(""), Some(&encryption)).unwrap();
        let options = TableStoreOptions::default();
        let store = TableStore::new(VfsRef::clone(&vfs), Arc::clone(&security), options);
        Self {
            vfs,
            security,
            store,
        }
    }

    fn builder(&self, number: u64, options: TableOptions) -> TableBuilder {
        let number = FileNumber(number);
        let path = path(number);
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
        self.store.open(&path(meta.number), Arc::new(meta.clone()))
    }

    /// Builds and opens.
    fn table(&self, options: TableOptions, entries: &[Entry]) -> Arc<Table> {
        let meta = self.build(1, options, entries);
        self.open(&meta).unwrap()
    }

    fn read_file(&self, number: FileNumber) -> Vec<u8> {
        let file = self.vfs.open(&path(number), OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn replace_file(&self, number: FileNumber, bytes: &[u8]) {
        self.vfs.remove_file(&path(number)).unwrap();
        let file = self.vfs.open(&path(number), OpenMode::CreateNew).unwrap();
        file.write_all_at(bytes, 0).unwrap();
    }
}

fn path(number: FileNumber) -> PathBuf {
    crate::names::table(Path::new(""), number)
}

/// A storage key whose order is that of the number.
fn key(number: u32) -> Vec<u8> {
    let mut key = vec![0, 0, 0, 1];
    key.extend_from_slice(format!("key {number:08}").as_bytes());
    key
}

fn put(key: &[u8], value: &[u8]) -> Entry {
    (key.to_vec(), 5, EntryKind::Put, value.to_vec())
}

/// Reads a key in all ways, which must agree.
fn get(table: &Table, key: &[u8], seq: SequenceNumber) -> Option<Found> {
    let last = table
        .get(key, key_hash(key), seq, FilterUse::IfNotResident)
        .unwrap();
    let first = table
        .get(key, key_hash(key), seq, FilterUse::First)
        .unwrap();
    assert_eq!(first, last);
    first
}

/// All entries, forwards, as the table reports them.
fn scan(table: &Arc<Table>, mode: ReadMode) -> Result<Vec<Entry>> {
    let mut cursor = table.cursor(mode);
    cursor.seek_to_first()?;
    let mut entries = Vec::new();
    while cursor.valid() {
        entries.push(entry(&cursor));
        cursor.next()?;
    }
    Ok(entries)
}

fn entry(cursor: &TableCursor) -> Entry {
    assert_eq!(*cursor.pin_value(), *cursor.value());
    (
        cursor.key().to_vec(),
        cursor.seq(),
        cursor.kind(),
        cursor.value().to_vec(),
    )
}

/// Bytes of which many begin with others, and with eight zeros or ones.
fn key_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(255)];
    let short = prop::collection::vec(byte.clone(), 0..6);
    let long = prop::collection::vec(byte, 6..24);
    let starts = [vec![], b"prefix".to_vec(), vec![0; 8], vec![255; 9]];
    let start = prop::sample::select(starts.to_vec());
    (start, prop_oneof![3 => short, 1 => long]).prop_map(|(start, end)| [start, end].concat())
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![4 => Just(EntryKind::Put), 1 => Just(EntryKind::Delete)]
}

/// Entries in order, none twice. Keys are at least `key_bytes_min` long.
fn entries(keyspaces: bool, count: usize) -> impl Strategy<Value = Vec<Entry>> {
    let keyspace = if keyspaces {
        prop_oneof![Just(1_u8), Just(2)].boxed()
    } else {
        Just(1).boxed()
    };
    let key = (keyspace, key_bytes())
        .prop_map(|(keyspace, key)| [&[0, 0, 0, keyspace], &key[..]].concat());
    let seqs = prop_oneof![
        2 => prop::collection::btree_set(0..4_u64, 1..3),
        1 => prop::collection::btree_set(0..crate::MAX_SEQUENCE + 1, 1..6),
    ];
    let value = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0..600_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let versions = (seqs, kind(), value).prop_map(|(seqs, kind, value)| {
        let version = |seq| {
            (
                seq,
                kind,
                if seq % 2 == 0 {
                    value.clone()
                } else {
                    Vec::new()
                },
            )
        };
        seqs.into_iter().rev().map(version).collect::<Vec<_>>()
    });
    prop::collection::btree_map(key, versions, 1..count).prop_map(|keys| {
        let with_key = |(key, versions): (Vec<u8>, Vec<_>)| {
            versions
                .into_iter()
                .map(move |(seq, kind, value)| (key.clone(), seq, kind, value))
        };
        keys.into_iter().flat_map(with_key).collect()
    })
}

/// Keys to look for: those of the entries, and their neighbours.
fn around(entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut keys = vec![vec![], vec![0], vec![255; 40]];
    for (key, ..) in entries {
        keys.push(key.clone());
        keys.push([key, &[0][..]].concat());
        keys.push([key, &[255][..]].concat());
        keys.push(key[..key.len() - 1].to_vec());
        let mut next = key.clone();
        if let Some(last) = next.last_mut() {
            *last = last.wrapping_add(1);
        }
        keys.push(next);
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The first of `entries` at or after (`key`, `seq`).
fn position(entries: &[Entry], key: &[u8], seq: SequenceNumber) -> usize {
    entries.partition_point(|(k, s, ..)| k.as_slice() < key || (k == key && *s > seq))
}
