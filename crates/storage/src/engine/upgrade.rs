//! Upgrade: takes a database of an older format version to the one that this build writes.
//!
//! ```text
//!  version 1 --step--> version 2 --step--> version 3 = FORMAT_VERSION
//! ```
//!
//! The version of a database is that of its manifest in force. Opening one that is older is refused
//! with a hint at this. A step does what has to be done to the files and ends by putting a manifest
//! of the next version in force, which is one atomic change; so an upgrade that fails or crashes
//! has taken some steps wholly and goes on with the next one when it is run again. A step must bear
//! being begun again, therefore.
//!
//! There has been one format version so far, and the table of steps is empty. Its length follows
//! from [`FORMAT_VERSION`]: raising that does not compile without a step.

use std::path::Path;

use rustdb_vfs::VfsRef;

use crate::engine::{Engine, EngineOptions, open};
use crate::envelope::{FORMAT_VERSION, FileHeader};
use crate::error::{Error, Result};
use crate::keyring::header_bytes;
use crate::manifest::Current;
use crate::names;

/// The first format version there was.
const FIRST_VERSION: u32 = 1;

/// The step at index `n` leads from version `n + 1` to `n + 2`.
const STEPS: [Step; (FORMAT_VERSION - FIRST_VERSION) as usize] = [];

/// What an upgrade did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeReport {
    /// The format version that was found.
    pub from: u32,
    /// The format version now.
    pub to: u32,
    /// What was done, a sentence for each version.
    pub steps: Vec<String>,
}

/// Leads from one format version to the next.
struct Step {
    what: &'static str,
    run: fn(&Place<'_>) -> Result<()>,
}

/// Where an upgrade works. Nobody else has the database open.
struct Place<'a> {
    vfs: &'a VfsRef,
    directory: &'a Path,
}

/// Brings the database in `directory` to the format version that this build writes, and leaves it
/// closed. The options are those it is opened with otherwise; of these the key matters, if it is
/// encrypted.
///
/// A database of this version is left as it is. One of a newer version is `Unsupported`.
pub fn upgrade(vfs: VfsRef, directory: &Path, options: EngineOptions) -> Result<UpgradeReport> {
    let options = EngineOptions {
        create: false,
        create_new: false,
        read_only: false,
        ..options
    };
    options.check()?;
    if Current::read(&*vfs, directory)?.is_none() {
        return Err(Error::NoDatabase(directory.to_path_buf()));
    }
    let lock = open::take_lock(&*vfs, directory, &options)?;
    let place = Place {
        vfs: &vfs,
        directory,
    };
    let report = place.upgrade(&STEPS)?;
    drop(lock);
    // The proof that it opens, also with this key.
    Engine::open(
        vfs,
        directory,
        EngineOptions {
            read_only: true,
            ..options
        },
    )?
    .close()?;
    Ok(report)
}

impl Place<'_> {
    /// Takes the steps that are left.
    fn upgrade(&self, steps: &[Step]) -> Result<UpgradeReport> {
        let newest = FIRST_VERSION + steps.len() as u32;
        let from = self.version(newest)?;
        let mut report = UpgradeReport {
            from,
            to: from,
            steps: Vec::new(),
        };
        for step in &steps[(from - FIRST_VERSION) as usize..] {
            tracing::info!(from = report.to, what = step.what, "upgrading");
            (step.run)(self)?;
            let reached = self.version(newest)?;
            if reached != report.to + 1 {
                return Err(Error::Unsupported(format!(
                    "the upgrade from format version {} ended with version {reached}",
                    report.to
                )));
            }
            report.to = reached;
            report.steps.push(step.what.to_owned());
        }
        Ok(report)
    }

    /// The version of the manifest in force, which must be one from the first to `newest`.
    fn version(&self, newest: u32) -> Result<u32> {
        let current = Current::read(&**self.vfs, self.directory)?;
        let current = current.ok_or_else(|| Error::NoDatabase(self.directory.to_path_buf()))?;
        let path = names::manifest(self.directory, current.manifest);
        FileHeader::version(&path, &header_bytes(self.vfs, &path)?, newest)
    }
}

#[cfg(test)]
mod tests;
