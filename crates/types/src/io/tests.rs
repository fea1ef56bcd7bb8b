use super::*;
use crate::modifier::Modifier;

fn read(text: &str, of: &Type) -> Result<Value> {
    parse(text, of, &Settings::default())
}

/// Reads and prints.
fn through(text: &str, of: &Type) -> String {
    match read(text, of) {
        Ok(value) => format(&value, of, &Settings::default()),
        Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
    }
}

#[test]
fn booleans_take_any_clear_beginning() {
    for (text, printed) in [
        ("t", "t"),
        ("TRUE", "t"),
        (" yes ", "t"),
        ("on", "t"),
        ("1", "t"),
        ("tr", "t"),
        ("f", "f"),
        ("of", "f"),
        ("no", "f"),
        ("0", "f"),
    ] {
        assert_eq!(through(text, &Type::BOOL), printed, "{text}");
    }
    for text in ["", "o", "truth", "2", "yess"] {
        let message = format!("22P02: invalid input syntax for type boolean: \"{text}\"");
        assert_eq!(through(text, &Type::BOOL), message);
    }
}

#[test]
fn integers_are_checked_against_their_range() {
    assert_eq!(through(" -32768 ", &Type::INT2), "-32768");
    assert_eq!(
        through("-9223372036854775808", &Type::INT8),
        "-9223372036854775808"
    );
    assert_eq!(through("+7", &Type::INT4), "7");
    let expected = "22003: value \"2147483648\" is out of range for type integer";
    assert_eq!(through("2147483648", &Type::INT4), expected);
    let expected = "22003: value \"99999999999999999999\" is out of range for type bigint";
    assert_eq!(through("99999999999999999999", &Type::INT8), expected);
    assert_eq!(
        through("1.0", &Type::INT4),
        "22P02: invalid input syntax for type integer: \"1.0\""
    );
    assert_eq!(through("-1", &Type::OID), "4294967295");
}

#[test]
fn floats_print_the_shortest_form() {
    for (text, printed) in [
        ("0.1", "0.1"),
        ("1e15", "1e+15"),
        ("123456789012345", "123456789012345"),
        ("1e-5", "1e-05"),
        ("0.0001", "0.0001"),
        ("-0", "-0"),
        ("1e300", "1e+300"),
        ("inf", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("nan", "NaN"),
        ("5e-324", "5e-324"),
        (" 1.5 ", "1.5"),
        ("100", "100"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ] {
        assert_eq!(through(text, &Type::FLOAT8), printed, "{text}");
    }
    assert_eq!(through("1e6", &Type::FLOAT4), "1e+06");
    assert_eq!(through("123456", &Type::FLOAT4), "123456");
    let message = "22003: \"1e400\" is out of range for type double precision";
    assert_eq!(through("1e400", &Type::FLOAT8), message);
    assert!(through("1e-400", &Type::FLOAT8).starts_with("22003"));
    assert!(through("1e39", &Type::FLOAT4).starts_with("22003"));
    assert!(through("1.2.3", &Type::FLOAT8).starts_with("22P02"));
}

#[test]
fn text_is_limited_by_its_type() {
    let varchar = Type::VARCHAR.with_modifier(Modifier::characters(Base::Varchar, 3).unwrap());
    let padded = Type::BPCHAR.with_modifier(Modifier::characters(Base::Bpchar, 3).unwrap());
    assert_eq!(through("abc  ", &varchar), "abc");
    assert_eq!(through("ab", &padded), "ab ");
    let message = "22001: value too long for type character varying(3)";
    assert_eq!(through("abcd", &varchar), message);
    assert_eq!(through("äöü", &varchar), "äöü");
    let cut = cast_text(&Text::new("abcd"), Base::Bpchar, padded.modifier, true).unwrap();
    assert_eq!(cut.as_str(), "abc");
    assert!(through("a\0", &Type::TEXT).starts_with("22021"));
}

#[test]
fn bytes_have_two_forms() {
    assert_eq!(through("\\xDE ad", &Type::BYTEA), "\\xdead");
    assert_eq!(through("a\\\\b\\001", &Type::BYTEA), "\\x615c6201");
    assert_eq!(
        through("\\xabc", &Type::BYTEA),
        "22023: invalid hexadecimal data: odd number of digits"
    );
    assert_eq!(
        through("\\9", &Type::BYTEA),
        "22P02: invalid input syntax for type bytea"
    );
    let escape = Settings {
        bytea_output: crate::ByteaOutput::Escape,
        ..Settings::default()
    };
    assert_eq!(
        format(&Value::from(&b"a\\\x00"[..]), &Type::BYTEA, &escape),
        "a\\\\\\000"
    );
}

#[test]
fn uuids_take_hyphens_between_groups_of_four() {
    let printed = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for text in [
        printed,
        "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
        "{a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11}",
    ] {
        assert_eq!(through(text, &Type::UUID), printed);
    }
    for text in [
        "",
        "a0eebc99",
        "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
        "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
    ] {
        assert!(through(text, &Type::UUID).starts_with("22P02"), "{text}");
    }
}

#[test]
fn vectors_hold_finite_numbers() {
    let three = Type::VECTOR.with_modifier(Modifier::dimensions(3).unwrap());
    assert_eq!(through("[1, 2.5,-3e2]", &three), "[1,2.5,-300]");
    assert_eq!(
        through("[1,2]", &three),
        "22000: expected 3 dimensions, not 2"
    );
    assert_eq!(
        through("[NaN]", &Type::VECTOR),
        "22000: NaN not allowed in vector"
    );
    assert!(through("[]", &Type::VECTOR).starts_with("22000"));
    assert!(through("[1,]", &Type::VECTOR).starts_with("22P02"));
    assert!(through("[1e39]", &Type::VECTOR).starts_with("22003"));
}

#[test]
fn arrays_nest_and_quote() {
    let integers = Type::INT4.array_of();
    let texts = Type::TEXT.array_of();
    for (text, of, printed) in [
        ("{1,2,NULL}", &integers, "{1,2,NULL}"),
        (" { {1,2} , {3,4} } ", &integers, "{{1,2},{3,4}}"),
        ("[0:1]={5,6}", &integers, "[0:1]={5,6}"),
        ("{}", &integers, "{}"),
        (
            "{\"a b\",\"\",\"NULL\",null,c\\,d, e f }",
            &texts,
            "{\"a b\",\"\",\"NULL\",NULL,\"c,d\",\"e f\"}",
        ),
        ("{\"a\\\"b\\\\\"}", &texts, "{\"a\\\"b\\\\\"}"),
    ] {
        assert_eq!(through(text, of), printed, "{text}");
    }
    for text in [
        "",
        "1",
        "{1",
        "{1,}",
        "{,1}",
        "{{1,2},{3}}",
        "{1}x",
        "{1,{2}}",
        "{{1},2}",
        "[1:2]={1}",
        "[2:1]={1}",
        "{a}",
        "{\"1\"2}",
    ] {
        assert!(read(text, &integers).is_err(), "{text}");
    }
}

#[test]
fn enums_know_their_labels() {
    let label = |id, order, label: &str| {
        Arc::new(crate::EnumLabel {
            id,
            order,
            label: label.to_owned(),
        })
    };
    let mood = Type::of_enum(Arc::new(EnumType {
        oid: crate::Oid(20000),
        array_oid: crate::Oid(20001),
        name: "mood".to_owned(),
        labels: vec![label(2, 1.0, "sad"), label(1, 2.0, "happy")],
    }));
    assert_eq!(through("sad", &mood), "sad");
    assert_eq!(
        through("Sad", &mood),
        "22P02: invalid input value for enum mood: \"Sad\""
    );
    assert!(read("sad", &mood).unwrap() < read("happy", &mood).unwrap());
    assert_eq!(through("{happy,sad}", &mood.array_of()), "{happy,sad}");
}
