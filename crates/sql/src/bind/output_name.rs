//! What the columns of a select list are called.

use rustdb_catalog::IndexKey;
use sqlparser::ast;
use sqlparser::ast::SelectItem;

use super::name_of;
use crate::parse::parse_expression;

/// What PostgreSQL calls a column that has no alias.
pub(super) fn output_name(expr: &ast::Expr) -> String {
    given_name(expr).unwrap_or_else(|| "?column?".to_owned())
}

/// The name that an expression of an index has by itself.
pub(crate) fn key_name(key: &IndexKey) -> Option<String> {
    match key {
        IndexKey::Column(_) => None,
        IndexKey::Expression { expression, .. } => {
            given_name(&parse_expression(&expression.text).ok()?)
        }
    }
}

/// The name that an expression has by itself: of its column, its function or its type.
fn given_name(expr: &ast::Expr) -> Option<String> {
    let name = match expr {
        ast::Expr::Identifier(name) => return Some(name_of(name)),
        ast::Expr::CompoundIdentifier(parts) => return parts.last().map(name_of),
        ast::Expr::Nested(inner) | ast::Expr::Collate { expr: inner, .. } => {
            return given_name(inner);
        }
        ast::Expr::Cast {
            expr, data_type, ..
        } => {
            return given_name(expr).or_else(|| Some(type_word(data_type)));
        }
        ast::Expr::TypedString(literal) => return Some(type_word(&literal.data_type)),
        ast::Expr::Interval(_) => "interval",
        ast::Expr::Function(call) => {
            return call
                .name
                .0
                .last()
                .and_then(|part| part.as_ident())
                .map(name_of);
        }
        ast::Expr::CompoundFieldAccess { root, access_chain } => {
            return match access_chain.last() {
                Some(ast::AccessExpr::Dot(ast::Expr::Identifier(field))) => Some(name_of(field)),
                _ => given_name(root),
            };
        }
        ast::Expr::Case { else_result, .. } => {
            let of_else = else_result.as_deref().and_then(|expr| match expr {
                ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => given_name(expr),
                ast::Expr::Function(_) | ast::Expr::Cast { .. } => given_name(expr),
                _ => None,
            });
            return Some(of_else.unwrap_or_else(|| "case".to_owned()));
        }
        ast::Expr::Exists { negated: false, .. } => "exists",
        ast::Expr::BinaryOp {
            op: ast::BinaryOperator::Overlaps,
            ..
        } => "overlaps",
        ast::Expr::Array(_) => "array",
        ast::Expr::Tuple(_) => "row",
        ast::Expr::Subquery(query) => return subquery_name(query),
        ast::Expr::Extract { .. } => "extract",
        ast::Expr::Position { .. } => "position",
        ast::Expr::Substring { .. } => "substring",
        ast::Expr::Overlay { .. } => "overlay",
        ast::Expr::Trim { trim_where, .. } => match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        },
        ast::Expr::AtTimeZone { .. } => "timezone",
        ast::Expr::Ceil { .. } => "ceil",
        ast::Expr::Floor { .. } => "floor",
        ast::Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => "bool",
        _ => return None,
    };
    Some(name.to_owned())
}

/// A subquery's column has the name it has within.
fn subquery_name(query: &ast::Query) -> Option<String> {
    match &*query.body {
        ast::SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => given_name(expr),
            SelectItem::ExprWithAlias { alias, .. } => Some(name_of(alias)),
            _ => None,
        },
        ast::SetExpr::Values(_) => Some("column1".to_owned()),
        _ => None,
    }
}

/// A cast's column has PostgreSQL's short name of the type.
fn type_word(of: &ast::DataType) -> String {
    use ast::DataType as T;
    let word = match of {
        T::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element),
        ) => return type_word(element),
        T::Int(_) | T::Integer(_) | T::Int4(_) => "int4",
        T::BigInt(_) | T::Int8(_) => "int8",
        T::SmallInt(_) | T::Int2(_) => "int2",
        T::Real | T::Float4 => "float4",
        T::DoublePrecision | T::Float8 | T::Float(_) => "float8",
        T::Numeric(_) | T::Decimal(_) | T::Dec(_) => "numeric",
        T::Boolean | T::Bool => "bool",
        T::Varchar(_) | T::CharacterVarying(_) | T::CharVarying(_) => "varchar",
        T::Char(_) | T::Character(_) => "bpchar",
        T::Timestamp(_, ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz) => "timestamptz",
        T::Timestamp(..) => "timestamp",
        T::Time(..) => "time",
        T::Interval { .. } => "interval",
        T::JSON => "json",
        T::JSONB => "jsonb",
        T::Custom(name, _) => {
            let last = name.0.last().and_then(|part| part.as_ident());
            return last.map(name_of).unwrap_or_default();
        }
        other => return other.to_string().to_lowercase(),
    };
    word.to_owned()
}
