//! Writes on their way to files: a thread of their own takes them there, while the transaction goes
//! on to write and still reads them in memory.
//!
//! If that fails, nothing is lost: the writes stay in memory, and who waits for them is told, and
//! may try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_storage::Result;
use rustdb_storage::engine::Engine;
use rustdb_vfs::JoinHandle;
use rustdb_vfs::sync::Mutex;

use super::layer::{FrozenSpaces, Space};
use super::spill::Piece;

/// Maps that become a piece.
#[derive(Debug)]
pub(super) struct Spilling {
    spaces: Arc<FrozenSpaces>,
    bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nobody is at it.
    Waiting,
    Running(Thread),
    Written(Box<Piece>),
}

/// A thread that writes a piece, which ends with it.
#[derive(Debug)]
struct Thread {
    outcome: Arc<Outcome>,
    thread: Option<JoinHandle>,
}

#[derive(Debug, Default)]
struct Outcome {
    piece: Mutex<Option<Result<Piece>>>,
    is_unwanted: AtomicBool,
}

impl Spilling {
    /// Writes that wait for who writes them.
    pub(super) fn waiting(spaces: FrozenSpaces) -> Spilling {
        Spilling {
            bytes: spaces.values().map(Space::memory_bytes).sum(),
            spaces: Arc::new(spaces),
            state: State::Waiting,
        }
    }

    /// Begins to write in another thread, if the system has one.
    pub(super) fn begin(engine: &Engine, spaces: FrozenSpaces) -> Spilling {
        let mut spilling = Spilling::waiting(spaces);
        let outcome = Arc::new(Outcome::default());
        let body = {
            let (engine, spaces) = (engine.clone(), spilling.spaces.clone());
            let outcome = outcome.clone();
            move || {
                let piece = Piece::write(&engine, &spaces, &outcome.is_unwanted);
                // The transaction goes on with the engine, and gives the memory back.
                drop((engine, spaces));
                *outcome.piece.lock() = Some(piece);
            }
        };
        if let Ok(thread) = engine.vfs().spawn("rustdb-spill", Box::new(body)) {
            spilling.state = State::Running(Thread {
                outcome,
                thread: Some(thread),
            });
        }
        spilling
    }

    /// What is written.
    pub(super) fn spaces(&self) -> &FrozenSpaces {
        &self.spaces
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits until everything is written, or writes it.
    pub(super) fn write(&mut self, engine: &Engine) -> Result<()> {
        let written = match std::mem::replace(&mut self.state, State::Waiting) {
            State::Waiting => None,
            State::Running(mut thread) => thread.wait(),
            State::Written(piece) => Some(Ok(*piece)),
        };
        let here = || Piece::write(engine, &self.spaces, &AtomicBool::new(false));
        self.state = State::Written(Box::new(written.unwrap_or_else(here)?));
        Ok(())
    }

    /// What was written.
    pub(super) fn into_piece(self) -> Option<Piece> {
        match self.state {
            State::Written(piece) => Some(*piece),
            State::Waiting | State::Running(_) => None,
        }
    }
}

impl Thread {
    /// What came of it; nothing if the thread died.
    fn wait(&mut self) -> Option<Result<Piece>> {
        self.join();
        self.outcome.piece.lock().take()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // What went wrong is in the outcome.
            let _: bool = thread.join();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.outcome.is_unwanted.store(true, Ordering::Relaxed);
        self.join();
    }
}
