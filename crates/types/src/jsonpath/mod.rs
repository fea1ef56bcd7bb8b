//! `jsonpath`: paths into `jsonb`, as SQL/JSON and PostgreSQL have them.
//!
//! ```text
//! text ─▶ lex ─▶ tokens ─▶ parse ─▶ Path ─▶ execute  items that the path finds in a tree
//!                                    └────▶ print    the text form, normalized
//! ```
//!
//! A path is a chain of steps, each of which is applied to what the one before it found. In lax
//! mode, which is the usual one, arrays are unwrapped and scalars wrapped where a step wants the
//! other, and what is missing is nothing; in strict mode both are errors. Errors within predicates
//! make them unknown.
//!
//! Paths are kept and passed as texts; there is no column type for them. `.datetime()` is refused
//! by name: its values would be of types that JSON has not.

mod execute;
mod lex;
mod parse;
mod predicate;
mod print;

pub(crate) use execute::{Found, Search};

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::{Error, Result, SqlState};
use crate::numeric::Numeric;

/// A path.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Path {
    lax: bool,
    chain: Chain,
}

/// A step, and those after it.
#[derive(Clone, PartialEq, Debug)]
struct Chain {
    first: Step,
    rest: Vec<Step>,
}

/// What one step does.
#[derive(Clone, PartialEq, Debug)]
enum Step {
    Null,
    Bool(bool),
    Number(Numeric),
    String(String),
    Variable(String),
    /// `$`
    Root,
    /// `@`
    Current,
    /// `last`
    Last,
    /// `.key`
    Key(String),
    /// `.*`
    AnyKey,
    /// `[*]`
    AnyElement,
    /// `[1, 3 to last]`
    Elements(Vec<(Chain, Option<Chain>)>),
    /// `.**{1 to 3}`; the last level is `u32::MAX`.
    AnyLevel(u32, u32),
    Method(Method),
    /// `?(...)`
    Filter(Box<Chain>),
    Arithmetic(Operation, Box<Chain>, Box<Chain>),
    Sign {
        minus: bool,
        operand: Box<Chain>,
    },
    Predicate(Predicate),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Method {
    Type,
    Size,
    Abs,
    Floor,
    Ceiling,
    Double,
    KeyValue,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is true, false or unknown.
#[derive(Clone, PartialEq, Debug)]
enum Predicate {
    And(Box<Chain>, Box<Chain>),
    Or(Box<Chain>, Box<Chain>),
    Not(Box<Chain>),
    IsUnknown(Box<Chain>),
    Compare(Comparison, Box<Chain>, Box<Chain>),
    StartsWith(Box<Chain>, Box<Chain>),
    LikeRegex {
        operand: Box<Chain>,
        pattern: String,
        flags: String,
    },
    Exists(Box<Chain>),
}

/// The most paths that a thread keeps.
const CACHED_MAX: usize = 16;

thread_local! {
    static CACHE: RefCell<Vec<(String, Rc<Path>)>> = const { RefCell::new(Vec::new()) };
}

impl Path {
    /// The path, perhaps read before.
    pub(crate) fn cached(text: &str) -> Result<Rc<Path>> {
        CACHE.with(|cache| {
            let mut cache = cache.borrow_mut();
            if let Some((_, path)) = cache.iter().find(|(known, _)| known == text) {
                return Ok(path.clone());
            }
            let path = Rc::new(Path::parse(text)?);
            cache.truncate(CACHED_MAX - 1);
            cache.insert(0, (text.to_owned(), path.clone()));
            Ok(path)
        })
    }

    /// Reads a path.
    pub(crate) fn parse(text: &str) -> Result<Path> {
        parse::parse(text)
    }
}

impl Chain {
    fn of(first: Step) -> Chain {
        Chain {
            first,
            rest: Vec::new(),
        }
    }

    fn is_predicate(&self) -> bool {
        self.rest.is_empty() && matches!(self.first, Step::Predicate(_))
    }
}

impl Method {
    const ALL: [(Method, &'static str); 7] = [
        (Method::Type, "type"),
        (Method::Size, "size"),
        (Method::Abs, "abs"),
        (Method::Floor, "floor"),
        (Method::Ceiling, "ceiling"),
        (Method::Double, "double"),
        (Method::KeyValue, "keyvalue"),
    ];

    fn name(self) -> &'static str {
        let mut all = Method::ALL.iter();
        all.find(|(method, _)| *method == self)
            .map_or("", |(_, name)| name)
    }
}

impl Operation {
    fn sign(self) -> &'static str {
        match self {
            Operation::Add => "+",
            Operation::Subtract => "-",
            Operation::Multiply => "*",
            Operation::Divide => "/",
            Operation::Remainder => "%",
        }
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

fn syntax(message: impl Into<String>) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message)
}

/// The expression that `like_regex` means by a pattern and its flags.
fn regex(pattern: &str, flags: &str) -> Result<Rc<crate::regex::Regex>> {
    let mut options = crate::regex::Options {
        lines_apart: true,
        ..Default::default()
    };
    let has = |flag: char| flags.contains(flag);
    options.any_case = has('i');
    if has('q') {
        options.literal = true;
        options.lines_apart = false;
    } else {
        options.lines_apart = !has('s');
        options.lines_anchored = has('m');
        if has('x') {
            let message = "XQuery \"x\" flag (expanded regular expressions) is not implemented";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
    }
    crate::regex::Regex::cached(pattern, options)
}

#[cfg(test)]
mod tests;
