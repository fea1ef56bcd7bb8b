//! Tables through the facade.

use rustdb::{Database, ErrorKind};

#[test]
fn tables_and_rows_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    {
        let db = Database::open(&path).unwrap();
        let mut connection = db.connect().unwrap();
        connection
            .run("CREATE TABLE t (id SERIAL PRIMARY KEY, v TEXT UNIQUE); CREATE VIEW w AS SELECT v FROM t")
            .unwrap();
        for number in 0..100 {
            let value = format!("v{number}");
            let written = connection.execute("INSERT INTO t (v) VALUES ($1)", &[value.into()]);
            assert_eq!(written.unwrap(), 1);
        }
    }
    let db = Database::open(&path).unwrap();
    let mut connection = db.connect().unwrap();
    let rows = connection
        .query("SELECT count(*) AS n, max(id) AS last FROM t", &[])
        .unwrap();
    assert_eq!(rows[0].get::<i64>("n").unwrap(), 100);
    let last = rows[0].get::<i32>("last").unwrap();
    let error = connection
        .execute("INSERT INTO t (v) VALUES ('v5')", &[])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Statement);
    assert_eq!(error.sqlstate(), Some("23505"));
    let rows = connection
        .query("INSERT INTO t (v) VALUES ('new') RETURNING id", &[])
        .unwrap();
    assert!(rows[0].get::<i32>("id").unwrap() > last);
    let rows = connection.query("SELECT v FROM w WHERE v = 'new'", &[]);
    assert_eq!(rows.unwrap().len(), 1);
}

#[test]
fn key_value_calls_do_not_see_tables() {
    let db = Database::in_memory().unwrap();
    let before = db.keyspaces();
    db.connect()
        .unwrap()
        .run("CREATE TABLE t (id INT PRIMARY KEY, v TEXT UNIQUE); INSERT INTO t VALUES (1, 'x')")
        .unwrap();
    assert_eq!(db.keyspaces(), before);
    assert_eq!(db.len().unwrap(), 0);
    for name in ["__rustdb/catalog", "__rustdb/table/1"] {
        assert!(db.existing_keyspace(name).is_none());
        assert_eq!(
            db.keyspace(name).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            db.drop_keyspace(name).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn sessions_see_what_others_have_committed_and_nothing_else() {
    let db = Database::in_memory().unwrap();
    let (mut one, mut two) = (db.connect().unwrap(), db.connect().unwrap());
    one.run("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 10)")
        .unwrap();
    let seen = |connection: &mut rustdb::sql::Connection| {
        let rows = connection
            .query("SELECT v FROM t ORDER BY id", &[])
            .unwrap();
        rows.iter()
            .map(|row| row.get_at::<i32>(0).unwrap())
            .collect::<Vec<_>>()
    };
    one.run("BEGIN; UPDATE t SET v = 20; INSERT INTO t VALUES (2, 0)")
        .unwrap();
    assert_eq!(seen(&mut one), [20, 0]);
    assert_eq!(seen(&mut two), [10]);
    two.run("BEGIN ISOLATION LEVEL REPEATABLE READ").unwrap();
    assert_eq!(seen(&mut two), [10]);
    one.run("COMMIT").unwrap();
    assert_eq!(seen(&mut two), [10]);
    let error = two
        .execute("UPDATE t SET v = v + 1 WHERE id = 1", &[])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.sqlstate(), Some("40001"));
    two.run("ROLLBACK").unwrap();
    assert_eq!(seen(&mut two), [20, 0]);
}

#[test]
fn concurrent_increments_are_not_lost() {
    let db = Database::in_memory().unwrap();
    db.connect()
        .unwrap()
        .run(
            "CREATE TABLE counters (id INT PRIMARY KEY, n INT); INSERT INTO counters VALUES (1, 0)",
        )
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let db = db.clone();
            scope.spawn(move || {
                let mut connection = db.connect().unwrap();
                for _ in 0..50 {
                    let update = "UPDATE counters SET n = n + 1 WHERE id = 1";
                    assert_eq!(connection.execute(update, &[]).unwrap(), 1);
                }
            });
        }
    });
    let rows = db.connect().unwrap().query("SELECT n FROM counters", &[]);
    assert_eq!(rows.unwrap()[0].get::<i32>("n").unwrap(), 200);
}

#[test]
fn a_running_query_can_be_cancelled() {
    let db = Database::in_memory().unwrap();
    let mut connection = db.connect().unwrap();
    connection
        .run("CREATE TABLE t (x INT); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8)")
        .unwrap();
    let handle = connection.cancel_handle();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                handle.cancel();
                std::thread::yield_now();
            }
        });
        // Eight to the power of nine pairs: it does not end by itself in time.
        let outcome = connection.query(
            "SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g, t h, t i",
            &[],
        );
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_result_that_is_fetched_too_slowly_says_so() {
    let db = Database::in_memory().unwrap();
    let mut connection = db.connect().unwrap();
    connection.run("SET statement_timeout = 20").unwrap();
    let endless = "SELECT count(*) FROM generate_series(1, 100000000000) AS n";
    let error = connection.query(endless, &[]).unwrap_err();
    let words = "canceling statement due to statement timeout";
    assert_eq!(
        (error.message(), error.kind()),
        (words, ErrorKind::Cancelled)
    );
    let mut rows = connection.query_each(endless, &[]).unwrap();
    let error = rows.next().unwrap().unwrap_err();
    assert_eq!(
        (error.message(), error.kind()),
        (words, ErrorKind::Cancelled)
    );
    assert!(rows.next().is_none());
    drop(rows);
    assert_eq!(connection.query("SELECT 1", &[]).unwrap().len(), 1);
}

#[test]
fn an_error_says_where_and_what_to_do() {
    let db = Database::in_memory().unwrap();
    let mut connection = db.connect().unwrap();
    connection
        .run("CREATE TABLE fruit (name TEXT UNIQUE)")
        .unwrap();
    let error = connection
        .query("SELECT fruit.nam FROM fruit", &[])
        .unwrap_err();
    let place = "column fruit.nam does not exist (line 1, column 8)";
    assert_eq!(error.to_string(), place);
    assert!(format!("{error:#}").starts_with(place));
    assert!(format!("{error:?}").starts_with(&format!("Statement (42703): {place}")));
    connection.run("INSERT INTO fruit VALUES ('fig')").unwrap();
    let error = connection
        .run("INSERT INTO fruit VALUES ('fig')")
        .unwrap_err();
    let words = "duplicate key value violates unique constraint \"fruit_name_key\"";
    assert_eq!(error.to_string(), words);
    let detail = "detail: Key (name)=(fig) already exists.";
    assert_eq!(format!("{error:#}"), format!("{words}\n{detail}"));
    let error = db
        .connect()
        .unwrap()
        .query_one::<(i32,)>("SELECT 1 AS n, 2 AS m", &[]);
    let error = format!("{:?}", error.unwrap_err());
    assert!(
        error.starts_with("InvalidArgument: the row has 2 columns"),
        "{error}"
    );
}

#[test]
fn a_closed_database_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let db = Database::open(directory.path().join("db")).unwrap();
    let mut connection = db.connect().unwrap();
    connection
        .run("CREATE TABLE t (id INT PRIMARY KEY)")
        .unwrap();
    db.clone().close().unwrap();
    for statement in ["INSERT INTO t VALUES (1)", "CREATE TABLE u (id INT)"] {
        let error = connection.execute(statement, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{statement}");
        assert_eq!(error.sqlstate(), Some("57P01"));
    }
}
