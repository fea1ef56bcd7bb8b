//! Literals and parameters.

use rustdb_types::{Base, Type, Value, parse as parse_value};
use sqlparser::ast;

use super::{Binder, PARAMETERS_MAX};
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, Typed};

impl Binder<'_> {
    pub(super) fn literal(&mut self, value: &ast::Value) -> Result<Typed> {
        let unknown = |text: &str| {
            if text.contains('\0') {
                let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
                return Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message));
            }
            Ok(Typed::new(Expr::Constant(Value::text(text)), Type::UNKNOWN))
        };
        match value {
            ast::Value::Number(digits, _) => self.number(digits),
            ast::Value::SingleQuotedString(text)
            | ast::Value::EscapedStringLiteral(text)
            | ast::Value::UnicodeStringLiteral(text)
            | ast::Value::NationalStringLiteral(text) => unknown(text),
            ast::Value::DollarQuotedString(text) => unknown(&text.value),
            ast::Value::Boolean(truth) => {
                Ok(Typed::new(Expr::Constant(Value::Bool(*truth)), Type::BOOL))
            }
            ast::Value::Null => Ok(Typed::new(Expr::Constant(Value::Null), Type::UNKNOWN)),
            ast::Value::Placeholder(name) => self.parameter(name),
            other => Err(Error::unsupported(format!("the literal {other}"))),
        }
    }

    /// An integer of the smallest type from `integer` up that holds it, or a `numeric`.
    pub(super) fn number(&self, digits: &str) -> Result<Typed> {
        if let Ok(number) = digits.parse::<i32>() {
            return Ok(Typed::new(Expr::Constant(Value::Int4(number)), Type::INT4));
        }
        if let Ok(number) = digits.parse::<i64>() {
            return Ok(Typed::new(Expr::Constant(Value::Int8(number)), Type::INT8));
        }
        let number = parse_value(digits, &Type::of(Base::Numeric), self.settings)?;
        Ok(Typed::new(Expr::Constant(number), Type::NUMERIC))
    }

    fn parameter(&mut self, name: &str) -> Result<Typed> {
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok());
        let missing = || {
            let message = format!("there is no parameter {name}");
            Error::new(SqlState::UNDEFINED_PARAMETER, message)
        };
        let index = number
            .and_then(|number| number.checked_sub(1))
            .filter(|index| self.takes_parameters && *index < PARAMETERS_MAX)
            .ok_or_else(missing)?;
        if self.parameters.len() <= index {
            self.parameters.resize(index + 1, None);
        }
        let of = self.parameters[index].clone().unwrap_or(Type::UNKNOWN);
        Ok(Typed::new(Expr::Parameter(index), of))
    }
}
