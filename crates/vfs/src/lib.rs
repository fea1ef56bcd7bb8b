//! The one seam to the world: files, clock, randomness and threads, real or simulated.
//!
//! Everything above this crate reaches the outside only through [`Vfs`], and waits only through
//! [`sync`]. That is what makes power loss, full disks, lying hardware and thread schedules
//! things a test can choose.
//!
//! This crate does not know what the bytes mean.

#![deny(unsafe_code)]

mod file;
mod heap;
mod image;
mod mem;
mod os;
mod rng;
mod schedule;
mod sim;
mod stack;
pub mod sync;
mod task;

pub use file::{
    DirEntry, File, FileExt, FileRef, JoinHandle, LockMode, Metadata, OpenMode, Vfs, VfsRef,
};
pub use heap::CountingAllocator;
pub use mem::MemVfs;
pub use os::OsVfs;
pub use rng::SimRng;
pub use schedule::{FailureKind, Outcome, Simulation, SimulationFailure};
pub use sim::{
    AfterLoss, Durability, Effect, Failure, Fault, FaultId, OpCounts, OpKind, OpSet, Operation,
    PowerLoss, SimVfs,
};
pub use stack::on_large_stack;
pub use task::Task;
