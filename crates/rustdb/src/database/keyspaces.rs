//! The keyspaces of a database: finding, creating and dropping them.

use rustdb_txn::RESERVED_KEYSPACES;

use super::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::keyspace::Keyspace;
use crate::options::KeyspaceOptions;

impl Database {
    /// The keyspace of that name, which is created, with default options, if there is none.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let users = db.keyspace("users")?;
    /// users.put("ada", "...")?;
    /// assert_eq!(db.keyspace("users")?.len()?, 1); // another handle of the same one
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.keyspace_or_create(name, &KeyspaceOptions::default())
    }

    /// The keyspace of that name, which is created with `options` if there is none. The options
    /// of one that exists stay as they are.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::{Compression, KeyspaceOptions};
    /// let options = KeyspaceOptions { compression: Some(Compression::None), ..Default::default() };
    /// let photos = db.keyspace_or_create("photos", &options)?;
    /// photos.put("0001.jpg", "...")?;
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn keyspace_or_create(&self, name: &str, options: &KeyspaceOptions) -> Result<Keyspace> {
        if let Some(keyspace) = self.existing_keyspace(name) {
            return Ok(keyspace);
        }
        match self.create_keyspace(name, options) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self
                .existing_keyspace(name)
                .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no keyspace `{name}`"))),
            result => result,
        }
    }

    /// The keyspace of that name, if there is one.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// assert!(db.existing_keyspace("users").is_none());
    /// db.keyspace("users")?;
    /// assert!(db.existing_keyspace("users").is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn existing_keyspace(&self, name: &str) -> Option<Keyspace> {
        let info = self
            .inner
            .engine()
            .keyspace(name)
            .filter(|_| !is_reserved(name))?;
        Some(Keyspace::new(self.inner.clone(), name, info.id))
    }

    /// Creates a keyspace.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::{ErrorKind, KeyspaceOptions};
    /// let counted = KeyspaceOptions { counted: true, ..KeyspaceOptions::default() };
    /// let users = db.create_keyspace("users", &counted)?;
    /// users.put("ada", "...")?;
    /// assert_eq!(users.len()?, 1); // takes no time, however many there are
    /// let again = db.create_keyspace("users", &counted).unwrap_err();
    /// assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn create_keyspace(&self, name: &str, options: &KeyspaceOptions) -> Result<Keyspace> {
        check_name(name)?;
        let info = self
            .inner
            .engine()
            .create_keyspace(name, &options.engine())?;
        Ok(Keyspace::new(self.inner.clone(), name, info.id))
    }

    /// Creates keyspaces of these names at the cost of one write: all of them or none.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::KeyspaceOptions;
    /// let made = db.create_keyspaces(["a", "b", "c"], &KeyspaceOptions::default())?;
    /// made[1].put("key", "value")?;
    /// db.drop_keyspaces(["a", "c"])?;
    /// assert_eq!(db.keyspaces(), ["b", "default"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn create_keyspaces<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        options: &KeyspaceOptions,
    ) -> Result<Vec<Keyspace>> {
        let names: Vec<N> = names.into_iter().collect();
        names
            .iter()
            .try_for_each(|name| check_name(name.as_ref()))?;
        let options = options.engine();
        let wanted: Vec<_> = names.iter().map(|name| (name.as_ref(), &options)).collect();
        let created = self.inner.engine().create_keyspaces(&wanted)?;
        let made = created
            .iter()
            .map(|info| Keyspace::new(self.inner.clone(), &info.name, info.id));
        Ok(made.collect())
    }

    /// Drops keyspaces at the cost of one write: all of them or none. As
    /// [`Database::drop_keyspace`].
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// use rustdb::ErrorKind;
    /// db.keyspace("a")?;
    /// let error = db.drop_keyspaces(["a", "missing"]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// assert!(db.existing_keyspace("a").is_some()); // none was dropped
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn drop_keyspaces<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Result<()> {
        let names: Vec<N> = names.into_iter().collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        names.iter().try_for_each(|name| check_name(name))?;
        Ok(self.inner.engine().drop_keyspaces(&names)?)
    }

    /// Drops a keyspace and everything in it, at the cost of one write. Handles of it see nothing
    /// any more, and writes through them, also by transactions that are open, are refused with
    /// [`ErrorKind::NotFound`]; snapshots taken before still see it.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// let old = db.keyspace("old")?;
    /// old.put("k", "v")?;
    /// let snapshot = db.snapshot();
    /// db.drop_keyspace("old")?;
    /// assert_eq!(old.get("k")?, None);
    /// assert!(old.put("k", "v").is_err());
    /// assert!(snapshot.get(&old, "k")?.is_some());
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        check_name(name)?;
        Ok(self.inner.engine().drop_keyspace(name)?)
    }

    /// The names of all keyspaces, in order.
    ///
    /// ```
    /// # let db = rustdb::Database::in_memory()?;
    /// db.keyspace("users")?;
    /// assert_eq!(db.keyspaces(), ["default", "users"]);
    /// # Ok::<(), rustdb::Error>(())
    /// ```
    pub fn keyspaces(&self) -> Vec<String> {
        self.inner
            .engine()
            .keyspaces()
            .iter()
            .filter(|info| !is_reserved(&info.name))
            .map(|info| info.name.clone())
            .collect()
    }
}

/// Whether a keyspace is the tables' own: key-value calls would break what they hold.
fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_KEYSPACES)
}

fn check_name(name: &str) -> Result<()> {
    match is_reserved(name) {
        false => Ok(()),
        true => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("names that begin with `{RESERVED_KEYSPACES}` are those of tables"),
        )),
    }
}
