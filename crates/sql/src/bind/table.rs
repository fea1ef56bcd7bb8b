//! Tables: finding them by name, and the expressions that are stored with them.

use std::sync::Arc;

use rustdb_catalog::{Catalog, Column, IndexKey, Relation as Found, Table as Definition};
use rustdb_txn::ObjectMode;
use rustdb_types::{CastContext, Oid, Settings, Type};
use sqlparser::ast;

use super::expression::Place;
use super::scope::{FromNames, NamedColumn, Relation, Scope, TableOid};
use super::{Binder, Reference, SessionNames};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::parse_expression;
use crate::plan::{IndexExpressions, Plan, Scan};

impl Binder<'_> {
    /// What a name stands for: in the schema it says, else along the search path.
    pub(crate) fn find_relation(&self, names: &[String]) -> Result<Option<Found>> {
        let Some(catalog) = &self.catalog else {
            return Ok(None);
        };
        Ok(match names {
            [name] => self
                .search_path()
                .find_map(|schema| catalog.relation(schema, name)),
            [schema, name] => {
                let schema = self.schema_of(schema);
                schema.and_then(|schema| catalog.relation(schema, name))
            }
            [database, schema, name] if *database == self.session.database => {
                let schema = self.schema_of(schema);
                schema.and_then(|schema| catalog.relation(schema, name))
            }
            _ => {
                let message = format!(
                    "cross-database references are not implemented: \"{}\"",
                    names.join(".")
                );
                return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
            }
        })
    }

    /// Whether a name would mean a table of this schema and name, if there were one.
    pub(crate) fn would_find(&self, names: &[String], schema: Oid, name: &str) -> Result<bool> {
        // What names another database is refused.
        self.find_relation(names)?;
        let (Some((last, schemas)), Some(catalog)) = (names.split_last(), &self.catalog) else {
            return Ok(false);
        };
        if last != name {
            return Ok(false);
        }
        if let Some(named) = schemas.last() {
            return Ok(self.schema_of(named) == Some(schema));
        }
        let mut path = self.search_path();
        let first = path.find(|each| *each == schema || catalog.relation(*each, name).is_some());
        Ok(first == Some(schema))
    }

    /// Schemas in which names without one are looked for.
    pub(super) fn search_path(&self) -> impl Iterator<Item = Oid> {
        let catalog = self.catalog.as_ref();
        // A view finds what it names where it found it when it was made.
        let is_stored = self.is_stored || self.views_around > 0;
        let path = catalog.map(|catalog| {
            let mut path = self.session.schemas(catalog);
            if is_stored {
                path.splice(..0, [rustdb_catalog::PG_CATALOG, rustdb_catalog::PUBLIC]);
            }
            path
        });
        let temporary = self.schema_of("pg_temp");
        temporary.into_iter().chain(path.unwrap_or_default())
    }

    /// The schema of this name; `pg_temp` is the session's own.
    pub(super) fn schema_of(&self, name: &str) -> Option<Oid> {
        let name = match name {
            "pg_temp" => self.session.temporary_schema.as_str(),
            name => name,
        };
        let schema = self.catalog.as_ref()?.schema_named(name)?;
        Some(schema.oid)
    }

    /// A table that is to be written.
    pub(crate) fn target_table(&self, names: &[String]) -> Result<Arc<Definition>> {
        let name = names.last().map(String::as_str).unwrap_or_default();
        match self.find_relation(names)? {
            Some(Found::Table(table)) => Ok(table),
            Some(Found::View(_)) => Err(Error::unsupported(format!(
                "writing to the view \"{name}\""
            ))),
            Some(Found::Sequence(_)) => {
                let message = format!("cannot change sequence \"{name}\"");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
            Some(Found::Index(..)) => {
                let message = format!("\"{name}\" is an index");
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
            None => Err(missing_relation(names)),
        }
    }

    /// What a table's indexes have expressions for, over the columns of a scan. An index whose
    /// expressions cannot be read is of no use to the scan.
    fn index_expressions(
        &self,
        definition: &Definition,
        places: &[(ColumnId, usize)],
    ) -> Vec<IndexExpressions> {
        let bound = |text: &str| {
            let catalog = self.catalog.as_ref();
            let typed = bind_table_expression(text, definition, self.settings, catalog);
            let mut expr = typed.ok()?.expr;
            expr.rewrite(&mut |part| match part {
                Expr::Input(place) => {
                    let column = places.iter().find(|(_, each)| each == place);
                    column.map(|(id, _)| Expr::Column(*id))
                }
                _ => None,
            });
            Some(expr)
        };
        let indexes = definition.indexes.iter().filter_map(|index| {
            let keys = index.columns.iter().filter_map(|column| match &column.key {
                IndexKey::Expression { expression, .. } => Some(bound(&expression.text)),
                IndexKey::Column(_) => None,
            });
            let keys = keys.collect::<Option<Vec<_>>>()?;
            let predicate = match &index.predicate {
                Some(predicate) => bound(&predicate.text)?.conjuncts(),
                None => Vec::new(),
            };
            let is_plain = keys.is_empty() && predicate.is_empty();
            (!is_plain).then_some(IndexExpressions {
                index: index.oid,
                keys,
                predicate,
            })
        });
        indexes.collect()
    }

    /// A table as a plan that reads it and names for its columns.
    pub(super) fn scan(&mut self, definition: &Arc<Definition>) -> Result<(Plan, Relation)> {
        let table = self.open(definition)?;
        let mut columns = Vec::with_capacity(definition.columns.len());
        let mut places = Vec::with_capacity(definition.columns.len());
        for (place, column) in definition.columns.iter().enumerate() {
            if column.dropped {
                continue;
            }
            let id = self.new_column();
            places.push((id, place));
            columns.push(NamedColumn {
                name: column.name.clone(),
                id,
                of: column.column_type.clone(),
            });
        }
        let expressions = self.index_expressions(definition, &places);
        let tableoid = self.new_column();
        let plan = Plan::Scan(Box::new(Scan {
            table,
            alias: definition.name.clone(),
            columns: places,
            key: None,
            tableoid,
            access: None,
            expressions,
        }));
        let schema = self
            .catalog
            .as_ref()
            .and_then(|all| all.schema(definition.schema));
        let relation = Relation {
            name: definition.name.clone(),
            schema: schema.map(|schema| schema.name.clone()),
            alias_of: None,
            columns,
            tableoid: Some(TableOid::Column(tableoid)),
            is_scalar: false,
        };
        Ok((plan, relation))
    }

    fn open(&mut self, definition: &Arc<Definition>) -> Result<Arc<rustdb_table::Table>> {
        let database = self.database.as_ref();
        let database = database.ok_or_else(|| Error::internal("there are no tables here"))?;
        self.tables
            .entry(definition.oid)
            .or_insert(ObjectMode::AccessShare);
        let catalog = self.catalog.as_ref();
        let catalog = catalog.ok_or_else(|| Error::internal("there are no tables here"))?;
        database.table(definition, catalog)
    }
}

/// The schema of this name.
pub(crate) fn schema_named(catalog: &Catalog, name: &str) -> Result<Oid> {
    let schema = catalog.schema_named(name).map(|schema| schema.oid);
    schema.ok_or_else(|| {
        let message = format!("schema \"{name}\" does not exist");
        Error::new(SqlState::INVALID_SCHEMA_NAME, message)
    })
}

/// 42P01.
pub(crate) fn missing_relation(names: &[String]) -> Error {
    let message = format!("relation \"{}\" does not exist", names.join("."));
    Error::new(SqlState::UNDEFINED_TABLE, message)
}

/// An expression over the columns of a table, which become places in its rows.
pub(crate) fn bind_table_expression(
    text: &str,
    definition: &Definition,
    settings: &Settings,
    catalog: Option<&Arc<Catalog>>,
) -> Result<Typed> {
    let written = parse_expression(text)?;
    let typed = bind_written(&written, definition, settings, catalog);
    let mut typed = typed.map_err(Error::elsewhere)?;
    typed.place = None;
    Ok(typed)
}

/// As [`bind_table_expression`], of an expression in the text of a statement.
pub(crate) fn bind_written(
    written: &ast::Expr,
    definition: &Definition,
    settings: &Settings,
    catalog: Option<&Arc<Catalog>>,
) -> Result<Typed> {
    // What is no table has no number.
    let tableoid = (definition.oid != Oid(0)).then_some(TableOid::Known(definition.oid));
    bind_over(written, definition, tableoid, settings, catalog)
}

/// As [`bind_written`], of a part of an index, where no system column may stand.
pub(crate) fn bind_indexed(
    written: &ast::Expr,
    definition: &Definition,
    settings: &Settings,
    catalog: Option<&Arc<Catalog>>,
) -> Result<Typed> {
    bind_over(written, definition, None, settings, catalog)
}

fn bind_over(
    written: &ast::Expr,
    definition: &Definition,
    tableoid: Option<TableOid>,
    settings: &Settings,
    catalog: Option<&Arc<Catalog>>,
) -> Result<Typed> {
    let session = SessionNames::of_stored();
    let mut binder = Binder::new(None, settings, &session);
    binder.catalog = catalog.cloned();
    let scope = scope_of(definition, tableoid);
    let mut typed = binder.expression(written, &mut Place::new(&scope, STORED))?;
    typed.expr.rewrite(&mut |expr| match expr {
        Expr::Column(id) => Column::place(id.0).map(Expr::Input),
        _ => None,
    });
    Ok(typed)
}

/// Where an expression over a table's columns names a type.
pub(crate) fn references_to_type(
    text: &str,
    definition: &Definition,
    object: Oid,
    settings: &Settings,
    catalog: &Arc<Catalog>,
) -> Result<Vec<Reference>> {
    let written = parse_expression(text)?;
    let session = SessionNames::of_stored();
    let mut binder = Binder::new(None, settings, &session).noting_references();
    binder.catalog = Some(catalog.clone());
    let scope = scope_of(definition, Some(TableOid::Known(definition.oid)));
    let bound = binder.expression(&written, &mut Place::new(&scope, STORED));
    bound.map_err(Error::elsewhere)?;
    Ok(binder.references_to_type(object))
}

/// What messages call the place of an expression that is stored with a table.
const STORED: &str = "a table's expressions";

/// A table's columns as what its expressions can name.
fn scope_of(definition: &Definition, tableoid: Option<TableOid>) -> Scope<'static> {
    let columns = definition.columns.iter().filter(|column| !column.dropped);
    let columns = columns.map(|column| NamedColumn {
        name: column.name.clone(),
        id: ColumnId(column.id),
        of: column.column_type.clone(),
    });
    Scope {
        parent: None,
        from: FromNames::of(Relation {
            name: definition.name.clone(),
            schema: None,
            alias_of: None,
            columns: columns.collect(),
            tableoid,
            is_scalar: false,
        }),
    }
}

/// As [`bind_table_expression`], as a value for a column.
pub(crate) fn bind_column_expression(
    text: &str,
    definition: &Definition,
    column: &Column,
    settings: &Settings,
    catalog: Option<&Arc<Catalog>>,
) -> Result<Expr> {
    let typed = bind_table_expression(text, definition, settings, catalog)?;
    let session = SessionNames::of_stored();
    let mut binder = Binder::new(None, settings, &session);
    binder.catalog = catalog.cloned();
    binder.assign_default(typed, column)
}

impl Binder<'_> {
    /// A value that is stored in a column of this type.
    pub(crate) fn assign(&mut self, from: Typed, to: &Type, column: &str) -> Result<Expr> {
        let place = from.place;
        self.assign_what("expression", from, to, column, place)
    }

    /// A default, or what a generated column is made of, as a value of its column.
    pub(crate) fn assign_default(&mut self, from: Typed, column: &Column) -> Result<Expr> {
        let (of, name) = (&column.column_type, &column.name);
        self.assign_what("default expression", from, of, name, None)
    }

    fn assign_what(
        &mut self,
        what: &str,
        from: Typed,
        to: &Type,
        column: &str,
        place: Option<Position>,
    ) -> Result<Expr> {
        let actual = from.of.clone();
        self.coerce(from, to, CastContext::Assignment)?
            .ok_or_else(|| {
                let message = format!(
                    "column \"{column}\" is of type {} but {what} is of type {}",
                    to.name(),
                    actual.name()
                );
                Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .with_hint("You will need to rewrite or cast the expression.")
                    .at(place)
            })
    }
}

impl Binder<'_> {
    /// The default of a column, which may read no column.
    pub(crate) fn default_of(
        &mut self,
        written: &ast::Expr,
        bare: &Definition,
        column: &Column,
    ) -> Result<Expr> {
        let scope = Scope {
            parent: None,
            from: FromNames::of(Relation {
                name: bare.name.clone(),
                schema: None,
                alias_of: None,
                columns: Vec::new(),
                tableoid: None,
                is_scalar: false,
            }),
        };
        let typed = self.expression(written, &mut Place::new(&scope, "DEFAULT expressions"))?;
        self.assign_default(typed, column)
    }
}
