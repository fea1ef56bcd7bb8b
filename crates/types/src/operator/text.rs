//! Joining and matching of text and bytes.

use std::sync::Arc;

use super::like::{like, like_any_case, like_bytes};
use super::operand::{call, infix};
use super::{Function, Operator};
use crate::base::Base;
use crate::cast::{Cast, CastContext};
use crate::error::Result;
use crate::function::pattern::is_match;
use crate::function::{VALUE_BYTES_MAX, too_long};
use crate::interrupt;
use crate::io;
use crate::parameter::Parameter;
use crate::regex::Options;
use crate::settings::Settings;
use crate::text::Text;
use crate::types::Type;
use crate::value::Value;

pub(super) static OPERATORS: &[Operator] = &[
    infix!("||", Text, Text => Text, |l: &Text, r: &Text| joined(l, r)),
    infix!("||", Bytea, Bytea => Bytea, |l: &[u8], r: &[u8]| {
        counted(l.len() + r.len())?;
        Ok(Value::Bytea(Arc::from([l, r].concat())))
    }),
    Operator {
        name: "||",
        left: Some(Parameter::base(Base::Text)),
        right: Parameter::AnyNonArray,
        result: Parameter::base(Base::Text),
        strict: true,
        function: Function::Infix(|left, right, settings| {
            let printed = cast_to_text(right, settings)?;
            call(|l: &Text, _: &Text| joined(l, &printed), left, left)
        }),
    },
    Operator {
        name: "||",
        left: Some(Parameter::AnyNonArray),
        right: Parameter::base(Base::Text),
        result: Parameter::base(Base::Text),
        strict: true,
        function: Function::Infix(|left, right, settings| {
            let printed = cast_to_text(left, settings)?;
            call(|_: &Text, r: &Text| joined(&printed, r), right, right)
        }),
    },
    infix!("^@", Text, Text => Bool, |l: &Text, r: &Text| Ok(l.as_bytes().starts_with(r.as_bytes()))),
    infix!("~~", Text, Text => Bool, |l: &Text, r: &Text| like(l, r)),
    infix!("!~~", Text, Text => Bool, |l: &Text, r: &Text| like(l, r).map(|is| !is)),
    infix!("~~", Name, Text => Bool, |l: &Text, r: &Text| like(l, r)),
    infix!("!~~", Name, Text => Bool, |l: &Text, r: &Text| like(l, r).map(|is| !is)),
    infix!("~~", Bpchar, Text => Bool, |l: &Text, r: &Text| like(l, r)),
    infix!("!~~", Bpchar, Text => Bool, |l: &Text, r: &Text| like(l, r).map(|is| !is)),
    infix!("~~", Bytea, Bytea => Bool, |l: &[u8], r: &[u8]| like_bytes(l, r)),
    infix!("!~~", Bytea, Bytea => Bool, |l: &[u8], r: &[u8]| like_bytes(l, r).map(|is| !is)),
    infix!("~~*", Text, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r)),
    infix!("!~~*", Text, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r).map(|is| !is)),
    infix!("~~*", Name, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r)),
    infix!("!~~*", Name, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r).map(|is| !is)),
    infix!("~~*", Bpchar, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r)),
    infix!("!~~*", Bpchar, Text => Bool, |l: &Text, r: &Text| like_any_case(l, r).map(|is| !is)),
    infix!("~", Text, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default())),
    infix!("!~", Text, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default()).map(|is| !is)),
    infix!("~*", Text, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE)),
    infix!("!~*", Text, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE).map(|is| !is)),
    infix!("~", Name, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default())),
    infix!("!~", Name, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default()).map(|is| !is)),
    infix!("~*", Name, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE)),
    infix!("!~*", Name, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE).map(|is| !is)),
    infix!("~", Bpchar, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default())),
    infix!("!~", Bpchar, Text => Bool, |l: &Text, r: &Text| is_match(l, r, Options::default()).map(|is| !is)),
    infix!("~*", Bpchar, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE)),
    infix!("!~*", Bpchar, Text => Bool, |l: &Text, r: &Text| is_match(l, r, ANY_CASE).map(|is| !is)),
];

const ANY_CASE: Options = Options {
    any_case: true,
    expanded: false,
    literal: false,
    lines_apart: false,
    lines_anchored: false,
};

/// A value of any type as the cast to text has it, where truth is `true`, not `t`.
fn cast_to_text(value: &Value, settings: &Settings) -> Result<Text> {
    let of = io::evident_type(value);
    let cast = Cast::find(&of, &Type::TEXT, CastContext::Explicit)
        .ok_or_else(|| Cast::not_possible(&of, &Type::TEXT))?;
    match cast.apply(value, settings)? {
        Value::Text(text) => Ok(text),
        other => Err(super::mismatch(&other)),
    }
}

fn joined(left: &str, right: &str) -> Result<Text> {
    counted(left.len() + right.len())?;
    let mut out = String::with_capacity(left.len() + right.len());
    out.push_str(left);
    out.push_str(right);
    Ok(Text::from(out))
}

/// Counts the bytes of a new value; an error if they are too many.
fn counted(bytes: usize) -> Result<()> {
    match bytes > VALUE_BYTES_MAX {
        true => Err(too_long()),
        false => interrupt::spend(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_has_a_limit() {
        assert_eq!(joined("a", "b").unwrap().as_str(), "ab");
        assert!(counted(VALUE_BYTES_MAX).is_ok());
        let error = counted(VALUE_BYTES_MAX + 1).unwrap_err();
        assert_eq!(error.message(), "requested length too large");
    }
}
