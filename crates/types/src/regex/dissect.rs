//! Which part of a match each bracket has.
//!
//! A part is cut in two where its left half prefers it, as long as both halves match; if what is
//! within them does not fit after all, the next cut is tried.

use super::parse::{Kind, Node};
use super::{Regex, Span};
use crate::error::Result;
use crate::interrupt;

impl Regex {
    /// Fills `spans` for a part that matches there by its program; false if it does not after all.
    pub(super) fn dissect(
        &self,
        node: &Node,
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        if !node.messy {
            return Ok(true);
        }
        interrupt::spend(64)?;
        interrupt::finish()?;
        match &node.kind {
            Kind::Group(inner, number) => {
                if !self.dissect(inner, text, (start, end), spans)? {
                    return Ok(false);
                }
                spans[*number] = Some((start, end));
                Ok(true)
            }
            Kind::Reference(number) => Ok(spans[*number].is_some_and(|(from, to)| {
                let same = |(left, right): (&char, &char)| {
                    left == right || (self.options.any_case && left.eq_ignore_ascii_case(right))
                };
                to - from == end - start && text[from..to].iter().zip(&text[start..end]).all(same)
            })),
            Kind::Concat(left, right) => self.concat(left, right, text, (start, end), spans),
            Kind::Alternate(branches) => {
                for branch in branches {
                    if self
                        .program(branch)?
                        .matches(text, (start, end), self.options)
                    {
                        let mut tried = spans.clone();
                        if self.dissect(branch, text, (start, end), &mut tried)? {
                            *spans = tried;
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
            Kind::Repeat(inner, min, max) => self.repeat(
                inner,
                (*min, *max),
                node.prefers_short(),
                text,
                (start, end),
                spans,
            ),
            Kind::Empty | Kind::Literal(_) | Kind::Class(_) | Kind::At(_) | Kind::Look { .. } => {
                Ok(true)
            }
        }
    }

    fn concat(
        &self,
        left: &Node,
        right: &Node,
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        let mut cuts = self.program(left)?.ends(text, start, end, self.options);
        if !left.prefers_short() {
            cuts.reverse();
        }
        let rest = self.program(right)?;
        for cut in cuts {
            interrupt::spend(16)?;
            interrupt::finish()?;
            if !rest.matches(text, (cut, end), self.options) {
                continue;
            }
            let mut tried = spans.clone();
            if self.dissect(left, text, (start, cut), &mut tried)?
                && self.dissect(right, text, (cut, end), &mut tried)?
            {
                *spans = tried;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn repeat(
        &self,
        inner: &Node,
        (min, max): (u32, Option<u32>),
        short: bool,
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        if min == 0 && start == end {
            return Ok(true);
        }
        // Empty rounds count only where there are too few letters for as many as are wanted.
        let most = (end - start).min(max.unwrap_or(u32::MAX) as usize);
        let min = min as usize;
        let most = most.max(min).max(1);
        let program = self.program(inner)?;
        let ends = |from: usize| {
            let mut ends = program.ends(text, from, end, self.options);
            // The end that is preferred is the last, from where it is taken.
            if short {
                ends.reverse();
            }
            ends
        };
        let mut rounds = vec![Round {
            start,
            ends: ends(start),
            spans: spans.clone(),
        }];
        let mut kept = 0;
        while let Some(count) = Some(rounds.len()).filter(|count| *count > 0) {
            interrupt::spend(16)?;
            interrupt::finish()?;
            let round = &mut rounds[count - 1];
            let Some(stop) = round.ends.pop() else {
                rounds.pop();
                continue;
            };
            let empty = stop == round.start;
            let needed = count < min && min - count >= end - stop;
            if (stop != end && count >= most) || (empty && stop != end && !needed) {
                continue;
            }
            let mut tried = round.spans.clone();
            if !self.dissect(inner, text, (round.start, stop), &mut tried)? {
                continue;
            }
            if stop == end && count >= min {
                *spans = tried;
                return Ok(true);
            }
            if count < most {
                let ends = ends(stop);
                kept += ends.len();
                if kept > KEPT_MAX {
                    return Err(super::too_complex());
                }
                rounds.push(Round {
                    start: stop,
                    ends,
                    spans: tried,
                });
            }
        }
        Ok(false)
    }
}

/// The most ends of rounds that are kept to be tried.
const KEPT_MAX: usize = 4_000_000;

/// A round of a repetition: where it begins, where it may end, and what was found before it.
struct Round {
    start: usize,
    ends: Vec<usize>,
    spans: Vec<Span>,
}
