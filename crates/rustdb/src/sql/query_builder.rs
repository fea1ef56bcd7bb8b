//! Queries of one table, put together call by call.

use std::fmt::Write as _;
use std::marker::PhantomData;

use super::{Connection, FromRow, Row, Value};
use crate::{Database, Error, ErrorKind, Result};

#[diagnostic::on_unimplemented(
    message = "no table is known for `{Self}`",
    note = "structs derive it: `#[derive(rustdb::Schema)] #[rustdb(table = \"...\")]`; else take \
            `QueryBuilder::of_table`"
)]
/// Says which table a type is a row of; structs derive it, together with [`FieldAccess`].
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use rustdb::sql::{FieldAccess, Schema};
///
/// #[derive(rustdb::Schema)]
/// #[rustdb(table = "users")]
/// struct User {
///     name: String,
///     age: i32,
/// }
///
/// assert_eq!(User::TABLE, "users");
/// assert_eq!(User::fields(), ["name", "age"]);
/// let ada = User { name: "Ada".to_owned(), age: 36 };
/// assert_eq!(ada.field("age"), Some(36.into()));
/// # }
/// ```
///
/// The derive knows the attributes of [`FromRow`](trait@FromRow); a struct within, with `flatten`,
/// derives `FieldAccess`.
pub trait Schema: FieldAccess {
    /// The table's name as it is, without quotes; a dot parts it from the name of a schema.
    const TABLE: &'static str;
}

/// The fields of a type by their names, which are those of the columns. See [`Schema`](trait@Schema).
///
/// ```
/// # #[cfg(feature = "derive")] {
/// use rustdb::sql::FieldAccess;
///
/// #[derive(rustdb::FieldAccess)]
/// struct Point {
///     x: f64,
///     y: f64,
/// }
///
/// assert_eq!(Point { x: 1.0, y: 2.0 }.field("y"), Some(2.0.into()));
/// # }
/// ```
pub trait FieldAccess {
    /// The names.
    fn fields() -> Vec<&'static str>;

    /// The value of a field, if there is one of that name.
    fn field(&self, name: &str) -> Option<Value>;
}

/// How a column is compared in a [`QueryBuilder::filter`]. A column that is NULL fits none, but
/// `Eq` NULL.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// # db.connect()?.run("CREATE TABLE words (word TEXT); INSERT INTO words VALUES ('crab'), ('rust'), (NULL)")?;
/// use rustdb::sql::{Operator, QueryBuilder, Row, Value};
/// let count = |operator, value: Value| {
///     QueryBuilder::<Row>::of_table(&db, "words").filter("word", operator, value).count()
/// };
/// assert_eq!(count(Operator::Gte, "crab".into())?, 2);
/// assert_eq!(count(Operator::StartsWith, "cr".into())?, 1);
/// assert_eq!(count(Operator::Eq, Value::NULL)?, 1);
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The same; with NULL: is NULL.
    Eq,
    /// Not the same; with NULL: is not NULL.
    Ne,
    /// Greater.
    Gt,
    /// Less.
    Lt,
    /// Greater or the same.
    Gte,
    /// Less or the same.
    Lte,
    /// A text that has this within.
    Contains,
    /// A text that begins with this.
    StartsWith,
    /// A text that ends with this.
    EndsWith,
}

/// A query of one table. Names are quoted and values are parameters, so that nothing in them is
/// ever read as SQL.
///
/// ```
/// # #[cfg(feature = "derive")] {
/// # let db = rustdb::Database::in_memory()?;
/// use rustdb::sql::{Operator, QueryBuilder};
///
/// #[derive(rustdb::Schema, rustdb::FromRow)]
/// #[rustdb(table = "users")]
/// struct User {
///     name: String,
///     age: i32,
/// }
///
/// # db.connect()?.run("CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT, age INT)")?;
/// # db.connect()?.run("INSERT INTO users (name, age) VALUES ('Ada', 36), ('Bob', 25), ('Cy', 30), ('Di', 28)")?;
/// let users: Vec<User> = QueryBuilder::new(&db)
///     .filter("age", Operator::Gt, 25)
///     .order_by("age")
///     .limit(2)
///     .offset(1)
///     .execute()?;
/// let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
/// assert_eq!(names, ["Cy", "Ada"]);
/// # }
/// # Ok::<(), rustdb::Error>(())
/// ```
///
/// Several filters must all fit. Without an order, the rows come in any.
#[must_use = "it asks nothing before `execute`, `first` or `count`"]
pub struct QueryBuilder<'d, T = Row> {
    database: &'d Database,
    table: String,
    /// None are all.
    columns: Vec<String>,
    filters: Vec<(String, Operator, Value)>,
    orders: Vec<(String, &'static str)>,
    limit: Option<u64>,
    offset: Option<u64>,
    rows: PhantomData<fn() -> T>,
}

impl<'d, T: Schema + FromRow> QueryBuilder<'d, T> {
    /// A query of the table whose rows are `T`: all rows, unless more is said.
    ///
    /// ```
    /// # #[cfg(feature = "derive")] {
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE users (name TEXT)")?;
    /// # use rustdb::sql::QueryBuilder;
    /// #[derive(rustdb::Schema, rustdb::FromRow)]
    /// #[rustdb(table = "users")]
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// assert_eq!(QueryBuilder::<User>::new(&db).execute()?.len(), 0);
    /// # }
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn new(database: &'d Database) -> Self {
        let columns = T::fields();
        QueryBuilder {
            columns: columns.into_iter().map(str::to_owned).collect(),
            ..QueryBuilder::of_table(database, T::TABLE)
        }
    }
}

impl<'d, T: FromRow> QueryBuilder<'d, T> {
    /// A query of a table by its name, as it is and without quotes; a dot parts it from the name
    /// of a schema. The rows are read as `T`, which may be a tuple or a [`Row`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE users (name TEXT, age INT); INSERT INTO users VALUES ('Ada', 36)")?;
    /// use rustdb::sql::{QueryBuilder, Row};
    /// let rows: Vec<Row> = QueryBuilder::of_table(&db, "users").execute()?;
    /// assert_eq!(rows[0].get::<String>("name")?, "Ada");
    /// let users: Vec<(String, i32)> = QueryBuilder::of_table(&db, "public.users").execute()?;
    /// assert_eq!(users[0].1, 36);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn of_table(database: &'d Database, table: &str) -> Self {
        QueryBuilder {
            database,
            table: table.to_owned(),
            columns: Vec::new(),
            filters: Vec::new(),
            orders: Vec::new(),
            limit: None,
            offset: None,
            rows: PhantomData,
        }
    }

    /// Only rows whose column compares so with a value.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2), (3)")?;
    /// # use rustdb::sql::{Operator, QueryBuilder};
    /// let query = QueryBuilder::of_table(&db, "t");
    /// let query = query.filter("n", Operator::Gt, 1).filter("n", Operator::Ne, 3);
    /// let found: Vec<(i32,)> = query.execute()?;
    /// assert_eq!(found, [(2,)]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn filter(mut self, column: &str, operator: Operator, value: impl Into<Value>) -> Self {
        self.filters
            .push((column.to_owned(), operator, value.into()));
        self
    }

    /// Rows in the order of a column, from the least on, NULL last; of rows that are the same in
    /// it, in the order of what comes in the next call.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (2), (1)")?;
    /// # use rustdb::sql::QueryBuilder;
    /// let found: Vec<(i32,)> = QueryBuilder::of_table(&db, "t").order_by("n").execute()?;
    /// assert_eq!(found, [(1,), (2,)]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn order_by(mut self, column: &str) -> Self {
        self.orders.push((column.to_owned(), ""));
        self
    }

    /// Rows in the order of a column, from the greatest on, NULL first.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2)")?;
    /// # use rustdb::sql::QueryBuilder;
    /// let query = QueryBuilder::of_table(&db, "t").order_by_descending("n");
    /// let found: Vec<(i32,)> = query.execute()?;
    /// assert_eq!(found, [(2,), (1,)]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn order_by_descending(mut self, column: &str) -> Self {
        self.orders.push((column.to_owned(), " DESC"));
        self
    }

    /// Only these columns, in this order.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (1, 2)")?;
    /// # use rustdb::sql::QueryBuilder;
    /// let found: Vec<(i32,)> = QueryBuilder::of_table(&db, "t").columns(&["b"]).execute()?;
    /// assert_eq!(found, [(2,)]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn columns(mut self, columns: &[&str]) -> Self {
        self.columns = columns.iter().map(|&column| column.to_owned()).collect();
        self
    }

    /// At most so many rows.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2)")?;
    /// # use rustdb::sql::{QueryBuilder, Row};
    /// assert_eq!(QueryBuilder::<Row>::of_table(&db, "t").limit(1).execute()?.len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Without the first so many rows.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2), (3)")?;
    /// # use rustdb::sql::{QueryBuilder, Row};
    /// assert_eq!(QueryBuilder::<Row>::of_table(&db, "t").offset(1).execute()?.len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = Some(rows);
        self
    }

    /// Asks the database, in a session of its own.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # use rustdb::sql::{QueryBuilder, Row};
    /// let error = QueryBuilder::<Row>::of_table(&db, "missing").execute().unwrap_err();
    /// assert_eq!(error.message(), "relation \"missing\" does not exist");
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn execute(&self) -> Result<Vec<T>> {
        self.execute_in(&mut self.database.connect()?)
    }

    /// Asks in a session, and sees what its transaction sees.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # use rustdb::sql::{QueryBuilder, Row};
    /// let mut connection = db.connect()?;
    /// connection.run("BEGIN; CREATE TABLE t (n INT); INSERT INTO t VALUES (1)")?;
    /// let query = QueryBuilder::<Row>::of_table(&db, "t");
    /// assert_eq!(query.execute_in(&mut connection)?.len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn execute_in(&self, connection: &mut Connection) -> Result<Vec<T>> {
        let (text, parameters) = self.select(&self.selected())?;
        connection.query_as(&text, &parameters)
    }

    /// The first row, if there is one.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2)")?;
    /// # use rustdb::sql::QueryBuilder;
    /// let most: Option<(i32,)> = QueryBuilder::of_table(&db, "t").order_by_descending("n").first()?;
    /// assert_eq!(most, Some((2,)));
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn first(&self) -> Result<Option<T>> {
        let limit = self.limit.unwrap_or(1).min(1);
        let (text, parameters) = self.select_limited(&self.selected(), Some(limit))?;
        self.database.connect()?.query_optional(&text, &parameters)
    }

    /// How many rows there are.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # db.connect()?.run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1), (2)")?;
    /// # use rustdb::sql::{Operator, QueryBuilder, Row};
    /// let query = QueryBuilder::<Row>::of_table(&db, "t").filter("n", Operator::Lt, 2);
    /// assert_eq!(query.count()?, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn count(&self) -> Result<u64> {
        let (text, parameters) = match (self.limit, self.offset) {
            (None, None) => self.select("count(*)")?,
            _ => {
                let (text, parameters) = self.select("1")?;
                (format!("SELECT count(*) FROM ({text}) AS rows"), parameters)
            }
        };
        let mut connection = self.database.connect()?;
        let (count,): (u64,) = connection.query_one(&text, &parameters)?;
        Ok(count)
    }

    /// The statement, whose parameters are the values of the filters and then limit and offset.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// # use rustdb::sql::{Operator, QueryBuilder, Row};
    /// let query = QueryBuilder::<Row>::of_table(&db, "odd \"name\"").filter("a", Operator::Eq, 1);
    /// assert_eq!(query.sql()?, r#"SELECT * FROM "odd ""name""" WHERE "a" = $1"#);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn sql(&self) -> Result<String> {
        Ok(self.select(&self.selected())?.0)
    }

    fn selected(&self) -> String {
        match self.columns.is_empty() {
            true => "*".to_owned(),
            false => {
                let columns = self.columns.iter().map(|column| quoted(column));
                columns.collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn select(&self, what: &str) -> Result<(String, Vec<Value>)> {
        self.select_limited(what, self.limit)
    }

    fn select_limited(&self, what: &str, limit: Option<u64>) -> Result<(String, Vec<Value>)> {
        let table: Vec<String> = self.table.split('.').map(quoted).collect();
        let mut text = format!("SELECT {what} FROM {}", table.join("."));
        let mut parameters = Vec::new();
        for (place, (column, operator, value)) in self.filters.iter().enumerate() {
            let word = if place == 0 { "WHERE" } else { "AND" };
            let condition = condition(column, *operator, value, parameters.len() + 1)?;
            if !is_null(value) {
                parameters.push(value.clone());
            }
            write_to(&mut text, format_args!(" {word} {condition}"));
        }
        // Counting gives one row, which has no order.
        let orders: &[_] = if what == "count(*)" {
            &[]
        } else {
            &self.orders
        };
        for (place, (column, direction)) in orders.iter().enumerate() {
            let word = if place == 0 { " ORDER BY" } else { "," };
            write_to(
                &mut text,
                format_args!("{word} {}{direction}", quoted(column)),
            );
        }
        for (word, rows) in [("LIMIT", limit), ("OFFSET", self.offset)] {
            if let Some(rows) = rows {
                parameters.push(rows.into());
                write_to(&mut text, format_args!(" {word} ${}", parameters.len()));
            }
        }
        Ok((text, parameters))
    }
}

fn write_to(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes everything");
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn is_null(value: &Value) -> bool {
    value.0.is_null()
}

/// One filter; its value is the parameter of this number.
fn condition(column: &str, operator: Operator, value: &Value, number: usize) -> Result<String> {
    let name = quoted(column);
    if is_null(value) {
        return match operator {
            Operator::Eq => Ok(format!("{name} IS NULL")),
            Operator::Ne => Ok(format!("{name} IS NOT NULL")),
            other => {
                let message = format!("column `{column}`: nothing is `{other:?}` NULL");
                let error = Error::new(ErrorKind::InvalidArgument, message);
                Err(error.with_hint("with NULL there are `Eq` and `Ne`"))
            }
        };
    }
    Ok(match operator {
        Operator::Eq => format!("{name} = ${number}"),
        Operator::Ne => format!("{name} <> ${number}"),
        Operator::Gt => format!("{name} > ${number}"),
        Operator::Lt => format!("{name} < ${number}"),
        Operator::Gte => format!("{name} >= ${number}"),
        Operator::Lte => format!("{name} <= ${number}"),
        Operator::Contains => format!("position(${number} :: text IN {name}) > 0"),
        Operator::StartsWith => format!("starts_with({name}, ${number} :: text)"),
        Operator::EndsWith => {
            format!("right({name}, length(${number} :: text)) = ${number} :: text")
        }
    })
}

impl<T> Clone for QueryBuilder<'_, T> {
    fn clone(&self) -> Self {
        QueryBuilder {
            database: self.database,
            table: self.table.clone(),
            columns: self.columns.clone(),
            filters: self.filters.clone(),
            orders: self.orders.clone(),
            limit: self.limit,
            offset: self.offset,
            rows: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for QueryBuilder<'_, T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "QueryBuilder({})", self.table)
    }
}
