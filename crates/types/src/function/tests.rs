//! Rows and calls that need no server to be checked against; values are in the differential test.

use super::*;
use crate::settings::Settings;
use crate::{Parameter, Type, resolve_function};

/// A clock that stands still, and chance that is none.
pub(crate) struct Still;

impl Host for Still {
    fn clock(&self) -> i64 {
        1_000_000
    }

    fn random_bytes(&self, out: &mut [u8]) {
        out.fill(7);
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn set_seed(&self, _: Random) {}
}

fn call(name: &str, types: &[Type], spread: bool) -> Call {
    let rows = functions_named(name);
    let candidates: Vec<Candidate<'_>> = rows.iter().map(Function::candidate).collect();
    let resolved = resolve_function(name, types, spread, &candidates).unwrap();
    Call::new(&rows[resolved.index], resolved, spread)
}

fn evaluate(name: &str, types: &[Type], spread: bool, arguments: &[Value]) -> Value {
    let settings = Settings::default();
    let context = FunctionContext {
        settings: &settings,
        statement_time: 0,
        host: &Still,
    };
    call(name, types, spread)
        .evaluate(arguments, &context)
        .unwrap()
}

#[test]
fn names_lead_to_rows_and_no_row_stands_twice() {
    assert!(functions().count() > 200);
    assert_eq!(functions_named("lpad").len(), 2);
    assert!(functions_named("no_such_function").is_empty());
    let rows: Vec<&Function> = functions().collect();
    for (index, row) in rows.iter().enumerate() {
        let same =
            |other: &&&Function| other.name == row.name && other.parameters == row.parameters;
        assert_eq!(
            rows[index + 1..].iter().find(same).map(|row| row.name),
            None
        );
        let last = row.parameters.last();
        assert!(
            !row.variadic || last == Some(&Parameter::Any) || last.unwrap().name().ends_with("[]")
        );
    }
}

#[test]
fn variadic_arguments_are_spread_and_gathered() {
    let texts = [Type::TEXT, Type::INT4, Type::BOOL];
    let values = [Value::text("a"), Value::Int4(1), Value::Bool(true)];
    assert_eq!(
        evaluate("concat", &texts, false, &values),
        Value::text("a1t")
    );
    let array = Value::Array(Arc::new(Array::from_values(vec![
        Value::Int4(1),
        Value::Int4(2),
    ])));
    let types = [Type::INT4.array_of()];
    assert_eq!(
        evaluate("concat", &types, true, &[array]),
        Value::text("12")
    );
    assert!(evaluate("concat", &types, true, &[Value::Null]).is_null());
}

#[test]
fn null_in_is_null_out_where_functions_are_strict() {
    assert!(
        evaluate(
            "lpad",
            &[Type::TEXT, Type::INT4],
            false,
            &[Value::Null, Value::Int4(3)]
        )
        .is_null()
    );
    assert_eq!(
        evaluate(
            "num_nulls",
            &[Type::TEXT, Type::INT4],
            false,
            &[Value::Null, Value::Int4(3)]
        ),
        Value::Int4(1)
    );
}

#[test]
fn defaults_stand_for_what_is_left_out() {
    let hours = evaluate("make_interval", &[Type::INT4], false, &[Value::Int4(2)]);
    assert_eq!(hours, Value::Interval(crate::Interval::new(24, 0, 0)));
}

#[test]
fn huge_results_are_refused_before_they_are_made() {
    let settings = Settings::default();
    let context = FunctionContext {
        settings: &settings,
        statement_time: 0,
        host: &Still,
    };
    let repeat = call("repeat", &[Type::TEXT, Type::INT4], false);
    let error = repeat.evaluate(&[Value::text("abc"), Value::Int4(i32::MAX)], &context);
    assert_eq!(error.unwrap_err().message(), "requested length too large");
    let fill = call("array_fill", &[Type::INT4, Type::INT4.array_of()], false);
    let length = Value::Array(Arc::new(Array::from_values(vec![Value::Int4(134_217_727)])));
    assert!(fill.evaluate(&[Value::Int4(1), length], &context).is_err());
}

#[test]
fn seeds_give_the_numbers_of_postgresql() {
    // `select setseed(0.5); select random(), random();`
    let mut random = Random::from_fraction(0.5).unwrap();
    assert_eq!(random.next_fraction(), 0.985_167_717_534_799_9);
    assert_eq!(random.next_fraction(), 0.825_301_858_027_981);
}

/// Says at once that the work shall stop.
struct Now;

impl crate::interrupt::Watch for Now {
    fn ask(&self) -> crate::Result<()> {
        Err(crate::Error::new(crate::SqlState::QUERY_CANCELED, "enough"))
    }
}

/// Calls with a megabyte of text or bytes, or a hundred thousand elements.
fn large_calls() -> Vec<(&'static str, Vec<Type>, Vec<Value>)> {
    let text = || Value::text(&"Ab1 ".repeat(250_000));
    let bytes = || Value::from("Ab1 ".repeat(250_000).as_bytes());
    let list = || {
        Value::Array(Arc::new(Array::from_values(
            (0..100_000).map(Value::Int4).collect(),
        )))
    };
    let (t, b, i, l) = (Type::TEXT, Type::BYTEA, Type::INT4, Type::INT4.array_of());
    vec![
        ("upper", vec![t.clone()], vec![text()]),
        ("lower", vec![t.clone()], vec![text()]),
        ("initcap", vec![t.clone()], vec![text()]),
        ("reverse", vec![t.clone()], vec![text()]),
        (
            "normalize",
            vec![t.clone(), t.clone()],
            vec![text(), Value::text("NFKD")],
        ),
        ("md5", vec![t.clone()], vec![text()]),
        ("md5", vec![b.clone()], vec![bytes()]),
        ("sha256", vec![b.clone()], vec![bytes()]),
        ("sha512", vec![b.clone()], vec![bytes()]),
        ("concat", vec![t.clone(), b.clone()], vec![text(), bytes()]),
        (
            "format",
            vec![t.clone(), t.clone()],
            vec![Value::text("%s"), text()],
        ),
        (
            "to_char",
            vec![i.clone(), t.clone()],
            vec![Value::Int4(1), text()],
        ),
        (
            "to_char",
            vec![Type::TIMESTAMP, t.clone()],
            vec![Value::Timestamp(0), text()],
        ),
        ("to_date", vec![t.clone(), t.clone()], vec![text(), text()]),
        (
            "array_remove",
            vec![l.clone(), i.clone()],
            vec![list(), Value::Int4(1)],
        ),
        (
            "array_positions",
            vec![l.clone(), i.clone()],
            vec![list(), Value::Int4(-1)],
        ),
        ("to_jsonb", vec![l.clone()], vec![list()]),
        ("concat", vec![t, l], vec![Value::text(""), list()]),
    ]
}

#[test]
fn calls_with_large_values_stop() {
    let settings = Settings::default();
    let context = FunctionContext {
        settings: &settings,
        statement_time: 0,
        host: &Still,
    };
    for (name, types, arguments) in large_calls() {
        let call = call(name, &types, false);
        let (_, result) = crate::interrupt::watched(Arc::new(Now), || {
            let result = call.evaluate(&arguments, &context);
            result.and_then(|_| crate::interrupt::finish())
        });
        assert_eq!(
            result.unwrap_err().state().as_str(),
            "57014",
            "{name}{types:?}"
        );
    }
}
