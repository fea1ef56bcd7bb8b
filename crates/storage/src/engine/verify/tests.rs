//! What verification takes for a log segment of its own time.

use std::path::Path;
use std::sync::Arc;

use rustdb_vfs::{MemVfs, VfsRef};

use crate::engine::{CommitContext, Durability, Engine, EngineOptions};
use crate::error::Rejection;
use crate::key::KeyspaceId;
use crate::log::Expect;

fn put(engine: &Engine, key: &[u8]) {
    let mut batch = engine.batch();
    batch.put(KeyspaceId::DEFAULT, key, b"value").unwrap();
    let mut accept = |_: &mut CommitContext| Ok::<(), Rejection>(());
    engine
        .commit(&mut batch, Durability::None, &mut accept)
        .unwrap();
}

#[test]
fn segments_that_began_after_it_are_not_judged() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let inner = engine.inner();
    let state = || {
        let versions = inner.versions.lock();
        versions.manifest.as_ref().unwrap().state().clone()
    };
    put(&engine, b"one");
    let written = inner.written_log().unwrap();
    let segments = inner.segments(&state(), written).unwrap();
    let (number, end) = written.unwrap();
    assert_eq!(segments.len(), 1);
    assert!(segments[0].number == number && segments[0].expect == Expect::EndAt(end));
    // Another segment is written to, and the one before is gone.
    engine.flush().unwrap();
    put(&engine, b"two");
    assert!(inner.segments(&state(), written).unwrap().is_empty());
    assert!(inner.written_log().unwrap().unwrap().0 > number);
}
