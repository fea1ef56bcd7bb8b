//! A catalog: all objects, as of one moment.
//!
//! Immutable once it is shared, and cheap to copy ([`Shards`]). What follows from objects is kept
//! beside them: names, who refers to whom by foreign keys, which table an index belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustdb_txn::SequenceNumber;
use rustdb_types::{Element, Oid, Type};

use crate::descriptor::{
    Comments, ConstraintKind, DomainObject, Index, IndexKey, IndexState, Object, RowKeyColumns,
    Schema, Sequence, Table, TableStatistics, TypeKind, TypeObject, View,
};
use crate::lock;
use crate::shards::Shards;

/// The schema of what is built in.
pub const PG_CATALOG: Oid = Oid(11);
/// The schema in which objects are created unless a name says otherwise.
pub const PUBLIC: Oid = Oid(2200);
/// The schema of the standard's views of the catalog.
pub const INFORMATION_SCHEMA: Oid = Oid(13_000);

/// All objects as of one moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    version: u64,
    objects: Shards<Object>,
    statistics: Shards<Arc<TableStatistics>>,
    comments: Shards<Arc<Comments>>,
    /// By hash of schema and name: tables, indexes, views and sequences.
    relations: Shards<Vec<Named>>,
    /// By hash of schema and name.
    types: Shards<Vec<Named>>,
    /// Indexes, constraints and types of arrays: the object they are part of.
    parts: Shards<Oid>,
    /// Tables that foreign keys point to: child and constraint.
    references: Shards<Vec<(Oid, Oid)>>,
    /// Indexes that became complete since the database was opened: by which commit.
    complete_since: Shards<SequenceNumber>,
    /// Tables that lost the key their rows were sorted by, since the database was opened: by which
    /// commit. Older snapshots have no rows where they are now.
    moved_since: Shards<SequenceNumber>,
}

/// Something that is called something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    schema: Oid,
    name: String,
    object: Oid,
    /// If it is an index of the object.
    index: Option<Oid>,
}

/// What a name of a table, index, view or sequence stands for.
#[derive(Clone, Debug)]
pub enum Relation {
    /// A table.
    Table(Arc<Table>),
    /// An index, and its table.
    Index(Arc<Table>, Arc<Index>),
    /// A view.
    View(Arc<View>),
    /// A sequence.
    Sequence(Arc<Sequence>),
}

impl Catalog {
    /// A catalog of what every database has.
    pub(crate) fn built_in() -> Catalog {
        let mut catalog = Catalog {
            version: 0,
            objects: Shards::default(),
            statistics: Shards::default(),
            comments: Shards::default(),
            relations: Shards::default(),
            types: Shards::default(),
            parts: Shards::default(),
            references: Shards::default(),
            complete_since: Shards::default(),
            moved_since: Shards::default(),
        };
        for (oid, name) in [
            (PG_CATALOG, "pg_catalog"),
            (INFORMATION_SCHEMA, "information_schema"),
        ] {
            catalog.set(Object::Schema(Arc::new(Schema {
                oid,
                name: name.to_owned(),
                temporary: false,
            })));
        }
        catalog
    }

    /// A number that no other catalog of this process has: what was derived from a catalog can be
    /// kept by it.
    pub fn version(&self) -> u64 {
        self.version
    }

    // ------------------------------------------------------------------------------ by number

    /// The object with this number.
    pub fn object(&self, oid: Oid) -> Option<&Object> {
        self.objects.get(u64::from(oid.0))
    }

    /// The object that an index, a constraint or a type of arrays is part of.
    pub fn owner_of(&self, part: Oid) -> Option<Oid> {
        self.parts.get(u64::from(part.0)).copied()
    }

    /// The schema with this number.
    pub fn schema(&self, oid: Oid) -> Option<&Arc<Schema>> {
        match self.object(oid) {
            Some(Object::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The table with this number.
    pub fn table(&self, oid: Oid) -> Option<&Arc<Table>> {
        match self.object(oid) {
            Some(Object::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The view with this number.
    pub fn view(&self, oid: Oid) -> Option<&Arc<View>> {
        match self.object(oid) {
            Some(Object::View(view)) => Some(view),
            _ => None,
        }
    }

    /// The sequence with this number.
    pub fn sequence(&self, oid: Oid) -> Option<&Arc<Sequence>> {
        match self.object(oid) {
            Some(Object::Sequence(sequence)) => Some(sequence),
            _ => None,
        }
    }

    /// The created type with this number.
    pub fn type_object(&self, oid: Oid) -> Option<&Arc<TypeObject>> {
        match self.object(oid) {
            Some(Object::Type(object)) => Some(object),
            _ => None,
        }
    }

    /// The domain with this number.
    pub fn domain(&self, oid: Oid) -> Option<&DomainObject> {
        match &self.type_object(oid)?.kind {
            TypeKind::Domain(domain) => Some(domain),
            TypeKind::Enum(_) => None,
        }
    }

    /// The index with this number, and its table.
    pub fn index(&self, oid: Oid) -> Option<(&Arc<Table>, &Arc<Index>)> {
        let table = self.table(self.owner_of(oid)?)?;
        Some((table, table.index(oid)?))
    }

    /// The type with this number, built in or created, or of arrays.
    pub fn type_by_oid(&self, oid: Oid) -> Option<Type> {
        if let Some(built_in) = Type::from_oid(oid) {
            return Some(built_in);
        }
        match self.type_object(oid) {
            Some(object) => Some(object.as_type()),
            None => Some(self.type_object(self.owner_of(oid)?)?.as_type().array_of()),
        }
    }

    /// Whether an index leads to every row that a snapshot has. Its entries were written when it
    /// was built, so older snapshots do not see them all.
    pub fn index_is_complete(&self, index: Oid, snapshot: SequenceNumber) -> bool {
        let of = self.index(index);
        let since = self.complete_since.get(u64::from(index.0));
        of.is_some_and(|(_, index)| index.state == IndexState::Public)
            && since.is_none_or(|since| *since <= snapshot)
    }

    /// Whether a snapshot has the rows of a table where they are now. They were moved when the
    /// table lost the key that they were sorted by.
    pub fn rows_are_seen(&self, table: Oid, snapshot: SequenceNumber) -> bool {
        let since = self.moved_since.get(u64::from(table.0));
        since.is_none_or(|since| *since <= snapshot)
    }

    /// The statistics of a table.
    pub fn statistics(&self, table: Oid) -> Option<&Arc<TableStatistics>> {
        self.statistics.get(u64::from(table.0))
    }

    /// What is said about an object, or about an index or constraint, and its columns.
    pub fn comments(&self, object: Oid) -> Option<&Arc<Comments>> {
        self.comments.get(u64::from(object.0))
    }

    /// All that is said, by the objects' numbers.
    pub fn all_comments(&self) -> Vec<&Arc<Comments>> {
        let mut all: Vec<_> = self.comments.values().collect();
        all.sort_unstable_by_key(|comments| comments.object);
        all
    }

    /// An object and its parts, as far as something is said about them.
    pub(crate) fn parts_with_comments(&self, object: &Object) -> Vec<Oid> {
        let mut parts = parts_of(object);
        if let Object::Type(object) = object
            && let TypeKind::Domain(domain) = &object.kind
        {
            parts.extend(domain.checks.iter().map(|check| check.oid));
        }
        parts.push(object.oid());
        parts.retain(|part| self.comments(*part).is_some());
        parts
    }

    // -------------------------------------------------------------------------------- by name

    /// The schema of this name.
    pub fn schema_named(&self, name: &str) -> Option<&Arc<Schema>> {
        let oid = find(&self.relations, Oid(0), name)?.object;
        self.schema(oid)
    }

    /// What a name stands for in a schema.
    pub fn relation(&self, schema: Oid, name: &str) -> Option<Relation> {
        let named = find(&self.relations, schema, name)?;
        Some(match self.object(named.object)? {
            Object::Table(table) => match named.index {
                Some(index) => Relation::Index(table.clone(), table.index(index)?.clone()),
                None => Relation::Table(table.clone()),
            },
            Object::View(view) => Relation::View(view.clone()),
            Object::Sequence(sequence) => Relation::Sequence(sequence.clone()),
            Object::Schema(_) | Object::Type(_) | Object::Statistics(_) | Object::Comments(_) => {
                return None;
            }
        })
    }

    /// The type of this name in a schema; created types only.
    pub fn type_named(&self, schema: Oid, name: &str) -> Option<&Arc<TypeObject>> {
        self.type_object(find(&self.types, schema, name)?.object)
    }

    // ------------------------------------------------------------------------------------ all

    /// All objects, by number. Statistics and comments are not among them.
    pub fn objects(&self) -> Vec<&Object> {
        let mut all: Vec<&Object> = self.objects.values().collect();
        all.sort_unstable_by_key(|object| object.oid());
        all
    }

    /// All tables, by number.
    pub fn tables(&self) -> Vec<&Arc<Table>> {
        let tables = self
            .objects()
            .into_iter()
            .filter_map(|object| match object {
                Object::Table(table) => Some(table),
                _ => None,
            });
        tables.collect()
    }

    // -------------------------------------------------------------------------------- changes

    /// Takes a new version number, because something was changed.
    pub(crate) fn renew(&mut self) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.version = NEXT.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds an object or replaces the one of its number.
    pub(crate) fn set(&mut self, object: Object) {
        let oid = object.oid();
        let key = u64::from(oid.0);
        let object = match object {
            Object::Statistics(statistics) => {
                self.statistics.insert(key, statistics);
                return;
            }
            Object::Comments(comments) => {
                self.comments.insert(key, comments);
                return;
            }
            other => other,
        };
        if let Some(old) = self.objects.remove(key) {
            self.detach(&old);
        }
        self.attach(&object);
        // NB: after it was attached, because a table may refer to itself.
        let object = self.with_references(object);
        let is_type = matches!(object, Object::Type(_));
        self.objects.insert(key, object);
        if is_type {
            self.refresh_users_of(oid);
        }
    }

    /// Removes an object; of a table also the statistics.
    pub(crate) fn remove(&mut self, oid: Oid) {
        let key = u64::from(oid.0);
        self.statistics.remove(key);
        if let Some(old) = self.objects.remove(key) {
            self.detach(&old);
        }
    }

    /// Removes the statistics of a table.
    pub(crate) fn remove_statistics(&mut self, table: Oid) {
        self.statistics.remove(u64::from(table.0));
    }

    /// Removes what is said about an object.
    pub(crate) fn remove_comments(&mut self, object: Oid) {
        self.comments.remove(u64::from(object.0));
    }

    /// Notes which indexes a committed table has complete that it did not have complete before, and
    /// whether its rows have moved.
    pub(crate) fn note_complete(&mut self, new: &Table, sequence: SequenceNumber) {
        let was_sorted = self
            .table(new.oid)
            .is_some_and(|old| old.row_key != RowKeyColumns::Hidden);
        if was_sorted && new.row_key == RowKeyColumns::Hidden {
            self.moved_since.insert(u64::from(new.oid.0), sequence);
        }
        for index in &new.indexes {
            let old = self.index(index.oid).map(|(_, old)| old);
            let was_complete = old.is_some_and(|old| {
                old.state == IndexState::Public && old.keyspace == index.keyspace
            });
            if index.state == IndexState::Public && !was_complete {
                self.complete_since.insert(u64::from(index.oid.0), sequence);
            }
        }
    }

    /// Notes that no snapshot has the rows that an index holds.
    pub(crate) fn note_incomplete(&mut self, index: Oid) {
        self.complete_since
            .insert(u64::from(index.0), SequenceNumber::MAX);
    }

    fn with_references(&self, object: Object) -> Object {
        let Object::Table(mut table) = object else {
            return object;
        };
        let references = self.references.get(u64::from(table.oid.0));
        let references = references.map_or(&[][..], Vec::as_slice);
        if table.referenced_by != references {
            Arc::make_mut(&mut table).referenced_by = references.to_vec();
        }
        Object::Table(table)
    }

    fn attach(&mut self, object: &Object) {
        for (is_type, named) in names_of(object) {
            let map = if is_type {
                &mut self.types
            } else {
                &mut self.relations
            };
            let key = lock::name(named.schema, &named.name);
            let mut all = map.remove(key).unwrap_or_default();
            all.push(named);
            map.insert(key, all);
        }
        for part in parts_of(object) {
            self.parts.insert(u64::from(part.0), object.oid());
        }
        if let Object::Table(table) = object {
            for (parent, constraint) in parents_of(table) {
                self.change_references(parent, |all| all.push((table.oid, constraint)));
            }
        }
    }

    fn detach(&mut self, object: &Object) {
        for (is_type, named) in names_of(object) {
            let map = if is_type {
                &mut self.types
            } else {
                &mut self.relations
            };
            let key = lock::name(named.schema, &named.name);
            let mut all = map.remove(key).unwrap_or_default();
            all.retain(|each| *each != named);
            if !all.is_empty() {
                map.insert(key, all);
            }
        }
        for part in parts_of(object) {
            self.parts.remove(u64::from(part.0));
        }
        if let Object::Table(table) = object {
            for (parent, constraint) in parents_of(table) {
                self.change_references(parent, |all| {
                    all.retain(|each| *each != (table.oid, constraint));
                });
            }
        }
    }

    /// Changes who refers to a table, and its descriptor with it.
    fn change_references(&mut self, parent: Oid, change: impl FnOnce(&mut Vec<(Oid, Oid)>)) {
        let key = u64::from(parent.0);
        let mut all = self.references.remove(key).unwrap_or_default();
        change(&mut all);
        all.sort_unstable();
        if let Some(Object::Table(table)) = self.objects.get(key) {
            let mut table = table.clone();
            Arc::make_mut(&mut table).referenced_by.clone_from(&all);
            self.objects.insert(key, Object::Table(table));
        }
        if !all.is_empty() {
            self.references.insert(key, all);
        }
    }

    /// A type was changed: those that hold its old definition get the new one.
    fn refresh_users_of(&mut self, oid: Oid) {
        let users: Vec<Object> = self
            .objects
            .values()
            .filter(|object| types_in(object).any(|each| element_oid(&each.element) == oid))
            .cloned()
            .collect();
        for user in users {
            let fresh = self.refresh(user);
            self.set(fresh);
        }
    }

    fn refresh(&self, object: Object) -> Object {
        match object {
            Object::Table(mut table) => {
                let changed = Arc::make_mut(&mut table);
                for column in &mut changed.columns {
                    self.refresh_type(&mut column.column_type);
                }
                for index in &mut changed.indexes {
                    for column in &mut Arc::make_mut(index).columns {
                        if let IndexKey::Expression { result, .. } = &mut column.key {
                            self.refresh_type(result);
                        }
                    }
                }
                Object::Table(table)
            }
            Object::View(mut view) => {
                for column in &mut Arc::make_mut(&mut view).columns {
                    self.refresh_type(&mut column.column_type);
                }
                Object::View(view)
            }
            Object::Type(mut object) => {
                if let TypeKind::Domain(domain) = &mut Arc::make_mut(&mut object).kind {
                    let old = &domain.definition;
                    let mut base = old.base.clone();
                    self.refresh_type(&mut base);
                    domain.definition = Arc::new(rustdb_types::DomainType {
                        oid: old.oid,
                        array_oid: old.array_oid,
                        name: old.name.clone(),
                        base,
                    });
                }
                Object::Type(object)
            }
            Object::Schema(_)
            | Object::Sequence(_)
            | Object::Statistics(_)
            | Object::Comments(_) => object,
        }
    }

    fn refresh_type(&self, of: &mut Type) {
        if let Some(object) = self.type_object(element_oid(&of.element)) {
            of.element = object.as_type().element;
        }
    }

    /// Finds created types for those who decode.
    pub(crate) fn user_element(&self, oid: Oid) -> Option<Element> {
        Some(self.type_object(oid)?.as_type().element)
    }
}

impl Relation {
    /// Its number.
    pub fn oid(&self) -> Oid {
        match self {
            Relation::Table(table) => table.oid,
            Relation::Index(_, index) => index.oid,
            Relation::View(view) => view.oid,
            Relation::Sequence(sequence) => sequence.oid,
        }
    }
}

fn find<'a>(map: &'a Shards<Vec<Named>>, schema: Oid, name: &str) -> Option<&'a Named> {
    let all = map.get(lock::name(schema, name))?;
    all.iter()
        .find(|each| each.schema == schema && each.name == name)
}

/// The names of an object and its parts, and whether each is one of a type.
fn names_of(object: &Object) -> Vec<(bool, Named)> {
    let named = |name: &str, index: Option<Oid>| Named {
        schema: object.schema().unwrap_or(Oid(0)),
        name: name.to_owned(),
        object: object.oid(),
        index,
    };
    let mut names = vec![(
        matches!(object, Object::Type(_)),
        named(object.name(), None),
    )];
    if let Object::Table(table) = object {
        let indexes = table.indexes.iter();
        names.extend(indexes.map(|index| (false, named(&index.name, Some(index.oid)))));
    }
    names
}

fn parts_of(object: &Object) -> Vec<Oid> {
    match object {
        Object::Table(table) => {
            let constraints = table.constraints.iter().map(|each| each.oid);
            let indexes = table.indexes.iter().map(|each| each.oid);
            constraints.chain(indexes).collect()
        }
        Object::Type(object) => vec![object.array_oid()],
        Object::Schema(_)
        | Object::Sequence(_)
        | Object::View(_)
        | Object::Statistics(_)
        | Object::Comments(_) => Vec::new(),
    }
}

fn parents_of(table: &Table) -> impl Iterator<Item = (Oid, Oid)> {
    table
        .constraints
        .iter()
        .filter_map(|each| match &each.kind {
            ConstraintKind::ForeignKey(key) => Some((key.parent, each.oid)),
            _ => None,
        })
}

/// The types that an object mentions.
pub(crate) fn types_in(object: &Object) -> impl Iterator<Item = &Type> {
    let mut types: Vec<&Type> = Vec::new();
    match object {
        Object::Table(table) => {
            types.extend(table.live_columns().map(|column| &column.column_type));
            let columns = table.indexes.iter().flat_map(|index| &index.columns);
            types.extend(columns.filter_map(|column| match &column.key {
                IndexKey::Expression { result, .. } => Some(result),
                IndexKey::Column(_) => None,
            }));
        }
        Object::View(view) => types.extend(view.columns.iter().map(|column| &column.column_type)),
        Object::Type(object) => {
            if let TypeKind::Domain(domain) = &object.kind {
                types.push(&domain.definition.base);
            }
        }
        Object::Schema(_) | Object::Sequence(_) | Object::Statistics(_) | Object::Comments(_) => {}
    }
    types.into_iter()
}

/// The number of a type's element.
pub(crate) fn element_oid(element: &Element) -> Oid {
    match element {
        Element::Base(base) => base.oid(),
        Element::Enum(definition) => definition.oid,
        Element::Domain(definition) => definition.oid,
    }
}
