//! Which plan is chosen, and that every plan gives the same rows.

use rustdb_sql::{Methods, Session};

use crate::database::{lines, session};

/// Three tables of different sizes with keys, an index, NULLs and repeated values.
fn tables() -> Session {
    let mut session = session();
    for statement in [
        "create table big (id int primary key, grp int, tag text)",
        "create index big_grp on big (grp)",
        "create table small (id int primary key, big_id int, name text not null)",
        "create table empty (id int primary key, x int)",
        "insert into big select i, nullif(i % 50, 7), 'tag ' || i % 9 from generate_series(1, 3000) i",
        "insert into small select i, i * 100, 'name ' || i from generate_series(1, 40) i",
    ] {
        session.execute(statement, &[]).unwrap();
    }
    session
}

fn plan(session: &mut Session, query: &str) -> String {
    lines(session, &format!("explain (costs off) {query}")).join("\n")
}

#[test]
fn a_row_is_found_by_its_key() {
    let mut session = tables();
    assert_eq!(
        plan(
            &mut session,
            "select * from big where id = 5 and tag <> 'x'"
        ),
        "Index Scan using big_pkey on big\n  Index Cond: (id = 5)\n  Filter: (tag <> 'x'::text)"
    );
}

#[test]
fn queries_within_writes_find_their_rows_too() {
    let mut session = tables();
    let asked = "(select sum(id) from big where grp = small.id and id < 500)";
    for write in [
        format!("update small set big_id = {asked} where id = 3"),
        format!("update small set name = 'x' where id = 3 returning {asked}"),
        format!("delete from small where id = 3 returning {asked}"),
        format!(
            "insert into small values (3, 1, 'y')
             on conflict (id) do update set big_id = {asked} where {asked} > 0"
        ),
    ] {
        let plan = plan(&mut session, &write);
        assert!(plan.contains("Index Scan using big_grp on big"), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}

#[test]
fn a_prepared_statement_has_its_plan_explained() {
    let mut session = tables();
    let prepare = "prepare one (int) as select tag from big where id = $1";
    session.execute(prepare, &[]).unwrap();
    let shown = plan(&mut session, "execute one (5)");
    assert_eq!(
        shown,
        "Index Scan using big_pkey on big\n  Index Cond: (id = $1)"
    );
    let ran = lines(
        &mut session,
        "explain (analyze, timing off) execute one (5)",
    )
    .join("\n");
    assert!(ran.contains("rows=1 loops=1"), "{ran}");
    let error = session.execute("explain execute two", &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "26000");
}

#[test]
fn rows_are_looked_up_for_a_few_and_hashed_for_many() {
    let mut session = tables();
    assert_eq!(
        plan(
            &mut session,
            "select s.name, b.tag from big b join small s on b.id = s.big_id where s.id = 3"
        ),
        "Nested Loop
  ->  Index Scan using small_pkey on small s
        Index Cond: (id = 3)
  ->  Index Scan using big_pkey on big b
        Index Cond: (id = s.big_id)"
    );
    assert_eq!(
        plan(
            &mut session,
            "select count(*) from small s join big b on s.name = b.tag"
        ),
        "Aggregate
  ->  Hash Join
        Hash Cond: (s.name = b.tag)
        ->  Seq Scan on big b
        ->  Seq Scan on small s"
    );
}

#[test]
fn few_rows_are_asked_for_before_more_are_joined() {
    let mut session = tables();
    session.execute("analyze", &[]).unwrap();
    let query = "select count(*) from big a, big b, small s \
         where a.grp = b.grp and b.id = s.id + 10 \
         and a.id in (select big_id from small where id < 3 group by big_id)";
    let chosen = plan(&mut session, query);
    let place = |text: &str| {
        chosen
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {chosen}"))
    };
    // The semi-join stands below the join that multiplies its rows.
    assert!(place("Semi Join") > place("a.grp = b.grp"), "{chosen}");
    // Rows 100 and 200 are of the group of row 50, which row 40 of `small` leads to.
    assert_eq!(lines(&mut session, query), ["2"]);

    // What each side of an OR demands of one table leaves fewer rows to join.
    let query = "select count(*) from big b, small s where b.id = s.big_id \
         and (s.name = 'name 3' and b.grp < 40 or s.name = 'name 4' and b.grp > 100)";
    let chosen = plan(&mut session, query);
    let of_small = "(s.name = 'name 3'::text) OR (s.name = 'name 4'::text)";
    assert!(chosen.contains(of_small), "{chosen}");
    assert_eq!(lines(&mut session, query), ["1"]);

    // A query for each row is run for the rows that are left.
    let query = "select count(*) from big a where id in (select id from small) \
         and grp > (select count(*) from small where small.id > a.id)";
    let chosen = plan(&mut session, query);
    assert!(chosen.find("SubPlan") < chosen.find("Seq Scan"), "{chosen}");
    let plainly = "select count(*) from (select * from big a \
         where grp > (select count(*) from small where small.id > a.id) offset 0) a \
         where exists (select from small where small.id = a.id)";
    assert_eq!(lines(&mut session, query), lines(&mut session, plainly));
}

#[test]
fn an_index_saves_the_sort() {
    let mut session = tables();
    assert_eq!(
        plan(&mut session, "select id from big order by id desc limit 3"),
        "Limit\n  ->  Index Scan Backward using big_pkey on big"
    );
    assert_eq!(
        plan(&mut session, "select grp, id from big order by grp limit 3"),
        "Limit\n  ->  Index Scan using big_grp on big"
    );
    let sorted = plan(&mut session, "select grp, id from big order by grp");
    assert!(sorted.starts_with("Sort"), "all rows: {sorted}");
}

#[test]
fn what_is_constant_is_computed_once() {
    let mut session = tables();
    let plan = plan(
        &mut session,
        "select 1 from big where id < 10 * 2 + length('abc')",
    );
    assert!(plan.contains("(id < 23)"), "{plan}");
}

#[test]
fn estimates_follow_the_values() {
    let mut session = tables();
    let create = "create table skewed (x int, y int)";
    session.execute(create, &[]).unwrap();
    let fill = "insert into skewed select case when i % 10 < 9 then 1 else i end, i \
         from generate_series(1, 5000) i";
    session.execute(fill, &[]).unwrap();
    session.execute("analyze skewed", &[]).unwrap();
    let mut rows = |condition: &str| -> f64 {
        let text = lines(
            &mut session,
            &format!("explain select * from skewed where {condition} order by y"),
        );
        let scan = text.iter().find(|line| line.contains("Scan")).unwrap();
        let at = scan.find("rows=").unwrap() + 5;
        let digits = scan[at..].chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().unwrap()
    };
    let mut near = |condition: &str, expected: f64| {
        let found = rows(condition);
        let is_near = found >= expected / 1.5 && found <= expected * 1.5 + 1.0;
        assert!(is_near, "{condition}: {found} rows, not about {expected}");
    };
    near("x = 1", 4500.0);
    near("x = 2000", 1.0);
    near("y < 500", 500.0);
    near("y between 1000 and 2000", 1000.0);
    near("y > 4900 and x = 1", 90.0);
    near("x is null", 1.0);
    near("y in (1, 2, 3)", 3.0);
}

/// The rows that the first line of a plan is estimated to give.
fn estimated(session: &mut Session, query: &str) -> f64 {
    let plan = lines(session, &format!("explain {query}"));
    let rows = plan[0].split("rows=").nth(1).unwrap();
    rows.trim_end_matches(')').parse().unwrap()
}

#[test]
fn parts_of_a_key_are_not_independent() {
    let mut session = session();
    session
        .execute(
            "create table stock (part int, place int, n int, primary key (part, place));
             create table moves (id int primary key, part int, place int, day int);
             insert into stock select i / 20, i % 20, i from generate_series(0, 1999) i;
             insert into moves select i, i % 100, i % 20, i % 30 from generate_series(1, 3000) i;
             analyze stock; analyze moves",
            &[],
        )
        .unwrap();
    let query = "select * from moves m join stock s on s.part = m.part and s.place = m.place";
    // As if they were independent: 3000 * 2000 / 100 / 20, which is the same; with a filter on the
    // way it is not.
    for (filter, rows) in [("", 3000.0), (" where day = 1", 100.0)] {
        for method in ["hashjoin", "nestloop", "mergejoin"] {
            session
                .execute(&format!("set enable_{method} = off"), &[])
                .unwrap();
            let estimated = estimated(&mut session, &format!("{query}{filter}"));
            assert!(
                (estimated - rows).abs() < rows / 4.0,
                "{filter} {estimated}"
            );
            session
                .execute(&format!("reset enable_{method}"), &[])
                .unwrap();
        }
    }
    // Of parts that many rows have, and places that few have, there are not fewer.
    session
        .execute(
            "delete from stock where place > 0 and part > 0; analyze stock",
            &[],
        )
        .unwrap();
    let estimated = estimated(&mut session, &format!("{query} where m.id < 1000"));
    assert!(estimated > 500.0, "{estimated}");
}

#[test]
fn explain_analyze_runs_the_statement() {
    let mut session = tables();
    let text = lines(
        &mut session,
        "explain (analyze, costs off, timing off, summary off) \
         select * from small s join big b on b.id = s.big_id where s.id < 4",
    );
    assert_eq!(
        text,
        [
            "Nested Loop (actual rows=3 loops=1)",
            "  ->  Index Scan using small_pkey on small s (actual rows=3 loops=1)",
            "        Index Cond: (id < 4)",
            "  ->  Index Scan using big_pkey on big b (actual rows=1 loops=3)",
            "        Index Cond: (id = s.big_id)",
        ]
    );
    lines(
        &mut session,
        "explain analyze delete from small where id = 1",
    );
    assert_eq!(lines(&mut session, "select count(*) from small"), ["39"]);
    lines(&mut session, "explain delete from small");
    assert_eq!(lines(&mut session, "select count(*) from small"), ["39"]);
    let error = session
        .execute("explain (colour) select 1", &[])
        .unwrap_err();
    assert_eq!(error.state().as_str(), "42601");
    let json = lines(&mut session, "explain (format json, costs off) select 1");
    assert!(json[0].contains("\"Node Type\": \"Result\""), "{json:?}");
    let dot = lines(
        &mut session,
        "explain (format dot) select * from big order by tag",
    );
    assert!(dot[0].contains("n1 -> n0"), "{dot:?}");
}

/// Expressions are copied before they run; what their subqueries did is told all the same.
#[test]
fn explain_analyze_tells_what_subqueries_did() {
    let mut session = tables();
    let mut measured = |query: &str| {
        let explain = "explain (analyze, costs off, timing off, summary off)";
        let all = lines(&mut session, &format!("{explain} {query}"));
        assert!(!all.join("\n").contains("never executed"), "{all:?}");
        all.into_iter()
            .filter(|line| line.contains("SubPlan") || line.contains("Scan"))
            .map(|line| line.trim_start().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        measured(
            "select id, (select max(s.big_id) from small s where s.id > b.id) from big b where id <= 3"
        ),
        [
            "Index Scan using big_pkey on big b (actual rows=3 loops=1)",
            "->  SubPlan: Aggregate (actual rows=1 loops=3)",
            "->  Index Scan using small_pkey on small s (actual rows=38 loops=3)",
        ]
    );
    // One that is the same for all rows runs once, and one within it too.
    let nested = measured(
        "select id from small where big_id > (select count(*) + (select count(*) from empty) from empty)",
    );
    let subplans = nested.iter().filter(|line| line.contains("SubPlan:"));
    let loops: Vec<bool> = subplans.map(|line| line.ends_with("loops=1)")).collect();
    assert_eq!(loops, [true, true], "{nested:?}");
}

#[test]
fn every_way_to_join_gives_the_same_rows() {
    let mut session = tables();
    let joins = [
        "small s join big b on b.id = s.big_id",
        "small s left join big b on b.id = s.big_id + 1000",
        "big b right join small s on b.id = s.big_id and b.grp = 3",
        "small s full join (select * from big where id % 250 = 0) b on b.id = s.big_id",
        "big a join big b on a.grp = b.id join small s on s.id = b.id",
        "small s join empty e on e.id = s.id",
        "small s left join empty e on e.id = s.id",
        "small s, lateral (select * from big where grp = s.id and tag = 'tag 1') b",
    ];
    let conditions = [
        "true",
        "exists (select 1 from big x where x.grp = s.id)",
        "not exists (select 1 from big x where x.id = s.big_id * 2)",
        "s.id in (select grp from big where tag = 'tag 3')",
        "s.id not in (select grp from big where grp is not null and grp % 2 = 0)",
    ];
    let all = [
        Methods::default(),
        Methods {
            hash: false,
            ..Methods::default()
        },
        Methods {
            nested: false,
            ..Methods::default()
        },
        Methods {
            hash: false,
            nested: false,
            merge: true,
        },
    ];
    for join in joins {
        for condition in conditions {
            let query = format!("select * from {join} where {condition}");
            let mut expected: Option<Vec<String>> = None;
            for methods in all {
                session.set_join_methods(methods);
                let mut rows = lines(&mut session, &query);
                rows.sort();
                match &expected {
                    None => expected = Some(rows),
                    Some(expected) => assert_eq!(&rows, expected, "{methods:?}: {query}"),
                }
            }
        }
    }
}
