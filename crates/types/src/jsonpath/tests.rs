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

#[test]
fn errors_that_make_a_predicate_unknown_do_not_add_up() {
    let texts = format!("[{}]", vec!["\"a\""; 5000].join(","));
    for path in [
        "$[*] ? (@ + 1 > 2)",
        "$[*] ? (@[\"x\"] > 2)",
        "strict $[*] ? (@.b > 2)",
        "$[*] ? (@.double() > 2)",
    ] {
        assert_eq!(items(path, &texts), "", "{path}");
    }
}

#[test]
fn a_chain_of_operators_is_as_long_as_can_be_walked() {
    for (first, more) in [
        ("$", " + 1"),
        ("$", " * 1"),
        ("$ == 1", " && $ == 1"),
        ("$ == 0", " || $ == 1"),
    ] {
        let path = |count| format!("{first}{}", more.repeat(count));
        let long = path(1000);
        assert!(printed(&long).len() > 2000);
        assert_eq!(items(&long, "1").split(' ').count(), 1);
        assert_ne!(items(&long, "1"), "54001", "{more}");
        let error = Path::parse(&path(1001)).unwrap_err();
        assert_eq!(error.state().as_str(), "54001", "{more}");
    }
}

#[test]
fn a_search_that_takes_long_is_stopped() {
    struct Now;
    impl crate::interrupt::Watch for Now {
        fn ask(&self) -> crate::Result<()> {
            Err(crate::Error::new(crate::SqlState::QUERY_CANCELED, "now"))
        }
    }
    let numbers: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let numbers = format!("[{}]", numbers.join(","));
    let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
    for (path, json) in [
        ("$[*] ? (@ == $[*])", &numbers),
        ("$.**.**.**.**.**.**", &deep),
    ] {
        let path = Path::parse(path).unwrap();
        let root = Json::parse(json).unwrap();
        let search = Search {
            path: &path,
            root: &root,
            variables: &Json::parse("{}").unwrap(),
            silent: true,
        };
        let (_, done) = crate::interrupt::watched(std::sync::Arc::new(Now), || search.items());
        let error = done.err().unwrap();
        assert_eq!(error.state().as_str(), "57014");
    }
}
