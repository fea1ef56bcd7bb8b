//! Joins that merge, beside the other ways to join.

use rustdb_sql::{Methods, Session};

use crate::database::session;
use crate::engines::{Ours, Outcome, Talk};

const HASH: Methods = Methods {
    hash: true,
    nested: false,
    merge: false,
};

const NESTED: Methods = Methods {
    hash: false,
    nested: true,
    merge: false,
};

const MERGE: Methods = Methods {
    hash: false,
    nested: false,
    merge: true,
};

/// Keys that repeat and that are NULL, of several types; `many` has more rows of a key than a batch.
fn tables() -> Session {
    let mut session = session();
    for statement in [
        "create table l (id int primary key, a int, b bigint, c text, f real)",
        "insert into l select i, nullif(i % 37, 5), i % 11, 'c' || i % 23, i % 7 from generate_series(1, 400) i",
        "create table r (id bigint primary key, a bigint, b int, c varchar(9), f float8)",
        "insert into r select i * 2, nullif(i % 41, 6), nullif(i % 13, 1), 'c' || i % 29, i % 5 from generate_series(1, 300) i",
        "create index r_a on r (a)",
        "create table many (k int, n int)",
        "insert into many select i % 3, i from generate_series(1, 6000) i",
        "create table few (k int, n int)",
        "insert into few select i % 5, i from generate_series(1, 20) i",
        "create table none (k int primary key)",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    session
}

fn rows(session: &mut Ours, query: &str) -> Vec<Vec<Option<String>>> {
    match session.run(query) {
        Outcome::Ran { rows, .. } => rows,
        Outcome::Failed { state, message } => panic!("{query}: {state} {message}"),
    }
}

fn plan(session: &mut Ours, query: &str) -> String {
    let lines = rows(session, &format!("explain (costs off) {query}"));
    lines
        .into_iter()
        .flatten()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n")
}

const JOINS: &[&str] = &[
    "l {} join r on l.id = r.id",
    "l {} join r on l.a = r.a",
    "l {} join r on l.a = r.a and l.b = r.b",
    "l {} join r on l.c = r.c and l.id < r.id",
    "l {} join r on l.f = r.f and l.a = r.b and (l.id + r.id) % 3 = 0",
    "l {} join (select * from r where id > 100 and b > 3) r on l.id = r.id and l.a = r.a",
    "l {} join (select a, count(*) as id from r group by a) r on l.a = r.a",
    "few l {} join many r on l.k = r.k",
    "many l {} join few r on l.k = r.k and l.n % 2 = r.n % 2",
    "l {} join none r on l.id = r.k",
    "none l {} join r on l.k = r.id",
];

#[test]
fn every_kind_of_join_gives_the_same_rows_by_every_method() {
    let mut session = Ours(tables());
    for join in JOINS {
        for kind in ["", "left", "right", "full"] {
            let query = format!("select l.*, r.* from {}", join.replace("{}", kind));
            compare(&mut session, &query, "Merge");
        }
        let (left, right) = join.split_once(" {} join ").unwrap();
        let (right, condition) = right.split_once(" on ").unwrap();
        for not in ["", "not "] {
            let query = format!(
                "select l.* from {left} where {not}exists (select from {right} where {condition})"
            );
            compare(&mut session, &query, "Merge");
        }
    }
}

fn compare(session: &mut Ours, query: &str, word: &str) {
    let mut expected: Option<Vec<_>> = None;
    for (methods, work_mem) in [
        (NESTED, None),
        (HASH, None),
        (MERGE, None),
        (MERGE, Some(1)),
        (Methods::default(), None),
    ] {
        session.0.set_join_methods(methods);
        session.0.set_work_mem(work_mem);
        if methods == MERGE {
            let plan = plan(session, query);
            assert!(plan.contains(word), "{query}: {plan}");
        }
        let mut rows = rows(session, query);
        rows.sort();
        match &expected {
            None => expected = Some(rows),
            Some(expected) => assert!(&rows == expected, "{methods:?}, {work_mem:?}: {query}"),
        }
    }
}

#[test]
fn several_joins_merge_one_after_the_other() {
    let mut session = Ours(tables());
    for query in [
        "select * from l join r on l.id = r.id join few on few.k = l.a join many on many.n = r.id",
        "select * from l left join (r join few on r.b = few.k) on l.a = r.a and l.b = few.n",
        "select x.id, y.id from l x join l y using (id) full join r z using (id)",
        "select (select count(*) from r join few on r.b = few.k where r.a = l.a) from l",
    ] {
        compare(&mut session, query, "Merge");
    }
}

#[test]
fn what_comes_sorted_is_not_sorted_again() {
    let mut session = Ours(tables());
    session.0.set_join_methods(MERGE);
    assert_eq!(
        plan(
            &mut session,
            "select * from l join r on l.id = r.id order by l.id"
        ),
        "Merge Join
  Merge Cond: (l.id = r.id)
  ->  Seq Scan on r
  ->  Seq Scan on l"
    );
    assert_eq!(
        plan(
            &mut session,
            "select * from l left join r on l.a = r.id and l.b < r.b"
        ),
        "Merge Left Join
  Merge Cond: (l.a = r.id)
  Join Filter: (l.b < r.b)
  ->  Sort
        Sort Key: l.a
        ->  Seq Scan on l
  ->  Seq Scan on r"
    );
    let sorted = rows(
        &mut session,
        "select l.id from l join r on l.id = r.id order by l.id desc",
    );
    let ids: Vec<i64> = sorted
        .iter()
        .map(|row| row[0].clone().unwrap().parse().unwrap())
        .collect();
    assert!(ids.len() > 100 && ids.is_sorted_by(|a, b| a > b));
}

#[test]
fn methods_are_turned_off_by_set() {
    let mut session = Ours(tables());
    let query = "select * from l join r on l.c = r.c";
    let first = |session: &mut Ours| plan(session, query).lines().next().unwrap().to_owned();
    assert_eq!(first(&mut session), "Hash Join");
    session.run("set enable_hashjoin = off");
    assert_eq!(first(&mut session), "Merge Join");
    session.run("set enable_mergejoin = off");
    assert_eq!(first(&mut session), "Nested Loop");
    session.run("set enable_nestloop = off");
    let without = first(&mut session);
    assert!(!without.is_empty());
    session.run("reset all");
    assert_eq!(first(&mut session), "Hash Join");
    let shown = rows(&mut session, "show enable_mergejoin");
    assert_eq!(shown, [[Some("on".to_owned())]]);
    // In a block, until it ends.
    session.run("begin; set local enable_hashjoin to off");
    assert_eq!(first(&mut session), "Merge Join");
    session.run("commit");
    assert_eq!(first(&mut session), "Hash Join");
}

#[test]
fn a_limit_costs_what_it_asks_for() {
    let mut session = Ours(tables());
    let mut cost = |query: &str| -> (f64, f64) {
        let line = rows(&mut session, &format!("explain {query}"))[0][0]
            .clone()
            .unwrap();
        let (_, costs) = line.split_once("cost=").unwrap();
        let (costs, _) = costs.split_once(' ').unwrap();
        let (start, all) = costs.split_once("..").unwrap();
        (start.parse().unwrap(), all.parse().unwrap())
    };
    let (_, all) = cost("select * from many");
    let (start, some) = cost("select * from many limit 60");
    assert!(
        start < 0.05 && some < all / 50.0 && some > all / 200.0,
        "{some} of {all}"
    );
    let (start, some) = cost("select * from many limit 60 offset 3000");
    assert!(
        start > all / 3.0 && some > start,
        "{start}, {some} of {all}"
    );
    // What is sorted is all there before the first row.
    let (start, some) = cost("select * from many order by n limit 1");
    assert!(start > all && some >= start, "{start}, {some} of {all}");
    let (_, none) = cost("select * from many limit null");
    assert!((none - all).abs() < 0.02, "{none} of {all}");
}
