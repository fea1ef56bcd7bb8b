//! Statements that have more rows than memory.

use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_vfs::{Effect, Failure, Fault, MemVfs, OpSet, OsVfs, SimVfs, Vfs, VfsRef};

use crate::database::Still;
use crate::engines::{Ours, Outcome, Talk};

const ROWS: i64 = 20_000;

/// `a` is unique, `b` has a hundred values and NULL, `c` is long, and half of the rows of `d` are 7.
fn tables(vfs: VfsRef) -> Ours {
    let mut session = open(vfs);
    for table in ["t", "u"] {
        for statement in [
            format!("create table {table} (a int primary key, b int, c text, d int)"),
            format!(
                "insert into {table} select i, nullif(i % 101, 100), 'row ' || repeat(md5((i * 7 % 9973)::text), 2),
                 case when i % 2 = 0 then 7 else i end from generate_series(1, {ROWS}) i"
            ),
        ] {
            assert_eq!(session.run(&statement).state(), None, "{statement}");
        }
    }
    session
}

fn open(vfs: VfsRef) -> Ours {
    let engine = Engine::open(vfs, Path::new("/db"), EngineOptions::default()).unwrap();
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    Ours(Database::open(manager, Arc::new(Still)).unwrap().connect())
}

/// What is asked, of tables several times as large as the limit.
const QUERIES: &[&str] = &[
    "select a, c from t order by c, a desc",
    "select b, a from t order by b desc nulls last limit 5 offset 15000",
    "select c, a from t order by c limit 3000",
    "select t.a, u.c from t join u on t.c = u.c and t.a < u.a",
    "select t.a, u.a from t left join u on t.a = u.a * 2 and u.b < 50",
    "select t.a, u.a from t right join u on t.a = u.a * 2 and t.b < 50",
    "select t.a, u.a, t.c from t full join u on t.a = u.a + 10000",
    "select a, c from t where a in (select b * 3 from u)",
    "select a, c from t where not exists (select from u where u.c = t.c and u.a > t.a)",
    // Half of the rows have one key.
    "select count(*), sum(t.a) from t join (select * from u where a < 3000) u on t.d = u.d",
    "select count(*), sum(t.a + u.a) from (select * from t where a < 50) t full join u on t.d = u.d and u.b = 3",
    "select t.a, u.b from t join u using (a) order by t.a",
    "select t.a, u.b from t left join u on t.c = u.c order by t.a, u.a",
    "select c, count(*), sum(a), min(b) from t group by c",
    "select c, b, count(*), grouping(c) from t group by cube (c, b)",
    "select b, count(distinct c), sum(distinct a) from t group by b",
    "select d % 50, array_agg(a order by c, a), count(distinct b) from t group by 1",
    "select c, percentile_cont(0.5) within group (order by a), mode() within group (order by b) from t group by c",
    "select percentile_cont(array[0.1, null, 0.99]) within group (order by a desc), percentile_disc(0.3) within group (order by c),
            percentile_disc(array[0, 1]) within group (order by b nulls first), percentile_cont(0.7) within group (order by b),
            mode() within group (order by d), mode() within group (order by b nulls first), rank(500, 'x') within group (order by a, c),
            dense_rank('row 8') within group (order by c), cume_dist(3) within group (order by b), percent_rank(7) within group (order by d desc)
     from t",
    "select string_agg(distinct b::text, ','), count(distinct c) from t",
    "select sum(a) filter (where b > 3), count(*) from t group by c having count(*) > 2",
    "select distinct c, b from t",
    "select distinct on (c) c, a from t order by c, a desc",
    "select c, a from t union select c, a + 5 from u",
    "select c from t intersect select c from u where a < 9000",
    "select c from t intersect all select c from u where a < 9000",
    "select c, a from t except select c, a from u where a % 3 = 0",
    "select b from t except all select b from u where a > 100",
    "select a, sum(a) over (partition by c order by a), rank() over (order by b) from t",
    "select a, row_number() over (order by c, a), lag(a) over (partition by b order by a) from t",
    // One partition is larger than the memory.
    "select a, sum(a) over (), c, count(*) filter (where b > 50) over () from t",
    "select a, first_value(c) over w, last_value(c) over w, nth_value(a, 3) over w, lag(c, 5000, 'none') over w,
            lead(a, -7) over w, ntile(7) over w, percent_rank() over w, cume_dist() over w, dense_rank() over w
     from t window w as (order by b, d)",
    "select a, sum(a) over (order by a rows between 3000 preceding and 20 following),
            min(c) over (order by a rows between 50 preceding and current row),
            count(*) over (order by b groups between 1 preceding and 2 following),
            array_agg(a) over (order by c desc, a rows between 2 preceding and current row) from t",
    "select a, max(c) over (order by a desc range between 100 preceding and unbounded following),
            sum(a) over (order by b range between 3 preceding and 1 following),
            string_agg(left(c, 6), ',') filter (where a % 900 = 0) over (order by a) from t",
    "select a, sum(a) over w, first_value(c) over w, nth_value(c, 4) over w, last_value(a) over w from t where a < 2000
     window w as (order by b nulls first, a range between unbounded preceding and current row exclude group)",
    "select a, avg(a) over (order by b groups between 2 preceding and current row exclude ties),
            min(c) over (order by b range between 2 preceding and 1 following exclude current row) from t where a < 2000",
    "select a, row_number() over (partition by a % 2 order by c, a), max(c) over (partition by a % 2 order by b) from t",
    "with x as materialized (select a, c from t) select count(*), max(y.c) from x join x y on x.a = y.a + 1",
    "with recursive r (n, c) as (select 1, repeat('x', 50) union all select n + 1, c from r where n < 9000)
     select count(*), max(n) from r",
    "select count(*) from (select a from t where a < 40) t cross join u where t.a < u.b",
    "select count(*) from t where a < 120 and a > all (select b from u where b is not null)",
    "select (select max(x.c) from (select u.c from u where u.b = t.b order by u.c) x) from t where a < 5",
];

fn rows(session: &mut Ours, query: &str) -> Vec<Vec<Option<String>>> {
    match session.run(query) {
        Outcome::Ran { rows, .. } => rows,
        Outcome::Failed { state, message } => panic!("{query}: {state} {message}"),
    }
}

fn spill_files(vfs: &dyn Vfs) -> usize {
    let entries = vfs.read_dir(Path::new("/db")).unwrap();
    let spilled = entries.iter().filter(|each| each.name.contains(".spill"));
    spilled.count()
}

/// Whether ORDER BY stands outside of all parentheses.
fn is_ordered(query: &str) -> bool {
    let mut depth = 0;
    query.char_indices().any(|(at, letter)| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        depth == 0 && query[at..].starts_with("order by")
    })
}

#[test]
fn answers_are_the_same_with_little_memory() {
    let vfs = Arc::new(MemVfs::new());
    let mut session = tables(vfs.clone());
    for query in QUERIES {
        session.run("set work_mem = '1GB'");
        let mut much = rows(&mut session, query);
        session.run("set work_mem = '64kB'");
        let mut little = rows(&mut session, query);
        assert!(!much.is_empty(), "{query}");
        if !is_ordered(query) {
            much.sort();
            little.sort();
        }
        assert!(much == little, "{query}");
        assert_eq!(spill_files(&*vfs), 0, "{query}");
    }
}

/// The figures of a plan's lines: those after a word.
/// Rows that are equal stay in the order in which they are read, limit or not, so that the first
/// are the same ones.
#[test]
fn the_first_rows_are_those_of_the_whole_order() {
    let mut session = tables(Arc::new(MemVfs::new()));
    for order in [
        "a desc",
        "b, c",
        "b desc nulls last",
        "b nulls first, d",
        "d, c desc",
    ] {
        for memory in ["64MB", "64kB"] {
            rows(&mut session, &format!("set work_mem = '{memory}'"));
            let all = rows(&mut session, &format!("select a from t order by {order}"));
            for (first, skipped) in [(0, 5), (1, 0), (10, 0), (10, 700), (1100, 3), (19_990, 8)] {
                let text =
                    format!("select a from t order by {order} limit {first} offset {skipped}");
                let some = rows(&mut session, &text);
                assert!(some == all[skipped..skipped + first], "{text}, {memory}");
            }
        }
    }
}

fn figures(session: &mut Ours, query: &str, word: &str) -> Vec<u64> {
    let lines = rows(
        session,
        &format!("explain (analyze, costs off, timing off) {query}"),
    );
    let lines = lines.into_iter().flatten().flatten();
    let found = lines.filter_map(|line| {
        let (_, after) = line.split_once(word)?;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    found.collect()
}

#[test]
fn what_operators_hold_is_bounded() {
    let mut session = tables(Arc::new(MemVfs::new()));
    // A batch of a thousand rows comes at once, and is counted before anything can be done.
    let batch = 300;
    for (query, word) in [
        (QUERIES[0], "Disk: "),
        (QUERIES[3], "Batches: "),
        (QUERIES[6], "Batches: "),
        ("select c, count(*) from t group by c, a", "Disk Usage: "),
        ("select distinct c, a from t", "Disk Usage: "),
    ] {
        session.run("set work_mem = '256kB'");
        let found = figures(&mut session, query, word);
        assert!(found.iter().any(|each| *each > 1), "{query}: {found:?}");
        let held = figures(&mut session, query, "Memory Usage: ");
        assert!(
            held.iter().all(|each| *each < 256 + batch),
            "{query}: {held:?}"
        );
        session.run("set work_mem = '1GB'");
        let held = figures(&mut session, query, "Memory Usage: ");
        assert!(held.iter().all(|each| *each > 1000), "{query}: {held:?}");
        assert!(figures(&mut session, query, "Disk").is_empty(), "{query}");
    }
}

#[test]
fn explain_analyze_tells_what_was_spent() {
    let mut session = Ours::alone();
    let lines = |session: &mut Ours, query: &str| {
        let query = format!("explain (analyze, costs off, timing off, summary off) {query}");
        rows(session, &query)
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>()
            .join("\n")
    };
    let series = "generate_series(1, 5000) i";
    let query = format!("select i from {series} order by i desc");
    assert!(lines(&mut session, &query).contains("Sort Method: quicksort  Memory: "));
    let query = format!("select i from {series} order by i desc limit 3");
    assert!(lines(&mut session, &query).contains("Sort Method: top-N heapsort  Memory: "));
    let query = format!("select count(*) from {series} group by i % 10");
    assert!(lines(&mut session, &query).contains("Batches: 1  Memory Usage: "));
    session.run("set work_mem = '64kB'");
    let query = format!("select i from {series} order by i desc");
    assert!(lines(&mut session, &query).contains("Sort Method: external merge  Disk: "));
}

#[test]
fn work_mem_is_postgresqls() {
    let mut session = Ours::alone();
    let shown = |session: &mut Ours, value: &str| {
        let outcome = session.run(&format!("set work_mem = {value}"));
        match outcome.state() {
            Some(state) => state.to_owned(),
            None => rows(session, "show work_mem")[0][0].clone().unwrap(),
        }
    };
    assert_eq!(
        rows(&mut session, "show work_mem"),
        [[Some("64MB".to_owned())]]
    );
    for (value, expected) in [
        ("64", "64kB"),
        ("4096", "4MB"),
        ("'1536kB'", "1536kB"),
        ("'1GB'", "1GB"),
        ("'1.5MB'", "1536kB"),
        ("'65536B'", "64kB"),
        ("63", "22023"),
        ("'63kB'", "22023"),
        ("-1", "22023"),
        ("'2TB'", "22023"),
        ("'4 parsecs'", "22023"),
        ("'much'", "22023"),
        ("default", "64MB"),
    ] {
        assert_eq!(shown(&mut session, value), expected, "{value}");
    }
}

/// Each write fails once, in turn: the statement fails, the transaction goes on from its savepoint,
/// and no file stays.
#[test]
fn a_disk_that_fails_ends_the_statement_only() {
    for (failure, state) in [(Failure::Io, "58030"), (Failure::NoSpace, "53100")] {
        let machine = SimVfs::new(7);
        let mut session = tables(machine.vfs());
        session.run("set work_mem = '64kB'");
        for query in [0, 3, 6, 13, 15, 20, 22, 24].map(|at| QUERIES[at]) {
            let mut skip = 0;
            loop {
                session.run("begin; create table w (a int); insert into w values (1); savepoint s");
                let fault = Fault::new(Effect::Fail(failure)).path(".spill").after(skip);
                let fault = machine.inject(fault.on(OpSet::CHANGES));
                let outcome = session.run(query);
                let fired = machine
                    .remove_fault(fault)
                    .is_none_or(|fault| fault.fired() > 0);
                // A file that cannot be removed is no reason to fail.
                if fired && let Some(found) = outcome.state() {
                    assert_eq!(found, state, "{query}, change {skip}");
                    session.run("rollback to s");
                }
                let kept = rows(&mut session, "select count(*) from w");
                assert_eq!(kept, [[Some("1".to_owned())]], "{query}, change {skip}");
                assert_eq!(session.run("rollback").state(), None);
                if !fired {
                    assert_eq!(outcome.state(), None, "{query}");
                    break;
                }
                // Every write of the first ones, and then some.
                skip += 1 + skip / 2;
            }
        }
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let machine = SimVfs::new(7);
    let mut session = tables(machine.vfs());
    session.run("set work_mem = '64kB'");
    let used = 40 << 20;
    machine.set_capacity(Some(used));
    let reserve = EngineOptions::default().reserve_bytes;
    assert!(reserve > 0);
    let outcome =
        session.run("select count(*) from (select a.c from t a, t b order by a.c, b.c) x");
    assert_eq!(outcome.state(), Some("53100"));
    assert_eq!(spill_files(&*machine.vfs()), 0);
    machine.set_capacity(None);
    let all = rows(&mut session, "select count(*), sum(a) from t");
    let sum = ROWS * (ROWS + 1) / 2;
    assert_eq!(all, [[Some(ROWS.to_string()), Some(sum.to_string())]]);
    assert_eq!(
        session.run("insert into t values (0, 0, '', 0)").state(),
        None
    );
}

/// The clock of the files stands still until the statement has put something aside.
#[test]
fn a_statement_that_puts_rows_aside_heeds_its_time() {
    let machine = SimVfs::new(7);
    let mut session = tables(machine.vfs());
    session.run("set work_mem = '64kB'; set statement_timeout = '1s'");
    for query in QUERIES {
        let delay = Effect::Delay(std::time::Duration::from_secs(2));
        let fault = machine.inject(Fault::new(delay).path(".spill").after(4));
        let outcome = session.run(query);
        let fired = machine
            .remove_fault(fault)
            .is_none_or(|fault| fault.fired() > 0);
        if fired {
            assert_eq!(outcome.state(), Some("57014"), "{query}");
        }
        // A thread of its own frees what the statement held.
        let mut waited = 0;
        while spill_files(&*machine.vfs()) > 0 {
            assert!(waited < 60_000, "{query}");
            OsVfs::new().sleep(std::time::Duration::from_millis(1));
            waited += 1;
        }
    }
}

/// A cursor that is given up leaves nothing.
#[test]
fn a_cursor_that_is_closed_removes_its_files() {
    let vfs = Arc::new(MemVfs::new());
    let mut session: Session = tables(vfs.clone()).0;
    session.set_work_mem(Some(64 << 10));
    let prepared = session
        .prepare("select c, a from t order by c, a", &[])
        .unwrap();
    let mut cursor = session.start(&prepared, &[]).unwrap().unwrap();
    let first = session.fetch(&mut cursor).unwrap().unwrap();
    assert!(!first.is_empty() && spill_files(&*vfs) == 1);
    session.close(&mut cursor).unwrap();
    assert_eq!(spill_files(&*vfs), 0);
}

/// A named query that is read once is passed on, and one that is read twice is not computed twice.
#[test]
fn a_named_query_that_is_read_once_is_not_kept() {
    let vfs = Arc::new(MemVfs::new());
    let mut session = open(vfs);
    session.run("set work_mem = '64kB'");
    let named = "with x as materialized (select i, repeat('x', 100) as c from generate_series(1, 200000) i)";
    let once = "select count(*), sum(length(c)) from x";
    let found = rows(&mut session, &format!("{named} {once}"));
    assert_eq!(
        found,
        [[Some("200000".to_owned()), Some("20000000".to_owned())]]
    );
    session.run("create sequence s");
    let twice = "with x as (select nextval('s') as n from generate_series(1, 3000))
                 select count(*), sum(x.n - y.n) from x join x y on x.n = y.n";
    let found = rows(&mut session, twice);
    assert_eq!(found, [[Some("3000".to_owned()), Some("0".to_owned())]]);
    let again = "with x as materialized (select i from generate_series(1, 3) i)
                 select (select count(*) from x where x.i >= k) from generate_series(1, 4) k order by k";
    let found: Vec<_> = rows(&mut session, again)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert_eq!(found, ["3", "2", "1", "0"]);
}
