//! The names that can be completed: of statements' words, of tables and of columns.

use std::collections::BTreeSet;

use rustdb::Database;
use rustdb::sql::Connection;

use super::words_of_rustty;

/// What there is in a database, asked when it is needed.
#[derive(Default)]
pub struct Names {
    connection: Option<Connection>,
    tables: BTreeSet<String>,
    columns: BTreeSet<String>,
}

impl Names {
    /// Asks the database of this name from now on.
    pub fn connect_to(&mut self, database: &Database, name: &str) {
        *self = Names::default();
        self.connection = database.connect_to(name).ok();
    }

    /// Asks again.
    pub fn refresh(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let rows = connection.query(
            "SELECT c.relname, a.attname FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
             AND NOT a.attisdropped \
             WHERE c.relkind IN ('r', 'v', 'm', 'S') \
             AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
            &[],
        );
        let Ok(rows) = rows else { return };
        self.tables = rows.iter().filter_map(|row| row.text(0)).collect();
        self.columns = rows.iter().filter_map(|row| row.text(1)).collect();
    }

    /// Whether a table is a flexible one.
    pub fn is_flexible(&mut self, table: &str) -> bool {
        let connection = self.connection.as_mut();
        connection.is_some_and(|connection| words_of_rustty::is_flexible(connection, table))
    }

    /// The completions of the last word of a text.
    pub fn completions(&self, before: &str, typed: &str) -> Vec<String> {
        if typed.starts_with('\\') {
            let commands = COMMANDS.iter().map(|name| format!("\\{name}"));
            return commands.filter(|name| name.starts_with(typed)).collect();
        }
        let last = before.split_whitespace().next_back().unwrap_or_default();
        let wants_table = BEFORE_TABLES.contains(&last.to_lowercase().as_str())
            || (last.starts_with('\\') && before.trim_start() == before);
        let lower = typed.to_lowercase();
        let mut found: Vec<String> = Vec::new();
        let names = self.tables.iter();
        let columns = self.columns.iter().filter(|_| !wants_table);
        for name in names.chain(columns) {
            if name.starts_with(&lower) && !found.contains(name) {
                found.push(shown(name));
            }
        }
        if !wants_table && !typed.is_empty() {
            let is_upper = typed.chars().all(|it| !it.is_lowercase());
            let words = KEYWORDS.iter().filter(|word| word.starts_with(&lower));
            found.extend(words.map(|word| match is_upper {
                true => word.to_uppercase(),
                false => (*word).to_owned(),
            }));
        }
        found
    }
}

/// A name as it has to be written.
fn shown(name: &str) -> String {
    let is_plain = |it: char| it.is_lowercase() || it.is_ascii_digit() || it == '_';
    let starts = name.starts_with(|it: char| it.is_lowercase() || it == '_');
    match starts && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => super::rustty::quoted(name),
    }
}

/// Words behind which a table is named.
const BEFORE_TABLES: &[&str] = &[
    "from",
    "join",
    "into",
    "update",
    "table",
    "truncate",
    "references",
    "analyze",
    "count",
    "get",
    "copy",
    "view",
    "sequence",
];

/// The backslash commands.
const COMMANDS: &[&str] = &[
    "?", "a", "cd", "conninfo", "copy", "d", "dT", "di", "dn", "ds", "dt", "du", "dv", "e", "echo",
    "g", "gx", "h", "i", "l", "o", "p", "pset", "q", "r", "set", "t", "timing", "unset", "w", "x",
];

/// The words of statements that are worth completing, in lower case.
pub const KEYWORDS: &[&str] = &[
    "add",
    "all",
    "alter",
    "always",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "avg",
    "begin",
    "between",
    "bigint",
    "boolean",
    "by",
    "bytea",
    "cascade",
    "case",
    "cast",
    "check",
    "coalesce",
    "collate",
    "column",
    "commit",
    "conflict",
    "constraint",
    "copy",
    "count",
    "create",
    "cross",
    "current_date",
    "current_timestamp",
    "current_user",
    "cycle",
    "date",
    "deallocate",
    "default",
    "deferrable",
    "delete",
    "desc",
    "distinct",
    "do",
    "double",
    "drop",
    "else",
    "end",
    "except",
    "execute",
    "exists",
    "explain",
    "extract",
    "false",
    "fetch",
    "filter",
    "first",
    "following",
    "for",
    "foreign",
    "from",
    "full",
    "function",
    "generated",
    "group",
    "grouping",
    "having",
    "identity",
    "if",
    "ilike",
    "in",
    "include",
    "index",
    "inner",
    "insert",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isolation",
    "join",
    "json",
    "jsonb",
    "key",
    "last",
    "lateral",
    "left",
    "level",
    "like",
    "limit",
    "local",
    "lock",
    "materialized",
    "max",
    "min",
    "natural",
    "not",
    "nothing",
    "null",
    "nulls",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "preceding",
    "precision",
    "prepare",
    "primary",
    "range",
    "read",
    "real",
    "recursive",
    "references",
    "release",
    "rename",
    "repeatable",
    "replace",
    "reset",
    "restrict",
    "returning",
    "right",
    "rollback",
    "row",
    "rows",
    "savepoint",
    "schema",
    "select",
    "sequence",
    "serial",
    "serializable",
    "session",
    "set",
    "share",
    "show",
    "smallint",
    "some",
    "start",
    "sum",
    "table",
    "temporary",
    "text",
    "then",
    "time",
    "timestamp",
    "timestamptz",
    "to",
    "transaction",
    "true",
    "truncate",
    "type",
    "unbounded",
    "union",
    "unique",
    "update",
    "using",
    "uuid",
    "values",
    "varchar",
    "vector",
    "view",
    "when",
    "where",
    "window",
    "with",
    "within",
    "without",
    "zone",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            connection: None,
            tables: ["planets", "Moons"].map(str::to_owned).into(),
            columns: ["name", "planet"].map(str::to_owned).into(),
        }
    }

    #[test]
    fn keywords_are_sorted_so_that_nobody_adds_one_twice() {
        assert!(KEYWORDS.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn words_tables_and_columns_are_completed() {
        let names = names();
        assert_eq!(names.completions("", "sel"), ["select"]);
        assert_eq!(names.completions("", "SEL"), ["SELECT"]);
        assert_eq!(names.completions("select * from ", "pl"), ["planets"]);
        assert_eq!(names.completions("select ", "pl"), ["planets", "planet"]);
        assert_eq!(
            names.completions("select * from ", ""),
            ["\"Moons\"", "planets"]
        );
        assert_eq!(names.completions("", "\\ti"), ["\\timing"]);
        assert_eq!(names.completions("\\d ", "pl"), ["planets"]);
    }
}
