//! Keys sort as the comparison operators say, and as a server sorts.

use std::cmp::Ordering;

use proptest::test_runner::TestRunner;
use rustdb_types::{
    KeyColumn, Nulls, Operator, Parameter, Settings, Type, Value, encode_key, operators_named,
};

use super::values::{Sample, types, values};
use super::{Case, quoted, settings};

/// Types that have keys, and that a server has too.
fn keyed() -> Vec<Type> {
    let mut of: Vec<Type> = types().into_iter().filter(Type::is_ordered).collect();
    of.extend([Type::INT4, Type::TEXT].map(|of| of.array_of()));
    of
}

fn columns(of: &Type) -> Vec<KeyColumn> {
    let mut columns = Vec::new();
    for descending in [false, true] {
        for nulls in [Nulls::First, Nulls::Last] {
            columns.push(KeyColumn {
                column_type: of.clone(),
                descending,
                nulls,
            });
        }
    }
    columns
}

fn key(column: &KeyColumn, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(column, value, &mut out).unwrap();
    out
}

fn operator(name: &str, of: &Type) -> &'static Operator {
    let takes = |operator: &&Operator| match (&operator.left, &operator.right) {
        (Some(Parameter::Of(left)), Parameter::Of(right)) => left == of && right == of,
        (Some(Parameter::AnyArray), Parameter::AnyArray) => of.array,
        _ => false,
    };
    // `varchar` has the operators of `text`.
    let found = operators_named(name).find(takes);
    found.unwrap_or_else(|| operator(name, &Type::TEXT))
}

/// What the operators say of two values that are not NULL.
fn order(of: &Type, left: &Value, right: &Value, settings: &Settings) -> Ordering {
    let holds =
        |name| operator(name, of).apply(left, right, settings).unwrap() == Value::Bool(true);
    match (holds("<"), holds("="), holds(">")) {
        (true, false, false) => Ordering::Less,
        (false, true, false) => Ordering::Equal,
        (false, false, true) => Ordering::Greater,
        other => panic!("{}: {left:?}, {right:?}: {other:?}", of.name()),
    }
}

#[test]
fn keys_sort_as_the_operators_say() {
    let settings = settings();
    let mut runner = TestRunner::deterministic();
    for of in keyed() {
        let samples = values(&of, 25, &mut runner, &settings);
        let mut values: Vec<Value> = samples.into_iter().map(|sample| sample.value).collect();
        values.push(Value::Null);
        for column in columns(&of) {
            for left in &values {
                for right in &values {
                    let expected = expected(&column, left, right, &settings);
                    let (left_key, right_key) = (key(&column, left), key(&column, right));
                    let place = format!("{column:?}: {left:?}, {right:?}");
                    assert_eq!(left_key.cmp(&right_key), expected, "{place}");
                    // Columns follow each other without a mark between them.
                    let prefix = left_key != right_key && left_key.starts_with(&right_key);
                    assert!(!prefix, "{place}");
                }
            }
        }
    }
}

fn expected(column: &KeyColumn, left: &Value, right: &Value, settings: &Settings) -> Ordering {
    let null_is = if column.nulls == Nulls::First {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => null_is,
        (false, true) => null_is.reverse(),
        (false, false) => {
            let order = order(&column.column_type, left, right, settings);
            if column.descending {
                order.reverse()
            } else {
                order
            }
        }
    }
}

/// The numbers of values in the order of a server, and of their keys.
pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for of in keyed() {
        let samples = values(&of, 60, &mut runner, settings);
        for column in columns(&of) {
            let direction = if column.descending { "desc" } else { "asc" };
            let nulls = if column.nulls == Nulls::First {
                "first"
            } else {
                "last"
            };
            cases.push(Case {
                sql: format!(
                    "select string_agg(i::text, ',' order by v {direction} nulls {nulls}, i) \
                     from (values {}, (0, null)) as samples (i, v)",
                    rows(&of, &samples)
                ),
                ours: sorted(&column, &samples),
            });
        }
    }
    cases
}

fn rows(of: &Type, samples: &[Sample]) -> String {
    let row = |(index, sample): (usize, &Sample)| {
        format!(
            "({}, {}::{})",
            index + 1,
            quoted(&sample.text),
            of.full_name()
        )
    };
    let rows: Vec<String> = samples.iter().enumerate().map(row).collect();
    rows.join(", ")
}

fn sorted(column: &KeyColumn, samples: &[Sample]) -> String {
    let mut keys = vec![(key(column, &Value::Null), 0)];
    keys.extend(
        samples
            .iter()
            .enumerate()
            .map(|(index, sample)| (key(column, &sample.value), index + 1)),
    );
    keys.sort();
    let numbers: Vec<String> = keys.iter().map(|(_, index)| index.to_string()).collect();
    numbers.join(",")
}
