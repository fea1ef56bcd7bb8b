//! Statements that would take minutes within one row, and stop when they are told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustdb_sql::{Database, Session};
use rustdb_types::SqlState;
use rustdb_vfs::MemVfs;

use crate::database::database_over;

/// How long a statement may go on after it was told to stop before that is taken for ever. What is
/// wanted is less than a twentieth of a second on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// So long a statement runs before it is told to stop.
const BEFORE: Duration = Duration::from_millis(200);

/// Each of them alone keeps a processor busy for minutes at least.
const ENDLESS: &[&str] = &[
    // Patterns: parts that are cut anew, starts that are tried anew, looking back.
    "select repeat('a', 1001) || 'b' ~ '^(a*)(a*)(a*)(a*)\\1\\2\\3\\4b$'",
    "select regexp_count(repeat('a', 2000000), 'a*b|a')",
    "select regexp_replace(repeat('a', 2000000), 'a*b|a', 'x', 'g')",
    "select count(*) from regexp_split_to_table(repeat('a', 2000000), 'a*b|a')",
    "select repeat('a', 1000000) ~ '(?<=(a|b)*c)d|e'",
    "select repeat('a', 4000000) like '%' || repeat('a', 2000000) || '_b%'",
    r"select repeat('a', 4000000) like '%' || repeat('a', 2000000) || '\b%'",
    "select repeat('a', 4000000) ilike '%' || repeat('A', 2000000) || '_b%'",
    // Texts.
    "select length(translate(repeat('x', 100000000), repeat('abcdefgh', 100000), ''))",
    // Paths in documents.
    "select count(*) from jsonb_path_query((select jsonb_agg(i) from generate_series(1, 100000) i), '$[*] ? (@ == $[*])')",
    "select count(*) from jsonb_path_query((repeat('{\"a\":', 100) || 1 || repeat('}', 100))::jsonb, '$.**.**.**.**.**.**.**')",
    // Arrays and documents that are compared element by element.
    "select up @> down from lists",
    "select up && below from lists",
    "select to_jsonb(up) @> to_jsonb(down) from lists",
    "select count(*) from lists, generate_series(1, 1000000) i where i <> all(below)",
    // Numbers of a hundred thousand digits, over and over.
    "select sum((3::numeric ^ 200000 + i) * (3::numeric ^ 200000 - i)) from generate_series(1, 100000) i",
    "select sum(trunc((3::numeric ^ 200000 + i) / 2::numeric ^ 200000)) from generate_series(1, 100000) i",
    "select count(ln(3::numeric ^ 200000 + i)) from generate_series(1, 100000) i",
    "select count(exp(numeric '4000.123' + 1 / (i * 1e300))) from generate_series(1, 1000000) i",
    "select count(sqrt(3::numeric ^ 200000 + i)) from generate_series(1, 100000) i",
    "select count(factorial(32000)) from generate_series(1, 1000000) i where factorial(32000) > i",
    // Rows that never end.
    "select count(*) from generate_series(1, 1000000000000) i",
    "select count(*) from (select generate_series(1, 1000000000000)) x",
    "with recursive r as (select 1 as n union all select 1 from r) select count(*) from r",
    "with recursive r as (select 1 as n union select n + 1 from r) select count(*) from r where n < 0",
    "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b where a + b < 0",
    "select count(*) from generate_series(1, 1000000) a where not exists (select from generate_series(1, 1000000) b where a + b < 0)",
    "select count(*) from generate_series(1, 1000000) a left join generate_series(1, 1000000) b on a + b < 0",
    "select count((select max(b) from generate_series(1, 1000000) b where b <> a)) from generate_series(1, 1000000) a",
    // Frames that are summed anew for each row.
    "select max(s) from (select string_agg('x', '') over (order by i rows between 300000 preceding and 1 following exclude current row) s from generate_series(1, 600000) i) x",
];

#[test]
fn a_session_cancels_the_statement_of_another() {
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut session, mut other) = (database.connect(), database.connect());
    #[expect(
        clippy::disallowed_methods,
        reason = "it may go on when the test gives up"
    )]
    let sleeping = std::thread::spawn(move || {
        let slept = session.execute("select pg_sleep(3600)", &[]);
        slept.map(drop).map_err(|error| error.state())
    });
    let cancel = "select pg_cancel_backend(pid) from pg_stat_activity where state = 'active' \
                  and query like '%pg_sleep(3600)' and pid <> pg_backend_pid()";
    // A statement that is about to begin does not hear it.
    while !sleeping.is_finished() {
        other.execute(cancel, &[]).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(sleeping.join().unwrap(), Err(SqlState::QUERY_CANCELED));
}

fn filled() -> Database {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    session
        .execute("create table t (a int primary key, b int, c text)", &[])
        .unwrap();
    session
        .execute(
            "insert into t select i, i % 10, 'x' from generate_series(1, 2000) i",
            &[],
        )
        .unwrap();
    let list = |series: &str| format!("array(select generate_series({series}))");
    let lists = format!(
        "create table lists as select {} up, {} down, {} below",
        list("1, 60000"),
        list("60000, 1, -1"),
        list("-60000, 0"),
    );
    session.execute(&lists, &[]).unwrap();
    database
}

/// Runs a statement, tells it to stop while it runs, and gives the code of its error.
fn stopped(mut session: Session, statement: &str) -> String {
    let flag = session.cancellation();
    let (said, heard) = channel();
    let text = statement.to_owned();
    #[expect(
        clippy::disallowed_methods,
        reason = "it may go on when the test gives up"
    )]
    std::thread::spawn(move || {
        let result = session.execute(&text, &[]);
        let state = match result {
            Ok(_) => "it ended".to_owned(),
            Err(error) => error.state().as_str().to_owned(),
        };
        // It can go on, but for what it is told meanwhile.
        let mut after = (0..100).map(|_| session.execute("rollback; select 1", &[]));
        let after = after.any(|result| result.is_ok());
        let _nobody_waits = said.send((state, after));
    });
    // Some of its work is done before it is told. What is said before it begins is not heard, so
    // that it is said again.
    if let Ok((state, _)) = heard.recv_timeout(BEFORE) {
        return format!("it ended by itself: {state}");
    }
    let mut waited = Duration::ZERO;
    while waited < LIMIT {
        flag.store(true, Ordering::Relaxed);
        let pause = Duration::from_millis(5);
        if let Ok((state, after)) = heard.recv_timeout(pause) {
            return match after {
                true => state,
                false => "the session is broken".to_owned(),
            };
        }
        waited += pause;
    }
    "it goes on".to_owned()
}

#[test]
fn what_takes_long_within_one_row_is_cancelled() {
    let database = filled();
    let outcomes = ENDLESS.iter().map(|statement| {
        let outcome = stopped(database.connect(), statement);
        (outcome, *statement)
    });
    let wrong: Vec<_> = outcomes.filter(|(outcome, _)| outcome != "57014").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn definitions_over_many_rows_are_cancelled() {
    let database = filled();
    let slow = "(a + length(translate(repeat('x', 1000000), repeat('abcdefgh', 1000), '')))";
    for statement in [
        format!("create index on t ({slow})"),
        format!("alter table t add check ({slow} > 0)"),
        format!("alter table t alter b type int using {slow}"),
        format!("alter table t add d int generated always as ({slow}) stored"),
        format!("create table u as select {slow} as d from t"),
        format!("update t set b = {slow}"),
        format!("insert into t select a + 10000, {slow} from t"),
        format!("delete from t where {slow} < 0"),
    ] {
        assert_eq!(
            stopped(database.connect(), &statement),
            "57014",
            "{statement}"
        );
    }
    let mut session = database.connect();
    let count = session.execute("select count(*), sum(b) from t", &[]);
    let row = &count.unwrap()[0].rows[0];
    let row: Vec<Option<i64>> = row.iter().map(|value| value.as_integer()).collect();
    assert_eq!(row, [Some(2000), Some(9000)]);
}

/// What operators have collected, and the writes of a transaction, are freed by another thread while
/// the session goes on: its locks are gone by then, and its rows as they were.
#[test]
fn what_was_collected_is_left_when_a_statement_is_stopped() {
    let database = filled();
    let mut session = database.connect();
    let many =
        "create table many as select g as a, 'text ' || g as b from generate_series(1, 60000) g";
    session.execute(many, &[]).unwrap();
    // The last row takes for ever.
    let last = "(a < 60000 or (select count(*) from generate_series(1, 1000000000000) x where x + a < 0) < 0)";
    for statement in [
        format!("select a, b from many where {last}"),
        format!("select distinct a, b from many where {last}"),
        format!("select b from many where {last} union select b from many where {last}"),
        format!("select b from many except select b from many where {last}"),
        format!("select b, count(*) from many where {last} group by b"),
        format!("select b from many where {last} order by b desc"),
        format!("select rank() over (order by b) from many where {last}"),
        format!("select count(*) from many x join (select * from many where {last}) y using (b)"),
        format!("with w as materialized (select * from many where {last}) select * from w, w v"),
        format!("insert into many select a, b from many where {last}"),
        format!("delete from many where {last} returning b"),
        format!(
            "begin; update many set b = b || 'x' where a < 60000; select b from many where {last}"
        ),
        "select ('[' || repeat('[1],', 30000000) || '1]')::jsonb".to_owned(),
    ] {
        assert_eq!(
            stopped(database.connect(), &statement),
            "57014",
            "{statement}"
        );
        session.execute("set lock_timeout = '50s'", &[]).unwrap();
        let again = "update many set b = b where a % 100 = 0";
        session.execute(again, &[]).unwrap();
    }
    let count = "select count(*), count(distinct b), sum(length(b)) from many";
    let count = session.execute(count, &[]).unwrap();
    let row: Vec<Option<i64>> = count[0].rows[0].iter().map(|it| it.as_integer()).collect();
    assert_eq!(row, [Some(60_000), Some(60_000), Some(588_894)]);
}

#[test]
fn what_takes_long_within_one_row_ends_with_its_time() {
    let database = filled();
    let mut session = database.connect();
    session.execute("set statement_timeout = 20", &[]).unwrap();
    for statement in ENDLESS.iter().step_by(4) {
        let error = session.execute(statement, &[]).unwrap_err();
        assert_eq!(
            (error.state().as_str(), error.message()),
            ("57014", "canceling statement due to statement timeout"),
            "{statement}"
        );
    }
}

/// What is constant in a statement is computed while it is planned.
#[test]
fn what_takes_long_while_a_statement_is_prepared_ends_with_its_time() {
    let database = filled();
    let mut session = database.connect();
    session.execute("set statement_timeout = 20", &[]).unwrap();
    let slow = "select length(translate(repeat('x', 100000000), repeat('abcdefgh', 100000), ''))";
    let error = session.prepare(slow, &[]).err().unwrap();
    assert_eq!(
        (error.state().as_str(), error.message()),
        ("57014", "canceling statement due to statement timeout")
    );
    session.execute("set statement_timeout = 0", &[]).unwrap();
    let flag = session.cancellation();
    flag.store(true, Ordering::Relaxed);
    // What was said before does not count.
    let one = session.prepare("select 1", &[]).unwrap();
    session.run_prepared(&one, &[]).unwrap();
}

/// What makes or reads long values looks at the time while it does.
#[test]
fn what_makes_one_long_value_ends_with_its_time() {
    let database = filled();
    let mut session = database.connect();
    for statement in [
        "create table long as select repeat('a,', 4000000) as t",
        "set statement_timeout = 20",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    let whole = "(select t from long)";
    for slow in [
        format!("replace({whole}, 'a', 'bb')"),
        format!("replace({whole}, 'b', 'bb') || replace({whole}, 'a', '')"),
        format!("array_length(string_to_array({whole}, ','), 1)"),
        format!("array_length(string_to_array({whole}, null), 1)"),
        format!("array_length(('{{' || {whole} || 'a}}')::text[], 1)"),
        format!("array_to_string(string_to_array({whole}, ','), ';')"),
        format!("encode({whole}::bytea, 'base64')"),
        format!("encode({whole}::bytea, 'escape')"),
        format!("decode(replace({whole}, ',', 'a'), 'base64')"),
        format!("decode(replace({whole}, ',', 'a'), 'hex')"),
    ] {
        let result = session.execute(&format!("select {slow} is null"), &[]);
        let state = result.err().map(|error| error.state().as_str().to_owned());
        assert_eq!(state.as_deref(), Some("57014"), "{slow}");
    }
}
