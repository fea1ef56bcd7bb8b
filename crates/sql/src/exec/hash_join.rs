//! Joins by equal values, with a hash table of the right side.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustdb_types::{Base, Operator as TypeOperator, Type, Value};

use super::batch::{BATCH_ROWS, Batch, Pair, Row};
use super::context::Context;
use super::evaluate::{all_true, evaluate};
use super::key::{RowKey, widened};
use super::spill::{Charge, Spent};
use super::spilled_join::{Begun, SpilledJoin};
use super::{Node, Operator};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr};
use crate::plan::{Join, JoinKind, free_columns_of};

/// A join by hashing.
#[derive(Debug)]
pub(super) struct HashJoin {
    pub(super) kind: JoinKind,
    pub(super) left_keys: Vec<Expr>,
    pub(super) right_keys: Vec<Expr>,
    /// What has to hold besides.
    pub(super) rest: Vec<Expr>,
    pub(super) left_width: usize,
    pub(super) right_width: usize,
    pub(super) left: Arc<dyn Node>,
    pub(super) right: Arc<dyn Node>,
    /// Whether something above relies on the order of the left side.
    pub(super) keeps_order: bool,
}

/// A join's conditions, apart.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// Pairs of what has to be equal: of the left, of the right.
    pub(super) keys: Vec<(Expr, Expr)>,
    /// The others.
    pub(super) rest: Vec<Expr>,
}

/// Finds the conditions that say that something of the left equals something of the right.
pub(super) fn split(join: &Join, left: &[ColumnId], right: &[ColumnId]) -> Split {
    let within = |expr: &Expr, columns: &[ColumnId]| {
        let used = free_columns_of(expr);
        !used.is_empty() && used.iter().all(|column| columns.contains(column))
    };
    let mut split = Split::default();
    for condition in &join.conditions {
        if let Expr::Operator(call) = condition
            && is_hashable(call.operator)
            && !condition.is_volatile()
            && let Some(first) = &call.left
        {
            let second = &call.right;
            if within(first, left) && within(second, right) {
                split.keys.push((first.clone(), second.clone()));
                continue;
            }
            if within(second, left) && within(first, right) {
                split.keys.push((second.clone(), first.clone()));
                continue;
            }
        }
        split.rest.push(condition.clone());
    }
    split
}

/// Whether `=` of these types is what [`widened`] values' equality says.
pub(crate) fn is_hashable(operator: &TypeOperator) -> bool {
    if operator.name != "=" {
        return false;
    }
    let left = operator.left.as_ref().and_then(|left| left.concrete());
    let (Some(left), Some(right)) = (left, operator.right.concrete()) else {
        return false;
    };
    let is_padded = |of: &Type| of.base() == Some(Base::Bpchar);
    let is_integer = |of: &Type| matches!(of.base(), Some(Base::Int2 | Base::Int4 | Base::Int8));
    let is_float = |of: &Type| matches!(of.base(), Some(Base::Float4 | Base::Float8));
    !is_padded(left)
        && (left == right
            || is_integer(left) && is_integer(right)
            || is_float(left) && is_float(right))
}

struct RunHashJoin {
    node: Arc<HashJoin>,
    left: Box<dyn Operator>,
    right: Right,
    probe: Probe,
    is_done: bool,
}

/// The right side.
enum Right {
    Unread,
    Table(Table),
    /// There is too much of it.
    Spilled(Box<SpilledJoin>),
}

/// How far the rows of a batch of the left side have been looked at.
#[derive(Default)]
struct Probe {
    batch: Batch,
    row: usize,
    /// The row of the table that comes next for it; `None` before it was looked for.
    at: Option<u32>,
    /// Whether it had a partner.
    is_matched: bool,
}

/// The right side: its rows, column by column, and where those with a key are.
pub(super) struct Table {
    pub(super) rows: Batch,
    /// The first row with a key; the others follow by `next`.
    first: HashMap<RowKey, u32, RandomState>,
    next: Vec<u32>,
    pub(super) matched: Vec<bool>,
    /// What it holds.
    charge: Option<Charge>,
}

/// There is no next row.
pub(super) const NONE: u32 = u32::MAX;

impl Node for HashJoin {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunHashJoin {
            left: self.left.clone().open(),
            node: self,
            right: Right::Unread,
            probe: Probe::default(),
            is_done: false,
        })
    }
}

impl Operator for RunHashJoin {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.is_done {
            return Ok(None);
        }
        let node = self.node.clone();
        if let Right::Unread = &self.right {
            self.right = match build(&node, cx)? {
                Built::Table(table) => Right::Table(table),
                Built::Begun(begun) => {
                    let spilled = SpilledJoin::new(&node, begun, &mut *self.left, cx)?;
                    Right::Spilled(Box::new(spilled))
                }
            };
        }
        let table = match &mut self.right {
            Right::Table(table) => table,
            Right::Spilled(join) => return join.next(cx),
            Right::Unread => return Ok(None),
        };
        loop {
            cx.check_cancelled()?;
            if self.probe.row == self.probe.batch.rows() {
                let Some(batch) = self.left.next(cx)? else {
                    self.is_done = true;
                    let unmatched = matches!(node.kind, JoinKind::Right | JoinKind::Full);
                    return Ok(unmatched
                        .then(|| table.unmatched(node.left_width))
                        .flatten());
                };
                self.probe = Probe {
                    batch,
                    ..Probe::default()
                };
            }
            let pairs = self.probe.pairs(&node, table, cx)?;
            if !pairs.is_empty() {
                return Ok(Some(joined(&node, &self.probe.batch, &table.rows, &pairs)));
            }
        }
    }

    fn spent(&self) -> Option<Spent> {
        match &self.right {
            Right::Unread => None,
            Right::Spilled(join) => Some(join.spent()),
            Right::Table(table) => table.charge.as_ref().map(|charge| Spent::Join {
                batches: 1,
                memory_bytes: charge.peak(),
                disk_bytes: 0,
            }),
        }
    }
}

/// The right side, read to its end or as far as there is memory for it.
enum Built {
    Table(Table),
    Begun(Begun),
}

/// Reads the right side; as far as there is memory for it.
fn build(node: &HashJoin, cx: &mut Context<'_>) -> Result<Built> {
    let mut rows = Batch::new(node.right_width);
    let mut run = node.right.clone().open();
    let mut keys: Vec<Option<RowKey>> = Vec::new();
    let mut charge = cx.pool().charge();
    while let Some(batch) = run.next(cx)? {
        cx.check_cancelled()?;
        let mut scratch = Vec::new();
        for row in 0..batch.rows() {
            let found = key(&node.right_keys, &batch.row(row), &mut scratch, cx)?;
            keys.push(found.then(|| scratch.as_slice().into()));
        }
        charge.hold(batch.bytes() + batch.rows() * node.entry_bytes())?;
        rows.append(batch);
        if charge.is_over() {
            return Ok(Built::Begun(Begun {
                rows,
                keys,
                rest: run,
                charge,
            }));
        }
    }
    let mut table = Table::new(rows, keys)?;
    table.charge = Some(charge);
    Ok(Built::Table(table))
}

impl HashJoin {
    /// What the table takes for a row besides the row.
    pub(super) fn entry_bytes(&self) -> usize {
        size_of::<Value>() * self.right_keys.len() + ENTRY_BYTES
    }
}

/// What a row's place in the table takes, about: key, number, next row, and room to grow.
const ENTRY_BYTES: usize = 64;

impl Table {
    /// A table of rows with their keys; `None` is a key that equals nothing.
    pub(super) fn new(rows: Batch, keys: Vec<Option<RowKey>>) -> Result<Table> {
        if rows.rows() >= NONE as usize {
            let message = "a join has more than four billion rows on one side";
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let mut table = Table {
            first: HashMap::with_capacity_and_hasher(rows.rows(), RandomState::default()),
            next: vec![NONE; rows.rows()],
            matched: vec![false; rows.rows()],
            rows,
            charge: None,
        };
        // From the end, so that rows of one key follow each other as they came.
        for (row, key) in keys.into_iter().enumerate().rev() {
            if let Some(key) = key {
                let row_number = row as u32;
                if let Some(after) = table.first.insert(key, row_number) {
                    table.next[row] = after;
                }
            }
        }
        Ok(table)
    }

    /// The first row with a key; [`NONE`] if there is none.
    pub(super) fn first_of(&self, key: &[Value]) -> u32 {
        self.first.get(key).copied().unwrap_or(NONE)
    }

    /// The next row with the same key; [`NONE`] if there is none.
    pub(super) fn after(&self, row: usize) -> u32 {
        self.next[row]
    }
}

impl Table {
    /// The rows that had no partner, with NULL for the left's columns.
    fn unmatched(&self, left_width: usize) -> Option<Batch> {
        let rows: Vec<usize> = (0..self.rows.rows())
            .filter(|row| !self.matched[*row])
            .collect();
        let nulls = (0..left_width).map(|_| vec![Value::Null; rows.len()]);
        let columns = nulls.chain(self.rows.gathered(rows.iter().map(|row| Some(*row))));
        (!rows.is_empty()).then(|| Batch::of(columns.collect(), rows.len()))
    }
}

impl Probe {
    /// Which rows of the batch go with which of the table's, as the kind of join has it: some of
    /// them, until the batch is at its end.
    fn pairs(
        &mut self,
        node: &HashJoin,
        table: &mut Table,
        cx: &mut Context<'_>,
    ) -> Result<Vec<(usize, Option<usize>)>> {
        let mut pairs = Vec::with_capacity(self.batch.rows());
        let mut scratch = Vec::new();
        while self.row < self.batch.rows() && pairs.len() < BATCH_ROWS {
            cx.check_cancelled()?;
            let left = self.batch.row(self.row);
            let mut at = match self.at {
                Some(at) => at,
                None => match key(&node.left_keys, &left, &mut scratch, cx)? {
                    true => table.first.get(&scratch[..]).copied().unwrap_or(NONE),
                    false => NONE,
                },
            };
            while at != NONE && pairs.len() < BATCH_ROWS {
                let right = at as usize;
                at = table.next[right];
                let pair = Pair {
                    left: &left,
                    width: node.left_width,
                    right: &table.rows.row(right),
                };
                if !node.rest.is_empty() && !all_true(&node.rest, &pair, cx)? {
                    continue;
                }
                self.is_matched = true;
                table.matched[right] = true;
                match node.kind {
                    JoinKind::Semi | JoinKind::Anti => at = NONE,
                    _ => pairs.push((self.row, Some(right))),
                }
            }
            self.at = Some(at);
            if at == NONE {
                match (node.kind, self.is_matched) {
                    (JoinKind::Semi, true)
                    | (JoinKind::Anti | JoinKind::Left | JoinKind::Full, false) => {
                        pairs.push((self.row, None));
                    }
                    _ => (),
                }
                self.row += 1;
                (self.at, self.is_matched) = (None, false);
            }
        }
        Ok(pairs)
    }
}

/// The rows that pairs stand for.
fn joined(node: &HashJoin, left: &Batch, right: &Batch, pairs: &[(usize, Option<usize>)]) -> Batch {
    let mut columns = left.gathered(pairs.iter().map(|(row, _)| Some(*row)));
    if !matches!(node.kind, JoinKind::Semi | JoinKind::Anti) {
        columns.extend(right.gathered(pairs.iter().map(|(_, row)| *row)));
    }
    Batch::of(columns, pairs.len())
}

/// Puts the key of a row in `into`; `false` if a part is NULL, which equals nothing.
pub(super) fn key<R: Row + ?Sized>(
    keys: &[Expr],
    row: &R,
    into: &mut Vec<Value>,
    cx: &mut Context<'_>,
) -> Result<bool> {
    into.clear();
    for key in keys {
        let value = evaluate(key, row, cx)?;
        if value.is_null() {
            return Ok(false);
        }
        into.push(widened(value.into_owned()));
    }
    Ok(true)
}
