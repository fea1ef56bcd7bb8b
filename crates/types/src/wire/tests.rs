//! Bytes that are known, and round trips; the differential test compares with a server.

use proptest::prelude::*;

use super::*;
use crate::samples::typed_value;
use crate::settings::Settings;
use crate::{Base, Modifier, Type, Value, parse};

fn bytes(text: &str, of: &Type) -> Vec<u8> {
    let value = parse(text, of, &Settings::default()).unwrap();
    let mut out = Vec::new();
    send(&value, of, &mut out);
    out
}

fn refused(bytes: &[u8], of: &Type) -> String {
    let error = receive(bytes, of, &Settings::default()).unwrap_err();
    format!("{}: {}", error.state().as_str(), error.message())
}

#[test]
fn vectors_are_sent_as_pgvector_sends_them() {
    let sent = bytes("[1,-2]", &Type::VECTOR);
    assert_eq!(sent, [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]);
    let back = receive(&sent, &Type::VECTOR, &Settings::default()).unwrap();
    assert_eq!(back, Value::Vector([1.0, -2.0].into()));
    let three = Type::VECTOR.with_modifier(Modifier::dimensions(3).unwrap());
    assert_eq!(
        refused(&sent, &three),
        "22000: expected 3 dimensions, not 2"
    );
    assert_eq!(
        refused(&[0, 1, 0, 0, 0x7f, 0xc0, 0, 0], &Type::VECTOR),
        "22000: NaN not allowed in vector"
    );
}

#[test]
fn sizes_are_not_believed() {
    // An array that says it has two thousand million elements.
    let mut huge = Vec::new();
    for word in [1, 0, 23, i32::MAX, 1] {
        huge.extend_from_slice(&i32::to_be_bytes(word));
    }
    let integers = Type::INT4.array_of();
    assert_eq!(
        refused(&huge, &integers),
        "54000: array size exceeds the maximum allowed (134217727)"
    );
    huge[12..16].copy_from_slice(&[0, 0xff, 0xff, 0xff]);
    assert_eq!(
        refused(&huge, &integers),
        "08P01: insufficient data left in message"
    );
    assert_eq!(
        refused(&[0xff, 0xff], &Type::NUMERIC),
        "08P01: insufficient data left in message"
    );
}

proptest! {
    #[test]
    fn values_come_back((of, value) in typed_value()) {
        let mut sent = Vec::new();
        send(&value, &of, &mut sent);
        // Keys hold more than PostgreSQL's ranges, and more letters than one byte.
        let odd = matches!(of.element, crate::Element::Base(
            Base::Date | Base::Timestamp | Base::Timestamptz | Base::Char | Base::Name
            | Base::Text | Base::Varchar | Base::Bpchar));
        if !value.is_null() && !odd {
            let back = receive(&sent, &of, &Settings::default()).unwrap();
            prop_assert_eq!(back, value);
        }
    }

    #[test]
    fn receiving_garbage_does_not_panic((of, _) in typed_value(), bytes: Vec<u8>) {
        let _ = receive(&bytes, &of, &Settings::default());
    }
}
