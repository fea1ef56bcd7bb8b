//! How a line of the shell is cut into words, and what escapes mean.
//!
//! ```text
//! put greeting hello big world       the value is the rest of the line
//! put "a key" "two  spaces\n"        double quotes keep spaces; escapes count
//! put bytes \x00\xff                 escapes count outside of quotes too
//! put pattern '\d+'                  in single quotes nothing is special
//! ```
//!
//! Escapes are `\n`, `\r`, `\t`, `\0`, `\\`, `\"`, `\'` and `\xNN`. A quote within a word is
//! nothing special: `it's` is a word.

use crate::failure::{Failure, Result};

/// The first word of `line`, and what follows it.
pub fn next(line: &str) -> Result<Option<(Word, &str)>> {
    let line = line.trim_start();
    let Some(first) = line.chars().next() else {
        return Ok(None);
    };
    if matches!(first, '"' | '\'') {
        let (bytes, rest) = quoted(line, first)?;
        if rest.starts_with(|next: char| !next.is_whitespace()) {
            return Err(Failure::usage("a closing quote must end the word")
                .hint("write `\\\"` for a quote inside double quotes"));
        }
        let word = Word {
            bytes,
            is_quoted: true,
        };
        return Ok(Some((word, rest)));
    }
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let word = Word {
        bytes: unescape(&line[..end])?,
        is_quoted: false,
    };
    Ok(Some((word, &line[end..])))
}

/// All words of `line`.
pub fn all(mut line: &str) -> Result<Vec<Word>> {
    let mut words = Vec::new();
    while let Some((word, rest)) = next(line)? {
        words.push(word);
        line = rest;
    }
    Ok(words)
}

/// The rest of a line as one value: a quoted word, or everything as it stands.
pub fn rest(line: &str) -> Result<Vec<u8>> {
    let line = line.trim();
    match line.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (bytes, after) = quoted(line, quote)?;
            match after {
                "" => Ok(bytes),
                _ => Err(Failure::usage("there is text after the closing quote")
                    .hint("put all of the value inside the quotes")),
            }
        }
        _ => unescape(line),
    }
}

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it stands for.
    pub bytes: Vec<u8>,
    /// Whether it was in quotes, and so is never an option.
    pub is_quoted: bool,
}

/// What is between the quote that `line` starts with and the next one, and what follows.
fn quoted(line: &str, quote: char) -> Result<(Vec<u8>, &str)> {
    let inner = &line[1..];
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if quote == '"' => is_escaped = true,
            end if end == quote => {
                let (text, rest) = (&inner[..at], &inner[at + 1..]);
                let bytes = match quote {
                    '"' => unescape(text)?,
                    _ => text.as_bytes().to_vec(),
                };
                return Ok((bytes, rest));
            }
            _ => {}
        }
    }
    Err(Failure::usage(format!("the quote `{quote}` is not closed")))
}

fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, length) = escape(&rest[at + 1..])?;
        bytes.push(byte);
        rest = &rest[at + 1 + length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that an escape stands for, and its length without the backslash.
fn escape(text: &str) -> Result<(u8, usize)> {
    let byte = match text.as_bytes().first() {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(&same @ (b'\\' | b'"' | b'\'')) => same,
        Some(b'x') => {
            let byte = text.get(1..3).and_then(crate::output::from_hex);
            let [byte] = byte.as_deref().unwrap_or_default() else {
                return Err(Failure::usage("`\\x` needs two hexadecimal digits"));
            };
            return Ok((*byte, 3));
        }
        _ => {
            let shown: String = text.chars().take(1).collect();
            return Err(Failure::usage(format!("unknown escape `\\{shown}`"))
                .hint("write `\\\\` for a backslash, or put the text in single quotes"));
        }
    };
    Ok((byte, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(line: &str) -> Vec<Vec<u8>> {
        all(line)
            .unwrap()
            .into_iter()
            .map(|word| word.bytes)
            .collect()
    }

    #[test]
    fn words_are_cut_at_white_space_outside_of_quotes() {
        let cases: [(&str, &[&[u8]]); 7] = [
            ("", &[]),
            ("  a  b\t", &[b"a", b"b"]),
            ("\"a b\" 'c d'", &[b"a b", b"c d"]),
            ("it's 5\"", &[b"it's", b"5\""]),
            (r"\x00\xFF\n", &[b"\x00\xff\n"]),
            (r#""say \"hi\"" '\d'"#, &[b"say \"hi\"", b"\\d"]),
            ("'' \"\"", &[b"", b""]),
        ];
        for (line, words) in cases {
            assert_eq!(bytes_of(line), words, "{line}");
        }
    }

    #[test]
    fn the_rest_of_a_line_is_one_value() {
        for (line, value) in [
            (" hello  big world ", &b"hello  big world"[..]),
            ("\" kept \"", b" kept "),
            ("{\"a\": 1}", b"{\"a\": 1}"),
            ("", b""),
        ] {
            assert_eq!(rest(line).unwrap(), value, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in ["\"open", "'open", "\"a\"b", r"\q", r"\x1", r"\xé", r"\"] {
            assert!(all(line).is_err(), "{line}");
        }
        assert!(rest("\"a\" b").is_err());
    }
}
