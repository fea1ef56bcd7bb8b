//! Copies, verification, repair, and changing keys.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use rustdb_crypto::{Algorithm, KeyProvider};
use rustdb_storage::engine::{
    Checkpoint, CheckpointProgress, RepairReport, UpgradeReport, VerifyProgress, VerifyReport,
};
use rustdb_vfs::{OsVfs, VfsRef};

use crate::database::Database;
use crate::error::Result;
use crate::options::Options;

impl Database {
    /// Makes `directory`, which must be missing or empty and outside of this one, a database with everything that was
    /// acknowledged before the call. Takes little time and space: files are immutable and get a
    /// second name there, or are copied where the file system has no hard links. Writes wait for
    /// a moment, and the two databases have nothing to do with each other afterwards.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// # let checkpoint = directory.path().join("checkpoint");
    /// let db = rustdb::Database::open(&path)?;
    /// db.put("k", "then")?;
    /// db.checkpoint(&checkpoint)?;
    /// db.put("k", "now")?;
    /// let old = rustdb::Database::open(&checkpoint)?;
    /// assert_eq!(old.get("k")?.as_deref(), Some(&b"then"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoint(&self, directory: impl AsRef<Path>) -> Result<Checkpoint> {
        Ok(self.engine().checkpoint(directory.as_ref())?)
    }

    /// As [`Database::checkpoint`]; `progress` is called before each file and each mebibyte that is
    /// copied, and may end it. Then it fails with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), and leaves nothing in `directory`.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let checkpoint = directory.path().join("checkpoint");
    /// # let db = rustdb::Database::open(directory.path().join("db"))?;
    /// # db.put("k", "v")?;
    /// use std::ops::ControlFlow;
    /// let given_up = db.checkpoint_with(&checkpoint, |_| ControlFlow::Break(()));
    /// assert_eq!(given_up.unwrap_err().kind(), rustdb::ErrorKind::Cancelled);
    /// assert!(!checkpoint.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checkpoint_with(
        &self,
        directory: impl AsRef<Path>,
        mut progress: impl FnMut(CheckpointProgress) -> ControlFlow<()>,
    ) -> Result<Checkpoint> {
        let directory = directory.as_ref();
        Ok(self.engine().checkpoint_with(directory, &mut progress)?)
    }

    /// As [`Database::checkpoint`], but every byte is copied, so that the copy survives damage of
    /// the original. For backups, and for other disks.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let db = rustdb::Database::open(directory.path().join("db"))?;
    /// # let backup = directory.path().join("backup");
    /// db.put("k", "v")?;
    /// assert_eq!(db.copy_to(&backup)?.linked_files, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_to(&self, directory: impl AsRef<Path>) -> Result<Checkpoint> {
        Ok(self.engine().copy_to(directory.as_ref())?)
    }

    /// As [`Database::copy_to`], with `progress` as in [`Database::checkpoint_with`].
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let backup = directory.path().join("backup");
    /// # let db = rustdb::Database::open(directory.path().join("db"))?;
    /// # db.put("k", "v")?;
    /// use std::ops::ControlFlow;
    /// db.copy_to_with(&backup, |progress| {
    ///     println!("{} of {} bytes", progress.done_bytes, progress.total_bytes);
    ///     ControlFlow::Continue(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_to_with(
        &self,
        directory: impl AsRef<Path>,
        mut progress: impl FnMut(CheckpointProgress) -> ControlFlow<()>,
    ) -> Result<Checkpoint> {
        let directory = directory.as_ref();
        Ok(self.engine().copy_to_with(directory, &mut progress)?)
    }

    /// Reads everything on disk and checks it, while other work goes on. What is wrong is listed
    /// in the report.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.put("k", "v")?;
    /// db.flush()?;
    /// let report = db.verify()?;
    /// assert!(report.is_sound());
    /// assert_eq!(report.tables, 1);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn verify(&self) -> Result<VerifyReport> {
        Ok(self.engine().verify()?)
    }

    /// As [`Database::verify`]; `progress` is called between files and within large ones, and may
    /// end it.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use std::ops::ControlFlow;
    /// let report = db.verify_with(|progress| {
    ///     println!("{} of {} bytes", progress.done_bytes, progress.total_bytes);
    ///     ControlFlow::Break(())
    /// })?;
    /// assert!(report.is_cancelled);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn verify_with(
        &self,
        mut progress: impl FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<VerifyReport> {
        Ok(self.engine().verify_with(&mut progress)?)
    }

    /// Makes another key the one that opens an encrypted database. Rewrites one small file.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// use rustdb::crypto::{Algorithm, RawKey, Secret};
    /// use rustdb::{Database, Encryption, ErrorKind, Options};
    /// # use std::sync::Arc;
    /// let options = |byte| Options {
    ///     encryption: Some(Encryption {
    ///         provider: Arc::new(RawKey::new(Secret::new([byte; 32]))),
    ///         algorithm: Algorithm::Aes256Gcm,
    ///     }),
    ///     ..Options::default()
    /// };
    /// let db = Database::open_with(&path, options(1))?;
    /// db.change_key(&RawKey::new(Secret::new([2; 32])))?;
    /// db.close()?;
    /// let refused = Database::open_with(&path, options(1)).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Unsupported);
    /// Database::open_with(&path, options(2))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn change_key(&self, provider: &dyn KeyProvider) -> Result<()> {
        Ok(self.engine().change_key(provider)?)
    }

    /// Draws a new data key, perhaps for another cipher, for the files that are written from now
    /// on. The others follow as they are rewritten; [`Database::reencrypt`] does that at once.
    ///
    /// ```
    /// # use rustdb::crypto::{Algorithm, RawKey, Secret};
    /// # let encryption = rustdb::Encryption {
    /// #     provider: std::sync::Arc::new(RawKey::new(Secret::new([1; 32]))),
    /// #     algorithm: Algorithm::Aes256Gcm,
    /// # };
    /// # let directory = tempfile::tempdir()?;
    /// # let options = rustdb::Options { encryption: Some(encryption), ..Default::default() };
    /// # let db = rustdb::Database::open_with(directory.path().join("db"), options)?;
    /// db.rotate_data_key(Algorithm::ChaCha20Poly1305)?;
    /// db.reencrypt()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rotate_data_key(&self, algorithm: Algorithm) -> Result<()> {
        self.engine().rotate_data_key(algorithm)?;
        Ok(())
    }

    /// Rewrites everything that is sealed under an older data key; see
    /// [`Database::rotate_data_key`]. May take long; everything else goes on meanwhile.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("db");
    /// # let provider = rustdb::crypto::RawKey::new(rustdb::crypto::Secret::new([1; 32]));
    /// # let algorithm = rustdb::crypto::Algorithm::Aes256Gcm;
    /// # let encryption = rustdb::Encryption { provider: std::sync::Arc::new(provider), algorithm };
    /// # let options = rustdb::Options { encryption: Some(encryption), ..Default::default() };
    /// # let db = rustdb::Database::open_with(&path, options)?;
    /// db.put("k", "sealed under the first key")?;
    /// db.rotate_data_key(algorithm)?;
    /// db.reencrypt()?;
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"sealed under the first key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reencrypt(&self) -> Result<()> {
        Ok(self.engine().reencrypt()?)
    }

    /// As [`Database::reencrypt`], as long as `proceed` agrees, which is asked every few hundred
    /// kilobytes. If it does not, fails with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled);
    /// everything stays readable, and the next call does the rest.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let provider = rustdb::crypto::RawKey::new(rustdb::crypto::Secret::new([1; 32]));
    /// # let algorithm = rustdb::crypto::Algorithm::Aes256Gcm;
    /// # let encryption = rustdb::Encryption { provider: std::sync::Arc::new(provider), algorithm };
    /// # let options = rustdb::Options { encryption: Some(encryption), ..Default::default() };
    /// # let db = rustdb::Database::open_with(directory.path().join("db"), options)?;
    /// use std::ops::ControlFlow;
    /// db.rotate_data_key(algorithm)?;
    /// let error = db.reencrypt_with(|| ControlFlow::Break(())).unwrap_err();
    /// assert_eq!(error.kind(), rustdb::ErrorKind::Cancelled);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reencrypt_with(&self, proceed: impl Fn() -> ControlFlow<()>) -> Result<()> {
        Ok(self.engine().reencrypt_until(&|| proceed().is_break())?)
    }
}

/// Repairs a database that does not open: keeps what is undamaged, and says what it dropped. Files
/// that are no longer used are kept in `lost-and-found` inside the directory.
///
/// The options are those the database is opened with; if it is encrypted, the key is needed.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("db");
/// use rustdb::{Database, Options};
/// let db = Database::open(&path)?;
/// db.put("k", "v")?;
/// db.close()?;
/// std::fs::remove_file(path.join("CURRENT"))?;
/// assert!(Database::open(&path).is_err());
///
/// let report = rustdb::repair(&path, Options::default())?;
/// println!("{report}");
/// assert_eq!(Database::open(&path)?.get("k")?.as_deref(), Some(&b"v"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn repair(path: impl AsRef<Path>, options: Options) -> Result<RepairReport> {
    let report = rustdb_storage::engine::repair(vfs_of(&options), path.as_ref(), options.engine())?;
    Ok(report)
}

/// Brings a database that an older release wrote to the format version of this one, if they
/// differ. Opening such a database says when that is needed.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("db");
/// use rustdb::{Database, Options};
/// Database::open(&path)?.close()?;
///
/// let report = rustdb::upgrade(&path, Options::default())?;
/// assert!(report.steps.is_empty()); // it is of this version
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn upgrade(path: impl AsRef<Path>, options: Options) -> Result<UpgradeReport> {
    let report =
        rustdb_storage::engine::upgrade(vfs_of(&options), path.as_ref(), options.engine())?;
    Ok(report)
}

fn vfs_of(options: &Options) -> VfsRef {
    match &options.vfs {
        Some(vfs) => vfs.clone(),
        None => Arc::new(OsVfs::new()),
    }
}
