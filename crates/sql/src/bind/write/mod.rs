//! INSERT, UPDATE, DELETE.
//!
//! A statement that writes has a *source*: a plan whose rows say what to do. For INSERT it gives
//! the new rows; for UPDATE and DELETE the rows that are meant: their key, their columns as they
//! are, and whatever else FROM or USING gives.

mod assign;
mod conflict;
mod insert;
mod through;
mod within;

use std::sync::Arc;

use rustdb_table::Table;
use rustdb_txn::ObjectMode;
use sqlparser::ast;

use super::expression::Place;
use super::from::object_name;
use super::scope::{FromNames, Scope, TableOid};
use super::{Binder, OutputColumn};
use crate::error::{Error, Result};
use crate::expr::{ColumnId, Expr};
use crate::parse::place_of_name;
use crate::plan::{Plan, Scan};

use assign::Assigned;
pub(super) use assign::{is_default, plain_target};
use through::{Through, Verb};
pub(crate) use through::{not_updatable, updatable};
pub(crate) use within::writes;

pub use conflict::{ConflictUpdate, OnConflict};
pub use through::ViewCheck;

/// A statement that writes.
#[derive(Clone, Debug)]
pub struct Write {
    /// What it does.
    pub kind: WriteKind,
    /// To which table.
    pub table: Arc<Table>,
    /// Where the rows come from.
    pub source: Plan,
    /// The source's columns. INSERT: one for each place of a row. Else the row's key, one for each
    /// place, and the others.
    pub columns: Vec<ColumnId>,
    /// What it gives for each row that is written, of the new row (DELETE: the old one).
    pub returning: Option<Vec<(OutputColumn, Expr)>>,
    /// What has to hold of the new rows, for views with a check option.
    pub checks: Vec<ViewCheck>,
}

/// What a statement that writes does.
#[derive(Clone, Debug)]
pub enum WriteKind {
    /// `INSERT`.
    Insert {
        /// What is done about rows in the way; they are an error, if there is nothing.
        conflict: Option<Box<OnConflict>>,
    },
    /// `UPDATE`.
    Update {
        /// New values for some places.
        assignments: Vec<Assignment>,
        /// What has to hold of a row that another transaction changed meanwhile.
        recheck: Vec<Expr>,
    },
    /// `DELETE`.
    Delete {
        /// As for `UPDATE`.
        recheck: Vec<Expr>,
    },
}

/// A new value for a column, or values for several.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The columns' places. If there are several, the value is a row, or NULL for all of them.
    pub places: Vec<usize>,
    /// The value, over the source's columns.
    pub value: Expr,
    /// Whether it is computed from the other new values.
    pub generated: bool,
    /// Whether parts of an array were assigned, and more may follow.
    pub in_parts: bool,
}

/// No two writes are the same.
impl PartialEq for Write {
    fn eq(&self, other: &Write) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Write {
    /// The expressions in it, those of its source left out.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let (assignments, conditions): (&[Assignment], &[Expr]) = match &self.kind {
            WriteKind::Insert { conflict } => match conflict.as_ref().map(|it| &it.update) {
                Some(Some(update)) => (&update.assignments, &update.conditions),
                _ => (&[], &[]),
            },
            WriteKind::Update {
                assignments,
                recheck,
            } => (assignments, recheck),
            WriteKind::Delete { recheck } => (&[], recheck),
        };
        let assigned = assignments.iter().map(|each| &each.value);
        let returned = self.returning.iter().flatten().map(|(_, item)| item);
        let checked = self.checks.iter().flat_map(|check| &check.conditions);
        assigned.chain(conditions).chain(returned).chain(checked)
    }

    /// The expressions in it, to change them.
    pub fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (assignments, conditions): (&mut [Assignment], &mut [Expr]) = match &mut self.kind {
            WriteKind::Insert { conflict } => match conflict.as_mut().map(|it| &mut it.update) {
                Some(Some(update)) => (&mut update.assignments, &mut update.conditions),
                _ => (&mut [], &mut []),
            },
            WriteKind::Update {
                assignments,
                recheck,
            } => (assignments, recheck),
            WriteKind::Delete { recheck } => (&mut [], recheck),
        };
        let assigned = assignments.iter_mut().map(|each| &mut each.value);
        let returned = self.returning.iter_mut().flatten().map(|(_, item)| item);
        let checked = self
            .checks
            .iter_mut()
            .flat_map(|check| &mut check.conditions);
        assigned.chain(conditions).chain(returned).chain(checked)
    }

    /// The columns that stand for a row in the way and for the one that was to be inserted.
    pub fn rows_in_the_way(&self) -> &[ColumnId] {
        match &self.kind {
            WriteKind::Insert {
                conflict: Some(conflict),
            } => conflict.update.as_ref().map_or(&[], |it| &it.columns),
            _ => &[],
        }
    }

    /// Whether it could see what it writes itself: a part of WITH writes too, or it computes what
    /// it writes or gives with queries.
    pub fn sees_writes(&self) -> bool {
        let mut asks = self.source.modifies();
        let (assignments, conditions): (&[Assignment], &[Expr]) = match &self.kind {
            WriteKind::Insert { conflict } => match conflict.as_ref().map(|it| &it.update) {
                Some(Some(update)) => (&update.assignments, &update.conditions),
                _ => (&[], &[]),
            },
            WriteKind::Update { assignments, .. } => (assignments, &[]),
            WriteKind::Delete { .. } => (&[], &[]),
        };
        let assigned = assignments.iter().map(|each| &each.value);
        let returned = self.returning.iter().flatten().map(|(_, item)| item);
        let checked = self.checks.iter().flat_map(|check| &check.conditions);
        for expr in assigned.chain(conditions).chain(returned).chain(checked) {
            expr.walk(&mut |part| asks |= matches!(part, Expr::Subquery(_)));
        }
        asks
    }
}

impl Binder<'_> {
    // -------------------------------------------------------------------------------- INSERT
    // ----------------------------------------------------------------------- UPDATE and DELETE

    pub(crate) fn update(&mut self, update: &ast::Update) -> Result<Write> {
        refuse_update(update)?;
        let from = match &update.from {
            None => &[][..],
            Some(
                ast::UpdateTableFromKind::BeforeSet(items)
                | ast::UpdateTableFromKind::AfterSet(items),
            ) => items,
        };
        let condition = update.selection.as_ref();
        let (mut target, scope, mut source) =
            self.written_rows(&update.table, from, condition, Verb::Update)?;
        let definition = target.table.definition().clone();
        let mut assignments = Vec::with_capacity(update.assignments.len());
        let new = &target.columns[1..=definition.columns.len()];
        let assigned = Assigned {
            definition: &definition,
            columns: new,
            through: target.through.as_ref(),
            verb: Verb::Update,
        };
        for written in &update.assignments {
            self.assignments(written, &assigned, &scope, &mut assignments)?;
        }
        if let Some(through) = &target.through {
            let values = assignments.iter_mut();
            values.for_each(|assignment| through.settle(&mut assignment.value));
        }
        self.generated_assignments(&definition, new, &mut assignments)?;
        let returning = update.returning.as_deref();
        let returning = self.returning(returning, &scope, target.through.as_ref())?;
        let computed = self.compute_tableoids(&mut source.plan);
        target.columns.extend(computed);
        Ok(Write {
            kind: WriteKind::Update {
                assignments,
                recheck: source.recheck,
            },
            table: target.table,
            source: source.plan,
            columns: target.columns,
            returning,
            checks: target.through.map_or(Vec::new(), |it| it.checks),
        })
    }

    pub(crate) fn delete(&mut self, delete: &ast::Delete) -> Result<Write> {
        if !delete.tables.is_empty() || !delete.order_by.is_empty() || delete.limit.is_some() {
            return Err(Error::unsupported("this form of DELETE"));
        }
        let (ast::FromTable::WithFromKeyword(tables) | ast::FromTable::WithoutKeyword(tables)) =
            &delete.from;
        let [table] = &tables[..] else {
            return Err(Error::unsupported("DELETE from several tables"));
        };
        let using = delete.using.as_deref().unwrap_or_default();
        let condition = delete.selection.as_ref();
        let (mut target, scope, mut source) =
            self.written_rows(table, using, condition, Verb::Delete)?;
        let returning = delete.returning.as_deref();
        let returning = self.returning(returning, &scope, target.through.as_ref())?;
        let computed = self.compute_tableoids(&mut source.plan);
        target.columns.extend(computed);
        Ok(Write {
            kind: WriteKind::Delete {
                recheck: source.recheck,
            },
            table: target.table,
            source: source.plan,
            columns: target.columns,
            returning,
            checks: Vec::new(),
        })
    }

    /// The rows of a table that UPDATE or DELETE mean, joined with FROM or USING.
    fn written_rows(
        &mut self,
        target: &ast::TableWithJoins,
        from: &[ast::TableWithJoins],
        condition: Option<&ast::Expr>,
        verb: Verb,
    ) -> Result<(Target, Scope<'static>, Source)> {
        let ast::TableFactor::Table { name, alias, .. } = &target.relation else {
            return Err(Error::unsupported(format!(
                "writing to `{}`",
                target.relation
            )));
        };
        if !target.joins.is_empty() {
            return Err(Error::unsupported("a join as the target"));
        }
        let (definition, views) = self
            .written_table(&object_name(name)?, verb)
            .map_err(|error| error.at(place_of_name(name)))?;
        let (scan, mut relation) = self.scan(&definition)?;
        relation.tableoid = Some(TableOid::Known(definition.oid));
        self.lock_table(definition.oid, ObjectMode::RowExclusive);
        let Plan::Scan(mut scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let key = self.new_column();
        scan.key = Some(key);
        let mut columns = vec![key];
        columns.extend(self.all_places(&mut scan, definition.columns.len()));
        let table = scan.table.clone();
        let through = match views.is_empty() {
            true => None,
            false => Some(self.through(&views, relation.clone(), &scan.columns, verb)?),
        };
        let relation = through.as_ref().map_or(relation, |it| it.relation.clone());
        let relation = self.aliased(relation, alias.as_ref())?;
        if through.is_none() {
            scan.alias.clone_from(&relation.name);
        }
        let mut names = FromNames::of(relation);
        let mut plan = Plan::Scan(scan);
        if !from.is_empty() {
            let others = self.from(from, &Scope::default())?;
            columns.extend(others.plan.columns());
            names = names.join(others.names)?;
            plan = Plan::Join(Box::new(crate::plan::Join {
                kind: crate::plan::JoinKind::Inner,
                method: crate::plan::JoinMethod::default(),
                keeps_order: false,
                merged: Vec::new(),
                left: plan,
                right: others.plan,
                conditions: Vec::new(),
            }));
        }
        let scope = Scope {
            parent: None,
            from: names,
        };
        let recheck = self.meant(condition, &scope, through.as_ref())?;
        if !recheck.is_empty() {
            plan = plan.filtered(recheck.clone());
        }
        let target = Target {
            table,
            columns,
            through,
        };
        Ok((target, scope, Source { plan, recheck }))
    }

    /// What holds of the rows that are meant: the conditions of a view, and the statement's.
    fn meant(
        &mut self,
        condition: Option<&ast::Expr>,
        scope: &Scope<'_>,
        through: Option<&Through>,
    ) -> Result<Vec<Expr>> {
        let mut all = through.map_or(Vec::new(), |it| it.conditions.clone());
        if let Some(condition) = condition {
            let condition = self.expression(condition, &mut Place::new(scope, "WHERE"))?;
            let mut condition = self.coerce_to_bool(condition, "WHERE")?;
            if let Some(through) = through {
                through.settle(&mut condition);
            }
            all.extend(condition.conjuncts());
        }
        Ok(all)
    }

    /// Has the scan read the row's every place; gives their columns in order.
    fn all_places(&mut self, scan: &mut Scan, places: usize) -> Vec<ColumnId> {
        (0..places)
            .map(|place| {
                let known = scan.columns.iter().find(|(_, at)| *at == place);
                match known {
                    Some((id, _)) => *id,
                    None => {
                        let id = self.new_column();
                        scan.columns.push((id, place));
                        id
                    }
                }
            })
            .collect()
    }

    fn returning(
        &mut self,
        items: Option<&[ast::SelectItem]>,
        scope: &Scope<'_>,
        through: Option<&Through>,
    ) -> Result<Option<Vec<(OutputColumn, Expr)>>> {
        let Some(items) = items else {
            return Ok(None);
        };
        let mut returned = self.returned(items, scope)?;
        if let Some(through) = through {
            returned
                .iter_mut()
                .for_each(|(_, item)| through.settle(item));
        }
        Ok(Some(returned))
    }
}

/// The table that is written, and the columns of the source.
struct Target {
    table: Arc<Table>,
    columns: Vec<ColumnId>,
    /// The view that names the table's columns.
    through: Option<Through>,
}

struct Source {
    plan: Plan,
    recheck: Vec<Expr>,
}

fn refuse_update(update: &ast::Update) -> Result<()> {
    let plain = update.or.is_none()
        && update.output.is_none()
        && update.order_by.is_empty()
        && update.limit.is_none();
    match plain {
        true => Ok(()),
        false => Err(Error::unsupported("this form of UPDATE")),
    }
}
