//! Entries taken one after the other, forward.

use std::fmt;

use crate::engine::EngineIter;
use crate::error::Result;
use crate::key::KEYSPACE_BYTES;
use crate::slice::Slice;
use crate::table::PlainRun;

/// An iterator that gives out keys and values to keep, forward.
///
/// Where the next entries of a block are known to be seen they are taken from the block, and the
/// iterator stays behind until someone wants to know where it is.
pub struct Entries {
    /// On the last entry that was given out, or before it by those of `taken`.
    iter: EngineIter,
    run: Option<PlainRun>,
    /// How many were taken from `run`.
    taken: usize,
}

impl Entries {
    /// The entries from where the iterator stands on.
    pub fn new(iter: EngineIter) -> Self {
        Self {
            iter,
            run: None,
            taken: 0,
        }
    }

    /// The next key and its value. After an error the walk cannot go on.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<(Slice, Slice)>> {
        if self.has_ready() {
            return Ok(Some(self.take_ready()));
        }
        self.next_of_iter()
    }

    /// Whether the next entry can be taken as it is.
    #[inline]
    pub fn has_ready(&self) -> bool {
        self.run.as_ref().is_some_and(PlainRun::has_next)
    }

    /// The next key and its value.
    ///
    /// # Panics
    ///
    /// If [`Entries::has_ready`] does not hold.
    #[inline]
    pub fn take_ready(&mut self) -> (Slice, Slice) {
        self.taken += 1;
        let run = self.run.as_mut().expect("an entry is ready");
        run.take::<KEYSPACE_BYTES>()
    }

    fn next_of_iter(&mut self) -> Result<Option<(Slice, Slice)>> {
        let iter = self.iterator()?;
        if !iter.advance()? {
            return Ok(None);
        }
        let entry = (Slice::copy_from(iter.key()), iter.value()?);
        self.look_ahead();
        Ok(Some(entry))
    }

    /// Finds out which entries after the one that the iterator is on can be taken as they are.
    pub fn look_ahead(&mut self) {
        assert_eq!(self.taken, 0, "the iterator is behind");
        self.run = self.iter.plain_run();
    }

    /// The iterator, on the entry that was given out last.
    pub fn iterator(&mut self) -> Result<&mut EngineIter> {
        self.run = None;
        match std::mem::take(&mut self.taken) {
            0 => {}
            taken => self.iter.pass_run(taken)?,
        }
        Ok(&mut self.iter)
    }

    /// When the entry that was given out last expires, in microseconds since the Unix epoch, if it
    /// does.
    ///
    /// # Panics
    ///
    /// If there was none.
    pub fn expiry(&self) -> Option<u64> {
        // What is taken from a run does not expire.
        if self.taken > 0 {
            return None;
        }
        self.iter.expiry()
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("iter", &self.iter)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
