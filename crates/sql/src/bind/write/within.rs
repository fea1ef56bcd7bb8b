//! Statements that write together with WITH: within it, and after it.

use sqlparser::ast;
use sqlparser::ast::{SetExpr, Statement};

use super::super::query::BoundQuery;
use super::super::scope::Scope;
use super::super::{Binder, OutputColumn};
use super::Write;
use crate::error::{Error, Result, SqlState};
use crate::plan::{Plan, With};

/// Whether a query is a statement that writes.
pub(crate) fn writes(query: &ast::Query) -> bool {
    matches!(
        *query.body,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_)
    )
}

impl Binder<'_> {
    /// `WITH ... INSERT`, and so on.
    pub(crate) fn statement_write(&mut self, query: &ast::Query) -> Result<Write> {
        self.write_after_with(query, true)
    }

    /// A statement that writes where a query is expected: right within WITH it may stand.
    pub(in crate::bind) fn writing_query(
        &mut self,
        query: &ast::Query,
        may_write: bool,
    ) -> Result<BoundQuery> {
        if !may_write {
            let word = query.body.to_string();
            let word = word.split_whitespace().next().unwrap_or_default();
            let message = format!("syntax error at or near \"{word}\"");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let write = self.write_after_with(query, false)?;
        let columns = write.returning.iter().flatten();
        let columns: Vec<OutputColumn> = columns.map(|(column, _)| column.clone()).collect();
        Ok(BoundQuery {
            plan: Plan::Modify(Box::new(write)),
            columns,
        })
    }

    fn write_after_with(&mut self, query: &ast::Query, is_top: bool) -> Result<Write> {
        let depth = self.ctes.len();
        let defined = match &query.with {
            Some(with) => self.with(with, &Scope::default(), is_top)?,
            None => Vec::new(),
        };
        let write = match &*query.body {
            SetExpr::Insert(Statement::Insert(insert)) => self.insert(insert)?,
            SetExpr::Update(Statement::Update(update)) => self.update(update)?,
            SetExpr::Delete(Statement::Delete(delete)) => self.delete(delete)?,
            _ => return Err(Error::internal("a statement that does not write")),
        };
        let plan = self.with_tables(Plan::Modify(Box::new(write)), defined);
        self.ctes.truncate(depth);
        match plan {
            Plan::Modify(write) => Ok(*write),
            Plan::With(with) => {
                let With { tables, body } = *with;
                let Plan::Modify(mut write) = body else {
                    return Err(Error::internal("WITH around what does not write"));
                };
                // The names are made before the source is read, and last to the end.
                let body = std::mem::replace(&mut write.source, Plan::one_row());
                write.source = Plan::With(Box::new(With { tables, body }));
                Ok(*write)
            }
            _ => Err(Error::internal("WITH became something else")),
        }
    }
}
