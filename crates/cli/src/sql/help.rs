//! What `help`, `\?` and `\h` print.

use super::show::{Expanded, Look};

/// A group of commands: its heading, and names with arguments and meanings.
type Group = (&'static str, &'static [(&'static str, &'static str)]);

const COMMANDS: &[Group] = &[
    (
        "General",
        &[
            ("\\q", "leave; so do `exit` and Ctrl-D"),
            ("\\?", "print this list"),
            ("\\h [NAME]", "print how a statement is written"),
            ("\\timing [on|off]", "show how long statements take"),
            ("\\c [NAME]", "connect to another database, or anew"),
            ("\\conninfo", "say which database this is"),
            ("\\! COMMAND", "run a command of the system"),
            ("\\cd [DIR]", "change the current directory"),
        ],
    ),
    (
        "Statements",
        &[
            (
                "\\g [FILE]",
                "run the statement, with its result into FILE or |COMMAND",
            ),
            ("\\gx [FILE]", "as \\g, with columns below each other"),
            ("\\gset [PREFIX]", "run it, and keep its row in variables"),
            ("\\gexec", "run it, and then what it gives as statements"),
            (
                "\\watch [SECONDS]",
                "run it again and again; c=TIMES says how often",
            ),
            ("\\e [FILE]", "edit the statement, or a file, and run it"),
            ("\\p", "print the statement"),
            ("\\r", "forget the statement"),
            ("\\w FILE", "write the statement to a file"),
        ],
    ),
    (
        "Files",
        &[
            ("\\i FILE", "run a script"),
            (
                "\\o [FILE]",
                "send results to FILE or |COMMAND, or no longer",
            ),
            (
                "\\copy ...",
                "copy a table or a query to a file, or a file into a table",
            ),
            ("\\echo TEXT", "print a text"),
        ],
    ),
    (
        "What there is",
        &[
            ("\\d", "list tables, views and sequences"),
            ("\\d NAME", "describe a table, view, sequence or index"),
            ("\\dt [PATTERN]", "list tables"),
            ("\\di [PATTERN]", "list indexes"),
            ("\\dv [PATTERN]", "list views"),
            ("\\ds [PATTERN]", "list sequences"),
            ("\\dn [PATTERN]", "list schemas"),
            ("\\dT [PATTERN]", "list types"),
            ("\\dD [PATTERN]", "list domains"),
            ("\\df [PATTERN]", "list functions"),
            ("\\sv NAME", "print the statement that makes a view"),
            ("\\du", "list roles"),
            ("\\l", "list databases"),
        ],
    ),
    (
        "How results look",
        &[
            ("\\x [on|off|auto]", "columns below each other"),
            (
                "\\pset [NAME [VALUE]]",
                "set format (aligned, unaligned, csv, json, markdown), null,",
            ),
            (
                "",
                "border, expanded, fieldsep, footer, pager, title, tuples_only",
            ),
            ("\\a", "switch between aligned and unaligned"),
            ("\\t [on|off]", "rows only"),
        ],
    ),
    (
        "Variables",
        &[
            (
                "\\set [NAME [VALUE]]",
                "set a variable, which :NAME stands for in statements;",
            ),
            ("", "with ON_ERROR_STOP a script ends where it fails"),
            ("\\unset NAME", "forget a variable"),
            (
                "\\if CONDITION",
                "what follows only if so; \\elif CONDITION, \\else, \\endif",
            ),
        ],
    ),
];

/// What the commands of rustty do here.
const WORDS: &[(&str, &str)] = &[
    (
        "CREATE TABLE users (name, age)",
        "a table whose columns take the types of their values",
    ),
    ("TABLES", "list tables and their columns"),
    (
        "INSERT INTO users (name) VALUES ('Al')",
        "add a row, which gets a number: _id",
    ),
    (
        "SELECT FROM users [WHERE ...] [LIMIT n]",
        "all columns; also CONTAINS, STARTSWITH, ENDSWITH",
    ),
    ("GET users 1", "one row by its number"),
    ("DELETE FROM users 1", "delete it"),
    ("COUNT users", "how many rows there are"),
    ("DROP TABLE users", "delete the table and all its rows"),
    ("DEMO", "show what RustDB does"),
    ("HELP, EXIT", "this text; leave"),
];

/// What `help` prints.
pub fn welcome() -> String {
    let mut text = String::from(
        "Statements of SQL end with `;` and may take several lines: PostgreSQL's dialect.\n\
         Commands begin with a backslash, as psql's do: `\\?` lists them, `\\q` leaves.\n\n\
         Lines of their own, without `;`:\n",
    );
    push(&mut text, WORDS, 42);
    text
}

/// What `\?` prints.
pub fn commands() -> String {
    let mut text = String::new();
    for (heading, commands) in COMMANDS {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(heading);
        text.push('\n');
        push(&mut text, commands, 22);
    }
    text
}

fn push(text: &mut String, lines: &[(&str, &str)], width: usize) {
    for (name, meaning) in lines {
        text.push_str(&format!("  {name:width$} {meaning}\n"));
    }
}

/// How statements are written.
const STATEMENTS: &[(&str, &str)] = &[
    ("ALTER TABLE", "ALTER TABLE name action [, ...]"),
    ("ANALYZE", "ANALYZE [table [, ...]]"),
    (
        "BEGIN",
        "BEGIN [ISOLATION LEVEL {READ COMMITTED | REPEATABLE READ | SERIALIZABLE}] [READ ONLY]",
    ),
    ("COMMIT", "COMMIT"),
    (
        "COPY",
        "COPY table [(column, ...)] {FROM | TO} 'file' [WITH (FORMAT csv, HEADER)]",
    ),
    (
        "CREATE INDEX",
        "CREATE [UNIQUE] INDEX [IF NOT EXISTS] [name] ON table [USING {btree | hash}]\n    \
         ({column | (expression)} [ASC | DESC] [NULLS {FIRST | LAST}], ...)\n    \
         [INCLUDE (column, ...)] [WHERE condition]",
    ),
    ("CREATE SCHEMA", "CREATE SCHEMA [IF NOT EXISTS] name"),
    (
        "CREATE SEQUENCE",
        "CREATE SEQUENCE name [INCREMENT n] [START n]",
    ),
    (
        "CREATE TABLE",
        "CREATE TABLE [IF NOT EXISTS] name (\n    \
         column type [NOT NULL] [DEFAULT value] [PRIMARY KEY | UNIQUE] [CHECK (condition)]\n    \
         [REFERENCES table (column)] [GENERATED ALWAYS AS IDENTITY], ...\n    \
         [, PRIMARY KEY (column, ...)] [, UNIQUE (column, ...)]\n    \
         [, FOREIGN KEY (column, ...) REFERENCES table (column, ...) [ON DELETE action]])",
    ),
    (
        "CREATE VIEW",
        "CREATE [OR REPLACE] VIEW name [(column, ...)] AS query",
    ),
    ("DEALLOCATE", "DEALLOCATE {name | ALL}"),
    (
        "DELETE",
        "DELETE FROM table [USING from_item, ...] [WHERE condition] [RETURNING ...]",
    ),
    (
        "DROP TABLE",
        "DROP TABLE [IF EXISTS] name [, ...] [CASCADE | RESTRICT]",
    ),
    ("EXECUTE", "EXECUTE name [(value, ...)]"),
    (
        "EXPLAIN",
        "EXPLAIN [(ANALYZE, FORMAT {TEXT | JSON | DOT})] statement",
    ),
    (
        "INSERT",
        "INSERT INTO table [(column, ...)] {VALUES (value, ...), ... | query}\n    \
         [ON CONFLICT [(column, ...)] {DO NOTHING | DO UPDATE SET ...}] [RETURNING ...]",
    ),
    ("PREPARE", "PREPARE name [(type, ...)] AS statement"),
    ("RESET", "RESET {name | ALL}"),
    ("ROLLBACK", "ROLLBACK [TO SAVEPOINT name]"),
    ("SAVEPOINT", "SAVEPOINT name"),
    (
        "SELECT",
        "[WITH [RECURSIVE] name AS (query), ...]\nSELECT [DISTINCT [ON (expression, ...)]] expression [AS name], ...\n    \
         [FROM table [[AS] alias] [JOIN table {ON condition | USING (column, ...)}], ...]\n    \
         [WHERE condition] [GROUP BY expression, ...] [HAVING condition]\n    \
         [{UNION | INTERSECT | EXCEPT} [ALL] query]\n    \
         [ORDER BY expression [ASC | DESC] [NULLS {FIRST | LAST}], ...]\n    \
         [LIMIT n] [OFFSET n] [FOR {UPDATE | SHARE}]",
    ),
    (
        "SET",
        "SET [SESSION | LOCAL] name {TO | =} {value | DEFAULT}",
    ),
    ("SHOW", "SHOW {name | ALL}"),
    (
        "TRUNCATE",
        "TRUNCATE [TABLE] name [, ...] [RESTART IDENTITY] [CASCADE]",
    ),
    (
        "UPDATE",
        "UPDATE table SET column = value, ... [FROM from_item, ...] [WHERE condition]\n    [RETURNING ...]",
    ),
    ("VALUES", "VALUES (value, ...), ..."),
];

/// What `\h` prints.
pub fn statements(name: &str) -> String {
    let name = name.trim_end_matches(';').trim().to_uppercase();
    if name.is_empty() {
        let names = STATEMENTS.iter().map(|(name, _)| format!("  {name}\n"));
        return format!(
            "`\\h NAME` tells how a statement is written:\n{}",
            names.collect::<String>()
        );
    }
    let found = STATEMENTS.iter().filter(|(own, _)| own.starts_with(&name));
    let found: Vec<String> = found.map(|(_, form)| format!("{form}\n")).collect();
    match found.is_empty() {
        true => format!("There is no help about `{name}`; `\\h` lists what there is help about.\n"),
        false => found.join("\n"),
    }
}

/// What `\pset` prints.
pub fn settings(look: &Look) -> String {
    let on_off = |is_on| if is_on { "on" } else { "off" };
    let expanded = match look.expanded {
        Expanded::Off => "off",
        Expanded::On => "on",
        Expanded::Auto => "auto",
    };
    let lines = [
        ("border", look.border.to_string()),
        ("expanded", expanded.to_owned()),
        ("fieldsep", format!("'{}'", look.separator)),
        ("footer", on_off(look.footer).to_owned()),
        ("format", look.format.name().to_owned()),
        (
            "null",
            format!("'{}'", look.null.as_deref().unwrap_or("NULL")),
        ),
        ("pager", on_off(look.pager).to_owned()),
        ("title", look.title.clone().unwrap_or_default()),
        ("tuples_only", on_off(look.tuples_only).to_owned()),
    ];
    let lines = lines
        .iter()
        .map(|(name, value)| format!("{name:24} {value}"));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}
