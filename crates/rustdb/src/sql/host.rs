//! Clock and chance for statements.

use rustdb_types::function::{Host, Random};
use rustdb_vfs::VfsRef;
use rustdb_vfs::sync::Mutex;

use crate::{Error, ErrorKind, Result};

/// Clock and chance, from where the database has its files.
pub(super) struct EngineHost {
    vfs: VfsRef,
    random: Mutex<Random>,
}

/// Microseconds from 1970 to 2000, where SQL's timestamps begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl EngineHost {
    pub(super) fn new(vfs: VfsRef) -> Result<EngineHost> {
        let mut seed = [0; 8];
        vfs.fill_random(&mut seed).map_err(|error| {
            Error::new(
                ErrorKind::Io,
                format!("the system gives no random bytes: {error}"),
            )
        })?;
        Ok(EngineHost {
            vfs,
            random: Mutex::new(Random::from_seed(u64::from_le_bytes(seed))),
        })
    }
}

impl Host for EngineHost {
    fn clock(&self) -> i64 {
        let micros = i64::try_from(self.vfs.wall_micros()).unwrap_or(i64::MAX);
        micros.saturating_sub(EPOCH_MICROS)
    }

    fn random_bytes(&self, out: &mut [u8]) {
        if self.vfs.fill_random(out).is_err() {
            // The seed came from the system when the database was opened.
            let mut random = self.random.lock();
            for byte in out {
                *byte = (random.next_fraction() * 256.0) as u8;
            }
        }
    }

    fn random(&self) -> f64 {
        self.random.lock().next_fraction()
    }

    fn set_seed(&self, random: Random) {
        *self.random.lock() = random;
    }
}
