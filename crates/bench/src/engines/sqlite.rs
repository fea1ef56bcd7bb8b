//! SQLite in WAL mode: a B-tree without row ids, a connection for each thread, one writer at a
//! time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection as Sqlite, OptionalExtension, Params, Row};

use crate::engine::{
    Body, Connection, Decide, Durability, End, Engine, ReadTransaction, Result, Settings, Visit,
    WriteTransaction,
};

const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
const GET: &str = "SELECT value FROM kv WHERE key = ?";
const PUT: &str = "INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)";
const DELETE: &str = "DELETE FROM kv WHERE key = ?";
const SCAN: &str = "SELECT key, value FROM kv WHERE key >= ? ORDER BY key LIMIT ?";
const FIRST: &str = "SELECT key, value FROM kv ORDER BY key LIMIT 1";
const LAST: &str = "SELECT key, value FROM kv ORDER BY key DESC LIMIT 1";
const ALL: &str = "SELECT key, value FROM kv ORDER BY key";
const RANGE: &str = "SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key";

struct File {
    path: PathBuf,
    settings: Settings,
}

pub(super) fn open(path: &Path, settings: Settings) -> Result<Box<dyn Engine>> {
    std::fs::create_dir_all(path)?;
    let file = File {
        path: path.join("data.sqlite"),
        settings,
    };
    file.connection()?.execute(CREATE, [])?;
    Ok(Box::new(file))
}

impl File {
    fn connection(&self) -> Result<Sqlite> {
        let sqlite = Sqlite::open(&self.path)?;
        sqlite.busy_timeout(BUSY_TIMEOUT)?;
        sqlite.pragma_update(None, "journal_mode", "WAL")?;
        // A negative number counts KiB.
        let cache = -i64::try_from(self.settings.cache_bytes / 1024)?;
        sqlite.pragma_update(None, "cache_size", cache)?;
        Ok(sqlite)
    }
}

impl Engine for File {
    fn connect(&self) -> Result<Box<dyn Connection + '_>> {
        Ok(Box::new(Handle(self.connection()?)))
    }

    fn compact(&mut self) -> Result<()> {
        let sqlite = self.connection()?;
        sqlite.execute("VACUUM", [])?;
        sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct Handle(Sqlite);

impl Connection for Handle {
    fn write(&self, durability: Durability, body: Body<'_>) -> Result<()> {
        let synchronous = match durability {
            Durability::Sync => "PRAGMA synchronous = FULL",
            Durability::Buffered | Durability::None => "PRAGMA synchronous = OFF",
        };
        self.0.prepare_cached(synchronous)?.execute([])?;
        self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = Writer::new(&self.0).and_then(|mut writer| body(&mut writer));
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        self.0.prepare_cached(end)?.execute([])?;
        outcome
    }

    fn read(&self) -> Result<Box<dyn ReadTransaction + '_>> {
        self.0.prepare_cached("BEGIN")?.execute([])?;
        Ok(Box::new(Reader {
            sqlite: &self.0,
            get: self.0.prepare_cached(GET)?,
            scan: self.0.prepare_cached(SCAN)?,
        }))
    }

    fn get(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        get(&mut self.0.prepare_cached(GET)?, key, visit)
    }

    fn scan(&self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        scan(&mut self.0.prepare_cached(SCAN)?, key, limit, visit)
    }
}

struct Writer<'a> {
    sqlite: &'a Sqlite,
    get: CachedStatement<'a>,
    put: CachedStatement<'a>,
    delete: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    fn new(sqlite: &'a Sqlite) -> Result<Writer<'a>> {
        Ok(Writer {
            sqlite,
            get: sqlite.prepare_cached(GET)?,
            put: sqlite.prepare_cached(PUT)?,
            delete: sqlite.prepare_cached(DELETE)?,
        })
    }

    /// Collects the keys for which `take` says yes, then deletes them.
    fn delete_where(
        &mut self,
        query: &str,
        parameters: impl Params,
        mut take: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<u64> {
        let mut doomed = Vec::new();
        let mut statement = self.sqlite.prepare_cached(query)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let (key, value) = pair(row)?;
            if take(key, value) {
                doomed.push(key.to_vec());
            }
        }
        for key in &doomed {
            self.delete(key)?;
        }
        Ok(doomed.len() as u64)
    }
}

impl WriteTransaction for Writer<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        get(&mut self.get, key, visit)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put.execute((key, value))?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.delete.execute([key])?;
        Ok(())
    }

    fn pop(&mut self, end: End, visit: Visit<'_>) -> Result<bool> {
        let query = if end == End::First { FIRST } else { LAST };
        let key = self
            .sqlite
            .prepare_cached(query)?
            .query_row([], |row| {
                let (key, value) = pair(row)?;
                visit(key, value);
                Ok(key.to_vec())
            })
            .optional()?;
        let Some(key) = key else { return Ok(false) };
        self.delete(&key)?;
        Ok(true)
    }

    fn retain(&mut self, keep: Decide<'_>) -> Result<u64> {
        self.delete_where(ALL, [], |key, value| !keep(key, value))
    }

    fn extract(
        &mut self,
        lower: &[u8],
        upper: &[u8],
        take: Decide<'_>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        self.delete_where(RANGE, [lower, upper], |key, value| {
            let take = take(key, value);
            if take {
                visit(key, value);
            }
            take
        })
    }
}

struct Reader<'a> {
    sqlite: &'a Sqlite,
    get: CachedStatement<'a>,
    scan: CachedStatement<'a>,
}

impl ReadTransaction for Reader<'_> {
    fn get(&mut self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        get(&mut self.get, key, visit)
    }

    fn scan(&mut self, key: &[u8], limit: usize, visit: Visit<'_>) -> Result<usize> {
        scan(&mut self.scan, key, limit, visit)
    }

    fn len(&mut self) -> Result<u64> {
        let count = self
            .sqlite
            .query_row("SELECT count(*) FROM kv", [], |row| row.get::<_, i64>(0));
        Ok(u64::try_from(count?)?)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let ended = self
            .sqlite
            .prepare_cached("COMMIT")
            .and_then(|mut end| end.execute([]));
        assert!(ended.is_ok(), "a transaction that only reads can end");
    }
}

fn pair<'a>(row: &'a Row<'_>) -> rusqlite::Result<(&'a [u8], &'a [u8])> {
    Ok((row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?))
}

fn get(
    statement: &mut CachedStatement<'_>,
    key: &[u8],
    visit: &mut dyn FnMut(&[u8]),
) -> Result<bool> {
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else {
        return Ok(false);
    };
    visit(row.get_ref(0)?.as_blob()?);
    Ok(true)
}

fn scan(
    statement: &mut CachedStatement<'_>,
    key: &[u8],
    limit: usize,
    visit: Visit<'_>,
) -> Result<usize> {
    let mut rows = statement.query((key, i64::try_from(limit)?))?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let (key, value) = pair(row)?;
        visit(key, value);
        found += 1;
    }
    Ok(found)
}
