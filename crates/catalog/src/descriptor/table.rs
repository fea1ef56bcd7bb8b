//! Tables and their columns.

use std::sync::Arc;

use rustdb_txn::KeyspaceId;
use rustdb_types::{Oid, RowLayout, Type, Value};

use super::constraint::{Constraint, ConstraintKind, ForeignKey};
use super::index::Index;

/// The number of a column within its table: its place in rows, counted from one, and never given
/// out twice (PostgreSQL's `attnum`).
pub type ColumnId = u32;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its number.
    pub oid: Oid,
    /// The schema it is in.
    pub schema: Oid,
    /// Its name.
    pub name: String,
    /// All columns there ever were; dropped ones keep their place. Column `n` is at `n - 1`.
    pub columns: Vec<Column>,
    /// Constraints other than NOT NULL, in order of creation.
    pub constraints: Vec<Constraint>,
    /// Indexes, in order of creation, the one of the row key included.
    pub indexes: Vec<Arc<Index>>,
    /// What rows are sorted by.
    pub row_key: RowKeyColumns,
    /// Whether rows may have columns that were not declared.
    pub flexible: bool,
    /// Whether the table is gone with its session.
    pub temporary: bool,
    /// Where the rows are.
    pub keyspace: KeyspaceId,
    /// Foreign keys that point here: table and constraint. Not stored; filled in by the catalog.
    pub referenced_by: Vec<(Oid, Oid)>,
}

/// What the keys of a table's rows are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKeyColumns {
    /// A number that nobody sees.
    Hidden,
    /// Columns that are NOT NULL and unique together.
    Columns(Vec<ColumnId>),
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its number.
    pub id: ColumnId,
    /// Its name; of a dropped column what it was.
    pub name: String,
    /// Its type; of a dropped column one that is stored in the same way.
    pub column_type: Type,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// What a row gets that says nothing about the column.
    pub default: Option<Expression>,
    /// Whether the database computes it.
    pub generated: Option<Generated>,
    /// What rows have that were written before the column was added.
    pub missing: Value,
    /// Whether it was dropped.
    pub dropped: bool,
    /// `ALTER COLUMN ... SET STATISTICS`.
    pub statistics_target: Option<u32>,
}

/// A column that the database computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generated {
    /// `GENERATED ALWAYS AS (...) STORED`.
    Stored(Expression),
    /// `GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY`.
    Identity {
        /// Whether an INSERT may not say otherwise.
        always: bool,
        /// The sequence it takes its values from.
        sequence: Oid,
    },
}

/// The text of an expression of SQL, and what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// SQL that parses to the expression, with all names qualified.
    pub text: String,
    /// Objects that must not go before it.
    pub depends_on: Vec<Dependency>,
}

/// An object, or a column of it, that something depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// The object.
    pub object: Oid,
    /// The column, if it is about a column.
    pub column: Option<ColumnId>,
}

impl Table {
    /// A table without anything, in no schema.
    pub fn new(oid: Oid, name: impl Into<String>) -> Table {
        Table {
            oid,
            schema: Oid(0),
            name: name.into(),
            columns: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            row_key: RowKeyColumns::Hidden,
            flexible: false,
            temporary: false,
            keyspace: KeyspaceId(0),
            referenced_by: Vec::new(),
        }
    }

    /// The columns that were not dropped.
    pub fn live_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.dropped)
    }

    /// A column by number, dropped or not.
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.columns.get(Column::place(id)?)
    }

    /// A column by name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.live_columns().find(|column| column.name == name)
    }

    /// The names of columns, as messages list them: `a, b`.
    pub fn column_names(&self, ids: &[ColumnId]) -> String {
        let names = ids
            .iter()
            .map(|id| self.column(*id).map_or("?", |column| column.name.as_str()));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The primary key.
    pub fn primary_key(&self) -> Option<&Constraint> {
        let mut constraints = self.constraints.iter();
        constraints.find(|each| matches!(each.kind, ConstraintKind::PrimaryKey { .. }))
    }

    /// A constraint by number.
    pub fn constraint(&self, oid: Oid) -> Option<&Constraint> {
        self.constraints.iter().find(|each| each.oid == oid)
    }

    /// A constraint by name.
    pub fn constraint_named(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|each| each.name == name)
    }

    /// The foreign keys of this table.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&Constraint, &ForeignKey)> {
        self.constraints.iter().filter_map(|each| match &each.kind {
            ConstraintKind::ForeignKey(key) => Some((each, key)),
            _ => None,
        })
    }

    /// An index by number.
    pub fn index(&self, oid: Oid) -> Option<&Arc<Index>> {
        self.indexes.iter().find(|each| each.oid == oid)
    }

    /// The constraint that an index keeps, if it was made for one.
    pub fn constraint_of_index(&self, index: Oid) -> Option<&Constraint> {
        self.constraints
            .iter()
            .find(|each| each.kind.index() == Some(index))
    }

    /// Where the columns are in stored rows.
    pub fn layout(&self) -> rustdb_types::Result<RowLayout> {
        let mut layout = RowLayout::default();
        for column in &self.columns {
            layout.push(column.column_type.clone(), column.missing.clone())?;
        }
        Ok(layout)
    }

    /// Every keyspace that holds something of the table.
    pub fn keyspaces(&self) -> impl Iterator<Item = KeyspaceId> {
        let own = [self.keyspace].into_iter();
        own.chain(self.indexes.iter().filter_map(|index| index.keyspace))
    }
}

impl Column {
    /// A column with a name and a type, and nothing else.
    pub fn new(id: ColumnId, name: impl Into<String>, column_type: Type) -> Column {
        Column {
            id,
            name: name.into(),
            column_type,
            not_null: false,
            default: None,
            generated: None,
            missing: Value::Null,
            dropped: false,
            statistics_target: None,
        }
    }

    /// The place in rows of the column with this number.
    pub fn place(id: ColumnId) -> Option<usize> {
        (id as usize).checked_sub(1)
    }
}

impl Expression {
    /// An expression that needs no object.
    pub fn new(text: impl Into<String>) -> Expression {
        Expression {
            text: text.into(),
            depends_on: Vec::new(),
        }
    }
}
