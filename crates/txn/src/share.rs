//! Several threads that read what one transaction sees.

use crate::Result;
use crate::manager::KeyspaceRef;
use crate::scan::{KeyRange, check_range};
use crate::transaction::{Access, Transaction};

impl Transaction {
    /// A transaction of its own, for another thread, that reads what this one sees now. `None` if
    /// there are writes, which only this one sees, or if it has to know what was read.
    pub fn reader(&self) -> Option<Transaction> {
        if self.remembers_reads() || !self.is_clean() {
            return None;
        }
        let (shared, access) = (self.shared.clone(), Access::ReadOnly);
        let locks = shared.new_owner();
        Some(Self::begin_at(
            shared,
            locks,
            self.snapshot.clone(),
            self.isolation,
            access,
        ))
    }

    /// Cuts a range into parts of about the same size, in their order: see [`Engine::split`]. What
    /// the transaction has written itself is in one of them too.
    pub fn split(
        &self,
        keyspace: KeyspaceRef,
        range: KeyRange,
        part_bytes: u64,
        parts_max: u64,
    ) -> Result<Vec<KeyRange>> {
        check_range(&range)?;
        let (start, end) = (&range.start, range.end.as_deref());
        let engine = self.engine();
        let cuts = engine.split(keyspace.id, start, end, part_bytes, parts_max)?;
        let mut parts = Vec::with_capacity(cuts.len() + 1);
        let mut rest = range;
        for cut in cuts {
            let start = std::mem::replace(&mut rest.start, cut.clone());
            let end = Some(cut);
            parts.push(KeyRange { start, end });
        }
        parts.push(rest);
        Ok(parts)
    }
}
