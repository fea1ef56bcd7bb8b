//! Casts that no server of PostgreSQL alone can check; the others are in the differential test.

use std::sync::Arc;

use super::*;
use crate::types::{DomainType, EnumLabel, EnumType};

fn cast(value: &Value, source: &Type, target: &Type, context: CastContext) -> String {
    let settings = Settings::default();
    let Some(cast) = Cast::find(source, target, context) else {
        return "none".to_owned();
    };
    match cast.apply(value, &settings) {
        Ok(value) => io::format(&value, target, &settings),
        Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
    }
}

#[test]
fn vectors_are_cast_as_pgvector_casts_them() {
    use CastContext::{Assignment, Explicit, Implicit};
    let integers = Type::INT4.array_of();
    let array = io::parse("{1,2,3}", &integers, &Settings::default()).unwrap();
    assert_eq!(
        cast(&array, &integers, &Type::VECTOR, Assignment),
        "[1,2,3]"
    );
    assert_eq!(cast(&array, &integers, &Type::VECTOR, Implicit), "none");
    let three = Type::VECTOR.with_modifier(Modifier::dimensions(3).unwrap());
    let two = Type::VECTOR.with_modifier(Modifier::dimensions(2).unwrap());
    assert_eq!(cast(&array, &integers, &three, Explicit), "[1,2,3]");
    assert_eq!(
        cast(&array, &integers, &two, Explicit),
        "22000: expected 2 dimensions, not 3"
    );
    let vector = io::parse("[1,2.5]", &Type::VECTOR, &Settings::default()).unwrap();
    let reals = Type::FLOAT4.array_of();
    assert_eq!(cast(&vector, &Type::VECTOR, &reals, Implicit), "{1,2.5}");
    let empty = io::parse("{}", &integers, &Settings::default()).unwrap();
    assert_eq!(
        cast(&empty, &integers, &Type::VECTOR, Explicit),
        "22000: vector must have at least 1 dimension"
    );
}

#[test]
fn domains_are_cast_as_what_they_are_made_of() {
    let domain = |oid, base| {
        Type::of_domain(Arc::new(DomainType {
            oid: crate::Oid(oid),
            array_oid: crate::Oid(oid + 1),
            name: "d".to_owned(),
            base,
        }))
    };
    let code = domain(20000, Type::VARCHAR.with_modifier(Modifier(4 + 2)));
    let outer = domain(20010, code.clone());
    let text = Value::text("abc");
    assert_eq!(
        cast(&text, &Type::TEXT, &outer, CastContext::Explicit),
        "ab"
    );
    assert_eq!(
        cast(&text, &Type::TEXT, &code, CastContext::Assignment),
        "22001: value too long for type character varying(2)"
    );
    assert_eq!(
        cast(&text, &outer, &Type::TEXT, CastContext::Implicit),
        "abc"
    );
    let number = domain(20020, Type::INT4);
    assert_eq!(
        cast(&Value::Int4(7), &number, &Type::INT8, CastContext::Implicit),
        "7"
    );
}

#[test]
fn enums_are_cast_through_text() {
    let label = Arc::new(EnumLabel {
        id: 1,
        order: 1.0,
        label: "sad".to_owned(),
    });
    let mood = Type::of_enum(Arc::new(EnumType {
        oid: crate::Oid(20000),
        array_oid: crate::Oid(20001),
        name: "mood".to_owned(),
        labels: vec![label.clone()],
    }));
    let sad = Value::Enum(label);
    assert_eq!(
        cast(&sad, &mood, &Type::TEXT, CastContext::Assignment),
        "sad"
    );
    assert_eq!(
        cast(&sad, &mood, &Type::TEXT, CastContext::Implicit),
        "none"
    );
    let text = Value::text("sad");
    assert_eq!(
        cast(&text, &Type::TEXT, &mood, CastContext::Explicit),
        "sad"
    );
    assert_eq!(
        cast(&text, &Type::TEXT, &mood, CastContext::Assignment),
        "none"
    );
    assert_eq!(
        cast(&text, &Type::UNKNOWN, &mood, CastContext::Implicit),
        "sad"
    );
    let bad = Value::text("glad");
    assert_eq!(
        cast(&bad, &Type::UNKNOWN, &mood, CastContext::Implicit),
        "22P02: invalid input value for enum mood: \"glad\""
    );
}

#[test]
fn relabeling_is_told_apart() {
    let find = |source: &Type, target: &Type| {
        Cast::find(source, target, CastContext::Implicit)
            .unwrap()
            .is_relabeling()
    };
    assert!(find(&Type::TEXT, &Type::VARCHAR));
    assert!(find(&Type::INT4, &Type::INT4));
    assert!(!find(&Type::INT4, &Type::INT8));
    assert!(!find(
        &Type::TEXT,
        &Type::VARCHAR.with_modifier(Modifier(7))
    ));
    assert!(!find(&Type::INT4, &Type::OID));
}
