use proptest::prelude::*;

use super::*;
use crate::modifier::Modifier;

fn number(text: &str) -> Numeric {
    Numeric::parse(text, Modifier::NONE).unwrap()
}

fn check(actual: Result<Numeric>, expected: &str) {
    assert_eq!(actual.unwrap().to_string(), expected);
}

#[test]
fn text_is_kept() {
    for text in [
        "0",
        "0.00",
        "-1.50",
        "123456789012345678",
        "1234567890123456789",
        "0.0000000000000000001",
        "99999999999999999999999999999999999999.5",
        "-0.00012",
        "10000",
        "100000000",
        "NaN",
        "Infinity",
        "-Infinity",
        "10000.0001",
        "0.000100000000000000000000000",
    ] {
        assert_eq!(number(text).to_string(), text);
    }
    for (text, printed) in [
        (" 1 ", "1"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1.25e-3", "0.00125"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("inf", "Infinity"),
        ("00012.10", "12.10"),
        ("1.5E+1", "15"),
        ("123e20", "12300000000000000000000"),
        ("0e-3", "0.000"),
    ] {
        assert_eq!(number(text).to_string(), printed, "{text}");
    }
    for text in [
        "", " ", ".", "-", "1e", "1.2.3", "1 2", "e5", "0x10", "+-1", "1e+", "--1", "infi",
    ] {
        let error = Numeric::parse(text, Modifier::NONE).unwrap_err();
        assert_eq!(
            error.message(),
            format!("invalid input syntax for type numeric: \"{text}\"")
        );
    }
}

#[test]
fn results_have_postgresqls_scales() {
    check(number("1").divide(&number("3")), "0.33333333333333333333");
    check(number("2").divide(&number("3")), "0.66666666666666666667");
    check(number("10").divide(&number("4")), "2.5000000000000000");
    check(
        number("1").divide(&number("1000000")),
        "0.000001000000000000000000",
    );
    check(number("1.5").multiply(&number("2.50")), "3.750");
    check(number("1.5").add(&number("2.50")), "4.00");
    check(number("5.5").remainder(&number("-2.25")), "1.00");
    check(
        number("12345678901234567890").divide(&number("7")),
        "1763668414462081127",
    );
    check(number("-7").divide_truncated(&number("2")), "-3");
    check(number("2").sqrt(), "1.414213562373095");
    check(number("2.5").round(0), "3");
    check(number("-2.5").round(0), "-3");
    check(number("1250").round(-2), "1300");
    check(number("-1.5").floor(), "-2");
    check(number("-1.5").ceil(), "-1");
}

#[test]
fn what_is_no_number_follows_its_rules() {
    let (infinity, minus, nan) = (Numeric::INFINITY, Numeric::NEGATIVE_INFINITY, Numeric::NAN);
    check(infinity.add(&minus), "NaN");
    check(infinity.subtract(&minus), "Infinity");
    check(infinity.multiply(&number("0")), "NaN");
    check(infinity.multiply(&number("-2")), "-Infinity");
    check(number("1").divide(&infinity), "0");
    check(infinity.divide(&minus), "NaN");
    check(nan.divide(&number("0")), "NaN");
    assert_eq!(
        infinity.divide(&number("0")).unwrap_err().message(),
        "division by zero"
    );
    assert!(nan == nan && nan > infinity && infinity > number("1e1000") && minus < number("-1e9"));
}

#[test]
fn modifier_rounds_then_checks() {
    let with = |text: &str, precision, scale| {
        Numeric::parse(text, Modifier::numeric(precision, scale).unwrap())
    };
    check(with("1.005", 4, 2), "1.01");
    check(with("99.994", 4, 2), "99.99");
    check(with("12345", 3, -2), "12300");
    check(with("0.00001234", 3, 7), "0.0000123");
    let error = with("99.995", 4, 2).unwrap_err();
    assert_eq!(error.message(), "numeric field overflow");
    assert_eq!(
        error.detail().unwrap(),
        "A field with precision 4, scale 2 must round to an absolute value less than 10^2."
    );
    assert!(with("Infinity", 4, 2).is_err());
    check(with("NaN", 4, 2), "NaN");
}

#[test]
fn limits_are_those_of_the_format() {
    assert!(Numeric::parse("1e131071", Modifier::NONE).is_ok());
    assert!(Numeric::parse("1e131072", Modifier::NONE).is_err());
    assert!(Numeric::parse("1e-16383", Modifier::NONE).is_ok());
    assert!(Numeric::parse("1e-16384", Modifier::NONE).is_err());
    assert!(Numeric::parse("1e99999999999999999999", Modifier::NONE).is_err());
}

/// Numbers of all sizes, as coefficient and scale.
fn parts() -> impl Strategy<Value = (i128, u16)> {
    let coefficient = prop_oneof![
        -1000_i128..1000,
        any::<i32>().prop_map(i128::from),
        any::<i64>().prop_map(i128::from),
        -10_i128.pow(30)..10_i128.pow(30),
    ];
    (coefficient, 0_u16..24)
}

fn large(number: &Numeric) -> Numeric {
    Numeric(Repr::Large(number.digits_or_zero().normalized().into()))
}

proptest! {
    #[test]
    fn arithmetic_agrees_with_i128((left, left_scale) in parts(), (right, right_scale) in parts()) {
        let (left, right) = (left % 10_i128.pow(15), right % 10_i128.pow(15));
        let a = Numeric::new(left, left_scale).unwrap();
        let b = Numeric::new(right, right_scale).unwrap();
        let scale = left_scale.max(right_scale);
        let raise = |n: i128, by: u16| n * 10_i128.pow(u32::from(by));
        let (x, y) = (raise(left, scale - left_scale), raise(right, scale - right_scale));
        for (a, b) in [(a.clone(), b.clone()), (large(&a), large(&b)), (a.clone(), large(&b))] {
            let text = |n: i128| Numeric::new(n, scale).unwrap().to_string();
            prop_assert_eq!(a.add(&b).unwrap().to_string(), text(x + y));
            prop_assert_eq!(a.subtract(&b).unwrap().to_string(), text(x - y));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            let product = Numeric::new(left * right, left_scale + right_scale).unwrap();
            prop_assert_eq!(a.multiply(&b).unwrap().to_string(), product.to_string());
            if y != 0 {
                prop_assert_eq!(a.remainder(&b).unwrap().to_string(), text(x % y));
            }
        }
    }

    #[test]
    fn small_and_large_numbers_divide_alike((left, s) in parts(), (right, t) in parts()) {
        let a = Numeric::new(left, s).unwrap();
        let b = Numeric::new(right, t).unwrap();
        prop_assume!(right != 0);
        let quotient = a.divide(&b).unwrap();
        prop_assert_eq!(quotient.to_string(), large(&a).divide(&large(&b)).unwrap().to_string());
        // |a - q * b| is at most half a unit of q times b.
        let rest = a.subtract(&quotient.multiply(&b).unwrap()).unwrap().absolute();
        let unit = Numeric::new(5, (quotient.scale().unwrap() + 1) as u16).unwrap();
        prop_assert!(rest <= unit.multiply(&b.absolute()).unwrap());
    }

    #[test]
    fn text_round_trips((coefficient, scale) in parts()) {
        let value = Numeric::new(coefficient, scale).unwrap();
        let text = value.to_string();
        prop_assert_eq!(number(&text).to_string(), text.clone());
        let negative = coefficient < 0;
        let digits = format!("{:0>1$}", coefficient.unsigned_abs(), usize::from(scale) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        let point = if scale > 0 { "." } else { "" };
        prop_assert_eq!(text, format!("{}{whole}{point}{fraction}", if negative { "-" } else { "" }));
    }

    #[test]
    fn bytes_round_trip_and_sort((left, s) in parts(), (right, t) in parts()) {
        let a = Numeric::new(left, s).unwrap();
        let b = Numeric::new(right, t).unwrap();
        let mut row = Vec::new();
        encode_row(&a, &mut row);
        prop_assert_eq!(decode_row(&row).unwrap().to_string(), a.to_string());
        let (mut x, mut y) = (Vec::new(), Vec::new());
        encode_key(&a, &mut x);
        encode_key(&b, &mut y);
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        let (back, length) = decode_key(&x, 0).unwrap();
        prop_assert_eq!(back, a);
        prop_assert_eq!(length, x.len());
    }

    #[test]
    fn square_of_the_root_is_near((coefficient, scale) in parts()) {
        let value = Numeric::new(coefficient.abs(), scale).unwrap();
        let root = value.sqrt().unwrap();
        let unit = Numeric::new(5, (root.scale().unwrap() + 1) as u16).unwrap();
        let (low, high) = (root.subtract(&unit).unwrap(), root.add(&unit).unwrap());
        let square = |n: &Numeric| n.multiply(n).unwrap();
        prop_assert!(low < Numeric::ZERO || square(&low) <= value);
        prop_assert!(square(&high) >= value);
    }
}
