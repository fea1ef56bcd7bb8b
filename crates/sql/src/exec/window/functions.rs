//! The functions that are there for windows only.

use rustdb_types::Value;
use rustdb_types::window::WindowKind;

use super::frame::Frames;
use super::{Call, Partition};
use crate::error::{Error, Result, SqlState};
use crate::exec::context::Context;
use crate::exec::evaluate::evaluate;

/// The function's value for each row of the partition.
pub(super) fn compute(
    kind: WindowKind,
    call: &Call,
    partition: &Partition<'_>,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let rows = 0..partition.len();
    let count = partition.len();
    let column = match kind {
        WindowKind::RowNumber => rows.map(|row| number(row + 1)).collect(),
        WindowKind::Rank => rows
            .map(|row| number(partition.peers(row).start + 1))
            .collect(),
        WindowKind::DenseRank => rows
            .map(|row| number(partition.group_of[row] + 1))
            .collect(),
        WindowKind::PercentRank => rows
            .map(|row| match count {
                0 | 1 => Value::Float8(0.0),
                _ => Value::Float8(partition.peers(row).start as f64 / (count - 1) as f64),
            })
            .collect(),
        WindowKind::CumulativeDistribution => rows
            .map(|row| Value::Float8(partition.peers(row).end as f64 / count as f64))
            .collect(),
        WindowKind::Ntile => return ntile(call, partition, cx),
        WindowKind::Lag => return offset(call, partition, -1, cx),
        WindowKind::Lead => return offset(call, partition, 1, cx),
        WindowKind::FirstValue | WindowKind::LastValue | WindowKind::NthValue => {
            return of_frame(kind, call, partition, cx);
        }
    };
    Ok(column)
}

fn number(of: usize) -> Value {
    Value::Int8(i64::try_from(of).unwrap_or(i64::MAX))
}

fn argument(
    call: &Call,
    index: usize,
    partition: &Partition<'_>,
    row: usize,
    cx: &mut Context<'_>,
) -> Result<Value> {
    match call.arguments.get(index) {
        Some(argument) => Ok(evaluate(argument, partition.row(row), cx)?.into_owned()),
        None => Ok(Value::Null),
    }
}

/// The first rows get one bucket more each where rows do not divide evenly. How many buckets there
/// are is asked once, at the first row where it is not NULL.
fn ntile(call: &Call, partition: &Partition<'_>, cx: &mut Context<'_>) -> Result<Vec<Value>> {
    let count = partition.len();
    let mut column = Vec::with_capacity(count);
    let mut state: Option<(usize, usize)> = None;
    let (mut bucket, mut left) = (1_i32, 0);
    for row in 0..count {
        let (size, larger) = match state {
            Some(state) => state,
            None => {
                let Some(buckets) = argument(call, 0, partition, row, cx)?.as_integer() else {
                    column.push(Value::Null);
                    continue;
                };
                let Some(buckets) = usize::try_from(buckets).ok().filter(|buckets| *buckets > 0)
                else {
                    let message = "argument of ntile must be greater than zero";
                    return Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_NTILE, message));
                };
                let size = (count / buckets).max(1);
                let larger = if count < buckets { 0 } else { count % buckets };
                left = size + usize::from(larger > 0);
                *state.insert((size, larger))
            }
        };
        if left == 0 {
            bucket += 1;
            let is_larger = usize::try_from(bucket).is_ok_and(|bucket| bucket <= larger);
            left = size + usize::from(is_larger);
        }
        left -= 1;
        column.push(Value::Int4(bucket));
    }
    Ok(column)
}

/// The value some rows away, or else the third argument.
fn offset(
    call: &Call,
    partition: &Partition<'_>,
    sign: i64,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let mut column = Vec::with_capacity(partition.len());
    for row in 0..partition.len() {
        let distance = match call.arguments.len() {
            0 | 1 => Some(1),
            _ => argument(call, 1, partition, row, cx)?.as_integer(),
        };
        let Some(distance) = distance else {
            column.push(Value::Null);
            continue;
        };
        let target = i64::try_from(row).unwrap_or(i64::MAX) + sign * distance;
        let target = usize::try_from(target).ok();
        column.push(match target.filter(|target| *target < partition.len()) {
            Some(target) => argument(call, 0, partition, target, cx)?,
            None => argument(call, 2, partition, row, cx)?,
        });
    }
    Ok(column)
}

fn of_frame(
    kind: WindowKind,
    call: &Call,
    partition: &Partition<'_>,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let mut frames = Frames::new(&call.frame, partition, cx)?;
    let mut column = Vec::with_capacity(partition.len());
    for row in 0..partition.len() {
        let frame = frames.of(row, cx)?;
        let parts = frames.parts(row, &frame);
        let rows = parts.iter().map(ExactSizeIterator::len).sum::<usize>();
        let wanted = match kind {
            WindowKind::NthValue => match argument(call, 1, partition, row, cx)?.as_integer() {
                None => None,
                Some(nth) if nth <= 0 => {
                    let message = "argument of nth_value must be greater than zero";
                    return Err(Error::new(
                        SqlState::INVALID_ARGUMENT_FOR_NTH_VALUE,
                        message,
                    ));
                }
                Some(nth) => usize::try_from(nth - 1).ok(),
            },
            WindowKind::LastValue => rows.checked_sub(1),
            _ => Some(0),
        };
        let found = wanted.and_then(|wanted| parts.into_iter().flatten().nth(wanted));
        column.push(match found {
            Some(found) => argument(call, 0, partition, found, cx)?,
            None => Value::Null,
        });
    }
    Ok(column)
}
