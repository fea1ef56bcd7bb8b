//! What ANALYZE found out about a table.

use rustdb_types::{Oid, Type, Value};

use super::table::ColumnId;

/// Statistics of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableStatistics {
    /// The table.
    pub table: Oid,
    /// How many rows there were.
    pub rows: u64,
    /// Rows changed since, as far as was noted when the statistics were stored.
    pub changed: u64,
    /// When, in microseconds since the Unix epoch.
    pub analyzed_micros: u64,
    /// Bytes of an average row.
    pub row_bytes: f64,
    /// Per column.
    pub columns: Vec<ColumnStatistics>,
}

/// Statistics of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStatistics {
    /// The column.
    pub column: ColumnId,
    /// The type of the values below: what the column's was.
    pub column_type: Type,
    /// The share of rows where it is NULL.
    pub null_fraction: f64,
    /// Bytes of an average value.
    pub width: f64,
    /// How many different values there are: a number, or if negative the share of the rows.
    pub distinct: f64,
    /// The most common values, each with its share of the rows.
    pub most_common: Vec<(Value, f64)>,
    /// Values that divide the others into parts of equal size.
    pub histogram: Vec<Value>,
    /// How well the order of values follows the order of rows, from -1 to 1.
    pub correlation: f64,
}

impl TableStatistics {
    /// The statistics of a column.
    pub fn column(&self, id: ColumnId) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|each| each.column == id)
    }
}
