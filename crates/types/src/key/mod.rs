//! Keys: bytes that sort as values do.
//!
//! ```text
//! key     =  column column ...            compared as one string of bytes
//! column  =  marker value                 marker: NULL or not; left out where NULL cannot be
//! value   =  bytes of the type, inverted if the column is descending
//! ```
//!
//! No value's bytes are the beginning of another's of the same column, so that columns follow
//! each other without separators. Text sorts by its bytes: collation "C". What comparison does not
//! see is lost: the scale of a `numeric`, the sign of zero, the blanks that pad a `char(n)`, and
//! whether an `interval` was a month or thirty days. A decoded value equals the one that was
//! encoded; rows keep the original.
//!
//! docs/format/key.md is the description; decoding never panics, whatever the bytes are.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::Reader;
pub use decode::decode;
pub(crate) use encode::put_escaped;
pub use encode::{IntegerKey, encode, encode_integer};

use crate::types::Type;

/// How a column takes part in a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyColumn {
    /// The column's type.
    pub column_type: Type,
    /// Whether greater values come first.
    pub descending: bool,
    /// Where NULL sorts.
    pub nulls: Nulls,
}

/// Where NULL sorts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
    /// Nowhere: the column is NOT NULL, and saves the byte that says so.
    Never,
}

impl KeyColumn {
    /// Ascending, NULL last: SQL's default.
    pub const fn ascending(column_type: Type) -> KeyColumn {
        KeyColumn {
            column_type,
            descending: false,
            nulls: Nulls::Last,
        }
    }

    /// Descending, NULL first: what `DESC` means.
    pub const fn descending(column_type: Type) -> KeyColumn {
        KeyColumn {
            column_type,
            descending: true,
            nulls: Nulls::First,
        }
    }

    /// The same for a column that cannot be NULL.
    #[must_use]
    pub fn not_null(self) -> KeyColumn {
        KeyColumn {
            nulls: Nulls::Never,
            ..self
        }
    }
}

/// A NULL that sorts before values. Zero is left free: it begins no column that can be NULL.
pub(crate) const MARK_NULL_FIRST: u8 = 1;
/// A value follows.
pub(crate) const MARK_VALUE: u8 = 2;
/// A NULL that sorts after values.
pub(crate) const MARK_NULL_LAST: u8 = 3;

/// In text: a zero byte of the text is followed by this.
pub(crate) const ESCAPED_ZERO: u8 = 0xff;
/// In text: a zero byte that ends it is followed by this.
pub(crate) const END: u8 = 1;

/// In arrays: no more elements.
pub(crate) const ARRAY_END: u8 = 1;
/// In arrays: an element follows.
pub(crate) const ARRAY_VALUE: u8 = 2;
/// In arrays: an element that is NULL, which sorts after others.
pub(crate) const ARRAY_NULL: u8 = 3;
