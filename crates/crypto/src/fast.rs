//! The ciphers computed by graviola, where the feature and the processor allow; else nothing.

pub(crate) use library::Fast;

#[cfg(all(
    feature = "graviola",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod library {
    use graviola::aead::{AesGcm, ChaCha20Poly1305};

    use crate::aead::{Algorithm, Failed, NONCE_BYTES, TAG_BYTES, Tag};
    use crate::secret::Secret;

    /// A cipher with a key in it. Boxed so that moving one leaves no copy of its key behind.
    pub(crate) enum Fast {
        Aes(Box<AesGcm>),
        ChaCha(Box<ChaCha20Poly1305>),
    }

    impl Fast {
        /// `None` if this processor lacks an instruction.
        pub(crate) fn new(algorithm: Algorithm, key: &Secret) -> Option<Self> {
            Fast::available().then(|| match algorithm {
                Algorithm::Aes256Gcm => Fast::Aes(Box::new(AesGcm::new(key.expose()))),
                Algorithm::ChaCha20Poly1305 => {
                    Fast::ChaCha(Box::new(ChaCha20Poly1305::new(*key.expose())))
                }
            })
        }

        pub(crate) fn seal(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], buffer: &mut [u8]) -> Tag {
            let mut tag = [0; TAG_BYTES];
            match self {
                Fast::Aes(cipher) => cipher.encrypt(nonce, aad, buffer, &mut tag),
                Fast::ChaCha(cipher) => cipher.encrypt(nonce, aad, buffer, &mut tag),
            }
            tag
        }

        pub(crate) fn open(
            &self,
            nonce: &[u8; NONCE_BYTES],
            aad: &[u8],
            buffer: &mut [u8],
            tag: &Tag,
        ) -> Result<(), Failed> {
            match self {
                Fast::Aes(cipher) => cipher.decrypt(nonce, aad, buffer, tag),
                Fast::ChaCha(cipher) => cipher.decrypt(nonce, aad, buffer, tag),
            }
            .map_err(|_| Failed)
        }

        /// Whether this processor has every instruction graviola uses; it would panic otherwise.
        #[cfg(target_arch = "x86_64")]
        pub(crate) fn available() -> bool {
            use std::arch::is_x86_feature_detected as has;
            has!("aes")
                && has!("pclmulqdq")
                && has!("ssse3")
                && has!("avx")
                && has!("avx2")
                && has!("bmi1")
                && has!("bmi2")
                && has!("adx")
        }

        /// Whether this processor has every instruction graviola uses; it would panic otherwise.
        #[cfg(target_arch = "aarch64")]
        pub(crate) fn available() -> bool {
            use std::arch::is_aarch64_feature_detected as has;
            has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
        }
    }
}

#[cfg(not(all(
    feature = "graviola",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod library {
    use crate::aead::{Algorithm, Failed, NONCE_BYTES, Tag};
    use crate::secret::Secret;

    /// There is none.
    pub(crate) enum Fast {}

    impl Fast {
        pub(crate) fn new(_: Algorithm, _: &Secret) -> Option<Self> {
            None
        }

        pub(crate) fn seal(&self, _: &[u8; NONCE_BYTES], _: &[u8], _: &mut [u8]) -> Tag {
            match *self {}
        }

        pub(crate) fn open(
            &self,
            _: &[u8; NONCE_BYTES],
            _: &[u8],
            _: &mut [u8],
            _: &Tag,
        ) -> Result<(), Failed> {
            match *self {}
        }

        pub(crate) fn available() -> bool {
            false
        }
    }
}
