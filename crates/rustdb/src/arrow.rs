//! Results and rows as Apache Arrow's record batches.
//!
//! ```
//! # let db = rustdb::Database::in_memory()?;
//! use rustdb::arrow::arrow_array::cast::AsArray;
//! use rustdb::arrow::arrow_array::types::Int32Type;
//!
//! let mut connection = db.connect()?;
//! connection.run("CREATE TABLE squares (n INT PRIMARY KEY, square INT)")?;
//! let batches = connection.query_arrow(
//!     "SELECT n, n * n AS square FROM generate_series(1, 40000) AS n",
//!     &[],
//! )?;
//! assert_eq!(batches.schema().field(1).name(), "square");
//! let batches = batches.collect::<rustdb::Result<Vec<_>>>()?;
//! assert_eq!(batches[0].column(0).as_primitive::<Int32Type>().value(4), 5);
//!
//! assert_eq!(connection.append_arrow("squares", batches)?, 40_000);
//! # Ok::<(), rustdb::Error>(())
//! ```
//!
//! A program depends on the crates of Arrow by itself, or takes [`arrow_array`] and
//! [`arrow_schema`] from here, which are sure to be of the same version.
//!
//! # Types
//!
//! | SQL | Arrow |
//! |---|---|
//! | `boolean`, `smallint`, `integer`, `bigint`, `real`, `double precision` | `Boolean`, `Int16` to `Int64`, `Float32`, `Float64` |
//! | `numeric(p, s)`, with at most 38 digits and 0 to `p` decimals | `Decimal128(p, s)` |
//! | `numeric` otherwise | `Utf8`, as its text |
//! | `text`, `varchar`, `char`, `name` | `Utf8` |
//! | `bytea` | `Binary` |
//! | `date`, `time` | `Date32`, `Time64(Microsecond)` |
//! | `timestamp`, `timestamptz` | `Timestamp(Microsecond)`, without a zone and with `UTC` |
//! | `interval` | `Interval(MonthDayNano)` |
//! | `uuid` | `FixedSizeBinary(16)`, the extension `arrow.uuid` |
//! | `json`, `jsonb` | `Utf8`, the extension `arrow.json` |
//! | `vector(n)`, `vector` | `FixedSizeList(Float32, n)`, `List(Float32)` |
//! | enums | `Dictionary(Int32, Utf8)`, with all labels in their order |
//! | arrays of one dimension | `List` |
//! | `oid` and its like | `UInt32` |
//! | domains | as what they are made of |
//! | rows | `Utf8`, as their text |
//!
//! What Arrow's type cannot say is an error that names the column: infinite dates and times,
//! numbers that are none in a `Decimal128`, intervals of more than 292 years in hours, arrays of
//! several dimensions. A cast to text in the statement helps.
//!
//! On their way in, values of all these types, and of the wider, narrower, large and view forms of
//! them, are checked against the columns of the table, as those of an INSERT are. Structs, maps,
//! unions and lists of lists are refused.

mod input;
mod output;
mod schema;

use std::sync::Arc;

/// Arrow's arrays and batches.
///
/// ```
/// use rustdb::arrow::arrow_array::{Array, Int32Array};
/// assert_eq!(Int32Array::from(vec![1, 2]).len(), 2);
/// ```
pub use arrow_array;

/// Arrow's schemas.
///
/// ```
/// use rustdb::arrow::arrow_schema::DataType;
/// assert_eq!(DataType::Int32.to_string(), "Int32");
/// ```
pub use arrow_schema;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use rustdb_sql::OutputColumn;
use rustdb_types::Value as SqlValue;

use crate::sql::{Appender, Connection, Row, Rows, ToStatement, Value};
use crate::{Error, ErrorKind, Result};

/// The most rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;

/// How large the values of a batch may become before it ends, so that it fits in memory, and its
/// texts in Arrow's offsets, which have 31 bits.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// The result of a statement as record batches, one after the other: see
/// [`Connection::query_arrow`].
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # let mut connection = db.connect()?;
/// let mut rows = 0;
/// for batch in connection.query_arrow("SELECT generate_series(1, 20000)", &[])? {
///     rows += batch?.num_rows();
/// }
/// assert_eq!(rows, 20_000);
/// # Ok::<(), rustdb::Error>(())
/// ```
pub struct Batches<'c> {
    rows: Rows<'c>,
    columns: Arc<[OutputColumn]>,
    schema: SchemaRef,
}

impl Connection {
    /// Runs a statement and gives its rows as record batches, so that a result may be larger than
    /// memory. What is not a transaction block ends when the batches do, or are dropped.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let text = "SELECT 1 AS n, 1.50 :: numeric(10, 2) AS price WHERE 1 = $1";
    /// let mut batches = connection.query_arrow(text, &[1.into()])?;
    /// let types: Vec<_> = batches.schema().fields().iter().map(|it| it.data_type().to_string()).collect();
    /// assert_eq!(types, ["Int32", "Decimal128(10, 2)"]);
    /// assert_eq!(batches.next().unwrap()?.num_rows(), 1);
    /// assert!(batches.next().is_none());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn query_arrow<S: ToStatement + ?Sized>(
        &mut self,
        statement: &S,
        parameters: &[Value],
    ) -> Result<Batches<'_>> {
        let rows = self.query_each(statement, parameters)?;
        let columns = rows.shape();
        Ok(Batches {
            schema: schema::schema_of(&columns),
            columns,
            rows,
        })
    }

    /// Inserts the rows of record batches into a table, whose name is written as in SQL. The fields
    /// of the batches are the columns, by name; columns that are left out have their defaults. All
    /// is one statement. Returns how many rows there were.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// use rustdb::arrow::arrow_array::{record_batch, RecordBatch};
    /// let batch = record_batch!(("id", Int64, [1, 2]), ("name", Utf8, ["one", "two"])).unwrap();
    /// connection.run("CREATE TABLE numbers (name TEXT, id INT PRIMARY KEY)")?;
    /// assert_eq!(connection.append_arrow("numbers", [batch])?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn append_arrow(
        &mut self,
        table: &str,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<u64> {
        let mut batches = batches.into_iter();
        let Some(first) = batches.next() else {
            return Ok(0);
        };
        let schema = first.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|it| it.name().as_str())
            .collect();
        if names.is_empty() {
            return Err(refused("a record batch without columns"));
        }
        let mut appender = self.appender(table, &names)?;
        appender.append_batch(&first)?;
        for batch in batches {
            if batch.schema().fields() != schema.fields() {
                return Err(refused("the record batches have different columns"));
            }
            appender.append_batch(&batch)?;
        }
        appender.finish()
    }
}

impl Appender<'_> {
    /// Appends the rows of a record batch, whose columns come in the order of the appender's. After
    /// an error nothing of what was appended stays.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// use rustdb::arrow::arrow_array::{record_batch, RecordBatch};
    /// connection.run("CREATE TABLE numbers (id INT PRIMARY KEY, name TEXT)")?;
    /// let mut appender = connection.appender("numbers", &["id"])?;
    /// appender.append_batch(&record_batch!(("any name", UInt8, [1, 2])).unwrap())?;
    /// assert_eq!(appender.finish()?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn append_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let result = self.append_checked(batch);
        if result.is_err() {
            self.give_up();
        }
        result
    }

    fn append_checked(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let of_column = |place: usize, why: String| {
            refused(&format!("column `{}`{why}", schema.field(place).name()))
        };
        let mut readers = Vec::with_capacity(batch.num_columns());
        for (place, array) in batch.columns().iter().enumerate() {
            let reader = input::reader(array, schema.field(place));
            readers.push(reader.map_err(|why| of_column(place, format!(": {why}")))?);
        }
        let mut values = Vec::with_capacity(readers.len());
        for row in 0..batch.num_rows() {
            values.clear();
            for (place, reader) in readers.iter().enumerate() {
                let value = reader(row);
                let value = value.map_err(|why| of_column(place, format!(", row {row}: {why}")))?;
                values.push(Value::from(value));
            }
            self.append(&values)?;
        }
        Ok(())
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

impl Batches<'_> {
    /// The columns: what every batch has.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # let mut connection = db.connect()?;
    /// let batches = connection.query_arrow("SELECT 1 AS n WHERE FALSE", &[])?;
    /// assert_eq!(batches.schema().field(0).name(), "n");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The rows of the next batch.
    fn rows(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(row) = self.rows.next().transpose()? else {
                break;
            };
            bytes += row.values().iter().map(output::bytes_of).sum::<usize>();
            rows.push(row);
        }
        Ok(rows)
    }

    fn batch(&self, rows: &[Row]) -> Result<RecordBatch> {
        let settings = self.rows.settings();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (place, column) in self.columns.iter().enumerate() {
            let values: Vec<&SqlValue> = rows.iter().map(|row| &row.values()[place]).collect();
            let data = self.schema.field(place).data_type();
            let array = output::array_of(&column.of, data, &values, settings).map_err(|why| {
                let message = format!(
                    "column `{}` of type {}: {why}",
                    column.name,
                    column.of.name()
                );
                refused(&message).with_hint("cast it to text in the statement")
            })?;
            arrays.push(array);
        }
        // A statement may have rows without columns.
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|error| refused(&error.to_string()))
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let batch = match self.rows() {
            Ok(rows) if rows.is_empty() => return None,
            Ok(rows) => self.batch(&rows),
            Err(error) => Err(error),
        };
        if batch.is_err() {
            self.rows.stop();
        }
        Some(batch)
    }
}

impl std::fmt::Debug for Batches<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Batches")
    }
}
