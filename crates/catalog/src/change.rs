//! The definitions of a transaction, before they are committed.
//!
//! A log of edits over the newest committed catalog. Two transactions that define different
//! objects go together: what others have committed meanwhile is part of the [view] as soon as it
//! is looked at again. Locks of objects and names keep two from defining the same.
//!
//! [view]: CatalogChange::view

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustdb_txn::{Durability, KeyspaceId, SequenceNumber, Transaction, Wait};
use rustdb_types::Oid;

use crate::codec::{Kind, encode_object};
use crate::descriptor::{Comments, Object};
use crate::error::Result;
use crate::snapshot::Catalog;
use crate::store::{CatalogStore, Storage};

/// What a transaction has defined. Dropping it without [`CatalogChange::commit`] undoes it.
#[derive(Debug)]
pub struct CatalogChange {
    pub(crate) store: Arc<CatalogStore>,
    log: Vec<Edit>,
    /// The newest committed catalog with the log's edits, and the catalog it was made from.
    view: Option<(u64, Arc<Catalog>)>,
    /// Indexes that hold other rows than the transaction's snapshot.
    unseen: Vec<Oid>,
    is_committed: bool,
    /// How long a lock of a name is waited for.
    pub(crate) wait: Wait,
}

/// A moment in the life of a [`CatalogChange`], to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeMark(usize);

#[derive(Clone, Debug)]
enum Edit {
    Set(Object),
    Remove(Kind, Oid),
    /// A keyspace was created. It is there already.
    Created(KeyspaceId),
    /// A keyspace is not needed any more after the commit.
    Dropped(KeyspaceId),
    /// The value of a sequence is not needed any more after the commit.
    DroppedValue(Oid),
    /// A value of a sequence was stored.
    CreatedValue(Oid),
}

impl CatalogChange {
    pub(crate) fn new(store: Arc<CatalogStore>) -> CatalogChange {
        CatalogChange {
            store,
            log: Vec::new(),
            view: None,
            unseen: Vec::new(),
            is_committed: false,
            wait: Wait::Forever,
        }
    }

    /// Whether nothing was defined.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// The catalog as the transaction sees it: the newest committed one with its own definitions.
    pub fn view(&mut self) -> Arc<Catalog> {
        let current = self.store.current();
        if self.log.is_empty() {
            return current;
        }
        if let Some((of, view)) = &self.view
            && *of == current.version()
        {
            return view.clone();
        }
        let of = current.version();
        let mut view = current;
        let catalog = Arc::make_mut(&mut view);
        apply(&self.log, catalog);
        for index in &self.unseen {
            catalog.note_incomplete(*index);
        }
        catalog.renew();
        self.view = Some((of, view.clone()));
        view
    }

    /// The version of [what it sees](CatalogChange::view).
    pub fn version(&mut self) -> u64 {
        match self.log.is_empty() {
            true => self.store.version(),
            false => self.view().version(),
        }
    }

    /// Says that an index which the transaction has made does not hold the rows that its snapshot
    /// has, because others have changed them since: it is not complete for this transaction.
    pub fn hide_index(&mut self, index: Oid) {
        self.unseen.push(index);
        self.view = None;
    }

    /// A number for a new object.
    pub fn new_oid(&self) -> Result<Oid> {
        self.store.new_oid()
    }

    /// The store it is a change of.
    pub fn store(&self) -> &Arc<CatalogStore> {
        &self.store
    }

    // --------------------------------------------------------------------------------- edits

    /// Adds an object or replaces the one of its number. The caller has locked it and its name.
    pub fn set(&mut self, object: Object) {
        self.edit(Edit::Set(object));
    }

    /// Removes an object with all that belongs to it alone: a table's keyspaces and statistics, a
    /// sequence's value. What else depends on it is the caller's business.
    pub fn remove(&mut self, oid: Oid) {
        let view = self.view();
        let Some(object) = view.object(oid) else {
            return;
        };
        for part in view.parts_with_comments(object) {
            self.edit(Edit::Remove(Kind::Comments, part));
        }
        match object {
            Object::Table(table) => {
                if view.statistics(oid).is_some() {
                    self.edit(Edit::Remove(Kind::Statistics, oid));
                }
                for keyspace in table.keyspaces() {
                    self.drop_keyspace(keyspace);
                }
            }
            Object::Sequence(sequence) => self.edit(Edit::DroppedValue(sequence.storage)),
            Object::Schema(_)
            | Object::Type(_)
            | Object::View(_)
            | Object::Statistics(_)
            | Object::Comments(_) => {}
        }
        self.edit(Edit::Remove(object.kind(), oid));
    }

    /// Removes the statistics of a table.
    pub fn remove_statistics(&mut self, table: Oid) {
        if self.view().statistics(table).is_some() {
            self.edit(Edit::Remove(Kind::Statistics, table));
        }
    }

    /// Says what an object, or one of its columns, is for; or no longer.
    pub fn set_comment(&mut self, object: Oid, part: u32, text: Option<&str>, temporary: bool) {
        let view = self.view();
        let mut comments = match view.comments(object) {
            Some(comments) => Comments::clone(comments),
            None => Comments {
                object,
                texts: BTreeMap::new(),
                temporary,
            },
        };
        match text {
            Some(text) => drop(comments.texts.insert(part, text.to_owned())),
            None => drop(comments.texts.remove(&part)),
        }
        match (comments.texts.is_empty(), view.comments(object)) {
            (false, _) => self.edit(Edit::Set(Object::Comments(Arc::new(comments)))),
            (true, Some(_)) => self.edit(Edit::Remove(Kind::Comments, object)),
            (true, None) => (),
        }
    }

    /// Keyspaces for the rows of a table and the entries of `indexes` indexes. They are gone again
    /// if the transaction does not commit.
    pub fn create_keyspaces(
        &mut self,
        for_table: bool,
        indexes: usize,
    ) -> Result<(Option<KeyspaceId>, Vec<KeyspaceId>)> {
        let mut wanted = vec![Storage::Index; indexes];
        if for_table {
            wanted.insert(0, Storage::Table);
        }
        let mut created = self.store.create_keyspaces(&wanted)?;
        self.log.extend(created.iter().copied().map(Edit::Created));
        let table = for_table.then(|| created.remove(0));
        Ok((table, created))
    }

    /// Drops a keyspace once the transaction has committed.
    pub fn drop_keyspace(&mut self, keyspace: KeyspaceId) {
        self.log.push(Edit::Dropped(keyspace));
    }

    /// A sequence goes on under another number.
    pub(crate) fn replace_sequence_value(&mut self, old: Oid, new: Oid) {
        self.log.push(Edit::DroppedValue(old));
        self.log.push(Edit::CreatedValue(new));
    }

    fn edit(&mut self, edit: Edit) {
        if let Some((_, view)) = &mut self.view {
            let catalog = Arc::make_mut(view);
            apply(std::slice::from_ref(&edit), catalog);
            catalog.renew();
        }
        self.log.push(edit);
    }

    // ---------------------------------------------------------------------------- savepoints

    /// The present moment.
    pub fn mark(&self) -> ChangeMark {
        ChangeMark(self.log.len())
    }

    /// Undoes everything since the mark. The transaction was rolled back to the same moment
    /// before.
    pub fn rollback_to(&mut self, mark: ChangeMark) -> Result<()> {
        let undone = self.log.split_off(mark.0.min(self.log.len()));
        self.view = None;
        self.undo(&undone)
    }

    /// Removes what edits that are undone have made outside of the transaction.
    fn undo(&self, edits: &[Edit]) -> Result<()> {
        for edit in edits {
            if let Edit::CreatedValue(storage) = edit {
                self.store.sequences().forget(*storage);
            }
        }
        self.store.drop_keyspaces(&created(edits))
    }

    // -------------------------------------------------------------------------------- commit

    /// Commits a transaction with these definitions. Others see them before its locks are
    /// released.
    pub fn commit(
        mut self,
        mut transaction: Transaction,
        durability: Durability,
    ) -> Result<SequenceNumber> {
        self.write(&mut transaction)?;
        let store = self.store.clone();
        let log = &self.log;
        let sequence = transaction.commit_with(durability, |sequence| {
            if !log.is_empty() {
                store.publish(|catalog| {
                    note_complete(log, catalog, sequence);
                    apply(log, catalog);
                });
            }
        })?;
        self.is_committed = true;
        self.clean_up();
        Ok(sequence)
    }

    /// Writes the changed descriptors. Temporary objects are not stored.
    fn write(&self, transaction: &mut Transaction) -> Result<()> {
        let mut last: BTreeMap<[u8; 5], Option<&Object>> = BTreeMap::new();
        for edit in &self.log {
            match edit {
                Edit::Set(object) if !is_temporary(object) => {
                    last.insert(object.kind().key(object.oid()), Some(object));
                }
                Edit::Remove(kind, oid) => {
                    last.insert(kind.key(*oid), None);
                }
                Edit::Set(_)
                | Edit::Created(_)
                | Edit::Dropped(_)
                | Edit::DroppedValue(_)
                | Edit::CreatedValue(_) => {}
            }
        }
        let keyspace = self.store.keyspace();
        for (key, object) in last {
            match object {
                Some(object) => {
                    transaction.put_locked(keyspace, &key, &encode_object(object)?)?;
                }
                None => transaction.delete_locked(keyspace, &key)?,
            }
        }
        Ok(())
    }

    /// Drops what the committed definitions do not need any more. What cannot be dropped now is
    /// dropped when the database is opened again.
    fn clean_up(&self) {
        let dropped: Vec<KeyspaceId> = self
            .log
            .iter()
            .filter_map(|edit| match edit {
                Edit::Dropped(keyspace) => Some(*keyspace),
                _ => None,
            })
            .collect();
        let _is_dropped_later = self.store.drop_keyspaces(&dropped).is_err();
        for edit in &self.log {
            if let Edit::DroppedValue(storage) = edit {
                self.store.sequences().forget(*storage);
            }
        }
    }
}

impl Drop for CatalogChange {
    fn drop(&mut self) {
        if !self.is_committed {
            let _is_dropped_later = self.undo(&self.log).is_err();
        }
    }
}

/// Notes for every table, as it is in the end, which of its indexes this commit completes.
fn note_complete(log: &[Edit], catalog: &mut Catalog, sequence: SequenceNumber) {
    let mut seen = BTreeSet::new();
    for edit in log.iter().rev() {
        if let Edit::Set(Object::Table(table)) = edit
            && seen.insert(table.oid)
        {
            catalog.note_complete(table, sequence);
        }
    }
}

fn created(log: &[Edit]) -> Vec<KeyspaceId> {
    let keyspaces = log.iter().filter_map(|edit| match edit {
        Edit::Created(keyspace) => Some(*keyspace),
        _ => None,
    });
    keyspaces.collect()
}

fn apply(log: &[Edit], catalog: &mut Catalog) {
    for edit in log {
        match edit {
            Edit::Set(object) => catalog.set(object.clone()),
            Edit::Remove(Kind::Statistics, oid) => catalog.remove_statistics(*oid),
            Edit::Remove(Kind::Comments, oid) => catalog.remove_comments(*oid),
            Edit::Remove(_, oid) => catalog.remove(*oid),
            Edit::Created(_) | Edit::Dropped(_) | Edit::DroppedValue(_) | Edit::CreatedValue(_) => {
            }
        }
    }
}

fn is_temporary(object: &Object) -> bool {
    match object {
        Object::Schema(schema) => schema.temporary,
        Object::Sequence(sequence) => sequence.temporary,
        Object::Table(table) => table.temporary,
        Object::View(view) => view.temporary,
        Object::Type(_) => false,
        Object::Statistics(_) => false,
        Object::Comments(comments) => comments.temporary,
    }
}
