//! `\d` and its kin: what there is, asked of the system's catalogs.

use super::session::Shell;
use crate::failure::{Failure, Result};

/// Runs a command of this family.
pub fn run(_session: &mut Shell, name: &str, _words: &[&str]) -> Result<()> {
    Err(Failure::usage(format!("invalid command \\{name}")).hint("`\\?` lists the commands"))
}

/// The tables of the search path, with the names of their columns.
pub fn tables(session: &mut Shell) -> Result<Vec<(String, Vec<String>)>> {
    let rows = session.ask(
        "SELECT c.relname, a.attname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         ORDER BY c.relname, n.nspname, a.attnum",
    )?;
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let cells = (
            row.text(0).unwrap_or_default(),
            row.text(1).unwrap_or_default(),
        );
        match tables.last_mut() {
            Some((name, columns)) if *name == cells.0 => columns.push(cells.1),
            _ => tables.push((cells.0, vec![cells.1])),
        }
    }
    Ok(tables)
}
