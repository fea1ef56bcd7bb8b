//! What writers do, step by step, and the states that leads to.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Database, Encryption, Options, WriteBatch};

/// Writers of one process; each has keys of its own.
pub const WRITERS: usize = 4;

/// Keys of a writer.
const KEYS: u64 = 300;

/// What is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Small values.
    Plain,
    /// The same, encrypted.
    Encrypted,
    /// Mostly values that go to value files.
    LargeValues,
}

impl Load {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Encrypted, Self::LargeValues];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
            Self::LargeValues => "large-values",
        }
    }

    pub fn of(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|load| load.name() == name).expect("a known load")
    }

    /// Small buffers, so that there are flushes and compactions to interrupt.
    pub fn options(self) -> Options {
        Options {
            cache_bytes: 4 << 20,
            write_buffer_bytes: 128 << 10,
            transaction_bytes: 16 << 10,
            large_value_bytes: 1 << 10,
            encryption: (self == Self::Encrypted).then(|| Encryption {
                provider: Arc::new(RawKey::new(Secret::new([9; 32]))),
                algorithm: Algorithm::ChaCha20Poly1305,
            }),
            ..Options::default()
        }
    }
}

/// Repeatable random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// One step of a writer: all or nothing of it is there.
pub enum Step {
    Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// More than a transaction keeps in memory.
    Transaction(Vec<(Vec<u8>, Vec<u8>)>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

fn key_of(writer: usize, number: u64) -> Vec<u8> {
    format!("writer-{writer}-{number:05}").into_bytes()
}

fn value_of(random: &mut Random, step: u64, load: Load) -> Vec<u8> {
    let is_large = random.below(if load == Load::LargeValues { 2 } else { 20 }) == 0;
    let length = match is_large {
        true => 1_000 + random.below(30_000),
        false => random.below(200),
    };
    let mut value = format!("step {step} ").into_bytes();
    value.resize(value.len() + length as usize, b'a' + (step % 26) as u8);
    value
}

impl Step {
    /// The step with this number of a writer.
    pub fn of(writer: usize, number: u64, load: Load) -> Self {
        let mut random = Random::new((writer as u64) << 40 | number);
        let random = &mut random;
        match random.below(40) {
            0 => {
                let first = random.below(KEYS);
                let numbers = first..first + 150;
                let put = |n| (key_of(writer, n % KEYS), value_of(random, number, load));
                Step::Transaction(numbers.map(put).collect())
            }
            1 => {
                let first = random.below(KEYS);
                let last = first + random.below(50);
                Step::DeleteRange(key_of(writer, first), key_of(writer, last))
            }
            kind => {
                let count = if kind < 30 { 1 } else { 1 + random.below(12) };
                let write = |_| {
                    let key = key_of(writer, random.below(KEYS));
                    let is_put = random.below(5) > 0;
                    (key, is_put.then(|| value_of(random, number, load)))
                };
                Step::Batch((0..count).map(write).collect())
            }
        }
    }

    pub fn perform(&self, db: &Database) -> rustdb::Result<()> {
        let keyspace = db.default_keyspace();
        match self {
            Step::Batch(writes) => {
                let mut batch = WriteBatch::new();
                for (key, value) in writes {
                    match value {
                        Some(value) => batch.put(&keyspace, key, value),
                        None => batch.delete(&keyspace, key),
                    };
                }
                db.write(&batch)
            }
            Step::Transaction(puts) => {
                db.transaction(|tx| puts.iter().try_for_each(|(key, value)| tx.put(key, value)))
            }
            Step::DeleteRange(start, end) => {
                keyspace.delete_range(start.as_slice()..end.as_slice())
            }
        }
    }
}

/// What the keys of a writer hold after some steps.
pub struct State {
    writer: usize,
    pub steps: u64,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl State {
    pub fn new(writer: usize) -> Self {
        Self {
            writer,
            steps: 0,
            entries: BTreeMap::new(),
        }
    }

    /// Takes the next step.
    pub fn step(&mut self, load: Load) {
        match Step::of(self.writer, self.steps, load) {
            Step::Batch(writes) => {
                for (key, value) in writes {
                    match value {
                        Some(value) => self.entries.insert(key, value),
                        None => self.entries.remove(&key),
                    };
                }
            }
            Step::Transaction(puts) => self.entries.extend(puts),
            Step::DeleteRange(start, end) => self.entries.retain(|k, _| *k < start || *k >= end),
        }
        self.steps += 1;
    }

    /// Compares with the database, which may have one step more.
    pub fn catch_up_with(&mut self, db: &Database, load: Load) -> Result<(), String> {
        let prefix = format!("writer-{}-", self.writer);
        let mut found = BTreeMap::new();
        for entry in db.prefix(&prefix) {
            let (key, value) = entry.map_err(|error| format!("cannot read: {error}"))?;
            found.insert(key.to_vec(), value.to_vec());
        }
        if found == self.entries {
            return Ok(());
        }
        let promised = self.steps;
        self.step(load);
        if found == self.entries {
            return Ok(());
        }
        Err(format!(
            "writer {} was promised {promised} steps; found are {} keys, which are neither the \
             state after them nor the next one",
            self.writer,
            found.len()
        ))
    }
}
