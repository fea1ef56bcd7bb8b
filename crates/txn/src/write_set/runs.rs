//! Sorted runs that were written beside the write set and become a part of it.

use rustdb_storage::engine::{Engine, SortedRun};
use rustdb_storage::key::split_storage_key;
use rustdb_storage::{KeyspaceId, Result};

use super::{Contents, Piece, WriteSet};
use crate::ranges::successor;

impl WriteSet {
    /// Adds a sorted run of keys that are all new, in a keyspace of which nothing else was written.
    pub(crate) fn add_run(
        &mut self,
        keyspace: KeyspaceId,
        run: SortedRun,
        keys: u64,
    ) -> Result<()> {
        debug_assert!(!self.touches(keyspace), "there would be something above it");
        self.version += 1;
        self.top()
            .add_piece(Piece::of_run(run, keyspace, Contents::of_new(keys), false)?);
        Ok(())
    }

    /// Adds a sorted run of writes above all that was written so far. Their keys have to be unchanged
    /// since the snapshot.
    pub(crate) fn add_run_above(
        &mut self,
        engine: &Engine,
        keyspace: KeyspaceId,
        run: SortedRun,
        contents: Contents,
    ) -> Result<()> {
        let piece = Piece::of_run(run, keyspace, contents, true)?;
        self.version += 1;
        // What is in memory, or on its way, is above all pieces.
        let spilled = self.top().spill(engine);
        self.measure();
        spilled?;
        let keys = piece.bounds().and_then(|(first, last)| {
            let (first, last) = (split_storage_key(first)?.1, split_storage_key(last)?.1);
            Some((first.to_vec(), successor(last)))
        });
        if contents.puts > 0
            && let (Some((first, end)), Some(holes)) = (keys, self.holes.get_mut(&keyspace))
        {
            holes.remove(&first, Some(&end));
        }
        self.top().add_piece(piece);
        Ok(())
    }
}
