//! Walks that stay open while their transaction writes, against a map.
//!
//! What is committed lies in tables, so that whole blocks of it are passed at once where nothing
//! written is in the way, and a few keys of it in memory above.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rustdb_storage::engine::Durability;
use rustdb_txn::{
    Access, Entry, IsolationLevel, KeyRange, KeyspaceRef, SavepointId, Scan, Transaction,
    TransactionOptions,
};

use crate::database::Database;

const KEYS: u16 = 1000;

type Map = BTreeMap<u16, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Next(u8),
    NextBack(u8),
    /// Leaves the walk for another one.
    Walk(u16, u16),
    Put(u16, u8),
    /// In no order, and each read back at once.
    PutAndGet(u16, u8),
    Delete(u16),
    DeleteRange(u16, u16),
    Extract(u16, u16),
    PopFirst,
    PopLast,
    Savepoint,
    RollbackTo,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS;
    prop_oneof![
        8 => (1..60u8).prop_map(Step::Next),
        4 => (1..60u8).prop_map(Step::NextBack),
        1 => (key(), key()).prop_map(|(a, b)| Step::Walk(a, b)),
        4 => (key(), any::<u8>()).prop_map(|(k, v)| Step::Put(k, v)),
        4 => (key(), any::<u8>()).prop_map(|(k, v)| Step::PutAndGet(k, v)),
        4 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(a, b)| Step::DeleteRange(a, b)),
        1 => (key(), key()).prop_map(|(a, b)| Step::Extract(a, b)),
        2 => Just(Step::PopFirst),
        2 => Just(Step::PopLast),
        2 => Just(Step::Savepoint),
        1 => Just(Step::RollbackTo),
        1 => Just(Step::Release),
    ]
}

/// A walk, and what should be left of its range.
struct Walk {
    scan: Scan,
    from: u16,
    to: u16,
    is_done: bool,
}

impl Walk {
    fn new(tx: &Transaction, ks: KeyspaceRef, from: u16, to: u16) -> Walk {
        let range = KeyRange {
            start: from.to_be_bytes().to_vec(),
            end: Some(to.to_be_bytes().to_vec()),
        };
        Walk {
            scan: tx.scan(ks, range).unwrap(),
            from,
            to: to.max(from),
            is_done: false,
        }
    }

    fn step(&mut self, tx: &Transaction, current: &Map, is_back: bool) {
        let mut left = current.range(self.from..self.to);
        let expected = match is_back {
            _ if self.is_done => None,
            true => left.next_back(),
            false => left.next(),
        };
        let expected = expected.map(|(key, value)| (*key, value.clone()));
        let found = match is_back {
            true => self.scan.next_back(tx),
            false => self.scan.next(tx),
        };
        assert_eq!(shown(found.unwrap()), expected);
        match (expected, is_back) {
            (None, _) => self.is_done = true,
            (Some((key, _)), true) => self.to = key,
            (Some((key, _)), false) => self.from = key + 1,
        }
    }
}

fn shown(entry: Option<Entry>) -> Option<(u16, Vec<u8>)> {
    entry.map(|(key, value)| {
        let key = key.first_chunk().expect("keys have two bytes");
        (u16::from_be_bytes(*key), value.to_vec())
    })
}

/// A transaction, and what it should see.
struct World {
    tx: Transaction,
    ks: KeyspaceRef,
    current: Map,
    savepoints: Vec<(SavepointId, Map)>,
}

impl World {
    fn put(&mut self, key: u16, byte: u8) {
        let value = vec![byte; usize::from(byte % 40)];
        self.tx.put(self.ks, &key.to_be_bytes(), &value).unwrap();
        self.current.insert(key, value);
    }

    fn apply(&mut self, step: &Step, walk: &mut Walk) {
        let ks = self.ks;
        let range = |from: u16, to: u16| KeyRange {
            start: from.min(to).to_be_bytes().to_vec(),
            end: Some(from.max(to).to_be_bytes().to_vec()),
        };
        match step {
            Step::Next(steps) => {
                (0..*steps).for_each(|_| walk.step(&self.tx, &self.current, false));
            }
            Step::NextBack(steps) => {
                (0..*steps).for_each(|_| walk.step(&self.tx, &self.current, true));
            }
            Step::Walk(from, to) => *walk = Walk::new(&self.tx, ks, *from, *to),
            Step::Put(key, byte) => self.put(*key, *byte),
            Step::PutAndGet(key, byte) => {
                for key in [*key, key ^ 0x55, key ^ 0x2a] {
                    self.put(key, *byte);
                    let found = self.tx.get(ks, &key.to_be_bytes()).unwrap();
                    assert_eq!(found.as_deref(), self.current.get(&key).map(|v| &v[..]));
                }
            }
            Step::Delete(key) => {
                self.tx.delete(ks, &key.to_be_bytes()).unwrap();
                self.current.remove(key);
            }
            Step::DeleteRange(a, b) => {
                self.tx.delete_range(ks, range(*a, *b)).unwrap();
                self.current
                    .retain(|key, _| !(a.min(b)..a.max(b)).contains(&key));
            }
            Step::Extract(a, b) => {
                let wanted = |key: &[u8], _: &[u8]| !key[1].is_multiple_of(4);
                let mut extract = self.tx.extract(ks, range(*a, *b), wanted).unwrap();
                while let Some(entry) = extract.next(&mut self.tx).unwrap() {
                    let entry = shown(Some(entry)).expect("there is one");
                    assert_eq!(self.current.remove(&entry.0), Some(entry.1));
                }
                let inside = self.current.range(a.min(b)..a.max(b));
                assert!(inside.into_iter().all(|(key, _)| key.is_multiple_of(4)));
            }
            Step::PopFirst => {
                let found = self.tx.pop_first(ks, &KeyRange::all()).unwrap();
                assert_eq!(shown(found), self.current.pop_first());
            }
            Step::PopLast => {
                let found = self.tx.pop_last(ks, &KeyRange::all()).unwrap();
                assert_eq!(shown(found), self.current.pop_last());
            }
            Step::Savepoint => {
                let savepoint = (self.tx.savepoint(), self.current.clone());
                self.savepoints.push(savepoint);
            }
            Step::RollbackTo => {
                if let Some((id, map)) = self.savepoints.last() {
                    self.tx.rollback_to(*id).unwrap();
                    self.current.clone_from(map);
                }
            }
            Step::Release => {
                if let Some((id, _)) = self.savepoints.pop() {
                    self.tx.release(id).unwrap();
                }
            }
        }
    }
}

fn check(steps: &[Step], bytes: usize, above: &[u16]) {
    let options = TransactionOptions {
        write_set_bytes_max: bytes,
        ..Default::default()
    };
    let database = Database::with(options);
    let (manager, ks) = (&database.manager, database.counted);
    let begin = || manager.begin(IsolationLevel::Snapshot, Access::ReadWrite);
    let mut world = World {
        tx: begin().unwrap(),
        ks,
        current: Map::new(),
        savepoints: Vec::new(),
    };
    (0..KEYS)
        .filter(|key: &u16| !key.is_multiple_of(3))
        .for_each(|key| world.put(key, key as u8));
    let tx = std::mem::replace(&mut world.tx, begin().unwrap());
    tx.commit(Durability::None).unwrap();
    manager.engine().compact().unwrap();
    world.tx = begin().unwrap();
    above.iter().for_each(|key| world.put(*key, 7));
    let tx = std::mem::replace(&mut world.tx, begin().unwrap());
    tx.commit(Durability::None).unwrap();
    world.tx = begin().unwrap();

    let mut walk = Walk::new(&world.tx, ks, 0, KEYS);
    for step in steps {
        world.apply(step, &mut walk);
    }
    world.tx.commit(Durability::None).unwrap();
    let tx = begin().unwrap();
    let mut all = Walk::new(&tx, ks, 0, u16::MAX);
    (0..=world.current.len()).for_each(|_| all.step(&tx, &world.current, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn walk_sees_what_is_written_ahead(
        steps in prop::collection::vec(step(), 0..60),
        above in prop::collection::vec(0..KEYS, 0..4),
    ) {
        check(&steps, usize::MAX, &above);
    }

    #[test]
    fn walk_of_a_spilling_transaction_sees_what_is_written_ahead(
        steps in prop::collection::vec(step(), 0..60),
        above in prop::collection::vec(0..KEYS, 0..4),
        budget in 400..8192usize,
    ) {
        check(&steps, budget, &above);
    }
}
