//! Entries of a keyspace that has none, written all at once in the order of their keys.
//!
//! ```text
//! entries, in any order ──▶ memory ──▶ sorted ──▶ the write set, if they are few
//!                             │           │
//!                             │           └─────▶ one sorted run, which is published as it is
//!                       too many: sorted                ▲
//!                             └──▶ runs ───── merged ───┘
//! ```
//!
//! The write set keeps what it is told ready to be read again at any time, and what of it outgrew
//! its memory is written once more when the transaction commits, because its files overlap. Who
//! fills an index knows all entries before anybody reads one: they are put one after the other into
//! memory, a fifth of what they would take as writes, sorted by the first bytes of their keys, and
//! written to files in the order in which they stay.
//!
//! Two threads share the work: while entries come, another one sorts and writes those that were too
//! many; at the end one puts all in order, and [another](crate::ascending) makes the files.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustdb_storage::engine::{Engine, RunReader, SortedRun};
use rustdb_storage::iter::{EntryCursor, MergeCursor, RunCursor};
use rustdb_storage::key::{split_storage_key, storage_key};
use rustdb_storage::memory::{Account, MemoryCharge};
use rustdb_storage::slice::Slice;
use rustdb_storage::version::RunTables;
use rustdb_storage::{EntryKind, KeyspaceId};
use rustdb_vfs::Task;

use self::batch::Batch;
use crate::ascending::AscendingEntries;
use crate::conflict::key_hash;
use crate::error::{Error, Result};
use crate::known::KnownKeys;
use crate::limits::{check_key, check_value};
use crate::manager::KeyspaceRef;
use crate::transaction::Transaction;

/// Entries may take so many times what the writes of a transaction may.
const MEMORY_FACTOR: usize = 4;

/// They never take more: places are numbers of 32 bits.
const MEMORY_BYTES_MAX: usize = 1 << 30;

/// One is written while the other fills.
const BATCHES: usize = 2;

/// Up to this part of what the writes of a transaction may take, entries become writes.
const FEW_PART: usize = 8;

/// How many entries go by between two looks whether they are still wanted.
const LOOK: usize = 1 << 10;

/// How much of each run is read at once.
const READAHEAD_BYTES: usize = 128 << 10;

/// Entries that were not written yet. See the module.
#[derive(Debug)]
pub struct BulkEntries {
    engine: Engine,
    keyspace: KeyspaceRef,
    batch: Batch,
    /// What entries may take, those that are being written included.
    bytes_max: usize,
    writing: Option<Writing>,
    runs: Vec<SortedRun>,
    charge: MemoryCharge,
    /// The keys of those that may come once.
    known: KnownKeys,
    /// A key that was there twice, found when a run was written.
    repeated: Option<Repeated>,
}

/// Entries that another thread sorts and writes.
#[derive(Debug)]
struct Writing {
    /// Dropped before the task, which waits for the thread.
    is_wanted: Wanted,
    task: Task<ToWrite, Result<Written>>,
    /// What they take in memory.
    bytes: usize,
}

/// What that thread gets.
struct ToWrite {
    engine: Engine,
    keyspace: KeyspaceId,
    batch: Batch,
    is_unwanted: Arc<AtomicBool>,
}

/// Somebody waits for the entries; once this is dropped, nobody does.
#[derive(Debug)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Entries that were written, and the first one whose key had been there.
type Written = (SortedRun, Option<Repeated>);

/// An entry that may not stand beside the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

impl Transaction {
    /// Collects entries for a keyspace that has none, neither committed nor of the transaction, and
    /// that nobody else can write.
    pub fn bulk_entries(&self, keyspace: KeyspaceRef) -> BulkEntries {
        let limit = self.shared.options.write_set_bytes_max;
        BulkEntries {
            engine: self.engine().clone(),
            keyspace,
            batch: Batch::default(),
            bytes_max: limit.saturating_mul(MEMORY_FACTOR).min(MEMORY_BYTES_MAX),
            writing: None,
            runs: Vec::new(),
            charge: self.engine().memory().charge(Account::WriteSets),
            known: KnownKeys::new(self.engine().memory().charge(Account::WriteSets)),
            repeated: None,
        }
    }

    /// Writes what was collected; returns how many entries there were. `is_repeat` is asked of each
    /// key and the one before it, which is smaller: if it says yes, or the two are the same, the
    /// second one is returned, and all that may be done with the keyspace is to roll back.
    pub fn write_bulk<E: From<Error>>(
        &mut self,
        entries: BulkEntries,
        is_repeat: impl FnMut(&[u8], &[u8]) -> std::result::Result<bool, E>,
    ) -> std::result::Result<std::result::Result<u64, Repeated>, E> {
        self.check_writable(&[])?;
        match self.put_bulk(entries, is_repeat)? {
            Put::All(None, count) => Ok(Ok(count)),
            Put::All(Some((keyspace, run)), count) => {
                self.add_run(keyspace, run, count)?;
                Ok(Ok(count))
            }
            Put::Repeated(repeated) => Ok(Err(repeated)),
        }
    }

    /// Writes few entries, and puts many into a run that the transaction does not have yet.
    fn put_bulk<E: From<Error>>(
        &mut self,
        mut entries: BulkEntries,
        mut is_repeat: impl FnMut(&[u8], &[u8]) -> std::result::Result<bool, E>,
    ) -> std::result::Result<Put, E> {
        entries.end_run()?;
        if !entries.runs.is_empty() && !entries.batch.is_empty() {
            entries.begin_run()?;
            entries.end_run()?;
        }
        if let Some(repeated) = entries.repeated.take() {
            return Ok(Put::Repeated(repeated));
        }
        let few_bytes_max = self.shared.options.write_set_bytes_max / FEW_PART;
        let keyspace = entries.keyspace;
        let mut target =
            match entries.runs.is_empty() && entries.batch.memory_bytes() <= few_bytes_max {
                true => Target::Writes(self),
                false => Target::Run(Box::new(self.ascending_entries(keyspace))),
            };
        let mut count = 0;
        let mut previous: Option<Vec<u8>> = None;
        let repeated = entries.in_order(|key, value| {
            if let Some(previous) = &previous
                && (**previous == *key || is_repeat(previous, key)?)
            {
                return Ok(false);
            }
            let previous = previous.get_or_insert_default();
            previous.clear();
            previous.extend_from_slice(key);
            count += 1;
            target.put(keyspace, key, value)?;
            Ok::<_, E>(true)
        })?;
        Ok(match (repeated, target) {
            (Some(repeated), _) => Put::Repeated(repeated),
            (None, Target::Writes(_)) => Put::All(None, count),
            (None, Target::Run(ascending)) => {
                Put::All(Some((keyspace, ascending.into_run()?)), count)
            }
        })
    }

    /// Makes a run of new keys part of what the transaction has written.
    pub(crate) fn add_run(
        &mut self,
        keyspace: KeyspaceRef,
        run: SortedRun,
        keys: u64,
    ) -> Result<()> {
        self.note_counted(keyspace);
        Ok(self.writes.get_mut().add_run(keyspace.id, run, keys)?)
    }
}

/// What became of all entries.
enum Put {
    /// They are written, or in a run; how many there are.
    All(Option<(KeyspaceRef, SortedRun)>, u64),
    Repeated(Repeated),
}

/// Where entries go, in the order of their keys.
enum Target<'t> {
    Writes(&'t mut Transaction),
    Run(Box<AscendingEntries>),
}

impl Target<'_> {
    fn put(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8]) -> Result<()> {
        match self {
            Target::Writes(transaction) => transaction.insert_new(keyspace, key, value),
            Target::Run(ascending) => match ascending.push(key, value)? {
                true => Ok(()),
                false => Err(Error::InvalidArgument("keys are not in order".into())),
            },
        }
    }
}

impl BulkEntries {
    /// Takes but its part of the memory, because others are collected beside it.
    pub fn among(mut self, all: usize) -> BulkEntries {
        self.bytes_max /= all.max(1);
        self
    }

    /// Whether no entry that came [once](Self::push_once) has a key. Sometimes nobody knows, and the
    /// answer is no.
    pub fn is_new(&mut self, key: &[u8]) -> bool {
        self.known.is_new(key_hash(self.keyspace.id, key))
    }

    /// As [`BulkEntries::push`], of a key that no other entry may have. `false`, and it is not taken,
    /// unless it [is new](Self::is_new).
    pub fn push_once(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        let hash = key_hash(self.keyspace.id, key);
        let is_new = self.known.is_new(hash);
        if is_new {
            self.push(key, value)?;
            self.known.add(hash);
        }
        Ok(is_new)
    }

    /// Takes an entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        self.batch.push(key, value)?;
        let bytes = self.batch.memory_bytes();
        self.charge.set(bytes + self.writing_bytes());
        if bytes > self.bytes_max / BATCHES {
            self.begin_run()?;
        } else if self.charge.should_let_go() {
            self.end_run()?;
            if self.charge.should_let_go() {
                self.begin_run()?;
                self.end_run()?;
            }
        }
        Ok(())
    }

    fn writing_bytes(&self) -> usize {
        self.writing.as_ref().map_or(0, |writing| writing.bytes)
    }

    /// Begins to move what is in memory to a run.
    fn begin_run(&mut self) -> Result<()> {
        self.end_run()?;
        let batch = std::mem::take(&mut self.batch);
        let bytes = batch.memory_bytes();
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let work = ToWrite {
            engine: self.engine.clone(),
            keyspace: self.keyspace.id,
            batch,
            is_unwanted: is_unwanted.clone(),
        };
        self.writing = Some(Writing {
            is_wanted: Wanted(is_unwanted),
            task: Task::begin(self.engine.vfs(), "rustdb-sort", work, ToWrite::write),
            bytes,
        });
        Ok(())
    }

    /// Waits for the run that was begun.
    fn end_run(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        let outcome = writing.task.end();
        drop(writing.is_wanted);
        let (run, repeated) = outcome.unwrap_or(Err(rustdb_storage::Error::Closed.into()))?;
        self.runs.push(run);
        self.repeated = self.repeated.take().or(repeated);
        self.charge.set(self.batch.memory_bytes());
        Ok(())
    }

    /// Shows all entries, in the order of their keys, for as long as `show` says yes; what it said
    /// no to is returned.
    fn in_order<E: From<Error>>(
        mut self,
        mut show: impl FnMut(&[u8], &[u8]) -> std::result::Result<bool, E>,
    ) -> std::result::Result<Option<Repeated>, E> {
        if self.runs.is_empty() {
            self.batch.sort();
            for (key, value) in self.batch.entries() {
                if !show(key, value)? {
                    return Ok(Some(Repeated::new(key, value)));
                }
            }
            return Ok(None);
        }
        let mut merge = Merge::new(&self.runs)?;
        while let Some((key, value)) = merge.next()? {
            if !show(key, &value)? {
                return Ok(Some(Repeated::new(key, &value)));
            }
        }
        Ok(None)
    }
}

impl ToWrite {
    /// Sorts the entries and writes them to a run. Gives up, with whatever error, once nobody wants
    /// it any more.
    fn write(mut self) -> Result<Written> {
        self.batch.sort();
        let mut writer = self.engine.run_writer().for_one_walk();
        let mut buffer = Vec::new();
        let mut repeated = None;
        let mut before: Option<&[u8]> = None;
        for (number, (key, value)) in self.batch.entries().enumerate() {
            if number % LOOK == 0 && self.is_unwanted.load(Ordering::Relaxed) {
                return Err(rustdb_storage::Error::Closed.into());
            }
            if before.replace(key) == Some(key) {
                repeated.get_or_insert_with(|| Repeated::new(key, value));
                continue;
            }
            storage_key(self.keyspace, key, &mut buffer);
            writer.put(&buffer, value, None)?;
        }
        Ok((writer.finish()?, repeated))
    }
}

/// All entries of several runs, in the order of their keys.
struct Merge {
    readers: Vec<RunReader>,
    cursor: MergeCursor<RunCursor<RunTables>>,
    has_begun: bool,
}

impl Merge {
    fn new(runs: &[SortedRun]) -> Result<Merge> {
        let readers = runs.iter().map(SortedRun::reader);
        let readers = readers.collect::<rustdb_storage::Result<Vec<_>>>()?;
        let cursors = readers.iter().filter_map(|each| each.walk(READAHEAD_BYTES));
        Ok(Merge {
            cursor: MergeCursor::new(cursors.collect::<Vec<_>>()),
            readers,
            has_begun: false,
        })
    }

    /// The next key and its value.
    fn next(&mut self) -> Result<Option<(&[u8], Slice)>> {
        let cursor = &mut self.cursor;
        match std::mem::replace(&mut self.has_begun, true) {
            false => cursor.seek_to_first()?,
            true => cursor.next()?,
        }
        if !cursor.valid() {
            return Ok(None);
        }
        let (kind, stored) = (cursor.kind(), cursor.value_slice());
        let value = match (kind, self.readers.first()) {
            (EntryKind::Put, _) | (_, None) => stored,
            (kind, Some(reader)) => reader.resolve(kind, stored)?,
        };
        let key = split_storage_key(cursor.key()).map_or(&[][..], |(_, key)| key);
        Ok(Some((key, value)))
    }
}

impl Repeated {
    fn new(key: &[u8], value: &[u8]) -> Repeated {
        Repeated {
            key: key.to_vec(),
            value: value.to_vec(),
        }
    }
}
