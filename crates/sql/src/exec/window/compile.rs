//! Making windows ready to run.

use std::sync::Arc;

use super::{Call, CompiledFrame, Edge, Function, WindowNode};
use crate::error::{Error, Result};
use crate::exec::Node;
use crate::exec::compile::{Compiler, Outer};
use crate::exec::sort::Key;
use crate::expr::{ColumnId, Expr};
use crate::plan::{FrameBound, Window, WindowCall, WindowItem};

impl Compiler<'_> {
    pub(in crate::exec) fn window(
        &mut self,
        window: &Window,
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let input = self.plan(&window.input, outer)?;
        let items = window.partition.iter().chain(&window.order);
        let width = input.columns.len();
        let keys = items.clone().enumerate().map(|(place, item)| Key {
            place: width + place,
            descending: item.descending,
            nulls_first: item.nulls_first,
            padded: item.padded,
        });
        let keys: Vec<Key> = keys.collect();
        let sort: Vec<Expr> = items.map(|item| item.expr.clone()).collect();
        let mut calls = Vec::with_capacity(window.calls.len());
        for (_, item) in &window.calls {
            let filter = item.filter.iter().cloned().collect::<Vec<Expr>>();
            calls.push(Call {
                function: match &item.function {
                    WindowCall::Function(kind, _) => Function::Window(*kind),
                    WindowCall::Aggregate(call) => Function::Aggregate(call.clone()),
                },
                arguments: self.all(&item.arguments, &input.columns, outer)?,
                filter: self.all(&filter, &input.columns, outer)?.pop(),
                is_volatile: item.arguments.iter().chain(&filter).any(Expr::is_volatile),
                frame: self.frame(window, item, &input.columns, outer)?,
            });
        }
        Ok(Arc::new(WindowNode {
            width: input.columns.len(),
            sort: self.all(&sort, &input.columns, outer)?,
            input: input.node,
            keys,
            partition: window.partition.len(),
            calls,
        }))
    }

    fn frame(
        &mut self,
        window: &Window,
        item: &WindowItem,
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<CompiledFrame> {
        let mut edge = |bound: &FrameBound| {
            let mut offset = |expr: &Expr| {
                let mut expr = expr.clone();
                self.expression(&mut expr, &[], outer)?;
                Ok::<_, Error>(expr)
            };
            Ok::<_, Error>(match bound {
                FrameBound::UnboundedPreceding => Edge::UnboundedPreceding,
                FrameBound::Preceding(expr) => Edge::Preceding(offset(expr)?),
                FrameBound::CurrentRow => Edge::CurrentRow,
                FrameBound::Following(expr) => Edge::Following(offset(expr)?),
                FrameBound::UnboundedFollowing => Edge::UnboundedFollowing,
            })
        };
        let (start, end) = (edge(&item.frame.start)?, edge(&item.frame.end)?);
        let range = match &item.frame.range {
            None => None,
            Some(range) => {
                let mut value = range.value.clone();
                self.expression(&mut value, columns, outer)?;
                Some((value, range.operators))
            }
        };
        let first = window.order.first();
        Ok(CompiledFrame {
            units: item.frame.units,
            start,
            end,
            exclude: item.frame.exclude,
            range,
            descending: first.is_some_and(|item| item.descending),
            nulls_first: first.is_some_and(|item| item.nulls_first),
        })
    }
}
