//! Which operator or function a call means, and the common type of expressions.

use proptest::prelude::RngExt;
use proptest::test_runner::{TestRng, TestRunner};
use rustdb_types::{
    Candidate, Operator, Parameter, Type, common_type, operators_named, resolve_function,
    resolve_operator,
};

use super::values::types;
use super::{Case, described};
use crate::server::Server;

const NAMES: &[&str] = &[
    "+", "-", "*", "/", "%", "=", "<", ">=", "||", "~~", "&", "<<", "->", "@>", "&&",
];

/// Every pair of types for some operators, and every type behind a prefix operator.
pub(super) fn operators() -> Vec<Case> {
    let mut of = types();
    of.extend([Type::INT4, Type::TEXT, Type::NUMERIC].map(|of| of.array_of()));
    of.push(Type::UNKNOWN);
    let mut cases = Vec::new();
    for name in NAMES {
        for left in &of {
            for right in &of {
                let sql = format!("pg_typeof({} {name} {})", null(left), null(right));
                let ours = resolved_operator(name, Some(left), right);
                cases.push(Case { sql, ours });
            }
        }
    }
    for name in ["+", "-", "@", "~", "|/"] {
        for right in &of {
            let sql = format!("pg_typeof({name} {})", null(right));
            cases.push(Case {
                sql,
                ours: resolved_operator(name, None, right),
            });
        }
    }
    cases
}

fn null(of: &Type) -> String {
    if *of == Type::UNKNOWN {
        "null".to_owned()
    } else {
        format!("null::{}", of.full_name())
    }
}

fn resolved_operator(name: &str, left: Option<&Type>, right: &Type) -> String {
    let infix = |operator: &&Operator| operator.left.is_some() == left.is_some();
    let operators: Vec<&Operator> = operators_named(name).filter(infix).collect();
    let lists: Vec<Vec<Parameter>> = operators.iter().map(|each| each.parameters()).collect();
    let candidates: Vec<Candidate<'_>> = operators
        .iter()
        .zip(&lists)
        .map(|(operator, list)| operator.candidate(list))
        .collect();
    match resolve_operator(name, left, right, &candidates) {
        Ok(resolved) => resolved.result.name(),
        Err(error) => described(&error),
    }
}

/// The common type of two and three expressions.
pub(super) fn common() -> Vec<Case> {
    let mut of = types();
    of.extend([Type::INT4, Type::TEXT].map(|of| of.array_of()));
    of.push(Type::UNKNOWN);
    let mut cases = Vec::new();
    let mut push = |types: &[&Type]| {
        let list: Vec<String> = types.iter().map(|of| null(of)).collect();
        let types: Vec<Type> = types.iter().map(|of| (*of).clone()).collect();
        let ours = common_type(&types, "COALESCE");
        cases.push(Case {
            sql: format!("pg_typeof(coalesce({}))", list.join(", ")),
            ours: ours.map_or_else(|error| described(&error), |of| of.name()),
        });
    };
    for left in &of {
        for right in &of {
            push(&[left, right]);
        }
    }
    let numbers = [
        &Type::INT2,
        &Type::INT8,
        &Type::NUMERIC,
        &Type::FLOAT4,
        &Type::OID,
        &Type::UNKNOWN,
    ];
    let texts = [
        &Type::TEXT,
        &Type::VARCHAR,
        &Type::BPCHAR,
        &Type::NAME,
        &Type::UNKNOWN,
    ];
    let times = [
        &Type::DATE,
        &Type::TIMESTAMP,
        &Type::TIMESTAMPTZ,
        &Type::TIME,
    ];
    for family in [&numbers[..], &texts[..], &times[..]] {
        for first in family {
            for second in family {
                family
                    .iter()
                    .for_each(|third| push(&[first, second, third]));
            }
        }
    }
    cases
}

/// A function of generated overloads.
struct Overload {
    parameters: Vec<Parameter>,
    variadic: bool,
    defaults: usize,
}

/// Calls of generated functions with generated overloads.
pub(super) fn functions(server: &Server) -> Vec<Case> {
    const FUNCTIONS: usize = 250;
    const CALLS: usize = 30;
    let mut runner = TestRunner::deterministic();
    let rng = runner.rng();
    let mut drawn = Vec::new();
    for number in 0..FUNCTIONS {
        let wanted = rng.random_range(1..6_usize);
        drawn.extend((0..wanted).map(|index| (number, index, overload(rng))));
    }
    let definition = |(number, index, overload): &(usize, usize, Overload)| {
        definition(&format!("f{number}"), *index, overload)
    };
    let definitions: Vec<String> = drawn.iter().map(definition).collect();
    let made = server.execute("set client_min_messages = error", &definitions);
    let mut made = made.iter();
    drawn.retain(|_| made.next().is_some_and(|answer| answer == "ok"));
    let mut cases = Vec::new();
    for number in 0..FUNCTIONS {
        let name = format!("f{number}");
        let overloads: Vec<&(usize, usize, Overload)> = drawn
            .iter()
            .filter(|overload| overload.0 == number)
            .collect();
        let result = Parameter::Of(Type::TEXT);
        let candidates: Vec<Candidate<'_>> = overloads
            .iter()
            .map(|(_, _, overload)| Candidate {
                parameters: &overload.parameters,
                result: &result,
                variadic: overload.variadic,
                defaults: overload.defaults,
            })
            .collect();
        for _ in 0..CALLS {
            let count = rng.random_range(1..4_usize);
            let actual: Vec<Type> = (0..count).map(|_| argument(rng)).collect();
            let list: Vec<String> = actual.iter().map(null).collect();
            let ours = match resolve_function(&name, &actual, false, &candidates) {
                Ok(resolved) => overloads[resolved.index].1.to_string(),
                Err(error) => described(&error),
            };
            cases.push(Case {
                sql: format!("{name}({})", list.join(", ")),
                ours,
            });
        }
    }
    cases
}

fn pick<'a, T>(rng: &mut TestRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

fn argument(rng: &mut TestRng) -> Type {
    const SCALARS: &[Type] = &[
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::NUMERIC,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::TEXT,
        Type::VARCHAR,
        Type::NAME,
        Type::DATE,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::INTERVAL,
        Type::BOOL,
        Type::JSONB,
    ];
    match rng.random_range(0..10_u32) {
        0..3 => Type::UNKNOWN,
        3 => pick(rng, SCALARS).array_of(),
        _ => pick(rng, SCALARS).clone(),
    }
}

fn parameter(rng: &mut TestRng) -> Parameter {
    match rng.random_range(0..12_u32) {
        0 => Parameter::AnyElement,
        1 => Parameter::AnyArray,
        2 => pick(rng, &[Parameter::AnyNonArray, Parameter::AnyCompatible]).clone(),
        3 => pick(
            rng,
            &[
                Parameter::AnyCompatibleArray,
                Parameter::AnyCompatibleNonArray,
            ],
        )
        .clone(),
        _ => loop {
            let of = argument(rng);
            if of != Type::UNKNOWN {
                return Parameter::Of(of);
            }
        },
    }
}

fn overload(rng: &mut TestRng) -> Overload {
    let count = rng.random_range(1..4_usize);
    let mut parameters: Vec<Parameter> = (0..count).map(|_| parameter(rng)).collect();
    let variadic = rng.random_range(0..6_u32) == 0;
    if variadic {
        let last = match rng.random_range(0..4_u32) {
            0 => Parameter::AnyArray,
            1 => Parameter::AnyCompatibleArray,
            _ => Parameter::Of(pick(rng, &[Type::INT4, Type::TEXT, Type::NUMERIC]).array_of()),
        };
        *parameters.last_mut().unwrap() = last;
    }
    // A default of a polymorphic parameter has no type of its own.
    let concrete = |parameter: &&Parameter| parameter.concrete().is_some();
    let concrete = parameters.iter().rev().take_while(concrete).count();
    let plain = !variadic && concrete > 0 && rng.random_range(0..3_u32) == 0;
    let defaults = if plain {
        rng.random_range(1..=concrete)
    } else {
        0
    };
    Overload {
        parameters,
        variadic,
        defaults,
    }
}

fn definition(name: &str, index: usize, overload: &Overload) -> String {
    let count = overload.parameters.len();
    let parameters: Vec<String> = overload
        .parameters
        .iter()
        .enumerate()
        .map(|(at, parameter)| {
            let variadic = if overload.variadic && at + 1 == count {
                "variadic "
            } else {
                ""
            };
            let default = if at + overload.defaults >= count {
                " default null"
            } else {
                ""
            };
            format!("{variadic}p{at} {}{default}", parameter.name())
        })
        .collect();
    let parameters = parameters.join(", ");
    format!(
        "create function {name}({parameters}) returns text language sql as $$select '{index}'::text$$"
    )
}
