//! The key ring as bytes. `docs/format/keyring.md` is the reference, and a test compares the two.
//!
//! ```text
//! header, in the clear: version, how the outer key is made, database, generation, nonce, key check
//! sealed secrets:       XChaCha20-Poly1305 under a key derived from the outer key; aad: the header
//! tag
//! checksum:             of everything before it, without any key
//! ```
//!
//! Three checks, each for a different accident. The checksum finds damage without a key, so that a
//! flipped bit is never called a wrong key. The key check (a value derived from outer key and nonce)
//! tells a wrong key from a right one. The tag finds what was changed on purpose.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::aead::{Algorithm, RING_NONCE_BYTES, TAG_BYTES, Tag, open_ring, seal_ring};
use crate::derive::{Derivation, Kek, SALT_BYTES};
use crate::provider::KeyProvider;
use crate::ring::{DATA_KEYS_MAX, DataKey, DataKeyId, DataKeyState, KeyRing, RingError};
use crate::secret::{Random, SECRET_BYTES, Secret};

/// The version this release writes, and the newest it reads.
pub const RING_FORMAT_VERSION: u32 = 1;

/// The longest ring there can be, in bytes.
pub const RING_BYTES_MAX: usize =
    HEADER_BYTES + SECRETS_FIXED_BYTES + DATA_KEYS_MAX * ENTRY_BYTES + TAG_BYTES + CHECKSUM_BYTES;

const MAGIC: &[u8; 8] = b"RUSTDBKR";
const KEY_CHECK_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 16;

// Offsets in the header.
const VERSION: usize = MAGIC.len();
const DERIVATION: usize = VERSION + 4;
const RESERVED: usize = DERIVATION + 1;
const DATABASE_ID: usize = RESERVED + 3;
const GENERATION: usize = DATABASE_ID + 16;
const MEMORY_KIB: usize = GENERATION + 8;
const PASSES: usize = MEMORY_KIB + 4;
const LANES: usize = PASSES + 4;
const SECRETS_BYTES: usize = LANES + 4;
const SALT: usize = SECRETS_BYTES + 4;
const NONCE: usize = SALT + SALT_BYTES;
const KEY_CHECK: usize = NONCE + RING_NONCE_BYTES;
const HEADER_BYTES: usize = KEY_CHECK + KEY_CHECK_BYTES;
const _: () = assert!(HEADER_BYTES == 112);

// Offsets in the secrets, before their list of entries.
const NEXT_ID: usize = 0;
const COUNT: usize = NEXT_ID + 4;
const ROOT: usize = COUNT + 4;
const SECRETS_FIXED_BYTES: usize = ROOT + SECRET_BYTES;
const _: () = assert!(SECRETS_FIXED_BYTES == 40);

// Offsets in an entry.
const ENTRY_ID: usize = 0;
const ENTRY_ALGORITHM: usize = ENTRY_ID + 4;
const ENTRY_STATE: usize = ENTRY_ALGORITHM + 1;
const ENTRY_RESERVED: usize = ENTRY_STATE + 1;
const ENTRY_CREATED: usize = ENTRY_RESERVED + 2;
const ENTRY_KEY: usize = ENTRY_CREATED + 8;
const ENTRY_BYTES: usize = ENTRY_KEY + SECRET_BYTES;
const _: () = assert!(ENTRY_BYTES == 48);

const DERIVATION_RAW: u8 = 1;
const DERIVATION_ARGON2ID: u8 = 2;

/// What a ring tells without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingHeader {
    /// How its outer key is made.
    pub derivation: Derivation,
    /// The database it belongs to.
    pub database_id: [u8; 16],
    /// How many times the ring had been encoded.
    pub generation: u64,
}

impl RingHeader {
    /// Reads the head of a ring, and checks everything that can be checked without its key.
    pub fn read(bytes: &[u8]) -> Result<Self, RingError> {
        if bytes.len() < HEADER_BYTES + SECRETS_FIXED_BYTES + TAG_BYTES + CHECKSUM_BYTES {
            return Err(RingError::Damaged("too short"));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(RingError::Damaged("it does not begin as a key ring does"));
        }
        // The checksum comes before the version: it has the same place in every version, and a
        // flipped bit must not look like a newer release.
        let (content, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if checksum(content) != *sum {
            return Err(RingError::Damaged("checksum mismatch"));
        }
        match u32_at(bytes, VERSION) {
            0 => return Err(RingError::Damaged("format version zero")),
            RING_FORMAT_VERSION => {}
            newer => return Err(RingError::NewerVersion(newer)),
        }
        if bytes.len() > RING_BYTES_MAX {
            return Err(RingError::Damaged("too long"));
        }
        if secrets_end(bytes) != content.len() - TAG_BYTES {
            return Err(RingError::Damaged("length mismatch"));
        }
        if bytes[RESERVED..DATABASE_ID] != [0; 3] {
            return Err(RingError::Damaged("reserved bytes are set"));
        }
        let header = RingHeader {
            derivation: read_derivation(bytes)?,
            database_id: array_at(bytes, DATABASE_ID),
            generation: u64_at(bytes, GENERATION),
        };
        if header.generation == 0 {
            return Err(RingError::Damaged("generation zero"));
        }
        Ok(header)
    }
}

impl KeyRing {
    /// Encodes the ring, sealed under `kek`, as its next generation. To change the outer key,
    /// encode the same ring under the new one.
    pub fn to_bytes(&mut self, kek: &Kek, random: &mut dyn Random) -> Result<Vec<u8>, RingError> {
        let mut nonce = [0; RING_NONCE_BYTES];
        random.fill(&mut nonce).map_err(RingError::Random)?;
        self.generation += 1;
        let mut secrets = self.secrets();
        let mut bytes = self.header(kek, &nonce, secrets.len());
        let tag = seal_ring(&sealing_key(kek, &nonce), &nonce, &bytes, &mut secrets);
        bytes.extend_from_slice(&secrets);
        bytes.extend_from_slice(&tag);
        bytes.extend_from_slice(&checksum(&bytes));
        Ok(bytes)
    }

    /// Opens a ring with the key that `provider` makes for it.
    pub fn open(bytes: &[u8], provider: &dyn KeyProvider) -> Result<(Self, Kek), RingError> {
        let header = RingHeader::read(bytes)?;
        let kek = provider.outer_key(header.derivation)?;
        let ring = KeyRing::from_bytes(bytes, &kek)?;
        Ok((ring, kek))
    }

    /// Opens a ring with its outer key.
    pub fn from_bytes(bytes: &[u8], kek: &Kek) -> Result<Self, RingError> {
        let header = RingHeader::read(bytes)?;
        let nonce: [u8; RING_NONCE_BYTES] = array_at(bytes, NONCE);
        if key_check(kek, &nonce) != bytes[KEY_CHECK..HEADER_BYTES] {
            return Err(RingError::WrongKey);
        }
        let end = secrets_end(bytes);
        let mut secrets = Zeroizing::new(bytes[HEADER_BYTES..end].to_vec());
        let tag: Tag = array_at(bytes, end);
        open_ring(
            &sealing_key(kek, &nonce),
            &nonce,
            &bytes[..HEADER_BYTES],
            &mut secrets,
            &tag,
        )
        .map_err(|_| RingError::Damaged("authentication failed though the key is right"))?;
        KeyRing::from_secrets(&header, &secrets)
    }

    fn header(&self, kek: &Kek, nonce: &[u8; RING_NONCE_BYTES], secrets_bytes: usize) -> Vec<u8> {
        let (derivation, memory_kib, passes, lanes, salt) = match kek.derivation() {
            Derivation::Raw => (DERIVATION_RAW, 0, 0, 0, [0; SALT_BYTES]),
            Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            } => (DERIVATION_ARGON2ID, memory_kib, passes, lanes, salt),
        };
        let secrets_bytes =
            u32::try_from(secrets_bytes).expect("a ring's size is limited far below 4 GiB");
        let mut bytes =
            Vec::with_capacity(HEADER_BYTES + secrets_bytes as usize + TAG_BYTES + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&RING_FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[derivation, 0, 0, 0]);
        bytes.extend_from_slice(&self.database_id);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        for number in [memory_kib, passes, lanes, secrets_bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(&key_check(kek, nonce));
        assert_eq!(bytes.len(), HEADER_BYTES, "the header's fields fill it");
        bytes
    }

    fn secrets(&self) -> Zeroizing<Vec<u8>> {
        // Sized at once: growing would leave copies behind.
        let length = SECRETS_FIXED_BYTES + self.data_keys.len() * ENTRY_BYTES;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        let count = u32::try_from(self.data_keys.len()).expect("a ring limits its keys");
        bytes.extend_from_slice(&self.next_id.get().to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(self.root.expose());
        for key in &self.data_keys {
            bytes.extend_from_slice(&key.id.get().to_le_bytes());
            bytes.extend_from_slice(&[key.algorithm.to_u8(), key.state as u8, 0, 0]);
            bytes.extend_from_slice(&key.created_micros.to_le_bytes());
            bytes.extend_from_slice(key.secret.expose());
        }
        assert_eq!(bytes.len(), length, "the secrets' fields fill them");
        bytes
    }

    /// The secrets are authentic here; their form is checked all the same, because a ring that
    /// breaks its invariants would surprise later and elsewhere.
    fn from_secrets(header: &RingHeader, secrets: &[u8]) -> Result<Self, RingError> {
        let (fixed, entries) = secrets.split_at(SECRETS_FIXED_BYTES);
        let count = u32_at(fixed, COUNT) as usize;
        if count == 0 || count > DATA_KEYS_MAX || entries.len() != count * ENTRY_BYTES {
            return Err(RingError::Damaged("number of data keys"));
        }
        let next_id = DataKeyId::new(u32_at(fixed, NEXT_ID))
            .ok_or(RingError::Damaged("next data key id zero"))?;
        let data_keys: Vec<DataKey> = entries
            .chunks_exact(ENTRY_BYTES)
            .map(read_entry)
            .collect::<Result<_, _>>()?;
        let ascending = data_keys.windows(2).all(|pair| pair[0].id < pair[1].id);
        let (active, older) = data_keys.split_last().expect("the count is not zero");
        if !ascending || active.id >= next_id {
            return Err(RingError::Damaged("data key ids out of order"));
        }
        if active.state != DataKeyState::Active
            || older
                .iter()
                .any(|key| key.state != DataKeyState::DecryptOnly)
        {
            return Err(RingError::Damaged(
                "not exactly the last data key is active",
            ));
        }
        Ok(KeyRing {
            database_id: header.database_id,
            generation: header.generation,
            next_id,
            root: Secret::new(array_at(fixed, ROOT)),
            data_keys,
        })
    }
}

/// A ring with any header and any secrets, sealed as if it were a good one: a fuzz target's way
/// past check, tag and checksum. Lengths and key check are made to fit; the rest is not.
#[cfg(feature = "fuzzing")]
pub fn seal_any(header: &[u8], secrets: &[u8], kek: &Kek) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes.resize(HEADER_BYTES, 0);
    let secrets_bytes = u32::try_from(secrets.len()).expect("inputs are short");
    bytes[SECRETS_BYTES..SALT].copy_from_slice(&secrets_bytes.to_le_bytes());
    let nonce: [u8; RING_NONCE_BYTES] = array_at(&bytes, NONCE);
    bytes[KEY_CHECK..HEADER_BYTES].copy_from_slice(&key_check(kek, &nonce));
    let mut sealed = secrets.to_vec();
    let tag = seal_ring(&sealing_key(kek, &nonce), &nonce, &bytes, &mut sealed);
    bytes.extend_from_slice(&sealed);
    bytes.extend_from_slice(&tag);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

fn read_entry(entry: &[u8]) -> Result<DataKey, RingError> {
    if entry[ENTRY_RESERVED..ENTRY_CREATED] != [0; 2] {
        return Err(RingError::Damaged("reserved bytes of a data key are set"));
    }
    let state = match entry[ENTRY_STATE] {
        1 => DataKeyState::Active,
        2 => DataKeyState::DecryptOnly,
        _ => return Err(RingError::Damaged("state of a data key")),
    };
    Ok(DataKey {
        id: DataKeyId::new(u32_at(entry, ENTRY_ID))
            .ok_or(RingError::Damaged("data key id zero"))?,
        algorithm: Algorithm::from_u8(entry[ENTRY_ALGORITHM])
            .ok_or(RingError::Damaged("algorithm of a data key"))?,
        state,
        created_micros: u64_at(entry, ENTRY_CREATED),
        secret: Secret::new(array_at(entry, ENTRY_KEY)),
    })
}

fn read_derivation(bytes: &[u8]) -> Result<Derivation, RingError> {
    let derivation = match bytes[DERIVATION] {
        DERIVATION_RAW
            if bytes[MEMORY_KIB..SECRETS_BYTES]
                .iter()
                .any(|&byte| byte != 0) =>
        {
            return Err(RingError::Damaged("Argon2id parameters without Argon2id"));
        }
        DERIVATION_RAW if bytes[SALT..NONCE] != [0; SALT_BYTES] => {
            return Err(RingError::Damaged("salt without Argon2id"));
        }
        DERIVATION_RAW => Derivation::Raw,
        DERIVATION_ARGON2ID => Derivation::Argon2id {
            memory_kib: u32_at(bytes, MEMORY_KIB),
            passes: u32_at(bytes, PASSES),
            lanes: u32_at(bytes, LANES),
            salt: array_at(bytes, SALT),
        },
        _ => return Err(RingError::Damaged("unknown way of making the outer key")),
    };
    if !derivation.is_valid() {
        return Err(RingError::Damaged("Argon2id parameters out of range"));
    }
    Ok(derivation)
}

/// Where the secrets end and their tag begins, as the header says. Not yet checked to be inside.
fn secrets_end(bytes: &[u8]) -> usize {
    HEADER_BYTES.saturating_add(u32_at(bytes, SECRETS_BYTES) as usize)
}

fn sealing_key(kek: &Kek, nonce: &[u8; RING_NONCE_BYTES]) -> Secret {
    kek.purpose(nonce, "rustdb key ring v1 seal")
}

/// Derived with the nonce, so that two rings under one key do not show that they are.
fn key_check(kek: &Kek, nonce: &[u8; RING_NONCE_BYTES]) -> [u8; KEY_CHECK_BYTES] {
    array_at(kek.purpose(nonce, "rustdb key ring v1 check").expose(), 0)
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    array_at(&Sha256::digest(content), 0)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N]
        .try_into()
        .expect("the range is N bytes long")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
#[path = "ring_format_tests.rs"]
mod tests;
