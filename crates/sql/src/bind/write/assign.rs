//! SET: new values for columns.

use rustdb_catalog::{Column, Generated, Table as Definition};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::super::Binder;
use super::super::expression::{Place, row_items};
use super::super::from::object_name;
use super::super::scope::Scope;
use super::Assignment;
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Subquery, SubqueryKind, Typed};
use crate::parse::{place, place_of_name};
use crate::plan::Plan;

impl Binder<'_> {
    pub(super) fn assignments(
        &mut self,
        written: &ast::Assignment,
        definition: &Definition,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        match (&written.target, &written.value) {
            (ast::AssignmentTarget::ColumnName(name), value) => {
                self.assignment(name, value, definition, scope, out)
            }
            (ast::AssignmentTarget::Tuple(names), ast::Expr::Subquery(query)) => {
                self.row_assignment(names, query, definition, scope, out)
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
                    self.assignment(name, value, definition, scope, out)?;
                }
                Ok(())
            }
        }
    }

    fn assignment(
        &mut self,
        name: &ast::ObjectName,
        value: &ast::Expr,
        definition: &Definition,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        let (place, column) = assigned(name, definition, out)?;
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
        });
        Ok(())
    }

    /// `(a, b) = (SELECT ...)`: the query runs once for each row, and gives all the values.
    fn row_assignment(
        &mut self,
        names: &[ast::ObjectName],
        query: &ast::Query,
        definition: &Definition,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        let inner = self.query(query, scope)?;
        check_width(names.len(), inner.columns.len())?;
        let mut places = Vec::with_capacity(names.len());
        let mut values = Vec::with_capacity(names.len());
        for (name, column) in names.iter().zip(&inner.columns) {
            let (place, target) = assigned(name, definition, out)?;
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
            _ => Expr::Row(values, None),
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
                });
            }
        }
        Ok(())
    }
}

/// The column that an assignment names, which no other does.
fn assigned<'d>(
    name: &ast::ObjectName,
    definition: &'d Definition,
    others: &[Assignment],
) -> Result<(usize, &'d Column)> {
    let begin = place_of_name(name);
    let names = object_name(name)?;
    // A name with a dot is a column and a field of it, which there are none of.
    let name = names.first().map_or("", String::as_str);
    if names.len() > 1 {
        place_of(definition, name).map_err(|error| error.at(begin))?;
        return Err(Error::unsupported("assigning a field of a column").at(begin));
    }
    let (place, column) = place_of(definition, name).map_err(|error| error.at(begin))?;
    match others.iter().any(|other| other.places.contains(&place)) {
        true => Err(assigned_twice(name)),
        false => Ok((place, column)),
    }
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
