//! Joins by equal values, with a hash table of the right side.

use std::ops::Range;
use std::sync::Arc;

use rustdb_types::interrupt::Held;
use rustdb_types::{Base, ColumnVector, Operator as TypeOperator, Type, Value};

use super::batch::{BATCH_ROWS, Batch, Pair, Row};
use super::context::Context;
use super::evaluate::{all_true, evaluate};
use super::join_table::{Keys, NONE, Table};
use super::key::widened;
use super::parallel::{Chain, are_shareable, place_of};
use super::spill::Spent;
use super::spilled_join::{Begun, SpilledJoin};
use super::{Node, Operator};
use crate::error::Result;
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

pub(super) struct RunHashJoin {
    node: Arc<HashJoin>,
    left: Box<dyn Operator>,
    right: Right,
    /// The rows of the right side that had a partner, if that is asked.
    matched: Vec<bool>,
    probe: Probe,
    is_done: bool,
}

/// The right side.
enum Right {
    Unread,
    Table(Arc<Table>),
    /// There is too much of it.
    Spilled(Box<SpilledJoin>),
}

/// How far the rows of a batch of the left side have been looked at.
#[derive(Default)]
struct Probe {
    batch: Batch,
    keys: Keys,
    row: usize,
    /// The row of the table that comes next for it; `None` before it was looked for.
    at: Option<u32>,
    /// Whether it had a partner.
    is_matched: bool,
}

impl HashJoin {
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let keys = self.left_keys.iter().chain(&self.right_keys);
        keys.chain(&self.rest)
    }
}

impl Node for HashJoin {
    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        // Nobody knows before the end which rows of the right side had no partner.
        let is_chain = !matches!(self.kind, JoinKind::Right | JoinKind::Full)
            && are_shareable(self.exprs())
            && self.left.clone().join_chain(chain);
        if is_chain {
            chain.add_join(self);
        }
        is_chain
    }

    fn is_shareable(&self) -> bool {
        are_shareable(self.exprs()) && self.left.is_shareable() && self.right.is_shareable()
    }

    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunHashJoin::over(&self, self.left.clone().open()))
    }
}

impl RunHashJoin {
    /// A run whose left rows come from somewhere.
    pub(super) fn over(node: &Arc<HashJoin>, left: Box<dyn Operator>) -> RunHashJoin {
        RunHashJoin {
            left,
            node: node.clone(),
            right: Right::Unread,
            matched: Vec::new(),
            probe: Probe::default(),
            is_done: false,
        }
    }
}

impl Operator for RunHashJoin {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        if self.is_done {
            return Ok(None);
        }
        let node = self.node.clone();
        if let Right::Unread = &self.right {
            self.right = match built(&node, cx)? {
                Built::Table(table) => Right::Table(table),
                Built::Begun(begun) => {
                    let spilled = SpilledJoin::new(&node, begun, &mut *self.left, cx)?;
                    Right::Spilled(Box::new(spilled))
                }
            };
            if let Right::Table(table) = &self.right {
                node.restrict_left(table, &mut *self.left);
            }
        }
        let table = match &mut self.right {
            Right::Table(table) => &**table,
            Right::Spilled(join) => return join.next(cx),
            Right::Unread => return Ok(None),
        };
        let keeps_unmatched = matches!(node.kind, JoinKind::Right | JoinKind::Full);
        if keeps_unmatched && self.matched.is_empty() {
            self.matched = vec![false; table.rows.rows()];
        }
        loop {
            cx.check_cancelled()?;
            if self.probe.row == self.probe.batch.rows() {
                let Some(batch) = self.left.next(cx)? else {
                    self.is_done = true;
                    return Ok(keeps_unmatched
                        .then(|| unmatched(&table.rows, &self.matched, node.left_width))
                        .flatten());
                };
                let mut keys = std::mem::take(&mut self.probe.keys);
                keys.reset(node.left_keys.len());
                keys.append(&node.left_keys, &batch, cx)?;
                self.probe = Probe {
                    batch,
                    keys,
                    ..Probe::default()
                };
            }
            let pairs = self.probe.pairs(&node, table, &mut self.matched, cx)?;
            if !pairs.left.is_empty() {
                return Ok(Some(joined(&node, &mut self.probe, &table.rows, &pairs)));
            }
        }
    }

    fn restrict(&mut self, places: &[usize], table: &Arc<Table>) {
        let node = &self.node;
        let passes_rows = !matches!(node.kind, JoinKind::Right | JoinKind::Full);
        let is_left = places.iter().all(|place| *place < node.left_width);
        if passes_rows && is_left && !node.exprs().any(Expr::is_volatile) {
            self.left.restrict(places, table);
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
pub(super) enum Built {
    Table(Arc<Table>),
    Begun(Begun),
}

/// The right side, which may have been read already.
fn built(node: &Arc<HashJoin>, cx: &mut Context<'_>) -> Result<Built> {
    let place = place_of(node);
    let memory = &mut cx.memory;
    if let Some(at) = memory.tables.iter().position(|(of, _)| *of == place) {
        // A worker needs it for each of its parts.
        return Ok(Built::Table(match memory.part {
            Some(_) => memory.tables[at].1.clone(),
            None => memory.tables.swap_remove(at).1,
        }));
    }
    match memory.begun.take_if(|begun| begun.0 == place) {
        Some(begun) => Ok(Built::Begun(begun.1)),
        None => build(node, cx),
    }
}

/// Reads the right side; as far as there is memory for it.
pub(super) fn build(node: &HashJoin, cx: &mut Context<'_>) -> Result<Built> {
    let mut rows = Held::new(Batch::new(node.right_width));
    let mut run = Held::new(node.right.clone().open());
    let mut keys = Held::new(Keys::new(node.right_keys.len()));
    let mut charge = cx.pool().charge();
    let by_row = node.asked_by_row(node.left_width..node.left_width + node.right_width);
    while let Some(mut batch) = run.next(cx)? {
        cx.check_cancelled()?;
        keys.append(&node.right_keys, &batch, cx)?;
        batch.spread(&by_row);
        charge.hold(batch.column_bytes() + batch.rows() * keys.row_bytes())?;
        rows.append(batch);
        if charge.is_over() {
            return Ok(Built::Begun(Begun {
                rows: rows.into_inner(),
                keys: keys.into_inner(),
                rest: run.into_inner(),
                charge,
            }));
        }
    }
    rows.condense(&by_row);
    let mut table = Table::new(rows.into_inner(), keys.into_inner())?;
    table.charge = Some(charge);
    Ok(Built::Table(Arc::new(table)))
}

impl HashJoin {
    /// Has the left side leave out rows that have no partner, if nobody asks for these.
    fn restrict_left(&self, table: &Arc<Table>, left: &mut dyn Operator) {
        let wants_partners = matches!(
            self.kind,
            JoinKind::Inner | JoinKind::Semi | JoinKind::Right
        );
        if wants_partners {
            self.restrict_side(&self.left_keys, table, left);
        }
    }

    /// Has the right side leave out rows that have no partner in a table of the left one.
    pub(super) fn restrict_right(&self, table: &Arc<Table>, right: &mut dyn Operator) {
        self.restrict_side(&self.right_keys, table, right);
    }

    fn restrict_side(&self, keys: &[Expr], table: &Arc<Table>, side: &mut dyn Operator) {
        if !table.is_of_integers() || self.exprs().any(Expr::is_volatile) {
            return;
        }
        let places = keys.iter().map(|key| match key {
            Expr::Input(place) => Some(*place),
            _ => None,
        });
        if let Some(places) = places.collect::<Option<Vec<usize>>>() {
            side.restrict(&places, table);
        }
    }

    /// The columns of a side, which has these places in a pair, that conditions look at pair by pair.
    pub(super) fn asked_by_row(&self, side: Range<usize>) -> Vec<usize> {
        let mut places = Vec::new();
        for condition in &self.rest {
            condition.walk(&mut |part| match part {
                Expr::Input(place) if side.contains(place) => places.push(place - side.start),
                // Its own query may look at any.
                Expr::Run(_) => places.extend(0..side.len()),
                _ => (),
            });
        }
        places
    }
}

/// The rows that had no partner, with NULL for the left's columns.
fn unmatched(rows: &Batch, matched: &[bool], left_width: usize) -> Option<Batch> {
    let alone: Vec<u32> = (0_u32..)
        .zip(matched)
        .filter_map(|(row, is_matched)| (!is_matched).then_some(row))
        .collect();
    let nulls = (0..left_width).map(|_| vec![Value::Null; alone.len()].into());
    let columns = nulls.chain(rows.gathered(&alone));
    (!alone.is_empty()).then(|| Batch::of(columns.collect(), alone.len()))
}

/// Rows that go with each other: of the left side, and of the right side or [`NONE`].
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Pairs {
    fn push(&mut self, left: usize, right: u32) {
        self.left.push(left as u32);
        self.right.push(right);
    }
}

impl Probe {
    /// Which rows of the batch go with which of the table's, as the kind of join has it: some of
    /// them, until the batch is at its end.
    fn pairs(
        &mut self,
        node: &HashJoin,
        table: &Table,
        matched: &mut [bool],
        cx: &mut Context<'_>,
    ) -> Result<Pairs> {
        let mut pairs = Pairs::default();
        while self.row < self.batch.rows() && pairs.left.len() < BATCH_ROWS {
            let mut at = match self.at {
                Some(at) => at,
                None => match self.keys.get(self.row) {
                    Some(key) => table.first_of(key),
                    None => NONE,
                },
            };
            while at != NONE && pairs.left.len() < BATCH_ROWS {
                let right = at;
                at = table.after(right as usize);
                if !node.rest.is_empty() && !self.holds(node, table, right, cx)? {
                    continue;
                }
                self.is_matched = true;
                if let Some(matched) = matched.get_mut(right as usize) {
                    *matched = true;
                }
                match node.kind {
                    JoinKind::Semi | JoinKind::Anti => at = NONE,
                    _ => pairs.push(self.row, right),
                }
            }
            self.at = Some(at);
            if at == NONE {
                match (node.kind, self.is_matched) {
                    (JoinKind::Semi, true)
                    | (JoinKind::Anti | JoinKind::Left | JoinKind::Full, false) => {
                        pairs.push(self.row, NONE);
                    }
                    _ => (),
                }
                self.row += 1;
                (self.at, self.is_matched) = (None, false);
            }
        }
        Ok(pairs)
    }

    /// Whether the other conditions hold for the left row at hand and a right one.
    fn holds(
        &self,
        node: &HashJoin,
        table: &Table,
        right: u32,
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        cx.check_cancelled()?;
        let pair = Pair {
            left: &self.batch.row(self.row),
            width: node.left_width,
            right: &table.rows.row(right as usize),
        };
        all_true(&node.rest, &pair, cx)
    }

    /// The columns of these rows of the batch. If they are all of it, and nothing is left to look
    /// for, they are not copied.
    fn left_columns(&mut self, rows: &[u32]) -> Vec<ColumnVector> {
        let is_whole = self.row == self.batch.rows()
            && rows.len() == self.batch.rows()
            && rows.iter().zip(0..).all(|(row, place)| *row == place);
        if !is_whole {
            return self.batch.gathered(rows);
        }
        self.row = 0;
        std::mem::take(&mut self.batch).into_columns()
    }
}

/// The rows that pairs stand for.
fn joined(node: &HashJoin, probe: &mut Probe, right: &Batch, pairs: &Pairs) -> Batch {
    let mut columns = probe.left_columns(&pairs.left);
    if !matches!(node.kind, JoinKind::Semi | JoinKind::Anti) {
        columns.extend(right.gathered(&pairs.right));
    }
    Batch::of(columns, pairs.left.len())
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
