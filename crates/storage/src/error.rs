//! What can go wrong below the transaction layer. A variant exists because a caller acts on it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the storage engine. Cheap to clone, because one failure (a failed sync, say) is
/// reported to every waiting commit.
#[derive(Clone, Debug)]
pub enum Error {
    /// The operating system refused an operation on a file.
    Io {
        /// What was being done, as a verb: `read`, `sync`, `rename`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// A file holds bytes that no correct run of the engine can have left there.
    Corruption(Arc<Corruption>),
    /// The directory is in use by another process; the text names the holder.
    Locked {
        /// The database directory.
        path: PathBuf,
        /// Who holds the lock, as far as the lock file tells.
        holder: String,
    },
    /// The directory is not a database, or not one this build can open: a foreign directory, a
    /// newer format version, an encrypted database without a key, a wrong key.
    Unsupported(String),
    /// The caller broke a documented rule: a key too long, an option out of range.
    InvalidArgument(String),
    /// The directory is missing or empty, and the options say not to create a database in it.
    NoDatabase(PathBuf),
    /// The directory holds a database, and the options say to create a new one.
    DatabaseExists(PathBuf),
    /// There is no keyspace of that name or id.
    NoSuchKeyspace(String),
    /// A keyspace of that name exists already.
    KeyspaceExists(String),
    /// A `validate` callback refused the commit; the payload is for the layer above.
    Rejected(Rejection),
    /// The disk is full. What the engine refused has left no trace; deletes still work, and writes
    /// resume by themselves when space returns.
    NoSpace {
        /// The database directory, or the file that the system has no room for.
        path: PathBuf,
        /// Who says so, and why.
        shortage: Shortage,
    },
    /// The engine takes no more writes: the database was opened read-only.
    ReadOnly,
    /// The engine takes no more writes because an earlier failure left it unsure what is on disk.
    /// Reopen the database.
    Poisoned(Arc<str>),
    /// The engine would have had to wait and the caller asked it not to.
    Busy,
    /// The engine was closed.
    Closed,
    /// The caller asked for it to end. What was done by then stays done.
    Cancelled,
}

/// What there is no space for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The system refused to do this, a verb: `write`, `create`.
    Refused(&'static str),
    /// The engine did not begin, because of what it keeps free.
    Kept(Room),
}

/// Bytes of a disk that is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is free.
    pub available: u64,
    /// What was asked for.
    pub wanted: u64,
    /// What is kept free for flushes, deletions and logs.
    pub kept: u64,
}

/// Why a `validate` callback refused a commit. Storage only carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// A code chosen by the layer above.
    pub code: u32,
    /// A message for people.
    pub message: String,
}

/// Where a file is damaged, and how that was noticed.
#[derive(Debug)]
pub struct Corruption {
    /// The damaged file.
    pub path: PathBuf,
    /// The byte offset of the damaged block or record.
    pub offset: u64,
    /// Which check failed.
    pub reason: String,
}

impl Error {
    /// Wraps a system error with what was being done to which file.
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Error::NoSpace {
                path: path.to_path_buf(),
                shortage: Shortage::Refused(operation),
            };
        }
        Error::Io {
            operation,
            path: path.to_path_buf(),
            source: Arc::new(source),
        }
    }

    /// Reports damage in `path` at `offset`.
    pub fn corruption(path: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Error::Corruption(Arc::new(Corruption {
            path: path.to_path_buf(),
            offset,
            reason: reason.into(),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io {
                operation,
                path,
                source,
            } => {
                write!(f, "cannot {operation} `{}`: {source}", path.display())
            }
            Error::Corruption(c) => write!(
                f,
                "`{}` is damaged at offset {}: {}",
                c.path.display(),
                c.offset,
                c.reason
            ),
            Error::Locked { path, holder } => {
                write!(f, "database `{}` is in use by {holder}", path.display())
            }
            Error::Unsupported(m) | Error::InvalidArgument(m) => f.write_str(m),
            Error::NoDatabase(path) => write!(f, "there is no database in `{}`", path.display()),
            Error::DatabaseExists(path) => {
                write!(f, "database `{}` already exists", path.display())
            }
            Error::NoSuchKeyspace(name) => write!(f, "keyspace `{name}` does not exist"),
            Error::KeyspaceExists(name) => write!(f, "keyspace `{name}` already exists"),
            Error::Rejected(r) => f.write_str(&r.message),
            Error::NoSpace { path, shortage } => shortage.fmt(path, f),
            Error::ReadOnly => f.write_str("the database is open read-only"),
            Error::Poisoned(why) => {
                write!(
                    f,
                    "the database stopped taking writes after a failure: {why}"
                )
            }
            Error::Busy => f.write_str("the database is busy"),
            Error::Closed => f.write_str("the database is closed"),
            Error::Cancelled => f.write_str("the work was cancelled"),
        }
    }
}

impl Room {
    /// Whether what is wanted fits beside what is kept.
    pub fn is_enough(&self) -> bool {
        self.available >= self.kept.saturating_add(self.wanted)
    }
}

impl Shortage {
    fn fmt(&self, path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = path.display();
        match *self {
            Shortage::Refused(operation) => {
                write!(f, "cannot {operation} `{path}`: no space left on the disk")
            }
            Shortage::Kept(Room {
                available,
                wanted,
                kept,
            }) => write!(
                f,
                "no space left on the disk of `{path}`: {} free, of which {} are kept for flushes, \
                 deletions and logs, and {} needed",
                Mebibytes(available),
                Mebibytes(kept),
                Mebibytes(wanted),
            ),
        }
    }
}

/// A number of bytes, for people.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
