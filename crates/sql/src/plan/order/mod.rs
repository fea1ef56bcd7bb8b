//! In which order joins are done, and how.
//!
//! Inner joins that stand together are taken apart into relations and conditions, and put
//! together again at the least cost: of a few relations all orders are looked at (Selinger et al.,
//! "Access Path Selection in a Relational Database Management System", 1979, with bushy trees), of
//! more the cheapest next pair is joined until one is left, and of very many the order is as
//! written. Outer joins, semi-joins and anti-joins stay where they are.
//!
//! A join looks rows up if its right side has a key or index for the conditions: the plan of the
//! right side then has columns of the left in it, and is run once for each row there.

mod graph;

use std::collections::BTreeSet;

use graph::Graph;

use super::access::best_access;
use super::estimate::{Estimator, Figures, dependent_cost, hash_cost, marked_cost, nested_cost};
use super::merge::merge_of;
use super::rules::{is_renaming, replaced};
use super::{Join, JoinKind, JoinMethod, Plan, free_columns, free_columns_of};
use crate::expr::{ColumnId, Expr};

/// What a way costs besides if it was turned off.
const DISABLED: f64 = 1e10;

/// Puts the joins of a plan in order, and those of the subqueries in it.
pub(super) fn order_joins(plan: &mut Plan, figures: &dyn Figures) {
    if plan.has_choices() {
        let estimator = Estimator::new(figures, plan);
        ordered(plan, &estimator);
    }
    plan.for_each_subquery(&mut |plan| order_joins(plan, figures));
}

fn ordered(plan: &mut Plan, estimator: &Estimator<'_>) {
    if let Plan::Join(_) = plan {
        let taken = std::mem::replace(plan, Plan::one_row());
        let Plan::Join(mut join) = taken else {
            return;
        };
        if join.kind != JoinKind::Inner {
            ordered(&mut join.right, estimator);
            let early = early(&join, estimator);
            ordered(&mut join.left, estimator);
            let late = Plan::Join(Box::new(best_outer(*join, estimator)));
            *plan = match early {
                Some(early) if estimator.plan(&early).cost < estimator.plan(&late).cost => early,
                _ => late,
            };
            return;
        }
        let mut relations = Vec::new();
        let mut conditions = Vec::new();
        flatten(Plan::Join(join), &mut relations, &mut conditions);
        for relation in &mut relations {
            ordered(relation, estimator);
        }
        *plan = Graph::new(relations, conditions, estimator).joined();
        return;
    }
    for input in plan.inputs_mut() {
        ordered(input, estimator);
    }
}

fn flatten(plan: Plan, relations: &mut Vec<Plan>, conditions: &mut Vec<Expr>) {
    match plan {
        Plan::Join(join) if join.kind == JoinKind::Inner => {
            flatten(join.left, relations, conditions);
            flatten(join.right, relations, conditions);
            conditions.extend(join.conditions);
        }
        other => relations.push(other),
    }
}

/// A semi-join or anti-join over inner joins, done by the one relation among them that it asks
/// about before that is joined; `None` if there is no such relation.
fn early(join: &Join, estimator: &Estimator<'_>) -> Option<Plan> {
    let is_inner = matches!(&join.left, Plan::Join(left) if left.kind == JoinKind::Inner);
    if !is_inner || !matches!(join.kind, JoinKind::Semi | JoinKind::Anti) {
        return None;
    }
    let (mut relations, mut conditions) = (Vec::new(), Vec::new());
    flatten(join.left.clone(), &mut relations, &mut conditions);
    let mut used = free_columns(&join.right);
    used.extend(join.conditions.iter().flat_map(free_columns_of));
    let is_asked = |relation: &Plan| relation.columns().iter().any(|each| used.contains(each));
    let mut asked = (0..relations.len()).filter(|index| is_asked(&relations[*index]));
    let (Some(asked), None) = (asked.next(), asked.next()) else {
        return None;
    };
    for relation in &mut relations {
        ordered(relation, estimator);
    }
    let left = std::mem::replace(&mut relations[asked], Plan::one_row());
    let join = Join {
        left,
        ..join.clone()
    };
    relations[asked] = Plan::Join(Box::new(best_outer(join, estimator)));
    Some(Graph::new(relations, conditions, estimator).joined())
}

/// The best way to do a join whose order is given.
fn best_outer(mut join: Join, estimator: &Estimator<'_>) -> Join {
    let mine: BTreeSet<ColumnId> = join.left.columns().into_iter().collect();
    let is_dependent = !free_columns(&join.right).is_disjoint(&mine);
    if is_dependent {
        return join;
    }
    let (left, right) = (estimator.plan(&join.left), estimator.plan(&join.right));
    let methods = estimator.methods();
    let has_key = estimator.has_key(&join.conditions);
    let fixed = match has_key {
        true => hash_cost(left, right, left.rows) + penalty(methods.hash),
        false => f64::INFINITY,
    };
    let marks =
        matches!(join.kind, JoinKind::Semi | JoinKind::Anti) && left.rows * 2.0 < right.rows;
    let pairs = estimator.pairs(&join, left, right);
    let marked = match marks && has_key {
        true => marked_cost(left, right, pairs) + penalty(methods.hash),
        false => f64::INFINITY,
    };
    let nested = nested_cost(left, right) + penalty(methods.nested);
    let merge = merge_of(&join.left, &join.right, join.conditions.iter());
    let merge = merge.map(|merge| {
        let cost = merge.cost(left, right, left.rows) + penalty(methods.merge);
        (merge, cost)
    });
    let merged = merge.as_ref().map_or(f64::INFINITY, |(_, cost)| *cost);
    // A full join by nested loops has nothing for it but that it can do everything.
    if join.kind == JoinKind::Full && merged >= fixed {
        return join;
    }
    if join.kind != JoinKind::Right
        && let Some(lookup) = with_lookup(&join.right, &join.conditions)
        && join.kind != JoinKind::Full
        && dependent_cost(left, estimator.plan(&lookup)) + penalty(methods.nested)
            < fixed.min(nested).min(merged).min(marked)
    {
        leave_covered(&mut join.conditions, &lookup);
        join.right = lookup;
        join.method = JoinMethod::Nested;
        return join;
    }
    if let Some((merge, cost)) = merge
        && cost < fixed.min(nested).min(marked)
    {
        merge.apply(&mut join);
        return join;
    }
    if marked < fixed.min(nested) {
        join.method = JoinMethod::Marked;
        return join;
    }
    if nested < fixed {
        join.method = JoinMethod::Nested;
        return join;
    }
    // The smaller side goes into the hash table.
    let flipped = match join.kind {
        JoinKind::Left => JoinKind::Right,
        JoinKind::Right => JoinKind::Left,
        _ => return join,
    };
    if right.rows > left.rows * 2.0 {
        std::mem::swap(&mut join.left, &mut join.right);
        join.kind = flipped;
    }
    join
}

fn penalty(is_on: bool) -> f64 {
    if is_on { 0.0 } else { DISABLED }
}

/// A plan that looks its rows up by what the conditions compare with columns of another relation;
/// `None` if it has no key or index for that.
fn with_lookup(plan: &Plan, conditions: &[Expr]) -> Option<Plan> {
    match plan {
        Plan::Scan(scan) => {
            let before = scan.access.iter().flat_map(|access| &access.covered);
            let before: Vec<Expr> = before.cloned().collect();
            let all: Vec<Expr> = before.iter().chain(conditions).cloned().collect();
            let access = best_access(scan, &all)?;
            let left: Vec<Expr> = before
                .into_iter()
                .filter(|condition| !access.covered.contains(condition))
                .collect();
            is_lookup(&access.equal).then(|| {
                let mut scan = scan.clone();
                scan.access = Some(access);
                Plan::Scan(scan).filtered(left)
            })
        }
        Plan::Filter {
            input,
            conditions: own,
        } => {
            let all: Vec<Expr> = own.iter().chain(conditions).cloned().collect();
            let lookup = with_lookup(input, &all)?;
            let mut own = own.clone();
            leave_covered(&mut own, &lookup);
            Some(lookup.filtered(own))
        }
        Plan::Project { input, items } => {
            let passed = conditions.iter().filter(|each| is_renaming(each, items));
            let passed: Vec<Expr> = passed
                .map(|condition| {
                    let mut condition = condition.clone();
                    condition.rewrite(&mut |expr| replaced(expr, items));
                    condition
                })
                .collect();
            Some(Plan::Project {
                input: Box::new(with_lookup(input, &passed)?),
                items: items.clone(),
            })
        }
        _ => None,
    }
}

/// Leaves out the conditions that a lookup sees to.
fn leave_covered(conditions: &mut Vec<Expr>, lookup: &Plan) {
    match lookup {
        Plan::Scan(scan) => {
            let covered = scan.access.iter().flat_map(|access| &access.covered);
            let covered: Vec<&Expr> = covered.collect();
            conditions.retain(|condition| !covered.contains(&condition));
        }
        Plan::Filter { input, .. } => leave_covered(conditions, input),
        // Behind a projection the columns have other names.
        _ => (),
    }
}

/// Whether rows of another relation say what is looked up.
fn is_lookup(equal: &[Expr]) -> bool {
    equal.iter().any(|value| !free_columns_of(value).is_empty())
}
