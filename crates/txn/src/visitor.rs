//! Who looks at the values of a scan without taking them along.

use std::sync::Arc;

use crate::Error;
use rustdb_storage::cache::Derived;
use rustdb_storage::engine::EngineIter;
use rustdb_storage::table::SegmentAhead;

/// Who is shown the values of a [`Scan`](crate::Scan), in their order.
pub trait Visitor<E> {
    /// The next value.
    fn value(&mut self, value: &[u8]) -> std::result::Result<(), E>;

    /// Whether to be shown [entries](Visitor::entry) in place of values.
    fn wants_keys(&self) -> bool {
        false
    }

    /// The next key and its value.
    fn entry(&mut self, key: &[u8], value: &[u8]) -> std::result::Result<(), E> {
        let _ = key;
        self.value(value)
    }

    /// Whether to be told about segments.
    fn wants_segments(&self) -> bool {
        false
    }

    /// What comes next is a segment of a table, all of which is seen as far as `ahead` tells. The
    /// visitor may have kept what it needs of its values, or keep it now; then it takes as many of the
    /// next values as it wants, at most `values_max`, from that. If it takes none it is shown them.
    fn segment(
        &mut self,
        ahead: &SegmentAhead,
        values_max: usize,
    ) -> std::result::Result<Option<Taken>, E> {
        let _ = (ahead, values_max);
        Ok(None)
    }
}

/// What a [`Visitor`] has taken of a segment.
#[derive(Debug)]
pub struct Taken {
    /// What it kept for the segment.
    pub derived: Arc<Derived>,
    /// How many values, at least one.
    pub values: usize,
}

/// A visitor that takes values one by one.
pub(crate) struct OneByOne<F>(pub(crate) F);

impl<E, F: FnMut(&[u8]) -> std::result::Result<(), E>> Visitor<E> for OneByOne<F> {
    #[inline]
    fn value(&mut self, value: &[u8]) -> std::result::Result<(), E> {
        (self.0)(value)
    }
}

/// Lets a visitor take what it can of the segment that lies ahead, if there is one. Returns how many
/// entries were passed.
pub(crate) fn take_segment<E: From<Error>, V: Visitor<E>>(
    iterator: &mut EngineIter,
    entries_max: usize,
    visitor: &mut V,
) -> std::result::Result<usize, E> {
    if !visitor.wants_segments() || visitor.wants_keys() {
        return Ok(0);
    }
    let Some(ahead) = iterator.segment_ahead() else {
        return Ok(0);
    };
    let Some(taken) = visitor.segment(&ahead, entries_max)? else {
        return Ok(0);
    };
    let ahead_of_it = ahead.values(&taken.derived).len().min(entries_max);
    if taken.values == 0 || taken.values > ahead_of_it {
        return Err(Error::InvalidArgument("so many values are not ahead".into()).into());
    }
    iterator
        .pass_segment(&ahead, &taken.derived, taken.values)
        .map_err(Error::from)?;
    Ok(taken.values)
}
