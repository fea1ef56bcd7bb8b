//! Expressions of a type.

use super::node::Node;
use super::query::{Maker, Scope};
use super::schema::{Kind, literal};

/// An expression of a kind with what stands between.
fn node(kind: Kind) -> Node {
    let simplest = format!("null::{}", kind.name());
    Node::with_simplest(kind.name(), &simplest)
}

impl Maker<'_> {
    pub(crate) fn expression(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Node {
        if depth == 0 {
            return self.leaf(kind, scope);
        }
        match self.random.below(14) {
            0 => self.case(kind, scope, depth),
            1 => {
                let (one, two) = self.two(kind, scope, depth);
                node(kind)
                    .text("coalesce(")
                    .child(one)
                    .text(", ")
                    .child(two)
                    .text(")")
            }
            2 if kind != Kind::Char => {
                let (one, two) = self.two(kind, scope, depth);
                node(kind)
                    .text("nullif(")
                    .child(one)
                    .text(", ")
                    .child(two)
                    .text(")")
            }
            3 if kind != Kind::Jsonb => {
                let (one, two) = self.two(kind, scope, depth);
                let name = self.random.pick(&["greatest", "least"]);
                node(kind)
                    .text(name)
                    .text("(")
                    .child(one)
                    .text(", ")
                    .child(two)
                    .text(")")
            }
            4 if self.budget > 0 => self.scalar_subquery(kind, scope, depth),
            5 => self.leaf(kind, scope),
            _ => self.of_kind(kind, scope, depth),
        }
    }

    fn two(&mut self, kind: Kind, scope: &Scope, depth: usize) -> (Node, Node) {
        (
            self.expression(kind, scope, depth - 1),
            self.expression(kind, scope, depth - 1),
        )
    }

    fn leaf(&mut self, kind: Kind, scope: &Scope) -> Node {
        let columns: Vec<&str> = scope.of(kind);
        let text = match columns.is_empty() || self.random.percent(25) {
            true if self.random.percent(10) => format!("null::{}", kind.name()),
            true => literal(self.random, kind),
            false => self.random.pick(&columns).to_owned(),
        };
        node(kind).text(&text)
    }

    fn case(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Node {
        let condition = self.expression(Kind::Bool, scope, depth - 1);
        let (one, two) = self.two(kind, scope, depth);
        node(kind)
            .text("case when ")
            .child(condition)
            .text(" then ")
            .child(one)
            .text(" else ")
            .child(two)
            .text(" end")
    }

    /// `template` has the kinds of its parts in braces: `({int4} + {int4})`.
    fn template(&mut self, kind: Kind, template: &str, scope: &Scope, depth: usize) -> Node {
        let mut made = node(kind);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            let part = match name {
                "k" => Kind::any(self.random),
                "=" => kind,
                name => *Kind::ALL
                    .iter()
                    .find(|kind| kind.name().split('(').next() == Some(name))
                    .unwrap(),
            };
            made = made
                .text(before)
                .child(self.expression(part, scope, depth - 1));
            rest = after;
        }
        made.text(rest)
    }

    fn of_kind(&mut self, kind: Kind, scope: &Scope, depth: usize) -> Node {
        if kind == Kind::Bool {
            return self.truth(scope, depth);
        }
        let templates = match numbers(kind) {
            [] => others(kind),
            templates => templates,
        };
        let template = *self.random.pick(&templates.iter().collect::<Vec<_>>());
        self.template(kind, template, scope, depth)
    }

    fn truth(&mut self, scope: &Scope, depth: usize) -> Node {
        if self.budget > 0 && self.random.percent(18) {
            return self.subquery_test(scope, depth);
        }
        let of = Kind::any(self.random);
        let name = of.name();
        let short = name.split('(').next().unwrap();
        let templates = [
            "({k} = {k})",
            "({k} <> {k})",
            "({k} < {k})",
            "({k} <= {k})",
            "({k} > {k})",
            "({k} >= {k})",
            "({k} is distinct from {k})",
            "({k} is not distinct from {k})",
            "({k} between {k} and {k})",
            "({k} in ({k}, {k}, {k}))",
            "({k} not in ({k}, {k}))",
            "({k} is null)",
            "({k} is not null)",
            "({k} = any (array[{k}, {k}]))",
            "(({k}, {int4}) < ({k}, {int4}))",
        ];
        let logical = [
            "({bool} and {bool})",
            "({bool} and {bool})",
            "({bool} or {bool})",
            "(not {bool})",
            "({bool} is true)",
            "({bool} is not false)",
            "({bool} is unknown)",
            "({text} like {text})",
            "({text} ilike '%b%')",
            "({text} ~ '[ab]')",
            "({jsonb} @> {jsonb})",
            "({int4[]} @> {int4[]})",
            "({int4} = any ({int4[]}))",
            "({int4} > all ({int4[]}))",
            "({int4} = {int8})",
            "({int4} < {numeric})",
            "({numeric} >= {float8})",
            "({date} < {timestamp})",
            "({varchar} = {text})",
            "({char} = {char})",
            "starts_with({text}, {text})",
            "({jsonb} ? 'a')",
        ];
        let template = match self.random.percent(55) {
            true => self
                .random
                .pick(&templates)
                .replace("{k}", &format!("{{{short}}}")),
            false => self.random.pick(&logical).to_owned(),
        };
        // An array's element type has the array's own rules.
        let is_array = matches!(of, Kind::Ints | Kind::Texts);
        match is_array && template.contains("any (array") {
            true => self.leaf(Kind::Bool, scope),
            false => self.template(Kind::Bool, &template, scope, depth),
        }
    }
}

/// What gives a number, from what.
fn numbers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Int2 => &[
            "({int2} + {int2})",
            "({int4})::int2",
            "(- {int2})",
            "abs({int2})",
        ],
        Kind::Int4 => &[
            "({int4} + {int4})",
            "({int4} - {int4})",
            "({int4} * {int2})",
            "({int4} / nullif({int4}, 0))",
            "({int4} % nullif({int4}, 0))",
            "length({text})",
            "strpos({text}, {text})",
            "({int8})::int4",
            "({numeric})::int4",
            "({bool})::int4",
            "({date} - {date})",
            "array_length({int4[]}, 1)",
            "({int4[]})[{int4}]",
            "(- {int4})",
            "abs({int4})",
            "({int4} & {int4})",
            "({int4} # {int4})",
            "cardinality({text[]})",
            "ascii({text})",
            "jsonb_array_length(case jsonb_typeof({jsonb}) when 'array' then '[1]'::jsonb end)",
        ],
        Kind::Int8 => &[
            "({int8} + {int4})",
            "({int8} * {int2})",
            "({int4})::int8",
            "({int8} - {int8})",
            "({int8} / nullif({int8}, 0))",
            "(- {int8})",
        ],
        Kind::Numeric => &[
            "({numeric} + {numeric})",
            "({numeric} * {numeric})",
            "({numeric} / nullif({numeric}, 0))",
            "({numeric} - {int4})",
            "round({numeric}, 1)",
            "floor({numeric})",
            "({int8})::numeric",
            "({numeric})::numeric(8,2)",
            "extract(day from {date})",
            "extract(epoch from {interval})",
            "trunc({numeric}, {int2})",
            "sign({numeric})",
        ],
        Kind::Float8 => &[
            "({float8} + {float8})",
            "({float8} - {int4})",
            "({numeric})::float8",
            "(- {float8})",
            "floor({float8})",
            "({int4})::float8",
        ],
        _ => &[],
    }
}

/// What gives something else.
fn others(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Text => TEXTS,
        Kind::Varchar => &["({text})::varchar(8)", "({char})::varchar(8)"],
        Kind::Char => &["({text})::char(4)"],
        Kind::Bytea => &["({bytea} || {bytea})", "substr({bytea}, {int4})"],
        Kind::Date => &[
            "({date} + {int4})",
            "({timestamp})::date",
            "({date} - {int4})",
        ],
        Kind::Time => &["({timestamp})::time", "({time} + {interval})"],
        Kind::Timestamp => &[
            "({date})::timestamp",
            "({timestamp} + {interval})",
            "date_trunc('month', {timestamp})",
            "({timestamptz})::timestamp",
            "({timestamptz} at time zone 'UTC')",
        ],
        Kind::Timestamptz => &["({timestamp})::timestamptz", "({timestamptz} - {interval})"],
        Kind::Interval => &[
            "({interval} + {interval})",
            "({timestamp} - {timestamp})",
            "({interval} * {int4})",
            "(- {interval})",
            "({time})::interval",
        ],
        Kind::Uuid => &["({uuid})"],
        Kind::Jsonb => &[
            "({jsonb} -> 'a')",
            "({jsonb} -> {int4})",
            "to_jsonb({int4})",
            "to_jsonb({text})",
            "jsonb_build_array({int4}, {text})",
            "to_jsonb({int4[]})",
        ],
        Kind::Ints => &[
            "({int4[]} || {int4[]})",
            "({int4[]} || {int4})",
            "array[{int4}, {int4}]",
            "array_remove({int4[]}, {int4})",
            "({int4[]})[1:{int4}]",
        ],
        Kind::Texts => &[
            "array[{text}, {text}]",
            "({text[]} || {text})",
            "string_to_array({text}, {text})",
        ],
        _ => &["{=}"],
    }
}

const TEXTS: &[&str] = &[
    "({text} || {text})",
    "upper({text})",
    "lower({text})",
    "substr({text}, {int4})",
    "left({text}, {int4})",
    "replace({text}, {text}, {text})",
    "({k})::text",
    "concat({k}, {k})",
    "({text[]})[1]",
    "trim({text})",
    "lpad({text}, {int4}, {text})",
    "md5({text})",
    "({jsonb} ->> 'a')",
    "jsonb_typeof({jsonb})",
    "array_to_string({int4[]}, {text})",
    "split_part({text}, {text}, 1)",
    "reverse({text})",
    "({varchar} || {char})",
    "encode({bytea}, 'hex')",
];
