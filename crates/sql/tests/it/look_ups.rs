//! Joins above each other that look rows up, beside joins with hash tables.

use rustdb_sql::Methods;

use crate::database::session;
use crate::engines::{Ours, Outcome, Talk};

const HASH: Methods = Methods {
    hash: true,
    nested: false,
    merge: false,
};

/// Order 7 has more lines than a batch has rows, every fifth none. Some customers and products are
/// not there, and some are NULL.
fn orders() -> Ours {
    let mut session = session();
    for statement in [
        "create table customers (id int primary key, name text, town int)",
        "insert into customers select i, 'c' || i, nullif(i % 9, 4) from generate_series(1, 900) i",
        "create table towns (id int primary key, name text)",
        "insert into towns select i, 't' || i from generate_series(0, 6) i",
        "create table products (id int primary key, name text, price int)",
        "insert into products select i, 'p' || i, i % 10 from generate_series(1, 5000) i",
        "create table orders (id int primary key, customer int, note text)",
        "insert into orders select i, nullif(i % 1000, 13), 'o' || i from generate_series(1, 3000) i",
        "create table lines (o int, n int, product int, primary key (o, n))",
        "insert into lines select o, n, nullif((o * 31 + n * 7) % 5100, 3)
             from generate_series(1, 3000) o, generate_series(1, 3) n where o % 5 <> 0 and o <> 7",
        "insert into lines select 7, n, n from generate_series(1, 5005) n",
        "analyze",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    Ours(session)
}

fn rows(session: &mut Ours, query: &str) -> Vec<Vec<Option<String>>> {
    match session.run(query) {
        Outcome::Ran { mut rows, .. } => {
            rows.sort();
            rows
        }
        Outcome::Failed { state, message } => panic!("{query}: {state} {message}"),
    }
}

/// How many joins of the plan look rows up.
fn look_ups(session: &mut Ours, query: &str) -> usize {
    let plan = rows(session, &format!("explain (costs off) {query}"));
    let lines = plan.into_iter().flatten().flatten();
    lines.filter(|line| line.contains("Nested Loop")).count()
}

/// What follows each of these is a condition on `o`.
const JOINS: &[&str] = &[
    "from orders o join customers c on c.id = o.customer join lines l on l.o = o.id \
     join products p on p.id = l.product where ",
    "from orders o left join customers c on c.id = o.customer left join towns t on t.id = c.town where ",
    "from orders o left join customers c on c.id = o.customer and c.town > 2 \
     left join towns t on t.id = c.town and t.name <> 't5' join lines l on l.o = o.id \
     left join products p on p.id = l.product and p.price < o.id % 10 where ",
    "from orders o join lines l on l.o = o.id join lines m on m.o = o.id and m.n = l.n + 1 \
     left join products p on p.id = m.product where l.n < 40 and ",
    "from orders o join customers c on c.id = o.customer left join lines l on l.o = o.id \
     left join products p on p.id = l.product where ",
    "from orders o join customers c on c.id = o.customer join towns t on t.id = c.town \
     where exists (select from lines l join products p on p.id = l.product where l.o = o.id) and ",
];

const CONDITIONS: &[&str] = &[
    "o.id = 7",
    "o.id = 10",
    "o.id = 13",
    "o.id = 904",
    "o.id = 4000",
    "o.id = null",
    "o.id in (1, 7, 5, 1013, 2, 5)",
    "o.id between 1 and 30",
];

#[test]
fn rows_are_those_of_hash_joins() {
    let mut session = orders();
    let mut most = 0;
    for join in JOINS {
        for condition in CONDITIONS {
            let query = format!("select * {join}{condition}");
            session.0.set_join_methods(Methods::default());
            most = most.max(look_ups(&mut session, &query));
            let found = rows(&mut session, &query);
            session.0.set_join_methods(HASH);
            assert_eq!(found, rows(&mut session, &query), "{query}");
        }
    }
    assert!(most >= 3, "{most}");
}

#[test]
fn each_row_of_an_outer_query_begins_anew() {
    let mut session = orders();
    let query = "select o.id, (select string_agg(c.name || p.name, ',' order by l.n) from customers c \
         join lines l on l.o = o.id join products p on p.id = l.product where c.id = o.customer) \
         from orders o where o.id < 40 and o.id <> 7";
    let found = rows(&mut session, query);
    session.0.set_join_methods(HASH);
    assert_eq!(found, rows(&mut session, query));
    assert_eq!(found[0][0].as_deref(), Some("1"));
    assert_eq!(found[0][1].as_deref(), Some("c1p38,c1p45,c1p52"));
}

#[test]
fn own_writes_and_limits_are_seen() {
    let mut session = orders();
    let query = format!("select o.id, c.name, l.n, p.name {}o.id = 1", JOINS[0]);
    let limited = format!("select l.n {}o.id = 7 limit 3", JOINS[0]);
    assert_eq!(rows(&mut session, &limited).len(), 3);
    session.run("begin");
    session.run("delete from lines where o = 1 and n = 2");
    session.run("update products set name = 'new' where id = 38");
    session.run("insert into lines values (1, 9, 5)");
    let text = |row: &Vec<Option<String>>| row.iter().flatten().cloned().collect::<String>();
    let found: Vec<String> = rows(&mut session, &query).iter().map(text).collect();
    assert_eq!(found, ["1c11new", "1c13p52", "1c19p5"]);
    session.run("rollback");
    assert_eq!(rows(&mut session, &query).len(), 3);
}
