//! What a SQL database knows of itself: schemas, tables, columns, constraints, indexes, views,
//! sequences, types.
//!
//! ```text
//! store ──▶ snapshot   what is committed: immutable, shared, one per moment
//!   │          ▲
//!   │       change     what a transaction's definitions add to it, until they commit
//!   │          │
//!   ▼          ▼
//! codec ──▶ descriptor  objects, as plain data and as stored bytes
//! sequence              values of sequences, which no transaction takes back
//! ```
//!
//! Catalogs are read at the newest state, under locks of objects and names ([`lock`]), not at a
//! transaction's snapshot. Expressions are stored as the text of SQL with the objects they depend
//! on; the crate never reads that text.

#![forbid(unsafe_code)]

mod change;
mod codec;
mod databases;
mod define;
mod dependency;
mod descriptor;
mod error;
pub mod lock;
mod sequence;
mod shards;
mod snapshot;
mod store;

pub use change::{CatalogChange, ChangeMark};
pub use codec::{Kind, decode_object, encode_object};
pub use databases::{FIRST_DATABASE, FIRST_DATABASE_NAME};
pub use define::{
    ConstraintDefinition, ConstraintDefinitionKind, DropBehavior, Dropped, ForeignKeyDefinition,
    IndexDefinition, NAME_BYTES_MAX, TableDefinition, choose_name, truncate_name,
};
pub use dependency::{DependencyKind, Part};
pub use descriptor::{
    Action, CheckOption, Column, ColumnId, ColumnStatistics, Comments, Constraint, ConstraintKind,
    Dependency, DomainCheck, DomainObject, Expression, ForeignKey, Generated, Index, IndexColumn,
    IndexKey, IndexMethod, IndexState, Match, Object, RowKeyColumns, Schema, Sequence, Table,
    TableStatistics, TypeKind, TypeObject, View, ViewColumn,
};
pub use error::{Error, Result};
pub use sequence::Sequences;
pub use snapshot::{Catalog, INFORMATION_SCHEMA, PG_CATALOG, PUBLIC, Relation};
pub use store::{CatalogStore, FIRST_USER_OID};
