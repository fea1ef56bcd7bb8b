//! The casts between built-in types: what `pg_cast` says of them.
//!
//! A differential test compares the rows with a server's. Casts of a type to itself, which only
//! fit a value to a modifier, are not here; nor are those that go through text because one side
//! is a string type.

use super::CastContext;
use crate::base::Base;

/// A row of `pg_cast`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CastRow {
    /// `castsource`.
    pub source: Base,
    /// `casttarget`.
    pub target: Base,
    /// `castcontext`: the first context that the cast may stand in.
    pub context: CastContext,
    /// `castmethod`.
    pub method: CastMethod,
}

/// How a cast is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CastMethod {
    /// By a function.
    Function,
    /// Not at all: the bytes mean the same in both types.
    Binary,
    /// By printing and reading.
    Text,
}

macro_rules! casts {
    ($($source:ident => $target:ident, $context:ident, $method:ident;)*) => {
        /// The casts between built-in types.
        pub static CASTS: &[CastRow] = &[$(CastRow {
            source: Base::$source,
            target: Base::$target,
            context: CastContext::$context,
            method: CastMethod::$method,
        },)*];
    };
}

/// The cast from a built-in type to another.
pub(super) fn find(source: Base, target: Base) -> Option<&'static CastRow> {
    CASTS
        .iter()
        .find(|row| row.source == source && row.target == target)
}

casts! {
    Bool => Int4, Explicit, Function;
    Bool => Text, Assignment, Function;
    Bool => Varchar, Assignment, Function;
    Bool => Bpchar, Assignment, Function;
    Int2 => Int4, Implicit, Function;
    Int2 => Int8, Implicit, Function;
    Int2 => Float4, Implicit, Function;
    Int2 => Float8, Implicit, Function;
    Int2 => Numeric, Implicit, Function;
    Int2 => Oid, Implicit, Function;
    Int4 => Bool, Explicit, Function;
    Int4 => Int2, Assignment, Function;
    Int4 => Int8, Implicit, Function;
    Int4 => Float4, Implicit, Function;
    Int4 => Float8, Implicit, Function;
    Int4 => Numeric, Implicit, Function;
    Int4 => Oid, Implicit, Binary;
    Int4 => Char, Explicit, Function;
    Int8 => Int2, Assignment, Function;
    Int8 => Int4, Assignment, Function;
    Int8 => Float4, Implicit, Function;
    Int8 => Float8, Implicit, Function;
    Int8 => Numeric, Implicit, Function;
    Int8 => Oid, Implicit, Function;
    Float4 => Int2, Assignment, Function;
    Float4 => Int4, Assignment, Function;
    Float4 => Int8, Assignment, Function;
    Float4 => Float8, Implicit, Function;
    Float4 => Numeric, Assignment, Function;
    Float8 => Int2, Assignment, Function;
    Float8 => Int4, Assignment, Function;
    Float8 => Int8, Assignment, Function;
    Float8 => Float4, Assignment, Function;
    Float8 => Numeric, Assignment, Function;
    Numeric => Int2, Assignment, Function;
    Numeric => Int4, Assignment, Function;
    Numeric => Int8, Assignment, Function;
    Numeric => Float4, Implicit, Function;
    Numeric => Float8, Implicit, Function;
    Oid => Int4, Assignment, Binary;
    Oid => Int8, Assignment, Function;
    Text => Varchar, Implicit, Binary;
    Text => Bpchar, Implicit, Binary;
    Text => Name, Implicit, Function;
    Text => Char, Assignment, Function;
    Varchar => Text, Implicit, Binary;
    Varchar => Bpchar, Implicit, Binary;
    Varchar => Name, Implicit, Function;
    Varchar => Char, Assignment, Function;
    Bpchar => Text, Implicit, Function;
    Bpchar => Varchar, Implicit, Function;
    Bpchar => Name, Implicit, Function;
    Bpchar => Char, Assignment, Function;
    Name => Text, Implicit, Function;
    Name => Varchar, Assignment, Function;
    Name => Bpchar, Assignment, Function;
    Char => Int4, Explicit, Function;
    Char => Text, Implicit, Function;
    Char => Varchar, Assignment, Function;
    Char => Bpchar, Assignment, Function;
    Date => Timestamp, Implicit, Function;
    Date => Timestamptz, Implicit, Function;
    Time => Interval, Implicit, Function;
    Timestamp => Date, Assignment, Function;
    Timestamp => Time, Assignment, Function;
    Timestamp => Timestamptz, Implicit, Function;
    Timestamptz => Date, Assignment, Function;
    Timestamptz => Time, Assignment, Function;
    Timestamptz => Timestamp, Assignment, Function;
    Interval => Time, Assignment, Function;
    Json => Jsonb, Assignment, Text;
    Jsonb => Bool, Explicit, Function;
    Jsonb => Int2, Explicit, Function;
    Jsonb => Int4, Explicit, Function;
    Jsonb => Int8, Explicit, Function;
    Jsonb => Float4, Explicit, Function;
    Jsonb => Float8, Explicit, Function;
    Jsonb => Numeric, Explicit, Function;
    Jsonb => Json, Assignment, Text;
}
