//! Golden scripts: commands, `---`, what they print.
//!
//! ```text
//! set a=1 b=2              writes outside of any transaction
//! show                     every entry, as committed now
//! A: begin snapshot        begins a transaction named A (read-committed, snapshot, serializable)
//! A: get a
//! ```
//!
//! Each transaction has a thread of its own. A command that has to wait for a lock prints `waits`,
//! and its result is printed by the command that ended the wait. `RUSTDB_UPDATE=1` writes what is
//! printed into the files; read it before believing it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustdb_storage::engine::Durability;
use rustdb_txn::{
    Access, Error, IsolationLevel, KeyRange, LockTarget, ObjectMode, OwnerId, RowMode, RowState,
    SavepointId, Scan, Swap, Transaction, TransactionManager, Wait, WriteBatch,
};

use crate::database::Database;

#[test]
#[expect(clippy::disallowed_methods, reason = "test data is in the source tree")]
fn scripts_print_what_they_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        check(&file);
    }
}

#[expect(clippy::disallowed_methods, reason = "test data is in the source tree")]
fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut printed = String::new();
    let mut runner: Option<Runner> = None;
    for block in text
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
    {
        let commands = block.split("\n---").next().unwrap_or_default();
        // A line of `##` starts over with an empty database.
        if commands.starts_with("## ") || runner.is_none() {
            runner = Some(Runner::new());
        }
        let output = runner.as_mut().unwrap().run(commands);
        writeln!(printed, "{commands}\n---\n{output}").unwrap();
    }
    drop(runner);
    if std::env::var_os("RUSTDB_UPDATE").is_some() {
        return std::fs::write(file, printed.trim_end().to_owned() + "\n").unwrap();
    }
    let (expected, printed) = (text.trim_end(), printed.trim_end());
    for (number, (want, got)) in expected.lines().zip(printed.lines()).enumerate() {
        assert_eq!(got, want, "{}:{}", file.display(), number + 1);
    }
    assert_eq!(
        printed.lines().count(),
        expected.lines().count(),
        "{}",
        file.display()
    );
}

struct Runner {
    database: Database,
    sessions: BTreeMap<String, Session>,
}

/// A named transaction and its thread.
struct Session {
    owner: OwnerId,
    commands: Sender<String>,
    results: Receiver<String>,
    waits: bool,
}

impl Runner {
    fn new() -> Self {
        Self {
            database: Database::new(),
            sessions: BTreeMap::new(),
        }
    }

    fn run(&mut self, commands: &str) -> String {
        let mut output = String::new();
        for line in commands.lines().filter(|line| !line.starts_with('#')) {
            let result = match line.split_once(": ") {
                Some((name, command)) => self.run_session(name, command),
                None => self.run_plain(line),
            };
            if let Some(result) = result {
                writeln!(output, "{result}").unwrap();
            }
            self.collect(&mut output);
        }
        output
    }

    /// Runs a command outside of any transaction.
    fn run_plain(&mut self, line: &str) -> Option<String> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (manager, plain) = (&self.database.manager, self.database.plain);
        let printed = match command {
            "set" => {
                for pair in words {
                    let (key, value) = pair.split_once('=').unwrap();
                    let put =
                        manager.put(plain, key.as_bytes(), value.as_bytes(), Durability::None);
                    if let Err(error) = put {
                        return Some(show_error(&error));
                    }
                }
                return None;
            }
            "delete" => match manager.delete(plain, words[0].as_bytes(), Durability::None) {
                Ok(_) => return None,
                Err(error) => show_error(&error),
            },
            "batch" => {
                let mut batch = WriteBatch::new();
                for word in words {
                    match (word.split_once('='), word.split_once("..")) {
                        (Some((k, v)), _) => batch.put(plain, k.as_bytes(), v.as_bytes()),
                        (_, Some((from, to))) => {
                            batch.delete_range(plain, from.as_bytes(), Some(to.as_bytes()));
                        }
                        _ => batch.delete(plain, word.trim_start_matches('-').as_bytes()),
                    }
                }
                match manager.write(&batch, Durability::None) {
                    Ok(_) => return None,
                    Err(error) => show_error(&error),
                }
            }
            "cas" => {
                let value = |word: &str| (word != "-").then(|| word.as_bytes().to_vec());
                let (expected, new) = (value(words[1]), value(words[2]));
                let (key, durability) = (words[0].as_bytes(), Durability::None);
                let swap = manager.compare_and_swap(
                    plain,
                    key,
                    expected.as_deref(),
                    new.as_deref(),
                    durability,
                );
                match swap {
                    Ok(Swap::Done(_)) => "done".into(),
                    Ok(Swap::Differs(value)) => format!("is {}", show_value(value.as_deref())),
                    Err(error) => show_error(&error),
                }
            }
            "show" => self.show(),
            "locks" => self.locks(),
            _ => panic!("unknown command `{line}`"),
        };
        Some(printed)
    }

    /// Runs a command of a transaction.
    fn run_session(&mut self, name: &str, command: &str) -> Option<String> {
        if let Some(level) = command.strip_prefix("begin") {
            let session = Session::begin(&self.database, level);
            self.sessions.insert(name.to_owned(), session);
            return None;
        }
        let manager = self.database.manager.clone();
        let session = self
            .sessions
            .get_mut(name)
            .unwrap_or_else(|| panic!("no `{name}`"));
        assert!(!session.waits, "`{name}` still waits: `{command}`");
        session.commands.send(command.to_owned()).unwrap();
        session.waits = true;
        match session.result(&manager) {
            Some(result) if result.is_empty() => None,
            Some(result) => Some(format!("{name}: {result}")),
            None => Some(format!("{name}: waits")),
        }
    }

    /// Prints the results of commands that waited and are done now.
    fn collect(&mut self, output: &mut String) {
        let manager = self.database.manager.clone();
        for (name, session) in &mut self.sessions {
            if session.waits
                && let Some(result) = session.result(&manager)
            {
                let result = if result.is_empty() {
                    "done".into()
                } else {
                    result
                };
                writeln!(output, "{name}: {result}").unwrap();
            }
        }
    }

    fn show(&self) -> String {
        let transaction = self
            .database
            .manager
            .begin(IsolationLevel::Snapshot, Access::ReadOnly)
            .unwrap();
        let mut scan = transaction
            .scan(self.database.plain, KeyRange::all())
            .unwrap();
        show_scan(|| scan.next(&transaction))
    }

    fn locks(&self) -> String {
        let name = |owner: OwnerId| {
            let mut sessions = self.sessions.iter();
            sessions
                .find(|(_, s)| s.owner == owner)
                .map_or("?", |(name, _)| name.as_str())
        };
        let lines = self
            .database
            .manager
            .locks()
            .list()
            .into_iter()
            .map(|lock| {
                let target = match lock.target {
                    LockTarget::Row(_, key) => String::from_utf8(key).unwrap(),
                    LockTarget::Rows(keyspace) => format!("rows of {}", keyspace.0),
                    LockTarget::Object(object) => format!("#{object}"),
                    LockTarget::Advisory(key) => format!("{key:?}"),
                };
                let verb = if lock.granted { "holds" } else { "wants" };
                format!("{target} {} {verb} {}", name(lock.owner), lock.modes)
            });
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() {
            "no locks".into()
        } else {
            lines.join("\n")
        }
    }
}

impl Session {
    fn begin(database: &Database, level: &str) -> Self {
        let level = match level.trim() {
            "read-committed" => IsolationLevel::ReadCommitted,
            "snapshot" | "" => IsolationLevel::Snapshot,
            "serializable" => IsolationLevel::Serializable,
            other => panic!("unknown level `{other}`"),
        };
        let transaction = database.manager.begin(level, Access::ReadWrite).unwrap();
        let owner = transaction.id();
        let (commands, inbox) = channel::<String>();
        let (outbox, results) = channel();
        let mut actor = Actor {
            transaction: Some(transaction),
            savepoints: BTreeMap::new(),
            scans: BTreeMap::new(),
            keyspace: database.plain,
        };
        std::thread::Builder::new()
            .spawn(move || {
                while let Ok(command) = inbox.recv() {
                    let result = actor.run(&command);
                    if outbox
                        .send(result.unwrap_or_else(|e| show_error(&e)))
                        .is_err()
                    {
                        break;
                    }
                }
            })
            .unwrap();
        Self {
            owner,
            commands,
            results,
            waits: false,
        }
    }

    /// The result of the command that runs, or `None` if it waits for a lock.
    fn result(&mut self, manager: &TransactionManager) -> Option<String> {
        loop {
            // The order matters: a result that came after the second look is found by the third.
            let waits = manager.locks().is_waiting(self.owner);
            if let Ok(result) = self.results.try_recv() {
                self.waits = false;
                return Some(result);
            }
            if waits {
                return None;
            }
            std::thread::yield_now();
        }
    }
}

/// What runs in the thread of a session.
struct Actor {
    transaction: Option<Transaction>,
    savepoints: BTreeMap<String, SavepointId>,
    scans: BTreeMap<String, Scan>,
    keyspace: rustdb_txn::KeyspaceRef,
}

impl Actor {
    fn run(&mut self, line: &str) -> Result<String, Error> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (command, words) = words.split_first().unwrap();
        match *command {
            "commit" => {
                self.transaction.take().unwrap().commit(Durability::None)?;
                return Ok("committed".into());
            }
            "rollback" => {
                self.transaction.take().unwrap().rollback();
                return Ok(String::new());
            }
            _ => {}
        }
        self.run_open(command, words)
    }

    fn run_open(&mut self, command: &str, words: &[&str]) -> Result<String, Error> {
        let ks = self.keyspace;
        let tx = self.transaction.as_mut().expect("the transaction is over");
        let key = words.first().map_or(&b""[..], |word| word.as_bytes());
        let range = parse_range(words.first().copied().unwrap_or(".."));
        Ok(match command {
            "get" => show_pair(key, tx.get(ks, key)?.as_deref()),
            "newest" => show_pair(key, tx.get_newest(ks, key)?.as_deref()),
            "for-update" => show_pair(key, tx.get_for_update(ks, key)?.as_deref()),
            "put" => done(tx.put(ks, key, words[1].as_bytes()))?,
            "put-expired" => done(tx.put_expiring(ks, key, words[1].as_bytes(), 1))?,
            "delete" => done(tx.delete(ks, key))?,
            "put-locked" => done(tx.put_locked(ks, key, words[1].as_bytes()))?,
            "delete-range" => done(tx.delete_range(ks, range))?,
            "pop-first" => show_entry(tx.pop_first(ks, &range)?),
            "pop-last" => show_entry(tx.pop_last(ks, &range)?),
            "first" => show_entry(tx.first(ks, range)?),
            "last" => show_entry(tx.last(ks, range)?),
            "retain" => {
                let value = words[1].as_bytes();
                format!("removed {}", tx.retain(ks, range, |_, v| v == value)?)
            }
            "scan" => {
                let mut scan = tx.scan(ks, range)?;
                show_scan(|| scan.next(tx))
            }
            "scan-back" => {
                let mut scan = tx.scan(ks, range)?;
                show_scan(|| scan.next_back(tx))
            }
            "refresh" => done(tx.refresh())?,
            "lock" => {
                let state = tx.lock_row(ks, key, row_mode(words[1]), wait(words.get(2)))?;
                match state {
                    RowState::Unchanged => "locked".into(),
                    RowState::Changed => "locked, changed".into(),
                }
            }
            "lock-object" => {
                let object = words[0].parse().unwrap();
                tx.lock_object(object, object_mode(words[1]), wait(words.get(2)))?;
                "locked".into()
            }
            _ => return self.run_stateful(command, words),
        })
    }

    /// Commands that name a savepoint or a scan.
    fn run_stateful(&mut self, command: &str, words: &[&str]) -> Result<String, Error> {
        let tx = self.transaction.as_mut().expect("the transaction is over");
        let name = words[0].to_owned();
        Ok(match command {
            "savepoint" => {
                self.savepoints.insert(name, tx.savepoint());
                String::new()
            }
            "rollback-to" => done(tx.rollback_to(self.savepoints[&name]))?,
            "release" => done(tx.release(self.savepoints[&name]))?,
            "open" => {
                let range = parse_range(words.get(1).copied().unwrap_or(".."));
                self.scans.insert(name, tx.scan(self.keyspace, range)?);
                String::new()
            }
            "next" => show_entry(self.scans.get_mut(&name).unwrap().next(tx)?),
            "next-back" => show_entry(self.scans.get_mut(&name).unwrap().next_back(tx)?),
            _ => panic!("unknown command `{command}`"),
        })
    }
}

fn done(result: Result<(), Error>) -> Result<String, Error> {
    result.map(|()| String::new())
}

fn parse_range(text: &str) -> KeyRange {
    let (from, to) = text.split_once("..").unwrap_or(("", ""));
    KeyRange {
        start: from.into(),
        end: (!to.is_empty()).then(|| to.into()),
    }
}

fn row_mode(word: &str) -> RowMode {
    match word {
        "key-share" => RowMode::KeyShare,
        "share" => RowMode::Share,
        "no-key-update" => RowMode::NoKeyUpdate,
        "update" => RowMode::Update,
        other => panic!("unknown row mode `{other}`"),
    }
}

fn object_mode(word: &str) -> ObjectMode {
    let name = |mode: &ObjectMode| format!("{mode:?}");
    *ObjectMode::ALL
        .iter()
        .find(|mode| name(mode) == word)
        .unwrap()
}

fn wait(word: Option<&&str>) -> Wait {
    match word.copied() {
        None => Wait::Forever,
        Some("nowait") => Wait::No,
        Some(millis) => Wait::AtMost(std::time::Duration::from_millis(millis.parse().unwrap())),
    }
}

fn show_value(value: Option<&[u8]>) -> String {
    value.map_or("none".into(), |value| {
        String::from_utf8_lossy(value).into_owned()
    })
}

fn show_pair(key: &[u8], value: Option<&[u8]>) -> String {
    format!("{}={}", String::from_utf8_lossy(key), show_value(value))
}

fn show_entry(entry: Option<rustdb_txn::Entry>) -> String {
    entry.map_or("none".into(), |(key, value)| show_pair(&key, Some(&value)))
}

fn show_scan(mut next: impl FnMut() -> Result<Option<rustdb_txn::Entry>, Error>) -> String {
    let mut shown = Vec::new();
    loop {
        match next() {
            Ok(Some(entry)) => shown.push(show_entry(Some(entry))),
            Ok(None) => break,
            Err(error) => return show_error(&error),
        }
    }
    if shown.is_empty() {
        "nothing".into()
    } else {
        shown.join(" ")
    }
}

/// The first line; hints are for people.
fn show_error(error: &Error) -> String {
    format!(
        "error: {}",
        error.to_string().lines().next().unwrap_or_default()
    )
}
