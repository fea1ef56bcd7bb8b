//! `\d` and its kin: what there is, asked of the system's catalogs as psql asks.

use rustdb::sql::Row;

use super::describe_one::describe;
use super::session::Shell;
use super::show::Grid;
use crate::failure::{Failure, Result};

/// Runs a command of this family. `+` asks for more, `S` for what is the system's.
pub fn run(session: &mut Shell, name: &str, words: &[&str]) -> Result<()> {
    let pattern = words.first().map(|word| word.trim_end_matches(';'));
    let plain: String = name
        .chars()
        .filter(|letter| !"+S".contains(*letter))
        .collect();
    let (is_system, has_more) = (name.contains('S'), name.contains('+'));
    match plain.as_str() {
        "d" => match pattern {
            None => relations(session, "rvmS", None, (is_system, has_more)),
            Some(pattern) => described(session, pattern, has_more),
        },
        "dt" => relations(session, "r", pattern, (is_system, has_more)),
        "di" => relations(session, "i", pattern, (is_system, has_more)),
        "dv" => relations(session, "v", pattern, (is_system, has_more)),
        // The letter is also the mark of the system's: `\ds` lists sequences, `\dsS` all of them.
        "ds" => relations(session, "S", pattern, (is_system, has_more)),
        "dn" => schemas(session, pattern, (is_system, has_more)),
        "dT" => types(session, pattern, is_system),
        "dD" => domains(session, pattern, is_system),
        "df" => functions(session, pattern, is_system),
        "sv" => view(session, pattern),
        "du" | "dg" => roles(session),
        "l" | "list" => databases(session),
        _ => {
            Err(Failure::usage(format!("invalid command \\{name}"))
                .hint("`\\?` lists the commands"))
        }
    }
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

/// A text as SQL has it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a pattern asks for: of the schema, and of the name. `*` and `?` stand for anything, a dot
/// separates, quotes keep what they hold.
pub(super) fn conditions(pattern: Option<&str>, schema: &str, name: &str) -> String {
    let Some(pattern) = pattern else {
        return String::new();
    };
    let parts = expressions(pattern);
    let (of_schema, of_name) = match &parts[..] {
        [.., schema, name] => (Some(schema), name),
        [name] => (None, name),
        [] => return String::new(),
    };
    let mut text = format!(" AND {name} ~ {}", literal(of_name));
    if let Some(of_schema) = of_schema {
        text.push_str(&format!(" AND {schema} ~ {}", literal(of_schema)));
    }
    text
}

/// The parts of a pattern as regular expressions.
fn expressions(pattern: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for letter in pattern.chars() {
        let last = parts.len() - 1;
        match letter {
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            '*' if !is_quoted => parts[last].push_str(".*"),
            '?' if !is_quoted => parts[last].push('.'),
            letter if "\\^$.[]|()+{}*?".contains(letter) => {
                parts[last].push('\\');
                parts[last].push(letter);
            }
            letter if is_quoted => parts[last].push(letter),
            letter => parts[last].extend(letter.to_lowercase()),
        }
    }
    parts
        .into_iter()
        .map(|part| format!("^({part})$"))
        .collect()
}

/// Rows as a grid, whose columns are of text.
pub(super) fn grid(title: &str, names: &[&str], rows: &[Row]) -> Grid {
    let mut grid = Grid::text(title, names);
    let cells = |row: &Row| -> Vec<Option<String>> {
        let cells = (0..names.len()).map(|at| Some(row.text(at).unwrap_or_default()));
        cells.collect()
    };
    grid.rows = rows.iter().map(cells).collect();
    grid
}

/// Relations of some kinds.
fn relations(
    session: &mut Shell,
    kinds: &str,
    pattern: Option<&str>,
    (is_system, has_more): (bool, bool),
) -> Result<()> {
    let list: Vec<String> = kinds.chars().map(|kind| format!("'{kind}'")).collect();
    let hidden = match is_system || pattern.is_some() {
        true => "",
        false => " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    };
    let visible = match pattern.is_some_and(|pattern| pattern.contains('.')) {
        true => "",
        false => " AND pg_catalog.pg_table_is_visible(c.oid)",
    };
    let mut columns = vec![
        ("Schema", "n.nspname"),
        ("Name", "c.relname"),
        (
            "Type",
            "CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' \
             WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' ELSE 'other' END",
        ),
        ("Owner", "pg_catalog.pg_get_userbyid(c.relowner)"),
    ];
    if kinds == "i" {
        columns.push(("Table", "c2.relname"));
    }
    if has_more {
        let persistence = "CASE c.relpersistence WHEN 't' THEN 'temporary' ELSE 'permanent' END";
        columns.push(("Persistence", persistence));
        let description = "pg_catalog.obj_description(c.oid, 'pg_class')";
        columns.push(("Description", description));
    }
    let (names, selected): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let rows = session.ask(&format!(
        "SELECT {} FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
         LEFT JOIN pg_catalog.pg_class c2 ON i.indrelid = c2.oid \
         WHERE c.relkind IN ({}){hidden}{visible}{} ORDER BY 1, 2",
        selected.join(", "),
        list.join(", "),
        conditions(pattern, "n.nspname", "c.relname"),
    ))?;
    if rows.is_empty() && !session.is_json() {
        let what = match pattern {
            None => "Did not find any relations.".to_owned(),
            Some(pattern) => format!("Did not find any relation named \"{pattern}\"."),
        };
        eprintln!("{what}");
        return Ok(());
    }
    session.show_grid(&grid("List of relations", &names, &rows))
}

fn schemas(
    session: &mut Shell,
    pattern: Option<&str>,
    (is_system, has_more): (bool, bool),
) -> Result<()> {
    let hidden = match is_system || pattern.is_some() {
        true => "",
        false => " AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    };
    let rows = session.ask(&format!(
        "SELECT n.nspname, pg_catalog.pg_get_userbyid(n.nspowner), \
         pg_catalog.obj_description(n.oid, 'pg_namespace') FROM pg_catalog.pg_namespace n \
         WHERE true{hidden}{} ORDER BY 1",
        conditions(pattern, "n.nspname", "n.nspname")
    ))?;
    let names = ["Name", "Owner", "Description"];
    let names = if has_more { &names[..] } else { &names[..2] };
    session.show_grid(&grid("List of schemas", names, &rows))
}

fn types(session: &mut Shell, pattern: Option<&str>, is_system: bool) -> Result<()> {
    let hidden = match is_system || pattern.is_some() {
        true => "",
        false => " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    };
    let rows = session.ask(&format!(
        "SELECT n.nspname, pg_catalog.format_type(t.oid, NULL), \
         CASE t.typtype WHEN 'e' THEN 'enum: ' || (SELECT string_agg(e.enumlabel, ', ' \
         ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
         WHEN 'd' THEN 'domain over ' || pg_catalog.format_type(t.typbasetype, t.typtypmod) \
         ELSE '' END FROM pg_catalog.pg_type t \
         JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.typtype <> 'p' AND t.typname !~ '^_'{hidden}{} ORDER BY 1, 2",
        conditions(pattern, "n.nspname", "t.typname")
    ))?;
    let names = ["Schema", "Name", "Description"];
    session.show_grid(&grid("List of data types", &names, &rows))
}

fn domains(session: &mut Shell, pattern: Option<&str>, is_system: bool) -> Result<()> {
    let hidden = match is_system || pattern.is_some() {
        true => "",
        false => " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    };
    let rows = session.ask(&format!(
        "SELECT n.nspname, t.typname, pg_catalog.format_type(t.typbasetype, t.typtypmod), '', \
         CASE WHEN t.typnotnull THEN 'not null' END, t.typdefault, \
         (SELECT string_agg(pg_catalog.pg_get_constraintdef(r.oid, true), ' ' ORDER BY r.conname) \
         FROM pg_catalog.pg_constraint r WHERE r.contypid = t.oid AND r.contype = 'c') \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE t.typtype = 'd'{hidden}{} ORDER BY 1, 2",
        conditions(pattern, "n.nspname", "t.typname")
    ))?;
    let names = [
        "Schema",
        "Name",
        "Type",
        "Collation",
        "Nullable",
        "Default",
        "Check",
    ];
    session.show_grid(&grid("List of domains", &names, &rows))
}

/// Functions; all of them are built in, and listed where a pattern or `S` asks for them.
fn functions(session: &mut Shell, pattern: Option<&str>, is_system: bool) -> Result<()> {
    let hidden = match is_system || pattern.is_some() {
        true => "",
        false => " AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    };
    let rows = session.ask(&format!(
        "SELECT n.nspname, p.proname, CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || \
         pg_catalog.format_type(p.prorettype, NULL), \
         (SELECT string_agg(pg_catalog.format_type(a.of, NULL), ', ' ORDER BY a.place) \
         FROM unnest(p.proargtypes) WITH ORDINALITY a(of, place)), 'func' \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         WHERE true{hidden}{} ORDER BY 1, 2, 4",
        conditions(pattern, "n.nspname", "p.proname")
    ))?;
    let names = [
        "Schema",
        "Name",
        "Result data type",
        "Argument data types",
        "Type",
    ];
    session.show_grid(&grid("List of functions", &names, &rows))
}

/// `\sv NAME`: the statement that makes a view.
fn view(session: &mut Shell, name: Option<&str>) -> Result<()> {
    let Some(name) = name else {
        return Err(Failure::usage("view name is required"));
    };
    let rows = session.ask(&format!(
        "SELECT c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname), \
         pg_catalog.pg_get_viewdef(c.oid, true) FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid = pg_catalog.to_regclass({})",
        literal(name)
    ))?;
    let Some(row) = rows.first() else {
        let message = format!("relation \"{name}\" does not exist");
        return Err(Failure::new(message));
    };
    let cell = |at: usize| row.text(at).unwrap_or_default();
    if cell(0) != "v" {
        return Err(Failure::new(format!("\"{name}\" is not a view")));
    }
    let text = format!("CREATE OR REPLACE VIEW {} AS\n{}\n", cell(1), cell(2));
    session.print(text.as_bytes())
}

fn roles(session: &mut Shell) -> Result<()> {
    let rows = session.ask(
        "SELECT r.rolname, CASE WHEN r.rolsuper THEN 'Superuser' ELSE '' END \
         FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1",
    )?;
    session.show_grid(&grid("List of roles", &["Role name", "Attributes"], &rows))
}

fn databases(session: &mut Shell) -> Result<()> {
    let rows = session.ask(
        "SELECT d.datname, pg_catalog.pg_get_userbyid(d.datdba), \
         pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype \
         FROM pg_catalog.pg_database d ORDER BY 1",
    )?;
    let names = ["Name", "Owner", "Encoding", "Collate", "Ctype"];
    session.show_grid(&grid("List of databases", &names, &rows))
}

/// `\d NAME`: every relation that the pattern fits.
fn described(session: &mut Shell, pattern: &str, has_more: bool) -> Result<()> {
    let visible = match pattern.contains('.') {
        true => "",
        false => " AND pg_catalog.pg_table_is_visible(c.oid)",
    };
    let rows = session.ask(&format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE true{visible}{} ORDER BY 2, 3",
        conditions(Some(pattern), "n.nspname", "c.relname")
    ))?;
    if rows.is_empty() {
        return Err(Failure::new(format!(
            "Did not find any relation named \"{pattern}\"."
        )));
    }
    for row in rows {
        let cell = |at: usize| row.text(at).unwrap_or_default();
        describe(
            session,
            &cell(0),
            &format!("{}.{}", cell(1), cell(2)),
            &cell(3),
            has_more,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions() {
        assert_eq!(expressions("Pla*"), ["^(pla.*)$"]);
        assert_eq!(expressions("public.a?b"), ["^(public)$", "^(a.b)$"]);
        assert_eq!(expressions("\"A.b*\""), ["^(A\\.b\\*)$"]);
        assert_eq!(conditions(None, "s", "n"), "");
        assert_eq!(
            conditions(Some("a.b"), "s", "n"),
            " AND n ~ '^(b)$' AND s ~ '^(a)$'"
        );
    }
}
