//! Templates of numbers: what their patterns say together.

use super::{NODE_UNITS, quoted};
use crate::error::{Error, Result, SqlState};
use crate::interrupt;

/// A pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pattern {
    Comma,
    Point,
    Zero,
    Nine,
    Blank,
    Currency,
    LocalePoint,
    Exponent,
    Fill,
    Group,
    LocaleCurrency,
    Minus,
    Plus,
    Brackets,
    Roman { upper: bool },
    Sign,
    Spelled,
    LocaleSign,
    Ordinal { upper: bool },
    Shift,
}

/// What is written for them in upper case; each is known in lower case too.
const PATTERNS: &[(&str, Pattern)] = &[
    (",", Pattern::Comma),
    (".", Pattern::Point),
    ("0", Pattern::Zero),
    ("9", Pattern::Nine),
    ("B", Pattern::Blank),
    ("C", Pattern::Currency),
    ("D", Pattern::LocalePoint),
    ("EEEE", Pattern::Exponent),
    ("FM", Pattern::Fill),
    ("G", Pattern::Group),
    ("L", Pattern::LocaleCurrency),
    ("MI", Pattern::Minus),
    ("PL", Pattern::Plus),
    ("PR", Pattern::Brackets),
    ("RN", Pattern::Roman { upper: true }),
    ("SG", Pattern::Sign),
    ("SP", Pattern::Spelled),
    ("S", Pattern::LocaleSign),
    ("TH", Pattern::Ordinal { upper: true }),
    ("V", Pattern::Shift),
];

pub(super) enum Node {
    Pattern(Pattern),
    Letter(char),
}

/// Where the sign stands that `S` means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SignPlace {
    Before,
    After,
}

/// What a template says.
#[derive(Default)]
pub(super) struct Description {
    /// Digits before the point and after it, and those that `V` shifts by.
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) shift: usize,
    pub(super) sign_place: Option<SignPlace>,
    /// Digits before `S`.
    pub(super) before_sign: usize,
    /// The first and the last digit that is shown though it is zero; counted from 1.
    pub(super) zero_start: usize,
    pub(super) zero_end: usize,
    pub(super) has_point: bool,
    pub(super) fill: bool,
    pub(super) has_zero: bool,
    pub(super) is_blank: bool,
    pub(super) brackets: bool,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) roman: bool,
    pub(super) shifts: bool,
    pub(super) exponent: bool,
}

/// A template: its nodes, and what they say together.
pub(super) fn parse(template: &str) -> Result<(Vec<Node>, Description)> {
    let mut nodes = Vec::new();
    let mut description = Description::default();
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        interrupt::spend(NODE_UNITS)?;
        if let Some((pattern, length)) = pattern(rest) {
            description.add(pattern)?;
            nodes.push(Node::Pattern(pattern));
            rest = &rest[length..];
        } else if first == '"' {
            rest = quoted(&rest[1..], |letter| nodes.push(Node::Letter(letter)));
        } else {
            let escaped = rest.starts_with("\\\"");
            let letter = if escaped { '"' } else { first };
            nodes.push(Node::Letter(letter));
            rest = &rest[if escaped { 2 } else { first.len_utf8() }..];
        }
    }
    Ok((nodes, description))
}

fn pattern(text: &str) -> Option<(Pattern, usize)> {
    PATTERNS.iter().find_map(|(written, pattern)| {
        let lower = written.to_ascii_lowercase();
        if text.starts_with(written) {
            return Some((*pattern, written.len()));
        }
        let pattern = match pattern {
            Pattern::Roman { .. } => Pattern::Roman { upper: false },
            Pattern::Ordinal { .. } => Pattern::Ordinal { upper: false },
            other => *other,
        };
        text.starts_with(&lower).then_some((pattern, written.len()))
    })
}

impl Description {
    fn add(&mut self, pattern: Pattern) -> Result<()> {
        if self.exponent && pattern != Pattern::Exponent {
            return Err(wrong("\"EEEE\" must be the last pattern used"));
        }
        match pattern {
            Pattern::Nine => self.digit("\"9\" must be ahead of \"PR\"")?,
            Pattern::Zero => self.zero()?,
            Pattern::Blank => {
                self.is_blank |= self.before == 0 && self.after == 0 && !self.has_zero;
            }
            Pattern::Point | Pattern::LocalePoint => {
                if self.has_point {
                    return Err(wrong("multiple decimal points"));
                }
                if self.shifts {
                    return Err(wrong("cannot use \"V\" and decimal point together"));
                }
                self.has_point = true;
            }
            Pattern::Fill => self.fill = true,
            Pattern::LocaleSign => self.locale_sign()?,
            Pattern::Minus => {
                self.no_locale_sign("MI")?;
                self.minus = true;
            }
            Pattern::Plus => {
                self.no_locale_sign("PL")?;
                self.plus = true;
            }
            Pattern::Sign => {
                self.no_locale_sign("SG")?;
                (self.minus, self.plus) = (true, true);
            }
            Pattern::Brackets => {
                if self.sign_place.is_some() || self.plus || self.minus {
                    let words = "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together";
                    return Err(wrong(words));
                }
                self.brackets = true;
            }
            Pattern::Roman { .. } => self.roman = true,
            Pattern::Shift => {
                if self.has_point {
                    return Err(wrong("cannot use \"V\" and decimal point together"));
                }
                self.shifts = true;
            }
            Pattern::Exponent => self.add_exponent()?,
            Pattern::Comma
            | Pattern::Currency
            | Pattern::Group
            | Pattern::LocaleCurrency
            | Pattern::Spelled
            | Pattern::Ordinal { .. } => (),
        }
        Ok(())
    }

    fn digit(&mut self, in_brackets: &str) -> Result<()> {
        if self.brackets {
            return Err(wrong(in_brackets));
        }
        if self.shifts {
            self.shift += 1;
        } else if self.has_point {
            self.after += 1;
        } else {
            self.before += 1;
        }
        Ok(())
    }

    fn zero(&mut self) -> Result<()> {
        if self.brackets {
            return Err(wrong("\"0\" must be ahead of \"PR\""));
        }
        if !self.has_zero && !self.has_point {
            self.has_zero = true;
            self.zero_start = self.before + 1;
        }
        if self.has_point {
            self.after += 1;
        } else {
            self.before += 1;
        }
        self.zero_end = self.before + self.after;
        Ok(())
    }

    fn locale_sign(&mut self) -> Result<()> {
        if self.sign_place.is_some() {
            return Err(wrong("cannot use \"S\" twice"));
        }
        if self.plus || self.minus || self.brackets {
            let words = "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together";
            return Err(wrong(words));
        }
        if self.has_point {
            self.sign_place = Some(SignPlace::After);
        } else {
            self.sign_place = Some(SignPlace::Before);
            self.before_sign = self.before;
        }
        Ok(())
    }

    fn no_locale_sign(&self, pattern: &str) -> Result<()> {
        match self.sign_place {
            None => Ok(()),
            Some(_) => Err(wrong(&format!(
                "cannot use \"S\" and \"{pattern}\" together"
            ))),
        }
    }

    fn add_exponent(&mut self) -> Result<()> {
        if self.exponent {
            return Err(wrong("cannot use \"EEEE\" twice"));
        }
        let others = self.is_blank
            || self.fill
            || self.sign_place.is_some()
            || self.brackets
            || self.minus
            || self.plus
            || self.roman
            || self.shifts;
        if others {
            let detail =
                "\"EEEE\" may only be used together with digit and decimal point patterns.";
            return Err(wrong("\"EEEE\" is incompatible with other formats").with_detail(detail));
        }
        self.exponent = true;
        Ok(())
    }
}

fn wrong(words: &str) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, words)
}
