//! Arithmetic of dates, times and intervals.

use super::Operator;
use super::operand::{Date, Time, Timestamp, Timestamptz, infix, prefix, zoned};
use crate::datetime;
use crate::error::Result;
use crate::interval::Interval;
use crate::zone::Zone;

pub(super) static OPERATORS: &[Operator] = &[
    infix!("+", Date, Int4 => Date, |l: Date, r: i32| datetime::date_add_days(l.0, r).map(Date)),
    infix!("+", Int4, Date => Date, |l: i32, r: Date| datetime::date_add_days(r.0, l).map(Date)),
    infix!("-", Date, Int4 => Date, |l: Date, r: i32| datetime::date_subtract_days(l.0, r).map(Date)),
    infix!("-", Date, Date => Int4, |l: Date, r: Date| datetime::date_difference(l.0, r.0)),
    infix!("+", Date, Time => Timestamp, date_and_time),
    infix!("+", Time, Date => Timestamp, |l, r| date_and_time(r, l)),
    infix!("+", Date, Interval => Timestamp, date_plus),
    infix!("+", Interval, Date => Timestamp, |l, r| date_plus(r, l)),
    infix!("-", Date, Interval => Timestamp, |l: Date, r: Interval| {
        let midnight = datetime::date_to_timestamp(l.0)?;
        datetime::timestamp_subtract(midnight, &r).map(Timestamp)
    }),
    infix!("+", Timestamp, Interval => Timestamp, timestamp_plus),
    infix!("+", Interval, Timestamp => Timestamp, |l, r| timestamp_plus(r, l)),
    infix!("-", Timestamp, Interval => Timestamp, |l: Timestamp, r: Interval| {
        datetime::timestamp_subtract(l.0, &r).map(Timestamp)
    }),
    zoned!("+", Timestamptz, Interval => Timestamptz, |l: Timestamptz, r: Interval, zone: &Zone| { datetime::timestamptz_add(l.0, &r, zone).map(Timestamptz) }),
    zoned!("+", Interval, Timestamptz => Timestamptz, |l: Interval, r: Timestamptz, zone: &Zone| { datetime::timestamptz_add(r.0, &l, zone).map(Timestamptz) }),
    zoned!("-", Timestamptz, Interval => Timestamptz, |l: Timestamptz, r: Interval, zone: &Zone| { datetime::timestamptz_subtract(l.0, &r, zone).map(Timestamptz) }),
    infix!("-", Timestamp, Timestamp => Interval, |l: Timestamp, r: Timestamp| {
        datetime::timestamp_difference(l.0, r.0)
    }),
    infix!("-", Timestamptz, Timestamptz => Interval, |l: Timestamptz, r: Timestamptz| {
        datetime::timestamp_difference(l.0, r.0)
    }),
    infix!("-", Time, Time => Interval, |l: Time, r: Time| Ok(Interval::new(0, 0, l.0 - r.0))),
    infix!("+", Time, Interval => Time, time_plus),
    infix!("+", Interval, Time => Time, |l, r| time_plus(r, l)),
    infix!("-", Time, Interval => Time, |l: Time, r: Interval| {
        Ok(Time(datetime::time_subtract(l.0, &r)))
    }),
    infix!("+", Interval, Interval => Interval, |l: Interval, r: Interval| l.checked_add(&r)),
    infix!("-", Interval, Interval => Interval, |l: Interval, r: Interval| l.checked_subtract(&r)),
    infix!("*", Interval, Float8 => Interval, |l: Interval, r: f64| l.checked_multiply(r)),
    infix!("*", Float8, Interval => Interval, |l: f64, r: Interval| r.checked_multiply(l)),
    infix!("/", Interval, Float8 => Interval, |l: Interval, r: f64| l.checked_divide(r)),
    prefix!("-", Interval => Interval, |interval: Interval| interval.checked_negate()),
];

fn date_and_time(date: Date, time: Time) -> Result<Timestamp> {
    datetime::date_add_time(date.0, time.0).map(Timestamp)
}

fn date_plus(date: Date, interval: Interval) -> Result<Timestamp> {
    let midnight = datetime::date_to_timestamp(date.0)?;
    datetime::timestamp_add(midnight, &interval).map(Timestamp)
}

fn timestamp_plus(timestamp: Timestamp, interval: Interval) -> Result<Timestamp> {
    datetime::timestamp_add(timestamp.0, &interval).map(Timestamp)
}

fn time_plus(time: Time, interval: Interval) -> Result<Time> {
    Ok(Time(datetime::time_add(time.0, &interval)))
}
