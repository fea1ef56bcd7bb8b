//! INSERT.
//!
//! The syntax tree of the crate `sqlparser` has no place for OVERRIDING and for expressions and
//! WHERE in what ON CONFLICT names. They are kept among the statement's `settings`, which
//! PostgreSQL does not have; [`InsertClauses`] finds them there.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    ConflictTarget, DoUpdate, Expr, Ident, Insert, ObjectName, OnConflict, OnConflictAction,
    OnInsert, Query, Setting, Statement, TableAliasWithoutColumns, TableObject,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::words::{next_is, take, take_all};

/// What of an INSERT the syntax tree has no place for.
#[derive(Debug, Default)]
pub(crate) struct InsertClauses<'i> {
    /// `OVERRIDING ... VALUE`.
    pub(crate) overriding: Option<Overriding>,
    /// What `ON CONFLICT (...)` names.
    pub(crate) target: Vec<&'i Expr>,
    /// Which rows of it: `ON CONFLICT (...) WHERE`.
    pub(crate) predicate: Option<&'i Expr>,
}

/// What becomes of values that are given for identity columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overriding {
    /// They are taken, even where the sequence's are asked for.
    System,
    /// The sequence's are taken.
    User,
}

const SYSTEM: &str = "overriding system value";
const USER: &str = "overriding user value";
const TARGET: &str = "on conflict";
const PREDICATE: &str = "where";

impl InsertClauses<'_> {
    /// The clauses of a statement.
    pub(crate) fn of(insert: &Insert) -> InsertClauses<'_> {
        let mut clauses = InsertClauses::default();
        for setting in insert.settings.iter().flatten() {
            match setting.key.value.as_str() {
                SYSTEM => clauses.overriding = Some(Overriding::System),
                USER => clauses.overriding = Some(Overriding::User),
                TARGET => clauses.target.push(&setting.value),
                _ => clauses.predicate = Some(&setting.value),
            }
        }
        clauses
    }
}

fn kept(key: &str, value: Expr) -> Setting {
    Setting {
        key: Ident::new(key),
        value,
    }
}

/// Reads a statement that begins with INSERT.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Statement, ParserError> {
    let insert_token = parser.next_token();
    parser.expect_keyword_is(Keyword::INTO)?;
    let table = parser.parse_object_name(false)?;
    let table_alias = match parser.parse_keyword(Keyword::AS) {
        true => Some(TableAliasWithoutColumns {
            explicit: true,
            alias: parser.parse_identifier()?,
        }),
        false => None,
    };
    let mut settings = Vec::new();
    let mut columns = Vec::new();
    let mut source = None;
    if !parser.parse_keywords(&[Keyword::DEFAULT, Keyword::VALUES]) {
        if parser.peek_token_ref().token == Token::LParen && !is_query(parser) {
            columns =
                parser.parse_parenthesized_qualified_column_list(IsOptional::Mandatory, false)?;
        }
        if take_all(parser, &["overriding", "system", "value"]) {
            settings.push(kept(SYSTEM, Expr::Tuple(Vec::new())));
        } else if take_all(parser, &["overriding", "user", "value"]) {
            settings.push(kept(USER, Expr::Tuple(Vec::new())));
        }
        source = Some(parser.parse_query()?);
    }
    let on = on_conflict(parser, &mut settings)?;
    let returning = match parser.parse_keyword(Keyword::RETURNING) {
        true => Some(parser.parse_comma_separated(Parser::parse_select_item)?),
        false => None,
    };
    Ok(Statement::Insert(Insert {
        source,
        on,
        returning,
        settings: (!settings.is_empty()).then_some(settings),
        ..plain(insert_token.into(), table, table_alias, columns)
    }))
}

/// `INSERT INTO name query`.
pub(crate) fn insert_query(name: ObjectName, query: Query) -> Statement {
    let token = AttachedToken::empty();
    Statement::Insert(Insert {
        source: Some(Box::new(query)),
        ..plain(token, name, None, Vec::new())
    })
}

/// Whether the parenthesis that comes next begins a query.
fn is_query(parser: &Parser<'_>) -> bool {
    let mut at = 0;
    loop {
        match &parser.peek_nth_token_ref(at).token {
            Token::LParen => at += 1,
            token => {
                let word = token.to_string().to_ascii_lowercase();
                return ["select", "values", "with", "table"].contains(&word.as_str());
            }
        }
    }
}

fn on_conflict(
    parser: &mut Parser<'_>,
    settings: &mut Vec<Setting>,
) -> Result<Option<OnInsert>, ParserError> {
    if !parser.parse_keywords(&[Keyword::ON, Keyword::CONFLICT]) {
        return Ok(None);
    }
    let mut conflict_target = None;
    if parser.parse_keywords(&[Keyword::ON, Keyword::CONSTRAINT]) {
        let name = ObjectName::from(vec![parser.parse_identifier()?]);
        conflict_target = Some(ConflictTarget::OnConstraint(name));
    } else if parser.consume_token(&Token::LParen) {
        conflict_target = Some(ConflictTarget::Columns(Vec::new()));
        loop {
            settings.push(kept(TARGET, parser.parse_expr()?));
            // An operator class says nothing: there is one for each type.
            let is_end = [Token::Comma, Token::RParen].contains(&parser.peek_token_ref().token);
            if !is_end {
                parser.parse_object_name(false)?;
            }
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
        if parser.parse_keyword(Keyword::WHERE) {
            settings.push(kept(PREDICATE, parser.parse_expr()?));
        }
    }
    parser.expect_keyword_is(Keyword::DO)?;
    let action = match take(parser, "nothing") {
        true => OnConflictAction::DoNothing,
        false => {
            parser.expect_keyword_is(Keyword::UPDATE)?;
            parser.expect_keyword_is(Keyword::SET)?;
            let assignments = parser.parse_comma_separated(Parser::parse_assignment)?;
            let selection = match parser.parse_keyword(Keyword::WHERE) {
                true => Some(parser.parse_expr()?),
                false => None,
            };
            OnConflictAction::DoUpdate(DoUpdate {
                assignments,
                selection,
            })
        }
    };
    if next_is(parser, "where") {
        return parser.expected_ref("end of statement", parser.peek_token_ref());
    }
    Ok(Some(OnInsert::OnConflict(OnConflict {
        conflict_target,
        action,
    })))
}

/// An INSERT of nothing, without what PostgreSQL does not know.
fn plain(
    insert_token: AttachedToken,
    table: ObjectName,
    table_alias: Option<TableAliasWithoutColumns>,
    columns: Vec<ObjectName>,
) -> Insert {
    Insert {
        insert_token,
        table: TableObject::TableName(table),
        table_alias,
        columns,
        into: true,
        source: None,
        on: None,
        returning: None,
        settings: None,
        optimizer_hints: Vec::new(),
        or: None,
        ignore: false,
        overwrite: false,
        assignments: Vec::new(),
        partitioned: None,
        after_columns: Vec::new(),
        has_table_keyword: false,
        output: None,
        replace_into: false,
        priority: None,
        insert_alias: None,
        format_clause: None,
        multi_table_insert_type: None,
        multi_table_into_clauses: Vec::new(),
        multi_table_when_clauses: Vec::new(),
        multi_table_else_clause: None,
    }
}
