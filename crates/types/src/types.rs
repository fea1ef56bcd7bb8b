//! Types: a scalar or an array of scalars, and the modifier in brackets.
//!
//! ```text
//! numeric(10,2)[]   =  element numeric, array, modifier (10,2)
//! mood              =  element enum `mood` with its labels
//! positive_int      =  element domain over integer
//! ```
//!
//! A type carries what its values need (an enum's labels, a domain's base), so that decoding and
//! printing need no catalog. What only the catalog knows, such as a domain's CHECK expression, is
//! found there by the type's number.

use std::sync::Arc;

use crate::base::Base;
use crate::modifier::Modifier;
use crate::oid::{Category, Oid};

/// A type of SQL.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Type {
    /// The type itself, or of the array's elements.
    pub element: Element,
    /// Whether this is an array. PostgreSQL has one type for all numbers of dimensions.
    pub array: bool,
    /// What stands in brackets after the type's name.
    pub modifier: Modifier,
}

/// A type that is not an array.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Element {
    /// A built-in type.
    Base(Base),
    /// `CREATE TYPE ... AS ENUM`.
    Enum(Arc<EnumType>),
    /// `CREATE DOMAIN`.
    Domain(Arc<DomainType>),
}

/// An enum: labels in an order of their own.
#[derive(Debug)]
pub struct EnumType {
    /// The type's number.
    pub oid: Oid,
    /// The number of the type of arrays of it.
    pub array_oid: Oid,
    /// Its name, without schema.
    pub name: String,
    /// Its labels, sorted by `order`.
    pub labels: Vec<Arc<EnumLabel>>,
}

/// A label of an enum.
///
/// Rows hold its `id`, which never changes, so that renaming rewrites nothing. Keys hold its
/// `order`; a label that is added between two others takes an order between theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumLabel {
    /// What rows store. Never given out twice within a type, and never zero.
    pub id: u32,
    /// Its place among the labels.
    pub order: f64,
    /// The label, at most 63 bytes.
    pub label: String,
}

/// A domain: another type with a name and constraints.
#[derive(Debug)]
pub struct DomainType {
    /// The type's number.
    pub oid: Oid,
    /// The number of the type of arrays of it.
    pub array_oid: Oid,
    /// Its name, without schema.
    pub name: String,
    /// What it is made of; may be a domain again.
    pub base: Type,
}

macro_rules! constants {
    ($($name:ident = $base:ident;)*) => {
        impl Type {
            $(#[doc = concat!("`", stringify!($base), "` without a modifier.")]
            pub const $name: Type = Type::of(Base::$base);)*
        }
    };
}

constants! {
    BOOL = Bool;
    INT2 = Int2;
    INT4 = Int4;
    INT8 = Int8;
    FLOAT4 = Float4;
    FLOAT8 = Float8;
    NUMERIC = Numeric;
    OID = Oid;
    TEXT = Text;
    VARCHAR = Varchar;
    BPCHAR = Bpchar;
    NAME = Name;
    CHAR = Char;
    UNKNOWN = Unknown;
    BYTEA = Bytea;
    DATE = Date;
    TIME = Time;
    TIMESTAMP = Timestamp;
    TIMESTAMPTZ = Timestamptz;
    INTERVAL = Interval;
    UUID = Uuid;
    JSON = Json;
    JSONB = Jsonb;
    VECTOR = Vector;
    RECORD = Record;
    VOID = Void;
}

impl Type {
    /// A built-in type without a modifier.
    pub const fn of(base: Base) -> Type {
        Type {
            element: Element::Base(base),
            array: false,
            modifier: Modifier::NONE,
        }
    }

    /// An enum's type.
    pub fn of_enum(definition: Arc<EnumType>) -> Type {
        Type {
            element: Element::Enum(definition),
            array: false,
            modifier: Modifier::NONE,
        }
    }

    /// A domain's type.
    pub fn of_domain(definition: Arc<DomainType>) -> Type {
        Type {
            element: Element::Domain(definition),
            array: false,
            modifier: Modifier::NONE,
        }
    }

    /// The same type with another modifier.
    #[must_use]
    pub fn with_modifier(&self, modifier: Modifier) -> Type {
        Type {
            modifier,
            ..self.clone()
        }
    }

    /// Arrays of this type; an array stays as it is, because dimensions are not part of a type.
    #[must_use]
    pub fn array_of(&self) -> Type {
        Type {
            array: true,
            ..self.clone()
        }
    }

    /// The type of an array's elements; `None` if this is not an array.
    pub fn element_type(&self) -> Option<Type> {
        self.array.then(|| Type {
            array: false,
            ..self.clone()
        })
    }

    /// The built-in type, unless this is an array, an enum or a domain.
    pub fn base(&self) -> Option<Base> {
        match (&self.element, self.array) {
            (Element::Base(base), false) => Some(*base),
            _ => None,
        }
    }

    /// The type below all domains: the one whose values these are.
    #[must_use]
    pub fn without_domains(&self) -> Type {
        match (&self.element, self.array) {
            (Element::Domain(domain), false) => domain.base.without_domains(),
            _ => self.clone(),
        }
    }

    /// The type's number.
    pub fn oid(&self) -> Oid {
        match (&self.element, self.array) {
            (Element::Base(base), false) => base.oid(),
            (Element::Base(base), true) => base.row().array,
            (Element::Enum(definition), false) => definition.oid,
            (Element::Enum(definition), true) => definition.array_oid,
            (Element::Domain(definition), false) => definition.oid,
            (Element::Domain(definition), true) => definition.array_oid,
        }
    }

    /// The built-in type (or array of one) with this number.
    pub fn from_oid(oid: Oid) -> Option<Type> {
        if let Some(base) = Base::from_oid(oid) {
            return Some(Type::of(base));
        }
        let element = Base::from_oid(oid.array_element()?.oid)?;
        Some(Type::of(element).array_of())
    }

    /// The category, the first thing that decides between overloads.
    pub fn category(&self) -> Category {
        match (&self.element, self.array) {
            (_, true) => Category::Array,
            (Element::Base(base), false) => base.row().category,
            (Element::Enum(_), false) => Category::Enum,
            (Element::Domain(domain), false) => domain.base.category(),
        }
    }

    /// Whether its category converts to it when in doubt.
    pub fn is_preferred(&self) -> bool {
        self.base().is_some_and(|base| base.row().preferred)
    }

    /// The name in messages, without a modifier: `integer`, `text[]`.
    pub fn name(&self) -> String {
        let element = match &self.element {
            Element::Base(base) => base.sql_name(),
            Element::Enum(definition) => &definition.name,
            Element::Domain(definition) => &definition.name,
        };
        if self.array {
            format!("{element}[]")
        } else {
            element.to_owned()
        }
    }

    /// The name with its modifier, as `format_type` prints it: `numeric(10,2)[]`.
    pub fn full_name(&self) -> String {
        let element = match &self.element {
            Element::Base(base) => self.modifier.format(*base),
            Element::Enum(definition) => definition.name.clone(),
            Element::Domain(definition) => definition.name.clone(),
        };
        if self.array {
            format!("{element}[]")
        } else {
            element
        }
    }

    /// Whether values have an order.
    pub fn is_ordered(&self) -> bool {
        match &self.element {
            Element::Base(base) => base.is_ordered(),
            Element::Enum(_) => true,
            Element::Domain(domain) => domain.base.is_ordered(),
        }
    }
}

impl EnumType {
    /// The label with this text.
    pub fn by_label(&self, label: &str) -> Option<&Arc<EnumLabel>> {
        self.labels.iter().find(|each| each.label == label)
    }

    /// The label that rows store as `id`.
    pub fn by_id(&self, id: u32) -> Option<&Arc<EnumLabel>> {
        self.labels.iter().find(|each| each.id == id)
    }

    /// The label with this place in the order.
    pub fn by_order(&self, order: f64) -> Option<&Arc<EnumLabel>> {
        self.labels.iter().find(|each| each.order == order)
    }
}

impl PartialEq for EnumType {
    /// The same type, even if labels were added meanwhile.
    fn eq(&self, other: &EnumType) -> bool {
        self.oid == other.oid
    }
}

impl Eq for EnumType {}

impl std::hash::Hash for EnumType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.oid.hash(state);
    }
}

impl PartialEq for DomainType {
    fn eq(&self, other: &DomainType) -> bool {
        self.oid == other.oid
    }
}

impl Eq for DomainType {}

impl std::hash::Hash for DomainType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.oid.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_format_type() {
        let numeric = Type::NUMERIC.with_modifier(Modifier::numeric(10, 2).unwrap());
        assert_eq!(numeric.array_of().full_name(), "numeric(10,2)[]");
        assert_eq!(numeric.array_of().name(), "numeric[]");
        assert_eq!(Type::INT4.full_name(), "integer");
    }

    #[test]
    fn numbers_lead_back_to_types() {
        for base in Base::ALL {
            let scalar = Type::of(base);
            assert_eq!(Type::from_oid(scalar.oid()), Some(scalar.clone()));
            let array = scalar.array_of();
            if array.oid() != Oid(0) {
                assert_eq!(Type::from_oid(array.oid()), Some(array));
            }
        }
    }

    #[test]
    fn domains_are_seen_through() {
        let inner = Type::of_domain(Arc::new(DomainType {
            oid: Oid(20000),
            array_oid: Oid(20001),
            name: "positive".to_owned(),
            base: Type::INT4,
        }));
        assert_eq!(inner.without_domains(), Type::INT4);
        assert_eq!(inner.category(), Category::Numeric);
        assert_eq!(inner.base(), None);
        assert_eq!(inner.array_of().oid(), Oid(20001));
    }
}
