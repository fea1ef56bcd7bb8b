//! Queries over the tables.

use super::node::Node;
use super::random::Random;
use super::schema::{Kind, Table, literal};

/// The columns that an expression may name.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    columns: Vec<(String, Kind)>,
}

impl Scope {
    pub(crate) fn of(&self, kind: Kind) -> Vec<&str> {
        let columns = self.columns.iter().filter(|(_, of)| *of == kind);
        columns.map(|(name, _)| name.as_str()).collect()
    }

    pub(crate) fn add(&mut self, name: String, kind: Kind) {
        self.columns.push((name, kind));
    }

    fn with(&self, inner: &Scope) -> Scope {
        let columns = self.columns.iter().chain(&inner.columns).cloned();
        Scope {
            columns: columns.collect(),
        }
    }
}

pub(crate) struct Maker<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) tables: &'a [Table],
    /// Subqueries that may still be made.
    pub(crate) budget: usize,
    aliases: usize,
    /// Names of WITH, and their columns.
    named: Vec<(String, Vec<(String, Kind)>)>,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(random: &'a mut Random, tables: &'a [Table]) -> Maker<'a> {
        Maker {
            random,
            tables,
            budget: 3,
            aliases: 0,
            named: Vec::new(),
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("x{}", self.aliases)
    }

    /// A query with what it begins and ends with.
    pub(crate) fn statement(&mut self) -> Node {
        let mut node = Node::new("statement");
        if self.random.percent(15) {
            let kinds = self.kinds(2);
            let name = format!("w{}", self.aliases);
            let body = self.select(&kinds, &Scope::default(), "cte");
            let hint = self
                .random
                .pick(&["", "", "materialized ", "not materialized "]);
            let columns: Vec<(String, Kind)> = kinds
                .iter()
                .enumerate()
                .map(|(at, kind)| (format!("c{at}"), *kind))
                .collect();
            node = node
                .text(&format!("with {name} as {hint}("))
                .child(body)
                .text(") ");
            self.named.push((name, columns));
        }
        let width = self.random.within(1, 4) as usize;
        let kinds = self.kinds(width);
        let body = match self.random.percent(15) {
            true => self.set_operation(&kinds),
            false => self.select(&kinds, &Scope::default(), "select"),
        };
        let mut node = node.child(body);
        if self.random.percent(35) {
            node = node.optional(self.order_and_limit(width));
        }
        node
    }

    fn kinds(&mut self, count: usize) -> Vec<Kind> {
        (0..count).map(|_| Kind::any(self.random)).collect()
    }

    /// By all columns, so that it is one order.
    fn order_and_limit(&mut self, width: usize) -> Node {
        let words = (1..=width).map(|at| {
            let order = ["", " desc", " nulls first", " desc nulls last"];
            format!("{at}{}", self.random.pick(&order))
        });
        let words = words.collect::<Vec<_>>().join(", ");
        let mut node = Node::new("order").text(&format!(" order by {words}"));
        if self.random.percent(50) {
            let limit = format!(" limit {}", self.random.below(6));
            node = node.optional(Node::new("limit").text(&limit));
        }
        if self.random.percent(25) {
            let offset = format!(" offset {}", self.random.below(4));
            node = node.optional(Node::new("offset").text(&offset));
        }
        node
    }

    fn set_operation(&mut self, kinds: &[Kind]) -> Node {
        let words = [
            "union",
            "union all",
            "intersect",
            "intersect all",
            "except",
            "except all",
        ];
        let (one, two) = (
            self.select(kinds, &Scope::default(), "select"),
            self.select(kinds, &Scope::default(), "select"),
        );
        let word = format!(" {} ", self.random.pick(&words));
        Node::new("select").child(one).text(&word).child(two)
    }

    /// A SELECT of columns of these kinds.
    pub(crate) fn select(&mut self, kinds: &[Kind], outer: &Scope, kind: &str) -> Node {
        let (from, inner) = self.from(outer);
        let scope = outer.with(&inner);
        let is_grouped = self.random.percent(25);
        if is_grouped {
            return self.grouped(kinds, from, &inner, &scope, kind);
        }
        let mut node = Node::new(kind).text("select ");
        if self.random.percent(12) {
            node = node.optional(Node::new("distinct").text("distinct "));
        }
        for (at, kind) in kinds.iter().enumerate() {
            let gap = if at == 0 { "" } else { ", " };
            let expression = self.expression(*kind, &scope, 2);
            node = node.text(gap).child(expression).text(&format!(" as c{at}"));
        }
        node = node.child(from);
        if self.random.percent(65) {
            let condition = self.expression(Kind::Bool, &scope, 2);
            let condition = Node::new("where").text(" where ").child(condition);
            node = node.optional(condition);
        }
        node
    }

    fn grouped(
        &mut self,
        kinds: &[Kind],
        from: Node,
        inner: &Scope,
        scope: &Scope,
        kind: &str,
    ) -> Node {
        let mut keys = Scope::default();
        let mut names = Vec::new();
        for _ in 0..self.random.below(3) {
            let (name, of) = inner.columns[self.random.below(inner.columns.len())].clone();
            names.push(name.clone());
            keys.add(name, of);
        }
        let mut node = Node::new(kind).text("select ");
        for (at, kind) in kinds.iter().enumerate() {
            let gap = if at == 0 { "" } else { ", " };
            let of_key = !keys.of(*kind).is_empty() && self.random.percent(50);
            let item = match of_key {
                true => self.expression(*kind, &keys, 1),
                false => self.aggregate(*kind, scope),
            };
            node = node.text(gap).child(item).text(&format!(" as c{at}"));
        }
        node = node.child(from);
        if self.random.percent(40) {
            let condition = self.expression(Kind::Bool, scope, 2);
            node = node.optional(Node::new("where").text(" where ").child(condition));
        }
        if !names.is_empty() {
            let list = names.join(", ");
            let words = match self.random.below(12) {
                0 => format!(" group by rollup ({list})"),
                1 => format!(" group by cube ({list})"),
                2 => format!(" group by grouping sets (({list}), ())"),
                _ => format!(" group by {list}"),
            };
            node = node.text(&words);
        }
        if self.random.percent(25) {
            let value = self.aggregate(Kind::Int8, scope);
            let least = self.random.within(0, 3);
            let having = Node::new("having").text(" having ").child(value);
            node = node.optional(having.text(&format!(" >= {least}")));
        }
        node
    }

    /// An aggregate of a kind, or of another and cast.
    fn aggregate(&mut self, kind: Kind, scope: &Scope) -> Node {
        let simplest = format!("null::{}", kind.name());
        let node = Node::with_simplest("aggregate", &simplest);
        let (before, of, after) = match kind {
            Kind::Bool => {
                let name = self.random.pick(&["bool_and(", "bool_or(", "every("]);
                (name.to_owned(), Kind::Bool, ")".to_owned())
            }
            Kind::Int8 => match self.random.below(4) {
                0 => ("count(".to_owned(), Kind::any(self.random), ")".to_owned()),
                1 => (
                    "count(distinct ".to_owned(),
                    Kind::any(self.random),
                    ")".to_owned(),
                ),
                2 => ("sum(".to_owned(), Kind::Int4, ")".to_owned()),
                _ => ("count(*) + count(".to_owned(), Kind::Int4, ")".to_owned()),
            },
            Kind::Numeric => match self.random.below(4) {
                0 => ("sum(".to_owned(), Kind::Numeric, ")".to_owned()),
                1 => ("avg(".to_owned(), Kind::Int4, ")".to_owned()),
                2 => ("sum(distinct ".to_owned(), Kind::Int8, ")".to_owned()),
                _ => ("avg(".to_owned(), Kind::Numeric, ")".to_owned()),
            },
            Kind::Text => match self.random.below(3) {
                0 => ("min(".to_owned(), Kind::Text, ")".to_owned()),
                1 => (
                    "string_agg(distinct ".to_owned(),
                    Kind::Text,
                    ", ',')".to_owned(),
                ),
                _ => ("max(".to_owned(), Kind::Text, ")".to_owned()),
            },
            Kind::Uuid | Kind::Jsonb | Kind::Bytea | Kind::Varchar | Kind::Char => {
                let value = self.aggregate(Kind::Int8, scope);
                let text = literal(self.random, kind);
                return node
                    .text("case when ")
                    .child(value)
                    .text(&format!(" > 1 then {text} end"));
            }
            _ => {
                let name = self.random.pick(&["min(", "max("]);
                (name.to_owned(), kind, ")".to_owned())
            }
        };
        let argument = self.expression(of, scope, 1);
        let node = node.text(&before).child(argument).text(&after);
        match self.random.percent(15) && !before.starts_with("count(*)") {
            true => {
                let condition = self.expression(Kind::Bool, scope, 1);
                node.text(" filter (where ").child(condition).text(")")
            }
            false => node,
        }
    }

    /// FROM, and the columns that it gives.
    pub(crate) fn from(&mut self, outer: &Scope) -> (Node, Scope) {
        let mut scope = Scope::default();
        let mut node = Node::new("from").text(" from ");
        let first = self.item(&mut scope, outer, false);
        node = node.child(first);
        let more = match self.random.below(10) {
            0..5 => 0,
            5..8 => 1,
            _ => 2,
        };
        for _ in 0..more {
            let join = self.join(&mut scope, outer);
            node = node.optional(join);
        }
        (node, scope)
    }

    fn join(&mut self, scope: &mut Scope, outer: &Scope) -> Node {
        let word = self.random.pick(&[
            "join",
            "join",
            "left join",
            "left join",
            "right join",
            "full join",
            "cross join",
            ",",
        ]);
        let sees_left = matches!(word, "join" | "left join" | "cross join" | ",");
        let left = scope.clone();
        let visible = outer.with(&left);
        let lateral = match sees_left {
            true => &visible,
            false => outer,
        };
        let item = self.item(scope, lateral, sees_left);
        let node = Node::new("join").text(&format!(" {word} ")).child(item);
        if matches!(word, "cross join" | ",") {
            return node;
        }
        let right = Scope {
            columns: scope.columns[left.columns.len()..].to_vec(),
        };
        let condition = match self.equality(&left, &right) {
            Some(equality) if word == "full join" || self.random.percent(75) => {
                match word != "full join" && self.random.percent(25) {
                    true => {
                        let both = outer.with(scope);
                        let more = self.expression(Kind::Bool, &both, 1);
                        Node::new("on").text(&equality).text(" and ").child(more)
                    }
                    false => Node::new("on").text(&equality),
                }
            }
            // PostgreSQL joins fully only what it can hash or merge.
            _ if word == "full join" => Node::new("on").text("true"),
            _ => {
                let both = outer.with(scope);
                let condition = self.expression(Kind::Bool, &both, 1);
                Node::new("on").child(condition)
            }
        };
        node.text(" on ").child(condition)
    }

    fn equality(&mut self, left: &Scope, right: &Scope) -> Option<String> {
        let mut pairs = Vec::new();
        for (one, kind) in &left.columns {
            for (two, other) in &right.columns {
                let is_number = |kind: &Kind| matches!(kind, Kind::Int2 | Kind::Int4 | Kind::Int8);
                if kind == other || is_number(kind) && is_number(other) {
                    pairs.push(format!("{one} = {two}"));
                }
            }
        }
        (!pairs.is_empty()).then(|| pairs[self.random.below(pairs.len())].clone())
    }

    /// A table, a subquery, a name of WITH.
    fn item(&mut self, scope: &mut Scope, outer: &Scope, may_be_lateral: bool) -> Node {
        let alias = self.alias();
        if self.budget > 0 && self.random.percent(15) {
            self.budget -= 1;
            let kinds = self.kinds(2);
            let is_lateral = may_be_lateral && self.random.percent(60);
            // Not lateral, it sees nothing of what is around.
            let inner = match is_lateral {
                true => outer.clone(),
                false => Scope::default(),
            };
            let body = self.select(&kinds, &inner, "derived");
            let word = if is_lateral { "lateral " } else { "" };
            for (at, kind) in kinds.iter().enumerate() {
                scope.add(format!("{alias}.c{at}"), *kind);
            }
            return Node::new("item")
                .text(&format!("{word}("))
                .child(body)
                .text(&format!(") {alias}"));
        }
        if !self.named.is_empty() && self.random.percent(35) {
            let (name, columns) = &self.named[0];
            for (column, kind) in columns {
                scope.add(format!("{alias}.{column}"), *kind);
            }
            return Node::new("item").text(&format!("{name} {alias}"));
        }
        let table = &self.tables[self.random.below(self.tables.len())];
        for (column, kind) in &table.columns {
            scope.add(format!("{alias}.{column}"), *kind);
        }
        Node::new("item").text(&format!("{} {alias}", table.name))
    }

    pub(crate) fn scalar_subquery(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Node {
        self.budget -= 1;
        let simplest = format!("null::{}", kind.name());
        let node = Node::with_simplest(kind.name(), &simplest);
        let is_grouped = depth > 1 && self.random.percent(50);
        if is_grouped {
            let (from, inner) = self.from(scope);
            let value = self.aggregate(kind, &inner);
            let mut body = Node::new("one").text("(select ").child(value).child(from);
            if self.random.percent(60) {
                let condition = self.expression(Kind::Bool, &scope.with(&inner), 1);
                body = body.optional(Node::new("where").text(" where ").child(condition));
            }
            return node.child(body).text(")");
        }
        let body = self.select(&[kind], scope, "one");
        node.text("(").child(body).text(" order by 1 limit 1)")
    }

    pub(crate) fn subquery_test(&mut self, scope: &Scope, depth: usize) -> Node {
        self.budget -= 1;
        let node = Node::with_simplest("bool", "null::bool");
        let kind = Kind::any(self.random);
        let body = self.select(&[kind], scope, "one");
        if self.random.percent(40) {
            let word = self.random.pick(&["exists (", "not exists ("]);
            return node.text("(").text(word).child(body).text("))");
        }
        let operators = ["in", "not in", "= any", "< any", ">= all", "<> all"];
        let operator = format!(" {} (", self.random.pick(&operators));
        let value = self.expression(kind, scope, depth.saturating_sub(1));
        node.text("(")
            .child(value)
            .text(&operator)
            .child(body)
            .text("))")
    }
}
