//! Where statements end: at semicolons that are not within quotes, comments or brackets of a
//! dollar-quoted text.

/// The statements of a text, without their semicolons; empty ones are left out.
pub fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for end in ends(text) {
        statements.push(&text[start..end]);
        start = end + 1;
    }
    statements.push(&text[start..]);
    statements.retain(|statement| !is_blank(statement));
    statements
}

/// Whether the text ends after a whole statement, or has nothing in it.
pub fn is_complete(text: &str) -> bool {
    let last = ends(text).last().map_or(0, |end| end + 1);
    is_blank(&text[last..])
}

/// Whether there is nothing but blanks and comments.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let skipped = match rest.get(..2) {
            Some("--") => rest.find('\n').map_or("", |end| &rest[end..]),
            Some("/*") => {
                let end = comment_end(rest);
                if end < 4 || !rest[..end].ends_with("*/") {
                    return false;
                }
                &rest[end..]
            }
            _ => return rest.is_empty(),
        };
        rest = skipped.trim_start();
    }
}

/// The places of the semicolons that end statements.
fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let step = match letter {
            ';' => {
                ends.push(at);
                1
            }
            '\'' => {
                let escapes = text[..at].ends_with(['e', 'E']);
                quoted_end(rest, '\'', escapes)
            }
            '"' => quoted_end(rest, '"', false),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment_end(rest),
            '$' => dollar_end(rest, &text[..at]),
            other => other.len_utf8(),
        };
        at += step;
    }
    ends
}

/// How long a text in quotes is; two quotes stand for one.
fn quoted_end(rest: &str, quote: char, escapes: bool) -> usize {
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == quote {
            if letters.peek().is_some_and(|(_, next)| *next == quote) {
                letters.next();
            } else {
                return at + 1;
            }
        }
    }
    rest.len()
}

/// How long a comment is; they nest.
fn comment_end(rest: &str) -> usize {
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

/// How long `$tag$ ... $tag$` is; 1 if this is no such text, but `$1` or part of a name.
fn dollar_end(rest: &str, before: &str) -> usize {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    if before.ends_with(is_name) {
        return 1;
    }
    let Some(end) = rest[1..].find('$') else {
        return 1;
    };
    let tag = &rest[..end + 2];
    let name = &tag[1..tag.len() - 1];
    if name.starts_with(|letter: char| letter.is_ascii_digit()) || !name.chars().all(is_name) {
        return 1;
    }
    match rest[tag.len()..].find(tag) {
        Some(close) => tag.len() + close + tag.len(),
        None => rest.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes() {
        let text =
            "select ';'; select \";\" -- ;\n; select $$;$$; select $a$;$b$;$a$ /* ; /* ; */ */;";
        assert_eq!(statements(text).len(), 4);
        assert_eq!(
            statements("select e'\\';' ; select 2"),
            ["select e'\\';' ", " select 2"]
        );
        assert_eq!(
            statements("select $1; select a$b; ;; -- x\n"),
            ["select $1", " select a$b"]
        );
        assert!(statements(" /* only */ ; ").is_empty());
    }

    #[test]
    fn a_text_is_complete_after_its_last_semicolon() {
        assert!(is_complete("select 1;\n"));
        assert!(is_complete("  -- nothing\n"));
        assert!(!is_complete("select 1\n"));
        assert!(!is_complete("select ';\n"));
        assert!(!is_complete("select $$ ;\n"));
        assert!(!is_complete("/* ; "));
    }

    #[test]
    fn any_text_is_cut_without_harm() {
        for text in ["'", "$", "$$", "e'\\", "--", "/*", "é;é", "$é$;$é$;", "\"é"] {
            let _cut = statements(text);
            let _whole = is_complete(text);
        }
    }
}
