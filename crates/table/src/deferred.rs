//! Constraints that wait for the end of the transaction.

use std::collections::HashMap;
use std::sync::Arc;

use rustdb_catalog::Constraint;
use rustdb_txn::{Transaction, Wait};
use rustdb_types::{Oid, Settings};

use crate::Result;
use crate::foreign_key::Event;
use crate::statement::{Statement, Tables};

/// What a transaction has deferred, and what SET CONSTRAINTS said. Lives as long as the
/// transaction; [`Deferred::check`] has to succeed before it commits.
#[derive(Debug, Default)]
pub struct Deferred {
    events: Vec<Event>,
    modes: Modes,
}

/// A moment to return to, with the transaction's savepoint.
#[derive(Clone, Debug)]
pub struct DeferredMark {
    events: usize,
    modes: Modes,
}

/// Whether deferrable constraints are deferred.
#[derive(Clone, Debug, Default)]
struct Modes {
    all: Option<bool>,
    of: HashMap<Oid, bool>,
}

impl Deferred {
    /// Nothing deferred yet.
    pub fn new() -> Deferred {
        Deferred::default()
    }

    /// `SET CONSTRAINTS`, of all constraints if none is named. What is made immediate is checked
    /// with [`Deferred::check_immediate`] next.
    pub fn set(&mut self, constraints: Option<&[Oid]>, is_deferred: bool) {
        match constraints {
            None => {
                self.modes = Modes {
                    all: Some(is_deferred),
                    of: HashMap::new(),
                };
            }
            Some(constraints) => {
                let of = constraints.iter().map(|oid| (*oid, is_deferred));
                self.modes.of.extend(of);
            }
        }
    }

    /// Whether a constraint is checked at the end of the transaction.
    pub fn is_deferred(&self, constraint: &Constraint) -> bool {
        let said = self.modes.of.get(&constraint.oid).copied();
        constraint.deferrable
            && said
                .or(self.modes.all)
                .unwrap_or(constraint.initially_deferred)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The present moment.
    pub fn mark(&self) -> DeferredMark {
        DeferredMark {
            events: self.events.len(),
            modes: self.modes.clone(),
        }
    }

    /// Forgets what came since.
    pub fn rollback_to(&mut self, mark: &DeferredMark) {
        self.events.truncate(mark.events);
        self.modes.clone_from(&mark.modes);
    }

    /// Checks all that waits, at the end of the transaction.
    pub fn check(
        &mut self,
        transaction: &mut Transaction,
        tables: &Arc<dyn Tables>,
        settings: &Arc<Settings>,
        wait: Wait,
    ) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(tables.clone(), settings.clone(), wait);
        statement.events.extend(std::mem::take(&mut self.events));
        while let Some(event) = statement.events.pop_front() {
            statement.look_at(transaction, event)?;
        }
        Ok(())
    }

    /// Checks what SET CONSTRAINTS has made immediate. With `keep` it is checked at the end of the
    /// transaction once more: the transaction may roll back to a savepoint, and what holds now
    /// need not hold then.
    pub fn check_immediate(
        &mut self,
        transaction: &mut Transaction,
        tables: &Arc<dyn Tables>,
        settings: &Arc<Settings>,
        wait: Wait,
        keep: bool,
    ) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let mut statement = Statement::new(tables.clone(), settings.clone(), wait);
        if !keep {
            statement.events.extend(std::mem::take(&mut self.events));
            return statement.finish(transaction, self);
        }
        statement.events.extend(self.events.iter().cloned());
        let mut still = Deferred {
            events: Vec::new(),
            modes: self.modes.clone(),
        };
        statement.finish(transaction, &mut still)
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.events.push(event);
    }
}
