//! Whole-database simulation.
//!
//! One seed gives one run: some clients and a caretaker work on a database whose threads, clock
//! and disk are simulated. At moments the seed chooses, the run notes what would be on the disk
//! if the power failed now, and what the clients had been promised by then. Afterwards a database
//! is opened on each of these disks, and must hold of each client exactly one of the states
//! between what it was promised and what it had begun.
//!
//! ```text
//!  seed ─▶ workload ─▶ clients ─┐
//!                    caretaker ─┼─▶ database ─▶ simulated disk ─▶ disks after power loss
//!                    faults ────┘                                        │
//!  histories of the clients ───────────────────────────────▶ check ◀─────┘
//! ```
//!
//! Some of the disks lose their power once more while the database recovers on them.
//!
//! What it does not check: isolation between clients (each has keys of its own here); the
//! transaction crate's history checker does.

#![forbid(unsafe_code)]

mod caretaker;
mod check;
mod client;
mod exhaust;
mod run;
mod setting;
mod workload;

pub use exhaust::{Extent, Tried, exhaust};
pub use run::{Report, run_seed};
