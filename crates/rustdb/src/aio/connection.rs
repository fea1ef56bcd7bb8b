//! Statements of SQL from asynchronous programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::{AsyncDatabase, OffRuntime, run, run_apart};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::{CancelHandle, Connection, Row, StatementResult, Value};

/// A session whose methods are asynchronous: see [`Connection`].
///
/// One statement runs at a time; a second waits for the first. A future that is dropped cancels
/// its statement: a transaction block has failed then, as after an error.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("db");
/// # use rustdb::aio::AsyncDatabase;
/// let db = AsyncDatabase::open(path).await?;
/// let connection = db.connect().await?;
/// connection.execute("CREATE TABLE t (id INT PRIMARY KEY)", vec![]).await?;
/// connection.execute("INSERT INTO t VALUES ($1)", vec![7.into()]).await?;
/// let rows = connection.query("SELECT id FROM t", vec![]).await?;
/// assert_eq!(rows[0].get::<i32>("id")?, 7);
/// # Ok::<(), rustdb::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct AsyncConnection {
    connection: Arc<OffRuntime<Mutex<Connection>>>,
    cancel: CancelHandle,
    /// Whether it held locks when its last call ended: it was in a block, or has advisory locks.
    holds_locks: Arc<AtomicBool>,
    vfs: VfsRef,
}

impl AsyncDatabase {
    fn vfs(&self) -> VfsRef {
        self.blocking().inner().engine().vfs().clone()
    }

    /// A new session; see [`Database::connect`](crate::Database::connect).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(path).await?;
    /// let connection = db.connect().await?;
    /// assert_eq!(connection.query("SELECT 1", vec![]).await?.len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn connect(&self) -> Result<AsyncConnection> {
        let connection = self.with(crate::Database::connect).await?;
        Ok(AsyncConnection::new(connection, self.vfs()))
    }

    /// A new session with one of the directory's databases; see
    /// [`Database::connect_to`](crate::Database::connect_to).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let db = AsyncDatabase::open(path).await?;
    /// db.connect().await?.execute("CREATE DATABASE shop", vec![]).await?;
    /// let shop = db.connect_to("shop").await?;
    /// assert_eq!(shop.query("SELECT 1", vec![]).await?.len(), 1);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn connect_to(&self, name: impl Into<String>) -> Result<AsyncConnection> {
        let name = name.into();
        let connection = self.with(move |db| db.connect_to(&name)).await?;
        Ok(AsyncConnection::new(connection, self.vfs()))
    }
}

impl AsyncConnection {
    fn new(connection: Connection, vfs: VfsRef) -> AsyncConnection {
        AsyncConnection {
            holds_locks: Arc::default(),
            vfs,
            cancel: connection.cancel_handle(),
            connection: Arc::new(OffRuntime::new(Mutex::new(connection))),
        }
    }
}

/// How far a call has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waits,
    Runs,
    Over,
    /// Its future was dropped before its turn came.
    Dropped,
}

#[derive(Clone)]
struct Progress(Arc<(Mutex<Stage>, Condvar)>);

impl Progress {
    fn new() -> Progress {
        Progress(Arc::new((Mutex::new(Stage::Waits), Condvar::new())))
    }

    /// The call's turn has come; `false` if nobody waits for it any more.
    fn begin(&self) -> bool {
        let mut stage = self.0.0.lock();
        let is_wanted = *stage == Stage::Waits;
        if is_wanted {
            *stage = Stage::Runs;
        }
        is_wanted
    }

    fn end(&self) {
        *self.0.0.lock() = Stage::Over;
        self.0.1.notify_all();
    }

    /// Cancels again and again until the call is over: the first time may be too early, before its
    /// statement has begun.
    fn cancel(&self, cancel: &CancelHandle) {
        let mut stage = self.0.0.lock();
        while *stage == Stage::Runs {
            cancel.cancel();
            self.0.1.wait_for(&mut stage, CANCEL_EVERY);
        }
    }
}

/// Notes that a call is over.
struct End(Progress);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

const CANCEL_EVERY: Duration = Duration::from_millis(5);

/// A call whose future may be dropped: what runs is cancelled, what waits for its turn does not
/// run, and what others do in the session goes on.
struct Call<'c> {
    progress: Progress,
    cancel: &'c CancelHandle,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut stage = self.progress.0.0.lock();
        match *stage {
            Stage::Waits => *stage = Stage::Dropped,
            Stage::Runs => {
                if let Ok(runtime) = Handle::try_current() {
                    let (progress, cancel) = (self.progress.clone(), self.cancel.clone());
                    runtime.spawn_blocking(move || progress.cancel(&cancel));
                } else {
                    self.cancel.cancel();
                }
            }
            Stage::Over | Stage::Dropped => (),
        }
    }
}

impl AsyncConnection {
    /// Runs a statement and tells how many rows it wrote or gave.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let connection = AsyncDatabase::open(path).await?.connect().await?;
    /// connection.execute("CREATE TABLE t (x INT)", vec![]).await?;
    /// assert_eq!(connection.execute("INSERT INTO t VALUES (1), (2)", vec![]).await?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn execute(
        &self,
        statement: impl Into<String>,
        parameters: Vec<Value>,
    ) -> Result<u64> {
        let statement = statement.into();
        self.with(move |connection| connection.execute(&statement, &parameters))
            .await
    }

    /// Runs a statement and gives its rows.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let connection = AsyncDatabase::open(path).await?.connect().await?;
    /// let rows = connection.query("SELECT $1 + 1", vec![1.into()]).await?;
    /// assert_eq!(rows[0].get_at::<i32>(0)?, 2);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn query(
        &self,
        statement: impl Into<String>,
        parameters: Vec<Value>,
    ) -> Result<Vec<Row>> {
        let statement = statement.into();
        self.with(move |connection| connection.query(&statement, &parameters))
            .await
    }

    /// Runs the statements of a text; see [`Connection::run`].
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let connection = AsyncDatabase::open(path).await?.connect().await?;
    /// let results = connection.run("CREATE TABLE t (x INT); SELECT 1").await?;
    /// assert_eq!(results.len(), 2);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn run(&self, text: impl Into<String>) -> Result<Vec<StatementResult>> {
        let text = text.into();
        self.with(move |connection| connection.run(&text)).await
    }

    /// Runs `body` with the session, on the blocking pool: for prepared statements, appenders, and
    /// results row by row.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("db");
    /// # use rustdb::aio::AsyncDatabase;
    /// # let connection = AsyncDatabase::open(path).await?.connect().await?;
    /// let sum = connection.with(|connection| {
    ///     let mut sum = 0;
    ///     for row in connection.query_each("SELECT generate_series(1, 100)", &[])? {
    ///         sum += row?.get_at::<i64>(0)?;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.await?, 5050);
    /// # Ok::<(), rustdb::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn with<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = self.connection.clone();
        let progress = Progress::new();
        let _call = Call {
            progress: progress.clone(),
            cancel: &self.cancel,
        };
        let holds_locks = self.holds_locks.clone();
        let has_locks = holds_locks.load(Ordering::Acquire);
        let work = move || {
            let mut connection = connection.get().lock();
            if !progress.begin() {
                let message = "the future was dropped before its turn came";
                return Err(Error::new(ErrorKind::Cancelled, message));
            }
            // A body that panics is over too.
            let _end = End(progress);
            let result = body(&mut connection);
            holds_locks.store(connection.holds_locks(), Ordering::Release);
            result
        };
        match has_locks {
            true => run_apart(&self.vfs, work).await,
            false => run(work).await,
        }
    }
}
