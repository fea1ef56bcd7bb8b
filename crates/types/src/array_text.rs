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
use crate::io::{self, is_space};
use crate::settings::Settings;
use crate::types::Type;
use crate::value::Value;

/// Reads an array.
pub(crate) fn parse(text: &str, of: &Type, settings: &Settings) -> Result<Value> {
    let element = of.element_type().ok_or_else(|| Error::mismatch("array"))?;
    let mut parser = Parser {
        whole: text,
        rest: text,
        element: &element,
        settings,
        values: Vec::new(),
        lengths: Vec::new(),
        leaf_depth: None,
    };
    parser.skip_space();
    let bounds = parser.bounds()?;
    parser.skip_space();
    if !parser.rest.starts_with('{') {
        return Err(parser.malformed("Array value must start with \"{\" or dimension information."));
    }
    parser.level(0)?;
    parser.skip_space();
    if !parser.rest.is_empty() {
        return Err(parser.malformed("Junk after closing right brace."));
    }
    let lengths: Vec<u32> = parser
        .lengths
        .iter()
        .map(|length| length.unwrap_or(0))
        .collect();
    let values = parser.values;
    let dimensions = match bounds {
        _ if values.is_empty() => Vec::new(),
        None => lengths
            .iter()
            .map(|length| Dimension {
                lower: 1,
                length: *length,
            })
            .collect(),
        Some(bounds) => {
            let same = bounds.iter().map(|bound| bound.length).eq(lengths);
            if !same {
                return Err(malformed(
                    text,
                    "Specified array dimensions do not match array contents.",
                ));
            }
            bounds
        }
    };
    Ok(Value::Array(Arc::new(Array::new(dimensions, values)?)))
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    element: &'a Type,
    settings: &'a Settings,
    values: Vec<Value>,
    /// How many there are on each level, once a first brace has closed there.
    lengths: Vec<Option<u32>>,
    /// The level of the elements, once one was seen.
    leaf_depth: Option<usize>,
}

impl Parser<'_> {
    /// `[2:3][1:4]=`, if it is there.
    fn bounds(&mut self) -> Result<Option<Vec<Dimension>>> {
        let mut bounds = Vec::new();
        while let Some(inside) = self.rest.strip_prefix('[') {
            if bounds.len() == DIMENSIONS_MAX {
                return Err(too_many_dimensions(bounds.len() + 1));
            }
            let missing =
                || self.malformed("\"[\" must introduce explicitly-specified array dimensions.");
            let (bound, rest) = inside.split_once(']').ok_or_else(missing)?;
            let number = |text: &str| -> Result<i32> {
                text.parse()
                    .map_err(|_| self.malformed("Missing array dimension value."))
            };
            let (lower, upper) = match bound.split_once(':') {
                Some((lower, upper)) => (number(lower)?, number(upper)?),
                None => (1, number(bound)?),
            };
            if upper < lower {
                let words = "upper bound cannot be less than lower bound";
                return Err(Error::new(SqlState::ARRAY_SUBSCRIPT_ERROR, words));
            }
            let length = (i64::from(upper) - i64::from(lower) + 1) as u32;
            bounds.push(Dimension { lower, length });
            self.rest = rest;
            self.skip_space();
        }
        if bounds.is_empty() {
            return Ok(None);
        }
        match self.rest.strip_prefix('=') {
            Some(rest) => self.rest = rest,
            None => return Err(self.malformed("Missing \"=\" after array dimensions.")),
        }
        Ok(Some(bounds))
    }

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
                Some('}') if count == 0 => break,
                Some('{') if self.leaf_depth == Some(depth) => return Err(self.uneven()),
                Some('{') => self.level(depth + 1)?,
                Some(_) if self.lengths.len() > depth + 1 => return Err(self.uneven()),
                Some(_) => {
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
                Some(_) => return Err(self.malformed("Unexpected array element.")),
                None => return Err(self.malformed("Unexpected end of input.")),
            }
            self.skip_space();
            if self.rest.starts_with('}') {
                return Err(self.malformed("Unexpected \"}\" character."));
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
                '{' => return Err(self.malformed("Unexpected \"{\" character.")),
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
                letter if quoted => {
                    let _ = letter;
                    return Err(self.malformed("Unexpected array element."));
                }
                letter => {
                    text.push(letter);
                    kept = text.len();
                }
            }
            self.rest = &self.rest[letter.len_utf8()..];
        }
        text.truncate(kept);
        let value = if text.is_empty() && !quoted {
            return Err(self.malformed("Unexpected \",\" character."));
        } else if !quoted && !escaped && text.eq_ignore_ascii_case("null") {
            Value::Null
        } else {
            io::parse(&text, self.element, self.settings)?
        };
        self.values.push(value);
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
    let element = of.element_type().unwrap_or(Type::TEXT);
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
