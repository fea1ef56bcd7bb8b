//! Types that were created: enums and domains.

use std::sync::Arc;

use rustdb_catalog::{Column, Table as Definition, TypeObject};
use rustdb_types::{DomainType, Element, Oid, Value};

use super::expression::Place;
use super::scope::Scope;
use super::{Binder, bind_table_expression};
use crate::error::Result;
use crate::expr::{DomainCheck, Expr};
use crate::parse::parse_expression;

impl Binder<'_> {
    /// The created type of this name, in the schema it says or along the search path.
    pub(crate) fn type_object(&self, names: &[String]) -> Option<Arc<TypeObject>> {
        let catalog = self.catalog.as_ref()?;
        match names {
            [name] => self
                .search_path()
                .find_map(|schema| catalog.type_named(schema, name).cloned()),
            [.., schema, name] => {
                let schema = self.schema_of(schema)?;
                catalog.type_named(schema, name).cloned()
            }
            [] => None,
        }
    }

    /// A value of the type below all domains as one of a domain: the constraints of the innermost
    /// domain come first.
    pub(super) fn checked(&mut self, value: Expr, domain: &Arc<DomainType>) -> Result<Expr> {
        let Some(catalog) = self.catalog.clone() else {
            return Ok(value);
        };
        let (mut not_null, mut all) = (false, Vec::new());
        let mut at = Some(domain.clone());
        while let Some(domain) = at {
            let mut checks = Vec::new();
            if let Some(object) = catalog.domain(domain.oid) {
                not_null |= object.not_null;
                for check in &object.checks {
                    let over = value_table(&domain);
                    let text = &check.expression.text;
                    let typed = bind_table_expression(text, &over, self.settings, Some(&catalog))?;
                    checks.push((check.name.clone(), typed.expr));
                }
            }
            // In the order of their names.
            checks.sort_by(|(one, _), (two, _)| one.cmp(two));
            checks.append(&mut all);
            all = checks;
            at = below(&domain);
        }
        if all.is_empty() && !not_null {
            return Ok(value);
        }
        Ok(Expr::Domain(Box::new(DomainCheck {
            value,
            name: domain.name.clone(),
            each: false,
            not_null,
            checks: all,
        })))
    }

    /// An array of the type below a domain as one of the domain.
    pub(super) fn each_checked(&mut self, array: Expr, domain: &Arc<DomainType>) -> Result<Expr> {
        Ok(match self.checked(array, domain)? {
            Expr::Domain(check) => Expr::Domain(Box::new(DomainCheck {
                each: true,
                ..*check
            })),
            other => other,
        })
    }

    /// What a column gets that has no default of its own: its domain's, or NULL.
    pub(super) fn default_of_type(&mut self, column: &Column) -> Result<Expr> {
        let null = Expr::Constant(Value::Null);
        let of = &column.column_type;
        let (Element::Domain(domain), false) = (&of.element, of.array || column.dropped) else {
            return Ok(null);
        };
        let catalog = self.catalog.clone();
        let mut at = Some(domain.clone());
        while let Some(domain) = at {
            let object = catalog.as_ref().and_then(|all| all.domain(domain.oid));
            if let Some(default) = object.and_then(|object| object.default.as_ref()) {
                let written = parse_expression(&default.text)?;
                let nothing = Scope::default();
                let mut place = Place::new(&nothing, "DEFAULT expressions");
                let typed = self.expression(&written, &mut place)?;
                return self.assign(typed, of, &column.name);
            }
            at = below(&domain);
        }
        self.checked(null, domain)
    }
}

/// The domain right below a domain, if there is one.
fn below(domain: &DomainType) -> Option<Arc<DomainType>> {
    match &domain.base.element {
        Element::Domain(below) if !domain.base.array => Some(below.clone()),
        _ => None,
    }
}

/// A table with one column, the value that a domain's constraints are about.
pub(crate) fn value_table(domain: &DomainType) -> Definition {
    let mut table = Definition::new(Oid(0), "");
    table.columns = vec![Column::new(1, "value", domain.base.clone())];
    table
}
