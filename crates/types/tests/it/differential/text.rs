//! Text read and printed, by type.

use proptest::test_runner::TestRunner;
use rustdb_types::{Modifier, Settings, Type, Zone, format, parse};

use super::{Case, described, quoted, samples};

const NUMBER: &str =
    "[ ]{0,1}[+-]{0,1}[0-9]{0,6}(\\.[0-9]{0,5}){0,1}([eE][+-]{0,1}[0-9]{1,3}){0,1}[ x]{0,1}";
const DATE: &str = "([0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}|[0-9]{4}-[01][0-9]-[0-3][0-9]|[0-9]{1,2}[- ](jan|Feb|MAR|sept|december)[- ][0-9]{1,4}|(Jan|May|Dec) [0-9]{1,2}, [0-9]{2,4}|[0-9]{5,8}|J[0-9]{1,7}|[0-9]{4}\\.[0-9]{3}|y[0-9]{4}m[0-9]{2}d[0-9]{2})( BC| AD){0,1}";
const CLOCK: &str = "([0-2]{0,1}[0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,7}){0,1}){0,1}|[0-9]{4}|[0-9]{6}(\\.[0-9]{1,3}){0,1}|allballs)( am| PM|AM){0,1}";
const ZONE: &str = "( {0,1}[+-][0-9]{1,2}(:[0-5][0-9]){0,1}(:[0-5][0-9]){0,1}| {0,1}[+-][0-9]{4}|Z| UTC| EST| pdt| America/New_York| Asia/Kolkata| MET DST| foo| Foo/Bar){0,1}";
const AMOUNT: &str = "[+-]{0,1}[0-9]{1,4}(\\.[0-9]{0,3}){0,1}";
const UNIT: &str = "(y|yr|years|mon|months|w|weeks|d|day|days|h|hr|hours|min|m|sec|s|ms|us|microseconds|decade|century|millennium|foo)";
const ARRAY: &str =
    "([\\[]{0,1}([0-9]:[0-9]\\]=){0,1}){0,1}[{ ]{1,2}([0-9a,{}\" ]|NULL|\\\\){0,10}\\}{1,2}";
const JSON: &str = "([\\[{]{0,1}(\"[a-c]{0,2}\"|[0-9.e-]{1,3}|true|null|[:,{}\\[\\] ]|\\\\u00e9|\\\\n){1,7}[\\]}]{0,1})";

/// Patterns of text, the types that read it, and how many of them.
type Area = (String, Vec<Type>, usize);

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let areas = numbers().into_iter().chain(times()).chain(others());
    let mut cases: Vec<Case> = areas
        .flat_map(|area| area_cases(&area, 1, &mut runner, settings))
        .collect();
    let floats = samples(&mut runner, &proptest::num::f64::ANY, 3000);
    for number in floats.into_iter().filter(|number| number.is_finite()) {
        let small = number as f32;
        let mixed = f32::from_bits(small.to_bits() ^ (number.to_bits() as u32));
        let texts = [
            (format!("{number:e}"), Type::FLOAT8),
            (format!("{mixed:e}"), Type::FLOAT4),
        ];
        for (text, of) in texts {
            cases.push(Case {
                sql: format!("'{text}'::{}", of.name()),
                ours: through(&text, &of, settings),
            });
        }
    }
    cases
}

/// Texts of an area, as each of its types reads and prints them; one of `every` is taken.
fn area_cases(
    area: &Area,
    every: usize,
    runner: &mut TestRunner,
    settings: &Settings,
) -> Vec<Case> {
    let (pattern, types, count) = area;
    let strategy = proptest::string::string_regex(pattern).unwrap();
    let mut cases = Vec::new();
    for text in samples(runner, &strategy, count / every) {
        for of in types {
            cases.push(Case {
                sql: format!("{}::{}", quoted(&text), of.full_name()),
                ours: through(&text, of, settings),
            });
        }
    }
    cases
}

/// Dates, times and intervals, floats and bytes: what the settings of a session are for.
pub(super) fn time_cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut areas = times();
    let floats = "-{0,1}[0-9]{1,6}(\\.[0-9]{1,9}){0,1}(e-{0,1}[0-9]{1,2}){0,1}".to_owned();
    areas.push((floats, vec![Type::FLOAT4, Type::FLOAT8], 300));
    areas.push((
        "[\\\\]x([0-9a-f]{2}){0,6}".to_owned(),
        vec![Type::BYTEA],
        200,
    ));
    areas
        .iter()
        .flat_map(|area| area_cases(area, 4, &mut runner, settings))
        .collect()
}

/// Sessions that differ in all that text depends on.
pub(super) fn sessions() -> Vec<(String, Settings)> {
    use rustdb_types::{ByteaOutput, DateOrder, DateStyle, IntervalStyle};
    let styles = [
        (
            "Postgres, MDY",
            DateStyle::Postgres,
            DateOrder::MonthDayYear,
        ),
        (
            "Postgres, DMY",
            DateStyle::Postgres,
            DateOrder::DayMonthYear,
        ),
        ("SQL, DMY", DateStyle::Sql, DateOrder::DayMonthYear),
        ("SQL, MDY", DateStyle::Sql, DateOrder::MonthDayYear),
        ("German, DMY", DateStyle::German, DateOrder::DayMonthYear),
        ("ISO, YMD", DateStyle::Iso, DateOrder::YearMonthDay),
    ];
    let intervals = [
        ("postgres_verbose", IntervalStyle::PostgresVerbose),
        ("sql_standard", IntervalStyle::SqlStandard),
        ("iso_8601", IntervalStyle::Iso8601),
    ];
    let zones = [
        "America/New_York",
        "Asia/Kolkata",
        "UTC",
        "Australia/Lord_Howe",
    ];
    let session = |(index, (name, date_style, date_order)): (
        usize,
        &(&str, DateStyle, DateOrder),
    )| {
        let (interval, interval_style) = intervals[index % intervals.len()];
        let zone = zones[index % zones.len()];
        let digits = [0, -3, 3][index % 3];
        let text = format!(
            "set timezone = '{zone}'; set datestyle = '{name}'; set intervalstyle = '{interval}'; \
             set bytea_output = 'escape'; set extra_float_digits = {digits}"
        );
        let settings = Settings {
            zone: Zone::named(zone).unwrap(),
            date_style: *date_style,
            date_order: *date_order,
            interval_style,
            bytea_output: ByteaOutput::Escape,
            extra_float_digits: digits,
            ..Settings::default()
        };
        (text, settings)
    };
    styles.iter().enumerate().map(session).collect()
}

fn numbers() -> Vec<Area> {
    let numeric = |precision, scale| {
        Type::NUMERIC.with_modifier(Modifier::numeric(precision, scale).unwrap())
    };
    vec![
        (
            NUMBER.to_owned(),
            vec![
                Type::INT2,
                Type::INT4,
                Type::INT8,
                Type::OID,
                Type::FLOAT4,
                Type::FLOAT8,
                Type::NUMERIC,
                numeric(5, 2),
                numeric(3, -2),
                numeric(2, 4),
            ],
            400,
        ),
        (
            "[0-9]{1,40}(\\.[0-9]{0,40}){0,1}".to_owned(),
            vec![Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC],
            300,
        ),
        (
            "[0-9]\\.[0-9]{1,17}e-{0,1}[0-9]{1,3}".to_owned(),
            vec![Type::FLOAT4, Type::FLOAT8],
            600,
        ),
        (
            "-{0,1}0x[0-9a-f]{0,16}(\\.[0-9a-f]{0,3}){0,1}(p-{0,1}[0-9]{0,4}){0,1}".to_owned(),
            vec![Type::FLOAT4, Type::FLOAT8],
            300,
        ),
        (
            "-{0,1}(nan|NaN|inf|Infinity)[x ]{0,1}".to_owned(),
            vec![Type::FLOAT4, Type::FLOAT8, Type::NUMERIC],
            40,
        ),
        (
            "-{0,1}[0-9]{1,12}[ x]{0,1}".to_owned(),
            vec![Type::OID, Type::INT4, Type::INT2],
            300,
        ),
    ]
}

fn times() -> Vec<Area> {
    let stamp = format!("{DATE}[ T]({CLOCK}){{0,1}}{ZONE}");
    let time = format!("({DATE} ){{0,1}}T{{0,1}}{CLOCK}{ZONE}");
    let interval = format!(
        "({AMOUNT} {{0,1}}{UNIT} {{0,1}}){{0,4}}([+-]{{0,1}}[0-9]{{1,3}}:[0-9]{{1,2}}(:[0-9]{{2}}(\\.[0-9]{{1,7}}){{0,1}}){{0,1}}){{0,1}}( ago){{0,1}}|[+-]{{0,1}}[0-9]{{1,4}}-[0-9]{{1,2}}( {AMOUNT}){{0,1}}|P({AMOUNT}[YMWD]){{0,4}}(T({AMOUNT}[HMS]){{0,3}}){{0,1}}|P[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}){{0,1}}"
    );
    let digits = |digits| Type::INTERVAL.with_modifier(Modifier::interval(None, Some(digits)));
    vec![
        (DATE.to_owned(), vec![Type::DATE], 1500),
        (
            time,
            vec![Type::TIME, Type::TIME.with_modifier(Modifier(2))],
            700,
        ),
        (
            stamp,
            vec![
                Type::TIMESTAMP,
                Type::TIMESTAMPTZ,
                Type::TIMESTAMPTZ.with_modifier(Modifier(1)),
                Type::DATE,
            ],
            1200,
        ),
        (interval, vec![Type::INTERVAL, digits(2)], 1500),
    ]
}

fn others() -> Vec<Area> {
    vec![
        (
            "(t|f|tr|on|of|off|yes|no|1|0|TRUE|n|o| true |x){1,1}".to_owned(),
            vec![Type::BOOL],
            40,
        ),
        (
            ARRAY.to_owned(),
            vec![Type::INT4.array_of(), Type::TEXT.array_of()],
            800,
        ),
        (JSON.to_owned(), vec![Type::JSON, Type::JSONB], 1200),
        (
            "(\\\\x){0,1}[0-9a-fA-F\\\\ ]{0,8}".to_owned(),
            vec![Type::BYTEA],
            300,
        ),
        (
            "[{]{0,1}([0-9a-f]{4}-{0,1}){7,8}[}]{0,1}".to_owned(),
            vec![Type::UUID],
            200,
        ),
    ]
}

/// Reads and prints, as `'text'::type` does.
fn through(text: &str, of: &Type, settings: &Settings) -> String {
    match parse(text, of, settings) {
        Ok(value) => format(&value, of, settings),
        Err(error) => described(&error),
    }
}
