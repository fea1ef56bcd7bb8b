//! SET: new values for columns.

use rustdb_catalog::{Column, Generated, Table as Definition};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::super::Binder;
use super::super::expression::{Place, row_items};
use super::super::from::object_name;
use super::super::scope::Scope;
use super::super::system_column::is_system_column;
use super::Assignment;
use super::through::{Through, Verb};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, RowColumns, Subquery, SubqueryKind, Typed};
use crate::parse::{place, place_of_name};
use crate::plan::Plan;
use crate::rewrite::PART;

impl Binder<'_> {
    pub(super) fn assignments(
        &mut self,
        written: &ast::Assignment,
        target: &Assigned<'_>,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        match (&written.target, &written.value) {
            (ast::AssignmentTarget::ColumnName(name), value) => {
                self.assignment(name, value, target, scope, out)
            }
            (ast::AssignmentTarget::Tuple(names), ast::Expr::Subquery(query)) => {
                self.row_assignment(names, query, target, scope, out)
            }
            (ast::AssignmentTarget::Tuple(names), value) => {
                let values = row_items(value).ok_or_else(|| {
                    let message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
                    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                })?;
                check_width(names.len(), values.len()).map_err(|error| {
                    error.at_word_before(values.first().and_then(|item| place(item.span())), "(")
                })?;
                for (name, value) in names.iter().zip(values) {
                    self.assignment(name, value, target, scope, out)?;
                }
                Ok(())
            }
        }
    }

    fn assignment(
        &mut self,
        name: &ast::ObjectName,
        value: &ast::Expr,
        target: &Assigned<'_>,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        if let Some(part) = part_of(name) {
            return self.part_assignment(name, part, value, target, scope, out);
        }
        let (place, column) = assigned(name, target, out)?;
        let value = if is_default(value) {
            self.default_value(column)?
        } else {
            refuse_update_of(column)?;
            let typed = self.expression(value, &mut Place::new(scope, "UPDATE"))?;
            self.assign(typed, &column.column_type, &column.name)?
        };
        out.push(Assignment {
            places: vec![place],
            value,
            generated: false,
            in_parts: false,
        });
        Ok(())
    }

    /// `a[1] = value`: of assignments to parts of one column each takes what the one before it
    /// gives.
    fn part_assignment(
        &mut self,
        name: &ast::ObjectName,
        part: &str,
        value: &ast::Expr,
        target: &Assigned<'_>,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        let begin = place_of_name(name);
        let column = object_name(name)?.into_iter().next().unwrap_or_default();
        let found = target.place_of(&column);
        let (place, column) = found.map_err(|error| error.at(begin))?;
        if is_default(value) {
            let message = "cannot set an array element to DEFAULT";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(begin));
        }
        refuse_update_of(column)?;
        let mut at = Place::new(scope, "UPDATE");
        let value = self.expression(value, &mut at)?;
        let before = out.iter().position(|other| other.places.contains(&place));
        let array = match before {
            None => Expr::Column(target.columns[place]),
            Some(before) if out[before].in_parts => out[before].value.clone(),
            Some(_) => return Err(assigned_twice(&column.name)),
        };
        let value = self.with_part(array, column, part, value, &mut at)?;
        let new = Assignment {
            places: vec![place],
            value,
            generated: false,
            in_parts: true,
        };
        match before {
            None => out.push(new),
            Some(before) => out[before] = new,
        }
        Ok(())
    }

    /// `(a, b) = (SELECT ...)`: the query runs once for each row, and gives all the values.
    fn row_assignment(
        &mut self,
        names: &[ast::ObjectName],
        query: &ast::Query,
        to: &Assigned<'_>,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        let inner = self.query(query, scope)?;
        check_width(names.len(), inner.columns.len())?;
        let mut places = Vec::with_capacity(names.len());
        let mut values = Vec::with_capacity(names.len());
        for (name, column) in names.iter().zip(&inner.columns) {
            let (place, target) = assigned(name, to, out)?;
            refuse_update_of(target)?;
            if places.contains(&place) {
                return Err(assigned_twice(&target.name));
            }
            let typed = Typed::new(Expr::Column(column.id), column.of.clone());
            values.push(self.assign(typed, &target.column_type, &target.name)?);
            places.push(place);
        }
        let row = self.new_column();
        let item = match values.len() {
            1 => values.remove(0),
            _ => Expr::Row(values, RowColumns::default()),
        };
        let plan = Plan::Project {
            input: Box::new(inner.plan),
            items: vec![(row, item)],
        };
        let subquery = Subquery {
            kind: SubqueryKind::Scalar,
            columns: vec![row],
            plan,
        };
        out.push(Assignment {
            places,
            value: Expr::Subquery(Box::new(subquery)),
            generated: false,
            in_parts: false,
        });
        Ok(())
    }

    /// New values for generated columns, over the columns of the row at their places.
    pub(super) fn generated_assignments(
        &mut self,
        definition: &Definition,
        columns: &[ColumnId],
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        for (place, column) in definition.columns.iter().enumerate() {
            if let Some(value) = self.generated_value(definition, column, columns)? {
                out.push(Assignment {
                    places: vec![place],
                    value,
                    generated: true,
                    in_parts: false,
                });
            }
        }
        Ok(())
    }
}

/// What is assigned to.
pub(super) struct Assigned<'a> {
    pub(super) definition: &'a Definition,
    /// The columns of the row as it was, at their places.
    pub(super) columns: &'a [ColumnId],
    /// The view that names them.
    pub(super) through: Option<&'a Through>,
    /// What is done to it.
    pub(super) verb: Verb,
}

impl<'a> Assigned<'a> {
    /// The column of this name.
    fn place_of(&self, name: &str) -> Result<(usize, &'a Column)> {
        let Some(through) = self.through else {
            return place_of(self.definition, name);
        };
        let place = through.place(through.column(name)?, self.verb)?;
        Ok((place, &self.definition.columns[place]))
    }
}

/// The part of a column that an assignment is about, as the rewritten name has it.
pub(super) fn part_of(name: &ast::ObjectName) -> Option<&str> {
    let last = name.0.get(1)?.as_ident()?;
    last.value.strip_prefix(PART)
}

/// The column that an assignment names, which no other does.
fn assigned<'d>(
    name: &ast::ObjectName,
    target: &Assigned<'d>,
    others: &[Assignment],
) -> Result<(usize, &'d Column)> {
    let begin = place_of_name(name);
    let names = object_name(name)?;
    // A name with a dot is a column and a field of it, which there are none of.
    let name = names.first().map_or("", String::as_str);
    if part_of_names(&names) {
        return Err(Error::unsupported("assigning a query to a part of a column").at(begin));
    }
    if names.len() > 1 {
        target.place_of(name).map_err(|error| error.at(begin))?;
        return Err(Error::unsupported("assigning a field of a column").at(begin));
    }
    let found = target.place_of(name).map_err(|error| match error.state() {
        SqlState::UNDEFINED_COLUMN if target.through.is_none() && is_system_column(name) => {
            let message = format!("cannot assign to system column \"{name}\"");
            Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
        }
        _ => error,
    });
    let (place, column) = found.map_err(|error| error.at(begin))?;
    match others.iter().any(|other| other.places.contains(&place)) {
        true => Err(assigned_twice(name)),
        false => Ok((place, column)),
    }
}

fn part_of_names(names: &[String]) -> bool {
    names.get(1).is_some_and(|name| name.starts_with(PART))
}

fn assigned_twice(name: &str) -> Error {
    let message = format!("multiple assignments to same column \"{name}\"");
    Error::new(SqlState::SYNTAX_ERROR, message)
}

fn check_width(columns: usize, values: usize) -> Result<()> {
    match columns == values {
        true => Ok(()),
        false => {
            let message = "number of columns does not match number of values";
            Err(Error::new(SqlState::SYNTAX_ERROR, message))
        }
    }
}

pub(super) fn place_of<'d>(definition: &'d Definition, name: &str) -> Result<(usize, &'d Column)> {
    let columns = definition.columns.iter().enumerate();
    let mut found = columns.filter(|(_, column)| !column.dropped && column.name == name);
    found.next().ok_or_else(|| {
        let message = format!(
            "column \"{name}\" of relation \"{}\" does not exist",
            definition.name
        );
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })
}
/// The column that an assignment to one column is for.
pub(in crate::bind) fn plain_target(assignment: &ast::Assignment) -> Option<String> {
    match &assignment.target {
        ast::AssignmentTarget::ColumnName(name) if part_of(name).is_some() => None,
        ast::AssignmentTarget::ColumnName(name) => object_name(name).ok()?.pop(),
        ast::AssignmentTarget::Tuple(_) => None,
    }
}

/// The word DEFAULT in place of a value.
pub(in crate::bind) fn is_default(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Identifier(name) => {
            name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default")
        }
        ast::Expr::Nested(inner) => is_default(inner),
        _ => false,
    }
}

fn refuse_update_of(column: &Column) -> Result<()> {
    let name = &column.name;
    let detail = match &column.generated {
        Some(Generated::Identity { always: true, .. }) => {
            format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
        }
        Some(Generated::Stored(_)) => format!("Column \"{name}\" is a generated column."),
        _ => return Ok(()),
    };
    let message = format!("column \"{name}\" can only be updated to DEFAULT");
    Err(Error::new(SqlState::GENERATED_ALWAYS, message).with_detail(detail))
}
