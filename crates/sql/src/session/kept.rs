//! Statements that were run lately, with their plans, by their text.
//!
//! A text is kept when it comes a second time. Programs that put values into their texts send a
//! new one each time; of those, texts that find rows by their key are known by their *pattern*:
//! what is left when the literals after `=`, `<` and the like are taken out as parameters. Other
//! statements are not, because their best plan depends on the values.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustdb_types::{Type, Value};

use super::{Prepared, Session};
use crate::error::{Error, Result};
use crate::parse::parse;

/// More statements than this are not kept.
const KEPT_MAX: usize = 128;

/// Longer texts are not kept.
const KEPT_BYTES_MAX: usize = 4096;

/// How many texts are remembered that came once.
const SEEN: usize = 1024;

/// Texts with more values have no pattern.
const VALUES_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Kept {
    texts: HashMap<Box<str>, Arc<Prepared>, RandomState>,
    /// `None` for those that are not known by their pattern.
    patterns: HashMap<Box<str>, Option<Arc<Prepared>>, RandomState>,
    /// Hashes of texts and patterns that came once, each in a place that it says itself.
    seen: Vec<u64>,
}

/// What is known of a pattern.
pub(super) enum Known {
    /// It came for the first time.
    New,
    /// It came before, and nobody has looked at it.
    Again,
    /// Whether it is kept.
    Kept(Option<Arc<Prepared>>),
}

impl Kept {
    pub(super) fn find(&self, text: &str, types: &[Type]) -> Option<Arc<Prepared>> {
        let found = self.texts.get(text)?;
        (found.types() == types).then(|| found.clone())
    }

    /// Keeps a statement, if its text came before.
    pub(super) fn keep(&mut self, text: &str, prepared: Prepared) {
        if text.len() > KEPT_BYTES_MAX || !self.came_before(text) || names_moment(text) {
            return;
        }
        if self.texts.len() >= KEPT_MAX {
            self.texts.clear();
        }
        self.texts.insert(text.into(), Arc::new(prepared));
    }

    pub(super) fn pattern(&mut self, pattern: &Pattern) -> Known {
        if let Some(known) = self.patterns.get(&*pattern.key) {
            return Known::Kept(known.clone());
        }
        match self.came_before(&pattern.key) {
            true => Known::Again,
            false => Known::New,
        }
    }

    pub(super) fn keep_pattern(&mut self, pattern: &Pattern, prepared: Option<Arc<Prepared>>) {
        if self.patterns.len() >= KEPT_MAX {
            self.patterns.clear();
        }
        self.patterns.insert(pattern.key.as_str().into(), prepared);
    }

    fn came_before(&mut self, text: &str) -> bool {
        let hash = self.texts.hasher().hash_one(text);
        self.seen.resize(SEEN, 0);
        let place = &mut self.seen[hash as usize % SEEN];
        std::mem::replace(place, hash) == hash
    }
}

/// Whether a text may have a literal such as `'today'`, which is another day tomorrow.
fn names_moment(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut words = ["now", "today", "tomorrow", "yesterday"].iter();
    words.any(|word| lower.contains(&format!("'{word}")))
}

/// A text without the values in it.
#[derive(Debug, PartialEq)]
pub(super) struct Pattern {
    /// The text with `$1` and so on, and after it a letter for the type of each.
    key: String,
    text_bytes: usize,
    /// The values.
    pub(super) values: Vec<Value>,
}

impl Pattern {
    /// The text with `$1` and so on.
    pub(super) fn text(&self) -> &str {
        &self.key[..self.text_bytes]
    }

    /// The types of the values, as literals have them.
    pub(super) fn types(&self) -> Vec<Type> {
        let types = self.values.iter().map(|value| match value {
            Value::Int4(_) => Type::INT4,
            Value::Int8(_) => Type::INT8,
            _ => Type::UNKNOWN,
        });
        types.collect()
    }

    /// The pattern of a text; `None` if it has no values, or anything that takes more than a look
    /// to understand.
    pub(super) fn of(text: &str) -> Option<Pattern> {
        let begins = |word: &str| {
            let start = text.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let is_short = text.len() <= KEPT_BYTES_MAX;
        if !is_short || !(begins("select ") || begins("update ") || begins("delete ")) {
            return None;
        }
        let mut lexer = Lexer {
            text,
            at: 0,
            out: String::with_capacity(text.len() + 8),
            values: Vec::new(),
            after_comparison: false,
        };
        while lexer.at < text.len() {
            lexer.step()?;
        }
        let Lexer {
            mut out, values, ..
        } = lexer;
        if values.is_empty() || values.len() > VALUES_MAX {
            return None;
        }
        let text_bytes = out.len();
        out.extend(values.iter().map(|value| match value {
            Value::Int4(_) => '4',
            Value::Int8(_) => '8',
            _ => 't',
        }));
        Some(Pattern {
            key: out,
            text_bytes,
            values,
        })
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    out: String,
    values: Vec<Value>,
    /// Whether what comes next is compared with something.
    after_comparison: bool,
}

impl Lexer<'_> {
    /// Takes the next token; `None` gives up.
    fn step(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let first = *rest.as_bytes().first()?;
        let length = |is_part: &dyn Fn(u8) -> bool| {
            let end = rest.bytes().position(|byte| !is_part(byte));
            end.unwrap_or(rest.len())
        };
        let is_word =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte >= 0x80;
        match first {
            b' ' | b'\n' | b'\t' | b'\r' => {
                let end = length(&|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
                self.copy(end);
            }
            b'0'..=b'9' => {
                let end = length(&is_word);
                let digits = &rest[..end];
                let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                match is_plain && self.after_comparison {
                    true => {
                        let value = match digits.parse::<i32>() {
                            Ok(number) => Value::Int4(number),
                            Err(_) => Value::Int8(digits.parse().ok()?),
                        };
                        self.lift(value, end);
                    }
                    false => self.copy(end),
                }
                self.after_comparison = false;
            }
            b'\'' => self.string(rest)?,
            b'"' => {
                let end = rest[1..].find('"')? + 2;
                self.copy(end);
                self.after_comparison = false;
            }
            // Comments, parameters and dollar quotes, several statements.
            b'$' | b'\\' => return None,
            b';' if !rest[1..].trim().is_empty() => return None,
            _ if is_word(first) => {
                let end = length(&is_word);
                // `E'...'` and its like.
                if matches!(rest.as_bytes().get(end), Some(b'\'' | b'&')) {
                    return None;
                }
                self.copy(end);
                self.after_comparison = false;
            }
            _ if is_operator(first) => {
                let end = length(&is_operator);
                let operator = &rest[..end];
                if operator.contains("--") || operator.contains("/*") {
                    return None;
                }
                self.copy(end);
                self.after_comparison =
                    matches!(operator, "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=");
            }
            _ => {
                self.copy(1);
                self.after_comparison = false;
            }
        }
        Some(())
    }

    fn string(&mut self, rest: &str) -> Option<()> {
        let end = rest[1..].find('\'')? + 2;
        let inner = &rest[1..end - 1];
        // A quote within it, or a string that goes on in the next line.
        let goes_on = rest[end..].trim_start().starts_with('\'');
        if goes_on || inner.contains('\\') {
            return None;
        }
        match self.after_comparison {
            true => self.lift(Value::text(inner), end),
            false => self.copy(end),
        }
        self.after_comparison = false;
        Some(())
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.text[self.at..self.at + bytes]);
        self.at += bytes;
    }

    fn lift(&mut self, value: Value, bytes: usize) {
        self.values.push(value);
        self.out.push('$');
        self.out.push_str(&self.values.len().to_string());
        self.at += bytes;
    }
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

impl Session {
    /// The statement for a pattern that comes again, if it is one that finds rows by their key.
    pub(super) fn by_pattern(&mut self, pattern: &Pattern) -> Result<Option<Arc<Prepared>>> {
        match self.kept.pattern(pattern) {
            Known::New => Ok(None),
            Known::Kept(prepared) => Ok(prepared),
            Known::Again => {
                self.open_for_statement()?;
                // What is wrong with it is told when the text itself is read.
                let mut statements = parse(pattern.text()).unwrap_or_default();
                let prepared = statements
                    .pop()
                    .map(|statement| Arc::new(Prepared::new(statement, pattern.types())))
                    .filter(|prepared| prepared.is_planned() && self.planned(prepared).is_ok())
                    .filter(|prepared| prepared.is_keyed());
                self.kept.keep_pattern(pattern, prepared.clone());
                Ok(prepared)
            }
        }
    }

    /// An error of a pattern, at its place in the text that has values in it.
    pub(super) fn placed_in(&mut self, error: Error, text: &str) -> Error {
        if error.position().is_none() {
            return error;
        }
        let again = parse(text).and_then(|mut statements| match statements.pop() {
            Some(statement) => self
                .planned(&Prepared::new(statement, Vec::new()))
                .map(drop),
            None => Ok(()),
        });
        let place = again.err().and_then(|again| again.located(text).position());
        error.elsewhere().at(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Option<(String, Vec<Value>)> {
        let pattern = Pattern::of(text)?;
        Some((pattern.text().to_owned(), pattern.values))
    }

    #[test]
    fn values_after_comparisons_are_taken_out() {
        let (text, values) =
            pattern("select a, 1 from t where id = 5 and b >= 'x' limit 3").unwrap();
        assert_eq!(text, "select a, 1 from t where id = $1 and b >= $2 limit 3");
        assert_eq!(values, [Value::Int4(5), Value::text("x")]);
        let (_, values) = pattern("DELETE FROM t WHERE id=3000000000;").unwrap();
        assert_eq!(values, [Value::Int8(3_000_000_000)]);
    }

    #[test]
    fn what_is_not_plain_has_no_pattern() {
        for text in [
            "select 1",
            "select * from t where id = -5",
            "select * from t where id = 1.5",
            "select * from t where a = E'x'",
            "select * from t where a = 'it''s'",
            "select * from t where a = 'x'\n'y'",
            "select * from t where id = $1 and b = 2",
            "select * from t where id = 1 -- comment",
            "select * from t where id = 1; select 2",
            "select /* 5 = */ * from t where id = 1",
            "insert into t values (1)",
            "select * from t where id = 99999999999999999999",
            "select \"a = 5\" from t",
        ] {
            assert_eq!(pattern(text), None, "{text}");
        }
    }
}
