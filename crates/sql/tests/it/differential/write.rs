//! Statements that write, over tables with constraints.

use super::query::{Maker, Scope};
use super::random::Random;
use super::schema::{Kind, Table, literal, value};

/// A parent and a child whose keys, checks and references are often broken.
pub(super) fn tables(random: &mut Random) -> (Vec<Table>, Vec<String>) {
    let action = random.pick(&[
        "",
        " on delete cascade",
        " on delete set null",
        " on update cascade on delete set default",
    ]);
    let kind = Kind::any(random);
    let statements = vec![
        format!(
            "create table p (id int4 primary key, u int4 unique, x {} default {})",
            kind.name(),
            literal(random, kind)
        ),
        format!(
            "create table c (id int4 primary key, p int4 default 1 references p{action}, n int4 not null check (n <> 3), \
             g int4 generated always as (n * 2) stored, t text, unique (p, n))"
        ),
        "create index on c (t, n desc)".to_owned(),
        "create unique index on c (n) where t = 'a'".to_owned(),
    ];
    let table = |name: &str, columns: &[(&str, Kind)]| Table {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect(),
    };
    let int = Kind::Int4;
    let tables = vec![
        table("p", &[("id", int), ("u", int), ("x", kind)]),
        table(
            "c",
            &[
                ("id", int),
                ("p", int),
                ("n", int),
                ("g", int),
                ("t", Kind::Text),
            ],
        ),
    ];
    (tables, statements)
}

/// One statement.
pub(super) fn statement(random: &mut Random, tables: &[Table]) -> String {
    let table = &tables[random.below(tables.len())];
    match random.below(10) {
        0..4 => insert(random, table),
        4 => {
            let mut maker = Maker::new(random, tables);
            let kinds: Vec<Kind> = written(table).map(|(_, kind)| *kind).collect();
            let select = maker.select(&kinds, &Scope::default(), "select").sql();
            format!(
                "insert into {} ({}) {select}{}",
                table.name,
                names(table),
                returning(random, table)
            )
        }
        5..8 => update(random, tables, table),
        _ => {
            let condition = condition(random, tables, table);
            format!(
                "delete from {} where {condition}{}",
                table.name,
                returning(random, table)
            )
        }
    }
}

fn written(table: &Table) -> impl Iterator<Item = &(String, Kind)> {
    table.columns.iter().filter(|(name, _)| name != "g")
}

fn names(table: &Table) -> String {
    let names: Vec<&str> = written(table).map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

fn small(random: &mut Random, name: &str, kind: Kind) -> String {
    match (name, random.below(12)) {
        (_, 0) => "null".to_owned(),
        (_, 1) => "default".to_owned(),
        ("id" | "u" | "p", _) => random.below(12).to_string(),
        _ => value(random, kind),
    }
}

fn insert(random: &mut Random, table: &Table) -> String {
    let rows = (0..random.within(1, 3)).map(|_| {
        let values = written(table).map(|(name, kind)| small(random, name, *kind));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let conflict = match random.below(5) {
        0 => " on conflict do nothing",
        1 => " on conflict (id) do update set id = excluded.id + 20",
        _ => "",
    };
    format!(
        "insert into {} ({}) values {rows}{conflict}{}",
        table.name,
        names(table),
        returning(random, table)
    )
}

fn update(random: &mut Random, tables: &[Table], table: &Table) -> String {
    let columns: Vec<&(String, Kind)> = written(table).collect();
    let (name, kind) = columns[random.below(columns.len())];
    let scope = scope(table);
    let value = match random.percent(40) {
        true => small(random, name, *kind),
        false => {
            let mut maker = Maker::new(random, tables);
            maker.expression(*kind, &scope, 1).sql()
        }
    };
    let condition = condition(random, tables, table);
    let (from, more) = match random.percent(20) {
        true => (" from p y", format!(" and y.id = {}.id", table.name)),
        false => ("", String::new()),
    };
    format!(
        "update {} set {name} = {value}{from} where {condition}{more}{}",
        table.name,
        match from.is_empty() {
            true => returning(random, table),
            false => String::new(),
        }
    )
}

fn scope(table: &Table) -> Scope {
    let mut scope = Scope::default();
    for (name, kind) in &table.columns {
        scope.add(format!("{}.{name}", table.name), *kind);
    }
    scope
}

fn condition(random: &mut Random, tables: &[Table], table: &Table) -> String {
    // Of several rows that break something, either engine may meet another one first.
    if random.percent(60) {
        return format!("{}.id = {}", table.name, random.below(12));
    }
    let scope = scope(table);
    Maker::new(random, tables)
        .expression(Kind::Bool, &scope, 2)
        .sql()
}

fn returning(random: &mut Random, table: &Table) -> String {
    match random.percent(30) {
        true => format!(" returning {}.*", table.name),
        false => String::new(),
    }
}
