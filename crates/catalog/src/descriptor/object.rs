//! Any object.

use std::sync::Arc;

use rustdb_types::Oid;

use super::comment::Comments;
use super::relation::{Schema, Sequence, TypeObject, View};
use super::statistics::TableStatistics;
use super::table::Table;
use crate::codec::Kind;

/// An object of the catalog. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A schema.
    Schema(Arc<Schema>),
    /// A type.
    Type(Arc<TypeObject>),
    /// A sequence.
    Sequence(Arc<Sequence>),
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
    /// The statistics of a table; they have its number.
    Statistics(Arc<TableStatistics>),
    /// What is said about an object; it has the object's number.
    Comments(Arc<Comments>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Schema(_) => Kind::Schema,
            Object::Type(_) => Kind::Type,
            Object::Sequence(_) => Kind::Sequence,
            Object::Table(_) => Kind::Table,
            Object::View(_) => Kind::View,
            Object::Statistics(_) => Kind::Statistics,
            Object::Comments(_) => Kind::Comments,
        }
    }

    /// Its number.
    pub fn oid(&self) -> Oid {
        match self {
            Object::Schema(schema) => schema.oid,
            Object::Type(object) => object.oid(),
            Object::Sequence(sequence) => sequence.oid,
            Object::Table(table) => table.oid,
            Object::View(view) => view.oid,
            Object::Statistics(statistics) => statistics.table,
            Object::Comments(comments) => comments.object,
        }
    }

    /// Its name; statistics and comments have none.
    pub fn name(&self) -> &str {
        match self {
            Object::Schema(schema) => &schema.name,
            Object::Type(object) => object.name(),
            Object::Sequence(sequence) => &sequence.name,
            Object::Table(table) => &table.name,
            Object::View(view) => &view.name,
            Object::Statistics(_) | Object::Comments(_) => "",
        }
    }

    /// The schema it is in, if it is in one.
    pub fn schema(&self) -> Option<Oid> {
        match self {
            Object::Schema(_) | Object::Statistics(_) | Object::Comments(_) => None,
            Object::Type(object) => Some(object.schema),
            Object::Sequence(sequence) => Some(sequence.schema),
            Object::Table(table) => Some(table.schema),
            Object::View(view) => Some(view.schema),
        }
    }
}
