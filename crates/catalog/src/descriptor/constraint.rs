//! Constraints of tables.

use rustdb_types::Oid;

use super::table::{ColumnId, Expression};

/// A constraint of a table. NOT NULL is not one; it is a property of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its number.
    pub oid: Oid,
    /// Its name, unique within the table.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether it may be checked at the end of the transaction.
    pub deferrable: bool,
    /// Whether it is, unless SET CONSTRAINTS says otherwise.
    pub initially_deferred: bool,
    /// Whether all rows are known to keep it (`NOT VALID` says no).
    pub validated: bool,
}

/// What a constraint demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`.
    PrimaryKey {
        /// Its columns, in order.
        columns: Vec<ColumnId>,
        /// The index that keeps it.
        index: Oid,
    },
    /// `UNIQUE`.
    Unique {
        /// Its columns, in order.
        columns: Vec<ColumnId>,
        /// The index that keeps it.
        index: Oid,
    },
    /// `CHECK`.
    Check {
        /// What must not be false.
        expression: Expression,
        /// The columns it reads.
        columns: Vec<ColumnId>,
    },
    /// `FOREIGN KEY`.
    ForeignKey(ForeignKey),
}

/// A reference to rows of another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<ColumnId>,
    /// The table referred to.
    pub parent: Oid,
    /// Its columns, one for each.
    pub parent_columns: Vec<ColumnId>,
    /// The unique index of the parent over those columns.
    pub parent_index: Oid,
    /// What a reference with some NULLs means.
    pub match_type: Match,
    /// What happens when the parent's row is deleted.
    pub on_delete: Action,
    /// What happens when the parent's key changes.
    pub on_update: Action,
    /// The columns that `ON DELETE SET NULL | SET DEFAULT` sets; all if empty.
    pub on_delete_columns: Vec<ColumnId>,
}

/// What a reference with some NULLs means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// It refers to nothing.
    #[default]
    Simple,
    /// It is an error.
    Full,
}

/// What happens to rows whose parent goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// An error, unless there is another parent when it is checked.
    #[default]
    NoAction,
    /// An error at once.
    Restrict,
    /// They go too, or follow.
    Cascade,
    /// They refer to nothing.
    SetNull,
    /// They get their columns' defaults.
    SetDefault,
}

impl ConstraintKind {
    /// The index that keeps it, if one does.
    pub fn index(&self) -> Option<Oid> {
        match self {
            ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. } => {
                Some(*index)
            }
            ConstraintKind::Check { .. } | ConstraintKind::ForeignKey(_) => None,
        }
    }

    /// The columns it is about.
    pub fn columns(&self) -> &[ColumnId] {
        match self {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::Check { columns, .. } => columns,
            ConstraintKind::ForeignKey(key) => &key.columns,
        }
    }
}
