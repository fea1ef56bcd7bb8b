//! Ending a compaction early: because the engine closes, or because whoever asked for it no longer
//! wants it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Whether a compaction is to go on. Asked every few hundred kilobytes.
#[derive(Clone, Copy)]
pub struct Cancel<'a> {
    is_closing: &'a AtomicBool,
    is_unwanted: &'a dyn Fn() -> bool,
}

impl<'a> Cancel<'a> {
    /// Goes on until the flag is set.
    pub fn on(is_closing: &'a AtomicBool) -> Self {
        Self {
            is_closing,
            is_unwanted: &|| false,
        }
    }

    /// Goes on until the flag is set or `is_unwanted` says so.
    pub fn on_either(is_closing: &'a AtomicBool, is_unwanted: &'a dyn Fn() -> bool) -> Self {
        Self {
            is_closing,
            is_unwanted,
        }
    }

    /// `Closed` or `Cancelled` if the compaction is to end.
    pub fn check(self) -> Result<()> {
        if self.is_closing.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if (self.is_unwanted)() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}
