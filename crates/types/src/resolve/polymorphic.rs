//! What `anyelement` and its kin stand for in a call.
//!
//! `anyelement`, `anyarray`, `anynonarray`, `anyenum` stand for one type wherever they are written
//! (an array for arrays of it). The `anycompatible` family stands for the common type of what it
//! is given.

use super::common;
use super::select::is_convertible;
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::parameter::Parameter;
use crate::types::{Element, Type};

impl Parameter {
    /// The elements of a variadic parameter.
    pub(super) fn element(&self) -> Option<Parameter> {
        match self {
            Parameter::Of(of) => of.element_type().map(Parameter::Of),
            Parameter::AnyArray => Some(Parameter::AnyElement),
            Parameter::AnyCompatibleArray => Some(Parameter::AnyCompatible),
            // `VARIADIC "any"`.
            Parameter::Any => Some(Parameter::Any),
            _ => None,
        }
    }

    fn is_exact_family(&self) -> bool {
        matches!(
            self,
            Parameter::AnyElement
                | Parameter::AnyArray
                | Parameter::AnyNonArray
                | Parameter::AnyEnum
        )
    }

    fn is_compatible_family(&self) -> bool {
        matches!(
            self,
            Parameter::AnyCompatible
                | Parameter::AnyCompatibleArray
                | Parameter::AnyCompatibleNonArray
        )
    }

    /// Whether this stands for arrays of what its family stands for.
    fn is_array_of_family(&self) -> bool {
        matches!(self, Parameter::AnyArray | Parameter::AnyCompatibleArray)
    }
}

/// Whether the polymorphic parameters can stand for something, given these arguments.
pub(super) fn is_consistent(parameters: &[Parameter], actual: &[Type]) -> bool {
    let exact = exact_element(parameters, actual);
    let compatible = compatible_element(parameters, actual);
    exact.is_ok() && compatible.is_ok()
}

/// What the arguments are cast to, and the type of the result.
pub(super) fn bind(
    parameters: &[Parameter],
    result: &Parameter,
    actual: &[Type],
) -> Result<(Vec<Type>, Type)> {
    let element = exact_element(parameters, actual).unwrap_or(None);
    let compatible = compatible_element(parameters, actual).unwrap_or(None);
    let undetermined = || {
        let words = "could not determine polymorphic type because input has type unknown";
        Error::new(SqlState::DATATYPE_MISMATCH, words)
    };
    let stands_for = |parameter: &Parameter| -> Result<Type> {
        let element = match parameter {
            Parameter::Of(of) => return Ok(of.clone()),
            Parameter::Any => return Ok(Type::UNKNOWN),
            other if other.is_exact_family() => element.clone().ok_or_else(undetermined)?,
            _ => compatible.clone().unwrap_or(Type::TEXT),
        };
        if !parameter.is_array_of_family() {
            return Ok(element);
        }
        array_of(&element)
    };
    let arguments = parameters
        .iter()
        .zip(actual)
        .map(|(parameter, of)| match parameter {
            Parameter::Any => Ok(of.clone()),
            other => stands_for(other),
        });
    Ok((
        arguments.collect::<Result<Vec<Type>>>()?,
        stands_for(result)?,
    ))
}

/// Arrays of a type; there are none of arrays.
pub(super) fn array_of(element: &Type) -> Result<Type> {
    if element.array {
        let words = format!("could not find array type for data type {}", element.name());
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, words));
    }
    Ok(element.array_of())
}

/// The arguments contradict each other.
struct Contradiction;

/// The element that an array argument gives; a domain over an array counts as the array.
fn element_of(of: &Type) -> Option<Type> {
    of.element_type()
        .or_else(|| of.without_domains().element_type())
}

fn is_unknown(of: &Type) -> bool {
    of.base() == Some(Base::Unknown)
}

/// The type that `anyelement` stands for; `None` if only unknown arguments tell.
fn exact_element(
    parameters: &[Parameter],
    actual: &[Type],
) -> std::result::Result<Option<Type>, Contradiction> {
    let mut element: Option<Type> = None;
    for (parameter, of) in pairs(parameters, actual, Parameter::is_exact_family) {
        let plain = of.with_modifier(crate::modifier::Modifier::NONE);
        let given = if parameter.is_array_of_family() {
            element_of(&plain).ok_or(Contradiction)?
        } else {
            plain
        };
        match &element {
            Some(other) if other.oid() != given.oid() => return Err(Contradiction),
            _ => element = Some(given),
        }
    }
    let Some(found) = &element else {
        return Ok(None);
    };
    let has = |wanted: &Parameter| parameters.contains(wanted);
    let is_enum = matches!(found.without_domains().element, Element::Enum(_));
    let wrong = (has(&Parameter::AnyNonArray) && element_of(found).is_some())
        || (has(&Parameter::AnyEnum) && !is_enum);
    if wrong {
        Err(Contradiction)
    } else {
        Ok(element)
    }
}

/// The type that `anycompatible` stands for; `None` if only unknown arguments tell.
fn compatible_element(
    parameters: &[Parameter],
    actual: &[Type],
) -> std::result::Result<Option<Type>, Contradiction> {
    let mut elements = Vec::new();
    for (parameter, of) in pairs(parameters, actual, Parameter::is_compatible_family) {
        elements.push(if parameter.is_array_of_family() {
            element_of(of).ok_or(Contradiction)?
        } else {
            of.clone()
        });
    }
    if elements.is_empty() {
        return Ok(None);
    }
    let common = common::find(&elements).map_err(|_| Contradiction)?;
    let reached = elements.iter().all(|of| is_convertible(of, &common));
    let nonarray = parameters.contains(&Parameter::AnyCompatibleNonArray);
    if !reached || (nonarray && element_of(&common).is_some()) {
        return Err(Contradiction);
    }
    Ok(Some(common))
}

/// The parameters of a family whose arguments have a type.
fn pairs<'a>(
    parameters: &'a [Parameter],
    actual: &'a [Type],
    family: impl Fn(&Parameter) -> bool + 'a,
) -> impl Iterator<Item = (&'a Parameter, &'a Type)> {
    parameters
        .iter()
        .zip(actual)
        .filter(move |(parameter, of)| family(parameter) && !is_unknown(of))
}
