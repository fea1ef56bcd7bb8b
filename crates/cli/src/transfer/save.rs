//! The saving half: entries of one snapshot, into a file that appears when it is complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustdb::{Database, Iter, Keyspace, Snapshot};
use serde_json::{Map, Value, json};

use super::load::Stored;
use super::row::{columns_of, merge_columns, split_key};
use super::{ExportArguments, Format, KeyColumns, csv_rows, dump, json_lines};
use crate::failure::{Failure, Result};
use crate::output::{Output, counted, rate, readable, size, time};
use crate::signals::{self, Working};

/// How the file is written.
pub struct Form {
    pub format: Format,
    pub key: KeyColumns,
    /// The columns beside those of the key, if they were named.
    pub columns: Option<Vec<String>>,
    pub delimiter: u8,
}

/// What an export did.
#[derive(Clone, Debug, Default)]
pub struct ExportReport {
    file: String,
    entries: u64,
    bytes: u64,
    elapsed: Duration,
}

impl ExportReport {
    /// Prints it; on standard error if the entries went to standard output.
    pub fn print(&self, output: &mut Output) -> Result<()> {
        let text = format!(
            "Exported {} to {}: {} in {}, {} rows/s",
            counted(self.entries, "row", "rows"),
            self.file,
            size(self.bytes),
            time(self.elapsed),
            rate(self.entries, self.elapsed)
        );
        let object = json!({
            "file": self.file,
            "rows": self.entries,
            "bytes": self.bytes,
            "elapsed_us": self.elapsed.as_micros() as u64,
        });
        if self.file == "-" {
            return Ok(());
        }
        output.result(&text, &object)?;
        output.flush()
    }
}

/// Writes the keyspace, or all of them, as they are now.
pub fn save(
    database: &Database,
    arguments: &ExportArguments,
    current: Option<&Keyspace>,
    form: &Form,
) -> Result<ExportReport> {
    let start = Instant::now();
    let keyspaces = match (&arguments.keyspace, current) {
        (Some(name), _) => vec![existing(database, name)?],
        (None, Some(current)) => vec![current.clone()],
        (None, None) if form.format == Format::Dump => {
            let names = database.keyspaces();
            names
                .iter()
                .map(|name| existing(database, name))
                .collect::<Result<_>>()?
        }
        (None, None) => vec![database.default_keyspace()],
    };
    let _working = Working::begin();
    let saver = Saver {
        snapshot: database.snapshot(),
        prefix: arguments.prefix.clone().unwrap_or_default().into_bytes(),
        form,
    };
    let mut target = Target::create(&arguments.file, arguments.force)?;
    let entries = saver.write(&keyspaces, &mut target);
    let entries = entries.map_err(|failure| match target.is_broken {
        true if arguments.file == "-" => failure.within("standard output"),
        true => failure.within(&format!("`{}`", arguments.file)),
        false => failure,
    })?;
    let bytes = target.finish()?;
    Ok(ExportReport {
        file: arguments.file.clone(),
        entries,
        bytes,
        elapsed: start.elapsed(),
    })
}

fn existing(database: &Database, name: &str) -> Result<Keyspace> {
    database.existing_keyspace(name).ok_or_else(|| {
        Failure::new(format!("no keyspace `{name}`")).hint(format!(
            "the keyspaces: {}",
            database.keyspaces().join(", ")
        ))
    })
}

struct Saver<'a> {
    snapshot: Snapshot,
    prefix: Vec<u8>,
    form: &'a Form,
}

impl Saver<'_> {
    fn write(&self, keyspaces: &[Keyspace], target: &mut Target) -> Result<u64> {
        match (self.form.format, keyspaces) {
            (Format::Dump, all) => self.dump(all, target),
            (Format::Csv, [keyspace, ..]) => match &self.form.key {
                KeyColumns::Absent => self.csv_entries(keyspace, target),
                KeyColumns::Auto => self.csv_rows(keyspace, &[], target),
                KeyColumns::Named(names) => self.csv_rows(keyspace, names, target),
            },
            (Format::Jsonl, [keyspace, ..]) => match &self.form.key {
                KeyColumns::Absent => self.json_entries(keyspace, target),
                KeyColumns::Auto => self.json_rows(keyspace, &[], target),
                KeyColumns::Named(names) => self.json_rows(keyspace, names, target),
            },
            (Format::Csv | Format::Jsonl, []) => Ok(0),
        }
    }

    fn entries(&self, keyspace: &Keyspace) -> Iter {
        self.snapshot.prefix(keyspace, &self.prefix)
    }

    /// Gives every entry to `each`, until there are no more or a signal says so.
    fn walk(
        &self,
        keyspace: &Keyspace,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<u64> {
        let mut entries = 0;
        for entry in self.entries(keyspace) {
            let (key, value) = entry?;
            each(&key, &value)?;
            entries += 1;
            if signals::is_cancelled() {
                return Err(Failure::cancelled(""));
            }
        }
        Ok(entries)
    }

    fn dump(&self, keyspaces: &[Keyspace], target: &mut Target) -> Result<u64> {
        let mut writer = dump::Writer::new(target)?;
        let mut entries = 0;
        for keyspace in keyspaces {
            let options = keyspace.options().unwrap_or_default();
            writer.keyspace(keyspace.name(), &Stored::from(&options))?;
            let mut walk = self.entries(keyspace);
            while let Some(entry) = walk.next() {
                let (key, value) = entry?;
                writer.entry(&key, &value, walk.expiry().map(micros))?;
                entries += 1;
                if signals::is_cancelled() {
                    return Err(Failure::cancelled(""));
                }
            }
        }
        writer.finish()?;
        Ok(entries)
    }

    fn csv_entries(&self, keyspace: &Keyspace, target: &mut Target) -> Result<u64> {
        let mut writer = csv_rows::Writer::new(target, self.form.delimiter, ["key", "value"])?;
        let entries = self.walk(keyspace, |key, value| {
            match (std::str::from_utf8(key), std::str::from_utf8(value)) {
                (Ok(key), Ok(value)) => writer.entry(key, value),
                _ => Err(not_text(key)),
            }
        })?;
        Ok(entries)
    }

    fn csv_rows(&self, keyspace: &Keyspace, names: &[String], target: &mut Target) -> Result<u64> {
        let columns = match &self.form.columns {
            Some(columns) => columns.clone(),
            None => self.columns(keyspace, names)?,
        };
        let header = names.iter().chain(&columns);
        let mut writer = csv_rows::Writer::new(target, self.form.delimiter, header)?;
        let entries = self.walk(keyspace, |key, value| {
            let (key, row) = row_of(key, value, names)?;
            writer.row(&key, &columns, &row)
        })?;
        Ok(entries)
    }

    /// Every column that any row has, which takes a walk of its own.
    fn columns(&self, keyspace: &Keyspace, names: &[String]) -> Result<Vec<String>> {
        let mut columns = Vec::new();
        self.walk(keyspace, |key, value| {
            let (_, row) = row_of(key, value, names)?;
            merge_columns(&mut columns, row.keys());
            Ok(())
        })?;
        Ok(columns)
    }

    fn json_entries(&self, keyspace: &Keyspace, target: &mut Target) -> Result<u64> {
        self.walk(keyspace, |key, value| {
            json_lines::write_entry(target, key, value)
        })
    }

    fn json_rows(&self, keyspace: &Keyspace, names: &[String], target: &mut Target) -> Result<u64> {
        self.walk(keyspace, |key, value| {
            let (key, mut row) = row_of(key, value, names)?;
            if let Some(columns) = &self.form.columns {
                row.retain(|name, _| columns.contains(name));
            }
            json_lines::write_row(target, names, key, row)
        })
    }
}

/// Microseconds since the Unix epoch.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The values of the key columns, and the other columns.
fn row_of(key: &[u8], value: &[u8], names: &[String]) -> Result<(Vec<String>, Map<String, Value>)> {
    let not_a_row = || {
        Failure::new(format!("the value of `{}` is not a row", readable(key)))
            .hint("without `--key` keys and values are written as they are")
    };
    let row = columns_of(value).ok_or_else(not_a_row)?;
    if names.is_empty() {
        return Ok((Vec::new(), row));
    }
    let text = std::str::from_utf8(key).map_err(|_| not_text(key))?;
    let values = split_key(text, names.len()).ok_or_else(|| {
        Failure::new(format!(
            "`{}` is not a key of {} columns",
            readable(key),
            names.len()
        ))
    })?;
    Ok((values, row))
}

fn not_text(key: &[u8]) -> Failure {
    Failure::new(format!("the entry of `{}` is not text", readable(key)))
        .hint("`--format jsonl` and `dump` take any bytes")
}

/// The file to be. It has its name only when it is complete and on disk; until then it is
/// `NAME.partial`, which a failure removes. Pipes and devices cannot be replaced: they are written
/// to as they are.
struct Target {
    name: String,
    /// Where the name leads.
    path: PathBuf,
    writer: BufWriter<Sink>,
    bytes: u64,
    partial: Option<PathBuf>,
    /// It could not be written.
    is_broken: bool,
}

enum Sink {
    File(File),
    Device(File),
    Standard(io::Stdout),
}

impl Target {
    fn create(name: &str, force: bool) -> Result<Self> {
        let told = |error: &io::Error| Failure::file("create", name, error);
        // A link stays, and what it points to is replaced.
        let path = std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        let (sink, partial) = match std::fs::metadata(&path) {
            _ if name == "-" => (Sink::Standard(io::stdout()), None),
            Ok(there) if there.is_dir() => {
                return Err(Failure::new(format!("`{name}` is a directory")));
            }
            Ok(there) if there.is_file() && !force => {
                return Err(Failure::new(format!("`{name}` exists")).hint("`--force` replaces it"));
            }
            Ok(there) if !there.is_file() => {
                let file = File::options().write(true).open(&path);
                (Sink::Device(file.map_err(|error| told(&error))?), None)
            }
            _ => {
                let partial = PathBuf::from(format!("{}.partial", path.display()));
                let file = File::create(&partial).map_err(|error| told(&error))?;
                (Sink::File(file), Some(partial))
            }
        };
        Ok(Self {
            name: name.to_owned(),
            path,
            writer: BufWriter::with_capacity(256 << 10, sink),
            bytes: 0,
            partial,
            is_broken: false,
        })
    }

    fn finish(mut self) -> Result<u64> {
        let told = |error: io::Error| match self.name.as_str() {
            "-" => Failure::from(error),
            name => Failure::file("write", name, &error),
        };
        self.writer.flush().map_err(told)?;
        if let (Sink::File(file), Some(partial)) = (self.writer.get_ref(), &self.partial) {
            file.sync_all().map_err(told)?;
            std::fs::rename(partial, &self.path).map_err(told)?;
        }
        self.partial = None;
        Ok(self.bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _it_may_be_gone = std::fs::remove_file(partial);
        }
    }
}

impl Write for Target {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let bytes = self.writer.write(buffer);
        let bytes = bytes.inspect_err(|_| self.is_broken = true)?;
        self.bytes += bytes as u64;
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File(file) | Sink::Device(file) => file.write(buffer),
            Sink::Standard(stdout) => stdout.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File(file) | Sink::Device(file) => file.flush(),
            Sink::Standard(stdout) => stdout.flush(),
        }
    }
}
