//! Which part of a match each bracket has.
//!
//! A part is cut in two where its left half prefers it, as long as both halves match; if what is
//! within them does not fit after all, the next cut is tried.

use super::shape::{Form, Part};
use super::{Regex, Span};
use crate::error::Result;
use crate::interrupt;

impl Regex {
    /// Fills `spans` for a part that matches there by its program; false if it does not after all.
    pub(super) fn dissect(
        &self,
        part: &Part,
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        if !matches!(part.form, Form::Plain) {
            interrupt::spend(64)?;
            interrupt::finish()?;
        }
        let fits = match &part.form {
            Form::Plain => true,
            Form::Wrap(inner) => self.dissect(inner, text, (start, end), spans)?,
            Form::Reference(number, min, max) => {
                self.is_repeated(spans[*number], (*min, *max), text, (start, end))
            }
            Form::Concat(left, right) => self.concat(left, right, text, (start, end), spans)?,
            Form::Alternate(branches) => self.alternate(branches, text, (start, end), spans)?,
            Form::Repeat(inner, 0, _) if inner.traits.is_short() && start == end => true,
            Form::Repeat(inner, min, max) => {
                self.repeat(inner, (*min, *max), text, (start, end), spans)?
            }
        };
        if let (true, Some(number)) = (fits, part.capture) {
            spans[number] = Some((start, end));
        }
        Ok(fits)
    }

    /// Whether a text is so often what brackets have.
    fn is_repeated(
        &self,
        span: Span,
        (min, max): (u32, Option<u32>),
        text: &[char],
        (start, end): (usize, usize),
    ) -> bool {
        let Some((from, to)) = span else {
            return false;
        };
        let (length, whole) = (to - from, end - start);
        if length == 0 {
            return whole == 0;
        }
        let rounds = whole / length;
        let is_allowed = rounds >= min as usize && max.is_none_or(|max| rounds <= max as usize);
        let same = |(left, right): (&char, &char)| {
            left == right || (self.options.any_case && left.eq_ignore_ascii_case(right))
        };
        is_allowed
            && whole % length == 0
            && text[start..end]
                .chunks(length)
                .all(|round| text[from..to].iter().zip(round).all(same))
    }

    fn alternate(
        &self,
        branches: &[Part],
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        for branch in branches {
            let program = self.program(branch)?;
            if program.matches(text, (start, end), self.options) {
                let mut tried = spans.clone();
                if self.dissect(branch, text, (start, end), &mut tried)? {
                    *spans = tried;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn concat(
        &self,
        left: &Part,
        right: &Part,
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        let mut cuts = self.program(left)?.ends(text, start, end, self.options);
        if !left.traits.is_short() {
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

    /// Rounds one by one. No rounds at all are for an empty text that a round does not match, or
    /// that rounds which want to be short need not match.
    fn repeat(
        &self,
        inner: &Part,
        (min, max): (u32, Option<u32>),
        text: &[char],
        (start, end): (usize, usize),
        spans: &mut Vec<Span>,
    ) -> Result<bool> {
        // Empty rounds count only where there are too few letters for as many as are wanted.
        let most = (end - start).min(max.unwrap_or(u32::MAX) as usize);
        let least = (min as usize).max(1);
        let most = most.max(least);
        let program = self.program(inner)?;
        let ends = |from: usize| {
            let mut ends = program.ends(text, from, end, self.options);
            // The end that is preferred is the last, from where it is taken.
            if inner.traits.is_short() {
                ends.reverse();
            }
            ends
        };
        // Of the rounds only the last one's brackets count.
        let mut bare = spans.clone();
        forget(inner, &mut bare);
        let mut rounds = vec![Round {
            start,
            ends: ends(start),
            spans: bare,
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
            let needed = count < least && least - count >= end - stop;
            if (stop != end && count >= most) || (empty && stop != end && !needed) {
                continue;
            }
            if stop == end && count < least {
                continue;
            }
            let mut tried = round.spans.clone();
            forget(inner, &mut tried);
            if !self.dissect(inner, text, (round.start, stop), &mut tried)? {
                continue;
            }
            if stop == end && count >= least {
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
        Ok(min == 0 && start == end)
    }
}

/// Forgets what the brackets within a part have.
fn forget(part: &Part, spans: &mut [Span]) {
    if !part.traits.captures {
        return;
    }
    if let Some(number) = part.capture {
        spans[number] = None;
    }
    match &part.form {
        Form::Plain | Form::Reference(..) => {}
        Form::Wrap(inner) | Form::Repeat(inner, ..) => forget(inner, spans),
        Form::Concat(left, right) => {
            forget(left, spans);
            forget(right, spans);
        }
        Form::Alternate(branches) => branches.iter().for_each(|branch| forget(branch, spans)),
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
