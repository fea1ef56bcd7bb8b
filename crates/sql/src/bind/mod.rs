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
mod from;
mod literal;
mod predicate;
mod query;
mod rows;
mod scope;
mod select;
mod set_operation;
mod sort;
mod subquery;
mod type_name;

use rustdb_types::{Settings, Type};
use sqlparser::ast;

use crate::error::{Error, Result, SqlState};
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
    /// The types of `$1`, `$2`...
    pub parameters: Vec<Type>,
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
    /// The types of the parameters so far; `None` until something asks for one.
    parameters: Vec<Option<Type>>,
    next_column: u32,
    /// The common table expressions that can be named, the innermost last.
    ctes: Vec<query::CommonTable>,
}

/// What a session is called by.
#[derive(Clone, Debug)]
pub struct SessionNames {
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
}

/// How many parameters a statement may have: what the wire protocol can number.
const PARAMETERS_MAX: usize = 65_535;

/// Binds a query. `parameters` are the types that the client gave; [`Type::UNKNOWN`] asks for a
/// type from the context.
pub fn bind_query(
    query: &ast::Query,
    parameters: &[Type],
    settings: &Settings,
    session: &SessionNames,
) -> Result<Bound> {
    let mut binder = Binder::new(parameters, settings, session);
    let bound = binder.query(query, &Scope::default())?;
    let (plan, columns) = binder.finish_output(bound)?;
    Ok(Bound {
        plan,
        columns,
        parameters: binder.parameter_types()?,
    })
}

impl<'s> Binder<'s> {
    fn new(parameters: &[Type], settings: &'s Settings, session: &'s SessionNames) -> Binder<'s> {
        let given = parameters.iter();
        Binder {
            settings,
            session,
            parameters: given
                .map(|of| (*of != Type::UNKNOWN).then(|| of.clone()))
                .collect(),
            next_column: 0,
            ctes: Vec::new(),
        }
    }

    fn new_column(&mut self) -> ColumnId {
        self.next_column += 1;
        ColumnId(self.next_column)
    }

    /// Types for all parameters, once the statement is bound.
    fn parameter_types(&self) -> Result<Vec<Type>> {
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
