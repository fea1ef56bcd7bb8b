//! Committing what a walk has taken out of the snapshot: as deleted ranges where nobody else writes,
//! and as a deletion of each key elsewhere.

use super::{Commit, HOLE_DELETES_MIN, HOLE_RANGES_MAX};
use crate::error::Result;
use crate::transaction::Transaction;
use crate::write_set::{NEVER, TakenSpace, Write};

impl Transaction {
    /// Spells out what was taken if it cannot be committed as it is: many ranges, or short ones, next
    /// to files, or in a keyspace that others write to. The write set must be flat, and stays so.
    pub(super) fn settle_taken(&mut self) -> Result<()> {
        let snapshot = self.snapshot.sequence();
        let slots = &self.shared.checks.slots;
        let writes = self.writes.get_mut();
        let is_long = |space: &TakenSpace| {
            let ranges = space.ranges().len();
            ranges <= HOLE_RANGES_MAX && space.keys() >= (ranges * HOLE_DELETES_MIN) as u64
        };
        let mut spaces = writes.taken().spaces().iter();
        let can_stay = !writes.is_spilled()
            && spaces
                .all(|(keyspace, space)| is_long(space) && slots.newest_in(*keyspace) <= snapshot);
        match can_stay || writes.taken().is_empty() {
            true => Ok(()),
            false => self.spell_out_taken(),
        }
    }

    /// Writes a deletion of each key that was taken. The write set must be flat, and stays so.
    pub(super) fn spell_out_taken(&mut self) -> Result<()> {
        let taken = self.writes.get_mut().give_up_taken();
        for (keyspace, space) in taken.spaces() {
            for (start, end) in space.ranges().iter() {
                let writes = self.writes.get_mut();
                let is_bare = writes.next_written(*keyspace, start, end)?.is_none();
                let mut keys = self.iterate_before(*keyspace, start, end)?;
                while keys.advance()? {
                    // What the transaction wrote there came later.
                    let writes = self.writes.get_mut();
                    if !is_bare && writes.find(*keyspace, keys.key())?.is_some() {
                        continue;
                    }
                    self.make_room()?;
                    let deletion = Write {
                        value: None,
                        expiry: NEVER,
                        is_checked: true,
                        existed: Some(true),
                    };
                    let writes = self.writes.get_mut();
                    writes.write(*keyspace, keys.key(), deletion);
                    self.charge_writes();
                }
            }
        }
        self.writes.get_mut().flatten(&self.shared.engine)?;
        Ok(())
    }
}

impl Commit<'_> {
    /// Adds what was taken to what is written, and requires that nobody else writes there.
    pub(super) fn add_taken(&mut self) {
        for (keyspace, space) in self.writes.taken().spaces() {
            for (start, end) in space.ranges().iter() {
                self.footprint.add_range(*keyspace, start, end);
            }
            if !self.quiet.contains(keyspace) {
                self.quiet.push(*keyspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rustdb_storage::KeyspaceId;
    use rustdb_storage::engine::{Durability, Engine, EngineOptions};
    use rustdb_vfs::MemVfs;

    use crate::{Access, IsolationLevel, KeyRange, TransactionManager, TransactionOptions};

    /// Others may write after the last look outside of the pipeline.
    #[test]
    fn a_key_that_is_put_just_before_the_commit_is_noticed_and_stays() {
        let engine = Engine::open(
            Arc::new(MemVfs::new()),
            Path::new("/db"),
            EngineOptions::default(),
        );
        let manager = TransactionManager::new(engine.unwrap(), TransactionOptions::default());
        let (ks, none) = (manager.keyspace(KeyspaceId::DEFAULT), Durability::None);
        for n in 0..1000u16 {
            let key = (2 * n).to_be_bytes();
            manager.put(ks, &key, b"old", none).unwrap();
        }
        let begin = || manager.begin(IsolationLevel::Snapshot, Access::ReadWrite);
        let mut tx = begin().unwrap();
        for _ in 0..700 {
            tx.pop_first(ks, &KeyRange::all()).unwrap();
        }
        tx.end_popping();
        tx.writes.get_mut().flatten(&tx.shared.engine).unwrap();
        tx.settle_taken().unwrap();
        assert!(!tx.writes().taken().is_empty(), "nobody else has written");

        manager
            .put(ks, &1201u16.to_be_bytes(), b"new", none)
            .unwrap();
        assert_eq!(tx.commit_flat(none).unwrap(), None);
        tx.spell_out_taken().unwrap();
        assert!(tx.writes().taken().is_empty());
        assert!(tx.commit_flat(none).unwrap().is_some());
        drop(tx);

        let tx = begin().unwrap();
        let (first, _) = tx.first(ks, KeyRange::all()).unwrap().unwrap();
        assert_eq!(*first, 1201u16.to_be_bytes());
        let range = KeyRange::prefix(&[]);
        let mut scan = tx.scan(ks, range).unwrap();
        let rest = std::iter::from_fn(|| scan.next(&tx).unwrap());
        assert_eq!(rest.count(), 301);
    }
}
