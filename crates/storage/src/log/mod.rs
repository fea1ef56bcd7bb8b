//! Append-only logs of records: the framing that the write-ahead log and the manifest share.
//!
//! A log is one file: a header, then records, each 8-byte aligned. A record carries a kind, a
//! number that counts up from zero, a payload, and a *promise*: how many bytes of this file were
//! known to be durable when the record was written.
//!
//! ```text
//! | file header | record 0 | record 1 | ... | record n | zeros ...
//! 0             64                                     end
//! ```
//!
//! The promise is what tells a crash from damage. A crash may tear what was being written, and
//! nobody was told that it had been kept: reading stops there, and that is the end of the log. A
//! bad record at an offset that a later record, or the caller, vouches for as durable was good
//! once: that is damage, reported with its offset.
//!
//! Invariants:
//!
//! - The file header is durable before the first record is written.
//! - Bytes are written once, in order. Only zeros are ever overwritten.
//! - A log is never appended to after a restart; every start makes a new file with a new id.
//! - After a failed write or sync nothing more is written. The system may have dropped the dirty
//!   pages and would report success next time.
//!
//! `frame` is the record's bytes, without files; `writer` and `reader` are neighbours and test
//! each other; `hand` is a thread that writes what nobody waits for. The bytes are defined in `docs/format/log.md`. What payloads mean is not known
//! here, nor when to flush or sync: that is the caller's choice of durability.

mod frame;
mod hand;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use frame::{END_KIND, PAYLOAD_BYTES_MAX, PROMISE_KIND, RECORD_HEADER_BYTES};
pub use hand::LogHand;
pub use reader::{Expect, LogEnd, LogReader, Record};
pub use writer::{LogWriter, Transfer};
