//! Texts of SQL: read, bound, planned and run against a small database of their own.
//!
//! An input is statements with `;` and a line feed between them. Whatever they are, each ends with
//! an answer or an error, soon, and the session goes on. What would only show that a machine has
//! limits is left out: statements that set their own, and those that make values of any length.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use rustdb_sql::{Database, Session};
use rustdb_storage::engine::{Engine, EngineOptions};
use rustdb_txn::{TransactionManager, TransactionOptions};
use rustdb_types::function::{Host, Random};
use rustdb_vfs::MemVfs;

/// The most statements of an input.
const STATEMENTS_MAX: usize = 16;

/// Databases are made anew after so many inputs: what one has defined is in the way of the next.
const INPUTS_MAX: usize = 50;

/// What there is before an input.
const SETUP: &str = "
    create type color as enum ('red', 'green', 'blue');
    create domain small as int check (value < 100);
    create table t (id int primary key, g text, n int, c color default 'red');
    insert into t values (1, 'a', 10), (2, 'a', null), (3, 'b', 5), (4, '', 5), (5, null, -1);
    create table u (id bigserial primary key, t int references t on delete cascade,
        v numeric(10, 2), at timestamptz, tags text[], doc jsonb, s small);
    insert into u (t, v, at, tags, doc, s) select 1 + i % 5, i / 3.0,
        timestamptz '2020-01-01 00:00:00+00' + i * interval '1 day',
        array['x', i::text], jsonb_build_object('i', i, 'l', jsonb_build_array(i, null)), i
        from generate_series(1, 20) i;
    create index on u (t, v desc);
    create unique index on t (lower(g), id) where n > 0;
    create view w as select t.id, count(u.id) as many from t left join u on u.t = t.id group by t.id;
    create sequence s increment 2;
    set statement_timeout = 200;
    set lock_timeout = 100;
    set work_mem = '64kB'";

/// Neither time nor chance, so that an input fails again.
pub(crate) struct Still;

impl Host for Still {
    fn clock(&self) -> i64 {
        0
    }

    fn random_bytes(&self, out: &mut [u8]) {
        out.fill(7);
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn set_seed(&self, _random: Random) {}
}

/// A database in memory, with little of it, and what manages its transactions.
pub(crate) fn database() -> (Database, TransactionManager) {
    let options = EngineOptions::default().within(16 << 20);
    let engine = Engine::open(Arc::new(MemVfs::new()), Path::new("/db"), options);
    let engine = engine.expect("a database in memory opens");
    let manager = TransactionManager::new(engine, TransactionOptions::default());
    let database = Database::open(manager.clone(), Arc::new(Still));
    (database.expect("and gets a catalog"), manager)
}

/// A session of a database with some tables.
fn session() -> Session {
    let mut session = database().0.connect();
    session.execute(SETUP, &[]).expect("the tables are made");
    session
}

thread_local! {
    /// A session, and how many inputs it has had.
    static SESSION: RefCell<Option<(Session, usize)>> = const { RefCell::new(None) };
}

/// Tries an input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let kept = SESSION.with_borrow_mut(Option::take);
    let (mut session, count) = match kept {
        Some((session, count)) if count < INPUTS_MAX => (session, count),
        _ => (session(), 0),
    };
    session.execute("begin", &[]).expect("a transaction begins");
    for statement in text.split(";\n").take(STATEMENTS_MAX) {
        if is_left_out(statement) {
            continue;
        }
        let failed = session.execute(statement, &[]).is_err();
        if failed {
            // So that what follows is looked at too.
            let again = "rollback; begin";
            session
                .execute(again, &[])
                .expect("a session goes on after an error");
        }
    }
    let end = session.execute("rollback; discard all", &[]);
    let reset = "set statement_timeout = 200; set lock_timeout = 100; set work_mem = '64kB'";
    end.and_then(|_| session.execute(reset, &[]))
        .expect("a session goes on after its statements");
    SESSION.set(Some((session, count + 1)));
}

fn is_left_out(statement: &str) -> bool {
    let lower = statement.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let is_long = |digits: &str| digits.len() > 6;
    let mut numbers = lower.split(|letter: char| !letter.is_ascii_digit());
    has(&["timeout", "work_mem", "reset", "discard", "deallocate"])
        || has(&["repeat", "pad", "fill", "series", "cache"]) && numbers.any(is_long)
}

/// Statements of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        include_str!("../../crates/sql/tests/slt/aggregates.slt"),
        include_str!("../../crates/sql/tests/slt/edges.slt"),
        include_str!("../../crates/sql/tests/slt/expressions.slt"),
        include_str!("../../crates/sql/tests/slt/joins.slt"),
        include_str!("../../crates/sql/tests/it/queries.txt"),
        include_str!("../../crates/sql/tests/it/windows.txt"),
        include_str!("../../crates/sql/tests/it/with.txt"),
        include_str!("../../crates/sql/tests/it/errors.txt"),
        include_str!("../../crates/sql/tests/it/templates.txt"),
        include_str!("../../crates/sql/tests/it/scripts.txt"),
    ];
    let paragraphs = texts.iter().flat_map(|text| text.split("\n\n"));
    let statements = paragraphs.map(|paragraph| {
        let paragraph = paragraph.split("\n----").next().unwrap_or_default();
        let lines = paragraph.lines().filter(|line| !is_directive(line));
        lines.collect::<Vec<_>>().join("\n")
    });
    let own = OWN.iter().map(|text| (*text).to_owned());
    statements
        .chain(own)
        .filter(|text| !text.trim().is_empty())
        .map(String::into_bytes)
        .collect()
}

/// Lines of the files that are no SQL.
fn is_directive(line: &str) -> bool {
    ["statement ", "query ", "#"]
        .iter()
        .any(|word| line.starts_with(word))
}

/// What the files have little of.
const OWN: &[&str] = &[
    "insert into t values (6, 'x', 1) on conflict (id) do update set n = excluded.n returning *",
    "update u set v = v + 1, tags = tags || 'y' from t where t.id = u.t and t.n > 3 returning u.*",
    "delete from t using u where u.t = t.id and u.v > 3 returning t.id",
    "with x as (delete from u returning *), y as (insert into t select 10 + id, 'z' from x returning *) select * from x, y",
    "alter table u add column z int not null default 3, drop column v, alter column s type text;\nselect * from u",
    "alter table t add constraint k check (n < 100) not valid;\nalter table t validate constraint k",
    "create table x (a int generated always as identity, b int generated always as (a * 2) stored, unique (b) deferrable initially deferred);\ninsert into x default values;\nset constraints all immediate",
    "create index concurrently on t (n);\ncreate unique index i on t (g desc nulls last) include (n) where n is not null;\ndrop index i",
    "create temp table p on commit drop as select * from u;\ntruncate p;\nselect count(*) from p",
    "savepoint a;\ninsert into t values (7);\nrollback to a;\nrelease a",
    "prepare q (int, text) as select $1 + n from t where g = $2;\nexecute q (1, 'a')",
    "explain (analyze, format json) select * from t join u on u.t = t.id where v > 1 order by at limit 2",
    "select * from t where id in (1, 2) for update of t nowait;\nlock table t in share mode",
    "analyze t;\nselect * from pg_stats where tablename = 't';\nselect * from pg_locks;\nselect * from information_schema.columns",
    "comment on table t is 'x';\nselect obj_description('t'::regclass)",
    "copy t to '/tmp/x' (format csv, header)",
    "select nextval('s'), setval('s', 7), currval('s'), pg_advisory_lock(1), pg_advisory_unlock(2)",
    "select doc #> '{l,0}', doc @> '{\"i\": 3}', jsonb_set(doc, '{l,1}', '7'), doc - 'i', doc ? 'l' from u",
    "select at at time zone 'UTC', date_trunc('month', at), extract(epoch from at), to_char(at, 'YYYY-MM-DD HH24:MI:SS.US TZ') from u",
    "select regexp_replace(g, '(.)(?=b)', '\\1\\1', 'g'), g similar to '(a|b)%', g like 'a_%' escape '\\' from t",
    "select array_agg(distinct n order by n desc) filter (where n > 0), percentile_cont(0.3) within group (order by n) from t group by rollup (g)",
    "select sum(n) over (partition by g order by id groups between 1 preceding and current row exclude ties) from t window x as (order by n)",
];
