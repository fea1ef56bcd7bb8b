//! A Rust file, split into code and comments.
//!
//! Rules about words must not trip over a string, and rules about code must not trip over prose.
//! So each file is copied twice: in `code` every comment and the inside of every literal is blank,
//! in `comments` everything else is. Both keep the line breaks of the file, so that a line number
//! in one is a line number in the other.
//!
//! This is a lexer for comments, strings, characters and lifetimes, and knows no more Rust than
//! that.

/// A Rust file whose code and comments can be searched apart.
pub(super) struct Source<'a> {
    /// From the root of the repository.
    pub(super) path: &'a str,
    /// The file as it is.
    pub(super) text: &'a str,
    /// The file with comments and the insides of literals blank.
    pub(super) code: String,
    /// The file with all but its comments blank.
    pub(super) comments: String,
}

impl<'a> Source<'a> {
    pub(super) fn parse(path: &'a str, text: &'a str) -> Source<'a> {
        let mut code = String::with_capacity(text.len());
        let mut comments = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (kind, length) = token(rest, &code);
            let (head, tail) = rest.split_at(length);
            let blank = || head.chars().map(|c| if c == '\n' { '\n' } else { ' ' });
            match kind {
                Kind::Code => {
                    code.push_str(head);
                    comments.extend(blank());
                }
                Kind::Comment => {
                    code.extend(blank());
                    comments.push_str(head);
                }
                Kind::Literal => {
                    code.extend(blank());
                    comments.extend(blank());
                }
            }
            rest = tail;
        }
        Source {
            path,
            text,
            code,
            comments,
        }
    }
}

enum Kind {
    Code,
    Comment,
    Literal,
}

/// The kind and length in bytes of what `rest` begins with; `before` is the code that leads to it.
fn token(rest: &str, before: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let in_word = before
        .chars()
        .next_back()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if bytes[0] == b'"' {
        return (Kind::Literal, quoted(rest, 1, '"'));
    }
    if bytes[0] == b'\'' {
        // A lifetime has no closing quote right after its first character.
        let mut characters = rest[1..].chars();
        let first = characters.next();
        if first == Some('\\') || characters.next() == Some('\'') {
            return (Kind::Literal, quoted(rest, 1, '\''));
        }
        return (Kind::Code, 1);
    }
    if !in_word {
        let hashes_start = usize::from(bytes[0] == b'b') + 1;
        if rest.starts_with('r') || rest.starts_with("br") {
            let hashes = rest[hashes_start..]
                .bytes()
                .take_while(|byte| *byte == b'#')
                .count();
            let open = hashes_start + hashes;
            if bytes.get(open) == Some(&b'"') {
                let close = format!("\"{}", "#".repeat(hashes));
                let inside = &rest[open + 1..];
                let end = inside
                    .find(&close)
                    .map_or(rest.len(), |at| open + 1 + at + close.len());
                return (Kind::Literal, end);
            }
        }
        if rest.starts_with("b\"") {
            return (Kind::Literal, quoted(rest, 2, '"'));
        }
        if rest.starts_with("b'") {
            return (Kind::Literal, quoted(rest, 2, '\''));
        }
    }
    (Kind::Code, rest.chars().next().map_or(1, char::len_utf8))
}

/// The length of a literal whose inside starts at `inside` and that `quote` closes.
fn quoted(rest: &str, inside: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest[inside..].char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return inside + at + 1;
        }
    }
    rest.len()
}

/// The length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: &str, comments: &str) {
        let source = Source::parse("a.rs", text);
        assert_eq!(source.code, code);
        assert_eq!(source.comments.trim(), comments);
        assert_eq!(source.comments.len(), text.len());
    }

    #[test]
    fn comments_and_code_part() {
        check("a // b\nc", "a     \nc", "// b");
        check(
            "a/* b /* c */ d */e",
            "a                 e",
            "/* b /* c */ d */",
        );
    }

    #[test]
    fn literals_are_blank_in_both() {
        check(r#"f("{ // \" }")"#, "f(           )", "");
        check(r##"f(r#"a"b"#)"##, "f(        )", "");
        check(r"f('{', b'\'', '\u{1F}')", "f(   ,      ,         )", "");
    }

    #[test]
    fn lifetimes_open_no_literal() {
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", "");
    }

    #[test]
    fn line_breaks_stay_where_they_are() {
        let text = "a\n/* b\nc */ \"d\ne\"\n";
        let source = Source::parse("a.rs", text);
        for copy in [source.code, source.comments] {
            assert_eq!(copy.lines().count(), text.lines().count());
        }
    }
}
