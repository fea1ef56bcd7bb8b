//! Carries out what [`rustty`](super::rustty) understood, in rustty's words.

use rustdb::sql::{Connection, StatementResult};

use super::rustty::{Asked, Told};
use super::session::{Next, Shell};
use super::show::{Format, Grid};
use super::{describe, help};
use crate::failure::{Failure, Result};

/// Carries it out.
pub fn run(session: &mut Shell, asked: Asked) -> Result<Next> {
    match asked {
        Asked::Help => session.show_page(&help::welcome())?,
        Asked::Quit => return Ok(Next::Quit),
        Asked::Demo => {
            super::demonstrate(&session.database, &mut session.output)?;
        }
        Asked::Tables => tables(session)?,
        Asked::Statement { sql, table, told } => statement(session, &sql, &table, &told)?,
    }
    session.output.flush()?;
    Ok(Next::Continue)
}

/// Whether a table takes its columns from its rows, as rustty's did. One that is not there could
/// only be such a table: what a line says of it is an error, and goes on in no other line.
pub fn is_flexible(connection: &mut Connection, table: &str) -> bool {
    let rows = connection.query(
        "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'v', 'S') \
         AND NOT coalesce('flexible=true' = ANY (reloptions), false)",
        &[table.into()],
    );
    rows.is_ok_and(|rows| rows.is_empty())
}

fn tables(session: &mut Shell) -> Result<()> {
    let tables = describe::tables(session)?;
    if session.is_json() {
        let mut grid = Grid::text("", &["table", "columns"]);
        let row =
            |(name, columns): (String, Vec<String>)| vec![Some(name), Some(columns.join(", "))];
        grid.rows = tables.into_iter().map(row).collect();
        return session.show_grid(&grid);
    }
    if tables.is_empty() {
        return session.output.line("No tables.");
    }
    for (name, columns) in tables {
        session
            .output
            .line(&format!("  {name} ({})", columns.join(", ")))?;
    }
    Ok(())
}

fn statement(session: &mut Shell, sql: &str, table: &str, told: &Told) -> Result<()> {
    session.last = sql.to_owned();
    let results = match session.execute(sql) {
        Ok(results) => results,
        Err(failure) => return failed(session, failure, table, told),
    };
    let Some(result) = results.last() else {
        return Ok(());
    };
    session.show_notices(result.notices())?;
    if session.is_json() {
        return match result.columns() {
            Some(_) => session.show_result(result),
            None => Ok(()),
        };
    }
    match told {
        Told::Rows => session.show_result(result),
        Told::Count => {
            let count = result.rows().first().and_then(|row| row.text(0));
            session.output.line(&count.unwrap_or_default())
        }
        Told::Row(number) => row(session, result, table, number),
        Told::Created(columns) => session.output.line(&format!(
            "Created table '{table}' with columns: {}",
            columns.join(", ")
        )),
        Told::Inserted => result.rows().iter().try_for_each(|row| {
            let number = row.text(0).unwrap_or_default();
            let line = format!("Inserted row with _id={number} into '{table}'");
            session.output.line(&line)
        }),
        Told::Deleted => {
            let count = result.tag().rsplit(' ').next().unwrap_or("0");
            let word = if count == "1" { "row" } else { "rows" };
            session
                .output
                .line(&format!("Deleted {count} {word} from '{table}'"))
        }
        Told::Dropped => session.output.line(&format!("Dropped table '{table}'")),
    }
}

fn row(session: &mut Shell, result: &StatementResult, table: &str, number: &str) -> Result<()> {
    let (Some(row), Some(names)) = (result.rows().first(), result.columns()) else {
        let line = format!("No row with _id={number} in '{table}'");
        return session.output.line(&line);
    };
    if session.look.format != Format::Aligned {
        return session.show_result(result);
    }
    for (place, name) in names.iter().enumerate() {
        let text = row.text(place).unwrap_or_else(|| "NULL".to_owned());
        session.output.line(&format!("  {name}: {text}"))?;
    }
    Ok(())
}

/// What rustty said about the mistakes that it knew.
fn failed(session: &mut Shell, failure: Failure, table: &str, told: &Told) -> Result<()> {
    let Failure::Statement(mut statement) = failure else {
        return Err(failure);
    };
    match (statement.sqlstate.as_str(), told) {
        ("42P07", Told::Created(_)) => {
            statement.message = format!("Table '{table}' already exists");
        }
        ("42P01", _) => {
            statement.message = format!("Table '{table}' does not exist");
            statement.place = None;
            if *told == Told::Inserted {
                let hint = format!("`CREATE TABLE {table} (name, ...)` makes it");
                statement.hint = Some(hint);
            }
        }
        // A column that no row has is equal to nothing.
        ("42703", Told::Rows) if is_flexible(&mut session.connection, table) => {
            let sql = format!("SELECT * FROM {} WHERE false", super::rustty::quoted(table));
            return session.run_text(&sql);
        }
        _ => (),
    }
    Err(Failure::Statement(statement))
}
