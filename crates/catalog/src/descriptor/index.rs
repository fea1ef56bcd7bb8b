//! Indexes of tables.

use rustdb_txn::KeyspaceId;
use rustdb_types::{Oid, Type};

use super::table::{ColumnId, Expression};

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its number.
    pub oid: Oid,
    /// Its name, unique within the schema among tables, indexes, views and sequences.
    pub name: String,
    /// Where its entries are; `None` if the table's rows themselves are sorted by it.
    pub keyspace: Option<KeyspaceId>,
    /// What it is sorted by.
    pub columns: Vec<IndexColumn>,
    /// Columns that its entries carry besides.
    pub include: Vec<ColumnId>,
    /// Whether no two rows may have the same key.
    pub unique: bool,
    /// Whether keys with NULLs are the same if all else is.
    pub nulls_not_distinct: bool,
    /// Whether uniqueness is not checked row by row, because its constraint is deferrable.
    pub deferrable: bool,
    /// Which rows it holds; all, if there is none.
    pub predicate: Option<Expression>,
    /// What it was created with after USING.
    pub method: IndexMethod,
    /// How far it is built.
    pub state: IndexState,
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexColumn {
    /// What it holds.
    pub key: IndexKey,
    /// Whether greater values come first.
    pub descending: bool,
    /// Whether NULLs come first.
    pub nulls_first: bool,
}

/// What a column of an index holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexKey {
    /// A column of the table.
    Column(ColumnId),
    /// The value of an expression over the row.
    Expression {
        /// The expression.
        expression: Expression,
        /// Its type.
        result: Type,
    },
}

/// What an index was created with after USING. Both are kept in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexMethod {
    /// `btree`.
    #[default]
    BTree,
    /// `hash`: serves only equality.
    Hash,
}

/// How far an index is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexState {
    /// Writers keep it up; nobody reads it yet.
    WriteOnly,
    /// Complete.
    #[default]
    Public,
    /// Its building failed; it is not complete and never will be.
    Invalid,
}

impl Index {
    /// The columns of the table that it is sorted by, if no column of it is an expression.
    pub fn plain_columns(&self) -> Option<Vec<ColumnId>> {
        let ids = self.columns.iter().map(|column| match column.key {
            IndexKey::Column(id) => Some(id),
            IndexKey::Expression { .. } => None,
        });
        ids.collect()
    }

    /// Whether it holds every row of the table.
    pub fn is_total(&self) -> bool {
        self.predicate.is_none()
    }
}

impl IndexColumn {
    /// A column of the table, ascending, NULLs last.
    pub fn ascending(id: ColumnId) -> IndexColumn {
        IndexColumn {
            key: IndexKey::Column(id),
            descending: false,
            nulls_first: false,
        }
    }
}
