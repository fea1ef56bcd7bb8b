//! Where the key of an encrypted database comes from: a file, a variable, or a person.
//!
//! A key file must be readable for its owner only. A passphrase is never an argument, which others
//! could see in the list of processes.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;
use rustdb::crypto::{EnvironmentKey, KeyError, KeyFile, KeyProvider, Passphrase};

use crate::arguments::{ChangeKeyArguments, DatabaseArguments};
use crate::failure::{Failure, Result};

/// The variable with a key or, after `passphrase:`, a passphrase.
pub const KEY: &str = "RUSTDB_KEY";

/// What opens the database; nothing if no key was given.
pub fn given(arguments: &DatabaseArguments, create: bool) -> Result<Option<Arc<dyn KeyProvider>>> {
    let variable = std::env::var_os(KEY);
    let number = usize::from(arguments.key_file.is_some())
        + usize::from(arguments.ask_passphrase)
        + usize::from(variable.is_some());
    if number > 1 {
        return Err(Failure::usage("more than one key is given").hint(format!(
            "use one of `--key-file`, `--ask-passphrase` and the variable `{KEY}`"
        )));
    }
    if let Some(path) = &arguments.key_file {
        return file(path).map(Some);
    }
    if arguments.ask_passphrase {
        return asked("Passphrase", create).map(Some);
    }
    let Some(text) = variable else {
        return Ok(None);
    };
    let text = text
        .into_string()
        .map_err(|_| Failure::usage(format!("the variable `{KEY}` is not UTF-8")))?;
    let key = EnvironmentKey::parse(KEY, &text).map_err(|error| malformed(&error))?;
    Ok(Some(Arc::new(key)))
}

/// Whether a key is given, without asking for it.
pub fn is_given(arguments: &DatabaseArguments) -> bool {
    arguments.key_file.is_some() || arguments.ask_passphrase || std::env::var_os(KEY).is_some()
}

/// What is to open the database from now on.
pub fn new_key(arguments: &ChangeKeyArguments) -> Result<Arc<dyn KeyProvider>> {
    match (&arguments.new_key_file, arguments.ask_new_passphrase) {
        (Some(path), false) => file(path),
        (None, true) => asked("New passphrase", true),
        _ => Err(Failure::usage("one new key is needed")
            .hint("give `--new-key-file FILE` or `--ask-new-passphrase`")),
    }
}

fn malformed(error: &KeyError) -> Failure {
    Failure::usage(error.to_string())
}

fn file(path: &Path) -> Result<Arc<dyn KeyProvider>> {
    check_mode(path)?;
    let owned: PathBuf = path.to_owned();
    Ok(Arc::new(KeyFile::new(
        path.display().to_string(),
        move || std::fs::read(&owned),
    )))
}

/// Refuses a key file that others can read or write. A missing one is told when it is read.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 => {
            let path = path.display();
            Err(Failure::new(format!(
                "others than its owner have access to key file `{path}`"
            ))
            .hint(format!("`chmod 600 {path}`")))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<()> {
    Ok(())
}

fn asked(prompt: &str, twice: bool) -> Result<Arc<dyn KeyProvider>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(
            Failure::new("there is no terminal to ask for a passphrase").hint(format!(
                "set the variable `{KEY}` to `passphrase:` and the passphrase"
            )),
        );
    }
    let text = hidden(&format!("{prompt}: "))?;
    if twice && hidden("Once more: ")? != text {
        return Err(Failure::new("the passphrases differ"));
    }
    let passphrase = Passphrase::new(text).map_err(|error| malformed(&error))?;
    Ok(Arc::new(passphrase))
}

/// Reads a line from the terminal without showing it. Nothing is shown from before the prompt on, so
/// that who types at once is not seen either.
fn hidden(prompt: &str) -> Result<String> {
    let told = |error: io::Error| Failure::stream("read", "the terminal", &error);
    let mut screen = io::stderr();
    terminal::enable_raw_mode().map_err(told)?;
    let line = write!(screen, "{prompt}")
        .and_then(|()| screen.flush())
        .and_then(|()| typed());
    terminal::disable_raw_mode().map_err(told)?;
    writeln!(screen).map_err(told)?;
    line.map_err(told)?.ok_or_else(|| Failure::cancelled(""))
}

/// What was typed before Enter; nothing after Ctrl-C or Ctrl-D.
fn typed() -> io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        let Event::Key(key) = event::read()? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Enter => return Ok(Some(text)),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(None);
            }
            KeyCode::Char(character) => text.push(character),
            _ => {}
        }
    }
}
