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
    figured(expr).map(|(name, _)| name)
}

/// How good a name is.
#[derive(Clone, Copy, PartialEq)]
enum Strength {
    /// Of a type, or of CASE: a cast or a CASE around it has a better one.
    Weak,
    /// Of a column or a function.
    Strong,
}

fn strong(expr: &ast::Expr) -> Option<String> {
    let (name, strength) = figured(expr)?;
    (strength == Strength::Strong).then_some(name)
}

fn figured(expr: &ast::Expr) -> Option<(String, Strength)> {
    use Strength::{Strong, Weak};
    match expr {
        ast::Expr::Nested(inner) | ast::Expr::Collate { expr: inner, .. } => figured(inner),
        ast::Expr::Cast {
            expr, data_type, ..
        } => Some(match strong(expr) {
            Some(name) => (name, Strong),
            None => (type_word(data_type), Weak),
        }),
        ast::Expr::TypedString(literal) => Some((type_word(&literal.data_type), Weak)),
        ast::Expr::Interval(_) => Some(("interval".to_owned(), Weak)),
        ast::Expr::Case { else_result, .. } => {
            Some(match else_result.as_deref().and_then(strong) {
                Some(name) => (name, Strong),
                None => ("case".to_owned(), Weak),
            })
        }
        ast::Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(ast::AccessExpr::Dot(ast::Expr::Identifier(field))) => {
                Some((name_of(field), Strong))
            }
            _ => figured(root),
        },
        other => own_name(other).map(|name| (name, Strong)),
    }
}

/// The name of a column, a function or what looks like one.
fn own_name(expr: &ast::Expr) -> Option<String> {
    let name = match expr {
        ast::Expr::Identifier(name) => return Some(name_of(name)),
        ast::Expr::CompoundIdentifier(parts) => return parts.last().map(name_of),
        ast::Expr::Function(call) => {
            let last = call.name.0.last().and_then(|part| part.as_ident());
            return last.map(name_of);
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
        _ => return None,
    };
    Some(name.to_owned())
}

/// A subquery's column has the name it has within.
fn subquery_name(query: &ast::Query) -> Option<String> {
    match &*query.body {
        ast::SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::UnnamedExpr(expr) => Some(output_name(expr)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was asked of PostgreSQL 15.
    #[test]
    fn columns_are_called_what_postgresql_calls_them() {
        for (expression, name) in [
            ("1.5::float8::int", "int4"),
            ("true", "?column?"),
            ("true::int", "int4"),
            ("a::int::text", "a"),
            ("(a + 1)::int::text", "text"),
            ("interval '1 day'", "interval"),
            ("(date '2020-01-01')::text", "text"),
            ("date '2020-01-01'", "date"),
            ("row(1)::text", "row"),
            ("coalesce(a, 1)::text", "coalesce"),
            ("exists(select 1)::text", "exists"),
            ("(case when true then a end)::text", "text"),
            ("(case a when 1 then 2 else a end)::int", "a"),
            ("(case when true then 1 else a::int end)", "a"),
            ("case when true then 1 else 1::int end", "case"),
            ("case when true then 1 else (select 1 as foo) end", "foo"),
            ("(select 1)::int", "?column?"),
            ("(select 1::int8)::int", "int8"),
            ("(select a::int)::text", "a"),
            ("('x'::text collate \"C\")::varchar", "varchar"),
            ("(array[1]::int[])[1]::text", "array"),
        ] {
            let expr = parse_expression(expression).unwrap();
            assert_eq!(output_name(&expr), name, "{expression}");
        }
    }
}
