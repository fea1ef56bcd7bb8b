//! Asynchronous handles: many commits at once, and a runtime that never waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustdb::aio::AsyncDatabase;
use rustdb::{Database, Durability, Options};
use rustdb_vfs::{PowerLoss, SimVfs};
use tokio::runtime::{Builder, Runtime};

const COMMITS: u32 = 1_000;

fn options(sim: &SimVfs) -> Options {
    Options {
        vfs: Some(sim.vfs()),
        durability: Durability::Sync,
        ..Options::default()
    }
}

/// A runtime with no thread but this one, and the pool.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("builds")
}

/// Counts what is done on the disk, and what of it on this thread.
struct Watch {
    operations: Arc<AtomicUsize>,
    is_used_here: Arc<AtomicBool>,
}

impl Watch {
    fn over(sim: &SimVfs) -> Self {
        let this_thread = std::thread::current().id();
        let watch = Self {
            operations: Arc::default(),
            is_used_here: Arc::default(),
        };
        let (operations, is_used_here) = (watch.operations.clone(), watch.is_used_here.clone());
        sim.observe(move |_, _| {
            operations.fetch_add(1, Ordering::Relaxed);
            if std::thread::current().id() == this_thread {
                is_used_here.store(true, Ordering::Relaxed);
            }
        });
        watch
    }

    fn check(&self) {
        let operations = self.operations.load(Ordering::Relaxed);
        assert!(operations > 0, "the disk is watched");
        let is_used_here = self.is_used_here.load(Ordering::Relaxed);
        assert!(!is_used_here, "the runtime's thread waited for the disk");
    }
}

#[test]
fn a_thousand_durable_commits_at_once_leave_the_runtime_alone() {
    let sim = SimVfs::new(1);
    let watch = Watch::over(&sim);
    runtime().block_on(async {
        let db = AsyncDatabase::open_with("/db", options(&sim))
            .await
            .unwrap();
        let commits: Vec<_> = (0..COMMITS)
            .map(|number| {
                let db = db.clone();
                tokio::spawn(async move { db.put(number.to_be_bytes(), "value").await })
            })
            .collect();
        for commit in commits {
            commit.await.unwrap().unwrap();
        }
        assert_eq!(db.blocking().stats().commits, u64::from(COMMITS));

        // They are acknowledged, so nothing that follows can undo them.
        let after = sim.after_power_loss(PowerLoss::LoseAll);
        let reopened = AsyncDatabase::open_with("/db", options(&after))
            .await
            .unwrap();
        let count = reopened.with(|db| db.len()).await;
        assert_eq!(count.unwrap(), u64::from(COMMITS));
        reopened.close().await.unwrap();
        db.close().await.unwrap();
    });
    watch.check();
}

#[test]
fn the_last_handle_closes_the_database_but_not_on_the_runtime() {
    let sim = SimVfs::new(2);
    let watch = Watch::over(&sim);
    // The runtime waits for its pool when it is dropped.
    runtime().block_on(async {
        let db = AsyncDatabase::open_with("/db", options(&sim))
            .await
            .unwrap();
        for number in 0..COMMITS {
            db.put(number.to_be_bytes(), "value").await.unwrap();
        }
        let mut scan = db.scan("");
        assert!(scan.next().await.unwrap().is_some());
        drop(db);
        // The scan, which is far from its end, is now the last that holds the database.
        drop(scan);
    });
    watch.check();
    let db = Database::open_with("/db", options(&sim)).unwrap();
    assert_eq!(db.len().unwrap(), u64::from(COMMITS));
}

#[tokio::test]
async fn a_dropped_future_cancels_its_own_statement_only() {
    let directory = tempfile::tempdir().unwrap();
    let db = AsyncDatabase::open(directory.path().join("db"))
        .await
        .unwrap();
    let connection = std::sync::Arc::new(db.connect().await.unwrap());
    let long = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b";
    let begun = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let running = tokio::spawn({
        let (connection, begun) = (connection.clone(), begun.clone());
        async move {
            let body = move |connection: &mut rustdb::sql::Connection| {
                begun.store(true, std::sync::atomic::Ordering::Release);
                connection.query(long, &[]).map(|rows| rows.len())
            };
            connection.with(body).await
        }
    });
    while !begun.load(std::sync::atomic::Ordering::Acquire) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // Waits for its turn, and goes without having disturbed anybody.
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move {
            connection
                .run("CREATE TABLE never (x INT)")
                .await
                .map(|_| ())
        }
    });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert!(!running.is_finished());
    running.abort();
    assert!(running.await.is_err());
    // The session is free once the statement has seen that it was cancelled.
    assert_eq!(connection.query("SELECT 1", vec![]).await.unwrap().len(), 1);
    assert!(
        connection
            .query("SELECT * FROM never", vec![])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_dropped_future_of_a_scan_passes_nothing_over() {
    const ENTRIES: usize = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let db = AsyncDatabase::open(path).await.unwrap();
    let put = |tx: &mut rustdb::Transaction| {
        (0..ENTRIES as u32).try_for_each(|number| tx.put(number.to_be_bytes(), ""))
    };
    db.blocking().transaction(put).unwrap();
    let (mut scan, mut keys) = (db.scan(""), Vec::new());
    loop {
        // Looked at once, and dropped.
        let soon = std::time::Duration::ZERO;
        let entry = match tokio::time::timeout(soon, scan.next()).await {
            Ok(entry) => entry.unwrap(),
            Err(_) => scan.next().await.unwrap(),
        };
        match entry {
            Some((key, _)) => keys.push(key.to_vec()),
            None => break,
        }
    }
    assert_eq!(keys.len(), ENTRIES);
    assert!(keys.is_sorted());
}

/// Who waits for a lock keeps a thread of the pool, and who holds it needs one to give it back.
fn gives_back_what_others_have_taken_the_pool_for(take: &str, wait: &'static str, end: &str) {
    const POOL: usize = 3;
    const WAITING: usize = 2 * POOL;
    let minute = std::time::Duration::from_secs(60);
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).max_blocking_threads(POOL);
    let runtime = builder.enable_time().build().expect("builds");
    let directory = tempfile::tempdir().expect("works");
    let path = directory.path().join("db");
    let (db, holder, calls) = runtime.block_on(async {
        let db = AsyncDatabase::open(path).await.expect("works");
        let holder = db.connect().await.expect("works");
        let table = "CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0)";
        holder.run(table).await.expect("works");
        holder.run(take).await.expect("works");
        let mut waiting = Vec::new();
        for _ in 0..WAITING {
            waiting.push(db.connect().await.expect("works"));
        }
        let mut calls = Vec::new();
        for one in waiting {
            let update = async move { one.execute(wait, vec![]).await };
            calls.push(tokio::spawn(update));
        }
        (db, holder, calls)
    });
    let mut watcher = db.blocking().connect().expect("works");
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    runtime.block_on(async {
        let all_wait = async {
            while watcher.query_one::<(i64,)>(waiting, &[]).expect("works").0 < POOL as i64 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        let taken = tokio::time::timeout(minute, all_wait).await;
        taken.expect("the pool is taken");
        let ended = tokio::time::timeout(minute, holder.run(end)).await;
        ended.expect("it gets a thread").expect("works");
        for call in calls {
            assert_eq!(call.await.expect("works").expect("works"), 1);
        }
    });
}

#[test]
fn a_session_gets_to_its_commit_when_others_have_taken_the_pool() {
    let update = "UPDATE t SET n = n + 1";
    let take = "BEGIN; UPDATE t SET n = n + 0";
    gives_back_what_others_have_taken_the_pool_for(take, update, "COMMIT");
}

#[test]
fn a_session_gives_an_advisory_lock_back_when_others_have_taken_the_pool() {
    let wait = "SELECT pg_advisory_xact_lock(1)";
    let (take, end) = ("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)");
    gives_back_what_others_have_taken_the_pool_for(take, wait, end);
}
