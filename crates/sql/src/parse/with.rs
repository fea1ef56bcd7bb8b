//! Statements that begin with WITH.
//!
//! They are read here, and not by the crate `sqlparser`, so that an INSERT in them is read as other
//! INSERTs are.

use sqlparser::ast::{
    Cte, CteAsMaterialized, Query, SetExpr, Statement, TableAlias, TableAliasColumnDef, With,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::reserved::new_name;
use super::words::{next_is, take, take_all};

/// Reads a statement that begins with WITH.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Statement, ParserError> {
    let with = With {
        with_token: parser.next_token().into(),
        recursive: take(parser, "recursive"),
        cte_tables: parser.parse_comma_separated(table)?,
    };
    if next_is(parser, "with") {
        return parser.expected_ref("a statement", parser.peek_token_ref());
    }
    let mut query = query(parser)?;
    query.with = Some(with);
    Ok(Statement::Query(query))
}

/// `name [(columns)] AS [[NOT] MATERIALIZED] (query)`.
fn table(parser: &mut Parser<'_>) -> Result<Cte, ParserError> {
    let name = new_name(parser)?;
    let columns = parser.parse_parenthesized_column_list(IsOptional::Optional, false)?;
    let columns = columns.into_iter().map(|name| TableAliasColumnDef {
        name,
        data_type: None,
    });
    let alias = TableAlias {
        explicit: false,
        name,
        columns: columns.collect(),
        at: None,
    };
    parser.expect_keyword_is(Keyword::AS)?;
    let materialized = if take(parser, "materialized") {
        Some(CteAsMaterialized::Materialized)
    } else if take_all(parser, &["not", "materialized"]) {
        Some(CteAsMaterialized::NotMaterialized)
    } else {
        None
    };
    parser.expect_token(&Token::LParen)?;
    let query = query(parser)?;
    Ok(Cte {
        alias,
        query,
        from: None,
        materialized,
        closing_paren_token: parser.expect_token(&Token::RParen)?.into(),
    })
}

/// A query or a statement that writes, as COPY and WITH have them.
pub(super) fn query(parser: &mut Parser<'_>) -> Result<Box<Query>, ParserError> {
    if !next_is(parser, "insert") {
        return parser.parse_query();
    }
    let insert = super::insert::parse(parser)?;
    Ok(Box::new(Query {
        with: None,
        body: Box::new(SetExpr::Insert(insert)),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }))
}
