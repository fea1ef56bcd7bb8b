//! The part of `rustdb --demo` about tables, which the shell's `DEMO` shows too.
//!
//! It works in a schema of its own, which it empties first.

use rustdb::Database;
use rustdb::sql::Connection;

use super::show::{Grid, Look};
use super::told;
use crate::failure::Result;
use crate::output::Output;

/// Headings, and the statements below each.
const PARTS: &[(&str, &[&str])] = &[
    (
        "Joins and groups",
        &[
            "CREATE TABLE demo.orders (id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
             user_id INT NOT NULL REFERENCES demo.users, item TEXT, price NUMERIC(8,2) CHECK (price > 0))",
            "INSERT INTO demo.orders (user_id, item, price) VALUES (1, 'telescope', 249.00), \
             (1, 'star map', 12.50), (2, 'compass', 39.90), (3, 'lamp', 18.00)",
            "SELECT u.name, count(*) AS orders, sum(o.price) AS total\n  \
             FROM demo.users u JOIN demo.orders o ON o.user_id = u.id\n \
             GROUP BY u.name ORDER BY total DESC",
        ],
    ),
    (
        "A transaction: all of it or nothing",
        &[
            "BEGIN",
            "UPDATE demo.orders SET price = price * 2",
            "SELECT sum(price) AS total FROM demo.orders",
            "ROLLBACK",
            "SELECT sum(price) AS total FROM demo.orders",
        ],
    ),
    (
        "Constraints are kept",
        &["INSERT INTO demo.orders (user_id, item, price) VALUES (99, 'ghost', 1)"],
    ),
    (
        "How a query is run",
        &["EXPLAIN SELECT item FROM demo.orders WHERE id = 3"],
    ),
    (
        "The nearest vectors",
        &[
            "CREATE TABLE demo.colours (name TEXT PRIMARY KEY, rgb VECTOR(3))",
            "INSERT INTO demo.colours VALUES ('red', '[255,0,0]'), ('orange', '[255,165,0]'), \
             ('gold', '[255,215,0]'), ('green', '[0,128,0]'), ('navy', '[0,0,128]')",
            "SELECT name, round((rgb <-> '[250,200,20]')::numeric, 1) AS distance\n  \
             FROM demo.colours ORDER BY rgb <-> '[250,200,20]' LIMIT 3",
        ],
    ),
];

/// Who the users are.
const USERS: [(&str, i32); 3] = [("Alice", 30), ("Bob", 25), ("Chen", 41)];

/// Shows tables.
pub fn demonstrate(database: &Database, output: &mut Output) -> Result<()> {
    let mut connection = database.connect()?;
    let mut quiet = |sql: &str| {
        connection
            .run(sql)
            .map_err(|error| told::failure(&error, sql))
    };
    quiet("CREATE SCHEMA IF NOT EXISTS demo")?;
    quiet("DROP TABLE IF EXISTS demo.orders, demo.users, demo.colours")?;
    heading(output, "Tables, in PostgreSQL's SQL")?;
    statement(
        &mut connection,
        "CREATE TABLE demo.users (id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         name TEXT NOT NULL, age INT)",
        output,
    )?;
    output.line("Created table 'users'")?;
    let insert =
        connection.prepare("INSERT INTO demo.users (name, age) VALUES ($1, $2) RETURNING id")?;
    for (name, age) in USERS {
        let rows = connection.query(&insert, &[name.into(), age.into()])?;
        let id: i32 = rows.first().map_or(Ok(0), |row| row.get("id"))?;
        output.line(&format!("Inserted row with id={id} into 'users'"))?;
    }
    for (title, statements) in PARTS {
        heading(output, title)?;
        for sql in *statements {
            statement(&mut connection, sql, output)?;
        }
    }
    output.flush()
}

fn heading(output: &mut Output, text: &str) -> Result<()> {
    output.line("")?;
    output.line(&format!("-- {text}"))
}

/// Runs a statement and shows it, and what it gives or why it is refused.
fn statement(connection: &mut Connection, sql: &str, output: &mut Output) -> Result<()> {
    output.line(&format!("rustdb> {sql};"))?;
    let results = match connection.run(sql) {
        Ok(results) => results,
        Err(error) if error.sqlstate() == Some("23503") => {
            return output.line(&told::failure(&error, sql).to_string());
        }
        Err(error) => return Err(told::failure(&error, sql)),
    };
    let look = Look::default();
    for result in &results {
        match Grid::of(result, &look) {
            Some(grid) => {
                let mut text = Vec::new();
                grid.print(&look, None, &mut text)?;
                // Without the empty line at its end.
                output
                    .writer()
                    .write_all(&text[..text.len().saturating_sub(1)])?;
            }
            None => output.line(result.tag())?,
        }
    }
    Ok(())
}
