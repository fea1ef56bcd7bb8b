//! Groups of rows.

use std::collections::HashSet;
use std::sync::Arc;

use rustdb_types::aggregate::{AggregateCall, SortedRows, State};
use rustdb_types::interrupt::{self, Held};
use rustdb_types::{Cells, Value};

use super::batch::{BATCH_ROWS, Batch, Row};
use super::by_group::ByGroup;
use super::context::Context;
use super::evaluate::{evaluate, truth, values};
use super::groups::{Groups, GroupsIter};
use super::key::{RowKey, trimmed};
use super::parallel::{Chain, Crew, Gather, Given, Work, are_shareable};
use super::sort::Key;
use super::sorted_groups::SortedGroups;
use super::spill::{Charge, Numbered, Spent};
use super::spilled_groups::{Grouping, SpilledGroups, order_of};
use super::vector::{Vector, vector};
use super::{Node, Operator};
use crate::error::{Error, Result};
use crate::expr::Expr;

/// One row for each group: its key, then what the aggregates give.
#[derive(Debug)]
pub(super) struct AggregateNode {
    pub(super) input: Arc<dyn Node>,
    /// The same, where several threads can run it.
    pub(super) gather: Option<Arc<Gather>>,
    /// What rows are grouped by, and whether blanks at the end count.
    pub(super) groups: Vec<(Expr, bool)>,
    /// For each grouping set the groups in it.
    pub(super) sets: Vec<Vec<usize>>,
    /// Whether the rows of a group come one after the other: see
    /// [`Aggregate::sorted`](crate::plan::Aggregate::sorted).
    pub(super) sorted: Option<usize>,
    /// Whether groups may be given before all rows are read: nobody keeps workers waiting.
    pub(super) streams: bool,
    pub(super) calls: Vec<Call>,
    /// Whether it matters in which order things are evaluated.
    pub(super) is_volatile: bool,
    /// For each GROUPING its groups.
    pub(super) groupings: Vec<Vec<usize>>,
}

/// An aggregate over each group.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) call: AggregateCall,
    pub(super) arguments: Vec<Expr>,
    pub(super) direct: Vec<Expr>,
    pub(super) distinct: bool,
    pub(super) filter: Option<Expr>,
    /// The expressions that it is sorted by; `keys` compares them.
    pub(super) order: Vec<Expr>,
    pub(super) keys: Vec<Key>,
    /// Whether it is evaluated over sorted rows at the end (an ordered-set aggregate).
    pub(super) is_sorted: bool,
}

/// What a call has seen of a group.
pub(super) enum Seen {
    /// Taken at once.
    State(State),
    /// Taken at the end: sort keys, and arguments.
    Rows(Vec<(Vec<Value>, Vec<Value>)>),
    /// Taken once each.
    Distinct(State, HashSet<RowKey>),
}

struct RunAggregate {
    node: Arc<AggregateNode>,
    groups: Option<Collected>,
}

/// All groups.
enum Collected {
    Memory(GroupsIter, Charge),
    /// They come one after the other.
    Sorted(Box<SortedGroups>),
    Spilled(Box<SpilledGroups>),
}

impl Node for AggregateNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunAggregate {
            node: self,
            groups: None,
        })
    }

    fn join_chain(self: Arc<Self>, chain: &mut Chain) -> bool {
        let Some(columns) = self.sorted else {
            return false;
        };
        are_shareable(self.exprs())
            && self.input.clone().join_chain(chain)
            && chain.keep_whole(columns)
    }

    fn is_shareable(&self) -> bool {
        are_shareable(self.exprs()) && self.input.is_shareable()
    }
}

/// Where rows come from: some may be groups already.
pub(super) enum Source {
    Operator(Box<dyn Operator>),
    Crew(Crew),
}

impl Source {
    /// What comes next.
    pub(super) fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Given>> {
        cx.check_cancelled()?;
        match self {
            Source::Operator(input) => Ok(input.next(cx)?.map(Given::Rows)),
            Source::Crew(crew) => crew.next(cx),
        }
    }
}

impl Operator for RunAggregate {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let node = self.node.clone();
        let groups = match &mut self.groups {
            Some(groups) => groups,
            None => {
                let groups = match node.sorted {
                    Some(_) if node.streams => {
                        Collected::Sorted(Box::new(SortedGroups::new(&node, cx)?))
                    }
                    _ => collect(&node, cx)?,
                };
                self.groups.insert(groups)
            }
        };
        let groups = match groups {
            Collected::Memory(groups, _) => groups,
            Collected::Spilled(spilled) => return spilled.next(cx),
            Collected::Sorted(sorted) => return sorted.next(&node, cx),
        };
        let mut batch = Batch::new(node.width());
        finish_all(&node, groups, &mut batch, cx)?;
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn spent(&self) -> Option<Spent> {
        match &self.groups {
            None => None,
            // PostgreSQL has nothing to say where there is no hash table.
            Some(_) if self.node.groups.is_empty() => None,
            Some(Collected::Sorted(_)) => None,
            Some(Collected::Spilled(spilled)) => Some(spilled.spent()),
            Some(Collected::Memory(_, charge)) => Some(Spent::Groups {
                batches: 1,
                memory_bytes: charge.peak(),
                disk_bytes: 0,
            }),
        }
    }
}

impl AggregateNode {
    /// The rows that are grouped. Other threads may have grouped some of them.
    pub(super) fn source(self: &Arc<Self>, cx: &mut Context<'_>) -> Result<Source> {
        let Some(gather) = &self.gather else {
            return Ok(Source::Operator(self.input.clone().open()));
        };
        let merges = |call: &Call| {
            let state = call.call.state();
            let is_plain = !call.distinct && call.keys.is_empty() && !call.is_sorted;
            is_plain && state.is_ok_and(|state| state.merges_exactly())
        };
        let is_partial =
            self.sets.len() == 1 && are_shareable(self.exprs()) && self.calls.iter().all(merges);
        let work = match is_partial {
            true => Work::Groups(self.clone()),
            false => Work::Rows,
        };
        Ok(match gather.start(work, cx)? {
            Some(crew) => Source::Crew(crew),
            None => Source::Operator(gather.input.clone().open()),
        })
    }

    fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let calls = self.calls.iter().flat_map(|call| {
            let own = call.arguments.iter().chain(&call.direct);
            own.chain(&call.order).chain(&call.filter)
        });
        self.groups.iter().map(|(group, _)| group).chain(calls)
    }

    /// How many values a group's key has: several sets are told apart by the last one.
    pub(super) fn key_width(&self) -> usize {
        self.groups.len() + usize::from(self.sets.len() > 1)
    }

    /// How many columns come out.
    pub(super) fn width(&self) -> usize {
        self.groups.len() + self.calls.len() + self.groupings.len()
    }
}

/// Adds the row of a group, whose values are taken out of `key` and `results`.
pub(super) fn push_output(
    node: &AggregateNode,
    key: &mut Vec<Value>,
    results: &mut Vec<Value>,
    batch: &mut Batch,
) {
    let set = key.drain(node.groups.len()..).next();
    let set = set.and_then(|set| set.as_integer()).unwrap_or(0);
    let set = usize::try_from(set).ok().and_then(|set| node.sets.get(set));
    let groupings = node.groupings.iter().map(|groups| {
        let bits = groups.iter().fold(0, |bits, group| {
            let is_out = set.is_some_and(|set| !set.contains(group));
            bits << 1 | i32::from(is_out)
        });
        Value::Int4(bits)
    });
    batch.push(key.drain(..).chain(results.drain(..)).chain(groupings));
}

/// Adds the rows of groups, as far as there is room.
pub(super) fn finish_all(
    node: &AggregateNode,
    groups: &mut GroupsIter,
    batch: &mut Batch,
    cx: &mut Context<'_>,
) -> Result<()> {
    let (mut key, mut seen, mut results) = (Vec::new(), Vec::new(), Vec::new());
    while batch.rows() < BATCH_ROWS && groups.next_into(&mut key, &mut seen) {
        let group = &key[..node.groups.len()];
        for (call, seen) in node.calls.iter().zip(seen.drain(..)) {
            results.push(finish(call, seen, group, cx)?);
        }
        push_output(node, &mut key, &mut results, batch);
    }
    Ok(())
}

fn collect(node: &Arc<AggregateNode>, cx: &mut Context<'_>) -> Result<Collected> {
    let mut source = node.source(cx)?;
    let mut grouping = Held::new(Grouping::new(node, &cx.pool(), 0));
    begin(node, &mut grouping.groups)?;
    while let Some(given) = source.next(cx)? {
        let fits = match given {
            Given::Rows(batch) => {
                group_batch(node, &batch, &mut grouping.groups, cx)?;
                grouping.count(&batch)?
            }
            Given::Groups(groups) => grouping.merge(*groups)?,
        };
        if !fits {
            let spilled = grouping.into_inner().take_rest(source, cx)?;
            return Ok(Collected::Spilled(Box::new(spilled)));
        }
    }
    let (groups, charge) = grouping.into_inner().into_groups();
    Ok(Collected::Memory(groups.into_groups(), charge))
}

/// Without a key there is a group even without rows.
pub(super) fn begin(node: &AggregateNode, groups: &mut Groups) -> Result<()> {
    let several = node.sets.len() > 1;
    for number in (0..node.sets.len()).filter(|number| node.sets[*number].is_empty()) {
        groups.find_or_add(&set_key(node, number, &[], several), node)?;
    }
    Ok(())
}

/// Takes the rows of a batch into their groups.
pub(super) fn group_batch(
    node: &AggregateNode,
    batch: &Batch,
    groups: &mut Groups,
    cx: &mut Context<'_>,
) -> Result<()> {
    let prepared = match is_simple(node) {
        true => Prepared::new(node, batch, cx).ok(),
        false => None,
    };
    match prepared {
        Some(prepared) => prepared.take(node, batch, groups, cx),
        None => by_row(node, batch, groups, cx),
    }
}

/// Whether groups and arguments can be evaluated for a batch at once: one grouping set, and nothing
/// that cares for which rows it is evaluated.
fn is_simple(node: &AggregateNode) -> bool {
    let is_plain = |call: &Call| call.filter.is_none() && call.order.is_empty();
    node.sets.len() == 1 && !node.is_volatile && node.calls.iter().all(is_plain)
}

/// What a batch's rows are grouped by, and what the aggregates are given.
struct Prepared<'b> {
    keys: Vec<Vector<'b>>,
    arguments: Vec<Vec<Vector<'b>>>,
}

impl<'b> Prepared<'b> {
    fn new(
        node: &'b AggregateNode,
        batch: &'b Batch,
        cx: &mut Context<'_>,
    ) -> Result<Prepared<'b>> {
        let mut keys = Vec::with_capacity(node.groups.len());
        for (expr, padded) in &node.groups {
            let key = vector(expr, batch, cx)?;
            keys.push(match padded {
                true => unpadded(key, batch.rows()),
                false => key,
            });
        }
        let mut arguments = Vec::with_capacity(node.calls.len());
        for call in &node.calls {
            let of = call.arguments.iter().map(|each| vector(each, batch, cx));
            arguments.push(of.collect::<Result<Vec<_>>>()?);
        }
        Ok(Prepared { keys, arguments })
    }

    fn take(
        &self,
        node: &AggregateNode,
        batch: &Batch,
        groups: &mut Groups,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let rows = groups.of_rows(&self.keys, batch.rows(), node)?;
        let by_group = match self.arguments.is_empty() {
            true => None,
            false => ByGroup::of(&rows, groups.len()),
        };
        for (call, arguments) in self.arguments.iter().enumerate() {
            cx.check_cancelled()?;
            let is_done = match &by_group {
                Some(by_group) => by_group.update(call, arguments, groups, cx)?,
                None => false,
            };
            if !is_done {
                update(call, arguments, &rows, groups, cx)?;
            }
        }
        Ok(())
    }
}

/// Gives a call its arguments, row by row, each to the state of the group that the row belongs to.
fn update(
    call: usize,
    arguments: &[Vector<'_>],
    rows: &[u32],
    groups: &mut Groups,
    cx: &mut Context<'_>,
) -> Result<()> {
    let functions = cx.functions();
    let mut several: Vec<Value> = Vec::new();
    for (row, group) in rows.iter().enumerate() {
        let seen = &mut groups.seen_mut(*group as usize)[call];
        if let (Seen::State(state), [Vector::Column(only)]) = (&mut *seen, arguments) {
            state.update_cell(only, row, &functions)?;
            continue;
        }
        let arguments = match arguments {
            [only] => std::slice::from_ref(only.get(row)),
            all => {
                several.clear();
                several.extend(all.iter().map(|vector| vector.get(row).clone()));
                &several[..]
            }
        };
        match seen {
            Seen::State(state) => state.update(arguments, &functions)?,
            Seen::Distinct(state, taken) => {
                if !taken.contains(arguments) {
                    taken.insert(arguments.into());
                    state.update(arguments, &functions)?;
                }
            }
            Seen::Rows(rows) => rows.push((Vec::new(), arguments.to_vec())),
        }
    }
    Ok(())
}

/// A key of `char(n)`, without the blanks that do not count.
fn unpadded(key: Vector<'_>, rows: usize) -> Vector<'_> {
    match key.cells() {
        Some(Cells::Text(texts)) => match texts.is_padded() {
            true => Cells::Text(texts.trimmed()).into(),
            false => key,
        },
        _ => {
            let values = key.into_column(rows).into_values();
            values
                .into_iter()
                .map(trimmed)
                .collect::<Vec<Value>>()
                .into()
        }
    }
}

fn by_row(
    node: &AggregateNode,
    batch: &Batch,
    groups: &mut Groups,
    cx: &mut Context<'_>,
) -> Result<()> {
    let several = node.sets.len() > 1;
    for row in 0..batch.rows() {
        let row = batch.row(row);
        let key = group_key(node, &row, cx)?;
        for number in 0..node.sets.len() {
            let key = set_key(node, number, &key, several);
            let group = groups.find_or_add(&key, node)?;
            for (call, seen) in node.calls.iter().zip(groups.seen_mut(group)) {
                take(call, seen, &row, cx)?;
            }
        }
    }
    Ok(())
}

/// What a row is grouped by.
pub(super) fn group_key<R: Row + ?Sized>(
    node: &AggregateNode,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let mut key = Vec::with_capacity(node.groups.len());
    for (expr, padded) in &node.groups {
        let value = evaluate(expr, row, cx)?.into_owned();
        key.push(if *padded { trimmed(value) } else { value });
    }
    Ok(key)
}

/// A group's key within a set; several sets are told apart by its number.
pub(super) fn set_key(node: &AggregateNode, number: usize, key: &[Value], several: bool) -> RowKey {
    if !several {
        return key.into();
    }
    let set = &node.sets[number];
    let mut parts: Vec<Value> = (0..node.groups.len())
        .map(|group| match set.contains(&group) {
            true => key.get(group).cloned().unwrap_or(Value::Null),
            false => Value::Null,
        })
        .collect();
    parts.push(Value::Int8(i64::try_from(number).unwrap_or(i64::MAX)));
    parts.into()
}

/// Adds what the calls have seen of a new group.
pub(super) fn start(node: &AggregateNode, into: &mut Vec<Seen>) -> Result<()> {
    for call in &node.calls {
        into.push(
            match (call.is_sorted || !call.keys.is_empty(), call.distinct) {
                (true, _) => Seen::Rows(Vec::new()),
                (false, true) => Seen::Distinct(call.call.state()?, HashSet::new()),
                (false, false) => Seen::State(call.call.state()?),
            },
        );
    }
    Ok(())
}

fn take<R: Row + ?Sized>(
    call: &Call,
    seen: &mut Seen,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<()> {
    if let Some(filter) = &call.filter
        && truth(filter, row, cx)? != Some(true)
    {
        return Ok(());
    }
    let arguments = values(&call.arguments, row, cx)?;
    match seen {
        Seen::State(state) => state.update(&arguments, &cx.functions())?,
        Seen::Distinct(state, taken) => {
            if taken.insert(arguments.clone().into()) {
                state.update(&arguments, &cx.functions())?;
            }
        }
        Seen::Rows(rows) => rows.push((values(&call.order, row, cx)?, arguments)),
    }
    Ok(())
}

pub(super) fn finish(
    call: &Call,
    seen: Seen,
    group: &[Value],
    cx: &mut Context<'_>,
) -> Result<Value> {
    let mut rows = match seen {
        Seen::State(state) => return Ok(state.finish()?),
        Seen::Distinct(state, taken) => {
            if state.is_of_one_size() {
                return Ok(state.finish()?);
            }
            // What shows the order of what it was given shows it sorted.
            let mut rows: Vec<RowKey> = taken.into_iter().collect();
            interrupt::sort_by(&mut rows, Ord::cmp)?;
            let rows = rows.into_iter().map(|row| (Vec::new(), row.into_vec()));
            return finish_rows(call, rows.collect(), group, cx);
        }
        Seen::Rows(rows) => rows,
    };
    interrupt::sort_by(&mut rows, |(left, _), (right, _)| {
        order_of(call, left, right)
    })?;
    if call.distinct {
        let mut taken: HashSet<RowKey> = HashSet::new();
        rows.retain(|(_, arguments)| taken.insert(arguments.clone().into()));
    }
    finish_rows(call, rows, group, cx)
}

/// The result of a call for a group's rows in their order.
pub(super) fn finish_rows(
    call: &Call,
    rows: Vec<(Vec<Value>, Vec<Value>)>,
    group: &[Value],
    cx: &mut Context<'_>,
) -> Result<Value> {
    if call.is_sorted {
        let rows = rows.into_iter().map(|(_, arguments)| arguments).collect();
        let charge = cx.pool().charge();
        return finish_sorted(call, Numbered::in_memory(rows, charge), group, cx);
    }
    let mut state = call.call.state()?;
    for (_, arguments) in &rows {
        state.update(arguments, &cx.functions())?;
    }
    Ok(state.finish()?)
}

/// The result of an ordered-set aggregate for what it is given by a group's rows, in their order.
pub(super) fn finish_sorted(
    call: &Call,
    rows: Numbered,
    group: &[Value],
    cx: &mut Context<'_>,
) -> Result<Value> {
    let direct = values(&call.direct, group, cx)?;
    let compare = |left: &[Value], right: &[Value]| order_of(call, left, right);
    let mut rows = Within {
        rows,
        cx,
        error: None,
    };
    let result = call.call.finish_sorted(&direct, &mut rows, &compare);
    match rows.error {
        Some(error) => Err(error),
        None => Ok(result?),
    }
}

/// Rows that an aggregate asks for, and what went wrong with that.
struct Within<'c, 'a> {
    rows: Numbered,
    cx: &'c Context<'a>,
    error: Option<Error>,
}

impl SortedRows for Within<'_, '_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn row(&mut self, index: usize) -> rustdb_types::Result<&[Value]> {
        match self.rows.row(index, self.cx) {
            Ok(row) => Ok(row),
            Err(error) => {
                let short = rustdb_types::Error::new(error.state(), error.message());
                self.error = Some(error);
                Err(short)
            }
        }
    }
}
