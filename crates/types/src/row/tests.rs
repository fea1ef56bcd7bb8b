use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::modifier::Modifier;
use crate::samples;
use crate::settings::Settings;

fn encode(layout: &RowLayout, values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    layout.encode(values, &mut out).unwrap();
    out
}

/// A value's text and kind: more than `==` asks.
fn exact(of: &Type, value: &Value) -> String {
    let text = crate::io::format(value, of, &Settings::default());
    match value {
        Value::Float8(number) => format!("float8 {:x}", number.to_bits()),
        Value::Interval(parts) => format!("{parts:?}"),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::Timestamptz(_) => {
            format!("{value:?}")
        }
        other => format!("{} {text}", other.kind()),
    }
}

/// The example of docs/format/row.md.
#[test]
fn document_has_the_right_bytes() {
    let document = include_str!("../../../../docs/format/row.md");
    let layout = RowLayout::new([Type::INT4, Type::TEXT, Type::INT2, Type::TEXT]).unwrap();
    let row = [
        Value::Int4(7),
        Value::text("ann"),
        Value::Null,
        Value::text("rome"),
    ];
    let (_, example) = document.rsplit_once("## Example").unwrap();
    let lines = example.lines().filter_map(|line| line.strip_prefix("    "));
    let hex: String = lines
        .flat_map(|line| {
            line.split("  ")
                .next()
                .unwrap()
                .trim_start_matches("11+8 =")
                .split_whitespace()
        })
        .collect();
    let actual: String = encode(&layout, &row)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, actual);
}

/// A value put among a row's bytes is the row that is made of the values; where that takes other
/// bytes, nothing is put.
#[test]
fn value_of_fixed_width_is_replaced_in_its_place() {
    let types = [Type::INT4, Type::TEXT, Type::INT8, Type::BOOL];
    let mut layout = RowLayout::new(types).unwrap();
    let row = [
        Value::Int4(1),
        Value::text("a"),
        Value::Null,
        Value::Bool(true),
    ];
    let stored = encode(&layout, &row);
    let replaced = |layout: &RowLayout, column, value: Value| {
        let mut bytes = stored.clone();
        let is_done = layout.replace_fixed(&mut bytes, column, &value).unwrap();
        assert_eq!(is_done, bytes != stored);
        let mut row = row.clone();
        row[column.min(3)] = value;
        (is_done, is_done && bytes == encode(layout, &row))
    };
    assert_eq!(replaced(&layout, 0, Value::Int4(-7)), (true, true));
    assert_eq!(replaced(&layout, 3, Value::Bool(false)), (true, true));
    assert_eq!(replaced(&layout, 0, Value::Null), (false, false));
    assert_eq!(replaced(&layout, 1, Value::text("b")), (false, false));
    assert_eq!(replaced(&layout, 2, Value::Int8(5)), (true, true));
    assert!(
        layout
            .replace_fixed(&mut stored.clone(), 0, &Value::Int8(5))
            .is_err()
    );
    layout.push(Type::INT4, Value::Int4(9)).unwrap();
    assert_eq!(replaced(&layout, 4, Value::Int4(8)), (false, false));
}

/// The first value in the place of a NULL leaves the bits of the others, the last one takes the bitmap
/// away.
#[test]
fn nulls_of_fixed_width_are_replaced_one_by_one() {
    let layout = RowLayout::new([Type::INT4; 20]).unwrap();
    let mut row = vec![Value::Null; 20];
    let mut stored = encode(&layout, &row);
    for column in [
        7, 19, 8, 0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
    ] {
        row[column] = Value::Int4(column as i32);
        let is_done = layout.replace_fixed(&mut stored, column, &row[column]);
        assert!(is_done.unwrap());
        assert_eq!(stored, encode(&layout, &row));
    }
}

#[test]
fn column_added_later_is_missing_in_old_rows() {
    let mut layout = RowLayout::new([Type::INT4, Type::TEXT]).unwrap();
    let old = encode(&layout, &[Value::Int4(1), Value::text("a")]);
    layout.push(Type::INT8, Value::Int8(42)).unwrap();
    layout.push(Type::TEXT, Value::Null).unwrap();
    let view = RowView::new(&layout, &old).unwrap();
    assert_eq!(view.cell(2).unwrap(), Cell::Missing);
    let expected = vec![
        Value::Int4(1),
        Value::text("a"),
        Value::Int8(42),
        Value::Null,
    ];
    assert_eq!(view.to_values().unwrap(), expected);
    let new = encode(&layout, &expected);
    assert_eq!(
        RowView::new(&layout, &new).unwrap().to_values().unwrap(),
        expected
    );
    // A row of a newer table is not one of an older.
    let older = RowLayout::new([Type::INT4]).unwrap();
    assert!(RowView::new(&older, &new).is_err());
}

#[test]
fn values_must_fit_their_columns() {
    let layout = RowLayout::new([Type::INT4, Type::TEXT]).unwrap();
    for row in [
        vec![Value::Int8(1), Value::text("a")],
        vec![Value::Int4(1), Value::Int4(1)],
        vec![Value::Int4(1)],
    ] {
        assert!(layout.encode(&row, &mut Vec::new()).is_err());
    }
    let types = std::iter::repeat_n(Type::BOOL, COLUMNS_MAX + 1);
    assert_eq!(
        RowLayout::new(types).unwrap_err().state(),
        SqlState::PROGRAM_LIMIT_EXCEEDED
    );
}

#[test]
fn long_rows_have_wider_offsets() {
    let layout = RowLayout::new([Type::TEXT, Type::TEXT, Type::TEXT]).unwrap();
    for length in [
        80, 85, 86, 127, 128, 255, 256, 300, 21_845, 21_846, 65_535, 65_536, 100_000,
    ] {
        let row = [
            Value::from("x".repeat(length)),
            Value::from("y".repeat(length)),
            Value::from("z".repeat(length)),
        ];
        let bytes = encode(&layout, &row);
        assert_eq!(
            RowView::new(&layout, &bytes).unwrap().to_values().unwrap(),
            row,
            "{length}"
        );
        let wide = [1, 2, 4][usize::from(3 * length > 255) + usize::from(3 * length > 65_535)];
        assert_eq!(bytes.len(), HEADER_BYTES + 3 * wide + 3 * length);
    }
}

/// Keys whose sum is odd, or is not.
#[derive(Debug)]
struct Odd(bool);

impl Members for Odd {
    fn contains(&self, key: &[i64]) -> bool {
        let sum = key.iter().fold(0_i64, |sum, part| sum.wrapping_add(*part));
        (sum % 2 != 0) == self.0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn values_come_back_as_they_were(
        columns in prop::collection::vec(samples::typed_value(), 0..12),
    ) {
        let layout = RowLayout::new(columns.iter().map(|(of, _)| of.clone())).unwrap();
        let values: Vec<Value> = columns.iter().map(|(_, value)| value.clone()).collect();
        let bytes = encode(&layout, &values);
        let view = RowView::new(&layout, &bytes).unwrap();
        for (index, (of, value)) in columns.iter().enumerate() {
            let back = view.get(index).unwrap();
            prop_assert_eq!(exact(of, &back), exact(of, value));
            prop_assert_eq!(&back, value);
        }
    }

    #[test]
    fn decoding_garbage_does_not_panic(
        columns in prop::collection::vec(samples::typed_value(), 1..6), at: prop::sample::Index,
        byte: u8, noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let layout = RowLayout::new(columns.iter().map(|(of, _)| of.clone())).unwrap();
        let values: Vec<Value> = columns.iter().map(|(_, value)| value.clone()).collect();
        let mut bytes = encode(&layout, &values);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for garbage in [&bytes[..], &bytes[..at], &noise[..]] {
            let _ = RowView::new(&layout, garbage).and_then(|view| view.to_values());
        }
        for column in 0..columns.len() {
            let of = layout.column_type(column).unwrap();
            let _ = value::decode(of, &noise);
        }
    }
}

/// What the operator says, as a filter takes it.
fn holds(name: &str, of: [&Type; 2], left: &Value, right: &Value) -> bool {
    let operator = crate::operator::operator_exactly(name, Some(of[0]), of[1]).unwrap();
    let truth = operator.apply(left, right, &Settings::default()).unwrap();
    truth == Value::Bool(true)
}

/// The type that operators take values of this type as.
fn operand(of: &Type) -> Type {
    match of.base() {
        Some(Base::Varchar) if !of.array => Type::TEXT,
        _ => of.clone(),
    }
}

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Rows of the layout, and rows from before its last columns were added.
    #[test]
    fn readers_and_tests_agree_with_views_and_operators(
        columns in prop::collection::vec(samples::typed_values(4), 1..6),
        (column, older) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let (column, older) = (column.index(columns.len()), older.index(columns.len()) + 1);
        let row = |row: usize, count: usize| -> Vec<Value> {
            columns[..count].iter().map(|(_, values)| values[row].clone()).collect()
        };
        let mut layout = RowLayout::new(columns[..older].iter().map(|(of, _)| of.clone())).unwrap();
        let before = encode(&layout, &row(0, older));
        for (of, values) in &columns[older..] {
            layout.push(of.clone(), values[1].clone()).unwrap();
        }
        let stored = [before, encode(&layout, &row(1, columns.len()))];
        let (of, values) = &columns[column];
        let places = [column, 0];
        let reader = RowReader::new(&layout, &places).unwrap();
        for bytes in &stored {
            let view = RowView::new(&layout, bytes).unwrap();
            let mut out = reader.columns(1);
            prop_assert!(reader.append(&layout, &[], bytes, &mut out).unwrap());
            for (place, read) in places.iter().zip(&out) {
                prop_assert_eq!(read.values(), &[view.get(*place).unwrap()]);
            }
            let value = view.get(column).unwrap();
            let passes = |test: &RowTest| {
                let mut out = reader.columns(1);
                let passed = reader
                    .append(&layout, std::slice::from_ref(test), bytes, &mut out)
                    .unwrap();
                assert_eq!(out[0].len(), usize::from(passed));
                passed
            };
            for name in COMPARISONS {
                let comparison = Comparison::of(name).unwrap();
                for constant in &values[2..] {
                    if let Some(test) = layout.test(column, comparison, constant) {
                        let of = operand(of);
                        let expected = holds(name, [&of, &of], &value, constant);
                        prop_assert_eq!(passes(&test), expected, "{:?} {} {:?}", value, name, constant);
                    }
                }
                if let Some(test) = layout.test_columns(column, comparison, 0) {
                    let (left, right) = (operand(of), operand(&columns[0].0));
                    let other = view.get(0).unwrap();
                    prop_assert_eq!(passes(&test), holds(name, [&left, &right], &value, &other));
                }
            }
            if let Some(test) = layout.test_any(column, &values[2..]) {
                let of = operand(of);
                let expected = values[2..].iter().any(|each| holds("=", [&of, &of], &value, each));
                prop_assert_eq!(passes(&test), expected);
            }
            let integer = |value: &Value| value.as_integer();
            for others in [&[column][..], &[column, 0], &[0, column]] {
                for members in [Odd(true), Odd(false)].map(Arc::new) {
                    if let Some(test) = layout.test_members(others, members.clone()) {
                        let key = others.iter().map(|each| integer(&view.get(*each).unwrap()));
                        let key: Option<Vec<i64>> = key.collect();
                        let expected = key.is_some_and(|key| members.contains(&key));
                        prop_assert_eq!(passes(&test), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn tests_compare_days_with_moments(
        days in prop_oneof![
            Just(i32::MAX), Just(i32::MIN), -3..3i32, Just(5_373_484), Just(-2_451_545),
        ],
        micros in prop_oneof![
            Just(i64::MAX), Just(i64::MIN), (-3..3i64).prop_map(|day| day * 86_400_000_000),
            -200_000_000_000..200_000_000_000i64,
        ],
    ) {
        let layout = RowLayout::new([Type::of(Base::Date)]).unwrap();
        let reader = RowReader::new(&layout, &[]).unwrap();
        let bytes = encode(&layout, &[Value::Date(days)]);
        let of = [&Type::of(Base::Date), &Type::of(Base::Timestamp)];
        for name in COMPARISONS {
            let moment = Value::Timestamp(micros);
            let test = layout.test(0, Comparison::of(name).unwrap(), &moment).unwrap();
            let passed = reader.append(&layout, &[test], &bytes, &mut []).unwrap();
            prop_assert_eq!(passed, holds(name, of, &Value::Date(days), &moment), "{}", name);
        }
    }

    #[test]
    fn tests_compare_integers_of_all_widths(left: i32, right: i64, near in -2..3i64) {
        let layout = RowLayout::new([Type::INT4]).unwrap();
        let reader = RowReader::new(&layout, &[]).unwrap();
        let bytes = encode(&layout, &[Value::Int4(left)]);
        for right in [right, i64::from(left) + near, i64::MAX, i64::MIN] {
            for name in COMPARISONS {
                let right = Value::Int8(right);
                let test = layout.test(0, Comparison::of(name).unwrap(), &right).unwrap();
                let passed = reader.append(&layout, &[test], &bytes, &mut []).unwrap();
                let expected = holds(name, [&Type::INT4, &Type::INT8], &Value::Int4(left), &right);
                prop_assert_eq!(passed, expected);
            }
        }
    }

    #[test]
    fn readers_do_not_panic_at_garbage(
        columns in prop::collection::vec(samples::typed_values(3), 1..6), at: prop::sample::Index,
        byte: u8, noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let layout = RowLayout::new(columns.iter().map(|(of, _)| of.clone())).unwrap();
        let values: Vec<Value> = columns.iter().map(|(_, values)| values[0].clone()).collect();
        let mut bytes = encode(&layout, &values);
        let places: Vec<usize> = (0..columns.len()).collect();
        let reader = RowReader::new(&layout, &places).unwrap();
        let tests: Vec<RowTest> = places
            .iter()
            .filter_map(|place| layout.test(*place, Comparison::Less, &columns[*place].1[1]))
            .collect();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..at], &noise] {
            let mut out = reader.columns(1);
            let _ = reader.append(&layout, &[], bytes, &mut out);
            let _ = reader.append(&layout, &tests, bytes, &mut out);
        }
    }
}

#[test]
fn texts_that_are_given_are_stored_as_their_values_are() {
    let short = Type {
        modifier: Modifier::characters(Base::Varchar, 5).unwrap(),
        ..Type::VARCHAR
    };
    let layout = RowLayout::new([Type::TEXT, Type::INT4, Type::VARCHAR, short.clone()]).unwrap();
    let long = "ß".repeat(300);
    for text in ["", "word", "fünf", &long] {
        let given = |of: &Type| match of.stores_text(text) {
            true => Given::Text(text),
            false => Given::Value(Value::Null),
        };
        let row = [
            given(&Type::TEXT),
            Given::Value(Value::Int4(7)),
            given(&Type::VARCHAR),
            given(&short),
        ];
        let values: Vec<Value> = row.iter().map(Given::to_value).collect();
        assert_eq!(values[3].is_null(), text.len() > 5);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        layout.encode_given(&row, &mut one).unwrap();
        layout.encode(&values, &mut other).unwrap();
        assert_eq!(one, other);
    }
    for of in [Type::INT4, Type::JSONB, Type::BYTEA, Type::TEXT.array_of()] {
        let layout = RowLayout::new([of]).unwrap();
        let refused = layout.encode_given(&[Given::Text("1")], &mut Vec::new());
        assert!(refused.is_err());
    }
}
