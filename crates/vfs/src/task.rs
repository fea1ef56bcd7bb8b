//! Work that goes on beside its owner.

use std::fmt;
use std::sync::Arc;

use crate::file::{JoinHandle, VfsRef};
use crate::sync::Mutex;

/// A piece of work that a thread of its own does; if the system has none for it, it is done by whoever
/// waits for the outcome. The thread ends with the work. Dropping the task waits for it.
pub struct Task<I, O> {
    state: Arc<Mutex<State<I, O>>>,
    work: fn(I) -> O,
    thread: Option<JoinHandle>,
}

enum State<I, O> {
    /// Nobody is at it.
    Waiting(I),
    Done(O),
    /// Somebody is at it, or has died of it.
    Taken,
}

impl<I: Send + 'static, O: Send + 'static> Task<I, O> {
    /// Begins to make `work(input)`, in a thread of that name if there can be one.
    pub fn begin(vfs: &VfsRef, name: &str, input: I, work: fn(I) -> O) -> Self {
        let state = Arc::new(Mutex::new(State::Waiting(input)));
        let body = {
            let state = Arc::clone(&state);
            Box::new(move || State::work(&state, work))
        };
        let thread = vfs.spawn(name, body).ok();
        Self {
            state,
            work,
            thread,
        }
    }

    /// Waits for the outcome, or makes it. `None` if the thread died of it.
    pub fn end(mut self) -> Option<O> {
        self.join();
        State::work(&self.state, self.work);
        match std::mem::replace(&mut *self.state.lock(), State::Taken) {
            State::Done(outcome) => Some(outcome),
            State::Waiting(_) | State::Taken => None,
        }
    }
}

impl<I, O> State<I, O> {
    /// Does the work, if nobody has.
    fn work(state: &Mutex<Self>, work: fn(I) -> O) {
        let taken = std::mem::replace(&mut *state.lock(), State::Taken);
        let done = match taken {
            State::Waiting(input) => State::Done(work(input)),
            other => other,
        };
        *state.lock() = done;
    }
}

impl<I, O> Task<I, O> {
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // What went wrong is in the state.
            let _: bool = thread.join();
        }
    }
}

impl<I, O> Drop for Task<I, O> {
    fn drop(&mut self) {
        self.join();
    }
}

impl<I, O> fmt::Debug for Task<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemVfs;

    #[test]
    fn the_outcome_is_there_whoever_made_it() {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let task = Task::begin(&vfs, "work", 20, |number: u32| number + 1);
        assert_eq!(task.end(), Some(21));
        drop(Task::begin(&vfs, "unwanted", (), |()| ()));
    }

    #[test]
    fn a_thread_that_dies_leaves_no_outcome() {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        let task = Task::begin(&vfs, "dying", (), |()| panic!("on purpose"));
        assert_eq!(task.end(), None::<()>);
    }
}
