//! Rows out to a spill file, and back.
//!
//! A stream is the rows of one writer in their order, in blocks; any number of them share a file.

use std::borrow::{Borrow, Cow};
use std::sync::Arc;

use rustdb_txn::{SpillFile, SpillPlace};
use rustdb_types::Value;
use rustdb_vfs::sync::Mutex;

use super::super::batch::{BATCH_ROWS, Batch};
use super::super::context::Context;
use crate::error::Result;

/// The least and the most bytes of a block.
const BLOCK_BYTES: (usize, usize) = (4 << 10, 64 << 10);

/// A spill file, shared by those who write and read its streams. It goes with the last of them.
#[derive(Clone, Debug)]
pub(in crate::exec) struct Aside {
    file: Arc<Mutex<SpillFile>>,
    block_bytes: usize,
}

/// Rows that are in a file.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct Stream {
    blocks: Vec<SpillPlace>,
    rows: u64,
    /// What the rows take in memory.
    memory_bytes: usize,
}

impl Aside {
    /// A new file, for so many streams at a time, whose buffers are to take so much memory.
    pub(in crate::exec) fn new(
        streams: usize,
        memory_bytes: usize,
        cx: &Context<'_>,
    ) -> Result<Aside> {
        let each = memory_bytes / streams.max(1);
        let file = cx.transaction()?.engine().spill_file();
        let file = file.map_err(rustdb_txn::Error::from)?;
        Ok(Aside {
            file: Arc::new(Mutex::new(file)),
            block_bytes: each.clamp(BLOCK_BYTES.0, BLOCK_BYTES.1),
        })
    }

    /// How many streams can be read or written at a time within so much memory.
    pub(in crate::exec) fn streams_within(memory_bytes: usize) -> usize {
        memory_bytes / BLOCK_BYTES.0
    }

    /// How long the file is.
    pub(in crate::exec) fn bytes(&self) -> u64 {
        self.file.lock().bytes()
    }

    /// About how much memory a buffer takes.
    pub(in crate::exec) fn buffer_bytes(&self) -> usize {
        self.block_bytes
    }

    pub(in crate::exec) fn writer(&self) -> RowWriter {
        RowWriter {
            aside: self.clone(),
            buffer: Vec::new(),
            stream: Stream::default(),
        }
    }

    /// Reads a stream of this file, whose rows have so many values.
    pub(in crate::exec) fn reader(&self, stream: Stream, width: usize) -> RowReader {
        RowReader {
            aside: self.clone(),
            blocks: stream.blocks.into_iter(),
            block: Vec::new(),
            at: 0,
            width,
        }
    }

    /// Writes one block, not part of a stream.
    pub(in crate::exec) fn put(&self, bytes: &[u8]) -> Result<SpillPlace> {
        let place = self.file.lock().append(bytes);
        Ok(place.map_err(rustdb_txn::Error::from)?)
    }

    /// Reads a block.
    pub(in crate::exec) fn get(&self, place: SpillPlace, out: &mut Vec<u8>) -> Result<()> {
        let read = self.file.lock().read(place, out);
        Ok(read.map_err(rustdb_txn::Error::from)?)
    }
}

impl Stream {
    pub(in crate::exec) fn rows(&self) -> u64 {
        self.rows
    }

    pub(in crate::exec) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What the rows take in memory.
    pub(in crate::exec) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

/// Writes a stream.
#[derive(Debug)]
pub(in crate::exec) struct RowWriter {
    aside: Aside,
    buffer: Vec<u8>,
    stream: Stream,
}

impl RowWriter {
    /// Adds a row.
    pub(in crate::exec) fn push<V: Borrow<Value>>(
        &mut self,
        row: impl IntoIterator<Item = V>,
    ) -> Result<()> {
        let mut bytes = size_of::<Vec<Value>>();
        for value in row {
            let value = value.borrow();
            value.pack(&mut self.buffer);
            bytes += size_of::<Value>() + value.heap_bytes();
        }
        // A row without columns is there too.
        self.buffer.push(END);
        self.stream.rows += 1;
        self.stream.memory_bytes += bytes;
        match self.buffer.len() >= self.aside.block_bytes {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Adds a row of a batch, with something before it.
    pub(in crate::exec) fn push_row(
        &mut self,
        before: &[Value],
        batch: &Batch,
        row: usize,
    ) -> Result<()> {
        let own = (0..batch.width()).map(|place| batch.column(place).cell(row));
        self.push(before.iter().map(Cow::Borrowed).chain(own))
    }

    fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            let place = self.aside.put(&self.buffer)?;
            self.stream.blocks.push(place);
            self.buffer.clear();
        }
        Ok(())
    }

    /// The stream is at its end.
    pub(in crate::exec) fn finish(mut self) -> Result<Stream> {
        self.flush()?;
        Ok(self.stream)
    }
}

/// Ends a row; no value begins with it.
const END: u8 = 0;

/// Reads a stream.
#[derive(Debug)]
pub(in crate::exec) struct RowReader {
    aside: Aside,
    blocks: std::vec::IntoIter<SpillPlace>,
    block: Vec<u8>,
    /// Where the next row of the block begins.
    at: usize,
    width: usize,
}

impl RowReader {
    /// The next row, in place of what is in `row`; false if there is none.
    pub(in crate::exec) fn next_into(
        &mut self,
        row: &mut Vec<Value>,
        cx: &Context<'_>,
    ) -> Result<bool> {
        row.clear();
        if self.at >= self.block.len() {
            let Some(place) = self.blocks.next() else {
                self.block = Vec::new();
                return Ok(false);
            };
            cx.check_cancelled()?;
            self.aside.get(place, &mut self.block)?;
            self.at = 0;
        }
        let mut rest = &self.block[self.at..];
        row.reserve_exact(self.width);
        for _ in 0..self.width {
            row.push(Value::unpack(&mut rest)?);
        }
        self.at = self.block.len() - rest.len() + 1;
        Ok(true)
    }

    /// Some of the next rows; `None` if there are none.
    pub(in crate::exec) fn next_batch(&mut self, cx: &Context<'_>) -> Result<Option<Batch>> {
        let mut batch = Batch::new(self.width);
        let mut row = Vec::new();
        while batch.rows() < BATCH_ROWS && self.next_into(&mut row, cx)? {
            batch.push(row.drain(..));
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}
