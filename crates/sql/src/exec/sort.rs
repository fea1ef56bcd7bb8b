//! Sorting.

use std::cmp::Ordering;
use std::sync::Arc;

use rustdb_types::{Value, without_padding};

use super::batch::{BATCH_ROWS, Batch, Row};
use super::context::Context;
use super::evaluate::evaluate;
use super::spill::{Sorted, Sorter, Spent};
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::Expr;

/// What rows are compared by.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
    /// Whether blanks at the end do not count.
    pub(super) padded: bool,
}

impl Key {
    pub(super) fn compare(&self, left: &Value, right: &Value) -> Ordering {
        let nulls = match self.nulls_first {
            true => Ordering::Less,
            false => Ordering::Greater,
        };
        match (left.is_null(), right.is_null()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return nulls,
            (false, true) => return nulls.reverse(),
            (false, false) => (),
        }
        let order = match (left, right) {
            (Value::Text(left), Value::Text(right)) if self.padded => {
                without_padding(left.as_bytes()).cmp(without_padding(right.as_bytes()))
            }
            _ => left.compare(right),
        };
        match self.descending {
            true => order.reverse(),
            false => order,
        }
    }
}

/// Rows in order; equal rows stay in the order they came.
#[derive(Debug)]
pub(super) struct Sort {
    pub(super) input: Arc<dyn Node>,
    pub(super) keys: Vec<Key>,
    pub(super) width: usize,
    /// If only the first rows are wanted: how many, as the sum of these.
    pub(super) first: Vec<Expr>,
}

struct RunSort {
    node: Arc<Sort>,
    input: Box<dyn Operator>,
    sorted: Option<Sorted>,
}

impl Node for Sort {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunSort {
            input: self.input.clone().open(),
            node: self,
            sorted: None,
        })
    }
}

impl Operator for RunSort {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let sorted = match &mut self.sorted {
            Some(sorted) => sorted,
            None => {
                let rows = self.sort(cx)?;
                self.sorted.insert(rows)
            }
        };
        let mut batch = Batch::new(self.node.width);
        match sorted.in_memory() {
            Some(rows) => rows.take(BATCH_ROWS).for_each(|row| batch.push(row)),
            None => {
                while batch.rows() < BATCH_ROWS
                    && let Some(row) = sorted.next(cx)?
                {
                    batch.push(row);
                }
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn spent(&self) -> Option<Spent> {
        self.sorted.as_ref().map(|sorted| sorted.spent().clone())
    }
}

impl RunSort {
    fn sort(&mut self, cx: &mut Context<'_>) -> Result<Sorted> {
        let charge = cx.pool().charge();
        let mut sorter = Sorter::new(self.node.keys.clone(), self.node.width, charge);
        sorter.set_wanted(wanted(&self.node.first, cx)?);
        while let Some(batch) = self.input.next(cx)? {
            cx.check_cancelled()?;
            if sorter.has_bound() {
                for row in 0..batch.rows() {
                    if sorter.wants(&batch.row(row)) {
                        sorter.push(batch.take_row(row), cx)?;
                    }
                }
                continue;
            }
            let bytes = batch.bytes() + batch.rows() * size_of::<Vec<Value>>();
            sorter.extend(batch.into_rows().into_iter(), bytes, cx)?;
        }
        sorter.finish(cx)
    }
}

/// How many of the first rows are wanted; `None` is all. What is wrong with the numbers is for the
/// limit above to say.
fn wanted(first: &[Expr], cx: &mut Context<'_>) -> Result<Option<usize>> {
    let nothing: &[Value] = &[];
    let mut all = 0_usize;
    for expr in first {
        match evaluate(expr, nothing, cx)?.as_integer() {
            // LIMIT NULL is none, and OFFSET NULL is 0.
            None if expr == &first[first.len() - 1] => return Ok(None),
            None => (),
            Some(number) => all = all.saturating_add(usize::try_from(number).unwrap_or(0)),
        }
    }
    Ok((!first.is_empty()).then_some(all))
}

/// Which of two rows comes first.
pub(super) fn compare(keys: &[Key], left: &(impl Row + ?Sized), right: &[Value]) -> Ordering {
    let mut orders = keys
        .iter()
        .map(|key| key.compare(left.value(key.place), &right[key.place]));
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
