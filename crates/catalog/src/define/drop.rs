//! DROP, with RESTRICT and CASCADE.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use rustdb_txn::{ObjectMode, Transaction};
use rustdb_types::{Oid, SqlState};

use crate::change::CatalogChange;
use crate::dependency::{DependencyKind, Part};
use crate::descriptor::{Generated, Object, RowKeyColumns, Table};
use crate::error::{Error, Result};
use crate::lock;
use crate::snapshot::Catalog;

/// Whether DROP also drops what uses the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DropBehavior {
    /// It fails if something does.
    #[default]
    Restrict,
    /// It does.
    Cascade,
}

/// What a DROP has done.
#[derive(Debug, Default)]
pub struct Dropped {
    /// What went besides and is worth a notice, as messages name it: `view v`.
    pub cascaded: Vec<String>,
    /// Tables that have lost the key their rows are sorted by, before and after: the caller copies
    /// the rows from the old storage to the new, which is empty.
    pub to_copy: Vec<(Arc<Table>, Arc<Table>)>,
}

/// What a DROP takes.
#[derive(Debug, Default)]
struct Plan {
    /// Everything: what is used comes before what uses it.
    parts: Vec<Part>,
    /// What goes only with CASCADE, and because of what.
    dependents: Vec<(Part, Part)>,
}

impl CatalogChange {
    /// Drops objects and parts of tables, with what belongs to them and, if asked, what uses
    /// them. Locks everything it takes (ACCESS EXCLUSIVE) and its names.
    ///
    /// `visible` are the schemas of the search path, whose names messages do not qualify.
    pub fn drop_parts(
        &mut self,
        transaction: &mut Transaction,
        targets: &[Part],
        behavior: DropBehavior,
        visible: &[Oid],
    ) -> Result<Dropped> {
        let mut locked = BTreeSet::new();
        let (view, plan) = loop {
            let view = self.view();
            let plan = plan(&view, targets, visible)?;
            let objects = plan.parts.iter().map(|part| part.object());
            let new: Vec<Oid> = objects.filter(|oid| locked.insert(*oid)).collect();
            if new.is_empty() {
                break (view, plan);
            }
            // What was waited for may have changed what depends on what.
            for oid in new {
                let (object, mode) = (lock::object(oid), ObjectMode::AccessExclusive);
                transaction.lock_object(object, mode, self.wait)?;
            }
        };
        let describe = |part: Part| view.describe(part, visible);
        if behavior == DropBehavior::Restrict && !plan.dependents.is_empty() {
            let lines = plan.dependents.iter().map(|(part, on)| {
                let on = view.describe_used(*part, *on, visible);
                format!("{} depends on {on}", describe(*part))
            });
            let (what, on) = match targets {
                [target] => (describe(*target), "it"),
                _ => ("desired object(s)".to_owned(), "them"),
            };
            return Err(Error::new(
                SqlState::DEPENDENT_OBJECTS,
                format!("cannot drop {what} because other objects depend on {on}"),
            )
            .with_detail(lines.collect::<Vec<_>>().join("\n"))
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let lines = plan.dependents.iter().map(|(part, _)| describe(*part));
        let mut dropped = Dropped {
            cascaded: lines.collect(),
            to_copy: Vec::new(),
        };
        for part in plan.parts.iter().rev() {
            self.take_away(transaction, *part)?;
        }
        for part in &plan.parts {
            let Part::Index(oid, index) = *part else {
                continue;
            };
            let before = view.table(oid).and_then(|table| table.index(index));
            let was_row_key = before.is_some_and(|index| index.keyspace.is_none());
            if was_row_key && self.view().table(oid).is_some() {
                let copy = self.renew_storage(oid, |table| {
                    table.row_key = RowKeyColumns::Hidden;
                    Ok(())
                })?;
                dropped.to_copy.push(copy);
            }
        }
        Ok(dropped)
    }

    fn take_away(&mut self, transaction: &mut Transaction, part: Part) -> Result<()> {
        let view = self.view();
        // A part of a table that went before.
        let Some(object) = view.object(part.object()) else {
            return Ok(());
        };
        match part {
            Part::Object(oid) => {
                let schema = object.schema().unwrap_or(Oid(0));
                self.lock_name(transaction, schema, object.name())?;
                self.remove(oid);
                Ok(())
            }
            Part::Column(table, column) => self.remove_column(table, column),
            Part::Default(table, column) => self.set_default(table, column, None),
            Part::Constraint(table, oid) => self.alter_table(table, |table| {
                table.constraints.retain(|each| each.oid != oid);
                Ok(())
            }),
            Part::Index(table, oid) => self.remove_index(transaction, table, oid),
        }
    }

    fn remove_index(&mut self, transaction: &mut Transaction, table: Oid, oid: Oid) -> Result<()> {
        let view = self.expect_table(table)?;
        let Some(index) = view.index(oid) else {
            return Ok(());
        };
        self.lock_name(transaction, view.schema, &index.name)?;
        if let Some(keyspace) = index.keyspace {
            self.drop_keyspace(keyspace);
        }
        self.alter_table(table, |table| {
            table.indexes.retain(|each| each.oid != oid);
            Ok(())
        })
    }
}

/// Follows dependencies from the targets on.
///
/// The order is PostgreSQL's: it goes down from each object at once, to the newest dependent first,
/// notes an object when all that uses it is noted, and tells what it has noted from the end.
fn plan(catalog: &Catalog, targets: &[Part], visible: &[Oid]) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut seen: BTreeSet<Part> = BTreeSet::new();
    for target in targets {
        check_target(catalog, *target, targets, visible)?;
        seen.insert(*target);
    }
    for target in targets {
        if plan.parts.contains(target) {
            continue;
        }
        let mut path = vec![(*target, None, below(catalog, *target))];
        while let Some((part, because, dependents)) = path.last_mut() {
            let (part, because) = (*part, *because);
            match dependents.next() {
                Some((dependent, kind)) if seen.insert(dependent) => {
                    let because = (kind == DependencyKind::Normal).then_some(part);
                    path.push((dependent, because, below(catalog, dependent)));
                }
                Some(_) => (),
                None => {
                    plan.parts.push(part);
                    plan.dependents.extend(because.map(|on| (part, on)));
                    path.pop();
                }
            }
        }
    }
    plan.parts.reverse();
    plan.dependents.reverse();
    // What is part of something that goes anyway needs no word.
    plan.dependents.retain(|(part, _)| {
        let whole = Part::Object(part.object());
        let column = match *part {
            Part::Default(table, column) => Part::Column(table, column),
            other => other,
        };
        *part == whole || !(seen.contains(&whole) || *part != column && seen.contains(&column))
    });
    Ok(plan)
}

/// What depends on a part, the newest first.
fn below(catalog: &Catalog, part: Part) -> std::vec::IntoIter<(Part, DependencyKind)> {
    let mut dependents: Vec<(Part, DependencyKind)> = catalog.dependents(part);
    dependents.sort_by_key(|(dependent, _)| {
        Reverse(match *dependent {
            Part::Object(oid) | Part::Column(oid, _) | Part::Default(oid, _) => oid,
            Part::Constraint(_, oid) | Part::Index(_, oid) => oid,
        })
    });
    dependents.into_iter()
}

/// Some things go only with what they are part of.
fn check_target(catalog: &Catalog, target: Part, all: &[Part], visible: &[Oid]) -> Result<()> {
    let required = |by: Part| {
        let (what, by) = (
            catalog.describe(target, visible),
            catalog.describe(by, visible),
        );
        Error::new(
            SqlState::DEPENDENT_OBJECTS,
            format!("cannot drop {what} because {by} requires it"),
        )
        .with_hint(format!("You can drop {by} instead."))
    };
    match target {
        Part::Index(table, index) => {
            let of = catalog.table(table);
            let constraint = of.and_then(|table| table.constraint_of_index(index));
            match constraint {
                Some(each) => Err(required(Part::Constraint(table, each.oid))),
                None => Ok(()),
            }
        }
        Part::Object(oid) => {
            let Some(Object::Sequence(sequence)) = catalog.object(oid) else {
                return Ok(());
            };
            let Some((table, column)) = sequence.owned_by else {
                return Ok(());
            };
            let of = catalog.table(table).and_then(|table| table.column(column));
            let is_identity = of.is_some_and(
                |of| matches!(of.generated, Some(Generated::Identity { sequence, .. }) if sequence == oid),
            );
            let goes_too = all.contains(&Part::Object(table));
            match is_identity && !goes_too {
                true => Err(required(Part::Column(table, column))),
                false => Ok(()),
            }
        }
        Part::Column(..) | Part::Default(..) | Part::Constraint(..) => Ok(()),
    }
}
