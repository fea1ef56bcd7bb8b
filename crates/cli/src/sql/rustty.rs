//! The commands of rustty's shell, which people who come from there know by heart.
//!
//! They are lines of their own and need no semicolon. Each is another way to write a statement of
//! SQL; what it prints is what rustty printed. Some mean something else in SQL, and the same here
//! for whoever ends them as rustty's users do: `SELECT FROM users` shows all columns.
//!
//! Statements that are SQL as they stand (`INSERT INTO users (name) VALUES ('Alice')`) are taken
//! without a semicolon only if their table is a flexible one, as rustty's all were; other tables'
//! statements may go on in the next line.

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Help,
    Quit,
    Demo,
    /// The tables and their columns.
    Tables,
    /// A statement, and how its result is told.
    Statement {
        sql: String,
        table: String,
        told: Told,
    },
}

/// How the result of a statement is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A table.
    Rows,
    /// A number.
    Count,
    /// Lines of one row, by its number.
    Row(String),
    Created(Vec<String>),
    Inserted,
    Deleted,
    Dropped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name or a word, as written.
    Word(&'a str),
    Number(&'a str),
    /// A text in single quotes, with them.
    Text(&'a str),
    Symbol(&'a str),
}

impl<'a> Token<'a> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own.eq_ignore_ascii_case(word))
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        *self == Token::Symbol(symbol)
    }

    fn name(&self) -> Option<String> {
        match self {
            Token::Word(word) => Some(word.to_lowercase()),
            _ => None,
        }
    }

    fn text(&self) -> &'a str {
        match self {
            Token::Word(text) | Token::Number(text) | Token::Text(text) | Token::Symbol(text) => {
                text
            }
        }
    }
}

/// What a line asks for, if it is one of rustty's. `is_flexible` tells of a table whether it is.
pub fn asked(line: &str, is_flexible: &mut dyn FnMut(&str) -> bool) -> Option<Asked> {
    let line = line.trim();
    let line = line.strip_suffix(';').unwrap_or(line).trim_end();
    let tokens = tokens(line)?;
    let (first, rest) = tokens.split_first()?;
    if rest.is_empty() {
        return match first.text().to_lowercase().as_str() {
            "help" | "?" => Some(Asked::Help),
            "exit" | "quit" => Some(Asked::Quit),
            "demo" => Some(Asked::Demo),
            "tables" => Some(Asked::Tables),
            _ => None,
        };
    }
    match first.text().to_lowercase().as_str() {
        "count" => count(rest),
        "get" => get(rest),
        "select" => select(line, rest, is_flexible),
        "create" => create(line, rest),
        "delete" => delete(line, rest, is_flexible),
        "insert" => insert(line, rest, is_flexible),
        "drop" => drop_table(line, rest, is_flexible),
        _ => None,
    }
}

fn statement(sql: String, table: String, told: Told) -> Option<Asked> {
    Some(Asked::Statement { sql, table, told })
}

fn count(rest: &[Token<'_>]) -> Option<Asked> {
    let [table] = rest else { return None };
    let table = table.name()?;
    statement(
        format!("SELECT count(*) FROM {}", quoted(&table)),
        table,
        Told::Count,
    )
}

/// `GET users _id 1`, `GET users 1`.
fn get(rest: &[Token<'_>]) -> Option<Asked> {
    let (table, number) = match rest {
        [table, Token::Number(number)] => (table, number),
        [table, id, Token::Number(number)] if id.is("_id") => (table, number),
        _ => return None,
    };
    let table = table.name()?;
    let sql = format!("SELECT * FROM {} WHERE _id = {number}", quoted(&table));
    statement(sql, table, Told::Row((*number).to_owned()))
}

/// `SELECT FROM users [WHERE age >= 18 [AND ...]] [LIMIT 10]`. What else such a line says of a
/// flexible table is an error, and not the first line of a statement.
fn select(
    line: &str,
    rest: &[Token<'_>],
    is_flexible: &mut dyn FnMut(&str) -> bool,
) -> Option<Asked> {
    let [from, table, rest @ ..] = rest else {
        return None;
    };
    let table = if from.is("from") {
        table.name()?
    } else {
        return None;
    };
    selected(&table, rest).or_else(|| {
        let is_rusttys = rest.first().is_some_and(|word| word.is("where"));
        (is_rusttys && is_flexible(&table)).then(|| Asked::Statement {
            sql: line.to_owned(),
            table: table.clone(),
            told: Told::Rows,
        })
    })
}

fn selected(table: &str, rest: &[Token<'_>]) -> Option<Asked> {
    let (conditions, rest) = match rest {
        [word, rest @ ..] if word.is("where") => conditions(rest)?,
        _ => (Vec::new(), rest),
    };
    let mut sql = format!("SELECT * FROM {}", quoted(table));
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    // A flexible table gives its rows in the order of their numbers.
    let limit = match rest {
        [] => None,
        [limit, Token::Number(number)] if limit.is("limit") => Some(number),
        _ => return None,
    };
    if let Some(number) = limit {
        sql.push_str(&format!(" LIMIT {number}"));
    }
    statement(sql, table.to_owned(), Told::Rows)
}

/// `age >= 18 AND name CONTAINS 'a'`, and what stands behind it.
fn conditions<'t, 'a>(mut rest: &'t [Token<'a>]) -> Option<(Vec<String>, &'t [Token<'a>])> {
    let mut conditions = Vec::new();
    loop {
        let [column, operator, value, after @ ..] = rest else {
            return None;
        };
        conditions.push(condition(&column.name()?, operator, value)?);
        rest = match after {
            [and, rest @ ..] if and.is("and") => rest,
            _ => return Some((conditions, after)),
        };
    }
}

fn condition(column: &str, operator: &Token<'_>, value: &Token<'_>) -> Option<String> {
    let column = quoted(column);
    let literal = match value {
        Token::Number(text) | Token::Text(text) => (*text).to_owned(),
        Token::Word(word) if ["true", "false", "null"].iter().any(|it| value.is(it)) => {
            word.to_lowercase()
        }
        _ => return None,
    };
    let operator = operator.text().to_lowercase();
    let text = match literal.starts_with('\'') {
        true => literal.clone(),
        false => format!("'{literal}'"),
    };
    Some(match operator.as_str() {
        "contains" => format!("strpos({column}::text, {text}) > 0"),
        "startswith" => format!("starts_with({column}::text, {text})"),
        "endswith" => format!("right({column}::text, length({text})) = {text}"),
        other => format!("{column} {} {literal}", comparison(other)?),
    })
}

fn comparison(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "=" | "==" | "eq" => "=",
        "!=" | "<>" | "ne" => "<>",
        ">" | "gt" => ">",
        "<" | "lt" => "<",
        ">=" | "gte" => ">=",
        "<=" | "lte" => "<=",
        _ => return None,
    })
}

/// `CREATE TABLE users (name, age, email)`: columns without types.
fn create(line: &str, rest: &[Token<'_>]) -> Option<Asked> {
    let [word, table, open, columns @ .., close] = rest else {
        return None;
    };
    if !word.is("table") || !open.is_symbol("(") || !close.is_symbol(")") {
        return None;
    }
    let mut names = Vec::new();
    for (place, token) in columns.iter().enumerate() {
        match place % 2 {
            0 => names.push(token.name()?),
            _ if token.is_symbol(",") => (),
            _ => return None,
        }
    }
    let is_list = columns.len() % 2 == 1;
    let table = table.name()?;
    is_list.then_some(Asked::Statement {
        sql: line.to_owned(),
        table,
        told: Told::Created(names),
    })
}

/// `DELETE FROM users 3`, and `DELETE FROM users WHERE ...` of a flexible table.
fn delete(
    line: &str,
    rest: &[Token<'_>],
    is_flexible: &mut dyn FnMut(&str) -> bool,
) -> Option<Asked> {
    let [from, table, rest @ ..] = rest else {
        return None;
    };
    let table = if from.is("from") {
        table.name()?
    } else {
        return None;
    };
    let sql = match rest {
        [Token::Number(number)] => {
            format!("DELETE FROM {} WHERE _id = {number}", quoted(&table))
        }
        [word, rest @ ..] if word.is("where") && is_flexible(&table) => match conditions(rest) {
            Some((conditions, [])) => {
                let conditions = conditions.join(" AND ");
                format!("DELETE FROM {} WHERE {conditions}", quoted(&table))
            }
            _ => line.to_owned(),
        },
        _ => return None,
    };
    statement(sql, table, Told::Deleted)
}

/// `INSERT INTO users (name, age) VALUES ('Alice', 30)` of a flexible table.
fn insert(
    line: &str,
    rest: &[Token<'_>],
    is_flexible: &mut dyn FnMut(&str) -> bool,
) -> Option<Asked> {
    let [into, table, open, .., close] = rest else {
        return None;
    };
    let is_plain = into.is("into")
        && open.is_symbol("(")
        && close.is_symbol(")")
        && !rest
            .iter()
            .any(|token| token.is("returning") || token.is("select"));
    let table = table.name()?;
    (is_plain && is_flexible(&table)).then(|| Asked::Statement {
        sql: format!("{line} RETURNING _id"),
        table,
        told: Told::Inserted,
    })
}

fn drop_table(
    line: &str,
    rest: &[Token<'_>],
    is_flexible: &mut dyn FnMut(&str) -> bool,
) -> Option<Asked> {
    let [word, table] = rest else { return None };
    let table = if word.is("table") {
        table.name()?
    } else {
        return None;
    };
    is_flexible(&table).then(|| Asked::Statement {
        sql: line.to_owned(),
        table,
        told: Told::Dropped,
    })
}

/// A name as SQL needs it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tokens of a line; `None` if it has something that no command of rustty has.
fn tokens<'a>(line: &'a str) -> Option<Vec<Token<'a>>> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(letter) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let is_number = letter.is_ascii_digit()
            || (letter == '-' && rest[1..].starts_with(|next: char| next.is_ascii_digit()));
        let (length, token): (usize, fn(&'a str) -> Token<'a>) = if is_number {
            let end = rest[1..].find(|next: char| !next.is_ascii_digit() && next != '.');
            (end.map_or(rest.len(), |end| end + 1), Token::Number)
        } else if is_word(letter) {
            let end = rest.find(|next: char| !is_word(next));
            (end.unwrap_or(rest.len()), Token::Word)
        } else if letter == '\'' {
            (text_end(rest)?, Token::Text)
        } else {
            let symbols = [
                "<=", ">=", "!=", "<>", "==", "=", "<", ">", "(", ")", ",", "?",
            ];
            let symbol = symbols.iter().find(|symbol| rest.starts_with(**symbol))?;
            (symbol.len(), Token::Symbol)
        };
        tokens.push(token(&rest[..length]));
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// How long a text in quotes is.
fn text_end(rest: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest[at..].find('\'')? + 1;
        if !rest[at..].starts_with('\'') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(line: &str) -> Option<String> {
        match asked(line, &mut |table| table == "users")? {
            Asked::Statement { sql, .. } => Some(sql),
            _ => None,
        }
    }

    #[test]
    fn words_alone_are_known_in_any_case() {
        for (line, meant) in [
            ("TABLES", Asked::Tables),
            ("tables;", Asked::Tables),
            ("Help", Asked::Help),
            ("?", Asked::Help),
            ("EXIT", Asked::Quit),
            ("quit;", Asked::Quit),
            ("demo", Asked::Demo),
        ] {
            assert_eq!(asked(line, &mut |_| false), Some(meant), "{line}");
        }
    }

    #[test]
    fn commands_become_statements() {
        for (line, expected) in [
            ("COUNT Users", "SELECT count(*) FROM \"users\""),
            ("GET users _id 1", "SELECT * FROM \"users\" WHERE _id = 1"),
            ("get users 1", "SELECT * FROM \"users\" WHERE _id = 1"),
            ("SELECT FROM users", "SELECT * FROM \"users\""),
            (
                "SELECT FROM users WHERE age >= 18 LIMIT 10",
                "SELECT * FROM \"users\" WHERE \"age\" >= 18 LIMIT 10",
            ),
            (
                "select from users where name contains 'i''m' and age == -1.5 AND x NE true",
                "SELECT * FROM \"users\" WHERE strpos(\"name\"::text, 'i''m') > 0 AND \
                 \"age\" = -1.5 AND \"x\" <> true",
            ),
            (
                "SELECT FROM users WHERE name STARTSWITH 'A'",
                "SELECT * FROM \"users\" WHERE starts_with(\"name\"::text, 'A')",
            ),
            ("DELETE FROM users 3", "DELETE FROM \"users\" WHERE _id = 3"),
            (
                "DELETE FROM users WHERE age < 18",
                "DELETE FROM \"users\" WHERE \"age\" < 18",
            ),
            (
                "INSERT INTO users (name) VALUES ('Bob')",
                "INSERT INTO users (name) VALUES ('Bob') RETURNING _id",
            ),
            (
                "CREATE TABLE users (name, age)",
                "CREATE TABLE users (name, age)",
            ),
            // It is wrong, and told so at once.
            ("SELECT FROM users WHERE v =", "SELECT FROM users WHERE v ="),
        ] {
            assert_eq!(sql(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_sql_is_left_to_sql() {
        for line in [
            "select 1",
            "select * from users",
            "create table t (id int)",
            "create table t (a, b) as",
            "delete from planets where id = 1",
            "insert into planets (a) values (1)",
            "drop table planets",
            "count",
            "select from planets where",
            "select from users, planets",
            "get",
            "'",
            "tables are",
        ] {
            assert_eq!(sql(line), None, "{line}");
        }
    }
}
