//! How keys are made from other keys, and the outer key from what the user has.

use argon2::{Argon2, Block, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::provider::KeyError;
use crate::secret::{Random, Secret};

/// Length of Argon2's salt in a ring, in bytes.
pub(crate) const SALT_BYTES: usize = 16;

/// How an outer key is made. It is written in the clear at the head of the ring, so that the ring
/// tells what it takes to open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// The user holds the 32 bytes themselves.
    Raw,
    /// Argon2id over a passphrase.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over that memory.
        passes: u32,
        /// Lanes; they are computed one after another.
        lanes: u32,
        /// Random, so that one passphrase gives different keys to different databases.
        salt: [u8; SALT_BYTES],
    },
}

/// The largest parameters of Argon2id that a ring may ask for: a damaged or hostile ring must not
/// take the machine's memory, or for ever.
#[derive(Clone, Copy, Debug)]
pub struct Argon2Limits {
    /// Memory in KiB.
    pub memory_kib_max: u32,
    /// Passes.
    pub passes_max: u32,
    /// Lanes.
    pub lanes_max: u32,
}

/// See [`Argon2Limits`].
pub const ARGON2_LIMITS: Argon2Limits = Argon2Limits {
    memory_kib_max: 1 << 20,
    passes_max: 32,
    lanes_max: 16,
};

impl Derivation {
    /// Argon2id as new rings use it: 64 MiB, 3 passes, 1 lane, a fresh salt.
    pub fn argon2id(random: &mut dyn Random) -> std::io::Result<Self> {
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt)?;
        Ok(Derivation::Argon2id {
            memory_kib: 64 << 10,
            passes: 3,
            lanes: 1,
            salt,
        })
    }

    /// Whether the parameters are within what Argon2 defines and [`ARGON2_LIMITS`] allow.
    pub fn is_valid(&self) -> bool {
        match *self {
            Derivation::Raw => true,
            Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                ..
            } => {
                (1..=ARGON2_LIMITS.lanes_max).contains(&lanes)
                    && (1..=ARGON2_LIMITS.passes_max).contains(&passes)
                    && (8 * lanes..=ARGON2_LIMITS.memory_kib_max).contains(&memory_kib)
            }
        }
    }
}

/// The outer key of a ring ("key encryption key"), which never reaches the disk. It remembers how
/// it was made, so that a ring sealed with it can say so.
///
/// It cannot be printed, and its memory is cleared when it is dropped.
///
/// ```compile_fail
/// println!("{:?}", rustdb_crypto::Kek::raw(rustdb_crypto::Secret::new([7; 32])));
/// ```
#[derive(Clone)]
pub struct Kek {
    secret: Secret,
    derivation: Derivation,
}

impl ZeroizeOnDrop for Kek {}

impl Kek {
    /// A key the user holds as bytes.
    pub fn raw(secret: Secret) -> Self {
        Kek {
            secret,
            derivation: Derivation::Raw,
        }
    }

    /// The key that `passphrase` gives under `derivation`, which must be [`Derivation::Argon2id`].
    /// Takes the memory and time that its parameters ask for.
    pub fn from_passphrase(passphrase: &[u8], derivation: Derivation) -> Result<Self, KeyError> {
        let Derivation::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        } = derivation
        else {
            return Err(KeyError::Mismatch(
                "the key ring is sealed with a raw key and a passphrase was given".to_string(),
            ));
        };
        if !derivation.is_valid() {
            return Err(KeyError::Malformed(format!(
                "Argon2id parameters out of range: `{memory_kib}` KiB, `{passes}` passes, \
                 `{lanes}` lanes"
            )));
        }
        let secret = argon2id(passphrase, &salt, memory_kib, passes, lanes)?;
        Ok(Kek { secret, derivation })
    }

    /// How it was made.
    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// A key for one purpose. The outer key itself is never used as a cipher's key.
    pub(crate) fn purpose(&self, salt: &[u8], label: &str) -> Secret {
        derive(&self.secret, salt, &[label.as_bytes()])
    }
}

/// HKDF-SHA256: a key from `key`, `salt` and what the parts of `info` spell.
pub(crate) fn derive(key: &Secret, salt: &[u8], info: &[&[u8]]) -> Secret {
    let mut derived = Secret::zero();
    Hkdf::<Sha256>::new(Some(salt), key.expose())
        .expand_multi_info(info, derived.as_mut())
        .expect("32 bytes are far below the 8,160 that HKDF-SHA256 can give");
    derived
}

/// Argon2id, version 1.3. Parameters are within Argon2's own limits.
fn argon2id(
    passphrase: &[u8],
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<Secret, KeyError> {
    let refused = |error: argon2::Error| KeyError::Malformed(format!("Argon2id: {error}"));
    let mut secret = Secret::zero();
    let params =
        Params::new(memory_kib, passes, lanes, Some(secret.expose().len())).map_err(refused)?;
    // The memory is ours, so that a machine that has too little gets an error and not an abort, and
    // so that it is cleared.
    let mut blocks: Vec<Block> = Vec::new();
    blocks
        .try_reserve_exact(params.block_count())
        .map_err(|_| {
            KeyError::Unavailable(format!("no memory for Argon2id's `{memory_kib}` KiB"))
        })?;
    blocks.resize(params.block_count(), Block::default());
    let outcome = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase, salt, secret.as_mut(), &mut blocks);
    blocks.iter_mut().for_each(Zeroize::zeroize);
    outcome.map_err(refused)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::{hex, seeded, unhex};

    #[test]
    fn published_answer_of_hkdf() {
        // RFC 5869, test case 1. It derives 42 bytes; the first 32 do not depend on that.
        let mut output = [0; 42];
        let (salt, info) = (
            unhex("000102030405060708090a0b0c"),
            unhex("f0f1f2f3f4f5f6f7f8f9"),
        );
        Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22])
            .expand(&info, &mut output)
            .unwrap();
        assert_eq!(
            hex(&output),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn derived_keys_differ_by_key_salt_and_info() {
        let key = Secret::new([1; 32]);
        let base = derive(&key, b"salt", &[b"info"]);
        for other in [
            derive(&Secret::new([2; 32]), b"salt", &[b"info"]),
            derive(&key, b"tlas", &[b"info"]),
            derive(&key, b"salt", &[b"inf0"]),
        ] {
            assert_ne!(base.expose(), other.expose());
        }
        assert_eq!(
            base.expose(),
            derive(&key, b"salt", &[b"in", b"fo"]).expose()
        );
    }

    #[test]
    fn published_answers_of_argon2id() {
        // RFC 9106, section 5.3, through the library: it uses a secret and associated data.
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], argon2::Algorithm::Argon2id, Version::V0x13, params)
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(
            hex(&tag),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
        // The reference implementation's own test, through our function.
        let key = argon2id(b"password", b"somesalt", 256, 2, 1).unwrap();
        assert_eq!(
            hex(key.expose()),
            "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
        );
    }

    #[test]
    fn new_rings_ask_for_sixty_four_mebibytes_and_three_passes() {
        let derivation = Derivation::argon2id(&mut seeded(1)).unwrap();
        let Derivation::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt,
        } = derivation
        else {
            panic!("not Argon2id");
        };
        assert_eq!((memory_kib, passes, lanes), (65_536, 3, 1));
        assert_ne!(salt, [0; SALT_BYTES]);
        let key = Kek::from_passphrase(b"correct horse", derivation)
            .ok()
            .unwrap();
        let same = Kek::from_passphrase(b"correct horse", derivation)
            .ok()
            .unwrap();
        assert_eq!(key.secret.expose(), same.secret.expose());
    }

    #[test]
    fn parameters_out_of_range_are_refused_before_any_work() {
        let salt = [0; SALT_BYTES];
        for (memory_kib, passes, lanes) in [
            (0, 1, 1),
            (7, 1, 1),
            (15, 1, 2),
            (u32::MAX, 1, 1),
            (64, 0, 1),
            (64, u32::MAX, 1),
            (64, 1, 0),
            (u32::MAX, 1, u32::MAX / 8),
        ] {
            let derivation = Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            };
            let outcome = Kek::from_passphrase(b"x", derivation);
            assert!(
                matches!(outcome.err(), Some(KeyError::Malformed(_))),
                "{derivation:?}"
            );
        }
    }
}
