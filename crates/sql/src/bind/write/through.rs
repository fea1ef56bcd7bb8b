//! Writing through views: INSERT, UPDATE and DELETE of a view are those of the table it reads.
//!
//! A view can be written if it selects from one table, or from one such view, and neither groups
//! nor combines nor limits. Its columns that are columns of the table can be assigned to; what else
//! it lists can be read. Its condition holds for the rows that UPDATE and DELETE mean, and for what
//! they, or INSERT, write only WITH CHECK OPTION.
//!
//! ```text
//! view v: SELECT a AS x, b + 1 AS y FROM t WHERE c > 0
//! UPDATE v SET x = y WHERE x = 5   ─▶   UPDATE t SET a = b + 1 WHERE a = 5 AND c > 0
//! ```

use std::sync::Arc;

use rustdb_catalog::{Catalog, CheckOption, Relation as Found, Table as Definition, View};
use rustdb_txn::ObjectMode;
use rustdb_types::{Settings, Type, Value};
use sqlparser::ast;
use sqlparser::ast::{SelectItem, SetExpr, TableFactor};

use super::super::aggregate::Collected;
use super::super::expression::Place;
use super::super::from::object_name;
use super::super::output_name::output_name;
use super::super::scope::{FromNames, NamedColumn, Relation, Scope, TableOid};
use super::super::{Binder, SessionNames, name_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};

/// What is done to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Insert,
    Update,
    Delete,
}

/// A view as names for a table's rows.
#[derive(Debug)]
pub(super) struct Through {
    /// Its columns, and those of the table that they are.
    pub(super) relation: Relation,
    /// What holds of its rows.
    pub(super) conditions: Vec<Expr>,
    /// What has to hold of rows that are written, the innermost view first.
    pub(super) checks: Vec<ViewCheck>,
    computed: Vec<Computed>,
    /// Where the columns of the relation are in the table's rows; none, if they are computed.
    places: Vec<Option<usize>>,
}

/// What a view with a check option asks of the rows that are written through it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewCheck {
    /// The view.
    pub view: String,
    /// Its conditions.
    pub conditions: Vec<Expr>,
}

/// A column that a view computes.
#[derive(Debug)]
struct Computed {
    id: ColumnId,
    expr: Expr,
    view: String,
    column: String,
}

/// An entry of a view's select list.
struct Item {
    name: String,
    column: NamedColumn,
    /// What it is, unless it is a column of what is below.
    computed: Option<Expr>,
}

impl Verb {
    /// That a view cannot be written, and why not.
    fn refused(self, view: &str, why: &str) -> Error {
        let (words, doing, verb) = match self {
            Verb::Insert => ("insert into", "inserting into", "INSERT"),
            Verb::Update => ("update", "updating", "UPDATE"),
            Verb::Delete => ("delete from", "deleting from", "DELETE"),
        };
        let message = format!("cannot {words} view \"{view}\"");
        Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .with_detail(format!("{why} are not automatically updatable."))
            .with_hint(format!(
                "To enable {doing} the view, provide an INSTEAD OF {verb} trigger or an \
                 unconditional ON {verb} DO INSTEAD rule."
            ))
    }
}

const NOT_ONE: &str = "Views that do not select from a single table or view";

impl Binder<'_> {
    /// The table that is written, and the views on the way to it, the outermost first.
    pub(super) fn written_table(
        &mut self,
        names: &[String],
        verb: Verb,
    ) -> Result<(Arc<Definition>, Vec<Arc<View>>)> {
        match self.find_relation(names)? {
            Some(Found::View(view)) => self.below_view(view, verb),
            _ => Ok((self.target_table(names)?, Vec::new())),
        }
    }

    /// The table below a view.
    fn below_view(
        &mut self,
        view: Arc<View>,
        verb: Verb,
    ) -> Result<(Arc<Definition>, Vec<Arc<View>>)> {
        let mut views = vec![view.clone()];
        let mut at = view;
        loop {
            self.lock_table(at.oid, ObjectMode::RowExclusive);
            let query = query_of(&at)?;
            let names = select_of(&query)
                .and_then(|select| base_of(select))
                .map_err(|why| verb.refused(&at.name, why))?;
            let names = object_name(names)?;
            self.views_around += 1;
            let found = self.find_relation(&names);
            self.views_around -= 1;
            match found? {
                Some(Found::Table(table)) => return Ok((table, views)),
                Some(Found::View(below)) => {
                    views.push(below.clone());
                    at = below;
                }
                _ => return Err(verb.refused(&at.name, NOT_ONE)),
            }
        }
    }

    /// What views make of a table's columns, which are at these places of its rows.
    pub(super) fn through(
        &mut self,
        views: &[Arc<View>],
        mut relation: Relation,
        places: &[(ColumnId, usize)],
        verb: Verb,
    ) -> Result<Through> {
        let hidden = std::mem::take(&mut self.ctes);
        self.views_around += 1;
        let mut computed = Vec::new();
        let mut conditions = Vec::new();
        let mut checks = Vec::new();
        let mut done = Ok(());
        for (depth, view) in views.iter().enumerate().rev() {
            let before = conditions.len();
            match self.through_one(view, relation.clone(), verb, &mut computed, &mut conditions) {
                Ok(above) => relation = above,
                Err(error) => {
                    done = Err(error.elsewhere());
                    break;
                }
            }
            let cascades = |view: &Arc<View>| view.check_option == Some(CheckOption::Cascaded);
            let is_checked = view.check_option.is_some() || views[..depth].iter().any(cascades);
            if is_checked && conditions.len() > before {
                checks.push(ViewCheck {
                    view: view.name.clone(),
                    conditions: conditions[before..].to_vec(),
                });
            }
        }
        self.views_around -= 1;
        self.ctes = hidden;
        done?;
        let of = |column: &NamedColumn| {
            let found = places.iter().find(|(id, _)| *id == column.id);
            found.map(|(_, place)| *place)
        };
        Ok(Through {
            places: relation.columns.iter().map(of).collect(),
            relation,
            conditions,
            checks,
            computed,
        })
    }

    fn through_one(
        &mut self,
        view: &View,
        below: Relation,
        verb: Verb,
        computed: &mut Vec<Computed>,
        conditions: &mut Vec<Expr>,
    ) -> Result<Relation> {
        let query = query_of(view)?;
        let select = select_of(&query).map_err(|why| verb.refused(&view.name, why))?;
        let alias = match select.from.first().map(|from| &from.relation) {
            Some(TableFactor::Table { alias, .. }) => alias.as_ref(),
            _ => None,
        };
        let below = self.aliased(below, alias)?;
        let scope = Scope {
            parent: None,
            from: FromNames::of(below.clone()),
        };
        let mut items = Vec::new();
        for item in &select.projection {
            self.view_items(item, &below, &scope, view, verb, &mut items)?;
        }
        if let (Some(condition), true) = (&select.selection, self.database.is_some()) {
            let condition = self.expression(condition, &mut Place::new(&scope, "WHERE"))?;
            let mut parts = self.coerce_to_bool(condition, "WHERE")?.conjuncts();
            parts.iter_mut().for_each(|part| substitute(part, computed));
            conditions.append(&mut parts);
        }
        // A `*` in the query gives what was added to its tables later, too.
        if items.len() > view.columns.len() {
            let mut wanted = view.columns.iter().peekable();
            items.retain(|item| {
                let is_next = wanted.peek().is_some_and(|next| {
                    next.name == item.name && next.column_type == item.column.of
                });
                is_next && wanted.next().is_some()
            });
        }
        if verb != Verb::Delete && items.iter().all(|item| item.computed.is_some()) {
            return Err(verb.refused(&view.name, "Views that have no updatable columns"));
        }
        let mut columns = Vec::with_capacity(items.len());
        for (mut item, own) in items.into_iter().zip(&view.columns) {
            item.column.name.clone_from(&own.name);
            if let Some(mut expr) = item.computed {
                substitute(&mut expr, computed);
                computed.push(Computed {
                    id: item.column.id,
                    expr,
                    view: view.name.clone(),
                    column: own.name.clone(),
                });
            }
            columns.push(item.column);
        }
        Ok(Relation {
            name: view.name.clone(),
            schema: self.schema_name_of(view),
            alias_of: None,
            columns,
            tableoid: None,
            is_scalar: false,
        })
    }

    fn schema_name_of(&self, view: &View) -> Option<String> {
        let schema = self.catalog.as_ref()?.schema(view.schema)?;
        Some(schema.name.clone())
    }

    /// What an entry of a view's select list gives.
    fn view_items(
        &mut self,
        item: &SelectItem,
        below: &Relation,
        scope: &Scope<'_>,
        view: &View,
        verb: Verb,
        items: &mut Vec<Item>,
    ) -> Result<()> {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, output_name(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr, name_of(alias)),
            _ => {
                items.extend(below.columns.iter().map(|column| Item {
                    name: column.name.clone(),
                    column: column.clone(),
                    computed: None,
                }));
                return Ok(());
            }
        };
        let mut collected = Collected::default();
        let bound = self.expression(
            expr,
            &mut Place::collecting(scope, "SELECT", &mut collected),
        );
        let typed = match bound {
            // Queries within need tables, and whoever only asks what can be written has none.
            Err(_) if self.database.is_none() => {
                Typed::new(Expr::Constant(Value::Null), Type::TEXT)
            }
            bound => self.settle(bound?)?,
        };
        let why = if !collected.aggregates.is_empty() {
            "Views that return aggregate functions"
        } else if !collected.windows.is_empty() {
            "Views that return window functions"
        } else if !collected.sets.is_empty() {
            "Views that return set-returning functions"
        } else {
            ""
        };
        if !why.is_empty() {
            return Err(verb.refused(&view.name, why));
        }
        let same = |column: &&NamedColumn| typed.expr == Expr::Column(column.id);
        items.push(match below.columns.iter().find(same) {
            Some(column) => Item {
                name,
                column: column.clone(),
                computed: None,
            },
            None => Item {
                column: NamedColumn {
                    name: name.clone(),
                    id: self.new_column(),
                    of: typed.of,
                },
                name,
                computed: Some(typed.expr),
            },
        });
        Ok(())
    }
}

impl Through {
    /// The expression over the table's columns.
    pub(super) fn settle(&self, expr: &mut Expr) {
        substitute(expr, &self.computed);
    }

    /// The place in the table of the view's n-th column.
    pub(super) fn place(&self, at: usize, verb: Verb) -> Result<usize> {
        if let Some(place) = self.places[at] {
            return Ok(place);
        }
        let id = self.relation.columns[at].id;
        let computed = self.computed.iter().find(|each| each.id == id);
        let (view, column) = computed.map_or(("", ""), |it| (&it.view, &it.column));
        let words = match verb {
            Verb::Insert => "insert into",
            Verb::Update | Verb::Delete => "update",
        };
        let message = format!("cannot {words} column \"{column}\" of view \"{view}\"");
        let detail = "View columns that are not columns of their base relation are not updatable.";
        Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_detail(detail))
    }

    /// The view's column of this name.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        let mut columns = self.relation.columns.iter();
        columns
            .position(|column| column.name == name)
            .ok_or_else(|| {
                let view = &self.relation.name;
                let message = format!("column \"{name}\" of relation \"{view}\" does not exist");
                Error::new(SqlState::UNDEFINED_COLUMN, message)
            })
    }
}

/// Which columns of a view can be written; none if it cannot be written at all.
pub(crate) fn updatable(view: &View, catalog: &Arc<Catalog>) -> Option<Vec<bool>> {
    written_columns(view, catalog, Verb::Delete).ok()
}

/// Why a view cannot be written, if it cannot.
pub(crate) fn not_updatable(view: &View, catalog: &Arc<Catalog>) -> Option<String> {
    let error = written_columns(view, catalog, Verb::Update).err()?;
    Some(error.detail().unwrap_or(error.message()).to_owned())
}

fn written_columns(view: &View, catalog: &Arc<Catalog>, verb: Verb) -> Result<Vec<bool>> {
    let (settings, session) = (Settings::default(), SessionNames::of_stored());
    let mut binder = Binder::new(None, &settings, &session);
    binder.catalog = Some(catalog.clone());
    let (definition, views) = binder.below_view(Arc::new(view.clone()), verb)?;
    let mut places = Vec::new();
    let columns = definition.columns.iter().enumerate();
    let columns = columns.filter(|(_, column)| !column.dropped);
    let columns = columns.map(|(place, column)| {
        places.push((binder.new_column(), place));
        NamedColumn {
            name: column.name.clone(),
            id: ColumnId(binder.next_column),
            of: column.column_type.clone(),
        }
    });
    let relation = Relation {
        name: definition.name.clone(),
        schema: None,
        alias_of: None,
        columns: columns.collect(),
        tableoid: Some(TableOid::Known(definition.oid)),
        is_scalar: false,
    };
    let through = binder.through(&views, relation, &places, verb)?;
    Ok(through.places.iter().map(Option::is_some).collect())
}

fn substitute(expr: &mut Expr, computed: &[Computed]) {
    if computed.is_empty() {
        return;
    }
    expr.rewrite(&mut |part| match part {
        Expr::Column(id) => {
            let found = computed.iter().find(|each| each.id == *id);
            found.map(|each| each.expr.clone())
        }
        _ => None,
    });
}

fn query_of(view: &View) -> Result<Box<ast::Query>> {
    match crate::parse::parse(&view.query.text)?.pop() {
        Some(ast::Statement::Query(query)) => Ok(query),
        _ => Err(Error::internal(format!("view {} is no query", view.name))),
    }
}

/// The SELECT of a query that does nothing else; else which views cannot be written.
fn select_of(query: &ast::Query) -> std::result::Result<&ast::Select, &'static str> {
    let select = match &*query.body {
        SetExpr::Select(select) => select,
        SetExpr::Query(inner) => select_of(inner)?,
        SetExpr::SetOperation { .. } => return Err("Views containing UNION, INTERSECT, or EXCEPT"),
        _ => return Err(NOT_ONE),
    };
    let is_grouped = match &select.group_by {
        ast::GroupByExpr::All(_) => true,
        ast::GroupByExpr::Expressions(items, _) => !items.is_empty(),
    };
    if select.distinct.is_some() {
        Err("Views containing DISTINCT")
    } else if is_grouped {
        Err("Views containing GROUP BY")
    } else if select.having.is_some() {
        Err("Views containing HAVING")
    } else if query.with.is_some() {
        Err("Views containing WITH")
    } else if query.limit_clause.is_some() || query.fetch.is_some() {
        Err("Views containing LIMIT or OFFSET")
    } else {
        Ok(select)
    }
}

/// The one relation that a SELECT reads.
fn base_of(select: &ast::Select) -> std::result::Result<&ast::ObjectName, &'static str> {
    match &select.from[..] {
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Table {
                name, args: None, ..
            } => Ok(name),
            _ => Err(NOT_ONE),
        },
        _ => Err(NOT_ONE),
    }
}
