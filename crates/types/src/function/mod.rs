//! Functions: a table of signatures, and for each row a pure function of values.
//!
//! ```text
//! "lpad(text, int4, text) text"  ─▶ signature ─▶ Function   name, parameters, result, properties
//! Function + resolve ─▶ Call ─▶ evaluate, rows              with the arguments as the body wants them
//! ```
//!
//! Names and types are PostgreSQL 15's; a differential test compares the table with `pg_proc` and
//! says which rows are missing. Which function a call means is decided in `resolve`; its arguments
//! have then been cast to the types it found. Functions that look at the catalog or at the session
//! are not here.

mod array;
mod bytes;
mod context;
mod digest;
mod enumeration;
mod format;
pub(crate) mod json;
mod keyword;
mod math;
pub(crate) mod pattern;
mod series;
mod signature;
mod size;
mod template;
mod temporal;
mod text;
mod unicode;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

pub(crate) use signature::Signature;
pub(crate) use temporal::general;

pub use context::{FunctionContext, Host, Random};
pub use json::json_text;
pub use pattern::similar_pattern;
pub use text::{quoted_identifier, quoted_literal};

use crate::array::Array;
use crate::error::{Error, Result, SqlState};
use crate::parameter::Parameter;
use crate::resolve::{Candidate, Resolved};
use crate::types::Type;
use crate::value::Value;

/// The most bytes of a value, as PostgreSQL allocates them.
pub(crate) const VALUE_BYTES_MAX: usize = 0x3fff_ffff;

/// A function.
#[derive(Debug)]
pub struct Function {
    /// What is written before the bracket.
    pub name: &'static str,
    /// The types of the arguments.
    pub parameters: Vec<Parameter>,
    /// The names of the parameters, for `name => value`; empty where there is none.
    pub names: Vec<&'static str>,
    /// What the last parameters are if they are left out.
    pub defaults: Vec<Value>,
    /// Whether the last parameter is an array that takes any number of elements.
    pub variadic: bool,
    /// The type of the result, or of each row.
    pub result: Parameter,
    /// Whether it gives rows.
    pub set: bool,
    /// The columns of the rows, if they have names of their own. Rows of more than one column are
    /// records.
    pub columns: Vec<(&'static str, Parameter)>,
    /// Whether NULL in is NULL out (no rows, if it gives rows).
    pub strict: bool,
    /// How long a result stays true.
    pub volatility: Volatility,
    body: Body,
}

/// How long a result stays true.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Volatility {
    /// For ever.
    Immutable,
    /// Within a statement: it depends on settings or the time it began.
    Stable,
    /// Not even for two rows.
    Volatile,
}

/// Rows of a set-returning function, made while they are read.
pub type Rows = Box<dyn Iterator<Item = Result<Value>> + Send>;

#[derive(Clone, Copy, Debug)]
enum Body {
    Scalar(fn(&[Value], &Scope<'_>) -> Result<Value>),
    Set(fn(&[Value], &Scope<'_>) -> Result<Rows>),
}

/// A function as a table has it.
struct Row {
    signature: &'static str,
    body: Body,
}

/// What a function sees besides its arguments.
struct Scope<'a> {
    context: &'a FunctionContext<'a>,
    /// The types of the arguments.
    types: &'a [Type],
}

impl<'a> std::ops::Deref for Scope<'a> {
    type Target = FunctionContext<'a>;

    fn deref(&self) -> &FunctionContext<'a> {
        self.context
    }
}

impl Function {
    /// The function as [`crate::resolve_function`] wants it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            parameters: &self.parameters,
            result: &self.result,
            variadic: self.variadic,
            defaults: self.defaults.len(),
        }
    }
}

/// A function with the types of a call.
#[derive(Clone, Debug)]
pub struct Call {
    function: &'static Function,
    types: Vec<Type>,
    result: Type,
    packing: Packing,
}

/// How the arguments of a call become those of the function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    /// They are the same.
    Plain,
    /// From this one on they become an array.
    Gather(usize),
    /// The elements of the last one become arguments.
    Spread,
}

impl Call {
    /// A call that was resolved to this function. `spread` says that the last argument was
    /// written with VARIADIC.
    pub fn new(function: &'static Function, resolved: Resolved, spread: bool) -> Call {
        let last = function.parameters.len().saturating_sub(1);
        let any = function.parameters.last() == Some(&Parameter::Any);
        let packing = match (resolved.expanded, spread) {
            (true, _) if !any => Packing::Gather(last),
            (false, true) if any => Packing::Spread,
            _ => Packing::Plain,
        };
        Call {
            function,
            types: resolved.arguments,
            result: resolved.result,
            packing,
        }
    }

    /// The function.
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// The type of the result, or of each row.
    pub fn result(&self) -> &Type {
        &self.result
    }

    /// The types that the arguments have been cast to.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The result for these arguments, which are of the call's types.
    pub fn evaluate(&self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<Value> {
        let Body::Scalar(body) = self.function.body else {
            let words = format!("function {} gives rows", self.function.name);
            return Err(Error::new(SqlState::INTERNAL_ERROR, words));
        };
        let packed = match self.packed(arguments)? {
            Packed::Same => None,
            Packed::Changed(packed) => Some(packed),
            Packed::Null => return Ok(Value::Null),
        };
        let arguments = packed.as_deref().unwrap_or(arguments);
        if self.function.strict && arguments.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        body(arguments, &self.scope(context))
    }

    /// The rows for these arguments. A function that gives no rows gives its one result.
    pub fn rows(&self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<Rows> {
        let Body::Set(body) = self.function.body else {
            let result = self.evaluate(arguments, context)?;
            return Ok(Box::new(std::iter::once(Ok(result))));
        };
        let packed = match self.packed(arguments)? {
            Packed::Same => None,
            Packed::Changed(packed) => Some(packed),
            Packed::Null => return Ok(Box::new(std::iter::empty())),
        };
        let arguments = packed.as_deref().unwrap_or(arguments);
        if self.function.strict && arguments.iter().any(Value::is_null) {
            return Ok(Box::new(std::iter::empty()));
        }
        body(arguments, &self.scope(context))
    }

    fn scope<'a>(&'a self, context: &'a FunctionContext<'a>) -> Scope<'a> {
        Scope {
            context,
            types: &self.types,
        }
    }

    /// The arguments as the function takes them.
    fn packed(&self, arguments: &[Value]) -> Result<Packed> {
        let missing = self
            .function
            .parameters
            .len()
            .saturating_sub(arguments.len());
        let mut packed = match self.packing {
            Packing::Plain if missing == 0 || self.function.defaults.is_empty() => {
                return Ok(Packed::Same);
            }
            Packing::Plain => arguments.to_vec(),
            Packing::Gather(from) => {
                let (plain, elements) = arguments.split_at(from.min(arguments.len()));
                let array = Array::from_values(elements.to_vec());
                let mut packed = plain.to_vec();
                packed.push(Value::Array(Arc::new(array)));
                return Ok(Packed::Changed(packed));
            }
            Packing::Spread => return self.spread(arguments),
        };
        let defaults = &self.function.defaults;
        packed.extend_from_slice(&defaults[defaults.len().saturating_sub(missing)..]);
        Ok(Packed::Changed(packed))
    }

    fn spread(&self, arguments: &[Value]) -> Result<Packed> {
        let Some((last, plain)) = arguments.split_last() else {
            return Ok(Packed::Same);
        };
        let mut packed = plain.to_vec();
        match last {
            Value::Array(array) => packed.extend_from_slice(array.values()),
            // No array is taken for none of the elements by `format`, and for NULL by the others.
            Value::Null if self.function.name == "format" => {}
            Value::Null => return Ok(Packed::Null),
            _ => {
                let words = "VARIADIC argument must be an array";
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, words));
            }
        }
        Ok(Packed::Changed(packed))
    }
}

enum Packed {
    Same,
    Changed(Vec<Value>),
    Null,
}

/// All functions.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.rows.iter()
}

/// The functions of this name.
pub fn functions_named(name: &str) -> &'static [Function] {
    let range = FUNCTIONS.names.get(name).cloned().unwrap_or_default();
    &FUNCTIONS.rows[range]
}

struct Functions {
    /// Sorted by name.
    rows: Vec<Function>,
    names: HashMap<&'static str, std::ops::Range<usize>>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let rows = TABLES.iter().copied().flatten();
    let mut rows: Vec<Function> = rows.map(signature::read).collect();
    rows.sort_by_key(|row| row.name);
    let mut names: HashMap<&'static str, std::ops::Range<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        names.entry(row.name).or_insert(index..index).end = index + 1;
    }
    Functions { rows, names }
});

static TABLES: &[&[Row]] = &[
    math::INTEGERS,
    math::FLOATS,
    math::NUMERICS,
    text::ROWS,
    temporal::ROWS,
    temporal::MAKE,
    temporal::OVERLAP,
    template::ROWS,
    array::ROWS,
    enumeration::ROWS,
    json::BUILD,
    json::CHANGE,
    json::PATH,
    json::READ,
    pattern::ROWS,
    series::ROWS,
    size::ROWS,
    keyword::ROWS,
    format::ROWS,
    bytes::ROWS,
    unicode::ROWS,
];

/// A row of the table; the body is an expression of the arguments' Rust types that gives a result.
/// Before a semicolon stands the name for what else the function sees.
macro_rules! row {
    ($signature:expr, |$($name:ident: $of:ty),*| $body:expr) => {
        $crate::function::row!($signature, |_scope; $($name: $of),*| $body)
    };
    ($signature:expr, |$scope:ident; $($name:ident: $of:ty),*| $body:expr) => {
        $crate::function::Row {
            signature: $signature,
            body: $crate::function::Body::Scalar(|arguments, $scope| {
                let [$($name),*] = arguments else {
                    return Err($crate::function::wrong_count());
                };
                $(let $name: $of = $crate::operator::operand::take($name)?;)*
                Ok($crate::operator::operand::Outcome::give($body?))
            }),
        }
    };
}

/// A row whose body takes the arguments as they are.
macro_rules! raw {
    ($signature:expr, $body:expr) => {
        $crate::function::Row {
            signature: $signature,
            body: $crate::function::Body::Scalar($body),
        }
    };
}

use {raw, row};

/// There are not as many arguments as parameters: the binder's mistake.
fn wrong_count() -> Error {
    Error::mismatch("number of arguments")
}

/// An argument that no function takes.
fn invalid(words: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, words)
}

/// A result that would be larger than a value may be.
pub(crate) fn too_long() -> Error {
    Error::new(
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        "requested length too large",
    )
}

#[cfg(test)]
pub(crate) mod tests;
