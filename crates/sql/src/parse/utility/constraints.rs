//! SET CONSTRAINTS.

use sqlparser::ast::ObjectName;
use sqlparser::parser::{Parser, ParserError};

use super::Utility;
use crate::parse::words::take;

/// `SET CONSTRAINTS`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SetConstraints {
    /// Which ones; none are all.
    pub(crate) names: Vec<ObjectName>,
    /// Whether they wait for the end of the transaction.
    pub(crate) deferred: bool,
}

/// Reads what comes after SET.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    take(parser, "constraints");
    let names = match take(parser, "all") {
        true => Vec::new(),
        false => parser.parse_comma_separated(|parser| parser.parse_object_name(false))?,
    };
    let deferred = take(parser, "deferred");
    if !deferred && !take(parser, "immediate") {
        return parser.expected_ref("DEFERRED or IMMEDIATE", parser.peek_token_ref());
    }
    Ok(Utility::SetConstraints(SetConstraints { names, deferred }))
}
