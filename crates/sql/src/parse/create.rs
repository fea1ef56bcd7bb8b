//! What CREATE TABLE has that the crate `sqlparser` does not read: columns without types, and the
//! options of identity columns in any order.

use sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use sqlparser::ast::{
    ColumnDef, ColumnOption, DataType, Expr, GeneratedAs, KeyOrIndexDisplay, NullsDistinctOption,
    OnCommit, SequenceOptions, Statement, UniqueConstraint, Value, WithData,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::utility::{SequenceOption, sequence_options};
use super::words::{next_are, take, take_all};

/// Whether a CREATE TABLE comes next whose columns are names alone.
pub(super) fn comes_next(parser: &Parser<'_>) -> bool {
    const BEFORE: [&[&str]; 4] = [
        &["create", "table"],
        &["create", "temp", "table"],
        &["create", "temporary", "table"],
        &["create", "unlogged", "table"],
    ];
    let Some(words) = BEFORE.iter().find(|words| next_are(parser, words)) else {
        return false;
    };
    let token = |at: usize| &parser.peek_nth_token_ref(at).token;
    let is_word = |at: usize| matches!(token(at), Token::Word(_));
    let mut at = words.len();
    let has_condition = ["if", "not", "exists"]
        .iter()
        .enumerate()
        .all(|(n, word)| token(at + n).to_string().eq_ignore_ascii_case(word));
    if has_condition {
        at += 3;
    }
    if !is_word(at) {
        return false;
    }
    at += 1;
    while *token(at) == Token::Period && is_word(at + 1) {
        at += 2;
    }
    if *token(at) != Token::LParen {
        return false;
    }
    loop {
        if !is_word(at + 1) {
            return false;
        }
        at += 2;
        match token(at) {
            Token::Comma => (),
            Token::RParen => return true,
            _ => return false,
        }
    }
}

/// Reads such a statement.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Statement, ParserError> {
    take(parser, "create");
    let temporary = take(parser, "temp") || take(parser, "temporary");
    let unlogged = take(parser, "unlogged");
    take(parser, "table");
    let if_not_exists = take_all(parser, &["if", "not", "exists"]);
    let name = parser.parse_object_name(false)?;
    let names = parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?;
    let columns = names.into_iter().map(|name| ColumnDef {
        name,
        data_type: DataType::Unspecified,
        options: Vec::new(),
    });
    let mut builder = CreateTableBuilder::new(name)
        .temporary(temporary)
        .unlogged(unlogged)
        .if_not_exists(if_not_exists)
        .columns(columns.collect());
    if take_all(parser, &["on", "commit"]) {
        builder = builder.on_commit(Some(on_commit(parser)?));
    }
    if parser.parse_keyword(Keyword::AS) {
        builder = builder.query(Some(parser.parse_query()?));
        if take_all(parser, &["with", "no", "data"]) {
            builder = builder.with_data(Some(WithData {
                data: false,
                statistics: None,
            }));
        } else {
            take_all(parser, &["with", "data"]);
        }
    }
    Ok(Statement::CreateTable(builder.build()))
}

fn on_commit(parser: &mut Parser<'_>) -> Result<OnCommit, ParserError> {
    if take(parser, "drop") {
        Ok(OnCommit::Drop)
    } else if take_all(parser, &["delete", "rows"]) {
        Ok(OnCommit::DeleteRows)
    } else if take_all(parser, &["preserve", "rows"]) {
        Ok(OnCommit::PreserveRows)
    } else {
        parser.expected_ref(
            "DROP, DELETE ROWS or PRESERVE ROWS",
            parser.peek_token_ref(),
        )
    }
}

/// `UNIQUE NULLS NOT DISTINCT` of a column, if it comes next.
pub(super) fn unique(parser: &mut Parser<'_>) -> Result<Option<ColumnOption>, ParserError> {
    if !take_all(parser, &["unique", "nulls", "not", "distinct"]) {
        return Ok(None);
    }
    Ok(Some(ColumnOption::Unique(UniqueConstraint {
        name: None,
        index_name: None,
        index_type_display: KeyOrIndexDisplay::None,
        index_type: None,
        columns: Vec::new(),
        include: Vec::new(),
        index_options: Vec::new(),
        characteristics: parser.parse_constraint_characteristics()?,
        nulls_distinct: NullsDistinctOption::NotDistinct,
    })))
}

/// `GENERATED ... AS IDENTITY`, if it comes next.
pub(super) fn identity(parser: &mut Parser<'_>) -> Result<Option<ColumnOption>, ParserError> {
    let generated_as = if take_all(parser, &["generated", "always", "as", "identity"]) {
        GeneratedAs::Always
    } else if take_all(parser, &["generated", "by", "default", "as", "identity"]) {
        GeneratedAs::ByDefault
    } else {
        return Ok(None);
    };
    let mut options = Vec::new();
    if parser.consume_token(&Token::LParen) {
        options = sequence_options(parser)?;
        parser.expect_token(&Token::RParen)?;
    }
    let options = options.into_iter().map(in_tree).collect::<Option<_>>();
    let Some(options) = options else {
        return parser.expected_ref("an option of a sequence", parser.peek_token_ref());
    };
    Ok(Some(ColumnOption::Generated {
        generated_as,
        sequence_options: Some(options),
        generation_expr: None,
        generation_expr_mode: None,
        generated_keyword: true,
    }))
}

/// An option as the syntax tree has it, if it does.
fn in_tree(option: SequenceOption) -> Option<SequenceOptions> {
    let number = |value: i64| Expr::value(Value::Number(value.to_string(), false));
    Some(match option {
        SequenceOption::Increment(by) => SequenceOptions::IncrementBy(number(by), true),
        SequenceOption::Minimum(value) => SequenceOptions::MinValue(value.map(number)),
        SequenceOption::Maximum(value) => SequenceOptions::MaxValue(value.map(number)),
        SequenceOption::Start(at) => SequenceOptions::StartWith(number(at), true),
        SequenceOption::Cache(count) => SequenceOptions::Cache(number(count)),
        SequenceOption::Cycle(cycle) => SequenceOptions::Cycle(!cycle),
        SequenceOption::Type(_) | SequenceOption::Restart(_) | SequenceOption::OwnedBy(_) => {
            return None;
        }
    })
}
