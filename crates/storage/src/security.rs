//! What protects the files of one open database: its identity and, if it is encrypted, its keys.
//!
//! A [`Security`] is made once, when a directory is opened or created (`keyring`), and shared by
//! everything that opens files. Reading and writing files only takes the current ring, an `Arc`.
//! Changing keys goes through the same object: the changed ring is made durable first and taken into
//! use after, so no file is ever sealed under a key that a crash could lose.
//!
//! Data keys leave the ring only in [`Security::remove_unused_keys`], at the moment of opening: then no
//! file is under construction, and the directory shows every file that a key may be needed for.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_crypto::{Algorithm, DataKeyId, Kek, KeyProvider, KeyRing};
use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::Mutex;

use crate::error::{Error, Result};
use crate::keyring;

/// The identity and the keys of an open database.
pub struct Security {
    vfs: VfsRef,
    database_id: [u8; 16],
    keys: Option<Keys>,
}

struct Keys {
    directory: PathBuf,
    /// The ring in use. It is durable.
    ring: Mutex<Arc<KeyRing>>,
    /// The outer key of the ring on disk. Held while the ring is changed, so that changes queue.
    kek: Mutex<Kek>,
}

impl Security {
    /// The security of a database that is not encrypted.
    pub fn plain(vfs: VfsRef, database_id: [u8; 16]) -> Arc<Self> {
        Arc::new(Self {
            vfs,
            database_id,
            keys: None,
        })
    }

    /// The security of an encrypted database, whose ring, sealed under `kek`, is on disk in
    /// `directory`. See [`keyring::create_security`] and [`keyring::open_security`].
    pub(crate) fn sealed(vfs: VfsRef, directory: &Path, ring: KeyRing, kek: Kek) -> Arc<Self> {
        Arc::new(Self {
            vfs,
            database_id: *ring.database_id(),
            keys: Some(Keys {
                directory: directory.to_path_buf(),
                ring: Mutex::new(Arc::new(ring)),
                kek: Mutex::new(kek),
            }),
        })
    }

    /// A random id for a new database.
    pub fn random_database_id(vfs: &VfsRef) -> io::Result<[u8; 16]> {
        let mut id = [0; 16];
        vfs.fill_random(&mut id)?;
        Ok(id)
    }

    /// The id that every file of the database carries.
    pub fn database_id(&self) -> [u8; 16] {
        self.database_id
    }

    /// Whether files are sealed.
    pub fn is_encrypted(&self) -> bool {
        self.keys.is_some()
    }

    /// The ring in use, or `None` in a plain database.
    pub fn key_ring(&self) -> Option<Arc<KeyRing>> {
        self.keys.as_ref().map(|keys| keys.ring.lock().clone())
    }

    /// Seals the ring under another outer key. Costs one small file, however large the database.
    ///
    /// If it fails after the new ring got its name, the error says that either key may be the one
    /// that opens the database next time.
    pub fn change_key(&self, provider: &dyn KeyProvider) -> Result<()> {
        let keys = self.keys()?;
        let mut random = |buffer: &mut [u8]| self.vfs.fill_random(buffer);
        let new_kek = provider
            .new_derivation(&mut random)
            .and_then(|derivation| provider.outer_key(derivation))
            .map_err(|error| keyring::key_error(&keys.directory, error))?;
        self.change(keys, Some(new_kek), |_, _| Ok(()))
    }

    /// Draws a new data key for the files that are created from now on. Files under the keys before
    /// stay as they are until they are rewritten.
    pub fn rotate_data_key(&self, algorithm: Algorithm) -> Result<DataKeyId> {
        let now = self.vfs.wall_micros();
        self.change(self.keys()?, None, |ring, random| {
            ring.rotate_data_key(algorithm, now, random)
                .map_err(|error| Error::InvalidArgument(error.to_string()))
        })
    }

    /// Removes the retired data keys under which no file in the directory is sealed, and returns
    /// their ids. Writes nothing if there are none.
    ///
    /// What was sealed under a removed key can never be read again, so nothing may be writing files
    /// meanwhile: call it while opening. A file whose header cannot be read keeps all keys.
    pub fn remove_unused_keys(&self) -> Result<Vec<DataKeyId>> {
        let keys = self.keys()?;
        let retired = |ring: &KeyRing| ring.data_keys().len() > 1;
        if !retired(&keys.ring.lock()) {
            return Ok(Vec::new());
        }
        let Some(in_use) = keyring::data_keys_in_use(&self.vfs, &keys.directory)? else {
            return Ok(Vec::new());
        };
        if KeyRing::clone(&keys.ring.lock())
            .remove_unused(&in_use)
            .is_empty()
        {
            return Ok(Vec::new());
        }
        self.change(keys, None, |ring, _| Ok(ring.remove_unused(&in_use)))
    }

    /// Writes the ring, under the same outer key, into another directory: a checkpoint or a copy of
    /// the database. Does nothing in a plain database. The caller syncs the directory.
    pub fn write_keyring_to(&self, directory: &Path) -> Result<()> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let kek = keys.kek.lock();
        let mut ring = KeyRing::clone(&keys.ring.lock());
        keyring::write(&self.vfs, directory, &mut ring, &kek)
    }

    pub(crate) fn vfs(&self) -> &VfsRef {
        &self.vfs
    }

    /// Changes a copy of the ring, makes it durable, and takes it into use.
    fn change<T>(
        &self,
        keys: &Keys,
        new_kek: Option<Kek>,
        change: impl FnOnce(&mut KeyRing, &mut dyn rustdb_crypto::Random) -> Result<T>,
    ) -> Result<T> {
        let mut kek = keys.kek.lock();
        let mut ring = KeyRing::clone(&keys.ring.lock());
        let outcome = change(&mut ring, &mut |buffer: &mut [u8]| {
            self.vfs.fill_random(buffer)
        })?;
        keyring::write(
            &self.vfs,
            &keys.directory,
            &mut ring,
            new_kek.as_ref().unwrap_or(&kek),
        )?;
        *keys.ring.lock() = Arc::new(ring);
        if let Some(new_kek) = new_kek {
            *kek = new_kek;
        }
        Ok(outcome)
    }

    fn keys(&self) -> Result<&Keys> {
        self.keys.as_ref().ok_or_else(|| {
            Error::InvalidArgument(
                "the database is not encrypted, so it has no keys to change".into(),
            )
        })
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("database_id", &self.database_id)
            .field("key_ring", &self.key_ring())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
