//! `pg_class`, `pg_attribute`, `pg_attrdef`: relations and their columns.

use rustdb_catalog::{
    CheckOption, Column, Generated, Index, IndexKey, IndexMethod, Object, Sequence, Table, View,
};
use rustdb_types::{Base, Element, Oid, Type, Value};

use super::sheet::{Cell, Sheet, array};
use super::{Around, definition, relations};
use crate::bind::key_name;

/// The owner of everything, as long as there are no roles.
pub(super) const OWNER: Oid = Oid(10);

/// `pg_am`: heap, btree, hash.
const HEAP: Oid = Oid(2);
pub(super) const BTREE: Oid = Oid(403);
pub(super) const HASH: Oid = Oid(405);

/// What a row of `pg_class` says.
struct Class<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    kind: &'static str,
    method: Oid,
    columns: usize,
    checks: usize,
    rows: f32,
    pages: i32,
    has_index: bool,
    has_triggers: bool,
    temporary: bool,
    option: Option<&'static str>,
}

impl<'a> Class<'a> {
    fn new(oid: Oid, name: &'a str, schema: Oid, kind: &'static str) -> Class<'a> {
        Class {
            oid,
            name,
            schema,
            kind,
            method: Oid(0),
            columns: 0,
            checks: 0,
            rows: -1.0,
            pages: 0,
            has_index: false,
            has_triggers: false,
            temporary: false,
            option: None,
        }
    }

    fn write(&self, sheet: &mut Sheet) {
        let options = match self.option {
            Some(option) => array([Value::text(option)]),
            None => Value::Null,
        };
        let is_stored = self.kind != "v";
        sheet.row([
            self.oid.into(),
            self.name.into(),
            self.schema.into(),
            OWNER.into(),
            self.method.into(),
            (if is_stored { self.oid } else { Oid(0) }).into(),
            self.pages.into(),
            self.rows.into(),
            self.has_index.into(),
            (if self.temporary { "t" } else { "p" }).into(),
            self.kind.into(),
            (self.columns as i16).into(),
            (self.checks as i16).into(),
            (self.kind == "v").into(),
            self.has_triggers.into(),
            true.into(),
            (if self.kind == "r" { "d" } else { "n" }).into(),
            options.into(),
        ]);
    }
}

pub(super) fn classes(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names(
        "oid relname relnamespace relowner relam relfilenode relpages reltuples relhasindex \
         relpersistence relkind relnatts relchecks relhasrules relhastriggers relispopulated \
         relreplident reloptions",
    );
    for relation in relations() {
        let kind = if relation.is_view { "v" } else { "r" };
        let mut class = Class::new(relation.oid, relation.name, relation.schema, kind);
        class.columns = relation.columns.len();
        class.write(sheet);
    }
    for object in around.catalog.objects() {
        match object {
            Object::Table(table) => {
                of_table(around, table).write(sheet);
                for index in &table.indexes {
                    of_index(table, index).write(sheet);
                }
            }
            Object::View(view) => of_view(view).write(sheet),
            Object::Sequence(sequence) => of_sequence(sequence).write(sheet),
            Object::Schema(_) | Object::Type(_) | Object::Statistics(_) | Object::Comments(_) => (),
        }
    }
}

/// Bytes of a page of PostgreSQL's, in which clients count.
const PAGE_BYTES: f64 = 8192.0;

fn of_table<'a>(around: &Around<'_>, table: &'a Table) -> Class<'a> {
    let mut class = Class::new(table.oid, &table.name, table.schema, "r");
    class.method = HEAP;
    class.columns = table.columns.len();
    let checks = table
        .constraints
        .iter()
        .filter(|each| definition::is_check(each));
    class.checks = checks.count();
    if let Some(statistics) = around.catalog.statistics(table.oid) {
        class.rows = statistics.rows as f32;
        class.pages = (statistics.rows as f64 * statistics.row_bytes / PAGE_BYTES).ceil() as i32;
    }
    class.has_index = !table.indexes.is_empty();
    let has_keys = table.constraints.iter().any(definition::is_foreign_key);
    class.has_triggers = has_keys || !table.referenced_by.is_empty();
    class.temporary = table.temporary;
    class.option = table.flexible.then_some("flexible=true");
    class
}

fn of_index<'a>(table: &Table, index: &'a Index) -> Class<'a> {
    let mut class = Class::new(index.oid, &index.name, table.schema, "i");
    class.method = method_of(index);
    class.columns = index.columns.len() + index.include.len();
    class.temporary = table.temporary;
    class
}

pub(super) fn method_of(index: &Index) -> Oid {
    match index.method {
        IndexMethod::BTree => BTREE,
        IndexMethod::Hash => HASH,
    }
}

fn of_view(view: &View) -> Class<'_> {
    let mut class = Class::new(view.oid, &view.name, view.schema, "v");
    class.columns = view.columns.len();
    class.temporary = view.temporary;
    class.option = view.check_option.map(|option| match option {
        CheckOption::Local => "check_option=local",
        CheckOption::Cascaded => "check_option=cascaded",
    });
    class
}

fn of_sequence(sequence: &Sequence) -> Class<'_> {
    let mut class = Class::new(sequence.oid, &sequence.name, sequence.schema, "S");
    class.rows = 1.0;
    class.pages = 1;
    class.columns = 3;
    class.temporary = sequence.temporary;
    class
}

// ------------------------------------------------------------------------------- columns

/// What a row of `pg_attribute` says.
struct Attribute<'a> {
    relation: Oid,
    name: &'a str,
    of: &'a Type,
    number: usize,
    not_null: bool,
    has_default: bool,
    identity: &'static str,
    generated: &'static str,
    dropped: bool,
}

impl<'a> Attribute<'a> {
    fn new(relation: Oid, name: &'a str, of: &'a Type, number: usize) -> Attribute<'a> {
        Attribute {
            relation,
            name,
            of,
            number,
            not_null: false,
            has_default: false,
            identity: "",
            generated: "",
            dropped: false,
        }
    }

    fn write(&self, sheet: &mut Sheet) {
        let looks = Looks::of(self.of);
        let dropped_name = format!("........pg.dropped.{}........", self.number);
        sheet.row([
            self.relation.into(),
            (if self.dropped {
                &dropped_name
            } else {
                self.name
            })
            .into(),
            (if self.dropped { Oid(0) } else { self.of.oid() }).into(),
            looks.length.into(),
            (self.number as i16).into(),
            i32::from(self.of.array).into(),
            self.of.modifier.0.into(),
            looks.by_value.into(),
            looks.align.into(),
            looks.storage.into(),
            self.not_null.into(),
            self.has_default.into(),
            self.identity.into(),
            self.generated.into(),
            self.dropped.into(),
            looks.collation.into(),
        ]);
    }
}

/// How PostgreSQL would store a type.
pub(super) struct Looks {
    pub(super) length: i16,
    pub(super) by_value: bool,
    pub(super) align: String,
    pub(super) storage: &'static str,
    pub(super) collation: Oid,
}

impl Looks {
    pub(super) fn of(of: &Type) -> Looks {
        let plain = of.without_domains();
        let (length, by_value, align) = match (plain.array, plain.base()) {
            (false, Some(base)) => {
                let row = base.row();
                (row.length, row.by_value, row.align)
            }
            // An enum.
            (false, None) => (4, true, 'i'),
            (true, _) => (-1, false, 'i'),
        };
        let collation = match plain.base() {
            Some(Base::Name) => Oid(950),
            Some(Base::Text | Base::Varchar | Base::Bpchar) => Oid(100),
            _ => Oid(0),
        };
        let storage = match (length, plain.base(), plain.array) {
            (0.., _, _) => "p",
            (_, Some(Base::Numeric), false) => "m",
            _ => "x",
        };
        Looks {
            length,
            by_value,
            align: align.to_string(),
            storage,
            collation,
        }
    }
}

pub(super) fn attributes(around: &Around<'_>, sheet: &mut Sheet) {
    sheet
        .always("attstattarget", -1)
        .always("attcacheoff", -1)
        .always("attislocal", true);
    sheet.names(
        "attrelid attname atttypid attlen attnum attndims atttypmod attbyval attalign attstorage \
         attnotnull atthasdef attidentity attgenerated attisdropped attcollation",
    );
    for relation in relations() {
        for (place, (name, of)) in relation.columns.iter().enumerate() {
            Attribute::new(relation.oid, name, of, place + 1).write(sheet);
        }
    }
    for object in around.catalog.objects() {
        match object {
            Object::Table(table) => {
                for column in &table.columns {
                    of_column(table.oid, column).write(sheet);
                }
                for index in &table.indexes {
                    of_index_columns(table, index, sheet);
                }
            }
            Object::View(view) => {
                for (place, column) in view.columns.iter().enumerate() {
                    let of = &column.column_type;
                    Attribute::new(view.oid, &column.name, of, place + 1).write(sheet);
                }
            }
            Object::Sequence(sequence) => {
                let columns = [
                    ("last_value", Type::INT8),
                    ("log_cnt", Type::INT8),
                    ("is_called", Type::BOOL),
                ];
                for (place, (name, of)) in columns.iter().enumerate() {
                    let mut attribute = Attribute::new(sequence.oid, name, of, place + 1);
                    attribute.not_null = true;
                    attribute.write(sheet);
                }
            }
            Object::Schema(_) | Object::Type(_) | Object::Statistics(_) | Object::Comments(_) => (),
        }
    }
}

fn of_column(table: Oid, column: &Column) -> Attribute<'_> {
    let number = column.id as usize;
    let mut attribute = Attribute::new(table, &column.name, &column.column_type, number);
    attribute.not_null = column.not_null;
    attribute.dropped = column.dropped;
    if column.dropped {
        return attribute;
    }
    attribute.has_default = column.default.is_some();
    match &column.generated {
        None => (),
        Some(Generated::Stored(_)) => {
            attribute.has_default = true;
            attribute.generated = "s";
        }
        Some(Generated::Identity { always, .. }) => {
            attribute.identity = if *always { "a" } else { "d" };
        }
    }
    attribute
}

fn of_index_columns(table: &Table, index: &Index, sheet: &mut Sheet) {
    let of_table = |id: u32| {
        let column = table.column(id)?;
        Some((column.name.clone(), &column.column_type))
    };
    let keys = index.columns.iter().map(|column| match &column.key {
        IndexKey::Column(id) => of_table(*id),
        key @ IndexKey::Expression { result, .. } => {
            let name = key_name(key).unwrap_or_else(|| "expr".to_owned());
            Some((name, result))
        }
    });
    let all = keys.chain(index.include.iter().map(|id| of_table(*id)));
    let mut names: Vec<String> = Vec::new();
    for (place, (base, of)) in all.flatten().enumerate() {
        let mut name = base.clone();
        let mut number = 1;
        while names.contains(&name) {
            name = format!("{base}{number}");
            number += 1;
        }
        Attribute::new(index.oid, &name, of, place + 1).write(sheet);
        names.push(name);
    }
}

/// The text of a default. A sequence that is kept by its number is shown by its name, a constant
/// with its type, as PostgreSQL shows them.
pub(super) fn shown_default(around: &Around<'_>, text: &str, of: &Type) -> String {
    if let Some(constant) = shown_constant(text, of) {
        return constant;
    }
    let shown = definition::shown(text);
    let number = text
        .strip_prefix("nextval('")
        .and_then(|rest| rest.strip_suffix("'::regclass)"));
    let sequence = number
        .and_then(|number| number.parse().ok())
        .and_then(|number| around.catalog.sequence(Oid(number)));
    match sequence {
        Some(sequence) => {
            let name = crate::exec::quoted(&sequence.name);
            format!("nextval('{name}'::regclass)")
        }
        None => shown,
    }
}

/// A text in quotes, or a number below zero, with its type.
fn shown_constant(text: &str, of: &Type) -> Option<String> {
    if let Some(digits) = text.strip_prefix('-') {
        let of = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true if text.parse::<i32>().is_ok() => "integer",
            true if text.parse::<i64>().is_ok() => "bigint",
            _ if digits.parse::<f64>().is_ok() => "numeric",
            _ => return None,
        };
        return Some(format!("'{text}'::{of}"));
    }
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let is_one = !inner.replace("''", "").contains('\'');
    let of = of.without_domains();
    let name = match (&of.element, of.array) {
        (Element::Base(Base::Bpchar), false) => "bpchar".to_owned(),
        (Element::Base(Base::Bpchar), true) => "bpchar[]".to_owned(),
        _ => of.name(),
    };
    is_one.then(|| format!("{text}::{name}"))
}

pub(super) fn defaults(around: &Around<'_>, sheet: &mut Sheet) {
    sheet.names("oid adrelid adnum adbin");
    for table in around.catalog.tables() {
        for column in table.live_columns() {
            let text = match (&column.default, &column.generated) {
                (_, Some(Generated::Stored(expression))) => &expression.text,
                (Some(expression), _) => &expression.text,
                (None, _) => continue,
            };
            let text = shown_default(around, text, &column.column_type);
            sheet.row([
                // Defaults have no numbers of their own; these are in nobody's way.
                Oid(table.oid.0 ^ (column.id << 24) ^ (1 << 31)).into(),
                table.oid.into(),
                (column.id as i16).into(),
                Cell::from(text),
            ]);
        }
    }
}
