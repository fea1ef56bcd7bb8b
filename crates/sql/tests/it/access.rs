//! Rows that are found by keys and indexes: which conditions find them so, and that they are the
//! rows that reading everything gives.

use rustdb_sql::Session;

use crate::database::{lines as rows, session};

/// The same rows twice: `t` has keys and indexes, `plain` has none.
fn tables() -> Session {
    let mut session = session();
    let columns = "id int, name varchar(20), small smallint, big bigint, note text, made date,
        at timestamp, code char(4), active boolean, price float8";
    let rows = "select i, 'name ' || i % 40, i % 9 - 4, case when i % 10 = 3 then null else i::bigint * 1000000000 end,
        case when i % 7 = 2 then null else chr(97 + i % 26) || i % 5 end,
        date '2024-01-01' + i % 60, timestamp '2024-01-01' + i % 60 * interval '12 hours',
        'c' || i % 30, i % 3 = 0, i / 8.0::float8 from generate_series(1, 2500) i";
    for statement in [
        format!("create table t ({columns}, primary key (id))"),
        format!("create table plain ({columns})"),
        format!("insert into t {rows}"),
        "insert into plain select * from t".to_owned(),
        "create index t_name on t (name)".to_owned(),
        "create index t_small on t (small, big desc)".to_owned(),
        "create index t_big on t (big)".to_owned(),
        "create index t_note on t (note)".to_owned(),
        "create index t_made on t (made)".to_owned(),
        "create index t_at on t (at)".to_owned(),
        "create index t_code on t (code)".to_owned(),
        "create index t_price on t (price)".to_owned(),
        "create index t_upper on t (upper(name), id)".to_owned(),
        "create index t_sum on t ((id + big))".to_owned(),
        "create index t_active on t (made, id) where active".to_owned(),
        "create index t_some on t (price, name) where note is not null".to_owned(),
    ] {
        session.execute(&statement, &[]).unwrap();
    }
    session
}

/// Conditions that an index finds rows by: how EXPLAIN puts it, and the condition.
const FOUND: &[(&str, &str)] = &[
    ("(id = 7)", "id = 7"),
    ("(id = 7)", "id = 7::bigint"),
    ("(id = 99999999999)", "id = 99999999999"),
    ("(id < 99999999999)", "id < 99999999999 and id > 2490"),
    ("(id > -99999999999)", "id > -99999999999 and id < 5"),
    ("(id >= 99999999999)", "id >= 99999999999"),
    ("(small = 3)", "small = 3 and big > 2400000000000"),
    ("(small = 70000)", "small = 70000"),
    ("(big = (5)::bigint)", "big = 5::int2"),
    ("(id = ANY (", "id in (3, 5, 5, 9)"),
    ("(id = ANY (", "id in (3, null, 9)"),
    ("(id = ANY (", "id = any ('{3,99999999999}'::bigint[])"),
    ("(small = ANY (", "small in (1, 2) and big < 60000000000"),
    ("AND (big < ", "small in (1, 2) and big < 60000000000"),
    (
        "(big = 6000000000)",
        "small in (1, 2, 70000) and big = 6000000000",
    ),
    ("(small = ANY (", "small in (1, 3) and big = null::bigint"),
    (
        "AND (big = ANY (",
        "small in (1, 2) and big in (5000000000, null, 7000000000, 6000000000)",
    ),
    (
        "AND (big >= ",
        "small in (3, 1, 2) and big between 90000000000 and 200000000000",
    ),
    (
        "(id = ANY (",
        "upper(name) in ('NAME 4', 'NAME 3') and id in (3, 4, 44, 99999999999)",
    ),
    ("(name = ANY (", "name in ('name 3', 'x')"),
    ("(id = ANY (ARRAY[1, 5]))", "id = 1 or id = 5"),
    (
        "(name = ANY (ARRAY['name 1'::text, 'name 2'::text]))",
        "name = 'name 1' or name = 'name 2'",
    ),
    ("(name = 'name 3'::text)", "name = 'name 3'"),
    ("(name >= 'name 38'::text)", "name >= 'name 38'"),
    ("(note = 'a1'::text)", "note = 'a1'"),
    ("(note >= 'b'::text)", "note like 'b%'"),
    ("(name >= 'name 1'::text)", "name like 'name 1_'"),
    ("(note = 'b1'::text)", "note like 'b1'"),
    ("(note >= 'b'::text)", "note ~~ 'b%1'"),
    ("(made = '2024-02-01'::date)", "made = '2024-02-01'"),
    ("(at >= ", "at >= date '2024-01-30'"),
    ("(code = 'c7'", "code = 'c7'"),
    ("(price = (2.5)::double precision)", "price = 2.5::float4"),
    ("(upper(name) = 'NAME 3'::text)", "upper(name) = 'NAME 3'"),
    (
        "(upper(name) >= 'NAME 3'::text)",
        "upper(name) like 'NAME 3%'",
    ),
    ("((id + big) = ", "id + big = 3000000003"),
    (
        "using t_some",
        "price = 4 and name = 'name 32' and note > 'a'",
    ),
    ("using t_active", "active and made = '2024-01-03'"),
    (
        "using t_some",
        "price = 4 and name = 'name 32' and note is not null",
    ),
    ("(id >= 2490)", "(id, big) > (2490, 5)"),
    ("(id <= 5)", "(id, name) <= (5, 'name 3')"),
    ("(id = 5)", "(id, name) = (5, 'name 5')"),
    ("(id = 5)", "(id, name) in ((5, 'name 5'))"),
];

/// Conditions like these that no index may answer.
const READ: &[&str] = &[
    "id <> 7",
    "id = 7.5",
    "id = all ('{3}')",
    "id = 1 or name = 'name 2'",
    "note like '%b'",
    "note not like 'b%'",
    "note ilike 'b%'",
    "lower(name) = 'name 3'",
    "(id, name) <> (5, 'name 5')",
    "id = small",
    "made < date '1999-01-01' or made is null",
    // No timestamp is that late.
    "at < date '5874897-01-01'",
];

fn plan(session: &mut Session, query: &str) -> String {
    rows(session, &format!("explain (costs off) {query}")).join("\n")
}

#[test]
fn conditions_find_rows_by_keys_and_indexes() {
    let mut session = tables();
    let mut others = Vec::new();
    for (shown, condition) in FOUND {
        let plan = plan(&mut session, &format!("select * from t where {condition}"));
        if !(plan.contains(shown) && plan.contains("Index")) {
            others.push(format!("{shown}: {condition}\n{plan}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    for condition in READ {
        let plan = plan(&mut session, &format!("select * from t where {condition}"));
        assert!(plan.contains("Seq Scan"), "{condition}\n{plan}");
    }
}

#[test]
fn rows_that_are_found_are_those_that_are_there() {
    let mut session = tables();
    let conditions = FOUND.iter().map(|(_, condition)| *condition);
    for condition in conditions.chain(READ.iter().copied()) {
        for end in [
            "order by id",
            "order by id desc limit 3",
            "order by made, id limit 7",
            "order by small desc, id",
        ] {
            let of = |table: &str| format!("select * from {table} where {condition} {end}");
            let expected = rows(&mut session, &of("plain"));
            assert_eq!(rows(&mut session, &of("t")), expected, "{}", of("t"));
        }
        let negated = |table: &str| format!("select count(*) from {table} where not ({condition})");
        let expected = rows(&mut session, &negated("plain"));
        assert_eq!(
            rows(&mut session, &negated("t")),
            expected,
            "not ({condition})"
        );
    }
}

#[test]
fn lists_for_several_columns_of_a_key_are_looked_for_together() {
    let mut session = session();
    for statement in [
        "create table pairs (a int, b int, c int, primary key (a, b))",
        "create table plain (a int, b int, c int)",
        "insert into plain select i % 60, i / 60, i from generate_series(0, 5999) i",
        "insert into pairs select * from plain",
        "create index pairs_c on pairs (b, c, a)",
        "analyze",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    let list = |count: i32| {
        let all: Vec<String> = (0..count).rev().map(|each| each.to_string()).collect();
        all.join(", ")
    };
    let (few, many) = (list(3), list(150));
    for (condition, shown) in [
        (format!("a in ({few}) and b in ({few})"), "(b = ANY ("),
        (format!("a in ({few}) and b = 7"), "(b = 7)"),
        (format!("a in ({few}) and b > 97"), "(b > 97)"),
        (
            format!("a in ({few}, 7000000000, null) and b in (1, 1, 98)"),
            "(b = ANY (",
        ),
        // More pairs than are looked for.
        (format!("a in ({many}) and b in ({many})"), ""),
        (format!("b in ({few}) and c in ({few}, 61) and a >= 1"), ""),
        (
            format!("b in ({many}) and c in ({many}) and a in ({few})"),
            "",
        ),
    ] {
        for order in ["a, b", "b desc, a desc", "a desc, b desc limit 3"] {
            let of =
                |table: &str| format!("select * from {table} where {condition} order by {order}");
            let expected = rows(&mut session, &of("plain"));
            assert_eq!(
                rows(&mut session, &of("pairs")),
                expected,
                "{}",
                of("pairs")
            );
        }
        let plan = plan(
            &mut session,
            &format!("select * from pairs where {condition}"),
        );
        assert!(plan.contains(shown), "{condition}\n{plan}");
    }
}

#[test]
fn writes_find_their_rows_in_the_same_ways() {
    let mut session = tables();
    for (_, condition) in FOUND {
        for write in [
            "update {} set small = small + 1, made = made + 1, name = upper(name), id = id + 100000 where",
            "delete from {} where",
        ] {
            rows(&mut session, "begin; select 1");
            for table in ["t", "plain"] {
                let write = format!("{} {condition}", write.replace("{}", table));
                session.execute(&write, &[]).unwrap();
            }
            let expected = rows(&mut session, "select * from plain order by id");
            let found = rows(&mut session, "select * from t order by id");
            assert!(found == expected, "{write} {condition}");
            session.execute("rollback", &[]).unwrap();
        }
    }
}

#[test]
fn much_of_a_table_is_read_without_an_index() {
    let mut session = tables();
    session.execute("analyze", &[]).unwrap();
    let all = "select sum(big) from t where price > 1.0";
    assert!(
        plan(&mut session, all).contains("Seq Scan"),
        "{}",
        plan(&mut session, all)
    );
    let few = "select sum(big) from t where made = '2024-01-05' and small = 3";
    assert!(
        plan(&mut session, few).contains("t_made"),
        "{}",
        plan(&mut session, few)
    );
}

#[test]
fn extremes_are_at_the_ends_of_indexes() {
    let mut session = tables();
    for (query, is_found) in [
        ("select max(id) from {}", true),
        (
            "select min(id), max(id) + 1, max(id) - min(id) from {}",
            true,
        ),
        (
            "select max(big), min(note), max(note), min(name), max(made), max(price) from {}",
            true,
        ),
        ("select max(big) from {} where small = 3", true),
        ("select max(small) from {} where small = 3", true),
        ("select max(id) from {} where id < 100", true),
        ("select max(id) from {} where id < 0", true),
        ("select min(id) from {} where id in (7, 9)", true),
        ("select (select max(id) from {}) + max(small) from {}", true),
        ("select max(distinct id) from {} having max(id) > 5", true),
        ("select max(id), count(*) from {}", false),
        ("select max(id) filter (where small = 1) from {}", false),
        ("select max(id) from {} where active", false),
        ("select max(id) from {} group by small order by 1", false),
        ("select max(id + 0) from {}", false),
    ] {
        let of = |table: &str| query.replace("{}", table);
        let expected = rows(&mut session, &of("plain"));
        assert_eq!(rows(&mut session, &of("t")), expected, "{query}");
        let plan = plan(&mut session, &of("t"));
        assert_eq!(plan.contains("Index"), is_found, "{query}\n{plan}");
    }
}

/// Conditions that a scan tells from stored rows, and some that are like them but are not.
const TOLD: &[&str] = &[
    "id = 7",
    "7 < id and id <= 20",
    "id < 99999999999 and id <> 5",
    "id > -99999999999 and small >= 2::bigint",
    "big > 5 and big <> 60000000000",
    "big = null",
    "small in (1, null, 3)",
    "small in (-1, 2)",
    "name = 'name 3'",
    "name in ('name 3', 'name 4', 'none')",
    "name > 'name 35' and 'name 37' >= name",
    "note < 'c'",
    "note <> 'a1'",
    "made = date '2024-01-05'",
    "made < timestamp '2024-01-05 12:00'",
    "timestamp '2024-01-05' <= made",
    "made < 'infinity'::timestamp and made > '-infinity'::date",
    "at >= timestamp '2024-01-05' and at < timestamp '2024-01-07' + interval '1 day'",
    "at < date '2024-01-05'",
    "made < date_trunc('day', at)",
    "made > at",
    "code = 'c7'",
    "code = 'c7  '",
    "code in ('c7', 'c8 ')",
    "code > 'c28' and code <> 'c29'",
    "code = 'c7'::text",
    "price < 20.125",
    "price = 'NaN'",
    "price > 300.5 and id % 2 = 0 and small = 1",
    "id = small",
    "id > extra and extra = 3",
    "cost = 1.50 and cost > 0.1",
    "cost in (1.5, 2)",
    "label = 'new'",
    "active and id < 30",
    "active = true and id < 30",
];

#[test]
fn scans_tell_the_same_rows_as_filters() {
    let mut session = tables();
    // The rows that are there do not have these columns.
    for statement in [
        "alter table plain add column extra int default 3",
        "alter table plain add column cost numeric default 1.5",
        "alter table plain add column label char(5) default 'new'",
        "insert into plain (id, price, extra, cost, label, code)
         values (3001, 'NaN', 1, 2.00, 'old', 'c'), (3002, 1, null, null, null, null)",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    // Once from tables, once with writes of the transaction among them.
    for round in 0..2 {
        for condition in TOLD {
            let told = format!("select id, name from plain where {condition}");
            let not =
                format!("select id, name from plain where case when {condition} then true end");
            let expected = rows(&mut session, &not);
            assert_eq!(rows(&mut session, &told), expected, "{condition}, {round}");
            let first = format!("{told} limit 1");
            let first_of_all = expected.iter().take(1).cloned().collect::<Vec<_>>();
            assert_eq!(rows(&mut session, &first), first_of_all, "{condition}");
            let count = format!("select count(*) from plain where {condition}");
            assert_eq!(rows(&mut session, &count), [expected.len().to_string()]);
        }
        session.execute("begin", &[]).unwrap();
        session
            .execute(
                "update plain set small = 1, name = 'name 3' where id % 100 = 3",
                &[],
            )
            .unwrap();
        session
            .execute("delete from plain where id % 50 = 7", &[])
            .unwrap();
    }
    session.execute("rollback", &[]).unwrap();
    // An error of a condition that comes first is told, whatever comes after it.
    let error = session.execute(
        "select id from plain where 1 / (id - 7) > 5 and id > 7",
        &[],
    );
    assert_eq!(error.unwrap_err().state().as_str(), "22012");
    let none = rows(
        &mut session,
        "select id from plain where id > 7 and id < 5 and 1 / (id - id) > 5",
    );
    assert!(none.is_empty());
}
