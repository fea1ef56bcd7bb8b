//! Casts: which there are, and what they do.
//!
//! ```text
//! Cast::find   which way leads from a type to another, if any   (policy: table.rs, and the rules below)
//! Cast::apply  goes it                                           (mechanism: convert.rs, length.rs)
//! ```
//!
//! A cast may be used where its *context* allows: everywhere an expression needs another type
//! (implicit), where a value is stored (assignment), or only where it is written (explicit). The
//! ways are tried in this order:
//!
//! 1. the same type: nothing changes but what the modifier asks for;
//! 2. a literal of no type yet: read as the target;
//! 3. a domain is taken for the type below it;
//! 4. a row of [`table`];
//! 5. arrays: element by element, as the elements' types convert;
//! 6. to a string type, at least by assignment, and from one, only explicitly: through text.
//!
//! A domain's constraints are not checked here: their expressions are the catalog's.

mod convert;
mod length;
mod member;
mod table;

use std::sync::Arc;

use crate::array::Array;
use crate::base::Base;
use crate::error::{Error, Result, SqlState};
use crate::io;
use crate::modifier::Modifier;
use crate::oid::Category;
use crate::settings::Settings;
use crate::types::{Element, Type};
use crate::value::Value;

pub use table::{CASTS, CastMethod, CastRow};

/// Where a cast stands. A cast that may stand in one context may also stand in the later ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CastContext {
    /// An expression that needs another type.
    Implicit,
    /// A value that is stored in a column.
    Assignment,
    /// `CAST (x AS t)`, `x::t`.
    Explicit,
}

/// A way from a type to another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cast {
    source: Type,
    target: Type,
    way: Way,
    explicit: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Way {
    /// The value stays.
    Same,
    /// A function of the two base types.
    Convert(Base, Base),
    /// Printed and read.
    Text,
    /// Each element of an array.
    Elements(Box<Cast>),
    /// An array of numbers as a vector.
    ArrayToVector(Base),
    /// A vector as an array of `real`.
    VectorToArray,
    /// A document as a row, or a part of one.
    Document(member::Document),
}

impl Cast {
    /// The way from a type to another that may be used in this context; `None` if there is none.
    pub fn find(source: &Type, target: &Type, context: CastContext) -> Option<Cast> {
        let way = find_way(
            &source.without_domains(),
            &target.without_domains(),
            context,
        )?;
        Some(Cast {
            source: source.clone(),
            target: target.clone(),
            way,
            explicit: context == CastContext::Explicit,
        })
    }

    /// A document as one that `json_to_record` takes: an object. `of` is `json` or `jsonb`.
    pub fn to_row(of: &Type) -> Cast {
        Cast::document(of, of, member::Document::Row)
    }

    /// A document as one that `function` takes: an array.
    pub fn to_rows(of: &Type, function: &'static str) -> Cast {
        Cast::document(of, of, member::Document::Rows(function))
    }

    /// An element of such an array: an object.
    pub fn to_row_of(of: &Type, function: &'static str) -> Cast {
        Cast::document(of, of, member::Document::RowOf(function))
    }

    /// The member of an object as a value of a type; NULL without one.
    pub fn of_member(of: &Type, key: &str, target: &Type) -> Cast {
        Cast::document(of, target, member::Document::Member(key.into()))
    }

    fn document(source: &Type, target: &Type, document: member::Document) -> Cast {
        Cast {
            source: source.clone(),
            target: target.clone(),
            way: Way::Document(document),
            explicit: false,
        }
    }

    /// What an explicit cast says if there is no way.
    pub fn not_possible(source: &Type, target: &Type) -> Error {
        let words = format!("cannot cast type {} to {}", source.name(), target.name());
        Error::new(SqlState::CANNOT_COERCE, words)
    }

    /// The type of the results.
    pub fn target(&self) -> &Type {
        &self.target
    }

    /// Whether the cast changes nothing, so that it need not be applied.
    pub fn is_relabeling(&self) -> bool {
        self.way == Way::Same && !self.changes_length()
    }

    /// Converts a value of the source type. NULL stays NULL.
    pub fn apply(&self, value: &Value, settings: &Settings) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let target = self.target.without_domains();
        let converted = match &self.way {
            Way::Same => value.clone(),
            Way::Convert(from, to) => convert::convert(value, *from, *to, settings)?,
            Way::Text => {
                let text = match value {
                    Value::Text(text) => text.clone(),
                    other => io::format(other, &self.source, settings).into(),
                };
                let literal = self.source.base() == Some(Base::Unknown);
                io::parse(&text, &before_length(&target, literal), settings)?
            }
            Way::Elements(element) => return element.apply_to_array(value, settings),
            Way::ArrayToVector(element) => convert::array_to_vector(value, *element)?,
            Way::VectorToArray => convert::vector_to_array(value)?,
            Way::Document(document) => return document.apply(value, &target, settings),
        };
        if self.changes_length() {
            length::fit(converted, &target, self.explicit)
        } else {
            Ok(converted)
        }
    }

    fn apply_to_array(&self, value: &Value, settings: &Settings) -> Result<Value> {
        let Value::Array(array) = value else {
            return Err(Error::mismatch("array"));
        };
        let values = array.values().iter();
        let values = values.map(|value| self.apply(value, settings));
        let values = values.collect::<Result<Vec<Value>>>()?;
        let array = Array::new(array.dimensions().to_vec(), values)?;
        Ok(Value::Array(Arc::new(array)))
    }

    /// Whether the target's modifier has to be applied.
    fn changes_length(&self) -> bool {
        let source = self.source.without_domains();
        let target = self.target.without_domains();
        let same = self.way == Way::Same && source.modifier == target.modifier;
        target.modifier != Modifier::NONE && !same
    }
}

/// The type that text is read as before its length is fitted: explicit casts cut off what
/// reading would refuse. In a literal the fields of an interval say what a bare number means.
fn before_length(target: &Type, literal: bool) -> Type {
    if literal && target.base() == Some(Base::Interval) {
        target.clone()
    } else {
        target.with_modifier(Modifier::NONE)
    }
}

fn find_way(source: &Type, target: &Type, context: CastContext) -> Option<Way> {
    if source.oid() == target.oid() {
        let elements = source.array && source.modifier != target.modifier;
        let length = elements && target.modifier != Modifier::NONE;
        return if length {
            elements_way(source, target, context)
        } else {
            Some(Way::Same)
        };
    }
    if source.base() == Some(Base::Unknown) {
        return Some(Way::Text);
    }
    if let (Some(from), Some(to)) = (source.base(), target.base())
        && let Some(row) = table::find(from, to)
    {
        return (row.context <= context).then(|| row_way(row));
    }
    if source.array && target.array {
        return elements_way(source, target, context);
    }
    if let Some(way) = vector_way(source, target, context) {
        return Some(way);
    }
    let to_text = target.category() == Category::String && context >= CastContext::Assignment;
    let from_text = source.category() == Category::String && context >= CastContext::Explicit;
    let has_text = |of: &Type| !matches!(of.base(), Some(Base::Void));
    ((to_text || from_text) && has_text(source) && has_text(target)).then_some(Way::Text)
}

fn row_way(row: &CastRow) -> Way {
    match row.method {
        CastMethod::Function => Way::Convert(row.source, row.target),
        CastMethod::Binary if row.source == Base::Oid || row.target == Base::Oid => {
            Way::Convert(row.source, row.target)
        }
        CastMethod::Binary => Way::Same,
        CastMethod::Text => Way::Text,
    }
}

fn elements_way(source: &Type, target: &Type, context: CastContext) -> Option<Way> {
    let cast = Cast::find(&source.element_type()?, &target.element_type()?, context)?;
    Some(Way::Elements(Box::new(cast)))
}

/// pgvector's casts between vectors and arrays.
fn vector_way(source: &Type, target: &Type, context: CastContext) -> Option<Way> {
    if target.base() == Some(Base::Vector) && source.array {
        let Element::Base(element) = source.element else {
            return None;
        };
        let number = matches!(
            element,
            Base::Int4 | Base::Float4 | Base::Float8 | Base::Numeric
        );
        let allowed = number && context >= CastContext::Assignment;
        return allowed.then_some(Way::ArrayToVector(element));
    }
    let to_array = source.base() == Some(Base::Vector)
        && target.array
        && target.element == Element::Base(Base::Float4);
    to_array.then_some(Way::VectorToArray)
}

#[cfg(test)]
mod tests;
