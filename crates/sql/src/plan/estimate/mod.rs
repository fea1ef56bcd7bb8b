//! How many rows a plan gives, and what it costs.
//!
//! Estimates, by what ANALYZE found: the most common values and a histogram of the others for each
//! column. Conditions count as independent of each other; where nothing is known the shares are
//! PostgreSQL's (`src/include/utils/selfuncs.h`). A unit of cost is what 100 rows of a scan cost.

mod costs;
mod facts;
mod keys;
mod startup;

use std::collections::HashMap;
use std::sync::Arc;

use rustdb_catalog::{IndexKey, RowKeyColumns, TableStatistics};
use rustdb_table::Table;
use rustdb_types::Value;

use super::{
    Access, Aggregate, Given, Join, JoinKind, JoinMethod, Plan, Scan, SetKind, SetOperation,
    free_columns,
};
use crate::expr::{ColumnId, Expr};
use costs::{
    BUILD, DOUBLING, EXPRESSION, INDEXED_ROW, LOOKUP, MANY_ROWS, PROBE, SCAN_ROW, SMALL_ROWS,
    START, scan_cost,
};
pub(super) use costs::{dependent_cost, hash_cost, marked_cost, merge_cost, nested_cost, sorted};
use facts::{EQUAL, Facts, LESS, equal_to};

pub(super) use keys::CompositeKey;

/// What the planner asks of the database.
pub(crate) trait Figures {
    /// How many rows a table has now.
    fn rows(&self, table: &Table) -> u64;

    /// Of how many of them columns are kept in memory.
    fn kept_rows(&self, table: &Table) -> u64;

    /// What is known about a table's values.
    fn statistics(&self, table: &Arc<Table>) -> Option<Arc<TableStatistics>>;

    /// Which ways to join may be chosen.
    fn methods(&self) -> Methods;
}

/// Ways to join that may be chosen; one that is off is still taken where there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Hash joins.
    pub hash: bool,
    /// Nested loops, those that look rows up among them.
    pub nested: bool,
    /// Merges of sorted inputs.
    pub merge: bool,
}

impl Methods {
    /// Those that both allow.
    #[must_use]
    pub fn and(self, other: Methods) -> Methods {
        Methods {
            hash: self.hash && other.hash,
            nested: self.nested && other.nested,
            merge: self.merge && other.merge,
        }
    }
}

impl Default for Methods {
    fn default() -> Methods {
        Methods {
            hash: true,
            nested: true,
            merge: true,
        }
    }
}

/// Rows and cost of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Estimate {
    /// How many rows it gives.
    pub(crate) rows: f64,
    /// What it costs to have them all.
    pub(crate) cost: f64,
}

/// How many rows a relation of the system is thought to have.
const SYSTEM_ROWS: f64 = 500.0;
/// Rows of a named query, whose readers do not look into it.
const NAMED_ROWS: f64 = 1000.0;

/// How many elements an array is taken to have if it is not known.
const LISTED: f64 = 10.0;

/// Different values of a column that nobody has analyzed.
const DISTINCT: f64 = 200.0;

/// Estimates for the plans of a statement.
pub(crate) struct Estimator<'a> {
    figures: &'a dyn Figures,
    columns: HashMap<ColumnId, Facts>,
}

impl<'a> Estimator<'a> {
    /// An estimator that knows the columns of a plan.
    pub(crate) fn new(figures: &'a dyn Figures, plan: &Plan) -> Estimator<'a> {
        let mut estimator = Estimator {
            figures,
            columns: HashMap::new(),
        };
        estimator.learn(plan);
        estimator
    }

    /// How many rows the table of a scan has.
    pub(crate) fn table_rows(&self, scan: &Scan) -> f64 {
        self.figures.rows(&scan.table) as f64
    }

    /// Of how many rows of a table columns are kept, if that matters.
    fn kept_rows(&self, scan: &Scan, rows: f64) -> f64 {
        match rows > MANY_ROWS {
            true => self.figures.kept_rows(&scan.table) as f64,
            false => 0.0,
        }
    }

    pub(crate) fn methods(&self) -> Methods {
        self.figures.methods()
    }

    fn learn(&mut self, plan: &Plan) {
        for input in plan.inputs() {
            self.learn(input);
        }
        plan.for_each_expression(&mut |expr| {
            expr.walk(&mut |part| {
                if let Expr::Subquery(subquery) = part {
                    self.learn(&subquery.plan);
                }
            });
        });
        match plan {
            Plan::Scan(scan) => self.learn_scan(scan),
            Plan::Project { items, .. } => {
                for (id, item) in items {
                    if let Expr::Column(of) = item
                        && let Some(facts) = self.columns.get(of)
                    {
                        let facts = Facts {
                            of: facts.of.clone(),
                            statistics: facts.statistics.clone(),
                            ..*facts
                        };
                        self.columns.insert(*id, facts);
                    }
                }
            }
            _ => (),
        }
    }

    fn learn_scan(&mut self, scan: &Scan) {
        for (id, place) in &scan.columns {
            if let Some(facts) = self.facts_at(scan, *place) {
                self.columns.insert(*id, facts);
            }
        }
    }

    /// What is known about the column at a place of a scan's table.
    fn facts_at(&self, scan: &Scan, place: usize) -> Option<Facts> {
        let rows = self.figures.rows(&scan.table) as f64;
        let statistics = self.figures.statistics(&scan.table);
        let column = scan.table.definition().columns.get(place)?;
        let known = statistics.as_ref().and_then(|all| all.column(column.id));
        let distinct = match known {
            _ if is_unique(scan, column.id) => rows,
            Some(known) if known.distinct < 0.0 => -known.distinct * rows,
            Some(known) => known.distinct,
            None => DISTINCT.min(rows),
        };
        let statistics = statistics.clone().filter(|_| known.is_some());
        Some(Facts {
            distinct: distinct.max(1.0),
            of: column.column_type.without_domains().clone(),
            statistics: statistics.map(|all| (all, column.id)),
        })
    }

    /// What it costs to decide conditions for a row, or to compute expressions. A subquery that
    /// depends on the row is run for it.
    fn work<'e>(&self, expressions: impl IntoIterator<Item = &'e Expr>) -> f64 {
        let mut cost = 0.0;
        for expr in expressions {
            cost += EXPRESSION;
            expr.walk(&mut |part| {
                if let Expr::Subquery(subquery) = part
                    && !free_columns(&subquery.plan).is_empty()
                {
                    cost += self.plan(&subquery.plan).cost;
                }
            });
        }
        cost
    }

    // ------------------------------------------------------------------------------- plans

    /// Rows and cost of a plan.
    pub(crate) fn plan(&self, plan: &Plan) -> Estimate {
        match plan {
            Plan::Scan(scan) => self.scan(scan, &[]),
            Plan::System(_) => Estimate {
                rows: SYSTEM_ROWS,
                cost: SYSTEM_ROWS * EXPRESSION,
            },
            Plan::Values { rows, .. } => Estimate {
                rows: rows.len() as f64,
                cost: rows.len() as f64 * EXPRESSION,
            },
            Plan::Filter { input, conditions } => match &**input {
                Plan::Scan(scan) => self.scan(scan, conditions),
                _ => self.filtered(self.plan(input), conditions),
            },
            Plan::Project { input, items } => {
                let input = self.plan(input);
                Estimate {
                    cost: input.cost + input.rows * self.work(items.iter().map(|(_, item)| item)),
                    ..input
                }
            }
            Plan::Join(join) => self.join(join),
            Plan::Aggregate(aggregate) => self.aggregate(aggregate),
            Plan::Function(rows) => {
                let input = self.plan(&rows.input);
                Estimate {
                    rows: input.rows * 100.0,
                    cost: input.cost + input.rows,
                }
            }
            Plan::Sort { input, .. } => sorted(self.plan(input)),
            Plan::Limit {
                input,
                count,
                offset,
                ..
            } => self.limited(input, count.as_ref(), offset.as_ref()),
            Plan::Distinct { input, on, .. } => {
                let input = self.plan(input);
                let distinct = on.iter().map(|id| self.distinct(&Expr::Column(*id)));
                let distinct: f64 = distinct.map(|one| one.unwrap_or(DISTINCT)).product();
                Estimate {
                    rows: distinct.min(input.rows).max(1.0),
                    cost: input.cost + input.rows * PROBE,
                }
            }
            Plan::SetOperation(operation) => self.set_operation(operation),
            Plan::With(_)
            | Plan::Named(_)
            | Plan::Recursive(_)
            | Plan::Window(_)
            | Plan::Modify(_) => self.special(plan),
            Plan::Lock(lock) => self.plan(&lock.input),
        }
    }

    /// What rarely stands in a plan.
    fn special(&self, plan: &Plan) -> Estimate {
        match plan {
            Plan::With(with) => {
                let tables = with.tables.iter().map(|table| self.plan(&table.plan).cost);
                let tables: f64 = tables.sum();
                let body = self.plan(&with.body);
                Estimate {
                    cost: tables + body.cost,
                    ..body
                }
            }
            // Nobody knows at the reader what the query gives.
            Plan::Named(_) => Estimate {
                rows: NAMED_ROWS,
                cost: NAMED_ROWS * EXPRESSION,
            },
            Plan::Recursive(recursive) => {
                let (base, step) = (self.plan(&recursive.base.0), self.plan(&recursive.step.0));
                Estimate {
                    rows: base.rows + step.rows * 10.0,
                    cost: base.cost + step.cost * 10.0,
                }
            }
            Plan::Window(window) => {
                let input = self.plan(&window.input);
                let compared = input.rows * (input.rows + 2.0).log2();
                let computed = input.rows * (1 + window.calls.len()) as f64;
                Estimate {
                    cost: input.cost + (compared + computed) * EXPRESSION,
                    ..input
                }
            }
            other => {
                let inputs = other.inputs();
                inputs
                    .first()
                    .map_or(Estimate::default(), |input| self.plan(input))
            }
        }
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Estimate {
        let input = self.plan(&aggregate.input);
        let groups = aggregate.groups.iter();
        let groups = groups.map(|group| self.distinct(&group.expr).unwrap_or(DISTINCT));
        let groups: f64 = groups.product();
        let items = (aggregate.groups.len() + aggregate.calls.len()) as f64;
        Estimate {
            rows: groups.min(input.rows).max(1.0) * aggregate.sets.len().max(1) as f64,
            cost: input.cost + input.rows * (PROBE + items * EXPRESSION),
        }
    }

    fn set_operation(&self, operation: &SetOperation) -> Estimate {
        let (left, right) = (self.plan(&operation.left.0), self.plan(&operation.right.0));
        let work = match (operation.kind, operation.all) {
            (SetKind::Union, true) => 0.0,
            _ => (left.rows + right.rows) * BUILD,
        };
        Estimate {
            rows: match operation.kind {
                SetKind::Union => left.rows + right.rows,
                SetKind::Intersect => left.rows.min(right.rows),
                SetKind::Except => left.rows,
            },
            cost: left.cost + right.cost + work,
        }
    }

    /// A scan whose rows are filtered.
    pub(crate) fn scan(&self, scan: &Scan, conditions: &[Expr]) -> Estimate {
        let all = self.figures.rows(&scan.table) as f64;
        let mut share = self.selectivity(conditions);
        if let Some(access) = &scan.access {
            let own = access.covered.iter();
            let own: Vec<Expr> = own
                .filter(|each| !is_handed_in(each, scan))
                .cloned()
                .collect();
            share *= self.selectivity(&own);
        }
        let Some(access) = &scan.access else {
            return Estimate {
                rows: all * share,
                cost: START + scan_cost(all, self.kept_rows(scan, all), self.work(conditions)),
            };
        };
        // What the access says is among the conditions, except for what a join hands in.
        let definition = scan.table.definition();
        let places = scan.access_columns();
        let (mut found, mut handed_in, others) = (1.0, 0, share);
        for (id, value) in places.iter().zip(&access.equal) {
            // The scan may not give the column itself.
            let place = (*id as usize).checked_sub(1);
            let one = match place.and_then(|place| self.facts_at(scan, place)) {
                Some(facts) => {
                    let value = Some(value).filter(|value| matches!(value, Expr::Constant(_)));
                    equal_to(&facts, value)
                }
                None => EQUAL,
            };
            if !super::free_columns_of(value).is_empty() {
                handed_in += 1;
                share *= one;
            }
            found *= one;
        }
        let (behind, lookups) = self.behind_equal(scan, access, &places);
        found *= behind;
        if access.lower.is_some() && access.upper.is_some() {
            found *= LESS * LESS;
        } else if access.lower.is_some() || access.upper.is_some() {
            found *= LESS;
        }
        let is_key = match access.index {
            None => access.equal.len() == places.len(),
            Some(oid) => definition.indexes.iter().any(|index| {
                index.oid == oid && index.unique && access.equal.len() == places.len()
            }),
        };
        let found = if is_key {
            1.0_f64.min(all)
        } else {
            (all * found).max(all * share)
        };
        let size = (all / SMALL_ROWS).max(1.0).log2() * DOUBLING;
        let each = match access.index {
            None => SCAN_ROW,
            Some(_) => INDEXED_ROW + size,
        };
        let rows = match is_key && handed_in == places.len() {
            // The parts of a key are not independent of each other.
            true => found * others,
            false => (all * share).min(found),
        };
        Estimate {
            rows,
            cost: START + lookups * (LOOKUP + size) + found * (each + self.work(conditions)),
        }
    }

    /// Which share of the rows has what is known of the columns behind the equal ones, and how many
    /// places are looked at.
    fn behind_equal(&self, scan: &Scan, access: &Access, places: &[u32]) -> (f64, f64) {
        let (mut found, mut lookups) = (1.0, 1.0);
        let behind = places.iter().skip(access.equal.len());
        for (id, given) in behind.zip(access.behind_equal()) {
            let place = (*id as usize).checked_sub(1);
            let facts = place.and_then(|place| self.facts_at(scan, place));
            let one = facts.map_or(EQUAL, |facts| equal_to(&facts, None));
            let count = match given {
                Given::Equal(_) => 1.0,
                Given::Any(array) => elements(&array),
            };
            found *= (one * count).min(1.0);
            lookups *= count;
        }
        (found, lookups)
    }

    fn filtered(&self, input: Estimate, conditions: &[Expr]) -> Estimate {
        Estimate {
            rows: input.rows * self.selectivity(conditions),
            cost: input.cost + input.rows * self.work(conditions),
        }
    }

    fn join(&self, join: &Join) -> Estimate {
        let (left, right) = (self.plan(&join.left), self.plan(&join.right));
        let mine = join.left.columns();
        let is_dependent = free_columns(&join.right)
            .iter()
            .any(|column| mine.contains(column));
        let pairs = match is_dependent {
            // What the right side is looked up by is in its own estimate.
            true => left.rows * right.rows,
            false => self.pairs(join, left, right),
        };
        let cost = match (is_dependent, join.method) {
            (true, _) => dependent_cost(left, right),
            (false, JoinMethod::Marked) => marked_cost(left, right, pairs),
            (false, JoinMethod::Hash) if self.has_key(&join.conditions) => {
                hash_cost(left, right, pairs)
            }
            (false, JoinMethod::Merge) => {
                merge_cost([left.cost, right.cost], left.rows + right.rows, pairs)
            }
            (false, _) => nested_cost(left, right),
        };
        let rows = match join.kind {
            JoinKind::Inner => pairs,
            JoinKind::Left => pairs.max(left.rows),
            JoinKind::Right => pairs.max(right.rows),
            JoinKind::Full => pairs.max(left.rows).max(right.rows),
            JoinKind::Semi => pairs.min(left.rows),
            JoinKind::Anti => (left.rows - pairs).max(left.rows * 0.1),
        };
        Estimate { rows, cost }
    }

    /// How many pairs of rows of both sides the conditions hold for.
    pub(crate) fn pairs(&self, join: &Join, left: Estimate, right: Estimate) -> f64 {
        left.rows * right.rows * self.share_of_join(join)
    }

    fn share_of_join(&self, join: &Join) -> f64 {
        let sides = [&join.left, &join.right];
        let columns = sides.map(|side| side.columns().into_iter().collect());
        let (either, plain): (Vec<_>, Vec<_>) = join
            .conditions
            .iter()
            .cloned()
            .partition(|condition| matches!(condition, Expr::Or(_)));
        let share = either.iter().fold(self.selectivity(&plain), |share, or| {
            share * self.share_of_rest(or, &columns)
        });
        let keys = sides.map(|side| self.composite_keys(side)).concat();
        if keys.is_empty() || join.conditions.len() < 2 {
            return share;
        }
        let each = join.conditions.iter();
        let each = each.map(|each| (each, self.selectivity(std::slice::from_ref(each))));
        let keys: Vec<&CompositeKey> = keys.iter().collect();
        share.max(self.joined_share(each, &keys))
    }

    /// Whether some condition is an equality, which hash joins need.
    pub(crate) fn has_key(&self, conditions: &[Expr]) -> bool {
        conditions
            .iter()
            .any(|condition| matches!(condition, Expr::Operator(call) if call.operator.name == "="))
    }
}

/// Whether a condition speaks of columns that are not the scan's.
fn is_handed_in(condition: &Expr, scan: &Scan) -> bool {
    let used = super::free_columns_of(condition);
    let mut used = used.iter();
    used.any(|column| !scan.columns.iter().any(|(id, _)| id == column))
}

fn is_unique(scan: &Scan, column: u32) -> bool {
    let definition = scan.table.definition();
    let is_alone = |ids: &[u32]| ids == [column];
    if let RowKeyColumns::Columns(ids) = &definition.row_key
        && is_alone(ids)
    {
        return true;
    }
    definition.indexes.iter().any(|index| {
        index.unique
            && index.predicate.is_none()
            && matches!(&index.columns[..], [only] if matches!(only.key, IndexKey::Column(id) if id == column))
    })
}

/// How many elements an array has, if it is known, or about as many as lists have.
pub(super) fn elements(array: &Expr) -> f64 {
    match array {
        Expr::Constant(Value::Array(array)) => array.values().len() as f64,
        Expr::Array(items, false) => items.len() as f64,
        _ => LISTED,
    }
}
