//! FROM: relations, joins, queries in parentheses.

use rustdb_catalog::Relation as Found;
use rustdb_txn::ObjectMode;
use sqlparser::ast;
use sqlparser::ast::{JoinConstraint, JoinOperator, Spanned, TableFactor};

use super::expression::Place;
use super::level::Level;
use super::query::BoundQuery;
use super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::search::HIDDEN;
use super::table::missing_relation;
use super::{Binder, name_of, new_name};
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Typed};
use crate::parse::{place, place_of_name, refuse_object};
use crate::plan::{Join, JoinKind, JoinMethod, Plan};
use crate::rewrite::ALIAS;

/// A FROM item: its plan and its names.
pub(super) struct FromItem {
    pub(super) plan: Plan,
    pub(super) names: FromNames,
}

impl Binder<'_> {
    /// All items of FROM, joined; `None` without FROM.
    pub(super) fn from(
        &mut self,
        items: &[ast::TableWithJoins],
        outer: &Scope<'_>,
    ) -> Result<FromItem> {
        let mut all: Option<FromItem> = None;
        for item in items {
            let nothing = FromNames::default();
            let before = all.as_ref().map_or(&nothing, |all| &all.names);
            let next = self.joined(item, before, outer)?;
            all = Some(match all {
                None => next,
                Some(left) => cross(left, next)?,
            });
        }
        Ok(all.unwrap_or_else(|| FromItem {
            plan: Plan::one_row(),
            names: FromNames::default(),
        }))
    }

    /// An item with its joins. `before` are the names of the items to its left, for LATERAL.
    fn joined(
        &mut self,
        item: &ast::TableWithJoins,
        before: &FromNames,
        outer: &Scope<'_>,
    ) -> Result<FromItem> {
        let first_uses = self.recursive_uses();
        let mut left = self.factor(&item.relation, before, outer)?;
        for join in &item.joins {
            let around = before.clone().join(left.names.clone())?;
            let left_uses = self.recursive_uses();
            let right = self.factor(&join.relation, &around, outer)?;
            match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => {
                    self.refuse_recursion(left_uses, "an outer join")?;
                }
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) if left_uses > first_uses => {
                    self.refuse_recursion(first_uses, "an outer join")?;
                }
                JoinOperator::FullOuter(_) => self.refuse_recursion(first_uses, "an outer join")?,
                _ => (),
            }
            left = self.join(left, right, &join.join_operator, outer)?;
            // A join has no system columns of its own.
            left.names.tables.clear();
        }
        Ok(left)
    }

    /// A query that sees what stands to its left.
    fn lateral(
        &mut self,
        query: &ast::Query,
        before: &FromNames,
        outer: &Scope<'_>,
    ) -> Result<BoundQuery> {
        let scope = Scope {
            parent: Some(outer),
            from: before.clone(),
        };
        self.enter_level(Level::beside(&scope));
        let bound = self.query(query, &scope);
        self.leave_level();
        bound
    }

    fn factor(
        &mut self,
        factor: &TableFactor,
        before: &FromNames,
        outer: &Scope<'_>,
    ) -> Result<FromItem> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let before = self.named.len();
                let item = self
                    .table_factor(&table_words(name)?, alias.as_ref())
                    .map_err(|error| error.at(place_of_name(name)))?;
                self.note_reference(before, name, alias.as_ref());
                Ok(item)
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => {
                if alias.is_none() {
                    return Err(without_alias(subquery));
                }
                let bound = match lateral {
                    false => self.query(subquery, outer)?,
                    true => self.lateral(subquery, before, outer)?,
                };
                let relation = self.relation_of("", &[], &bound.columns)?;
                Ok(FromItem {
                    plan: bound.plan,
                    names: FromNames::of(self.aliased(relation, alias.as_ref())?),
                })
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let item = self.joined(table_with_joins, before, outer)?;
                let Some(alias) = alias else {
                    return Ok(item);
                };
                let relation = Relation::unnamed(item.names.visible);
                Ok(FromItem {
                    plan: item.plan,
                    names: FromNames::of(self.aliased(relation, Some(alias))?),
                })
            }
            TableFactor::Table { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. } => self.function_in_from(factor, before, outer),
            other => Err(Error::unsupported(format!("`{other}` in FROM"))),
        }
    }

    fn table_factor(
        &mut self,
        names: &[String],
        alias: Option<&ast::TableAlias>,
    ) -> Result<FromItem> {
        let (mut plan, relation) = self.relation_named(names)?;
        let relation = self.aliased(relation, alias)?;
        if let Plan::Scan(scan) = &mut plan {
            scan.alias.clone_from(&relation.name);
        }
        Ok(FromItem {
            plan,
            names: FromNames::of(relation),
        })
    }

    /// A table, view or common table expression by its name: one of WITH is found first.
    pub(super) fn relation_named(&mut self, names: &[String]) -> Result<(Plan, Relation)> {
        if let [name] = names
            && let Some(found) = self.common_table(name)?
        {
            return Ok(found);
        }
        let found = self.find_relation(names)?;
        if let (Some(found), 0) = (&found, self.views_around) {
            self.named.push(found.oid());
        }
        match found {
            Some(Found::Table(table)) => self.scan(&table),
            Some(Found::View(view)) => self.view(&view),
            Some(Found::Sequence(sequence)) => {
                self.lock_table(sequence.oid, ObjectMode::AccessShare);
                Ok(self.sequence_row(&sequence))
            }
            Some(Found::Index(_, index)) => {
                let message = format!("\"{}\" is an index", index.name);
                Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
            }
            None => match self.system_relation(names) {
                Some(found) => Ok(found),
                None => Err(missing_relation(names)),
            },
        }
    }

    /// A view: its query, as if it were written in parentheses.
    fn view(&mut self, view: &rustdb_catalog::View) -> Result<(Plan, Relation)> {
        self.lock_table(view.oid, ObjectMode::AccessShare);
        if self.only_names {
            return Ok(self.unopened_view(view));
        }
        let statements = crate::parse::parse(&view.query.text)?;
        let [ast::Statement::Query(query)] = &statements[..] else {
            return Err(Error::internal(format!("view {} is no query", view.name)));
        };
        let hidden = std::mem::take(&mut self.ctes);
        self.views_around += 1;
        let bound = self
            .query(query, &Scope::default())
            .map_err(Error::elsewhere);
        self.views_around -= 1;
        self.ctes = hidden;
        let mut bound = bound?;
        // A `*` in the query gives what was added to its tables later, too.
        if bound.columns.len() > view.columns.len() {
            let mut wanted = view.columns.iter().peekable();
            bound.columns.retain(|column| {
                let is_next = wanted
                    .peek()
                    .is_some_and(|next| next.name == column.name && next.column_type == column.of);
                if is_next {
                    wanted.next();
                }
                is_next
            });
        }
        let names: Vec<String> = view
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let relation = self.relation_of(&view.name, &names, &bound.columns)?;
        Ok((bound.plan, relation))
    }

    /// A view as a relation without rows: no statement can be run over it.
    fn unopened_view(&mut self, view: &rustdb_catalog::View) -> (Plan, Relation) {
        let columns = view.columns.iter().map(|column| NamedColumn {
            name: column.name.clone(),
            id: self.new_column(),
            of: column.column_type.clone(),
        });
        let columns: Vec<NamedColumn> = columns.collect();
        let plan = Plan::Values {
            columns: columns.iter().map(|column| column.id).collect(),
            rows: Vec::new(),
        };
        let relation = Relation {
            name: view.name.clone(),
            schema: None,
            alias_of: None,
            columns,
            tableoid: None,
            is_scalar: false,
        };
        (plan, relation)
    }

    /// The relation under its alias.
    pub(super) fn aliased(
        &mut self,
        mut relation: Relation,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Relation> {
        let Some(alias) = alias else {
            return Ok(relation);
        };
        let name = new_name(&alias.name)?;
        let shown = relation.columns.iter();
        let shown = shown.filter(|column| !column.name.starts_with(HIDDEN));
        let available = shown.count();
        if alias.columns.len() > available {
            let message = format!(
                "table \"{name}\" has {available} columns available but {} columns specified",
                alias.columns.len()
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        for (column, alias) in relation.columns.iter_mut().zip(&alias.columns) {
            column.name = new_name(&alias.name)?;
        }
        let hidden = Some(relation.name).filter(|hidden| *hidden != name && !hidden.is_empty());
        Ok(Relation {
            name,
            schema: None,
            alias_of: hidden,
            columns: relation.columns,
            tableoid: relation.tableoid,
            is_scalar: relation.is_scalar,
        })
    }

    fn join(
        &mut self,
        left: FromItem,
        right: FromItem,
        operator: &JoinOperator,
        outer: &Scope<'_>,
    ) -> Result<FromItem> {
        let (kind, constraint) = match operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                (JoinKind::Inner, constraint)
            }
            JoinOperator::CrossJoin(constraint) => (JoinKind::Inner, constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (JoinKind::Left, constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (JoinKind::Right, constraint)
            }
            JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
            other => return Err(Error::unsupported(format!("the join {other:?}"))),
        };
        match constraint {
            JoinConstraint::On(condition) => {
                let names = left.names.join(right.names)?;
                let scope = Scope {
                    parent: Some(outer),
                    from: names,
                };
                let condition = self.expression(condition, &mut Place::new(&scope, "JOIN/ON"))?;
                let condition = self.coerce_to_bool(condition, "JOIN/ON")?;
                let conditions = condition.conjuncts();
                let plan = join_of(kind, left.plan, right.plan, conditions);
                Ok(FromItem {
                    plan,
                    names: scope.from,
                })
            }
            JoinConstraint::Using(columns) => {
                let (names, alias) = using_names(columns)?;
                self.join_using(left, right, kind, &names, alias)
            }
            JoinConstraint::Natural => {
                let mut names = Vec::new();
                for column in &left.names.visible {
                    let shared = right
                        .names
                        .visible
                        .iter()
                        .any(|other| other.name == column.name);
                    if shared && !names.contains(&column.name) {
                        names.push(column.name.clone());
                    }
                }
                self.join_using(left, right, kind, &names, None)
            }
            JoinConstraint::None => {
                let names = left.names.join(right.names)?;
                let plan = join_of(kind, left.plan, right.plan, Vec::new());
                Ok(FromItem { plan, names })
            }
        }
    }

    /// Joins by equal names: each pair of columns is visible as one.
    fn join_using(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: JoinKind,
        names: &[String],
        alias: Option<String>,
    ) -> Result<FromItem> {
        let mut conditions = Vec::with_capacity(names.len());
        let mut merged = Vec::with_capacity(names.len());
        let mut made = Vec::new();
        for name in names {
            let mine = using_column(&left.names, name, "left")?;
            let theirs = using_column(&right.names, name, "right")?;
            let pair = [&mine, &theirs]
                .map(|column| Typed::new(Expr::Column(column.id), column.of.clone()));
            let [first, second] = pair.clone();
            conditions.push(self.operator("=", Some(first), second)?.expr);
            let (mut unified, of) = self.unify(pair.to_vec(), "JOIN/USING")?;
            let expr = match kind {
                JoinKind::Full => Expr::Coalesce(unified),
                JoinKind::Right => unified.remove(1),
                _ => unified.remove(0),
            };
            let id = match expr {
                Expr::Column(id) => id,
                other => {
                    let id = self.new_column();
                    made.push((id, other));
                    id
                }
            };
            merged.push(NamedColumn {
                name: name.clone(),
                id,
                of,
            });
        }
        let rest = |item: &FromNames| -> Vec<NamedColumn> {
            let columns = item.visible.iter();
            columns
                .filter(|column| !names.contains(&column.name))
                .cloned()
                .collect()
        };
        let named = alias.map(|name| Relation {
            name,
            schema: None,
            alias_of: None,
            columns: merged.clone(),
            tableoid: None,
            is_scalar: false,
        });
        merged.extend(rest(&left.names));
        merged.extend(rest(&right.names));
        let mut joined = left.names.join(right.names)?;
        if let Some(named) = named {
            joined = joined.join(FromNames::of(named))?;
        }
        joined.visible = merged;
        let plan = join_of(kind, left.plan, right.plan, conditions).making(made);
        Ok(FromItem {
            plan,
            names: joined,
        })
    }
}

fn without_alias(query: &ast::Query) -> Error {
    let (what, example) = match &*query.body {
        ast::SetExpr::Values(_) => ("VALUES", "VALUES"),
        _ => ("subquery", "SELECT"),
    };
    let message = format!("{what} in FROM must have an alias");
    Error::new(SqlState::SYNTAX_ERROR, message)
        .with_hint(format!("For example, FROM ({example} ...) [AS] foo."))
        .at_word_before(place(query.span()), "(")
}

/// The columns that USING lists, and the name that they get together.
fn using_names(columns: &[ast::ObjectName]) -> Result<(Vec<String>, Option<String>)> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        match &object_name(column)?[..] {
            [name] => names.push(name.clone()),
            _ => return Err(Error::unsupported("a name with a dot in USING")),
        }
    }
    // It comes last.
    let alias = names.last().and_then(|name| name.strip_prefix(ALIAS));
    let alias = alias.map(str::to_owned);
    names.truncate(names.len() - usize::from(alias.is_some()));
    Ok((names, alias))
}

fn using_column(names: &FromNames, name: &str, side: &str) -> Result<NamedColumn> {
    let mut found = names.visible.iter().filter(|column| column.name == name);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.clone()),
        (None, _) => {
            let message = format!(
                "column \"{name}\" specified in USING clause does not exist in {side} table"
            );
            Err(Error::new(SqlState::UNDEFINED_COLUMN, message))
        }
        (Some(_), Some(_)) => {
            let message =
                format!("common column name \"{name}\" appears more than once in {side} table");
            Err(Error::new(SqlState::AMBIGUOUS_COLUMN, message))
        }
    }
}

fn cross(left: FromItem, right: FromItem) -> Result<FromItem> {
    Ok(FromItem {
        plan: join_of(JoinKind::Inner, left.plan, right.plan, Vec::new()),
        names: left.names.join(right.names)?,
    })
}

fn join_of(kind: JoinKind, left: Plan, right: Plan, conditions: Vec<Expr>) -> Plan {
    Plan::Join(Box::new(Join {
        kind,
        method: JoinMethod::default(),
        keeps_order: false,
        merged: Vec::new(),
        left,
        right,
        conditions,
    }))
}

/// The parts of a name behind FROM, where CURRENT_USER and its kin are functions.
fn table_words(name: &ast::ObjectName) -> Result<Vec<String>> {
    let words = words_of(name)?;
    let is_value = |word: &str| {
        ["current_", "local", "session_user"]
            .iter()
            .any(|begin| word.starts_with(begin))
            || word == "user"
    };
    match &words[..] {
        [word] if is_value(word) => Ok(words),
        _ => object_name(name),
    }
}

/// The parts of a name with dots, of anything but a function, a type or a setting: reserved words
/// name none.
pub(crate) fn object_name(name: &ast::ObjectName) -> Result<Vec<String>> {
    refuse_object(name)?;
    words_of(name)
}

/// The parts of any name with dots.
pub(crate) fn words_of(name: &ast::ObjectName) -> Result<Vec<String>> {
    let parts = name.0.iter().map(|part| part.as_ident().map(name_of));
    let parts: Option<Vec<String>> = parts.collect();
    parts.ok_or_else(|| Error::unsupported(format!("the name {name}")))
}
