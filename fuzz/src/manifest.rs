//! Version edits: decoded, encoded again, and folded.
//!
//! Input: pieces, each an edit.

use rustdb_storage::manifest::{ManifestState, VersionEdit};

use crate::{fixtures, log};

/// Tries an input.
pub fn run(input: &[u8]) {
    let mut state = ManifestState::default();
    for piece in crate::pieces(input) {
        let Ok(edit) = VersionEdit::decode(piece) else {
            continue;
        };
        let again = VersionEdit::decode(&edit.encode());
        assert!(again.as_ref() == Ok(&edit), "an edit changes when encoded");
        // What a failed edit leaves behind is not to be used.
        let mut next = state.clone();
        if next.apply(&edit).is_err() {
            continue;
        }
        state = next;
        // A snapshot adds up to what it is a snapshot of.
        let snapshot = state.to_snapshot();
        let mut folded = ManifestState::default();
        folded.apply(&snapshot).expect("a state has a snapshot");
        assert!(
            folded.to_snapshot() == snapshot,
            "a snapshot loses something"
        );
    }
}

/// The manifests of the fixtures, whole and edit by edit, and the example of
/// `docs/format/manifest.md`.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in fixtures::plain("MANIFEST") {
        let edits = log::payloads(file);
        seeds.extend(edits.iter().map(|edit| crate::joined([edit])));
        seeds.push(crate::joined(&edits));
    }
    seeds
}
