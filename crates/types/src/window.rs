//! Window functions: their signatures. What they give depends on the rows around, so that the
//! executor computes them; aggregates over windows are those of [`crate::aggregate`].

use std::sync::LazyLock;

use crate::function::Signature;
use crate::parameter::Parameter;
use crate::resolve::Candidate;

/// A window function.
#[derive(Debug)]
pub struct WindowFunction {
    /// What is written before the bracket.
    pub name: &'static str,
    /// The types of the arguments.
    pub parameters: Vec<Parameter>,
    /// The type of the result.
    pub result: Parameter,
    /// What it computes.
    pub kind: WindowKind,
}

/// What a window function computes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WindowKind {
    /// The number of the row in its partition.
    RowNumber,
    /// The number of the first row that sorts alike.
    Rank,
    /// How many different rows sort before or alike.
    DenseRank,
    /// `(rank - 1) / (rows - 1)`.
    PercentRank,
    /// The part of the rows that sort before or alike.
    CumulativeDistribution,
    /// The number of one of so many buckets of like size.
    Ntile,
    /// The value so many rows before; one row, and NULL where there is none, if nothing is said.
    Lag,
    /// The value so many rows after.
    Lead,
    /// The value of the frame's first row.
    FirstValue,
    /// The value of the frame's last row.
    LastValue,
    /// The value of the frame's row of this number.
    NthValue,
}

impl WindowFunction {
    /// The function as [`crate::resolve_function`] wants it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            parameters: &self.parameters,
            result: &self.result,
            variadic: false,
            defaults: 0,
        }
    }
}

/// All window functions.
pub fn window_functions() -> &'static [WindowFunction] {
    &FUNCTIONS
}

/// The window functions of this name.
pub fn window_functions_named(name: &str) -> impl Iterator<Item = &'static WindowFunction> {
    window_functions()
        .iter()
        .filter(move |row| row.name == name)
}

static FUNCTIONS: LazyLock<Vec<WindowFunction>> = LazyLock::new(|| {
    let read = |(signature, kind): &(&'static str, WindowKind)| {
        let signature = Signature::read(signature);
        WindowFunction {
            name: signature.name,
            parameters: signature.parameters,
            result: signature.result,
            kind: *kind,
        }
    };
    ROWS.iter().map(read).collect()
});

static ROWS: &[(&str, WindowKind)] = &[
    ("row_number() int8", WindowKind::RowNumber),
    ("rank() int8", WindowKind::Rank),
    ("dense_rank() int8", WindowKind::DenseRank),
    ("percent_rank() float8", WindowKind::PercentRank),
    ("cume_dist() float8", WindowKind::CumulativeDistribution),
    ("ntile(int4) int4", WindowKind::Ntile),
    ("lag(anyelement) anyelement", WindowKind::Lag),
    ("lag(anyelement, int4) anyelement", WindowKind::Lag),
    (
        "lag(anycompatible, int4, anycompatible) anycompatible",
        WindowKind::Lag,
    ),
    ("lead(anyelement) anyelement", WindowKind::Lead),
    ("lead(anyelement, int4) anyelement", WindowKind::Lead),
    (
        "lead(anycompatible, int4, anycompatible) anycompatible",
        WindowKind::Lead,
    ),
    ("first_value(anyelement) anyelement", WindowKind::FirstValue),
    ("last_value(anyelement) anyelement", WindowKind::LastValue),
    (
        "nth_value(anyelement, int4) anyelement",
        WindowKind::NthValue,
    ),
];
