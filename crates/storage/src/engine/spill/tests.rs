//! Blocks come back as they were, and files do not stay.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, Vfs, VfsRef};

use crate::engine::{Engine, EngineOptions};

fn spill_files(vfs: &MemVfs) -> usize {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let spilled = entries.iter().filter(|each| each.name.contains(".spill"));
    spilled.count()
}

#[test]
fn blocks_are_read_by_their_place_and_the_file_goes() {
    let vfs = Arc::new(MemVfs::new());
    let engine = Engine::open(
        vfs.clone() as VfsRef,
        Path::new("/db"),
        EngineOptions::default(),
    )
    .unwrap();
    let mut file = engine.spill_file().unwrap();
    assert_eq!(spill_files(&vfs), 1);
    let blocks: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; usize::from(n) * 1000]).collect();
    let places: Vec<_> = blocks.iter().map(|b| file.append(b).unwrap()).collect();
    let mut out = Vec::new();
    for (block, place) in blocks.iter().zip(&places).rev() {
        file.read(*place, &mut out).unwrap();
        assert_eq!(&out, block);
    }
    drop(file);
    assert_eq!(spill_files(&vfs), 0);
}

#[test]
fn damage_is_an_error_and_leftovers_go_at_open() {
    let vfs = Arc::new(MemVfs::new());
    let open = || {
        let vfs = vfs.clone() as VfsRef;
        Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap()
    };
    let engine = open();
    let mut file = engine.spill_file().unwrap();
    let place = file.append(&[7; 5000]).unwrap();
    let path = file.path.clone();
    let raw = vfs.open(&path, rustdb_vfs::OpenMode::ReadWrite).unwrap();
    raw.write_at(&[9], place.offset + 3).unwrap();
    let error = file.read(place, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, crate::Error::Corruption(_)), "{error}");
    // A process that ends without dropping anything.
    std::mem::forget(file);
    engine.close().unwrap();
    assert_eq!(spill_files(&vfs), 1);
    let engine = open();
    assert_eq!(spill_files(&vfs), 0);
    assert!(engine.can_spill());
    engine.close().unwrap();
    assert!(!engine.can_spill());
    assert!(engine.spill_file().is_err());
}
