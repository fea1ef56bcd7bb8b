//! Tables and their rows.

use super::random::Random;

/// The types of columns and expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Numeric,
    Float8,
    Text,
    Varchar,
    Char,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Jsonb,
    Ints,
    Texts,
}

impl Kind {
    pub(crate) const ALL: [Kind; 19] = [
        Kind::Bool,
        Kind::Int2,
        Kind::Int4,
        Kind::Int8,
        Kind::Numeric,
        Kind::Float8,
        Kind::Text,
        Kind::Varchar,
        Kind::Char,
        Kind::Bytea,
        Kind::Date,
        Kind::Time,
        Kind::Timestamp,
        Kind::Timestamptz,
        Kind::Interval,
        Kind::Uuid,
        Kind::Jsonb,
        Kind::Ints,
        Kind::Texts,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int2 => "int2",
            Kind::Int4 => "int4",
            Kind::Int8 => "int8",
            Kind::Numeric => "numeric",
            Kind::Float8 => "float8",
            Kind::Text => "text",
            Kind::Varchar => "varchar(8)",
            Kind::Char => "char(4)",
            Kind::Bytea => "bytea",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Timestamp => "timestamp",
            Kind::Timestamptz => "timestamptz",
            Kind::Interval => "interval",
            Kind::Uuid => "uuid",
            Kind::Jsonb => "jsonb",
            Kind::Ints => "int4[]",
            Kind::Texts => "text[]",
        }
    }

    /// Some types are met more often.
    pub(crate) fn any(random: &mut Random) -> Kind {
        match random.percent(60) {
            true => *random.pick(&[
                &Kind::Bool,
                &Kind::Int4,
                &Kind::Int4,
                &Kind::Int8,
                &Kind::Numeric,
                &Kind::Text,
                &Kind::Text,
            ]),
            false => Kind::ALL[random.below(Kind::ALL.len())],
        }
    }
}

pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, Kind)>,
}

/// A value as text of SQL, of a small range, so that values meet again.
pub(crate) fn literal(random: &mut Random, kind: Kind) -> String {
    let number = random.within(-3, 6);
    match kind {
        Kind::Bool => random.pick(&["true", "false"]).to_owned(),
        Kind::Int2 | Kind::Int4 | Kind::Int8 => match number < 0 {
            true => format!("({number})::{}", kind.name()),
            false => format!("{number}::{}", kind.name()),
        },
        Kind::Uuid => format!(
            "'0000000{}-0000-0000-0000-000000000000'::uuid",
            random.below(5)
        ),
        _ => format!("'{}'::{}", random.pick(words(kind)), kind.name()),
    }
}

fn words(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool | Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Uuid => &[],
        Kind::Numeric => &["0", "1.50", "2.5", "-1.25", "3", "10", "0.001", "100.0"],
        Kind::Float8 => &["0", "1.5", "-2", "0.25", "3", "NaN", "Infinity", "1e10"],
        Kind::Text | Kind::Varchar => &[
            "", "a", "b", "ab", "abc", "B", "zz top", "é", "%", "_a", "12",
        ],
        Kind::Char => &["", "a", "a ", "ab", "b c"],
        Kind::Bytea => &["\\x", "\\x00", "\\x01ff", "\\xff", "\\x6162"],
        Kind::Date => &[
            "2024-02-29",
            "2023-12-31",
            "2000-01-01",
            "1999-11-05",
            "infinity",
        ],
        Kind::Time => &["00:00", "12:30:15.5", "23:59:59"],
        Kind::Timestamp | Kind::Timestamptz => &[
            "2024-02-29 12:00",
            "2023-12-31 23:59:59.999",
            "2000-01-01",
            "1969-07-20",
        ],
        Kind::Interval => &[
            "1 day",
            "2 hours",
            "1 mon -3 days",
            "-00:30",
            "1 year",
            "24:00",
        ],
        Kind::Jsonb => &[
            "1",
            "null",
            "[]",
            "{}",
            "[1, 2]",
            r#"{"a": 1}"#,
            r#"{"a": [1], "b": "x"}"#,
        ],
        Kind::Ints => &["{}", "{1}", "{1,2,3}", "{NULL,2}", "{3,1}"],
        Kind::Texts => &["{}", "{a}", "{a,b}", "{NULL}", "{b,\"\"}"],
    }
}

pub(crate) fn value(random: &mut Random, kind: Kind) -> String {
    match random.percent(20) {
        true => "NULL".to_owned(),
        false => literal(random, kind),
    }
}

/// Tables, and the statements that make them and fill them.
pub(crate) fn tables(random: &mut Random) -> (Vec<Table>, Vec<String>) {
    let (mut tables, mut statements) = (Vec::new(), Vec::new());
    for number in 0..random.within(2, 4) {
        let table = table(random, number, &mut statements);
        let rows = match random.percent(10) {
            true => 0,
            false => random.within(1, 14),
        };
        for row in 0..rows {
            let mut values = vec![row.to_string()];
            let others = table.columns.iter().skip(1);
            values.extend(others.map(|(_, kind)| value(random, *kind)));
            let values = values.join(", ");
            statements.push(format!("insert into {} values ({values})", table.name));
        }
        tables.push(table);
    }
    (tables, statements)
}

fn table(random: &mut Random, number: i64, statements: &mut Vec<String>) -> Table {
    let name = format!("t{number}");
    let mut columns = vec![("id".to_owned(), Kind::Int4)];
    for letter in 0..random.within(2, 6) {
        let letter = char::from(b'a' + letter as u8);
        columns.push((letter.to_string(), Kind::any(random)));
    }
    let definitions = columns.iter().map(|(name, kind)| {
        let key = if name == "id" { " primary key" } else { "" };
        format!("{name} {}{key}", kind.name())
    });
    let definitions = definitions.collect::<Vec<_>>().join(", ");
    statements.push(format!("create table {name} ({definitions})"));
    for (column, kind) in &columns[1..] {
        // A hash of these has no order.
        let is_plain = !matches!(kind, Kind::Jsonb | Kind::Ints | Kind::Texts);
        if is_plain && random.percent(30) {
            let order = random.pick(&["", " desc", " nulls first", " desc nulls last"]);
            let more = match random.percent(40) {
                true => ", id",
                false => "",
            };
            statements.push(format!("create index on {name} ({column}{order}{more})"));
        }
    }
    Table { name, columns }
}
