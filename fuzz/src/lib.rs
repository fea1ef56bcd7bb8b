//! What the fuzz targets do with their input.
//!
//! A target is a function from bytes to nothing. It panics, hangs or takes too much memory if there
//! is a bug; an error from the database is an answer. Where more can be said than "no panic", the
//! target says it: what was decoded encodes to the same, what `verify` calls sound reads the same
//! both ways, a damaged encrypted database gives right answers or errors.
//!
//! Checksums would stop nearly every input at the door, so targets that read files run each input
//! either way: its first byte says whether wrong checksums are noticed.
//!
//! [`Target::seeds`] are valid inputs, made of the files that the format's fixtures hold, so that
//! fuzzing begins deep inside. `regressions/TARGET` holds inputs that once failed. The tests
//! here replay both without a fuzzer.

#![forbid(unsafe_code)]

pub mod block;
pub mod catalog;
pub mod commit;
pub mod directory;
mod disk;
mod fixtures;
pub mod import;
pub mod log;
pub mod manifest;
pub mod records;
pub mod shell;
pub mod sql;
pub mod table;
pub mod value;

/// A fuzz target.
pub struct Target {
    /// The name of its binary.
    pub name: &'static str,
    /// Tries an input.
    pub run: fn(&[u8]),
    /// Valid inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("block", block::run, block::seeds),
    target("catalog", catalog::run, catalog::seeds),
    target("commit", commit::run, commit::seeds),
    target("directory", directory::run, directory::seeds),
    target("import", import::run, import::seeds),
    target("log", log::run, log::seeds),
    target("manifest", manifest::run, manifest::seeds),
    target("records", records::run, records::seeds),
    target("shell", shell::run, shell::seeds),
    target("sql", sql::run, sql::seeds),
    target("table", table::run, table::seeds),
    target("value", value::run, value::seeds),
];

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// Splits the first byte off an input; zero if there is none.
fn selector(input: &[u8]) -> (u8, &[u8]) {
    match input.split_first() {
        Some((first, rest)) => (*first, rest),
        None => (0, &[]),
    }
}

/// Splits an input into pieces, each after its length in two bytes. The last one takes what there
/// is.
fn pieces(mut input: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// An input of [`pieces`].
fn joined<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut input = Vec::new();
    for piece in pieces {
        let piece = piece.as_ref();
        let length = u16::try_from(piece.len()).expect("seeds are short");
        input.extend_from_slice(&length.to_le_bytes());
        input.extend_from_slice(piece);
    }
    input
}

/// An input that begins with a selector.
fn selected(selector: u8, rest: &[u8]) -> Vec<u8> {
    [&[selector], rest].concat()
}
