//! The engine as its users see it.

#![expect(clippy::unwrap_used, reason = "a test that meets an error should fail")]

mod basic;
mod cancel;
mod checkpoint;
mod compaction;
mod encryption;
mod fixtures;
mod idle;
mod lost_pages;
mod recovery;
mod reencrypt;
mod repair;
mod runs;
mod threads;
mod unsynced;
mod verify;
