//! The system's relations, functions and the types that name objects by number.
//!
//! `regclass` and its like are no types here, but ways to cast: a text becomes the number of what
//! it names, and a number becomes the name. So `attrelid = 't'::regclass` and `oid::regclass`
//! give what PostgreSQL gives, and a statement that gives `'t'::regclass` gives the name; further
//! away a value keeps no memory of having been one.

use rustdb_catalog::{INFORMATION_SCHEMA, PG_CATALOG};
use rustdb_types::{Candidate, Type, Value, resolve_function};
use sqlparser::ast;

use super::Binder;
use super::query::BoundQuery;
use super::scope::{NamedColumn, Relation, TableOid};
use crate::error::{Error, Result, SqlState};
use crate::exec::split_name;
use crate::expr::{Expr, SystemCall, Typed};
use crate::plan::{Plan, SystemScan};
use crate::system::{self, SystemFunction};

/// A type whose values name objects by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectType {
    Class,
    Type,
    Namespace,
    Role,
    /// Functions are named by their names here.
    Function,
}

/// The type that names objects by number, if this is one.
pub(super) fn object_type(written: &ast::DataType) -> Option<ObjectType> {
    let ast::DataType::Custom(name, modifiers) = written else {
        return (*written == ast::DataType::Regclass).then_some(ObjectType::Class);
    };
    let names = super::words_of(name).ok()?;
    let short = match &names[..] {
        [short] => short,
        [schema, short] if schema == "pg_catalog" => short,
        _ => return None,
    };
    if !modifiers.is_empty() {
        return None;
    }
    Some(match short.as_str() {
        "regclass" => ObjectType::Class,
        "regtype" => ObjectType::Type,
        "regnamespace" => ObjectType::Namespace,
        "regrole" => ObjectType::Role,
        "regproc" | "regprocedure" => ObjectType::Function,
        _ => return None,
    })
}

impl Binder<'_> {
    /// A relation of the system: where the schema is not said, in `pg_catalog`.
    pub(super) fn system_relation(&mut self, names: &[String]) -> Option<(Plan, Relation)> {
        let (schema, name) = match names {
            [name] => (PG_CATALOG, name),
            [schema, name] | [_, schema, name] => match schema.as_str() {
                "pg_catalog" => (PG_CATALOG, name),
                "information_schema" => (INFORMATION_SCHEMA, name),
                _ => return None,
            },
            _ => return None,
        };
        let found = system::relation(schema, name)?;
        let mut columns = Vec::with_capacity(found.columns.len());
        for (name, of) in &found.columns {
            columns.push(NamedColumn {
                name: (*name).to_owned(),
                id: self.new_column(),
                of: of.clone(),
            });
        }
        let places = columns.iter().enumerate();
        let tableoid = self.new_column();
        let plan = Plan::System(Box::new(SystemScan {
            relation: found,
            tableoid,
            columns: places.map(|(place, column)| (column.id, place)).collect(),
        }));
        let schema = if schema == PG_CATALOG {
            "pg_catalog"
        } else {
            "information_schema"
        };
        let relation = Relation {
            name: found.name.to_owned(),
            schema: Some(schema.to_owned()),
            alias_of: None,
            columns,
            tableoid: (!found.is_view).then_some(TableOid::Column(tableoid)),
            is_scalar: false,
        };
        Some((plan, relation))
    }

    /// The functions of the system with this name, if there are any.
    pub(super) fn system_functions(
        &self,
        names: &[String],
    ) -> Option<Vec<&'static SystemFunction>> {
        let short = match names {
            [short] => short,
            [schema, short] if schema == "pg_catalog" => short,
            _ => return None,
        };
        let found = system::functions_named(short);
        (!found.is_empty()).then_some(found)
    }

    /// A call of one of these functions.
    pub(super) fn system_call(
        &mut self,
        names: &[String],
        functions: &[&'static SystemFunction],
        arguments: Vec<Typed>,
    ) -> Result<Typed> {
        let short = names.last().map(String::as_str).unwrap_or_default();
        let types: Vec<Type> = arguments
            .iter()
            .map(|argument| argument.of.clone())
            .collect();
        let candidates: Vec<Candidate<'_>> = functions
            .iter()
            .map(|function| Candidate {
                parameters: &function.parameters,
                result: &function.result,
                variadic: false,
                defaults: 0,
            })
            .collect();
        let resolved = resolve_function(short, &types, false, &candidates)?;
        let function = functions[resolved.index];
        let mut cast = Vec::with_capacity(arguments.len());
        for (argument, wanted) in arguments.into_iter().zip(&resolved.arguments) {
            cast.push(self.coerce_argument(argument, wanted)?);
        }
        let call = SystemCall {
            function,
            arguments: cast,
        };
        Ok(Typed::new(Expr::System(Box::new(call)), resolved.result))
    }

    fn system_function(&mut self, name: &str, argument: Typed) -> Result<Typed> {
        let names = [name.to_owned()];
        let functions = self
            .system_functions(&names)
            .ok_or_else(|| Error::internal(format!("there is no function {name}")))?;
        self.system_call(&names, &functions, vec![argument])
    }

    /// `pg_typeof(x)`: the type, whatever the value is.
    pub(super) fn type_of_argument(&mut self, argument: &Typed) -> Result<Typed> {
        let number = Value::Oid(argument.of.oid().0);
        let number = Typed::new(Expr::Constant(number), Type::OID);
        self.system_function("pg_typeof", number)
    }

    /// The name in place of the number, if this is `'t'::regclass`.
    pub(super) fn named_object(&mut self, from: Typed) -> Result<Typed> {
        let Expr::System(call) = &from.expr else {
            return Ok(from);
        };
        let name = match call.function.name.as_str() {
            "to_regclass" => "rustdb_regclass",
            "to_regtype" | "pg_typeof" => "rustdb_regtype",
            "to_regnamespace" => "rustdb_regnamespace",
            name if name.starts_with("rustdb_reg") && !name.ends_with("_name") => name,
            _ => return Ok(from),
        };
        self.system_function(&format!("{name}_name"), from)
    }

    /// `'t'::regclass::oid`: a number that stays one.
    pub(super) fn number_of_object(&mut self, from: Typed) -> Result<Typed> {
        match from.expr {
            Expr::System(_) => self.system_function("rustdb_number", from),
            _ => Ok(from),
        }
    }

    /// A statement gives names where it says `'t'::regclass`.
    pub(super) fn with_names(&mut self, mut bound: BoundQuery) -> Result<BoundQuery> {
        let mut plan = &mut bound.plan;
        while let Plan::Sort { input, .. } | Plan::Limit { input, .. } = plan {
            plan = input;
        }
        let Plan::Project { items, .. } = plan else {
            return Ok(bound);
        };
        for (id, item) in items {
            let Some(column) = bound.columns.iter_mut().find(|column| column.id == *id) else {
                continue;
            };
            if matches!(item, Expr::System(_)) {
                let from = Typed::new(item.clone(), column.of.clone());
                let named = self.named_object(from)?;
                (*item, column.of) = (named.expr, named.of);
            }
        }
        Ok(bound)
    }

    /// Whether a literal names a relation, told before anything runs, and with its place.
    fn look_for_relation(&mut self, from: &Typed) -> Result<()> {
        let Expr::Constant(Value::Text(text)) = &from.expr else {
            return Ok(());
        };
        let written = text.as_str();
        let is_number = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
        let is_elsewhere = self.is_stored || self.views_around > 0 || self.catalog.is_none();
        if is_number || written == "-" || is_elsewhere {
            return Ok(());
        }
        let names = split_name(written).map_err(|error| error.at(from.place))?;
        if names.len() > 2
            || self.find_relation(&names)?.is_some()
            || self.system_relation(&names).is_some()
        {
            return Ok(());
        }
        if let [schema, _] = &names[..]
            && self.schema_of(schema).is_none()
        {
            let message = format!("schema \"{schema}\" does not exist");
            return Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message).at(from.place));
        }
        let message = format!("relation \"{}\" does not exist", names.join("."));
        Err(Error::new(SqlState::UNDEFINED_TABLE, message).at(from.place))
    }

    /// `x::regclass`: the number of what a text names, or the name of a number.
    pub(super) fn object_cast(&mut self, kind: ObjectType, from: Typed) -> Result<Typed> {
        let is_text = from.of == Type::UNKNOWN || from.of.base().is_some_and(|base| base.is_text());
        let name = match kind {
            ObjectType::Class => "rustdb_regclass",
            ObjectType::Type => "rustdb_regtype",
            ObjectType::Namespace => "rustdb_regnamespace",
            ObjectType::Role => "rustdb_regrole",
            ObjectType::Function => return self.explicit_cast(from, &Type::TEXT),
        };
        if is_text {
            if kind == ObjectType::Class {
                self.look_for_relation(&from)?;
            }
            let text = self.explicit_cast(from, &Type::TEXT)?;
            return self.system_function(name, text);
        }
        let number = self.explicit_cast(from, &Type::OID)?;
        self.system_function(&format!("{name}_name"), number)
    }
}
