//! The way back.

use super::{
    Edge, EntryCursor, Passed, Position, STEPS_BEFORE_SEEK, VisibleIter, copy, is_hidden,
    newest_covering,
};
use crate::error::Result;
use crate::key::SequenceNumber;

impl<C: EntryCursor> VisibleIter<C> {
    /// Walks back from the current entry of the merge to the last key that is seen. From there to
    /// `edge` there is nothing.
    pub(super) fn settle_backward(&mut self, edge: Edge<'_>) -> Result<()> {
        self.stretch.begin();
        while self.merge.valid() && *self.merge.key() >= *self.bounds.lower {
            if self.covered >= STEPS_BEFORE_SEEK && self.jump_backward()? {
                continue;
            }
            copy(self.merge.key(), &mut self.key);
            let Some(entry) = self.pass_key_backward()? else {
                continue;
            };
            if !self.is_covered(entry.seq)?
                && !is_hidden(entry.kind, || &entry.value, self.now_micros)
            {
                self.position = Position::Passed(entry);
                break;
            }
            self.note_hidden(entry.kind);
            if self.stretch.is_new() {
                self.jump_empty_backward(edge)?;
            }
        }
        self.end_stretch_backward();
        Ok(())
    }

    /// Walks back past all entries of `self.key`, of which the merge is on the oldest, and returns
    /// the newest that is not above `at`.
    fn pass_key_backward(&mut self) -> Result<Option<Passed>> {
        let mut newest = None;
        let mut steps = 0;
        while self.is_on_key() && self.merge.seq() <= self.at {
            if steps == STEPS_BEFORE_SEEK {
                self.stretch.doubt();
                self.merge.seek(&self.key, self.at)?;
                newest = Some(self.current());
                self.merge.seek_before(&self.key)?;
                return Ok(newest);
            }
            self.passed += u64::from(newest.is_some() && self.merge.top() == 0);
            newest = Some(self.current());
            self.merge.prev()?;
            steps += 1;
        }
        while self.is_on_key() {
            self.stretch.doubt();
            if steps == STEPS_BEFORE_SEEK {
                self.merge.retreat_before(&self.key)?;
                break;
            }
            self.merge.prev()?;
            steps += 1;
        }
        Ok(newest)
    }

    fn is_on_key(&self) -> bool {
        self.merge.valid() && self.merge.key() == self.key
    }

    fn current(&self) -> Passed {
        Passed {
            seq: self.merge.seq(),
            kind: self.merge.kind(),
            value: self.merge.value_slice(),
        }
    }

    /// Whether a range tombstone covers an entry of `self.key`.
    fn is_covered(&mut self, seq: SequenceNumber) -> Result<bool> {
        if self.covers.is_empty() {
            return Ok(false);
        }
        let covering = newest_covering(&mut self.covers, &self.key)?;
        let is_covered = covering.is_some_and(|covering| covering.seq > seq);
        self.covered = if is_covered { self.covered + 1 } else { 0 };
        Ok(is_covered)
    }

    /// Moves the source whose turn it is to before the range tombstone it is under, if it has
    /// only older entries.
    fn jump_backward(&mut self) -> Result<bool> {
        let Some(covering) = newest_covering(&mut self.covers, self.merge.key())? else {
            return Ok(false);
        };
        if covering.seq <= self.max_seqs[self.merge.top()] {
            return Ok(false);
        }
        if *covering.start <= *self.bounds.lower {
            self.merge.drop_top();
        } else {
            self.merge.jump_top(covering.start)?;
        }
        Ok(true)
    }
}
