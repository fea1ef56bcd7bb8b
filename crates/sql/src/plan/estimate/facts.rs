//! What is known about columns, and the share of rows for which a condition holds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rustdb_catalog::{ColumnStatistics, TableStatistics};
use rustdb_types::{Type, Value, like};

use super::super::factor::one_sided;
use super::{Estimator, elements};
use crate::expr::{ColumnId, Expr, OperatorCall};

/// What is assumed of `a = b` if nothing is known of either.
pub(super) const EQUAL: f64 = 0.005;
/// What is assumed of `a < b`.
pub(super) const LESS: f64 = 1.0 / 3.0;
/// What is assumed of a pair of bounds.
const BETWEEN: f64 = 0.005;
/// What is assumed of `LIKE` and its like.
const MATCH: f64 = 0.01;
/// How many parts a histogram must have for a pattern to be tried on their bounds.
const SAMPLES_MIN: usize = 20;
/// What is assumed of other conditions.
const OTHER: f64 = 0.5;

/// What is known about a column.
pub(super) struct Facts {
    pub(super) distinct: f64,
    pub(super) of: Type,
    pub(super) statistics: Option<(Arc<TableStatistics>, u32)>,
}

impl Estimator<'_> {
    /// The share of rows for which all conditions hold.
    pub(crate) fn selectivity(&self, conditions: &[Expr]) -> f64 {
        let mut share = 1.0;
        // Bounds of one column belong together.
        let mut bounds: HashMap<ColumnId, (Option<f64>, Option<f64>)> = HashMap::new();
        for condition in conditions {
            match self.bound(condition) {
                Some((column, is_lower, part)) => {
                    let pair = bounds.entry(column).or_default();
                    let end = if is_lower { &mut pair.0 } else { &mut pair.1 };
                    *end = Some(end.map_or(part, |other: f64| other.min(part)));
                }
                None => share *= self.condition(condition),
            }
        }
        for (lower, upper) in bounds.into_values() {
            share *= match (lower, upper) {
                (Some(lower), Some(upper)) => match lower + upper - 1.0 {
                    both if both > 0.0 && (lower, upper) != (LESS, LESS) => both,
                    _ => BETWEEN,
                },
                (one, other) => one.or(other).unwrap_or(1.0),
            };
        }
        share.clamp(1e-9, 1.0)
    }

    fn condition(&self, condition: &Expr) -> f64 {
        match condition {
            Expr::Constant(Value::Bool(true)) => 1.0,
            Expr::Constant(_) => 0.0,
            Expr::And(items) => self.selectivity(items),
            Expr::Or(items) => {
                let none = items
                    .iter()
                    .map(|item| 1.0 - self.selectivity(std::slice::from_ref(item)));
                1.0 - none.product::<f64>()
            }
            Expr::Not(inner) => 1.0 - self.condition(inner),
            Expr::IsNull(inner) => match self.facts(inner).and_then(Facts::known) {
                Some(known) => known.null_fraction,
                None => EQUAL,
            },
            Expr::AnyAll(any) if !any.all && any.operator.name == "=" => {
                (self.equal(&any.left, None) * elements(&any.array)).min(1.0)
            }
            Expr::AnyAll(_) => OTHER,
            Expr::Operator(call) => self.operator(call),
            _ => OTHER,
        }
    }

    fn operator(&self, call: &OperatorCall) -> f64 {
        let Some(left) = &call.left else {
            return OTHER;
        };
        match call.operator.name {
            "=" => self.equal(left, Some(&call.right)),
            "<>" => 1.0 - self.equal(left, Some(&call.right)),
            "<" | "<=" | ">" | ">=" => LESS,
            "~~" => self.like(left, &call.right).unwrap_or(MATCH),
            "!~~" => 1.0 - self.like(left, &call.right).unwrap_or(MATCH),
            "~~*" | "~" | "~*" | "@>" | "<@" | "&&" => MATCH,
            "!~~*" | "!~" | "!~*" => 1.0 - MATCH,
            _ => OTHER,
        }
    }

    /// The share of rows whose text fits a pattern: that of the common values that do, and for the
    /// others that of the bounds of the histogram, which are a sample of them.
    fn like(&self, text: &Expr, pattern: &Expr) -> Option<f64> {
        let Expr::Constant(Value::Text(pattern)) = pattern else {
            return None;
        };
        let known = self.facts(text)?.known()?;
        let fits = |value: &Value| match value {
            Value::Text(text) => like(text, pattern).ok(),
            _ => None,
        };
        let (mut share, mut taken) = (0.0, known.null_fraction);
        for (value, part) in &known.most_common {
            taken += part;
            if fits(value)? {
                share += part;
            }
        }
        let rest = (1.0 - taken).max(0.0);
        if rest > 0.01 {
            if known.histogram.len() < SAMPLES_MIN {
                return None;
            }
            let mut found = 0;
            for value in &known.histogram {
                found += usize::from(fits(value)?);
            }
            // None of a hundred may still be one of a thousand.
            let least = 0.1 / known.histogram.len() as f64;
            share += rest * (found as f64 / known.histogram.len() as f64).max(least);
        }
        Some(share.clamp(1e-4, 1.0 - 1e-4))
    }

    /// The share of rows of a join for which a condition holds, where each side has only those for
    /// which what an OR [demands of it alone](one_sided) holds.
    pub(in crate::plan) fn share_of_rest(
        &self,
        condition: &Expr,
        sides: &[BTreeSet<ColumnId>],
    ) -> f64 {
        let share_of = |expr: &Expr| self.selectivity(std::slice::from_ref(expr));
        let demanded = sides.iter().filter_map(|side| one_sided(condition, side));
        let held: f64 = demanded.map(|part| share_of(&part)).product();
        (share_of(condition) / held).min(1.0)
    }

    fn equal(&self, left: &Expr, right: Option<&Expr>) -> f64 {
        let other = right.and_then(|right| self.facts(right));
        match (self.facts(left), other) {
            (Some(left), Some(right)) => 1.0 / left.distinct.max(right.distinct),
            (Some(facts), None) => equal_to(facts, right),
            (None, Some(facts)) => equal_to(facts, Some(left)),
            (None, None) => EQUAL,
        }
    }

    /// A bound of a column, whether it is a lower one, and the share of rows within.
    fn bound(&self, condition: &Expr) -> Option<(ColumnId, bool, f64)> {
        let Expr::Operator(call) = condition else {
            return None;
        };
        let is_less = match call.operator.name {
            "<" | "<=" => true,
            ">" | ">=" => false,
            _ => return None,
        };
        let left = call.left.as_ref()?;
        let (column, value, is_less) = match (column_of(left), column_of(&call.right)) {
            (Some(column), None) => (column, &call.right, is_less),
            (None, Some(column)) => (column, left, !is_less),
            _ => return None,
        };
        let facts = self.columns.get(&column)?;
        let below = match value {
            Expr::Constant(value) => facts.below(value),
            _ => None,
        };
        let share = match below {
            Some(below) if is_less => below,
            Some(below) => 1.0 - below,
            None => LESS,
        };
        Some((column, !is_less, share))
    }

    fn facts(&self, expr: &Expr) -> Option<&Facts> {
        self.columns.get(&column_of(expr)?)
    }

    /// How many different values an expression has.
    pub(super) fn distinct(&self, expr: &Expr) -> Option<f64> {
        Some(self.facts(expr)?.distinct)
    }
}

/// The column that an expression is, but for a cast.
fn column_of(expr: &Expr) -> Option<ColumnId> {
    match expr {
        Expr::Column(id) => Some(*id),
        Expr::Cast(cast) => column_of(&cast.1),
        _ => None,
    }
}

/// The share of rows whose column equals a value.
pub(super) fn equal_to(facts: &Facts, value: Option<&Expr>) -> f64 {
    let known = facts.known();
    if let (Some(known), Some(Expr::Constant(value))) = (known, value) {
        let common = known.most_common.iter();
        let mut common = common.filter(|(each, _)| same(&facts.of, each, value));
        if let Some((_, share)) = common.next() {
            return *share;
        }
        let taken: f64 = known.most_common.iter().map(|(_, share)| share).sum();
        let others = (facts.distinct - known.most_common.len() as f64).max(1.0);
        return ((1.0 - taken - known.null_fraction) / others).max(1e-9);
    }
    let share = known.map_or(1.0, |known| 1.0 - known.null_fraction);
    share / facts.distinct
}

fn same(of: &Type, left: &Value, right: &Value) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => is_alike(left, right) && of.compare(left, right).is_eq(),
    }
}

fn is_alike(left: &Value, right: &Value) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

/// A value as a number, for those types whose values lie on a line.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Date(date) => Some(f64::from(*date) * 86_400e6),
        Value::Timestamp(at) | Value::Timestamptz(at) => Some(*at as f64),
        other => match other.as_integer() {
            Some(number) => Some(number as f64),
            None => other.as_float(),
        },
    }
}

impl Facts {
    fn known(&self) -> Option<&ColumnStatistics> {
        let (statistics, column) = self.statistics.as_ref()?;
        statistics.column(*column)
    }

    /// The share of rows whose value is less than this one.
    fn below(&self, value: &Value) -> Option<f64> {
        let known = self.known()?;
        if known.histogram.len() < 2 && known.most_common.is_empty() {
            return None;
        }
        let is_less = |each: &Value| match (number(each), number(value)) {
            (Some(each), Some(value)) => Some(each < value),
            _ if is_alike(each, value) => Some(self.of.compare(each, value).is_lt()),
            _ => None,
        };
        let mut share = 0.0;
        let mut taken = known.null_fraction;
        for (each, part) in &known.most_common {
            taken += part;
            if is_less(each)? {
                share += part;
            }
        }
        let parts = known.histogram.len().saturating_sub(1);
        if parts > 0 {
            let mut below = 0;
            for each in &known.histogram {
                below += usize::from(is_less(each)?);
            }
            let within = match below {
                0 => 0.0,
                all if all > parts => 1.0,
                at => {
                    let low = number(&known.histogram[at - 1]);
                    let high = number(&known.histogram[at]);
                    let inside = match (low, high, number(value)) {
                        (Some(low), Some(high), Some(value)) if high > low => {
                            (value - low) / (high - low)
                        }
                        _ => 0.5,
                    };
                    ((at - 1) as f64 + inside) / parts as f64
                }
            };
            share += within * (1.0 - taken).max(0.0);
        }
        Some(share.clamp(0.0, 1.0))
    }
}
