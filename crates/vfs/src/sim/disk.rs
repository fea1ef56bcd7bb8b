//! A simulated disk: inodes, and directories of names for them.
//!
//! Every change of names is a [`NameChange`]: one or two settings of (directory, name) that
//! happen together, so that a rename is never half done. A directory has two maps, what is seen
//! and what is safe; [`Disk::sync_dir`] moves the changes of one directory from the pending list
//! into the safe maps. Changes of one name keep their order: when a change becomes durable, so
//! does every earlier one that set a name it sets.
//!
//! Names and contents are independent, as POSIX has it: syncing a file does not save its name,
//! nor the other way round, and a new directory is lost unless its parent is synced too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use crate::file::LockMode;
use crate::image::{Image, PAGE_BYTES};
use crate::mem::components;

/// Identifies a file or directory on one disk; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct InodeId(u64);

const ROOT: InodeId = InodeId(1);

/// Inodes are collected when there are this many times more than after the last collection.
const GARBAGE_FACTOR: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Disk {
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: u64,
    /// Changes of names that are not durable, oldest first.
    pending: Vec<NameChange>,
    /// Bytes of file contents that fit, if there is a limit.
    pub(super) capacity: Option<u64>,
    /// Number of inodes at which garbage is collected next.
    collect_at: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Inode {
    File(FileInode),
    Directory(Directory),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileInode {
    pub(super) contents: Contents,
    /// Open handles, by the paths they were opened by.
    pub(super) handles: Vec<PathBuf>,
    lock: Lock,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lock {
    #[default]
    Free,
    Shared(usize),
    Exclusive,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    seen: Names,
    safe: Names,
}

type Names = BTreeMap<OsString, InodeId>;

/// Settings of names that become durable together.
#[derive(Clone, Debug)]
pub(super) struct NameChange(Vec<Setting>);

#[derive(Clone, Debug)]
struct Setting {
    directory: InodeId,
    name: OsString,
    target: Option<InodeId>,
}

impl Disk {
    /// An empty, durable root.
    pub(super) fn new() -> Self {
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Directory(Directory::default()))]),
            next_inode: ROOT.0 + 1,
            pending: Vec::new(),
            capacity: None,
            collect_at: 64,
        }
    }

    /// How many changes of names are not durable.
    pub(super) fn pending_names(&self) -> usize {
        self.pending.len()
    }

    /// The files that can be reached, with their paths, ordered by path.
    pub(super) fn files(&self) -> Vec<(PathBuf, &FileInode)> {
        let mut files = Vec::new();
        let mut directories = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, id)) = directories.pop() {
            for (name, child) in &self.directory(id).seen {
                match &self.inodes[child] {
                    Inode::File(file) => files.push((path.join(name), file)),
                    Inode::Directory(_) => directories.push((path.join(name), *child)),
                }
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        files
    }

    /// Every inode, reachable or not, in the order of creation.
    pub(super) fn inodes(&self) -> impl Iterator<Item = (InodeId, &Inode)> {
        self.inodes.iter().map(|(&id, inode)| (id, inode))
    }

    pub(super) fn file(&self, id: InodeId) -> &FileInode {
        match &self.inodes[&id] {
            Inode::File(file) => file,
            Inode::Directory(_) => unreachable!("a handle is always of a file"),
        }
    }

    pub(super) fn file_mut(&mut self, id: InodeId) -> &mut FileInode {
        match self.inodes.get_mut(&id) {
            Some(Inode::File(file)) => file,
            _ => unreachable!("a handle keeps its file"),
        }
    }

    fn directory(&self, id: InodeId) -> &Directory {
        match &self.inodes[&id] {
            Inode::Directory(directory) => directory,
            Inode::File(_) => unreachable!("callers look for directories first"),
        }
    }

    fn directory_mut(&mut self, id: InodeId) -> &mut Directory {
        match self.inodes.get_mut(&id) {
            Some(Inode::Directory(directory)) => directory,
            _ => unreachable!("callers look for directories first"),
        }
    }

    /// What a path names now.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<InodeId> {
        components(path)
            .iter()
            .try_fold(ROOT, |id, name| self.child(id, name))
    }

    /// The file that a path names now.
    pub(super) fn resolve_file(&self, path: &Path) -> io::Result<InodeId> {
        let id = self.resolve(path)?;
        match self.inodes[&id] {
            Inode::File(_) => Ok(id),
            Inode::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The directory that a path names now.
    pub(super) fn resolve_directory(&self, path: &Path) -> io::Result<InodeId> {
        let id = self.resolve(path)?;
        match self.inodes[&id] {
            Inode::Directory(_) => Ok(id),
            Inode::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Length, and whether it is a directory.
    pub(super) fn describe(&self, id: InodeId) -> (u64, bool) {
        match &self.inodes[&id] {
            Inode::File(file) => (file.contents.current().len(), false),
            Inode::Directory(_) => (0, true),
        }
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, id: InodeId) -> impl Iterator<Item = (&OsStr, InodeId)> {
        self.directory(id)
            .seen
            .iter()
            .map(|(name, &child)| (name.as_os_str(), child))
    }

    fn child(&self, id: InodeId, name: &OsStr) -> io::Result<InodeId> {
        match &self.inodes[&id] {
            Inode::File(_) => Err(io::ErrorKind::NotADirectory.into()),
            Inode::Directory(directory) => directory
                .seen
                .get(name)
                .copied()
                .ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    /// The directory that holds a path, the last component, and what that names now.
    fn place(&self, path: &Path) -> io::Result<(InodeId, OsString, Option<InodeId>)> {
        let mut names = components(path);
        let Some(name) = names.pop() else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let parent = names
            .iter()
            .try_fold(ROOT, |id, name| self.child(id, name))?;
        match self.child(parent, &name) {
            Ok(id) => Ok((parent, name, Some(id))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok((parent, name, None)),
            Err(e) => Err(e),
        }
    }

    fn add(&mut self, inode: Inode) -> InodeId {
        let id = InodeId(self.next_inode);
        self.next_inode += 1;
        self.inodes.insert(id, inode);
        id
    }

    fn change(&mut self, settings: Vec<Setting>) {
        for setting in &settings {
            let seen = &mut self.directory_mut(setting.directory).seen;
            apply(seen, setting);
        }
        self.pending.push(NameChange(settings));
    }

    /// Creates an empty file; the name must be free.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<InodeId> {
        let (directory, name, None) = self.place(path)? else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let id = self.add(Inode::File(FileInode::default()));
        self.change(vec![Setting {
            directory,
            name,
            target: Some(id),
        }]);
        Ok(id)
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.resolve_file(path)?;
        let (directory, name, _) = self.place(path)?;
        self.change(vec![Setting {
            directory,
            name,
            target: None,
        }]);
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.resolve_directory(path)?;
        if !self.directory(id).seen.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (directory, name, _) = self.place(path)?;
        self.change(vec![Setting {
            directory,
            name,
            target: None,
        }]);
        Ok(())
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut here = ROOT;
        for name in components(path) {
            here = match self.child(here, &name) {
                Ok(id) => id,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let id = self.add(Inode::Directory(Directory::default()));
                    self.change(vec![Setting {
                        directory: here,
                        name,
                        target: Some(id),
                    }]);
                    id
                }
                Err(e) => return Err(e),
            };
        }
        self.resolve_directory(path).map(|_| ())
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.resolve_file(from)?;
        let (directory, name, None) = self.place(to)? else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        self.change(vec![Setting {
            directory,
            name,
            target: Some(id),
        }]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let source = self.resolve(from)?;
        let (from_directory, from_name, _) = self.place(from)?;
        let (to_directory, to_name, replaced) = self.place(to)?;
        if replaced == Some(source) {
            return Ok(());
        }
        let is_directory = |id: &InodeId| matches!(self.inodes[id], Inode::Directory(_));
        if is_directory(&source) && components(to).starts_with(&components(from)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(target) = replaced {
            match (is_directory(&source), is_directory(&target)) {
                (false, false) => {}
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                (true, true) if self.directory(target).seen.is_empty() => {}
                (true, true) => return Err(io::ErrorKind::DirectoryNotEmpty.into()),
            }
        }
        self.change(vec![
            Setting {
                directory: from_directory,
                name: from_name,
                target: None,
            },
            Setting {
                directory: to_directory,
                name: to_name,
                target: Some(source),
            },
        ]);
        Ok(())
    }

    /// Makes the changes of one directory durable.
    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.resolve_directory(path)?;
        let touches = |change: &NameChange| change.0.iter().any(|s| s.directory == id);
        let chosen: Vec<bool> = self.pending.iter().map(touches).collect();
        let (settled, pending) = split(std::mem::take(&mut self.pending), chosen);
        self.pending = pending;
        self.settle(&settled);
        self.collect_garbage();
        Ok(())
    }

    fn settle(&mut self, changes: &[NameChange]) {
        for setting in changes.iter().flat_map(|change| &change.0) {
            apply(&mut self.directory_mut(setting.directory).safe, setting);
        }
    }

    /// Whether the names that lead to a path are safe.
    pub(super) fn name_is_durable(&self, path: &Path) -> io::Result<bool> {
        let mut here = ROOT;
        for name in components(path) {
            let child = self.child(here, &name)?;
            let unsettled = |s: &Setting| s.directory == here && s.name == name;
            if self.directory(here).safe.get(&name) != Some(&child)
                || self
                    .pending
                    .iter()
                    .any(|change| change.0.iter().any(unsettled))
            {
                return Ok(false);
            }
            here = child;
        }
        Ok(true)
    }

    /// Takes a lock, unless another holder is in the way.
    pub(super) fn try_lock(&mut self, id: InodeId, mode: LockMode) -> bool {
        let lock = &mut self.file_mut(id).lock;
        *lock = match (*lock, mode) {
            (Lock::Free, LockMode::Exclusive) => Lock::Exclusive,
            (Lock::Free, LockMode::Shared) => Lock::Shared(1),
            (Lock::Shared(holders), LockMode::Shared) => Lock::Shared(holders + 1),
            (Lock::Shared(_) | Lock::Exclusive, _) => return false,
        };
        true
    }

    pub(super) fn unlock(&mut self, id: InodeId) {
        let lock = &mut self.file_mut(id).lock;
        *lock = match *lock {
            Lock::Shared(holders) if holders > 1 => Lock::Shared(holders - 1),
            Lock::Shared(_) | Lock::Exclusive | Lock::Free => Lock::Free,
        };
    }

    /// Bytes that can still be written, if there is a limit.
    pub(super) fn room(&self) -> Option<u64> {
        let capacity = self.capacity?;
        let named: BTreeSet<InodeId> = self.seen_targets().collect();
        let used: u64 = self
            .inodes()
            .filter_map(|(id, inode)| match inode {
                Inode::File(file) if named.contains(&id) || !file.handles.is_empty() => {
                    Some(file.contents.current().allocated_bytes())
                }
                _ => None,
            })
            .sum();
        Some(capacity.saturating_sub(used) / PAGE_BYTES as u64 * PAGE_BYTES as u64)
    }

    fn seen_targets(&self) -> impl Iterator<Item = InodeId> {
        self.inodes
            .values()
            .flat_map(|inode| match inode {
                Inode::Directory(directory) => Some(directory.seen.values().copied()),
                Inode::File(_) => None,
            })
            .flatten()
    }

    /// Forgets inodes that no name, no pending change and no handle refers to.
    fn collect_garbage(&mut self) {
        if self.inodes.len() < self.collect_at {
            return;
        }
        let mut live: BTreeSet<InodeId> = self.seen_targets().collect();
        live.insert(ROOT);
        for inode in self.inodes.values() {
            if let Inode::Directory(directory) = inode {
                live.extend(directory.safe.values());
            }
        }
        for setting in self.pending.iter().flat_map(|change| &change.0) {
            live.extend(setting.target);
            live.insert(setting.directory);
        }
        self.inodes.retain(|id, inode| {
            live.contains(id) || matches!(inode, Inode::File(file) if !file.handles.is_empty())
        });
        self.collect_at = (self.inodes.len() * GARBAGE_FACTOR).max(64);
    }

    /// The disk as it is found after power loss. `names_kept` has one entry per pending change of
    /// names; `image_of` says what becomes of a file.
    pub(super) fn after_power_loss(
        &self,
        names_kept: Vec<bool>,
        mut image_of: impl FnMut(InodeId, &Contents) -> io::Result<Image>,
    ) -> io::Result<Self> {
        assert_eq!(names_kept.len(), self.pending.len(), "one fate per change");
        let mut disk = self.clone();
        let (kept, _) = split(std::mem::take(&mut disk.pending), names_kept);
        disk.settle(&kept);
        for (&id, inode) in &mut disk.inodes {
            match inode {
                Inode::Directory(directory) => directory.seen = directory.safe.clone(),
                Inode::File(file) => {
                    let contents = Contents::durable(image_of(id, &file.contents)?);
                    *file = FileInode {
                        contents,
                        ..FileInode::default()
                    };
                }
            }
        }
        disk.collect_at = 0;
        disk.collect_garbage();
        Ok(disk)
    }

    /// Drops handles and locks, which belong to processes of another machine.
    pub(super) fn without_handles(mut self) -> Self {
        for inode in self.inodes.values_mut() {
            if let Inode::File(file) = inode {
                file.handles.clear();
                file.lock = Lock::Free;
            }
        }
        self
    }
}

fn apply(names: &mut Names, setting: &Setting) {
    match setting.target {
        Some(id) => names.insert(setting.name.clone(), id),
        None => names.remove(&setting.name),
    };
}

/// Parts the chosen changes, and every earlier one that sets a name they set, from the rest. Both
/// keep their order.
fn split(changes: Vec<NameChange>, mut chosen: Vec<bool>) -> (Vec<NameChange>, Vec<NameChange>) {
    let mut names = BTreeSet::new();
    for (change, chosen) in changes.iter().zip(&mut chosen).rev() {
        let settings = || change.0.iter().map(|s| (s.directory, s.name.clone()));
        *chosen |= settings().any(|name| names.contains(&name));
        if *chosen {
            names.extend(settings());
        }
    }
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for (change, chosen) in changes.into_iter().zip(chosen) {
        if chosen {
            taken.push(change)
        } else {
            rest.push(change)
        }
    }
    (taken, rest)
}
