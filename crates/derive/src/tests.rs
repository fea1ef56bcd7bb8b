//! What is refused, and how it is said. That what is derived compiles and works is tested where
//! the traits are, in `rustdb`.

use syn::parse_str;

use crate::expand;
use crate::shape::Struct;

/// The derives' words about a struct: of reading, writing and naming a table.
fn said(text: &str) -> [String; 3] {
    let parse = |name| Struct::parse(name, parse_str(text).expect("an item"));
    let told = |result: syn::Result<proc_macro2::TokenStream>| match result {
        Ok(_) => "derived".to_owned(),
        Err(error) => error.to_string(),
    };
    [
        told(parse("FromRow").and_then(|it| expand::from_row(&it))),
        told(parse("ToRow").and_then(|it| expand::to_row(&it))),
        told(parse("Schema").and_then(|it| expand::schema(&it))),
    ]
}

fn all_say(text: &str, words: &str) {
    for said in said(text) {
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn structs_are_derived() {
    let text = "#[rustdb(table = \"t\")] struct T<A> { id: i64, #[rustdb(rename = \"b\")] a: A }";
    assert_eq!(said(text), ["derived", "derived", "derived"]);
    let [read, written, named] = said("#[rustdb(table = \"t\")] struct Pair(i64, String);");
    assert_eq!((&*read, &*written), ("derived", "derived"));
    assert!(named.contains("name the fields"), "{named}");
}

#[test]
fn what_is_no_struct_with_fields_is_refused() {
    all_say("enum Mood { Good }", "is for structs; `Mood` is an enum");
    all_say("union U { a: i32 }", "is for structs; `U` is a union");
    all_say(
        "struct Nothing;",
        "is for structs; `Nothing` is one without fields",
    );
}

#[test]
fn attributes_that_are_not_known_are_named_with_those_that_are() {
    all_say(
        "struct T { #[rustdb(renam = \"x\")] a: i32 }",
        "unknown attribute of a field; there are `rename = \"...\"`, `skip`",
    );
    all_say(
        "#[rustdb(tabel = \"x\")] struct T { a: i32 }",
        "there are `table = \"...\"`",
    );
    all_say(
        "struct T { #[rustdb(rename = 5)] a: i32 }",
        "expected string literal",
    );
    all_say(
        "struct T { #[rustdb(rename = \"\")] a: i32 }",
        "a column has a name",
    );
    all_say("struct T { #[rustdb(skip, skip)] a: i32 }", "said twice");
}

#[test]
fn attributes_that_contradict_each_other_are_refused() {
    all_say(
        "struct T { #[rustdb(skip, default)] a: i32, b: i32 }",
        "`skip` is no column",
    );
    all_say(
        "struct T { #[rustdb(flatten, rename = \"x\")] a: A }",
        "`flatten` is several",
    );
    all_say(
        "struct T(#[rustdb(rename = \"x\")] i32);",
        "places and no names",
    );
}

#[test]
fn two_fields_of_one_column_are_refused() {
    all_say(
        "struct T { a: i32, #[rustdb(rename = \"a\")] b: i32 }",
        "another field has the column `a`",
    );
}

#[test]
fn a_row_with_nothing_to_write_and_a_struct_without_table_are_refused() {
    let [read, written, named] = said("struct T { #[rustdb(read_only)] id: i32 }");
    assert_eq!(read, "derived");
    assert!(written.contains("no column left"), "{written}");
    assert!(named.contains("which table is it?"), "{named}");
}
