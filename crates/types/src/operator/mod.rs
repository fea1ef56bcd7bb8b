//! Operators: a table of names and types, and for each row a pure function of values.
//!
//! ```text
//! arithmetic   + - * / % ^ @ & | # ~ << >> |/ ||/     numbers
//! temporal     + - * /                                dates, times, intervals
//! comparison   = <> < <= > >= ~<~ ~<=~ ~>~ ~>=~        every type that has an order
//! text         || ~~ ~~*                              text, bytea
//! array        || @> <@ &&
//! json         -> ->> #> #>> @> <@ ? ?| ?& || - #-
//! vector       <-> <=> <#> <+> + - *
//! ```
//!
//! Names and types are PostgreSQL 15's; a differential test compares the table with
//! `pg_operator`, row by row, and says which rows are missing. Which operator an expression means
//! is decided in `resolve`; its operands have then been cast to the operator's types.

mod arithmetic;
mod array;
mod comparison;
mod json;
mod like;
pub(crate) mod operand;
mod temporal;
mod text;
mod vector;

pub use like::like;

pub(crate) use array::{concatenated_arrays, extended_array};

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::{Error, Result};
use crate::oid::Oid;
use crate::parameter::Parameter;
use crate::resolve::Candidate;
use crate::settings::Settings;
use crate::types::Type;
use crate::value::Value;

/// An operator.
#[derive(Debug)]
pub struct Operator {
    /// What is written.
    pub name: &'static str,
    /// The type of the operand before it; `None` for a prefix operator.
    pub left: Option<Parameter>,
    /// The type of the operand after it.
    pub right: Parameter,
    /// The type of the result.
    pub result: Parameter,
    /// Whether NULL in is NULL out.
    pub strict: bool,
    function: Function,
}

/// How an operator is evaluated.
#[derive(Clone, Copy, Debug)]
enum Function {
    Prefix(fn(&Value) -> Result<Value>),
    Infix(fn(&Value, &Value, &Settings) -> Result<Value>),
}

impl Operator {
    /// The types of the operands, as [`crate::resolve_operator`] wants them.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.left.iter().chain([&self.right]).cloned().collect()
    }

    /// The operator as a candidate with these parameters of its own.
    pub fn candidate<'a>(&'a self, parameters: &'a [Parameter]) -> Candidate<'a> {
        Candidate {
            parameters,
            result: &self.result,
            variadic: false,
            defaults: 0,
        }
    }

    /// The result for these operands; a prefix operator takes no `left`.
    pub fn apply(&self, left: &Value, right: &Value, settings: &Settings) -> Result<Value> {
        let null = right.is_null() || (self.left.is_some() && left.is_null());
        if self.strict && null {
            return Ok(Value::Null);
        }
        match self.function {
            Function::Prefix(function) => function(right),
            Function::Infix(function) => function(left, right, settings),
        }
    }
}

/// All operators.
pub fn operators() -> impl Iterator<Item = &'static Operator> {
    TABLES.iter().copied().flatten()
}

/// The operators that are written like this.
pub fn operators_named(name: &str) -> impl Iterator<Item = &'static Operator> {
    operators().filter(move |operator| operator.name == name)
}

/// The operator of just these types, if there is one; an operand that is `unknown` is taken for
/// the other's type. What [`crate::resolve_operator`] finds first, without looking at the others.
pub fn operator_exactly(
    name: &str,
    left: Option<&Type>,
    right: &Type,
) -> Option<&'static Operator> {
    let (left, right) = match left {
        None => (Oid(0), right.oid()),
        Some(left) if *left == Type::UNKNOWN => (right.oid(), right.oid()),
        Some(left) if *right == Type::UNKNOWN => (left.oid(), left.oid()),
        Some(left) => (left.oid(), right.oid()),
    };
    if right == Oid::UNKNOWN {
        return None;
    }
    EXACT.get(&(left, right))?.get(name).copied()
}

type ByName = HashMap<&'static str, &'static Operator>;

static EXACT: LazyLock<HashMap<(Oid, Oid), ByName>> = LazyLock::new(|| {
    let mut exact: HashMap<(Oid, Oid), ByName> = HashMap::new();
    for operator in operators() {
        let is_of_types = |parameter: &Parameter| parameter.concrete().is_some();
        if !operator.left.iter().all(is_of_types) || !is_of_types(&operator.right) {
            continue;
        }
        let left = operator.left.as_ref().map_or(Oid(0), Parameter::oid);
        let by_name = exact.entry((left, operator.right.oid())).or_default();
        by_name.entry(operator.name).or_insert(operator);
    }
    exact
});

static TABLES: &[&[Operator]] = &[
    arithmetic::INTEGERS,
    arithmetic::BITS,
    arithmetic::FLOATS,
    arithmetic::NUMERICS,
    temporal::OPERATORS,
    comparison::NUMBERS,
    comparison::TEXTS,
    comparison::BYTES,
    comparison::TIMES,
    comparison::OTHERS,
    text::OPERATORS,
    array::OPERATORS,
    json::OPERATORS,
    vector::OPERATORS,
];

/// An operand is not of its operator's type: the binder's mistake.
fn mismatch(value: &Value) -> Error {
    Error::mismatch(format_args!("operand {}", value.kind()))
}
