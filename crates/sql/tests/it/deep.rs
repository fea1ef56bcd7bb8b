//! Statements that are nested deeply: they run, or are an error, on the smallest of stacks.

use rustdb_types::Value;

use crate::database::session;

/// Runs a statement in a thread with the stack that threads have by default.
fn run(text: String) -> Result<Option<Value>, String> {
    let body = || {
        let mut session = session();
        session.execute("create table t (a int)", &[]).unwrap();
        session.execute("insert into t values (1)", &[]).unwrap();
        match session.execute(&text, &[]) {
            Ok(answers) => Ok(answers
                .into_iter()
                .flat_map(|answer| answer.rows)
                .flatten()
                .next()),
            Err(error) => Err(error.state().as_str().to_owned()),
        }
    };
    std::thread::scope(|scope| scope.spawn(body).join().unwrap())
}

#[test]
fn chains_of_operators_are_long() {
    let terms = |term: &str, count: usize| vec![term; count].join("");
    let sum = format!("select 1{}", terms(" + 1", 1500));
    assert_eq!(run(sum), Ok(Some(Value::Int4(1501))));
    let any = format!("select a from t where a = 1{}", terms(" or a = 2", 1500));
    assert_eq!(run(any), Ok(Some(Value::Int4(1))));
    let all = format!("select a from t where a = 1{}", terms(" and a <> 2", 1500));
    assert_eq!(run(all), Ok(Some(Value::Int4(1))));
    let union = format!("select 1{}", terms(" union all select 2", 300));
    assert_eq!(run(union), Ok(Some(Value::Int4(1))));
    let text = format!("select length('x'{})", terms(" || 'x'", 1500));
    assert_eq!(run(text), Ok(Some(Value::Int4(1501))));
}

#[test]
fn what_is_too_deep_is_an_error() {
    let around = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    for depth in [80, 1000, 100_000] {
        for text in [
            format!("select {}", around("(", "1", ")", depth)),
            format!("select {}", around("abs(", "1", ")", depth)),
            format!("select {}", around("(select ", "1", ")", depth)),
            format!(
                "select {}",
                around("case when true then ", "1", " end", depth)
            ),
            format!("select {}", around("array[", "1", "]", depth)),
            format!(
                "{} t {}",
                around("select * from (", "select 1", ") t", depth),
                ""
            ),
            format!(
                "select a from t where {}",
                around("not (", "false", ")", depth)
            ),
            format!(
                "select a from t where {}",
                around("exists (select 1 from t where ", "true", ")", depth)
            ),
            format!("select 1{}", " + 1".repeat(depth * 100)),
        ] {
            // It may be answered, and it may be refused.
            let result = run(text);
            let is_refused = |state: &String| state.starts_with("54") || state == "42601";
            assert!(result.as_ref().err().is_none_or(is_refused), "{result:?}");
            assert!(depth < 1000 || result.is_err());
        }
    }
}
