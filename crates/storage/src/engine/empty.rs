//! What walks find to be empty.

use std::sync::atomic::Ordering;

use crate::engine::Inner;
use crate::engine::iterator::sources;
use crate::error::Result;
use crate::iter::{Bounds, Unseen, VisibleIter};
use crate::key::SequenceNumber;

impl Inner {
    /// Remembers a range that a walk has found to be empty, unless a commit is being applied.
    #[cold]
    pub(super) fn note_unseen(&self, unseen: &Unseen) {
        let (start, end) = (&unseen.start, &unseen.end);
        // NB: nothing is applied while it is held. What is visible then is all there is.
        let Some(writer) = self.writer.try_lock() else {
            return;
        };
        let visible = self.visible.load(Ordering::Acquire);
        if unseen.at == visible {
            self.empty.add(start, end, visible);
            return;
        }
        // Later commits may have put something there.
        let claim = self.empty.claim(start, end);
        drop(writer);
        if let Some(claim) = claim {
            // An error is told to who reads there; here it proves nothing.
            let proof = self.empty_from(start, end).ok().flatten();
            let empty = proof.as_ref().map(|(at, end)| (*at, &**end));
            self.empty.settle(claim, empty);
        }
    }

    /// Until where, at most `end`, a reader sees nothing from `start` on, and what it reads at.
    /// `None` if that may change without a commit.
    fn empty_from(&self, start: &[u8], end: &[u8]) -> Result<Option<(SequenceNumber, Vec<u8>)>> {
        let super_version = self.super_version.load_full();
        // NB: after the super version was loaded, never before.
        let at = self.visible.load(Ordering::Acquire);
        let bounds = Bounds {
            lower: start.to_vec(),
            upper: Some(end.to_vec()),
        };
        let sources = sources(&super_version, at, &bounds);
        let now = self.vfs.wall_micros();
        let mut visible = VisibleIter::new(sources, bounds, at, now).around(&self.empty);
        visible.seek_to_first()?;
        if visible.has_passed_doubtful() {
            return Ok(None);
        }
        let end = if visible.valid() { visible.key() } else { end };
        Ok(Some((at, end.to_vec())))
    }
}

#[cfg(test)]
mod tests;
