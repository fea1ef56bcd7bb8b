//! The verbs of definition: what CREATE, ALTER and DROP do to descriptors.
//!
//! A verb checks what only the catalog can know (names, keys that foreign keys need), picks names
//! and numbers, and edits a [`CatalogChange`](crate::CatalogChange). It reads no SQL and no rows:
//! types, texts of expressions and their dependencies come from the caller, and what has to be
//! done with rows (building an index, validating a constraint) is the caller's next step.
//!
//! Names are locked by the verb that takes or gives one up, with the transaction it is given.
//! Objects are locked by the caller, in the mode that fits the statement.

mod alter;
mod constraint;
mod drop;
mod index;
mod names;
mod schema;
mod table;

pub use constraint::{ConstraintDefinition, ConstraintDefinitionKind, ForeignKeyDefinition};
pub use drop::{DropBehavior, Dropped};
pub use index::IndexDefinition;
pub use names::{NAME_BYTES_MAX, choose_name, truncate_name};
pub use table::TableDefinition;
