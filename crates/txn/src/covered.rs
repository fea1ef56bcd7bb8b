//! Writes and reads for layers that lock what they write and read the newest state under the lock.
//!
//! A covered write is not compared with the snapshot, because nobody else can have written the key
//! since the lock was granted and the key was read. Where its caller knows whether the key had a
//! value, the count of a counted keyspace needs no look-up at the commit.

use rustdb_storage::engine::ReadAt;
use rustdb_storage::slice::Slice;

use crate::error::Result;
use crate::limits::check_value;
use crate::lock::{RowMode, Wait};
use crate::manager::KeyspaceRef;
use crate::scan::{KeyRange, Scan, check_range};
use crate::transaction::{RowState, Transaction};
use crate::write_set::{NEVER, Write};

impl Transaction {
    /// Waits for those who are deleting a row or giving it another key, and not for those who have
    /// merely locked it; what they wrote is visible then. Tells as [`Transaction::lock_row`] does
    /// whether the row is what the snapshot says; what this transaction has written is.
    pub fn outlast_removal(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        wait: Wait,
    ) -> Result<RowState> {
        self.locks
            .outlast_row(keyspace.id, key, RowMode::Presence, wait)?;
        if self.writes.borrow().find(keyspace.id, key)?.is_some() {
            return Ok(RowState::Unchanged);
        }
        self.row_state(keyspace, key)
    }

    /// Locks a key that has no value, the newest committed one or the transaction's own. Returns
    /// whether that is so; if not, the key is not locked.
    pub fn lock_absent(&mut self, keyspace: KeyspaceRef, key: &[u8], wait: Wait) -> Result<bool> {
        let mark = self.locks.mark();
        self.lock_row(keyspace, key, RowMode::Update, wait)?;
        let is_absent = self.get_newest(keyspace, key)?.is_none();
        if !is_absent {
            self.locks.release_since(mark);
        }
        Ok(is_absent)
    }

    /// As [`Transaction::get`], for what a lock of the caller keeps as it is: a serializable
    /// transaction does not conflict with those who change it before.
    pub fn get_covered(&self, keyspace: KeyspaceRef, key: &[u8]) -> Result<Option<Slice>> {
        if let Some(write) = self.writes.borrow().find(keyspace.id, key)? {
            return Ok(write.into_visible(|| self.now()));
        }
        let at = ReadAt::Snapshot(self.snapshot());
        Ok(self.engine().get(keyspace.id, key, at)?)
    }

    /// Whether nobody else has written in a keyspace since the snapshot, as far as is known: no
    /// may be wrong, yes is right as long as others are kept out.
    pub fn is_newest_in(&self, keyspace: KeyspaceRef) -> bool {
        let newest = self.shared.checks.slots.newest_in(keyspace.id);
        newest <= self.snapshot.sequence()
    }

    /// A walk through a range of what is committed now, under the transaction's own writes,
    /// whatever its snapshot says. The caller's locks cover what it looks for.
    pub fn scan_newest(&self, keyspace: KeyspaceRef, range: KeyRange) -> Result<Scan> {
        check_range(&range)?;
        let newest = self.engine().snapshot();
        Ok(Scan::new(keyspace, range, None).at(newest))
    }

    /// As [`Transaction::put`], for a key that a lock of the caller covers: it is not compared
    /// with the snapshot, and no lock is taken.
    pub fn put_locked(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8]) -> Result<()> {
        check_value(value)?;
        self.write_unchecked(keyspace, key, Some(Slice::copy_from(value)))
    }

    /// As [`Transaction::delete`], for a key that a lock of the caller covers.
    pub fn delete_locked(&mut self, keyspace: KeyspaceRef, key: &[u8]) -> Result<()> {
        self.write_unchecked(keyspace, key, None)
    }

    /// Writes a key that is not there yet, for a caller whose lock covers it. Returns whether it
    /// was written: not so if it has a value, the newest committed one or the transaction's own.
    pub fn insert_locked(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: &[u8],
    ) -> Result<bool> {
        check_value(value)?;
        self.check_writable(key)?;
        let own = self.writes.get_mut().find(keyspace.id, key)?;
        let existed = match own {
            Some(write) if write.visible(|| self.now()).is_some() => return Ok(false),
            Some(write) => write.existed,
            None if self.engine().contains(keyspace.id, key, ReadAt::Latest)? => return Ok(false),
            None => Some(false),
        };
        self.write_covered(keyspace, key, Some(Slice::copy_from(value)), existed)?;
        Ok(true)
    }

    /// Writes a key that nobody else can know of. Its caller says that it has no value.
    pub fn insert_new(&mut self, keyspace: KeyspaceRef, key: &[u8], value: &[u8]) -> Result<()> {
        check_value(value)?;
        self.check_writable(key)?;
        self.write_covered(keyspace, key, Some(Slice::copy_from(value)), Some(false))
    }

    /// As [`Transaction::put_locked`], for a key that has a value, the newest committed one or
    /// the transaction's own.
    pub fn replace_locked(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        check_value(value)?;
        self.check_writable(key)?;
        self.write_over(keyspace, key, Some(Slice::copy_from(value)))
    }

    /// As [`Transaction::delete_locked`], for a key that has a value, the newest committed one or
    /// the transaction's own.
    pub fn remove_locked(&mut self, keyspace: KeyspaceRef, key: &[u8]) -> Result<()> {
        self.check_writable(key)?;
        self.write_over(keyspace, key, None)
    }

    /// Writes a key that has a value now.
    fn write_over(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: Option<Slice>,
    ) -> Result<()> {
        let write = Write {
            value,
            expiry: NEVER,
            is_checked: false,
            existed: None,
        };
        self.make_room()?;
        self.about_to_write(keyspace, key, &write);
        self.writes.get_mut().write_over(keyspace.id, key, write)?;
        self.charge_writes();
        Ok(())
    }

    fn write_covered(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: Option<Slice>,
        existed: Option<bool>,
    ) -> Result<()> {
        let write = Write {
            value,
            expiry: NEVER,
            is_checked: false,
            existed,
        };
        self.write_raw(keyspace, key, write)
    }

    fn write_unchecked(
        &mut self,
        keyspace: KeyspaceRef,
        key: &[u8],
        value: Option<Slice>,
    ) -> Result<()> {
        self.check_writable(key)?;
        let write = Write {
            value,
            expiry: NEVER,
            is_checked: false,
            existed: None,
        };
        self.write_raw(keyspace, key, write)
    }
}
