//! UPDATE and DELETE of many rows as they are stored, beside the same statements with RETURNING, which
//! read them as a whole.

use rustdb_sql::Session;

use crate::database::{lines, session};

/// Two tables that are the same; some rows are older than the column `late`.
fn tables() -> Session {
    let mut session = session();
    for name in ["swept", "read"] {
        for statement in [
            "create table $t (a int, b int, n int, flag bool, label text, at timestamp, big bigint not null,
                 primary key (a, b))",
            "create index on $t (n)",
            "insert into $t select i / 10, i % 10, nullif(i * 37 % 101, 50), i % 3 = 0, 'label ' || i,
                 case when i % 4 = 0 then timestamp '2026-01-01' + i * interval '1 hour' end, i
             from generate_series(1, 1500) i",
            "alter table $t add column late int default 7",
            "insert into $t select 200 + i, 0, i, null, repeat('x', i * 50), null, -i, i
             from generate_series(1, 30) i",
        ] {
            session.execute(&statement.replace("$t", name), &[]).unwrap();
        }
    }
    session
}

/// Runs a statement on both tables: the tags, or states, and what the tables hold then.
fn both(session: &mut Session, statement: &str) {
    let mut run = |text: String| match session.execute(&text, &[]) {
        Ok(answers) => answers.last().map(|answer| answer.tag.to_string()).unwrap(),
        Err(error) => error.state().as_str().to_owned(),
    };
    let swept = run(statement.replace("$t", "swept"));
    let read = run(format!("{} returning 1", statement.replace("$t", "read")));
    assert_eq!(swept, read, "{statement}");
    let mut all = |name| lines(session, &format!("select * from {name} order by a, b"));
    assert_eq!(all("swept"), all("read"), "{statement}");
    let mut by_index = |name| {
        lines(
            session,
            &format!("select a, b from {name} where n < 30 order by n, a, b"),
        )
    };
    assert_eq!(by_index("swept"), by_index("read"), "{statement}");
}

const STATEMENTS: &[&str] = &[
    "update $t set big = big + 1",
    "update $t set big = big * 2, flag = true where a = 17",
    "update $t set flag = not flag where a = 17 and b > 4",
    "update $t set at = '2026-11-22' where at is null and a < 30",
    "update $t set at = null where a between 40 and 60 and b = 3",
    "update $t set late = big where n = 12",
    "update $t set late = late + 1 where late = 7 and a > 100",
    "update $t set late = null where late > 20",
    "update $t set late = 5 where late is null",
    "update $t set big = -big where (a, b) in ((1, 2), (1, 2), (3, 3), (999, 1))",
    "update $t set big = b where a in (5, 6, 7, 500) and n > 20",
    "update $t set big = 1000 / (a - 120) where a > 110",
    "update $t set big = null where a = 150",
    "update $t set big = null where a = 151",
    "update $t set big = 9223372036854775807 + n where a = 3",
    "update $t set big = big + 3 where late = 7 and flag and a > 50 and big * 2 > 100",
    "update $t set big = big + 3 where label = 'label 77' or label = 'label 78'",
    "update $t set big = big + 3 where label > 'label 9'",
    "delete from $t where at < '2026-01-02' and big > 7",
    "update $t set n = n + 1 where n < 20",
    "update $t set label = label || '!' where a = 12",
    "update $t set b = b + 100 where a = 12",
    "update $t set flag = null, big = a where n = 30 or n = 31",
    "delete from $t where n = 77",
    "delete from $t where a = 20 and flag",
    "delete from $t where big < 0",
    "delete from $t where (a, b) in ((8, 8), (8, 9))",
    "delete from $t where 10 / (a - 90) > 1",
    "delete from $t where a >= 100 and label is not null",
    "update $t set big = big + n where n is not null",
    "delete from $t",
    "delete from $t",
];

#[test]
fn statements_do_what_they_do_row_by_row() {
    let session = &mut tables();
    STATEMENTS
        .iter()
        .for_each(|statement| both(session, statement));
}

#[test]
fn in_a_block_what_was_written_before_is_changed_too_and_undone() {
    let session = &mut tables();
    session.execute("begin", &[]).unwrap();
    for name in ["swept", "read"] {
        let insert = format!(
            "insert into {name} select 1000 + i, 0, i, true, 'new', null, i, 0 from generate_series(1, 400) i"
        );
        session.execute(&insert, &[]).unwrap();
        let delete = format!("delete from {name} where b = 5 and a % 2 = 0 returning 1");
        session.execute(&delete, &[]).unwrap();
    }
    for round in 0..3 {
        session.execute("savepoint s", &[]).unwrap();
        for statement in STATEMENTS
            .iter()
            .filter(|s| !s.contains("null where a = 15"))
        {
            if statement.contains("/ (a") || statement.contains("922337") {
                continue;
            }
            both(session, statement);
        }
        let end = if round == 2 {
            "release s"
        } else {
            "rollback to s; release s"
        };
        session.execute(end, &[]).unwrap();
        both(session, "update $t set late = 1");
    }
    session.execute("commit", &[]).unwrap();
    both(session, "update $t set late = 2");
}
