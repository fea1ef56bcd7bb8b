//! `json['key'][0]`: a part of a `jsonb`, or NULL if there is none; and what is assigned to one.

use rustdb_types::{Base, CastContext, Type};
use sqlparser::ast;

use super::Binder;
use super::expression::Place;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Subscript, SubscriptBounds, Typed};

impl Binder<'_> {
    /// The part of a `jsonb` that subscripts lead to.
    pub(super) fn json_subscripts(
        &mut self,
        json: Typed,
        chain: &[ast::AccessExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let mut arguments = vec![json];
        for index in self.json_steps(chain, at)? {
            arguments.push(self.explicit_cast(index, &Type::TEXT)?);
        }
        self.function(&["jsonb_extract_path".to_owned()], arguments, Some(at))
    }

    /// A `jsonb` with a value at the place that subscripts lead to.
    pub(super) fn json_with(
        &mut self,
        json: Expr,
        chain: &[ast::AccessExpr],
        value: Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Expr> {
        let steps = self.json_steps(chain, at)?.into_iter();
        Ok(Expr::Subscript(Box::new(Subscript {
            array: json,
            dimensions: steps
                .map(|step| SubscriptBounds::Index(step.expr))
                .collect(),
            assigned: Some(value),
            of_json: true,
        })))
    }

    /// Keys and numbers of elements.
    fn json_steps(
        &mut self,
        chain: &[ast::AccessExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Vec<Typed>> {
        let mut steps = Vec::with_capacity(chain.len());
        for access in chain {
            let index = match access {
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => index,
                ast::AccessExpr::Subscript(ast::Subscript::Slice { .. }) => {
                    let message = "jsonb subscript does not support slices";
                    return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
                }
                other => return Err(Error::unsupported(format!("the access {other}"))),
            };
            let index = self.expression(index, at)?;
            steps.push(self.json_subscript(index)?);
        }
        Ok(steps)
    }

    /// A key, or the number of an element.
    fn json_subscript(&mut self, index: Typed) -> Result<Typed> {
        let name = index.of.name();
        let wanted = match index.of.without_domains().base() {
            Some(Base::Int2 | Base::Int4) => Type::INT4,
            Some(base) if base.is_text() => Type::TEXT,
            _ => {
                let message = format!("subscript type {name} is not supported");
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .with_hint("jsonb subscript must be coercible to either integer or text."));
            }
        };
        let index = self.coerce(index, &wanted, CastContext::Implicit)?;
        let index = index.ok_or_else(|| Error::internal("a subscript that is no text"))?;
        Ok(Typed::new(index, wanted))
    }
}
