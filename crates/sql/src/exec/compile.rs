//! Making a plan ready to run: column ids become places.

mod gathers;
mod joins;
mod scans;
mod writers;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rustdb_types::aggregate::AggregateKind;

use super::aggregate::{AggregateNode, Call};
use super::function::FunctionNode;
use super::measure::Measures;
use super::nodes::{Distinct, Limit, Project, Values};
use super::set_operation::SetOperationNode;
use super::sort::{Key, Sort};
use super::subquery::{SubPlan, SubPlanKind};
use super::system::SystemNode;
use super::write::WriteNode;
use super::{Executable, Node};
use crate::bind::Write;
use crate::error::{Error, Result};
use crate::expr::{ColumnId, Expr, FunctionCall, Subquery, SubqueryKind};
use crate::plan::{
    Aggregate, FunctionRows, NameNumber, Plan, SetOperation, SortKey, free_columns, free_columns_of,
};

/// Values of outer rows that a plan can use: by column, where they are put.
pub(super) type Outer = BTreeMap<ColumnId, usize>;

/// A node, and the columns of its rows.
pub(super) struct Compiled {
    pub(super) node: Arc<dyn Node>,
    pub(super) columns: Vec<ColumnId>,
}

pub(super) struct Compiler<'m> {
    outer: usize,
    results: usize,
    /// Where the rows of named queries are kept.
    pub(super) shared: BTreeMap<NameNumber, usize>,
    /// Those whose rows are not the same all through the statement.
    pub(super) unsettled: BTreeSet<NameNumber>,
    /// Whether who reads the rows of the plan at hand reads all of them before it gives one.
    is_drained: bool,
    /// Where nodes note what they do, if they are watched.
    measures: Option<&'m mut Measures>,
}

impl<'m> Compiler<'m> {
    fn new(measures: Option<&'m mut Measures>) -> Compiler<'m> {
        Compiler {
            outer: 0,
            results: 0,
            shared: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            is_drained: false,
            measures,
        }
    }
}

/// Whether items are the columns of so many, in their order.
fn are_all_inputs(items: &[Expr], width: usize) -> bool {
    let mut places = items.iter().enumerate();
    items.len() == width
        && places.all(|(place, item)| matches!(item, Expr::Input(input) if *input == place))
}

/// See [`Executable::new`].
pub(super) fn executable(
    plan: &Plan,
    columns: &[ColumnId],
    measures: Option<&mut Measures>,
) -> Result<Executable> {
    let mut compiler = Compiler::new(measures);
    let outer = Outer::new();
    let compiled = compiler.plan(plan, &outer)?;
    let compiled = compiler.arranged(compiled, columns)?;
    let one_row = compiler.one_row(plan, columns)?;
    Ok(Executable {
        node: compiled.node,
        outer: compiler.outer,
        results: compiler.results,
        one_row,
        shared: compiler.shared.len(),
    })
}

/// See [`Executable::write`]: the writer, and what its parts need.
pub(super) fn writer(
    write: &Write,
    measures: Option<&mut Measures>,
) -> Result<(WriteNode, Executable)> {
    let mut compiler = Compiler::new(measures);
    let (node, source) = compiler.writer(write, &Outer::new())?;
    let executable = Executable {
        node: source,
        outer: compiler.outer,
        results: compiler.results,
        one_row: None,
        shared: compiler.shared.len(),
    };
    Ok((node, executable))
}

impl Compiler<'_> {
    pub(super) fn plan(&mut self, plan: &Plan, outer: &Outer) -> Result<Compiled> {
        // These read as they are read; others say how they read.
        let passes_on = matches!(
            plan,
            Plan::Filter { .. } | Plan::Project { .. } | Plan::Join(_) | Plan::Distinct { .. }
        );
        let is_drained = self.is_drained;
        self.is_drained &= passes_on;
        let compiled = self.unwatched(plan, outer);
        self.is_drained = is_drained;
        let mut compiled = compiled?;
        compiled.node = self.measured(plan, compiled.node);
        Ok(compiled)
    }

    /// A plan, for who reads all of its rows before it gives one, or not.
    pub(super) fn plan_for(
        &mut self,
        plan: &Plan,
        outer: &Outer,
        is_drained: bool,
    ) -> Result<Compiled> {
        let before = std::mem::replace(&mut self.is_drained, is_drained);
        let compiled = self.plan(plan, outer);
        self.is_drained = before;
        compiled
    }

    /// The node of a plan, watched if it is to be measured.
    fn measured(&mut self, plan: &Plan, node: Arc<dyn Node>) -> Arc<dyn Node> {
        match &mut self.measures {
            Some(measures) => measures.watched(plan, node),
            None => node,
        }
    }

    fn unwatched(&mut self, plan: &Plan, outer: &Outer) -> Result<Compiled> {
        let node: Arc<dyn Node> = match plan {
            Plan::Scan(scan) => Arc::new(self.scan(scan, outer)?),
            Plan::System(scan) => Arc::new(SystemNode {
                relation: scan.relation,
                places: scan.columns.iter().map(|(_, place)| *place).collect(),
            }),
            Plan::Values { columns, rows } => {
                let rows = rows.iter().map(|row| self.all(row, &[], outer));
                Arc::new(Values {
                    width: columns.len(),
                    rows: rows.collect::<Result<_>>()?,
                })
            }
            Plan::Filter { input, conditions } => self.filter(input, conditions, outer)?,
            Plan::Project { input, items } => {
                let input = self.plan(input, outer)?;
                let is_volatile = items.iter().any(|(_, item)| item.is_volatile());
                let items = items.iter().map(|(_, item)| {
                    let mut item = item.clone();
                    self.expression(&mut item, &input.columns, outer)?;
                    Ok(item)
                });
                let items: Vec<Expr> = items.collect::<Result<_>>()?;
                match are_all_inputs(&items, input.columns.len()) {
                    true => input.node,
                    false => Arc::new(Project {
                        items,
                        is_volatile,
                        input: input.node,
                    }),
                }
            }
            Plan::Join(join) => return self.join(join, outer),
            Plan::Sort { input, keys } => {
                let rows = self.plan_for(input, outer, true)?;
                Arc::new(Sort {
                    keys: sort_keys(keys, &rows.columns)?,
                    width: rows.columns.len(),
                    first: Vec::new(),
                    input: self.gathered(input, rows.node, outer),
                })
            }
            Plan::Limit { .. } => self.limit(plan, outer)?,
            Plan::Distinct { input, on, padded } => self.distinct(input, on, padded, outer)?,
            Plan::SetOperation(operation) => self.set_operation(operation, outer)?,
            Plan::Aggregate(aggregate) => self.aggregate(aggregate, outer)?,
            Plan::Window(window) => self.window(window, outer)?,
            Plan::Lock(lock) => self.lock(lock, outer)?,
            Plan::With(with) => return self.with(with, outer),
            Plan::Named(rows) => self.named(rows)?,
            Plan::Recursive(recursive) => self.recursive(recursive, outer)?,
            Plan::Modify(write) => return self.modify(write, outer),
            Plan::Function(rows) => self.function(rows, outer)?,
        };
        Ok(Compiled {
            node,
            columns: plan.columns(),
        })
    }

    fn distinct(
        &mut self,
        input: &Plan,
        on: &[ColumnId],
        padded: &[ColumnId],
        outer: &Outer,
    ) -> Result<Arc<dyn Node>> {
        let rows = self.plan(input, outer)?;
        let node = self.gathered_if_drained(input, rows.node, outer);
        let all = on.iter().enumerate();
        let padded = all.filter(|(_, id)| padded.contains(id));
        Ok(Arc::new(Distinct {
            padded: padded.map(|(place, _)| place).collect(),
            places: places(on, &rows.columns)?,
            width: rows.columns.len(),
            input: node,
        }))
    }

    fn set_operation(&mut self, operation: &SetOperation, outer: &Outer) -> Result<Arc<dyn Node>> {
        let mut side = |(plan, columns): &(Plan, Vec<ColumnId>)| {
            let compiled = self.plan(plan, outer)?;
            Ok::<_, Error>(self.arranged(compiled, columns)?.node)
        };
        Ok(Arc::new(SetOperationNode {
            kind: operation.kind,
            all: operation.all,
            padded: operation.padded.clone(),
            width: operation.columns.len(),
            left: side(&operation.left)?,
            right: side(&operation.right)?,
        }))
    }

    fn limit(&mut self, plan: &Plan, outer: &Outer) -> Result<Arc<dyn Node>> {
        let Plan::Limit {
            input,
            count,
            offset,
            ties,
        } = plan
        else {
            return Err(Error::internal("no limit"));
        };
        let mut number = |expr: &Option<Expr>| match expr {
            None => Ok(None),
            Some(expr) => {
                let mut expr = expr.clone();
                self.expression(&mut expr, &[], outer)?;
                Ok::<_, Error>(Some(expr))
            }
        };
        let (count, offset) = (number(count)?, number(offset)?);
        let input = match (&**input, &count) {
            (sort @ Plan::Sort { input, keys }, Some(count)) if ties.is_empty() => {
                let rows = self.plan_for(input, outer, true)?;
                let mut node: Arc<dyn Node> = Arc::new(Sort {
                    keys: sort_keys(keys, &rows.columns)?,
                    width: rows.columns.len(),
                    first: offset.iter().chain([count]).cloned().collect(),
                    input: self.gathered(input, rows.node, outer),
                });
                if let Some(measures) = &mut self.measures {
                    node = measures.watched(sort, node);
                }
                Compiled {
                    node,
                    columns: rows.columns,
                }
            }
            (input, _) => self.plan(input, outer)?,
        };
        Ok(Arc::new(Limit {
            count,
            offset,
            ties: sort_keys(ties, &input.columns)?,
            input: input.node,
        }))
    }

    fn function(&mut self, rows: &FunctionRows, outer: &Outer) -> Result<Arc<dyn Node>> {
        let input = self.plan(&rows.input, outer)?;
        let mut calls = Vec::with_capacity(rows.calls.len());
        for (call, columns) in &rows.calls {
            let call = FunctionCall {
                call: call.call.clone(),
                arguments: self.all(&call.arguments, &input.columns, outer)?,
            };
            calls.push((call, columns.len()));
        }
        Ok(Arc::new(FunctionNode {
            input_width: input.columns.len(),
            input: input.node,
            calls,
            ordinality: rows.ordinality.is_some(),
        }))
    }

    fn aggregate(&mut self, aggregate: &Aggregate, outer: &Outer) -> Result<Arc<dyn Node>> {
        let input = self.plan_for(&aggregate.input, outer, true)?;
        let mut groups = Vec::with_capacity(aggregate.groups.len());
        for group in &aggregate.groups {
            let mut expr = group.expr.clone();
            self.expression(&mut expr, &input.columns, outer)?;
            groups.push((expr, group.padded));
        }
        let group_columns: Vec<ColumnId> = aggregate.groups.iter().map(|group| group.id).collect();
        let mut calls = Vec::with_capacity(aggregate.calls.len());
        for (_, item) in &aggregate.calls {
            let order: Vec<Expr> = item.order.iter().map(|order| order.expr.clone()).collect();
            let keys = item.order.iter().enumerate().map(|(place, order)| Key {
                place,
                descending: order.descending,
                nulls_first: order.nulls_first,
                padded: order.padded,
            });
            let mut filter = item.filter.clone();
            if let Some(filter) = &mut filter {
                self.expression(filter, &input.columns, outer)?;
            }
            calls.push(Call {
                call: item.call.clone(),
                arguments: self.all(&item.arguments, &input.columns, outer)?,
                direct: self.all(&item.direct, &group_columns, outer)?,
                distinct: item.distinct,
                filter,
                order: self.all(&order, &input.columns, outer)?,
                keys: keys.collect(),
                is_sorted: item.call.aggregate().kind != AggregateKind::Normal,
            });
        }
        let mut is_volatile = false;
        let groups_of = aggregate.groups.iter().map(|group| &group.expr);
        let calls_of = aggregate
            .calls
            .iter()
            .flat_map(|(_, call)| call.expressions());
        groups_of
            .chain(calls_of)
            .for_each(|expr| is_volatile |= expr.is_volatile());
        let gather = self.gather(&aggregate.input, &input.node, outer);
        Ok(Arc::new(AggregateNode {
            is_volatile,
            streams: self.is_drained || gather.is_none(),
            gather,
            input: input.node,
            groups,
            sets: aggregate.sets.clone(),
            sorted: aggregate.sorted,
            calls,
            groupings: aggregate
                .groupings
                .iter()
                .map(|one| one.1.clone())
                .collect(),
        }))
    }

    /// The same rows with these columns, in this order.
    pub(super) fn arranged(
        &mut self,
        compiled: Compiled,
        columns: &[ColumnId],
    ) -> Result<Compiled> {
        if compiled.columns == columns {
            return Ok(compiled);
        }
        let items = places(columns, &compiled.columns)?;
        Ok(Compiled {
            node: Arc::new(Project {
                items: items.into_iter().map(Expr::Input).collect(),
                is_volatile: false,
                input: compiled.node,
            }),
            columns: columns.to_vec(),
        })
    }

    pub(super) fn all(
        &mut self,
        items: &[Expr],
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<Vec<Expr>> {
        let items = items.iter().map(|item| {
            let mut item = item.clone();
            self.expression(&mut item, columns, outer)?;
            Ok(item)
        });
        items.collect()
    }

    /// Columns become places, and subqueries plans that run.
    pub(super) fn expression(
        &mut self,
        expr: &mut Expr,
        columns: &[ColumnId],
        outer: &Outer,
    ) -> Result<()> {
        // Rows are wide and expressions many: a search for each would be quadratic.
        let index: HashMap<ColumnId, usize> = columns
            .iter()
            .enumerate()
            .rev()
            .map(|(place, id)| (*id, place))
            .collect();
        self.resolve(expr, &index, outer)
    }

    fn resolve(
        &mut self,
        expr: &mut Expr,
        index: &HashMap<ColumnId, usize>,
        outer: &Outer,
    ) -> Result<()> {
        match expr {
            Expr::Column(id) => {
                *expr = match (index.get(id), outer.get(id)) {
                    (Some(place), _) => Expr::Input(*place),
                    (None, Some(place)) => Expr::Outer(*place),
                    (None, None) => {
                        return Err(Error::internal(format!("nothing makes column {}", id.0)));
                    }
                };
                Ok(())
            }
            Expr::Subquery(subquery) => {
                let subplan = self.subquery(subquery, index, outer)?;
                *expr = Expr::Run(Arc::new(subplan));
                Ok(())
            }
            other => {
                for child in other.children_mut() {
                    self.resolve(child, index, outer)?;
                }
                Ok(())
            }
        }
    }

    fn subquery(
        &mut self,
        subquery: &Subquery,
        index: &HashMap<ColumnId, usize>,
        outer: &Outer,
    ) -> Result<SubPlan> {
        if let Some(measures) = &self.measures {
            measures.enter(subquery);
        }
        let mut inner = outer.clone();
        let mut arguments = Vec::new();
        let plan_takes = free_columns(&subquery.plan);
        let depends = !plan_takes.is_empty() || self.is_unsettled(&subquery.plan);
        let mut taken = plan_takes;
        if let SubqueryKind::Any(test) | SubqueryKind::All(test) = &subquery.kind {
            taken.extend(free_columns_of(test));
            for column in &subquery.columns {
                taken.remove(column);
            }
        }
        for column in taken {
            if let Some(place) = index.get(&column) {
                inner.insert(column, self.outer);
                arguments.push((self.outer, *place));
                self.outer += 1;
            }
        }
        let compiled = self.plan_for(&subquery.plan, &inner, false)?;
        let compiled = self.arranged(compiled, &subquery.columns)?;
        let mut test = |test: &Expr| {
            let mut test = test.clone();
            self.expression(&mut test, &subquery.columns, &inner)?;
            Ok::<_, Error>(test)
        };
        let kind = match &subquery.kind {
            SubqueryKind::Scalar => SubPlanKind::Scalar,
            SubqueryKind::Exists => SubPlanKind::Exists,
            SubqueryKind::Array => SubPlanKind::Array,
            SubqueryKind::Any(condition) => SubPlanKind::Any(test(condition)?),
            SubqueryKind::All(condition) => SubPlanKind::All(test(condition)?),
        };
        let result = (!depends).then(|| {
            self.results += 1;
            self.results - 1
        });
        Ok(SubPlan {
            kind,
            node: compiled.node,
            arguments,
            result,
        })
    }
}

/// Where the columns are.
fn places(wanted: &[ColumnId], columns: &[ColumnId]) -> Result<Vec<usize>> {
    let place = |id: &ColumnId| {
        let place = columns.iter().position(|column| column == id);
        place.ok_or_else(|| Error::internal(format!("nothing makes column {}", id.0)))
    };
    wanted.iter().map(place).collect()
}

fn sort_keys(keys: &[SortKey], columns: &[ColumnId]) -> Result<Vec<Key>> {
    let keys = keys.iter().map(|key| {
        Ok(Key {
            place: places(&[key.column], columns)?[0],
            descending: key.descending,
            nulls_first: key.nulls_first,
            padded: key.padded,
        })
    });
    keys.collect()
}
