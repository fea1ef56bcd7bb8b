//! `jsonpath`: no type here, but a way to cast. A path is a text in its normal form, and the
//! operators `@?` and `@@` are functions of a tree and such a text.

use rustdb_types::{Base, Type};
use sqlparser::ast;

use super::Binder;
use crate::error::Result;
use crate::expr::Typed;

/// Whether this names the type of paths.
pub(super) fn is_path(written: &ast::DataType) -> bool {
    let ast::DataType::Custom(name, modifiers) = written else {
        return false;
    };
    let names = super::words_of(name).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    modifiers.is_empty() && matches!(&names[..], ["jsonpath"] | ["pg_catalog", "jsonpath"])
}

impl Binder<'_> {
    /// `x::jsonpath`
    pub(super) fn path_cast(&mut self, from: Typed) -> Result<Typed> {
        let text = self.explicit_cast(from, &Type::TEXT)?;
        self.path_function("jsonpath_in", vec![text])
    }

    /// `tree @? path` and `tree @@ path`; what stands on the left again if it is something else.
    pub(super) fn path_operator(
        &mut self,
        name: &str,
        left: Option<Typed>,
        right: &Typed,
    ) -> Result<std::result::Result<Typed, Option<Typed>>> {
        let function = match name {
            "@?" => "jsonb_path_exists_opr",
            "@@" => "jsonb_path_match_opr",
            _ => return Ok(Err(left)),
        };
        let is_text = right.of == Type::UNKNOWN || right.of.base() == Some(Base::Text);
        match left {
            Some(left) if is_text && left.of.without_domains() == Type::JSONB => {
                let arguments = vec![left, right.clone()];
                self.path_function(function, arguments).map(Ok)
            }
            left => Ok(Err(left)),
        }
    }

    fn path_function(&mut self, name: &str, arguments: Vec<Typed>) -> Result<Typed> {
        let names = ["pg_catalog".to_owned(), name.to_owned()];
        self.function(&names, arguments, None)
    }
}
