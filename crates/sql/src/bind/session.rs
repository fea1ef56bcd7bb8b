//! Calls of functions that act on the session or the database: see [`SessionFunction`].

use rustdb_catalog::Sequence;
use rustdb_txn::ObjectMode;
use rustdb_types::{CastContext, Type, Value};
use sqlparser::ast;

use super::Binder;
use super::expression::Place;
use super::scope::{NamedColumn, Relation, TableOid};
use crate::error::Result;
use crate::exec::{sequence_of, split_name};
use crate::expr::{Expr, SessionCall, SessionFunction, Typed};
use crate::plan::Plan;

/// What a function is given besides the name of a sequence, and what it gives.
struct Signature {
    function: SessionFunction,
    /// Whether the first argument names a sequence.
    of_sequence: bool,
    arguments: Vec<Type>,
    result: Type,
}

impl Binder<'_> {
    /// The call, if it is of such a function.
    pub(super) fn session_call(
        &mut self,
        names: &[String],
        arguments: &[&ast::Expr],
        at: &mut Place<'_, '_>,
    ) -> Result<Option<Typed>> {
        let short = match names {
            [short] => short,
            [schema, short] if schema == "pg_catalog" => short,
            _ => return Ok(None),
        };
        let Some(signature) = signature(short, arguments.len()) else {
            return Ok(None);
        };
        let mut bound = Vec::with_capacity(arguments.len());
        let mut rest = arguments;
        if let (true, Some((first, others))) = (signature.of_sequence, arguments.split_first()) {
            match self.sequence_argument(first, at)? {
                Some(argument) => bound.push(argument),
                None => return Ok(None),
            }
            rest = others;
        }
        for (argument, wanted) in rest.iter().zip(&signature.arguments) {
            let typed = self.expression(argument, at)?;
            match self.coerce(typed, wanted, CastContext::Implicit)? {
                Some(argument) => bound.push(argument),
                // No such function, then.
                None => return Ok(None),
            }
        }
        let call = SessionCall {
            function: signature.function,
            arguments: bound,
        };
        Ok(Some(Typed::new(
            Expr::Session(Box::new(call)),
            signature.result,
        )))
    }

    /// A sequence as a table of one row.
    pub(super) fn sequence_row(&mut self, sequence: &Sequence) -> (Plan, Relation) {
        let parts = [
            ("last_value", Type::INT8),
            ("log_cnt", Type::INT8),
            ("is_called", Type::BOOL),
        ];
        let (mut columns, mut row) = (Vec::new(), Vec::new());
        for (part, (name, of)) in parts.into_iter().enumerate() {
            columns.push(NamedColumn {
                name: name.to_owned(),
                id: self.new_column(),
                of,
            });
            row.push(Expr::Session(Box::new(SessionCall {
                function: SessionFunction::SequenceState(part),
                arguments: vec![Expr::Constant(Value::Oid(sequence.oid.0))],
            })));
        }
        let tableoid = self.new_column();
        row.push(Expr::Constant(Value::Oid(sequence.oid.0)));
        let ids = columns.iter().map(|column| column.id);
        let plan = Plan::Values {
            columns: ids.chain([tableoid]).collect(),
            rows: vec![row],
        };
        let relation = Relation {
            name: sequence.name.clone(),
            schema: None,
            alias_of: None,
            columns,
            tableoid: Some(TableOid::Column(tableoid)),
            is_scalar: false,
        };
        (plan, relation)
    }

    /// An argument of type `regclass`; `None` if it is no such thing. A literal is looked up now.
    fn sequence_argument(
        &mut self,
        argument: &ast::Expr,
        at: &mut Place<'_, '_>,
    ) -> Result<Option<Expr>> {
        let inner = match argument {
            ast::Expr::Cast {
                expr, data_type, ..
            } if data_type.to_string().eq_ignore_ascii_case("regclass") => expr,
            other => other,
        };
        let typed = self.expression(inner, at)?;
        if let Expr::Constant(Value::Text(text)) = &typed.expr {
            if let Ok(number) = text.as_str().parse() {
                return Ok(Some(Expr::Constant(Value::Oid(number))));
            }
            let found = split_name(text.as_str())
                .and_then(|names| sequence_of(self.find_relation(&names)?, &names));
            let oid = found.map_err(|error| error.at(typed.place))?;
            return Ok(Some(Expr::Constant(Value::Oid(oid.0))));
        }
        let wanted = match [Type::OID, Type::INT2, Type::INT4, Type::INT8].contains(&typed.of) {
            true => Type::OID,
            false => Type::TEXT,
        };
        self.coerce(typed, &wanted, CastContext::Implicit)
    }
}

fn signature(name: &str, count: usize) -> Option<Signature> {
    use SessionFunction as F;
    let make = |function, of_sequence, arguments: &[Type], result| {
        Some(Signature {
            function,
            of_sequence,
            arguments: arguments.to_vec(),
            result,
        })
    };
    match (name, count) {
        ("nextval", 1) => return make(F::NextVal, true, &[], Type::INT8),
        ("currval", 1) => return make(F::CurrVal, true, &[], Type::INT8),
        ("lastval", 0) => return make(F::LastVal, false, &[], Type::INT8),
        ("setval", 2) => return make(F::SetVal, true, &[Type::INT8], Type::INT8),
        ("setval", 3) => return make(F::SetVal, true, &[Type::INT8, Type::BOOL], Type::INT8),
        ("pg_sleep", 1) => return make(F::Sleep, false, &[Type::FLOAT8], Type::VOID),
        ("pg_sleep_for", 1) => return make(F::Sleep, false, &[Type::INTERVAL], Type::VOID),
        ("pg_cancel_backend", 1) => return make(F::Cancel, false, &[Type::INT4], Type::BOOL),
        ("pg_advisory_unlock_all", 0) => return make(F::UnlockAll, false, &[], Type::VOID),
        _ => (),
    }
    let keys = match count {
        1 => vec![Type::INT8],
        2 => vec![Type::INT4, Type::INT4],
        _ => return None,
    };
    let (mode, rest) = match name.strip_suffix("_shared") {
        Some(rest) => (ObjectMode::Share, rest),
        None => (ObjectMode::Exclusive, name),
    };
    let (session, wait) = match rest {
        "pg_advisory_lock" => (true, true),
        "pg_try_advisory_lock" => (true, false),
        "pg_advisory_xact_lock" => (false, true),
        "pg_try_advisory_xact_lock" => (false, false),
        "pg_advisory_unlock" => return make(F::Unlock(mode), false, &keys, Type::BOOL),
        _ => return None,
    };
    let lock = F::Lock {
        mode,
        session,
        wait,
    };
    let result = if wait { Type::VOID } else { Type::BOOL };
    make(lock, false, &keys, result)
}
