//! The framing of log segments and manifests.
//!
//! Input: a selector (bit 0: checksums are ignored, bit 1: a manifest, bits 2 and 3: what is
//! expected of the end), an offset for that in two bytes, the file.

use std::path::Path;
use std::sync::Arc;

use rustdb_storage::envelope::{FileKind, Security};
use rustdb_storage::fuzzing::check_commits;
use rustdb_storage::log::{Expect, LogEnd, LogReader, LogWriter};
use rustdb_storage::manifest::VersionEdit;
use rustdb_vfs::{FileExt, OpenMode, VfsRef};

use crate::disk::{DIRECTORY, disk, disk_with};
use crate::fixtures;

/// Where a file's header says what it is.
const KIND_AT: usize = 12;

/// Tries an input.
pub fn run(input: &[u8]) {
    let (selector, rest) = crate::selector(input);
    let Some((&offset, file)) = rest.split_first_chunk() else {
        return;
    };
    let offset = u64::from(u16::from_le_bytes(offset));
    let kind = match selector & 2 {
        0 => FileKind::Wal,
        _ => FileKind::Manifest,
    };
    let expect = match selector >> 2 & 3 {
        0 => Expect::Open,
        1 => Expect::Finished,
        2 => Expect::EndAt(offset),
        _ => Expect::AtLeast(offset),
    };
    let (vfs, security) = disk_with(selector, "log", file);
    let path = Path::new(DIRECTORY).join("log");
    let Ok(mut log) = LogReader::open(&vfs, &security, &path, kind, expect) else {
        return;
    };
    read(&mut log, kind, file.len() as u64);
    let end = match log.end() {
        Some(LogEnd::Clean { offset } | LogEnd::Torn { offset }) => offset,
        Some(LogEnd::Finished) | None => return,
    };
    assert!(
        end <= (file.len() as u64).max(offset),
        "the end is behind the end"
    );
    log.sync(&*vfs).expect("what was read can be written again");
    let copy = vfs.open(&path, OpenMode::Read).expect("the file is there");
    let mut bytes = vec![0; file.len()];
    copy.read_exact_at(&mut bytes, 0)
        .expect("it has its length");
    assert!(bytes == file, "a sync changes a log");
}

/// Reads all records, and goes on behind damage as repair does.
fn read(log: &mut LogReader, kind: FileKind, file_bytes: u64) {
    let mut last = 0;
    loop {
        match log.next() {
            Ok(Some(record)) => {
                assert!(
                    last < record.end && record.end <= file_bytes,
                    "records go on"
                );
                last = record.end;
                match kind {
                    FileKind::Manifest => _ = VersionEdit::decode(record.payload),
                    _ => _ = check_commits(record.payload),
                }
            }
            Ok(None) => break,
            Err(_) => {
                let before = log.offset();
                match log.skip_damage() {
                    Ok(Some(at)) => assert!(at > before, "salvage goes on"),
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }
}

/// The logs of the fixtures, and one with records of many lengths, under all expectations.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut files: Vec<(u8, Vec<u8>)> = Vec::new();
    files.extend(fixtures::plain(".wal").map(|file| (0, file.to_vec())));
    files.extend(fixtures::plain("MANIFEST").map(|file| (2, file.to_vec())));
    files.push((0, written()));
    let mut seeds = Vec::new();
    for (kind, file) in files {
        let length = u16::try_from(file.len()).unwrap_or(u16::MAX).to_le_bytes();
        for expect in 0..4 {
            for ignored in 0..2 {
                let selector = kind | expect << 2 | ignored;
                seeds.push([&[selector], &length[..], &file].concat());
            }
        }
    }
    seeds
}

/// A log with a promise and an end.
fn written() -> Vec<u8> {
    let vfs = disk();
    let security = Security::plain(vfs.clone(), [3; 16]);
    let path = Path::new(DIRECTORY).join("log");
    let write = || {
        let mut log = LogWriter::create(&vfs, &security, &path, FileKind::Wal)?;
        for length in [0, 1, 7, 8, 100] {
            log.append(1, &vec![length; length.into()])?;
            log.sync()?;
            log.append_promise()?;
        }
        log.finish()
    };
    write().expect("memory takes a log");
    contents(&vfs, &path)
}

fn contents(vfs: &VfsRef, path: &Path) -> Vec<u8> {
    let file = vfs.open(path, OpenMode::Read).expect("the file is there");
    let mut bytes = vec![0; file.len().expect("memory knows lengths") as usize];
    file.read_exact_at(&mut bytes, 0)
        .expect("it has its length");
    bytes
}

/// The payloads of the records of a log file.
pub(crate) fn payloads(file: &[u8]) -> Vec<Vec<u8>> {
    let (vfs, security) = disk_with(0, "log", file);
    let path = Path::new(DIRECTORY).join("log");
    let kind = match file[KIND_AT] {
        3 => FileKind::Manifest,
        _ => FileKind::Wal,
    };
    let open =
        |security: &Arc<Security>| LogReader::open(&vfs, security, &path, kind, Expect::Open);
    let mut log = open(&security).expect("fixtures are valid");
    let mut payloads = Vec::new();
    while let Some(record) = log.next().expect("fixtures are valid") {
        payloads.push(record.payload.to_vec());
    }
    payloads
}
