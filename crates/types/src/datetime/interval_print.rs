//! Intervals printed in the four styles of `IntervalStyle`.

use super::calendar::split_time;
use super::print::put_seconds;
use crate::interval::Interval;
use crate::settings::IntervalStyle;

/// The parts of an interval, each with the sign of its kind.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

/// Appends an interval.
pub(super) fn format_into(interval: &Interval, style: IntervalStyle, out: &mut String) {
    let (hour, minute, second, micros) = split_time(interval.micros);
    let parts = Parts {
        year: i64::from(interval.months / 12),
        month: i64::from(interval.months % 12),
        day: i64::from(interval.days),
        hour,
        minute,
        second,
        micros,
    };
    match style {
        IntervalStyle::Postgres => parts.postgres(out),
        IntervalStyle::PostgresVerbose => parts.verbose(out),
        IntervalStyle::SqlStandard => parts.sql_standard(out),
        IntervalStyle::Iso8601 => parts.iso8601(out),
    }
}

impl Parts {
    fn time_is_negative(&self) -> bool {
        [self.hour, self.minute, self.second, self.micros]
            .iter()
            .any(|part| *part < 0)
    }

    fn has_time(&self) -> bool {
        [self.hour, self.minute, self.second, self.micros]
            .iter()
            .any(|part| *part != 0)
    }

    fn put_clock(&self, out: &mut String, hour_width: usize) {
        let (hour, minute) = (self.hour.abs(), self.minute.abs());
        out.push_str(&format!("{hour:0hour_width$}:{minute:02}:"));
        put_seconds(self.second.abs(), self.micros.abs(), true, out);
    }

    fn postgres(&self, out: &mut String) {
        let mut empty = true;
        let mut after_negative = false;
        for (value, unit) in [(self.year, "year"), (self.month, "mon"), (self.day, "day")] {
            if value == 0 {
                continue;
            }
            let blank = if empty { "" } else { " " };
            let sign = if after_negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            out.push_str(&format!("{blank}{sign}{value} {unit}{plural}"));
            after_negative = value < 0;
            empty = false;
        }
        if empty || self.has_time() {
            out.push_str(if empty { "" } else { " " });
            out.push_str(match (self.time_is_negative(), after_negative) {
                (true, _) => "-",
                (false, true) => "+",
                (false, false) => "",
            });
            self.put_clock(out, 2);
        }
    }

    fn verbose(&self, out: &mut String) {
        out.push('@');
        let mut empty = true;
        let mut ago = false;
        let parts = [
            (self.year, "year"),
            (self.month, "mon"),
            (self.day, "day"),
            (self.hour, "hour"),
            (self.minute, "min"),
        ];
        for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
            if empty {
                ago = value < 0;
            }
            empty = false;
            let shown = if ago { -value } else { value };
            let plural = if shown == 1 { "" } else { "s" };
            out.push_str(&format!(" {shown} {unit}{plural}"));
        }
        if self.second != 0 || self.micros != 0 {
            out.push(' ');
            if self.second < 0 || self.micros < 0 {
                if empty {
                    ago = true;
                } else if !ago {
                    out.push('-');
                }
            } else if ago {
                out.push('-');
            }
            put_seconds(self.second.abs(), self.micros.abs(), false, out);
            let plural = if self.second.abs() != 1 || self.micros != 0 {
                "s"
            } else {
                ""
            };
            out.push_str(&format!(" sec{plural}"));
            empty = false;
        }
        out.push_str(if empty { " 0" } else { "" });
        out.push_str(if ago { " ago" } else { "" });
    }

    fn sql_standard(&self, out: &mut String) {
        let all = [
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.micros,
        ];
        let negative = all.iter().any(|part| *part < 0);
        let positive = all.iter().any(|part| *part > 0);
        let year_month = self.year != 0 || self.month != 0;
        let day_time = self.day != 0 || self.has_time();
        let (year, month, day) = (self.year.abs(), self.month.abs(), self.day.abs());
        if !negative && !positive {
            out.push('0');
        } else if (negative && positive) || (year_month && day_time) {
            let sign = |negative: bool| if negative { '-' } else { '+' };
            let first = sign(self.year < 0 || self.month < 0);
            let second = sign(self.day < 0);
            let third = sign(self.time_is_negative());
            out.push_str(&format!("{first}{year}-{month} {second}{day} {third}"));
            self.put_clock(out, 1);
        } else {
            out.push_str(if negative { "-" } else { "" });
            if year_month {
                out.push_str(&format!("{year}-{month}"));
            } else {
                if day != 0 {
                    out.push_str(&format!("{day} "));
                }
                self.put_clock(out, 1);
            }
        }
    }

    fn iso8601(&self, out: &mut String) {
        out.push('P');
        let dates = [(self.year, 'Y'), (self.month, 'M'), (self.day, 'D')];
        let times = [(self.hour, 'H'), (self.minute, 'M')];
        let put = |parts: &[(i64, char)], out: &mut String| {
            for (value, unit) in parts.iter().filter(|(value, _)| *value != 0) {
                out.push_str(&format!("{value}{unit}"));
            }
        };
        put(&dates, out);
        let empty = dates.iter().all(|(value, _)| *value == 0) && !self.has_time();
        if empty {
            out.push_str("T0S");
        }
        if self.has_time() {
            out.push('T');
            put(&times, out);
            if self.second != 0 || self.micros != 0 {
                out.push_str(if self.second < 0 || self.micros < 0 {
                    "-"
                } else {
                    ""
                });
                put_seconds(self.second.abs(), self.micros.abs(), false, out);
                out.push('S');
            }
        }
    }
}
