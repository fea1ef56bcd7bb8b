//! The tables, and what is done with them.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::engine::{Engine, Param};
use crate::engine::Result;

/// One line of the report.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What is run in a loop.
    statement: &'static str,
    /// Its parameters at a turn, from the number of the turn and of rows in the table. A statement
    /// that is not prepared has them put into its text.
    parameters: fn(i64, i64) -> Vec<Param>,
    prepared: bool,
    durable: bool,
    /// Before and after the loop.
    around: (&'static str, &'static str),
    /// How many turns are run first, whose results are compared.
    pub(crate) checked: u64,
    /// How many turns go by between two looks at the clock.
    pub(crate) stride: u64,
    /// Whether each turn takes a row away, so that there are no more turns than rows.
    pub(crate) uses_up: bool,
}

impl Row {
    /// The statement with the parameters of a turn in its text.
    fn text(&self, turn: u64, rows: i64) -> String {
        let mut text = self.statement.to_owned();
        for (index, value) in (self.parameters)(turn as i64, rows).iter().enumerate() {
            if let Param::Int(number) = value {
                text = text.replace(&format!("${}", index + 1), &number.to_string());
            }
        }
        text
    }

    /// Whether each turn commits something that need not be durable.
    fn commits_softly(&self) -> bool {
        !self.durable && self.around.0 != INSIDE.around.0 && !self.around.1.is_empty()
    }
}

const READ: Row = Row {
    name: "",
    statement: "",
    parameters: |_, _| Vec::new(),
    prepared: true,
    durable: false,
    around: ("", ""),
    checked: 1000,
    stride: 100,
    uses_up: false,
};

const WRITE: Row = Row {
    checked: 100,
    around: ("", "DELETE FROM items WHERE id > 1000000"),
    ..READ
};

/// In one transaction.
const INSIDE: Row = Row {
    around: ("BEGIN", "ROLLBACK"),
    ..WRITE
};

const DURABLE: Row = Row {
    durable: true,
    stride: 1,
    ..WRITE
};

/// Takes away the rows that are put there before.
const DELETING: Row = Row {
    statement: DELETE,
    parameters: |turn, rows| vec![Param::Int(1_000_001 + once(turn, rows))],
    uses_up: true,
    around: (
        "INSERT INTO items SELECT id + 1000001, grp, name, price FROM items",
        WRITE.around.1,
    ),
    ..WRITE
};

/// Analyses over all rows.
const WHOLE: Row = Row {
    checked: 1,
    stride: 1,
    ..READ
};

const INSERT: &str = "INSERT INTO items (id, grp, name, price) VALUES ($1, $2, $3, $4)";
const UPDATE: &str = "UPDATE items SET price = price + 1 WHERE id = $1";
const DELETE: &str = "DELETE FROM items WHERE id = $1";
const UPSERT: &str = "INSERT INTO items (id, grp, name, price) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET price = excluded.price";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "SELECT by primary key, prepared",
        statement: "SELECT id, grp, name, price FROM items WHERE id = $1",
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows))],
        ..READ
    },
    Row {
        name: "SELECT by primary key, new text each time",
        statement: "SELECT id, grp, name, price FROM items WHERE id = $1",
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows))],
        prepared: false,
        ..READ
    },
    Row {
        name: "SELECT of 10 rows by index, prepared",
        statement: "SELECT id, grp, name, price FROM items WHERE grp = $1",
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows) % (rows / 10))],
        ..READ
    },
    Row {
        name: "SELECT of a range of 100, prepared",
        statement: "SELECT id, grp, name, price FROM items WHERE id >= $1 AND id < $2",
        parameters: |turn, rows| {
            let from = scattered(turn, rows - 100);
            vec![Param::Int(from), Param::Int(from + 100)]
        },
        stride: 10,
        ..READ
    },
    Row {
        name: "join of 5 tables by key, prepared",
        statement: "SELECT o.id, o.placed, c.name, l.quantity, p.name, s.name FROM orders o \
             JOIN customers c ON c.id = o.customer_id JOIN lines l ON l.order_id = o.id \
             JOIN products p ON p.id = l.product_id JOIN suppliers s ON s.id = p.supplier_id \
             WHERE o.id = $1",
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows / 10))],
        ..READ
    },
    Row {
        name: "INSERT in one transaction",
        statement: INSERT,
        parameters: fresh,
        ..INSIDE
    },
    Row {
        name: "UPDATE in one transaction",
        statement: UPDATE,
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows))],
        ..INSIDE
    },
    Row {
        name: "DELETE in one transaction",
        statement: DELETE,
        parameters: |turn, rows| vec![Param::Int(once(turn, rows))],
        uses_up: true,
        ..INSIDE
    },
    Row {
        name: "INSERT, not durable",
        statement: INSERT,
        parameters: fresh,
        ..WRITE
    },
    Row {
        name: "UPDATE, not durable",
        statement: UPDATE,
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows))],
        ..WRITE
    },
    Row {
        name: "UPDATE of a range of 100, not durable",
        statement: "UPDATE items SET price = price + 1 WHERE id >= $1 AND id < $2",
        parameters: |turn, rows| {
            let from = scattered(turn, rows - 100);
            vec![Param::Int(from), Param::Int(from + 100)]
        },
        stride: 10,
        ..WRITE
    },
    Row {
        name: "DELETE, not durable",
        ..DELETING
    },
    Row {
        name: "upsert, not durable",
        statement: UPSERT,
        parameters: |turn, rows| {
            let mut values = fresh(turn, rows);
            values[0] = Param::Int(scattered(turn, rows));
            values
        },
        ..WRITE
    },
    Row {
        name: "INSERT, durable",
        statement: INSERT,
        parameters: fresh,
        ..DURABLE
    },
    Row {
        name: "UPDATE, durable",
        statement: UPDATE,
        parameters: |turn, rows| vec![Param::Int(scattered(turn, rows))],
        ..DURABLE
    },
    Row {
        name: "DELETE, durable",
        durable: true,
        stride: 1,
        ..DELETING
    },
    Row {
        name: "count and sum of all rows",
        statement: "SELECT count(*), sum(grp) FROM items WHERE price >= 0",
        ..WHOLE
    },
    Row {
        name: "GROUP BY of all rows",
        statement: "SELECT grp % 100, count(*), max(id) FROM items GROUP BY grp % 100",
        ..WHOLE
    },
    Row {
        name: "hash join of all rows",
        statement: "SELECT count(*), sum(l.quantity) FROM lines l \
             JOIN products p ON p.id = l.product_id WHERE p.supplier_id < 500",
        ..WHOLE
    },
    Row {
        name: "top 10 of all rows",
        statement: "SELECT id FROM items ORDER BY name DESC, id LIMIT 10",
        ..WHOLE
    },
];

fn fresh(turn: i64, rows: i64) -> Vec<Param> {
    vec![
        Param::Int(1_000_001 + turn),
        Param::Int(scattered(turn, rows) % (rows / 10)),
        Param::Text(format!("name of {turn}")),
        Param::Float(turn as f64 / 7.0),
    ]
}

/// A number below `rows`; all of them come before one comes again, near enough.
pub(crate) fn scattered(turn: i64, rows: i64) -> i64 {
    let mixed = (turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    (mixed % rows.max(1) as u64) as i64
}

/// A number below `rows`; all of them come before one comes again, because they have no divisor in
/// common with the factor.
fn once(turn: i64, rows: i64) -> i64 {
    turn * 7919 % rows
}

/// An engine with its tables and prepared statements.
pub(crate) struct Workload {
    engine: Box<dyn Engine>,
    rows: i64,
    statements: HashMap<&'static str, usize>,
}

/// A row's loop: the turns' numbers in, the sum of the integers of their results and the time out.
pub(crate) type Loop<'a> = Box<dyn FnMut(Range<u64>) -> Result<(i64, Duration)> + 'a>;

const TABLES: &str = "
    CREATE TABLE items (id INTEGER PRIMARY KEY, grp INT NOT NULL, name TEXT, price DOUBLE PRECISION);
    CREATE INDEX items_grp ON items (grp);
    CREATE TABLE suppliers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, supplier_id INT NOT NULL);
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, placed TEXT NOT NULL, customer_id INT NOT NULL);
    CREATE TABLE lines (order_id INT, n INT, product_id INT, quantity INT, PRIMARY KEY (order_id, n))";

impl Workload {
    pub(crate) fn new(mut engine: Box<dyn Engine>, scale: f64) -> Result<Workload> {
        let rows = ((100_000.0 * scale) as i64).max(1000);
        let sql = &mut *engine;
        sql.set_durable(false)?;
        sql.run(TABLES)?;
        fill(sql, INSERT, rows, |n| {
            vec![
                Param::Int(n),
                Param::Int(n % (rows / 10)),
                Param::Text(format!("name of {n}")),
                Param::Float(n as f64 / 3.0),
            ]
        })?;
        let named = |n: i64| vec![Param::Int(n), Param::Text(format!("name of {n}"))];
        fill(
            sql,
            "INSERT INTO suppliers VALUES ($1, $2)",
            rows / 100,
            named,
        )?;
        fill(
            sql,
            "INSERT INTO customers VALUES ($1, $2)",
            rows / 20,
            named,
        )?;
        fill(
            sql,
            "INSERT INTO products VALUES ($1, $2, $3)",
            rows / 20,
            |n| [named(n), vec![Param::Int(n % (rows / 100))]].concat(),
        )?;
        fill(
            sql,
            "INSERT INTO orders VALUES ($1, $2, $3)",
            rows / 10,
            |n| [named(n), vec![Param::Int(n % (rows / 20))]].concat(),
        )?;
        fill(
            sql,
            "INSERT INTO lines VALUES ($1, $2, $3, $4)",
            rows / 10,
            |n| {
                let numbers = [n, 1, (n * 7) % (rows / 20), n % 10];
                numbers.into_iter().map(Param::Int).collect()
            },
        )?;
        Ok(Workload {
            engine,
            rows,
            statements: HashMap::new(),
        })
    }

    /// Whether the engine can do what a row wants.
    pub(crate) fn takes_part(&self, row: &Row) -> bool {
        !(row.commits_softly() && self.engine.is_always_durable())
    }

    pub(crate) fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.engine
    }

    /// How many rows the largest table has.
    pub(crate) fn rows(&self) -> i64 {
        self.rows
    }

    /// Makes a row's loop ready.
    pub(crate) fn start<'a>(&'a mut self, row: &'a Row) -> Result<Loop<'a>> {
        let rows = self.rows;
        let engine = &mut *self.engine;
        engine.set_durable(row.durable)?;
        if !row.around.0.is_empty() {
            engine.run(row.around.0)?;
        }
        if !row.prepared {
            return Ok(Box::new(move |turns| {
                let texts: Vec<String> = turns.map(|turn| row.text(turn, rows)).collect();
                engine.query_all(&texts)
            }));
        }
        let statement = match self.statements.get(row.statement) {
            Some(statement) => *statement,
            None => {
                let statement = engine.prepare(row.statement)?;
                self.statements.insert(row.statement, statement);
                statement
            }
        };
        Ok(Box::new(move |turns| {
            let parameters = turns.map(|turn| (row.parameters)(turn as i64, rows));
            engine.execute_all(statement, &parameters.collect::<Vec<_>>())
        }))
    }

    /// Leaves the tables as they were before the row.
    pub(crate) fn end(&mut self, row: &Row) -> Result<()> {
        let engine = &mut *self.engine;
        if !row.around.1.is_empty() {
            engine.run(row.around.1)?;
        }
        engine.set_durable(false)
    }
}

/// Inserts rows in one transaction.
fn fill(
    engine: &mut dyn Engine,
    insert: &str,
    rows: i64,
    values: impl Fn(i64) -> Vec<Param>,
) -> Result<()> {
    let insert = engine.prepare(insert)?;
    engine.run("BEGIN")?;
    for n in 0..rows {
        engine.execute(insert, &values(n))?;
    }
    engine.run("COMMIT")
}
