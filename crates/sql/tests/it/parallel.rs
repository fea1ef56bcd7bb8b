//! Queries that several threads run: the same answers, in the same order, as one thread gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustdb_sql::Session;
use rustdb_txn::TransactionManager;
use rustdb_vfs::{MemVfs, OsVfs, Vfs};

use crate::database::{lines, managed};

/// Rows of the tables, enough for some dozen blocks of a file.
const ROWS: usize = 30_000;

/// A session over tables that lie in files.
fn session() -> Session {
    opened().0
}

/// The same with what flushes tables that come later.
fn opened() -> (Session, TransactionManager) {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    let definitions = "
        create table lines (id int primary key, of_order int, of_part int, price numeric(10,2), \
            weight float8, note text);
        create table orders (id int primary key, customer int, day date);
        create table parts (id int primary key, name text);
        create index on orders (customer)";
    run(&mut session, definitions);
    let fill = format!(
        "insert into orders select n, n % 700, date '2020-01-01' + n % 400 \
            from generate_series(1, {orders}) n;
         insert into parts select n, 'part ' || n from generate_series(1, 90) n;
         insert into lines select n, (n - 1) / 4 + 1, case when n % 11 = 0 then null else n % 97 end, \
            (n * 37 % 9000) / 100.0, sqrt(n), \
            case when n % 5 = 0 then null else 'note ' || n % 1000 end \
            from generate_series(1, {ROWS}) n",
        orders = ROWS / 4,
    );
    run(&mut session, &fill);
    manager.engine().flush().unwrap();
    (session, manager)
}

fn run(session: &mut Session, text: &str) {
    let done = session.execute(text, &[]);
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// What a query gives in one thread, after it was seen that several give the same.
fn agreed(session: &mut Session, query: &str) -> Vec<String> {
    run(session, "set max_parallel_workers_per_gather = 0");
    let alone = outcome(session, query);
    run(
        session,
        "set max_parallel_workers_per_gather = 8; set min_parallel_table_scan_size = 0",
    );
    let together = outcome(session, query);
    assert_eq!(together, alone, "{query}");
    alone
}

/// The rows, or the error.
fn outcome(session: &mut Session, query: &str) -> Vec<String> {
    match session.execute(query, &[]) {
        Ok(_) => lines(session, query),
        Err(error) => vec![format!("{} {}", error.state().as_str(), error.message())],
    }
}

/// Whether a query comes to be run by more threads than one. It has to wait for it: a process has as
/// many workers as processors, and other tests have some of them.
fn gets_workers(session: &mut Session, query: &str) -> bool {
    let clock = OsVfs::new();
    let start = clock.monotonic();
    while !has_workers(session, query) {
        if clock.monotonic() - start > Duration::from_secs(60) {
            return false;
        }
    }
    true
}

/// Whether a query is run by more threads than one, which a machine with one processor has not.
fn has_workers(session: &mut Session, query: &str) -> bool {
    let plan = lines(session, &format!("explain (analyze, timing off) {query}"));
    plan.iter().any(|line| line.contains("Workers Launched"))
}

/// Queries, and whether other threads can take a part of them.
const QUERIES: &[(bool, &str)] = &[
    (
        true,
        "select p.id, count(l.id), sum(l.price) from parts p \
            left join lines l on l.of_part = p.id and l.note like '%7%' group by p.id",
    ),
    (
        true,
        "select count(*), count(l.id), count(p.id), sum(p.id) from lines l \
            full join parts p on l.of_part = p.id and l.id > 7",
    ),
    (
        true,
        "select p.name, l.id from parts p left join lines l on l.of_part = p.id and l.id < 900 \
            order by l.id desc, p.name limit 12",
    ),
    (
        true,
        "select count(*), max(note) from (select distinct note, of_part from lines) t",
    ),
    (false, "select distinct note from lines"),
    (
        true,
        "select count(*), sum(price), min(note), max(id), avg(of_part) from lines",
    ),
    (
        true,
        "select of_part, count(*), sum(price), avg(price), bool_or(id > 9) from lines group by of_part",
    ),
    (
        true,
        "select of_order, sum(price) from lines group by of_order",
    ),
    (
        true,
        "select length(r), md5(r), c from (select repeat(note, 2000) r, count(*) c from lines \
            where id % 3 = 0 group by r) t order by 2 limit 9",
    ),
    (
        true,
        "select id % 1000 k, count(note), min(price) from lines where price > 3 group by k having count(*) > 2",
    ),
    (
        true,
        "select sum(weight), avg(weight), stddev(price) from lines",
    ),
    (
        true,
        "select of_part, array_agg(id), string_agg(note, ',') from lines where id % 50 = 0 group by of_part",
    ),
    (
        true,
        "select of_part, count(distinct note), sum(price) filter (where id > 100) from lines group by of_part",
    ),
    (
        true,
        "select of_part, note, count(*) from lines group by rollup (of_part, note) having count(*) > 20",
    ),
    (
        true,
        "select * from lines where note like '%7' order by price, id",
    ),
    (
        true,
        "select id, price from lines order by price desc, id limit 20",
    ),
    (
        false,
        "select distinct of_part, note from lines where id < 9000",
    ),
    (
        true,
        "select name, sum(price) from lines join parts on parts.id = of_part group by name",
    ),
    (
        true,
        "select count(*), sum(price) from lines left join parts on parts.id = of_part where name is null",
    ),
    (
        true,
        "select customer, day, sum(price) s from lines join orders on orders.id = of_order \
        join parts on parts.id = of_part where day < '2020-06-01' group by customer, day order by s, 1, 2 limit 30",
    ),
    (
        true,
        "select count(*) from lines where exists (select 1 from orders where orders.id = of_order and customer < 5)",
    ),
    (
        true,
        "select count(*) from lines where of_part not in (select id from parts where name like '%3')",
    ),
    (
        true,
        "select sum((select customer from orders where orders.id = of_order)) from lines where id < 5000",
    ),
    (
        true,
        "select count(*) from lines where price > (select avg(price) from lines)",
    ),
    (
        true,
        "select p, count(*) from (select of_part + 1 p, price from lines where id between 3000 and 26000) t group by p",
    ),
    (true, "select sum(1 / (id - 17000)) from lines"),
    (
        true,
        "with t as (select of_part p, count(*) c from lines group by p) select sum(c), count(*) from t",
    ),
    (
        true,
        "select count(*), max(n) from lines l cross join lateral (select customer + l.id n from orders \
        where orders.id = l.of_order limit 1) o",
    ),
    (true, "select count(random()) from lines"),
    (false, "select count(*) from lines where random() >= 0"),
    (
        false,
        "select count(*) from lines where pg_backend_pid() > 0",
    ),
    (false, "select max(customer) from orders where id = 77"),
];

#[test]
fn answers_are_those_of_one_thread() {
    let mut session = session();
    let processors = std::thread::available_parallelism().unwrap().get();
    for (is_shared, query) in QUERIES {
        agreed(&mut session, query);
        if !query.contains("1 / (id") {
            match *is_shared && processors > 1 {
                true => assert!(gets_workers(&mut session, query), "{query}"),
                false => assert!(!has_workers(&mut session, query), "{query}"),
            }
        }
    }
    // With little memory groups, tables of joins and sorts are put aside.
    run(&mut session, "set work_mem = '64kB'");
    for (_, query) in QUERIES {
        let order_is_free = query.contains("group by") && !query.contains("order by");
        match order_is_free {
            true => agreed(
                &mut session,
                &format!("select * from ({query}) t order by t::text"),
            ),
            false => agreed(&mut session, query),
        };
    }
}

/// Queries that begin with few rows, and look up many for each.
const LOOKUPS: &[&str] = &[
    "select count(*), sum(o.id), max(l.note) from parts p join orders o on o.customer = p.id \
        join lines l on l.id = o.id where p.id < 20",
    "select o.day, count(*), sum(l.price) from orders o join lines l on l.id = o.id \
        where o.customer = 17 group by o.day",
    "select p.id, o.id, l.id from parts p left join orders o on o.customer = p.id and o.id % 3 = 0 \
        left join lines l on l.id = o.id - 40 order by o.day desc nulls first, 1, 2, 3",
    "select count(*) from parts p join orders o on o.customer = p.id where p.id in (1, 5, 9) \
        and not exists (select from lines l where l.id = o.id and l.price > 40) \
        and exists (select from lines l where l.id = o.id + 1 and l.price > 10)",
    "select count(*), sum(100 / (o.id - 709)) from parts p join orders o on o.customer = p.id",
    "select sum(1 / (p.id - 30)) from (select id, 5 / (40 - id) from parts) p \
        join orders o on o.customer = p.id",
    "select count(*) from (select id from parts where id between 3 and 4) p \
        join orders o on o.customer = p.id join lines l on l.id = o.id",
];

#[test]
fn few_rows_are_read_before_and_what_is_looked_up_is_shared() {
    let mut session = session();
    run(
        &mut session,
        "set enable_hashjoin = off; set enable_mergejoin = off; analyze",
    );
    let processors = std::thread::available_parallelism().unwrap().get();
    for query in LOOKUPS {
        let given = agreed(&mut session, query);
        let is_error = given[0].starts_with("22012");
        if processors > 1 && !is_error {
            assert!(gets_workers(&mut session, query), "{query}");
        }
    }
    // With little memory what was read is not all, and one thread goes on with it.
    run(&mut session, "set work_mem = '64kB'");
    for query in LOOKUPS {
        agreed(&mut session, query);
    }
    // By default so few are not worth a thread.
    run(&mut session, "reset min_parallel_table_scan_size");
    assert!(!has_workers(&mut session, LOOKUPS[1]));
}

#[test]
fn a_query_that_is_the_same_for_all_rows_is_run_once_by_all_threads_together() {
    let mut session = session();
    let query = "select count(*) from lines where price > (select avg(price) from lines) \
        and id > all (select -id from parts)";
    agreed(&mut session, query);
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    assert!(gets_workers(&mut session, query));
    let plan = lines(
        &mut session,
        &format!("explain (analyze, timing off) {query}"),
    );
    let inner = plan.iter().skip_while(|line| !line.contains("SubPlan"));
    assert!(inner.clone().count() > 2, "{plan:#?}");
    for line in inner.filter(|line| line.contains("actual")) {
        assert!(line.contains("loops=1"), "{plan:#?}");
    }
}

/// Rows that are grouped in the order of the table's key, in a query that reads all groups.
const GROUPED: &[&str] = &[
    "select count(*), sum(s), max(k) from (select id k, sum(price) s from lines group by id \
        having sum(price) > 40) t",
    "select k, sum(c), min(t) from (select a k, b, count(*) c, min(d) t, sum(e) from wide \
        where d % 3 <> 1 group by a, b) g group by k order by k",
    "select count(*), sum(l.price) from lines l where l.id in (select a from wide group by a \
        having count(*) > 11)",
    "select sum(c), count(*) from (select b, a, count(*) c from wide group by b, a) g",
    "select sum(c), count(*) from (select t, n, count(*) c from keyed group by t, n) g",
    "select sum(c), count(*) from (select n, count(*) c from keyed where t = 'x1' group by n) g",
    "select count(*), max(s) from (select a, sum(1 / (e - 17000)) s from wide group by a) g",
];

#[test]
fn groups_in_the_order_of_the_key_are_made_by_several_threads_and_are_whole() {
    let (mut session, manager) = opened();
    run(
        &mut session,
        "create table wide (a int, b bigint, d int, e int, primary key (a, b, d));
         insert into wide select n / 12, n / 3 % 4, n % 3, n from generate_series(0, 29999) n;
         create table keyed (t text, n numeric, id int, primary key (t, n, id));
         insert into keyed select 'x' || n / 9000, n / 7 / 10.0, n from generate_series(0, 29999) n",
    );
    manager.engine().flush().unwrap();
    run(&mut session, "analyze");
    let processors = std::thread::available_parallelism().unwrap().get();
    for query in GROUPED {
        let given = agreed(&mut session, query);
        let plan = lines(&mut session, &format!("explain {query}"));
        let is_sorted = plan.iter().any(|line| line.contains("GroupAggregate"));
        assert!(is_sorted, "{plan:#?}");
        if processors > 1 && !given[0].starts_with("22012") {
            assert!(gets_workers(&mut session, query), "{query}");
        }
        // The same without any key.
        let hashed = query.replace("from wide", "from (select * from wide offset 0) w");
        let hashed = hashed.replace("from keyed", "from (select * from keyed offset 0) w");
        let hashed = hashed.replace(
            "from lines group",
            "from (select * from lines offset 0) l group",
        );
        assert_ne!(&hashed, query);
        assert_eq!(agreed(&mut session, &hashed), given, "{query}");
    }
    run(&mut session, "set work_mem = '64kB'");
    for query in GROUPED {
        agreed(&mut session, query);
    }
    // Groups that are given one after the other, to somebody who may stop.
    run(&mut session, "reset work_mem");
    let first = "select a, count(*), sum(e) from wide group by a limit 3";
    assert_eq!(
        agreed(&mut session, first),
        ["0|12|66", "1|12|210", "2|12|354"]
    );
}

/// Joins of which most rows of the large side find no partner.
const SELECTIVE: &[&str] = &[
    "select count(*), sum(price), max(note) from lines join parts on parts.id = of_part \
        where name like '%77'",
    "select count(*), sum(price) from lines join (select id + 0::bigint id from parts \
        where id in (3, 50)) p on p.id = of_part",
    "select count(*), sum(l.price) from lines l join (select id, of_order from lines \
        where id % 900 = 1) k on (k.id, k.of_order) = (l.id, l.of_order)",
    "select count(*) from lines where of_part in (select id from parts where id > 88)",
    "select count(*), count(o.id), sum(l.id) from lines l left join orders o on o.id = l.of_order \
        join parts p on p.id = l.of_part where p.name like '%7'",
    "select p.id, count(*), sum(x) from (select of_part, price * 2 x from lines where price > 3) l \
        right join parts p on p.id = l.of_part and p.name like '%9' group by p.id order by 1",
    "select count(*) from lines join parts on parts.id = of_part + 1 where name like '%5'",
    "select count(*) from lines join parts on parts.id = of_part where name = 'none'",
    "select count(*), sum(price) from lines join parts on parts.id = of_part",
];

#[test]
fn rows_without_a_partner_are_left_out_where_they_are_read() {
    let mut session = session();
    run(&mut session, "analyze; set enable_nestloop = off");
    for query in SELECTIVE {
        run(&mut session, "set enable_mergejoin = off");
        let hashed = agreed(&mut session, query);
        run(
            &mut session,
            "set enable_mergejoin = on; set enable_hashjoin = off",
        );
        assert_eq!(agreed(&mut session, query), hashed, "{query}");
        run(&mut session, "reset enable_hashjoin");
    }
    run(
        &mut session,
        "set enable_mergejoin = off; set max_parallel_workers_per_gather = 0",
    );
    let read = |session: &mut Session, query: &str| -> usize {
        let plan = lines(session, &format!("explain (analyze, timing off) {query}"));
        let scan = plan.iter().find(|line| line.contains("Scan on lines"));
        let scan = scan.unwrap_or_else(|| panic!("{plan:#?}"));
        let rows = scan.split("actual rows=").nth(1).unwrap();
        rows.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(read(&mut session, SELECTIVE[0]) < ROWS / 50);
    // Where most rows have a partner nobody goes on asking.
    assert!(read(&mut session, SELECTIVE[8]) > ROWS * 3 / 4);
}

#[test]
fn large_tables_are_read_by_several_threads_without_a_word() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    run(
        &mut session,
        "create table t (id int primary key, x text);
         insert into t select n, sha256(n::text::bytea)::text || sha256((-n)::text::bytea)::text \
            from generate_series(1, 200000) n",
    );
    manager.engine().flush().unwrap();
    assert!(gets_workers(&mut session, "select count(x) from t"));
}

#[test]
fn small_tables_are_read_by_one_thread() {
    let mut session = session();
    assert!(!has_workers(&mut session, QUERIES[0].1));
}

#[test]
fn who_has_written_or_must_know_what_it_read_keeps_to_one_thread() {
    let mut session = session();
    run(&mut session, "set min_parallel_table_scan_size = 0");
    let query = "select count(*), sum(price) from lines";
    let before = lines(&mut session, query);
    run(&mut session, "begin; delete from lines where id <= 10");
    assert!(!has_workers(&mut session, query));
    assert_eq!(lines(&mut session, "select count(*) from lines"), ["29990"]);
    run(&mut session, "rollback; begin isolation level serializable");
    assert!(!has_workers(&mut session, query));
    run(&mut session, "commit");
    assert_eq!(lines(&mut session, query), before);
}

#[test]
fn a_snapshot_holds_for_all_threads() {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let (mut writer, mut reader) = (database.connect(), database.connect());
    run(
        &mut writer,
        "create table t (id int primary key, v int);
         insert into t select n, 1 from generate_series(1, 20000) n",
    );
    manager.engine().flush().unwrap();
    run(&mut reader, "set min_parallel_table_scan_size = 0");
    let query = "select count(*), sum(v) from t";
    run(&mut reader, "begin isolation level repeatable read");
    assert_eq!(lines(&mut reader, query), ["20000|20000"]);
    for round in 0..5 {
        run(
            &mut writer,
            &format!(
                "update t set v = v + 1; delete from t where id = {}",
                round + 1
            ),
        );
        manager.engine().flush().unwrap();
        assert_eq!(lines(&mut reader, query), ["20000|20000"]);
    }
    run(&mut reader, "commit");
    assert_eq!(lines(&mut reader, query), ["19995|119970"]);
}

#[test]
fn a_query_of_several_threads_can_be_cancelled() {
    let mut session = session();
    run(
        &mut session,
        "set min_parallel_table_scan_size = 0; set statement_timeout = '100ms'",
    );
    let query = "select sum((select count(*) from lines b where b.price > a.price)) from lines a";
    let error = session.execute(query, &[]).unwrap_err();
    assert_eq!(error.state().as_str(), "57014");
    run(&mut session, "reset statement_timeout");
    assert_eq!(lines(&mut session, "select count(*) from parts"), ["90"]);
}

/// Writers move amounts between rows, tables are flushed and compacted, and every sum is the same.
#[test]
fn sums_agree_while_rows_change() {
    let (database, manager) = managed(Arc::new(MemVfs::new()));
    let mut session = database.connect();
    run(
        &mut session,
        "create table accounts (id int primary key, branch int, amount int);
         insert into accounts select n, n % 7, 100 from generate_series(1, 12000) n",
    );
    manager.engine().flush().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (mut session, manager, is_over) = (database.connect(), &manager, &is_over);
            scope.spawn(move || {
                let mut round = writer;
                while !is_over.load(Ordering::Relaxed) {
                    let (from, to) = (round * 37 % 12000 + 1, round * 101 % 12000 + 1);
                    let transfer = format!(
                        "update accounts set amount = amount - 3 where id = {from};
                         update accounts set amount = amount + 3 where id = {to}"
                    );
                    // Two writers may want the same two rows the other way round.
                    match session.execute(&format!("begin; {transfer}; commit"), &[]) {
                        Ok(_) => round += 2,
                        Err(_) => run(&mut session, "rollback"),
                    }
                    if round % 100 < 2 {
                        manager.engine().flush().unwrap();
                    }
                }
            });
        }
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut session = database.connect();
                scope.spawn(move || {
                    run(&mut session, "set min_parallel_table_scan_size = 0");
                    for _ in 0..40 {
                        let query = "select count(*), sum(amount) from accounts";
                        assert_eq!(lines(&mut session, query), ["12000|1200000"]);
                        let query = "select sum(n), sum(s) from (select count(*) n, sum(a.amount) s \
                            from accounts a join accounts b on b.id = a.id group by a.branch) t";
                        assert_eq!(lines(&mut session, query), ["12000|1200000"]);
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
    });
}
