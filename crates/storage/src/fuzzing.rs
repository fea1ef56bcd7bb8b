//! What fuzz targets need and nobody else gets: private decoders, and a way past checksums.
//!
//! Exists with the feature `fuzzing` only. Enabling it changes nothing by itself: checksums count
//! until [`ignore_checksums`] is called.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::KeyspaceOptions;
use crate::engine::batch::decode_commit;
use crate::error::{Error, Result};
use crate::manifest::TableMeta;
use crate::table::{Table, TableStore};

static IGNORED: AtomicBool = AtomicBool::new(false);

/// From now on a wrong checksum in a plain file is not noticed, or is again. Tags of encrypted
/// files always count.
pub fn ignore_checksums(ignore: bool) {
    IGNORED.store(ignore, Ordering::Relaxed);
}

pub(crate) fn checksums_count() -> bool {
    !IGNORED.load(Ordering::Relaxed)
}

/// Decodes a group of commits, the payload of a log record, and returns how many operations it
/// has.
pub fn check_commits(mut payload: &[u8]) -> Result<usize, &'static str> {
    let mut operations = 0;
    while !payload.is_empty() {
        let commit = decode_commit(&mut payload)?;
        for operation in commit.operations {
            operation.expect("a commit is checked as a whole before it is given out");
            operations += 1;
        }
    }
    Ok(operations)
}

/// Parses the payload of a block of a table and looks at all of it.
pub fn check_block(kind: u8, payload: &[u8]) -> Result<(), &'static str> {
    crate::table::check_payload(kind, payload)
}

/// Decodes what the catalogue says about a keyspace; what was decoded must encode to the same.
pub fn check_keyspace(bytes: &[u8]) -> Result<(), &'static str> {
    let (id, options) = KeyspaceOptions::decode(bytes)?;
    let again = KeyspaceOptions::decode(&options.encode(id));
    assert_eq!(again, Ok((id, options)), "a keyspace changes when encoded");
    Ok(())
}

/// Reads what can be read of a damaged table, as repair does; returns how many entries that is.
pub fn salvage_table(store: &Arc<TableStore>, path: &Path, meta: &Arc<TableMeta>) -> Result<u64> {
    let (table, _) = Table::open_damaged(store, path, meta)?;
    let mut entries = 0;
    let _damage: Vec<Error> = table.salvage(&mut |_, _, _, _| {
        entries += 1;
        Ok(())
    })?;
    Ok(entries)
}

/// The description of a table that may be damaged, read from the table itself.
pub fn table_meta(store: &Arc<TableStore>, path: &Path) -> Result<TableMeta> {
    Table::read_meta_damaged(store, path)
}
