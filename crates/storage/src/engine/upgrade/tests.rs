use std::sync::Arc;

use rustdb_vfs::{FileExt, MemVfs, OpSet, OpenMode, PowerLoss, SimVfs};
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::engine::{Durability, ReadAt};
use crate::envelope::HEADER_BYTES;
use crate::key::KeyspaceId;

const DIRECTORY: &str = "/db";

/// Leaves a database with one key.
fn create(vfs: &VfsRef) {
    let engine = Engine::open(vfs.clone(), Path::new(DIRECTORY), EngineOptions::default());
    let engine = engine.unwrap();
    let mut batch = engine.batch();
    batch.put(KeyspaceId::DEFAULT, b"k", b"v").unwrap();
    engine
        .commit(&mut batch, Durability::Sync, &mut |_: &mut _| Ok(()))
        .unwrap();
    engine.close().unwrap();
}

/// Makes the manifest in force say that it is of this version.
fn stamp(place: &Place<'_>, version: u32) -> Result<()> {
    let current = Current::read(&**place.vfs, place.directory)?.unwrap();
    let path = names::manifest(place.directory, current.manifest);
    let mut header = header_bytes(place.vfs, &path)?;
    header[8..12].copy_from_slice(&version.to_le_bytes());
    let checksum = xxh3_64(&header[..HEADER_BYTES - 8]);
    header[HEADER_BYTES - 8..].copy_from_slice(&checksum.to_le_bytes());
    let write = || {
        let file = place.vfs.open(&path, OpenMode::ReadWrite)?;
        file.write_all_at(&header, 0)?;
        file.sync_data()
    };
    write().map_err(|error| Error::io("write", &path, error))
}

/// Notes that a step ran, as a file of its own.
fn note(place: &Place<'_>, name: &str) -> Result<()> {
    let path = place.directory.join(name);
    let write = || {
        // A run before may have come as far.
        let _ = place.vfs.remove_file(&path);
        let file = place.vfs.open(&path, OpenMode::CreateNew)?;
        file.write_all_at(b"done", 0)?;
        file.sync_data()?;
        place.vfs.sync_dir(place.directory)
    };
    write().map_err(|error| Error::io("write", &path, error))
}

fn to_2(place: &Place<'_>) -> Result<()> {
    note(place, "two.sst.tmp")?;
    stamp(place, 2)
}

fn to_3(place: &Place<'_>) -> Result<()> {
    note(place, "three.sst.tmp")?;
    stamp(place, 3)
}

const TO_3: [Step; 2] = [
    Step {
        what: "first",
        run: to_2,
    },
    Step {
        what: "second",
        run: to_3,
    },
];

fn place(vfs: &VfsRef) -> Place<'_> {
    Place {
        vfs,
        directory: Path::new(DIRECTORY),
    }
}

#[test]
fn a_database_of_this_version_is_left_alone() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    create(&vfs);
    let list = || -> Vec<_> {
        let entries = vfs.read_dir(Path::new(DIRECTORY)).unwrap();
        entries.into_iter().map(|e| (e.name, e.len)).collect()
    };
    let before = list();
    let options = EngineOptions::default();
    let report = upgrade(vfs.clone(), Path::new(DIRECTORY), options).unwrap();
    assert_eq!((report.from, report.to), (FORMAT_VERSION, FORMAT_VERSION));
    assert_eq!(report.steps, [""; 0]);
    assert_eq!(list(), before);
}

#[test]
fn what_is_no_database_or_a_newer_one_is_refused() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    vfs.create_dir_all(Path::new(DIRECTORY)).unwrap();
    let run = || upgrade(vfs.clone(), Path::new(DIRECTORY), EngineOptions::default());
    assert!(matches!(run(), Err(Error::NoDatabase(_))));
    create(&vfs);
    stamp(&place(&vfs), FORMAT_VERSION + 1).unwrap();
    let error = run().unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    assert!(error.to_string().contains("newer RustDB"), "{error}");
}

#[test]
fn steps_are_taken_in_order_from_the_version_that_is_found() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    create(&vfs);
    let report = place(&vfs).upgrade(&TO_3).unwrap();
    assert_eq!((report.from, report.to), (1, 3));
    assert_eq!(report.steps, ["first", "second"]);
    stamp(&place(&vfs), 2).unwrap();
    let report = place(&vfs).upgrade(&TO_3).unwrap();
    assert_eq!((report.from, report.steps), (2, vec!["second".to_owned()]));
    let report = place(&vfs).upgrade(&TO_3).unwrap();
    assert_eq!((report.from, report.to, report.steps.len()), (3, 3, 0));
}

#[test]
fn a_step_that_does_not_reach_its_version_is_an_error() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    create(&vfs);
    let steps = [Step {
        what: "nothing",
        run: |_| Ok(()),
    }];
    let error = place(&vfs).upgrade(&steps).unwrap_err();
    assert!(
        error.to_string().contains("ended with version 1"),
        "{error}"
    );
}

/// The power fails at each change of the disk; the upgrade goes on where it was.
#[test]
fn an_upgrade_goes_on_after_a_crash_anywhere() {
    let mut crashes = 0;
    for at in 0.. {
        let machine = SimVfs::new(at);
        create(&machine.vfs());
        let fuse = machine.power_off_at(OpSet::CHANGES, at);
        let result = place(&machine.vfs()).upgrade(&TO_3);
        machine.remove_fault(fuse);
        let machine = machine.power_loss(PowerLoss::Seeded(at));
        let vfs = machine.vfs();
        let report = place(&vfs).upgrade(&TO_3).unwrap();
        assert_eq!(report.to, 3, "at change {at}");
        // In this test nothing but the number has changed.
        stamp(&place(&vfs), FORMAT_VERSION).unwrap();
        let engine = Engine::open(vfs, Path::new(DIRECTORY), EngineOptions::default()).unwrap();
        let value = engine
            .get(KeyspaceId::DEFAULT, b"k", ReadAt::Latest)
            .unwrap();
        assert_eq!(value.as_deref(), Some(&b"v"[..]), "at change {at}");
        if result.is_ok() {
            break;
        }
        crashes += 1;
    }
    assert!(crashes >= 6, "{crashes} crashes");
}

#[test]
fn an_older_version_is_refused_with_a_hint() {
    let error = crate::keyring::refuse_older(Path::new("/db/MANIFEST-000001"), 1, 2).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("format version 1"), "{text}");
    assert!(text.contains("hint: `rustdb upgrade`"), "{text}");
    assert!(crate::keyring::refuse_older(Path::new("/db"), 2, 2).is_ok());
}
