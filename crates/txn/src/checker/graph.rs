//! Who depends on whom.

use super::{Lists, Record, committed};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// The other appended next.
    WriteWrite,
    /// The other read it.
    WriteRead,
    /// The other replaced what this one read.
    ReadWrite,
    /// This one had ended when the other began.
    Realtime,
}

/// A set of kinds of edges.
pub(super) type Edges = u8;

impl Edge {
    pub(super) fn bit(self) -> Edges {
        1 << self as u8
    }
}

/// Committed transactions and the edges between them. Numbers from `transactions` on are moments
/// of time, which stand between those that ended before and those that began after.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) transactions: usize,
    /// Per node, its edges.
    pub(super) out: Vec<Vec<(usize, Edge)>>,
}

impl Graph {
    pub(super) fn new(history: &[Record], lists: &Lists) -> Self {
        let mut graph = Self {
            transactions: history.len(),
            out: vec![Vec::new(); history.len()],
        };
        for (&key, list) in &lists.versions {
            for place in 1..list.len() {
                let before = lists.writer_at(key, place - 1);
                graph.link(before, lists.writer_at(key, place), Edge::WriteWrite);
            }
        }
        for &(reader, key, length) in &lists.reads {
            if length > 0 {
                graph.link(
                    lists.writer_at(key, length - 1),
                    Some(reader),
                    Edge::WriteRead,
                );
            }
            graph.link(Some(reader), lists.writer_at(key, length), Edge::ReadWrite);
        }
        graph.add_time(history);
        for edges in &mut graph.out {
            edges.sort_unstable();
            edges.dedup();
        }
        graph
    }

    fn link(&mut self, from: Option<usize>, to: Option<usize>, edge: Edge) {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.out[from].push((to, edge));
        }
    }

    /// A chain of moments, one per end of a transaction, in order of time: a transaction leads to
    /// the moment of its end, and the last moment before a beginning leads to that transaction.
    fn add_time(&mut self, history: &[Record]) {
        let mut ends: Vec<(u64, usize)> = committed(history).map(|(t, r)| (r.ended, t)).collect();
        ends.sort_unstable();
        let first = self.out.len();
        for (place, (_, transaction)) in ends.iter().enumerate() {
            let moment = first + place;
            self.out.push(Vec::new());
            if place > 0 {
                self.out[moment - 1].push((moment, Edge::Realtime));
            }
            self.out[*transaction].push((moment, Edge::Realtime));
        }
        for (t, record) in committed(history) {
            let before = ends.partition_point(|(ended, _)| *ended < record.began);
            if before > 0 {
                self.out[first + before - 1].push((t, Edge::Realtime));
            }
        }
    }
}
