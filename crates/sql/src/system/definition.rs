//! Objects as the SQL that would make them: what `pg_get_indexdef` and its kin give.

use rustdb_catalog::{
    Action, Catalog, Constraint, ConstraintKind, DomainCheck, ForeignKey, Index, IndexKey,
    IndexMethod, Match, Table,
};
use rustdb_types::Oid;
use rustdb_types::function::quoted_identifier;

use super::Around;
use crate::bind::SessionNames;
use crate::rewrite::NOTHING;

/// A stored expression as people read it: without the schema of what is built in.
pub(crate) fn shown(text: &str) -> String {
    let text = match text.contains(NOTHING) {
        true => &text.replace(&format!("\"{NOTHING}\" "), ""),
        false => text,
    };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let mut is_word = false;
    while let Some(letter) = rest.chars().next() {
        let schemas = ["pg_catalog.", "public."];
        let named = schemas
            .iter()
            .find_map(|schema| rest.strip_prefix(schema))
            .filter(|_| !is_word);
        if let Some(behind) = named {
            rest = behind;
            continue;
        }
        let end = match letter {
            '\'' | '"' => quoted_end(rest, letter, out.ends_with(['e', 'E'])),
            _ => letter.len_utf8(),
        };
        is_word = letter.is_alphanumeric() || matches!(letter, '_' | '$' | '"' | '.');
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    out
}

/// Where the quoted part that a text begins with ends. A quote that is doubled ends one part and
/// begins the next.
fn quoted_end(text: &str, quote: char, has_escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if has_escapes => drop(letters.next()),
            letter if letter == quote => return at + 1,
            _ => (),
        }
    }
    text.len()
}

/// A stored expression in brackets, of which it needs one pair.
fn bracketed(text: &str) -> String {
    let text = shown(text);
    match is_bracketed(&text) {
        true => text,
        false => format!("({text})"),
    }
}

/// Whether the first bracket of a text is closed by its last letter.
fn is_bracketed(text: &str) -> bool {
    if !text.starts_with('(') {
        return false;
    }
    let mut depth = 0_usize;
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1 == text.len();
                }
            }
            _ => (),
        }
    }
    false
}

/// A relation's name with its schema, unless that is on the search path.
pub(crate) fn relation_name(
    catalog: &Catalog,
    session: &SessionNames,
    schema: Oid,
    name: &str,
) -> String {
    let mut path = session.schemas(catalog).into_iter();
    // Another one of this name may stand before it.
    let first = path.find(|schema| {
        catalog.relation(*schema, name).is_some() || super::relation(*schema, name).is_some()
    });
    match first == Some(schema) {
        true => quoted_identifier(name),
        false => full_name(catalog, schema, name),
    }
}

fn full_name(catalog: &Catalog, schema: Oid, name: &str) -> String {
    let schema = catalog
        .schema(schema)
        .map_or("?", |schema| schema.name.as_str());
    format!("{}.{}", quoted_identifier(schema), quoted_identifier(name))
}

/// Names of columns, as statements list them.
fn columns(table: &Table, ids: &[u32]) -> String {
    let names = ids.iter().map(|id| {
        let name = table.column(*id).map_or("?", |column| column.name.as_str());
        quoted_identifier(name)
    });
    names.collect::<Vec<_>>().join(", ")
}

/// What stands in the brackets of CREATE INDEX for a column, without its order.
pub(crate) fn index_column(table: &Table, index: &Index, place: usize) -> Option<String> {
    let Some(column) = index.columns.get(place) else {
        let id = index.include.get(place.checked_sub(index.columns.len())?)?;
        return Some(columns(table, &[*id]));
    };
    Some(match &column.key {
        IndexKey::Column(id) => columns(table, &[*id]),
        IndexKey::Expression { expression, .. } => {
            let text = shown(&expression.text);
            match is_call(&text) {
                true => text,
                false => bracketed(&text),
            }
        }
    })
}

/// Whether a text is one call of a function, which needs no brackets.
fn is_call(text: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let name = text.find(|letter| !is_name(letter)).unwrap_or(0);
    name > 0 && is_bracketed(&text[name..])
}

/// Whether brackets that are not needed are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brackets {
    All,
    Needed,
}

impl Brackets {
    /// A stored expression.
    fn around(self, text: &str) -> String {
        match self {
            Brackets::All => bracketed(text),
            Brackets::Needed => {
                let text = shown(text);
                match is_bracketed(&text) {
                    true => text[1..text.len() - 1].to_owned(),
                    false => text,
                }
            }
        }
    }
}

/// `CREATE INDEX ...`.
pub(crate) fn index(catalog: &Catalog, table: &Table, index: &Index, brackets: Brackets) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let method = match index.method {
        IndexMethod::BTree => "btree",
        IndexMethod::Hash => "hash",
    };
    let keys = index.columns.iter().enumerate().map(|(place, column)| {
        let mut text = index_column(table, index, place).unwrap_or_default();
        if column.descending {
            text.push_str(" DESC");
        }
        match (column.descending, column.nulls_first) {
            (false, true) => text.push_str(" NULLS FIRST"),
            (true, false) => text.push_str(" NULLS LAST"),
            _ => (),
        }
        text
    });
    let keys: Vec<String> = keys.collect();
    let mut text = format!(
        "CREATE {unique}INDEX {} ON {} USING {method} ({})",
        quoted_identifier(&index.name),
        full_name(catalog, table.schema, &table.name),
        keys.join(", ")
    );
    if !index.include.is_empty() {
        text.push_str(&format!(" INCLUDE ({})", columns(table, &index.include)));
    }
    if index.nulls_not_distinct {
        text.push_str(" NULLS NOT DISTINCT");
    }
    if let Some(predicate) = &index.predicate {
        text.push_str(&format!(" WHERE {}", brackets.around(&predicate.text)));
    }
    text
}

/// A constraint of a domain as CREATE DOMAIN has it.
pub(crate) fn domain_check(check: &DomainCheck, brackets: Brackets) -> String {
    let valid = if check.validated { "" } else { " NOT VALID" };
    let text = with_value(&check.expression.text);
    format!("CHECK ({}){valid}", brackets.around(&text))
}

/// The text of a domain's check, in which the value is called VALUE, however that was written.
fn with_value(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    while let Some(letter) = rest.chars().next() {
        let end = match letter {
            '\'' | '"' => quoted_end(rest, letter, out.ends_with(['e', 'E'])),
            _ if is_name(letter) => rest.find(|it| !is_name(it)).unwrap_or(rest.len()),
            _ => letter.len_utf8(),
        };
        let (word, behind) = rest.split_at(end);
        let is_value = word == "\"value\"" || word.eq_ignore_ascii_case("value");
        // What is called, or belongs to something, is something else.
        let is_other = out.ends_with('.') || behind.trim_start().starts_with(['.', '(']);
        out.push_str(if is_value && !is_other { "VALUE" } else { word });
        rest = behind;
    }
    out
}

/// A constraint as CREATE TABLE has it.
pub(crate) fn constraint(
    around: &Around<'_>,
    table: &Table,
    constraint: &Constraint,
    brackets: Brackets,
) -> String {
    let of_index = |oid: &Oid, words: &str, ids: &[u32]| {
        let index = table.index(*oid);
        let nulls = index.is_some_and(|index| index.nulls_not_distinct);
        let nulls = if nulls { "NULLS NOT DISTINCT " } else { "" };
        let mut text = format!("{words} {nulls}({})", columns(table, ids));
        if let Some(index) = index.filter(|index| !index.include.is_empty()) {
            text.push_str(&format!(" INCLUDE ({})", columns(table, &index.include)));
        }
        text
    };
    let mut text = match &constraint.kind {
        ConstraintKind::PrimaryKey { columns, index } => of_index(index, "PRIMARY KEY", columns),
        ConstraintKind::Unique { columns, index } => of_index(index, "UNIQUE", columns),
        ConstraintKind::Check { expression, .. } => {
            format!("CHECK ({})", brackets.around(&expression.text))
        }
        ConstraintKind::ForeignKey(key) => foreign_key(around, table, key),
    };
    if constraint.deferrable {
        text.push_str(" DEFERRABLE");
    }
    if constraint.initially_deferred {
        text.push_str(" INITIALLY DEFERRED");
    }
    if !constraint.validated {
        text.push_str(" NOT VALID");
    }
    text
}

fn foreign_key(around: &Around<'_>, table: &Table, key: &ForeignKey) -> String {
    let parent = around.catalog.table(key.parent);
    let (name, theirs) = match parent {
        Some(parent) => (
            relation_name(around.catalog, around.names, parent.schema, &parent.name),
            columns(parent, &key.parent_columns),
        ),
        None => ("?".to_owned(), String::new()),
    };
    let mine = columns(table, &key.columns);
    let mut text = format!("FOREIGN KEY ({mine}) REFERENCES {name}({theirs})");
    if key.match_type == Match::Full {
        text.push_str(" MATCH FULL");
    }
    for (event, action) in [("UPDATE", key.on_update), ("DELETE", key.on_delete)] {
        if let Some(words) = action_words(action) {
            text.push_str(&format!(" ON {event} {words}"));
        }
    }
    if !key.on_delete_columns.is_empty() {
        text.push_str(&format!(" ({})", columns(table, &key.on_delete_columns)));
    }
    text
}

/// An action, unless it is the usual one.
fn action_words(action: Action) -> Option<&'static str> {
    match action {
        Action::NoAction => None,
        Action::Restrict => Some("RESTRICT"),
        Action::Cascade => Some("CASCADE"),
        Action::SetNull => Some("SET NULL"),
        Action::SetDefault => Some("SET DEFAULT"),
    }
}

pub(super) fn is_check(constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::Check { .. })
}

pub(super) fn is_foreign_key(constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::ForeignKey(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_added_where_there_are_none() {
        for (text, expected) in [
            ("a > 1", "(a > 1)"),
            ("(a > 1)", "(a > 1)"),
            ("(a) > (b)", "((a) > (b))"),
            ("(a = ')')", "(a = ')')"),
        ] {
            assert_eq!(bracketed(text), expected);
        }
        assert!(is_call("lower(name)"));
        let text = "pg_catalog.lower(a) <> 'public.x''pg_catalog.y' and mypublic.b = \"public.\".c \
                    or f(public.g(E'\\'public.'))";
        let expected = "lower(a) <> 'public.x''pg_catalog.y' and mypublic.b = \"public.\".c \
                        or f(g(E'\\'public.'))";
        assert_eq!(shown(text), expected);
        assert_eq!(
            with_value(
                "(value > 0) and \"value\" <> 'value' and evalue.x(Value) or value(\"Value\")"
            ),
            "(VALUE > 0) and VALUE <> 'value' and evalue.x(VALUE) or value(\"Value\")"
        );
        assert!(!is_call("lower(a) || upper(b)"));
        assert!(!is_call("(a)"));
    }
}
