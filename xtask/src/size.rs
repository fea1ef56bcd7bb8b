//! `cargo xtask size`: what RustDB adds to a program.
//!
//! A program that uses the key-value interface and nothing else,
//! `crates/bench/examples/embedded.rs`, is built as a small program would be: with the profile
//! `small`, stripped. It fails if that is larger than was promised.
//!
//! What the `rustdb` binary costs at rest is the suite `program` of `cargo xtask bench kv`.

use std::path::PathBuf;

use crate::Failure;
use crate::workspace::{cargo, root, run};

/// What an embedding program may weigh.
const EMBEDDED_BYTES_MAX: u64 = 2_500_000;

/// Builds the program and measures it.
pub(crate) fn command(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask size".to_owned());
    }
    let example = ["--package", "rustdb-bench", "--example", "embedded"];
    run(cargo().args(["build", "--profile", "small"]).args(example))?;
    let path = target()?.join("small/examples/embedded");
    let metadata = std::fs::metadata(&path)
        .map_err(|error| format!("cannot look at `{}`: {error}", path.display()))?;
    check(metadata.len())
}

/// The limit against the size of the program.
fn check(bytes: u64) -> Result<(), Failure> {
    if bytes > EMBEDDED_BYTES_MAX {
        return Err(format!(
            "the program has {bytes} bytes, and at most {EMBEDDED_BYTES_MAX} are promised"
        ));
    }
    println!("{bytes} bytes, of {EMBEDDED_BYTES_MAX} at most");
    Ok(())
}

/// Where cargo builds.
fn target() -> Result<PathBuf, Failure> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()
        .map_err(|error| format!("cannot run `cargo metadata`: {error}"))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` says no JSON: {error}"))?;
    let folder = metadata["target_directory"].as_str().map(PathBuf::from);
    Ok(folder.unwrap_or_else(|| root().join("target")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_larger_than_promised_fails() {
        assert!(check(EMBEDDED_BYTES_MAX).is_ok());
        assert!(check(EMBEDDED_BYTES_MAX + 1).is_err());
    }
}
