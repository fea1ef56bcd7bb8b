//! Concurrent random transactions, whose histories the checker judges: on real threads, and under
//! simulation, where a seed repeats the schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_storage::engine::{Durability, EngineOptions};
use rustdb_txn::checker::{Operation, Promise, Record, check};
use rustdb_txn::{
    Access, Error, IsolationLevel, KeyRange, KeyspaceRef, Transaction, TransactionManager,
    TransactionOptions,
};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{JoinHandle, MemVfs, Simulation, VfsRef};

use crate::database::Database;

/// What a run does.
#[derive(Clone, Copy, Debug)]
struct Workload {
    threads: u64,
    transactions: u64,
    lists: u64,
    /// The levels that threads use in turn.
    levels: &'static [IsolationLevel],
    /// Memory per transaction; a small one makes all of them spill.
    bytes: usize,
    promise: Promise,
}

const ALL_LEVELS: &[IsolationLevel] = &[
    IsolationLevel::ReadCommitted,
    IsolationLevel::Snapshot,
    IsolationLevel::Serializable,
];

/// A small generator, one per thread.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Numbers and times that all threads share, and what they did.
#[derive(Default)]
struct World {
    numbers: AtomicU64,
    clock: AtomicU64,
    history: Mutex<Vec<Record>>,
}

impl World {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

fn encode(list: &[u64]) -> Vec<u8> {
    list.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn decode(bytes: Option<&[u8]>) -> Vec<u64> {
    let bytes = bytes.unwrap_or_default();
    bytes
        .chunks(8)
        .map(|chunk| u64::from_be_bytes(chunk.try_into().unwrap()))
        .collect()
}

/// Reads a list; half of the time as part of a scan.
fn read(
    tx: &mut Transaction,
    ks: KeyspaceRef,
    key: u64,
    random: &mut Random,
) -> Result<Vec<u64>, Error> {
    let bytes = key.to_be_bytes();
    if tx.isolation() == IsolationLevel::ReadCommitted {
        tx.refresh()?;
    }
    if random.below(2) == 0 {
        return Ok(decode(tx.get(ks, &bytes)?.as_deref()));
    }
    let range = KeyRange {
        start: bytes.to_vec(),
        end: Some((key + 1).to_be_bytes().to_vec()),
    };
    let entry = match random.below(2) {
        0 => tx.first(ks, range)?,
        _ => tx.last(ks, range)?,
    };
    Ok(decode(entry.as_ref().map(|(_, value)| &**value)))
}

/// Appends a number the way the level asks for.
fn append(
    tx: &mut Transaction,
    ks: KeyspaceRef,
    key: u64,
    number: u64,
    random: &mut Random,
) -> Result<(), Error> {
    let bytes = key.to_be_bytes();
    let locks = tx.isolation() == IsolationLevel::ReadCommitted || random.below(4) == 0;
    let mut list = match locks {
        true => decode(tx.get_for_update(ks, &bytes)?.as_deref()),
        false => decode(tx.get(ks, &bytes)?.as_deref()),
    };
    list.push(number);
    tx.put(ks, &bytes, &encode(&list))
}

/// One transaction with a few operations; some are undone by a savepoint.
fn body(
    tx: &mut Transaction,
    ks: KeyspaceRef,
    workload: &Workload,
    world: &World,
    random: &mut Random,
    operations: &mut Vec<Operation>,
) -> Result<(), Error> {
    for _ in 0..1 + random.below(5) {
        let key = random.below(workload.lists);
        match random.below(10) {
            0..5 => {
                let list = read(tx, ks, key, random)?;
                operations.push(Operation::Read(key, list));
            }
            5..9 => {
                let number = world.numbers.fetch_add(1, Ordering::Relaxed) + 1;
                append(tx, ks, key, number, random)?;
                operations.push(Operation::Append(key, number));
            }
            _ => {
                let savepoint = tx.savepoint();
                let number = world.numbers.fetch_add(1, Ordering::Relaxed) + 1;
                append(tx, ks, key, number, random)?;
                tx.rollback_to(savepoint)?;
                // As if somebody else had appended it and given up.
                let operations = vec![Operation::Append(key, number)];
                let never = Record {
                    operations,
                    is_committed: false,
                    began: 0,
                    ended: 0,
                };
                world.history.lock().push(never);
            }
        }
    }
    Ok(())
}

fn client(
    manager: &TransactionManager,
    ks: KeyspaceRef,
    workload: &Workload,
    world: &World,
    thread: u64,
    seed: u64,
) {
    let mut random = Random(seed ^ (thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let level = workload.levels[thread as usize % workload.levels.len()];
    for _ in 0..workload.transactions {
        let began = world.tick();
        let mut tx = manager.begin(level, Access::ReadWrite).unwrap();
        let mut operations = Vec::new();
        let durability = match random.below(3) {
            0 => Durability::Sync,
            _ => Durability::None,
        };
        let done = body(&mut tx, ks, workload, world, &mut random, &mut operations)
            .and_then(|()| tx.commit(durability));
        if let Err(error) = &done {
            assert!(error.is_retryable(), "{error}");
        }
        let is_committed = done.is_ok();
        let ended = world.tick();
        world.history.lock().push(Record {
            operations,
            is_committed,
            began,
            ended,
        });
    }
}

/// Runs the workload and returns its history, with a read of every list at its end.
fn run(vfs: &VfsRef, workload: Workload, seed: u64) -> Vec<Record> {
    let options = TransactionOptions {
        write_set_bytes_max: workload.bytes,
        ..Default::default()
    };
    // Small memtables, so that flushes and compactions go on all the time.
    let engine = EngineOptions {
        memtable_bytes: 32 << 10,
        ..Default::default()
    };
    let database = Database::open(vfs.clone(), engine, options);
    let (manager, ks) = (database.manager.clone(), database.plain);
    let world = Arc::new(World::default());
    let threads: Vec<JoinHandle> = (0..workload.threads)
        .map(|thread| {
            let (manager, world) = (manager.clone(), world.clone());
            let body = move || client(&manager, ks, &workload, &world, thread, seed);
            vfs.spawn(&format!("client-{thread}"), Box::new(body))
                .unwrap()
        })
        .collect();
    assert!(
        threads.into_iter().all(JoinHandle::join),
        "a client panicked"
    );
    assert_eq!(manager.locks().stats().used, 0, "a lock was left");
    let began = world.tick();
    let tx = manager
        .begin(IsolationLevel::Serializable, Access::ReadOnly)
        .unwrap();
    let lists = (0..workload.lists).map(|key| {
        Operation::Read(
            key,
            decode(tx.get(ks, &key.to_be_bytes()).unwrap().as_deref()),
        )
    });
    let operations = lists.collect();
    let mut history = std::mem::take(&mut *world.history.lock());
    history.push(Record {
        operations,
        is_committed: true,
        began,
        ended: world.tick(),
    });
    history
}

fn judge(history: &[Record], workload: &Workload) {
    let anomalies = check(history, workload.promise);
    let told: Vec<String> = anomalies.iter().take(5).map(ToString::to_string).collect();
    assert!(anomalies.is_empty(), "{workload:?}\n{}", told.join("\n"));
    let committed = history.iter().filter(|record| record.is_committed).count();
    assert!(
        committed > history.len() / 20,
        "hardly anything went through: {committed}"
    );
}

const SERIALIZABLE: Workload = Workload {
    threads: 4,
    transactions: 400,
    lists: 8,
    levels: &[IsolationLevel::Serializable],
    bytes: usize::MAX,
    promise: Promise::StrictSerializable,
};

const SNAPSHOT: Workload = Workload {
    levels: &[IsolationLevel::Snapshot],
    promise: Promise::SnapshotIsolation,
    ..SERIALIZABLE
};

const READ_COMMITTED: Workload = Workload {
    levels: &[IsolationLevel::ReadCommitted],
    promise: Promise::ReadCommitted,
    ..SERIALIZABLE
};

const MIXED: Workload = Workload {
    threads: 6,
    levels: ALL_LEVELS,
    promise: Promise::ReadCommitted,
    ..SERIALIZABLE
};

fn on_real_threads(workload: Workload) {
    for seed in 0..3 {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        judge(&run(&vfs, workload, seed), &workload);
    }
}

#[test]
fn serializable_histories_are_strictly_serializable() {
    on_real_threads(SERIALIZABLE);
}

#[test]
fn serializable_histories_of_spilling_transactions_are_strictly_serializable() {
    on_real_threads(Workload {
        bytes: 1,
        transactions: 60,
        ..SERIALIZABLE
    });
}

#[test]
fn snapshot_histories_keep_the_promise_of_snapshots() {
    on_real_threads(SNAPSHOT);
    on_real_threads(Workload {
        bytes: 1,
        transactions: 60,
        ..SNAPSHOT
    });
}

#[test]
fn read_committed_histories_keep_the_promise_of_read_committed() {
    on_real_threads(READ_COMMITTED);
}

#[test]
fn levels_can_be_mixed() {
    on_real_threads(MIXED);
}

#[test]
fn simulated_histories_keep_their_promises() {
    let small = |workload: Workload| Workload {
        threads: 3,
        transactions: 12,
        lists: 3,
        ..workload
    };
    let spilling = Workload {
        bytes: 1,
        transactions: 6,
        ..SNAPSHOT
    };
    let workloads = [SERIALIZABLE, SNAPSHOT, READ_COMMITTED, MIXED].map(small);
    for seed in 0..seeds(120) {
        let workload = match seed % 6 {
            n @ 0..4 => workloads[n as usize],
            4 => Workload {
                threads: 3,
                lists: 3,
                ..spilling
            },
            _ => Workload {
                threads: 6,
                ..workloads[0]
            },
        };
        let outcome = Simulation::new(seed).run(move |machine| {
            let vfs: VfsRef = Arc::new(machine);
            run(&vfs, workload, seed)
        });
        judge(&outcome.value, &workload);
    }
}

/// How many seeds to try: `RUSTDB_SEEDS`, or `default`.
pub(crate) fn seeds(default: u64) -> u64 {
    std::env::var("RUSTDB_SEEDS").map_or(default, |seeds| seeds.parse().unwrap())
}

/// The checker is not blind to what these workloads produce: with snapshots, write skew occurs.
#[test]
fn write_skew_of_snapshots_is_seen() {
    let workload = Workload {
        lists: 2,
        promise: Promise::Serializable,
        ..SNAPSHOT
    };
    let is_seen = (0..20).any(|seed| {
        let vfs: VfsRef = Arc::new(MemVfs::new());
        !check(&run(&vfs, workload, seed), workload.promise).is_empty()
    });
    assert!(is_seen);
}
