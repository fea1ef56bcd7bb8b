//! EXPLAIN: a plan as text, JSON, or a graph.
//!
//! The words are PostgreSQL's. Projections are not shown, but for what VERBOSE says of columns; a
//! filter is told with what it filters.

mod names;
mod print;
mod spent;

use std::sync::atomic::Ordering;

use rustdb_types::Settings;
use sqlparser::ast;
use sqlparser::ast::{AnalyzeFormat, AnalyzeFormatKind, UtilityOption};

use crate::bind::{Write, WriteKind, name_of};
use crate::error::{Error, Result, SqlState};
use crate::exec::{Measures, Spent};
use crate::expr::Expr;
use crate::plan::{
    Estimator, Figures, Given, Join, JoinKind, JoinMethod, Plan, Scan, SetKind, SortKey,
};

use names::Names;

pub(crate) use print::{Times, printed};

/// What EXPLAIN was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Whether the statement is run.
    pub(crate) analyze: bool,
    /// Whether what the nodes give is shown.
    pub(crate) verbose: bool,
    /// Whether costs are shown.
    pub(crate) costs: bool,
    /// Whether times are shown.
    pub(crate) timing: bool,
    /// Whether the times of planning and of the whole are shown.
    pub(crate) summary: bool,
    pub(crate) format: Format,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    /// A graph for Graphviz.
    Dot,
}

/// A node of a plan, as it is shown.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) title: String,
    pub(crate) details: Vec<(&'static str, String)>,
    pub(crate) start: f64,
    pub(crate) cost: f64,
    pub(crate) rows: f64,
    /// Rows over all loops, loops, and microseconds.
    pub(crate) measured: Option<(u64, u64, u64)>,
    /// The columns that it gives.
    pub(crate) output: Vec<String>,
    /// What it has spent of memory and disk.
    pub(crate) spent: Option<Spent>,
    /// How many threads ran it beside the statement's own, if any.
    pub(crate) workers: u64,
    pub(crate) children: Vec<Entry>,
}

impl Request {
    /// What the options say.
    pub(crate) fn new(
        analyze: bool,
        verbose: bool,
        format: Option<&AnalyzeFormatKind>,
        options: &[UtilityOption],
    ) -> Result<Request> {
        let mut request = Request {
            analyze,
            verbose,
            costs: true,
            timing: true,
            summary: analyze,
            format: Format::Text,
        };
        if let Some(AnalyzeFormatKind::Keyword(format) | AnalyzeFormatKind::Assignment(format)) =
            format
        {
            request.format = match format {
                AnalyzeFormat::TEXT => Format::Text,
                AnalyzeFormat::JSON => Format::Json,
                AnalyzeFormat::GRAPHVIZ => Format::Dot,
                other => return Err(unknown_format(&other.to_string())),
            };
        }
        let mut summary = None;
        for option in options {
            let name = name_of(&option.name);
            let on = || boolean(&name, option.arg.as_ref());
            match name.as_str() {
                "analyze" => request.analyze = on()?,
                "costs" => request.costs = on()?,
                "timing" => request.timing = on()?,
                "summary" => summary = Some(on()?),
                "verbose" => request.verbose = on()?,
                "buffers" | "wal" | "settings" => {
                    if on()? {
                        let what = format!("EXPLAIN with {}", name.to_uppercase());
                        return Err(Error::unsupported(what));
                    }
                }
                "format" => request.format = format_named(option.arg.as_ref())?,
                other => {
                    let message = format!("unrecognized EXPLAIN option \"{other}\"");
                    return Err(Error::new(SqlState::SYNTAX_ERROR, message));
                }
            }
        }
        request.summary = summary.unwrap_or(request.analyze);
        Ok(request)
    }
}

fn word(arg: &ast::Expr) -> String {
    match arg {
        ast::Expr::Identifier(name) => name_of(name),
        other => other.to_string().trim_matches('\'').to_lowercase(),
    }
}

fn boolean(name: &str, arg: Option<&ast::Expr>) -> Result<bool> {
    let Some(arg) = arg else {
        return Ok(true);
    };
    match word(arg).as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => {
            let message = format!("{name} requires a Boolean value");
            Err(Error::new(SqlState::SYNTAX_ERROR, message))
        }
    }
}

fn format_named(arg: Option<&ast::Expr>) -> Result<Format> {
    match arg.map(word).as_deref() {
        Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some("dot" | "graphviz") => Ok(Format::Dot),
        other => Err(unknown_format(other.unwrap_or(""))),
    }
}

fn unknown_format(name: &str) -> Error {
    let lower = name.to_lowercase();
    if ["xml", "yaml"].contains(&lower.as_str()) {
        let what = format!("EXPLAIN with FORMAT {}", lower.to_uppercase());
        return Error::unsupported(what).with_hint(FORMATS);
    }
    let message = format!("unrecognized value for EXPLAIN option \"format\": \"{name}\"");
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message).with_hint(FORMATS)
}

const FORMATS: &str = "There are text, json and dot.";

/// A query's plan as entries.
pub(crate) fn query(
    plan: &Plan,
    figures: &dyn Figures,
    settings: &Settings,
    measures: &Measures,
) -> Entry {
    let explainer = Explainer {
        names: Names::new(plan, settings),
        estimator: Estimator::new(figures, plan),
        measures,
    };
    explainer.entry(plan)
}

/// A writing statement's plan as entries.
pub(crate) fn write(
    write: &Write,
    figures: &dyn Figures,
    settings: &Settings,
    measures: &Measures,
) -> Entry {
    let plan = Plan::Modify(Box::new(write.clone()));
    let explainer = Explainer {
        names: Names::new(&plan, settings),
        estimator: Estimator::new(figures, &plan),
        measures,
    };
    let child = explainer.entry(&write.source);
    let mut entry = Entry {
        title: write_title(write),
        start: child.start,
        cost: child.cost,
        measured: child.measured.map(|(_, loops, micros)| (0, loops, micros)),
        children: vec![child],
        ..Entry::default()
    };
    // What is asked of a row that changed meanwhile is what its source asks, and shown there.
    let asked_again: &[Expr] = match &write.kind {
        WriteKind::Insert { .. } => &[],
        WriteKind::Update { recheck, .. } | WriteKind::Delete { recheck } => recheck,
    };
    let is_again = |expr: &Expr| asked_again.iter().any(|again| std::ptr::eq(again, expr));
    for expr in write.expressions().filter(|expr| !is_again(expr)) {
        explainer.subqueries(expr, &mut entry);
    }
    entry
}

fn write_title(write: &Write) -> String {
    let word = match write.kind {
        WriteKind::Insert { .. } => "Insert",
        WriteKind::Update { .. } => "Update",
        WriteKind::Delete { .. } => "Delete",
    };
    format!("{word} on {}", write.table.definition().name)
}

struct Explainer<'a> {
    names: Names<'a>,
    estimator: Estimator<'a>,
    measures: &'a Measures,
}

impl Explainer<'_> {
    fn entry(&self, plan: &Plan) -> Entry {
        let mut entry = match plan {
            // A projection is not shown, but for what its subqueries do.
            Plan::Project { input, .. } if !is_one_row(input) => self.entry(input),
            Plan::Filter { input, conditions } => {
                let mut entry = self.entry(input);
                let label = match entry.details.iter().any(|(label, _)| *label == "Filter") {
                    true => "One-Time Filter",
                    false => "Filter",
                };
                entry.details.push((label, self.names.all(conditions)));
                entry
            }
            other => self.node(other),
        };
        if !matches!(plan, Plan::Modify(_)) {
            let columns = plan.columns().into_iter();
            entry.output = columns.map(|id| self.names.column(id)).collect();
        }
        let estimate = self.estimator.plan(plan);
        (entry.rows, entry.cost) = (estimate.rows, estimate.cost);
        entry.start = self.estimator.startup(plan).min(estimate.cost);
        if let Some(measured) = self.measures.of(plan) {
            entry.measured = Some((
                measured.rows.load(Ordering::Relaxed),
                measured.loops.load(Ordering::Relaxed),
                measured.micros.load(Ordering::Relaxed),
            ));
            entry.workers = entry.workers.max(measured.workers.load(Ordering::Relaxed));
            if let Some(spent) = measured.spent.lock().as_ref() {
                entry.spent = Some(spent.clone());
            }
        }
        plan.for_each_expression(&mut |expr| self.subqueries(expr, &mut entry));
        entry
    }

    fn subqueries(&self, expr: &Expr, entry: &mut Entry) {
        expr.walk(&mut |part| {
            if let Expr::Subquery(subquery) = part {
                self.measures.enter(subquery);
                let mut child = self.entry(&subquery.plan);
                child.title = format!("SubPlan: {}", child.title);
                entry.children.push(child);
            }
        });
    }

    fn node(&self, plan: &Plan) -> Entry {
        let children: Vec<Entry> = plan
            .inputs()
            .into_iter()
            .map(|plan| self.entry(plan))
            .collect();
        let mut entry = Entry::default();
        match plan {
            Plan::Scan(scan) => self.scan(scan, &mut entry),
            Plan::System(scan) => entry.title = format!("System Scan on {}", scan.relation.name),
            Plan::Values { .. } if is_one_row(plan) => entry.title = "Result".to_owned(),
            Plan::Values { .. } => entry.title = "Values Scan".to_owned(),
            Plan::Join(join) => self.join(join, &mut entry),
            Plan::Aggregate(aggregate) => {
                entry.title = match (aggregate.groups.is_empty(), aggregate.sorted) {
                    (true, _) => "Aggregate".to_owned(),
                    (false, None) => "HashAggregate".to_owned(),
                    (false, Some(_)) => "GroupAggregate".to_owned(),
                };
                if !aggregate.groups.is_empty() {
                    let groups = aggregate.groups.iter();
                    let groups: Vec<Expr> = groups.map(|group| group.expr.clone()).collect();
                    entry.details.push(("Group Key", self.names.list(&groups)));
                }
            }
            Plan::Function(rows) => {
                let name = rows.calls.first();
                let name = name.map_or("", |(call, _)| call.call.function().name);
                entry.title = match is_one_row(&rows.input) {
                    true => format!("Function Scan on {name}"),
                    false => "ProjectSet".to_owned(),
                };
            }
            Plan::Sort { keys, .. } => {
                entry.title = "Sort".to_owned();
                entry.details.push(("Sort Key", self.sort_keys(keys)));
            }
            Plan::Lock(_) => entry.title = "LockRows".to_owned(),
            Plan::With(_) => entry.title = "With".to_owned(),
            Plan::Named(rows) => {
                let kind = if rows.is_working { "WorkTable" } else { "CTE" };
                entry.title = format!("{kind} Scan on {}", rows.name);
            }
            Plan::Recursive(_) => entry.title = "Recursive Union".to_owned(),
            Plan::Modify(write) => entry.title = write_title(write),
            Plan::Window(_) => entry.title = "WindowAgg".to_owned(),
            Plan::Limit { .. } => entry.title = "Limit".to_owned(),
            Plan::Distinct { on, .. } => {
                entry.title = "Unique".to_owned();
                let on: Vec<Expr> = on.iter().map(|column| Expr::Column(*column)).collect();
                entry.details.push(("Group Key", self.names.list(&on)));
            }
            Plan::SetOperation(operation) => {
                entry.title = set_title(operation.kind, operation.all).to_owned();
            }
            Plan::Filter { .. } | Plan::Project { .. } => entry.title = "Result".to_owned(),
        }
        entry.children = match plan {
            // One row without columns is nothing to be told.
            Plan::Function(rows) if is_one_row(&rows.input) => Vec::new(),
            Plan::Project { .. } => Vec::new(),
            _ => children,
        };
        entry
    }

    fn join(&self, join: &Join, entry: &mut Entry) {
        let mine = join.left.columns();
        let is_dependent = crate::plan::free_columns(&join.right)
            .iter()
            .any(|column| mine.contains(column));
        let is_marked = join.method == JoinMethod::Marked;
        let is_hash = matches!(join.method, JoinMethod::Hash | JoinMethod::Marked)
            && !is_dependent
            && self.estimator.has_key(&join.conditions);
        let is_merge = join.method == JoinMethod::Merge;
        let method = match (is_hash, is_merge) {
            (true, _) => "Hash",
            (false, true) => "Merge",
            (false, false) => "Nested Loop",
        };
        let kind = match (join.kind, is_hash || is_merge) {
            (JoinKind::Inner, true) => " Join",
            (JoinKind::Inner, false) => "",
            (JoinKind::Left, _) => " Left Join",
            (JoinKind::Right, _) => " Right Join",
            (JoinKind::Full, _) => " Full Join",
            (JoinKind::Semi, _) if is_marked => " Right Semi Join",
            (JoinKind::Anti, _) if is_marked => " Right Anti Join",
            (JoinKind::Semi, _) => " Semi Join",
            (JoinKind::Anti, _) => " Anti Join",
        };
        entry.title = format!("{method}{kind}");
        if is_merge {
            let (merged, rest): (Vec<Expr>, Vec<Expr>) = join
                .conditions
                .iter()
                .cloned()
                .partition(|condition| crate::plan::is_merged(condition, &join.merged));
            entry.details.push(("Merge Cond", self.names.all(&merged)));
            if !rest.is_empty() {
                entry.details.push(("Join Filter", self.names.all(&rest)));
            }
        } else if !join.conditions.is_empty() {
            let label = if is_hash { "Hash Cond" } else { "Join Filter" };
            entry
                .details
                .push((label, self.names.all(&join.conditions)));
        }
    }

    fn scan(&self, scan: &Scan, entry: &mut Entry) {
        let definition = scan.table.definition();
        let on = match definition.name == scan.alias {
            true => definition.name.clone(),
            false => format!("{} {}", definition.name, scan.alias),
        };
        let Some(access) = &scan.access else {
            entry.title = format!("Seq Scan on {on}");
            return;
        };
        let name = match access.index {
            None => format!("{}_pkey", definition.name),
            Some(oid) => {
                let index = definition.indexes.iter().find(|index| index.oid == oid);
                index.map_or(String::new(), |index| index.name.clone())
            }
        };
        let columns = scan.access_columns();
        let covers = access.index.is_some_and(|index| {
            let mut places = scan.columns.iter().map(|(_, place)| *place);
            places.all(|place| scan.table.index_covers(index, place))
        });
        let has_bounds = !access.equal.is_empty()
            || access.any.is_some()
            || access.lower.is_some()
            || access.upper.is_some();
        let only = if covers { " Only" } else { "" };
        let backward = if access.backward { " Backward" } else { "" };
        entry.title = match (access.index, has_bounds) {
            (None, false) if !access.backward => format!("Seq Scan on {on}"),
            _ => format!("Index{only} Scan{backward} using {name} on {on}"),
        };
        let column = |at: usize| {
            let id = columns.get(at).copied().unwrap_or(0);
            let column = definition.columns.iter().find(|column| column.id == id);
            match column {
                Some(column) => column.name.clone(),
                None => self.indexed_expression(scan, &columns[..at]),
            }
        };
        let mut parts: Vec<String> = Vec::new();
        for (at, value) in access.equal.iter().enumerate() {
            parts.push(format!("({} = {})", column(at), self.names.text(value)));
        }
        for (at, given) in access.behind_equal().enumerate() {
            let name = column(access.equal.len() + at);
            parts.push(match given {
                Given::Equal(value) => format!("({name} = {})", self.names.text(&value)),
                Given::Any(array) => format!("({name} = ANY ({}))", self.names.text(&array)),
            });
        }
        let next = column(access.fixed());
        let ends = [(&access.lower, ">"), (&access.upper, "<")];
        for (end, sign) in ends {
            if let Some((value, included)) = end {
                let equal = if *included { "=" } else { "" };
                parts.push(format!("({next} {sign}{equal} {})", self.names.text(value)));
            }
        }
        match &parts[..] {
            [] => (),
            [only] => entry.details.push(("Index Cond", only.clone())),
            all => entry
                .details
                .push(("Index Cond", format!("({})", all.join(" AND ")))),
        }
    }

    /// The expression of the scan's index that comes after these columns of it.
    fn indexed_expression(&self, scan: &Scan, before: &[u32]) -> String {
        let index = scan.access.as_ref().and_then(|access| access.index);
        let mut all = scan.expressions.iter();
        let of_index = all.find(|each| Some(each.index) == index);
        let number = before.iter().filter(|id| **id == 0).count();
        let expr = of_index.and_then(|each| each.keys.get(number));
        expr.map_or("(expression)".to_owned(), |expr| self.names.text(expr))
    }

    fn sort_keys(&self, keys: &[SortKey]) -> String {
        let keys = keys.iter().map(|key| {
            let name = self.names.column(key.column);
            match (key.descending, key.nulls_first) {
                (false, false) => name,
                (false, true) => format!("{name} NULLS FIRST"),
                (true, true) => format!("{name} DESC"),
                (true, false) => format!("{name} DESC NULLS LAST"),
            }
        });
        keys.collect::<Vec<_>>().join(", ")
    }
}

fn is_one_row(plan: &Plan) -> bool {
    matches!(plan, Plan::Values { columns, rows } if columns.is_empty() && rows.len() == 1)
}

fn set_title(kind: SetKind, all: bool) -> &'static str {
    match (kind, all) {
        (SetKind::Union, true) => "Append",
        (SetKind::Union, false) => "HashSetOp Union",
        (SetKind::Intersect, true) => "HashSetOp Intersect All",
        (SetKind::Intersect, false) => "HashSetOp Intersect",
        (SetKind::Except, true) => "HashSetOp Except All",
        (SetKind::Except, false) => "HashSetOp Except",
    }
}
