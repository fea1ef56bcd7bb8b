//! Relations and the conditions between them, joined at the least cost.
//!
//! Sets of relations are bits of a number, and their numbers of rows are worked out once for each
//! set, so that they do not depend on the order of joins that leads to it.

use std::collections::{BTreeSet, HashMap};

use super::super::estimate::{
    CompositeKey, Estimate, Estimator, dependent_cost, hash_cost, nested_cost,
};
use super::super::merge::merge_of;
use super::super::{Join, JoinKind, JoinMethod, Plan, free_columns, free_columns_of};
use super::{leave_covered, penalty, with_lookup};
use crate::expr::{ColumnId, Expr};

/// Of so many relations all orders are looked at.
const EXHAUSTIVE_MAX: usize = 7;

/// More relations than this are joined as they are written.
const ORDERED_MAX: usize = 64;

/// A set of relations.
type Set = u64;

/// Relations to be joined, and the conditions between them.
pub(super) struct Graph<'e, 'f> {
    estimator: &'e Estimator<'f>,
    relations: Vec<Relation>,
    conditions: Vec<Condition>,
    /// Keys of several columns, and whose they are.
    keys: Vec<(Set, CompositeKey)>,
    /// Of sets of relations, once they were asked for.
    rows: HashMap<Set, f64>,
}

struct Relation {
    plan: Plan,
    estimate: Estimate,
    /// Relations whose columns it takes: it comes after them.
    requires: Set,
}

struct Condition {
    expr: Expr,
    of: Set,
    share: f64,
    is_equal: bool,
}

/// How a set of relations is joined.
#[derive(Clone, Copy, Debug)]
struct Way {
    cost: f64,
    left: Set,
    right: Set,
    /// Whether the right side is looked up.
    is_lookup: bool,
    method: JoinMethod,
}

impl<'e, 'f> Graph<'e, 'f> {
    pub(super) fn new(
        plans: Vec<Plan>,
        conditions: Vec<Expr>,
        estimator: &'e Estimator<'f>,
    ) -> Graph<'e, 'f> {
        let mut owner: HashMap<ColumnId, usize> = HashMap::new();
        for (index, plan) in plans.iter().enumerate() {
            owner.extend(plan.columns().into_iter().map(|column| (column, index)));
        }
        let set_of = |columns: BTreeSet<ColumnId>| -> Set {
            let owners = columns.iter().filter_map(|column| owner.get(column));
            owners.fold(0, |set, index| set | bit(*index))
        };
        let columns = plans
            .iter()
            .map(|plan| plan.columns().into_iter().collect());
        let columns: Vec<BTreeSet<ColumnId>> = columns.collect();
        let conditions = conditions.into_iter().map(|expr| Condition {
            of: set_of(free_columns_of(&expr)),
            share: estimator.share_of_rest(&expr, &columns),
            is_equal: matches!(&expr, Expr::Operator(call) if call.operator.name == "="),
            expr,
        });
        let keys = plans.iter().enumerate().flat_map(|(index, plan)| {
            let keys = estimator.composite_keys(plan).into_iter();
            keys.map(move |key| (bit(index), key))
        });
        Graph {
            keys: keys.collect(),
            conditions: conditions.collect(),
            relations: plans
                .into_iter()
                .map(|plan| Relation {
                    estimate: estimator.plan(&plan),
                    requires: set_of(free_columns(&plan)),
                    plan,
                })
                .collect(),
            estimator,
            rows: HashMap::new(),
        }
    }

    /// The relations, joined.
    pub(super) fn joined(mut self) -> Plan {
        let count = self.relations.len();
        let ways = if count <= EXHAUSTIVE_MAX {
            self.exhaustive()
        } else if count <= ORDERED_MAX {
            self.greedy()
        } else {
            return self.unordered();
        };
        match ways {
            Some(ways) => {
                let all = self.all();
                let mut plan = self.build(all, &ways);
                let left_over = self
                    .conditions
                    .iter()
                    .filter(|each| each.of.count_ones() < 2);
                let left_over: Vec<Expr> = left_over.map(|each| each.expr.clone()).collect();
                plan = plan.filtered(left_over);
                plan
            }
            None => self.unordered(),
        }
    }

    fn all(&self) -> Set {
        (0..self.relations.len()).fold(0, |set, index| set | bit(index))
    }

    fn rows(&mut self, set: Set) -> f64 {
        if let Some(rows) = self.rows.get(&set) {
            return *rows;
        }
        let relations = self.relations.iter().enumerate();
        let relations = relations.filter(|(index, _)| set & bit(*index) != 0);
        let rows: f64 = relations.map(|(_, each)| each.estimate.rows).product();
        let conditions = self.conditions.iter().filter(|each| each.of & !set == 0);
        let conditions = conditions.map(|each| (&each.expr, each.share));
        let keys = self.keys.iter().filter(|(of, _)| set & of != 0);
        let keys: Vec<&CompositeKey> = keys.map(|(_, key)| key).collect();
        let rows = rows * self.estimator.joined_share(conditions, &keys);
        self.rows.insert(set, rows);
        rows
    }

    /// The cheapest way to join two sets of which the costs are known.
    fn way(
        &mut self,
        (left, left_cost): (Set, f64),
        (right, right_cost): (Set, f64),
    ) -> Option<Way> {
        let methods = self.estimator.methods();
        // The left side stands by itself; what the right side takes, the left has to have.
        if self.requires(left) & right != 0 {
            return None;
        }
        let mine = Estimate {
            rows: self.rows(left),
            cost: left_cost,
        };
        let theirs = Estimate {
            rows: self.rows(right),
            cost: right_cost,
        };
        let way = |cost, is_lookup, method| Way {
            cost,
            left,
            right,
            is_lookup,
            method,
        };
        let needed = self.requires(right);
        if needed != 0 {
            return (needed & !left == 0)
                .then(|| way(dependent_cost(mine, theirs), false, JoinMethod::Nested));
        }
        let rows = self.rows(left | right);
        let between = |each: &&Condition| {
            each.of & !(left | right) == 0 && each.of & left != 0 && each.of & right != 0
        };
        let nested = nested_cost(mine, theirs) + penalty(methods.nested);
        let mut best = way(nested, false, JoinMethod::Nested);
        if self
            .conditions
            .iter()
            .filter(between)
            .any(|each| each.is_equal)
        {
            let cost = hash_cost(mine, theirs, rows) + penalty(methods.hash);
            if cost < best.cost || !methods.nested {
                best = way(cost, false, JoinMethod::Hash);
            }
        }
        if let Some(cost) = self.merge_cost((left, mine), (right, theirs), rows)
            && cost + penalty(methods.merge) < best.cost
        {
            best = way(cost + penalty(methods.merge), false, JoinMethod::Merge);
        }
        if right.count_ones() == 1 {
            let relation = &self.relations[right.trailing_zeros() as usize];
            let conditions = self.conditions.iter().filter(between);
            let conditions: Vec<Expr> = conditions.map(|each| each.expr.clone()).collect();
            if let Some(plan) = with_lookup(&relation.plan, &conditions) {
                let each = self.estimator.plan(&plan);
                let cost = dependent_cost(mine, each) + penalty(methods.nested);
                if cost < best.cost {
                    best = way(cost, true, JoinMethod::Nested);
                }
            }
        }
        Some(best)
    }

    /// What it costs to merge two sets. Of single relations it is known how they are sorted.
    fn merge_cost(
        &self,
        (left, mine): (Set, Estimate),
        (right, theirs): (Set, Estimate),
        rows: f64,
    ) -> Option<f64> {
        let between = self.conditions.iter().filter(|each| {
            each.of & !(left | right) == 0 && each.of & left != 0 && each.of & right != 0
        });
        let between = between.map(|each| &each.expr);
        let plan = |set: Set| &self.relations[set.trailing_zeros() as usize].plan;
        let merge = match left.count_ones() == 1 && right.count_ones() == 1 {
            true => merge_of(plan(left), plan(right), between)?,
            // Where nothing is sorted, a hash table is always better.
            false if self.estimator.methods().hash => return None,
            false => merge_of(&self.stand_in(left), &self.stand_in(right), between)?,
        };
        Some(merge.cost(mine, theirs, rows))
    }

    /// A plan with the columns of a set.
    fn stand_in(&self, set: Set) -> Plan {
        Plan::Values {
            columns: self.columns(set),
            rows: Vec::new(),
        }
    }

    fn columns(&self, set: Set) -> Vec<ColumnId> {
        let relations = self.relations.iter().enumerate();
        let inside = relations.filter(|(index, _)| set & bit(*index) != 0);
        inside.flat_map(|(_, each)| each.plan.columns()).collect()
    }

    /// What the relations of a set take from outside of it.
    fn requires(&self, set: Set) -> Set {
        let relations = self.relations.iter().enumerate();
        let inside = relations.filter(|(index, _)| set & bit(*index) != 0);
        inside.fold(0, |all, (_, each)| all | each.requires) & !set
    }

    /// Looks at all orders; those that pair relations without a condition only where there is no
    /// other.
    fn exhaustive(&mut self) -> Option<HashMap<Set, Way>> {
        let all = self.all();
        let mut costs: HashMap<Set, f64> = HashMap::new();
        let mut ways = HashMap::new();
        for (index, relation) in self.relations.iter().enumerate() {
            costs.insert(bit(index), relation.estimate.cost);
        }
        for set in 1..=all {
            if set.count_ones() < 2 {
                continue;
            }
            let mut best: Option<(bool, Way)> = None;
            let mut left = (set - 1) & set;
            while left != 0 {
                let right = set & !left;
                if let (Some(mine), Some(theirs)) = (costs.get(&left), costs.get(&right)) {
                    let (mine, theirs) = ((left, *mine), (right, *theirs));
                    let is_crossed = !self.is_connected(left, right);
                    if let Some(way) = self.way(mine, theirs) {
                        let is_better = best.is_none_or(|(crossed, known)| {
                            (is_crossed, way.cost) < (crossed, known.cost)
                        });
                        if is_better {
                            best = Some((is_crossed, way));
                        }
                    }
                }
                left = (left - 1) & set;
            }
            if let Some((_, way)) = best {
                costs.insert(set, way.cost);
                ways.insert(set, way);
            }
        }
        ways.contains_key(&all).then_some(ways)
    }

    /// Joins the cheapest pair until one is left.
    fn greedy(&mut self) -> Option<HashMap<Set, Way>> {
        let mut ways = HashMap::new();
        let relations = self.relations.iter().enumerate();
        let mut parts: Vec<(Set, f64)> = relations
            .map(|(index, each)| (bit(index), each.estimate.cost))
            .collect();
        while parts.len() > 1 {
            let mut best: Option<((bool, f64), Way)> = None;
            for left in 0..parts.len() {
                for right in 0..parts.len() {
                    if left == right {
                        continue;
                    }
                    let is_crossed = !self.is_connected(parts[left].0, parts[right].0);
                    if is_crossed && best.is_some_and(|((crossed, _), _)| !crossed) {
                        continue;
                    }
                    let Some(way) = self.way(parts[left], parts[right]) else {
                        continue;
                    };
                    let added = way.cost - parts[left].1 - parts[right].1;
                    let score = (is_crossed, added + self.rows(way.left | way.right) * 0.01);
                    if best.is_none_or(|(known, _)| score < known) {
                        best = Some((score, way));
                    }
                }
            }
            let (_, way) = best?;
            let set = way.left | way.right;
            parts.retain(|(part, _)| part & set == 0);
            parts.push((set, way.cost));
            ways.insert(set, way);
        }
        Some(ways)
    }

    fn is_connected(&self, left: Set, right: Set) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|each| each.of & left != 0 && each.of & right != 0)
            || self.requires(right) & left != 0
    }

    fn build(&mut self, set: Set, ways: &HashMap<Set, Way>) -> Plan {
        let Some(way) = ways.get(&set) else {
            let relation = &mut self.relations[set.trailing_zeros() as usize];
            return std::mem::replace(&mut relation.plan, Plan::one_row());
        };
        let here = self.conditions.iter().filter(|each| {
            each.of.count_ones() >= 2
                && each.of & !set == 0
                && each.of & !way.left != 0
                && each.of & !way.right != 0
        });
        let mut conditions: Vec<Expr> = here.map(|each| each.expr.clone()).collect();
        let left = self.build(way.left, ways);
        let mut right = self.build(way.right, ways);
        if way.is_lookup
            && let Some(lookup) = with_lookup(&right, &conditions)
        {
            leave_covered(&mut conditions, &lookup);
            right = lookup;
        }
        let mut join = Join {
            kind: JoinKind::Inner,
            method: way.method,
            keeps_order: false,
            merged: Vec::new(),
            left,
            right,
            conditions,
        };
        if way.method == JoinMethod::Merge {
            match merge_of(&join.left, &join.right, join.conditions.iter()) {
                Some(merge) => merge.apply(&mut join),
                None => join.method = JoinMethod::default(),
            }
        }
        Plan::Join(Box::new(join))
    }

    /// One after the other, as they stand; each with the conditions that can be decided there.
    fn unordered(self) -> Plan {
        let mut conditions: Vec<Expr> = self.conditions.into_iter().map(|each| each.expr).collect();
        let mut relations = self.relations.into_iter().map(|each| each.plan);
        let mut known: BTreeSet<ColumnId> = BTreeSet::new();
        let Some(mut plan) = relations.next() else {
            return Plan::one_row();
        };
        let mut all: BTreeSet<ColumnId> = plan.columns().into_iter().collect();
        let relations: Vec<Plan> = relations.collect();
        for relation in &relations {
            all.extend(relation.columns());
        }
        known.extend(plan.columns());
        for right in relations {
            known.extend(right.columns());
            let (here, later) = conditions.into_iter().partition(|condition| {
                let used = free_columns_of(condition);
                used.iter()
                    .all(|column| known.contains(column) || !all.contains(column))
            });
            conditions = later;
            plan = Plan::Join(Box::new(Join {
                kind: JoinKind::Inner,
                method: JoinMethod::default(),
                keeps_order: false,
                merged: Vec::new(),
                left: plan,
                right,
                conditions: here,
            }));
        }
        plan.filtered(conditions)
    }
}

fn bit(index: usize) -> Set {
    1u64.checked_shl(index as u32).unwrap_or(0)
}
