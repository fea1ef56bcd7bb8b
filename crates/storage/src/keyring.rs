//! The key ring's file, and what a directory and a key say about each other.
//!
//! A ring is replaced, never changed in place: it is written under a temporary name, synced, read
//! back and opened with its key, renamed over `KEYRING`, and the directory synced. Whatever the
//! moment of a crash, one whole ring has the name. `docs/format/keyring.md` defines the bytes.
//!
//! Opening never guesses and never writes. An encrypted database without its key, with a wrong key,
//! with the ring of another database, and a key given for a plain database are refused, each in its
//! own words. In particular a database is created encrypted or plain as its creator asked, and stays
//! that way: a forgotten key option cannot put plain files beside sealed ones.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustdb_crypto::{
    Algorithm, DataKeyId, Kek, KeyError, KeyProvider, KeyRing, RING_BYTES_MAX, RingError,
    RingHeader,
};
use rustdb_vfs::{FileExt, OpenMode, VfsRef};

use crate::envelope::{self, FORMAT_VERSION, FileHeader, HEADER_BYTES, Hex};
use crate::error::{Error, Result};
use crate::manifest::Current;
use crate::names::{self, FileName};
use crate::security::Security;

/// How a database is encrypted.
#[derive(Clone)]
pub struct Encryption {
    /// Gives the outer key.
    pub provider: Arc<dyn KeyProvider>,
    /// The cipher of a new database. An existing one keeps its own until its data key is changed.
    pub algorithm: Algorithm,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Draws the identity of a new database and, if it is to be encrypted, writes its ring to
/// `directory`. The ring is durable when this returns.
pub fn create_security(
    vfs: &VfsRef,
    directory: &Path,
    encryption: Option<&Encryption>,
) -> Result<Arc<Security>> {
    let path = names::keyring(directory);
    if read(vfs, directory)?.is_some() {
        return Err(Error::Unsupported(format!(
            "`{}` is a key ring, but there is no database beside it\n\
             hint: restore the other files, or remove it if they are gone for good: they cannot be \
             read without it",
            path.display()
        )));
    }
    let no_random = |e| Error::io("draw an id for", directory, e);
    let database_id = Security::random_database_id(vfs).map_err(no_random)?;
    let Some(encryption) = encryption else {
        return Ok(Security::plain(vfs.clone(), database_id));
    };
    let mut random = |buffer: &mut [u8]| vfs.fill_random(buffer);
    let provider = &encryption.provider;
    let kek = provider
        .new_derivation(&mut random)
        .and_then(|derivation| provider.outer_key(derivation))
        .map_err(|error| key_error(directory, error))?;
    let now = vfs.wall_micros();
    let mut ring = KeyRing::new(database_id, encryption.algorithm, now, &mut random)
        .map_err(|e| Error::io("draw keys for", directory, e))?;
    write(vfs, directory, &mut ring, &kek)?;
    Ok(Security::sealed(vfs.clone(), directory, ring, kek))
}

/// Finds out whose database is in `directory` and, if it is encrypted, opens its ring. Changes
/// nothing on disk. `CURRENT` must exist.
pub fn open_security(
    vfs: &VfsRef,
    directory: &Path,
    encryption: Option<&Encryption>,
) -> Result<Arc<Security>> {
    let manifest = manifest_header(vfs, directory)?;
    open_security_of(vfs, directory, encryption, &manifest)
}

/// As [`open_security`], for a database of which some file has this header.
pub(crate) fn open_security_of(
    vfs: &VfsRef,
    directory: &Path,
    encryption: Option<&Encryption>,
    manifest: &FileHeader,
) -> Result<Arc<Security>> {
    let ring = read(vfs, directory)?;
    let shown = directory.display();
    let refuse = |text: String| Err(Error::Unsupported(text));
    let (encryption, ring) = match (manifest.algorithm, encryption, ring) {
        (envelope::Algorithm::Plain, _, Some(_)) => {
            return refuse(format!(
                "`{shown}` has a key ring, but its manifest is not encrypted\n\
                 hint: files of two databases may have been mixed; restore the directory from a copy"
            ));
        }
        (envelope::Algorithm::Plain, Some(_), None) => {
            return refuse(format!(
                "database `{shown}` is not encrypted, but a key was given\n\
                 hint: open it without a key, or copy its data into a new, encrypted database"
            ));
        }
        (envelope::Algorithm::Plain, None, None) => {
            return Ok(Security::plain(vfs.clone(), manifest.database_id));
        }
        (envelope::Algorithm::Sealed(_), _, None) => {
            return refuse(format!(
                "database `{shown}` is encrypted, but its key ring `{}` is missing\n\
                 hint: restore that file from a copy; without it no key opens the database",
                names::KEYRING
            ));
        }
        (envelope::Algorithm::Sealed(_), None, Some(_)) => {
            return refuse(format!(
                "database `{shown}` is encrypted, and no key was given\nhint: give its key"
            ));
        }
        (envelope::Algorithm::Sealed(_), Some(encryption), Some(ring)) => (encryption, ring),
    };
    let path = names::keyring(directory);
    let ring_error = |error| ring_error(&path, directory, error);
    // Before the key: a stranger's ring would only say that the key is wrong.
    let head = RingHeader::read(&ring).map_err(ring_error)?;
    if head.database_id != manifest.database_id {
        return refuse(format!(
            "key ring `{}` belongs to database {}, but the files beside it to {}\n\
             hint: restore the key ring of this database",
            path.display(),
            Hex(&head.database_id),
            Hex(&manifest.database_id)
        ));
    }
    let (ring, kek) = KeyRing::open(&ring, &*encryption.provider).map_err(ring_error)?;
    Ok(Security::sealed(vfs.clone(), directory, ring, kek))
}

/// Makes `ring`, sealed under `kek`, the key ring of `directory`, durably. Until the rename nothing
/// has changed; the error of a later step says that it may have.
pub(crate) fn write(vfs: &VfsRef, directory: &Path, ring: &mut KeyRing, kek: &Kek) -> Result<()> {
    let path = names::keyring(directory);
    let temporary = names::temporary(&path);
    let io = |operation, e| Error::io(operation, &temporary, e);
    let bytes = ring
        .to_bytes(kek, &mut |buffer: &mut [u8]| vfs.fill_random(buffer))
        .map_err(|error| ring_error(&path, directory, error))?;
    match vfs.remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io("remove", e)),
        Ok(()) | Err(_) => {}
    }
    let file = vfs
        .open(&temporary, OpenMode::CreateNew)
        .map_err(|e| io("create", e))?;
    file.write_all_at(&bytes, 0).map_err(|e| io("write", e))?;
    file.sync_data().map_err(|e| io("sync", e))?;
    drop(file);
    // The old ring goes only when the new one is known to open.
    let written = read_file(vfs, &temporary)?.unwrap_or_default();
    KeyRing::from_bytes(&written, kek).map_err(|error| ring_error(&temporary, directory, error))?;
    vfs.rename(&temporary, &path)
        .map_err(|e| Error::io("replace", &path, e))?;
    vfs.sync_dir(directory).map_err(|e| {
        let reason = format!("{e}; the next open may find the new key ring or the old one");
        // Of no kind, so that a full disk is not taken for a refusal that changed nothing.
        Error::io("sync", directory, io::Error::other(reason))
    })
}

/// Checks what can be checked of a key ring without the outer key: its frame and whose it is.
pub(crate) fn check(vfs: &VfsRef, directory: &Path, database_id: [u8; 16]) -> Result<()> {
    let path = names::keyring(directory);
    let bytes =
        read(vfs, directory)?.ok_or_else(|| Error::corruption(&path, 0, "the file is missing"))?;
    let head = RingHeader::read(&bytes).map_err(|error| ring_error(&path, directory, error))?;
    if head.database_id != database_id {
        return Err(Error::corruption(&path, 0, "belongs to another database"));
    }
    Ok(())
}

/// The bytes of the key ring, or `None` if there is none.
fn read(vfs: &VfsRef, directory: &Path) -> Result<Option<Vec<u8>>> {
    read_file(vfs, &names::keyring(directory))
}

fn read_file(vfs: &VfsRef, path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match vfs.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("open", path, e)),
    };
    let length = file.len().map_err(|e| Error::io("measure", path, e))?;
    // A newer release's ring may be longer; whatever is much longer is no ring.
    if length > 16 * RING_BYTES_MAX as u64 {
        return Err(Error::corruption(
            path,
            0,
            format!("{length} bytes are too long for a key ring"),
        ));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|e| Error::io("read", path, e))?;
    Ok(Some(bytes))
}

/// The header of the manifest in force, which tells what the database is.
fn manifest_header(vfs: &VfsRef, directory: &Path) -> Result<FileHeader> {
    let current = Current::read(&**vfs, directory)?.ok_or_else(|| {
        Error::io(
            "open",
            &names::current(directory),
            io::ErrorKind::NotFound.into(),
        )
    })?;
    let path = names::manifest(directory, current.manifest);
    let header = header_bytes(vfs, &path)?;
    let version = FileHeader::version(&path, &header, FORMAT_VERSION)?;
    refuse_older(&path, version, FORMAT_VERSION)?;
    FileHeader::decode(&path, &header)
}

/// A database is of the version of its manifest, and worked on in the newest one only.
pub(crate) fn refuse_older(path: &Path, version: u32, newest: u32) -> Result<()> {
    if version < newest {
        return Err(Error::Unsupported(format!(
            "`{}` has format version {version}, and this build works on version {newest}\n\
             hint: `rustdb upgrade` brings the database to it",
            path.display()
        )));
    }
    Ok(())
}

/// The data keys under which the files of a directory are sealed; `None` if that cannot be told of
/// some file.
pub(crate) fn data_keys_in_use(
    vfs: &VfsRef,
    directory: &Path,
) -> Result<Option<BTreeSet<DataKeyId>>> {
    let entries = vfs
        .read_dir(directory)
        .map_err(|e| Error::io("read", directory, e))?;
    let mut in_use = BTreeSet::new();
    for entry in entries {
        match FileName::parse(&entry.name) {
            Some(
                FileName::Wal(_) | FileName::Table(_) | FileName::Value(_) | FileName::Manifest(_),
            ) => {}
            Some(FileName::Current | FileName::Lock | FileName::Keyring | FileName::Temporary)
            | None => continue,
        }
        match file_header(vfs, &entry.path) {
            Ok(header) => in_use.extend(DataKeyId::new(header.data_key_id)),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(in_use))
}

/// The header of a file of a database.
pub(crate) fn file_header(vfs: &VfsRef, path: &Path) -> Result<FileHeader> {
    FileHeader::decode(path, &header_bytes(vfs, path)?)
}

/// The bytes of a file's header, or fewer if the file is shorter.
pub(crate) fn header_bytes(vfs: &VfsRef, path: &Path) -> Result<Vec<u8>> {
    let file = vfs
        .open(path, OpenMode::Read)
        .map_err(|e| Error::io("open", path, e))?;
    let length = file.len().map_err(|e| Error::io("measure", path, e))?;
    let mut header = vec![0; length.min(HEADER_BYTES as u64) as usize];
    file.read_exact_at(&mut header, 0)
        .map_err(|e| Error::io("read", path, e))?;
    Ok(header)
}

/// What a ring's error means to whoever opens the database in `directory`.
fn ring_error(path: &Path, directory: &Path, error: RingError) -> Error {
    match error {
        RingError::WrongKey => Error::Unsupported(format!(
            "wrong encryption key for database `{}`\nhint: the key may be that of another database",
            directory.display()
        )),
        RingError::Damaged(check) => Error::corruption(
            path,
            0,
            format!("damaged key ring: {check}; restore it from a copy"),
        ),
        RingError::NewerVersion(_) => Error::Unsupported(format!(
            "`{}`: {error}\nhint: open the database with a newer RustDB",
            path.display()
        )),
        RingError::Key(error) => key_error(directory, error),
        RingError::Random(error) => Error::io("draw random bytes for", path, error),
        RingError::Full => Error::InvalidArgument(error.to_string()),
    }
}

/// What a key provider's error means to whoever opens the database in `directory`.
pub(crate) fn key_error(directory: &Path, error: KeyError) -> Error {
    let shown = directory.display();
    match error {
        KeyError::Malformed(text) => {
            Error::InvalidArgument(format!("encryption key for `{shown}`: {text}"))
        }
        KeyError::Mismatch(text) => Error::Unsupported(format!("database `{shown}`: {text}")),
        KeyError::Unavailable(text) => {
            Error::Unsupported(format!("no encryption key for database `{shown}`: {text}"))
        }
    }
}
