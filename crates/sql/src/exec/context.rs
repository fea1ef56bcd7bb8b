//! What a running statement has at hand.

use std::sync::Arc;

use rustdb_types::function::{FunctionContext, Host};
use rustdb_types::{Settings, Value};

use super::batch::Batch;

/// A running statement's surroundings.
pub struct Context<'a> {
    /// How values are read and printed; when the transaction began.
    pub settings: &'a Settings,
    /// The clock, and chance.
    pub host: &'a dyn Host,
    /// When the statement began.
    pub statement_time: i64,
    /// `$1` and so on.
    pub parameters: &'a [Value],
    /// Values of outer rows, for the plans of subqueries: each has places of its own.
    pub(crate) outer: Vec<Value>,
    /// Results of subqueries that do not depend on outer rows, by their number.
    pub(crate) results: Vec<Option<Value>>,
    /// Rows of such subqueries that are tested one by one.
    pub(crate) rows: Vec<Option<Arc<[Arc<Batch>]>>>,
}

impl<'a> Context<'a> {
    /// A statement that begins now.
    pub fn new(settings: &'a Settings, host: &'a dyn Host, parameters: &'a [Value]) -> Context<'a> {
        Context {
            settings,
            host,
            statement_time: host.clock(),
            parameters,
            outer: Vec::new(),
            results: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// What functions see.
    pub(crate) fn functions(&self) -> FunctionContext<'a> {
        FunctionContext {
            settings: self.settings,
            statement_time: self.statement_time,
            host: self.host,
        }
    }
}
