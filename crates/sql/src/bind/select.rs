//! SELECT: FROM, WHERE, GROUP BY, HAVING, the select list, DISTINCT.
//!
//! ```text
//! from ─▶ filter ─▶ (aggregate ─▶ filter) ─▶ project ─▶ (distinct) ─▶ (sort)
//! ```
//!
//! The projection has the select list and after it what ORDER BY needs besides.

use std::collections::BTreeSet;

use rustdb_types::Type;
use sqlparser::ast;
use sqlparser::ast::{SelectItem, SelectItemQualifiedWildcardKind, Spanned};

use super::aggregate::Collected;
use super::expression::Place;
use super::grouping::Grouping;
use super::lock::Locks;
use super::output_name::output_name;
use super::query::BoundQuery;
use super::scope::{NamedColumn, Scope};
use super::search::HIDDEN;
use super::sets::{SetCall, postpones_sets, projected, with_sets};
use super::sort::{Target, before_sort, check_ordered};
use super::{Binder, OutputColumn, name_of};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::place;
use crate::plan::{Plan, SortKey};
use crate::rewrite::NOTHING;

/// The select list: what is computed, and what it is called.
#[derive(Debug, Default)]
struct SelectList {
    items: Vec<(ColumnId, Expr)>,
    columns: Vec<OutputColumn>,
}

/// What comes after the select list was bound.
struct Last<'a> {
    /// Calls of set-returning functions, and whether they come after DISTINCT and ORDER BY.
    sets: Vec<SetCall>,
    postponed: bool,
    sorting: Sorting<'a>,
}

/// ORDER BY.
struct Sorting<'a> {
    /// How many entries of the select list are shown; those behind them are sorted by only.
    shown: usize,
    keys: Vec<SortKey>,
    /// What each key was written as.
    written: &'a [ast::OrderByExpr],
}

impl<'a> Sorting<'a> {
    fn new(shown: usize, keys: Vec<SortKey>, written: &'a [ast::OrderByExpr]) -> Sorting<'a> {
        Sorting {
            shown,
            keys,
            written,
        }
    }

    /// Where the first key is written that is not shown.
    fn place_of_hidden(&self, list: &SelectList) -> Option<Position> {
        let shown = &list.items[..self.shown];
        let hidden = self
            .keys
            .iter()
            .position(|key| shown.iter().all(|(id, _)| *id != key.column));
        place(self.written.get(hidden?)?.expr.span())
    }
}

/// The longest select list, as PostgreSQL has it.
const TARGETS_MAX: usize = 1664;

impl Binder<'_> {
    /// A SELECT with the ORDER BY that follows it. The sort keys are added to `ties`.
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        ties: &mut Vec<SortKey>,
        outer: &Scope<'_>,
    ) -> Result<BoundQuery> {
        refuse_select(select)?;
        let clauses = std::mem::take(&mut self.locks);
        let from = self.from(&select.from, outer)?;
        let scope = Scope {
            parent: Some(outer),
            from: from.names,
        };
        let mut plan = from.plan;
        if let Some(condition) = &select.selection {
            let condition = self.expression(condition, &mut Place::new(&scope, "WHERE"))?;
            let condition = self.coerce_to_bool(condition, "WHERE")?;
            plan = plan.filtered(condition.conjuncts());
        }
        let mut collected = Collected {
            named: select.named_window.clone(),
            ..Collected::default()
        };
        let mut list = self.select_list(&select.projection, &scope, &mut collected)?;
        let shown = list.items.len();
        if shown > TARGETS_MAX {
            let message = format!("target lists can have at most {TARGETS_MAX} entries");
            return Err(Error::new(SqlState::TOO_MANY_COLUMNS, message));
        }
        let grouping = {
            let outputs = list.columns.iter().cloned();
            let outputs: Vec<_> = outputs
                .zip(list.items.iter().map(|(_, item)| item.clone()))
                .collect();
            self.group_by(&select.group_by, &outputs, &scope)?
        };
        let having = match &select.having {
            None => None,
            Some(condition) => Some(self.having(condition, &scope, &mut collected)?),
        };
        let keys = self.order_keys(order, &mut list, &scope, &mut collected)?;
        if !select.named_window.is_empty() {
            let mut at = Place::collecting(&scope, "WINDOW", &mut collected);
            self.check_named_windows(&select.named_window, &mut at)?;
        }
        if !collected.aggregates.is_empty() && self.names_itself(&select.from) {
            let message =
                "aggregate functions are not allowed in a recursive query's recursive term";
            return Err(Error::new(SqlState::INVALID_RECURSION, message));
        }
        ties.clone_from(&keys);
        self.compute_tableoids(&mut plan);
        let locks = self.locks(&clauses, select, &mut plan, &scope, &collected)?;
        let postponed = postpones_sets(select, &list.items, &keys, &collected);
        let (plan, sets) = self.computed(plan, &mut list, grouping, having, collected, &scope)?;
        let last = Last {
            sets,
            postponed,
            sorting: Sorting::new(shown, keys, order),
        };
        let plan = self.listed(select, plan, &mut list, last, locks.as_ref(), &scope)?;
        Ok(BoundQuery {
            plan: match locks {
                None => plan,
                Some(locks) => locks.over(plan, list.items),
            },
            columns: list.columns,
        })
    }

    fn having(
        &mut self,
        condition: &ast::Expr,
        scope: &Scope<'_>,
        collected: &mut Collected,
    ) -> Result<Expr> {
        let mut at = Place::collecting(scope, "HAVING", collected);
        let condition = self.expression(condition, &mut at)?;
        self.coerce_to_bool(condition, "HAVING")
    }

    /// What the select list is made of, over the rows of FROM: groups, HAVING, windows, in this
    /// order; and the set-returning functions that come next.
    fn computed(
        &mut self,
        mut plan: Plan,
        list: &mut SelectList,
        grouping: Grouping,
        mut having: Option<Expr>,
        collected: Collected,
        scope: &Scope<'_>,
    ) -> Result<(Plan, Vec<SetCall>)> {
        let Collected {
            aggregates,
            mut sets,
            mut windows,
            groupings,
            ..
        } = collected;
        let is_grouped = !aggregates.is_empty() || !grouping.is_empty() || having.is_some();
        if is_grouped || !groupings.is_empty() {
            let mut users: Vec<&mut Expr> = list.items.iter_mut().map(|(_, item)| item).collect();
            users.extend(&mut having);
            users.extend(sets.iter_mut().flat_map(|(call, _)| &mut call.arguments));
            users.extend(
                windows
                    .iter_mut()
                    .flat_map(|window| window.expressions_mut()),
            );
            plan = self.grouped(plan, grouping, aggregates, groupings, &mut users, scope)?;
        }
        if let Some(condition) = having {
            plan = plan.filtered(condition.conjuncts());
        }
        Ok((self.windowed(plan, windows), sets))
    }

    /// The select list, DISTINCT and ORDER BY.
    fn listed(
        &mut self,
        select: &ast::Select,
        mut plan: Plan,
        list: &mut SelectList,
        last: Last<'_>,
        locks: Option<&Locks>,
        scope: &Scope<'_>,
    ) -> Result<Plan> {
        let Last {
            sets,
            postponed,
            sorting,
        } = last;
        let finished = list.items.clone();
        let sets = match postponed {
            true => sets,
            false => {
                plan = with_sets(plan, sets);
                Vec::new()
            }
        };
        let splits = match &select.distinct {
            None | Some(ast::Distinct::All) => locks.is_none(),
            Some(ast::Distinct::Distinct) => false,
            // Rows are told apart by what they are sorted by first.
            Some(ast::Distinct::On(on)) => on.len() <= sorting.keys.len(),
        };
        let before = match splits {
            true => before_sort(&list.items, &sorting.keys, &sets, &plan),
            false => None,
        };
        let is_split = before.is_some();
        list.items = before.unwrap_or_else(|| finished.clone());
        plan = projected(plan, &list.items);
        if let Some(locks) = locks {
            locks.pass_through(&mut plan);
        }
        plan = self.distinct_and_sort(select, plan, list, sorting, scope)?;
        if is_split {
            let made: BTreeSet<ColumnId> = list.items.iter().map(|(id, _)| *id).collect();
            let items = finished
                .into_iter()
                .map(|(id, item)| match made.contains(&id) {
                    true => (id, Expr::Column(id)),
                    false => (id, item),
                });
            list.items = items.collect();
            plan = projected(with_sets(plan, sets), &list.items);
        }
        Ok(plan)
    }

    fn select_list(
        &mut self,
        items: &[SelectItem],
        scope: &Scope<'_>,
        collected: &mut Collected,
    ) -> Result<SelectList> {
        let mut list = SelectList::default();
        self.select_items(items, scope, Some(collected), &mut list)?;
        Ok(list)
    }

    fn select_items(
        &mut self,
        items: &[SelectItem],
        scope: &Scope<'_>,
        mut collected: Option<&mut Collected>,
        list: &mut SelectList,
    ) -> Result<()> {
        for item in items {
            let mut at = Place::new(
                scope,
                if collected.is_some() {
                    "SELECT"
                } else {
                    "RETURNING"
                },
            );
            at.collected = collected.as_deref_mut();
            match item {
                SelectItem::UnnamedExpr(expr) if is_nothing(expr) => (),
                SelectItem::UnnamedExpr(expr) => {
                    if let Some(columns) = self.all_fields(expr, &mut at)? {
                        self.add_columns(list, &columns);
                        continue;
                    }
                    let typed = self.expression(expr, &mut at)?;
                    self.add_item(list, output_name(expr), typed);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expression(expr, &mut at)?;
                    self.add_item(list, name_of(alias), typed);
                }
                SelectItem::Wildcard(options) => {
                    refuse_options(options)?;
                    if scope.from.relations.is_empty() {
                        let message = "SELECT * with no tables specified is not valid";
                        let star = place(options.wildcard_token.0.span);
                        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(star));
                    }
                    let columns = scope.from.visible.clone();
                    self.add_columns(list, &columns);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    refuse_options(options)?;
                    let names = super::from::object_name(name)?;
                    let at = name.0.first().and_then(|part| part.as_ident());
                    let at = at.and_then(|ident| place(ident.span));
                    let relation = match &names[..] {
                        [relation] => scope.relation(None, relation, at)?,
                        [schema, relation] => scope.relation(Some(schema), relation, at)?,
                        _ => return Err(Error::unsupported(format!("`{item}`"))),
                    };
                    let columns = relation.columns.clone();
                    self.add_columns(list, &columns);
                }
                other => return Err(Error::unsupported(format!("`{other}` in SELECT"))),
            }
        }
        Ok(())
    }

    /// What RETURNING lists: columns and their expressions.
    pub(super) fn returned(
        &mut self,
        items: &[SelectItem],
        scope: &Scope<'_>,
    ) -> Result<Vec<(OutputColumn, Expr)>> {
        let mut list = SelectList::default();
        self.select_items(items, scope, None, &mut list)?;
        let mut returned = Vec::with_capacity(list.items.len());
        for (mut column, (_, expr)) in list.columns.into_iter().zip(list.items) {
            let typed = self.settle(Typed::new(expr, column.of))?;
            column.of = typed.of;
            returned.push((column, typed.expr));
        }
        Ok(returned)
    }

    fn add_columns(&mut self, list: &mut SelectList, columns: &[NamedColumn]) {
        for column in columns {
            if column.name.starts_with(HIDDEN) {
                continue;
            }
            let typed = Typed::new(Expr::Column(column.id), column.of.clone());
            self.add_item(list, column.name.clone(), typed);
        }
    }

    fn add_item(&mut self, list: &mut SelectList, name: String, typed: Typed) {
        let id = self.new_column();
        list.items.push((id, typed.expr));
        list.columns.push(OutputColumn {
            name,
            id,
            of: typed.of,
        });
    }

    fn order_keys(
        &mut self,
        order: &[ast::OrderByExpr],
        list: &mut SelectList,
        scope: &Scope<'_>,
        collected: &mut Collected,
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(order.len());
        for item in order {
            let target = self.output_target(&item.expr, &list.columns, &list.items, "ORDER BY")?;
            let (column, of) = match target {
                Target::Output(index) => {
                    let output = &mut list.columns[index];
                    if output.of == Type::UNKNOWN {
                        let slot = list.items.iter_mut().find(|(id, _)| *id == output.id);
                        if let Some((_, expr)) = slot {
                            let typed = Typed::new(expr.clone(), Type::UNKNOWN);
                            *expr = self.settle(typed)?.expr;
                            output.of = Type::TEXT;
                        }
                    }
                    (output.id, output.of.clone())
                }
                Target::Expression => {
                    let mut at = Place::collecting(scope, "ORDER BY", collected);
                    let typed = self.expression(&item.expr, &mut at)?;
                    let typed = self.settle(typed)?;
                    let of = typed.of.clone();
                    (self.projected(&mut list.items, typed), of)
                }
            };
            let key = self.sort_key(item, column, &of);
            keys.push(key.map_err(|error| error.at(place(item.expr.span())))?);
        }
        Ok(keys)
    }

    fn distinct_and_sort(
        &mut self,
        select: &ast::Select,
        plan: Plan,
        list: &SelectList,
        sorting: Sorting<'_>,
        scope: &Scope<'_>,
    ) -> Result<Plan> {
        match &select.distinct {
            None | Some(ast::Distinct::All) => Ok(sorted(plan, sorting.keys)),
            Some(ast::Distinct::Distinct) => {
                if list.items.len() > sorting.shown {
                    let message =
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                    return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                        .at(sorting.place_of_hidden(list)));
                }
                for column in &list.columns {
                    check_equality(&column.of)?;
                }
                let on = list.columns.iter().map(|column| column.id).collect();
                let columns = list.columns.iter();
                let padded = columns.filter(|column| column.of.varies_in_padding());
                let padded = padded.map(|column| column.id).collect();
                let plan = Plan::Distinct {
                    input: Box::new(plan),
                    on,
                    padded,
                };
                Ok(sorted(plan, sorting.keys))
            }
            Some(ast::Distinct::On(items)) => {
                self.distinct_on_plan(items, plan, list, sorting.keys, scope)
            }
        }
    }

    fn distinct_on_plan(
        &mut self,
        items: &[ast::Expr],
        plan: Plan,
        list: &SelectList,
        mut keys: Vec<SortKey>,
        scope: &Scope<'_>,
    ) -> Result<Plan> {
        let mut list_with_on = SelectList {
            items: list.items.clone(),
            columns: list.columns.clone(),
        };
        let on = self.distinct_on(items, &mut list_with_on, scope)?;
        let is_on = |key: &SortKey| on.iter().any(|(id, _)| *id == key.column);
        if !keys.iter().take(on.len()).all(is_on) {
            let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
            let missing = on.iter().position(|(id, _)| {
                let first = keys.iter().take(on.len());
                !first.map(|key| key.column).any(|column| column == *id)
            });
            let place = missing.and_then(|missing| place(items.get(missing)?.span()));
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(place));
        }
        for (column, of) in &on {
            if !keys.iter().any(|key| key.column == *column) {
                keys.push(SortKey {
                    column: *column,
                    descending: false,
                    nulls_first: false,
                    padded: of.is_padded(),
                });
            }
        }
        let plan = match plan {
            Plan::Project { input, .. } => Plan::Project {
                input,
                items: list_with_on.items,
            },
            other => other,
        };
        let padded = on.iter().filter(|(_, of)| of.varies_in_padding());
        Ok(Plan::Distinct {
            input: Box::new(sorted(plan, keys)),
            padded: padded.map(|(id, _)| *id).collect(),
            on: on.into_iter().map(|(id, _)| id).collect(),
        })
    }

    fn distinct_on(
        &mut self,
        items: &[ast::Expr],
        list: &mut SelectList,
        scope: &Scope<'_>,
    ) -> Result<Vec<(ColumnId, Type)>> {
        let mut on = Vec::with_capacity(items.len());
        for item in items {
            match self.output_target(item, &list.columns, &list.items, "SELECT DISTINCT ON")? {
                Target::Output(index) => {
                    let output = &list.columns[index];
                    on.push((output.id, output.of.clone()));
                }
                Target::Expression => {
                    let typed =
                        self.expression(item, &mut Place::new(scope, "SELECT DISTINCT ON"))?;
                    let typed = self.settle(typed)?;
                    check_ordered(&typed.of)?;
                    let of = typed.of.clone();
                    on.push((self.projected(&mut list.items, typed), of));
                }
            }
        }
        Ok(on)
    }
}

fn sorted(plan: Plan, keys: Vec<SortKey>) -> Plan {
    match keys.is_empty() {
        true => plan,
        false => Plan::Sort {
            input: Box::new(plan),
            keys,
        },
    }
}

/// Types without equality cannot be grouped by.
pub(super) fn check_equality(of: &Type) -> Result<()> {
    if of.is_ordered() || *of == Type::RECORD || *of == Type::UNKNOWN {
        return Ok(());
    }
    let message = format!(
        "could not identify an equality operator for type {}",
        of.name()
    );
    Err(Error::new(SqlState::UNDEFINED_FUNCTION, message))
}

/// Whether this stands for a list without columns.
fn is_nothing(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(name) if name.value == NOTHING)
}

fn refuse_options(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    match plain {
        true => Ok(()),
        false => Err(Error::unsupported(format!("`*{options}`"))),
    }
}

fn refuse_select(select: &ast::Select) -> Result<()> {
    if select.distinct.is_some() && select.projection.is_empty() {
        let message = "syntax error: DISTINCT of no columns";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    let what = if select.top.is_some() {
        "TOP"
    } else if select.into.is_some() {
        "SELECT INTO"
    } else if !select.lateral_views.is_empty() {
        "LATERAL VIEW"
    } else if select.prewhere.is_some() {
        "PREWHERE"
    } else if !select.connect_by.is_empty() {
        "CONNECT BY"
    } else if !select.cluster_by.is_empty() || !select.distribute_by.is_empty() {
        "CLUSTER BY or DISTRIBUTE BY"
    } else if !select.sort_by.is_empty() {
        "SORT BY"
    } else if select.qualify.is_some() {
        "QUALIFY"
    } else if select.exclude.is_some() {
        "EXCLUDE"
    } else if select.value_table_mode.is_some() {
        "AS VALUE or AS STRUCT"
    } else if select
        .select_modifiers
        .as_ref()
        .is_some_and(|modifiers| modifiers.is_any_set())
    {
        "a MySQL modifier of SELECT"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
