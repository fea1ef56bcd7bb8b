//! Operators: the table against `pg_operator`, and what each gives.

use proptest::test_runner::TestRunner;
use rustdb_types::{Base, Oid, Operator, Parameter, Settings, Type, Value, format, operators};

use super::values::{Sample, types, values};
use super::{Case, described, quoted};
use crate::server::Server;

/// Pairs of operands for each operator, or single ones before which it stands.
const PAIRS: usize = 40;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    let vector = |parameter: &Parameter| parameter.oid() == Oid::VECTOR;
    for operator in operators().filter(|operator| !vector(&operator.right)) {
        for (left, right) in instances(operator) {
            let of = |of: &Type, runner: &mut TestRunner| {
                let mut samples = values(of, 30, runner, settings);
                samples.extend(special(operator.name, of, settings));
                samples
            };
            let rights = of(&right, &mut runner);
            match left {
                None => cases.extend(
                    rights
                        .iter()
                        .map(|value| prefixed(operator, &right, value, settings)),
                ),
                Some(left) => {
                    let lefts = of(&left, &mut runner);
                    let pairs = pairs(&lefts, &rights);
                    cases.extend(
                        pairs
                            .iter()
                            .map(|(l, r)| infixed(operator, (&left, l), (&right, r), settings)),
                    );
                }
            }
        }
    }
    cases
}

/// Values that matter to an operator only.
fn special(name: &str, of: &Type, settings: &Settings) -> Vec<Sample> {
    let texts: &[&str] = match (name, of.base()) {
        ("~~" | "!~~" | "~~*" | "!~~*", Some(Base::Text)) => &[
            "%", "_", "a%", "%b", "%a%b%", "a_", "\\%", "a\\", "%\\", "A%", "\\", "_%_", "%%", "ab",
        ],
        ("~" | "!~" | "~*" | "!~*", Some(Base::Text)) => &[
            "a", "^a", "b$", "a.*b", "[^a]", "A|B", "(a)\\1", "^(a|b)+$", "\\w", "*", "(", "a{2}",
            "\\s", "[", "^$",
        ],
        ("->" | "->>" | "?" | "-", Some(Base::Text)) => &["a", "b"],
        ("#>" | "#>>" | "#-" | "?|" | "?&" | "-", None) => &[
            "{a}", "{b,0}", "{0}", "{-1}", "{a,b}", "{1,x}", "{x}", "{NULL}", "{}",
        ],
        _ => &[],
    };
    let read = |text: &&str| Sample {
        text: (*text).to_owned(),
        value: rustdb_types::parse(text, of, settings).unwrap(),
    };
    texts.iter().map(read).collect()
}

/// The types an operator is tried with.
fn instances(operator: &Operator) -> Vec<(Option<Type>, Type)> {
    if operator.right.oid() == Oid::RECORD || operator.right == Parameter::AnyEnum {
        return Vec::new();
    }
    let of = |parameter: &Parameter, scalar: &Type| match parameter {
        Parameter::Of(of) => of.clone(),
        Parameter::AnyArray | Parameter::AnyCompatibleArray => scalar.array_of(),
        _ => scalar.clone(),
    };
    let generic = |parameter: &Parameter| parameter.concrete().is_none();
    let polymorphic = generic(&operator.right) || operator.left.as_ref().is_some_and(generic);
    let scalars = if polymorphic {
        vec![
            Type::INT4,
            Type::TEXT,
            Type::BOOL,
            Type::FLOAT8,
            Type::DATE,
            Type::BYTEA,
        ]
    } else {
        vec![Type::INT4]
    };
    let instance = |scalar: Type| {
        let left = operator.left.as_ref().map(|left| of(left, &scalar));
        (left, of(&operator.right, &scalar))
    };
    scalars.into_iter().map(instance).collect()
}

/// All pairs of the first few, then pairs further on.
fn pairs<'a>(lefts: &'a [Sample], rights: &'a [Sample]) -> Vec<(&'a Sample, &'a Sample)> {
    let first = lefts
        .iter()
        .take(9)
        .flat_map(|left| rights.iter().take(9).map(move |right| (left, right)));
    let rest = (0..PAIRS).map(|index| {
        (
            &lefts[(index * 7 + 3) % lefts.len()],
            &rights[(index * 5 + 4) % rights.len()],
        )
    });
    let last = rights.iter().rev().take(12);
    let last = last.flat_map(|right| lefts.iter().step_by(3).map(move |left| (left, right)));
    first.chain(rest).chain(last).collect()
}

fn literal(of: &Type, sample: &Sample) -> String {
    format!("{}::{}", quoted(&sample.text), of.full_name())
}

fn prefixed(operator: &Operator, of: &Type, sample: &Sample, settings: &Settings) -> Case {
    Case {
        sql: format!("{} ({})", operator.name, literal(of, sample)),
        ours: outcome(operator, &Value::Null, &sample.value, of, settings),
    }
}

fn infixed(
    operator: &Operator,
    (left_type, left): (&Type, &Sample),
    (right_type, right): (&Type, &Sample),
    settings: &Settings,
) -> Case {
    let (l, r) = (literal(left_type, left), literal(right_type, right));
    // Results of polymorphic operators have the type of an operand.
    let array = [left_type, right_type]
        .into_iter()
        .find(|of| of.array)
        .unwrap_or(left_type);
    Case {
        sql: format!("({l}) {} ({r})", operator.name),
        ours: outcome(operator, &left.value, &right.value, array, settings),
    }
}

fn outcome(
    operator: &Operator,
    left: &Value,
    right: &Value,
    polymorphic: &Type,
    settings: &Settings,
) -> String {
    let of = operator.result.concrete().unwrap_or(polymorphic);
    match operator.apply(left, right, settings) {
        Ok(value) => {
            assert!(of.holds(&value), "{} gives {value:?}", operator.name);
            format(&value, of, settings)
        }
        Err(error) => described(&error),
    }
}

/// Operators of `pg_operator` that are not here yet.
const MISSING: &[&str] = &[
    // Needs logarithms of `numeric`.
    "^ numeric",
    // Comparison of rows by their bytes.
    "*=",
    "*<>",
    "*<",
    "*<=",
    "*>",
    "*>=",
    // Text search, and paths in JSON.
    "@@",
    "@?",
];

/// Every operator of ours is theirs, and of theirs on the same types only the listed ones miss.
pub(super) fn table(server: &Server) -> (usize, Vec<String>) {
    let mut oids: Vec<String> = types().iter().map(|of| of.oid().to_string()).collect();
    let pseudo = [
        Oid(0),
        Oid::ANYARRAY,
        Oid::ANYELEMENT,
        Oid::ANYNONARRAY,
        Oid::ANYENUM,
        Oid::RECORD,
        Oid::ANYCOMPATIBLE,
        Oid::ANYCOMPATIBLEARRAY,
        Oid(1009),
    ];
    oids.extend(pseudo.iter().map(Oid::to_string));
    let oids = oids.join(",");
    let query = format!(
        "select concat_ws(' ', oprname, oprleft, oprright, oprresult) || case when proisstrict then ' strict' else '' end \
         from pg_operator join pg_proc p on p.oid = oprcode where oprleft in ({oids}) and oprright in ({oids})"
    );
    let theirs: Vec<String> = server
        .psql(&query)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let ours: Vec<String> = operators()
        .filter(|operator| operator.right.oid() != Oid::VECTOR)
        .map(|operator| {
            let left = operator.left.as_ref().map_or(Oid(0), Parameter::oid);
            let strict = if operator.strict { " strict" } else { "" };
            let (right, result) = (operator.right.oid(), operator.result.oid());
            format!("{} {left} {right} {result}{strict}", operator.name)
        })
        .collect();
    let mut differences = Vec::new();
    for row in ours.iter().filter(|row| !theirs.contains(row)) {
        differences.push(format!("pg_operator has not {row}"));
    }
    let expected = |row: &str| {
        let name = row.split(' ').next().unwrap_or(row);
        let prefix = row.split(' ').nth(1) == Some("0");
        let numeric = row.starts_with(&format!("^ {}", Oid::NUMERIC));
        (MISSING.contains(&name) && !prefix) || numeric
    };
    for row in theirs
        .iter()
        .filter(|row| !ours.contains(row) && !expected(row))
    {
        differences.push(format!("pg_operator has, and we lack, {row}"));
    }
    (theirs.len(), differences)
}
