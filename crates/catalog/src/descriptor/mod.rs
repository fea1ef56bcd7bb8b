//! Objects as plain data.
//!
//! A descriptor says everything that is stored about its object, and nothing that is not: what
//! follows from other objects ([`Table::referenced_by`]) is filled in by the catalog.

mod comment;
mod constraint;
mod index;
mod object;
mod relation;
mod statistics;
mod table;

pub use comment::Comments;
pub use constraint::{Action, Constraint, ConstraintKind, ForeignKey, Match};
pub use index::{Index, IndexColumn, IndexKey, IndexMethod, IndexState};
pub use object::Object;
pub use relation::{
    CheckOption, DomainCheck, DomainObject, Schema, Sequence, TypeKind, TypeObject, View,
    ViewColumn,
};
pub use statistics::{ColumnStatistics, TableStatistics};
pub use table::{Column, ColumnId, Dependency, Expression, Generated, RowKeyColumns, Table};
