//! From arguments to an open database.

use std::path::{Path, PathBuf};

use rustdb::{Database, Encryption, ErrorKind, Options};

use crate::arguments::DatabaseArguments;
use crate::failure::{Failure, Result};
use crate::{keys, shell, signals};

/// Where the database is if nobody says.
const DEFAULT_DIRECTORY: &str = "./data";

/// The variable that names the key file.
const KEY_FILE: &str = "RUSTDB_KEY_FILE";

/// Variables like it that mean something else. Others are taken for a misspelt [`KEY_FILE`]: to go
/// on without the key would make a database that is not encrypted.
const LIKE_KEY_FILE: [&str; 3] = [keys::KEY, "RUSTDB_KEYSPACE", "RUSTDB_KEY_COLUMNS"];

/// Opens the database, creating it if there is none.
pub fn database(arguments: &DatabaseArguments) -> Result<Database> {
    open(arguments, !arguments.read_only)
}

/// Opens a database that must exist.
pub fn existing(arguments: &DatabaseArguments) -> Result<Database> {
    open(arguments, false)
}

/// The directory in force.
pub fn directory(arguments: &DatabaseArguments) -> PathBuf {
    match &arguments.data_dir {
        Some(directory) if !directory.as_os_str().is_empty() => directory.clone(),
        _ => PathBuf::from(DEFAULT_DIRECTORY),
    }
}

/// Closes it, and tells what that met.
pub fn close(database: Database) -> Result<()> {
    signals::forget();
    database.close()?;
    match signals::is_terminating() {
        true => Err(Failure::cancelled("")),
        false => Ok(()),
    }
}

/// Refuses variables that look like a misspelt way to give a key.
pub fn check_environment() -> Result<()> {
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let is_known = name == KEY_FILE || LIKE_KEY_FILE.contains(&name);
        if is_known || !name.starts_with("RUSTDB") {
            continue;
        }
        let misspelt = name.starts_with("RUSTDB_KEY")
            || name.starts_with("RUSTDB_PASS")
            || shell::distance(name, KEY_FILE) <= 3;
        if misspelt {
            return Err(
                Failure::usage(format!("unknown environment variable `{name}`")).hint(format!(
                    "the key file is given by `{KEY_FILE}`, a key or `passphrase:` and a \
                         passphrase by `{}`",
                    keys::KEY
                )),
            );
        }
    }
    Ok(())
}

fn open(arguments: &DatabaseArguments, create: bool) -> Result<Database> {
    let directory = directory(arguments);
    let options = options(arguments, create)?;
    if create {
        look_for_parent(&directory)?;
    }
    let has_key = options.encryption.is_some();
    let is_there = |name: &str| directory.join(name).exists();
    let database =
        Database::open_with(&directory, options).map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_database(&directory),
            ErrorKind::Unsupported if !is_there("CURRENT") => Failure::from(error)
                .hint("a database needs a directory of its own; name it with `--data-dir`"),
            ErrorKind::Unsupported if !has_key && is_there("KEYRING") => Failure::from(error).hint(
                "give its key with `--key-file`, `--ask-passphrase` or the variable `RUSTDB_KEY`",
            ),
            ErrorKind::NoSpace => {
                Failure::from(error).hint("free some space; `--read-only` writes nothing")
            }
            _ => error.into(),
        })?;
    signals::watch(&database)?;
    Ok(database)
}

/// A directory is made, but not those that it is in: they are more likely mistyped than wanted.
fn look_for_parent(directory: &Path) -> Result<()> {
    let parent = directory.parent().unwrap_or(directory);
    if parent.as_os_str().is_empty() || parent.exists() || directory.exists() {
        return Ok(());
    }
    let (directory, parent) = (directory.display(), parent.display());
    let message = format!("cannot create `{directory}`: there is no directory `{parent}`");
    Err(Failure::new(message).hint("make it first, or name another one with `--data-dir`"))
}

/// Tells that there is none.
pub fn no_database(directory: &Path) -> Failure {
    Failure::new(format!("there is no database in `{}`", directory.display()))
        .hint("name its directory with `--data-dir`")
}

/// The options that the arguments ask for. Asks for a passphrase if they say so.
pub fn options(arguments: &DatabaseArguments, create: bool) -> Result<Options> {
    let is_new = create && !directory(arguments).join("CURRENT").exists();
    let mut options = Options {
        create,
        read_only: arguments.read_only,
        durability: arguments.durability.into(),
        compression: arguments.compression.into(),
        encryption: keys::given(arguments, is_new)?.map(|provider| Encryption {
            provider,
            algorithm: arguments.cipher.into(),
        }),
        ..Options::default()
    };
    if let Some(mib) = arguments.cache_mib {
        options.cache_bytes = (mib as usize) << 20;
    }
    if let Some(mib) = arguments.write_buffer_mib {
        options.write_buffer_bytes = (mib as usize) << 20;
    }
    Ok(options)
}
