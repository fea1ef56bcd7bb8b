//! Whether the engine still takes writes.
//!
//! After a failed sync nobody knows what is on disk: the kernel may have marked the lost pages
//! clean, so that trying again succeeds without them (Rebello et al., "Can Applications Recover
//! from fsync Failures?", ATC 2020). The first failure of the log, or of the manifest, therefore
//! ends writing until the database is opened again, which reads what is really there. Readers go
//! on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustdb_vfs::sync::Mutex;

use crate::error::{Error, Result};

const HEALTHY: u8 = 0;
const READ_ONLY: u8 = 1;
const POISONED: u8 = 2;
const CLOSED: u8 = 3;

/// Healthy, read-only, poisoned or closed. Only ever moves on.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    state: AtomicU8,
    reason: Mutex<Option<Arc<str>>>,
}

impl Fault {
    pub fn new(is_read_only: bool) -> Self {
        let state = if is_read_only { READ_ONLY } else { HEALTHY };
        Self {
            state: AtomicU8::new(state),
            reason: Mutex::new(None),
        }
    }

    /// Fails unless writes are welcome.
    pub fn check(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            HEALTHY => Ok(()),
            READ_ONLY => Err(Error::ReadOnly),
            CLOSED => Err(Error::Closed),
            _ => {
                let reason = self.reason.lock().clone();
                Err(Error::Poisoned(reason.unwrap_or_else(|| "unknown".into())))
            }
        }
    }

    /// Fails if what the engine holds in memory must not reach the disk any more.
    pub fn check_internal(&self) -> Result<()> {
        match self.reason() {
            Some(reason) => Err(Error::Poisoned(reason)),
            None => Ok(()),
        }
    }

    /// Fails if the engine was closed.
    #[inline]
    pub fn check_open(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            CLOSED => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    pub fn is_healthy(&self) -> bool {
        self.state.load(Ordering::Acquire) == HEALTHY
    }

    /// Why writes stopped, if a failure stopped them.
    pub fn reason(&self) -> Option<Arc<str>> {
        self.reason.lock().clone()
    }

    /// Stops writes because of `error`. The first reason is kept.
    pub fn poison(&self, error: &Error) {
        let mut reason = self.reason.lock();
        if self.state.load(Ordering::Acquire) == HEALTHY {
            tracing::error!(%error, "writes stop");
            *reason = Some(error.to_string().into());
            self.state.store(POISONED, Ordering::Release);
        }
    }

    /// Marks the engine closed; `true` for the first call.
    pub fn close(&self) -> bool {
        self.state.swap(CLOSED, Ordering::AcqRel) != CLOSED
    }
}
