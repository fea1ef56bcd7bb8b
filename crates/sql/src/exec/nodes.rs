//! The simple nodes: values, filter, projection, limit, distinct.

use std::sync::Arc;

use rustdb_types::{ColumnVector, Value};

use super::batch::{BATCH_ROWS, Batch};
use super::context::Context;
use super::dedupe::Dedupe;
use super::evaluate::{all_true, evaluate, values};
use super::join_table::Table;
use super::parallel::{Chain, are_shareable};
use super::sort::Key;
use super::spill::Spent;
use super::vector::{selected, vector};
use super::{Node, Operator};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

/// Rows written out.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) width: usize,
    pub(super) rows: Vec<Vec<Expr>>,
}

struct RunValues {
    node: Arc<Values>,
    next: usize,
}

impl Node for Values {
    fn is_shareable(&self) -> bool {
        are_shareable(self.rows.iter().flatten())
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunValues {
            node: self,
            next: 0,
        })
    }
}

impl Operator for RunValues {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let rows = self.node.rows.iter().skip(self.next).take(BATCH_ROWS);
        let mut batch = Batch::new(self.node.width);
        let nothing: &[Value] = &[];
        for row in rows {
            batch.push(values(row, nothing, cx)?);
        }
        self.next += batch.rows();
        Ok((!batch.is_empty()).then_some(batch))
    }
}

/// The rows for which all conditions are true.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) input: Arc<dyn Node>,
    pub(super) conditions: Vec<Expr>,
    /// Whether the rows are to be looked at one after the other: what is volatile sees them so.
    pub(super) is_volatile: bool,
}

struct RunFilter {
    node: Arc<Filter>,
    input: Box<dyn Operator>,
}

impl Node for Filter {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        are_shareable(&self.conditions) && self.input.clone().join_chain(chain)
    }

    fn is_shareable(&self) -> bool {
        are_shareable(&self.conditions) && self.input.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunFilter {
            input: self.input.clone().open(),
            node: self,
        })
    }
}

impl Operator for RunFilter {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(mut batch) = self.input.next(cx)? {
            cx.check_cancelled()?;
            match self.node.is_volatile {
                true => filter_by_row(&self.node.conditions, &mut batch, cx)?,
                false => filter(&self.node.conditions, &mut batch, cx)?,
            }
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        if !self.node.is_volatile {
            self.input.restrict(places, table);
        }
    }
}

/// Keeps the rows for which all conditions are true.
fn filter(conditions: &[Expr], batch: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
    for (index, condition) in conditions.iter().enumerate() {
        if batch.is_empty() {
            return Ok(());
        }
        match selected(condition, batch, cx) {
            Ok(kept) => batch.keep(&kept),
            Err(_) => return filter_by_row(&conditions[index..], batch, cx),
        }
    }
    Ok(())
}

fn filter_by_row(conditions: &[Expr], batch: &mut Batch, cx: &mut Context<'_>) -> Result<()> {
    let mut kept = Vec::with_capacity(batch.rows());
    for row in 0..batch.rows() {
        if all_true(conditions, &batch.row(row), cx)? {
            kept.push(row);
        }
    }
    batch.keep(&kept);
    Ok(())
}

/// New columns for each row.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) input: Arc<dyn Node>,
    pub(super) items: Vec<Expr>,
    /// As in [`Filter`].
    pub(super) is_volatile: bool,
}

struct RunProject {
    node: Arc<Project>,
    input: Box<dyn Operator>,
}

impl Node for Project {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        are_shareable(&self.items) && self.input.clone().join_chain(chain)
    }

    fn is_shareable(&self) -> bool {
        are_shareable(&self.items) && self.input.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunProject {
            input: self.input.clone().open(),
            node: self,
        })
    }
}

impl Operator for RunProject {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let Some(mut batch) = self.input.next(cx)? else {
            return Ok(None);
        };
        let items = &self.node.items;
        let rows = batch.rows();
        let columns = match self.node.is_volatile {
            true => row_by_row(items, &batch, cx)?,
            false => match computed(items, &batch, cx) {
                Ok(columns) => with_inputs(columns, items, &mut batch),
                Err(_) => row_by_row(items, &batch, cx)?,
            },
        };
        Ok(Some(Batch::of(columns, rows)))
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        let places = places.iter().map(|place| match self.node.items[*place] {
            Expr::Input(place) if !self.node.is_volatile => Some(place),
            _ => None,
        });
        if let Some(places) = places.collect::<Option<Vec<usize>>>() {
            self.input.restrict(&places, table);
        }
    }
}

/// The columns that are not among those of the batch.
fn computed(
    items: &[Expr],
    batch: &Batch,
    cx: &mut Context<'_>,
) -> Result<Vec<Option<ColumnVector>>> {
    let columns = items.iter().map(|item| match item {
        Expr::Input(_) => Ok(None),
        item => Ok(Some(vector(item, batch, cx)?.into_column(batch.rows()))),
    });
    columns.collect()
}

/// The columns with those of the batch, which are moved where they are wanted for the last time.
fn with_inputs(
    columns: Vec<Option<ColumnVector>>,
    items: &[Expr],
    batch: &mut Batch,
) -> Vec<ColumnVector> {
    let columns = columns.into_iter().enumerate();
    let columns = columns.map(|(number, column)| match (column, &items[number]) {
        (Some(column), _) => column,
        (None, Expr::Input(place)) => match items[number + 1..].contains(&items[number]) {
            true => batch.column(*place).clone(),
            false => batch.take_column(*place),
        },
        (None, _) => ColumnVector::default(),
    });
    columns.collect()
}

fn row_by_row(items: &[Expr], batch: &Batch, cx: &mut Context<'_>) -> Result<Vec<ColumnVector>> {
    let mut columns: Vec<ColumnVector> = Vec::with_capacity(items.len());
    columns.resize_with(items.len(), || ColumnVector::with_capacity(batch.rows()));
    for row in 0..batch.rows() {
        let row = batch.row(row);
        for (column, item) in columns.iter_mut().zip(items) {
            column.push(evaluate(item, &row, cx)?.into_owned());
        }
    }
    Ok(columns)
}

/// Some of the rows.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) input: Arc<dyn Node>,
    pub(super) count: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// `WITH TIES` goes on while rows are equal in these.
    pub(super) ties: Vec<Key>,
}

struct RunLimit {
    node: Arc<Limit>,
    input: Box<dyn Operator>,
    /// What is left to skip, and to give out (`None`: everything); unknown before the first row.
    left: Option<(u64, Option<u64>)>,
    /// The last row that counted, for ties.
    last: Option<Vec<Value>>,
}

impl Node for Limit {
    fn is_shareable(&self) -> bool {
        are_shareable(self.count.iter().chain(&self.offset)) && self.input.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunLimit {
            input: self.input.clone().open(),
            node: self,
            left: None,
            last: None,
        })
    }
}

impl Operator for RunLimit {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let (mut skip, mut take) = match self.left {
            Some(left) => left,
            None => {
                let skip = row_count(
                    self.node.offset.as_ref(),
                    "OFFSET",
                    SqlState::INVALID_OFFSET,
                    cx,
                )?;
                let take = row_count(
                    self.node.count.as_ref(),
                    "LIMIT",
                    SqlState::INVALID_LIMIT,
                    cx,
                )?;
                (skip.unwrap_or(0), take)
            }
        };
        let result = loop {
            if take == Some(0) {
                break self.tied(cx)?;
            }
            let Some(mut batch) = self.input.next(cx)? else {
                break None;
            };
            let skipped = skip.min(batch.rows() as u64);
            batch.skip(skipped as usize);
            skip -= skipped;
            if batch.is_empty() {
                continue;
            }
            if let Some(take) = &mut take {
                let given = (*take).min(batch.rows() as u64) as usize;
                *take -= given as u64;
                if *take == 0 && !self.node.ties.is_empty() {
                    let last = batch.take_row(given - 1);
                    let mut end = given;
                    while end < batch.rows() && self.is_tied(&last, &batch.take_row(end)) {
                        end += 1;
                    }
                    self.last = (end == batch.rows()).then_some(last);
                    batch.truncate(end);
                } else {
                    batch.truncate(given);
                }
            }
            break Some(batch);
        };
        self.left = Some((skip, take));
        Ok(result)
    }
}

impl RunLimit {
    /// The rows after the last that are its equals.
    fn tied(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let Some(last) = self.last.take() else {
            return Ok(None);
        };
        let Some(mut batch) = self.input.next(cx)? else {
            return Ok(None);
        };
        let mut end = 0;
        while end < batch.rows() && self.is_tied(&last, &batch.take_row(end)) {
            end += 1;
        }
        if end == batch.rows() {
            self.last = Some(last);
        }
        batch.truncate(end);
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn is_tied(&self, left: &[Value], right: &[Value]) -> bool {
        let mut keys = self.node.ties.iter();
        keys.all(|key| key.compare(&left[key.place], &right[key.place]).is_eq())
    }
}

fn row_count(
    expr: Option<&Expr>,
    word: &str,
    state: SqlState,
    cx: &mut Context<'_>,
) -> Result<Option<u64>> {
    let Some(expr) = expr else {
        return Ok(None);
    };
    let nothing: &[Value] = &[];
    let value = evaluate(expr, nothing, cx)?;
    match value.as_integer() {
        None => Ok(None),
        Some(number) => match u64::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::new(state, format!("{word} must not be negative"))),
        },
    }
}

/// The first of the rows that are equal in some columns.
#[derive(Debug)]
pub(super) struct Distinct {
    pub(super) input: Arc<dyn Node>,
    pub(super) places: Vec<usize>,
    /// Which of the places are padded with blanks that do not count.
    pub(super) padded: Vec<usize>,
    /// How many columns the rows have.
    pub(super) width: usize,
}

struct RunDistinct {
    /// Where rows come from, as long as there are more.
    input: Option<Box<dyn Operator>>,
    dedupe: Dedupe,
}

impl Node for Distinct {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunDistinct {
            input: Some(self.input.clone().open()),
            dedupe: Dedupe::new(Some(self.places.clone()), self.padded.clone(), self.width),
        })
    }
}

impl Operator for RunDistinct {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        while let Some(input) = &mut self.input {
            let Some(mut batch) = input.next(cx)? else {
                self.input = None;
                break;
            };
            cx.check_cancelled()?;
            self.dedupe.keep_new(&mut batch, cx)?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.dedupe.rest(cx)
    }

    fn spent(&self) -> Option<Spent> {
        self.dedupe.spent()
    }
}
