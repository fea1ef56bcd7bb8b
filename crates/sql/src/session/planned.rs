//! What a statement becomes: its plan, what runs, and what both were made with.

use std::sync::Arc;

use rustdb_catalog::{Catalog, Object};
use rustdb_txn::ObjectMode;
use rustdb_types::{Oid, Settings, Type};

use super::Session;
use super::figures::kept_level;
use crate::bind::{Bound, OutputColumn, SessionNames, Write};
use crate::error::{Error, Result};
use crate::exec::{Context, Executable, Memory, WriteNode};
use crate::expr::ColumnId;
use crate::plan::{Figures, Methods, Plan, improve};

/// A statement's plan, and what it was made with.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) catalog: Arc<Catalog>,
    pub(super) settings: Arc<Settings>,
    pub(super) names: Arc<SessionNames>,
    pub(super) methods: Methods,
    /// How much was kept in memory, if that was asked: see [`kept_level`].
    pub(super) kept: Option<u32>,
    /// How the tables that it names are locked.
    pub(super) tables: Vec<(Oid, ObjectMode)>,
    pub(super) parameters: Vec<Type>,
    pub(super) columns: Option<Arc<[OutputColumn]>>,
    pub(super) body: Body,
    /// Whether it must not see what it writes itself; see [`crate::exec::Careful`].
    pub(super) is_careful: bool,
    /// Whether it is over before anybody could ask about it; see [`super::brief`].
    pub(super) is_brief: bool,
    /// Whether it may be read without locks, and again; see [`super::at_once`].
    pub(super) is_quick: bool,
    /// What `body` was made from.
    pub(super) shape: Shape,
}

/// A statement's plan, as EXPLAIN shows it.
#[derive(Debug)]
pub(super) enum Shape {
    /// The plan, and the columns that it gives.
    Query(Plan, Vec<ColumnId>),
    Write(Write),
}

/// What runs.
#[derive(Debug)]
pub(super) enum Body {
    Query(Executable),
    Write(Box<WriteNode>, Executable),
}

impl Body {
    /// Whether it is over before anybody could ask about it, with parameters of these types: a text
    /// that is to become one of them may be long.
    pub(super) fn is_brief(&self, parameters: &[Type]) -> bool {
        let mut parameters = parameters.iter();
        let is_brief = match self {
            Body::Query(executable) => executable.is_brief(),
            Body::Write(node, _) => node.is_brief,
        };
        is_brief && parameters.all(|of| of.is_fixed() || [Type::TEXT, Type::BYTEA].contains(of))
    }
}

impl Planned {
    /// Whether it is what the statement would be planned to in a catalog of this version.
    pub(super) fn is_good(&self, catalog: u64, session: &Session) -> bool {
        self.catalog.version() == catalog
            && Arc::ptr_eq(&self.settings, &session.settings)
            && Arc::ptr_eq(&self.names, &session.names)
            && self.methods == session.methods()
            && self
                .kept
                .is_none_or(|level| level == kept_level(&session.database))
    }

    /// How the tables that it names are locked.
    pub(super) fn tables(&self) -> &[(Oid, ObjectMode)] {
        &self.tables
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self.body, Body::Write(..)) || self.is_careful
    }

    /// Whether its tables are the same in another catalog.
    pub(super) fn fits(&self, catalog: &Catalog) -> bool {
        let both = |oid: &Oid| Some((self.catalog.object(*oid)?, catalog.object(*oid)?));
        self.tables.iter().all(|(oid, _)| match both(oid) {
            Some((Object::Table(then), Object::Table(now))) => Arc::ptr_eq(then, now),
            Some((Object::View(then), Object::View(now))) => Arc::ptr_eq(then, now),
            Some((Object::Sequence(then), Object::Sequence(now))) => Arc::ptr_eq(then, now),
            _ => false,
        })
    }

    /// Room for the values that the parts of the statement pass to each other.
    pub(super) fn memory(&self) -> Memory {
        match &self.body {
            Body::Query(executable) | Body::Write(_, executable) => executable.memory(),
        }
    }
}

pub(super) type Made = (Body, Shape, Option<Vec<OutputColumn>>);

/// What runs for a query.
pub(super) fn query_body(
    bound: Bound,
    figures: &dyn Figures,
    cx: &mut Context<'_>,
) -> Result<Made> {
    let Bound { plan, columns } = bound;
    let ids: Vec<ColumnId> = columns.iter().map(|column| column.id).collect();
    let plan = improve(plan, &ids, figures, cx);
    let executable = Executable::new(&plan, &ids)?;
    Ok((
        Body::Query(executable),
        Shape::Query(plan, ids),
        Some(columns),
    ))
}

/// What runs for a statement that writes.
pub(super) fn write_body(
    write: Write,
    figures: &dyn Figures,
    cx: &mut Context<'_>,
) -> Result<Made> {
    // Not the source alone: what is assigned and returned may ask queries too.
    let plan = Plan::Modify(Box::new(write));
    let wanted = plan.columns();
    let Plan::Modify(write) = improve(plan, &wanted, figures, cx) else {
        return Err(Error::internal("a better plan of a write is none"));
    };
    let write = *write;
    let (node, executable) = Executable::write(&write)?;
    let columns = write.returning.as_ref().map(|items| {
        let columns = items.iter().map(|(column, _)| column.clone());
        columns.collect()
    });
    Ok((
        Body::Write(Box::new(node), executable),
        Shape::Write(write),
        columns,
    ))
}
