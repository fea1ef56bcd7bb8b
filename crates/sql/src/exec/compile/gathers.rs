//! Where several threads may help.

use std::sync::Arc;

use super::super::Node;
use super::super::parallel::Gather;
use super::{Compiler, Outer};
use crate::plan::Plan;

impl Compiler<'_> {
    /// A gather over the node of a plan whose rows are all wanted, if several threads can run it.
    /// What depends on outer rows runs too often for that.
    pub(super) fn gather(
        &mut self,
        plan: &Plan,
        node: &Arc<dyn Node>,
        outer: &Outer,
    ) -> Option<Arc<Gather>> {
        let measured = self.measures.as_mut().map(|measures| measures.noted(plan));
        Gather::over(node, measured).filter(|_| outer.is_empty())
    }

    /// The same, or else the node.
    pub(super) fn gathered(
        &mut self,
        plan: &Plan,
        node: Arc<dyn Node>,
        outer: &Outer,
    ) -> Arc<dyn Node> {
        match self.gather(plan, &node, outer) {
            Some(gather) => gather,
            None => node,
        }
    }

    /// The same for a node that gives rows as they come: where nobody takes all of them at once,
    /// workers would wait.
    pub(super) fn gathered_if_drained(
        &mut self,
        plan: &Plan,
        node: Arc<dyn Node>,
        outer: &Outer,
    ) -> Arc<dyn Node> {
        match self.is_drained {
            true => self.gathered(plan, node, outer),
            false => node,
        }
    }
}
