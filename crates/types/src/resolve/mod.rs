//! Which operator or function a call means, by the types of its arguments.
//!
//! The rules are those of chapter 10 of PostgreSQL's manual. A literal in quotes is `unknown` and
//! goes with everything; what has a type goes where an implicit cast leads.
//!
//! ```text
//! candidates ─▶ that take the arguments at all     accept: casts, polymorphic
//!            ─▶ the one with just these types       else
//!            ─▶ most exact types, most preferred    select: rules until one is left
//!            ─▶ its arguments' and result's types   polymorphic
//! ```
//!
//! Candidates are what the caller has found by name, in its schemas; this module sees only their
//! declared types, and knows no catalog.

mod common;
mod polymorphic;
mod select;

pub use common::{common_modifier, common_type};

use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::parameter::Parameter;
use crate::types::Type;

use select::{Choice, accepts, select};

/// A function that a call may mean.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its declared arguments.
    pub parameters: &'a [Parameter],
    /// Its declared result.
    pub result: &'a Parameter,
    /// Whether the last argument is an array that takes any number of elements.
    pub variadic: bool,
    /// How many of the last arguments may be left out.
    pub defaults: usize,
}

/// The candidate that a call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Its place among the candidates.
    pub index: usize,
    /// What each argument of the call has to be cast to.
    pub arguments: Vec<Type>,
    /// What the call gives.
    pub result: Type,
    /// Whether the call's last arguments are elements of the candidate's last parameter.
    pub expanded: bool,
}

/// Finds the operator for an expression; a prefix operator has no `left`.
pub fn resolve_operator(
    name: &str,
    left: Option<&Type>,
    right: &Type,
    candidates: &[Candidate<'_>],
) -> Result<Resolved> {
    let actual: Vec<Type> = left.into_iter().chain([right]).cloned().collect();
    let fitting = Form::all(candidates, actual.len(), false);
    let exact = exact_operator(&actual, &fitting);
    let choice = exact.map_or_else(|| choose(&actual, &fitting), Choice::One);
    match choice {
        Choice::One(index) => bind(&fitting[index], &actual),
        Choice::None => {
            let words = format!("operator does not exist: {}", operator_words(name, &actual));
            Err(
                Error::new(SqlState::UNDEFINED_FUNCTION, words).with_hint(if actual.len() == 1 {
                    "No operator matches the given name and argument type. \
                     You might need to add an explicit type cast."
                } else {
                    "No operator matches the given name and argument types. \
                     You might need to add explicit type casts."
                }),
            )
        }
        Choice::Many => {
            let words = format!("operator is not unique: {}", operator_words(name, &actual));
            Err(Error::new(SqlState::AMBIGUOUS_FUNCTION, words).with_hint(
                "Could not choose a best candidate operator. \
                 You might need to add explicit type casts.",
            ))
        }
    }
}

/// Finds the function for a call by position. `spread` says that the last argument was written
/// with VARIADIC: an array for a variadic parameter.
pub fn resolve_function(
    name: &str,
    actual: &[Type],
    spread: bool,
    candidates: &[Candidate<'_>],
) -> Result<Resolved> {
    let words = || {
        let names: Vec<String> = actual.iter().map(Type::name).collect();
        format!("function {name}({})", names.join(", "))
    };
    let ambiguous = || {
        let words = format!("{} is not unique", words());
        Error::new(SqlState::AMBIGUOUS_FUNCTION, words).with_hint(
            "Could not choose a best candidate function. \
             You might need to add explicit type casts.",
        )
    };
    let fitting = Form::all(candidates, actual.len(), spread);
    let exact = fitting.iter().position(|form| form.is_exactly(actual));
    let choice = exact.map_or_else(|| choose(actual, &fitting), Choice::One);
    match choice {
        Choice::One(index) if fitting[index].is_tied => Err(ambiguous()),
        Choice::One(index) => bind(&fitting[index], actual),
        Choice::Many => Err(ambiguous()),
        Choice::None => {
            let words = format!("{} does not exist", words());
            Err(Error::new(SqlState::UNDEFINED_FUNCTION, words).with_hint(
                "No function matches the given name and argument types. \
                 You might need to add explicit type casts.",
            ))
        }
    }
}

/// A candidate with as many parameters as the call has arguments.
#[derive(Clone, Debug)]
struct Form<'a> {
    index: usize,
    parameters: Vec<Parameter>,
    result: &'a Parameter,
    expanded: bool,
    /// Whether another candidate takes the same types just as well.
    is_tied: bool,
}

impl<'a> Form<'a> {
    /// The forms of all candidates that can have so many arguments. Of those with the same types
    /// one that is not expanded is kept before one that is; else they are tied, which defaults
    /// can bring about.
    fn all(candidates: &[Candidate<'a>], count: usize, spread: bool) -> Vec<Form<'a>> {
        let mut forms: Vec<Form<'a>> = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let Some(form) = Form::of(index, candidate, count, spread) else {
                continue;
            };
            let same = forms
                .iter_mut()
                .find(|other| other.parameters == form.parameters);
            let Some(same) = same else {
                forms.push(form);
                continue;
            };
            match same.expanded.cmp(&form.expanded) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => same.is_tied = true,
                std::cmp::Ordering::Greater => *same = form,
            }
        }
        forms
    }

    fn of(index: usize, candidate: &Candidate<'a>, count: usize, spread: bool) -> Option<Form<'a>> {
        let declared = candidate.parameters.len();
        let mut parameters = candidate.parameters.to_vec();
        let mut expanded = false;
        if candidate.variadic && !spread && count >= declared {
            let element = parameters.pop().and_then(|last| last.element())?;
            parameters.resize(count, element);
            expanded = true;
        }
        let missing = parameters.len().checked_sub(count)?;
        if missing > candidate.defaults || (spread && !candidate.variadic) {
            return None;
        }
        parameters.truncate(count);
        let result = candidate.result;
        Some(Form {
            index,
            parameters,
            result,
            expanded,
            is_tied: false,
        })
    }

    fn is_exactly(&self, actual: &[Type]) -> bool {
        let pairs = self.parameters.iter().zip(actual);
        pairs
            .into_iter()
            .all(|(parameter, of)| parameter.oid() == of.oid())
    }
}

/// An operator of just these types; an unknown operand is taken for the other's type.
fn exact_operator(actual: &[Type], forms: &[Form<'_>]) -> Option<usize> {
    let exactly = |types: &[Type]| forms.iter().position(|form| form.is_exactly(types));
    let is_unknown = |of: &Type| of.base() == Some(Base::Unknown);
    match actual {
        [left, right] if is_unknown(left) != is_unknown(right) => {
            let known = if is_unknown(left) { right } else { left };
            let base = known.without_domains();
            exactly(&[known.clone(), known.clone()]).or_else(|| exactly(&[base.clone(), base]))
        }
        [_, right] if is_unknown(right) => None,
        types => exactly(types),
    }
}

/// The rules after the exact match.
fn choose(actual: &[Type], forms: &[Form<'_>]) -> Choice {
    let taking: Vec<usize> = (0..forms.len())
        .filter(|index| accepts(&forms[*index].parameters, actual))
        .collect();
    match taking.as_slice() {
        [] => Choice::None,
        [one] => Choice::One(*one),
        many => {
            let lists: Vec<&[Parameter]> = many
                .iter()
                .map(|index| forms[*index].parameters.as_slice())
                .collect();
            match select(actual, &lists) {
                Some(place) => Choice::One(many[place]),
                None => Choice::Many,
            }
        }
    }
}

/// The types that the arguments are cast to, and that of the result.
fn bind(form: &Form<'_>, actual: &[Type]) -> Result<Resolved> {
    let (arguments, result) = polymorphic::bind(&form.parameters, form.result, actual)?;
    let last = form.parameters.last().zip(arguments.last());
    if let Some((Parameter::AnyElement | Parameter::AnyCompatible, of)) = last
        && form.expanded
    {
        // The elements become an array.
        polymorphic::array_of(of)?;
    }
    Ok(Resolved {
        index: form.index,
        arguments,
        result,
        expanded: form.expanded,
    })
}

fn operator_words(name: &str, actual: &[Type]) -> String {
    match actual {
        [left, right] => format!("{} {name} {}", left.name(), right.name()),
        [right] => format!("{name} {}", right.name()),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
