//! Runs commands on a database.

use std::ops::Bound;

use rustdb::{Database, ErrorKind, Iter, Keyspace, KeyspaceOptions};
use serde_json::json;

use super::command::{self, Command, FORMS, Form, KeyRange, Scan};
use crate::failure::{Failure, Result};
use crate::output::{Output, counted, json_of, readable};
use crate::signals::{self, Working};
use crate::{care, stats, transfer};

/// Whether the shell goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Continue,
    Quit,
}

/// A person or a script at work on a database.
#[derive(Debug)]
pub struct Session {
    database: Database,
    keyspace: Keyspace,
    /// Whether answers are the sentences of rusty_db, which scripts may wait for.
    is_wordy: bool,
    pub output: Output,
}

/// The variable that asks for the sentences of rusty_db.
const WORDY: &str = "RUSTY_DB_DEBUG";

impl Session {
    pub fn new(database: Database, output: Output) -> Self {
        let keyspace = database.default_keyspace();
        Self {
            database,
            keyspace,
            is_wordy: std::env::var_os(WORDY).is_some_and(|value| value == "1"),
            output,
        }
    }

    /// The name of the keyspace in use.
    pub fn keyspace(&self) -> &str {
        self.keyspace.name()
    }

    /// Runs a line. What it prints is visible when this returns.
    pub fn run(&mut self, line: &str) -> Result<Next> {
        let _working = Working::begin();
        let outcome = match command::parse(line) {
            Ok(Some(Command::Quit)) => Ok(Next::Quit),
            Ok(Some(command)) => self.execute(command).map(|()| Next::Continue),
            Ok(None) => Ok(Next::Continue),
            Err(failure) => Err(failure),
        };
        self.output.flush()?;
        outcome
    }

    fn execute(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Put { key, value } => {
                self.keyspace.put(key, value)?;
                self.ok(match self.is_wordy {
                    true => "Successfully stored the key-value pair",
                    false => "OK",
                })
            }
            Command::Get { key } => self.get(&key),
            Command::Delete { key } => {
                self.keyspace.delete(key)?;
                self.ok("OK")
            }
            Command::Scan(scan) => self.scan(&scan),
            Command::Count { prefix } => self.count(prefix.as_deref()),
            Command::Use { keyspace } => self.use_keyspace(&keyspace),
            Command::Keyspaces => self.keyspaces(),
            Command::Create { keyspace, counted } => {
                let options = KeyspaceOptions {
                    counted,
                    ..KeyspaceOptions::default()
                };
                self.database.create_keyspace(&keyspace, &options)?;
                self.ok(&format!("Created keyspace {keyspace}"))
            }
            Command::Drop { keyspace } => self.drop_keyspace(&keyspace),
            Command::Stats => stats::print(&self.database, &mut self.output),
            Command::Import(mut arguments) => {
                arguments.json |= self.output.is_json();
                let file = transfer::Import::prepare(&arguments)?;
                let report = file.load(&self.database, Some(&self.keyspace))?;
                report.print(&mut self.output)
            }
            Command::Export(arguments) => {
                self.output.flush()?;
                let report = transfer::export(&self.database, &arguments, Some(&self.keyspace))?;
                report.print(&mut self.output)
            }
            Command::Flush => {
                care::timed(&self.database, &mut self.output, "Flushed", Database::flush)
            }
            Command::Compact => care::compact(&self.database, &mut self.output),
            Command::Verify => care::verify(&self.database, &mut self.output),
            Command::Checkpoint(arguments) => {
                care::checkpoint(&self.database, &arguments, &mut self.output)
            }
            Command::Help(None) => self.help(),
            Command::Help(Some(form)) => {
                self.output
                    .line(&format!("{}  {}", form.usage(), form.meaning))
            }
            Command::LongHelp(text) => self.output.line(&text),
            Command::Quit => Ok(()),
        }
    }

    fn ok(&mut self, text: &str) -> Result<()> {
        self.output.result(text, &json!({ "ok": true }))
    }

    fn get(&mut self, key: &[u8]) -> Result<()> {
        let value = self.keyspace.get(key)?;
        if self.output.is_json() {
            let value = value.map(|value| json_of(&value));
            return self
                .output
                .line(&json!({ "key": json_of(key), "value": value }).to_string());
        }
        self.output.line(&match (value, self.is_wordy) {
            (Some(value), true) => format!("Value: {}", readable(&value)),
            (None, true) => format!("Key not found: {}", readable(key)),
            (Some(value), false) => readable(&value),
            (None, false) => "(nil)".to_owned(),
        })
    }

    fn scan(&mut self, scan: &Scan) -> Result<()> {
        let mut entries = self.entries(&scan.range);
        let mut number = 0;
        while number < scan.limit {
            let entry = match scan.is_reverse {
                true => entries.next_back(),
                false => entries.next(),
            };
            let Some(entry) = entry else { break };
            let (key, value) = entry?;
            if signals::is_cancelled() {
                return Err(Failure::cancelled(format!(" after {}", told(number))));
            }
            if self.output.is_json() {
                let object = json!({ "key": json_of(&key), "value": json_of(&value) });
                self.output.line(&object.to_string())?;
            } else {
                self.output
                    .line(&format!("{} = {}", readable(&key), readable(&value)))?;
            }
            number += 1;
        }
        match self.output.is_json() {
            true => Ok(()),
            false => self.output.line(&format!("({})", told(number))),
        }
    }

    fn entries(&self, range: &KeyRange) -> Iter {
        let open = |key: &Vec<u8>, bound: fn(Vec<u8>) -> Bound<Vec<u8>>| match key.is_empty() {
            true => Bound::Unbounded,
            false => bound(key.clone()),
        };
        match range {
            KeyRange::Prefix(prefix) => self.keyspace.prefix(prefix),
            KeyRange::Between(from, to) => self
                .keyspace
                .range((open(from, Bound::Included), open(to, Bound::Excluded))),
        }
    }

    fn count(&mut self, prefix: Option<&[u8]>) -> Result<()> {
        let number = match prefix {
            None => match self.keyspace.len_with(signals::proceed) {
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    return Err(Failure::cancelled(""));
                }
                number => number?,
            },
            Some(prefix) => {
                let mut number = 0;
                for entry in self.keyspace.prefix(prefix) {
                    entry?;
                    number += 1;
                    if signals::is_cancelled() {
                        return Err(Failure::cancelled(format!(" after {}", told(number))));
                    }
                }
                number
            }
        };
        self.output
            .result(&number.to_string(), &json!({ "count": number }))
    }

    fn use_keyspace(&mut self, name: &str) -> Result<()> {
        match self.database.existing_keyspace(name) {
            Some(keyspace) => {
                self.keyspace = keyspace;
                self.ok(&format!("Using keyspace {name}"))
            }
            None => {
                let failure = Failure::new(format!("no keyspace `{name}`"));
                let names = self.database.keyspaces();
                let near = super::nearest(name, names.iter().map(String::as_str));
                Err(match near {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure.hint(format!("`create {name}` makes one")),
                })
            }
        }
    }

    fn keyspaces(&mut self) -> Result<()> {
        let names = self.database.keyspaces();
        if self.output.is_json() {
            return self.output.line(&json!({ "keyspaces": names }).to_string());
        }
        for name in names {
            let mark = if name == self.keyspace.name() {
                "  (in use)"
            } else {
                ""
            };
            self.output.line(&format!("{name}{mark}"))?;
        }
        Ok(())
    }

    fn drop_keyspace(&mut self, name: &str) -> Result<()> {
        self.database.drop_keyspace(name)?;
        if self.keyspace.name() == name {
            self.keyspace = self.database.default_keyspace();
        }
        self.ok(&format!("Dropped keyspace {name}"))
    }

    fn help(&mut self) -> Result<()> {
        let usages: Vec<String> = FORMS.iter().map(Form::usage).collect();
        let width = usages.iter().map(String::len).max().unwrap_or(0);
        for (usage, form) in usages.iter().zip(FORMS) {
            self.output
                .line(&format!("{usage:width$}  {}", form.meaning))?;
        }
        self.output.line("")?;
        self.output
            .line("Keys and values with spaces go in quotes; \\n, \\t and \\xNN are escapes,")?;
        self.output.line("except in single quotes.")
    }
}

fn told(number: u64) -> String {
    counted(number, "entry", "entries")
}
