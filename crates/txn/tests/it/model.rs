//! Random transactions against a model: a map, and a stack of maps for savepoints.
//!
//! The budget for memory is so small that writes spill all the time, and the same steps run with
//! a budget in which they never do.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use rustdb_storage::engine::{Durability, ReadAt};
use rustdb_txn::{
    Access, Error, IsolationLevel, KeyRange, KeyspaceRef, SavepointId, Transaction,
    TransactionOptions,
};

use crate::database::Database;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    DeleteRange(u8, u8),
    /// More keys than are deleted one by one.
    Fill(u8),
    /// Pairs at once, ascending, but for one where the bits say so.
    PutAll(u8, u16, u8),
    PopFirst,
    PopLast,
    PopSome(u8, u8),
    /// More keys than are popped one by one, from one end or both, by its bits.
    PopMany(u16, u8),
    Retain(u8),
    Get(u8),
    First(u8, u8),
    Last(u8, u8),
    Scan(u8, u8),
    Savepoint,
    RollbackTo(u8),
    Release(u8),
    Commit,
    Rollback,
    /// What is committed is in tables from then on, in blocks that are passed as a whole.
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..40u8;
    prop_oneof![
        8 => (key(), any::<u8>()).prop_map(|(k, v)| Step::Put(k, v)),
        4 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(a, b)| Step::DeleteRange(a, b)),
        1 => key().prop_map(Step::Fill),
        2 => (key(), 0..700u16, any::<u8>()).prop_map(|(k, n, odd)| Step::PutAll(k, n, odd)),
        3 => Just(Step::PopFirst),
        3 => Just(Step::PopLast),
        2 => (key(), key()).prop_map(|(a, b)| Step::PopSome(a, b)),
        2 => (200..700u16, any::<u8>()).prop_map(|(n, ends)| Step::PopMany(n, ends)),
        1 => (0..4u8).prop_map(Step::Retain),
        2 => key().prop_map(Step::Get),
        1 => (key(), key()).prop_map(|(a, b)| Step::First(a, b)),
        1 => (key(), key()).prop_map(|(a, b)| Step::Last(a, b)),
        2 => (key(), key()).prop_map(|(a, b)| Step::Scan(a, b)),
        2 => Just(Step::Savepoint),
        1 => any::<u8>().prop_map(Step::RollbackTo),
        1 => any::<u8>().prop_map(Step::Release),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        1 => Just(Step::Compact),
    ]
}

/// A database and what it should hold.
struct World {
    database: Database,
    keyspace: KeyspaceRef,
    level: IsolationLevel,
    transaction: Option<Transaction>,
    committed: Map,
    current: Map,
    savepoints: Vec<(SavepointId, Map)>,
}

fn key(n: u8) -> Vec<u8> {
    // Some keys are prefixes of others, and some are longer than a handle holds.
    match n % 3 {
        0 => vec![b'k', n / 3],
        1 => vec![b'k', n / 3, 0],
        _ => [&[b'k', n / 3][..], &[b'x'; 30]].concat(),
    }
}

fn range(a: u8, b: u8) -> KeyRange {
    let (a, b) = (a.min(b), a.max(b));
    KeyRange {
        start: key(a),
        end: (b < 38).then(|| key(b)),
    }
}

fn inside(range: &KeyRange, key: &[u8]) -> bool {
    key >= range.start.as_slice() && range.end.as_ref().is_none_or(|end| key < end.as_slice())
}

/// Ascending pairs; by the bits of `odd` with one that comes twice or too late, or a long value.
fn pairs(k: u8, count: u16, odd: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |n: u16| {
        let key = [&key(k)[..], &n.to_be_bytes()].concat();
        (key, vec![n as u8; usize::from(n % 50)])
    };
    let mut pairs: Vec<_> = (0..count).map(pair).collect();
    let Some(middle) = pairs.len().checked_sub(1).map(|last| last / 2) else {
        return pairs;
    };
    if odd & 1 != 0 {
        pairs[middle].0 = pairs[0].0.clone();
    }
    if odd & 2 != 0 {
        pairs[middle / 2].1 = vec![odd; 3000];
    }
    if odd & 12 == 12 {
        pairs.rotate_left(middle);
    }
    pairs
}

impl World {
    fn new(options: TransactionOptions, level: IsolationLevel, is_counted: bool) -> Self {
        let database = Database::with(options);
        let keyspace = if is_counted {
            database.counted
        } else {
            database.plain
        };
        Self {
            database,
            keyspace,
            level,
            transaction: None,
            committed: Map::new(),
            current: Map::new(),
            savepoints: Vec::new(),
        }
    }

    fn tx(&mut self) -> &mut Transaction {
        let (manager, level) = (&self.database.manager, self.level);
        self.transaction
            .get_or_insert_with(|| manager.begin(level, Access::ReadWrite).unwrap())
    }

    fn remove(&mut self, found: Option<rustdb_txn::Entry>, expected: Option<(Vec<u8>, Vec<u8>)>) {
        let found = found.map(|(k, v)| (k.to_vec(), v.to_vec()));
        assert_eq!(found, expected);
        if let Some((key, _)) = expected {
            self.current.remove(&key);
        }
    }

    fn within(&self, range: &KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = self.current.iter().filter(|(k, _)| inside(range, k));
        entries.map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn apply(&mut self, step: &Step) {
        let ks = self.keyspace;
        match step {
            Step::Put(k, v) => {
                // Values from nothing to longer than a handle.
                let value = vec![*v; usize::from(*v % 40)];
                self.tx().put(ks, &key(*k), &value).unwrap();
                self.current.insert(key(*k), value);
            }
            Step::Delete(k) => {
                self.tx().delete(ks, &key(*k)).unwrap();
                self.current.remove(&key(*k));
            }
            Step::Fill(k) => {
                for n in 0..300u16 {
                    let key = [&key(*k)[..], &n.to_be_bytes()].concat();
                    self.tx().put(ks, &key, b"f").unwrap();
                    self.current.insert(key, b"f".to_vec());
                }
            }
            Step::PutAll(k, count, odd) => {
                let pairs = pairs(*k, *count, *odd);
                let put = self.tx().put_all(ks, pairs.iter().map(|(k, v)| (k, v)));
                assert_eq!(put.unwrap(), pairs.len() as u64);
                self.current.extend(pairs);
            }
            Step::Commit => {
                let tx = self.transaction.take();
                tx.map(|tx| tx.commit(Durability::None).unwrap());
                self.committed.clone_from(&self.current);
                self.savepoints.clear();
                self.check_committed();
            }
            Step::Rollback => {
                self.transaction = None;
                self.current.clone_from(&self.committed);
                self.savepoints.clear();
                self.check_committed();
            }
            Step::Compact => self.database.manager.engine().compact().unwrap(),
            Step::DeleteRange(a, b) => {
                let range = range(*a, *b);
                self.tx().delete_range(ks, range.clone()).unwrap();
                self.current.retain(|k, _| !inside(&range, k));
            }
            _ => self.apply_read(step),
        }
    }

    fn apply_read(&mut self, step: &Step) {
        let ks = self.keyspace;
        match step {
            Step::PopFirst => {
                let found = self.tx().pop_first(ks, &KeyRange::all()).unwrap();
                let expected = self.current.first_key_value();
                self.remove(found, expected.map(|(k, v)| (k.clone(), v.clone())));
            }
            Step::PopLast => {
                let found = self.tx().pop_last(ks, &KeyRange::all()).unwrap();
                let expected = self.current.last_key_value();
                self.remove(found, expected.map(|(k, v)| (k.clone(), v.clone())));
            }
            Step::PopSome(a, b) => {
                let range = range(*a, *b);
                for _ in 0..3 {
                    let found = self.tx().pop_first(ks, &range).unwrap();
                    let expected = self.within(&range).first().cloned();
                    self.remove(found, expected);
                }
            }
            Step::PopMany(count, ends) => self.pop_many(u32::from(*count), *ends),
            Step::Retain(n) => {
                let keep = |value: &[u8]| value.len() % 4 != usize::from(*n);
                let removed = self
                    .tx()
                    .retain(ks, KeyRange::all(), |_, v| keep(v))
                    .unwrap();
                let before = self.current.len();
                self.current.retain(|_, v| keep(v));
                assert_eq!(removed, (before - self.current.len()) as u64);
            }
            Step::Get(k) => {
                let found = self.tx().get(ks, &key(*k)).unwrap().map(|v| v.to_vec());
                assert_eq!(found.as_ref(), self.current.get(&key(*k)));
            }
            Step::First(a, b) | Step::Last(a, b) | Step::Scan(a, b) => {
                let range = range(*a, *b);
                let expected = self.within(&range);
                let tx = self.tx();
                let shown =
                    |entry: Option<rustdb_txn::Entry>| entry.map(|(k, v)| (k.to_vec(), v.to_vec()));
                match step {
                    Step::First(..) => {
                        let found = shown(tx.first(ks, range).unwrap());
                        assert_eq!(found, expected.first().cloned());
                    }
                    Step::Last(..) => {
                        let found = shown(tx.last(ks, range).unwrap());
                        assert_eq!(found, expected.last().cloned());
                    }
                    _ => {
                        let found = scan_both_ways(tx, ks, &range).into_iter().collect();
                        assert_same(&found, &expected.into_iter().collect());
                    }
                }
            }
            _ => self.apply_savepoint(step),
        }
    }

    /// Pops from one end or the other, by the bits of `ends`.
    fn pop_many(&mut self, count: u32, ends: u8) {
        let (ks, all) = (self.keyspace, KeyRange::all());
        for n in 0..count {
            let is_last = ends.rotate_left(n) & 1 == 1;
            let found = match is_last {
                false => self.tx().pop_first(ks, &all).unwrap(),
                true => self.tx().pop_last(ks, &all).unwrap(),
            };
            let expected = match is_last {
                false => self.current.first_key_value(),
                true => self.current.last_key_value(),
            };
            let expected = expected.map(|(k, v)| (k.clone(), v.clone()));
            self.remove(found, expected);
        }
    }

    fn apply_savepoint(&mut self, step: &Step) {
        let count = self.savepoints.len().max(1);
        match step {
            Step::Savepoint => {
                let savepoint = (self.tx().savepoint(), self.current.clone());
                self.savepoints.push(savepoint);
            }
            Step::RollbackTo(n) => {
                let at = usize::from(*n) % count;
                if let Some((id, map)) = self.savepoints.get(at).cloned() {
                    self.tx().rollback_to(id).unwrap();
                    self.current = map;
                    self.savepoints.truncate(at + 1);
                }
            }
            Step::Release(n) => {
                let at = usize::from(*n) % count;
                if let Some((id, _)) = self.savepoints.get(at).cloned() {
                    self.tx().release(id).unwrap();
                    self.savepoints.truncate(at);
                }
            }
            other => unreachable!("{other:?} is applied elsewhere"),
        }
    }

    /// What everybody sees, and the count.
    fn check_committed(&self) {
        let manager = &self.database.manager;
        let tx = manager
            .begin(IsolationLevel::Snapshot, Access::ReadOnly)
            .unwrap();
        let found: Map = scan_both_ways(&tx, self.keyspace, &KeyRange::all())
            .into_iter()
            .collect();
        assert_same(&found, &self.committed);
        if self.keyspace.is_counted {
            let at = ReadAt::Snapshot(tx.snapshot());
            let count = manager.engine().len(self.keyspace.id, at).unwrap();
            assert_eq!(count, self.committed.len() as u64);
        }
    }
}

/// Fails with what differs, which is easier to read than two maps of hundreds of keys.
fn assert_same(found: &Map, expected: &Map) {
    let less = |a: &Map, b: &Map| {
        let only = a.iter().filter(|(k, v)| b.get(*k) != Some(v));
        let count = only.clone().count();
        let first: Vec<_> = only.take(3).map(|(k, v)| (k.clone(), v.clone())).collect();
        (count, first)
    };
    let (extra, missing) = (less(found, expected), less(expected, found));
    assert_eq!(
        (extra.0, missing.0),
        (0, 0),
        "extra {extra:?}, missing {missing:?}"
    );
}

/// The entries of a range; forward, backward and from both ends agree.
fn scan_both_ways(tx: &Transaction, ks: KeyspaceRef, range: &KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut forward = Vec::new();
    let mut scan = tx.scan(ks, range.clone()).unwrap();
    while let Some((key, value)) = scan.next(tx).unwrap() {
        forward.push((key.to_vec(), value.to_vec()));
    }
    let mut backward = Vec::new();
    let mut scan = tx.scan(ks, range.clone()).unwrap();
    while let Some((key, value)) = scan.next_back(tx).unwrap() {
        backward.push((key.to_vec(), value.to_vec()));
    }
    backward.reverse();
    assert!(forward == backward, "forward and backward differ");
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    let mut scan = tx.scan(ks, range.clone()).unwrap();
    // As many that the next ones lie ready when the other end begins.
    for _ in 0..5 {
        let entry = scan.next(tx).unwrap();
        head.extend(entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
    loop {
        match scan.next(tx).unwrap() {
            Some((key, value)) => head.push((key.to_vec(), value.to_vec())),
            None => break,
        }
        match scan.next_back(tx).unwrap() {
            Some((key, value)) => tail.push((key.to_vec(), value.to_vec())),
            None => break,
        }
    }
    tail.reverse();
    head.extend(tail);
    assert!(forward == head, "both ends at once differ from one");
    let visited = visited(tx, ks, range);
    let agree = |((key, value), (shown, seen)): (&(Vec<u8>, Vec<u8>), &Visited)| {
        value == seen && shown.as_ref().is_none_or(|shown| shown == key)
    };
    assert!(
        forward.len() == visited.len() && forward.iter().zip(&visited).all(agree),
        "visits differ from steps"
    );
    forward
}

/// A value, and its key if that was shown too.
type Visited = (Option<Vec<u8>>, Vec<u8>);

/// The values of a range, shown in stretches with single steps between.
fn visited(tx: &Transaction, ks: KeyspaceRef, range: &KeyRange) -> Vec<Visited> {
    let mut found = Vec::new();
    let mut scan = tx.scan(ks, range.clone()).unwrap();
    for length in [1, 2, 3, 20].into_iter().cycle() {
        let shown = scan.visit::<Error>(tx, length, |value| {
            found.push((None, value.to_vec()));
            Ok(())
        });
        let is_more = shown.unwrap() == length;
        match scan.next(tx).unwrap() {
            Some((key, value)) => {
                assert!(is_more, "a visit ended before the end");
                found.push((Some(key.to_vec()), value.to_vec()));
            }
            None => break,
        }
    }
    found
}

#[test]
fn a_walk_in_a_table_sees_what_is_written_ahead_and_goes_on_after_it() {
    let database = Database::new();
    let (manager, ks) = (&database.manager, database.plain);
    let key = |n: u32| n.to_be_bytes();
    let mut tx = begin(&database);
    (0..1000).for_each(|n| tx.put(ks, &key(n), b"old").unwrap());
    tx.commit(Durability::None).unwrap();
    manager.engine().compact().unwrap();
    let tx = &mut begin(&database);

    let mut scan = tx.scan(ks, KeyRange::all()).unwrap();
    let mut expect = |tx: &Transaction, n: u32, value: &[u8]| {
        let (found, shown) = scan.next(tx).unwrap().expect("not at the end");
        assert_eq!((&*found, &*shown), (&key(n)[..], value));
    };
    (0..20).for_each(|n| expect(tx, n, b"old"));
    let savepoint = tx.savepoint();
    tx.delete(ks, &key(20)).unwrap();
    tx.put(ks, &key(22), b"new").unwrap();
    tx.put(ks, &key(3), b"behind").unwrap();
    expect(tx, 21, b"old");
    expect(tx, 22, b"new");
    (23..40).for_each(|n| expect(tx, n, b"old"));
    tx.rollback_to(savepoint).unwrap();
    (40..60).for_each(|n| expect(tx, n, b"old"));
    tx.delete_range(
        ks,
        KeyRange::bounds(Bound::Included(&key(60)), Bound::Excluded(&key(90))),
    )
    .unwrap();
    (90..1000).for_each(|n| expect(tx, n, b"old"));
    assert!(scan.next(tx).unwrap().is_none());
}

fn begin(database: &Database) -> Transaction {
    let manager = &database.manager;
    manager
        .begin(IsolationLevel::Snapshot, Access::ReadWrite)
        .unwrap()
}

fn check(steps: &[Step], bytes: usize, level: IsolationLevel, is_counted: bool) {
    let options = TransactionOptions {
        write_set_bytes_max: bytes,
        ..Default::default()
    };
    let mut world = World::new(options, level, is_counted);
    for step in steps {
        world.apply(step);
    }
    world.apply(&Step::Commit);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn transaction_in_memory_behaves_like_a_map(
        steps in prop::collection::vec(step(), 0..80), is_counted: bool, serializable: bool,
    ) {
        let level = match serializable {
            true => IsolationLevel::Serializable,
            false => IsolationLevel::Snapshot,
        };
        check(&steps, usize::MAX, level, is_counted);
    }

    #[test]
    fn spilling_transaction_behaves_like_a_map(
        steps in prop::collection::vec(step(), 0..60), is_counted: bool, budget in 1..4096usize,
    ) {
        check(&steps, budget.max(400), IsolationLevel::Snapshot, is_counted);
    }

    #[test]
    fn locking_transaction_behaves_like_a_map(
        steps in prop::collection::vec(step(), 0..60), is_counted: bool,
    ) {
        check(&steps, usize::MAX, IsolationLevel::ReadCommitted, is_counted);
    }
}
