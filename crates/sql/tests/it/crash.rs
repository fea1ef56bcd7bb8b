//! Power is lost in the middle of definitions and loads; what is there again is whole, and fits
//! together.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Result, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::Value;
use rustdb_vfs::{Effect, Failure, Fault, OpSet, PowerLoss, SimVfs, VfsRef};

use crate::database::Still;
use crate::engines::{Ours, Outcome, Talk};

fn open(vfs: VfsRef) -> Result<Session> {
    open_with(vfs, TransactionOptions::default())
}

fn open_with(vfs: VfsRef, options: TransactionOptions) -> Result<Session> {
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default());
    let engine = engine.map_err(rustdb_txn::Error::from)?;
    let manager = TransactionManager::new(engine, options);
    Ok(Database::open(manager, Arc::new(Still))?.connect())
}

/// Each is a transaction. What they leave is checked by [`facts`].
const STEPS: [&str; 14] = [
    "create table p (id int primary key, code text unique)",
    "insert into p select i, 'c' || i from generate_series(1, 20) i",
    "create table c (id serial primary key, p int references p on delete cascade, n int check (n >= 0))",
    "insert into c (p, n) select i, i % 4 from generate_series(1, 20) i",
    "create index c_n on c (n)",
    "begin; create unique index c_p on c (p); insert into c (p, n) values (null, 9); commit",
    "begin; create table gone (a int); insert into gone values (1); rollback",
    "create view v as select p.code, c.n from p join c on c.p = p.id",
    "delete from p where id <= 5",
    "begin; drop view v; drop index c_n; create index c_n2 on c (n) where n > 1; commit",
    "truncate c",
    "alter table p drop constraint p_pkey cascade",
    "alter table p add primary key (id)",
    "drop table p cascade",
];

/// What can be asked after any number of steps; an error is an answer too.
const FACTS: [&str; 12] = [
    "select count(*) from p",
    "select sum(id), min(code) from p",
    "select id from p where code = 'c7'",
    "select count(*), sum(n), sum(p) from c",
    "select count(*) from c where n = 3",
    "select p from c where p = 9",
    "select count(*) from v where n = 2",
    "select * from gone",
    "drop index c_n",
    "drop index c_n2",
    "insert into p values (7, 'another')",
    "insert into c (p, n) values (99, 1)",
];

fn facts(session: &mut Ours) -> Vec<Outcome> {
    let mut facts = Vec::new();
    for fact in FACTS {
        session.run("begin");
        let outcome = session.run(fact);
        session.run("rollback");
        facts.push(match outcome {
            Outcome::Failed { state, .. } => Outcome::Failed {
                state,
                message: String::new(),
            },
            ran => ran,
        });
    }
    facts
}

/// The facts after none of the steps, one of them, two...
fn expected() -> Vec<Vec<Outcome>> {
    let machine = SimVfs::new(1);
    let mut session = Ours(open(machine.vfs()).unwrap());
    let mut states = vec![facts(&mut session)];
    for step in STEPS {
        assert_eq!(session.run(step).state(), None, "{step}");
        states.push(facts(&mut session));
    }
    states
}

/// Returns how many steps have committed.
fn script(vfs: VfsRef) -> usize {
    let Ok(mut session) = open(vfs) else {
        return 0;
    };
    let done = STEPS
        .iter()
        .take_while(|step| session.execute(step, &[]).is_ok());
    done.count()
}

fn check(vfs: VfsRef, done: usize, expected: &[Vec<Outcome>], what: &str) {
    let mut session = Ours(open(vfs).unwrap());
    let found = facts(&mut session);
    // The step that was under way has happened, or it has not.
    let allowed = &expected[done..(done + 2).min(expected.len())];
    assert!(
        allowed.contains(&found),
        "{what}: {found:?} after {done} steps"
    );
    let outcome = session.run("create table p2 (a int primary key); insert into p2 values (1)");
    assert_eq!(outcome.state(), None, "{what}");
}

#[test]
fn power_lost_in_definitions_leaves_whole_ones() {
    let expected = expected();
    let machine = SimVfs::new(1);
    assert_eq!(script(machine.vfs()), STEPS.len());
    let changes = machine.counts().of(OpSet::CHANGES);
    assert!(changes > 30, "{changes}");
    for change in 0..changes {
        let machine = SimVfs::new(1);
        machine.power_off_at(OpSet::CHANGES, change);
        let done = script(machine.vfs());
        for policy in PowerLoss::sample(change, 2) {
            let what = format!("change {change}, {policy:?}");
            check(
                machine.after_power_loss(policy).vfs(),
                done,
                &expected,
                &what,
            );
        }
    }
}

#[test]
fn a_sync_that_fails_in_a_definition_leaves_whole_ones() {
    let expected = expected();
    let machine = SimVfs::new(1);
    script(machine.vfs());
    for sync in 0..machine.counts().of(OpSet::SYNCS) {
        let machine = SimVfs::new(1);
        let fails = Effect::Fail(Failure::Io);
        machine.inject(Fault::new(fails).on(OpSet::SYNCS).after(sync));
        let done = script(machine.vfs());
        let what = format!("sync {sync}");
        check(
            machine.power_loss(PowerLoss::LoseAll).vfs(),
            done,
            &expected,
            &what,
        );
    }
}

/// A transaction with definitions that is rolled back leaves nothing, wherever it ends.
#[test]
fn definitions_that_are_rolled_back_leave_nothing() {
    let machine = SimVfs::new(1);
    let mut session = Ours(open(machine.vfs()).unwrap());
    for step in &STEPS[..6] {
        session.run(step);
    }
    let before = facts(&mut session);
    for last in 6..STEPS.len() {
        for ending in [
            "rollback",
            "select 1 / 0; commit",
            "savepoint s; drop table c; rollback to s; rollback",
        ] {
            session.run("begin");
            for step in &STEPS[6..=last] {
                if !step.starts_with("begin") {
                    assert_eq!(session.run(step).state(), None, "{step}");
                }
            }
            session.run(ending);
            session.run("rollback");
            assert_eq!(
                facts(&mut session),
                before,
                "{ending} after {}",
                STEPS[last]
            );
        }
    }
}

/// Rows of a load that is long enough to go straight to files, and what COPY reads.
const LOADED: usize = 6_000;

fn load(session: &mut Session, ids: impl Iterator<Item = usize>) -> bool {
    let text = "x".repeat(60);
    let input: String = ids.map(|id| format!("{id},{text} {id}\n")).collect();
    let copied = session.copy_in("copy l from stdin (format csv)", &mut input.as_bytes());
    copied.is_ok()
}

/// How many rows there are; `None` if there is no table.
fn loaded(session: &mut Session) -> Option<usize> {
    let answer = session.execute("select count(*), sum(id) from l", &[]);
    let rows = &answer.ok()?[0].rows;
    let numbers: Vec<_> = rows[0].iter().map(Value::as_integer).collect();
    let count = usize::try_from(numbers[0].unwrap()).unwrap();
    let sum = (count * count.saturating_sub(1) / 2) as i64;
    assert_eq!(numbers[1], (count > 0).then_some(sum));
    // By the index of the texts, if there is one.
    for id in (0..count).step_by(997) {
        let text = format!("select id from l where t = '{} {id}'", "x".repeat(60));
        let found = session.execute(&text, &[]).unwrap()[0]
            .rows
            .iter()
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(found, [Value::Int4(id as i32)]);
    }
    Some(count)
}

#[test]
fn power_lost_in_a_load_leaves_all_rows_or_none() {
    let table = "create table l (id int primary key, t text)";
    lose_power_in_load(table, TransactionOptions::default(), 0..LOADED);
}

/// Rows and entries are sorted, in several runs of which one is made.
#[test]
fn power_lost_in_a_load_in_no_order_leaves_all_rows_or_none() {
    let table = "create table l (id int primary key, t text unique)";
    let options = TransactionOptions {
        write_set_bytes_max: 96 << 10,
        ..TransactionOptions::default()
    };
    lose_power_in_load(table, options, (0..LOADED).rev());
}

fn lose_power_in_load(
    table: &str,
    options: TransactionOptions,
    ids: impl Iterator<Item = usize> + Clone,
) {
    let fill = |vfs: VfsRef| -> bool {
        open_with(vfs, options.clone()).is_ok_and(|mut session| {
            let made = session.execute(table, &[]);
            made.is_ok() && load(&mut session, ids.clone())
        })
    };
    let machine = SimVfs::new(1);
    assert!(fill(machine.vfs()));
    let changes = machine.counts().of(OpSet::CHANGES);
    assert!(changes > 20, "{changes}");
    for change in 0..changes {
        let machine = SimVfs::new(1);
        machine.power_off_at(OpSet::CHANGES, change);
        let is_done = fill(machine.vfs());
        for policy in PowerLoss::sample(change, 2) {
            let what = format!("change {change}, {policy:?}");
            let mut session = open(machine.after_power_loss(policy).vfs()).unwrap();
            let found = loaded(&mut session);
            assert!(
                found == Some(LOADED) || !is_done && matches!(found, None | Some(0)),
                "{what}: {found:?}"
            );
            if found == Some(0) {
                assert!(load(&mut session, ids.clone()), "{what}");
                assert_eq!(loaded(&mut session), Some(LOADED), "{what}");
            }
        }
    }
}
