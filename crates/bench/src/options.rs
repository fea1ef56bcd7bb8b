//! The command line.

use std::path::PathBuf;

use lexopt::Arg::{Long, Value};

use crate::engine::{Failure, Result};
use crate::suites::Parameters;

pub(crate) const HELP: &str = "\
usage: cargo xtask bench kv|sql [--peers[=NAME,...]] [OPTIONS]

kv: the key-value engine. --peers builds the rivals too: redb, fjall, rocksdb, lmdb, sqlite,
surrealkv. RocksDB needs libclang and many minutes.
sql: statements. The rivals are sqlite, postgres (PostgreSQL 15, if it is installed: another
process, over a Unix socket) and duckdb (if Python has its package; RUSTDB_BENCH_PYTHON names
another Python). Suites: rows, unless another is named; tpcc, transactions of several statements
over one warehouse; and tpch, whose scale is its own: at 1 there are 6 million rows of orders.
`--only Q9` runs some queries. RUSTDB_BENCH_CSV names the directory of packages.csv,
relations.csv and tags.csv [../shared/data].

what to run:
  --suite NAME         one suite; may be repeated
  --only TEXT          only rows that contain the text; may be repeated
  --engines NAME,...   some of the engines that were built
  --list               print suites, rows and engines, and run nothing

how much:
  --quick              a fiftieth of the data, a second per timed row
  --scale SHARE        this share of the data [1.0]
  --seconds SECONDS    length of rows that are bounded by time [10]
  --cache-mib MIB      cache of the redb suite [4096]
  --reopen-keys COUNT  pairs in the database that is reopened [1000000]

where to:
  --dir DIR            where databases are made; must be on a real disk
  --json FILE          also write the figures as JSON
  --program FILE       the `rustdb` binary [the one beside this program]
  --embedded FILE      the example `embedded` [that of the profile `small`]
";

pub(crate) struct Options {
    pub(crate) words: Vec<String>,
    pub(crate) help: bool,
    pub(crate) list: bool,
    pub(crate) suites: Vec<String>,
    pub(crate) only: Vec<String>,
    pub(crate) engines: Vec<String>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) parameters: Parameters,
}

impl Options {
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Options> {
        let mut options = Options {
            words: Vec::new(),
            help: false,
            list: false,
            suites: Vec::new(),
            only: Vec::new(),
            engines: Vec::new(),
            directory: None,
            json: None,
            parameters: defaults()?,
        };
        while let Some(argument) = parser.next()? {
            let parameters = &mut options.parameters;
            match argument {
                Value(word) => options.words.push(text(word)?),
                Long("help") => options.help = true,
                Long("list") => options.list = true,
                Long("suite") => options.suites.push(text(parser.value()?)?),
                Long("only") => options.only.push(text(parser.value()?)?),
                Long("engines") => {
                    let names = text(parser.value()?)?;
                    options.engines.extend(names.split(',').map(str::to_owned));
                }
                Long("quick") => (parameters.scale, parameters.seconds) = (0.02, 1.0),
                Long("scale") => parameters.scale = number(parser.value()?)?,
                Long("seconds") => parameters.seconds = number(parser.value()?)?,
                Long("cache-mib") => {
                    parameters.cache_bytes = number(parser.value()?)? as u64 * (1 << 20);
                }
                Long("reopen-keys") => parameters.reopen_keys = number(parser.value()?)? as u64,
                Long("dir") => options.directory = Some(parser.value()?.into()),
                Long("json") => options.json = Some(parser.value()?.into()),
                Long("embedded") => parameters.embedded = Some(parser.value()?.into()),
                Long("program") => parameters.program = Some(parser.value()?.into()),
                other => return Err(Failure(format!("{}\n\n{HELP}", other.unexpected()))),
            }
        }
        Ok(options)
    }
}

fn defaults() -> Result<Parameters> {
    let program = std::env::current_exe()?.with_file_name("rustdb");
    let embedded = program.with_file_name("../small/examples/embedded");
    Ok(Parameters {
        scale: 1.0,
        seconds: 10.0,
        cache_bytes: 4 << 30,
        reopen_keys: 1_000_000,
        program: program.exists().then_some(program),
        embedded: embedded.exists().then_some(embedded),
    })
}

/// What makes a worker understand the same parameters.
pub(crate) fn arguments(parameters: &Parameters) -> Vec<String> {
    let Parameters {
        scale,
        seconds,
        cache_bytes,
        reopen_keys,
        program,
        embedded,
    } = parameters;
    let mut arguments = vec![
        format!("--scale={scale}"),
        format!("--seconds={seconds}"),
        format!("--cache-mib={}", cache_bytes >> 20),
        format!("--reopen-keys={reopen_keys}"),
    ];
    if let Some(program) = program {
        arguments.push(format!("--program={}", program.display()));
    }
    if let Some(embedded) = embedded {
        arguments.push(format!("--embedded={}", embedded.display()));
    }
    arguments
}

pub(crate) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn text(word: std::ffi::OsString) -> Result<String> {
    word.into_string()
        .map_err(|word| Failure(format!("`{}` is not text", word.display())))
}

fn number(word: std::ffi::OsString) -> Result<f64> {
    let word = text(word)?;
    match word.parse() {
        Ok(number) if number >= 0.0 => Ok(number),
        _ => Err(Failure(format!("`{word}` is not a number"))),
    }
}
