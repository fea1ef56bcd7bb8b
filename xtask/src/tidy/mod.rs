//! Tidy: the rules of this repository that no compiler checks.
//!
//! Each rule is a function from what it reads to findings, so that a rule is tested on a few lines
//! of text and not on the repository. A finding is an error, unless it is marked as a warning:
//! warnings are printed and do not fail.
//!
//! | module | rules |
//! |---|---|
//! | [`architecture`] | the table of layers against `cargo metadata`; who may import what from outside |
//! | [`source`] | what is code and what is comment in a Rust file |
//! | [`size`] | length of files and of functions |
//! | [`words`] | `unsafe`, module documentation, promises without an owner, paths of one machine |
//! | [`examples`] | public items of the facade, and the examples that show their use |
//! | [`documents`] | links between documents; formats and the documents that describe them |

mod architecture;
mod documents;
mod examples;
mod size;
mod source;
mod words;

use crate::Failure;
use crate::workspace;

use source::Source;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, from the root of the repository.
    path: String,
    /// The line, counted from one; zero when it is the whole file.
    line: usize,
    /// What is wrong and what to do about it.
    message: String,
    /// A warning is printed and does not fail.
    warning: bool,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            path: path.to_owned(),
            line,
            message: message.into(),
            warning: false,
        }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Finding {
        Finding {
            warning: true,
            ..Finding::error(path, line, message)
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        match self.line {
            0 => write!(out, "{kind}: {}: {}", self.path, self.message),
            line => write!(out, "{kind}: {}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks the repository and prints what is found.
pub(crate) fn command() -> Result<(), Failure> {
    let findings = findings()?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.iter().filter(|finding| !finding.warning).count() {
        0 => Ok(()),
        errors => Err(format!("tidy: {errors} errors")),
    }
}

/// Everything that is wrong with the repository, in the order of files.
fn findings() -> Result<Vec<Finding>, Failure> {
    let files = workspace::text_files()?;
    let mut findings = architecture::check()?;
    for file in &files {
        findings.extend(words::machine_paths(file));
        if file.path.ends_with(".rs") {
            let source = Source::parse(&file.path, &file.text);
            findings.extend(size::check(&source));
            findings.extend(words::check(&source));
        }
        if file.path.ends_with(".md") {
            findings.extend(documents::links(file, &workspace::root()));
        }
    }
    findings.extend(documents::formats(&files));
    findings.extend(examples::check(&files));
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    /// This is how `cargo test --workspace` includes tidy.
    #[test]
    fn repository_is_tidy() {
        let errors: Vec<String> = super::findings()
            .unwrap()
            .iter()
            .filter(|finding| !finding.warning)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
    }
}
