//! Every kind of file, as its own writer seals it: nothing to be read without the key, and no changed
//! byte that passes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::key::EntryKind;
use crate::log::{Expect, LogReader, LogWriter};
use crate::manifest::{Manifest, ManifestState, TableMeta, ValueFileMeta};
use crate::table::{TableBuilder, TableOptions, TableStore, TableStoreOptions};
use crate::value::{ValueOptions, ValuePointer, ValueStore, ValueWriter};

/// What is looked for in the files.
const CANARY: &[u8] = b"the canary sings";

const TABLE: FileNumber = FileNumber(3);
const WAL: FileNumber = FileNumber(4);

/// An encrypted directory with one file of each kind.
struct Files {
    vfs: VfsRef,
    security: Arc<Security>,
    table: Arc<TableMeta>,
    value: (ValuePointer, ValueFileMeta),
}

impl Files {
    fn new(algorithm: Algorithm) -> Self {
        let vfs = vfs();
        let encryption = Encryption {
            algorithm,
            ..encryption(1)
        };
        let security = create_security(&vfs, directory(), Some(&encryption)).unwrap();
        let table = Arc::new(write_table(&vfs, &security));
        write_log(&vfs, &security);
        let value = write_value(&vfs, &security);
        let mut state = ManifestState::default();
        state.next_file_number = FileNumber(100);
        let (vfs_, security_) = (vfs.clone(), security.clone());
        let manifest =
            Manifest::create(vfs_, security_, directory(), FileNumber(1), state).unwrap();
        manifest.finish().unwrap();
        Self {
            vfs,
            security,
            table,
            value,
        }
    }

    /// Reads everything there is in the table.
    fn check_table(&self) -> Result<()> {
        let (vfs, security) = (self.vfs.clone(), self.security.clone());
        let store = TableStore::new(vfs, security, TableStoreOptions::default());
        let table = store.open(&names::table(directory(), TABLE), self.table.clone())?;
        table.verify().map(drop)
    }

    /// Reads everything there is in the value file.
    fn check_value(&self) -> Result<()> {
        let (pointer, meta) = &self.value;
        let store = value_store(&self.vfs, &self.security);
        assert_eq!(store.read(pointer)?, CANARY.repeat(1000));
        store.verify(meta).map(drop)
    }

    /// Reads the log segment as far as it goes.
    fn log_records(&self, expect: Expect) -> Result<Vec<Vec<u8>>> {
        let path = names::wal(directory(), WAL);
        let mut log = LogReader::open(&self.vfs, &self.security, &path, FileKind::Wal, expect)?;
        let mut records = Vec::new();
        while let Some(record) = log.next()? {
            records.push(record.payload.to_vec());
        }
        Ok(records)
    }

    /// Calls `check` once for each byte of the file with one of its bits changed; of the zeros that
    /// logs are filled up with, which go on for long, only for some.
    fn with_each_byte_changed(&self, path: &Path, mut check: impl FnMut(usize)) {
        let good = read_file(&self.vfs, path);
        let content = good.len() - good.iter().rev().take_while(|byte| **byte == 0).count();
        for at in (0..content).chain((content..good.len()).step_by(1021)) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            write_file(&self.vfs, path, &bad);
            check(at);
        }
        write_file(&self.vfs, path, &good);
    }
}

fn write_table(vfs: &VfsRef, security: &Security) -> TableMeta {
    let path = names::table(directory(), TABLE);
    let mut table =
        TableBuilder::new(vfs, security, &path, TABLE, TableOptions::default()).unwrap();
    for number in 0..100u32 {
        let key = [&[0, 0, 0, 1], CANARY, &number.to_be_bytes()].concat();
        table.add(&key, 7, EntryKind::Put, CANARY).unwrap();
    }
    table.finish().unwrap()
}

fn record(number: usize) -> Vec<u8> {
    [CANARY, &number.to_be_bytes()].concat()
}

fn write_log(vfs: &VfsRef, security: &Security) {
    let path = names::wal(directory(), WAL);
    let mut log = LogWriter::create(vfs, security, &path, FileKind::Wal).unwrap();
    for number in 0..10 {
        log.append(1, &record(number)).unwrap();
        log.flush().unwrap();
    }
    log.finish().unwrap();
}

fn value_store(vfs: &VfsRef, security: &Arc<Security>) -> ValueStore {
    let next = AtomicU64::new(5);
    let numbers = Arc::new(move || FileNumber(next.fetch_add(1, Ordering::Relaxed)));
    ValueStore::new(
        vfs.clone(),
        security.clone(),
        directory().to_path_buf(),
        numbers,
    )
}

fn write_value(vfs: &VfsRef, security: &Arc<Security>) -> (ValuePointer, ValueFileMeta) {
    let store = value_store(vfs, security);
    let writer = ValueWriter::new(store.clone(), ValueOptions::default());
    let appended = writer.append(&CANARY.repeat(1000)).unwrap();
    writer.finish().unwrap();
    (
        appended.pointer,
        store.written(appended.pointer.file).unwrap(),
    )
}

#[test]
fn no_file_shows_what_it_holds() {
    for algorithm in Algorithm::ALL {
        let files = Files::new(algorithm);
        let everything = everything(&files.vfs);
        assert_eq!(
            everything.len(),
            6,
            "a table, a log, a value, two of the manifest, the ring"
        );
        for (path, bytes) in everything {
            let shows = bytes
                .windows(8)
                .any(|window| CANARY.windows(8).any(|part| window == part));
            assert!(!shows, "{}", path.display());
        }
        files.check_table().unwrap();
        files.check_value().unwrap();
        let records: Vec<Vec<u8>> = (0..10).map(record).collect();
        assert_eq!(files.log_records(Expect::Finished).unwrap(), records);
    }
}

/// The check of the check: the same search finds the canary where files are plain.
#[test]
fn a_plain_file_shows_what_it_holds() {
    let vfs = vfs();
    let security = create_security(&vfs, directory(), None).unwrap();
    write_log(&vfs, &security);
    let bytes = read_file(&vfs, &names::wal(directory(), WAL));
    assert!(bytes.windows(CANARY.len()).any(|window| window == CANARY));
}

#[test]
fn a_changed_byte_of_a_table_is_noticed() {
    let files = Files::new(Algorithm::Aes256Gcm);
    files.with_each_byte_changed(&names::table(directory(), TABLE), |at| {
        assert!(files.check_table().is_err(), "byte {at}");
    });
    files.check_table().unwrap();
}

#[test]
fn a_changed_byte_of_a_value_file_is_noticed() {
    let files = Files::new(Algorithm::Aes256Gcm);
    let path = names::value(directory(), files.value.0.file);
    files.with_each_byte_changed(&path, |at| {
        assert!(files.check_value().is_err(), "byte {at}")
    });
    files.check_value().unwrap();
}

#[test]
fn a_changed_byte_of_a_log_never_gives_another_record() {
    let files = Files::new(Algorithm::Aes256Gcm);
    let path = names::wal(directory(), WAL);
    let good = files.log_records(Expect::Finished).unwrap();
    // What follows the end record may be anything: it is room for more.
    let end = {
        let mut log = LogReader::open(
            &files.vfs,
            &files.security,
            &path,
            FileKind::Wal,
            Expect::Open,
        )
        .unwrap();
        let mut last = 0;
        while let Some(record) = log.next().unwrap() {
            last = record.offset as usize;
        }
        last
    };
    files.with_each_byte_changed(&path, |at| {
        if let Ok(records) = files.log_records(Expect::Open) {
            assert!(good.starts_with(&records), "byte {at}");
        }
        let finished = files.log_records(Expect::Finished);
        assert!(finished.is_err() || at > end, "byte {at}");
    });
}

#[test]
fn a_changed_byte_of_the_manifest_never_gives_another_state() {
    let files = Files::new(Algorithm::Aes256Gcm);
    let path = names::manifest(directory(), FileNumber(1));
    let recover = || Manifest::recover(&files.vfs, &files.security, directory());
    let good = recover().unwrap().unwrap();
    let mut refused = 0;
    files.with_each_byte_changed(&path, |at| match recover() {
        Ok(recovered) => assert_eq!(recovered.unwrap().state, good.state, "byte {at}"),
        Err(_) => refused += 1,
    });
    assert!(refused > HEADER_BYTES);
}

/// Two tables of one database, each authentic, under each other's names.
#[test]
fn exchanged_tables_are_noticed() {
    let files = Files::new(Algorithm::Aes256Gcm);
    let path = names::table(directory(), TABLE);
    let other_path = names::table(directory(), FileNumber(8));
    let options = TableOptions::default();
    let mut other = TableBuilder::new(
        &files.vfs,
        &files.security,
        &other_path,
        FileNumber(8),
        options,
    )
    .unwrap();
    other
        .add(b"\0\0\0\x01key", 7, EntryKind::Put, b"value")
        .unwrap();
    other.finish().unwrap();
    files.check_table().unwrap();
    write_file(&files.vfs, &path, &read_file(&files.vfs, &other_path));
    let error = files.check_table().unwrap_err();
    assert!(matches!(error, Error::Corruption(_)), "{error}");
}
