//! Statements that must not see what they write themselves.
//!
//! A statement that writes usually reads all it needs before it writes. Where parts of WITH write,
//! or where what is written is computed by queries, reading and writing alternate. Then everything
//! since the statement began is hidden while it reads, and shown while it writes, because keys that
//! must be unique and rows that were changed are to be found:
//!
//! ```text
//! WITH a AS (DELETE ... RETURNING *) INSERT INTO t SELECT * FROM a
//!                                     read the source ──┐                   (hidden)
//!                 read a's source (hidden), delete (shown) ◀┘
//!                                     insert                                (shown)
//! ```
//!
//! A part of WITH runs when its rows are first asked for, to its end; those that nobody asks for
//! run when the rest is done. A row that one part has changed is left alone by the others, as
//! PostgreSQL leaves it.

use std::sync::Arc;

use rustdb_table::{Statement, Table, Tables};
use rustdb_txn::SavepointId;
use rustdb_types::Settings;

use super::batch::Batch;
use super::compile::{Compiled, Compiler, Outer};
use super::context::Context;
use super::with::exhaust;
use super::write::{WriteNode, Written};
use super::{Executable, Node, Operator};
use crate::bind::Write;
use crate::error::{Error, Result};
use crate::row_set::RowSet;

/// What a statement keeps that does not see what it writes.
#[derive(Debug)]
pub(crate) struct Careful {
    /// When it began.
    since: SavepointId,
    tables: Arc<dyn Tables>,
    settings: Arc<Settings>,
    /// What its parts leave to be looked at when it ends.
    statements: Vec<Statement>,
    /// Where the rows of its parts that write are kept.
    places: Vec<usize>,
}

impl Careful {
    pub(crate) fn new(
        since: SavepointId,
        tables: Arc<dyn Tables>,
        settings: Arc<Settings>,
    ) -> Careful {
        Careful {
            since,
            tables,
            settings,
            statements: Vec::new(),
            places: Vec::new(),
        }
    }
}

/// Runs a query or a statement that writes, and all its parts that write, to their ends.
pub(crate) fn run_carefully(
    node: Option<&WriteNode>,
    executable: &Executable,
    cx: &mut Context<'_>,
) -> Result<(Written, Vec<Statement>)> {
    let written = match node {
        Some(node) => cx.modify(node)?,
        None => {
            let rows = cx.before_writes(|cx| executable.rows(cx))?;
            let count = rows.len() as u64;
            Written {
                count,
                rows,
                ..Written::default()
            }
        }
    };
    let careful = cx.careful.as_mut();
    let places = careful.map(|careful| std::mem::take(&mut careful.places));
    // The last one first, so that none finds that the rows it reads are gone.
    for place in places.unwrap_or_default().into_iter().rev() {
        cx.before_writes(|cx| exhaust(place, cx))?;
    }
    let statements = cx.careful.take().map(|careful| careful.statements);
    Ok((written, statements.unwrap_or_default()))
}

impl Context<'_> {
    /// Has something read without seeing what the statement has written.
    pub(super) fn before_writes<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.with_writes(true, read)
    }

    /// Has something see what the statement has written.
    fn after_writes<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.with_writes(false, write)
    }

    fn with_writes<T>(
        &mut self,
        hidden: bool,
        body: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let Some(since) = self.careful.as_ref().map(|careful| careful.since) else {
            return body(self);
        };
        let changed = self.transaction_mut()?.hide_since(since, hidden);
        let result = body(self);
        if changed {
            self.transaction_mut()?.hide_since(since, !hidden);
        }
        result
    }

    /// Whether a row was written by another part of the statement.
    pub(super) fn has_written(&self, table: &Table, key: &[u8]) -> Result<bool> {
        match &self.careful {
            None => Ok(false),
            Some(careful) => {
                let transaction = self.transaction()?;
                Ok(transaction.has_written_since(careful.since, table.keyspace(), key)?)
            }
        }
    }

    /// Runs a part that writes.
    fn modify(&mut self, node: &WriteNode) -> Result<Written> {
        let careful = self.careful.as_ref();
        let careful = careful.ok_or_else(|| Error::internal("nothing may write here"))?;
        let (tables, settings) = (careful.tables.clone(), careful.settings.clone());
        let mut statement = Statement::new(tables, settings, self.wait);
        let written = self.after_writes(|cx| node.run(&mut statement, cx))?;
        if let Some(careful) = &mut self.careful {
            careful.statements.push(statement);
        }
        Ok(written)
    }

    /// Sees to it that a part of WITH that writes is run in any case.
    pub(super) fn note_modifying(&mut self, place: usize) {
        if let Some(careful) = &mut self.careful {
            careful.places.push(place);
        }
    }
}

/// A part of WITH that writes.
#[derive(Debug)]
pub(super) struct ModifyNode {
    write: WriteNode,
    width: usize,
}

struct RunModify {
    node: Arc<ModifyNode>,
    /// What RETURNING gives, once it has run.
    rows: Option<<RowSet as IntoIterator>::IntoIter>,
}

impl Node for ModifyNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunModify {
            node: self,
            rows: None,
        })
    }
}

impl Operator for RunModify {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let written = cx.modify(&self.node.write)?;
                self.rows.insert(written.rows.into_iter())
            }
        };
        let mut batch = Batch::new(self.node.width);
        while !batch.is_full() {
            let Some(row) = rows.next() else { break };
            batch.push(row);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Compiler<'_> {
    pub(super) fn modify(&mut self, write: &Write, outer: &Outer) -> Result<Compiled> {
        let columns = write.returning.iter().flatten();
        let columns: Vec<_> = columns.map(|(column, _)| column.id).collect();
        let (write, _) = self.writer(write, outer)?;
        Ok(Compiled {
            node: Arc::new(ModifyNode {
                write,
                width: columns.len(),
            }),
            columns,
        })
    }
}
