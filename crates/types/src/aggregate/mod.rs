//! Aggregates: a table of signatures, and for each row a state that takes values.
//!
//! ```text
//! Aggregate + resolve ─▶ AggregateCall ─▶ State    new for each group
//! State: update*, merge*, remove*, finish
//! ```
//!
//! - A state can be finished more than once, and go on after it, as moving window frames need.
//! - States of parts of a group can be merged. Where order matters (`array_agg`), the part that is
//!   merged comes after.
//! - DISTINCT, ORDER BY and FILTER are the caller's. So is the sorting of what ordered-set
//!   aggregates take: they have no state, see [`AggregateCall::finish_sorted`].
//!
//! A differential test compares the table with `pg_aggregate`, and results with PostgreSQL's.

mod collect;
mod moments;
mod ordered;
mod pick;
mod sums;

pub use ordered::SortedRows;

use std::cmp::Ordering;
use std::sync::LazyLock;

use crate::column::{Cells, ColumnVector};
use crate::error::{Error, Result, SqlState};
use crate::function::{FunctionContext, Signature};
use crate::parameter::Parameter;
use crate::resolve::{Candidate, Resolved};
use crate::types::Type;
use crate::value::Value;

/// An aggregate.
#[derive(Debug)]
pub struct Aggregate {
    /// What is written before the bracket.
    pub name: &'static str,
    /// The types of the arguments; of an ordered-set aggregate first the direct ones, then those
    /// that are sorted.
    pub parameters: Vec<Parameter>,
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// The type of the result.
    pub result: Parameter,
    /// How it takes its arguments.
    pub kind: AggregateKind,
    body: Body,
}

/// How an aggregate takes its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AggregateKind {
    /// `f(arguments)`, of each row.
    Normal,
    /// `f(direct) WITHIN GROUP (ORDER BY sorted)`: so many direct arguments.
    OrderedSet(usize),
    /// The same, where the direct arguments are a row that is put among the others.
    Hypothetical,
}

#[derive(Clone, Copy)]
enum Body {
    State(fn(&AggregateCall) -> State),
    Sorted(ordered::Finish),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Body")
    }
}

/// A row of the table.
struct Row {
    signature: &'static str,
    kind: AggregateKind,
    body: Body,
}

const fn row(signature: &'static str, body: fn(&AggregateCall) -> State) -> Row {
    Row {
        signature,
        kind: AggregateKind::Normal,
        body: Body::State(body),
    }
}

impl Aggregate {
    /// The aggregate as [`crate::resolve_function`] wants it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            parameters: &self.parameters,
            result: &self.result,
            variadic: self.variadic,
            defaults: 0,
        }
    }
}

/// An aggregate with the types of a call.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    aggregate: &'static Aggregate,
    types: Vec<Type>,
    result: Type,
}

impl AggregateCall {
    /// A call that was resolved to this aggregate.
    pub fn new(aggregate: &'static Aggregate, resolved: Resolved) -> AggregateCall {
        AggregateCall {
            aggregate,
            types: resolved.arguments,
            result: resolved.result,
        }
    }

    /// The aggregate.
    pub fn aggregate(&self) -> &'static Aggregate {
        self.aggregate
    }

    /// The types that the arguments have been cast to.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The type of the result.
    pub fn result(&self) -> &Type {
        &self.result
    }

    /// A state that has seen nothing. An ordered-set aggregate has none: an error.
    pub fn state(&self) -> Result<State> {
        match self.aggregate.body {
            Body::State(new) => Ok(new(self)),
            Body::Sorted(_) => Err(misused(self.aggregate.name)),
        }
    }

    /// The result of an ordered-set aggregate for rows that are already sorted. `compare` is that
    /// order. NULLs are among the rows; what PostgreSQL leaves out is left out here.
    pub fn finish_sorted(
        &self,
        direct: &[Value],
        rows: &mut dyn SortedRows,
        compare: &dyn Fn(&[Value], &[Value]) -> Ordering,
    ) -> Result<Value> {
        match self.aggregate.body {
            Body::Sorted(finish) => finish(&mut ordered::Sorted {
                direct,
                rows,
                compare,
            }),
            Body::State(_) => Err(misused(self.aggregate.name)),
        }
    }
}

fn misused(name: &str) -> Error {
    let words = format!("aggregate {name} is evaluated in another way");
    Error::new(SqlState::INTERNAL_ERROR, words)
}

macro_rules! states {
    ($($(#[$doc:meta])* $variant:ident($of:ty);)*) => {
        /// What an aggregate has seen.
        #[derive(Clone, Debug)]
        pub struct State(Repr);

        #[derive(Clone, Debug)]
        enum Repr {
            $($(#[$doc])* $variant($of),)*
        }

        $(impl From<$of> for State {
            fn from(of: $of) -> State {
                State(Repr::$variant(of))
            }
        })*

        impl State {
            /// Takes the arguments of one row.
            pub fn update(&mut self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<()> {
                match &mut self.0 {
                    $(Repr::$variant(state) => state.update(arguments, context),)*
                }
            }

            /// Takes what another state of the same call has seen, after what this one has.
            pub fn merge(&mut self, other: State) -> Result<()> {
                match (&mut self.0, other.0) {
                    $((Repr::$variant(state), Repr::$variant(other)) => state.merge(other),)*
                    _ => Err(Error::mismatch("state of an aggregate")),
                }
            }

            /// Forgets the row that was taken first. False if it cannot, and is as it was: then
            /// the rows that stay have to be taken again by a new state.
            pub fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
                match &mut self.0 {
                    $(Repr::$variant(state) => state.remove(arguments),)*
                }
            }

            /// The result for what was taken so far.
            pub fn finish(&self) -> Result<Value> {
                match &self.0 {
                    $(Repr::$variant(state) => state.finish(),)*
                }
            }

            /// The memory it takes, itself included.
            pub fn bytes(&self) -> usize {
                size_of::<State>() + match &self.0 {
                    $(Repr::$variant(state) => state.heap_bytes(),)*
                }
            }
        }
    };
}

states! {
    /// `count`.
    Count(sums::Count);
    /// Sums and averages of integers.
    Integers(sums::Integers);
    /// Sums and averages of `numeric`.
    Numerics(Box<sums::Numerics>);
    /// `sum(real)`.
    Float4(sums::Float4);
    /// `sum(double precision)`.
    Float8(sums::Float8);
    /// Averages and variances of floating-point numbers.
    Moments(Box<moments::Moments>);
    /// Variances of integers and `numeric`.
    Squares(Box<moments::Squares>);
    /// Correlations.
    Pairs(Box<moments::Pairs>);
    /// `min`, `max`.
    Best(pick::Best);
    /// `bool_and`, `bool_or`.
    Truth(pick::Truth);
    /// `bit_and`, `bit_or`, `bit_xor`.
    Bits(pick::Bits);
    /// Sums and averages of intervals.
    Spans(Box<sums::Spans>);
    /// `string_agg`.
    Joined(Box<collect::Joined>);
    /// `array_agg`.
    Listed(Box<collect::Listed>);
    /// `json_agg` and its like.
    Json(Box<collect::JsonText>);
    /// `jsonb_agg` and its like.
    Jsonb(Box<collect::JsonTree>);
    /// Sums and averages of vectors.
    Vectors(Box<sums::Vectors>);
}

impl State {
    /// Takes the argument of one row, which is a cell of a column. Numbers are taken as they are.
    #[inline]
    pub fn update_cell(
        &mut self,
        column: &ColumnVector,
        row: usize,
        context: &FunctionContext<'_>,
    ) -> Result<()> {
        match (&mut self.0, column.cells()) {
            (_, Cells::Values(values)) => self.update(std::slice::from_ref(&values[row]), context),
            (Repr::Count(count), _) => {
                count.add_row();
                Ok(())
            }
            (Repr::Integers(sum), Cells::Int4(numbers)) => {
                sum.add_number(i64::from(numbers[row]));
                Ok(())
            }
            (Repr::Integers(sum), Cells::Int8(numbers)) => {
                sum.add_number(numbers[row]);
                Ok(())
            }
            (Repr::Numerics(sum), Cells::Numeric(coefficients, scale)) => {
                sum.add_small(coefficients[row], *scale)
            }
            (Repr::Float8(sum), Cells::Float8(numbers)) => sum.add(numbers[row]),
            _ => self.update(std::slice::from_ref(&*column.cell(row)), context),
        }
    }

    /// Takes the arguments of some rows in turn, as [`State::update_cell`] does; none for an aggregate
    /// without arguments.
    pub fn update_cells(
        &mut self,
        column: Option<&ColumnVector>,
        rows: &[u32],
        context: &FunctionContext<'_>,
    ) -> Result<()> {
        let Some(column) = column else {
            return match &mut self.0 {
                Repr::Count(count) => {
                    count.add_rows(rows.len());
                    Ok(())
                }
                _ => rows.iter().try_for_each(|_| self.update(&[], context)),
            };
        };
        let places = rows.iter().map(|row| *row as usize);
        match (&mut self.0, column.cells()) {
            (Repr::Count(count), cells) if !matches!(cells, Cells::Values(_)) => {
                count.add_rows(rows.len());
                Ok(())
            }
            (Repr::Integers(sum), Cells::Int4(numbers)) => {
                sum.add_numbers(places.map(|row| i64::from(numbers[row])));
                Ok(())
            }
            (Repr::Integers(sum), Cells::Int8(numbers)) => {
                sum.add_numbers(places.map(|row| numbers[row]));
                Ok(())
            }
            (Repr::Numerics(sum), Cells::Numeric(coefficients, scale)) => {
                sum.add_all_small(places.map(|row| coefficients[row]), *scale)
            }
            _ => {
                let mut places = places;
                places.try_for_each(|row| self.update_cell(column, row, context))
            }
        }
    }

    /// Whether it takes about the same memory whatever it is given.
    pub fn is_of_one_size(&self) -> bool {
        !matches!(
            self.0,
            Repr::Joined(_) | Repr::Listed(_) | Repr::Json(_) | Repr::Jsonb(_)
        )
    }

    /// Whether merging gives exactly the state that has seen all rows itself: sums of
    /// floating-point numbers, and what moments are made of, depend on the order of additions.
    pub fn merges_exactly(&self) -> bool {
        matches!(
            self.0,
            Repr::Count(_)
                | Repr::Integers(_)
                | Repr::Numerics(_)
                | Repr::Best(_)
                | Repr::Truth(_)
                | Repr::Bits(_)
        )
    }

    /// Whether states merged in any grouping give exactly what one state gives that has seen all
    /// rows: then a moving frame that cannot forget rows can be put together from parts.
    pub fn merges_in_any_way(&self) -> bool {
        matches!(self.0, Repr::Best(_) | Repr::Bits(_))
    }
}

/// What every state does.
trait Accumulate: Sized {
    fn update(&mut self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<()>;
    fn merge(&mut self, other: Self) -> Result<()>;
    fn finish(&self) -> Result<Value>;

    fn remove(&mut self, _arguments: &[Value]) -> Result<bool> {
        Ok(false)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl<T: Accumulate> Accumulate for Box<T> {
    fn update(&mut self, arguments: &[Value], context: &FunctionContext<'_>) -> Result<()> {
        T::update(self, arguments, context)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        T::merge(self, *other)
    }

    fn finish(&self) -> Result<Value> {
        T::finish(self)
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        T::remove(self, arguments)
    }

    fn heap_bytes(&self) -> usize {
        size_of::<T>() + T::heap_bytes(self)
    }
}

/// The first argument.
fn first(arguments: &[Value]) -> Result<&Value> {
    arguments
        .first()
        .ok_or_else(|| Error::mismatch("number of arguments"))
}

/// All aggregates, sorted by name.
pub fn aggregates() -> &'static [Aggregate] {
    &AGGREGATES
}

/// The aggregates of this name.
pub fn aggregates_named(name: &str) -> &'static [Aggregate] {
    let start = AGGREGATES.partition_point(|row| row.name < name);
    let count = AGGREGATES[start..].partition_point(|row| row.name == name);
    &AGGREGATES[start..start + count]
}

static AGGREGATES: LazyLock<Vec<Aggregate>> = LazyLock::new(|| {
    let rows = TABLES.iter().copied().flatten();
    let read = |row: &Row| {
        let signature = Signature::read(row.signature);
        Aggregate {
            name: signature.name,
            parameters: signature.parameters,
            variadic: signature.variadic,
            result: signature.result,
            kind: row.kind,
            body: row.body,
        }
    };
    let mut rows: Vec<Aggregate> = rows.map(read).collect();
    rows.sort_by_key(|row| row.name);
    rows
});

static TABLES: &[&[Row]] = &[
    sums::ROWS,
    moments::ROWS,
    pick::ROWS,
    collect::ROWS,
    ordered::ROWS,
];
