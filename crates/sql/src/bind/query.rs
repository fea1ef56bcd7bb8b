//! Queries: WITH, the body, ORDER BY, LIMIT.

use rustdb_types::Type;
use sqlparser::ast;
use sqlparser::ast::{SetExpr, Spanned};

use super::expression::Place;
use super::lock::{clause_name, refused};
use super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::write::writes;
use super::{Binder, OutputColumn};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::place;
use crate::plan::{Plan, SortKey};

/// A query's plan and its visible columns; the plan may have others, which sorting needs.
#[derive(Clone, Debug)]
pub(crate) struct BoundQuery {
    pub(crate) plan: Plan,
    pub(crate) columns: Vec<OutputColumn>,
}

impl Binder<'_> {
    /// A query, seen from `outer`.
    pub(super) fn query(&mut self, query: &ast::Query, outer: &Scope<'_>) -> Result<BoundQuery> {
        let (is_top, may_write) = (
            std::mem::take(&mut self.is_top),
            std::mem::take(&mut self.may_write),
        );
        if writes(query) {
            return self.writing_query(query, may_write);
        }
        refuse_query(query)?;
        let keeps_unknown = std::mem::take(&mut self.keeps_unknown);
        let depth = self.ctes.len();
        let Some(with) = &query.with else {
            return self.query_body(query, outer, keeps_unknown);
        };
        let defined = self.with(with, outer, is_top)?;
        let bound = self.query_body(query, outer, keeps_unknown);
        let bound = bound.map(|bound| BoundQuery {
            plan: self.with_tables(bound.plan, defined),
            columns: bound.columns,
        });
        self.ctes.truncate(depth);
        bound
    }

    /// A query's columns as a relation in FROM; the first names may be replaced.
    pub(super) fn relation_of(
        &mut self,
        name: &str,
        aliases: &[String],
        columns: &[OutputColumn],
    ) -> Result<Relation> {
        if aliases.len() > columns.len() {
            let message = format!(
                "table \"{name}\" has {} columns available but {} columns specified",
                columns.len(),
                aliases.len()
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        let columns = columns
            .iter()
            .enumerate()
            .map(|(index, column)| NamedColumn {
                name: aliases.get(index).unwrap_or(&column.name).clone(),
                id: column.id,
                of: column.of.clone(),
            });
        Ok(Relation {
            name: name.to_owned(),
            schema: None,
            alias_of: None,
            columns: columns.collect(),
            tableoid: None,
            is_scalar: false,
        })
    }

    fn query_body(
        &mut self,
        query: &ast::Query,
        outer: &Scope<'_>,
        keeps_unknown: bool,
    ) -> Result<BoundQuery> {
        let order = order_items(query.order_by.as_ref())?;
        let mut ties = Vec::new();
        let mut bound = match &*query.body {
            SetExpr::Select(select) => {
                self.locks.clone_from(&query.locks);
                let bound = self.select(select, order, &mut ties, outer)?;
                match keeps_unknown && select.distinct.is_none() {
                    true => bound,
                    false => self.settled(bound)?,
                }
            }
            body => {
                if let Some(name) = clause_name(&query.locks)? {
                    return Err(match body {
                        SetExpr::Values(_) => {
                            let message = format!("{name} cannot be applied to VALUES");
                            Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
                        }
                        _ => refused(name, "UNION/INTERSECT/EXCEPT"),
                    });
                }
                let bound = self.set_expression(body, outer)?;
                self.sort_output(bound, order, &mut ties, outer)?
            }
        };
        bound.plan = self.limit(query, bound.plan, ties, outer)?;
        Ok(bound)
    }

    /// What stands in a set operation: a query that has no ORDER BY of its own.
    pub(super) fn set_expression(
        &mut self,
        body: &SetExpr,
        outer: &Scope<'_>,
    ) -> Result<BoundQuery> {
        match body {
            SetExpr::Select(select) => self.select(select, &[], &mut Vec::new(), outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::Values(values) => self.values(values, outer),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => self.set_operation(left, *op, *set_quantifier, right, outer),
            SetExpr::Table(table) => {
                let name = table.table_name.clone().unwrap_or_default();
                let names = [table.schema_name.clone(), Some(name)];
                let names: Vec<String> = names.into_iter().flatten().collect();
                self.table_command(&names)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Error::unsupported(
                    "MERGE and a statement that writes in a set operation",
                ))
            }
        }
    }

    /// `TABLE name`.
    fn table_command(&mut self, names: &[String]) -> Result<BoundQuery> {
        let (plan, relation) = self.relation_named(names)?;
        let columns = relation.columns.into_iter().map(|column| OutputColumn {
            name: column.name,
            id: column.id,
            of: column.of,
        });
        Ok(BoundQuery {
            plan,
            columns: columns.collect(),
        })
    }

    fn values(&mut self, values: &ast::Values, outer: &Scope<'_>) -> Result<BoundQuery> {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut by_column: Vec<Vec<Typed>> = (0..width).map(|_| Vec::new()).collect();
        let mut at = Place::new(outer, "VALUES");
        for row in &values.rows {
            if row.content.len() != width {
                let message = "VALUES lists must all be the same length";
                let begin = row.content.first().and_then(|item| place(item.span()));
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(begin));
            }
            for (column, item) in by_column.iter_mut().zip(&row.content) {
                column.push(self.expression(item, &mut at)?);
            }
        }
        let mut rows: Vec<Vec<Expr>> = (0..values.rows.len())
            .map(|_| Vec::with_capacity(width))
            .collect();
        let mut columns = Vec::with_capacity(width);
        for (index, items) in by_column.into_iter().enumerate() {
            let (items, of) = self.unify(items, "VALUES")?;
            for (row, item) in rows.iter_mut().zip(items) {
                row.push(item);
            }
            columns.push(OutputColumn {
                name: format!("column{}", index + 1),
                id: self.new_column(),
                of,
            });
        }
        let plan = Plan::Values {
            columns: columns.iter().map(|column| column.id).collect(),
            rows,
        };
        Ok(BoundQuery { plan, columns })
    }

    fn limit(
        &mut self,
        query: &ast::Query,
        input: Plan,
        ties: Vec<SortKey>,
        outer: &Scope<'_>,
    ) -> Result<Plan> {
        let (mut count, mut offset) = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(other) => return Err(Error::unsupported(format!("{other}"))),
        };
        let one = ast::Expr::value(ast::Value::Number("1".into(), false));
        let mut with_ties = false;
        if let Some(fetch) = &query.fetch {
            if fetch.percent {
                return Err(Error::unsupported("FETCH ... PERCENT"));
            }
            count = Some(fetch.quantity.as_ref().unwrap_or(&one));
            with_ties = fetch.with_ties;
        }
        if with_ties && ties.is_empty() {
            let message = "WITH TIES cannot be specified without ORDER BY clause";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        if count.is_none() && offset.is_none() {
            return Ok(input);
        }
        let mut number = |expr: &mut Option<&ast::Expr>, clause| match expr.take() {
            None => Ok(None),
            Some(expr) => {
                let none = Scope {
                    parent: outer.parent,
                    from: FromNames::default(),
                };
                let typed = self.expression(expr, &mut Place::new(&none, clause))?;
                self.coerce_to_int8(typed, clause).map(Some)
            }
        };
        let count = number(&mut count, "LIMIT")?;
        let offset = number(&mut offset, "OFFSET")?;
        let ties = if with_ties { ties } else { Vec::new() };
        let limited = |input| Plan::Limit {
            input,
            count,
            offset: offset.clone(),
            ties: ties.clone(),
        };
        Ok(match input {
            // What is computed for the rows in their order is for those that are left, and the sort
            // need only find them. Rows that are skipped are computed too.
            Plan::Project { input, items }
                if offset.is_none() && ties.is_empty() && matches!(*input, Plan::Sort { .. }) =>
            {
                Plan::Project {
                    input: Box::new(limited(input)),
                    items,
                }
            }
            input => limited(Box::new(input)),
        })
    }

    /// Columns of no type become text.
    pub(super) fn settled(&mut self, bound: BoundQuery) -> Result<BoundQuery> {
        let BoundQuery {
            mut plan,
            mut columns,
        } = bound;
        if columns.iter().all(|column| column.of != Type::UNKNOWN) {
            return Ok(BoundQuery { plan, columns });
        }
        if let Plan::Project { items, .. } = &mut plan {
            // Most often the literal or parameter is right here.
            for column in columns
                .iter_mut()
                .filter(|column| column.of == Type::UNKNOWN)
            {
                if let Some((_, item)) = items.iter_mut().find(|(id, _)| *id == column.id) {
                    let typed = Typed::new(item.clone(), Type::UNKNOWN);
                    *item = self.settle(typed)?.expr;
                    column.of = Type::TEXT;
                }
            }
        }
        // Else it is below a sort, or the like.
        let mut made: Vec<(ColumnId, Expr)> = Vec::new();
        for column in columns
            .iter_mut()
            .filter(|column| column.of == Type::UNKNOWN)
        {
            let typed = Typed::new(Expr::Column(column.id), Type::UNKNOWN);
            let item = self.settle(typed)?.expr;
            column.id = self.new_column();
            column.of = Type::TEXT;
            made.push((column.id, item));
        }
        let plan = plan.making(made);
        Ok(BoundQuery { plan, columns })
    }

    /// The plan with just the visible columns.
    pub(super) fn finish_output(&mut self, bound: BoundQuery) -> Result<(Plan, Vec<OutputColumn>)> {
        let BoundQuery { plan, mut columns } = bound;
        let wanted: Vec<_> = columns.iter().map(|column| column.id).collect();
        if plan.columns() == wanted {
            return Ok((plan, columns));
        }
        // A column may be there twice; each gets an id of its own.
        let mut items = Vec::with_capacity(columns.len());
        for column in &mut columns {
            let id = self.new_column();
            items.push((id, Expr::Column(column.id)));
            column.id = id;
        }
        let plan = Plan::Project {
            input: Box::new(plan),
            items,
        };
        Ok((plan, columns))
    }
}

fn order_items(order: Option<&ast::OrderBy>) -> Result<&[ast::OrderByExpr]> {
    match order {
        None => Ok(&[]),
        Some(ast::OrderBy {
            kind: ast::OrderByKind::Expressions(items),
            interpolate: None,
        }) => Ok(items),
        Some(other) => Err(Error::unsupported(format!("{other}"))),
    }
}

fn refuse_query(query: &ast::Query) -> Result<()> {
    let what = if query.for_clause.is_some() {
        "FOR XML or FOR JSON"
    } else if query.settings.is_some() || query.format_clause.is_some() {
        "SETTINGS or FORMAT"
    } else if !query.pipe_operators.is_empty() {
        "the pipe operator"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
