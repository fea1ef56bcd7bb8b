//! COPY ... FROM.

use std::io::Read;
use std::sync::Arc;

use rustdb_catalog::{Column, Generated};
use rustdb_table::{Load, Statement, Table};
use rustdb_types::{Element, Type, Value};

use super::ahead::Ahead;
use super::lines::{Chunk, Feed, Lines};
use super::options::{Columns, options};
use super::output::missing_column;
use crate::bind::{Binder, Surroundings, missing_relation, new_name, object_name};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Context, evaluate_row};
use crate::expr::{Expr, Typed};
use crate::parse::utility::{Copy, CopySource};

/// A load, made ready.
pub(crate) struct CopyIn {
    pub(crate) table: Arc<Table>,
    /// How lines become rows.
    pub(super) lines: Arc<Lines>,
    /// What the other places get, and what makes values of domains of those that are given: in
    /// order, over the row so far.
    pub(super) made: Vec<(usize, Expr)>,
    /// What has to hold of a row that is to be taken.
    conditions: Vec<Expr>,
}

/// Other threads help, and an empty table is loaded, when there is more than this.
const ALONE_BYTES_MAX: usize = 256 << 10;

impl CopyIn {
    /// Finds out what a statement means.
    pub(crate) fn new(copy: &Copy, around: &Surroundings<'_>) -> Result<CopyIn> {
        let CopySource::Table(name, written) = &copy.source else {
            return Err(Error::internal("a query is not written to"));
        };
        let names = object_name(name)?;
        let mut binder = Binder::for_statement(around);
        let definition = match binder.find_relation(&names)? {
            Some(rustdb_catalog::Relation::Table(table)) => table,
            None => return Err(missing_relation(&names)),
            Some(other) => return Err(not_a_table(&other, &names)),
        };
        // The order in which PostgreSQL finds what is wrong.
        let mut conditions = Vec::new();
        if let Some(condition) = &copy.condition {
            let text = condition.to_string();
            let (settings, catalog) = (around.settings, Some(&around.catalog));
            let typed = crate::bind::bind_table_expression(&text, &definition, settings, catalog)?;
            conditions = binder.coerce_to_bool(typed, "WHERE")?.conjuncts();
        }
        let places = places_of(&definition, written)?;
        let options = options(copy)?;
        let forced = [&options.force_not_null, &options.force_null];
        for name in forced.into_iter().flat_map(Columns::names) {
            if definition.column_named(name).is_none() {
                return Err(missing_column(&definition, name));
            }
        }
        let names: Vec<String> = places
            .iter()
            .map(|place| definition.columns[*place].name.clone())
            .collect();
        let mut made = Vec::new();
        for (place, column) in definition.columns.iter().enumerate() {
            let is_given = places.contains(&place);
            let of = &column.column_type;
            let below = unchecked(of);
            if !is_given {
                made.push((place, binder.default_for(column)?));
            } else if below != *of {
                let value = Typed::new(Expr::Input(place), below);
                made.push((place, binder.assign(value, of, &column.name)?));
            }
        }
        for (place, column) in definition.columns.iter().enumerate() {
            if let Some(expr) = binder.generated_for(&definition, column)? {
                made.push((place, expr));
            }
        }
        let types = places.iter();
        let types = types.map(|place| unchecked(&definition.columns[*place].column_type));
        let lines = Lines {
            table: definition.name.clone(),
            width: definition.columns.len(),
            force_not_null: options.force_not_null.places(&names, "FORCE_NOT_NULL")?,
            force_null: options.force_null.places(&names, "FORCE_NULL")?,
            types: types.collect(),
            settings: Arc::new(around.settings.clone()),
            options,
            places,
            names,
        };
        Ok(CopyIn {
            table: around.database.table(&definition, &around.catalog)?,
            lines: Arc::new(lines),
            made,
            conditions,
        })
    }

    /// Reads all lines into the table; returns how many rows there were. Of a long input, another
    /// thread makes rows, while this one reads and inserts.
    pub(crate) fn run(
        &self,
        source: &mut dyn Read,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<u64> {
        if self.lines.options.is_binary {
            return self.run_binary(source, statement, cx);
        }
        let mut feed = Feed::new(self.lines.clone());
        let mut first = Vec::new();
        let mut bytes = 0;
        let is_short = loop {
            cx.check_cancelled()?;
            let mut chunk = Chunk::default();
            feed.fill(source, &mut chunk);
            bytes += chunk.bytes();
            first.push(chunk);
            if first[first.len() - 1].is_last {
                break true;
            }
            if bytes >= ALONE_BYTES_MAX {
                break false;
            }
        };
        let mut rows = 0;
        let mut load = match is_short {
            true => None,
            false => self.start_load(&first, statement, cx)?,
        };
        if load.is_some() && self.stores_at_once() {
            feed.store_as(&self.table);
        }
        let ahead = match is_short {
            true => None,
            false => Some(Ahead::start(feed, cx)?),
        };
        for mut chunk in first {
            rows += self.take_chunk(&mut chunk, &mut load, statement, cx)?;
        }
        match ahead {
            None => (),
            Some(Ok(mut ahead)) => loop {
                let mut chunk = ahead.next(source, cx)?;
                rows += self.take_chunk(&mut chunk, &mut load, statement, cx)?;
                if chunk.is_last {
                    break;
                }
            },
            Some(Err(mut feed)) => loop {
                let mut chunk = Chunk::default();
                feed.fill(source, &mut chunk);
                rows += self.take_chunk(&mut chunk, &mut load, statement, cx)?;
                if chunk.is_last {
                    break;
                }
            },
        }
        self.end_load(&mut load, cx)?;
        Ok(rows)
    }

    /// Begins to load the table, if it is empty; the first rows tell whether they come in the order of
    /// their keys.
    fn start_load(
        &self,
        first: &[Chunk],
        statement: &Statement,
        cx: &mut Context<'_>,
    ) -> Result<Option<Load>> {
        let width = self.lines.width;
        let rows = first.iter().flat_map(|chunk| chunk.all(width));
        let is_ordered = self.table.are_ascending(rows);
        let transaction = cx.transaction()?;
        Ok(self.table.start_load(transaction, statement, is_ordered)?)
    }

    /// Makes the rows of a load rows that are written.
    fn end_load(&self, load: &mut Option<Load>, cx: &mut Context<'_>) -> Result<()> {
        match load.take() {
            Some(load) => Ok(self.table.finish_load(cx.transaction_mut()?, load)?),
            None => Ok(()),
        }
    }

    /// Inserts the rows of some lines; returns how many.
    fn take_chunk(
        &self,
        chunk: &mut Chunk,
        load: &mut Option<Load>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<u64> {
        let lines = &self.lines;
        let mut rows = 0;
        for number in 0..chunk.rows() {
            cx.check_cancelled()?;
            if chunk.is_stored() {
                let (key, row, line) = chunk.stored(number);
                let taken = self.take_stored((key, row), load, statement, cx);
                taken.map_err(|error| lines.refused(error, line))?;
                rows += 1;
                continue;
            }
            let (row, line) = chunk.row_mut(number, lines.width);
            for (place, expr) in &self.made {
                let value = evaluate_row(expr, row, cx);
                row[*place] = value.map_err(|error| lines.in_column(error, *place, line))?;
            }
            let taken = self.take(row, load, statement, cx);
            rows += u64::from(taken.map_err(|error| lines.refused(error, line))?);
        }
        match chunk.error.take() {
            Some(error) => Err(error),
            None => Ok(rows),
        }
    }

    /// Whether rows can be made as the table stores them where lines are read.
    fn stores_at_once(&self) -> bool {
        self.made.is_empty() && self.conditions.is_empty() && self.table.stores_at_once()
    }

    /// Takes a row that is as the table stores it: adds it to the load, or inserts it.
    fn take_stored(
        &self,
        (key, row): (&[u8], &[u8]),
        load: &mut Option<Load>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        if let Some(load) = load
            && self.table.load_stored(load, key, row)?
        {
            return Ok(());
        }
        self.end_load(load, cx)?;
        let mut values = vec![Value::Null; self.lines.width];
        self.table.decode_row(row, &mut values)?;
        self.table
            .insert(cx.transaction_mut()?, &values, statement)?;
        Ok(())
    }

    /// Inserts a row, or adds it to a load, unless a condition keeps it out.
    pub(super) fn take(
        &self,
        row: &[Value],
        load: &mut Option<Load>,
        statement: &mut Statement,
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        for condition in &self.conditions {
            if evaluate_row(condition, row, cx)?.as_bool() != Some(true) {
                return Ok(false);
            }
        }
        if let Some(load) = load
            && self.table.load(load, row, statement)?
        {
            return Ok(true);
        }
        self.end_load(load, cx)?;
        self.table.insert(cx.transaction_mut()?, row, statement)?;
        Ok(true)
    }
}

/// The places of the columns that lines have.
fn places_of(
    definition: &rustdb_catalog::Table,
    written: &[sqlparser::ast::Ident],
) -> Result<Vec<usize>> {
    let is_generated = |column: &Column| matches!(column.generated, Some(Generated::Stored(_)));
    if written.is_empty() {
        let columns = definition.columns.iter().enumerate();
        let plain = columns.filter(|(_, column)| !column.dropped && !is_generated(column));
        return Ok(plain.map(|(place, _)| place).collect());
    }
    let mut places = Vec::with_capacity(written.len());
    for name in written {
        let name = new_name(name)?;
        let column = definition.column_named(&name).ok_or_else(|| {
            let message = format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                definition.name
            );
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        if is_generated(column) {
            let message = format!("column \"{name}\" is a generated column");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                .with_detail("Generated columns cannot be used in COPY."));
        }
        let place = column.id as usize - 1;
        if places.contains(&place) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        places.push(place);
    }
    Ok(places)
}

/// The type that a value is read as before domains look at it: below them, and so its elements.
fn unchecked(of: &Type) -> Type {
    let below = of.without_domains();
    match (&below.element, below.array) {
        (Element::Domain(domain), true) => domain.base.without_domains().array_of(),
        _ => below,
    }
}

fn not_a_table(found: &rustdb_catalog::Relation, names: &[String]) -> Error {
    let name = names.last().map_or("", String::as_str);
    match found {
        rustdb_catalog::Relation::View(_) => Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("cannot copy to view \"{name}\""),
        )
        .with_hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."),
        rustdb_catalog::Relation::Sequence(_) => {
            let message = format!("cannot copy to sequence \"{name}\"");
            Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        }
        _ => {
            let message = format!("cannot copy to non-table relation \"{name}\"");
            Error::new(SqlState::WRONG_OBJECT_TYPE, message)
        }
    }
}
