//! The keys of an encrypted database, while it is open.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_crypto::{Algorithm, DataKeyId, KeyProvider, KeyRing};

use crate::engine::{Engine, Inner};
use crate::error::{Error, Result};

/// So often in a row re-encryption may get nowhere.
const IDLE_PASSES_MAX: u32 = 200;

impl Engine {
    /// The key ring in use, or `None` if the database is not encrypted. It tells ids, ciphers and
    /// ages of the data keys, and gives labelled sub-keys; data keys themselves stay inside.
    pub fn key_ring(&self) -> Option<Arc<KeyRing>> {
        self.inner().security.key_ring()
    }

    /// Makes another outer key the one that opens the database. Rewrites one small file, whatever
    /// the size of the database. When this returns, only the new key opens it.
    pub fn change_key(&self, provider: &dyn KeyProvider) -> Result<()> {
        self.inner().fault.check()?;
        self.inner().security.change_key(provider)
    }

    /// Draws a new data key, perhaps for another cipher. Files created from now on are sealed under
    /// it; the others stay as they are until they are rewritten.
    pub fn rotate_data_key(&self, algorithm: Algorithm) -> Result<DataKeyId> {
        self.inner().fault.check()?;
        self.inner().security.rotate_data_key(algorithm)
    }

    /// Rewrites everything that is sealed under an older data key, so that only the active one is
    /// in use: tables, value files, the log and the manifest. Call it after
    /// [`Engine::rotate_data_key`]; it may take long, and everything else goes on meanwhile. The
    /// older keys leave the ring when the database is opened the next time.
    ///
    /// [`Error::Busy`] if something, such as a commit that never ends, holds on to an older file.
    pub fn reencrypt(&self) -> Result<()> {
        self.reencrypt_until(&|| false)
    }

    /// As [`Engine::reencrypt`], until `is_unwanted` says so: then [`Error::Cancelled`]. What has
    /// not been rewritten stays readable under its older key, and is rewritten by the next call.
    pub fn reencrypt_until(&self, is_unwanted: &dyn Fn() -> bool) -> Result<()> {
        self.inner().reencrypt(is_unwanted)
    }

    /// How many bytes of tables and value files are sealed under each data key. The id of plain
    /// files is zero. After a change of the data key this shows how far rewriting has come.
    pub fn bytes_by_data_key(&self) -> BTreeMap<u32, u64> {
        self.inner().bytes_by_data_key()
    }
}

impl Inner {
    /// See [`Engine::reencrypt`].
    fn reencrypt(&self, is_unwanted: &dyn Fn() -> bool) -> Result<()> {
        self.fault.check()?;
        let ring = self
            .security
            .key_ring()
            .ok_or_else(|| Error::InvalidArgument("the database is not encrypted".to_owned()))?;
        let active = ring.active().id().get();
        let mut last = BTreeMap::new();
        let mut idle = 0;
        self.renew_log()?;
        self.renew_manifest()?;
        loop {
            // Values that are being appended now keep their files from being finished.
            self.value_writer.finish()?;
            self.compactions.moved_values.finish()?;
            self.compact_all(is_unwanted)?;
            let mut old = self.bytes_by_data_key();
            old.remove(&active);
            if old.is_empty() {
                return Ok(());
            }
            // What is left is in use: a value on its way, a file that a compaction writes.
            idle = if old == last { idle + 1 } else { 0 };
            if idle >= IDLE_PASSES_MAX {
                return Err(Error::Busy);
            }
            last = old;
            self.background.wait_a_little();
        }
    }

    fn renew_manifest(&self) -> Result<()> {
        let mut versions = self.versions.lock();
        let manifest = versions.manifest.as_mut().ok_or(Error::Closed)?;
        let rolled = manifest.roll();
        rolled.inspect_err(|error| self.fault.poison(error))
    }

    fn bytes_by_data_key(&self) -> BTreeMap<u32, u64> {
        let versions = self.versions.lock();
        let mut bytes = BTreeMap::new();
        for table in versions.version.tables() {
            let meta = table.meta();
            *bytes.entry(meta.data_key_id).or_default() += meta.file_bytes;
        }
        for entry in versions.version.value_files().values() {
            let meta = entry.handle.meta();
            *bytes.entry(meta.data_key_id).or_default() += meta.file_bytes;
        }
        bytes
    }

    /// Removes the retired data keys that no file needs any more. Nobody waits for it, so it may
    /// fail: the next start tries again.
    pub(crate) fn forget_unused_keys(&self) {
        if !self.security.is_encrypted() {
            return;
        }
        match self.security.remove_unused_keys() {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!(?removed, "unused data keys removed"),
            Err(error) => tracing::warn!(%error, "cannot remove unused data keys"),
        }
    }
}
