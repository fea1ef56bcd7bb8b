//! Running INSERT, UPDATE and DELETE.
//!
//! The source is read to its end before anything is written, so that a statement does not meet
//! its own rows. A row that another transaction has changed since the snapshot is read again, and
//! its condition checked again: READ COMMITTED, as PostgreSQL does it.

use std::collections::HashSet;
use std::sync::Arc;

use rustdb_table::{Locked, Projection, Statement, Table};
use rustdb_txn::RowMode;
use rustdb_types::{Value, interrupt};

use super::Node;
use super::context::Context;
use super::evaluate::{all_true, evaluate, values};
use super::point::OneRow;
use super::source::SourceRows;
use super::spill::{Charge, row_bytes};
use crate::bind::{Assignment, OnConflict, ViewCheck};
use crate::error::{Error, Result, SqlState};
use crate::expr::Expr;

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
    /// Whether it can be run without a transaction.
    pub(crate) is_at_once: bool,
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

/// What a key of a row that was seen takes beside its bytes, about.
const SEEN_BYTES: usize = 64;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How many rows.
    pub(crate) count: u64,
    /// What RETURNING gives.
    pub(crate) rows: Vec<Vec<Value>>,
    /// For the rows.
    pub(super) charge: Option<Charge>,
}

impl WriteNode {
    pub(crate) fn run(&self, statement: &mut Statement, cx: &mut Context<'_>) -> Result<Written> {
        let mut rows = cx.before_writes(|cx| match &self.one_row {
            Some(one_row) => Ok(SourceRows::of(one_row.run(cx)?.into_iter().collect())),
            None => SourceRows::read(&self.source, cx),
        })?;
        let mut seen = HashSet::new();
        let written = match &self.kind {
            Kind::Insert(None) => self.insert(&mut rows, statement, cx),
            Kind::Insert(Some(conflict)) => self.upsert(&mut rows, conflict, statement, cx),
            Kind::Update {
                assignments,
                recheck,
            } => {
                let assignments = Some(&assignments[..]);
                self.change(&mut rows, assignments, recheck, &mut seen, statement, cx)
            }
            Kind::Delete { recheck } => {
                self.change(&mut rows, None, recheck, &mut seen, statement, cx)
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
            self.table.insert(cx.transaction_mut()?, &row, statement)?;
            self.check_views(&row, 0, statement, cx)?;
            self.give(&row, &mut written, cx)?;
        }
        Ok(written)
    }

    /// Updates the rows, or deletes them if there are no assignments.
    fn change(
        &self,
        rows: &mut SourceRows,
        assignments: Option<&[Assignment]>,
        recheck: &[Expr],
        seen: &mut HashSet<Arc<[u8]>>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<Written> {
        let mut written = Written::default();
        let mut charge = None;
        let is_alone = rows.is_alone();
        while let Some(mut row) = rows.next(cx)? {
            cx.check_cancelled()?;
            let Value::Bytea(key) = &row[0] else {
                return Err(Error::internal("a row without its key"));
            };
            let mut key = key.clone();
            // A row that meets several partners is changed once.
            if !is_alone {
                if !seen.insert(key.clone()) {
                    continue;
                }
                let charge = charge.get_or_insert_with(|| cx.pool().charge());
                charge.hold(key.len() + SEEN_BYTES)?;
            }
            if cx.has_written(&self.table, &key)? {
                continue;
            }
            let mode = match assignments {
                None => RowMode::Update,
                Some(_) => RowMode::NoKeyUpdate,
            };
            let wait = cx.wait;
            let transaction = cx.transaction_mut()?;
            let (locked, moved) = self.table.lock_following(transaction, &key, mode, wait)?;
            if let Some(moved) = moved {
                key = Arc::from(&*moved);
                row[0] = Value::Bytea(key.clone());
            }
            match locked {
                Locked::Unchanged => (),
                Locked::Gone => continue,
                Locked::Changed => {
                    if !self.read_again(&key, &mut row, recheck, cx)? {
                        continue;
                    }
                }
            }
            self.change_row(&key, row, assignments, statement, &mut written, cx)?;
        }
        Ok(written)
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
