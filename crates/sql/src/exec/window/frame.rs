//! Frames: the rows of a partition that a row sees.
//!
//! From row to row both ends of a frame only move forward, because a distance is the same for all
//! rows. So RANGE with a distance needs no search: the ends go on from where they were.

use std::ops::Range;

use rustdb_types::{Operator, Value};

use super::in_range::{self, Comparison};
use super::partition::Partition;
use crate::error::{Error, Result, SqlState};
use crate::exec::context::Context;
use crate::exec::evaluate::evaluate;
use crate::expr::Expr;
use crate::plan::{FrameExclusion, FrameUnits};

/// A frame that is ready to run.
#[derive(Debug)]
pub(in crate::exec) struct CompiledFrame {
    pub(in crate::exec) units: FrameUnits,
    pub(in crate::exec) start: Edge,
    pub(in crate::exec) end: Edge,
    pub(in crate::exec) exclude: FrameExclusion,
    /// What RANGE with a distance measures, and how distances are added and taken off.
    pub(in crate::exec) range: Option<(Expr, Option<Operators>)>,
    /// Whether the order is descending, and whether NULL comes first in it.
    pub(in crate::exec) descending: bool,
    pub(in crate::exec) nulls_first: bool,
}

/// `value + distance` and `value - distance`.
pub(in crate::exec) type Operators = (&'static Operator, &'static Operator);

/// An end of a frame.
#[derive(Debug)]
pub(in crate::exec) enum Edge {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// An end with its distance known.
enum Known {
    First,
    Rows(i64),
    Value { distance: Value, before: bool },
    Current,
    Last,
}

/// The frames of a partition's rows, one after the other.
pub(super) struct Frames {
    start: Known,
    end: Known,
    head: usize,
    tail: usize,
    /// What RANGE measures: of the row that the frame is of, and of those that its ends are at.
    measured: [Option<(usize, Value)>; 3],
}

/// Where a row is asked for: a frame's definition, and the partition.
pub(super) struct At<'p> {
    pub(super) frame: &'p CompiledFrame,
    pub(super) partition: &'p mut Partition,
}

impl Frames {
    pub(super) fn new(frame: &CompiledFrame, cx: &mut Context<'_>) -> Result<Frames> {
        Ok(Frames {
            start: known(&frame.start, frame, "starting", cx)?,
            end: known(&frame.end, frame, "ending", cx)?,
            head: 0,
            tail: 0,
            measured: [None, None, None],
        })
    }

    /// Whether frames begin where the partition does.
    pub(super) fn begin_at_the_first(&self) -> bool {
        matches!(self.start, Known::First)
    }

    /// The frame of a row, exclusions not heeded. Rows have to be asked for in their order.
    pub(super) fn of(
        &mut self,
        row: usize,
        at: &mut At<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Range<usize>> {
        let len = at.partition.len();
        let head = match &self.start {
            Known::First => 0,
            Known::Last => len,
            Known::Current => at.current(row).start,
            Known::Rows(distance) => at.shifted(row, *distance).start,
            Known::Value { distance, before } => {
                let asked = (distance.clone(), *before, true);
                self.moved(self.head, row, &asked, at, cx)?
            }
        };
        let tail = match &self.end {
            Known::First => 0,
            Known::Last => len,
            Known::Current => at.current(row).end,
            Known::Rows(distance) => at.shifted(row, *distance).end,
            Known::Value { distance, before } => {
                let asked = (distance.clone(), *before, false);
                self.moved(self.tail, row, &asked, at, cx)?
            }
        };
        (self.head, self.tail) = (head, tail);
        Ok(head..tail.max(head))
    }

    /// Where an end goes on to; see [`is_in`].
    fn moved(
        &mut self,
        mut end: usize,
        row: usize,
        asked: &(Value, bool, bool),
        at: &mut At<'_>,
        cx: &mut Context<'_>,
    ) -> Result<usize> {
        let (distance, before, is_start) = asked;
        let base = self.measured(0, row, at, cx)?;
        while end < at.partition.len() {
            let value = self.measured(if *is_start { 1 } else { 2 }, end, at, cx)?;
            let is_in = is_in(&value, &base, distance, (*before, *is_start), at.frame, cx)?;
            if is_in == *is_start {
                break;
            }
            end += 1;
        }
        Ok(end)
    }

    /// What RANGE measures in a row.
    fn measured(
        &mut self,
        place: usize,
        row: usize,
        at: &mut At<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        match &self.measured[place] {
            Some((of, value)) if *of == row => return Ok(value.clone()),
            _ => (),
        }
        let Some((expr, _)) = &at.frame.range else {
            return Ok(Value::Null);
        };
        let value = evaluate(expr, at.partition.row(row, cx)?, cx)?.into_owned();
        self.measured[place] = Some((row, value.clone()));
        Ok(value)
    }
}

impl At<'_> {
    /// The parts of a frame that are left by its exclusion, in order.
    pub(super) fn parts(&mut self, row: usize, frame: &Range<usize>) -> [Range<usize>; 3] {
        let clip = |part: Range<usize>| {
            let start = part.start.max(frame.start);
            start..part.end.min(frame.end).max(start)
        };
        let (len, peers) = (self.partition.len(), self.partition.peers(row));
        match self.frame.exclude {
            FrameExclusion::NoOthers => [frame.clone(), 0..0, 0..0],
            FrameExclusion::CurrentRow => [clip(0..row), clip(row + 1..len), 0..0],
            FrameExclusion::Group => [clip(0..peers.start), clip(peers.end..len), 0..0],
            FrameExclusion::Ties => [
                clip(0..peers.start),
                clip(row..row + 1),
                clip(peers.end..len),
            ],
        }
    }

    fn current(&mut self, row: usize) -> Range<usize> {
        match self.frame.units {
            FrameUnits::Rows => row..row + 1,
            FrameUnits::Range | FrameUnits::Groups => self.partition.peers(row),
        }
    }

    /// The row, or the group of peers, that is so far away; empty beyond the partition.
    fn shifted(&mut self, row: usize, distance: i64) -> Range<usize> {
        let len = self.partition.len();
        let shift = |from: usize, count: usize| {
            let to = i64::try_from(from)
                .unwrap_or(i64::MAX)
                .saturating_add(distance);
            match usize::try_from(to) {
                Err(_) => Err(0..0),
                Ok(to) if to >= count => Err(len..len),
                Ok(to) => Ok(to),
            }
        };
        match self.frame.units {
            FrameUnits::Rows => shift(row, len).map_or_else(|edge| edge, |to| to..to + 1),
            FrameUnits::Range | FrameUnits::Groups => {
                let group = shift(self.partition.group_of(row), self.partition.groups());
                group.map_or_else(|edge| edge, |group| self.partition.group_rows(group))
            }
        }
    }
}

/// Whether a row is not before the start of another one's frame, or is not behind its end: what is
/// measured in both, the distance, and whether it is one before the row, and of the start.
fn is_in(
    value: &Value,
    base: &Value,
    distance: &Value,
    (before, is_start): (bool, bool),
    frame: &CompiledFrame,
    cx: &Context<'_>,
) -> Result<bool> {
    if value.is_null() || base.is_null() {
        // NULLs are each other's peers, and at one end of the partition.
        return Ok(match (frame.nulls_first, is_start) {
            (true, true) => !value.is_null() || base.is_null(),
            (true, false) => value.is_null() || !base.is_null(),
            (false, true) => value.is_null() || !base.is_null(),
            (false, false) => !value.is_null() || base.is_null(),
        });
    }
    let operators = frame.range.as_ref().and_then(|(_, operators)| *operators);
    let comparison = Comparison {
        subtract: before != frame.descending,
        at_most: is_start == frame.descending,
    };
    in_range::is_in_range(value, base, distance, comparison, operators, cx.settings)
}

fn known(edge: &Edge, frame: &CompiledFrame, which: &str, cx: &mut Context<'_>) -> Result<Known> {
    let (offset, before) = match edge {
        Edge::UnboundedPreceding => return Ok(Known::First),
        Edge::CurrentRow => return Ok(Known::Current),
        Edge::UnboundedFollowing => return Ok(Known::Last),
        Edge::Preceding(offset) => (offset, true),
        Edge::Following(offset) => (offset, false),
    };
    let nothing: &[Value] = &[];
    let distance = evaluate(offset, nothing, cx)?.into_owned();
    if distance.is_null() {
        let message = format!("frame {which} offset must not be null");
        return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, message));
    }
    if frame.units == FrameUnits::Range {
        return Ok(Known::Value { distance, before });
    }
    let rows = distance.as_integer().unwrap_or(0);
    if rows < 0 {
        let message = format!("frame {which} offset must not be negative");
        return Err(Error::new(
            SqlState::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
            message,
        ));
    }
    Ok(Known::Rows(if before { -rows } else { rows }))
}
