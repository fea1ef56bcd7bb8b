//! Rows that find no partner in a join are left out where they are read.
//!
//! Once the right side of a hash join is in its table, the scan at the end of the left side is
//! [told](super::Operator::restrict) which integers have a partner: of a row that has none no other
//! column is read. Most rows of a large table come to nothing where the other side was filtered.
//!
//! That is worth it only as long as few rows pass, so a share of them is counted, and the test is
//! given up where most do. It says nothing that the join would not say again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustdb_types::Members;

use super::join_table::Table;

/// The keys of a join's table, for one run of a scan.
#[derive(Debug)]
pub(super) struct MembersOf {
    table: Arc<Table>,
    /// How many rows were looked at since it was last asked whether that is worth it.
    seen: AtomicU32,
    passed: AtomicU32,
}

/// So many rows tell whether the test is worth it.
const SAMPLE: u32 = 1 << 12;

/// It was not.
const GIVEN_UP: u32 = u32::MAX;

impl MembersOf {
    pub(super) fn new(table: &Arc<Table>) -> Arc<MembersOf> {
        Arc::new(MembersOf {
            table: table.clone(),
            seen: AtomicU32::new(0),
            passed: AtomicU32::new(0),
        })
    }
}

impl Members for MembersOf {
    fn contains(&self, key: &[i64]) -> bool {
        // One thread goes through the rows, and nothing depends on the numbers.
        let seen = self.seen.load(Ordering::Relaxed);
        if seen == GIVEN_UP {
            return true;
        }
        let found = self.table.has_integers(key);
        let passed = self.passed.load(Ordering::Relaxed) + u32::from(found);
        let (seen, passed) = match seen + 1 {
            SAMPLE if passed > SAMPLE / 2 => (GIVEN_UP, 0),
            SAMPLE => (0, 0),
            seen => (seen, passed),
        };
        self.seen.store(seen, Ordering::Relaxed);
        self.passed.store(passed, Ordering::Relaxed);
        found
    }
}
