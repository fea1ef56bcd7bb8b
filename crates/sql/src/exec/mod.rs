//! Running plans.
//!
//! ```text
//! Plan ─▶ compile ─▶ Node       columns have become places; made once, run often
//!                      │ open
//!                      ▼
//!                   Operator    the state of one run; gives batches of rows until there are no more
//! ```
//!
//! A node of a subquery is opened once for each outer row, whose values it finds in
//! [`Context::outer`].

mod access_path;
mod aggregate;
mod answers;
mod at_once;
mod batch;
mod by_group;
mod compile;
mod context;
mod dedupe;
mod evaluate;
mod function;
mod group_codes;
mod groups;
mod hash_join;
mod join;
mod join_table;
mod key;
mod keyed;
mod lock;
mod look_ups;
mod marked_join;
mod measure;
mod members;
mod merge_join;
mod modify;
mod nodes;
mod parallel;
mod point;
mod row_test;
mod scan;
mod session;
mod set_operation;
mod sleep;
mod sort;
mod sorted_groups;
mod source;
mod spill;
mod spilled_groups;
mod spilled_join;
mod spilled_set;
mod subquery;
mod subscript;
mod sweep;
mod system;
mod upsert;
mod vector;
mod window;
mod with;
mod write;

use std::fmt::Debug;
use std::sync::Arc;

use rustdb_types::{Value, interrupt};

use crate::bind::Write;
use crate::error::Result;
use crate::expr::{ColumnId, Expr};
use crate::plan::Plan;
use crate::row_set::{RowBlock, RowSet};

use batch::Batch;
use join::NestedLoop;
use parallel::Chain;
use point::{OneRow, Point};

pub(crate) use session::{SessionState, quoted, sequence_of, split_name};
pub(crate) use write::WriteNode;

pub(crate) use batch::BATCH_ROWS;
pub use context::Context;
pub(crate) use context::{Memory, check_cancelled, timed_out};
pub(crate) use hash_join::is_hashable;
pub(crate) use measure::Measures;
pub(crate) use modify::{Careful, run_carefully};
pub(crate) use parallel::{CrewWatch, Limits};
pub(crate) use spill::Spent;
pub use subquery::SubPlan;

/// The value of an expression whose columns are places in a row.
pub(crate) fn evaluate_row(expr: &Expr, row: &[Value], cx: &mut Context<'_>) -> Result<Value> {
    Ok(evaluate::evaluate(expr, row, cx)?.into_owned())
}

/// What can be run, any number of times, by several threads at once.
pub(crate) trait Node: Debug + Send + Sync {
    /// Begins a run.
    fn open(self: Arc<Self>) -> Box<dyn Operator>;

    /// Whether several threads can run it, each for a part of a table: then what that takes is
    /// noted in the chain.
    fn join_chain(self: Arc<Self>, _: &mut Chain) -> bool {
        false
    }

    /// Whether any thread may run it.
    fn is_shareable(&self) -> bool {
        false
    }

    /// Itself, if it is a join that can be run together with one above it; see [`look_ups`].
    fn as_look_up(self: Arc<Self>) -> Option<Arc<NestedLoop>> {
        None
    }
}

/// A run of a node.
pub(crate) trait Operator: Send {
    /// The next rows, at least one; `None` if there are no more.
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>>;

    /// The same, for who wants all of the rows, and as rows.
    fn next_block(&mut self, cx: &mut Context<'_>) -> Result<Option<RowBlock>> {
        Ok(self.next(cx)?.map(Batch::into_block))
    }

    /// Tells it, before it has given anything, that nobody wants rows whose values at these places
    /// are no key of the table. It may give some all the same.
    fn restrict(&mut self, _places: &[usize], _table: &Arc<join_table::Table>) {}

    /// What it has spent of memory and disk, if that is worth telling.
    fn spent(&self) -> Option<Spent> {
        None
    }
}

/// A statement that is ready to run.
#[derive(Clone, Debug)]
pub struct Executable {
    node: Arc<dyn Node>,
    outer: usize,
    results: usize,
    /// The same for one row, if it is that.
    one_row: Option<OneRow>,
    shared: usize,
}

/// A statement that runs.
pub struct Run {
    operator: Box<dyn Operator>,
}

impl Executable {
    /// Makes a plan ready. The rows will have `columns`, in this order.
    pub fn new(plan: &Plan, columns: &[ColumnId]) -> Result<Executable> {
        compile::executable(plan, columns, None)
    }

    /// Makes a statement that writes ready.
    pub(crate) fn write(write: &Write) -> Result<(WriteNode, Executable)> {
        compile::writer(write, None)
    }

    /// As [`Executable::new`], and its nodes are watched.
    pub(crate) fn measured(
        plan: &Plan,
        columns: &[ColumnId],
        measures: &mut Measures,
    ) -> Result<Executable> {
        compile::executable(plan, columns, Some(measures))
    }

    /// As [`Executable::write`], and its nodes are watched.
    pub(crate) fn measured_write(
        write: &Write,
        measures: &mut Measures,
    ) -> Result<(WriteNode, Executable)> {
        compile::writer(write, Some(measures))
    }

    /// Room for the values that the parts of the statement pass to each other.
    pub(crate) fn memory(&self) -> Memory {
        if (self.outer, self.results, self.shared) == (0, 0, 0) {
            return Memory::default();
        }
        Memory {
            outer: vec![Value::Null; self.outer],
            results: vec![None; self.results],
            rows: vec![None; self.results],
            shared: (0..self.shared).map(|_| None).collect(),
            ..Memory::default()
        }
    }

    /// All rows of a run. What it is given by must have the [memory](Executable::memory).
    pub(crate) fn rows(&self, cx: &mut Context<'_>) -> Result<RowSet> {
        if let Some(one_row) = &self.one_row {
            return Ok(one_row.run(cx)?.into_iter().collect());
        }
        let mut rows = RowSet::default();
        let mut run = self.start();
        loop {
            match run.operator.next_block(cx) {
                Ok(Some(block)) => rows.push_block(block),
                Ok(None) => return Ok(rows),
                Err(error) => {
                    interrupt::leave((run.operator, rows));
                    return Err(error);
                }
            }
        }
    }

    /// The one row that it gives, where that can be read without a transaction.
    pub(crate) fn committed_point(&self) -> Option<&Point> {
        self.one_row.as_ref()?.committed_point()
    }

    /// Whether it gives one row by its key, or none, and nothing in it can take long.
    pub(crate) fn is_brief(&self) -> bool {
        let point = self.committed_point();
        point.is_some_and(Point::is_brief)
    }

    /// Begins a run. What it is given by must have the [memory](Executable::memory).
    pub(crate) fn start(&self) -> Run {
        Run {
            operator: self.node.clone().open(),
        }
    }
}

impl Run {
    /// The next rows; `None` if there are no more.
    pub fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<RowBlock>> {
        self.operator.next_block(cx)
    }
}
