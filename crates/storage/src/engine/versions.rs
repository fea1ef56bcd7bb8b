//! The version set: which tables there are, on disk (manifest) and in memory (super version).
//!
//! Every change of the set of tables goes through [`VersionSet`], under its lock: first the
//! manifest, synced, then the new super version. So what readers see is always something that a
//! crash at this moment would recover to.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::Inner;
use crate::engine::super_version::SuperVersion;
use crate::error::Result;
use crate::manifest::{AddedTable, Manifest, ManifestState, ValueFileMeta, VersionEdit};
use crate::memtable::{Memtable, MemtableWriter};
use crate::version::Version;

/// The set of tables and of memtables not yet in tables.
#[derive(Debug)]
pub(crate) struct VersionSet {
    /// `None` in a read-only engine.
    pub manifest: Option<Manifest>,
    pub version: Arc<Version>,
    pub active: Arc<Memtable>,
    /// Memtables that wait for their flush, oldest first.
    pub frozen: VecDeque<Arc<Memtable>>,
    /// Gives out run ids.
    pub next_run: u64,
}

impl VersionSet {
    /// A new active memtable takes over; the old one waits for its flush.
    pub fn install_active(&mut self, inner: &Inner, active: Arc<Memtable>) {
        let old = std::mem::replace(&mut self.active, active);
        self.frozen.push_back(old);
        self.publish(inner);
    }

    /// Applies an edit: to the manifest, to the version, to what readers see.
    ///
    /// `flushed` are the memtables whose contents the edit's tables hold.
    pub fn install(&mut self, inner: &Inner, edit: VersionEdit, flushed: usize) -> Result<()> {
        inner.fault.check_internal()?;
        let version = self.version.apply(&edit, &inner.files)?;
        if let Some(manifest) = &mut self.manifest {
            manifest
                .append(&edit)
                .inspect_err(|error| inner.fault.poison(error))?;
        }
        self.version.retire(&edit);
        self.version = Arc::new(version);
        self.frozen.drain(..flushed);
        self.publish(inner);
        Ok(())
    }

    /// Puts another memtable in place of the empty one.
    pub fn replace_active(&mut self, inner: &Inner, active: Arc<Memtable>) {
        self.active = active;
        self.publish(inner);
    }

    /// Freezes the last memtable of an engine that closes.
    pub fn freeze_last(&mut self, inner: &Inner) {
        let empty = MemtableWriter::new(inner.peek_file_number());
        self.install_active(inner, empty.memtable().clone());
    }

    /// The tables that recovery added to those of the manifest.
    pub fn added_since(&self, state: &ManifestState) -> Vec<AddedTable> {
        let mut added = Vec::new();
        for (level, tables) in self.version.levels().iter().enumerate() {
            for run in tables.runs() {
                let new = run
                    .tables()
                    .iter()
                    .filter(|t| !state.has_table(t.meta().number));
                added.extend(new.map(|table| AddedTable {
                    level: level as u8,
                    run: run.id(),
                    meta: table.meta().clone(),
                }));
            }
        }
        added
    }

    /// The value files that recovery added to those of the manifest.
    pub fn value_files_since(&self, state: &ManifestState) -> Vec<ValueFileMeta> {
        let known = state.value_files();
        let metas = self
            .version
            .value_files()
            .values()
            .map(|entry| entry.handle.meta());
        metas
            .filter(|meta| known.get(&meta.number) != Some(*meta))
            .cloned()
            .collect()
    }

    /// A run id nobody had before.
    pub fn new_run(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run - 1
    }

    fn publish(&self, inner: &Inner) {
        let frozen = self.frozen.iter().cloned();
        let next = SuperVersion::new(self.active.clone(), frozen, self.version.clone());
        inner.super_version.store(Arc::new(next));
        inner.update_pressure(self);
    }
}
