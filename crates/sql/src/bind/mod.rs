//! From syntax to a plan: names become columns, and every expression gets a type.
//!
//! ```text
//! query ──▶ select ──▶ from          relations and their names (scope)
//!              │ ────▶ expression    operators, functions, casts, subqueries
//!              ▼
//!            targets                 what SELECT gives, and what ORDER BY and GROUP BY mean by it
//! ```
//!
//! A literal in quotes is of type `unknown` until its place gives it one, and so is a parameter.
//! Whatever the parser reads and this module does not understand is refused by name.

mod aggregate;
mod calls;
mod coerce;
mod expression;
mod flexible;
mod frame;
mod from;
mod from_function;
mod from_record;
mod grouping;
mod json_path;
mod json_subscript;
mod level;
mod likeness;
mod literal;
mod lock;
mod named_call;
mod output_name;
mod predicate;
mod query;
mod reference;
mod rows;
mod scope;
mod search;
mod select;
mod session;
mod set_operation;
mod sets;
mod sort;
mod subquery;
mod subscript;
mod system;
mod system_column;
mod table;
mod type_name;
mod user_type;
mod window;
mod with;
mod write;

pub(crate) use flexible::Given;
pub(crate) use from::{object_name, words_of};
pub(crate) use output_name::key_name;
pub(crate) use reference::{Alias, Reference, respelled};
pub(crate) use system_column::is_system_column;
pub(crate) use table::{
    bind_column_expression, bind_indexed, bind_table_expression, bind_written, missing_relation,
    references_to_type, schema_named,
};
pub(crate) use user_type::value_table;
pub use write::{Assignment, ConflictUpdate, OnConflict, ViewCheck, Write, WriteKind};
pub(crate) use write::{not_updatable, updatable, writes};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustdb_catalog::{Catalog, PG_CATALOG};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, Settings, Type};
use sqlparser::ast;

use crate::database::Database;
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::ColumnId;
use crate::plan::Plan;

use scope::Scope;

/// What is bound, and what it gives.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The plan.
    pub plan: Plan,
    /// The columns that the statement gives, in order.
    pub columns: Vec<OutputColumn>,
}

/// A column of a statement's result.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Its name. Names need not be different.
    pub name: String,
    /// The plan's column.
    pub id: ColumnId,
    /// Its type.
    pub of: Type,
}

/// Binds one statement.
#[derive(Debug)]
pub(crate) struct Binder<'s> {
    settings: &'s Settings,
    session: &'s SessionNames,
    /// Where tables are found; stored expressions have none.
    database: Option<Database>,
    catalog: Option<Arc<Catalog>>,
    /// The relations that were named, also by views, and how they are to be locked.
    tables: BTreeMap<Oid, ObjectMode>,
    /// The relations that the statement itself names: not those that its views name.
    named: Vec<Oid>,
    /// How many views are around what is bound now.
    views_around: usize,
    /// Whether views are taken for what they say that their columns are: nothing is run.
    only_names: bool,
    /// The types of the parameters so far; `None` until something asks for one.
    parameters: Vec<Option<Type>>,
    /// Whether there can be any: what is kept, as views and defaults are, has none.
    takes_parameters: bool,
    next_column: u32,
    /// The common table expressions that can be named, the innermost last.
    ctes: Vec<with::CommonTable>,
    /// What the SELECT that is bound next locks.
    locks: Vec<ast::LockClause>,
    /// A common table expression that has to be bound before the one at hand.
    awaited: Option<usize>,
    /// Those that wait for another.
    awaiting: Vec<usize>,
    /// Where relations are named, if that is noted.
    references: Option<Vec<Reference>>,
    /// Where created types are named, if that is noted.
    named_types: RefCell<Vec<Reference>>,
    /// Whether what is bound is a stored text.
    is_stored: bool,
    /// Whether the WITH that comes next stands at the top of the statement.
    is_top: bool,
    /// Whether the query that comes next leaves literals without a type.
    keeps_unknown: bool,
    /// Whether the query that comes next may be a statement that writes.
    may_write: bool,
    /// Named statements that write and give no rows.
    silent: Vec<crate::plan::NameNumber>,
    /// How many subqueries of expressions are around.
    subqueries: usize,
    /// The queries around the one that is bound, the innermost last.
    levels: Vec<level::Level>,
    /// The columns of tables' numbers that are yet to be computed.
    tableoids: BTreeSet<ColumnId>,
    /// Where columns are named outside of aggregates, if aggregates may stand there.
    mentioned: Vec<(ColumnId, Position)>,
}

/// What a session is called by.
#[derive(Clone, Debug, Default)]
pub struct SessionNames {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// Schemas in which names without one are looked for.
    pub path: Vec<String>,
    /// The schema of its temporary objects, if there are any.
    pub temporary_schema: String,
}

impl SessionNames {
    /// For expressions that are stored: what they name is looked for where sessions begin.
    pub(crate) fn of_stored() -> SessionNames {
        SessionNames {
            path: vec!["public".to_owned()],
            ..SessionNames::default()
        }
    }

    /// The schemas of the path that are there, with that of what is built in first unless the path
    /// says where it is.
    pub(crate) fn schemas(&self, catalog: &Catalog) -> Vec<Oid> {
        let named = self.path.iter().filter_map(|name| match name.as_str() {
            "$user" => catalog.schema_named(&self.user),
            name => catalog.schema_named(name),
        });
        let mut schemas: Vec<Oid> = named.map(|schema| schema.oid).collect();
        if !schemas.contains(&PG_CATALOG) {
            schemas.insert(0, PG_CATALOG);
        }
        schemas
    }

    /// The schema in which things are made, if the path has one.
    pub(crate) fn creation_schema(&self, catalog: &Catalog) -> Option<Oid> {
        let mut schemas = self.schemas(catalog).into_iter();
        schemas
            .find(|schema| *schema != PG_CATALOG || self.path.iter().any(|it| it == "pg_catalog"))
    }
}

/// How many parameters a statement may have: what the wire protocol can number.
const PARAMETERS_MAX: usize = 65_535;

/// What statements are bound in.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The types of parameters that the client gave; [`Type::UNKNOWN`] asks for one from the
    /// context. None, where there can be no parameters.
    pub(crate) parameters: Option<&'a [Type]>,
    pub(crate) settings: &'a Settings,
    pub(crate) session: &'a SessionNames,
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
}

impl<'s> Binder<'s> {
    /// A binder for a statement.
    pub(crate) fn for_statement(around: &Surroundings<'s>) -> Binder<'s> {
        let mut binder = Binder::new(around.parameters, around.settings, around.session);
        binder.database = Some(around.database.clone());
        binder.catalog = Some(around.catalog.clone());
        binder
    }

    /// The relations that the statement itself names: not those that its views name.
    pub(crate) fn named(&self) -> &[Oid] {
        &self.named
    }

    /// The tables that were named, and how they are to be locked.
    pub(crate) fn tables(&self) -> &BTreeMap<Oid, ObjectMode> {
        &self.tables
    }

    /// Asks for a lock of this mode on a table, unless a stronger one is asked for. Of the modes
    /// that statements with plans take, each includes those before it.
    fn lock_table(&mut self, table: Oid, mode: ObjectMode) {
        let asked = self.tables.entry(table).or_insert(mode);
        if (*asked as u8) < (mode as u8) {
            *asked = mode;
        }
    }

    /// A query that stands alone.
    pub(crate) fn statement_query(&mut self, query: &ast::Query) -> Result<Bound> {
        self.is_top = true;
        let bound = self.query(query, &Scope::default())?;
        let bound = self.with_names(bound)?;
        let (plan, columns) = self.finish_output(bound)?;
        Ok(Bound { plan, columns })
    }
}

impl<'s> Binder<'s> {
    /// Takes views for what they say that their columns are, without their queries.
    pub(crate) fn with_names_only(mut self) -> Binder<'s> {
        self.only_names = true;
        self
    }

    fn new(
        parameters: Option<&[Type]>,
        settings: &'s Settings,
        session: &'s SessionNames,
    ) -> Binder<'s> {
        let given = parameters.unwrap_or_default().iter();
        Binder {
            settings,
            session,
            database: None,
            catalog: None,
            tables: BTreeMap::new(),
            named: Vec::new(),
            views_around: 0,
            only_names: false,
            takes_parameters: parameters.is_some(),
            parameters: given
                .map(|of| (*of != Type::UNKNOWN).then(|| of.clone()))
                .collect(),
            next_column: 0,
            ctes: Vec::new(),
            locks: Vec::new(),
            awaited: None,
            awaiting: Vec::new(),
            references: None,
            named_types: RefCell::default(),
            is_stored: false,
            is_top: false,
            keeps_unknown: false,
            may_write: false,
            silent: Vec::new(),
            subqueries: 0,
            levels: Vec::new(),
            tableoids: BTreeSet::new(),
            mentioned: Vec::new(),
        }
    }

    fn new_column(&mut self) -> ColumnId {
        self.next_column += 1;
        ColumnId(self.next_column)
    }

    /// Types for all parameters, once the statement is bound.
    pub(crate) fn parameter_types(&self) -> Result<Vec<Type>> {
        let types = self.parameters.iter().enumerate();
        let types = types.map(|(index, of)| {
            of.clone().ok_or_else(|| {
                let message = format!("could not determine data type of parameter ${}", index + 1);
                Error::new(SqlState::INDETERMINATE_DATATYPE, message)
            })
        });
        types.collect()
    }
}

/// As [`name_of`], of what gets a name or is called by it; reserved words name nothing.
pub(crate) fn new_name(ident: &ast::Ident) -> Result<String> {
    crate::parse::refuse(ident)?;
    Ok(name_of(ident))
}

/// The name as PostgreSQL sees it: in lower case unless it is in quotes, and no longer than 63
/// bytes.
pub(crate) fn name_of(ident: &ast::Ident) -> String {
    let mut name = match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    if name.len() > NAME_BYTES_MAX {
        let mut end = NAME_BYTES_MAX;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}

/// The longest name: PostgreSQL's `NAMEDATALEN` less one.
const NAME_BYTES_MAX: usize = 63;
