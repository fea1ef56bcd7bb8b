//! Statements that change one row by its key, by themselves: whatever way they are run, they do what
//! they do in a transaction.

use std::sync::Arc;
use std::thread;

use rustdb_sql::{Database, Prepared, Session};
use rustdb_types::Value;
use rustdb_vfs::MemVfs;

use crate::database::{database_over, lines};

const INCREMENT: &str = "update t set b = b + 1 where a = $1";
const UPSERT: &str = "insert into t values ($1, 1) on conflict (a) do update set b = t.b + 1";

fn database(text: &str) -> (Database, Session) {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    session.execute(text, &[]).unwrap();
    (database, session)
}

/// Runs a statement twice with the same plan, so that the second run finds it.
fn twice(session: &mut Session, text: &str) -> Vec<String> {
    let prepared = session.prepare(text, &[]).unwrap();
    run_twice(session, &prepared)
}

fn run_twice(session: &mut Session, prepared: &Prepared) -> Vec<String> {
    let run = |_| match session.run_prepared(prepared, &[]) {
        Ok(answer) => answer.tag.to_string(),
        Err(error) => error.state().as_str().to_owned(),
    };
    (0..2).map(run).collect()
}

/// Statements, what they answer the first and the second time, and what is left of the row then.
const CASES: &[(&str, [&str; 2], &str)] = &[
    (
        "update t set b = b + 1 where a = 1",
        ["UPDATE 1", "UPDATE 1"],
        "1|12|x|",
    ),
    (
        "update t set b = b + 1 where a = 1 and b > 12",
        ["UPDATE 0", "UPDATE 0"],
        "1|12|x|",
    ),
    (
        "update t set b = b + 1, c = c || 'y' where a = 1",
        ["UPDATE 1", "UPDATE 1"],
        "1|14|xyy|",
    ),
    (
        "update t set b = 0 where a = 7",
        ["UPDATE 0", "UPDATE 0"],
        "1|14|xyy|",
    ),
    (
        "update t set b = 0 where a = null",
        ["UPDATE 0", "UPDATE 0"],
        "1|14|xyy|",
    ),
    (
        "update t set b = b / (a - 1) where a = 1",
        ["22012", "22012"],
        "1|14|xyy|",
    ),
    (
        "update t set b = b + 43 where a = 1",
        ["UPDATE 1", "23514"],
        "1|57|xyy|",
    ),
    (
        "update t set c = null where a = 1",
        ["23502", "23502"],
        "1|57|xyy|",
    ),
    (
        "update t set d = 5 where a = 1",
        ["UPDATE 1", "UPDATE 1"],
        "1|57|xyy|5",
    ),
    (
        "update t set d = 5 where a = 2",
        ["23505", "23505"],
        "1|57|xyy|5",
    ),
    (
        "update t set a = a - 1 where a = 2",
        ["23505", "23505"],
        "1|57|xyy|5",
    ),
    (
        "insert into t values (1, 3) on conflict (a) do update set b = excluded.b + t.b",
        ["INSERT 0 1", "INSERT 0 1"],
        "1|63|xyy|5",
    ),
    (
        "insert into t values (1, 3) on conflict (a) do update set b = 0 where t.b < excluded.b",
        ["INSERT 0 0", "INSERT 0 0"],
        "1|63|xyy|5",
    ),
    (
        "insert into t values (1, 30) on conflict (a) do update set b = excluded.b + t.b",
        ["INSERT 0 1", "23514"],
        "1|93|xyy|5",
    ),
    (
        "insert into t values (1, 300) on conflict (a) do update set b = 1",
        ["23514", "23514"],
        "1|93|xyy|5",
    ),
    (
        "insert into t values (1, 3, null) on conflict (a) do update set b = 1",
        ["23502", "23502"],
        "1|93|xyy|5",
    ),
];

#[test]
fn a_row_is_changed_as_in_a_transaction() {
    let (_, mut session) = database(
        "create table t (a int primary key, b int check (b < 100), c text not null default 'x', d int unique);
         insert into t values (1, 10), (2, 20)",
    );
    for (statement, answers, left) in CASES {
        assert_eq!(twice(&mut session, statement), *answers, "{statement}");
        let rows = lines(&mut session, "select * from t where a = 1");
        assert_eq!(rows, [*left], "{statement}");
    }
    let added = "insert into t values (3, 1) on conflict (a) do update set b = t.b + 1";
    assert_eq!(twice(&mut session, added), ["INSERT 0 1", "INSERT 0 1"]);
    let rows = lines(&mut session, "select a, b from t order by a");
    assert_eq!(rows, ["1|93", "2|20", "3|2"]);
}

#[test]
fn statements_of_one_text_are_one_transaction() {
    let (_, mut session) =
        database("create table t (a int primary key, b int); insert into t values (1, 10)");
    let one = "update t set b = b + 1 where a = 1";
    for _ in 0..3 {
        session.execute(one, &[]).unwrap();
    }
    assert!(
        session
            .execute(&format!("{one}; select 1 / 0"), &[])
            .is_err()
    );
    assert_eq!(lines(&mut session, "select b from t"), ["13"]);
    session.execute("begin", &[]).unwrap();
    session.execute(one, &[]).unwrap();
    session.execute("rollback", &[]).unwrap();
    assert_eq!(lines(&mut session, "select b from t"), ["13"]);
}

#[test]
fn who_may_not_write_does_not() {
    let (database, mut one) =
        database("create table t (a int primary key, b int); insert into t values (1, 10)");
    let mut two = database.connect();
    let increment = "update t set b = b + 1 where a = 1";
    let increment = two.prepare(increment, &[]).unwrap();
    assert_eq!(run_twice(&mut two, &increment), ["UPDATE 1", "UPDATE 1"]);
    two.execute("set lock_timeout = 20", &[]).unwrap();
    for lock in [
        "lock table t in share mode",
        "lock table t in exclusive mode",
        "select * from t for share",
        "select * from t for key share",
        "update t set b = 0",
    ] {
        one.execute(&format!("begin; {lock}"), &[]).unwrap();
        let expected = match lock.ends_with("key share") {
            true => ["UPDATE 1", "UPDATE 1"],
            false => ["55P03", "55P03"],
        };
        assert_eq!(run_twice(&mut two, &increment), expected, "{lock}");
        one.execute("rollback", &[]).unwrap();
    }
    assert_eq!(run_twice(&mut two, &increment), ["UPDATE 1", "UPDATE 1"]);
    two.execute("set default_transaction_read_only = on", &[])
        .unwrap();
    assert_eq!(run_twice(&mut two, &increment), ["25006", "25006"]);
    assert_eq!(lines(&mut one, "select b from t"), ["16"]);
}

#[test]
fn every_one_of_many_increments_counts() {
    let (database, mut session) = database(
        "create table t (a int primary key, b int); insert into t select a, 0 from generate_series(1, 4) a",
    );
    const EACH: i64 = 150;
    let repeat = |text: &'static str| {
        let mut session = database.connect();
        move || {
            let prepared = session.prepare(text, &[]).unwrap();
            for turn in 0..EACH {
                let row = Value::Int4((turn % 4 + 1) as i32);
                session.run_prepared(&prepared, &[row]).unwrap();
            }
        }
    };
    let in_blocks = || {
        let mut session = database.connect();
        move || {
            for turn in 0..EACH {
                let row = turn % 4 + 1;
                let lock = format!(
                    "begin; lock table t in row exclusive mode; select b from t where a = {row} for update"
                );
                let b = lines(&mut session, &lock).remove(0).parse::<i64>().unwrap();
                let write = format!("update t set b = {} where a = {row}; commit", b + 1);
                session.execute(&write, &[]).unwrap();
            }
        }
    };
    let indexes = || {
        let mut session = database.connect();
        move || {
            for turn in 0..10 {
                for define in ["create index i on t (b)", "alter table t add column c int"] {
                    session.execute(define, &[]).unwrap();
                }
                let all = "select count(*) from t where b >= 0";
                assert_eq!(lines(&mut session, all), ["4"], "{turn}");
                for undo in ["drop index i", "alter table t drop column c"] {
                    session.execute(undo, &[]).unwrap();
                }
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(repeat(INCREMENT));
        scope.spawn(repeat(INCREMENT));
        scope.spawn(repeat(UPSERT));
        scope.spawn(in_blocks());
        scope.spawn(indexes());
    });
    let sum = lines(&mut session, "select sum(b), count(*) from t");
    assert_eq!(sum, [format!("{}|4", 4 * EACH)]);
}

/// What an UPDATE by key sets, and what else it asks of the row.
const SETS: &[&str] = &[
    "i = i + 1",
    "i = n, n = i",
    "i = n, n = i, l = l + 1",
    "i = i + 1 where i > 5 and {}",
    "i = i + 1 where t = 'three' and {}",
    "n = n + 1",
    "m = 1",
    "m = m + 1",
    "b = not b",
    "d = d / 2, r = r * 3",
    "i = null",
    "i = 0",
    "s = null",
    "l = l + 9223372036854775807",
    "d = 1 / (i - i)",
    "t = 'other', i = i + 1",
    "n = default",
    "e = 'low'",
    "e = 'low' where e is null and {}",
    "ts = ts + interval '1 day', dt = dt + 1, u = u",
];

/// Stored bytes with new values among them are the row that is made of values: whether columns are
/// NULL, or were added after the row was written.
#[test]
fn patched_rows_are_those_that_are_made_anew() {
    let (_database, mut session) = database("create type level as enum ('low', 'high')");
    for table in ["alone", "block", "made"] {
        let text = format!(
            "create table {table} (a int primary key, s smallint not null, i int, l bigint, r real, \
                 d double precision, b boolean, t text, dt date, ts timestamp, u uuid, e level); \
             insert into {table} values (1, 1, 10, 100, 1.5, 2.5, true, 'one', '2020-02-28', \
                 '2020-02-28 12:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'high'); \
             insert into {table} values (2, 2); \
             alter table {table} add column n int default 7, add column m int; \
             insert into {table} values (3, 3, 30, 9223372036854775807, 0, -1, false, 'three', \
                 'infinity', '-infinity', null, null, 33, 333)"
        );
        session.execute(&text, &[]).unwrap();
    }
    for set in SETS {
        for key in 1..=4 {
            // Behind `+` it is no key, and all rows are looked at.
            let tables = [("alone", "a ="), ("block", "a ="), ("made", "a + 0 =")];
            let answers = tables.map(|(table, key_is)| {
                let by_key = format!("{key_is} {key}");
                let text = match set.contains("{}") {
                    true => format!("update {table} set {}", set.replace("{}", &by_key)),
                    false => format!("update {table} set {set} where {by_key}"),
                };
                in_its_way(&mut session, &text, table == "block")
            });
            assert!(
                answers.iter().all(|each| *each == answers[0]),
                "{set} of {key}: {answers:?}"
            );
        }
        let rows = ["alone", "block", "made"]
            .map(|table| lines(&mut session, &format!("select * from {table} order by a")));
        assert!(rows.iter().all(|each| *each == rows[0]), "{set}: {rows:?}");
    }
    session.execute("begin; savepoint s", &[]).unwrap();
    let twice = "update block set n = n + 1 where a = 3";
    for _ in 0..2 {
        run(&mut session, twice);
    }
    let rows = "select n from block where a = 3";
    let (before, after) = (
        lines(&mut session, "select n from made where a = 3"),
        lines(&mut session, rows),
    );
    assert_eq!(
        after[0].parse::<i32>().unwrap(),
        before[0].parse::<i32>().unwrap() + 2
    );
    session.execute("rollback to s; commit", &[]).unwrap();
    assert_eq!(lines(&mut session, rows), before);
}

/// Runs a statement that is prepared, perhaps in a block.
fn in_its_way(session: &mut Session, text: &str, is_in_block: bool) -> String {
    if is_in_block {
        session.execute("begin", &[]).unwrap();
    }
    let answer = run(session, text);
    if is_in_block {
        session.execute("commit", &[]).unwrap();
    }
    answer
}

fn run(session: &mut Session, text: &str) -> String {
    let answer = session.prepare(text, &[]);
    match answer.and_then(|prepared| session.run_prepared(&prepared, &[])) {
        Ok(answer) => answer.tag.to_string(),
        Err(error) => error.state().as_str().to_owned(),
    }
}

/// A DELETE by key reads no more columns than it needs: all that belongs to the row goes all the same.
#[test]
fn a_deleted_row_leaves_no_entry_behind() {
    let (_database, mut session) = database(
        "create table p (a int primary key, b int unique, c text, d float8, e int, f int default 5);
         create index on p (e) where d > 1;
         create index on p (lower(c));
         insert into p select i, nullif(i, 4), 'C' || i, i, i % 3 from generate_series(1, 8) i;
         alter table p add g int default 9;
         create index on p (g);
         create table plain (a int primary key, b int, c text);
         create index on plain (b) include (c);
         insert into plain select i, i % 3, 'c' || i from generate_series(1, 8) i",
    );
    let all = session.prepare("delete from p where a = $1", &[]).unwrap();
    let some = "delete from plain where a = $1 and c <> 'c3'";
    let some = session.prepare(some, &[]).unwrap();
    session.execute("begin", &[]).unwrap();
    for (key, expected) in [(2, 1), (4, 1), (2, 0), (99, 0), (3, 1)] {
        let answer = session.run_prepared(&all, &[Value::Int4(key)]).unwrap();
        assert_eq!(answer.tag.count(), Some(expected), "{key}");
    }
    for (key, expected) in [(1, 1), (3, 0), (4, 1), (4, 0)] {
        let answer = session.run_prepared(&some, &[Value::Int4(key)]).unwrap();
        assert_eq!(answer.tag.count(), Some(expected), "{key}");
    }
    session.execute("commit", &[]).unwrap();
    for (query, expected) in [
        ("select a from p where b in (2, 3, 4, 5)", "5"),
        ("select a from p where b is null", ""),
        ("select a from p where e = 0 and d > 1", "6"),
        (
            "select a from p where lower(c) in ('c2', 'c3', 'c4', 'c1')",
            "1",
        ),
        ("select count(*) from p where g = 9", "5"),
        ("select c from plain where b = 1", "c7"),
        ("select c from plain where b = 0", "c3,c6"),
    ] {
        assert_eq!(lines(&mut session, query).join(","), expected, "{query}");
    }
    session
        .execute("insert into p values (2, 4), (4, 3), (3, 2)", &[])
        .unwrap();
}

/// Rows that are read without locks are whole, whatever becomes of their tables meanwhile.
#[test]
fn rows_of_several_tables_are_read_while_these_change() {
    const ROWS: i32 = 500;
    let (database, mut session) = database(
        "create table p (id int primary key, name text);
         create table c (id int, n int, p int, primary key (id, n));
         create table o (id int primary key, what text); create index on o (what);
         insert into p select a, 'p' || a from generate_series(1, 500) a;
         insert into c select a, n, a from generate_series(1, 500) a, generate_series(1, 3) n;
         insert into o select a, 'o' || a from generate_series(1, 500) a",
    );
    const JOIN: &str = "select o.what, c.n, p.name from o join c on c.id = o.id \
         join p on p.id = c.p where o.id = $1";
    const BY_INDEX: &str = "select id from o where what = $1";
    let ends = std::sync::atomic::AtomicBool::new(false);
    let read = |text: &'static str, of: fn(i32) -> Value, expected: fn(i32) -> String| {
        let mut session = database.connect();
        let ends = &ends;
        move || {
            let prepared = session.prepare(text, &[]).unwrap();
            let mut turn = 0;
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                let row = turn % ROWS + 1;
                let answer = session.run_prepared(&prepared, &[of(row)]).unwrap();
                let mut rows: Vec<String> =
                    answer.rows.iter().map(|row| format!("{row:?}")).collect();
                rows.sort();
                assert_eq!(rows.join(" "), expected(row), "{text}");
                turn += 1;
            }
            assert!(turn > ROWS);
        }
    };
    let of_join = |row: i32| {
        let line = |n| format!("[Text(\"o{row}\"), Int4({n}), Text(\"p{row}\")]");
        [1, 2, 3].map(line).join(" ")
    };
    let what = |row: i32| Value::text(&format!("o{row}"));
    thread::scope(|scope| {
        scope.spawn(read(JOIN, Value::Int4, of_join));
        scope.spawn(read(JOIN, Value::Int4, of_join));
        scope.spawn(read(BY_INDEX, what, |row| format!("[Int4({row})]")));
        for _ in 0..12 {
            for change in [
                "begin; create table c2 as select * from c; truncate c; \
                 insert into c select * from c2; drop table c2; commit",
                "begin; alter table p add column x int default 1; alter table p drop column name; \
                 alter table p add column name text; update p set name = 'p' || id; \
                 alter table p drop column x; commit",
                "begin; create table o2 as select * from o; drop table o; \
                 create table o (what text, id int primary key); create index on o (what); \
                 insert into o select what, id from o2; drop table o2; commit",
            ] {
                session.execute(change, &[]).unwrap();
            }
        }
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
