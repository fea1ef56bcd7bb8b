//! `json_to_record` and its kin in FROM: documents as rows.
//!
//! ```text
//! json_to_recordset(j) AS x (a int, b text)
//!     ─▶ the elements of j, each of which is an object
//!     ─▶ its member `a` as an integer, its member `b` as a text
//! json_populate_recordset(NULL::t, j)      the same with the columns of t
//! ```

use rustdb_catalog::Relation as Found;
use rustdb_types::{Base, Cast, Element, Type};
use sqlparser::ast;

use super::expression::Place;
use super::from::{FromItem, words_of};
use super::from_function::FunctionParts;
use super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::{Binder, new_name};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::plan::{FunctionRows, Plan};

/// A function of this kind.
struct RecordFunction {
    name: &'static str,
    of: Base,
    /// Whether it gives a row for each element of an array.
    set: bool,
    /// Whether its first argument says what the columns are.
    populates: bool,
}

const fn function(name: &'static str, of: Base, set: bool, populates: bool) -> RecordFunction {
    RecordFunction {
        name,
        of,
        set,
        populates,
    }
}

const FUNCTIONS: [RecordFunction; 8] = [
    function("json_to_record", Base::Json, false, false),
    function("jsonb_to_record", Base::Jsonb, false, false),
    function("json_to_recordset", Base::Json, true, false),
    function("jsonb_to_recordset", Base::Jsonb, true, false),
    function("json_populate_record", Base::Json, false, true),
    function("jsonb_populate_record", Base::Jsonb, false, true),
    function("json_populate_recordset", Base::Json, true, true),
    function("jsonb_populate_recordset", Base::Jsonb, true, true),
];

impl Binder<'_> {
    /// The rows of such a function, if it is one.
    pub(super) fn record_function(
        &mut self,
        (written, alias, with_ordinality): &FunctionParts<'_>,
        begin: Option<Position>,
        scope: &Scope<'_>,
    ) -> Result<Option<FromItem>> {
        let [(names, arguments)] = &written[..] else {
            return Ok(None);
        };
        let function = match &names[..] {
            [name] => FUNCTIONS.iter().find(|it| it.name == name),
            [schema, name] if schema == "pg_catalog" => FUNCTIONS.iter().find(|it| it.name == name),
            _ => None,
        };
        let listed = alias.is_some_and(|alias| {
            let mut columns = alias.columns.iter();
            columns.any(|column| column.data_type.is_some())
        });
        let Some(function) = function else {
            return match listed {
                true => {
                    let message = "a column definition list is only allowed for functions \
                                   returning \"record\"";
                    Err(Error::new(SqlState::SYNTAX_ERROR, message))
                }
                false => Ok(None),
            };
        };
        let (columns, document) = match (&arguments[..], function.populates) {
            ([document], false) => (None, document),
            ([base, document], true) => (self.columns_of_row(base, function, scope)?, document),
            _ => return Ok(None),
        };
        let columns = match (columns, alias) {
            (Some(columns), _) => columns,
            (None, Some(alias)) if listed => self.listed_columns(alias)?,
            (None, _) => {
                let message =
                    "a column definition list is required for functions returning \"record\"";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(begin));
            }
        };
        if *with_ordinality {
            return Err(Error::unsupported(format!(
                "WITH ORDINALITY of {}",
                function.name
            )));
        }
        let item = self.rows_of_document(function, document, columns, scope)?;
        let relation = Relation {
            name: function.name.to_owned(),
            schema: None,
            alias_of: None,
            columns: item.1,
            tableoid: None,
            is_scalar: false,
        };
        let relation = Relation {
            alias_of: None,
            ..self.aliased(relation, *alias)?
        };
        Ok(Some(FromItem {
            plan: item.0,
            names: FromNames::of(relation),
        }))
    }

    /// The columns that are listed behind the alias.
    fn listed_columns(&mut self, alias: &ast::TableAlias) -> Result<Vec<(String, Type)>> {
        let columns = alias.columns.iter().map(|column| match &column.data_type {
            Some(of) => Ok((new_name(&column.name)?, self.type_named(of)?)),
            None => {
                let message = format!("syntax error at or near \"{}\"", column.name);
                Err(Error::new(SqlState::SYNTAX_ERROR, message))
            }
        });
        columns.collect()
    }

    /// The columns that `NULL::t` says; none, if that is a `record`.
    fn columns_of_row(
        &mut self,
        base: &ast::Expr,
        function: &RecordFunction,
        scope: &Scope<'_>,
    ) -> Result<Option<Vec<(String, Type)>>> {
        let mut written = base;
        while let ast::Expr::Nested(inner) = written {
            written = inner;
        }
        let named = match written {
            ast::Expr::Cast {
                expr,
                data_type: ast::DataType::Custom(name, _),
                ..
            } if is_null(expr) => Some(words_of(name)?),
            _ => None,
        };
        let Some(names) = named else {
            let typed = self.expression(base, &mut Place::new(scope, "functions in FROM"))?;
            return Err(match typed.of {
                of if of == Type::RECORD => Error::unsupported(format!(
                    "{} with a first argument other than NULL",
                    function.name
                )),
                of if of == Type::UNKNOWN => Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    "could not determine polymorphic type because input has type unknown",
                ),
                _ => {
                    let name = function.name;
                    let message = format!("first argument of {name} must be a row type");
                    Error::new(SqlState::DATATYPE_MISMATCH, message)
                }
            });
        };
        if names.last().is_some_and(|name| name == "record") {
            return Ok(None);
        }
        match self.find_relation(&names)? {
            Some(Found::Table(table)) => {
                let columns = table.live_columns();
                let columns =
                    columns.map(|column| (column.name.clone(), column.column_type.clone()));
                Ok(Some(columns.collect()))
            }
            Some(Found::View(view)) => {
                let columns = view.columns.iter();
                let columns =
                    columns.map(|column| (column.name.clone(), column.column_type.clone()));
                Ok(Some(columns.collect()))
            }
            _ => {
                let name = names.join(".");
                let message = format!("type \"{name}\" does not exist");
                Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
            }
        }
    }

    fn rows_of_document(
        &mut self,
        function: &RecordFunction,
        document: &ast::Expr,
        columns: Vec<(String, Type)>,
        scope: &Scope<'_>,
    ) -> Result<(Plan, Vec<NamedColumn>)> {
        let of = Type::of(function.of);
        let typed = self.expression(document, &mut Place::new(scope, "functions in FROM"))?;
        let document = self.coerce_argument(typed, &of)?;
        let row: ColumnId = self.new_column();
        let (input, check) = match function.set {
            true => {
                let rows = Expr::Cast(Box::new((Cast::to_rows(&of, function.name), document)));
                let elements = match function.of {
                    Base::Json => "json_array_elements",
                    _ => "jsonb_array_elements",
                };
                let rows = Typed::new(rows, of.clone());
                let (call, _) = self.function_call(&[elements.to_owned()], vec![rows])?;
                let rows = FunctionRows {
                    input: Plan::one_row(),
                    calls: vec![(call, vec![row])],
                    ordinality: None,
                };
                let check = Cast::to_row_of(&of, function.name);
                (Plan::Function(Box::new(rows)), check)
            }
            false => {
                let items = vec![(row, document)];
                let input = Box::new(Plan::one_row());
                (Plan::Project { input, items }, Cast::to_row(&of))
            }
        };
        let checked = self.new_column();
        let check = Expr::Cast(Box::new((check, Expr::Column(row))));
        let input = Plan::Project {
            input: Box::new(input),
            items: vec![(checked, check)],
        };
        let mut items = Vec::with_capacity(columns.len());
        let mut made = Vec::with_capacity(columns.len());
        for (name, column) in columns {
            let member = Cast::of_member(&of, &name, &column);
            let mut value = Expr::Cast(Box::new((member, Expr::Column(checked))));
            if let Element::Domain(domain) = &column.element {
                value = match column.array {
                    true => self.each_checked(value, domain)?,
                    false => self.checked(value, domain)?,
                };
            }
            let id = self.new_column();
            items.push((id, value));
            made.push(NamedColumn {
                name,
                id,
                of: column,
            });
        }
        let plan = Plan::Project {
            input: Box::new(input),
            items,
        };
        Ok((plan, made))
    }
}

fn is_null(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_null(inner),
        ast::Expr::Value(value) => value.value == ast::Value::Null,
        _ => false,
    }
}
