//! Dates and times printed in the four styles of `DateStyle`.

use super::calendar::{self, Civil, split_time};
use crate::interval::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::settings::{DateOrder, DateStyle, Settings};

/// Appends a `date`.
pub(super) fn date(days: i32, settings: &Settings, out: &mut String) {
    if put_infinity(
        i64::from(days),
        i64::from(i32::MIN),
        i64::from(i32::MAX),
        out,
    ) {
        return;
    }
    let (year, month, day) = calendar::civil_from_days(i64::from(days));
    let shown = if year > 0 { year } else { 1 - year };
    let day_first = settings.date_order == DateOrder::DayMonthYear;
    out.push_str(&match settings.date_style {
        DateStyle::Iso => format!("{shown:04}-{month:02}-{day:02}"),
        DateStyle::Sql if day_first => format!("{day:02}/{month:02}/{shown:04}"),
        DateStyle::Sql => format!("{month:02}/{day:02}/{shown:04}"),
        DateStyle::German => format!("{day:02}.{month:02}.{shown:04}"),
        DateStyle::Postgres if day_first => format!("{day:02}-{month:02}-{shown:04}"),
        DateStyle::Postgres => format!("{month:02}-{day:02}-{shown:04}"),
    });
    put_era(year, out);
}

/// Appends a `time`.
pub(super) fn time(micros: i64, out: &mut String) {
    let (hour, minute, second, micros) = split_time(micros);
    out.push_str(&format!("{hour:02}:{minute:02}:"));
    put_seconds(second, micros, true, out);
}

/// Appends a `timestamp`.
pub(super) fn timestamp(micros: i64, settings: &Settings, out: &mut String) {
    if !put_infinity(micros, i64::MIN, i64::MAX, out) {
        moment(micros, None, settings, out);
    }
}

/// Appends a `timestamptz`, in the session's zone.
pub(super) fn timestamptz(micros: i64, settings: &Settings, out: &mut String) {
    if put_infinity(micros, i64::MIN, i64::MAX, out) {
        return;
    }
    if settings.date_style == DateStyle::Iso {
        let offset = settings.zone.offset_at(micros);
        moment(micros, Some((offset, None)), settings, out);
    } else {
        let (offset, name) = settings.zone.offset_and_abbreviation_at(micros);
        moment(micros, Some((offset, Some(name))), settings, out);
    }
}

/// Appends date and time, and a zone: its offset, and its name where the style prints that.
fn moment(micros: i64, zone: Option<(i32, Option<String>)>, settings: &Settings, out: &mut String) {
    let offset = zone.as_ref().map_or(0, |(offset, _)| *offset);
    let seconds = micros.div_euclid(MICROS_PER_SECOND) + i64::from(offset);
    let days = seconds.div_euclid(MICROS_PER_DAY / MICROS_PER_SECOND);
    let (year, month, day) = calendar::civil_from_days(days);
    let of_day = seconds.rem_euclid(MICROS_PER_DAY / MICROS_PER_SECOND) * MICROS_PER_SECOND;
    let civil = Civil {
        year,
        month,
        day,
        micros: of_day + micros.rem_euclid(MICROS_PER_SECOND),
    };
    match settings.date_style {
        DateStyle::Postgres => put_words(&civil, days, settings.date_order, out),
        _ => {
            put_date_part(&civil, settings, out);
            out.push(' ');
            time(civil.micros, out);
        }
    }
    match zone {
        Some((_, Some(name))) if settings.date_style != DateStyle::Iso => {
            out.push(' ');
            out.push_str(&name);
        }
        Some((offset, _)) => put_offset(offset, out),
        None => {}
    }
    put_era(year, out);
}

fn put_date_part(civil: &Civil, settings: &Settings, out: &mut String) {
    let Civil {
        year, month, day, ..
    } = *civil;
    let shown = if year > 0 { year } else { 1 - year };
    let day_first = settings.date_order == DateOrder::DayMonthYear;
    out.push_str(&match settings.date_style {
        DateStyle::Iso | DateStyle::Postgres => format!("{shown:04}-{month:02}-{day:02}"),
        DateStyle::Sql if day_first => format!("{day:02}/{month:02}/{shown:04}"),
        DateStyle::Sql => format!("{month:02}/{day:02}/{shown:04}"),
        DateStyle::German => format!("{day:02}.{month:02}.{shown:04}"),
    });
}

/// `Wed Dec 17 07:37:16 1997`.
fn put_words(civil: &Civil, days: i64, order: DateOrder, out: &mut String) {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let weekday = DAYS[calendar::weekday(days) as usize];
    let month = MONTHS[(civil.month - 1) as usize];
    let day = civil.day;
    out.push_str(&match order {
        DateOrder::DayMonthYear => format!("{weekday} {day:02} {month} "),
        DateOrder::MonthDayYear | DateOrder::YearMonthDay => format!("{weekday} {month} {day:02} "),
    });
    time(civil.micros, out);
    let shown = if civil.year > 0 {
        civil.year
    } else {
        1 - civil.year
    };
    out.push_str(&format!(" {shown:04}"));
}

fn put_infinity(value: i64, least: i64, greatest: i64, out: &mut String) -> bool {
    if value == greatest {
        out.push_str("infinity");
    } else if value == least {
        out.push_str("-infinity");
    }
    value == greatest || value == least
}

fn put_era(year: i32, out: &mut String) {
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// `+02`, `+05:30`, `-00:01:15`.
fn put_offset(offset: i32, out: &mut String) {
    let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
    out.push_str(&format!("{sign}{hours:02}"));
    if minutes != 0 || seconds != 0 {
        out.push_str(&format!(":{minutes:02}"));
    }
    if seconds != 0 {
        out.push_str(&format!(":{seconds:02}"));
    }
}

/// Seconds and what digits of the fraction there are.
pub(super) fn put_seconds(second: i64, micros: i64, padded: bool, out: &mut String) {
    if padded {
        out.push_str(&format!("{second:02}"));
    } else {
        out.push_str(&second.to_string());
    }
    if micros != 0 {
        let digits = format!("{micros:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}
