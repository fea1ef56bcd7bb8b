//! Functions of regular expressions.

use std::rc::Rc;
use std::sync::Arc;

use super::{Body, Row, Rows, VALUE_BYTES_MAX, invalid, row, too_long};
use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::operator::operand::take;
use crate::regex::{Options, Regex, Span, set_option};
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    row!(
        "regexp_like(text, text) bool",
        |text: &Text, pattern: &Text| is_match(text, pattern, Options::default())
    ),
    row!(
        "regexp_like(text, text, text) bool",
        |text: &Text, pattern: &Text, flags: &Text| {
            let search = Search::not_global("regexp_like", text, pattern, flags)?;
            search.regex.is_match(&search.text)
        }
    ),
    row!(
        "regexp_match(text, text) text[]",
        |text: &Text, pattern: &Text| Search::new(text, pattern, "")?.first_groups()
    ),
    row!(
        "regexp_match(text, text, text) text[]",
        |text: &Text, pattern: &Text, flags: &Text| {
            if flags.contains('g') {
                return Err(not_global("regexp_match")
                    .with_hint("Use the regexp_matches function instead."));
            }
            Search::new(text, pattern, flags)?.first_groups()
        }
    ),
    Row {
        signature: "regexp_matches(text, text) setof text[]",
        body: Body::Set(|arguments, _| matches(arguments)),
    },
    Row {
        signature: "regexp_matches(text, text, text) setof text[]",
        body: Body::Set(|arguments, _| matches(arguments)),
    },
    Row {
        signature: "regexp_split_to_table(text, text) setof text",
        body: Body::Set(|arguments, _| split_rows(arguments)),
    },
    Row {
        signature: "regexp_split_to_table(text, text, text) setof text",
        body: Body::Set(|arguments, _| split_rows(arguments)),
    },
    row!(
        "regexp_split_to_array(text, text) text[]",
        |text: &Text, pattern: &Text| Ok(array(split("regexp_split_to_array", text, pattern, "")?))
    ),
    row!(
        "regexp_split_to_array(text, text, text) text[]",
        |text: &Text, pattern: &Text, flags: &Text| {
            Ok(array(split("regexp_split_to_array", text, pattern, flags)?))
        }
    ),
    row!(
        "regexp_replace(text, text, text) text",
        |text: &Text, pattern: &Text, new: &Text| {
            Search::new(text, pattern, "")?.replaced(new, 0, Some(1))
        }
    ),
    row!(
        "regexp_replace(text, text, text, text) text",
        |text: &Text, pattern: &Text, new: &Text, flags: &Text| {
            if let Some(digit) = flags.chars().next().filter(char::is_ascii_digit) {
                return Err(unknown_option(&digit.to_string()).with_hint(
                "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.",
            ));
            }
            let search = Search::new(text, pattern, flags)?;
            let count = if search.global { None } else { Some(1) };
            search.replaced(new, 0, count)
        }
    ),
    row!(
        "regexp_replace(text, text, text, int4) text",
        |text: &Text, pattern: &Text, new: &Text, start: i32| {
            let start = start_of(start)?;
            Search::new(text, pattern, "")?.replaced(new, start, Some(1))
        }
    ),
    row!(
        "regexp_replace(text, text, text, int4, int4) text",
        |text: &Text, pattern: &Text, new: &Text, start: i32, nth: i32| {
            replace_nth(text, pattern, new, start, nth, "")
        }
    ),
    row!(
        "regexp_replace(text, text, text, int4, int4, text) text",
        |text: &Text, pattern: &Text, new: &Text, start: i32, nth: i32, flags: &Text| {
            replace_nth(text, pattern, new, start, nth, flags)
        }
    ),
    row!(
        "regexp_count(text, text) int4",
        |text: &Text, pattern: &Text| counted(text, pattern, 1, "")
    ),
    row!(
        "regexp_count(text, text, int4) int4",
        |text: &Text, pattern: &Text, start: i32| counted(text, pattern, start, "")
    ),
    row!(
        "regexp_count(text, text, int4, text) int4",
        |text: &Text, pattern: &Text, start: i32, flags: &Text| counted(
            text, pattern, start, flags
        )
    ),
    row!(
        "regexp_instr(text, text) int4",
        |text: &Text, pattern: &Text| place(text, pattern, [1, 1, 0, 0], "")
    ),
    row!(
        "regexp_instr(text, text, int4) int4",
        |text: &Text, pattern: &Text, start: i32| place(text, pattern, [start, 1, 0, 0], "")
    ),
    row!(
        "regexp_instr(text, text, int4, int4) int4",
        |text: &Text, pattern: &Text, start: i32, nth: i32| {
            place(text, pattern, [start, nth, 0, 0], "")
        }
    ),
    row!(
        "regexp_instr(text, text, int4, int4, int4) int4",
        |text: &Text, pattern: &Text, start: i32, nth: i32, end: i32| {
            place(text, pattern, [start, nth, end, 0], "")
        }
    ),
    row!(
        "regexp_instr(text, text, int4, int4, int4, text) int4",
        |text: &Text, pattern: &Text, start: i32, nth: i32, end: i32, flags: &Text| {
            place(text, pattern, [start, nth, end, 0], flags)
        }
    ),
    row!(
        "regexp_instr(text, text, int4, int4, int4, text, int4) int4",
        |text: &Text, pattern: &Text, start: i32, nth: i32, end: i32, flags: &Text, group: i32| {
            place(text, pattern, [start, nth, end, group], flags)
        }
    ),
    row!(
        "regexp_substr(text, text) text",
        |text: &Text, pattern: &Text| found_part(text, pattern, [1, 1, 0], "")
    ),
    row!(
        "regexp_substr(text, text, int4) text",
        |text: &Text, pattern: &Text, start: i32| found_part(text, pattern, [start, 1, 0], "")
    ),
    row!(
        "regexp_substr(text, text, int4, int4) text",
        |text: &Text, pattern: &Text, start: i32, nth: i32| {
            found_part(text, pattern, [start, nth, 0], "")
        }
    ),
    row!(
        "regexp_substr(text, text, int4, int4, text) text",
        |text: &Text, pattern: &Text, start: i32, nth: i32, flags: &Text| {
            found_part(text, pattern, [start, nth, 0], flags)
        }
    ),
    row!(
        "regexp_substr(text, text, int4, int4, text, int4) text",
        |text: &Text, pattern: &Text, start: i32, nth: i32, flags: &Text, group: i32| {
            found_part(text, pattern, [start, nth, group], flags)
        }
    ),
    row!(
        "substring(text, text) text",
        |text: &Text, pattern: &Text| part(text, pattern)
    ),
    row!(
        "substring(text, text, text) text",
        |text: &Text, pattern: &Text, escape: &Text| part(
            text,
            &similar_pattern(pattern, Some(escape))?
        )
    ),
    row!(
        "like_escape(text, text) text",
        |pattern: &Text, escape: &Text| Ok(Value::from(like_pattern(pattern, escape)?))
    ),
    row!("similar_to_escape(text) text", |pattern: &Text| Ok(
        Value::from(similar_pattern(pattern, None)?)
    )),
    row!(
        "similar_to_escape(text, text) text",
        |pattern: &Text, escape: &Text| Ok(Value::from(similar_pattern(pattern, Some(escape))?))
    ),
];

/// `text ~ pattern`.
pub(crate) fn is_match(text: &str, pattern: &str, options: Options) -> Result<bool> {
    let letters = crate::interrupt::letters(text)?;
    Regex::cached(pattern, options)?.is_match(&letters)
}

fn not_global(name: &str) -> Error {
    invalid(format!("{name}() does not support the \"global\" option"))
}

fn unknown_option(option: &str) -> Error {
    invalid(format!("invalid regular expression option: \"{option}\""))
}

/// A text and an expression that is looked for in it.
struct Search {
    text: Vec<char>,
    regex: Rc<Regex>,
    global: bool,
}

type Found = Vec<Span>;

impl Search {
    fn new(text: &str, pattern: &str, flags: &str) -> Result<Search> {
        let mut options = Options::default();
        let mut global = false;
        for letter in flags.chars() {
            match letter {
                'g' => global = true,
                letter => set_option(&mut options, letter)
                    .ok_or_else(|| unknown_option(&letter.to_string()))??,
            }
        }
        Ok(Search {
            text: crate::interrupt::letters(text)?,
            regex: Regex::cached(pattern, options)?,
            global,
        })
    }

    fn not_global(name: &str, text: &str, pattern: &str, flags: &str) -> Result<Search> {
        let search = Search::new(text, pattern, flags)?;
        if search.global {
            return Err(not_global(name));
        }
        Ok(search)
    }

    fn part(&self, (start, end): (usize, usize)) -> String {
        self.text[start..end].iter().collect()
    }

    /// All matches from a place on, or only the first; `edges` says whether empty ones count at the
    /// end and right behind another.
    fn all(&self, from: usize, edges: bool, limit: usize) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        let (mut from, mut before) = (from, 0);
        while from <= self.text.len() && found.len() < limit {
            let Some(spans) = self.regex.find(&self.text, from)? else {
                break;
            };
            let (start, end) = spans[0].unwrap_or((from, from));
            if edges || (start < self.text.len() && end > before) {
                found.push(spans);
            }
            before = end;
            from = end + usize::from(start == end);
        }
        Ok(found)
    }

    /// What the brackets have, or the whole match if there are none.
    fn groups(&self, found: &Found) -> Value {
        let skipped = usize::from(self.regex.groups() > 0);
        let parts = found[skipped..].iter();
        let parts = parts.map(|span| span.map_or(Value::Null, |span| Value::from(self.part(span))));
        array(parts.collect())
    }

    /// Where a match is by its number, or a bracket in it.
    fn nth(&self, start: i32, nth: i32, group: i32) -> Result<Span> {
        let from = start_of(start)?;
        let (nth, group) = (usize::try_from(nth), usize::try_from(group));
        let (Ok(nth), Ok(group)) = (nth, group) else {
            return Ok(None);
        };
        let found = self.all(from, true, nth)?;
        let Some(spans) = nth.checked_sub(1).and_then(|place| found.get(place)) else {
            return Ok(None);
        };
        Ok(match (group, self.regex.groups()) {
            (0, _) | (1, 0) => spans[0],
            (group, groups) if group <= groups => spans[group],
            _ => None,
        })
    }

    fn first_groups(&self) -> Result<Value> {
        let found = self.regex.find(&self.text, 0)?;
        Ok(found.map_or(Value::Null, |found| self.groups(&found)))
    }

    /// Replaces the matches from a place on: all, or the one of this number.
    fn replaced(&self, new: &str, from: usize, nth: Option<usize>) -> Result<Value> {
        let limit = nth.unwrap_or(usize::MAX);
        let found = self.all(from.min(self.text.len() + 1), true, limit)?;
        let mut out = String::new();
        let mut at = 0;
        for (index, spans) in found.iter().enumerate() {
            if nth.is_some_and(|nth| index + 1 != nth) {
                continue;
            }
            let (start, end) = spans[0].unwrap_or((at, at));
            out.extend(&self.text[at..start]);
            self.put_replacement(new, spans, &mut out);
            at = end;
            if out.len() > VALUE_BYTES_MAX {
                return Err(too_long());
            }
        }
        out.extend(&self.text[at..]);
        Ok(Value::from(out))
    }

    /// Appends a replacement: `\1` to `\9` are brackets, `\&` is the match, `\\` a backslash.
    fn put_replacement(&self, new: &str, spans: &Found, out: &mut String) {
        let mut letters = new.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            let place = match letters.peek() {
                Some('&') => Some(0),
                Some(digit @ '1'..='9') => digit.to_digit(10).map(|digit| digit as usize),
                Some('\\') => {
                    letters.next();
                    out.push('\\');
                    continue;
                }
                _ => None,
            };
            let Some(place) = place else {
                out.push('\\');
                continue;
            };
            letters.next();
            if let Some(Some((start, end))) = spans.get(place) {
                out.extend(&self.text[*start..*end]);
            }
        }
    }
}

fn array(values: Vec<Value>) -> Value {
    Value::Array(Arc::new(Array::from_values(values)))
}

fn flags_of(arguments: &[Value]) -> Result<&str> {
    arguments
        .get(2)
        .map_or(Ok(""), |flags| Ok(take::<&Text>(flags)?.as_str()))
}

fn matches(arguments: &[Value]) -> Result<Rows> {
    let (text, pattern): (&Text, &Text) = (take(&arguments[0])?, take(&arguments[1])?);
    let search = Search::new(text, pattern, flags_of(arguments)?)?;
    let limit = if search.global { usize::MAX } else { 1 };
    let found = search.all(0, true, limit)?;
    let rows: Vec<Value> = found.iter().map(|found| search.groups(found)).collect();
    Ok(Box::new(rows.into_iter().map(Ok)))
}

/// The parts between the matches.
fn split(name: &str, text: &str, pattern: &str, flags: &str) -> Result<Vec<Value>> {
    let search = Search::not_global(name, text, pattern, flags)?;
    let mut parts = Vec::new();
    let mut at = 0;
    for spans in search.all(0, false, usize::MAX)? {
        let (start, end) = spans[0].unwrap_or((at, at));
        parts.push(Value::from(search.part((at, start))));
        at = end;
    }
    parts.push(Value::from(search.part((at, search.text.len()))));
    Ok(parts)
}

fn split_rows(arguments: &[Value]) -> Result<Rows> {
    let (text, pattern): (&Text, &Text) = (take(&arguments[0])?, take(&arguments[1])?);
    let parts = split("regexp_split_to_table", text, pattern, flags_of(arguments)?)?;
    Ok(Box::new(parts.into_iter().map(Ok)))
}

/// The place of a match by its number, or of a bracket in it, and of what is behind it if `end`
/// is 1; 0 if there is none.
fn place(
    text: &str,
    pattern: &str,
    [start, nth, end, group]: [i32; 4],
    flags: &str,
) -> Result<i32> {
    start_of(start)?;
    check_number("n", nth, 1, i32::MAX)?;
    check_number("endoption", end, 0, 1)?;
    check_number("subexpr", group, 0, i32::MAX)?;
    let search = Search::not_global("regexp_instr", text, pattern, flags)?;
    let found = search.nth(start, nth, group)?;
    Ok(found.map_or(0, |(from, to)| {
        (if end == 1 { to } else { from }) as i32 + 1
    }))
}

/// A match by its number, or a bracket in it.
fn found_part(
    text: &str,
    pattern: &str,
    [start, nth, group]: [i32; 3],
    flags: &str,
) -> Result<Value> {
    start_of(start)?;
    check_number("n", nth, 1, i32::MAX)?;
    check_number("subexpr", group, 0, i32::MAX)?;
    let search = Search::not_global("regexp_substr", text, pattern, flags)?;
    let found = search.nth(start, nth, group)?;
    Ok(found.map_or(Value::Null, |span| Value::from(search.part(span))))
}

fn check_number(name: &str, value: i32, least: i32, most: i32) -> Result<()> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(invalid(format!(
            "invalid value for parameter \"{name}\": {value}"
        ))),
    }
}

/// A place to start at, counted from 1.
fn start_of(start: i32) -> Result<usize> {
    usize::try_from(i64::from(start) - 1)
        .map_err(|_| invalid(format!("invalid value for parameter \"start\": {start}")))
}

fn replace_nth(
    text: &str,
    pattern: &str,
    new: &str,
    start: i32,
    nth: i32,
    flags: &str,
) -> Result<Value> {
    let start = start_of(start)?;
    let nth = usize::try_from(nth)
        .map_err(|_| invalid(format!("invalid value for parameter \"n\": {nth}")))?;
    Search::new(text, pattern, flags)?.replaced(new, start, Some(nth).filter(|nth| *nth > 0))
}

fn counted(text: &str, pattern: &str, start: i32, flags: &str) -> Result<i32> {
    let start = start_of(start)?;
    let search = Search::not_global("regexp_count", text, pattern, flags)?;
    Ok(search.all(start, true, usize::MAX)?.len() as i32)
}

/// `substring(text from pattern)`: what the first bracket has, or the whole match.
fn part(text: &str, pattern: &str) -> Result<Value> {
    let search = Search::new(text, pattern, "")?;
    let Some(found) = search.regex.find(&search.text, 0)? else {
        return Ok(Value::Null);
    };
    let span = found[usize::from(search.regex.groups() > 0)];
    Ok(span.map_or(Value::Null, |span| Value::from(search.part(span))))
}

/// The letter of an ESCAPE; none if it is empty.
fn escape_letter(text: &str) -> Result<Option<char>> {
    let mut letters = text.chars();
    let first = letters.next();
    match letters.next() {
        None => Ok(first),
        Some(_) => Err(
            Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                .with_hint("Escape string must be empty or one character."),
        ),
    }
}

/// A pattern of LIKE with an ESCAPE of its own as one whose escape is the backslash.
fn like_pattern(pattern: &str, escape: &str) -> Result<String> {
    let escape = escape_letter(escape)?;
    if escape == Some('\\') {
        return Ok(pattern.to_owned());
    }
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for letter in pattern.chars() {
        if Some(letter) == escape && !escaped {
            out.push('\\');
            escaped = true;
            continue;
        }
        if letter == '\\' && !escaped {
            out.push('\\');
        }
        out.push(letter);
        escaped = false;
    }
    Ok(out)
}

/// A pattern of SIMILAR TO as a regular expression.
pub fn similar_pattern(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = match escape {
        None => Some('\\'),
        Some(text) => escape_letter(text)?,
    };
    let mut out = String::from("^(?:");
    let (mut escaped, mut within, mut separators) = (false, false, 0);
    for letter in pattern.chars() {
        if escaped {
            if letter == '"' && !within {
                match separators {
                    // What is wanted stands between two separators, each as short as it can be.
                    0 => out.push_str("){1,1}?("),
                    1 => out.push_str("){1,1}(?:"),
                    _ => {
                        let words = "SQL regular expression may not contain more than two escape-double-quote separators";
                        return Err(Error::new(SqlState::INVALID_USE_OF_ESCAPE_CHARACTER, words));
                    }
                }
                separators += 1;
            } else {
                out.push('\\');
                out.push(letter);
            }
            escaped = false;
        } else if Some(letter) == escape {
            escaped = true;
        } else if within {
            if letter == '\\' {
                out.push('\\');
            }
            out.push(letter);
            within = letter != ']';
        } else {
            match letter {
                '[' => {
                    out.push('[');
                    within = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(letter);
                }
                letter => out.push(letter),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}
