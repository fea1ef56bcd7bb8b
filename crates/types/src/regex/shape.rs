//! How a match is taken apart: the tree of parts that have a say in it.
//!
//! Most of an expression has none: what neither captures nor refers back nor wants something else
//! than its neighbours is matched as one, by the program of all of it. What is left has the shape
//! that PostgreSQL's engine gives it, which shows in what the brackets have:
//!
//! - a branch is what comes before the first part that matters, that part, and the rest;
//! - a repetition `x{m,n}` of at least one round is `x{m-1,n-1}` and then `x`, since only the last
//!   round's brackets count; but rounds that refer back, or need not be, are looked at one by one;
//! - what comes first and wants to be long or short says what the whole wants.

use std::rc::Rc;

use super::parse::{Kind, Length, Node};

/// A part that matters when a match is taken apart.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) form: Form,
    /// The brackets that have what it matches.
    pub(super) capture: Option<usize>,
    pub(super) traits: Traits,
    /// Its place among the programs.
    pub(super) id: usize,
    /// What it matches, whatever the brackets in it have.
    pub(super) syntax: Rc<Node>,
}

#[derive(Debug)]
pub(super) enum Form {
    /// Nothing in it matters.
    Plain,
    /// What brackets have, so often.
    Reference(usize, u32, Option<u32>),
    Concat(Box<Part>, Box<Part>),
    Alternate(Vec<Part>),
    Repeat(Box<Part>, u32, Option<u32>),
    /// Brackets around brackets.
    Wrap(Box<Part>),
}

/// What is true of a part or of something in it.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Traits {
    /// Whether it wants to be long or short, if it cares.
    prefers: Option<Length>,
    /// Whether some of it wants to be long and some short.
    mixed: bool,
    pub(super) captures: bool,
    pub(super) refers: bool,
}

impl Traits {
    fn of(prefers: Option<Length>) -> Traits {
        Traits {
            prefers,
            ..Traits::default()
        }
    }

    /// What is true of a whole of which these are parts: the first that cares decides.
    fn with(self, other: Traits) -> Traits {
        let clash = self.prefers.zip(other.prefers);
        Traits {
            prefers: self.prefers.or(other.prefers),
            mixed: self.mixed || other.mixed || clash.is_some_and(|(one, two)| one != two),
            captures: self.captures || other.captures,
            refers: self.refers || other.refers,
        }
    }

    fn matters(self) -> bool {
        self.mixed || self.captures || self.refers
    }

    pub(super) fn is_short(self) -> bool {
        self.prefers == Some(Length::Short)
    }
}

/// The tree of an expression, and how many parts it has.
pub(super) fn shape(syntax: &Rc<Node>) -> (Part, usize) {
    let mut shaper = Shaper { parts: 0 };
    let tree = shaper.whole(syntax);
    (tree, shaper.parts)
}

struct Shaper {
    parts: usize,
}

/// How often something comes, and whether it wants to come often.
#[derive(Clone, Copy)]
struct Count {
    min: u32,
    max: Option<u32>,
    prefers: Option<Length>,
}

impl Shaper {
    fn part(&mut self, form: Form, traits: Traits, syntax: Rc<Node>) -> Part {
        self.parts += 1;
        Part {
            form,
            capture: None,
            traits,
            id: self.parts - 1,
            syntax,
        }
    }

    /// An expression, or what brackets hold.
    fn whole(&mut self, syntax: &Rc<Node>) -> Part {
        match &syntax.kind {
            Kind::Alternate(branches) => {
                let branches: Vec<Part> = branches.iter().map(|one| self.branch(one)).collect();
                let long = Traits::of(Some(Length::Long));
                let traits = branches
                    .iter()
                    .fold(long, |traits, branch| traits.with(branch.traits));
                let form = match traits.matters() {
                    true => Form::Alternate(branches),
                    false => Form::Plain,
                };
                self.part(form, traits, syntax.clone())
            }
            _ => self.branch(syntax),
        }
    }

    fn branch(&mut self, syntax: &Rc<Node>) -> Part {
        match &syntax.kind {
            Kind::Sequence(items) => self.items(items),
            _ => self.items(std::slice::from_ref(syntax)),
        }
    }

    /// Parts one after the other: those before the first that matters are one.
    fn items(&mut self, items: &[Rc<Node>]) -> Part {
        let mut before = Traits::default();
        for (place, item) in items.iter().enumerate() {
            let (atom, count) = match &item.kind {
                Kind::Repeat(atom, min, max, prefers) => (atom, (*min, *max, *prefers)),
                _ => (item, (1, Some(1), None)),
            };
            let (min, max, prefers) = count;
            if max == Some(0) {
                continue;
            }
            let part = self.atom(atom);
            let all = before.with(Traits::of(prefers)).with(part.traits);
            if !all.matters() {
                before = all;
                continue;
            }
            let count = Count { min, max, prefers };
            let part = self.repeated(part, item, atom, count);
            return self.joined(items, place, before, part, prefers);
        }
        self.part(Form::Plain, before, sequence(items))
    }

    fn atom(&mut self, syntax: &Rc<Node>) -> Part {
        match &syntax.kind {
            Kind::Group(inner, number) => {
                let mut part = self.whole(inner);
                if part.capture.is_some() {
                    let traits = part.traits;
                    part = self.part(Form::Wrap(Box::new(part)), traits, syntax.clone());
                }
                part.capture = Some(*number);
                part.traits.captures = true;
                part
            }
            Kind::Reference(number) => {
                let traits = Traits {
                    refers: true,
                    ..Traits::default()
                };
                let form = Form::Reference(*number, 1, Some(1));
                self.part(form, traits, syntax.clone())
            }
            Kind::Alternate(_) | Kind::Sequence(_) | Kind::Repeat(..) => self.whole(syntax),
            Kind::Empty | Kind::Literal(_) | Kind::Class(_) | Kind::At(_) | Kind::Look { .. } => {
                self.part(Form::Plain, Traits::default(), syntax.clone())
            }
        }
    }

    /// A part so often; `item` is that as it was written, and `atom` once.
    fn repeated(&mut self, part: Part, item: &Rc<Node>, atom: &Rc<Node>, count: Count) -> Part {
        let Count { min, max, prefers } = count;
        let traits = Traits::of(prefers).with(part.traits);
        if let Kind::Reference(number) = atom.kind {
            return self.part(Form::Reference(number, min, max), traits, item.clone());
        }
        let own = part.traits;
        let is_vacuous =
            prefers.is_none() || (!own.mixed && (own.prefers.is_none() || own.prefers == prefers));
        if (min, max) == (1, Some(1)) && is_vacuous {
            return part;
        }
        if !own.captures && !own.refers {
            return self.part(Form::Plain, traits, item.clone());
        }
        if min == 0 || own.refers {
            let form = Form::Repeat(Box::new(part), min, max);
            return self.part(form, traits, item.clone());
        }
        let rounds = Kind::Repeat(atom.clone(), min - 1, max.map(|max| max - 1), prefers);
        let before = Traits::of(traits.prefers);
        let before = self.part(Form::Plain, before, Node::new(rounds));
        let form = Form::Concat(Box::new(before), Box::new(part));
        self.part(form, traits, item.clone())
    }

    /// What comes before a part that matters, the part, and the rest.
    fn joined(
        &mut self,
        items: &[Rc<Node>],
        place: usize,
        before: Traits,
        part: Part,
        prefers: Option<Length>,
    ) -> Part {
        let (first, rest) = (&items[..place], &items[place + 1..]);
        let mut traits = Traits::of(prefers).with(part.traits);
        let mut last = part;
        if !rest.is_empty() {
            let rest = self.items(rest);
            traits = traits.with(rest.traits);
            let is_plain = matches!(last.form, Form::Plain) && matches!(rest.form, Form::Plain);
            let both = last.traits.with(rest.traits);
            let syntax = sequence(&items[place..]);
            last = match is_plain && place > 0 && !both.matters() {
                true => self.part(Form::Plain, both, syntax),
                false => {
                    let form = Form::Concat(Box::new(last), Box::new(rest));
                    self.part(form, traits, syntax)
                }
            };
        }
        if first.is_empty() {
            return last;
        }
        let before_part = self.part(Form::Plain, before, sequence(first));
        let form = Form::Concat(Box::new(before_part), Box::new(last));
        self.part(form, before.with(traits), sequence(items))
    }
}

fn sequence(items: &[Rc<Node>]) -> Rc<Node> {
    match items {
        [only] => only.clone(),
        items => Node::new(Kind::Sequence(items.to_vec())),
    }
}
