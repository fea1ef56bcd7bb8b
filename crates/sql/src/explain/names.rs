//! Expressions as text, as EXPLAIN shows them.

use std::collections::HashMap;

use rustdb_types::{Settings, Type, Value, format};

use crate::expr::{ColumnId, Expr, Extreme, RowComparison, RowTest, SubqueryKind};
use crate::plan::{AggregateItem, Plan};

/// What columns are called.
pub(super) struct Names<'a> {
    settings: &'a Settings,
    columns: HashMap<ColumnId, String>,
    /// Whether columns are told with their tables.
    qualified: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(plan: &Plan, settings: &'a Settings) -> Names<'a> {
        let mut names = Names {
            settings,
            columns: HashMap::new(),
            qualified: relations(plan) > 1,
        };
        names.learn(plan);
        names
    }

    fn learn(&mut self, plan: &Plan) {
        plan.for_each_expression(&mut |expr| self.learn_subqueries(expr));
        for input in plan.inputs() {
            self.learn(input);
        }
        match plan {
            Plan::Scan(scan) => {
                let definition = scan.table.definition();
                for (id, place) in &scan.columns {
                    let name = definition.columns.get(*place);
                    let name = name.map_or("?", |column| &column.name);
                    let name = match self.qualified {
                        true => format!("{}.{name}", scan.alias),
                        false => name.to_owned(),
                    };
                    self.columns.insert(*id, name);
                }
            }
            Plan::System(scan) => {
                for (id, place) in &scan.columns {
                    let name = scan.relation.columns.get(*place);
                    let name = name.map_or("?", |(name, _)| name);
                    self.columns.insert(*id, name.to_owned());
                }
            }
            Plan::Values { columns, .. } => self.numbered(columns, "column"),
            Plan::Project { items, .. } => {
                for (id, item) in items {
                    let text = self.text(item);
                    self.columns.insert(*id, text);
                }
            }
            Plan::Aggregate(aggregate) => {
                for group in &aggregate.groups {
                    let text = self.text(&group.expr);
                    self.columns.insert(group.id, text);
                }
                for (id, item) in &aggregate.calls {
                    let text = self.aggregate(item);
                    self.columns.insert(*id, text);
                }
            }
            Plan::Function(rows) => {
                for (call, columns) in &rows.calls {
                    let name = call.call.function().name;
                    for column in columns {
                        self.columns.insert(*column, name.to_owned());
                    }
                }
                if let Some(column) = rows.ordinality {
                    self.columns.insert(column, "ordinality".to_owned());
                }
            }
            Plan::SetOperation(operation) => {
                for (column, of) in operation.columns.iter().zip(&operation.left.1) {
                    let name = self.column(*of);
                    self.columns.insert(*column, name);
                }
            }
            _ => (),
        }
    }

    fn learn_subqueries(&mut self, expr: &Expr) {
        expr.walk(&mut |part| {
            if let Expr::Subquery(subquery) = part {
                self.learn(&subquery.plan);
            }
        });
    }

    fn numbered(&mut self, columns: &[ColumnId], word: &str) {
        for (index, column) in columns.iter().enumerate() {
            self.columns.insert(*column, format!("{word}{}", index + 1));
        }
    }

    pub(super) fn column(&self, id: ColumnId) -> String {
        match self.columns.get(&id) {
            Some(name) => name.clone(),
            None => format!("?{}", id.0),
        }
    }

    fn aggregate(&self, item: &AggregateItem) -> String {
        let name = item.call.aggregate().name;
        let arguments = match item.arguments.is_empty() && item.direct.is_empty() {
            true => "*".to_owned(),
            false => self.list(&item.arguments),
        };
        let distinct = if item.distinct { "DISTINCT " } else { "" };
        let mut text = format!("{name}({distinct}{arguments})");
        if let Some(filter) = &item.filter {
            text += &format!(" FILTER (WHERE {})", self.text(filter));
        }
        text
    }

    pub(super) fn list(&self, items: &[Expr]) -> String {
        let items = items.iter().map(|item| self.text(item));
        items.collect::<Vec<_>>().join(", ")
    }

    /// Conditions that all have to hold.
    pub(super) fn all(&self, conditions: &[Expr]) -> String {
        match conditions {
            [only] => self.text(only),
            all => self.joined(all, " AND "),
        }
    }

    fn joined(&self, items: &[Expr], word: &str) -> String {
        let items = items.iter().map(|item| self.text(item));
        format!("({})", items.collect::<Vec<_>>().join(word))
    }

    pub(super) fn text(&self, expr: &Expr) -> String {
        match expr {
            Expr::Constant(value) => self.constant(value),
            Expr::Column(id) => self.column(*id),
            Expr::Input(place) | Expr::Outer(place) => format!("?{place}"),
            Expr::Parameter(index) => format!("${}", index + 1),
            Expr::Operator(call) => {
                let (name, right) = (call.operator.name, self.text(&call.right));
                match &call.left {
                    Some(left) => format!("({} {name} {right})", self.text(left)),
                    None => format!("({name} {right})"),
                }
            }
            Expr::Call(call) => {
                let name = call.call.function().name;
                format!("{name}({})", self.list(&call.arguments))
            }
            Expr::System(call) => {
                format!("{}({})", call.function.name, self.list(&call.arguments))
            }
            Expr::Cast(cast) => {
                format!("({})::{}", self.text(&cast.1), cast.0.target().full_name())
            }
            Expr::And(items) => self.joined(items, " AND "),
            Expr::Or(items) => self.joined(items, " OR "),
            Expr::Not(inner) => format!("(NOT {})", self.text(inner)),
            Expr::IsNull(inner) => format!("({} IS NULL)", self.text(inner)),
            Expr::RowTest(inner, RowTest::Missing) => format!("({} IS NULL)", self.text(inner)),
            Expr::RowTest(inner, RowTest::Complete) => {
                format!("({} IS NOT NULL)", self.text(inner))
            }
            Expr::Is(inner, wanted) => {
                let word = match wanted {
                    Some(true) => "TRUE",
                    Some(false) => "FALSE",
                    None => "UNKNOWN",
                };
                format!("({} IS {word})", self.text(inner))
            }
            Expr::IsDistinct(call) => {
                let left = call.left.as_ref().map(|left| self.text(left));
                let left = left.unwrap_or_default();
                format!("({left} IS DISTINCT FROM {})", self.text(&call.right))
            }
            Expr::Case(case) => {
                let arms = case.arms.iter().map(|(when, then)| {
                    format!("WHEN {} THEN {} ", self.text(when), self.text(then))
                });
                let arms: String = arms.collect();
                format!("CASE {arms}ELSE {} END", self.text(&case.otherwise))
            }
            Expr::Coalesce(items) => format!("COALESCE({})", self.list(items)),
            Expr::NullIf(call) => {
                let left = call.left.as_ref().map(|left| self.text(left));
                format!(
                    "NULLIF({}, {})",
                    left.unwrap_or_default(),
                    self.text(&call.right)
                )
            }
            Expr::Extreme(Extreme::Greatest, items, _) => format!("GREATEST({})", self.list(items)),
            Expr::Extreme(Extreme::Least, items, _) => format!("LEAST({})", self.list(items)),
            other => self.rarer(other),
        }
    }

    fn rarer(&self, expr: &Expr) -> String {
        match expr {
            Expr::AnyAll(any) => {
                let word = if any.all { "ALL" } else { "ANY" };
                let (left, array) = (self.text(&any.left), self.text(&any.array));
                format!("({left} {} {word} ({array}))", any.operator.name)
            }
            Expr::Array(items, _) => format!("ARRAY[{}]", self.list(items)),
            Expr::Subscript(subscript) => format!("({})[...]", self.text(&subscript.array)),
            Expr::Row(items, _) => format!("ROW({})", self.list(items)),
            Expr::RowCompare(rows) => {
                let word = match rows.kind {
                    RowComparison::Less => "<",
                    RowComparison::LessOrEqual => "<=",
                    RowComparison::Greater => ">",
                    RowComparison::GreaterOrEqual => ">=",
                };
                let (left, right) = (self.list(&rows.left), self.list(&rows.right));
                format!("(ROW({left}) {word} ROW({right}))")
            }
            Expr::Subquery(subquery) => match &subquery.kind {
                SubqueryKind::Exists => "EXISTS(SubPlan)".to_owned(),
                SubqueryKind::Array => "ARRAY(SubPlan)".to_owned(),
                SubqueryKind::Scalar => "(SubPlan)".to_owned(),
                SubqueryKind::Any(test) => format!("(ANY {})", self.text(test)),
                SubqueryKind::All(test) => format!("(ALL {})", self.text(test)),
            },
            _ => "(...)".to_owned(),
        }
    }

    fn constant(&self, value: &Value) -> String {
        let of = match value {
            Value::Null => return "NULL".to_owned(),
            Value::Bool(truth) => return truth.to_string(),
            Value::Array(array) => {
                let items = array.values().iter().map(|item| self.constant(item));
                return format!("ARRAY[{}]", items.collect::<Vec<_>>().join(", "));
            }
            Value::Enum(_) | Value::Record(_) => return "'...'".to_owned(),
            Value::Text(_) => Type::TEXT,
            other => crate::parameters::type_of(other),
        };
        let text = format(value, &of, self.settings);
        match value.as_float().is_some() || value.as_integer().is_some() {
            true => text,
            false => {
                let quoted = text.replace('\'', "''");
                format!("'{quoted}'::{}", of.name())
            }
        }
    }
}

/// How many relations a plan reads.
fn relations(plan: &Plan) -> usize {
    let own = usize::from(matches!(plan, Plan::Scan(_) | Plan::Function(_)));
    let mut inner = 0;
    plan.for_each_expression(&mut |expr| {
        expr.walk(&mut |part| {
            if let Expr::Subquery(subquery) = part {
                inner += relations(&subquery.plan);
            }
        });
    });
    own + inner + plan.inputs().into_iter().map(relations).sum::<usize>()
}
