//! Window functions: what they are over.

use rustdb_types::aggregate::AggregateCall;
use rustdb_types::window::WindowKind;
use rustdb_types::{Operator, Type};

use super::{OrderItem, Plan};
use crate::expr::{ColumnId, Expr};

/// New columns whose values depend on the rows around. The rows come out sorted by partition and
/// order.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    /// Where the rows come from.
    pub input: Plan,
    /// Rows that differ in these do not see each other.
    pub partition: Vec<OrderItem>,
    /// The order within a partition; rows that are equal in it are peers.
    pub order: Vec<OrderItem>,
    /// The functions.
    pub calls: Vec<(ColumnId, WindowItem)>,
}

/// A function over a window.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowItem {
    /// What is computed.
    pub function: WindowCall,
    /// The arguments.
    pub arguments: Vec<Expr>,
    /// An aggregate sees only rows for which this is true.
    pub filter: Option<Expr>,
    /// The rows of the partition that are seen.
    pub frame: Frame,
}

/// What is computed over a window.
#[derive(Clone, Debug)]
pub enum WindowCall {
    /// A window function, and the type of its result.
    Function(WindowKind, Type),
    /// An aggregate.
    Aggregate(AggregateCall),
}

/// Which rows of a partition a row sees.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// What distances are counted in.
    pub units: FrameUnits,
    /// Where it begins.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
    /// What of it is left out.
    pub exclude: FrameExclusion,
    /// What RANGE with a distance measures.
    pub range: Option<RangeKey>,
}

/// What the distances of a frame are counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameUnits {
    /// Rows.
    Rows,
    /// Values of the one column of ORDER BY.
    Range,
    /// Groups of peers.
    Groups,
}

/// An end of a frame.
#[derive(Clone, PartialEq, Debug)]
pub enum FrameBound {
    /// The partition's first row.
    UnboundedPreceding,
    /// So far before the row.
    Preceding(Expr),
    /// The row; its peers too, unless rows are counted.
    CurrentRow,
    /// So far after the row.
    Following(Expr),
    /// The partition's last row.
    UnboundedFollowing,
}

/// What is left out of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FrameExclusion {
    /// Nothing.
    #[default]
    NoOthers,
    /// The row.
    CurrentRow,
    /// The row and its peers.
    Group,
    /// The row's peers, but not the row.
    Ties,
}

/// What RANGE with a distance measures: the value of ORDER BY, and how a distance is added.
#[derive(Clone, Debug)]
pub struct RangeKey {
    /// The value, of a type that its sum with a distance is of too.
    pub value: Expr,
    /// `value + distance` and `value - distance`; numbers need neither.
    pub operators: Option<(&'static Operator, &'static Operator)>,
}

impl PartialEq for RangeKey {
    fn eq(&self, other: &RangeKey) -> bool {
        self.value == other.value
    }
}

impl PartialEq for WindowCall {
    fn eq(&self, other: &WindowCall) -> bool {
        match (self, other) {
            (WindowCall::Function(mine, of), WindowCall::Function(theirs, other)) => {
                mine == theirs && of == other
            }
            (WindowCall::Aggregate(mine), WindowCall::Aggregate(theirs)) => {
                std::ptr::eq(mine.aggregate(), theirs.aggregate()) && mine.types() == theirs.types()
            }
            (WindowCall::Function(..), WindowCall::Aggregate(_))
            | (WindowCall::Aggregate(_), WindowCall::Function(..)) => false,
        }
    }
}

impl FrameBound {
    /// The distance.
    pub fn offset(&self) -> Option<&Expr> {
        match self {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
            FrameBound::UnboundedPreceding
            | FrameBound::CurrentRow
            | FrameBound::UnboundedFollowing => None,
        }
    }

    fn offset_mut(&mut self) -> Option<&mut Expr> {
        match self {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset),
            FrameBound::UnboundedPreceding
            | FrameBound::CurrentRow
            | FrameBound::UnboundedFollowing => None,
        }
    }
}

impl WindowItem {
    /// The type of the result.
    pub fn result(&self) -> &Type {
        match &self.function {
            WindowCall::Function(_, of) => of,
            WindowCall::Aggregate(call) => call.result(),
        }
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let frame = [&self.frame.start, &self.frame.end];
        let frame = frame.into_iter().filter_map(FrameBound::offset);
        let range = self.frame.range.iter().map(|range| &range.value);
        let arguments = self.arguments.iter().chain(&self.filter);
        arguments.chain(frame).chain(range)
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let frame = [&mut self.frame.start, &mut self.frame.end];
        let frame = frame.into_iter().filter_map(FrameBound::offset_mut);
        let range = self.frame.range.iter_mut().map(|range| &mut range.value);
        let arguments = self.arguments.iter_mut().chain(&mut self.filter);
        arguments.chain(frame).chain(range)
    }
}

impl Window {
    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let keys = self.partition.iter().chain(&self.order);
        let calls = self.calls.iter().flat_map(|(_, call)| call.expressions());
        keys.map(|item| &item.expr).chain(calls)
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let keys = self.partition.iter_mut().chain(&mut self.order);
        let calls = self.calls.iter_mut();
        keys.map(|item| &mut item.expr)
            .chain(calls.flat_map(|(_, call)| call.expressions_mut()))
    }
}
