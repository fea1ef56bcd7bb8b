//! Compaction: merging sorted tables downwards, so that reads find few runs and what is dead
//! leaves the disk.
//!
//! Deciding and doing are apart. Decisions are pure functions of the tree's [`Shape`]:
//!
//! | module | what |
//! |---|---|
//! | [`options`] | what can be chosen |
//! | [`shape`] | sizes and bounds of the tree, and how large its levels should be |
//! | [`reserve`] | what running compactions use |
//! | [`pick`] | shape in, [`Choice`] out |
//! | [`pace`] | how fast writers may go on |
//!
//! and [`run`] carries a choice out: it streams the inputs through a merge, drops what no
//! snapshot sees ([`gc`]), and cuts the result into tables ([`output`]).
//!
//! When to ask, on which thread, and putting the resulting edit into the manifest is the engine's
//! business. So is removing value files that nothing refers to.

mod cancel;
mod choice;
mod cover;
mod gc;
mod options;
mod output;
mod pace;
mod pick;
mod rate;
mod reserve;
mod run;
mod shape;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

pub use cancel::Cancel;
pub use choice::{Action, Choice, InputRun, OutputRun, Reason};
pub(crate) use cover::{covered_bytes, range_tombstones};
pub(crate) use gc::Stripes;
pub use options::{CompactionOptions, CompactionStyle};
pub(crate) use output::Output;
pub use output::{TableProfiles, TableSpace};
pub use pace::{Pace, pace};
pub use pick::{ManualRange, ManualStep, pick, pick_manual};
pub use rate::RateLimiter;
pub use reserve::{Reservations, Ticket};
pub use run::{JobContext, JobStats, Outcome, Progress, run};
pub use shape::{Moment, RunShape, Shape, TableShape, Targets, ValueShape, debt_bytes};
