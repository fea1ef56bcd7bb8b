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
