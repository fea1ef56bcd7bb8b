//! Entries that come in the order of their keys: written to files as they come.
//!
//! ```text
//! this thread    entries, in order ──▶ batch ─┐
//! another                                     └──▶ one sorted run, which is published as it is
//! ```
//!
//! It is what remains of [bulk entries](crate::bulk) where nothing has to be sorted: an entry passes
//! the write set by. Nobody reads the entries before all are there. One batch is written at a time,
//! each by a thread that ends with it, while the next one fills.
//!
//! A keyspace that was empty and is nobody else's gets the run as it is
//! ([`Transaction::write_ascending`]). Elsewhere ([`Transaction::put_all`]) the run becomes a part of the
//! write set, above all that was written before, and is compared and counted at commit as what a
//! large transaction has spilled.

use rustdb_storage::engine::{Engine, RunWriter, SortedRun};
use rustdb_storage::key::{split_storage_key, storage_key};
use rustdb_storage::slice::Slice;
use rustdb_vfs::Task;

use crate::error::Result;
use crate::limits::{check_key, check_value};
use crate::manager::KeyspaceRef;
use crate::scan::KeyRange;
use crate::transaction::{IsolationLevel, Transaction};
use crate::write_set::{Contents, NEVER};

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
    contents: Contents,
    /// Whether some were given to another thread.
    has_begun: bool,
}

/// Entries that wait to be written.
#[derive(Debug, Default)]
struct Batch {
    /// Keys and values.
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// What a batch knows of an entry.
#[derive(Clone, Copy, Debug)]
struct Item {
    key_length: u32,
    /// Nothing if the key is deleted.
    value_length: Option<u32>,
    /// Whether the key had a value in the snapshot, if that is known.
    existed: Option<bool>,
}

/// Where the batch before is written to.
#[derive(Debug)]
enum Writing {
    Idle(Box<RunWriter>),
    Busy(Task<(Box<RunWriter>, Batch), rustdb_storage::Result<Box<RunWriter>>>),
    /// After an error.
    Lost,
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
            writing: Writing::Idle(writer),
            last: Vec::new(),
            next: Vec::new(),
            contents: Contents::NOTHING,
            has_begun: false,
        }
    }

    /// Writes the value of each key, and returns how many pairs there were. It is as if each were
    /// [put](Transaction::put), but a stretch of many pairs whose keys ascend is written to files at
    /// once. After an error some pairs may be written and others not.
    pub fn put_all<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        keyspace: KeyspaceRef,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<u64> {
        let mut pairs = pairs.into_iter();
        let mut count = 0;
        // Keys that are written without a check are locked, one by one.
        let mut may_ascend = self.isolation != IsolationLevel::ReadCommitted;
        while may_ascend {
            self.check_writable(&[])?;
            let mut entries = self.ascending_entries(keyspace);
            let next = entries.extend(&mut pairs)?;
            count += entries.contents.puts;
            may_ascend = self.put_ascending(entries)?;
            let Some((key, value)) = next else {
                return Ok(count);
            };
            self.put(keyspace, key.as_ref(), value.as_ref())?;
            count += 1;
        }
        for (key, value) in pairs {
            self.put(keyspace, key.as_ref(), value.as_ref())?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes entries above all that was written before. `false` if there were so few that they are
    /// writes like any other.
    pub(crate) fn put_ascending(&mut self, mut entries: AscendingEntries) -> Result<bool> {
        let keyspace = entries.keyspace;
        if !entries.has_begun {
            let batch = std::mem::take(&mut entries.batch);
            for (key, value, item) in batch.entries() {
                let key = split_storage_key(key).map_or(&[][..], |(_, key)| key);
                self.write(
                    keyspace,
                    key,
                    value.map(Slice::copy_from),
                    NEVER,
                    item.existed,
                )?;
            }
            return Ok(false);
        }
        let contents = entries.contents;
        let run = entries.into_run()?;
        // A walk that is past these keys would not see them.
        self.end_popping();
        self.note_counted(keyspace);
        let engine = self.engine().clone();
        let added = self
            .writes
            .get_mut()
            .add_run_above(&engine, keyspace.id, run, contents);
        self.charge_writes();
        added?;
        Ok(true)
    }

    /// Makes entries part of what the transaction has written; returns how many there are. Nothing
    /// else was written to their keyspace meanwhile.
    pub fn write_ascending(&mut self, entries: AscendingEntries) -> Result<u64> {
        let (keyspace, count) = (entries.keyspace, entries.contents.puts);
        if count > 0 {
            self.add_run(keyspace, entries.into_run()?, count)?;
        }
        Ok(count)
    }
}

impl AscendingEntries {
    /// Takes an entry. `false`, and it is not taken, if its key does not come after all others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        check_value(value)?;
        self.add(key, Some(value), None)
    }

    /// Takes the deletion of a key, of which it may be known whether it had a value in the snapshot.
    /// `false`, and it is not taken, if the key does not come after all others.
    pub(crate) fn delete(&mut self, key: &[u8], existed: Option<bool>) -> Result<bool> {
        self.add(key, None, existed)
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> u64 {
        self.contents.puts + self.contents.deletes
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>, existed: Option<bool>) -> Result<bool> {
        check_key(key)?;
        storage_key(self.keyspace.id, key, &mut self.next);
        if self.next <= self.last {
            return Ok(false);
        }
        if let Some(value) = value.filter(|value| value.len() >= self.batch_bytes_max) {
            self.push_long(value)?;
            return Ok(true);
        }
        let batch = &mut self.batch;
        if batch.bytes.len() >= self.batch_bytes_max {
            let full = std::mem::take(batch);
            batch.bytes.reserve_exact(full.bytes.len());
            batch.items.reserve_exact(full.items.len());
            self.has_begun = true;
            self.writing.go_on(&self.engine, full)?;
        }
        self.batch.bytes.extend_from_slice(&self.next);
        self.batch
            .bytes
            .extend_from_slice(value.unwrap_or_default());
        // NB: keys and values are shorter than 4 GiB.
        self.batch.items.push(Item {
            key_length: self.next.len() as u32,
            value_length: value.map(|value| value.len() as u32),
            existed,
        });
        std::mem::swap(&mut self.next, &mut self.last);
        self.contents.add(value.is_some(), existed);
        Ok(true)
    }

    /// Takes the entry whose key is next: it is written from where it is.
    #[cold]
    fn push_long(&mut self, value: &[u8]) -> Result<()> {
        self.has_begun = true;
        let mut writer = self.writing.end()?;
        std::mem::take(&mut self.batch).write(&mut writer)?;
        writer.put(&self.next, value, None)?;
        self.writing = Writing::Idle(writer);
        std::mem::swap(&mut self.next, &mut self.last);
        self.contents.add(true, None);
        Ok(())
    }

    /// Takes pairs as long as their keys ascend; returns the first one that is not taken.
    fn extend<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        pairs: &mut impl Iterator<Item = (K, V)>,
    ) -> Result<Option<(K, V)>> {
        for (key, value) in pairs {
            if !self.push(key.as_ref(), value.as_ref())? {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }

    /// All entries, in files.
    pub(crate) fn into_run(mut self) -> Result<SortedRun> {
        let mut writer = self.writing.end()?;
        self.batch.write(&mut writer)?;
        Ok(writer.finish()?)
    }
}

impl Batch {
    /// Storage keys, and values or nothing.
    fn entries(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>, Item)> {
        let mut rest = &self.bytes[..];
        self.items.iter().map(move |item| {
            let (key, behind) = rest.split_at(item.key_length as usize);
            let (value, behind) = behind.split_at(item.value_length.unwrap_or(0) as usize);
            rest = behind;
            (key, item.value_length.map(|_| value), *item)
        })
    }

    fn write(&self, writer: &mut RunWriter) -> rustdb_storage::Result<()> {
        let mut entries = self.entries();
        entries.try_for_each(|(key, value, _)| match value {
            Some(value) => writer.put(key, value, None),
            None => writer.delete(key),
        })
    }
}

impl Writing {
    /// Waits for the batch before, and begins with the next one.
    fn go_on(&mut self, engine: &Engine, batch: Batch) -> Result<()> {
        let writer = self.end()?;
        let work = |(mut writer, batch): (Box<RunWriter>, Batch)| {
            batch.write(&mut writer)?;
            Ok(writer)
        };
        *self = Writing::Busy(Task::begin(
            engine.vfs(),
            "rustdb-load",
            (writer, batch),
            work,
        ));
        Ok(())
    }

    /// Waits until what was begun is written.
    fn end(&mut self) -> Result<Box<RunWriter>> {
        match std::mem::replace(self, Writing::Lost) {
            Writing::Idle(writer) => Ok(writer),
            Writing::Busy(task) => Ok(task.end().unwrap_or(Err(rustdb_storage::Error::Closed))?),
            Writing::Lost => Err(rustdb_storage::Error::Closed.into()),
        }
    }
}
