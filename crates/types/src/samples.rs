//! Types and values for property tests.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{
    Array, Base, Dimension, EnumLabel, EnumType, Interval, Json, Modifier, Numeric, Oid, Type,
    Value,
};

/// A type whose values have keys, and some values of it, NULL among them.
pub(crate) fn typed_values(count: usize) -> impl Strategy<Value = (Type, Vec<Value>)> {
    any_type().prop_flat_map(move |of| {
        let value = prop_oneof![1 => Just(Value::Null), 6 => value_of(&of)];
        prop::collection::vec(value, count).prop_map(move |values| (of.clone(), values))
    })
}

/// A type and one value.
pub(crate) fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    typed_values(1).prop_map(|(of, mut values)| (of, values.pop().unwrap()))
}

pub(crate) fn mood() -> Type {
    let label = |id, order, label: &str| {
        Arc::new(EnumLabel {
            id,
            order,
            label: label.to_owned(),
        })
    };
    Type::of_enum(Arc::new(EnumType {
        oid: Oid(20000),
        array_oid: Oid(20001),
        name: "mood".to_owned(),
        labels: vec![
            label(3, -1.0, "sad"),
            label(1, 0.0, "so-so"),
            label(2, 0.5, "happy"),
        ],
    }))
}

fn any_type() -> impl Strategy<Value = Type> {
    let bases: Vec<Base> = Base::ALL
        .into_iter()
        .filter(|base| base.is_ordered() && !matches!(base, Base::Record))
        .collect();
    let scalar = prop_oneof![
        10 => prop::sample::select(bases).prop_map(|base| match base {
            Base::Bpchar => Type::BPCHAR.with_modifier(Modifier::characters(base, 4).unwrap()),
            other => Type::of(other),
        }),
        1 => Just(mood()),
    ];
    (scalar, prop::bool::weighted(0.2))
        .prop_map(|(of, array)| if array { of.array_of() } else { of })
}

fn value_of(of: &Type) -> BoxedStrategy<Value> {
    if let Some(element) = of.element_type() {
        let value = prop_oneof![1 => Just(Value::Null), 4 => value_of(&element)];
        let flat = prop::collection::vec(value.clone(), 0..4)
            .prop_map(|values| Value::Array(Arc::new(Array::from_values(values))));
        let square = (prop::collection::vec(value, 4), -1_i32..2).prop_map(|(values, lower)| {
            let dimensions = vec![
                Dimension { lower, length: 2 },
                Dimension {
                    lower: 1,
                    length: 2,
                },
            ];
            Value::Array(Arc::new(Array::new(dimensions, values).unwrap()))
        });
        return prop_oneof![3 => flat, 1 => square].boxed();
    }
    match of.base() {
        Some(base) => base_value(base, of.modifier),
        None => {
            let crate::Element::Enum(definition) = &of.element else {
                unreachable!()
            };
            prop::sample::select(definition.labels.clone())
                .prop_map(Value::Enum)
                .boxed()
        }
    }
}

fn base_value(base: Base, modifier: Modifier) -> BoxedStrategy<Value> {
    let short = || "[a-c\\x00\\x01 é]{0,4}";
    let small = |n: i64| prop_oneof![-3..3_i64, any::<i64>(), Just(n)];
    match base {
        Base::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Base::Int2 => any::<i16>().prop_map(Value::Int2).boxed(),
        Base::Int4 => prop_oneof![any::<i32>(), -2..2]
            .prop_map(Value::Int4)
            .boxed(),
        Base::Int8 => small(i64::MIN).prop_map(Value::Int8).boxed(),
        Base::Float4 => prop_oneof![any::<f32>(), Just(0.0), Just(-0.0), Just(f32::NAN)]
            .prop_map(Value::Float4)
            .boxed(),
        Base::Float8 => prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), Just(-f64::NAN)]
            .prop_map(Value::Float8)
            .boxed(),
        Base::Numeric => numeric().prop_map(Value::Numeric).boxed(),
        Base::Oid => any::<u32>().prop_map(Value::Oid).boxed(),
        Base::Bpchar => short()
            .prop_map(move |text| Value::Text(crate::io::pad(text, modifier)))
            .boxed(),
        Base::Text | Base::Varchar | Base::Name | Base::Char => {
            prop_oneof![short(), "[a-b]{20,26}"]
                .prop_map(|text| Value::text(&text))
                .boxed()
        }
        Base::Bytea => prop::collection::vec(prop_oneof![0..3_u8, any::<u8>()], 0..6)
            .prop_map(Value::from)
            .boxed(),
        Base::Date => prop_oneof![any::<i32>(), -2..2]
            .prop_map(Value::Date)
            .boxed(),
        Base::Time => (0..86_400_000_001_i64).prop_map(Value::Time).boxed(),
        Base::Timestamp => small(i64::MAX).prop_map(Value::Timestamp).boxed(),
        Base::Timestamptz => small(i64::MIN).prop_map(Value::Timestamptz).boxed(),
        Base::Interval => prop_oneof![
            (any::<i32>(), any::<i32>(), any::<i64>()),
            (
                -2..2,
                -31..31,
                prop::sample::select(vec![0, 86_400_000_000, -86_400_000_000, 1])
            ),
        ]
        .prop_map(|(months, days, micros)| Value::Interval(Interval::new(months, days, micros)))
        .boxed(),
        Base::Uuid => any::<[u8; 16]>().prop_map(Value::Uuid).boxed(),
        Base::Jsonb => json().prop_map(|json| Value::Jsonb(Arc::new(json))).boxed(),
        Base::Vector => prop::collection::vec(-2_i8..3, 1..4)
            .prop_map(|numbers| Value::Vector(numbers.into_iter().map(f32::from).collect()))
            .boxed(),
        Base::Json | Base::Unknown | Base::Record | Base::Void => Just(Value::Null).boxed(),
    }
}

pub(crate) fn numeric() -> impl Strategy<Value = Numeric> {
    let coefficient = prop_oneof![
        -20..20_i128,
        any::<i64>().prop_map(i128::from),
        any::<i128>()
    ];
    let finite = (coefficient, 0_u16..30)
        .prop_map(|(coefficient, scale)| Numeric::new(coefficient, scale).unwrap());
    prop_oneof![
        9 => finite,
        1 => prop::sample::select(vec![Numeric::NAN, Numeric::INFINITY, Numeric::NEGATIVE_INFINITY]),
    ]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-3..3_i32).prop_map(|number| Json::Number(number.into())),
        "[a-b]{0,2}".prop_map(|text| Json::String(text.into())),
    ];
    leaf.prop_recursive(2, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::vec(("[a-b]{0,2}", inner), 0..3).prop_map(|members| {
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
