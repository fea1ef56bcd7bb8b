//! `format`: text with values put in, as names or literals of SQL where asked for.

use super::text::{append, quoted_identifier, quoted_literal};
use super::{Row, Scope, VALUE_BYTES_MAX, invalid, raw, too_long};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;
use crate::operator::operand::take;
use crate::text::Text;
use crate::value::Value;

pub(super) static ROWS: &[Row] = &[
    raw!("format(text) text stable called", format),
    raw!("format(text, variadic any) text stable called", format),
];

fn format(arguments: &[Value], scope: &Scope<'_>) -> Result<Value> {
    let [pattern, arguments @ ..] = arguments else {
        return Err(super::wrong_count());
    };
    let Some(pattern) = take::<Option<&Text>>(pattern)? else {
        return Ok(Value::Null);
    };
    let mut formatter = Formatter {
        rest: pattern,
        arguments,
        next: 0,
        out: String::new(),
    };
    while let Some(at) = formatter.rest.find('%') {
        formatter.out.push_str(&formatter.rest[..at]);
        formatter.rest = &formatter.rest[at + 1..];
        formatter.specifier(scope)?;
        if formatter.out.len() > VALUE_BYTES_MAX {
            return Err(too_long());
        }
    }
    formatter.out.push_str(formatter.rest);
    Ok(Value::from(formatter.out))
}

struct Formatter<'a> {
    rest: &'a str,
    arguments: &'a [Value],
    /// The argument that is next in turn.
    next: usize,
    out: String,
}

impl Formatter<'_> {
    /// `%[position][flags][width]type`, without the percent sign.
    fn specifier(&mut self, scope: &Scope<'_>) -> Result<()> {
        if self.rest.is_empty() {
            return Err(unterminated());
        }
        if let Some(rest) = self.rest.strip_prefix('%') {
            self.rest = rest;
            self.out.push('%');
            return Ok(());
        }
        let mut position = None;
        let mut width = self.number()?;
        if let (Some(number), Some(rest)) = (width, self.rest.strip_prefix('$')) {
            if number == 0 {
                return Err(argument_zero());
            }
            self.rest = rest;
            (position, width) = (Some(number), None);
        }
        let mut left = false;
        if width.is_none() {
            while let Some(rest) = self.rest.strip_prefix('-') {
                (self.rest, left) = (rest, true);
            }
            width = match self.rest.strip_prefix('*') {
                Some(rest) => {
                    self.rest = rest;
                    let (width, negative) = self.width_argument(scope)?;
                    left |= negative;
                    Some(width)
                }
                None => self.number()?,
            };
        }
        let Some(kind) = self.rest.chars().next() else {
            return Err(unterminated());
        };
        if !matches!(kind, 's' | 'I' | 'L') {
            let words = format!("unrecognized format() type specifier \"{kind}\"");
            return Err(invalid(words).with_hint(PERCENT_HINT));
        }
        self.rest = &self.rest[1..];
        let value = self.argument(position)?;
        self.put(&value, kind, width.unwrap_or(0), left, scope)
    }

    /// Digits, if any stand here.
    fn number(&mut self) -> Result<Option<usize>> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Ok(None);
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if rest.is_empty() {
            return Err(unterminated());
        }
        let number: i32 = number.parse().map_err(|_| {
            Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                "number is out of range",
            )
        })?;
        Ok(Some(number as usize))
    }

    /// The width that an argument says; a negative one puts the blanks behind.
    fn width_argument(&mut self, scope: &Scope<'_>) -> Result<(usize, bool)> {
        let mut position = None;
        if let Some(number) = self.number()? {
            let Some(rest) = self.rest.strip_prefix('$') else {
                let words = "width argument position must be ended by \"$\"";
                return Err(invalid(words));
            };
            if number == 0 {
                return Err(argument_zero());
            }
            (self.rest, position) = (rest, Some(number));
        }
        let value = self.argument(position)?;
        let width = match &value {
            Value::Null => 0,
            Value::Int2(_) | Value::Int4(_) => value.as_integer().unwrap_or(0),
            other => {
                let mut text = String::new();
                append(other, scope, &mut text)?;
                let of = crate::types::Type::INT4;
                let read = crate::io::parse(&text, &of, scope.settings)?;
                read.as_integer().unwrap_or(0)
            }
        };
        if width == i64::from(i32::MIN) {
            let words = "number is out of range";
            return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
        }
        Ok((width.unsigned_abs() as usize, width < 0))
    }

    fn argument(&mut self, position: Option<usize>) -> Result<Value> {
        let index = position.map_or(self.next, |position| position - 1);
        let value = self
            .arguments
            .get(index)
            .cloned()
            .ok_or_else(|| invalid("too few arguments for format()"))?;
        self.next = index + 1;
        Ok(value)
    }

    fn put(
        &mut self,
        value: &Value,
        kind: char,
        width: usize,
        left: bool,
        scope: &Scope<'_>,
    ) -> Result<()> {
        let mut text = String::new();
        match (value, kind) {
            (Value::Null, 'L') => text.push_str("NULL"),
            (Value::Null, 'I') => {
                let words = "null values cannot be formatted as an SQL identifier";
                return Err(Error::new(SqlState::NULL_VALUE_NOT_ALLOWED, words));
            }
            (Value::Null, _) => {}
            _ => append(value, scope, &mut text)?,
        }
        match kind {
            'I' => text = quoted_identifier(&text),
            'L' if !value.is_null() => text = quoted_literal(&text),
            _ => {}
        }
        interrupt::spend(text.len())?;
        let blanks = width.saturating_sub(text.chars().count());
        if self.out.len() + text.len() + blanks > VALUE_BYTES_MAX {
            return Err(too_long());
        }
        if left {
            self.out.push_str(&text);
            self.put_blanks(blanks)
        } else {
            self.put_blanks(blanks)?;
            self.out.push_str(&text);
            Ok(())
        }
    }

    /// Up to a gigabyte of them: somebody may want to stop that.
    fn put_blanks(&mut self, count: usize) -> Result<()> {
        let some = " ".repeat(count.min(1 << 16));
        let mut left = count;
        while left > 0 {
            let now = left.min(some.len());
            interrupt::spend(now)?;
            self.out.push_str(&some[..now]);
            left -= now;
        }
        Ok(())
    }
}

const PERCENT_HINT: &str = "For a single \"%\" use \"%%\".";

fn unterminated() -> Error {
    invalid("unterminated format() type specifier").with_hint(PERCENT_HINT)
}

fn argument_zero() -> Error {
    invalid("format specifies argument 0, but arguments are numbered from 1")
}
