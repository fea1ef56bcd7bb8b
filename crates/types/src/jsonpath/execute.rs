//! What a path finds in a tree.

use super::{Chain, Method, Operation, Path, Step};
use crate::error::{Error, Result, SqlState};
use crate::function::json::type_name;
use crate::interrupt;
use crate::json::Json;
use crate::numeric::Numeric;

/// What a search is for.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) path: &'a Path,
    /// What `$` is.
    pub(crate) root: &'a Json,
    /// What `$name` is: a member of this.
    pub(crate) variables: &'a Json,
    /// Whether what goes wrong is no error, but nothing.
    pub(crate) silent: bool,
}

/// Whether there is something, and what.
pub(crate) enum Found {
    Items(Vec<Json>),
    /// It went wrong, and that is not said; what was found before.
    Wrong(Vec<Json>),
}

impl Search<'_> {
    /// All that the path finds.
    pub(crate) fn items(&self) -> Result<Found> {
        if !matches!(self.variables, Json::Object(_)) {
            let message = "\"vars\" argument is not an object";
            let detail =
                "Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).with_detail(detail));
        }
        let mut run = Run {
            root: self.root,
            variables: self.variables,
            lax: self.path.lax,
            lenient: self.path.lax,
            current: Vec::new(),
            sizes: Vec::new(),
            depth: 0,
        };
        let mut found = Vec::new();
        match run.chain(&self.path.chain, self.root, &mut found) {
            Ok(()) => Ok(Found::Items(found)),
            Err(Stop::Item(_)) if self.silent => Ok(Found::Wrong(found)),
            Err(Stop::Item(error) | Stop::Always(error)) => Err(error),
        }
    }

    /// Whether the path finds something; nothing if it went wrong and that is not said. In lax
    /// mode it is enough to find one.
    pub(crate) fn exists(&self) -> Result<Option<bool>> {
        Ok(match self.items()? {
            Found::Items(items) => Some(!items.is_empty()),
            Found::Wrong(items) if self.path.lax && !items.is_empty() => Some(true),
            Found::Wrong(_) => None,
        })
    }
}

/// Why a search ends early.
pub(super) enum Stop {
    /// What a predicate makes unknown, and `silent` nothing.
    Item(Error),
    /// What is always an error.
    Always(Error),
}

pub(super) type Done<T = ()> = std::result::Result<T, Stop>;

pub(super) fn stop<T>(state: SqlState, message: impl Into<String>) -> Done<T> {
    Err(Stop::Item(Error::new(state, message)))
}

/// How deep a search may go.
const DEPTH_MAX: usize = 2000;

/// A search that is going on.
pub(super) struct Run<'a> {
    root: &'a Json,
    variables: &'a Json,
    pub(super) lax: bool,
    /// Whether what has the wrong structure is nothing.
    lenient: bool,
    /// What `@` is, in the filters that are open.
    current: Vec<Json>,
    /// How long the arrays are whose subscripts are open.
    sizes: Vec<usize>,
    depth: usize,
}

impl Run<'_> {
    /// Everything that a chain finds from an item on.
    pub(super) fn chain(&mut self, chain: &Chain, item: &Json, found: &mut Vec<Json>) -> Done {
        self.steps(&chain.first, &chain.rest, item, self.lax, found)
    }

    /// The same with arrays among it unwrapped, in lax mode.
    pub(super) fn unwrapped(&mut self, chain: &Chain, item: &Json) -> Done<Vec<Json>> {
        let mut found = Vec::new();
        self.chain(chain, item, &mut found)?;
        if !self.lax {
            return Ok(found);
        }
        let mut all = Vec::with_capacity(found.len());
        for item in found {
            match item {
                Json::Array(elements) => all.extend(elements),
                other => all.push(other),
            }
        }
        Ok(all)
    }

    fn next(&mut self, rest: &[Step], item: &Json, found: &mut Vec<Json>) -> Done {
        match rest.split_first() {
            Some((first, rest)) => self.steps(first, rest, item, self.lax, found),
            None => {
                found.push(item.clone());
                Ok(())
            }
        }
    }

    /// A step and those after it; `unwrap` says that an array is taken for its elements where the
    /// step wants none.
    fn steps(
        &mut self,
        step: &Step,
        rest: &[Step],
        item: &Json,
        unwrap: bool,
        found: &mut Vec<Json>,
    ) -> Done {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = "stack depth limit exceeded";
            return Err(Stop::Always(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                message,
            )));
        }
        let done = interrupt::spend(256).map_err(Stop::Always);
        let done = done.and_then(|()| self.step(step, rest, item, unwrap, found));
        // Also after an error: a predicate that met one is unknown, and the search goes on.
        self.depth -= 1;
        done
    }

    fn step(
        &mut self,
        step: &Step,
        rest: &[Step],
        item: &Json,
        unwrap: bool,
        found: &mut Vec<Json>,
    ) -> Done {
        match step {
            Step::Null => self.next(rest, &Json::Null, found),
            Step::Bool(truth) => self.next(rest, &Json::Bool(*truth), found),
            Step::Number(number) => self.next(rest, &Json::Number(number.clone()), found),
            Step::String(text) => self.next(rest, &Json::String(text.as_str().into()), found),
            Step::Variable(name) => {
                let value = self.variable(name)?;
                self.next(rest, &value, found)
            }
            Step::Root => {
                let root = self.root;
                self.next(rest, root, found)
            }
            Step::Current => {
                let current = self.current.last().cloned().unwrap_or(Json::Null);
                self.next(rest, &current, found)
            }
            Step::Last => {
                let size = self.sizes.last().copied().unwrap_or(0);
                let last = Json::Number(Numeric::from(size as i64 - 1));
                self.next(rest, &last, found)
            }
            Step::Key(_) | Step::AnyKey => self.member(step, rest, item, unwrap, found),
            Step::AnyElement => self.any_element(rest, item, found),
            Step::Elements(elements) => self.elements(elements, rest, item, found),
            Step::AnyLevel(first, last) => self.any_level((*first, *last), rest, item, found),
            Step::Method(method) => self.method(*method, step, rest, item, unwrap, found),
            Step::Filter(inner) => match item {
                Json::Array(elements) if unwrap => self.each(step, rest, elements, false, found),
                item => {
                    self.current.push(item.clone());
                    let truth = self.truth(inner, item);
                    self.current.pop();
                    match truth? {
                        Some(true) => self.next(rest, item, found),
                        _ => Ok(()),
                    }
                }
            },
            Step::Arithmetic(operation, left, right) => {
                let result = self.arithmetic(*operation, left, right, item)?;
                self.next(rest, &result, found)
            }
            Step::Sign { minus, operand } => self.sign(*minus, operand, rest, item, found),
            Step::Predicate(predicate) => {
                let truth = self.predicate(predicate, item)?;
                let result = truth.map_or(Json::Null, Json::Bool);
                self.next(rest, &result, found)
            }
        }
    }

    /// A step for each of some elements.
    fn each(
        &mut self,
        step: &Step,
        rest: &[Step],
        elements: &[Json],
        unwrap: bool,
        found: &mut Vec<Json>,
    ) -> Done {
        elements
            .iter()
            .try_for_each(|element| self.steps(step, rest, element, unwrap, found))
    }

    /// The steps after this one for each of some items.
    fn next_each<'j>(
        &mut self,
        rest: &[Step],
        mut items: impl Iterator<Item = &'j Json>,
        found: &mut Vec<Json>,
    ) -> Done {
        items.try_for_each(|item| self.next(rest, item, found))
    }

    fn variable(&self, name: &str) -> Done<Json> {
        match self.variables.member(name) {
            Some(value) => Ok(value.clone()),
            None => {
                let message = format!("could not find jsonpath variable \"{name}\"");
                Err(Stop::Always(Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    message,
                )))
            }
        }
    }

    fn member(
        &mut self,
        step: &Step,
        rest: &[Step],
        item: &Json,
        unwrap: bool,
        found: &mut Vec<Json>,
    ) -> Done {
        match (item, step) {
            (Json::Object(_), Step::Key(name)) => match item.member(name) {
                Some(value) => self.next(rest, value, found),
                None if self.lenient => Ok(()),
                None => {
                    let message = format!("JSON object does not contain key \"{name}\"");
                    stop(SqlState::SQL_JSON_MEMBER_NOT_FOUND, message)
                }
            },
            (Json::Object(members), _) => {
                self.next_each(rest, members.iter().map(|(_, value)| value), found)
            }
            (Json::Array(elements), _) if unwrap => self.each(step, rest, elements, false, found),
            _ if self.lenient => Ok(()),
            (_, Step::Key(_)) => {
                let message = "jsonpath member accessor can only be applied to an object";
                stop(SqlState::SQL_JSON_MEMBER_NOT_FOUND, message)
            }
            _ => {
                let message = "jsonpath wildcard member accessor can only be applied to an object";
                stop(SqlState::SQL_JSON_OBJECT_NOT_FOUND, message)
            }
        }
    }

    fn any_element(&mut self, rest: &[Step], item: &Json, found: &mut Vec<Json>) -> Done {
        match item {
            Json::Array(elements) => self.next_each(rest, elements.iter(), found),
            item if self.lax => self.next(rest, item, found),
            _ if self.lenient => Ok(()),
            _ => {
                let message = "jsonpath wildcard array accessor can only be applied to an array";
                stop(SqlState::SQL_JSON_ARRAY_NOT_FOUND, message)
            }
        }
    }

    fn elements(
        &mut self,
        ranges: &[(Chain, Option<Chain>)],
        rest: &[Step],
        item: &Json,
        found: &mut Vec<Json>,
    ) -> Done {
        let elements = match item {
            Json::Array(elements) => &elements[..],
            item if self.lax => std::slice::from_ref(item),
            _ if self.lenient => return Ok(()),
            _ => {
                let message = "jsonpath array accessor can only be applied to an array";
                return stop(SqlState::SQL_JSON_ARRAY_NOT_FOUND, message);
            }
        };
        let size = elements.len() as i64;
        for (from, to) in ranges {
            self.sizes.push(elements.len());
            let first = self.index(from, item);
            let last = match to {
                Some(to) => first.and_then(|first| Ok((first, self.index(to, item)?))),
                None => first.map(|first| (first, first)),
            };
            self.sizes.pop();
            let (first, last) = last?;
            if !self.lenient && (first < 0 || first > last || last >= size) {
                return stop(
                    SqlState::INVALID_SQL_JSON_SUBSCRIPT,
                    "jsonpath array subscript is out of bounds",
                );
            }
            let range = first.max(0)..=last.min(size - 1);
            for index in range {
                if let Some(element) = elements.get(index as usize) {
                    // `last` in what follows is of the array that was chosen from.
                    self.sizes.push(elements.len());
                    let done = self.next(rest, element, found);
                    self.sizes.pop();
                    done?;
                }
            }
        }
        Ok(())
    }

    fn index(&mut self, chain: &Chain, item: &Json) -> Done<i64> {
        let mut found = Vec::new();
        self.chain(chain, item, &mut found)?;
        let [Json::Number(number)] = &found[..] else {
            let message = "jsonpath array subscript is not a single numeric value";
            return stop(SqlState::INVALID_SQL_JSON_SUBSCRIPT, message);
        };
        let index = number.truncate(0).and_then(|whole| whole.to_i32());
        match index {
            Ok(index) => Ok(i64::from(index)),
            Err(_) => {
                let message = "jsonpath array subscript is out of integer range";
                stop(SqlState::INVALID_SQL_JSON_SUBSCRIPT, message)
            }
        }
    }

    fn any_level(
        &mut self,
        (first, last): (u32, u32),
        rest: &[Step],
        item: &Json,
        found: &mut Vec<Json>,
    ) -> Done {
        if first == 0 {
            self.leniently(|run| run.next(rest, item, found))?;
        }
        match last {
            0 => Ok(()),
            last => self.below(1, (first, last), rest, item, found),
        }
    }

    fn leniently(&mut self, run: impl FnOnce(&mut Self) -> Done) -> Done {
        let before = std::mem::replace(&mut self.lenient, true);
        let done = run(self);
        self.lenient = before;
        done
    }

    /// What is within an item, so many levels below the first.
    fn below(
        &mut self,
        level: u32,
        (first, last): (u32, u32),
        rest: &[Step],
        item: &Json,
        found: &mut Vec<Json>,
    ) -> Done {
        let values: Vec<&Json> = match item {
            Json::Array(elements) => elements.iter().collect(),
            Json::Object(members) => members.iter().map(|(_, value)| value).collect(),
            _ => return Ok(()),
        };
        for value in values {
            let is_leaf = !matches!(value, Json::Array(_) | Json::Object(_));
            if level >= first || (first == u32::MAX && last == u32::MAX && is_leaf) {
                self.leniently(|run| run.next(rest, value, found))?;
            }
            if level < last {
                self.below(level + 1, (first, last), rest, value, found)?;
            }
        }
        Ok(())
    }

    fn method(
        &mut self,
        method: Method,
        step: &Step,
        rest: &[Step],
        item: &Json,
        unwrap: bool,
        found: &mut Vec<Json>,
    ) -> Done {
        let name = method.name();
        let result = match (method, item) {
            (Method::Type, item) => Json::String(type_name(item).into()),
            (Method::Size, Json::Array(elements)) => number(elements.len() as i64),
            (Method::Size, _) if self.lax => number(1),
            (Method::Size, _) if self.lenient => return Ok(()),
            (Method::Size, _) => {
                let message =
                    format!("jsonpath item method .{name}() can only be applied to an array");
                return stop(SqlState::SQL_JSON_ARRAY_NOT_FOUND, message);
            }
            (_, Json::Array(elements)) if unwrap => {
                return self.each(step, rest, elements, false, found);
            }
            (Method::KeyValue, item) => return self.pairs(rest, item, found),
            (Method::Double, item) => double(item)?,
            (_, Json::Number(number)) => {
                let result = match method {
                    Method::Abs => Ok(number.absolute()),
                    Method::Floor => number.floor(),
                    _ => number.ceil(),
                };
                Json::Number(result.map_err(Stop::Item)?)
            }
            _ => {
                let message = format!(
                    "jsonpath item method .{name}() can only be applied to a numeric value"
                );
                return stop(SqlState::NON_NUMERIC_SQL_JSON_ITEM, message);
            }
        };
        self.next(rest, &result, found)
    }

    /// `.keyvalue()`: the members of an object as objects.
    fn pairs(&mut self, rest: &[Step], item: &Json, found: &mut Vec<Json>) -> Done {
        let Json::Object(members) = item else {
            let message = "jsonpath item method .keyvalue() can only be applied to an object";
            return stop(SqlState::SQL_JSON_OBJECT_NOT_FOUND, message);
        };
        for (key, value) in members {
            let pair = Json::object(vec![
                ("key".into(), Json::String(key.clone())),
                ("value".into(), value.clone()),
                ("id".into(), number(0)),
            ]);
            self.next(rest, &pair, found)?;
        }
        Ok(())
    }

    fn arithmetic(
        &mut self,
        operation: Operation,
        left: &Chain,
        right: &Chain,
        item: &Json,
    ) -> Done<Json> {
        let (left, right) = (self.unwrapped(left, item)?, self.unwrapped(right, item)?);
        let single = |side: &str, items: &[Json]| match items {
            [Json::Number(number)] => Ok(number.clone()),
            _ => stop(
                SqlState::SINGLETON_SQL_JSON_ITEM_REQUIRED,
                format!(
                    "{side} operand of jsonpath operator {} is not a single numeric value",
                    operation.sign()
                ),
            ),
        };
        let (left, right) = (single("left", &left)?, single("right", &right)?);
        let result = match operation {
            Operation::Add => left.add(&right),
            Operation::Subtract => left.subtract(&right),
            Operation::Multiply => left.multiply(&right),
            Operation::Divide => left.divide(&right),
            Operation::Remainder => left.remainder(&right),
        };
        result.map(Json::Number).map_err(Stop::Item)
    }

    fn sign(
        &mut self,
        minus: bool,
        operand: &Chain,
        rest: &[Step],
        item: &Json,
        found: &mut Vec<Json>,
    ) -> Done {
        for item in self.unwrapped(operand, item)? {
            let Json::Number(number) = item else {
                let sign = if minus { "-" } else { "+" };
                let message =
                    format!("operand of unary jsonpath operator {sign} is not a numeric value");
                return stop(SqlState::SQL_JSON_NUMBER_NOT_FOUND, message);
            };
            let number = if minus { number.negate() } else { number };
            self.next(rest, &Json::Number(number), found)?;
        }
        Ok(())
    }
}

fn number(number: i64) -> Json {
    Json::Number(Numeric::from(number))
}

/// `.double()`: a number that a `double precision` holds.
fn double(item: &Json) -> Done<Json> {
    let wrong = |message: &str| {
        stop(
            SqlState::NON_NUMERIC_SQL_JSON_ITEM,
            format!("{message} double precision"),
        )
    };
    match item {
        Json::Number(number) => match number.to_f64() {
            Ok(_) => Ok(Json::Number(number.clone())),
            Err(_) => {
                wrong("numeric argument of jsonpath item method .double() is out of range for type")
            }
        },
        Json::String(text) => {
            let of = crate::types::Type::of(crate::base::Base::Float8);
            let read = crate::io::parse(text, &of, &crate::settings::Settings::default());
            match read {
                Ok(crate::value::Value::Float8(number)) if number.is_finite() => {
                    Ok(Json::Number(Numeric::from_f64(number)))
                }
                _ => stop(
                    SqlState::NON_NUMERIC_SQL_JSON_ITEM,
                    "string argument of jsonpath item method .double() is not a valid \
                     representation of a double precision number",
                ),
            }
        }
        _ => stop(
            SqlState::NON_NUMERIC_SQL_JSON_ITEM,
            "jsonpath item method .double() can only be applied to a string or numeric value",
        ),
    }
}
