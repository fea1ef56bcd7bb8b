//! Links between documents, and the documents of the formats.

use std::path::Path;

use super::Finding;
use crate::workspace::TextFile;

/// Where the formats on disk are described.
const FORMATS: &str = "docs/format/";

/// Relative links lead to files that exist.
pub(super) fn links(file: &TextFile, root: &Path) -> Vec<Finding> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (line, target) in link_targets(&file.text) {
        let path = target.split('#').next().unwrap_or_default();
        if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        if !root.join(folder).join(path).exists() {
            findings.push(Finding::error(
                &file.path,
                line,
                format!("`{target}` does not exist"),
            ));
        }
    }
    findings
}

/// The targets of a document's links with their lines; code in fences has none.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, opening) in line.match_indices("](") {
            let rest = &line[at + opening.len()..];
            if let Some(end) = rest.find([')', ' ']) {
                targets.push((index + 1, &rest[..end]));
            }
        }
    }
    targets
}

/// Code and documents of formats name each other, and a format's document holds a table.
pub(super) fn formats(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sources = || files.iter().filter(|file| file.path.ends_with(".rs"));
    for document in files.iter().filter(|file| is_format(&file.path)) {
        if !document.text.lines().any(|line| line.starts_with("|")) {
            let message = "a format is a table: offset, size, name, meaning";
            findings.push(Finding::error(&document.path, 0, message));
        }
        if !sources().any(|source| source.text.contains(&document.path)) {
            let message =
                "no source file names this document; name it beside the code it describes";
            findings.push(Finding::error(&document.path, 0, message));
        }
    }
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            for name in format_names(line) {
                if !files.iter().any(|file| file.path == name) {
                    let message = format!("`{name}` does not exist");
                    findings.push(Finding::error(&source.path, index + 1, message));
                }
            }
        }
    }
    findings
}

fn is_format(path: &str) -> bool {
    path.starts_with(FORMATS) && path.ends_with(".md") && !path.ends_with("README.md")
}

/// The documents of formats that a line names.
fn format_names(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices(FORMATS).filter_map(move |(at, _)| {
        let end = line[at..].find(".md")? + ".md".len();
        let name = &line[at..at + end];
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        name.chars().all(plain).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn link_to_a_missing_file_is_found() {
        let root = crate::workspace::root();
        let links = |text: &str| links(&file("xtask/README.md", text), &root).len();
        assert_eq!(links("[a](src/main.rs) and [b](../Cargo.toml#x)"), 0);
        assert_eq!(links("[a](src/absent.rs)"), 1);
        assert_eq!(links("[a](https://example.com/x) [b](#there)"), 0);
        assert_eq!(links("```\n[a](src/absent.rs)\n```"), 0);
    }

    #[test]
    fn format_and_code_name_each_other() {
        let document = format!("{FORMATS}log.md");
        let source = file("crates/a/src/log.rs", &format!("//! See `{document}`.\n"));
        let table = file(&document, "| offset | size |\n");
        assert_eq!(formats(&[source, table]), []);

        let source = file("crates/a/src/log.rs", &format!("//! See `{document}`.\n"));
        assert_eq!(formats(&[source]).len(), 1);
        assert_eq!(formats(&[file(&document, "prose")]).len(), 2);
    }
}
