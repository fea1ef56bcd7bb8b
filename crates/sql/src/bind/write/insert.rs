//! INSERT: the rows, completed by what is not said.

use rustdb_catalog::{Column, Generated, Table as Definition};
use rustdb_txn::ObjectMode;
use rustdb_types::{Type, Value};
use sqlparser::ast;
use sqlparser::ast::{SetExpr, Spanned};

use super::super::expression::Place;
use super::super::from::object_name;
use super::super::scope::{FromNames, NamedColumn, Relation, Scope, TableOid};
use super::super::{Binder, OutputColumn, bind_column_expression, new_name};
use super::assign::{is_default, part_of, place_of};
use super::through::{Through, Verb};
use super::{Write, WriteKind};
use crate::error::{Error, Position, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::{
    InsertClauses, Overriding, parse_expression, place, place_of_name, place_of_target,
};
use crate::plan::Plan;

impl Binder<'_> {
    pub(crate) fn insert(&mut self, insert: &ast::Insert) -> Result<Write> {
        refuse_insert(insert)?;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(Error::unsupported("INSERT INTO a function"));
        };
        let names = object_name(name)?;
        let (definition, views) = self
            .written_table(&names, Verb::Insert)
            .map_err(|error| error.at(place_of_name(name)))?;
        let (scan, mut relation) = self.scan(&definition)?;
        relation.tableoid = Some(TableOid::Known(definition.oid));
        self.lock_table(definition.oid, ObjectMode::RowExclusive);
        let Plan::Scan(scan) = scan else {
            return Err(Error::internal("a table is not read by a scan"));
        };
        let through = match views.is_empty() {
            true => None,
            false => {
                let (relation, places) = (relation.clone(), &scan.columns);
                Some(self.through(&views, relation, places, Verb::Insert)?)
            }
        };
        let targets = insert_targets(&definition, insert, through.as_ref())?;
        let overriding = InsertClauses::of(insert).overriding;
        let (source, given) = self.insert_source(insert, &definition, &targets, overriding)?;
        let (source, columns) = self.complete_rows(source, &definition, &targets, given)?;
        let alias = alias_of(insert)?;
        let mut written = new_rows(relation, &scan.columns, &columns);
        if alias.is_some() {
            written.schema = None;
        }
        // The view's names for the new row.
        let through = match through.is_some() {
            true => {
                let places: Vec<(ColumnId, usize)> = columns.iter().copied().zip(0..).collect();
                Some(self.through(&views, written.clone(), &places, Verb::Insert)?)
            }
            false => None,
        };
        if let Some(through) = &through {
            written = through.relation.clone();
        }
        if let Some(alias) = alias {
            written.alias_of = Some(std::mem::replace(&mut written.name, alias));
        }
        let scope = Scope {
            parent: None,
            from: FromNames::of(written),
        };
        let conflict = self.on_conflict(insert, &definition, &columns, &views)?;
        let returning = self.returning(insert.returning.as_deref(), &scope, through.as_ref())?;
        Ok(Write {
            kind: WriteKind::Insert {
                conflict: conflict.map(Box::new),
            },
            table: scan.table,
            source,
            columns,
            returning,
            checks: through.map_or(Vec::new(), |it| it.checks),
        })
    }

    /// The rows that are written out or selected: a column for each target.
    fn insert_source(
        &mut self,
        insert: &ast::Insert,
        definition: &Definition,
        targets: &[InsertTarget],
        overriding: Option<Overriding>,
    ) -> Result<(Plan, Vec<Option<ColumnId>>)> {
        let Some(query) = &insert.source else {
            return Ok((Plan::one_row(), vec![None; targets.len()]));
        };
        let plain =
            query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
        if let (SetExpr::Values(values), true) = (&*query.body, plain) {
            return self.insert_values(insert, values, definition, targets, overriding);
        }
        // A literal takes the type of its column.
        self.keeps_unknown = true;
        let bound = self.query(query, &Scope::default());
        self.keeps_unknown = false;
        let bound = bound?;
        check_count(bound.columns.len(), insert, targets.len())?;
        let mut items = Vec::with_capacity(bound.columns.len());
        let mut given = Vec::with_capacity(bound.columns.len());
        for (column, to) in bound.columns.iter().zip(targets) {
            let target = &definition.columns[to.place];
            if is_overridden(target, overriding) {
                given.push(None);
                continue;
            }
            refuse_generated(target, overriding)?;
            let typed = match literal_of(&bound.plan, column) {
                Some(literal) => Typed::new(literal.clone(), Type::UNKNOWN),
                None => {
                    let typed = Typed::new(Expr::Column(column.id), column.of.clone());
                    self.settle(typed)?
                }
            };
            let value = self.target_value(typed, target, to);
            let value =
                value.map_err(|error| error.at(place_of_target(&query.body, given.len())))?;
            items.push((self.new_column(), value));
            given.push(items.last().map(|(id, _)| *id));
        }
        let plan = Plan::Project {
            input: Box::new(bound.plan),
            items,
        };
        Ok((plan, given))
    }

    fn insert_values(
        &mut self,
        insert: &ast::Insert,
        values: &ast::Values,
        definition: &Definition,
        targets: &[InsertTarget],
        overriding: Option<Overriding>,
    ) -> Result<(Plan, Vec<Option<ColumnId>>)> {
        let nothing = Scope::default();
        let width = values.rows.first().map_or(0, |row| row.content.len());
        check_count(width, insert, targets.len())?;
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            if row.content.len() != width {
                let message = "VALUES lists must all be the same length";
                let begin = row.content.first().and_then(|item| place(item.span()));
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(begin));
            }
            let mut items = Vec::with_capacity(width);
            for (item, to) in row.content.iter().zip(targets) {
                let column = &definition.columns[to.place];
                if to.part.is_some() && is_default(item) {
                    let message = "cannot set an array element to DEFAULT";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).at(to.begin));
                }
                if is_default(item) || is_overridden(column, overriding) {
                    items.push(self.default_value(column)?);
                    continue;
                }
                refuse_generated(column, overriding)?;
                let typed = self.expression(item, &mut Place::new(&nothing, "VALUES"))?;
                items.push(self.target_value(typed, column, to)?);
            }
            rows.push(items);
        }
        let columns: Vec<ColumnId> = (0..width).map(|_| self.new_column()).collect();
        let given = columns.iter().map(|id| Some(*id)).collect();
        Ok((Plan::Values { columns, rows }, given))
    }

    /// A value as one of the column, or of the part of it, that it is for.
    fn target_value(&mut self, value: Typed, column: &Column, to: &InsertTarget) -> Result<Expr> {
        match &to.part {
            None => self.assign(value, &column.column_type, &column.name),
            Some(part) => {
                let of = self.part_type(column, part)?;
                self.part_value(value, &of, &column.name)
            }
        }
    }

    /// A column of which parts are given: NULL with these parts.
    fn of_parts(&mut self, column: &Column, parts: &[(&str, ColumnId)]) -> Result<Expr> {
        let nothing = Scope::default();
        let mut whole = Expr::Constant(Value::Null);
        for (part, id) in parts {
            let of = self.part_type(column, part)?;
            let value = Typed::new(Expr::Column(*id), of);
            let mut at = Place::new(&nothing, "VALUES");
            whole = self.with_part(whole, column, part, value, &mut at)?;
        }
        Ok(whole)
    }

    /// Adds what is not given: defaults, then what is generated from the rest.
    fn complete_rows(
        &mut self,
        source: Plan,
        definition: &Definition,
        targets: &[InsertTarget],
        given: Vec<Option<ColumnId>>,
    ) -> Result<(Plan, Vec<ColumnId>)> {
        let mut items = Vec::with_capacity(definition.columns.len());
        for (place, column) in definition.columns.iter().enumerate() {
            let mut parts = Vec::new();
            let mut whole = None;
            for (to, given) in targets
                .iter()
                .zip(&given)
                .filter(|(to, _)| to.place == place)
            {
                match (&to.part, given) {
                    (Some(part), Some(id)) => parts.push((part.as_str(), *id)),
                    _ => whole = *given,
                }
            }
            let item = match whole {
                _ if !parts.is_empty() => self.of_parts(column, &parts)?,
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
    pub(super) fn generated_value(
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
        let mut value = bind_column_expression(
            &expression.text,
            definition,
            column,
            self.settings,
            self.catalog.as_ref(),
        )?;
        value.rewrite(&mut |expr| match expr {
            Expr::Input(place) => columns.get(*place).map(|id| Expr::Column(*id)),
            _ => None,
        });
        Ok(Some(value))
    }

    /// As for an INSERT that says nothing of a column.
    pub(crate) fn default_for(&mut self, column: &Column) -> Result<Expr> {
        self.default_value(column)
    }

    /// A generated column's value over the other columns of the row, if it is one.
    pub(crate) fn generated_for(
        &mut self,
        definition: &Definition,
        column: &Column,
    ) -> Result<Option<Expr>> {
        let Some(Generated::Stored(expression)) = &column.generated else {
            return Ok(None);
        };
        let (text, catalog) = (&expression.text, self.catalog.as_ref());
        bind_column_expression(text, definition, column, self.settings, catalog).map(Some)
    }

    /// What a column gets if nothing is said: its default, its sequence's next value, or NULL.
    pub(super) fn default_value(&mut self, column: &Column) -> Result<Expr> {
        if let Some(Generated::Identity { sequence, .. }) = &column.generated {
            let value = Typed::new(Expr::NextValue(*sequence), Type::INT8);
            return self.assign(value, &column.column_type, &column.name);
        }
        let Some(default) = column.default.as_ref().filter(|_| !column.dropped) else {
            return self.default_of_type(column);
        };
        let written = parse_expression(&default.text)?;
        let nothing = Scope::default();
        let typed = self.expression(&written, &mut Place::new(&nothing, "DEFAULT expressions"));
        let value = typed.and_then(|typed| self.assign(typed, &column.column_type, &column.name));
        value.map_err(Error::elsewhere)
    }
}

/// What a value of a row is for.
struct InsertTarget {
    /// The column.
    place: usize,
    /// The part of it, as the rewritten name has it.
    part: Option<String>,
    /// Where it is named.
    begin: Option<Position>,
}

impl InsertTarget {
    fn whole(place: usize) -> InsertTarget {
        InsertTarget {
            place,
            part: None,
            begin: None,
        }
    }
}

/// What the target is called in the statement.
fn alias_of(insert: &ast::Insert) -> Result<Option<String>> {
    let alias = insert.table_alias.as_ref();
    alias.map(|alias| new_name(&alias.alias)).transpose()
}

fn insert_targets(
    definition: &Definition,
    insert: &ast::Insert,
    through: Option<&Through>,
) -> Result<Vec<InsertTarget>> {
    if through.is_some() && insert.source.is_none() {
        // DEFAULT VALUES.
        return Ok(Vec::new());
    }
    if insert.columns.is_empty() {
        let count = match through {
            None => definition.columns.len(),
            Some(through) => through.relation.columns.len(),
        };
        let is_live = |at: &usize| through.is_some() || !definition.columns[*at].dropped;
        let mut places: Vec<usize> = (0..count).filter(is_live).collect();
        // Fewer values than columns: the others get their defaults.
        if let Some(width) = insert.source.as_deref().and_then(width_of) {
            places.truncate(width);
            if width > places.len() {
                return Err(too_many(insert, places.len()));
            }
        }
        let places = places.into_iter().map(|at| {
            let place = match through {
                None => Ok(at),
                Some(through) => through.place(at, Verb::Insert),
            };
            place.map(InsertTarget::whole)
        });
        return places.collect();
    }
    let mut targets: Vec<InsertTarget> = Vec::with_capacity(insert.columns.len());
    for written in &insert.columns {
        let part = part_of(written);
        let names = object_name(written)?;
        // A column is written without its table; a part of it stands behind it.
        let name = names.first();
        let name = name.map(String::as_str).unwrap_or_default();
        let begin = place_of_name(written);
        let place = match through {
            None => place_of(definition, name).map(|(place, _)| place),
            Some(through) => through
                .column(name)
                .and_then(|at| through.place(at, Verb::Insert)),
        };
        let place = place.map_err(|error| error.at(begin))?;
        let is_twice =
            |other: &InsertTarget| other.place == place && (part.is_none() || other.part.is_none());
        if targets.iter().any(is_twice) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(begin));
        }
        targets.push(InsertTarget {
            place,
            part: part.map(str::to_owned),
            begin,
        });
    }
    Ok(targets)
}

/// What a column without a type is, if that is a literal or a parameter.
fn literal_of<'p>(plan: &'p Plan, column: &OutputColumn) -> Option<&'p Expr> {
    match plan {
        _ if column.of != Type::UNKNOWN => None,
        Plan::Project { items, input } => match items.iter().find(|(id, _)| *id == column.id) {
            Some((_, item)) => {
                matches!(item, Expr::Constant(_) | Expr::Parameter(_)).then_some(item)
            }
            None => literal_of(input, column),
        },
        Plan::Sort { input, .. } | Plan::Limit { input, .. } => literal_of(input, column),
        Plan::With(with) => literal_of(&with.body, column),
        _ => None,
    }
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

fn too_many(insert: &ast::Insert, targets: usize) -> Error {
    let message = "INSERT has more expressions than target columns";
    let source = insert.source.as_deref();
    Error::new(SqlState::SYNTAX_ERROR, message)
        .at(source.and_then(|source| place_of_target(&source.body, targets)))
}

fn check_count(given: usize, insert: &ast::Insert, targets: usize) -> Result<()> {
    if given > targets {
        return Err(too_many(insert, targets));
    }
    if given < targets {
        let message = "INSERT has more target columns than expressions";
        let extra = insert.columns.get(given);
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(extra.and_then(place_of_name)));
    }
    Ok(())
}

/// Whether a value that is given is passed over for the sequence's.
fn is_overridden(column: &Column, overriding: Option<Overriding>) -> bool {
    overriding == Some(Overriding::User)
        && matches!(column.generated, Some(Generated::Identity { .. }))
}

fn refuse_generated(column: &Column, overriding: Option<Overriding>) -> Result<()> {
    let name = &column.name;
    let detail = match &column.generated {
        Some(Generated::Identity { .. }) if overriding == Some(Overriding::System) => return Ok(()),
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

/// The table with its new rows, whose columns are these in the order of the table's.
fn new_rows(relation: Relation, read: &[(ColumnId, usize)], columns: &[ColumnId]) -> Relation {
    let named = relation.columns.into_iter().map(|column| {
        let place = read.iter().find(|(id, _)| *id == column.id);
        let id = place.map_or(column.id, |(_, place)| columns[*place]);
        NamedColumn { id, ..column }
    });
    Relation {
        columns: named.collect(),
        ..relation
    }
}

fn refuse_insert(insert: &ast::Insert) -> Result<()> {
    let is_foreign = insert.overwrite
        || insert.or.is_some()
        || insert.replace_into
        || insert.ignore
        || !insert.assignments.is_empty()
        || insert.partitioned.is_some();
    match is_foreign || insert.output.is_some() {
        true => Err(Error::unsupported("this form of INSERT")),
        false => Ok(()),
    }
}
