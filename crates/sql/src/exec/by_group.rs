//! Where groups are few, each takes its rows of a batch at once.
//!
//! So a sum goes over the numbers of a column in one loop, and what kind of state and column it is gets
//! asked once for each group and batch, not for each row.

use rustdb_types::Cells;

use super::aggregate::Seen;
use super::context::Context;
use super::groups::Groups;
use super::vector::Vector;
use crate::error::Result;

/// The rows of a batch, group by group.
pub(super) struct ByGroup {
    rows: Vec<u32>,
    /// Where the rows of each group end.
    ends: Vec<u32>,
}

/// There are no more groups than this.
const FEW_GROUPS: usize = 64;

impl ByGroup {
    /// The rows whose groups are given; `None` if there are too many groups.
    pub(super) fn of(groups: &[u32], count: usize) -> Option<ByGroup> {
        if count > FEW_GROUPS || count == 0 {
            return None;
        }
        let mut next = vec![0; count + 1];
        for group in groups {
            next[*group as usize + 1] += 1;
        }
        for group in 0..count {
            next[group + 1] += next[group];
        }
        let mut rows = vec![0; groups.len()];
        for (row, group) in (0_u32..).zip(groups) {
            let place = &mut next[*group as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        next.pop();
        Some(ByGroup { rows, ends: next })
    }

    /// Gives a call its arguments. Whether that could be done: of plain columns only.
    pub(super) fn update(
        &self,
        call: usize,
        arguments: &[Vector<'_>],
        groups: &mut Groups,
        cx: &mut Context<'_>,
    ) -> Result<bool> {
        let column = match arguments {
            [] => None,
            [Vector::Column(column)] if !matches!(column.cells(), Cells::Values(_)) => {
                Some(&**column)
            }
            _ => return Ok(false),
        };
        let functions = cx.functions();
        let mut start = 0;
        for (group, end) in self.ends.iter().enumerate() {
            let rows = &self.rows[start..*end as usize];
            start = *end as usize;
            match &mut groups.seen_mut(group)[call] {
                Seen::State(state) => state.update_cells(column, rows, &functions)?,
                _ if rows.is_empty() => (),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}
