//! Joining and matching of text and bytes.

use std::sync::Arc;

use super::operand::{call, infix};
use super::{Function, Operator};
use crate::base::Base;
use crate::cast::{Cast, CastContext};
use crate::error::{Error, Result, SqlState};
use crate::function::pattern::is_match;
use crate::interrupt;
use crate::io;
use crate::parameter::Parameter;
use crate::regex::Options;
use crate::settings::Settings;
use crate::text::Text;
use crate::types::Type;
use crate::value::Value;

pub(super) static OPERATORS: &[Operator] = &[
    infix!("||", Text, Text => Text, |l: &Text, r: &Text| Ok(joined(l, r))),
    infix!("||", Bytea, Bytea => Bytea, |l: &[u8], r: &[u8]| {
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
            call(|l: &Text, _: &Text| Ok(joined(l, &printed)), left, left)
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
            call(|_: &Text, r: &Text| Ok(joined(&printed, r)), right, right)
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

fn joined(left: &str, right: &str) -> Text {
    let mut out = String::with_capacity(left.len() + right.len());
    out.push_str(left);
    out.push_str(right);
    Text::from(out)
}

/// `text LIKE pattern`: `%` is any text, `_` any letter, `\` makes the next one itself.
pub fn like(text: &str, pattern: &str) -> Result<bool> {
    matches(
        &interrupt::letters(text)?,
        &interrupt::letters(pattern)?,
        |left, right| left == right,
    )
}

/// `text ILIKE pattern`: the same, where only letters of ASCII have cases, as in collation "C".
pub fn like_any_case(text: &str, pattern: &str) -> Result<bool> {
    matches(
        &interrupt::letters(text)?,
        &interrupt::letters(pattern)?,
        |left, right| left.eq_ignore_ascii_case(right),
    )
}

/// `LIKE` of `bytea`.
fn like_bytes(text: &[u8], pattern: &[u8]) -> Result<bool> {
    let letters = |bytes: &[u8]| -> Vec<char> { bytes.iter().copied().map(char::from).collect() };
    matches(&letters(text), &letters(pattern), |left, right| {
        left == right
    })
}

/// Whether a whole text fits a pattern. A `%` takes as little as it can; where the rest then does
/// not fit, only the last `%` has to take more, so that this is not exponential.
fn matches(text: &[char], pattern: &[char], same: impl Fn(&char, &char) -> bool) -> Result<bool> {
    let (mut at, mut rule) = (0, 0);
    // Where to go on after a mismatch: the rule after the last `%`, and what it was tried at.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        interrupt::spend(2)?;
        let fits = match pattern.get(rule) {
            Some('%') => {
                rule += 1;
                retry = Some((rule, at));
                continue;
            }
            Some('_') => at < text.len(),
            Some('\\') if at < text.len() || retry.is_none() => {
                let Some(letter) = pattern.get(rule + 1) else {
                    return if at < text.len() {
                        Err(dangling_escape())
                    } else {
                        Ok(false)
                    };
                };
                let fits = text.get(at).is_some_and(|found| same(found, letter));
                rule += usize::from(fits);
                fits
            }
            Some(letter) => text.get(at).is_some_and(|found| same(found, letter)),
            None if at == text.len() => return Ok(true),
            None => false,
        };
        if fits {
            (at, rule) = (at + 1, rule + 1);
            continue;
        }
        let Some((after, tried)) = retry else {
            return Ok(false);
        };
        if tried >= text.len() {
            return Ok(false);
        }
        retry = Some((after, tried + 1));
        (at, rule) = (tried + 1, after);
    }
}

fn dangling_escape() -> Error {
    let words = "LIKE pattern must not end with escape character";
    Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, words)
}
