//! Rows of the system's relations.

use std::sync::Arc;

use rustdb_types::Value;

use super::batch::Batch;
use super::context::Context;
use super::{Node, Operator};
use crate::error::Result;
use crate::system::Relation;

/// The rows of a relation of the system.
#[derive(Debug)]
pub(super) struct SystemNode {
    pub(super) relation: &'static Relation,
    /// Places of the columns in rows.
    pub(super) places: Vec<usize>,
}

struct RunSystem {
    node: Arc<SystemNode>,
    /// The rows that were not given yet; computed when the first is asked for.
    rows: Option<std::vec::IntoIter<Vec<Value>>>,
}

impl Node for SystemNode {
    fn open(self: Arc<Self>) -> Box<dyn Operator> {
        Box::new(RunSystem {
            node: self,
            rows: None,
        })
    }
}

impl Operator for RunSystem {
    fn next(&mut self, cx: &mut Context<'_>) -> Result<Option<Batch>> {
        cx.check_cancelled()?;
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let rows = self.node.relation.rows(&cx.around()?);
                self.rows.insert(rows.into_iter())
            }
        };
        let mut batch = Batch::new(self.node.places.len());
        while !batch.is_full() {
            let Some(mut row) = rows.next() else { break };
            let places = self.node.places.iter();
            batch.push(places.map(|place| std::mem::replace(&mut row[*place], Value::Null)));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}
