//! INSERT, UPDATE, DELETE.
//!
//! A statement that writes has a *source*: a plan whose rows say what to do. For INSERT it gives
//! the new rows; for UPDATE and DELETE the rows that are meant: their key, their columns as they
//! are, and whatever else FROM or USING gives.

use std::sync::Arc;

use rustdb_catalog::{Column, Generated, Table as Definition};
use rustdb_table::Table;
use rustdb_txn::ObjectMode;
use rustdb_types::{Type, Value};
use sqlparser::ast;
use sqlparser::ast::SetExpr;

use super::expression::Place;
use super::from::object_name;
use super::scope::{FromNames, NamedColumn, Relation, Scope};
use super::{Binder, OutputColumn, name_of};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::parse_expression;
use crate::plan::{Plan, Scan};

/// A statement that writes.
#[derive(Clone, Debug)]
pub struct Write {
    /// What it does.
    pub kind: WriteKind,
    /// To which table.
    pub table: Arc<Table>,
    /// Where the rows come from.
    pub source: Plan,
    /// The source's columns. INSERT: one for each place of a row. Else the row's key, one for each
    /// place, and the others.
    pub columns: Vec<ColumnId>,
    /// What it gives for each row that is written, of the new row (DELETE: the old one).
    pub returning: Option<Vec<(OutputColumn, Expr)>>,
}

/// What a statement that writes does.
#[derive(Clone, Debug)]
pub enum WriteKind {
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update {
        /// New values for some places.
        assignments: Vec<Assignment>,
        /// What has to hold of a row that another transaction changed meanwhile.
        recheck: Vec<Expr>,
    },
    /// `DELETE`.
    Delete {
        /// As for `UPDATE`.
        recheck: Vec<Expr>,
    },
}

/// A new value for a column.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The column's place.
    pub place: usize,
    /// The value, over the source's columns.
    pub value: Expr,
    /// Whether it is computed from the other new values.
    pub generated: bool,
}

impl Binder<'_> {
    // -------------------------------------------------------------------------------- INSERT

    pub(crate) fn insert(&mut self, insert: &ast::Insert) -> Result<Write> {
        refuse_insert(insert)?;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(Error::unsupported("INSERT INTO a function"));
        };
        let names = object_name(name)?;
        let definition = self.target_table(&names)?;
        let (scan, relation) = self.scan(&definition)?;
        self.lock_table(definition.oid, ObjectMode::RowExclusive);
        let Plan::Scan(scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let targets = insert_targets(&definition, insert)?;
        let (source, given) = self.insert_source(insert, &definition, &targets)?;
        let (source, columns) = self.complete_rows(source, &definition, &targets, given)?;
        let alias = insert
            .table_alias
            .as_ref()
            .map(|alias| name_of(&alias.alias));
        let named = relation.columns.into_iter().map(|column| {
            let place = scan.columns.iter().find(|(id, _)| *id == column.id);
            let id = place.map_or(column.id, |(_, place)| columns[*place]);
            NamedColumn { id, ..column }
        });
        let scope = Scope {
            parent: None,
            from: FromNames::of(Relation {
                name: alias.unwrap_or(relation.name),
                schema: None,
                columns: named.collect(),
            }),
        };
        let returning = self.returning(insert.returning.as_deref(), &scope)?;
        Ok(Write {
            kind: WriteKind::Insert,
            table: scan.table,
            source,
            columns,
            returning,
        })
    }

    /// The rows that are written out or selected: a column for each target.
    fn insert_source(
        &mut self,
        insert: &ast::Insert,
        definition: &Definition,
        targets: &[usize],
    ) -> Result<(Plan, Vec<Option<ColumnId>>)> {
        let Some(query) = &insert.source else {
            return Ok((Plan::one_row(), vec![None; targets.len()]));
        };
        let plain =
            query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
        if let (SetExpr::Values(values), true) = (&*query.body, plain) {
            return self.insert_values(values, definition, targets);
        }
        let bound = self.query(query, &Scope::default())?;
        check_count(bound.columns.len(), targets.len())?;
        let mut items = Vec::with_capacity(bound.columns.len());
        for (column, place) in bound.columns.iter().zip(targets) {
            let target = &definition.columns[*place];
            refuse_generated(target)?;
            let typed = Typed::new(Expr::Column(column.id), column.of.clone());
            let value = self.assign(typed, &target.column_type, &target.name)?;
            items.push((self.new_column(), value));
        }
        let given = items.iter().map(|(id, _)| Some(*id)).collect();
        let plan = Plan::Project {
            input: Box::new(bound.plan),
            items,
        };
        Ok((plan, given))
    }

    fn insert_values(
        &mut self,
        values: &ast::Values,
        definition: &Definition,
        targets: &[usize],
    ) -> Result<(Plan, Vec<Option<ColumnId>>)> {
        let nothing = Scope::default();
        let width = values.rows.first().map_or(0, |row| row.content.len());
        check_count(width, targets.len())?;
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            if row.content.len() != width {
                let message = "VALUES lists must all be the same length";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            let mut items = Vec::with_capacity(width);
            for (item, place) in row.content.iter().zip(targets) {
                let column = &definition.columns[*place];
                if is_default(item) {
                    items.push(self.default_value(column)?);
                    continue;
                }
                refuse_generated(column)?;
                let typed = self.expression(item, &mut Place::new(&nothing, "VALUES"))?;
                items.push(self.assign(typed, &column.column_type, &column.name)?);
            }
            rows.push(items);
        }
        let columns: Vec<ColumnId> = (0..width).map(|_| self.new_column()).collect();
        let given = columns.iter().map(|id| Some(*id)).collect();
        Ok((Plan::Values { columns, rows }, given))
    }

    /// Adds what is not given: defaults, then what is generated from the rest.
    fn complete_rows(
        &mut self,
        source: Plan,
        definition: &Definition,
        targets: &[usize],
        given: Vec<Option<ColumnId>>,
    ) -> Result<(Plan, Vec<ColumnId>)> {
        let mut items = Vec::with_capacity(definition.columns.len());
        for (place, column) in definition.columns.iter().enumerate() {
            let at = targets.iter().position(|target| *target == place);
            let item = match at.and_then(|at| given.get(at).copied().flatten()) {
                Some(id) => Expr::Column(id),
                None => self.default_value(column)?,
            };
            items.push((self.new_column(), item));
        }
        let columns: Vec<ColumnId> = items.iter().map(|(id, _)| *id).collect();
        let plan = Plan::Project {
            input: Box::new(source),
            items,
        };
        self.generate(plan, definition, columns)
    }

    /// Adds generated columns, from those that are there.
    fn generate(
        &mut self,
        input: Plan,
        definition: &Definition,
        mut columns: Vec<ColumnId>,
    ) -> Result<(Plan, Vec<ColumnId>)> {
        let mut made = Vec::new();
        for (place, column) in definition.columns.iter().enumerate() {
            if let Some(value) = self.generated_value(definition, column, &columns)? {
                made.push((place, value));
            }
        }
        if made.is_empty() {
            return Ok((input, columns));
        }
        let mut items: Vec<(ColumnId, Expr)> =
            columns.iter().map(|id| (*id, Expr::Column(*id))).collect();
        for (place, value) in made {
            columns[place] = self.new_column();
            items[place] = (columns[place], value);
        }
        let plan = Plan::Project {
            input: Box::new(input),
            items,
        };
        Ok((plan, columns))
    }

    /// The value of a generated column, over the columns at their places.
    fn generated_value(
        &mut self,
        definition: &Definition,
        column: &Column,
        columns: &[ColumnId],
    ) -> Result<Option<Expr>> {
        let Some(Generated::Stored(expression)) = &column.generated else {
            return Ok(None);
        };
        if column.dropped {
            return Ok(None);
        }
        let mut value =
            super::bind_column_expression(&expression.text, definition, column, self.settings)?;
        value.rewrite(&mut |expr| match expr {
            Expr::Input(place) => columns.get(*place).map(|id| Expr::Column(*id)),
            _ => None,
        });
        Ok(Some(value))
    }

    /// What a column gets if nothing is said: its default, its sequence's next value, or NULL.
    fn default_value(&mut self, column: &Column) -> Result<Expr> {
        if let Some(Generated::Identity { sequence, .. }) = &column.generated {
            let value = Typed::new(Expr::NextValue(*sequence), Type::INT8);
            return self.assign(value, &column.column_type, &column.name);
        }
        let Some(default) = column.default.as_ref().filter(|_| !column.dropped) else {
            return Ok(Expr::Constant(Value::Null));
        };
        let written = parse_expression(&default.text)?;
        let nothing = Scope::default();
        let typed = self.expression(&written, &mut Place::new(&nothing, "DEFAULT expressions"))?;
        self.assign(typed, &column.column_type, &column.name)
    }

    // ----------------------------------------------------------------------- UPDATE and DELETE

    pub(crate) fn update(&mut self, update: &ast::Update) -> Result<Write> {
        refuse_update(update)?;
        let from = match &update.from {
            None => &[][..],
            Some(
                ast::UpdateTableFromKind::BeforeSet(items)
                | ast::UpdateTableFromKind::AfterSet(items),
            ) => items,
        };
        let (target, scope, source) =
            self.written_rows(&update.table, from, update.selection.as_ref())?;
        let definition = target.table.definition().clone();
        let mut assignments = Vec::with_capacity(update.assignments.len());
        for written in &update.assignments {
            self.assignments(written, &definition, &scope, &mut assignments)?;
        }
        for (place, column) in definition.columns.iter().enumerate() {
            let mut new: Vec<ColumnId> = target.columns[1..].to_vec();
            new.truncate(definition.columns.len());
            if let Some(value) = self.generated_value(&definition, column, &new)? {
                assignments.push(Assignment {
                    place,
                    value,
                    generated: true,
                });
            }
        }
        let returning = self.returning(update.returning.as_deref(), &scope)?;
        Ok(Write {
            kind: WriteKind::Update {
                assignments,
                recheck: source.recheck,
            },
            table: target.table,
            source: source.plan,
            columns: target.columns,
            returning,
        })
    }

    pub(crate) fn delete(&mut self, delete: &ast::Delete) -> Result<Write> {
        if !delete.tables.is_empty() || !delete.order_by.is_empty() || delete.limit.is_some() {
            return Err(Error::unsupported("this form of DELETE"));
        }
        let (ast::FromTable::WithFromKeyword(tables) | ast::FromTable::WithoutKeyword(tables)) =
            &delete.from;
        let [table] = &tables[..] else {
            return Err(Error::unsupported("DELETE from several tables"));
        };
        let using = delete.using.as_deref().unwrap_or_default();
        let (target, scope, source) = self.written_rows(table, using, delete.selection.as_ref())?;
        let returning = self.returning(delete.returning.as_deref(), &scope)?;
        Ok(Write {
            kind: WriteKind::Delete {
                recheck: source.recheck,
            },
            table: target.table,
            source: source.plan,
            columns: target.columns,
            returning,
        })
    }

    /// The rows of a table that UPDATE or DELETE mean, joined with FROM or USING.
    fn written_rows(
        &mut self,
        target: &ast::TableWithJoins,
        from: &[ast::TableWithJoins],
        condition: Option<&ast::Expr>,
    ) -> Result<(Target, Scope<'static>, Source)> {
        let ast::TableFactor::Table { name, alias, .. } = &target.relation else {
            return Err(Error::unsupported(format!(
                "writing to `{}`",
                target.relation
            )));
        };
        if !target.joins.is_empty() {
            return Err(Error::unsupported("a join as the target"));
        }
        let definition = self.target_table(&object_name(name)?)?;
        let (scan, relation) = self.scan(&definition)?;
        self.lock_table(definition.oid, ObjectMode::RowExclusive);
        let Plan::Scan(mut scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let key = self.new_column();
        scan.key = Some(key);
        let mut columns = vec![key];
        columns.extend(self.all_places(&mut scan, definition.columns.len()));
        let table = scan.table.clone();
        let relation = self.aliased(relation, alias.as_ref())?;
        scan.alias.clone_from(&relation.name);
        let mut names = FromNames::of(relation);
        let mut plan = Plan::Scan(scan);
        if !from.is_empty() {
            let others = self.from(from, &Scope::default())?;
            columns.extend(others.plan.columns());
            names = names.join(others.names)?;
            plan = Plan::Join(Box::new(crate::plan::Join {
                kind: crate::plan::JoinKind::Inner,
                method: crate::plan::JoinMethod::default(),
                left: plan,
                right: others.plan,
                conditions: Vec::new(),
            }));
        }
        let scope = Scope {
            parent: None,
            from: names,
        };
        let mut recheck = Vec::new();
        if let Some(condition) = condition {
            let condition = self.expression(condition, &mut Place::new(&scope, "WHERE"))?;
            recheck = self.coerce_to_bool(condition, "WHERE")?.conjuncts();
            plan = plan.filtered(recheck.clone());
        }
        Ok((Target { table, columns }, scope, Source { plan, recheck }))
    }

    /// Has the scan read the row's every place; gives their columns in order.
    fn all_places(&mut self, scan: &mut Scan, places: usize) -> Vec<ColumnId> {
        (0..places)
            .map(|place| {
                let known = scan.columns.iter().find(|(_, at)| *at == place);
                match known {
                    Some((id, _)) => *id,
                    None => {
                        let id = self.new_column();
                        scan.columns.push((id, place));
                        id
                    }
                }
            })
            .collect()
    }

    fn assignments(
        &mut self,
        written: &ast::Assignment,
        definition: &Definition,
        scope: &Scope<'_>,
        out: &mut Vec<Assignment>,
    ) -> Result<()> {
        let pairs: Vec<(&ast::ObjectName, &ast::Expr)> = match (&written.target, &written.value) {
            (ast::AssignmentTarget::ColumnName(name), value) => vec![(name, value)],
            (ast::AssignmentTarget::Tuple(names), ast::Expr::Tuple(values))
                if names.len() == values.len() =>
            {
                names.iter().zip(values).collect()
            }
            _ => return Err(Error::unsupported(format!("the assignment `{written}`"))),
        };
        for (name, value) in pairs {
            let names = object_name(name)?;
            let name = names.last().map(String::as_str).unwrap_or_default();
            let (place, column) = place_of(definition, name)?;
            if out.iter().any(|other| other.place == place) {
                let message = format!("multiple assignments to same column \"{name}\"");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
            let value = if is_default(value) {
                self.default_value(column)?
            } else {
                refuse_update_of(column)?;
                let typed = self.expression(value, &mut Place::new(scope, "UPDATE"))?;
                self.assign(typed, &column.column_type, &column.name)?
            };
            out.push(Assignment {
                place,
                value,
                generated: false,
            });
        }
        Ok(())
    }

    fn returning(
        &mut self,
        items: Option<&[ast::SelectItem]>,
        scope: &Scope<'_>,
    ) -> Result<Option<Vec<(OutputColumn, Expr)>>> {
        let Some(items) = items else {
            return Ok(None);
        };
        self.returned(items, scope).map(Some)
    }
}

/// The table that is written, and the columns of the source.
struct Target {
    table: Arc<Table>,
    columns: Vec<ColumnId>,
}

struct Source {
    plan: Plan,
    recheck: Vec<Expr>,
}

fn place_of<'d>(definition: &'d Definition, name: &str) -> Result<(usize, &'d Column)> {
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

fn insert_targets(definition: &Definition, insert: &ast::Insert) -> Result<Vec<usize>> {
    if insert.columns.is_empty() {
        let live = definition.columns.iter().enumerate();
        let live = live.filter(|(_, column)| !column.dropped);
        let mut places: Vec<usize> = live.map(|(place, _)| place).collect();
        // Fewer values than columns: the others get their defaults.
        if let Some(width) = insert.source.as_deref().and_then(width_of) {
            places.truncate(width);
            if width > places.len() {
                return Err(too_many());
            }
        }
        return Ok(places);
    }
    let mut places = Vec::with_capacity(insert.columns.len());
    for name in &insert.columns {
        let names = object_name(name)?;
        let name = names.last().map(String::as_str).unwrap_or_default();
        let (place, _) = place_of(definition, name)?;
        if places.contains(&place) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        places.push(place);
    }
    Ok(places)
}

/// How many columns a query has, where that can be seen.
fn width_of(query: &ast::Query) -> Option<usize> {
    let mut body = &*query.body;
    loop {
        match body {
            SetExpr::Values(values) => return values.rows.first().map(|row| row.content.len()),
            SetExpr::Select(select) => {
                let plain = select.projection.iter().all(|item| {
                    matches!(
                        item,
                        ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. }
                    )
                });
                return plain.then_some(select.projection.len());
            }
            SetExpr::Query(inner) => body = &inner.body,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    }
}

fn too_many() -> Error {
    let message = "INSERT has more expressions than target columns";
    Error::new(SqlState::SYNTAX_ERROR, message)
}

fn check_count(given: usize, targets: usize) -> Result<()> {
    if given > targets {
        return Err(too_many());
    }
    if given < targets {
        let message = "INSERT has more target columns than expressions";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    Ok(())
}

/// The word DEFAULT in place of a value.
fn is_default(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Identifier(name) => {
            name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default")
        }
        _ => false,
    }
}

fn refuse_generated(column: &Column) -> Result<()> {
    let name = &column.name;
    let detail = match &column.generated {
        Some(Generated::Identity { always: true, .. }) => {
            format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
        }
        Some(Generated::Stored(_)) => format!("Column \"{name}\" is a generated column."),
        _ => return Ok(()),
    };
    let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
    let error = Error::new(SqlState::GENERATED_ALWAYS, message).with_detail(detail);
    Err(match &column.generated {
        Some(Generated::Identity { .. }) => {
            error.with_hint("Use OVERRIDING SYSTEM VALUE to override.")
        }
        _ => error,
    })
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

fn refuse_insert(insert: &ast::Insert) -> Result<()> {
    let is_foreign = insert.overwrite
        || insert.or.is_some()
        || insert.replace_into
        || insert.ignore
        || !insert.assignments.is_empty()
        || insert.partitioned.is_some();
    let what = if insert.on.is_some() {
        "ON CONFLICT"
    } else if is_foreign {
        "this form of INSERT"
    } else if insert.output.is_some() || insert.settings.is_some() {
        "OUTPUT or SETTINGS"
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}

fn refuse_update(update: &ast::Update) -> Result<()> {
    let plain = update.or.is_none()
        && update.output.is_none()
        && update.order_by.is_empty()
        && update.limit.is_none();
    match plain {
        true => Ok(()),
        false => Err(Error::unsupported("this form of UPDATE")),
    }
}
