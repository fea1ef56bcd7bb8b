//! WITH: named queries, and recursion.
//!
//! A named query is bound once, where it is written; each use of its name reads its rows. One that
//! is used once and may be evaluated any number of times is put in its reader's place.
//!
//! In WITH RECURSIVE a query can name those behind it, and itself. They are bound in the order
//! that this needs: where one names another that is still to come, that one is bound first.

use sqlparser::ast;
use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier};

use super::query::BoundQuery;
use super::scope::{NamedColumn, Relation, Scope};
use super::search::{Clauses, clauses_of, select_of};
use super::select::check_equality;
use super::write::writes;
use super::{Binder, OutputColumn, name_of, new_name, words_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::{place, place_of_target};
use crate::plan::{NameNumber, NamedPlan, NamedRows, Plan, Recursive, With};

/// A name that WITH gave.
#[derive(Clone, Debug)]
pub(crate) struct CommonTable {
    name: String,
    state: CommonState,
}

#[derive(Clone, Debug)]
enum CommonState {
    /// To be bound.
    Waiting,
    /// Being bound: it may name itself, here or not.
    Open(Recursion),
    /// Bound.
    Ready {
        number: NameNumber,
        columns: Vec<OutputColumn>,
        uses: usize,
    },
}

/// Where a query is in naming itself.
#[derive(Clone, Debug)]
struct Recursion {
    part: Part,
    /// How many subqueries are around the query.
    depth: usize,
    uses: usize,
}

/// The part of a query that is being bound.
#[derive(Clone, Debug)]
enum Part {
    /// It has no form that may name itself.
    Formless,
    /// Its own WITH.
    With,
    /// Before UNION.
    Base,
    /// After UNION: it reads the rows of the step before.
    Step(NameNumber, Vec<OutputColumn>),
}

/// A bound query with its name, and what was said of MATERIALIZED.
pub(super) struct Defined {
    table: NamedPlan,
    materialized: Option<ast::CteAsMaterialized>,
    is_recursive: bool,
}

impl Binder<'_> {
    /// Makes the names of WITH known; what they mean comes back.
    /// Only at the top of a statement may they write.
    pub(super) fn with(
        &mut self,
        with: &ast::With,
        outer: &Scope<'_>,
        is_top: bool,
    ) -> Result<Vec<Defined>> {
        if !is_top && with.cte_tables.iter().any(|table| writes(&table.query)) {
            let message =
                "WITH clause containing a data-modifying statement must be at the top level";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let first = self.ctes.len();
        let names = names_in(with)?;
        let mut defined = Vec::with_capacity(names.len());
        if !with.recursive {
            for (table, name) in with.cte_tables.iter().zip(names) {
                if clauses_of(&table.query)?.is_some() {
                    return Err(Clauses::not_recursive());
                }
                self.may_write = is_top;
                let bound = self.query(&table.query, outer)?;
                let (ready, state) = self.ready(table, bound, false)?;
                defined.push(ready);
                self.ctes.push(CommonTable { name, state });
            }
            return Ok(defined);
        }
        let waiting = names.into_iter().map(|name| CommonTable {
            name,
            state: CommonState::Waiting,
        });
        self.ctes.extend(waiting);
        let mut pending: Vec<usize> = (0..with.cte_tables.len()).rev().collect();
        while let Some(index) = pending.pop() {
            if !matches!(self.ctes[first + index].state, CommonState::Waiting) {
                continue;
            }
            let before = self.ctes.clone();
            self.may_write = is_top;
            let bound = self.recursive_table(first + index, &with.cte_tables[index], outer);
            if let Some(needed) = self.awaited.take() {
                // What it names comes first.
                self.ctes = before;
                if needed < first {
                    self.awaited = Some(needed);
                    bound?;
                    continue;
                }
                if needed == first + index || self.awaiting.contains(&needed) {
                    self.awaiting.clear();
                    let message = "mutual recursion between WITH items is not implemented";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
                }
                self.awaiting.push(first + index);
                pending.extend([index, needed - first]);
                continue;
            }
            let (ready, state) = bound?;
            self.awaiting.retain(|other| *other != first + index);
            defined.push(ready);
            self.ctes[first + index].state = state;
        }
        Ok(defined)
    }

    fn ready(
        &mut self,
        table: &ast::Cte,
        bound: BoundQuery,
        is_recursive: bool,
    ) -> Result<(Defined, CommonState)> {
        let name = new_name(&table.alias.name)?;
        let aliases = &table.alias.columns;
        if aliases.len() > bound.columns.len() {
            let message = format!(
                "WITH query \"{name}\" has {} columns available but {} columns specified",
                bound.columns.len(),
                aliases.len()
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                .at(place(table.alias.name.span)));
        }
        let (plan, mut columns) = self.finish_output(bound)?;
        for (column, alias) in columns.iter_mut().zip(aliases) {
            column.name = new_name(&alias.name)?;
        }
        let number = self.new_number();
        if columns.is_empty() && plan.modifies() {
            self.silent.push(number);
        }
        let defined = Defined {
            table: NamedPlan {
                number,
                name,
                columns: columns.iter().map(|column| column.id).collect(),
                plan,
            },
            materialized: table.materialized,
            is_recursive,
        };
        let state = CommonState::Ready {
            number,
            columns,
            uses: 0,
        };
        Ok((defined, state))
    }

    fn new_number(&mut self) -> NameNumber {
        NameNumber(self.new_column().0)
    }

    /// The rows of a named query, if there is one of this name.
    pub(super) fn common_table(&mut self, name: &str) -> Result<Option<(Plan, Relation)>> {
        let Some(position) = self.ctes.iter().rposition(|table| table.name == name) else {
            return Ok(None);
        };
        let depth = self.subqueries;
        let (number, columns, is_working) = match &mut self.ctes[position].state {
            CommonState::Waiting => {
                self.awaited = Some(position);
                return Err(Error::internal("a named query that comes later"));
            }
            CommonState::Ready {
                number,
                columns,
                uses,
            } => {
                *uses += 1;
                (*number, columns.clone(), false)
            }
            CommonState::Open(recursion) => {
                let (number, columns) = recursion.used(name, depth)?;
                (number, columns, true)
            }
        };
        if self.silent.contains(&number) {
            let message = format!("WITH query \"{name}\" does not have a RETURNING clause");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let mut named = Vec::with_capacity(columns.len());
        for column in columns {
            named.push(NamedColumn {
                name: column.name,
                id: self.new_column(),
                of: column.of,
            });
        }
        let plan = Plan::Named(Box::new(NamedRows {
            number,
            name: name.to_owned(),
            is_working,
            columns: named.iter().map(|column| column.id).collect(),
        }));
        let relation = Relation {
            name: name.to_owned(),
            schema: None,
            alias_of: None,
            columns: named,
            tableoid: None,
            is_scalar: false,
        };
        Ok(Some((plan, relation)))
    }

    /// The plan with the named queries that it reads.
    pub(super) fn with_tables(&self, mut body: Plan, defined: Vec<Defined>) -> Plan {
        let mut tables: Vec<NamedPlan> = Vec::new();
        // Readers come after what they read, so that this goes from the end.
        for one in defined.into_iter().rev() {
            let number = one.table.number;
            let in_tables: usize = tables.iter().map(|table| table.plan.readers(number)).sum();
            let readers = body.readers(number) + in_tables;
            let uses = self.uses_of(number);
            let once = match one.materialized {
                Some(ast::CteAsMaterialized::Materialized) => false,
                Some(ast::CteAsMaterialized::NotMaterialized) => readers == 1,
                None => readers == 1 && uses == 1,
            };
            if one.table.plan.modifies() {
                tables.push(one.table);
                continue;
            }
            if readers == 0 {
                continue;
            }
            if !once || one.is_recursive || one.table.plan.is_volatile() {
                tables.push(one.table);
                continue;
            }
            let mut left = body.put_in_place(one.table);
            for table in &mut tables {
                left = left.and_then(|left| table.plan.put_in_place(left));
            }
            tables.extend(left);
        }
        if tables.is_empty() {
            return body;
        }
        tables.reverse();
        Plan::With(Box::new(With { tables, body }))
    }

    fn uses_of(&self, wanted: NameNumber) -> usize {
        let found = self.ctes.iter().find_map(|table| match &table.state {
            CommonState::Ready { number, uses, .. } if *number == wanted => Some(*uses),
            _ => None,
        });
        found.unwrap_or(0)
    }

    // ---------------------------------------------------------------------------- recursion

    /// The tables of a WITH that the query has itself.
    fn tables_within(
        &mut self,
        position: usize,
        query: &ast::Query,
        outer: &Scope<'_>,
    ) -> Result<Vec<Defined>> {
        let Some(with) = &query.with else {
            return Ok(Vec::new());
        };
        self.begin(position, Part::With);
        self.with(with, outer, false)
    }

    /// A query of WITH RECURSIVE.
    fn recursive_table(
        &mut self,
        position: usize,
        table: &ast::Cte,
        outer: &Scope<'_>,
    ) -> Result<(Defined, CommonState)> {
        let found = clauses_of(&table.query)?;
        let clauses = found.as_ref().map(|(clauses, _)| clauses);
        let query = found.as_ref().map_or(&*table.query, |(_, query)| query);
        let SetExpr::SetOperation {
            left,
            op: SetOperator::Union,
            set_quantifier,
            right,
        } = &*query.body
        else {
            return self.formless_table(position, table, outer);
        };
        self.may_write = false;
        let depth = self.ctes.len();
        let inner = self.tables_within(position, query, outer)?;
        self.begin(position, Part::Base);
        let base = self.set_expression(left, outer)?;
        let mut base = self.settled(base)?;
        let number = self.new_number();
        let mut named = base.columns.clone();
        for (column, alias) in named.iter_mut().zip(&table.alias.columns) {
            column.name = new_name(&alias.name)?;
        }
        let mut columns = named.clone();
        let mut carried = None;
        if let Some(clauses) = clauses {
            base = self.first_paths(clauses, left, base, &named)?;
            columns.extend_from_slice(&base.columns[named.len()..]);
            carried = Some(clauses.carried(right)?);
        }
        self.begin(position, Part::Step(number, columns));
        if carried.is_some() && !select_of(right).is_some_and(|it| self.names_itself(&it.from)) {
            self.set_expression(right, outer)?;
            if self.recursive_uses() > 0 {
                return Err(not_at_top(&name_of(&table.alias.name)));
            }
            self.ctes.truncate(depth);
            return self.formless_table(position, table, outer);
        }
        let mut step = self.set_expression(carried.as_ref().unwrap_or(right), outer)?;
        if let Some(clauses) = clauses {
            step = self.next_paths(clauses, step, &named)?;
        }
        if self.recursive_uses() == 0 {
            // It does not name itself after all.
            self.ctes.truncate(depth);
            return self.formless_table(position, table, outer);
        }
        refuse_clauses(query)?;
        let all = matches!(set_quantifier, SetQuantifier::All);
        let name = name_of(&table.alias.name);
        let mut bound = self
            .recursive(&name, number, all, base, step)
            .map_err(|error| error.at(place_of_target(right, 0)))?;
        bound.plan = self.with_tables(bound.plan, inner);
        self.ctes.truncate(depth);
        Clauses::show(&mut bound.columns);
        self.ready(table, bound, true)
    }

    /// A query of WITH RECURSIVE that does not name itself.
    fn formless_table(
        &mut self,
        position: usize,
        table: &ast::Cte,
        outer: &Scope<'_>,
    ) -> Result<(Defined, CommonState)> {
        if clauses_of(&table.query)?.is_some() {
            return Err(Clauses::not_recursive());
        }
        self.begin(position, Part::Formless);
        let bound = self.query(&table.query, outer)?;
        self.ready(table, bound, false)
    }

    fn begin(&mut self, position: usize, part: Part) {
        self.ctes[position].state = CommonState::Open(Recursion {
            part,
            depth: self.subqueries,
            uses: 0,
        });
    }

    /// How often the queries that are being bound have named themselves.
    pub(super) fn recursive_uses(&self) -> usize {
        let uses = self.ctes.iter().map(|table| match &table.state {
            CommonState::Open(recursion) => recursion.uses,
            CommonState::Waiting | CommonState::Ready { .. } => 0,
        });
        uses.sum()
    }

    /// An error if a query has named itself since there were so many `uses`.
    pub(super) fn refuse_recursion(&self, uses: usize, place: &str) -> Result<()> {
        if self.recursive_uses() == uses {
            return Ok(());
        }
        let name = self.ctes.iter().rev().find_map(|table| match &table.state {
            CommonState::Open(recursion) if recursion.uses > 0 => Some(&table.name),
            _ => None,
        });
        Err(misplaced(name.map_or("", String::as_str), place))
    }

    /// Whether a query that is being bound is named among these items themselves.
    pub(super) fn names_itself(&self, from: &[ast::TableWithJoins]) -> bool {
        let is_open = |factor: &ast::TableFactor| match factor {
            ast::TableFactor::Table { name, .. } => {
                let name = words_of(name).unwrap_or_default();
                let mut tables = self.ctes.iter();
                tables.any(|table| {
                    name == [table.name.as_str()] && matches!(table.state, CommonState::Open(_))
                })
            }
            ast::TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.names_itself(std::slice::from_ref(table_with_joins)),
            _ => false,
        };
        from.iter().any(|item| {
            is_open(&item.relation) || item.joins.iter().any(|join| is_open(&join.relation))
        })
    }

    fn recursive(
        &mut self,
        name: &str,
        number: NameNumber,
        all: bool,
        base: BoundQuery,
        step: BoundQuery,
    ) -> Result<BoundQuery> {
        if base.columns.len() != step.columns.len() {
            let message = "each UNION query must have the same number of columns";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        let mut columns = Vec::with_capacity(base.columns.len());
        let mut sides: [Vec<(ColumnId, Expr)>; 2] = [Vec::new(), Vec::new()];
        for (index, (mine, theirs)) in base.columns.iter().zip(&step.columns).enumerate() {
            let pair =
                [mine, theirs].map(|column| Typed::new(Expr::Column(column.id), column.of.clone()));
            let (unified, of) = self.unify(pair.to_vec(), "UNION")?;
            if of != mine.of {
                let message = format!(
                    "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                    index + 1,
                    mine.of.full_name(),
                    of.full_name()
                );
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .with_hint("Cast the output of the non-recursive term to the correct type."));
            }
            if !all {
                check_equality(&of)?;
            }
            for (side, expr) in sides.iter_mut().zip(unified) {
                side.push((self.new_column(), expr));
            }
            columns.push(OutputColumn {
                name: mine.name.clone(),
                id: self.new_column(),
                of,
            });
        }
        let [base_items, step_items] = sides;
        let side = |plan: Plan, items: Vec<(ColumnId, Expr)>| {
            let ids = items.iter().map(|(id, _)| *id).collect();
            let input = Box::new(plan);
            (Plan::Project { input, items }, ids)
        };
        let plan = Plan::Recursive(Box::new(Recursive {
            number,
            all,
            columns: columns.iter().map(|column| column.id).collect(),
            base: side(base.plan, base_items),
            step: side(step.plan, step_items),
        }));
        Ok(BoundQuery { plan, columns })
    }
}

impl Recursion {
    /// A use of the query's own name, so many subqueries deep.
    fn used(&mut self, name: &str, depth: usize) -> Result<(NameNumber, Vec<OutputColumn>)> {
        let (number, columns) = match &self.part {
            Part::Formless => {
                let message = format!(
                    "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
                );
                return Err(Error::new(SqlState::INVALID_RECURSION, message));
            }
            Part::With => return Err(misplaced(name, "a subquery")),
            Part::Base => return Err(misplaced(name, "its non-recursive term")),
            Part::Step(number, columns) => (*number, columns.clone()),
        };
        if depth > self.depth {
            return Err(misplaced(name, "a subquery"));
        }
        self.uses += 1;
        if self.uses > 1 {
            let message =
                format!("recursive reference to query \"{name}\" must not appear more than once");
            return Err(Error::new(SqlState::INVALID_RECURSION, message));
        }
        Ok((number, columns))
    }
}

/// The names that WITH gives, each once.
fn names_in(with: &ast::With) -> Result<Vec<String>> {
    let tables = with.cte_tables.iter();
    let names: Vec<String> = tables.map(|table| name_of(&table.alias.name)).collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            let message = format!("WITH query name \"{name}\" specified more than once");
            let place = place(with.cte_tables[index].alias.name.span);
            return Err(Error::new(SqlState::DUPLICATE_ALIAS, message).at(place));
        }
    }
    Ok(names)
}

fn misplaced(name: &str, place: &str) -> Error {
    let message = format!("recursive reference to query \"{name}\" must not appear within {place}");
    Error::new(SqlState::INVALID_RECURSION, message)
}

fn not_at_top(name: &str) -> Error {
    let message = format!(
        "with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{name}\" must be at \
         the top level of its right-hand SELECT"
    );
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
}

fn refuse_clauses(query: &ast::Query) -> Result<()> {
    let limit = match &query.limit_clause {
        Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
            (limit.is_some(), offset.is_some())
        }
        Some(ast::LimitClause::OffsetCommaLimit { .. }) => (true, true),
        None => (false, false),
    };
    let what = if query.order_by.is_some() {
        "ORDER BY"
    } else if limit.1 {
        "OFFSET"
    } else if limit.0 || query.fetch.is_some() {
        "LIMIT"
    } else if !query.locks.is_empty() {
        "FOR UPDATE/SHARE"
    } else {
        return Ok(());
    };
    let message = format!("{what} in a recursive query is not implemented");
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}
