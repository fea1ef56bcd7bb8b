//! The two ciphers, and who computes them.
//!
//! RustCrypto always can. With the feature `graviola`, and on a processor that has what it needs,
//! graviola does, at about three times the speed for a 4 KiB block. Both give the same bytes; a
//! test compares them.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};

use crate::fast::Fast;
use crate::secret::Secret;

/// Length of an authentication tag, in bytes.
pub const TAG_BYTES: usize = 16;

/// An authentication tag.
pub type Tag = [u8; TAG_BYTES];

/// Length of a nonce within a file, in bytes.
pub(crate) const NONCE_BYTES: usize = 12;

/// Length of the random nonce that seals a key ring, in bytes.
pub(crate) const RING_NONCE_BYTES: usize = 24;

/// A cipher. The numbers are on disk, also in file headers, where one stands for "not encrypted".
/// Zero is no number, so that unwritten bytes never pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// AES-256 in Galois counter mode: the fastest where the processor has AES instructions.
    Aes256Gcm = 2,
    /// ChaCha20-Poly1305: the faster one where it has not.
    ChaCha20Poly1305 = 3,
}

impl Algorithm {
    /// Every cipher.
    pub const ALL: [Algorithm; 2] = [Algorithm::Aes256Gcm, Algorithm::ChaCha20Poly1305];

    /// The cipher with this number on disk, if there is one.
    pub fn from_u8(number: u8) -> Option<Self> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.to_u8() == number)
    }

    /// Its number on disk.
    pub fn to_u8(self) -> u8 {
        self as u8
    }

    /// The cipher of this [`name`](Algorithm::name), whatever the case of its letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Its usual name: `AES-256-GCM` or `ChaCha20-Poly1305`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Aes256Gcm => "AES-256-GCM",
            Algorithm::ChaCha20Poly1305 => "ChaCha20-Poly1305",
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which library computes the ciphers in this process: `rustcrypto` or `graviola`.
pub fn backend() -> &'static str {
    if Fast::available() {
        "graviola"
    } else {
        "rustcrypto"
    }
}

/// The tag did not fit the message, or the message was longer than the cipher allows.
#[derive(Debug)]
pub(crate) struct Failed;

/// A cipher with a key in it.
//
// The key schedules are boxed: AES-GCM's is large, and moving it would leave copies of it behind.
pub(crate) enum Aead {
    Aes(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
    Fast(Fast),
}

impl Aead {
    /// With the best library this process has.
    pub(crate) fn new(algorithm: Algorithm, key: &Secret) -> Self {
        match Fast::new(algorithm, key) {
            Some(fast) => Aead::Fast(fast),
            None => Aead::with_rustcrypto(algorithm, key),
        }
    }

    pub(crate) fn with_rustcrypto(algorithm: Algorithm, key: &Secret) -> Self {
        match algorithm {
            Algorithm::Aes256Gcm => Aead::Aes(Box::new(Aes256Gcm::new(key.expose().into()))),
            Algorithm::ChaCha20Poly1305 => {
                Aead::ChaCha(Box::new(ChaCha20Poly1305::new(key.expose().into())))
            }
        }
    }

    /// Encrypts in place. The caller has checked the length (see [`MESSAGE_BYTES_MAX`]).
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<Tag, Failed> {
        match self {
            Aead::Aes(cipher) => seal_with(&**cipher, nonce.into(), aad, buffer),
            Aead::ChaCha(cipher) => seal_with(&**cipher, nonce.into(), aad, buffer),
            Aead::Fast(cipher) => Ok(cipher.seal(nonce, aad, buffer)),
        }
    }

    /// Checks and decrypts in place. On failure `buffer` holds nothing of use.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Failed> {
        match self {
            Aead::Aes(cipher) => open_with(&**cipher, nonce.into(), aad, buffer, tag),
            Aead::ChaCha(cipher) => open_with(&**cipher, nonce.into(), aad, buffer, tag),
            Aead::Fast(cipher) => cipher.open(nonce, aad, buffer, tag),
        }
    }
}

/// The longest message that is sealed: far below what either cipher allows (64 GiB), and far above
/// any block.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 31;

/// Encrypts a key ring's secrets in place with XChaCha20-Poly1305, whose long nonce may be random.
pub(crate) fn seal_ring(
    key: &Secret,
    nonce: &[u8; RING_NONCE_BYTES],
    aad: &[u8],
    buffer: &mut [u8],
) -> Tag {
    seal_with(
        &XChaCha20Poly1305::new(key.expose().into()),
        nonce.into(),
        aad,
        buffer,
    )
    .expect("a ring is shorter than any limit of the cipher")
}

/// Undoes [`seal_ring`].
pub(crate) fn open_ring(
    key: &Secret,
    nonce: &[u8; RING_NONCE_BYTES],
    aad: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), Failed> {
    open_with(
        &XChaCha20Poly1305::new(key.expose().into()),
        nonce.into(),
        aad,
        buffer,
        tag,
    )
}

fn seal_with<C: AeadInOut<TagSize = aes_gcm::aead::consts::U16>>(
    cipher: &C,
    nonce: &aes_gcm::aead::Nonce<C>,
    aad: &[u8],
    buffer: &mut [u8],
) -> Result<Tag, Failed> {
    let tag = cipher
        .encrypt_inout_detached(nonce, aad, buffer.into())
        .map_err(|_| Failed)?;
    Ok(tag.into())
}

fn open_with<C: AeadInOut<TagSize = aes_gcm::aead::consts::U16>>(
    cipher: &C,
    nonce: &aes_gcm::aead::Nonce<C>,
    aad: &[u8],
    buffer: &mut [u8],
    tag: &Tag,
) -> Result<(), Failed> {
    cipher
        .decrypt_inout_detached(nonce, aad, buffer.into(), tag.into())
        .map_err(|_| Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::{hex, seeded, unhex};

    /// One published answer.
    struct Vector {
        key: &'static str,
        nonce: &'static str,
        aad: &'static str,
        plain: &'static str,
        sealed: &'static str,
        tag: &'static str,
    }

    /// Test cases 13 to 16 of McGrew and Viega's GCM specification, which NIST took over.
    const AES_256_GCM: [Vector; 4] = [
        Vector {
            key: "0000000000000000000000000000000000000000000000000000000000000000",
            nonce: "000000000000000000000000",
            aad: "",
            plain: "",
            sealed: "",
            tag: "530f8afbc74536b9a963b4f1c4cb738b",
        },
        Vector {
            key: "0000000000000000000000000000000000000000000000000000000000000000",
            nonce: "000000000000000000000000",
            aad: "",
            plain: "00000000000000000000000000000000",
            sealed: "cea7403d4d606b6e074ec5d3baf39d18",
            tag: "d0d1c8a799996bf0265b98b5d48ab919",
        },
        Vector {
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: "cafebabefacedbaddecaf888",
            aad: "",
            plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
            sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
            tag: "b094dac5d93471bdec1a502270e3cc6c",
        },
        Vector {
            key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            nonce: "cafebabefacedbaddecaf888",
            aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            tag: "76fc6ece0f4e1768cddf8853bb2d551b",
        },
    ];

    /// The text of RFC 8439, section 2.8.2, and of the XChaCha draft, appendix A.3.1.
    const SUNSCREEN: &str = "4c616469657320616e642047656e746c656d656e206f662074686520636c617373\
        206f66202739393a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020\
        666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e";

    const RFC_8439: Vector = Vector {
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "070000004041424344454647",
        aad: "50515253c0c1c2c3c4c5c6c7",
        plain: SUNSCREEN,
        sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                 3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                 92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                 3ff4def08e4b7a9de576d26586cec64b6116",
        tag: "1ae10b594f09e26a7e902ecbd0600691",
    };

    const XCHACHA: Vector = Vector {
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "404142434445464748494a4b4c4d4e4f5051525354555657",
        aad: "50515253c0c1c2c3c4c5c6c7",
        plain: SUNSCREEN,
        sealed: "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
                 731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                 2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                 21f9664c97637da9768812f615c68b13b52e",
        tag: "c0875924c1c7987947deafd8780acf49",
    };

    fn secret(text: &str) -> Secret {
        Secret::new(unhex(text).try_into().unwrap())
    }

    fn check(algorithm: Algorithm, vector: &Vector, aead: &Aead) {
        let nonce = unhex(vector.nonce).try_into().unwrap();
        let aad = unhex(vector.aad);
        let mut buffer = unhex(vector.plain);
        let tag = aead.seal(&nonce, &aad, &mut buffer).unwrap();
        assert_eq!(hex(&buffer), hex(&unhex(vector.sealed)), "{algorithm}");
        assert_eq!(hex(&tag), vector.tag, "{algorithm}");
        aead.open(&nonce, &aad, &mut buffer, &tag).unwrap();
        assert_eq!(buffer, unhex(vector.plain));
    }

    #[test]
    fn published_answers_of_both_ciphers() {
        let vectors = AES_256_GCM
            .iter()
            .map(|vector| (Algorithm::Aes256Gcm, vector))
            .chain([(Algorithm::ChaCha20Poly1305, &RFC_8439)]);
        for (algorithm, vector) in vectors {
            let key = secret(vector.key);
            check(algorithm, vector, &Aead::with_rustcrypto(algorithm, &key));
            check(algorithm, vector, &Aead::new(algorithm, &key));
        }
    }

    #[test]
    fn published_answer_of_the_ring_cipher() {
        let key = secret(XCHACHA.key);
        let nonce = unhex(XCHACHA.nonce).try_into().unwrap();
        let aad = unhex(XCHACHA.aad);
        let mut buffer = unhex(XCHACHA.plain);
        let tag = seal_ring(&key, &nonce, &aad, &mut buffer);
        assert_eq!(hex(&buffer), hex(&unhex(XCHACHA.sealed)));
        assert_eq!(hex(&tag), XCHACHA.tag);
        open_ring(&key, &nonce, &aad, &mut buffer, &tag).unwrap();
        assert_eq!(buffer, unhex(XCHACHA.plain));
    }

    /// Without the feature both sides are RustCrypto's, and this only repeats a round trip.
    #[test]
    fn both_libraries_give_the_same_bytes() {
        let mut random = seeded(1);
        for algorithm in Algorithm::ALL {
            for length in (0..200).chain([255, 256, 257, 1023, 1024, 4096, 4097, 65_536]) {
                let key = Secret::random(&mut random).unwrap();
                let (mut nonce, mut aad) = ([0; NONCE_BYTES], vec![0; length % 70]);
                let mut plain = vec![0; length];
                for bytes in [&mut nonce[..], &mut aad, &mut plain] {
                    random(bytes).unwrap();
                }
                let (best, plainest) = (
                    Aead::new(algorithm, &key),
                    Aead::with_rustcrypto(algorithm, &key),
                );
                let (mut one, mut other) = (plain.clone(), plain.clone());
                let tag = best.seal(&nonce, &aad, &mut one).unwrap();
                assert_eq!(tag, plainest.seal(&nonce, &aad, &mut other).unwrap());
                assert_eq!(one, other);
                best.open(&nonce, &aad, &mut other, &tag).unwrap();
                plainest.open(&nonce, &aad, &mut one, &tag).unwrap();
                assert!(one == plain && other == plain);
            }
        }
    }

    #[test]
    fn the_feature_is_used_where_the_processor_allows() {
        let expected = if Fast::available() {
            "graviola"
        } else {
            "rustcrypto"
        };
        assert_eq!(backend(), expected);
        let aead = Aead::new(Algorithm::Aes256Gcm, &Secret::new([1; 32]));
        assert_eq!(matches!(aead, Aead::Aes(_)), backend() == "rustcrypto");
    }

    #[test]
    fn numbers_and_names_are_those_of_the_format() {
        assert_eq!(Algorithm::Aes256Gcm.to_u8(), 2);
        assert_eq!(Algorithm::ChaCha20Poly1305.to_u8(), 3);
        assert_eq!(Algorithm::from_u8(0), None);
        assert_eq!(Algorithm::from_u8(1), None);
        assert_eq!(Algorithm::from_u8(4), None);
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_u8(algorithm.to_u8()), Some(algorithm));
            assert_eq!(
                Algorithm::from_name(&algorithm.name().to_lowercase()),
                Some(algorithm)
            );
        }
        assert_eq!(Algorithm::from_name("AES-128-GCM"), None);
    }
}
