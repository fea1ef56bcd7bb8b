//! The memory that a transaction's writes take, and what happens when it is too much.

use rustdb_storage::memory::Account;

use crate::error::Result;
use crate::transaction::Transaction;

/// Writes are not counted against the budget of memory before they take so much.
const CHARGED_BYTES_MIN: usize = 64 << 10;

impl Transaction {
    /// Sees to it that there is memory for another write: moves those that there are to files if
    /// they take too much. They stay in memory if that fails.
    pub(crate) fn make_room(&mut self) -> Result<()> {
        let bytes_max = self.shared.options.write_set_bytes_max;
        let writes = self.writes.get_mut();
        let Some(charge) = &mut self.charge else {
            return Ok(());
        };
        let before = writes.unspilled_bytes();
        let is_over = before > bytes_max / 2;
        if !is_over && !charge.should_let_go() {
            return Ok(());
        }
        writes.settle();
        // Unless one key was written again and again.
        let made = match writes.unspilled_bytes() > before / 2 {
            false => Ok(()),
            true if charge.should_let_go() => writes.spill(&self.shared.engine),
            true => writes.begin_spill(&self.shared.engine),
        };
        charge.set(writes.memory_bytes());
        Ok(made?)
    }

    /// Accounts for what the writes take in memory.
    pub(crate) fn charge_writes(&mut self) {
        let bytes = self.writes.get_mut().memory_bytes();
        let bytes_max = self.shared.options.write_set_bytes_max;
        if self.charge.is_some() || bytes >= CHARGED_BYTES_MIN.min(bytes_max / 2) {
            let memory = self.shared.engine.memory();
            let charge = self
                .charge
                .get_or_insert_with(|| memory.charge(Account::WriteSets));
            charge.set(bytes);
        }
    }
}
