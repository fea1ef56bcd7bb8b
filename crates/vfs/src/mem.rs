//! Files in memory.
//!
//! A [`MemVfs`] is a tree of directories whose leaves are [`Image`]s. Syncs do nothing: there is
//! no disk to lose power; see [`SimVfs`](crate::SimVfs) for one. Threads are real. The clock is
//! real, but a test can move it with [`MemVfs::advance`], or ask for one that moves only so.
//!
//! Relative paths start at the root, and `..` is resolved by name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::file::{DirEntry, File, FileRef, JoinHandle, LockMode, Metadata, OpenMode, Vfs, VfsRef};
use crate::image::{Image, check_range};
use crate::os;
use crate::rng::SimRng;

/// What a frozen clock shows at first: the first moment of 2026.
const FROZEN_START_MICROS: u64 = 1_767_225_600_000_000;

/// What [`Vfs::available_bytes`] answers, since there is no disk to fill.
const AVAILABLE_BYTES: u64 = 1 << 40;

/// A file system in memory, with real threads.
#[derive(Debug)]
pub struct MemVfs {
    root: Mutex<Directory>,
    start: Instant,
    /// Nanoseconds by which the clock was moved.
    advanced: AtomicU64,
    /// The seeded source of randomness; such a file system also has a frozen clock.
    seeded: Option<Mutex<SimRng>>,
}

type Directory = BTreeMap<OsString, Node>;

#[derive(Debug)]
enum Node {
    Directory(Directory),
    File(Arc<Inode>),
}

#[derive(Debug, Default)]
struct Inode {
    image: RwLock<Image>,
    lock: Mutex<LockState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LockState {
    #[default]
    Free,
    Shared(usize),
    Exclusive,
}

impl MemVfs {
    /// An empty file system with the operating system's clock and randomness.
    pub fn new() -> Self {
        Self {
            root: Mutex::default(),
            start: os::now(),
            advanced: AtomicU64::new(0),
            seeded: None,
        }
    }

    /// A new one, shared.
    pub fn shared() -> VfsRef {
        Arc::new(Self::new())
    }

    /// An empty file system whose clock moves only by [`MemVfs::advance`] and whose random bytes
    /// follow from a seed, for tests that compare bytes.
    pub fn deterministic(seed: u64) -> Self {
        Self {
            seeded: Some(Mutex::new(SimRng::new(seed))),
            ..Self::new()
        }
    }

    /// Moves both clocks forward. Nobody who sleeps or waits is woken by it.
    pub fn advance(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.advanced.fetch_add(nanos, Ordering::SeqCst);
    }

    fn advanced(&self) -> Duration {
        Duration::from_nanos(self.advanced.load(Ordering::SeqCst))
    }

    /// Runs `body` on the directory that holds `path`, with the last component.
    fn in_parent<T>(
        &self,
        path: &Path,
        body: impl FnOnce(&mut Directory, &OsStr) -> io::Result<T>,
    ) -> io::Result<T> {
        let names = components(path);
        let Some((name, parents)) = names.split_last() else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let mut root = self.root.lock();
        body(directory(&mut root, parents)?, name)
    }
}

impl Default for MemVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl Vfs for MemVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FileRef> {
        self.in_parent(path, |parent, name| {
            let inode = match (parent.get(name), mode) {
                (Some(_), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
                (None, OpenMode::CreateNew) => Ok(create(parent, name)),
                (node, _) => as_file(node),
            }?;
            Ok(Arc::new(MemFile {
                inode,
                writable: mode != OpenMode::Read,
            }) as FileRef)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.in_parent(path, |parent, name| {
            as_file(parent.get(name))?;
            parent.remove(name);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (components(from), components(to));
        let (Some((from_name, from_parents)), Some((to_name, to_parents))) =
            (from.split_last(), to.split_last())
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut root = self.root.lock();
        let Some(source) = directory(&mut root, from_parents)?.get(from_name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let source_is_dir = matches!(source, Node::Directory(_));
        if from == to {
            return Ok(());
        }
        if source_is_dir && to.starts_with(&from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        check_replace(
            source_is_dir,
            directory(&mut root, to_parents)?.get(to_name),
        )?;
        let node = directory(&mut root, from_parents)?
            .remove(from_name)
            .expect("the source was there a moment ago, and the tree is locked");
        directory(&mut root, to_parents)?.insert(to_name.clone(), node);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.in_parent(from, |parent, name| as_file(parent.get(name)))?;
        self.in_parent(to, |parent, name| {
            if parent.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            parent.insert(name.to_owned(), Node::File(inode));
            Ok(())
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut root = self.root.lock();
        let mut here = &mut *root;
        for name in components(path) {
            match here
                .entry(name)
                .or_insert_with(|| Node::Directory(Directory::new()))
            {
                Node::Directory(next) => here = next,
                Node::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.in_parent(path, |parent, name| match parent.get(name) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Directory(children)) if !children.is_empty() => {
                Err(io::ErrorKind::DirectoryNotEmpty.into())
            }
            Some(Node::Directory(_)) => {
                parent.remove(name);
                Ok(())
            }
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut root = self.root.lock();
        let children = directory(&mut root, &components(path))?;
        let entry = |(name, node): (&OsString, &Node)| DirEntry {
            path: path.join(name),
            name: name.to_string_lossy().into_owned(),
            len: metadata_of(node).len,
            is_dir: metadata_of(node).is_dir,
        };
        Ok(children.iter().map(entry).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        if components(path).is_empty() {
            return Ok(Metadata {
                len: 0,
                is_dir: true,
            });
        }
        self.in_parent(path, |parent, name| {
            parent
                .get(name)
                .map(metadata_of)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        directory(&mut self.root.lock(), &components(path)).map(|_| ())
    }

    fn lock(&self, path: &Path, mode: LockMode) -> io::Result<Option<FileRef>> {
        let inode = self.in_parent(path, |parent, name| match parent.get(name) {
            None => Ok(create(parent, name)),
            node => as_file(node),
        })?;
        let mut state = inode.lock.lock();
        *state = match (*state, mode) {
            (LockState::Free, LockMode::Exclusive) => LockState::Exclusive,
            (LockState::Free, LockMode::Shared) => LockState::Shared(1),
            (LockState::Shared(holders), LockMode::Shared) => LockState::Shared(holders + 1),
            (LockState::Shared(_) | LockState::Exclusive, _) => return Ok(None),
        };
        drop(state);
        Ok(Some(Arc::new(LockedFile(MemFile {
            inode,
            writable: true,
        }))))
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.metadata(path).map(|_| AVAILABLE_BYTES)
    }

    fn monotonic(&self) -> Duration {
        match self.seeded {
            Some(_) => self.advanced(),
            None => self.start.elapsed() + self.advanced(),
        }
    }

    fn wall_micros(&self) -> u64 {
        let unmoved = if self.seeded.is_some() {
            FROZEN_START_MICROS
        } else {
            os::wall_micros()
        };
        unmoved + self.advanced.load(Ordering::SeqCst) / 1_000
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        match &self.seeded {
            Some(rng) => rng.lock().fill(buffer),
            None => os::fill_random(buffer)?,
        }
        Ok(())
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
        os::spawn(name, body)
    }

    fn sleep(&self, duration: Duration) {
        os::sleep(duration);
    }
}

/// The normal components of a path; see the module's note on what the others mean.
pub(crate) fn components(path: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

fn directory<'a>(root: &'a mut Directory, names: &[OsString]) -> io::Result<&'a mut Directory> {
    let mut here = root;
    for name in names {
        here = match here.get_mut(name) {
            Some(Node::Directory(next)) => next,
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
    }
    Ok(here)
}

fn as_file(node: Option<&Node>) -> io::Result<Arc<Inode>> {
    match node {
        Some(Node::File(inode)) => Ok(Arc::clone(inode)),
        Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn create(parent: &mut Directory, name: &OsStr) -> Arc<Inode> {
    let inode = Arc::<Inode>::default();
    parent.insert(name.to_owned(), Node::File(Arc::clone(&inode)));
    inode
}

/// A file replaces a file, a directory an empty directory.
fn check_replace(source_is_dir: bool, target: Option<&Node>) -> io::Result<()> {
    match (source_is_dir, target) {
        (_, None) | (false, Some(Node::File(_))) => Ok(()),
        (false, Some(Node::Directory(_))) => Err(io::ErrorKind::IsADirectory.into()),
        (true, Some(Node::File(_))) => Err(io::ErrorKind::NotADirectory.into()),
        (true, Some(Node::Directory(children))) if children.is_empty() => Ok(()),
        (true, Some(Node::Directory(_))) => Err(io::ErrorKind::DirectoryNotEmpty.into()),
    }
}

fn metadata_of(node: &Node) -> Metadata {
    match node {
        Node::Directory(_) => Metadata {
            len: 0,
            is_dir: true,
        },
        Node::File(inode) => Metadata {
            len: inode.image.read().len(),
            is_dir: false,
        },
    }
}

/// The error of writing through a handle that was opened for reading.
pub(crate) fn not_writable() -> io::Error {
    rustix::io::Errno::BADF.into()
}

#[derive(Debug)]
struct MemFile {
    inode: Arc<Inode>,
    writable: bool,
}

impl MemFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(not_writable())
        }
    }
}

impl File for MemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.inode.image.read().read_at(buffer, offset))
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        self.inode.image.write().write_at(buffer, offset)?;
        Ok(buffer.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.image.read().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.inode.image.write().set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_writable()?;
        check_range(offset, len).map(|_| ())
    }
}

/// A file whose lock is held until this is dropped.
#[derive(Debug)]
struct LockedFile(MemFile);

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut state = self.0.inode.lock.lock();
        *state = match *state {
            LockState::Shared(holders) if holders > 1 => LockState::Shared(holders - 1),
            LockState::Shared(_) | LockState::Exclusive | LockState::Free => LockState::Free,
        };
    }
}

impl File for LockedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.allocate(offset, len)
    }
}
