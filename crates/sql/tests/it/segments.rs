//! Columns that are kept for stretches of tables: whatever is kept, the answers are those that the
//! rows give.
//!
//! A transaction that has written to a table reads its rows one by one, so every query is asked three
//! times as it is, and once after a write that no query sees.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_vfs::MemVfs;

use crate::database::{Still, lines, managed};
use crate::differential::random::Random;

/// How many rows the table has.
const ROWS: usize = 6000;

/// What the rows say of every type with tests or plain cells of its own, and of some without.
const COLUMNS: &str = "id int primary key, small smallint, whole int, long bigint, price numeric(10,2), \
     ratio numeric, weight float8, real4 real, day date, moment timestamp, zoned timestamptz, \
     hour time, name text, code char(5), short varchar(8), truth bool, nothing int, tags text[]";

fn filled(rows: std::ops::Range<usize>) -> String {
    format!(
        "insert into t select n, n % 100, case when n % 50 = 49 then null else n % 977 end, \
            n * 1000003::bigint % 10007, (n * 37 % 9000) / 100.0, \
            case n % 400 when 399 then 'NaN' else n / 7.0 end, sqrt(n), n / 3.0, \
            date '1992-01-01' + n % 2500, timestamp '1992-01-01' + n % 2500 * interval '1 hour', \
            timestamptz '1992-01-01 00:00+00' + n % 2500 * interval '1 minute', \
            time '00:00' + n % 1440 * interval '1 minute', \
            case when n % 300 < 10 then null else 'name ' || n % 83 end, 'c' || n % 7, \
            repeat('s', n % 8), n % 3 = 0, null, array['a' || n % 5] \
         from generate_series({}, {}) n",
        rows.start,
        rows.end - 1
    )
}

fn run(session: &mut Session, text: &str) {
    let done = session.execute(text, &[]);
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

fn opened(cache_bytes: usize) -> (Session, TransactionManager) {
    let options = EngineOptions {
        cache_bytes,
        ..EngineOptions::default()
    };
    let engine = Engine::open(Arc::new(MemVfs::new()), Path::new("/db"), options).unwrap();
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    let database = Database::open(manager.clone(), Arc::new(Still)).unwrap();
    let mut session = database.connect();
    run(&mut session, &format!("create table t ({COLUMNS})"));
    run(&mut session, &filled(0..ROWS));
    run(
        &mut session,
        "create table pairs (a int, b int, primary key (a, b));
        insert into pairs select n % 90, n from generate_series(0, 900) n",
    );
    manager.engine().flush().unwrap();
    (session, manager)
}

/// Some comparison.
fn condition(random: &mut Random) -> String {
    let pick = |random: &mut Random, of: &[&str]| of[random.below(of.len())].to_owned();
    let operator = pick(random, &["=", "<>", "<", "<=", ">", ">="]);
    let number = random.below(10_000);
    match random.below(16) {
        0 => format!("small {operator} {}", number % 100),
        1 => format!("whole {operator} {}", number % 977),
        2 => format!("long {operator} {number}"),
        3 => format!("price {operator} {}.{}", number % 90, number % 100),
        4 => format!("price {operator} {}.{:03}", number % 90, number % 1000),
        5 => format!(
            "ratio {operator} {}",
            pick(random, &["'NaN'", "100", "3.5", "'Infinity'"])
        ),
        6 => format!("weight {operator} {}", number / 100),
        7 => format!("day {operator} date '1992-01-01' + {}", number % 2500),
        8 => format!("day {operator} timestamp '1994-02-03 10:00'"),
        9 => format!("moment {operator} timestamp '1992-03-01 05:00'"),
        10 => format!("hour {operator} time '11:30'"),
        11 => format!("name {operator} 'name {}'", number % 83),
        12 => format!("code {operator} 'c{}'", number % 7),
        13 => "name in ('name 3', 'name 80', 'x')".to_owned(),
        14 => format!("whole in ({}, 5, 900)", number % 977),
        _ => pick(
            random,
            &[
                "small < whole",
                "day < day",
                "long > long",
                "nothing = 1",
                "whole = null",
            ],
        ),
    }
}

fn query(random: &mut Random) -> String {
    let conditions: Vec<String> = (0..random.below(4)).map(|_| condition(random)).collect();
    let filter = match conditions.is_empty() {
        true => "id >= 0".to_owned(),
        false => format!("id >= 0 and {}", conditions.join(" and ")),
    };
    let from = random.below(ROWS);
    let range = match random.below(3) {
        0 => format!(" and id >= {from}"),
        1 => format!(" and id between {from} and {}", from + random.below(ROWS)),
        _ => String::new(),
    };
    match random.below(5) {
        0 => format!(
            "select count(*), sum(whole), sum(price), min(name), max(code) from t where {filter}{range}"
        ),
        1 => format!(
            "select id, name, code, short, price, ratio, tags from t where {filter}{range} order by id"
        ),
        2 => format!(
            "select small, count(nothing), sum(long), max(zoned), min(hour), bool_or(truth) from t \
                where {filter}{range} group by small order by small"
        ),
        3 => format!(
            "select count(*), sum(t.price), max(real4), max(t.name) from t join pairs on a = small \
                where {filter}{range} and b < 300"
        ),
        _ => format!(
            "select count(*), sum(t.price) from t join pairs on a = small and b = whole \
                where {filter}{range}"
        ),
    }
}

/// Asks as it is told above.
fn check(session: &mut Session, query: &str, seen: &str) {
    let kept: Vec<_> = (0..3).map(|_| lines(session, query)).collect();
    run(session, "begin; insert into t (id) values (-1)");
    let of_rows = lines(session, query);
    run(session, "rollback");
    for kept in kept {
        assert_eq!(kept, of_rows, "{query} {seen}");
    }
}

fn kept_bytes(manager: &TransactionManager) -> usize {
    manager.engine().stats().cache.derived_bytes
}

#[test]
fn columns_that_are_kept_say_what_rows_say() {
    let (mut session, manager) = opened(16 << 20);
    let mut random = Random::new(1);
    for workers in [0, 4] {
        run(
            &mut session,
            &format!(
                "set max_parallel_workers_per_gather = {workers}; set min_parallel_table_scan_size = 0"
            ),
        );
        for number in 0..60 {
            check(
                &mut session,
                &query(&mut random),
                &format!("query {number}"),
            );
        }
        assert!(kept_bytes(&manager) > 10_000);
    }
}

#[test]
fn what_is_kept_follows_what_is_written() {
    let (mut session, manager) = opened(16 << 20);
    let mut random = Random::new(2);
    let changes = [
        "update t set whole = whole + 1, name = 'new' where id % 700 = 3",
        "delete from t where id between 2000 and 2010",
        "alter table t add column late int default 7",
        "update t set late = id where id % 900 < 3",
        "alter table t drop column nothing; alter table t add column nothing int default 1",
        "update t set price = price + 1 where id > 5000",
        "alter table t alter column whole type bigint",
        "delete from t where id > 5500",
        "truncate t",
    ];
    for (number, change) in changes.into_iter().enumerate() {
        run(&mut session, change);
        for again in 0..8 {
            if again == 4 {
                manager.engine().flush().unwrap();
                manager.engine().compact().unwrap();
            }
            let query = match (again % 4, number) {
                (0, 2..) => "select sum(late), count(late), sum(nothing) from t where late < 4000 and id >= 0"
                    .to_owned(),
                _ => query(&mut random),
            };
            check(&mut session, &query, &format!("after {change}"));
        }
    }
    run(&mut session, &filled(0..ROWS).replace("null, array", "array").replace("insert into t", "insert into t (id, small, whole, long, price, ratio, weight, real4, day, moment, zoned, hour, name, code, short, truth, tags)"));
    check(&mut session, &query(&mut random), "filled again");
}

#[test]
fn older_snapshots_see_what_was_there() {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let (mut reader, mut writer) = (database.connect(), database.connect());
    run(
        &mut writer,
        "create table t (id int primary key, amount int, note text);
        insert into t select n, 1, 'note ' || n from generate_series(1, 8000) n",
    );
    manager.engine().flush().unwrap();
    let sum = "select count(*), sum(amount) from t where note <> 'x'";
    for _ in 0..3 {
        assert_eq!(lines(&mut reader, sum), ["8000|8000"]);
    }
    run(&mut reader, "begin isolation level repeatable read");
    assert_eq!(lines(&mut reader, sum), ["8000|8000"]);
    run(
        &mut writer,
        "update t set amount = 2; delete from t where id % 2 = 0",
    );
    manager.engine().flush().unwrap();
    manager.engine().compact().unwrap();
    for _ in 0..3 {
        assert_eq!(lines(&mut writer, sum), ["4000|8000"]);
        assert_eq!(lines(&mut reader, sum), ["8000|8000"]);
    }
    run(&mut reader, "rollback");
    for _ in 0..3 {
        assert_eq!(lines(&mut reader, sum), ["4000|8000"]);
    }
}

#[test]
fn a_small_cache_keeps_some_and_answers_all() {
    let (mut session, manager) = opened(200_000);
    let mut random = Random::new(3);
    for number in 0..30 {
        check(
            &mut session,
            &query(&mut random),
            &format!("query {number}"),
        );
        let cache = manager.engine().stats().cache;
        assert!(cache.derived_bytes <= 100_000, "{cache:?}");
    }
    let (mut session, manager) = opened(0);
    check(&mut session, &query(&mut random), "without a cache");
    assert_eq!(kept_bytes(&manager), 0);
}
