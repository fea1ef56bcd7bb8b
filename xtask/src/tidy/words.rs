//! Words that must be in a file, and words that must not.

use super::{Finding, Source};
use crate::layers::{CRATES, Unsafe};
use crate::workspace::TextFile;

/// Folders of the machines that build this, which mean nothing on another one. They are written
/// apart, so that this file passes its own rule.
const MACHINE_FOLDERS: [&str; 3] = [
    concat!("/", "work"),
    concat!("/", "root"),
    concat!("/", "farm"),
];

/// Marks of unfinished work; each needs an owner in brackets.
const PROMISES: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("HA", "CK"),
];

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = promises(source);
    findings.extend(module_documentation(source));
    findings.extend(unsafe_code(source));
    findings
}

/// A promise without an owner is nobody's.
fn promises(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.comments.lines().enumerate() {
        for promise in PROMISES {
            for (at, _) in line.match_indices(promise) {
                let word = is_word(line, at, promise.len());
                let owned = line[at + promise.len()..].starts_with('(');
                if word && !owned {
                    let message = format!("`{promise}` needs an owner: `{promise}(name)`");
                    findings.push(Finding::error(source.path, index + 1, message));
                }
            }
        }
    }
    findings
}

/// A file is a chapter, and says first what it is.
fn module_documentation(source: &Source<'_>) -> Option<Finding> {
    let documented = source.text.trim_start().starts_with("//!");
    // A chapter's tests belong to it, wherever they are.
    let tests = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    let chapter = source.path.contains("/src/") || source.path.contains("/fuzz_targets/");
    (chapter && !tests && !documented)
        .then(|| Finding::error(source.path, 1, "begin with `//!` and say what the file is"))
}

/// `unsafe` is written where the table of layers allows it, and the compiler enforces it.
fn unsafe_code(source: &Source<'_>) -> Option<Finding> {
    let (row, name) = CRATES.iter().find_map(|row| {
        let folder = match row.name {
            "xtask" => "xtask/".to_owned(),
            name => format!("crates/{name}/"),
        };
        Some((row, source.path.strip_prefix(folder.as_str())?))
    })?;
    let program = name
        .strip_prefix("src/bin/")
        .is_some_and(|rest| !rest.contains('/'));
    let root = name == "src/lib.rs" || name == "src/main.rs" || program;
    let attribute = match row.unsafe_code {
        Unsafe::Never => "#![forbid(unsafe_code)]",
        Unsafe::Expected => "#![deny(unsafe_code)]",
        Unsafe::Anywhere => return None,
    };
    (root && !source.code.contains(attribute))
        .then(|| Finding::error(source.path, 1, format!("a crate root needs `{attribute}`")))
}

/// A path of one machine is wrong on every other.
pub(super) fn machine_paths(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for folder in MACHINE_FOLDERS {
            if line
                .match_indices(folder)
                .any(|(at, _)| is_word(line, at, folder.len()))
            {
                let message = format!("`{folder}` is a folder of one machine");
                findings.push(Finding::error(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether the `length` bytes at `at` are a word, and not part of a longer one.
fn is_word(line: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts = !line[..at].chars().next_back().is_some_and(part);
    let ends = !line[at + length..]
        .chars()
        .next()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    starts && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> usize {
        check(&Source::parse(path, text)).len()
    }

    #[test]
    fn promise_needs_an_owner() {
        let [promise, ..] = PROMISES;
        assert_eq!(errors("a.rs", &format!("// {promise}: later")), 1);
        assert_eq!(errors("a.rs", &format!("// {promise}(ann): later")), 0);
        assert_eq!(
            errors("a.rs", &format!("let x = \"{promise}\"; // {promise}S")),
            0
        );
    }

    #[test]
    fn file_begins_with_its_documentation() {
        assert_eq!(errors("crates/vfs/src/a.rs", "use std::io;\n"), 1);
        assert_eq!(errors("crates/vfs/src/a.rs", "//! A chapter.\n"), 0);
        assert_eq!(errors("crates/vfs/src/a/tests.rs", "use std::io;\n"), 0);
        assert_eq!(errors("build.rs", "use std::io;\n"), 0);
    }

    #[test]
    fn crate_roots_forbid_unsafe_code_unless_listed() {
        let plain = "//! A crate.\n";
        let forbidding = "//! A crate.\n#![forbid(unsafe_code)]\n";
        assert_eq!(errors("crates/storage/src/lib.rs", plain), 1);
        assert_eq!(errors("crates/storage/src/lib.rs", forbidding), 0);
        assert_eq!(errors("crates/cli/src/bin/other.rs", plain), 1);
        assert_eq!(errors("crates/storage/src/key.rs", plain), 0);
        assert_eq!(errors("crates/vfs/src/lib.rs", plain), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found_as_words() {
        let [folder, ..] = MACHINE_FOLDERS;
        let found = |text: String| {
            machine_paths(&TextFile {
                path: "a.md".to_owned(),
                text,
            })
            .len()
        };
        assert_eq!(found(format!("see {folder}/main")), 1);
        assert_eq!(found(format!("`{folder}`")), 1);
        assert_eq!(found(format!("home{folder}, {folder}space")), 0);
    }
}
