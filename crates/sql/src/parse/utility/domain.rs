//! Domains.

use sqlparser::ast::{DataType, Expr, Ident, ObjectName};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::parser::{Parser, ParserError};

use super::Utility;
use super::alter::{drop_behavior, moved};
use crate::parse::dialect::RustDialect;
use crate::parse::words::{take, take_all};

/// `CREATE DOMAIN`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateDomain {
    /// Its name.
    pub(crate) name: ObjectName,
    /// The type below it.
    pub(crate) data_type: DataType,
    /// `DEFAULT`.
    /// One at most, or it is an error.
    pub(crate) defaults: Vec<Expr>,
    /// Whether COLLATE is said.
    pub(crate) collated: bool,
    /// Its constraints.
    pub(crate) constraints: Vec<DomainConstraint>,
}

/// A constraint of a domain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DomainConstraint {
    /// `NOT NULL`.
    NotNull,
    /// `NULL`.
    Null,
    /// `CHECK`.
    Check {
        /// Its name, if it is given one.
        name: Option<Ident>,
        /// What must not be false.
        expr: Box<Expr>,
    },
}

/// What `ALTER DOMAIN` does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AlterDomain {
    /// `SET DEFAULT` and `DROP DEFAULT`.
    Default(Option<Box<Expr>>),
    /// `SET NOT NULL` and `DROP NOT NULL`.
    NotNull(bool),
    /// `ADD CONSTRAINT`.
    Add {
        /// The constraint.
        constraint: DomainConstraint,
        /// Whether values that are there are looked at.
        validate: bool,
    },
    /// `DROP CONSTRAINT`.
    Drop {
        /// Whether it need not be there.
        if_exists: bool,
        /// Which one.
        name: Ident,
    },
    /// `RENAME CONSTRAINT`.
    RenameConstraint(Ident, Ident),
    /// `VALIDATE CONSTRAINT`.
    Validate(Ident),
}

/// Reads what comes after CREATE.
pub(super) fn parse_create(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    take(parser, "domain");
    let name = parser.parse_object_name(false)?;
    take(parser, "as");
    let data_type = parser.parse_data_type()?;
    let mut defaults = Vec::new();
    let mut collated = false;
    let mut constraints = Vec::new();
    loop {
        if take(parser, "default") {
            // What is weaker than IS needs brackets here: NOT NULL is the next constraint.
            let precedence = RustDialect::default().prec_value(Precedence::Is);
            defaults.push(parser.parse_subexpr(precedence)?);
        } else if take(parser, "collate") {
            parser.parse_object_name(false)?;
            collated = true;
        } else if let Some(constraint) = constraint(parser)? {
            constraints.push(constraint);
        } else {
            break;
        }
    }
    Ok(Utility::CreateDomain(Box::new(CreateDomain {
        name,
        data_type,
        defaults,
        collated,
        constraints,
    })))
}

fn constraint(parser: &mut Parser<'_>) -> Result<Option<DomainConstraint>, ParserError> {
    let name = match take(parser, "constraint") {
        true => Some(parser.parse_identifier()?),
        false => None,
    };
    Ok(Some(if take_all(parser, &["not", "null"]) {
        DomainConstraint::NotNull
    } else if take(parser, "null") {
        DomainConstraint::Null
    } else if take(parser, "check") {
        DomainConstraint::Check {
            name,
            expr: Box::new(super::nested(parser)?),
        }
    } else if name.is_some() {
        return parser.expected_ref("a constraint", parser.peek_token_ref());
    } else {
        return Ok(None);
    }))
}

/// Reads what comes after ALTER DOMAIN.
pub(super) fn parse_alter(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    let name = parser.parse_object_name(false)?;
    if take_all(parser, &["rename", "constraint"]) {
        let old = parser.parse_identifier()?;
        if !take(parser, "to") {
            return parser.expected_ref("TO", parser.peek_token_ref());
        }
        let action = AlterDomain::RenameConstraint(old, parser.parse_identifier()?);
        return Ok(Utility::AlterDomain(name, action));
    }
    if let Some(to) = moved(parser)? {
        return Ok(super::alter::moving(
            super::Altered::Domain,
            false,
            name,
            to,
        ));
    }
    let action = if take_all(parser, &["set", "default"]) {
        AlterDomain::Default(Some(Box::new(parser.parse_expr()?)))
    } else if take_all(parser, &["drop", "default"]) {
        AlterDomain::Default(None)
    } else if take_all(parser, &["set", "not", "null"]) {
        AlterDomain::NotNull(true)
    } else if take_all(parser, &["drop", "not", "null"]) {
        AlterDomain::NotNull(false)
    } else if take_all(parser, &["drop", "constraint"]) {
        let if_exists = take_all(parser, &["if", "exists"]);
        let name = parser.parse_identifier()?;
        drop_behavior(parser);
        AlterDomain::Drop { if_exists, name }
    } else if take_all(parser, &["validate", "constraint"]) {
        AlterDomain::Validate(parser.parse_identifier()?)
    } else if take(parser, "add") {
        match constraint(parser)? {
            Some(constraint) => AlterDomain::Add {
                constraint,
                validate: !take_all(parser, &["not", "valid"]),
            },
            None => return parser.expected_ref("a constraint", parser.peek_token_ref()),
        }
    } else {
        return parser.expected_ref("an action of ALTER DOMAIN", parser.peek_token_ref());
    };
    Ok(Utility::AlterDomain(name, action))
}
