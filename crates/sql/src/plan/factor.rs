//! What all sides of an OR demand, demanded once: `(a AND b) OR (a AND c)` is `a AND (b OR c)`.
//!
//! That holds for NULL too. It lets a join find its partners by a key that is written within the
//! OR, as in TPC-H's query 19. What is volatile stays as it is written.
//!
//! What each side demands of one relation can be demanded of that relation alone, as an OR of less:
//! it leaves fewer rows to join.

use std::collections::BTreeSet;

use super::free_columns_of;
use crate::expr::{ColumnId, Expr};

/// What an OR demands of some columns alone, if each of its sides demands something of them.
pub(super) fn one_sided(condition: &Expr, columns: &BTreeSet<ColumnId>) -> Option<Expr> {
    let Expr::Or(sides) = condition else {
        return None;
    };
    if sides
        .iter()
        .any(|side| side.is_volatile() || has_subquery(side))
    {
        return None;
    }
    let is_about = |part: &Expr| {
        let used = free_columns_of(part);
        !used.is_empty() && used.is_subset(columns)
    };
    let sides = sides.iter().map(|side| {
        let mut parts = side.clone().conjuncts();
        parts.retain(is_about);
        (!parts.is_empty()).then(|| Expr::all(parts))
    });
    Some(Expr::Or(sides.collect::<Option<_>>()?))
}

fn has_subquery(expr: &Expr) -> bool {
    let mut has = false;
    expr.walk(&mut |part| has |= matches!(part, Expr::Subquery(_)));
    has
}

/// Conditions of which all have to hold, with what the sides of an OR share taken out of it.
pub(super) fn factored(conditions: Vec<Expr>) -> Vec<Expr> {
    let mut all = Vec::with_capacity(conditions.len());
    for condition in conditions {
        match condition {
            Expr::Or(sides) if !sides.iter().any(Expr::is_volatile) => {
                taken_apart(sides, &mut all);
            }
            other => all.push(other),
        }
    }
    all
}

/// The sides of an OR, whose sides may be such themselves.
fn sides_of(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Or(sides) => sides.into_iter().flat_map(sides_of).collect(),
        other => vec![other],
    }
}

fn taken_apart(sides: Vec<Expr>, all: &mut Vec<Expr>) {
    let sides = sides.into_iter().flat_map(sides_of);
    let mut sides: Vec<Vec<Expr>> = sides.map(Expr::conjuncts).collect();
    let Some((first, others)) = sides.split_first() else {
        return all.push(Expr::Or(Vec::new()));
    };
    let is_shared = |part: &&Expr| others.iter().all(|side| side.contains(part));
    let shared: Vec<Expr> = first.iter().filter(is_shared).cloned().collect();
    for side in &mut sides {
        side.retain(|part| !shared.contains(part));
    }
    all.extend(shared);
    // A side that demands nothing more holds wherever the others would.
    if sides.iter().all(|side| !side.is_empty()) {
        all.push(Expr::Or(sides.into_iter().map(Expr::all).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(id: u32) -> Expr {
        Expr::Column(ColumnId(id))
    }

    fn both(left: u32, right: u32) -> Expr {
        Expr::And(vec![column(left), column(right)])
    }

    #[test]
    fn what_all_sides_share_is_demanded_once() {
        let either = Expr::Or(vec![Expr::Or(vec![both(1, 2), both(3, 1)]), both(1, 4)]);
        let rest = Expr::Or(vec![column(2), column(3), column(4)]);
        let expected = vec![column(1), rest];
        assert_eq!(factored(vec![either]), expected);
    }

    #[test]
    fn a_side_that_demands_nothing_more_settles_it() {
        let either = Expr::Or(vec![both(1, 2), column(1)]);
        assert_eq!(factored(vec![either]), vec![column(1)]);
    }

    #[test]
    fn what_each_side_demands_of_a_relation_is_demanded_of_it() {
        let either = Expr::Or(vec![both(1, 2), both(3, 4)]);
        let some = |ids: &[u32]| ids.iter().map(|id| ColumnId(*id)).collect();
        let expected = Expr::Or(vec![column(1), column(3)]);
        assert_eq!(one_sided(&either, &some(&[1, 3])), Some(expected));
        assert_eq!(one_sided(&either, &some(&[1, 5])), None);
    }

    #[test]
    fn sides_that_share_nothing_stay() {
        let either = Expr::Or(vec![both(1, 2), column(3)]);
        assert_eq!(factored(vec![either.clone()]), vec![either]);
    }
}
