//! Values of each type, as text that both sides read.

use proptest::test_runner::TestRunner;
use rustdb_types::{Base, Settings, Type, Value, parse};

use super::samples;

/// Scalar types whose values PostgreSQL has too.
pub(super) fn types() -> Vec<Type> {
    let ours_alone = |base: &Base| {
        matches!(
            base,
            Base::Vector | Base::Unknown | Base::Record | Base::Void
        )
    };
    Base::ALL
        .into_iter()
        .filter(|base| !ours_alone(base))
        .map(Type::of)
        .collect()
}

/// A value both as text and as we read it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) text: String,
    pub(super) value: Value,
}

/// Values of a type; the first few are at its ends, the others are drawn.
pub(super) fn values(
    of: &Type,
    count: usize,
    runner: &mut TestRunner,
    settings: &Settings,
) -> Vec<Sample> {
    let (ends, pattern) = texts(of);
    let mut texts: Vec<String> = ends.iter().map(|text| (*text).to_owned()).collect();
    let strategy = proptest::string::string_regex(pattern).unwrap();
    texts.extend(samples(runner, &strategy, count));
    let read = |text: String| {
        let value = parse(&text, of, settings).ok()?;
        Some(Sample { text, value })
    };
    texts.into_iter().filter_map(read).collect()
}

/// Remarkable values of a type, and a pattern of others.
fn texts(of: &Type) -> (&'static [&'static str], &'static str) {
    let Some(base) = of.base() else {
        return match of.element_type().and_then(|element| element.base()) {
            Some(Base::Text | Base::Varchar | Base::Bpchar | Base::Name) => (
                &["{}", "{NULL}", "{\"a b\",\"\",\"NULL\"}", "{{a,b},{c,d}}"],
                "\\{([ab]{1,2}|NULL)(,([ab]{1,2}|\"[ ,]\")){0,3}\\}",
            ),
            _ => (
                &[
                    "{}",
                    "{NULL}",
                    "{1}",
                    "{1,2}",
                    "{1,NULL}",
                    "{{1,2},{3,4}}",
                    "[0:1]={1,2}",
                ],
                "\\{-{0,1}[0-9]{1,2}(,[0-9]{1,3}){0,3}\\}",
            ),
        };
    };
    let row = TEXTS
        .iter()
        .find(|(bases, ..)| bases.contains(&base))
        .unwrap();
    (row.1, row.2)
}

/// For each type: remarkable values, and a pattern of others.
type Row = (&'static [Base], &'static [&'static str], &'static str);

const TEXTS: &[Row] = &[
    (&[Base::Bool], &["t", "f"], "t|f"),
    (
        &[Base::Int2],
        &["-32768", "32767", "0", "1", "-1", "2"],
        "-{0,1}[0-9]{1,4}",
    ),
    (
        &[Base::Int4],
        &[
            "-2147483648",
            "2147483647",
            "0",
            "1",
            "-1",
            "2",
            "32768",
            "65",
            "127",
            "31",
        ],
        "-{0,1}[0-9]{1,9}",
    ),
    (
        &[Base::Int8],
        &[
            "-9223372036854775808",
            "9223372036854775807",
            "0",
            "1",
            "-1",
            "2147483648",
            "4294967295",
            "-2147483649",
            "63",
        ],
        "-{0,1}[0-9]{1,18}",
    ),
    (
        &[Base::Oid],
        &["0", "1", "4294967295", "2147483648"],
        "[0-9]{1,9}",
    ),
    (
        &[Base::Float4],
        &[
            "0",
            "-0",
            "1",
            "-1",
            "2.5",
            "0.5",
            "NaN",
            "Infinity",
            "-Infinity",
            "3.4e38",
            "1e-40",
            "32767.4",
            "-32768.5",
            "2147483520",
            "16777217",
        ],
        "-{0,1}[0-9]{1,5}(\\.[0-9]{1,4}){0,1}(e-{0,1}[0-9]{1,2}){0,1}",
    ),
    (
        &[Base::Float8],
        &[
            "0",
            "-0",
            "1",
            "-1",
            "2.5",
            "3.5",
            "0.5",
            "NaN",
            "Infinity",
            "-Infinity",
            "1e308",
            "1e-310",
            "32767.5",
            "2147483647.5",
            "9223372036854775807",
            "-9223372036854775808",
            "1e39",
            "1e-50",
        ],
        "-{0,1}[0-9]{1,9}(\\.[0-9]{1,6}){0,1}(e-{0,1}[0-9]{1,3}){0,1}",
    ),
    (
        &[Base::Numeric],
        &[
            "0",
            "0.00",
            "1",
            "-1",
            "2.5",
            "-2.5",
            "NaN",
            "Infinity",
            "-Infinity",
            "32767.5",
            "2147483647.5",
            "9223372036854775807.5",
            "1e40",
            "1e400",
            "1e-400",
            "0.000000000000000000001",
        ],
        "-{0,1}[0-9]{1,20}(\\.[0-9]{1,8}){0,1}",
    ),
    (
        &[Base::Text, Base::Varchar, Base::Unknown],
        &[
            "",
            " ",
            "a",
            "t",
            "12",
            " 12 ",
            "12.5",
            "abc  ",
            "2020-01-02",
            "é",
            "[1]",
            "{1,2}",
            "\\x41",
        ],
        "[ab%_ ]{0,5}|-{0,1}[0-9]{1,6}",
    ),
    (
        &[Base::Bpchar],
        &["", " ", "a", "a  ", "12", "t", "é  "],
        "[ab ]{0,5}|[0-9]{1,4}",
    ),
    (&[Base::Name], &["", "a", "12", "é"], "[ab]{0,5}|[0-9]{1,4}"),
    (&[Base::Char], &["", "a", "1", " "], "[a-z0-9]"),
    (
        &[Base::Bytea],
        &["\\x", "\\x00", "\\xff00", "\\x6162"],
        "[\\\\]x([0-9a-f]{2}){0,6}",
    ),
    (
        &[Base::Date],
        &[
            "infinity",
            "-infinity",
            "epoch",
            "4714-11-24 BC",
            "5874897-12-31",
            "294276-12-31",
            "294277-01-01",
            "2000-02-29",
            "1999-12-31",
            "2021-03-28",
            "2021-10-31",
        ],
        "(1[0-9]{3}|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
    ),
    (
        &[Base::Time],
        &["00:00", "24:00", "23:59:59.999999", "12:34:56.5"],
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6}){0,1}",
    ),
    (
        &[Base::Timestamp, Base::Timestamptz],
        &[
            "infinity",
            "-infinity",
            "epoch",
            "4714-11-24 00:00 BC",
            "294276-12-31 23:59:59.999999",
            "2021-03-28 02:30",
            "2021-10-31 02:30",
            "2000-01-31",
            "1999-12-31 23:59:59.999999",
        ],
        "(1[0-9]{3}|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6}){0,1}",
    ),
    (
        &[Base::Interval],
        &[
            "0",
            "1 mon",
            "30 days",
            "-1 day 24:00",
            "178956970 years",
            "1 day -00:00:00.000001",
            "-2147483648 months",
            "2147483647 days",
            "2562047788:00:54.775807",
            "24:00",
            "-3 days -12:00",
        ],
        "(-{0,1}[0-9]{1,3} mons ){0,1}(-{0,1}[0-9]{1,3} days ){0,1}(-{0,1}[0-9]{1,3}:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6}){0,1}){1}",
    ),
    (
        &[Base::Uuid],
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ],
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    ),
    (
        &[Base::Json, Base::Jsonb],
        &[
            "null",
            "true",
            "1",
            "1.50",
            "\"a\"",
            "[]",
            "{}",
            "[1,\"a\"]",
            "{\"a\":1,\"b\":[2]}",
            "1e400",
            "-7.5",
        ],
        "-{0,1}[1-9][0-9]{0,4}(\\.[0-9]{1,3}){0,1}|\\[(1|2|\"a\"|null)(,(1|\"b\"|true)){0,2}\\]|\\{\"a\":(1|\"b\"|\\[1\\])(,\"b\":(2|null)){0,1}\\}",
    ),
];
