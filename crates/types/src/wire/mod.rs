//! The binary form of values on the wire: what PostgreSQL's send and receive functions do.
//!
//! ```text
//! boolean           1 byte                     numeric    count, weight, sign, scale (2 each), digits (2 each)
//! smallint ... oid  big-endian                 interval   microseconds (8), days (4), months (4)
//! real, double      IEEE 754, big-endian       jsonb      01 and the text
//! date              days since 2000 (4)        array      dimensions, NULLs?, element's oid (4 each);
//! time, timestamps  microseconds (8)                      length, lower bound (4 each) per dimension;
//! text, json, enum  UTF-8                                 length (4, -1 for NULL) and bytes per element
//! bytea, uuid       as they are                record     count (4); oid, length, bytes per field
//!                                              vector     count (2), zero (2), real each
//! ```
//!
//! Bytes from a client are checked as text from it is; they never panic, and what they claim about
//! sizes is believed only as far as there are bytes.

mod numeric;
mod receive;
mod send;

pub use receive::receive;
pub use send::send;

/// The version of the binary form of `jsonb`.
const JSONB_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
