//! `cargo xtask ci`: every check in order. What it runs, it prints.

use crate::Failure;
use crate::tidy;
use crate::workspace::{cargo, run};

/// Runs the checks, and stops at the first that fails.
pub(crate) fn command(arguments: &[String]) -> Result<(), Failure> {
    let fast = match arguments {
        [] => false,
        [only] if only == "--fast" => true,
        _ => return Err("usage: cargo xtask ci [--fast]".to_owned()),
    };
    run(cargo().args(["fmt", "--all", "--check"]))?;
    eprintln!("$ cargo xtask tidy");
    tidy::command()?;
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    if fast {
        return Ok(());
    }
    run(cargo().args(["test", "--workspace"]))?;
    // A workspace of its own: the harnesses, without the fuzzer.
    run(cargo().args(["test", "--manifest-path", "fuzz/Cargo.toml"]))?;
    run(cargo()
        .env("RUSTDOCFLAGS", "-D warnings")
        .args(["doc", "--workspace", "--no-deps"]))?;
    if cargo()
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        run(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        eprintln!("cargo-deny is not installed: licences and sources were not checked");
    }
    Ok(())
}
