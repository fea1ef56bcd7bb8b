//! What a client does: steps drawn from a seed, and the states they lead to.

use std::collections::BTreeMap;

use rustdb::{Database, Durability, KeyspaceOptions, Result, WriteBatch};

/// The keys of a client's keyspace; `None` while there is no keyspace.
pub(crate) type State = Option<BTreeMap<Vec<u8>, Vec<u8>>>;

/// Repeatable random numbers (xorshift*; Vigna, 2016).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit.max(1)
    }

    pub(crate) fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }
}

/// One step of a client.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create { counted: bool },
    Drop,
    Put { key: Vec<u8>, value: Vec<u8> },
    Delete { key: Vec<u8> },
    DeleteRange { start: Vec<u8>, end: Vec<u8> },
    Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Transaction(Vec<(Vec<u8>, Option<Vec<u8>>)>),
}

/// How many different keys a client has.
const KEYS: u64 = 60;

impl Step {
    /// A step that can follow on `state`.
    pub(crate) fn draw(random: &mut Random, state: &State) -> Self {
        if state.is_none() {
            return Step::Create {
                counted: random.one_in(2),
            };
        }
        match random.below(100) {
            0..=54 => Step::Put {
                key: key(random),
                value: value(random),
            },
            55..=69 => Step::Delete { key: key(random) },
            70..=75 => {
                let (a, b) = (key(random), key(random));
                Step::DeleteRange {
                    start: a.clone().min(b.clone()),
                    end: a.max(b),
                }
            }
            76..=87 => Step::Batch(writes(random, 8)),
            88..=97 => {
                // Now and then more than a transaction keeps in memory.
                let count = if random.one_in(3) { 120 } else { 10 };
                Step::Transaction(writes(random, count))
            }
            _ => Step::Drop,
        }
    }

    /// What it does, without the values.
    pub(crate) fn in_short(&self) -> String {
        let of = |writes: &[(Vec<u8>, Option<Vec<u8>>)]| {
            let bytes = writes
                .iter()
                .filter_map(|(_, value)| Some(value.as_ref()?.len()));
            format!(
                "{} writes, the largest of {} bytes",
                writes.len(),
                bytes.max().unwrap_or(0)
            )
        };
        match self {
            Step::Create { counted } => format!("create, counted: {counted}"),
            Step::Drop => "drop".into(),
            Step::Put { key, value } => {
                format!(
                    "put {} of {} bytes",
                    String::from_utf8_lossy(key),
                    value.len()
                )
            }
            Step::Delete { key } => format!("delete {}", String::from_utf8_lossy(key)),
            Step::DeleteRange { .. } => "delete a range".into(),
            Step::Batch(writes) => format!("batch: {}", of(writes)),
            Step::Transaction(writes) => format!("transaction: {}", of(writes)),
        }
    }

    /// The state it leads to.
    pub(crate) fn applied_to(&self, state: &State) -> State {
        let mut map = match (self, state) {
            (Step::Create { .. }, _) => return Some(BTreeMap::new()),
            (Step::Drop, _) => return None,
            (_, state) => state.clone()?,
        };
        match self {
            Step::Put { key, value } => drop(map.insert(key.clone(), value.clone())),
            Step::Delete { key } => drop(map.remove(key)),
            Step::DeleteRange { start, end } => map.retain(|k, _| k < start || k >= end),
            Step::Batch(writes) | Step::Transaction(writes) => {
                for (key, value) in writes {
                    match value {
                        Some(value) => drop(map.insert(key.clone(), value.clone())),
                        None => drop(map.remove(key)),
                    }
                }
            }
            Step::Create { .. } | Step::Drop => {}
        }
        Some(map)
    }

    /// Whether it is durable when it returns, whatever durability is asked for.
    pub(crate) fn is_always_durable(&self) -> bool {
        matches!(self, Step::Create { .. } | Step::Drop)
    }

    /// Does it for real.
    pub(crate) fn perform(&self, db: &Database, name: &str, durability: Durability) -> Result<()> {
        match self {
            Step::Create { counted } => {
                let options = KeyspaceOptions {
                    counted: *counted,
                    ..KeyspaceOptions::default()
                };
                return db.create_keyspace(name, &options).map(drop);
            }
            Step::Drop => return db.drop_keyspace(name),
            _ => {}
        }
        let keyspace = db.keyspace(name)?;
        match self {
            Step::Put { key, value } => keyspace.put_with(key, value, durability),
            Step::Delete { key } => keyspace.delete_with(key, durability),
            Step::DeleteRange { start, end } => {
                let mut batch = WriteBatch::new();
                batch.delete_range(&keyspace, start.as_slice()..end.as_slice());
                db.write_with(&batch, durability)
            }
            Step::Batch(writes) => {
                let mut batch = WriteBatch::new();
                for (key, value) in writes {
                    match value {
                        Some(value) => batch.put(&keyspace, key, value),
                        None => batch.delete(&keyspace, key),
                    };
                }
                db.write_with(&batch, durability)
            }
            Step::Transaction(writes) => {
                let mut tx = db.begin()?;
                for (key, value) in writes {
                    let mut view = tx.keyspace(&keyspace);
                    match value {
                        Some(value) => view.put(key, value)?,
                        None => view.delete(key)?,
                    }
                }
                tx.commit_with(durability)
            }
            Step::Create { .. } | Step::Drop => Ok(()),
        }
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    format!("key{:04}", random.below(KEYS)).into_bytes()
}

fn value(random: &mut Random) -> Vec<u8> {
    let length = match random.below(10) {
        0 => 0,
        1 => 300 + random.below(3_000),
        _ => 1 + random.below(60),
    };
    let byte = random.next() as u8;
    (0..length).map(|n| byte.wrapping_add(n as u8)).collect()
}

fn writes(random: &mut Random, count: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let count = 1 + random.below(count);
    (0..count)
        .map(|_| (key(random), (!random.one_in(4)).then(|| value(random))))
        .collect()
}
