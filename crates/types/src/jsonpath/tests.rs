//! What PostgreSQL answers, checked without one.

use super::*;
use crate::json::Json;

fn printed(text: &str) -> String {
    Path::parse(text).unwrap().to_string()
}

fn items(path: &str, json: &str) -> String {
    let path = Path::parse(path).unwrap();
    let root = Json::parse(json).unwrap();
    let variables = Json::parse(r#"{"x": 2}"#).unwrap();
    let search = Search {
        path: &path,
        root: &root,
        variables: &variables,
        silent: false,
    };
    match search.items() {
        Ok(Found::Items(items) | Found::Wrong(items)) => {
            let items: Vec<String> = items.iter().map(Json::to_string).collect();
            items.join(" ")
        }
        Err(error) => error.state().as_str().to_owned(),
    }
}

#[test]
fn paths_print_in_one_form() {
    for (text, form) in [
        ("$", "$"),
        ("strict $.a", "strict $.\"a\""),
        ("$.a + 1 * 2", "($.\"a\" + 1 * 2)"),
        ("($.a + 1) * 2", "(($.\"a\" + 1) * 2)"),
        ("-1", "-1"),
        ("- $.a", "(-$.\"a\")"),
        (
            "$ ? (@.a > 1 && !(@.b == null))",
            "$?(@.\"a\" > 1 && !(@.\"b\" == null))",
        ),
        (
            "$.**{2 to last}.b[last - 1, 0 to 2]",
            "$.**{2 to last}.\"b\"[last - 1,0 to 2]",
        ),
        (
            "exists ($.a ? (@ starts with $v))",
            "exists ($.\"a\"?(@ starts with $\"v\"))",
        ),
        (
            r#"$ ? (@ like_regex "a" flag "im")"#,
            r#"$?(@ like_regex "a" flag "im")"#,
        ),
        ("($.a == 1) is unknown", "($.\"a\" == 1) is unknown"),
    ] {
        assert_eq!(printed(text), form);
        assert_eq!(printed(form), form);
    }
}

#[test]
fn wrong_paths_are_refused() {
    for text in [
        "",
        "$.",
        "@",
        "last",
        "$ ? (1)",
        "$ == 1 == 2",
        "1a",
        "$.datetime()",
        "!$",
    ] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
    assert!(Path::parse(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000))).is_err());
}

#[test]
fn lax_paths_unwrap_and_strict_ones_refuse() {
    assert_eq!(items("$.a", r#"[{"a": 1}, {"a": 2}]"#), "1 2");
    assert_eq!(items("strict $.a", r#"[{"a": 1}]"#), "2203A");
    assert_eq!(items("$[0]", "5"), "5");
    assert_eq!(items("$[1 to last]", "[1, 2, 3]"), "2 3");
    assert_eq!(items("strict $[3]", "[1, 2, 3]"), "22033");
    assert_eq!(items("$.**{0}.a.b", r#"{"a": {"b": 1}}"#), "1");
    assert_eq!(items("$.**{0}.b", r#"{"a": {"b": 1}}"#), "");
    assert_eq!(
        items(
            "$[*] ? ((exists (@.a + 1)) is unknown)",
            r#"[{"a": "x"}, 1]"#
        ),
        r#"{"a": "x"} 1"#
    );
    assert_eq!(
        items("$.**", r#"{"a": {"b": 1}}"#),
        r#"{"a": {"b": 1}} {"b": 1} 1"#
    );
}

#[test]
fn predicates_may_be_unknown() {
    assert_eq!(items("$[*] ? (@ > $x)", "[1, 2, 3, \"4\"]"), "3");
    assert_eq!(items("$[*] ? ((@ > $x) is unknown)", "[1, \"4\"]"), "\"4\"");
    assert_eq!(items("$ > 1", "\"a\""), "null");
    assert_eq!(
        items("$ ? (@ like_regex \"^A\" flag \"i\")", "\"abc\""),
        "\"abc\""
    );
    assert_eq!(items("1 / 0", "1"), "22012");
    assert_eq!(items("$ ? (1 / @ > 0)", "0"), "");
}
