//! The values of sequences, which no transaction takes back.
//!
//! A value is taken in memory. What is stored runs ahead: after every [`VALUES_LOGGED`] values the
//! state that will hold after as many more is written, outside of any transaction. A crash skips
//! at most those; a clean close writes what was really taken. Nothing is synced for it: a commit
//! that uses a value comes after it in the log.
//!
//! An entry is keyed by [`Sequence::storage`], not by the sequence: RESTART takes a new number,
//! and so can be rolled back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustdb_txn::{
    Access, Durability, IsolationLevel, KeyRange, KeyspaceRef, StorageError, TransactionManager,
};
use rustdb_types::{Oid, SqlState};
use rustdb_vfs::sync::Mutex;

use crate::descriptor::{Object, Sequence};
use crate::error::{Error, Result};
use crate::snapshot::Catalog;

/// Values that are logged ahead.
const VALUES_LOGGED: u32 = 32;

/// The values of all sequences.
#[derive(Debug)]
pub struct Sequences {
    manager: TransactionManager,
    keyspace: KeyspaceRef,
    states: Mutex<HashMap<Oid, Arc<Mutex<Option<State>>>>>,
}

/// Where a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    last: i64,
    /// Whether `last` was given out; if not it is the next value.
    is_called: bool,
    /// Values that may be taken before the log has to be written.
    logged: u32,
}

impl Sequences {
    pub(crate) fn new(manager: TransactionManager, keyspace: KeyspaceRef) -> Sequences {
        Sequences {
            manager,
            keyspace,
            states: Mutex::default(),
        }
    }

    /// `nextval`.
    pub fn next(&self, sequence: &Sequence) -> Result<i64> {
        self.next_block(sequence, 1).map(|(first, _)| first)
    }

    /// Takes up to `count` values at once: the first, and how many there are, one increment
    /// apart. There are fewer where the sequence ends.
    pub fn next_block(&self, sequence: &Sequence, count: u32) -> Result<(i64, u32)> {
        self.with_state(sequence, |state| {
            let (first, _) = state.after(sequence)?;
            let mut taken = 0;
            while taken < count.max(1) {
                let (value, has_wrapped) = match state.after(sequence) {
                    Ok(next) => next,
                    Err(_) if taken > 0 => break,
                    Err(error) => return Err(error),
                };
                if taken > 0 && has_wrapped {
                    break;
                }
                if state.logged == 0 || has_wrapped {
                    // NB: from the state before, so that it is ahead of what is taken now.
                    state.last = value;
                    state.is_called = true;
                    self.log_ahead(sequence, state)?;
                } else {
                    state.logged -= 1;
                }
                state.last = value;
                state.is_called = true;
                taken += 1;
            }
            Ok((first, taken))
        })
    }

    /// `setval`.
    pub fn set(&self, sequence: &Sequence, value: i64, is_called: bool) -> Result<()> {
        let (least, greatest) = (sequence.minimum, sequence.maximum);
        if !(least..=greatest).contains(&value) {
            return Err(Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({least}..{greatest})",
                    sequence.name
                ),
            ));
        }
        self.with_state(sequence, |state| {
            let new = State {
                last: value,
                is_called,
                logged: 0,
            };
            self.write(sequence.storage, new)?;
            *state = new;
            Ok(())
        })
    }

    /// The last value that was taken and whether one was: `last_value` and `is_called`.
    pub fn state(&self, sequence: &Sequence) -> Result<(i64, bool)> {
        self.with_state(sequence, |state| Ok((state.last, state.is_called)))
    }

    /// Begins a new storage at a value that was not taken yet.
    pub(crate) fn begin_at(&self, storage: Oid, value: i64) -> Result<()> {
        let state = State {
            last: value,
            is_called: false,
            logged: 0,
        };
        self.write(storage, state)
    }

    /// Forgets a value, as far as that can be done now; the rest is done at the next opening.
    pub(crate) fn forget(&self, storage: Oid) {
        self.states.lock().remove(&storage);
        let key = storage.0.to_be_bytes();
        let _is_done_later = self
            .manager
            .delete(self.keyspace, &key, Durability::None)
            .is_err();
    }

    /// Removes the values of sequences that are not in the catalog.
    pub(crate) fn remove_orphans(&self, catalog: &Catalog) -> Result<()> {
        let used: HashSet<[u8; 4]> = catalog
            .objects()
            .into_iter()
            .filter_map(|object| match object {
                Object::Sequence(sequence) => Some(sequence.storage.0.to_be_bytes()),
                _ => None,
            })
            .collect();
        let reader = self
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadOnly)?;
        let mut entries = reader.scan(self.keyspace, KeyRange::all())?;
        while let Some((key, _)) = entries.next(&reader)? {
            if !used.iter().any(|used| used[..] == *key) {
                match self.manager.delete(self.keyspace, &key, Durability::None) {
                    Ok(_) | Err(rustdb_txn::Error::Storage(StorageError::ReadOnly)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Writes what was really taken, so that nothing is skipped when the database is opened again.
    pub fn give_back(&self) {
        for (storage, state) in self.states.lock().iter() {
            if let Some(state) = &mut *state.lock()
                && state.logged > 0
            {
                state.logged = 0;
                let _is_skipped = self.write(*storage, *state).is_err();
            }
        }
    }

    fn with_state<R>(
        &self,
        sequence: &Sequence,
        body: impl FnOnce(&mut State) -> Result<R>,
    ) -> Result<R> {
        let slot = self
            .states
            .lock()
            .entry(sequence.storage)
            .or_default()
            .clone();
        let mut slot = slot.lock();
        let state = match &mut *slot {
            Some(state) => state,
            empty => empty.insert(self.read(sequence)?),
        };
        let before = *state;
        let result = body(state);
        if result.is_err() {
            *state = before;
        }
        result
    }

    fn read(&self, sequence: &Sequence) -> Result<State> {
        let reader = self
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadOnly)?;
        let key = sequence.storage.0.to_be_bytes();
        match reader.get(self.keyspace, &key)? {
            Some(bytes) => State::decode(&bytes),
            None => Ok(State {
                last: sequence.start,
                is_called: false,
                logged: 0,
            }),
        }
    }

    /// Logs the state that will hold [`VALUES_LOGGED`] values after this one.
    fn log_ahead(&self, sequence: &Sequence, state: &mut State) -> Result<()> {
        let mut ahead = *state;
        ahead.logged = 0;
        let mut logged = 0;
        while logged < VALUES_LOGGED {
            match ahead.after(sequence) {
                Ok((next, false)) => ahead.last = next,
                Ok((_, true)) | Err(_) => break,
            }
            logged += 1;
        }
        self.write(sequence.storage, ahead)?;
        state.logged = logged;
        Ok(())
    }

    fn write(&self, storage: Oid, state: State) -> Result<()> {
        let key = storage.0.to_be_bytes();
        self.manager
            .put(self.keyspace, &key, &state.encode(), Durability::Buffered)?;
        Ok(())
    }
}

impl Drop for Sequences {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl State {
    /// The next value, and whether the sequence began again for it.
    fn after(&self, sequence: &Sequence) -> Result<(i64, bool)> {
        if !self.is_called {
            return Ok((self.last, false));
        }
        let next = self.last.checked_add(sequence.increment);
        let is_upwards = sequence.increment > 0;
        let next = next.filter(|next| match is_upwards {
            true => *next <= sequence.maximum,
            false => *next >= sequence.minimum,
        });
        match next {
            Some(next) => Ok((next, false)),
            None if sequence.cycle && is_upwards => Ok((sequence.minimum, true)),
            None if sequence.cycle => Ok((sequence.maximum, true)),
            None => {
                let (end, limit) = match is_upwards {
                    true => ("maximum", sequence.maximum),
                    false => ("minimum", sequence.minimum),
                };
                Err(Error::new(
                    SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
                    format!(
                        "nextval: reached {end} value of sequence \"{}\" ({limit})",
                        sequence.name
                    ),
                ))
            }
        }
    }

    /// `version 1 | last (8 bytes) | is called`.
    fn encode(self) -> [u8; 10] {
        let mut out = [1; 10];
        out[1..9].copy_from_slice(&self.last.to_le_bytes());
        out[9] = u8::from(self.is_called);
        out
    }

    fn decode(bytes: &[u8]) -> Result<State> {
        let damaged = || Error::corrupted("value of a sequence");
        let bytes: &[u8; 10] = bytes.try_into().map_err(|_| damaged())?;
        let (version, rest) = (bytes[0], &bytes[1..]);
        let (last, is_called) = rest.split_first_chunk().ok_or_else(damaged)?;
        match (version, is_called) {
            (1, [is_called @ (0 | 1)]) => Ok(State {
                last: i64::from_le_bytes(*last),
                is_called: *is_called == 1,
                logged: 0,
            }),
            _ => Err(damaged()),
        }
    }
}
