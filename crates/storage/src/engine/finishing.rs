//! The end of a table, in a thread of its own: the filter is made and the file synced while the next
//! table of the same run begins.
//!
//! A filter takes a fifth of the time that the blocks take, and whoever writes a long run has nothing
//! to do with the outcome before the run ends. One table at a time ends so.

use std::sync::Arc;

use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{JoinHandle, VfsRef};

use crate::error::{Error, Result};
use crate::key::FileNumber;
use crate::manifest::TableMeta;
use crate::table::TableBuilder;

/// A table that is being finished.
pub(super) struct Finishing {
    number: FileNumber,
    bytes: u64,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle>,
}

enum State {
    Waiting(Box<TableBuilder>),
    Done(Box<Result<TableMeta>>),
    /// Somebody is at it, or has died of it.
    Taken,
}

impl State {
    /// Finishes the table, if nobody has.
    fn work(state: &Mutex<State>) {
        let taken = std::mem::replace(&mut *state.lock(), State::Taken);
        let done = match taken {
            State::Waiting(builder) => State::Done(Box::new(builder.finish())),
            other => other,
        };
        *state.lock() = done;
    }
}

impl Finishing {
    /// Begins to finish table `number`, if the system has a thread for it.
    pub(super) fn begin(vfs: &VfsRef, number: FileNumber, builder: TableBuilder) -> Finishing {
        let bytes = builder.estimated_bytes();
        let state = Arc::new(Mutex::new(State::Waiting(Box::new(builder))));
        let body = {
            let state = Arc::clone(&state);
            Box::new(move || State::work(&state))
        };
        Finishing {
            number,
            bytes,
            state,
            thread: vfs.spawn("rustdb-table", body).ok(),
        }
    }

    /// The number of the table.
    pub(super) fn number(&self) -> FileNumber {
        self.number
    }

    /// About how long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits until the table is finished, or finishes it.
    pub(super) fn end(&mut self) -> Result<TableMeta> {
        self.join();
        State::work(&self.state);
        match std::mem::replace(&mut *self.state.lock(), State::Taken) {
            State::Done(done) => *done,
            // The thread has died.
            State::Waiting(_) | State::Taken => Err(Error::Closed),
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // What went wrong is in the state.
            let _: bool = thread.join();
        }
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        self.join();
    }
}
