//! What fuzz targets call: the parsers of what people and files give to the command.
//!
//! Exists with the feature `fuzzing` only.

use crate::shell;
use crate::transfer::fuzzing as transfer;

/// Parses a line of the shell; returns whether it is a command.
pub fn shell_line(line: &str) -> bool {
    shell::fuzz_line(line)
}

/// Reads CSV with the key columns named (`auto` numbers rows, nothing stands for none); returns how
/// many entries it holds, or `None` if it is refused as a whole.
pub fn csv(bytes: &[u8], delimiter: u8, key: Option<&str>) -> Option<u64> {
    transfer::csv(bytes, delimiter, key)
}

/// As [`csv`] for JSON lines.
pub fn json_lines(bytes: &[u8], key: Option<&str>) -> Option<u64> {
    transfer::json_lines(bytes, key)
}

/// As [`csv`] for a dump. What is read from it, written again, must read the same.
pub fn dump(bytes: &[u8]) -> Option<u64> {
    transfer::dump(bytes)
}

/// A dump made of these payloads of frames, with the header and the checksums that make it whole.
pub fn seal_dump(payloads: &[&[u8]]) -> Vec<u8> {
    transfer::seal_dump(payloads)
}
