//! PostgreSQL's dialect, with statements that the crate `sqlparser` reads only in part.
//!
//! Everything but whole statements is the crate's own dialect, forwarded.

use std::any::TypeId;

use sqlparser::ast::{ColumnOption, Expr, Statement};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

use super::reserved::{is_no_bare_label, is_no_name};
use super::words::next_is;

/// The dialect that texts are read in.
#[derive(Debug, Default)]
pub(in crate::parse) struct RustDialect(PostgreSqlDialect);

/// Methods that do as the dialect below does.
macro_rules! forward {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.0.$name()
        })*
    };
}

impl Dialect for RustDialect {
    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Result<Statement, ParserError>> {
        if next_is(parser, "insert") {
            return Some(super::insert::parse(parser));
        }
        if next_is(parser, "with") {
            return Some(super::with::parse(parser));
        }
        if super::create::comes_next(parser) {
            return Some(super::create::parse(parser));
        }
        super::utility::comes_next(parser).then(|| super::utility::parse(parser))
    }

    fn parse_column_option(
        &self,
        parser: &mut Parser<'_>,
    ) -> Result<Option<Result<Option<ColumnOption>, ParserError>>, ParserError> {
        if let Some(unique) = super::create::unique(parser)? {
            return Ok(Some(Ok(Some(unique))));
        }
        let identity = super::create::identity(parser)?;
        Ok(identity.map(|identity| Ok(Some(identity))))
    }

    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.0.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        !is_no_name(&parser.get_current_token().token)
            && (*keyword == Keyword::NoKeyword || self.0.is_table_alias(keyword, parser))
    }

    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        match explicit {
            true => !is_no_name(&parser.get_current_token().token),
            false => self.is_table_alias(keyword, parser),
        }
    }

    fn is_select_item_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        // `SELECT 1 FOR UPDATE` names no column.
        explicit
            || *keyword == Keyword::NoKeyword
            || !is_no_bare_label(&parser.get_current_token().token)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match super::operator::infix_precedence(self, parser) {
            Some(precedence) => Some(Ok(precedence)),
            None => self.0.get_next_precedence(parser),
        }
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.0.prec_value(precedence)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        super::typed::reserved(parser)
            .or_else(|| super::typed::constant(parser))
            .or_else(|| super::operator::prefix(self, parser))
            .or_else(|| self.0.parse_prefix(parser))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        super::membership::parse(parser, expr)
            .or_else(|| super::between::parse(self, parser, expr))
            .or_else(|| super::typed::collation(parser, expr))
            .or_else(|| super::operator::second_comparison(parser, expr))
            .or_else(|| self.0.parse_infix(parser, expr, precedence))
    }

    forward!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_alter_user_as_alter_role,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_exclude_constraint,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_order_by_using_operator,
        supports_set_names,
        supports_alter_column_type_using,
        supports_left_associative_joins_without_parens,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_aliased_function_args,
        supports_comment_optimizer_hint,
    );
}
