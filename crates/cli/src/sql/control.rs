//! `\if`, `\elif`, `\else`, `\endif`: parts of a script that run or do not.
//!
//! A part that does not run is read and forgotten: its statements, its commands but these, and what
//! it adds to a statement that began before it.

use super::session::{Next, Shell};
use super::variables;
use crate::failure::{Failure, Result};

/// An `\if` that has not ended.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Whether what stands around it runs.
    is_outer_active: bool,
    /// Whether the part at hand runs.
    is_active: bool,
    /// Whether a part was chosen: the others do not run.
    is_decided: bool,
    has_else: bool,
    /// The statement as it was where the part at hand began.
    pending: String,
}

impl Shell {
    /// Whether statements and commands run, or are only read.
    pub fn is_active(&self) -> bool {
        self.conditions.last().is_none_or(|last| last.is_active)
    }

    /// The end of a script: whatever began in it has to have ended.
    pub fn end_conditions(&mut self) -> Result<()> {
        match std::mem::take(&mut self.conditions).is_empty() {
            true => Ok(()),
            false => Err(Failure::usage("\\if: the input ended before \\endif")),
        }
    }
}

/// Runs a command if it is one of these. `None`: it is another one.
pub fn run(session: &mut Shell, name: &str, rest: &str, pending: &str) -> Option<Result<Next>> {
    let outcome = match name {
        "if" => begin(session, rest, pending),
        "elif" => next(session, "elif", Some(rest), pending),
        "else" => next(session, "else", None, pending),
        "endif" => end(session, pending),
        _ => return None,
    };
    Some(outcome.map(|()| Next::Continue))
}

fn begin(session: &mut Shell, rest: &str, pending: &str) -> Result<()> {
    let is_outer_active = session.is_active();
    session.put_back(pending);
    // What is wrong with a condition makes it false.
    let truth = match is_outer_active {
        true => truth(session, "if", rest),
        false => Ok(false),
    };
    let is_active = *truth.as_ref().unwrap_or(&false);
    session.conditions.push(Condition {
        is_outer_active,
        is_active,
        is_decided: is_active,
        has_else: false,
        pending: pending.to_owned(),
    });
    truth.map(drop)
}

/// `\elif` with a condition, or `\else`.
fn next(session: &mut Shell, name: &str, rest: Option<&str>, pending: &str) -> Result<()> {
    let Some(mut last) = session.conditions.pop() else {
        session.put_back(pending);
        return Err(Failure::usage(format!("\\{name}: no matching \\if")));
    };
    let kept = kept(&last, pending).to_owned();
    session.put_back(&kept);
    let is_misplaced = last.has_else;
    let may_be = last.is_outer_active && !last.is_decided && !is_misplaced;
    let truth = match rest {
        _ if !may_be => Ok(false),
        None => Ok(true),
        Some(rest) => truth(session, name, rest),
    };
    last.is_active = *truth.as_ref().unwrap_or(&false);
    last.is_decided |= last.is_active;
    last.has_else |= rest.is_none();
    last.pending = kept;
    session.conditions.push(last);
    match is_misplaced {
        true => Err(Failure::usage(format!(
            "\\{name}: cannot occur after \\else"
        ))),
        false => truth.map(drop),
    }
}

fn end(session: &mut Shell, pending: &str) -> Result<()> {
    let Some(last) = session.conditions.pop() else {
        session.put_back(pending);
        return Err(Failure::usage("\\endif: no matching \\if"));
    };
    session.put_back(kept(&last, pending));
    Ok(())
}

/// The statement after a part: with what the part added, if it ran.
fn kept<'a>(last: &'a Condition, pending: &'a str) -> &'a str {
    match last.is_active {
        true => pending,
        false => &last.pending,
    }
}

fn truth(session: &Shell, name: &str, rest: &str) -> Result<bool> {
    let text = variables::filled(rest, &session.variables);
    let words = super::command::words(&text)?;
    let word = words.join(" ").to_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if word == "1" || begins("true", 1) || begins("yes", 1) || word == "on" {
        return Ok(true);
    }
    if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        return Ok(false);
    }
    let message = format!("unrecognized value \"{word}\" for \"\\{name}\": Boolean expected");
    Err(Failure::usage(message))
}
