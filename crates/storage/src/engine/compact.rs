//! Compaction, driven by the background threads.

use crate::engine::Inner;
use crate::error::Result;

impl Inner {
    pub(crate) fn compact_one(&self) -> Result<bool> {
        Ok(false)
    }
}
