//! The databases of a directory.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_vfs::{MemVfs, OpSet, PowerLoss, SimVfs, VfsRef};

use crate::database::{Still, database_over};
use crate::engines::{Ours, Talk, Theirs};
use crate::server::Server;

fn run(session: &mut Session, statement: &str) {
    session.execute(statement, &[]).unwrap();
}

fn state_of(session: &mut Session, statement: &str) -> String {
    let error = session.execute(statement, &[]).unwrap_err();
    error.state().as_str().to_owned()
}

fn number(session: &mut Session, query: &str) -> i64 {
    let answers = session.execute(query, &[]).unwrap();
    answers[0].rows[0][0].as_integer().unwrap()
}

#[test]
fn databases_have_tables_of_their_own_which_survive_reopening() {
    let vfs: Arc<MemVfs> = Arc::new(MemVfs::new());
    {
        let database = database_over(vfs.clone());
        let mut first = database.connect();
        run(
            &mut first,
            "create table t (a int); insert into t values (1)",
        );
        run(&mut first, "create database two");
        let mut two = database.connect_to("two").unwrap();
        assert_eq!(state_of(&mut two, "select * from t"), "42P01");
        run(
            &mut two,
            "create table t (id serial primary key, a text unique); \
             insert into t (a) values ('x'), ('y')",
        );
        assert_eq!(number(&mut first, "select count(*) from t"), 1);
        assert_eq!(number(&mut two, "select count(*) from t"), 2);
        assert_eq!(
            number(
                &mut two,
                "select count(*) from pg_class where relname = 't'"
            ),
            1
        );
    }
    let database = database_over(vfs);
    let mut two = database.connect_to("two").unwrap();
    run(&mut two, "insert into t (a) values ('z')");
    assert_eq!(number(&mut two, "select max(id) from t"), 3);
    assert_eq!(
        state_of(&mut two, "insert into t (a) values ('x')"),
        "23505"
    );
    let mut first = database.connect();
    assert_eq!(number(&mut first, "select count(*) from t"), 1);
    assert_eq!(number(&mut first, "select count(*) from pg_database"), 2);
    let name = "select (current_database() = 'two')::int";
    assert_eq!(number(&mut two, name), 1);
    assert_eq!(number(&mut first, name), 0);
}

#[test]
fn a_dropped_database_takes_everything_with_it() {
    let vfs: Arc<MemVfs> = Arc::new(MemVfs::new());
    let (database, manager) = crate::database::managed(vfs);
    let mut first = database.connect();
    run(&mut first, "create table t (a int)");
    let before = manager.engine().keyspaces().len();
    run(&mut first, "create database two");
    let mut two = database.connect_to("two").unwrap();
    run(
        &mut two,
        "create table t (a serial primary key); insert into t values (default)",
    );
    assert_eq!(state_of(&mut first, "drop database two"), "55006");
    assert_eq!(state_of(&mut two, "drop database two"), "55006");
    drop(two);
    run(&mut first, "drop database two");
    assert_eq!(manager.engine().keyspaces().len(), before);
    assert_eq!(
        database.connect_to("two").err().unwrap().state().as_str(),
        "3D000"
    );
    run(&mut first, "create database two");
    let mut two = database.connect_to("two").unwrap();
    assert_eq!(state_of(&mut two, "select * from t"), "42P01");
}

#[test]
fn names_and_advisory_locks_are_each_databases_own() {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut first = database.connect();
    run(&mut first, "create database two");
    let mut two = database.connect_to("two").unwrap();
    run(
        &mut first,
        "begin; create table t (a int); select pg_advisory_xact_lock(7)",
    );
    // It would wait for ever.
    run(
        &mut two,
        "begin; create table t (a int); select pg_advisory_xact_lock(7); commit",
    );
    run(&mut first, "commit");
}

/// Statements, and which of two sessions runs each: one of another database, and one of the
/// database `define_two`, as soon as it is there.
const SAID: [(usize, &str); 21] = [
    (0, "create database define_two"),
    (0, "create database define_two"),
    (
        0,
        "create database \"Define Two\" with encoding 'utf8' template template0",
    ),
    (0, "drop database \"Define Two\""),
    (0, "drop database define_none"),
    (0, "drop database if exists define_none"),
    (0, "begin"),
    (0, "create database define_three"),
    (0, "rollback"),
    (0, "begin"),
    (0, "drop database define_two"),
    (0, "rollback"),
    (1, "create table t (a int)"),
    (0, "drop database define_two"),
    (1, "drop database define_two"),
    (0, "alter database define_two rename to define_three"),
    (1, "alter database define_two rename to define_three"),
    (0, "alter database define_none rename to define_three"),
    (0, "create database define_three owner nobody"),
    (0, "create database define_three with nonsense 3"),
    (1, "select current_database()"),
];

#[test]
fn postgresql_says_the_same_of_databases() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let database = database_over(Arc::new(MemVfs::new()));
    let (mut ours, mut theirs) = (
        Ours(database.connect()),
        Theirs::connect(&server, "postgres"),
    );
    let mut two = None;
    for (which, statement) in SAID {
        let (our_answer, their_answer) = match which {
            0 => (ours.run(statement), theirs.run(statement)),
            _ => {
                let (ours, theirs) = two.get_or_insert_with(|| {
                    let ours = Ours(database.connect_to("define_two").unwrap());
                    (ours, Theirs::connect(&server, "define_two"))
                });
                (ours.run(statement), theirs.run(statement))
            }
        };
        assert_eq!(our_answer, their_answer, "{statement}");
    }
    drop(two);
    let renamed = "alter database define_two rename to define_four";
    assert_eq!(ours.run(renamed), theirs.run(renamed));
    let again = "create database define_four";
    assert_eq!(ours.run(again), theirs.run(again));
    assert!(database.connect_to("define_two").is_err());
    let mut four = Ours(database.connect_to("define_four").unwrap());
    assert_eq!(four.run("select * from t").state(), None);
    drop(four);
    let dropped = "drop database define_four with (force)";
    assert_eq!(ours.run(dropped), theirs.run(dropped));
}

fn open(vfs: VfsRef) -> rustdb_sql::Result<Database> {
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default());
    let engine = engine.map_err(rustdb_txn::Error::from)?;
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    Database::open(manager, Arc::new(Still))
}

/// Returns how many steps were done.
fn script(vfs: VfsRef) -> usize {
    let step = |text: &str, name: &str, database: &Database| {
        let session = database.connect_to(name);
        session.is_ok_and(|mut session| session.execute(text, &[]).is_ok())
    };
    let Ok(database) = open(vfs) else { return 0 };
    let steps = [
        ("create database a", "rustdb"),
        ("create table t as select 1 as x", "a"),
        ("create database b", "rustdb"),
        ("create table t as select 2 as x", "b"),
        ("drop database a", "rustdb"),
    ];
    let done = steps
        .iter()
        .take_while(|(text, name)| step(text, name, &database));
    done.count()
}

/// What the databases have: of each the row of `t`, `None` where there is no such table or
/// database.
fn found(vfs: VfsRef) -> [Option<i64>; 2] {
    let database = open(vfs).unwrap();
    let found = ["a", "b"].map(|name| {
        let mut session = database.connect_to(name).ok()?;
        let answers = session.execute("select x from t", &[]).ok()?;
        answers[0].rows[0][0].as_integer()
    });
    let mut first = database.connect();
    run(&mut first, "create database c");
    let mut c = database.connect_to("c").unwrap();
    run(
        &mut c,
        "create table t (a int primary key); insert into t values (1)",
    );
    found
}

#[test]
fn power_lost_while_databases_come_and_go_leaves_whole_ones() {
    let states = [
        [None, None],
        [None, None],
        [Some(1), None],
        [Some(1), None],
        [Some(1), Some(2)],
        [None, Some(2)],
    ];
    let machine = SimVfs::new(1);
    assert_eq!(script(machine.vfs()), 5);
    assert_eq!(found(machine.vfs()), states[5]);
    let changes = machine.counts().of(OpSet::CHANGES);
    for change in 0..changes {
        let machine = SimVfs::new(1);
        machine.power_off_at(OpSet::CHANGES, change);
        let done = script(machine.vfs());
        for policy in PowerLoss::sample(change, 1) {
            let found = found(machine.after_power_loss(policy).vfs());
            let allowed = &states[done..(done + 2).min(states.len())];
            assert!(
                allowed.contains(&found),
                "change {change}: {found:?} after {done}"
            );
        }
    }
}
