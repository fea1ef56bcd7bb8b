//! Examples from chapter 10, and what needs no server; the differential test has many more.

use super::*;
use crate::operator::{Operator, operators_named};

fn operator(name: &str, left: Option<&Type>, right: &Type) -> std::result::Result<String, String> {
    let operators: Vec<&Operator> = operators_named(name).collect();
    let lists: Vec<Vec<Parameter>> = operators.iter().map(|each| each.parameters()).collect();
    let of_kind = |each: &&[Parameter]| each.len() == 1 + usize::from(left.is_some());
    let candidates: Vec<Candidate<'_>> = operators
        .iter()
        .zip(&lists)
        .filter(|(_, list)| of_kind(&list.as_slice()))
        .map(|(operator, list)| operator.candidate(list))
        .collect();
    let resolved = resolve_operator(name, left, right, &candidates);
    resolved
        .map(|resolved| {
            let names: Vec<String> = resolved.arguments.iter().map(Type::name).collect();
            format!("({}) -> {}", names.join(", "), resolved.result.name())
        })
        .map_err(|error| error.message().to_owned())
}

#[test]
fn unknown_literals_follow_the_other_side() {
    let infix = |name: &str, left: &Type, right: &Type| operator(name, Some(left), right).unwrap();
    assert_eq!(
        infix("+", &Type::UNKNOWN, &Type::INT4),
        "(integer, integer) -> integer"
    );
    assert_eq!(
        infix("||", &Type::UNKNOWN, &Type::UNKNOWN),
        "(text, text) -> text"
    );
    assert_eq!(
        infix("||", &Type::TEXT, &Type::INT4),
        "(text, integer) -> text"
    );
    assert_eq!(
        infix("=", &Type::VARCHAR, &Type::UNKNOWN),
        "(text, text) -> boolean"
    );
    let integers = Type::INT4.array_of();
    assert_eq!(
        infix("||", &integers, &Type::UNKNOWN),
        "(integer[], integer[]) -> integer[]"
    );
    assert_eq!(
        infix("||", &integers, &Type::INT8),
        "(bigint[], bigint) -> bigint[]"
    );
}

#[test]
fn what_cannot_be_decided_says_so() {
    assert_eq!(
        operator("+", Some(&Type::TEXT), &Type::INT4).unwrap_err(),
        "operator does not exist: text + integer"
    );
    assert_eq!(
        operator("~", None, &Type::UNKNOWN).unwrap_err(),
        "operator is not unique: ~ unknown"
    );
    // Numbers and intervals have a negative.
    assert_eq!(
        operator("-", None, &Type::UNKNOWN).unwrap_err(),
        "operator is not unique: - unknown"
    );
    assert_eq!(
        operator("@", None, &Type::UNKNOWN),
        Ok("(double precision) -> double precision".into())
    );
}

#[test]
fn defaults_and_variadic_parameters_widen_a_function() {
    let one = [Parameter::Of(Type::INT4), Parameter::Of(Type::INT4)];
    let many = [Parameter::Of(Type::INT4.array_of())];
    let result = Parameter::Of(Type::TEXT);
    let candidates = [
        Candidate {
            parameters: &one,
            result: &result,
            variadic: false,
            defaults: 1,
        },
        Candidate {
            parameters: &many,
            result: &result,
            variadic: true,
            defaults: 0,
        },
    ];
    let call = |actual: &[Type], spread| {
        let resolved = resolve_function("f", actual, spread, &candidates);
        resolved
            .map(|resolved| (resolved.index, resolved.expanded))
            .map_err(|error| error.state())
    };
    assert_eq!(call(&[Type::INT4, Type::INT4], false), Ok((0, false)));
    assert_eq!(
        call(&[Type::INT4, Type::INT2, Type::INT4], false),
        Ok((1, true))
    );
    assert_eq!(call(&[Type::INT4.array_of()], true), Ok((1, false)));
    assert_eq!(call(&[], false), Err(SqlState::UNDEFINED_FUNCTION));
    // One argument is the first function with a default, or an element of the second.
    assert_eq!(call(&[Type::INT4], false), Ok((0, false)));
    let single = [Parameter::Of(Type::INT4)];
    let short = Candidate {
        parameters: &single,
        result: &result,
        variadic: false,
        defaults: 0,
    };
    let tied = resolve_function("f", &[Type::INT4], false, &[candidates[0], short]);
    assert_eq!(tied.unwrap_err().state(), SqlState::AMBIGUOUS_FUNCTION);
}

#[test]
fn common_types_are_the_first_that_others_convert_to() {
    let common = |types: &[Type]| common_type(types, "UNION").map(|of| of.name());
    assert_eq!(
        common(&[Type::INT4, Type::NUMERIC, Type::UNKNOWN]).unwrap(),
        "numeric"
    );
    assert_eq!(common(&[Type::UNKNOWN, Type::UNKNOWN]).unwrap(), "text");
    assert_eq!(
        common(&[Type::INT4, Type::TEXT]).unwrap_err().message(),
        "UNION types integer and text cannot be matched"
    );
    let varchar = |n| Type::VARCHAR.with_modifier(crate::Modifier(n));
    assert_eq!(
        common_modifier(&[varchar(7), varchar(7)], &Type::VARCHAR).0,
        7
    );
    assert_eq!(
        common_modifier(&[varchar(7), varchar(8)], &Type::VARCHAR).0,
        -1
    );
}

#[test]
fn an_operator_of_just_the_types_is_what_the_rules_find() {
    let types = [
        Type::UNKNOWN,
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::NUMERIC,
        Type::TEXT,
        Type::BYTEA,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::INTERVAL,
        Type::JSONB,
        Type::INT4.array_of(),
    ];
    let names: std::collections::BTreeSet<&str> =
        crate::operators().map(|each| each.name).collect();
    let mut found = 0;
    for name in names {
        let named: Vec<_> = crate::operators_named(name)
            .filter(|operator| operator.left.is_some())
            .collect();
        let parameters: Vec<_> = named.iter().map(|operator| operator.parameters()).collect();
        let pairs = named.iter().zip(&parameters);
        let candidates: Vec<_> = pairs
            .map(|(operator, parameters)| operator.candidate(parameters))
            .collect();
        for left in &types {
            for right in &types {
                let Some(exact) = crate::operator_exactly(name, Some(left), right) else {
                    continue;
                };
                found += 1;
                let resolved = resolve_operator(name, Some(left), right, &candidates).unwrap();
                let chosen = named[resolved.index];
                assert!(std::ptr::eq(exact, chosen), "{left:?} {name} {right:?}");
            }
        }
    }
    assert!(found > 200, "{found}");
}
