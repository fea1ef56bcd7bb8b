//! Where an outer key comes from.
//!
//! A ring says at its head how its outer key is made ([`Derivation`]); a [`KeyProvider`] makes it.
//! A provider that cannot make a key of that sort says so ([`KeyError::Mismatch`]), so that a
//! passphrase given for a database with a key file is not reported as a wrong key.
//!
//! Whoever reads a key file also checks that nobody else can (mode 0600): this crate sees bytes.

use std::fmt;
use std::io;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::derive::{Derivation, Kek};
use crate::secret::{Random, SECRET_BYTES, Secret};

/// Makes outer keys. Called at open, and when a key is changed; never during a commit.
pub trait KeyProvider: Send + Sync {
    /// How the outer key of a new ring, or of one whose key is being changed, is to be made.
    fn new_derivation(&self, random: &mut dyn Random) -> Result<Derivation, KeyError>;

    /// The key for a ring whose key is made in this way.
    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError>;
}

/// Why a provider gave no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// What the user gave is not a key: correct it.
    Malformed(String),
    /// The ring's key is made in another way than this provider makes keys: use another one.
    Mismatch(String),
    /// The source of the key failed: an unreadable file, a key service that does not answer.
    Unavailable(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Malformed(text) | KeyError::Mismatch(text) | KeyError::Unavailable(text) => {
                formatter.write_str(text)
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// A key that is at hand.
pub struct RawKey(Secret);

impl RawKey {
    /// With these bytes.
    pub fn new(key: Secret) -> Self {
        RawKey(key)
    }
}

impl ZeroizeOnDrop for RawKey {}

impl KeyProvider for RawKey {
    fn new_derivation(&self, _: &mut dyn Random) -> Result<Derivation, KeyError> {
        Ok(Derivation::Raw)
    }

    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError> {
        raw_only(derivation)?;
        Ok(Kek::raw(self.0.clone()))
    }
}

/// A key file, read each time a key is wanted.
pub struct KeyFile<R> {
    name: String,
    read: R,
}

impl<R: Fn() -> io::Result<Vec<u8>> + Send + Sync> KeyFile<R> {
    /// `name` is for messages; `read` gives the whole content.
    pub fn new(name: impl Into<String>, read: R) -> Self {
        KeyFile {
            name: name.into(),
            read,
        }
    }
}

impl<R: Fn() -> io::Result<Vec<u8>> + Send + Sync> KeyProvider for KeyFile<R> {
    fn new_derivation(&self, _: &mut dyn Random) -> Result<Derivation, KeyError> {
        Ok(Derivation::Raw)
    }

    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError> {
        raw_only(derivation)?;
        let content = Zeroizing::new((self.read)().map_err(|error| {
            KeyError::Unavailable(format!("cannot read key file `{}`: {error}", self.name))
        })?);
        let key = parse_key_file(&content).map_err(|error| match error {
            KeyError::Malformed(text) => {
                KeyError::Malformed(format!("key file `{}`: {text}", self.name))
            }
            other => other,
        })?;
        Ok(Kek::raw(key))
    }
}

/// The key in a key file's content: 32 bytes as they are, or 64 hexadecimal digits, which white
/// space may surround. 32 zero bytes are refused, as what a failed copy leaves.
pub fn parse_key_file(content: &[u8]) -> Result<Secret, KeyError> {
    let mut key = match <[u8; SECRET_BYTES]>::try_from(content) {
        Ok(raw) => raw,
        Err(_) => from_hex(content.trim_ascii()).ok_or_else(|| {
            KeyError::Malformed(format!(
                "expected 32 bytes or 64 hexadecimal digits, found `{}` bytes that are neither",
                content.len()
            ))
        })?,
    };
    if key == [0; SECRET_BYTES] {
        return Err(KeyError::Malformed("the key is all zeros".to_string()));
    }
    let secret = Secret::new(key);
    key.zeroize();
    Ok(secret)
}

/// A passphrase, made into a key by Argon2id.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes over the passphrase. It counts byte by byte: no trimming, no normal form.
    pub fn new(passphrase: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let passphrase = Zeroizing::new(passphrase.into());
        if passphrase.is_empty() {
            return Err(KeyError::Malformed("the passphrase is empty".to_string()));
        }
        Ok(Passphrase(passphrase))
    }
}

impl ZeroizeOnDrop for Passphrase {}

impl KeyProvider for Passphrase {
    fn new_derivation(&self, random: &mut dyn Random) -> Result<Derivation, KeyError> {
        Derivation::argon2id(random)
            .map_err(|error| KeyError::Unavailable(format!("no random salt: {error}")))
    }

    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError> {
        Kek::from_passphrase(&self.0, derivation)
    }
}

/// The text of an environment variable: 64 hexadecimal digits, or `passphrase:` and a passphrase.
/// There is no guessing between the two, so that a mistyped key does not become a passphrase.
pub enum EnvironmentKey {
    /// Hexadecimal digits.
    Key(RawKey),
    /// After `passphrase:`.
    Passphrase(Passphrase),
}

impl EnvironmentKey {
    /// From the text of the variable `name`, which is for messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, KeyError> {
        if let Some(passphrase) = text.strip_prefix("passphrase:") {
            return Ok(EnvironmentKey::Passphrase(Passphrase::new(passphrase)?));
        }
        let digits = text.trim_ascii().as_bytes();
        if digits.len() != 2 * SECRET_BYTES {
            return Err(KeyError::Malformed(format!(
                "environment variable `{name}` holds neither 64 hexadecimal digits nor \
                 `passphrase:` and a passphrase"
            )));
        }
        let key = parse_key_file(digits).map_err(|error| {
            KeyError::Malformed(format!("environment variable `{name}`: {error}"))
        })?;
        Ok(EnvironmentKey::Key(RawKey::new(key)))
    }
}

impl KeyProvider for EnvironmentKey {
    fn new_derivation(&self, random: &mut dyn Random) -> Result<Derivation, KeyError> {
        match self {
            EnvironmentKey::Key(key) => key.new_derivation(random),
            EnvironmentKey::Passphrase(passphrase) => passphrase.new_derivation(random),
        }
    }

    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError> {
        match self {
            EnvironmentKey::Key(key) => key.outer_key(derivation),
            EnvironmentKey::Passphrase(passphrase) => passphrase.outer_key(derivation),
        }
    }
}

/// A function that fetches the key: from a key service, a hardware module, an operating system's
/// key store.
pub struct CallbackKey<F>(F);

impl<F: Fn() -> Result<Secret, String> + Send + Sync> CallbackKey<F> {
    /// Asks `fetch` each time a key is wanted.
    pub fn new(fetch: F) -> Self {
        CallbackKey(fetch)
    }
}

impl<F: Fn() -> Result<Secret, String> + Send + Sync> KeyProvider for CallbackKey<F> {
    fn new_derivation(&self, _: &mut dyn Random) -> Result<Derivation, KeyError> {
        Ok(Derivation::Raw)
    }

    fn outer_key(&self, derivation: Derivation) -> Result<Kek, KeyError> {
        raw_only(derivation)?;
        (self.0)().map(Kek::raw).map_err(KeyError::Unavailable)
    }
}

fn raw_only(derivation: Derivation) -> Result<(), KeyError> {
    match derivation {
        Derivation::Raw => Ok(()),
        Derivation::Argon2id { .. } => Err(KeyError::Mismatch(
            "the key ring is sealed with a passphrase and a raw key was given".to_string(),
        )),
    }
}

fn from_hex(digits: &[u8]) -> Option<[u8; SECRET_BYTES]> {
    if digits.len() != 2 * SECRET_BYTES {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
    let mut key = [0; SECRET_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::{hex, seeded};

    /// Parameters that take no time; never what a new ring gets.
    const CHEAP: Derivation = Derivation::Argon2id {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
        salt: [5; 16],
    };

    fn same(one: &Kek, other: &Kek) -> bool {
        one.purpose(b"", "test").expose() == other.purpose(b"", "test").expose()
    }

    fn refusal<T>(outcome: Result<T, KeyError>) -> KeyError {
        outcome.err().unwrap()
    }

    #[test]
    fn a_key_file_holds_raw_bytes_or_hexadecimal_digits() {
        let key: [u8; 32] = std::array::from_fn(|at| at as u8 * 7 + 1);
        let digits = hex(&key);
        for content in [
            key.to_vec(),
            digits.clone().into_bytes(),
            digits.to_uppercase().into_bytes(),
            format!("  {digits}\r\n").into_bytes(),
        ] {
            assert_eq!(parse_key_file(&content).ok().unwrap().expose(), &key);
        }
        for content in [
            &b""[..],
            &[1; 31],
            &[1; 33],
            &[0; 32],
            &[b'0'; 64],
            &[b'g'; 64],
            format!("{digits}0").as_bytes(),
            format!("0x{digits}").as_bytes(),
        ] {
            assert!(matches!(
                refusal(parse_key_file(content)),
                KeyError::Malformed(_)
            ));
        }
    }

    #[test]
    fn every_source_of_the_same_bytes_gives_the_same_key() {
        let expected = Kek::raw(Secret::new([9; 32]));
        let sources: [Box<dyn KeyProvider>; 4] = [
            Box::new(RawKey::new(Secret::new([9; 32]))),
            Box::new(KeyFile::new("k", || Ok(vec![9; 32]))),
            Box::new(EnvironmentKey::parse("K", &"09".repeat(32)).ok().unwrap()),
            Box::new(CallbackKey::new(|| Ok(Secret::new([9; 32])))),
        ];
        for source in sources {
            assert_eq!(source.new_derivation(&mut seeded(1)), Ok(Derivation::Raw));
            assert!(same(
                &source.outer_key(Derivation::Raw).ok().unwrap(),
                &expected
            ));
            assert!(matches!(
                refusal(source.outer_key(CHEAP)),
                KeyError::Mismatch(_)
            ));
        }
    }

    #[test]
    fn a_passphrase_gives_one_key_per_salt() {
        let passphrase = Passphrase::new("correct horse").ok().unwrap();
        let from_text = EnvironmentKey::parse("K", "passphrase:correct horse")
            .ok()
            .unwrap();
        let key = passphrase.outer_key(CHEAP).ok().unwrap();
        assert!(same(&key, &from_text.outer_key(CHEAP).ok().unwrap()));
        let Derivation::Argon2id {
            memory_kib,
            passes,
            lanes,
            ..
        } = CHEAP
        else {
            unreachable!()
        };
        let salted = Derivation::Argon2id {
            memory_kib,
            passes,
            lanes,
            salt: [6; 16],
        };
        assert!(!same(&key, &passphrase.outer_key(salted).ok().unwrap()));
        let other = Passphrase::new("correct horse ").ok().unwrap();
        assert!(!same(&key, &other.outer_key(CHEAP).ok().unwrap()));
        assert!(matches!(
            refusal(passphrase.outer_key(Derivation::Raw)),
            KeyError::Mismatch(_)
        ));
        let (one, two) = (
            passphrase.new_derivation(&mut seeded(1)),
            passphrase.new_derivation(&mut seeded(2)),
        );
        assert_ne!(one, two);
    }

    #[test]
    fn environment_text_is_never_guessed_at() {
        for text in [
            "",
            "hunter2",
            "passphrase:",
            &"0".repeat(64),
            &"g".repeat(64),
            &"1".repeat(63),
        ] {
            let error = refusal(EnvironmentKey::parse("RUSTDB_KEY", text));
            assert!(matches!(error, KeyError::Malformed(_)), "`{text}`: {error}");
            assert!(
                !error.to_string().contains("hunter2"),
                "the text may be a secret"
            );
        }
        // 32 bytes are a key in a file, but not in a variable.
        assert!(EnvironmentKey::parse("RUSTDB_KEY", &"x".repeat(32)).is_err());
    }

    #[test]
    fn a_source_that_fails_is_told_from_a_bad_key() {
        let file = KeyFile::new("/etc/k", || Err(io::Error::other("gone")));
        let KeyError::Unavailable(text) = refusal(file.outer_key(Derivation::Raw)) else {
            panic!("not unavailable");
        };
        assert!(text.contains("/etc/k") && text.contains("gone"));
        let service = CallbackKey::new(|| Err("timeout".to_string()));
        assert!(matches!(
            refusal(service.outer_key(Derivation::Raw)),
            KeyError::Unavailable(_)
        ));
        let short = KeyFile::new("/etc/k", || Ok(vec![1; 3]));
        let KeyError::Malformed(text) = refusal(short.outer_key(Derivation::Raw)) else {
            panic!("not malformed");
        };
        assert!(text.contains("/etc/k"));
    }
}
