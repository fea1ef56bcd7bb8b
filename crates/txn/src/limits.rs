//! What a key and a value may be.

use rustdb_storage::key::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use crate::error::{Error, Result};
use crate::manager::KeyspaceRef;

pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::InvalidArgument(format!(
            "a key of `{}` bytes is longer than the limit of `{KEY_BYTES_MAX}`",
            key.len()
        )));
    }
    Ok(())
}

pub(crate) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::InvalidArgument(format!(
            "a value of `{}` bytes is longer than the limit of `{VALUE_BYTES_MAX}`",
            value.len()
        )));
    }
    Ok(())
}

/// An exact count and values that vanish by themselves exclude each other.
pub(crate) fn check_expiry(keyspace: KeyspaceRef) -> Result<()> {
    if keyspace.is_counted {
        return Err(Error::InvalidArgument(
            "a counted keyspace takes no values that expire\nhint: use a keyspace that is not counted".into(),
        ));
    }
    Ok(())
}
