//! Whole stretches of a table at a time.

use super::{EntryCursor, Position, VisibleIter};
use crate::cache::Derived;
use crate::error::Result;
use crate::table::SegmentAhead;

impl<C: EntryCursor> VisibleIter<C> {
    /// The segment of a table that lies ahead, as far as it is known that all of it is seen. Each is
    /// told once; again after some of it was passed.
    pub fn segment_ahead(&mut self) -> Option<SegmentAhead> {
        let is_plain = matches!(self.position, Position::Merge) && self.covers.is_empty();
        if !is_plain || self.merge.top() != self.last_top {
            return None;
        }
        let limit = self.bounds.upper.as_deref();
        self.merge.segment_ahead(limit, self.at)
    }

    /// Goes past the next `taken` keys, at least one, of the segment that lies ahead, and stands on
    /// the last of them.
    pub fn pass_segment(
        &mut self,
        ahead: &SegmentAhead,
        derived: &Derived,
        taken: usize,
    ) -> Result<()> {
        self.plain_ahead = 0;
        let passed = self.merge.pass_to_in_top(ahead.place_after(derived, taken));
        if passed.is_err() {
            self.leave();
        }
        passed
    }
}
