//! Stretches of entries that are not seen: going around those that are known, and finding new ones.

use super::{EntryCursor, VisibleIter, copy};
use crate::error::Result;
use crate::key::{EntryKind, MAX_SEQUENCE, SequenceNumber};

/// Fewer entries in a row that are not seen are not worth to be remembered.
const STEPS_MIN: u32 = 16;

/// Entries in a row that were not seen.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// How many were stepped past.
    steps: u32,
    /// Some of them may be seen by later readers, or only by the clock they are not.
    is_doubtful: bool,
    /// Whether a known range was looked for where the stretch begins.
    has_begun: bool,
    /// Where it begins: the first key, or on the way back the first key after it.
    edge: Vec<u8>,
    /// The end of a known range.
    jump: Vec<u8>,
    /// The longest one.
    longest: Option<Box<Unseen>>,
}

/// A range of keys of which a reader has seen none, and has passed many entries for that.
#[derive(Debug)]
pub struct Unseen {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after it.
    pub end: Vec<u8>,
    /// What the reader read at.
    pub at: SequenceNumber,
    steps: u32,
}

/// Where a walk begins, so that there is nothing from there to the first entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge<'a> {
    /// At the iterator's bound.
    Bound,
    /// At a key within the bounds.
    Key(&'a [u8]),
    /// At the first entry, for all that is known.
    Here,
}

impl Stretch {
    #[inline]
    pub fn begin(&mut self) {
        self.steps = 0;
        self.is_doubtful = false;
        self.has_begun = false;
    }

    /// Whether nothing was passed yet.
    pub fn is_new(&self) -> bool {
        !self.has_begun
    }

    /// What is passed may be seen by a reader that comes later.
    #[inline]
    pub fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    fn is_long(&self) -> bool {
        let longest = self.longest.as_ref().map_or(0, |longest| longest.steps);
        self.steps >= STEPS_MIN && !self.is_doubtful && self.steps > longest
    }
}

impl<C: EntryCursor> VisibleIter<C> {
    /// The longest range that was walked without seeing a key, if that was long.
    pub fn take_unseen(&mut self) -> Option<Box<Unseen>> {
        self.stretch.longest.take()
    }

    /// Whether the last step has passed entries that a reader of the same keys may see later, though
    /// nothing is written.
    pub fn has_passed_doubtful(&self) -> bool {
        self.stretch.is_doubtful
    }

    /// Goes to the first key at or after `edge`, or after the known range that it is in.
    pub(super) fn seek_from(&mut self, edge: Edge<'_>) -> Result<()> {
        let mut key = match edge {
            Edge::Key(key) => key,
            Edge::Bound | Edge::Here => &self.bounds.lower,
        };
        if let Some(empty) = &self.empty
            && empty.end_of(key, self.at, &mut self.stretch.jump)
        {
            key = &self.stretch.jump;
            if self
                .bounds
                .upper
                .as_deref()
                .is_some_and(|upper| upper <= key)
            {
                return Ok(());
            }
        }
        self.merge.seek(key, self.at)?;
        self.settle_forward(false, edge)
    }

    /// Goes to the last key below `edge`, or before the known range that is there. With
    /// [`Edge::Bound`] there must be an upper bound.
    pub(super) fn seek_below(&mut self, edge: Edge<'_>) -> Result<()> {
        let mut key = match (edge, &self.bounds.upper) {
            (Edge::Key(key), _) => key,
            (_, Some(upper)) => upper,
            (_, None) => return Ok(()),
        };
        if let Some(empty) = &self.empty
            && empty.start_of(key, self.at, &mut self.stretch.jump)
        {
            key = &self.stretch.jump;
            if *key <= *self.bounds.lower {
                return Ok(());
            }
        }
        self.merge.seek_before(key)?;
        self.settle_backward(edge)
    }

    /// Where a stretch begins: the merge, on its first entry, goes to the end of the known range
    /// that it is in. Returns whether it is in one.
    #[cold]
    pub(super) fn jump_empty(&mut self, edge: Edge<'_>) -> Result<bool> {
        let first = self.merge.key();
        self.stretch.has_begun = true;
        let edge = match edge {
            Edge::Key(key) => key,
            Edge::Bound => &self.bounds.lower,
            Edge::Here => first,
        };
        copy(edge, &mut self.stretch.edge);
        let Some(empty) = &self.empty else {
            return Ok(false);
        };
        if !empty.end_of(first, self.at, &mut self.stretch.jump) {
            return Ok(false);
        }
        self.merge.advance_to(&self.stretch.jump, MAX_SEQUENCE)?;
        Ok(true)
    }

    /// As [`VisibleIter::jump_empty`] on the way back, where the merge has passed the first key,
    /// `self.key`.
    #[cold]
    pub(super) fn jump_empty_backward(&mut self, edge: Edge<'_>) -> Result<()> {
        self.stretch.has_begun = true;
        copy(&self.key, &mut self.stretch.edge);
        self.stretch.edge.push(0);
        if let Some(empty) = &self.empty
            && empty.start_of(&self.stretch.edge, self.at, &mut self.stretch.jump)
        {
            self.merge.retreat_before(&self.stretch.jump)?;
        }
        match (edge, &self.bounds.upper) {
            (Edge::Key(key), _) => copy(key, &mut self.stretch.edge),
            (Edge::Bound, Some(upper)) => copy(upper, &mut self.stretch.edge),
            _ => {}
        }
        Ok(())
    }

    /// Counts an entry that is not seen.
    #[inline]
    pub(super) fn note_hidden(&mut self, kind: EntryKind) {
        self.stretch.steps += 1;
        // One that has expired may be seen again if the clock is set back.
        if kind.expires() && self.covered == 0 {
            self.stretch.doubt();
        }
    }

    /// A stretch ends at the current entry of the merge, or at the upper bound.
    #[inline]
    pub(super) fn end_stretch_forward(&mut self) {
        if !self.stretch.is_long() {
            return;
        }
        let end = match self.valid() {
            true => Some(self.merge.key()),
            false => self.bounds.upper.as_deref(),
        };
        if let Some(end) = end {
            self.stretch.longest = Some(Box::new(Unseen {
                start: self.stretch.edge.clone(),
                end: end.to_vec(),
                at: self.at,
                steps: self.stretch.steps,
            }));
        }
    }

    /// A stretch ends after `self.key`, or at the lower bound.
    pub(super) fn end_stretch_backward(&mut self) {
        if !self.stretch.is_long() {
            return;
        }
        let mut start = match self.valid() {
            true => self.key.clone(),
            false => self.bounds.lower.clone(),
        };
        if self.valid() {
            start.push(0);
        }
        self.stretch.longest = Some(Box::new(Unseen {
            start,
            end: self.stretch.edge.clone(),
            at: self.at,
            steps: self.stretch.steps,
        }));
    }
}
