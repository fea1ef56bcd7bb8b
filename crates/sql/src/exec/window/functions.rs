//! The functions that are there for windows only.

use rustdb_types::Value;
use rustdb_types::window::WindowKind;

use super::Call;
use super::frame::{At, Frames};
use super::partition::Partition;
use crate::error::{Error, Result, SqlState};
use crate::exec::context::Context;
use crate::exec::evaluate::evaluate;

/// A function that goes from row to row.
pub(super) struct Running {
    kind: WindowKind,
    /// For those that look at frames.
    frames: Option<Frames>,
    ntile: Ntile,
}

impl Running {
    pub(super) fn new(kind: WindowKind, call: &Call, cx: &mut Context<'_>) -> Result<Running> {
        let has_frames = matches!(
            kind,
            WindowKind::FirstValue | WindowKind::LastValue | WindowKind::NthValue
        );
        Ok(Running {
            kind,
            frames: match has_frames {
                true => Some(Frames::new(&call.frame, cx)?),
                false => None,
            },
            ntile: Ntile::default(),
        })
    }

    /// The function's value for a row; rows have to be asked for in their order.
    pub(super) fn next(
        &mut self,
        row: usize,
        call: &Call,
        partition: &mut Partition,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        let count = partition.len();
        Ok(match self.kind {
            WindowKind::RowNumber => number(row + 1),
            WindowKind::Rank => number(partition.peers(row).start + 1),
            WindowKind::DenseRank => number(partition.group_of(row) + 1),
            WindowKind::PercentRank => Value::Float8(match count {
                0 | 1 => 0.0,
                _ => partition.peers(row).start as f64 / (count - 1) as f64,
            }),
            WindowKind::CumulativeDistribution => {
                Value::Float8(partition.peers(row).end as f64 / count as f64)
            }
            WindowKind::Ntile => return self.ntile.next(row, call, partition, cx),
            WindowKind::Lag => return offset(row, call, partition, -1, cx),
            WindowKind::Lead => return offset(row, call, partition, 1, cx),
            WindowKind::FirstValue | WindowKind::LastValue | WindowKind::NthValue => {
                let Some(frames) = &mut self.frames else {
                    return Err(Error::internal("a function without its frames"));
                };
                return of_frame(self.kind, frames, row, call, partition, cx);
            }
        })
    }
}

fn number(of: usize) -> Value {
    Value::Int8(i64::try_from(of).unwrap_or(i64::MAX))
}

fn argument(
    call: &Call,
    index: usize,
    partition: &mut Partition,
    row: usize,
    cx: &mut Context<'_>,
) -> Result<Value> {
    match call.arguments.get(index) {
        Some(argument) => Ok(evaluate(argument, partition.row(row, cx)?, cx)?.into_owned()),
        None => Ok(Value::Null),
    }
}

/// The first rows get one bucket more each where rows do not divide evenly. How many buckets there
/// are is asked once, at the first row where it is not NULL.
#[derive(Default)]
struct Ntile {
    /// How many rows a bucket has, and how many buckets have one more.
    sizes: Option<(usize, usize)>,
    bucket: i32,
    /// How many rows the bucket still takes.
    left: usize,
}

impl Ntile {
    fn next(
        &mut self,
        row: usize,
        call: &Call,
        partition: &mut Partition,
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        let (size, larger) = match self.sizes {
            Some(sizes) => sizes,
            None => {
                let Some(buckets) = argument(call, 0, partition, row, cx)?.as_integer() else {
                    return Ok(Value::Null);
                };
                let Some(buckets) = usize::try_from(buckets).ok().filter(|buckets| *buckets > 0)
                else {
                    let message = "argument of ntile must be greater than zero";
                    return Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_NTILE, message));
                };
                let count = partition.len();
                let size = (count / buckets).max(1);
                let larger = if count < buckets { 0 } else { count % buckets };
                *self.sizes.insert((size, larger))
            }
        };
        if self.left == 0 {
            self.bucket += 1;
            let is_larger = usize::try_from(self.bucket).is_ok_and(|bucket| bucket <= larger);
            self.left = size + usize::from(is_larger);
        }
        self.left -= 1;
        Ok(Value::Int4(self.bucket))
    }
}

/// The value some rows away, or else the third argument.
fn offset(
    row: usize,
    call: &Call,
    partition: &mut Partition,
    sign: i64,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let distance = match call.arguments.len() {
        0 | 1 => Some(1),
        _ => argument(call, 1, partition, row, cx)?.as_integer(),
    };
    let Some(distance) = distance else {
        return Ok(Value::Null);
    };
    let target = i64::try_from(row).unwrap_or(i64::MAX) + sign * distance;
    let target = usize::try_from(target).ok();
    match target.filter(|target| *target < partition.len()) {
        Some(target) => argument(call, 0, partition, target, cx),
        None => argument(call, 2, partition, row, cx),
    }
}

fn of_frame(
    kind: WindowKind,
    frames: &mut Frames,
    row: usize,
    call: &Call,
    partition: &mut Partition,
    cx: &mut Context<'_>,
) -> Result<Value> {
    let frame = &call.frame;
    let mut at = At { frame, partition };
    let range = frames.of(row, &mut at, cx)?;
    let parts = at.parts(row, &range);
    let rows = parts.iter().map(ExactSizeIterator::len).sum::<usize>();
    let wanted = match kind {
        WindowKind::NthValue => match argument(call, 1, at.partition, row, cx)?.as_integer() {
            None => None,
            Some(nth) if nth <= 0 => {
                let message = "argument of nth_value must be greater than zero";
                let state = SqlState::INVALID_ARGUMENT_FOR_NTH_VALUE;
                return Err(Error::new(state, message));
            }
            Some(nth) => usize::try_from(nth - 1).ok(),
        },
        WindowKind::LastValue => rows.checked_sub(1),
        _ => Some(0),
    };
    let found = wanted.and_then(|wanted| parts.into_iter().flatten().nth(wanted));
    match found {
        Some(found) => argument(call, 0, at.partition, found, cx),
        None => Ok(Value::Null),
    }
}
