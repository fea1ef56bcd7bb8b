//! Cutting overlapping ranges into fragments: a sweep over their bounds.

use std::collections::BTreeMap;

use super::{BoundKey, Fragment, Fragments};
use crate::key::SequenceNumber;

/// A range with the tombstones over it; pieces may overlap.
pub(super) struct Piece<'a> {
    pub(super) start: &'a BoundKey,
    pub(super) end: &'a BoundKey,
    pub(super) seqs: &'a [SequenceNumber],
}

/// Where a piece begins or ends.
struct Event<'a> {
    at: &'a BoundKey,
    begins: bool,
    seqs: &'a [SequenceNumber],
}

/// The fragments of all pieces. Neighbours with the same tombstones become one fragment.
pub(super) fn fragments<'a>(pieces: impl Iterator<Item = Piece<'a>>) -> Fragments {
    let mut events: Vec<Event<'a>> = Vec::new();
    for piece in pieces.filter(|p| p.start < p.end) {
        events.push(Event {
            at: piece.start,
            begins: true,
            seqs: piece.seqs,
        });
        events.push(Event {
            at: piece.end,
            begins: false,
            seqs: piece.seqs,
        });
    }
    events.sort_by_key(|event| event.at);

    let mut out = Fragments::new();
    // How many pieces with a sequence number are open.
    let mut open: BTreeMap<SequenceNumber, usize> = BTreeMap::new();
    let mut events = events.as_slice();
    while let Some(first) = events.first() {
        let here = events
            .iter()
            .take_while(|event| event.at == first.at)
            .count();
        let (now, later) = events.split_at(here);
        now.iter().for_each(|event| apply(event, &mut open));
        if let Some(next) = later.first()
            && !open.is_empty()
        {
            push(&mut out, first.at, next.at, &open);
        }
        events = later;
    }
    debug_assert!(open.is_empty(), "each piece that begins also ends");
    out
}

fn apply(event: &Event<'_>, open: &mut BTreeMap<SequenceNumber, usize>) {
    for &seq in event.seqs {
        let count = open.entry(seq).or_default();
        // A piece that ends may come before one that begins at the same key: wrap around zero.
        *count = if event.begins {
            count.wrapping_add(1)
        } else {
            count.wrapping_sub(1)
        };
        if *count == 0 {
            open.remove(&seq);
        }
    }
}

fn push(
    out: &mut Fragments,
    start: &BoundKey,
    end: &BoundKey,
    open: &BTreeMap<SequenceNumber, usize>,
) {
    if let Some(last) = out.fragments.last_mut()
        && last.end == *start
        && out.seqs[last.first_seq as usize..]
            .iter()
            .eq(open.keys().rev())
    {
        last.end = end.clone();
        return;
    }
    let first_seq = index(out.seqs.len());
    out.seqs.extend(open.keys().rev());
    let end_seq = index(out.seqs.len());
    out.max_seq = out.max_seq.max(out.seqs[first_seq as usize]);
    out.fragments.push(Fragment {
        start: start.clone(),
        end: end.clone(),
        first_seq,
        end_seq,
    });
}

fn index(n: usize) -> u32 {
    u32::try_from(n).expect("range tombstones of one source take less memory than 32 GiB")
}
