//! What the loops over plain numbers give is what the operators give.

use std::borrow::Cow;

use rustdb_types::{
    Base, Cells, ColumnVector, Numeric, Operator, Settings, Strings, Type, Value, operator_exactly,
};

use super::{Vector, kind, typed};

const OPERATORS: [&str; 9] = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*"];

fn numerics(coefficients: &[i64], scale: u16) -> Cells {
    Cells::Numeric(coefficients.to_vec(), scale)
}

/// Columns with what lies at the ends of their types.
fn samples() -> Vec<(Type, Cells)> {
    let integers = [0, 1, -1, 7, i32::MAX, i32::MIN, 46_341, -46_341];
    let longs = [
        0,
        1,
        -1,
        3_037_000_500,
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        10,
    ];
    let floats = [
        0.0,
        -0.0,
        1.5,
        -1.5,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-200,
    ];
    let mut texts = Strings::default();
    ["", "a", "ab", "b ", "é", "B", "ab"]
        .iter()
        .for_each(|text| texts.push(text));
    let coefficients = [0, 1, -1, 150, 1_000_000_007, i64::MAX, i64::MIN];
    vec![
        (Type::INT4, Cells::Int4(integers.to_vec())),
        (Type::INT8, Cells::Int8(longs.to_vec())),
        (Type::FLOAT8, Cells::Float8(floats.to_vec())),
        (Type::of(Base::Date), Cells::Date(integers.to_vec())),
        (Type::of(Base::Timestamp), Cells::Timestamp(longs.to_vec())),
        (Type::NUMERIC, numerics(&coefficients, 0)),
        (Type::NUMERIC, numerics(&coefficients, 2)),
        (Type::NUMERIC, numerics(&coefficients[..5], 9)),
        (Type::NUMERIC, numerics(&[1, 10, -3], 18)),
        (Type::TEXT, Cells::Text(texts)),
    ]
}

/// The rows of both columns in all pairs.
fn pairs(left: &Cells, right: &Cells) -> [ColumnVector; 2] {
    let columns = [left, right].map(|cells| ColumnVector::from(cells.clone()));
    let (rows, others) = (columns[0].len() as u32, columns[1].len() as u32);
    let places = (0..rows * others).map(|pair| (pair / others, pair % others));
    let (of_left, of_right): (Vec<u32>, Vec<u32>) = places.unzip();
    [
        columns[0].gathered(&of_left),
        columns[1].gathered(&of_right),
    ]
}

/// Whether there was a loop; its results are the operator's.
fn agrees(operator: &Operator, left: &Vector<'_>, right: &Vector<'_>) -> bool {
    let cells = kind(operator).and_then(|kind| typed::operator(kind, left, right));
    let Some(cells) = cells else {
        return false;
    };
    let column = ColumnVector::from(cells);
    for (row, found) in column.values().iter().enumerate() {
        let (left, right) = (left.get(row), right.get(row));
        let expected = operator.apply(left, right, &Settings::default());
        let words = format!("{left:?} {} {right:?}", operator.name);
        assert_eq!(
            format!("{found:?}"),
            format!("{:?}", expected.unwrap()),
            "{words}"
        );
    }
    true
}

#[test]
fn loops_agree_with_operators() {
    let mut loops = 0;
    let samples = samples();
    for (of, left) in &samples {
        for (other, right) in samples.iter().filter(|(other, _)| other == of) {
            for name in OPERATORS {
                let Some(operator) = operator_exactly(name, Some(of), other) else {
                    continue;
                };
                let all = pairs(left, right);
                let [all_left, all_right] =
                    all.each_ref().map(|it| Vector::Column(Cow::Borrowed(it)));
                // The ends of types overflow: then there are no results.
                loops += usize::from(agrees(operator, &all_left, &all_right));
                for row in 0..all[0].len() {
                    let [one_left, one_right] = all.each_ref().map(|it| it.gathered(&[row as u32]));
                    let single = |of: &ColumnVector| Vector::Single(Cow::Owned(of.get(0)));
                    let column = |of: &ColumnVector| Vector::Column(Cow::Owned(of.clone()));
                    let ways = [
                        (column(&one_left), column(&one_right)),
                        (column(&one_left), single(&one_right)),
                        (single(&one_left), column(&one_right)),
                    ];
                    for (left, right) in &ways {
                        loops += usize::from(agrees(operator, left, right));
                    }
                }
            }
        }
    }
    assert!(loops > 3000, "{loops}");
}

#[test]
fn patterns_and_casts_agree_with_values() {
    let mut texts = Strings::default();
    let words = ["", "green", "dark green", "greenish", "GREEN", "gr\u{e9}en"];
    words.iter().for_each(|text| texts.push(text));
    let column = ColumnVector::from(Cells::Text(texts));
    let texts = Vector::Column(Cow::Borrowed(&column));
    for name in ["~~", "!~~"] {
        let operator = operator_exactly(name, Some(&Type::TEXT), &Type::TEXT).unwrap();
        for pattern in ["%green%", "green", "gr_en%", "%", "", "\\g%"] {
            let pattern = Vector::Single(Cow::Owned(Value::text(pattern)));
            let cells = typed::like_pattern(operator, &texts, &pattern).unwrap();
            let found = ColumnVector::from(cells.unwrap());
            for (row, word) in words.iter().enumerate() {
                let word = Value::text(word);
                let expected = operator.apply(&word, pattern.get(row), &Settings::default());
                assert_eq!(found.values()[row], expected.unwrap());
            }
        }
    }
    let large = Numeric::new(i128::from(i64::MAX) * 10, 1).unwrap();
    assert_eq!(large.as_small(), None);
}
