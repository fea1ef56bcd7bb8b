//! The queries of TPC-H over a hundredth of its data, compared with what PostgreSQL 15 answers.
//!
//! `tpch.txt` has the answers; `RUSTDB_BLESS=1` has the installed PostgreSQL write them anew. The
//! queries are those of the benchmark, and a few more where the small data leaves an answer empty.

use std::fmt::Write;

use rustdb_sql::Session;
use tpchgen::csv::{
    CustomerCsv, LineItemCsv, NationCsv, OrderCsv, PartCsv, PartSuppCsv, RegionCsv, SupplierCsv,
};
use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen::text::TextPool;

use crate::database::{cell, session};
use crate::server::Server;

const SCHEMA: &str = include_str!("../../../bench/src/sql/tpch/schema.sql");
const INDEXES: &str = include_str!("../../../bench/src/sql/tpch/indexes.sql");
const QUERIES: &str = include_str!("../../../bench/src/sql/tpch/queries.sql");
const ANSWERS: &str = include_str!("tpch.txt");

const SCALE: f64 = 0.01;

/// The pool of words for comments; the real one takes 300 MB.
const WORDS: i32 = 1 << 20;

/// A table's name and its rows as CSV.
type Table = (&'static str, String);

/// The rows of a generator as CSV.
macro_rules! rows {
    ($generator:expr, $form:ident) => {{
        let mut text = String::new();
        for row in $generator.iter() {
            writeln!(text, "{}", $form::new(row)).unwrap();
        }
        text
    }};
}

fn tables() -> Vec<Table> {
    let all = Distributions::static_default();
    let words = &TextPool::new(WORDS, all);
    macro_rules! made {
        ($of:ident) => {
            $of::new_with_distributions_and_text_pool(SCALE, 1, 1, all, words)
        };
    }
    let region = RegionGenerator::new_with_distributions_and_text_pool(all, words);
    let nation = NationGenerator::new_with_distributions_and_text_pool(all, words);
    let partsupp = PartSuppGenerator::new_with_text_pool(SCALE, 1, 1, words);
    vec![
        ("region", rows!(region, RegionCsv)),
        ("nation", rows!(nation, NationCsv)),
        ("supplier", rows!(made!(SupplierGenerator), SupplierCsv)),
        ("customer", rows!(made!(CustomerGenerator), CustomerCsv)),
        ("part", rows!(made!(PartGenerator), PartCsv)),
        ("partsupp", rows!(partsupp, PartSuppCsv)),
        ("orders", rows!(made!(OrderGenerator), OrderCsv)),
        ("lineitem", rows!(made!(LineItemGenerator), LineItemCsv)),
    ]
}

/// Names and texts of the queries.
fn queries() -> Vec<(&'static str, String)> {
    let fraction = format!("{:.10}", 0.0001 / SCALE);
    let sections = QUERIES.split("-- ").filter(|section| !section.is_empty());
    sections
        .map(|section| {
            let (name, text) = section.split_once('\n').unwrap();
            (name, text.trim().replace(":fraction", &fraction))
        })
        .collect()
}

/// Our answer, as `psql -At` shows it.
fn ours(session: &mut Session, query: &str) -> String {
    let answers = match session.execute(query, &[]) {
        Ok(answers) => answers,
        Err(error) => return format!("{}: {}\n", error.state().as_str(), error.message()),
    };
    let mut text = String::new();
    for answer in answers {
        let columns: Vec<_> = answer.columns.iter().flat_map(|all| all.iter()).collect();
        for row in &answer.rows {
            let cells = row.iter().zip(&columns);
            let cells: Vec<_> = cells
                .map(|(value, column)| cell(value, &column.of, session.settings()))
                .collect();
            writeln!(text, "{}", cells.join("|")).unwrap();
        }
    }
    text
}

#[test]
fn tpch_gives_what_postgresql_gives() {
    let mut session = session();
    session.execute(SCHEMA, &[]).unwrap();
    for (name, rows) in tables() {
        let copy = format!("COPY {name} FROM STDIN (FORMAT csv)");
        session.copy_in(&copy, &mut rows.as_bytes()).unwrap();
    }
    session.execute(INDEXES, &[]).unwrap();
    session.execute("ANALYZE", &[]).unwrap();
    let mut different = Vec::new();
    for ((name, query), answer) in queries().into_iter().zip(ANSWERS.split("-- Q").skip(1)) {
        let ours = format!("{name}\n{}", ours(&mut session, &query));
        if ours != format!("Q{answer}") {
            different.push(format!("ours: {ours}\nPostgreSQL: Q{answer}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn postgresql_still_answers_tpch_as_the_file_says() {
    let server = match Server::shared() {
        Ok(server) => server,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut script = format!("create schema tpch;\nset search_path to tpch;\n{SCHEMA}\n");
    for (name, rows) in tables() {
        writeln!(script, "copy {name} from stdin (format csv);\n{rows}\\.").unwrap();
    }
    writeln!(script, "{INDEXES}\nanalyze;").unwrap();
    for (name, query) in queries() {
        writeln!(script, "\\echo '-- {name}'\n{query};").unwrap();
    }
    script.push_str("drop schema tpch cascade;\n");
    let answers = server.psql(&script).unwrap();
    if std::env::var_os("RUSTDB_BLESS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(
            format!("{}/tests/it/tpch.txt", env!("CARGO_MANIFEST_DIR")),
            answers,
        )
        .unwrap();
        return;
    }
    assert_eq!(answers, ANSWERS);
}
