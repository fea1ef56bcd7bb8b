//! The commands in the README and the guides, run word for word.
//!
//! - A block of `sh` is a script that must succeed.
//! - A block of `console` is what a terminal shows: commands after `$ `, lines typed at the
//!   prompts of the shell that a command opened, and all they print. `...` stands for anything.
//! - A block of `rust` is an example of the crate `rustdb`, whose documentation includes the file.
//! - A block of `text` or `toml` is not run.
//!
//! The blocks of a file share a directory, as for somebody who reads it from beginning to end.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Outcome, command, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn documents() -> Vec<PathBuf> {
    let guides = std::fs::read_dir(root().join("docs/guide")).unwrap();
    let mut documents: Vec<_> = guides.map(|entry| entry.unwrap().path()).collect();
    documents.extend(["README.md", "docs/SECURITY.md"].map(|name| root().join(name)));
    documents.sort();
    documents
}

struct Block {
    language: String,
    /// Where it is, for the one who looks why it failed.
    place: String,
    text: String,
}

/// The fenced blocks. Indented ones have no language, so that nobody would know how to run them.
fn blocks(path: &Path) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    let mut is_after_blank = true;
    for (line, number) in std::fs::read_to_string(path).unwrap().lines().zip(1..) {
        if let Some(language) = line.strip_prefix("```") {
            is_inside = !is_inside;
            if is_inside {
                blocks.push(Block {
                    language: language.to_owned(),
                    place: format!("{}:{number}", path.display()),
                    text: String::new(),
                });
            }
        } else if is_inside {
            let block = blocks.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        } else {
            let is_indented = is_after_blank && line.starts_with("    ");
            assert!(!is_indented, "{}:{number}: fence it", path.display());
        }
        is_after_blank = line.is_empty();
    }
    assert!(!is_inside, "{}: a fence is not closed", path.display());
    blocks
}

/// A directory as a clone's is: with the sample tables, and `rustdb` on the path.
struct Clone(tempfile::TempDir);

impl Clone {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let link = std::os::unix::fs::symlink::<PathBuf, PathBuf>;
        link(env!("CARGO_BIN_EXE_rustdb").into(), bin.join("rustdb")).unwrap();
        link(root().join("crates"), place.path().join("crates")).unwrap();
        let packages = root().join("crates/cli/tests/data/packages.csv");
        std::fs::copy(packages, place.path().join("packages.csv")).unwrap();
        Self(place)
    }

    fn shell(&self, script: &str, input: &str) -> Outcome {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.0.path().join("bin").display());
        let mut shell = Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", script]);
        shell.env_clear().env("PATH", path);
        shell.current_dir(self.0.path());
        run(&mut shell, input)
    }
}

/// Commands of a clone that the tests cannot repeat: what they build is what is under test.
fn in_a_clone(script: &str) -> String {
    let lines = script
        .lines()
        .filter(|line| *line != "cargo test --workspace");
    let lines: Vec<_> = lines
        .map(|line| line.replace("cargo run --release --", "rustdb"))
        .collect();
    lines.join("\n")
}

/// A command, the lines typed into the shell it opens, and what is printed.
#[derive(Default)]
struct Exchange {
    command: String,
    typed: String,
    printed: String,
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            exchanges.push(Exchange {
                command: command.to_owned(),
                ..Exchange::default()
            });
            continue;
        }
        let exchange = exchanges.last_mut().expect("a block begins with a command");
        let (to, line) = match line.split_once("> ") {
            Some((prompt, typed)) if prompt.starts_with("rustdb") => (&mut exchange.typed, typed),
            _ => (&mut exchange.printed, line),
        };
        to.push_str(line);
        to.push('\n');
    }
    exchanges
}

/// Whether `text` is the pattern, in which `...` stands for anything.
fn matches(text: &str, pattern: &str) -> bool {
    match pattern.split_once("...") {
        None => text == pattern,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| matches(&text[at..], rest))
        }),
    }
}

#[test]
fn every_block_of_the_documents_does_what_it_shows() {
    let mut run_blocks = 0;
    for path in documents() {
        let clone = Clone::new();
        for block in blocks(&path) {
            match block.language.as_str() {
                "sh" => {
                    let outcome = clone.shell(&in_a_clone(&block.text), "");
                    assert_eq!(outcome.code, 0, "{}: {outcome:?}", block.place);
                }
                "console" => {
                    for exchange in exchanges(&block.text) {
                        let outcome = clone.shell(&exchange.command, &exchange.typed);
                        let shown = format!("{}{}", outcome.stdout, outcome.stderr);
                        assert!(
                            matches(&shown, &exchange.printed),
                            "{}: `{}` printed\n{shown}",
                            block.place,
                            exchange.command
                        );
                    }
                }
                "rust" => {
                    let library = root().join("crates/rustdb/src/lib.rs");
                    let library = std::fs::read_to_string(library).unwrap();
                    let name = path.file_name().unwrap().to_str().unwrap();
                    let is_included = library.contains(&format!("/{name}\")]"));
                    assert!(is_included, "{}: nobody compiles it", block.place);
                }
                "text" | "toml" => continue,
                other => panic!("{}: what is `{other}`?", block.place),
            }
            run_blocks += 1;
        }
    }
    assert!(run_blocks >= 9, "only {run_blocks} blocks were found");
}

#[test]
fn the_paths_in_the_toml_of_the_readme_exist() {
    let blocks = blocks(&root().join("README.md"));
    let toml = blocks
        .iter()
        .find(|block| block.language == "toml")
        .unwrap();
    let (_, path) = toml.text.split_once("path = \"rustdb/").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    assert!(root().join(path).join("Cargo.toml").exists(), "{path}");
}

#[test]
fn the_exit_codes_of_the_guide_are_those_of_the_help() {
    let help = run(command().arg("--help"), "").ok();
    let guide = std::fs::read_to_string(root().join("docs/guide/cli.md")).unwrap();
    for code in ["0", "1", "2", "130", "143"] {
        assert!(guide.contains(&format!("| {code} |")), "{code}");
        let mut words = help.split(|it: char| !it.is_alphanumeric());
        assert!(words.any(|word| word == code), "{code}");
    }
}
