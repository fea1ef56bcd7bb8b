//! A path's text form.

use std::fmt::{Display, Formatter, Result};

use super::{Chain, Operation, Path, Predicate, Step};
use crate::json;

impl Display for Path {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if !self.lax {
            out.write_str("strict ")?;
        }
        chain(&self.chain, true, out)
    }
}

fn quoted(text: &str, out: &mut Formatter<'_>) -> Result {
    json::write_string(text, out)
}

/// How tightly a step binds its operands.
fn priority(step: &Step) -> u8 {
    match step {
        Step::Predicate(Predicate::Or(..)) => 0,
        Step::Predicate(Predicate::And(..)) => 1,
        Step::Predicate(Predicate::Compare(..) | Predicate::StartsWith(..)) => 2,
        Step::Arithmetic(Operation::Add | Operation::Subtract, ..) => 3,
        Step::Arithmetic(..) => 4,
        Step::Sign { .. } => 5,
        _ => 6,
    }
}

fn chain(chain: &Chain, brackets: bool, out: &mut Formatter<'_>) -> Result {
    match &chain.first {
        Step::Number(number) if !chain.rest.is_empty() => write!(out, "({number})")?,
        first => step(first, false, brackets, out)?,
    }
    chain
        .rest
        .iter()
        .try_for_each(|next| step(next, true, true, out))
}

fn operand(inner: &Chain, of: &Step, out: &mut Formatter<'_>) -> Result {
    chain(inner, priority(&inner.first) <= priority(of), out)
}

/// A step; `behind` says that another comes before it.
fn step(step: &Step, behind: bool, brackets: bool, out: &mut Formatter<'_>) -> Result {
    let dot = if behind { "." } else { "" };
    let infix = |left: &Chain, sign: &str, right: &Chain, out: &mut Formatter<'_>| {
        let (open, close) = if brackets { ("(", ")") } else { ("", "") };
        out.write_str(open)?;
        operand(left, step, out)?;
        write!(out, " {sign} ")?;
        operand(right, step, out)?;
        out.write_str(close)
    };
    match step {
        Step::Null => out.write_str("null"),
        Step::Bool(truth) => write!(out, "{truth}"),
        Step::Number(number) => write!(out, "{number}"),
        Step::String(text) => quoted(text, out),
        Step::Variable(name) => {
            out.write_str("$")?;
            quoted(name, out)
        }
        Step::Root => out.write_str("$"),
        Step::Current => out.write_str("@"),
        Step::Last => out.write_str("last"),
        Step::Key(name) => {
            out.write_str(dot)?;
            quoted(name, out)
        }
        Step::AnyKey => write!(out, "{dot}*"),
        Step::AnyElement => out.write_str("[*]"),
        Step::Elements(elements) => subscripts(elements, out),
        Step::AnyLevel(first, last) => {
            write!(out, "{dot}**")?;
            match (*first, *last) {
                (0, u32::MAX) => Ok(()),
                (u32::MAX, u32::MAX) => out.write_str("{last}"),
                (first, last) if first == last => write!(out, "{{{first}}}"),
                (u32::MAX, last) => write!(out, "{{last to {last}}}"),
                (first, u32::MAX) => write!(out, "{{{first} to last}}"),
                (first, last) => write!(out, "{{{first} to {last}}}"),
            }
        }
        Step::Method(method) => write!(out, ".{}()", method.name()),
        Step::Filter(inner) => {
            out.write_str("?(")?;
            chain(inner, false, out)?;
            out.write_str(")")
        }
        Step::Arithmetic(operation, left, right) => infix(left, operation.sign(), right, out),
        Step::Sign {
            minus,
            operand: inner,
        } => {
            let (open, close) = if brackets { ("(", ")") } else { ("", "") };
            write!(out, "{open}{}", if *minus { "-" } else { "+" })?;
            operand(inner, step, out)?;
            out.write_str(close)
        }
        Step::Predicate(Predicate::And(left, right)) => infix(left, "&&", right, out),
        Step::Predicate(Predicate::Or(left, right)) => infix(left, "||", right, out),
        Step::Predicate(Predicate::Compare(sign, left, right)) => {
            infix(left, sign.sign(), right, out)
        }
        Step::Predicate(Predicate::StartsWith(left, right)) => {
            infix(left, "starts with", right, out)
        }
        Step::Predicate(other) => test(other, step, brackets, out),
    }
}

fn subscripts(elements: &[(Chain, Option<Chain>)], out: &mut Formatter<'_>) -> Result {
    for (index, (from, to)) in elements.iter().enumerate() {
        out.write_str(if index == 0 { "[" } else { "," })?;
        chain(from, false, out)?;
        if let Some(to) = to {
            out.write_str(" to ")?;
            chain(to, false, out)?;
        }
    }
    out.write_str("]")
}

/// A predicate that is written with words.
fn test(test: &Predicate, of: &Step, brackets: bool, out: &mut Formatter<'_>) -> Result {
    let wrapped = |before: &str, inner: &Chain, after: &str, out: &mut Formatter<'_>| {
        out.write_str(before)?;
        chain(inner, false, out)?;
        out.write_str(after)
    };
    match test {
        Predicate::Not(inner) => wrapped("!(", inner, ")", out),
        Predicate::IsUnknown(inner) => wrapped("(", inner, ") is unknown", out),
        Predicate::Exists(inner) => wrapped("exists (", inner, ")", out),
        Predicate::LikeRegex {
            operand: inner,
            pattern,
            flags,
        } => {
            let (open, close) = if brackets { ("(", ")") } else { ("", "") };
            out.write_str(open)?;
            operand(inner, of, out)?;
            out.write_str(" like_regex ")?;
            quoted(pattern, out)?;
            if !flags.is_empty() {
                write!(out, " flag \"{flags}\"")?;
            }
            out.write_str(close)
        }
        Predicate::And(..)
        | Predicate::Or(..)
        | Predicate::Compare(..)
        | Predicate::StartsWith(..) => Ok(()),
    }
}
