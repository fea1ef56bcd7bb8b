//! A thread that writes to logs while whoever appends to them goes on.
//!
//! ```text
//!   LogWriter ── give ──> slot ── serve: run ──> slot ── take back ──> LogWriter
//!             ── write back ──────> serve: ask the system to begin
//! ```
//!
//! There is one slot, since a log has one transfer at a time. What is in it is run by the thread, or
//! by its giver if that wants it back before the thread has begun: so nothing depends on the thread
//! being there, or on how soon it wakes.

use std::sync::Arc;

use rustdb_vfs::FileRef;
use rustdb_vfs::sync::{Condvar, Mutex};

use super::writer::Transfer;

/// Where log writers and the thread that serves them meet.
#[derive(Debug, Default)]
pub struct LogHand {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slot: Slot,
    /// Pages that the system should begin to write. Only a hint: it is dropped for a newer one.
    write_back: Option<WriteBack>,
    is_closed: bool,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Given(Transfer),
    Running,
    Done(Transfer),
}

/// A part of a file that was handed to the system.
#[derive(Debug)]
pub(super) struct WriteBack {
    pub file: FileRef,
    pub start: u64,
    pub bytes: u64,
}

impl WriteBack {
    pub fn begin(self) {
        self.file.begin_writeback(self.start, self.bytes);
    }
}

enum Work {
    Transfer(Transfer),
    WriteBack(WriteBack),
}

/// A transfer that the thread runs. It goes back into the slot also if that panics: who takes it back
/// runs what has no outcome.
struct Running<'a> {
    hand: &'a LogHand,
    transfer: Option<Transfer>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            self.hand.state.lock().slot = Slot::Done(transfer);
            self.hand.changed.notify_all();
        }
    }
}

impl LogHand {
    /// One that nobody serves yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Works until [`LogHand::close`]. `write` runs each transfer.
    pub fn serve(&self, mut write: impl FnMut(&mut Transfer)) {
        while let Some(work) = self.next() {
            match work {
                Work::WriteBack(write_back) => write_back.begin(),
                Work::Transfer(transfer) => {
                    let mut running = Running {
                        hand: self,
                        transfer: Some(transfer),
                    };
                    running.transfer.iter_mut().for_each(&mut write);
                }
            }
        }
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.state.lock();
        while !state.is_closed {
            match std::mem::take(&mut state.slot) {
                Slot::Given(transfer) => {
                    state.slot = Slot::Running;
                    return Some(Work::Transfer(transfer));
                }
                other => state.slot = other,
            }
            if let Some(write_back) = state.write_back.take() {
                return Some(Work::WriteBack(write_back));
            }
            self.changed.wait(&mut state);
        }
        None
    }

    /// Ends [`LogHand::serve`] after what it is at. What is given and not begun stays in the slot.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Leaves a transfer to the thread, or gives it back if there is none or it is taken.
    pub(super) fn give(&self, transfer: Transfer) -> Option<Transfer> {
        let mut state = self.state.lock();
        if state.is_closed || !matches!(state.slot, Slot::Empty) {
            return Some(transfer);
        }
        state.slot = Slot::Given(transfer);
        drop(state);
        self.changed.notify_all();
        None
    }

    /// The transfer that was given, if it was run.
    pub(super) fn try_take_back(&self) -> Option<Transfer> {
        let mut state = self.state.lock();
        match std::mem::take(&mut state.slot) {
            Slot::Done(transfer) => Some(transfer),
            other => {
                state.slot = other;
                None
            }
        }
    }

    /// The transfer that was given. If it was not begun the caller has to run it; if it was, this
    /// waits for its end. `None` if nothing was given.
    pub(super) fn take_back(&self) -> Option<Transfer> {
        let mut state = self.state.lock();
        loop {
            match std::mem::take(&mut state.slot) {
                Slot::Empty => return None,
                Slot::Given(transfer) | Slot::Done(transfer) => return Some(transfer),
                Slot::Running => state.slot = Slot::Running,
            }
            self.changed.wait(&mut state);
        }
    }

    /// Has the thread ask the system to begin to write to the disk.
    pub(super) fn write_back(&self, write_back: WriteBack) {
        self.state.lock().write_back = Some(write_back);
        self.changed.notify_all();
    }
}
