//! `cargo xtask bench kv` and `sql`: builds the benchmark program in release mode and runs it.
//!
//! `--peers` decides what is compiled, so it is read here; everything else is the program's.

use crate::Failure;
use crate::workspace::{cargo, run};

/// Builds and runs the benchmarks.
pub(crate) fn command(arguments: &[String]) -> Result<(), Failure> {
    let Some((suite, rest)) = arguments.split_first() else {
        return Err("usage: cargo xtask bench kv|sql [--peers] [OPTIONS]".to_owned());
    };
    if suite != "kv" && suite != "sql" {
        return Err(format!("unknown suite `{suite}`: there are `kv` and `sql`"));
    }
    let mut features = Vec::new();
    let mut passed_on = Vec::new();
    for argument in rest {
        match argument.strip_prefix("--peers") {
            Some("") => features.push("peers".to_owned()),
            Some(list) if list.starts_with('=') => {
                features.extend(list[1..].split(',').map(|peer| format!("peer-{peer}")));
            }
            _ => passed_on.push(argument),
        }
    }
    if passed_on.iter().any(|argument| argument.contains("tpch")) {
        features.push("tpch".to_owned());
    }
    let is_kv = suite == "kv";
    if is_kv
        && !passed_on
            .iter()
            .any(|argument| *argument == "--quick" || *argument == "--help")
    {
        // What the suite `program` looks at.
        run(cargo().args(["build", "--release", "--package", "rustdb-cli"]))?;
        let example = ["--package", "rustdb-bench", "--example", "embedded"];
        run(cargo().args(["build", "--profile", "small"]).args(example))?;
    }
    let mut command = cargo();
    command.args([
        "run",
        "--release",
        "--package",
        "rustdb-bench",
        "--bin",
        "rustdb-bench",
    ]);
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    run(command.arg("--").arg(suite).args(passed_on))
}
