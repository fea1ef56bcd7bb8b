//! Functions, and what is written as one.

use rustdb_types::aggregate::aggregates_named;
use rustdb_types::function::{Call, Function, functions_named};
use rustdb_types::window::window_functions_named;
use rustdb_types::{Base, Modifier, Parameter, Type, Value, resolve_function};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::Binder;
use super::expression::Place;
use super::rows::row_of;
use crate::error::{Error, Result, SqlState};
use crate::expr::{Expr, FunctionCall, Typed};
use crate::parse::{end_of, place};
use crate::rewrite;
use crate::system;

/// The names of types that are called as functions.
#[rustfmt::skip]
const CASTS: [(&str, Base); 20] = [
    ("bool", Base::Bool), ("bpchar", Base::Bpchar), ("bytea", Base::Bytea), ("date", Base::Date),
    ("float4", Base::Float4), ("float8", Base::Float8), ("int2", Base::Int2), ("int4", Base::Int4),
    ("int8", Base::Int8), ("interval", Base::Interval), ("json", Base::Json),
    ("jsonb", Base::Jsonb), ("numeric", Base::Numeric), ("text", Base::Text), ("time", Base::Time),
    ("timestamp", Base::Timestamp), ("timestamptz", Base::Timestamptz), ("uuid", Base::Uuid),
    ("varchar", Base::Varchar), ("oid", Base::Oid),
];

impl Binder<'_> {
    /// A function call.
    pub(super) fn call(&mut self, call: &ast::Function, at: &mut Place<'_, '_>) -> Result<Typed> {
        let names = super::words_of(&call.name)?;
        let short = names.last().map(String::as_str).unwrap_or_default();
        if let ast::FunctionArguments::Subquery(query) = &call.args {
            if short == "array" {
                return self.array_subquery(query, at);
            }
            return Err(Error::unsupported(format!("the call {call}")));
        }
        if let Some(typed) = self.word_call(call)? {
            return Ok(typed);
        }
        let is_window = window_functions_named(short).next().is_some();
        match &call.over {
            Some(over) if is_window || is_aggregate(short) => {
                return self.window_call(short, call, over, at);
            }
            Some(_) => {
                return Err(self.over_refused(&names, short, call, at)?);
            }
            None if is_window && (!is_aggregate(short) || is_bare(call)) => {
                let message = format!("window function {short} requires an OVER clause");
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
            }
            None => (),
        }
        if is_aggregate(short) {
            return self.aggregate(short, call, at);
        }
        if short == "grouping" {
            return self.grouping_call(call, at);
        }
        if let Some(typed) = self.named_arguments(short, call, at)? {
            return self.function(&names, typed, Some(at));
        }
        let arguments = plain_arguments(call)?;
        if let Some(typed) = self.session_call(&names, &arguments, at)? {
            return Ok(typed);
        }
        let mut typed = Vec::with_capacity(arguments.len());
        for argument in arguments {
            typed.push(self.expression(argument, at)?);
        }
        match (short, typed.len()) {
            ("pg_typeof", 1) => self.type_of_argument(&typed[0]),
            ("coalesce", 1..) => self.of_one_type("COALESCE", typed),
            ("greatest", 1..) => self.of_one_type("GREATEST", typed),
            ("least", 1..) => self.of_one_type("LEAST", typed),
            ("nullif", 2) => {
                let right = typed.pop();
                let left = typed.pop();
                match (left, right) {
                    (Some(left), Some(right)) => self.null_if(left, right),
                    _ => Err(Error::internal("NULLIF without its arguments")),
                }
            }
            ("row", _) => {
                let items = typed.into_iter().map(|item| self.settle(item));
                Ok(row_of(items.collect::<Result<Vec<_>>>()?))
            }
            _ if is_variadic(call) => {
                let (call, of) = self.resolved_call(&names, typed, true)?;
                Ok(Typed::new(Expr::Call(Box::new(call)), of))
            }
            _ => self.function(&names, typed, Some(at)),
        }
    }

    /// What is wrong with OVER behind a function that is none for windows, if the call is right.
    fn over_refused(
        &mut self,
        names: &[String],
        short: &str,
        call: &ast::Function,
        at: &mut Place<'_, '_>,
    ) -> Result<Error> {
        let mut typed = Vec::new();
        for argument in plain_arguments(call)? {
            typed.push(self.expression(argument, at)?);
        }
        self.function_call(names, typed)?;
        let message = format!(
            "OVER specified, but {short} is not a window function nor an aggregate function"
        );
        Ok(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
    }

    /// A function by its name and arguments. A set-returning one is put aside, if it may stand
    /// there.
    pub(super) fn function(
        &mut self,
        names: &[String],
        arguments: Vec<Typed>,
        at: Option<&mut Place<'_, '_>>,
    ) -> Result<Typed> {
        if let Some(functions) = self.system_functions(names) {
            return self.system_call(names, &functions, arguments);
        }
        let cast = self.cast_named(names, &arguments);
        let (call, of) = match (self.function_call(names, arguments), cast) {
            (Err(error), Some((from, to))) if error.state() == SqlState::UNDEFINED_FUNCTION => {
                return self.explicit_cast(from, &to).map_err(|_| error);
            }
            (found, _) => found?,
        };
        if !call.call.function().set {
            return Ok(Typed::new(Expr::Call(Box::new(call)), of));
        }
        let clause = at.as_ref().map_or("this place", |at| at.clause);
        let collected = at.and_then(|at| at.collected.as_deref_mut());
        let Some(collected) = collected.filter(|_| clause != "HAVING") else {
            let message = format!("set-returning functions are not allowed in {clause}");
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        };
        let id = self.new_column();
        collected.sets.push((call, vec![id]));
        Ok(Typed::new(Expr::Column(id), of))
    }

    /// The cast that a call of a type's name with one argument may be: `date(now())`.
    fn cast_named(&self, names: &[String], arguments: &[Typed]) -> Option<(Typed, Type)> {
        let (Some(short), [from]) = (names.last(), arguments) else {
            return None;
        };
        let found = CASTS.iter().find(|(name, _)| name == short)?;
        Some((from.clone(), Type::of(found.1)))
    }

    /// The function that is meant, with its arguments cast, and the type of what it gives.
    pub(super) fn function_call(
        &mut self,
        names: &[String],
        arguments: Vec<Typed>,
    ) -> Result<(FunctionCall, Type)> {
        self.resolved_call(names, arguments, false)
    }

    /// As [`Binder::function_call`]; `variadic` if the last argument is an array of such.
    fn resolved_call(
        &mut self,
        names: &[String],
        arguments: Vec<Typed>,
        variadic: bool,
    ) -> Result<(FunctionCall, Type)> {
        let short = match names {
            [short] => short,
            [schema, short] if schema == "pg_catalog" => short,
            _ => return Err(missing_function(&names.join("."), &arguments)),
        };
        let qualified = (names.len() > 1).then(|| names.join("."));
        let rows = functions_named(short);
        if rows.is_empty() && system::is_of_postgresql(short) {
            return Err(Error::unsupported(format!("function {short}")));
        }
        let types: Vec<Type> = arguments
            .iter()
            .map(|argument| argument.of.clone())
            .collect();
        let candidates: Vec<_> = rows.iter().map(Function::candidate).collect();
        let resolved = resolve_function(
            qualified.as_deref().unwrap_or(short),
            &types,
            variadic,
            &candidates,
        )?;
        let wanted = resolved.arguments.clone();
        let of = resolved.result.clone();
        let function = &rows[resolved.index];
        let mut cast = Vec::with_capacity(arguments.len());
        for (index, (argument, wanted)) in arguments.into_iter().zip(&wanted).enumerate() {
            let any = function.parameters.get(index) == Some(&Parameter::Any);
            cast.push(match any && argument.of != Type::UNKNOWN {
                true => argument.expr,
                false => self.coerce_argument(argument, wanted)?,
            });
        }
        let call = FunctionCall {
            call: Call::new(function, resolved, variadic),
            arguments: cast,
        };
        Ok((call, of))
    }

    /// A function of `pg_catalog` for what has a syntax of its own.
    fn built_in(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        self.function(
            &["pg_catalog".to_owned(), name.to_owned()],
            arguments,
            Some(at),
        )
    }

    /// `CURRENT_DATE` and the like where the parser takes the word for a call, and
    /// `CURRENT_TIMESTAMP(3)`, which says how many digits come after the second.
    fn word_call(&mut self, call: &ast::Function) -> Result<Option<Typed>> {
        let [ast::ObjectNamePart::Identifier(name)] = &call.name.0[..] else {
            return Ok(None);
        };
        if name.quote_style.is_some() {
            return Ok(None);
        }
        let name = super::name_of(name);
        match &call.args {
            ast::FunctionArguments::None => self.bare_call(&name),
            ast::FunctionArguments::List(_) if name == "current_time" => self.bare_call(&name),
            ast::FunctionArguments::List(list) => {
                let base = match name.as_str() {
                    "current_timestamp" => Base::Timestamptz,
                    "localtimestamp" => Base::Timestamp,
                    "localtime" => Base::Time,
                    _ => return Ok(None),
                };
                let [argument] = &list.args[..] else {
                    return Ok(None);
                };
                let Ok(digits) = argument.to_string().parse::<i32>() else {
                    return Ok(None);
                };
                let Some(now) = self.bare_call(&name)? else {
                    return Ok(None);
                };
                let of = Type::of(base).with_modifier(Modifier::fraction(digits)?);
                self.explicit_cast(now, &of).map(Some)
            }
            ast::FunctionArguments::Subquery(_) => Ok(None),
        }
    }

    /// `current_date` and the like: functions without brackets.
    pub(super) fn bare_call(&mut self, name: &str) -> Result<Option<Typed>> {
        let now = |binder: &mut Self| binder.function(&["now".to_owned()], Vec::new(), None);
        let typed = match name {
            "current_date" => {
                let now = now(self)?;
                self.explicit_cast(now, &Type::DATE)?
            }
            "current_timestamp" => now(self)?,
            "current_time" => {
                return Err(Error::unsupported("CURRENT_TIME, of time with time zone"));
            }
            "localtimestamp" => {
                let now = now(self)?;
                self.explicit_cast(now, &Type::TIMESTAMP)?
            }
            "localtime" => {
                let now = now(self)?;
                self.explicit_cast(now, &Type::TIME)?
            }
            "current_user" | "session_user" | "user" | "current_role" => {
                name_constant(&self.session.user)
            }
            "current_catalog" => name_constant(&self.session.database),
            "current_schema" => self.function(&["current_schema".to_owned()], Vec::new(), None)?,
            _ => return Ok(None),
        };
        Ok(Some(typed))
    }

    /// What has a syntax of its own and means a function: `EXTRACT(year FROM t)`.
    pub(super) fn special_call(
        &mut self,
        expr: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        self.special_call_inner(expr, at)
            .map_err(|error| at_word_of_call(error, expr))
    }

    fn special_call_inner(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        let (name, arguments) = match expr {
            ast::Expr::Extract { field, expr, .. } => {
                let word = field.to_string().to_lowercase();
                let word = word.trim_matches('\'').to_owned();
                let mut arguments = vec![text_constant(&word)];
                arguments.extend(self.expressions(&[expr], at)?);
                ("extract", arguments)
            }
            ast::Expr::Position { expr, r#in } => {
                ("position", self.expressions(&[r#in, expr], at)?)
            }
            ast::Expr::Ceil { expr, field } if is_plain_rounding(field) => {
                ("ceil", self.expressions(&[expr], at)?)
            }
            ast::Expr::Floor { expr, field } if is_plain_rounding(field) => {
                ("floor", self.expressions(&[expr], at)?)
            }
            ast::Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => ("timezone", self.expressions(&[time_zone, timestamp], at)?),
            other => return self.text_call(other, at),
        };
        self.built_in(name, arguments, at)
    }

    fn expressions(&mut self, items: &[&ast::Expr], at: &mut Place<'_, '_>) -> Result<Vec<Typed>> {
        let mut typed = Vec::with_capacity(items.len());
        for item in items {
            typed.push(self.expression(item, at)?);
        }
        Ok(typed)
    }

    /// SQL's words for functions of text.
    fn text_call(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        let (name, arguments) = match expr {
            ast::Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let mut arguments = self.expressions(&[expr], at)?;
                match (substring_from, substring_for) {
                    (Some(from), Some(len)) => {
                        arguments.extend(self.expressions(&[from, len], at)?)
                    }
                    (Some(from), None) => arguments.extend(self.expressions(&[from], at)?),
                    (None, Some(len)) => {
                        arguments.push(Typed::new(Expr::Constant(Value::Int4(1)), Type::INT4));
                        arguments.extend(self.expressions(&[len], at)?);
                    }
                    (None, None) => (),
                }
                ("substring", arguments)
            }
            ast::Expr::Trim {
                expr,
                trim_where,
                trim_what,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    Some(ast::TrimWhereField::Both) | None => "btrim",
                };
                let mut arguments = self.expressions(&[expr], at)?;
                if let Some(what) = trim_what {
                    arguments.extend(self.expressions(&[what], at)?);
                }
                for what in trim_characters.iter().flatten() {
                    arguments.extend(self.expressions(&[what], at)?);
                }
                (name, arguments)
            }
            ast::Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut arguments = self.expressions(&[expr, overlay_what, overlay_from], at)?;
                if let Some(count) = overlay_for {
                    arguments.extend(self.expressions(&[count], at)?);
                }
                ("overlay", arguments)
            }
            ast::Expr::SimilarTo { .. } => return self.similar(expr, at),
            other => return Err(Error::unsupported(format!("`{other}`"))),
        };
        self.built_in(name, arguments, at)
    }

    /// `SIMILAR TO`: a regular expression in SQL's way of writing.
    fn similar(&mut self, expr: &ast::Expr, at: &mut Place<'_, '_>) -> Result<Typed> {
        let ast::Expr::SimilarTo {
            negated,
            expr: operand,
            pattern,
            escape_char,
        } = expr
        else {
            return Err(Error::internal("no SIMILAR TO"));
        };
        let operand = self.expression(operand, at)?;
        let mut pattern = vec![self.expression(pattern, at)?];
        if let Some(escape) = escape_char {
            pattern.push(self.expression(escape, at)?);
        }
        let pattern = self.built_in("similar_to_escape", pattern, at)?;
        let operator = if *negated { "!~" } else { "~" };
        self.operator(operator, Some(operand), pattern)
    }

    /// `LIKE`, with what its ESCAPE means.
    pub(super) fn like(
        &mut self,
        name: &str,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let operand = self.expression(operand, at)?;
        let mut pattern = self.expression(pattern, at)?;
        if let Some(escape) = escape {
            let escape = self.expression(escape, at)?;
            pattern = self.built_in("like_escape", vec![pattern, escape], at)?;
        }
        self.operator(name, Some(operand), pattern)
    }
}

/// An error of a call with a syntax of its own, at its word.
fn at_word_of_call(error: Error, expr: &ast::Expr) -> Error {
    let word = match expr {
        ast::Expr::AtTimeZone { timestamp, .. } => {
            return error.at_word_behind(end_of(timestamp), "AT");
        }
        ast::Expr::Extract { .. } => "extract",
        ast::Expr::Position { .. } => "position",
        ast::Expr::Ceil { .. } => "ceil",
        ast::Expr::Floor { .. } => "floor",
        ast::Expr::Substring { .. } => "substring",
        ast::Expr::Trim { .. } => "trim",
        ast::Expr::Overlay { .. } => "overlay",
        _ => return error,
    };
    error.at_word_before(place(expr.span()), word)
}

fn is_aggregate(name: &str) -> bool {
    !aggregates_named(name).is_empty()
}

/// Whether the last argument is an array of arguments.
fn is_variadic(call: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &call.args else {
        return false;
    };
    match list.args.last() {
        Some(
            ast::FunctionArg::Named { name, .. }
            | ast::FunctionArg::ExprNamed {
                name: ast::Expr::Identifier(name),
                ..
            },
        ) => name.value == rewrite::VARIADIC,
        _ => false,
    }
}

/// Whether there is nothing in the brackets, and no WITHIN GROUP.
fn is_bare(call: &ast::Function) -> bool {
    let nothing = match &call.args {
        ast::FunctionArguments::List(list) => list.args.is_empty(),
        ast::FunctionArguments::None => true,
        ast::FunctionArguments::Subquery(_) => false,
    };
    nothing && call.within_group.is_empty()
}

fn is_plain_rounding(field: &ast::CeilFloorKind) -> bool {
    matches!(
        field,
        ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime)
    )
}

fn text_constant(text: &str) -> Typed {
    Typed::new(Expr::Constant(Value::text(text)), Type::TEXT)
}

fn name_constant(text: &str) -> Typed {
    Typed::new(Expr::Constant(Value::text(text)), Type::of(Base::Name))
}

fn missing_function(name: &str, arguments: &[Typed]) -> Error {
    let types: Vec<String> = arguments
        .iter()
        .map(|argument| argument.of.name())
        .collect();
    let message = format!("function {name}({}) does not exist", types.join(", "));
    Error::new(SqlState::UNDEFINED_FUNCTION, message)
}

/// The arguments of a call that has nothing else to it.
pub(super) fn plain_arguments(call: &ast::Function) -> Result<Vec<&ast::Expr>> {
    let refuse = |what: &str| Err(Error::unsupported(format!("{what} of {}", call.name)));
    if call.filter.is_some() {
        let message = format!(
            "FILTER specified, but {} is not an aggregate function",
            call.name
        );
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    if call.null_treatment.is_some() {
        return refuse("IGNORE NULLS");
    }
    if !call.within_group.is_empty() {
        return refuse("WITHIN GROUP");
    }
    match &call.args {
        ast::FunctionArguments::None => Ok(Vec::new()),
        ast::FunctionArguments::Subquery(_) => refuse("a query as the argument"),
        ast::FunctionArguments::List(list) => {
            if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                return refuse("DISTINCT or ORDER BY in the arguments");
            }
            let mut arguments = Vec::with_capacity(list.args.len());
            for argument in &list.args {
                match argument {
                    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                        arguments.push(expr);
                    }
                    ast::FunctionArg::Named {
                        name,
                        arg: ast::FunctionArgExpr::Expr(expr),
                        ..
                    } if name.value == rewrite::VARIADIC => arguments.push(expr),
                    ast::FunctionArg::ExprNamed {
                        name: ast::Expr::Identifier(name),
                        arg: ast::FunctionArgExpr::Expr(expr),
                        ..
                    } if name.value == rewrite::VARIADIC => arguments.push(expr),
                    other => return refuse(&format!("the argument `{other}`")),
                }
            }
            Ok(arguments)
        }
    }
}
