//! `cargo xtask fuzz`: builds the fuzz targets of `fuzz/` and runs them.
//!
//! The targets are libFuzzer programs. What libFuzzer needs from the compiler is LLVM's coverage
//! instrumentation, which the stable compiler has as well: the flags below are all that a nightly
//! one would be asked for. Addresses are not sanitized, for which a nightly would be needed; our
//! `unsafe` code is below what is fuzzed here.
//!
//! Inputs that reach new code are kept from run to run, outside of the repository. An input that
//! fails is kept too; once its bug is fixed it belongs into `fuzz/regressions/TARGET`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::workspace::{self, cargo, run};

const HELP: &str = "\
usage: cargo xtask fuzz [TARGET...] [OPTIONS]

  TARGET               what to fuzz; see --list
  --all                every target, one after the other
  --list               print the targets
  --seconds N          how long each runs (60)
  --jobs N             processes that share the work on a target (1)
  --corpus DIRECTORY   where inputs are kept (the build's target directory)
  --input FILE         run one target on this file only

The exit code is 0 if nothing was found. Needs a C++ compiler.
";

/// More memory than this is a finding.
const MEMORY_MIB: u32 = 1024;

/// An input that takes more seconds is a finding.
const INPUT_SECONDS: u32 = 20;

/// Coverage of edges in counters, with the values that comparisons see.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// What to do.
struct Plan {
    targets: Vec<String>,
    seconds: u32,
    jobs: u32,
    corpus: Option<PathBuf>,
    input: Option<PathBuf>,
}

/// Builds and runs targets, or lists them.
pub(crate) fn command(arguments: &[String]) -> Result<(), Failure> {
    let known = targets()?;
    let first = arguments.first().map(String::as_str);
    match first {
        None | Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(());
        }
        Some("--list") => {
            for (name, what) in &known {
                println!("{name:10} {what}");
            }
            return Ok(());
        }
        Some(_) => {}
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let plan = Plan::parse(arguments, &names)?;
    let programs = build(&plan.targets)?;
    if let (Some(input), [target]) = (&plan.input, &plan.targets[..]) {
        return run(&mut limited(&programs.join(target), input));
    }
    let place = target_directory().join("fuzz");
    let corpus = plan.corpus.clone().unwrap_or_else(|| place.join("corpus"));
    write_seeds(&corpus)?;
    let findings = place.join("findings");
    fs::create_dir_all(&findings)
        .map_err(|error| format!("cannot create `{}`: {error}", findings.display()))?;
    let mut failed = Vec::new();
    for target in &plan.targets {
        let program = programs.join(target);
        if let Err(failure) = fuzz(&plan, &program, &corpus.join(target), &findings) {
            eprintln!("error: {failure}");
            failed.push(target.as_str());
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "found something in {}; the inputs are in `{}`\nhint: `cargo xtask fuzz {} --input \
             FILE` repeats one",
            failed.join(", "),
            findings.display(),
            failed[0]
        )),
    }
}

impl Plan {
    fn parse(arguments: &[String], known: &[&str]) -> Result<Plan, Failure> {
        let mut plan = Plan {
            targets: Vec::new(),
            seconds: 60,
            jobs: 1,
            corpus: None,
            input: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{argument}` needs a value\n\n{HELP}"))
            };
            match argument.as_str() {
                "--all" => plan.targets = known.iter().map(|&name| name.to_owned()).collect(),
                "--seconds" => plan.seconds = number(argument, value()?)?,
                "--jobs" => plan.jobs = number(argument, value()?)?,
                "--corpus" => plan.corpus = Some(absolute(value()?)?),
                "--input" => plan.input = Some(absolute(value()?)?),
                target if known.contains(&target) => plan.targets.push(target.to_owned()),
                other => {
                    let targets = known.join(", ");
                    return Err(format!(
                        "no target `{other}`: there are {targets}\n\n{HELP}"
                    ));
                }
            }
        }
        match (&plan.input, plan.targets.len()) {
            (_, 0) => Err(format!("which target? `--all` is all of them\n\n{HELP}")),
            (Some(_), 2..) => Err("`--input` goes with one target".to_owned()),
            _ => Ok(plan),
        }
    }
}

fn number(option: &str, text: &str) -> Result<u32, Failure> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!(
            "`{option}` needs a number above zero, not `{text}`"
        )),
    }
}

/// Programs run in the repository, whatever the directory of the person who asks.
fn absolute(path: &str) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| format!("no path `{path}`: {error}"))
}

/// The targets, each with what it fuzzes: the first line of its file.
fn targets() -> Result<Vec<(String, String)>, Failure> {
    let folder = workspace::root().join("fuzz/fuzz_targets");
    let unreadable = |error| format!("cannot read `{}`: {error}", folder.display());
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let (Some(name), Some("rs")) = (
            path.file_stem().and_then(|stem| stem.to_str()),
            path.extension().and_then(|extension| extension.to_str()),
        ) else {
            continue;
        };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let what = text.lines().next().unwrap_or_default();
        targets.push((name.to_owned(), what.trim_start_matches("//! ").to_owned()));
    }
    targets.sort();
    Ok(targets)
}

/// Cargo in the package of the targets.
fn fuzz_cargo(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([command, "--manifest-path", "fuzz/Cargo.toml"]);
    cargo
}

/// Builds the targets; returns the directory of the programs.
fn build(targets: &[String]) -> Result<PathBuf, Failure> {
    let host = host()?;
    // With a target named, build scripts and macros are not instrumented.
    let directory = target_directory().join("fuzz");
    let mut command = fuzz_cargo("build");
    command.args(["--release", "--features", "libfuzzer", "--target", &host]);
    for target in targets {
        command.args(["--bin", target]);
    }
    command.env("CARGO_TARGET_DIR", &directory);
    run(command.env("RUSTFLAGS", INSTRUMENTATION)).map_err(|failure| {
        format!("{failure}\nhint: the fuzzer is C++, so building it needs a C++ compiler")
    })?;
    Ok(directory.join(host).join("release"))
}

/// Writes valid inputs to begin with.
fn write_seeds(corpus: &Path) -> Result<(), Failure> {
    let mut command = fuzz_cargo("run");
    command
        .args(["--quiet", "--bin", "seeds", "--"])
        .arg(corpus);
    run(command.env("CARGO_TARGET_DIR", target_directory().join("fuzz")))
}

/// Runs a target.
fn fuzz(plan: &Plan, program: &Path, corpus: &Path, findings: &Path) -> Result<(), Failure> {
    let mut command = limited(program, corpus);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let prefix = findings.join(format!("{name}-"));
    command
        .arg(format!("-max_total_time={}", plan.seconds))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        .args(["-use_value_profile=1", "-print_final_stats=1"]);
    if plan.jobs > 1 {
        command.arg(format!("-fork={}", plan.jobs));
    }
    run(&mut command)
}

/// A target with its limits, and a file or directory of inputs.
fn limited(program: &Path, inputs: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg(inputs)
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-timeout={INPUT_SECONDS}"));
    command
}

/// Where everything that is built goes.
fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace::root().join(directory),
        None => workspace::root().join("target"),
    }
}

/// The machine that the compiler builds for.
fn host() -> Result<String, Failure> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(&rustc)
        .args(["--version", "--verbose"])
        .output()
        .map_err(|error| format!("cannot run `{rustc}`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| format!("`{rustc}` does not say what it builds for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Plan, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Plan::parse(&words, &["log", "table"])
    }

    #[test]
    fn options_and_targets_go_in_any_order() {
        let plan = parse("--seconds 600 table --jobs 2 log").unwrap();
        assert_eq!(plan.targets, ["table", "log"]);
        assert_eq!((plan.seconds, plan.jobs), (600, 2));
        assert_eq!(parse("--all").unwrap().targets, ["log", "table"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "",
            "--seconds 5",
            "logs",
            "log --seconds",
            "log --seconds 0",
            "log table --input x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_target_says_what_it_fuzzes() {
        let targets = targets().unwrap();
        assert!(targets.len() > 5);
        for (name, what) in targets {
            assert!(what.len() > 10, "{name}: {what}");
        }
    }
}
