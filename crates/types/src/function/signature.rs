//! Signatures as text: `jsonb_set(jsonb_in jsonb, path text[], create_if_missing bool = true) jsonb`.
//!
//! After the result come the properties that are not the usual ones: `called` if the function is
//! called on NULL too, `stable` or `volatile` if it is not immutable. A set is `setof type`, or
//! `setof (name type, ...)`.

use super::{Function, Row, Volatility};
use crate::base::Base;
use crate::io;
use crate::parameter::Parameter;
use crate::settings::Settings;
use crate::types::Type;
use crate::value::Value;

/// Reads a row of the table. Signatures are ours, so that a wrong one is our mistake.
pub(super) fn read(row: &Row) -> Function {
    let signature = Signature::read(row.signature);
    Function {
        name: signature.name,
        parameters: signature.parameters,
        names: signature.names,
        defaults: signature.defaults,
        variadic: signature.variadic,
        result: signature.result,
        set: signature.set,
        columns: signature.columns,
        strict: !signature.properties.contains(&"called"),
        volatility: if signature.properties.contains(&"volatile") {
            Volatility::Volatile
        } else if signature.properties.contains(&"stable") {
            Volatility::Stable
        } else {
            Volatility::Immutable
        },
        body: row.body,
    }
}

/// A signature, taken apart.
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) defaults: Vec<Value>,
    pub(crate) variadic: bool,
    pub(crate) result: Parameter,
    pub(crate) set: bool,
    pub(crate) columns: Vec<(&'static str, Parameter)>,
    pub(crate) properties: Vec<&'static str>,
}

impl Signature {
    pub(crate) fn read(text: &'static str) -> Signature {
        let (name, rest) = text.split_once('(').expect("a signature has brackets");
        let (parameters, rest) = rest.split_once(") ").expect("a signature has a result");
        let mut signature = Signature {
            name,
            parameters: Vec::new(),
            names: Vec::new(),
            defaults: Vec::new(),
            variadic: false,
            result: Parameter::Any,
            set: false,
            columns: Vec::new(),
            properties: Vec::new(),
        };
        parameters
            .split(", ")
            .filter(|part| !part.is_empty())
            .for_each(|part| signature.parameter(part));
        signature.result(rest);
        signature
    }

    fn parameter(&mut self, text: &'static str) {
        let (declared, default) = match text.split_once(" = ") {
            Some((declared, default)) => (declared, Some(default)),
            None => (text, None),
        };
        let declared = match declared.strip_prefix("variadic ") {
            Some(declared) => {
                self.variadic = true;
                declared
            }
            None => declared,
        };
        let (name, of) = declared.split_once(' ').unwrap_or(("", declared));
        let parameter = parameter(of);
        if let (Some(default), Some(of)) = (default, parameter.concrete()) {
            let value = io::parse(default, of, &Settings::default());
            self.defaults
                .push(value.expect("a default is of its parameter's type"));
        }
        self.names.push(name);
        self.parameters.push(parameter);
    }

    fn result(&mut self, text: &'static str) {
        let (set, text) = match text.strip_prefix("setof ") {
            Some(text) => (true, text),
            None => (false, text),
        };
        self.set = set;
        let properties = match text.strip_prefix('(') {
            Some(columns) => {
                let (columns, rest) = columns.split_once(')').expect("columns end in a bracket");
                let column = |text: &'static str| {
                    let (name, of) = text.split_once(' ').expect("a column has a type");
                    (name, parameter(of))
                };
                self.columns = columns.split(", ").map(column).collect();
                self.result = match self.columns.as_slice() {
                    [(_, one)] => one.clone(),
                    _ => Parameter::base(Base::Record),
                };
                rest
            }
            None => {
                let (of, rest) = text.split_once(' ').unwrap_or((text, ""));
                self.result = parameter(of);
                rest
            }
        };
        self.properties = properties.split_ascii_whitespace().collect();
    }
}

fn parameter(name: &str) -> Parameter {
    match name {
        "any" => Parameter::Any,
        "anyelement" => Parameter::AnyElement,
        "anyarray" => Parameter::AnyArray,
        "anynonarray" => Parameter::AnyNonArray,
        "anyenum" => Parameter::AnyEnum,
        "anycompatible" => Parameter::AnyCompatible,
        "anycompatiblearray" => Parameter::AnyCompatibleArray,
        _ => {
            let (element, array) = match name.strip_suffix("[]") {
                Some(element) => (element, true),
                None => (name, false),
            };
            let base = Base::from_name(element).expect("a signature names built-in types");
            let of = Type::of(base);
            Parameter::Of(if array { of.array_of() } else { of })
        }
    }
}
