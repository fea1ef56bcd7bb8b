//! Queries whose answers follow from each other, generated; no server is needed.
//!
//! TLP: the rows of a query are those where a condition is true, those where it is not, and those
//! where it is unknown. NoREC: a condition holds for as many rows as it is true in a select list.
//! And every way to join gives the same rows, with much memory or hardly any.

use rustdb_sql::Methods;

use crate::differential::query::{Maker, Scope};
use crate::differential::random::Random;
use crate::differential::same_rows;
use crate::differential::schema::{Kind, tables};
use crate::engines::{Ours, Outcome, Talk};

fn rows(session: &mut Ours, query: &str) -> Option<Vec<Vec<Option<String>>>> {
    match session.run(query) {
        Outcome::Ran { mut rows, .. } => {
            rows.sort();
            Some(rows)
        }
        // What fails while it runs may fail in one form and not in another.
        Outcome::Failed { state, message } => {
            assert!(!state.starts_with("XX"), "{query}: {message}");
            None
        }
    }
}

#[test]
fn parts_of_a_query_are_the_whole() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let (tables, script) = tables(&mut random);
        let mut session = Ours::alone();
        for statement in &script {
            assert_eq!(session.run(statement).state(), None, "{statement}");
        }
        for _ in 0..25 {
            let mut maker = Maker::new(&mut random, &tables);
            let (from, scope) = maker.from(&Scope::default());
            let condition = maker.expression(Kind::Bool, &scope, 2).sql();
            // A subquery might have an aggregate over these rows, which has no parts.
            maker.budget = 0;
            let item = maker.expression(Kind::Text, &scope, 1).sql();
            let from = from.sql();
            parted(&mut session, &item, &from, &condition);
            counted(&mut session, &from, &condition);
        }
    }
}

fn parted(session: &mut Ours, item: &str, from: &str, condition: &str) {
    let Some(whole) = rows(session, &format!("select {item}{from}")) else {
        return;
    };
    let mut parts = Vec::new();
    for test in ["", "not ", "null is not distinct from "] {
        let query = format!("select {item}{from} where {test}({condition})");
        match rows(session, &query) {
            Some(part) => parts.extend(part),
            None => return,
        }
    }
    parts.sort();
    assert_eq!(parts, whole, "select {item}{from} by {condition}");
}

fn counted(session: &mut Ours, from: &str, condition: &str) {
    let optimised = rows(session, &format!("select count(*){from} where {condition}"));
    let plain = format!(
        "select count(*) filter (where b) from (select ({condition}) is true as b{from}) x"
    );
    if let (Some(optimised), Some(plain)) = (optimised, rows(session, &plain)) {
        assert_eq!(optimised, plain, "{from} where {condition}");
    }
}

const ONLY_HASH: Methods = Methods {
    hash: true,
    nested: false,
    merge: false,
};

const ONLY_NESTED: Methods = Methods {
    hash: false,
    nested: true,
    merge: false,
};

const ONLY_MERGE: Methods = Methods {
    hash: false,
    nested: false,
    merge: true,
};

#[test]
fn every_way_to_join_gives_the_same_rows() {
    for seed in 100..112 {
        let mut random = Random::new(seed);
        let (tables, script) = tables(&mut random);
        let mut session = Ours::alone();
        for statement in &script {
            session.run(statement);
        }
        for _ in 0..25 {
            let query = Maker::new(&mut random, &tables).statement().sql();
            let mut answers = Vec::new();
            for methods in [Methods::default(), ONLY_HASH, ONLY_NESTED, ONLY_MERGE] {
                session.0.set_join_methods(methods);
                answers.extend(rows(&mut session, &query));
            }
            if let Some((first, others)) = answers.split_first() {
                assert!(others.iter().all(|other| other == first), "{query}");
            }
        }
    }
}

/// Of equal intervals that look different a query may give either.
fn alike(mut rows: Vec<Vec<Option<String>>>) -> Vec<Vec<Option<String>>> {
    for cell in rows.iter_mut().flatten().flatten() {
        if cell == "24:00:00" {
            *cell = "1 day".to_owned();
        }
    }
    rows
}

#[test]
fn a_query_gives_the_same_rows_with_hardly_any_memory() {
    for seed in 200..212 {
        let mut random = Random::new(seed);
        let (tables, script) = tables(&mut random);
        let mut session = Ours::alone();
        for statement in &script {
            session.run(statement);
        }
        for _ in 0..25 {
            let query = Maker::new(&mut random, &tables).statement().sql();
            session.0.set_work_mem(None);
            let much = rows(&mut session, &query).map(alike);
            session.0.set_work_mem(Some(1));
            let little = rows(&mut session, &query).map(alike);
            if let (Some(much), Some(little)) = (much, little) {
                assert!(
                    same_rows(&query, &much, &little),
                    "{query}: {much:?}, {little:?}"
                );
            }
        }
    }
}
