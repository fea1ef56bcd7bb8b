//! Arithmetic of numbers.

use super::Operator;
use super::operand::{infix, prefix};
use crate::arithmetic::integer::Integer;
use crate::arithmetic::{float, integer};
use crate::numeric::Numeric;

/// The four operations between two integer types, in the wider of both.
macro_rules! four {
    ($($left:ident $l:ident, $right:ident $r:ident => $result:ident $wide:ident;)*) => {
        &[$(
            infix!("+", $left, $right => $result, |l: $l, r: $r| integer::add($wide::from(l), $wide::from(r))),
            infix!("-", $left, $right => $result, |l: $l, r: $r| integer::subtract($wide::from(l), $wide::from(r))),
            infix!("*", $left, $right => $result, |l: $l, r: $r| integer::multiply($wide::from(l), $wide::from(r))),
            infix!("/", $left, $right => $result, |l: $l, r: $r| integer::divide($wide::from(l), $wide::from(r))),
        )*]
    };
}

pub(super) static INTEGERS: &[Operator] = four! {
    Int2 i16, Int2 i16 => Int2 i16;
    Int2 i16, Int4 i32 => Int4 i32;
    Int2 i16, Int8 i64 => Int8 i64;
    Int4 i32, Int2 i16 => Int4 i32;
    Int4 i32, Int4 i32 => Int4 i32;
    Int4 i32, Int8 i64 => Int8 i64;
    Int8 i64, Int2 i16 => Int8 i64;
    Int8 i64, Int4 i32 => Int8 i64;
    Int8 i64, Int8 i64 => Int8 i64;
};

/// What one integer type has for itself.
macro_rules! bits {
    ($($base:ident $type:ident;)*) => {
        &[$(
            infix!("%", $base, $base => $base, integer::remainder::<$type>),
            infix!("&", $base, $base => $base, |l: $type, r: $type| Ok(l & r)),
            infix!("|", $base, $base => $base, |l: $type, r: $type| Ok(l | r)),
            infix!("#", $base, $base => $base, |l: $type, r: $type| Ok(l ^ r)),
            infix!("<<", $base, Int4 => $base, |l: $type, r: i32| Ok(l.shift_left(r))),
            infix!(">>", $base, Int4 => $base, |l: $type, r: i32| Ok(l.shift_right(r))),
            prefix!("~", $base => $base, |number: $type| Ok(!number)),
            prefix!("+", $base => $base, |number: $type| Ok(number)),
            prefix!("-", $base => $base, integer::negate::<$type>),
            prefix!("@", $base => $base, integer::absolute::<$type>),
        )*]
    };
}

pub(super) static BITS: &[Operator] = bits! {
    Int2 i16;
    Int4 i32;
    Int8 i64;
};

/// The four operations between two floating-point types, in the wider of both.
macro_rules! float_four {
    ($left:ident $l:ident, $right:ident $r:ident => $result:ident $wide:ident, $name:literal, $function:ident) => {
        infix!($name, $left, $right => $result, |l: $l, r: $r| float::$function($wide::from(l), $wide::from(r)))
    };
}

macro_rules! floats {
    ($($name:literal, $function:ident;)*) => {
        &[
            $(
                float_four!(Float4 f32, Float4 f32 => Float4 f32, $name, $function),
                float_four!(Float4 f32, Float8 f64 => Float8 f64, $name, $function),
                float_four!(Float8 f64, Float4 f32 => Float8 f64, $name, $function),
                float_four!(Float8 f64, Float8 f64 => Float8 f64, $name, $function),
            )*
            infix!("^", Float8, Float8 => Float8, float::power),
            prefix!("|/", Float8 => Float8, float::square_root),
            prefix!("||/", Float8 => Float8, |number: f64| Ok(float::cube_root(number))),
            prefix!("+", Float4 => Float4, |number: f32| Ok(number)),
            prefix!("-", Float4 => Float4, |number: f32| Ok(-number)),
            prefix!("@", Float4 => Float4, |number: f32| Ok(number.abs())),
            prefix!("+", Float8 => Float8, |number: f64| Ok(number)),
            prefix!("-", Float8 => Float8, |number: f64| Ok(-number)),
            prefix!("@", Float8 => Float8, |number: f64| Ok(number.abs())),
        ]
    };
}

pub(super) static FLOATS: &[Operator] = floats! {
    "+", add;
    "-", subtract;
    "*", multiply;
    "/", divide;
};

pub(super) static NUMERICS: &[Operator] = &[
    infix!("+", Numeric, Numeric => Numeric, Numeric::add),
    infix!("-", Numeric, Numeric => Numeric, Numeric::subtract),
    infix!("*", Numeric, Numeric => Numeric, Numeric::multiply),
    infix!("/", Numeric, Numeric => Numeric, Numeric::divide),
    infix!("%", Numeric, Numeric => Numeric, Numeric::remainder),
    infix!("^", Numeric, Numeric => Numeric, Numeric::power),
    prefix!("+", Numeric => Numeric, |number: &Numeric| Ok(number.clone())),
    prefix!("-", Numeric => Numeric, |number: &Numeric| Ok(number.negate())),
    prefix!("@", Numeric => Numeric, |number: &Numeric| Ok(number.absolute())),
];
