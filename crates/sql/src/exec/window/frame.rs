//! Frames: the rows of a partition that a row sees.
//!
//! From row to row both ends of a frame only move forward, because a distance is the same for all
//! rows. So RANGE with a distance needs no search: the ends go on from where they were.

use std::ops::Range;

use rustdb_types::{Operator, Value};

use super::Partition;
use super::in_range::{self, Comparison};
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
pub(super) struct Frames<'p> {
    frame: &'p CompiledFrame,
    partition: &'p Partition<'p>,
    start: Known,
    end: Known,
    /// What RANGE measures, for each row.
    measured: Vec<Value>,
    head: usize,
    tail: usize,
}

impl<'p> Frames<'p> {
    pub(super) fn new(
        frame: &'p CompiledFrame,
        partition: &'p Partition<'p>,
        cx: &mut Context<'_>,
    ) -> Result<Frames<'p>> {
        let start = known(&frame.start, frame, "starting", cx)?;
        let end = known(&frame.end, frame, "ending", cx)?;
        let measured = match (&frame.range, &start, &end) {
            (Some((value, _)), Known::Value { .. }, _)
            | (Some((value, _)), _, Known::Value { .. }) => partition
                .rows
                .iter()
                .map(|row| Ok(evaluate(value, &row[..], cx)?.into_owned()))
                .collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        Ok(Frames {
            frame,
            partition,
            start,
            end,
            measured,
            head: 0,
            tail: 0,
        })
    }

    /// The frame of a row, exclusions not heeded. Rows have to be asked for in their order.
    pub(super) fn of(&mut self, row: usize, cx: &Context<'_>) -> Result<Range<usize>> {
        let partition = self.partition;
        let head = match &self.start {
            Known::First => 0,
            Known::Last => partition.len(),
            Known::Current => self.current(row).start,
            Known::Rows(distance) => self.shifted(row, *distance).start,
            Known::Value { distance, before } => {
                let mut head = self.head;
                while head < partition.len()
                    && !self.is_in(head, row, distance, *before, true, cx)?
                {
                    head += 1;
                }
                head
            }
        };
        let tail = match &self.end {
            Known::First => 0,
            Known::Last => partition.len(),
            Known::Current => self.current(row).end,
            Known::Rows(distance) => self.shifted(row, *distance).end,
            Known::Value { distance, before } => {
                let mut tail = self.tail;
                while tail < partition.len()
                    && self.is_in(tail, row, distance, *before, false, cx)?
                {
                    tail += 1;
                }
                tail
            }
        };
        (self.head, self.tail) = (head, tail);
        Ok(head..tail.max(head))
    }

    /// The parts of a frame that are left by its exclusion, in order.
    pub(super) fn parts(&self, row: usize, frame: &Range<usize>) -> [Range<usize>; 3] {
        let clip = |part: Range<usize>| {
            let start = part.start.max(frame.start);
            start..part.end.min(frame.end).max(start)
        };
        let peers = self.partition.peers(row);
        match self.frame.exclude {
            FrameExclusion::NoOthers => [frame.clone(), 0..0, 0..0],
            FrameExclusion::CurrentRow => [clip(0..row), clip(row + 1..self.partition.len()), 0..0],
            FrameExclusion::Group => [
                clip(0..peers.start),
                clip(peers.end..self.partition.len()),
                0..0,
            ],
            FrameExclusion::Ties => [
                clip(0..peers.start),
                clip(row..row + 1),
                clip(peers.end..self.partition.len()),
            ],
        }
    }

    fn current(&self, row: usize) -> Range<usize> {
        match self.frame.units {
            FrameUnits::Rows => row..row + 1,
            FrameUnits::Range | FrameUnits::Groups => self.partition.peers(row),
        }
    }

    /// The row, or the group of peers, that is so far away; empty beyond the partition.
    fn shifted(&self, row: usize, distance: i64) -> Range<usize> {
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
                let groups = &self.partition.groups;
                let group = shift(self.partition.group_of[row], groups.len() - 1);
                group.map_or_else(|edge| edge, |group| groups[group]..groups[group + 1])
            }
        }
    }

    /// Whether a row is not before the frame's start, or is not behind its end.
    fn is_in(
        &self,
        other: usize,
        row: usize,
        distance: &Value,
        before: bool,
        is_start: bool,
        cx: &Context<'_>,
    ) -> Result<bool> {
        let (value, base) = (&self.measured[other], &self.measured[row]);
        if value.is_null() || base.is_null() {
            // NULLs are each other's peers, and at one end of the partition.
            return Ok(match (self.frame.nulls_first, is_start) {
                (true, true) => !value.is_null() || base.is_null(),
                (true, false) => value.is_null() || !base.is_null(),
                (false, true) => value.is_null() || !base.is_null(),
                (false, false) => !value.is_null() || base.is_null(),
            });
        }
        let operators = self
            .frame
            .range
            .as_ref()
            .and_then(|(_, operators)| *operators);
        let comparison = Comparison {
            subtract: before != self.frame.descending,
            at_most: is_start == self.frame.descending,
        };
        in_range::is_in_range(value, base, distance, comparison, operators, cx.settings)
    }
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
