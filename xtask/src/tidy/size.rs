//! Length of files and of functions.
//!
//! A file is a chapter and a function is a paragraph. The limits are generous; what is longer has
//! more than one subject.

use super::{Finding, Source};

const FILE_LINES_ADVISED: usize = 600;
const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer than advised, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(file(source.path, source.text.lines().count()));
    for function in functions(&source.code) {
        if function.lines > FUNCTION_LINES_MAX {
            let message = format!(
                "function `{}` has {} lines, the limit is {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            findings.push(Finding::error(source.path, function.line, message));
        }
    }
    findings
}

fn file(path: &str, lines: usize) -> Option<Finding> {
    let excused = LONG_FILES.iter().any(|(long, _reason)| *long == path);
    let message =
        || format!("{lines} lines; a file is one chapter, split it at {FILE_LINES_ADVISED}");
    match lines {
        _ if lines > FILE_LINES_MAX => Some(Finding::error(path, 0, message())),
        _ if lines > FILE_LINES_ADVISED && !excused => Some(Finding::warning(path, 0, message())),
        _ => None,
    }
}

struct Function<'a> {
    name: &'a str,
    /// Where it starts, counted from one.
    line: usize,
    /// From the line of `fn` to that of the closing brace, both included.
    lines: usize,
}

/// Every function of a file that has a body.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut functions = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(found) = code[at..].find("fn ") {
        let start = at + found;
        line += code[at..start].matches('\n').count();
        at = start + 3;
        line += code[start..at].matches('\n').count();
        let word_before = code[..start].chars().next_back();
        if word_before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name_length = code[at..]
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(0);
        let name = &code[at..at + name_length];
        if let (false, Some(length)) = (name.is_empty(), body_end(&code[at..])) {
            let lines = code[start..at + length].matches('\n').count() + 1;
            functions.push(Function { name, line, lines });
        }
    }
    functions
}

/// Where the body of a function ends, if it has one; `code` starts at the function's name.
fn body_end(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if depth == 0 && brackets == 0 => return None,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, usize, usize)> {
        functions(&Source::parse("a.rs", text).code)
            .iter()
            .map(|function| (function.name.to_owned(), function.line, function.lines))
            .collect()
    }

    #[test]
    fn function_is_measured_from_its_first_to_its_last_line() {
        let text = "struct A;\n\nfn f(x: [u8; 3]) -> u8 {\n    \"}\";\n    { 1 }\n}\nfn g() {}\n";
        assert_eq!(
            lines(text),
            [("f".to_owned(), 3, 4), ("g".to_owned(), 7, 1)]
        );
    }

    #[test]
    fn declarations_and_pointers_have_no_body() {
        assert_eq!(
            lines("trait T { fn f(&self); }\ntype P = fn (u8) -> u8;\n"),
            []
        );
    }

    #[test]
    fn long_function_is_an_error() {
        let text = format!(
            "fn f() {{\n{}}}\n",
            "    g();\n".repeat(FUNCTION_LINES_MAX - 1)
        );
        let findings = check(&Source::parse("a.rs", &text));
        assert_eq!(findings.len(), 1);
        assert!(!findings[0].warning);
        let text = text.replacen("    g();\n", "", 1);
        assert_eq!(check(&Source::parse("a.rs", &text)), []);
    }

    #[test]
    fn long_file_is_warned_of_then_refused() {
        assert!(file("a.rs", FILE_LINES_ADVISED).is_none());
        assert!(file("a.rs", FILE_LINES_ADVISED + 1).unwrap().warning);
        assert!(!file("a.rs", FILE_LINES_MAX + 1).unwrap().warning);
    }
}
