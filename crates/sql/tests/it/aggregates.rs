//! Aggregates over columns of plain numbers, beside the same row by row.

use crate::database::{lines, session};

const CALLS: &[&str] = &[
    "count(*)",
    "count(i)",
    "sum(i)",
    "avg(i)",
    "sum(b)",
    "avg(b)",
    "sum(n)",
    "avg(n)",
    "sum(m)",
    "avg(m)",
    "sum(m * 2)",
    "sum(-m)",
    "sum(f)",
    "avg(f)",
    "min(s)",
    "max(m)",
    "min(d)",
    "sum(i + 1)",
    "max(c)",
    "bit_and(i)",
    "bool_or(i > 490)",
    "sum(7)",
    "count(distinct g)",
    "string_agg(s, '' order by id)",
];

/// Few groups and many, sums beyond `bigint`, decimals of several scales, NULLs.
#[test]
fn groups_that_take_their_rows_at_once_see_what_those_see_that_take_them_one_by_one() {
    let mut session = session();
    for statement in [
        "create table t (id int primary key, g int, i int, b bigint, n numeric, m numeric(12,2), \
            f float8, s text, c char(3), d date)",
        "insert into t select n, n % 5, n * 7919 % 1000 - 500, \
            case when n % 3 = 0 then 9223372036854775807 - n else n - 9223372036854775807 end, \
            case when n % 97 = 0 then 1e30 else n / 8.0 end, n * 31 % 9999 / 100.0, sqrt(n), \
            's' || n % 13, chr(97 + n % 3), date '2000-01-01' + n % 400 from generate_series(1, 5000) n",
        "create table nulls (id int primary key, g int, i int, b bigint, n numeric, m numeric(12,2), \
            f float8, s text, c char(3), d date)",
        "insert into nulls select id, g, nullif(i, 3), case when id % 7 > 0 then b end, \
            case when g > 1 then n end, null, f, s, c, d from t",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    let each = |filter: &str| -> String {
        let calls = CALLS.iter().map(|call| format!("{call} {filter}"));
        calls.collect::<Vec<_>>().join(", ")
    };
    for table in ["t", "nulls"] {
        for rest in [
            "",
            "where id > 4990",
            "where id < 0",
            "group by g",
            "group by c",
            "group by g, c",
            "group by s, d",
        ] {
            let key = rest.strip_prefix("group by ").unwrap_or("1");
            let query = |filter: &str| {
                let order = rest
                    .strip_prefix("group by ")
                    .map(|key| format!("order by {key}"));
                let order = order.unwrap_or_default();
                format!("select {key}, {} from {table} {rest} {order}", each(filter))
            };
            let at_once = lines(&mut session, &query(""));
            // With a filter rows are taken one by one.
            let one_by_one = lines(&mut session, &query("filter (where id is not null)"));
            assert_eq!(at_once, one_by_one, "{table} {rest}");
        }
    }
    let sum = "select g, sum(b), sum(n) from t where id <= 300 group by g order by g limit 1";
    let given = lines(&mut session, sum);
    assert_eq!(
        given,
        ["0|-184467440737095513290|1143.75000000000000000000"]
    );
}
