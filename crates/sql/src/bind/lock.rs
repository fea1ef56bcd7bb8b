//! SELECT ... FOR UPDATE, NO KEY UPDATE, SHARE, KEY SHARE.
//!
//! The scans of the tables that are meant give their rows' keys, and the projection passes on the
//! columns of FROM, so that a row that has changed can be computed anew once it is locked.

use std::collections::BTreeSet;

use rustdb_txn::RowMode;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::Binder;
use super::aggregate::Collected;
use super::scope::{Relation, Scope};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr};
use crate::parse::position;
use crate::plan::{JoinKind, LockRows, LockTarget, Plan, Scan};
use crate::rewrite::{self, LockWords};

/// What a SELECT locks.
pub(super) struct Locks {
    targets: Vec<LockTarget>,
    conditions: Vec<Expr>,
    /// The columns of FROM, keys among them.
    from: Vec<ColumnId>,
}

impl Binder<'_> {
    /// Makes the tables that are locked give their rows' keys; `None` without such a clause.
    pub(super) fn locks(
        &mut self,
        clauses: &[ast::LockClause],
        select: &ast::Select,
        plan: &mut Plan,
        scope: &Scope<'_>,
        collected: &Collected,
    ) -> Result<Option<Locks>> {
        let words: Vec<LockWords> = clauses
            .iter()
            .map(rewrite::lock_words)
            .collect::<Result<_>>()?;
        let Some(first) = words.first() else {
            return Ok(None);
        };
        refuse_clauses(select, collected, first.name())?;
        for clause in &words {
            for name in &clause.of {
                if !scope
                    .from
                    .relations
                    .iter()
                    .any(|relation| relation.name == *name)
                {
                    let message = format!(
                        "relation \"{name}\" in {} clause not found in FROM clause",
                        clause.name()
                    );
                    return Err(Error::new(SqlState::UNDEFINED_TABLE, message)
                        .at_word_behind(place_of_clauses(select), name));
                }
            }
        }
        let mut locks = Locks {
            targets: Vec::new(),
            conditions: Vec::new(),
            from: Vec::new(),
        };
        self.lock_within(plan, &words, &scope.from.relations, &mut locks, false)?;
        for clause in &words {
            for name in &clause.of {
                let relation = scope.from.relations.iter().find(|one| one.name == *name);
                let found = relation.is_some_and(|relation| {
                    let mut targets = locks.targets.iter();
                    targets.any(|target| is_of(&target.columns, relation))
                });
                if !found {
                    let message = format!(
                        "{} cannot be applied to \"{name}\", which is no table",
                        clause.name()
                    );
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
                }
            }
        }
        locks.from = plan.columns();
        Ok(Some(locks))
    }

    /// Goes through what FROM and WHERE made, not into queries in parentheses.
    fn lock_within(
        &mut self,
        plan: &mut Plan,
        words: &[LockWords],
        relations: &[Relation],
        locks: &mut Locks,
        nullable: bool,
    ) -> Result<()> {
        match plan {
            Plan::Filter { input, conditions } => {
                if !nullable {
                    locks.conditions.extend(conditions.iter().cloned());
                }
                self.lock_within(input, words, relations, locks, nullable)
            }
            Plan::Join(join) => {
                let (left, right) = match join.kind {
                    JoinKind::Left => (nullable, true),
                    JoinKind::Right => (true, nullable),
                    JoinKind::Full => (true, true),
                    JoinKind::Inner | JoinKind::Semi | JoinKind::Anti => (nullable, nullable),
                };
                if !nullable && join.kind == JoinKind::Inner {
                    locks.conditions.extend(join.conditions.iter().cloned());
                }
                self.lock_within(&mut join.left, words, relations, locks, left)?;
                self.lock_within(&mut join.right, words, relations, locks, right)
            }
            Plan::Project { input, items } => {
                let passed: BTreeSet<ColumnId> = input.columns().into_iter().collect();
                let passes_on = |column: &ColumnId| items.iter().any(|(id, _)| id == column);
                if !passed.iter().all(passes_on) {
                    return Ok(());
                }
                // What USING made: the columns of both sides are still there.
                self.lock_within(input, words, relations, locks, nullable)?;
                let keys = input.columns().into_iter();
                let new = keys.filter(|column| !passed.contains(column));
                items.extend(new.map(|column| (column, Expr::Column(column))));
                Ok(())
            }
            Plan::Scan(scan) => self.lock_scan(scan, words, relations, locks, nullable),
            _ => Ok(()),
        }
    }

    fn lock_scan(
        &mut self,
        scan: &mut Scan,
        words: &[LockWords],
        relations: &[Relation],
        locks: &mut Locks,
        nullable: bool,
    ) -> Result<()> {
        let Some(relation) = relations.iter().find(|one| is_of(&scan.columns, one)) else {
            return Ok(());
        };
        let meant = words
            .iter()
            .filter(|clause| clause.of.is_empty() || clause.of.contains(&relation.name));
        let strongest = meant.clone().map(|clause| clause.mode).max();
        let wait = meant.clone().map(|clause| clause.wait).max();
        let (Some(mode), Some(wait)) = (strongest, wait) else {
            return Ok(());
        };
        if nullable {
            let name = meant.map(LockWords::name).next().unwrap_or_default();
            let message = format!("{name} cannot be applied to the nullable side of an outer join");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let key = match scan.key {
            Some(key) => key,
            None => *scan.key.insert(self.new_column()),
        };
        locks.targets.push(LockTarget {
            table: scan.table.clone(),
            key,
            columns: scan.columns.clone(),
            mode,
            wait,
        });
        Ok(())
    }
}

/// Where the clauses behind a SELECT are looked for.
fn place_of_clauses(select: &ast::Select) -> Option<Position> {
    let last = select.from.last().map(|item| item.span().end);
    last.and_then(position)
}

impl Locks {
    /// Makes the projection pass on the columns of FROM.
    pub(super) fn pass_through(&self, plan: &mut Plan) {
        if let Plan::Project { items, .. } = plan {
            items.extend(self.from.iter().map(|id| (*id, Expr::Column(*id))));
        }
    }

    /// The plan whose rows are locked as they pass; `items` are computed anew if they change.
    pub(super) fn over(self, input: Plan, items: Vec<(ColumnId, Expr)>) -> Plan {
        Plan::Lock(Box::new(LockRows {
            input,
            targets: self.targets,
            conditions: self.conditions,
            items,
        }))
    }
}

fn is_of(columns: &[(ColumnId, usize)], relation: &Relation) -> bool {
    let mut ids = columns.iter().map(|(id, _)| *id);
    !columns.is_empty() && ids.all(|id| relation.columns.iter().any(|column| column.id == id))
}

/// What groups rows, or makes several of one, leaves none to lock.
fn refuse_clauses(select: &ast::Select, collected: &Collected, name: &str) -> Result<()> {
    let grouped = match &select.group_by {
        ast::GroupByExpr::Expressions(items, _) => !items.is_empty(),
        ast::GroupByExpr::All(_) => true,
    };
    let what = if select.distinct.is_some() {
        "DISTINCT clause"
    } else if grouped {
        "GROUP BY clause"
    } else if select.having.is_some() {
        "HAVING clause"
    } else if !collected.aggregates.is_empty() {
        "aggregate functions"
    } else if !collected.windows.is_empty() {
        "window functions"
    } else if !collected.sets.is_empty() {
        "set-returning functions in the target list"
    } else {
        return Ok(());
    };
    Err(refused(name, what))
}

/// `FOR UPDATE is not allowed with aggregate functions`.
pub(super) fn refused(name: &str, what: &str) -> Error {
    let message = format!("{name} is not allowed with {what}");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

/// The first clause's words: `FOR UPDATE`.
pub(super) fn clause_name(clauses: &[ast::LockClause]) -> Result<Option<&'static str>> {
    let words = clauses.first().map(rewrite::lock_words).transpose()?;
    Ok(words.map(|words| words.name()))
}

impl LockWords {
    fn name(&self) -> &'static str {
        match self.mode {
            RowMode::Presence | RowMode::KeyShare => "FOR KEY SHARE",
            RowMode::Share => "FOR SHARE",
            RowMode::NoKeyUpdate => "FOR NO KEY UPDATE",
            RowMode::Reserve | RowMode::Update => "FOR UPDATE",
        }
    }
}
