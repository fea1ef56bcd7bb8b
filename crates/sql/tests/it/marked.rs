//! Semi- and anti-joins that mark the rows of their left side: the same as by nested loops.

use std::sync::Arc;

use rustdb_sql::Session;
use rustdb_vfs::MemVfs;

use crate::database::{lines, managed};

fn run(session: &mut Session, text: &str) {
    let done = session.execute(text, &[]);
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

fn opened() -> Session {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    run(
        &mut session,
        "create table few (id int primary key, a int, b bigint, name text, code char(6), d int);
         insert into few select n, case when n % 9 = 0 then null else n * 5 end, n % 40, \
            case when n % 7 = 0 then null else 'name ' || n % 60 end, 'c' || n % 30, n % 4 \
            from generate_series(1, 200) n;
         create table many (id int primary key, a int, b int, name text, code char(6), d int, e numeric);
         insert into many select n, case when n % 11 = 0 then null else n % 1100 end, n % 37, \
            case when n % 13 = 0 then null else 'name ' || n % 47 end, 'c' || n % 23, n % 5, n / 3.0 \
            from generate_series(1, 4000) n",
    );
    manager.engine().flush().unwrap();
    run(&mut session, "analyze");
    session
}

/// Conditions of `few` and `many`.
const CONDITIONS: &[&str] = &[
    "many.a = few.a",
    "many.b = few.b",
    "many.name = few.name",
    "many.a = few.a and many.b = few.b",
    "many.a = few.a and many.d = few.d and many.name = few.name",
    "many.a = few.a and many.d <> few.d",
    "many.b = few.b and many.id > few.id * 12",
    "many.name = few.name and many.e > 1100",
    "many.a = few.a and many.e < 100",
    "many.a = few.a + 1",
    "many.a = few.a and many.a < 0",
    "many.b = few.d and many.name = few.name and length(many.name) + few.d > 8",
];

#[test]
fn marks_say_what_nested_loops_say() {
    let mut session = opened();
    let mut marked = 0;
    for workers in [0, 4] {
        for work_mem in ["64kB", "64MB"] {
            run(
                &mut session,
                &format!(
                    "set max_parallel_workers_per_gather = {workers}; set work_mem = '{work_mem}'; \
                     set min_parallel_table_scan_size = 0"
                ),
            );
            for condition in CONDITIONS {
                for not in ["", "not "] {
                    let exists = format!("{not}exists (select 1 from many where {condition})");
                    for query in [
                        format!("select * from few where {exists} order by id"),
                        format!("select count(*), sum(a), max(name) from few where {exists}"),
                        format!("select id from few where {exists} and id < 0"),
                        format!(
                            "select d, count(*) from (select * from few where {exists} limit 1000) f \
                             group by d order by d"
                        ),
                    ] {
                        run(
                            &mut session,
                            "set enable_nestloop = off; set enable_mergejoin = off",
                        );
                        let plan = lines(&mut session, &format!("explain {query}"));
                        marked += usize::from(plan.iter().any(|line| line.contains("Hash Right")));
                        let by_marks = lines(&mut session, &query);
                        run(
                            &mut session,
                            "set enable_nestloop = on; set enable_hashjoin = off",
                        );
                        assert_eq!(by_marks, lines(&mut session, &query), "{query}\n{plan:#?}");
                        run(&mut session, "set enable_hashjoin = on");
                    }
                }
            }
        }
    }
    assert!(marked > 100, "only {marked} plans had marks");
}

/// A division by zero in a pair is told, and one in a row that nobody asks about is not.
#[test]
fn errors_are_those_of_pairs() {
    let mut session = opened();
    run(
        &mut session,
        "set enable_nestloop = off; set enable_mergejoin = off",
    );
    let query = "select count(*) from few where exists \
        (select 1 from many where many.a = few.a and 1 / (many.d - few.d) > 5)";
    let plan = lines(&mut session, &format!("explain {query}"));
    assert!(
        plan.iter()
            .any(|line| line.contains("Hash Right Semi Join")),
        "{plan:#?}"
    );
    let error = session.execute(query, &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "22012");
    let query = "select count(*) from few where d < 0 and exists \
        (select 1 from many where many.a = few.a and 1 / (many.d - few.d) > 5)";
    assert_eq!(lines(&mut session, query), ["0"]);
}

/// Thousands of rows on both sides have the same key: those that have a mark are passed over at once.
#[test]
fn rows_of_one_key_are_marked_once() {
    let mut session = opened();
    run(
        &mut session,
        "create table same (id int primary key, a int, d int);
         insert into same select n, case when n <= 3000 then 0 else n end, n from generate_series(1, 6000) n;
         create table more (id int primary key, a int, d int);
         insert into more select n, case when n % 3 = 0 then 0 else n + 100000 end, n from generate_series(1, 20000) n; analyze;
         set enable_nestloop = off; set enable_mergejoin = off",
    );
    for (condition, count) in [
        ("more.a = same.a", 3000),
        ("more.a = same.a and more.d > same.d - 5", 3000),
    ] {
        let query = format!(
            "select count(*) from same where exists (select 1 from more where {condition})"
        );
        let plan = lines(&mut session, &format!("explain {query}"));
        assert!(
            plan.iter()
                .any(|line| line.contains("Hash Right Semi Join")),
            "{plan:#?}"
        );
        assert_eq!(lines(&mut session, &query), [count.to_string()]);
    }
}
