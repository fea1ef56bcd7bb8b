//! A system that has no more threads.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustdb_storage::KeyspaceId;
use rustdb_storage::engine::{Durability, Engine, EngineOptions, ReadAt};
use rustdb_vfs::{
    DirEntry, FileRef, JoinHandle, LockMode, MemVfs, Metadata, OpenMode, Vfs, VfsRef,
};

use crate::basic::put;

/// A machine that starts so many threads and no more.
#[derive(Debug)]
struct FewThreads {
    machine: MemVfs,
    left: AtomicUsize,
}

impl Vfs for FewThreads {
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
        let take = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => self.machine.spawn(name, body),
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FileRef> {
        self.machine.open(path, mode)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.machine.remove_file(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.machine.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.machine.hard_link(from, to)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.machine.create_dir_all(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.machine.remove_dir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.machine.read_dir(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.machine.metadata(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.machine.sync_dir(path)
    }
    fn lock(&self, path: &Path, mode: LockMode) -> io::Result<Option<FileRef>> {
        self.machine.lock(path, mode)
    }
    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.machine.available_bytes(path)
    }
    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
    fn wall_micros(&self) -> u64 {
        self.machine.wall_micros()
    }
    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        self.machine.fill_random(buffer)
    }
    fn sleep(&self, duration: Duration) {
        self.machine.sleep(duration);
    }
}

#[test]
fn an_open_that_gets_too_few_threads_fails_and_leaves_the_directory_free() {
    let machine = Arc::new(FewThreads {
        machine: MemVfs::new(),
        left: AtomicUsize::new(usize::MAX),
    });
    let open = || {
        let vfs: VfsRef = machine.clone();
        Engine::open(vfs, Path::new("/db"), EngineOptions::default())
    };
    let engine = open().unwrap();
    put(&engine, b"k", b"v", Durability::Sync);
    engine.close().unwrap();
    drop(engine);

    let threads = 2 + EngineOptions::default().compaction_threads;
    for few in 0..threads {
        machine.left.store(few, Ordering::Relaxed);
        let error = open().expect_err("a thread is missing").to_string();
        assert!(error.contains("thread"), "{error}");
    }
    machine.left.store(threads, Ordering::Relaxed);
    let engine = open().unwrap();
    let value = engine
        .get(KeyspaceId::DEFAULT, b"k", ReadAt::Latest)
        .unwrap();
    assert_eq!(value.as_deref(), Some(&b"v"[..]));
}
