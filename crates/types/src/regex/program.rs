//! Trees as states that are followed all at once.

use std::rc::Rc;

use super::parse::{Class, Kind, Node, Place};
use super::{Options, too_complex};
use crate::error::Result;
use crate::interrupt;

/// The most states of a program.
const STATES_MAX: usize = 20_000;

/// What it costs to follow a state by a letter, in units of [`interrupt`].
const STEP_UNITS: usize = 8;

/// States, and the one it begins with.
#[derive(Debug)]
pub(super) struct Program {
    states: Vec<State>,
    start: usize,
}

#[derive(Debug)]
enum State {
    Accept,
    Letter(char, usize),
    Class(Class, usize),
    Either(usize, usize),
    At(Place, usize),
    Look {
        program: Box<Program>,
        ahead: bool,
        negative: bool,
        next: usize,
    },
}

impl Program {
    pub(super) fn compile(node: &Node, references: &[Option<Rc<Node>>]) -> Result<Program> {
        let mut compiler = Compiler {
            states: vec![State::Accept],
            references,
        };
        let start = compiler.add(node, 0)?;
        Ok(Program {
            states: compiler.states,
            start,
        })
    }

    /// The earliest place at or after `from` where a match begins. What it gives is of no use if
    /// [`interrupt::finish`] fails.
    pub(super) fn first_start(
        &self,
        text: &[char],
        from: usize,
        options: Options,
    ) -> Option<usize> {
        let mut best: Option<usize> = None;
        // For each state that is reached the earliest start that leads there.
        let mut now = Threads::new(self.states.len());
        let mut next = Threads::new(self.states.len());
        for at in from..=text.len() {
            if interrupt::is_stopped(now.order.len() * STEP_UNITS + 1) {
                break;
            }
            if best.is_none() {
                self.follow(self.start, at, at, text, options, &mut now);
            }
            if let Some(start) = now.start_of(0)
                && best.is_none_or(|best| start < best)
            {
                best = Some(start);
            }
            if now.order.is_empty() {
                if best.is_some() {
                    break;
                }
                continue;
            }
            if let Some(letter) = text.get(at) {
                self.step(&now, *letter, at, text, options, &mut next, best);
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
        }
        best
    }

    /// Where matches that begin at `start` end, up to `limit`, in order. What it gives is of no use
    /// if [`interrupt::finish`] fails.
    pub(super) fn ends(
        &self,
        text: &[char],
        start: usize,
        limit: usize,
        options: Options,
    ) -> Vec<usize> {
        let mut ends = Vec::new();
        if interrupt::is_stopped(self.states.len()) {
            return ends;
        }
        let mut now = Threads::new(self.states.len());
        let mut next = Threads::new(self.states.len());
        self.follow(self.start, start, start, text, options, &mut now);
        for at in start..=limit {
            if interrupt::is_stopped(now.order.len() * STEP_UNITS) {
                break;
            }
            if now.start_of(0).is_some() {
                ends.push(at);
            }
            if now.order.is_empty() || at == limit {
                break;
            }
            self.step(&now, text[at], at, text, options, &mut next, None);
            std::mem::swap(&mut now, &mut next);
            next.clear();
        }
        ends
    }

    /// Whether just this part matches.
    pub(super) fn matches(
        &self,
        text: &[char],
        (start, end): (usize, usize),
        options: Options,
    ) -> bool {
        self.ends(text, start, end, options).last() == Some(&end)
    }

    #[expect(clippy::too_many_arguments, reason = "the whole state of a step")]
    fn step(
        &self,
        now: &Threads,
        letter: char,
        at: usize,
        text: &[char],
        options: Options,
        next: &mut Threads,
        best: Option<usize>,
    ) {
        for index in &now.order {
            let start = now.starts[*index];
            // What begins later than a match that is found need not be followed.
            if best.is_some_and(|best| start >= best) {
                continue;
            }
            let target = match &self.states[*index] {
                State::Letter(expected, target) => {
                    let same = letter == *expected
                        || (options.any_case && letter.eq_ignore_ascii_case(expected));
                    same.then_some(*target)
                }
                State::Class(class, target) => {
                    class.has(letter, options.any_case).then_some(*target)
                }
                State::Accept | State::Either(..) | State::At(..) | State::Look { .. } => None,
            };
            if let Some(target) = target {
                self.follow(target, start, at + 1, text, options, next);
            }
        }
    }

    /// Adds a state, and those that are reached from it without a letter.
    fn follow(
        &self,
        state: usize,
        start: usize,
        at: usize,
        text: &[char],
        options: Options,
        threads: &mut Threads,
    ) {
        let mut stack = vec![state];
        while let Some(index) = stack.pop() {
            if !threads.add(index, start) {
                continue;
            }
            match &self.states[index] {
                State::Either(left, right) => stack.extend([*right, *left]),
                State::At(place, next) if is_at(*place, text, at) => stack.push(*next),
                State::Look {
                    program,
                    ahead,
                    negative,
                    next,
                } => {
                    let found = if *ahead {
                        !program.ends(text, at, text.len(), options).is_empty()
                    } else {
                        (0..=at)
                            .take_while(|_| !interrupt::is_stopped(STEP_UNITS))
                            .any(|from| program.matches(text, (from, at), options))
                    };
                    if found != *negative {
                        stack.push(*next);
                    }
                }
                State::At(..) | State::Accept | State::Letter(..) | State::Class(..) => {}
            }
        }
    }
}

/// The states that are reached, and from where.
struct Threads {
    starts: Vec<usize>,
    order: Vec<usize>,
}

const NOWHERE: usize = usize::MAX;

impl Threads {
    fn new(states: usize) -> Threads {
        Threads {
            starts: vec![NOWHERE; states],
            order: Vec::new(),
        }
    }

    /// Adds a state; false if it was reached from as early before.
    fn add(&mut self, state: usize, start: usize) -> bool {
        if self.starts[state] <= start {
            return false;
        }
        if self.starts[state] == NOWHERE {
            self.order.push(state);
        }
        self.starts[state] = start;
        true
    }

    fn start_of(&self, state: usize) -> Option<usize> {
        Some(self.starts[state]).filter(|start| *start != NOWHERE)
    }

    fn clear(&mut self) {
        for state in self.order.drain(..) {
            self.starts[state] = NOWHERE;
        }
    }
}

fn is_at(place: Place, text: &[char], at: usize) -> bool {
    let word = |letter: Option<&char>| {
        letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
    };
    let before = at.checked_sub(1).and_then(|index| text.get(index));
    let after = text.get(at);
    match place {
        Place::TextStart => at == 0,
        Place::TextEnd => at == text.len(),
        Place::LineStart => at == 0 || before == Some(&'\n'),
        Place::LineEnd => at == text.len() || after == Some(&'\n'),
        Place::WordStart => !word(before) && word(after),
        Place::WordEnd => word(before) && !word(after),
        Place::WordEdge => word(before) != word(after),
        Place::NoWordEdge => word(before) == word(after),
    }
}

struct Compiler<'a> {
    states: Vec<State>,
    references: &'a [Option<Rc<Node>>],
}

impl Compiler<'_> {
    fn push(&mut self, state: State) -> Result<usize> {
        if self.states.len() >= STATES_MAX {
            return Err(too_complex());
        }
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// Adds the states of a part before `next`; the first of them.
    fn add(&mut self, node: &Node, next: usize) -> Result<usize> {
        match &node.kind {
            Kind::Empty => Ok(next),
            Kind::Literal(letters) => letters
                .iter()
                .rev()
                .try_fold(next, |next, letter| self.push(State::Letter(*letter, next))),
            Kind::Class(class) => self.push(State::Class(class.clone(), next)),
            Kind::Sequence(parts) => parts
                .iter()
                .rev()
                .try_fold(next, |next, part| self.add(part, next)),
            Kind::Alternate(branches) => {
                let mut first: Option<usize> = None;
                for branch in branches.iter().rev() {
                    let start = self.add(branch, next)?;
                    first = Some(match first {
                        None => start,
                        Some(other) => self.push(State::Either(start, other))?,
                    });
                }
                Ok(first.unwrap_or(next))
            }
            Kind::Repeat(inner, min, max, _) => self.repeat(inner, *min, *max, next),
            Kind::Group(inner, _) => self.add(inner, next),
            Kind::At(place) => self.push(State::At(*place, next)),
            Kind::Look {
                ahead,
                negative,
                inner,
            } => {
                let program = Box::new(Program::compile(inner, self.references)?);
                self.push(State::Look {
                    program,
                    ahead: *ahead,
                    negative: *negative,
                    next,
                })
            }
            // Whatever the bracket could match; that it is the same is checked later.
            Kind::Reference(number) => match &self.references[*number] {
                Some(inner) => self.add(inner, next),
                None => Ok(next),
            },
        }
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: Option<u32>, next: usize) -> Result<usize> {
        let mut start = next;
        match max {
            None => {
                let split = self.push(State::Either(next, next))?;
                let body = self.add(inner, split)?;
                self.states[split] = State::Either(body, next);
                start = split;
            }
            Some(max) => {
                for _ in min..max {
                    let body = self.add(inner, start)?;
                    start = self.push(State::Either(body, next))?;
                }
            }
        }
        for _ in 0..min {
            start = self.add(inner, start)?;
        }
        Ok(start)
    }
}
