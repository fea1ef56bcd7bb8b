//! Schemas, views, sequences and types.

use std::sync::Arc;

use rustdb_types::{DomainType, EnumType, Oid, Type};

use super::table::{ColumnId, Dependency, Expression};

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its number.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Whether it is gone with its session, and everything in it.
    pub temporary: bool,
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its number.
    pub oid: Oid,
    /// The schema it is in.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ViewColumn>,
    /// The query, with all names qualified.
    pub query: Expression,
    /// Whether it is gone with its session.
    pub temporary: bool,
    /// WITH CHECK OPTION: what is asked of rows that are written through it.
    pub check_option: Option<CheckOption>,
}

/// Which conditions rows have to meet that are written through a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOption {
    /// Its own.
    Local,
    /// Its own, and those of all views below it.
    Cascaded,
}

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: Type,
}

/// A sequence. Its value is elsewhere: see [`Sequences`](crate::Sequences).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Its number.
    pub oid: Oid,
    /// The schema it is in.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// `smallint`, `integer` or `bigint`.
    pub data_type: Type,
    /// The first value.
    pub start: i64,
    /// From one value to the next; not zero.
    pub increment: i64,
    /// The least value.
    pub minimum: i64,
    /// The greatest value.
    pub maximum: i64,
    /// How many values a session takes at once.
    pub cache: i64,
    /// Whether it begins again after its end.
    pub cycle: bool,
    /// The column with which it is dropped.
    pub owned_by: Option<(Oid, ColumnId)>,
    /// Whether it is gone with its session.
    pub temporary: bool,
    /// Under which number its value is kept. RESTART takes a new one, which is how it can be
    /// rolled back.
    pub storage: Oid,
}

/// A type that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeObject {
    /// The schema it is in.
    pub schema: Oid,
    /// What it is.
    pub kind: TypeKind,
}

/// What a created type is.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `CREATE TYPE ... AS ENUM`.
    Enum(Arc<EnumType>),
    /// `CREATE DOMAIN`.
    Domain(DomainObject),
}

/// A domain with its constraints.
#[derive(Clone, Debug)]
pub struct DomainObject {
    /// Name and type below.
    pub definition: Arc<DomainType>,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// What columns of it get by default.
    pub default: Option<Expression>,
    /// Its CHECK constraints.
    pub checks: Vec<DomainCheck>,
}

/// A CHECK constraint of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainCheck {
    /// Its number.
    pub oid: Oid,
    /// Its name, unique within the domain.
    pub name: String,
    /// What must not be false; the value is called VALUE.
    pub expression: Expression,
    /// Whether all values are known to keep it.
    pub validated: bool,
}

impl TypeObject {
    /// Its number.
    pub fn oid(&self) -> Oid {
        match &self.kind {
            TypeKind::Enum(definition) => definition.oid,
            TypeKind::Domain(domain) => domain.definition.oid,
        }
    }

    /// The number of the type of its arrays.
    pub fn array_oid(&self) -> Oid {
        match &self.kind {
            TypeKind::Enum(definition) => definition.array_oid,
            TypeKind::Domain(domain) => domain.definition.array_oid,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match &self.kind {
            TypeKind::Enum(definition) => &definition.name,
            TypeKind::Domain(domain) => &domain.definition.name,
        }
    }

    /// As a type of values.
    pub fn as_type(&self) -> Type {
        match &self.kind {
            TypeKind::Enum(definition) => Type::of_enum(definition.clone()),
            TypeKind::Domain(domain) => Type::of_domain(domain.definition.clone()),
        }
    }
}

impl TypeKind {
    /// The same type under another name.
    pub(crate) fn renamed(&self, name: &str) -> TypeKind {
        let name = name.to_owned();
        match self {
            TypeKind::Enum(definition) => TypeKind::Enum(Arc::new(EnumType {
                oid: definition.oid,
                array_oid: definition.array_oid,
                name,
                labels: definition.labels.clone(),
            })),
            TypeKind::Domain(domain) => TypeKind::Domain(DomainObject {
                definition: Arc::new(DomainType {
                    oid: domain.definition.oid,
                    array_oid: domain.definition.array_oid,
                    name,
                    base: domain.definition.base.clone(),
                }),
                ..domain.clone()
            }),
        }
    }
}

/// NB: types compare by number; definitions compare by what they hold.
impl PartialEq for TypeKind {
    fn eq(&self, other: &TypeKind) -> bool {
        match (self, other) {
            (TypeKind::Enum(one), TypeKind::Enum(two)) => {
                (one.oid, one.array_oid, &one.name, &one.labels)
                    == (two.oid, two.array_oid, &two.name, &two.labels)
            }
            (TypeKind::Domain(one), TypeKind::Domain(two)) => {
                let (a, b) = (&one.definition, &two.definition);
                (a.oid, a.array_oid, &a.name, &a.base) == (b.oid, b.array_oid, &b.name, &b.base)
                    && (one.not_null, &one.default, &one.checks)
                        == (two.not_null, &two.default, &two.checks)
            }
            (TypeKind::Enum(_), TypeKind::Domain(_)) | (TypeKind::Domain(_), TypeKind::Enum(_)) => {
                false
            }
        }
    }
}

impl Eq for TypeKind {}

impl View {
    /// What it reads.
    pub fn depends_on(&self) -> &[Dependency] {
        &self.query.depends_on
    }
}
