//! Key ring and authenticated sealing for RustDB's files.
//!
//! Three layers of keys, each made from the one above it:
//!
//! ```text
//! outer key (Kek)      from the user: a key file, a passphrase, a key service; never written
//!   seals the
//! key ring             one small file: the data keys and a root for labelled sub-keys
//!   whose active data key, with a file's random id, gives the
//! file key             lives in memory only: seals every block or record of that one file
//! ```
//!
//! So the outer key changes by rewriting one small file; a data key changes as files are
//! rewritten; and no file key is ever used for two files. Within a file the nonce is the block's
//! position, which a [`Sealer`] refuses to repeat. A file is never sealed into by a second
//! `Sealer`, because a `Sealer` draws its file's id itself: no counter has to survive a crash, a
//! restored backup or a cloned machine.
//!
//! This crate knows no files, clock or source of randomness: bytes go in and out, and randomness is
//! a closure. It does not hide sizes, and it cannot tell an old ring or file from a new one: whoever
//! puts back a whole earlier directory is not noticed from inside it.

#![forbid(unsafe_code)]

mod aead;
mod derive;
mod fast;
mod file;
mod provider;
mod ring;
mod ring_format;
mod secret;

pub use aead::{Algorithm, TAG_BYTES, Tag, backend};
pub use derive::{ARGON2_LIMITS, Argon2Limits, Derivation, Kek};
pub use file::{FileId, OpenError, Opener, SealError, Sealer};
pub use provider::{
    CallbackKey, EnvironmentKey, KeyError, KeyFile, KeyProvider, Passphrase, RawKey, parse_key_file,
};
pub use ring::{
    DataKey, DataKeyId, DataKeyState, KeyRing, RingError, SUB_KEY_AUDIT, SUB_KEY_MANIFEST,
};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use ring_format::seal_any;
pub use ring_format::{RING_BYTES_MAX, RING_FORMAT_VERSION, RingHeader};
pub use secret::{Random, Secret};
