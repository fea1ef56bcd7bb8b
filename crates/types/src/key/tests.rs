use proptest::prelude::*;

use super::*;
use crate::samples;
use crate::value::Value;

fn bytes(column: &KeyColumn, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(column, value, &mut out).unwrap();
    out
}

/// The examples of docs/format/key.md.
#[test]
fn document_has_the_right_bytes() {
    let document = include_str!("../../../../docs/format/key.md");
    let integer = || KeyColumn::ascending(Type::INT4);
    let numeric =
        |text| Value::Numeric(crate::Numeric::parse(text, crate::Modifier::NONE).unwrap());
    let pair = [
        bytes(&integer(), &Value::Int4(1)),
        bytes(&KeyColumn::ascending(Type::TEXT), &Value::text("a")),
    ];
    let examples = [
        ("(integer 1, text 'a')", pair.concat()),
        (
            "integer 1, NOT NULL",
            bytes(&integer().not_null(), &Value::Int4(1)),
        ),
        ("integer NULL, last", bytes(&integer(), &Value::Null)),
        (
            "integer 1, descending",
            bytes(&KeyColumn::descending(Type::INT4), &Value::Int4(1)),
        ),
        (
            "numeric 10000.5",
            bytes(&KeyColumn::ascending(Type::NUMERIC), &numeric("10000.5")),
        ),
        (
            "numeric -1",
            bytes(&KeyColumn::ascending(Type::NUMERIC), &numeric("-1")),
        ),
    ];
    for (name, bytes) in examples {
        let line = document
            .lines()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap();
        let hex: String = line.trim_start()[name.len()..].split_whitespace().collect();
        let actual: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, actual, "{name}");
    }
}

#[test]
fn types_without_order_are_refused() {
    let json = KeyColumn::ascending(Type::JSON);
    let error = encode(&json, &Value::Json("1".into()), &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.message(),
        "could not identify an ordering operator for type json"
    );
    let column = KeyColumn::ascending(Type::INT4).not_null();
    assert!(encode(&column, &Value::Null, &mut Vec::new()).is_err());
    let column = KeyColumn::ascending(Type::INT4);
    assert!(encode(&column, &Value::text("1"), &mut Vec::new()).is_err());
}

#[test]
fn nulls_are_placed() {
    for (column, null_first) in [
        (KeyColumn::ascending(Type::INT4), false),
        (KeyColumn::descending(Type::INT4), true),
        (
            KeyColumn {
                nulls: Nulls::First,
                ..KeyColumn::ascending(Type::INT4)
            },
            true,
        ),
        (
            KeyColumn {
                nulls: Nulls::Last,
                ..KeyColumn::descending(Type::INT4)
            },
            false,
        ),
    ] {
        for number in [i32::MIN, 0, i32::MAX] {
            let (null, value) = (
                bytes(&column, &Value::Null),
                bytes(&column, &Value::Int4(number)),
            );
            assert_eq!(null < value, null_first);
        }
    }
}

fn any_column(of: Type, descending: bool, first: bool) -> KeyColumn {
    let nulls = if first { Nulls::First } else { Nulls::Last };
    KeyColumn {
        column_type: of,
        descending,
        nulls,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn order_of_keys_is_order_of_values(
        (of, values) in samples::typed_values(2), descending: bool, first: bool,
    ) {
        let column = any_column(of, descending, first);
        let [left, right] = &values[..] else { unreachable!() };
        let (x, y) = (bytes(&column, left), bytes(&column, right));
        let ascending = column.column_type.compare(left, right);
        let expected = match (left.is_null(), right.is_null()) {
            (false, false) if descending => ascending.reverse(),
            (true, false) | (false, true) if first => ascending.reverse(),
            _ => ascending,
        };
        prop_assert_eq!(x.cmp(&y), expected, "{:?} {:?}", left, right);
        // No key is the beginning of another.
        prop_assert!(x == y || !(x.starts_with(&y) || y.starts_with(&x)));
    }

    #[test]
    fn an_integer_alone_has_the_same_bytes(
        (of, value) in samples::typed_value(), number: i64, descending: bool, nullable: bool,
    ) {
        let never = |of: Type| KeyColumn {
            nulls: if nullable { Nulls::Last } else { Nulls::Never },
            descending,
            ..KeyColumn::ascending(of)
        };
        let is_simple = !descending && !nullable;
        for (of, value, is_integer) in [
            (of.clone(), value.clone(), matches!(value, Value::Int4(_) | Value::Int8(_))),
            (Type::INT8, Value::Int8(number), true),
            (Type::INT4, Value::Int4(number as i32), true),
            (Type::INT4, Value::Int8(number), false),
        ] {
            let column = never(of);
            let key = encode_integer(&column, &value);
            prop_assert_eq!(key.is_some(), is_integer && is_simple, "{:?}", value);
            if let Some(key) = key {
                prop_assert_eq!(&key[..], &bytes(&column, &value)[..]);
            }
        }
    }

    #[test]
    fn decoded_value_equals_the_encoded_one(
        (of, value) in samples::typed_value(), descending: bool, first: bool, rest: Vec<u8>,
    ) {
        let column = any_column(of, descending, first);
        let mut key = bytes(&column, &value);
        let length = key.len();
        key.extend_from_slice(&rest);
        let mut left = &key[..];
        let back = decode(&column, &mut left).unwrap();
        prop_assert!(column.column_type.compare(&back, &value).is_eq(), "{:?} {:?}", back, value);
        prop_assert_eq!(left, &key[length..]);
        let mut out = Vec::new();
        encode(&column, &back, &mut out).unwrap();
        prop_assert_eq!(&out[..], &key[..length]);
    }

    #[test]
    fn decoding_garbage_does_not_panic(
        (of, value) in samples::typed_value(), descending: bool, at: prop::sample::Index,
        byte: u8, noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let column = any_column(of, descending, false);
        let mut key = bytes(&column, &value);
        let at = at.index(key.len());
        key[at] = byte;
        let _ = decode(&column, &mut &key[..]);
        let _ = decode(&column, &mut &key[..at]);
        let _ = decode(&column.not_null(), &mut &noise[..]);
    }

    #[test]
    fn equal_values_hash_equally((of, values) in samples::typed_values(2)) {
        use std::hash::{DefaultHasher, Hasher};
        let hash = |value: &Value| {
            let mut hasher = DefaultHasher::new();
            of.hash_value(value, &mut hasher);
            hasher.finish()
        };
        if of.compare(&values[0], &values[1]).is_eq() {
            prop_assert_eq!(hash(&values[0]), hash(&values[1]));
        }
    }
}
