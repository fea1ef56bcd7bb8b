//! Arithmetic of `numeric`.

use proptest::test_runner::TestRunner;
use rustdb_types::{Modifier, Numeric};

use super::{Case, described, samples};

pub(super) fn cases() -> Vec<Case> {
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::string::string_regex(
        "-{0,1}(0|[1-9][0-9]{0,3}|[1-9][0-9]{3,30}|10000|9999|0)(\\.[0-9]{1,4}|\\.[0-9]{4,25}|\\.0000[0-9]){0,1}|NaN|Infinity|-Infinity",
    )
    .unwrap();
    let numbers = samples(&mut runner, &strategy, 3000);
    let text = |result: rustdb_types::Result<Numeric>| match result {
        Ok(number) => number.to_string(),
        Err(error) => described(&error),
    };
    let read = |text: &str| Numeric::parse(text, Modifier::NONE).unwrap();
    let mut cases = Vec::new();
    for pair in numbers.chunks_exact(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let (x, y) = (read(a), read(b));
        for (operator, ours) in [
            ("+", text(x.add(&y))),
            ("-", text(x.subtract(&y))),
            ("*", text(x.multiply(&y))),
            ("/", text(x.divide(&y))),
            ("%", text(x.remainder(&y))),
        ] {
            cases.push(Case {
                sql: format!("'{a}'::numeric {operator} '{b}'::numeric"),
                ours,
            });
        }
        let order = format!("{}", x.cmp(&y) as i32);
        cases.push(Case {
            sql: format!("numeric_cmp('{a}', '{b}')"),
            ours: order,
        });
        for (sql, ours) in [
            (
                format!("div('{a}'::numeric, '{b}'::numeric)"),
                text(x.divide_truncated(&y)),
            ),
            (format!("sqrt('{a}'::numeric)"), text(x.sqrt())),
            (format!("round('{a}'::numeric, 2)"), text(x.round(2))),
            (format!("round('{a}'::numeric, -3)"), text(x.round(-3))),
            (format!("trunc('{a}'::numeric, 3)"), text(x.truncate(3))),
            (format!("ceil('{a}'::numeric)"), text(x.ceil())),
            (format!("floor('{a}'::numeric)"), text(x.floor())),
            (format!("-('{a}'::numeric)"), text(Ok(x.negate()))),
            (format!("abs('{a}'::numeric)"), text(Ok(x.absolute()))),
        ] {
            cases.push(Case { sql, ours });
        }
    }
    cases
}
