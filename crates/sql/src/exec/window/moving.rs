//! Aggregates over frames.
//!
//! A frame that only grows keeps its state and takes what is new. One that moves forgets the rows
//! that leave it, where the aggregate can do that with the same result; `min` and `max`, which
//! cannot, keep what they know of every end of the frame's first part (a queue of two stacks).
//! What is left is computed anew for each frame.

use std::collections::VecDeque;
use std::ops::Range;

use rustdb_types::Value;
use rustdb_types::aggregate::{AggregateCall, State};
use rustdb_types::interrupt;

use super::Call;
use super::frame::{At, Frames};
use super::partition::Partition;
use crate::error::Result;
use crate::exec::context::Context;
use crate::exec::evaluate::{truth, values};
use crate::exec::spill::{Charge, row_bytes};
use crate::plan::FrameExclusion;

/// A row's arguments: not asked for yet, left out by FILTER, or there.
#[derive(Clone, Default)]
enum Arguments {
    #[default]
    Unknown,
    Out,
    In(Vec<Value>),
}

/// An aggregate that goes from row to row.
pub(super) struct Moving {
    frames: Frames,
    /// What has seen `seen`.
    state: State,
    seen: Range<usize>,
    /// Once rows could not be forgotten: states of the ends of a first part of `seen`, the longest
    /// last; `state` has seen what comes after that part.
    ends: Option<Vec<State>>,
    known: Known,
    /// The frame of the row before, and its value.
    before: Option<(Range<usize>, Value)>,
    /// For `ends`.
    charge: Charge,
}

/// Arguments that may be asked for again.
struct Known {
    /// Whether they are kept: frames that only grow need them once, and where rows are put aside
    /// they are evaluated again.
    keeps: bool,
    /// Those of the row with the number `first` and of rows behind it.
    arguments: VecDeque<Arguments>,
    first: usize,
    /// Whether the state keeps what it is given.
    grows: bool,
    /// For the arguments; where they are not kept, for the state.
    charge: Charge,
}

impl Moving {
    pub(super) fn new(
        aggregate: &AggregateCall,
        call: &Call,
        partition: &Partition,
        cx: &mut Context<'_>,
    ) -> Result<Moving> {
        let frames = Frames::new(&call.frame, cx)?;
        let is_once = frames.begin_at_the_first() && call.frame.exclude == FrameExclusion::NoOthers;
        let (pool, state) = (cx.pool(), aggregate.state()?);
        Ok(Moving {
            frames,
            seen: 0..0,
            ends: None,
            known: Known {
                keeps: !is_once && (partition.is_in_memory() || call.is_volatile),
                arguments: VecDeque::new(),
                first: 0,
                grows: !state.is_of_one_size(),
                charge: pool.charge(),
            },
            state,
            before: None,
            charge: pool.charge(),
        })
    }

    /// The aggregate's value for a row; rows have to be asked for in their order.
    pub(super) fn next(
        &mut self,
        row: usize,
        aggregate: &AggregateCall,
        call: &Call,
        partition: &mut Partition,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        let mut at = At {
            frame: &call.frame,
            partition,
        };
        let frame = self.frames.of(row, &mut at, cx)?;
        let excludes = call.frame.exclude != FrameExclusion::NoOthers;
        let parts = excludes.then(|| at.parts(row, &frame));
        let mut over = Over {
            aggregate,
            call,
            partition: at.partition,
        };
        if let Some(parts) = parts {
            self.known.forget_before(frame.start);
            return self.over(&parts, &mut over, cx);
        }
        match &self.before {
            Some((before, value)) if *before == frame => return Ok(value.clone()),
            _ => (),
        }
        let value = self.at(&frame, &mut over, cx)?;
        self.before = Some((frame, value.clone()));
        Ok(value)
    }

    /// The value over these rows, from the beginning.
    fn over(
        &mut self,
        parts: &[Range<usize>],
        over: &mut Over<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        let mut state = over.aggregate.state()?;
        self.known.hold(&state)?;
        for row in parts.iter().cloned().flatten() {
            self.known.take(&mut state, row, over, cx)?;
        }
        Ok(state.finish()?)
    }

    /// The value over a frame that begins and ends no earlier than the one before.
    fn at(
        &mut self,
        frame: &Range<usize>,
        over: &mut Over<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        if frame.start >= self.seen.end {
            self.restart(frame.start, over)?;
        }
        while self.seen.start < frame.start {
            if !self.forget(over, cx)? {
                self.restart(frame.start, over)?;
            }
        }
        self.known.forget_before(frame.start);
        for row in self.seen.end..frame.end {
            self.known.take(&mut self.state, row, over, cx)?;
        }
        self.seen.end = frame.end;
        self.known.hold(&self.state)?;
        match self.ends.as_ref().and_then(|ends| ends.last()) {
            None => Ok(self.state.finish()?),
            Some(end) => {
                let mut both = end.clone();
                both.merge(self.state.clone())?;
                Ok(both.finish()?)
            }
        }
    }

    fn restart(&mut self, at: usize, over: &Over<'_>) -> Result<()> {
        self.state = over.aggregate.state()?;
        self.seen = at..at;
        self.ends = self.ends.take().map(|_| Vec::new());
        Ok(())
    }

    /// Forgets the first row; false if everything has to be taken again.
    fn forget(&mut self, over: &mut Over<'_>, cx: &mut Context<'_>) -> Result<bool> {
        if let Some(ends) = &mut self.ends {
            if ends.is_empty() {
                self.turn(over, cx)?;
            }
            if let Some(ends) = &mut self.ends {
                ends.pop();
            }
            self.seen.start += 1;
            return Ok(true);
        }
        let state = &mut self.state;
        let removed = self.known.with(self.seen.start, over, cx, |arguments, _| {
            Ok(match arguments {
                Arguments::In(arguments) => state.remove(arguments)?,
                Arguments::Out | Arguments::Unknown => true,
            })
        })?;
        if !removed && self.state.merges_in_any_way() {
            self.ends = Some(Vec::new());
            return self.forget(over, cx);
        }
        self.seen.start += usize::from(removed);
        Ok(removed)
    }

    /// Puts all rows that were seen into `ends`.
    fn turn(&mut self, over: &mut Over<'_>, cx: &mut Context<'_>) -> Result<()> {
        let mut ends: Vec<State> = Vec::with_capacity(self.seen.len());
        self.charge.set(0);
        for row in self.seen.clone().rev() {
            let mut state = over.aggregate.state()?;
            self.known.take(&mut state, row, over, cx)?;
            if let Some(last) = ends.last() {
                state.merge(last.clone())?;
            }
            self.charge.hold(size_of::<State>() + state.bytes())?;
            ends.push(state);
        }
        self.ends = Some(ends);
        self.state = over.aggregate.state()?;
        Ok(())
    }
}

/// What an aggregate goes over.
struct Over<'a> {
    aggregate: &'a AggregateCall,
    call: &'a Call,
    partition: &'a mut Partition,
}

impl Over<'_> {
    fn arguments(&mut self, row: usize, cx: &mut Context<'_>) -> Result<Arguments> {
        let row = self.partition.row(row, cx)?;
        if let Some(filter) = &self.call.filter
            && truth(filter, row, cx)? != Some(true)
        {
            return Ok(Arguments::Out);
        }
        Ok(Arguments::In(values(&self.call.arguments, row, cx)?))
    }
}

impl Known {
    /// Gives a state what a row has for it.
    fn take(
        &mut self,
        state: &mut State,
        row: usize,
        over: &mut Over<'_>,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        interrupt::spend(128)?;
        self.with(row, over, cx, |arguments, cx| {
            if let Arguments::In(arguments) = arguments {
                state.update(arguments, &cx.functions())?;
            }
            Ok(())
        })
    }

    /// Does something with a row's arguments.
    fn with<T>(
        &mut self,
        row: usize,
        over: &mut Over<'_>,
        cx: &mut Context<'_>,
        body: impl FnOnce(&Arguments, &mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        if !self.keeps || row < self.first {
            let arguments = over.arguments(row, cx)?;
            if self.grows {
                self.charge.hold(bytes(&arguments))?;
            }
            return body(&arguments, cx);
        }
        let place = row - self.first;
        if self.arguments.len() <= place {
            self.arguments.resize(place + 1, Arguments::Unknown);
        }
        if matches!(self.arguments[place], Arguments::Unknown) {
            let arguments = over.arguments(row, cx)?;
            self.charge.hold(bytes(&arguments))?;
            self.arguments[place] = arguments;
        }
        body(&self.arguments[place], cx)
    }

    /// Holds what a state takes now, where that is not counted by its arguments.
    fn hold(&mut self, state: &State) -> Result<()> {
        if self.grows && !self.keeps {
            self.charge.set(state.bytes());
            self.charge.check()?;
        }
        Ok(())
    }

    /// Rows before this one are not asked for any more.
    fn forget_before(&mut self, row: usize) {
        while self.first < row
            && let Some(arguments) = self.arguments.pop_front()
        {
            let left = self.charge.bytes().saturating_sub(bytes(&arguments));
            self.charge.set(left);
            self.first += 1;
        }
        self.first = self.first.max(row);
    }
}

fn bytes(arguments: &Arguments) -> usize {
    match arguments {
        Arguments::In(arguments) => row_bytes(arguments),
        Arguments::Out | Arguments::Unknown => 0,
    }
}
