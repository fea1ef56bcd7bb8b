//! What a session says about reading and printing values.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::zone::Zone;

/// Settings of a session that text forms and conversions depend on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `TimeZone`.
    pub zone: Zone,
    /// The style of `DateStyle`.
    pub date_style: DateStyle,
    /// The order of `DateStyle`, for input that leaves it open.
    pub date_order: DateOrder,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `bytea_output`.
    pub bytea_output: ByteaOutput,
    /// `extra_float_digits`: 1 or more for the shortest form that reads back.
    pub extra_float_digits: i32,
    /// When the transaction began: what 'now' means.
    pub now: Moment,
}

/// A moment, as [`crate::Value::Timestamptz`] has it, that is another one in the next transaction.
/// It can be set where the settings around it are shared: plans that were made with them stay good.
#[derive(Default, Debug)]
pub struct Moment(AtomicI64);

impl Moment {
    /// The moment as it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes it another one.
    pub fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::Relaxed);
    }
}

impl Clone for Moment {
    fn clone(&self) -> Moment {
        Moment(AtomicI64::new(self.get()))
    }
}

impl Default for Settings {
    /// PostgreSQL's defaults, in UTC, on 2000-01-01.
    fn default() -> Settings {
        Settings {
            zone: Zone::utc(),
            date_style: DateStyle::Iso,
            date_order: DateOrder::MonthDayYear,
            interval_style: IntervalStyle::Postgres,
            bytea_output: ByteaOutput::Hex,
            extra_float_digits: 1,
            now: Moment::default(),
        }
    }
}

/// How dates and times are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateStyle {
    /// `1997-12-17 07:37:16-08`.
    Iso,
    /// `12/17/1997 07:37:16.00 PST`.
    Sql,
    /// `Wed Dec 17 07:37:16 1997 PST`.
    Postgres,
    /// `17.12.1997 07:37:16.00 PST`.
    German,
}

/// How a date like `1/2/3` is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOrder {
    /// `MDY`.
    MonthDayYear,
    /// `DMY`.
    DayMonthYear,
    /// `YMD`.
    YearMonthDay,
}

/// How intervals are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`.
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`.
    PostgresVerbose,
    /// `+1-2 +3 +4:05:06`.
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`.
    Iso8601,
}

/// How `bytea` is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteaOutput {
    /// `\x00ff`.
    Hex,
    /// `\000\377`.
    Escape,
}
