//! The workload whose every step is interrupted: acts in a fixed order, and the worlds they lead
//! to.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb::crypto::{Algorithm, RawKey, Secret};
use rustdb::{Database, Durability, Encryption, KeyspaceOptions, Options, Result, WriteBatch};
use rustdb_storage::compaction::{CompactionOptions, CompactionStyle};
use rustdb_storage::engine::EngineOptions;
use rustdb_vfs::VfsRef;

/// All keyspaces that the script made, with all they hold.
pub(super) type World = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Begins every value, so that plaintext can be looked for.
pub(super) const MARKER: &[u8] = b"plain-text-marker";

/// One act. Every one but [`Act::Buffered`] is durable when it returns.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Create {
        name: &'static str,
        counted: bool,
    },
    Drop {
        name: &'static str,
    },
    /// Puts values of `bytes` bytes at the keys from `first` on.
    Put {
        name: &'static str,
        first: u32,
        count: u32,
        bytes: usize,
    },
    /// As [`Act::Put`] of one value, but safe only with the next act that is durable.
    Buffered {
        name: &'static str,
        key: u32,
        bytes: usize,
    },
    /// A batch over two keyspaces that also deletes a key of the first.
    Batch {
        names: [&'static str; 2],
        key: u32,
    },
    DeleteRange {
        name: &'static str,
        first: u32,
        last: u32,
    },
    /// A transaction too large for memory; what follows its savepoint is taken back.
    Large {
        name: &'static str,
        first: u32,
        count: u32,
    },
    Flush,
    Compact,
    /// A key change; the byte makes the new key.
    ChangeKey(u8),
    Rotate,
    Reencrypt,
    Checkpoint(&'static str),
    Reopen,
}

const PLAIN: &str = "plain";
const COUNTED: &str = "counted";
const SHORT: &str = "short-lived";

/// The acts, in order.
pub(super) fn acts(is_encrypted: bool) -> Vec<Act> {
    let mut acts = vec![
        create(PLAIN, false),
        create(COUNTED, true),
        put(PLAIN, 0, 6, 30),
        put(COUNTED, 0, 6, 30),
        // Values that go to value files.
        put(PLAIN, 3, 3, 700),
        batch([PLAIN, COUNTED], 1),
        Act::Buffered {
            name: PLAIN,
            key: 8,
            bytes: 650,
        },
        // NB: no value file of its own to sync.
        put(COUNTED, 2, 1, 30),
        Act::Flush,
        create(SHORT, false),
        put(SHORT, 0, 4, 600),
        large(PLAIN, 10, 120),
        batch([COUNTED, PLAIN], 4),
        large(COUNTED, 200, 120),
        // Overlaps what is in memory.
        put(COUNTED, 210, 2, 40),
        large(COUNTED, 205, 100),
        delete_range(PLAIN, 20, 60),
        Act::Reopen,
        Act::Drop { name: SHORT },
        Act::Compact,
        Act::Checkpoint("/copy1"),
        // Every value of the first value files dies.
        put(PLAIN, 3, 3, 800),
        Act::Flush,
        Act::Compact,
        delete_range(COUNTED, 0, 250),
        put(COUNTED, 300, 3, 900),
    ];
    if is_encrypted {
        acts.extend(changes_of_keys());
    }
    acts.extend([
        batch([PLAIN, COUNTED], 90),
        Act::Checkpoint("/copy2"),
        create(SHORT, true),
        put(SHORT, 0, 3, 50),
        Act::Flush,
    ]);
    acts
}

fn changes_of_keys() -> [Act; 7] {
    [
        Act::ChangeKey(2),
        batch([PLAIN, COUNTED], 70),
        Act::Rotate,
        put(PLAIN, 80, 2, 500),
        Act::Reencrypt,
        Act::ChangeKey(3),
        Act::Reopen,
    ]
}

fn create(name: &'static str, counted: bool) -> Act {
    Act::Create { name, counted }
}

fn put(name: &'static str, first: u32, count: u32, bytes: usize) -> Act {
    Act::Put {
        name,
        first,
        count,
        bytes,
    }
}

fn batch(names: [&'static str; 2], key: u32) -> Act {
    Act::Batch { names, key }
}

fn large(name: &'static str, first: u32, count: u32) -> Act {
    Act::Large { name, first, count }
}

fn delete_range(name: &'static str, first: u32, last: u32) -> Act {
    Act::DeleteRange { name, first, last }
}

fn key_of(number: u32) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

/// A value that tells who wrote it.
fn value_of(act: usize, number: u32, bytes: usize) -> Vec<u8> {
    let mut value = MARKER.to_vec();
    value.extend_from_slice(format!(" of {number} by {act} ").as_bytes());
    let length = value.len().max(bytes);
    value.resize(length, b'a' + (act % 26) as u8);
    value
}

impl Act {
    /// The world it leads to; `index` is its place in the script.
    pub(super) fn applied_to(&self, index: usize, world: &World) -> World {
        let mut world = world.clone();
        let mut put = |name: &str, number: u32, bytes: usize| {
            let keyspace = world.get_mut(name).expect("the script creates it first");
            keyspace.insert(key_of(number), value_of(index, number, bytes));
        };
        match self {
            Act::Put {
                name,
                first,
                count,
                bytes,
            } => {
                (*first..first + count).for_each(|number| put(name, number, *bytes));
            }
            Act::Buffered { name, key, bytes } => put(name, *key, *bytes),
            Act::Large { name, first, count } => {
                (*first..first + count).for_each(|number| put(name, number, 100));
            }
            Act::Batch { names, key } => {
                put(names[1], *key, 20);
                put(names[0], key + 1, 300);
                let keyspace = world
                    .get_mut(names[0])
                    .expect("the script creates it first");
                keyspace.remove(&key_of(*key));
            }
            Act::DeleteRange { name, first, last } => {
                let keyspace = world.get_mut(*name).expect("the script creates it first");
                keyspace.retain(|key, _| *key < key_of(*first) || *key >= key_of(*last));
            }
            Act::Create { name, .. } => drop(world.insert((*name).into(), BTreeMap::new())),
            Act::Drop { name } => drop(world.remove(*name)),
            Act::Flush
            | Act::Compact
            | Act::ChangeKey(_)
            | Act::Rotate
            | Act::Reencrypt
            | Act::Checkpoint(_)
            | Act::Reopen => {}
        }
        world
    }

    /// Does it for real; [`Act::Reopen`] is the caller's.
    pub(super) fn perform(&self, index: usize, db: &Database) -> Result<()> {
        match self {
            Act::Create { name, counted } => {
                let options = KeyspaceOptions {
                    counted: *counted,
                    ..KeyspaceOptions::default()
                };
                db.create_keyspace(name, &options).map(drop)
            }
            Act::Drop { name } => db.drop_keyspace(name),
            Act::Put {
                name,
                first,
                count,
                bytes,
            } => {
                let keyspace = db.keyspace(name)?;
                let mut batch = WriteBatch::new();
                for number in *first..first + count {
                    batch.put(&keyspace, key_of(number), value_of(index, number, *bytes));
                }
                db.write(&batch)
            }
            Act::Buffered { name, key, bytes } => {
                let value = value_of(index, *key, *bytes);
                db.keyspace(name)?
                    .put_with(key_of(*key), value, Durability::Buffered)
            }
            Act::Batch { names, key } => {
                let (first, second) = (db.keyspace(names[0])?, db.keyspace(names[1])?);
                let mut batch = WriteBatch::new();
                batch.delete(&first, key_of(*key));
                batch.put(&second, key_of(*key), value_of(index, *key, 20));
                batch.put(&first, key_of(key + 1), value_of(index, key + 1, 300));
                db.write(&batch)
            }
            Act::DeleteRange { name, first, last } => db
                .keyspace(name)?
                .delete_range(key_of(*first)..key_of(*last)),
            Act::Large { name, first, count } => {
                let keyspace = db.keyspace(name)?;
                let mut tx = db.begin()?;
                for number in *first..first + count {
                    tx.keyspace(&keyspace)
                        .put(key_of(number), value_of(index, number, 100))?;
                }
                let savepoint = tx.savepoint();
                for number in 0..40 {
                    tx.keyspace(&keyspace)
                        .put(key_of(number), value_of(index, number, 150))?;
                }
                tx.rollback_to(savepoint)?;
                tx.commit()
            }
            Act::Flush => db.flush(),
            Act::Compact => db.compact(),
            Act::ChangeKey(byte) => db.change_key(&provider(*byte)),
            Act::Rotate => db.rotate_data_key(Algorithm::Aes256Gcm),
            Act::Reencrypt => db.reencrypt(),
            Act::Checkpoint(directory) => db.checkpoint(directory).map(drop),
            Act::Reopen => Ok(()),
        }
    }
}

fn provider(byte: u8) -> RawKey {
    RawKey::new(Secret::new([byte; 32]))
}

/// Options that make every kind of file with little data. `key` is the key's byte.
pub(super) fn options(vfs: VfsRef, key: Option<u8>, compaction_threads: usize) -> Options {
    let engine = EngineOptions {
        value_file_bytes: 2 << 10,
        block_bytes: 512,
        compaction: CompactionOptions {
            style: CompactionStyle::Leveled,
            level0_trigger: 2,
            base_bytes: 16 << 10,
            table_bytes: 8 << 10,
            ..CompactionOptions::default()
        },
        ..EngineOptions::default()
    };
    Options {
        cache_bytes: 256 << 10,
        write_buffer_bytes: 8 << 10,
        transaction_bytes: 4 << 10,
        large_value_bytes: 256,
        compaction_threads,
        reserve_bytes: 0,
        encryption: key.map(|byte| Encryption {
            provider: Arc::new(provider(byte)),
            algorithm: Algorithm::ChaCha20Poly1305,
        }),
        vfs: Some(vfs),
        engine: Some(engine),
        ..Options::default()
    }
}
