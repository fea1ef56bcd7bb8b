//! Text as numbers.

use super::number::{Description, Node, Pattern, SignPlace, parse};
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::numeric::Numeric;
use crate::value::Value;

/// `to_number`.
pub(super) fn number(text: &str, template: &str) -> Result<Value> {
    if template.is_empty() {
        return Ok(Value::Null);
    }
    let (nodes, description) = parse(template)?;
    let unsupported = |pattern: &str| {
        let words = format!("\"{pattern}\" not supported for input");
        Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words))
    };
    if description.exponent {
        return unsupported("EEEE");
    }
    if description.roman {
        return unsupported("RN");
    }
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        description: &description,
        sign: ' ',
        digits: String::new(),
        before: 0,
        after: 0,
        has_point: false,
    };
    reader.read(&nodes);
    let after = reader.after as i32;
    let precision = (description.before + description.shift) as i32 + after;
    let written = format!("{}{}", reader.sign, reader.digits.trim_end_matches('.'));
    let modifier = Modifier(((precision << 16) | after) + 4);
    let mut number = Numeric::parse(&written, modifier)?;
    if description.shifts {
        let shift = Numeric::from(-(description.shift as i64));
        number = number.multiply(&Numeric::from(10).power(&shift)?)?;
    }
    Ok(Value::Numeric(number))
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    description: &'a Description,
    sign: char,
    digits: String,
    /// Digits that were read before the point and after it.
    before: usize,
    after: usize,
    has_point: bool,
}

impl Reader<'_> {
    fn read(&mut self, nodes: &[Node]) {
        for node in nodes {
            if self.is_done() {
                break;
            }
            match node {
                Node::Letter(_) => self.skip_letter(),
                Node::Pattern(pattern) => self.pattern(*pattern),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn skip_letter(&mut self) {
        self.at += 1;
        while self.peek() & 0xc0 == 0x80 {
            self.at += 1;
        }
    }

    /// Skips so many letters, but none that may belong to a number.
    fn skip_others(&mut self, count: usize) {
        for _ in 0..count {
            if self.is_done() || b"0123456789.,+-".contains(&self.peek()) {
                break;
            }
            self.skip_letter();
        }
    }

    fn pattern(&mut self, pattern: Pattern) {
        match pattern {
            Pattern::Nine | Pattern::Zero | Pattern::Point | Pattern::LocalePoint => {
                self.part(matches!(pattern, Pattern::Nine | Pattern::Zero));
                self.at += 1;
            }
            Pattern::Comma | Pattern::Group => {
                if !self.description.fill && self.peek() == b',' {
                    self.at += 1;
                }
            }
            Pattern::LocaleCurrency => self.skip_others(1),
            Pattern::Ordinal { .. } => {
                if !self.description.has_point && self.sign != '#' {
                    self.skip_others(2);
                }
            }
            Pattern::Minus => self.sign_itself(b"-"),
            Pattern::Plus => self.sign_itself(b"+"),
            Pattern::Sign => self.sign_itself(b"-+"),
            Pattern::Blank
            | Pattern::Currency
            | Pattern::Exponent
            | Pattern::Fill
            | Pattern::Brackets
            | Pattern::Roman { .. }
            | Pattern::Spelled
            | Pattern::LocaleSign
            | Pattern::Shift => (),
        }
    }

    fn sign_itself(&mut self, signs: &[u8]) {
        if signs.contains(&self.peek()) {
            self.sign = char::from(self.peek());
            self.at += 1;
        } else {
            self.skip_others(1);
        }
    }

    fn take_sign(&mut self) -> bool {
        let found = matches!(self.peek(), b'-' | b'+');
        if found {
            self.sign = char::from(self.peek());
            self.at += 1;
        }
        found
    }

    /// A digit or the point, with a sign before or behind it. The caller goes on by one byte.
    fn part(&mut self, is_digit: bool) {
        if self.peek() == b' ' {
            self.at += 1;
        }
        if self.is_done() {
            return;
        }
        let it = self.description;
        if self.sign == ' ' && is_digit && self.before + self.after == 0 {
            let bracket = it.brackets && self.peek() == b'<';
            match it.sign_place {
                Some(SignPlace::Before) => {
                    self.take_sign();
                }
                _ if bracket => {
                    self.sign = '-';
                    self.at += 1;
                }
                _ => {
                    self.take_sign();
                }
            }
        }
        if self.is_done() {
            return;
        }
        let mut read = false;
        if self.peek().is_ascii_digit() {
            if self.has_point && self.after == it.after {
                return;
            }
            self.digits.push(char::from(self.peek()));
            match self.has_point {
                true => self.after += 1,
                false => self.before += 1,
            }
            read = true;
        } else if it.has_point && !self.has_point && self.peek() == b'.' {
            self.digits.push('.');
            self.has_point = true;
            read = true;
        }
        self.sign_behind(read);
    }

    fn sign_behind(&mut self, read: bool) {
        let it = self.description;
        if self.sign != ' ' || self.before + self.after == 0 {
            return;
        }
        if it.sign_place.is_some() {
            let next = self.text.get(self.at + 1);
            if read && let Some(sign @ (b'-' | b'+')) = next {
                self.sign = char::from(*sign);
                self.at += 1;
            }
        } else if !read && (it.plus || it.minus) && matches!(self.peek(), b'-' | b'+') {
            self.sign = char::from(self.peek());
        }
    }
}
