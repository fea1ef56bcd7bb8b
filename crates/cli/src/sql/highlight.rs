//! Colours for statements as they are typed.

use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

use super::names::KEYWORDS;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Keyword,
    Text,
    Number,
    Comment,
    Command,
    Other,
}

/// Colours a statement.
pub struct Colours;

impl Highlighter for Colours {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for (kind, text) in parts(line) {
            styled.push((style(kind), text.to_owned()));
        }
        styled
    }
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::Keyword => Style::new().fg(Color::Blue).bold(),
        Kind::Text => Style::new().fg(Color::Green),
        Kind::Number => Style::new().fg(Color::Cyan),
        Kind::Comment => Style::new().fg(Color::DarkGray),
        Kind::Command => Style::new().fg(Color::Purple),
        Kind::Other => Style::new(),
    }
}

/// The parts of a text, which together are the text.
fn parts(text: &str) -> Vec<(Kind, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_name = |it: char| it.is_alphanumeric() || it == '_';
        let end_of = |is: &dyn Fn(char) -> bool| rest.find(|it| !is(it)).unwrap_or(rest.len());
        let (kind, length) = match letter {
            '\'' => (
                Kind::Text,
                rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
            ),
            '"' => (
                Kind::Other,
                rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            ),
            '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (
                Kind::Comment,
                rest.find("*/").map_or(rest.len(), |end| end + 2),
            ),
            '\\' => (Kind::Command, rest.find('\n').unwrap_or(rest.len())),
            digit if digit.is_ascii_digit() => (
                Kind::Number,
                end_of(&|it| it.is_ascii_alphanumeric() || it == '.'),
            ),
            letter if is_name(letter) => {
                let end = end_of(&is_name);
                let word = rest[..end].to_lowercase();
                match KEYWORDS.binary_search(&word.as_str()) {
                    Ok(_) => (Kind::Keyword, end),
                    Err(_) => (Kind::Other, end),
                }
            }
            other => (Kind::Other, other.len_utf8()),
        };
        parts.push((kind, &rest[..length]));
        rest = &rest[length..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_text() {
        for text in [
            "select 'é",
            "a--b\nc",
            "/* x",
            "\\d t",
            "1.5e3 x\"y\" 'z'",
            "火 \u{301}",
        ] {
            let whole: String = parts(text).iter().map(|(_, part)| *part).collect();
            assert_eq!(whole, text);
        }
    }

    #[test]
    fn words_texts_and_numbers_are_told_apart() {
        let kinds: Vec<Kind> = parts("SELECT 'a',1 -- b")
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        use Kind::{Comment, Keyword, Number, Other, Text};
        assert_eq!(kinds, [Keyword, Other, Text, Other, Number, Other, Comment]);
    }
}
