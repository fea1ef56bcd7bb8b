//! Views go on reading what is renamed or moved.
//!
//! A view is kept as the text of its query. When something that it names gets another name, the
//! text is changed where the name stands, and nowhere else: an alias keeps the old name for the
//! rest of the query.
//!
//! ```text
//! SELECT t.a FROM t      t is renamed:  SELECT t.a FROM "new" AS "t"
//!                        a is renamed:  SELECT t.a FROM (SELECT "new" AS "a" FROM "t") AS "t"
//! ```

use std::sync::Arc;

use rustdb_catalog::{Catalog, Object, PUBLIC, Part, View};
use rustdb_txn::ObjectMode;
use rustdb_types::Oid;
use sqlparser::ast;

use super::Definer;
use crate::bind::{Alias, Binder, Reference, respelled};
use crate::error::{Error, Result};

/// A view, and where it names what is changed.
pub(super) struct Reader {
    view: Arc<View>,
    references: Vec<Reference>,
}

impl Definer<'_> {
    /// The views that read a relation, or one of its columns; they are locked.
    pub(super) fn readers_of(&mut self, part: Part) -> Result<Vec<Reader>> {
        let catalog = self.change.view();
        let mut readers = Vec::new();
        let object = match part {
            Part::Column(object, _) | Part::Object(object) => object,
            _ => return Ok(readers),
        };
        for (user, _) in catalog.dependents(part) {
            if let Part::Object(user) = user
                && let Some(view) = catalog.view(user)
            {
                self.lock(user, ObjectMode::AccessExclusive)?;
                self.around.catalog = catalog.clone();
                let mut references = self.references_in(view)?;
                references.retain(|reference| reference.object == object);
                readers.push(Reader {
                    view: view.clone(),
                    references,
                });
            }
        }
        Ok(readers)
    }

    /// The views that name a type; they are locked.
    pub(super) fn readers_of_type(&mut self, oid: Oid, name: &str) -> Result<Vec<Reader>> {
        let catalog = self.change.view();
        let mut readers = Vec::new();
        for object in catalog.objects() {
            let Object::View(view) = object else { continue };
            if !mentions(&view.query.text, name) {
                continue;
            }
            self.around.catalog = catalog.clone();
            let query = parsed(&view.query.text)?;
            let mut binder = Binder::for_statement(&self.around).reading_stored();
            binder.statement_query(&query)?;
            let references = binder.references_to_type(oid);
            if !references.is_empty() {
                self.lock(view.oid, ObjectMode::AccessExclusive)?;
                readers.push(Reader {
                    view: view.clone(),
                    references,
                });
            }
        }
        Ok(readers)
    }

    /// A type was renamed or moved, and is called this now.
    pub(super) fn follow_type(&mut self, mut readers: Vec<Reader>, now: &str) -> Result<()> {
        let catalog = self.change.view();
        for reader in &mut readers {
            // Its columns may be of the type.
            if let Some(view) = catalog.view(reader.view.oid) {
                reader.view = view.clone();
            }
        }
        self.respell_readers(readers, |_, _| Ok(now.to_owned()))
    }

    fn references_in(&self, view: &View) -> Result<Vec<Reference>> {
        let query = parsed(&view.query.text)?;
        let mut binder = Binder::for_statement(&self.around).reading_stored();
        binder.statement_query(&query)?;
        binder.references().ok_or_else(|| refused(view))
    }

    /// Gives the views texts that name what was changed as it is called now.
    pub(super) fn respell_readers(
        &mut self,
        readers: Vec<Reader>,
        spelled: impl Fn(&Reader, &Reference) -> Result<String>,
    ) -> Result<()> {
        for reader in readers {
            let mut changes = Vec::with_capacity(reader.references.len());
            for reference in &reader.references {
                changes.push((reference, spelled(&reader, reference)?));
            }
            let mut view = View::clone(&reader.view);
            view.query.text = respelled(&view.query.text, &changes)?;
            self.check_reader(&view)?;
            self.change.set(Object::View(Arc::new(view)));
        }
        Ok(())
    }

    /// What comes out is to be the same as before.
    fn check_reader(&mut self, view: &View) -> Result<()> {
        self.around.catalog = self.change.view();
        let query = parsed(&view.query.text)?;
        let mut binder = Binder::for_statement(&self.around).reading_stored();
        let bound = binder.statement_query(&query);
        let bound = bound.map_err(|_| refused(view))?;
        let is_same = bound.columns.len() >= view.columns.len()
            && view
                .columns
                .iter()
                .all(|column| bound.columns.iter().any(|it| it.of == column.column_type));
        match is_same {
            true => Ok(()),
            false => Err(refused(view)),
        }
    }

    /// A relation was renamed or moved; `old` is what it was called.
    pub(super) fn follow_relation(
        &mut self,
        readers: Vec<Reader>,
        object: Oid,
        old: &str,
    ) -> Result<()> {
        let name = whole_name(&self.change.view(), object);
        self.respell_readers(readers, |_, reference| {
            Ok(match reference.alias {
                Alias::None => format!("{name} AS {}", quoted(old)),
                Alias::Name | Alias::Columns(_) => name.clone(),
            })
        })
    }

    /// A column of a table was renamed.
    pub(super) fn follow_column(
        &mut self,
        readers: Vec<Reader>,
        table: Oid,
        old: &str,
        new: &str,
    ) -> Result<()> {
        let catalog = self.change.view();
        let name = whole_name(&catalog, table);
        let Some(table) = catalog.table(table) else {
            return Err(Error::internal("the table is gone"));
        };
        let place = table.live_columns().position(|column| column.name == new);
        self.respell_readers(readers, |reader, reference| {
            if let Alias::Columns(named) = reference.alias {
                return match place.is_some_and(|place| place < named) {
                    // It has another name there anyway.
                    true => Ok(name.clone()),
                    false => Err(refused(&reader.view)),
                };
            }
            let read = reader.view.depends_on().iter();
            let read = read.filter(|it| it.object == table.oid);
            let columns = read
                .filter_map(|it| table.column(it.column?))
                .map(|column| match column.name == new {
                    true => format!("{} AS {}", quoted(new), quoted(old)),
                    false => quoted(&column.name),
                });
            let columns = columns.collect::<Vec<_>>().join(", ");
            let rows = format!("(SELECT {columns} FROM {name})");
            Ok(match reference.alias {
                Alias::None => format!("{rows} AS {}", quoted(&table.name)),
                Alias::Name | Alias::Columns(_) => rows,
            })
        })
    }

    /// The column of a view at a place was renamed.
    pub(super) fn follow_view_column(
        &mut self,
        readers: Vec<Reader>,
        view: Oid,
        old: &str,
        place: usize,
    ) -> Result<()> {
        let catalog = self.change.view();
        let name = whole_name(&catalog, view);
        let Some(view) = catalog.view(view) else {
            return Err(Error::internal("the view is gone"));
        };
        let columns = view.columns.iter().enumerate();
        let columns = columns.map(|(at, column)| match at == place {
            true => format!("{} AS {}", quoted(&column.name), quoted(old)),
            false => quoted(&column.name),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let rows = format!("(SELECT {columns} FROM {name})");
        self.respell_readers(readers, |_, reference| {
            Ok(match reference.alias {
                Alias::None => format!("{rows} AS {}", quoted(&view.name)),
                Alias::Columns(named) if place < named => name.clone(),
                Alias::Name | Alias::Columns(_) => rows.clone(),
            })
        })
    }

    /// A query's text in which relations are named with their schemas, where stored texts would
    /// not find them without.
    pub(super) fn stored_query(&self, query: &ast::Query) -> Result<String> {
        let text = query.to_string();
        let query = parsed(&text)?;
        let binder = || Binder::for_statement(&self.around).noting_references();
        let mut by_names = binder().with_names_only();
        let mut whole = binder();
        let bound = match by_names.statement_query(&query) {
            Ok(_) => &by_names,
            Err(_) => {
                whole.statement_query(&query)?;
                &whole
            }
        };
        let catalog = &self.around.catalog;
        let references = bound.references().unwrap_or_default();
        let moved = references.iter().filter(|reference| {
            let schema = catalog.object(reference.object).and_then(Object::schema);
            let schema = schema.and_then(|schema| catalog.schema(schema));
            schema.is_some_and(|schema| schema.oid != PUBLIC && !schema.temporary)
        });
        let changes: Vec<(&Reference, String)> = moved
            .map(|reference| (reference, whole_name(catalog, reference.object)))
            .collect();
        respelled(&text, &changes)
    }
}

fn parsed(text: &str) -> Result<Box<ast::Query>> {
    match crate::parse::parse(text)?.pop() {
        Some(ast::Statement::Query(query)) => Ok(query),
        _ => Err(Error::internal("a view is no query")),
    }
}

/// The name by which stored texts find a relation or a type.
pub(super) fn whole_name(catalog: &Catalog, object: Oid) -> String {
    let Some(object) = catalog.object(object) else {
        return String::new();
    };
    let schema = object.schema().filter(|schema| *schema != PUBLIC);
    match schema.and_then(|schema| catalog.schema(schema)) {
        Some(schema) => format!("{}.{}", quoted(&schema.name), quoted(object.name())),
        None => quoted(object.name()),
    }
}

/// Whether a text may name something.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    text.to_lowercase().contains(&name.to_lowercase())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn refused(view: &View) -> Error {
    Error::unsupported(format!(
        "renaming or moving what view \"{}\" reads in this way",
        view.name
    ))
}
