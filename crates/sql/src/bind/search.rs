//! SEARCH and CYCLE: columns that a recursive query carries along.
//!
//! ```text
//!                        first rows          each step, from the row before
//! SEARCH DEPTH FIRST     ARRAY[ROW(a)]       before || ROW(a)
//! SEARCH BREADTH FIRST   ROW(0, a)           ROW(depth + 1, a)
//! CYCLE, the path        ARRAY[ROW(a)]       before || ROW(a)
//! CYCLE, the mark        the default         whether ROW(a) was in the path before
//! ```
//!
//! Within the query these columns have names that cannot be written, behind which are those that
//! can be (`\0mark\0written`): a step may name them so, and `*` leaves them out. A step goes on from
//! rows only that have no mark.

use rustdb_types::{Type, Value};
use sqlparser::ast;
use sqlparser::ast::SetExpr;

use super::expression::Place;
use super::query::BoundQuery;
use super::rows::row_of;
use super::scope::Scope;
use super::{Binder, OutputColumn};
use crate::error::{Error, Result, SqlState};
use crate::expr::{AnyAll, Case, Expr, Typed};
use crate::parse::parse_expression;
use crate::plan::Plan;
use crate::rewrite::{CYCLE, SEARCH};

/// Begins the names of columns that `*` leaves out.
pub(super) const HIDDEN: char = '\0';

/// The name by which a step may name a column that `*` leaves out.
pub(super) fn written_name(name: &str) -> Option<&str> {
    let (_, written) = name.strip_prefix(HIDDEN)?.split_once(HIDDEN)?;
    Some(written)
}

const FOUND: &str = "\0found";
const DEPTH: &str = "\0depth";
const MARK: &str = "\0mark";
const PATH: &str = "\0path";

/// The clauses of a recursive query.
pub(super) struct Clauses {
    search: Option<Search>,
    cycle: Option<Cycle>,
}

struct Search {
    is_breadth: bool,
    column: String,
    by: Vec<String>,
}

struct Cycle {
    mark: String,
    path: String,
    to: ast::Expr,
    otherwise: ast::Expr,
    by: Vec<String>,
}

/// The clauses of a query, and the query without them.
pub(super) fn clauses_of(query: &ast::Query) -> Result<Option<(Clauses, ast::Query)>> {
    let clause = |lock: &ast::LockClause| {
        let name = lock.of.as_ref()?.0.first()?.as_ident()?;
        let is_one = name.value.starts_with(SEARCH) || name.value.starts_with(CYCLE);
        is_one.then(|| name.value.clone())
    };
    let found: Vec<String> = query.locks.iter().filter_map(clause).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let mut clauses = Clauses {
        search: None,
        cycle: None,
    };
    for text in &found {
        let mut parts = text.split('\0').skip(2).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        if text.starts_with(SEARCH) {
            let is_breadth = next() == "BREADTH";
            clauses.search = Some(Search {
                is_breadth,
                column: next(),
                by: parts.collect(),
            });
            continue;
        }
        let (mark, path, to, otherwise) = (next(), next(), next(), next());
        let value = |text: &str, usual: &str| match text {
            "" => parse_expression(usual),
            text => parse_expression(text),
        };
        clauses.cycle = Some(Cycle {
            mark,
            path,
            to: value(&to, "true")?,
            otherwise: value(&otherwise, "false")?,
            by: parts.collect(),
        });
    }
    let mut query = query.clone();
    query.locks.retain(|lock| clause(lock).is_none());
    Ok(Some((clauses, query)))
}

impl Clauses {
    /// What a query says that is not recursive.
    pub(super) fn not_recursive() -> Error {
        Error::new(SqlState::SYNTAX_ERROR, "WITH query is not recursive")
    }

    /// The names of the columns, as they are within the query.
    fn hidden(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(search) = &self.search {
            names.push(format!("{FOUND}{HIDDEN}{}", search.column));
            names.extend(search.is_breadth.then(|| DEPTH.to_owned()));
        }
        if let Some(cycle) = &self.cycle {
            names.push(format!("{MARK}{HIDDEN}{}", cycle.mark));
            names.push(format!("{PATH}{HIDDEN}{}", cycle.path));
        }
        names
    }

    /// The names as they are written, and whether the column is one of the query.
    pub(super) fn show(columns: &mut Vec<OutputColumn>) {
        columns.retain(|column| column.name != DEPTH);
        for column in columns {
            if let Some(name) = written_name(&column.name) {
                column.name = name.to_owned();
            }
        }
    }

    /// That the names fit to the columns of the query.
    fn check(&self, columns: &[OutputColumn]) -> Result<()> {
        let refused = |message: String| Err(Error::new(SqlState::SYNTAX_ERROR, message));
        let is_column = |name: &String| columns.iter().any(|column| column.name == *name);
        let parts = [
            self.search.as_ref().map(|it| ("search", &it.by)),
            self.cycle.as_ref().map(|it| ("cycle", &it.by)),
        ];
        for (word, by) in parts.into_iter().flatten() {
            for (at, name) in by.iter().enumerate() {
                if !is_column(name) {
                    return refused(format!(
                        "{word} column \"{name}\" not in WITH query column list"
                    ));
                }
                if by[..at].contains(name) {
                    let message = format!("{word} column \"{name}\" specified more than once");
                    return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
                }
            }
        }
        let made = [
            self.search
                .as_ref()
                .map(|it| ("search sequence", &it.column)),
            self.cycle.as_ref().map(|it| ("cycle mark", &it.mark)),
            self.cycle.as_ref().map(|it| ("cycle path", &it.path)),
        ];
        for (word, name) in made.into_iter().flatten() {
            if is_column(name) {
                return refused(format!(
                    "{word} column name \"{name}\" already used in WITH query column list"
                ));
            }
        }
        if let Some(cycle) = &self.cycle {
            if cycle.mark == cycle.path {
                return refused(
                    "cycle mark column name and cycle path column name are the same".to_owned(),
                );
            }
            for (word, name) in [("mark", &cycle.mark), ("path", &cycle.path)] {
                if self.search.as_ref().is_some_and(|it| it.column == *name) {
                    return refused(format!(
                        "search sequence column name and cycle {word} column name are the same"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The recursive part with the columns in its list.
    pub(super) fn carried(&self, step: &SetExpr) -> Result<SetExpr> {
        let mut select = select_of(step).ok_or_else(|| not_select("right"))?.clone();
        let column = |name: String| ast::Expr::Identifier(ast::Ident::with_quote('"', name));
        for name in self.hidden() {
            let item = ast::SelectItem::UnnamedExpr(column(name));
            select.projection.push(item);
        }
        if let Some(cycle) = &self.cycle {
            let mark = column(format!("{MARK}{HIDDEN}{}", cycle.mark));
            let goes_on = ast::Expr::BinaryOp {
                left: Box::new(mark),
                op: ast::BinaryOperator::NotEq,
                right: Box::new(cycle.to.clone()),
            };
            select.selection = Some(match select.selection.take() {
                None => goes_on,
                Some(condition) => ast::Expr::BinaryOp {
                    left: Box::new(ast::Expr::Nested(Box::new(condition))),
                    op: ast::BinaryOperator::And,
                    right: Box::new(goes_on),
                },
            });
        }
        Ok(SetExpr::Select(Box::new(select)))
    }
}

/// The SELECT that one side of a UNION is, also in brackets.
pub(super) fn select_of(side: &SetExpr) -> Option<&ast::Select> {
    match side {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => {
            let is_plain = query.with.is_none()
                && query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.fetch.is_none()
                && query.locks.is_empty();
            is_plain.then(|| select_of(&query.body)).flatten()
        }
        _ => None,
    }
}

fn not_select(side: &str) -> Error {
    let message =
        format!("with a SEARCH or CYCLE clause, the {side} side of the UNION must be a SELECT");
    Error::new(SqlState::SYNTAX_ERROR, message)
}

impl Binder<'_> {
    /// The first rows with their columns for the clauses; `named` are theirs under the names that
    /// the query gives.
    pub(super) fn first_paths(
        &mut self,
        clauses: &Clauses,
        written: &SetExpr,
        base: BoundQuery,
        named: &[OutputColumn],
    ) -> Result<BoundQuery> {
        if select_of(written).is_none() {
            return Err(not_select("left"));
        }
        clauses.check(named)?;
        let mut made = Vec::new();
        if let Some(search) = &clauses.search {
            let row = picked(&search.by, named, &base.columns);
            match search.is_breadth {
                true => {
                    let depth = Typed::new(Expr::Constant(Value::Int8(0)), Type::INT8);
                    let found = row_of([vec![depth.clone()], row].concat());
                    made.extend([found, depth]);
                }
                false => made.push(alone(row_of(row))),
            }
        }
        if let Some(cycle) = &clauses.cycle {
            let (_, otherwise) = self.marks(cycle)?;
            let row = picked(&cycle.by, named, &base.columns);
            made.extend([otherwise, alone(row_of(row))]);
        }
        Ok(self.with_made(base.plan, base.columns, clauses.hidden(), made))
    }

    /// The rows of a step, behind whose columns are those of the rows before.
    pub(super) fn next_paths(
        &mut self,
        clauses: &Clauses,
        step: BoundQuery,
        named: &[OutputColumn],
    ) -> Result<BoundQuery> {
        let hidden = clauses.hidden();
        let mut columns = step.columns;
        let mut before = columns.split_off(columns.len().saturating_sub(hidden.len()));
        let mut take = |name: &str| {
            let at = hidden.iter().position(|other| other.starts_with(name));
            let column = at.and_then(|at| before.get_mut(at));
            let column = column.ok_or_else(|| Error::internal("a column is not carried"))?;
            Ok::<_, Error>(Typed::new(Expr::Column(column.id), column.of.clone()))
        };
        let mut made = Vec::new();
        if let Some(search) = &clauses.search {
            let found = take(FOUND)?;
            let row = picked(&search.by, named, &columns);
            if search.is_breadth {
                let one = Typed::new(Expr::Constant(Value::Int8(1)), Type::INT8);
                let depth = self.operator("+", Some(take(DEPTH)?), one)?;
                made.push(row_of([vec![depth.clone()], row].concat()));
                made.push(depth);
            } else {
                made.push(self.operator("||", Some(found), row_of(row))?);
            }
        }
        if let Some(cycle) = &clauses.cycle {
            let (to, otherwise) = self.marks(cycle)?;
            let (path, row) = (take(PATH)?, row_of(picked(&cycle.by, named, &columns)));
            let (equal, _) = self.operator_call("=", Some(row.clone()), row.clone())?;
            let is_known = Expr::AnyAll(Box::new(AnyAll {
                operator: equal.operator,
                left: row.expr.clone(),
                array: path.expr.clone(),
                all: false,
            }));
            let mark = Expr::Case(Box::new(Case {
                arms: vec![(is_known, to.expr)],
                otherwise: otherwise.expr,
            }));
            made.push(Typed::new(mark, otherwise.of));
            made.push(self.operator("||", Some(path), row)?);
        }
        Ok(self.with_made(step.plan, columns, hidden, made))
    }

    /// The two values of the mark.
    fn marks(&mut self, cycle: &Cycle) -> Result<(Typed, Typed)> {
        let nothing = Scope::default();
        let mut values = Vec::with_capacity(2);
        for value in [&cycle.to, &cycle.otherwise] {
            values.push(self.expression(value, &mut Place::new(&nothing, "CYCLE"))?);
        }
        let (values, of) = self.unify(values, "CYCLE")?;
        let mut values = values.into_iter().map(|expr| Typed::new(expr, of.clone()));
        match (values.next(), values.next()) {
            (Some(to), Some(otherwise)) => Ok((to, otherwise)),
            _ => Err(Error::internal("CYCLE without its marks")),
        }
    }

    fn with_made(
        &mut self,
        plan: Plan,
        mut columns: Vec<OutputColumn>,
        names: Vec<String>,
        made: Vec<Typed>,
    ) -> BoundQuery {
        let kept = columns.iter();
        let mut items: Vec<_> = kept
            .map(|column| (column.id, Expr::Column(column.id)))
            .collect();
        for (name, typed) in names.into_iter().zip(made) {
            let id = self.new_column();
            items.push((id, typed.expr));
            columns.push(OutputColumn {
                name,
                id,
                of: typed.of,
            });
        }
        let input = Box::new(plan);
        BoundQuery {
            plan: Plan::Project { input, items },
            columns,
        }
    }
}

/// The columns of these names: `named` has them at the places of `columns`.
fn picked(names: &[String], named: &[OutputColumn], columns: &[OutputColumn]) -> Vec<Typed> {
    let found = names.iter().filter_map(|name| {
        let at = named.iter().position(|column| column.name == *name)?;
        let column = columns.get(at)?;
        Some(Typed::new(Expr::Column(column.id), column.of.clone()))
    });
    found.collect()
}

/// An array of one row.
fn alone(row: Typed) -> Typed {
    let of = row.of.array_of();
    Typed::new(Expr::Array(vec![row.expr], false), of)
}
