//! Entries of an empty keyspace that come in the order of their keys: written to files as they come.
//!
//! ```text
//! this thread    entries, in order ──▶ batch ─┐
//! another                                     └──▶ one sorted run, which is published as it is
//! ```
//!
//! It is what remains of [bulk entries](crate::bulk) where nothing has to be sorted: an entry passes
//! the write set by. Nobody reads the entries before all are there. One batch is written at a time,
//! each by a thread that ends with it, while the next one fills.

use std::sync::Arc;

use rustdb_storage::engine::{Engine, RunWriter};
use rustdb_storage::key::storage_key;
use rustdb_vfs::JoinHandle;
use rustdb_vfs::sync::Mutex;

use crate::error::Result;
use crate::limits::{check_key, check_value};
use crate::manager::KeyspaceRef;
use crate::scan::KeyRange;
use crate::transaction::Transaction;

/// A batch takes this part of what the writes of a transaction may, and at most so much.
const BATCH_PART: usize = 8;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Entries that no transaction has yet. Dropping them removes their files.
#[derive(Debug)]
pub struct AscendingEntries {
    engine: Engine,
    keyspace: KeyspaceRef,
    batch: Batch,
    batch_bytes_max: usize,
    writing: Writing,
    /// The storage key of the last one, and room for the next one's.
    last: Vec<u8>,
    next: Vec<u8>,
    count: u64,
}

/// Entries that wait to be written.
#[derive(Debug, Default)]
struct Batch {
    /// Keys and values.
    bytes: Vec<u8>,
    /// How long each of the two is.
    lengths: Vec<(usize, usize)>,
}

/// The batch that is being written.
#[derive(Debug)]
struct Writing {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle>,
}

#[derive(Debug)]
enum State {
    /// Nobody is at it.
    Waiting(Box<RunWriter>, Batch),
    Done(rustdb_storage::Result<Box<RunWriter>>),
    /// Somebody is, or has died of it.
    Taken,
}

impl Transaction {
    /// Whether a keyspace has no entries: neither newest committed ones nor writes of the
    /// transaction, not even deletions.
    pub fn is_untouched(&self, keyspace: KeyspaceRef) -> Result<bool> {
        self.check_writable(&[])?;
        if self.writes().touches(keyspace.id) {
            return Ok(false);
        }
        let mut there = self.scan_newest(keyspace, KeyRange::all())?;
        Ok(there.next(self)?.is_none())
    }

    /// Begins to write entries to a keyspace that nobody else can write, and that is
    /// [untouched](Self::is_untouched).
    pub fn ascending_entries(&self, keyspace: KeyspaceRef) -> AscendingEntries {
        let writer = Box::new(self.engine().run_writer());
        let limit = self.shared.options.write_set_bytes_max / BATCH_PART;
        AscendingEntries {
            engine: self.engine().clone(),
            keyspace,
            batch: Batch::default(),
            batch_bytes_max: limit.min(BATCH_BYTES_MAX),
            writing: Writing {
                state: Arc::new(Mutex::new(State::Done(Ok(writer)))),
                thread: None,
            },
            last: Vec::new(),
            next: Vec::new(),
            count: 0,
        }
    }

    /// Makes entries part of what the transaction has written; returns how many there are. Nothing
    /// else was written to their keyspace meanwhile.
    pub fn write_ascending(&mut self, mut entries: AscendingEntries) -> Result<u64> {
        let (keyspace, count) = (entries.keyspace, entries.count);
        if count > 0 {
            let mut writer = entries.writing.end()?;
            entries.batch.write(&mut writer)?;
            self.add_run(keyspace, writer.finish()?, count)?;
        }
        Ok(count)
    }
}

impl AscendingEntries {
    /// Takes an entry. `false`, and it is not taken, if its key does not come after all others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        check_key(key)?;
        check_value(value)?;
        storage_key(self.keyspace.id, key, &mut self.next);
        if self.next <= self.last {
            return Ok(false);
        }
        let batch = &mut self.batch;
        if batch.bytes.len() >= self.batch_bytes_max {
            let full = std::mem::take(batch);
            batch.bytes.reserve_exact(full.bytes.len());
            batch.lengths.reserve_exact(full.lengths.len());
            self.writing.go_on(&self.engine, full)?;
        }
        self.batch.bytes.extend_from_slice(&self.next);
        self.batch.bytes.extend_from_slice(value);
        self.batch.lengths.push((self.next.len(), value.len()));
        std::mem::swap(&mut self.next, &mut self.last);
        self.count += 1;
        Ok(true)
    }
}

impl Batch {
    fn write(&self, writer: &mut RunWriter) -> rustdb_storage::Result<()> {
        let mut rest = &self.bytes[..];
        for (key, value) in &self.lengths {
            let (entry, behind) = rest.split_at(key + value);
            let (key, value) = entry.split_at(*key);
            writer.put(key, value, None)?;
            rest = behind;
        }
        Ok(())
    }
}

impl State {
    /// Writes the batch, if nobody has.
    fn work(state: &Mutex<State>) {
        let taken = std::mem::replace(&mut *state.lock(), State::Taken);
        let done = match taken {
            State::Waiting(mut writer, batch) => {
                let written = batch.write(&mut writer);
                State::Done(written.map(|()| writer))
            }
            other => other,
        };
        *state.lock() = done;
    }
}

impl Writing {
    /// Waits for the batch before, and begins with the next one, in another thread if the system has
    /// one.
    fn go_on(&mut self, engine: &Engine, batch: Batch) -> Result<()> {
        let writer = self.end()?;
        *self.state.lock() = State::Waiting(writer, batch);
        let state = self.state.clone();
        let body = Box::new(move || State::work(&state));
        self.thread = engine.vfs().spawn("rustdb-load", body).ok();
        Ok(())
    }

    /// Waits until what was begun is written.
    fn end(&mut self) -> Result<Box<RunWriter>> {
        self.join();
        State::work(&self.state);
        match std::mem::replace(&mut *self.state.lock(), State::Taken) {
            State::Done(writer) => Ok(writer?),
            // The thread has died.
            State::Waiting(..) | State::Taken => Err(rustdb_storage::Error::Closed.into()),
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // What went wrong is in the state.
            let _: bool = thread.join();
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.join();
    }
}
