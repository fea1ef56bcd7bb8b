use super::*;
use crate::interval::Interval;
use crate::settings::{DateOrder, DateStyle, IntervalStyle};
use crate::types::Type;
use crate::zone::Zone;

fn settings(zone: &str) -> Settings {
    Settings {
        zone: Zone::named(zone).unwrap(),
        ..Settings::default()
    }
}

fn through(text: &str, of: &Type, settings: &Settings) -> String {
    match crate::io::parse(text, of, settings) {
        Ok(value) => crate::io::format(&value, of, settings),
        Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
    }
}

fn check(of: &Type, settings: &Settings, cases: &[(&str, &str)]) {
    for (text, printed) in cases {
        assert_eq!(through(text, of, settings), *printed, "{text}");
    }
}

#[test]
fn dates_are_read_in_many_forms() {
    check(
        &Type::DATE,
        &settings("UTC"),
        &[
            ("1999-01-08", "1999-01-08"),
            ("January 8, 1999", "1999-01-08"),
            ("1/8/1999", "1999-01-08"),
            ("1999-Jan-08", "1999-01-08"),
            ("08-Jan-99", "1999-01-08"),
            ("19990108", "1999-01-08"),
            ("990108", "1999-01-08"),
            ("1999.008", "1999-01-08"),
            ("J2451187", "1999-01-08"),
            ("January 8, 99 BC", "0099-01-08 BC"),
            ("epoch", "1970-01-01"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
            ("tomorrow", "2000-01-02"),
            ("5874897-12-31", "5874897-12-31"),
            (
                "1999-02-29",
                "22008: date/time field value out of range: \"1999-02-29\"",
            ),
            (
                "1999-13-01",
                "22008: date/time field value out of range: \"1999-13-01\"",
            ),
            (
                "5874898-01-01",
                "22008: date out of range: \"5874898-01-01\"",
            ),
            ("x", "22007: invalid input syntax for type date: \"x\""),
            ("", "22007: invalid input syntax for type date: \"\""),
        ],
    );
}

#[test]
fn timestamps_follow_the_zone() {
    let berlin = settings("Europe/Berlin");
    check(
        &Type::TIMESTAMPTZ,
        &berlin,
        &[
            ("2001-07-01 12:00", "2001-07-01 12:00:00+02"),
            ("2001-07-01 12:00 UTC", "2001-07-01 14:00:00+02"),
            (
                "2001-07-01 12:00:00.5 America/New_York",
                "2001-07-01 18:00:00.5+02",
            ),
            ("2001-07-01T12:00:00Z", "2001-07-01 14:00:00+02"),
            ("1800-01-01 00:00", "1800-01-01 00:00:00+00:53:28"),
            ("2021-03-28 02:30", "2021-03-28 03:30:00+02"),
            ("294276-12-31 23:59:59 UTC", "294277-01-01 00:59:59+01"),
            ("now", "2000-01-01 01:00:00+01"),
        ],
    );
    check(
        &Type::TIMESTAMP,
        &berlin,
        &[
            ("2001-07-01 12:00 UTC", "2001-07-01 12:00:00"),
            ("Wed Jul 4 04:05:06.789 PST 2001", "2001-07-04 04:05:06.789"),
            ("20010704T040506", "2001-07-04 04:05:06"),
            ("2001-07-04 12:30 AM", "2001-07-04 00:30:00"),
            ("0044-03-15 00:00 BC", "0044-03-15 00:00:00 BC"),
            (
                "294277-01-01",
                "22008: timestamp out of range: \"294277-01-01\"",
            ),
        ],
    );
}

#[test]
fn styles_print_differently() {
    let style = |date_style, date_order| Settings {
        date_style,
        date_order,
        ..settings("America/Los_Angeles")
    };
    let time = crate::io::parse(
        "1997-12-17 07:37:16-08",
        &Type::TIMESTAMPTZ,
        &settings("UTC"),
    )
    .unwrap();
    for (style, printed) in [
        (
            style(DateStyle::Iso, DateOrder::MonthDayYear),
            "1997-12-17 07:37:16-08",
        ),
        (
            style(DateStyle::Sql, DateOrder::MonthDayYear),
            "12/17/1997 07:37:16 PST",
        ),
        (
            style(DateStyle::Sql, DateOrder::DayMonthYear),
            "17/12/1997 07:37:16 PST",
        ),
        (
            style(DateStyle::German, DateOrder::DayMonthYear),
            "17.12.1997 07:37:16 PST",
        ),
        (
            style(DateStyle::Postgres, DateOrder::MonthDayYear),
            "Wed Dec 17 07:37:16 1997 PST",
        ),
    ] {
        assert_eq!(
            crate::io::format(&time, &Type::TIMESTAMPTZ, &style),
            printed
        );
    }
}

#[test]
fn times_round_to_their_precision() {
    check(
        &Type::TIME,
        &settings("UTC"),
        &[
            ("04:05:06.789", "04:05:06.789"),
            ("040506", "04:05:06"),
            ("4:05 PM", "16:05:00"),
            ("24:00", "24:00:00"),
            ("allballs", "00:00:00"),
            (
                "25:00",
                "22008: date/time field value out of range: \"25:00\"",
            ),
        ],
    );
    let tenths = Type::TIME.with_modifier(Modifier(1));
    check(&tenths, &settings("UTC"), &[("04:05:06.75", "04:05:06.8")]);
}

#[test]
fn intervals_have_four_styles() {
    check(
        &Type::INTERVAL,
        &settings("UTC"),
        &[
            (
                "1 year 2 months 3 days 4 hours 5 minutes 6 seconds",
                "1 year 2 mons 3 days 04:05:06",
            ),
            ("1-2", "1 year 2 mons"),
            ("3 4:05:06", "3 days 04:05:06"),
            ("-1 day +02:03", "-1 days +02:03:00"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("1.5 months", "1 mon 15 days"),
            ("1 day ago", "-1 days"),
            ("0.0000005 seconds", "00:00:00"),
            (
                "1 fortnight",
                "22007: invalid input syntax for type interval: \"1 fortnight\"",
            ),
            ("", "22007: invalid input syntax for type interval: \"\""),
        ],
    );
    let interval = Interval::new(14, 3, 14_706_000_000);
    let print = |interval_style| {
        let style = Settings {
            interval_style,
            ..Settings::default()
        };
        crate::io::format(&Value::Interval(interval), &Type::INTERVAL, &style)
    };
    assert_eq!(
        print(IntervalStyle::Postgres),
        "1 year 2 mons 3 days 04:05:06"
    );
    assert_eq!(
        print(IntervalStyle::PostgresVerbose),
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs"
    );
    assert_eq!(print(IntervalStyle::SqlStandard), "+1-2 +3 +4:05:06");
    assert_eq!(print(IntervalStyle::Iso8601), "P1Y2M3DT4H5M6S");
}

#[test]
fn months_end_where_they_end() {
    let time =
        |text: &str| match crate::io::parse(text, &Type::TIMESTAMP, &settings("UTC")).unwrap() {
            Value::Timestamp(micros) => micros,
            other => panic!("{other:?}"),
        };
    let sum = timestamp_add(time("2020-01-31"), &Interval::new(1, 0, 0)).unwrap();
    assert_eq!(sum, time("2020-02-29"));
    let difference = timestamp_difference(time("2020-03-01"), time("2020-02-28 12:00")).unwrap();
    assert!(difference.is_same(&Interval::new(0, 1, 12 * 3_600_000_000)));
    assert!(timestamp_add(time("294276-12-31"), &Interval::new(0, 1, 0)).is_err());
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let noon = timestamp_to_timestamptz(time("2021-03-27 12:00"), &berlin).unwrap();
    let next = timestamptz_add(noon, &Interval::new(0, 1, 0), &berlin).unwrap();
    assert_eq!(next - noon, 23 * 3_600_000_000);
    let third = Interval::new(1, 0, 0).checked_divide(7.0).unwrap();
    assert!(
        third.is_same(&Interval::new(0, 4, 24_685_689_600)),
        "{third:?}"
    );
}

proptest::proptest! {
    #[test]
    fn text_round_trips(days in DATE_MIN..DATE_END, micros in TIMESTAMP_MIN..TIMESTAMP_END, months: i32, span: i32, rest: i64) {
        for zone in ["UTC", "Europe/Berlin", "Asia/Kolkata"] {
            let settings = settings(zone);
            for value in [
                Value::Date(days), Value::Timestamp(micros), Value::Timestamptz(micros),
                Value::Interval(Interval::new(months, span, rest)),
            ] {
                let of = crate::io::evident_type(&value);
                let text = crate::io::format(&value, &of, &settings);
                let back = crate::io::parse(&text, &of, &settings).unwrap();
                let same = match (&back, &value) {
                    (Value::Interval(back), Value::Interval(value)) => back.is_same(value),
                    // An hour that is shown twice has lost which one it was.
                    (Value::Timestamptz(back), Value::Timestamptz(value)) => (back - value).abs() <= 3_600_000_000,
                    _ => back == value,
                };
                proptest::prop_assert!(same, "{text} {back:?} {value:?}");
            }
        }
    }

    #[test]
    fn reading_garbage_does_not_panic(text in "[0-9a-zA-Z:.+/ -]{0,20}", any in ".{0,12}") {
        for of in [Type::DATE, Type::TIME, Type::TIMESTAMP, Type::TIMESTAMPTZ, Type::INTERVAL] {
            let _ = crate::io::parse(&text, &of, &Settings::default());
            let _ = crate::io::parse(&any, &of, &Settings::default());
        }
    }
}
