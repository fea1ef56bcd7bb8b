//! The files that COPY names.

use std::io::{Read, Result, Write};

/// Opens the files that `COPY` names, for [`Connection::set_files`](super::Connection::set_files).
///
/// ```
/// use std::io::{Error, ErrorKind, Read, Result, Write};
/// use rustdb::sql::Files;
///
/// /// Files of one directory, and no others.
/// struct Uploads;
///
/// impl Files for Uploads {
///     fn open(&self, path: &str) -> Result<Box<dyn Read>> {
///         match path.strip_prefix("uploads/") {
///             Some(name) if !name.contains(['/', '\\']) => {
///                 Ok(Box::new(std::fs::File::open(path)?))
///             }
///             _ => Err(Error::from(ErrorKind::PermissionDenied)),
///         }
///     }
///
///     fn create(&self, _path: &str) -> Result<Box<dyn Write>> {
///         Err(Error::from(ErrorKind::PermissionDenied))
///     }
/// }
/// # let _files = Uploads;
/// ```
pub use rustdb_sql::Files;

/// Every file that the process may open.
///
/// ```
/// # let db = rustdb::Database::in_memory()?;
/// db.connect()?.set_files(std::sync::Arc::new(rustdb::sql::SystemFiles));
/// # Ok::<(), rustdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    #[expect(
        clippy::disallowed_methods,
        reason = "a file that a statement names is none of the database's own"
    )]
    fn open(&self, path: &str) -> Result<Box<dyn Read>> {
        let file = std::fs::File::open(path)?;
        match file.metadata()?.is_dir() {
            true => Err(std::io::ErrorKind::IsADirectory.into()),
            false => Ok(Box::new(file)),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a file that a statement names is none of the database's own"
    )]
    fn create(&self, path: &str) -> Result<Box<dyn Write>> {
        let file = std::fs::File::create(path)?;
        Ok(Box::new(std::io::BufWriter::new(file)))
    }
}
