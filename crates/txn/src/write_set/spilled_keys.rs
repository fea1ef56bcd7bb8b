//! Which keys the files of a layer have, as far as a filter tells.
//!
//! A transaction that writes millions of keys in no order has many files, and looks most keys up
//! before it writes them, to find that they are in none. One look at a filter over all files says so,
//! where each file would be asked. The filter is made of the files' keys when a key is looked up
//! among several files for the first time, and goes on with those that come later: who only writes
//! pays nothing for it.

use rustdb_storage::Result;
use rustdb_storage::engine::Engine;
use rustdb_storage::iter::EntryCursor;
use rustdb_storage::memory::{Account, MemoryCharge};
use rustdb_storage::memtable::filter::{FilterWriter, KeyFilter};
use rustdb_storage::table::key_hash;

use super::Piece;

/// With fewer files each is asked.
const PIECES_MIN: usize = 4;

/// How much of a file is read at once.
const READAHEAD_BYTES: usize = 128 << 10;

/// See the module. It stands for the first so many of a layer's pieces, which never change.
#[derive(Debug)]
pub(super) struct SpilledKeys {
    filter: KeyFilter,
    writer: FilterWriter,
    pieces: usize,
    charge: Option<MemoryCharge>,
    /// Memory is scarce: files are asked, as if there were few.
    is_given_up: bool,
}

impl Default for SpilledKeys {
    fn default() -> Self {
        SpilledKeys {
            filter: KeyFilter::default(),
            writer: FilterWriter::new(0),
            pieces: 0,
            charge: None,
            is_given_up: false,
        }
    }
}

impl SpilledKeys {
    /// Has the memory that it will take counted.
    pub(super) fn count_memory(&mut self, engine: &Engine) {
        let charge = || engine.memory().charge(Account::WriteSets);
        self.charge.get_or_insert_with(charge);
    }

    /// Whether some piece may have a storage key. Never wrong about one that is there.
    pub(super) fn may_contain(&mut self, pieces: &[Piece], key: &[u8]) -> Result<bool> {
        if pieces.len() < PIECES_MIN || self.is_given_up {
            return Ok(true);
        }
        if self.pieces < pieces.len() {
            self.catch_up(pieces)?;
        }
        Ok(self.is_given_up || self.filter.may_contain(key_hash(key)))
    }

    /// Adds the keys of pieces that are new.
    #[cold]
    fn catch_up(&mut self, pieces: &[Piece]) -> Result<()> {
        while let Some(piece) = pieces.get(self.pieces) {
            if let Some(mut cursor) = piece.new_cursor(READAHEAD_BYTES) {
                cursor.seek_to_first()?;
                while cursor.valid() {
                    self.writer.add(&self.filter, key_hash(cursor.key()));
                    cursor.next()?;
                }
            }
            self.pieces += 1;
            if let Some(charge) = &mut self.charge {
                charge.set(self.filter.memory_bytes());
                if charge.should_let_go() {
                    *self = SpilledKeys {
                        is_given_up: true,
                        ..SpilledKeys::default()
                    };
                    break;
                }
            }
        }
        Ok(())
    }
}
