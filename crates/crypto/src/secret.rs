//! Thirty-two bytes nobody may see, and where random ones come from.

use std::io;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Length of every key in this crate, in bytes.
pub(crate) const SECRET_BYTES: usize = 32;

/// A source of random bytes good enough for keys. Any `FnMut(&mut [u8]) -> io::Result<()>` is one.
pub trait Random {
    /// Fills `buffer`.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()>;
}

impl<F: FnMut(&mut [u8]) -> io::Result<()>> Random for F {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self(buffer)
    }
}

/// A 256-bit key. Its memory is cleared when it is dropped, and it cannot be printed:
///
/// ```compile_fail
/// println!("{:?}", rustdb_crypto::Secret::new([7; 32]));
/// ```
//
// The bytes are boxed so that moving a `Secret` moves a pointer and leaves no copy behind.
#[derive(Clone)]
pub struct Secret(Box<[u8; SECRET_BYTES]>);

impl Secret {
    /// Takes over `bytes`. The caller's own copy is the caller's to clear.
    pub fn new(mut bytes: [u8; SECRET_BYTES]) -> Self {
        let secret = Secret(Box::new(bytes));
        bytes.zeroize();
        secret
    }

    /// Draws a new one.
    pub fn random(random: &mut dyn Random) -> io::Result<Self> {
        let mut secret = Secret::zero();
        random.fill(secret.as_mut())?;
        Ok(secret)
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// All zeros, to be filled through [`Secret::as_mut`].
    pub(crate) fn zero() -> Self {
        Secret(Box::new([0; SECRET_BYTES]))
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8; SECRET_BYTES] {
        &mut self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reproducible bytes (SplitMix64), so that tests can pin what is written.
    pub(crate) fn seeded(seed: u64) -> impl FnMut(&mut [u8]) -> io::Result<()> {
        let mut state = seed;
        move |buffer: &mut [u8]| {
            for chunk in buffer.chunks_mut(8) {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut word = state;
                word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                word ^= word >> 31;
                chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
            }
            Ok(())
        }
    }

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        assert_eq!(digits.len() % 2, 0);
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    pub(crate) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_secret_type_is_cleared_on_drop() {
        fn cleared<T: ZeroizeOnDrop>() {}
        cleared::<Secret>();
        cleared::<crate::Kek>();
        cleared::<crate::DataKey>();
        cleared::<crate::Passphrase>();
        cleared::<crate::RawKey>();
        cleared::<aes_gcm::aes::Aes256>();
        cleared::<chacha20poly1305::ChaCha20Poly1305>();
    }

    #[test]
    fn clearing_a_secret_leaves_zeros() {
        let mut secret = Secret::new([7; 32]);
        assert_eq!(secret.expose(), &[7; 32]);
        secret.as_mut().zeroize();
        assert_eq!(secret.expose(), &[0; 32]);
    }

    #[test]
    fn a_failing_source_of_randomness_gives_no_secret() {
        let mut broken = |_: &mut [u8]| Err(io::Error::other("no entropy"));
        assert!(Secret::random(&mut broken).is_err());
    }
}
