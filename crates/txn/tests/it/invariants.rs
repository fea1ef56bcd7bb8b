//! Things that must hold at every moment, whatever runs at the same time.
//!
//! Each test is a set of clients and an invariant that observers check in snapshots of their own
//! all the while. All run on real threads and under simulation.

use std::sync::Arc;

use rustdb_storage::engine::{Durability, EngineOptions, ReadAt};
use rustdb_txn::{
    Access, Error, IsolationLevel, KeyRange, KeyspaceRef, Transaction, TransactionManager,
    TransactionOptions, Update, WriteBatch,
};
use rustdb_vfs::sync::Mutex;
use rustdb_vfs::{JoinHandle, MemVfs, Simulation, VfsRef};

use crate::database::Database;
use crate::history::{Random, seeds};

/// A database and who works on it.
#[derive(Clone)]
struct Scene {
    vfs: VfsRef,
    manager: TransactionManager,
    plain: KeyspaceRef,
    counted: KeyspaceRef,
    /// How often each client does what it does.
    rounds: u64,
    seed: u64,
}

impl Scene {
    fn new(vfs: VfsRef, rounds: u64, seed: u64) -> Self {
        let engine = EngineOptions {
            memtable_bytes: 32 << 10,
            ..Default::default()
        };
        let bytes = if seed % 3 == 2 { 500 } else { 32 << 20 };
        let options = TransactionOptions {
            write_set_bytes_max: bytes,
            ..Default::default()
        };
        let db = Database::open(vfs.clone(), engine, options);
        Self {
            vfs,
            manager: db.manager.clone(),
            plain: db.plain,
            counted: db.counted,
            rounds,
            seed,
        }
    }

    /// Runs one client per element at the same time.
    fn clients(&self, clients: Vec<Box<dyn FnOnce(Scene, Random) + Send>>) {
        let threads = clients.into_iter().zip(1u64..).map(|(client, n)| {
            let (scene, random) = (self.clone(), Random(self.seed.wrapping_mul(31) ^ (n << 40)));
            let body = Box::new(move || client(scene, random));
            self.vfs.spawn(&format!("client-{n}"), body).unwrap()
        });
        let threads: Vec<JoinHandle> = threads.collect();
        assert!(
            threads.into_iter().all(JoinHandle::join),
            "a client panicked"
        );
    }

    fn observe<R>(&self, look: impl FnOnce(&Transaction) -> R) -> R {
        look(
            &self
                .manager
                .begin(IsolationLevel::Snapshot, Access::ReadOnly)
                .unwrap(),
        )
    }

    fn run<R>(
        &self,
        level: IsolationLevel,
        body: impl FnMut(&mut Transaction) -> Result<R, Error>,
    ) -> R {
        let durability = if self.seed.is_multiple_of(2) {
            Durability::Sync
        } else {
            Durability::None
        };
        self.manager.run(level, durability, body).unwrap()
    }
}

/// Runs a play on real threads and under simulation.
fn perform(play: fn(Scene)) {
    for seed in 0..3 {
        play(Scene::new(Arc::new(MemVfs::new()), 150, seed));
    }
    for seed in 0..seeds(30) {
        Simulation::new(seed).run(move |machine| play(Scene::new(Arc::new(machine), 6, seed)));
    }
}

fn boxed(
    client: impl FnOnce(Scene, Random) + Send + 'static,
) -> Box<dyn FnOnce(Scene, Random) + Send> {
    Box::new(client)
}

fn number(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(0, |bytes| i64::from_be_bytes(bytes.try_into().unwrap()))
}

fn entries(tx: &Transaction, ks: KeyspaceRef, range: KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scan = tx.scan(ks, range).unwrap();
    let mut found = Vec::new();
    while let Some((key, value)) = scan.next(tx).unwrap() {
        found.push((key.to_vec(), value.to_vec()));
    }
    found
}

/// Money moves between accounts and never appears or vanishes.
#[test]
fn transfers_keep_the_sum() {
    const ACCOUNTS: u64 = 6;
    fn sum(tx: &Transaction, ks: KeyspaceRef) -> i64 {
        entries(tx, ks, KeyRange::all())
            .iter()
            .map(|(_, v)| number(Some(v)))
            .sum()
    }
    fn transfer(scene: Scene, mut random: Random, level: IsolationLevel) {
        let ks = scene.plain;
        for _ in 0..scene.rounds {
            let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
            let amount = random.below(10) as i64;
            scene.run(level, |tx| {
                for (account, amount) in [(from, -amount), (to, amount)] {
                    let key = account.to_be_bytes();
                    let balance = match level {
                        IsolationLevel::ReadCommitted => tx.get_for_update(ks, &key)?,
                        _ => tx.get(ks, &key)?,
                    };
                    let balance = number(balance.as_deref()) + amount;
                    tx.put(ks, &key, &balance.to_be_bytes())?;
                }
                Ok(())
            });
        }
    }
    perform(|scene| {
        for account in 0..ACCOUNTS {
            let balance = 100i64.to_be_bytes();
            let key = account.to_be_bytes();
            scene
                .manager
                .put(scene.plain, &key, &balance, Durability::None)
                .unwrap();
        }
        scene.clients(vec![
            boxed(|scene, random| transfer(scene, random, IsolationLevel::Snapshot)),
            boxed(|scene, random| transfer(scene, random, IsolationLevel::Serializable)),
            boxed(|scene, random| transfer(scene, random, IsolationLevel::ReadCommitted)),
            boxed(|scene, _| {
                for _ in 0..scene.rounds {
                    let ks = scene.plain;
                    assert_eq!(scene.observe(|tx| sum(tx, ks)), 100 * ACCOUNTS as i64);
                }
            }),
        ]);
        assert_eq!(
            scene.observe(|tx| sum(tx, scene.plain)),
            100 * ACCOUNTS as i64
        );
    });
}

/// Whoever finds a room empty books it; no room is booked twice, although each booking is a key
/// of its own and only a scan can tell.
#[test]
fn serializable_scans_see_no_phantoms() {
    fn book(scene: Scene, mut random: Random) {
        for round in 0..scene.rounds {
            let room = random.below(scene.rounds) as u16;
            let room = room.to_be_bytes();
            let guest = random.below(1 << 30).to_be_bytes();
            scene.run(IsolationLevel::Serializable, |tx| {
                let found = match round % 2 {
                    0 => tx.first(scene.plain, KeyRange::prefix(&room))?,
                    _ => tx.last(scene.plain, KeyRange::prefix(&room))?,
                };
                match found {
                    Some(_) => Ok(()),
                    None => tx.put(scene.plain, &[&room[..], &guest].concat(), b"booked"),
                }
            });
        }
    }
    perform(|scene| {
        scene.clients((0..4).map(|_| boxed(book)).collect());
        let rooms = scene.observe(|tx| entries(tx, scene.plain, KeyRange::all()));
        let mut names: Vec<_> = rooms.iter().map(|(key, _)| key[..2].to_vec()).collect();
        let bookings = names.len();
        names.dedup();
        assert_eq!(names.len(), bookings, "a room was booked twice");
    });
}

/// What is put into a queue comes out exactly once.
#[test]
fn queued_items_are_taken_once() {
    perform(|scene| {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let producer = |base: u64| {
            boxed(move |scene: Scene, _| {
                for n in 0..scene.rounds {
                    let key = (n * 10 + base).to_be_bytes();
                    scene
                        .manager
                        .put(scene.counted, &key, b"item", Durability::None)
                        .unwrap();
                }
            })
        };
        let consumer = |taken: Arc<Mutex<Vec<Vec<u8>>>>, is_first: bool| {
            boxed(move |scene: Scene, _| {
                for _ in 0..scene.rounds {
                    let items = scene.run(IsolationLevel::Snapshot, |tx| {
                        let mut items = Vec::new();
                        for _ in 0..3 {
                            let all = KeyRange::all();
                            items.extend(match is_first {
                                true => tx.pop_first(scene.counted, &all)?,
                                false => tx.pop_last(scene.counted, &all)?,
                            });
                        }
                        Ok(items)
                    });
                    taken
                        .lock()
                        .extend(items.iter().map(|(key, _)| key.to_vec()));
                }
            })
        };
        scene.clients(vec![
            producer(1),
            producer(2),
            consumer(taken.clone(), true),
            consumer(taken.clone(), false),
        ]);
        let left = scene.observe(|tx| entries(tx, scene.counted, KeyRange::all()));
        let count = scene
            .manager
            .engine()
            .len(scene.counted.id, ReadAt::Latest)
            .unwrap();
        assert_eq!(left.len() as u64, count);
        let mut seen = std::mem::take(&mut *taken.lock());
        seen.extend(left.into_iter().map(|(key, _)| key));
        seen.sort();
        assert_eq!(
            seen.len() as u64,
            2 * scene.rounds,
            "an item was lost or doubled"
        );
        seen.dedup();
        assert_eq!(
            seen.len() as u64,
            2 * scene.rounds,
            "an item was taken twice"
        );
    });
}

/// A list and its length in another key, with the list emptied by range deletions now and then:
/// a range deletion takes everything or conflicts.
#[test]
fn range_deletions_are_all_or_nothing() {
    const TOTAL: &[u8] = b"total";
    fn add(scene: &Scene, random: &mut Random, many: u64) {
        let keys: Vec<u64> = (0..many).map(|_| random.below(1 << 40)).collect();
        scene.run(IsolationLevel::Snapshot, |tx| {
            let total = number(tx.get(scene.plain, TOTAL)?.as_deref());
            for key in &keys {
                tx.put(
                    scene.plain,
                    &[b"item", &key.to_be_bytes()[..]].concat(),
                    b"",
                )?;
            }
            tx.put(
                scene.plain,
                TOTAL,
                &(total + keys.len() as i64).to_be_bytes(),
            )
        });
    }
    fn check(scene: &Scene) {
        let (listed, total) = scene.observe(|tx| {
            let items = entries(tx, scene.plain, KeyRange::prefix(b"item"));
            (
                items.len() as i64,
                number(tx.get(scene.plain, TOTAL).unwrap().as_deref()),
            )
        });
        assert_eq!(listed, total);
    }
    perform(|scene| {
        let mut random = Random(scene.seed);
        // More than is deleted key by key.
        add(&scene, &mut random, 300);
        scene.clients(vec![
            boxed(|scene, mut random| (0..scene.rounds).for_each(|_| add(&scene, &mut random, 1))),
            boxed(|scene, mut random| (0..scene.rounds).for_each(|_| add(&scene, &mut random, 40))),
            boxed(|scene, _| {
                for _ in 0..scene.rounds.div_ceil(4) {
                    scene.run(IsolationLevel::Snapshot, |tx| {
                        tx.delete_range(scene.plain, KeyRange::prefix(b"item"))?;
                        tx.put(scene.plain, TOTAL, &0i64.to_be_bytes())
                    });
                }
            }),
            boxed(|scene, _| (0..scene.rounds).for_each(|_| check(&scene))),
        ]);
        check(&scene);
    });
}

/// Many ways to change a counted keyspace at once; the count is right in every snapshot.
#[test]
fn counts_are_exact_in_every_snapshot() {
    fn check(scene: &Scene) {
        scene.observe(|tx| {
            let listed = entries(tx, scene.counted, KeyRange::all()).len() as u64;
            let at = ReadAt::Snapshot(tx.snapshot());
            assert_eq!(
                scene.manager.engine().len(scene.counted.id, at).unwrap(),
                listed
            );
        });
    }
    fn change(scene: Scene, mut random: Random) {
        let (manager, ks) = (&scene.manager, scene.counted);
        for _ in 0..scene.rounds {
            let key = [random.below(12) as u8];
            let durability = if random.below(3) == 0 {
                Durability::Sync
            } else {
                Durability::None
            };
            match random.below(7) {
                0 => drop(manager.put(ks, &key, b"1", durability).unwrap()),
                1 => drop(manager.delete(ks, &key, durability).unwrap()),
                2 => {
                    let flip = |value: Option<&rustdb_storage::slice::Slice>| match value {
                        Some(_) => Update::Delete,
                        None => Update::Put(b"2".to_vec()),
                    };
                    manager.update(ks, &key, durability, flip).unwrap();
                }
                3 => {
                    let mut batch = WriteBatch::new();
                    batch.put(ks, &key, b"3");
                    batch.delete(ks, &[key[0] ^ 1]);
                    batch.delete_range(ks, &[8], Some(&[10]));
                    manager.write(&batch, durability).unwrap();
                }
                4 => scene.run(IsolationLevel::ReadCommitted, |tx| {
                    // In one order, so that there are no deadlocks to speak of.
                    tx.put(ks, &[key[0] & !1], b"4")?;
                    tx.delete(ks, &[key[0] | 1])
                }),
                5 => {
                    let range = KeyRange::bounds(
                        std::ops::Bound::Included(&key),
                        std::ops::Bound::Unbounded,
                    );
                    scene.run(IsolationLevel::Snapshot, |tx| tx.pop_first(ks, &range));
                }
                _ => drop(scene.run(IsolationLevel::Serializable, |tx| {
                    tx.retain(ks, KeyRange::all(), |k, _| k[0] % 3 != 0)
                })),
            }
        }
    }
    perform(|scene| {
        scene.clients(vec![
            boxed(change),
            boxed(change),
            boxed(change),
            boxed(|scene, _| (0..scene.rounds).for_each(|_| check(&scene))),
        ]);
        check(&scene);
    });
}

/// A row is locked, changed and unlocked by transactions of every kind, and by writers that take
/// no lock; no increment is lost.
#[test]
fn increments_with_and_without_locks_are_not_lost() {
    fn increment(scene: Scene, mut random: Random) {
        let (manager, ks, key) = (&scene.manager, scene.plain, b"counter");
        let next = |value: Option<&[u8]>| (number(value) + 1).to_be_bytes();
        for _ in 0..scene.rounds {
            match random.below(5) {
                0 => scene.run(IsolationLevel::ReadCommitted, |tx| {
                    let value = tx.get_for_update(ks, key)?;
                    tx.put(ks, key, &next(value.as_deref()))
                }),
                1 => scene.run(IsolationLevel::Snapshot, |tx| {
                    let value = tx.get_for_update(ks, key)?;
                    tx.put(ks, key, &next(value.as_deref()))
                }),
                2 => scene.run(IsolationLevel::Serializable, |tx| {
                    let value = tx.get(ks, key)?;
                    tx.put(ks, key, &next(value.as_deref()))
                }),
                3 => scene.run(IsolationLevel::Snapshot, |tx| {
                    let value = tx.get(ks, key)?;
                    tx.put(ks, key, &next(value.as_deref()))
                }),
                _ => {
                    let change = |value: Option<&rustdb_storage::slice::Slice>| {
                        Update::Put(next(value.map(|v| &**v)).to_vec())
                    };
                    manager.update(ks, key, Durability::Sync, change).unwrap();
                }
            }
        }
    }
    perform(|scene| {
        scene.clients((0..4).map(|_| boxed(increment)).collect());
        let counter =
            scene.observe(|tx| number(tx.get(scene.plain, b"counter").unwrap().as_deref()));
        assert_eq!(counter as u64, 4 * scene.rounds);
    });
}
