//! The loading half: entries from a source into keyspaces, in batches.
//!
//! Batches are buffered commits; the last one is synced, and everything before it with it. So an
//! import that ends well is on disk, and one that fails has stored whole batches, which it also
//! syncs before it says how many rows they hold.

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustdb::{Database, Durability, Keyspace, KeyspaceOptions, WriteBatch};
use serde_json::json;

use super::input::Input;
use super::{ImportArguments, OnDuplicate};
use crate::failure::{Failure, Result};
use crate::output::{Output, count, counted, rate, readable, size, time};
use crate::signals::{self, Working};

/// Entries of a batch.
const BATCH_ENTRIES: usize = 1_000;

/// Bytes of a batch, after which it is committed with fewer entries.
const BATCH_BYTES: usize = 4 << 20;

/// Refused rows that are told one by one.
const TOLD_MAX: u64 = 20;

/// What a source gives.
pub enum Item {
    /// The entries that follow are in this keyspace.
    Keyspace { name: String, stored: Stored },
    /// An entry, with the line (or number) it came from.
    Entry {
        line: u64,
        key: Vec<u8>,
        value: Vec<u8>,
        /// When it expires, in microseconds since the Unix epoch.
        expiry: Option<u64>,
    },
    /// Something that is no entry.
    Refused(Refusal),
    /// The source is complete.
    End,
}

/// How a keyspace was stored where the entries come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub counted: bool,
    pub filter: bool,
    /// The name of its own compression; empty if it had none.
    pub codec: String,
}

impl Default for Stored {
    fn default() -> Self {
        Self::from(&KeyspaceOptions::default())
    }
}

impl From<&KeyspaceOptions> for Stored {
    fn from(options: &KeyspaceOptions) -> Self {
        Self {
            counted: options.counted,
            filter: options.filter,
            codec: options
                .compression
                .map_or_else(String::new, |it| it.to_string()),
        }
    }
}

impl Stored {
    /// The options for a new keyspace. A compression that this build lacks becomes the
    /// database's, and is told.
    fn options(&self) -> KeyspaceOptions {
        let compression = match self.codec.as_str() {
            "" => None,
            name => name
                .parse()
                .inspect_err(|error| eprintln!("{error}; the database's is used"))
                .ok(),
        };
        KeyspaceOptions {
            counted: self.counted,
            filter: self.filter,
            compression,
        }
    }
}

/// Why a row was not loaded.
pub struct Refusal {
    pub line: u64,
    pub why: String,
}

/// Where entries come from.
pub trait Source {
    /// The next item; an error if the rest cannot be read.
    fn next(&mut self) -> Result<Option<Item>>;

    /// What the number of an item counts.
    fn unit(&self) -> &'static str {
        "line"
    }
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    pub keyspaces: Vec<String>,
    pub loaded: u64,
    pub skipped: u64,
    pub replaced: u64,
    pub refused: u64,
    pub bytes_read: u64,
    pub elapsed: Duration,
}

impl ImportReport {
    /// Prints it.
    pub fn print(&self, output: &mut Output) -> Result<()> {
        let mut text = format!(
            "Imported {} into {}: {} in {}, {} rows/s",
            counted(self.loaded, "row", "rows"),
            self.keyspaces.join(", "),
            size(self.bytes_read),
            time(self.elapsed),
            rate(self.loaded, self.elapsed)
        );
        for (number, what) in [
            (self.skipped, "duplicates skipped"),
            (self.replaced, "duplicates replaced"),
            (self.refused, "rows refused"),
        ] {
            if number > 0 {
                text.push_str(&format!("\n{} {what}", count(number)));
            }
        }
        let object = json!({
            "keyspaces": self.keyspaces,
            "loaded": self.loaded,
            "skipped": self.skipped,
            "replaced": self.replaced,
            "refused": self.refused,
            "bytes_read": self.bytes_read,
            "elapsed_us": self.elapsed.as_micros() as u64,
        });
        output.result(&text, &object)?;
        output.flush()
    }
}

/// Loads everything that `source` gives.
pub fn load(
    database: &Database,
    arguments: &ImportArguments,
    current: Option<&Keyspace>,
    source: &mut dyn Source,
    input: &Input,
) -> Result<ImportReport> {
    let start = Instant::now();
    let keyspace = match (&arguments.keyspace, current) {
        (Some(name), _) => database.keyspace(name)?,
        (None, Some(current)) => current.clone(),
        (None, None) => database.default_keyspace(),
    };
    let mut loader = Loader {
        database,
        arguments,
        keyspace,
        batch: WriteBatch::new(),
        pending: HashSet::new(),
        pending_loaded: 0,
        stored: 0,
        report: ImportReport::default(),
        unit: source.unit(),
        file: input.shown_name(),
    };
    let progress = progress(input);
    let _working = Working::begin();
    let outcome = loader.run(source, &progress, input);
    progress.finish_and_clear();
    let committed = loader.commit(Durability::Sync);
    let stored = counted(loader.stored, "row was stored", "rows were stored");
    outcome
        .and(committed)
        .map_err(|failure| failure.and(&format!("; {stored}")))?;
    let mut report = loader.report;
    report.bytes_read = input.bytes_read();
    report.elapsed = start.elapsed();
    Ok(report)
}

struct Loader<'a> {
    database: &'a Database,
    arguments: &'a ImportArguments,
    keyspace: Keyspace,
    batch: WriteBatch,
    /// The keys of the batch, of the keyspace in use.
    pending: HashSet<Vec<u8>>,
    /// Rows in the batch.
    pending_loaded: u64,
    /// Rows in the database.
    stored: u64,
    report: ImportReport,
    unit: &'static str,
    /// What messages call the file.
    file: String,
}

impl Loader<'_> {
    fn run(
        &mut self,
        source: &mut dyn Source,
        progress: &ProgressBar,
        input: &Input,
    ) -> Result<()> {
        while let Some(item) = source.next().map_err(|it| it.within(&self.file))? {
            match item {
                Item::Keyspace { name, stored } => self.enter(&name, &stored)?,
                Item::Entry {
                    line,
                    key,
                    value,
                    expiry,
                } => self.add(line, key, &value, expiry)?,
                Item::Refused(refusal) => self.refuse(&refusal)?,
                Item::End => break,
            }
            if signals::is_cancelled() {
                let again = "`--on-duplicate skip` goes on where it ended";
                return Err(Failure::cancelled("").hint(again));
            }
            if self.batch.is_empty() {
                progress.set_position(input.bytes_read());
                progress.set_message(count(self.report.loaded));
            }
        }
        self.note_keyspace();
        Ok(())
    }

    /// A dump names keyspaces; the arguments may name another one for all of its entries.
    fn enter(&mut self, name: &str, stored: &Stored) -> Result<()> {
        if self.arguments.keyspace.is_some() {
            return Ok(());
        }
        self.commit(Durability::Buffered)?;
        self.keyspace = match self.database.existing_keyspace(name) {
            Some(keyspace) => keyspace,
            None => self.database.create_keyspace(name, &stored.options())?,
        };
        self.note_keyspace();
        Ok(())
    }

    fn note_keyspace(&mut self) {
        let name = self.keyspace.name();
        let is_new = !self.report.keyspaces.iter().any(|known| known == name);
        if is_new && (self.report.keyspaces.is_empty() || self.unit == "entry") {
            self.report.keyspaces.push(name.to_owned());
        }
    }

    fn add(&mut self, line: u64, key: Vec<u8>, value: &[u8], expiry: Option<u64>) -> Result<()> {
        if self.pending.contains(&key) || self.keyspace.contains_key(&key)? {
            match self.arguments.on_duplicate {
                OnDuplicate::Error => {
                    let text = format!("{} {line}: key `{}` exists", self.unit, readable(&key));
                    return Err(Failure::new(text).within(&self.file).hint(
                        "`--on-duplicate skip` keeps the old value, `replace` takes the new one",
                    ));
                }
                OnDuplicate::Skip => {
                    self.report.skipped += 1;
                    return Ok(());
                }
                OnDuplicate::Replace => self.report.replaced += 1,
            }
        }
        // The batch before is committed only now that there is more to come, so that the last
        // one is left to be synced.
        if self.batch.len() >= BATCH_ENTRIES || self.batch.bytes() >= BATCH_BYTES {
            self.commit(Durability::Buffered)?;
        }
        let expiry = expiry.and_then(|it| UNIX_EPOCH.checked_add(Duration::from_micros(it)));
        match expiry {
            Some(expiry) => self
                .batch
                .put_with_expiry(&self.keyspace, &key, value, expiry),
            None => self.batch.put(&self.keyspace, &key, value),
        };
        self.pending.insert(key);
        self.pending_loaded += 1;
        self.report.loaded += 1;
        Ok(())
    }

    fn refuse(&mut self, refusal: &Refusal) -> Result<()> {
        self.report.refused += 1;
        let text = format!("{} {}: {}", self.unit, refusal.line, refusal.why);
        if self.report.refused > self.arguments.max_refused {
            let failure = Failure::new(text).within(&self.file);
            return Err(match self.arguments.max_refused {
                0 => failure.hint("`--max-refused N` goes on after that many such rows"),
                limit => failure.hint(format!("{} were allowed", counted(limit, "row", "rows"))),
            });
        }
        if self.report.refused <= TOLD_MAX {
            match self.arguments.json {
                true => eprintln!("{}", json!({ "refused": text })),
                false => eprintln!("refused: {text}"),
            }
        }
        Ok(())
    }

    fn commit(&mut self, durability: Durability) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.database.write_with(&self.batch, durability)?;
        self.stored += self.pending_loaded;
        self.pending_loaded = 0;
        self.batch.clear();
        self.pending.clear();
        Ok(())
    }
}

/// A bar on a terminal, and nothing elsewhere.
pub fn progress(input: &Input) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let (bar, template) = match input.bytes {
        Some(bytes) => (
            ProgressBar::with_draw_target(Some(bytes), target),
            "{bar:30} {percent:>3} %  {msg} rows  {bytes_per_sec}  {eta} left",
        ),
        None => (
            ProgressBar::with_draw_target(None, target),
            "{spinner} {msg} rows  {bytes}  {bytes_per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
