//! The locks of the tables that a statement with a plan names.

use rustdb_txn::{IsolationLevel, LockError, ObjectMode, Wait};
use rustdb_types::Oid;

use super::Session;
use crate::error::Result;

impl Session {
    /// Locks tables; the version of the catalog afterwards. What was committed until then the
    /// statement sees, unless the transaction's isolation says otherwise.
    pub(super) fn lock_named(&mut self, tables: &[(Oid, ObjectMode)]) -> Result<u64> {
        let wait = self.wait();
        let open = self.open()?;
        let mut has_waited = false;
        for (table, mode) in tables {
            let number = rustdb_catalog::lock::object(*table);
            let locked = open.transaction.lock_object(number, *mode, Wait::No);
            if let Err(rustdb_txn::Error::Lock(LockError::NotAvailable)) = locked {
                open.transaction.lock_object(number, *mode, wait)?;
                has_waited = true;
            } else {
                locked?;
            }
        }
        let version = open.change.version();
        if (has_waited || version != open.catalog_seen)
            && open.transaction.isolation() == IsolationLevel::ReadCommitted
        {
            open.transaction.refresh()?;
            open.catalog_seen = version;
        }
        Ok(version)
    }
}
