//! `rustdb --demo`: what RustDB does, shown on sample data within a second or two.
//!
//! First tables, then keys and values. Without a directory it works in a temporary one, which it removes. In a directory that is
//! given, it works in a schema and keyspaces of its own, which it empties first.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustdb::{Database, ErrorKind, Keyspace, WriteBatch};

use crate::arguments::DatabaseArguments;
use crate::failure::{Failure, Result};
use crate::output::{Output, readable, time};
use crate::{open, stats};

const PLANETS: &str = "demo.planets";
const ACCOUNTS: &str = "demo.accounts";

/// Writes that the killed process acknowledges.
const WRITES_BEFORE_KILL: usize = 100;

/// Name, and what is worth knowing.
const SAMPLE: [(&str, &str); 11] = [
    ("planet:1:mercury", "0 moons"),
    ("planet:2:venus", "0 moons"),
    ("planet:3:earth", "1 moon"),
    ("planet:4:mars", "2 moons"),
    ("planet:5:jupiter", "97 moons"),
    ("planet:6:saturn", "274 moons"),
    ("planet:7:uranus", "29 moons"),
    ("planet:8:neptune", "16 moons"),
    ("dwarf:ceres", "0 moons"),
    ("dwarf:eris", "1 moon"),
    ("dwarf:pluto", "5 moons"),
];

/// Shows everything.
pub fn run(arguments: &DatabaseArguments) -> Result<()> {
    let start = Instant::now();
    if arguments.ask_passphrase {
        return Err(Failure::usage("the demo asks for no passphrase")
            .hint("it takes a `--key-file`, or the variable `RUSTDB_KEY`"));
    }
    let place = Place::of(arguments)?;
    let mut arguments = arguments.clone();
    arguments.data_dir = Some(place.directory.clone());
    let mut output = Output::standard(false);
    output.line("RustDB Demo")?;
    output.line("===========")?;
    output.line(&format!("Data directory: {}", place.directory.display()))?;

    let database = open::database(&arguments)?;
    crate::sql::demonstrate(&database, &mut output)?;
    let planets = fresh(&database, PLANETS)?;
    let accounts = fresh(&database, ACCOUNTS)?;
    reads(&database, &planets, &mut output)?;
    transaction(&database, &accounts, &mut output)?;
    snapshot(&database, &planets, &mut output)?;
    drop((planets, accounts));
    open::close(database)?;

    let database = after_kill(&arguments, &mut output)?;
    heading(&mut output, "Sizes and counters")?;
    stats::print(&database, &mut output)?;
    open::close(database)?;
    output.line("")?;
    output.line(&format!("Demo complete in {}.", time(start.elapsed())))?;
    output.line("Now try `rustdb --data-dir ./data`, and `help` there.")?;
    output.flush()
}

fn fresh(database: &Database, name: &str) -> Result<Keyspace> {
    let keyspace = database.keyspace(name)?;
    keyspace.clear()?;
    Ok(keyspace)
}

fn heading(output: &mut Output, text: &str) -> Result<()> {
    output.line("")?;
    output.line(&format!("-- {text}"))
}

fn reads(database: &Database, planets: &Keyspace, output: &mut Output) -> Result<()> {
    heading(
        output,
        "Keys and values, all or nothing, on disk when it returns",
    )?;
    let mut batch = WriteBatch::new();
    for (key, value) in SAMPLE {
        batch.put(planets, key, value);
    }
    let start = Instant::now();
    database.write(&batch)?;
    output.line(&format!(
        "Wrote {} entries in {}",
        batch.len(),
        time(start.elapsed())
    ))?;

    heading(output, "By key, by prefix, by range")?;
    for key in ["planet:3:earth", "planet:9:vulcan"] {
        let value = planets
            .get(key)?
            .map_or("(nil)".to_owned(), |value| readable(&value));
        output.line(&format!("get {key}: {value}"))?;
    }
    output.line("scan dwarf:")?;
    entries(planets.prefix("dwarf:"), output)?;
    output.line("range planet:5 planet:8, backwards")?;
    entries(planets.range("planet:5".."planet:8").rev(), output)
}

fn entries(
    entries: impl Iterator<Item = rustdb::Result<rustdb::Entry>>,
    output: &mut Output,
) -> Result<()> {
    for entry in entries {
        let (key, value) = entry?;
        output.line(&format!("  {} = {}", readable(&key), readable(&value)))?;
    }
    Ok(())
}

fn transaction(database: &Database, accounts: &Keyspace, output: &mut Output) -> Result<()> {
    heading(
        output,
        "Two transactions change the same key: the first to commit wins",
    )?;
    accounts.put("alice", "100")?;
    let balance = |value: Option<rustdb::Slice>| -> Result<i64> {
        let text = value.map(|value| readable(&value)).unwrap_or_default();
        text.parse()
            .map_err(|_| Failure::new(format!("`{text}` is not a balance")))
    };
    let mut first = database.begin()?;
    let mut second = database.begin()?;
    for (transaction, amount) in [(&mut first, -30), (&mut second, 50)] {
        let mut accounts = transaction.keyspace(accounts);
        let old = balance(accounts.get("alice")?)?;
        accounts.put("alice", (old + amount).to_string())?;
    }
    first.commit()?;
    output.line("first: committed, alice has 70")?;
    match second.commit() {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let reason = error.message().lines().next().unwrap_or_default();
            output.line(&format!("second: refused: {reason}"))?;
        }
        Err(error) => return Err(error.into()),
        Ok(()) => return Err(Failure::new("the second transaction was not refused")),
    }
    database.transaction(|transaction| {
        let mut accounts = transaction.keyspace(accounts);
        let old = balance(accounts.get("alice")?).unwrap_or_default();
        accounts.put("alice", (old + 50).to_string())
    })?;
    let now = balance(accounts.get("alice")?)?;
    output.line(&format!("second, run again: committed, alice has {now}"))
}

fn snapshot(database: &Database, planets: &Keyspace, output: &mut Output) -> Result<()> {
    heading(output, "A snapshot stays as it was")?;
    let before = database.snapshot();
    planets.delete("dwarf:pluto")?;
    let shown =
        |value: Option<rustdb::Slice>| value.map_or("(nil)".to_owned(), |value| readable(&value));
    output.line(&format!(
        "now: dwarf:pluto = {}",
        shown(planets.get("dwarf:pluto")?)
    ))?;
    let then = before.get(planets, "dwarf:pluto")?;
    output.line(&format!("snapshot: dwarf:pluto = {}", shown(then)))
}

/// Lets another process write, kills it without warning, and looks for what it acknowledged.
fn after_kill(arguments: &DatabaseArguments, output: &mut Output) -> Result<Database> {
    heading(output, "kill -9 in the middle of writing")?;
    output.flush()?;
    let mut writer = Killed(writer(arguments)?);
    let acknowledged = write_until_kill(&mut writer.0)?;
    drop(writer);
    output.line(&format!(
        "A process wrote; killed after {acknowledged} acknowledged writes"
    ))?;
    let start = Instant::now();
    let database = open::database(arguments)?;
    let opened = start.elapsed();
    let accounts = database.keyspace(ACCOUNTS)?;
    let mut missing = 0;
    for number in 0..acknowledged {
        missing += usize::from(!accounts.contains_key(key_of(number))?);
    }
    if missing > 0 {
        return Err(Failure::new(format!(
            "{missing} acknowledged writes are gone"
        )));
    }
    output.line(&format!(
        "Reopened in {}: all {acknowledged} are there",
        time(opened)
    ))?;
    Ok(database)
}

fn key_of(number: usize) -> String {
    format!("write:{number:04}")
}

/// This program's own shell, on the same database.
fn writer(arguments: &DatabaseArguments) -> Result<Child> {
    let told = |error| Failure::file("run", "rustdb", &error);
    let mut command = Command::new(std::env::current_exe().map_err(told)?);
    command
        .arg("local")
        .arg("--data-dir")
        .arg(open::directory(arguments));
    if let Some(file) = &arguments.key_file {
        command.arg("--key-file").arg(file);
    }
    command
        .env_remove("RUSTDB_JSON")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().map_err(told)
}

fn write_until_kill(writer: &mut Child) -> Result<usize> {
    let lost = |error: std::io::Error| Failure::new(format!("the writing process ended: {error}"));
    let (Some(mut input), Some(output)) = (writer.stdin.take(), writer.stdout.take()) else {
        return Err(Failure::new("the writing process has no input and output"));
    };
    writeln!(input, "use {ACCOUNTS}").map_err(lost)?;
    for number in 0..2 * WRITES_BEFORE_KILL {
        writeln!(input, "put {} {number}", key_of(number)).map_err(lost)?;
    }
    input.flush().map_err(lost)?;
    let mut acknowledged = 0;
    for line in BufReader::new(output).lines() {
        acknowledged += usize::from(line.map_err(lost)? == "OK");
        if acknowledged == WRITES_BEFORE_KILL {
            return Ok(acknowledged);
        }
    }
    Err(Failure::new("the writing process ended too early"))
}

/// A process that is killed, at the latest, when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _its_status_is_known = self.0.wait();
    }
}

/// Where the demo works.
struct Place {
    directory: PathBuf,
    is_temporary: bool,
}

impl Place {
    fn of(arguments: &DatabaseArguments) -> Result<Self> {
        if let Some(given) = arguments
            .data_dir
            .as_ref()
            .filter(|dir| !dir.as_os_str().is_empty())
        {
            return Ok(Self {
                directory: given.clone(),
                is_temporary: false,
            });
        }
        let name = format!("rustdb-demo-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory)
            .map_err(|error| Failure::file("create", &directory.display().to_string(), &error))?;
        Ok(Self {
            directory,
            is_temporary: true,
        })
    }

    fn path(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_temporary {
            let _nobody_needs_it = std::fs::remove_dir_all(self.path());
        }
    }
}
