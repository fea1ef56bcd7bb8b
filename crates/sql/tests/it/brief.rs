//! Statements of a block that read or write one row by its key: they do what they do when they are
//! run as others are.

use std::sync::Arc;
use std::thread;

use rustdb_sql::{Database, Prepared, Session};
use rustdb_types::Value;
use rustdb_vfs::MemVfs;

use crate::database::{database_over, lines};

const TABLE: &str = "create table t (a int primary key, b int not null, c text, d int); \
     create index t_d on t (d); insert into t values (1, 10, 'one', 5), (2, 20, 'two', null)";

/// Statements that take a key.
const INSERT: &str = "insert into t values ($1, $1 * 10, 'new', $1)";
const UPDATE: &str = "update t set b = b + 1 where a = $1";
const RENAME: &str = "update t set c = 'other' where a = $1 and b < 100";
const DELETE: &str = "delete from t where a = $1";
const SELECT: &str = "select b, c from t where a = $1";

fn database() -> (Database, Session, Session) {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    session.execute(TABLE, &[]).unwrap();
    let other = database.connect();
    (database, session, other)
}

fn execute(session: &mut Session, text: &str) {
    session.execute(text, &[]).unwrap();
}

/// What a prepared statement answers for a key: its tag, and the rows.
fn answer(session: &mut Session, prepared: &Prepared, key: i32) -> String {
    match session.run_prepared(prepared, &[Value::Int4(key)]) {
        Ok(answer) => {
            let rows = answer.rows.iter().map(|row| format!(" {row:?}"));
            format!("{}{}", answer.tag, rows.collect::<String>())
        }
        Err(error) => error.state().as_str().to_owned(),
    }
}

/// Begins a block that has a snapshot and whose next statements may be brief.
fn begin(session: &mut Session, modes: &str) {
    execute(session, &format!("begin {modes}"));
    execute(session, "select 1");
}

#[test]
fn rows_are_read_and_written_in_a_block() {
    let (_database, mut one, mut two) = database();
    let [insert, update, rename, delete, select] =
        [INSERT, UPDATE, RENAME, DELETE, SELECT].map(|text| one.prepare(text, &[]).unwrap());
    for isolation in ["read committed", "repeatable read", "serializable"] {
        begin(&mut one, &format!("isolation level {isolation}"));
        for (statement, key, expected) in [
            (&insert, 3, "INSERT 0 1"),
            (&update, 3, "UPDATE 1"),
            (&update, 3, "UPDATE 1"),
            (&rename, 3, "UPDATE 1"),
            (&rename, 4, "UPDATE 0"),
            (&update, 1, "UPDATE 1"),
            (&rename, 1, "UPDATE 1"),
            (&delete, 2, "DELETE 1"),
            (&delete, 2, "DELETE 0"),
            (&select, 2, "SELECT 0"),
            (&insert, 2, "INSERT 0 1"),
            (&select, 3, "SELECT 1 [Int4(32), Text(\"other\")]"),
        ] {
            assert_eq!(answer(&mut one, statement, key), expected, "{isolation}");
        }
        let all = "select * from t order by a";
        let by_index = "select a from t where d in (2, 3, 5) order by d";
        let expected = ["1|11|other|5", "2|20|new|2", "3|32|other|3"];
        assert_eq!(lines(&mut one, all), expected);
        assert_eq!(lines(&mut one, by_index), ["2", "3", "1"]);
        assert_eq!(lines(&mut two, all), ["1|10|one|5", "2|20|two|"]);
        execute(&mut one, "rollback");
        assert_eq!(lines(&mut one, all), ["1|10|one|5", "2|20|two|"]);
        assert_eq!(lines(&mut one, by_index), ["1"]);
    }
}

#[test]
fn an_error_fails_the_block_and_a_savepoint_saves_it() {
    let (_database, mut one, _) = database();
    let insert = one.prepare(INSERT, &[]).unwrap();
    let overflow = one.prepare("update t set b = b + 2147483647 where a = $1", &[]);
    let overflow = overflow.unwrap();
    begin(&mut one, "");
    execute(&mut one, "savepoint s");
    assert_eq!(answer(&mut one, &insert, 7), "INSERT 0 1");
    assert_eq!(answer(&mut one, &insert, 7), "23505");
    assert_eq!(answer(&mut one, &insert, 8), "25P02");
    execute(&mut one, "rollback to s");
    assert_eq!(answer(&mut one, &insert, 7), "INSERT 0 1");
    assert_eq!(answer(&mut one, &overflow, 1), "22003");
    assert_eq!(answer(&mut one, &insert, 8), "25P02");
    execute(&mut one, "rollback");
    begin(&mut one, "read only");
    assert_eq!(answer(&mut one, &insert, 7), "25006");
    execute(&mut one, "rollback");
    assert_eq!(lines(&mut one, "select count(*) from t"), ["2"]);
}

#[test]
fn each_statement_sees_what_is_committed() {
    let (_database, mut one, mut two) = database();
    let [update, select] = [UPDATE, SELECT].map(|text| one.prepare(text, &[]).unwrap());
    begin(&mut one, "");
    execute(&mut two, "update t set b = 50, c = 'late' where a = 1");
    let expected = "SELECT 1 [Int4(50), Text(\"late\")]";
    assert_eq!(answer(&mut one, &select, 1), expected);
    execute(&mut two, "update t set b = 60 where a = 1");
    assert_eq!(answer(&mut one, &update, 1), "UPDATE 1");
    execute(&mut one, "commit");
    assert_eq!(lines(&mut two, "select b from t where a = 1"), ["61"]);
    begin(&mut one, "isolation level repeatable read");
    execute(&mut two, "update t set b = 70 where a = 1");
    let expected = "SELECT 1 [Int4(61), Text(\"late\")]";
    assert_eq!(answer(&mut one, &select, 1), expected);
    assert_eq!(answer(&mut one, &update, 1), "40001");
    execute(&mut one, "rollback");
}

#[test]
fn who_has_to_wait_does() {
    let (_database, mut one, mut two) = database();
    let all = [INSERT, UPDATE, RENAME, DELETE, SELECT].map(|text| two.prepare(text, &[]).unwrap());
    execute(&mut two, "set lock_timeout = 20");
    for lock in [
        "insert into t values (3, 3)",
        "update t set b = 100 where a = 1",
        "delete from t where a = 1",
        "lock table t in exclusive mode",
        "lock table t",
    ] {
        execute(&mut one, &format!("begin; {lock}"));
        let keys = [3, 1, 1, 1, 1];
        let answers = all.each_ref().map(|statement| {
            let key = keys[all
                .iter()
                .position(|each| Arc::ptr_eq(each, statement))
                .unwrap()];
            begin(&mut two, "");
            let answer = answer(&mut two, statement, key);
            execute(&mut two, "rollback");
            answer
        });
        let late = "55P03";
        let expected = match lock {
            "insert into t values (3, 3)" => {
                let answers = [late, "UPDATE 1", "UPDATE 1", "DELETE 1", "SELECT 1"];
                answers.map(str::to_owned)
            }
            "lock table t" => [late; 5].map(str::to_owned),
            _ if lock.starts_with("lock") => {
                [late, late, late, late, "SELECT 1"].map(str::to_owned)
            }
            _ => ["INSERT 0 1", late, late, late, "SELECT 1"].map(str::to_owned),
        };
        let words = answers.map(|answer| answer.split(" [").next().unwrap().to_owned());
        assert_eq!(words, expected, "{lock}");
        execute(&mut one, "rollback");
    }
}

#[test]
fn who_has_waited_meets_what_was_committed() {
    let (_database, mut one, mut two) = database();
    let all = [INSERT, UPDATE, RENAME, DELETE].map(|text| two.prepare(text, &[]).unwrap());
    let cases = [
        ("insert into t values (3, 3)", 0, 3, "23505"),
        ("delete from t where a = 2", 0, 2, "INSERT 0 1"),
        ("update t set b = 200 where a = 1", 1, 1, "UPDATE 1"),
        ("update t set b = b + 1 where a = 1", 2, 1, "UPDATE 0"),
        ("update t set a = 9 where a = 1", 1, 1, "UPDATE 0"),
        ("update t set d = 6 where a = 9", 3, 9, "DELETE 1"),
        ("delete from t where a = 2", 1, 2, "UPDATE 0"),
    ];
    for (first, second, key, expected) in cases {
        execute(&mut one, &format!("begin; {first}"));
        let statement = &all[second];
        begin(&mut two, "");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| answer(&mut two, statement, key));
            let waits = "select count(*) from pg_locks where not granted";
            while lines(&mut one, waits) != ["1"] && !waiter.is_finished() {
                thread::yield_now();
            }
            execute(&mut one, "commit");
            assert_eq!(waiter.join().unwrap(), expected, "{first}");
        });
        execute(&mut two, "commit");
    }
    let rows = lines(&mut one, "select * from t order by a");
    assert_eq!(rows, ["3|3||"]);
    let by_index = "select count(*) from t where d in (5, 6)";
    assert_eq!(lines(&mut one, by_index), ["0"]);
}

#[test]
fn a_plan_is_made_anew_when_its_table_has_changed() {
    let (_database, mut one, mut two) = database();
    let insert = one.prepare(INSERT, &[]).unwrap();
    let whole = one.prepare("select * from t where a = $1", &[]).unwrap();
    begin(&mut one, "");
    execute(&mut two, "alter table t add column e int default 4");
    let expected = "SELECT 1 [Int4(10), Text(\"one\"), Int4(5), Int4(4)]";
    let answered = answer(&mut one, &whole, 1).replace("Int4(1), ", "");
    assert_eq!(answered, expected);
    // What the block itself defines counts at once.
    assert_eq!(answer(&mut one, &insert, 3), "INSERT 0 1");
    execute(&mut one, "create unique index t_e on t (e) where a > 2");
    assert_eq!(answer(&mut one, &insert, 4), "23505");
    execute(&mut one, "rollback");
    begin(&mut one, "");
    execute(&mut one, "create index t_b on t (b)");
    assert_eq!(answer(&mut one, &insert, 5), "INSERT 0 1");
    execute(&mut one, "set enable_hashjoin = off");
    assert_eq!(lines(&mut one, "select a from t where b = 50"), ["5"]);
    execute(&mut one, "commit");
}

#[test]
fn others_are_told_the_last_statement() {
    let (_database, mut one, mut two) = database();
    let [update, select] = [UPDATE, SELECT].map(|text| one.prepare(text, &[]).unwrap());
    let told = "select query, state from pg_stat_activity where pid <> pg_backend_pid()";
    begin(&mut one, "");
    for (statement, text) in [(&update, UPDATE), (&select, SELECT), (&update, UPDATE)] {
        answer(&mut one, statement, 1);
        let expected = format!("{text}|idle in transaction");
        assert_eq!(lines(&mut two, told), [expected]);
    }
    execute(&mut one, "rollback");
}
