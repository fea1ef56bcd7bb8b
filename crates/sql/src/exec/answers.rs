//! Results of subqueries that do not depend on outer rows, for the threads of a statement.
//!
//! A thread that needs one that is not there works it out, and the others that need it wait: what
//! costs a scan is not done once for each of them. Each thread keeps a copy of what it has used
//! ([`Memory::results`](super::Memory::results)).

use std::sync::Arc;

use rustdb_types::Value;
use rustdb_vfs::sync::Mutex;

use super::context::Memory;
use super::spill::Kept;
use crate::error::Result;

/// A result, once it is known.
type Answer<T> = Mutex<Option<T>>;

/// What the threads of a statement have found, by the numbers of the subqueries.
#[derive(Debug)]
pub(crate) struct Answers {
    values: Box<[Answer<Value>]>,
    rows: Box<[Answer<Arc<Kept>>]>,
}

impl Answers {
    /// What is known in a thread, for others that it starts.
    pub(super) fn of(memory: &Memory) -> Arc<Answers> {
        if let Some(answers) = &memory.answers {
            return answers.clone();
        }
        Arc::new(Answers {
            values: memory.results.iter().cloned().map(Mutex::new).collect(),
            rows: memory.rows.iter().cloned().map(Mutex::new).collect(),
        })
    }

    /// How many subqueries there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value with a number, found by `find` unless a thread has done that.
    pub(super) fn value(&self, slot: usize, find: impl FnOnce() -> Result<Value>) -> Result<Value> {
        known_or(&self.values[slot], find)
    }

    /// The same for rows.
    pub(super) fn rows(
        &self,
        slot: usize,
        find: impl FnOnce() -> Result<Arc<Kept>>,
    ) -> Result<Arc<Kept>> {
        known_or(&self.rows[slot], find)
    }
}

/// A query within another one has a number of its own, so that nobody waits for himself.
fn known_or<T: Clone>(answer: &Answer<T>, find: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut answer = answer.lock();
    match &*answer {
        Some(known) => Ok(known.clone()),
        None => Ok(answer.insert(find()?).clone()),
    }
}
