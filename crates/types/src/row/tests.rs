use proptest::prelude::*;

use super::*;
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
