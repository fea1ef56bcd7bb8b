//! What a client does: steps drawn from a seed, and the states they lead to.

use std::collections::BTreeMap;
use std::time::Duration;

use rustdb::{Database, Durability, KeyspaceOptions, Result, TransactionKeyspace, WriteBatch};

/// A client's keyspace; `None` while there is none.
pub(crate) type State = Option<Space>;

/// What a scan finds.
pub(crate) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A keyspace as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub is_counted: bool,
    pub entries: BTreeMap<Vec<u8>, Cell>,
}

/// A value, and how long it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub value: Vec<u8>,
    pub life: Life,
}

/// How long a value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is deleted.
    Endless,
    /// For much longer than a run.
    Long,
    /// It may be gone already, and is once [`SHORT_LIFE_OVER`] has passed.
    Short,
}

/// After this time whatever has a short life is gone.
pub(crate) const SHORT_LIFE_OVER: Duration = Duration::from_secs(10);

impl Life {
    fn ttl(self) -> Option<Duration> {
        match self {
            Life::Endless => None,
            Life::Long => Some(Duration::from_secs(30 * 24 * 3600)),
            Life::Short => Some(Duration::from_millis(20)),
        }
    }
}

impl Space {
    /// What is found when short lives are over.
    pub(crate) fn survivors(&self) -> Entries {
        let entries = self.entries.iter();
        let lasting = entries.filter(|(_, cell)| cell.life != Life::Short);
        lasting
            .map(|(key, cell)| (key.clone(), cell.value.clone()))
            .collect()
    }

    /// Whether this is what a scan may find now.
    pub(crate) fn may_be(&self, found: &Entries) -> bool {
        let is_known = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            self.entries
                .get(key)
                .is_some_and(|cell| cell.value == *value)
        };
        let is_there =
            |(key, cell): (&Vec<u8>, &Cell)| cell.life == Life::Short || found.contains_key(key);
        found.iter().all(is_known) && self.entries.iter().all(is_there)
    }

    fn put(&mut self, key: &[u8], value: &[u8], life: Life) {
        let value = value.to_vec();
        self.entries.insert(key.to_vec(), Cell { value, life });
    }

    fn apply(&mut self, writes: &[Write]) {
        for (key, value) in writes {
            match value {
                Some(value) => self.put(key, value, Life::Endless),
                None => drop(self.entries.remove(key)),
            }
        }
    }
}

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
    Create {
        counted: bool,
    },
    Drop,
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        key: Vec<u8>,
    },
    DeleteRange {
        start: Vec<u8>,
        end: Vec<u8>,
    },
    PutExpiring {
        key: Vec<u8>,
        value: Vec<u8>,
        life: Life,
    },
    Batch(Vec<Write>),
    /// What follows the savepoint is taken back.
    Transaction {
        writes: Vec<Write>,
        taken_back: Vec<Write>,
        deleted: Option<(Vec<u8>, Vec<u8>)>,
    },
}

/// A key, and its value unless it is deleted.
pub(crate) type Write = (Vec<u8>, Option<Vec<u8>>);

/// How many different keys a client has.
const KEYS: u64 = 60;

impl Step {
    /// A step of a client among many: a small commit, or a transaction that is large.
    pub(crate) fn draw_in_crowd(random: &mut Random, state: &State) -> Self {
        match random.below(3) {
            _ if state.is_none() => Self::draw(random, state),
            0 => Step::Put {
                key: key(random),
                value: value(random),
            },
            1 => Step::Transaction {
                writes: writes(random, 100),
                taken_back: Vec::new(),
                deleted: None,
            },
            _ => Self::draw(random, state),
        }
    }

    /// A step that can follow on `state`.
    pub(crate) fn draw(random: &mut Random, state: &State) -> Self {
        let Some(space) = state else {
            return Step::Create {
                counted: random.one_in(2),
            };
        };
        match random.below(100) {
            0..=7 if !space.is_counted => Step::PutExpiring {
                key: key(random),
                value: value(random),
                life: match random.one_in(2) {
                    true => Life::Long,
                    false => Life::Short,
                },
            },
            0..=54 => Step::Put {
                key: key(random),
                value: value(random),
            },
            55..=69 => Step::Delete { key: key(random) },
            70..=75 => {
                let (start, end) = range(random);
                Step::DeleteRange { start, end }
            }
            76..=87 => Step::Batch(writes(random, 8)),
            88..=97 => {
                // Now and then more than a transaction keeps in memory.
                let count = if random.one_in(3) { 120 } else { 10 };
                let is_simple = random.one_in(2);
                Step::Transaction {
                    writes: writes(random, count),
                    taken_back: match is_simple {
                        true => Vec::new(),
                        false => writes(random, count),
                    },
                    deleted: random.one_in(4).then(|| range(random)),
                }
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
            Step::PutExpiring { key, life, .. } => {
                format!("put {} for {life:?}", String::from_utf8_lossy(key))
            }
            Step::Transaction {
                writes,
                taken_back,
                deleted,
            } => format!(
                "transaction: {}; taken back: {}; deletes a range: {}",
                of(writes),
                of(taken_back),
                deleted.is_some()
            ),
        }
    }

    /// The state it leads to.
    pub(crate) fn applied_to(&self, state: &State) -> State {
        let mut space = match (self, state) {
            (Step::Create { counted }, _) => {
                return Some(Space {
                    is_counted: *counted,
                    ..Space::default()
                });
            }
            (Step::Drop, _) => return None,
            (_, state) => state.clone()?,
        };
        match self {
            Step::Put { key, value } => space.put(key, value, Life::Endless),
            Step::PutExpiring { key, value, life } => space.put(key, value, *life),
            Step::Delete { key } => drop(space.entries.remove(key)),
            Step::DeleteRange { start, end } => {
                space.entries.retain(|k, _| k < start || k >= end);
            }
            Step::Batch(writes) => space.apply(writes),
            Step::Transaction {
                writes, deleted, ..
            } => {
                space.apply(writes);
                if let Some((start, end)) = deleted {
                    space.entries.retain(|k, _| k < start || k >= end);
                }
            }
            Step::Create { .. } | Step::Drop => {}
        }
        Some(space)
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
            Step::PutExpiring { key, value, life } => {
                let ttl = life.ttl().unwrap_or(Duration::MAX);
                let mut batch = WriteBatch::new();
                batch.put_with_ttl(&keyspace, key, value, ttl);
                db.write_with(&batch, durability)
            }
            Step::Transaction {
                writes,
                taken_back,
                deleted,
            } => {
                let mut tx = db.begin()?;
                write_all(&mut tx.keyspace(&keyspace), writes)?;
                if !taken_back.is_empty() {
                    let savepoint = tx.savepoint();
                    write_all(&mut tx.keyspace(&keyspace), taken_back)?;
                    tx.rollback_to(savepoint)?;
                }
                if let Some((start, end)) = deleted {
                    let range = start.as_slice()..end.as_slice();
                    tx.keyspace(&keyspace).delete_range(range)?;
                }
                tx.commit_with(durability)
            }
            Step::Create { .. } | Step::Drop => Ok(()),
        }
    }
}

fn write_all(view: &mut TransactionKeyspace<'_>, writes: &[Write]) -> Result<()> {
    for (key, value) in writes {
        match value {
            Some(value) => view.put(key, value)?,
            None => view.delete(key)?,
        }
    }
    Ok(())
}

fn range(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (a, b) = (key(random), key(random));
    (a.clone().min(b.clone()), a.max(b))
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

fn writes(random: &mut Random, count: u64) -> Vec<Write> {
    let count = 1 + random.below(count);
    (0..count)
        .map(|_| (key(random), (!random.one_in(4)).then(|| value(random))))
        .collect()
}
