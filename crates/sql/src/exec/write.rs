//! Running INSERT, UPDATE and DELETE.
//!
//! The source is read to its end before anything is written, so that a statement does not meet
//! its own rows, unless what is written cannot be met again ([`super::sweep`]). A row that another transaction has changed since the snapshot is read again, and
//! its condition checked again: READ COMMITTED, as PostgreSQL does it.

use std::collections::HashSet;
use std::sync::Arc;

use rustdb_table::{Locked, Projection, Statement, Table};
use rustdb_txn::RowMode;
use rustdb_types::{Value, interrupt};

use super::Node;
use super::context::Context;
use super::evaluate::{all_true, evaluate, values};
use super::keyed::Patch;
use super::point::OneRow;
use super::source::SourceRows;
use super::spill::{Charge, row_bytes};
use super::sweep::Sweep;
use crate::bind::{Assignment, OnConflict, ViewCheck};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;
use crate::row_set::RowSet;

/// A statement that writes, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct WriteNode {
    pub(super) kind: Kind,
    pub(super) table: Arc<Table>,
    pub(super) source: Arc<dyn Node>,
    /// The source, if it is no more than a row.
    pub(super) one_row: Option<OneRow>,
    pub(super) returning: Option<Vec<Expr>>,
    /// What has to hold of the new rows, for views.
    pub(super) checks: Vec<ViewCheck>,
    /// How the one row is updated, if that takes no more than other bytes.
    pub(super) patch: Option<Patch>,
    /// How many rows are changed as they are stored, if they can be.
    pub(super) sweep: Option<Sweep>,
    /// Whether it can be run without a transaction.
    pub(crate) is_at_once: bool,
    /// Whether it writes one row and nothing in it can take long but waiting for the row's lock,
    /// which comes before all that is written.
    pub(crate) is_brief: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Insert(Option<OnConflict>),
    Update {
        /// Those that are generated see the new values of the others.
        assignments: Vec<Assignment>,
        recheck: Vec<Expr>,
    },
    Delete {
        recheck: Vec<Expr>,
    },
}

/// What becomes of rows that are there.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    /// Without any, rows are deleted.
    pub(super) assignments: Option<&'a [Assignment]>,
    /// What has to hold of a row that somebody else has changed meanwhile.
    pub(super) recheck: &'a [Expr],
}

impl Change<'_> {
    /// How a row is locked that it is done to.
    pub(super) fn lock(self) -> RowMode {
        match self.assignments {
            None => RowMode::Update,
            Some(_) => RowMode::NoKeyUpdate,
        }
    }
}

impl Kind {
    /// What becomes of rows that are there; nothing is inserted by that.
    pub(super) fn change(&self) -> Change<'_> {
        match self {
            Kind::Insert(_) => Change {
                assignments: None,
                recheck: &[],
            },
            Kind::Update {
                assignments,
                recheck,
            } => Change {
                assignments: Some(assignments),
                recheck,
            },
            Kind::Delete { recheck } => Change {
                assignments: None,
                recheck,
            },
        }
    }
}

/// What a key of a row that was seen takes beside its bytes, about.
const SEEN_BYTES: usize = 64;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How many rows.
    pub(crate) count: u64,
    /// What RETURNING gives.
    pub(crate) rows: RowSet,
    /// For the rows.
    pub(super) charge: Option<Charge>,
}

impl WriteNode {
    pub(crate) fn run(&self, statement: &mut Statement, cx: &mut Context<'_>) -> Result<Written> {
        if let (Some(one_row), None) = (&self.one_row, &cx.careful) {
            return self.run_one(one_row, statement, cx);
        }
        if let (Some(sweep), None) = (&self.sweep, &cx.careful)
            && let Some(written) = self.sweep(sweep, statement, cx)?
        {
            return Ok(written);
        }
        let mut rows = cx.before_writes(|cx| match &self.one_row {
            Some(one_row) => Ok(SourceRows::of(one_row.run(cx)?.into_iter().collect())),
            None => SourceRows::read(&self.source, cx),
        })?;
        let mut seen = HashSet::new();
        let written = match (&self.kind, self.kind.change()) {
            (Kind::Insert(None), _) => self.insert(&mut rows, statement, cx),
            (Kind::Insert(Some(conflict)), _) => self.upsert(&mut rows, conflict, statement, cx),
            (Kind::Update { .. } | Kind::Delete { .. }, change) => {
                self.change(&mut rows, change, &mut seen, statement, cx)
            }
        };
        if written.is_err() {
            interrupt::leave((rows, seen));
        }
        written
    }

    fn insert(
        &self,
        rows: &mut SourceRows,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        while let Some(row) = rows.next(cx)? {
            cx.check_cancelled()?;
            self.insert_row(&row, statement, &mut written, cx)?;
        }
        Ok(written)
    }

    pub(super) fn insert_row(
        &self,
        row: &[Value],
        statement: &mut Statement,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        self.table.insert(cx.transaction_mut()?, row, statement)?;
        self.check_views(row, 0, statement, cx)?;
        self.give(row, written, cx)
    }

    /// Updates the rows, or deletes them.
    fn change(
        &self,
        rows: &mut SourceRows,
        change: Change<'_>,
        seen: &mut HashSet<Arc<[u8]>>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let mut charge = None;
        let is_alone = rows.is_alone();
        while let Some(row) = rows.next(cx)? {
            cx.check_cancelled()?;
            let key = key_of(&row)?;
            // A row that meets several partners is changed once.
            if !is_alone {
                if !seen.insert(key.clone()) {
                    continue;
                }
                let charge = charge.get_or_insert_with(|| cx.pool().charge());
                charge.hold(key.len() + SEEN_BYTES)?;
            }
            if cx.has_written(&self.table, key)? {
                continue;
            }
            self.lock_and_change(row, change, statement, &mut written, cx)?;
        }
        Ok(written)
    }

    /// Locks a row, and updates or deletes it if it is still there and meant.
    pub(super) fn lock_and_change(
        &self,
        mut row: Vec<Value>,
        change: Change<'_>,
        statement: &mut Statement,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let (key, wait) = (key_of(&row)?, cx.wait);
        let transaction = cx.transaction_mut()?;
        let (locked, moved) = self
            .table
            .lock_following(transaction, key, change.lock(), wait)?;
        if let Some(moved) = moved {
            row[0] = Value::Bytea(Arc::from(&*moved));
        }
        self.change_locked(locked, row, change, statement, written, cx)
    }

    /// Updates or deletes a row that was locked, if it is still there and meant.
    pub(super) fn change_locked(
        &self,
        locked: Locked,
        mut row: Vec<Value>,
        change: Change<'_>,
        statement: &mut Statement,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let key = key_of(&row)?.clone();
        match locked {
            Locked::Unchanged => (),
            Locked::Gone => return Ok(()),
            Locked::Changed => {
                if !self.read_again(&key, &mut row, change.recheck, cx)? {
                    return Ok(());
                }
            }
        }
        self.change_row(&key, row, change.assignments, statement, written, cx)
    }

    /// Updates or deletes a row that is locked.
    fn change_row(
        &self,
        key: &[u8],
        mut row: Vec<Value>,
        assignments: Option<&[Assignment]>,
        statement: &mut Statement,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let places = self.table.layout().len();
        let Some(assignments) = assignments else {
            let old = &row[1..=places];
            self.table
                .delete_locked(cx.transaction_mut()?, key, old, statement)?;
            return self.give(&row, written, cx);
        };
        let new = self.new_row(&row, assignments, cx)?;
        let (old, given) = (&row[1..=places], &new[1..=places]);
        self.table
            .update_locked(cx.transaction_mut()?, key, old, given, statement)?;
        if self.returning.is_some() || !self.checks.is_empty() {
            for (place, value) in new.into_iter().enumerate().skip(1) {
                row[place] = value;
            }
        }
        self.check_views(&row, 1, statement, cx)?;
        self.give(&row, written, cx)
    }

    /// Whether a row that was written, whose columns begin at a place, is one of the views with a
    /// check option through which it was written.
    pub(super) fn check_views(
        &self,
        row: &[Value],
        first: usize,
        statement: &Statement,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        for check in &self.checks {
            if cx.before_writes(|cx| all_true(&check.conditions, row, cx))? {
                continue;
            }
            let view = &check.view;
            let message = format!("new row violates check option for view \"{view}\"");
            let columns = &row[first..first + self.table.layout().len()];
            let detail = self.table.refused_row(columns, statement);
            return Err(
                Error::new(SqlState::WITH_CHECK_OPTION_VIOLATION, message).with_detail(detail)
            );
        }
        Ok(())
    }

    /// Puts the newest state of a row in its place; whether it is still meant.
    fn read_again(
        &self,
        key: &[u8],
        row: &mut [Value],
        recheck: &[Expr],
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        let mut newest = Vec::new();
        let projection = Projection::All;
        if !self
            .table
            .get_newest(cx.transaction()?, key, &projection, &mut newest)?
        {
            return Ok(false);
        }
        row[1..=newest.len()].clone_from_slice(&newest);
        cx.before_writes(|cx| all_true(recheck, &*row, cx))
    }

    /// What a row becomes, behind its key.
    fn new_row(
        &self,
        row: &[Value],
        assignments: &[Assignment],
        cx: &mut Context<'_>,
    ) -> Result<Vec<Value>> {
        let places = self.table.layout().len();
        let mut new = row[..=places].to_vec();
        cx.before_writes(|cx| assign(assignments, row, &mut new, 1, cx))?;
        Ok(new)
    }

    pub(super) fn give(
        &self,
        row: &[Value],
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        written.count += 1;
        if let Some(returning) = &self.returning {
            let returned = cx.before_writes(|cx| values(returning, row, cx))?;
            // One row is little.
            if !written.rows.is_empty() {
                let charge = written.charge.get_or_insert_with(|| cx.pool().charge());
                charge.hold(row_bytes(&returned))?;
            }
            written.rows.push(returned);
        }
        Ok(())
    }
}

/// The key of a row that was read to be changed.
fn key_of(row: &[Value]) -> Result<&Arc<[u8]>> {
    match &row[0] {
        Value::Bytea(key) => Ok(key),
        _ => Err(Error::internal("a row without its key")),
    }
}

/// Puts new values into a row, whose places begin at `first`. `old` is what they are computed from;
/// generated ones are computed from the new row.
pub(super) fn assign(
    assignments: &[Assignment],
    old: &[Value],
    new: &mut [Value],
    first: usize,
    cx: &mut Context<'_>,
) -> Result<()> {
    for each in assignments.iter().filter(|each| !each.generated) {
        let value = evaluate(&each.value, old, cx)?.into_owned();
        match (&each.places[..], value) {
            ([place], value) => new[first + place] = value,
            (places, Value::Record(values)) => {
                for (place, value) in places.iter().zip(values.iter()) {
                    new[first + place] = value.clone();
                }
            }
            (places, _) => places
                .iter()
                .for_each(|place| new[first + place] = Value::Null),
        }
    }
    for each in assignments.iter().filter(|each| each.generated) {
        let value = evaluate(&each.value, &*new, cx)?.into_owned();
        for place in &each.places {
            new[first + place] = value.clone();
        }
    }
    Ok(())
}
