//! The file: what is written is recovered, and what is not right is noticed.

use rustdb_vfs::{FileExt, MemVfs, OpenMode, VfsRef};

use super::*;
use crate::envelope::{FileKind, HEADER_BYTES, Security};
use crate::error::{Error, Result};
use crate::log::{Expect, LogReader, LogWriter};
use crate::manifest::codec::edit_tag;
use crate::manifest::store::record_kind;
use crate::names;

fn setup() -> (VfsRef, Arc<Security>) {
    let vfs: VfsRef = Arc::new(MemVfs::deterministic(11));
    vfs.create_dir_all(directory()).unwrap();
    let security = Security::plain(Arc::clone(&vfs), DATABASE_ID);
    (vfs, security)
}

fn create(vfs: &VfsRef, security: &Arc<Security>, number: u64, state: ManifestState) -> Manifest {
    Manifest::create(
        Arc::clone(vfs),
        Arc::clone(security),
        directory(),
        FileNumber(number),
        state,
    )
    .unwrap()
}

fn recover(vfs: &VfsRef, security: &Security) -> Result<Option<Recovered>> {
    Manifest::recover(vfs, security, directory())
}

fn names_in(vfs: &VfsRef) -> Vec<String> {
    vfs.read_dir(directory())
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

#[test]
fn what_is_appended_is_recovered() {
    let (vfs, security) = setup();
    assert!(recover(&vfs, &security).unwrap().is_none());
    let mut manifest = create(&vfs, &security, 1, ManifestState::default());
    manifest
        .append(&adding(0, 1, &[table(10, "a", "z")]))
        .unwrap();
    manifest
        .append(&adding(0, 2, &[table(11, "a", "z")]))
        .unwrap();
    manifest.append(&removing(&[10])).unwrap();
    let recovered = recover(&vfs, &security).unwrap().unwrap();
    assert_eq!(recovered.manifest, FileNumber(1));
    assert_eq!(&recovered.state, manifest.state());
    assert_eq!(numbers_of(&recovered.state), [(0, 2, 11)]);
    let state = recovered.state.clone();
    manifest.finish().unwrap();
    let next = create(
        &vfs,
        &security,
        2,
        recover(&vfs, &security).unwrap().unwrap().state,
    );
    assert_eq!(next.state(), &state);
    assert_eq!(names_in(&vfs), ["CURRENT", "MANIFEST-000002"]);
    assert_eq!(recover(&vfs, &security).unwrap().unwrap().state, state);
}

#[test]
fn long_manifests_are_replaced_by_a_snapshot() {
    let (vfs, security) = setup();
    let mut manifest = create(&vfs, &security, 1, ManifestState::default());
    let long_key = "k".repeat(60_000);
    let mut number = 1;
    while manifest.number() == FileNumber(1) {
        number += 1;
        assert!(manifest.bytes() < 5 << 20);
        let mut edit = adding(0, number, &[table(number, "a", &long_key)]);
        edit.removed = manifest
            .state()
            .tables()
            .map(|(_, _, meta)| meta.number)
            .collect();
        manifest.append(&edit).unwrap();
    }
    assert_eq!(names_in(&vfs), ["CURRENT", "MANIFEST-000002"]);
    let recovered = recover(&vfs, &security).unwrap().unwrap();
    assert_eq!(
        (recovered.manifest, &recovered.state),
        (FileNumber(2), manifest.state())
    );
    assert_eq!(recovered.state.table_count(), 1);
}

#[test]
fn leftovers_of_a_start_that_was_cut_short_are_ignored_and_removed() {
    let (vfs, security) = setup();
    let manifest = create(&vfs, &security, 4, ManifestState::default());
    for name in ["MANIFEST-000005", "MANIFEST-000003", "CURRENT.tmp"] {
        vfs.open(&directory().join(name), OpenMode::CreateNew)
            .unwrap();
    }
    assert_eq!(
        recover(&vfs, &security).unwrap().unwrap().manifest,
        FileNumber(4)
    );
    create(&vfs, &security, 5, manifest.state().clone());
    assert_eq!(names_in(&vfs), ["CURRENT", "MANIFEST-000005"]);
}

#[test]
fn a_directory_without_current_but_with_data_is_damaged() {
    for (name, len, damaged) in [
        ("LOCK", 10, false),
        ("000001.wal", 64, false),
        ("MANIFEST-000001", 500, false),
        ("CURRENT.tmp", 5, false),
        ("notes.txt", 5, false),
        ("000001.wal", 65, true),
        ("000007.sst", 0, true),
        ("000007.val", 0, true),
        ("MANIFEST-000002", 0, true),
    ] {
        let (vfs, security) = setup();
        let file = vfs
            .open(&directory().join(name), OpenMode::CreateNew)
            .unwrap();
        file.set_len(len).unwrap();
        match recover(&vfs, &security) {
            Ok(None) => assert!(!damaged, "{name}"),
            Err(Error::Corruption(c)) => {
                assert!(damaged && c.reason.contains(name), "{name}: {}", c.reason);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn every_flipped_bit_of_current_is_noticed() {
    let current = Current {
        manifest: FileNumber(7),
        database_id: *b"0123456789abcdef",
    };
    let text = current.encode();
    assert_eq!(Current::decode(text.as_bytes()), Some(current));
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Current::decode(&bytes), None, "bit {bit}");
    }
    for len in 0..text.len() {
        assert_eq!(
            Current::decode(&text.as_bytes()[..len]),
            None,
            "cut at {len}"
        );
    }
    assert_eq!(Current::decode(format!("{text}{text}").as_bytes()), None);
    let example = "MANIFEST-000007 000102030405060708090a0b0c0d0e0f ";
    assert!(DOCUMENT.contains(example) && text.len() == example.len() + 17);
}

#[test]
fn a_current_or_manifest_of_another_database_is_refused() {
    let (vfs, security) = setup();
    create(&vfs, &security, 1, ManifestState::default());
    let other = Security::plain(Arc::clone(&vfs), [1; 16]);
    assert!(matches!(recover(&vfs, &other), Err(Error::Corruption(_))));
    let current = Current {
        manifest: FileNumber(1),
        database_id: [1; 16],
    };
    let path = names::current(directory());
    vfs.remove_file(&path).unwrap();
    let file = vfs.open(&path, OpenMode::CreateNew).unwrap();
    file.write_all_at(current.encode().as_bytes(), 0).unwrap();
    assert!(matches!(recover(&vfs, &other), Err(Error::Corruption(_))));
}

/// A manifest made of these records, named by `CURRENT`.
fn with_records(records: &[(u8, Vec<u8>)]) -> (VfsRef, Arc<Security>) {
    let (vfs, security) = setup();
    create(&vfs, &security, 1, ManifestState::default());
    let path = names::manifest(directory(), FileNumber(1));
    vfs.remove_file(&path).unwrap();
    let mut log = LogWriter::create(&vfs, &security, &path, FileKind::Manifest).unwrap();
    for (kind, payload) in records {
        log.append(*kind, payload).unwrap();
        log.sync().unwrap();
    }
    (vfs, security)
}

#[test]
fn records_that_do_not_fold_are_damage_at_their_offset() {
    let snapshot = (
        record_kind::SNAPSHOT,
        ManifestState::default().to_snapshot().encode(),
    );
    let first = HEADER_BYTES as u64;
    let second = {
        let (vfs, security) = with_records(std::slice::from_ref(&snapshot));
        let path = names::manifest(directory(), FileNumber(1));
        let mut log =
            LogReader::open(&vfs, &security, &path, FileKind::Manifest, Expect::Open).unwrap();
        log.next().unwrap().unwrap().end
    };
    let bad_fold = (record_kind::EDIT, removing(&[99]).encode());
    let cases = [
        (vec![], first),
        (vec![(record_kind::EDIT, vec![])], first),
        (vec![(9, vec![])], first),
        (vec![snapshot.clone(), snapshot.clone()], second),
        (vec![snapshot.clone(), bad_fold], second),
        (
            vec![
                snapshot.clone(),
                (record_kind::EDIT, vec![edit_tag::REMOVED]),
            ],
            second,
        ),
    ];
    for (records, offset) in cases {
        let (vfs, security) = with_records(&records);
        match recover(&vfs, &security) {
            Err(Error::Corruption(c)) => assert_eq!(c.offset, offset, "{}", c.reason),
            other => panic!("{records:?}: {other:?}"),
        }
    }
    let (vfs, security) = with_records(&[snapshot, (record_kind::EDIT, vec![99, 0])]);
    match recover(&vfs, &security) {
        Err(Error::Unsupported(message)) => assert!(message.contains("unknown field 99")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused_and_ends_the_manifest() {
    let (vfs, security) = setup();
    let mut manifest = create(&vfs, &security, 1, ManifestState::default());
    assert!(matches!(
        manifest.append(&removing(&[4])),
        Err(Error::InvalidArgument(_))
    ));
    assert!(manifest.is_poisoned());
    assert!(matches!(
        manifest.append(&VersionEdit::default()),
        Err(Error::Poisoned(_))
    ));
    assert_eq!(
        recover(&vfs, &security).unwrap().unwrap().state,
        ManifestState::default()
    );
}

#[test]
fn every_flipped_bit_of_a_manifest_is_noticed() {
    let (vfs, security) = setup();
    let mut manifest = create(&vfs, &security, 1, ManifestState::default());
    manifest
        .append(&adding(0, 1, &[table(10, "a", "z")]))
        .unwrap();
    manifest.append(&removing(&[10])).unwrap();
    let end = manifest.bytes();
    let path = names::manifest(directory(), FileNumber(1));
    let file = vfs.open(&path, OpenMode::ReadWrite).unwrap();
    // The promise behind the last edit is the only record that nothing vouches for.
    let vouched = end - 40;
    for offset in 0..vouched {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ (1 << (offset % 8))], offset)
            .unwrap();
        let outcome = recover(&vfs, &security);
        assert!(
            matches!(outcome, Err(Error::Corruption(_))),
            "{offset}: {outcome:?}"
        );
        file.write_all_at(&byte, offset).unwrap();
    }
    assert!(recover(&vfs, &security).is_ok());
}
