//! `json['key'][0]`: a part of a `jsonb`, or NULL if there is none.

use rustdb_types::{Base, CastContext, Type};
use sqlparser::ast;

use super::Binder;
use super::expression::Place;
use crate::error::{Error, Result, SqlState};
use crate::expr::Typed;

impl Binder<'_> {
    /// The part of a `jsonb` that subscripts lead to.
    pub(super) fn json_subscripts(
        &mut self,
        json: Typed,
        chain: &[ast::AccessExpr],
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let mut arguments = vec![json];
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
            arguments.push(self.json_subscript(index)?);
        }
        self.function(&["jsonb_extract_path".to_owned()], arguments, Some(at))
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
        self.explicit_cast(Typed::new(index, wanted), &Type::TEXT)
    }
}
