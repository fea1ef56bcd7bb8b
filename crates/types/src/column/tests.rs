//! A column is what its values say, whatever form they have.

use proptest::prelude::*;

use super::{ColumnVector, Strings};
use crate::row::{RowLayout, RowReader};
use crate::samples;
use crate::types::Type;
use crate::value::Value;

/// The column that a reader makes of these values.
fn read(of: &Type, values: &[Value]) -> ColumnVector {
    let layout = RowLayout::new([of.clone()]).unwrap();
    let reader = RowReader::new(&layout, &[0]).unwrap();
    let mut columns = reader.columns(values.len());
    for value in values {
        let mut row = Vec::new();
        layout
            .encode(std::slice::from_ref(value), &mut row)
            .unwrap();
        assert!(reader.append(&layout, &[], &row, &mut columns).unwrap());
    }
    columns.remove(0)
}

/// The same, where every second time the values were asked for before.
fn asked(of: &Type, values: &[Value], is_asked: bool) -> ColumnVector {
    let column = read(of, values);
    if is_asked {
        assert_eq!(column.values(), values);
    }
    column
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn columns_change_as_their_values_do(
        (of, values) in samples::typed_values(12), is_asked: bool, at in 0..13_usize,
        kept in prop::collection::vec(any::<bool>(), 12),
        rows in prop::collection::vec(0..12_u32, 0..20),
    ) {
        let column = asked(&of, &values, is_asked);
        prop_assert_eq!(column.len(), values.len());
        // Down to the decimals that are shown.
        prop_assert_eq!(format!("{:?}", column.values()), format!("{values:?}"));
        for (row, value) in values.iter().enumerate() {
            prop_assert_eq!(&column.get(row), value);
        }
        prop_assert_eq!(column.clone().into_values(), values.clone());

        let gathered: Vec<Value> = rows.iter().map(|row| values[*row as usize].clone()).collect();
        let of_rows = column.gathered(&rows);
        prop_assert_eq!(of_rows.values(), &gathered[..]);
        let some: Vec<Option<u32>> = rows.iter().map(|row| (row % 3 > 0).then_some(*row)).collect();
        let or_null = column.gathered_or_null(&some);
        for ((row, expected), value) in some.iter().zip(&gathered).zip(or_null.values()) {
            prop_assert_eq!(value, if row.is_some() { expected } else { &Value::Null });
        }

        let places: Vec<usize> = (0..12).filter(|row| kept[*row]).collect();
        let left: Vec<Value> = places.iter().map(|row| values[*row].clone()).collect();
        let mut changed = asked(&of, &values, is_asked);
        changed.keep(&places);
        prop_assert_eq!(changed.values(), &left[..]);

        let mut changed = asked(&of, &values, is_asked);
        changed.skip(at);
        prop_assert_eq!(changed.values(), &values[at.min(12)..]);
        let mut changed = asked(&of, &values, is_asked);
        changed.truncate(at);
        prop_assert_eq!(changed.values(), &values[..at.min(12)]);

        let mut changed = asked(&of, &values, is_asked);
        changed.spread();
        prop_assert_eq!(&changed, &column);
        prop_assert_eq!(changed.bytes(), column.bytes_as_values());
        changed.condense();
        prop_assert_eq!(format!("{:?}", changed.values()), format!("{values:?}"));
        prop_assert!(changed.bytes() <= column.bytes_as_values());
    }

    #[test]
    fn columns_grow_by_values_and_columns(
        (of, values) in samples::typed_values(8), (other, more) in samples::typed_values(5),
        is_asked: bool, cut in 0..9_usize,
    ) {
        // Of one type, in two parts.
        let (first, second) = values.split_at(cut.min(8));
        let mut column = asked(&of, first, is_asked);
        column.append(asked(&of, second, !is_asked));
        prop_assert_eq!(column.values(), &values[..]);
        // Of another type, as the arms of a set operation never are but a NULL may be.
        let mut all = values.clone();
        all.extend(more.iter().cloned());
        let mut joined = column.clone();
        joined.append(read(&other, &more));
        prop_assert_eq!(joined.values(), &all[..]);
        for value in &more {
            column.push(value.clone());
        }
        prop_assert_eq!(column.values(), &all[..]);
    }
}

#[test]
fn texts_lose_their_padding() {
    let mut strings = Strings::default();
    for text in ["a", "b  ", "", " c ", "  "] {
        strings.push(text);
    }
    assert!(strings.is_padded());
    let trimmed = strings.trimmed();
    assert!(!trimmed.is_padded());
    let texts: Vec<&str> = trimmed.iter().collect();
    assert_eq!(texts, ["a", "b", "", " c", ""]);
}
