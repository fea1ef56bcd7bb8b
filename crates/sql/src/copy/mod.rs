//! COPY: rows from and to files and streams.
//!
//! Lines are read and written through a buffer; rows go into the table as they come, within the
//! statement's transaction, so that a load is there as a whole or not at all.

mod ahead;
mod binary;
mod input;
mod lines;
mod options;
mod output;
mod reader;

pub(crate) use input::CopyIn;
pub(crate) use output::{CopyOut, select_of};
