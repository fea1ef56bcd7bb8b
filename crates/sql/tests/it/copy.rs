//! COPY that does not come to its end: power is lost, a sync fails, somebody cancels it, its time is
//! over, a row is wrong. All of its rows are there, or none.

use std::io::{Read, Result as IoResult};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_sql::{Database, Result, RowSet, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::Value;
use rustdb_vfs::{Effect, Failure, Fault, OpSet, PowerLoss, SimVfs, VfsRef};

use crate::database::Still;

/// So few bytes that a COPY writes what it has into files on its way.
const WRITE_SET_BYTES: usize = 16 << 10;

fn open(vfs: VfsRef) -> Result<Session> {
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default());
    let engine = engine.map_err(rustdb_txn::Error::from)?;
    let options = TransactionOptions {
        write_set_bytes_max: WRITE_SET_BYTES,
        ..TransactionOptions::default()
    };
    let manager = TransactionManager::new(engine, options);
    Ok(Database::open(manager, Arc::new(Still))?.connect())
}

const TABLES: &str = "create table t (id int primary key, n int, name text);
    create index t_n on t (n); create unique index t_name on t (name)";

const COPY: &str = "copy t from stdin (format csv)";

/// Rows from a number to another.
fn rows(from: usize, to: usize) -> String {
    let row = |id| format!("{id},{},name of {id}\n", id % 7);
    (from..to).map(row).collect()
}

/// What the table holds, by each of the ways to it.
const FACTS: [&str; 5] = [
    "select count(*), sum(id), sum(n), max(name) from t",
    "select count(*) from t where n = 3",
    "select count(*) from t where n >= 0",
    "select id from t where name = 'name of 333'",
    "select name from t where id = 120",
];

/// Rows, or the code of an error.
type Fact = std::result::Result<RowSet, String>;

fn facts(session: &mut Session) -> Vec<Fact> {
    let fact = |text: &&str| match session.execute(text, &[]) {
        Ok(answers) => Ok(answers[0].rows.clone()),
        Err(error) => Err(error.state().as_str().to_owned()),
    };
    FACTS.iter().map(fact).collect()
}

const STEPS: usize = 5;

/// A step, which is one transaction.
fn step(session: &mut Session, number: usize) -> Result<()> {
    match number {
        0 => drop(session.execute(TABLES, &[])?),
        1 => drop(session.copy_in(COPY, &mut rows(0, 100).as_bytes())?),
        2 => {
            session.execute("begin", &[])?;
            session.copy_in(COPY, &mut rows(100, 400).as_bytes())?;
            session.execute("update t set n = n + 1 where id < 50; commit", &[])?;
        }
        3 => {
            let wrong = rows(400, 500) + "7,7,twice\n";
            let error = session.copy_in(COPY, &mut wrong.as_bytes()).unwrap_err();
            // The row that is there already, unless the disk was faster.
            if error.state().as_str() != "23505" {
                return Err(error);
            }
        }
        _ => drop(session.copy_in(COPY, &mut rows(500, 600).as_bytes())?),
    }
    Ok(())
}

/// Runs the steps as far as they go; how many have committed.
fn script(vfs: VfsRef) -> usize {
    let Ok(mut session) = open(vfs) else {
        return 0;
    };
    (0..STEPS)
        .take_while(|number| step(&mut session, *number).is_ok())
        .count()
}

/// The facts after none of the steps, one of them, two...
fn expected() -> Vec<Vec<Fact>> {
    let machine = SimVfs::new(1);
    let mut session = open(machine.vfs()).unwrap();
    let mut states = vec![facts(&mut session)];
    for number in 0..STEPS {
        step(&mut session, number).unwrap();
        states.push(facts(&mut session));
    }
    states
}

fn check(vfs: VfsRef, done: usize, expected: &[Vec<Fact>], what: &str) {
    let mut session = open(vfs).unwrap();
    let found = facts(&mut session);
    // The step that was under way has happened, or it has not.
    let allowed = &expected[done..(done + 2).min(expected.len())];
    assert!(
        allowed.contains(&found),
        "{what}: {found:?} after {done} steps"
    );
}

#[test]
fn power_lost_in_a_copy_leaves_all_of_its_rows_or_none() {
    let expected = expected();
    let machine = SimVfs::new(1);
    assert_eq!(script(machine.vfs()), STEPS);
    let changes = machine.counts().of(OpSet::CHANGES);
    assert!(changes > 50, "{changes}");
    for change in 0..changes {
        let machine = SimVfs::new(1);
        machine.power_off_at(OpSet::CHANGES, change);
        let done = script(machine.vfs());
        for policy in PowerLoss::sample(change, 2) {
            let what = format!("change {change}, {policy:?}");
            let machine = machine.after_power_loss(policy);
            check(machine.vfs(), done, &expected, &what);
        }
    }
}

#[test]
fn a_sync_that_fails_in_a_copy_leaves_all_of_its_rows_or_none() {
    let expected = expected();
    let machine = SimVfs::new(1);
    script(machine.vfs());
    for sync in 0..machine.counts().of(OpSet::SYNCS) {
        let machine = SimVfs::new(1);
        let fails = Effect::Fail(Failure::Io);
        machine.inject(Fault::new(fails).on(OpSet::SYNCS).after(sync));
        let done = script(machine.vfs());
        let machine = machine.power_loss(PowerLoss::LoseAll);
        check(machine.vfs(), done, &expected, &format!("sync {sync}"));
    }
}

/// Rows without an end; something happens when a number of them was given out.
struct Endless<F> {
    row: usize,
    at: usize,
    happens: F,
}

impl<F: FnMut()> Read for Endless<F> {
    fn read(&mut self, out: &mut [u8]) -> IoResult<usize> {
        if self.row == self.at {
            (self.happens)();
        }
        self.row += 1;
        let row = rows(self.row, self.row + 1);
        out[..row.len()].copy_from_slice(row.as_bytes());
        Ok(row.len())
    }
}

/// A COPY that stops when something happens, outside of a block and within one.
fn stopped(happens: impl Fn(&AtomicBool, &SimVfs), setting: &str, words: &str) {
    let machine = SimVfs::new(1);
    let mut session = open(machine.vfs()).unwrap();
    session.execute(TABLES, &[]).unwrap();
    session.copy_in(COPY, &mut rows(0, 1).as_bytes()).unwrap();
    let before = facts(&mut session);
    for at in [0, 1, 500] {
        for block in ["", "begin; insert into t values (-1, 0, 'within')"] {
            session.execute(block, &[]).unwrap();
            session.execute(setting, &[]).unwrap();
            let other = session.cancellation();
            let machine = &machine;
            let happens = &happens;
            let mut source = Endless {
                row: 0,
                at,
                happens: || happens(&other, machine),
            };
            let error = session.copy_in(COPY, &mut source).unwrap_err();
            assert_eq!(error.state().as_str(), "57014");
            assert_eq!(error.message(), words);
            if !block.is_empty() {
                let error = session.execute("select 1", &[]).unwrap_err();
                assert_eq!(error.state().as_str(), "25P02");
                session.execute("rollback", &[]).unwrap();
            }
            session.execute("reset statement_timeout", &[]).unwrap();
            assert_eq!(facts(&mut session), before);
        }
    }
    // The table can be used, by others too.
    session.copy_in(COPY, &mut rows(1, 100).as_bytes()).unwrap();
    session.execute("drop table t", &[]).unwrap();
}

#[test]
fn a_copy_that_is_cancelled_leaves_nothing() {
    stopped(
        |other, _| other.store(true, Ordering::Relaxed),
        "",
        "canceling statement due to user request",
    );
}

#[test]
fn a_copy_whose_time_is_over_leaves_nothing() {
    stopped(
        |_, machine| machine.advance(Duration::from_secs(2)),
        "set statement_timeout = 1000",
        "canceling statement due to statement timeout",
    );
}

#[test]
fn the_time_of_an_appender_begins_with_it() {
    let machine = SimVfs::new(1);
    let mut session = open(machine.vfs()).unwrap();
    session.execute(TABLES, &[]).unwrap();
    session
        .execute("set statement_timeout = 1000", &[])
        .unwrap();
    machine.advance(Duration::from_secs(2));
    let row = |id: i64| [Value::Int8(id), Value::Int8(id), Value::text("name")];
    let mut append = session.start_append("t", &[]).unwrap();
    session.append(&mut append, &row(1)).unwrap();
    machine.advance(Duration::from_secs(2));
    let error = session.append(&mut append, &row(2)).unwrap_err();
    assert_eq!(error.state().as_str(), "57014");
    session.cancel_append(append);
    let answers = session.execute("select count(*) from t", &[]).unwrap();
    assert_eq!(answers[0].rows, [[Value::Int8(0)]]);
}

#[test]
fn an_input_ends_where_postgresql_sees_its_end() {
    let machine = SimVfs::new(1);
    let mut session = open(machine.vfs()).unwrap();
    session.execute("create table t (a text)", &[]).unwrap();
    let corrupt = "end-of-copy marker corrupt";
    let unlike = "end-of-copy marker does not match previous newline style";
    let no_head = "wrong number of fields in header line: got 1, expected 2";
    for (options, input, expected) in [
        ("", "a\n\\.\nb\n", Ok("a")),
        ("", "a\nb\\.\nc\n", Ok("a b")),
        ("", "a\\.", Ok("a")),
        ("", "a\r\n\\.\r\nb\r\n", Ok("a")),
        ("", "a\r\\.\rb\r", Ok("a")),
        ("", "a\\\\.\n", Ok("a\\.")),
        ("", "a\n\\.b\n", Err(corrupt)),
        ("", "a\nb\\.;\nc\n", Err(corrupt)),
        ("", "a\r\n\\.\r;", Err(corrupt)),
        ("", "a\n\\.\r\n", Err(unlike)),
        ("", "a\r\n\\.\n", Err(unlike)),
        ("", "a\r\n\\.\r\r", Err(unlike)),
        ("", "a\r\\.\n", Err(unlike)),
        // A last backslash means nothing.
        ("", "a\\", Ok("a")),
        ("(format csv)", "a\\.\nb\n\\.\nc\n", Ok("a\\. b")),
        ("(header)", "", Ok("")),
        ("(header match)", "a\n", Ok("")),
        ("(format csv, header match)", "", Err(no_head)),
        ("(format csv, header match)", "\\.\n", Err(no_head)),
    ] {
        session.execute("truncate t", &[]).unwrap();
        let columns = match expected == Err(no_head) {
            true => "alter table t add if not exists b text",
            false => "alter table t drop if exists b",
        };
        session.execute(columns, &[]).unwrap();
        let copy = format!("copy t from stdin {options}");
        let found = match session.copy_in(&copy, &mut input.as_bytes()) {
            Ok(_) => {
                let rows = "select coalesce(string_agg(a, ' ' order by a), '') from t";
                let answers = session.execute(rows, &[]).unwrap();
                let value = answers[0].rows.iter().next().map(|row| row[0].clone());
                Ok(value)
            }
            Err(error) => {
                assert_eq!(error.state().as_str(), "22P04");
                Err(error.message().to_owned())
            }
        };
        let expected = expected.map(|text| Some(Value::Text(text.into())));
        let expected = expected.map_err(str::to_owned);
        assert_eq!(found, expected, "{options} {input:?}");
    }
}
