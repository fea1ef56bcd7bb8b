//! Compiling what writes: a source of rows, and what is done with each.

use std::sync::Arc;

use super::super::Node;
use super::super::write::{Kind, WriteNode};
use super::{Compiler, Outer};
use crate::bind::{Assignment, OnConflict, ViewCheck, Write, WriteKind};
use crate::error::Result;
use crate::expr::{ColumnId, Expr};

impl Compiler<'_> {
    /// A writer, and its source.
    pub(in crate::exec) fn writer(
        &mut self,
        write: &Write,
        outer: &Outer,
    ) -> Result<(WriteNode, Arc<dyn Node>)> {
        let compiled = self.plan(&write.source, outer)?;
        let compiled = self.arranged(compiled, &write.columns)?;
        let columns = &compiled.columns;
        let kind = match &write.kind {
            WriteKind::Insert { conflict: None } => Kind::Insert(None),
            WriteKind::Insert {
                conflict: Some(conflict),
            } => Kind::Insert(Some(self.conflict(conflict, outer)?)),
            WriteKind::Update {
                assignments,
                recheck,
            } => Kind::Update {
                assignments: self.assignments(assignments, columns, outer)?,
                recheck: self.all(recheck, columns, outer)?,
            },
            WriteKind::Delete { recheck } => Kind::Delete {
                recheck: self.all(recheck, columns, outer)?,
            },
        };
        let returning = match &write.returning {
            None => None,
            Some(items) => {
                let items: Vec<Expr> = items.iter().map(|(_, item)| item.clone()).collect();
                Some(self.all(&items, columns, outer)?)
            }
        };
        let mut node = WriteNode {
            kind,
            table: write.table.clone(),
            source: compiled.node.clone(),
            one_row: self.one_row(&write.source, &write.columns)?,
            returning,
            checks: self.view_checks(&write.checks, columns, outer)?,
            patch: None,
            sweep: None,
            is_at_once: false,
            is_brief: false,
        };
        node.is_at_once = node.can_run_at_once();
        node.is_brief = node.can_be_brief();
        node.patch = node.patch();
        node.sweep = self.sweep(write, &node, outer)?;
        Ok((node, compiled.node))
    }

    fn view_checks(
        &mut self,
        checks: &[ViewCheck],
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Vec<ViewCheck>> {
        let checks = checks.iter().map(|check| {
            Ok(ViewCheck {
                view: check.view.clone(),
                conditions: self.all(&check.conditions, columns, outer)?,
            })
        });
        checks.collect()
    }

    fn assignments(
        &mut self,
        assignments: &[Assignment],
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Vec<Assignment>> {
        let mut compiled = assignments.to_vec();
        for assignment in &mut compiled {
            self.expression(&mut assignment.value, columns, outer)?;
        }
        Ok(compiled)
    }

    fn conflict(&mut self, conflict: &OnConflict, outer: &Outer) -> Result<OnConflict> {
        let mut compiled = conflict.clone();
        if let Some(update) = &mut compiled.update {
            update.assignments = self.assignments(&update.assignments, &update.columns, outer)?;
            update.conditions = self.all(&update.conditions, &update.columns, outer)?;
        }
        Ok(compiled)
    }
}
