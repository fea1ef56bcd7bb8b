//! Sealing the blocks or records of one file.
//!
//! ```text
//! file key = HKDF-SHA256(key: data key, salt: file id,
//!                        info: "rustdb file key v1" | algorithm | file kind | context)
//! nonce    = domain, 4 bytes little endian | position, 8 bytes little endian
//! sealed   = ciphertext (as long as the plaintext), and a tag of 16 bytes
//! ```
//!
//! Invariant: no (file key, nonce) pair seals two messages. A [`Sealer`] draws the file id itself,
//! cannot be copied, and accepts each position once, in increasing order. Therefore a file is never
//! appended to after it was closed; a new start begins a new file.
//!
//! A block that is moved within its file, to another file, or to a file of another kind fails to
//! open. What else belongs to a file (its format version, its database) the caller binds once through
//! `context`, and what else belongs to a block (its codec, its framing) through `aad`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::aead::{Aead, MESSAGE_BYTES_MAX, NONCE_BYTES, Tag};
use crate::derive::derive;
use crate::ring::DataKey;
use crate::secret::Random;

/// The random identity of a file, written in the clear at its head.
pub type FileId = [u8; 16];

/// Opens what was sealed into one file.
#[derive(Clone)]
pub struct Opener(Arc<Aead>);

impl Opener {
    /// For the file `id` of kind `kind`, sealed under `key` in the same `context`.
    pub fn new(key: &DataKey, id: &FileId, kind: u8, context: &[u8]) -> Self {
        Opener(Arc::new(file_aead(key, id, kind, context)))
    }

    /// Checks and decrypts `buffer` in place. On failure `buffer` holds nothing of use.
    pub fn open(
        &self,
        domain: u32,
        position: u64,
        aad: &[u8],
        buffer: &mut [u8],
        tag: &Tag,
    ) -> Result<(), OpenError> {
        self.0
            .open(&nonce(domain, position), aad, buffer, tag)
            .map_err(|_| OpenError)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opener")
    }
}

/// Seals into one new file, each position once. There is no second one for the same file:
///
/// ```compile_fail
/// fn copied(sealer: rustdb_crypto::Sealer) -> rustdb_crypto::Sealer {
///     sealer.clone()
/// }
/// ```
pub struct Sealer {
    aead: Arc<Aead>,
    file_id: FileId,
    /// The lowest position that may still be sealed.
    next: AtomicU64,
}

impl Sealer {
    /// For a new file of kind `kind`, whose id it draws.
    pub fn create(
        key: &DataKey,
        kind: u8,
        context: &[u8],
        random: &mut dyn Random,
    ) -> io::Result<Self> {
        let mut file_id = FileId::default();
        random.fill(&mut file_id)?;
        let aead = Arc::new(file_aead(key, &file_id, kind, context));
        Ok(Sealer {
            aead,
            file_id,
            next: AtomicU64::new(0),
        })
    }

    /// The file's identity, to be written at its head.
    pub fn file_id(&self) -> &FileId {
        &self.file_id
    }

    /// What opens this file's blocks while it is still being written.
    pub fn opener(&self) -> Opener {
        Opener(Arc::clone(&self.aead))
    }

    /// Encrypts `buffer` in place and returns the tag to be stored with it. `domain` tells apart
    /// what must not be mistaken for one another, such as kinds of block; `position` must be higher
    /// than in every earlier call, whatever the domain.
    pub fn seal(
        &self,
        domain: u32,
        position: u64,
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<Tag, SealError> {
        if buffer.len() > MESSAGE_BYTES_MAX {
            return Err(SealError::TooLong {
                bytes: buffer.len(),
            });
        }
        self.take(position)?;
        self.aead
            .seal(&nonce(domain, position), aad, buffer)
            .map_err(|_| SealError::TooLong {
                bytes: buffer.len(),
            })
    }

    /// Uses up every position to `position`, or none. Atomic, so that the rule holds even if two
    /// threads share the sealer; the last position of all is never given out, which spares a flag.
    fn take(&self, position: u64) -> Result<(), SealError> {
        let claim = |next: u64| {
            if position < next {
                None
            } else {
                position.checked_add(1)
            }
        };
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
            .map(drop)
            .map_err(|next| SealError::Position { position, next })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Why a block was not sealed. Both are mistakes of the caller; nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The position was used or passed already.
    Position {
        /// What was asked for.
        position: u64,
        /// The lowest position that may still be sealed.
        next: u64,
    },
    /// The block is longer than 2 GiB.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for SealError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Position { position, next } => {
                write!(
                    formatter,
                    "position `{position}` cannot be sealed: the next one is `{next}`"
                )
            }
            SealError::TooLong { bytes } => {
                write!(
                    formatter,
                    "a block of `{bytes}` bytes is too long to be sealed"
                )
            }
        }
    }
}

impl std::error::Error for SealError {}

/// The block is not what was sealed at this place of this file: damaged, moved or forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenError;

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("authentication failed")
    }
}

impl std::error::Error for OpenError {}

fn file_aead(key: &DataKey, id: &FileId, kind: u8, context: &[u8]) -> Aead {
    let algorithm = key.algorithm();
    let info: [&[u8]; 3] = [b"rustdb file key v1", &[algorithm.to_u8(), kind], context];
    Aead::new(algorithm, &derive(key.secret(), id, &info))
}

fn nonce(domain: u32, position: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..4].copy_from_slice(&domain.to_le_bytes());
    nonce[4..].copy_from_slice(&position.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aead::Algorithm;
    use crate::ring::KeyRing;
    use crate::secret::tests::{hex, seeded};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ring(algorithm: Algorithm) -> KeyRing {
        KeyRing::new([1; 16], algorithm, 0, &mut seeded(7)).unwrap()
    }

    fn sealer(ring: &KeyRing, kind: u8) -> Sealer {
        Sealer::create(ring.active(), kind, b"context", &mut seeded(9)).unwrap()
    }

    #[test]
    fn sealed_bytes_are_pinned() {
        // The format's golden bytes: a change here makes every encrypted database unreadable.
        let expected = [
            (
                Algorithm::Aes256Gcm,
                "403626792c5c2cb57b3bf0aba47d 172a061131ccf4cab3a00db0900e2c78",
            ),
            (
                Algorithm::ChaCha20Poly1305,
                "ccd504e39a7fdad717b941e4e646 39139c28207c5721782ff8409ef68ffd",
            ),
        ];
        for (algorithm, golden) in expected {
            let mut buffer = b"attack at dawn".to_vec();
            let tag = sealer(&ring(algorithm), 2)
                .seal(3, 5, b"aad", &mut buffer)
                .unwrap();
            assert_eq!(hex(&buffer) + " " + &hex(&tag), golden, "{algorithm}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for algorithm in Algorithm::ALL {
            let sealer = sealer(&ring(algorithm), 1);
            let mut sealed = b"some block of a table, not very long".to_vec();
            let tag = sealer.seal(4, 8, b"header", &mut sealed).unwrap();
            let open = |aad: &[u8], sealed: &[u8], tag: &Tag| {
                sealer.opener().open(4, 8, aad, &mut sealed.to_vec(), tag)
            };
            assert_eq!(open(b"header", &sealed, &tag), Ok(()));
            for bit in 0..sealed.len() * 8 {
                let mut bad = sealed.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(b"header", &bad, &tag), Err(OpenError));
            }
            for bit in 0..tag.len() * 8 {
                let mut bad = tag;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(b"header", &sealed, &bad), Err(OpenError));
            }
            for bit in 0..6 * 8 {
                let mut bad = *b"header";
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&bad, &sealed, &tag), Err(OpenError));
            }
            for length in 0..sealed.len() {
                assert_eq!(open(b"header", &sealed[..length], &tag), Err(OpenError));
            }
        }
    }

    #[test]
    fn a_block_opens_only_in_its_place_file_kind_and_ring() {
        for algorithm in Algorithm::ALL {
            let ring = ring(algorithm);
            let sealer = sealer(&ring, 1);
            let mut sealed = *b"block";
            let tag = sealer.seal(4, 8, b"", &mut sealed).unwrap();
            let id = *sealer.file_id();
            let key = ring.active();
            let opens_in = |context: &[u8], key: &DataKey, id: &FileId, kind, domain, position| {
                let opener = Opener::new(key, id, kind, context);
                opener
                    .open(domain, position, b"", &mut sealed.clone(), &tag)
                    .is_ok()
            };
            let opens = |key: &DataKey, id: &FileId, kind, domain, position| {
                opens_in(b"context", key, id, kind, domain, position)
            };
            assert!(opens(key, &id, 1, 4, 8));
            assert!(!opens_in(b"contexT", key, &id, 1, 4, 8), "another context");
            assert!(!opens_in(b"", key, &id, 1, 4, 8), "no context");
            assert!(!opens(key, &id, 1, 4, 9), "another position");
            assert!(!opens(key, &id, 1, 8, 4), "domain and position exchanged");
            assert!(!opens(key, &id, 1, 5, 8), "another domain");
            assert!(!opens(key, &id, 2, 4, 8), "another kind of file");
            assert!(!opens(key, &[0; 16], 1, 4, 8), "another file");
            let stranger = KeyRing::new([1; 16], algorithm, 0, &mut seeded(8)).unwrap();
            assert!(!opens(stranger.active(), &id, 1, 4, 8), "another ring");
        }
    }

    #[test]
    fn positions_only_go_up() {
        let sealer = sealer(&ring(Algorithm::Aes256Gcm), 1);
        let seal = |domain, position| sealer.seal(domain, position, b"", &mut [0; 3]).map(drop);
        assert_eq!(seal(0, 0), Ok(()));
        assert_eq!(
            seal(0, 0),
            Err(SealError::Position {
                position: 0,
                next: 1
            })
        );
        assert_eq!(
            seal(1, 0),
            Err(SealError::Position {
                position: 0,
                next: 1
            })
        );
        assert_eq!(seal(0, 10), Ok(()));
        assert_eq!(
            seal(0, 9),
            Err(SealError::Position {
                position: 9,
                next: 11
            })
        );
        assert_eq!(seal(0, 11), Ok(()));
        assert_eq!(
            seal(0, u64::MAX),
            Err(SealError::Position {
                position: u64::MAX,
                next: 12
            })
        );
        assert_eq!(seal(0, u64::MAX - 1), Ok(()));
        assert!(seal(0, u64::MAX - 1).is_err());
    }

    #[test]
    fn a_refused_block_is_left_in_plain_and_unsealed() {
        let sealer = sealer(&ring(Algorithm::ChaCha20Poly1305), 1);
        sealer.seal(0, 5, b"", &mut []).unwrap();
        let mut buffer = *b"as it was";
        assert!(sealer.seal(0, 5, b"", &mut buffer).is_err());
        assert_eq!(&buffer, b"as it was");
    }

    #[test]
    fn threads_that_share_a_sealer_never_seal_one_position_twice() {
        let sealer = sealer(&ring(Algorithm::Aes256Gcm), 1);
        let sealed: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..500)
                            .filter(|&at| sealer.seal(0, at, b"", &mut []).is_ok())
                            .collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| -> Vec<u64> { thread.join().unwrap() })
                .collect()
        });
        let distinct: BTreeSet<u64> = sealed.iter().copied().collect();
        assert_eq!(distinct.len(), sealed.len());
        assert!(distinct.contains(&499));
    }

    #[test]
    fn two_files_of_one_ring_share_no_key() {
        let ring = ring(Algorithm::Aes256Gcm);
        let mut random = seeded(3);
        let sealed: BTreeSet<Vec<u8>> = (0..64)
            .map(|_| {
                let sealer = Sealer::create(ring.active(), 1, b"", &mut random).unwrap();
                let mut buffer = vec![0; 32];
                sealer.seal(0, 0, b"", &mut buffer).unwrap();
                buffer
            })
            .collect();
        assert_eq!(sealed.len(), 64);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_is_not_the_plaintext(
            aes in any::<bool>(),
            kind in any::<u8>(),
            domain in any::<u32>(),
            position in 0..u64::MAX,
            aad in proptest::collection::vec(any::<u8>(), 0..80),
            plain in proptest::collection::vec(any::<u8>(), 16..3000),
        ) {
            let algorithm = Algorithm::ALL[usize::from(aes)];
            let ring = ring(algorithm);
            let sealer = sealer(&ring, kind);
            let mut buffer = plain.clone();
            let tag = sealer.seal(domain, position, &aad, &mut buffer).unwrap();
            prop_assert_ne!(&buffer, &plain);
            let opener = Opener::new(ring.active(), sealer.file_id(), kind, b"context");
            prop_assert_eq!(opener.open(domain, position, &aad, &mut buffer, &tag), Ok(()));
            prop_assert_eq!(buffer, plain);
        }
    }
}
