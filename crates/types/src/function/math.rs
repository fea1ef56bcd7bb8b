//! Functions of numbers.
//!
//! Those of `double precision` are the C library's, as in PostgreSQL; what leaves the range is an
//! error. Angles in degrees are exact where school knows them to be.

use super::{Random, Row, raw, row};
use crate::arithmetic::float;
use crate::arithmetic::integer::{self, Integer};
use crate::error::{Error, Result, SqlState};
use crate::numeric::Numeric;
use crate::value::Value;

/// Rows that the integer types have each.
macro_rules! integers {
    ($($name:literal $of:ident $bits:literal;)*) => {
        &[
            $(
                row!(concat!("abs(", $name, ") ", $name), |number: $of| integer::absolute(number)),
                row!(concat!("mod(", $name, ", ", $name, ") ", $name), |l: $of, r: $of| integer::remainder(l, r)),
            )*
            row!("gcd(int4, int4) int4", |l: i32, r: i32| narrowed::<i32>(gcd(l.into(), r.into()), "integer")),
            row!("gcd(int8, int8) int8", |l: i64, r: i64| narrowed::<i64>(gcd(l.into(), r.into()), "bigint")),
            row!("lcm(int4, int4) int4", |l: i32, r: i32| narrowed::<i32>(lcm(l.into(), r.into()), "integer")),
            row!("lcm(int8, int8) int8", |l: i64, r: i64| narrowed::<i64>(lcm(l.into(), r.into()), "bigint")),
            row!("factorial(int8) numeric", |number: i64| factorial(number)),
            row!("to_hex(int4) text", |number: i32| Ok(Value::from(format!("{number:x}")))),
            row!("to_hex(int8) text", |number: i64| Ok(Value::from(format!("{number:x}")))),
        ]
    };
}

pub(super) static INTEGERS: &[Row] = integers! {
    "int2" i16 16;
    "int4" i32 32;
    "int8" i64 64;
};

fn narrowed<T: TryFrom<i128> + Integer>(number: i128, name: &str) -> Result<T> {
    T::try_from(number).map_err(|_| Error::out_of_range(name))
}

fn gcd(left: i128, right: i128) -> i128 {
    let (mut left, mut right) = (left.abs(), right.abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn lcm(left: i128, right: i128) -> i128 {
    match gcd(left, right) {
        0 => 0,
        common => (left / common * right).abs(),
    }
}

/// The greatest number whose factorial fits the format.
const FACTORIAL_MAX: i64 = 32_177;

fn factorial(number: i64) -> Result<Numeric> {
    if number < 0 {
        let words = "factorial of a negative number is undefined";
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
    }
    if number > FACTORIAL_MAX {
        let words = "value overflows numeric format";
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
    }
    product(1, number)
}

/// The product of the numbers from `first` to `last`, by halves, so that factors are of like
/// length.
fn product(first: i64, last: i64) -> Result<Numeric> {
    if last - first < 4 {
        return (first..=last).try_fold(Numeric::ONE, |product, number| {
            product.multiply(&Numeric::from(number))
        });
    }
    let middle = (first + last) / 2;
    product(first, middle)?.multiply(&product(middle + 1, last)?)
}

/// A row of a function of one `double precision`.
macro_rules! float {
    ($name:literal, $function:expr) => {
        row!(concat!($name, "(float8) float8"), |number: f64| {
            let function: fn(f64) -> Result<f64> = $function;
            function(number)
        })
    };
}

pub(super) static FLOATS: &[Row] = &[
    row!("abs(float4) float4", |number: f32| Ok(number.abs())),
    float!("abs", |x| Ok(x.abs())),
    float!("ceil", |x| Ok(x.ceil())),
    float!("ceiling", |x| Ok(x.ceil())),
    float!("floor", |x| Ok(x.floor())),
    float!("round", |x| Ok(x.round_ties_even())),
    float!("trunc", |x| Ok(x.trunc())),
    float!("sign", |x| Ok(if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    })),
    float!("sqrt", float::square_root),
    float!("cbrt", |x| Ok(float::cube_root(x))),
    float!("exp", exponential),
    float!("ln", |x| logarithm(x, f64::ln)),
    float!("log", |x| logarithm(x, f64::log10)),
    float!("log10", |x| logarithm(x, f64::log10)),
    row!("power(float8, float8) float8", |l: f64, r: f64| {
        float::power(l, r)
    }),
    row!("pow(float8, float8) float8", |l: f64, r: f64| float::power(
        l, r
    )),
    raw!("pi() float8", |_, _| Ok(Value::Float8(
        std::f64::consts::PI
    ))),
    float!("degrees", |x| float::divide(x, RADIANS_PER_DEGREE)),
    float!("radians", |x| float::multiply(x, RADIANS_PER_DEGREE)),
    float!("sin", |x| finite(x, f64::sin)),
    float!("cos", |x| finite(x, f64::cos)),
    float!("tan", |x| finite(x, f64::tan)),
    float!("cot", |x| finite(x, |x| 1.0 / x.tan())),
    float!("asin", |x| within(x, -1.0, 1.0, f64::asin)),
    float!("acos", |x| within(x, -1.0, 1.0, f64::acos)),
    float!("atan", |x| Ok(x.atan())),
    row!("atan2(float8, float8) float8", |l: f64, r: f64| Ok(
        l.atan2(r)
    )),
    float!("sinh", |x| Ok(x.sinh())),
    float!("cosh", |x| Ok(x.cosh())),
    float!("tanh", |x| Ok(x.tanh())),
    float!("asinh", |x| Ok(c_library::asinh(x))),
    float!("acosh", |x| within(x, 1.0, f64::INFINITY, c_library::acosh)),
    float!("atanh", |x| within(x, -1.0, 1.0, c_library::atanh)),
    float!("sind", |x| finite(x, degrees::sine)),
    float!("cosd", |x| finite(x, degrees::cosine)),
    float!("tand", |x| finite(x, degrees::tangent)),
    float!("cotd", |x| finite(x, degrees::cotangent)),
    float!("asind", |x| within(x, -1.0, 1.0, degrees::arc_sine)),
    float!("acosd", |x| within(x, -1.0, 1.0, degrees::arc_cosine)),
    float!("atand", |x| Ok(x.atan() / 1.0_f64.atan() * 45.0)),
    row!("atan2d(float8, float8) float8", |l: f64, r: f64| {
        Ok(l.atan2(r) / 1.0_f64.atan() * 45.0)
    }),
    row!(
        "width_bucket(float8, float8, float8, int4) int4",
        |x: f64, low: f64, high: f64, count: i32| { width_bucket(x, low, high, count) }
    ),
    raw!("random() float8 volatile", |_, scope| Ok(Value::Float8(
        scope.host.random()
    ))),
    row!("setseed(float8) void volatile", |scope; seed: f64| {
        Random::from_fraction(seed).map(|random| {
            scope.host.set_seed(random);
            Value::Null
        })
    }),
];

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

fn input_out_of_range() -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        "input is out of range",
    )
}

fn overflow() -> Error {
    let words = "value out of range: overflow";
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words)
}

/// A function that is not defined at the infinities.
fn finite(number: f64, function: fn(f64) -> f64) -> Result<f64> {
    if number.is_infinite() {
        return Err(input_out_of_range());
    }
    Ok(function(number))
}

/// A function that is defined between two numbers.
fn within(number: f64, lower: f64, upper: f64, function: fn(f64) -> f64) -> Result<f64> {
    if number < lower || number > upper {
        return Err(input_out_of_range());
    }
    Ok(function(number))
}

fn exponential(number: f64) -> Result<f64> {
    let result = number.exp();
    if number.is_infinite() || number.is_nan() {
        return Ok(result);
    }
    if result.is_infinite() {
        return Err(overflow());
    }
    if result == 0.0 {
        let words = "value out of range: underflow";
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words));
    }
    Ok(result)
}

fn logarithm(number: f64, function: fn(f64) -> f64) -> Result<f64> {
    let undefined = |words: &str| Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_LOGARITHM, words));
    if number == 0.0 {
        return undefined("cannot take logarithm of zero");
    }
    if number < 0.0 {
        return undefined("cannot take logarithm of a negative number");
    }
    Ok(function(number))
}

/// Inverse hyperbolic functions as the C library computes them, to the last digit: the standard
/// library has formulas of its own.
mod c_library {
    use std::f64::consts::LN_2;

    const TINY: f64 = 3.725_290_298_461_914e-9;
    const HUGE: f64 = 268_435_456.0;

    pub(super) fn asinh(number: f64) -> f64 {
        let x = number.abs();
        if !x.is_finite() || x < TINY {
            return number;
        }
        let result = if x > HUGE {
            x.ln() + LN_2
        } else if x > 2.0 {
            (2.0 * x + 1.0 / ((x * x + 1.0).sqrt() + x)).ln()
        } else {
            let square = x * x;
            (x + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
        };
        result.copysign(number)
    }

    pub(super) fn acosh(x: f64) -> f64 {
        if x > HUGE {
            return if x.is_finite() { x.ln() + LN_2 } else { x };
        }
        if x > 2.0 {
            let square = x * x;
            return (2.0 * x - 1.0 / (x + (square - 1.0).sqrt())).ln();
        }
        let above = x - 1.0;
        (above + (2.0 * above + above * above).sqrt()).ln_1p()
    }

    pub(super) fn atanh(number: f64) -> f64 {
        let x = number.abs();
        if x == 1.0 {
            return f64::INFINITY.copysign(number);
        }
        let result = if x < TINY {
            return number;
        } else if x < 0.5 {
            let double = x + x;
            0.5 * (double + double * x / (1.0 - x)).ln_1p()
        } else {
            0.5 * ((x + x) / (1.0 - x)).ln_1p()
        };
        result.copysign(number)
    }
}

/// Trigonometry in degrees, exact at 0, 30, 45, 60 and 90.
mod degrees {
    use super::RADIANS_PER_DEGREE;

    fn radians(degrees: f64) -> f64 {
        // A constant argument may be computed by the compiler, which rounds in its own way.
        std::hint::black_box(degrees) * RADIANS_PER_DEGREE
    }

    /// From 0 to 30.
    fn low_sine(x: f64) -> f64 {
        (radians(x).sin() / radians(30.0).sin()) / 2.0
    }

    /// From 0 to 60.
    fn low_cosine(x: f64) -> f64 {
        let less = 1.0 - radians(x).cos();
        1.0 - (less / (1.0 - radians(60.0).cos())) / 2.0
    }

    fn quarter_sine(x: f64) -> f64 {
        if x <= 30.0 {
            low_sine(x)
        } else {
            low_cosine(90.0 - x)
        }
    }

    fn quarter_cosine(x: f64) -> f64 {
        if x <= 60.0 {
            low_cosine(x)
        } else {
            low_sine(90.0 - x)
        }
    }

    pub(super) fn sine(x: f64) -> f64 {
        let (mut x, mut sign) = (x % 360.0, 1.0);
        if x < 0.0 {
            (x, sign) = (-x, -sign);
        }
        if x > 180.0 {
            (x, sign) = (360.0 - x, -sign);
        }
        if x > 90.0 {
            x = 180.0 - x;
        }
        sign * quarter_sine(x)
    }

    pub(super) fn cosine(x: f64) -> f64 {
        let (mut x, mut sign) = ((x % 360.0).abs(), 1.0);
        if x > 180.0 {
            x = 360.0 - x;
        }
        if x > 90.0 {
            (x, sign) = (180.0 - x, -1.0);
        }
        sign * quarter_cosine(x)
    }

    /// The angle between 0 and 90 with the same tangent, up to the sign.
    fn quarter_turn(x: f64) -> (f64, f64) {
        let (mut x, mut sign) = (x % 360.0, 1.0);
        if x < 0.0 {
            (x, sign) = (-x, -sign);
        }
        if x > 180.0 {
            (x, sign) = (360.0 - x, -sign);
        }
        if x > 90.0 {
            (x, sign) = (180.0 - x, -sign);
        }
        (x, sign)
    }

    pub(super) fn tangent(x: f64) -> f64 {
        let (x, sign) = quarter_turn(x);
        let unit = quarter_sine(45.0) / quarter_cosine(45.0);
        // Zero has no sign here.
        sign * ((quarter_sine(x) / quarter_cosine(x)) / unit) + 0.0
    }

    pub(super) fn cotangent(x: f64) -> f64 {
        let (x, sign) = quarter_turn(x);
        let unit = quarter_cosine(45.0) / quarter_sine(45.0);
        sign * ((quarter_cosine(x) / quarter_sine(x)) / unit) + 0.0
    }

    fn half() -> f64 {
        std::hint::black_box(0.5)
    }

    fn quarter_arc_sine(x: f64) -> f64 {
        if x <= 0.5 {
            (x.asin() / half().asin()) * 30.0
        } else {
            90.0 - (x.acos() / half().acos()) * 60.0
        }
    }

    pub(super) fn arc_sine(x: f64) -> f64 {
        if x.is_nan() {
            x
        } else if x >= 0.0 {
            quarter_arc_sine(x)
        } else {
            -quarter_arc_sine(-x)
        }
    }

    pub(super) fn arc_cosine(x: f64) -> f64 {
        if x.is_nan() {
            return x;
        }
        if x < 0.0 {
            return 90.0 + quarter_arc_sine(-x);
        }
        if x <= 0.5 {
            90.0 - (x.asin() / half().asin()) * 30.0
        } else {
            (x.acos() / half().acos()) * 60.0
        }
    }
}

fn bucket_error(words: &str) -> Error {
    Error::new(SqlState::INVALID_ARGUMENT_FOR_WIDTH_BUCKET, words)
}

/// The bucket that a number falls in, of `count` between two bounds in either order; 0 and
/// `count + 1` are outside.
fn width_bucket(number: f64, low: f64, high: f64, count: i32) -> Result<i32> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    if number.is_nan() || low.is_nan() || high.is_nan() {
        let words = "operand, lower bound, and upper bound cannot be NaN";
        return Err(bucket_error(words));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(bucket_error("lower bound cannot equal upper bound"));
    }
    let (before, after) = if low < high {
        (number < low, number >= high)
    } else {
        (number > low, number <= high)
    };
    if before {
        return Ok(0);
    }
    if after {
        return integer::add(count, 1);
    }
    let count = f64::from(count);
    let place = if (high - low).is_infinite() {
        count * (number / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
    } else {
        count * (number - low) / (high - low)
    };
    Ok((place + 1.0) as i32)
}

/// The same for `numeric`, exactly.
fn numeric_bucket(number: &Numeric, low: &Numeric, high: &Numeric, count: i32) -> Result<i32> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    if number.is_nan() || low.is_nan() || high.is_nan() {
        let words = "operand, lower bound, and upper bound cannot be NaN";
        return Err(bucket_error(words));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(bucket_error("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(bucket_error("lower bound cannot equal upper bound"));
    }
    let (before, after) = if low < high {
        (number < low, number >= high)
    } else {
        (number > low, number <= high)
    };
    if before {
        return Ok(0);
    }
    if after {
        return integer::add(count, 1);
    }
    let part = number.subtract(low)?.multiply(&Numeric::from(count))?;
    let place = part.divide(&high.subtract(low)?)?;
    place.add(&Numeric::ONE)?.floor()?.to_i32()
}

pub(super) static NUMERICS: &[Row] = &[
    row!("abs(numeric) numeric", |x: &Numeric| Ok(x.absolute())),
    row!("ceil(numeric) numeric", |x: &Numeric| x.ceil()),
    row!("ceiling(numeric) numeric", |x: &Numeric| x.ceil()),
    row!("floor(numeric) numeric", |x: &Numeric| x.floor()),
    row!("round(numeric) numeric", |x: &Numeric| x.round(0)),
    row!("round(numeric, int4) numeric", |x: &Numeric, scale: i32| x
        .round(scale)),
    row!("trunc(numeric) numeric", |x: &Numeric| x.truncate(0)),
    row!("trunc(numeric, int4) numeric", |x: &Numeric, scale: i32| x
        .truncate(scale)),
    row!("sign(numeric) numeric", |x: &Numeric| Ok(x
        .signum()
        .map_or(Numeric::NAN, Numeric::from))),
    row!("sqrt(numeric) numeric", |x: &Numeric| x.sqrt()),
    row!("exp(numeric) numeric", |x: &Numeric| x.exp()),
    row!("ln(numeric) numeric", |x: &Numeric| x.ln()),
    row!("log(numeric) numeric", |x: &Numeric| Numeric::from(10)
        .log(x)),
    row!("log10(numeric) numeric", |x: &Numeric| Numeric::from(10)
        .log(x)),
    row!(
        "log(numeric, numeric) numeric",
        |b: &Numeric, x: &Numeric| b.log(x)
    ),
    row!(
        "power(numeric, numeric) numeric",
        |x: &Numeric, y: &Numeric| x.power(y)
    ),
    row!(
        "pow(numeric, numeric) numeric",
        |x: &Numeric, y: &Numeric| x.power(y)
    ),
    row!(
        "mod(numeric, numeric) numeric",
        |l: &Numeric, r: &Numeric| l.remainder(r)
    ),
    row!(
        "div(numeric, numeric) numeric",
        |l: &Numeric, r: &Numeric| l.divide_truncated(r)
    ),
    row!(
        "gcd(numeric, numeric) numeric",
        |l: &Numeric, r: &Numeric| numeric_gcd(l, r)
    ),
    row!(
        "lcm(numeric, numeric) numeric",
        |l: &Numeric, r: &Numeric| numeric_lcm(l, r)
    ),
    row!("scale(numeric) int4", |x: &Numeric| Ok(x.scale())),
    row!(
        "min_scale(numeric) int4",
        |x: &Numeric| Ok(x.scale_needed())
    ),
    row!("trim_scale(numeric) numeric", |x: &Numeric| x
        .scale_needed()
        .map_or(Ok(x.clone()), |scale| x.round(scale))),
    row!(
        "width_bucket(numeric, numeric, numeric, int4) int4",
        |x: &Numeric, low: &Numeric, high: &Numeric, count: i32| {
            numeric_bucket(x, low, high, count)
        }
    ),
];

fn numeric_gcd(left: &Numeric, right: &Numeric) -> Result<Numeric> {
    if !left.is_finite() || !right.is_finite() {
        return Ok(Numeric::NAN);
    }
    let scale = left.scale().max(right.scale()).unwrap_or(0);
    let (mut left, mut right) = (left.absolute(), right.absolute());
    while right.signum() != Some(0) {
        let rest = left.remainder(&right)?;
        (left, right) = (right, rest);
    }
    left.round(scale)
}

fn numeric_lcm(left: &Numeric, right: &Numeric) -> Result<Numeric> {
    if !left.is_finite() || !right.is_finite() {
        return Ok(Numeric::NAN);
    }
    let scale = left.scale().max(right.scale()).unwrap_or(0);
    if left.signum() == Some(0) || right.signum() == Some(0) {
        return Numeric::ZERO.round(scale);
    }
    let whole = left.divide_truncated(&numeric_gcd(left, right)?)?;
    whole.multiply(right)?.absolute().round(scale)
}
