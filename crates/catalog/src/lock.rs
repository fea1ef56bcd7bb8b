//! The numbers by which the lock table knows objects and names.
//!
//! Whoever creates, renames or drops an object locks its name; whoever uses it locks the object,
//! in PostgreSQL's modes. Names are hashed: two that meet cost somebody a wait, nothing else.

use rustdb_types::Oid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::databases::FIRST_DATABASE;

/// Numbers of names have this bit; those of objects do not.
const NAME: u64 = 1 << 63;

/// The lock of an object.
pub fn object(oid: Oid) -> u64 {
    u64::from(oid.0)
}

/// The lock of a name in a schema; of a schema's own name if `schema` is zero.
pub fn name(schema: Oid, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), u64::from(schema.0)) | NAME
}

/// The same lock in one of a directory's databases: the first one's numbers are as they are.
pub fn in_database(database: Oid, number: u64) -> u64 {
    match database {
        FIRST_DATABASE => number,
        other => xxh3_64_with_seed(&number.to_le_bytes(), u64::from(other.0)) | NAME,
    }
}
