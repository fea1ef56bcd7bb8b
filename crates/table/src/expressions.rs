//! What a table asks of those who know its expressions.

use std::fmt::Debug;

use rustdb_types::Value;

use crate::Result;

/// Evaluates the expressions of one table. Constraints, indexes and columns are named by their
/// place in the descriptor; rows have a value for every column, dropped ones included.
pub trait Expressions: Debug + Send + Sync {
    /// Whether a row keeps a CHECK constraint; `None` if the expression is NULL, which it does.
    fn check(&self, constraint: usize, row: &[Value]) -> Result<Option<bool>>;

    /// The value of an expression column of an index.
    fn index_value(&self, index: usize, column: usize, row: &[Value]) -> Result<Value>;

    /// Whether a partial index holds a row.
    fn predicate(&self, index: usize, row: &[Value]) -> Result<bool>;

    /// The default of a column, for `SET DEFAULT` of a foreign key.
    fn default(&self, column: usize) -> Result<Value>;

    /// The value of a generated column, for rows that a foreign key's action changes.
    fn generated(&self, column: usize, row: &[Value]) -> Result<Value>;
}
