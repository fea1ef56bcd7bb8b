//! Regular expressions with PostgreSQL's meaning: its "advanced" ones, in collation "C".
//!
//! ```text
//! pattern ─▶ parse ─▶ tree ─▶ program              which texts match: states, all followed at once
//!                      └────▶ shape ─▶ dissect     which part of the text each bracket has
//! ```
//!
//! The match that begins first wins; of those the longest, or the shortest if the expression
//! prefers that, as POSIX has it and Perl has not. Then each part takes as much or as little as it
//! prefers, earlier parts first. Programs run in time proportional to text times states; only
//! back-references and brackets can take longer.
//!
//! Basic and extended expressions (options `b` and `e`) are refused by name.

mod dissect;
mod parse;
mod program;
mod shape;

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::{Error, Result, SqlState};
use crate::interrupt;
pub(crate) use parse::set_option;
use parse::{Node, Parsed};
use program::Program;
use shape::Part;

/// The most compiled expressions that a thread keeps.
const CACHED_MAX: usize = 32;

/// How an expression is read and matched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Options {
    /// Letters match in either case.
    pub(crate) any_case: bool,
    /// Blanks and comments are left out.
    pub(crate) expanded: bool,
    /// The pattern is plain text.
    pub(crate) literal: bool,
    /// `.` and `[^...]` do not match line feeds.
    pub(crate) lines_apart: bool,
    /// `^` and `$` match at line feeds too.
    pub(crate) lines_anchored: bool,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex {
    tree: Part,
    groups: usize,
    options: Options,
    /// Whether it can be matched by the program alone.
    search: Program,
    programs: RefCell<Vec<Option<Rc<Program>>>>,
    references: Vec<Option<Rc<Node>>>,
}

/// Where a part of the expression matched, in letters; `None` if it did not.
pub(crate) type Span = Option<(usize, usize)>;

pub(crate) fn invalid(words: &str) -> Error {
    Error::new(
        SqlState::INVALID_REGULAR_EXPRESSION,
        format!("invalid regular expression: {words}"),
    )
}

pub(crate) fn too_complex() -> Error {
    invalid("regular expression is too complex")
}

thread_local! {
    static CACHE: RefCell<Vec<(String, Options, Rc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

impl Regex {
    /// The expression, perhaps compiled before.
    pub(crate) fn cached(pattern: &str, options: Options) -> Result<Rc<Regex>> {
        CACHE.with(|cache| {
            let mut cache = cache.borrow_mut();
            let known = cache
                .iter()
                .position(|(text, with, _)| *with == options && text == pattern);
            if let Some(place) = known {
                // What is used comes first, what is not falls off.
                let entry = cache.remove(place);
                let regex = entry.2.clone();
                cache.insert(0, entry);
                return Ok(regex);
            }
            let regex = Rc::new(Regex::new(pattern, options)?);
            cache.truncate(CACHED_MAX - 1);
            cache.insert(0, (pattern.to_owned(), options, regex.clone()));
            Ok(regex)
        })
    }

    pub(crate) fn new(pattern: &str, options: Options) -> Result<Regex> {
        let Parsed {
            tree,
            groups,
            options,
            references,
        } = parse::parse(pattern, options)?;
        let search = Program::compile(&tree, &references)?;
        let (tree, parts) = shape::shape(&tree);
        Ok(Regex {
            tree,
            groups,
            options,
            search,
            programs: RefCell::new(vec![None; parts]),
            references,
        })
    }

    /// How many brackets capture.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Whether it matches anywhere.
    pub(crate) fn is_match(&self, text: &[char]) -> Result<bool> {
        if self.tree.traits.refers {
            return Ok(self.find(text, 0)?.is_some());
        }
        let found = self.search.first_start(text, 0, self.options);
        interrupt::finish()?;
        Ok(found.is_some())
    }

    /// The first match at or after a place: the whole, then each bracket.
    pub(crate) fn find(&self, text: &[char], from: usize) -> Result<Option<Vec<Span>>> {
        let mut from = from;
        while let Some(start) = self.search.first_start(text, from, self.options) {
            let mut ends = self.search.ends(text, start, text.len(), self.options);
            interrupt::finish()?;
            if !self.tree.traits.is_short() {
                ends.reverse();
            }
            for end in ends {
                let mut spans = vec![None; self.groups + 1];
                spans[0] = Some((start, end));
                if self.dissect(&self.tree, text, (start, end), &mut spans)? {
                    return Ok(Some(spans));
                }
            }
            from = start + 1;
        }
        interrupt::finish()?;
        Ok(None)
    }

    /// The program of a part.
    fn program(&self, part: &Part) -> Result<Rc<Program>> {
        if let Some(program) = &self.programs.borrow()[part.id] {
            return Ok(program.clone());
        }
        let program = Rc::new(Program::compile(&part.syntax, &self.references)?);
        self.programs.borrow_mut()[part.id] = Some(program.clone());
        Ok(program)
    }
}

#[cfg(test)]
mod tests;
