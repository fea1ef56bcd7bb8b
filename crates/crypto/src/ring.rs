//! The key ring: the data keys of one database, and the root of its labelled sub-keys.
//!
//! New files are sealed under the *active* data key. Changing the data key adds a new one and makes
//! the one before decrypt-only: its files stay readable until they have been rewritten, and then
//! the key is removed. Ids are never given out twice.
//!
//! Invariants: there is exactly one active key, and it has the highest id; ids ascend and are not
//! zero; `generation` goes up with every encoding, so that two encodings can be told apart by age.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::num::NonZeroU32;

use zeroize::ZeroizeOnDrop;

use crate::aead::Algorithm;
use crate::derive::derive;
use crate::provider::KeyError;
use crate::secret::{Random, Secret};

/// The label of the sub-key that authenticates the audit log.
pub const SUB_KEY_AUDIT: &str = "audit";

/// The label of the sub-key that authenticates the manifest's chain.
pub const SUB_KEY_MANIFEST: &str = "manifest";

/// Data keys a ring can hold. Whoever changes the key that often without a rewrite is refused.
pub(crate) const DATA_KEYS_MAX: usize = 1024;

/// The name of a data key, written in the clear at the head of each file it seals. Zero is not one:
/// it stands for files that are not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId(NonZeroU32);

impl DataKeyId {
    /// The id with this number, unless it is zero.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(DataKeyId)
    }

    /// Its number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for DataKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a data key is used for. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DataKeyState {
    /// New files are sealed under it.
    Active = 1,
    /// It only opens the files that were sealed under it.
    DecryptOnly = 2,
}

/// One data key ("data encryption key").
#[derive(Clone)]
pub struct DataKey {
    pub(crate) id: DataKeyId,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: DataKeyState,
    pub(crate) created_micros: u64,
    pub(crate) secret: Secret,
}

impl ZeroizeOnDrop for DataKey {}

impl DataKey {
    /// Its name.
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// The cipher of the files under it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether new files are sealed under it.
    pub fn state(&self) -> DataKeyState {
        self.state
    }

    /// When it was drawn, in microseconds since the Unix epoch.
    pub fn created_micros(&self) -> u64 {
        self.created_micros
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DataKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .field("created_micros", &self.created_micros)
            .finish_non_exhaustive()
    }
}

/// The keys of one database. Prints without them.
#[derive(Clone)]
pub struct KeyRing {
    pub(crate) database_id: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) next_id: DataKeyId,
    pub(crate) root: Secret,
    /// Ascending by id; the last one is active.
    pub(crate) data_keys: Vec<DataKey>,
}

impl KeyRing {
    /// A new ring with one data key.
    pub fn new(
        database_id: [u8; 16],
        algorithm: Algorithm,
        created_micros: u64,
        random: &mut dyn Random,
    ) -> io::Result<Self> {
        let mut ring = KeyRing {
            database_id,
            generation: 0,
            next_id: DataKeyId(NonZeroU32::MIN),
            root: Secret::random(random)?,
            data_keys: Vec::new(),
        };
        ring.add_active(algorithm, created_micros, Secret::random(random)?);
        Ok(ring)
    }

    /// The database these keys belong to.
    pub fn database_id(&self) -> &[u8; 16] {
        &self.database_id
    }

    /// How many times the ring has been encoded; a higher number is a later ring.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The key that seals new files.
    pub fn active(&self) -> &DataKey {
        self.data_keys
            .last()
            .expect("a ring has an active key from its construction on")
    }

    /// The key of this id, if the ring has it.
    pub fn data_key(&self, id: DataKeyId) -> Option<&DataKey> {
        let at = self.data_keys.binary_search_by_key(&id, DataKey::id).ok()?;
        Some(&self.data_keys[at])
    }

    /// All data keys, by ascending id.
    pub fn data_keys(&self) -> &[DataKey] {
        &self.data_keys
    }

    /// A key for a purpose other than sealing files, such as [`SUB_KEY_AUDIT`]. It stays the same
    /// for the life of the database, whatever becomes of outer and data keys.
    pub fn sub_key(&self, label: &str) -> Secret {
        derive(
            &self.root,
            &self.database_id,
            &[b"rustdb sub-key v1 ", label.as_bytes()],
        )
    }

    /// Draws a new active data key; the one before becomes decrypt-only. The ring must be written
    /// before a file is sealed under the new key.
    pub fn rotate_data_key(
        &mut self,
        algorithm: Algorithm,
        created_micros: u64,
        random: &mut dyn Random,
    ) -> Result<DataKeyId, RingError> {
        if self.data_keys.len() >= DATA_KEYS_MAX || self.next_id.get() == u32::MAX {
            return Err(RingError::Full);
        }
        let secret = Secret::random(random).map_err(RingError::Random)?;
        self.add_active(algorithm, created_micros, secret);
        Ok(self.active().id)
    }

    /// Removes the decrypt-only keys that are not in `in_use`, and returns their ids. What was
    /// sealed under them can never be read again: `in_use` must cover every live file, and every
    /// kept checkpoint that is opened with this ring.
    pub fn remove_unused(&mut self, in_use: &BTreeSet<DataKeyId>) -> Vec<DataKeyId> {
        let mut removed = Vec::new();
        self.data_keys.retain(|key| {
            let keep = key.state == DataKeyState::Active || in_use.contains(&key.id);
            if !keep {
                removed.push(key.id);
            }
            keep
        });
        removed
    }

    fn add_active(&mut self, algorithm: Algorithm, created_micros: u64, secret: Secret) {
        for key in &mut self.data_keys {
            key.state = DataKeyState::DecryptOnly;
        }
        let id = self.next_id;
        self.next_id = DataKeyId(id.0.saturating_add(1));
        let state = DataKeyState::Active;
        self.data_keys.push(DataKey {
            id,
            algorithm,
            state,
            created_micros,
            secret,
        });
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyRing")
            .field("generation", &self.generation)
            .field("data_keys", &self.data_keys)
            .finish_non_exhaustive()
    }
}

/// Why a ring could not be opened, changed or encoded.
#[derive(Debug)]
pub enum RingError {
    /// The ring is whole, and this is not its outer key: ask for another.
    WrongKey,
    /// The bytes are not what was written; the text says which check failed. Restore the ring from
    /// a copy.
    Damaged(&'static str),
    /// A newer release wrote the ring: use that release.
    NewerVersion(u32),
    /// The outer key could not be had.
    Key(KeyError),
    /// The source of randomness failed.
    Random(io::Error),
    /// The ring holds as many data keys as it can: rewrite files under the active key first.
    Full,
}

impl fmt::Display for RingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::WrongKey => formatter.write_str("wrong encryption key"),
            RingError::Damaged(check) => write!(formatter, "damaged key ring: {check}"),
            RingError::NewerVersion(version) => {
                write!(
                    formatter,
                    "key ring of format version `{version}`, from a newer release"
                )
            }
            RingError::Key(error) => error.fmt(formatter),
            RingError::Random(error) => write!(formatter, "no random bytes: {error}"),
            RingError::Full => write!(
                formatter,
                "the key ring holds `{DATA_KEYS_MAX}` data keys, which is all it can"
            ),
        }
    }
}

impl std::error::Error for RingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RingError::Key(error) => Some(error),
            RingError::Random(error) => Some(error),
            RingError::WrongKey
            | RingError::Damaged(_)
            | RingError::NewerVersion(_)
            | RingError::Full => None,
        }
    }
}

impl From<KeyError> for RingError {
    fn from(error: KeyError) -> Self {
        RingError::Key(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::seeded;

    fn ring() -> KeyRing {
        KeyRing::new([1; 16], Algorithm::Aes256Gcm, 100, &mut seeded(1)).unwrap()
    }

    fn ids(ring: &KeyRing) -> Vec<u32> {
        ring.data_keys().iter().map(|key| key.id().get()).collect()
    }

    #[test]
    fn rotation_makes_the_old_key_decrypt_only() {
        let mut ring = ring();
        let old = ring.active().id();
        assert_eq!(old.get(), 1);
        let new = ring
            .rotate_data_key(Algorithm::ChaCha20Poly1305, 200, &mut seeded(2))
            .unwrap();
        assert_eq!(new.get(), 2);
        assert_eq!(ring.active().id(), new);
        assert_eq!(ring.active().algorithm(), Algorithm::ChaCha20Poly1305);
        assert_eq!(ring.active().created_micros(), 200);
        let old = ring.data_key(old).unwrap();
        assert_eq!(old.state(), DataKeyState::DecryptOnly);
        assert_eq!(old.algorithm(), Algorithm::Aes256Gcm);
        assert_ne!(old.secret().expose(), ring.active().secret().expose());
    }

    #[test]
    fn unused_keys_go_and_their_ids_never_return() {
        let mut ring = ring();
        for round in 0..3 {
            ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut seeded(round))
                .unwrap();
        }
        assert_eq!(ids(&ring), [1, 2, 3, 4]);
        let in_use = DataKeyId::new(2).into_iter().collect();
        let removed = ring.remove_unused(&in_use);
        assert_eq!(
            removed.iter().map(|id| id.get()).collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(ids(&ring), [2, 4]);
        assert!(ring.data_key(removed[0]).is_none());
        assert!(ring.remove_unused(&BTreeSet::new()).len() == 1);
        assert_eq!(
            ids(&ring),
            [4],
            "the active key stays though no file uses it yet"
        );
        ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut seeded(9))
            .unwrap();
        assert_eq!(ids(&ring), [4, 5]);
    }

    #[test]
    fn a_full_ring_takes_no_further_key() {
        let mut ring = ring();
        let mut random = seeded(3);
        for _ in 1..DATA_KEYS_MAX {
            ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut random)
                .unwrap();
        }
        let refused = ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut random);
        assert!(matches!(refused, Err(RingError::Full)));
        assert_eq!(ring.data_keys().len(), DATA_KEYS_MAX);
    }

    #[test]
    fn failing_randomness_changes_nothing() {
        let mut ring = ring();
        let mut broken = |_: &mut [u8]| Err(io::Error::other("no entropy"));
        let refused = ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut broken);
        assert!(matches!(refused, Err(RingError::Random(_))));
        assert_eq!(ids(&ring), [1]);
        assert_eq!(ring.active().state(), DataKeyState::Active);
    }

    #[test]
    fn sub_keys_differ_by_label_and_survive_rotation() {
        let mut ring = ring();
        let audit = ring.sub_key(SUB_KEY_AUDIT);
        assert_ne!(audit.expose(), ring.sub_key(SUB_KEY_MANIFEST).expose());
        ring.rotate_data_key(Algorithm::Aes256Gcm, 0, &mut seeded(2))
            .unwrap();
        assert_eq!(audit.expose(), ring.sub_key(SUB_KEY_AUDIT).expose());
        let other = KeyRing::new([1; 16], Algorithm::Aes256Gcm, 100, &mut seeded(2)).unwrap();
        assert_ne!(audit.expose(), other.sub_key(SUB_KEY_AUDIT).expose());
    }

    #[test]
    fn printing_a_ring_shows_no_key() {
        let ring = ring();
        let text = format!("{ring:?} {:?}", ring.active());
        assert!(text.contains("generation") && text.contains("Aes256Gcm"));
        for byte_list in [ring.active().secret(), &ring.root] {
            let shown = format!("{:?}", &byte_list.expose()[..2]);
            assert!(!text.contains(shown.trim_matches(['[', ']'])));
        }
    }
}
