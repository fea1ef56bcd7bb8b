//! The rows of a result.
//!
//! They lie in blocks, the values of a block one after the other in one piece of memory, so that
//! rows cost no allocation each. A block has about as many rows as a batch of the executor: who
//! keeps a row keeps its block, not the whole result.

use std::ops::Index;

use rustdb_types::Value;

use crate::exec::BATCH_ROWS;

/// Some rows of a result.
#[derive(Clone, Debug, Default)]
pub struct RowBlock {
    /// Row after row.
    values: Vec<Value>,
    width: usize,
    rows: usize,
}

impl RowBlock {
    /// Rows whose values stand one after the other, `width` for each. Rows without columns are
    /// counted all the same.
    pub(crate) fn new(values: Vec<Value>, width: usize, rows: usize) -> RowBlock {
        debug_assert_eq!(values.len(), width * rows);
        RowBlock {
            values,
            width,
            rows,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        (0..self.rows).map(|place| self.row(place))
    }

    /// The values of a row, by its place from 0.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[inline]
    pub fn row(&self, place: usize) -> &[Value] {
        assert!(place < self.rows, "the row is in the block");
        &self.values[place * self.width..][..self.width]
    }
}

/// The rows of a result. See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    blocks: Vec<RowBlock>,
}

impl RowSet {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(RowBlock::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(RowBlock::is_empty)
    }

    /// The rows, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        self.blocks.iter().flat_map(RowBlock::iter)
    }

    /// The blocks, in their order; none of them is empty.
    pub fn into_blocks(self) -> Vec<RowBlock> {
        self.blocks
    }

    /// Adds rows.
    pub(crate) fn push_block(&mut self, block: RowBlock) {
        if !block.is_empty() {
            self.blocks.push(block);
        }
    }

    /// Adds a row, which has as many values as those before.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        match self.blocks.last_mut() {
            Some(last) if last.rows < BATCH_ROWS && last.width == row.len() => {
                last.values.extend(row);
                last.rows += 1;
            }
            _ => {
                let width = row.len();
                self.blocks.push(RowBlock::new(row, width, 1));
            }
        }
    }
}

impl From<RowBlock> for RowSet {
    fn from(block: RowBlock) -> RowSet {
        let mut rows = RowSet::default();
        rows.push_block(block);
        rows
    }
}

impl FromIterator<Vec<Value>> for RowSet {
    fn from_iter<T: IntoIterator<Item = Vec<Value>>>(rows: T) -> RowSet {
        let mut set = RowSet::default();
        rows.into_iter().for_each(|row| set.push(row));
        set
    }
}

impl<'a> IntoIterator for &'a RowSet {
    type Item = &'a [Value];
    type IntoIter = Box<dyn Iterator<Item = &'a [Value]> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// A row, by its place from 0: for few rows, as it looks through the blocks.
impl Index<usize> for RowSet {
    type Output = [Value];

    fn index(&self, place: usize) -> &[Value] {
        let mut rest = place;
        for block in &self.blocks {
            match rest.checked_sub(block.len()) {
                None => return block.row(rest),
                Some(after) => rest = after,
            }
        }
        panic!("there are {} rows, and none at {place}", self.len())
    }
}

/// They are the same if their rows are.
impl PartialEq for RowSet {
    fn eq(&self, other: &RowSet) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<R: AsRef<[Value]>, const N: usize> PartialEq<[R; N]> for RowSet {
    fn eq(&self, other: &[R; N]) -> bool {
        self.len() == N && self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

/// The values of each row in a vector of its own.
impl IntoIterator for RowSet {
    type Item = Vec<Value>;
    type IntoIter = Box<dyn Iterator<Item = Vec<Value>> + Send>;

    fn into_iter(self) -> Self::IntoIter {
        let rows = |block: RowBlock| {
            let mut values = block.values.into_iter();
            (0..block.rows).map(move |_| values.by_ref().take(block.width).collect())
        };
        Box::new(self.blocks.into_iter().flat_map(rows))
    }
}
