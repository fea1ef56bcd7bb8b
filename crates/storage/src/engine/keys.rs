//! The keys of an encrypted database, while it is open.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustdb_crypto::{Algorithm, DataKeyId, KeyProvider, KeyRing};

use crate::engine::{Engine, Inner};
use crate::error::Result;

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

    /// How many bytes of tables and value files are sealed under each data key. The id of plain
    /// files is zero. After a change of the data key this shows how far rewriting has come.
    pub fn bytes_by_data_key(&self) -> BTreeMap<u32, u64> {
        let versions = self.inner().versions.lock();
        let mut bytes = BTreeMap::new();
        if let Some(manifest) = &versions.manifest {
            let state = manifest.state();
            for (_, _, table) in state.tables() {
                *bytes.entry(table.data_key_id).or_default() += table.file_bytes;
            }
            for file in state.value_files().values() {
                *bytes.entry(file.data_key_id).or_default() += file.file_bytes;
            }
        }
        bytes
    }
}

impl Inner {
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
