use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::interrupt::{Watch, watched};
use crate::key::Reader;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// Work that shall stop at once.
struct Now;

impl Watch for Now {
    fn ask(&self) -> crate::Result<()> {
        let message = "canceling statement due to user request";
        Err(crate::Error::new(crate::SqlState::QUERY_CANCELED, message))
    }
}

#[test]
fn work_that_shall_stop_leaves_off_within_a_large_tree() {
    let array = Json::Array(vec![Json::Null; 1 << 18]);
    let members = (0..1 << 18).map(|key| (format!("{key:09}").into(), Json::Null));
    let object = Json::object(members.collect());
    for json in [array, object] {
        let whole = json.to_string().len();
        let (_, part) = watched(Arc::new(Now), || json.to_string().len());
        assert!(part < whole / 2, "{part} of {whole}");
        assert_eq!(json.to_string().len(), whole);
    }
}

#[test]
fn text_is_normalized() {
    for (text, printed) in [
        (
            "{\"b\":1,\"a\":2,\"aa\":3}",
            "{\"a\": 2, \"b\": 1, \"aa\": 3}",
        ),
        ("{\"a\":1,\"a\":2}", "{\"a\": 2}"),
        (" [1 , 2.50,\tnull,true] ", "[1, 2.50, null, true]"),
        ("\"\\u00e9\\n\\/\\ud83d\\ude00\"", "\"é\\n/😀\""),
        ("1.10e2", "110"),
        ("-0", "0"),
        ("{}", "{}"),
        ("[[],{}]", "[[], {}]"),
        ("\"\\u0001\"", "\"\\u0001\""),
    ] {
        assert_eq!(json(text).to_string(), printed, "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "nul",
        "'a'",
        "\"a",
        "[1 2]",
        "{\"a\":1,}",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\t\"",
        "NaN",
        "1e",
        "tru",
    ] {
        let error = Json::parse(text).unwrap_err();
        assert_eq!(
            error.message(),
            "invalid input syntax for type json",
            "{text}"
        );
        assert!(validate(text).is_err(), "{text}");
    }
    assert_eq!(
        Json::parse("\"\\u0000\"").unwrap_err().state().as_str(),
        "22P05"
    );
    assert!(validate("\"\\u0000\"").is_ok());
    // The type `json` looks at surrogates only when they are asked for.
    for text in ["\"\\ud800\"", "\"\\udc00x\""] {
        assert!(Json::parse(text).is_err(), "{text}");
        assert!(validate(text).is_ok(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Json::parse(&deep).unwrap_err().state().as_str(), "54001");
}

#[test]
fn order_is_that_of_jsonb() {
    let sorted = [
        "[]",
        "null",
        "\"a\"",
        "\"b\"",
        "-1",
        "1",
        "1.5",
        "false",
        "true",
        "[1]",
        "[2]",
        "[[]]",
        "[1, 1]",
        "{}",
        "{\"a\": 1}",
        "{\"b\": 0}",
        "{\"a\": 1, \"b\": 1}",
    ];
    for (left_index, left) in sorted.iter().enumerate() {
        for (right_index, right) in sorted.iter().enumerate() {
            assert_eq!(
                json(left).cmp(&json(right)),
                left_index.cmp(&right_index),
                "{left} {right}"
            );
        }
    }
    assert_eq!(json("1.0"), json("1.00"));
}

#[test]
fn members_are_found() {
    let object = json("{\"a\": [1, 2], \"bb\": {}}");
    assert_eq!(object.member("a").unwrap().element(-1), Some(&json("2")));
    assert_eq!(object.member("c"), None);
    assert_eq!(object.element(0), None);
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (any::<i32>(), 0_u16..5)
            .prop_map(|(n, scale)| { Json::Number(Numeric::new(i128::from(n), scale).unwrap()) }),
        "[a-c\\x00-\\x02\"\\\\é]{0,3}"
            .prop_map(|text| Json::String(text.replace('\0', "n").into())),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec(("[a-b]{0,2}", inner), 0..4).prop_map(|members| {
                Json::object(
                    members
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn text_and_bytes_round_trip(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(json(&text).to_string(), text.clone());
        prop_assert!(validate(&text).is_ok());
        let mut row = Vec::new();
        encode_row(&value, &mut row);
        prop_assert_eq!(decode_row(&row).unwrap().to_string(), text);
    }

    #[test]
    fn keys_sort_as_values(left in any_json(), right in any_json()) {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        encode_key(&left, &mut x);
        encode_key(&right, &mut y);
        prop_assert_eq!(x.cmp(&y), left.cmp(&right));
        let mut reader = Reader::new(&x);
        prop_assert_eq!(decode_key(&mut reader).unwrap(), left);
        prop_assert!(reader.is_empty());
    }
}
