//! Text read and printed, by type.

use proptest::test_runner::TestRunner;
use rustdb_types::{Modifier, Settings, Type, format, parse};

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
    let mut cases = Vec::new();
    for (pattern, types, count) in numbers().into_iter().chain(times()).chain(others()) {
        let strategy = proptest::string::string_regex(&pattern).unwrap();
        for text in samples(&mut runner, &strategy, count) {
            for of in &types {
                cases.push(Case {
                    sql: format!("{}::{}", quoted(&text), of.full_name()),
                    ours: through(&text, of, settings),
                });
            }
        }
    }
    let floats = samples(&mut runner, &proptest::num::f64::ANY, 3000);
    for number in floats.into_iter().filter(|number| number.is_finite()) {
        let small = number as f32;
        let mixed = f32::from_bits(small.to_bits() ^ (number.to_bits() as u32));
        for (text, of) in [
            (format!("{number:e}"), Type::FLOAT8),
            (format!("{mixed:e}"), Type::FLOAT4),
        ] {
            cases.push(Case {
                sql: format!("'{text}'::{}", of.name()),
                ours: through(&text, &of, settings),
            });
        }
    }
    cases
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
