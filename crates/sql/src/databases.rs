//! The databases of a directory: connecting to one, and CREATE, ALTER and DROP DATABASE.
//!
//! The first database is there from the beginning and knows which others are open; those know it
//! weakly. A database is opened by the first session that connects to it, and stays open, because
//! one that closes while it is opened again would have two minds about its sequences. A session
//! keeps the first one, and with it all others.
//!
//! Connecting and dropping exclude each other: no session finds its database gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use rustdb_catalog::{CatalogStore, FIRST_DATABASE, FIRST_DATABASE_NAME};
use rustdb_types::Oid;
use rustdb_vfs::sync::Mutex;

use crate::database::{Database, Shared};
use crate::error::{Error, Result, SqlState};
use crate::notice::Notice;
use crate::parse::utility::{CreateDatabase, DatabaseStatement};
use crate::session::Session;

/// Which of a directory's databases it is.
pub(crate) enum Place {
    /// The first one, and those others that are open.
    First(Mutex<HashMap<Oid, Open>>),
    /// Another one, and the first.
    Other(Weak<Shared>),
}

/// A database that somebody has connected to.
pub(crate) struct Open {
    database: Database,
    /// How many sessions it has.
    sessions: Arc<AtomicUsize>,
}

/// A session's hold on its database.
pub(crate) struct Connected {
    pub(crate) name: Arc<str>,
    /// The first database, which keeps the others open.
    _first: Database,
    sessions: Arc<AtomicUsize>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connected {
    fn new(name: Arc<str>, first: Database, sessions: Arc<AtomicUsize>) -> Connected {
        sessions.fetch_add(1, Ordering::AcqRel);
        Connected {
            name,
            _first: first,
            sessions,
        }
    }
}

impl Database {
    /// A new session of the first database of the directory.
    pub fn connect(&self) -> Session {
        let name = FIRST_DATABASE_NAME.into();
        // Nobody counts the sessions of the first one: it is never dropped.
        let connected = Connected::new(name, self.clone(), Arc::default());
        Session::new(self.clone(), connected)
    }

    /// A new session of the database of this name.
    pub fn connect_to(&self, name: &str) -> Result<Session> {
        let catalog = &self.shared.catalog;
        let mut open = self.others()?.lock();
        let number = catalog.database_named(name)?;
        if number == FIRST_DATABASE {
            return Ok(self.connect());
        }
        let entry = match open.entry(number) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let store = catalog.open_database(number)?;
                let place = Place::Other(Arc::downgrade(&self.shared));
                entry.insert(Open {
                    database: Database::of(
                        store,
                        self.shared.host.clone(),
                        place,
                        self.shared.connected.clone(),
                    ),
                    sessions: Arc::default(),
                })
            }
        };
        let connected = Connected::new(name.into(), self.clone(), entry.sessions.clone());
        Ok(Session::new(entry.database.clone(), connected))
    }

    /// Has all open databases of the directory write what they have in mind: the values that their
    /// sequences have really given. For what is about to be closed.
    pub fn rest(&self) {
        self.shared.catalog.sequences().give_back();
        if let Place::First(others) = &self.shared.place {
            for open in others.lock().values() {
                open.database.shared.catalog.sequences().give_back();
            }
        }
    }

    /// The others that are open; asked of the first one.
    fn others(&self) -> Result<&Mutex<HashMap<Oid, Open>>> {
        match &self.shared.place {
            Place::First(others) => Ok(others),
            Place::Other(_) => Err(Error::internal("this is not the first database")),
        }
    }

    /// The first database of the directory.
    fn first(&self) -> Result<Database> {
        match &self.shared.place {
            Place::First(_) => Ok(self.clone()),
            Place::Other(first) => {
                let shared = first.upgrade();
                let shared = shared.ok_or_else(|| Error::internal("the first database is gone"))?;
                Ok(Database { shared })
            }
        }
    }

    /// Runs CREATE, ALTER or DROP DATABASE; gives its tag, and what there is to say besides.
    pub(crate) fn run_database_statement(
        &self,
        statement: &DatabaseStatement,
        current: &str,
        user: &str,
    ) -> Result<(&'static str, Vec<Notice>)> {
        let first = self.first()?;
        let catalog = &first.shared.catalog;
        let open = first.others()?.lock();
        match statement {
            DatabaseStatement::Create(create) => {
                check_options(create, user)?;
                catalog.create_database(&create.name)?;
                Ok(("CREATE DATABASE", Vec::new()))
            }
            DatabaseStatement::Rename { name, to } => {
                let number = catalog.database_named(name)?;
                // PostgreSQL's order of complaints.
                if *name == *current {
                    let message = "current database cannot be renamed";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
                }
                refuse_first(number, "renaming")?;
                if catalog.database_named(to).is_ok() {
                    let message = format!("database \"{to}\" already exists");
                    return Err(Error::new(SqlState::DUPLICATE_DATABASE, message));
                }
                refuse_used(open.get(&number), name)?;
                catalog.rename_database(number, to)?;
                Ok(("ALTER DATABASE", Vec::new()))
            }
            DatabaseStatement::Drop { name, if_exists } => {
                let number = match catalog.database_named(name) {
                    Ok(number) => number,
                    Err(_) if *if_exists => {
                        let message = format!("database \"{name}\" does not exist, skipping");
                        return Ok(("DROP DATABASE", vec![Notice::new(message)]));
                    }
                    Err(error) => return Err(error.into()),
                };
                if *name == *current {
                    let message = "cannot drop the currently open database";
                    return Err(Error::new(SqlState::OBJECT_IN_USE, message));
                }
                refuse_first(number, "dropping")?;
                refuse_used(open.get(&number), name)?;
                drop_database(catalog, open, number)?;
                Ok(("DROP DATABASE", Vec::new()))
            }
        }
    }
}

/// Drops a database without sessions. It is closed before its keyspaces go.
fn drop_database(
    catalog: &CatalogStore,
    mut open: rustdb_vfs::sync::MutexGuard<'_, HashMap<Oid, Open>>,
    number: Oid,
) -> Result<()> {
    drop(open.remove(&number));
    catalog.drop_database(number)?;
    Ok(())
}

/// The first database has the list of the others, and is what is connected to unless a name is
/// given.
fn refuse_first(number: Oid, doing: &str) -> Result<()> {
    match number {
        FIRST_DATABASE => Err(Error::unsupported(format!(
            "{doing} the database \"{FIRST_DATABASE_NAME}\""
        ))),
        _ => Ok(()),
    }
}

fn refuse_used(open: Option<&Open>, name: &str) -> Result<()> {
    let sessions = open.map_or(0, |open| open.sessions.load(Ordering::Acquire));
    let detail = match sessions {
        0 => return Ok(()),
        1 => "There is 1 other session using the database.".to_owned(),
        more => format!("There are {more} other sessions using the database."),
    };
    let message = format!("database \"{name}\" is being accessed by other users");
    Err(Error::new(SqlState::OBJECT_IN_USE, message).with_detail(detail))
}

/// Says what of the options is not had.
fn check_options(create: &CreateDatabase, user: &str) -> Result<()> {
    for (option, value) in &create.options {
        let known: &[&str] = match option.as_str() {
            "owner" if value.as_deref().is_none_or(|value| value == user) => continue,
            "owner" => {
                let role = value.as_deref().unwrap_or_default();
                let message = format!("role \"{role}\" does not exist");
                return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
            }
            "template" => &["template0", "template1"],
            "encoding" => &["utf8", "utf-8", "unicode"],
            "locale" | "lc_collate" | "lc_ctype" => &["c", "posix", "c.utf-8", "c.utf8"],
            "tablespace" => &["pg_default"],
            "connection_limit" => &["-1"],
            "allow_connections" => &["true", "on"],
            "is_template" => &["false", "off"],
            "strategy" => &["wal_log", "file_copy"],
            "locale_provider" => &["libc"],
            _ => {
                let message = format!("option \"{option}\" not recognized");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        };
        let value = match value {
            Some(value) => value.to_lowercase(),
            // DEFAULT.
            None => continue,
        };
        if !known.contains(&value.as_str()) {
            let option = option.to_uppercase().replace('_', " ");
            return Err(Error::unsupported(format!(
                "CREATE DATABASE with {option} {value}"
            )));
        }
    }
    Ok(())
}
