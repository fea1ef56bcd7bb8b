//! Averages, variances and correlations.
//!
//! Of floating-point numbers by the method of Youngs and Cramer, step by step as PostgreSQL does,
//! so that the last digits agree; of integers and `numeric` exactly.

use super::{Accumulate, Row, State, first, row};
use crate::error::{Error, Result, SqlState};
use crate::function::FunctionContext;
use crate::numeric::Numeric;
use crate::value::Value;

/// Rows of one measure for every type of number.
macro_rules! measures {
    ($($name:literal $measure:expr;)*) => {
        &[
            $(
                row(concat!($name, "(int2) numeric"), |_| Squares::state($measure)),
                row(concat!($name, "(int4) numeric"), |_| Squares::state($measure)),
                row(concat!($name, "(int8) numeric"), |_| Squares::state($measure)),
                row(concat!($name, "(numeric) numeric"), |_| Squares::state($measure)),
                row(concat!($name, "(float4) float8"), |_| Moments::state($measure)),
                row(concat!($name, "(float8) float8"), |_| Moments::state($measure)),
            )*
            row("avg(float4) float8", |_| Moments::state(Measure::Average)),
            row("avg(float8) float8", |_| Moments::state(Measure::Average)),
            row("regr_count(float8, float8) int8", |_| Pairs::state(Relation::Count)),
            row("regr_sxx(float8, float8) float8", |_| Pairs::state(Relation::SquaresX)),
            row("regr_syy(float8, float8) float8", |_| Pairs::state(Relation::SquaresY)),
            row("regr_sxy(float8, float8) float8", |_| Pairs::state(Relation::Products)),
            row("regr_avgx(float8, float8) float8", |_| Pairs::state(Relation::AverageX)),
            row("regr_avgy(float8, float8) float8", |_| Pairs::state(Relation::AverageY)),
            row("regr_r2(float8, float8) float8", |_| Pairs::state(Relation::Determination)),
            row("regr_slope(float8, float8) float8", |_| Pairs::state(Relation::Slope)),
            row("regr_intercept(float8, float8) float8", |_| Pairs::state(Relation::Intercept)),
            row("covar_pop(float8, float8) float8", |_| Pairs::state(Relation::CovariancePopulation)),
            row("covar_samp(float8, float8) float8", |_| Pairs::state(Relation::CovarianceSample)),
            row("corr(float8, float8) float8", |_| Pairs::state(Relation::Correlation)),
        ]
    };
}

pub(super) static ROWS: &[Row] = measures! {
    "variance" Measure::VarianceSample;
    "var_samp" Measure::VarianceSample;
    "var_pop" Measure::VariancePopulation;
    "stddev" Measure::DeviationSample;
    "stddev_samp" Measure::DeviationSample;
    "stddev_pop" Measure::DeviationPopulation;
};

/// What the sums become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Measure {
    Average,
    VarianceSample,
    VariancePopulation,
    DeviationSample,
    DeviationPopulation,
}

impl Measure {
    const fn is_sample(self) -> bool {
        matches!(self, Measure::VarianceSample | Measure::DeviationSample)
    }

    const fn is_deviation(self) -> bool {
        matches!(
            self,
            Measure::DeviationSample | Measure::DeviationPopulation
        )
    }
}

fn overflow() -> Error {
    let words = "value out of range: overflow";
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, words)
}

/// Count, sum, and sum of squared differences from the average.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
    measure: Measure,
}

impl Moments {
    fn state(measure: Measure) -> State {
        State::from(Box::new(Moments {
            count: 0.0,
            sum: 0.0,
            squares: 0.0,
            measure,
        }))
    }
}

impl Accumulate for Moments {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if value.is_null() {
            return Ok(());
        }
        let number = value
            .as_float()
            .ok_or_else(|| Error::mismatch(value.kind()))?;
        let (before, sum_before) = (self.count, self.sum);
        self.count += 1.0;
        self.sum += number;
        if before > 0.0 {
            let difference = number * self.count - self.sum;
            self.squares += difference * difference / (self.count * before);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !sum_before.is_infinite() && !number.is_infinite() {
                    return Err(overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !number.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn merge(&mut self, other: Moments) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = other;
            return Ok(());
        }
        let count = self.count + other.count;
        let difference = self.sum / self.count - other.sum / other.count;
        let squares = self.squares
            + other.squares
            + self.count * other.count * difference * difference / count;
        if squares.is_infinite() && !self.squares.is_infinite() && !other.squares.is_infinite() {
            return Err(overflow());
        }
        self.sum = crate::arithmetic::float::add(self.sum, other.sum)?;
        (self.count, self.squares) = (count, squares);
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        if self.count == 0.0 || (self.measure.is_sample() && self.count <= 1.0) {
            return Ok(Value::Null);
        }
        let variance = if self.measure.is_sample() {
            self.squares / (self.count - 1.0)
        } else {
            self.squares / self.count
        };
        Ok(Value::Float8(match self.measure {
            Measure::Average => self.sum / self.count,
            Measure::VarianceSample | Measure::VariancePopulation => variance,
            Measure::DeviationSample | Measure::DeviationPopulation => variance.sqrt(),
        }))
    }
}

/// Count, sum, and sum of squares.
#[derive(Clone, Debug)]
pub(super) struct Squares {
    count: i64,
    sum: Numeric,
    squares: Numeric,
    /// How many were NaN or infinite.
    special: i64,
    measure: Measure,
}

impl Squares {
    fn state(measure: Measure) -> State {
        State::from(Box::new(Squares {
            count: 0,
            sum: Numeric::ZERO,
            squares: Numeric::ZERO,
            special: 0,
            measure,
        }))
    }

    fn number(value: &Value) -> Result<Numeric> {
        match value {
            Value::Numeric(number) => Ok(number.clone()),
            other => other
                .as_integer()
                .map(Numeric::from)
                .ok_or_else(|| Error::mismatch(other.kind())),
        }
    }
}

impl Accumulate for Squares {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let value = first(arguments)?;
        if value.is_null() {
            return Ok(());
        }
        let number = Squares::number(value)?;
        self.count += 1;
        if number.is_finite() {
            self.sum = self.sum.add(&number)?;
            self.squares = self.squares.add(&number.multiply(&number)?)?;
        } else {
            self.special += 1;
        }
        Ok(())
    }

    fn merge(&mut self, other: Squares) -> Result<()> {
        self.count += other.count;
        self.special += other.special;
        self.sum = self.sum.add(&other.sum)?;
        self.squares = self.squares.add(&other.squares)?;
        Ok(())
    }

    fn remove(&mut self, arguments: &[Value]) -> Result<bool> {
        let value = first(arguments)?;
        if value.is_null() {
            return Ok(true);
        }
        let number = Squares::number(value)?;
        if number.is_finite() {
            // The sums show as many decimals as the number that showed most: this may be that.
            if number.scale() == self.sum.scale() && number.scale() != Some(0) {
                return Ok(false);
            }
            self.sum = self.sum.subtract(&number)?;
            self.squares = self.squares.subtract(&number.multiply(&number)?)?;
        } else {
            self.special -= 1;
        }
        self.count -= 1;
        Ok(true)
    }

    fn finish(&self) -> Result<Value> {
        if self.count == 0 || (self.measure.is_sample() && self.count <= 1) {
            return Ok(Value::Null);
        }
        if self.special > 0 {
            return Ok(Value::Numeric(Numeric::NAN));
        }
        let count = Numeric::from(self.count);
        let divisor = Numeric::from(self.count - i64::from(self.measure.is_sample()));
        let spread = count
            .multiply(&self.squares)?
            .subtract(&self.sum.multiply(&self.sum)?)?;
        if spread.signum() != Some(1) {
            return Ok(Value::Numeric(Numeric::ZERO));
        }
        let variance = spread.divide(&count.multiply(&divisor)?)?;
        Ok(Value::Numeric(if self.measure.is_deviation() {
            variance.sqrt_at_scale(variance.scale().unwrap_or(0))?
        } else {
            variance
        }))
    }
}

/// What the sums of pairs become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    Count,
    SquaresX,
    SquaresY,
    Products,
    AverageX,
    AverageY,
    Determination,
    Slope,
    Intercept,
    CovariancePopulation,
    CovarianceSample,
    Correlation,
}

/// Sums of two numbers of each row: `y` is the first argument, `x` the second.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    count: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
    relation: Relation,
}

impl Pairs {
    fn state(relation: Relation) -> State {
        State::from(Box::new(Pairs {
            count: 0.0,
            x: 0.0,
            xx: 0.0,
            y: 0.0,
            yy: 0.0,
            xy: 0.0,
            relation,
        }))
    }

    fn add(&mut self, x: f64, y: f64) -> Result<()> {
        if self.relation == Relation::Count {
            self.count += 1.0;
            return Ok(());
        }
        let (before, x_before, y_before) = (self.count, self.x, self.y);
        self.count += 1.0;
        self.x += x;
        self.y += y;
        if before == 0.0 {
            if !x.is_finite() {
                (self.xx, self.xy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.yy, self.xy) = (f64::NAN, f64::NAN);
            }
            return Ok(());
        }
        let (from_x, from_y) = (x * self.count - self.x, y * self.count - self.y);
        let scale = 1.0 / (self.count * before);
        self.xx += from_x * from_x * scale;
        self.yy += from_y * from_y * scale;
        self.xy += from_x * from_y * scale;
        let finite_x = !x_before.is_infinite() && !x.is_infinite();
        let finite_y = !y_before.is_infinite() && !y.is_infinite();
        let too_large = ((self.x.is_infinite() || self.xx.is_infinite()) && finite_x)
            || ((self.y.is_infinite() || self.yy.is_infinite()) && finite_y)
            || (self.xy.is_infinite() && finite_x && finite_y);
        if too_large {
            return Err(overflow());
        }
        for sum in [&mut self.xx, &mut self.yy, &mut self.xy] {
            if sum.is_infinite() {
                *sum = f64::NAN;
            }
        }
        Ok(())
    }
}

impl Accumulate for Pairs {
    fn update(&mut self, arguments: &[Value], _: &FunctionContext<'_>) -> Result<()> {
        let [y, x] = arguments else {
            return Err(Error::mismatch("number of arguments"));
        };
        match (x.as_float(), y.as_float()) {
            (Some(x), Some(y)) => self.add(x, y),
            _ => Ok(()),
        }
    }

    fn merge(&mut self, other: Pairs) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = other;
            return Ok(());
        }
        let count = self.count + other.count;
        let between_x = self.x / self.count - other.x / other.count;
        let between_y = self.y / self.count - other.y / other.count;
        let weight = self.count * other.count / count;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx + weight * between_x * between_x;
        self.yy += other.yy + weight * between_y * between_y;
        self.xy += other.xy + weight * between_x * between_y;
        self.count = count;
        Ok(())
    }

    fn finish(&self) -> Result<Value> {
        let Pairs {
            count,
            x,
            xx,
            y,
            yy,
            xy,
            ..
        } = *self;
        if self.relation == Relation::Count {
            return Ok(Value::Int8(count as i64));
        }
        if count < 1.0 {
            return Ok(Value::Null);
        }
        Ok(Value::Float8(match self.relation {
            Relation::Count | Relation::SquaresX => xx,
            Relation::SquaresY => yy,
            Relation::Products => xy,
            Relation::AverageX => x / count,
            Relation::AverageY => y / count,
            Relation::CovariancePopulation => xy / count,
            Relation::CovarianceSample if count < 2.0 => return Ok(Value::Null),
            Relation::CovarianceSample => xy / (count - 1.0),
            Relation::Correlation if xx == 0.0 || yy == 0.0 => return Ok(Value::Null),
            Relation::Correlation => xy / (xx * yy).sqrt(),
            Relation::Determination | Relation::Slope | Relation::Intercept if xx == 0.0 => {
                return Ok(Value::Null);
            }
            Relation::Determination if yy == 0.0 => 1.0,
            Relation::Determination => (xy * xy) / (xx * yy),
            Relation::Slope => xy / xx,
            Relation::Intercept => (y - x * xy / xx) / count,
        }))
    }
}
