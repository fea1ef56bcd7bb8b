//! Transactions over RustDB's storage engine: isolation, conflicts, locks, savepoints.
