//! Sets of letters in brackets, and escapes.

use std::rc::Rc;

use super::super::invalid;
use super::{Class, Kind, Node, Parser, Place};
use crate::error::Result;

impl Parser {
    pub(super) fn bracket_or_place(&mut self) -> Result<Rc<Node>> {
        for (mark, place) in [("[:<:]]", Place::WordStart), ("[:>:]]", Place::WordEnd)] {
            if self.take(mark) {
                return Ok(Node::new(Kind::At(place)));
            }
        }
        let mut class = self.class()?;
        if class.negated && self.options.lines_apart {
            class.ranges.push(('\n', '\n'));
        }
        Ok(Node::new(Kind::Class(class)))
    }

    fn class(&mut self) -> Result<Class> {
        let unbalanced = || invalid("brackets [] not balanced");
        let mut class = Class::default();
        if self.peek() == Some('^') {
            self.at += 1;
            class.negated = true;
        }
        let mut first = true;
        loop {
            let letter = self.peek().ok_or_else(unbalanced)?;
            if letter == ']' && !first {
                self.at += 1;
                return Ok(class);
            }
            first = false;
            let Some(low) = self.class_element(&mut class)? else {
                continue;
            };
            let is_range = self.peek() == Some('-')
                && self
                    .letters
                    .get(self.at + 1)
                    .is_some_and(|next| *next != ']');
            if !is_range {
                class.ranges.push((low, low));
                continue;
            }
            self.at += 1;
            let high = self
                .class_element(&mut class)?
                .ok_or_else(|| invalid("invalid character range"))?;
            if low > high {
                return Err(invalid("invalid character range"));
            }
            class.ranges.push((low, high));
        }
    }

    /// A letter, or a named set that is added whole.
    fn class_element(&mut self, class: &mut Class) -> Result<Option<char>> {
        let unbalanced = || invalid("brackets [] not balanced");
        let letter = self.peek().ok_or_else(unbalanced)?;
        self.at += 1;
        match (letter, self.peek()) {
            ('[', Some(mark @ (':' | '.' | '='))) => {
                self.at += 1;
                let mut name = String::new();
                while !self.starts_with(&format!("{mark}]")) {
                    name.push(self.peek().ok_or_else(unbalanced)?);
                    self.at += 1;
                }
                self.at += 2;
                if mark == ':' {
                    let ranges =
                        named_class(&name).ok_or_else(|| invalid("invalid character class"))?;
                    class.ranges.extend_from_slice(ranges);
                    return Ok(None);
                }
                let mut letters = name.chars();
                match (letters.next(), letters.next()) {
                    (Some(letter), None) => Ok(Some(letter)),
                    _ => Err(invalid("invalid collating element")),
                }
            }
            ('\\', _) => match self.escape()? {
                Kind::Literal(letters) => Ok(letters.first().copied()),
                Kind::Class(inner) if !inner.negated => {
                    class.classes.push(inner);
                    Ok(None)
                }
                _ => Err(invalid("invalid escape \\ sequence")),
            },
            _ => Ok(Some(letter)),
        }
    }

    /// What follows a backslash.
    pub(super) fn escape(&mut self) -> Result<Kind> {
        let bad = || invalid("invalid escape \\ sequence");
        let letter = self.peek().ok_or_else(bad)?;
        self.at += 1;
        let literal = |letter: char| Ok(Kind::Literal(vec![letter]));
        let set = |name: &str, negated: bool| {
            let ranges = named_class(name).unwrap_or_default().to_vec();
            Ok(Kind::Class(Class {
                negated,
                ranges,
                classes: Vec::new(),
            }))
        };
        match letter {
            'a' => literal('\x07'),
            'b' => literal('\x08'),
            'B' => literal('\\'),
            'c' => {
                let control = self.peek().ok_or_else(bad)?;
                self.at += 1;
                literal(char::from(control as u8 & 0x1f))
            }
            'e' => literal('\x1b'),
            'f' => literal('\x0c'),
            'n' => literal('\n'),
            'r' => literal('\r'),
            't' => literal('\t'),
            'v' => literal('\x0b'),
            'u' => literal(self.hexadecimal(4, 4)?),
            'U' => literal(self.hexadecimal(8, 8)?),
            'x' => literal(self.hexadecimal(1, 255)?),
            'd' => set("digit", false),
            's' => set("space", false),
            'w' => set("word", false),
            'D' => set("digit", true),
            'S' => set("space", true),
            'W' => set("word", true),
            'A' => Ok(Kind::At(Place::TextStart)),
            'Z' => Ok(Kind::At(Place::TextEnd)),
            'm' => Ok(Kind::At(Place::WordStart)),
            'M' => Ok(Kind::At(Place::WordEnd)),
            'y' => Ok(Kind::At(Place::WordEdge)),
            'Y' => Ok(Kind::At(Place::NoWordEdge)),
            '0' => literal(self.octal(0)?),
            '1'..='9' => self.reference(letter),
            letter if letter.is_ascii_alphanumeric() => Err(bad()),
            letter => literal(letter),
        }
    }

    /// A back-reference, or a letter by its octal number.
    fn reference(&mut self, first: char) -> Result<Kind> {
        let start = self.at;
        let mut number = first.to_digit(10).unwrap_or(0) as usize;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(10)) {
            number = (number * 10 + digit as usize).min(1_000_000);
            self.at += 1;
        }
        if self.at == start || number <= self.groups {
            let known = self.references.get(number).is_some_and(Option::is_some);
            if !known || self.looking > 0 {
                return Err(invalid("invalid backreference number"));
            }
            return Ok(Kind::Reference(number));
        }
        self.at = start;
        let value = first
            .to_digit(8)
            .ok_or_else(|| invalid("invalid backreference number"))?;
        Ok(Kind::Literal(vec![self.octal(value)?]))
    }

    fn octal(&mut self, mut value: u32) -> Result<char> {
        for _ in 0..2 {
            match self.peek().and_then(|letter| letter.to_digit(8)) {
                Some(digit) => value = value * 8 + digit,
                None => break,
            }
            self.at += 1;
        }
        char::from_u32(value).ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    fn hexadecimal(&mut self, least: usize, most: usize) -> Result<char> {
        let bad = || invalid("invalid escape \\ sequence");
        let (mut value, mut count) = (0_u32, 0);
        while count < most {
            let Some(digit) = self.peek().and_then(|letter| letter.to_digit(16)) else {
                break;
            };
            value = value
                .checked_mul(16)
                .and_then(|value| value.checked_add(digit))
                .ok_or_else(bad)?;
            self.at += 1;
            count += 1;
        }
        if count < least {
            return Err(bad());
        }
        char::from_u32(value).ok_or_else(bad)
    }
}

/// The letters of a named set, which are ASCII's.
fn named_class(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[(' ', ' '), ('\t', '\r')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        "word" => &[('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')],
        _ => return None,
    })
}
