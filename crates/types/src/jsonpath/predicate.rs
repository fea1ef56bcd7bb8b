//! What is true, false or unknown of an item.

use std::cmp::Ordering;

use super::execute::{Done, Run, Stop};
use super::{Chain, Comparison, Predicate, Step, regex};
use crate::interrupt;
use crate::json::Json;

/// Unknown is nothing.
type Truth = Option<bool>;

impl Run<'_> {
    /// Whether a predicate is true.
    pub(super) fn truth(&mut self, chain: &Chain, item: &Json) -> Done<Truth> {
        match &chain.first {
            Step::Predicate(predicate) if chain.rest.is_empty() => self.predicate(predicate, item),
            _ => Ok(None),
        }
    }

    pub(super) fn predicate(&mut self, predicate: &Predicate, item: &Json) -> Done<Truth> {
        match predicate {
            Predicate::And(left, right) => match self.truth(left, item)? {
                Some(false) => Ok(Some(false)),
                one => Ok(match self.truth(right, item)? {
                    Some(true) => one,
                    other => other,
                }),
            },
            Predicate::Or(left, right) => match self.truth(left, item)? {
                Some(true) => Ok(Some(true)),
                one => Ok(match self.truth(right, item)? {
                    Some(false) => one,
                    other => other,
                }),
            },
            Predicate::Not(inner) => Ok(self.truth(inner, item)?.map(|truth| !truth)),
            Predicate::IsUnknown(inner) => Ok(Some(self.truth(inner, item)?.is_none())),
            Predicate::Exists(inner) => {
                let mut found = Vec::new();
                let done = self.chain(inner, item, &mut found);
                // In lax mode one is enough, whatever happens behind it.
                match possible(done.map(|()| !found.is_empty()))? {
                    None if self.lax && !found.is_empty() => Ok(Some(true)),
                    truth => Ok(truth),
                }
            }
            Predicate::Compare(comparison, left, right) => {
                self.compare(*comparison, left, right, item)
            }
            Predicate::StartsWith(left, right) => self.starts_with(left, right, item),
            Predicate::LikeRegex {
                operand,
                pattern,
                flags,
            } => self.like_regex(operand, (pattern, flags), item),
        }
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Chain,
        right: &Chain,
        item: &Json,
    ) -> Done<Truth> {
        let left = self.unwrapped(left, item);
        let Some(left) = possible(left)? else {
            return Ok(None);
        };
        let right = self.unwrapped(right, item);
        let Some(right) = possible(right)? else {
            return Ok(None);
        };
        let test = |left: &Json, right: &Json| compared(comparison, left, right);
        self.any_pair(&left, &right, test)
    }

    fn starts_with(&mut self, left: &Chain, right: &Chain, item: &Json) -> Done<Truth> {
        let left = self.unwrapped(left, item);
        let Some(left) = possible(left)? else {
            return Ok(None);
        };
        let mut initial = Vec::new();
        let done = self.chain(right, item, &mut initial);
        if possible(done)?.is_none() {
            return Ok(None);
        }
        let test = |left: &Json, right: &Json| match (left, right) {
            (Json::String(text), Json::String(initial)) => Some(text.starts_with(&**initial)),
            _ => None,
        };
        self.any_pair(&left, &initial, test)
    }

    fn like_regex(
        &mut self,
        operand: &Chain,
        (pattern, flags): (&str, &str),
        item: &Json,
    ) -> Done<Truth> {
        let operand = self.unwrapped(operand, item);
        let Some(operand) = possible(operand)? else {
            return Ok(None);
        };
        let regex = regex(pattern, flags).map_err(Stop::Always)?;
        let mut truths = Vec::with_capacity(operand.len());
        for item in &operand {
            truths.push(match item {
                Json::String(text) => {
                    let letters: Vec<char> = text.chars().collect();
                    Json::Bool(regex.is_match(&letters).map_err(Stop::Always)?)
                }
                _ => Json::Null,
            });
        }
        let truth = |truth: &Json, _: &Json| match truth {
            Json::Bool(truth) => Some(*truth),
            _ => None,
        };
        self.any_pair(&truths, &[Json::Null], truth)
    }

    /// Whether something is true of a pair: in lax mode the first such pair decides, in strict mode
    /// one of which it is unknown.
    fn any_pair(
        &self,
        left: &[Json],
        right: &[Json],
        test: impl Fn(&Json, &Json) -> Truth,
    ) -> Done<Truth> {
        let (mut found, mut unknown) = (false, false);
        for (one, other) in left
            .iter()
            .flat_map(|one| right.iter().map(move |other| (one, other)))
        {
            interrupt::spend(16).map_err(Stop::Always)?;
            match test(one, other) {
                Some(true) if self.lax => return Ok(Some(true)),
                Some(true) => found = true,
                Some(false) => {}
                None if !self.lax => return Ok(None),
                None => unknown = true,
            }
        }
        Ok(match (found, unknown) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        })
    }
}

/// What was found, if nothing went wrong but what makes a predicate unknown.
fn possible<T>(done: Done<T>) -> Done<Option<T>> {
    match done {
        Ok(found) => Ok(Some(found)),
        Err(Stop::Item(_)) => Ok(None),
        Err(Stop::Always(error)) => Err(Stop::Always(error)),
    }
}

fn compared(comparison: Comparison, left: &Json, right: &Json) -> Truth {
    let order = match (left, right) {
        (Json::Null, Json::Null) => Ordering::Equal,
        (Json::Null, _) | (_, Json::Null) => return Some(comparison == Comparison::NotEqual),
        (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
        (Json::Number(left), Json::Number(right)) => left.cmp(right),
        (Json::String(left), Json::String(right)) => left.encode_utf16().cmp(right.encode_utf16()),
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}
