//! Groups that do not fit into memory.
//!
//! ```text
//! rows ─▶ of a group that is in memory ─▶ taken
//!     └─▶ of another ─▶ put aside, in shares by the hash of the key ─▶ each share the same way
//! ```
//!
//! So groups that come often are taken at once, and each share makes do with what the memory holds
//! and puts the rest aside again, by another hash. What is put aside is the group's key and what
//! the aggregates are given, so that nothing is evaluated twice.
//!
//! Aggregates that look at their rows at the end (ORDER BY, DISTINCT, ordered sets) hand them to a
//! sorter that puts them aside too: sorted by the number of the group first. A state that has to
//! keep everything that it was given, as that of `array_agg`, stays in memory, and so do the rows
//! of one group while an ordered-set aggregate looks at them.

use std::cmp::Ordering;
use std::sync::Arc;

use rustdb_types::Value;

use super::aggregate::{
    AggregateNode, Call, Seen, Source, finish, finish_sorted, group_key, push_output, set_key,
};
use super::batch::{BATCH_ROWS, Batch, Row};
use super::context::Context;
use super::evaluate::{truth, values};
use super::group_codes::CODE_BYTES;
use super::groups::{Groups, GroupsIter};
use super::parallel::Given;
use super::sort::Key;
use super::spill::{
    Aside, Charge, Numbered, Pool, Shares, Sorted, Sorter, Spent, Stream, row_bytes, share_count,
    share_of,
};
use crate::error::Result;

/// Groups as they come, and what they take.
pub(super) struct Grouping {
    node: Arc<AggregateNode>,
    pub(super) groups: Groups,
    memory: Counted,
    /// Once there is no more memory.
    full: Option<Full>,
    /// How often the rows have been put aside.
    depth: usize,
}

/// What groups take in memory.
struct Counted {
    charge: Charge,
    /// How many groups are counted.
    groups: usize,
    /// What was added since all of it was counted.
    since: usize,
    /// Whether groups grow by what they are given.
    grows: bool,
}

/// What becomes of rows that there is no memory for.
struct Full {
    /// For each call that looks at its rows at the end.
    held: Vec<Option<Sorter>>,
    shares: Option<Shares>,
    pool: Pool,
}

/// Rows put aside.
struct Share {
    aside: Aside,
    stream: Stream,
    depth: usize,
}

impl Grouping {
    pub(super) fn new(node: &Arc<AggregateNode>, pool: &Pool, depth: usize) -> Grouping {
        Grouping {
            node: node.clone(),
            groups: Groups::new(node),
            memory: Counted {
                charge: pool.charge(),
                groups: 0,
                since: 0,
                grows: node.calls.iter().any(Call::grows),
            },
            full: None,
            depth,
        }
    }

    /// Counts what a batch has added. False if there is no more memory; an error if there is not even
    /// enough for what cannot be put aside.
    pub(super) fn count(&mut self, batch: &Batch) -> Result<bool> {
        let given = match self.memory.grows {
            true => batch.bytes() + batch.rows() * size_of::<Vec<Value>>(),
            false => 0,
        };
        self.count_given(given)
    }

    /// Takes groups that other threads have made, new ones too. False if there is no more memory.
    pub(super) fn merge(&mut self, groups: Groups) -> Result<bool> {
        self.groups.merge(groups)?;
        self.count_given(0)
    }

    fn count_given(&mut self, given: usize) -> Result<bool> {
        let memory = &mut self.memory;
        let new = bytes_of(&self.groups, memory.groups);
        memory.groups = self.groups.len();
        memory.since += given;
        memory.charge.add(new + given);
        let is_much = memory.since > memory.charge.pool().share() / 16;
        if memory.charge.is_over() && is_much || memory.charge.check().is_err() {
            // Not all that was given was kept.
            memory.since = 0;
            memory.charge.set(bytes_of(&self.groups, 0));
        }
        memory.charge.check()?;
        Ok(!memory.charge.is_over())
    }

    /// The groups, if no more rows come and all are in memory.
    pub(super) fn into_groups(self) -> (Groups, Charge) {
        (self.groups, self.memory.charge)
    }

    /// Takes no new groups from now on, and lets the sorters have the rows that are held.
    fn fill(&mut self, cx: &Context<'_>) -> Result<()> {
        let pool = self.memory.charge.pool().clone();
        let mut held: Vec<Option<Sorter>> = Vec::new();
        for call in &self.node.calls {
            let keys = call.sorter_keys();
            held.push(keys.map(|(keys, width)| Sorter::new(keys, width, pool.charge())));
        }
        for number in 0..self.groups.len() {
            for (sorter, seen) in held.iter_mut().zip(self.groups.seen_mut(number)) {
                let Some(sorter) = sorter else {
                    continue;
                };
                match seen {
                    Seen::State(_) => (),
                    Seen::Rows(rows) => {
                        for (order, arguments) in std::mem::take(rows) {
                            sorter.push(numbered(number, &order, &arguments), cx)?;
                        }
                    }
                    Seen::Distinct(_, taken) => {
                        for arguments in std::mem::take(taken) {
                            sorter.push(numbered(number, &[], &arguments), cx)?;
                        }
                    }
                }
            }
        }
        self.memory.since = 0;
        self.memory.charge.set(bytes_of(&self.groups, 0));
        self.full = Some(Full {
            held,
            shares: None,
            pool,
        });
        Ok(())
    }

    /// Takes the rows that are left after [`Grouping::count`] has said that there is no more
    /// memory.
    pub(super) fn take_rest(
        mut self,
        mut source: Source,
        cx: &mut Context<'_>,
    ) -> Result<SpilledGroups> {
        let node = self.node.clone();
        self.fill(cx)?;
        let several = node.sets.len() > 1;
        if let Source::Crew(crew) = &source {
            crew.ungrouped();
        }
        while let Some(given) = source.next(cx)? {
            let batch = match given {
                Given::Rows(batch) => batch,
                // Not many: each worker has a few that wait to be taken.
                Given::Groups(groups) => {
                    self.merge(*groups)?;
                    continue;
                }
            };
            for row in 0..batch.rows() {
                let row = batch.row(row);
                let key = group_key(&node, &row, cx)?;
                let record = record(&node, &row, cx)?;
                for number in 0..node.sets.len() {
                    let key = set_key(&node, number, &key, several);
                    self.take(&key, &record, cx)?;
                }
            }
            self.count(&batch)?;
        }
        let mut spilled = SpilledGroups {
            pool: self.memory.charge.pool().clone(),
            node,
            todo: Vec::new(),
            now: None,
            batches: 1,
            memory_bytes: 0,
            disk_bytes: 0,
        };
        spilled.now = Some(spilled.finishing(self, cx)?);
        Ok(spilled)
    }

    /// Takes what a row gives to a group.
    fn take(&mut self, key: &[Value], record: &[Value], cx: &mut Context<'_>) -> Result<()> {
        let group = match (self.groups.find(key), &mut self.full) {
            (Some(group), _) => group,
            (None, None) => self.groups.find_or_add(key, &self.node)?,
            (None, Some(full)) => {
                let shares = match &mut full.shares {
                    Some(shares) => shares,
                    None => {
                        let count = share_count(&full.pool);
                        let file = Shares::file(count, &full.pool, cx)?;
                        full.shares.insert(Shares::new(count, &file))
                    }
                };
                let share = share_of(key, self.depth, shares.count());
                return shares.push(share, key.iter().chain(record));
            }
        };
        let mut rest = record;
        for (place, call) in self.node.calls.iter().enumerate() {
            let (own, others) = rest.split_at(call.record_width());
            rest = others;
            let (is_in, own) = own.split_at(1);
            if is_in[0] != Value::Bool(true) {
                continue;
            }
            let (arguments, order) = own.split_at(call.arguments.len());
            let sorter = self
                .full
                .as_mut()
                .and_then(|full| full.held[place].as_mut());
            let seen = &mut self.groups.seen_mut(group)[place];
            match (seen, sorter) {
                (Seen::State(state), _) => state.update(arguments, &cx.functions())?,
                (_, Some(sorter)) => sorter.push(numbered(group, order, arguments), cx)?,
                (Seen::Rows(rows), None) => rows.push((order.to_vec(), arguments.to_vec())),
                (Seen::Distinct(state, taken), None) => {
                    if taken.insert(arguments.into()) {
                        state.update(arguments, &cx.functions())?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A group's number, what its rows are sorted by, and what the aggregate is given.
fn numbered(group: usize, order: &[Value], arguments: &[Value]) -> Vec<Value> {
    let mut row = Vec::with_capacity(1 + order.len() + arguments.len());
    row.push(Value::Int8(i64::try_from(group).unwrap_or(i64::MAX)));
    row.extend_from_slice(order);
    row.extend_from_slice(arguments);
    row
}

/// What a row gives to the calls: for each whether its filter lets the row in, its arguments, and
/// what it is sorted by.
fn record<R: Row + ?Sized>(
    node: &AggregateNode,
    row: &R,
    cx: &mut Context<'_>,
) -> Result<Vec<Value>> {
    let width = node.calls.iter().map(Call::record_width).sum();
    let mut record = Vec::with_capacity(width);
    for call in &node.calls {
        let is_in = match &call.filter {
            Some(filter) => truth(filter, row, cx)? == Some(true),
            None => true,
        };
        record.push(Value::Bool(is_in));
        match is_in {
            true => {
                record.extend(values(&call.arguments, row, cx)?);
                record.extend(values(&call.order, row, cx)?);
            }
            false => record.resize(record.len() + call.record_width() - 1, Value::Null),
        }
    }
    Ok(record)
}

/// What the groups from the one with this number on take.
pub(super) fn bytes_of(groups: &Groups, from: usize) -> usize {
    let new = from..groups.len();
    new.map(|group| group_bytes(groups.key(group), groups.seen(group)))
        .sum()
}

/// What a group takes.
fn group_bytes(key: &[Value], seen: &[Seen]) -> usize {
    let seen = seen.iter().map(|seen| match seen {
        Seen::State(state) => state.bytes(),
        Seen::Rows(rows) => rows
            .iter()
            .map(|(order, arguments)| row_bytes(order) + row_bytes(arguments))
            .sum(),
        Seen::Distinct(state, taken) => {
            let taken = taken.iter().map(|arguments| 16 + row_bytes(arguments));
            state.bytes() + taken.sum::<usize>()
        }
    });
    let key = key.iter().map(Value::heap_bytes).sum::<usize>() + size_of_val(key);
    key + ENTRY_BYTES + seen.sum::<usize>()
}

/// What a group takes beside its key and states: its number in the table, and room to grow.
const ENTRY_BYTES: usize = 32 + CODE_BYTES;

impl Call {
    /// Whether it keeps what it is given, or may.
    fn grows(&self) -> bool {
        let is_small = self.call.state().is_ok_and(|state| state.is_of_one_size());
        self.is_held() || !is_small
    }

    /// Whether it looks at its rows at the end.
    fn is_held(&self) -> bool {
        self.is_sorted || !self.keys.is_empty() || self.distinct
    }

    fn record_width(&self) -> usize {
        1 + self.arguments.len() + self.order.len()
    }

    /// What its rows are sorted by when they are put aside: the group, its own order, and where
    /// equal arguments count once, these. And how wide such rows are.
    fn sorter_keys(&self) -> Option<(Vec<Key>, usize)> {
        let at = |place| Key {
            place,
            descending: false,
            nulls_first: false,
            padded: false,
        };
        let mut keys = vec![at(0)];
        keys.extend(self.keys.iter().map(|key| Key {
            place: key.place + 1,
            ..key.clone()
        }));
        let arguments = 1 + self.order.len();
        let width = arguments + self.arguments.len();
        if self.distinct {
            keys.extend((arguments..width).map(at));
        }
        self.is_held().then_some((keys, width))
    }
}

/// Groups that come out share by share.
pub(super) struct SpilledGroups {
    node: Arc<AggregateNode>,
    pool: Pool,
    todo: Vec<Share>,
    now: Option<Finishing>,
    batches: usize,
    memory_bytes: usize,
    disk_bytes: u64,
}

/// Groups that are being given out.
struct Finishing {
    groups: GroupsIter,
    /// The number of the next group.
    number: usize,
    held: Vec<Option<Held>>,
    _charge: Charge,
}

/// The rows of a call, group by group.
struct Held {
    sorted: Sorted,
    next: Option<Vec<Value>>,
}

impl SpilledGroups {
    /// The next groups.
    pub(super) fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        loop {
            cx.check_cancelled()?;
            if let Some(now) = &mut self.now {
                if let Some(batch) = now.next(&self.node, cx)? {
                    return Ok(Some(batch));
                }
                self.now = None;
            }
            let Some(share) = self.todo.pop() else {
                return Ok(None);
            };
            let grouping = self.grouped(share, cx)?;
            self.now = Some(self.finishing(grouping, cx)?);
        }
    }

    /// The groups of a share, as far as there is memory; the others are put aside again.
    fn grouped(&mut self, share: Share, cx: &mut Context<'_>) -> Result<Grouping> {
        let node = self.node.clone();
        let mut grouping = Grouping::new(&node, &self.pool, share.depth);
        let key_width = node.groups.len() + usize::from(node.sets.len() > 1);
        let width = key_width + node.calls.iter().map(Call::record_width).sum::<usize>();
        let mut reader = share.aside.reader(share.stream, width);
        let mut row = Vec::new();
        let mut given = 0;
        while reader.next_into(&mut row, cx)? {
            let (key, record) = row.split_at(key_width);
            grouping.take(key, record, cx)?;
            given += match grouping.memory.grows {
                true => row_bytes(record),
                false => 0,
            };
            // Not for every row: counting has its price.
            if given >= 4096 || grouping.groups.len() >= grouping.memory.groups + 16 {
                let fits = grouping.count_given(std::mem::take(&mut given))?;
                if !fits && grouping.full.is_none() {
                    grouping.fill(cx)?;
                }
            }
        }
        Ok(grouping)
    }

    /// No more rows come for these groups.
    fn finishing(&mut self, grouping: Grouping, cx: &Context<'_>) -> Result<Finishing> {
        let mut held = Vec::new();
        if let Some(full) = grouping.full {
            if let Some(shares) = full.shares {
                let (aside, streams) = shares.finish()?;
                self.disk_bytes += aside.bytes();
                let shares = streams.into_iter().filter(|stream| !stream.is_empty());
                let before = self.todo.len();
                self.todo.extend(shares.map(|stream| Share {
                    aside: aside.clone(),
                    stream,
                    depth: grouping.depth + 1,
                }));
                self.batches += self.todo.len() - before;
            }
            for sorter in full.held {
                held.push(match sorter {
                    None => None,
                    Some(sorter) => {
                        let mut sorted = sorter.finish(cx)?;
                        if let Spent::Sort { disk_bytes, .. } = sorted.spent() {
                            self.disk_bytes += disk_bytes;
                        }
                        let next = sorted.next(cx)?;
                        Some(Held { sorted, next })
                    }
                });
            }
        }
        self.memory_bytes = self.memory_bytes.max(grouping.memory.charge.peak());
        held.resize_with(self.node.calls.len(), || None);
        Ok(Finishing {
            groups: grouping.groups.into_groups(),
            number: 0,
            held,
            _charge: grouping.memory.charge,
        })
    }

    /// What it has spent.
    pub(super) fn spent(&self) -> Spent {
        Spent::Groups {
            batches: self.batches,
            memory_bytes: self.memory_bytes,
            disk_bytes: self.disk_bytes,
        }
    }
}

impl Finishing {
    fn next(&mut self, node: &AggregateNode, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let mut batch = Batch::new(node.width());
        let (mut key, mut seen, mut results) = (Vec::new(), Vec::new(), Vec::new());
        while batch.rows() < BATCH_ROWS && self.groups.next_into(&mut key, &mut seen) {
            let group = &key[..node.groups.len()];
            let calls = node.calls.iter().zip(&mut self.held);
            for ((call, held), seen) in calls.zip(seen.drain(..)) {
                results.push(match held {
                    None => finish(call, seen, group, cx)?,
                    Some(held) => held.finish(call, self.number, group, cx)?,
                });
            }
            self.number += 1;
            push_output(node, &mut key, &mut results, &mut batch);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Held {
    /// The next row of a group.
    fn next_of(&mut self, number: usize, cx: &Context<'_>) -> Result<Option<Vec<Value>>> {
        let is_own = self.next.as_ref().is_some_and(|row| {
            let of = row.first().and_then(Value::as_integer);
            of.and_then(|of| usize::try_from(of).ok()) == Some(number)
        });
        if !is_own {
            return Ok(None);
        }
        let next = self.sorted.next(cx)?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// The result of a call for a group whose rows come sorted.
    fn finish(
        &mut self,
        call: &Call,
        number: usize,
        group: &[Value],
        cx: &mut Context<'_>,
    ) -> Result<Value> {
        if call.is_sorted {
            let mut rows = Numbered::new(cx.pool().charge());
            while let Some(mut row) = self.next_of(number, cx)? {
                rows.push(row.split_off(1 + call.order.len()), cx)?;
            }
            rows.finish()?;
            return finish_sorted(call, rows, group, cx);
        }
        let mut last: Option<Vec<Value>> = None;
        let mut charge = cx.pool().charge();
        let mut state = call.call.state()?;
        let grows = !state.is_of_one_size();
        while let Some(mut row) = self.next_of(number, cx)? {
            let arguments = row.split_off(1 + call.order.len());
            if call.distinct && last.as_ref() == Some(&arguments) {
                continue;
            }
            if grows {
                charge.hold(row_bytes(&arguments) + row_bytes(&row))?;
            }
            state.update(&arguments, &cx.functions())?;
            if call.distinct {
                last = Some(arguments);
            }
        }
        Ok(state.finish()?)
    }
}

/// The order of a call's rows.
pub(super) fn order_of(call: &Call, left: &[Value], right: &[Value]) -> Ordering {
    let orders = call.keys.iter().map(|key| {
        let (left, right) = (left.get(key.place), right.get(key.place));
        match (left, right) {
            (Some(left), Some(right)) => key.compare(left, right),
            _ => Ordering::Equal,
        }
    });
    orders
        .into_iter()
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
