//! Patterns as trees.

mod letters;

use std::rc::Rc;

use super::{Options, invalid, too_complex};
use crate::error::{Error, Result, SqlState};

/// The most repetitions that braces may ask for.
const REPETITIONS_MAX: u32 = 255;
/// The deepest nesting of brackets.
const DEPTH_MAX: usize = 100;
/// The most parts one after the other.
const PARTS_MAX: usize = 1000;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
}

/// A preferred length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    Long,
    Short,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Empty,
    Literal(Vec<char>),
    Class(Class),
    /// One after the other; one within another is what brackets hold that do not capture.
    Sequence(Vec<Rc<Node>>),
    Alternate(Vec<Rc<Node>>),
    /// So often, and whether often or seldom is wanted, unless it is as what it repeats.
    Repeat(Rc<Node>, u32, Option<u32>, Option<Length>),
    Group(Rc<Node>, usize),
    At(Place),
    Look {
        ahead: bool,
        negative: bool,
        inner: Rc<Node>,
    },
    Reference(usize),
}

/// A place that matches nothing but itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordStart,
    WordEnd,
    WordEdge,
    NoWordEdge,
}

/// A set of letters.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) ranges: Vec<(char, char)>,
    /// Sets that are taken whole, as `\w` in brackets, negated ones too.
    pub(super) classes: Vec<Class>,
}

impl Class {
    pub(super) fn has(&self, letter: char, any_case: bool) -> bool {
        let plain = |letter: char| {
            self.ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&letter))
                || self.classes.iter().any(|class| class.has(letter, false))
        };
        let found = plain(letter)
            || (any_case
                && (plain(letter.to_ascii_lowercase()) || plain(letter.to_ascii_uppercase())));
        found != self.negated
    }
}

impl Node {
    pub(super) fn new(kind: Kind) -> Rc<Node> {
        Rc::new(Node { kind })
    }
}

pub(super) struct Parsed {
    pub(super) tree: Rc<Node>,
    pub(super) groups: usize,
    pub(super) options: Options,
    /// What each bracket holds, for back-references to it.
    pub(super) references: Vec<Option<Rc<Node>>>,
}

pub(super) fn parse(pattern: &str, options: Options) -> Result<Parsed> {
    let mut parser = Parser {
        letters: pattern.chars().collect(),
        at: 0,
        options,
        groups: 0,
        depth: 0,
        looking: 0,
        references: vec![None],
    };
    parser.prefix()?;
    let tree = if parser.options.literal {
        let letters = parser.letters.split_off(parser.at);
        Node::new(Kind::Literal(letters))
    } else {
        let tree = parser.alternation()?;
        if parser.at < parser.letters.len() {
            return Err(invalid("parentheses () not balanced"));
        }
        tree
    };
    Ok(Parsed {
        tree,
        groups: parser.groups,
        options: parser.options,
        references: parser.references,
    })
}

struct Parser {
    letters: Vec<char>,
    at: usize,
    options: Options,
    groups: usize,
    depth: usize,
    /// How many lookaround constraints are open: brackets in them do not capture.
    looking: usize,
    references: Vec<Option<Rc<Node>>>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        let rest = self.letters[self.at..].iter().copied();
        rest.take(text.len()).eq(text.chars())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// `***=`, `***:`, and options in brackets.
    fn prefix(&mut self) -> Result<()> {
        if self.options.literal {
            return Ok(());
        }
        if self.take("***=") {
            self.options.literal = true;
            return Ok(());
        }
        if !self.take("***:") && self.starts_with("***") {
            return Err(invalid("invalid embedded option"));
        }
        let word = self
            .letters
            .get(self.at + 2)
            .is_some_and(char::is_ascii_alphabetic);
        if self.starts_with("(?") && word {
            self.at += 2;
            while let Some(letter) = self.peek() {
                self.at += 1;
                if letter == ')' {
                    return Ok(());
                }
                set_option(&mut self.options, letter)
                    .ok_or_else(|| invalid("invalid embedded option"))??;
            }
            return Err(invalid("invalid embedded option"));
        }
        Ok(())
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            if self.starts_with("(?#") {
                while self.peek().is_some_and(|letter| letter != ')') {
                    self.at += 1;
                }
                self.at = (self.at + 1).min(self.letters.len());
                continue;
            }
            if !self.options.expanded {
                return Ok(());
            }
            match self.peek() {
                Some(letter) if crate::io::is_space(letter) => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.at += 1;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn alternation(&mut self) -> Result<Rc<Node>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_complex());
        }
        let mut branches = vec![self.branch()?];
        while self.peek() == Some('|') {
            self.at += 1;
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        if branches.len() == 1 {
            return branches.pop().ok_or_else(too_complex);
        }
        Ok(Node::new(Kind::Alternate(branches)))
    }

    fn branch(&mut self) -> Result<Rc<Node>> {
        let mut parts: Vec<Rc<Node>> = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some('|') => break,
                Some(')') if self.depth > 1 => break,
                Some(_) => {}
            }
            let part = self.quantified()?;
            // Letters in a row are one part.
            if let Kind::Literal(more) = &part.kind
                && let Some(last) = parts.last_mut().and_then(Rc::get_mut)
                && let Kind::Literal(before) = &mut last.kind
            {
                before.extend(more);
                continue;
            }
            parts.push(part);
            if parts.len() > PARTS_MAX {
                return Err(too_complex());
            }
        }
        Ok(match parts.len() {
            0 => Node::new(Kind::Empty),
            1 => parts.remove(0),
            _ => Node::new(Kind::Sequence(parts)),
        })
    }

    fn quantified(&mut self) -> Result<Rc<Node>> {
        let atom = self.atom()?;
        self.skip_blanks()?;
        let (min, max, fixed) = match self.peek() {
            Some('*') => (0, None, false),
            Some('+') => (1, None, false),
            Some('?') => (0, Some(1), false),
            Some('{')
                if self
                    .letters
                    .get(self.at + 1)
                    .is_some_and(char::is_ascii_digit) =>
            {
                self.at += 1;
                self.bounds()?
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        let short = self.peek() == Some('?');
        if short {
            self.at += 1;
        }
        if matches!(atom.kind, Kind::At(_) | Kind::Look { .. }) {
            return Err(invalid("quantifier operand invalid"));
        }
        let again = match self.peek() {
            Some('*' | '+' | '?') => true,
            Some('{') => self
                .letters
                .get(self.at + 1)
                .is_some_and(char::is_ascii_digit),
            _ => false,
        };
        if again {
            return Err(invalid("quantifier operand invalid"));
        }
        let prefers = match (fixed, short) {
            (true, _) => None,
            (false, true) => Some(Length::Short),
            (false, false) => Some(Length::Long),
        };
        Ok(Node::new(Kind::Repeat(atom, min, max, prefers)))
    }

    /// `m}`, `m,}`, `m,n}` up to the closing brace.
    fn bounds(&mut self) -> Result<(u32, Option<u32>, bool)> {
        let min = self.number()?;
        let (max, fixed) = if self.peek() == Some(',') {
            self.at += 1;
            if self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
                (Some(self.number()?), false)
            } else {
                (None, false)
            }
        } else {
            (Some(min), true)
        };
        if self.peek() != Some('}') {
            return Err(invalid("invalid repetition count(s)"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(invalid("invalid repetition count(s)"));
        }
        Ok((min, max, fixed))
    }

    fn number(&mut self) -> Result<u32> {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|letter| letter.to_digit(10)) {
            self.at += 1;
            number = number * 10 + digit;
            if number > REPETITIONS_MAX {
                return Err(invalid("invalid repetition count(s)"));
            }
        }
        Ok(number)
    }

    fn atom(&mut self) -> Result<Rc<Node>> {
        let letter = self.peek().ok_or_else(too_complex)?;
        self.at += 1;
        let kind = match letter {
            '(' => return self.bracketed(),
            '[' => return self.bracket_or_place(),
            '^' => Kind::At(if self.options.lines_anchored {
                Place::LineStart
            } else {
                Place::TextStart
            }),
            '$' => Kind::At(if self.options.lines_anchored {
                Place::LineEnd
            } else {
                Place::TextEnd
            }),
            '.' => Kind::Class(Class {
                negated: true,
                ranges: if self.options.lines_apart {
                    vec![('\n', '\n')]
                } else {
                    Vec::new()
                },
                classes: Vec::new(),
            }),
            '\\' => self.escape()?,
            '*' | '+' | '?' => return Err(invalid("quantifier operand invalid")),
            '{' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                return Err(invalid("quantifier operand invalid"));
            }
            ')' => return Err(invalid("parentheses () not balanced")),
            letter => Kind::Literal(vec![letter]),
        };
        // A letter with a quantifier stands alone.
        Ok(Node::new(kind))
    }

    fn bracketed(&mut self) -> Result<Rc<Node>> {
        let look = [
            ("?=", true, false),
            ("?!", true, true),
            ("?<=", false, false),
            ("?<!", false, true),
        ];
        for (mark, ahead, negative) in look {
            if self.take(mark) {
                self.looking += 1;
                let inner = self.alternation()?;
                self.looking -= 1;
                self.close()?;
                let kind = Kind::Look {
                    ahead,
                    negative,
                    inner,
                };
                return Ok(Node::new(kind));
            }
        }
        if self.take("?:") || self.looking > 0 {
            let inner = self.alternation()?;
            self.close()?;
            return Ok(as_brackets(inner));
        }
        if self.peek() == Some('?') {
            return Err(invalid("quantifier operand invalid"));
        }
        self.groups += 1;
        let number = self.groups;
        self.references.push(None);
        let inner = self.alternation()?;
        self.close()?;
        self.references[number] = Some(inner.clone());
        Ok(Node::new(Kind::Group(inner, number)))
    }

    fn close(&mut self) -> Result<()> {
        if self.peek() != Some(')') {
            return Err(invalid("parentheses () not balanced"));
        }
        self.at += 1;
        Ok(())
    }
}

/// What brackets hold that do not capture is one atom: letters in them are none of those beside
/// them, and places may come more than once.
fn as_brackets(inner: Rc<Node>) -> Rc<Node> {
    match &inner.kind {
        Kind::Literal(_) | Kind::At(_) | Kind::Look { .. } | Kind::Reference(_) => {
            Node::new(Kind::Sequence(vec![inner]))
        }
        _ => inner,
    }
}

/// Sets an option by its letter; `None` if there is no such option.
pub(crate) fn set_option(options: &mut Options, letter: char) -> Option<Result<()>> {
    let lines = |options: &mut Options, apart: bool, anchored: bool| {
        options.lines_apart = apart;
        options.lines_anchored = anchored;
    };
    match letter {
        'c' => options.any_case = false,
        'i' => options.any_case = true,
        'm' | 'n' => lines(options, true, true),
        'p' => lines(options, true, false),
        'w' => lines(options, false, true),
        's' => lines(options, false, false),
        't' => options.expanded = false,
        'x' => options.expanded = true,
        'q' => options.literal = true,
        'b' | 'e' => {
            let words = format!("regular expression option \"{letter}\" is not supported");
            return Some(Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, words)));
        }
        _ => return None,
    }
    Some(Ok(()))
}
