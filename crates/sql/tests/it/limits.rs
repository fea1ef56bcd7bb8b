//! What is very large, very deep or very strange: an answer or an error, never a crash.

use rustdb_types::Value;

use crate::engines::{Ours, Outcome, Talk};

/// The one cell of an answer, or the code of the error.
fn cell(session: &mut Ours, text: &str) -> String {
    match session.run(text) {
        Outcome::Failed { state, .. } => state,
        Outcome::Ran { rows, tag } => match rows.first().and_then(|row| row.first()) {
            Some(cell) => cell.clone().unwrap_or_default(),
            None => tag,
        },
    }
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_table_may_have_a_thousand_columns() {
    let mut session = Ours::alone();
    let columns = list(1000, |at| format!("c{at} int"));
    assert_eq!(
        cell(&mut session, &format!("create table t ({columns})")),
        "CREATE TABLE"
    );
    let values = list(1000, |at| at.to_string());
    assert_eq!(
        cell(&mut session, &format!("insert into t values ({values})")),
        "INSERT 0 1"
    );
    assert_eq!(
        cell(&mut session, "update t set c999 = c0 + c998"),
        "UPDATE 1"
    );
    assert_eq!(
        cell(&mut session, "select c999 from t where c500 = 500"),
        "998"
    );
    assert_eq!(
        cell(
            &mut session,
            "select count(*) from (select * from t group by c1, c2, c3, c0) x"
        ),
        "42803"
    );
    let many = list(1601, |at| format!("c{at} int"));
    assert_eq!(
        cell(&mut session, &format!("create table u ({many})")),
        "54011"
    );
    let many = list(1665, |at| at.to_string());
    assert_eq!(cell(&mut session, &format!("select {many}")), "54011");
}

#[test]
fn a_value_may_have_a_hundred_megabytes() {
    let mut session = Ours::alone();
    session.run("create table t (id int primary key, v text, b bytea)");
    let insert = "insert into t values (1, repeat('x', 100000000), null)";
    assert_eq!(cell(&mut session, insert), "INSERT 0 1");
    assert_eq!(cell(&mut session, "select length(v) from t"), "100000000");
    assert_eq!(
        cell(&mut session, "select substr(v, 99999999) || '!' from t"),
        "xx!"
    );
    let large = Value::from(vec![7_u8; 5_000_000].as_slice());
    let answer = session.0.execute("update t set b = $1", &[large]);
    assert_eq!(answer.unwrap()[0].tag.to_string(), "UPDATE 1");
    assert_eq!(cell(&mut session, "select length(b) from t"), "5000000");
    assert_eq!(
        cell(&mut session, "select length(repeat('x', 2000000000))"),
        "54000"
    );
}

#[test]
fn a_query_may_join_two_hundred_tables() {
    let mut session = Ours::alone();
    session.run("create table t (id int primary key, next int)");
    session.run("insert into t select i, i + 1 from generate_series(1, 300) i");
    let mut from = "t t0".to_owned();
    for at in 1..200 {
        from.push_str(&format!(" join t t{at} on t{at}.id = t{}.next", at - 1));
    }
    let query = format!("select t199.id from {from} where t0.id = 1");
    assert_eq!(cell(&mut session, &query), "200");
    let commas = list(200, |at| format!("t t{at}"));
    let conditions: Vec<String> = (0..200)
        .map(|at| format!("t{at}.id = {}", at + 1))
        .collect();
    let query = format!(
        "select count(*) from {commas} where {}",
        conditions.join(" and ")
    );
    assert_eq!(cell(&mut session, &query), "1");
}

#[test]
fn parameters_lists_and_names_may_be_many_and_long() {
    let mut session = Ours::alone();
    session.run("create table t (id int primary key)");
    session.run("insert into t select generate_series(1, 100)");
    let parameters: Vec<Value> = (0..65_535).map(Value::Int4).collect();
    let marks = list(65_535, |at| format!("${}", at + 1));
    let query = format!("select count(*) from t where id in ({marks})");
    let answer = session.0.execute(&query, &parameters).unwrap();
    assert_eq!(answer[0].rows[0][0], Value::Int8(100));
    assert_eq!(cell(&mut session, "select $65536"), "42P02");
    let literals = list(100_000, |at| at.to_string());
    let query = format!("select count(*) from t where id in ({literals})");
    assert_eq!(cell(&mut session, &query), "100");
    let rows = list(20_000, |at| format!("({})", at + 1000));
    assert_eq!(
        cell(&mut session, &format!("insert into t values {rows}")),
        "INSERT 0 20000"
    );
    let name = "x".repeat(100_000);
    assert_eq!(
        cell(&mut session, &format!("create table {name} ({name} int)")),
        "CREATE TABLE"
    );
    let short = "x".repeat(63);
    assert_eq!(
        cell(&mut session, &format!("select count({short}) from {short}")),
        "0"
    );
    assert_eq!(
        cell(
            &mut session,
            &format!("select '{}' = ''", "é".repeat(1_000_000))
        ),
        "f"
    );
}

#[test]
fn names_and_text_may_be_strange() {
    let mut session = Ours::alone();
    let table = "\"\u{1F600} \"\"t\"\" \"";
    session.run(&format!("create table {table} (\"é\" text primary key)"));
    assert_eq!(
        cell(
            &mut session,
            &format!("insert into {table} values ('\u{0}')")
        ),
        "22021"
    );
    assert_eq!(
        cell(&mut session, &format!("insert into {table} values ('ü')")),
        "INSERT 0 1"
    );
    let query = format!("select \"é\" from {table} where \"é\" > 'a'");
    assert_eq!(cell(&mut session, &query), "ü");
}

#[test]
fn an_index_row_that_is_too_long_names_the_index() {
    let mut session = crate::database::session();
    let mut failure = |text: &str| match session.execute(text, &[]) {
        Ok(answers) => answers
            .last()
            .map(|it| it.tag.to_string())
            .unwrap_or_default(),
        Err(error) => format!("{}: {}", error.state().as_str(), error.message()),
    };
    failure("create table t (id text primary key, a text, b text unique)");
    failure("create index t_a on t (a, id)");
    let long = |bytes: usize, index: &str| {
        format!("54000: index row size {bytes} exceeds maximum 65000 for index \"{index}\"")
    };
    let large = "repeat('x', 70000)";
    for (values, expected) in [
        (format!("{large}, '', ''"), long(70002, "t_pkey")),
        (format!("'1', {large}, ''"), long(70010, "t_a")),
        (format!("'1', '', {large}"), long(70003, "t_b_key")),
    ] {
        assert_eq!(
            failure(&format!("insert into t values ({values})")),
            expected
        );
        assert_eq!(failure(&format!("insert into t select {values}")), expected);
    }
    failure("insert into t values ('1', '', '')");
    let update = failure("update t set a = repeat('x', 70000)");
    assert_eq!(update, long(70010, "t_a"));
    failure("create table u (a text)");
    failure("insert into u values (repeat('x', 70000))");
    assert!(failure("create index u_a on u (a)").ends_with("for index \"u_a\""));
    assert!(failure("alter table u add primary key (a)").ends_with("for index \"u_pkey\""));
}

/// Opened, the last of these views would read the table a billion times over.
#[test]
fn views_are_not_opened_to_define_others_over_them() {
    let mut session = crate::database::session();
    let mut run = |text: &str| drop(session.execute(text, &[]).unwrap());
    run("create table t (a int, b text)");
    run("create view v0 as select * from t");
    for number in 1..=30 {
        let below = number - 1;
        run(&format!(
            "create view v{number} as select x.a, y.b from v{below} x join v{below} y on x.a = y.a"
        ));
    }
    // What a view names itself it depends on, and its columns have the types of those below.
    run("create view counted (n, c) as select count(*), max(b) from v2");
    run("insert into t values (1, 'one')");
    let answers = session.execute("select n || c from counted", &[]).unwrap();
    let row = answers[0].rows.iter().next().unwrap();
    assert_eq!(row[0].as_str(), Some("1one"));
    let error = session.execute("drop view v1", &[]).unwrap_err();
    assert_eq!(error.detail().unwrap_or_default().lines().count(), 30);
}

#[test]
fn types_that_postgresql_has_are_told_by_name() {
    let mut session = Ours::alone();
    for name in ["regclass", "regproc[]", "xid", "tid", "tsvector", "money"] {
        let state = cell(&mut session, &format!("create table t (a {name})"));
        assert_eq!(state, "0A000", "{name}");
    }
    assert_eq!(cell(&mut session, "create table t (a regretted)"), "42704");
}
