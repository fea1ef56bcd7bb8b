//! What a serializable transaction has read: the keys and ranges that must be unchanged when it
//! commits.
//!
//! Everything is a range of storage keys. A scan reads a growing range; it keeps the present
//! extent in a [`Span`] that the read set folds in at the end, or once the scan is gone.
//!
//! Over a limit, neighbouring ranges are joined. That may invent conflicts, never hide one.

use std::sync::Arc;

use rustdb_storage::KeyspaceId;
use rustdb_vfs::sync::Mutex;

use crate::conflict::storage_range;
use crate::ranges::RangeSet;

/// Open spans beyond which the read set looks for finished ones.
const SPANS_MAX: usize = 64;

/// The reads of a transaction.
#[derive(Debug)]
pub(crate) struct ReadSet {
    ranges: RangeSet,
    ranges_max: usize,
    spans: Vec<Span>,
}

/// The part of a scan's range that it has covered so far, from both ends.
#[derive(Clone, Debug)]
pub(crate) struct Span(Arc<SpanInner>);

#[derive(Debug)]
struct SpanInner {
    keyspace: KeyspaceId,
    start: Box<[u8]>,
    end: Option<Box<[u8]>>,
    extent: Mutex<Extent>,
}

/// `[start, front)` and `[back, end)` were read.
#[derive(Debug)]
struct Extent {
    front: Vec<u8>,
    back: Option<Vec<u8>>,
    is_whole: bool,
}

impl ReadSet {
    pub(crate) fn new(ranges_max: usize) -> Self {
        Self {
            ranges: RangeSet::default(),
            ranges_max,
            spans: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.spans.is_empty()
    }

    /// Notes that a key was read.
    pub(crate) fn add_key(&mut self, keyspace: KeyspaceId, key: &[u8]) {
        let storage_key = [&keyspace.prefix(), key].concat();
        self.ranges.insert_point(&storage_key);
        self.limit();
    }

    /// Notes that a range was read.
    pub(crate) fn add_range(&mut self, keyspace: KeyspaceId, start: &[u8], end: Option<&[u8]>) {
        let (start, end) = storage_range(keyspace, start, end);
        self.ranges.insert(&start, Some(&end));
        self.limit();
    }

    /// Opens a span for a scan of this range.
    pub(crate) fn add_span(
        &mut self,
        keyspace: KeyspaceId,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Span {
        if self.spans.len() >= SPANS_MAX {
            self.fold_finished();
        }
        let extent = Extent {
            front: start.to_vec(),
            back: end.map(<[u8]>::to_vec),
            is_whole: false,
        };
        let span = Span(Arc::new(SpanInner {
            keyspace,
            start: start.into(),
            end: end.map(Into::into),
            extent: Mutex::new(extent),
        }));
        self.spans.push(span.clone());
        span
    }

    /// Everything read, as ranges of storage keys.
    pub(crate) fn fold(&mut self) -> &RangeSet {
        for span in std::mem::take(&mut self.spans) {
            self.fold_span(&span);
        }
        &self.ranges
    }

    fn fold_finished(&mut self) {
        for span in std::mem::take(&mut self.spans) {
            if Arc::strong_count(&span.0) == 1 {
                self.fold_span(&span);
            } else {
                self.spans.push(span);
            }
        }
    }

    fn fold_span(&mut self, span: &Span) {
        let span = &*span.0;
        let extent = span.extent.lock();
        if extent.is_whole {
            return self.add_range(span.keyspace, &span.start, span.end.as_deref());
        }
        self.add_range(span.keyspace, &span.start, Some(&extent.front));
        if let Some(back) = &extent.back {
            self.add_range(span.keyspace, back, span.end.as_deref());
        }
    }

    fn limit(&mut self) {
        if self.ranges.len() > self.ranges_max {
            self.ranges.coarsen();
        }
    }
}

impl Span {
    /// Notes that everything below `front` was read.
    pub(crate) fn cover_front(&self, front: &[u8]) {
        let mut extent = self.0.extent.lock();
        extent.front.clear();
        extent.front.extend_from_slice(front);
    }

    /// Notes that everything from `back` on was read.
    pub(crate) fn cover_back(&self, back: &[u8]) {
        let mut extent = self.0.extent.lock();
        let buffer = extent.back.get_or_insert_default();
        buffer.clear();
        buffer.extend_from_slice(back);
    }

    /// Notes that the whole range was read.
    pub(crate) fn cover_all(&self) {
        self.0.extent.lock().is_whole = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KS: KeyspaceId = KeyspaceId(1);

    fn holds(reads: &mut ReadSet, key: &[u8]) -> bool {
        reads.fold().contains(&[&KS.prefix(), key].concat())
    }

    #[test]
    fn scan_counts_as_far_as_it_went() {
        let mut reads = ReadSet::new(100);
        let span = reads.add_span(KS, b"b", Some(b"y"));
        span.cover_front(b"d");
        span.cover_back(b"w");
        assert!(
            ["b", "c", "w", "x"]
                .iter()
                .all(|key| holds(&mut reads, key.as_bytes()))
        );
        assert!(
            !["a", "d", "m", "v", "y"]
                .iter()
                .any(|key| holds(&mut reads, key.as_bytes()))
        );
    }

    #[test]
    fn finished_scan_counts_whole_and_an_unstarted_one_not_at_all() {
        let mut reads = ReadSet::new(100);
        reads.add_span(KS, b"b", None).cover_all();
        let _unstarted = reads.add_span(KS, b"", None);
        assert!(holds(&mut reads, b"zzz") && !holds(&mut reads, b"a"));
    }

    #[test]
    fn many_scans_and_keys_stay_bounded_and_hide_nothing() {
        let mut reads = ReadSet::new(10);
        for n in 0..1000u16 {
            reads.add_key(KS, &n.to_be_bytes());
            reads
                .add_span(KS, &n.to_be_bytes(), None)
                .cover_front(&(n + 1).to_be_bytes());
        }
        assert!(reads.spans.len() <= SPANS_MAX && reads.ranges.len() <= 10);
        assert!((0..1000u16).all(|n| holds(&mut reads, &n.to_be_bytes())));
    }
}
