//! Who depends on whom.
//!
//! Dropping an object takes with it what belongs to it (a table's indexes, a column's sequence)
//! without a word; what merely uses it keeps it from being dropped, or goes too (CASCADE). Which
//! of the two a dependency is follows PostgreSQL. The graph is not stored: every question looks
//! through all objects, because definitions are dropped seldom.

use rustdb_types::Oid;

use crate::descriptor::{
    ColumnId, ConstraintKind, Dependency, Expression, Generated, Index, IndexKey, Object, Table,
    TypeKind,
};
use crate::snapshot::{Catalog, PG_CATALOG, PUBLIC, element_oid, types_in};

/// Something that can be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A schema, table, view, sequence or type.
    Object(Oid),
    /// A column of a table.
    Column(Oid, ColumnId),
    /// The default of a column of a table.
    Default(Oid, ColumnId),
    /// A constraint of a table.
    Constraint(Oid, Oid),
    /// An index of a table.
    Index(Oid, Oid),
}

impl Part {
    /// The object whose lock covers it.
    pub fn object(self) -> Oid {
        match self {
            Part::Object(oid)
            | Part::Column(oid, _)
            | Part::Default(oid, _)
            | Part::Constraint(oid, _)
            | Part::Index(oid, _) => oid,
        }
    }
}

/// How something depends on something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// It goes too.
    Automatic,
    /// It goes too with CASCADE only.
    Normal,
}

use DependencyKind::{Automatic, Normal};

impl Catalog {
    /// What depends on something, directly.
    pub fn dependents(&self, of: Part) -> Vec<(Part, DependencyKind)> {
        let mut found = Vec::new();
        for object in self.objects() {
            match object {
                Object::Table(table) => table_dependents(table, of, &mut found),
                Object::View(view) => {
                    let is_user = uses(&view.query.depends_on, of) || mentions(object, of);
                    if is_user && of != Part::Object(view.oid) {
                        found.push((Part::Object(view.oid), Normal));
                    }
                }
                Object::Sequence(sequence) => {
                    let is_owned = sequence.owned_by.is_some_and(|(table, column)| {
                        of == Part::Object(table) || of == Part::Column(table, column)
                    });
                    if is_owned {
                        found.push((Part::Object(sequence.oid), Automatic));
                    }
                }
                Object::Type(user) => {
                    let is_user = mentions(object, of) || domain_uses(&user.kind, of);
                    if is_user && of != Part::Object(user.oid()) {
                        found.push((Part::Object(user.oid()), Normal));
                    }
                }
                Object::Schema(_) | Object::Statistics(_) | Object::Comments(_) => {}
            }
            if let (Part::Object(schema), Some(own)) = (of, object.schema())
                && own == schema
            {
                found.push((Part::Object(object.oid()), Normal));
            }
        }
        found
    }

    /// As messages name it: `view v`, `column a of table t`. Names outside of the schemas
    /// `visible` are qualified.
    pub fn describe(&self, part: Part, visible: &[Oid]) -> String {
        let name = |oid: Oid| self.qualified_name(oid, visible);
        let column = |table: Oid, id: ColumnId| {
            self.table(table)
                .map_or_else(|| id.to_string(), |table| table.column_names(&[id]))
        };
        match part {
            Part::Object(oid) => {
                let kind = match self.object(oid) {
                    Some(Object::Schema(_)) => "schema",
                    Some(Object::Table(_)) => "table",
                    Some(Object::View(_)) => "view",
                    Some(Object::Sequence(_)) => "sequence",
                    Some(Object::Type(_) | Object::Statistics(_) | Object::Comments(_)) | None => {
                        "type"
                    }
                };
                format!("{kind} {}", name(oid))
            }
            Part::Column(table, id) => {
                format!("column {} of table {}", column(table, id), name(table))
            }
            Part::Default(table, id) => format!(
                "default value for column {} of table {}",
                column(table, id),
                name(table)
            ),
            Part::Constraint(table, oid) => {
                let constraint = self.table(table).and_then(|table| table.constraint(oid));
                let own = constraint.map_or("?", |constraint| &constraint.name);
                format!("constraint {own} on table {}", name(table))
            }
            Part::Index(table, oid) => {
                let index = self.table(table).and_then(|table| table.index(oid));
                format!("index {}", index.map_or("?", |index| &index.name))
            }
        }
    }

    /// As [`Catalog::describe`], of what `user` uses: of a type, it may use the arrays.
    pub(crate) fn describe_used(&self, user: Part, used: Part, visible: &[Oid]) -> String {
        let of = match user {
            Part::Column(table, id) => self
                .table(table)
                .and_then(|table| table.columns.iter().find(|column| column.id == id))
                .map(|column| &column.column_type),
            Part::Object(oid) => self.domain(oid).map(|domain| &domain.definition.base),
            Part::Default(..) | Part::Constraint(..) | Part::Index(..) => None,
        };
        let arrays = of.is_some_and(|of| of.array && is_of_type(used, element_oid(&of.element)));
        let suffix = if arrays { "[]" } else { "" };
        self.describe(used, visible) + suffix
    }

    fn qualified_name(&self, oid: Oid, visible: &[Oid]) -> String {
        let Some(object) = self.object(oid) else {
            return oid.to_string();
        };
        match object.schema().filter(|schema| !visible.contains(schema)) {
            Some(schema) if schema != PG_CATALOG && !(visible.is_empty() && schema == PUBLIC) => {
                let schema = self.schema(schema).map_or("?", |schema| &schema.name);
                format!("{schema}.{}", object.name())
            }
            _ => object.name().to_owned(),
        }
    }
}

/// Parts of a table that depend on `of`, which may be the table's own.
fn table_dependents(table: &Table, of: Part, found: &mut Vec<(Part, DependencyKind)>) {
    let oid = table.oid;
    for column in table.live_columns() {
        if of == Part::Column(oid, column.id) {
            continue;
        }
        if is_of_type(of, element_oid(&column.column_type.element)) {
            found.push((Part::Column(oid, column.id), Normal));
        }
        if column.default.as_ref().is_some_and(|text| needs(text, of)) {
            found.push((Part::Default(oid, column.id), Normal));
        }
        if let Some(Generated::Stored(text)) = &column.generated
            && needs(text, of)
        {
            found.push((Part::Column(oid, column.id), Normal));
        }
    }
    for constraint in &table.constraints {
        let part = Part::Constraint(oid, constraint.oid);
        let is_own = |id: &ColumnId| of == Part::Column(oid, *id);
        if constraint.kind.columns().iter().any(is_own) {
            found.push((part, Automatic));
            continue;
        }
        match &constraint.kind {
            ConstraintKind::Check { expression, .. } if needs(expression, of) => {
                found.push((part, Normal));
            }
            ConstraintKind::ForeignKey(key) => {
                let of_parent = match of {
                    Part::Object(parent) => parent == key.parent && parent != oid,
                    Part::Column(parent, id) => {
                        parent == key.parent && key.parent_columns.contains(&id)
                    }
                    Part::Index(_, index) => index == key.parent_index,
                    Part::Constraint(..) | Part::Default(..) => false,
                };
                if of_parent {
                    found.push((part, Normal));
                }
            }
            // An index goes with its constraint.
            ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. } => {
                if of == part {
                    found.push((Part::Index(oid, *index), Automatic));
                }
            }
            ConstraintKind::Check { .. } => {}
        }
    }
    for index in &table.indexes {
        let part = Part::Index(oid, index.oid);
        if of != part && table.constraint_of_index(index.oid).is_none() {
            match index_needs(table, index, of) {
                Some(kind) => found.push((part, kind)),
                None => continue,
            }
        }
    }
}

/// How an index depends on something, if it does.
fn index_needs(table: &Table, index: &Index, of: Part) -> Option<DependencyKind> {
    let is_column = |id: ColumnId| of == Part::Column(table.oid, id);
    let mut texts: Vec<&Expression> = index.predicate.iter().collect();
    for column in &index.columns {
        match &column.key {
            IndexKey::Column(id) if is_column(*id) => return Some(Automatic),
            IndexKey::Column(_) => {}
            IndexKey::Expression { expression, result } => {
                if is_of_type(of, element_oid(&result.element)) {
                    return Some(Normal);
                }
                texts.push(expression);
            }
        }
    }
    if index.include.iter().any(|id| is_column(*id)) {
        return Some(Automatic);
    }
    let is_used = texts.iter().any(|text| needs(text, of));
    is_used.then_some(match of {
        Part::Column(..) => Automatic,
        _ => Normal,
    })
}

fn needs(text: &Expression, of: Part) -> bool {
    uses(&text.depends_on, of)
}

fn uses(dependencies: &[Dependency], of: Part) -> bool {
    dependencies.iter().any(|each| match of {
        Part::Object(oid) => each.object == oid,
        Part::Column(table, id) => each.object == table && each.column == Some(id),
        Part::Default(..) | Part::Constraint(..) | Part::Index(..) => false,
    })
}

fn domain_uses(kind: &TypeKind, of: Part) -> bool {
    match kind {
        TypeKind::Enum(_) => false,
        TypeKind::Domain(domain) => {
            domain.default.as_ref().is_some_and(|text| needs(text, of))
                || domain.checks.iter().any(|each| needs(&each.expression, of))
        }
    }
}

fn mentions(object: &Object, of: Part) -> bool {
    types_in(object).any(|each| is_of_type(of, element_oid(&each.element)))
}

fn is_of_type(of: Part, element: Oid) -> bool {
    of == Part::Object(element)
}
