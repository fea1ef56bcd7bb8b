//! Every public item of the facade shows its use in an example that runs.
//!
//! The facade is `crates/rustdb`. An item is public where it says `pub`: functions, methods, types,
//! modules, and what is passed on from other crates. An example is a code block in its
//! documentation that the test run executes, so one marked `text`, `ignore`, `no_run` or
//! `compile_fail` is none.
//!
//! These need no example of their own:
//!
//! - variants and fields, which are shown with their type;
//! - implementations of traits, which are documented where the trait is;
//! - methods of types that are not public themselves, and items with `#[doc(hidden)]`;
//! - names passed on from another module of the facade, which have theirs there.
//!
//! This reads lines, not syntax: it relies on `cargo fmt`, which puts `impl` at the start of a line
//! and the `pub` of an item at the start of its own.

use std::collections::BTreeSet;

use super::{Finding, Source};
use crate::workspace::TextFile;

/// Where the facade is.
const FACADE: &str = "crates/rustdb/src/";

/// Where a public item begins.
const ITEMS: [&str; 9] = [
    "pub fn ",
    "pub async fn ",
    "pub const ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub type ",
    "pub mod ",
    "pub use rustdb_",
];

/// The public items without an example.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let sources: Vec<Source<'_>> = files
        .iter()
        .filter(|file| file.path.starts_with(FACADE))
        .map(|file| Source::parse(&file.path, &file.text))
        .collect();
    let public = sources.iter().flat_map(public_types).collect();
    let mut findings = Vec::new();
    for source in &sources {
        for item in items(source, &public) {
            let shown = item.has_example
                || item
                    .module
                    .is_some_and(|module| head_has_example(&sources, source.path, module));
            if !shown {
                let message = format!("`{}` needs an example that runs", item.head);
                findings.push(Finding::error(source.path, item.line, message));
            }
        }
    }
    findings
}

/// A line that makes something public.
struct Item<'a> {
    line: usize,
    head: &'a str,
    /// The name, if it is a module in a file of its own.
    module: Option<&'a str>,
    has_example: bool,
}

/// The names of public types.
fn public_types<'a>(source: &'a Source<'_>) -> Vec<&'a str> {
    let types = ["pub struct ", "pub enum ", "pub trait "];
    let named = |line: &'a str| types.iter().find_map(|head| line.strip_prefix(head));
    source.code.lines().filter_map(named).map(name).collect()
}

/// The public items of a file that need an example.
fn items<'a>(source: &'a Source<'_>, public: &BTreeSet<&str>) -> Vec<Item<'a>> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut items = Vec::new();
    let mut in_public_type = true;
    for (index, line) in source.code.lines().enumerate() {
        if let Some(head) = line.strip_prefix("impl") {
            in_public_type = public.contains(name(implemented(head)));
        } else if line == "}" {
            in_public_type = true;
        }
        let code = line.trim_start();
        if !in_public_type || !ITEMS.iter().any(|item| code.starts_with(item)) {
            continue;
        }
        let above = documentation(&lines[..index]);
        if above.iter().any(|line| line.trim() == "#[doc(hidden)]") {
            continue;
        }
        let module = code
            .strip_prefix("pub mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        items.push(Item {
            line: index + 1,
            head: code.trim_end_matches([' ', '{', '(', ';']),
            module,
            has_example: has_example(above, "///"),
        });
    }
    items
}

/// What an `impl` is for, without parameters of its own.
fn implemented(head: &str) -> &str {
    let head = match head.strip_prefix('<') {
        Some(parameters) => parameters.split_once("> ").map_or("", |(_, rest)| rest),
        None => head,
    };
    head.split_once(" for ").map_or(head, |(_, rest)| rest)
}

/// The word that `text` begins with.
fn name(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The comments and attributes right above an item.
fn documentation<'a, 'b>(above: &'b [&'a str]) -> &'b [&'a str] {
    let belongs = |line: &str| {
        let line = line.trim_start();
        line.starts_with("///") || line.starts_with("#[")
    };
    let length = above.iter().rev().take_while(|line| belongs(line)).count();
    &above[above.len() - length..]
}

/// Whether a module's file begins with documentation that has an example.
fn head_has_example(sources: &[Source<'_>], from: &str, module: &str) -> bool {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let paths = [
        format!("{folder}/{module}.rs"),
        format!("{folder}/{module}/mod.rs"),
    ];
    sources
        .iter()
        .filter(|source| paths.iter().any(|path| path == source.path))
        .any(|source| {
            let head = source
                .text
                .lines()
                .take_while(|line| line.starts_with("//!"));
            has_example(&head.collect::<Vec<_>>(), "//!")
        })
}

/// Whether documentation, whose lines begin with `mark`, has a code block that is run.
fn has_example(documentation: &[&str], mark: &str) -> bool {
    let mut inside = false;
    for line in documentation {
        let Some(info) = line
            .trim_start()
            .strip_prefix(mark)
            .and_then(|text| text.trim_start().strip_prefix("```"))
        else {
            continue;
        };
        if !inside && matches!(info.trim(), "" | "rust" | "should_panic") {
            return true;
        }
        inside = !inside;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines with a finding, in a facade of these files.
    fn found(files: &[(&str, &str)]) -> Vec<usize> {
        let files: Vec<TextFile> = files
            .iter()
            .map(|(path, text)| TextFile {
                path: format!("{FACADE}{path}"),
                text: (*text).to_owned(),
            })
            .collect();
        check(&files).iter().map(|finding| finding.line).collect()
    }

    #[track_caller]
    fn check_one(text: &str, lines: &[usize]) {
        assert_eq!(found(&[("a.rs", text)]), lines, "in {text}");
    }

    #[test]
    fn an_item_needs_a_block_that_runs() {
        check_one("/// Text.\npub fn f() {}\n", &[2]);
        check_one("/// ```\n/// f();\n/// ```\npub fn f() {}\n", &[]);
        check_one(
            "/// ```should_panic\n/// f();\n/// ```\npub async fn f() {}\n",
            &[],
        );
        for info in ["text", "ignore", "no_run", "compile_fail"] {
            check_one(
                &format!("/// ```{info}\n/// f();\n/// ```\npub fn f() {{}}\n"),
                &[4],
            );
        }
        check_one(
            "/// ```\n/// a\n/// ```\n#[derive(Debug)]\npub struct A;\n",
            &[],
        );
    }

    #[test]
    fn another_items_block_does_not_count() {
        check_one(
            "/// ```\n/// f();\n/// ```\npub fn f() {}\npub fn g() {}\n",
            &[5],
        );
    }

    #[test]
    fn methods_need_one_if_their_type_is_public() {
        let methods = "    /// Text.\n    pub fn f(&self) {}\n}\n";
        check_one(&format!("struct A;\nimpl A {{\n{methods}"), &[]);
        check_one(&format!("pub(crate) struct A;\nimpl A {{\n{methods}"), &[]);
        let shown = "/// ```\n/// a\n/// ```\npub struct A<T>(T);\n";
        check_one(&format!("{shown}impl A<u8> {{\n{methods}"), &[7]);
        check_one(&format!("{shown}impl<T: Send> A<T> {{\n{methods}"), &[7]);
        check_one(
            &format!("{shown}impl Debug for A {{\n    fn fmt() {{}}\n}}\n"),
            &[],
        );
    }

    #[test]
    fn hidden_items_variants_and_fields_need_none() {
        check_one("/// Text.\n#[doc(hidden)]\npub fn f() {}\n", &[]);
        check_one(
            "/// ```\n/// a\n/// ```\npub struct A {\n    /// B.\n    pub b: u8,\n}\n",
            &[],
        );
    }

    #[test]
    fn a_module_shows_its_use_at_its_head() {
        let shown = "//! ```\n//! a();\n//! ```\n";
        for (path, text, lines) in [
            ("a.rs", shown, &[][..]),
            ("a/mod.rs", shown, &[]),
            ("a.rs", "//! A.\n", &[1]),
        ] {
            assert_eq!(found(&[("lib.rs", "pub mod a;\n"), (path, text)]), lines);
        }
    }

    #[test]
    fn what_other_crates_make_is_shown_where_it_is_passed_on() {
        check_one("pub use rustdb_storage::slice::Slice;\n", &[1]);
        check_one(
            "/// ```\n/// a\n/// ```\npub use rustdb_storage::slice::Slice;\n",
            &[],
        );
        check_one("pub use batch::WriteBatch;\n", &[]);
    }
}
