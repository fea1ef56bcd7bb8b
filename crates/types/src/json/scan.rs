//! A part of JSON text, without building a tree: what the operators of the type `json` return.

use super::parse::Parser;
use super::path_index;
use crate::error::Result;

/// A step into JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An element of an array, from its end if negative.
    Index(i64),
    /// A member of an object, or an element if the text is a number.
    Either(&'a str),
}

/// The part that steps lead to, without blanks around it; `None` if they lead nowhere.
pub(crate) fn part<'a>(text: &'a str, steps: &[Step<'_>]) -> Result<Option<&'a str>> {
    let mut part = text.trim_matches([' ', '\t', '\n', '\r']);
    for step in steps {
        let key = match step {
            Step::Key(key) | Step::Either(key) => Some(*key),
            Step::Index(_) => None,
        };
        let index = match step {
            Step::Index(index) => Some(*index),
            Step::Either(text) => path_index(text),
            Step::Key(_) => None,
        };
        let found = match (part.as_bytes().first(), key, index) {
            (Some(b'{'), Some(key), _) => member(part, key)?,
            (Some(b'['), _, Some(index)) => element(part, index)?,
            _ => None,
        };
        let Some(found) = found else {
            return Ok(None);
        };
        part = found;
    }
    Ok(Some(part))
}

/// The members of an object in their order, or nothing if the text is none.
pub(crate) fn members(text: &str) -> Result<Option<Vec<(String, &str)>>> {
    let mut parser = Parser::strict(text);
    if parser.peek_token() != Some(b'{') {
        return Ok(None);
    }
    parser.take(b'{');
    let mut members = Vec::new();
    while parser.peek_token().is_some_and(|byte| byte != b'}') {
        let name = parser.key()?;
        parser.peek_token();
        parser.take(b':');
        members.push((name, parser.part()?));
        parser.peek_token();
        parser.take(b',');
    }
    Ok(Some(members))
}

/// The elements of an array, or nothing if the text is none.
pub(crate) fn elements(text: &str) -> Result<Option<Vec<&str>>> {
    elements_by(Parser::checking(text))
}

fn elements_by(mut parser: Parser<'_>) -> Result<Option<Vec<&str>>> {
    if parser.peek_token() != Some(b'[') {
        return Ok(None);
    }
    parser.take(b'[');
    let mut parts = Vec::new();
    while parser.peek_token().is_some_and(|byte| byte != b']') {
        parts.push(parser.part()?);
        parser.peek_token();
        parser.take(b',');
    }
    Ok(Some(parts))
}

/// The last member of this name.
fn member<'a>(text: &'a str, key: &str) -> Result<Option<&'a str>> {
    let mut parser = Parser::strict(text);
    let mut found = None;
    parser.take(b'{');
    while parser.peek_token().is_some_and(|byte| byte != b'}') {
        let name = parser.key()?;
        parser.peek_token();
        parser.take(b':');
        let part = parser.part()?;
        if name == key {
            found = Some(part);
        }
        parser.peek_token();
        parser.take(b',');
    }
    Ok(found)
}

fn element(text: &str, index: i64) -> Result<Option<&str>> {
    let parts = elements_by(Parser::strict(text))?.unwrap_or_default();
    let index = if index < 0 {
        index + parts.len() as i64
    } else {
        index
    };
    Ok(usize::try_from(index)
        .ok()
        .and_then(|index| parts.get(index).copied()))
}
