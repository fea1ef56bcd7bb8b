//! Scripts for psql, taken apart.

/// The statements of a script, without psql's own commands and the data of COPY.
pub(super) fn statements(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let (statement, after, whole) = statement(rest);
        rest = after;
        let text = statement.trim();
        if text.is_empty() || !whole {
            continue;
        }
        let lower = text.to_lowercase();
        if lower.starts_with("copy") && lower.contains("from stdin") {
            let end = rest.find("\n\\.").map_or(rest.len(), |end| end + 3);
            rest = &rest[end..];
        }
        found.push(text.to_owned());
    }
    found
}

/// The first statement, without comments, what follows it, and whether it ended in a semicolon:
/// psql's own commands end it in another way.
fn statement(script: &str) -> (String, &str, bool) {
    let mut text = String::new();
    let mut at = 0;
    let mut depth = 0_i32;
    while let Some(letter) = script[at..].chars().next() {
        let rest = &script[at..];
        let taken = match letter {
            ';' if depth <= 0 => return (text, &rest[1..], true),
            '\\' => {
                let line = rest.find('\n').unwrap_or(rest.len());
                return (text, &rest[line..], false);
            }
            '-' if rest.starts_with("--") => {
                text.push('\n');
                at += rest.find('\n').map_or(rest.len(), |end| end + 1);
                continue;
            }
            '/' if rest.starts_with("/*") => {
                at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                continue;
            }
            '\'' | '"' => {
                let escapes = letter == '\'' && text.ends_with(['e', 'E']);
                quoted(rest, letter, escapes)
            }
            '$' if !text.ends_with(|last: char| last.is_alphanumeric()) => dollars(rest),
            _ => letter.len_utf8(),
        };
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        text.push_str(&rest[..taken]);
        at += taken;
    }
    (text, "", false)
}

/// The bytes of a quoted text.
fn quoted(rest: &str, quote: char, escapes: bool) -> usize {
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// The bytes of a text between dollars, or of the dollar alone.
fn dollars(rest: &str) -> usize {
    let Some(end) = rest[1..].find('$') else {
        return 1;
    };
    let tag = &rest[..end + 2];
    let plain = |letter: char| letter.is_alphanumeric() || letter == '_';
    let inner = &tag[1..tag.len() - 1];
    if !inner.chars().all(plain) || inner.starts_with(|first: char| first.is_ascii_digit()) {
        return 1;
    }
    match rest[tag.len()..].find(tag) {
        Some(end) => tag.len() + end + tag.len(),
        None => rest.len(),
    }
}

/// Whether a statement is a query that changes nothing.
pub(super) fn is_query(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    let begins = ["select", "values", "with", "("];
    begins.iter().any(|word| first.starts_with(word))
        && !["into", "pg_sleep", ":"]
            .iter()
            .any(|part| words.contains(part))
        && !lower.contains("pg_sleep")
        && !has_variable(&lower)
}

/// Whether psql would put the value of a variable somewhere: `:name`, `:'name'`.
fn has_variable(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters.windows(3).any(|part| {
        let begins = part[2].is_ascii_alphabetic() || matches!(part[2], '\'' | '"' | '{');
        part[0] != ':' && part[1] == ':' && begins && !part[0].is_ascii_alphanumeric()
    }) && !text.contains("jsonpath")
}

/// Whether a statement changes how values look.
pub(super) fn is_setting(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut words = lower.split(|letter: char| letter.is_whitespace() || letter == '=');
    let verb = words.next().unwrap_or_default();
    let mut name = words.next().unwrap_or_default();
    if name == "local" || name == "session" {
        name = words.next().unwrap_or_default();
    }
    const NAMES: &[&str] = &[
        "datestyle",
        "timezone",
        "time",
        "intervalstyle",
        "extra_float_digits",
        "bytea_output",
        "standard_conforming_strings",
        "timezone_abbreviations",
        "array_nulls",
        "search_path",
    ];
    ["set", "reset"].contains(&verb) && NAMES.contains(&name)
}
