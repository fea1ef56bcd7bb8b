//! Making an expression one of another type.

use rustdb_types::{
    Base, Cast, CastContext, Element, Modifier, Type, Value, common_modifier, common_type,
};

use super::Binder;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Typed};

impl Binder<'_> {
    /// The expression as one of the type `target`, if the context allows a cast to it.
    pub(crate) fn coerce(
        &mut self,
        from: Typed,
        target: &Type,
        context: CastContext,
    ) -> Result<Option<Expr>> {
        if from.of == *target {
            return Ok(Some(from.expr));
        }
        if let (Element::Domain(domain), false) = (&target.element, target.array) {
            return match self.coerce(from, &target.without_domains(), context)? {
                Some(value) => self.checked(value, domain).map(Some),
                None => Ok(None),
            };
        }
        if let (Element::Domain(domain), true) = (&target.element, target.array)
            && let below = domain.base.without_domains()
            && !below.array
        {
            return match self.coerce(from, &below.array_of(), context)? {
                Some(array) => self.each_checked(array, domain).map(Some),
                None => Ok(None),
            };
        }
        if from.of == Type::UNKNOWN {
            match from.expr {
                Expr::Parameter(index) => {
                    self.parameters[index].get_or_insert_with(|| target.clone());
                    let known = self.parameters[index].clone().unwrap_or(Type::UNKNOWN);
                    return self.coerce(Typed::new(Expr::Parameter(index), known), target, context);
                }
                Expr::Constant(Value::Null) => return Ok(Some(Expr::Constant(Value::Null))),
                _ => (),
            }
        }
        let Some(cast) = Cast::find(&from.of, target, context) else {
            return Ok(None);
        };
        if cast.is_relabeling() {
            return Ok(Some(from.expr));
        }
        // A literal is read once, now; what is wrong with it is told at once.
        if let (Expr::Constant(value), true) = (&from.expr, from.of == Type::UNKNOWN) {
            return match cast.apply(value, self.settings) {
                Ok(value) => Ok(Some(Expr::Constant(value))),
                Err(error) => match self.too_long(value, target, context) {
                    Some(expr) => Ok(Some(expr)),
                    None => Err(Error::from(error).at(from.place)),
                },
            };
        }
        Ok(Some(Expr::Cast(Box::new((cast, from.expr)))))
    }

    /// A literal that can be read as a type, but not with its modifier: `'abc'` as `varchar(2)`.
    /// That is an error of whoever uses the value, not of the text that has it.
    fn too_long(&self, literal: &Value, target: &Type, context: CastContext) -> Option<Expr> {
        let plain = target.with_modifier(Modifier::NONE);
        if plain == *target || target.base() == Some(Base::Interval) {
            return None;
        }
        let read = Cast::find(&Type::UNKNOWN, &plain, context)?;
        let value = read.apply(literal, self.settings).ok()?;
        let cast = Cast::find(&plain, target, context)?;
        Some(Expr::Cast(Box::new((cast, Expr::Constant(value)))))
    }

    /// As [`Binder::coerce`] where an operator or function was resolved, so that there is a way.
    pub(super) fn coerce_argument(&mut self, from: Typed, target: &Type) -> Result<Expr> {
        let actual = from.of.name();
        self.coerce(from, target, CastContext::Implicit)?
            .ok_or_else(|| Error::internal(format!("no cast from {actual} to {}", target.name())))
    }

    /// The expression as a condition of `clause`.
    pub(crate) fn coerce_to_bool(&mut self, from: Typed, clause: &str) -> Result<Expr> {
        let (actual, place) = (from.of.name(), from.place);
        self.coerce(from, &Type::BOOL, CastContext::Assignment)?
            .ok_or_else(|| {
                let message =
                    format!("argument of {clause} must be type boolean, not type {actual}");
                Error::new(SqlState::DATATYPE_MISMATCH, message).at(place)
            })
    }

    /// The expression as a number of rows, for LIMIT and OFFSET.
    pub(super) fn coerce_to_int8(&mut self, from: Typed, clause: &str) -> Result<Expr> {
        let (actual, place) = (from.of.name(), from.place);
        self.coerce(from, &Type::INT8, CastContext::Assignment)?
            .ok_or_else(|| {
                let message =
                    format!("argument of {clause} must be type bigint, not type {actual}");
                Error::new(SqlState::DATATYPE_MISMATCH, message).at(place)
            })
    }

    /// All as one type; `context` is the word for the message: `CASE`, `UNION`.
    pub(super) fn unify(&mut self, items: Vec<Typed>, context: &str) -> Result<(Vec<Expr>, Type)> {
        let types: Vec<Type> = items.iter().map(|item| item.of.clone()).collect();
        let common = common_type(&types, context).map_err(|error| {
            let odd = (1..types.len()).find(|end| common_type(&types[..=*end], context).is_err());
            Error::from(error).at(odd.and_then(|odd| items[odd].place))
        })?;
        let of = common.with_modifier(common_modifier(&types, &common));
        let mut unified = Vec::with_capacity(items.len());
        for item in items {
            let (actual, place) = (item.of.name(), item.place);
            let item = self.coerce(item, &common, CastContext::Implicit)?;
            unified.push(item.ok_or_else(|| {
                let message = format!("{context} could not convert type {actual} to {}", of.name());
                Error::new(SqlState::CANNOT_COERCE, message).at(place)
            })?);
        }
        Ok((unified, of))
    }

    /// What SELECT gives has a type: what has none yet becomes text.
    pub(super) fn settle(&mut self, item: Typed) -> Result<Typed> {
        if item.of != Type::UNKNOWN {
            return Ok(item);
        }
        let place = item.place;
        let expr = self.coerce_argument(item, &Type::TEXT)?;
        Ok(Typed::new(expr, Type::TEXT).beginning(place))
    }

    /// `expr::target`.
    pub(super) fn explicit_cast(&mut self, from: Typed, target: &Type) -> Result<Typed> {
        let actual = from.of.clone();
        let expr = self
            .coerce(from, target, CastContext::Explicit)?
            .ok_or_else(|| Error::from(Cast::not_possible(&actual, target)))?;
        Ok(Typed::new(expr, target.clone()))
    }
}
