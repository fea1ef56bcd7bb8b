//! Finding out whether a commit may go ahead.
//!
//! Three structures, from the cheapest to the most exact:
//!
//! * [`slots`]: a fixed table that proves most keys unchanged with one load.
//! * the engine itself, which knows the sequence number of every key, for keys that the slots
//!   cannot clear; it is asked outside the pipeline.
//! * [`recent`]: the ordered list of recent writes, kept only while someone needs it, for ranges
//!   and for reads.
//!
//! [`validate`] puts them in order.

mod footprint;
mod recent;
mod slots;
mod validate;

pub(crate) use footprint::{FOOTPRINT_KEYS_MAX, Footprint, keyspace_of, storage_range};
pub(crate) use recent::{Recent, Watch};
pub(crate) use slots::{Slots, key_hash};
pub(crate) use validate::{Checks, Refusal, Single, Validator, check_large};
