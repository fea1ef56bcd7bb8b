//! Sorting.

use std::cmp::Ordering;
use std::sync::Arc;

use rustdb_types::{Value, without_padding};

use super::batch::{BATCH_ROWS, Batch};
use super::context::Context;
use super::{Node, Operator};
use crate::error::Result;

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
}

struct RunSort {
    node: Arc<Sort>,
    input: Box<dyn Operator>,
    sorted: Option<std::vec::IntoIter<Vec<Value>>>,
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
                let rows = sort(&mut *self.input, &self.node.keys, cx)?;
                self.sorted.insert(rows.into_iter())
            }
        };
        let mut batch = Batch::new(self.node.width);
        for row in sorted.by_ref().take(BATCH_ROWS) {
            batch.push(row);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

fn sort(input: &mut dyn Operator, keys: &[Key], cx: &mut Context<'_>) -> Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    while let Some(batch) = input.next(cx)? {
        rows.extend((0..batch.rows()).map(|row| batch.take_row(row)));
    }
    rows.sort_by(|left, right| {
        let orders = keys
            .iter()
            .map(|key| key.compare(&left[key.place], &right[key.place]));
        orders
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(rows)
}
