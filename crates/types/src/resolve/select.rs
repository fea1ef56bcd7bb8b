//! The choice among candidates that all take the arguments.

use super::polymorphic;
use crate::base::Base;
use crate::cast::{Cast, CastContext};
use crate::oid::Category;
use crate::parameter::Parameter;
use crate::types::Type;

/// How many candidates are left.
pub(super) enum Choice {
    None,
    One(usize),
    Many,
}

/// Whether arguments of these types can be given to these parameters.
pub(super) fn accepts(parameters: &[Parameter], actual: &[Type]) -> bool {
    let each = parameters
        .iter()
        .zip(actual)
        .all(|(parameter, of)| match parameter {
            Parameter::Of(target) => is_convertible(of, target),
            _ => true,
        });
    each && polymorphic::is_consistent(parameters, actual)
}

/// Whether an implicit cast leads from a type to another.
pub(super) fn is_convertible(source: &Type, target: &Type) -> bool {
    Cast::find(source, target, CastContext::Implicit).is_some()
}

fn is_unknown(of: &Type) -> bool {
    of.base() == Some(Base::Unknown)
}

/// The place of the best candidate; `None` if there is no best.
pub(super) fn select(actual: &[Type], candidates: &[&[Parameter]]) -> Option<usize> {
    let actual: Vec<Type> = actual.iter().map(Type::without_domains).collect();
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    keep_most(&mut left, |index| count_exact(&actual, candidates[index]));
    if let [one] = left[..] {
        return Some(one);
    }
    keep_most(&mut left, |index| {
        count_preferred(&actual, candidates[index])
    });
    if let [one] = left[..] {
        return Some(one);
    }
    if !actual.iter().any(is_unknown) {
        return None;
    }
    if let Some(slots) = unknown_slots(&actual, candidates, &left) {
        let fits = |index: &usize| {
            slots
                .iter()
                .all(|slot| slot.takes(&candidates[*index][slot.at]))
        };
        let fitting: Vec<usize> = left.iter().copied().filter(fits).collect();
        if !fitting.is_empty() {
            left = fitting;
        }
        if let [one] = left[..] {
            return Some(one);
        }
    }
    // All known arguments have one type: the unknown ones may be of it too.
    let mut known = actual.iter().filter(|of| !is_unknown(of));
    let first = known.next()?;
    if !known.all(|of| of.oid() == first.oid()) {
        return None;
    }
    let same = vec![first.clone(); actual.len()];
    let mut fitting = left
        .into_iter()
        .filter(|index| accepts(candidates[*index], &same));
    let one = fitting.next()?;
    fitting.next().is_none().then_some(one)
}

/// Keeps the candidates that count highest.
fn keep_most(left: &mut Vec<usize>, count: impl Fn(usize) -> usize) {
    let most = left.iter().map(|index| count(*index)).max().unwrap_or(0);
    left.retain(|index| count(*index) == most);
}

fn count_exact(actual: &[Type], candidate: &[Parameter]) -> usize {
    let pairs = candidate.iter().zip(actual);
    pairs
        .filter(|(parameter, of)| !is_unknown(of) && parameter.oid() == of.oid())
        .count()
}

fn count_preferred(actual: &[Type], candidate: &[Parameter]) -> usize {
    let pairs = candidate.iter().zip(actual);
    pairs
        .filter(|(parameter, of)| {
            let preferred = is_preferred(parameter) && category(parameter) == of.category();
            !is_unknown(of) && (parameter.oid() == of.oid() || preferred)
        })
        .count()
}

/// An unknown argument and what it is taken for.
struct Slot {
    at: usize,
    category: Category,
    preferred: bool,
}

impl Slot {
    fn takes(&self, parameter: &Parameter) -> bool {
        category(parameter) == self.category && (!self.preferred || is_preferred(parameter))
    }
}

/// For each unknown argument the category that it is taken for: strings if any candidate takes
/// one, else the one that all take; `None` if they do not agree.
fn unknown_slots(
    actual: &[Type],
    candidates: &[&[Parameter]],
    left: &[usize],
) -> Option<Vec<Slot>> {
    let unknown = (0..actual.len()).filter(|at| is_unknown(&actual[*at]));
    unknown.map(|at| slot(at, candidates, left)).collect()
}

fn slot(at: usize, candidates: &[&[Parameter]], left: &[usize]) -> Option<Slot> {
    let mut slot: Option<Slot> = None;
    let mut conflict = false;
    for index in left {
        let parameter = &candidates[*index][at];
        let (category, preferred) = (category(parameter), is_preferred(parameter));
        match &mut slot {
            None => {
                slot = Some(Slot {
                    at,
                    category,
                    preferred,
                })
            }
            Some(slot) if slot.category == category => slot.preferred |= preferred,
            Some(slot) if category == Category::String => {
                *slot = Slot {
                    at,
                    category,
                    preferred,
                };
            }
            Some(slot) => conflict |= slot.category != Category::String,
        }
    }
    slot.filter(|slot| !conflict || slot.category == Category::String)
}

fn category(parameter: &Parameter) -> Category {
    match parameter {
        Parameter::Of(of) => of.category(),
        _ => Category::Pseudo,
    }
}

fn is_preferred(parameter: &Parameter) -> bool {
    parameter.concrete().is_some_and(Type::is_preferred)
}
