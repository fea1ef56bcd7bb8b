//! Window functions: OVER, the WINDOW clause, frames.
//!
//! A call becomes a column and is put aside, as aggregates are. Groups come before windows, so
//! that a window's expressions may have aggregates in them.

use rustdb_types::aggregate::{Aggregate as AggregateRow, AggregateCall, aggregates_named};
use rustdb_types::window::{WindowFunction, window_functions_named};
use rustdb_types::{Type, resolve_function};
use sqlparser::ast;
use sqlparser::ast::{DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::expression::Place;
use super::{Binder, name_of, new_name};
use crate::error::{Error, Result, SqlState};
use crate::expr::{ColumnId, Expr, Typed};
use crate::parse::place;
use crate::plan::{Frame, FrameExclusion, OrderItem, Plan, Window, WindowCall, WindowItem};
use crate::rewrite;

/// A call that was put aside.
#[derive(Clone, Debug)]
pub(crate) struct CollectedWindow {
    pub(crate) id: ColumnId,
    pub(crate) partition: Vec<OrderItem>,
    pub(crate) order: Vec<OrderItem>,
    pub(crate) item: WindowItem,
}

impl CollectedWindow {
    /// The expressions in it, to change them.
    pub(super) fn expressions_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let keys = self.partition.iter_mut().chain(&mut self.order);
        keys.map(|item| &mut item.expr)
            .chain(self.item.expressions_mut())
    }
}

/// A window as it is written, with what it takes from the one it names.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    partition: Vec<ast::Expr>,
    order: Vec<ast::OrderByExpr>,
    pub(super) frame: Option<ast::WindowFrame>,
    pub(super) exclude: FrameExclusion,
}

/// A window whose expressions are bound.
struct Definition {
    partition: Vec<OrderItem>,
    order: Vec<OrderItem>,
    frame: Frame,
}

impl Binder<'_> {
    /// `name(...) OVER ...`.
    pub(super) fn window_call(
        &mut self,
        name: &str,
        call: &ast::Function,
        over: &ast::WindowType,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        refuse_place(at)?;
        let written = window_arguments(name, call)?;
        let scope = at.scope;
        let clause = at.clause;
        let sets = at
            .collected
            .as_deref()
            .map_or(0, |collected| collected.sets.len());
        let mut arguments = Vec::with_capacity(written.len());
        {
            let mut inner = Place::new(scope, clause);
            inner.collected = at.collected.as_deref_mut();
            inner.no_windows = Some("window function calls cannot be nested");
            for argument in written {
                arguments.push(self.expression(argument, &mut inner)?);
            }
        }
        if at
            .collected
            .as_deref()
            .map_or(0, |collected| collected.sets.len())
            > sets
        {
            let message = "window function calls cannot contain set-returning function calls";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(
                "You might be able to move the set-returning function into a LATERAL FROM item.",
            ));
        }
        let (function, arguments) = self.window_function(name, arguments)?;
        let filter = match (&call.filter, &function) {
            (None, _) => None,
            (Some(_), WindowCall::Function(..)) => {
                let message = "FILTER is not implemented for non-aggregate window functions";
                return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
            }
            (Some(filter), WindowCall::Aggregate(_)) => {
                let filter = self.expression(filter, &mut Place::new(scope, "FILTER"))?;
                Some(self.coerce_to_bool(filter, "FILTER")?)
            }
        };
        let named = at.collected.as_deref().map(|collected| &collected.named);
        let written = written_window(over, named.map_or(&[][..], |named| &named[..]))?;
        let definition = self.window_definition(&written, at)?;
        let item = WindowItem {
            function,
            arguments,
            filter,
            frame: definition.frame,
        };
        self.put_window_aside(definition.partition, definition.order, item, at)
    }

    fn put_window_aside(
        &mut self,
        partition: Vec<OrderItem>,
        order: Vec<OrderItem>,
        item: WindowItem,
        at: &mut Place<'_, '_>,
    ) -> Result<Typed> {
        let of = item.result().clone();
        let id = self.new_column();
        let Some(collected) = at.collected.as_deref_mut() else {
            return Err(Error::internal("a window function where none may be"));
        };
        let same = collected.windows.iter().find(|other| {
            other.item == item && other.partition == partition && other.order == order
        });
        if let Some(same) = same {
            return Ok(Typed::new(Expr::Column(same.id), of));
        }
        collected.windows.push(CollectedWindow {
            id,
            partition,
            order,
            item,
        });
        Ok(Typed::new(Expr::Column(id), of))
    }

    /// The function that is meant, and its arguments cast.
    fn window_function(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
    ) -> Result<(WindowCall, Vec<Expr>)> {
        let types: Vec<Type> = arguments.iter().map(|typed| typed.of.clone()).collect();
        let functions: Vec<&WindowFunction> = window_functions_named(name).collect();
        let aggregates = aggregates_named(name);
        let candidates: Vec<_> = match functions.is_empty() {
            false => functions
                .iter()
                .map(|function| function.candidate())
                .collect(),
            true => aggregates.iter().map(AggregateRow::candidate).collect(),
        };
        let resolved = resolve_function(name, &types, false, &candidates)?;
        let wanted = resolved.arguments.clone();
        let call = match functions.is_empty() {
            false => WindowCall::Function(functions[resolved.index].kind, resolved.result),
            true => {
                let row = &aggregates[resolved.index];
                refuse_ordered_set(row)?;
                WindowCall::Aggregate(AggregateCall::new(row, resolved))
            }
        };
        let mut cast = Vec::with_capacity(arguments.len());
        for (argument, of) in arguments.into_iter().zip(&wanted) {
            cast.push(self.coerce_argument(argument, of)?);
        }
        Ok((call, cast))
    }

    // ------------------------------------------------------------------------------ windows

    /// The windows of WINDOW are bound even if nothing uses them, for their errors.
    pub(super) fn check_named_windows(
        &mut self,
        named: &[ast::NamedWindowDefinition],
        at: &mut Place<'_, '_>,
    ) -> Result<()> {
        for (index, definition) in named.iter().enumerate() {
            let name = new_name(&definition.0)?;
            if named[..index].iter().any(|other| name_of(&other.0) == name) {
                let message = format!("window \"{name}\" is already defined");
                return Err(Error::new(SqlState::WINDOWING_ERROR, message));
            }
            let written = named_window(named, index)?;
            self.window_definition(&written, at)?;
        }
        Ok(())
    }

    fn window_definition(
        &mut self,
        written: &Written,
        at: &mut Place<'_, '_>,
    ) -> Result<Definition> {
        let scope = at.scope;
        let mut inner = Place::new(scope, at.clause);
        inner.collected = at.collected.as_deref_mut();
        inner.no_windows = Some("window functions are not allowed in window definitions");
        let mut partition = Vec::with_capacity(written.partition.len());
        for expr in &written.partition {
            let typed = self.expression(expr, &mut inner)?;
            let typed = self.settle(typed)?;
            super::select::check_equality(&typed.of)?;
            let item = OrderItem {
                expr: typed.expr,
                descending: false,
                nulls_first: false,
                padded: typed.of.is_padded(),
            };
            if !partition.contains(&item) {
                partition.push(item);
            }
        }
        let mut order = Vec::with_capacity(written.order.len());
        let mut order_types = Vec::with_capacity(written.order.len());
        for item in &written.order {
            let typed = self.expression(&item.expr, &mut inner)?;
            let typed = self.settle(typed)?;
            // What is there already orders nothing.
            let item = self.order_item(item, typed.expr, &typed.of)?;
            if !order
                .iter()
                .any(|other: &OrderItem| other.expr == item.expr)
            {
                order.push(item);
                order_types.push(typed.of);
            }
        }
        let frame = self.frame(written, &order, &order_types, scope)?;
        Ok(Definition {
            partition,
            order,
            frame,
        })
    }

    /// The windows above the input: one node for each partition and order.
    pub(super) fn windowed(&mut self, input: Plan, windows: Vec<CollectedWindow>) -> Plan {
        let mut nodes: Vec<Window> = Vec::new();
        for window in windows {
            let call = (window.id, window.item);
            let same = nodes
                .iter_mut()
                .find(|node| node.partition == window.partition && node.order == window.order);
            match same {
                Some(node) => node.calls.push(call),
                None => nodes.push(Window {
                    input: Plan::one_row(),
                    partition: window.partition,
                    order: window.order,
                    calls: vec![call],
                }),
            }
        }
        nodes.into_iter().fold(input, |input, node| {
            Plan::Window(Box::new(Window { input, ..node }))
        })
    }
}

fn refuse_place(at: &Place<'_, '_>) -> Result<()> {
    let refuse = |message: String| Err(Error::new(SqlState::WINDOWING_ERROR, message));
    if at.within_aggregate {
        let message = "aggregate function calls cannot contain window function calls";
        return Err(Error::new(SqlState::GROUPING_ERROR, message));
    }
    if let Some(message) = at.no_windows {
        return refuse(message.to_owned());
    }
    let here = matches!(at.clause, "SELECT" | "ORDER BY" | "SELECT DISTINCT ON");
    match at.collected.is_some() && here {
        true => Ok(()),
        false => refuse(match at.clause {
            "JOIN/ON" => "window functions are not allowed in JOIN conditions".to_owned(),
            clause => format!("window functions are not allowed in {clause}"),
        }),
    }
}

fn refuse_ordered_set(row: &AggregateRow) -> Result<()> {
    use rustdb_types::aggregate::AggregateKind;
    if row.kind == AggregateKind::Normal {
        return Ok(());
    }
    let message = format!(
        "OVER is not supported for ordered-set aggregate {}",
        row.name
    );
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

/// The arguments as they are written; `*` is none.
fn window_arguments<'a>(name: &str, call: &'a ast::Function) -> Result<Vec<&'a ast::Expr>> {
    let refuse = |message: String| Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
    let is_window = window_functions_named(name).next().is_some();
    if !call.within_group.is_empty() {
        if is_window {
            let message = format!("window function {name} cannot have WITHIN GROUP");
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        return refuse(format!(
            "OVER is not supported for ordered-set aggregate {name}"
        ));
    }
    if call.null_treatment.is_some() {
        let message = "syntax error at or near \"NULLS\"";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    }
    let FunctionArguments::List(list) = &call.args else {
        return Err(Error::unsupported(format!("the call {call}")));
    };
    if !list.args.is_empty() && is_window && !is_star(list) && !aggregates_named(name).is_empty() {
        let message = format!("WITHIN GROUP is required for ordered-set aggregate {name}");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return refuse("DISTINCT is not implemented for window functions".to_owned());
    }
    match list.clauses.first() {
        None => (),
        Some(ast::FunctionArgumentClause::OrderBy(_)) => {
            let message = "aggregate ORDER BY is not implemented for window functions";
            return refuse(message.to_owned());
        }
        Some(ast::FunctionArgumentClause::IgnoreOrRespectNulls(_)) => {
            let message = "syntax error at or near \"NULLS\"";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        Some(other) => return Err(Error::unsupported(format!("`{other}` in a call"))),
    }
    let mut arguments = Vec::with_capacity(list.args.len());
    let mut star = false;
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
            other => return Err(Error::unsupported(format!("the argument `{other}`"))),
        }
    }
    if !star && arguments.is_empty() && name == "count" {
        let message = "count(*) must be used to call a parameterless aggregate function";
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Ok(arguments)
}

fn written_window(over: &ast::WindowType, named: &[ast::NamedWindowDefinition]) -> Result<Written> {
    match over {
        ast::WindowType::NamedWindow(name) => {
            let begin = place(name.span);
            let name = name_of(name);
            let position = named.iter().position(|other| name_of(&other.0) == name);
            match position {
                Some(position) => named_window(named, position),
                None => Err(missing_window(&name).at(begin)),
            }
        }
        ast::WindowType::WindowSpec(spec) => from_spec(spec, named, true),
    }
}

/// A window of the WINDOW clause; it can name those before it.
fn named_window(named: &[ast::NamedWindowDefinition], index: usize) -> Result<Written> {
    match &named[index].1 {
        ast::NamedWindowExpr::WindowSpec(spec) => from_spec(spec, &named[..index], false),
        ast::NamedWindowExpr::NamedWindow(name) => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            format!("syntax error at or near \"{}\"", name.value),
        )),
    }
}

fn from_spec(
    spec: &ast::WindowSpec,
    named: &[ast::NamedWindowDefinition],
    is_over: bool,
) -> Result<Written> {
    let (base, exclude) = match &spec.window_name {
        None => (None, FrameExclusion::NoOthers),
        Some(name) => rewrite::exclusion(name),
    };
    let mut written = Written {
        partition: spec.partition_by.clone(),
        order: spec.order_by.clone(),
        frame: spec.window_frame.clone(),
        exclude,
    };
    let Some(base) = base else {
        return Ok(written);
    };
    let Some(position) = named.iter().position(|other| name_of(&other.0) == base) else {
        let name = spec.window_name.as_ref();
        return Err(missing_window(&base).at(name.and_then(|name| place(name.span))));
    };
    let inherited = named_window(named, position)?;
    let refuse = |message: String| Error::new(SqlState::WINDOWING_ERROR, message);
    if !written.partition.is_empty() {
        let message = format!("cannot override PARTITION BY clause of window \"{base}\"");
        return Err(refuse(message));
    }
    if !written.order.is_empty() && !inherited.order.is_empty() {
        let message = format!("cannot override ORDER BY clause of window \"{base}\"");
        return Err(refuse(message));
    }
    if inherited.frame.is_some() {
        let error = refuse(format!(
            "cannot copy window \"{base}\" because it has a frame clause"
        ));
        let bare = is_over && written.order.is_empty() && written.frame.is_none();
        return Err(match bare {
            true => error.with_hint("Omit the parentheses in this OVER clause."),
            false => error,
        });
    }
    written.partition = inherited.partition;
    if written.order.is_empty() {
        written.order = inherited.order;
    }
    Ok(written)
}

fn missing_window(name: &str) -> Error {
    let message = format!("window \"{name}\" does not exist");
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

fn is_star(list: &ast::FunctionArgumentList) -> bool {
    let star = FunctionArg::Unnamed(FunctionArgExpr::Wildcard);
    list.args == [star]
}
