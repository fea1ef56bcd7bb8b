//! COPY into an empty table, whose rows go straight to files: what comes of it is what comes of rows
//! that are inserted.

use std::sync::Arc;

use rustdb_sql::{Database, Error, Session};
use rustdb_vfs::MemVfs;

use crate::database::{database_over, lines};

/// The tables that are loaded, and one that never is: it has an index.
const TABLES: &str =
    "create table loaded (id int primary key, word text not null, n int check (n < 90000));
    create table heap (id int, word text not null, n int);
    create table plain (id int primary key, word text not null, n int check (n < 90000));
    create index on plain (n)";

const ROWS: usize = 20_000;

fn begin() -> (Database, Session) {
    let database = database_over(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    session.execute(TABLES, &[]).unwrap();
    (database, session)
}

fn line(id: usize) -> String {
    let n = if id.is_multiple_of(7) {
        String::new()
    } else {
        (id % 1000).to_string()
    };
    format!("{id},\"word number {id} of many, all of them about as long as this one\",{n}\n")
}

fn input(ids: impl Iterator<Item = usize>) -> String {
    ids.map(line).collect()
}

fn copy(session: &mut Session, table: &str, input: &str) -> Result<String, Error> {
    let text = format!("copy {table} from stdin (format csv)");
    let answer = session.copy_in(&text, &mut input.as_bytes())?;
    Ok(answer.tag.to_string())
}

fn told(result: Result<String, Error>) -> String {
    result.unwrap_or_else(|error| {
        let (state, detail, context) = (error.state(), error.detail(), error.context());
        format!("{} {detail:?} {context:?}", state.as_str())
    })
}

/// What is asked of a table, by its key, as a whole and through its count.
fn facts(session: &mut Session, table: &str) -> Vec<String> {
    let mut facts = Vec::new();
    for query in [
        "select count(*) from {}",
        "select count(n), sum(id), min(word), max(word) from {}",
        "select * from {} where id = 12345",
        "select * from {} where id = 0",
        "select * from {} where id between 19990 and 20010 order by id",
    ] {
        facts.extend(lines(session, &query.replace("{}", table)));
    }
    facts
}

#[test]
fn rows_that_are_loaded_are_those_that_are_inserted() {
    let in_order = input(0..ROWS);
    let turned = input((0..ROWS).rev());
    let late = input((1..ROWS).chain([0]));
    let twice = input((0..ROWS).chain([12345]));
    let refused = input(0..ROWS) + "30000,x,90000\n";
    let null = input(0..ROWS) + "30000,,1\n";
    let damaged = input(0..ROWS) + "30000,x\n";
    for (what, input) in [
        ("in order", in_order),
        ("turned", turned),
        ("one late", late),
        ("one twice", twice),
        ("one refused", refused),
        ("one null", null),
        ("one damaged", damaged),
    ] {
        let (_database, mut session) = begin();
        let (loaded, plain) = (
            copy(&mut session, "loaded", &input),
            copy(&mut session, "plain", &input),
        );
        let expected = told(plain).replace("plain", "loaded");
        assert_eq!(told(loaded), expected, "{what}");
        let plain = facts(&mut session, "plain");
        assert_eq!(facts(&mut session, "loaded"), plain, "{what}");
        if expected.starts_with("COPY") {
            copy(&mut session, "heap", &input).unwrap();
            assert_eq!(facts(&mut session, "heap"), plain, "{what}");
        }
    }
}

#[test]
fn a_load_is_part_of_its_transaction() {
    let (database, mut session) = begin();
    let mut other = database.connect();
    let all = input(0..ROWS);
    for table in ["loaded", "heap", "plain"] {
        let count = format!("select count(*) from {table}");
        session.execute("begin; savepoint s", &[]).unwrap();
        copy(&mut session, table, &all).unwrap();
        assert_eq!(lines(&mut session, &count), ["20000"]);
        session.execute("rollback to s", &[]).unwrap();
        assert_eq!(lines(&mut session, &count), ["0"]);
        copy(&mut session, table, &all).unwrap();
        let changes = format!(
            "update {table} set word = 'other' where id = 12345; delete from {table} where id = 0; \
             insert into {table} values (20005, 'later', 5)"
        );
        session.execute(&changes, &[]).unwrap();
        assert_eq!(lines(&mut other, &count), ["0"]);
        session.execute("commit", &[]).unwrap();
        assert_eq!(lines(&mut other, &count), ["20000"]);
        // There are rows now, and more come before and behind them.
        let more = input((0..1).chain(30_000..30_000 + ROWS));
        copy(&mut session, table, &more).unwrap();
        assert_eq!(lines(&mut other, &count), ["40001"]);
    }
    let plain = facts(&mut session, "plain");
    assert_eq!(facts(&mut session, "loaded"), plain);
    assert_eq!(facts(&mut session, "heap"), plain);
    assert!(told(copy(&mut session, "loaded", &all)).starts_with("23505"));
}
