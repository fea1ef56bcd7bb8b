//! What an operator or function takes and gives: a type, or a name that stands for some types.

use crate::base::Base;
use crate::oid::Oid;
use crate::types::Type;

/// The declared type of an argument or a result.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Parameter {
    /// This type.
    Of(Type),
    /// `"any"`: whatever comes, as it is.
    Any,
    /// `anyelement`: one type, the same wherever it is written.
    AnyElement,
    /// `anyarray`: arrays of `anyelement`.
    AnyArray,
    /// `anynonarray`: `anyelement`, and no array.
    AnyNonArray,
    /// `anyenum`: `anyelement`, and an enum.
    AnyEnum,
    /// `anycompatible`: types that have a common one.
    AnyCompatible,
    /// `anycompatiblearray`: arrays of `anycompatible`.
    AnyCompatibleArray,
    /// `anycompatiblenonarray`: `anycompatible`, and no array.
    AnyCompatibleNonArray,
}

impl Parameter {
    /// A built-in type.
    pub const fn base(base: Base) -> Parameter {
        Parameter::Of(Type::of(base))
    }

    /// An array of a built-in type.
    pub const fn array(base: Base) -> Parameter {
        let mut of = Type::of(base);
        of.array = true;
        Parameter::Of(of)
    }

    /// The number of the type or pseudo-type.
    pub fn oid(&self) -> Oid {
        match self {
            Parameter::Of(of) => of.oid(),
            Parameter::Any => Oid::ANY,
            Parameter::AnyElement => Oid::ANYELEMENT,
            Parameter::AnyArray => Oid::ANYARRAY,
            Parameter::AnyNonArray => Oid::ANYNONARRAY,
            Parameter::AnyEnum => Oid::ANYENUM,
            Parameter::AnyCompatible => Oid::ANYCOMPATIBLE,
            Parameter::AnyCompatibleArray => Oid::ANYCOMPATIBLEARRAY,
            Parameter::AnyCompatibleNonArray => Oid::ANYCOMPATIBLENONARRAY,
        }
    }

    /// The type, unless this stands for several.
    pub fn concrete(&self) -> Option<&Type> {
        match self {
            Parameter::Of(of) => Some(of),
            _ => None,
        }
    }

    /// The name in messages.
    pub fn name(&self) -> String {
        match self {
            Parameter::Of(of) => of.name(),
            other => {
                let row = other.oid().built_in();
                row.map_or_else(String::new, |row| row.sql_name.to_owned())
            }
        }
    }
}
