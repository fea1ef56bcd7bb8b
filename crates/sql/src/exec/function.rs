//! Rows that functions give, in FROM and in the select list.

use std::sync::Arc;

use rustdb_types::Value;
use rustdb_types::function::Rows;

use super::batch::Batch;
use super::context::Context;
use super::evaluate::values;
use super::{Node, Operator};
use crate::error::Result;
use crate::expr::FunctionCall;

/// For each row of the input the rows of the calls, in lock-step.
#[derive(Debug)]
pub(super) struct FunctionNode {
    pub(super) input: Arc<dyn Node>,
    pub(super) input_width: usize,
    /// The calls, and how many columns each has.
    pub(super) calls: Vec<(FunctionCall, usize)>,
    pub(super) ordinality: bool,
}

struct RunFunction {
    node: Arc<FunctionNode>,
    input: Box<dyn Operator>,
    batch: Batch,
    next_row: usize,
    current: Option<Current>,
}

/// The rows for one row of the input.
struct Current {
    row: Vec<Value>,
    rows: Vec<Option<Rows>>,
    number: i64,
}

impl Node for FunctionNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunFunction {
            input: self.input.clone().open(),
            node: self,
            batch: Batch::default(),
            next_row: 0,
            current: None,
        })
    }
}

impl Operator for RunFunction {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let node = self.node.clone();
        let made: usize = node.calls.iter().map(|(_, columns)| columns).sum();
        let width = node.input_width + made + usize::from(node.ordinality);
        let mut out = Batch::new(width);
        cx.check_cancelled()?;
        while !out.is_full() {
            let current = match &mut self.current {
                Some(current) => current,
                None => match self.next_current(cx)? {
                    Some(current) => self.current.insert(current),
                    None => break,
                },
            };
            match current.next(&node)? {
                Some(row) => out.push(row),
                None => self.current = None,
            }
        }
        Ok((!out.is_empty()).then_some(out))
    }
}

impl RunFunction {
    fn next_current(&mut self, cx: &mut Context<'_>) -> Result<Option<Current>> {
        while self.next_row == self.batch.rows() {
            match self.input.next(cx)? {
                Some(batch) => (self.batch, self.next_row) = (batch, 0),
                None => return Ok(None),
            }
        }
        let row = self.batch.take_row(self.next_row);
        self.next_row += 1;
        let mut rows = Vec::with_capacity(self.node.calls.len());
        for (call, _) in &self.node.calls {
            let arguments = values(&call.arguments, &row[..], cx)?;
            rows.push(Some(call.call.rows(&arguments, &cx.functions())?));
        }
        Ok(Some(Current {
            row,
            rows,
            number: 0,
        }))
    }
}

impl Current {
    /// The next row; `None` once no call has one.
    fn next(&mut self, node: &FunctionNode) -> Result<Option<Vec<Value>>> {
        let mut out = self.row.clone();
        let mut any = false;
        for ((_, columns), rows) in node.calls.iter().zip(&mut self.rows) {
            let value = match rows.as_mut().and_then(Iterator::next) {
                Some(value) => {
                    any = true;
                    value?
                }
                None => {
                    *rows = None;
                    Value::Null
                }
            };
            match (value, *columns) {
                (Value::Record(parts), columns) if columns > 1 => {
                    out.extend(parts.iter().cloned());
                }
                (Value::Null, columns) => {
                    out.extend(std::iter::repeat_n(Value::Null, columns));
                }
                (value, _) => out.push(value),
            }
        }
        self.number += 1;
        if node.ordinality {
            out.push(Value::Int8(self.number));
        }
        Ok(any.then_some(out))
    }
}
