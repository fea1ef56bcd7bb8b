//! ALTER.

use sqlparser::ast::{ColumnDef, DataType, Expr, Ident, ObjectName, TableConstraint};
use sqlparser::parser::{Parser, ParserError};

use super::sequence::{SequenceOption, number, options};
use super::{Utility, domain};
use crate::parse::reserved::{A_NAME, is_no_name, new_name};
use crate::parse::words::{take, take_all};

/// `ALTER TABLE` with actions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterTable {
    /// Whether it need not be there.
    pub(crate) if_exists: bool,
    /// Which table.
    pub(crate) name: ObjectName,
    /// What is done, in order.
    pub(crate) actions: Vec<AlterAction>,
}

/// An action of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AlterAction {
    /// `ADD COLUMN`.
    AddColumn {
        /// Whether there may be one already.
        if_not_exists: bool,
        /// The column.
        column: Box<ColumnDef>,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// Whether it need not be there.
        if_exists: bool,
        /// Which one.
        name: Ident,
        /// Whether what uses it goes too.
        cascade: bool,
    },
    /// `ADD CONSTRAINT`.
    AddConstraint {
        /// The constraint.
        constraint: Box<TableConstraint>,
        /// Whether rows that are there are looked at.
        validate: bool,
    },
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// Whether it need not be there.
        if_exists: bool,
        /// Which one.
        name: Ident,
        /// Whether what uses it goes too.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    Validate(Ident),
    /// `ALTER CONSTRAINT`: deferrable, initially deferred.
    AlterConstraint(Ident, Option<bool>, Option<bool>),
    /// `ALTER COLUMN`.
    Column(Ident, AlterColumn),
    /// `RENAME COLUMN`.
    RenameColumn(Ident, Ident),
    /// `RENAME CONSTRAINT`.
    RenameConstraint(Ident, Ident),
}

/// What is done to a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AlterColumn {
    /// `TYPE ... USING`.
    Type {
        to: Box<DataType>,
        /// Whether COLLATE is said.
        collated: bool,
        using: Option<Box<Expr>>,
    },
    /// `SET DEFAULT` and `DROP DEFAULT`.
    Default(Option<Box<Expr>>),
    /// `SET NOT NULL` and `DROP NOT NULL`.
    NotNull(bool),
    /// `DROP EXPRESSION`; whether it need not have one.
    DropExpression(bool),
    /// `ADD GENERATED ... AS IDENTITY`: always, and options of the sequence.
    AddIdentity(bool, Vec<SequenceOption>),
    /// `SET GENERATED` (always), and options of the sequence.
    SetIdentity(Option<bool>, Vec<SequenceOption>),
    /// `DROP IDENTITY`; whether it need not be one.
    DropIdentity(bool),
    /// `SET STATISTICS`.
    Statistics(i64),
}

/// `ALTER ... RENAME TO` and `SET SCHEMA`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterObject {
    /// What it is.
    pub(crate) kind: Altered,
    /// Whether it need not be there.
    pub(crate) if_exists: bool,
    /// Which one.
    pub(crate) name: ObjectName,
    /// Where it goes.
    pub(crate) to: Move,
}

/// What is altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Altered {
    Table,
    Index,
    View,
    Sequence,
    Schema,
    Type,
    Domain,
}

/// A new name or another schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Move {
    /// `RENAME TO`.
    Rename(Ident),
    /// `SET SCHEMA`.
    Schema(Ident),
    /// `RENAME COLUMN`, of a view.
    Column(Ident, Ident),
}

/// What is done to an enum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AlterType {
    /// `ADD VALUE`.
    AddValue {
        /// Whether there may be one already.
        if_not_exists: bool,
        /// The label.
        label: String,
        /// Its neighbour, and whether it comes before it; the end if there is none.
        next_to: Option<(String, bool)>,
    },
    /// `RENAME VALUE`.
    RenameValue(String, String),
}

/// Reads what comes after ALTER.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Utility, ParserError> {
    const KINDS: [(&str, Altered); 7] = [
        ("table", Altered::Table),
        ("index", Altered::Index),
        ("view", Altered::View),
        ("sequence", Altered::Sequence),
        ("schema", Altered::Schema),
        ("type", Altered::Type),
        ("domain", Altered::Domain),
    ];
    let kind = KINDS.iter().find(|(word, _)| take(parser, word));
    let Some((_, kind)) = kind else {
        return parser.expected_ref("an object", parser.peek_token_ref());
    };
    if *kind == Altered::Domain {
        return domain::parse_alter(parser);
    }
    let may_be_absent = !matches!(kind, Altered::Type | Altered::Schema);
    let if_exists = may_be_absent && take_all(parser, &["if", "exists"]);
    if *kind == Altered::Table {
        take(parser, "only");
    }
    let name = parser.parse_object_name(false)?;
    if let Some(to) = moved(parser)? {
        return Ok(moving(*kind, if_exists, name, to));
    }
    match kind {
        Altered::View if take(parser, "rename") => {
            take(parser, "column");
            let (old, new) = renamed(parser)?;
            Ok(moving(*kind, if_exists, name, Move::Column(old, new)))
        }
        Altered::Table => {
            let actions = parser.parse_comma_separated(action)?;
            Ok(Utility::AlterTable(AlterTable {
                if_exists,
                name,
                actions,
            }))
        }
        Altered::Sequence => Ok(Utility::AlterSequence {
            if_exists,
            name,
            options: match options(parser)? {
                options if !options.is_empty() => options,
                _ => return parser.expected_ref("an option", parser.peek_token_ref()),
            },
        }),
        Altered::Type => Ok(Utility::AlterType(name, alter_type(parser)?)),
        Altered::Index | Altered::View | Altered::Schema | Altered::Domain => {
            parser.expected_ref("RENAME TO or SET SCHEMA", parser.peek_token_ref())
        }
    }
}

pub(super) fn moving(kind: Altered, if_exists: bool, name: ObjectName, to: Move) -> Utility {
    Utility::Alter(AlterObject {
        kind,
        if_exists,
        name,
        to,
    })
}

/// `RENAME TO` and `SET SCHEMA`.
pub(super) fn moved(parser: &mut Parser<'_>) -> Result<Option<Move>, ParserError> {
    Ok(if take_all(parser, &["rename", "to"]) {
        Some(Move::Rename(new_name(parser)?))
    } else if take_all(parser, &["set", "schema"]) {
        Some(Move::Schema(new_name(parser)?))
    } else {
        None
    })
}

/// Whether CASCADE comes next.
pub(super) fn drop_behavior(parser: &mut Parser<'_>) -> bool {
    let cascade = take(parser, "cascade");
    if !cascade {
        take(parser, "restrict");
    }
    cascade
}

fn action(parser: &mut Parser<'_>) -> Result<AlterAction, ParserError> {
    if take(parser, "add") {
        return add(parser);
    }
    if take_all(parser, &["drop", "constraint"]) {
        return Ok(AlterAction::DropConstraint {
            if_exists: take_all(parser, &["if", "exists"]),
            name: new_name(parser)?,
            cascade: drop_behavior(parser),
        });
    }
    if take(parser, "drop") {
        take(parser, "column");
        return Ok(AlterAction::DropColumn {
            if_exists: take_all(parser, &["if", "exists"]),
            name: new_name(parser)?,
            cascade: drop_behavior(parser),
        });
    }
    if take_all(parser, &["validate", "constraint"]) {
        return Ok(AlterAction::Validate(new_name(parser)?));
    }
    if take_all(parser, &["alter", "constraint"]) {
        let name = new_name(parser)?;
        let (deferrable, deferred) = deferral(parser);
        return Ok(AlterAction::AlterConstraint(name, deferrable, deferred));
    }
    if take(parser, "alter") {
        take(parser, "column");
        let name = new_name(parser)?;
        return Ok(AlterAction::Column(name, alter_column(parser)?));
    }
    if take_all(parser, &["rename", "constraint"]) {
        let (old, new) = renamed(parser)?;
        return Ok(AlterAction::RenameConstraint(old, new));
    }
    if take(parser, "rename") {
        take(parser, "column");
        let (old, new) = renamed(parser)?;
        return Ok(AlterAction::RenameColumn(old, new));
    }
    parser.expected_ref("an action of ALTER TABLE", parser.peek_token_ref())
}

fn renamed(parser: &mut Parser<'_>) -> Result<(Ident, Ident), ParserError> {
    let old = new_name(parser)?;
    if !take(parser, "to") {
        return parser.expected_ref("TO", parser.peek_token_ref());
    }
    Ok((old, new_name(parser)?))
}

fn add(parser: &mut Parser<'_>) -> Result<AlterAction, ParserError> {
    const CONSTRAINTS: [&str; 6] = [
        "constraint",
        "primary",
        "unique",
        "foreign",
        "check",
        "exclude",
    ];
    let word = parser.peek_token_ref().token.to_string();
    if CONSTRAINTS.contains(&word.to_ascii_lowercase().as_str()) {
        let Some(constraint) = parser.parse_optional_table_constraint()? else {
            return parser.expected_ref("a constraint", parser.peek_token_ref());
        };
        return Ok(AlterAction::AddConstraint {
            constraint: Box::new(constraint),
            validate: !take_all(parser, &["not", "valid"]),
        });
    }
    take(parser, "column");
    let if_not_exists = take_all(parser, &["if", "not", "exists"]);
    if is_no_name(&parser.peek_token_ref().token) {
        return parser.expected_ref(A_NAME, parser.peek_token_ref());
    }
    Ok(AlterAction::AddColumn {
        if_not_exists,
        column: Box::new(parser.parse_column_def()?),
    })
}

fn deferral(parser: &mut Parser<'_>) -> (Option<bool>, Option<bool>) {
    let (mut deferrable, mut deferred) = (None, None);
    loop {
        if take_all(parser, &["not", "deferrable"]) {
            deferrable = Some(false);
        } else if take(parser, "deferrable") {
            deferrable = Some(true);
        } else if take_all(parser, &["initially", "deferred"]) {
            deferred = Some(true);
        } else if take_all(parser, &["initially", "immediate"]) {
            deferred = Some(false);
        } else {
            return (deferrable, deferred);
        }
    }
}

fn alter_column(parser: &mut Parser<'_>) -> Result<AlterColumn, ParserError> {
    if take_all(parser, &["set", "data", "type"]) || take(parser, "type") {
        let data_type = parser.parse_data_type()?;
        let collated = take(parser, "collate");
        if collated {
            parser.parse_object_name(false)?;
        }
        let using = match take(parser, "using") {
            true => Some(Box::new(parser.parse_expr()?)),
            false => None,
        };
        return Ok(AlterColumn::Type {
            to: Box::new(data_type),
            collated,
            using,
        });
    }
    if take_all(parser, &["set", "default"]) {
        return Ok(AlterColumn::Default(Some(Box::new(parser.parse_expr()?))));
    }
    if take_all(parser, &["set", "statistics"]) {
        return Ok(AlterColumn::Statistics(number(parser)?));
    }
    if take_all(parser, &["add", "generated"]) {
        let always = always(parser)?;
        if !take_all(parser, &["as", "identity"]) {
            return parser.expected_ref("AS IDENTITY", parser.peek_token_ref());
        }
        let mut given = Vec::new();
        if parser.consume_token(&sqlparser::tokenizer::Token::LParen) {
            given = options(parser)?;
            parser.expect_token(&sqlparser::tokenizer::Token::RParen)?;
        }
        return Ok(AlterColumn::AddIdentity(always, given));
    }
    const PLAIN: [(&[&str], AlterColumn); 7] = [
        (&["drop", "default"], AlterColumn::Default(None)),
        (&["set", "not", "null"], AlterColumn::NotNull(true)),
        (&["drop", "not", "null"], AlterColumn::NotNull(false)),
        (
            &["drop", "expression", "if", "exists"],
            AlterColumn::DropExpression(true),
        ),
        (&["drop", "expression"], AlterColumn::DropExpression(false)),
        (
            &["drop", "identity", "if", "exists"],
            AlterColumn::DropIdentity(true),
        ),
        (&["drop", "identity"], AlterColumn::DropIdentity(false)),
    ];
    for (words, action) in PLAIN {
        if take_all(parser, words) {
            return Ok(action);
        }
    }
    set_identity(parser)
}

/// `SET GENERATED ...`, `SET option` and `RESTART`, any number of them.
fn set_identity(parser: &mut Parser<'_>) -> Result<AlterColumn, ParserError> {
    let mut generated = None;
    let mut given = Vec::new();
    loop {
        if take_all(parser, &["set", "generated"]) {
            generated = Some(always(parser)?);
            continue;
        }
        take(parser, "set");
        match options(parser)? {
            some if some.is_empty() => break,
            some => given.extend(some),
        }
    }
    match generated.is_none() && given.is_empty() {
        true => parser.expected_ref("an action of ALTER COLUMN", parser.peek_token_ref()),
        false => Ok(AlterColumn::SetIdentity(generated, given)),
    }
}

/// `ALWAYS` or `BY DEFAULT`.
fn always(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    match take(parser, "always") {
        true => Ok(true),
        false if take_all(parser, &["by", "default"]) => Ok(false),
        false => parser.expected_ref("ALWAYS or BY DEFAULT", parser.peek_token_ref()),
    }
}

fn alter_type(parser: &mut Parser<'_>) -> Result<AlterType, ParserError> {
    if take_all(parser, &["add", "value"]) {
        let if_not_exists = take_all(parser, &["if", "not", "exists"]);
        let label = parser.parse_literal_string()?;
        let next_to = match (take(parser, "before"), take(parser, "after")) {
            (false, false) => None,
            (before, _) => Some((parser.parse_literal_string()?, before)),
        };
        return Ok(AlterType::AddValue {
            if_not_exists,
            label,
            next_to,
        });
    }
    if take_all(parser, &["rename", "value"]) {
        let old = parser.parse_literal_string()?;
        if !take(parser, "to") {
            return parser.expected_ref("TO", parser.peek_token_ref());
        }
        return Ok(AlterType::RenameValue(old, parser.parse_literal_string()?));
    }
    parser.expected_ref("an action of ALTER TYPE", parser.peek_token_ref())
}
