//! Type modifiers: what stands in brackets after a type's name, in PostgreSQL's coding.
//!
//! Clients read the coded number (`atttypmod`, the row description of the wire), so it is kept
//! rather than a tidier structure.

use crate::base::Base;
use crate::error::{Error, Result, SqlState};

/// `NUMERIC`'s greatest precision.
pub const NUMERIC_PRECISION_MAX: i32 = 1000;
/// `NUMERIC`'s least and greatest scale.
pub const NUMERIC_SCALE_MIN: i32 = -1000;
/// `NUMERIC`'s greatest scale as a type's modifier.
pub const NUMERIC_SCALE_MAX: i32 = 1000;
/// The most letters of `varchar(n)` and `char(n)`.
pub const CHARACTERS_MAX: i32 = 10_485_760;
/// The most numbers of a `vector(n)`.
pub const VECTOR_DIMENSIONS_MAX: usize = 16_000;
/// Digits after the second.
pub const FRACTION_DIGITS_MAX: i32 = 6;

const HEADER: i32 = 4;
const INTERVAL_FULL_RANGE: i32 = 0x7fff;
const INTERVAL_FULL_PRECISION: i32 = 0xffff;

/// A modifier in PostgreSQL's coding; -1 if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Modifier(pub i32);

impl Default for Modifier {
    fn default() -> Modifier {
        Modifier::NONE
    }
}

/// The fields that an interval type keeps (`INTERVAL DAY TO SECOND`), as bits of PostgreSQL's.
pub mod interval_fields {
    /// `MONTH`.
    pub const MONTH: i32 = 1 << 1;
    /// `YEAR`.
    pub const YEAR: i32 = 1 << 2;
    /// `DAY`.
    pub const DAY: i32 = 1 << 3;
    /// `HOUR`.
    pub const HOUR: i32 = 1 << 10;
    /// `MINUTE`.
    pub const MINUTE: i32 = 1 << 11;
    /// `SECOND`.
    pub const SECOND: i32 = 1 << 12;
}

impl Modifier {
    /// No modifier.
    pub const NONE: Modifier = Modifier(-1);

    /// `numeric(precision, scale)`.
    pub fn numeric(precision: i32, scale: i32) -> Result<Modifier> {
        if !(1..=NUMERIC_PRECISION_MAX).contains(&precision) {
            return Err(invalid(format!(
                "NUMERIC precision {precision} must be between 1 and {NUMERIC_PRECISION_MAX}"
            )));
        }
        if !(NUMERIC_SCALE_MIN..=NUMERIC_SCALE_MAX).contains(&scale) {
            return Err(invalid(format!(
                "NUMERIC scale {scale} must be between {NUMERIC_SCALE_MIN} and {NUMERIC_SCALE_MAX}"
            )));
        }
        Ok(Modifier(((precision << 16) | (scale & 0x7ff)) + HEADER))
    }

    /// Precision and scale of a `numeric` type.
    pub fn precision_and_scale(self) -> Option<(i32, i32)> {
        let packed = self.0.checked_sub(HEADER).filter(|packed| *packed >= 0)?;
        Some(((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024))
    }

    /// `varchar(n)` or `char(n)`; `base` is for the words of the error.
    pub fn characters(base: Base, count: i32) -> Result<Modifier> {
        let name = if base == Base::Bpchar {
            "char"
        } else {
            "varchar"
        };
        if count < 1 {
            return Err(invalid(format!(
                "length for type {name} must be at least 1"
            )));
        }
        if count > CHARACTERS_MAX {
            let words = format!("length for type {name} cannot exceed {CHARACTERS_MAX}");
            return Err(invalid(words));
        }
        Ok(Modifier(count + HEADER))
    }

    /// The most letters of a `varchar(n)` or `char(n)`.
    pub fn character_count(self) -> Option<usize> {
        let count = self.0.checked_sub(HEADER)?;
        usize::try_from(count).ok()
    }

    /// `time(digits)`, `timestamp(digits)`; more than six digits are taken as six.
    pub fn fraction(digits: i32) -> Result<Modifier> {
        if digits < 0 {
            return Err(invalid(format!(
                "TIMESTAMP({digits}) precision must not be negative"
            )));
        }
        Ok(Modifier(digits.min(FRACTION_DIGITS_MAX)))
    }

    /// Digits after the second of a time or timestamp type.
    pub fn fraction_digits(self) -> Option<u32> {
        u32::try_from(self.0).ok().filter(|digits| *digits <= 6)
    }

    /// `interval fields (digits)`: `fields` as bits of [`interval_fields`], `None` for all.
    pub fn interval(fields: Option<i32>, digits: Option<i32>) -> Modifier {
        let fields = fields.unwrap_or(INTERVAL_FULL_RANGE) & INTERVAL_FULL_RANGE;
        let digits = digits.map_or(INTERVAL_FULL_PRECISION, |digits| digits.clamp(0, 6));
        if fields == INTERVAL_FULL_RANGE && digits == INTERVAL_FULL_PRECISION {
            return Modifier::NONE;
        }
        Modifier((fields << 16) | digits)
    }

    /// The fields an interval type keeps, unless it keeps all.
    pub fn interval_fields(self) -> Option<i32> {
        let fields = (self.0 >> 16) & INTERVAL_FULL_RANGE;
        (self.0 >= 0 && fields != INTERVAL_FULL_RANGE).then_some(fields)
    }

    /// Digits after the second of an interval type.
    pub fn interval_digits(self) -> Option<u32> {
        let digits = self.0 & INTERVAL_FULL_PRECISION;
        (self.0 >= 0 && digits <= 6).then_some(digits as u32)
    }

    /// `vector(n)`.
    pub fn dimensions(count: i32) -> Result<Modifier> {
        if count < 1 {
            return Err(invalid(
                "dimensions for type vector must be at least 1".to_owned(),
            ));
        }
        if count as usize > VECTOR_DIMENSIONS_MAX {
            let words = format!("dimensions for type vector cannot exceed {VECTOR_DIMENSIONS_MAX}");
            return Err(invalid(words));
        }
        Ok(Modifier(count))
    }

    /// How many numbers a `vector(n)` has.
    pub fn dimension_count(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }

    /// The type's name with this modifier, as `format_type` prints it.
    pub fn format(self, base: Base) -> String {
        let name = base.sql_name();
        match base {
            Base::Numeric => match self.precision_and_scale() {
                Some((precision, scale)) => format!("numeric({precision},{scale})"),
                None => name.to_owned(),
            },
            Base::Varchar | Base::Bpchar => match self.character_count() {
                Some(count) => format!("{name}({count})"),
                None if base == Base::Bpchar => "bpchar".to_owned(),
                None => name.to_owned(),
            },
            Base::Time | Base::Timestamp | Base::Timestamptz => match self.fraction_digits() {
                Some(digits) => {
                    let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
                    format!("{first}({digits}) {rest}")
                }
                None => name.to_owned(),
            },
            Base::Interval => self.format_interval(),
            Base::Vector => match self.dimension_count() {
                Some(count) => format!("{name}({count})"),
                None => name.to_owned(),
            },
            _ => name.to_owned(),
        }
    }

    fn format_interval(self) -> String {
        use interval_fields::{DAY, HOUR, MINUTE, MONTH, SECOND, YEAR};
        let names = [
            (YEAR, "year"),
            (MONTH, "month"),
            (DAY, "day"),
            (HOUR, "hour"),
            (MINUTE, "minute"),
            (SECOND, "second"),
        ];
        let mut text = "interval".to_owned();
        if let Some(fields) = self.interval_fields() {
            let kept = || names.iter().filter(|(bit, _)| fields & bit != 0);
            if let (Some((first, name)), Some((last, last_name))) =
                (kept().next(), kept().next_back())
            {
                text += &format!(" {name}");
                if first != last {
                    text += &format!(" to {last_name}");
                }
            }
        }
        if let Some(digits) = self.interval_digits() {
            text += &format!("({digits})");
        }
        text
    }
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_postgresqls() {
        assert_eq!(Modifier::numeric(10, 2).unwrap(), Modifier(655_366));
        assert_eq!(
            Modifier::characters(Base::Varchar, 20).unwrap(),
            Modifier(24)
        );
        assert_eq!(
            Modifier::numeric(5, -2).unwrap().precision_and_scale(),
            Some((5, -2))
        );
        assert_eq!(Modifier::NONE.precision_and_scale(), None);
        assert_eq!(Modifier::NONE.character_count(), None);
    }

    #[test]
    fn names_show_the_modifier() {
        let name = |base, modifier: Modifier| modifier.format(base);
        assert_eq!(
            name(Base::Timestamptz, Modifier(3)),
            "timestamp(3) with time zone"
        );
        assert_eq!(name(Base::Bpchar, Modifier(9)), "character(5)");
        assert_eq!(
            name(Base::Interval, Modifier::interval(Some(6), None)),
            "interval year to month"
        );
        assert_eq!(
            name(Base::Interval, Modifier::interval(None, Some(3))),
            "interval(3)"
        );
        assert_eq!(name(Base::Vector, Modifier(3)), "vector(3)");
    }

    #[test]
    fn bounds_are_checked() {
        assert!(Modifier::numeric(0, 0).is_err());
        assert!(Modifier::numeric(1001, 0).is_err());
        assert!(Modifier::numeric(10, -1001).is_err());
        assert!(Modifier::characters(Base::Bpchar, 0).is_err());
        assert!(Modifier::characters(Base::Bpchar, CHARACTERS_MAX + 1).is_err());
        assert!(Modifier::dimensions(16_001).is_err());
    }
}
