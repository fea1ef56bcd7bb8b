//! What went wrong in a simulation, in words.

use std::fmt;
use std::panic::Location;

use crate::sim::OpKind;

/// Why a thread gave others a chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Yield,
    Lock,
    Unlock,
    Wait,
    Notify,
    Sleep,
    Spawn,
    Join,
    End,
    Operation(OpKind),
}

impl Event {
    /// A number for the hash of the trace.
    pub(super) fn code(self) -> u64 {
        match self {
            Self::Yield => 2,
            Self::Lock => 3,
            Self::Unlock => 4,
            Self::Wait => 5,
            Self::Notify => 6,
            Self::Sleep => 7,
            Self::Spawn => 8,
            Self::Join => 9,
            Self::End => 10,
            Self::Operation(kind) => 100 + kind as u64,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(kind) => write!(f, "{kind:?}"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

/// The sort of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Every thread waits for another.
    Deadlock,
    /// A thread panicked.
    Panic,
    /// The threads did more steps than they may.
    TooManySteps,
    /// A thread did not reach a yield point for a long real time.
    Stuck,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadlock => "deadlock",
            Self::Panic => "panic",
            Self::TooManySteps => "too many steps",
            Self::Stuck => "stuck",
        })
    }
}

/// How a simulation failed.
#[derive(Clone, Debug)]
pub struct SimulationFailure {
    /// The seed that shows it again.
    pub seed: u64,
    /// The sort of failure.
    pub kind: FailureKind,
    /// Who waits for what, or who panicked how, and the last steps.
    pub message: String,
}

impl fmt::Display for SimulationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "simulation with seed {} failed: {}\n{}",
            self.seed, self.kind, self.message
        )
    }
}

impl std::error::Error for SimulationFailure {}

/// One step of a run, kept to be told.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) thread: usize,
    pub(super) event: Event,
    pub(super) place: Place,
}

/// Where a thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere that is worth telling.
    Unknown,
    /// At a call of a function of this crate.
    Code(&'static Location<'static>),
    /// In an operation on this path.
    Path(Box<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Code(location) => write!(f, " at {location}"),
            Self::Path(path) => write!(f, " of {path}"),
        }
    }
}
