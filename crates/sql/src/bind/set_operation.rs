//! UNION, INTERSECT, EXCEPT.

use rustdb_types::Type;
use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

use super::query::BoundQuery;
use super::scope::Scope;
use super::{Binder, OutputColumn};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::place_of_target;
use crate::plan::{Plan, SetKind, SetOperation};

impl Binder<'_> {
    pub(super) fn set_operation(
        &mut self,
        left: &SetExpr,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
        outer: &Scope<'_>,
    ) -> Result<BoundQuery> {
        let kind = match op {
            SetOperator::Union => SetKind::Union,
            SetOperator::Intersect => SetKind::Intersect,
            SetOperator::Except | SetOperator::Minus => SetKind::Except,
        };
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            other => return Err(Error::unsupported(format!("{op} {other}"))),
        };
        let uses = self.recursive_uses();
        let written = [left, right];
        let left = self.set_expression(left, outer)?;
        if kind == SetKind::Except && all {
            self.refuse_recursion(uses, "EXCEPT")?;
        }
        let left_uses = self.recursive_uses();
        let right = self.set_expression(right, outer)?;
        match (kind, all) {
            (SetKind::Except, _) => self.refuse_recursion(left_uses, "EXCEPT")?,
            (SetKind::Intersect, true) => self.refuse_recursion(uses, "INTERSECT")?,
            (SetKind::Intersect, false) | (SetKind::Union, _) => (),
        }
        self.combine(kind, all, left, right, written)
    }

    fn combine(
        &mut self,
        kind: SetKind,
        all: bool,
        left: BoundQuery,
        right: BoundQuery,
        written: [&SetExpr; 2],
    ) -> Result<BoundQuery> {
        let word = match kind {
            SetKind::Union => "UNION",
            SetKind::Intersect => "INTERSECT",
            SetKind::Except => "EXCEPT",
        };
        if left.columns.len() != right.columns.len() {
            let message = format!("each {word} query must have the same number of columns");
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, message).at(place_of_target(written[1], 0))
            );
        }
        let mut columns = Vec::with_capacity(left.columns.len());
        let mut sides = [Vec::new(), Vec::new()];
        for (index, (mine, theirs)) in left.columns.iter().zip(&right.columns).enumerate() {
            let pair = [
                typed(&left.plan, mine, place_of_target(written[0], index)),
                typed(&right.plan, theirs, place_of_target(written[1], index)),
            ];
            let (unified, of) = self.unify(pair.to_vec(), word)?;
            for (side, expr) in sides.iter_mut().zip(unified) {
                side.push(expr);
            }
            columns.push(OutputColumn {
                name: mine.name.clone(),
                id: self.new_column(),
                of,
            });
        }
        let [left_items, right_items] = sides;
        let operation = SetOperation {
            kind,
            all,
            columns: columns.iter().map(|column| column.id).collect(),
            padded: {
                let places = columns.iter().enumerate();
                let padded = places.filter(|(_, column)| column.of.varies_in_padding());
                padded.map(|(place, _)| place).collect()
            },
            left: self.side(left.plan, left_items),
            right: self.side(right.plan, right_items),
        };
        let plan = Plan::SetOperation(Box::new(operation));
        Ok(BoundQuery { plan, columns })
    }

    fn side(&mut self, plan: Plan, items: Vec<Expr>) -> (Plan, Vec<ColumnId>) {
        let items: Vec<(ColumnId, Expr)> = items
            .into_iter()
            .map(|item| (self.new_column(), item))
            .collect();
        let columns = items.iter().map(|(id, _)| *id).collect();
        let plan = Plan::Project {
            input: Box::new(plan),
            items,
        };
        (plan, columns)
    }
}

/// A column of a side. A literal or parameter that has no type yet is given one where it stands.
fn typed(side: &Plan, column: &OutputColumn, place: Option<Position>) -> Typed {
    let is_open = column.of == Type::UNKNOWN;
    let written = is_open.then(|| written(side, column.id)).flatten();
    let expr = written.unwrap_or(&Expr::Column(column.id)).clone();
    Typed::new(expr, column.of.clone()).beginning(place)
}

/// What is written where a column is made, if it is a literal or a parameter.
fn written(mut plan: &Plan, column: ColumnId) -> Option<&Expr> {
    while let Plan::Sort { input, .. } | Plan::Limit { input, .. } = plan {
        plan = input;
    }
    let Plan::Project { items, .. } = plan else {
        return None;
    };
    let (_, item) = items.iter().find(|(id, _)| *id == column)?;
    matches!(item, Expr::Constant(_) | Expr::Parameter(_)).then_some(item)
}
