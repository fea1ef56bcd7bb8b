//! Value files written and read in memory, damaged, and written by several threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use super::file::record_bytes;
use super::*;
use crate::envelope::{CHECKSUM_BYTES, HEADER_BYTES, Security};
use crate::error::Error;
use crate::format_doc;
use crate::key::{FileNumber, VALUE_BYTES_MAX};
use crate::manifest::ValueFileMeta;
use crate::names;

struct Fixture {
    vfs: VfsRef,
    security: Arc<Security>,
    store: ValueStore,
}

fn directory() -> PathBuf {
    PathBuf::from("/db")
}

impl Fixture {
    fn new() -> Self {
        let vfs: VfsRef = Arc::new(MemVfs::deterministic(7));
        vfs.create_dir_all(&directory()).unwrap();
        let security = Security::plain(vfs.clone(), [9; 16]);
        let store = Self::store(&vfs, &security, 1);
        Self {
            vfs,
            security,
            store,
        }
    }

    fn store(vfs: &VfsRef, security: &Arc<Security>, first: u64) -> ValueStore {
        let next = AtomicU64::new(first);
        let numbers: FileNumbers =
            Arc::new(move || FileNumber(next.fetch_add(1, Ordering::Relaxed)));
        ValueStore::new(vfs.clone(), security.clone(), directory(), numbers)
    }

    /// A store that has written nothing, as after a restart.
    fn reopened(&self) -> ValueStore {
        Self::store(&self.vfs, &self.security, 1000)
    }

    fn writer(&self) -> ValueWriter {
        ValueWriter::new(self.store.clone(), ValueOptions::default())
    }

    fn path(&self, number: u64) -> PathBuf {
        names::value(&directory(), FileNumber(number))
    }

    fn change(&self, path: &Path, offset: u64, change: impl Fn(u8) -> u8) {
        let file = self.vfs.open(path, OpenMode::ReadWrite).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[change(byte[0])], offset).unwrap();
    }
}

/// Bytes that differ everywhere, so that a frame in the wrong place shows.
fn value(len: usize, salt: u64) -> Vec<u8> {
    (0..len as u64)
        .map(|i| ((i ^ salt << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8)
        .collect()
}

fn lengths() -> Vec<usize> {
    let frame = FRAME_BYTES;
    vec![
        0,
        1,
        100,
        frame - 1,
        frame,
        frame + 1,
        2 * frame,
        16 * frame,
        16 * frame + 1,
        40 * frame + 17,
    ]
}

fn assert_corruption(result: crate::Result<impl std::fmt::Debug>, what: &str) -> u64 {
    match result {
        Err(Error::Corruption(corruption)) => corruption.offset,
        other => panic!("{what}: expected corruption, got {other:?}"),
    }
}

#[test]
fn values_of_every_shape_are_read_back_before_and_after_restart() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    let written: Vec<_> = lengths()
        .into_iter()
        .map(|len| {
            let value = value(len, len as u64);
            let appended = writer.append(&value).unwrap();
            (appended.pointer, value)
        })
        .collect();
    for store in [fixture.store.clone(), fixture.reopened()] {
        for (pointer, value) in &written {
            assert_eq!(&store.read(pointer).unwrap(), value);
        }
    }
}

#[test]
fn ranges_of_a_value_are_read_without_the_rest() {
    let fixture = Fixture::new();
    let value = value(3 * FRAME_BYTES + 100, 1);
    let appended = fixture.writer().append(&value).unwrap();
    let length = value.len() as u64;
    let frame = FRAME_BYTES as u64;
    let edges = [
        0,
        1,
        frame - 1,
        frame,
        frame + 1,
        2 * frame,
        3 * frame,
        length - 1,
        length,
    ];
    for start in edges {
        for end in edges.into_iter().filter(|end| *end >= start) {
            let range = fixture
                .store
                .read_range(&appended.pointer, start, end - start);
            assert_eq!(
                range.unwrap(),
                value[start as usize..end as usize],
                "{start}..{end}"
            );
        }
    }
    for (start, count) in [(0, length + 1), (length + 1, 0), (1, u64::MAX), (length, 1)] {
        let result = fixture.store.read_range(&appended.pointer, start, count);
        assert!(
            matches!(result, Err(Error::InvalidArgument(_))),
            "{start}+{count}"
        );
    }
    // Damage in a frame outside the range goes unnoticed.
    let last_byte = appended.pointer.offset + record_bytes(length, CHECKSUM_BYTES) - 1;
    fixture.change(&fixture.path(1), last_byte, |b| b ^ 1);
    assert!(
        fixture
            .store
            .read_range(&appended.pointer, 0, 3 * frame)
            .is_ok()
    );
    assert_corruption(fixture.store.read(&appended.pointer), "damaged last frame");
}

#[test]
fn every_flipped_bit_is_found_with_its_frame() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    let first = writer.append(&value(300, 1)).unwrap().pointer;
    let second = writer.append(&value(200, 2)).unwrap().pointer;
    let meta = fixture.store.written(FileNumber(1)).unwrap();
    let path = fixture.path(1);
    let body = second.offset + (16 + CHECKSUM_BYTES) as u64;
    for offset in (0..meta.file_bytes).step_by(7) {
        fixture.change(&path, offset, |b| b ^ (1 << (offset % 8)));
        let store = fixture.reopened();
        let at = assert_corruption(store.verify(&meta), &format!("flip at {offset}"));
        if offset >= HEADER_BYTES as u64 {
            assert!(at <= offset, "reported at {at}, flipped at {offset}");
        }
        if offset >= body {
            assert_eq!(assert_corruption(store.read(&second), "read"), body);
            assert!(store.read(&first).is_ok());
        }
        fixture.change(&path, offset, |b| b ^ (1 << (offset % 8)));
    }
    assert_eq!(fixture.reopened().verify(&meta).unwrap().values, 2);
}

#[test]
fn a_pointer_beyond_the_file_allocates_nothing_and_names_the_place() {
    let fixture = Fixture::new();
    let appended = fixture.writer().append(&value(100, 1)).unwrap();
    let meta = fixture.store.written(FileNumber(1)).unwrap();
    let long = ValuePointer {
        length: VALUE_BYTES_MAX as u64,
        ..appended.pointer
    };
    let at = assert_corruption(fixture.store.read(&long), "length beyond the file");
    assert_eq!(at, meta.file_bytes);
    let far = ValuePointer {
        offset: u64::MAX - 10,
        ..appended.pointer
    };
    assert_corruption(fixture.store.read(&far), "offset beyond all files");
}

#[test]
fn a_pointer_to_another_value_is_refused() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    let first = writer.append(&value(100, 1)).unwrap().pointer;
    let second = writer.append(&value(100, 2)).unwrap().pointer;
    let crossed = ValuePointer {
        offset: second.offset,
        ..first
    };
    assert_corruption(fixture.store.read(&crossed), "checksum of another value");
    let shorter = ValuePointer {
        length: 99,
        ..first
    };
    assert_corruption(fixture.store.read(&shorter), "shorter than it was");
}

#[test]
fn a_missing_file_and_a_file_of_another_database_are_errors() {
    let fixture = Fixture::new();
    let pointer = fixture.writer().append(b"value").unwrap().pointer;
    let missing = ValuePointer {
        file: FileNumber(77),
        ..pointer
    };
    let result = fixture.store.read(&missing);
    assert!(
        matches!(
            result,
            Err(Error::Io {
                operation: "open",
                ..
            })
        ),
        "{result:?}"
    );
    let foreign = Security::plain(fixture.vfs.clone(), [8; 16]);
    let store = Fixture::store(&fixture.vfs, &foreign, 1);
    assert_corruption(store.read(&pointer), "another database");
}

#[test]
fn verify_counts_values_and_ignores_what_follows_the_declared_end() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    for len in lengths() {
        writer.append(&value(len, 3)).unwrap();
    }
    let meta = fixture.store.written(FileNumber(1)).unwrap();
    let expected = ValueFileReport {
        values: meta.values,
        value_bytes: meta.value_bytes,
    };
    assert_eq!(expected.values, lengths().len() as u64);
    let file = fixture
        .vfs
        .open(&fixture.path(1), OpenMode::ReadWrite)
        .unwrap();
    file.write_all_at(b"torn", meta.file_bytes).unwrap();
    assert_eq!(fixture.reopened().verify(&meta).unwrap(), expected);
    // Every shorter declared end, and a longer one, is damage.
    for file_bytes in [
        meta.file_bytes + 4,
        meta.file_bytes + 5,
        meta.file_bytes - 1,
        65,
    ] {
        let wrong = ValueFileMeta {
            file_bytes,
            ..meta.clone()
        };
        assert_corruption(fixture.reopened().verify(&wrong), "wrong end");
    }
    file.set_len(HEADER_BYTES as u64 - 1).unwrap();
    assert_corruption(fixture.reopened().verify(&meta), "shorter than a header");
}

#[test]
fn files_rotate_at_their_limit_and_settle_when_unpinned() {
    let fixture = Fixture::new();
    let options = ValueOptions {
        file_bytes_max: 1000,
        active_files_max: 1,
    };
    let writer = ValueWriter::new(fixture.store.clone(), options);
    let first = writer.append(&value(500, 1)).unwrap();
    assert!(!fixture.store.is_settled(FileNumber(1)), "still active");
    let second = writer.append(&value(500, 2)).unwrap();
    assert_eq!(second.pointer.file, FileNumber(1));
    let third = writer.append(&value(500, 3)).unwrap();
    assert_eq!(third.pointer.file, FileNumber(2));
    drop(first);
    assert!(!fixture.store.is_settled(FileNumber(1)), "still pinned");
    let again = second.pin.clone();
    drop(second);
    assert!(
        !fixture.store.is_settled(FileNumber(1)),
        "pinned by the copy"
    );
    drop(again);
    assert!(fixture.store.is_settled(FileNumber(1)));
    assert!(!fixture.store.is_settled(FileNumber(2)));
    writer.finish().unwrap();
    drop(third);
    assert!(fixture.store.is_settled(FileNumber(2)));
    let fourth = writer.append(b"x").unwrap();
    assert_eq!(fourth.pointer.file, FileNumber(3));
    fixture.store.forget(FileNumber(1));
    assert_eq!(fixture.store.written(FileNumber(1)), None);
}

#[test]
fn a_value_that_is_too_long_is_refused_before_anything_is_written() {
    let fixture = Fixture::new();
    let result = fixture.writer().append(&vec![0; VALUE_BYTES_MAX + 1]);
    assert!(matches!(result, Err(Error::InvalidArgument(_))));
    assert_eq!(fixture.vfs.read_dir(&directory()).unwrap(), vec![]);
}

#[test]
fn concurrent_writers_do_not_mix_their_values() {
    let fixture = Fixture::new();
    let options = ValueOptions {
        file_bytes_max: 200_000,
        active_files_max: 3,
    };
    let writer = ValueWriter::new(fixture.store.clone(), options);
    let threads: Vec<_> = (0..6u64)
        .map(|thread| {
            let (writer, store) = (writer.clone(), fixture.store.clone());
            let body = Box::new(move || {
                for i in 0..40 {
                    let bytes = value(1 + (i as usize * 977) % 9000, thread << 32 | i);
                    let appended = writer.append(&bytes).unwrap();
                    appended.pin.sync().unwrap();
                    assert_eq!(store.read(&appended.pointer).unwrap(), bytes);
                }
            });
            fixture.vfs.spawn("writer", body).unwrap()
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join()));
    let metas: Vec<_> = (1..100)
        .filter_map(|n| fixture.store.written(FileNumber(n)))
        .collect();
    assert_eq!(metas.iter().map(|meta| meta.values).sum::<u64>(), 240);
    for meta in &metas {
        assert_eq!(fixture.store.verify(meta).unwrap().values, meta.values);
    }
}

#[test]
fn more_files_than_may_be_open_can_be_read() {
    let fixture = Fixture::new();
    let options = ValueOptions {
        file_bytes_max: 1,
        active_files_max: 1,
    };
    let writer = ValueWriter::new(fixture.store.clone(), options);
    let pointers: Vec<_> = (0..300u64)
        .map(|i| writer.append(&value(10, i)).unwrap().pointer)
        .collect();
    for round in 0..2 {
        for (i, pointer) in pointers.iter().enumerate() {
            let expected = value(10, i as u64);
            assert_eq!(
                fixture.store.read(pointer).unwrap(),
                expected,
                "round {round}"
            );
        }
    }
}

const DOCUMENT: &str = include_str!("../../../../docs/format/value.md");

#[test]
fn layout_is_as_documented() {
    let names_of = |heading: &str| -> Vec<(String, usize, usize)> {
        let fields = format_doc::layout(DOCUMENT, heading).into_iter();
        fields.map(|f| (f.name, f.offset, f.size)).collect()
    };
    let field = |name: &str, offset, size| (name.to_owned(), offset, size);
    assert_eq!(
        names_of("## Head"),
        [field("length", 0, 8), field("checksum", 8, 8)]
    );
    assert_eq!(
        names_of("## Pointer"),
        [
            field("file", 0, 8),
            field("offset", 8, 8),
            field("length", 16, 8),
            field("checksum", 24, 8)
        ]
    );
    let kinds = format_doc::numbers(DOCUMENT, "## Block kinds");
    assert_eq!(kinds, [(1, "head".to_owned()), (2, "frame".to_owned())]);
    assert!(DOCUMENT.contains("of 65,536 bytes"));
    assert_eq!(FRAME_BYTES, 65_536);
}

#[test]
fn example_is_as_documented() {
    let fixture = Fixture::new();
    let writer = fixture.writer();
    let pointer = writer.append(b"value").unwrap().pointer;
    writer.append(b"").unwrap();
    let meta = fixture.store.written(FileNumber(1)).unwrap();
    let file = fixture
        .vfs
        .open(&fixture.path(1), OpenMode::ReadWrite)
        .unwrap();
    let mut bytes = vec![0; meta.file_bytes as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let example = format_doc::hex(DOCUMENT, "## Example");
    assert_eq!(bytes, example, "{}", format_doc::dump(&bytes));
    let example = format_doc::hex(DOCUMENT, "## Example pointer");
    let bytes = pointer.encode();
    assert_eq!(bytes[..], example, "{}", format_doc::dump(&bytes));
}
