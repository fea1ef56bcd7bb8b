//! Enums and domains.

use std::sync::Arc;

use rustdb_catalog::{
    DomainCheck, DomainObject, Expression, Table, TypeKind, TypeObject, choose_name,
};
use rustdb_table::Projection;
use rustdb_txn::ObjectMode;
use rustdb_types::{
    DomainType, Element, EnumLabel, EnumType, Oid, SqlState, Type, Value, interrupt,
};
use sqlparser::ast;

use super::column::{refuse_catalog, refuse_subquery};
use super::declared::refuse_collation_of;
use super::{Defined, Definer};
use crate::bind::{
    Binder, bind_column_expression, bind_table_expression, name_of, object_name, value_table,
};
use crate::error::{Error, Result};
use crate::exec::{Context, evaluate_row};
use crate::expr::Expr;
use crate::notice::Notice;
use crate::parse::utility::{AlterDomain, AlterType, CreateDomain, DomainConstraint};

/// The longest label of an enum, in bytes.
const LABEL_BYTES_MAX: usize = 63;

impl Definer<'_> {
    // --------------------------------------------------------------------------------- enums

    pub(crate) fn create_enum(
        &mut self,
        name: &ast::ObjectName,
        labels: &[ast::Ident],
    ) -> Result<Defined> {
        let (schema, name) = self.new_name(name, false)?;
        let mut made: Vec<Arc<EnumLabel>> = Vec::with_capacity(labels.len());
        for (id, label) in (1u32..).zip(labels) {
            check_label(&label.value)?;
            if made.iter().any(|other| other.label == label.value) {
                return Err(Error::new(
                    SqlState::UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                ));
            }
            made.push(Arc::new(EnumLabel {
                id,
                order: f64::from(id),
                label: label.value.clone(),
            }));
        }
        let kind = TypeKind::Enum(Arc::new(EnumType {
            oid: self.change.new_oid()?,
            array_oid: self.change.new_oid()?,
            name,
            labels: made,
        }));
        self.change
            .create_type(self.transaction, TypeObject { schema, kind })?;
        Ok(Defined::new("CREATE TYPE"))
    }

    pub(crate) fn alter_type(
        &mut self,
        name: &ast::ObjectName,
        action: &AlterType,
    ) -> Result<Defined> {
        let object = self.user_type(name)?;
        self.lock(object.oid(), ObjectMode::Exclusive)?;
        let object = self.user_type(name)?;
        let TypeKind::Enum(definition) = &object.kind else {
            let message = format!("{} is not an enum", object.name());
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        };
        let mut labels = definition.labels.clone();
        let defined = Defined::new("ALTER TYPE");
        let exists = |label: &str| {
            let message = format!("enum label \"{label}\" already exists");
            Error::new(SqlState::DUPLICATE_OBJECT, message)
        };
        match action {
            AlterType::AddValue {
                if_not_exists,
                label,
                next_to,
            } => {
                check_label(label)?;
                if definition.by_label(label).is_some() {
                    return match if_not_exists {
                        true => {
                            let message =
                                format!("enum label \"{label}\" already exists, skipping");
                            let state = SqlState::DUPLICATE_OBJECT;
                            self.note(Notice::new(message).with_state(state));
                            Ok(defined)
                        }
                        false => Err(exists(label)),
                    };
                }
                add_label(&mut labels, label, next_to.as_ref())?;
            }
            AlterType::RenameValue(old, new) => {
                check_label(new)?;
                let place = place_of(&labels, old)?;
                if definition.by_label(new).is_some() {
                    return Err(exists(new));
                }
                Arc::make_mut(&mut labels[place]).label.clone_from(new);
                self.rename_in_defaults(definition.oid, old, new)?;
            }
        }
        let changed = Arc::new(EnumType {
            oid: definition.oid,
            array_oid: definition.array_oid,
            name: definition.name.clone(),
            labels,
        });
        self.change
            .alter_type(definition.oid, |kind| *kind = TypeKind::Enum(changed))?;
        Ok(defined)
    }

    /// A label is written out in the texts that use it. Defaults follow; others keep it from being
    /// renamed.
    fn rename_in_defaults(&mut self, oid: Oid, old: &str, new: &str) -> Result<()> {
        let literal = |label: &str| format!("'{}'", label.replace('\'', "''"));
        let (old, new) = (literal(old), literal(new));
        let view = self.change.view();
        for table in view.tables() {
            let mut table = Table::clone(table);
            let mut changed = false;
            for column in &mut table.columns {
                let is_of_type = element_is(&column.column_type.element, oid);
                if let (Some(default), true) = (&mut column.default, is_of_type)
                    && default.text.contains(&old)
                {
                    default.text = default.text.replace(&old, &new);
                    changed = true;
                }
            }
            let uses = table
                .columns
                .iter()
                .any(|column| !column.dropped && element_is(&column.column_type.element, oid));
            let others = super::column::texts_of(&table);
            if uses && others.iter().any(|text| text.contains(&old)) {
                return Err(Error::unsupported(format!(
                    "renaming a label that an expression of table \"{}\" names",
                    table.name
                )));
            }
            if changed {
                self.change
                    .set(rustdb_catalog::Object::Table(Arc::new(table)));
            }
        }
        Ok(())
    }

    /// The created type of this name.
    pub(super) fn user_type(&mut self, name: &ast::ObjectName) -> Result<Arc<TypeObject>> {
        let names = object_name(name)?;
        self.around.catalog = self.change.view();
        let found = Binder::for_statement(&self.around).type_object(&names);
        found.ok_or_else(|| {
            let message = format!("type \"{}\" does not exist", names.join("."));
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })
    }

    /// Keeps a column's type from being dropped while the column is made.
    pub(super) fn lock_type(&mut self, of: Type, written: &ast::DataType) -> Result<Type> {
        let oid = match &of.element {
            Element::Base(_) => return Ok(of),
            Element::Enum(definition) => definition.oid,
            Element::Domain(definition) if of.array && definition.base.without_domains().array => {
                return Err(Error::unsupported("an array of a domain over arrays"));
            }
            Element::Domain(definition) => definition.oid,
        };
        self.lock(oid, ObjectMode::AccessShare)?;
        self.around.catalog = self.change.view();
        Binder::for_statement(&self.around).type_named(written)
    }

    // ------------------------------------------------------------------------------- domains

    pub(crate) fn create_domain(&mut self, create: &CreateDomain) -> Result<Defined> {
        let (schema, name) = self.new_name(&create.name, false)?;
        self.around.catalog = self.change.view();
        let base = Binder::for_statement(&self.around).type_named(&create.data_type)?;
        let base = self.lock_type(base, &create.data_type)?;
        let definition = Arc::new(DomainType {
            oid: self.change.new_oid()?,
            array_oid: self.change.new_oid()?,
            name,
            base,
        });
        let mut domain = DomainObject {
            definition,
            not_null: false,
            default: None,
            checks: Vec::new(),
        };
        if create.collated {
            refuse_collation_of(&domain.definition.base)?;
        }
        match &create.defaults[..] {
            [] => (),
            [default] => self.set_domain_default(&mut domain, Some(default))?,
            _ => {
                let message = "multiple default expressions";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message));
            }
        }
        let is = |wanted: &DomainConstraint| create.constraints.contains(wanted);
        if is(&DomainConstraint::NotNull) && is(&DomainConstraint::Null) {
            let message = "conflicting NULL/NOT NULL constraints";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        for constraint in &create.constraints {
            self.add_domain_constraint(&mut domain, constraint, true)?;
        }
        let object = TypeObject {
            schema,
            kind: TypeKind::Domain(domain),
        };
        self.change.create_type(self.transaction, object)?;
        Ok(Defined::new("CREATE DOMAIN"))
    }

    pub(crate) fn alter_domain(
        &mut self,
        name: &ast::ObjectName,
        action: &AlterDomain,
    ) -> Result<Defined> {
        let object = self.user_type(name)?;
        self.lock(object.oid(), ObjectMode::AccessExclusive)?;
        let object = self.user_type(name)?;
        let TypeKind::Domain(domain) = &object.kind else {
            let message = format!("{} is not a domain", object.name());
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        };
        let mut domain = domain.clone();
        let defined = Defined::new("ALTER DOMAIN");
        match action {
            AlterDomain::Default(default) => {
                self.set_domain_default(&mut domain, default.as_deref())?;
            }
            AlterDomain::NotNull(not_null) => {
                if *not_null && !domain.not_null {
                    self.look_at_values(&domain, None)?;
                }
                domain.not_null = *not_null;
            }
            AlterDomain::Add {
                constraint,
                validate,
            } => {
                let before = domain.checks.len();
                self.add_domain_constraint(&mut domain, constraint, *validate)?;
                if let (Some(check), true) = (domain.checks.get(before), *validate) {
                    let check = check.clone();
                    self.look_at_values(&domain, Some(&check))?;
                } else if *constraint == DomainConstraint::NotNull {
                    self.look_at_values(&domain, None)?;
                }
            }
            AlterDomain::Drop { if_exists, name } => {
                let constraint = name_of(name);
                let before = domain.checks.len();
                domain.checks.retain(|check| check.name != constraint);
                let missing = missing_check(&domain, &constraint);
                match (domain.checks.len() == before, if_exists) {
                    (false, _) => (),
                    (true, true) => {
                        self.note(Notice::new(format!("{}, skipping", missing.message())));
                    }
                    (true, false) => return Err(missing),
                }
            }
            AlterDomain::RenameConstraint(old, new) => {
                rename_check(&mut domain, &name_of(old), &name_of(new))?;
            }
            AlterDomain::Validate(constraint) => {
                let place = check_named(&domain, &name_of(constraint))?;
                let check = domain.checks[place].clone();
                self.look_at_values(&domain, Some(&check))?;
                domain.checks[place].validated = true;
            }
        }
        let oid = domain.definition.oid;
        self.change
            .alter_type(oid, |kind| *kind = TypeKind::Domain(domain))?;
        Ok(defined)
    }

    fn set_domain_default(
        &mut self,
        domain: &mut DomainObject,
        default: Option<&ast::Expr>,
    ) -> Result<()> {
        domain.default = None;
        if let Some(default) = default {
            let text = default.to_string();
            let mut bare = value_table(&domain.definition);
            let mut column = bare.columns.remove(0);
            column.name.clone_from(&domain.definition.name);
            let (settings, catalog) = (self.around.settings, Some(&self.around.catalog));
            let expr = bind_column_expression(&text, &bare, &column, settings, catalog)?;
            refuse_subquery(&expr, "DEFAULT expression")?;
            domain.default = Some(Expression::new(text));
        }
        Ok(())
    }

    fn add_domain_constraint(
        &mut self,
        domain: &mut DomainObject,
        constraint: &DomainConstraint,
        validated: bool,
    ) -> Result<()> {
        let (name, expr) = match constraint {
            DomainConstraint::NotNull => {
                domain.not_null = true;
                return Ok(());
            }
            DomainConstraint::Null => return Ok(()),
            DomainConstraint::Check { name, expr } => (name, expr),
        };
        let own = &domain.definition.name;
        let is_taken = |name: &str| domain.checks.iter().any(|check| check.name == name);
        let name = match name.as_ref().map(name_of) {
            Some(name) if is_taken(&name) => {
                let message = format!("constraint \"{name}\" for domain \"{own}\" already exists");
                return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
            }
            Some(name) => name,
            None => choose_name(own, "", "check", is_taken),
        };
        let text = expr.to_string();
        let over = value_table(&domain.definition);
        let (settings, catalog) = (self.around.settings, Some(&self.around.catalog));
        let typed = bind_table_expression(&text, &over, settings, catalog)?;
        refuse_subquery(&typed.expr, "check constraint")?;
        refuse_catalog(&typed.expr, "check constraint")?;
        if typed.of != Type::BOOL {
            let message = format!(
                "argument of CHECK must be type boolean, not type {}",
                typed.of.name()
            );
            return Err(Error::new(SqlState::DATATYPE_MISMATCH, message));
        }
        domain.checks.push(DomainCheck {
            oid: self.change.new_oid()?,
            name,
            expression: Expression::new(text),
            validated,
        });
        Ok(())
    }

    /// Looks at all values of a domain in tables: whether one is NULL, or breaks a constraint.
    fn look_at_values(&mut self, domain: &DomainObject, check: Option<&DomainCheck>) -> Result<()> {
        let condition = match check {
            None => None,
            Some(check) => {
                let over = value_table(&domain.definition);
                let text = &check.expression.text;
                let (settings, catalog) = (self.around.settings, Some(&self.around.catalog));
                Some(bind_table_expression(text, &over, settings, catalog)?.expr)
            }
        };
        let view = self.change.view();
        for table in view.tables() {
            for column in table.live_columns() {
                refuse_container(table, &column.name, &column.column_type, domain)?;
                if is_of(&column.column_type, domain.definition.oid) {
                    self.lock(table.oid, ObjectMode::Share)?;
                    let place = column.id as usize - 1;
                    self.look_at_column(table, place, condition.as_ref())?;
                }
            }
        }
        Ok(())
    }

    fn look_at_column(
        &mut self,
        table: &Table,
        place: usize,
        condition: Option<&Expr>,
    ) -> Result<()> {
        let rows = self.opened(table.oid)?;
        let database = self.around.database.clone();
        let mut cx = Context::new(self.around.settings, &*database.shared.host, &[]);
        let all = rustdb_table::KeyRange::all();
        let mut scan = self.transaction.scan_newest(rows.keyspace(), all)?;
        let (column, name) = (&table.columns[place].name, &table.name);
        while let Some((key, _)) = scan.next(self.transaction)? {
            interrupt::spend(interrupt::ROW_UNITS)?;
            let mut value = Vec::new();
            let wanted = Projection::Columns(vec![place]);
            rows.get_newest(self.transaction, &key, &wanted, &mut value)?;
            let (state, message) = match condition {
                None if value.first().is_some_and(Value::is_null) => (
                    SqlState::NOT_NULL_VIOLATION,
                    format!("column \"{column}\" of table \"{name}\" contains null values"),
                ),
                Some(condition)
                    if evaluate_row(condition, &value, &mut cx)?.as_bool() == Some(false) =>
                {
                    (
                        SqlState::CHECK_VIOLATION,
                        format!(
                            "column \"{column}\" of table \"{name}\" contains values that violate the new constraint"
                        ),
                    )
                }
                _ => continue,
            };
            return Err(Error::new(state, message));
        }
        Ok(())
    }
}

fn rename_check(domain: &mut DomainObject, old: &str, new: &str) -> Result<()> {
    let own = &domain.definition.name;
    let place = domain.checks.iter().position(|check| check.name == old);
    let Some(place) = place else {
        let message = format!("constraint \"{old}\" for domain {own} does not exist");
        return Err(Error::new(SqlState::UNDEFINED_OBJECT, message));
    };
    if domain.checks.iter().any(|check| check.name == new) {
        let message = format!("constraint \"{new}\" for domain {own} already exists");
        return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
    }
    domain.checks[place].name = new.to_owned();
    Ok(())
}

fn missing_check(domain: &DomainObject, name: &str) -> Error {
    let message = format!(
        "constraint \"{name}\" of domain \"{}\" does not exist",
        domain.definition.name
    );
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

/// The place of a domain's constraint.
fn check_named(domain: &DomainObject, name: &str) -> Result<usize> {
    let found = domain.checks.iter().position(|check| check.name == name);
    found.ok_or_else(|| missing_check(domain, name))
}

fn element_is(element: &Element, oid: Oid) -> bool {
    matches!(element, Element::Enum(definition) if definition.oid == oid)
}

/// Whether values of a type are values of a domain, at the outside or below.
fn is_of(of: &Type, domain: Oid) -> bool {
    match &of.element {
        Element::Domain(definition) => definition.oid == domain || is_of(&definition.base, domain),
        Element::Base(_) | Element::Enum(_) => false,
    }
}

/// Fails if a column holds arrays of a domain, or of one over it: elements are not looked at.
fn refuse_container(table: &Table, column: &str, of: &Type, domain: &DomainObject) -> Result<()> {
    let Element::Domain(definition) = &of.element else {
        return Ok(());
    };
    if !of.array {
        return refuse_container(table, column, &definition.base, domain);
    }
    if !is_of(of, domain.definition.oid) {
        return Ok(());
    }
    let message = format!(
        "cannot alter type \"{}\" because column \"{}.{column}\" uses it",
        definition.name, table.name
    );
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

fn check_label(label: &str) -> Result<()> {
    if label.len() <= LABEL_BYTES_MAX {
        return Ok(());
    }
    let message = format!("invalid enum label \"{label}\"");
    Err(Error::new(SqlState::INVALID_NAME, message)
        .with_detail(format!("Labels must be {LABEL_BYTES_MAX} bytes or less.")))
}

fn place_of(labels: &[Arc<EnumLabel>], label: &str) -> Result<usize> {
    let found = labels.iter().position(|each| each.label == label);
    found.ok_or_else(|| {
        let message = format!("\"{label}\" is not an existing enum label");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
    })
}

/// Adds a label at the end, or before or after another.
fn add_label(
    labels: &mut Vec<Arc<EnumLabel>>,
    label: &str,
    next_to: Option<&(String, bool)>,
) -> Result<()> {
    let place = match next_to {
        None => labels.len(),
        Some((other, true)) => place_of(labels, other)?,
        Some((other, false)) => place_of(labels, other)? + 1,
    };
    let order_of = |place: usize| labels.get(place).map(|label| label.order);
    let before = place.checked_sub(1).and_then(order_of);
    let order = match (before, order_of(place)) {
        (None, None) => 1.0,
        (Some(before), None) => before + 1.0,
        (None, Some(after)) => after - 1.0,
        (Some(before), Some(after)) => before + (after - before) / 2.0,
    };
    // NB: keys of indexes hold orders, so that labels cannot be spread anew.
    if Some(order) == before || Some(order) == order_of(place) {
        let message = "there is no room for another label here";
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    let id = labels.iter().map(|label| label.id).max().unwrap_or(0);
    let label = Arc::new(EnumLabel {
        id: id.saturating_add(1),
        order,
        label: label.to_owned(),
    });
    labels.insert(place, label);
    Ok(())
}
