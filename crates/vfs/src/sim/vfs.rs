//! A simulated machine as a [`Vfs`].

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Disk, InodeId};
use super::fault::{Effect, OpKind};
use super::file::SimFile;
use super::{Operation, SimVfs, State};
use crate::file::{DirEntry, FileRef, JoinHandle, LockMode, Metadata, OpenMode, Vfs};
use crate::{os, schedule};

/// What [`Vfs::available_bytes`] answers without a capacity.
const UNLIMITED_BYTES: u64 = 1 << 40;

/// How long a thread really sleeps outside a simulation, at most.
const REAL_SLEEP_MAX: Duration = Duration::from_millis(1);

impl State {
    /// Counts an operation; the effect of the fault that strikes, if one does.
    fn begin(&mut self, op: &Operation<'_>) -> io::Result<Effect> {
        if !self.powered {
            return Err(no_power());
        }
        self.counts.count(op.kind);
        let paths = [Some(op.path), op.target];
        let mut effect = None;
        for (_, fault) in &mut self.faults {
            if fault.observe(op.kind, paths) && effect.is_none() {
                effect = Some(fault.fire());
            }
        }
        Ok(effect.unwrap_or(Effect::Nothing))
    }
}

impl SimVfs {
    /// Does an operation: lets other threads go first, lets time pass, applies faults that are
    /// the same for all operations, and leaves the rest, with the effect, to `body`.
    pub(super) fn operate<T>(
        &self,
        mut op: Operation<'_>,
        body: impl FnOnce(&mut State, Effect) -> io::Result<T>,
    ) -> io::Result<T> {
        schedule::operation(op.kind, op.path);
        self.machine.clock.advance(duration_of(op.kind));
        let result = self.operate_now(&op, body);
        op.succeeded = result.is_ok();
        let observer = self.machine.observer.lock().clone();
        if let Some(observer) = observer {
            observer(self, &op);
        }
        result
    }

    fn operate_now<T>(
        &self,
        op: &Operation<'_>,
        body: impl FnOnce(&mut State, Effect) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.machine.state.lock();
        match state.begin(op)? {
            Effect::Fail(failure) => Err(failure.into()),
            Effect::PowerOff => {
                // Whether it would have succeeded does not matter: nobody is told.
                let untold = body(&mut state, Effect::Nothing);
                state.powered = false;
                // NB: dropping an open file takes the lock.
                drop(state);
                drop(untold);
                Err(no_power())
            }
            Effect::Delay(duration) => {
                drop(state);
                self.sleep(duration);
                let mut state = self.machine.state.lock();
                if state.powered {
                    body(&mut state, Effect::Nothing)
                } else {
                    Err(no_power())
                }
            }
            effect => body(&mut state, effect),
        }
    }

    fn on_path<T>(
        &self,
        kind: OpKind,
        path: &Path,
        body: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let op = Operation {
            kind,
            path,
            target: None,
            succeeded: false,
        };
        self.operate(op, |state, _| body(&mut state.disk))
    }

    /// An operation that can be ignored.
    fn change(
        &self,
        kind: OpKind,
        path: &Path,
        target: Option<&Path>,
        body: impl FnOnce(&mut Disk) -> io::Result<()>,
    ) -> io::Result<()> {
        let op = Operation {
            kind,
            path,
            target,
            succeeded: false,
        };
        self.operate(op, |state, effect| match effect {
            Effect::Ignore => Ok(()),
            _ => body(&mut state.disk),
        })
    }

    fn handle(
        &self,
        disk: &mut Disk,
        id: InodeId,
        path: &Path,
        writable: bool,
        locked: bool,
    ) -> FileRef {
        disk.file_mut(id).handles.push(path.to_owned());
        Arc::new(SimFile {
            vfs: self.clone(),
            id,
            path: path.to_owned(),
            writable,
            locked,
        })
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<FileRef> {
        let kind = match mode {
            OpenMode::CreateNew => OpKind::Create,
            OpenMode::Read | OpenMode::ReadWrite => OpKind::Open,
        };
        self.on_path(kind, path, |disk| {
            let id = match mode {
                OpenMode::CreateNew => disk.create(path)?,
                OpenMode::Read | OpenMode::ReadWrite => disk.resolve_file(path)?,
            };
            Ok(self.handle(disk, id, path, mode != OpenMode::Read, false))
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(OpKind::RemoveFile, path, None, |disk| {
            disk.remove_file(path)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(OpKind::Rename, from, Some(to), |disk| disk.rename(from, to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(OpKind::HardLink, from, Some(to), |disk| {
            disk.hard_link(from, to)
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change(OpKind::CreateDir, path, None, |disk| {
            disk.create_dir_all(path)
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.change(OpKind::RemoveDir, path, None, |disk| disk.remove_dir(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.on_path(OpKind::ReadDir, path, |disk| {
            let id = disk.resolve_directory(path)?;
            let entries = disk.list(id).map(|(name, child)| {
                let (len, is_dir) = disk.describe(child);
                let path = path.join(name);
                DirEntry {
                    path,
                    name: name.to_string_lossy().into_owned(),
                    len,
                    is_dir,
                }
            });
            Ok(entries.collect())
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.on_path(OpKind::Metadata, path, |disk| {
            let (len, is_dir) = disk.describe(disk.resolve(path)?);
            Ok(Metadata { len, is_dir })
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(OpKind::SyncDir, path, None, |disk| disk.sync_dir(path))
    }

    fn lock(&self, path: &Path, mode: LockMode) -> io::Result<Option<FileRef>> {
        self.on_path(OpKind::Lock, path, |disk| {
            let id = match disk.resolve_file(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => disk.create(path)?,
                found => found?,
            };
            let locked = disk.try_lock(id, mode);
            Ok(locked.then(|| self.handle(disk, id, path, true, true)))
        })
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.on_path(OpKind::Available, path, |disk| {
            disk.resolve(path)?;
            Ok(disk.room().unwrap_or(UNLIMITED_BYTES))
        })
    }

    fn monotonic(&self) -> Duration {
        self.machine.clock.now()
    }

    fn wall_micros(&self) -> u64 {
        self.machine.clock.wall_micros()
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.machine.state.lock();
        if !state.powered {
            return Err(no_power());
        }
        state.rng.fill(buffer);
        Ok(())
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle> {
        if !self.is_powered() {
            return Err(no_power());
        }
        schedule::spawn(name, body)
    }

    fn sleep(&self, duration: Duration) {
        if !schedule::sleep(duration) {
            self.machine.clock.advance(duration);
            os::sleep(duration.min(REAL_SLEEP_MAX));
        }
    }
}

/// The error of every operation on a machine without power.
fn no_power() -> io::Error {
    io::Error::other("the simulated machine has no power")
}

/// About what a fast solid-state disk takes.
fn duration_of(kind: OpKind) -> Duration {
    Duration::from_micros(match kind {
        OpKind::Sync | OpKind::SyncDir => 150,
        OpKind::Read | OpKind::Write => 5,
        _ => 2,
    })
}
