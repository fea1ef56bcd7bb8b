//! Aggregates over frames.
//!
//! A frame that only grows keeps its state and takes what is new. One that moves forgets the rows
//! that leave it, where the aggregate can do that with the same result; `min` and `max`, which
//! cannot, keep what they know of every end of the frame's first part (a queue of two stacks).
//! What is left is computed anew for each frame.

use std::ops::Range;

use rustdb_types::Value;
use rustdb_types::aggregate::{AggregateCall, State};
use rustdb_types::interrupt;

use super::frame::Frames;
use super::{Call, Partition};
use crate::error::Result;
use crate::exec::context::Context;
use crate::exec::evaluate::{truth, values};
use crate::exec::spill::{Charge, row_bytes};
use crate::plan::FrameExclusion;

/// The aggregate's value for each row of the partition.
pub(super) fn compute(
    aggregate: &AggregateCall,
    call: &Call,
    partition: &Partition<'_>,
    charge: &mut Charge,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let mut frames = Frames::new(&call.frame, partition, cx)?;
    let mut moving = Moving::new(aggregate, call, partition, cx.pool().charge())?;
    let mut column: Vec<Value> = Vec::with_capacity(partition.len());
    let mut before: Option<Range<usize>> = None;
    for row in 0..partition.len() {
        cx.check_cancelled()?;
        let frame = frames.of(row, cx)?;
        let value = if call.frame.exclude != FrameExclusion::NoOthers {
            moving.over(&frames.parts(row, &frame), cx)?
        } else {
            match (before.as_ref() == Some(&frame), column.last()) {
                (true, Some(last)) => last.clone(),
                _ => moving.at(&frame, cx)?,
            }
        };
        charge.hold(value.heap_bytes() + size_of::<Value>())?;
        column.push(value);
        before = Some(frame);
    }
    Ok(column)
}

/// A row's arguments: not asked for yet, left out by FILTER, or there.
#[derive(Clone, Default)]
enum Arguments {
    #[default]
    Unknown,
    Out,
    In(Vec<Value>),
}

struct Moving<'p> {
    aggregate: &'p AggregateCall,
    call: &'p Call,
    partition: &'p Partition<'p>,
    arguments: Vec<Arguments>,
    /// For the arguments.
    charge: Charge,
    /// What has seen `seen`.
    state: State,
    seen: Range<usize>,
    /// Once rows could not be forgotten: states of the ends of a first part of `seen`, the longest
    /// last; `state` has seen what comes after that part.
    ends: Option<Vec<State>>,
}

impl<'p> Moving<'p> {
    fn new(
        aggregate: &'p AggregateCall,
        call: &'p Call,
        partition: &'p Partition<'p>,
        charge: Charge,
    ) -> Result<Moving<'p>> {
        Ok(Moving {
            aggregate,
            call,
            partition,
            arguments: vec![Arguments::Unknown; partition.len()],
            charge,
            state: aggregate.state()?,
            seen: 0..0,
            ends: None,
        })
    }

    /// The value over these rows, from the beginning.
    fn over(&mut self, parts: &[Range<usize>], cx: &mut Context<'_>) -> Result<Value> {
        let mut state = self.aggregate.state()?;
        for row in parts.iter().cloned().flatten() {
            self.take(&mut state, row, cx)?;
        }
        Ok(state.finish()?)
    }

    /// The value over a frame that begins and ends no earlier than the one before.
    fn at(&mut self, frame: &Range<usize>, cx: &mut Context<'_>) -> Result<Value> {
        if frame.start >= self.seen.end {
            self.restart(frame.start)?;
        }
        while self.seen.start < frame.start {
            if !self.forget(cx)? {
                self.restart(frame.start)?;
            }
        }
        let mut state = std::mem::replace(&mut self.state, self.aggregate.state()?);
        for row in self.seen.end..frame.end {
            self.take(&mut state, row, cx)?;
        }
        self.state = state;
        self.seen.end = frame.end;
        match self.ends.as_ref().and_then(|ends| ends.last()) {
            None => Ok(self.state.finish()?),
            Some(end) => {
                let mut both = end.clone();
                both.merge(self.state.clone())?;
                Ok(both.finish()?)
            }
        }
    }

    fn restart(&mut self, at: usize) -> Result<()> {
        self.state = self.aggregate.state()?;
        self.seen = at..at;
        self.ends = self.ends.take().map(|_| Vec::new());
        Ok(())
    }

    /// Forgets the first row; false if everything has to be taken again.
    fn forget(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        let row = self.seen.start;
        if let Some(ends) = &mut self.ends {
            if ends.is_empty() {
                self.turn(cx)?;
            }
            if let Some(ends) = &mut self.ends {
                ends.pop();
            }
            self.seen.start += 1;
            return Ok(true);
        }
        let removed = match &self.arguments[row] {
            Arguments::In(arguments) => self.state.remove(arguments)?,
            Arguments::Out | Arguments::Unknown => true,
        };
        if !removed && self.state.merges_in_any_way() {
            self.ends = Some(Vec::new());
            return self.forget(cx);
        }
        self.seen.start += usize::from(removed);
        Ok(removed)
    }

    /// Puts all rows that were seen into `ends`.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let mut ends: Vec<State> = Vec::with_capacity(self.seen.len());
        for row in self.seen.clone().rev() {
            let mut state = self.aggregate.state()?;
            self.take(&mut state, row, cx)?;
            if let Some(last) = ends.last() {
                state.merge(last.clone())?;
            }
            ends.push(state);
        }
        self.ends = Some(ends);
        self.state = self.aggregate.state()?;
        Ok(())
    }

    fn take(&mut self, state: &mut State, row: usize, cx: &mut Context<'_>) -> Result<()> {
        interrupt::spend(128)?;
        if matches!(self.arguments[row], Arguments::Unknown) {
            self.arguments[row] = self.arguments_of(row, cx)?;
            if let Arguments::In(arguments) = &self.arguments[row] {
                self.charge.hold(row_bytes(arguments))?;
            }
        }
        if let Arguments::In(arguments) = &self.arguments[row] {
            state.update(arguments, &cx.functions())?;
        }
        Ok(())
    }

    fn arguments_of(&self, row: usize, cx: &mut Context<'_>) -> Result<Arguments> {
        let row = self.partition.row(row);
        if let Some(filter) = &self.call.filter
            && truth(filter, row, cx)? != Some(true)
        {
            return Ok(Arguments::Out);
        }
        Ok(Arguments::In(values(&self.call.arguments, row, cx)?))
    }
}
