//! Arrays and rows as text.
//!
//! ```text
//! {1,NULL,"a b"}              elements, quoted where they must be
//! {{1,2},{3,4}}               dimensions nest
//! [0:1][5:6]={{1,2},{3,4}}    bounds come first where a lower bound is not 1
//! ```

use std::sync::Arc;

use crate::array::{Array, DIMENSIONS_MAX, Dimension};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::io::{self, is_space};
use crate::settings::Settings;
use crate::types::Type;
use crate::value::Value;

/// What an element counts, to find it, to read it or to write it.
const LEAF_UNITS: usize = 64;

/// Reads an array: first its shape, then its elements, so that a text that is no array says so
/// before any of its elements can be wrong.
pub(crate) fn parse(text: &str, of: &Type, settings: &Settings) -> Result<Value> {
    let element = of.without_domains().element_type();
    let element = element.ok_or_else(|| Error::mismatch("array"))?;
    let (dimensions, leaves) = shape(text)?;
    let values = leaves.into_iter().map(|leaf| {
        interrupt::spend(LEAF_UNITS)?;
        match leaf {
            Some(leaf) => io::parse(&leaf, &element, settings),
            None => Ok(Value::Null),
        }
    });
    let values = values.collect::<Result<Vec<Value>>>()?;
    Ok(Value::Array(Arc::new(Array::new(dimensions, values)?)))
}

/// The dimensions of an array, and its elements as text; `None` for NULL.
fn shape(text: &str) -> Result<(Vec<Dimension>, Vec<Option<String>>)> {
    let (bounds, rest) = bounds(text)?;
    let mut parser = Parser {
        whole: rest,
        rest,
        leaves: Vec::new(),
        lengths: Vec::new(),
        leaf_depth: None,
    };
    parser.level(0)?;
    parser.skip_space();
    if !parser.rest.is_empty() {
        return Err(parser.malformed("Junk after closing right brace."));
    }
    let lengths = parser.lengths.iter().map(|length| length.unwrap_or(0));
    let plain = |length| Dimension { lower: 1, length };
    let dimensions = match bounds {
        None if parser.leaves.is_empty() => Vec::new(),
        None => lengths.map(plain).collect(),
        Some(bounds) => {
            if !bounds.iter().map(|bound| bound.length).eq(lengths) {
                let words = "Specified array dimensions do not match array contents.";
                return Err(malformed(text, words));
            }
            bounds
        }
    };
    Ok((dimensions, parser.leaves))
}

/// `[2:3][1:4]=`, if it is there, and what follows it: an opening brace.
fn bounds(whole: &str) -> Result<(Option<Vec<Dimension>>, &str)> {
    let mut bounds = Vec::new();
    let mut rest = whole.trim_start_matches(is_space);
    while let Some(inside) = rest.strip_prefix('[') {
        if bounds.len() == DIMENSIONS_MAX {
            return Err(too_many_dimensions(bounds.len() + 1));
        }
        let (first, after) = leading_number(inside).ok_or_else(|| {
            malformed(
                whole,
                "\"[\" must introduce explicitly-specified array dimensions.",
            )
        })?;
        let (lower, upper, after) = match after.strip_prefix(':') {
            Some(after) => {
                let missing = || malformed(whole, "Missing array dimension value.");
                let (upper, after) = leading_number(after).ok_or_else(missing)?;
                (first, upper, after)
            }
            None => (1, first, after),
        };
        let open = || malformed(whole, "Missing \"]\" after array dimensions.");
        rest = after
            .strip_prefix(']')
            .ok_or_else(open)?
            .trim_start_matches(is_space);
        if upper < lower {
            let words = "upper bound cannot be less than lower bound";
            return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
        }
        let length = (i64::from(upper) - i64::from(lower) + 1) as u32;
        bounds.push(Dimension { lower, length });
    }
    if bounds.is_empty() {
        let words = "Array value must start with \"{\" or dimension information.";
        return if rest.starts_with('{') {
            Ok((None, rest))
        } else {
            Err(malformed(whole, words))
        };
    }
    let missing = || malformed(whole, "Missing \"=\" after array dimensions.");
    rest = rest
        .strip_prefix('=')
        .ok_or_else(missing)?
        .trim_start_matches(is_space);
    if !rest.starts_with('{') {
        return Err(malformed(whole, "Array contents must start with \"{\"."));
    }
    Ok((Some(bounds), rest))
}

/// A whole number at the start of `text`, kept within its range, and what follows it.
fn leading_number(text: &str) -> Option<(i32, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(text.len() - unsigned.len() + digits);
    let least = if number.starts_with('-') {
        i32::MIN
    } else {
        i32::MAX
    };
    (digits > 0).then(|| (number.parse().unwrap_or(least), rest))
}

/// The state of reading what is in braces.
struct Parser<'a> {
    /// From the first brace on.
    whole: &'a str,
    rest: &'a str,
    leaves: Vec<Option<String>>,
    /// How many there are on each level, once a first brace has closed there.
    lengths: Vec<Option<u32>>,
    /// The level of the elements, once one was seen.
    leaf_depth: Option<usize>,
}

impl Parser<'_> {
    /// Reads a pair of braces and what is in it; the opening brace is next.
    fn level(&mut self, depth: usize) -> Result<()> {
        if depth == DIMENSIONS_MAX {
            return Err(too_many_dimensions(depth + 1));
        }
        if self.lengths.len() == depth {
            self.lengths.push(None);
        }
        self.rest = &self.rest[1..];
        let mut count = 0;
        loop {
            self.skip_space();
            match self.rest.chars().next() {
                Some('}') if depth == 0 && count == 0 => break,
                Some('}') => return Err(self.unexpected('}')),
                Some('{') if self.leaf_depth == Some(depth) => return Err(self.unexpected('{')),
                Some('{') => self.level(depth + 1)?,
                Some(_) if self.lengths.len() > depth + 1 => {
                    return Err(self.malformed("Unexpected array element."));
                }
                Some(_) => {
                    interrupt::spend(LEAF_UNITS)?;
                    self.leaf_depth = Some(depth);
                    self.leaf()?;
                }
                None => return Err(self.malformed("Unexpected end of input.")),
            }
            count += 1;
            self.skip_space();
            match self.rest.chars().next() {
                Some(',') => self.rest = &self.rest[1..],
                Some('}') => break,
                Some(other @ ('\\' | '{')) => return Err(self.unexpected(other)),
                Some(_) => return Err(self.malformed("Unexpected array element.")),
                None => return Err(self.malformed("Unexpected end of input.")),
            }
        }
        self.rest = &self.rest[1..];
        match self.lengths[depth] {
            Some(length) if length != count => Err(self.uneven()),
            _ => {
                self.lengths[depth] = Some(count);
                Ok(())
            }
        }
    }

    /// Reads an element, quoted or not.
    fn leaf(&mut self) -> Result<()> {
        let mut text = String::new();
        // Blanks at the end of an element do not count, unless escaped or quoted.
        let mut kept = 0;
        let mut quoted = false;
        let mut escaped = false;
        loop {
            let Some(letter) = self.rest.chars().next() else {
                return Err(self.malformed("Unexpected end of input."));
            };
            match letter {
                ',' | '}' => break,
                '{' => return Err(self.unexpected('{')),
                '"' if quoted || kept > 0 => {
                    return Err(self.malformed("Unexpected array element."));
                }
                '"' => {
                    self.quoted(&mut text)?;
                    quoted = true;
                    kept = text.len();
                    continue;
                }
                '\\' => {
                    self.rest = &self.rest[1..];
                    let Some(next) = self.rest.chars().next() else {
                        return Err(self.malformed("Unexpected end of input."));
                    };
                    text.push(next);
                    escaped = true;
                    kept = text.len();
                    self.rest = &self.rest[next.len_utf8()..];
                    continue;
                }
                letter if is_space(letter) => text.push(letter),
                _ if quoted => return Err(self.malformed("Unexpected array element.")),
                letter => {
                    text.push(letter);
                    kept = text.len();
                }
            }
            self.rest = &self.rest[letter.len_utf8()..];
        }
        text.truncate(kept);
        if text.is_empty() && !quoted {
            let next = self.rest.chars().next().unwrap_or(',');
            return Err(self.unexpected(next));
        }
        let null = !quoted && !escaped && text.eq_ignore_ascii_case("null");
        self.leaves.push((!null).then_some(text));
        Ok(())
    }

    fn quoted(&mut self, text: &mut String) -> Result<()> {
        let mut letters = self.rest[1..].char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 2..];
                    return Ok(());
                }
                '\\' => match letters.next() {
                    Some((_, letter)) => text.push(letter),
                    None => break,
                },
                letter => text.push(letter),
            }
        }
        Err(self.malformed("Unexpected end of input."))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
    }

    fn unexpected(&self, letter: char) -> Error {
        self.malformed(&format!("Unexpected \"{letter}\" character."))
    }

    fn uneven(&self) -> Error {
        self.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
    }

    fn malformed(&self, detail: &str) -> Error {
        malformed(self.whole, detail)
    }
}

fn malformed(text: &str, detail: &str) -> Error {
    let words = format!("malformed array literal: \"{text}\"");
    Error::new(SqlState::INVALID_TEXT_REPRESENTATION, words).with_detail(detail)
}

fn too_many_dimensions(count: usize) -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        format!(
            "number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})"
        ),
    )
}

/// Appends an array's text.
pub(crate) fn format_into(array: &Array, of: &Type, settings: &Settings, out: &mut String) {
    let dimensions = array.dimensions();
    if dimensions.iter().any(|dimension| dimension.lower != 1) {
        for dimension in dimensions {
            let upper = i64::from(dimension.lower) + i64::from(dimension.length) - 1;
            out.push_str(&format!("[{}:{upper}]", dimension.lower));
        }
        out.push('=');
    }
    let element = of.without_domains().element_type().unwrap_or(Type::TEXT);
    let mut values = array.values().iter();
    if dimensions.is_empty() {
        out.push_str("{}");
    } else {
        format_level(dimensions, &mut values, &element, settings, out);
    }
}

fn format_level<'a>(
    dimensions: &[Dimension],
    values: &mut impl Iterator<Item = &'a Value>,
    element: &Type,
    settings: &Settings,
    out: &mut String,
) {
    let Some((first, inner)) = dimensions.split_first() else {
        return;
    };
    out.push('{');
    for index in 0..first.length {
        if interrupt::is_stopped(LEAF_UNITS) {
            return;
        }
        if index > 0 {
            out.push(',');
        }
        if !inner.is_empty() {
            format_level(inner, values, element, settings, out);
            continue;
        }
        match values.next() {
            Some(Value::Null) | None => out.push_str("NULL"),
            Some(value) => {
                let text = io::format(value, element, settings);
                let quoted = text.is_empty()
                    || text.eq_ignore_ascii_case("null")
                    || text.contains(|letter| is_space(letter) || "{},\"\\".contains(letter));
                put_quoted(&text, quoted, '\\', out);
            }
        }
    }
    out.push('}');
}

/// Appends a row's text: `(1,,"a b")`. Its fields' types are taken from the values.
pub(crate) fn format_record(fields: &[Value], settings: &Settings, out: &mut String) {
    out.push('(');
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.is_null() {
            continue;
        }
        let text = io::format(field, &io::evident_type(field), settings);
        let quoted = text.is_empty()
            || text.contains(|letter| is_space(letter) || "(),\"\\".contains(letter));
        put_quoted(&text, quoted, '"', out);
    }
    out.push(')');
}

/// Appends text in quotes, if it needs them; `escape` stands before a quote.
fn put_quoted(text: &str, quoted: bool, escape: char, out: &mut String) {
    if !quoted {
        out.push_str(text);
        return;
    }
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.extend([escape, '"']),
            '\\' => out.push_str("\\\\"),
            letter => out.push(letter),
        }
    }
    out.push('"');
}
