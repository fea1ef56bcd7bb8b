//! A machine in memory whose disk, power and clock a test controls.
//!
//! A [`SimVfs`] is a handle to a machine with one [`disk`]. Reads see everything that was
//! written; what survives [`SimVfs::power_loss`] is what was synced, and of the rest what the
//! [`PowerLoss`] policy lets through. A machine that lost its power stays dead: every operation
//! on it fails, so that threads of a database that was cut off cannot touch its successor, which
//! lives on the machine that `power_loss` returns.
//!
//! ```
//! use std::path::Path;
//! use rustdb_vfs::{FileExt, OpenMode, PowerLoss, SimVfs, Vfs};
//!
//! # fn main() -> std::io::Result<()> {
//! let machine = SimVfs::new(17);
//! let file = machine.open(Path::new("/log"), OpenMode::CreateNew)?;
//! file.write_all_at(b"synced", 0)?;
//! file.sync_data()?;
//! machine.sync_dir(Path::new("/"))?;
//! file.write_all_at(b", not synced", 6)?;
//!
//! let after = machine.power_loss(PowerLoss::LoseAll);
//! assert_eq!(after.contents(Path::new("/log"))?, b"synced");
//! assert!(file.len().is_err());
//! # Ok(())
//! # }
//! ```
//!
//! [`SimVfs::after_power_loss`] looks into such futures without ending the present, so that many
//! policies can be tried from one point. To try every point, count the operations of a run
//! ([`SimVfs::counts`]) and repeat it with [`SimVfs::power_off_at`] each of them.
//!
//! [`SimVfs::inject`] makes calls fail, be short, lie, go astray or take long; see [`Fault`].
//!
//! Random bytes follow from the seed. The clock moves a little with every operation, and by the
//! full time when somebody sleeps; see
//! [`Simulation`](crate::Simulation) for threads.
//!
//! What it does not model: permissions, symbolic links, stale bytes in blocks that a file gets
//! anew, memory-mapped files, and file systems that are less careful than POSIX (a rename is
//! atomic, a sector is written whole).

mod clock;
mod contents;
mod disk;
mod fault;
mod file;
mod power;
mod vfs;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use clock::SimClock;
pub use fault::{AfterLoss, Effect, Failure, Fault, FaultId, OpCounts, OpKind, OpSet};
pub use power::PowerLoss;

use crate::file::VfsRef;
use crate::rng::SimRng;
use disk::{Disk, FileInode};

/// A simulated machine. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct SimVfs {
    machine: Arc<Machine>,
}

struct Machine {
    clock: Arc<SimClock>,
    state: Mutex<State>,
    observer: Mutex<Option<Observer>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

/// Called after each operation, by the thread that did it.
type Observer = Arc<dyn Fn(&SimVfs, &Operation<'_>) + Send + Sync>;

#[derive(Debug)]
struct State {
    powered: bool,
    disk: Disk,
    rng: SimRng,
    counts: OpCounts,
    /// In the order of injection.
    faults: Vec<(FaultId, Fault)>,
    next_fault: u64,
}

/// An operation that ended, as told to an observer.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// What was done.
    pub kind: OpKind,
    /// To what: for an open file, the path it was opened by.
    pub path: &'a Path,
    /// The second path of a rename or link.
    pub target: Option<&'a Path>,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// What of a file would survive any power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Contents and length are as reads see them.
    pub contents: bool,
    /// The path leads to it.
    pub name: bool,
}

impl SimVfs {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> Self {
        Self::with_clock(seed, Arc::new(SimClock::default()))
    }

    pub(crate) fn with_clock(seed: u64, clock: Arc<SimClock>) -> Self {
        Self::from_parts(Disk::new(), SimRng::new(seed), clock)
    }

    pub(crate) fn clock(&self) -> &SimClock {
        &self.machine.clock
    }

    fn from_parts(disk: Disk, rng: SimRng, clock: Arc<SimClock>) -> Self {
        let state = State {
            powered: true,
            disk,
            rng,
            counts: OpCounts::default(),
            faults: Vec::new(),
            next_fault: 0,
        };
        let machine = Machine {
            clock,
            state: Mutex::new(state),
            observer: Mutex::new(None),
        };
        Self {
            machine: Arc::new(machine),
        }
    }

    /// This machine as a file system.
    pub fn vfs(&self) -> VfsRef {
        Arc::new(self.clone())
    }

    /// A copy of the machine with its own disk and clock, from this moment on: with power, and
    /// without open files, locks, faults, counts and observer.
    pub fn fork(&self) -> Self {
        self.fork_with_clock(Arc::new(self.machine.clock.fork()))
    }

    pub(crate) fn fork_with_clock(&self, clock: Arc<SimClock>) -> Self {
        let state = self.machine.state.lock();
        Self::from_parts(
            state.disk.clone().without_handles(),
            state.rng.clone(),
            clock,
        )
    }
}

/// Power.
impl SimVfs {
    /// Cuts the power: every operation from now on fails.
    pub fn power_off(&self) {
        self.machine.state.lock().powered = false;
    }

    /// Cuts the power at the operation that follows after `skip` of these kinds, in the middle of
    /// it: it fails, and what it did is not synced.
    pub fn power_off_at(&self, kinds: impl Into<OpSet>, skip: u64) -> FaultId {
        self.inject(Fault::new(Effect::PowerOff).on(kinds).after(skip))
    }

    /// Whether the machine has power.
    pub fn is_powered(&self) -> bool {
        self.machine.state.lock().powered
    }

    /// Cuts the power and returns the machine as it is when it comes back.
    pub fn power_loss(&self, policy: PowerLoss) -> Self {
        self.power_off();
        self.after_power_loss(policy)
    }

    /// The machine as it would be if the power failed now and came back. Does not change this
    /// one. The clock goes on: within a simulation both machines share it.
    pub fn after_power_loss(&self, policy: PowerLoss) -> Self {
        let clock = if crate::schedule::is_simulated() {
            Arc::clone(&self.machine.clock)
        } else {
            Arc::new(self.machine.clock.fork())
        };
        let state = self.machine.state.lock();
        let disk = policy
            .apply(&state.disk)
            .expect("lengths that the file had before are within limits");
        Self::from_parts(disk, state.rng.clone().fork(), clock)
    }
}

/// Faults.
impl SimVfs {
    /// Adds a fault.
    pub fn inject(&self, fault: Fault) -> FaultId {
        let mut state = self.machine.state.lock();
        let id = FaultId(state.next_fault);
        state.next_fault += 1;
        state.faults.push((id, fault));
        id
    }

    /// Takes a fault away; returns it with its counts, if it was still there.
    pub fn remove_fault(&self, id: FaultId) -> Option<Fault> {
        let mut state = self.machine.state.lock();
        let index = state.faults.iter().position(|(other, _)| *other == id)?;
        Some(state.faults.remove(index).1)
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.machine.state.lock().faults.clear();
    }

    /// A copy of a fault with its counts, if it is still there.
    pub fn fault(&self, id: FaultId) -> Option<Fault> {
        let state = self.machine.state.lock();
        state
            .faults
            .iter()
            .find(|(other, _)| *other == id)
            .map(|(_, fault)| fault.clone())
    }

    /// Operations begun since the machine was made.
    pub fn counts(&self) -> OpCounts {
        self.machine.state.lock().counts
    }

    /// Limits the space for contents of files; `None` lifts the limit. Names take no space.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.machine.state.lock().disk.capacity = bytes;
    }

    /// Flips one bit of a file, on disk and in every cache. Not an operation: it is not counted
    /// and needs no power.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        self.with_file_mut(path, |file| {
            if bit / 8 >= file.contents.current().len() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            file.contents
                .corrupt(bit / 8, |byte| byte ^ (1 << (bit % 8)))
        })
    }

    /// Overwrites bytes of a file, on disk and in every cache, as [`SimVfs::flip_bit`] does. Does
    /// not change its length.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with_file_mut(path, |file| {
            if offset.saturating_add(bytes.len() as u64) > file.contents.current().len() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            for (position, &byte) in (offset..).zip(bytes) {
                file.contents.corrupt(position, |_| byte)?;
            }
            Ok(())
        })
    }
}

/// Time.
impl SimVfs {
    /// Moves both clocks forward. Outside a [`Simulation`](crate::Simulation) nobody is woken by
    /// it; within, those whose time has come are.
    pub fn advance(&self, duration: Duration) {
        self.machine.clock.advance(duration);
    }

    /// How much time passed in simulations only because everybody waited for something: what a
    /// missed notification costs, but not a slow machine.
    pub fn idle_time(&self) -> Duration {
        self.machine.clock.idle_time()
    }

    /// Sets the wall clock forward or back, as an operator may.
    pub fn shift_wall_clock(&self, micros: i64) {
        self.machine.clock.shift_wall(micros);
    }
}

/// Looking inside: none of this is counted as an operation, fails by a fault or needs power.
impl SimVfs {
    /// Tells every operation that ended to `observer`, which may look inside and do operations of
    /// its own (those are told, too).
    pub fn observe(&self, observer: impl Fn(&Self, &Operation<'_>) + Send + Sync + 'static) {
        *self.machine.observer.lock() = Some(Arc::new(observer));
    }

    /// What would survive of a file.
    pub fn durability(&self, path: &Path) -> io::Result<Durability> {
        let state = self.machine.state.lock();
        let id = state.disk.resolve_file(path)?;
        Ok(Durability {
            contents: state.disk.file(id).contents.is_durable(),
            name: state.disk.name_is_durable(path)?,
        })
    }

    /// Whether a file would survive any power loss as it is.
    pub fn is_durable(&self, path: &Path) -> io::Result<bool> {
        let durability = self.durability(path)?;
        Ok(durability.contents && durability.name)
    }

    /// Every file that can be reached, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.machine.state.lock();
        state
            .disk
            .files()
            .into_iter()
            .map(|(path, _)| path)
            .collect()
    }

    /// What reads of a file see.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.machine.state.lock();
        let image = state
            .disk
            .file(state.disk.resolve_file(path)?)
            .contents
            .current();
        Ok(image.to_vec())
    }

    /// Everything the disk may hold of any file, removed ones included: what reads see, and what
    /// is safe. For tests that look for bytes that must not be there.
    pub fn remains(&self) -> Vec<Vec<u8>> {
        let state = self.machine.state.lock();
        let files = state.disk.inodes().filter_map(|(_, inode)| match inode {
            disk::Inode::File(file) => Some(&file.contents),
            disk::Inode::Directory(_) => None,
        });
        files
            .flat_map(|file| [file.current().to_vec(), file.on_disk().to_vec()])
            .collect()
    }

    /// The paths of all open handles, sorted; a path is told once per handle.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let state = self.machine.state.lock();
        let mut paths: Vec<PathBuf> = state
            .disk
            .inodes()
            .filter_map(|(_, inode)| match inode {
                disk::Inode::File(file) => Some(file.handles.iter().cloned()),
                disk::Inode::Directory(_) => None,
            })
            .flatten()
            .collect();
        paths.sort();
        paths
    }

    fn with_file_mut<T>(
        &self,
        path: &Path,
        body: impl FnOnce(&mut FileInode) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.machine.state.lock();
        let id = state.disk.resolve_file(path)?;
        body(state.disk.file_mut(id))
    }
}
