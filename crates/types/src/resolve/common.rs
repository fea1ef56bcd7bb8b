//! The common type of several expressions: UNION, CASE, COALESCE, ARRAY, VALUES, `anycompatible`.

use super::select::is_convertible;
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::types::Type;

/// The type that expressions of these types are cast to; `context` begins the message if there is
/// none ("UNION", "CASE"). Literals of no type are text if nothing else says what they are.
pub fn common_type(types: &[Type], context: &str) -> Result<Type> {
    let common = find(types).map_err(|(left, right)| {
        let (left, right) = (left.name(), right.name());
        let words = format!("{context} types {left} and {right} cannot be matched");
        Error::new(SqlState::DATATYPE_MISMATCH, words)
    })?;
    match types.iter().find(|of| !is_convertible(of, &common)) {
        None => Ok(common),
        Some(of) => {
            let (of, common) = (of.name(), common.name());
            let words = format!("{context} could not convert type {of} to {common}");
            Err(Error::new(SqlState::CANNOT_COERCE, words))
        }
    }
}

/// The modifier of the common type: that of all expressions if they agree.
pub fn common_modifier(types: &[Type], common: &Type) -> Modifier {
    let mut modifiers = types.iter().map(|of| {
        let same = of.oid() == common.oid();
        if same { of.modifier } else { Modifier::NONE }
    });
    let first = modifiers.next().unwrap_or(Modifier::NONE);
    if modifiers.all(|modifier| modifier == first) {
        first
    } else {
        Modifier::NONE
    }
}

/// The common type, or two types that have none.
pub(super) fn find(types: &[Type]) -> std::result::Result<Type, (Type, Type)> {
    let plain = |of: &Type| of.with_modifier(Modifier::NONE);
    let unknown = |of: &Type| of.base() == Some(Base::Unknown);
    if let Some(first) = types.first()
        && !unknown(first)
        && types.iter().all(|of| of.oid() == first.oid())
    {
        return Ok(plain(first));
    }
    let mut common: Option<Type> = None;
    for of in types.iter().filter(|of| !unknown(of)) {
        let next = plain(&of.without_domains());
        let Some(current) = common.take() else {
            common = Some(next);
            continue;
        };
        if current.category() != next.category() {
            return Err((current, next));
        }
        let replaces = !current.is_preferred()
            && is_convertible(&current, &next)
            && !is_convertible(&next, &current);
        common = Some(if replaces { next } else { current });
    }
    Ok(common.unwrap_or(Type::TEXT))
}
