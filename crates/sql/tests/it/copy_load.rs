//! COPY into an empty table, whose rows and entries of indexes go straight to files, sorted if need
//! be: what comes of it is what comes of rows that are inserted.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Error, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_vfs::MemVfs;

use crate::database::{Still, lines};

/// The tables that are loaded, and one that never is: it has a foreign key.
const TABLES: &str =
    "create table loaded (id int primary key, word text not null, n int check (n < 90000));
    create table heap (id int, word text not null, n int);
    create table other (id int primary key);
    insert into other select * from generate_series(0, 999);
    create table plain (id int primary key, word text not null, n int references other check (n < 90000))";

const ROWS: usize = 20_000;

fn begin() -> (Database, Session) {
    begin_with(32 << 10)
}

/// Of a transaction's writes, so many KiB stay in memory.
fn begin_with(writes_kib: usize) -> (Database, Session) {
    let options = TransactionOptions {
        write_set_bytes_max: writes_kib << 10,
        ..TransactionOptions::default()
    };
    let vfs = Arc::new(MemVfs::new());
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let manager = TransactionManager::new(engine, options);
    let database = Database::open(manager, Arc::new(Still)).unwrap();
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
    let text = format!("copy {table} (id, word, n) from stdin (format csv)");
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
        "select id, word, n from {} where id = 12345",
        "select id, word, n from {} where id = 0",
        "select id, word, n from {} where id between 19990 and 20010 order by id",
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

/// A table with indexes of all kinds; `more` is what keeps it from being loaded.
fn indexed(table: &str, more: &str) -> String {
    format!(
        "create table {table} (id int primary key, word text not null, n int{more});
        create unique index {table}_word on {table} (word);
        create unique index {table}_pair on {table} (n, word) include (id);
        create index {table}_down on {table} (n desc, id) include (word);
        create index {table}_lower on {table} (lower(word)) where n > 500"
    )
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// The order of the rows, and at times something that is wrong.
fn scattered(seed: u64) -> String {
    let mut random = Random(seed);
    let mut ids: Vec<usize> = (0..ROWS).collect();
    // Some seeds leave long runs of rows in order, and some none.
    for _ in 0..[ROWS, 3][seed as usize % 2] {
        let (one, two) = (random.below(ROWS), random.below(ROWS));
        ids.swap(one, two);
    }
    let mut lines: Vec<String> = ids.into_iter().map(line).collect();
    let at = random.below(ROWS);
    match seed {
        3 => lines.insert(at, line(random.below(ROWS))),
        // Another key, and words that are there.
        4 => lines.insert(at, line(random.below(ROWS)).replacen(',', "77777,", 1)),
        _ => (),
    }
    lines.concat()
}

/// What indexes tell of a table.
fn found(session: &mut Session, table: &str) -> Vec<String> {
    let mut found = facts(session, table);
    for query in [
        "select count(*), sum(id) from {} where n = 500",
        "select id, n from {} where word = 'word number 77 of many, all of them about as long as this one'",
        "select n, id, word from {} where n in (7, 993) order by n desc, id",
        "select count(*) from {} where n is null",
        "select id from {} where lower(word) = 'word number 12600 of many, all of them about as long as this one' and n > 500",
    ] {
        found.extend(lines(session, &query.replace("{}", table)));
    }
    found
}

#[test]
fn tables_with_indexes_are_loaded_as_rows_are_inserted() {
    for seed in 0..5 {
        let (_database, mut session) = begin_with([16, 300, 32 << 10][seed as usize % 3]);
        let tables = [
            indexed("many", ""),
            indexed("one_by_one", " references other"),
        ];
        session.execute(&tables.join(";"), &[]).unwrap();
        let input = scattered(seed);
        let many = told(copy(&mut session, "many", &input));
        let one_by_one = told(copy(&mut session, "one_by_one", &input));
        assert_eq!(
            many,
            one_by_one.replace("one_by_one", "many"),
            "seed {seed}"
        );
        // And every index leads to every row, and knows who must not come twice.
        for change in [
            "select",
            "delete from {} where n = 7",
            "update {} set n = n + 1 where n between 500 and 510",
            "insert into {} values (500000, 'word number 78 of many, all of them about as long as this one', 1)",
            "insert into {} values (77, 'new', 1)",
            "insert into {} values (600000, 'word number 7 of many, all of them about as long as this one', null)",
        ] {
            let mut run = |table: &str| {
                let text = change.replace("{}", table);
                let failed = session.execute(&text, &[]).err();
                let failed = failed.map(|error| error.to_string().replace("one_by_one", "many"));
                (failed, found(&mut session, table))
            };
            let inserted = run("one_by_one");
            assert_eq!(run("many"), inserted, "seed {seed}, {change}");
        }
    }
}

#[test]
fn a_load_in_no_order_is_rolled_back_and_done_again() {
    let (database, mut session) = begin();
    session.execute(&indexed("many", ""), &[]).unwrap();
    let mut other = database.connect();
    let input = scattered(11);
    let count = "select count(*) from many";
    session.execute("begin; savepoint s", &[]).unwrap();
    let first = told(copy(&mut session, "many", &input));
    assert_eq!(first, format!("COPY {ROWS}"));
    assert_eq!(lines(&mut other, count), ["0"]);
    let seen = found(&mut session, "many");
    session.execute("rollback to s", &[]).unwrap();
    assert_eq!(lines(&mut session, count), ["0"]);
    copy(&mut session, "many", &input).unwrap();
    assert_eq!(found(&mut session, "many"), seen);
    session.execute("commit", &[]).unwrap();
    assert_eq!(found(&mut other, "many"), seen);
}
