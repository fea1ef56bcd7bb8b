//! Circles in the graph, and what they are called.
//!
//! For each kind in turn, from the worst to the mildest, one shortest circle is looked for. Only
//! nodes in the same strongly connected component can be on one, so a clean history costs one
//! pass over the graph.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use super::graph::{Edge, Edges, Graph};

/// A circle of transactions, each before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// What it is.
    pub kind: CycleKind,
    /// The transactions, each with the edge to the next; the last one's leads to the first.
    pub steps: Vec<(usize, Edge)>,
}

/// The name of a circle, after Adya.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleKind {
    /// Only ww edges.
    G0,
    /// ww and wr edges.
    G1c,
    /// One rw edge: read skew.
    GSingle,
    /// Several rw edges, no two in a row: what a snapshot excludes.
    GNonadjacent,
    /// rw edges in a row: write skew.
    G2Item,
    /// Only closed by the order of time.
    Realtime,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:", self.kind)?;
        for (transaction, edge) in &self.steps {
            let arrow = match edge {
                Edge::WriteWrite => "ww",
                Edge::WriteRead => "wr",
                Edge::ReadWrite => "rw",
                Edge::Realtime => "rt",
            };
            write!(f, " T{transaction} -{arrow}->")?;
        }
        let first = self
            .steps
            .first()
            .map_or(0, |(transaction, _)| *transaction);
        write!(f, " T{first}")
    }
}

const WW: Edges = 1 << Edge::WriteWrite as u8;
const WR: Edges = 1 << Edge::WriteRead as u8;
const RW: Edges = 1 << Edge::ReadWrite as u8;
const RT: Edges = 1 << Edge::Realtime as u8;

/// One circle of each kind that is in the graph.
pub(super) fn find(graph: &Graph) -> Vec<Cycle> {
    let found = [
        search(graph, CycleKind::G0, WW, WW),
        search(graph, CycleKind::G1c, WR, WW | WR),
        search(graph, CycleKind::GSingle, RW, WW | WR),
        search_nonadjacent(graph),
        search(graph, CycleKind::G2Item, RW, WW | WR | RW),
        search(graph, CycleKind::Realtime, WW | WR | RW, WW | WR | RW | RT),
    ];
    let mut cycles: Vec<Cycle> = found.into_iter().flatten().collect();
    // The later searches also find what the earlier ones do.
    cycles.retain(|cycle| cycle.kind == name(&cycle.steps));
    cycles
}

/// The name a circle has by its edges.
fn name(steps: &[(usize, Edge)]) -> CycleKind {
    let count = |edge: Edge| steps.iter().filter(|(_, e)| *e == edge).count();
    let is_rw = |n: usize| steps[n % steps.len()].1 == Edge::ReadWrite;
    let adjacent = (0..steps.len()).any(|n| is_rw(n) && is_rw(n + 1));
    match (
        count(Edge::Realtime),
        count(Edge::ReadWrite),
        count(Edge::WriteRead),
    ) {
        (1.., _, _) => CycleKind::Realtime,
        (0, 0, 0) => CycleKind::G0,
        (0, 0, _) => CycleKind::G1c,
        (0, 1, _) => CycleKind::GSingle,
        (0, _, _) if adjacent => CycleKind::G2Item,
        (0, _, _) => CycleKind::GNonadjacent,
    }
}

/// A shortest circle that begins with an edge of `first` and goes on over edges of `rest`.
fn search(graph: &Graph, kind: CycleKind, first: Edges, rest: Edges) -> Option<Cycle> {
    let component = components(graph, first | rest);
    let mut shortest: Option<Vec<(usize, Edge)>> = None;
    for (from, edges) in graph.out.iter().enumerate() {
        for &(to, edge) in edges {
            if edge.bit() & first == 0 || component[from] != component[to] {
                continue;
            }
            let Some(path) = path(graph, to, from, rest, &component) else {
                continue;
            };
            if shortest.as_ref().is_none_or(|s| path.len() + 1 < s.len()) {
                let mut steps = vec![(from, edge)];
                steps.extend(path);
                if name(&without_moments(graph, &steps)) == kind {
                    shortest = Some(steps);
                }
            }
        }
    }
    shortest.map(|steps| Cycle {
        kind,
        steps: without_moments(graph, &steps),
    })
}

/// A shortest circle in which no two rw edges follow one another, with at least two.
fn search_nonadjacent(graph: &Graph) -> Option<Cycle> {
    let component = components(graph, WW | WR | RW);
    for (from, edges) in graph.out.iter().enumerate() {
        for &(to, edge) in edges {
            if edge != Edge::ReadWrite || component[from] != component[to] {
                continue;
            }
            if let Some(path) = nonadjacent_path(graph, to, from, &component) {
                let mut steps = vec![(from, edge)];
                steps.extend(path);
                if name(&steps) == CycleKind::GNonadjacent {
                    return Some(Cycle {
                        kind: CycleKind::GNonadjacent,
                        steps,
                    });
                }
            }
        }
    }
    None
}

/// Moments of time are not transactions; an edge to one stands for the edge through it.
fn without_moments(graph: &Graph, steps: &[(usize, Edge)]) -> Vec<(usize, Edge)> {
    let mut steps: Vec<_> = steps.to_vec();
    // Begin with a transaction, so that edges through moments are in one piece.
    let first = steps
        .iter()
        .position(|(node, _)| *node < graph.transactions)
        .unwrap_or(0);
    steps.rotate_left(first);
    steps.retain(|(node, _)| *node < graph.transactions);
    steps
}

/// A shortest path within a component.
fn path(
    graph: &Graph,
    from: usize,
    to: usize,
    allowed: Edges,
    component: &[usize],
) -> Option<Vec<(usize, Edge)>> {
    let mut came: HashMap<usize, (usize, Edge)> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            return Some(trace(&came, from, to));
        }
        for &(next, edge) in &graph.out[node] {
            let is_inside = component[next] == component[from];
            if edge.bit() & allowed != 0 && is_inside && next != from && !came.contains_key(&next) {
                came.insert(next, (node, edge));
                queue.push_back(next);
            }
        }
    }
    None
}

fn trace(came: &HashMap<usize, (usize, Edge)>, from: usize, to: usize) -> Vec<(usize, Edge)> {
    let mut steps = Vec::new();
    let mut node = to;
    while node != from {
        let (previous, edge) = came[&node];
        steps.push((previous, edge));
        node = previous;
    }
    steps.reverse();
    steps
}

/// A path that neither begins nor ends with an rw edge and has no two in a row.
fn nonadjacent_path(
    graph: &Graph,
    from: usize,
    to: usize,
    component: &[usize],
) -> Option<Vec<(usize, Edge)>> {
    // A state is a node and whether an rw edge led to it.
    let start = (from, true);
    let mut came: HashMap<(usize, bool), ((usize, bool), Edge)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        let (node, was_rw) = state;
        if node == to && !was_rw {
            let mut steps = Vec::new();
            let mut state = state;
            while state != start {
                let (previous, edge) = came[&state];
                steps.push((previous.0, edge));
                state = previous;
            }
            steps.reverse();
            return Some(steps);
        }
        for &(next, edge) in &graph.out[node] {
            let is_rw = edge == Edge::ReadWrite;
            let next_state = (next, is_rw);
            let is_allowed = edge != Edge::Realtime
                && !(was_rw && is_rw)
                && component[next] == component[from]
                && next_state != start
                && !came.contains_key(&next_state);
            if is_allowed {
                came.insert(next_state, (state, edge));
                queue.push_back(next_state);
            }
        }
    }
    None
}

/// Numbers the strongly connected components over the allowed edges (Tarjan, without recursion).
fn components(graph: &Graph, allowed: Edges) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let nodes = graph.out.len();
    let (mut index, mut low) = (vec![NONE; nodes], vec![0; nodes]);
    let mut component = vec![NONE; nodes];
    let (mut stack, mut next_index) = (Vec::new(), 0);
    for root in 0..nodes {
        if index[root] != NONE {
            continue;
        }
        // A node and how many of its edges were looked at.
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.last_mut() {
            let node = *node;
            if *edge == 0 && index[node] == NONE {
                (index[node], low[node]) = (next_index, next_index);
                next_index += 1;
                stack.push(node);
            }
            let Some(&(next, kind)) = graph.out[node].get(*edge) else {
                work.pop();
                if let Some((parent, _)) = work.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = node;
                        if member == node {
                            break;
                        }
                    }
                }
                continue;
            };
            *edge += 1;
            if kind.bit() & allowed == 0 {
                continue;
            }
            if index[next] == NONE {
                work.push((next, 0));
            } else if component[next] == NONE {
                low[node] = low[node].min(index[next]);
            }
        }
    }
    component
}
